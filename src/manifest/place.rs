//! Where in a file a value of one of its documents stands.

use super::json::{Form, Scan};
use super::piece::Cursor;
use super::{DEEPEST, json, scalar};
use crate::diagnostic::Span;
use crate::yaml::{self, Occurrence, OccurrenceKind};
use std::ops::{ControlFlow, Range};

/// A step down into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value of this key.
    Key(String),
    /// The element with this number, from 0.
    Index(usize),
}

/// Reads a path as people write it: `spec.containers[0].image`, `metadata.labels["app.kubernetes.io/name"]`.
pub fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = quoted.split_once("\"]")?;
            (Step::Key(key.to_owned()), after)
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            (Step::Index(index.parse().ok()?), after)
        } else {
            let key = match steps.is_empty() {
                true => rest,
                false => rest.strip_prefix('.')?,
            };
            let (key, after) = key.split_at(key.find(['.', '[']).unwrap_or(key.len()));
            (Step::Key(key.to_owned()), after)
        };
        steps.push(step);
        rest = after;
    }
    Some(steps)
}

/// Returns where the value at a path of a document stands, or its nearest parent that is there; none if the document is not where
/// it is said to be.
///
/// `content` is the file, `document` the span of a manifest in it. Of a list or mapping it is the key that stands for it, of a
/// document, or of a list or mapping in a list, its first line.
pub fn place(content: &[u8], document: Span, path: &[Step]) -> Option<Span> {
    let text = std::str::from_utf8(content.get(document.start..document.end)?).ok()?;
    let found = if matches!(json::form("", text), Form::Json) {
        in_json(text, path)
    } else {
        in_yaml(text, document.column.saturating_sub(1), path)
    };
    let found = found.unwrap_or_else(|| first_line(text, 0..text.len()));
    let mut cursor = Cursor::starting(content, document.start, document.line, document.column);
    Some(cursor.span(document.start + found.start, document.start + found.end))
}

/// Returns the first line of a range, without blanks at its end.
fn first_line(text: &str, at: Range<usize>) -> Range<usize> {
    let piece = text.get(at.clone()).unwrap_or_default();
    let line = piece.lines().next().unwrap_or_default().trim_end();
    at.start..at.start + line.len()
}

/// Returns what is shown of a value: itself, or what stands for it if it is a list or mapping, or nothing at all.
fn shown(text: &str, key: Option<Range<usize>>, value: Range<usize>, collection: bool) -> Range<usize> {
    match key {
        Some(key) if collection || value.is_empty() => key,
        _ => first_line(text, value),
    }
}

fn in_json(text: &str, path: &[Step]) -> Option<Range<usize>> {
    let scan = Scan(text);
    let mut at = scan.skip_blank(0);
    let mut nearest = None;
    for step in path {
        let found = match step {
            Step::Key(wanted) => {
                let is = |(key, _): &(Range<usize>, Range<usize>)| scan.text(key.clone()).as_deref() == Some(wanted);
                // Of two equal keys the last one counts.
                let found = scan.members(at).filter(is).last();
                found.map(|(key, value)| (Some(key), value))
            }
            Step::Index(wanted) => scan.elements(at).nth(*wanted).map(|value| (None, value)),
        };
        let Some((key, value)) = found else { break };
        at = value.start;
        let collection = text.get(at..).is_some_and(|value| value.starts_with(['{', '[']));
        nearest = Some(shown(text, key, value, collection));
    }
    nearest
}

fn in_yaml(text: &str, indentation: usize, path: &[Step]) -> Option<Range<usize>> {
    // What stands behind a `- ` goes on in its column.
    let text = " ".repeat(indentation) + text;
    let mut walk = Walk {
        text: &text,
        path,
        open: Vec::new(),
        nearest: None,
    };
    // A mistake further down does not move what stands before it.
    let _ = yaml::events("", &text, DEEPEST, &mut |occurrence| walk.take(&occurrence));
    let found = walk.nearest?;
    Some(found.start.checked_sub(indentation)?..found.end.checked_sub(indentation)?)
}

/// A list or mapping that is not closed yet.
struct Open {
    /// How many steps of the path lead here; none if it is beside the path.
    steps: Option<usize>,
    content: Content,
}

enum Content {
    Sequence(usize),
    Mapping(Option<(Option<String>, Range<usize>)>),
}

struct Walk<'a> {
    text: &'a str,
    path: &'a [Step],
    open: Vec<Open>,
    nearest: Option<Range<usize>>,
}

impl Walk<'_> {
    fn take(&mut self, occurrence: &Occurrence) -> ControlFlow<()> {
        let at = occurrence.at.clone();
        match &occurrence.kind {
            OccurrenceKind::Document => return ControlFlow::Continue(()),
            OccurrenceKind::End => {
                self.open.pop();
            }
            OccurrenceKind::Scalar { text, plain, tag, .. } => {
                let value = scalar::value(text, *plain, tag.as_deref());
                let key = value.and_then(scalar::key).ok();
                self.node(at, key, false);
            }
            OccurrenceKind::Alias(_) | OccurrenceKind::UnknownAlias(_) => {
                self.node(at, None, false);
            }
            OccurrenceKind::Sequence { .. } => {
                let steps = self.node(at, None, true);
                let content = Content::Sequence(0);
                self.open.push(Open { steps, content });
            }
            OccurrenceKind::Mapping { .. } => {
                let steps = self.node(at, None, true);
                let content = Content::Mapping(None);
                self.open.push(Open { steps, content });
            }
        }
        match self.open.is_empty() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// Takes a key, an element or a value; returns how many steps of the path lead to it.
    fn node(&mut self, at: Range<usize>, text: Option<String>, collection: bool) -> Option<usize> {
        let Some(open) = self.open.last_mut() else {
            return Some(0);
        };
        let (is_step, key) = match &mut open.content {
            Content::Mapping(key) => match key.take() {
                None => {
                    *key = Some((text, at));
                    return None;
                }
                Some((name, place)) => {
                    let step = name.map(Step::Key);
                    let wanted = open.steps.and_then(|steps| self.path.get(steps));
                    (step.is_some() && step.as_ref() == wanted, Some(place))
                }
            },
            Content::Sequence(index) => {
                let wanted = open.steps.and_then(|steps| self.path.get(steps));
                let is_step = wanted == Some(&Step::Index(*index));
                *index += 1;
                (is_step, None)
            }
        };
        let steps = open.steps.filter(|_| is_step)? + 1;
        // Of two equal keys the last one counts.
        let end = if collection { self.text.len() } else { at.end };
        self.nearest = Some(shown(self.text, key, at.start..end, collection));
        Some(steps)
    }
}
