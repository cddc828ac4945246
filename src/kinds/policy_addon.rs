//! The Azure Policy add-on of a cluster.
//!
//! A part of a resource that belongs to somebody else: what is written is the cluster as ARM gave it, but for our key.

use super::{Direction, ResourceKind, at};
use serde_json::{Map, Value, json};

pub(super) struct PolicyAddon;

/// The key under which add-on and alias write it, compared without case (`azurepolicy`, `azurePolicy`).
const KEY: &str = "azurepolicy";

/// What a PUT must not send back, by path; `*` is every member (managedClusters, 2024-09-01 and later).
const READ_ONLY: [&[&str]; 30] = [
    &["id"],
    &["name"],
    &["type"],
    &["systemData"],
    &["eTag"],
    &["etag"],
    &["identity", "principalId"],
    &["identity", "tenantId"],
    &["identity", "userAssignedIdentities", "*", "principalId"],
    &["identity", "userAssignedIdentities", "*", "clientId"],
    &["properties", "provisioningState"],
    &["properties", "powerState"],
    &["properties", "maxAgentPools"],
    &["properties", "currentKubernetesVersion"],
    &["properties", "fqdn"],
    &["properties", "privateFQDN"],
    &["properties", "azurePortalFQDN"],
    &["properties", "resourceUID"],
    &["properties", "status"],
    &["properties", "oidcIssuerProfile", "issuerURL"],
    &["properties", "addonProfiles", "*", "identity"],
    &["properties", "agentPoolProfiles", "*", "eTag"],
    &["properties", "agentPoolProfiles", "*", "provisioningState"],
    &["properties", "agentPoolProfiles", "*", "currentOrchestratorVersion"],
    &["properties", "agentPoolProfiles", "*", "nodeImageVersion"],
    &["properties", "agentPoolProfiles", "*", "status"],
    &[
        "properties",
        "podIdentityProfile",
        "userAssignedIdentities",
        "*",
        "provisioningState",
    ],
    &[
        "properties",
        "podIdentityProfile",
        "userAssignedIdentities",
        "*",
        "provisioningInfo",
    ],
    &["properties", "ingressProfile", "webAppRouting", "identity"],
    &["properties", "privateLinkResources", "*", "privateLinkServiceID"],
];

