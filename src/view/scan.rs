//! What was heard of the clusters, as text for a terminal, as Markdown, and as JSON.

use super::page::{Layout, Page};
use super::text::{code, markdown};
use crate::evidence::{Freshness, GateEvidence, Heard};
use crate::model::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A scan of an environment.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The environment.
    pub environment: String,
    /// Its scope.
    pub scope: String,
    /// The ARM endpoint.
    pub endpoint: String,
    /// When the evidence was read, by ARM's clock.
    pub now: Timestamp,
    /// The time that a report had to be later than, where reports were waited for.
    pub after: Option<Timestamp>,
    /// The evaluations that were started.
    pub evaluations: Vec<Evaluation>,
    /// What was heard, by gate.
    pub gates: Vec<GateScan>,
}

/// An evaluation that was started.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The subscription or resource group.
    pub scope: String,
    /// Whether Azure said that it has ended; none if that was not waited for.
    pub ended: Option<bool>,
}

impl Evaluation {
    fn state(&self) -> &'static str {
        match self.ended {
            None => "started",
            Some(true) => "ended",
            Some(false) => "out of sight",
        }
    }
}

/// What was heard of one gate.
#[derive(Clone, Debug)]
pub struct GateScan {
    /// The gate.
    pub gate: String,
    /// The evidence.
    pub evidence: GateEvidence,
    /// What was heard of each cluster, in the order of the evidence.
    pub heard: Vec<Freshness>,
}

fn detail(heard: &Heard) -> String {
    match heard {
        Heard::Reported(at) | Heard::TooOld(at) => format!("the oldest report is of {at}"),
        Heard::NotYet { of: 0, .. } => "no member of the gate is known".to_owned(),
        Heard::NotYet { awaited, of } => format!("{awaited} of {of} members awaited"),
        Heard::Cannot(why) | Heard::NotAsked(why) => why.clone(),
    }
}

fn about(gate: &GateScan) -> String {
    let changed = match gate.evidence.changed {
        Some(changed) => format!("last change {changed}"),
        None => "when it changed last is not known, so no report counts".to_owned(),
    };
    format!("violations: {}; {changed}", gate.evidence.violations())
}

/// Returns the last line: what came of it, in one sentence.
fn closing(scan: &Scan) -> String {
    let heard = || scan.gates.iter().flat_map(|gate| &gate.heard);
    let count = |choose: &dyn Fn(&Heard) -> bool| heard().filter(|of| choose(&of.heard)).count();
    if scan.gates.is_empty() {
        return "No gate that judges what is let in stands here yet: there is nothing to report on.".to_owned();
    }
    let reported = count(&|heard| matches!(heard, Heard::Reported(_)));
    let awaited = count(&Heard::is_awaited);
    let cannot = count(&|heard| matches!(heard, Heard::Cannot(_)));
    let open = count(&|heard| matches!(heard, Heard::NotAsked(_)));
    let mut line = format!("{reported} of {} reports have come", heard().count());
    for (number, words) in [(awaited, "awaited"), (cannot, "cannot come"), (open, "not asked for")] {
        if number > 0 {
            let _ = write!(line, ", {number} {words}");
        }
    }
    line + "."
}

/// Returns a scan for a terminal.
pub fn human(scan: &Scan, layout: Layout) -> String {
    let mut page = Page::new(layout);
    let paint = layout.paint;
    page.heading(&format!("Scan of {}", scan.environment));
    page.put(2, 4, &format!("scope {}", scan.scope));
    page.put(2, 4, &format!("at {}", scan.endpoint));
    page.put(2, 4, &format!("read {}", scan.now));
    for evaluation in &scan.evaluations {
        let line = format!("evaluation of {}: {}", evaluation.scope, evaluation.state());
        page.painted(2, 4, &line, &|line| paint.faint(line));
    }
    for gate in &scan.gates {
        page.out.push('\n');
        page.heading(&gate.gate);
        page.put(2, 4, &about(gate));
        for (of, cluster) in gate.heard.iter().zip(&gate.evidence.clusters) {
            let violations = cluster.violations();
            let line = format!(
                "{:<13} {}: {}; violations: {violations}",
                of.heard.name(),
                of.cluster,
                detail(&of.heard)
            );
            page.painted(2, 4, &line, &|line| match of.heard {
                Heard::Reported(_) => paint.good(line),
                Heard::NotYet { .. } | Heard::TooOld(_) => paint.notice(line),
                Heard::Cannot(_) | Heard::NotAsked(_) => paint.bad(line),
            });
        }
    }
    page.out.push('\n');
    page.painted(0, 2, &closing(scan), &|line| paint.bold(line));
    page.out
}

