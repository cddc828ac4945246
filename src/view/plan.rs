//! A plan as text for a terminal, as Markdown, and as JSON.

use super::text::{Paint, code, columns, markdown, plain, value, wrap};
use crate::catalog::Catalog;
use crate::diff::{FieldChange, changes};
use crate::kinds::{Direction, Plane};
use crate::model::ResourceId;
use crate::plan::{Action, Held, Plan, Reason, Step, file};
use serde_json::{Value, json};
use similar::TextDiff;
use std::fmt::Write as _;

/// How a plan is shown to a person.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Colour or none.
    pub paint: Paint,
    /// Columns; 0 wraps nothing.
    pub width: usize,
    /// Whether steps that change nothing are listed too.
    pub verbose: bool,
}

/// Returns the plan for a terminal.
pub fn human(plan: &Plan, layout: Layout) -> String {
    let mut out = String::new();
    let paint = layout.paint;
    let header = &plan.header;
    let title = format!("Plan {} for {}", plain(&header.plan_id), plain(&header.environment));
    let _ = writeln!(out, "{}", paint.bold(&title));
    for line in [
        format!("scope {}, tenant {}", plain(&header.scope), plain(&header.tenant)),
        format!("at {}", plain(&header.endpoint)),
        format!("made {}, valid until {}", header.time, header.expires),
    ] {
        put(&mut out, layout, 2, &line);
    }
    out.push('\n');
    summary_table(&mut out, plan, layout);
    for plane in Plane::ALL {
        let steps: Vec<&Step> = plan
            .steps
            .iter()
            .filter(|step| step.kind.plane() == plane && (step.is_pending() || layout.verbose))
            .collect();
        if steps.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{}", paint.bold(plane.label()));
        for step in steps {
            human_step(&mut out, step, layout);
        }
    }
    if !plan.held.is_empty() {
        out.push('\n');
        put_as(
            &mut out,
            layout,
            0,
            2,
            "Held: cannot be done now, and is not pending",
            &|line| paint.bold(line),
        );
        for held in &plan.held {
            put_as(&mut out, layout, 2, 2, &held_title(held), &|line| paint.notice(line));
            for reason in &held.reasons {
                let text = format!("{:<10}{}", plain(&reason.guard), reason_text(reason));
                put_as(&mut out, layout, 4, 10, &text, &str::to_owned);
            }
        }
    }
    if !plan.findings.is_empty() {
        let _ = writeln!(out, "\n{}", paint.bold("To know"));
        for finding in &plan.findings {
            put(
                &mut out,
                layout,
                2,
                &format!("{}: {}", plain(&finding.subject), plain(&finding.sentence)),
            );
        }
    }
    out.push('\n');
    put_as(&mut out, layout, 0, 0, &closing(plan), &|line| paint.bold(line));
    out
}

fn put(out: &mut String, layout: Layout, indent: usize, text: &str) {
    put_as(out, layout, indent, 2, text, &str::to_owned);
}

/// Writes a text with an indent, each line painted; what does not fit goes on below, `hang` columns further in.
fn put_as(out: &mut String, layout: Layout, indent: usize, hang: usize, text: &str, paint: &dyn Fn(&str) -> String) {
    let width = if layout.width == 0 {
        0
    } else {
        layout.width.saturating_sub(indent).max(16)
    };
    for line in wrap(text, width, hang) {
        let text = line.trim_start();
        let margin = indent + columns(&line) - columns(text);
        let _ = writeln!(out, "{:margin$}{}", "", paint(text));
    }
}

fn summary_table(out: &mut String, plan: &Plan, layout: Layout) {
    if layout.width > 0 && layout.width < 74 {
        for plane in Plane::ALL {
            let counts: Vec<String> = Action::ALL
                .into_iter()
                .map(|action| (plan.count(plane, action), action))
                .filter(|(count, _)| *count > 0)
                .map(|(count, action)| format!("{count} {action}"))
                .chain(match held_in(plan, plane) {
                    0 => None,
                    held => Some(format!("{held} held")),
                })
                .collect();
            let counts = if counts.is_empty() {
                "nothing".to_owned()
            } else {
                counts.join(", ")
            };
            put(out, layout, 2, &format!("{}: {counts}", plane.label()));
        }
        return;
    }
    let _ = write!(out, "  {:<24}", "");
    for action in Action::ALL {
        let _ = write!(out, "{:>8}", action.name());
    }
    let _ = writeln!(out, "{:>7}", "held");
    for plane in Plane::ALL {
        let _ = write!(out, "  {:<24}", plane.label());
        for action in Action::ALL {
            let _ = write!(out, "{:>8}", plan.count(plane, action));
        }
        let _ = writeln!(out, "{:>7}", held_in(plan, plane));
    }
}

