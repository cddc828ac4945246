//! Policy assignments.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::error::ArmError;
use super::super::http::Response;
use super::super::json::{Object, entry_without_case, items, object, remove, set as set_key, text};
use super::super::random::{Random, hash};
use super::super::route::{Call, made_at, page};
use super::super::state::{KnownScope, State};
use super::super::versions::at_least;
use super::lookup::Found;
use super::{Kind, check_name, check_quota, definition, parameters, properties, scope, selectors, stamp_metadata};

/// Policy assignments.
pub(super) const ASSIGNMENT: Kind = Kind {
    segment: "policyAssignments",
    lower: "microsoft.authorization/policyassignments",
    code: "PolicyAssignment",
    words: "policy assignment",
    properties: &[
        "displayName",
        "policyDefinitionId",
        "definitionVersion",
        "latestDefinitionVersion",
        "effectiveDefinitionVersion",
        "scope",
        "notScopes",
        "parameters",
        "description",
        "metadata",
        "enforcementMode",
        "nonComplianceMessages",
        "resourceSelectors",
        "overrides",
        "assignmentType",
        "instanceId",
        "selfServeExemptionSettings",
    ],
    quota: 200,
};

/// Answers a request for policy assignments.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let at = scope(state, call)?;
    let Some(name) = call.address.name() else {
        return if call.request.method == "GET" {
            list(state, call, &at)
        } else {
            Err(ArmError::method_not_allowed(&call.request.method))
        };
    };
    if at.id.is_empty() {
        return Err(ArmError::bad_request(
            "InvalidPolicyAssignmentScope",
            "A policy assignment cannot be made at the tenant.",
        ));
    }
    check_name(ASSIGNMENT, name, if at.is_management_group() { 24 } else { 64 })?;
    let id = ASSIGNMENT.id(&at.id, name);
    let before = state.resource(&id).cloned();
    match (call.request.method.as_str(), before) {
        ("PUT", before) => put(state, call, &at, before.as_ref()),
        ("GET", Some(document)) => Ok(Response::json(200, &present(state, call, &document))),
        ("PATCH", Some(document)) => patch(state, call, document),
        ("DELETE", Some(document)) => {
            state.take(&id);
            Ok(Response::json(200, &present(state, call, &document)))
        }
        ("DELETE", None) => Ok(Response::empty(204)),
        ("GET" | "PATCH", None) => Err(ASSIGNMENT.not_found(name)),
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}

/// Lists assignments. Without a filter: at the scope, above it and, but for a management group, below it.
fn list(state: &State, call: &Call, at: &KnownScope) -> Result<Response, ArmError> {
    let filter = call.request.query_value("$filter").unwrap_or_default();
    let filter = filter.trim();
    let lower = filter.to_ascii_lowercase();
    let here = at.id.to_ascii_lowercase();
    let below = |made: &str| state.scope(made).is_ok_and(|scope| scope.is_within(&here));
    let wanted_definition = lower
        .strip_prefix("policydefinitionid eq '")
        .and_then(|rest| rest.strip_suffix('\''))
        .map(str::to_owned);
    let mut documents = Vec::new();
    for (id, document) in state.of_type(ASSIGNMENT.lower) {
        let made = made_at(document);
        let keep = match lower.as_str() {
            "" if at.is_management_group() => at.is_within(&made),
            "" => at.is_within(&made) || below(&made),
            "atscope()" => at.is_within(&made),
            "atexactscope()" => made == here,
            "atscopeandbelow()" => below(&made),
            _ => match &wanted_definition {
                Some(wanted) => {
                    at.is_within(&made)
                        && text(document, "/properties/policyDefinitionId").to_ascii_lowercase() == *wanted
                }
                None => {
                    return Err(ArmError::bad_request(
                        "InvalidFilterInQueryString",
                        format!("The filter '{filter}' in the query string is invalid."),
                    ));
                }
            },
        };
        if keep {
            documents.push((id.clone(), present(state, call, document)));
        }
    }
    Ok(Response::json(200, &page(state, call, documents)?))
}

