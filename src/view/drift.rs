//! What is not as the estate wants it, as text for a terminal, as Markdown, as JSON and as SARIF.

use super::page::{Layout, Page};
use super::sarif::{self, Found, Level, Rule};
use super::text::{code, counted, markdown, value};
use crate::drift::{Cause, Drift, Field, What, Writer};
use crate::kinds::Direction;
use crate::model::Timestamp;
use crate::plan::Finding;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// An environment, and what was read of it.
pub type Environment = super::environment::Environment<Comparison>;

/// A comparison of an environment with what is live.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What was asked.
    pub endpoint: String,
    /// When, by its clock.
    pub time: Timestamp,
    /// How many objects are as they should be.
    pub same: usize,
    /// What differs.
    pub drift: Vec<Drift>,
    /// What others assign of the gates' content.
    pub overlaps: Vec<Finding>,
}

impl Comparison {
    /// Returns how many differences are drift.
    pub fn count(&self) -> usize {
        self.drift.iter().filter(|drift| drift.counts()).count()
    }
}

/// Returns what a difference is of, such as `policy assignment pod-secur-00-…`.
pub(super) fn title(drift: &Drift) -> String {
    match drift.kind {
        Some(kind) => format!("{} {}", kind.label(), drift.name),
        None => drift.name.clone(),
    }
}

/// Returns which way a difference goes.
pub(super) fn direction(drift: &Drift) -> &'static str {
    match (drift.what, drift.direction) {
        (What::NotCompared, _) => "not known",
        (_, Direction::Weakens) => "WEAKER than it should be",
        (_, Direction::Tightens) => "stricter than it should be",
        (_, Direction::Neutral) => "neither weaker nor stricter",
    }
}

/// Returns who may have made a difference.
pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::ByHand => "changed in Azure since the last apply",
        Cause::NotApplied => "changed in the estate, and not applied yet",
        Cause::Unknown => "changed in Azure, or in the estate since the last apply",
    }
}

/// Returns who wrote an object last.
pub(super) fn writer(writer: &Writer) -> String {
    match writer.at {
        Some(at) => format!("last written by {} on {at}", writer.by),
        None => format!("last written by {}", writer.by),
    }
}

fn field(field: &Field) -> String {
    let text = |found: &Option<Value>| found.as_ref().map_or("absent".to_owned(), value);
    format!(
        "{}: is {}, should be {}",
        field.path,
        text(&field.found),
        text(&field.wanted)
    )
}

/// Returns the last line of an environment: what came of it.
pub(super) fn closing(read: &Comparison) -> String {
    let (drift, same) = (read.count(), counted(read.same, "object"));
    let weaker = read
        .drift
        .iter()
        .filter(|drift| drift.counts() && drift.direction == Direction::Weakens);
    let waiting = read.drift.len() - drift;
    let waiting = match waiting {
        0 => String::new(),
        count => format!("; {} of the estate not applied yet", counted(count, "change")),
    };
    match (drift, weaker.count()) {
        (0, _) => format!("No drift: {same} as they should be{waiting}."),
        (drift, 0) => format!(
            "Drift: {}; {same} as they should be{waiting}.",
            counted(drift, "difference")
        ),
        (drift, weaker) => format!(
            "Drift: {}, {weaker} WEAKER; {same} as they should be{waiting}.",
            counted(drift, "difference")
        ),
    }
}

/// Returns the environments for a terminal.
pub fn human(environments: &[Environment], layout: Layout) -> String {
    let mut page = Page::new(layout);
    for environment in environments {
        let heading = format!("Drift of {}", environment.name);
        let read = page.environment(&heading, &environment.scope, &environment.read, |read| {
            (&read.endpoint, read.time)
        });
        let Some(read) = read else { continue };
        let (drift, waiting): (Vec<&Drift>, Vec<&Drift>) = read.drift.iter().partition(|drift| drift.counts());
        for drift in drift {
            page.out.push('\n');
            one(&mut page, drift);
        }
        if !waiting.is_empty() {
            page.out.push('\n');
            page.heading("Not applied yet: no drift");
            for drift in waiting {
                let line = format!("{}: {}", title(drift), drift.what.name());
                page.put(2, 4, &line);
                for remark in &drift.remarks {
                    page.put(4, 6, remark);
                }
            }
        }
        if !read.overlaps.is_empty() {
            page.out.push('\n');
            page.heading("Made by others, and left alone");
            for finding in &read.overlaps {
                page.put(2, 4, &format!("{}: {}", finding.subject, finding.sentence));
            }
        }
        page.out.push('\n');
        page.painted(0, 2, &closing(read), &|line| match read.count() {
            0 => layout.paint.bold(line),
            _ => layout.paint.bad(line),
        });
    }
    page.out
}

fn one(page: &mut Page, drift: &Drift) {
    let paint = page.layout.paint;
    let line = format!("{}: {}, {}", title(drift), drift.what.name(), direction(drift));
    page.painted(2, 4, &line, &|line| match drift.direction {
        Direction::Weakens => paint.bad(line),
        _ => paint.notice(line),
    });
    if let Some(gate) = &drift.gate {
        page.put(4, 6, &format!("gate {gate}"));
    }
    page.put(4, 6, cause(drift.cause));
    if let Some(found) = &drift.writer {
        page.put(4, 6, &writer(found));
    }
    for found in &drift.fields {
        page.put(6, 8, &field(found));
    }
    for remark in &drift.remarks {
        page.put(4, 6, remark);
    }
}

