//! Where a judgement goes: standard output, files, annotations.

use crate::admission::report::Report;
use crate::commands::context::Context;
use crate::commands::error::{CommandError, Exit};
use crate::config::SourceFile;
use crate::store;
use crate::view::check as view;
use crate::view::page::Layout;
use crate::view::printer::{Format, Verbosity};
use crate::view::service::Service;
use crate::view::text::json;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A file that is written beside what is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportFile {
    format: FileFormat,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileFormat {
    Sarif,
    Junit,
    Json,
    Markdown,
}

const FORMATS: [(&str, FileFormat); 4] = [
    ("sarif", FileFormat::Sarif),
    ("junit", FileFormat::Junit),
    ("json", FileFormat::Json),
    ("markdown", FileFormat::Markdown),
];

impl ReportFile {
    /// Reads `FORMAT=FILE`.
    pub(super) fn parse(text: &str) -> Result<ReportFile, String> {
        let (name, path) = text.split_once('=').ok_or("write it like `sarif=check.sarif`")?;
        let found = FORMATS.iter().find(|(known, _)| *known == name);
        let (_, format) = found.ok_or_else(|| format!("`{name}` is none of sarif, junit, json and markdown"))?;
        if path.is_empty() || path == "-" {
            return Err("it names no file".to_owned());
        }
        Ok(ReportFile {
            format: *format,
            path: PathBuf::from(path),
        })
    }
}

/// Whose annotations are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum AnnotationsFor {
    /// GitHub Actions.
    Github,
    /// Azure Pipelines.
    AzureDevops,
    /// Those of the service that runs this, if it is one of them.
    Auto,
}

/// Prints the judgement in the form that was asked for; what could not be read is shown on standard error with its lines.
pub(super) fn print(context: &Context, report: &Report, broken: &[SourceFile], exit: Exit) {
    let printer = &context.printer;
    if printer.format != Format::Json && !report.unread.is_empty() {
        printer.error(&context.diagnostics(&report.unread, broken));
    }
    match printer.format {
        Format::Human => {
            let layout = Layout {
                paint: printer.out,
                width: printer.width,
            };
            printer.data(&view::human(report, layout, printer.verbosity == Verbosity::Verbose));
        }
        Format::Markdown => printer.data(&view::to_markdown(report)),
        Format::Json => printer.data(&json(&document(report, exit))),
    }
}

fn document(report: &Report, exit: Exit) -> Value {
    let mut document = json!({
        "formatVersion": 1,
        "command": "check",
        "outcome": report.conclusion().name(),
        "exitCode": exit.code(),
    });
    if let (Some(document), Value::Object(shown)) = (document.as_object_mut(), view::to_json(report)) {
        document.extend(shown);
    }
    document
}

/// Shows annotations, where a service is there to show them.
pub(super) fn annotate(context: &Context, report: &Report, wanted: Option<AnnotationsFor>) {
    let service = match wanted {
        None => None,
        Some(AnnotationsFor::Github) => Some(Service::GitHub),
        Some(AnnotationsFor::AzureDevops) => Some(Service::AzureDevOps),
        Some(AnnotationsFor::Auto) => context.printer.service,
    };
    let text = service
        .map(|service| view::annotations(report, service))
        .unwrap_or_default();
    if !text.is_empty() {
        context.printer.error(&text);
    }
}

/// Writes the files that were asked for.
pub(super) fn write(report: &Report, files: &[ReportFile], exit: Exit) -> Result<(), CommandError> {
    for file in files {
        let text = match file.format {
            FileFormat::Sarif => json(&view::to_sarif(report)),
            FileFormat::Junit => view::to_junit(report),
            FileFormat::Json => json(&document(report, exit)),
            FileFormat::Markdown => view::to_markdown(report),
        };
        store::replace(&file.path, text.as_bytes()).map_err(|error| {
            CommandError::failed(format!("`{}` cannot be written", file.path.display())).detail(error.to_string())
        })?;
    }
    Ok(())
}
