//! `--report FORMAT=FILE`: a result in a file, beside what is printed.

use super::error::CommandError;
use crate::store;
use std::path::PathBuf;

/// A file that a result is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportFile {
    format: FileFormat,
    path: PathBuf,
}

/// The form of such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// SARIF 2.1.0.
    Sarif,
    /// JUnit XML.
    Junit,
    /// What `--format json` prints.
    Json,
    /// What `--format markdown` prints.
    Markdown,
    /// Comma-separated values.
    Csv,
}

impl FileFormat {
    fn name(self) -> &'static str {
        match self {
            FileFormat::Sarif => "sarif",
            FileFormat::Junit => "junit",
            FileFormat::Json => "json",
            FileFormat::Markdown => "markdown",
            FileFormat::Csv => "csv",
        }
    }
}

impl ReportFile {
    /// Returns what reads `FORMAT=FILE`, where the format is one of these.
    pub(super) fn one_of(formats: &'static [FileFormat]) -> impl Fn(&str) -> Result<ReportFile, String> + Clone {
        move |text| {
            let (name, path) = text.split_once('=').ok_or("write it like `sarif=check.sarif`")?;
            let found = formats.iter().find(|known| known.name() == name);
            let format = found.ok_or_else(|| format!("`{name}` is none of {}", listed(formats)))?;
            if path.is_empty() || path == "-" {
                return Err("it names no file".to_owned());
            }
            Ok(ReportFile {
                format: *format,
                path: PathBuf::from(path),
            })
        }
    }

    /// Writes the file; `text` makes its content.
    pub(super) fn write(&self, text: &dyn Fn(FileFormat) -> String) -> Result<(), CommandError> {
        store::replace(&self.path, text(self.format).as_bytes()).map_err(|error| {
            CommandError::failed(format!("`{}` cannot be written", self.path.display())).detail(error.to_string())
        })
    }
}

fn listed(formats: &[FileFormat]) -> String {
    let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
