//! A report for the summary of a job: what one has to know, and no list of clusters.

use super::{Read, Report, counted, next, tallied};
use crate::report::{LetOffState, Ring};
use crate::view::drift::{direction, title};
use crate::view::status::{self, Gate};
use crate::view::text::{code, markdown};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How many entries of a list are named.
const MOST: usize = 20;

/// Returns a report for a pull request or a job summary.
pub fn to_markdown(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "## Gates of {}\n", markdown(&report.owner));
    for environment in &report.environments {
        if let Err(why) = &environment.read {
            let _ = writeln!(
                out,
                "**{} was not read**: {}\n",
                markdown(&environment.name),
                markdown(why)
            );
        }
    }
    for (environment, read) in report.read() {
        for (part, why) in read.failures() {
            let name = markdown(&environment.name);
            let _ = writeln!(out, "**{name}: {part} not read**: {}\n", markdown(why));
        }
    }
    let sums = report.sums();
    let mut rows = Vec::new();
    let out_of = sums.left_out;
    let mut row = |what: &str, text: String, left: usize| {
        let left = match left {
            0 => String::new(),
            count => format!(" (without {}, not read)", counted(count, "environment")),
        };
        rows.push(format!("| {what} | {}{left} |", markdown(&text)));
    };
    row("gates at clusters", tallied(&sums.tally), out_of.coverage);
    row("violations", sums.violations.to_string(), out_of.violations);
    row("open weakenings", sums.weakenings.to_string(), out_of.others);
    row(
        "let off",
        format!("{}, {} over or soon", sums.let_off, sums.ending),
        out_of.others,
    );
    row(
        "drift",
        format!(
            "{}, {} weaker than they should be",
            counted(sums.drift, "difference"),
            sums.weaker
        ),
        out_of.drift,
    );
    row(
        "run time",
        format!(
            "{}, {}",
            counted(sums.alerts, "open alert"),
            counted(sums.blind, "blind spot")
        ),
        out_of.runtime,
    );
    let _ = writeln!(out, "| | |\n|---|---|\n{}\n", rows.join("\n"));
    matrix(&mut out, report);
    holds(&mut out, report);
    coverage(&mut out, report);
    weakenings(&mut out, report);
    drift(&mut out, report);
    for (environment, read) in report.read() {
        let _ = writeln!(
            out,
            "{}: scope {}, at {}, {}.\n",
            markdown(&environment.name),
            code(&environment.scope),
            code(&read.gates.endpoint),
            read.gates.time
        );
    }
    out
}

/// What a gate does in a ring, in a few words.
fn ring(gate: &Gate, ring: &Ring) -> String {
    let word = gate.word(ring.stage);
    match ring.name.as_str() {
        "everywhere" => word,
        name => format!("{name}: {word}"),
    }
}

