//! Events to values: aliases, merge keys, limits, and the objects of a list one by one.

use super::scalar::{self, Meaningless};
use super::{DEEPEST, Hand, MOST_NODES, MOST_TEXT, is_list, mistake, too_deep, too_large};
use crate::diagnostic::Diagnostic;
use crate::yaml::{Occurrence, OccurrenceKind, events};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

/// Hands out the objects of a piece of YAML; a mistake ends the piece.
pub(super) fn objects(file: &str, text: &str, hand: Hand<'_>) {
    let mut builder = Builder {
        file,
        text,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        size: Size::default(),
        finished: None,
        streamed: None,
    };
    let mut wrong = None;
    let read = events(file, text, DEEPEST, &mut |occurrence| {
        if let Err(mistake) = builder.take(occurrence) {
            wrong = Some(mistake);
            return ControlFlow::Break(());
        }
        match builder.finished.take() {
            Some((at, value)) => flattened(at, value, builder.open.is_empty(), hand),
            None => ControlFlow::Continue(()),
        }
    });
    if let Some(mistake) = read.err().or(wrong) {
        let _ = hand(Err(mistake));
    }
}

/// Hands out a document or an object of a list; of a list that was not taken apart while it was read, its objects.
fn flattened(at: Range<usize>, mut value: Value, document: bool, hand: Hand<'_>) -> ControlFlow<()> {
    if document && value.is_null() {
        return ControlFlow::Continue(());
    }
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    if is_list(kind)
        && let Some(items) = value.get_mut("items").and_then(Value::as_array_mut)
    {
        let items = std::mem::take(items);
        return items
            .into_iter()
            .try_for_each(|item| flattened(at.clone(), item, false, hand));
    }
    hand(Ok((at, value)))
}

/// A mistake; boxed, since it is rare.
type Built = Result<(), Box<Diagnostic>>;

/// What a value weighs, everything below it included.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
    height: usize,
}

struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Value>),
    /// The objects of a list: each is handed out as soon as it ends.
    Items,
    Mapping {
        entries: Map<String, Value>,
        key: Option<Key>,
    },
}

enum Key {
    Text(String),
    /// What comes next is merged.
    Merge,
}

struct Builder<'a> {
    file: &'a str,
    text: &'a str,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Value, Size)>,
    size: Size,
    /// What is to be handed out.
    finished: Option<(Range<usize>, Value)>,
    /// The list whose objects are handed out one by one, and its size without them.
    streamed: Option<(usize, Size)>,
}

