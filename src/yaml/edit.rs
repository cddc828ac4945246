//! Changes of a file in place: a value set, an entry added; every other byte stays.
//!
//! The text is cut at the places that the tree gives, so comments, order and form of all else are kept by construction. What comes out is
//! read again all the same: exactly the paths that were meant have changed, and every comment is there. Where that is not so, nobody is
//! handed the text as an edited file.

use super::{Document, Key, Kind, Node, Plain, Scalar, parse};
use crate::diagnostic::Span;
use granit_parser::{Event, Parser, options};
use std::collections::{BTreeMap, BTreeSet};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// The keys that lead to the value, such as `gates`, `pod-security`, `target`. What is missing of them is made.
    pub path: Vec<String>,
    /// The value. One that is there is set only where both are scalars.
    pub value: Node,
}

/// Why a file cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It cannot be read as a whole.
    #[error("the file cannot be read as a whole, so it is not edited")]
    Unreadable,
    /// The place is not of a form that is edited.
    #[error("`{path}` cannot be set in place: {why}")]
    Place {
        /// The path with dots.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// The edited text does not say what was meant.
    #[error("the edit would not do what was meant: {why}")]
    Unfaithful {
        /// What it would do.
        why: String,
        /// The text as it would be.
        edited: String,
    },
}

impl Node {
    /// Returns a scalar to be written: plain where it can be.
    pub fn scalar(text: &str) -> Node {
        Node {
            span: Span::default(),
            kind: Kind::Scalar(Scalar {
                text: text.to_owned(),
                plain: true,
            }),
        }
    }

    /// Returns a mapping to be written.
    pub fn mapping(entries: Vec<(&str, Node)>) -> Node {
        let entry = |(text, node): (&str, Node)| {
            let key = Key {
                text: text.to_owned(),
                span: Span::default(),
            };
            (key, node)
        };
        Node {
            span: Span::default(),
            kind: Kind::Mapping(entries.into_iter().map(entry).collect()),
        }
    }

    /// Returns the value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Mapping(entries) => entries
                .iter()
                .find(|(found, _)| found.text == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// Returns whether two nodes say the same, wherever and however they are written.
    pub fn says_the_same(&self, other: &Node) -> bool {
        leaves(self) == leaves(other)
    }
}

/// Returns the text with all changes made.
///
/// # Errors
/// A file that cannot be read, a place that cannot be set, and an edit that does not turn out as it was meant.
pub fn edit(text: &str, edits: &[Edit]) -> Result<String, EditError> {
    let before = read(text)?;
    let mut edited = text.to_owned();
    for change in edits {
        let document = read(&edited)?;
        edited = make(&edited, &document.root, change)?;
    }
    let unfaithful = |why: String| EditError::Unfaithful {
        why,
        edited: edited.clone(),
    };
    let after = read(&edited).map_err(|_| unfaithful("it could not be read again".to_owned()))?;
    check(&before.root, &after.root, edits).map_err(&unfaithful)?;
    let (old, new) = (comments(text), comments(&edited));
    match (old, new) {
        (Some(old), Some(new)) if old == new => Ok(edited),
        _ => Err(unfaithful("not every comment would be as it was".to_owned())),
    }
}

fn read(text: &str) -> Result<Document, EditError> {
    let (document, diagnostics) = parse("", text.as_bytes());
    document
        .filter(|document| document.complete && diagnostics.is_empty())
        .ok_or(EditError::Unreadable)
}

/// The comments of a text in order; none if it cannot be read.
fn comments(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for event in Parser::new_from_str_with_options(text, options! { emit_comments: true }) {
        if let (Event::Comment(comment, _), _) = event.ok()? {
            found.push(comment.to_string());
        }
    }
    Some(found)
}

fn make(text: &str, root: &Node, change: &Edit) -> Result<String, EditError> {
    let refuse = |why: &'static str| EditError::Place {
        path: change.path.join("."),
        why,
    };
    let mut node = root;
    let mut above: Option<&Key> = None;
    for (depth, name) in change.path.iter().enumerate() {
        let found = match &node.kind {
            Kind::Mapping(entries) => entries.iter().find(|(key, _)| key.text == *name),
            Kind::Scalar(scalar) if is_nothing(scalar) => None,
            _ => return Err(refuse("what stands on the way to it is no mapping")),
        };
        if let Some((key, value)) = found {
            (above, node) = (Some(key), value);
            continue;
        }
        let rest = change.path.get(depth + 1..).unwrap_or_default();
        let value = rest
            .iter()
            .rev()
            .fold(change.value.clone(), |value, key| Node::mapping(vec![(key, value)]));
        return insert(text, node, above, (name, &value))
            .ok_or_else(|| refuse("its place has a form that is not edited"));
    }
    match (&node.kind, &change.value.kind) {
        (Kind::Scalar(old), Kind::Scalar(_)) if !is_nothing(old) => {
            splice(text, node.span.start, node.span.end, &flow(&change.value)).ok_or_else(|| refuse("it has no place"))
        }
        _ => Err(refuse("a value is there that is no scalar")),
    }
}

