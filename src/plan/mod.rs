//! A plan: every write that an apply would make, with before, after, direction and a fingerprint of what was seen.
//!
//! Owns the plan's types and how one is made ([`make()`]); [`mod@file`] owns its form on disk. Must not know how it is printed or
//! carried out. The same inputs give the same plan; only its header varies with time.

mod checked;
pub mod file;
mod limits;
mod make;
mod references;
#[cfg(test)]
mod tests;

pub use checked::{Checked, check};
pub use limits::{Exceeded, Limit, exceeded};
pub use make::{Inputs, NOT_ASKED_FOR, make};

use crate::evidence::Forecast;
use crate::kinds::{Direction, FieldDirection, Kind, Plane};
use crate::model::{MarkState, ResourceId, STATE_KEY, Timestamp};
use crate::observed::Fingerprint;
pub use crate::remark::{Finding, Held, Reason};
use serde_json::Value;
use std::fmt;

/// A plan for one environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it is a plan of.
    pub header: Header,
    /// The steps in the order in which they are shown: what weakens first, then by plane, kind and object.
    pub steps: Vec<Step>,
    /// What cannot be done now, and why: listed, counted, not pending.
    pub held: Vec<Held>,
    /// What a reader should know besides.
    pub findings: Vec<Finding>,
    /// The limits that it passes: an apply refuses it unless they are raised.
    pub exceeded: Vec<Exceeded>,
    /// Who would be hit if a gate denied that does not yet, by gate.
    pub forecasts: Vec<Forecast>,
}

/// What a plan is of, and when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The environment.
    pub environment: String,
    /// The scope of the environment, such as `managementGroups/contoso`.
    pub scope: String,
    /// The Entra tenant.
    pub tenant: String,
    /// The ARM endpoint, such as `https://management.azure.com`.
    pub endpoint: String,
    /// The gates that it is limited to; empty if it is of the whole environment.
    pub gates: Vec<String>,
    /// The digest of the estate's files.
    pub config_digest: String,
    /// When it was made, by ARM's clock.
    pub time: Timestamp,
    /// When it is too old to be applied.
    pub expires: Timestamp,
    /// Names this plan in output and marks.
    pub plan_id: String,
}

/// What a step does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The object is not there and is made.
    Create,
    /// The object is changed in place.
    Update,
    /// A successor takes the place of an object that cannot be changed in place.
    Replace,
    /// The object goes.
    Delete,
    /// The object is as it should be.
    NoOp,
}

impl Action {
    /// All actions, in the order in which they are counted.
    pub const ALL: [Action; 5] = [
        Action::Create,
        Action::Update,
        Action::Replace,
        Action::Delete,
        Action::NoOp,
    ];

    /// Returns the word for this action.
    pub fn name(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Replace => "replace",
            Action::Delete => "delete",
            Action::NoOp => "no-op",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One write, or the statement that none is needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Names the step within its plan.
    pub id: String,
    /// What kind of object.
    pub kind: Kind,
    /// Which object.
    pub object: ResourceId,
    /// The gate that it belongs to, where it belongs to one.
    pub gate: Option<String>,
    /// Steps that have to be done before.
    pub depends_on: Vec<String>,
    /// What is done.
    pub action: Action,
    /// Whether it tightens or weakens.
    pub direction: Direction,
    /// What of it weakens: each field with its change.
    pub weakens: Vec<String>,
    /// Why, where that is not plain from the change.
    pub reason: Option<String>,
    /// The comparable document before; of the predecessor for a replacement.
    pub before: Option<Value>,
    /// The comparable document after.
    pub after: Option<Value>,
    /// The state of the live object that the step was planned against; none if there was none.
    pub fingerprint: Option<Fingerprint>,
}

impl Step {
    /// Returns whether the step relies on what was heard of the clusters: it closes a gate further, or takes away what closed it until its
    /// successor did.
    pub fn relies_on_evidence(&self) -> bool {
        match (&self.after, self.action) {
            (_, Action::Delete) => {
                let before = self.before.as_ref();
                before.is_some_and(|before| self.kind.closes_further(None, before))
            }
            (Some(after), action) if action != Action::NoOp => self.kind.closes_further(self.before.as_ref(), after),
            _ => false,
        }
    }

    /// Takes over the direction of a change, and what of it weakens.
    fn turn(&mut self, change: Vec<FieldDirection>) {
        self.direction = Direction::of(&change);
        let weaker = change.into_iter().filter(|field| field.direction == Direction::Weakens);
        self.weakens = weaker.map(|field| field.text).collect();
    }

    /// Returns whether the step writes.
    pub fn is_pending(&self) -> bool {
        self.action != Action::NoOp
    }
}

impl Plan {
    /// Returns the steps that write.
    pub fn pending(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.is_pending())
    }

    /// Returns the steps that weaken.
    pub fn weakenings(&self) -> impl Iterator<Item = &Step> {
        self.pending().filter(|step| step.direction == Direction::Weakens)
    }

    /// Returns the guards that its steps are taken past, with the reasons: as the marks say that they write.
    pub fn overrides(&self) -> Vec<(String, String)> {
        let state = |document: &Option<Value>| {
            let text = document
                .as_ref()?
                .pointer(&format!("/properties/metadata/{STATE_KEY}"))?;
            MarkState::parse(text.as_str()?)
        };
        let steps = self
            .pending()
            .filter_map(|step| Some((state(&step.before), state(&step.after)?)));
        let mut found: Vec<(String, String)> = steps
            .flat_map(|(before, after)| after.overrides_since(&before.unwrap_or_default()))
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// Returns how many steps of a plane have an action.
    pub fn count(&self, plane: Plane, action: Action) -> usize {
        self.steps
            .iter()
            .filter(|step| step.kind.plane() == plane && step.action == action)
            .count()
    }
}
