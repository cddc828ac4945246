//! What became of a plan, as text for a terminal, as Markdown, and as JSON.

use super::plan::to_json as plan_json;
use super::text::{Paint, code, markdown, plain};
use crate::apply::{Failure, Outcome, Report};
use crate::arm::CallCounts;
use crate::kinds::Kind;
use crate::plan::{Plan, Step};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const OUTCOMES: [&str; 8] = [
    "done",
    "already-done",
    "stale",
    "held",
    "refused",
    "failed",
    "skipped",
    "not-tried",
];

/// What earlier runs of the plan say of its steps, by their ids.
pub type Earlier = BTreeMap<String, String>;

/// Returns what there is to say of a step: of one that was done already, by whom and when, where a journal says that.
pub fn message(step: &Step, outcome: &Outcome, earlier: &Earlier) -> String {
    match outcome {
        Outcome::AlreadyDone => earlier.get(&step.id).cloned().unwrap_or_default(),
        outcome => outcome.message(),
    }
}

/// Returns what is being done to an object, for a progress bar.
pub fn doing(step: &Step) -> String {
    let name = match step.kind {
        Kind::KubernetesExtension => step.object.value_of("connectedClusters"),
        Kind::DeploymentSafeguards => step.object.value_of("managedClusters"),
        _ => None,
    };
    let name = name.unwrap_or_else(|| step.object.name());
    format!("{} {} {}", step.action, step.kind.label(), plain(name))
}

/// Returns a line about an object whose step has ended, with what a person should do if it failed.
pub fn line(step: &Step, outcome: &Outcome, earlier: &Earlier, paint: Paint) -> String {
    let word = match outcome {
        Outcome::Done | Outcome::AlreadyDone => paint.good(outcome.name()),
        Outcome::Held(_) | Outcome::Refused(_) | Outcome::Skipped(_) | Outcome::NotTried => {
            paint.notice(outcome.name())
        }
        Outcome::Stale(_) | Outcome::Failed(_) => paint.bad(outcome.name()),
    };
    let mut text = format!(
        "{word}  {} {} {}",
        step.action,
        step.kind.label(),
        plain(step.object.as_str())
    );
    let message = message(step, outcome, earlier);
    if !message.is_empty() {
        let _ = write!(text, "\n      {}", plain(&message));
    }
    if let Some(action) = action(outcome) {
        let _ = write!(text, "\n      hint: {}", plain(&action));
    }
    text
}

fn action(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed(Failure::Arm(error)) => error.action(),
        Outcome::Failed(Failure::Overtaken(_)) => {
            Some("wait until the other run has ended, then plan again and look at what it did".to_owned())
        }
        Outcome::Stale(_) => Some("plan again and look at what changed".to_owned()),
        Outcome::Refused(_) => Some("plan again: it says what holds the step, and when that ends".to_owned()),
        _ => None,
    }
}

/// Returns the counts of a report in one sentence.
fn closing(report: &Report) -> String {
    let counts: Vec<String> = OUTCOMES
        .into_iter()
        .map(|name| (report.count(name), name))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    let counts = if counts.is_empty() {
        "nothing to do".to_owned()
    } else {
        counts.join(", ")
    };
    let interrupted = if report.interrupted {
        "Interrupted: "
    } else {
        "Applied: "
    };
    format!("{interrupted}{counts}")
}

fn cost(report: &Report, calls: CallCounts) -> String {
    format!(
        "{:.1} s, {} reads, {} Resource Graph queries, {} writes, {} polls, {} repeated",
        report.elapsed.as_secs_f64(),
        calls.reads,
        calls.graph_queries,
        calls.writes,
        calls.polls,
        calls.retries
    )
}

/// Returns the last lines of an apply.
pub fn human(report: &Report, calls: CallCounts, paint: Paint) -> String {
    format!(
        "{}.\n{}",
        paint.bold(&closing(report)),
        paint.faint(&cost(report, calls))
    )
}

/// Returns an apply for a job summary.
pub fn to_markdown(plan: &Plan, (report, earlier): (&Report, &Earlier), calls: CallCounts) -> String {
    let mut out = format!(
        "## Apply of plan {} to {}\n\n",
        code(&plan.header.plan_id),
        markdown(&plan.header.environment)
    );
    let _ = writeln!(out, "**{}.** {}\n", markdown(&closing(report)), cost(report, calls));
    if !report.outcomes.is_empty() {
        let _ = writeln!(out, "| outcome | action | object | |\n|---|---|---|---|");
    }
    for (step, outcome) in steps(plan, report) {
        let object = format!("{} {}", step.kind.label(), code(step.object.as_str()));
        let _ = writeln!(
            out,
            "| {} | {} | {object} | {} |",
            outcome.name(),
            step.action,
            markdown(&message(step, outcome, earlier))
        );
    }
    out
}

/// Returns an apply as a JSON document.
pub fn to_json(
    plan: &Plan,
    (report, earlier): (&Report, &Earlier),
    calls: CallCounts,
    (outcome, exit_code): (&str, u8),
) -> Value {
    let results: Vec<Value> = steps(plan, report)
        .map(|(step, outcome)| {
            let (code, request_id) = match outcome {
                Outcome::Failed(Failure::Arm(error)) => (error.code(), error.request_id()),
                _ => (None, None),
            };
            json!({
                "step": step.id,
                "kind": step.kind.name(),
                "object": step.object.as_str(),
                "action": step.action.name(),
                "outcome": outcome.name(),
                "message": message(step, outcome, earlier),
                "hint": action(outcome),
                "code": code,
                "requestId": request_id,
            })
        })
        .collect();
    let counts: serde_json::Map<String, Value> = OUTCOMES
        .into_iter()
        .map(|name| (name.to_owned(), Value::from(report.count(name))))
        .collect();
    let mut document = json!({
        "formatVersion": 1,
        "command": "apply",
        "outcome": outcome,
        "exitCode": exit_code,
        "interrupted": report.interrupted,
        "results": results,
        "counts": counts,
        "seconds": report.elapsed.as_secs_f64(),
        "calls": {"reads": calls.reads, "graphQueries": calls.graph_queries, "writes": calls.writes, "polls": calls.polls,
                  "repeated": calls.retries},
    });
    if let (Some(document), Value::Object(shown)) = (document.as_object_mut(), plan_json(plan)) {
        document.extend(shown);
    }
    document
}

fn steps<'a>(plan: &'a Plan, report: &'a Report) -> impl Iterator<Item = (&'a Step, &'a Outcome)> {
    report.outcomes.iter().filter_map(|(id, outcome)| {
        plan.steps
            .iter()
            .find(|step| step.id == *id)
            .map(|step| (step, outcome))
    })
}
