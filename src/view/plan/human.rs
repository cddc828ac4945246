//! A plan for a terminal.

use super::change::change_lines;
use super::{WEAKENINGS, closing, forecast, held_in, held_title, object_name, place, reason_text, weakening};
use crate::kinds::{Direction, Kind, Plane};
use crate::plan::{Action, Plan, Step};
use crate::view::text::{Paint, columns, plain, wrap};
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
    weakenings(&mut out, plan, layout);
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
                let text = format!("{:<9} {}", plain(&reason.guard), reason_text(reason));
                put_as(&mut out, layout, 4, 10, &text, &str::to_owned);
            }
        }
    }
    if !plan.forecasts.is_empty() {
        out.push('\n');
        put_as(&mut out, layout, 0, 2, forecast::TITLE, &|line| paint.bold(line));
        for forecast in &plan.forecasts {
            let named = if layout.verbose { usize::MAX } else { forecast::HUMAN };
            put_as(&mut out, layout, 2, 2, &plain(&forecast::title(forecast)), &|line| {
                paint.notice(line)
            });
            for hit in forecast.hits.iter().take(named) {
                put(&mut out, layout, 4, &plain(&forecast::hit(hit)));
            }
            for line in forecast::rest(forecast, named) {
                put_as(&mut out, layout, 4, 2, &plain(&line), &|line| paint.faint(line));
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

/// What weakens, before everything else.
fn weakenings(out: &mut String, plan: &Plan, layout: Layout) {
    let paint = layout.paint;
    if plan.weakenings().next().is_some() {
        out.push('\n');
        put_as(out, layout, 0, 2, WEAKENINGS, &|line| paint.bad(line));
    }
    for step in plan.weakenings() {
        put_as(out, layout, 2, 2, &plain(&weakening(step)), &|line| paint.bold(line));
        for field in &step.weakens {
            put(out, layout, 4, &plain(field));
        }
    }
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
    let (lines, left): (Vec<_>, Vec<_>) = change_lines(step)
        .into_iter()
        .partition(|line| layout.verbose || !is_detail(step, &line.text));
    for line in lines {
        let text = format!("{} {}", line.sign, line.text);
        let painted = |text: &str| match line.sign {
            '+' => paint.good(text),
            '-' => paint.bad(text),
            _ => paint.notice(text),
        };
        put_as(out, layout, 6, 4, &text, &painted);
    }
    if !left.is_empty() {
        let text = format!(
            "+ {} fields more, as the rule's files say; `--verbose` shows them",
            left.len()
        );
        put_as(out, layout, 6, 4, &text, &|line| paint.faint(line));
    }
}

/// Whether a line of a step is one of the dozens that a new definition of our own has beside what a reviewer looks for. They are in
/// the files of the rule, which are reviewed themselves; of a definition that changes, every line is shown.
fn is_detail(step: &Step, line: &str) -> bool {
    const SHOWN: [&str; 5] = [
        "displayName:",
        "description:",
        "mode:",
        "policyRule.then.details.kinds:",
        "policyRule.then.effect:",
    ];
    step.kind == Kind::PolicyDefinition
        && step.action == Action::Create
        && !SHOWN.iter().any(|shown| line.starts_with(shown))
}
