//! Who would be hit by a step to deny: the workloads that break a gate today.
//!
//! What runs goes on running when a gate closes; it is refused when it is made anew. Azure reports pods by name and not what made them, so
//! the workload is read off the name where the name has the form that Kubernetes gives it, and is said to be guessed.

use super::judge::{Standing, standing};
use super::{Component, Count, Coverage, GateEvidence, Namespaces, Rows};
use crate::model::ResourceId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many workloads a forecast names at most.
const MOST_NAMED: usize = 50;

/// Who would be hit if a gate denied now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forecast {
    /// The gate.
    pub gate: String,
    /// The workloads that break it, top offenders first; of many only the first.
    pub hits: Vec<Hit>,
    /// How many workloads there are besides.
    pub more: usize,
    /// How many objects break the gate, counted once for each member that they break.
    pub violations: Count,
    /// The places that have workloads in `hits` or beyond, by cluster and namespace, the worst first.
    pub places: Vec<Place>,
    /// How many places there are besides.
    pub more_places: usize,
    /// Clusters of which nothing can be said, each with why.
    pub unknown: Vec<String>,
}

/// A workload that breaks a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hit {
    /// The cluster's name.
    pub cluster: String,
    /// The namespace; none for objects that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether kind and name are guessed from the name of a pod.
    pub guessed: bool,
    /// How many of its objects break the gate.
    pub objects: u64,
    /// The members that are broken, by reference id in lower case.
    pub members: Vec<String>,
}

/// A namespace of a cluster with workloads that break a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// The cluster's name.
    pub cluster: String,
    /// The namespace; none for objects that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How many workloads.
    pub workloads: usize,
    /// How many objects.
    pub objects: u64,
}

/// What is summed up for a workload. A large fleet has very many of them, most with one object, so nothing is copied.
#[derive(Default)]
struct Sum<'a> {
    guessed: bool,
    objects: Vec<&'a Component>,
    members: Vec<&'a str>,
}

/// Returns the different ones, in order.
pub(super) fn distinct<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
}

impl Forecast {
    /// Returns how many workloads would be hit, as far as is known.
    pub fn workloads(&self) -> usize {
        self.hits.len().saturating_add(self.more)
    }

    /// Returns whether it says anything: whom it names, or that there is nobody. Where nothing was heard the guards say so.
    pub fn says_something(&self) -> bool {
        !self.hits.is_empty() || self.unknown.is_empty()
    }
}

/// Returns who would be hit by a step of a gate to deny, on the clusters that it is meant to act on.
pub fn forecast(
    gate: &str,
    assignment: &ResourceId,
    evidence: &GateEvidence,
    rows: &Rows,
    namespaces: Option<&Namespaces>,
) -> Forecast {
    let clusters: BTreeMap<&ResourceId, &str> = evidence
        .clusters
        .iter()
        .filter(|cluster| cluster.coverage.counts())
        .map(|cluster| (&cluster.id, cluster.name.as_str()))
        .collect();
    let mut sums: BTreeMap<(&str, Option<&str>, String, String), Sum<'_>> = BTreeMap::new();
    for Standing { row, denied } in standing(assignment, rows) {
        let Some(cluster) = clusters.get(&row.key.resource) else {
            continue;
        };
        let component = &row.component;
        let taken = namespaces.is_none_or(|namespaces| namespaces.take(component.namespace.as_deref()));
        if !taken || denied {
            continue;
        }
        let (kind, name, guessed) = workload(component);
        let key = (*cluster, component.namespace.as_deref(), kind, name);
        let sum = sums.entry(key).or_insert(Sum {
            guessed: true,
            ..Sum::default()
        });
        sum.guessed &= guessed;
        sum.objects.push(component);
        sum.members.push(&row.key.member);
    }
    let mut hits: Vec<Hit> = sums
        .into_iter()
        .map(|((cluster, namespace, kind, name), sum)| Hit {
            cluster: cluster.to_owned(),
            namespace: namespace.map(str::to_owned),
            kind,
            name,
            guessed: sum.guessed,
            objects: distinct(sum.objects).len() as u64,
            members: distinct(sum.members).into_iter().map(str::to_owned).collect(),
        })
        .collect();
    // The sort keeps the order by name among equals.
    hits.sort_by_key(|hit| std::cmp::Reverse((hit.objects, hit.members.len())));
    let mut places = places(&hits);
    let (more, more_places) = (
        hits.len().saturating_sub(MOST_NAMED),
        places.len().saturating_sub(MOST_NAMED),
    );
    hits.truncate(MOST_NAMED);
    places.truncate(MOST_NAMED);
    Forecast {
        gate: gate.to_owned(),
        hits,
        more,
        violations: evidence.violations(),
        places,
        more_places,
        unknown: unknown(evidence),
    }
}