/// Returns a document as the asked api-version shows it.
fn present(state: &State, call: &Call, document: &Value) -> Value {
    let mut document = document.clone();
    for (key, from) in [
        ("instanceId", "2025-01-01"),
        ("definitionVersion", "2023-04-01"),
        ("selfServeExemptionSettings", "2025-11-01"),
    ] {
        if !at_least(&call.version, from) {
            remove(&mut document, "/properties", key);
        }
    }
    let expand = call
        .request
        .query_value("$expand")
        .unwrap_or_default()
        .to_ascii_lowercase();
    definition::expand_versions(state, &mut document, "/properties", &expand);
    document
}

fn request_error(name: &str, why: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidCreatePolicyAssignmentRequest",
        format!("The policy assignment '{name}' request is invalid. {why}"),
    )
}

fn put(state: &mut State, call: &Call, at: &KnownScope, before: Option<&Value>) -> Result<Response, ArmError> {
    let name = before.map_or(call.name(), |before| text(before, "/name")).to_owned();
    let mut properties = properties(ASSIGNMENT, &call.body)?;
    for read_only in [
        "scope",
        "instanceId",
        "latestDefinitionVersion",
        "effectiveDefinitionVersion",
    ] {
        properties.remove(read_only);
    }
    let definition_id = properties
        .get("policyDefinitionId")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if definition_id.is_empty() {
        return Err(request_error(&name, "The property 'policyDefinitionId' is required."));
    }
    if let Some(was) = before.map(|before| text(before, "/properties/policyDefinitionId"))
        && !was.eq_ignore_ascii_case(&definition_id)
    {
        return Err(ArmError::bad_request(
            "InvalidPolicyAssignmentUpdate",
            format!(
                "The policy definition of the policy assignment '{name}' cannot be changed from '{was}' to '{definition_id}'."
            ),
        ));
    }
    let assigned = Found::by_id(state, &definition_id)?;
    if !assigned.usable_at(at) {
        return Err(ArmError::bad_request(
            "InvalidCreatePolicyAssignmentRequest",
            format!(
                "The policy definition specified in policy assignment '{name}' is out of scope. Policy definitions should be specified only at or above the policy assignment scope. If the management groups hierarchy changed recently or if assigning a management group policy to new subscription, please allow up to 30 minutes for the hierarchy changes to apply and try again."
            ),
        ));
    }
    if !at_least(&call.version, "2023-04-01") {
        properties.remove("definitionVersion");
    }
    let pin = match properties
        .get("definitionVersion")
        .map(|pin| pin.as_str().unwrap_or_default())
    {
        None => assigned.default_pin(),
        Some(pin) => pin.to_owned(),
    };
    let version = assigned.pinned(&pin)?;
    check_parameters(state, &name, &assigned, version, properties.get("parameters"))?;
    check_details(state, call, at, &name, &assigned, version, &properties)?;
    selectors::check_resource_selectors(properties.get("resourceSelectors"), &call.version)?;
    selectors::check_overrides(state, &assigned, &pin, properties.get("overrides"))?;
    if needs_identity(state, &assigned, version) && !has_identity(call.body.get("identity")) {
        return Err(ArmError::bad_request(
            "ResourceIdentityRequired",
            format!(
                "Resource identity is required. The policy definition of the policy assignment '{name}' deploys or modifies resources."
            ),
        ));
    }
    if before.is_none() {
        check_quota(state, ASSIGNMENT, at)?;
    }
    let location = location(&name, &call.body, before)?;
    let identity = identity(state, &call.body, before, location.as_deref())?;

    properties.insert("definitionVersion".to_owned(), json!(pin));
    properties.insert("scope".to_owned(), json!(at.id));
    properties.entry("notScopes").or_insert_with(|| json!([]));
    properties.entry("enforcementMode").or_insert_with(|| json!("Default"));
    let instance = match before.map(|before| text(before, "/properties/instanceId")) {
        Some(instance) if !instance.is_empty() => instance.to_owned(),
        _ => state.guid(),
    };
    properties.insert("instanceId".to_owned(), json!(instance));
    stamp_metadata(state, &mut properties, before);
    let mut document = json!({
        "id": ASSIGNMENT.id(&at.id, &name),
        "type": ASSIGNMENT.full_type(),
        "name": name,
        "properties": properties,
        "systemData": state.system_data(before),
    });
    for (key, value) in [("location", location.map(Value::String)), ("identity", identity)] {
        if let Some(value) = value {
            set_key(&mut document, "", key, value);
        }
    }
    state.insert(document.clone());
    // The service answers 201 also when it replaces one.
    Ok(Response::json(201, &present(state, call, &document)))
}

