//! Managed clusters: GET, list, PUT and PATCH as long-running operations, and the operations themselves.

use serde_json::{Value, json};

use super::cluster_document::addon_identity;
use super::error::ArmError;
use super::http::Response;
use super::json::{Object, items, object, remove, set, text};
use super::random::Random;
use super::route::{Call, page};
use super::state::{KnownScope, Operation, State};
use super::time;
use super::versions::at_least;

const LOWER: &str = "microsoft.containerservice/managedclusters";
/// Properties that the service owns; a caller's value for them is ignored.
const READ_ONLY: [&str; 8] = [
    "provisioningState",
    "powerState",
    "maxAgentPools",
    "currentKubernetesVersion",
    "fqdn",
    "privateFQDN",
    "azurePortalFQDN",
    "resourceUID",
];
/// Properties that cannot change after the cluster was made.
const IMMUTABLE: [&str; 4] = ["dnsPrefix", "nodeResourceGroup", "enableRBAC", "fqdnSubdomain"];

/// Answers a request for managed clusters.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let scope = state.scope(&call.address.scope)?;
    let method = call.request.method.as_str();
    let Some(name) = call.address.name() else {
        return if method == "GET" && !scope.is_management_group() {
            list(state, call, &scope)
        } else {
            Err(ArmError::method_not_allowed(method))
        };
    };
    if scope.is_subscription() || scope.is_management_group() || scope.id.is_empty() {
        return Err(ArmError::method_not_allowed(method));
    }
    let id = format!(
        "{}/providers/Microsoft.ContainerService/managedClusters/{name}",
        scope.id
    );
    let before = state.resource(&id).cloned();
    match (method, before) {
        ("GET", Some(document)) => Ok(Response::json(200, &present(call, &document))),
        ("GET" | "PATCH", None) => Err(ArmError::not_found(
            "ResourceNotFound",
            format!(
                "The Resource 'Microsoft.ContainerService/managedClusters/{name}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                scope.id.rsplit('/').next().unwrap_or_default()
            ),
        )),
        ("PUT", before) => put(state, call, &id, before),
        ("PATCH", Some(document)) => patch(state, call, document),
        _ => Err(ArmError::method_not_allowed(method)),
    }
}

fn list(state: &State, call: &Call, scope: &KnownScope) -> Result<Response, ArmError> {
    let start = scope.id.to_ascii_lowercase();
    let documents = state
        .of_type(LOWER)
        .filter(|(id, _)| id.starts_with(&format!("{start}/")))
        .map(|(id, document)| (id.clone(), present(call, document)))
        .collect();
    Ok(Response::json(200, &page(state, call, documents)?))
}

/// Returns a cluster as the asked api-version shows it: an older one hides what it does not know.
fn present(call: &Call, document: &Value) -> Value {
    let mut document = document.clone();
    remove(&mut document, "", "x-operation");
    if !at_least(&call.version, "2026-05-01") {
        remove(&mut document, "/properties/securityProfile/defender", "securityGating");
    }
    if !at_least(&call.version, "2025-03-01") {
        remove(&mut document, "/properties", "bootstrapProfile");
        remove(&mut document, "", "kind");
    }
    document
}

/// Checks `If-Match` and `If-None-Match`.
fn check_match(call: &Call, before: Option<&Value>) -> Result<(), ArmError> {
    let wanted = call.request.header("if-match").filter(|value| !value.is_empty());
    let unwanted = call.request.header("if-none-match").filter(|value| !value.is_empty());
    if wanted.is_some() && unwanted.is_some() {
        return Err(ArmError::bad_request(
            "InvalidHeader",
            "'If-Match' and 'If-None-Match' cannot be given together.",
        ));
    }
    if unwanted.is_some_and(|value| value != "*") {
        return Err(ArmError::bad_request(
            "InvalidHeader",
            "'If-None-Match' may only be empty or '*'.",
        ));
    }
    let etag = before.map(|document| text(document, "/eTag"));
    let holds = match (wanted, etag) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some("*"), Some(_)) => true,
        (Some(wanted), Some(etag)) => wanted.trim_matches('"') == etag,
    };
    if !holds || unwanted.is_some() && before.is_some() {
        return Err(ArmError::new(
            412,
            "PreconditionFailed",
            "The entity tag in the request does not match that of the resource. Read the resource again and retry.",
        ));
    }
    Ok(())
}

