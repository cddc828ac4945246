//! What can be said of the clusters before they are written.

use super::{Answer, Area, Check, Status};
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
    /// Its location, in lower case.
    pub location: String,
    /// The version of Kubernetes that it runs, such as `1.33.5`.
    pub version: Option<String>,
    /// How it is supported, such as `KubernetesOfficial` or `AKSLongTermSupport`.
    pub plan: Option<String>,
}

/// A version of Kubernetes that AKS supports at a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedVersion {
    /// The version, such as `1.33`.
    pub version: String,
    /// How it is supported.
    pub plans: Vec<String>,
}

impl SupportedVersion {
    /// Reads the answer to the question for a location's versions; none if it is not of the form that is known.
    pub fn parse_list(body: &Value) -> Option<Vec<SupportedVersion>> {
        let entry = |entry: &Value| {
            let plans = entry.pointer("/capabilities/supportPlan")?.as_array()?.iter();
            Some(SupportedVersion {
                version: entry.get("version")?.as_str()?.to_owned(),
                plans: plans.filter_map(Value::as_str).map(str::to_owned).collect(),
            })
        };
        body.get("values")?.as_array()?.iter().map(entry).collect()
    }
}

impl ClusterFacts {
    /// Reads a row of Resource Graph, or none if it has no id.
    pub fn parse(row: &Value) -> Option<ClusterFacts> {
        let pools = row.get("pools").and_then(Value::as_array);
        let text = |key: &str| {
            let text = row.get(key).and_then(Value::as_str).unwrap_or_default();
            Some(text.to_owned()).filter(|text| !text.is_empty())
        };
        let system = |pool: &Value| pool.get("osType").and_then(Value::as_str).map(str::to_owned);
        Some(ClusterFacts {
            id: ResourceId::parse(row.get("id")?.as_str()?)?,
            sku: row
                .get("sku")
                .and_then(|sku| sku.get("name"))
                .and_then(Value::as_str)
                .map(str::to_owned),
            systems: pools.map(|pools| pools.iter().filter_map(system).collect()),
            location: text("location").unwrap_or_default().to_ascii_lowercase(),
            version: text("version"),
            plan: text("supportPlan"),
        })
    }
}

/// Returns what is to be said of a cluster; `versions` are those of its location, `written` is whether the plan writes it.
pub fn checks(
    cluster: &Cluster,
    facts: Option<&ClusterFacts>,
    versions: Option<&Answer<Vec<SupportedVersion>>>,
    written: bool,
) -> Vec<Check> {
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
    let (status, detail) = support(facts, versions);
    let advice = (status != Status::Ok).then(|| {
        format!(
            "look at `az aks get-versions --location {}`, and upgrade the cluster if its version is not there",
            facts.location
        )
    });
    found.push(check(status, "Kubernetes version", detail, advice));
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

/// Whether AKS supports what the cluster runs, and what is to be said of it.
fn support(facts: &ClusterFacts, versions: Option<&Answer<Vec<SupportedVersion>>>) -> (Status, String) {
    let Some(version) = &facts.version else {
        return (Status::Unknown, "Azure did not say which version it runs".to_owned());
    };
    let versions = match versions {
        Some(Ok(versions)) => versions,
        Some(Err(why)) => {
            let detail = format!("it runs {version}; Azure did not say which versions it supports: {why}");
            return (Status::Unknown, detail);
        }
        None => {
            return (
                Status::Unknown,
                format!("it runs {version}; nobody asked which are supported"),
            );
        }
    };
    let minor: Vec<&str> = version.split('.').take(2).collect();
    let minor = minor.join(".");
    let Some(supported) = versions.iter().find(|supported| supported.version == minor) else {
        let detail =
            format!("it runs {version}, which AKS does not support any more: it may leave the add-on as it is");
        return (Status::Warning, detail);
    };
    let plan = facts.plan.as_deref().unwrap_or("KubernetesOfficial");
    if supported.plans.iter().any(|known| known.eq_ignore_ascii_case(plan)) {
        return (Status::Ok, format!("it runs {version}, which AKS supports"));
    }
    let detail = format!(
        "it runs {version}, which AKS supports as {} only",
        supported.plans.join(", ")
    );
    (Status::Warning, detail)
}
