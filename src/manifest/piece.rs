//! A file in pieces that can be read each for itself, and the lines of a file, counted as it is read.

use crate::diagnostic::Span;
use std::ops::Range;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The pieces of a file: each but the first starts with a line that starts with `---`.
///
/// Nothing else can be meant by such a line: YAML allows it in no text, and JSON has no line breaks in a text.
pub(super) struct Pieces<'a> {
    content: &'a [u8],
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(content: &'a [u8]) -> Pieces<'a> {
        // Windows marks its files so; Kubernetes reads them.
        let at = if content.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        Pieces { content, at }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.content.get(self.at..).filter(|rest| !rest.is_empty())?;
        let starts = |window: &[u8]| matches!(window, [b'\n', rest @ ..] if is_marker(rest));
        let mut from = 0;
        let length = loop {
            let Some(found) = rest
                .get(from..)
                .and_then(|rest| rest.iter().position(|byte| *byte == b'\n'))
            else {
                break rest.len();
            };
            let line_break = from + found;
            if rest.get(line_break..).is_some_and(starts) {
                break line_break + 1;
            }
            from = line_break + 1;
        };
        let piece = self.at..self.at + length;
        self.at = piece.end;
        Some(piece)
    }
}

fn is_marker(line: &[u8]) -> bool {
    match line {
        [b'-', b'-', b'-', rest @ ..] => matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')),
        _ => false,
    }
}

/// A place in a file that moves on, and with it its line and column.
pub(super) struct Cursor<'a> {
    content: &'a [u8],
    first: (usize, usize, usize),
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(content: &'a [u8]) -> Cursor<'a> {
        Cursor::starting(content, 0, 1, 1)
    }

    /// Starts at a byte whose line and column are known.
    pub(super) fn starting(content: &'a [u8], at: usize, line: usize, column: usize) -> Cursor<'a> {
        Cursor {
            content,
            first: (at, line, column),
            at,
            line,
            column,
        }
    }

    /// Returns the span of a range of bytes; cheap if it starts behind the one before.
    pub(super) fn span(&mut self, start: usize, end: usize) -> Span {
        if start < self.at {
            (self.at, self.line, self.column) = self.first;
        }
        for byte in self.content.get(self.at..start).unwrap_or_default() {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.column = 1;
                }
                // Only the first byte of a character counts.
                0x80..=0xbf => {}
                _ => self.column += 1,
            }
        }
        self.at = start.min(self.content.len()).max(self.at);
        Span {
            start,
            end,
            line: self.line,
            column: self.column,
        }
    }
}
