//! Which clusters an assignment, an override or an exemption means.

use serde_json::Value;

use super::super::json::{items, text};
use super::super::random::hash;
use super::super::state::State;

/// A cluster, as policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The Azure resource id.
    pub id: String,
    /// The Azure region, in lower case and without blanks.
    pub location: String,
    /// The resource type, such as `Microsoft.ContainerService/managedClusters`.
    pub kind: String,
    /// The lower-case ids of itself and the scopes above it.
    pub chain: Vec<String>,
}

impl Cluster {
    /// Returns the cluster of a document.
    #[must_use]
    pub fn of(state: &State, document: &Value) -> Self {
        let id = text(document, "/id").to_owned();
        Self {
            location: plain(text(document, "/location")),
            kind: text(document, "/type").to_owned(),
            chain: state.scope(&id).map(|scope| scope.chain).unwrap_or_default(),
            id,
        }
    }

    /// Returns whether it is at or below a scope, given in any casing.
    #[must_use]
    pub fn is_within(&self, scope: &str) -> bool {
        let lower = scope.to_ascii_lowercase();
        lower.is_empty() || self.chain.contains(&lower)
    }
}

fn plain(location: &str) -> String {
    location.replace(' ', "").to_ascii_lowercase()
}

/// Returns whether `resourceSelectors` let a cluster in: there are none, or one of them does.
pub(super) fn selected(selectors: &[Value], cluster: &Cluster) -> bool {
    selectors.is_empty()
        || selectors
            .iter()
            .any(|one| meets(items(one, "/selectors"), cluster, None))
}

/// Returns whether a cluster, and the member of a set where one is asked for, meet all selectors.
pub(super) fn meets(selectors: &[Value], cluster: &Cluster, member: Option<&str>) -> bool {
    selectors.iter().all(|selector| {
        let listed = |value: &str| {
            let is_in = |pointer: &str, default: bool| match selector.pointer(pointer).and_then(Value::as_array) {
                None => default,
                Some(values) => values
                    .iter()
                    .filter_map(Value::as_str)
                    .any(|one| plain(one) == plain(value)),
            };
            is_in("/in", true) && !is_in("/notIn", false)
        };
        match text(selector, "/kind").to_ascii_lowercase().as_str() {
            "resourcelocation" => listed(&cluster.location),
            "resourcetype" => listed(&cluster.kind),
            "policydefinitionreferenceid" => member.is_some_and(listed),
            // The service picks by a rule that is not public; the same cluster always stands at the same place here.
            "resourcerolloutpercentage" => {
                let progress = selector.get("progress").and_then(Value::as_u64).unwrap_or(100);
                hash(&cluster.id.to_ascii_lowercase()) % 100 < progress
            }
            // A cluster has a location, and no user writes what the add-on looks at.
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster() -> Cluster {
        Cluster {
            id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c".to_owned(),
            location: "westeurope".to_owned(),
            kind: "Microsoft.ContainerService/ManagedClusters".to_owned(),
            chain: vec!["/subscriptions/s".to_owned()],
        }
    }

    #[test]
    fn one_selector_is_enough_and_needs_all_of_its_parts() {
        let location = |key: &str, place: &str| json!({"kind": "resourceLocation", key: [place]});
        let cases = [
            (json!([]), true),
            (json!([{"selectors": [location("in", "West Europe")]}]), true),
            (json!([{"selectors": [location("in", "northeurope")]}]), false),
            (json!([{"selectors": [location("notIn", "northeurope")]}]), true),
            (json!([{"selectors": [location("notIn", "westeurope")]}]), false),
            (
                json!([{"selectors": [location("in", "northeurope")]}, {"selectors": [location("in", "westeurope")]}]),
                true,
            ),
            (
                json!([{"selectors": [location("in", "westeurope"), {"kind": "resourceType", "in": ["Microsoft.Kubernetes/connectedClusters"]}]}]),
                false,
            ),
            (
                json!([{"selectors": [{"kind": "resourceWithoutLocation", "in": ["subscriptionLevelResources"]}]}]),
                false,
            ),
            (
                json!([{"selectors": [{"kind": "resourceRolloutPercentage", "progress": 100}]}]),
                true,
            ),
            (
                json!([{"selectors": [{"kind": "resourceRolloutPercentage", "progress": 0}]}]),
                false,
            ),
        ];
        for (selectors, expected) in cases {
            assert_eq!(
                selected(selectors.as_array().unwrap(), &cluster()),
                expected,
                "{selectors}"
            );
        }
    }

    #[test]
    fn a_selector_of_members_needs_a_member() {
        let selectors = [json!({"kind": "policyDefinitionReferenceId", "in": ["One"]})];
        assert!(meets(&selectors, &cluster(), Some("one")));
        assert!(!meets(&selectors, &cluster(), Some("two")) && !meets(&selectors, &cluster(), None));
        assert!(
            cluster().is_within("/SUBSCRIPTIONS/s")
                && cluster().is_within("")
                && !cluster().is_within("/subscriptions/t")
        );
    }
}
