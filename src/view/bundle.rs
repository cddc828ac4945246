//! What became of the constraint templates of a bundle, as text for a terminal, as Markdown, and as JSON.

use super::text::{Paint, code, markdown, plain};
use crate::lock::LockedTemplate;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A template that gates need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its address.
    pub url: String,
    /// Who needs it: `environment/gate/member`.
    pub by: Vec<String>,
    /// What became of it.
    pub state: State,
}

/// What became of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The copy is the locked one.
    Kept,
    /// The copy was put back; it is the locked one.
    Restored,
    /// The copy is new, and locked now.
    Added(LockedTemplate),
    /// The copy is another one than was locked, and locked now.
    Updated(LockedTemplate),
    /// What was found is not what is locked, and was not taken.
    Refused(String),
    /// There is none.
    Missing(String),
}

impl State {
    /// Returns the word for it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Kept => "kept",
            State::Restored => "restored",
            State::Added(_) => "added",
            State::Updated(_) => "updated",
            State::Refused(_) => "refused",
            State::Missing(_) => "missing",
        }
    }

    fn why(&self) -> &str {
        match self {
            State::Refused(why) | State::Missing(why) => why,
            _ => "",
        }
    }
}

const ALL: [&str; 6] = ["kept", "restored", "added", "updated", "refused", "missing"];

/// Returns the counts in one sentence.
fn closing(rows: &[Row]) -> String {
    let count = |name: &str| rows.iter().filter(|row| row.state.name() == name).count();
    let counts: Vec<String> = ALL
        .into_iter()
        .filter(|name| count(name) > 0)
        .map(|name| format!("{} {name}", count(name)))
        .collect();
    match counts.is_empty() {
        true => "no published template is needed".to_owned(),
        false => counts.join(", "),
    }
}

/// Returns the part of an address that tells templates apart.
fn short(url: &str) -> String {
    let parts: Vec<&str> = url.trim_end_matches("/template.yaml").rsplit('/').take(2).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// Returns a bundle for a terminal.
pub fn human(rows: &[Row], paint: Paint) -> String {
    let mut out = String::new();
    for row in rows {
        let name = row.state.name();
        let padded = format!("{name:<8}");
        let word = match row.state {
            State::Kept | State::Restored => paint.faint(&padded),
            State::Added(_) | State::Updated(_) => paint.good(&padded),
            State::Refused(_) | State::Missing(_) => paint.bad(&padded),
        };
        let _ = writeln!(
            out,
            "{word}  {}  {}",
            plain(&short(&row.url)),
            paint.faint(&plain(&row.by.join(", ")))
        );
        if !row.state.why().is_empty() {
            let _ = writeln!(
                out,
                "          {}\n          {}",
                plain(row.state.why()),
                plain(&row.url)
            );
        }
    }
    let gap = if rows.is_empty() { "" } else { "\n" };
    let _ = write!(out, "{gap}{}", paint.bold(&format!("Bundle: {}.", closing(rows))));
    out
}

/// Returns a bundle as Markdown.
pub fn to_markdown(rows: &[Row]) -> String {
    let mut out = format!("## Bundle\n\n**{}.**\n", markdown(&closing(rows)));
    if !rows.is_empty() {
        out.push_str("\n| | template | used by | |\n|---|---|---|---|\n");
    }
    for row in rows {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            row.state.name(),
            code(&short(&row.url)),
            markdown(&row.by.join(", ")),
            markdown(row.state.why())
        );
    }
    out
}

/// Returns a bundle as a JSON document.
pub fn to_json(rows: &[Row], outcome: &str, exit_code: u8) -> Value {
    let templates: Vec<Value> = rows
        .iter()
        .map(|row| {
            let locked = match &row.state {
                State::Added(locked) | State::Updated(locked) => Some(locked),
                _ => None,
            };
            json!({"url": row.url, "usedBy": row.by, "state": row.state.name(), "reason": row.state.why(),
                "kind": locked.map(|locked| &locked.kind), "sha256": locked.map(|locked| &locked.sha256)})
        })
        .collect();
    json!({"formatVersion": 1, "command": "bundle", "outcome": outcome, "exitCode": exit_code, "templates": templates})
}
