//! A judgement for a pull request or a job summary.

use super::{closing, consequence, counted, defaults, gap, heading, origin, place, position};
use crate::admission::report::{Judged, Report, Verdict};
use crate::view::text::{code, markdown, plain};
use std::fmt::Write as _;

/// How many objects are told in full: a comment has a longest length.
const OBJECTS: usize = 100;

/// Returns the judgement for a pull request: the counts first, details folded.
pub fn to_markdown(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "## Check for {}, {}\n\n**{}**\n",
        markdown(&report.environment),
        position(report.position),
        markdown(&closing(report))
    );
    let _ = write!(out, "| gate | stage |");
    for verdict in Verdict::ALL {
        let _ = write!(out, " {} |", heading(verdict));
    }
    let _ = writeln!(
        out,
        " allowed | not evaluated |\n|---|---|---:|---:|---:|---:|---:|---:|---:|"
    );
    for gate in &report.gates {
        let stage = gate.stages.get(report.position);
        let _ = write!(
            out,
            "| {} | {} |",
            markdown(&gate.name),
            stage.map_or("?".to_owned(), |stage| stage.to_string())
        );
        for verdict in Verdict::ALL {
            let _ = write!(out, " {} |", gate.counts.of(verdict));
        }
        let _ = writeln!(out, " {} | {} |", gate.counts.allowed, gate.counts.not_evaluated);
    }
    for mistake in &report.unread {
        let line = mistake.span.map(|span| format!(":{}", span.line)).unwrap_or_default();
        let _ = writeln!(
            out,
            "\n- **not read**: {} {} {}",
            code(&format!("{}{line}", mistake.file)),
            markdown(&mistake.summary),
            markdown(&mistake.label)
        );
    }
    for judged in report.objects.iter().take(OBJECTS) {
        object(&mut out, report, judged);
    }
    let more = report.objects.len().saturating_sub(OBJECTS);
    if more > 0 || report.omitted > 0 {
        let _ = writeln!(
            out,
            "\n{} with findings and {} more are counted above and not listed.",
            counted(more, "object"),
            counted(report.omitted, "finding")
        );
    }
    let gaps = report.not_evaluated();
    if !gaps.is_empty() {
        let _ = writeln!(out, "\n### Not evaluated\n");
        for found in &gaps {
            let mark = if found.denies { "**no pass**: " } else { "" };
            let _ = writeln!(out, "- {mark}{}: {}", code(&found.member.id()), markdown(&gap(found)));
        }
    }
    if report.skipped_count > 0 {
        let _ = writeln!(
            out,
            "\n<details><summary>{} skipped: no Kubernetes objects</summary>\n",
            counted(report.skipped_count, "document")
        );
        for skipped in report.skipped.iter().take(OBJECTS) {
            let place = format!("{}:{}", skipped.file, skipped.line);
            let _ = writeln!(out, "- {}: {}", code(&place), markdown(&skipped.reason));
        }
        let _ = writeln!(out, "\n</details>");
    }
    let lines = defaults(report);
    if !lines.is_empty() {
        let _ = writeln!(out, "\n<details><summary>Taken for granted</summary>\n");
        for line in &lines {
            let _ = writeln!(out, "- {}", markdown(line));
        }
        let _ = writeln!(out, "\n</details>");
    }
    let _ = writeln!(
        out,
        "\n{} in {}; rules of {}.",
        counted(report.judged, "object"),
        counted(report.files, "file"),
        markdown(&origin(report))
    );
    out
}

fn object(out: &mut String, report: &Report, judged: &Judged) {
    let html = |text: &str| {
        plain(text)
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let worst = judged.findings.iter().map(|finding| finding.verdict).min();
    let worst = worst.map_or("", |verdict| match verdict {
        Verdict::Denied => "denied",
        Verdict::DeniedNext => "denied after the next step",
        Verdict::DeniedAtTarget => "denied at the target",
        Verdict::Warned => "warned",
        Verdict::Audited => "audited",
    });
    let _ = writeln!(
        out,
        "\n<details><summary>{worst}: <code>{}</code> in <code>{}:{}</code></summary>\n",
        html(&judged.object.to_string()),
        html(&judged.object.file),
        judged.object.line
    );
    for finding in &judged.findings {
        let Some(member) = report.members.get(finding.member) else {
            continue;
        };
        let field = match finding.place.path.as_str() {
            "" => String::new(),
            path => format!(" {}", code(path)),
        };
        let _ = writeln!(
            out,
            "- {} {}: {}{field} ({})",
            code(&member.id()),
            markdown(&consequence(finding)),
            markdown(&finding.message),
            markdown(&place(&judged.object, finding))
        );
    }
    let _ = writeln!(out, "\n</details>");
}
