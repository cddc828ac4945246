//! JSON texts to values, object by object and within limits; and where the parts of a text stand.

use super::{DEEPEST, Hand, MOST_NODES, MOST_TEXT, is_list, mistake, too_deep, too_large};
use crate::diagnostic::Diagnostic;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::ops::{ControlFlow, Range};

/// The longest text that begins as JSON and is read as YAML if it is something else.
const LONGEST_OTHER: usize = 1 << 20;

/// What a text is.
pub(super) enum Form {
    /// One JSON text or several, from end to end.
    Json,
    /// A matter for YAML's reader: it says better what is wrong, if anything is.
    Other,
    /// So long that nobody wrote it by hand, and JSON but for a mistake.
    Broken(Box<Diagnostic>),
}

/// Returns what a text is; `file` is its path as messages show it.
pub(super) fn form(file: &str, text: &str) -> Form {
    let first = text.bytes().find(|byte| !byte.is_ascii_whitespace());
    if !matches!(first, Some(b'{' | b'[')) {
        return Form::Other;
    }
    let mut texts = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match texts.find_map(Result::err) {
        None => Form::Json,
        Some(error) if text.len() > LONGEST_OTHER => Form::Broken(syntax(file, text, 0, &error)),
        Some(_) => Form::Other,
    }
}

/// Returns the mistake of a piece of JSON that starts at `start`.
fn syntax(file: &str, piece: &str, start: usize, error: &serde_json::Error) -> Box<Diagnostic> {
    let line: usize = piece
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = start + (line + error.column().saturating_sub(1)).min(piece.len());
    let told = error.to_string();
    let told = told.split(" at line ").next().unwrap_or_default();
    mistake(
        "syntax error",
        file,
        &(at..at),
        format!("JSON cannot be read from here on: {told}"),
    )
}

/// Hands out what stands in a text that is JSON.
pub(super) fn objects(file: &str, text: &str, hand: Hand<'_>) {
    let scan = Scan(text);
    let mut at = scan.skip_blank(0);
    while let Some(end) = scan.end_of(at) {
        if object(file, scan, at..end, 0, hand).is_break() {
            return;
        }
        at = scan.skip_blank(end);
    }
}

/// Hands out an object, or the objects of a list.
fn object(file: &str, scan: Scan<'_>, at: Range<usize>, depth: usize, hand: Hand<'_>) -> ControlFlow<()> {
    if depth >= DEEPEST {
        return hand(Err(too_deep(file, &at)));
    }
    // What stands in a list is seldom one: it is read first, and then looked at.
    let read = (depth > 0).then(|| value(file, scan.0, &at));
    let items = match &read {
        Some(Ok(value)) if !value.get("kind").and_then(Value::as_str).is_some_and(is_list) => None,
        _ => scan.items(at.start),
    };
    match items {
        Some(items) => scan
            .elements(items)
            .try_for_each(|item| object(file, scan, item, depth + 1, hand)),
        None => {
            let read = read.unwrap_or_else(|| value(file, scan.0, &at));
            hand(read.map(|value| (at, value)))
        }
    }
}

/// Reads one value within the limits of a document.
fn value(file: &str, text: &str, at: &Range<usize>) -> Result<Value, Box<Diagnostic>> {
    let mut budget = Budget::default();
    let piece = text.get(at.clone()).unwrap_or_default();
    let mut reader = serde_json::Deserializer::from_str(piece);
    let seed = Seed {
        budget: &mut budget,
        depth: 0,
    };
    let read = seed.deserialize(&mut reader);
    let start = at.start..at.start;
    read.map_err(|error| match budget.over {
        Some(Over::Size) => too_large(file, &start),
        Some(Over::Depth) => too_deep(file, &start),
        None => syntax(file, piece, at.start, &error),
    })
}

/// What was read of a value.
#[derive(Default)]
struct Budget {
    nodes: usize,
    text: usize,
    over: Option<Over>,
}

/// Which limit a value is over.
enum Over {
    Size,
    Depth,
}

impl Budget {
    fn count<E: Error>(&mut self, text: usize) -> Result<(), E> {
        self.nodes += 1;
        self.text += text;
        if self.nodes > MOST_NODES || self.text > MOST_TEXT {
            self.over = Some(Over::Size);
            return Err(E::custom("too large"));
        }
        Ok(())
    }
}

struct Seed<'b> {
    budget: &'b mut Budget,
    depth: usize,
}