/// `key:` with nothing behind it.
fn is_nothing(scalar: &Scalar) -> bool {
    scalar.plain && scalar.text.is_empty()
}

fn splice(text: &str, start: usize, end: usize, with: &str) -> Option<String> {
    Some(format!("{}{with}{}", text.get(..start)?, text.get(end..)?))
}

/// Adds an entry to a mapping, at its end; none where the form of the mapping is not one that is edited.
fn insert(text: &str, node: &Node, above: Option<&Key>, entry: (&str, &Node)) -> Option<String> {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (at, indent, gap) = match &node.kind {
        Kind::Mapping(entries) if is_flow(text, node) => {
            let close = node
                .span
                .end
                .checked_sub(1)
                .filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with('}')))?;
            let comma = if entries.is_empty() { "" } else { ", " };
            let addition = format!("{comma}{}: {}", key_text(entry.0), flow(entry.1));
            let inner = text.get(..close)?;
            // `{a: 1 }` becomes `{a: 1, b: 2 }`.
            let at = inner.trim_end().len();
            return splice(text, at, at, &addition);
        }
        Kind::Mapping(entries) => {
            let (key, last) = entries.last()?;
            let at = line_end(text, deep_end(text, key, last));
            let before = entries
                .iter()
                .rev()
                .nth(1)
                .map(|(key, node)| line_end(text, deep_end(text, key, node)));
            let gap = before.is_some_and(|before| {
                let between = text.get(before..key.span.start).unwrap_or_default();
                let lines: Vec<&str> = between.split('\n').collect();
                lines.len() > 2 && lines.get(1).is_some_and(|line| line.trim().is_empty())
            });
            (at, key.span.column.checked_sub(1)?, gap)
        }
        Kind::Scalar(scalar) if is_nothing(scalar) => {
            let key = above?;
            (line_end(text, key.span.end), key.span.column.checked_sub(1)? + 2, false)
        }
        _ => return None,
    };
    let mut lines = Vec::new();
    if gap {
        lines.push(String::new());
    }
    block(entry.0, entry.1, indent, &mut lines);
    let addition: String = lines.iter().map(|line| format!("{newline}{line}")).collect();
    splice(text, at, at, &addition)
}

fn is_flow(text: &str, node: &Node) -> bool {
    text.get(node.span.start..)
        .is_some_and(|rest| rest.starts_with(['{', '[']))
}

/// The end of all that stands below a key.
fn deep_end(text: &str, key: &Key, node: &Node) -> usize {
    let below = match &node.kind {
        _ if is_flow(text, node) => None,
        Kind::Mapping(entries) => entries.last().map(|(key, last)| deep_end(text, key, last)),
        Kind::Sequence(items) => items.last().map(|last| deep_end(text, key, last)),
        _ => None,
    };
    below.unwrap_or(node.span.end).max(key.span.end)
}

/// The end of the line that a place stands on, the line feed left out.
fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    at + line.trim_end_matches('\r').len()
}

/// Writes an entry in block form.
fn block(key: &str, value: &Node, indent: usize, lines: &mut Vec<String>) {
    let margin = " ".repeat(indent);
    match &value.kind {
        Kind::Mapping(entries) if !entries.is_empty() => {
            lines.push(format!("{margin}{}:", key_text(key)));
            for (key, value) in entries {
                block(&key.text, value, indent + 2, lines);
            }
        }
        _ => lines.push(format!("{margin}{}: {}", key_text(key), flow(value))),
    }
}

/// Returns an edit as a line for a person.
pub fn described(edit: &Edit) -> String {
    format!("{}: {}", edit.path.join("."), flow(&edit.value))
}

