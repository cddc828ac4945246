//! How far a gate may be closed now: the ladder as a pure function.
//!
//! Owns the decision and its words, and the form of the evidence that it is made on. Must not know documents; what was read live comes in as
//! a [`Standing`]. A step is taken only if every guard is open, and no two steps at once: [`decide`] says the next position or what
//! holds it.

mod enablement;
mod evidence;
mod guards;
mod ladder;
mod position;
#[cfg(test)]
mod tests;

pub use crate::config::SETTLE;
pub use enablement::decide_enablement;
pub use evidence::{ClusterEvidence, Count, Coverage, GateEvidence, MemberEvidence, MemberState, TOO_OLD};
pub use guards::{Source, SourceGate, overtaken};
pub use ladder::{Question, decide};
pub use position::{Ladder, Position};

use crate::model::{Period, ResourceId, Timestamp};
use std::fmt;

/// Where a gate stands in Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The position that its effect and overrides stand for.
    pub position: Position,
    /// The position that the mark names; another one than the effect's means that somebody changed one of them by hand.
    pub marked: Option<Position>,
    /// Since when, from the mark; none if unknown or the mark's content is not what will stand there now.
    pub since: Option<Timestamp>,
}

/// A cluster in scope on which the gate would not act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uncovered {
    /// The cluster's name.
    pub cluster: String,
    /// Why, such as `add-on off`.
    pub reason: String,
    /// Its id.
    pub id: ResourceId,
    /// Its location; empty if it is not known.
    pub location: String,
}

/// A guard: something that has to hold before a step to deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// Nobody paused the gate.
    Pause,
    /// The gate has stood at its position for the soak time.
    Soak,
    /// Every cluster in scope and ring runs the add-on and reports, without conflict or error.
    Coverage,
    /// There is compliance data at all.
    Evidence,
    /// Compliance data is newer than the last change, and not too old.
    Freshness,
    /// The violations in the ring are within the limit.
    Violations,
    /// The rings that are closed already report and are sound.
    InnerRing,
    /// The environment that the gate comes from stands there with the same content.
    SourceEnvironment,
    /// What Azure has of the gate's built-ins is what is locked.
    Lock,
    /// It is the time of day and year for it.
    Window,
    /// A person has seen the plan.
    Approval,
}

impl Guard {
    /// All guards, in the order in which they are told.
    pub const ALL: [Guard; 11] = [
        Guard::Pause,
        Guard::Soak,
        Guard::Coverage,
        Guard::Evidence,
        Guard::Freshness,
        Guard::Violations,
        Guard::InnerRing,
        Guard::SourceEnvironment,
        Guard::Lock,
        Guard::Window,
        Guard::Approval,
    ];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Guard::Pause => "pause",
            Guard::Soak => "soak",
            Guard::Coverage => "coverage",
            Guard::Evidence => "evidence",
            Guard::Freshness => "freshness",
            Guard::Violations => "violations",
            Guard::InnerRing => "inner-ring",
            Guard::SourceEnvironment => "source-environment",
            Guard::Lock => "lock",
            Guard::Window => "window",
            Guard::Approval => "approval",
        }
    }

    /// Reads the word for a guard.
    pub fn parse(text: &str) -> Option<Guard> {
        Guard::ALL.into_iter().find(|guard| guard.name() == text)
    }

    /// Returns whether a step may be taken past it with a reason. A pause is ended by `resume`, changed content is accepted by `lock`, and
    /// who approves is not for the one to say who asks.
    pub fn can_be_overridden(self) -> bool {
        !matches!(self, Guard::Pause | Guard::Lock | Guard::Approval)
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A guard that is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Which one.
    pub guard: Guard,
    /// What is missing, in a sentence without a full stop.
    pub sentence: String,
    /// When it opens, where that can be known.
    pub opens: Option<Timestamp>,
}

/// What is to be done with a gate now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The position to write.
    pub position: Position,
    /// The position after it that is held, and why; none if the target is reached.
    pub held: Option<(Position, Vec<Hold>)>,
    /// The guards that are closed and were overridden for the step that is taken.
    pub overridden: Vec<Hold>,
    /// What somebody changed by hand, said as what it is.
    pub remark: Option<String>,
}

impl Decision {
    fn still(position: Position) -> Decision {
        Decision {
            position,
            held: None,
            overridden: Vec::new(),
            remark: None,
        }
    }
}

fn soak_hold(standing: &str, since: Option<Timestamp>, soak: Period, now: Timestamp) -> Option<Hold> {
    let sentence = match since {
        None => {
            let sentence = format!("has to stand at {standing} for {soak}, counted from the apply that puts it there");
            return (soak.seconds() > 0).then_some(Hold {
                guard: Guard::Soak,
                sentence,
                opens: None,
            });
        }
        Some(since) if since > now => {
            format!("its mark says it stands at {standing} since {since}, which lies in the future")
        }
        Some(since) if now.since(since) >= soak => return None,
        Some(since) => format!("stands at {standing} for {} of {soak}", now.since(since)),
    };
    Some(Hold {
        guard: Guard::Soak,
        sentence,
        opens: since.map(|since| since.plus(soak)),
    })
}