impl<'b> Seed<'b> {
    /// Returns the seed of what stands in this.
    fn below<E: Error>(self) -> Result<Seed<'b>, E> {
        let depth = self.depth + 1;
        if depth > DEEPEST {
            self.budget.over = Some(Over::Depth);
            return Err(E::custom("too deep"));
        }
        Ok(Seed { depth, ..self })
    }

    fn again(&mut self) -> Seed<'_> {
        Seed {
            budget: &mut *self.budget,
            depth: self.depth,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.budget.count(0).map(|()| Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.budget.count(0).map(|()| value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.budget.count(0).map(|()| value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.budget.count(0).map(|()| value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.budget.count(0).map(|()| value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.budget.count(value.len()).map(|()| value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.budget.count(0)?;
        let mut seed = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(seed.again())? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.budget.count(0)?;
        let mut seed = self.below()?;
        let mut entries = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            seed.budget.count(key.len())?;
            let value = access.next_value_seed(seed.again())?;
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

/// A text that is JSON, and where its parts stand; of a text that is not, less is found.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a>(pub(super) &'a str);

impl<'a> Scan<'a> {
    fn byte(self, at: usize) -> Option<u8> {
        self.0.as_bytes().get(at).copied()
    }

    /// Returns the first byte from `at` on that is not blank.
    pub(super) fn skip_blank(self, at: usize) -> usize {
        let rest = self.0.as_bytes().get(at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        at + blanks.count()
    }

    /// Returns the end of the value that starts at `at`.
    fn end_of(self, at: usize) -> Option<usize> {
        let mut depth = 0_usize;
        let mut now = at;
        loop {
            now = match self.byte(now)? {
                b'"' => self.end_of_text(now)?,
                b'{' | b'[' => {
                    depth += 1;
                    now + 1
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    now + 1
                }
                _ if depth > 0 => self.next_of(now, |byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))?,
                _ => self.end_of_word(now)?,
            };
            if depth == 0 {
                return Some(now);
            }
        }
    }

    /// Returns the first byte from `at` on that is wanted.
    fn next_of(self, at: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
        let rest = self.0.as_bytes().get(at..)?;
        rest.iter().position(|byte| wanted(*byte)).map(|found| at + found)
    }

    /// Returns the end of a number, or of `true`, `false` and `null`.
    fn end_of_word(self, at: usize) -> Option<usize> {
        let rest = self.0.as_bytes().get(at..)?;
        let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.iter().take_while(part).count();
        (length > 0).then_some(at + length)
    }

    fn end_of_text(self, at: usize) -> Option<usize> {
        let mut now = at + 1;
        loop {
            now = self.next_of(now, |byte| matches!(byte, b'"' | b'\\'))?;
            match self.byte(now)? {
                b'"' => return Some(now + 1),
                _ => now += 2,
            }
        }
    }

    /// Returns what a text says that stands at a range.
    pub(super) fn text(self, at: Range<usize>) -> Option<Cow<'a, str>> {
        let raw = self.0.get(at)?;
        let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            return serde_json::from_str(raw).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }

    /// Returns the keys of the mapping that starts at `at`, each with its value; nothing of another value.
    pub(super) fn members(self, at: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let mut now = (self.byte(at) == Some(b'{')).then_some(at);
        std::iter::from_fn(move || {
            // The brace, or the comma.
            let start = self.skip_blank(now? + 1);
            let key = start..self.end_of_text(start).filter(|_| self.byte(start) == Some(b'"'))?;
            let value = self.skip_blank(self.skip_blank(key.end) + 1);
            let value = value..self.end_of(value)?;
            let after = self.skip_blank(value.end);
            now = (self.byte(after) == Some(b',')).then_some(after);
            Some((key, value))
        })
    }

    /// Returns the elements of the list that starts at `at`; nothing of another value.
    pub(super) fn elements(self, at: usize) -> impl Iterator<Item = Range<usize>> {
        let mut now = (self.byte(at) == Some(b'[')).then_some(at);
        std::iter::from_fn(move || {
            let start = self.skip_blank(now? + 1);
            let value = start..self.end_of(start)?;
            let after = self.skip_blank(value.end);
            now = (self.byte(after) == Some(b',')).then_some(after);
            Some(value)
        })
    }

    /// Returns where the objects of a list of objects stand; none if it is something else. Of equal keys the last one counts.
    fn items(self, at: usize) -> Option<usize> {
        let (mut kind, mut items) = (None, None);
        for (key, value) in self.members(at) {
            match self.text(key)?.as_ref() {
                "kind" => kind = Some(value),
                "items" => items = Some(value.start),
                _ => {}
            }
        }
        let kind = self.text(kind?)?;
        items.filter(|at| is_list(&kind) && self.byte(*at) == Some(b'['))
    }
}
