//! What Gatekeeper refuses in a template and the engine would not, or only while it runs.

use super::names::{Names, visit_rule, visit_statement};
use super::syntax::{Body, Expr, ExprKind, Module, Rule, Shape, Statement, StatementKind, literal};
use super::{Refusal, Refused, Version};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a function that texts can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The engine has it.
    Builtin {
        /// How many arguments it takes.
        arguments: usize,
        /// Whether Rego v1 dropped it.
        deprecated: bool,
        /// Whether the result may be asked for as one more argument; ours are rewritten.
        ours: bool,
    },
    /// It is known and cannot be had.
    Outside,
}

/// Refuses what a module may not say.
pub(super) fn check(
    module: &Module,
    is_entry: bool,
    text: &str,
    version: Version,
    names: &Names,
    functions: &BTreeMap<&'static str, Function>,
) -> Result<(), Refusal> {
    let lint = Lint {
        module,
        text,
        version,
        names,
        functions,
    };
    lint.package(is_entry)?;
    for rule in &module.rules {
        lint.rule(rule)?;
    }
    Ok(())
}

struct Lint<'a> {
    module: &'a Module,
    text: &'a str,
    version: Version,
    names: &'a Names,
    functions: &'a BTreeMap<&'static str, Function>,
}

impl Lint<'_> {
    fn package(&self, is_entry: bool) -> Result<(), Refusal> {
        let package = &self.module.package;
        if !is_entry && package != "lib" && !package.starts_with("lib.") {
            return Err(Refusal::new(self.module.package_at, Refused::Package(package.clone())));
        }
        for import in &self.module.imports {
            let allowed = ["data.lib", "future.keywords"]
                .iter()
                .any(|path| import.path == *path || import.path.starts_with(&format!("{path}.")));
            if !allowed {
                return Err(Refusal::new(import.at, Refused::Import(import.path.clone())));
            }
        }
        if is_entry {
            self.violation()?;
        }
        Ok(())
    }

    fn violation(&self) -> Result<(), Refusal> {
        let mut rules = self
            .module
            .rules
            .iter()
            .filter(|rule| rule.name == "violation")
            .peekable();
        if rules.peek().is_none() {
            return Err(Refusal::new(self.module.package_at, Refused::NoViolation));
        }
        for rule in rules {
            if rule.shape != Shape::PartialSet {
                return Err(Refusal::new(rule.head.start, Refused::NoViolation));
            }
            if let Some(Expr {
                kind: ExprKind::Object(pairs),
                ..
            }) = rule.terms.first()
            {
                let keys: Vec<_> = pairs.iter().step_by(2).map(|key| literal(key, self.text)).collect();
                let told = keys.iter().any(|key| key.as_deref().is_none_or(|key| key == "msg"));
                if !told {
                    return Err(Refusal::new(rule.head.start, Refused::NoMessage));
                }
            }
        }
        Ok(())
    }

    fn rule(&self, rule: &Rule) -> Result<(), Refusal> {
        let many = matches!(rule.shape, Shape::PartialSet | Shape::PartialObject);
        if many && !rule.branches.is_empty() {
            return Err(Refusal::new(rule.head.start, Refused::Else));
        }
        let mut refusal = None;
        visit_rule(rule, &mut |expr| {
            if refusal.is_none() {
                refusal = self.expr(expr).err();
            }
        });
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let arguments = match rule.shape {
            Shape::Function(count) => rule.terms.iter().take(count).collect(),
            _ => Vec::new(),
        };
        let mut bound = BTreeSet::new();
        for argument in arguments {
            variables(argument, &mut bound);
        }
        // What a head says can hold comprehensions that use the variables of each body.
        for body in &rule.bodies {
            let inside = self.body(body, &bound)?;
            for term in &rule.terms {
                self.closures(term, &inside)?;
            }
        }
        for branch in &rule.branches {
            let inside = match &branch.body {
                Some(body) => self.body(body, &bound)?,
                None => bound.clone(),
            };
            if let Some(value) = &branch.value {
                self.closures(value, &inside)?;
            }
        }
        if rule.bodies.is_empty() {
            for term in &rule.terms {
                self.closures(term, &bound)?;
            }
        }
        Ok(())
    }

    fn expr(&self, expr: &Expr) -> Result<(), Refusal> {
        match &expr.kind {
            ExprKind::Call(name, arguments) => self.call(expr, name, arguments.len()),
            ExprKind::Ref(..) | ExprKind::Var(_) => {
                let Some(path) = expr.path(self.text) else {
                    return Ok(());
                };
                let Some(whole) = self.names.whole(self.module, &path) else {
                    return Ok(());
                };
                let mut parts = whole.split('.');
                let offered = parts.next() != Some("data")
                    || matches!(parts.next(), Some("inventory" | "lib"))
                    || path.first().is_none_or(|first| first != "data");
                if offered {
                    Ok(())
                } else {
                    Err(Refusal::new(expr.range.start, Refused::Data(whole)))
                }
            }
            _ => Ok(()),
        }
    }

    fn call(&self, expr: &Expr, name: &str, found: usize) -> Result<(), Refusal> {
        let refuse = |reason| Err(Refusal::new(expr.range.start, reason));
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let own = self
            .names
            .whole(self.module, &path)
            .and_then(|whole| self.names.shape(&whole));
        let wanted = match (own, self.functions.get(name)) {
            (Some(Shape::Function(arguments)), _) => arguments,
            (Some(_), _) | (None, None) => return refuse(Refused::UnknownFunction(name.to_owned())),
            (None, Some(Function::Outside)) => return refuse(Refused::Outside(name.to_owned())),
            (
                None,
                Some(Function::Builtin {
                    arguments, deprecated, ..
                }),
            ) => {
                if *deprecated && self.version == Version::V1 {
                    return refuse(Refused::Deprecated(name.to_owned()));
                }
                *arguments
            }
        };
        // A relation: its result is never one value.
        if name == "walk" && found != wanted + 1 {
            let name = name.to_owned();
            return refuse(Refused::Arguments {
                name,
                wanted: wanted + 1,
                found,
            });
        }
        // One more is the result.
        if found == wanted || found == wanted + 1 || name == "print" {
            return Ok(());
        }
        let name = name.to_owned();
        refuse(Refused::Arguments { name, wanted, found })
    }

    /// Checks a body and returns the variables that are known in it.
    fn body(&self, body: &Body, outer: &BTreeSet<String>) -> Result<BTreeSet<String>, Refusal> {
        let mut bound = outer.clone();
        let mut assigned = BTreeSet::new();
        for statement in &body.statements {
            match &statement.kind {
                StatementKind::Not(_) => {}
                StatementKind::Expr(expr) => {
                    variables(expr, &mut bound);
                    self.assignment(expr, &mut assigned)?;
                }
                StatementKind::Some(names) => {
                    let mut declared = BTreeSet::new();
                    names.iter().for_each(|name| variables(name, &mut declared));
                    if let Some(name) = declared.into_iter().find(|name| assigned.contains(name)) {
                        return Err(Refusal::new(statement.range.start, Refused::AssignedTwice(name)));
                    }
                }
                StatementKind::SomeIn(names, collection) => {
                    names
                        .iter()
                        .chain([collection])
                        .for_each(|expr| variables(expr, &mut bound));
                }
                StatementKind::Every(_, domain, _) => variables(domain, &mut bound),
            }
        }
        for statement in &body.statements {
            self.statement(statement, &bound)?;
        }
        Ok(bound)
    }

    fn assignment(&self, expr: &Expr, assigned: &mut BTreeSet<String>) -> Result<(), Refusal> {
        let ExprKind::Binary(":=", left, _) = &expr.kind else {
            return Ok(());
        };
        let mut targets = BTreeSet::new();
        variables(left, &mut targets);
        for name in targets {
            let shadows = matches!(name.as_str(), "input" | "data");
            if shadows && self.version == Version::V1 {
                return Err(Refusal::new(expr.range.start, Refused::Shadowed(name)));
            }
            if name != "_" && !assigned.insert(name.clone()) {
                return Err(Refusal::new(expr.range.start, Refused::AssignedTwice(name)));
            }
        }
        Ok(())
    }

    fn statement(&self, statement: &Statement, bound: &BTreeSet<String>) -> Result<(), Refusal> {
        if let StatementKind::Not(expr) = &statement.kind {
            let mut inside = BTreeSet::new();
            variables(expr, &mut inside);
            for name in inside {
                let global = self.names.whole(self.module, std::slice::from_ref(&name)).is_some();
                if name == "_" || !(global || bound.contains(&name)) {
                    return Err(Refusal::new(expr.range.start, Refused::Unsafe(name)));
                }
            }
        }
        for expr in statement.exprs() {
            self.closures(expr, bound)?;
        }
        if let StatementKind::Every(names, _, body) = &statement.kind {
            let mut inside = bound.clone();
            names.iter().for_each(|name| variables(name, &mut inside));
            let mut used = BTreeSet::new();
            let mut note = |expr: &Expr| variables(expr, &mut used);
            body.statements
                .iter()
                .for_each(|statement| visit_statement(statement, &mut note));
            for name in names {
                let mut declared = BTreeSet::new();
                variables(name, &mut declared);
                if let Some(unused) = declared.into_iter().find(|name| name != "_" && !used.contains(name)) {
                    return Err(Refusal::new(name.range.start, Refused::Unused(unused)));
                }
            }
            self.body(body, &inside)?;
        }
        Ok(())
    }

    /// Checks the bodies of the comprehensions in an expression.
    fn closures(&self, expr: &Expr, bound: &BTreeSet<String>) -> Result<(), Refusal> {
        if let ExprKind::Closure(terms, body) = &expr.kind {
            let inside = self.body(body, bound)?;
            return terms.iter().try_for_each(|term| self.closures(term, &inside));
        }
        expr.children()
            .into_iter()
            .try_for_each(|child| self.closures(child, bound))
    }
}

/// Adds the variables of an expression, those of comprehensions left out.
fn variables(expr: &Expr, found: &mut BTreeSet<String>) {
    if let ExprKind::Closure(..) = expr.kind {
        return;
    }
    if let ExprKind::Var(name) = &expr.kind {
        found.insert(name.clone());
    }
    for child in expr.children() {
        variables(child, found);
    }
}
