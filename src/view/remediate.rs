//! Remediation tasks: what would be started, how they go on, and what came of them.

use super::page::{Layout, Page};
use super::text::{Paint, code, markdown, plain};
use crate::remediation::{Failure, Progress, Settings, State, Task};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The remediation of an environment.
#[derive(Clone, Debug)]
pub struct Remediation {
    /// The environment.
    pub environment: String,
    /// Its scope.
    pub scope: String,
    /// The ARM endpoint.
    pub endpoint: String,
    /// How tasks are run.
    pub settings: Settings,
    /// The tasks.
    pub rows: Vec<Row>,
    /// Gates whose tasks cannot be started, each with why.
    pub held: Vec<(String, String)>,
}

/// One task.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub task: Task,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub status: Status,
    /// What failed.
    pub failures: Vec<Failure>,
}

/// What became of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It would be started.
    Planned,
    /// It runs already, or was started and is followed.
    Known(Progress),
    /// It could not be started, followed or cancelled.
    Error(String),
}

impl Status {
    fn name(&self) -> &'static str {
        match self {
            Status::Planned => "to-start",
            Status::Known(progress) => progress.state.name(),
            Status::Error(_) => "error",
        }
    }

    fn words(&self) -> String {
        self.name().replace('-', " ")
    }
}

fn counts(progress: &Progress) -> String {
    let open = progress
        .total
        .saturating_sub(progress.succeeded)
        .saturating_sub(progress.failed);
    let mut text = format!("{} of {} deployed", progress.succeeded, progress.total);
    if progress.failed > 0 {
        let _ = write!(text, ", {} failed", progress.failed);
    }
    if open > 0 && progress.state != State::Running {
        let _ = write!(text, ", {open} not begun");
    }
    text
}

/// Returns the line of a task while it is followed.
pub fn line(row: &Row, paint: Paint) -> String {
    let head = format!("{} {}", plain(&row.task.gate), plain(&row.task.member));
    match &row.status {
        Status::Planned => head,
        Status::Known(progress) => {
            let text = format!("{head}: {}, {}", plain(&progress.word), counts(progress));
            match progress.state {
                State::Running => text,
                State::Succeeded => paint.good(&text),
                State::Canceled => paint.notice(&text),
                State::Failed => paint.bad(&text),
            }
        }
        Status::Error(why) => paint.bad(&format!("{head}: {}", plain(why))),
    }
}

fn settings(settings: &Settings) -> String {
    let mut parts = vec![match settings.re_evaluate {
        true => "what is non-compliant when Azure has looked again".to_owned(),
        false => "what Azure knows as non-compliant".to_owned(),
    }];
    let number = |value: Option<u32>, default: u32| value.unwrap_or(default);
    parts.push(format!("at most {} resources", number(settings.resource_count, 500)));
    parts.push(format!("{} at a time", number(settings.parallel_deployments, 10)));
    parts.push(match settings.failure_threshold {
        Some(percent) => format!("no more begun once over {percent} % have failed"),
        None => "whatever fails, the rest is begun".to_owned(),
    });
    if !settings.locations.is_empty() {
        parts.push(format!("in {} only", settings.locations.join(", ")));
    }
    parts.join("; ")
}

fn closing(remediation: &Remediation) -> String {
    let count = |choose: &dyn Fn(&Status) -> bool| remediation.rows.iter().filter(|row| choose(&row.status)).count();
    let of = |state: State| count(&|status| matches!(status, Status::Known(progress) if progress.state == state));
    if remediation.rows.is_empty() {
        return "There is no task to start.".to_owned();
    }
    let words: Vec<String> = [
        (count(&|status| *status == Status::Planned), "to start"),
        (of(State::Running), "running"),
        (of(State::Succeeded), "succeeded"),
        (of(State::Canceled), "canceled"),
        (of(State::Failed), "failed"),
        (count(&|status| matches!(status, Status::Error(_))), "not known"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, words)| format!("{number} {words}"))
    .collect();
    let tasks = if remediation.rows.len() == 1 { "task" } else { "tasks" };
    format!("{} {tasks}: {}.", remediation.rows.len(), words.join(", "))
}

/// Returns it for a terminal.
pub fn human(remediation: &Remediation, layout: Layout) -> String {
    let mut page = Page::new(layout);
    let paint = layout.paint;
    page.heading(&format!("Remediation of {}", remediation.environment));
    page.put(2, 4, &format!("scope {}", remediation.scope));
    page.put(2, 4, &format!("at {}", remediation.endpoint));
    page.put(2, 4, &settings(&remediation.settings));
    for row in &remediation.rows {
        page.out.push('\n');
        let head = format!("{} {}: {}", row.task.gate, row.task.member, row.status.words());
        page.painted(2, 4, &head, &|line| match &row.status {
            Status::Planned => paint.bold(line),
            Status::Known(progress) if progress.state == State::Succeeded => paint.good(line),
            Status::Known(progress) if progress.state == State::Failed => paint.bad(line),
            Status::Known(_) => paint.notice(line),
            Status::Error(_) => paint.bad(line),
        });
        page.put(4, 6, &format!("task {} at {}", row.name, row.task.assignment.scope()));
        match &row.status {
            Status::Planned => {}
            Status::Known(progress) => page.put(4, 6, &counts(progress)),
            Status::Error(why) => page.painted(4, 6, why, &|line| paint.bad(line)),
        }
        for failure in &row.failures {
            page.painted(4, 6, &failed(failure), &|line| paint.bad(line));
        }
    }
    if !remediation.held.is_empty() {
        page.out.push('\n');
        page.heading("Held");
        for (gate, why) in &remediation.held {
            page.put(2, 4, &format!("{gate}: {why}"));
        }
    }
    page.out.push('\n');
    page.painted(0, 2, &closing(remediation), &|line| paint.bold(line));
    page.out
}

