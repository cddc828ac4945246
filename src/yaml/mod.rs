//! YAML as a tree of nodes, each with its place in the file and its scalars as they were written.
//!
//! Owns what is accepted as YAML: one document of lists and mappings in UTF-8, within limits, without tags, merge keys or
//! anything else that makes a file mean more than it shows. Must not know what the keys mean.

mod edit;
mod scalar;
mod source;
mod stream;
mod syntax;
mod tree;

pub use edit::{Edit, EditError, described, edit, flow};
pub use scalar::{Plain, Scalar};
pub use source::{Lines, forbidden, utf8};
pub use stream::{Occurrence, OccurrenceKind, events};

use crate::diagnostic::{Diagnostic, Span};

/// The longest file that is read, in bytes.
pub const LONGEST_FILE: usize = 1 << 20;
/// How deep lists and mappings may stand in each other, aliases expanded.
pub const DEEPEST: usize = 64;
/// How many nodes a file may have, aliases expanded.
pub const MOST_NODES: usize = 50_000;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands; a value that is left out stands where its key does.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A scalar, or nothing at all (`key:`), which is a plain scalar without text.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the file; no key stands twice.
    Mapping(Vec<(Key, Node)>),
    /// Something that a diagnostic was already made of.
    Broken,
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// Returns the words for what the node is, as a message says them: `a list`, `a mapping`, `true`, `nothing`, …
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Broken => "something unreadable".to_owned(),
            Kind::Scalar(scalar) => match scalar.resolve() {
                Plain::Null => "nothing".to_owned(),
                Plain::Boolean(_) | Plain::Integer | Plain::Float => format!("`{}`", scalar.text),
                Plain::Text => "a text".to_owned(),
            },
        }
    }
}

/// What could be read of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The tree; not always a mapping.
    pub root: Node,
    /// Whether the tree is the whole file: if not, what is missing in it may stand behind a syntax error.
    pub complete: bool,
}

/// Reads a file; no document if there is nothing in it to go on with.
///
/// `file` is its path as messages show it. At most one of the diagnostics is about syntax; the tree then holds what stands before it.
pub fn parse(file: &str, content: &[u8]) -> (Option<Document>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let text = match source::text(file, content, LONGEST_FILE, &mut diagnostics) {
        Some(text) => text,
        None => return (None, diagnostics),
    };
    let document = tree::build(file, text, &mut diagnostics);
    (document, diagnostics)
}

#[cfg(test)]
mod tests;