/// Removes what stands at `path`, in every member where the path has a `*`.
fn strip(value: &mut Value, path: &[&str]) {
    match (path, value) {
        ([last], Value::Object(object)) => {
            object.remove(*last);
        }
        (["*", rest @ ..], Value::Object(object)) => object.values_mut().for_each(|value| strip(value, rest)),
        (["*", rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|value| strip(value, rest)),
        ([key, rest @ ..], Value::Object(object)) => {
            if let Some(value) = object.get_mut(*key) {
                strip(value, rest);
            }
        }
        _ => {}
    }
}

impl ResourceKind for PolicyAddon {
    fn comparable(&self, wire: &Value) -> Value {
        let profiles = profiles(wire);
        // Under two keys, it cannot be told which one holds: it is on if each of them says so.
        let on = |profile: &Map<String, Value>| profile.get("enabled").and_then(Value::as_bool) == Some(true);
        let enabled = !profiles.is_empty() && profiles.iter().all(|(_, profile)| on(profile));
        let profile = profiles.into_iter().next().map(|(_, profile)| profile);
        let mut addon = json!({"enabled": enabled});
        let config = profile
            .as_ref()
            .and_then(|p| p.get("config"))
            .and_then(Value::as_object);
        if let (Some(addon), Some(config)) = (addon.as_object_mut(), config.filter(|config| !config.is_empty())) {
            addon.insert("config".to_owned(), Value::Object(config.clone()));
        }
        json!({"properties": {"addonProfiles": {KEY: addon}}})
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        let mut cluster = observed.cloned().unwrap_or_else(|| json!({}));
        let mut addons = profiles(&cluster);
        if addons.is_empty() {
            addons.push((KEY.to_owned(), Map::new()));
        }
        let wanted = profiles(desired).into_iter().next().map(|(_, profile)| profile);
        for (_, addon) in &mut addons {
            addon.remove("identity");
            addon.extend(wanted.clone().unwrap_or_default());
        }
        for path in READ_ONLY {
            strip(&mut cluster, path);
        }
        if let Some(cluster) = cluster.as_object_mut() {
            let properties = cluster.entry("properties").or_insert_with(|| json!({}));
            if let Some(properties) = properties.as_object_mut() {
                let profiles = properties.entry("addonProfiles").or_insert_with(|| json!({}));
                if profiles.is_null() {
                    *profiles = json!({});
                }
                if let Some(profiles) = profiles.as_object_mut() {
                    profiles.extend(addons.into_iter().map(|(key, addon)| (key, Value::Object(addon))));
                }
            }
        }
        cluster
    }

    fn direction(&self, before: Option<&Value>, after: Option<&Value>) -> Direction {
        let enabled = |value: Option<&Value>| {
            let addon = value.and_then(|value| at(value, &["properties", "addonProfiles", KEY]));
            addon
                .and_then(|addon| addon.get("enabled"))
                .and_then(Value::as_bool)
                .unwrap_or(false)
        };
        match (enabled(before), enabled(after)) {
            (false, true) => Direction::Tightens,
            (true, false) => Direction::Weakens,
            // What a setting of the add-on does is not known here.
            (true, true) if before != after => Direction::Weakens,
            _ => Direction::Neutral,
        }
    }
}

/// What a cluster says of its state and not of its settings; it moves with every operation.
const VOLATILE: [&str; 4] = ["eTag", "etag", "systemData", "currentOrchestratorVersion"];

/// Returns the settings of a cluster that are not ours: without the add-on, and without what the server alone keeps.
///
/// Agent pools stand by name. An empty value says nothing, as an absent one.
pub(super) fn settings_of_others(wire: &Value) -> Value {
    let mut cluster = PolicyAddon.merged(&json!({}), Some(wire));
    let properties = cluster.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties {
        if let Some(profiles) = properties.get_mut("addonProfiles").and_then(Value::as_object_mut) {
            profiles.retain(|key, _| !key.eq_ignore_ascii_case(KEY));
        }
        if let Some(Value::Array(pools)) = properties.remove("agentPoolProfiles") {
            let pools = pools.into_iter().map(|mut pool| {
                let name = pool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                let scales = pool.get("enableAutoScaling") == Some(&Value::Bool(true));
                if let Some(pool) = pool.as_object_mut().filter(|_| scales) {
                    // The autoscaler's, not anybody's setting.
                    pool.remove("count");
                }
                (name, pool)
            });
            properties.insert("agentPoolProfiles".to_owned(), Value::Object(pools.collect()));
        }
    }
    without_empty(&cluster)
}

fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str()));
            let kept = kept.map(|(key, value)| (key.clone(), without_empty(value)));
            Value::Object(kept.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_empty).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Returns the add-on's profiles and the keys that they stand under, found without regard to case: one, if all is well.
