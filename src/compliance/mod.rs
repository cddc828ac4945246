//! What breaks the gates of an environment, by gate, cluster, namespace and workload, and what is new or fixed since an earlier report.
//!
//! Owns what counts as new and as fixed, and how an earlier report is read. Must not know how the rows were fetched, nor how a report is
//! printed. What was not heard of is neither compliant nor fixed.

mod baseline;
#[cfg(test)]
mod tests;
mod trend;

pub use baseline::{Baseline, BaselineError};
pub use trend::{Day, Trend, trend};

use crate::evidence::{AllRows, Broken, ClusterEvidence, Count, Coverage, GateEvidence, broken};
use crate::model::{ResourceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What breaks the gates of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When it was made, by ARM's clock.
    pub time: Timestamp,
    /// The gates, by name.
    pub gates: Vec<GateReport>,
    /// What breaks them: what is new first, then by gate, cluster, namespace, workload and rule.
    pub violations: Vec<Violation>,
    /// When the earlier report was made, if there is one.
    pub baseline: Option<Timestamp>,
    /// What stood in the earlier report and is gone.
    pub fixed: Vec<Key>,
    /// What stood in the earlier report and of which nobody can say whether it is gone.
    pub unclear: Vec<Key>,
}

/// A gate, and what was heard of it.
#[derive(Clone, Debug, PartialEq)]
pub struct GateReport {
    /// The gate.
    pub gate: String,
    /// The clusters in scope, by name.
    pub clusters: Vec<ClusterReport>,
}

/// What was heard of a gate at a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterReport {
    /// The cluster.
    pub cluster: ResourceId,
    /// Whether the gate is meant to act there, and is heard of.
    pub coverage: Coverage,
    /// How many objects break it, each counted once for each rule.
    pub violations: Count,
    /// What was reported while a rule denied: attempts that were refused, and objects that ran before.
    pub denied: Count,
}

impl ClusterReport {
    /// Returns whether everything that breaks the gate there is known.
    pub fn is_known(&self) -> bool {
        self.coverage == Coverage::Reporting && !self.violations.at_least
    }
}

/// What names a violation from report to report: a workload that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The gate.
    pub gate: String,
    /// The cluster.
    pub cluster: ResourceId,
    /// The namespace; none for objects that have none.
    pub namespace: Option<String>,
    /// The workload's kind.
    pub kind: String,
    /// The workload's name.
    pub name: String,
    /// The rule: a member of the gate, by reference id in lower case.
    pub rule: String,
}

/// A workload that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What it is.
    pub key: Key,
    /// Whether kind and name are guessed from the name of a pod.
    pub guessed: bool,
    /// How many of its objects break the rule.
    pub objects: u64,
    /// Whether the rule denies there.
    pub denied: bool,
    /// The time of the first of the reports, each compared with the one before, in which it stands.
    pub first_seen: Timestamp,
    /// When Azure had it last.
    pub reported: Timestamp,
    /// Whether it is new since the earlier report; none without one.
    pub novelty: Option<Novelty>,
}

/// Whether something is new since the earlier report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Novelty {
    /// The earlier report knew the cluster, and did not have it.
    New,
    /// The earlier report did not know everything of the cluster.
    Unclear,
    /// The earlier report had it.
    Known,
}

impl Novelty {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Novelty::New => "new",
            Novelty::Unclear => "perhaps new",
            Novelty::Known => "known",
        }
    }
}

/// A gate with what was heard of it.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// The gate.
    pub gate: &'a str,
    /// The assignment that stands for it.
    pub assignment: &'a ResourceId,
    /// What was heard of the clusters.
    pub evidence: &'a GateEvidence,
}

