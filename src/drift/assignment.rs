//! What an assignment's mark tells of a difference: which content was applied last, and where the gate was put.

use super::{Cause, Drift, Field, Inputs, What, direction, name, state, writer};
use crate::kinds::{Direction, Kind};
use crate::model::{MARK_KEY, Mark, STATE_KEY};
use crate::plan::{Action, Plan};
use crate::rollout::Position;
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands of a gate's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What the estate asks for was applied.
    Applied,
    /// Something else was applied.
    Other,
    /// The gate has no assignment.
    Absent,
}

/// Properties of an assignment that Azure fills in where they are left out.
const FILLED_IN: [&str; 2] = ["definitionVersion", "assignmentType"];

/// Returns what stands of the content of each gate.
pub(super) fn contents(plan: &Plan) -> BTreeMap<&str, Content> {
    let mut found = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| step.kind == Kind::PolicyAssignment) {
        let Some(gate) = step.gate.as_deref() else { continue };
        let content = match step.action {
            Action::NoOp => Content::Applied,
            Action::Create => Content::Absent,
            Action::Delete => continue,
            Action::Update | Action::Replace => match same_content(step.before.as_ref(), step.after.as_ref()) {
                Some(true) => Content::Applied,
                _ => Content::Other,
            },
        };
        // Of a gate with several generations one that is other than wanted decides.
        let known = found.entry(gate).or_insert(content);
        if content != Content::Applied {
            *known = content;
        }
    }
    found
}

/// Returns whether two documents of an assignment say that they have one content, of one gate; none where a mark does not say it.
pub(super) fn same_content(before: Option<&Value>, after: Option<&Value>) -> Option<bool> {
    let (before, after) = (before?, after?);
    let gate = |document: &Value| {
        let text = document
            .pointer(&format!("/properties/metadata/{MARK_KEY}"))?
            .as_str()?;
        Some(Mark::parse(text)?.gate)
    };
    // A gate that was given another name in the estate is not changed in Azure.
    Some(state(before)?.digest == state(after)?.digest && gate(before)? == gate(after)?)
}

/// Returns who may have changed a field; none if its change says nothing of its own.
///
/// The content of an assignment is told by the digest in its mark, and its position by the mark. A definition's name carries a hash of its
/// content, so that content which differs under that name was changed.
pub(super) fn cause(kind: Kind, path: &str, same: Option<bool>) -> Option<Cause> {
    let begins = |starts: &[&str]| {
        starts
            .iter()
            .any(|start| path == *start || path.starts_with(&format!("{start}.")))
    };
    Some(match kind {
        Kind::PolicyAssignment if begins(&["parameters.effect", "enforcementMode"]) => Cause::ByHand,
        Kind::PolicyAssignment if path == format!("metadata.{STATE_KEY}") => match same {
            // It follows the content.
            Some(false) => return None,
            _ => Cause::ByHand,
        },
        Kind::PolicyAssignment if begins(&["policyDefinitionId", "definitionVersion", "parameters"]) => match same {
            Some(true) => Cause::ByHand,
            Some(false) => Cause::NotApplied,
            None => Cause::Unknown,
        },
        Kind::PolicyDefinition | Kind::PolicySetDefinition
            if begins(&[
                "policyRule",
                "policyDefinitions",
                "policyDefinitionGroups",
                "parameters",
                "mode",
            ]) =>
        {
            Cause::ByHand
        }
        _ => Cause::Unknown,
    })
}

/// Returns who may have taken away what is missing, and what is to be said of it.
pub(super) fn missing(kind: Kind, content: Option<Content>) -> (Cause, &'static str) {
    match content {
        Some(Content::Other) if kind.is_definition() => {
            (Cause::NotApplied, "the estate asks for it since the last apply")
        }
        Some(Content::Applied) if kind.is_definition() => (Cause::ByHand, "it was applied and is gone"),
        _ => (Cause::Unknown, "it was never applied, or somebody deleted it"),
    }
}

/// Returns whether a document is of an assignment that was put at deny and denies nowhere.
pub(super) fn was_opened(kind: Kind, document: &Value) -> bool {
    let put = state(document).and_then(|state| Position::parse(&state.position));
    kind == Kind::PolicyAssignment
        && put.is_some_and(|put| put > Position::Audit)
        && !kind.closes_further(None, document)
}

/// Returns what somebody added to objects of ours that a write would leave alone: selectors, overrides, whatever Azure takes besides.
pub(super) fn additions(inputs: Inputs<'_>) -> Vec<Drift> {
    let documents = inputs.documents.iter().filter(|((kind, _), _)| {
        let carried = [Kind::PolicyAssignment, Kind::PolicyExemption];
        carried.contains(kind)
    });
    let found = documents.filter_map(|((kind, id), body)| {
        let live = inputs.observed.get(*kind, id)?;
        let (stated, found) = (kind.comparable(body), live.comparable());
        let properties = |value: &Value| {
            value
                .get("properties")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default()
        };
        let (stated, there) = (properties(&stated), properties(&found));
        let mut without = found.clone();
        let mut fields = Vec::new();
        for (key, value) in &there {
            if stated.contains_key(key) || FILLED_IN.contains(&key.as_str()) {
                continue;
            }
            if let Some(without) = without.get_mut("properties").and_then(Value::as_object_mut) {
                without.remove(key);
            }
            fields.push(Field {
                path: key.clone(),
                wanted: None,
                found: Some(value.clone()),
                cause: Cause::ByHand,
            });
        }
        // A generation that is only kept states whatever it has; what a step would take away it says itself.
        let step = inputs
            .plan
            .pending()
            .find(|step| step.kind == *kind && step.object == *id);
        let told = step.and_then(|step| step.after.as_ref()).map(properties);
        fields.retain(|field| told.as_ref().is_none_or(|told| told.contains_key(&field.path)));
        let mark = live.mark();
        (!fields.is_empty()).then(|| Drift {
            what: What::Changed,
            plane: kind.plane(),
            kind: Some(*kind),
            object: Some(id.clone()),
            name: name(inputs.observed, *kind, id),
            gate: mark.map(|mark| mark.gate),
            cause: Cause::ByHand,
            direction: match direction(inputs, (*kind, id), Some(&without), Some(&found)) {
                Direction::Neutral => Direction::Weakens,
                direction => direction,
            },
            fields,
            writer: writer(Some(live)),
            remarks: vec!["aksgate did not set it, and an apply leaves it alone".to_owned()],
        })
    });
    found.collect()
}
