//! What is to hold inside the clusters in scope: the Azure Policy add-on and the Defender sensor.

use super::checks;
use super::{Desired, DesiredError, DesiredObject, Sources, held_state, required};
use crate::config::{Clusters, Environment, Mode};
use crate::kinds::{Kind, Meanings, Plane};
use crate::model::ResourceId;
use crate::observed::{Cluster, Observed};
use crate::remark::{Finding, Required};
use crate::render::{ClusterParts, SensorPart};
use crate::rollout::Uncovered;
use serde_json::Value;
use std::sync::Arc;

/// Where it stands whether the add-on runs, in comparable form.
pub(super) const ADDON_ENABLED: &str = "/properties/addonProfiles/azurepolicy/enabled";

/// Adds what is to hold inside every selected cluster, and says of which clusters nothing can be done now.
pub(super) fn add(desired: &mut Desired, sources: Sources<'_>) -> Result<(), DesiredError> {
    let Some(clusters) = &sources.environment.clusters else {
        return Ok(());
    };
    missing(desired, clusters, sources.observed);
    if clusters.policy_addon.is_none() && clusters.defender_sensor.is_none() && clusters.safeguards.is_none() {
        return Ok(());
    }
    let mut written = 0;
    for cluster in &sources.observed.clusters {
        if clusters.select.takes(&cluster.id, &cluster.tags) {
            written += u64::from(one(desired, sources, clusters, cluster)?);
        } else {
            desired.findings.push(Finding {
                subject: cluster.id.name().to_owned(),
                sentence: passed_over(clusters),
            });
        }
    }
    desired.findings.extend(as_a_fleet(sources, clusters, written));
    Ok(())
}

/// Above how many clusters to write another way is proposed, unless the environment says it.
const FLEET_ABOVE: u64 = 50;

/// Proposes Azure's own engine where many clusters would be written one by one.
fn as_a_fleet(sources: Sources<'_>, clusters: &Clusters, written: u64) -> Option<Finding> {
    if written <= clusters.fleet_above.unwrap_or(FLEET_ABOVE) {
        return None;
    }
    let parts = [
        (clusters.policy_addon, "policyAddon"),
        (
            clusters.defender_sensor.as_ref().map(|sensor| sensor.mode),
            "defenderSensor",
        ),
    ];
    let keys: Vec<String> = parts
        .iter()
        .filter(|(mode, _)| *mode == Some(Mode::Manage))
        .map(|(_, key)| format!("`{key}: {{mode: policy}}`"))
        .collect();
    Some(Finding {
        subject: sources.environment.name.clone(),
        sentence: format!(
            "{written} clusters would be written one by one, minutes for each and a few at a time; a gate that deploys \
             (`kind: enablement`, as `initiatives/fleet-enablement.yaml`) with {} has Azure Policy do it: a remediation task reaches the \
             clusters that are there, and every new one gets it by itself. `clusters.fleetAbove` says from how many on this is told",
            keys.join(" and ")
        ),
    })
}

fn passed_over(clusters: &Clusters) -> String {
    let parts = [
        (clusters.policy_addon.is_some(), "its add-on"),
        (clusters.defender_sensor.is_some(), "its Defender sensor"),
        (clusters.safeguards.is_some(), "its deployment safeguards"),
    ];
    let parts: Vec<&str> = parts
        .iter()
        .filter(|(stated, _)| *stated)
        .map(|(_, what)| *what)
        .collect();
    let are = if parts.len() == 1 { "is" } else { "are" };
    format!(
        "not selected by `clusters.select`: {} {are} left alone",
        parts.join(" and ")
    )
}

