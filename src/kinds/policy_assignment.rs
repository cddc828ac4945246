//! Policy assignments: where a gate stands and how far it is closed.

use super::direction::of_meaning;
use super::{
    Direction, FieldDirection, Meanings, ResourceKind, at, comparable_id, merge_metadata, own_metadata, properties,
    sorted_set,
};
use crate::diff::canonical_text;
use crate::model::{Effect, MarkState, Meaning, STATE_KEY, Stage};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

pub(super) struct PolicyAssignment;

/// Properties that the server makes; never sent and never compared (policyAssignments, 2025-01-01).
const READ_ONLY: [&str; 4] = [
    "scope",
    "instanceId",
    "latestDefinitionVersion",
    "effectiveDefinitionVersion",
];

/// Properties that an assignment of ours always states; what somebody else put there is overwritten.
const OWNED: [&str; 7] = [
    "displayName",
    "description",
    "policyDefinitionId",
    "parameters",
    "notScopes",
    "nonComplianceMessages",
    "enforcementMode",
];

impl ResourceKind for PolicyAssignment {
    fn comparable(&self, wire: &Value) -> Value {
        let mut properties = properties(wire);
        for key in READ_ONLY {
            properties.remove(key);
        }
        if let Some(id) = properties
            .get("policyDefinitionId")
            .and_then(Value::as_str)
            .map(comparable_id)
        {
            properties.insert("policyDefinitionId".to_owned(), Value::from(id));
        }
        let not_scopes = sorted_set(properties.get("notScopes"), comparable_id);
        properties.insert("notScopes".to_owned(), not_scopes);
        properties
            .entry("enforcementMode")
            .or_insert_with(|| Value::from("Default"));
        let mut metadata = own_metadata(properties.get("metadata"));
        if let Some(state) = metadata.get_mut(STATE_KEY) {
            *state = Value::from(unstamped(state.as_str().unwrap_or_default()));
        }
        properties.insert("metadata".to_owned(), Value::Object(metadata));
        let namespaces = properties
            .get_mut("parameters")
            .and_then(|p| p.get_mut("excludedNamespaces"));
        if let Some(value) = namespaces.and_then(|parameter| parameter.get_mut("value")) {
            *value = sorted_set(Some(value), str::to_owned);
        }
        properties.retain(|_, value| !is_empty(value));
        let mut result = Map::new();
        result.insert("properties".to_owned(), Value::Object(properties));
        if let Some(location) = wire.get("location").and_then(Value::as_str) {
            let plain = location.to_ascii_lowercase().replace(' ', "");
            result.insert("location".to_owned(), Value::from(plain));
        }
        if let Some(identity) = wire
            .get("identity")
            .and_then(|identity| stated_identity(identity, str::to_ascii_lowercase))
        {
            result.insert("identity".to_owned(), identity);
        }
        Value::Object(result)
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        let stated = properties(desired);
        let mut merged = observed.map(properties).unwrap_or_default();
        for key in READ_ONLY.iter().chain(&OWNED) {
            merged.remove(*key);
        }
        let metadata = merge_metadata(stated.get("metadata"), merged.get("metadata"));
        merged.extend(stated);
        merged.insert("metadata".to_owned(), Value::Object(metadata));
        let mut result = Map::new();
        result.insert("properties".to_owned(), Value::Object(merged));
        let either = |key: &str| {
            desired
                .get(key)
                .or_else(|| observed.and_then(|observed| observed.get(key)))
        };
        if let Some(location) = either("location") {
            result.insert("location".to_owned(), location.clone());
        }
        if let Some(identity) = either("identity").and_then(|identity| stated_identity(identity, str::to_owned)) {
            result.insert("identity".to_owned(), identity);
        }
        Value::Object(result)
    }

    fn directions(&self, before: Option<&Value>, after: Option<&Value>, meanings: &Meanings) -> Vec<FieldDirection> {
        match (before, after) {
            (None, Some(_)) => vec![FieldDirection::told(Direction::Tightens, "a gate comes")],
            (Some(before), None) => {
                let did = match super::closing::denies(before) {
                    Some(false) => "what it reported is no longer seen",
                    _ => "what it refused is let through",
                };
                vec![FieldDirection::told(
                    Direction::Weakens,
                    format!("the gate goes: {did}"),
                )]
            }
            (None, None) => Vec::new(),
            (Some(before), Some(after)) => changed(before, after, meanings),
        }
    }
}

