//! A judgement as the annotations of a pipeline: commands in its log, shown at the line.

use super::consequence;
use crate::admission::report::{Finding, Object, Report, Verdict};
use crate::view::text::plain;
use std::fmt::Write as _;

/// How many of a sort a service shows of one step: what comes after is not looked at.
const MOST: usize = 10;

/// A service that shows annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// GitHub Actions.
    GitHub,
    /// Azure Pipelines.
    AzureDevOps,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
}

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

struct Annotation<'a> {
    level: Level,
    /// Empty if it is about no file.
    file: &'a str,
    /// Line, column and end of the column.
    place: Option<(usize, usize, Option<usize>)>,
    title: &'a str,
    message: &'a str,
}

fn put(out: &mut String, service: Service, wanted: &Annotation<'_>, (shown, left): (&mut usize, &mut usize)) {
    if *shown == MOST {
        *left += 1;
        return;
    }
    *shown += 1;
    let level = match wanted.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let mut properties: Vec<(&str, String)> = Vec::new();
    let (line, column) = match service {
        Service::GitHub => ("line", "col"),
        Service::AzureDevOps => ("linenumber", "columnnumber"),
    };
    if !wanted.file.is_empty() {
        let file = match service {
            Service::GitHub => "file",
            Service::AzureDevOps => "sourcepath",
        };
        properties.push((file, wanted.file.to_owned()));
        if let Some((at, from, to)) = wanted.place {
            properties.push((line, at.to_string()));
            properties.push((column, from.to_string()));
            if let (Some(to), Service::GitHub) = (to, service) {
                properties.push(("endColumn", to.to_string()));
            }
        }
    }
    match service {
        Service::GitHub => {
            properties.push(("title", wanted.title.to_owned()));
            let properties: Vec<String> = properties
                .iter()
                .map(|(name, value)| format!("{name}={}", github(value, true)))
                .collect();
            let _ = writeln!(
                out,
                "::{level} {}::{}",
                properties.join(","),
                github(wanted.message, false)
            );
        }
        Service::AzureDevOps => {
            properties.insert(0, ("type", level.to_owned()));
            properties.push(("code", wanted.title.to_owned()));
            let properties: String = properties
                .iter()
                .map(|(name, value)| format!("{name}={};", azure(value, true)))
                .collect();
            let _ = writeln!(out, "##vso[task.logissue {properties}]{}", azure(wanted.message, false));
        }
    }
}

fn github(text: &str, property: bool) -> String {
    let text = plain(text).replace('%', "%25");
    match property {
        true => text.replace(':', "%3A").replace(',', "%2C"),
        false => text,
    }
}

fn azure(text: &str, property: bool) -> String {
    let text = plain(text).replace('%', "%AZP25");
    match property {
        true => text.replace(';', "%3B").replace(']', "%5D"),
        false => text,
    }
}