/// Refuses a change while another one runs, and of a stopped cluster.
fn check_idle(document: &Value) -> Result<(), ArmError> {
    let provisioning = text(document, "/properties/provisioningState");
    if !["Succeeded", "Failed", "Canceled"].contains(&provisioning) {
        return Err(ArmError::new(
            409,
            "OperationNotAllowed",
            format!(
                "Operation is not allowed: Another operation ({provisioning}) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"
            ),
        ));
    }
    Ok(())
}

fn check_running(document: &Value) -> Result<(), ArmError> {
    let power = text(document, "/properties/powerState/code");
    if power == "Running" {
        return Ok(());
    }
    Err(ArmError::new(
        409,
        "OperationNotAllowed",
        format!(
            "Operation is not allowed: managed cluster is in {power} state. Only start operation is allowed on a cluster that is stopped."
        ),
    ))
}

fn put(state: &mut State, call: &Call, id: &str, before: Option<Value>) -> Result<Response, ArmError> {
    check_match(call, before.as_ref())?;
    let location: String = text(&call.body, "/location").replace(' ', "").to_ascii_lowercase();
    if location.is_empty() {
        return Err(ArmError::bad_request(
            "LocationRequired",
            "The location property is required for this definition.",
        ));
    }
    let empty = Object::new();
    let given = object(&call.body, "/properties").unwrap_or(&empty);
    check_properties(given)?;
    let Some(before) = before else {
        return create(state, call, id, &location);
    };
    if text(&before, "/location") != location {
        return Err(ArmError::new(
            409,
            "InvalidResourceLocation",
            format!(
                "The resource '{}' already exists in location '{}'. A resource with the same name cannot be created in location '{location}'. Please select a new resource name.",
                text(&before, "/name"),
                text(&before, "/location")
            ),
        ));
    }
    check_idle(&before)?;
    check_running(&before)?;
    for key in IMMUTABLE {
        if let (Some(new), Some(old)) = (given.get(key), before.pointer(&format!("/properties/{key}")))
            && new != old
        {
            return Err(ArmError::bad_request(
                "PropertyChangeNotAllowed",
                format!("Changing property 'properties.{key}' is not allowed."),
            ));
        }
    }
    let mut document = before.clone();
    merge(state, &mut document, given, at_least(&call.version, "2026-05-01"));
    for key in ["tags", "sku", "kind"] {
        if let Some(value) = call.body.get(key).filter(|value| !value.is_null()) {
            set(&mut document, "", key, value.clone());
        }
    }
    start(state, call, document, "Updating", 200)
}

