//! A preflight as text for a terminal, as Markdown, and as JSON.

use super::text::{Paint, code, columns, markdown, plain, wrap};
use crate::preflight::{Area, Check, Note, Preflight, Status};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// How a preflight is shown to a person.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Colour or none.
    pub paint: Paint,
    /// Columns; 0 wraps nothing.
    pub width: usize,
    /// Whether what is well is listed too, and every place.
    pub verbose: bool,
}

/// Checks that say the same of several places.
struct Group<'a> {
    first: &'a Check,
    scopes: Vec<&'a str>,
}

/// How many places of a group are named.
const PLACES: usize = 3;

/// A narrower terminal has no room for the table of counts.
const TABLE_WIDTH: usize = 56;

/// Returns the last line of a preflight: what came of it, in one sentence.
fn closing(preflight: &Preflight) -> String {
    let steps = match preflight.pending {
        None => "the plan could not be made".to_owned(),
        Some(0) => "the plan has nothing to do".to_owned(),
        Some(1) => "the plan has 1 step".to_owned(),
        Some(count) => format!("the plan has {count} steps"),
    };
    let count = |status| preflight.count(None, status);
    let warnings = match count(Status::Warning) {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        count => format!(", {count} warnings"),
    };
    if preflight.is_ready() {
        return format!("Ready: nothing is missing{warnings}; {steps}.");
    }
    let unknown = match count(Status::Unknown) {
        0 => String::new(),
        count => format!(" and {count} not known, which counts as missing"),
    };
    format!(
        "Not ready: {} missing{unknown}{warnings}; {steps}.",
        count(Status::Missing)
    )
}

/// Returns the preflight for a terminal.
pub fn human(preflight: &Preflight, layout: Layout) -> String {
    let mut out = String::new();
    let paint = layout.paint;
    let target = &preflight.target;
    let title = format!("Preflight for {}", plain(&target.environment));
    let _ = writeln!(out, "{}", paint.bold(&title));
    put(
        &mut out,
        layout,
        2,
        &format!("scope {}, tenant {}", plain(&target.scope), plain(&target.tenant)),
    );
    put(&mut out, layout, 2, &format!("at {}", plain(&target.endpoint)));
    out.push('\n');
    counts(&mut out, preflight, layout);
    for area in Area::ALL {
        let shown = |check: &&Check| check.area == area && (check.status != Status::Ok || layout.verbose);
        let groups = grouped(preflight.checks.iter().filter(shown));
        if groups.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{}", paint.bold(area.name()));
        for group in groups {
            human_group(&mut out, &group, layout);
        }
    }
    if !preflight.notes.is_empty() {
        let _ = writeln!(out, "\n{}", paint.bold("Not looked at"));
        for note in &preflight.notes {
            put(&mut out, layout, 2, &sentence(note));
        }
    }
    out.push('\n');
    put_as(&mut out, layout, 0, &closing(preflight), &|line| paint.bold(line));
    out
}

fn sentence(note: &Note) -> String {
    format!("{}: {}", plain(&note.subject), plain(&note.sentence))
}

fn counts(out: &mut String, preflight: &Preflight, layout: Layout) {
    let areas = Area::ALL.into_iter().filter(|area| {
        let any = Status::ALL
            .iter()
            .any(|status| preflight.count(Some(*area), *status) > 0);
        any || !matches!(area, Area::Plan)
    });
    if layout.width > 0 && layout.width < TABLE_WIDTH {
        for area in areas {
            let counts: Vec<String> = Status::ALL
                .into_iter()
                .map(|status| (preflight.count(Some(area), status), status))
                .filter(|(count, _)| *count > 0)
                .map(|(count, status)| format!("{count} {}", status.name()))
                .collect();
            let counts = if counts.is_empty() {
                "nothing".to_owned()
            } else {
                counts.join(", ")
            };
            put(out, layout, 2, &format!("{}: {counts}", area.name()));
        }
        return;
    }
    let _ = write!(out, "  {:<14}", "");
    for status in Status::ALL {
        let _ = write!(out, "{:>9}", status.name());
    }
    out.push('\n');
    for area in areas {
        let _ = write!(out, "  {:<14}", area.name());
        for status in Status::ALL {
            let _ = write!(out, "{:>9}", preflight.count(Some(area), status));
        }
        out.push('\n');
    }
}

