//! Reads the live objects of one environment.
//!
//! Owns which calls are made and what counts as having seen everything: an answer that is missing is an error, never an
//! absent object. Must not know what should be there.

mod below;
mod defender;
mod egress;
mod evidence;
mod runtime;

pub use egress::{egress_clusters, firewall_rules};
pub use evidence::{Asked, Evidence, EvidenceError, evidence, evidence_again, history};
pub use runtime::runtime;

use crate::arm::{ArmError, Client, GraphQuery, GraphScope};
use crate::catalog::Catalog;
use crate::config::Environment;
use crate::kinds::{Kind, principal_of};
use crate::lock::{Live, Read, Uses, next_reads};
use crate::model::{Mark, Part, ResourceId, Scope, Timestamp, is_guid};
use crate::observed::{ArcCluster, Cluster, LiveObject, Observed, Subscription, is_below};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The columns of a cluster that a plan needs.
const CLUSTERS: &str = "resources \
| where type =~ 'microsoft.containerservice/managedclusters' \
| project id, name, location, tags, sku = tostring(sku.name), addonProfiles = properties.addonProfiles, \
changed = tostring(systemData.lastModifiedAt), \
defender = properties.securityProfile.defender, provisioningState = tostring(properties.provisioningState), powerState = tostring(properties.powerState.code) \
| order by id asc";

/// The columns of an Arc-connected cluster that a plan needs.
const CONNECTED: &str = "resources \
| where type =~ 'microsoft.kubernetes/connectedclusters' \
| project id, tags, connectivity = tostring(properties.connectivityStatus), \
distribution = tostring(properties.distribution) \
| order by id asc";

/// The resource type of deployment safeguards.
const SAFEGUARDS: &str = "Microsoft.ContainerService/deploymentSafeguards";

/// How many reads of one sort are under way at once; the client bounds all of them together.
const AT_ONCE: usize = 16;

/// Reads everything that concerns the environment; what does not need an answer of the rest is asked at once.
///
/// # Errors
/// Any call that fails, but for objects that ARM says are absent.
pub async fn observe(client: &Client, environment: &Environment) -> Result<Observed, ArmError> {
    let fleet = async {
        let clusters = clusters(client, environment).await?;
        let safeguards = safeguards(client, environment, clusters.iter().map(|(cluster, ..)| cluster)).await?;
        Ok::<_, ArmError>((clusters, safeguards))
    };
    let governance = governance(client, environment);
    let connected = connected(client, environment);
    let (mut observed, (clusters, safeguards), (connected, extensions)) =
        futures::try_join!(governance, fleet, connected)?;
    observed.arc_clusters = connected;
    for object in safeguards.into_iter().chain(extensions) {
        observed.insert(object);
    }
    for (cluster, object, changed) in clusters {
        let changed = changed.map(|changed| (cluster.id.clone(), changed));
        observed.cluster_changes.extend(changed);
        observed.unsure.insert((object.kind, object.id.clone()));
        observed.clusters.push(cluster);
        observed.insert(object);
    }
    Ok(observed)
}

/// Reads the subscriptions with their Defender plans, and the policy objects with what belongs to them.
async fn governance(client: &Client, environment: &Environment) -> Result<Observed, ArmError> {
    let at = &environment.definition_scope;
    let (subscriptions, own, sets, definitions, plans, below) = futures::try_join!(
        subscriptions(client, environment),
        own_objects(client, environment),
        listed(client, Kind::PolicySetDefinition, at),
        listed(client, Kind::PolicyDefinition, at),
        defender::find(client, environment),
        below::find(client, environment),
    )?;
    let here = environment.scope.path();
    let policy = async {
        let below = match below {
            Some(found) => below::settle(client, (&environment.name, &here), found, &own, &subscriptions).await?,
            None => Vec::new(),
        };
        let assigned = own.iter().chain(&below);
        let (of_others, unread) = sets_of(client, assigned, &sets).await?;
        Ok::<_, ArmError>((below, of_others, unread))
    };
    let plans = async {
        let (plans, unsure) = defender::plans(client, environment, &subscriptions, plans).await?;
        let nodes = defender::nodes(client, environment, &plans).await?;
        Ok::<_, ArmError>((plans, unsure, nodes))
    };
    let roles = role_assignments(client, environment, &own);
    let ((below, of_others, unread), (plans, unsure, nodes), roles) = futures::try_join!(policy, plans, roles)?;

    let is_beyond = |object: &LiveObject| {
        object.kind == Kind::PolicyAssignment
            && !object.id.scope().eq_ignore_ascii_case(&here)
            && !is_part(environment, &subscriptions, object)
    };
    let (beyond, own): (Vec<LiveObject>, Vec<LiveObject>) = own.into_iter().chain(below).partition(is_beyond);
    let mut observed = Observed::default();
    observed.beyond = beyond;
    observed.sets_of_others = of_others;
    observed.unread_sets = unread;
    observed.unsure = unsure;
    observed.nodes = nodes;
    // A resource group is not above its subscription's Defender plan.
    observed.subscriptions = match environment.scope {
        Scope::ResourceGroup(..) => Vec::new(),
        _ => subscriptions,
    };
    for object in own.into_iter().chain(sets).chain(definitions).chain(plans).chain(roles) {
        observed.insert(object);
    }
    Ok(observed)
}

