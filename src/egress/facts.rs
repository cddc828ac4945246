//! The facts: which names each feature needs in which cloud, and who says so.

use super::name::NamePattern;
use super::need::{Cluster, Feature};
use crate::config::Cloud;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const FACTS: &str = include_str!("facts.json");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Facts {
    /// The day that the sources were read on.
    pub(super) read: String,
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) endpoints: Vec<Fact>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Fact {
    pub(super) features: BTreeSet<Feature>,
    /// By the name of the cloud; `{location}` stands for the cluster's.
    pub(super) names: BTreeMap<String, Vec<String>>,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    pub(super) source: String,
    #[serde(rename = "use")]
    pub(super) purpose: String,
    pub(super) in_tag: Option<String>,
    pub(super) unless: Option<Unless>,
}

/// What makes an endpoint unneeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Unless {
    /// The cluster's API server is private.
    Private,
    /// The cluster pulls Azure's images from a registry of its own.
    ImagesCached,
}

/// The page that a fact was read on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its title.
    pub title: String,
    /// Where it is.
    pub url: String,
}

/// What is spoken at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP over TLS.
    Https,
    /// HTTP.
    Http,
}

impl Protocol {
    /// Returns its name, as Azure Firewall spells it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Https => "Https",
            Protocol::Http => "Http",
        }
    }
}

/// Something that a cluster has to reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The name, or the pattern that Azure documents.
    pub name: NamePattern,
    /// The port.
    pub port: u16,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The features that need it.
    pub features: BTreeSet<Feature>,
    /// What it is for, such as `send telemetry`.
    pub purpose: String,
    /// The key of its source.
    pub source: String,
    /// The one name of the pattern that this cluster needs, where it is known.
    pub exact: Option<NamePattern>,
    /// The FQDN tag of Azure Firewall that has it.
    pub in_tag: Option<String>,
}

pub(super) fn facts() -> &'static Facts {
    static READ: OnceLock<Facts> = OnceLock::new();
    #[expect(clippy::expect_used, reason = "part of the program, and read by a test")]
    READ.get_or_init(|| serde_json::from_str(FACTS).expect("facts.json is in its own layout"))
}

/// Returns the day that the sources were read on.
pub fn facts_read() -> &'static str {
    &facts().read
}

/// Returns the page behind a source's key.
pub fn source(key: &str) -> Option<&'static Source> {
    facts().sources.get(key)
}

/// Returns what a cluster has to reach for its features, in the order of names.
pub fn endpoints(cloud: Cloud, cluster: &Cluster) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for fact in &facts().endpoints {
        let features: BTreeSet<Feature> = fact
            .features
            .iter()
            .copied()
            .filter(|feature| cluster.features.contains_key(feature))
            .collect();
        let unneeded = match fact.unless {
            Some(Unless::Private) => cluster.private,
            Some(Unless::ImagesCached) => cluster.images_cached,
            None => false,
        };
        if features.is_empty() || unneeded {
            continue;
        }
        for name in fact.names.get(cloud.name()).into_iter().flatten() {
            let Some(name) = NamePattern::parse(&name.replace("{location}", &cluster.location)) else {
                continue;
            };
            let own = cluster.api_server.as_ref().filter(|own| name.covers(own));
            found.push(Endpoint {
                exact: own.cloned(),
                name,
                port: fact.port,
                protocol: fact.protocol,
                features: features.clone(),
                purpose: fact.purpose.clone(),
                source: fact.source.clone(),
                in_tag: fact.in_tag.clone(),
            });
        }
    }
    found.sort();
    found
}
