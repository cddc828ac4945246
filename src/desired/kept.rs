//! What stays as it is: assignments whose gate is not written now, and what holds them.

use super::closing::standing;
use super::gate::Assigned;
use super::identity::keep_roles;
use super::parts::declared;
use super::rollout::{GateRollout, ladder, position_name};
use super::{Desired, DesiredObject, Sources};
use crate::config::Gate;
use crate::kinds::{Kind, Meanings, Plane};
use crate::model::ResourceId;
use crate::observed::LiveObject;
use crate::remark::{Held, Reason};
use crate::rollout::{Decision, Position};
use serde_json::Value;

/// Holds a change of the gate's content, and keeps these assignments of it, and the sets that they point at, as they are.
pub(super) fn keep(
    desired: &mut Desired,
    sources: Sources<'_>,
    gate: &Gate,
    (live, parts): (&[Assigned<'_>], &[Assigned<'_>]),
    guard: &str,
    sentence: String,
) {
    let held = held_generation(gate, "change of content".to_owned(), sentence);
    let reasons = held.reasons.into_iter().map(|reason| Reason {
        guard: guard.to_owned(),
        ..reason
    });
    desired.held.push(Held {
        reasons: reasons.collect(),
        ..held
    });
    desired.rollouts.extend(as_it_is(sources, gate, live));
    let objects: Vec<&LiveObject> = live.iter().chain(parts).map(|(object, _)| *object).collect();
    keep_objects(desired, sources, gate, &objects);
}

/// Where a gate stands of which nothing is decided: it stays as it is, or is no longer wanted.
pub(super) fn as_it_is(sources: Sources<'_>, gate: &Gate, live: &[Assigned<'_>]) -> Option<GateRollout> {
    let (newest, mark) = live.last()?;
    let state = newest.mark_state().unwrap_or_default();
    let ladder = ladder(sources, gate);
    let name = |position| position_name(gate, ladder, position);
    let position = |(object, mark): &Assigned<'_>| {
        let parts = declared(sources, gate, mark);
        standing((gate, None), ladder, (object, &parts), &state.digest).position
    };
    let stands = live.iter().map(position).max()?;
    let target = Position::of(gate.target);
    let before = live.iter().filter(|(object, _)| object.id != newest.id);
    Some(GateRollout {
        gate: gate.name.clone(),
        way: ladder.positions().into_iter().map(|at| (at, name(at))).collect(),
        stands: Some(stands),
        since: state.since,
        goes: if target == Position::Off { target } else { stands },
        by_approval: false,
        target,
        held: None,
        generation: mark.generation,
        before: before
            .map(|assigned| (assigned.1.generation, name(position(assigned))))
            .collect(),
        paused: state.paused,
        overrides: state.overrides,
    })
}

pub(super) fn held_generation(gate: &Gate, what: String, sentence: String) -> Held {
    Held {
        plane: Plane::Policy,
        subject: gate.name.clone(),
        what,
        reasons: vec![Reason {
            guard: "generation".to_owned(),
            sentence,
            opens: None,
        }],
    }
}

/// What is held of a gate's next step.
pub(super) fn held(sources: Sources<'_>, gate: &Gate, decision: &Decision) -> Option<Held> {
    let (position, holds) = decision.held.as_ref()?;
    let reasons = holds.iter().map(|hold| Reason {
        guard: hold.guard.to_string(),
        sentence: hold.sentence.clone(),
        opens: hold.opens,
    });
    Some(Held {
        plane: Plane::Policy,
        subject: gate.name.clone(),
        what: position_name(gate, ladder(sources, gate), *position),
        reasons: reasons.collect(),
    })
}

/// Keeps these assignments of a gate, and the sets that they point at, as they are.
pub(super) fn keep_objects(desired: &mut Desired, sources: Sources<'_>, gate: &Gate, live: &[&LiveObject]) {
    let as_it_is = |object: &LiveObject| DesiredObject {
        kind: object.kind,
        id: object.id.clone(),
        gate: Some(gate.name.clone()),
        body: object.wire.clone().into(),
        depends_on: Vec::new(),
        replaces: None,
        meanings: Meanings::new(),
    };
    for object in live {
        desired.objects.push(as_it_is(object));
        keep_roles(desired, sources, gate, object);
        let set = object
            .wire
            .pointer("/properties/policyDefinitionId")
            .and_then(Value::as_str)
            .and_then(ResourceId::parse);
        let set = set.and_then(|id| sources.observed.get(Kind::PolicySetDefinition, &id));
        let members = set.and_then(|set| set.wire.pointer("/properties/policyDefinitions"));
        let rules = members
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|member| {
                let id = ResourceId::parse(member.get("policyDefinitionId")?.as_str()?)?;
                sources.observed.get(Kind::PolicyDefinition, &id)
            });
        desired.objects.extend(rules.chain(set).map(as_it_is));
    }
}
