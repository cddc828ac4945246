//! A judgement as the annotations of a pipeline: commands in its log, shown at the line.

use super::consequence;
use crate::admission::report::{Finding, Object, Report, Verdict};
use crate::view::service::{Annotation, Level, Service};
use std::fmt::Write as _;

/// How many of a sort a service shows of one step: what comes after is not looked at.
const MOST: usize = 10;

/// Returns the commands; what no command is left for is told in a last line.
pub fn annotations(report: &Report, service: Service) -> String {
    let mut out = String::new();
    let mut left = 0;
    for level in [Level::Error, Level::Warning] {
        let mut shown = 0;
        for mistake in report.unread.iter().filter(|_| level == Level::Error) {
            let place = mistake.span.map(|span| (span.line, span.column, None));
            let message = format!("{}: {}", mistake.summary, mistake.label);
            let wanted = Annotation {
                level,
                file: &mistake.file,
                place,
                title: "not read",
                message: &message,
            };
            put(&mut out, service, &wanted, (&mut shown, &mut left));
        }
        for gap in report.not_evaluated().iter().filter(|gap| gap.denies) {
            if (level == Level::Error) == gap.is_open() {
                let message = super::gap(gap);
                let title = format!("{}: not evaluated", gap.member.id());
                let wanted = Annotation {
                    level,
                    file: "",
                    place: None,
                    title: &title,
                    message: &message,
                };
                put(&mut out, service, &wanted, (&mut shown, &mut left));
            }
        }
        // The gravest first: there is room for a few only.
        let mut findings: Vec<(&Object, &Finding)> = report
            .findings()
            .filter(|(_, finding)| (finding.verdict == Verdict::Denied) == (level == Level::Error))
            .filter(|(_, finding)| finding.verdict != Verdict::Audited)
            .collect();
        findings.sort_by_key(|(_, finding)| finding.verdict);
        for (object, finding) in findings {
            let title = report
                .members
                .get(finding.member)
                .map(|member| member.id())
                .unwrap_or_default();
            let message = format!("{object}: {}: {}", consequence(finding), finding.message);
            let place = &finding.place;
            let wanted = Annotation {
                level,
                file: if object.file == "-" { "" } else { &object.file },
                place: Some((place.line, place.column, place.end_column)),
                title: &title,
                message: &message,
            };
            put(&mut out, service, &wanted, (&mut shown, &mut left));
        }
    }
    if left + report.omitted > 0 {
        let _ = writeln!(out, "{} more are not shown as annotations", left + report.omitted);
    }
    out
}

fn put(out: &mut String, service: Service, wanted: &Annotation<'_>, (shown, left): (&mut usize, &mut usize)) {
    if *shown == MOST {
        *left += 1;
        return;
    }
    *shown += 1;
    let _ = writeln!(out, "{}", service.annotation(wanted));
}
