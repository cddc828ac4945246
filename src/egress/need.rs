//! Which features a cluster has or is to have, and the way its traffic takes.

use super::facts::{Endpoint, endpoints};
use super::name::NamePattern;
use crate::config::{Cloud, Environment, Estate, Initiative, InitiativeKind};
use crate::model::{DEFENDER_SENSOR, ResourceId, Stage};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something that runs in a cluster and has to reach Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// The Azure Policy add-on.
    PolicyAddon,
    /// The Azure Policy extension of an Arc-connected cluster.
    ArcPolicyExtension,
    /// The Defender sensor.
    DefenderSensor,
}

/// Why a cluster has a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is on in the cluster now.
    On,
    /// The environment asks for it.
    Stated,
}

/// How the traffic of a cluster leaves it: `outboundType` of its network profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Azure's word; empty if Azure does not tell.
    pub word: String,
    /// Whether nodes are told to use an HTTP proxy.
    pub proxy: bool,
}

/// What a way out means for what has to get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// Traffic leaves as it is; nothing has to be allowed, as far as AKS knows.
    Open,
    /// A firewall, an appliance or a proxy of somebody's decides.
    Filtered,
    /// Azure makes no way out, and a firewall may stand on the one that somebody else made.
    Own,
    /// Everything is stopped before any firewall.
    Blocked,
    /// Azure does not tell.
    Unknown,
}

/// A cluster and what it has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its resource id.
    pub id: ResourceId,
    /// Its location in lower case.
    pub location: String,
    /// How its traffic leaves.
    pub outbound: Outbound,
    /// Whether its API server is private.
    pub private: bool,
    /// Whether it pulls Azure's images from a registry of its own.
    pub images_cached: bool,
    /// The name of its API server, where Azure tells it.
    pub api_server: Option<NamePattern>,
    /// What runs there or is to run there, and why.
    pub features: BTreeMap<Feature, Reason>,
}

impl Feature {
    /// Returns its name in JSON and rules.
    pub fn name(self) -> &'static str {
        match self {
            Feature::PolicyAddon => "policy-addon",
            Feature::ArcPolicyExtension => "arc-policy-extension",
            Feature::DefenderSensor => "defender-sensor",
        }
    }

    /// Returns what a person calls it.
    pub fn label(self) -> &'static str {
        match self {
            Feature::PolicyAddon => "policy add-on",
            Feature::ArcPolicyExtension => "policy extension",
            Feature::DefenderSensor => "Defender sensor",
        }
    }
}

impl Reason {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::On => "on",
            Reason::Stated => "stated",
        }
    }
}

impl Outbound {
    /// Returns what it means.
    pub fn path(&self) -> Path {
        let is = |word: &str| self.word.eq_ignore_ascii_case(word);
        match () {
            () if is("block") => Path::Blocked,
            () if is("userDefinedRouting") || self.proxy => Path::Filtered,
            () if is("none") => Path::Own,
            () if [
                "loadBalancer",
                "managedNATGateway",
                "managedNATGatewayV2",
                "userAssignedNATGateway",
            ]
            .into_iter()
            .any(is) =>
            {
                Path::Open
            }
            () => Path::Unknown,
        }
    }
}

impl Path {
    /// Returns its word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Path::Open => "open",
            Path::Filtered => "filtered",
            Path::Own => "own",
            Path::Blocked => "blocked",
            Path::Unknown => "unknown",
        }
    }
}

/// Returns the features that an environment asks for in a cluster; `is_arc` says whether it is Arc-connected.
pub fn wanted(
    (estate, environment): (&Estate, &Environment),
    (id, tags, is_arc): (&ResourceId, &BTreeMap<String, String>, bool),
) -> BTreeSet<Feature> {
    let mut found = BTreeSet::new();
    let clusters = environment.clusters.as_ref();
    let selected = clusters.filter(|clusters| clusters.select.takes(id, tags));
    if is_arc {
        if selected.is_some_and(|clusters| clusters.arc_policy_extension.is_some()) {
            found.insert(Feature::ArcPolicyExtension);
        }
        return found;
    }
    let judges = |gate: &&crate::config::Gate| {
        let of_plan = matches!(
            estate.initiatives.get(&gate.initiative),
            Some(Initiative::Defender { .. })
        );
        gate.target != Stage::Off && gate.kind == InitiativeKind::Admission && !of_plan
    };
    // No gate acts in a cluster without the add-on, selected or not.
    let gates = environment.gates.values().any(|gate| judges(&gate));
    let addon = selected.is_some_and(|clusters| clusters.policy_addon.is_some() || clusters.safeguards.is_some());
    if gates || addon {
        found.insert(Feature::PolicyAddon);
    }
    let of_plan = environment.defender.as_ref().is_some_and(|plan| {
        let sensor = plan
            .extensions
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(DEFENDER_SENSOR));
        plan.standard && sensor.is_some_and(|(_, on)| *on)
    });
    if of_plan || selected.is_some_and(|clusters| clusters.defender_sensor.is_some()) {
        found.insert(Feature::DefenderSensor);
    }
    found
}

/// An endpoint, and the clusters that have to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need<'a> {
    /// The endpoint, with the features of all these clusters.
    pub endpoint: Endpoint,
    /// The clusters, each with the one name of the pattern that it needs, where that is known.
    pub clusters: Vec<(&'a Cluster, Option<NamePattern>)>,
}

/// Returns what clusters have to reach, each endpoint once, in the order of names.
pub fn needs<'a>(cloud: Cloud, clusters: impl Iterator<Item = &'a Cluster>) -> Vec<Need<'a>> {
    let mut found = BTreeMap::new();
    for cluster in clusters {
        for mut endpoint in endpoints(cloud, cluster) {
            let exact = endpoint.exact.take();
            let key = (endpoint.name.clone(), endpoint.port, endpoint.protocol);
            let features = endpoint.features.clone();
            let need = found.entry(key).or_insert_with(|| Need {
                endpoint,
                clusters: Vec::new(),
            });
            need.endpoint.features.extend(features);
            need.clusters.push((cluster, exact));
        }
    }
    found.into_values().collect()
}
