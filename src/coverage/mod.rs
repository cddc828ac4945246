//! Whether each gate is closed at each cluster, and why it is not.
//!
//! Owns what counts as closed: it has to be denied there by what is assigned, and the cluster has to have said so since. Must not know how
//! anything was read, nor the words that people are told. What was not heard of is never closed.

mod engine;
mod selector;
#[cfg(test)]
mod tests;

pub use engine::{Engines, engines};

use crate::evidence::{ClusterEvidence, Coverage, Exempted, Freshness, GateEvidence, Heard, MemberState, freshness};
use crate::kinds::stage_at;
use crate::model::{Effect, Period, ResourceId, Stage, Timestamp};
use crate::observed::{Cluster, LiveObject};
use crate::rollout::{Ladder, Position};
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether a gate is closed at a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Something is let by.
    Open,
    /// Nobody can say.
    Unknown,
    /// What breaks its rules is refused there.
    Closed,
}

impl State {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Unknown => "unknown",
            State::Closed => "closed",
        }
    }
}

/// Why a gate is not closed at a cluster, or what is to be known of it where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The gate has no assignment.
    NotAssigned,
    /// The assignment does not reach the cluster.
    NotInScope,
    /// The assignment leaves it out (`notScopes`).
    NotScope,
    /// A selector of the assignment leaves it out.
    Selector,
    /// A selector of the assignment has a form that is not understood here.
    SelectorNotUnderstood,
    /// The assignment is not enforced.
    NotEnforced,
    /// The gate was not closed this far yet.
    RingNotClosed,
    /// It was closed here, and what is assigned only records.
    AuditOnly,
    /// Overrides of the assignment have a form that is not understood here.
    OverridesNotUnderstood,
    /// Some members only record, though the others deny.
    MembersBelow(Vec<String>),
    /// The add-on is off.
    NoAddon,
    /// Every member reports an error.
    AddonFailing,
    /// These members are not in force: each with what it reports.
    MembersFailing(Vec<(String, MemberState)>),
    /// The cluster is stopped.
    Stopped,
    /// Nothing was ever heard of it.
    NeverSeen,
    /// The last report is too old.
    TooOld(Timestamp),
    /// Members were not heard of since the last change: how many, of how many.
    NotSince(usize, usize),
    /// The environment's file leaves the cluster out of account until then.
    Ignored(Timestamp),
    /// An exemption lets it off.
    Exempt {
        /// Until when, if it ends.
        until: Option<Timestamp>,
        /// The members that are let off; all of them if there is none.
        members: Vec<String>,
        /// Whether it is ours.
        ours: bool,
    },
}

impl Reason {
    /// Returns what it makes of a gate that would be closed otherwise.
    pub fn state(&self) -> State {
        match self {
            Reason::SelectorNotUnderstood
            | Reason::OverridesNotUnderstood
            | Reason::Stopped
            | Reason::NeverSeen
            | Reason::TooOld(_)
            | Reason::NotSince(..) => State::Unknown,
            Reason::MembersFailing(members) if members.iter().all(|(_, state)| *state == MemberState::Unknown) => {
                State::Unknown
            }
            _ => State::Open,
        }
    }

    /// Returns whether the estate itself wants it so.
    pub fn is_wanted(&self) -> bool {
        matches!(
            self,
            Reason::Ignored(_) | Reason::Exempt { ours: true, .. } | Reason::RingNotClosed
        )
    }

    /// Returns its name for a program.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::NotAssigned => "not-assigned",
            Reason::NotInScope => "not-in-scope",
            Reason::NotScope => "not-scope",
            Reason::Selector => "selector",
            Reason::SelectorNotUnderstood => "selector-not-understood",
            Reason::NotEnforced => "not-enforced",
            Reason::RingNotClosed => "ring-not-closed",
            Reason::AuditOnly => "audit-only",
            Reason::OverridesNotUnderstood => "overrides-not-understood",
            Reason::MembersBelow(_) => "members-audit-only",
            Reason::NoAddon => "no-add-on",
            Reason::AddonFailing => "add-on-failing",
            Reason::MembersFailing(_) => "members-failing",
            Reason::Stopped => "stopped",
            Reason::NeverSeen => "never-seen",
            Reason::TooOld(_) => "too-old",
            Reason::NotSince(..) => "not-since-last-change",
            Reason::Ignored(_) => "ignored",
            Reason::Exempt { .. } => "exempt",
        }
    }
}

/// A gate at a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whether it is closed.
    pub state: State,
    /// Whether it was closed there: its position says so.
    pub should_be_closed: bool,
    /// The ring that the cluster is in.
    pub ring: String,
    /// Why it is not closed.
    pub reasons: Vec<Reason>,
    /// Members that only record because their definitions know no deny, or were not asked to.
    pub below: Vec<String>,
    /// The oldest report of a member, if all have reported.
    pub reported: Option<Timestamp>,
}

