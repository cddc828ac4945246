//! Parser events to the tree: limits, aliases, and what is refused although it is YAML.

use super::{DEEPEST, Document, Key, Kind, LONGEST_FILE, Lines, MOST_NODES, Node, Scalar, syntax};
use crate::diagnostic::{Diagnostic, Span};
use granit_parser::{Event, Parser, ScalarStyle, options};
use std::collections::BTreeMap;

/// How many bytes of text a file may have, aliases expanded.
const MOST_TEXT: usize = 4 * LONGEST_FILE;

/// Reads the one document of a text.
pub(super) fn build(file: &str, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Document> {
    let lines = Lines::new(text);
    let options = options! {
        emit_comments: false,
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut builder = Builder {
        file,
        text,
        lines: &lines,
        diagnostics,
        open: Vec::new(),
        root: None,
        anchors: BTreeMap::new(),
        size: Size::default(),
    };
    let mut documents = 0;
    let mut complete = true;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                builder
                    .diagnostics
                    .push(syntax::diagnose(file, text, &lines, &error, DEEPEST));
                complete = false;
                break;
            }
        };
        let start = span.start.byte_offset().unwrap_or_default();
        let end = span.end.byte_offset().unwrap_or(start);
        if let Event::DocumentStart(..) = event {
            documents += 1;
            if documents > 1 {
                let error = builder.error("more than one document", start, end, "a second document starts here");
                builder
                    .diagnostics
                    .push(error.hint("one file holds one document: remove the `---` or split the file"));
                break;
            }
        }
        if let Err(Stop) = builder.take(&event, &span, start, end) {
            complete = false;
            break;
        }
    }
    let root = builder.finish();
    let empty = |node: &Node| matches!(&node.kind, Kind::Scalar(scalar) if scalar.plain && scalar.text.is_empty());
    match root {
        Some(root) if !empty(&root) => Some(Document { root, complete }),
        _ => {
            if complete && documents < 2 {
                diagnostics.push(Diagnostic::file_error("empty file", file));
            }
            None
        }
    }
}

/// The reading ends here; the diagnostic is made.
struct Stop;

/// What a node weighs, everything below it included.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
    height: usize,
}

/// A list or mapping that is not closed yet.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Key, Node)>,
        /// The line of each key.
        seen: BTreeMap<String, usize>,
        /// The key whose value comes next: none inside for a key that is refused.
        key: Option<Option<Key>>,
    },
}

struct Builder<'a, 'd> {
    file: &'a str,
    text: &'a str,
    lines: &'a Lines<'a>,
    diagnostics: &'d mut Vec<Diagnostic>,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, (Node, Size)>,
    size: Size,
}

impl Builder<'_, '_> {
    fn error(&self, summary: &str, start: usize, end: usize, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(summary, self.file, self.span(start, end), label)
    }

    /// Returns the span of a range without the blanks at its end.
    fn span(&self, start: usize, end: usize) -> Span {
        let text = self.text.get(start..end).unwrap_or_default();
        self.lines.span(start, start + text.trim_end().len())
    }

