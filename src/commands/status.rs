//! `aksgate status`

use super::context::{Context, LoadedEstate};
use super::error::{CommandError, Exit};
use super::gather::{Gathered, gather};
use crate::config::{Environment, Initiative, InitiativeKind};
use crate::desired::position;
use crate::kinds::Plane;
use crate::model::Stage;
use crate::view::page::Layout;
use crate::view::printer::Format;
use crate::view::status::{self as view, Gate, Gates, Next};
use serde_json::json;

/// Show where the gates of environments stand, and what holds their next step
///
/// Reads what is live and says of each gate its stage, its target, since when, and what the next apply would do or why it would
/// not. Nothing is written; the role Reader is enough. The JSON form is what `check --positions` reads.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate status --sandbox
  aksgate status prod
  aksgate status prod --format json > positions.json")]
pub(super) struct Args {
    /// The environments [default: all of the estate]
    #[arg(value_name = "ENV")]
    envs: Vec<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let named: Vec<&Environment> = match args.envs.is_empty() {
        true => loaded.estate.environments.values().collect(),
        false => args
            .envs
            .iter()
            .map(|name| loaded.environment(name))
            .collect::<Result<_, _>>()?,
    };
    let mut environments = Vec::new();
    let mut failed = false;
    for environment in named {
        let read = read(context, &loaded, environment).await;
        failed |= read.is_err();
        environments.push(view::Environment {
            name: environment.name.clone(),
            scope: environment.scope.to_string(),
            read: read.map_err(|error| {
                let parts = [vec![error.summary], error.detail, error.hints].concat();
                parts.join(": ")
            }),
        });
    }
    let exit = if failed { Exit::Failed } else { Exit::Done };
    let printer = &context.printer;
    match printer.format {
        Format::Human => printer.data(&view::human(
            &environments,
            Layout {
                paint: printer.out,
                width: printer.width,
            },
        )),
        Format::Markdown => printer.data(&view::to_markdown(&environments)),
        Format::Json => printer.data(&crate::view::text::json(&json!({
            "formatVersion": 1,
            "command": "status",
            "outcome": exit.outcome(),
            "exitCode": exit.code(),
            "environments": view::to_json(&environments),
        }))),
    }
    Ok(exit)
}

/// Reads where the gates of an environment stand.
pub(super) async fn read(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
) -> Result<Gates, CommandError> {
    let connection = context.connect(&loaded.dir, environment)?;
    let gathered = gather(context, loaded, environment, &connection, &[]).await?;
    let gates = environment.gates.values();
    Ok(Gates {
        endpoint: connection.endpoint.clone(),
        time: gathered.now,
        gates: gates
            .map(|gate| gate_of(loaded, environment, &gathered, gate))
            .collect(),
    })
}

fn gate_of(loaded: &LoadedEstate, environment: &Environment, gathered: &Gathered, gate: &crate::config::Gate) -> Gate {
    let is_defender = matches!(
        loaded.estate.initiatives.get(&gate.initiative),
        Some(Initiative::Defender { .. })
    );
    let standing = position(&loaded.estate, environment, &gathered.observed, gate);
    let stage = standing.as_ref().map_or(Stage::Off, |standing| standing.stage);
    let held: Vec<_> = gathered
        .plan
        .held
        .iter()
        .filter(|held| held.plane == Plane::Policy && held.subject == gate.name)
        .collect();
    // What is held is the step to a stage, or a change of content that would come before any step.
    let reasons = |stage: Stage| {
        let name = gate.kind.stage_name(stage);
        let of_step = held
            .iter()
            .filter(|held| held.what == name || held.what == "change of content");
        of_step.flat_map(|held| held.reasons.clone()).collect::<Vec<_>>()
    };
    let next = match stage {
        _ if is_defender => None,
        stage if stage == gate.target => None,
        _ if gate.target == Stage::Off => Some(Stage::Off),
        Stage::Off => Some(Stage::Audit),
        Stage::Audit if gate.target > Stage::Audit => Some(gate.target),
        _ => None,
    };
    let findings = gathered
        .plan
        .findings
        .iter()
        .filter(|finding| finding.subject == gate.name);
    let mut remarks: Vec<String> = findings.map(|finding| finding.sentence.clone()).collect();
    let by_hand = standing
        .as_ref()
        .and_then(|standing| standing.marked)
        .filter(|marked| *marked != stage);
    if let Some(marked) = by_hand
        && !remarks.iter().any(|remark| remark.contains("by hand"))
    {
        let marked = gate.kind.stage_name(marked);
        remarks.push(format!("its mark says {marked}: it was changed by hand"));
    }
    Gate {
        name: gate.name.clone(),
        initiative: gate.initiative.clone(),
        deploys: gate.kind == InitiativeKind::Enablement,
        stage: (!is_defender).then_some(stage),
        target: gate.target,
        since: standing.and_then(|standing| standing.since),
        next: next.map(|stage| Next {
            held: reasons(stage),
            stage,
        }),
        remarks,
    }
}
