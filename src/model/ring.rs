//! Rings: which clusters a gate closes on first, and which namespaces in them.
//!
//! Owns what belongs to a ring. Must not know how a ring is written to Azure.

use super::mark::part_code;
use super::{ResourceId, Scope};

/// A ring: a part of what a gate guards, closed before the parts after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Its name.
    pub name: String,
    /// What belongs to it.
    pub area: Area,
}

/// What belongs to a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Area {
    /// The clusters in these locations, in lower case without blanks.
    Locations(Vec<String>),
    /// The clusters in these subscriptions and resource groups.
    Scopes(Vec<Scope>),
    /// These namespaces on every cluster, in alphabetical order.
    Namespaces(Vec<String>),
    /// All that no ring before it has.
    Rest,
}

impl Area {
    /// Returns whether a cluster belongs to it, or a part of the cluster does, leaving the rings before it out of account.
    pub fn takes(&self, cluster: &ResourceId, location: &str) -> bool {
        match self {
            Area::Locations(locations) => locations.contains(&plain_location(location)),
            Area::Scopes(scopes) => scopes.iter().any(|scope| cluster.is_within(&scope.path())),
            Area::Namespaces(_) | Area::Rest => true,
        }
    }

    /// Returns whether it goes through clusters: of one that belongs to it, the rest belongs to a later ring.
    pub fn divides_clusters(&self) -> bool {
        matches!(self, Area::Namespaces(_))
    }

    /// Returns the parts of it that are closed by an assignment of their own.
    pub fn parts(&self) -> Vec<Part<'_>> {
        match self {
            Area::Scopes(scopes) => scopes.iter().map(Part::Scope).collect(),
            Area::Namespaces(names) => vec![Part::Namespaces(names)],
            Area::Locations(_) | Area::Rest => Vec::new(),
        }
    }
}

/// A part of a gate that has an assignment of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Everything in a subscription or a resource group.
    Scope(&'a Scope),
    /// These namespaces everywhere.
    Namespaces(&'a [String]),
}

impl Part<'_> {
    /// Returns the two characters that stand for it in a mark. They depend on what belongs to it alone, so that rings can be named and
    /// put in order as one likes; other namespaces make another part, which has to climb by itself.
    pub fn code(self) -> String {
        match self {
            Part::Scope(scope) => part_code(&format!("scope={}", scope.path().to_ascii_lowercase())),
            Part::Namespaces(names) => part_code(&format!("namespaces={}", names.join(","))),
        }
    }
}

/// Returns a location as Azure's API calls it: `West Europe` is `westeurope`.
pub fn plain_location(location: &str) -> String {
    location.to_lowercase().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "0a000000-0000-4000-8000-000000000001";

    #[test]
    fn codes_are_frozen_and_never_that_of_the_whole() {
        let group = |name: &str| Scope::ResourceGroup(SUBSCRIPTION.into(), name.into());
        let (one, two) = (group("rg-canary"), group("RG-Canary"));
        assert_eq!(
            Part::Scope(&one).code(),
            Part::Scope(&two).code(),
            "as ids are compared"
        );
        let names = ["shop".to_owned()];
        let codes = [Part::Scope(&one).code(), Part::Namespaces(&names).code()];
        assert_eq!(codes, ["5x", "u5"]);
        for number in 0..2_000 {
            let code = part_code(&number.to_string());
            assert!(code.len() == 2 && code != "00", "{code}");
        }
    }

    #[test]
    fn a_cluster_belongs_to_its_scope_and_to_every_ring_of_namespaces() {
        let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-a/providers/Microsoft.ContainerService");
        let cluster = ResourceId::parse(&format!("{path}/managedClusters/c")).unwrap();
        let takes = |area: Area| area.takes(&cluster, "westeurope");
        let group = |name: &str| Area::Scopes(vec![Scope::ResourceGroup(SUBSCRIPTION.into(), name.into())]);
        assert!(takes(group("rg-A")) && !takes(group("rg-ab")) && !takes(group("rg")));
        assert!(takes(Area::Scopes(vec![Scope::Subscription(SUBSCRIPTION.into())])));
        assert!(takes(Area::Namespaces(vec!["shop".into()])));
        assert!(!takes(Area::Locations(vec!["northeurope".into()])));
    }
}
