//! A rule of our own: a policy definition that the estate brings, and what is known of it.
//!
//! Owns what Azure and a gate are told of a rule: its parameters with those that aksgate adds, its effects, its kind of
//! constraint. Must not know how it is rendered.

use crate::catalog::{Parameter, ParameterType, VersionFacts};
use crate::model::{Effect, Meaning};
use crate::rules::Template;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The mode of a rule for Kubernetes objects.
pub const KUBERNETES_MODE: &str = "Microsoft.Kubernetes.Data";
/// The resource types of clusters; the first is AKS, the second a cluster connected through Arc.
pub const CLUSTER_TYPES: [&str; 2] = [
    "Microsoft.ContainerService/managedClusters",
    "Microsoft.Kubernetes/connectedClusters",
];
/// Namespaces that every rule leaves out: those that the built-in definitions leave out (Azure/azure-policy, category
/// Kubernetes).
pub const MANAGED_NAMESPACES: [&str; 4] = [
    "kube-system",
    "gatekeeper-system",
    "azure-arc",
    "azure-extensions-usage-system",
];
/// The parameters that a rule may not declare: a gate or aksgate gives them.
pub const OUR_PARAMETERS: [&str; 4] = ["effect", "excludedNamespaces", "namespaces", "labelSelector"];
/// How many parameters a definition may have (the Azure subscription-limits page).
pub const MOST_PARAMETERS: usize = 20;

/// How the kinds of our constraints begin: Azure's own begin with `K8sAzure`.
const KIND_PREFIX: &str = "Aksgate";

/// A rule of our own.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name: its file's name.
    pub name: String,
    /// What it is called in the portal, at most 128 characters.
    pub display_name: String,
    /// What it is for, at most 512 characters; may be empty.
    pub description: String,
    /// What it judges, and how.
    pub logic: Logic,
    /// Its own parameters by name.
    pub parameters: BTreeMap<String, RuleParameter>,
    /// The effects that it may take, the weakest but `Disabled` first.
    pub effects: Vec<Effect>,
    /// Why it cannot be enforced at admission; none if it can.
    pub not_enforceable: Option<String>,
}

/// What a rule judges, and how.
#[derive(Clone, Debug, PartialEq)]
pub enum Logic {
    /// Objects in a cluster, at admission.
    Kubernetes {
        /// Their kinds.
        kinds: Vec<String>,
        /// Their API groups; the core group is the empty text.
        api_groups: Vec<String>,
        /// The Rego text.
        rego: String,
    },
    /// Azure resources, by Azure Resource Manager.
    Azure {
        /// `Indexed` or `All`.
        mode: String,
        /// The policyRule.
        policy_rule: Value,
    },
}

/// A parameter of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleParameter {
    /// Its type.
    pub ty: ParameterType,
    /// What it is for; may be empty.
    pub description: String,
    /// The value it has if none is given.
    pub default: Option<Value>,
    /// The values that it may take; for an array, what its items may be.
    pub allowed: Option<Vec<Value>>,
    /// What it is to the rule; none if its file does not say.
    pub meaning: Option<Meaning>,
}

impl Rule {
    /// Returns what is known of the definition that is made of the rule, as of a version of a built-in one.
    pub fn facts(&self) -> VersionFacts {
        let (mode, kinds, api_groups, resource_types) = match &self.logic {
            Logic::Kubernetes { kinds, api_groups, .. } => (
                KUBERNETES_MODE.to_owned(),
                kinds.clone(),
                api_groups.clone(),
                CLUSTER_TYPES.map(str::to_owned).to_vec(),
            ),
            Logic::Azure { mode, policy_rule } => (mode.clone(), Vec::new(), Vec::new(), resource_types(policy_rule)),
        };
        let mut parameters: BTreeMap<String, Parameter> = self
            .parameters
            .iter()
            .map(|(name, parameter)| {
                let (allowed, default) = (parameter.allowed.clone(), parameter.default.clone());
                (name.clone(), plain(parameter.ty, allowed, default))
            })
            .collect();
        let effects: Vec<String> = self.effects.iter().map(Effect::to_string).collect();
        let allowed = effects.iter().map(|effect| Value::from(effect.as_str())).collect();
        let weakest = effects.first().map(|effect| Value::from(effect.as_str()));
        parameters.insert(
            "effect".to_owned(),
            plain(ParameterType::String, Some(allowed), weakest),
        );
        if matches!(self.logic, Logic::Kubernetes { .. }) {
            let list = |default: Value| plain(ParameterType::Array, None, Some(default));
            parameters.insert("excludedNamespaces".to_owned(), list(json!(MANAGED_NAMESPACES)));
            parameters.insert("namespaces".to_owned(), list(json!([])));
            let selector = Parameter {
                schema: Some(label_selector()),
                ..plain(ParameterType::Object, None, Some(json!({})))
            };
            parameters.insert("labelSelector".to_owned(), selector);
        }
        VersionFacts {
            version: "1.0.0".to_owned(),
            mode,
            parameters,
            effect_parameter: Some("effect".to_owned()),
            effects,
            resource_types,
            api_groups,
            kinds,
            template: None,
            constraint: None,
            role_definition_ids: Vec::new(),
        }
    }

