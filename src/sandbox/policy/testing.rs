//! What the tests of the policy resources share.

use serde_json::{Value, json};

use super::super::json::set;
use super::super::testing::{Client, GROUP};

pub(super) const DEFINITIONS: &str = "/providers/Microsoft.Authorization/policyDefinitions";
pub(super) const SETS: &str = "/providers/Microsoft.Authorization/policySetDefinitions";
pub(super) const ASSIGNMENTS: &str = "/providers/Microsoft.Authorization/policyAssignments";
/// Built in: allowed effects `Audit, Deny, Disabled` and defaults for all parameters.
pub(super) const LATEST_TAG: &str =
    "/providers/Microsoft.Authorization/policyDefinitions/021f8078-41a0-40e6-81b6-c6597da9f3ee";

/// A custom definition with one required parameter and an effect.
pub(super) fn definition() -> Value {
    json!({"properties": {
        "displayName": "Own rule", "mode": "All", "metadata": {"category": "Tests", "createdBy": "me"},
        "parameters": {
            "effect": {"type": "string", "allowedValues": ["Audit", "Deny"], "defaultValue": "Audit"},
            "names": {"type": "array"},
        },
        "policyRule": {"if": {"field": "name", "in": "[parameters('names')]"}, "then": {"effect": "[parameters('effect')]"}},
    }})
}

pub(super) fn member(name: &str, parameters: Value) -> Value {
    json!({"policyDefinitionId": format!("{GROUP}{DEFINITIONS}/{name}"), "policyDefinitionReferenceId": name, "parameters": parameters})
}

pub(super) fn set_of(members: Value) -> Value {
    json!({"properties": {
        "displayName": "Own set",
        "parameters": {"effect": {"type": "String", "defaultValue": "Audit"}},
        "policyDefinitions": members,
    }})
}

pub(super) fn own_set(client: &mut Client) -> String {
    client.ok("PUT", &format!("{GROUP}{DEFINITIONS}/own"), Some(&definition()), 201);
    let members = json!([member(
        "own",
        json!({"names": {"value": ["x"]}, "effect": {"value": "[parameters('effect')]"}})
    )]);
    client.ok("PUT", &format!("{GROUP}{SETS}/own-set"), Some(&set_of(members)), 201);
    format!("{GROUP}{SETS}/own-set")
}

pub(super) fn assignment(definition: &str) -> Value {
    json!({"properties": {"displayName": "Gate", "policyDefinitionId": definition, "parameters": {}}})
}

pub(super) fn with(mut body: Value, pointer: &str, key: &str, value: Value) -> Value {
    set(&mut body, pointer, key, value);
    body
}
