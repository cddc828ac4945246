//! The questions of a preflight: each answer, or why there is none.

use super::gather::Gathered;
use crate::arm::{ArmError, Client, GraphQuery};
use crate::config::Environment;
use crate::model::{ResourceId, Scope};
use crate::plan::{Action, Plan};
use crate::preflight::{
    Answer, ClusterFacts, Documents, Facts, Limit, Lock, Needs, Permission, PlaceNeed, SupportedVersion,
};
use futures::{StreamExt, stream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many questions of one sort are under way at once; the client bounds all of them together.
const AT_ONCE: usize = 16;

const CLUSTERS: &str = "resources \
| where type =~ 'microsoft.containerservice/managedclusters' \
| project id, location, sku, pools = properties.agentPoolProfiles, \
version = tostring(properties.currentKubernetesVersion), supportPlan = tostring(properties.supportPlan) \
| order by id asc";

/// Returns the clusters in scope.
pub(super) async fn clusters(client: &Client, environment: &Environment) -> Result<Vec<ClusterFacts>, ArmError> {
    let query = GraphQuery {
        query: CLUSTERS.to_owned(),
        scope: (&environment.scope).into(),
        with_scopes_above: false,
    };
    let group = match &environment.scope {
        Scope::ResourceGroup(..) => environment.scope.path(),
        _ => String::new(),
    };
    let rows = client.resource_graph(&query).await?;
    let found = rows.iter().filter_map(ClusterFacts::parse);
    Ok(found
        .filter(|cluster| group.is_empty() || cluster.id.is_within(&group))
        .collect())
}

/// Returns the documents that the pending steps write, and for a cluster also the one that is there; and the clusters that could
/// not be read.
pub(super) async fn documents(client: &Client, gathered: &Gathered) -> (Documents, BTreeMap<ResourceId, String>) {
    let mut documents = Documents::new();
    let mut parts = Vec::new();
    for step in gathered.plan.pending().filter(|step| step.action != Action::Delete) {
        let key = (step.kind, step.object.clone());
        if step.kind.is_part_of_resource() {
            parts.push(key.clone());
        }
        let stated = gathered.documents.get(&key).map(|document| Value::clone(document));
        documents.insert(key, stated.into_iter().collect());
    }
    let reads = stream::iter(parts.into_iter().map(|key| async move {
        let answer = client.get(key.1.as_str()).await;
        (key, answer)
    }));
    let mut unread = BTreeMap::new();
    for (key, answer) in reads.buffered(AT_ONCE).collect::<Vec<_>>().await {
        match answer {
            Ok(resource) => documents.entry(key).or_default().push(resource.body),
            Err(error) => {
                unread.insert(key.1, error.to_string());
            }
        }
    }
    (documents, unread)
}

/// Asks for permissions, counts and locks.
pub(super) async fn ask(client: &Client, plan: &Plan, needs: &Needs, facts: &mut Facts) {
    let scopes: BTreeMap<String, String> = needs
        .actions
        .values()
        .map(|need| (need.scope.to_ascii_lowercase(), need.scope.clone()))
        .collect();
    let subscriptions: BTreeSet<String> = plan
        .pending()
        .filter_map(|step| step.object.value_of("subscriptions"))
        .map(str::to_ascii_lowercase)
        .collect();
    let permissions = stream::iter(scopes.into_iter().map(|(key, scope)| async move {
        let answer = permissions(client, &scope).await;
        (key, answer)
    }));
    let counts = stream::iter(needs.places.iter().map(|(key, place)| async move {
        let answer = count(client, place).await;
        (key.clone(), answer)
    }));
    let locks = stream::iter(subscriptions.into_iter().map(|subscription| async move {
        let answer = locks(client, &subscription).await;
        (subscription, answer)
    }));
    let (permissions, counts, locks) = futures::join!(
        permissions.buffered(AT_ONCE).collect::<Vec<_>>(),
        counts.buffered(AT_ONCE).collect::<Vec<_>>(),
        locks.buffered(AT_ONCE).collect::<Vec<_>>(),
    );
    facts.permissions = permissions.into_iter().collect();
    facts.counts = counts.into_iter().collect();
    facts.locks = locks.into_iter().collect();
}

/// Asks which versions of Kubernetes AKS supports where the clusters are.
pub(super) async fn ask_versions(client: &Client, facts: &mut Facts) {
    // The versions are those of the location: any subscription that has a cluster there can ask.
    let locations: BTreeMap<String, String> = facts
        .clusters
        .values()
        .filter_map(|cluster| {
            let subscription = cluster.id.value_of("subscriptions")?;
            Some((cluster.location.clone(), subscription.to_owned()))
        })
        .collect();
    let versions = stream::iter(locations.into_iter().map(|(location, subscription)| async move {
        let answer = versions(client, &subscription, &location).await;
        (location, answer)
    }));
    facts.versions = versions
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect();
}

async fn versions(client: &Client, subscription: &str, location: &str) -> Answer<Vec<SupportedVersion>> {
    let path = format!(
        "/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}/kubernetesVersions"
    );
    let resource = client.get(&path).await.map_err(|error| error.to_string())?;
    SupportedVersion::parse_list(&resource.body).ok_or_else(|| "its answer is not of the form that is known".to_owned())
}

/// Asks whether the resource providers are registered.
pub(super) async fn ask_providers(client: &Client, needs: &Needs, facts: &mut Facts) {
    let states = stream::iter(needs.providers.keys().map(|key| async move {
        let state = client.registration_state(&key.0, &key.1).await;
        (key.clone(), state.map_err(|error| error.to_string()))
    }));
    facts.providers = states.buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect();
}

/// Returns the resource providers of which Azure said that they are not registered.
pub(super) fn unregistered(facts: &Facts) -> Vec<(String, String)> {
    let states = facts.providers.iter();
    states
        .filter(|(_, state)| matches!(state, Ok(state) if !state.eq_ignore_ascii_case("Registered")))
        .map(|(key, _)| key.clone())
        .collect()
}

async fn permissions(client: &Client, scope: &str) -> Answer<Vec<Permission>> {
    let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
    let entries = client.list(&path, &[]).await.map_err(|error| error.to_string())?;
    let read = |entry: &Value| {
        Permission::parse(entry).ok_or_else(|| "an entry of its answer is not of the form that is known".to_owned())
    };
    entries.iter().map(read).collect()
}

async fn locks(client: &Client, subscription: &str) -> Answer<Vec<Lock>> {
    let path = format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/locks");
    let entries = client.list(&path, &[]).await.map_err(|error| error.to_string())?;
    let read = |entry: &Value| {
        Lock::parse(entry).ok_or_else(|| "a lock in its answer is not of the form that is known".to_owned())
    };
    entries.iter().map(read).collect()
}

async fn count(client: &Client, place: &PlaceNeed) -> Answer<usize> {
    let path = format!("{}/providers/{}", place.scope, place.resource_type);
    let filter: &[(&str, &str)] = match place.limit {
        Limit::AtScope(_) => &[("$filter", "atExactScope()")],
        // Role assignments have no such filter: those above come too.
        Limit::InSubscription(_) => &[],
    };
    let entries = client.list(&path, filter).await.map_err(|error| error.to_string())?;
    let counts = |entry: &&Value| {
        let Some(id) = entry.get("id").and_then(Value::as_str).and_then(ResourceId::parse) else {
            return true; // rather one too many
        };
        match place.limit {
            Limit::AtScope(_) => id.scope().eq_ignore_ascii_case(&place.scope),
            Limit::InSubscription(_) => id.is_within(&place.scope),
        }
    };
    Ok(entries.iter().filter(counts).count())
}