    /// Returns the schema of its own parameters as a constraint template has it.
    pub fn parameter_schema(&self) -> Value {
        let own = self.parameters.iter();
        let properties: Map<String, Value> = own.map(|(name, one)| (name.clone(), schema(one))).collect();
        json!({"type": "object", "properties": properties})
    }

    /// Returns the rule as a template that can be evaluated; none if it judges Azure resources.
    pub fn template(&self) -> Option<Template> {
        match &self.logic {
            Logic::Kubernetes { rego, .. } => Some(Template::from_rego(
                &self.constraint_kind(),
                self.parameter_schema(),
                rego,
            )),
            Logic::Azure { .. } => None,
        }
    }

    /// Returns the kind of the rule's constraints, without the hash that tells one content from another: what suites use.
    pub fn constraint_kind(&self) -> String {
        constraint_kind(&self.name)
    }
}

/// The structural schema of a parameter, as Kubernetes asks for it.
fn schema(parameter: &RuleParameter) -> Value {
    use ParameterType as Type;
    let ty = match parameter.ty {
        Type::String | Type::DateTime => "string",
        Type::Array => "array",
        Type::Object => "object",
        Type::Boolean => "boolean",
        Type::Integer => "integer",
        Type::Float => "number",
    };
    let mut schema = Map::from_iter([("type".to_owned(), Value::from(ty))]);
    let mut put = |key: &str, value: Value| schema.insert(key.to_owned(), value);
    match parameter.ty {
        // What the items are is the rule's business; a schema has to say that it does not say.
        Type::Array => {
            put("items", json!({"x-kubernetes-preserve-unknown-fields": true}));
        }
        Type::Object => {
            put("x-kubernetes-preserve-unknown-fields", Value::from(true));
        }
        _ => {
            if let Some(allowed) = &parameter.allowed {
                put("enum", Value::from(allowed.clone()));
            }
        }
    }
    if let Some(default) = &parameter.default {
        put("default", default.clone());
    }
    if !parameter.description.is_empty() {
        put("description", Value::from(parameter.description.as_str()));
    }
    Value::Object(schema)
}

/// Returns the kind of constraint of a rule with that name, such as `AksgateNoNodePort`.
pub(super) fn constraint_kind(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + rest
    });
    KIND_PREFIX.to_owned() + &words.collect::<String>()
}

/// Returns the types of resources that a rule of Azure Resource Manager asks for: what stands beside `"field": "type"`.
fn resource_types(rule: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_types(rule, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect_types(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_types(item, found)),
        Value::Object(map) => {
            let field = map.get("field").and_then(Value::as_str);
            if field.is_some_and(|field| field.eq_ignore_ascii_case("type")) {
                let types = ["equals", "in", "like"].into_iter().filter_map(|key| map.get(key));
                let types = types.flat_map(|types| types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]));
                found.extend(types.filter_map(|one| one.as_str().map(str::to_owned)));
            }
            map.values().for_each(|value| collect_types(value, found));
        }
        _ => {}
    }
}

fn plain(ty: ParameterType, allowed: Option<Vec<Value>>, default: Option<Value>) -> Parameter {
    Parameter {
        ty,
        allowed,
        default,
        schema: None,
        strong_type: None,
        assign_permissions: false,
        deprecated: false,
    }
}

/// What a label selector of Kubernetes may be.
fn label_selector() -> Value {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist"];
    json!({
        "type": "object",
        "properties": {
            "matchLabels": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
            "matchExpressions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {"type": "string"},
                        "operator": {"type": "string", "enum": operators},
                        "values": {"type": "array", "items": {"type": "string"}},
                    },
                    "additionalProperties": false,
                },
            },
        },
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_made_of_the_rules_name() {
        assert_eq!(constraint_kind("no-node-port"), "AksgateNoNodePort");
        assert_eq!(constraint_kind("a--b-1x"), "AksgateAB1x");
    }

    #[test]
    fn the_types_that_a_rule_asks_for_are_found() {
        let rule = json!({"if": {"allOf": [{"field": "Type", "in": ["A/b", "C/d"]}, {"not": {"field": "type", "equals": "A/b"}},
            {"field": "name", "equals": "x"}]}});
        assert_eq!(resource_types(&rule), ["A/b", "C/d"]);
    }
}
