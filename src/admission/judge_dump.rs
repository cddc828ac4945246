//! The rules of a cluster, or of a folder: constraint templates and constraints as documents.

use super::report::At;
use super::{GateRule, NotJudged, RuleBody, TemplateRef};
use crate::model::Effect;
use crate::rules::Template;
use serde_json::Value;
use std::collections::BTreeMap;

/// A rule that was found as a constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The assignment of Azure Policy that it comes from, as its id; none if the add-on did not make it.
    pub assignment: Option<String>,
    /// The rule. Its gate is not known here.
    pub rule: GateRule,
}

/// Returns the constraints among some documents, each with its template if that is among them too.
pub fn constraints(documents: &[Value]) -> Vec<Found> {
    let mut templates: BTreeMap<String, Result<Template, String>> = BTreeMap::new();
    for document in documents
        .iter()
        .filter(|document| text(document, "/kind") == "ConstraintTemplate")
    {
        let kind = text(document, "/spec/crd/spec/names/kind").to_owned();
        let template = Template::from_document(document).map_err(|error| error.to_string());
        templates.insert(kind, template);
    }
    let constraints = documents
        .iter()
        .filter(|document| text(document, "/apiVersion").starts_with("constraints.gatekeeper.sh/"));
    constraints.map(|document| found(document, &templates)).collect()
}

fn found(document: &Value, templates: &BTreeMap<String, Result<Template, String>>) -> Found {
    let annotation = |name: &str| {
        let annotations = document.pointer("/metadata/annotations").and_then(Value::as_object);
        let value = annotations.and_then(|all| all.get(name)).and_then(Value::as_str);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let (kind, name) = (text(document, "/kind"), text(document, "/metadata/name"));
    let definition = annotation("azure-policy-definition-id");
    let definition = definition.map(|id| id.rsplit('/').next().unwrap_or_default().to_owned());
    let part = |path: &str| document.pointer(path).filter(|part| !part.is_null()).cloned();
    let empty = || Value::Object(serde_json::Map::new());
    let (effect, warn) = match text(document, "/spec/enforcementAction") {
        "dryrun" => (Some(Effect::Audit), false),
        "warn" => (Some(Effect::Audit), true),
        "" | "deny" => (Some(Effect::Deny), false),
        _ => (None, false),
    };
    let silent = |reason: String| RuleBody::NotJudged(NotJudged::Template { reason });
    let body = match (templates.get(kind), effect) {
        (_, None) => silent("what its constraint does with violations is not understood".to_owned()),
        (None, _) => silent(format!("there is no template of the kind `{kind}`")),
        (Some(Err(reason)), _) => silent(reason.clone()),
        (Some(Ok(template)), _) => RuleBody::Constraint {
            template: TemplateRef::Own(Box::new(template.clone())),
            matching: part("/spec/match").unwrap_or_else(empty),
            parameters: part("/spec/parameters").unwrap_or_else(empty),
        },
    };
    Found {
        assignment: annotation("azure-policy-assignment-id"),
        rule: GateRule {
            gate: String::new(),
            reference_id: annotation("azure-policy-definition-reference-id").unwrap_or_else(|| name.to_owned()),
            definition: definition.unwrap_or_else(|| kind.to_owned()),
            version: None,
            title: format!("{kind} {name}"),
            // What cannot be told is taken to be as closed as it may be.
            effect: effect.unwrap_or(Effect::Deny),
            warn,
            elsewhere: Vec::new(),
            body,
        },
    }
}

/// Returns the effects of a rule that stands so in a cluster, with what the estate says of its target.
pub fn effects(rule: &GateRule, next: Option<Effect>, target: Option<Effect>) -> At<Effect> {
    At {
        now: Some(rule.effect),
        next: Some(next.unwrap_or(rule.effect)),
        target: Some(target.unwrap_or(rule.effect)),
    }
}

fn text<'a>(document: &'a Value, path: &str) -> &'a str {
    document.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
