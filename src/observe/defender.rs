//! Reads the Defender plans of subscriptions, and the node pools that a plan would be billed for.

use super::{AT_ONCE, read};
use crate::arm::{ArmError, Client, GraphQuery, GraphScope};
use crate::config::{Environment, Mode};
use crate::kinds::Kind;
use crate::model::{ResourceId, Scope};
use crate::observed::{ClusterNodes, LEGACY_PLANS, LiveObject, NodePool, Subscription};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use std::collections::BTreeSet;

/// The columns of a cluster that tell its nodes.
const NODES: &str = "resources \
| where type =~ 'microsoft.containerservice/managedclusters' \
| project id, pools = properties.agentPoolProfiles, powerState = tostring(properties.powerState.code), \
nodeProvisioning = tostring(properties.nodeProvisioningProfile.mode) \
| order by id asc";

/// The plans of all subscriptions that matter: `Containers`, and those that it replaced where they are on.
const PLANS: &str = "securityresources \
| where type =~ 'microsoft.security/pricings' \
| where name =~ 'Containers' or (name in~ ('KubernetesService', 'ContainerRegistry') and tostring(properties.pricingTier) =~ 'Standard') \
| project id, name, type, properties \
| order by id asc";

/// Asks Resource Graph for the plans of the subscriptions in scope.
pub(super) async fn find(client: &Client, environment: &Environment) -> Result<Vec<LiveObject>, ArmError> {
    if !is_asked_for(environment) || !matches!(environment.scope, Scope::ManagementGroup(_)) {
        return Ok(Vec::new());
    }
    let query = GraphQuery {
        query: PLANS.to_owned(),
        scope: GraphScope::from(&environment.scope),
        with_scopes_above: false,
    };
    let plan = |wire: Value| {
        let id = ResourceId::parse(wire.get("id").and_then(Value::as_str)?)?;
        let (kind, etag) = (Kind::DefenderPlan, None);
        Some(LiveObject { kind, id, wire, etag })
    };
    let rows = client.resource_graph(&query).await?;
    Ok(rows.into_iter().filter_map(plan).collect())
}

fn is_asked_for(environment: &Environment) -> bool {
    environment.defender.is_some() && !matches!(environment.scope, Scope::ResourceGroup(..))
}

/// Returns the plan `Containers` of each subscription, and the plans that it replaced: as they were found where that tells everything that
/// Defender for Cloud would, or else read there. The second value says which were found only.
pub(super) async fn plans(
    client: &Client,
    environment: &Environment,
    subscriptions: &[Subscription],
    found: Vec<LiveObject>,
) -> Result<(Vec<LiveObject>, BTreeSet<(Kind, ResourceId)>), ArmError> {
    if !is_asked_for(environment) {
        return Ok(Default::default());
    }
    let whole = found
        .iter()
        .filter(|plan| is_whole(plan))
        .filter_map(|plan| plan.id.value_of("subscriptions"));
    let whole: BTreeSet<String> = whole.map(str::to_ascii_lowercase).collect();
    let reads: Vec<_> = subscriptions
        .iter()
        .filter(|subscription| !whole.contains(&subscription.id))
        .map(|subscription| plans_of(client, subscription.id.clone()))
        .collect();
    let read: Vec<Vec<LiveObject>> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    // What was read stands in for what was found.
    let of_whole = found.into_iter().filter(|plan| {
        let subscription = plan.id.value_of("subscriptions");
        subscription.is_some_and(|id| whole.contains(&id.to_ascii_lowercase()))
    });
    let mut plans: Vec<LiveObject> = of_whole.collect();
    let unsure = plans.iter().map(|plan| (plan.kind, plan.id.clone())).collect();
    plans.extend(read.into_iter().flatten());
    Ok((plans, unsure))
}

/// Whether a row shows what a GET of the plan `Containers` would: its tier, what it covers and, where it is on, its extensions.
fn is_whole(plan: &LiveObject) -> bool {
    let has = |key: &str| {
        plan.wire
            .pointer(&format!("/properties/{key}"))
            .is_some_and(|value| !value.is_null())
    };
    let tier = plan.wire.pointer("/properties/pricingTier").and_then(Value::as_str);
    let extensions = plan.wire.pointer("/properties/extensions").and_then(Value::as_array);
    plan.id.name().eq_ignore_ascii_case("Containers")
        && has("resourcesCoverageStatus")
        && match tier {
            Some(tier) if tier.eq_ignore_ascii_case("Standard") => extensions.is_some(),
            tier => tier.is_some(),
        }
}

async fn plans_of(client: &Client, subscription: String) -> Result<Vec<LiveObject>, ArmError> {
    let pricings = format!("/subscriptions/{subscription}/providers/Microsoft.Security/pricings");
    let filter = format!("name in (Containers,{})", LEGACY_PLANS.join(","));
    let items = client.list(&pricings, &[("$filter", &filter)]).await?;
    let named = |name: &str| {
        let id = ResourceId::parse(&format!("{pricings}/{name}"))?;
        let stated = |wire: &Value| wire.get("id").and_then(Value::as_str).and_then(ResourceId::parse);
        let wire = items.iter().find(|wire| stated(wire).as_ref() == Some(&id))?.clone();
        let (kind, etag) = (Kind::DefenderPlan, None);
        Some(LiveObject { kind, id, wire, etag })
    };
    let mut found: Vec<LiveObject> = LEGACY_PLANS.into_iter().filter_map(named).collect();
    match named("Containers") {
        Some(plan) => found.push(plan),
        // A list that lacks it says nothing of it.
        None => {
            let id = ResourceId::parse(&format!("{pricings}/Containers"));
            if let Some(id) = id {
                found.extend(read(client, Kind::DefenderPlan, &id).await?);
            }
        }
    }
    Ok(found)
}