/// Returns the environments for a pull request or a job summary.
pub fn to_markdown(environments: &[Environment]) -> String {
    let mut out = String::new();
    for environment in environments {
        let _ = writeln!(out, "## Drift of {}\n", markdown(&environment.name));
        let read = match &environment.read {
            Err(why) => {
                let _ = writeln!(out, "**Not read**: {}\n", markdown(why));
                continue;
            }
            Ok(read) => read,
        };
        let _ = writeln!(out, "**{}**\n", markdown(&closing(read)));
        if !read.drift.is_empty() {
            let _ = writeln!(
                out,
                "| object | gate | what | direction | cause | by whom | fields |\n|---|---|---|---|---|---|---|"
            );
        }
        for drift in &read.drift {
            let fields = drift.fields.iter().map(|found| markdown(&field(found)));
            let remarks = drift.remarks.iter().map(|remark| markdown(remark));
            let details: Vec<String> = fields.chain(remarks).collect();
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                markdown(&title(drift)),
                markdown(drift.gate.as_deref().unwrap_or("")),
                drift.what.name(),
                direction(drift),
                cause(drift.cause),
                markdown(&drift.writer.as_ref().map(writer).unwrap_or_default()),
                details.join("<br>")
            );
        }
        for (at, finding) in read.overlaps.iter().enumerate() {
            if at == 0 {
                let _ = writeln!(out, "\nMade by others, and left alone:\n");
            }
            let _ = writeln!(out, "- {}: {}", markdown(&finding.subject), markdown(&finding.sentence));
        }
        let _ = writeln!(
            out,
            "\nScope {}, at {}, {}.\n",
            code(&environment.scope),
            code(&read.endpoint),
            read.time
        );
    }
    out
}

/// Returns the environments as JSON, without what every answer of a command carries.
pub fn to_json(environments: &[Environment]) -> Value {
    let one = |environment: &Environment| {
        let read = environment.read.as_ref().ok();
        let overlaps = |read: &Comparison| -> Vec<Value> {
            let findings = read.overlaps.iter();
            findings
                .map(|finding| json!({"gate": finding.subject, "sentence": finding.sentence}))
                .collect()
        };
        json!({
            "environment": environment.name,
            "scope": environment.scope,
            "endpoint": read.map(|read| &read.endpoint),
            "time": read.map(|read| read.time.to_string()),
            "error": environment.read.as_ref().err(),
            "drift": read.map(Comparison::count),
            "same": read.map(|read| read.same),
            "differences": read.map(|read| read.drift.iter().map(difference).collect::<Vec<_>>()),
            "overlaps": read.map(overlaps),
        })
    };
    Value::Array(environments.iter().map(one).collect())
}

/// Returns a difference for a program.
pub(super) fn difference(drift: &Drift) -> Value {
    let fields = drift.fields.iter().map(
        |field| json!({"path": field.path, "wanted": field.wanted, "found": field.found, "cause": field.cause.name()}),
    );
    json!({
        "what": drift.what.name(),
        "isDrift": drift.counts(),
        "kind": drift.kind.map(|kind| kind.name()),
        "object": drift.object.as_ref().map(|object| object.as_str()),
        "name": drift.name,
        "gate": drift.gate,
        "cause": drift.cause.name(),
        "direction": drift.direction.name(),
        "writtenBy": drift.writer.as_ref().map(|writer| &writer.by),
        "writtenAt": drift.writer.as_ref().and_then(|writer| writer.at).map(|at| at.to_string()),
        "fields": fields.collect::<Vec<_>>(),
        "remarks": drift.remarks,
    })
}

/// Returns the environments as a SARIF log; what is not applied yet is no result.
pub fn to_sarif(environments: &[Environment]) -> Value {
    let rules = [
        What::Changed,
        What::Missing,
        What::Added,
        What::Unwanted,
        What::NotCompared,
    ]
    .map(|what| Rule {
        id: id(what),
        title: match what {
            What::Changed => "An object is other than the estate wants it",
            What::Missing => "An object is not there",
            What::Added => "Somebody made an object that bears on a gate",
            What::Unwanted => "An object of ours is there that the estate does not ask for",
            What::NotCompared => "An object could not be compared",
        }
        .to_owned(),
    });
    let looked = environments.iter().map(|environment| {
        let read = environment.read.as_ref().map_err(String::as_str);
        let found = read.map(|read| read.drift.iter().filter(|drift| drift.counts()).map(result).collect());
        (environment.name.as_str(), found)
    });
    sarif::log("drift", &rules, &looked.collect::<Vec<_>>())
}

fn result(drift: &Drift) -> Found {
    let details = drift.fields.iter().map(field).chain(drift.remarks.iter().cloned());
    let details: Vec<String> = details.chain(drift.writer.iter().map(writer)).collect();
    let paths: Vec<&str> = drift.fields.iter().map(|field| field.path.as_str()).collect();
    Found {
        rule: id(drift.what),
        level: match drift.direction {
            Direction::Weakens => Level::Error,
            Direction::Tightens | Direction::Neutral => Level::Warning,
        },
        message: format!(
            "{}: {}, {}: {}",
            title(drift),
            drift.what.name(),
            direction(drift),
            details.join("; ")
        ),
        object: match &drift.object {
            Some(object) => object.as_str().to_owned(),
            None => drift.name.clone(),
        },
        same: paths.join(","),
    }
}

fn id(what: What) -> String {
    format!("drift/{}", what.name().replace(' ', "-"))
}
