//! Kubernetes objects out of text, read as Kubernetes reads it.
//!
//! Owns what a scalar, a key and a document mean to an API server: YAML 1.1 as Go reads it (`y` is true, `0777` is 511, a merge
//! key merges, the last of two equal keys counts), JSON, and lists of objects. Must not know what objects there are.

mod build;
mod json;
mod piece;
mod place;
mod scalar;

pub use place::{Step, place, steps};

use crate::diagnostic::{Diagnostic, Span};
use crate::yaml;
use piece::{Cursor, Pieces};
use serde_json::Value;
use std::ops::{ControlFlow, Range};

/// The endings of the names of files that are looked at in a folder.
pub const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// The longest file that is read, in bytes.
pub const LONGEST_FILE: usize = 512 << 20;
/// How deep lists and mappings may stand in each other, aliases expanded.
pub const DEEPEST: usize = 100;
/// How many values a document, or an object in a list of objects, may have, aliases expanded.
pub const MOST_NODES: usize = 500_000;
/// How many bytes of text a document, or an object in a list of objects, may have, aliases expanded.
pub const MOST_TEXT: usize = 64 << 20;

/// One document of a file, or one object of a list in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// All of it, from its first character on.
    pub span: Span,
    /// What it says.
    pub value: Value,
}

impl Manifest {
    /// Returns where it starts, for a message that is about it as a whole.
    pub fn start(&self) -> Span {
        Span {
            end: self.span.start,
            ..self.span
        }
    }
}

/// Reads a file of YAML documents and JSON texts one after another, and hands each out until it is told to stop.
///
/// `file` is its path as messages show it. A document without anything in it is left out. A list of objects (`kind: List`, or
/// another kind that ends so, with `items`) is handed out object by object. What cannot be read is handed out as the mistake that
/// it is, and the reading goes on behind the next line that starts with `---`. Limits are those of one document, and no more than
/// one is held.
pub fn each(file: &str, content: &[u8], take: &mut dyn FnMut(Result<Manifest, Diagnostic>) -> ControlFlow<()>) {
    if content.len() > LONGEST_FILE {
        let error = Diagnostic::file_error("file too large", file).hint(format!(
            "it has more than {LONGEST_FILE} bytes, and that is the longest that is read"
        ));
        let _ = take(Err(error));
        return;
    }
    let mut cursor = Cursor::new(content);
    for piece in Pieces::new(content) {
        let start = piece.start;
        let bytes = content.get(piece).unwrap_or_default();
        let mut on = ControlFlow::Continue(());
        let mut hand = |found: Found| {
            let found = match found {
                Ok((at, value)) => Ok(Manifest {
                    span: cursor.span(start + at.start, start + at.end),
                    value,
                }),
                Err(mut mistake) => {
                    let place = |span: Span| cursor.span(start + span.start, start + span.end);
                    mistake.span = mistake.span.map(place);
                    Err(*mistake)
                }
            };
            on = take(found);
            on
        };
        read_piece(file, bytes, &mut hand);
        if on.is_break() {
            return;
        }
    }
}

/// What is found in a piece of a file, with places that count from the piece's start: an object, or a mistake.
type Found = Result<(Range<usize>, Value), Box<Diagnostic>>;
/// Takes what is found, and says whether to go on.
type Hand<'a> = &'a mut dyn FnMut(Found) -> ControlFlow<()>;

fn read_piece(file: &str, bytes: &[u8], hand: Hand<'_>) {
    let text = match yaml::utf8(file, bytes) {
        Ok(text) => text,
        Err(mistake) => {
            let _ = hand(Err(mistake));
            return;
        }
    };
    match json::form(file, text) {
        json::Form::Json => json::objects(file, text, hand),
        json::Form::Broken(mistake) => {
            let _ = hand(Err(mistake));
        }
        json::Form::Other => match yaml::forbidden(file, text) {
            Some(mistake) => {
                let _ = hand(Err(Box::new(mistake)));
            }
            None => build::objects(file, text, hand),
        },
    }
}

/// Returns a mistake whose line is still to be counted.
fn mistake(summary: &str, file: &str, at: &Range<usize>, label: impl Into<String>) -> Box<Diagnostic> {
    let span = Span {
        start: at.start,
        end: at.end,
        ..Span::default()
    };
    Box::new(Diagnostic::error(summary, file, span, label))
}

fn too_large(file: &str, at: &Range<usize>) -> Box<Diagnostic> {
    let label = format!("more than {MOST_NODES} values, or {MOST_TEXT} bytes, with aliases expanded");
    mistake("document too large", file, at, label)
}

fn too_deep(file: &str, at: &Range<usize>) -> Box<Diagnostic> {
    let label = format!("nested more than {DEEPEST} levels deep");
    mistake("too deep", file, at, label)
}

/// Whether a kind is one of lists of objects.
fn is_list(kind: &str) -> bool {
    kind.ends_with("List")
}

/// Reads a whole file as [`each`] does; one with a mistake gives nothing but its mistakes.
pub fn read(file: &str, content: &[u8]) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    let (mut manifests, mut mistakes) = (Vec::new(), Vec::new());
    each(file, content, &mut |found| {
        match found {
            Ok(manifest) => manifests.push(manifest),
            Err(mistake) => mistakes.push(mistake),
        }
        ControlFlow::Continue(())
    });
    match mistakes.is_empty() {
        true => Ok(manifests),
        false => Err(mistakes),
    }
}

#[cfg(test)]
mod tests;