/// Reads the nodes of the clusters in the subscriptions whose plan would be turned on; none if there is no such subscription.
pub(super) async fn nodes(
    client: &Client,
    environment: &Environment,
    plans: &[LiveObject],
) -> Result<Option<Vec<ClusterNodes>>, ArmError> {
    let wanted = environment
        .defender
        .as_ref()
        .is_some_and(|defender| defender.mode == Mode::Manage && defender.standard);
    let is_free = |plan: &&LiveObject| {
        let tier = plan.wire.pointer("/properties/pricingTier").and_then(Value::as_str);
        plan.id.name().eq_ignore_ascii_case("Containers")
            && tier.is_none_or(|tier| !tier.eq_ignore_ascii_case("Standard"))
    };
    let free = plans.iter().filter(is_free);
    let free: Vec<String> = free
        .filter_map(|plan| plan.id.value_of("subscriptions"))
        .map(str::to_owned)
        .collect();
    if !wanted || free.is_empty() {
        return Ok(None);
    }
    let query = GraphQuery {
        query: NODES.to_owned(),
        scope: GraphScope::Subscriptions(free),
        with_scopes_above: false,
    };
    let rows = client.resource_graph(&query).await?;
    Ok(Some(rows.iter().filter_map(cluster_nodes).collect()))
}

fn cluster_nodes(row: &Value) -> Option<ClusterNodes> {
    let text = |value: &Value, path: &str| {
        value
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let pools = row.get("pools").and_then(Value::as_array);
    let pools = pools.into_iter().flatten().flat_map(|pool| {
        let is_running = !text(pool, "/powerState/code").eq_ignore_ascii_case("Stopped");
        let of = |size: String, count: Option<u64>| NodePool {
            name: text(pool, "/name"),
            size,
            count,
            is_running,
        };
        // A pool of single machines has them in several sizes.
        match pool.get("virtualMachineNodesStatus").and_then(Value::as_array) {
            Some(machines) if !machines.is_empty() => machines
                .iter()
                .map(|machine| of(text(machine, "/size"), machine.get("count").and_then(Value::as_u64)))
                .collect(),
            _ => vec![of(text(pool, "/vmSize"), pool.get("count").and_then(Value::as_u64))],
        }
    });
    Some(ClusterNodes {
        cluster: ResourceId::parse(row.get("id").and_then(Value::as_str)?)?,
        is_running: !text(row, "/powerState").eq_ignore_ascii_case("Stopped"),
        provisions_nodes: text(row, "/nodeProvisioning").eq_ignore_ascii_case("Auto"),
        pools: pools.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_of_which_a_row_does_not_tell_everything_is_not_whole() {
        let whole = |properties: Value| {
            let id = "/subscriptions/s/providers/Microsoft.Security/pricings/Containers";
            is_whole(&LiveObject {
                kind: Kind::DefenderPlan,
                id: ResourceId::parse(id).unwrap(),
                wire: json!({"id": id, "properties": properties}),
                etag: None,
            })
        };
        assert!(whole(
            json!({"pricingTier": "Free", "resourcesCoverageStatus": "NotCovered"})
        ));
        assert!(whole(
            json!({"pricingTier": "Standard", "resourcesCoverageStatus": "FullyCovered", "extensions": []})
        ));
        for part in [
            json!({"pricingTier": "Free"}),
            json!({"resourcesCoverageStatus": "NotCovered"}),
            json!({"pricingTier": "Standard", "resourcesCoverageStatus": "FullyCovered"}),
            json!({"pricingTier": "Standard", "extensions": []}),
            Value::Null,
        ] {
            assert!(!whole(part.clone()), "{part}");
        }
    }

    #[test]
    fn what_a_row_does_not_say_is_not_made_up() {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        let nodes = cluster_nodes(&json!({
            "id": id, "powerState": "Running", "nodeProvisioning": "Auto",
            "pools": [
                {"name": "system", "vmSize": "Standard_D4s_v5", "count": 3, "powerState": {"code": "Running"}},
                {"name": "spot", "vmSize": "Standard_D8s_v5", "powerState": {"code": "Stopped"}},
                {"name": "mixed", "virtualMachineNodesStatus": [{"size": "Standard_D2s_v5", "count": 1}, {"size": "Standard_D8s_v5", "count": 2}]},
            ],
        }))
        .unwrap();
        let told: Vec<(&str, &str, Option<u64>, bool)> = nodes
            .pools
            .iter()
            .map(|pool| (pool.name.as_str(), pool.size.as_str(), pool.count, pool.is_running))
            .collect();
        assert_eq!(
            told,
            [
                ("system", "Standard_D4s_v5", Some(3), true),
                ("spot", "Standard_D8s_v5", None, false),
                ("mixed", "Standard_D2s_v5", Some(1), true),
                ("mixed", "Standard_D8s_v5", Some(2), true),
            ]
        );
        assert!(nodes.is_running && nodes.provisions_nodes);
        let bare = cluster_nodes(&json!({"id": id, "pools": null, "powerState": "Stopped"})).unwrap();
        assert!(bare.pools.is_empty() && !bare.is_running && !bare.provisions_nodes);
    }
}
