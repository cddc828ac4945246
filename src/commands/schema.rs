//! `aksgate schema`

use super::context::Context;
use super::error::{CommandError, Exit};
use crate::config::schema;

/// A kind of file that there is a JSON Schema for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FileKind {
    /// aksgate.yaml
    Estate,
    /// environments/*.yaml
    Environment,
    /// initiatives/*.yaml
    Initiative,
    /// initiatives/*/*.yaml
    Rule,
    /// What `plan --out` writes
    Plan,
    /// What `sandbox serve --faults` reads
    Faults,
}

/// Print the JSON Schema of a kind of file, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate schema environment > environment.schema.json")]
pub(super) struct Args {
    /// The kind of file
    #[arg(value_enum)]
    kind: FileKind,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let text = match args.kind {
        FileKind::Estate => format!("{:#}", schema::estate()),
        FileKind::Environment => format!("{:#}", schema::environment()),
        FileKind::Initiative => format!("{:#}", schema::initiative()),
        FileKind::Rule => format!("{:#}", schema::rule()),
        FileKind::Plan => include_str!("../../schema/plan.schema.json").to_owned(),
        FileKind::Faults => include_str!("../../schema/sandbox-faults.schema.json").to_owned(),
    };
    context.printer.data(&text);
    Ok(Exit::Done)
}
