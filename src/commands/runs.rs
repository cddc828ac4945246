//! `aksgate runs`

use super::context::Context;
use super::error::{CommandError, Exit};
use super::recording;
use crate::journal;
use crate::view::printer::Format;
use crate::view::runs as view;
use crate::view::text::json;
use clap::Subcommand;
use std::path::{Path, PathBuf};

/// Show what was applied from here: the journals of runs
///
/// Each apply that writes leaves a journal: what it meant to write, what stood there before, and what became of it. Nothing
/// depends on these files; what is there is read from Azure each time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate runs
  aksgate runs show run-20270104-080000-0d3ac5aa5d1e
  aksgate runs --journal artifacts/runs --format json")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where the journals lie [default: .aksgate/runs of the estate]
    #[arg(long, global = true, value_name = "DIR")]
    journal: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show one run: each write with what became of it
    #[command(after_help = "Examples:
  aksgate runs show run-20270104-080000-0d3ac5aa5d1e
  aksgate runs show run-20270104-080000-0d3ac5aa5d1e --verbose")]
    Show {
        /// The run
        id: String,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let folder = match &args.journal {
        Some(folder) => folder.clone(),
        None => recording::folder(&context.estate_dir()?, None),
    };
    match &args.command {
        None => list(context, &folder),
        Some(Command::Show { id }) => show(context, &folder, id),
    }
}

fn list(context: &Context, folder: &Path) -> Result<Exit, CommandError> {
    let names = journal::runs(folder).map_err(|error| unreadable(folder, &error))?;
    let runs: Vec<(String, Result<journal::Run, String>)> = names
        .into_iter()
        .filter_map(|name| {
            let run = journal::read(folder, &name)
                .map_err(|error| error.to_string())
                .transpose()?;
            Some((name, run))
        })
        .collect();
    let printer = &context.printer;
    printer.data(&match printer.format {
        Format::Human => view::list(&runs, folder, printer.out),
        Format::Markdown => view::list_markdown(&runs),
        Format::Json => json(&view::list_json(&runs)),
    });
    Ok(Exit::Done)
}

fn show(context: &Context, folder: &Path, id: &str) -> Result<Exit, CommandError> {
    let run = recording::read(folder, id)?;
    let printer = &context.printer;
    let verbose = printer.verbosity == crate::view::printer::Verbosity::Verbose;
    printer.data(&match printer.format {
        Format::Human => view::show(&run, verbose, printer.out),
        Format::Markdown => view::show_markdown(&run),
        Format::Json => json(&view::show_json(&run)),
    });
    Ok(Exit::Done)
}

fn unreadable(folder: &Path, error: &dyn std::error::Error) -> CommandError {
    CommandError::failed(format!("`{}` cannot be read", folder.display())).caused_by(error)
}