/// Whether an assignment stands below the environment's scope as a part of one of its gates: a ring of scopes has assignments of its own
/// there, and each names its place, so a copy is not ours. Whose the mark is, is asked of each before it is written.
fn is_part(environment: &Environment, subscriptions: &[Subscription], object: &LiveObject) -> bool {
    let below =
        object.id.is_within(&environment.scope.path()) || is_below(subscriptions, &environment.scope, &object.id);
    let code = Scope::parse(object.id.scope()).map(|scope| Part::Scope(&scope).code());
    let named = |mark: Mark| mark.environment == environment.name && Some(mark.part) == code;
    below && object.mark().is_some_and(named)
}

/// Reads the built-ins in use, and the members of those that are sets: one document of each, and one of each older version that a
/// pin leads to. The members are added to the uses.
///
/// # Errors
/// Any call that fails, but for built-ins that ARM says are absent.
pub async fn built_ins(client: &Client, mut uses: Uses) -> Result<(Uses, Live), ArmError> {
    let mut live = Live::new();
    loop {
        let missing = next_reads(&mut uses, &live);
        if missing.is_empty() {
            return Ok((uses, live));
        }
        let reads = missing.into_iter().map(|read: Read| async move {
            let document = client.get_optional(&read.path()).await?;
            Ok::<_, ArmError>((read, document.map(|document| document.body)))
        });
        let found: Vec<_> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        live.extend(found);
    }
}

/// Reads one object as it is now; none if ARM says that it is absent.
///
/// # Errors
/// Any other failure.
pub async fn read(client: &Client, kind: Kind, id: &ResourceId) -> Result<Option<LiveObject>, ArmError> {
    let resource = client.get_optional(id.as_str()).await?;
    Ok(resource.map(|resource| LiveObject {
        kind,
        id: id.clone(),
        wire: resource.body,
        etag: resource.etag,
    }))
}

/// Reads objects exactly: what Resource Graph says of them may be old, and has no ETag.
///
/// # Errors
/// Any call that fails; a cluster that is gone by now is taken out.
pub async fn refine(client: &Client, observed: &mut Observed, objects: &[(Kind, ResourceId)]) -> Result<(), ArmError> {
    let reads = stream::iter(objects.iter().cloned().map(|(kind, id)| async move {
        let object = read(client, kind, &id).await?;
        Ok::<_, ArmError>((kind, id, object))
    }));
    let found: Vec<_> = reads.buffered(AT_ONCE).try_collect().await?;
    for object in objects {
        observed.unsure.remove(object);
    }
    let mut places: BTreeMap<ResourceId, usize> = BTreeMap::new();
    for (place, cluster) in observed.clusters.iter().enumerate() {
        places.insert(cluster.id.clone(), place);
    }
    let mut gone = BTreeSet::new();
    for (kind, id, object) in found {
        let Some(object) = object else {
            gone.insert(id);
            continue;
        };
        if kind == Kind::ManagedCluster {
            let changed = object.wire.pointer("/systemData/lastModifiedAt");
            let changed = changed.and_then(Value::as_str).and_then(Timestamp::parse);
            observed
                .cluster_changes
                .extend(changed.map(|changed| (id.clone(), changed)));
            let place = places.get(&id).and_then(|place| observed.clusters.get_mut(*place));
            if let Some(cluster) = place {
                *cluster = exact_cluster(&object);
            }
        }
        observed.insert(object);
    }
    observed.clusters.retain(|cluster| !gone.contains(&cluster.id));
    Ok(())
}