impl Builder<'_> {
    fn take(&mut self, occurrence: Occurrence) -> Built {
        let at = occurrence.at;
        match occurrence.kind {
            OccurrenceKind::Document => {
                self.anchors.clear();
                self.size = Size::default();
                Ok(())
            }
            OccurrenceKind::Scalar {
                text,
                plain,
                tag,
                anchor,
            } => {
                self.count(1, text.len(), &at)?;
                if plain && text == "<<" && tag.is_none() && self.wants_key() {
                    self.put_key(Key::Merge);
                    return Ok(());
                }
                let value = scalar::value(&text, plain, tag.as_deref());
                let value = value.map_err(|reason| self.meaningless(reason, &at))?;
                self.close(value, anchor, at)
            }
            OccurrenceKind::Sequence { anchor } => {
                let content = match anchor == 0 && self.is_items() {
                    true => Content::Items,
                    false => Content::Sequence(Vec::new()),
                };
                self.begin(&at, anchor, content)
            }
            OccurrenceKind::Mapping { anchor } => {
                let (entries, key) = (Map::new(), None);
                self.begin(&at, anchor, Content::Mapping { entries, key })
            }
            OccurrenceKind::End => match self.open.pop() {
                Some(open) => self.end(open, at.end),
                None => Ok(()),
            },
            OccurrenceKind::Alias(anchor) => self.alias(anchor, at),
            OccurrenceKind::UnknownAlias(name) => {
                let error = self.error("unknown anchor", &at, format!("there is no `&{name}` before this"));
                Err(Box::new(error.hint("put a text that starts with `*` in quotes")))
            }
        }
    }

    fn error(&self, summary: &str, at: &Range<usize>, label: impl Into<String>) -> Box<Diagnostic> {
        mistake(summary, self.file, at, label)
    }

    /// Whether the list that starts now holds the objects of a list of objects.
    fn is_items(&self) -> bool {
        let [
            Open {
                content:
                    Content::Mapping {
                        entries,
                        key: Some(Key::Text(key)),
                    },
                ..
            },
        ] = self.open.as_slice()
        else {
            return false;
        };
        let kind = || match entries.get("kind") {
            Some(kind) => kind.as_str().is_some_and(is_list),
            None => says_list(self.text),
        };
        key == "items" && kind()
    }

    fn end(&mut self, open: Open, end: usize) -> Built {
        let text = self.text.get(open.start..end).unwrap_or_default();
        let at = open.start..open.start + text.trim_end().len();
        match open.content {
            Content::Sequence(values) => self.close(Value::Array(values), open.anchor, at),
            Content::Items => self.put(Value::Null, at),
            Content::Mapping { entries, .. } => {
                if self.open.is_empty()
                    && let Some((start, _)) = self.streamed.take()
                {
                    let kind = entries.get("kind").and_then(Value::as_str);
                    if kind.is_some_and(is_list) {
                        return Ok(());
                    }
                    let label = "its `kind` is not that of a list, though a line says so";
                    return Err(self.error("list of objects", &(start..start), label));
                }
                self.close(Value::Object(entries), open.anchor, at)
            }
        }
    }

    fn meaningless(&self, reason: Meaningless, at: &Range<usize>) -> Box<Diagnostic> {
        self.error("value without a meaning", at, reason.0)
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Mapping { key: None, .. },
                ..
            })
        )
    }

    fn put_key(&mut self, new: Key) {
        if let Some(Open {
            content: Content::Mapping { key, .. },
            ..
        }) = self.open.last_mut()
        {
            *key = Some(new);
        }
    }

    fn begin(&mut self, at: &Range<usize>, anchor: usize, content: Content) -> Built {
        self.count(1, 0, at)?;
        if self.open.len() >= DEEPEST {
            return Err(too_deep(self.file, at));
        }
        if matches!(content, Content::Items) {
            self.streamed = Some((at.start, self.size));
        }
        let start = at.start;
        self.open.push(Open { start, anchor, content });
        Ok(())
    }

    fn count(&mut self, nodes: usize, text: usize, at: &Range<usize>) -> Built {
        self.size.nodes = self.size.nodes.saturating_add(nodes);
        self.size.text = self.size.text.saturating_add(text);
        if self.size.nodes > MOST_NODES || self.size.text > MOST_TEXT {
            return Err(too_large(self.file, at));
        }
        Ok(())
    }

    /// Remembers a value that is complete, if it has an anchor, and puts it in its place.
    fn close(&mut self, value: Value, anchor: usize, at: Range<usize>) -> Built {
        if anchor != 0 {
            let size = weigh(&value);
            // What is remembered is there twice, and again for each anchor around it.
            self.count(size.nodes, size.text, &at)?;
            if let Some((_, outside)) = &mut self.streamed {
                outside.nodes += size.nodes;
                outside.text += size.text;
            }
            self.anchors.insert(anchor, (value.clone(), size));
        }
        self.put(value, at)
    }

    fn alias(&mut self, anchor: usize, at: Range<usize>) -> Built {
        // Weighed before it is copied: what would be too much is never made.
        let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
            return Err(self.error("alias of itself", &at, "this stands inside of what it repeats"));
        };
        self.count(size.nodes, size.text, &at)?;
        if self.open.len() + size.height > DEEPEST {
            return Err(too_deep(self.file, &at));
        }
        match self.anchors.get(&anchor).map(|(value, _)| value.clone()) {
            Some(value) => self.put(value, at),
            None => Ok(()),
        }
    }

    fn put(&mut self, value: Value, at: Range<usize>) -> Built {
        let Some(open) = self.open.last_mut() else {
            self.finished = Some((at, value));
            return Ok(());
        };
        match &mut open.content {
            Content::Sequence(values) => values.push(value),
            Content::Items => {
                self.finished = Some((at, value));
                if let Some((_, outside)) = self.streamed {
                    self.size = outside;
                }
            }
            Content::Mapping { entries, key } => match key.take() {
                None => match scalar::key(value) {
                    Ok(text) => *key = Some(Key::Text(text)),
                    Err(reason) => return Err(self.meaningless(reason, &at)),
                },
                Some(Key::Text(text)) => {
                    entries.insert(text, value);
                }
                Some(Key::Merge) => {
                    if !merge(entries, value) {
                        let label = "only a mapping, or a list of mappings, can be merged";
                        return Err(self.error("merge key", &at, label));
                    }
                }
            },
        }
        Ok(())
    }
}

/// Whether a line of a text says that it is a list of objects, which `kubectl` writes behind the objects.
fn says_list(text: &str) -> bool {
    text.lines().any(|line| {
        let kind = ["kind:", "\"kind\":", "'kind':"]
            .iter()
            .find_map(|key| line.strip_prefix(key));
        let kind = kind.map(|kind| kind.split(" #").next().unwrap_or_default());
        kind.is_some_and(|kind| is_list(kind.trim().trim_matches(['"', '\''])))
    })
}

/// Puts the entries of a mapping, or of several with the first counting most, over what is there.
fn merge(entries: &mut Map<String, Value>, value: Value) -> bool {
    match value {
        Value::Object(merged) => {
            entries.extend(merged);
            true
        }
        Value::Array(all) => all.into_iter().rev().all(|one| match one {
            Value::Object(merged) => {
                entries.extend(merged);
                true
            }
            _ => false,
        }),
        _ => false,
    }
}

fn weigh(value: &Value) -> Size {
    let below = |sizes: &mut dyn Iterator<Item = Size>| {
        let start = Size {
            nodes: 1,
            text: 0,
            height: 1,
        };
        sizes.fold(start, |sum, size| Size {
            nodes: sum.nodes + size.nodes,
            text: sum.text + size.text,
            height: sum.height.max(size.height + 1),
        })
    };
    match value {
        Value::Array(values) => below(&mut values.iter().map(weigh)),
        Value::Object(entries) => below(&mut entries.iter().map(|(key, value)| {
            let size = weigh(value);
            Size {
                nodes: size.nodes + 1,
                text: size.text + key.len(),
                height: size.height,
            }
        })),
        Value::String(text) => Size {
            nodes: 1,
            text: text.len(),
            height: 0,
        },
        _ => Size {
            nodes: 1,
            ..Size::default()
        },
    }
}