fn held_in(plan: &Plan, plane: Plane) -> usize {
    plan.held.iter().filter(|held| held.plane == plane).count()
}

fn sign(action: Action) -> &'static str {
    match action {
        Action::Create => "+",
        Action::Update => "~",
        Action::Replace => "-/+",
        Action::Delete => "-",
        Action::NoOp => "=",
    }
}

fn human_step(out: &mut String, step: &Step, layout: Layout) {
    let paint = layout.paint;
    let action = format!("{} {}", sign(step.action), step.action);
    let action = match step.action {
        Action::Create => paint.good(&action),
        Action::Delete => paint.bad(&action),
        Action::Update | Action::Replace => paint.notice(&action),
        Action::NoOp => paint.faint(&action),
    };
    let direction = match (step.is_pending(), step.direction) {
        (false, _) => String::new(),
        (true, Direction::Weakens) => format!("  {}", paint.bad("WEAKENS")),
        (true, direction) => format!("  {}", paint.faint(direction.name())),
    };
    let name = plain(&object_name(step));
    let length = columns(step.action.name()) + columns(step.kind.label()) + columns(&name) + 9;
    if layout.width > 0 && length + 12 > layout.width {
        let _ = writeln!(out, "  {action} {}{direction}", step.kind.label());
        put_as(out, layout, 6, 2, &name, &|line| paint.bold(line));
    } else {
        let _ = writeln!(out, "  {action} {} {}{direction}", step.kind.label(), paint.bold(&name));
    }
    if !step.is_pending() {
        return;
    }
    let mut about: Vec<String> = Vec::new();
    about.extend(step.gate.as_deref().map(|gate| format!("gate {}", plain(gate))));
    about.push(format!("at {}", plain(&place(&step.object))));
    put_as(out, layout, 6, 2, &about.join(", "), &|line| paint.faint(line));
    if let Some(reason) = &step.reason {
        put(out, layout, 6, &format!("because {}", plain(reason)));
    }
    if step.action == Action::Delete {
        return;
    }
    for line in change_lines(step) {
        let text = format!("{} {}", line.sign, line.text);
        let painted = |text: &str| match line.sign {
            '+' => paint.good(text),
            '-' => paint.bad(text),
            _ => paint.notice(text),
        };
        put_as(out, layout, 6, 4, &text, &painted);
    }
}

/// The name that a person knows the object by: a cluster's or a subscription's own, else the resource's.
fn object_name(step: &Step) -> String {
    match step.object.value_of("managedClusters") {
        Some(cluster) => cluster.to_owned(),
        None => step.object.name().to_owned(),
    }
}

/// The scope that an object stands at, or the resource group of a cluster.
fn place(object: &ResourceId) -> String {
    let scope = object.scope();
    let scope = scope.strip_prefix("/providers/Microsoft.Management/").unwrap_or(scope);
    scope.trim_start_matches('/').to_owned()
}

struct Line {
    sign: char,
    text: String,
}

/// The fields that change, one a line; texts that are long or have several lines as a diff of their own.
fn change_lines(step: &Step) -> Vec<Line> {
    let after = step.after.clone().unwrap_or_default();
    let mut lines = Vec::new();
    let found = match &step.before {
        Some(before) => changes(before, &after),
        None => leaves(&after),
    };
    for change in found {
        field_lines(&change, &mut lines);
    }
    lines
}

/// The fields of a new object: values that fit on a line stay whole.
fn leaves(after: &Value) -> Vec<FieldChange> {
    fn walk(path: &str, value: &Value, found: &mut Vec<FieldChange>) {
        let short = value.to_string().len() <= 72 && !path.is_empty() && path != "properties";
        match value {
            Value::Object(map) if !short && !map.is_empty() => {
                for (key, value) in map {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    walk(&path, value, found);
                }
            }
            _ => found.push(FieldChange {
                path: path.to_owned(),
                before: None,
                after: Some(value.clone()),
            }),
        }
    }
    let mut found = Vec::new();
    walk("", after, &mut found);
    found
}

/// The title of the built-in that an id names, for a reader who does not know GUIDs by heart.
fn title(value: &Value) -> Option<String> {
    // Only what Microsoft brings has no scope; a set of somebody's own may have a built-in's name.
    let (kind, name) = value
        .as_str()?
        .strip_prefix("/providers/microsoft.authorization/")?
        .rsplit_once('/')?;
    let catalog = Catalog::embedded();
    let title = match kind.rsplit('/').next()? {
        "policydefinitions" => catalog.definition(name).map(|found| found.display_name.as_str()),
        "policysetdefinitions" => catalog.initiative(name).map(|found| found.display_name.as_str()),
        _ => None,
    };
    title.map(|title| format!("  # {}", plain(title)))
}

