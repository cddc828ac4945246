//! A judgement as test results: a suite for each gate.

use super::{closing, consequence, counted, gap, place};
use crate::admission::report::{Judged, Report, Verdict};
use crate::view::junit::{Case, Outcome, Suite, document};

/// Returns the judgement as JUnit XML: each object of which a gate has something to say is a case, the others are one together.
pub fn to_junit(report: &Report) -> String {
    let mut suites: Vec<Suite> = Vec::new();
    if !report.unread.is_empty() || report.judged == 0 {
        let mut cases: Vec<Case> = report
            .unread
            .iter()
            .map(|mistake| {
                let line = mistake.span.map(|span| format!(":{}", span.line)).unwrap_or_default();
                Case {
                    class: "files".to_owned(),
                    name: format!("{}{line}", mistake.file),
                    outcome: Outcome::Error {
                        message: mistake.summary.clone(),
                        text: mistake.label.clone(),
                    },
                }
            })
            .collect();
        if report.judged == 0 {
            cases.push(Case {
                class: "files".to_owned(),
                name: "objects".to_owned(),
                outcome: Outcome::Error {
                    message: closing(report),
                    text: String::new(),
                },
            });
        }
        suites.push(Suite {
            name: "files".to_owned(),
            cases,
        });
    }
    let gaps = report.not_evaluated();
    for gate in &report.gates {
        let class = format!("{}.{}", report.environment, gate.name);
        let mut cases: Vec<Case> = report
            .objects
            .iter()
            .filter_map(|judged| case(report, judged, &gate.name, &class))
            .collect();
        for found in gaps.iter().filter(|gap| gap.member.gate == gate.name) {
            let message = gap(found);
            let outcome = match found.is_open() {
                true => Outcome::Error {
                    message,
                    text: String::new(),
                },
                false => Outcome::Skipped { message },
            };
            cases.push(Case {
                class: class.clone(),
                name: format!("{}: not evaluated", found.member.reference_id),
                outcome,
            });
        }
        if gate.counts.allowed > 0 {
            cases.push(Case {
                class: class.clone(),
                name: format!("{} allowed", counted(gate.counts.allowed, "verdict")),
                outcome: Outcome::Passed,
            });
        }
        suites.push(Suite {
            name: gate.name.clone(),
            cases,
        });
    }
    document(&suites)
}

/// Returns what a gate says of an object; none if nothing.
fn case(report: &Report, judged: &Judged, gate: &str, class: &str) -> Option<Case> {
    let of_gate = judged.findings.iter().filter_map(|finding| {
        let member = report.members.get(finding.member)?;
        (member.gate == gate).then_some((member, finding))
    });
    let found: Vec<_> = of_gate.collect();
    let (first, finding) = found.first()?;
    let denied: Vec<_> = found
        .iter()
        .filter(|(_, finding)| finding.verdict == Verdict::Denied)
        .collect();
    let lines = |found: &[&(_, _)]| -> String {
        let line = |(member, finding): &(&crate::admission::report::Member, &crate::admission::report::Finding)| {
            format!(
                "{}: {}: {} ({})",
                member.reference_id,
                consequence(finding),
                finding.message,
                place(&judged.object, finding)
            )
        };
        found.iter().map(|found| line(found)).collect::<Vec<_>>().join("\n")
    };
    let outcome = match denied.first() {
        Some((member, finding)) => Outcome::Failed {
            message: format!("{}: {}", member.reference_id, finding.message),
            text: lines(&denied),
        },
        // Nothing is refused, and nothing is said to have passed either.
        None => Outcome::Skipped {
            message: format!("{}: {}: {}", first.reference_id, consequence(finding), finding.message),
        },
    };
    let object = &judged.object;
    Some(Case {
        class: class.to_owned(),
        name: format!("{object} ({}:{})", object.file, object.line),
        outcome,
    })
}
