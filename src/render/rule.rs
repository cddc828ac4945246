//! The content of a policy definition of our own, made of a rule.

use crate::config::{CLUSTER_TYPES, KUBERNETES_MODE, Logic, Rule, RuleParameter};
use crate::diff::digest;
use crate::model::Effect;
use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a template of a policy definition is filled with.
#[derive(Clone, Debug, PartialEq)]
pub struct DefinitionContent {
    /// The rule's name: its file's name.
    pub name: String,
    /// The text for the portal.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// `properties.mode`.
    pub mode: String,
    /// `properties.parameters`.
    pub parameters: Map<String, Value>,
    /// `properties.policyRule`.
    pub policy_rule: Value,
}

/// Builds the content of a definition.
///
/// `origin` says whose rule it is: two constraint templates of one name do not get installed in a cluster, so the same rule
/// of another owner, environment or set has a kind of its own.
pub fn definition_content(rule: &Rule, origin: &str) -> DefinitionContent {
    let (mode, policy_rule) = match &rule.logic {
        Logic::Azure { mode, policy_rule } => (mode.clone(), policy_rule.clone()),
        Logic::Kubernetes {
            kinds,
            api_groups,
            rego,
        } => {
            let template = constraint_template(rule, rego, origin);
            let details = json!({
                "templateInfo": {"sourceType": "Base64Encoded", "content": BASE64.encode(template.as_bytes())},
                "apiGroups": api_groups,
                "kinds": kinds,
                "excludedNamespaces": parameter("excludedNamespaces"),
                "namespaces": parameter("namespaces"),
                "labelSelector": parameter("labelSelector"),
                "values": rule.parameters.keys().map(|name| (name.clone(), parameter(name))).collect::<Map<_, _>>(),
            });
            let policy_rule = json!({
                "if": {"field": "type", "in": CLUSTER_TYPES},
                "then": {"effect": parameter("effect"), "details": details},
            });
            (KUBERNETES_MODE.to_owned(), policy_rule)
        }
    };
    DefinitionContent {
        name: rule.name.clone(),
        display_name: rule.display_name.clone(),
        description: rule.description.clone(),
        mode,
        parameters: parameters(rule),
        policy_rule,
    }
}

/// Returns the digest of all that a rule does, without whose it is and what it is called in the portal.
pub fn rule_digest(rule: &Rule) -> String {
    let content = definition_content(rule, "");
    let parts = json!([content.name, content.mode, content.parameters, content.policy_rule]);
    digest(&parts)
}

/// Returns the kind of the constraints of a rule: what two contents or two owners of it never share.
pub fn hashed_kind(rule: &Rule, origin: &str) -> String {
    let own: BTreeMap<&String, Value> = rule
        .parameters
        .iter()
        .map(|(name, one)| (name, declaration(name, one)))
        .collect();
    let effects: Vec<String> = rule.effects.iter().map(Effect::to_string).collect();
    let seed = match &rule.logic {
        Logic::Kubernetes {
            kinds,
            api_groups,
            rego,
        } => json!([origin, rego, kinds, api_groups, own, effects]),
        Logic::Azure { policy_rule, .. } => json!([origin, policy_rule]),
    };
    let hash: String = digest(&seed).chars().take(8).collect();
    rule.constraint_kind() + &hash
}

/// Returns the constraint template of a rule as JSON, which is YAML too.
fn constraint_template(rule: &Rule, rego: &str, origin: &str) -> String {
    let kind = hashed_kind(rule, origin);
    let template = json!({
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_ascii_lowercase()},
        "spec": {
            "crd": {"spec": {
                "names": {"kind": kind},
                "validation": {"openAPIV3Schema": rule.parameter_schema()},
            }},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}],
        },
    });
    format!("{template:#}\n")
}

/// `properties.parameters`: the rule's own, and those that aksgate adds.
fn parameters(rule: &Rule) -> Map<String, Value> {
    let facts = rule.facts();
    facts
        .parameters
        .iter()
        .map(|(name, known)| {
            let own = rule.parameters.get(name).map(|parameter| declaration(name, parameter));
            let ours = || {
                let (title, description) = about(name);
                let one = RuleParameter {
                    ty: known.ty,
                    description: description.to_owned(),
                    default: known.default.clone(),
                    allowed: known.allowed.clone(),
                    meaning: None,
                };
                declaration(title, &one)
            };
            (name.clone(), own.unwrap_or_else(ours))
        })
        .collect()
}