impl Report {
    /// Makes a report of what was heard, compared with an earlier one.
    pub fn new(heard: &[Heard<'_>], rows: &AllRows, baseline: Option<&Baseline>, time: Timestamp) -> Report {
        let gates: Vec<GateReport> = heard.iter().map(gate_report).collect();
        let mut violations: Vec<Violation> = heard
            .iter()
            .flat_map(|of| {
                let found = broken(of.assignment, of.evidence, rows.of(of.assignment));
                found.into_iter().map(|found| violation(of.gate, found, baseline, time))
            })
            .collect();
        violations.sort_by(|one, two| (one.novelty, &one.key).cmp(&(two.novelty, &two.key)));
        let mut report = Report {
            time,
            gates,
            violations,
            baseline: baseline.map(|baseline| baseline.time),
            fixed: Vec::new(),
            unclear: Vec::new(),
        };
        if let Some(baseline) = baseline {
            report.compare(baseline);
        }
        report
    }

    /// Tells what is gone since the earlier report from what was not heard of.
    fn compare(&mut self, baseline: &Baseline) {
        let now: BTreeSet<&Key> = self.violations.iter().map(|violation| &violation.key).collect();
        let looked_at: BTreeSet<&str> = self.gates.iter().map(|gate| gate.gate.as_str()).collect();
        let known: BTreeSet<(&str, &ResourceId)> = self
            .gates
            .iter()
            .flat_map(|gate| {
                let known = gate.clusters.iter().filter(|cluster| cluster.is_known());
                known.map(|cluster| (gate.gate.as_str(), &cluster.cluster))
            })
            .collect();
        let gone = baseline.violations.keys().filter(|key| !now.contains(key));
        let (fixed, unclear): (Vec<&Key>, Vec<&Key>) = gone
            .filter(|key| looked_at.contains(key.gate.as_str()))
            .partition(|key| known.contains(&(key.gate.as_str(), &key.cluster)));
        let (fixed, unclear) = (
            fixed.into_iter().cloned().collect(),
            unclear.into_iter().cloned().collect(),
        );
        (self.fixed, self.unclear) = (fixed, unclear);
    }

    /// Returns how many objects break gates, each counted once for each rule, on the clusters that the gates are meant to act on.
    pub fn count(&self) -> Count {
        let gates = self.gates.iter().map(GateReport::violations);
        gates.fold(Count::default(), Count::plus)
    }

    /// Returns what is new, or may be, since the earlier report.
    ///
    /// Where a rule denies nothing new comes in: what it reports anew are attempts that it refused.
    pub fn new_ones(&self) -> impl Iterator<Item = &Violation> {
        let is_new = |violation: &&Violation| match violation.novelty {
            Some(Novelty::New) => !violation.denied,
            Some(Novelty::Unclear) => true,
            Some(Novelty::Known) | None => false,
        };
        self.violations.iter().filter(is_new)
    }

    /// Returns the violation that was first seen longest ago.
    pub fn oldest(&self) -> Option<&Violation> {
        self.violations
            .iter()
            .min_by_key(|violation| (violation.first_seen, &violation.key))
    }
}

impl GateReport {
    fn counted(&self) -> impl Iterator<Item = &ClusterReport> {
        self.clusters.iter().filter(|cluster| cluster.coverage.counts())
    }

    /// Returns how many objects break it.
    pub fn violations(&self) -> Count {
        self.counted()
            .fold(Count::default(), |sum, cluster| sum.plus(cluster.violations))
    }

    /// Returns what was reported while its rules denied.
    pub fn denied(&self) -> Count {
        self.counted()
            .fold(Count::default(), |sum, cluster| sum.plus(cluster.denied))
    }

    /// Returns the clusters of which not everything is known.
    pub fn doubtful(&self) -> impl Iterator<Item = &ClusterReport> {
        self.counted().filter(|cluster| !cluster.is_known())
    }
}

fn gate_report(of: &Heard<'_>) -> GateReport {
    let mut clusters: Vec<ClusterReport> = of.evidence.clusters.iter().map(cluster_report).collect();
    clusters.sort_by(|one, two| (one.cluster.name(), &one.cluster).cmp(&(two.cluster.name(), &two.cluster)));
    GateReport {
        gate: of.gate.to_owned(),
        clusters,
    }
}

fn cluster_report(cluster: &ClusterEvidence) -> ClusterReport {
    let denied = cluster.members.values().map(|member| member.denied);
    // Of a cluster that is not heard of, what it said last is no count of what is there.
    let silent = cluster.coverage.counts() && cluster.coverage != Coverage::Reporting;
    let violations = cluster.violations();
    ClusterReport {
        cluster: cluster.id.clone(),
        coverage: cluster.coverage.clone(),
        violations: Count {
            at_least: violations.at_least || silent || cluster.members.is_empty(),
            ..violations
        },
        denied: denied.fold(Count::default(), Count::plus),
    }
}

fn violation(gate: &str, found: Broken, baseline: Option<&Baseline>, time: Timestamp) -> Violation {
    let key = Key {
        gate: gate.to_owned(),
        cluster: found.cluster,
        namespace: found.namespace,
        kind: found.kind,
        name: found.name,
        rule: found.member,
    };
    let before = baseline.and_then(|baseline| baseline.violations.get(&key).copied());
    let novelty = baseline.map(|baseline| match before {
        Some(_) => Novelty::Known,
        None if baseline.knows(&key.gate, &key.cluster) => Novelty::New,
        None => Novelty::Unclear,
    });
    Violation {
        key,
        guessed: found.guessed,
        objects: found.objects,
        denied: found.denied,
        first_seen: before.unwrap_or(time).min(time),
        reported: found.reported,
        novelty,
    }
}

/// Sums up violations by what `of` returns: the worst first.
pub fn sums<'a, K: Ord>(violations: &'a [Violation], of: impl Fn(&'a Violation) -> K) -> Vec<(K, u64)> {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for violation in violations {
        let sum = sums.entry(of(violation)).or_default();
        *sum = sum.saturating_add(violation.objects);
    }
    let mut sums: Vec<(K, u64)> = sums.into_iter().collect();
    // The sort keeps the order of the keys among equals.
    sums.sort_by_key(|(_, objects)| std::cmp::Reverse(*objects));
    sums
}
