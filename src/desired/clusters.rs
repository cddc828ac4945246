//! The Azure Policy add-on of the clusters in scope.

use super::{Desired, DesiredError, DesiredObject, Sources, held_state, required};
use crate::config::Mode;
use crate::kinds::{Kind, Plane};
use crate::observed::{Cluster, Observed};
use crate::remark::Finding;
use crate::render::ClusterParts;
use crate::rollout::Uncovered;
use serde_json::Value;

/// Adds the add-on of every selected cluster, and says of which clusters nothing can be done now.
pub(super) fn add(desired: &mut Desired, sources: Sources<'_>) -> Result<(), DesiredError> {
    let Some(clusters) = &sources.environment.clusters else {
        return Ok(());
    };
    let Some(mode) = clusters.policy_addon else {
        return Ok(());
    };
    let selected = |cluster: &&Cluster| {
        clusters.select_tags.iter().all(|(key, value)| {
            // Tag names are compared without case, values with it, as Azure does.
            cluster
                .tags
                .iter()
                .any(|(tag, found)| tag.eq_ignore_ascii_case(key) && found == value)
        })
    };
    let passed_over = sources.observed.clusters.iter().filter(|cluster| !selected(cluster));
    desired.findings.extend(passed_over.map(|cluster| Finding {
        subject: cluster.id.name().to_owned(),
        sentence: "not selected by `clusters.select`: its add-on is left alone".to_owned(),
    }));
    for cluster in sources.observed.clusters.iter().filter(selected) {
        let body = sources.renderer.managed_cluster(
            sources.environment,
            cluster.id.as_str(),
            &ClusterParts { policy_addon: true },
        )?;
        let object = DesiredObject {
            kind: Kind::ManagedCluster,
            id: cluster.id.clone(),
            gate: None,
            body,
            depends_on: Vec::new(),
            replaces: None,
        };
        let live = sources.observed.get(object.kind, &object.id);
        let before = live.map(|live| live.comparable());
        let after = object
            .kind
            .comparable(&object.kind.merged(&object.body, live.map(|live| &live.wire)));
        let name = cluster.id.name();
        match (mode, before, cluster.unwritable()) {
            (Mode::Require | Mode::Policy, Some(before), _) => desired.findings.extend(required(name, &before, &after)),
            (Mode::Require | Mode::Policy, None, _) => {}
            (Mode::Manage, Some(before), Some(why)) if before != after => {
                desired
                    .held
                    .push(held_state(Plane::Clusters, name, "enable the Azure Policy add-on", why));
            }
            (Mode::Manage, _, _) => desired.objects.push(object),
        }
    }
    Ok(())
}

/// Returns the clusters in scope on which a gate would not act, and why.
pub(super) fn uncovered(observed: &Observed) -> Vec<Uncovered> {
    observed
        .clusters
        .iter()
        .filter_map(|cluster| {
            let live = observed.get(Kind::ManagedCluster, &cluster.id)?;
            let comparable = live.comparable();
            let enabled = comparable
                .pointer("/properties/addonProfiles/azurepolicy/enabled")
                .and_then(Value::as_bool);
            let reason = match (
                cluster.power_state.eq_ignore_ascii_case("Stopped"),
                enabled == Some(true),
            ) {
                (true, _) => "stopped",
                (false, false) => "add-on off",
                (false, true) => return None,
            };
            Some(Uncovered {
                cluster: cluster.id.name().to_owned(),
                reason: reason.to_owned(),
            })
        })
        .collect()
}
