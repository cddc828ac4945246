//! The syntax tree of a module: as much of Rego as it takes to see calls, references, negations and rule bodies.

/// A range of bytes of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A module.
#[derive(Debug)]
pub(super) struct Module {
    /// The path of its package, without `data.`.
    pub(super) package: String,
    pub(super) package_at: usize,
    pub(super) imports: Vec<Import>,
    pub(super) rules: Vec<Rule>,
}

/// An import.
#[derive(Debug)]
pub(super) struct Import {
    /// What is imported, with `data.`, `input.`, `future.` or `rego.`.
    pub(super) path: String,
    /// The name it has here.
    pub(super) alias: String,
    pub(super) at: usize,
}

/// A rule, with all bodies and `else` branches.
#[derive(Debug)]
pub(super) struct Rule {
    /// Everything before the first body.
    pub(super) head: Range,
    /// The name: of `a.b.c` the whole path.
    pub(super) name: String,
    pub(super) shape: Shape,
    /// The parameters of a function; the key of a partial rule; the value: everything the head says.
    pub(super) terms: Vec<Expr>,
    pub(super) bodies: Vec<Body>,
    pub(super) branches: Vec<Branch>,
}

/// What kind of rule a head makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value.
    Complete,
    /// A set.
    PartialSet,
    /// An object.
    PartialObject,
    /// A function of so many arguments.
    Function(usize),
}

/// An `else` branch.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) value: Option<Expr>,
    pub(super) body: Option<Body>,
}

/// Statements, and where the text that holds them stands.
#[derive(Debug)]
pub(super) struct Body {
    /// With its braces, if it has any.
    pub(super) range: Range,
    pub(super) statements: Vec<Statement>,
}

/// A statement.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) range: Range,
    pub(super) kind: StatementKind,
    pub(super) withs: Vec<With>,
    /// Where the `with` modifiers stand.
    pub(super) with_range: Option<Range>,
}

/// What a statement is.
#[derive(Debug)]
pub(super) enum StatementKind {
    Expr(Expr),
    Not(Expr),
    /// `some x, y`.
    Some(Vec<Expr>),
    /// `some k, v in xs`.
    SomeIn(Vec<Expr>, Expr),
    /// `every k, v in xs { … }`.
    Every(Vec<Expr>, Expr, Body),
}

/// `with target as value`.
#[derive(Debug)]
pub(super) struct With {
    pub(super) target: Expr,
    pub(super) value: Expr,
}

/// An expression.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) range: Range,
    pub(super) kind: ExprKind,
}

/// What an expression is.
#[derive(Debug)]
pub(super) enum ExprKind {
    /// A number, a text, `true`, `false` or `null`.
    Scalar,
    Var(String),
    /// A reference into what the head is.
    Ref(Box<Expr>, Vec<Part>),
    /// A call of a function by its name.
    Call(String, Vec<Expr>),
    /// An array or a set.
    Composite(Vec<Expr>),
    /// An object, key after value.
    Object(Vec<Expr>),
    /// A comprehension.
    Closure(Vec<Expr>, Body),
    /// Two operands.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `v in xs` or `k, v in xs`.
    Member(Vec<Expr>, Box<Expr>),
    Paren(Box<Expr>),
}

/// A part of a reference.
#[derive(Debug)]
pub(super) enum Part {
    Name(String),
    Index(Expr),
}

impl Expr {
    /// Returns the dotted path that the expression is, if it is nothing else: `data.lib.x`, and a text as index counts as a name.
    pub(super) fn path(&self, text: &str) -> Option<Vec<String>> {
        match &self.kind {
            ExprKind::Var(name) => Some(vec![name.clone()]),
            ExprKind::Ref(head, parts) => {
                let mut path = head.path(text)?;
                for part in parts {
                    match part {
                        Part::Name(name) => path.push(name.clone()),
                        Part::Index(index) => match literal(index, text) {
                            Some(name) => path.push(name),
                            None => break,
                        },
                    }
                }
                Some(path)
            }
            _ => None,
        }
    }

    /// Returns the expressions right below this one, without the bodies of comprehensions.
    pub(super) fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Scalar | ExprKind::Var(_) => Vec::new(),
            ExprKind::Ref(head, parts) => {
                let indexes = parts.iter().filter_map(|part| match part {
                    Part::Index(index) => Some(index),
                    Part::Name(_) => None,
                });
                std::iter::once(head.as_ref()).chain(indexes).collect()
            }
            ExprKind::Call(_, all) | ExprKind::Composite(all) | ExprKind::Object(all) | ExprKind::Closure(all, _) => {
                all.iter().collect()
            }
            ExprKind::Binary(_, left, right) => vec![left, right],
            ExprKind::Member(items, collection) => items.iter().chain([collection.as_ref()]).collect(),
            ExprKind::Paren(inner) => vec![inner],
        }
    }
}

/// Returns the text of a literal without escapes.
pub(super) fn literal(expr: &Expr, text: &str) -> Option<String> {
    let written = text.get(expr.range.start..expr.range.end)?;
    match expr.kind {
        ExprKind::Scalar if written.starts_with('"') => serde_json::from_str(written).ok(),
        ExprKind::Scalar => Some(written.strip_prefix('`')?.strip_suffix('`')?.to_owned()),
        _ => None,
    }
}

impl Statement {
    /// Returns the expressions of the statement itself, without the body of an `every`.
    pub(super) fn exprs(&self) -> Vec<&Expr> {
        let mut all: Vec<&Expr> = match &self.kind {
            StatementKind::Expr(expr) | StatementKind::Not(expr) => vec![expr],
            StatementKind::Some(names) => names.iter().collect(),
            StatementKind::SomeIn(names, collection) | StatementKind::Every(names, collection, _) => {
                names.iter().chain([collection]).collect()
            }
        };
        all.extend(self.withs.iter().flat_map(|with| [&with.target, &with.value]));
        all
    }
}
