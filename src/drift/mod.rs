//! What is not as the estate wants it: a comparison, and who may have made the difference.
//!
//! Owns what counts as drift, and what tells a change by hand from one that was never applied. Must not know how the live objects were read,
//! nor how it is printed. It is made from a plan in which every gate stands where its mark says that it was put: a step that is due is no
//! drift.

mod assignment;
#[cfg(test)]
mod tests;

use crate::diff::changes;
use crate::kinds::{Direction, Kind, Meanings, Plane};
use crate::model::{MarkState, ResourceId, STATE_KEY, Timestamp};
use crate::observed::{LiveObject, Observed};
use crate::plan::{Action, Held, Plan, Required, Step};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that is not as the estate wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// What sort of difference it is.
    pub what: What,
    /// The plane that it is in.
    pub plane: Plane,
    /// The kind of object; none where several may be meant.
    pub kind: Option<Kind>,
    /// The object; none where several may be meant.
    pub object: Option<ResourceId>,
    /// The name that a person knows it by.
    pub name: String,
    /// The gate that it belongs to, where it belongs to one.
    pub gate: Option<String>,
    /// Who may have made it.
    pub cause: Cause,
    /// Whether what is there holds back more or less than what should be.
    pub direction: Direction,
    /// The fields that differ.
    pub fields: Vec<Field>,
    /// Who wrote the object last, where Azure says so.
    pub writer: Option<Writer>,
    /// What a reader should know, in sentences without a full stop.
    pub remarks: Vec<String>,
}

/// What sort of difference something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The object is there, and other than it should be.
    Changed,
    /// It should be there and is not.
    Missing,
    /// Somebody made it, and it bears on a gate.
    Added,
    /// It is ours, and the estate does not ask for it.
    Unwanted,
    /// It cannot be compared now.
    NotCompared,
}

impl What {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            What::Changed => "changed",
            What::Missing => "missing",
            What::Added => "added",
            What::Unwanted => "unwanted",
            What::NotCompared => "not compared",
        }
    }
}

/// Who may have made a difference, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The estate was changed, and no apply has written it: no drift.
    NotApplied,
    /// It cannot be told.
    Unknown,
    /// Somebody changed it in Azure after the last apply.
    ByHand,
}

impl Cause {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Cause::NotApplied => "not applied",
            Cause::Unknown => "unknown",
            Cause::ByHand => "by hand",
        }
    }
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The way to it, such as `parameters.effect.value`.
    pub path: String,
    /// What should stand there; none if nothing should.
    pub wanted: Option<Value>,
    /// What stands there; none if nothing does.
    pub found: Option<Value>,
    /// Who may have changed it.
    pub cause: Cause,
}

/// Who wrote an object last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// A user, an application or an identity.
    pub by: String,
    /// When.
    pub at: Option<Timestamp>,
}

/// What a comparison is made from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The estate's owner.
    pub owner: &'a str,
    /// The plan in which every gate stands where it was put.
    pub plan: &'a Plan,
    /// The documents that the plan is made from.
    pub documents: &'a BTreeMap<(Kind, ResourceId), Arc<Value>>,
    /// What the parameters of each document are to its rules.
    pub meanings: &'a BTreeMap<(Kind, ResourceId), Meanings>,
    /// What is live.
    pub observed: &'a Observed,
    /// What is required and does not hold, where somebody else has to change it.
    pub required: &'a [Required],
}

impl Drift {
    /// Returns whether it is drift: all but what the estate asks for since the last apply.
    pub fn counts(&self) -> bool {
        self.cause != Cause::NotApplied
    }
}

/// Returns everything that is not as the estate wants it: what lets more through first, then by plane and object.
pub fn find(inputs: Inputs<'_>) -> Vec<Drift> {
    let gates = assignment::contents(inputs.plan);
    let pending = inputs.plan.pending();
    let mut found: Vec<Drift> = pending.map(|step| of_step(inputs, &gates, step)).collect();
    found.extend(assignment::additions(inputs));
    found.extend(inputs.plan.held.iter().filter_map(held));
    found.extend(inputs.required.iter().map(|required| lacking(inputs, required)));
    found.extend(exemptions_of_others(inputs));
    found.sort_by(|one, two| {
        let rank = |drift: &Drift| {
            let object = drift.object.as_ref().map(ResourceId::key);
            (
                !drift.counts(),
                drift.direction,
                drift.plane,
                drift.name.clone(),
                object,
            )
        };
        rank(one).cmp(&rank(two))
    });
    found
}