fn field_lines(change: &FieldChange, lines: &mut Vec<Line>) {
    let path = plain(change.path.strip_prefix("properties.").unwrap_or(&change.path));
    match (&change.before, &change.after) {
        (None, Some(after)) => {
            let title = title(after).unwrap_or_default();
            let text = format!("{path}: {}{title}", value(after));
            lines.push(Line { sign: '+', text });
        }
        (Some(before), None) => lines.push(Line {
            sign: '-',
            text: format!("{path}: {}", value(before)),
        }),
        (Some(Value::String(before)), Some(Value::String(after))) if is_long(before) || is_long(after) => {
            lines.push(Line {
                sign: '~',
                text: format!("{path}:"),
            });
            text_lines(before, after, lines);
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            lines.push(Line {
                sign: '~',
                text: format!("{path}:"),
            });
            let gone = before.iter().filter(|item| !after.contains(item));
            let come = after.iter().filter(|item| !before.contains(item));
            let count = lines.len();
            lines.extend(gone.map(|item| Line {
                sign: '-',
                text: format!("  {}", value(item)),
            }));
            lines.extend(come.map(|item| Line {
                sign: '+',
                text: format!("  {}", value(item)),
            }));
            if lines.len() == count {
                let (before, after) = (Value::from(before.clone()), Value::from(after.clone()));
                lines.push(Line {
                    sign: '~',
                    text: format!("  {} -> {}", value(&before), value(&after)),
                });
            }
        }
        (Some(before), Some(after)) => {
            lines.push(Line {
                sign: '~',
                text: format!("{path}: {} -> {}", value(before), value(after)),
            });
        }
        (None, None) => {}
    }
}

fn is_long(text: &str) -> bool {
    text.contains('\n') || text.len() > 48
}

/// A text's change line by line, or word by word where it is one line.
fn text_lines(before: &str, after: &str, lines: &mut Vec<Line>) {
    if before.contains('\n') || after.contains('\n') {
        let diff = TextDiff::from_lines(before, after);
        for change in diff.iter_all_changes() {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
                similar::ChangeTag::Equal => continue,
            };
            lines.push(Line {
                sign,
                text: format!("  {}", plain(change.value().trim_end_matches('\n'))),
            });
        }
        return;
    }
    lines.push(Line {
        sign: '-',
        text: format!("  {}", value(&Value::from(before))),
    });
    lines.push(Line {
        sign: '+',
        text: format!("  {}", value(&Value::from(after))),
    });
}

fn held_title(held: &Held) -> String {
    format!("{}: {}", plain(&held.subject), plain(&held.what))
}

fn reason_text(reason: &Reason) -> String {
    match reason.opens {
        Some(opens) => format!("{} (until {opens})", plain(&reason.sentence)),
        None => plain(&reason.sentence),
    }
}

/// Returns the last line of a plan: what it would do, in one sentence.
pub fn closing(plan: &Plan) -> String {
    let only = match plan.header.gates.as_slice() {
        [] => String::new(),
        gates => format!(" Of gate {} only.", plain(&gates.join(", "))),
    };
    let count = |action: Action| plan.steps.iter().filter(|step| step.action == action).count();
    let unchanged = count(Action::NoOp);
    let held = match plan.held.len() {
        0 => String::new(),
        n => format!(", {n} held"),
    };
    if plan.pending().next().is_none() {
        return format!("Nothing to do: {unchanged} unchanged{held}.{only}");
    }
    let counts: Vec<String> = [
        (Action::Create, "to create"),
        (Action::Update, "to update"),
        (Action::Replace, "to replace"),
        (Action::Delete, "to delete"),
    ]
    .into_iter()
    .map(|(action, words)| format!("{} {words}", count(action)))
    .collect();
    let weakens = match plan.weakenings().count() {
        0 => String::new(),
        1 => " 1 step WEAKENS.".to_owned(),
        n => format!(" {n} steps WEAKEN."),
    };
    format!(
        "Plan: {}; {unchanged} unchanged{held}.{weakens}{only}",
        counts.join(", ")
    )
}

