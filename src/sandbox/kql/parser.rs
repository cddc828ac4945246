//! Reads a query into its operators and expressions.

use serde_json::{Value, json};

use super::Fault;
use super::lexer::{Token, TokenKind, tokens};

/// A query: a table and what is done with its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The table in lower case.
    pub table: String,
    /// The operators in order.
    pub(super) operators: Vec<Operator>,
}

/// One step of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operator {
    Where(Expression),
    Project(Vec<(String, Expression)>),
    ProjectAway(Vec<String>),
    Extend(Vec<(String, Expression)>),
    /// Keys, each with whether it descends.
    Order(Vec<(Expression, bool)>),
    Limit(usize),
    Count,
    Distinct(Vec<(String, Expression)>),
    Summarize(Vec<(String, Aggregate)>, Vec<(String, Expression)>),
}

impl Operator {
    /// Whether only the columns that it names are there after it.
    pub(super) fn chooses_columns(&self) -> bool {
        matches!(
            self,
            Operator::Project(_) | Operator::Count | Operator::Distinct(_) | Operator::Summarize(..)
        )
    }

    /// The expressions that it computes.
    pub(super) fn expressions(&self) -> Vec<&Expression> {
        match self {
            Operator::Where(condition) => vec![condition],
            Operator::Project(named) | Operator::Extend(named) | Operator::Distinct(named) => {
                named.iter().map(|(_, expression)| expression).collect()
            }
            Operator::Order(keys) => keys.iter().map(|(expression, _)| expression).collect(),
            Operator::Summarize(aggregates, keys) => {
                let aggregated = aggregates.iter().filter_map(|(_, aggregate)| aggregate.of());
                keys.iter()
                    .map(|(_, expression)| expression)
                    .chain(aggregated)
                    .collect()
            }
            Operator::ProjectAway(_) | Operator::Limit(_) | Operator::Count => Vec::new(),
        }
    }

    /// Whether it makes of each row none or one, whatever the others are.
    pub(super) fn looks_at_one_row(&self) -> bool {
        matches!(
            self,
            Operator::Where(_) | Operator::Project(_) | Operator::ProjectAway(_) | Operator::Extend(_)
        )
    }
}

/// What `summarize` computes of each group.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Aggregate {
    Count,
    Distinct(Expression),
    Min(Expression),
    Max(Expression),
    /// All values but nulls, so many at most.
    List(Expression, usize),
}

impl Aggregate {
    /// The expression whose values it is made of; none if it only counts rows.
    fn of(&self) -> Option<&Expression> {
        match self {
            Aggregate::Count => None,
            Aggregate::Distinct(of) | Aggregate::Min(of) | Aggregate::Max(of) | Aggregate::List(of, _) => Some(of),
        }
    }
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Literal(Value),
    /// A column and the path into its value; each part is a key or an index.
    Path(String, Vec<Value>, usize),
    Call(String, Vec<Expression>),
    Binary(String, Box<Expression>, Box<Expression>),
    /// Membership in a list: the operator, the value, the list.
    In(String, Box<Expression>, Vec<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

/// The functions that are known, with the least and most arguments they take.
const FUNCTIONS: [(&str, usize, usize); 18] = [
    ("tostring", 1, 1),
    ("tolower", 1, 1),
    ("toupper", 1, 1),
    ("tobool", 1, 1),
    ("toint", 1, 1),
    ("isnull", 1, 1),
    ("isnotnull", 1, 1),
    ("isempty", 1, 1),
    ("isnotempty", 1, 1),
    ("not", 1, 1),
    ("strcat", 1, 64),
    ("coalesce", 2, 64),
    ("iff", 3, 3),
    ("array_length", 1, 1),
    ("bool", 1, 1),
    ("bag_keys", 1, 1),
    ("pack", 2, 64),
    ("bag_pack", 2, 64),
];
/// How many values `make_list` keeps where no other number is given, as in Kusto.
const LONGEST_LIST: usize = 1_048_576;
/// How deep expressions may nest.
const DEPTH: usize = 64;

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

/// Reads a query; without a table it is one of `resources`.
pub(super) fn parse(text: &str) -> Result<Query, Fault> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    while matches!(
        parser.tokens.last(),
        Some(Token {
            kind: TokenKind::Symbol(";"),
            ..
        })
    ) {
        parser.tokens.pop();
    }
    let mut operators = Vec::new();
    let starts_with_table = parser.peek_word().is_some_and(|word| !is_operator(&word));
    let table = if starts_with_table {
        parser.word()?.to_ascii_lowercase()
    } else {
        "resources".to_owned()
    };
    if !starts_with_table && parser.peek().is_some() && !parser.peek_symbol("|") {
        operators.push(parser.operator()?);
    }
    while parser.peek().is_some() {
        parser.symbol("|")?;
        operators.push(parser.operator()?);
    }
    if !starts_with_table && operators.is_empty() {
        return Err(Fault {
            code: "ParserFailure",
            position: 0,
            token: String::new(),
        });
    }
    Ok(Query { table, operators })
}

fn is_operator(word: &str) -> bool {
    [
        "where",
        "project",
        "project-away",
        "extend",
        "order",
        "sort",
        "limit",
        "take",
        "top",
        "count",
        "distinct",
        "summarize",
    ]
    .contains(&word)
}

impl Parser {
    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn peek_word(&self) -> Option<String> {
        match self.peek() {
            Some(TokenKind::Word(word)) => Some(word.clone()),
            _ => None,
        }
    }

