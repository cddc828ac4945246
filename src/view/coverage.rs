//! Whether each gate is closed at each cluster, as text for a terminal, as Markdown, as JSON and as SARIF.

use super::page::{Layout, Page};
use super::sarif::{self, Found, Level, Rule};
use super::text::{code, counted, markdown};
use crate::coverage::{Cell, Engines, Reason, State};
use crate::model::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How many clusters Markdown names: a comment or a summary takes no more.
const MOST_IN_MARKDOWN: usize = 500;

/// An environment, and what was read of it.
pub type Environment = super::environment::Environment<Covered>;

/// The gates and clusters of an environment.
#[derive(Clone, Debug)]
pub struct Covered {
    /// What was asked.
    pub endpoint: String,
    /// When, by its clock.
    pub time: Timestamp,
    /// The gates, by name.
    pub gates: Vec<Gate>,
    /// The clusters, by name.
    pub clusters: Vec<Cluster>,
    /// Whether the reasons of every gate at every cluster are wanted.
    pub details: bool,
}

/// A gate.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// How far it was closed, in words.
    pub position: String,
    /// What enforces its members.
    pub engines: Engines,
    /// The namespaces whose objects it does not judge.
    pub excluded: Vec<String>,
}

/// A cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its location.
    pub location: String,
    /// The gates there, in the order of the gates.
    pub cells: Vec<Cell>,
}

impl Covered {
    /// Returns every gate at every cluster.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&Cluster, &Gate, &Cell)> {
        let of = |cluster| -> Vec<(&Cluster, &Gate, &Cell)> {
            let cluster: &Cluster = cluster;
            let cells = self.gates.iter().zip(&cluster.cells);
            cells.map(|(gate, cell)| (cluster, gate, cell)).collect()
        };
        self.clusters.iter().flat_map(of)
    }

    /// Returns how many gates were closed at a cluster and are open there.
    pub fn breaches(&self) -> usize {
        self.cells().filter(|(.., cell)| cell.is_breach()).count()
    }

    /// Returns how many gates were closed at a cluster and nobody can say that they are.
    pub fn doubts(&self) -> usize {
        self.cells().filter(|(.., cell)| cell.is_doubtful()).count()
    }
}

fn until(until: Option<Timestamp>) -> String {
    until.map_or("without an end".to_owned(), |until| format!("until {until}"))
}

/// Returns a reason in a few words.
fn words(reason: &Reason) -> String {
    match reason {
        Reason::NotAssigned => "no assignment".to_owned(),
        Reason::NotInScope => "not in the assignment's scope".to_owned(),
        Reason::NotScope => "left out by notScopes".to_owned(),
        Reason::Selector => "left out by a resource selector".to_owned(),
        Reason::SelectorNotUnderstood => "a resource selector is not understood".to_owned(),
        Reason::NotEnforced => "the assignment is not enforced".to_owned(),
        Reason::RingNotClosed => "records only, not closed here yet".to_owned(),
        Reason::AuditOnly => "records only, though it was closed here".to_owned(),
        Reason::OverridesNotUnderstood => "overrides of the assignment are not understood".to_owned(),
        Reason::MembersBelow(members) => format!("record only: {}", members.join(", ")),
        Reason::NoAddon => "add-on off".to_owned(),
        Reason::AddonFailing => "add-on failing, every rule reports an error".to_owned(),
        Reason::MembersFailing(members) => {
            let named: Vec<String> = members
                .iter()
                .map(|(name, state)| format!("{name} ({state})"))
                .collect();
            format!("not in force: {}", named.join(", "))
        }
        Reason::Stopped => "stopped".to_owned(),
        Reason::NeverSeen => "never heard of".to_owned(),
        Reason::TooOld(at) => format!("last report of {at} is too old"),
        Reason::NotSince(awaited, of) => {
            format!("{awaited} of {of} rules not heard of since the last change")
        }
        Reason::Ignored(at) => format!("ignored until {at}"),
        Reason::Exempt {
            until: end,
            members,
            ours,
        } => {
            let of = match members.is_empty() {
                true => String::new(),
                false => format!(" of {}", members.join(", ")),
            };
            let who = if *ours { "" } else { ", not by this estate" };
            format!("exempt{of} {}{who}", until(*end))
        }
    }
}

/// Returns why a gate is not closed at a cluster, in a few words.
pub(super) fn reasons(cell: &Cell) -> String {
    let words: Vec<String> = cell.reasons.iter().map(words).collect();
    words.join("; ")
}

/// Returns the word for a gate at a cluster: in capitals where it was closed and is not.
fn state(cell: &Cell) -> &'static str {
    match (cell.state, cell.is_breach(), cell.is_doubtful()) {
        (_, true, _) => "OPEN",
        (_, _, true) => "UNKNOWN",
        (state, ..) => state.name(),
    }
}

