//! What breaks the gates, in every form that people and services read.

mod human;
mod json;
mod markdown;
mod services;

pub use human::human;
pub use json::to_json;
pub use markdown::to_markdown;
pub use services::{to_csv, to_junit, to_sarif};

use crate::compliance::{ClusterReport, Key, Novelty, Report, Trend, Violation};
use crate::evidence::Coverage;
use crate::view::text::counted;

/// An environment, and what was read of it.
pub type Environment = super::environment::Environment<Read>;

/// What was found in an environment.
#[derive(Clone, Debug)]
pub struct Read {
    /// What was asked.
    pub endpoint: String,
    /// The report.
    pub report: Report,
    /// The days of its clusters; none if nobody asked for them.
    pub trends: Option<Vec<Trend>>,
}

/// Returns what names a workload, such as `shop/Deployment cart`.
fn workload(key: &Key) -> String {
    match &key.namespace {
        Some(namespace) => format!("{namespace}/{} {}", key.kind, key.name),
        None => format!("{} {}", key.kind, key.name),
    }
}

/// Returns what is to be known of a violation besides, in a few words.
fn remarks(violation: &Violation) -> String {
    let mut words = vec![counted(
        usize::try_from(violation.objects).unwrap_or(usize::MAX),
        "object",
    )];
    if violation.guessed {
        words.push("workload guessed from its pods".to_owned());
    }
    if violation.denied {
        words.push("the rule denies: attempts that were refused, or runs since before".to_owned());
    }
    match violation.novelty {
        Some(Novelty::New) => words.push("NEW".to_owned()),
        Some(Novelty::Unclear) => {
            words.push("perhaps new: the earlier report did not know all of the cluster".to_owned())
        }
        Some(Novelty::Known) => words.push(format!("since {}", violation.first_seen)),
        None => {}
    }
    words.join(", ")
}

/// Returns why not everything is known of a gate at a cluster.
fn doubt(cluster: &ClusterReport) -> String {
    match cluster.coverage {
        Coverage::Reporting => format!("violations: {}", cluster.violations),
        _ => format!("{}; violations: {}", cluster.coverage, cluster.violations),
    }
}

/// Returns the last line of an environment: what came of it.
fn closing(report: &Report) -> String {
    if report.gates.is_empty() {
        return "No gate that judges what is let in stands here yet: there is nothing to report on.".to_owned();
    }
    let count = report.count();
    let doubtful: usize = report.gates.iter().map(|gate| gate.doubtful().count()).sum();
    let doubts = match doubtful {
        0 => String::new(),
        1 => "; of 1 gate at a cluster not everything is known".to_owned(),
        count => format!("; of {count} gates at clusters not everything is known"),
    };
    let changes = match report.baseline {
        None => String::new(),
        Some(baseline) => format!(
            "; since {baseline}: {} new, {} fixed, {} not known",
            report.new_ones().count(),
            report.fixed.len(),
            report.unclear.len()
        ),
    };
    match count.is_none() {
        true => format!("No violations{changes}."),
        false => format!(
            "Violations: {count}, of {}{changes}{doubts}.",
            counted(workloads(report), "workload")
        ),
    }
}

/// Returns how many workloads break anything.
fn workloads(report: &Report) -> usize {
    let names = report.violations.iter().map(|violation| {
        let key = &violation.key;
        (&key.cluster, &key.namespace, &key.kind, &key.name)
    });
    names.collect::<std::collections::BTreeSet<_>>().len()
}

/// Returns the days of a cluster in one line.
fn days(trend: &Trend) -> String {
    let days = trend.days.iter().map(|day| match day.broken {
        Some(broken) => broken.to_string(),
        None => "?".to_owned(),
    });
    days.collect::<Vec<_>>().join(" ")
}
