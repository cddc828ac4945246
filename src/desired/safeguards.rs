//! The deployment safeguards of the clusters in scope, and where they hold what gates hold too.

use super::{Desired, DesiredError, DesiredObject, Sources, checks, held_state, required};
use crate::catalog::{Catalog, VersionPin};
use crate::config::{Gate, Initiative, Mode, Safeguards};
use crate::kinds::{Kind, Meanings, Plane};
use crate::model::{ResourceId, Stage};
use crate::observed::Cluster;
use crate::remark::{Finding, Required};
use crate::render::safeguards_content;
use serde_json::Value;
use std::collections::BTreeSet;

/// The built-in initiative whose members the safeguards are made of.
const INITIATIVE: &str = "c047ea8e-9c78-49b2-958b-37e56d291a44";

/// Returns the id of a cluster's safeguards.
fn id_of(cluster: &ResourceId) -> Option<ResourceId> {
    ResourceId::parse(&format!(
        "{cluster}/providers/Microsoft.ContainerService/deploymentSafeguards/default"
    ))
}

/// Adds the safeguards of every selected cluster, and says where they meet gates.
pub(super) fn add(desired: &mut Desired, sources: Sources<'_>) -> Result<(), DesiredError> {
    let clusters = sources.environment.clusters.clone().unwrap_or_default();
    let mut guarded = BTreeSet::new();
    for cluster in &sources.observed.clusters {
        let Some(id) = id_of(&cluster.id) else { continue };
        let live = sources.observed.get(Kind::DeploymentSafeguards, &id);
        let stated = clusters
            .safeguards
            .as_ref()
            .filter(|_| clusters.select.takes(&cluster.id, &cluster.tags));
        if live.is_some() || stated.is_some_and(|safeguards| safeguards.mode == Mode::Manage) {
            guarded.insert(cluster.id.name());
        }
        match (stated, live) {
            (Some(safeguards), _) => one(desired, sources, safeguards, cluster, id)?,
            (None, Some(live)) => desired.findings.push(unstated(cluster, &live.comparable())),
            (None, None) => {}
        }
    }
    if !guarded.is_empty() {
        let gates = sources.environment.gates.values();
        let on = gates.filter(|gate| gate.target != Stage::Off);
        desired
            .findings
            .extend(on.filter_map(|gate| overlap(sources, gate, &guarded)));
    }
    Ok(())
}

fn level(comparable: &Value) -> &str {
    comparable
        .pointer("/properties/level")
        .and_then(Value::as_str)
        .unwrap_or("a level of its own")
}

fn unstated(cluster: &Cluster, live: &Value) -> Finding {
    let why = if cluster.is_automatic() {
        "AKS Automatic has them always, and"
    } else {
        "somebody put them there, and"
    };
    Finding {
        subject: cluster.id.name().to_owned(),
        sentence: format!(
            "deployment safeguards stand there at {}: {why} this environment does not state them, so they are left alone",
            level(live)
        ),
    }
}

