//! Walks a file's tree along the table of keys.
//!
//! Owns the mistakes that can be told without knowing any other file: unknown and missing keys, wrong types and forms.
//! What it returns has only keys of the table, and texts that have their form.

use super::format::Format;
use super::keys::{Form, Key, Shape, Table};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::yaml::{Document, Kind, Node, Plain, Scalar};
use std::collections::BTreeMap;

/// A value with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Returns what `read` makes of the value, at the same place.
    pub fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> Option<Spanned<U>> {
        let span = self.span;
        read(self.value).map(|value| Spanned { value, span })
    }
}

/// A mapping with keys of the table: those that are there and right.
#[derive(Default)]
pub(super) struct Fields<'a> {
    /// The keys of the table that are there, right or wrong.
    said: Vec<&'static str>,
    start: Option<Span>,
    values: BTreeMap<&'static str, (Span, Value<'a>)>,
}

/// What stands at a key of the table.
pub(super) enum Value<'a> {
    Fields(Fields<'a>),
    Map(Vec<(Spanned<&'a str>, Spanned<Value<'a>>)>),
    List(Vec<Spanned<Value<'a>>>),
    Text(Spanned<&'a str>),
    Boolean(bool),
    Number(u64),
    Parameter(&'a Node),
}

impl<'a> Fields<'a> {
    /// Returns the text or word at a key.
    pub fn text(&self, key: &str) -> Option<Spanned<&'a str>> {
        match self.values.get(key) {
            Some((_, Value::Text(text))) => Some(*text),
            _ => None,
        }
    }

    /// Returns the truth value at a key.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match self.values.get(key) {
            Some((_, Value::Boolean(value))) => Some(*value),
            _ => None,
        }
    }

    /// Returns the number at a key.
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.values.get(key) {
            Some((_, Value::Number(value))) => Some(*value),
            _ => None,
        }
    }

    /// Returns the mapping at a key.
    pub fn fields(&self, key: &str) -> Option<&Fields<'a>> {
        match self.values.get(key) {
            Some((_, Value::Fields(fields))) => Some(fields),
            _ => None,
        }
    }

    /// Returns the list at a key; empty if the key is not there.
    pub fn list(&self, key: &str) -> &[Spanned<Value<'a>>] {
        match self.values.get(key) {
            Some((_, Value::List(list))) => list,
            _ => &[],
        }
    }

    /// Returns the names and values at a key; empty if the key is not there.
    pub fn map(&self, key: &str) -> &[(Spanned<&'a str>, Spanned<Value<'a>>)] {
        match self.values.get(key) {
            Some((_, Value::Map(map))) => map,
            _ => &[],
        }
    }

    /// Returns whether a key is there, right or wrong.
    pub fn says(&self, key: &str) -> bool {
        self.said.contains(&key)
    }

    /// Returns the place of the first key, known or not.
    pub fn start(&self) -> Option<Span> {
        self.start
    }

    /// Returns the keys that are right, with their places.
    pub fn keys(&self) -> impl Iterator<Item = (&'static str, Span)> {
        self.values.iter().map(|(name, (span, _))| (*name, *span))
    }

    /// Returns whether a key is there and says `false`.
    pub fn denies(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some((_, Value::Boolean(false))))
    }

    /// Returns the value of a parameter at a key.
    pub fn parameter(&self, key: &str) -> Option<&'a Node> {
        match self.values.get(key) {
            Some((_, Value::Parameter(node))) => Some(node),
            _ => None,
        }
    }

    /// Returns the place of a key that is right.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.values.get(key).map(|(span, _)| *span)
    }
}

/// Walks a whole file.
pub(super) fn walk<'a>(
    file: &str,
    document: &'a Document,
    table: &'static Table,
    diagnostics: &mut Vec<Diagnostic>,
) -> Fields<'a> {
    let mut walk = Walk {
        file,
        complete: document.complete,
        diagnostics,
    };
    walk.table(&document.root, None, table).unwrap_or_default()
}

