//! `aksgate plan`

use super::context::Context;
use super::error::{CommandError, Exit};
use super::gather::gather;
use super::past_guards::PastGuards;
use crate::desired::Controls;
use crate::plan::{Plan, file};
use crate::store;
use crate::view::plan as view;
use crate::view::printer::{Format, Verbosity};
use crate::view::service::{Annotation, Level};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Show what would change in an environment
///
/// Reads what is live, compares it with the estate, and shows every write that an apply would make, with its direction: what
/// tightens a gate and what weakens one. Nothing is written to Azure; the role Reader is enough.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate plan dev --sandbox
  aksgate plan prod --out prod.plan.json
  aksgate plan prod --format markdown > plan.md
  aksgate plan prod --detailed-exitcode")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Write the plan to this file, for `apply --plan` and `show`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 2 if changes are pending
    #[arg(long)]
    detailed_exitcode: bool,
    /// Look at this gate only; can be given more than once
    #[arg(long, value_name = "GATE")]
    gate: Vec<String>,
    #[command(flatten)]
    past: PastGuards,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    if let Some(path) = &args.out {
        replaceable(path)?;
    }
    let connection = context.connect(&loaded.dir, environment)?;
    let controls = Controls {
        overrides: args.past.alone()?,
        ..Controls::shown()
    };
    let gathered = gather(context, &loaded, environment, &connection, (&args.gate, controls)).await?;
    let plan = gathered.plan;
    if let Some(path) = &args.out {
        store::replace(path, file::to_text(&plan).as_bytes()).map_err(|error| {
            CommandError::failed(format!("the plan cannot be written to `{}`", path.display()))
                .detail(error.to_string())
        })?;
    }
    let pending = plan.pending().next().is_some();
    let exit = if pending && args.detailed_exitcode {
        Exit::Pending
    } else {
        Exit::Done
    };
    print(context, &plan, "plan", exit);
    context.summarize(|| view::to_markdown(&plan));
    if let Some(message) = view::weakenings(&plan) {
        context.printer.annotate(&Annotation {
            level: Level::Warning,
            file: "",
            place: None,
            title: &format!("the plan of {} weakens", plan.header.environment),
            message: &message,
        });
    }
    if let Some(path) = &args.out {
        context.printer.note(&format!("The plan is in {}.", path.display()));
    }
    let calls = connection.client.calls();
    context.printer.detail(&format!(
        "{} reads, {} Resource Graph queries",
        calls.reads, calls.graph_queries
    ));
    Ok(exit)
}

/// Refuses to write a plan over a file that is none.
fn replaceable(path: &Path) -> Result<(), CommandError> {
    if path == Path::new("-") {
        return Err(
            CommandError::usage("`--out -` names no file").hint("`--format json` prints the plan on standard output")
        );
    }
    let there = match store::read(path) {
        Ok(Some(there)) => there,
        Ok(None) => return Ok(()),
        Err(error) => {
            return Err(
                CommandError::failed(format!("`{}` cannot be written", path.display())).detail(error.to_string())
            );
        }
    };
    let is_plan = serde_json::from_slice::<Value>(&there).is_ok_and(|there| there.get("planId").is_some());
    match is_plan {
        true => Ok(()),
        false => Err(
            CommandError::failed(format!("`{}` is there and is no plan", path.display()))
                .detail("it was left as it is")
                .hint("name another file"),
        ),
    }
}

/// Prints a plan in the form that was asked for.
pub(super) fn print(context: &Context, plan: &Plan, command: &str, exit: Exit) {
    let printer = &context.printer;
    match printer.format {
        Format::Human => {
            let verbose = printer.verbosity == Verbosity::Verbose;
            printer.data(&view::human(
                plan,
                view::Layout {
                    paint: printer.out,
                    width: printer.width,
                    verbose,
                },
            ));
        }
        Format::Markdown => printer.data(&view::to_markdown(plan)),
        Format::Json => {
            let pending = plan.pending().next().is_some();
            let mut document = json!({
                "formatVersion": 1,
                "command": command,
                "outcome": if pending { Exit::Pending.outcome() } else { "no-changes" },
                "exitCode": exit.code(),
            });
            if let (Some(document), Value::Object(shown)) = (document.as_object_mut(), view::to_json(plan)) {
                document.extend(shown);
            }
            printer.data(&crate::view::text::json(&document));
        }
    }
}

/// Reads a plan file.
pub(super) fn read(path: &Path) -> Result<Plan, CommandError> {
    let refused = |why: String| {
        CommandError::failed(format!("`{}` cannot be used as a plan", path.display()))
            .detail(why)
            .hint("`aksgate plan ENV --out FILE` writes one")
    };
    let content = super::context::read_file(path)?;
    let text = String::from_utf8(content).map_err(|_| refused("the file is not UTF-8".to_owned()))?;
    file::from_text(&text).map_err(|error| refused(error.to_string()))
}