/// Returns which way an object went from what should be to what is.
fn direction(
    inputs: Inputs<'_>,
    (kind, object): (Kind, &ResourceId),
    wanted: Option<&Value>,
    found: Option<&Value>,
) -> Direction {
    let unknown = Meanings::default();
    let meanings = inputs.meanings.get(&(kind, object.clone())).unwrap_or(&unknown);
    Direction::of(&kind.directions(wanted, found, meanings))
}

/// Returns who wrote an object last, where Azure says so.
fn writer(object: Option<&LiveObject>) -> Option<Writer> {
    let system = object?.wire.get("systemData")?;
    let text = |key: &str| system.get(key).and_then(Value::as_str);
    Some(Writer {
        by: text("lastModifiedBy")?.to_owned(),
        at: text("lastModifiedAt").and_then(Timestamp::parse),
    })
}

/// The name that a person knows an object by: a cluster's or a subscription's own, else the resource's.
fn name(observed: &Observed, kind: Kind, id: &ResourceId) -> String {
    let cluster = id
        .value_of("managedClusters")
        .or_else(|| id.value_of("connectedClusters"));
    let subscription = || {
        let id = id.value_of("subscriptions").filter(|_| kind == Kind::DefenderPlan)?;
        let mut known = observed.subscriptions.iter();
        let known = known.find(|known| known.id.eq_ignore_ascii_case(id));
        Some(known.map_or(id, |known| &known.name))
    };
    cluster.or_else(subscription).unwrap_or_else(|| id.name()).to_owned()
}

/// Returns the fields in which two comparable documents differ.
fn fields(wanted: &Value, found: &Value, cause: &dyn Fn(&str) -> Option<Cause>) -> Vec<Field> {
    let found = changes(wanted, found).into_iter().filter_map(|change| {
        let path = change.path.strip_prefix("properties.").unwrap_or(&change.path);
        Some(Field {
            cause: cause(path)?,
            path: path.to_owned(),
            wanted: change.before,
            found: change.after,
        })
    });
    found.collect()
}

fn of_step(inputs: Inputs<'_>, gates: &BTreeMap<&str, assignment::Content>, step: &Step) -> Drift {
    let live = inputs.observed.get(step.kind, &step.object);
    let content = step.gate.as_deref().and_then(|gate| gates.get(gate)).copied();
    let (before, after) = (step.before.as_ref(), step.after.as_ref());
    let mut drift = Drift {
        what: What::Changed,
        plane: step.kind.plane(),
        kind: Some(step.kind),
        object: Some(step.object.clone()),
        name: name(inputs.observed, step.kind, &step.object),
        gate: step.gate.clone(),
        cause: Cause::Unknown,
        // A plan goes from what is there to what should be; drift went the other way.
        direction: direction(inputs, (step.kind, &step.object), after, before),
        fields: Vec::new(),
        writer: writer(live),
        remarks: Vec::new(),
    };
    match step.action {
        Action::Create => {
            drift.what = What::Missing;
            let (cause, remark) = assignment::missing(step.kind, content);
            drift.cause = cause;
            drift.remarks.push(remark.to_owned());
        }
        Action::Delete => {
            drift.what = What::Unwanted;
            (drift.cause, drift.direction) =
                match before.is_some_and(|before| assignment::was_opened(step.kind, before)) {
                    true => (Cause::ByHand, Direction::Weakens),
                    false => (Cause::NotApplied, drift.direction),
                };
            if drift.cause == Cause::ByHand {
                drift
                    .remarks
                    .push("denies nowhere, though its mark says that it does".to_owned());
            }
            drift.remarks.extend(step.reason.clone());
        }
        Action::Update | Action::Replace | Action::NoOp => {
            let (wanted, found) = (after.cloned().unwrap_or_default(), before.cloned().unwrap_or_default());
            let same = assignment::same_content(before, after);
            drift.fields = fields(&wanted, &found, &|path| assignment::cause(step.kind, path, same));
            let worst = drift.fields.iter().map(|field| field.cause).max();
            drift.cause = worst.unwrap_or(Cause::Unknown);
            if step.action == Action::Replace && same != Some(true) {
                drift.cause = Cause::NotApplied;
                drift
                    .fields
                    .iter_mut()
                    .for_each(|field| field.cause = Cause::NotApplied);
            }
            drift
                .remarks
                .extend(step.reason.clone().filter(|_| step.action == Action::Replace));
        }
    }
    drift
}

