//! Whether what clusters need gets through.

use super::facts::Endpoint;
use super::name::NamePattern;
use super::need::{Cluster, Need, Path, needs};
use crate::config::Cloud;

/// Something that lets traffic through or does not.
pub trait Judge {
    /// Says whether all names of `wanted` get through at the endpoint's port.
    fn judge(&self, endpoint: &Endpoint, wanted: &NamePattern) -> Answer;
}

/// Whether something gets through, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does.
    Allowed,
    /// A rule may let it through, and it cannot be told.
    Unknown,
    /// Only some of the names do.
    Narrower,
    /// No rule lets it through.
    Missing,
    /// A rule stops it.
    Denied,
}

impl Verdict {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Allowed => "allowed",
            Verdict::Unknown => "unknown",
            Verdict::Narrower => "narrower",
            Verdict::Missing => "missing",
            Verdict::Denied => "denied",
        }
    }
}

/// A verdict and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule or the name that decides, or why it cannot be told; empty if there is none.
    pub because: String,
}

impl Answer {
    pub(super) fn narrower_or_missing(narrower: &[String]) -> Answer {
        let verdict = match narrower {
            [] => Verdict::Missing,
            _ => Verdict::Narrower,
        };
        let because = match narrower {
            [] => String::new(),
            few => format!("only {} gets through", few.join(", ")),
        };
        Answer { verdict, because }
    }
}

/// What came of comparing the needs of clusters with what gets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check<'a> {
    /// Each endpoint with the worst answer of its clusters, in the order of names.
    pub answers: Vec<(Need<'a>, Answer)>,
    /// The clusters that nothing leaves, whatever a firewall lets through.
    pub blocked: Vec<&'a Cluster>,
}

impl<'a> Check<'a> {
    /// Returns what does not surely get through.
    pub fn missing(&self) -> impl Iterator<Item = &(Need<'a>, Answer)> {
        self.answers
            .iter()
            .filter(|(_, answer)| answer.verdict != Verdict::Allowed)
    }

    /// Returns whether everything gets through.
    pub fn is_well(&self) -> bool {
        self.missing().next().is_none() && self.blocked.is_empty()
    }
}

/// Compares what clusters need with what gets through.
///
/// Where a pattern stands for a cluster's own name, such as that of its API server, the name alone suffices.
pub fn check<'a>(cloud: Cloud, clusters: &[&'a Cluster], judge: &dyn Judge) -> Check<'a> {
    let blocked = clusters
        .iter()
        .copied()
        .filter(|cluster| cluster.outbound.path() == Path::Blocked && !cluster.features.is_empty());
    let answers = needs(cloud, clusters.iter().copied()).into_iter().map(|need| {
        let whole = judge.judge(&need.endpoint, &need.endpoint.name);
        if whole.verdict == Verdict::Allowed {
            return (need, whole);
        }
        let of_own = need.clusters.iter().map(|(_, own)| match own {
            Some(own) => judge.judge(&need.endpoint, own),
            None => whole.clone(),
        });
        let worst = of_own.max_by_key(|answer| answer.verdict).unwrap_or(whole);
        (need, worst)
    });
    Check {
        answers: answers.collect(),
        blocked: blocked.collect(),
    }
}