/// Puts the given properties into the document. What a caller leaves out stays; what the service owns stays; an object that is
/// given replaces the old one, but for the parts that only the service knows.
fn merge(state: &mut State, document: &mut Value, given: &Object, knows_gating: bool) {
    let id = text(document, "/id").to_owned();
    let node_group = text(document, "/properties/nodeResourceGroup").to_owned();
    for (key, value) in given {
        if READ_ONLY.contains(&key.as_str()) || value.is_null() {
            continue;
        }
        let old = document
            .pointer(&format!("/properties/{key}"))
            .cloned()
            .unwrap_or_default();
        let mut new = value.clone();
        match key.as_str() {
            "addonProfiles" => {
                let names: Vec<String> = value
                    .as_object()
                    .map(|profiles| profiles.keys().cloned().collect())
                    .unwrap_or_default();
                for name in names {
                    let at = format!("/{name}");
                    remove(&mut new, &at, "identity");
                    let on = new.pointer(&format!("{at}/enabled")) == Some(&json!(true));
                    if !on {
                        continue;
                    }
                    let kept = old.pointer(&format!("{at}/identity")).cloned();
                    let identity = kept.unwrap_or_else(|| {
                        let mut random = Random::named(state.seed, &format!("{} {}", state.guid(), name));
                        addon_identity(&id, &node_group, &mut random)
                    });
                    set(&mut new, &at, "identity", identity);
                }
            }
            "agentPoolProfiles" => {
                if let Value::Array(pools) = &mut new {
                    for pool in pools {
                        let name = text(pool, "/name").to_owned();
                        let Some(known) = items(&old, "").iter().find(|known| text(known, "/name") == name) else {
                            continue;
                        };
                        // What a caller leaves out of a pool keeps its value too.
                        for (key, value) in known.as_object().unwrap_or(&Object::new()) {
                            if pool.get(key).is_none()
                                || [
                                    "provisioningState",
                                    "powerState",
                                    "eTag",
                                    "nodeImageVersion",
                                    "currentOrchestratorVersion",
                                ]
                                .contains(&key.as_str())
                            {
                                set(pool, "", key, value.clone());
                            }
                        }
                    }
                }
            }
            "identityProfile" | "servicePrincipalProfile" if !old.is_null() => new = old,
            "networkProfile" | "oidcIssuerProfile" => {
                for (key, value) in old.as_object().unwrap_or(&Object::new()) {
                    if new.get(key).is_none() {
                        set(&mut new, "", key, value.clone());
                    }
                }
            }
            "securityProfile" if !knows_gating => {
                if let Some(gating) = old.pointer("/defender/securityGating") {
                    set(&mut new, "/defender", "securityGating", gating.clone());
                }
            }
            _ => {}
        }
        set(document, "/properties", key, new);
    }
}

fn check_properties(given: &Object) -> Result<(), ArmError> {
    let invalid = |message: String| ArmError::bad_request("InvalidParameter", message);
    let mut seen: Vec<String> = Vec::new();
    if let Some(profiles) = given.get("addonProfiles").filter(|value| !value.is_null()) {
        let Some(profiles) = profiles.as_object() else {
            return Err(ArmError::content("The 'addonProfiles' must be an object."));
        };
        for (name, profile) in profiles {
            if profile.get("enabled").and_then(Value::as_bool).is_none() {
                return Err(invalid(format!(
                    "The value of parameter addonProfiles.{name}.enabled is required, a boolean."
                )));
            }
            if profile.get("config").is_some_and(|config| {
                !config.is_null() && !config.as_object().is_some_and(|map| map.values().all(Value::is_string))
            }) {
                return Err(invalid(format!(
                    "The value of parameter addonProfiles.{name}.config must be a map of strings."
                )));
            }
            if seen.contains(&name.to_ascii_lowercase()) {
                return Err(invalid(format!(
                    "The add-on '{name}' is given twice, in different casing."
                )));
            }
            seen.push(name.to_ascii_lowercase());
        }
    }
    let defender = given.get("securityProfile").and_then(|profile| profile.get("defender"));
    if let Some(defender) = defender.filter(|value| !value.is_null()) {
        let enabled = defender.pointer("/securityMonitoring/enabled") == Some(&json!(true));
        let workspace = text(defender, "/logAnalyticsWorkspaceResourceId");
        if enabled == workspace.is_empty() {
            return Err(invalid("The value of parameter securityProfile.defender.logAnalyticsWorkspaceResourceId is required when securityMonitoring is enabled, and must be empty when it is disabled.".to_owned()));
        }
    }
    Ok(())
}

