//! The rewriting: heads repeated for further bodies, semicolons before brackets, and negations without undefined parts.

use super::edit::{Edits, Normalised, Piece};
use super::lint::Function;
use super::names::{Names, visit_rule};
use super::syntax::{Body, Expr, ExprKind, Module, Part, Range, Rule, Statement, StatementKind};
use super::{OPERATORS, Refusal};
use std::collections::BTreeMap;

/// Returns a module's text as the engine needs it.
pub(super) fn rewrite(
    module: &Module,
    text: &str,
    names: &Names,
    functions: &BTreeMap<&'static str, Function>,
) -> Result<Normalised, Refusal> {
    let mut prefix = "hoisted".to_owned();
    while text.contains(&prefix) {
        prefix.push('_');
    }
    let mut rewriting = Rewriting {
        module,
        text,
        names,
        functions,
        edits: Edits::new(text),
        prefix,
        count: 0,
    };
    for rule in &module.rules {
        rewriting.rule(rule);
    }
    Ok(rewriting.edits.finish())
}

struct Rewriting<'a> {
    module: &'a Module,
    text: &'a str,
    names: &'a Names,
    functions: &'a BTreeMap<&'static str, Function>,
    edits: Edits<'a>,
    prefix: String,
    count: usize,
}

impl Rewriting<'_> {
    fn rule(&mut self, rule: &Rule) {
        // From the outside in, so that the outermost call stands first.
        visit_rule(rule, &mut |expr| self.arithmetic(expr));
        for term in &rule.terms {
            self.closures(term);
        }
        for body in &rule.bodies {
            self.body(body);
        }
        for branch in &rule.branches {
            if let Some(value) = &branch.value {
                self.closures(value);
            }
            if let Some(body) = &branch.body {
                self.body(body);
            }
        }
        let head = self.edits.rendered(rule.head);
        for body in rule.bodies.iter().skip(1) {
            let start = body.range.start;
            let mut pieces = head.clone();
            // On a line of its own, so that no reader of lines takes it for a part of the rule before.
            pieces.insert(0, Piece::Made("\n".to_owned(), start));
            pieces.push(Piece::Made(" ".to_owned(), start));
            self.edits.insert(start, pieces);
        }
    }

    /// Writes an operator of arithmetic as a call, so that it is calculated as OPA does.
    fn arithmetic(&mut self, expr: &Expr) {
        let ExprKind::Binary(operator, left, right) = &expr.kind else {
            return;
        };
        let known = OPERATORS.iter().find(|(known, _)| known == operator);
        let Some((_, name)) = known else { return };
        let (start, end) = (expr.range.start, expr.range.end);
        let between = Range {
            start: left.range.end,
            end: right.range.start,
        };
        self.edits.insert(start, vec![Piece::Made(format!("{name}("), start)]);
        self.edits.between(between, ", ".to_owned());
        self.edits.insert(end, vec![Piece::Made(")".to_owned(), end)]);
    }

    fn body(&mut self, body: &Body) {
        let hoisted = self.count;
        for (index, statement) in body.statements.iter().enumerate() {
            self.statement(statement);
            let previous = index.checked_sub(1).and_then(|index| body.statements.get(index));
            if let Some(previous) = previous {
                self.separate(previous, statement);
            }
        }
        let bare = !self
            .text
            .get(body.range.start..)
            .is_some_and(|text| text.starts_with('{'));
        let single = body
            .statements
            .first()
            .is_some_and(|statement| statement.range == body.range);
        if bare && single && self.count > hoisted {
            let whole = self.edits.rendered(body.range);
            self.edits.replace(body.range, String::new());
            let mut pieces = vec![Piece::Made("{ ".to_owned(), body.range.start)];
            pieces.extend(whole);
            pieces.push(Piece::Made(" }".to_owned(), body.range.end));
            self.edits.insert(body.range.end, pieces);
        }
    }

    /// Puts a semicolon between statements where the engine would read the second as arguments or index of the first.
    fn separate(&mut self, previous: &Statement, statement: &Statement) {
        let starts = self
            .text
            .get(statement.range.start..)
            .is_some_and(|text| text.starts_with(['(', '[', '{']));
        let gap = self
            .text
            .get(previous.range.end..statement.range.start)
            .unwrap_or_default();
        let separated = gap
            .lines()
            .any(|line| line.split('#').next().is_some_and(|code| code.contains(';')));
        if starts && !separated {
            let at = previous.range.end;
            self.edits.insert(at, vec![Piece::Made(";".to_owned(), at)]);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        for expr in statement.exprs() {
            self.closures(expr);
        }
        match &statement.kind {
            StatementKind::Every(_, _, body) => self.body(body),
            StatementKind::Expr(expr) => self.output(expr),
            StatementKind::Not(expr) => {
                let mut hoisted = Vec::new();
                self.negated(expr, &mut hoisted);
                let start = statement.range.start;
                for (name, value) in hoisted {
                    let mut pieces = vec![Piece::Made(format!("{name} := "), start)];
                    pieces.extend(value);
                    if let Some(withs) = statement.with_range {
                        pieces.push(Piece::Made(" ".to_owned(), start));
                        pieces.extend(self.edits.rendered(withs));
                    }
                    pieces.push(Piece::Made("; ".to_owned(), start));
                    self.edits.insert(start, pieces);
                }
            }
            StatementKind::Some(_) | StatementKind::SomeIn(..) => {}
        }
    }

    /// Writes `f(x, result)` as `result = f(x)` for the functions that the engine does not let write a result.
    fn output(&mut self, expr: &Expr) {
        let ExprKind::Call(name, arguments) = &expr.kind else {
            return;
        };
        let Some(Function::Builtin {
            arguments: wanted,
            ours: true,
            ..
        }) = self.functions.get(name.as_str())
        else {
            return;
        };
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        if self.names.whole(self.module, &path).is_some() || arguments.len() != wanted + 1 {
            return;
        }
        let (Some(result), Some(before)) = (arguments.last(), arguments.iter().rev().nth(1)) else {
            return;
        };
        let start = expr.range.start;
        let mut pieces = self.edits.rendered(result.range);
        pieces.push(Piece::Made(" = ".to_owned(), start));
        self.edits.insert(start, pieces);
        let range = Range {
            start: before.range.end,
            end: result.range.end,
        };
        self.edits.replace(range, String::new());
    }

    /// Rewrites the bodies of the comprehensions in an expression.
    fn closures(&mut self, expr: &Expr) {
        for child in expr.children() {
            self.closures(child);
        }
        if let ExprKind::Closure(_, body) = &expr.kind {
            self.body(body);
        }
    }

    /// Takes out of a negated expression what, undefined, must leave the whole body undefined.
    fn negated(&mut self, expr: &Expr, hoisted: &mut Vec<(String, Vec<Piece>)>) {
        match &expr.kind {
            ExprKind::Paren(inner) => self.negated(inner, hoisted),
            ExprKind::Binary("==" | "=", left, right) => {
                self.operand(left, hoisted);
                self.operand(right, hoisted);
            }
            ExprKind::Binary(_, left, right) => {
                self.take(left, hoisted);
                self.take(right, hoisted);
            }
            ExprKind::Call(_, arguments) => arguments.iter().for_each(|argument| self.take(argument, hoisted)),
            ExprKind::Member(items, collection) => {
                items
                    .iter()
                    .chain([collection.as_ref()])
                    .for_each(|operand| self.take(operand, hoisted));
            }
            _ => self.operand(expr, hoisted),
        }
    }

    /// An operand of an equality: a reference itself may be undefined, its indexes may not.
    fn operand(&mut self, expr: &Expr, hoisted: &mut Vec<(String, Vec<Piece>)>) {
        match &expr.kind {
            ExprKind::Paren(inner) => self.operand(inner, hoisted),
            ExprKind::Var(_) => {}
            ExprKind::Ref(head, parts) => {
                if !matches!(head.kind, ExprKind::Var(_)) {
                    self.take(head, hoisted);
                }
                for part in parts {
                    if let Part::Index(index) = part {
                        self.take(index, hoisted);
                    }
                }
            }
            _ => self.take(expr, hoisted),
        }
    }

    /// Gives an expression a name before the negation, unless it is always defined.
    fn take(&mut self, expr: &Expr, hoisted: &mut Vec<(String, Vec<Piece>)>) {
        match &expr.kind {
            ExprKind::Scalar | ExprKind::Closure(..) => return,
            ExprKind::Var(name) if self.names.whole(self.module, std::slice::from_ref(name)).is_none() => return,
            ExprKind::Composite(all) | ExprKind::Object(all) if all.iter().all(|expr| self.is_simple(expr)) => return,
            ExprKind::Paren(inner) => return self.take(inner, hoisted),
            _ => {}
        }
        self.count += 1;
        let name = format!("{}{}", self.prefix, self.count);
        let value = self.edits.rendered(expr.range);
        self.edits.replace(expr.range, name.clone());
        hoisted.push((name, value));
    }

    fn is_simple(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Scalar | ExprKind::Closure(..) => true,
            ExprKind::Var(name) => self.names.whole(self.module, std::slice::from_ref(name)).is_none(),
            ExprKind::Composite(all) | ExprKind::Object(all) => all.iter().all(|expr| self.is_simple(expr)),
            _ => false,
        }
    }
}
