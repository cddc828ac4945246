//! A report for a pull request or a job summary.

use super::{Environment, closing, days, doubt, remarks, workload};
use crate::compliance::{Key, Report, sums};
use crate::view::text::{code, markdown};
use std::fmt::Write as _;

/// How many entries a list takes: a comment holds 65,536 characters.
const MOST: usize = 100;

/// Returns the environments as Markdown.
pub fn to_markdown(environments: &[Environment]) -> String {
    let mut out = String::new();
    for environment in environments {
        let _ = writeln!(out, "## Compliance of {}\n", markdown(&environment.name));
        let read = match &environment.read {
            Err(why) => {
                let _ = writeln!(out, "**Not read**: {}\n", markdown(why));
                continue;
            }
            Ok(read) => read,
        };
        let report = &read.report;
        let _ = writeln!(out, "**{}**", markdown(&closing(report)));
        gates(&mut out, report);
        violations(&mut out, report);
        list(&mut out, "Fixed", &report.fixed);
        list(&mut out, "Gone, or not heard of", &report.unclear);
        for (at, trend) in read.trends.iter().flatten().enumerate() {
            if at == 0 {
                let _ = writeln!(
                    out,
                    "\n| cluster | broken rules by day, the last one today |\n|---|---|"
                );
            }
            let _ = writeln!(out, "| {} | {} |", markdown(trend.cluster.name()), days(trend));
        }
        let _ = writeln!(
            out,
            "\nScope {}, at {}, {}.\n",
            code(&environment.scope),
            code(&read.endpoint),
            report.time
        );
    }
    out
}

fn gates(out: &mut String, report: &Report) {
    if report.gates.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n| gate | violations | not everything known | not counted |\n|---|---:|---|---|"
    );
    for gate in &report.gates {
        let doubtful = gate.doubtful().map(|cluster| {
            let name = markdown(cluster.cluster.name());
            format!("{name}: {}", markdown(&doubt(cluster)))
        });
        let left_out = gate.clusters.iter().filter(|cluster| !cluster.coverage.counts());
        let left_out = left_out.map(|cluster| {
            let name = markdown(cluster.cluster.name());
            format!("{name}: {}", markdown(&cluster.coverage.to_string()))
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            markdown(&gate.gate),
            gate.violations(),
            shortened(doubtful.collect()),
            shortened(left_out.collect())
        );
    }
    let places = sums(&report.violations, |violation| {
        let key = &violation.key;
        (
            key.cluster.name(),
            key.namespace.as_deref().unwrap_or(""),
            key.cluster.as_str(),
        )
    });
    for (at, ((cluster, namespace, _), objects)) in places.iter().take(MOST).enumerate() {
        if at == 0 {
            let _ = writeln!(out, "\n| cluster | namespace | objects |\n|---|---|---:|");
        }
        let _ = writeln!(out, "| {} | {} | {objects} |", markdown(cluster), markdown(namespace));
    }
    more(out, places.len());
}

/// The first few entries of a cell.
fn shortened(mut entries: Vec<String>) -> String {
    let more = entries.len().saturating_sub(MOST);
    entries.truncate(MOST);
    if more > 0 {
        entries.push(format!("and {more} more"));
    }
    entries.join("<br>")
}

fn violations(out: &mut String, report: &Report) {
    for (at, violation) in report.violations.iter().take(MOST).enumerate() {
        if at == 0 {
            let _ = writeln!(out, "\n| cluster | workload | gate and rule | |\n|---|---|---|---|");
        }
        let key = &violation.key;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            markdown(key.cluster.name()),
            markdown(&workload(key)),
            markdown(&format!("{}/{}", key.gate, key.rule)),
            markdown(&remarks(violation))
        );
    }
    more(out, report.violations.len());
}

fn list(out: &mut String, title: &str, keys: &[Key]) {
    if keys.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n### {title}\n");
    for key in keys.iter().take(MOST) {
        let line = format!("{} at {}, {}/{}", workload(key), key.cluster.name(), key.gate, key.rule);
        let _ = writeln!(out, "- {}", markdown(&line));
    }
    more(out, keys.len());
}

fn more(out: &mut String, count: usize) {
    let left = count.saturating_sub(MOST);
    if left > 0 {
        let _ = writeln!(out, "\n{left} more are not listed here.");
    }
}
