//! A managed cluster, of which two parts are ours to write: the Azure Policy add-on and the Defender sensor.
//!
//! The resource belongs to somebody else: what is written is the cluster as ARM gave it, but for our keys, and both parts at
//! once, since every write takes minutes and moves the ETag.

use super::{Direction, FieldDirection, Meanings, ResourceKind, at, comparable_id};
use serde_json::{Map, Value, json};

pub(super) struct ManagedCluster;

/// The key under which add-on and alias write it, compared without case (`azurepolicy`, `azurePolicy`).
const KEY: &str = "azurepolicy";

/// Where the Defender sensor stands below `properties`, and its key for the workspace (managedClusters, 2022-06-01 and later).
const SENSOR: [&str; 3] = ["properties", "securityProfile", "defender"];
const WORKSPACE: &str = "logAnalyticsWorkspaceResourceId";
/// The switches of the sensor: collecting events of the nodes, and refusing images with findings (2026-05-01 and later).
const SWITCHES: [&str; 2] = ["securityMonitoring", "securityGating"];

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

impl ResourceKind for ManagedCluster {
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
        let mut properties = json!({"addonProfiles": {KEY: addon}});
        if let (Some(properties), Some(sensor)) = (properties.as_object_mut(), sensor(wire)) {
            properties.insert("securityProfile".to_owned(), json!({"defender": sensor}));
        }
        json!({"properties": properties})
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        let mut cluster = observed.cloned().unwrap_or_else(|| json!({}));
        for path in READ_ONLY {
            strip(&mut cluster, path);
        }
        merge_addon(&mut cluster, desired);
        merge_sensor(&mut cluster, desired);
        cluster
    }

    fn directions(&self, before: Option<&Value>, after: Option<&Value>, _: &Meanings) -> Vec<FieldDirection> {
        let mut found = addon(before, after);
        found.extend(sensor_changes(before, after));
        found
    }
}

/// Returns the object at a path of keys, made where there is none.
fn object_at<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let found = path.iter().try_fold(value, |value, key| {
        if value.is_null() {
            *value = json!({});
        }
        Some(value.as_object_mut()?.entry(*key).or_insert(Value::Null))
    })?;
    if found.is_null() {
        *found = json!({});
    }
    found.as_object_mut()
}

/// Puts the add-on's keys into the cluster, under each key that it stands under there.
fn merge_addon(cluster: &mut Value, desired: &Value) {
    let Some((_, wanted)) = profiles(desired).into_iter().next() else {
        return;
    };
    let mut addons = profiles(cluster);
    if addons.is_empty() {
        addons.push((KEY.to_owned(), Map::new()));
    }
    if let Some(profiles) = object_at(cluster, &["properties", "addonProfiles"]) {
        for (key, mut addon) in addons {
            addon.extend(wanted.clone());
            profiles.insert(key, Value::Object(addon));
        }
    }
}

/// Puts the sensor's keys into the cluster; within a switch, what is not stated stays.
fn merge_sensor(cluster: &mut Value, desired: &Value) {
    let Some(wanted) = at(desired, &SENSOR).and_then(Value::as_object).cloned() else {
        return;
    };
    let Some(live) = object_at(cluster, &SENSOR) else {
        return;
    };
    for (key, value) in wanted {
        match (live.get_mut(&key).and_then(Value::as_object_mut), value) {
            (Some(live), Value::Object(value)) => live.extend(value),
            (_, value) => {
                live.insert(key, value);
            }
        }
    }
}

/// Returns the sensor in comparable form; none where nothing of it is on, which an absent one says as well.
fn sensor(wire: &Value) -> Option<Value> {
    let found = at(wire, &SENSOR)?;
    let mut sensor = Map::new();
    for switch in SWITCHES {
        if at(found, &[switch, "enabled"]).and_then(Value::as_bool) == Some(true) {
            sensor.insert(switch.to_owned(), json!({"enabled": true}));
        }
    }
    let workspace = found.get(WORKSPACE).and_then(Value::as_str).unwrap_or_default();
    if !workspace.is_empty() {
        sensor.insert(WORKSPACE.to_owned(), Value::from(comparable_id(workspace)));
    }
    (!sensor.is_empty()).then_some(Value::Object(sensor))
}