/// Returns what was observed with the clusters as they are now: whoever stopped one or took its add-on away meanwhile closed a guard.
///
/// Resource Graph answers for the whole fleet. The clusters of which it says something else than before, and those that were read exactly
/// before, are read exactly now.
///
/// # Errors
/// Any call that fails; a cluster that is gone by now is taken out.
pub async fn clusters_again(
    client: &Client,
    environment: &Environment,
    before: &Observed,
) -> Result<Observed, ArmError> {
    let (found, (connected, extensions)) =
        futures::try_join!(clusters(client, environment), connected(client, environment))?;
    let mut observed = before.clone();
    observed.arc_clusters = connected;
    observed.take_out(Kind::KubernetesExtension);
    for extension in extensions {
        observed.insert(extension);
    }
    let kind = Kind::ManagedCluster;
    let mut known: BTreeMap<ResourceId, Cluster> = observed
        .clusters
        .drain(..)
        .map(|cluster| (cluster.id.clone(), cluster))
        .collect();
    let mut doubtful = Vec::new();
    for (cluster, object, changed) in found {
        let as_before = known.remove(&cluster.id).as_ref() == Some(&cluster)
            && before.get(kind, &cluster.id) == Some(&object)
            && before.cluster_changes.get(&cluster.id) == changed.as_ref();
        if !as_before {
            doubtful.push((kind, cluster.id.clone()));
        }
        let changed = changed.map(|changed| (cluster.id.clone(), changed));
        observed.cluster_changes.extend(changed);
        observed.clusters.push(cluster);
        observed.insert(object);
    }
    // What is no longer found may have been left out.
    doubtful.extend(known.keys().map(|id| (kind, id.clone())));
    observed.clusters.extend(known.into_values());
    refine(client, &mut observed, &doubtful).await?;
    Ok(observed)
}

/// Returns a cluster's state from its own document.
pub fn exact_cluster(object: &LiveObject) -> Cluster {
    let text = |path: &str| {
        object
            .wire
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Cluster {
        id: object.id.clone(),
        location: text("/location"),
        tags: tags(object.wire.get("tags")),
        provisioning_state: text("/properties/provisioningState"),
        power_state: text("/properties/powerState/code"),
        sku: text("/sku/name"),
        linux: has_linux(&object.wire),
    }
}

/// Whether a cluster has a pool of Linux nodes, which is what a pool is if it does not say otherwise; none if it shows no pools.
fn has_linux(wire: &Value) -> Option<bool> {
    let pools = wire.pointer("/properties/agentPoolProfiles")?.as_array()?;
    let windows = |pool: &Value| {
        let system = pool.get("osType").and_then(Value::as_str);
        system.is_some_and(|system| system.eq_ignore_ascii_case("Windows"))
    };
    (!pools.is_empty()).then(|| !pools.iter().all(windows))
}

/// Returns the subscriptions in scope.
///
/// # Errors
/// Any call that fails.
pub async fn subscriptions(client: &Client, environment: &Environment) -> Result<Vec<Subscription>, ArmError> {
    let subscription = |value: &Value, id: &str| Subscription {
        id: id.to_ascii_lowercase(),
        name: ["/displayName", "/properties/displayName"]
            .into_iter()
            .find_map(|path| value.pointer(path).and_then(Value::as_str))
            .unwrap_or(id)
            .to_owned(),
    };
    match &environment.scope {
        Scope::Subscription(id) | Scope::ResourceGroup(id, _) => {
            let found = client.get(&format!("/subscriptions/{id}")).await?;
            Ok(vec![subscription(&found.body, id)])
        }
        Scope::ManagementGroup(_) => {
            let path = format!("{}/descendants", environment.scope.path());
            let below = client.list(&path, &[]).await?;
            let is_subscription = |value: &&Value| {
                let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
                kind.to_ascii_lowercase().ends_with("/subscriptions") || kind.eq_ignore_ascii_case("/subscriptions")
            };
            let mut found: Vec<Subscription> = below
                .iter()
                .filter(is_subscription)
                .filter_map(|value| {
                    let id = value
                        .get("id")
                        .and_then(Value::as_str)
                        .and_then(|id| id.rsplit('/').next())?;
                    Some(subscription(value, id))
                })
                .collect();
            found.sort_by(|one, two| one.id.cmp(&two.id));
            Ok(found)
        }
    }
}

/// The policy assignments and exemptions that ARM lists at the environment's scope: a list at a subscription or a resource group shows
/// also those below it, and one of assignments those above it. What stands above is exempt for whoever put it there.
async fn own_objects(client: &Client, environment: &Environment) -> Result<Vec<LiveObject>, ArmError> {
    let here = environment.scope.path();
    let is_group = matches!(environment.scope, Scope::ManagementGroup(_));
    let filter = |filter: &'static str| {
        if is_group {
            vec![("$filter", filter)]
        } else {
            Vec::new()
        }
    };
    let (at_scope, exactly) = (filter("atScope()"), filter("atExactScope()"));
    let named = async {
        match is_group {
            true => below::named_exemptions(client, environment).await,
            false => Ok(Vec::new()),
        }
    };
    let parts = async {
        match is_group {
            true => below::parts(client, environment).await,
            false => Ok(Vec::new()),
        }
    };
    let (assignments, exemptions, named, parts) = futures::try_join!(
        policy_objects(client, Kind::PolicyAssignment, &here, &at_scope),
        policy_objects(client, Kind::PolicyExemption, &here, &exactly),
        named,
        parts,
    )?;
    let exemptions = exemptions.into_iter().filter(|object| object.id.is_within(&here));
    let mut seen = BTreeSet::new();
    let objects = assignments.into_iter().chain(parts).chain(exemptions).chain(named);
    Ok(objects.filter(|object| seen.insert(object.id.clone())).collect())
}

