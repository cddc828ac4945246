//! The estate that a new sandbox holds: a tenant, three environments, clusters in every condition, and some foreign objects.
//!
//! The same options give the same estate. It must not know requests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cluster_document::{ClusterSeed, Condition, document};
use super::inventory::{ResourceGroups, Resources};
use super::random::Random;
use super::role::{BUILT_IN, OWNER, Role};
use super::state::{ManagementGroup, Operation, ResourceGroup, Settings, State, Subscription, VERSION};
use super::{arc, firewall, pricing, security, time};

/// The directory of every sandbox; its root management group has the same name.
pub const TENANT: &str = "11111111-1111-4111-8111-111111111111";
/// The environments: name and subscription.
pub const ENVIRONMENTS: [(&str, &str); 3] = [
    ("dev", "0a000000-0000-4000-8000-000000000001"),
    ("test", "0a000000-0000-4000-8000-000000000002"),
    ("prod", "0a000000-0000-4000-8000-000000000003"),
];
/// The locations and their short names.
const LOCATIONS: [(&str, &str); 3] = [("westeurope", "weu"), ("northeurope", "neu"), ("eastus2", "eus2")];

/// What a new sandbox is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedOptions {
    /// Decides everything that looks random.
    pub seed: u64,
    /// How many clusters there are; without it the seven of the small estate, which show every condition.
    pub clusters: Option<usize>,
    /// How many subscriptions they are spread over: one of each environment at least, and the environments take turns.
    pub subscriptions: usize,
    /// How many Arc-connected clusters there are besides.
    pub arc: usize,
    /// Makes the instance id and the token secret differ between two sandboxes of one seed.
    pub entropy: u64,
    /// The names of the built-in roles that whoever signs in has on everything; none stands for Owner.
    pub roles: Vec<String>,
    /// The namespaces that are registered in no subscription.
    pub unregistered: Vec<String>,
}

impl Default for SeedOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            clusters: None,
            subscriptions: ENVIRONMENTS.len(),
            arc: 0,
            entropy: 0,
            roles: Vec::new(),
            unregistered: Vec::new(),
        }
    }
}

/// Returns the state of a new sandbox.
#[must_use]
pub fn seed(options: &SeedOptions) -> State {
    let mut unique = Random::named(options.entropy, "instance");
    let (instance, secret) = (
        unique.guid(),
        format!("{:016x}{:016x}", unique.number(), unique.number()),
    );
    let mut state = State {
        version: VERSION,
        instance,
        revision: 1,
        seed: options.seed,
        now: time::START,
        identifiers: 0,
        token_secret: secret,
        tenant: TENANT.to_owned(),
        principal: Random::named(options.seed, "principal").guid(),
        management_groups: management_groups(),
        subscriptions: subscriptions(options.subscriptions),
        resource_groups: ResourceGroups::default(),
        resources: Resources::default(),
        operations: BTreeMap::new(),
        settings: Settings::default(),
        roles: roles(&options.roles),
        unregistered: BTreeMap::new(),
        history: BTreeMap::new(),
        inside: BTreeMap::new(),
    };
    for namespace in &options.unregistered {
        for subscription in &state.subscriptions {
            let key = format!("{}/{}", subscription.id, namespace.to_ascii_lowercase());
            state.unregistered.insert(key, None);
        }
    }
    let clusters = match options.clusters {
        None => small_estate(),
        Some(count) => fleet(options.seed, count, options.subscriptions.max(ENVIRONMENTS.len())),
    };
    for cluster in clusters {
        add_cluster(&mut state, &cluster);
    }
    arc::seed(&mut state, options.arc);
    pricing::seed(&mut state);
    firewall::seed(&mut state);
    security::seed(&mut state);
    for document in foreign_objects() {
        state.insert(document);
    }
    // All of it has been there for long.
    state.history.clear();
    state
}

/// Returns the subscriptions in order of their ids: one of each environment, and again as many as are asked for.
fn subscriptions(count: usize) -> Vec<Subscription> {
    (0..count.max(ENVIRONMENTS.len()))
        .filter_map(|index| {
            let (name, _) = ENVIRONMENTS.get(index % ENVIRONMENTS.len())?;
            let (id, suffix) = subscription(index);
            Some(Subscription {
                id,
                name: format!("contoso-{name}{suffix}"),
                group: format!("contoso-{name}"),
            })
        })
        .collect()
}

