//! The catalogue as JSON.

use crate::catalog::{Catalog, Definition, Found, Parameter, PolicySet, Source};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The version of the JSON form.
const FORMAT_VERSION: u64 = 1;

/// Returns what was found as JSON, always with every fact: `formatVersion`, `source`, `initiatives`, `definitions`.
pub fn document(catalog: &Catalog, found: &Found<'_>) -> Value {
    let Source {
        repository,
        commit,
        release,
        date,
        licence,
    } = catalog.source();
    let definitions: Vec<Value> = found.definitions.iter().map(|it| definition_value(it)).collect();
    let initiatives: Vec<Value> = found
        .initiatives
        .iter()
        .map(|it| initiative_value(catalog, it))
        .collect();
    json!({
        "formatVersion": FORMAT_VERSION,
        "source": {"repository": repository, "commit": commit, "release": release, "date": date, "licence": licence},
        "initiatives": initiatives,
        "definitions": definitions,
    })
}

fn definition_value(definition: &Definition) -> Value {
    let facts = definition.current();
    json!({
        "name": definition.name,
        "displayName": definition.display_name,
        "category": definition.category,
        "mode": facts.mode,
        "deprecated": definition.deprecated,
        "preview": definition.preview,
        "version": facts.version,
        "versions": definition.versions(),
        "pin": definition.current_pin().map(|pin| pin.to_string()),
        "effects": facts.effects,
        "effectParameter": facts.effect_parameter,
        "defaultEffect": facts.default_effect(),
        "ceiling": facts.ceiling().to_string(),
        "apiGroups": facts.api_groups,
        "kinds": facts.kinds,
        "resourceTypes": facts.resource_types,
        "template": facts.template,
        "roleDefinitionIds": facts.role_definition_ids,
        "parameters": parameters_value(&facts.parameters),
    })
}

fn initiative_value(catalog: &Catalog, set: &PolicySet) -> Value {
    let facts = set.current();
    let members: Vec<Value> = facts
        .members
        .iter()
        .map(|member| {
            json!({
                "referenceId": member.reference_id,
                "definition": member.definition,
                "displayName": catalog.definition(&member.definition).map(|it| it.display_name.as_str()),
                "pin": member.version.map(|pin| pin.to_string()),
                "version": catalog.facts_of_member(member).map(|facts| facts.version.as_str()),
                "effects": catalog.effects_of_member(member),
                "ceiling": catalog.ceiling_of_member(member).map(|stage| stage.to_string()),
                "parameters": member.parameters,
            })
        })
        .collect();
    json!({
        "name": set.name,
        "displayName": set.display_name,
        "category": set.category,
        "deprecated": set.deprecated,
        "preview": set.preview,
        "version": facts.version,
        "versions": set.versions(),
        "pin": set.current_pin().map(|pin| pin.to_string()),
        "parameters": parameters_value(&facts.parameters),
        "members": members,
    })
}

/// A key is there only if Azure states it: no `default` is not a default of null.
fn parameters_value(parameters: &BTreeMap<String, Parameter>) -> Value {
    let entry = |parameter: &Parameter| {
        let mut entry = Map::new();
        entry.insert("type".to_owned(), parameter.ty.to_string().into());
        let mut put = |key: &str, value: Option<Value>| value.map(|value| entry.insert(key.to_owned(), value));
        put("allowed", parameter.allowed.clone().map(Value::from));
        put("default", parameter.default.clone());
        put("schema", parameter.schema.clone());
        put("strongType", parameter.strong_type.clone().map(Value::from));
        put(
            "assignPermissions",
            parameter.assign_permissions.then_some(Value::Bool(true)),
        );
        put("deprecated", parameter.deprecated.then_some(Value::Bool(true)));
        Value::from(entry)
    };
    parameters
        .iter()
        .map(|(name, parameter)| (name.clone(), entry(parameter)))
        .collect::<Map<_, _>>()
        .into()
}
