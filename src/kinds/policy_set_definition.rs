//! Policy set definitions of our own.
//!
//! Their names carry a hash of the content, so a change of content is another set; a change in place only restores what
//! somebody edited, or words.

use super::direction::of_meaning;
use super::{
    Direction, FieldDirection, Meanings, ResourceKind, comparable_id, comparable_parameters, merged_definition,
    own_metadata, properties, sorted_set,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(super) struct PolicySetDefinition;

impl ResourceKind for PolicySetDefinition {
    fn comparable(&self, wire: &Value) -> Value {
        let properties = properties(wire);
        let mut result = Map::new();
        for key in ["displayName", "description"] {
            if let Some(text) = properties
                .get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
            {
                result.insert(key.to_owned(), Value::from(text));
            }
        }
        result.insert(
            "metadata".to_owned(),
            Value::Object(own_metadata(properties.get("metadata"))),
        );
        result.insert(
            "parameters".to_owned(),
            comparable_parameters(properties.get("parameters")),
        );
        let members = properties
            .get("policyDefinitions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let mut found = Map::new();
        for (at, member) in members.enumerate() {
            let reference = member.get("policyDefinitionReferenceId").and_then(Value::as_str);
            let mut key = reference.unwrap_or_default().to_owned();
            if key.is_empty() || found.contains_key(&key) {
                key.push_str(&format!("#{at}")); // two members under one name are two members
            }
            found.insert(key, comparable_member(member));
        }
        result.insert("policyDefinitions".to_owned(), Value::Object(found));
        json!({ "properties": result })
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        merged_definition(desired, observed)
    }

    fn directions(&self, before: Option<&Value>, after: Option<&Value>, meanings: &Meanings) -> Vec<FieldDirection> {
        // A set acts only through its assignment, whose own step has the direction of its coming and going.
        let (Some(before), Some(after)) = (before, after) else {
            return Vec::new();
        };
        let part = |value: &Value, key: &str| super::at(value, &["properties", key]).cloned().unwrap_or_default();
        let (old, new) = (part(before, "policyDefinitions"), part(after, "policyDefinitions"));
        let empty = Map::new();
        let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
        let references = |members: &Map<String, Value>| -> BTreeSet<String> { members.keys().cloned().collect() };
        let mut found = FieldDirection::set("members", &references(old), &references(new), Direction::Tightens);
        for (reference, member) in old {
            match new.get(reference) {
                Some(other) if other != member => found.extend(changed_member(reference, member, other, meanings)),
                _ => {}
            }
        }
        let (old, new) = (part(before, "parameters"), part(after, "parameters"));
        if old != new {
            found.push(FieldDirection::told(
                Direction::Weakens,
                "`parameters`, which are declared in another way",
            ));
        }
        found
    }
}

fn changed_member(reference: &str, old: &Value, new: &Value, meanings: &Meanings) -> Vec<FieldDirection> {
    let keys = |value: &Value| -> BTreeSet<String> {
        let map = value.as_object().into_iter().flatten();
        map.map(|(key, _)| key.clone()).collect()
    };
    let changed = |old: &Value, new: &Value| -> Vec<String> {
        let all: BTreeSet<String> = keys(old).union(&keys(new)).cloned().collect();
        all.into_iter().filter(|key| old.get(key) != new.get(key)).collect()
    };
    let mut found = Vec::new();
    for key in changed(old, new) {
        let (old, new) = (old.get(&key), new.get(&key));
        match key.as_str() {
            "groupNames" => {}
            "parameters" => {
                let null = Value::Null;
                let (old, new) = (old.unwrap_or(&null), new.unwrap_or(&null));
                for name in changed(old, new) {
                    let value = |of: &Value| of.get(&name).and_then(|value| value.get("value")).cloned();
                    let field = format!("{reference}/{name}");
                    let (old, new) = (value(old), value(new));
                    found.extend(match meanings.get(&field) {
                        Some(meaning) => of_meaning(*meaning, &field, old.as_ref(), new.as_ref()),
                        None => vec![FieldDirection::change(
                            Direction::Weakens,
                            &field,
                            old.as_ref(),
                            new.as_ref(),
                        )],
                    });
                }
            }
            // What another definition or version of it lets through cannot be told from here.
            _ => found.push(FieldDirection::change(
                Direction::Weakens,
                &format!("{reference}/{key}"),
                old,
                new,
            )),
        }
    }
    found
}

fn comparable_member(member: &Value) -> Value {
    let mut result = Map::new();
    if let Some(id) = member.get("policyDefinitionId").and_then(Value::as_str) {
        result.insert("policyDefinitionId".to_owned(), Value::from(comparable_id(id)));
    }
    // Only what Azure brings has versions; at a definition of ours ARM writes one by itself.
    let built_in = |id: &Value| {
        id.as_str()
            .is_none_or(|id| id.starts_with("/providers/microsoft.authorization/"))
    };
    let built_in = result.get("policyDefinitionId").is_none_or(built_in);
    if let Some(version) = member
        .get("definitionVersion")
        .filter(|version| built_in && !version.is_null())
    {
        result.insert("definitionVersion".to_owned(), version.clone());
    }
    let parameters = member
        .get("parameters")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    result.insert("parameters".to_owned(), Value::Object(parameters));
    let groups = sorted_set(member.get("groupNames"), str::to_owned);
    if groups.as_array().is_some_and(|groups| !groups.is_empty()) {
        result.insert("groupNames".to_owned(), groups);
    }
    Value::Object(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(members: Value) -> Value {
        json!({"properties": {"displayName": "d", "metadata": {"aksgate": "x"}, "policyDefinitions": members,
               "parameters": {"p": {"type": "Array"}}}})
    }

    #[test]
    fn what_the_server_changes_is_no_difference() {
        let sent = wire(json!([
            {"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/A", "policyDefinitionReferenceId": "a"},
            {"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/B", "policyDefinitionReferenceId": "b"}]));
        let mut got = wire(json!([
            {"policyDefinitionId": "/providers/microsoft.authorization/policydefinitions/b", "policyDefinitionReferenceId": "b",
             "groupNames": [], "parameters": {}},
            {"policyDefinitionId": "/providers/microsoft.authorization/policydefinitions/a", "policyDefinitionReferenceId": "a"}]));
        got["properties"]["metadata"]["createdOn"] = json!("2027-01-01T00:00:00Z");
        got["properties"]["parameters"]["p"]["type"] = json!("array");
        got["properties"]["policyType"] = json!("Custom");
        got["properties"]["description"] = json!("");
        got["systemData"] = json!({});
        assert_eq!(
            PolicySetDefinition.comparable(&sent),
            PolicySetDefinition.comparable(&got)
        );
    }

    #[test]
    fn a_member_that_goes_or_changes_weakens() {
        let member =
            |name: &str, version: &str| json!({"policyDefinitionReferenceId": name, "definitionVersion": version});
        let state = |members: Value| PolicySetDefinition.comparable(&wire(members));
        let direction = |one: Value, two: Value| PolicySetDefinition.direction(Some(&state(one)), Some(&state(two)));
        let (a, b) = (member("a", "1.*.*"), member("b", "1.*.*"));
        assert_eq!(direction(json!([a]), json!([a, b])), Direction::Tightens);
        assert_eq!(direction(json!([a, b]), json!([a])), Direction::Weakens);
        assert_eq!(direction(json!([a]), json!([member("a", "2.*.*")])), Direction::Weakens);
        assert_eq!(direction(json!([a, b]), json!([b, a])), Direction::Neutral);
        assert_eq!(
            direction(
                json!([member("a", "1.*.*"), member("a", "2.*.*")]),
                json!([member("a", "2.*.*")])
            ),
            Direction::Weakens,
            "a member is not hidden by another one of its name"
        );
    }
}
