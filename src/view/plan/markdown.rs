//! A plan for a pull request or a job summary.

use super::change::change_lines;
use super::{WEAKENINGS, closing, forecast, held_in, object_name, reason_text, weakening};
use crate::evidence::Forecast;
use crate::kinds::{Direction, Plane};
use crate::plan::{Action, Plan, Step};
use crate::view::text::{code, markdown, plain};
use std::fmt::Write as _;

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
    if plan.weakenings().next().is_some() {
        let _ = writeln!(out, "\n### {WEAKENINGS}\n");
    }
    for step in plan.weakenings() {
        let _ = writeln!(out, "- {}", markdown(&weakening(step)));
        for field in &step.weakens {
            let _ = writeln!(out, "  - {}", markdown(field));
        }
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
    if !plan.forecasts.is_empty() {
        let _ = writeln!(out, "\n### {}", forecast::TITLE);
        for forecast in &plan.forecasts {
            markdown_forecast(&mut out, forecast);
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

fn markdown_forecast(out: &mut String, forecast: &Forecast) {
    let _ = writeln!(out, "\n{}\n", markdown(&forecast::title(forecast)));
    if !forecast.hits.is_empty() {
        let _ = writeln!(
            out,
            "| cluster | namespace | workload | objects | breaks |\n|---|---|---|---:|---|"
        );
    }
    for hit in forecast.hits.iter().take(forecast::MARKDOWN) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            markdown(&hit.cluster),
            markdown(hit.namespace.as_deref().unwrap_or_default()),
            markdown(&forecast::workload(hit)),
            hit.objects,
            markdown(&forecast::broken(hit))
        );
    }
    for line in forecast::rest(forecast, forecast::MARKDOWN) {
        let _ = writeln!(out, "\n{}", markdown(&line));
    }
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