/// Returns an identity as it is sent: its type and, of a user-assigned one, its id through `form`. Principals and clients are the
/// server's. None for no identity.
fn stated_identity(identity: &Value, form: impl Fn(&str) -> String) -> Option<Value> {
    let kind = identity.get("type").and_then(Value::as_str)?;
    if kind.eq_ignore_ascii_case("None") {
        return None;
    }
    let mut result = Map::new();
    result.insert("type".to_owned(), Value::from(kind));
    if let Some(ids) = identity.get("userAssignedIdentities").and_then(Value::as_object) {
        let ids: Map<String, Value> = ids.keys().map(|id| (form(id), Value::Object(Map::new()))).collect();
        result.insert("userAssignedIdentities".to_owned(), Value::Object(ids));
    }
    Some(Value::Object(result))
}

/// Returns the principal of an assignment's identity; none if it has none, or none that is known.
pub fn principal_of(assignment: &Value) -> Option<String> {
    let identity = assignment.get("identity")?;
    let named = |value: &Value| {
        let id = value.get("principalId")?.as_str()?;
        (!id.is_empty()).then(|| id.to_ascii_lowercase())
    };
    let user_assigned = || {
        identity
            .get("userAssignedIdentities")?
            .as_object()?
            .values()
            .find_map(named)
    };
    named(identity).or_else(user_assigned)
}

