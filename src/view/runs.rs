//! Journals of runs, as text for a terminal, as Markdown, and as JSON.

use super::text::{Paint, code, markdown, plain};
use crate::journal::{Run, Write};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// A run by its name, or why its journal cannot be read.
pub type Found = (String, Result<Run, String>);

/// How a run ended, in a few words.
fn ended(run: &Run) -> String {
    match (&run.end, run.in_doubt()) {
        (Some(end), _) => end.outcome.clone(),
        (None, 0) => "cut off".to_owned(),
        (None, 1) => "cut off, 1 write in doubt".to_owned(),
        (None, doubt) => format!("cut off, {doubt} writes in doubt"),
    }
}

/// How many steps had which outcome, such as `3 done, 1 failed`.
fn counts(run: &Run) -> String {
    let mut names: Vec<&str> = Vec::new();
    for settled in run.writes.iter().filter_map(|write| write.outcome.as_ref()) {
        if !names.contains(&settled.outcome.as_str()) {
            names.push(&settled.outcome);
        }
    }
    let parts: Vec<String> = names
        .into_iter()
        .map(|name| format!("{} {name}", run.count(name)))
        .collect();
    if parts.is_empty() {
        return "nothing".to_owned();
    }
    parts.join(", ")
}

fn outcome(write: &Write) -> &str {
    write
        .outcome
        .as_ref()
        .map_or("in-doubt", |settled| settled.outcome.as_str())
}

fn message(write: &Write) -> &str {
    match &write.outcome {
        Some(settled) => &settled.message,
        None => "the run was cut off before the answer was noted; the next apply settles it by reading",
    }
}

/// Returns what a write was about: its action, kind and object.
fn what(write: &Write) -> (String, String, String) {
    match (&write.intent, &write.outcome) {
        (Some(intent), _) => (intent.action.clone(), intent.kind.clone(), intent.object.clone()),
        (None, Some(settled)) => (String::new(), settled.kind.clone(), settled.object.clone()),
        (None, None) => Default::default(),
    }
}

/// Returns the runs of a folder, oldest first, for a terminal.
pub fn list(runs: &[Found], folder: &Path, paint: Paint) -> String {
    if runs.is_empty() {
        return format!("No runs in {}.", plain(&folder.display().to_string()));
    }
    let mut out = String::new();
    for (name, run) in runs {
        let _ = match run {
            Ok(run) => {
                let start = &run.start;
                writeln!(
                    out,
                    "{}  {}  {}: {}; {}",
                    paint.bold(&plain(name)),
                    start.time,
                    plain(&start.environment),
                    plain(&counts(run)),
                    plain(&ended(run))
                )
            }
            Err(why) => writeln!(out, "{}  {}", paint.bold(&plain(name)), paint.bad(&plain(why))),
        };
    }
    out.trim_end().to_owned()
}

/// Returns the runs of a folder as Markdown.
pub fn list_markdown(runs: &[Found]) -> String {
    let mut out = "| run | began | environment | steps | ended |\n|---|---|---|---|---|\n".to_owned();
    for (name, run) in runs {
        let _ = match run {
            Ok(run) => writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                code(name),
                run.start.time,
                markdown(&run.start.environment),
                markdown(&counts(run)),
                markdown(&ended(run))
            ),
            Err(why) => writeln!(out, "| {} | | | | {} |", code(name), markdown(why)),
        };
    }
    out
}

/// Returns the runs of a folder as a JSON document.
pub fn list_json(runs: &[Found]) -> Value {
    let runs: Vec<Value> = runs
        .iter()
        .map(|(name, run)| match run {
            Ok(run) => json!({
                "run": name, "time": run.start.time.to_string(), "environment": run.start.environment,
                "endpoint": run.start.endpoint, "planId": run.start.plan_id, "steps": run.start.steps,
                "outcome": run.end.as_ref().map(|end| &end.outcome), "exitCode": run.end.as_ref().map(|end| end.exit_code),
                "inDoubt": run.in_doubt(), "error": null,
            }),
            Err(why) => json!({"run": name, "error": why}),
        })
        .collect();
    json!({"formatVersion": 1, "command": "runs", "outcome": "done", "runs": runs})
}

