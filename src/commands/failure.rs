//! How a command that failed says so.

use super::error::CommandError;
use crate::view::diagnostics;
use crate::view::printer::{Format, Printer};
use crate::view::service::{Annotation, Level};
use crate::view::text::plain;
use serde_json::json;

/// Prints an error: on standard error for a person; as JSON on standard output where JSON was asked for.
pub(super) fn print(printer: &Printer, command: &str, error: &CommandError) {
    if printer.format == Format::Json {
        let document = json!({
            "formatVersion": 1,
            "command": command,
            "outcome": error.exit.outcome(),
            "exitCode": error.exit.code(),
            "error": {
                "summary": error.summary,
                "detail": error.detail,
                "hints": error.hints,
                "diagnostics": diagnostics::to_json(&error.diagnostics),
            },
        });
        printer.data(&crate::view::text::json(&document));
        return;
    }
    let mut text = format!("{} {}\n", printer.err.bad("error:"), plain(&error.summary));
    for line in &error.detail {
        for line in line.lines() {
            text.push_str(&format!("  {}\n", plain(line)));
        }
    }
    for hint in &error.hints {
        text.push_str(&format!("{} {}\n", printer.err.bold("hint:"), plain(hint)));
    }
    printer.error(&text);
    let message: Vec<&str> = std::iter::once(error.summary.as_str())
        .chain(error.detail.iter().map(String::as_str))
        .collect();
    printer.annotate(&Annotation {
        level: Level::Error,
        file: "",
        place: None,
        title: &format!("aksgate {command}"),
        message: &message.join("; "),
    });
}
