//! What turning a Defender plan on costs: not in money, which is not known here, but in the vCores that Azure bills.

use crate::model::ResourceId;
use crate::observed::{ClusterNodes, Observed, VCores, vcores};
use serde_json::Value;

/// A change of what Azure bills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingChange {
    /// Why the step is more than a setting, in few words.
    pub reason: String,
    /// All that is known of it, in a sentence without a full stop.
    pub sentence: String,
}

/// How many names stand in a sentence.
const NAMES: usize = 5;

/// Returns what the change of a Defender plan means for the bill; none unless the plan is turned on.
///
/// `before` and `after` are comparable documents.
pub fn billing_change(
    observed: &Observed,
    plan: &ResourceId,
    before: Option<&Value>,
    after: &Value,
) -> Option<BillingChange> {
    let standard = |plan: &Value| {
        plan.pointer("/properties/pricingTier")
            .is_some_and(|tier| tier == "Standard")
    };
    if before.is_some_and(standard) || !standard(after) {
        return None;
    }
    let subscription = plan.value_of("subscriptions").unwrap_or_default();
    let here = |nodes: &&ClusterNodes| {
        let found = nodes.cluster.value_of("subscriptions").unwrap_or_default();
        found.eq_ignore_ascii_case(subscription)
    };
    let counted = observed.nodes.as_ref().map(|nodes| vcores(nodes.iter().filter(here)));
    let basis = "Azure bills this plan per vCore of the clusters' nodes";
    Some(match counted {
        None => BillingChange {
            reason: format!("Free to Standard is a billing change: {basis}"),
            sentence: format!("Free to Standard is a billing change: {basis}; how many there are was not read"),
        },
        Some(counted) => {
            let number = number(&counted);
            BillingChange {
                reason: format!("Free to Standard is a billing change: {basis}, {number}"),
                sentence: format!(
                    "Free to Standard is a billing change: {basis}, {number}, by the names of their sizes{}; the number \
                     follows the size of node pools, and clusters of Azure Arc are not in it",
                    left_out(&counted)
                ),
            }
        }
    })
}

fn number(counted: &VCores) -> String {
    let clusters = match counted.clusters {
        0 => return "of which there are none now".to_owned(),
        1 => "1 AKS cluster".to_owned(),
        many => format!("{many} AKS clusters"),
    };
    let more = if counted.unknown.is_empty() && counted.provision_nodes.is_empty() {
        "about"
    } else {
        "at least about"
    };
    format!("{more} {} now in {clusters}", counted.counted)
}

/// What the number leaves out, and why.
fn left_out(counted: &VCores) -> String {
    let parts = [
        ("stopped", &counted.stopped),
        ("of unknown size", &counted.unknown),
        ("nodes that clusters make themselves", &counted.provision_nodes),
    ];
    parts
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(why, names)| format!("; not counted, {why}: {}", some(names)))
        .collect()
}

fn some(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(NAMES).map(|name| format!("`{name}`")).collect();
    if names.len() > NAMES {
        shown.push(format!("and {} more", names.len() - NAMES));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::NodePool;
    use serde_json::json;

    fn cluster(subscription: &str, name: &str, size: &str) -> ClusterNodes {
        let id = format!(
            "/subscriptions/{subscription}/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/{name}"
        );
        ClusterNodes {
            cluster: ResourceId::parse(&id).unwrap(),
            is_running: true,
            provisions_nodes: false,
            pools: vec![NodePool {
                name: "system".into(),
                size: size.into(),
                count: Some(3),
                is_running: true,
            }],
        }
    }

    fn change(nodes: Option<Vec<ClusterNodes>>, before: Option<&str>, after: &str) -> Option<BillingChange> {
        let mut observed = Observed::default();
        observed.nodes = nodes;
        let plan = ResourceId::parse("/subscriptions/s/providers/Microsoft.Security/pricings/Containers").unwrap();
        let tier = |tier: &str| json!({"properties": {"pricingTier": tier}});
        billing_change(&observed, &plan, before.map(tier).as_ref(), &tier(after))
    }

    #[test]
    fn only_a_plan_that_is_turned_on_changes_the_bill() {
        assert_eq!(change(None, Some("Standard"), "Standard"), None);
        assert_eq!(change(None, Some("Standard"), "Free"), None);
        assert_eq!(change(None, Some("Free"), "Free"), None);
        assert!(change(None, Some("Free"), "Standard").is_some());
        assert!(change(None, None, "Standard").is_some());
    }

    #[test]
    fn the_vcores_of_the_subscription_are_told_and_what_is_not_counted() {
        let nodes = vec![
            cluster("S", "one", "Standard_D4s_v5"),
            cluster("other", "elsewhere", "Standard_D64s_v5"),
        ];
        let told = change(Some(nodes.clone()), Some("Free"), "Standard").unwrap();
        assert_eq!(
            told.reason,
            "Free to Standard is a billing change: Azure bills this plan per vCore of the clusters' nodes, about 12 now in 1 AKS cluster"
        );
        let mut nodes = nodes;
        nodes.push(cluster("s", "two", "Standard_DS2_v2"));
        let told = change(Some(nodes), Some("Free"), "Standard").unwrap();
        assert!(
            told.reason.ends_with(", at least about 12 now in 2 AKS clusters"),
            "{}",
            told.reason
        );
        assert!(
            told.sentence
                .contains("; not counted, of unknown size: `two/system (Standard_DS2_v2)`;"),
            "{}",
            told.sentence
        );
    }

    #[test]
    fn what_was_not_read_is_not_none() {
        let unread = change(None, Some("Free"), "Standard").unwrap();
        assert!(unread.sentence.ends_with("how many there are was not read"));
        let none = change(Some(Vec::new()), Some("Free"), "Standard").unwrap();
        assert!(none.reason.ends_with("of which there are none now"), "{}", none.reason);
    }
}