fn failed(failure: &Failure) -> String {
    let code = if failure.code.is_empty() {
        "no code"
    } else {
        failure.code.as_str()
    };
    format!("{}: {code}: {}", failure.resource, failure.message)
}

/// Returns it for a pull request or a job summary.
pub fn to_markdown(remediation: &Remediation) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "## Remediation of {}\n\n**{}**\n\nSettings: {}.",
        markdown(&remediation.environment),
        markdown(&closing(remediation)),
        markdown(&settings(&remediation.settings))
    );
    if !remediation.rows.is_empty() {
        let _ = writeln!(
            out,
            "\n| gate | member | state | deployed | task |\n|---|---|---|---|---|"
        );
    }
    for row in &remediation.rows {
        let detail = match &row.status {
            Status::Planned => String::new(),
            Status::Known(progress) => counts(progress),
            Status::Error(why) => why.clone(),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            markdown(&row.task.gate),
            markdown(&row.task.member),
            row.status.words(),
            markdown(&detail),
            code(&row.name)
        );
    }
    for failure in remediation.rows.iter().flat_map(|row| &row.failures) {
        let _ = writeln!(out, "\n- {}", markdown(&failed(failure)));
    }
    for (gate, why) in &remediation.held {
        let _ = writeln!(out, "\n- {} is held: {}", markdown(gate), markdown(why));
    }
    let _ = writeln!(
        out,
        "\nScope {}, at {}.",
        code(&remediation.scope),
        code(&remediation.endpoint)
    );
    out
}

/// Returns it as a JSON document.
pub fn to_json(remediation: &Remediation, outcome: &str, exit_code: u8) -> Value {
    let rows: Vec<Value> = remediation
        .rows
        .iter()
        .map(|row| {
            let (progress, error) = match &row.status {
                Status::Planned => (None, None),
                Status::Known(progress) => (
                    Some(json!({"word": progress.word, "total": progress.total, "succeeded": progress.succeeded, "failed": progress.failed})),
                    None,
                ),
                Status::Error(why) => (None, Some(why)),
            };
            let failures: Vec<Value> = row
                .failures
                .iter()
                .map(|failure| json!({"resource": failure.resource, "code": failure.code, "message": failure.message}))
                .collect();
            json!({
                "gate": row.task.gate,
                "member": row.task.member,
                "definition": row.task.definition,
                "assignment": row.task.assignment.as_str(),
                "id": row.task.id(&row.name),
                "state": row.status.name(),
                "progress": progress,
                "error": error,
                "failures": failures,
            })
        })
        .collect();
    let held: Vec<Value> = remediation
        .held
        .iter()
        .map(|(gate, why)| json!({"gate": gate, "why": why}))
        .collect();
    json!({
        "formatVersion": 1,
        "command": "remediate",
        "outcome": outcome,
        "exitCode": exit_code,
        "environment": remediation.environment,
        "scope": remediation.scope,
        "endpoint": remediation.endpoint,
        "tasks": rows,
        "held": held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ResourceId;
    use crate::view::text::columns;

    fn remediation(text: &str) -> Remediation {
        let task = Task {
            gate: "fleet".to_owned(),
            member: text.to_owned(),
            definition: "d".to_owned(),
            assignment: ResourceId::parse("/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a")
                .unwrap(),
        };
        let row = |status: Status| Row {
            name: task.next(&[]).0,
            task: task.clone(),
            status,
            failures: vec![Failure {
                resource: text.to_owned(),
                code: String::new(),
                message: text.to_owned(),
            }],
        };
        let progress = |state| Progress {
            state,
            word: text.to_owned(),
            total: 5,
            succeeded: 2,
            failed: 1,
        };
        Remediation {
            environment: "dev".to_owned(),
            scope: "subscriptions/s".to_owned(),
            endpoint: "https://arm".to_owned(),
            settings: Settings {
                failure_threshold: Some(10),
                ..Settings::default()
            },
            rows: vec![
                row(Status::Planned),
                row(Status::Known(progress(State::Running))),
                row(Status::Known(progress(State::Failed))),
                row(Status::Error(text.to_owned())),
            ],
            held: vec![("other".to_owned(), text.to_owned())],
        }
    }

    #[test]
    fn text_from_azure_moves_nothing_and_narrow_terminals_are_kept_to() {
        let hostile = remediation("a\u{1b}[2J|<b> ##[x] and more words that are wrapped");
        for width in [40, 80] {
            let layout = Layout {
                paint: Paint { colour: false },
                width,
            };
            let text = human(&hostile, layout);
            assert!(text.lines().all(|line| columns(line) <= width), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
        }
        let page = to_markdown(&hostile);
        assert!(!page.contains('\u{1b}') && !page.contains("<b>"), "{page}");
        for row in &hostile.rows {
            assert!(!line(row, Paint { colour: false }).contains('\u{1b}'));
        }
    }

    #[test]
    fn what_was_not_begun_is_counted() {
        let layout = Layout {
            paint: Paint { colour: false },
            width: 0,
        };
        let text = human(&remediation("x"), layout);
        for line in [
            "  what Azure knows as non-compliant; at most 500 resources; 10 at a time; no more begun once over 10 % have failed",
            "  fleet x: to start",
            "    2 of 5 deployed, 1 failed",
            "    2 of 5 deployed, 1 failed, 2 not begun",
            "    x: no code: x",
            "4 tasks: 1 to start, 1 running, 1 failed, 1 not known.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
