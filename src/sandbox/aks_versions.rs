//! The versions of Kubernetes that AKS supports, the same at every location.

use serde_json::{Value, json};

use super::error::ArmError;
use super::http::Response;
use super::route::Call;
use super::state::State;

/// The minor versions, each with its newest patch and how it is supported.
const VERSIONS: &[(&str, &str, &[&str])] = &[
    ("1.30", "1.30.14", &["AKSLongTermSupport"]),
    ("1.32", "1.32.9", &["KubernetesOfficial", "AKSLongTermSupport"]),
    ("1.33", "1.33.5", &["KubernetesOfficial", "AKSLongTermSupport"]),
    ("1.34", "1.34.1", &["KubernetesOfficial", "AKSLongTermSupport"]),
];

/// Answers a request for the versions at a location. The list is called `values` and has no pages.
///
/// # Errors
/// 404 for a subscription that does not exist, 405 for anything but a GET.
pub fn answer(state: &State, call: &Call) -> Result<Response, ArmError> {
    if call.request.method != "GET" || call.address.name().is_some() {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    state.scope(&call.address.scope)?;
    let entry = |(version, patch, plans): &(&str, &str, &[&str])| {
        json!({
            "version": version,
            "capabilities": {"supportPlan": plans},
            "isDefault": *version == "1.33",
            "isPreview": false,
            "patchVersions": {*patch: {"upgrades": []}},
        })
    };
    let values: Vec<Value> = VERSIONS.iter().map(entry).collect();
    Ok(Response::json(200, &json!({ "values": values })))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Client, DEV};

    #[test]
    fn the_versions_of_a_location_come_under_their_own_key() {
        let mut client = Client::new();
        let path = format!("{DEV}/providers/Microsoft.ContainerService/locations/westeurope/kubernetesVersions");
        let found = client.ok("GET", &path, None, 200);
        assert_eq!(found["values"][2]["version"], "1.33");
        assert!(found.get("value").is_none());
        client.refused("DELETE", &path, None, 405, "HttpMethodNotAllowed");
    }
}
