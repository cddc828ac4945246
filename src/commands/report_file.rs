//! A result in each form that it has: printed, in a job's summary, and in the files of `--report FORMAT=FILE`.

use super::context::Context;
use super::error::CommandError;
use crate::store;
use crate::view::page::Layout;
use crate::view::printer::Format;
use crate::view::text::json;
use serde_json::Value;
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

/// A result, and how each form of it is made.
pub(super) struct Forms<'a> {
    /// For a terminal.
    pub human: &'a dyn Fn(Layout) -> String,
    /// As Markdown.
    pub markdown: &'a dyn Fn() -> String,
    /// As the document that JSON prints.
    pub document: &'a dyn Fn() -> Value,
    /// As SARIF.
    pub sarif: &'a dyn Fn() -> Value,
    /// In the other forms that its files may have; none if they have no other.
    pub other: Option<&'a dyn Fn(FileFormat) -> String>,
}

impl Forms<'_> {
    /// Prints the form that was asked for, adds to the summary of a pipeline's job, and writes the files.
    pub(super) fn tell(&self, context: &Context, files: &[ReportFile]) -> Result<(), CommandError> {
        let printer = &context.printer;
        printer.data(&match printer.format {
            Format::Human => (self.human)(printer.layout()),
            Format::Markdown => (self.markdown)(),
            Format::Json => json(&(self.document)()),
        });
        context.summarize(self.markdown);
        let text = |format| match (format, self.other) {
            (FileFormat::Sarif, _) => json(&(self.sarif)()),
            (FileFormat::Markdown, _) => (self.markdown)(),
            (FileFormat::Junit | FileFormat::Csv, Some(other)) => other(format),
            (FileFormat::Json | FileFormat::Junit | FileFormat::Csv, _) => json(&(self.document)()),
        };
        files.iter().try_for_each(|file| file.write(&text))
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
