//! A report for services: a spreadsheet, code scanning, a CI server.

use super::{Environment, Read, closing, doubt, remarks, workload};
use crate::compliance::{GateReport, Novelty, Violation};
use crate::view::csv;
use crate::view::junit::{Case, Outcome, Suite, document};
use crate::view::sarif::{self, Found, Level, Rule};
use serde_json::Value;
use std::collections::BTreeMap;

/// Returns every violation as a line of comma-separated values, and every gate at a cluster of which not everything is known.
pub fn to_csv(environments: &[Environment]) -> String {
    let mut out = csv::line(&[
        "environment",
        "gate",
        "rule",
        "cluster",
        "namespace",
        "kind",
        "workload",
        "guessed",
        "objects",
        "denied",
        "firstSeen",
        "reported",
        "novelty",
        "remark",
    ]);
    for environment in environments {
        let read = match &environment.read {
            Ok(read) => read,
            Err(why) => {
                let mut fields = vec![environment.name.as_str()];
                fields.resize(13, "");
                fields.push(why);
                out.push_str(&csv::line(&fields));
                continue;
            }
        };
        for violation in &read.report.violations {
            let key = &violation.key;
            let word = |yes: bool| if yes { "yes" } else { "no" };
            out.push_str(&csv::line(&[
                &environment.name,
                &key.gate,
                &key.rule,
                key.cluster.as_str(),
                key.namespace.as_deref().unwrap_or_default(),
                &key.kind,
                &key.name,
                word(violation.guessed),
                &violation.objects.to_string(),
                word(violation.denied),
                &violation.first_seen.to_string(),
                &violation.reported.to_string(),
                violation.novelty.map(Novelty::name).unwrap_or_default(),
                "",
            ]));
        }
        for gate in &read.report.gates {
            for cluster in gate.doubtful() {
                let remark = format!("not everything is known: {}", doubt(cluster));
                let mut fields = vec![environment.name.as_str(), &gate.gate, "", cluster.cluster.as_str()];
                fields.resize(13, "");
                fields.push(&remark);
                out.push_str(&csv::line(&fields));
            }
        }
    }
    out
}

/// Returns every violation as a result of SARIF, and what is not known as one too.
pub fn to_sarif(environments: &[Environment]) -> Value {
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    let mut looked = Vec::new();
    for environment in environments {
        let read = environment.read.as_ref().map_err(String::as_str);
        looked.push((environment.name.as_str(), read.map(|read| results(read, &mut rules))));
    }
    let rules: Vec<Rule> = rules.into_values().collect();
    sarif::log("compliance", &rules, &looked)
}

fn results(read: &Read, rules: &mut BTreeMap<String, Rule>) -> Vec<Found> {
    let mut found = Vec::new();
    let mut rule = |id: &str, title: &str| {
        let named = || Rule {
            id: id.to_owned(),
            title: title.to_owned(),
        };
        rules.entry(id.to_owned()).or_insert_with(named).id.clone()
    };
    for violation in &read.report.violations {
        let key = &violation.key;
        let title = format!(
            "Objects in clusters break the rule {} of the gate {}",
            key.rule, key.gate
        );
        found.push(Found {
            rule: rule(&format!("{}/{}", key.gate, key.rule), &title),
            level: match violation.novelty {
                Some(Novelty::New | Novelty::Unclear) => Level::Error,
                Some(Novelty::Known) | None => Level::Warning,
            },
            message: format!("{} at {}: {}", workload(key), key.cluster.name(), remarks(violation)),
            object: format!("{}/{}", key.cluster.as_str(), workload(key)),
            same: String::new(),
        });
    }
    for gate in &read.report.gates {
        for cluster in gate.doubtful() {
            found.push(Found {
                rule: rule(
                    "compliance/not-known",
                    "Not everything that breaks a gate at a cluster is known",
                ),
                level: Level::Warning,
                message: format!("{} at {}: {}", gate.gate, cluster.cluster.name(), doubt(cluster)),
                object: cluster.cluster.as_str().to_owned(),
                same: gate.gate.clone(),
            });
        }
    }
    found
}

/// Returns the report as JUnit XML: a suite for each gate, a case for each cluster.
pub fn to_junit(environments: &[Environment]) -> String {
    let mut suites = Vec::new();
    for environment in environments {
        match &environment.read {
            Ok(read) => {
                let gates = read.report.gates.iter();
                suites.extend(gates.map(|gate| suite(&environment.name, read, gate)));
                if read.report.gates.is_empty() {
                    let message = closing(&read.report);
                    suites.push(single(&environment.name, Outcome::Skipped { message }));
                }
            }
            Err(why) => {
                let (message, text) = (why.clone(), String::new());
                suites.push(single(&environment.name, Outcome::Error { message, text }));
            }
        }
    }
    document(&suites)
}

fn single(environment: &str, outcome: Outcome) -> Suite {
    Suite {
        name: environment.to_owned(),
        cases: vec![Case {
            class: environment.to_owned(),
            name: "gates".to_owned(),
            outcome,
        }],
    }
}

fn suite(environment: &str, read: &Read, gate: &GateReport) -> Suite {
    let class = format!("{environment}.{}", gate.gate);
    let cases = gate.clusters.iter().map(|cluster| {
        let of_it = |violation: &&Violation| {
            violation.key.gate == gate.gate && violation.key.cluster == cluster.cluster && !violation.denied
        };
        let found: Vec<&Violation> = read.report.violations.iter().filter(of_it).collect();
        let lines = found.iter().map(|violation| {
            let key = &violation.key;
            format!("{}: {}: {}", workload(key), key.rule, remarks(violation))
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let outcome = if !cluster.coverage.counts() {
            Outcome::Skipped {
                message: cluster.coverage.to_string(),
            }
        } else if cluster.violations.n > 0 {
            let message = format!("violations: {}", cluster.violations);
            Outcome::Failed { message, text }
        } else if !cluster.is_known() {
            let message = doubt(cluster);
            Outcome::Error { message, text }
        } else {
            Outcome::Passed
        };
        Case {
            class: class.clone(),
            name: cluster.cluster.as_str().to_owned(),
            outcome,
        }
    });
    Suite {
        name: class.clone(),
        cases: cases.collect(),
    }
}
