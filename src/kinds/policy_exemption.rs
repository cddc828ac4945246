//! Policy exemptions: what is let off a gate, for how long.

use super::{
    Direction, FieldDirection, Meanings, ResourceKind, at, comparable_id, merge_metadata, own_metadata, properties,
    sorted_set,
};
use crate::diff::canonical_text;
use crate::model::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) struct PolicyExemption;

/// Properties that an exemption of ours always states.
const OWNED: [&str; 6] = [
    "displayName",
    "description",
    "policyAssignmentId",
    "policyDefinitionReferenceIds",
    "exemptionCategory",
    "expiresOn",
];

impl ResourceKind for PolicyExemption {
    fn comparable(&self, wire: &Value) -> Value {
        let mut properties = properties(wire);
        if let Some(id) = properties
            .get("policyAssignmentId")
            .and_then(Value::as_str)
            .map(comparable_id)
        {
            properties.insert("policyAssignmentId".to_owned(), Value::from(id));
        }
        let members = sorted_set(properties.get("policyDefinitionReferenceIds"), str::to_ascii_lowercase);
        properties.insert("policyDefinitionReferenceIds".to_owned(), members);
        let expires = properties
            .get("expiresOn")
            .and_then(Value::as_str)
            .and_then(Timestamp::parse);
        if let Some(expires) = expires {
            properties.insert("expiresOn".to_owned(), Value::from(expires.to_string()));
        }
        let metadata = own_metadata(properties.get("metadata"));
        properties.insert("metadata".to_owned(), Value::Object(metadata));
        // The default, which the server states.
        if properties.get("assignmentScopeValidation") == Some(&Value::from("Default")) {
            properties.remove("assignmentScopeValidation");
        }
        properties.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        });
        json!({ "properties": properties })
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        let stated = properties(desired);
        let mut merged = observed.map(properties).unwrap_or_default();
        for key in OWNED {
            merged.remove(key);
        }
        let metadata = merge_metadata(stated.get("metadata"), merged.get("metadata"));
        merged.extend(stated);
        merged.insert("metadata".to_owned(), Value::Object(metadata));
        json!({ "properties": merged })
    }

    fn directions(&self, before: Option<&Value>, after: Option<&Value>, _: &Meanings) -> Vec<FieldDirection> {
        let ends = |value: &Value| {
            let ends = at(value, &["properties", "expiresOn"]).and_then(Value::as_str);
            ends.map_or("without an end".to_owned(), |ends| format!("until {ends}"))
        };
        let (before, after) = match (before, after) {
            (None, Some(after)) => {
                let text = format!("an exemption comes, {}", ends(after));
                return vec![FieldDirection::told(Direction::Weakens, text)];
            }
            (Some(_), None) => return vec![FieldDirection::told(Direction::Tightens, "an exemption goes")],
            (None, None) => return Vec::new(),
            (Some(before), Some(after)) => (properties(before), properties(after)),
        };
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changed = keys.into_iter().filter_map(|key| {
            let (old, new) = (before.get(key), after.get(key));
            if old.map(canonical_text) == new.map(canonical_text) {
                return None;
            }
            let direction = match key.as_str() {
                "displayName" | "description" | "metadata" | "exemptionCategory" => return None,
                "expiresOn" => expiry(old, new),
                "policyDefinitionReferenceIds" => members(old, new),
                // Another assignment, a selector, whatever a newer api-version brings: what it lets off cannot be told from here.
                _ => Direction::Weakens,
            };
            Some(FieldDirection::change(direction, key, old, new))
        });
        changed.collect()
    }
}

fn expiry(old: Option<&Value>, new: Option<&Value>) -> Direction {
    let time = |value: Option<&Value>| value.and_then(Value::as_str).and_then(Timestamp::parse);
    match (time(old), time(new)) {
        (None, Some(_)) if old.is_none() => Direction::Tightens,
        (Some(old), Some(new)) if new < old => Direction::Tightens,
        _ => Direction::Weakens,
    }
}

/// The members that are let off: all of them if none is named.
fn members(old: Option<&Value>, new: Option<&Value>) -> Direction {
    let items = |value: Option<&Value>| -> Option<BTreeSet<String>> {
        Some(value?.as_array()?.iter().map(canonical_text).collect())
    };
    match (items(old), items(new)) {
        (None, Some(_)) if old.is_none() => Direction::Tightens,
        (Some(old), Some(new)) if new.is_subset(&old) && new != old => Direction::Tightens,
        _ => Direction::Weakens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> Value {
        json!({"properties": {
            "policyAssignmentId": "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/A", "exemptionCategory": "Waiver",
            "expiresOn": "2027-01-31T00:00:00Z", "description": "why", "policyDefinitionReferenceIds": ["b", "A"]}})
    }

    #[test]
    fn what_the_server_changes_is_no_difference() {
        let mut got = wire();
        let properties = &mut got["properties"];
        properties["policyAssignmentId"] =
            json!("/subscriptions/s/providers/microsoft.authorization/policyassignments/a");
        properties["expiresOn"] = json!("2027-01-31T00:00:00.0000000Z");
        properties["policyDefinitionReferenceIds"] = json!(["a", "B"]);
        properties["assignmentScopeValidation"] = json!("Default");
        properties["metadata"] = Value::Null;
        got["systemData"] = json!({});
        assert_eq!(PolicyExemption.comparable(&wire()), PolicyExemption.comparable(&got));
    }

    #[test]
    fn each_change_has_its_direction() {
        let direction = |change: fn(&mut Value)| {
            let mut after = wire();
            change(&mut after["properties"]);
            let (before, after) = (PolicyExemption.comparable(&wire()), PolicyExemption.comparable(&after));
            PolicyExemption.direction(Some(&before), Some(&after))
        };
        assert_eq!(
            direction(|p| p["expiresOn"] = json!("2027-02-01T00:00:00Z")),
            Direction::Weakens
        );
        assert_eq!(
            direction(|p| p["expiresOn"] = json!("2027-01-01T00:00:00Z")),
            Direction::Tightens
        );
        assert_eq!(direction(|p| p["expiresOn"] = Value::Null), Direction::Weakens);
        assert_eq!(
            direction(|p| p["policyDefinitionReferenceIds"] = json!(["a"])),
            Direction::Tightens
        );
        assert_eq!(
            direction(|p| p["policyDefinitionReferenceIds"] = json!([])),
            Direction::Weakens
        );
        assert_eq!(
            direction(|p| p["policyDefinitionReferenceIds"] = json!(["a", "c"])),
            Direction::Weakens
        );
        assert_eq!(direction(|p| p["description"] = json!("else")), Direction::Neutral);
        assert_eq!(
            direction(|p| p["exemptionCategory"] = json!("Mitigated")),
            Direction::Neutral
        );
        assert_eq!(
            direction(|p| p["policyAssignmentId"] = json!("/x/y")),
            Direction::Weakens
        );
        let state = PolicyExemption.comparable(&wire());
        assert_eq!(PolicyExemption.direction(None, Some(&state)), Direction::Weakens);
        assert_eq!(PolicyExemption.direction(Some(&state), None), Direction::Tightens);
    }

    #[test]
    fn what_somebody_narrowed_stays_narrow() {
        let mut live = wire();
        live["properties"]["resourceSelectors"] = json!([{"name": "west"}]);
        let merged = PolicyExemption.merged(&wire(), Some(&live));
        assert_eq!(merged["properties"]["resourceSelectors"][0]["name"], "west");
    }
}
