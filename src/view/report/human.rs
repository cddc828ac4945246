//! A report in a few lines: the page has the rest.

use super::{Report, counted, tallied};
use crate::view::page::{Layout, Page};

/// Returns a report for a terminal.
pub fn human(report: &Report, layout: Layout) -> String {
    let paint = layout.paint;
    let mut page = Page::new(layout);
    page.heading(&format!("Report of {}", report.owner));
    let sums = report.sums();
    let left_out = |count: usize| match count {
        0 => String::new(),
        count => format!(" (without {}, not read)", counted(count, "environment")),
    };
    let out = sums.left_out;
    for (what, text, left) in [
        ("gates at clusters", tallied(&sums.tally), out.coverage),
        ("violations", sums.violations.to_string(), out.violations),
        ("open weakenings", sums.weakenings.to_string(), out.others),
        (
            "let off",
            format!("{}, {} over or soon", sums.let_off, sums.ending),
            out.others,
        ),
        (
            "drift",
            format!("{}, {} WEAKER", counted(sums.drift, "difference"), sums.weaker),
            out.drift,
        ),
        (
            "run time",
            format!(
                "{}, {}",
                counted(sums.alerts, "open alert"),
                counted(sums.blind, "blind spot")
            ),
            out.runtime,
        ),
    ] {
        page.put(2, 4, &format!("{what}: {text}{}", left_out(left)));
    }
    for environment in &report.environments {
        page.out.push('\n');
        page.heading(&environment.name);
        page.put(2, 4, &format!("scope {}", environment.scope));
        let read = match &environment.read {
            Err(why) => {
                page.painted(2, 4, &format!("not read: {why}"), &|line| paint.bad(line));
                continue;
            }
            Ok(read) => read,
        };
        page.put(2, 4, &format!("at {}, {}", read.gates.endpoint, read.gates.time));
        for (gate, _) in read.ways() {
            let stands = gate.stage.map_or("-", |_| gate.position.as_str());
            page.put(2, 4, &format!("{}: {stands}; {}", gate.name, super::next(gate)));
        }
        for (part, why) in read.failures() {
            page.painted(2, 4, &format!("{part} not read: {why}"), &|line| paint.bad(line));
        }
    }
    page.out
}
