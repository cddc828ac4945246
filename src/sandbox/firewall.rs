//! Azure Firewall policies and their rule collection groups: documents that are kept as they are written.
//!
//! Writes end at once, where Azure takes a minute. Rules are not enforced: nothing leaves a sandbox's clusters.

use serde_json::json;

use super::error::ArmError;
use super::http::Response;
use super::json::{set, text};
use super::route::{Call, page};
use super::seed::ENVIRONMENTS;
use super::state::{ResourceGroup, State};

const GROUPS: &str = "microsoft.network/firewallpolicies/rulecollectiongroups";

/// Puts a firewall policy into a new sandbox that lets the Azure Policy add-on through, and not the Defender sensor.
pub fn seed(state: &mut State) {
    let [.., (_, subscription)] = ENVIRONMENTS;
    let (name, location) = ("rg-hub".to_owned(), "westeurope".to_owned());
    let policy =
        format!("/subscriptions/{subscription}/resourceGroups/{name}/providers/Microsoft.Network/firewallPolicies/hub");
    state.resource_groups.add(ResourceGroup {
        subscription: subscription.to_owned(),
        name,
        location: location.clone(),
    });
    let group = format!("{policy}/ruleCollectionGroups/aks");
    state.insert(json!({
        "id": policy,
        "name": "hub",
        "type": "Microsoft.Network/FirewallPolicies",
        "location": location,
        "properties": {"sku": {"tier": "Standard"}, "threatIntelMode": "Alert", "provisioningState": "Succeeded",
            "childPolicies": [], "ruleCollectionGroups": [{"id": group}], "firewalls": []},
    }));
    let rule = |name: &str, names: &[&str], tags: &[&str]| {
        json!({
            "ruleType": "ApplicationRule", "name": name, "protocols": [{"protocolType": "Https", "port": 443}],
            "fqdnTags": tags, "webCategories": [], "targetFqdns": names, "targetUrls": [], "terminateTLS": false,
            "sourceAddresses": ["10.20.0.0/16"], "destinationAddresses": [], "sourceIpGroups": [], "httpHeadersToInsert": [],
        })
    };
    let addon = [
        "data.policy.core.windows.net",
        "store.policy.core.windows.net",
        "dc.services.visualstudio.com",
    ];
    let sign_in = ["login.microsoftonline.com", "login.windows.net"];
    state.insert(json!({
        "id": group,
        "name": "aks",
        "type": "Microsoft.Network/FirewallPolicies/RuleCollectionGroups",
        "properties": {"size": "0.01 MB", "priority": 200, "provisioningState": "Succeeded", "ruleCollections": [{
            "ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "aks", "priority": 100,
            "action": {"type": "Allow"},
            "rules": [
                rule("aks", &[], &["AzureKubernetesService"]),
                rule("policy-addon", &addon, &[]),
                rule("sign-in", &sign_in, &[]),
            ],
        }]},
    }));
}

/// Answers a request for firewall policies or their rule collection groups.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let at = state.scope(&call.address.scope)?;
    let method = call.request.method.as_str();
    let kind = call.address.kind();
    let policy = call
        .address
        .first_name()
        .map(|name| format!("{}/providers/Microsoft.Network/firewallPolicies/{name}", at.id));
    let of_groups = kind == GROUPS;
    if let Some(policy) = policy
        .as_ref()
        .filter(|policy| of_groups && state.resource(policy).is_none())
    {
        return Err(absent(policy));
    }
    let Some(name) = call.address.name() else {
        if method != "GET" {
            return Err(ArmError::method_not_allowed(method));
        }
        let start = policy.unwrap_or(at.id).to_ascii_lowercase() + "/";
        let documents = state
            .of_type(&kind)
            .filter(|(id, _)| id.starts_with(&start))
            .map(|(id, document)| (id.clone(), document.clone()))
            .collect();
        return Ok(Response::json(200, &page(state, call, documents)?));
    };
    let id = match policy {
        Some(policy) if of_groups => format!("{policy}/ruleCollectionGroups/{name}"),
        policy => policy.unwrap_or_default(),
    };
    let before = state.resource(&id).cloned();
    match (method, before) {
        ("GET", Some(document)) => Ok(Response::json(200, &document)),
        ("GET", None) => Err(absent(&id)),
        ("PUT", before) => {
            let mut document = call.body.clone();
            let name = name.to_owned();
            let shown = if of_groups {
                "Microsoft.Network/FirewallPolicies/RuleCollectionGroups"
            } else {
                "Microsoft.Network/FirewallPolicies"
            };
            for (key, value) in [("id", json!(id)), ("name", json!(name)), ("type", json!(shown))] {
                set(&mut document, "", key, value);
            }
            set(&mut document, "/properties", "provisioningState", json!("Succeeded"));
            if text(&document, "/properties/provisioningState").is_empty() {
                return Err(ArmError::content("The request content has no 'properties'."));
            }
            state.insert(document.clone());
            let status = if before.is_some() { 200 } else { 201 };
            Ok(Response::json(status, &document))
        }
        ("DELETE", Some(_)) => {
            let below = id.to_ascii_lowercase() + "/";
            let gone: Vec<String> = state.resources.below(&below).map(|(id, _)| id.clone()).collect();
            for id in gone.iter().chain([&id]) {
                state.take(id);
            }
            Ok(Response::empty(200))
        }
        ("DELETE", None) => Ok(Response::empty(204)),
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}

fn absent(id: &str) -> ArmError {
    ArmError::not_found("ResourceNotFound", format!("The Resource '{id}' was not found."))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Client, PROD};
    use super::*;

    #[test]
    fn rules_are_kept_as_they_are_written() {
        let mut client = Client::new();
        let hub = format!("{PROD}/resourceGroups/rg-hub/providers/Microsoft.Network/firewallPolicies/hub");
        let at = |rest: &str| format!("{hub}{rest}?api-version=2024-05-01");
        assert_eq!(client.get(&at(""))["name"], "hub");
        assert_eq!(client.names(&at("/ruleCollectionGroups")), ["aks"]);
        let body = json!({"properties": {"priority": 300, "ruleCollections": []}});
        client.ok("PUT", &at("/ruleCollectionGroups/more"), Some(&body), 201);
        client.ok("PUT", &at("/ruleCollectionGroups/more"), Some(&body), 200);
        assert_eq!(client.names(&at("/ruleCollectionGroups")), ["aks", "more"]);
        assert_eq!(
            client.get(&at("/ruleCollectionGroups/more"))["properties"]["priority"],
            300
        );
        client.refused(
            "PUT",
            &at("/ruleCollectionGroups/odd"),
            Some(&json!({})),
            400,
            "InvalidRequestContent",
        );
        let other = at("").replace("/hub?", "/other/ruleCollectionGroups?");
        client.refused("GET", &other, None, 404, "ResourceNotFound");
        client.ok("DELETE", &at(""), None, 200);
        client.refused("GET", &at("/ruleCollectionGroups/more"), None, 404, "ResourceNotFound");
    }
}