/// Returns the plan for a pull request or a job summary: the summary first, details folded.
pub fn to_markdown(plan: &Plan) -> String {
    let mut out = String::new();
    let header = &plan.header;
    let _ = writeln!(
        out,
        "## Plan {} for {}\n",
        code(&header.plan_id),
        markdown(&header.environment)
    );
    let _ = writeln!(out, "**{}**\n", markdown(&closing(plan)));
    let _ = writeln!(out, "| | create | update | replace | delete | no-op | held |");
    let _ = writeln!(out, "|---|---:|---:|---:|---:|---:|---:|");
    for plane in Plane::ALL {
        let counts: Vec<String> = Action::ALL
            .into_iter()
            .map(|action| plan.count(plane, action).to_string())
            .collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            plane.label(),
            counts.join(" | "),
            held_in(plan, plane)
        );
    }
    if plan.pending().next().is_some() {
        let _ = writeln!(out, "\n| action | object | gate | direction |\n|---|---|---|---|");
        for step in plan.pending() {
            let direction = match step.direction {
                Direction::Weakens => "**weakens**".to_owned(),
                other => other.to_string(),
            };
            let gate = step.gate.as_deref().map(markdown).unwrap_or_default();
            let object = format!("{} {}", step.kind.label(), code(&object_name(step)));
            let _ = writeln!(out, "| {} | {object} | {gate} | {direction} |", step.action);
        }
    }
    for step in plan.pending() {
        markdown_step(&mut out, step);
    }
    if !plan.held.is_empty() {
        let _ = writeln!(out, "\n### Held: cannot be done now, and is not pending\n");
        for held in &plan.held {
            let _ = writeln!(out, "- **{}**: {}", markdown(&held.subject), markdown(&held.what));
            for reason in &held.reasons {
                let _ = writeln!(
                    out,
                    "  - {}: {}",
                    markdown(&reason.guard),
                    markdown(&reason_text(reason))
                );
            }
        }
    }
    if !plan.findings.is_empty() {
        let _ = writeln!(out, "\n### To know\n");
        for finding in &plan.findings {
            let _ = writeln!(out, "- {}: {}", markdown(&finding.subject), markdown(&finding.sentence));
        }
    }
    let _ = writeln!(
        out,
        "\nScope {}, tenant {}, at {}. Made {}, valid until {}.",
        code(&header.scope),
        code(&header.tenant),
        code(&header.endpoint),
        header.time,
        header.expires
    );
    out
}

fn markdown_step(out: &mut String, step: &Step) {
    let html = |text: &str| {
        plain(text)
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let title = format!(
        "{} {} <code>{}</code>",
        step.action,
        step.kind.label(),
        html(&object_name(step))
    );
    let _ = writeln!(out, "\n<details><summary>{title}, {}</summary>\n", step.direction);
    let _ = writeln!(out, "{}\n", code(step.object.as_str()));
    if let Some(reason) = &step.reason {
        let _ = writeln!(out, "Because {}.\n", markdown(reason));
    }
    if step.action != Action::Delete {
        let lines = change_lines(step);
        let longest = lines
            .iter()
            .flat_map(|line| line.text.split(|c| c != '`'))
            .map(str::len)
            .max()
            .unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let _ = writeln!(out, "{fence}diff");
        for line in lines {
            let sign = if line.sign == '~' { '!' } else { line.sign };
            let _ = writeln!(out, "{sign} {}", line.text);
        }
        let _ = writeln!(out, "{fence}\n");
    }
    let _ = writeln!(out, "</details>");
}

/// Returns the plan as a JSON document: the plan file, with what changes in each step and a summary.
pub fn to_json(plan: &Plan) -> Value {
    let mut document = file::to_value(plan);
    let steps = document
        .get_mut("steps")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for (step, written) in plan.steps.iter().zip(steps) {
        let found = match (&step.before, &step.after) {
            (Some(before), Some(after)) => changes(before, after),
            (None, Some(after)) => leaves(after),
            _ => Vec::new(),
        };
        let found: Vec<Value> = found
            .into_iter()
            .map(|change| json!({"path": change.path, "before": change.before, "after": change.after}))
            .collect();
        if let (Some(map), true) = (written.as_object_mut(), step.is_pending()) {
            map.insert("changes".to_owned(), Value::from(found));
        }
    }
    let summary: serde_json::Map<String, Value> = Plane::ALL
        .into_iter()
        .map(|plane| {
            let mut counts: serde_json::Map<String, Value> = Action::ALL
                .into_iter()
                .map(|action| (action.name().to_owned(), Value::from(plan.count(plane, action))))
                .collect();
            counts.insert("held".to_owned(), Value::from(held_in(plan, plane)));
            (file::plane_name(plane).to_owned(), Value::Object(counts))
        })
        .collect();
    json!({"plan": document, "summary": summary})
}
