//! Which workloads break which members of a gate, on every cluster that the gate is meant to act on.

use super::forecast::{distinct, workload};
use super::judge::{Standing, standing};
use super::{Component, GateEvidence, Rows};
use crate::model::{ResourceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A workload that breaks a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The cluster.
    pub cluster: ResourceId,
    /// The namespace; none for objects that have none.
    pub namespace: Option<String>,
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether kind and name are guessed from the name of a pod.
    pub guessed: bool,
    /// The member, by reference id in lower case.
    pub member: String,
    /// How many of its objects break the member.
    pub objects: u64,
    /// Whether the member denies there: then objects may be attempts that were refused, or may run since before.
    pub denied: bool,
    /// When that was reported last.
    pub reported: Timestamp,
}

struct Sum<'a> {
    guessed: bool,
    denied: bool,
    objects: Vec<&'a Component>,
    reported: Timestamp,
}

/// Returns the workloads that break members of an assignment, by cluster, namespace, workload and member.
pub fn broken(assignment: &ResourceId, evidence: &GateEvidence, rows: &Rows) -> Vec<Broken> {
    let counted = evidence.clusters.iter().filter(|cluster| cluster.coverage.counts());
    let clusters: BTreeSet<&ResourceId> = counted.map(|cluster| &cluster.id).collect();
    let mut sums: BTreeMap<(&ResourceId, Option<&str>, String, String, &str), Sum<'_>> = BTreeMap::new();
    for Standing { row, denied } in standing(assignment, rows) {
        let Some(cluster) = clusters.get(&row.key.resource) else {
            continue;
        };
        let component = &row.component;
        let (kind, name, guessed) = workload(component);
        let member = row.key.member.as_str();
        let key = (*cluster, component.namespace.as_deref(), kind, name, member);
        let sum = sums.entry(key).or_insert(Sum {
            guessed: true,
            denied: true,
            objects: Vec::new(),
            reported: row.key.reported,
        });
        sum.guessed &= guessed;
        sum.denied &= denied;
        sum.objects.push(component);
        sum.reported = sum.reported.max(row.key.reported);
    }
    let found = sums
        .into_iter()
        .map(|((cluster, namespace, kind, name, member), sum)| Broken {
            cluster: cluster.clone(),
            namespace: namespace.map(str::to_owned),
            kind,
            name,
            guessed: sum.guessed,
            member: member.to_owned(),
            objects: distinct(sum.objects).len() as u64,
            denied: sum.denied,
            reported: sum.reported,
        });
    found.collect()
}
