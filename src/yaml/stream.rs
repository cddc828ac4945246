//! YAML as a stream of events with places, for those who read it by other rules than an estate's.

use super::{Lines, source, syntax};
use crate::diagnostic::{Diagnostic, Span};
use granit_parser::{Event, Parser, ScalarStyle, options};

/// What stands in a file, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: OccurrenceKind,
}

/// What can stand in a file.
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
}

/// Returns what stands in a file of any number of documents, or what is wrong with it.
///
/// `longest` is how many bytes it may have, `deepest` how deep lists and mappings may stand in each other, aliases not expanded.
pub fn events(file: &str, content: &[u8], longest: usize, deepest: usize) -> Result<Vec<Occurrence>, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let text = source::text(file, content, longest, &mut diagnostics);
    let text = match text {
        Some(text) if diagnostics.is_empty() => text,
        _ => return Err(diagnostics),
    };
    let lines = Lines::new(text);
    let options = options! {
        emit_comments: false,
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: deepest,
        block_nesting_limit: deepest,
    };
    let mut occurrences = Vec::new();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => return Err(vec![syntax::diagnose(file, text, &lines, &error, deepest)]),
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
            Event::UnresolvedAlias(name) => {
                let label = format!("there is no `&{name}` before this");
                let error = Diagnostic::error("unknown anchor", file, lines.span(start, end), label);
                return Err(vec![error.hint("put a text that starts with `*` in quotes")]);
            }
            _ => continue,
        };
        occurrences.push(Occurrence {
            span: lines.span(start, end),
            kind,
        });
    }
    Ok(occurrences)
}