/// Checks the values: known, of the right type, allowed in exactly this casing, and none missing.
fn check_parameters(
    state: &State,
    name: &str,
    assigned: &Found<'_>,
    version: &str,
    given: Option<&Value>,
) -> Result<(), ArmError> {
    let document = assigned.document(version);
    let empty = Object::new();
    let declared = object(document, "/properties/parameters").unwrap_or(&empty);
    let given = parameters::unwrap_values(given)?;
    let unknown: Vec<&str> = given
        .keys()
        .filter(|name| entry_without_case(declared, name).is_none())
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(ArmError::bad_request(
            "UndefinedPolicyParameter",
            format!(
                "The policy assignment '{name}' has the parameter(s) '{}' which are not defined in the policy definition '{}'.",
                unknown.join(","),
                assigned.name()
            ),
        ));
    }
    let mut values: BTreeMap<String, Value> = BTreeMap::new();
    for (parameter, declaration) in declared {
        let value = given
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(parameter))
            .map(|(_, value)| value);
        if let Some(value) = value
            && !parameters::is_expression(value)
            && parameters::fits(declaration, value).is_err()
        {
            return Err(parameters::not_allowed(
                parameter,
                value,
                assigned.name(),
                version,
                declaration,
            ));
        }
        match value.or_else(|| declaration.get("defaultValue")) {
            Some(value) => values.insert(parameter.clone(), value.clone()),
            None => {
                return Err(ArmError::bad_request(
                    "MissingPolicyParameter",
                    format!(
                        "The policy assignment '{name}' is missing the parameter(s) '{parameter}' as defined in the policy definition '{}'.",
                        assigned.name()
                    ),
                ));
            }
        };
    }
    for member in items(document, "/properties/policyDefinitions") {
        let found = Found::by_id(state, text(member, "/policyDefinitionId"))?;
        let version = found
            .pinned(text(member, "/definitionVersion"))
            .unwrap_or_else(|_| found.version());
        parameters::check_member(assigned.name(), member, &found, version, &values)?;
    }
    Ok(())
}