fn grouped<'a>(checks: impl Iterator<Item = &'a Check>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for check in checks {
        let same = |group: &&mut Group<'_>| {
            let first = group.first;
            (first.area, first.status, &first.subject, &first.detail)
                == (check.area, check.status, &check.subject, &check.detail)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.scopes.push(&check.scope),
            None => groups.push(Group {
                first: check,
                scopes: vec![&check.scope],
            }),
        }
    }
    groups
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Unknown => "NOT KNOWN",
        Status::Missing => "MISSING",
    }
}

/// The place without what every place of its sort begins with.
fn place(scope: &str) -> String {
    let short = scope.strip_prefix("/providers/Microsoft.Management/").unwrap_or(scope);
    plain(short.trim_start_matches('/'))
}

fn human_group(out: &mut String, group: &Group<'_>, layout: Layout) {
    let paint = layout.paint;
    let check = group.first;
    let title = format!("{} {}", word(check.status), plain(&check.subject));
    let painted = |line: &str| match check.status {
        Status::Ok => paint.good(line),
        Status::Warning => paint.notice(line),
        Status::Unknown | Status::Missing => paint.bad(line),
    };
    put_as(out, layout, 2, &title, &painted);
    let named = if layout.verbose { group.scopes.len() } else { PLACES };
    for scope in group.scopes.iter().take(named) {
        put_as(out, layout, 6, &format!("at {}", place(scope)), &|line| {
            paint.faint(line)
        });
    }
    if group.scopes.len() > named {
        let more = format!("and {} places more (--verbose names them)", group.scopes.len() - named);
        put_as(out, layout, 6, &more, &|line| paint.faint(line));
    }
    put(out, layout, 6, &plain(&check.detail));
    if let Some(advice) = &check.advice {
        put(out, layout, 6, &format!("do: {}", plain(advice)));
    }
}

fn put(out: &mut String, layout: Layout, indent: usize, text: &str) {
    put_as(out, layout, indent, text, &str::to_owned);
}

/// Writes a text with an indent, each line painted; what does not fit goes on below, two columns further in.
fn put_as(out: &mut String, layout: Layout, indent: usize, text: &str, paint: &dyn Fn(&str) -> String) {
    let width = if layout.width == 0 {
        0
    } else {
        layout.width.saturating_sub(indent).max(16)
    };
    for line in wrap(text, width, 2) {
        let text = line.trim_start();
        let margin = indent + columns(&line) - columns(text);
        let _ = writeln!(out, "{:margin$}{}", "", paint(text));
    }
}

/// Returns the preflight for a pull request or a job summary.
pub fn to_markdown(preflight: &Preflight) -> String {
    let mut out = String::new();
    let target = &preflight.target;
    let _ = writeln!(out, "## Preflight for {}\n", markdown(&target.environment));
    let _ = writeln!(out, "**{}**\n", markdown(&closing(preflight)));
    let _ = writeln!(out, "| | ok | warning | unknown | missing |\n|---|---:|---:|---:|---:|");
    for area in Area::ALL {
        let counts: Vec<String> = Status::ALL
            .into_iter()
            .map(|status| preflight.count(Some(area), status).to_string())
            .collect();
        let _ = writeln!(out, "| {} | {} |", area.name(), counts.join(" | "));
    }
    let groups = grouped(preflight.checks.iter().filter(|check| check.status != Status::Ok));
    if !groups.is_empty() {
        let _ = writeln!(out, "\n| | what | where | found | what to do |\n|---|---|---|---|---|");
    }
    for group in groups {
        let check = group.first;
        let mut places: Vec<String> = group
            .scopes
            .iter()
            .take(PLACES)
            .map(|scope| code(&place(scope)))
            .collect();
        if group.scopes.len() > PLACES {
            places.push(format!("and {} more", group.scopes.len() - PLACES));
        }
        let advice = check.advice.as_deref().map(markdown).unwrap_or_default();
        let _ = writeln!(
            out,
            "| **{}** | {} | {} | {} | {advice} |",
            check.status.name(),
            code(&check.subject),
            places.join(", "),
            markdown(&check.detail)
        );
    }
    if !preflight.notes.is_empty() {
        let _ = writeln!(out, "\n### Not looked at\n");
        for note in &preflight.notes {
            let _ = writeln!(out, "- {}: {}", markdown(&note.subject), markdown(&note.sentence));
        }
    }
    let _ = writeln!(
        out,
        "\nScope {}, tenant {}, at {}.",
        code(&target.scope),
        code(&target.tenant),
        code(&target.endpoint)
    );
    out
}