/// Returns a node in flow form, on one line.
pub fn flow(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar(scalar) => scalar_text(scalar),
        Kind::Sequence(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Kind::Mapping(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", key_text(&key.text), flow(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Kind::Broken => String::new(),
    }
}

fn key_text(text: &str) -> String {
    scalar_text(&Scalar {
        text: text.to_owned(),
        plain: true,
    })
}

fn scalar_text(scalar: &Scalar) -> String {
    let text = &scalar.text;
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_'))
        || text.starts_with('-') && text.len() > 1 && !text.starts_with("- ") && !text.starts_with("--");
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@'));
    if scalar.plain && (text.is_empty() || starts_plain && plain) {
        return text.clone();
    }
    // JSON's escapes are among YAML's.
    serde_json::Value::from(text.as_str()).to_string()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Leaf {
    Scalar(String, Plain),
    EmptyList,
    EmptyMapping,
    Broken,
}

impl Leaf {
    fn is_empty(&self) -> bool {
        matches!(self, Leaf::EmptyMapping) || matches!(self, Leaf::Scalar(text, Plain::Null) if text.is_empty())
    }
}

type Leaves = BTreeMap<Vec<String>, Leaf>;

fn leaves(node: &Node) -> Leaves {
    let mut found = Leaves::new();
    collect(node, &mut Vec::new(), &mut found);
    found
}

fn collect(node: &Node, path: &mut Vec<String>, found: &mut Leaves) {
    let leaf = match &node.kind {
        Kind::Mapping(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                path.push(format!(".{}", key.text));
                collect(value, path, found);
                path.pop();
            }
            return;
        }
        Kind::Sequence(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                path.push(format!("[{at}]"));
                collect(item, path, found);
                path.pop();
            }
            return;
        }
        Kind::Mapping(_) => Leaf::EmptyMapping,
        Kind::Sequence(_) => Leaf::EmptyList,
        Kind::Scalar(scalar) => Leaf::Scalar(scalar.text.clone(), scalar.resolve()),
        Kind::Broken => Leaf::Broken,
    };
    found.insert(path.clone(), leaf);
}

