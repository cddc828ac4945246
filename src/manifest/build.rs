//! Events to values: aliases, merge keys and limits.

use super::scalar::{self, Meaningless};
use super::{DEEPEST, LONGEST_FILE, MOST_NODES, MOST_TEXT, Manifest};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{Occurrence, OccurrenceKind, events};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Reads the documents of a file.
pub(super) fn documents(file: &str, content: &[u8]) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    let occurrences = events(file, content, LONGEST_FILE, DEEPEST)?;
    let mut builder = Builder {
        file,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        size: Size::default(),
        manifests: Vec::new(),
    };
    for occurrence in occurrences {
        builder.take(occurrence).map_err(|diagnostic| vec![*diagnostic])?;
    }
    builder.manifests.retain(|manifest| !manifest.value.is_null());
    Ok(builder.manifests)
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
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Value>),
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
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Value, Size)>,
    size: Size,
    manifests: Vec<Manifest>,
}

impl Builder<'_> {
    fn error(&self, summary: &str, span: Span, label: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(summary, self.file, span, label))
    }

    fn take(&mut self, occurrence: Occurrence) -> Built {
        let span = occurrence.span;
        match occurrence.kind {
            OccurrenceKind::Document => {
                self.anchors.clear();
                Ok(())
            }
            OccurrenceKind::Scalar {
                text,
                plain,
                tag,
                anchor,
            } => {
                self.count(1, text.len(), span)?;
                if plain && text == "<<" && tag.is_none() && self.wants_key() {
                    self.put_key(Key::Merge);
                    return Ok(());
                }
                let value = scalar::value(&text, plain, tag.as_deref());
                let value = value.map_err(|reason| self.meaningless(reason, span))?;
                self.close(value, anchor, span)
            }
            OccurrenceKind::Sequence { anchor } => self.begin(span, anchor, Content::Sequence(Vec::new())),
            OccurrenceKind::Mapping { anchor } => {
                let (entries, key) = (Map::new(), None);
                self.begin(span, anchor, Content::Mapping { entries, key })
            }
            OccurrenceKind::End => match self.open.pop() {
                Some(open) => {
                    let value = match open.content {
                        Content::Sequence(values) => Value::Array(values),
                        Content::Mapping { entries, .. } => Value::Object(entries),
                    };
                    self.close(value, open.anchor, open.span)
                }
                None => Ok(()),
            },
            OccurrenceKind::Alias(anchor) => self.alias(anchor, span),
        }
    }

    fn meaningless(&self, reason: Meaningless, span: Span) -> Box<Diagnostic> {
        self.error("value without a meaning", span, reason.0)
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

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Built {
        self.count(1, 0, span)?;
        if self.open.len() >= DEEPEST {
            return Err(self.too_deep(span));
        }
        self.open.push(Open { span, anchor, content });
        Ok(())
    }

    fn too_deep(&self, span: Span) -> Box<Diagnostic> {
        self.error("too deep", span, format!("nested more than {DEEPEST} levels deep"))
    }

    fn count(&mut self, nodes: usize, text: usize, span: Span) -> Built {
        self.size.nodes = self.size.nodes.saturating_add(nodes);
        self.size.text = self.size.text.saturating_add(text);
        if self.size.nodes > MOST_NODES || self.size.text > MOST_TEXT {
            let label = format!("more than {MOST_NODES} values, or {MOST_TEXT} bytes, with aliases expanded");
            return Err(self.error("file too large", span, label));
        }
        Ok(())
    }

    /// Remembers a value that is complete, if it has an anchor, and puts it in its place.
    fn close(&mut self, value: Value, anchor: usize, span: Span) -> Built {
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), weigh(&value)));
        }
        self.put(value, span)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Built {
        // Weighed before it is copied: what would be too much is never made.
        let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
            return Err(self.error("alias of itself", span, "this stands inside of what it repeats"));
        };
        self.count(size.nodes, size.text, span)?;
        if self.open.len() + size.height > DEEPEST {
            return Err(self.too_deep(span));
        }
        match self.anchors.get(&anchor).map(|(value, _)| value.clone()) {
            Some(value) => self.put(value, span),
            None => Ok(()),
        }
    }

    fn put(&mut self, value: Value, span: Span) -> Built {
        let Some(open) = self.open.last_mut() else {
            self.manifests.push(Manifest { span, value });
            return Ok(());
        };
        match &mut open.content {
            Content::Sequence(values) => values.push(value),
            Content::Mapping { entries, key } => match key.take() {
                None => match scalar::key(value) {
                    Ok(text) => *key = Some(Key::Text(text)),
                    Err(reason) => return Err(self.meaningless(reason, span)),
                },
                Some(Key::Text(text)) => {
                    entries.insert(text, value);
                }
                Some(Key::Merge) => {
                    if !merge(entries, value) {
                        let label = "only a mapping, or a list of mappings, can be merged";
                        return Err(self.error("merge key", span, label));
                    }
                }
            },
        }
        Ok(())
    }
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
