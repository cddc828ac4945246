//! The net behind prevention: what Defender for Cloud says of the clusters of an environment, and whether it looks at all.
//!
//! Owns how the rows of Resource Graph are read (`read`), and when a finding counts. Must not know how rows were fetched. Where nobody
//! looks, no finding means nothing: that is a finding of its own.

mod read;
#[cfg(test)]
mod tests;

pub use read::{alert, has_contact, plan, recommendation, vulnerability};

use crate::model::{ResourceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How severe something is, as Defender for Cloud says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
    /// In a word that is not known, or not told: it counts as the worst.
    Unknown,
}

/// An alert that nobody has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The cluster that it is about.
    pub cluster: ResourceId,
    /// The name of the alert's resource.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// How severe it is.
    pub severity: Severity,
    /// `Active` or `InProgress`, in Azure's words.
    pub status: String,
    /// When it began.
    pub started: Option<Timestamp>,
}

/// A recommendation that a cluster does not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// The cluster.
    pub cluster: ResourceId,
    /// What people call it.
    pub title: String,
    /// How severe it is.
    pub severity: Severity,
}

/// A vulnerability of an image that runs in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vulnerability {
    /// The cluster.
    pub cluster: ResourceId,
    /// The image, with its tag or digest as far as it is told.
    pub image: String,
    /// Its number, such as `CVE-2026-1234`.
    pub id: String,
    /// How severe it is.
    pub severity: Severity,
    /// Whether there is a version without it.
    pub fixable: bool,
}

/// An image with vulnerabilities, wherever it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The clusters that it runs in.
    pub clusters: BTreeSet<String>,
    /// Its vulnerabilities by number, with the worst that is said of each.
    pub vulnerabilities: BTreeMap<String, Severity>,
    /// Those of them of which there is a version without.
    pub fixable: BTreeSet<String>,
}

impl Image {
    /// Returns the worst of its vulnerabilities.
    pub fn severity(&self) -> Severity {
        self.vulnerabilities
            .values()
            .copied()
            .max()
            .unwrap_or(Severity::Unknown)
    }
}

/// Whether the Defender sensor looks at a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sensor {
    /// It is on.
    On,
    /// It is off, and the environment does not ask for it.
    NotAsked,
    /// The cluster is stopped.
    Stopped,
    /// It is on, and the cluster has failed.
    Failed,
    /// It is off, and the environment asks for it.
    Off,
}

/// A cluster and what looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The cluster.
    pub id: ResourceId,
    /// Its location.
    pub location: String,
    /// The sensor.
    pub sensor: Sensor,
}

/// The Defender plan for containers of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It is on.
    Standard,
    /// It is off: nobody looks at what runs.
    Free,
}

/// A subscription and who looks at it; what could not be found out says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its GUID.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// The plan.
    pub plan: Result<Plan, String>,
    /// Whether somebody is told of alerts.
    pub contact: Result<bool, String>,
}

/// What is known of the run time of an environment's clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    /// The clusters, in the order of ids.
    pub clusters: Vec<Watched>,
    /// The subscriptions with clusters, in the order of ids.
    pub subscriptions: Vec<Subscription>,
    /// The open alerts, the worst first.
    pub alerts: Vec<Alert>,
    /// What is not followed, the worst first.
    pub recommendations: Vec<Recommendation>,
    /// The images with vulnerabilities by name.
    pub images: BTreeMap<String, Image>,
}

/// What can count for a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// Open alerts.
    Alerts,
    /// Recommendations.
    Recommendations,
    /// Vulnerable images.
    Images,
    /// Where nobody looks, or nobody is told.
    Watch,
}

/// What counts, from which severity on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The least severity.
    pub severity: Severity,
    /// What counts.
    pub sorts: Vec<Sort>,
}

impl Severity {
    /// Reads Azure's word.
    pub fn parse(text: &str) -> Severity {
        let known = [
            Severity::Informational,
            Severity::Low,
            Severity::Medium,
            Severity::High,
            Severity::Critical,
        ];
        let found = known
            .into_iter()
            .find(|severity| severity.name().eq_ignore_ascii_case(text));
        found.unwrap_or(Severity::Unknown)
    }

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Informational => "informational",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
            Severity::Unknown => "unknown",
        }
    }
}

impl Sort {
    /// All of them.
    pub const ALL: [Sort; 4] = [Sort::Alerts, Sort::Recommendations, Sort::Images, Sort::Watch];

