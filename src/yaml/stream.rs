//! YAML as a stream of events with places, for those who read it by other rules than an estate's.

use super::{Lines, syntax};
use crate::diagnostic::Diagnostic;
use granit_parser::{Event, Parser, ScalarStyle, options};
use std::ops::{ControlFlow, Range};

/// What stands in a text, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// The bytes that it takes.
    pub at: Range<usize>,
    /// What it is.
    pub kind: OccurrenceKind,
}

/// What can stand in a text.
#[derive(Clone, Debug, PartialEq)]
pub enum OccurrenceKind {
    /// A document starts.
    Document,
    /// A scalar.
    Scalar {
        /// Its text, escapes and line folding undone.
        text: String,
        /// Whether it stood plain: neither quoted nor a block.
        plain: bool,
        /// Its tag, `!!int` in full.
        tag: Option<String>,
        /// The number of its anchor; 0 for none.
        anchor: usize,
    },
    /// A list starts.
    Sequence {
        /// The number of its anchor; 0 for none.
        anchor: usize,
    },
    /// A mapping starts: keys and values take turns.
    Mapping {
        /// The number of its anchor; 0 for none.
        anchor: usize,
    },
    /// The list or mapping ends.
    End,
    /// What has an anchor stands here once more.
    Alias(usize),
    /// What is to stand here once more is nowhere before this.
    UnknownAlias(String),
}

/// Hands out what stands in a text of any number of documents, one after another, until it is told to stop or something is wrong.
///
/// `deepest` is how deep lists and mappings may stand in each other, aliases not expanded.
pub fn events(
    file: &str,
    text: &str,
    deepest: usize,
    take: &mut dyn FnMut(Occurrence) -> ControlFlow<()>,
) -> Result<(), Box<Diagnostic>> {
    let options = options! {
        emit_comments: false,
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: deepest,
        block_nesting_limit: deepest,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                return Err(Box::new(syntax::diagnose(
                    file,
                    text,
                    &Lines::new(text),
                    &error,
                    deepest,
                )));
            }
        };
        let start = span.start.byte_offset().unwrap_or_default();
        let end = span.end.byte_offset().unwrap_or(start);
        let tag = event.tag().map(ToString::to_string);
        let kind = match event {
            Event::DocumentStart(..) => OccurrenceKind::Document,
            Event::Scalar(value, style, anchor, _) => {
                let plain = matches!(style, ScalarStyle::Plain);
                // The parser says `~` for a value that is left out.
                let text = if plain && start == end {
                    String::new()
                } else {
                    value.to_string()
                };
                OccurrenceKind::Scalar {
                    text,
                    plain,
                    tag,
                    anchor,
                }
            }
            Event::SequenceStart(_, anchor, _) => OccurrenceKind::Sequence { anchor },
            Event::MappingStart(_, anchor, _) => OccurrenceKind::Mapping { anchor },
            Event::SequenceEnd | Event::MappingEnd => OccurrenceKind::End,
            Event::Alias(anchor) => OccurrenceKind::Alias(anchor),
            Event::UnresolvedAlias(name) => OccurrenceKind::UnknownAlias(name.to_string()),
            _ => continue,
        };
        if take(Occurrence { at: start..end, kind }).is_break() {
            break;
        }
    }
    Ok(())
}
