//! A text with changes that knows where each of its characters came from.

use super::syntax::Range;

/// A text as the engine reads it, and its way back to the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// The text.
    pub text: String,
    /// Where each piece starts, here and in the source, and whether it was copied.
    origins: Vec<(usize, usize, bool)>,
}

impl Normalised {
    /// Returns the byte of the source that a byte of the text came from; of something added, where it was added.
    pub fn source_of(&self, at: usize) -> usize {
        let next = self.origins.partition_point(|(start, _, _)| *start <= at);
        let piece = next.checked_sub(1).and_then(|index| self.origins.get(index));
        piece.map_or(
            at,
            |(start, source, copied)| if *copied { source + (at - start) } else { *source },
        )
    }
}

/// A piece of the text to be made.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Copied from the source.
    Kept(Range),
    /// Added at a place of the source.
    Made(String, usize),
}

/// Changes to a text.
pub(super) struct Edits<'a> {
    text: &'a str,
    changes: Vec<(Range, Vec<Piece>)>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a str) -> Edits<'a> {
        Edits {
            text,
            changes: Vec::new(),
        }
    }

    /// Puts pieces in front of a place; later calls for the same place come behind earlier ones.
    pub(super) fn insert(&mut self, at: usize, pieces: Vec<Piece>) {
        self.changes.push((Range { start: at, end: at }, pieces));
    }

    /// Puts a text in the place of a range, with all that was changed within it.
    pub(super) fn replace(&mut self, range: Range, text: String) {
        self.changes
            .retain(|(changed, _)| !(changed.start >= range.start && changed.end <= range.end));
        self.changes.push((range, vec![Piece::Made(text, range.start)]));
    }

    /// Puts a text in the place of what stands between two expressions.
    pub(super) fn between(&mut self, range: Range, text: String) {
        self.changes.push((range, vec![Piece::Made(text, range.start)]));
    }

    /// Returns a range as it stands now.
    pub(super) fn rendered(&self, range: Range) -> Vec<Piece> {
        let mut changes: Vec<_> = self.changes.iter().collect();
        changes.retain(|(changed, _)| changed.start >= range.start && changed.end <= range.end);
        changes.sort_by_key(|(changed, _)| (changed.start, changed.end));
        let mut pieces = Vec::new();
        let mut at = range.start;
        for (changed, made) in changes {
            if changed.start > at {
                let end = changed.start;
                pieces.push(Piece::Kept(Range { start: at, end }));
            }
            pieces.extend(made.iter().cloned());
            at = at.max(changed.end);
        }
        if at < range.end {
            pieces.push(Piece::Kept(Range {
                start: at,
                end: range.end,
            }));
        }
        pieces
    }

    /// Returns the whole text with its changes.
    pub(super) fn finish(&self) -> Normalised {
        let mut text = String::new();
        let mut origins = Vec::new();
        let end = self.text.len();
        for piece in self.rendered(Range { start: 0, end }) {
            match piece {
                Piece::Kept(range) => {
                    origins.push((text.len(), range.start, true));
                    text.push_str(self.text.get(range.start..range.end).unwrap_or_default());
                }
                Piece::Made(made, source) => {
                    origins.push((text.len(), source, false));
                    text.push_str(&made);
                }
            }
        }
        Normalised { text, origins }
    }
}
