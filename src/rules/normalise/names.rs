//! The names of a template: what its modules define, and what a path in one of them means.

use super::syntax::{Body, Expr, ExprKind, Module, Rule, Shape, Statement, StatementKind};
use super::{Refusal, Refused};
use std::collections::{BTreeMap, BTreeSet};

/// The rules of all modules by their paths, with `data.`.
pub(super) struct Names {
    rules: BTreeMap<String, Shape>,
}

impl Names {
    pub(super) fn new(modules: &[Module]) -> Names {
        let rules = modules.iter().flat_map(|module| {
            let path = |rule: &Rule| format!("data.{}.{}", module.package, rule.name);
            module.rules.iter().map(move |rule| (path(rule), rule.shape))
        });
        Names { rules: rules.collect() }
    }

    /// Returns the whole path that a name in a module stands for; none for what is neither a rule nor imported.
    pub(super) fn whole(&self, module: &Module, path: &[String]) -> Option<String> {
        let (first, rest) = path.split_first()?;
        if first == "data" || first == "input" {
            return Some(path.join("."));
        }
        let local = format!("data.{}.{first}", module.package);
        if self.begins(&local) {
            let whole = std::iter::once(local.as_str()).chain(rest.iter().map(String::as_str));
            return Some(whole.collect::<Vec<_>>().join("."));
        }
        let import = module.imports.iter().find(|import| import.alias == *first)?;
        if import.path.starts_with("future.") {
            return None;
        }
        let whole = std::iter::once(import.path.as_str()).chain(rest.iter().map(String::as_str));
        Some(whole.collect::<Vec<_>>().join("."))
    }

    fn begins(&self, path: &str) -> bool {
        let below = format!("{path}.");
        self.rules.contains_key(path)
            || self
                .rules
                .range(below.clone()..)
                .next()
                .is_some_and(|(key, _)| key.starts_with(&below))
    }

    /// Returns the shape of the rule at a whole path.
    pub(super) fn shape(&self, path: &str) -> Option<Shape> {
        self.rules.get(path).copied()
    }

    /// Returns the rules that a reference reads: the one it goes into, or all below it.
    fn read_by(&self, path: &str) -> Vec<&str> {
        let mut end = path.len();
        loop {
            let Some(prefix) = path.get(..end) else {
                return Vec::new();
            };
            if let Some((rule, _)) = self.rules.get_key_value(prefix) {
                return vec![rule];
            }
            match prefix.rfind('.') {
                Some(dot) => end = dot,
                None => break,
            }
        }
        let below = format!("{path}.");
        let rules = self
            .rules
            .range(below.clone()..)
            .take_while(|(rule, _)| rule.starts_with(&below));
        rules.map(|(rule, _)| rule.as_str()).collect()
    }
}

/// Calls `visit` with each expression of a rule, those in bodies and comprehensions included.
pub(super) fn visit_rule<'a>(rule: &'a Rule, visit: &mut impl FnMut(&'a Expr)) {
    for term in &rule.terms {
        visit_expr(term, visit);
    }
    for body in &rule.bodies {
        visit_body(body, visit);
    }
    for branch in &rule.branches {
        if let Some(value) = &branch.value {
            visit_expr(value, visit);
        }
        if let Some(body) = &branch.body {
            visit_body(body, visit);
        }
    }
}

pub(super) fn visit_body<'a>(body: &'a Body, visit: &mut impl FnMut(&'a Expr)) {
    for statement in &body.statements {
        visit_statement(statement, visit);
    }
}

pub(super) fn visit_statement<'a>(statement: &'a Statement, visit: &mut impl FnMut(&'a Expr)) {
    for expr in statement.exprs() {
        visit_expr(expr, visit);
    }
    if let StatementKind::Every(_, _, body) = &statement.kind {
        visit_body(body, visit);
    }
}

pub(super) fn visit_expr<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    visit(expr);
    // The name at the start of a reference is seen with the reference.
    let named = matches!(&expr.kind, ExprKind::Ref(head, _) if matches!(head.kind, ExprKind::Var(_)));
    for child in expr.children().into_iter().skip(usize::from(named)) {
        visit_expr(child, visit);
    }
    if let ExprKind::Closure(_, body) = &expr.kind {
        visit_body(body, visit);
    }
}

/// Refuses rules that need themselves.
pub(super) fn recursion(modules: &[Module], texts: &[&str], names: &Names) -> Result<(), (usize, Refusal)> {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in modules.iter().zip(texts) {
        for rule in &module.rules {
            let needed = needs
                .entry(format!("data.{}.{}", module.package, rule.name))
                .or_default();
            visit_rule(rule, &mut |expr| {
                let path = match &expr.kind {
                    ExprKind::Call(name, _) => Some(name.split('.').map(str::to_owned).collect()),
                    ExprKind::Var(_) | ExprKind::Ref(..) => expr.path(text),
                    _ => None,
                };
                if let Some(whole) = path.and_then(|path: Vec<String>| names.whole(module, &path)) {
                    needed.extend(names.read_by(&whole).into_iter().map(str::to_owned));
                }
            });
        }
    }
    for (index, module) in modules.iter().enumerate() {
        for rule in &module.rules {
            let path = format!("data.{}.{}", module.package, rule.name);
            if reaches(&needs, &path) {
                let reason = Refused::Recursion(rule.name.clone());
                return Err((index, Refusal::new(rule.head.start, reason)));
            }
        }
    }
    Ok(())
}

fn reaches(needs: &BTreeMap<String, BTreeSet<String>>, start: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = vec![start];
    while let Some(path) = open.pop() {
        for next in needs.get(path).into_iter().flatten() {
            if next == start {
                return true;
            }
            if seen.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    false
}
