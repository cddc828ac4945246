//! The journal: one file for each run that writes to Azure, with what it meant to write, what stood there before, and what
//! became of it.
//!
//! Owns the format ([`record`]) and how a run is read back ([`Run`]). A file only grows: a line is on disk before the request that it
//! tells of is sent. Must not know how a run decides, nor Azure. No state lives here: nothing that aksgate decides depends on it.

pub mod record;
mod run;

pub use record::{End, FORMAT_VERSION, Intent, Record, Settled, Start};
pub use run::{JournalError, Run, Write};

use crate::store::{self, Log};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// How the name of a journal's file ends.
const SUFFIX: &str = ".jsonl";
/// The longest journal that is read, in bytes.
const LONGEST: u64 = 256 << 20;
/// How many runs may start within one second with the same plan.
const MOST_OF_ONE_NAME: u32 = 1_000;

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    id: String,
    path: PathBuf,
    log: Mutex<Log>,
}

impl Journal {
    /// Begins the journal of a run in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// Any failure of the file system: without a journal nothing is to be written.
    pub fn begin(folder: &Path, start: &Start) -> io::Result<Journal> {
        store::create_directory(folder)?;
        let name = run_name(start);
        for attempt in 1..=MOST_OF_ONE_NAME {
            let id = match attempt {
                1 => name.clone(),
                more => format!("{name}-{more}"),
            };
            let path = folder.join(format!("{id}{SUFFIX}"));
            let mut log = match Log::create(&path) {
                Ok(log) => log,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let start = Start {
                run: id.clone(),
                ..start.clone()
            };
            log.append(&Record::Run(start).to_line())?;
            let log = Mutex::new(log);
            return Ok(Journal { id, path, log });
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("`{name}` has been written {MOST_OF_ONE_NAME} times"),
        ))
    }

    /// Returns the name of the run.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a record; it is on disk when this returns.
    ///
    /// # Errors
    /// Any failure of the file system.
    pub fn add(&self, record: &Record) -> io::Result<()> {
        let mut log = self
            .log
            .lock()
            .map_err(|_| io::Error::other("another writer of this journal failed"))?;
        log.append(&record.to_line())
    }
}

/// `run-20270104-080000-0d3ac5aa5d1e`: when it began, and the plan that it carries out.
fn run_name(start: &Start) -> String {
    let time: String = start.time.to_string().chars().filter(char::is_ascii_digit).collect();
    let (day, clock) = time.split_at_checked(8).unwrap_or((&time, ""));
    format!("run-{day}-{clock}-{}", start.plan_id)
}

/// Returns the names of the runs in a folder, oldest first; none if there is no such folder.
///
/// # Errors
/// Any failure of the file system.
pub fn runs(folder: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = store::names_in(folder)?
        .into_iter()
        .filter_map(|name| name.strip_suffix(SUFFIX).map(str::to_owned))
        .filter(|name| is_name(name))
        .collect();
    names.sort();
    Ok(names)
}

/// Reads the journal of a run; none if there is no such run.
///
/// # Errors
/// Any failure of the file system, and a journal that is damaged or of a newer version.
pub fn read(folder: &Path, id: &str) -> Result<Option<Run>, JournalError> {
    // A name is no path: it cannot lead out of the folder.
    if !is_name(id) {
        return Ok(None);
    }
    let found = store::read_start(&folder.join(format!("{id}{SUFFIX}")), LONGEST)?;
    found.map(|content| Run::parse(&content)).transpose()
}

/// Whether a text is the name of a run: small letters, digits and hyphens, with a letter first.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests;