/// Returns the id of a subscription and what its names end with, nothing for the first of an environment.
fn subscription(index: usize) -> (String, String) {
    if let Some((_, id)) = ENVIRONMENTS.get(index) {
        return ((*id).to_owned(), String::new());
    }
    let turn = index / ENVIRONMENTS.len() + 1;
    (
        format!("0a000000-0000-4000-8000-{:012}", index + 1),
        format!("-{turn:03}"),
    )
}

/// Returns the ids of the built-in roles of these names; of Owner if there are no names.
fn roles(names: &[String]) -> Vec<String> {
    let wanted = |role: &&Role| {
        names.iter().any(|name| name.eq_ignore_ascii_case(role.name)) || (names.is_empty() && role.id == OWNER)
    };
    BUILT_IN.iter().filter(wanted).map(|role| role.id.to_owned()).collect()
}

fn management_groups() -> Vec<ManagementGroup> {
    let group = |name: &str, display: &str, parent: Option<&str>| ManagementGroup {
        name: name.to_owned(),
        display_name: display.to_owned(),
        parent: parent.map(str::to_owned),
    };
    vec![
        group(TENANT, "Tenant Root Group", None),
        group("contoso", "Contoso", Some(TENANT)),
        group("contoso-dev", "Contoso Dev", Some("contoso")),
        group("contoso-test", "Contoso Test", Some("contoso")),
        group("contoso-prod", "Contoso Prod", Some("contoso")),
    ]
}

fn add_cluster(state: &mut State, cluster: &ClusterSeed) {
    state.resource_groups.add(ResourceGroup {
        subscription: cluster.subscription.clone(),
        name: cluster.resource_group.clone(),
        location: cluster.location.clone(),
    });
    let mut document = document(state.seed, &state.tenant, cluster);
    if cluster.condition == Condition::Updating {
        let id = super::json::text(&document, "/id").to_ascii_lowercase();
        let operation = state.guid();
        let final_etag = state.guid();
        super::json::set(&mut document, "", "x-operation", json!(operation));
        let (started, due) = (state.now - 120, state.now + 600);
        state.operations.insert(
            operation,
            Operation {
                resource: id,
                started,
                due,
                final_etag,
            },
        );
    }
    state.insert(document);
}

