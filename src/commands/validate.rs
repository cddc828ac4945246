//! `aksgate validate`

use super::context::Context;
use super::error::{CommandError, Exit};
use super::gather::rendered_offline;
use crate::catalog::Catalog;
use crate::config::{ENVIRONMENTS, Environment, Estate, Initiative, MemberDefinition};
use crate::diagnostic::{Diagnostic, Severity};
use crate::render::Renderer;
use crate::view::diagnostics;
use crate::view::printer::Format;
use crate::view::text::{counted, markdown, plain};
use serde_json::{Value, json};

/// Check the estate's files, without calling Azure
///
/// Tells every mistake in one run, with file, line and column. `plan` and `apply` do the same before their first call.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate validate
  aksgate validate -C estates/shop --format json")]
pub(super) struct Args {}

pub(super) fn run(context: &Context, _args: &Args) -> Result<Exit, CommandError> {
    let mut checked = context.check_estate()?;
    if let Some((estate, renderer)) = &checked.loaded {
        let found = estate
            .environments
            .values()
            .filter_map(|environment| unrenderable((estate, &checked.catalog), renderer, environment));
        checked.diagnostics.extend(found);
    }
    let errors = checked
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .count();
    let exit = if errors > 0 { Exit::Failed } else { Exit::Done };
    let printer = &context.printer;
    let valid = checked.loaded.as_ref().filter(|_| errors == 0).map(|(estate, _)| {
        let gates = estate.environments.values().map(|environment| environment.gates.len());
        format!(
            "The estate is valid: {} with {}, {}.",
            counted(estate.environments.len(), "environment"),
            counted(gates.sum(), "gate"),
            counted(estate.initiatives.len(), "initiative")
        )
    });
    let unenforced = checked
        .loaded
        .as_ref()
        .filter(|_| errors == 0)
        .map(|(estate, _)| unenforced(estate))
        .unwrap_or_default();
    match printer.format {
        Format::Json => {
            let unenforced: Vec<Value> = unenforced
                .iter()
                .map(|(initiative, reference, reason)| json!({"initiative": initiative, "member": reference, "reason": reason}))
                .collect();
            let document = json!({
                "formatVersion": 1,
                "command": "validate",
                "outcome": exit.outcome(),
                "exitCode": exit.code(),
                "diagnostics": diagnostics::to_json(&checked.diagnostics),
                "notEnforced": unenforced,
            });
            printer.data(&crate::view::text::json(&document));
        }
        Format::Markdown => {
            printer.data(match errors {
                0 => "## Estate: valid\n\n",
                _ => "## Estate: mistakes found\n\n",
            });
            if let Some(valid) = &valid {
                printer.data(&format!("{valid}\n\n"));
            }
            for found in &checked.diagnostics {
                let place = found
                    .span
                    .map(|span| format!(":{}:{}", span.line, span.column))
                    .unwrap_or_default();
                let weight = if found.severity == Severity::Error {
                    "error"
                } else {
                    "warning"
                };
                let text = [found.summary.as_str(), found.label.as_str()]
                    .into_iter()
                    .filter(|t| !t.is_empty());
                let text = text.collect::<Vec<_>>().join(": ");
                printer.data(&format!(
                    "- **{weight}** {}{place}: {}",
                    markdown(&found.file),
                    markdown(&text)
                ));
                for hint in &found.hints {
                    printer.data(&format!("  - hint: {}", markdown(hint)));
                }
            }
            for (initiative, reference, reason) in &unenforced {
                printer.data(&format!(
                    "- not enforced at admission: {} of {}: {}",
                    markdown(reference),
                    markdown(initiative),
                    markdown(reason)
                ));
            }
        }
        Format::Human => {
            if !checked.diagnostics.is_empty() {
                printer.error(&context.diagnostics(&checked.diagnostics, &checked.files));
            }
            if let Some(valid) = &valid {
                printer.data(valid);
            }
            for (initiative, reference, reason) in &unenforced {
                printer.data(&format!(
                    "Not enforced at admission: `{reference}` of `{initiative}`: {}",
                    plain(reason)
                ));
            }
        }
    }
    Ok(exit)
}

/// What keeps the documents of an environment from being made, such as one of Azure's limits; found by making them offline.
fn unrenderable(estate: (&Estate, &Catalog), renderer: &Renderer, environment: &Environment) -> Option<Diagnostic> {
    let error = rendered_offline(estate, renderer, environment, &[]).err()?;
    let mut diagnostic = Diagnostic::file_error(
        "documents cannot be rendered",
        &format!("{ENVIRONMENTS}{}.yaml", environment.name),
    );
    diagnostic.label = error.to_string();
    Some(diagnostic)
}

/// The members that no gate enforces, and why: initiative, reference, reason.
fn unenforced(estate: &Estate) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    for (name, initiative) in &estate.initiatives {
        let Initiative::Own { members, .. } = initiative else {
            continue;
        };
        for member in members {
            let MemberDefinition::Rule(rule) = &member.definition else {
                continue;
            };
            let reason = rule.not_enforceable.as_deref();
            found.extend(reason.map(|reason| (name.as_str(), member.reference_id.as_str(), reason)));
        }
    }
    found
}