struct Walk<'d> {
    file: &'d str,
    /// Whether what is not there is missing: behind a syntax error it may only not be seen.
    complete: bool,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Walk<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn error(&self, summary: &str, span: Span, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(summary, self.file, span, label)
    }

    fn value<'a>(&mut self, node: &'a Node, key: Span, shape: &'static Shape) -> Option<Value<'a>> {
        if matches!(node.kind, Kind::Broken) {
            return None;
        }
        match shape {
            Shape::Table(table) => self.table(node, Some(key), table).map(Value::Fields),
            Shape::Map { key, value } => self.map(node, *key, value),
            Shape::List { item, least } => self.list(node, item, *least),
            Shape::Text(format) => self.text(node, *format),
            Shape::Words(words) => self.word(node, words),
            Shape::Number => self.number(node),
            Shape::Boolean => self.boolean(node),
            Shape::TextOrBoolean(format) => self.text_or_boolean(node, *format),
            Shape::Parameter => Some(Value::Parameter(node)),
        }
    }

    fn wrong_type(&mut self, node: &Node, expected: &str, hint: Option<String>) {
        let label = format!("expected {expected}, found {}", node.describe());
        let mut error = self.error("wrong type", node.span, label);
        let nothing = matches!(&node.kind, Kind::Scalar(scalar) if scalar.resolve() == Plain::Null);
        error.hints.extend(match hint {
            None if nothing => Some("leave the key out if it is to say nothing".to_owned()),
            hint => hint,
        });
        self.report(error);
    }

    fn table<'a>(&mut self, node: &'a Node, owner: Option<Span>, table: &'static Table) -> Option<Fields<'a>> {
        let Kind::Mapping(entries) = &node.kind else {
            self.wrong_type(node, "a mapping", None);
            return None;
        };
        let mut fields = Fields {
            start: entries.first().map(|(name, _)| name.span),
            ..Fields::default()
        };
        let form = self.form(node, owner, table);
        for (name, value) in entries {
            let Some(key) = table.keys.iter().find(|key| key.name == name.text) else {
                self.unknown(&name.text, name.span, table);
                continue;
            };
            fields.said.push(key.name);
            let foreign = form.is_some_and(|form| !form.has(key.name));
            if let (true, Some(form)) = (foreign, form) {
                let label = format!("`{}` does not belong to {}", key.name, form.name);
                self.report(self.error("key out of place", name.span, label));
            }
            if let Some(value) = self.value(value, name.span, &key.shape)
                && !foreign
            {
                fields.values.insert(key.name, (name.span, value));
            }
        }
        let missing = |key: &&Key| {
            let needed = key.required || form.is_some_and(|form| form.required.contains(&key.name));
            needed && !entries.iter().any(|(name, _)| name.text == key.name)
        };
        let place = owner
            .or_else(|| entries.first().map(|(name, _)| name.span))
            .unwrap_or(node.span);
        if self.complete {
            for key in table.keys.iter().filter(missing) {
                let error = self.error("missing key", place, format!("{} has no `{}`", whole(owner), key.name));
                self.report(error.hint(key.doc));
            }
        }
        Some(fields)
    }

    /// Returns the form that a mapping has; none if it has no forms, or if it cannot be told.
    fn form(&mut self, node: &Node, owner: Option<Span>, table: &'static Table) -> Option<&'static Form> {
        let Kind::Mapping(entries) = &node.kind else {
            return None;
        };
        let place = |form: &Form| {
            entries
                .iter()
                .find(|(name, _)| name.text == form.lead)
                .map(|(name, _)| name.span)
        };
        let found: Vec<(&'static Form, Span)> = table
            .forms
            .iter()
            .filter_map(|form| Some((form, place(form)?)))
            .collect();
        match found.as_slice() {
            [(form, _)] => Some(form),
            [] if table.forms.is_empty() || !self.complete => None,
            [] => {
                let span = owner.unwrap_or(entries.first().map_or(node.span, |(name, _)| name.span));
                let leads: Vec<String> = table.forms.iter().map(|form| format!("`{}`", form.lead)).collect();
                let forms: Vec<String> = table
                    .forms
                    .iter()
                    .map(|form| format!("`{}` for {}", form.lead, form.name))
                    .collect();
                let error = self.error(
                    "missing key",
                    span,
                    format!("{} has neither {}", whole(owner), leads.join(" nor ")),
                );
                self.report(error.hint(format!("write {}", forms.join(", or "))));
                None
            }
            [(first, _), .., (last, span)] => {
                let label = format!("`{}` and `{}` exclude each other", first.lead, last.lead);
                let error = self.error("key out of place", *span, label);
                let one = if owner.is_some() { "it" } else { "a file" };
                self.report(error.hint(format!("{one} is either {} or {}", first.name, last.name)));
                None
            }
        }
    }

    fn unknown(&mut self, name: &str, span: Span, table: &Table) {
        let names = || table.keys.iter().map(|key| key.name);
        let error = self.error("unknown key", span, format!("`{name}` is not known here"));
        self.report(match did_you_mean(name, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("known: {}", list(names()))),
        });
    }

    fn map<'a>(&mut self, node: &'a Node, key: Format, shape: &'static Shape) -> Option<Value<'a>> {
        let Kind::Mapping(entries) = &node.kind else {
            self.wrong_type(node, "a mapping", None);
            return None;
        };
        let mut map = Vec::new();
        for (name, node) in entries {
            // Under a wrong name there may be more mistakes: it is kept, and the mistake in the name is enough to refuse it.
            self.form_of(&name.text, name.span, key);
            if let Some(value) = self.value(node, name.span, shape) {
                let name = Spanned {
                    value: name.text.as_str(),
                    span: name.span,
                };
                map.push((name, Spanned { value, span: node.span }));
            }
        }
        Some(Value::Map(map))
    }

    fn list<'a>(&mut self, node: &'a Node, shape: &'static Shape, least: usize) -> Option<Value<'a>> {
        let Kind::Sequence(nodes) = &node.kind else {
            let hint = match &node.kind {
                Kind::Scalar(scalar) if scalar.resolve() != Plain::Null => Some(format!("write `[{}]`", scalar.text)),
                _ => None,
            };
            self.wrong_type(node, "a list", hint);
            return None;
        };
        if nodes.len() < least {
            self.report(self.error("empty list", node.span, "at least one entry is needed"));
        }
        let mut list = Vec::new();
        for node in nodes {
            if let Some(value) = self.value(node, node.span, shape) {
                list.push(Spanned { value, span: node.span });
            }
        }
        Some(Value::List(list))
    }

    /// Returns whether a text has its form, and reports what is wrong otherwise.
    fn form_of(&mut self, text: &str, span: Span, format: Format) -> bool {
        let Some(mistake) = format.mistake(text) else {
            return true;
        };
        let mut error = self.error(mistake.summary, span, mistake.label);
        error.hints.extend(mistake.hint);
        self.report(error);
        false
    }

    fn text<'a>(&mut self, node: &'a Node, format: Format) -> Option<Value<'a>> {
        let expected = match format {
            Format::Title(_) | Format::TagValue => "a text".to_owned(),
            Format::PropertyValue => "a text, `true` or `false`".to_owned(),
            format => format.expected(),
        };
        let hint = |text: &str| match format.mistake(text) {
            Some(mistake) => mistake.hint,
            None => Some(format!("put it in quotes to make it a text: \"{text}\"")),
        };
        let scalar = self.scalar(node, &expected, hint)?;
        let text = Spanned {
            value: scalar.text.as_str(),
            span: node.span,
        };
        self.form_of(&scalar.text, node.span, format)
            .then_some(Value::Text(text))
    }

    fn word<'a>(&mut self, node: &'a Node, words: &'static [(&'static str, &'static str)]) -> Option<Value<'a>> {
        let names = || words.iter().map(|(word, _)| *word);
        let scalar = self.scalar(node, &list(names()), |_| None)?;
        if names().any(|word| word == scalar.text) {
            return Some(Value::Text(Spanned {
                value: scalar.text.as_str(),
                span: node.span,
            }));
        }
        let error = self.error("invalid value", node.span, format!("expected {}", list(names())));
        self.report(match did_you_mean(&scalar.text, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        });
        None
    }

    /// Returns the scalar of a node that is a text.
    fn scalar<'a>(
        &mut self,
        node: &'a Node,
        expected: &str,
        hint: impl Fn(&str) -> Option<String>,
    ) -> Option<&'a Scalar> {
        let hint = match &node.kind {
            Kind::Scalar(scalar) => match scalar.resolve() {
                Plain::Text => return Some(scalar),
                Plain::Null => None,
                _ => hint(&scalar.text),
            },
            _ => None,
        };
        self.wrong_type(node, expected, hint);
        None
    }

    fn text_or_boolean<'a>(&mut self, node: &'a Node, format: Format) -> Option<Value<'a>> {
        match &node.kind {
            Kind::Scalar(scalar) if matches!(scalar.resolve(), Plain::Boolean(_)) => self.boolean(node),
            _ => self.text(node, format),
        }
    }

    fn number<'a>(&mut self, node: &'a Node) -> Option<Value<'a>> {
        let hint = match &node.kind {
            Kind::Scalar(scalar) => match scalar.text.parse() {
                Ok(number) if scalar.resolve() == Plain::Integer => return Some(Value::Number(number)),
                Ok(number) => Some(format!("write `{number}`, without quotes")),
                Err(_) => None,
            },
            _ => None,
        };
        self.wrong_type(node, "a whole number from 0", hint);
        None
    }

    fn boolean<'a>(&mut self, node: &'a Node) -> Option<Value<'a>> {
        let hint = match &node.kind {
            Kind::Scalar(scalar) => match scalar.resolve() {
                Plain::Boolean(value) => return Some(Value::Boolean(value)),
                Plain::Text => match scalar.text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" => Some("write `true`, without quotes".to_owned()),
                    "false" | "no" | "off" => Some("write `false`, without quotes".to_owned()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        self.wrong_type(node, "`true` or `false`", hint);
        None
    }
}

impl Form {
    /// Returns whether a key belongs to the form.
    pub(super) fn has(&self, key: &str) -> bool {
        self.lead == key || self.required.contains(&key) || self.optional.contains(&key)
    }
}

/// Returns the words for a mapping: the whole file, or one below a key.
fn whole(owner: Option<Span>) -> &'static str {
    if owner.is_some() { "it" } else { "the file" }
}

/// Returns names in backticks with commas between them.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
