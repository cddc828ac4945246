//! A plan as text for a terminal, as Markdown, and as JSON.

mod change;
mod forecast;
mod human;
mod json;
mod markdown;

pub use human::{Layout, human};
pub use json::to_json;
pub use markdown::to_markdown;

use super::text::plain;
use crate::kinds::Plane;
use crate::model::ResourceId;
use crate::plan::{Action, Held, Plan, Reason, Step};

/// Returns the last line of a plan: what it would do, in one sentence.
pub fn closing(plan: &Plan) -> String {
    let only = match plan.header.gates.as_slice() {
        [] => String::new(),
        gates => format!(" Of gate {} only.", plain(&gates.join(", "))),
    };
    let count = |action: Action| plan.steps.iter().filter(|step| step.action == action).count();
    let unchanged = count(Action::NoOp);
    let held = match plan.held.len() {
        0 => String::new(),
        n => format!(", {n} held"),
    };
    if plan.pending().next().is_none() {
        return format!("Nothing to do: {unchanged} unchanged{held}.{only}");
    }
    let counts: Vec<String> = [
        (Action::Create, "to create"),
        (Action::Update, "to update"),
        (Action::Replace, "to replace"),
        (Action::Delete, "to delete"),
    ]
    .into_iter()
    .map(|(action, words)| format!("{} {words}", count(action)))
    .collect();
    let weakens = match plan.weakenings().count() {
        0 => String::new(),
        1 => " 1 step WEAKENS.".to_owned(),
        n => format!(" {n} steps WEAKEN."),
    };
    format!(
        "Plan: {}; {unchanged} unchanged{held}.{weakens}{only}",
        counts.join(", ")
    )
}

/// Returns what a plan weakens, in one sentence; none if nothing.
pub fn weakenings(plan: &Plan) -> Option<String> {
    let mut subjects: Vec<String> = plan
        .weakenings()
        .map(|step| step.gate.clone().unwrap_or_else(|| object_name(step)))
        .collect();
    subjects.sort();
    subjects.dedup();
    let all = plain(&subjects.join(", "));
    (!subjects.is_empty()).then(|| format!("what it weakens: {all}; each has to be allowed by name"))
}

/// What stands above the steps that weaken.
const WEAKENINGS: &str = "Weakens: what was held back is let through, or is no longer seen";

/// The title of a step that weakens.
fn weakening(step: &Step) -> String {
    let gate = step
        .gate
        .as_ref()
        .map(|gate| format!(" of gate {gate}"))
        .unwrap_or_default();
    format!("{} {} {}{gate}", step.action, step.kind.label(), object_name(step))
}

fn held_in(plan: &Plan, plane: Plane) -> usize {
    plan.held.iter().filter(|held| held.plane == plane).count()
}

/// The name that a person knows the object by: a cluster's or a subscription's own, else the resource's.
fn object_name(step: &Step) -> String {
    let id = &step.object;
    match id
        .value_of("managedClusters")
        .or_else(|| id.value_of("connectedClusters"))
    {
        Some(cluster) => cluster.to_owned(),
        None => step.object.name().to_owned(),
    }
}

/// The scope that an object stands at, or the resource group of a cluster.
fn place(object: &ResourceId) -> String {
    let scope = object.scope();
    let scope = scope.strip_prefix("/providers/Microsoft.Management/").unwrap_or(scope);
    scope.trim_start_matches('/').to_owned()
}

fn held_title(held: &Held) -> String {
    format!("{}: {}", plain(&held.subject), plain(&held.what))
}

fn reason_text(reason: &Reason) -> String {
    match reason.opens {
        Some(opens) => format!("{} (until {opens})", plain(&reason.sentence)),
        None => plain(&reason.sentence),
    }
}