/// Returns a scan for a pull request or a job summary.
pub fn to_markdown(scan: &Scan) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "## Scan of {}\n\n**{}**",
        markdown(&scan.environment),
        markdown(&closing(scan))
    );
    for gate in &scan.gates {
        let _ = writeln!(out, "\n### {}\n\n{}\n", markdown(&gate.gate), markdown(&about(gate)));
        let _ = writeln!(out, "| cluster | report | | violations |\n|---|---|---|---:|");
        for (of, cluster) in gate.heard.iter().zip(&gate.evidence.clusters) {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                markdown(&of.cluster),
                of.heard.name(),
                markdown(&detail(&of.heard)),
                cluster.violations()
            );
        }
    }
    let _ = writeln!(
        out,
        "\nScope {}, at {}. Read {}.",
        code(&scan.scope),
        code(&scan.endpoint),
        scan.now
    );
    out
}

/// Returns a scan as a JSON document.
pub fn to_json(scan: &Scan, outcome: &str, exit_code: u8) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let gates: Vec<Value> = scan
        .gates
        .iter()
        .map(|gate| {
            let clusters: Vec<Value> = gate
                .heard
                .iter()
                .zip(&gate.evidence.clusters)
                .map(|(of, cluster)| {
                    let members: serde_json::Map<String, Value> = cluster
                        .members
                        .iter()
                        .map(|(name, member)| {
                            let member = json!({
                                "state": member.state.name(),
                                "reported": time(member.reported),
                                "violations": member.violations,
                                "denied": member.denied,
                            });
                            (name.clone(), member)
                        })
                        .collect();
                    json!({
                        "cluster": cluster.id.as_str(),
                        "report": of.heard.name(),
                        "detail": detail(&of.heard),
                        "coverage": cluster.coverage.to_string(),
                        "oldest": time(cluster.oldest()),
                        "violations": cluster.violations(),
                        "members": members,
                    })
                })
                .collect();
            json!({
                "gate": gate.gate,
                "changed": time(gate.evidence.changed),
                "violations": gate.evidence.violations(),
                "clusters": clusters,
            })
        })
        .collect();
    let evaluations: Vec<Value> = scan
        .evaluations
        .iter()
        .map(|evaluation| json!({"scope": evaluation.scope, "state": evaluation.state()}))
        .collect();
    json!({
        "formatVersion": 1,
        "command": "scan",
        "outcome": outcome,
        "exitCode": exit_code,
        "environment": scan.environment,
        "scope": scan.scope,
        "endpoint": scan.endpoint,
        "time": scan.now.to_string(),
        "after": time(scan.after),
        "evaluations": evaluations,
        "gates": gates,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{ClusterEvidence, Coverage};
    use crate::model::ResourceId;
    use crate::view::text::{Paint, columns};
    use std::collections::BTreeMap;

    fn scan(name: &str) -> Scan {
        let at = Timestamp::from_seconds(0);
        let all = [
            Heard::Reported(at),
            Heard::TooOld(at),
            Heard::NotYet { awaited: 2, of: 5 },
            Heard::Cannot("add-on off".to_owned()),
            Heard::NotAsked("excluded".to_owned()),
        ];
        let cluster = |_: &Heard| ClusterEvidence {
            id: ResourceId::parse("/c").unwrap(),
            name: name.to_owned(),
            location: String::new(),
            changed: None,
            coverage: Coverage::Reporting,
            members: BTreeMap::new(),
        };
        let gate = GateScan {
            gate: name.to_owned(),
            evidence: GateEvidence {
                changed: None,
                clusters: all.iter().map(cluster).collect(),
            },
            heard: all
                .into_iter()
                .map(|heard| Freshness {
                    cluster: name.to_owned(),
                    heard,
                })
                .collect(),
        };
        Scan {
            environment: "dev".to_owned(),
            scope: "subscriptions/x".to_owned(),
            endpoint: "https://arm".to_owned(),
            now: at,
            after: None,
            evaluations: vec![Evaluation {
                scope: "/subscriptions/x".to_owned(),
                ended: Some(false),
            }],
            gates: vec![gate],
        }
    }

    fn layout(width: usize) -> Layout {
        Layout {
            paint: Paint { colour: false },
            width,
        }
    }

    #[test]
    fn every_state_is_told_and_counted() {
        let text = human(&scan("aks-1"), layout(0));
        for line in [
            "  evaluation of /subscriptions/x: out of sight",
            "  violations: 0; when it changed last is not known, so no report counts",
            "  reported      aks-1: the oldest report is of 1970-01-01T00:00:00Z; violations: 0",
            "  not yet       aks-1: 2 of 5 members awaited; violations: 0",
            "  cannot report aks-1: add-on off; violations: 0",
            "1 of 5 reports have come, 2 awaited, 1 cannot come, 1 not asked for.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn names_move_nothing_and_narrow_terminals_are_kept_to() {
        let hostile = scan("a\u{1b}[2J|<b>");
        let (text, page) = (human(&hostile, layout(40)), to_markdown(&hostile));
        assert!(text.lines().all(|line| columns(line) <= 40), "{text}");
        assert!(
            !text.contains('\u{1b}') && !page.contains('\u{1b}') && !page.contains("<b>"),
            "{page}"
        );
    }
}