/// The objects of a kind of policy that a list at a scope shows.
async fn policy_objects(
    client: &Client,
    kind: Kind,
    scope: &str,
    query: &[(&str, &str)],
) -> Result<Vec<LiveObject>, ArmError> {
    let collection = match kind {
        Kind::PolicyExemption => "policyExemptions",
        Kind::PolicySetDefinition => "policySetDefinitions",
        Kind::PolicyDefinition => "policyDefinitions",
        _ => "policyAssignments",
    };
    let path = format!("{scope}/providers/Microsoft.Authorization/{collection}");
    let items = client.list(&path, query).await?;
    let object = |wire: Value| {
        let id = ResourceId::parse(wire.get("id").and_then(Value::as_str)?)?;
        let etag = None;
        Some(LiveObject { kind, id, wire, etag })
    };
    Ok(items.into_iter().filter_map(object).collect())
}

/// How many sets of others are read at most; beyond that it is told that they were not.
const SETS_OF_OTHERS: usize = 20;

/// The sets that assignments point at and that neither the catalogue knows nor a list holds, and those of them that may not or need not be read.
async fn sets_of(
    client: &Client,
    assignments: impl Iterator<Item = &LiveObject>,
    listed: &[LiveObject],
) -> Result<(Vec<LiveObject>, Vec<ResourceId>), ArmError> {
    let built_in = "/providers/microsoft.authorization/";
    let sets: BTreeSet<ResourceId> = assignments
        .filter_map(|assignment| {
            ResourceId::parse(assignment.wire.pointer("/properties/policyDefinitionId")?.as_str()?)
        })
        .filter(|id| id.key().contains("/policysetdefinitions/"))
        .filter(|id| !(id.key().starts_with(built_in) && Catalog::embedded().initiative(id.name()).is_some()))
        .filter(|id| !listed.iter().any(|set| set.id == *id))
        .collect();
    let beyond: Vec<ResourceId> = sets.iter().skip(SETS_OF_OTHERS).cloned().collect();
    let reads = stream::iter(sets.into_iter().take(SETS_OF_OTHERS).map(|id| async move {
        match read(client, Kind::PolicySetDefinition, &id).await {
            Ok(object) => Ok((object, None)),
            // It may stand where we may not look.
            Err(error) if error.status() == Some(403) => Ok((None, Some(id))),
            Err(error) => Err(error),
        }
    }));
    let found: Vec<(Option<LiveObject>, Option<ResourceId>)> = reads.buffered(AT_ONCE).try_collect().await?;
    let (objects, refused): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let unread = refused.into_iter().flatten().chain(beyond).collect();
    Ok((objects.into_iter().flatten().collect(), unread))
}

/// The policy objects of a kind that stand exactly at a scope.
async fn listed(client: &Client, kind: Kind, scope: &Scope) -> Result<Vec<LiveObject>, ArmError> {
    let here = scope.path();
    let mut objects = policy_objects(client, kind, &here, &[("$filter", "atExactScope()")]).await?;
    // Whatever a filter lets through, only what stands at the scope itself concerns this environment.
    objects.retain(|object| object.id.scope().eq_ignore_ascii_case(&here));
    Ok(objects)
}