fn create(state: &mut State, call: &Call, id: &str, location: &str) -> Result<Response, ArmError> {
    let parts: Vec<&str> = id.split('/').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or_default().to_owned();
    let seed = super::cluster_document::ClusterSeed {
        subscription: part(2),
        resource_group: part(4),
        name: part(8),
        location: location.to_owned(),
        environment: String::new(),
        condition: super::cluster_document::Condition::Running,
        addon: None,
        gates: None,
        outbound: "loadBalancer",
    };
    let mut document = super::cluster_document::document(state.seed, &state.tenant, &seed);
    set(
        &mut document,
        "",
        "tags",
        call.body.get("tags").cloned().unwrap_or_else(|| json!({})),
    );
    let empty = Object::new();
    let given = object(&call.body, "/properties").unwrap_or(&empty);
    merge(state, &mut document, given, true);
    for key in IMMUTABLE {
        if let Some(value) = given.get(key) {
            set(&mut document, "/properties", key, value.clone());
        }
    }
    start(state, call, document, "Creating", 201)
}

/// Changes the tags, which is all that PATCH can do.
fn patch(state: &mut State, call: &Call, before: Value) -> Result<Response, ArmError> {
    check_match(call, Some(&before))?;
    check_idle(&before)?;
    if let Some(key) = call
        .body
        .as_object()
        .and_then(|body| body.keys().find(|key| key.as_str() != "tags"))
    {
        return Err(ArmError::content(format!(
            "The request content was invalid: only 'tags' can be updated by PATCH, not '{key}'."
        )));
    }
    let Some(tags) = object(&call.body, "/tags").filter(|tags| tags.values().all(Value::is_string)) else {
        return Err(ArmError::content("The 'tags' must be a map of strings."));
    };
    let mut document = before;
    set(&mut document, "", "tags", json!(tags));
    start(state, call, document, "Updating", 200)
}

/// Stores a cluster whose change has begun, and answers with the operation to poll.
fn start(state: &mut State, call: &Call, mut document: Value, doing: &str, status: u16) -> Result<Response, ArmError> {
    let (operation, etag, final_etag) = (state.guid(), state.guid(), state.guid());
    set(&mut document, "/properties", "provisioningState", json!(doing));
    set(&mut document, "", "eTag", json!(etag));
    set(&mut document, "", "x-operation", json!(operation));
    if let Some(Value::Array(pools)) = document.pointer_mut("/properties/agentPoolProfiles") {
        for pool in pools {
            set(pool, "", "provisioningState", json!(doing));
            set(pool, "", "eTag", json!(etag));
        }
    }
    let id = text(&document, "/id").to_owned();
    let subscription = id.split('/').nth(2).unwrap_or_default();
    let url = format!(
        "{}/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{}/operations/{operation}?api-version=2017-08-31",
        call.request.origin,
        text(&document, "/location")
    );
    let (started, due) = (state.now, state.now + state.settings.cluster_seconds);
    state.operations.insert(
        operation,
        Operation {
            resource: id.to_ascii_lowercase(),
            started,
            due,
            final_etag,
        },
    );
    state.insert(document.clone());
    Ok(Response::json(status, &present(call, &document))
        .with("azure-asyncoperation", url)
        .with("retry-after", "10"))
}

/// Answers how far a long-running operation is.
///
/// # Errors
/// 404 for an operation that is not known, or no more.
pub fn operation(state: &State, call: &Call) -> Result<Response, ArmError> {
    if call.request.method != "GET" {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    state.scope(&call.address.scope)?;
    let name = call.name();
    let Some((id, operation)) = state.operations.iter().find(|(id, _)| id.eq_ignore_ascii_case(name)) else {
        return Err(ArmError::not_found(
            "OperationNotFound",
            format!("The operation '{name}' is not found."),
        ));
    };
    let started = time::iso_short(operation.started);
    if operation.due > state.now {
        let body = json!({"name": id, "status": "InProgress", "startTime": started});
        return Ok(Response::json(200, &body).with("retry-after", "10"));
    }
    let body =
        json!({"name": id, "status": "Succeeded", "startTime": started, "endTime": time::iso_short(operation.due)});
    Ok(Response::json(200, &body))
}
