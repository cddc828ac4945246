//! The way that the traffic of clusters takes, and the rules of a firewall policy on it.

use super::{found, tags};
use crate::arm::{ArmError, Client};
use crate::config::{Environment, Estate};
use crate::egress::{Cluster, Feature, NamePattern, Outbound, Reason, wanted};
use crate::model::ResourceId;
use serde_json::Value;
use std::collections::BTreeMap;

const CLUSTERS: &str = "resources \
| where type =~ 'microsoft.containerservice/managedclusters' \
| project id, location, tags, network = properties.networkProfile, access = properties.apiServerAccessProfile, \
fqdn = tostring(properties.fqdn), proxy = properties.httpProxyConfig, bootstrap = properties.bootstrapProfile, \
addonProfiles = properties.addonProfiles, defender = properties.securityProfile.defender, sku = tostring(sku.name), \
provisioningState = tostring(properties.provisioningState) \
| order by id asc";

const CONNECTED: &str = "resources \
| where type =~ 'microsoft.kubernetes/connectedclusters' \
| project id, location, tags \
| order by id asc";

/// How many policies may inherit from one another; Azure allows fewer.
const MOST_PARENTS: usize = 8;

/// Returns the clusters in scope with what they have to reach and the way that their traffic takes.
///
/// # Errors
/// Any call that fails.
pub async fn egress_clusters(
    client: &Client,
    estate: &Estate,
    environment: &Environment,
) -> Result<Vec<Cluster>, ArmError> {
    let rows = found(client, environment, CLUSTERS).await?;
    let leaving = |row: &Value| text(row, "/provisioningState").eq_ignore_ascii_case("Deleting");
    let mut clusters: Vec<Cluster> = rows
        .into_iter()
        .filter(|(_, row)| !leaving(row))
        .map(|(id, row)| cluster(estate, environment, id, &row))
        .collect();
    let arc = environment.clusters.as_ref();
    if arc.is_some_and(|clusters| clusters.arc_policy_extension.is_some()) {
        let rows = found(client, environment, CONNECTED).await?;
        clusters.extend(rows.into_iter().map(|(id, row)| {
            let wanted = wanted((estate, environment), (&id, &tags(row.get("tags")), true));
            Cluster {
                location: text(&row, "/location").to_ascii_lowercase(),
                outbound: Outbound {
                    word: String::new(),
                    proxy: false,
                },
                private: false,
                images_cached: false,
                api_server: None,
                features: wanted.into_iter().map(|feature| (feature, Reason::Stated)).collect(),
                id,
            }
        }));
    }
    clusters.sort_by_key(|cluster| cluster.id.key());
    Ok(clusters)
}

fn cluster(estate: &Estate, environment: &Environment, id: ResourceId, row: &Value) -> Cluster {
    let wanted = wanted((estate, environment), (&id, &tags(row.get("tags")), false));
    let mut features: BTreeMap<Feature, Reason> = wanted.into_iter().map(|feature| (feature, Reason::Stated)).collect();
    let profiles = row.get("addonProfiles").and_then(Value::as_object);
    let addon = profiles.into_iter().flatten().any(|(name, profile)| {
        name.eq_ignore_ascii_case("azurepolicy") && profile.get("enabled").and_then(Value::as_bool) == Some(true)
    });
    let sensor = row
        .pointer("/defender/securityMonitoring/enabled")
        .and_then(Value::as_bool)
        == Some(true);
    let automatic = text(row, "/sku").eq_ignore_ascii_case("Automatic");
    for (feature, is_on) in [
        (Feature::PolicyAddon, addon || automatic),
        (Feature::DefenderSensor, sensor),
    ] {
        if is_on {
            features.insert(feature, Reason::On);
        }
    }
    let proxy = ["/proxy/httpsProxy", "/proxy/httpProxy"]
        .iter()
        .any(|path| !text(row, path).is_empty())
        && row.pointer("/proxy/enabled").and_then(Value::as_bool) != Some(false);
    Cluster {
        location: text(row, "/location").to_ascii_lowercase(),
        outbound: Outbound {
            word: text(row, "/network/outboundType").to_owned(),
            proxy,
        },
        private: row.pointer("/access/enablePrivateCluster").and_then(Value::as_bool) == Some(true),
        images_cached: text(row, "/bootstrap/artifactSource").eq_ignore_ascii_case("Cache"),
        api_server: NamePattern::parse(text(row, "/fqdn")),
        features,
        id,
    }
}

fn text<'a>(row: &'a Value, path: &str) -> &'a str {
    row.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the rule collection groups of a firewall policy and of those that it inherits from, the outermost first.
///
/// # Errors
/// Any call that fails: a rule that was not seen could deny.
pub async fn firewall_rules(client: &Client, policy: &ResourceId) -> Result<Vec<Vec<Value>>, ArmError> {
    let mut policies = Vec::new();
    let mut next = Some(policy.clone());
    let mut seen = Vec::new();
    while let Some(id) = next.take().filter(|id| !seen.contains(id) && seen.len() < MOST_PARENTS) {
        let document = client.get(id.as_str()).await?.body;
        policies.push(client.list(&format!("{id}/ruleCollectionGroups"), &[]).await?);
        let parent = document.pointer("/properties/basePolicy/id").and_then(Value::as_str);
        next = parent.and_then(ResourceId::parse);
        seen.push(id);
    }
    policies.reverse();
    Ok(policies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{Script, answer};
    use serde_json::json;

    const HUB: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/firewallPolicies/hub";

    #[test]
    fn parents_come_first_and_a_circle_ends() {
        let base = HUB.replace("hub", "base");
        let groups = |name: &str| answer(200, json!({"value": [{"name": name}]}));
        let script = Script::new([
            answer(200, json!({"properties": {"basePolicy": {"id": base}}})),
            groups("own"),
            answer(200, json!({"properties": {"basePolicy": {"id": HUB.to_uppercase()}}})),
            groups("inherited"),
        ]);
        let found = script.run(|client| async move {
            let hub = ResourceId::parse(HUB).unwrap();
            firewall_rules(&client, &hub).await
        });
        let names: Vec<Value> = found
            .unwrap()
            .into_iter()
            .flatten()
            .map(|group| group["name"].clone())
            .collect();
        assert_eq!(names, [json!("inherited"), json!("own")]);
    }
}