impl Cell {
    /// Returns whether the gate was closed there and is open, for a reason that is not the estate's own.
    pub fn is_breach(&self) -> bool {
        let opens = |reason: &Reason| reason.state() == State::Open && !reason.is_wanted();
        self.should_be_closed && self.state == State::Open && self.reasons.iter().any(opens)
    }

    /// Returns whether the gate was closed there and nobody can say that it is.
    pub fn is_doubtful(&self) -> bool {
        self.should_be_closed && self.state == State::Unknown
    }
}

/// An assignment of a gate: one generation of it.
#[derive(Clone, Debug)]
pub struct Assigned<'a> {
    /// The assignment.
    pub object: &'a LiveObject,
    /// What was heard of the clusters.
    pub evidence: &'a GateEvidence,
    /// The exemptions from it that are in force, each with whether it is ours.
    pub exemptions: &'a [(Exempted, bool)],
    /// The effects that members reported to have, by cluster and by member in lower case.
    pub effects: &'a BTreeMap<(ResourceId, String), Effect>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The gate's way.
    pub ladder: Ladder<'a>,
    /// Its assignments.
    pub assigned: &'a [Assigned<'a>],
    /// The clusters.
    pub clusters: &'a [Cluster],
    /// How long after a change a report counts.
    pub settle: Period,
    /// Now.
    pub now: Timestamp,
}

/// Returns whether a gate is closed at each of the clusters, in their order.
///
/// A gate with several generations is closed where one of them closes it.
pub fn judge(question: Question<'_>) -> Vec<Cell> {
    let known: Vec<Known<'_>> = question
        .assigned
        .iter()
        .map(|assigned| Known::new(assigned, question))
        .collect();
    let of = |cluster: &Cluster| {
        let ring = ring_of(question.ladder, cluster);
        let name = question.ladder.ring_name(ring).to_owned();
        let cells = known.iter().map(|known| known.cell(question, cluster, (ring, &name)));
        // Of the same state the one that was closed says why, and of these the newest.
        let best = cells.max_by_key(|cell| (cell.state, cell.should_be_closed));
        let any = known.iter().any(|known| known.should_be_closed(question.ladder, ring));
        match best {
            Some(cell) => Cell {
                should_be_closed: any,
                ..cell
            },
            None => Cell {
                state: State::Open,
                should_be_closed: false,
                ring: name,
                reasons: vec![Reason::NotAssigned],
                below: Vec::new(),
                reported: None,
            },
        }
    };
    question.clusters.iter().map(of).collect()
}

/// The ring that a cluster belongs to as a whole.
fn ring_of(ladder: Ladder<'_>, cluster: &Cluster) -> usize {
    let rings = 0..ladder.steps().saturating_sub(1);
    let takes =
        |ring: &usize| !ladder.area(*ring).divides_clusters() && ladder.takes(*ring, &cluster.id, &cluster.location);
    let found = rings.into_iter().find(takes);
    found.unwrap_or_else(|| ladder.steps().saturating_sub(1))
}

/// An assignment with what is looked up in it.
struct Known<'a> {
    assigned: &'a Assigned<'a>,
    clusters: BTreeMap<&'a ResourceId, (&'a ClusterEvidence, Freshness)>,
    /// Where its mark says that it was put.
    put: Option<Position>,
}