    /// Returns its word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Alerts => "alerts",
            Sort::Recommendations => "recommendations",
            Sort::Images => "images",
            Sort::Watch => "watch",
        }
    }
}

impl Sensor {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Sensor::On => "on",
            Sensor::NotAsked => "not-asked",
            Sensor::Stopped => "stopped",
            Sensor::Failed => "failed",
            Sensor::Off => "off",
        }
    }
}

impl Runtime {
    /// Puts findings together; those of clusters that are not among `clusters` are left out.
    pub fn new(
        mut clusters: Vec<Watched>,
        mut subscriptions: Vec<Subscription>,
        mut alerts: Vec<Alert>,
        mut recommendations: Vec<Recommendation>,
        vulnerabilities: Vec<Vulnerability>,
    ) -> Runtime {
        clusters.sort_by_key(|cluster| cluster.id.key());
        subscriptions.sort_by(|one, two| one.id.cmp(&two.id));
        let ids: BTreeSet<String> = clusters.iter().map(|cluster| cluster.id.key()).collect();
        let is_ours = |id: &ResourceId| ids.contains(&id.key());
        alerts.retain(|alert| is_ours(&alert.cluster));
        let first = |severity: Severity| std::cmp::Reverse(severity);
        alerts.sort_by_key(|alert| {
            (
                first(alert.severity),
                alert.cluster.key(),
                alert.title.clone(),
                alert.name.clone(),
            )
        });
        recommendations.retain(|one| is_ours(&one.cluster));
        recommendations.sort_by_key(|one| (first(one.severity), one.title.clone(), one.cluster.key()));
        let mut images: BTreeMap<String, Image> = BTreeMap::new();
        for one in vulnerabilities.into_iter().filter(|one| is_ours(&one.cluster)) {
            let image = images.entry(one.image).or_default();
            image.clusters.insert(one.cluster.name().to_owned());
            if one.fixable {
                image.fixable.insert(one.id.clone());
            }
            let worst = image.vulnerabilities.entry(one.id).or_insert(one.severity);
            *worst = one.severity.max(*worst);
        }
        Runtime {
            clusters,
            subscriptions,
            alerts,
            recommendations,
            images,
        }
    }

    /// Returns where nobody looks, or nobody is told of what is seen, as sentences without a full stop.
    pub fn blind(&self) -> Vec<String> {
        let mut found = Vec::new();
        for subscription in &self.subscriptions {
            let name = &subscription.name;
            match &subscription.plan {
                Ok(Plan::Standard) => {}
                Ok(Plan::Free) => found.push(format!(
                    "the Defender plan for containers is off in subscription {name}: that there are no alerts says nothing"
                )),
                Err(why) => found.push(format!("whether the Defender plan is on in subscription {name} is not known: {why}")),
            }
            match &subscription.contact {
                Ok(true) => {}
                Ok(false) => found.push(format!(
                    "subscription {name} has no security contact: nobody is told of alerts"
                )),
                Err(why) => found.push(format!(
                    "whether subscription {name} has a security contact is not known: {why}"
                )),
            }
        }
        for cluster in &self.clusters {
            let name = cluster.id.name();
            match cluster.sensor {
                Sensor::Off => found.push(format!(
                    "the Defender sensor is off in {name}, and the environment asks for it"
                )),
                Sensor::Failed => found.push(format!(
                    "the Defender sensor is on in {name}, whose last operation failed"
                )),
                Sensor::On | Sensor::NotAsked | Sensor::Stopped => {}
            }
        }
        found
    }

    /// Returns how many findings of a sort are at least so severe; where nobody looks counts at any severity.
    pub fn count(&self, sort: Sort, least: Severity) -> usize {
        let at_least = |severity: &Severity| *severity >= least;
        match sort {
            Sort::Alerts => self.alerts.iter().filter(|one| at_least(&one.severity)).count(),
            Sort::Recommendations => self
                .recommendations
                .iter()
                .filter(|one| at_least(&one.severity))
                .count(),
            Sort::Images => self.images.values().filter(|image| at_least(&image.severity())).count(),
            Sort::Watch => self.blind().len(),
        }
    }

    /// Returns what counts for a threshold and is there, with how many.
    pub fn over(&self, threshold: &Threshold) -> Vec<(Sort, usize)> {
        let sorts = threshold.sorts.iter();
        let counts = sorts.map(|sort| (*sort, self.count(*sort, threshold.severity)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}
