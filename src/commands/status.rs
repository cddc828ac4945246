//! `aksgate status`

use super::context::{Context, LoadedEstate};
use super::error::{CommandError, Exit};
use super::gather::{Gathered, gather};
use crate::config::{Environment, Initiative, InitiativeKind};
use crate::desired::Controls;
use crate::kinds::Plane;
use crate::model::Stage;
use crate::plan::Reason;
use crate::rollout::Position;
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
    let gathered = gather(context, loaded, environment, &connection, (&[], Controls::shown())).await?;
    let gates = environment.gates.values();
    Ok(Gates {
        endpoint: connection.endpoint.clone(),
        time: gathered.now,
        gates: gates.map(|gate| gate_of(loaded, &gathered, gate)).collect(),
        remarks: gathered
            .plan
            .findings
            .iter()
            .filter(|finding| finding.subject == environment.name)
            .map(|finding| finding.sentence.clone())
            .collect(),
    })
}

fn gate_of(loaded: &LoadedEstate, gathered: &Gathered, gate: &crate::config::Gate) -> Gate {
    let is_defender = matches!(
        loaded.estate.initiatives.get(&gate.initiative),
        Some(Initiative::Defender { .. })
    );
    let way = gathered.rollouts.iter().find(|way| way.gate == gate.name);
    let stands = way.and_then(|way| way.stands).unwrap_or(Position::Off);
    let named = |position: Position| {
        let name = way.and_then(|way| way.way.iter().find(|(known, _)| *known == position));
        name.map_or_else(|| gate.kind.stage_name(stage_of(position)), |(_, name)| name.clone())
    };
    // A change of content comes before any step.
    let held = gathered.plan.held.iter();
    let held = held.filter(|held| held.plane == Plane::Policy && held.subject == gate.name);
    let of_content = held
        .filter(|held| held.what == "change of content")
        .flat_map(|held| held.reasons.clone());
    let mut reasons: Vec<Reason> = of_content.collect();
    let next = match way {
        _ if is_defender => None,
        Some(way) if way.goes != stands => Some((way.goes, named(way.goes))),
        Some(way) => way.held.as_ref().map(|(name, holds)| {
            reasons.extend(holds.iter().map(|hold| Reason {
                guard: hold.guard.to_string(),
                sentence: hold.sentence.clone(),
                opens: hold.opens,
            }));
            let position = way.way.iter().find(|(_, known)| known == name);
            (position.map_or(Position::Deny, |(position, _)| *position), name.clone())
        }),
        None if gate.target == Stage::Off && stands != Position::Off => Some((Position::Off, named(Position::Off))),
        None => None,
    };
    let findings = gathered
        .plan
        .findings
        .iter()
        .filter(|finding| finding.subject == gate.name);
    let remarks: Vec<String> = findings.map(|finding| finding.sentence.clone()).collect();
    Gate {
        name: gate.name.clone(),
        initiative: gate.initiative.clone(),
        deploys: gate.kind == InitiativeKind::Enablement,
        stage: (!is_defender).then_some(stage_of(stands)),
        position: named(stands),
        target: gate.target,
        since: way.and_then(|way| way.since),
        next: next.map(|(position, name)| Next {
            stage: stage_of(position),
            position: name,
            held: reasons,
        }),
        remarks,
    }
}

/// Returns the stage of the ring that is closed furthest: what is refused anywhere is refused.
fn stage_of(position: Position) -> Stage {
    match position {
        Position::Off => Stage::Off,
        Position::Audit => Stage::Audit,
        Position::Rings(_) | Position::Deny => Stage::Deny,
    }
}