/// Returns what is to be known of a gate, whatever the cluster.
pub(super) fn notes(gate: &Gate) -> Vec<String> {
    let mut notes = Vec::new();
    if !gate.engines.rego.is_empty() {
        notes.push(format!(
            "{} fail open: while Gatekeeper cannot answer, everything is let in",
            counted(gate.engines.rego.len(), "rule")
        ));
    }
    if !gate.engines.cel.is_empty() {
        notes.push(format!(
            "in CEL, which newer add-ons hand to the API server, where it fails closed: {}",
            gate.engines.cel.join(", ")
        ));
    }
    if !gate.excluded.is_empty() {
        notes.push(format!("open in the namespaces {}", gate.excluded.join(", ")));
    }
    notes
}

/// Returns the last line of an environment: what came of it.
fn closing(read: &Covered) -> String {
    let closed = read.cells().filter(|(.., cell)| cell.state == State::Closed).count();
    let should = read.cells().filter(|(.., cell)| cell.should_be_closed).count();
    let start = format!("{closed} of {} closed", counted(read.cells().count(), "gate"));
    let at = format!("at {}", counted(read.clusters.len(), "cluster"));
    let had_closed = |count: usize| format!("{count} that {} closed", if count == 1 { "was" } else { "were" });
    let are = if read.breaches() == 1 { "is" } else { "are" };
    let open = format!("{} {are} OPEN", had_closed(read.breaches()));
    match (read.breaches(), read.doubts(), should) {
        (_, _, 0) => format!("{start} {at}: none was to be closed yet."),
        (0, 0, _) => format!("{start} {at}: all that were closed are, or are let off by the estate."),
        (0, doubts, _) => format!("{start} {at}: of {} nobody can say.", had_closed(doubts)),
        (_, 0, _) => format!("{start} {at}: {open}."),
        (_, doubts, _) => format!("{start} {at}: {open}, of {doubts} nobody can say."),
    }
}

/// Returns the environments for a terminal.
pub fn human(environments: &[Environment], layout: Layout) -> String {
    let mut page = Page::new(layout);
    for environment in environments {
        let heading = format!("Coverage of {}", environment.name);
        let read = page.environment(&heading, &environment.scope, &environment.read, |read| {
            (&read.endpoint, read.time)
        });
        let Some(read) = read else { continue };
        page.out.push('\n');
        for gate in &read.gates {
            page.put(2, 4, &format!("{}: {}", gate.name, gate.position));
            for note in notes(gate).iter().filter(|_| read.details) {
                page.put(4, 6, note);
            }
        }
        page.out.push('\n');
        for cluster in &read.clusters {
            one(&mut page, read, cluster);
        }
        page.out.push('\n');
        page.painted(0, 2, &closing(read), &|line| match (read.breaches(), read.doubts()) {
            (0, 0) => layout.paint.bold(line),
            (0, _) => layout.paint.notice(line),
            _ => layout.paint.bad(line),
        });
    }
    page.out
}

fn one(page: &mut Page, read: &Covered, cluster: &Cluster) {
    let paint = page.layout.paint;
    if read.details {
        page.heading(&format!("  {} ({})", cluster.name, cluster.location));
        for (gate, cell) in read.gates.iter().zip(&cluster.cells) {
            let ring = match cell.ring.as_str() {
                "everywhere" => String::new(),
                ring => format!(", ring {ring}"),
            };
            let line = format!("{:<8} {}{ring}", state(cell), gate.name);
            page.painted(4, 6, &line, &|line| match (cell.is_breach(), cell.state) {
                (true, _) => paint.bad(line),
                (false, State::Closed) => paint.good(line),
                (false, _) => paint.notice(line),
            });
            for reason in &cell.reasons {
                page.put(13, 15, &words(reason));
            }
            if !cell.below.is_empty() {
                page.put(
                    13,
                    15,
                    &format!("cannot deny and only records: {}", cell.below.join(", ")),
                );
            }
            if let Some(reported) = cell.reported {
                page.put(13, 15, &format!("oldest report {reported}"));
            }
        }
        return;
    }
    // What is said of several gates is said once.
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (gate, cell) in read.gates.iter().zip(&cluster.cells) {
        let text = match cell.state {
            State::Closed => state(cell).to_owned(),
            _ => format!("{} ({})", state(cell), reasons(cell)),
        };
        match groups.iter_mut().find(|(known, _)| *known == text) {
            Some((_, gates)) => gates.push(&gate.name),
            None => groups.push((text, vec![&gate.name])),
        }
    }
    let groups: Vec<String> = match groups.as_slice() {
        [(text, gates)] if gates.len() > 1 => vec![format!("all {text}")],
        groups => groups
            .iter()
            .map(|(text, gates)| format!("{} {text}", gates.join(", ")))
            .collect(),
    };
    let bad = cluster.cells.iter().any(Cell::is_breach);
    let doubt = cluster.cells.iter().any(Cell::is_doubtful);
    page.painted(
        2,
        4,
        &format!("{}: {}", cluster.name, groups.join("; ")),
        &|line| match (bad, doubt) {
            (true, _) => paint.bad(line),
            (_, true) => paint.notice(line),
            _ => line.to_owned(),
        },
    );
}