/// Says which clusters are named by their id and are not there.
fn missing(desired: &mut Desired, clusters: &Clusters, observed: &Observed) {
    let named = [
        ("clusters.select.ids", &clusters.select.ids),
        ("clusters.foreignGatekeeper", &clusters.foreign_gatekeeper),
    ];
    let is_there = |id: &ResourceId| {
        let connected = observed.arc_clusters.iter().map(|cluster| &cluster.id);
        observed
            .clusters
            .iter()
            .map(|cluster| &cluster.id)
            .chain(connected)
            .any(|found| found == id)
    };
    for (key, ids) in named {
        for id in ids.iter().filter(|id| !is_there(id)) {
            desired.findings.push(Finding {
                subject: id.name().to_owned(),
                sentence: if id.value_of("connectedClusters").is_some() && clusters.arc_policy_extension.is_none() {
                    format!("named by `{key}` and not looked for, since `clusters.arc` is not stated: `{id}`")
                } else {
                    format!("named by `{key}` and not found in the scope: `{id}`")
                },
            });
        }
    }
}

/// A part of a cluster, and who sees to it.
struct Part {
    mode: Mode,
    /// What is to hold.
    wanted: ClusterParts,
    /// Why it cannot be written.
    blocked: Option<String>,
    /// Whether there is nothing to be said of a blocked part where it holds already.
    quiet: bool,
    /// What is done where it is written, for a reader.
    what: &'static str,
}

fn parts(clusters: &Clusters, cluster: &Cluster) -> Vec<Part> {
    let addon = clusters.policy_addon.map(|mode| Part {
        mode,
        wanted: ClusterParts {
            policy_addon: true,
            defender_sensor: None,
        },
        blocked: addon_blocked(clusters, cluster),
        quiet: true,
        what: "enable the Azure Policy add-on",
    });
    let sensor = clusters.defender_sensor.as_ref().map(|sensor| {
        let region = cluster.location.to_lowercase().replace(' ', "");
        let workspace = sensor.workspaces.get(&region).map(|id| id.as_str().to_owned());
        let blocked = workspace.is_none().then(|| {
            format!("`clusters.defenderSensor.workspace` names no workspace for its region `{region}`; name one and plan again")
        });
        Part {
            mode: sensor.mode,
            wanted: ClusterParts {
                policy_addon: false,
                defender_sensor: Some(SensorPart {
                    workspace,
                    security_gating: sensor.security_gating,
                }),
            },
            blocked,
            quiet: false,
            what: "set the Defender sensor",
        }
    });
    addon.into_iter().chain(sensor).collect()
}

fn addon_blocked(clusters: &Clusters, cluster: &Cluster) -> Option<String> {
    let why = if clusters.foreign_gatekeeper.contains(&cluster.id) {
        "`clusters.foreignGatekeeper` says that another Gatekeeper runs there; remove it from the cluster first, two of them break each other"
    } else if cluster.linux == Some(false) {
        "it has pools of Windows nodes only, and the add-on runs on Linux nodes"
    } else if cluster.is_automatic() {
        "AKS Automatic sees to the add-on itself and takes no setting of it"
    } else {
        return None;
    };
    Some(why.to_owned())
}

