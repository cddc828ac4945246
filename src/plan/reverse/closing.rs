//! A run that is taken back may close a gate: then it is a step like any other, and its guards are asked.

use super::{Case, Ground, meanings, reason};
use crate::desired::DesiredObject;
use crate::kinds::{Direction, Kind, Meanings, Plane};
use crate::model::{MarkState, STATE_KEY};
use crate::observed::{LiveObject, Observed};
use crate::remark::Reason;
use crate::rollout::Guard;
use serde_json::Value;

/// Whether an assignment may get its document back.
pub(super) enum Judgement {
    /// It denies nowhere, so that there is nothing to ask.
    Free,
    /// It closes no further than before, or than the guards let it now.
    Open,
    /// A person goes past these guards.
    Past(Vec<(Guard, String)>),
    /// A guard holds it.
    Closed(Reason),
}

/// Judges the document that an assignment would get back.
pub(super) fn judge(
    (case, gate): (&Case<'_>, &str),
    (live, after): (Option<&LiveObject>, &Value),
    ground: Ground<'_>,
) -> Judgement {
    let kind = case.kind;
    let mode = after.pointer("/properties/enforcementMode").and_then(Value::as_str);
    let is_enforced = mode.is_none_or(|mode| mode.eq_ignore_ascii_case("Default"));
    if !is_enforced || ground.enabling.contains(gate) || !kind.closes_further(None, after) {
        return Judgement::Free;
    }
    let Some(live) = live else {
        return anew(ground);
    };
    let before = live.comparable();
    let same_content = digest(&before).is_some() && digest(&before) == digest(after);
    if !same_content && !only_weakens((kind, &meanings(case, ground)), &before, after) {
        return Judgement::Closed(reason(
            "generation",
            "it denies, and would hold back in place what nobody has reported on: change the estate's files, and `apply` lets a successor \
             climb beside it",
        ));
    }
    if !kind.closes_further(Some(&before), after) {
        return Judgement::Open;
    }
    let mut wanted = ground.wanted.objects.iter();
    let wanted = wanted.rfind(|wanted| wanted.kind == kind && wanted.id == case.id);
    let Some(wanted) = wanted else {
        return Judgement::Closed(reason(
            "gate",
            "the estate no longer has the gate, so nothing is asked about it",
        ));
    };
    let allowed = kind.comparable(&kind.merged(&wanted.body, Some(&live.wire)));
    if lets_through(kind, &allowed, after) {
        let past = state(&allowed).unwrap_or_default();
        let past = past.overrides_since(&state(&before).unwrap_or_default());
        let past = past
            .into_iter()
            .filter_map(|(guard, why)| Some((Guard::parse(&guard)?, why)));
        let past: Vec<(Guard, String)> = past.collect();
        return match past.is_empty() {
            true => Judgement::Open,
            false => Judgement::Past(past),
        };
    }
    Judgement::Closed(held(wanted, ground))
}

/// Judges an assignment that denies and is made again: no cluster reports on what is not there.
fn anew(ground: Ground<'_>) -> Judgement {
    let past: Vec<(Guard, String)> = ground
        .overrides
        .iter()
        .filter(|(guard, _)| *guard == Guard::Evidence)
        .cloned()
        .collect();
    if past.is_empty() {
        return Judgement::Closed(reason(
            Guard::Evidence.name(),
            "it denies, and no cluster reports on what is not there: `apply` lets the gate climb again, or \
             `--override-guard evidence --reason TEXT` closes it at once",
        ));
    }
    Judgement::Past(past)
}

/// Returns whether guards that let an assignment become one document let it become another one: the same content, closed no further.
pub fn lets_through(kind: Kind, allowed: &Value, planned: &Value) -> bool {
    let content = digest(allowed);
    content.is_some() && content == digest(planned) && !kind.closes_further(Some(allowed), planned)
}

/// What holds a gate at where it stands.
fn held(wanted: &DesiredObject, ground: Ground<'_>) -> Reason {
    let gate = wanted.gate.as_deref().unwrap_or_default();
    let held = ground.wanted.held.iter();
    let held = held.filter(|held| held.plane == Plane::Policy && held.subject == gate);
    let reasons: Vec<&Reason> = held.flat_map(|held| &held.reasons).collect();
    let Some(first) = reasons.first() else {
        return reason(
            "position",
            "a gate closes one position at a time: `aksgate rollout resume`, and `apply` takes it there step by step",
        );
    };
    let told: Vec<String> = reasons
        .iter()
        .map(|reason| format!("{}: {}", reason.guard, reason.sentence))
        .collect();
    Reason {
        guard: first.guard.clone(),
        sentence: format!("it would close the gate further, which is held; {}", told.join("; ")),
        opens: first.opens,
    }
}

/// Puts the guards that are gone past into the mark of a document.
pub(super) fn note(body: &mut Value, past: &[(Guard, String)]) {
    let Some(text) = body.pointer_mut(&format!("/properties/metadata/{STATE_KEY}")) else {
        return;
    };
    let Some(mut state) = text.as_str().and_then(MarkState::parse) else {
        return;
    };
    for (guard, why) in past {
        let position = state.position.clone();
        state.add_override(guard.name(), &position, why);
    }
    *text = Value::from(state.to_text());
}

/// Returns what is there without the pauses that taking these writes back ends: what holds a gate besides is to be told.
pub fn without_pauses(observed: &Observed, writes: &[super::Written]) -> Observed {
    let mut resumed = observed.clone();
    for written in writes {
        let Some(before) = written.before.as_ref().and_then(state) else {
            continue;
        };
        let id = crate::model::ResourceId::parse(&written.object);
        let live = id.and_then(|id| observed.get(Kind::PolicyAssignment, &id));
        let paused = live.and_then(|live| Some((live, live.mark_state()?)));
        let Some((live, now)) = paused.filter(|(_, now)| now.paused.is_some() && before.paused.is_none()) else {
            continue;
        };
        let mut live = live.clone();
        let text = MarkState { paused: None, ..now }.to_text();
        if let Some(state) = live.wire.pointer_mut(&format!("/properties/metadata/{STATE_KEY}")) {
            *state = Value::from(text);
        }
        resumed.insert(live);
    }
    resumed
}

fn state(document: &Value) -> Option<MarkState> {
    let text = document.pointer(&format!("/properties/metadata/{STATE_KEY}"))?;
    MarkState::parse(text.as_str()?)
}

fn digest(document: &Value) -> Option<String> {
    state(document).map(|state| state.digest)
}

/// Whether a change lets through more than before, and holds nothing back besides.
fn only_weakens((kind, meanings): (Kind, &Meanings), before: &Value, after: &Value) -> bool {
    let direction = |from: &Value, to: &Value| Direction::of(&kind.directions(Some(from), Some(to), meanings));
    let (there, back) = (direction(before, after), direction(after, before));
    there == Direction::Neutral || there == Direction::Weakens && back == Direction::Tightens
}