/// Returns the preflight as a JSON document.
pub fn to_json(preflight: &Preflight, outcome: &str, exit_code: u8) -> Value {
    let target = &preflight.target;
    let summary: Map<String, Value> = Status::ALL
        .into_iter()
        .map(|status| (status.name().to_owned(), preflight.count(None, status).into()))
        .collect();
    let check = |check: &Check| {
        json!({"area": check.area.name(), "status": check.status.name(), "subject": check.subject, "scope": check.scope,
               "detail": check.detail, "advice": check.advice})
    };
    json!({
        "formatVersion": 1,
        "command": "preflight",
        "outcome": outcome,
        "exitCode": exit_code,
        "environment": target.environment,
        "scope": target.scope,
        "tenant": target.tenant,
        "endpoint": target.endpoint,
        "pendingSteps": preflight.pending,
        "summary": summary,
        "checks": preflight.checks.iter().map(check).collect::<Vec<_>>(),
        "notLookedAt": preflight.notes.iter().map(|note| json!({"subject": note.subject, "sentence": note.sentence})).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Target;

    fn check(area: Area, status: Status, subject: &str, scope: &str) -> Check {
        Check {
            area,
            status,
            subject: subject.to_owned(),
            scope: scope.to_owned(),
            detail: "needed to create policy assignment; none of your roles has it".to_owned(),
            advice: Some("have `Resource Policy Contributor` assigned".to_owned()),
        }
    }

    fn preflight() -> Preflight {
        let group = "/providers/Microsoft.Management/managementGroups/contoso-prod";
        let write = "Microsoft.Authorization/policyAssignments/write";
        let mut checks = vec![
            check(Area::Permissions, Status::Ok, "a", group),
            check(
                Area::Providers,
                Status::Unknown,
                "Microsoft.Security\u{1b}[31m",
                "/subscriptions/s|`x`",
            ),
        ];
        checks.extend((0..5).map(|n| check(Area::Permissions, Status::Missing, write, &format!("{group}/{n}"))));
        let target = Target {
            environment: "prod".to_owned(),
            scope: "managementGroups/contoso-prod".to_owned(),
            tenant: "11111111-1111-4111-8111-111111111111".to_owned(),
            endpoint: "https://management.azure.com".to_owned(),
        };
        let note = Note {
            subject: "permissions".to_owned(),
            sentence: "conditions are not in this answer".to_owned(),
        };
        Preflight::new(target, Some(1), checks, vec![note])
    }

    fn shown(width: usize, verbose: bool) -> String {
        let paint = Paint { colour: false };
        human(&preflight(), Layout { paint, width, verbose })
    }

    #[test]
    fn a_narrow_terminal_has_no_line_that_is_too_long() {
        for width in [24, 40, 60, 80, 120] {
            let text = shown(width, true);
            for line in text.lines() {
                assert!(columns(line) <= width, "{width}: {line:?}");
            }
            assert!(!text.contains('\u{1b}'), "{text}");
        }
        assert!(
            shown(40, false).contains("  permissions: 1 ok, 5 missing\n"),
            "{}",
            shown(40, false)
        );
    }

    #[test]
    fn places_of_which_the_same_is_said_stand_together() {
        let text = shown(0, false);
        assert_eq!(text.matches("MISSING").count(), 1, "{text}");
        assert!(text.contains("and 2 places more (--verbose names them)"), "{text}");
        assert_eq!(
            shown(0, true)
                .matches("      at managementGroups/contoso-prod/")
                .count(),
            5
        );
        assert!(
            text.ends_with("\nNot ready: 5 missing and 1 not known, which counts as missing; the plan has 1 step.\n")
        );
        let document = to_json(&preflight(), "missing", 2);
        assert_eq!(
            document["checks"].as_array().unwrap().len(),
            7,
            "all of them, for programs"
        );
        assert_eq!(
            document["summary"],
            json!({"ok": 1, "warning": 0, "unknown": 1, "missing": 5})
        );
    }

    #[test]
    fn markdown_is_a_table_that_nothing_breaks() {
        let text = to_markdown(&preflight());
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| **")).collect();
        assert_eq!(rows.len(), 2, "{text}");
        for row in rows {
            let cells = row.replace("\\|", "").matches('|').count();
            assert_eq!(cells, 6, "{row}");
        }
    }
}
