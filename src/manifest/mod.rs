//! Kubernetes objects out of text, read as Kubernetes reads it.
//!
//! Owns what a scalar, a key and a document mean to an API server: YAML 1.1 as Go reads it (`y` is true, `0777` is 511, a merge
//! key merges, the last of two equal keys counts), and JSON. Must not know what objects there are.

mod build;
mod scalar;

use crate::diagnostic::{Diagnostic, Span};
use serde_json::Value;

/// The longest file that is read, in bytes.
pub const LONGEST_FILE: usize = 32 << 20;
/// How deep lists and mappings may stand in each other, aliases expanded.
pub const DEEPEST: usize = 100;
/// How many values a file may have, aliases expanded.
pub const MOST_NODES: usize = 500_000;
/// How many bytes of text a file may have, aliases expanded.
pub const MOST_TEXT: usize = 64 << 20;

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Where it starts.
    pub span: Span,
    /// What it says.
    pub value: Value,
}

/// Reads a file of YAML documents or of JSON texts; documents without anything in them are left out.
///
/// `file` is its path as messages show it. A file with a mistake gives nothing but the mistake.
pub fn read(file: &str, content: &[u8]) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    match json(content) {
        Some(manifests) => Ok(manifests),
        None => build::documents(file, content),
    }
}

/// Reads JSON, which is no matter of scalars; none for what is not JSON from end to end, so that YAML's reader says what is wrong.
fn json(content: &[u8]) -> Option<Vec<Manifest>> {
    let first = content.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if content.len() > LONGEST_FILE || !matches!(first, b'{' | b'[') {
        return None;
    }
    let text = std::str::from_utf8(content).ok()?;
    let lines = crate::yaml::Lines::new(text);
    let mut stream = serde_json::Deserializer::from_slice(content).into_iter::<Value>();
    let mut manifests = Vec::new();
    loop {
        let gap = text.get(stream.byte_offset()..)?;
        let start = text.len() - gap.trim_start().len();
        match stream.next() {
            None => return Some(manifests),
            Some(value) => manifests.push(Manifest {
                span: lines.span(start, start),
                value: value.ok()?,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
