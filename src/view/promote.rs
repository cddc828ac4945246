//! A promotion as text for a terminal, as Markdown, and as JSON.

use super::page::{self, Layout};
use super::text::{code, markdown, plain};
use crate::model::{Period, Timestamp};
use crate::promotion::{Difference, Heard, Promotion, Proof, Verdict};
use crate::yaml::{self, Node};
use serde_json::{Value, json};
use similar::TextDiff;
use std::fmt::Write as _;
use std::path::Path;

/// Something that can be shown in each form.
pub trait Page {
    /// Returns the text for a terminal.
    fn human(&self, layout: Layout) -> String;
    /// Returns the text for a pull request or a job summary.
    fn to_markdown(&self) -> String;
    /// Returns the JSON document.
    fn to_json(&self, outcome: &str, exit_code: u8) -> Value;
}

/// A promotion from one environment to another.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The one.
    pub from: String,
    /// The other.
    pub to: String,
    /// What the first was read from, where that is a proof.
    pub proven: Option<String>,
    /// The file that changes.
    pub file: String,
    /// The gates.
    pub rows: Vec<Row>,
    /// The file as it was.
    pub before: String,
    /// The file as it would be, or is.
    pub after: String,
    /// What came of it.
    pub outcome: &'static str,
}

/// A gate on both sides.
#[derive(Clone, Debug)]
pub struct Row {
    /// What comes of it.
    pub promotion: Promotion,
    /// The stage that would be asked for, as it is called.
    pub stage: Option<String>,
    /// The one side.
    pub from: Side,
    /// The other.
    pub to: Side,
}

/// How a gate stands in one environment.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// The stage that the file asks for; none if it does not have the gate.
    pub target: Option<String>,
    /// How long it soaks there.
    pub soak: Option<Period>,
    /// Where it stands; none if it does not.
    pub position: Option<String>,
    /// The digest of the content that stands there.
    pub digest: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What was heard of its clusters.
    pub heard: Option<Heard>,
}

impl Side {
    fn text(&self) -> String {
        let Some(position) = &self.position else {
            return match &self.target {
                Some(target) => format!("not there yet, target {target}"),
                None => "not in the file".to_owned(),
            };
        };
        let since = self.since.map(|since| format!(" since {since}")).unwrap_or_default();
        let target = self.target.as_deref().unwrap_or("none");
        let soak = self.soak.map(|soak| format!(", soak {soak}")).unwrap_or_default();
        format!("at {position}{since}, target {target}{soak}")
    }

    fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "soak": self.soak.map(|soak| soak.to_string()),
            "position": self.position,
            "digest": self.digest,
            "since": self.since.map(|since| since.to_string()),
            "evidence": self.heard,
        })
    }
}

fn heard(heard: &Heard) -> String {
    format!(
        "{} of {} clusters reported, violations: {}",
        heard.reported, heard.clusters, heard.violations
    )
}

fn difference(difference: &Difference, from: &str, to: &str) -> String {
    let text = |node: &Option<Node>| node.as_ref().map_or("not stated".to_owned(), yaml::flow);
    let (one, two) = (text(&difference.from), text(&difference.to));
    format!("{}: {from} {one}; {to} {two}", difference.key)
}

/// Returns the lines of the unified diff of a file.
pub fn diff(file: &str, before: &str, after: &str) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let (old, new) = (format!("a/{file}"), format!("b/{file}"));
    let diff = TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(3).header(&old, &new).to_string();
    text.lines().map(|line| plain(line.trim_end_matches('\r'))).collect()
}

impl Shown {
    fn closing(&self) -> String {
        let count = |verdict| self.rows.iter().filter(|row| row.promotion.verdict == verdict).count();
        let counts = format!(
            "{} ready, {} not yet, {} refused, {} with nothing to do",
            count(Verdict::Ready),
            count(Verdict::NotYet),
            count(Verdict::Refused),
            count(Verdict::Nothing)
        );
        let what = match self.outcome {
            "written" => format!("{} was edited; review it, then plan {}", self.file, self.to),
            "proposed" => format!("nothing was written; --write makes the edit in {}", self.file),
            "nothing" => "there is nothing to promote".to_owned(),
            _ => "nothing was written".to_owned(),
        };
        format!("{counts}: {what}.")
    }

    /// The lines about a gate, below its name.
    fn about(&self, row: &Row) -> Vec<String> {
        let mut lines = vec![
            format!("{}: {}", self.from, row.from.text()),
            format!("{}: {}", self.to, row.to.text()),
        ];
        lines.extend(row.from.digest.as_ref().map(|digest| format!("content {digest}")));
        lines.extend(
            row.from
                .heard
                .as_ref()
                .map(|found| format!("{}: {}", self.from, heard(found))),
        );
        let differences = row.promotion.differences.iter();
        lines.extend(
            differences.map(|found| format!("differs by declaration: {}", difference(found, &self.from, &self.to))),
        );
        lines.extend(row.promotion.missing.iter().cloned());
        lines
    }

    fn title(row: &Row) -> String {
        let stage = row.stage.as_deref().filter(|_| row.promotion.verdict == Verdict::Ready);
        let stage = stage.map(|stage| format!(", target {stage}")).unwrap_or_default();
        format!("{}: {}{stage}", row.promotion.gate, row.promotion.verdict.name())
    }
}

