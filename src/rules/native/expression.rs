//! One expression: read, checked for what it names, and rewritten where the interpreter answers otherwise than Kubernetes.

use super::functions::{FIELDS, ITEMS, MATCHES, REPLACE};
use super::{OWN_VARIABLES, Positions};
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::CelBool;
use cel::parser::Parser;
use std::collections::BTreeSet;

/// The longest expression that is read, in bytes.
const LONGEST: usize = 8 << 10;
/// How deep the parts of an expression may stand in each other.
const DEEPEST: usize = 200;

/// What an expression sees besides variables.
const NAMES: [&str; 4] = ["object", "oldObject", "request", "namespaceObject"];

/// Names of types, which are values as well.
const TYPES: [&str; 9] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "uint",
];

/// What an expression may call: what both Kubernetes and the interpreter have, and what our own functions add.
const FUNCTIONS: [&str; 42] = [
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "format",
    "hasValue",
    "indexOf",
    "int",
    "isSorted",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "max",
    "min",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "replace",
    "size",
    "split",
    "startsWith",
    "string",
    "strings.quote",
    "substring",
    "sum",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
    operators::OPT_INDEX,
    operators::OPT_SELECT,
    operators::NOT_STRICTLY_FALSE,
    operators::IN,
    operators::INDEX,
    operators::CONDITIONAL,
];

/// The operators that are called with one or two values.
const OPERATORS: [&str; 15] = [
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
];

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// As it is written.
    pub(super) text: String,
    pub(super) tree: IdedExpr,
    /// Which variables it needs.
    pub(super) variables: Positions,
    /// What else it looks at: of [`NAMES`] and of the variables that are always there.
    pub(super) sees: BTreeSet<&'static str>,
}

impl Expression {
    /// Reads an expression that may use the variables of these names.
    pub(super) fn new(text: &str, variables: &[&str]) -> Result<Expression, String> {
        if text.len() > LONGEST {
            return Err(format!("the expression has more than {LONGEST} bytes"));
        }
        let parser = Parser::new().enable_optional_syntax(true);
        let mut tree = parser.parse(text).map_err(|errors| match errors.errors.first() {
            Some(error) => format!("line {}, column {}: {}", error.pos.0, error.pos.1, error.msg),
            None => "it is no expression".to_owned(),
        })?;
        let mut walk = Walk {
            known: variables,
            bound: Vec::new(),
            variables: Positions::new(),
            sees: BTreeSet::new(),
        };
        walk.visit(&mut tree, 0)?;
        Ok(Expression {
            text: text.to_owned(),
            tree,
            variables: walk.variables,
            sees: walk.sees,
        })
    }
}

struct Walk<'a> {
    known: &'a [&'a str],
    /// The names that comprehensions around bind.
    bound: Vec<String>,
    variables: Positions,
    sees: BTreeSet<&'static str>,
}

impl Walk<'_> {
    fn visit(&mut self, part: &mut IdedExpr, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("the expression is more than {DEEPEST} levels deep"));
        }
        let depth = depth + 1;
        let is_test_of_variable = match &part.expr {
            Expr::Select(select) if self.is_variables(&select.operand) => {
                self.variable(&select.field)?;
                if !select.test {
                    return Ok(());
                }
                true
            }
            _ => false,
        };
        if is_test_of_variable {
            part.expr = Expr::Literal(LiteralValue::Boolean(CelBool::from(true)));
            return Ok(());
        }
        match &mut part.expr {
            Expr::Unspecified => Err("a part of the expression is missing".to_owned()),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(&name.clone()),
            Expr::Select(select) => {
                self.visit(&mut select.operand, depth)?;
                if select.test {
                    wrap(&mut select.operand, FIELDS);
                }
                Ok(())
            }
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) => list.elements.iter_mut().try_for_each(|part| self.visit(part, depth)),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&mut entry.key, depth)?;
                    self.visit(&mut entry.value, depth)
                }
                EntryExpr::StructField(field) => self.visit(&mut field.value, depth),
            }),
            Expr::Struct(made) => Err(format!("there is no type `{}`", made.type_name)),
            Expr::Comprehension(comprehension) => {
                self.visit(&mut comprehension.iter_range, depth)?;
                self.visit(&mut comprehension.accu_init, depth)?;
                wrap(&mut comprehension.iter_range, ITEMS);
                let before = self.bound.len();
                self.bound.push(comprehension.iter_var.clone());
                self.bound.push(comprehension.accu_var.clone());
                self.bound.extend(comprehension.iter_var2.clone());
                self.visit(&mut comprehension.loop_cond, depth)?;
                self.visit(&mut comprehension.loop_step, depth)?;
                self.visit(&mut comprehension.result, depth)?;
                self.bound.truncate(before);
                Ok(())
            }
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().any(|bound| bound == name)
    }

    fn is_variables(&self, part: &IdedExpr) -> bool {
        matches!(&part.expr, Expr::Ident(name) if name == "variables" && !self.is_bound(name))
    }

    fn variable(&mut self, name: &str) -> Result<(), String> {
        match self.known.iter().position(|known| *known == name) {
            Some(at) => {
                self.variables.insert(at);
                Ok(())
            }
            None if self.sees_one_of(&OWN_VARIABLES, name) => Ok(()),
            None => Err(format!("there is no variable `{name}` before this")),
        }
    }

    /// Whether a name is one of these, which is then noted.
    fn sees_one_of(&mut self, names: &[&'static str], name: &str) -> bool {
        let found = names.iter().find(|one| **one == name);
        self.sees.extend(found);
        found.is_some()
    }

    fn name(&mut self, name: &str) -> Result<(), String> {
        if self.is_bound(name) || TYPES.contains(&name) {
            return Ok(());
        }
        match name {
            name if self.sees_one_of(&NAMES, name) => Ok(()),
            "variables" => Err("`variables` can only be asked for one of them".to_owned()),
            _ => Err(format!("unknown name `{name}`")),
        }
    }

    fn call(&mut self, call: &mut CallExpr, depth: usize) -> Result<(), String> {
        let qualified = match call.target.as_ref().map(|target| &target.expr) {
            Some(Expr::Ident(space)) if matches!(space.as_str(), "optional" | "strings") && !self.is_bound(space) => {
                Some(format!("{space}.{}", call.func_name))
            }
            _ => None,
        };
        let is_qualified = qualified.is_some();
        let name = qualified.unwrap_or_else(|| call.func_name.clone());
        if !FUNCTIONS.contains(&name.as_str()) && !OPERATORS.contains(&name.as_str()) {
            return Err(format!("unknown function `{name}`"));
        }
        if !is_qualified && let Some(target) = &mut call.target {
            self.visit(target, depth)?;
        }
        call.args.iter_mut().try_for_each(|part| self.visit(part, depth))?;
        let own = match name.as_str() {
            "matches" => Some(MATCHES),
            "replace" => Some(REPLACE),
            _ => None,
        };
        if let Some(own) = own {
            call.func_name = own.to_owned();
            if let Some(target) = call.target.take() {
                call.args.insert(0, *target);
            }
        }
        Ok(())
    }
}

/// Puts a call around a part.
fn wrap(part: &mut IdedExpr, function: &str) {
    let inner = std::mem::take(part);
    part.id = inner.id;
    part.expr = Expr::Call(CallExpr {
        func_name: function.to_owned(),
        target: None,
        args: vec![inner],
    });
}
