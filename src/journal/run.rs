//! A run as its journal tells it, also one that was cut off in the middle of a line.

use super::record::{End, FORMAT_VERSION, Intent, Record, Settled, Start};
use std::collections::BTreeMap;

/// A run, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What it is.
    pub start: Start,
    /// What it wrote or passed over, by step, in the order of the journal.
    pub writes: Vec<Write>,
    /// How it ended; none if the process was gone before.
    pub end: Option<End>,
    /// Whether the last line was cut off: the process died while it wrote it.
    pub cut: bool,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The step's name in its plan.
    pub step: String,
    /// What was sent, the last time if it was sent more than once; none if nothing was.
    pub intent: Option<Intent>,
    /// What became of it; none if the process was gone before that was known.
    pub outcome: Option<Settled>,
}

impl Write {
    /// Whether it is not known what became of a write: it may have been sent.
    pub fn in_doubt(&self) -> bool {
        self.intent.is_some() && self.outcome.is_none()
    }
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The first line is no start of a run.
    #[error("it does not begin with the record of a run")]
    NoStart,
    /// Written by another version of the program.
    #[error("it has format version {found}, this version of aksgate reads {FORMAT_VERSION}")]
    Version {
        /// The version that it names.
        found: u64,
    },
    /// A line that is no record, with others after it.
    #[error("line {line} is damaged: {reason}")]
    Damaged {
        /// The line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

impl Run {
    /// Reads a journal. A last line that was cut off is left out, and said to be.
    ///
    /// # Errors
    /// No journal, one of another version, or one that is damaged before its last line.
    pub fn parse(content: &[u8]) -> Result<Run, JournalError> {
        let whole = content.ends_with(b"\n");
        let mut lines: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
        let rest = lines.pop().unwrap_or_default();
        // Only what ends in a line feed was written whole.
        let cut = !whole && !rest.is_empty();
        let mut lines = lines.into_iter().enumerate();
        let start = match lines.next() {
            Some((_, first)) => start(first)?,
            None => return Err(JournalError::NoStart),
        };
        let mut run = Run {
            start,
            writes: Vec::new(),
            end: None,
            cut,
        };
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (at, line) in lines {
            let damaged = |reason: String| JournalError::Damaged { line: at + 1, reason };
            let record = serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?;
            if run.end.is_some() {
                return Err(damaged("it stands after the end of the run".to_owned()));
            }
            match record {
                Record::Run(_) => return Err(damaged("a second run begins in it".to_owned())),
                Record::Intent(intent) => {
                    let write = run.write(&mut places, &intent.step);
                    write.intent = Some(intent);
                }
                Record::Outcome(outcome) => {
                    let write = run.write(&mut places, &outcome.step);
                    write.outcome = Some(outcome);
                }
                Record::End(end) => run.end = Some(end),
            }
        }
        Ok(run)
    }

    /// Returns what is known of a step, which is new if nothing was known of it.
    fn write(&mut self, places: &mut BTreeMap<String, usize>, step: &str) -> &mut Write {
        let new = self.writes.len();
        let at = *places.entry(step.to_owned()).or_insert(new);
        if at == new {
            self.writes.push(Write {
                step: step.to_owned(),
                intent: None,
                outcome: None,
            });
        }
        // INVARIANT: `places` holds positions in `writes`, which only grows.
        #[expect(clippy::indexing_slicing, reason = "a place is remembered when it is made")]
        &mut self.writes[at]
    }

    /// Returns how many steps had an outcome of that name.
    pub fn count(&self, outcome: &str) -> usize {
        let outcomes = self.writes.iter().filter_map(|write| write.outcome.as_ref());
        outcomes.filter(|settled| settled.outcome == outcome).count()
    }

    /// Returns how many writes are in doubt.
    pub fn in_doubt(&self) -> usize {
        self.writes.iter().filter(|write| write.in_doubt()).count()
    }
}

/// Reads the first line, whose version is looked at before anything else of it.
fn start(line: &[u8]) -> Result<Start, JournalError> {
    let value: serde_json::Value = serde_json::from_slice(line).map_err(|_| JournalError::NoStart)?;
    let found = value.get("formatVersion").and_then(serde_json::Value::as_u64);
    match found {
        Some(FORMAT_VERSION) => {}
        Some(found) => return Err(JournalError::Version { found }),
        None => return Err(JournalError::NoStart),
    }
    match serde_json::from_value(value) {
        Ok(Record::Run(start)) => Ok(start),
        Ok(_) => Err(JournalError::NoStart),
        Err(error) => Err(JournalError::Damaged {
            line: 1,
            reason: error.to_string(),
        }),
    }
}
