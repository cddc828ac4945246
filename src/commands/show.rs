//! `aksgate show`

use super::context::Context;
use super::error::{CommandError, Exit};
use super::plan::{print, read};
use std::path::PathBuf;

/// Show a plan file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate show prod.plan.json
  aksgate show prod.plan.json --format markdown")]
pub(super) struct Args {
    /// A file that `plan --out` wrote
    plan: PathBuf,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    print(context, &read(&args.plan)?, "show", Exit::Done);
    Ok(Exit::Done)
}