/// Returns the environments for a pull request or a job summary.
pub fn to_markdown(environments: &[Environment]) -> String {
    let mut out = String::new();
    for environment in environments {
        let _ = writeln!(out, "## Coverage of {}\n", markdown(&environment.name));
        let read = match &environment.read {
            Err(why) => {
                let _ = writeln!(out, "**Not read**: {}\n", markdown(why));
                continue;
            }
            Ok(read) => read,
        };
        let _ = writeln!(out, "**{}**\n", markdown(&closing(read)));
        let names: Vec<String> = read.gates.iter().map(|gate| markdown(&gate.name)).collect();
        let _ = writeln!(out, "| cluster | {} |", names.join(" | "));
        let _ = writeln!(out, "|---|{}", "---|".repeat(names.len()));
        for cluster in read.clusters.iter().take(MOST_IN_MARKDOWN) {
            let cells = cluster.cells.iter().map(|cell| match cell.state {
                State::Closed => state(cell).to_owned(),
                _ => {
                    let bold = if cell.is_breach() || cell.is_doubtful() {
                        "**"
                    } else {
                        ""
                    };
                    format!("{bold}{}{bold}: {}", state(cell), markdown(&reasons(cell)))
                }
            });
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(out, "| {} | {} |", markdown(&cluster.name), cells.join(" | "));
        }
        let more = read.clusters.len().saturating_sub(MOST_IN_MARKDOWN);
        if more > 0 {
            let _ = writeln!(
                out,
                "\n{} more are counted above and not listed.",
                counted(more, "cluster")
            );
        }
        out.push('\n');
        for gate in &read.gates {
            let _ = writeln!(out, "- {}: {}", markdown(&gate.name), markdown(&gate.position));
            for note in notes(gate) {
                let _ = writeln!(out, "  - {}", markdown(&note));
            }
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
        let gates = |read: &Covered| -> Vec<Value> {
            let gates = read.gates.iter().map(|gate| {
                json!({
                    "gate": gate.name,
                    "position": gate.position,
                    "failOpen": gate.engines.rego,
                    "native": gate.engines.cel,
                    "excludedNamespaces": gate.excluded,
                })
            });
            gates.collect()
        };
        let clusters = |read: &Covered| -> Vec<Value> {
            let clusters = read.clusters.iter().map(|cluster| {
                let cells = read.gates.iter().zip(&cluster.cells).map(|(gate, of)| cell(gate, of));
                json!({
                    "cluster": cluster.id,
                    "name": cluster.name,
                    "location": cluster.location,
                    "gates": cells.collect::<Vec<_>>(),
                })
            });
            clusters.collect()
        };
        json!({
            "environment": environment.name,
            "scope": environment.scope,
            "endpoint": read.map(|read| &read.endpoint),
            "time": read.map(|read| read.time.to_string()),
            "error": environment.read.as_ref().err(),
            "open": read.map(Covered::breaches),
            "unknown": read.map(Covered::doubts),
            "gates": read.map(gates),
            "clusters": read.map(clusters),
        })
    };
    Value::Array(environments.iter().map(one).collect())
}

fn cell(gate: &Gate, cell: &Cell) -> Value {
    let reasons = cell.reasons.iter().map(|reason| {
        json!({
            "reason": reason.name(),
            "state": reason.state().name(),
            "wantedByEstate": reason.is_wanted(),
            "sentence": words(reason),
        })
    });
    json!({
        "gate": gate.name,
        "state": cell.state.name(),
        "shouldBeClosed": cell.should_be_closed,
        "breach": cell.is_breach(),
        "ring": cell.ring,
        "reasons": reasons.collect::<Vec<_>>(),
        "auditOnlyMembers": cell.below,
        "oldestReport": cell.reported.map(|at| at.to_string()),
    })
}

/// Returns the environments as a SARIF log: what was closed and is open, or unknown.
pub fn to_sarif(environments: &[Environment]) -> Value {
    let rule = |id: &str, title: &str| Rule {
        id: id.to_owned(),
        title: title.to_owned(),
    };
    let rules = [
        rule("coverage/open", "A gate that was closed at a cluster is open there"),
        rule(
            "coverage/unknown",
            "Nobody can say whether a gate that was closed at a cluster is",
        ),
    ];
    let looked = environments.iter().map(|environment| {
        let read = environment.read.as_ref().map_err(String::as_str);
        (environment.name.as_str(), read.map(results))
    });
    sarif::log("coverage", &rules, &looked.collect::<Vec<_>>())
}

fn results(read: &Covered) -> Vec<Found> {
    let mut found = Vec::new();
    for (cluster, gate, cell) in read.cells() {
        let (rule, level) = match (cell.is_breach(), cell.is_doubtful()) {
            (true, _) => ("coverage/open", Level::Error),
            (_, true) => ("coverage/unknown", Level::Warning),
            _ => continue,
        };
        found.push(Found {
            rule: rule.to_owned(),
            level,
            message: format!("{} at {}: {}", gate.name, cluster.name, reasons(cell)),
            object: cluster.id.clone(),
            same: gate.name.clone(),
        });
    }
    found
}
