//! The evidence that a step is decided on: what is known of each cluster and of each member on it.
//!
//! Owns the form of it, how old it may be, and what counts as known. Must not know rows (`evidence`). Missing is not empty: a member that
//! never reported is there and says so.

use crate::model::{Period, ResourceId, Timestamp};
use std::collections::BTreeMap;
use std::fmt;

/// A report that is older is no evidence: Azure evaluates everything once in 24 hours, and a report may take two more.
pub const TOO_OLD: Period = Period::from_seconds(26 * 3_600);

/// What is known of the clusters that one assignment of a gate covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateEvidence {
    /// When anything that matters changed last: assignment, definition, exemption. Evidence must be newer. None if it is not known, and
    /// then no evidence is.
    pub changed: Option<Timestamp>,
    /// Every cluster in scope, by id.
    pub clusters: Vec<ClusterEvidence>,
}

/// What is known of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterEvidence {
    /// Its id.
    pub id: ResourceId,
    /// Its name.
    pub name: String,
    /// Its location.
    pub location: String,
    /// When the cluster itself changed last, its add-on with it, where that is known.
    pub changed: Option<Timestamp>,
    /// Whether the gate acts there and is heard of.
    pub coverage: Coverage,
    /// The members of the gate by reference id in lower case: all of those that report on clusters.
    pub members: BTreeMap<String, MemberEvidence>,
}

/// Whether a gate acts on a cluster and is heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// It reports.
    Reporting,
    /// The add-on is off.
    NoAddon,
    /// The add-on runs, and every member reports an error.
    AddonFailing,
    /// The cluster is stopped.
    Stopped,
    /// Nothing was ever heard of it.
    NeverSeen,
    /// It has not been heard of for longer than a report may take.
    NotReporting {
        /// When it was heard of last.
        last: Timestamp,
    },
    /// The environment's file leaves it out of account: the gate may be open there.
    Ignored {
        /// Why.
        reason: String,
        /// Until when.
        until: Timestamp,
    },
    /// An exemption lets all of it off: the gate is open there.
    Exempt {
        /// Until when, if the exemption ends.
        until: Option<Timestamp>,
    },
    /// The assignment leaves it out: the gate is open there.
    Excluded,
}

/// What is known of one member on one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberEvidence {
    /// What it reports.
    pub state: MemberState,
    /// When; none if it never did.
    pub reported: Option<Timestamp>,
    /// The objects that break it and would be refused if they came anew.
    pub violations: Count,
    /// What was reported while the member denied: attempts that it refused, and objects that ran before and still do. The rows do not
    /// tell the two apart.
    pub denied: Count,
}

/// What a member reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberState {
    /// Nothing breaks it.
    Compliant,
    /// The cluster is let off.
    Exempt,
    /// Something breaks it.
    NonCompliant,
    /// It was not evaluated yet: there is no row.
    NotStarted,
    /// Azure does not know.
    Unknown,
    /// The add-on could not install or evaluate it.
    Error,
    /// Another definition brings the same template, so that neither is in force.
    Conflict,
}

impl MemberState {
    /// Reads Azure's word; one that is not known says that nothing is.
    pub fn parse(text: &str) -> MemberState {
        let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        match plain.to_ascii_lowercase().as_str() {
            "compliant" => MemberState::Compliant,
            "noncompliant" => MemberState::NonCompliant,
            "exempt" => MemberState::Exempt,
            "conflict" | "conflicting" => MemberState::Conflict,
            "error" => MemberState::Error,
            "notstarted" | "notregistered" => MemberState::NotStarted,
            _ => MemberState::Unknown,
        }
    }

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            MemberState::Compliant => "compliant",
            MemberState::Exempt => "exempt",
            MemberState::NonCompliant => "non-compliant",
            MemberState::NotStarted => "not started",
            MemberState::Unknown => "unknown",
            MemberState::Error => "error",
            MemberState::Conflict => "conflict",
        }
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Count {
    /// As many as were seen.
    pub n: u64,
    /// Whether there may be more. None seen and perhaps more is not known.
    pub at_least: bool,
}

impl Count {
    /// Returns a count that is whole.
    pub fn exactly(n: u64) -> Count {
        Count { n, at_least: false }
    }

    /// Returns a count of which only the lower end is known.
    pub fn at_least(n: u64) -> Count {
        Count { n, at_least: true }
    }

    /// Returns whether it is known that there is none.
    pub fn is_none(self) -> bool {
        self == Count::exactly(0)
    }

    /// Returns this count and another one together.
    pub fn plus(self, other: Count) -> Count {
        Count {
            n: self.n.saturating_add(other.n),
            at_least: self.at_least || other.at_least,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.n, self.at_least) {
            (0, true) => f.write_str("not known"),
            (n, true) => write!(f, "at least {n}"),
            (n, false) => write!(f, "{n}"),
        }
    }
}

impl GateEvidence {
    /// Returns the violations of all members on all clusters that are not left out of account.
    pub fn violations(&self) -> Count {
        let counted = self.clusters.iter().filter(|cluster| cluster.coverage.counts());
        counted.fold(Count::default(), |sum, cluster| sum.plus(cluster.violations()))
    }
}

impl ClusterEvidence {
    /// Returns the violations of all members.
    pub fn violations(&self) -> Count {
        let members = self.members.values();
        members.fold(Count::default(), |sum, member| sum.plus(member.violations))
    }

    /// Returns what the member that was heard of longest ago was heard of; none if there is one that never was.
    pub fn oldest(&self) -> Option<Timestamp> {
        let reported: Option<Vec<Timestamp>> = self.members.values().map(|member| member.reported).collect();
        reported?.into_iter().min()
    }
}

impl Coverage {
    /// Returns whether the cluster's evidence counts: the gate is meant to act there.
    pub fn counts(&self) -> bool {
        !matches!(
            self,
            Coverage::Ignored { .. } | Coverage::Exempt { .. } | Coverage::Excluded
        )
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Coverage::Reporting => f.write_str("reporting"),
            Coverage::NoAddon => f.write_str("add-on off"),
            Coverage::AddonFailing => f.write_str("add-on failing"),
            Coverage::Stopped => f.write_str("stopped"),
            Coverage::NeverSeen => f.write_str("never heard of"),
            Coverage::NotReporting { last } => write!(f, "not heard of since {last}"),
            Coverage::Ignored { until, .. } => write!(f, "ignored until {until}"),
            Coverage::Exempt { until: Some(until) } => write!(f, "exempt until {until}"),
            Coverage::Exempt { until: None } => f.write_str("exempt"),
            Coverage::Excluded => f.write_str("excluded"),
        }
    }
}
