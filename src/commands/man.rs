//! `aksgate man`

use super::context::Context;
use super::error::{CommandError, Exit};
use crate::store;
use std::path::PathBuf;

/// Write a man page for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate man ~/.local/share/man/man1
  aksgate man man1")]
pub(super) struct Args {
    /// The folder; made if it is not there, and pages in it are replaced
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let mut pages = Vec::new();
    let mut command = super::command();
    command.build();
    pages_of(&command, &mut pages);
    let failed = |path: &str, error: std::io::Error| {
        CommandError::failed(format!("`{path}` cannot be written")).detail(error.to_string())
    };
    let folder = args.folder.display().to_string();
    store::create_shared_directory(&args.folder).map_err(|error| failed(&folder, error))?;
    for (name, command) in &pages {
        let path = args.folder.join(format!("{name}.1"));
        let shown = path.display().to_string();
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone())
            .render(&mut page)
            .map_err(|error| failed(&shown, error))?;
        store::replace_shared(&path, &page).map_err(|error| failed(&shown, error))?;
    }
    context.printer.data(&format!("{} pages are in {folder}.", pages.len()));
    Ok(Exit::Done)
}

/// The commands with the names of their pages: `aksgate-rollout-undo` for `aksgate rollout undo`.
fn pages_of(command: &clap::Command, pages: &mut Vec<(String, clap::Command)>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push((name.to_owned(), command.clone()));
    for below in command.get_subcommands() {
        pages_of(below, pages);
    }
}