fn profiles(wire: &Value) -> Vec<(String, Map<String, Value>)> {
    let profiles = at(wire, &["properties", "addonProfiles"]).and_then(Value::as_object);
    profiles
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.eq_ignore_ascii_case(KEY))
        .map(|(key, profile)| (key.clone(), profile.as_object().cloned().unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_two_keys_it_is_on_only_if_both_say_so() {
        let live = |one: bool, two: bool| json!({"properties": {"addonProfiles": {"azurePolicy": {"enabled": one}, "azurepolicy": {"enabled": two}}}});
        let desired = json!({"properties": {"addonProfiles": {"azurepolicy": {"enabled": true}}}});
        let on = PolicyAddon.comparable(&desired);
        for (one, two) in [(true, false), (false, true), (false, false)] {
            assert_ne!(PolicyAddon.comparable(&live(one, two)), on);
            let merged = PolicyAddon.merged(&desired, Some(&live(one, two)));
            assert_eq!(merged, live(true, true));
            assert_eq!(PolicyAddon.comparable(&merged), on);
        }
    }

    #[test]
    fn another_setting_of_the_add_on_cannot_be_compared() {
        let state = |config: Value| {
            PolicyAddon.comparable(
                &json!({"properties": {"addonProfiles": {"azurepolicy": {"enabled": true, "config": config}}}}),
            )
        };
        let (one, two) = (state(json!({})), state(json!({"auditInterval": "never"})));
        assert_eq!(PolicyAddon.direction(Some(&one), Some(&two)), Direction::Weakens);
        assert_eq!(PolicyAddon.direction(Some(&one), Some(&one)), Direction::Neutral);
    }

    #[test]
    fn settings_of_others_are_told_from_state_and_from_ours() {
        let cluster = |addon: bool, count: u32, tier: &str| {
            json!({"id": "/x", "eTag": count.to_string(), "location": "westeurope", "tags": {}, "sku": {"tier": tier},
                "properties": {"provisioningState": tier, "agentPoolProfiles": [
                    {"name": "a", "count": count, "enableAutoScaling": true, "eTag": count.to_string()},
                    {"name": "b", "count": 2, "nodeTaints": null}],
                    "addonProfiles": {"azurePolicy": {"enabled": addon, "identity": {}}, "omsagent": {"enabled": false}}}})
        };
        let before = settings_of_others(&cluster(false, 1, "Free"));
        assert_eq!(before, settings_of_others(&cluster(true, 5, "Free")));
        assert_ne!(before, settings_of_others(&cluster(true, 1, "Standard")));
        let changed = |pointer: &str, value: Value| {
            let mut cluster = cluster(true, 1, "Free");
            *cluster.pointer_mut(pointer).unwrap() = value;
            settings_of_others(&cluster)
        };
        assert_ne!(before, changed("/properties/agentPoolProfiles/1/count", json!(3)));
        assert_ne!(before, changed("/properties/addonProfiles/omsagent", json!(null)));
        assert_eq!(before, changed("/tags", json!(null)));
        assert_ne!(before, changed("/tags", json!({"a": "b"})));
    }

    #[test]
    fn only_our_key_changes_and_it_keeps_its_spelling() {
        let live = json!({
            "id": "/x", "name": "c", "location": "westeurope", "eTag": "1",
            "identity": {"type": "UserAssigned", "principalId": "p", "userAssignedIdentities": {"/u": {"principalId": "p", "clientId": "c"}}},
            "properties": {"provisioningState": "Succeeded", "dnsPrefix": "c",
                "oidcIssuerProfile": {"enabled": true, "issuerURL": "https://x"}, "unknownToUs": {"a": [1]},
                "agentPoolProfiles": [{"name": "p", "count": 3, "eTag": "2", "provisioningState": "Succeeded"}],
                "addonProfiles": {"azurePolicy": {"enabled": false, "config": {"version": "v2"}, "identity": {"clientId": "x"}},
                    "omsagent": {"enabled": true, "identity": {"clientId": "y"}}}}});
        let desired = json!({"properties": {"addonProfiles": {"azurepolicy": {"enabled": true}}}});
        let merged = PolicyAddon.merged(&desired, Some(&live));
        assert_eq!(
            merged,
            json!({
            "location": "westeurope", "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/u": {}}},
            "properties": {"dnsPrefix": "c", "oidcIssuerProfile": {"enabled": true}, "unknownToUs": {"a": [1]},
                "agentPoolProfiles": [{"name": "p", "count": 3}],
                "addonProfiles": {"azurePolicy": {"enabled": true, "config": {"version": "v2"}}, "omsagent": {"enabled": true}}}})
        );
        assert_eq!(
            PolicyAddon.direction(
                Some(&PolicyAddon.comparable(&live)),
                Some(&PolicyAddon.comparable(&merged))
            ),
            Direction::Tightens
        );
    }
}