/// The title and purpose of a parameter that aksgate adds.
fn about(name: &str) -> (&str, &str) {
    match name {
        "effect" => ("Effect", "How far the rule closes; the stage of the gate sets it."),
        "excludedNamespaces" => (
            "Excluded namespaces",
            "Namespaces whose objects the rule does not judge.",
        ),
        "namespaces" => (
            "Namespaces",
            "Namespaces whose objects the rule judges; all that are not excluded if the list is empty.",
        ),
        "labelSelector" => (
            "Label selector",
            "Labels of the objects that the rule judges; all objects if it is empty.",
        ),
        other => (other, ""),
    }
}

fn declaration(title: &str, parameter: &RuleParameter) -> Value {
    let mut metadata = Map::from_iter([("displayName".to_owned(), Value::from(title))]);
    if !parameter.description.is_empty() {
        metadata.insert("description".to_owned(), Value::from(parameter.description.as_str()));
    }
    let mut declared = Map::from_iter([
        ("type".to_owned(), Value::from(parameter.ty.to_string())),
        ("metadata".to_owned(), Value::Object(metadata)),
    ]);
    let allowed = parameter.allowed.clone().map(Value::from);
    declared.extend(allowed.map(|allowed| ("allowedValues".to_owned(), allowed)));
    declared.extend(
        parameter
            .default
            .clone()
            .map(|default| ("defaultValue".to_owned(), default)),
    );
    Value::Object(declared)
}

fn parameter(name: &str) -> Value {
    Value::from(format!("[parameters('{name}')]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ParameterType;

    fn rule(rego: &str) -> Rule {
        let names = RuleParameter {
            ty: ParameterType::Array,
            description: "Names.".into(),
            default: Some(json!(["a"])),
            allowed: None,
            meaning: None,
        };
        Rule {
            name: "no-node-port".into(),
            display_name: "No node ports".into(),
            description: String::new(),
            logic: Logic::Kubernetes {
                kinds: vec!["Service".into()],
                api_groups: vec![String::new()],
                rego: rego.into(),
            },
            parameters: BTreeMap::from([("names".to_owned(), names)]),
            effects: vec![Effect::Audit, Effect::Deny, Effect::Disabled],
            not_enforceable: None,
        }
    }

    fn template(content: &DefinitionContent) -> Value {
        let text = content.policy_rule["then"]["details"]["templateInfo"]["content"]
            .as_str()
            .unwrap();
        serde_json::from_slice(&BASE64.decode(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_kubernetes_rule_becomes_a_definition_with_its_template() {
        let content = definition_content(&rule("package a"), "o");
        assert_eq!(content.mode, "Microsoft.Kubernetes.Data");
        let parameters: Vec<&String> = content.parameters.keys().collect();
        assert_eq!(
            parameters,
            ["effect", "excludedNamespaces", "labelSelector", "names", "namespaces"]
        );
        assert_eq!(content.parameters["effect"]["defaultValue"], "Audit");
        let details = &content.policy_rule["then"]["details"];
        assert_eq!(details["values"], json!({"names": "[parameters('names')]"}));
        assert_eq!(
            (&details["kinds"], &details["apiGroups"]),
            (&json!(["Service"]), &json!([""]))
        );
        let template = template(&content);
        let kind = template["spec"]["crd"]["spec"]["names"]["kind"].as_str().unwrap();
        assert!(
            kind.starts_with("AksgateNoNodePort") && kind.len() == "AksgateNoNodePort".len() + 8,
            "{kind}"
        );
        assert_eq!(template["metadata"]["name"], kind.to_lowercase());
        assert_eq!(template["spec"]["targets"][0]["rego"], "package a");
        assert_eq!(
            template["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"]["properties"]["names"],
            json!({"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": true}, "default": ["a"], "description": "Names."})
        );
    }

    #[test]
    fn another_content_or_another_owner_has_another_kind() {
        let one = rule("package a");
        let kind = hashed_kind(&one, "o");
        assert_eq!(kind, hashed_kind(&one, "o"));
        assert_ne!(kind, hashed_kind(&rule("package b"), "o"));
        assert_ne!(kind, hashed_kind(&one, "other"));
        let mut other = one.clone();
        other.parameters.get_mut("names").unwrap().default = None;
        assert_ne!(kind, hashed_kind(&other, "o"));
        assert_ne!(rule_digest(&one), rule_digest(&other));
        let mut words = one.clone();
        words.description = "x".into();
        assert_eq!(
            (kind, rule_digest(&one)),
            (hashed_kind(&words, "o"), rule_digest(&words))
        );
    }
}
