//! A saved plan against the one that would be made now: the estate and what is live are the authority, the file is not.
//!
//! Anybody can write a plan file with a digest that fits. So a step is carried out only if a fresh plan holds the same step:
//! same action, same direction, same before and after. Everything else is refused, step by step, with the reason.

use super::{Action, Plan, Step};
use crate::kinds::{KNOWN_AFTER, Kind, Plane};
use crate::model::ResourceId;
use std::collections::{BTreeMap, BTreeSet};

/// A saved plan as far as it may be carried out.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The plan, each step waiting for all that it has to wait for.
    pub plan: Plan,
    /// Why a step may not write, by the step's id. It may still turn out to be done already.
    pub refused: BTreeMap<String, String>,
    /// Why a step may not write that nothing moved, but a guard has closed for since the plan was made.
    pub closed: BTreeMap<String, String>,
}

impl Checked {
    /// Returns a plan that was just made: nothing in it can have moved.
    pub fn fresh(plan: Plan) -> Checked {
        Checked {
            plan,
            refused: BTreeMap::new(),
            closed: BTreeMap::new(),
        }
    }

    /// Returns whether a step of it may still write.
    pub fn may_write(&self, step: &Step) -> bool {
        !self.refused.contains_key(&step.id) && !self.closed.contains_key(&step.id)
    }
}

/// Checks a saved plan against one that was just made of the same estate, over at least the same gates.
pub fn check(saved: Plan, fresh: &Plan) -> Checked {
    let now: BTreeMap<(Kind, &ResourceId), &Step> = fresh
        .steps
        .iter()
        .map(|step| ((step.kind, &step.object), step))
        .collect();
    let ids: BTreeMap<(Kind, ResourceId), String> = saved
        .pending()
        .map(|step| ((step.kind, step.object.clone()), step.id.clone()))
        .collect();
    let mut refused = BTreeMap::new();
    let mut closed = BTreeMap::new();
    let mut plan = saved;
    for step in plan.steps.iter_mut().filter(|step| step.is_pending()) {
        let found = now.get(&(step.kind, &step.object)).copied();
        if let Some(found) = found {
            step.direction = step.direction.and(found.direction);
            step.weakens.clone_from(&found.weakens);
        }
        let mut why = objection(step, found);
        for needed in found.into_iter().flat_map(|found| needs(found, fresh)) {
            match ids.get(&(needed.kind, needed.object.clone())) {
                Some(id) if !step.depends_on.contains(id) => step.depends_on.push(id.clone()),
                Some(_) => {}
                None => {
                    why = why.or_else(|| {
                        Some(format!(
                            "it has to wait for `{}`, which is not in the plan",
                            needed.object.name()
                        ))
                    });
                }
            }
        }
        // Nothing is to be done to it now: it did not move, it is held.
        let still = found.is_some_and(|found| found.action == Action::NoOp);
        let held = why.as_ref().filter(|_| still).and_then(|_| closed_since(step, fresh));
        if let Some(held) = held {
            closed.insert(step.id.clone(), held);
        } else if let Some(why) = why {
            refused.insert(step.id.clone(), why);
        }
    }
    plan.held.clone_from(&fresh.held);
    plan.findings.clone_from(&fresh.findings);
    plan.exceeded.clone_from(&fresh.exceeded);
    Checked { plan, refused, closed }
}

/// What holds a gate now, where a step of a file would close it further or take away what closed it.
fn closed_since(step: &Step, fresh: &Plan) -> Option<String> {
    let gate = step.gate.as_ref().filter(|_| step.relies_on_evidence())?;
    let held = fresh
        .held
        .iter()
        .filter(|held| held.plane == Plane::Policy && held.subject == *gate);
    let reasons: Vec<String> = held
        .flat_map(|held| &held.reasons)
        .map(|reason| format!("{}: {}", reason.guard, reason.sentence))
        .collect();
    (!reasons.is_empty()).then(|| format!("a guard has closed since the plan was made: {}", reasons.join("; ")))
}

/// Why a step of a file is not a step of now.
fn objection(step: &Step, found: Option<&Step>) -> Option<String> {
    let Some(found) = found else {
        // What is not wanted has no document, so it is never written; what is not ours must not be deleted either.
        return (step.action == Action::Delete).then(|| "it does not carry the mark of this environment".to_owned());
    };
    if step.action == found.action && step.before == found.before && same_after(step, found) {
        return (step.direction != found.direction).then(|| "the plan names another direction than it has".to_owned());
    }
    Some(match (step.action, found.action) {
        (Action::Delete, Action::Delete) => "what is there is not what the plan shows".to_owned(),
        (Action::Delete, _) => "the estate wants this object".to_owned(),
        (_, Action::Delete) => "the estate no longer wants this object".to_owned(),
        _ => "what would be done now is not what the plan shows".to_owned(),
    })
}

/// Whether two steps leave the same. A principal that was not known when the plan was saved may be known now; whose it is says the
/// estate, not the file.
fn same_after(step: &Step, found: &Step) -> bool {
    let principal = |step: &Step| step.after.as_ref()?.pointer("/properties/principalId").cloned();
    let mut after = step.after.clone();
    let unknown = principal(step).is_some_and(|value| value.get(KNOWN_AFTER).is_some());
    if let (true, Some(now)) = (unknown && step.kind == Kind::RoleAssignment, principal(found))
        && let Some(value) = after
            .as_mut()
            .and_then(|after| after.pointer_mut("/properties/principalId"))
    {
        *value = now;
    }
    after == found.after
}

/// The steps of the fresh plan that one of its steps must not come before: its set and that one's definitions, its successor, what
/// uses a definition.
fn needs<'a>(step: &Step, fresh: &'a Plan) -> impl Iterator<Item = &'a Step> {
    let waits: BTreeSet<String> = step.depends_on.iter().cloned().collect();
    let succession = (step.action == Action::Delete && !step.kind.is_definition()).then(|| step.gate.clone());
    fresh.pending().filter(move |other| {
        waits.contains(&other.id)
            && other.kind.plane() == Plane::Policy
            && succession.as_ref().is_none_or(|gate| other.gate == *gate)
    })
}
