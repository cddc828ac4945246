//! Gates against their initiatives.

use super::content::{Content, EFFECT, EXCLUDED_NAMESPACES};
use super::draft::{EnvironmentDraft, GateDraft};
use super::estate::InitiativeKind;
use super::walk::{Spanned, list};
use super::{images, near, parameters};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::Stage;
use std::collections::{BTreeMap, BTreeSet};

/// Checks a gate of an environment.
pub(super) fn check(
    environment: &EnvironmentDraft<'_>,
    gate: &GateDraft<'_>,
    contents: &BTreeMap<&str, Content<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let error = |summary: &str, span: Span, label: String| Diagnostic::error(summary, environment.file, span, label);
    twice(environment.file, &gate.exclude_namespaces, diagnostics);
    let Some(initiative) = gate.initiative else { return };
    let Some(content) = contents.get(initiative.value) else {
        let names: Vec<&str> = contents.keys().copied().collect();
        let error = error(
            "unknown initiative",
            initiative.span,
            "no such file in initiatives/".to_owned(),
        );
        diagnostics.push(error.hint(near(initiative.value, &names, "there is no file in initiatives/ yet")));
        return;
    };
    if content.is_defender {
        if let Some(former) = gate.renamed_from {
            let label = "it is a switch of the Defender plan, and nothing in Azure carries its name".to_owned();
            diagnostics.push(error("former name without use", former.span, label).hint("remove the key"));
        }
        super::defender::gate(environment, gate, initiative, diagnostics);
        return;
    }
    if let (Some(target), Some(name)) = (gate.target, gate.target_name)
        && content.kind.stage(name).is_none()
    {
        let (label, write) = match content.kind {
            InitiativeKind::Enablement => (
                format!(
                    "`{}` is of kind enablement: it refuses nothing, it deploys",
                    initiative.value
                ),
                "enforce",
            ),
            InitiativeKind::Admission => (
                format!("`{}` is of kind admission: it deploys nothing", initiative.value),
                "deny",
            ),
        };
        let error = error("target of another kind", target.span, label);
        diagnostics.push(error.hint(format!("write `target: {write}`")));
    }
    if content.needs_identity
        && gate.target.is_some_and(|target| target.value != Stage::Off)
        && environment.complete
        && !environment.says_location
    {
        let label = format!(
            "`{}` has members that deploy or modify, which need an identity",
            initiative.value
        );
        let error = error("missing location", initiative.span, label);
        diagnostics.push(error.hint("state `location` in this environment: where Azure is to keep the identity"));
    }
    if let (Some(identity), false, true) = (
        gate.identity,
        content.needs_identity,
        !content.unsure && content.initiative.is_some(),
    ) {
        let label = format!("no member of `{}` deploys or modifies anything", initiative.value);
        diagnostics.push(error("identity without use", identity.span, label).hint("remove the key"));
    }
    if let (Some(target), Some(ceiling)) = (gate.target, content.ceiling)
        && target.value > ceiling
    {
        let what = if target.value == Stage::Deny { "deny" } else { "audit" };
        let label = format!("no definition in `{}` can {what}", initiative.value);
        let error = error("target out of reach", target.span, label);
        diagnostics.push(match ceiling {
            Stage::Audit => error.hint("the furthest it can go is `audit`"),
            _ => error.hint("it holds only definitions that are no stage of a gate, such as mutations"),
        });
    }
    if let (Some(span), false) = (gate.excludes, content.excludes_namespaces) {
        let label = format!("`{}` has no parameter `{EXCLUDED_NAMESPACES}`", initiative.value);
        diagnostics.push(error("namespaces cannot be excluded", span, label).hint("remove the key"));
    }
    let offered: Vec<&str> = content.offered.keys().map(String::as_str).collect();
    let mut misspelt = false;
    for (name, node) in &gate.parameters {
        if name.value.eq_ignore_ascii_case(EFFECT) {
            let error = error(
                "effect set by hand",
                name.span,
                "the stage of the gate sets the effect".to_owned(),
            );
            diagnostics.push(error.hint("remove it, and say with `target` how far the gate closes"));
            continue;
        }
        if name.value.eq_ignore_ascii_case(EXCLUDED_NAMESPACES) {
            let label = "would replace the namespaces that Azure manages".to_owned();
            let error = error("excluded namespaces set by hand", name.span, label);
            diagnostics.push(error.hint("use `excludeNamespaces` of the gate: it joins them"));
            continue;
        }
        match content.offered.get(name.value) {
            Some(offered) if offered.images => {
                let mistakes = images::mistakes(name.value, node).into_iter().map(|mistake| {
                    let error = Diagnostic::error(
                        "not a list of images",
                        environment.file,
                        mistake.node.span,
                        mistake.label,
                    );
                    error.hint(mistake.hint)
                });
                diagnostics.extend(mistakes);
            }
            Some(offered) => {
                // One word on a value is enough, also where two members take it.
                let before = diagnostics.len();
                for parameter in &offered.behind {
                    if diagnostics.len() == before {
                        parameters::check(environment.file, name.value, parameter, node, diagnostics);
                    }
                }
            }
            None if content.known => {
                misspelt = true;
                let label = format!("`{}` has no parameter `{}`", initiative.value, name.value);
                let error = error("unknown parameter", name.span, label);
                diagnostics.push(error.hint(near(name.value, &offered, "it has none that a gate may set")));
            }
            None => {}
        }
    }
    let missing = content.offered.iter().filter(|(name, offered)| {
        offered.required && !gate.parameters.iter().any(|(given, _)| given.value == name.as_str())
    });
    let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
    // A misspelt one may be the one that seems missing.
    if environment.complete && !misspelt && !missing.is_empty() {
        let label = format!("no value for {}: the initiative has no default", list(missing));
        let error = error("missing parameter", initiative.span, label);
        diagnostics.push(error.hint(format!("state it under `parameters` of the gate `{}`", gate.name.value)));
    }
}

/// Reports former names that a gate has still, or that two gates claim.
pub(super) fn renamed(environment: &EnvironmentDraft<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut claimed: BTreeMap<&str, &str> = BTreeMap::new();
    for gate in &environment.gates {
        let Some(former) = gate.renamed_from else { continue };
        let mut report = |summary: &str, label: String, hint: &str| {
            diagnostics.push(Diagnostic::error(summary, environment.file, former.span, label).hint(hint));
        };
        if environment.gates.iter().any(|other| other.name.value == former.value) {
            let label = format!("the environment has a gate `{}`", former.value);
            let hint = "name the gate as it was called before, when it had another name than now";
            report("former name of a gate that is there", label, hint);
        } else if let Some(other) = claimed.insert(former.value, gate.name.value) {
            let label = format!("the gate `{other}` says that it was called so");
            report(
                "former name of two gates",
                label,
                "only one of them can take the place of what stands in Azure",
            );
        }
    }
}

/// Warns of namespaces that stand twice in a list.
pub(super) fn twice(file: &str, namespaces: &[Spanned<&str>], diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    for namespace in namespaces {
        if !seen.insert(namespace.value) {
            let label = format!("`{}` stands already in this list", namespace.value);
            diagnostics.push(Diagnostic::error("duplicate namespace", file, namespace.span, label).warning());
        }
    }
}
