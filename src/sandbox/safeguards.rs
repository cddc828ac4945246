//! Deployment safeguards of clusters: GET, list, PUT and DELETE, as Microsoft.ContainerService 2025-07-01 specifies them.

use serde_json::{Value, json};

use super::error::ArmError;
use super::http::Response;
use super::json::{object, remove, set, text};
use super::route::{Call, made_at, page};
use super::state::{Operation, State};

const LOWER: &str = "microsoft.containerservice/deploymentsafeguards";
/// The namespaces that the service itself leaves out.
const SYSTEM: [&str; 2] = ["kube-system", "gatekeeper-system"];

/// Answers a request for the safeguards of a cluster.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let scope = state.scope(&call.address.scope)?;
    let method = call.request.method.as_str();
    let cluster = state.resource(&scope.id).cloned();
    let Some(cluster) =
        cluster.filter(|found| text(found, "/type").eq_ignore_ascii_case("Microsoft.ContainerService/managedClusters"))
    else {
        return Err(ArmError::bad_request(
            "InvalidResourceScope",
            "Deployment safeguards belong to a managed cluster.",
        ));
    };
    let id = format!(
        "{}/providers/Microsoft.ContainerService/deploymentSafeguards/default",
        text(&cluster, "/id")
    );
    let before = state.resource(&id).cloned();
    let Some(name) = call.address.name() else {
        if method != "GET" {
            return Err(ArmError::method_not_allowed(method));
        }
        let here = scope.id.to_ascii_lowercase();
        let documents = state
            .of_type(LOWER)
            .filter(|(_, document)| made_at(document) == here)
            .map(|(id, document)| (id.clone(), present(document)))
            .collect();
        return Ok(Response::json(200, &page(state, call, documents)?));
    };
    if !name.eq_ignore_ascii_case("default") {
        return Err(ArmError::bad_request(
            "InvalidResourceName",
            format!("The name '{name}' is invalid: deployment safeguards are named 'default'."),
        ));
    }
    match (method, before) {
        ("GET", Some(document)) => Ok(Response::json(200, &present(&document))),
        ("GET", None) => Err(ArmError::not_found(
            "ResourceNotFound",
            format!(
                "The Resource 'Microsoft.ContainerService/deploymentSafeguards/default' of '{}' was not found.",
                scope.id
            ),
        )),
        ("PUT", before) => put(state, call, &id, &cluster, before.as_ref()),
        ("DELETE", Some(_)) => {
            if text(&cluster, "/sku/name") == "Automatic" {
                return Err(ArmError::bad_request(
                    "DeploymentSafeguardsRequired",
                    "Deployment safeguards cannot be removed from an AKS Automatic cluster.",
                ));
            }
            state.take(&id);
            Ok(Response::empty(202))
        }
        ("DELETE", None) => Ok(Response::empty(204)),
        _ => Err(ArmError::method_not_allowed(method)),
    }
}

fn present(document: &Value) -> Value {
    let mut document = document.clone();
    remove(&mut document, "", "x-operation");
    document
}