/// Adds the parts of one cluster: those that are ours as one object, those of others as findings. Returns whether it would be written.
fn one(
    desired: &mut Desired,
    sources: Sources<'_>,
    clusters: &Clusters,
    cluster: &Cluster,
) -> Result<bool, DesiredError> {
    let kind = Kind::ManagedCluster;
    let name = cluster.id.name();
    let live = sources.observed.get(kind, &cluster.id);
    // What a document would change in the cluster that is there.
    let differs = |body: &Value| {
        let live = live?;
        let (before, after) = (live.comparable(), kind.comparable(&kind.merged(body, Some(&live.wire))));
        (before != after).then_some((before, after))
    };
    let mut ours = ClusterParts::default();
    let mut doing = Vec::new();
    for part in parts(clusters, cluster) {
        let changes = differs(&part.wanted.to_value());
        match (part.mode, part.blocked) {
            (Mode::Manage, Some(why)) => {
                if changes.is_some() || !part.quiet {
                    desired.held.push(held_state(Plane::Clusters, name, part.what, why));
                }
            }
            (Mode::Manage, None) => {
                doing.extend(changes.map(|_| part.what));
                ours.policy_addon |= part.wanted.policy_addon;
                ours.defender_sensor = ours.defender_sensor.or(part.wanted.defender_sensor);
            }
            (mode, _) => {
                if let Some((before, after)) = changes {
                    desired.findings.extend(required(name, mode, &before, &after));
                    desired.required.push(Required {
                        kind,
                        object: cluster.id.clone(),
                        mode: mode.name(),
                        found: Some(before),
                        wanted: after,
                    });
                }
            }
        }
    }
    if ours == ClusterParts::default() {
        return Ok(false);
    }
    let body = sources
        .renderer
        .managed_cluster(sources.environment, cluster.id.as_str(), &ours)?;
    checks::settings(kind, &body, &ours.to_value())?;
    if let (Some(why), Some(_)) = (cluster.unwritable(), differs(&body)) {
        let what = if doing.is_empty() {
            "write what the template states".to_owned()
        } else {
            doing.join(" and ")
        };
        desired.held.push(held_state(Plane::Clusters, name, &what, why));
        return Ok(false);
    }
    // All clusters of a fleet want the same, as a rule.
    let before = desired.objects.last();
    let same = before.filter(|before| before.kind == kind && *before.body == body);
    let body = same.map_or_else(|| body.into(), |same| Arc::clone(&same.body));
    desired.objects.push(DesiredObject {
        kind,
        id: cluster.id.clone(),
        gate: None,
        body,
        depends_on: Vec::new(),
        replaces: None,
        meanings: Meanings::new(),
    });
    Ok(!doing.is_empty())
}

/// Returns a cluster that stands for those that are only found in Azure: one that the environment selects.
pub(super) fn placeholder(environment: &Environment, subscription: &str, group: &str) -> Option<Cluster> {
    let clusters = environment.clusters.clone().unwrap_or_default();
    let anywhere = format!("/subscriptions/{subscription}/resourceGroups/{group}");
    let scope = match clusters.select.scopes.first().map(|scope| (scope, scope.path())) {
        Some((crate::model::Scope::ResourceGroup(..), path)) => path,
        Some((_, path)) => format!("{path}/resourceGroups/{group}"),
        None => anywhere,
    };
    let unknown = format!("{scope}/providers/Microsoft.ContainerService/managedClusters/{{cluster}}");
    let named = clusters.select.ids.first().cloned();
    let id = named.or_else(|| ResourceId::parse(&unknown))?;
    let regions = clusters
        .defender_sensor
        .iter()
        .flat_map(|sensor| sensor.workspaces.keys());
    Some(Cluster {
        id,
        location: regions.into_iter().next().cloned().unwrap_or_default(),
        tags: clusters.select.tags,
        provisioning_state: "Succeeded".to_owned(),
        power_state: "Running".to_owned(),
        sku: String::new(),
        linux: None,
    })
}

/// Returns the clusters in scope on which a gate would not act, and why.
pub(super) fn uncovered(observed: &Observed) -> Vec<Uncovered> {
    observed
        .clusters
        .iter()
        .filter_map(|cluster| {
            let live = observed.get(Kind::ManagedCluster, &cluster.id)?;
            let on = live.comparable().pointer(ADDON_ENABLED) == Some(&Value::Bool(true));
            let reason = match (cluster.power_state.eq_ignore_ascii_case("Stopped"), on) {
                (true, _) => "stopped",
                (false, true) => return None,
                (false, false) if cluster.is_being_deleted() => "being deleted",
                (false, false) => "add-on off",
            };
            Some(Uncovered {
                cluster: cluster.id.name().to_owned(),
                reason: reason.to_owned(),
                id: cluster.id.clone(),
                location: cluster.location.clone(),
            })
        })
        .chain(super::arc::uncovered(observed))
        .collect()
}
