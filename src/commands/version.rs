//! `aksgate version`

use super::context::Context;
use super::error::{CommandError, Exit};
use crate::catalog::Catalog;
use crate::plan::file::FORMAT_VERSION;
use crate::view::printer::Format;
use serde_json::json;

/// Print the version, and those of the formats and facts inside
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate version
  aksgate version --format json")]
pub(super) struct Args {}

pub(super) fn run(context: &Context, _args: &Args) -> Result<Exit, CommandError> {
    let version = env!("CARGO_PKG_VERSION");
    let source = Catalog::embedded().source();
    let printer = &context.printer;
    match printer.format {
        Format::Json => {
            let document = json!({
                "formatVersion": 1,
                "command": "version",
                "outcome": Exit::Done.outcome(),
                "version": version,
                "planFormatVersion": FORMAT_VERSION,
                "catalogue": {"release": source.release, "commit": source.commit, "date": source.date},
            });
            printer.data(&format!("{document:#}"));
        }
        Format::Human | Format::Markdown => printer.data(&format!(
            "aksgate {version}\nplan format {FORMAT_VERSION}\nbuilt-in policies of release {} ({})",
            source.release, source.date
        )),
    }
    Ok(Exit::Done)
}
