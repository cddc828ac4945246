//! Which limits a plan passes: how much of what is there it takes away.
//!
//! Counted is what stands for itself. What goes with an assignment (its roles, its exemptions, the definitions that nothing else
//! uses) is not counted again, and what a successor leaves behind was counted when the successor came.

use super::references::references;
use super::{Action, Plan, Step};
use crate::kinds::{Direction, Kind};
use crate::model::{FEW, Limits, Percent, Timestamp};
use serde_json::Value;
use std::collections::BTreeSet;

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Objects that are deleted and whose place nothing takes.
    Deletes,
    /// Objects whose place a successor takes.
    Replaces,
    /// Objects that are weakened and stay.
    Weakenings,
    /// All of these together, of all that is owned.
    Share,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 4] = [Limit::Deletes, Limit::Replaces, Limit::Weakenings, Limit::Share];

    /// Returns its key in an environment's `limits`; `--max-` before it is the option that raises it once.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Deletes => "deletes",
            Limit::Replaces => "replaces",
            Limit::Weakenings => "weakenings",
            Limit::Share => "share",
        }
    }

    /// Reads a key.
    pub fn parse(text: &str) -> Option<Limit> {
        Limit::ALL.into_iter().find(|limit| limit.name() == text)
    }
}

/// A limit that a plan passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which one.
    pub limit: Limit,
    /// How many steps count against it.
    pub found: u64,
    /// How many objects are owned.
    pub owned: u64,
    /// How much it allows: a number, or a share.
    pub allowed: String,
    /// How much it would have to allow.
    pub needed: String,
}

impl Exceeded {
    /// Returns what is too much, in a sentence.
    pub fn sentence(&self) -> String {
        let (found, allowed) = (self.found, &self.allowed);
        let steps = |one: &str, more: &str| {
            if found == 1 {
                format!("1 step {one}")
            } else {
                format!("{found} steps {more}")
            }
        };
        match self.limit {
            Limit::Deletes => format!("{}, and one apply may delete {allowed}", steps("deletes", "delete")),
            Limit::Replaces => format!("{}, and one apply may replace {allowed}", steps("replaces", "replace")),
            Limit::Weakenings => format!("{}, and one apply may weaken {allowed}", steps("weakens", "weaken")),
            Limit::Share => format!(
                "{} of {} owned objects would be deleted, replaced or weakened, and one apply may touch {allowed} of them",
                found, self.owned
            ),
        }
    }

    /// Returns the option that allows it once.
    pub fn option(&self) -> String {
        format!("--max-{} {}", self.limit.name(), self.needed)
    }
}

/// Returns the limits that a plan passes. `owned` is how many objects of the environment carry our mark; `counts` leaves out steps that are
/// asked for by themselves, or are not written.
pub fn exceeded(plan: &Plan, limits: &Limits, owned: u64, counts: impl Fn(&Step) -> bool) -> Vec<Exceeded> {
    let lost = Lost::of(plan);
    let counted: Vec<(&Step, Vec<Limit>)> = plan
        .pending()
        .filter(|step| counts(step))
        .map(|step| (step, lost.limits(step)))
        .collect();
    let count = |limit: Limit| number(counted.iter().filter(|(_, of)| of.contains(&limit)).count());
    // What is ours to write without a mark counts as owned while it is there.
    let unmarked = plan
        .steps
        .iter()
        .filter(|step| !step.kind.is_marked() && step.fingerprint.is_some());
    let owned = owned.saturating_add(number(unmarked.count()));
    let mut found = Vec::new();
    for (limit, allowed) in [
        (Limit::Deletes, limits.deletes),
        (Limit::Replaces, limits.replaces),
        (Limit::Weakenings, limits.weakenings),
    ] {
        let count = count(limit);
        if count > allowed {
            found.push(Exceeded {
                limit,
                found: count,
                owned,
                allowed: allowed.to_string(),
                needed: count.to_string(),
            });
        }
    }
    let touched = number(counted.iter().filter(|(step, _)| lost.is_touched(step)).count());
    if owned >= FEW && limits.share.is_passed_by(touched, owned) {
        found.push(Exceeded {
            limit: Limit::Share,
            found: touched,
            owned,
            allowed: limits.share.to_string(),
            needed: Percent::least(touched, owned).to_string(),
        });
    }
    found
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What a plan takes away for good.
struct Lost {
    /// All assignments that are deleted.
    deleted: BTreeSet<String>,
    /// Those whose gates have none left.
    assignments: BTreeSet<String>,
    /// The definitions that only those use.
    definitions: BTreeSet<(Kind, String)>,
    now: Timestamp,
}

impl Lost {
    fn of(plan: &Plan) -> Lost {
        let deleted = || plan.pending().filter(|step| step.action == Action::Delete);
        let kept: BTreeSet<Option<&String>> = plan
            .steps
            .iter()
            .filter(|step| step.kind == Kind::PolicyAssignment && step.action != Action::Delete)
            .map(|step| step.gate.as_ref())
            .collect();
        let gone =
            || deleted().filter(|step| step.kind == Kind::PolicyAssignment && !kept.contains(&step.gate.as_ref()));
        let named = |step: &Step| {
            step.before
                .as_ref()
                .map(|before| references(step.kind, before))
                .unwrap_or_default()
        };
        let mut definitions: BTreeSet<(Kind, String)> = gone().flat_map(named).collect();
        let sets = deleted().filter(|step| definitions.contains(&(step.kind, step.object.key())));
        let members: Vec<(Kind, String)> = sets.flat_map(named).collect();
        definitions.extend(members);
        Lost {
            deleted: deleted()
                .filter(|step| step.kind == Kind::PolicyAssignment)
                .map(|step| step.object.key())
                .collect(),
            assignments: gone().map(|step| step.object.key()).collect(),
            definitions,
            now: plan.header.time,
        }
    }

    /// The limits that a step counts against.
    fn limits(&self, step: &Step) -> Vec<Limit> {
        let mut found = match step.action {
            Action::Delete if self.is_lost(step) => return vec![Limit::Deletes],
            Action::Replace if step.kind == Kind::PolicyAssignment => vec![Limit::Replaces],
            _ => Vec::new(),
        };
        if step.direction == Direction::Weakens {
            found.push(Limit::Weakenings);
        }
        found
    }

    /// Whether a delete counts by itself: an assignment whose gate has no other one, and an exemption that still holds, from an assignment
    /// that stays.
    fn is_lost(&self, step: &Step) -> bool {
        match step.kind {
            Kind::PolicyAssignment => self.assignments.contains(&step.object.key()),
            Kind::PolicyExemption => {
                let before = step.before.as_ref();
                let ends = before
                    .and_then(|before| before.pointer("/properties/expiresOn"))
                    .and_then(Value::as_str);
                let ended = ends.and_then(Timestamp::parse).is_some_and(|ends| ends <= self.now);
                let from = before.map(|before| references(step.kind, before)).unwrap_or_default();
                let goes = from.iter().any(|(_, assignment)| self.deleted.contains(assignment));
                !ended && !goes
            }
            _ => false,
        }
    }

    /// Whether a step takes something from an object that is there.
    fn is_touched(&self, step: &Step) -> bool {
        let with_its_gate = step.action == Action::Delete && self.definitions.contains(&(step.kind, step.object.key()));
        step.before.is_some() && (with_its_gate || !self.limits(step).is_empty())
    }
}
