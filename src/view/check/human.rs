//! A judgement for a terminal.

use super::{closing, consequence, counted, defaults, gap, heading, origin, place, position, word};
use crate::admission::report::{Conclusion, Judged, Report, Verdict};
use crate::view::page::{Layout, Page};
use crate::view::text::{Paint, plain};
use std::fmt::Write as _;

/// A narrower terminal has no room for the table of counts.
const TABLE_WIDTH: usize = 96;
/// How many skipped documents are named where nobody asked for more.
const SKIPPED: usize = 5;

/// Returns the judgement for a terminal; `verbose` names every document that was skipped.
pub fn human(report: &Report, layout: Layout, verbose: bool) -> String {
    let mut page = Page::new(layout);
    page.heading(&format!(
        "Check for {}, {}",
        report.environment,
        position(report.position)
    ));
    page.put(
        2,
        4,
        &format!(
            "{} in {}",
            counted(report.judged, "object"),
            counted(report.files, "file")
        ),
    );
    page.put(2, 4, &format!("rules of {}", origin(report)));
    for judged in &report.objects {
        page.out.push('\n');
        object(&mut page, report, judged);
    }
    if report.omitted > 0 {
        page.out.push('\n');
        let text = format!(
            "{} more are counted below and not listed",
            counted(report.omitted, "finding")
        );
        page.painted(0, 2, &text, &|line| layout.paint.notice(line));
    }
    page.out.push('\n');
    counts(&mut page, report);
    let gaps = report.not_evaluated();
    if !gaps.is_empty() {
        page.out.push('\n');
        page.heading("Not evaluated");
        for found in &gaps {
            let text = format!("{}: {}", found.member.id(), gap(found));
            page.painted(2, 4, &text, &|line| match found.is_open() {
                true => layout.paint.bad(line),
                false => layout.paint.notice(line),
            });
        }
    }
    if report.skipped_count > 0 {
        page.out.push('\n');
        page.heading(&format!(
            "Skipped: {}, no Kubernetes objects",
            counted(report.skipped_count, "document")
        ));
        let named = if verbose { report.skipped.len() } else { SKIPPED };
        for skipped in report.skipped.iter().take(named) {
            page.put(2, 4, &format!("{}:{}: {}", skipped.file, skipped.line, skipped.reason));
        }
        match report.skipped_count.saturating_sub(named.min(report.skipped.len())) {
            0 => {}
            more if verbose => page.put(2, 4, &format!("and {more} more")),
            more => page.put(2, 4, &format!("and {more} more (--verbose names them)")),
        }
    }
    let lines = defaults(report);
    if !lines.is_empty() {
        page.out.push('\n');
        page.heading("Taken for granted");
        for line in &lines {
            page.put(2, 4, line);
        }
    }
    page.out.push('\n');
    let gap_accepted = gaps.iter().any(|gap| gap.denies);
    page.painted(0, 2, &closing(report), &|line| match report.conclusion() {
        Conclusion::Clean if !gap_accepted => layout.paint.bold(line),
        Conclusion::Clean => layout.paint.notice(line),
        _ => layout.paint.bad(line),
    });
    page.out
}

fn object(page: &mut Page, report: &Report, judged: &Judged) {
    let at = format!("{}:{}", judged.object.file, judged.object.line);
    page.heading(&format!("{} ({at})", judged.object));
    for finding in &judged.findings {
        let Some(member) = report.members.get(finding.member) else {
            continue;
        };
        let paint = page.layout.paint;
        let title = format!(
            "{:<7} {} - {}",
            word(finding.verdict),
            member.id(),
            consequence(finding)
        );
        page.painted(2, 10, &title, &|line| painted(paint, finding.verdict, line));
        page.put(10, 12, &finding.message);
        if !finding.place.path.is_empty() {
            let text = format!("{} ({})", finding.place.path, place(&judged.object, finding));
            page.painted(10, 12, &text, &|line| paint.faint(line));
        }
    }
}

fn painted(paint: Paint, verdict: Verdict, line: &str) -> String {
    match verdict {
        Verdict::Denied => paint.bad(line),
        Verdict::DeniedNext | Verdict::DeniedAtTarget | Verdict::Warned => paint.notice(line),
        Verdict::Audited => paint.faint(line),
    }
}

fn counts(page: &mut Page, report: &Report) {
    let width = page.layout.width;
    let longest = report
        .gates
        .iter()
        .map(|gate| gate.name.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let stage = |gate: &crate::admission::report::Gate| {
        let stage = gate.stages.get(report.position);
        stage.map_or("?".to_owned(), |stage| stage.to_string())
    };
    if width > 0 && width < TABLE_WIDTH.max(longest + 70) {
        for gate in &report.gates {
            let counts = &gate.counts;
            let verdicts = Verdict::ALL
                .iter()
                .map(|verdict| (counts.of(*verdict), heading(*verdict)));
            let rest = [(counts.allowed, "allowed"), (counts.not_evaluated, "not evaluated")];
            let shown: Vec<String> = verdicts
                .chain(rest)
                .filter(|(count, _)| *count > 0)
                .map(|(count, name)| format!("{count} {name}"))
                .collect();
            let shown = if shown.is_empty() {
                "not asked".to_owned()
            } else {
                shown.join(", ")
            };
            page.put(2, 4, &format!("{} ({}): {shown}", gate.name, stage(gate)));
        }
        return;
    }
    let _ = write!(page.out, "  {:<longest$}  {:<6}", "gate", "stage");
    for verdict in Verdict::ALL {
        let _ = write!(page.out, "{:>9}", heading(verdict));
    }
    let _ = writeln!(page.out, "{:>9}{:>15}", "allowed", "not evaluated");
    for gate in &report.gates {
        let _ = write!(page.out, "  {:<longest$}  {:<6}", plain(&gate.name), stage(gate));
        for verdict in Verdict::ALL {
            let _ = write!(page.out, "{:>9}", gate.counts.of(verdict));
        }
        let _ = writeln!(page.out, "{:>9}{:>15}", gate.counts.allowed, gate.counts.not_evaluated);
    }
}