fn put(
    state: &mut State,
    call: &Call,
    id: &str,
    cluster: &Value,
    before: Option<&Value>,
) -> Result<Response, ArmError> {
    let invalid =
        |what: &str| ArmError::bad_request("InvalidParameter", format!("The value of parameter {what} is invalid."));
    let Some(given) = object(&call.body, "/properties") else {
        return Err(ArmError::content("The 'properties' must be an object."));
    };
    let level = given.get("level").and_then(Value::as_str).unwrap_or_default();
    if !["Warn", "Enforce"].contains(&level) {
        return Err(invalid("properties.level"));
    }
    let standard = match given.get("podSecurityStandardsLevel") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_str() {
            Some(word @ ("Privileged" | "Baseline" | "Restricted")) => Some(word),
            _ => return Err(invalid("properties.podSecurityStandardsLevel")),
        },
    };
    let excluded = match given.get("excludedNamespaces") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) if names.iter().all(Value::is_string) => names.clone(),
        Some(_) => return Err(invalid("properties.excludedNamespaces")),
    };
    if text(cluster, "/sku/name") == "Automatic" && level == "Warn" {
        return Err(ArmError::bad_request(
            "DeploymentSafeguardsLevelNotAllowed",
            "The level of an AKS Automatic cluster is 'Enforce'.",
        ));
    }
    let has_addon = object(cluster, "/properties/addonProfiles").is_some_and(|profiles| {
        profiles.iter().any(|(name, profile)| {
            name.eq_ignore_ascii_case("azurepolicy") && profile.get("enabled") == Some(&json!(true))
        })
    });
    if !has_addon {
        return Err(ArmError::bad_request(
            "AzurePolicyAddonNotEnabled",
            "Deployment safeguards need the Azure Policy add-on to be enabled on the cluster.",
        ));
    }
    let state_of = |document: &Value| text(document, "/properties/provisioningState").to_owned();
    for busy in [Some(cluster), before].into_iter().flatten() {
        let provisioning = state_of(busy);
        if !["Succeeded", "Failed", "Canceled"].contains(&provisioning.as_str()) {
            return Err(ArmError::new(
                409,
                "OperationNotAllowed",
                format!("Operation is not allowed: another operation ({provisioning}) is in progress."),
            ));
        }
    }
    if text(cluster, "/properties/powerState/code") != "Running" {
        return Err(ArmError::new(
            409,
            "OperationNotAllowed",
            "Operation is not allowed: the managed cluster is stopped.",
        ));
    }
    let (operation, etag, final_etag) = (state.guid(), state.guid(), state.guid());
    let doing = if before.is_some() { "Updating" } else { "Creating" };
    let mut document = json!({
        "id": id,
        "name": "default",
        "type": "Microsoft.ContainerService/deploymentSafeguards",
        "eTag": etag,
        "systemData": state.system_data(before),
        "x-operation": operation,
        "properties": {"provisioningState": doing, "level": level, "excludedNamespaces": excluded, "systemExcludedNamespaces": SYSTEM},
    });
    if let Some(standard) = standard {
        set(
            &mut document,
            "/properties",
            "podSecurityStandardsLevel",
            json!(standard),
        );
    }
    let url = format!(
        "{}/subscriptions/{}/providers/Microsoft.ContainerService/locations/{}/operations/{operation}?api-version=2017-08-31",
        call.request.origin,
        id.split('/').nth(2).unwrap_or_default(),
        text(cluster, "/location")
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
    Ok(Response::json(status, &present(&document))
        .with("azure-asyncoperation", url)
        .with("retry-after", "10"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{Client, DEV, target};

    fn safeguards(place: &str, cluster: &str) -> String {
        let clusters =
            format!("{DEV}/resourceGroups/rg-aks-dev-{place}/providers/Microsoft.ContainerService/managedClusters");
        format!(
            "{clusters}/{cluster}/providers/Microsoft.ContainerService/deploymentSafeguards/default?api-version=2025-07-01"
        )
    }

    fn body(level: &str) -> Value {
        json!({"properties": {"level": level, "podSecurityStandardsLevel": "Baseline", "systemExcludedNamespaces": ["mine"]}})
    }

    #[test]
    fn safeguards_are_made_by_a_long_operation_on_a_cluster_with_the_add_on() {
        let mut client = Client::new();
        let with = safeguards("neu", "AKS-dev-neu-01");
        client.refused("GET", &with, None, 404, "ResourceNotFound");
        let answer = client.call("PUT", &with, Some(&body("Warn")));
        assert_eq!(answer.status, 201);
        let poll = target(answer.header("azure-asyncoperation").unwrap());
        assert_eq!(client.get(&poll)["status"], "InProgress");
        client.refused("PUT", &with, Some(&body("Enforce")), 409, "OperationNotAllowed");
        client.sandbox.advance(60);
        let made = client.get(&with);
        assert_eq!(made["properties"]["provisioningState"], "Succeeded");
        assert_eq!(
            made["properties"]["systemExcludedNamespaces"],
            json!(["kube-system", "gatekeeper-system"])
        );
        assert_eq!(made.get("x-operation"), None);
        assert_eq!(client.call("PUT", &with, Some(&body("Enforce"))).status, 200);
        let without = safeguards("weu", "aks-dev-weu-01");
        client.refused("PUT", &without, Some(&body("Warn")), 400, "AzurePolicyAddonNotEnabled");
        client.refused("PUT", &with, Some(&body("warn")), 400, "InvalidParameter");
        let list = client.get(&with.replace("/default?", "?"));
        assert_eq!(list["value"].as_array().unwrap().len(), 1);
        assert_eq!(client.call("DELETE", &with, None).status, 202);
        assert_eq!(client.call("DELETE", &with, None).status, 204);
    }
}