fn matrix(out: &mut String, report: &Report) {
    let gates: BTreeSet<&str> = report
        .read()
        .flat_map(|(_, read)| read.gates.gates.iter().map(|gate| gate.name.as_str()))
        .collect();
    if gates.is_empty() {
        return;
    }
    let names: Vec<String> = report.environments.iter().map(|of| markdown(&of.name)).collect();
    let _ = writeln!(out, "### Where the gates stand\n\n| gate | {} |", names.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(names.len()));
    for name in gates {
        let cells = report.environments.iter().map(|environment| match &environment.read {
            Err(_) => "not read".to_owned(),
            Ok(read) => cell(read, name),
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(out, "| {} | {} |", markdown(name), cells.join(" | "));
    }
    out.push('\n');
}

fn cell(read: &Read, name: &str) -> String {
    let Some((gate, way)) = read.ways().find(|(gate, _)| gate.name == name) else {
        return "-".to_owned();
    };
    let mut lines: Vec<String> = way
        .rings
        .iter()
        .map(|of| {
            let tally = read.tally_of(name, of);
            let tally = tally.map(|tally| format!(" ({})", tallied(&tally))).unwrap_or_default();
            format!("{}{}", markdown(&ring(gate, of)), markdown(&tally))
        })
        .collect();
    if lines.is_empty() {
        lines.push("switch of Defender".to_owned());
    }
    let held = gate.next.as_ref().is_some_and(|next| !next.held.is_empty());
    let marks = [
        (held, "held"),
        (gate.paused.is_some(), "paused"),
        (!gate.relaxed.is_empty(), "relaxed"),
        (!gate.overrides.is_empty(), "overridden"),
    ];
    let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    if !marks.is_empty() {
        lines.push(format!("*{}*", marks.join(", ")));
    }
    lines.join("<br>")
}

fn holds(out: &mut String, report: &Report) {
    let mut rows = Vec::new();
    for (environment, read) in report.read() {
        for gate in &read.gates.gates {
            let Some(of_gate) = &gate.next else { continue };
            let held: Vec<String> = of_gate
                .held
                .iter()
                .map(|reason| markdown(&status::reason(reason)))
                .collect();
            rows.push(format!(
                "| {} | {} | {} | {} |",
                markdown(&environment.name),
                markdown(&gate.name),
                markdown(&next(gate)),
                held.join("<br>")
            ));
        }
    }
    if !rows.is_empty() {
        let _ = writeln!(
            out,
            "### What comes next, and what holds it\n\n| environment | gate | next | held by |\n|---|---|---|---|\n{}\n",
            rows.join("\n")
        );
    }
}

fn coverage(out: &mut String, report: &Report) {
    let rows: Vec<String> = report
        .read()
        .filter_map(|(environment, read)| {
            let covered = read.coverage.read()?;
            let violations = read
                .compliance
                .read()
                .map_or("not read".to_owned(), |of| of.count().to_string());
            Some(format!(
                "| {} | {} | {} | {violations} |",
                markdown(&environment.name),
                covered.clusters.len(),
                markdown(&tallied(&read.tally()?))
            ))
        })
        .collect();
    if !rows.is_empty() {
        let _ = writeln!(
            out,
            "### Coverage\n\n| environment | clusters | gates at clusters | violations |\n|---|---:|---|---:|\n{}\n",
            rows.join("\n")
        );
    }
}

/// Returns the first lines of a list, and how many there are more.
fn first(mut lines: Vec<String>) -> String {
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    if more > 0 {
        lines.push(format!("- and {more} more"));
    }
    lines.join("\n")
}

fn weakenings(out: &mut String, report: &Report) {
    let mut lines = Vec::new();
    for (environment, read) in report.read() {
        let name = markdown(&environment.name);
        for one in &read.weakenings {
            let until = one.until.map(|until| format!(" until {until}")).unwrap_or_default();
            lines.push(format!(
                "- {name}/{}: {}{until}: {}",
                markdown(&one.gate),
                one.sort.name(),
                markdown(&one.reason)
            ));
        }
        let worth = |state| state != LetOffState::InForce;
        for one in read.let_off.iter().filter(|one| worth(one.state)) {
            let ends = one.ends.map(|ends| format!(", {ends}")).unwrap_or_default();
            let resource = one.resource.rsplit('/').next().unwrap_or_default();
            lines.push(format!(
                "- {name}/{}: {} of {}, {}{ends}: {}",
                markdown(one.gate.as_deref().unwrap_or("all gates")),
                one.sort.name(),
                markdown(resource),
                one.state.name(),
                markdown(&one.reason)
            ));
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(out, "### Weakenings, and what is let off\n\n{}\n", first(lines));
    }
}

fn drift(out: &mut String, report: &Report) {
    let mut lines = Vec::new();
    for (environment, read) in report.read() {
        let found = read.drift.read().into_iter().flat_map(|read| &read.drift);
        lines.extend(found.filter(|drift| drift.counts()).map(|drift| {
            let of_gate = drift
                .gate
                .as_ref()
                .map(|gate| format!(" of gate {}", markdown(gate)))
                .unwrap_or_default();
            format!(
                "- {}: {}{of_gate}, {}, {}",
                markdown(&environment.name),
                markdown(&title(drift)),
                drift.what.name(),
                direction(drift)
            )
        }));
    }
    if !lines.is_empty() {
        let _ = writeln!(out, "### Drift\n\n{}\n", first(lines));
    }
}