    /// Takes one event.
    fn take(&mut self, event: &Event<'_>, place: &granit_parser::Span, start: usize, end: usize) -> Result<(), Stop> {
        if let Some(tag) = event.tag() {
            let range = place
                .tag_span()
                .and_then(|span| span.byte_range())
                .unwrap_or(start..end);
            let error = self.error(
                "tag",
                range.start,
                range.end,
                format!("the tag `{tag}` is not supported"),
            );
            self.diagnostics
                .push(error.hint("leave the tag out; put a text that starts with `!` in quotes"));
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = matches!(style, ScalarStyle::Plain);
                // The parser says `~` for a value that is left out.
                let text = if plain && start == end {
                    String::new()
                } else {
                    text.to_string()
                };
                let scalar = Scalar { text, plain };
                let node = Node {
                    span: self.span(start, end),
                    kind: Kind::Scalar(scalar),
                };
                self.close(node, *anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.open(start, end, *anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                let (entries, seen, key) = (Vec::new(), BTreeMap::new(), None);
                self.open(start, end, *anchor, Content::Mapping { entries, seen, key })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let anchor = open.anchor;
                    let node = self.closed(open, end);
                    self.close(node, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => self.alias(*anchor, start, end),
            Event::UnresolvedAlias(name) => {
                let error = self.error(
                    "unknown anchor",
                    start,
                    end,
                    format!("there is no `&{name}` before this"),
                );
                self.diagnostics
                    .push(error.hint("put a text that starts with `*` in quotes"));
                self.put(self.broken(start, end));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn broken(&self, start: usize, end: usize) -> Node {
        Node {
            span: self.span(start, end),
            kind: Kind::Broken,
        }
    }

    fn open(&mut self, start: usize, end: usize, anchor: usize, content: Content) -> Result<(), Stop> {
        if self.open.len() >= DEEPEST {
            return Err(self.too_deep(start, end));
        }
        self.open.push(Open { start, anchor, content });
        Ok(())
    }

    fn too_deep(&mut self, start: usize, end: usize) -> Stop {
        let label = format!("nested more than {DEEPEST} levels deep");
        self.diagnostics.push(self.error("too deep", start, end, label));
        Stop
    }

    fn closed(&self, open: Open, end: usize) -> Node {
        Node {
            span: self.span(open.start, end.max(open.start)),
            kind: match open.content {
                Content::Sequence(nodes) => Kind::Sequence(nodes),
                Content::Mapping { entries, .. } => Kind::Mapping(entries),
            },
        }
    }

    /// Remembers a node that is complete, if it has an anchor, and puts it in its place.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        let own = match &node.kind {
            Kind::Scalar(scalar) => scalar.text.len(),
            _ => 0,
        };
        self.count(1, own, node.span)?;
        if anchor != 0 {
            let size = weigh(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.put(node);
        Ok(())
    }

    fn count(&mut self, nodes: usize, text: usize, span: Span) -> Result<(), Stop> {
        self.size.nodes = self.size.nodes.saturating_add(nodes);
        self.size.text = self.size.text.saturating_add(text);
        if self.size.nodes > MOST_NODES || self.size.text > MOST_TEXT {
            let label = format!("more than {MOST_NODES} values, or {MOST_TEXT} bytes, with aliases expanded");
            self.diagnostics
                .push(Diagnostic::error("file too large", self.file, span, label));
            return Err(Stop);
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, start: usize, end: usize) -> Result<(), Stop> {
        // Weighed before it is copied: what would be too much is never made.
        match self.anchors.get(&anchor).map(|(_, size)| *size) {
            Some(size) => {
                let span = self.span(start, end);
                self.count(size.nodes, size.text, span)?;
                if self.open.len() + size.height > DEEPEST {
                    return Err(self.too_deep(start, end));
                }
                if let Some((node, _)) = self.anchors.get(&anchor) {
                    self.put(node.clone());
                }
            }
            None => {
                let error = self.error("alias of itself", start, end, "this stands inside of what it repeats");
                self.diagnostics.push(error);
                self.put(self.broken(start, end));
            }
        }
        Ok(())
    }

    /// Puts a node where the open list or mapping wants it.
    fn put(&mut self, mut node: Node) {
        let refused = match self.open.last_mut() {
            None => {
                self.root.get_or_insert(node);
                None
            }
            Some(Open {
                content: Content::Sequence(nodes),
                ..
            }) => {
                nodes.push(node);
                None
            }
            Some(Open {
                content: Content::Mapping { entries, seen, key },
                ..
            }) => match key.take() {
                None => {
                    let (taken, refused) = read_key(node, seen, self.file);
                    *key = Some(taken);
                    refused
                }
                Some(Some(taken)) => {
                    if node.span.start == node.span.end {
                        node.span = taken.span;
                    }
                    entries.push((taken, node));
                    None
                }
                Some(None) => None,
            },
        };
        self.diagnostics.extend(refused);
    }

    /// Closes what a syntax error left open, so that what stands before it is looked at too.
    fn finish(mut self) -> Option<Node> {
        while let Some(open) = self.open.pop() {
            let node = self.closed(open, self.text.len());
            self.put(node);
        }
        self.root
    }
}

/// Returns the key that a node makes, or what is wrong with it.
fn read_key(node: Node, seen: &mut BTreeMap<String, usize>, file: &str) -> (Option<Key>, Option<Diagnostic>) {
    let span = node.span;
    let scalar = match node.kind {
        Kind::Scalar(scalar) => scalar,
        Kind::Broken => return (None, None),
        Kind::Sequence(_) | Kind::Mapping(_) => {
            let error = Diagnostic::error("key is not a text", file, span, "a list or mapping cannot be a key")
                .hint("put a text that starts with `{` or `[` in quotes");
            return (None, Some(error));
        }
    };
    if scalar.plain && scalar.text == "<<" {
        let error = Diagnostic::error("merge key", file, span, "`<<` is not supported")
            .hint("write the keys out, or give whole values an anchor");
        return (None, Some(error));
    }
    if let Some(line) = seen.get(&scalar.text) {
        let label = format!("`{}` stands already on line {line}", scalar.text);
        return (None, Some(Diagnostic::error("duplicate key", file, span, label)));
    }
    seen.insert(scalar.text.clone(), span.line);
    let key = Key {
        text: scalar.text,
        span,
    };
    (Some(key), None)
}

fn weigh(node: &Node) -> Size {
    let below = |sizes: &mut dyn Iterator<Item = Size>| {
        sizes.fold(
            Size {
                nodes: 1,
                text: 0,
                height: 1,
            },
            |sum, size| Size {
                nodes: sum.nodes + size.nodes,
                text: sum.text + size.text,
                height: sum.height.max(size.height + 1),
            },
        )
    };
    match &node.kind {
        Kind::Sequence(nodes) => below(&mut nodes.iter().map(weigh)),
        Kind::Mapping(entries) => below(&mut entries.iter().map(|(key, node)| {
            let size = weigh(node);
            Size {
                nodes: size.nodes + 1,
                text: size.text + key.text.len(),
                height: size.height,
            }
        })),
        Kind::Scalar(scalar) => Size {
            nodes: 1,
            text: scalar.text.len(),
            height: 0,
        },
        Kind::Broken => Size {
            nodes: 1,
            ..Size::default()
        },
    }
}
