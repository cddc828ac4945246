//! A judgement of manifests, in every form that people and services read.

mod annotations;
mod human;
mod json;
mod junit;
mod markdown;
mod sarif;
#[cfg(test)]
mod tests;

pub use annotations::annotations;
pub use human::human;
pub use json::to_json;
pub use junit::to_junit;
pub use markdown::to_markdown;
pub use sarif::to_sarif;

use crate::admission::report::{Conclusion, Finding, Gap, Member, Object, Origin, Position, Report, Subject, Verdict};
use crate::view::text::counted;

/// Returns the words for a position of the gates, as a heading says them.
fn position(position: Position) -> &'static str {
    match position {
        Position::Now => "where its gates stand now",
        Position::Next => "after the next step of its gates",
        Position::Target => "with its gates at their targets",
    }
}

/// Returns what a finding comes to, such as `denied when its Pods are created`.
fn consequence(finding: &Finding) -> String {
    let subject = match finding.subject {
        Subject::Object => "",
        Subject::Pods => ", for its Pods",
    };
    let refused = match finding.subject {
        Subject::Object => "when it is applied",
        Subject::Pods => "when its Pods are created",
    };
    match finding.verdict {
        Verdict::Denied => format!("denied {refused}"),
        Verdict::DeniedNext => format!("let in now, denied {refused} after the gate's next step"),
        Verdict::DeniedAtTarget => format!("let in now, denied {refused} once the gate is at its target"),
        Verdict::Warned => format!("let in with a warning{subject}"),
        Verdict::Audited => format!("let in and recorded{subject}"),
    }
}

/// Returns the word that stands before a finding.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Denied => "DENIED",
        Verdict::DeniedNext => "NEXT",
        Verdict::DeniedAtTarget => "TARGET",
        Verdict::Warned => "warned",
        Verdict::Audited => "audited",
    }
}

/// Returns the heading of a column of counts.
fn heading(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Denied => "denied",
        Verdict::DeniedNext => "next",
        Verdict::DeniedAtTarget => "target",
        Verdict::Warned => "warned",
        Verdict::Audited => "audited",
    }
}

/// Returns the page where Azure shows a definition; none for a rule of our own.
fn help_uri(member: &Member) -> Option<String> {
    crate::model::is_guid(&member.definition).then(|| {
        format!(
            "https://portal.azure.com/#blade/Microsoft_Azure_Policy/PolicyDetailBlade/definitionId/%2Fproviders%2FMicrosoft.Authorization%2FpolicyDefinitions%2F{}",
            member.definition
        )
    })
}

/// Returns where a finding stands, as `file:line:column`.
fn place(object: &Object, finding: &Finding) -> String {
    format!("{}:{}:{}", object.file, finding.place.line, finding.place.column)
}

fn origin(report: &Report) -> String {
    match &report.origin {
        Origin::Estate => "the estate, as Azure resolves it".to_owned(),
        Origin::Cluster(file) => format!("a cluster, as `{file}` says"),
    }
}

/// Returns how many rules that deny there are.
fn rules_that_deny(count: usize) -> String {
    match count {
        1 => "1 rule that denies".to_owned(),
        count => format!("{count} rules that deny"),
    }
}

/// Returns what is not evaluated of a member, in one sentence.
fn gap(gap: &Gap<'_>) -> String {
    let objects = match gap.objects {
        None => String::new(),
        Some(0) => " (no object here is one that it judges)".to_owned(),
        Some(count) => format!(" ({})", counted(count, "object")),
    };
    let weight = match (gap.denies, gap.allowed) {
        (false, _) => "",
        (true, false) => "; it denies, so this is no pass",
        (true, true) => "; it denies, and `--allow-not-evaluated` lets that be",
    };
    format!("{}{objects}{weight}", gap.reason)
}

/// Returns what was filled in as an API server does, one line each.
fn defaults(report: &Report) -> Vec<String> {
    let acted: Vec<String> = report
        .defaults
        .iter()
        .map(|(name, count)| match count {
            0 => (*name).to_owned(),
            count => format!("{name} ({count})"),
        })
        .collect();
    let mut lines = Vec::new();
    if !acted.is_empty() {
        lines.push(format!(
            "defaults of an API server in force, with how many objects each changed: {}",
            acted.join(", ")
        ));
    }
    if !report.without.is_empty() {
        lines.push(format!("switched off: {}", report.without.join(", ")));
    }
    lines.extend(report.assumptions.iter().cloned());
    lines
}

/// Returns the last line: what came of it.
fn closing(report: &Report) -> String {
    let objects = counted(report.judged, "object");
    let refused = report
        .objects
        .iter()
        .filter(|judged| judged.findings.iter().any(|finding| finding.verdict == Verdict::Denied))
        .count();
    let denied = match report.count(Verdict::Denied) {
        0 => format!("nothing is denied of {objects}"),
        // What was not kept with its words is not known by object.
        count if report.omitted > 0 => format!("{count} times denied, of {objects}"),
        _ => format!("{} of {objects} denied", refused),
    };
    let later = report.count(Verdict::DeniedNext) + report.count(Verdict::DeniedAtTarget);
    let later = match later {
        0 => String::new(),
        1 => ", 1 more denial to come".to_owned(),
        count => format!(", {count} more denials to come"),
    };
    let gaps = report.not_evaluated();
    let open = gaps.iter().filter(|gap| gap.is_open()).count();
    let accepted = gaps.iter().filter(|gap| gap.denies && gap.allowed).count();
    let accepted = match accepted {
        0 => String::new(),
        count => format!("; not evaluated, which is accepted: {}", rules_that_deny(count)),
    };
    match report.conclusion() {
        Conclusion::Unread if report.judged == 0 => "No pass: no Kubernetes object was found.".to_owned(),
        Conclusion::Unread => format!(
            "No pass: {} could not be read; {denied}{later}.",
            counted(report.unread.len(), "document")
        ),
        Conclusion::Incomplete => format!(
            "No pass: {} could not be evaluated; {denied}{later}.",
            rules_that_deny(open)
        ),
        Conclusion::Denied => format!("No pass: {denied}{later}{accepted}."),
        Conclusion::Clean => format!("Done: {denied}{later}{accepted}."),
    }
}