/// Checks that the paths that were meant have changed, to what was meant, and no others.
fn check(before: &Node, after: &Node, edits: &[Edit]) -> Result<(), String> {
    let (old, new) = (leaves(before), leaves(after));
    let path_of = |edit: &Edit| edit.path.iter().map(|key| format!(".{key}")).collect::<Vec<String>>();
    let mut wanted = old.clone();
    for edit in edits {
        let path = path_of(edit);
        // What was empty on the way to it is so no longer.
        wanted.retain(|found, leaf| {
            let inside = found.starts_with(&path);
            let on_the_way = path.starts_with(found) && leaf.is_empty();
            !inside && !on_the_way
        });
        for (below, leaf) in leaves(&edit.value) {
            wanted.insert(path.iter().cloned().chain(below).collect(), leaf);
        }
    }
    let all: BTreeSet<&Vec<String>> = wanted.keys().chain(new.keys()).collect();
    match all.into_iter().find(|path| wanted.get(*path) != new.get(*path)) {
        None => Ok(()),
        Some(path) => Err(format!(
            "`{}` would not be as it should",
            path.concat().trim_start_matches('.')
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# Production.
scope: subscriptions/x # where

gates:
  pod-security:
    initiative: baseline # content
    target: \"audit\" # not yet

  exposure:
    initiative: exposure
    excludeNamespaces: [ingress] # joined

# The rest.
clusters: {policyAddon: {mode: manage}}
";

    fn set(path: &str, value: Node) -> Edit {
        Edit {
            path: path.split('.').map(str::to_owned).collect(),
            value,
        }
    }

    fn edited(text: &str, edits: &[Edit]) -> String {
        edit(text, edits).unwrap()
    }

    #[test]
    fn a_value_is_set_and_nothing_else_moves() {
        let after = edited(FILE, &[set("gates.pod-security.target", Node::scalar("deny"))]);
        assert_eq!(after, FILE.replace("\"audit\"", "deny"));
    }

    #[test]
    fn an_entry_is_added_at_the_end_of_its_mapping_in_the_way_of_the_others() {
        let list = Node {
            span: Span::default(),
            kind: Kind::Sequence(vec![Node::scalar("a.azurecr.io"), Node::scalar("*: x")]),
        };
        let gate = Node::mapping(vec![
            ("initiative", Node::scalar("images")),
            ("target", Node::scalar("audit")),
            ("parameters", Node::mapping(vec![("trustedImages", list)])),
        ]);
        let after = edited(FILE, &[set("gates.images", gate)]);
        let addition = "
  images:
    initiative: images
    target: audit
    parameters:
      trustedImages: [a.azurecr.io, \"*: x\"]
";
        let at = FILE.find("\n# The rest.").unwrap();
        assert_eq!(after, format!("{}{addition}{}", &FILE[..at], &FILE[at..]));
        let soak = edited(FILE, &[set("gates.pod-security.soak", Node::scalar("7d"))]);
        assert_eq!(soak, FILE.replace("# not yet\n", "# not yet\n    soak: 7d\n"));
        let flow = edited(FILE, &[set("clusters.select.tags.a", Node::scalar("on"))]);
        assert_eq!(flow, FILE.replace("manage}}", "manage}, select: {tags: {a: on}}}"));
    }

    #[test]
    fn what_is_missing_or_empty_on_the_way_is_made() {
        let change = || [set("gates.g.target", Node::scalar("audit"))];
        for (text, expected) in [
            ("scope: x\n", "scope: x\ngates:\n  g:\n    target: audit\n"),
            ("scope: x", "scope: x\ngates:\n  g:\n    target: audit"),
            (
                "gates: # none\nscope: x\n",
                "gates: # none\n  g:\n    target: audit\nscope: x\n",
            ),
            ("gates: {}\n", "gates: {g: {target: audit}}\n"),
            (
                "gates:\n    a: {}\n",
                "gates:\n    a: {}\n    g:\n      target: audit\n",
            ),
            (
                "a: 1\r\ngates:\r\n  a: {}\r\n",
                "a: 1\r\ngates:\r\n  a: {}\r\n  g:\r\n    target: audit\r\n",
            ),
            (
                "a: |\n  text\n  # no comment\n",
                "a: |\n  text\n  # no comment\ngates:\n  g:\n    target: audit\n",
            ),
        ] {
            assert_eq!(edited(text, &change()), expected, "{text}");
        }
    }

    #[test]
    fn several_edits_of_one_file_go_together() {
        let edits = [
            set("gates.new.initiative", Node::scalar("i")),
            set("gates.new.target", Node::scalar("audit")),
            set("gates.pod-security.target", Node::scalar("deny")),
        ];
        let after = edited(FILE, &edits);
        assert!(
            after.contains("\n\n  new:\n    initiative: i\n    target: audit\n\n# The rest."),
            "{after}"
        );
    }

    #[test]
    fn what_cannot_be_edited_faithfully_is_refused() {
        let deny = || Node::scalar("deny");
        let refused = |text: &str, path: &str, value: Node| edit(text, &[set(path, value)]).unwrap_err();
        assert_eq!(refused("a: [1", "a", deny()), EditError::Unreadable);
        assert!(matches!(refused("a: [1]\n", "a", deny()), EditError::Place { .. }));
        assert!(matches!(refused("a: 1\n", "a.b", deny()), EditError::Place { .. }));
        // An alias stands where its anchor does: both would change.
        let shared = "a: &s {target: audit}\nb: *s\n";
        assert!(matches!(
            refused(shared, "b.target", deny()),
            EditError::Unfaithful { .. }
        ));
        // A comma that is there already.
        assert!(matches!(
            refused("a: {b: 1,}\n", "a.c", deny()),
            EditError::Unfaithful { .. }
        ));
        // The brace is in the comment.
        assert!(edit("a: {b: 1 # }\n  }\n", &[set("a.c", deny())]).is_err());
    }

    #[test]
    fn types_are_kept() {
        for text in ["true", "7", "1.5", "null", "x: y", "", "- a", "#a", "a #b", "é"] {
            let quoted = Node {
                span: Span::default(),
                kind: Kind::Scalar(Scalar {
                    text: text.to_owned(),
                    plain: false,
                }),
            };
            let after = edited("a: 1\n", &[set("b", quoted.clone())]);
            assert!(
                read(&after).unwrap().root.get("b").unwrap().says_the_same(&quoted),
                "{after}"
            );
        }
    }
}