/// The role assignments at the environment's scope, in subscriptions beside or below it that hold what a parameter names, and those that
/// the identities of the environment's assignments have anywhere below a management group.
///
/// Asked for only where an assignment has an identity or may get one: there is nothing of ours otherwise, since the roles of an
/// assignment go before it does.
async fn role_assignments(
    client: &Client,
    environment: &Environment,
    own: &[LiveObject],
) -> Result<Vec<LiveObject>, ArmError> {
    let here = environment.scope.path();
    let identities = own.iter().filter(|object| {
        let is_here = object.id.scope().eq_ignore_ascii_case(&here);
        is_here && object.kind == Kind::PolicyAssignment && object.mark().is_some()
    });
    let identities: Vec<(&LiveObject, String)> = identities
        .filter_map(|assignment| Some((assignment, principal_of(&assignment.wire)?)))
        .collect();
    if environment.location.is_none() && identities.is_empty() {
        return Ok(Vec::new());
    }
    let live = identities
        .iter()
        .filter_map(|(assignment, _)| assignment.wire.pointer("/properties/parameters"));
    let mut named = BTreeSet::new();
    live.for_each(|parameters| subscriptions_in(parameters, &mut named));
    let gates = environment.gates.values();
    gates.for_each(|gate| {
        gate.parameters
            .values()
            .for_each(|value| subscriptions_in(value, &mut named))
    });
    let beside = named.into_iter().map(|id| format!("/subscriptions/{id}"));
    let beside = beside.filter(|path| *path != here);
    let mut lists: Vec<(String, Option<String>)> = beside.chain([here.clone()]).map(|scope| (scope, None)).collect();
    if let Scope::ManagementGroup(_) = environment.scope {
        let principals: BTreeSet<&str> = identities.iter().map(|(_, principal)| principal.as_str()).collect();
        let of = |principal: &str| Some(format!("principalId eq '{}'", principal.replace('\'', "''")));
        lists.extend(principals.into_iter().map(|principal| (here.clone(), of(principal))));
    }
    let lists = stream::iter(lists.into_iter().map(|(scope, filter)| async move {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments");
        let filter = filter.as_deref().map(|filter| ("$filter", filter));
        match client.list(&path, filter.as_slice()).await {
            Ok(items) => Ok(items),
            // A workspace that a parameter names may be gone with its subscription.
            Err(error) if error.has_code("SubscriptionNotFound") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }));
    let found: Vec<Vec<Value>> = lists.buffered(AT_ONCE).try_collect().await?;
    let object = |wire: Value| {
        let id = ResourceId::parse(wire.get("id").and_then(Value::as_str)?)?;
        Some(LiveObject {
            kind: Kind::RoleAssignment,
            id,
            wire,
            etag: None,
        })
    };
    Ok(found.into_iter().flatten().filter_map(object).collect())
}

/// Collects the subscriptions of all resource ids in a value.
fn subscriptions_in(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let id = ResourceId::parse(text);
            let subscription = id.as_ref().and_then(|id| id.value_of("subscriptions"));
            found.extend(subscription.filter(|id| is_guid(id)).map(str::to_ascii_lowercase));
        }
        Value::Array(items) => items.iter().for_each(|item| subscriptions_in(item, found)),
        Value::Object(map) => map.values().for_each(|value| subscriptions_in(value, found)),
        _ => {}
    }
}

