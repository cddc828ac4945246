//! `aksgate status`

use super::context::{Connection, Context, LoadedEstate, tell_calls};
use super::error::{CommandError, Exit};
use super::evidence;
use super::gather::{Gathered, gather};
use crate::config::{Environment, InitiativeKind};
use crate::desired::{Controls, relaxations};
use crate::evidence::{GateEvidence, Heard, freshness};
use crate::kinds::Plane;
use crate::model::{ResourceId, Stage};
use crate::plan::Reason;
use crate::rollout::{Count, Position};
use crate::view::page::Layout;
use crate::view::printer::Format;
use crate::view::status::{self as view, Gate, Gates, Next, Reports, Taker};
use serde_json::json;
use std::collections::BTreeMap;

/// Show where the gates of environments stand, and what holds their next step
///
/// Reads what is live and says of each gate its stage, its target, since when, what its clusters report and how old that is, what
/// comes next and what holds it, and the pauses, relaxations and overridden guards in force; of several environments in one table
/// first. Nothing is written; the role Reader is enough. The JSON form is what `check --positions` reads.
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
    let mut environments = Vec::new();
    let mut failed = false;
    for environment in loaded.named(&args.envs)? {
        let read = read(context, &loaded, environment).await;
        failed |= read.is_err();
        environments.push(view::Environment::of(
            environment,
            read.map_err(CommandError::into_line),
        ));
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
    let heard = heard(loaded, environment, &connection, &gathered).await?;
    tell_calls(context, &connection);
    Ok(told((loaded, environment), &connection.endpoint, &gathered, &heard))
}

/// Returns where the gates of an environment stand by what was gathered and heard.
pub(super) fn told(
    (loaded, environment): (&LoadedEstate, &Environment),
    endpoint: &str,
    gathered: &Gathered,
    heard: &BTreeMap<ResourceId, GateEvidence>,
) -> Gates {
    let of = |gate: &crate::config::Gate| gate_of((loaded, environment), gathered, heard, gate);
    Gates {
        endpoint: endpoint.to_owned(),
        time: gathered.now,
        gates: environment.gates.values().map(of).collect(),
        remarks: gathered
            .plan
            .findings
            .iter()
            .filter(|finding| finding.subject == environment.name)
            .map(|finding| finding.sentence.clone())
            .collect(),
    }
}

/// Reads what the clusters report of every gate that judges what is let in, by assignment; what the plan was made on is read already.
async fn heard(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    gathered: &Gathered,
) -> Result<BTreeMap<ResourceId, GateEvidence>, CommandError> {
    let mut heard = gathered.controls.evidence.clone();
    let mut missing = evidence::standing(&loaded.estate.owner, environment, &gathered.observed, &[]);
    missing.retain(|of| of.judges() && !heard.contains_key(&of.assignment.id));
    let known = (&gathered.observed, gathered.now);
    let found = evidence::read(loaded, environment, connection, known, &missing).await?;
    heard.extend(found.gates);
    Ok(heard)
}

fn gate_of(
    (loaded, environment): (&LoadedEstate, &Environment),
    gathered: &Gathered,
    heard: &BTreeMap<ResourceId, GateEvidence>,
    gate: &crate::config::Gate,
) -> Gate {
    let is_defender = loaded.is_defender(gate);
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
        None => None,
    };
    // Where nothing is decided because its content cannot be changed, that is what comes next.
    let next = next.or_else(|| (!reasons.is_empty()).then(|| (stands, "change of content".to_owned())));
    let taker = match way {
        Some(way) if way.by_approval => Taker::SavedPlan,
        Some(way) if way.goes < stands => Taker::AllowedWeakening,
        _ => Taker::Apply,
    };
    let findings = gathered
        .plan
        .findings
        .iter()
        .filter(|finding| finding.subject == gate.name);
    let remarks: Vec<String> = findings.map(|finding| finding.sentence.clone()).collect();
    let owner = &loaded.estate.owner;
    let standing = evidence::standing(owner, environment, &gathered.observed, std::slice::from_ref(&gate.name));
    let of_newest = standing.first().and_then(|of| heard.get(&of.assignment.id));
    let whose = (owner.as_str(), environment.name.as_str(), gate);
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
            taker,
        }),
        reports: of_newest.map(|heard| reports(environment, gathered, heard)),
        paused: way.and_then(|way| way.paused.clone()),
        overrides: way.map(|way| way.overrides.clone()).unwrap_or_default(),
        relaxed: relaxations(&gathered.observed, whose, gathered.now),
        remarks,
    }
}

/// Sums up what the clusters report of a gate.
fn reports(environment: &Environment, gathered: &Gathered, heard: &GateEvidence) -> Reports {
    let asked = || heard.clusters.iter().filter(|cluster| cluster.coverage.counts());
    let settle = environment.rollout.settle;
    let fresh = freshness(heard, None, settle, gathered.now).into_iter();
    let members = asked().flat_map(|cluster| cluster.members.values());
    // Of a cluster whose members are not known nothing is.
    let unknown = asked().any(|cluster| cluster.members.is_empty());
    Reports {
        clusters: asked().count(),
        fresh: fresh.filter(|of| matches!(of.heard, Heard::Reported(_))).count(),
        oldest: members.filter_map(|member| member.reported).min(),
        violations: heard
            .violations()
            .plus(if unknown { Count::at_least(0) } else { Count::default() }),
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
