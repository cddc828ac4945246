//! `aksgate sandbox admit`

use super::super::context::Context;
use super::super::error::{CommandError, Exit};
use super::operator_error;
use crate::manifest;
use crate::sandbox::operator::{self, Admission, Admitted, Objection};
use crate::store;
use crate::view::printer::Format;
use crate::view::text::plain;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Brings the objects of `files` to a cluster and says what its admission makes of them.
pub(super) fn run(context: &Context, folder: &Path, cluster: &str, files: &[PathBuf]) -> Result<Exit, CommandError> {
    let mut documents = Vec::new();
    for file in files {
        documents.extend(read(file)?);
    }
    let admission = operator::admit(folder, cluster, &documents).map_err(|error| operator_error(&error))?;
    let refused = admission
        .objects
        .iter()
        .any(|object| !object.verdict.admits() || !object.verdict.admits_pods());
    let failed = admission
        .objects
        .iter()
        .any(|object| !object.verdict.failures.is_empty());
    let exit = match (refused, failed) {
        (_, true) => Exit::Failed,
        (true, false) => Exit::Pending,
        (false, false) => Exit::Done,
    };
    let text = match context.printer.format {
        Format::Json => crate::view::text::json(&document(&admission, exit)),
        _ => human(&admission),
    };
    context.printer.data(&text);
    Ok(exit)
}

/// Reads the objects of a file, those of lists one by one; `-` is the standard input.
fn read(path: &Path) -> Result<Vec<Value>, CommandError> {
    let name = path.display().to_string();
    let unreadable = || CommandError::failed(format!("cannot read `{name}`"));
    let content = if name == "-" {
        let mut content = Vec::new();
        let limit = u64::try_from(manifest::LONGEST_FILE).unwrap_or(u64::MAX);
        let read = std::io::stdin().take(limit + 1).read_to_end(&mut content);
        read.map_err(|error| unreadable().caused_by(&error))?;
        content
    } else {
        let content = store::read(path).map_err(|error| unreadable().caused_by(&error))?;
        content.ok_or_else(|| unreadable().hint("there is no such file"))?
    };
    let manifests = manifest::read(&name, &content).map_err(|diagnostics| {
        let error = CommandError::failed(format!("`{name}` cannot be read"));
        diagnostics.into_iter().fold(error, |error, found| {
            let place = found
                .span
                .map(|span| format!("line {}, column {}: ", span.line, span.column));
            error.detail(format!(
                "{}{}: {}",
                place.unwrap_or_default(),
                found.summary,
                found.label
            ))
        })
    })?;
    let mut objects = Vec::new();
    for manifest in manifests {
        match manifest.value.get("items") {
            Some(Value::Array(items)) => objects.extend(items.iter().cloned()),
            _ => objects.push(manifest.value),
        }
    }
    Ok(objects)
}

fn human(admission: &Admission) -> String {
    let mut text = format!("Cluster {}\n", plain(&admission.cluster));
    if !admission.addon {
        text.push_str("The Azure Policy add-on is off there: nothing is refused.\n");
    }
    for object in &admission.objects {
        let verdict = &object.verdict;
        let word = match (verdict.admits(), verdict.admits_pods()) {
            (false, _) => "denied",
            (true, false) => "allowed, but its Pods are denied",
            (true, true) => "allowed",
        };
        text.push_str(&format!("\n{}: {word}\n", plain(&title(object))));
        let mut tell = |objections: &[Objection], of: &str| {
            for one in objections.iter().filter(|one| one.action != operator::Action::DryRun) {
                let warning = if one.action == operator::Action::Warn {
                    "warning: "
                } else {
                    ""
                };
                text.push_str(&format!("  {warning}{}\n", plain(&one.line())));
                text.push_str(&format!("    {of}{}\n", plain(&origin(one))));
            }
        };
        tell(&verdict.objections, "");
        tell(&verdict.of_pods, "its Pods, ");
        for (constraint, why) in &verdict.failures {
            text.push_str(&format!("  [{}] cannot be asked: {}\n", plain(constraint), plain(why)));
        }
    }
    text.trim_end().to_owned()
}

fn title(object: &Admitted) -> String {
    let namespace = if object.namespace.is_empty() {
        String::new()
    } else {
        format!("{}/", object.namespace)
    };
    format!("{} {namespace}{}", object.kind, object.name)
}

fn origin(one: &Objection) -> String {
    let assignment = one.assignment.rsplit('/').next().unwrap_or_default();
    match one.reference.as_str() {
        "" => format!("assignment {assignment}"),
        reference => format!("assignment {assignment}, member {reference}"),
    }
}

fn document(admission: &Admission, exit: Exit) -> Value {
    let objections = |all: &[Objection]| -> Vec<Value> {
        let one = |one: &Objection| {
            json!({
                "constraint": one.constraint, "enforcementAction": one.action.text(), "message": one.message, "line": one.line(),
                "assignment": one.assignment, "member": one.reference, "definition": one.definition,
            })
        };
        all.iter().map(one).collect()
    };
    let objects: Vec<Value> = admission
        .objects
        .iter()
        .map(|object| {
            let verdict = &object.verdict;
            json!({
                "kind": object.kind, "namespace": object.namespace, "name": object.name,
                "allowed": verdict.admits(), "objections": objections(&verdict.objections),
                "podsAllowed": verdict.admits_pods(), "podObjections": objections(&verdict.of_pods),
                "failures": verdict.failures.iter().map(|(constraint, why)| json!({"constraint": constraint, "reason": why})).collect::<Vec<_>>(),
            })
        })
        .collect();
    let outcome = match exit {
        Exit::Done => "allowed",
        Exit::Pending => "denied",
        _ => "failed",
    };
    json!({
        "formatVersion": 1, "command": "sandbox admit", "outcome": outcome,
        "cluster": admission.cluster, "policyAddon": admission.addon, "objects": objects,
    })
}
