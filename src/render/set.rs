//! The content of a policy set definition of our own: its parameters, and its members with their values.

use crate::catalog::{Catalog, VersionFacts};
use crate::config::{InitiativeKind, Member, MemberDefinition};
use crate::model::Effect;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a template of a policy set definition is filled with.
#[derive(Clone, Debug, PartialEq)]
pub struct SetContent {
    /// The initiative's name: its file's name.
    pub name: String,
    /// The text for the portal.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// `properties.parameters`.
    pub parameters: Map<String, Value>,
    /// `properties.policyDefinitions`.
    pub members: Vec<Value>,
}

/// The effects that a set of our own lets its assignment choose: the spelling that every definition knows which can deny.
const LADDER: [Effect; 3] = [Effect::Audit, Effect::Deny, Effect::Disabled];

/// The parameter that limits an assignment to namespaces.
pub const NAMESPACES: &str = "namespaces";

/// Builds the content of a set, by its name, its title and what it is for, from its members and the facts of their definitions.
///
/// A `divided` set lets its assignments be limited to namespaces.
///
/// `ids` are the ids of the definitions of our own, by rule; a rule without one is no member. In a set for admission, members that
/// cannot deny are fixed to audit, so that a step of the gate does not touch them; those that cannot audit either are fixed to
/// disabled. In one for enablement they are fixed to what they do; whether they do it is said by the enforcement mode of the
/// assignment.
pub fn set_content(
    (name, display_name, description): (&str, &str, &str),
    (kind, divided): (InitiativeKind, bool),
    members: &[Member],
    catalog: &Catalog,
    ids: &BTreeMap<String, String>,
) -> SetContent {
    let mut parameters = Map::new();
    let mut namespaces: BTreeSet<String> = BTreeSet::new();
    let mut takes_namespaces = false;
    let mut documents = Vec::new();
    for member in members {
        let mut document = Map::new();
        match &member.definition {
            MemberDefinition::BuiltIn { name, version } => {
                let id = format!("/providers/Microsoft.Authorization/policyDefinitions/{name}");
                document.insert("policyDefinitionId".to_owned(), Value::from(id));
                document.insert("definitionVersion".to_owned(), Value::from(version.as_str()));
            }
            // What is made here has one version, and so no pin.
            MemberDefinition::Rule(rule) => match ids.get(&rule.name) {
                Some(id) => {
                    document.insert("policyDefinitionId".to_owned(), Value::from(id.as_str()));
                }
                None => continue,
            },
        }
        let facts = member.facts(catalog);
        let facts = facts.as_deref();
        let mut values = Map::new();
        if let Some((parameter, value)) = facts.and_then(|facts| effect_value(facts, kind)) {
            if value == "[parameters('effect')]" {
                parameters.insert("effect".to_owned(), effect_parameter());
            }
            values.insert(parameter, json!({ "value": value }));
        }
        let shared = facts.and_then(|facts| facts.parameters.get("excludedNamespaces"));
        if let Some(parameter) = shared.filter(|_| !member.parameters.contains_key("excludedNamespaces")) {
            takes_namespaces = true;
            let defaults = parameter
                .default
                .as_ref()
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            namespaces.extend(defaults.filter_map(Value::as_str).map(str::to_owned));
            values.insert(
                "excludedNamespaces".to_owned(),
                json!({"value": "[parameters('excludedNamespaces')]"}),
            );
        }
        let stated = member.parameters.contains_key(NAMESPACES) || member.expose.contains_key(NAMESPACES);
        let limited = facts.is_some_and(|facts| facts.parameters.contains_key(NAMESPACES));
        if divided && limited && !stated {
            let shared = json!({"value": format!("[parameters('{NAMESPACES}')]")});
            values.insert(NAMESPACES.to_owned(), shared);
            // None named is all of them.
            let declared = json!({"type": "Array", "defaultValue": []});
            parameters.insert(NAMESPACES.to_owned(), declared);
        }
        for (parameter, shown) in &member.expose {
            values.insert(
                parameter.clone(),
                json!({ "value": format!("[parameters('{shown}')]") }),
            );
            if let Some(facts) = facts.and_then(|facts| facts.parameters.get(parameter)) {
                let mut declared = json!({ "type": facts.ty.to_string() });
                if let Some(map) = declared.as_object_mut() {
                    map.extend(
                        facts
                            .allowed
                            .clone()
                            .map(|values| ("allowedValues".to_owned(), Value::from(values))),
                    );
                    map.extend(facts.default.clone().map(|value| ("defaultValue".to_owned(), value)));
                }
                parameters.entry(shown.clone()).or_insert(declared);
            }
        }
        for (parameter, value) in &member.parameters {
            values.insert(parameter.clone(), json!({ "value": literal(value) }));
        }
        let reference = Value::from(member.reference_id.as_str());
        document.insert("policyDefinitionReferenceId".to_owned(), reference);
        document.insert("parameters".to_owned(), Value::Object(values));
        documents.push(Value::Object(document));
    }
    if takes_namespaces {
        let declared = json!({"type": "Array", "defaultValue": namespaces});
        parameters.insert("excludedNamespaces".to_owned(), declared);
    }
    SetContent {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        description: description.to_owned(),
        parameters,
        members: documents,
    }
}

