//! From bytes to text and its lines: what must hold before a file is parsed at all.

use crate::diagnostic::{Diagnostic, Span};

/// The starts of a text's lines, to turn bytes into lines and columns.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// How many characters stand before each block of bytes: the columns of a very long line are not counted from its start.
    characters: Vec<usize>,
}

/// How many bytes lie between two counts of characters.
const BLOCK: usize = 1_024;

impl<'a> Lines<'a> {
    /// Reads the lines of a text.
    pub fn new(text: &'a str) -> Lines<'a> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let counts = text.as_bytes().chunks(BLOCK).scan(0, |sum, block| {
            *sum += starts_of_characters(block);
            Some(*sum)
        });
        Lines {
            text,
            starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect(),
            characters: std::iter::once(0).chain(counts).collect(),
        }
    }

    /// Returns how many characters stand before a byte.
    fn characters_before(&self, at: usize) -> usize {
        let block = at / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..at).unwrap_or_default();
        self.characters.get(block).copied().unwrap_or_default() + starts_of_characters(rest)
    }

    /// Returns the span of a range of bytes, moved inwards to whole characters.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let start = floor(self.text, start);
        let end = floor(self.text, end.max(start));
        let line = self.starts.partition_point(|first| *first <= start).max(1);
        let first = self.starts.get(line - 1).copied().unwrap_or_default();
        let column = self.characters_before(start) - self.characters_before(first) + 1;
        Span {
            start,
            end,
            line,
            column,
        }
    }

    /// Returns a range of bytes, its ends moved back to whole characters.
    pub fn piece(&self, start: usize, end: usize) -> std::ops::Range<usize> {
        floor(self.text, start)..floor(self.text, end.max(start))
    }

    /// Returns the bytes of a line, counted from 1, without its line break.
    pub fn range(&self, line: usize) -> std::ops::Range<usize> {
        let start = line.checked_sub(1).and_then(|at| self.starts.get(at)).copied();
        let start = start.unwrap_or(self.text.len());
        let end = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        let line = self.text.get(start..end).unwrap_or_default();
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    }
}

/// Returns how many characters start in a piece of UTF-8.
fn starts_of_characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// Returns the last boundary of a character at or before a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the text of a file that can be parsed; none after an error that leaves nothing to parse.
pub(super) fn text<'a>(
    file: &str,
    content: &'a [u8],
    longest: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'a str> {
    if content.len() > longest {
        diagnostics.push(Diagnostic::file_error("file too large", file).hint(format!(
            "it has more than {longest} bytes, and that is the longest that is read"
        )));
        return None;
    }
    let text = match utf8(file, content) {
        Ok(text) => text,
        Err(error) => {
            diagnostics.push(*error);
            return None;
        }
    };
    if text.starts_with('\u{feff}') {
        let span = Lines::new(text).span(0, 3);
        diagnostics.push(
            Diagnostic::error("byte order mark", file, span, "the file starts with a byte order mark")
                .hint("save the file as UTF-8 without a byte order mark (BOM)"),
        );
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| is_control(*c) || is_direction(*c)) {
        diagnostics.push(unseen(file, text, at, c));
        if is_control(c) {
            return None;
        }
    }
    Some(text)
}

/// Returns a file's bytes as text.
pub fn utf8<'a>(file: &str, content: &'a [u8]) -> Result<&'a str, Box<Diagnostic>> {
    if content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
        let error = Diagnostic::file_error("file is not UTF-8", file).hint("it is UTF-16: save it as UTF-8");
        return Err(Box::new(error));
    }
    std::str::from_utf8(content).map_err(|error| {
        let good = content.get(..error.valid_up_to()).unwrap_or_default();
        let bad = content.get(error.valid_up_to()).copied().unwrap_or_default();
        let good = std::str::from_utf8(good).unwrap_or_default();
        let span = Lines::new(good).span(good.len(), good.len());
        let label = format!("byte 0x{bad:02X} is no character");
        let error = Diagnostic::error("file is not UTF-8", file, span, label);
        Box::new(error.hint("save the file as UTF-8"))
    })
}

/// Returns what is wrong with the first character of a text that YAML does not allow.
pub fn forbidden(file: &str, text: &str) -> Option<Diagnostic> {
    let (at, c) = text.char_indices().find(|(_, c)| is_control(*c))?;
    Some(unseen(file, text, at, c))
}

fn unseen(file: &str, text: &str, at: usize, c: char) -> Diagnostic {
    let span = Lines::new(text).span(at, at + c.len_utf8());
    let label = format!("U+{:04X} cannot be seen", u32::from(c));
    Diagnostic::error("control character", file, span, label)
        .hint("remove it; inside double quotes it can be written as an escape")
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}')
}

/// Characters that turn the direction of text and so make a line look like another one.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