    fn peek_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(TokenKind::Symbol(known)) if *known == symbol)
    }

    fn position(&self) -> usize {
        self.tokens
            .get(self.next)
            .or(self.tokens.last())
            .map_or(0, |token| token.position)
    }

    fn fault<T>(&self) -> Result<T, Fault> {
        self.fault_of("ParserFailure")
    }

    fn fault_of<T>(&self, code: &'static str) -> Result<T, Fault> {
        let token = match self.peek() {
            Some(TokenKind::Word(text) | TokenKind::Text(text)) => text.clone(),
            Some(TokenKind::Number(number)) => number.to_string(),
            Some(TokenKind::Symbol(symbol)) => (*symbol).to_owned(),
            None => "<EOF>".to_owned(),
        };
        Err(Fault {
            code,
            position: self.position(),
            token,
        })
    }

    fn word(&mut self) -> Result<String, Fault> {
        match self.peek_word() {
            Some(word) => {
                self.next += 1;
                Ok(word)
            }
            None => self.fault(),
        }
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let found = self.peek_word().is_some_and(|word| word == wanted);
        self.next += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek_symbol(symbol);
        self.next += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> Result<(), Fault> {
        if self.take_symbol(symbol) { Ok(()) } else { self.fault() }
    }

    fn operator(&mut self) -> Result<Operator, Fault> {
        let Some(word) = self.peek_word() else {
            return self.fault();
        };
        if !is_operator(&word) {
            return self.fault_of("InvalidQueryLanguage");
        }
        self.next += 1;
        match word.as_str() {
            "where" => Ok(Operator::Where(self.expression()?)),
            "project" => Ok(Operator::Project(self.named()?)),
            "project-away" => {
                let mut names = vec![self.word()?];
                while self.take_symbol(",") {
                    names.push(self.word()?);
                }
                Ok(Operator::ProjectAway(names))
            }
            "extend" => Ok(Operator::Extend(self.named()?)),
            "distinct" => Ok(Operator::Distinct(self.named()?)),
            "order" | "sort" => {
                if !self.take_word("by") {
                    return self.fault();
                }
                Ok(Operator::Order(self.order_keys()?))
            }
            "limit" | "take" => Ok(Operator::Limit(self.number()?)),
            "top" => {
                let count = self.number()?;
                if !self.take_word("by") {
                    return self.fault();
                }
                // `top` is an order and a limit; one operator cannot be two, so only its common form is known.
                let keys = self.order_keys()?;
                self.tokens.splice(
                    self.next..self.next,
                    [
                        TokenKind::Symbol("|"),
                        TokenKind::Word("limit".to_owned()),
                        TokenKind::Number(count as f64),
                    ]
                    .map(|kind| Token { kind, position: 0 }),
                );
                Ok(Operator::Order(keys))
            }
            "count" => Ok(Operator::Count),
            _ => self.summarize(),
        }
    }

    fn order_keys(&mut self) -> Result<Vec<(Expression, bool)>, Fault> {
        let mut keys = Vec::new();
        loop {
            let key = self.expression()?;
            // Kusto's default is descending.
            let descending = !self.take_word("asc");
            if descending {
                self.take_word("desc");
            }
            if self.take_word("nulls") {
                self.word()?;
            }
            keys.push((key, descending));
            if !self.take_symbol(",") {
                return Ok(keys);
            }
        }
    }

    fn number(&mut self) -> Result<usize, Fault> {
        match self.peek() {
            Some(TokenKind::Number(number)) if *number >= 0.0 && number.fract() == 0.0 => {
                let number = *number as usize;
                self.next += 1;
                Ok(number)
            }
            _ => self.fault(),
        }
    }

    /// Reads `name = expression` and bare expressions, which are named after the last part of their path.
    fn named(&mut self) -> Result<Vec<(String, Expression)>, Fault> {
        let mut columns = Vec::new();
        loop {
            let is_alias = matches!(
                self.tokens.get(self.next + 1),
                Some(Token {
                    kind: TokenKind::Symbol("="),
                    ..
                })
            );
            let alias = match (is_alias, self.peek_word()) {
                (true, Some(word)) => {
                    self.next += 2;
                    Some(word)
                }
                _ => None,
            };
            let expression = self.expression()?;
            let name = alias.unwrap_or_else(|| default_name(&expression, columns.len()));
            columns.push((name, expression));
            if !self.take_symbol(",") {
                return Ok(columns);
            }
        }
    }

    fn summarize(&mut self) -> Result<Operator, Fault> {
        let mut aggregates = Vec::new();
        while self.peek_word().is_none_or(|word| word != "by") {
            let is_alias = matches!(
                self.tokens.get(self.next + 1),
                Some(Token {
                    kind: TokenKind::Symbol("="),
                    ..
                })
            );
            let alias = if is_alias {
                let word = self.word()?;
                self.next += 1;
                Some(word)
            } else {
                None
            };
            let position = self.position();
            let function = self.word()?;
            self.symbol("(")?;
            let (name, aggregate) = if function == "count" {
                ("count_".to_owned(), Aggregate::Count)
            } else {
                let of = self.expression()?;
                let name = format!("{function}_{}", default_name(&of, 0));
                match function.as_str() {
                    "dcount" => (name, Aggregate::Distinct(of)),
                    "min" => (name, Aggregate::Min(of)),
                    "max" => (name, Aggregate::Max(of)),
                    "make_list" => {
                        let most = if self.take_symbol(",") {
                            self.number()?
                        } else {
                            LONGEST_LIST
                        };
                        (name.replace("make_list", "list"), Aggregate::List(of, most))
                    }
                    _ => {
                        return Err(Fault {
                            code: "UnknownFunction",
                            position,
                            token: function,
                        });
                    }
                }
            };
            self.symbol(")")?;
            aggregates.push((alias.unwrap_or(name), aggregate));
            if !self.take_symbol(",") {
                break;
            }
        }
        let keys = if self.take_word("by") {
            self.named()?
        } else {
            Vec::new()
        };
        if aggregates.is_empty() && keys.is_empty() {
            self.fault()
        } else {
            Ok(Operator::Summarize(aggregates, keys))
        }
    }

    fn expression(&mut self) -> Result<Expression, Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.fault();
        }
        let mut left = self.conjunction()?;
        while self.take_word("or") {
            left = Expression::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expression, Fault> {
        let mut left = self.comparison()?;
        while self.take_word("and") {
            left = Expression::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expression, Fault> {
        let left = self.primary()?;
        let operator = match self.peek() {
            Some(TokenKind::Symbol(symbol)) if ["==", "=~", "!=", "!~", "<", "<=", ">", ">="].contains(symbol) => {
                (*symbol).to_owned()
            }
            Some(TokenKind::Word(word)) => {
                let bare = word.strip_prefix('!').unwrap_or(word);
                if ![
                    "in",
                    "in~",
                    "contains",
                    "has",
                    "startswith",
                    "endswith",
                    "contains_cs",
                    "has_cs",
                ]
                .contains(&bare)
                {
                    return Ok(left);
                }
                word.clone()
            }
            _ => return Ok(left),
        };
        self.next += 1;
        if operator.trim_start_matches('!').starts_with("in") {
            self.symbol("(")?;
            let mut values = Vec::new();
            while !self.peek_symbol(")") {
                values.push(self.expression()?);
                if !self.take_symbol(",") {
                    break;
                }
            }
            self.symbol(")")?;
            return Ok(Expression::In(operator, Box::new(left), values));
        }
        Ok(Expression::Binary(operator, Box::new(left), Box::new(self.primary()?)))
    }

    fn primary(&mut self) -> Result<Expression, Fault> {
        let position = self.position();
        match self.peek().cloned() {
            Some(TokenKind::Text(text)) => {
                self.next += 1;
                Ok(Expression::Literal(json!(text)))
            }
            Some(TokenKind::Number(number)) => {
                self.next += 1;
                Ok(Expression::Literal(number_value(number)))
            }
            Some(TokenKind::Symbol("-")) => {
                self.next += 1;
                match self.peek() {
                    Some(TokenKind::Number(number)) => {
                        let value = number_value(-number);
                        self.next += 1;
                        Ok(Expression::Literal(value))
                    }
                    _ => self.fault(),
                }
            }
            Some(TokenKind::Symbol("(")) => {
                self.next += 1;
                let inner = self.expression()?;
                self.symbol(")")?;
                Ok(inner)
            }
            Some(TokenKind::Word(word)) => {
                self.next += 1;
                if self.take_symbol("(") {
                    return self.call(word, position);
                }
                match word.as_str() {
                    "true" | "false" => Ok(Expression::Literal(json!(word == "true"))),
                    "and" | "or" | "by" | "asc" | "desc" => {
                        self.next -= 1;
                        self.fault()
                    }
                    _ => self.path(word, position),
                }
            }
            _ => self.fault(),
        }
    }

    fn call(&mut self, function: String, position: usize) -> Result<Expression, Fault> {
        let Some((_, least, most)) = FUNCTIONS.iter().find(|(name, _, _)| *name == function) else {
            return Err(Fault {
                code: "UnknownFunction",
                position,
                token: function,
            });
        };
        let mut arguments = Vec::new();
        while !self.peek_symbol(")") {
            arguments.push(self.expression()?);
            if !self.take_symbol(",") {
                break;
            }
        }
        self.symbol(")")?;
        // A bag is packed of names and values.
        let pairs = !function.ends_with("pack") || arguments.len().is_multiple_of(2);
        if pairs && (*least..=*most).contains(&arguments.len()) {
            Ok(Expression::Call(function, arguments))
        } else {
            Err(Fault {
                code: "ParserFailure",
                position,
                token: function,
            })
        }
    }

    fn path(&mut self, column: String, position: usize) -> Result<Expression, Fault> {
        let mut parts = Vec::new();
        loop {
            if self.take_symbol(".") {
                parts.push(json!(self.word()?));
            } else if self.take_symbol("[") {
                match self.peek().cloned() {
                    Some(TokenKind::Text(text)) => parts.push(json!(text)),
                    Some(TokenKind::Number(number)) if number >= 0.0 => parts.push(json!(number as u64)),
                    _ => return self.fault(),
                }
                self.next += 1;
                self.symbol("]")?;
            } else {
                return Ok(Expression::Path(column, parts, position));
            }
        }
    }
}

fn number_value(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        json!(number as i64)
    } else {
        json!(number)
    }
}

fn default_name(expression: &Expression, index: usize) -> String {
    match expression {
        Expression::Path(column, parts, _) if parts.is_empty() => column.clone(),
        // Kusto joins the parts of a path.
        Expression::Path(column, parts, _) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                .collect();
            format!("{column}_{}", parts.join("_"))
        }
        Expression::Call(_, arguments) => match arguments.first() {
            Some(first @ Expression::Path(..)) => default_name(first, index),
            _ => format!("Column{}", index + 1),
        },
        _ => format!("Column{}", index + 1),
    }
}
