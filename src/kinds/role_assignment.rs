//! Role assignments of the identities of our policy assignments.
//!
//! What one gives cannot be changed: ARM refuses another principal, role or scope under the same name (2022-04-01).

use super::{FieldDirection, Meanings, ResourceKind, properties};
use serde_json::{Map, Value, json};

pub(super) struct RoleAssignment;

/// What a person may have added to one, and stays: a condition narrows what it gives.
const THEIRS: [&str; 2] = ["condition", "conditionVersion"];

impl ResourceKind for RoleAssignment {
    fn comparable(&self, wire: &Value) -> Value {
        let properties = properties(wire);
        let text = |key: &str| properties.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut result = Map::new();
        // ARM writes the subscription before a built-in role's id.
        let role = text("roleDefinitionId").rsplit('/').next().unwrap_or_default();
        result.insert("roleDefinitionId".to_owned(), Value::from(role.to_ascii_lowercase()));
        result.insert(
            "principalId".to_owned(),
            match properties.get("principalId") {
                Some(Value::String(id)) => Value::from(id.to_ascii_lowercase()),
                other => other.cloned().unwrap_or_default(),
            },
        );
        for key in ["principalType", "description"].iter().chain(&THEIRS) {
            if !text(key).is_empty() {
                result.insert((*key).to_owned(), Value::from(text(key)));
            }
        }
        json!({ "properties": result })
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        let mut merged = properties(desired);
        let observed = observed.map(properties).unwrap_or_default();
        for key in THEIRS {
            if let (false, Some(value)) = (
                merged.contains_key(key),
                observed.get(key).filter(|value| !value.is_null()),
            ) {
                merged.insert(key.to_owned(), value.clone());
            }
        }
        json!({ "properties": merged })
    }

    /// A role lets an identity deploy; it holds nothing back and lets nothing in.
    fn directions(&self, _: Option<&Value>, _: Option<&Value>, _: &Meanings) -> Vec<FieldDirection> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_changes_is_no_difference() {
        let sent = json!({"properties": {
            "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/ED7F", "principalId": "A", "principalType": "ServicePrincipal",
            "description": "mark"}});
        let got = json!({"id": "/x", "name": "n", "properties": {
            "roleDefinitionId": "/subscriptions/s/providers/microsoft.authorization/roledefinitions/ed7f", "principalId": "a",
            "principalType": "ServicePrincipal", "description": "mark", "scope": "/subscriptions/s", "condition": null,
            "createdOn": "2027-01-01T00:00:00Z", "updatedBy": "somebody"}});
        assert_eq!(RoleAssignment.comparable(&sent), RoleAssignment.comparable(&got));
    }

    #[test]
    fn a_condition_that_somebody_added_stays() {
        let live = json!({"properties": {"condition": "c", "conditionVersion": "2.0"}});
        let merged = RoleAssignment.merged(&json!({"properties": {"principalId": "a"}}), Some(&live));
        assert_eq!(merged["properties"]["condition"], "c");
    }
}
