//! What a person asks for by hand: a pause and its end, and a generation that is taken back.
//!
//! A pause is one word in the mark of a gate's newest assignment, and nothing else of the gate. Who stops a gate in a hurry does not want
//! what the files ask for besides: that is told, and left to an apply.

use super::closing::{overrides, put_overrides};
use super::content::live_definition;
use super::gate::{MOST_OVERRIDES, live_assignments};
use super::kept::{as_it_is, keep_objects};
use super::rollout::{Order, ladder};
use super::{Controls, Desired, DesiredError, DesiredObject, Sources, exemptions, gate, held_state};
use crate::config::Gate;
use crate::kinds::{Kind, Meanings, Plane};
use crate::model::{MARK_KEY, Mark, MarkState, STATE_KEY, Stage};
use crate::observed::LiveObject;
use crate::remark::Finding;
use crate::rollout::{Position, Uncovered};
use serde_json::{Value, json};
use std::sync::Arc;

/// The most changes that one sentence names.
const MOST_NAMED: usize = 3;

/// Returns what a person asks for if it is a pause or its end: the reason of the pause, or none.
pub(super) fn pause(order: Option<&Order>) -> Option<Option<&str>> {
    match order {
        Some(Order::Pause { reason }) => Some(Some(reason)),
        Some(Order::Resume) => Some(None),
        _ => None,
    }
}

/// Adds a gate as it is, but for its pause.
pub(super) fn add_pause(
    desired: &mut Desired,
    sources: Sources<'_>,
    gate: &Gate,
    uncovered: &[Uncovered],
    reason: Option<&str>,
) -> Result<(), DesiredError> {
    let (live, _) = live_assignments(sources, gate);
    let newest = live.last().map(|(object, _)| *object);
    let state = newest.and_then(LiveObject::mark_state);
    let (Some(newest), Some(mut state)) = (newest, state) else {
        let sentence = match newest {
            None => {
                "it is not assigned, so there is nothing to be paused; with `target: audit` an apply closes nothing"
            }
            Some(_) => "its assignment has no mark that can be read, and a pause stands there; an apply writes it anew",
        };
        let what = if reason.is_some() { "pause" } else { "resume" };
        desired
            .held
            .push(held_state(Plane::Policy, &gate.name, what, sentence.to_owned()));
        return Ok(());
    };
    state.paused = None;
    if let Some(reason) = reason {
        state.pause(reason);
    }
    let left = left(sources, gate, uncovered)?;
    if !left.is_empty() {
        let named = left
            .iter()
            .take(MOST_NAMED)
            .cloned()
            .collect::<Vec<String>>()
            .join(", ");
        let more = match left.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        desired.findings.push(Finding {
            subject: gate.name.clone(),
            sentence: format!("other changes are pending, and are left to an apply: {named}{more}"),
        });
    }
    desired
        .rollouts
        .extend(as_it_is(sources, gate, &live).map(|mut rollout| {
            rollout.paused.clone_from(&state.paused);
            rollout
        }));
    let owned = owned(sources, gate);
    keep_objects(desired, sources, gate, &owned);
    for object in &mut desired.objects {
        if object.kind == Kind::PolicyAssignment && object.id == newest.id {
            put_state(object, &state);
        }
    }
    Ok(())
}

fn put_state(object: &mut DesiredObject, state: &MarkState) {
    let path = format!("/properties/metadata/{STATE_KEY}");
    if let Some(text) = Arc::make_mut(&mut object.body).pointer_mut(&path) {
        *text = Value::from(state.to_text());
    }
}

/// Everything of the gate that is there.
fn owned<'a>(sources: Sources<'a>, gate: &Gate) -> Vec<&'a LiveObject> {
    let owned = sources.observed.owned(&sources.estate.owner, &sources.environment.name);
    let of_gate = owned.filter(|(object, mark)| !object.kind.is_definition() && gate.answers_to(&mark.gate));
    of_gate.map(|(object, _)| object).collect()
}

/// Says what an apply would change of the gate, each as a kind and a name.
fn left(sources: Sources<'_>, gate: &Gate, uncovered: &[Uncovered]) -> Result<Vec<String>, DesiredError> {
    let mut controls = Controls {
        approved: false,
        ..sources.controls.clone()
    };
    controls.orders.remove(&gate.name);
    let sources = Sources {
        controls: &controls,
        ..sources
    };
    let mut wanted = Desired::default();
    gate::add(&mut wanted, sources, gate, uncovered)?;
    exemptions::add(&mut wanted, sources, gate)?;
    let changes = wanted.objects.iter().filter(|object| {
        let live = sources.observed.get(object.kind, &object.id);
        let after = object
            .kind
            .comparable(&object.kind.merged(&object.body, live.map(|live| &live.wire)));
        live.is_none_or(|live| live.comparable() != after)
    });
    let named = |kind: Kind, name: &str| format!("{} `{name}`", kind.label());
    let changes = changes.map(|object| named(object.kind, object.id.name()));
    let of_gate = owned(sources, gate).into_iter();
    let gone = of_gate.filter(|live| {
        let stays = |object: &DesiredObject| object.kind == live.kind && object.id == live.id;
        !wanted.objects.iter().any(stays)
    });
    let mut all: Vec<String> = changes
        .chain(gone.map(|live| named(live.kind, live.id.name())))
        .collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// Returns an assignment of an earlier generation, put at a position further back, with nothing else changed; none if it is not known which
/// members its effect moves.
pub(super) fn taken_back(
    sources: Sources<'_>,
    gate: &Gate,
    (object, mark): (&LiveObject, &Mark),
    to: Position,
) -> Option<DesiredObject> {
    let definition = live_definition(sources, object)?;
    let spelling = Stage::Audit
        .effect()
        .spelling(definition.effects.iter().map(String::as_str))?;
    let ladder = ladder(sources, gate);
    let locations = ladder
        .locations(ladder.closed(to))
        .into_iter()
        .map(str::to_owned)
        .collect();
    if overrides(&definition, &locations).len() > MOST_OVERRIDES {
        return None;
    }
    let mut body = object.wire.clone();
    let properties = body.get_mut("properties")?.as_object_mut()?;
    put_overrides(properties, &definition, &locations, (Stage::Audit, Some(object)));
    let parameters = properties.get_mut("parameters")?.as_object_mut()?;
    parameters.insert("effect".to_owned(), json!({ "value": spelling }));
    let mut state = MarkState {
        position: to.to_string(),
        since: None,
        run: None,
        ..object.mark_state()?
    };
    if let Some(Order::Undo { reason, .. }) = sources.controls.orders.get(&gate.name) {
        state.pause(reason);
    }
    let metadata = properties.get_mut("metadata")?.as_object_mut()?;
    metadata.insert(MARK_KEY.to_owned(), Value::from(mark.to_text()));
    metadata.insert(STATE_KEY.to_owned(), Value::from(state.to_text()));
    Some(DesiredObject {
        kind: object.kind,
        id: object.id.clone(),
        gate: Some(gate.name.clone()),
        body: body.into(),
        depends_on: Vec::new(),
        replaces: None,
        meanings: Meanings::new(),
    })
}