/// Returns the text of a mark's state without what the run that writes sets: that is no change.
fn unstamped(text: &str) -> String {
    match MarkState::parse(text) {
        Some(state) => MarkState {
            since: None,
            run: None,
            weakened: None,
            ..state
        }
        .to_text(),
        None => text.to_owned(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn changed(before: &Value, after: &Value, meanings: &Meanings) -> Vec<FieldDirection> {
    let property = |value: &Value, key: &str| at(value, &["properties", key]).cloned();
    let keys: BTreeSet<String> = [before, after]
        .into_iter()
        .filter_map(|value| at(value, &["properties"]).and_then(Value::as_object))
        .flat_map(|map| map.keys().cloned())
        .collect();
    // Where it closes is said by effect and overrides together.
    let closing = super::closing::directions(before, after);
    let told = closing.is_some();
    let mut found = closing.unwrap_or_default();
    for key in keys {
        let (old, new) = (property(before, &key), property(after, &key));
        if same(old.as_ref(), new.as_ref()) {
            continue;
        }
        let change = |direction| FieldDirection::change(direction, &key, old.as_ref(), new.as_ref());
        match key.as_str() {
            "displayName" | "description" | "metadata" | "nonComplianceMessages" => {}
            "enforcementMode" if new.as_ref().is_some_and(|new| new == "Default") => {
                found.push(change(Direction::Tightens));
            }
            "notScopes" => {
                let empty = Value::Array(Vec::new());
                let (old, new) = (old.as_ref().unwrap_or(&empty), new.as_ref().unwrap_or(&empty));
                found.extend(of_meaning(Meaning::Excludes, &key, Some(old), Some(new)));
            }
            "parameters" => found.extend(parameters(old.as_ref(), new.as_ref(), told, meanings)),
            "overrides" if told => {}
            "overrides" if new.as_ref().is_none_or(is_empty) => {
                found.push(change(overrides_gone(&old.clone().unwrap_or_default(), after)));
            }
            // Another definition or version of it, a selector, an override, a property that a newer api-version brought: what
            // it lets through cannot be told from the document.
            _ => found.push(change(Direction::Weakens)),
        }
    }
    for key in ["location", "identity"] {
        if before.get(key) != after.get(key) {
            found.push(FieldDirection::change(
                Direction::Weakens,
                key,
                before.get(key),
                after.get(key),
            ));
        }
    }
    found
}

fn same(old: Option<&Value>, new: Option<&Value>) -> bool {
    old.map(canonical_text) == new.map(canonical_text)
}

/// Overrides that go: where each held a member below the effect that now holds again, their going tightens.
fn overrides_gone(overrides: &Value, after: &Value) -> Direction {
    let effect = at(after, &["properties", "parameters", "effect", "value"]).and_then(Value::as_str);
    let stage = effect.and_then(Effect::parse).and_then(Stage::of);
    let lower = override_stages(overrides).is_some_and(|stages| stages.into_iter().all(|below| Some(below) < stage));
    if lower { Direction::Tightens } else { Direction::Weakens }
}

/// Returns the stage that each of an assignment's `overrides` stands for; none if one of them is not an effect of the ladder.
pub fn override_stages(overrides: &Value) -> Option<Vec<Stage>> {
    let one = |item: &Value| {
        let kind = item.get("kind").and_then(Value::as_str)?;
        let effect = item.get("value").and_then(Value::as_str).and_then(Effect::parse)?;
        kind.eq_ignore_ascii_case("policyEffect")
            .then(|| Stage::of(effect))
            .flatten()
    };
    overrides.as_array()?.iter().map(one).collect()
}

fn parameters(
    old: Option<&Value>,
    new: Option<&Value>,
    without_effect: bool,
    meanings: &Meanings,
) -> Vec<FieldDirection> {
    let empty = Map::new();
    let map = |value: Option<&Value>| {
        value
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_else(|| empty.clone())
    };
    let (old, new) = (map(old), map(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let names = names.into_iter().filter(|name| !(without_effect && *name == "effect"));
    names
        .flat_map(|name| {
            let value = |map: &Map<String, Value>| map.get(name).and_then(|p| p.get("value")).cloned();
            let (old, new) = (value(&old), value(&new));
            if same(old.as_ref(), new.as_ref()) {
                return Vec::new();
            }
            parameter(name, old.as_ref(), new.as_ref(), meanings.get(name).copied())
        })
        .collect()
}

fn parameter(name: &str, old: Option<&Value>, new: Option<&Value>, meaning: Option<Meaning>) -> Vec<FieldDirection> {
    if name.eq_ignore_ascii_case("effect") {
        let stage = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .and_then(Effect::parse)
                .and_then(Stage::of)
        };
        let direction = match (stage(old), stage(new)) {
            (Some(old), Some(new)) if new > old => Direction::Tightens,
            (Some(old), Some(new)) if new == old => Direction::Neutral,
            _ => Direction::Weakens,
        };
        return vec![FieldDirection::change(direction, name, old, new)];
    }
    match meaning {
        Some(meaning) => of_meaning(meaning, name, old, new),
        None => vec![FieldDirection::change(Direction::Weakens, name, old, new)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wire() -> Value {
        json!({"properties": {
            "displayName": "d", "policyDefinitionId": "/providers/Microsoft.Authorization/policySetDefinitions/A",
            "definitionVersion": "1.*.*",
            "parameters": {"effect": {"value": "Audit"}, "excludedNamespaces": {"value": ["a", "b"]}, "allowedPorts": {"value": [80, 443]}},
            "metadata": {"aksgateState": "position=audit; digest=d"}}})
    }

    fn changed(change: impl Fn(&mut Value)) -> (Value, Value) {
        let mut after = wire();
        change(&mut after);
        (
            PolicyAssignment.comparable(&wire()),
            PolicyAssignment.comparable(&after),
        )
    }

    #[test]
    fn what_the_server_changes_is_no_difference() {
        let (before, after) = changed(|wire| {
            let properties = &mut wire["properties"];
            properties["policyDefinitionId"] = json!("/providers/microsoft.authorization/policysetdefinitions/a");
            properties["metadata"] = json!({"createdBy": "x", "updatedOn": null,
                "aksgateState": "position=audit; digest=d; since=2027-01-01T00:00:00Z; run=1"});
            properties["scope"] = json!("/subscriptions/x");
            properties["enforcementMode"] = json!("Default");
            properties["notScopes"] = json!([]);
            properties["overrides"] = json!([]);
            properties["instanceId"] = json!("i");
            properties["parameters"]["excludedNamespaces"]["value"] = json!(["b", "a"]);
            wire["systemData"] = json!({});
        });
        assert_eq!(before, after);
    }

    #[test]
    fn each_change_has_its_direction() {
        type Change = fn(&mut Value);
        let cases: [(Change, Direction); 24] = [
            (
                |w| w["properties"]["definitionVersion"] = json!("2.*.*"),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["excludedNamespaces"]["value"] = json!(["a", "b", {"c": 1}]),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["excludedNamespaces"]["value"] = json!(["a", "b", 7]),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["excludedNamespaces"]["value"] = json!("*"),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["allowedPorts"]["value"] = json!([80, 443, 8080]),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["allowedPorts"]["value"] = json!([80]),
                Direction::Tightens,
            ),
            (
                |w| w["properties"]["parameters"]["allowedPorts"]["value"] = json!([]),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["allowedPorts"]["value"] = json!({"any": true}),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["selfServeExemptionSettings"] = json!({"enabled": true}),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["Effect"] = json!({"value": "Disabled"}),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["effect"]["value"] = json!("Deny"),
                Direction::Tightens,
            ),
            (
                |w| w["properties"]["parameters"]["effect"]["value"] = json!("deny"),
                Direction::Tightens,
            ),
            (
                |w| w["properties"]["parameters"]["effect"]["value"] = json!("audit"),
                Direction::Neutral,
            ),
            (
                |w| w["properties"]["parameters"]["effect"]["value"] = json!("Disabled"),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["effect"] = json!({}),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["enforcementMode"] = json!("DoNotEnforce"),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["notScopes"] = json!(["/subscriptions/x"]),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["excludedNamespaces"]["value"] = json!(["a"]),
                Direction::Tightens,
            ),
            (
                |w| w["properties"]["parameters"]["excludedNamespaces"]["value"] = json!(["a", "c"]),
                Direction::Weakens,
            ),
            (
                |w| w["properties"]["parameters"]["namespaces"] = json!({"value": ["x"]}),
                Direction::Weakens,
            ),
            (|w| w["properties"]["displayName"] = json!("e"), Direction::Neutral),
            (
                |w| w["properties"]["resourceSelectors"] = json!([{"name": "n"}]),
                Direction::Weakens,
            ),
            (
                |w| w["identity"] = json!({"type": "SystemAssigned"}),
                Direction::Weakens,
            ),
            (
                |w| {
                    w["properties"]["parameters"]["effect"]["value"] = json!("Deny");
                    w["properties"]["notScopes"] = json!(["/subscriptions/x"]);
                },
                Direction::Weakens,
            ),
        ];
        let meanings = Meanings::from([
            ("allowedPorts".to_owned(), Meaning::Allows),
            ("excludedNamespaces".to_owned(), Meaning::Excludes),
            ("namespaces".to_owned(), Meaning::Selects),
        ]);
        for (at, (change, expected)) in cases.into_iter().enumerate() {
            let (before, after) = changed(change);
            assert_eq!(
                Direction::of(&PolicyAssignment.directions(Some(&before), Some(&after), &meanings)),
                expected,
                "case {at}"
            );
        }
    }

    #[test]
    fn what_we_do_not_state_is_carried_through() {
        let mut live = wire();
        live["properties"]["resourceSelectors"] = json!([{"name": "ring"}]);
        live["properties"]["notScopes"] = json!(["/subscriptions/x"]);
        live["properties"]["metadata"]["theirs"] = json!("kept");
        live["properties"]["scope"] = json!("/subscriptions/x");
        live["location"] = json!("westeurope");
        let merged = PolicyAssignment.merged(&wire(), Some(&live));
        assert_eq!(merged["properties"]["resourceSelectors"][0]["name"], "ring");
        assert_eq!(merged["properties"]["metadata"]["theirs"], "kept");
        assert_eq!(merged["location"], "westeurope");
        assert_eq!(merged["properties"].get("notScopes"), None);
        assert_eq!(merged["properties"].get("scope"), None);
    }
}
