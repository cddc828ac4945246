//! `aksgate completions`

use super::context::Context;
use super::error::{CommandError, Exit};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate completions bash > /etc/bash_completion.d/aksgate
  aksgate completions zsh > ~/.zfunc/_aksgate")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "aksgate", &mut script);
    context.printer.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