/// Returns one run for a terminal; `verbose` shows what stood there before and what was sent.
pub fn show(run: &Run, verbose: bool, paint: Paint) -> String {
    let start = &run.start;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} applied plan {} to {}\n  at {}, by {}\n  began {}, {} steps to write",
        paint.bold(&plain(&start.run)),
        plain(&start.plan_id),
        plain(&start.environment),
        plain(&start.endpoint),
        plain(&start.tool),
        start.time,
        start.steps
    );
    if !start.allowed_weakenings.is_empty() {
        let _ = writeln!(
            out,
            "  allowed to weaken: {}",
            plain(&start.allowed_weakenings.join(", "))
        );
    }
    if let Some(reason) = &start.reason {
        let _ = writeln!(out, "  because {}", plain(reason));
    }
    if !start.limits.is_empty() {
        let _ = writeln!(out, "  limits of the run: {}", plain(&start.limits.join(" ")));
    }
    out.push('\n');
    for write in &run.writes {
        let (action, kind, object) = what(write);
        let word = match outcome(write) {
            word @ ("done" | "already-done") => paint.good(word),
            word @ ("stale" | "failed" | "in-doubt") => paint.bad(word),
            word => paint.notice(word),
        };
        let line = [action, kind, object].map(|part| plain(&part)).join(" ");
        let _ = writeln!(out, "{word}  {}", line.trim());
        if !message(write).is_empty() {
            let _ = writeln!(out, "      {}", plain(message(write)));
        }
        if let Some(intent) = write.intent.as_ref().filter(|_| verbose) {
            for (name, document) in [("before", &intent.before), ("after", &intent.after)] {
                let document = document.as_ref().map_or("nothing".to_owned(), Value::to_string);
                let _ = writeln!(out, "      {name}: {}", plain(&document));
            }
        }
    }
    let cut = if run.cut { " Its last line was cut off." } else { "" };
    let _ = write!(out, "\nRun: {}; {}.{cut}", plain(&counts(run)), plain(&ended(run)));
    out
}

/// Returns one run as Markdown.
pub fn show_markdown(run: &Run) -> String {
    let start = &run.start;
    let mut out = format!(
        "## {}\n\nPlan {} to {}, began {}. **{}; {}.**\n\n| outcome | action | object | |\n|---|---|---|---|\n",
        code(&start.run),
        code(&start.plan_id),
        markdown(&start.environment),
        start.time,
        markdown(&counts(run)),
        markdown(&ended(run))
    );
    for write in &run.writes {
        let (action, kind, object) = what(write);
        let _ = writeln!(
            out,
            "| {} | {} | {} {} | {} |",
            markdown(outcome(write)),
            markdown(&action),
            markdown(&kind),
            code(&object),
            markdown(message(write))
        );
    }
    out
}

/// Returns one run as a JSON document.
pub fn show_json(run: &Run) -> Value {
    let writes: Vec<Value> = run
        .writes
        .iter()
        .map(|write| {
            let (action, kind, object) = what(write);
            json!({
                "step": write.step, "action": action, "kind": kind, "object": object,
                "outcome": outcome(write), "message": message(write),
                "before": write.intent.as_ref().and_then(|intent| intent.before.as_ref()),
                "after": write.intent.as_ref().and_then(|intent| intent.after.as_ref()),
                "code": write.outcome.as_ref().and_then(|settled| settled.code.as_ref()),
                "requestId": write.outcome.as_ref().and_then(|settled| settled.request_id.as_ref()),
            })
        })
        .collect();
    json!({
        "formatVersion": 1, "command": "runs show", "outcome": "done",
        "run": run.start, "end": run.end, "cut": run.cut, "writes": writes,
    })
}