impl<'a> Known<'a> {
    fn new(assigned: &'a Assigned<'a>, question: Question<'_>) -> Known<'a> {
        let heard = freshness(assigned.evidence, None, question.settle, question.now);
        let clusters = assigned.evidence.clusters.iter().zip(heard);
        // How far a gate was closed stands in the mark of the assignment that holds all of it.
        let is_part = assigned.object.mark().is_some_and(|mark| !mark.is_whole());
        let state = assigned.object.mark_state().filter(|_| !is_part);
        Known {
            assigned,
            clusters: clusters
                .map(|(cluster, heard)| (&cluster.id, (cluster, heard)))
                .collect(),
            put: state.and_then(|state| Position::parse(&state.position)),
        }
    }

    fn should_be_closed(&self, ladder: Ladder<'_>, ring: usize) -> bool {
        self.put.is_some_and(|put| ladder.closed(put) > ring)
    }

    fn property(&self, name: &str) -> Option<&Value> {
        self.assigned.object.wire.get("properties")?.get(name)
    }

    fn cell(&self, question: Question<'_>, cluster: &Cluster, (ring, ring_name): (usize, &str)) -> Cell {
        let should_be_closed = self.should_be_closed(question.ladder, ring);
        let mut cell = Cell {
            state: State::Closed,
            should_be_closed,
            ring: ring_name.to_owned(),
            reasons: Vec::new(),
            below: Vec::new(),
            reported: None,
        };
        match self.clusters.get(&cluster.id) {
            None => cell.reasons.push(Reason::NotInScope),
            Some((evidence, heard)) => {
                cell.reported = evidence.oldest();
                self.assigned_there(&mut cell, (evidence, heard));
                self.reached(&mut cell, evidence);
                heard_of(&mut cell, evidence, heard);
            }
        }
        let states = cell.reasons.iter().map(Reason::state);
        cell.state = states.min().unwrap_or(State::Closed);
        cell
    }

    /// Whether what is assigned denies there.
    fn assigned_there(&self, cell: &mut Cell, (cluster, heard): (&ClusterEvidence, &Freshness)) {
        let enforced = self.property("enforcementMode").and_then(Value::as_str);
        let enforced = enforced.is_none_or(|mode| mode.eq_ignore_ascii_case("Default"));
        let stage = |member: &str| stage_at(&self.assigned.object.wire, &cluster.location, member);
        // One more name stands for whatever member is not named.
        let stages: Option<Vec<(&str, Stage)>> = match cluster.members.is_empty() {
            true => stage("").map(|stage| vec![("", stage)]),
            false => cluster
                .members
                .keys()
                .map(|member| Some((member.as_str(), stage(member)?)))
                .collect(),
        };
        let Some(stages) = stages else {
            cell.reasons.push(Reason::OverridesNotUnderstood);
            return;
        };
        let names = |of: &dyn Fn(&str, Stage) -> bool| -> Vec<String> {
            let found = stages.iter().filter(|(member, stage)| of(member, *stage));
            found.map(|(member, _)| (*member).to_owned()).collect()
        };
        let opened = names(&|_, stage| stage < Stage::Deny);
        // Of a member that reports another effect than the assignment gives, a report that is late enough holds: its definition knows no
        // deny.
        let settled = matches!(heard.heard, Heard::Reported(_));
        let reported = |member: &str| {
            let key = (cluster.id.clone(), member.to_owned());
            self.assigned.effects.get(&key).copied().filter(|_| settled)
        };
        cell.below = names(&|member, stage| {
            stage == Stage::Deny && reported(member).is_some_and(|effect| effect == Effect::Audit)
        });
        if opened.len() == stages.len() {
            cell.reasons.push(match cell.should_be_closed {
                true => Reason::AuditOnly,
                false => Reason::RingNotClosed,
            });
        } else if !opened.is_empty() {
            cell.reasons.push(Reason::MembersBelow(opened));
        } else if !cell.below.is_empty() && cell.below.len() == stages.len() {
            cell.reasons.push(Reason::AuditOnly);
        }
        if !enforced {
            cell.reasons.push(Reason::NotEnforced);
        }
        let selectors = self.property("resourceSelectors");
        match selector::takes(selectors, &cluster.location) {
            Some(true) => {}
            Some(false) => cell.reasons.push(Reason::Selector),
            None => cell.reasons.push(Reason::SelectorNotUnderstood),
        }
    }

    /// Whether anything lets the cluster off.
    fn reached(&self, cell: &mut Cell, cluster: &ClusterEvidence) {
        match &cluster.coverage {
            Coverage::Excluded => cell.reasons.push(Reason::NotScope),
            Coverage::Ignored { until, .. } => cell.reasons.push(Reason::Ignored(*until)),
            _ => {}
        }
        let facts = |exempted: &Exempted| exempted.takes(&cluster.id, &cluster.location);
        for (exempted, ours) in self.assigned.exemptions.iter().filter(|(exempted, _)| facts(exempted)) {
            cell.reasons.push(Reason::Exempt {
                until: exempted.until,
                members: exempted.members.clone(),
                ours: *ours,
            });
        }
    }
}

/// Whether the cluster said that the gate is in force there.
fn heard_of(cell: &mut Cell, cluster: &ClusterEvidence, heard: &Freshness) {
    match &cluster.coverage {
        Coverage::NoAddon => cell.reasons.push(Reason::NoAddon),
        Coverage::AddonFailing => cell.reasons.push(Reason::AddonFailing),
        Coverage::Stopped => cell.reasons.push(Reason::Stopped),
        Coverage::NeverSeen => cell.reasons.push(Reason::NeverSeen),
        Coverage::NotReporting { last } => cell.reasons.push(Reason::TooOld(*last)),
        Coverage::Reporting => {
            match heard.heard {
                Heard::NotYet { awaited, of } => cell.reasons.push(Reason::NotSince(awaited, of)),
                Heard::TooOld(at) => cell.reasons.push(Reason::TooOld(at)),
                Heard::Reported(_) | Heard::Cannot(_) | Heard::NotAsked(_) => {}
            }
            let failing = cluster.members.iter().filter(|(_, member)| {
                let failing = [MemberState::Error, MemberState::Conflict, MemberState::Unknown];
                failing.contains(&member.state)
            });
            let failing: Vec<_> = failing.map(|(name, member)| (name.clone(), member.state)).collect();
            if !failing.is_empty() {
                cell.reasons.push(Reason::MembersFailing(failing));
            }
        }
        Coverage::Ignored { .. } | Coverage::Exempt { .. } | Coverage::Excluded => {}
    }
}
