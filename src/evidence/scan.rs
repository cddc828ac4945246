//! Whether evidence has come, in words that do not promise more than was heard.

use super::{ClusterEvidence, Coverage, GateEvidence, TOO_OLD};
use crate::model::{Period, Timestamp};

/// What was heard of a gate on one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The cluster's name.
    pub cluster: String,
    /// What was heard.
    pub heard: Heard,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Every member reported, late enough to have seen the last change; the oldest of the reports.
    Reported(Timestamp),
    /// Some members have not reported yet, or not since then; how many, and of how many.
    NotYet {
        /// How many are awaited.
        awaited: usize,
        /// How many there are.
        of: usize,
    },
    /// Every member reported, and one of them too long ago; when.
    TooOld(Timestamp),
    /// Nothing will be heard while it is so, such as `add-on off`.
    Cannot(String),
    /// It is let off, excluded or ignored, so that nothing is waited for.
    NotAsked(String),
}

impl Heard {
    /// Returns whether waiting for it may help.
    pub fn is_awaited(&self) -> bool {
        matches!(self, Heard::NotYet { .. } | Heard::TooOld(_))
    }

    /// Returns whether nothing is missing: it was reported, or is not asked for.
    pub fn is_well(&self) -> bool {
        matches!(self, Heard::Reported(_) | Heard::NotAsked(_))
    }

    /// Returns the word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Heard::Reported(_) => "reported",
            Heard::NotYet { .. } => "not yet",
            Heard::TooOld(_) => "too old",
            Heard::Cannot(_) => "cannot report",
            Heard::NotAsked(_) => "not asked",
        }
    }
}

/// Returns what was heard of each cluster.
///
/// A report counts if it is later than `after`, later than the last change by `settle`, and not too old. Where it is not known when
/// something changed last, nothing counts.
pub fn freshness(evidence: &GateEvidence, after: Option<Timestamp>, settle: Period, now: Timestamp) -> Vec<Freshness> {
    let of = |cluster: &ClusterEvidence| Freshness {
        cluster: cluster.name.clone(),
        heard: heard(evidence, cluster, after, settle, now),
    };
    evidence.clusters.iter().map(of).collect()
}

fn heard(
    evidence: &GateEvidence,
    cluster: &ClusterEvidence,
    after: Option<Timestamp>,
    settle: Period,
    now: Timestamp,
) -> Heard {
    if !cluster.coverage.counts() {
        return Heard::NotAsked(cluster.coverage.to_string());
    }
    if matches!(cluster.coverage, Coverage::NoAddon | Coverage::Stopped) {
        return Heard::Cannot(cluster.coverage.to_string());
    }
    let of = cluster.members.len();
    let Some(changed) = evidence.changed else {
        return Heard::NotYet { awaited: of, of };
    };
    let settled = cluster.changed.map_or(changed, |own| own.max(changed)).plus(settle);
    let counts = |reported: Timestamp| reported >= settled && after.is_none_or(|after| reported >= after);
    let awaited = cluster
        .members
        .values()
        .filter(|member| !member.reported.is_some_and(counts));
    match (awaited.count(), cluster.oldest()) {
        (0, Some(oldest)) if now.since(oldest) > TOO_OLD => Heard::TooOld(oldest),
        (0, Some(oldest)) => Heard::Reported(oldest),
        (awaited, _) => Heard::NotYet { awaited, of },
    }
}
