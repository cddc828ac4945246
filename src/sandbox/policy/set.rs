//! Policy set definitions (initiatives).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::error::ArmError;
use super::super::http::Response;
use super::super::json::{Object, entry_without_case, items, text};
use super::super::random::hash;
use super::super::route::Call;
use super::super::state::{KnownScope, State};
use super::lookup::Found;
use super::{Kind, check_name, check_quota, definition, parameters, properties};

/// Policy set definitions.
pub(super) const SET: Kind = Kind {
    segment: "policySetDefinitions",
    lower: "microsoft.authorization/policysetdefinitions",
    code: "PolicySetDefinition",
    words: "policy set definition",
    properties: &[
        "policyType",
        "displayName",
        "description",
        "metadata",
        "parameters",
        "policyDefinitions",
        "policyDefinitionGroups",
        "version",
        "versions",
    ],
    quota: 200,
};

/// Answers a request for policy set definitions or their versions.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    if call.address.parts.len() > 1 {
        return definition::versions(state, call, SET);
    }
    match (call.request.method.as_str(), call.address.name()) {
        ("GET", Some(name)) => definition::get(state, call, SET, name),
        ("GET", None) => definition::list(state, call, SET),
        ("PUT", Some(name)) => put(state, call, name),
        ("DELETE", Some(name)) => definition::delete(state, call, SET, name),
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}

fn put(state: &mut State, call: &Call, name: &str) -> Result<Response, ArmError> {
    check_name(SET, name, 64)?;
    let scope = definition::writable_scope(state, call)?;
    let mut properties = properties(SET, &call.body)?;
    definition::check_type_and_version(&properties)?;
    let declared = parameters::declarations(SET, &properties, 400)?;
    let members = check_members(state, &scope, name, &properties, &declared)?;
    let id = SET.id(&scope.id, name);
    let before = state.resource(&id).cloned();
    match &before {
        Some(before) => parameters::check_update(SET, before, &declared)?,
        None => check_quota(state, SET, &scope)?,
    }
    properties.insert("policyDefinitions".to_owned(), Value::Array(members));
    if properties.contains_key("parameters") {
        properties.insert("parameters".to_owned(), Value::Object(declared));
    }
    let status = if before.is_some() { 200 } else { 201 };
    let name = before.as_ref().map_or(name, |before| text(before, "/name")).to_owned();
    let document = definition::store(state, SET, &id, &name, properties, before.as_ref());
    Ok(Response::json(status, &definition::present(state, call, &document)))
}

fn request_error(name: &str, why: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidCreatePolicySetDefinitionRequest",
        format!("The policy set definition '{name}' request is invalid. {why}"),
    )
}

/// Checks the members, and returns them with the reference ids and versions that the service fills in.
fn check_members(
    state: &State,
    scope: &KnownScope,
    name: &str,
    properties: &Object,
    declared: &Object,
) -> Result<Vec<Value>, ArmError> {
    let given = properties
        .get("policyDefinitions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if given.is_empty() || given.len() > 1000 {
        return Err(request_error(name, "It must have from 1 to 1000 policy definitions."));
    }
    let groups: BTreeSet<String> = properties
        .get("policyDefinitionGroups")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|group| text(group, "/name").to_ascii_lowercase())
        .collect();
    let defaults: BTreeMap<String, Value> = declared
        .iter()
        .filter_map(|(name, declaration)| {
            declaration
                .get("defaultValue")
                .map(|value| (name.clone(), value.clone()))
        })
        .collect();
    let mut references = BTreeSet::new();
    let mut members = Vec::new();
    for (index, mut member) in given.into_iter().enumerate() {
        let id = text(&member, "/policyDefinitionId").to_owned();
        let found = Found::by_id(state, &id)?;
        if found.is_set {
            return Err(request_error(
                name,
                "Referenced policy definitions must be of type 'Microsoft.Authorization/policyDefinitions'.",
            ));
        }
        if !found.usable_at(scope) {
            return Err(request_error(
                name,
                &format!("The policy definition '{id}' must be at or above the scope of the policy set definition."),
            ));
        }
        let pin = match text(&member, "/definitionVersion") {
            "" => found.default_pin(),
            pin => pin.to_owned(),
        };
        let version = found.pinned(&pin)?;
        check_references(name, &found, &member, declared)?;
        parameters::check_member(name, &member, &found, version, &defaults)?;
        if let Some(group) = items(&member, "/groupNames")
            .iter()
            .find(|group| !groups.contains(&group.as_str().unwrap_or_default().to_ascii_lowercase()))
        {
            return Err(request_error(
                name,
                &format!("The group {group} is not one of its policy definition groups."),
            ));
        }
        let reference = match text(&member, "/policyDefinitionReferenceId") {
            // The service makes up a long number, the same for the same member.
            "" => hash(&format!("{} {index} reference", id.to_ascii_lowercase())).to_string(),
            reference => reference.to_owned(),
        };
        if !references.insert(reference.to_ascii_lowercase()) {
            return Err(request_error(
                name,
                &format!("The policy definition reference id '{reference}' is used more than once."),
            ));
        }
        super::super::json::set(&mut member, "", "policyDefinitionReferenceId", json!(reference));
        super::super::json::set(&mut member, "", "definitionVersion", json!(pin));
        for key in ["latestDefinitionVersion", "effectiveDefinitionVersion"] {
            super::super::json::remove(&mut member, "", key);
        }
        members.push(member);
    }
    Ok(members)
}

/// Checks that each set parameter which a member uses exists and has the type that the member's own parameter has.
fn check_references(set: &str, found: &Found<'_>, member: &Value, declared: &Object) -> Result<(), ArmError> {
    let empty = Object::new();
    let own = super::super::json::object(found.newest, "/properties/parameters").unwrap_or(&empty);
    for (name, value) in parameters::unwrap_values(member.get("parameters"))? {
        let Some(used) = parameters::reference(&value) else {
            continue;
        };
        let Some((_, declaration)) = entry_without_case(declared, used) else {
            return Err(ArmError::bad_request(
                "UndefinedPolicyParameter",
                format!(
                    "The policy set definition '{set}' uses the parameter '{used}' for the policy definition '{}', but does not define it.",
                    found.name()
                ),
            ));
        };
        let Some((_, wanted)) = entry_without_case(own, &name) else {
            continue;
        };
        if !text(declaration, "/type").eq_ignore_ascii_case(text(wanted, "/type")) {
            return Err(ArmError::bad_request(
                "InvalidPolicyParameters",
                format!(
                    "The policy set parameter '{used}' has the type '{}', but the parameter '{name}' of the policy definition '{}' has the type '{}'.",
                    text(declaration, "/type"),
                    found.name(),
                    text(wanted, "/type")
                ),
            ));
        }
    }
    Ok(())
}