impl Page for Shown {
    fn human(&self, layout: Layout) -> String {
        let mut page = page::Page::new(layout);
        let paint = layout.paint;
        page.heading(&format!("Promotion from {} to {}", self.from, self.to));
        if let Some(proven) = &self.proven {
            page.put(2, 4, &format!("{} by its proof: {proven}", self.from));
        }
        for row in &self.rows {
            page.out.push('\n');
            let painted = |line: &str| match row.promotion.verdict {
                Verdict::Ready => paint.good(line),
                Verdict::Refused => paint.bad(line),
                Verdict::NotYet => paint.notice(line),
                Verdict::Nothing => paint.faint(line),
            };
            page.painted(0, 2, &Shown::title(row), &painted);
            for line in self.about(row) {
                page.put(2, 4, &line);
            }
        }
        let lines = diff(&self.file, &self.before, &self.after);
        if !lines.is_empty() {
            page.out.push('\n');
        }
        for line in lines {
            let painted = match line.chars().next() {
                Some('+') => paint.good(&line),
                Some('-') => paint.bad(&line),
                _ => line.clone(),
            };
            let _ = writeln!(page.out, "{painted}");
        }
        page.out.push('\n');
        page.painted(0, 2, &self.closing(), &|line| paint.bold(line));
        page.out
    }

    fn to_markdown(&self) -> String {
        let mut out = String::new();
        let (from, to) = (markdown(&self.from), markdown(&self.to));
        let _ = writeln!(
            out,
            "## Promotion from {from} to {to}\n\n**{}**\n",
            markdown(&self.closing())
        );
        let _ = writeln!(out, "| gate | | {from} | {to} |\n|---|---|---|---|");
        for row in &self.rows {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                markdown(&row.promotion.gate),
                row.promotion.verdict.name(),
                markdown(&row.from.text()),
                markdown(&row.to.text())
            );
        }
        for row in &self.rows {
            for line in self.about(row).into_iter().skip(2) {
                let _ = writeln!(out, "\n- **{}**: {}", markdown(&row.promotion.gate), markdown(&line));
            }
        }
        let lines = diff(&self.file, &self.before, &self.after);
        if !lines.is_empty() {
            let longest = lines
                .iter()
                .flat_map(|line| line.split(|c| c != '`'))
                .map(str::len)
                .max();
            let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
            let _ = writeln!(out, "\n{fence}diff\n{}\n{fence}", lines.join("\n"));
        }
        if let Some(proven) = &self.proven {
            let _ = writeln!(out, "\n{from} by its proof: {}.", markdown(proven));
        }
        out
    }

    fn to_json(&self, outcome: &str, exit_code: u8) -> Value {
        let gates: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let differences = row.promotion.differences.iter().map(|found| {
                    let text = |node: &Option<Node>| node.as_ref().map(yaml::flow);
                    json!({"key": found.key, "from": text(&found.from), "to": text(&found.to)})
                });
                json!({
                    "gate": row.promotion.gate,
                    "verdict": row.promotion.verdict.name(),
                    "stage": row.stage,
                    "from": row.from.to_json(),
                    "to": row.to.to_json(),
                    "differences": differences.collect::<Vec<Value>>(),
                    "missing": row.promotion.missing,
                    "edits": row.promotion.edits.iter().map(yaml::described).collect::<Vec<String>>(),
                })
            })
            .collect();
        json!({
            "formatVersion": 1,
            "command": "promote",
            "outcome": outcome,
            "exitCode": exit_code,
            "from": self.from,
            "to": self.to,
            "proof": self.proven,
            "file": self.file,
            "gates": gates,
            "diff": diff(&self.file, &self.before, &self.after).join("\n"),
        })
    }
}

/// A proof that was written.
#[derive(Clone, Debug)]
pub struct Written {
    proof: Proof,
    path: String,
}

impl Written {
    /// Returns a proof and where it was written.
    pub fn of(proof: &Proof, path: &Path) -> Written {
        Written {
            proof: proof.clone(),
            path: path.display().to_string(),
        }
    }

    fn text(&self) -> String {
        let proof = &self.proof;
        let gates = proof.gates.len();
        format!(
            "The proof of {} with {gates} gates is in {}; it holds until {}.",
            proof.environment, self.path, proof.expires
        )
    }
}

impl Page for Written {
    fn human(&self, layout: Layout) -> String {
        let mut page = page::Page::new(layout);
        page.put(0, 2, &self.text());
        page.out
    }

    fn to_markdown(&self) -> String {
        let gates: Vec<String> = self.proof.gates.keys().map(|gate| code(gate)).collect();
        format!("{}\n\nGates: {}\n", markdown(&self.text()), gates.join(", "))
    }

    fn to_json(&self, outcome: &str, exit_code: u8) -> Value {
        json!({
            "formatVersion": 1,
            "command": "promote",
            "outcome": outcome,
            "exitCode": exit_code,
            "from": self.proof.environment,
            "file": self.path,
            "expires": self.proof.expires.to_string(),
            "gates": self.proof.gates.keys().collect::<Vec<_>>(),
        })
    }
}