fn addon(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldDirection> {
    let addon = |value: Option<&Value>| {
        value
            .and_then(|value| at(value, &["properties", "addonProfiles", KEY]))
            .cloned()
    };
    let enabled = |value: &Option<Value>| {
        value
            .as_ref()
            .and_then(|addon| addon.get("enabled"))
            .and_then(Value::as_bool)
            == Some(true)
    };
    let (before, after) = (addon(before), addon(after));
    match (enabled(&before), enabled(&after)) {
        // What a setting of the add-on does is not known here.
        (true, true) if before != after => {
            let config = |addon: &Option<Value>| addon.as_ref().and_then(|addon| addon.get("config")).cloned();
            let (old, new) = (config(&before), config(&after));
            let field = "Azure Policy add-on config";
            vec![FieldDirection::change(
                Direction::Weakens,
                field,
                old.as_ref(),
                new.as_ref(),
            )]
        }
        (old, new) => FieldDirection::switch("Azure Policy add-on", old, new)
            .into_iter()
            .collect(),
    }
}

/// Another workspace weakens: where the events were looked at until now, they no longer come.
fn sensor_changes(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldDirection> {
    let sensor = |value: Option<&Value>| value.and_then(|value| at(value, &SENSOR)).cloned();
    let (before, after) = (sensor(before), sensor(after));
    let on = |sensor: &Option<Value>, switch: &str| {
        sensor
            .as_ref()
            .is_some_and(|sensor| at(sensor, &[switch, "enabled"]) == Some(&Value::Bool(true)))
    };
    let workspace = |sensor: &Option<Value>| sensor.as_ref().and_then(|sensor| sensor.get(WORKSPACE)).cloned();
    let (old, new) = (workspace(&before), workspace(&after));
    let monitored = on(&before, "securityMonitoring") && on(&after, "securityMonitoring");
    let moved = (monitored && old != new)
        .then(|| FieldDirection::change(Direction::Weakens, WORKSPACE, old.as_ref(), new.as_ref()));
    let switched = SWITCHES
        .into_iter()
        .filter_map(|switch| FieldDirection::switch(switch, on(&before, switch), on(&after, switch)));
    moved.into_iter().chain(switched).collect()
}

/// What a cluster says of its state and not of its settings; it moves with every operation.
const VOLATILE: [&str; 4] = ["eTag", "etag", "systemData", "currentOrchestratorVersion"];

/// Returns the settings of a cluster that are not ours: without add-on and sensor, and without what the server alone keeps.
///
/// Agent pools stand by name. An empty value says nothing, as an absent one.
pub(super) fn settings_of_others(wire: &Value) -> Value {
    let mut cluster = ManagedCluster.merged(&json!({}), Some(wire));
    let [properties, security, defender] = SENSOR;
    strip(&mut cluster, &[properties, security, defender, WORKSPACE]);
    for switch in SWITCHES {
        // What else a switch holds is of others.
        strip(&mut cluster, &[properties, security, defender, switch, "enabled"]);
    }
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
        let on = ManagedCluster.comparable(&desired);
        for (one, two) in [(true, false), (false, true), (false, false)] {
            assert_ne!(ManagedCluster.comparable(&live(one, two)), on);
            let merged = ManagedCluster.merged(&desired, Some(&live(one, two)));
            assert_eq!(merged, live(true, true));
            assert_eq!(ManagedCluster.comparable(&merged), on);
        }
    }

    #[test]
    fn another_setting_of_the_add_on_cannot_be_compared() {
        let state = |config: Value| {
            ManagedCluster.comparable(
                &json!({"properties": {"addonProfiles": {"azurepolicy": {"enabled": true, "config": config}}}}),
            )
        };
        let (one, two) = (state(json!({})), state(json!({"auditInterval": "never"})));
        assert_eq!(ManagedCluster.direction(Some(&one), Some(&two)), Direction::Weakens);
        assert_eq!(ManagedCluster.direction(Some(&one), Some(&one)), Direction::Neutral);
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

    fn sensed(defender: Value) -> Value {
        json!({"properties": {"addonProfiles": {"azurepolicy": {"enabled": true}}, "securityProfile": {"defender": defender}}})
    }

    const ONE: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/one";
    const TWO: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/two";

    fn sensor(workspace: &str, gating: bool) -> Value {
        sensed(
            json!({"logAnalyticsWorkspaceResourceId": workspace, "securityMonitoring": {"enabled": true},
            "securityGating": {"enabled": gating}}),
        )
    }

    #[test]
    fn a_sensor_that_is_off_is_as_one_that_is_absent() {
        let none = ManagedCluster.comparable(&sensed(Value::Null));
        for off in [
            json!({}),
            json!({"securityMonitoring": {"enabled": false}}),
            json!({"logAnalyticsWorkspaceResourceId": "", "securityMonitoring": null, "securityGating": {"enabled": false}}),
        ] {
            assert_eq!(ManagedCluster.comparable(&sensed(off)), none);
        }
        let on = ManagedCluster.comparable(&sensor(ONE, false));
        assert_ne!(on, none);
        assert_eq!(on, ManagedCluster.comparable(&sensor(&ONE.to_uppercase(), false)));
    }

    #[test]
    fn the_sensor_is_written_with_what_others_set_in_it() {
        let live = sensed(json!({"securityMonitoring": {"enabled": false, "new": 1},
            "securityGating": {"enabled": true, "identities": [{"a": "b"}]}}));
        let desired = json!({"properties": {"securityProfile": {"defender": {
            "logAnalyticsWorkspaceResourceId": ONE, "securityMonitoring": {"enabled": true}}}}});
        let merged = ManagedCluster.merged(&desired, Some(&live));
        assert_eq!(
            merged,
            sensed(
                json!({"logAnalyticsWorkspaceResourceId": ONE, "securityMonitoring": {"enabled": true, "new": 1},
                "securityGating": {"enabled": true, "identities": [{"a": "b"}]}})
            )
        );
        assert_eq!(settings_of_others(&merged), settings_of_others(&live));
        let bare = json!({"properties": {"securityProfile": null}});
        assert_eq!(ManagedCluster.merged(&desired, Some(&bare)), desired);
    }

    #[test]
    fn a_sensor_tightens_and_another_workspace_weakens() {
        let state = |wire: &Value| ManagedCluster.comparable(wire);
        let direction =
            |before: &Value, after: &Value| ManagedCluster.direction(Some(&state(before)), Some(&state(after)));
        let none = sensed(json!({}));
        assert_eq!(direction(&none, &sensor(ONE, false)), Direction::Tightens);
        assert_eq!(direction(&sensor(ONE, false), &none), Direction::Weakens);
        assert_eq!(direction(&sensor(ONE, false), &sensor(TWO, false)), Direction::Weakens);
        assert_eq!(direction(&sensor(ONE, false), &sensor(ONE, true)), Direction::Tightens);
        assert_eq!(direction(&sensor(ONE, true), &sensor(ONE, false)), Direction::Weakens);
        assert_eq!(direction(&sensor(ONE, false), &sensor(TWO, true)), Direction::Weakens);
        assert_eq!(direction(&sensor(ONE, true), &sensor(ONE, true)), Direction::Neutral);
        let without = json!({"properties": {"securityProfile": {"defender": sensor(ONE, false)["properties"]["securityProfile"]["defender"]}}});
        assert_eq!(
            direction(&without, &sensor(TWO, false)),
            Direction::Weakens,
            "mixed with an add-on that goes on"
        );
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
        let merged = ManagedCluster.merged(&desired, Some(&live));
        assert_eq!(
            merged,
            json!({
            "location": "westeurope", "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/u": {}}},
            "properties": {"dnsPrefix": "c", "oidcIssuerProfile": {"enabled": true}, "unknownToUs": {"a": [1]},
                "agentPoolProfiles": [{"name": "p", "count": 3}],
                "addonProfiles": {"azurePolicy": {"enabled": true, "config": {"version": "v2"}}, "omsagent": {"enabled": true}}}})
        );
        assert_eq!(
            ManagedCluster.direction(
                Some(&ManagedCluster.comparable(&live)),
                Some(&ManagedCluster.comparable(&merged))
            ),
            Direction::Tightens
        );
    }
}
