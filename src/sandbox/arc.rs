//! Arc-connected clusters and their extensions: connected clusters are read, extensions also made and removed.

use serde_json::{Value, json};

use super::error::ArmError;
use super::http::Response;
use super::json::{object, remove, set, text};
use super::random::Random;
use super::route::{Call, made_at, page};
use super::seed::ENVIRONMENTS;
use super::state::{Operation, ResourceGroup, State};

const CONNECTED: &str = "microsoft.kubernetes/connectedclusters";
const EXTENSIONS: &str = "microsoft.kubernetesconfiguration/extensions";

/// Puts so many connected clusters into a new sandbox, one environment after the other; every third is offline.
pub fn seed(state: &mut State, count: usize) {
    let rows = ENVIRONMENTS.iter().cycle().take(count).enumerate();
    for (index, (environment, subscription)) in rows {
        let group = format!("rg-arc-{environment}");
        state.resource_groups.add(ResourceGroup {
            subscription: (*subscription).to_owned(),
            name: group.clone(),
            location: "westeurope".to_owned(),
        });
        let name = format!("arc-{environment}-{:02}", index / ENVIRONMENTS.len() + 1);
        let mut random = Random::named(state.seed, &name);
        let status = if index % 3 == 2 { "Offline" } else { "Connected" };
        state.insert(json!({
            "id": format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Kubernetes/connectedClusters/{name}"),
            "name": name,
            "type": "Microsoft.Kubernetes/connectedClusters",
            "location": "westeurope",
            "tags": {"environment": environment, "gates": "on"},
            "identity": {"type": "SystemAssigned", "principalId": random.guid(), "tenantId": state.tenant},
            "properties": {"provisioningState": "Succeeded", "connectivityStatus": status, "distribution": "k3s",
                "infrastructure": "generic", "kubernetesVersion": "1.33.5", "agentVersion": "1.29.3", "totalNodeCount": 3},
        }));
    }
}

/// Answers a request for a connected cluster.
///
/// # Errors
/// What the service refuses.
pub fn cluster(state: &State, call: &Call) -> Result<Response, ArmError> {
    let scope = state.scope(&call.address.scope)?;
    if call.request.method != "GET" {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    let Some(name) = call.address.name() else {
        let start = format!("{}/", scope.id.to_ascii_lowercase());
        let found = state.of_type(CONNECTED).filter(|(id, _)| id.starts_with(&start));
        let documents = found.map(|(id, document)| (id.clone(), document.clone())).collect();
        return Ok(Response::json(200, &page(state, call, documents)?));
    };
    let id = format!("{}/providers/Microsoft.Kubernetes/connectedClusters/{name}", scope.id);
    match state.resource(&id) {
        Some(document) => Ok(Response::json(200, document)),
        None => Err(absent(&id)),
    }
}

fn absent(id: &str) -> ArmError {
    ArmError::not_found("ResourceNotFound", format!("The Resource '{id}' was not found."))
}

/// Answers a request for the extensions of a connected cluster.
///
/// # Errors
/// What the service refuses.
pub fn extensions(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let scope = state.scope(&call.address.scope)?;
    let cluster = state.resource(&scope.id).cloned().unwrap_or_default();
    if !text(&cluster, "/type").eq_ignore_ascii_case("Microsoft.Kubernetes/connectedClusters") {
        return Err(ArmError::bad_request(
            "InvalidClusterType",
            "The sandbox knows extensions of connected clusters only.",
        ));
    }
    let method = call.request.method.as_str();
    let shown = |document: &Value| {
        let mut document = document.clone();
        remove(&mut document, "", "x-operation");
        document
    };
    let Some(name) = call.address.name() else {
        let here = scope.id.to_ascii_lowercase();
        let found = state
            .of_type(EXTENSIONS)
            .filter(|(_, document)| made_at(document) == here);
        let documents = found.map(|(id, document)| (id.clone(), shown(document))).collect();
        return match method {
            "GET" => Ok(Response::json(200, &page(state, call, documents)?)),
            _ => Err(ArmError::method_not_allowed(method)),
        };
    };
    let id = format!(
        "{}/providers/Microsoft.KubernetesConfiguration/extensions/{name}",
        scope.id
    );
    let before = state.resource(&id).cloned();
    match (method, before) {
        ("GET", Some(document)) => Ok(Response::json(200, &shown(&document))),
        ("GET", None) => Err(absent(&id)),
        ("DELETE", before) => {
            state.take(&id);
            Ok(Response::empty(if before.is_some() { 200 } else { 204 }))
        }
        ("PUT", before) => {
            let Some(given) = object(&call.body, "/properties") else {
                return Err(ArmError::content("The 'properties' must be an object."));
            };
            let wanted = given.get("extensionType").and_then(Value::as_str).unwrap_or_default();
            if wanted.is_empty() {
                return Err(ArmError::bad_request(
                    "ValidationFailed",
                    "The 'extensionType' is required.",
                ));
            }
            let old = before
                .as_ref()
                .map(|document| text(document, "/properties/extensionType"));
            if old.is_some_and(|old| !old.eq_ignore_ascii_case(wanted)) {
                return Err(ArmError::bad_request(
                    "ValidationFailed",
                    "The 'extensionType' of an extension cannot change.",
                ));
            }
            let (operation, final_etag, principal) = (state.guid(), state.guid(), state.guid());
            let mut document = json!({
                "id": id,
                "name": name,
                "type": "Microsoft.KubernetesConfiguration/extensions",
                "identity": {"type": "SystemAssigned", "principalId": principal, "tenantId": state.tenant},
                "systemData": state.system_data(before.as_ref()),
                "x-operation": operation,
                "properties": given,
            });
            for (key, value) in [
                (
                    "provisioningState",
                    json!(if before.is_some() { "Updating" } else { "Creating" }),
                ),
                ("extensionType", json!(wanted.to_ascii_lowercase())),
                ("currentVersion", json!("1.9.0")),
                ("isSystemExtension", json!(false)),
            ] {
                set(&mut document, "/properties", key, value);
            }
            let url = format!(
                "{}{id}/operations/{operation}?api-version={}",
                call.request.origin, call.version
            );
            let (started, due) = (state.now, state.now + state.settings.cluster_seconds);
            let resource = id.to_ascii_lowercase();
            state.operations.insert(
                operation,
                Operation {
                    resource,
                    started,
                    due,
                    final_etag,
                },
            );
            state.insert(document.clone());
            let status = if before.is_some() { 200 } else { 201 };
            Ok(Response::json(status, &shown(&document)).with("azure-asyncoperation", url))
        }
        _ => Err(ArmError::method_not_allowed(method)),
    }
}