fn small_estate() -> Vec<ClusterSeed> {
    // Environment, location, number, condition, key of the add-on and whether it is on, tag `gates`.
    type Row = (usize, usize, Condition, Option<(&'static str, bool)>, &'static str);
    let rows: [Row; 7] = [
        (0, 0, Condition::Running, None, "on"),
        (0, 1, Condition::Running, Some(("azurepolicy", true)), "off"),
        (1, 0, Condition::Running, Some(("azurePolicy", true)), "on"),
        (1, 1, Condition::Updating, Some(("azurepolicy", false)), "on"),
        (2, 0, Condition::Running, Some(("azurepolicy", true)), "on"),
        (2, 1, Condition::Running, Some(("azurepolicy", false)), "on"),
        (2, 2, Condition::Stopped, None, "on"),
    ];
    rows.into_iter()
        .filter_map(|(environment, location, condition, addon, gates)| {
            cluster_seed((environment, location, 1), condition, addon, Some(gates))
        })
        .map(|cluster| ClusterSeed {
            // One of them is behind the firewall of the hub.
            outbound: match cluster.name.as_str() {
                "aks-prod-weu-01" => "userDefinedRouting",
                _ => cluster.outbound,
            },
            ..cluster
        })
        .collect()
}

fn fleet(seed: u64, count: usize, subscriptions: usize) -> Vec<ClusterSeed> {
    let mut random = Random::named(seed, "fleet");
    (0..count)
        .filter_map(|index| {
            let subscription = index % subscriptions;
            let location = index / subscriptions % LOCATIONS.len();
            let condition = match random.below(20) {
                0 => Condition::Stopped,
                1 => Condition::Updating,
                _ => Condition::Running,
            };
            let addon = match random.below(10) {
                0 => None,
                1 => Some(("azurepolicy", false)),
                2 => Some(("azurePolicy", true)),
                _ => Some(("azurepolicy", true)),
            };
            let gates = (random.below(10) > 0).then_some("on");
            let number = index / (subscriptions * LOCATIONS.len()) + 1;
            cluster_seed((subscription, location, number), condition, addon, gates)
        })
        .collect()
}

/// Returns a cluster by the numbers of its subscription and location, and its own among those of both.
fn cluster_seed(
    (subscribed, location, number): (usize, usize, usize),
    condition: Condition,
    addon: Option<(&'static str, bool)>,
    gates: Option<&str>,
) -> Option<ClusterSeed> {
    let (environment, _) = ENVIRONMENTS.get(subscribed % ENVIRONMENTS.len())?;
    let (subscription, suffix) = subscription(subscribed);
    let (location, short) = LOCATIONS.get(location)?;
    Some(ClusterSeed {
        subscription,
        resource_group: format!("rg-aks-{environment}{suffix}-{short}"),
        name: format!("aks-{environment}{suffix}-{short}-{number:02}"),
        location: (*location).to_owned(),
        environment: (*environment).to_owned(),
        condition,
        addon,
        gates: gates.map(str::to_owned),
        outbound: "loadBalancer",
    })
}

/// Objects that somebody else made: they must never be changed, and they come in shapes that a reader must survive.
fn foreign_objects() -> Vec<Value> {
    let made = "2025-03-11T09:14:22.4530912Z";
    let by = "7a1f0d5c-61f2-4a57-9b1f-2f0b7a9c3d10";
    let system = json!({"createdBy": by, "createdByType": "User", "createdAt": made, "lastModifiedBy": by, "lastModifiedByType": "User", "lastModifiedAt": made});
    let [(_, dev), _, (_, prod)] = ENVIRONMENTS;
    let group = "/providers/Microsoft.Management/managementGroups/contoso-prod";
    let definition = format!("{group}/providers/Microsoft.Authorization/policyDefinitions/require-cost-center");
    let assignment = |scope: &str, name: &str, properties: Value| {
        json!({
            "id": format!("{scope}/providers/Microsoft.Authorization/policyAssignments/{name}"),
            "type": "Microsoft.Authorization/policyAssignments",
            "name": name,
            "properties": properties,
            "systemData": system,
        })
    };
    let mut defender = assignment(
        &format!("/subscriptions/{prod}"),
        "SecurityCenterBuiltIn",
        json!({
            "displayName": "ASC Default (subscription: contoso-prod)",
            "description": "Default set of policies monitored by Azure Security Center",
            "metadata": {"assignedBy": "Security Center", "createdBy": by, "createdOn": made, "updatedBy": null, "updatedOn": null},
            "policyDefinitionId": "/providers/Microsoft.Authorization/policySetDefinitions/1f3afdf9-d0c9-4c3d-847f-89da613e70a8",
            "definitionVersion": "57.*.*",
            "notScopes": [],
            "parameters": {},
            "enforcementMode": "Default",
            "scope": format!("/subscriptions/{prod}"),
            "instanceId": "0f3d8e4e-93a2-4a5c-8d5e-5a4b0a9a1c01",
        }),
    );
    super::json::set(&mut defender, "", "location", json!("westeurope"));
    super::json::set(
        &mut defender,
        "",
        "identity",
        json!({"type": "SystemAssigned", "principalId": "3c0d9b54-0d0a-4d79-8a25-9a0e8f3c7b11", "tenantId": TENANT}),
    );
    vec![
        json!({
            "id": definition,
            "type": "Microsoft.Authorization/policyDefinitions",
            "name": "require-cost-center",
            "properties": {
                "displayName": "Require a cost center tag on resource groups",
                "policyType": "Custom",
                "mode": "All",
                "metadata": {"category": "Tags", "createdBy": by, "createdOn": made, "updatedBy": null, "updatedOn": null},
                "version": "1.0.0",
                "versions": ["1.0.0"],
                "parameters": {},
                "policyRule": {
                    "if": {"allOf": [
                        {"field": "type", "equals": "Microsoft.Resources/subscriptions/resourceGroups"},
                        {"field": "tags['cost-center']", "exists": "false"},
                    ]},
                    "then": {"effect": "audit"},
                },
            },
            "systemData": system,
        }),
        defender,
        // Without metadata, display name and parameters: an object made by an old client.
        assignment(
            group,
            "cost-center",
            json!({
                "policyDefinitionId": definition,
                "definitionVersion": "1.*.*",
                "notScopes": [],
                "enforcementMode": "DoNotEnforce",
                "scope": group,
                "instanceId": "5b0e51b8-7d4a-4b36-9a0b-6d6b0e8d2c77",
            }),
        ),
        // Its ids are in another casing than ours would be.
        assignment(
            &format!("/subscriptions/{dev}/resourceGroups/rg-aks-dev-weu"),
            "tags-by-hand",
            json!({
                "displayName": "Cost center (by hand)",
                "metadata": {"createdBy": by, "createdOn": made, "updatedBy": by, "updatedOn": made, "parameterScopes": {}},
                "policyDefinitionId": "/providers/microsoft.authorization/policydefinitions/95EDB821-DDAF-4404-9732-666045E056B4",
                "definitionVersion": "9.*.*",
                "notScopes": [],
                "parameters": {"effect": {"value": "Audit"}},
                "enforcementMode": "Default",
                "scope": format!("/subscriptions/{dev}/resourceGroups/rg-aks-dev-weu"),
                "instanceId": "b6ce0d02-2b7b-4f57-8f0e-70a1c9d7f0aa",
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::json::text;

    #[test]
    fn the_seed_is_deterministic_and_only_entropy_changes_the_instance() {
        let options = SeedOptions::default();
        assert_eq!(seed(&options), seed(&options));
        let other = seed(&SeedOptions {
            entropy: 7,
            ..options.clone()
        });
        assert_ne!(other.instance, seed(&options).instance);
        assert_ne!(other.token_secret, seed(&options).token_secret);
        assert_eq!(other.resources, seed(&options).resources);
    }

    #[test]
    fn the_small_estate_shows_every_condition() {
        let state = seed(&SeedOptions::default());
        let clusters: Vec<&Value> = state
            .of_type("microsoft.containerservice/managedclusters")
            .map(|(_, d)| d)
            .collect();
        assert_eq!(clusters.len(), 7);
        let count = |test: &dyn Fn(&Value) -> bool| clusters.iter().filter(|cluster| test(cluster)).count();
        assert_eq!(count(&|c| text(c, "/properties/powerState/code") == "Stopped"), 1);
        assert_eq!(count(&|c| text(c, "/properties/provisioningState") == "Updating"), 1);
        assert_eq!(count(&|c| c.pointer("/properties/addonProfiles").is_none()), 2);
        assert_eq!(
            count(&|c| c.pointer("/properties/addonProfiles/azurePolicy").is_some()),
            1
        );
        assert_eq!(count(&|c| text(c, "/tags/gates") == "on"), 6);
    }

    #[test]
    fn a_fleet_is_spread_over_as_many_subscriptions_as_asked() {
        let state = seed(&SeedOptions {
            clusters: Some(30),
            subscriptions: 7,
            ..SeedOptions::default()
        });
        let ids: Vec<&str> = state.subscriptions.iter().map(|known| known.id.as_str()).collect();
        assert_eq!(ids.len(), 7);
        assert!(ids.is_sorted(), "{ids:?}");
        let groups: Vec<&str> = state.subscriptions.iter().map(|known| known.group.as_str()).collect();
        assert_eq!(
            groups[3..],
            ["contoso-dev", "contoso-test", "contoso-prod", "contoso-dev"]
        );
        let clusters = || state.of_type("microsoft.containerservice/managedclusters");
        for id in ids {
            let here = clusters().filter(|(cluster, _)| cluster.contains(id)).count();
            assert!(here == 4 || here == 5, "{id}: {here}");
            assert!(
                state
                    .resource(&format!(
                        "/subscriptions/{id}/providers/Microsoft.Security/pricings/Containers"
                    ))
                    .is_some()
            );
        }
        let names: std::collections::BTreeSet<&str> = clusters().map(|(_, cluster)| text(cluster, "/name")).collect();
        assert_eq!(names.len(), 30, "each has a name of its own");
    }

    #[test]
    fn a_fleet_has_as_many_clusters_as_asked() {
        for count in [0, 1, 25] {
            let state = seed(&SeedOptions {
                clusters: Some(count),
                ..SeedOptions::default()
            });
            assert_eq!(
                state.of_type("microsoft.containerservice/managedclusters").count(),
                count
            );
        }
    }
}