/// What is held and no step of a ladder: it is not as it should be, or could not be compared.
fn held(held: &Held) -> Option<Drift> {
    let stands = ["state", "override", "lock"];
    let mut reasons = held
        .reasons
        .iter()
        .filter(|reason| stands.contains(&reason.guard.as_str()))
        .peekable();
    reasons.peek()?;
    Some(Drift {
        what: What::NotCompared,
        plane: held.plane,
        kind: None,
        object: None,
        name: held.subject.clone(),
        gate: (held.plane == Plane::Policy).then(|| held.subject.clone()),
        cause: Cause::Unknown,
        direction: Direction::Neutral,
        fields: Vec::new(),
        writer: None,
        remarks: reasons
            .map(|reason| format!("{}: {}", held.what, reason.sentence))
            .collect(),
    })
}

/// What is required and does not hold.
fn lacking(inputs: Inputs<'_>, required: &Required) -> Drift {
    let live = inputs.observed.get(required.kind, &required.object);
    Drift {
        what: match required.found {
            Some(_) => What::Changed,
            None => What::Missing,
        },
        plane: required.kind.plane(),
        kind: Some(required.kind),
        object: Some(required.object.clone()),
        name: name(inputs.observed, required.kind, &required.object),
        gate: None,
        cause: Cause::Unknown,
        direction: direction(
            inputs,
            (required.kind, &required.object),
            Some(&required.wanted),
            required.found.as_ref(),
        ),
        fields: match &required.found {
            Some(found) => fields(&required.wanted, found, &|_| Some(Cause::Unknown)),
            None => Vec::new(),
        },
        writer: writer(live),
        remarks: vec![format!("`mode: {}` never writes it", required.mode)],
    }
}

/// Exemptions from our assignments that we did not make.
fn exemptions_of_others(inputs: Inputs<'_>) -> impl Iterator<Item = Drift> {
    let environment = &inputs.plan.header.environment;
    let owned = inputs.observed.owned(inputs.owner, environment);
    let ours: BTreeMap<String, String> = owned
        .filter(|(object, _)| object.kind == Kind::PolicyAssignment)
        .map(|(object, mark)| (object.id.key(), mark.gate))
        .collect();
    let meant: BTreeSet<&String> = inputs.plan.header.gates.iter().collect();
    let exemptions = inputs
        .observed
        .objects()
        .filter(|object| object.kind == Kind::PolicyExemption);
    exemptions.filter_map(move |object| {
        let from = object.wire.pointer("/properties/policyAssignmentId")?.as_str()?;
        let gate = ours.get(&from.to_lowercase())?;
        if object.owned_mark(inputs.owner, environment).is_some() || !(meant.is_empty() || meant.contains(gate)) {
            return None;
        }
        let ends = object.wire.pointer("/properties/expiresOn").and_then(Value::as_str);
        let ends = ends.and_then(Timestamp::parse);
        let over = ends.is_some_and(|ends| ends <= inputs.plan.header.time);
        let until = match ends {
            Some(ends) if over => format!("ended on {ends}"),
            Some(ends) => format!("until {ends}"),
            None => "without an end".to_owned(),
        };
        Some(Drift {
            what: What::Added,
            plane: Plane::Policy,
            kind: Some(Kind::PolicyExemption),
            object: Some(object.id.clone()),
            name: object.id.name().to_owned(),
            gate: Some(gate.clone()),
            cause: Cause::ByHand,
            direction: if over { Direction::Neutral } else { Direction::Weakens },
            fields: Vec::new(),
            writer: writer(Some(object)),
            remarks: vec![format!(
                "lets `{}` off the gate, {until}; it is in no file and does not carry our mark",
                object.id.scope()
            )],
        })
    })
}

/// The moving half of the mark in a comparable document.
fn state(document: &Value) -> Option<MarkState> {
    let text = document
        .pointer(&format!("/properties/metadata/{STATE_KEY}"))?
        .as_str()?;
    MarkState::parse(text)
}
