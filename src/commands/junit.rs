//! `--junit FILE`: results for a CI server, beside what is printed.

use super::error::CommandError;
use crate::store;
use crate::view::junit::{Suite, document};
use std::path::PathBuf;

/// Options of commands that judge something.
#[derive(Debug, clap::Args)]
pub(super) struct JunitArgs {
    /// Write the results as JUnit XML too, into this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl JunitArgs {
    /// Writes the results, if a file was named for them.
    pub(super) fn write(&self, suites: impl FnOnce() -> Vec<Suite>) -> Result<(), CommandError> {
        let Some(path) = &self.junit else {
            return Ok(());
        };
        store::replace_shared(path, document(&suites()).as_bytes()).map_err(|error| {
            CommandError::failed(format!("`{}` cannot be written", path.display())).detail(error.to_string())
        })
    }
}
