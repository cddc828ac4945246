//! The rules that let through what clusters need.

use super::facts::Protocol;
use super::need::{Feature, Need};
use std::collections::{BTreeMap, BTreeSet};

/// An application rule of Azure Firewall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRule {
    /// Its name, made of the features that need it.
    pub name: String,
    /// The features that need it.
    pub features: BTreeSet<Feature>,
    /// The names, in order.
    pub names: Vec<String>,
    /// What is spoken.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

/// Returns the rules for these needs: one for each set of features, protocol and port.
pub fn rules<'n, 'c: 'n>(needs: impl Iterator<Item = &'n Need<'c>>) -> Vec<ApplicationRule> {
    let mut grouped: BTreeMap<(BTreeSet<Feature>, Protocol, u16), BTreeSet<String>> = BTreeMap::new();
    for need in needs {
        let endpoint = &need.endpoint;
        let key = (endpoint.features.clone(), endpoint.protocol, endpoint.port);
        grouped.entry(key).or_default().insert(endpoint.name.to_string());
    }
    let rule = |((features, protocol, port), names): ((BTreeSet<Feature>, Protocol, u16), BTreeSet<String>)| {
        let of: Vec<&str> = features.iter().map(|feature| feature.name()).collect();
        let name = match (protocol, port) {
            (Protocol::Https, 443) => of.join("-and-"),
            (protocol, port) => format!("{}-{}-{port}", of.join("-and-"), protocol.name().to_ascii_lowercase()),
        };
        ApplicationRule {
            name,
            features,
            names: names.into_iter().collect(),
            protocol,
            port,
        }
    };
    grouped.into_iter().map(rule).collect()
}
