//! What Azure Policy reports of the clusters, as evidence for or against the next step of a gate.
//!
//! Owns what a row of compliance means: how old it is, what it counts, and what its absence says. Must not know how rows are fetched, nor
//! what is decided on them. Absence is never good news: a member without a row is not compliant, it has not been heard of.
//!
//! Two sorts of rows come in. A *state* says of one member on one cluster whether it is kept, and when that was reported: freshness is
//! taken from it alone. A *component* names one object in the cluster that breaks it: these count and name violations, and say nothing of
//! what is not there.

mod broken;
mod facts;
mod forecast;
mod judge;
mod row;
mod scan;
#[cfg(test)]
mod tests;

pub use crate::rollout::{
    ClusterEvidence, Count, Coverage, GateEvidence, MemberEvidence, MemberState, SETTLE, TOO_OLD,
};
pub use broken::{Broken, broken};
pub use facts::{ClusterFacts, Condition, Exempted, Ignored, Member, changed, cluster_facts, exemptions, members};
pub use forecast::{Forecast, Hit, Place, forecast};
pub use judge::{Namespaces, Question, judge};
pub use row::{AllRows, Component, ComponentRow, RowError, RowKey, Rows, StateRow};
pub use scan::{Freshness, Heard, freshness};

/// How many violations Azure Policy keeps for one policy on one cluster ("Understand Azure Policy for Kubernetes clusters", limits).
pub const MOST_VIOLATIONS: u64 = 500;