fn places(hits: &[Hit]) -> Vec<Place> {
    let mut found: BTreeMap<(&str, Option<&str>), (usize, u64)> = BTreeMap::new();
    for hit in hits {
        let place = found.entry((&hit.cluster, hit.namespace.as_deref())).or_default();
        place.0 += 1;
        place.1 += hit.objects;
    }
    let mut places: Vec<Place> = found
        .into_iter()
        .map(|((cluster, namespace), (workloads, objects))| Place {
            cluster: cluster.to_owned(),
            namespace: namespace.map(str::to_owned),
            workloads,
            objects,
        })
        .collect();
    places.sort_by_key(|place| std::cmp::Reverse((place.objects, place.workloads)));
    places
}

/// The clusters on which there may be more than is named, or anything at all.
fn unknown(evidence: &GateEvidence) -> Vec<String> {
    let counted = evidence.clusters.iter().filter(|cluster| cluster.coverage.counts());
    let doubtful = counted.filter_map(|cluster| {
        let name = &cluster.name;
        if cluster.coverage != Coverage::Reporting {
            return Some(format!("{name} ({})", cluster.coverage));
        }
        let violations = cluster.violations();
        let silent = cluster
            .members
            .values()
            .filter(|member| member.reported.is_none())
            .count();
        match (violations.at_least, silent) {
            (false, _) => None,
            (true, 0) => Some(format!("{name} (there may be more than is named)")),
            (true, silent) => Some(format!(
                "{name} ({silent} of {} members never reported)",
                cluster.members.len()
            )),
        }
    });
    doubtful.collect()
}

/// What Kubernetes makes random names of: no vowels, no digits that look like letters.
fn is_random(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c))
}

/// Returns the workload that an object belongs to: its kind and name, and whether these are guessed from its name.
pub(super) fn workload(component: &Component) -> (String, String, bool) {
    let name = component.name.as_str();
    let is = |kind: &str| component.kind.eq_ignore_ascii_case(kind);
    let guess = |kind: &str, name: &str| (kind.to_owned(), name.to_owned(), true);
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if is("Pod")
        && let Some((before, last)) = name.rsplit_once('-')
    {
        if is_random(last, 5..=5) {
            return match before.rsplit_once('-') {
                Some((owner, hash)) if is_number(hash) && hash.len() >= 8 => guess("CronJob", owner),
                Some((owner, hash)) if is_random(hash, 6..=10) => guess("Deployment", owner),
                _ => guess("DaemonSet or Job", before),
            };
        }
        if is_number(last) && last.len() <= 4 {
            return guess("StatefulSet", before);
        }
    }
    if is("ReplicaSet")
        && let Some((owner, hash)) = name.rsplit_once('-')
        && is_random(hash, 6..=10)
    {
        return guess("Deployment", owner);
    }
    if is("Job")
        && let Some((owner, number)) = name.rsplit_once('-')
        && is_number(number)
        && number.len() >= 8
    {
        return guess("CronJob", owner);
    }
    let kind = if component.kind.is_empty() {
        "object"
    } else {
        &component.kind
    };
    (kind.to_owned(), name.to_owned(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_read_off_the_names_that_kubernetes_makes() {
        for (kind, name, expected) in [
            ("Pod", "cart-6d4f9c7b8-x2x9z", ("Deployment", "cart", true)),
            (
                "pod",
                "my-cart-api-6d4f9c7b8-x2x9z",
                ("Deployment", "my-cart-api", true),
            ),
            ("Pod", "agent-x2x9z", ("DaemonSet or Job", "agent", true)),
            ("Pod", "db-0", ("StatefulSet", "db", true)),
            ("Pod", "nightly-28391040-x2x9z", ("CronJob", "nightly", true)),
            ("Pod", "by-hand", ("Pod", "by-hand", false)),
            ("Pod", "debug", ("Pod", "debug", false)),
            ("ReplicaSet", "cart-6d4f9c7b8", ("Deployment", "cart", true)),
            ("Job", "nightly-28391040", ("CronJob", "nightly", true)),
            ("Deployment", "cart-6d4f9c7b8", ("Deployment", "cart-6d4f9c7b8", false)),
            ("", "thing", ("object", "thing", false)),
        ] {
            let component = Component {
                kind: kind.to_owned(),
                namespace: None,
                name: name.to_owned(),
            };
            let (found, owner, guessed) = workload(&component);
            assert_eq!((found.as_str(), owner.as_str(), guessed), expected, "{kind} {name}");
        }
    }
}
