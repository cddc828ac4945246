//! Tokens to the syntax tree, as OPA reads them: a reference ends at a blank, a statement at a line or a semicolon.

use super::lexer::{Placed, Token};
use super::syntax::{
    Body, Branch, Expr, ExprKind, Import, Module, Part, Range, Rule, Shape, Statement, StatementKind, With,
};
use super::{Refusal, Refused, Version};

/// How deep expressions may stand in each other.
const DEEPEST: usize = 100;

/// Words that are never names.
const KEYWORDS: [&str; 11] = [
    "as", "default", "else", "false", "import", "not", "null", "package", "some", "true", "with",
];

type Parsed<T> = Result<T, Refusal>;

/// Words that are keywords only where they are imported, before Rego v1.
const FUTURE: [&str; 4] = ["in", "every", "if", "contains"];

/// Reads a module.
pub(super) fn module(text: &str, tokens: &[Placed], version: Version) -> Parsed<Module> {
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        depth: 0,
        bar: true,
        keywords: if version == Version::V1 {
            FUTURE.to_vec()
        } else {
            Vec::new()
        },
    };
    parser.module()
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Placed],
    at: usize,
    depth: usize,
    /// Whether `|` is the union here; in front of the body of a comprehension it is not.
    bar: bool,
    keywords: Vec<&'static str>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Placed {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Placed {
        let last = self.tokens.last().copied();
        self.tokens.get(self.at + by).copied().or(last).unwrap_or(Placed {
            token: Token::End,
            start: self.text.len(),
            end: self.text.len(),
            first_of_line: true,
            apart: true,
        })
    }

    fn text_of(&self, token: Placed) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn next(&mut self) -> Placed {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Returns where the last token taken ends.
    fn end(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(0, |token| token.end)
    }

    fn since(&self, start: usize) -> Range {
        Range { start, end: self.end() }
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek().token, Token::Symbol(found) if found == symbol)
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek().token == Token::Word && self.text_of(self.peek()) == word
    }

    /// Whether a word stands here that is a keyword in this module.
    fn is_keyword(&self, word: &str) -> bool {
        self.is_word(word) && self.keywords.contains(&word)
    }

    fn eat_keyword(&mut self, word: &str) -> bool {
        let found = self.is_keyword(word);
        self.at += usize::from(found);
        found
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn want(&mut self, symbol: &'static str) -> Parsed<()> {
        if self.eat(symbol) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("`{symbol}`")))
        }
    }

    fn unexpected(&self, wanted: &str) -> Refusal {
        let found = match self.peek().token {
            Token::End => "the end of the text".to_owned(),
            _ => format!("`{}`", self.text_of(self.peek())),
        };
        Refusal::new(
            self.peek().start,
            Refused::Syntax(format!("expected {wanted}, found {found}")),
        )
    }

    fn module(&mut self) -> Parsed<Module> {
        let package_at = self.peek().start;
        if !self.eat_word("package") {
            return Err(self.unexpected("`package`"));
        }
        let package = self.dotted()?;
        let mut module = Module {
            package,
            package_at,
            imports: Vec::new(),
            rules: Vec::new(),
        };
        loop {
            while self.eat(";") {}
            if self.peek().token == Token::End {
                return Ok(module);
            }
            if !self.peek().first_of_line && !self.previous_is(";") {
                return Err(self.unexpected("a new line"));
            }
            if self.is_word("import") {
                let import = self.import()?;
                self.learn(&import.path);
                module.imports.push(import);
            } else {
                module.rules.push(self.rule()?);
            }
        }
    }

    fn previous_is(&self, symbol: &str) -> bool {
        let previous = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        matches!(previous.map(|token| token.token), Some(Token::Symbol(found)) if found == symbol)
    }

    /// Reads `a.b["c"]` as a path.
    fn dotted(&mut self) -> Parsed<String> {
        let expr = self.postfix()?;
        expr.path(self.text)
            .map(|path| path.join("."))
            .ok_or_else(|| Refusal::new(expr.range.start, Refused::Syntax("expected a path of names".to_owned())))
    }

    fn import(&mut self) -> Parsed<Import> {
        let at = self.next().start;
        let path = self.dotted()?;
        let alias = if self.eat_word("as") {
            let token = self.next();
            if token.token != Token::Word {
                return Err(Refusal::new(token.start, Refused::Syntax("expected a name".to_owned())));
            }
            self.text_of(token).to_owned()
        } else {
            path.rsplit('.').next().unwrap_or_default().to_owned()
        };
        Ok(Import { path, alias, at })
    }

    /// Takes the keywords that an import makes.
    fn learn(&mut self, path: &str) {
        match path {
            "future.keywords" => self.keywords.extend(FUTURE),
            "future.keywords.every" => self.keywords.extend(["every", "in"]),
            _ => {
                let word = path.strip_prefix("future.keywords.");
                self.keywords
                    .extend(FUTURE.iter().find(|keyword| Some(**keyword) == word));
            }
        }
    }

    fn rule(&mut self) -> Parsed<Rule> {
        let start = self.peek().start;
        let is_default = self.is_word("default") && self.ahead(1).token == Token::Word;
        self.at += usize::from(is_default);
        let subject = self.postfix()?;
        let mut terms = Vec::new();
        let (name, mut shape) = self.subject(subject, &mut terms)?;
        if self.is_keyword("contains") {
            self.at += 1;
            terms.push(self.relation()?);
            shape = Shape::PartialSet;
        }
        if self.eat("=") || self.eat(":=") {
            if shape == Shape::PartialSet {
                shape = Shape::PartialObject;
            }
            terms.push(self.relation()?);
        }
        let mut rule = Rule {
            head: self.since(start),
            name,
            shape,
            terms,
            bodies: Vec::new(),
            branches: Vec::new(),
        };
        let conditional = self.eat_keyword("if");
        if conditional {
            rule.head = self.since(start);
        }
        if let Some(body) = self.body_of_rule(conditional)? {
            rule.bodies.push(body);
            while self.is_symbol("{") {
                rule.bodies.push(self.braced()?);
            }
        }
        while self.eat_word("else") {
            let value = if self.eat("=") || self.eat(":=") {
                Some(self.relation()?)
            } else {
                None
            };
            let conditional = self.eat_keyword("if");
            let body = self.body_of_rule(conditional)?;
            rule.branches.push(Branch { value, body });
        }
        Ok(rule)
    }

    fn body_of_rule(&mut self, conditional: bool) -> Parsed<Option<Body>> {
        if self.is_symbol("{") {
            return Ok(Some(self.braced()?));
        }
        if !conditional {
            return Ok(None);
        }
        let statement = self.statement()?;
        Ok(Some(Body {
            range: statement.range,
            statements: vec![statement],
        }))
    }

    /// Takes the head's subject apart: `name`, `name(args)`, `name[key]`, `a.b.c`.
    fn subject(&self, subject: Expr, terms: &mut Vec<Expr>) -> Parsed<(String, Shape)> {
        let odd = |at| Refusal::new(at, Refused::Syntax("expected the head of a rule".to_owned()));
        let start = subject.range.start;
        match subject.kind {
            ExprKind::Var(name) => Ok((name, Shape::Complete)),
            ExprKind::Call(name, arguments) => {
                let shape = Shape::Function(arguments.len());
                terms.extend(arguments);
                Ok((name, shape))
            }
            ExprKind::Ref(head, mut parts) => {
                let ExprKind::Var(mut name) = head.kind else {
                    return Err(odd(start));
                };
                let last = match parts.pop() {
                    Some(Part::Index(key)) => Some(key),
                    Some(part) => {
                        parts.push(part);
                        None
                    }
                    None => None,
                };
                for part in parts {
                    let Part::Name(part) = part else { return Err(odd(start)) };
                    name = format!("{name}.{part}");
                }
                let shape = if last.is_some() {
                    Shape::PartialSet
                } else {
                    Shape::Complete
                };
                terms.extend(last);
                Ok((name, shape))
            }
            _ => Err(odd(start)),
        }
    }

    fn braced(&mut self) -> Parsed<Body> {
        let start = self.peek().start;
        self.want("{")?;
        let outer = std::mem::replace(&mut self.bar, true);
        let statements = self.statements("}");
        self.bar = outer;
        Ok(Body {
            statements: statements?,
            range: self.since(start),
        })
    }

    /// Reads statements up to the bracket that closes them, and the bracket.
    fn statements(&mut self, close: &'static str) -> Parsed<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            while self.eat(";") {}
            if self.eat(close) {
                break;
            }
            statements.push(self.statement()?);
            let apart = self.peek().first_of_line || self.is_symbol(";") || self.is_symbol(close);
            if !apart {
                return Err(self.unexpected(&format!("a new line, `;` or `{close}`")));
            }
        }
        if statements.is_empty() {
            return Err(Refusal::new(
                self.end(),
                Refused::Syntax("a body without statements".to_owned()),
            ));
        }
        Ok(statements)
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let start = self.peek().start;
        let kind = if self.eat_word("not") {
            StatementKind::Not(self.expr()?)
        } else if self.eat_word("some") {
            let mut names = vec![self.relation()?];
            while self.eat(",") {
                names.push(self.relation()?);
            }
            if self.eat_keyword("in") {
                StatementKind::SomeIn(names, self.relation()?)
            } else {
                StatementKind::Some(names)
            }
        } else if self.is_keyword("every") && self.ahead(1).token == Token::Word {
            self.at += 1;
            let mut names = vec![self.relation()?];
            if self.eat(",") {
                names.push(self.relation()?);
            }
            if !self.eat_keyword("in") {
                return Err(self.unexpected("`in`"));
            }
            let domain = self.relation()?;
            StatementKind::Every(names, domain, self.braced()?)
        } else {
            StatementKind::Expr(self.expr()?)
        };
        let modifiers = self.peek().start;
        let mut withs = Vec::new();
        while self.eat_word("with") {
            let target = self.postfix()?;
            if !self.eat_word("as") {
                return Err(self.unexpected("`as`"));
            }
            let value = self.relation()?;
            withs.push(With { target, value });
        }
        let with_range = (!withs.is_empty()).then(|| self.since(modifiers));
        Ok(Statement {
            range: self.since(start),
            kind,
            withs,
            with_range,
        })
    }

    /// Reads a whole expression: an assignment, a membership or a comparison.
    fn expr(&mut self) -> Parsed<Expr> {
        let left = self.membership(true)?;
        let Some(operator) = [":=", "="].into_iter().find(|symbol| self.eat(symbol)) else {
            return Ok(left);
        };
        let right = self.membership(false)?;
        Ok(binary(operator, left, right))
    }

    fn membership(&mut self, pairs: bool) -> Parsed<Expr> {
        let first = self.relation()?;
        let start = first.range.start;
        let mut items = vec![first];
        if pairs && self.is_symbol(",") {
            let back = self.at;
            self.at += 1;
            let second = self.relation()?;
            if self.is_keyword("in") {
                items.push(second);
            } else {
                self.at = back;
            }
        }
        let mut expr = None;
        while self.eat_keyword("in") {
            let collection = self.relation()?;
            let range = Range {
                start,
                end: collection.range.end,
            };
            let kind = ExprKind::Member(std::mem::take(&mut items), Box::new(collection));
            items.push(Expr { range, kind });
            expr = items.pop();
            if self.is_keyword("in") {
                items.extend(expr.take());
            }
        }
        match expr.or_else(|| items.pop()) {
            Some(expr) => Ok(expr),
            None => Err(self.unexpected("an expression")),
        }
    }

    fn relation(&mut self) -> Parsed<Expr> {
        self.deeper(|parser| parser.level(0))
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEEPEST {
            let reason = format!("expressions stand in each other more than {DEEPEST} levels deep");
            return Err(Refusal::new(self.peek().start, Refused::Syntax(reason)));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Reads the operators of one level of binding and everything that binds tighter.
    fn level(&mut self, level: usize) -> Parsed<Expr> {
        const LEVELS: [&[&str]; 5] = [
            &["==", "!=", "<=", ">=", "<", ">"],
            &["|"],
            &["&"],
            &["+", "-"],
            &["*", "/", "%"],
        ];
        let Some(operators) = LEVELS.get(level) else {
            return self.postfix();
        };
        let mut left = self.level(level + 1)?;
        loop {
            let operator = operators
                .iter()
                .find(|symbol| self.is_symbol(symbol) && (self.bar || **symbol != "|"));
            let Some(operator) = operator else { return Ok(left) };
            self.at += 1;
            let right = self.level(level + 1)?;
            left = binary(operator, left, right);
        }
    }

    /// Reads a term and what is attached to it: `.name`, `[index]`, `(arguments)`.
    fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.term()?;
        let start = expr.range.start;
        loop {
            let token = self.peek();
            if token.apart {
                return Ok(expr);
            }
            match token.token {
                Token::Symbol(".") => {
                    self.at += 1;
                    let name = self.next();
                    if name.token != Token::Word || name.apart {
                        return Err(Refusal::new(name.start, Refused::Syntax("expected a name".to_owned())));
                    }
                    let part = Part::Name(self.text_of(name).to_owned());
                    expr = self.extend(expr, part, start);
                }
                Token::Symbol("[") => {
                    self.at += 1;
                    let outer = std::mem::replace(&mut self.bar, true);
                    let index = self.deeper(|parser| parser.membership(true));
                    self.bar = outer;
                    let part = Part::Index(index?);
                    self.want("]")?;
                    expr = self.extend(expr, part, start);
                }
                Token::Symbol("(") => {
                    let name = expr.path(self.text).map(|path| path.join("."));
                    let Some(name) = name else {
                        return Err(self.unexpected("no call here"));
                    };
                    self.at += 1;
                    let arguments = self.list(")")?;
                    expr = Expr {
                        range: self.since(start),
                        kind: ExprKind::Call(name, arguments),
                    };
                }
                _ => return Ok(expr),
            }
        }
    }

    fn extend(&self, expr: Expr, part: Part, start: usize) -> Expr {
        let range = self.since(start);
        let kind = match expr.kind {
            ExprKind::Ref(head, mut parts) => {
                parts.push(part);
                ExprKind::Ref(head, parts)
            }
            kind => {
                let head = Expr {
                    range: expr.range,
                    kind,
                };
                ExprKind::Ref(Box::new(head), vec![part])
            }
        };
        Expr { range, kind }
    }

    /// Reads expressions between commas up to the bracket that closes them.
    fn list(&mut self, close: &'static str) -> Parsed<Vec<Expr>> {
        let outer = std::mem::replace(&mut self.bar, true);
        let mut all = Vec::new();
        while !self.is_symbol(close) {
            all.push(self.deeper(|parser| parser.membership(false))?);
            if !self.eat(",") {
                break;
            }
        }
        self.bar = outer;
        self.want(close)?;
        Ok(all)
    }

    fn term(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        let start = token.start;
        let scalar = |parser: &Self| Expr {
            range: parser.since(start),
            kind: ExprKind::Scalar,
        };
        match token.token {
            Token::Number | Token::Text => {
                self.at += 1;
                Ok(scalar(self))
            }
            Token::Word => {
                let word = self.text_of(token);
                if matches!(word, "true" | "false" | "null") {
                    self.at += 1;
                    return Ok(scalar(self));
                }
                if KEYWORDS.contains(&word) {
                    return Err(self.unexpected("an expression"));
                }
                self.at += 1;
                Ok(Expr {
                    range: self.since(start),
                    kind: ExprKind::Var(word.to_owned()),
                })
            }
            Token::Symbol("-") if self.ahead(1).token == Token::Number => {
                self.at += 2;
                Ok(scalar(self))
            }
            Token::Symbol("(") => {
                self.at += 1;
                let outer = std::mem::replace(&mut self.bar, true);
                let inner = self.deeper(|parser| parser.membership(true));
                self.bar = outer;
                let inner = inner?;
                self.want(")")?;
                Ok(Expr {
                    range: self.since(start),
                    kind: ExprKind::Paren(Box::new(inner)),
                })
            }
            Token::Symbol("[") => {
                self.at += 1;
                self.deeper(|parser| parser.composite(start, "]"))
            }
            Token::Symbol("{") => {
                self.at += 1;
                self.deeper(|parser| parser.composite(start, "}"))
            }
            _ => Err(self.unexpected("an expression")),
        }
    }

    /// Reads an array, a set, an object or a comprehension behind its opening bracket.
    fn composite(&mut self, start: usize, close: &'static str) -> Parsed<Expr> {
        if self.eat(close) {
            return Ok(Expr {
                range: self.since(start),
                kind: if close == "]" {
                    ExprKind::Composite(Vec::new())
                } else {
                    ExprKind::Object(Vec::new())
                },
            });
        }
        let outer = std::mem::replace(&mut self.bar, false);
        let first = self.first_of_composite(close);
        self.bar = outer;
        let (mut terms, is_object) = first?;
        let kind = if self.eat("|") {
            let outer = std::mem::replace(&mut self.bar, true);
            let body_start = self.peek().start;
            let statements = self.statements(close);
            self.bar = outer;
            let range = Range {
                start: body_start,
                end: self.end().saturating_sub(close.len()),
            };
            let body = Body {
                statements: statements?,
                range,
            };
            ExprKind::Closure(terms, body)
        } else {
            if !self.is_symbol(close) {
                self.want(",")?;
            }
            let outer = std::mem::replace(&mut self.bar, true);
            let rest = if is_object { self.pairs() } else { self.list_rest(close) };
            self.bar = outer;
            terms.extend(rest?);
            self.want(close)?;
            if is_object {
                ExprKind::Object(terms)
            } else {
                ExprKind::Composite(terms)
            }
        };
        Ok(Expr {
            range: self.since(start),
            kind,
        })
    }

    fn first_of_composite(&mut self, close: &str) -> Parsed<(Vec<Expr>, bool)> {
        let first = self.membership(false)?;
        if close == "}" && self.eat(":") {
            let value = self.membership(false)?;
            return Ok((vec![first, value], true));
        }
        Ok((vec![first], false))
    }

    fn list_rest(&mut self, close: &str) -> Parsed<Vec<Expr>> {
        let mut all = Vec::new();
        while !self.is_symbol(close) {
            all.push(self.membership(false)?);
            if !self.eat(",") {
                break;
            }
        }
        Ok(all)
    }

    fn pairs(&mut self) -> Parsed<Vec<Expr>> {
        let mut all = Vec::new();
        while !self.is_symbol("}") {
            all.push(self.membership(false)?);
            self.want(":")?;
            all.push(self.membership(false)?);
            if !self.eat(",") {
                break;
            }
        }
        Ok(all)
    }
}

fn binary(operator: &'static str, left: Expr, right: Expr) -> Expr {
    Expr {
        range: Range {
            start: left.range.start,
            end: right.range.end,
        },
        kind: ExprKind::Binary(operator, Box::new(left), Box::new(right)),
    }
}