/// The deployment safeguards of the clusters that are meant, if they are stated. AKS Automatic has them always; of other clusters
/// nobody is asked where they are not stated, since that takes a call for each.
async fn safeguards(
    client: &Client,
    environment: &Environment,
    clusters: impl Iterator<Item = &Cluster>,
) -> Result<Vec<LiveObject>, ArmError> {
    let kind = Kind::DeploymentSafeguards;
    if !client.knows(SAFEGUARDS) {
        return Ok(Vec::new());
    }
    let stated = environment
        .clusters
        .as_ref()
        .filter(|clusters| clusters.safeguards.is_some());
    let meant = clusters.filter(|cluster| {
        cluster.is_automatic() || stated.is_some_and(|clusters| clusters.select.takes(&cluster.id, &cluster.tags))
    });
    let ids = meant.filter_map(|cluster| ResourceId::parse(&format!("{}/providers/{SAFEGUARDS}/default", cluster.id)));
    let reads = stream::iter(ids.map(|id| async move { read(client, kind, &id).await }));
    let found: Vec<Option<LiveObject>> = reads.buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The Arc-connected clusters in scope and their extensions, if the environment asks for them.
async fn connected(client: &Client, environment: &Environment) -> Result<(Vec<ArcCluster>, Vec<LiveObject>), ArmError> {
    let stated = environment.clusters.as_ref();
    if stated.is_none_or(|clusters| clusters.arc_policy_extension.is_none()) {
        return Ok((Vec::new(), Vec::new()));
    }
    let rows = found(client, environment, CONNECTED).await?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let clusters = rows.into_iter().map(|(id, row)| ArcCluster {
        id,
        tags: tags(row.get("tags")),
        connectivity: text(&row, "connectivity"),
        distribution: text(&row, "distribution"),
    });
    let clusters: Vec<ArcCluster> = clusters.collect();
    // Of those that are not selected too: what a gate would not guard is counted over all of them.
    let extensions = |cluster: &ArcCluster| {
        let id = &cluster.id;
        format!("{id}/providers/Microsoft.KubernetesConfiguration/extensions")
    };
    let paths: Vec<String> = clusters.iter().map(extensions).collect();
    let lists = stream::iter(
        paths
            .into_iter()
            .map(|path| async move { client.list(&path, &[]).await }),
    );
    let lists: Vec<Vec<Value>> = lists.buffered(AT_ONCE).try_collect().await?;
    let extensions = lists.into_iter().flatten().filter_map(|wire| {
        Some(LiveObject {
            kind: Kind::KubernetesExtension,
            id: ResourceId::parse(wire.get("id").and_then(Value::as_str)?)?,
            wire,
            etag: None,
        })
    });
    let extensions = extensions.collect();
    Ok((clusters, extensions))
}

/// The rows of a query in the environment's scope, with their ids.
async fn found(client: &Client, environment: &Environment, query: &str) -> Result<Vec<(ResourceId, Value)>, ArmError> {
    let query = GraphQuery {
        query: query.to_owned(),
        scope: GraphScope::from(&environment.scope),
        with_scopes_above: false,
    };
    let rows = client.resource_graph(&query).await?;
    let group = match &environment.scope {
        Scope::ResourceGroup(..) => Some(environment.scope.path()),
        _ => None,
    };
    let rows = rows.into_iter().filter_map(|row| {
        let id = ResourceId::parse(row.get("id").and_then(Value::as_str)?)?;
        let here = group.as_ref().is_none_or(|group| id.is_within(group));
        here.then_some((id, row))
    });
    Ok(rows.collect())
}

/// The clusters in scope, what a plan needs of their documents, and when they changed last.
async fn clusters(
    client: &Client,
    environment: &Environment,
) -> Result<Vec<(Cluster, LiveObject, Option<Timestamp>)>, ArmError> {
    let rows = found(client, environment, CLUSTERS).await?;
    Ok(rows
        .into_iter()
        .map(|(id, mut row)| {
            let mut part = |key: &str| row.get_mut(key).map(Value::take).unwrap_or_default();
            let mut properties = Map::from_iter([("addonProfiles".to_owned(), part("addonProfiles"))]);
            match part("defender") {
                Value::Null => {}
                defender => {
                    let profile = Map::from_iter([("defender".to_owned(), defender)]);
                    properties.insert("securityProfile".to_owned(), Value::Object(profile));
                }
            }
            let fields = [
                ("id".to_owned(), Value::from(id.as_str())),
                ("properties".to_owned(), Value::Object(properties)),
            ];
            let wire = Value::Object(Map::from_iter(fields));
            let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let cluster = Cluster {
                id: id.clone(),
                location: text("location"),
                tags: tags(row.get("tags")),
                provisioning_state: text("provisioningState"),
                power_state: text("powerState"),
                sku: text("sku"),
                linux: None,
            };
            let changed = Timestamp::parse(&text("changed"));
            let object = LiveObject {
                kind: Kind::ManagedCluster,
                id,
                wire,
                etag: None,
            };
            (cluster, object, changed)
        })
        .collect())
}

fn tags(value: Option<&Value>) -> BTreeMap<String, String> {
    let tags = value.and_then(Value::as_object).into_iter().flatten();
    tags.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
