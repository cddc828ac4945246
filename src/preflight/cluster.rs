//! What can be said of the clusters before they are written.

use super::{Area, Check, Status};
use crate::model::ResourceId;
use crate::observed::Cluster;
use serde_json::Value;

/// What a preflight looks at in a cluster besides what a plan does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Its id.
    pub id: ResourceId,
    /// `sku.name`: `Base` or `Automatic`.
    pub sku: Option<String>,
    /// The operating systems of its node pools; none if they are not said.
    pub systems: Option<Vec<String>>,
}

impl ClusterFacts {
    /// Reads a row of Resource Graph, or none if it has no id.
    pub fn parse(row: &Value) -> Option<ClusterFacts> {
        let pools = row.get("pools").and_then(Value::as_array);
        let system = |pool: &Value| pool.get("osType").and_then(Value::as_str).map(str::to_owned);
        Some(ClusterFacts {
            id: ResourceId::parse(row.get("id")?.as_str()?)?,
            sku: row
                .get("sku")
                .and_then(|sku| sku.get("name"))
                .and_then(Value::as_str)
                .map(str::to_owned),
            systems: pools.map(|pools| pools.iter().filter_map(system).collect()),
        })
    }
}

/// Returns what is to be said of a cluster; `written` is whether the plan writes it.
pub fn checks(cluster: &Cluster, facts: Option<&ClusterFacts>, written: bool) -> Vec<Check> {
    let check = |status, subject: &str, detail: String, advice: Option<String>| Check {
        area: Area::Clusters,
        status,
        subject: subject.to_owned(),
        scope: cluster.id.as_str().to_owned(),
        detail,
        advice,
    };
    let mut found = vec![match cluster.unwritable() {
        None => check(
            Status::Ok,
            "state",
            format!("its state is `{}`", cluster.provisioning_state),
            None,
        ),
        Some(why) => check(
            Status::Warning,
            "state",
            "AKS takes no change of it now: what a plan has for it is held, and its gates may stay open".to_owned(),
            Some(why),
        ),
    }];
    let Some(facts) = facts else {
        found.push(check(
            Status::Unknown,
            "prerequisites of the add-on",
            "Azure Resource Graph said nothing of its node pools and its kind".to_owned(),
            Some("run the command again; Resource Graph can be minutes behind".to_owned()),
        ));
        return found;
    };
    found.push(match &facts.systems {
        None => check(
            Status::Unknown,
            "Linux node pool",
            "Azure did not say which node pools it has".to_owned(),
            Some("look at the node pools: the Azure Policy add-on runs on Linux nodes only".to_owned()),
        ),
        Some(systems) if systems.iter().any(|system| system.eq_ignore_ascii_case("Linux")) => {
            check(Status::Ok, "Linux node pool", "it has one".to_owned(), None)
        }
        Some(_) => check(
            if written { Status::Missing } else { Status::Warning },
            "Linux node pool",
            "it has none, and the Azure Policy add-on runs on Linux nodes only".to_owned(),
            Some("add a Linux node pool, or leave the cluster out".to_owned()),
        ),
    });
    if facts
        .sku
        .as_deref()
        .is_some_and(|sku| sku.eq_ignore_ascii_case("Automatic"))
    {
        let detail = "AKS Automatic turns the Azure Policy add-on and deployment safeguards on by itself, and neither can be turned off";
        found.push(match written {
            true => check(
                Status::Warning,
                "AKS Automatic",
                format!("{detail}; the plan writes the cluster"),
                Some("look at the step: most clusters of this kind should be left as they are".to_owned()),
            ),
            false => check(Status::Ok, "AKS Automatic", detail.to_owned(), None),
        });
    }
    found
}
