//! What a GET of a cluster answers: the document of a managed cluster as the service fills it.
//!
//! Its keys are those of Microsoft.ContainerService 2026-05-01. It must not know requests.

use serde_json::{Value, json};

use super::json::set;
use super::random::Random;

/// A cluster to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSeed {
    /// The GUID of the subscription.
    pub subscription: String,
    /// The name of the resource group.
    pub resource_group: String,
    /// The cluster's name.
    pub name: String,
    /// The Azure region.
    pub location: String,
    /// The value of its tag `environment`.
    pub environment: String,
    /// The condition it is in.
    pub condition: Condition,
    /// The key of the Azure Policy add-on in the map of add-ons, and whether it is on; none for a cluster without add-ons.
    pub addon: Option<(&'static str, bool)>,
    /// The value of its tag `gates`.
    pub gates: Option<String>,
    /// Its `outboundType`.
    pub outbound: &'static str,
}

/// The condition of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It runs and can be changed.
    Running,
    /// It is stopped: no change of it is taken.
    Stopped,
    /// Another change of it is under way.
    Updating,
}

/// Returns the document of a cluster, the same for the same seed and cluster.
#[must_use]
pub fn document(seed: u64, tenant: &str, cluster: &ClusterSeed) -> Value {
    let ClusterSeed {
        subscription,
        resource_group,
        name,
        location,
        ..
    } = cluster;
    let id = format!(
        "/subscriptions/{subscription}/resourcegroups/{resource_group}/providers/Microsoft.ContainerService/managedClusters/{name}"
    );
    let mut random = Random::named(seed, &id);
    let node_group = format!("MC_{resource_group}_{name}_{location}");
    let label = format!("{name}-{:08x}", random.number() >> 32);
    let etag = random.guid();
    let provisioning = if cluster.condition == Condition::Updating {
        "Updating"
    } else {
        "Succeeded"
    };
    let power = if cluster.condition == Condition::Stopped {
        "Stopped"
    } else {
        "Running"
    };
    let pool = |pool: &str, mode: &str, count: u64| {
        json!({
            "name": pool, "count": count, "vmSize": "Standard_D4ds_v5", "osDiskSizeGB": 128, "osDiskType": "Ephemeral",
            "kubeletDiskType": "OS", "maxPods": 110, "type": "VirtualMachineScaleSets", "enableAutoScaling": false,
            "provisioningState": provisioning, "powerState": {"code": power}, "orchestratorVersion": "1.33",
            "currentOrchestratorVersion": "1.33.5", "enableNodePublicIP": false, "mode": mode, "osType": "Linux",
            "osSKU": "Ubuntu", "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202612.08.0",
            "upgradeSettings": {"maxSurge": "10%"}, "enableFIPS": false, "eTag": etag,
        })
    };
    let mut document = json!({
        "id": id,
        "location": location,
        "name": name,
        "type": "Microsoft.ContainerService/ManagedClusters",
        "eTag": etag,
        "kind": "Base",
        "sku": {"name": "Base", "tier": if cluster.environment == "prod" { "Standard" } else { "Free" }},
        "tags": {"environment": cluster.environment, "owner": "platform"},
        "identity": {"type": "SystemAssigned", "principalId": random.guid(), "tenantId": tenant},
        "properties": {
            "provisioningState": provisioning,
            "powerState": {"code": power},
            "kubernetesVersion": "1.33",
            "currentKubernetesVersion": "1.33.5",
            "dnsPrefix": name,
            "fqdn": format!("{label}.hcp.{location}.azmk8s.io"),
            "azurePortalFQDN": format!("{label}.portal.hcp.{location}.azmk8s.io"),
            "agentPoolProfiles": [pool("system", "System", 3), pool("apps", "User", 2 + random.below(6))],
            "windowsProfile": {"adminUsername": "azureuser", "enableCSIProxy": true},
            "servicePrincipalProfile": {"clientId": "msi"},
            "nodeResourceGroup": node_group,
            "enableRBAC": true,
            "supportPlan": "KubernetesOfficial",
            "networkProfile": network(subscription, &node_group, cluster.outbound, &mut random),
            "aadProfile": {"managed": true, "adminGroupObjectIDs": [], "enableAzureRBAC": true, "tenantID": tenant},
            "maxAgentPools": 100,
            "identityProfile": {"kubeletidentity": {
                "resourceId": format!("/subscriptions/{subscription}/resourcegroups/{node_group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}-agentpool"),
                "clientId": random.guid(),
                "objectId": random.guid(),
            }},
            "autoUpgradeProfile": {"upgradeChannel": "patch", "nodeOSUpgradeChannel": "NodeImage"},
            "disableLocalAccounts": true,
            "securityProfile": {"workloadIdentity": {"enabled": true}, "imageCleaner": {"enabled": true, "intervalHours": 168}},
            "storageProfile": {
                "diskCSIDriver": {"enabled": true}, "fileCSIDriver": {"enabled": true}, "snapshotController": {"enabled": true},
            },
            "oidcIssuerProfile": {"enabled": true, "issuerURL": format!("https://{location}.oic.prod-aks.azure.com/{tenant}/{}/", random.guid())},
            "workloadAutoScalerProfile": {},
            "metricsProfile": {"costAnalysis": {"enabled": false}},
            "resourceUID": format!("{:024x}", u128::from(random.number()) << 32 | u128::from(random.number() >> 32)),
            "bootstrapProfile": {"artifactSource": "Direct"},
        },
    });
    if let Some(gates) = &cluster.gates {
        set(&mut document, "/tags", "gates", json!(gates));
    }
    if let Some((key, enabled)) = cluster.addon {
        let mut profile = json!({"enabled": enabled, "config": null});
        if enabled {
            set(
                &mut profile,
                "",
                "identity",
                addon_identity(&id, &node_group, &mut random),
            );
        }
        set(&mut document, "/properties", "addonProfiles", json!({ key: profile }));
    }
    document
}

fn network(subscription: &str, node_group: &str, outbound: &str, random: &mut Random) -> Value {
    json!({
        "networkPlugin": "azure", "networkPluginMode": "overlay", "networkPolicy": "cilium", "networkDataplane": "cilium",
        "loadBalancerSku": "standard", "outboundType": outbound, "dnsServiceIP": "10.0.0.10",
        "podCidr": "10.244.0.0/16", "podCidrs": ["10.244.0.0/16"],
        "serviceCidr": "10.0.0.0/16", "serviceCidrs": ["10.0.0.0/16"], "ipFamilies": ["IPv4"],
        "loadBalancerProfile": {
            "managedOutboundIPs": {"count": 1},
            "backendPoolType": "nodeIPConfiguration",
            "effectiveOutboundIPs": [{
                "id": format!("/subscriptions/{subscription}/resourceGroups/{node_group}/providers/Microsoft.Network/publicIPAddresses/{}", random.guid()),
            }],
        },
    })
}

/// Returns the identity that the service makes for the Azure Policy add-on of a cluster.
#[must_use]
pub fn addon_identity(cluster_id: &str, node_group: &str, random: &mut Random) -> Value {
    let subscription = cluster_id.split('/').nth(2).unwrap_or_default();
    let name = cluster_id.rsplit('/').next().unwrap_or_default();
    json!({
        "resourceId": format!("/subscriptions/{subscription}/resourcegroups/{node_group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/azurepolicy-{name}"),
        "clientId": random.guid(),
        "objectId": random.guid(),
    })
}
