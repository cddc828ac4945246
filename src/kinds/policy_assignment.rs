//! Policy assignments: where a gate stands and how far it is closed.

use super::{
    Direction, ResourceKind, at, comparable_id, emptied, merge_metadata, own_metadata, properties, sorted_set,
};
use crate::diff::canonical_text;
use crate::model::{Effect, MarkState, STATE_KEY, Stage};
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

    fn rebuilt(&self, comparable: &Value, observed: Option<&Value>) -> Value {
        let mut rebuilt = comparable.as_object().cloned().unwrap_or_default();
        let properties = emptied(properties(comparable), observed);
        rebuilt.insert("properties".to_owned(), Value::Object(properties));
        Value::Object(rebuilt)
    }

    fn direction(&self, before: Option<&Value>, after: Option<&Value>) -> Direction {
        match (before, after) {
            (None, Some(_)) => Direction::Tightens,
            (Some(_), None) => Direction::Weakens,
            (None, None) => Direction::Neutral,
            (Some(before), Some(after)) => changed_direction(before, after),
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

/// Returns the text of a mark's state without `since` and `run`: those are set by the run that writes, so they are no change.
fn unstamped(text: &str) -> String {
    match MarkState::parse(text) {
        Some(state) => MarkState {
            since: None,
            run: None,
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

fn changed_direction(before: &Value, after: &Value) -> Direction {
    let property = |value: &Value, key: &str| at(value, &["properties", key]).cloned().unwrap_or_default();
    let keys: BTreeSet<String> = [before, after]
        .into_iter()
        .filter_map(|value| at(value, &["properties"]).and_then(Value::as_object))
        .flat_map(|map| map.keys().cloned())
        .collect();
    // Where it closes is said by effect and overrides together.
    let closing = super::closing::direction(before, after);
    let mut found: Vec<Direction> = closing.into_iter().collect();
    for key in keys {
        let (old, new) = (property(before, &key), property(after, &key));
        if canonical_text(&old) == canonical_text(&new) {
            continue;
        }
        found.push(match key.as_str() {
            "displayName" | "description" | "metadata" | "nonComplianceMessages" => Direction::Neutral,
            "enforcementMode" if new == "Default" => Direction::Tightens,
            "notScopes" => allow_list(&old, &new),
            "parameters" => parameters(&old, &new, closing.is_some()),
            "overrides" if closing.is_some() => Direction::Neutral,
            "overrides" if is_empty(&new) => overrides_gone(&old, after),
            // Another definition or version of it, a selector, an override, a property that a newer api-version brought: what
            // it lets through cannot be told from the document.
            _ => Direction::Weakens,
        });
    }
    for key in ["location", "identity"] {
        if before.get(key) != after.get(key) {
            found.push(Direction::Weakens);
        }
    }
    combine(found)
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

/// One that weakens decides; else one that tightens.
fn combine(found: Vec<Direction>) -> Direction {
    found.into_iter().reduce(Direction::and).unwrap_or(Direction::Neutral)
}

fn items(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(canonical_text).collect()
}

/// A list of what is let through: more in it weakens, less of it tightens.
fn allow_list(old: &Value, new: &Value) -> Direction {
    if items(new).is_subset(&items(old)) {
        Direction::Tightens
    } else {
        Direction::Weakens
    }
}

/// A list of what is held back: the other way round.
fn deny_list(old: &Value, new: &Value) -> Direction {
    allow_list(new, old)
}

fn parameters(old: &Value, new: &Value, without_effect: bool) -> Direction {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let names = names.into_iter().filter(|name| !(without_effect && *name == "effect"));
    let directions = names.filter_map(|name| {
        let value = |map: &Map<String, Value>| map.get(name).and_then(|p| p.get("value")).cloned();
        let (old, new) = (value(old), value(new));
        if old.as_ref().map(canonical_text) == new.as_ref().map(canonical_text) {
            return None;
        }
        Some(parameter(name, &old.unwrap_or_default(), &new.unwrap_or_default()))
    });
    combine(directions.collect())
}

fn parameter(name: &str, old: &Value, new: &Value) -> Direction {
    let stage = |value: &Value| value.as_str().and_then(Effect::parse).and_then(Stage::of);
    let lower = name.to_ascii_lowercase();
    let starts = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
    if lower == "effect" {
        return match (stage(old), stage(new)) {
            (Some(old), Some(new)) if new > old => Direction::Tightens,
            (Some(old), Some(new)) if new == old => Direction::Neutral,
            _ => Direction::Weakens,
        };
    }
    if !(old.is_array() && new.is_array()) {
        return Direction::Weakens;
    }
    if starts(&["allowed"]) && items(new).is_empty() {
        Direction::Weakens // in some definitions an empty list allows everything
    } else if starts(&["excluded", "allowed", "exempted"]) {
        allow_list(old, new)
    } else if starts(&["disallowed", "forbidden", "blocked", "denied", "required"]) {
        deny_list(old, new)
    } else if lower == "namespaces" {
        // An empty list means every namespace.
        match (items(old).is_empty(), items(new).is_empty()) {
            (_, true) => Direction::Tightens,
            (true, false) => Direction::Weakens,
            (false, false) => deny_list(old, new),
        }
    } else {
        Direction::Weakens
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
        for (at, (change, expected)) in cases.into_iter().enumerate() {
            let (before, after) = changed(change);
            assert_eq!(
                PolicyAssignment.direction(Some(&before), Some(&after)),
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