/// Returns the effects that a set of our own lets its assignment choose.
pub fn effects() -> Vec<String> {
    LADDER.iter().map(Effect::to_string).collect()
}

fn effect_parameter() -> Value {
    json!({"type": "String", "allowedValues": effects(), "defaultValue": "Audit"})
}

/// Returns the member's effect parameter and its value: the set's own effect where the definition knows the whole ladder.
fn effect_value(facts: &VersionFacts, kind: InitiativeKind) -> Option<(String, Value)> {
    let parameter = facts.effect_parameter.clone()?;
    let allowed = || facts.effects.iter().map(String::as_str);
    if let (InitiativeKind::Enablement, Some(acts)) = (kind, facts.acting_effect()) {
        return Some((parameter, Value::from(acts)));
    }
    let ladder = LADDER
        .iter()
        .all(|effect| allowed().any(|text| text == effect.to_string()));
    if ladder {
        return Some((parameter, Value::from("[parameters('effect')]")));
    }
    // What can only act, such as a mutation, is off unless the member states its effect: its default would act at once.
    let still = [Effect::Audit, Effect::AuditIfNotExists, Effect::Disabled]
        .into_iter()
        .find_map(|effect| effect.spelling(allowed()));
    still.map(|effect| (parameter, Value::from(effect)))
}

/// Escapes what Azure would read as an expression: in a member's values a text that starts with `[` is one, `[[` is a bracket.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('[') => Value::from(format!("[{text}")),
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), literal(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_can_only_mutate_is_off_unless_it_states_its_effect() {
        let catalog = Catalog::embedded();
        let mutation = catalog
            .definitions()
            .find(|definition| definition.current().effects == ["Mutate", "Disabled"])
            .unwrap();
        let member = |parameters: BTreeMap<String, Value>| Member {
            reference_id: "m".into(),
            definition: MemberDefinition::BuiltIn {
                name: mutation.name.clone(),
                version: "1.*.*".into(),
            },
            parameters,
            expose: BTreeMap::new(),
            images: BTreeSet::new(),
        };
        let effect = |parameters| {
            let kind = InitiativeKind::Admission;
            let set = set_content(
                ("s", "S", ""),
                (kind, false),
                &[member(parameters)],
                catalog,
                &BTreeMap::new(),
            );
            set.members[0]["parameters"]["effect"]["value"].clone()
        };
        assert_eq!(effect(BTreeMap::new()), "Disabled");
        let stated = BTreeMap::from([("effect".to_owned(), Value::from("Mutate"))]);
        assert_eq!(effect(stated), "Mutate");
    }
}