fn check_details(
    state: &State,
    call: &Call,
    at: &KnownScope,
    name: &str,
    assigned: &Found<'_>,
    version: &str,
    properties: &Object,
) -> Result<(), ArmError> {
    let mode = properties
        .get("enforcementMode")
        .map_or("Default", |mode| mode.as_str().unwrap_or_default());
    let mut modes = vec!["Default", "DoNotEnforce"];
    if at_least(&call.version, "2025-01-01") {
        modes.push("Enroll");
    }
    if !modes.contains(&mode) {
        return Err(ArmError::bad_request(
            "InvalidPolicyAssignmentEnforcementMode",
            format!(
                "The enforcement mode '{mode}' of the policy assignment '{name}' is invalid. The allowed values are '{}'.",
                modes.join(", ")
            ),
        ));
    }
    let not_scopes = properties
        .get("notScopes")
        .map(|value| value.as_array().map(Vec::as_slice));
    match not_scopes {
        None => {}
        Some(None) => return Err(ArmError::content("The 'notScopes' must be an array.")),
        Some(Some(not_scopes)) => {
            if not_scopes.len() > 400 {
                return Err(request_error(name, "It has more than 400 'notScopes'."));
            }
            let here = at.id.to_ascii_lowercase();
            for excluded in not_scopes {
                let excluded = excluded.as_str().unwrap_or_default();
                let inside = match state.scope(excluded) {
                    Ok(scope) => scope.is_within(&here),
                    // A resource that does not exist yet may be excluded; where it would be, its path says.
                    Err(_) => excluded.to_ascii_lowercase().starts_with(&format!("{here}/")),
                };
                if !inside {
                    return Err(ArmError::bad_request(
                        "InvalidPolicyAssignmentNotScopes",
                        format!(
                            "The not scope '{excluded}' of the policy assignment '{name}' is not a child of its scope '{}'.",
                            at.id
                        ),
                    ));
                }
            }
        }
    }
    let members = items(assigned.document(version), "/properties/policyDefinitions");
    for message in properties
        .get("nonComplianceMessages")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        let reference = text(message, "/policyDefinitionReferenceId");
        if text(message, "/message").is_empty() {
            return Err(request_error(name, "A non-compliance message has no 'message'."));
        }
        let known = members
            .iter()
            .any(|member| text(member, "/policyDefinitionReferenceId").eq_ignore_ascii_case(reference));
        if !reference.is_empty() && !known {
            return Err(request_error(
                name,
                &format!(
                    "The following policy definition reference Ids used in non-compliance messages do not exist in the assigned policy set definition: '{reference}'."
                ),
            ));
        }
    }
    Ok(())
}

/// Returns whether a rule in what is assigned deploys or modifies, which needs an identity.
fn needs_identity(state: &State, assigned: &Found<'_>, version: &str) -> bool {
    let acts = |document: &Value| {
        document
            .pointer("/properties/policyRule/then/details/roleDefinitionIds")
            .is_some()
    };
    let document = assigned.document(version);
    if !assigned.is_set {
        return acts(document);
    }
    items(document, "/properties/policyDefinitions")
        .iter()
        .any(|member| Found::by_id(state, text(member, "/policyDefinitionId")).is_ok_and(|found| acts(found.newest)))
}

fn has_identity(identity: Option<&Value>) -> bool {
    identity.is_some_and(|identity| {
        ["systemassigned", "userassigned"].contains(&text(identity, "/type").to_ascii_lowercase().as_str())
    })
}

/// Returns the location: it may be set once, and not to `global`.
fn location(name: &str, body: &Value, before: Option<&Value>) -> Result<Option<String>, ArmError> {
    let was = before.map(|before| text(before, "/location")).unwrap_or_default();
    let given: String = text(body, "/location")
        .chars()
        .filter(|character| *character != ' ')
        .collect::<String>()
        .to_ascii_lowercase();
    if given == "global" {
        return Err(ArmError::bad_request(
            "LocationNotAvailableForResourceType",
            "The provided location 'global' is not available for resource type 'Microsoft.Authorization/policyAssignments'.",
        ));
    }
    if !was.is_empty() && !given.is_empty() && was != given {
        return Err(ArmError::new(
            409,
            "InvalidResourceLocation",
            format!(
                "The resource '{name}' already exists in location '{was}'. A resource with the same name cannot be created in location '{given}'. Please select a new resource name."
            ),
        ));
    }
    let location = if given.is_empty() { was.to_owned() } else { given };
    Ok((!location.is_empty()).then_some(location))
}

