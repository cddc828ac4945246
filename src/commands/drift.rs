//! `aksgate drift`

use super::context::{Context, LoadedEstate, tell_calls};
use super::error::{CommandError, Exit};
use super::gather::{Gathered, gather};
use super::report_file::{FileFormat, Forms, ReportFile};
use crate::config::Environment;
use crate::desired::Controls;
use crate::drift::{Inputs, find};
use crate::plan::Action;
use crate::view::drift::{self as view, Comparison};
use serde_json::{Value, json};

/// Show what in Azure is not as the estate wants it, and who may have changed it
///
/// Compares what is live with the estate, every gate at the position where it was put: a step that is due is no drift, nor is a change of
/// the estate that was never applied, which is listed apart. Looks at policy objects, the Defender plan with its extensions, add-on and
/// sensor of every cluster, and exemptions of others from the gates. Exits with 2 if there is drift. Nothing is written; the role Reader
/// is enough.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate drift --sandbox
  aksgate drift prod
  aksgate drift prod --format markdown --report sarif=drift.sarif > drift.md
  aksgate drift prod --gate pod-security")]
pub(super) struct Args {
    /// The environments [default: all of the estate]
    #[arg(value_name = "ENV")]
    envs: Vec<String>,
    /// Look at this gate only; can be given more than once
    #[arg(long, value_name = "GATE", requires = "envs")]
    gate: Vec<String>,
    /// Write the result to a file too; can be given more than once
    #[arg(long, value_name = "FORMAT=FILE", value_parser = ReportFile::one_of(&FORMATS))]
    report: Vec<ReportFile>,
}

/// The forms of files that it writes.
const FORMATS: [FileFormat; 3] = [FileFormat::Sarif, FileFormat::Json, FileFormat::Markdown];

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let mut environments = Vec::new();
    for environment in loaded.named(&args.envs)? {
        let read = compare(context, &loaded, environment, &args.gate).await;
        environments.push(view::Environment::of(
            environment,
            read.map_err(CommandError::into_line),
        ));
    }
    let failed = environments.iter().any(|environment| environment.read.is_err());
    let drift = environments
        .iter()
        .filter_map(|environment| environment.read.as_ref().ok());
    let drift = drift.map(Comparison::count).sum::<usize>() > 0;
    let (exit, outcome) = match (failed, drift) {
        (true, _) => (Exit::Failed, Exit::Failed.outcome()),
        (false, true) => (Exit::Pending, "drift"),
        (false, false) => (Exit::Done, "no-drift"),
    };
    let document = || -> Value {
        json!({
            "formatVersion": 1,
            "command": "drift",
            "outcome": outcome,
            "exitCode": exit.code(),
            "environments": view::to_json(&environments),
        })
    };
    let forms = Forms {
        human: &|layout| view::human(&environments, layout),
        markdown: &|| view::to_markdown(&environments),
        document: &document,
        sarif: &|| view::to_sarif(&environments),
        other: None,
    };
    forms.tell(context, &args.report)?;
    Ok(exit)
}

async fn compare(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    gates: &[String],
) -> Result<Comparison, CommandError> {
    let connection = context.connect(&loaded.dir, environment)?;
    let gathered = gather(context, loaded, environment, &connection, (gates, Controls::still())).await?;
    tell_calls(context, &connection);
    Ok(comparison(loaded, &connection.endpoint, gathered))
}

/// Compares what was gathered with every gate where it was put.
pub(super) fn comparison(loaded: &LoadedEstate, endpoint: &str, gathered: Gathered) -> Comparison {
    let drift = find(Inputs {
        owner: &loaded.estate.owner,
        plan: &gathered.plan,
        documents: &gathered.documents,
        meanings: &gathered.meanings,
        observed: &gathered.observed,
        required: &gathered.required,
    });
    let same = gathered.plan.steps.iter().filter(|step| step.action == Action::NoOp);
    Comparison {
        endpoint: endpoint.to_owned(),
        time: gathered.now,
        same: same.count(),
        drift,
        overlaps: gathered.overlaps,
    }
}