/// Adds the safeguards of one cluster.
fn one(
    desired: &mut Desired,
    sources: Sources<'_>,
    safeguards: &Safeguards,
    cluster: &Cluster,
    id: ResourceId,
) -> Result<(), DesiredError> {
    let kind = Kind::DeploymentSafeguards;
    let name = cluster.id.name();
    let wanted = safeguards_content(safeguards);
    let live = sources.observed.get(kind, &id);
    let before = live.map(|live| live.comparable());
    let after = kind.comparable(&kind.merged(&wanted, live.map(|live| &live.wire)));
    let holds = before.as_ref() == Some(&after);
    if safeguards.mode != Mode::Manage {
        let none = Value::Object(serde_json::Map::new());
        let found = required(name, safeguards.mode, before.as_ref().unwrap_or(&none), &after);
        if !holds {
            desired.required.push(Required {
                kind,
                object: id,
                mode: safeguards.mode.name(),
                found: before,
                wanted: after,
            });
        }
        desired.findings.extend(found.into_iter().map(|finding| Finding {
            sentence: format!("deployment safeguards: {}", finding.sentence),
            ..finding
        }));
        return Ok(());
    }
    let body = sources
        .renderer
        .deployment_safeguards(sources.environment, cluster.id.as_str(), safeguards)?;
    checks::settings(kind, &body, &wanted)?;
    let enforces = |value: &Value| level(value) == "Enforce";
    let what = format!("set the deployment safeguards to {}", safeguards.level());
    if let Some(why) = unwritable(desired, sources, cluster).filter(|_| !holds) {
        desired.held.push(held_state(Plane::Clusters, name, &what, why));
        return Ok(());
    }
    if enforces(&after) && !before.as_ref().is_some_and(enforces) {
        let from = if before.is_none() {
            "ENFORCES from nothing, though `Warn` first would have shown what breaks"
        } else {
            "ENFORCES"
        };
        desired.findings.push(Finding {
            subject: name.to_owned(),
            sentence: format!(
                "{from}: the deployment safeguards then refuse what breaks one of their rules and change what they can, such as missing limits of CPU and memory; no ring and no single rule can be left out, only namespaces"
            ),
        });
    }
    // A cluster of this plan is written before: its add-on has to be there.
    let waits = desired
        .objects
        .iter()
        .any(|object| object.kind == Kind::ManagedCluster && object.id == cluster.id);
    desired.objects.push(DesiredObject {
        kind,
        id,
        gate: None,
        body: body.into(),
        depends_on: waits
            .then(|| (Kind::ManagedCluster, cluster.id.clone()))
            .into_iter()
            .collect(),
        replaces: None,
        meanings: Meanings::new(),
    });
    Ok(())
}

/// Why the safeguards of a cluster cannot be written now: they need its add-on, and a cluster that takes changes.
fn unwritable(desired: &Desired, sources: Sources<'_>, cluster: &Cluster) -> Option<String> {
    if let Some(why) = cluster.unwritable() {
        return Some(why);
    }
    let kind = Kind::ManagedCluster;
    let live = sources.observed.get(kind, &cluster.id)?;
    let is_on =
        |wire: &Value| kind.comparable(wire).pointer(super::clusters::ADDON_ENABLED) == Some(&Value::Bool(true));
    let comes = desired
        .objects
        .iter()
        .any(|object| object.kind == kind && object.id == cluster.id && is_on(&object.body));
    (!is_on(&live.wire) && !comes && !cluster.is_automatic()).then(|| {
        "they need the Azure Policy add-on, which is off there; state `clusters.policyAddon: {mode: manage}`, or have its owner enable it".to_owned()
    })
}

/// Says which definitions of a gate the safeguards hold too.
fn overlap(sources: Sources<'_>, gate: &Gate, guarded: &BTreeSet<&str>) -> Option<Finding> {
    let catalog = sources.catalog;
    let safeguards = catalog.initiative(INITIATIVE)?;
    let theirs: BTreeSet<&str> = safeguards
        .current()
        .members
        .iter()
        .map(|member| member.definition.as_str())
        .collect();
    let ours = definitions(catalog, sources.estate.initiatives.get(&gate.initiative)?);
    let shared = ours
        .iter()
        .filter(|definition| theirs.contains(definition.as_str()))
        .count();
    let names: Vec<&str> = guarded.iter().take(3).copied().collect();
    let more = guarded.len().saturating_sub(names.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    (shared > 0).then(|| Finding {
        subject: gate.name.clone(),
        sentence: format!(
            "{shared} of its {} definitions are rules of the deployment safeguards too ({}{more}): each is judged twice there, the stricter of the two decides, and rings and exemptions of the gate do not reach the safeguards; keep one of them",
            ours.len(),
            names.join(", ")
        ),
    })
}

fn definitions(catalog: &Catalog, initiative: &Initiative) -> BTreeSet<String> {
    match initiative {
        Initiative::Own { members, .. } => {
            let built_in = members.iter().filter_map(|member| member.definition.built_in());
            built_in.map(str::to_owned).collect()
        }
        Initiative::BuiltIn { id, version } => {
            let set = catalog.initiative(id);
            let pinned = set
                .zip(VersionPin::parse(version))
                .and_then(|(set, pin)| set.at(&pin).facts());
            let facts = pinned.or(set.map(|set| set.current()));
            let members = facts.into_iter().flat_map(|facts| &facts.members);
            members.map(|member| member.definition.clone()).collect()
        }
        Initiative::Defender { .. } => BTreeSet::new(),
    }
}