/// Returns the identity as the service answers it; a system-assigned one keeps its principal while it stays.
fn identity(
    state: &mut State,
    body: &Value,
    before: Option<&Value>,
    location: Option<&str>,
) -> Result<Option<Value>, ArmError> {
    let Some(given) = body.get("identity").filter(|identity| !identity.is_null()) else {
        return Ok(None);
    };
    let kind = text(given, "/type").to_ascii_lowercase();
    if location.is_none() && kind != "none" {
        return Err(ArmError::bad_request(
            "LocationRequired",
            "The location property is required for this definition.",
        ));
    }
    match kind.as_str() {
        "none" => Ok(Some(json!({"type": "None"}))),
        "systemassigned" => {
            let kept = before
                .filter(|before| text(before, "/identity/type") == "SystemAssigned")
                .map(|before| text(before, "/identity/principalId").to_owned());
            let principal = kept.unwrap_or_else(|| state.guid());
            Ok(Some(
                json!({"type": "SystemAssigned", "principalId": principal, "tenantId": state.tenant}),
            ))
        }
        "userassigned" => {
            let ids: Vec<String> = object(given, "/userAssignedIdentities")
                .map(|ids| ids.keys().cloned().collect())
                .unwrap_or_default();
            let [id] = ids.as_slice() else {
                return Err(ArmError::bad_request(
                    "InvalidIdentity",
                    "A policy assignment has exactly one user-assigned identity.",
                ));
            };
            // The identity is a resource of its own: it keeps its principal, whoever is given it.
            let known = |what: &str| Random::named(hash(&id.to_ascii_lowercase()), what).guid();
            let filled = json!({"principalId": known("principal"), "clientId": known("client")});
            Ok(Some(
                json!({"type": "UserAssigned", "userAssignedIdentities": {id.as_str(): filled}}),
            ))
        }
        _ => Err(ArmError::bad_request(
            "InvalidIdentity",
            "The identity type must be 'SystemAssigned', 'UserAssigned' or 'None'.",
        )),
    }
}

/// Changes only what PATCH can change: resource selectors, overrides, location and identity.
fn patch(state: &mut State, call: &Call, before: Value) -> Result<Response, ArmError> {
    let empty = Object::new();
    let given = object(&call.body, "/properties").unwrap_or(&empty);
    if let Some(key) = given
        .keys()
        .find(|key| !["resourceSelectors", "overrides"].contains(&key.as_str()))
    {
        return Err(ArmError::content(format!(
            "The request content was invalid: the property 'properties.{key}' cannot be updated by PATCH."
        )));
    }
    if let Some(key) = call.body.as_object().and_then(|body| {
        body.keys()
            .find(|key| !["properties", "location", "identity"].contains(&key.as_str()))
    }) {
        return Err(ArmError::content(format!(
            "The request content was invalid: the property '{key}' cannot be updated by PATCH."
        )));
    }
    let assigned = Found::by_id(state, text(&before, "/properties/policyDefinitionId"))?;
    selectors::check_resource_selectors(given.get("resourceSelectors"), &call.version)?;
    selectors::check_overrides(
        state,
        &assigned,
        text(&before, "/properties/definitionVersion"),
        given.get("overrides"),
    )?;
    let location = location(text(&before, "/name"), &call.body, Some(&before))?;
    let identity = identity(state, &call.body, Some(&before), location.as_deref())?;
    let mut document = before.clone();
    for (key, value) in given {
        set_key(&mut document, "/properties", key, value.clone());
    }
    for (key, value) in [("location", location.map(Value::String)), ("identity", identity)] {
        if let Some(value) = value {
            set_key(&mut document, "", key, value);
        }
    }
    if let Some(Value::Object(properties)) = document.get("properties").cloned() {
        let mut properties = properties;
        stamp_metadata(state, &mut properties, Some(&before));
        set_key(&mut document, "", "properties", Value::Object(properties));
    }
    set_key(&mut document, "", "systemData", state.system_data(Some(&before)));
    state.insert(document.clone());
    Ok(Response::json(200, &present(state, call, &document)))
}
