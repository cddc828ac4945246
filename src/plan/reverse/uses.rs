//! What refers to what among the objects of a run: what is put back comes after what it needs, and nothing goes that is still used.

use super::{Case, Ground, reason};
use crate::desired::DesiredObject;
use crate::kinds::Kind;
use crate::model::{Mark, ResourceId};
use crate::observed::LiveObject;
use crate::remark::Reason;
use serde_json::Value;
use std::collections::BTreeSet;

/// Leaves out definitions to be made again that only assignments point at which are not put back.
pub(super) fn needed(put_back: &mut Vec<DesiredObject>, held: &[&Value], ground: Ground<'_>) {
    let mut idle: BTreeSet<ResourceId> = held.iter().flat_map(|document| references(document)).collect();
    for kind in [Kind::PolicySetDefinition, Kind::PolicyDefinition] {
        let used: BTreeSet<ResourceId> = put_back.iter().flat_map(|object| references(&object.body)).collect();
        let (kept, left): (Vec<DesiredObject>, Vec<DesiredObject>) = put_back.drain(..).partition(|object| {
            let there = ground.observed.get(object.kind, &object.id).is_some();
            object.kind != kind || there || used.contains(&object.id) || !idle.contains(&object.id)
        });
        idle.extend(left.iter().flat_map(|object| references(&object.body)));
        *put_back = kept;
    }
}

/// The objects that were to go and are used by something that stays: definitions, and what hangs on an assignment.
pub(super) fn still_used<'a, 'b>(
    cases: &'b [Case<'a>],
    gone: &BTreeSet<(Kind, ResourceId)>,
    ground: Ground<'_>,
) -> Vec<(&'b Case<'a>, Reason)> {
    let mut going = gone.clone();
    let mut used = Vec::new();
    // What stays keeps what it points at: an assignment its set, and that one its definitions.
    for kind in [
        Kind::RoleAssignment,
        Kind::PolicyExemption,
        Kind::PolicySetDefinition,
        Kind::PolicyDefinition,
    ] {
        for case in cases.iter().filter(|case| case.kind == kind) {
            let key = (case.kind, case.id.clone());
            let Some(live) = case.live.filter(|_| going.contains(&key)) else {
                continue;
            };
            let stays = |object: &&LiveObject| !going.contains(&(object.kind, object.id.clone()));
            let mut others = ground.observed.objects().chain(&ground.observed.beyond).filter(stays);
            let user = others.find(|object| match kind.is_definition() {
                true => references(&object.wire).contains(&case.id),
                // An assignment that the run made as well, and that is not taken back.
                false => {
                    let made =
                        |other: &Case<'_>| other.kind == object.kind && other.id == object.id && other.before.is_none();
                    hangs_on(live, object) && cases.iter().any(made)
                }
            });
            if let Some(user) = user {
                let sentence = format!("`{}`, which stays, needs it", user.id.name());
                used.push((case, reason("state", sentence)));
                going.remove(&key);
            }
        }
    }
    used
}

/// Whether a role or an exemption is one of an assignment.
fn hangs_on(object: &LiveObject, assignment: &LiveObject) -> bool {
    assignment.kind == Kind::PolicyAssignment
        && match object.kind {
            Kind::RoleAssignment => object.mark().is_some() && object.mark() == assignment.mark(),
            _ => reference(&object.wire, "policyAssignmentId").is_some_and(|id| id == assignment.id),
        }
}

/// Says what has to be written before what, as the documents refer to each other.
pub(super) fn link(put_back: &mut [DesiredObject]) {
    let all: Vec<(Kind, ResourceId, Option<Mark>)> = put_back
        .iter()
        .map(|object| (object.kind, object.id.clone(), mark_of(object)))
        .collect();
    for object in put_back.iter_mut() {
        let refers = references(&object.body);
        let mark = mark_of(object);
        let before = all.iter().filter(|(kind, id, other)| match (object.kind, kind) {
            (Kind::RoleAssignment, Kind::PolicyAssignment) => *other == mark,
            (_, kind) => *kind < object.kind && refers.contains(id),
        });
        object.depends_on = before.map(|(kind, id, _)| (*kind, id.clone())).collect();
    }
}

pub(super) fn mark_of(object: &DesiredObject) -> Option<Mark> {
    let live = LiveObject {
        kind: object.kind,
        id: object.id.clone(),
        wire: Value::clone(&object.body),
        etag: None,
    };
    live.mark()
}

/// The objects that a document refers to: an assignment to its definition, a set to its members, an exemption to its assignment.
fn references(body: &Value) -> Vec<ResourceId> {
    let members = body.pointer("/properties/policyDefinitions").and_then(Value::as_array);
    let members = members.into_iter().flatten();
    let members = members.filter_map(|member| ResourceId::parse(member.get("policyDefinitionId")?.as_str()?));
    let stated = ["policyDefinitionId", "policyAssignmentId"].into_iter();
    members.chain(stated.filter_map(|key| reference(body, key))).collect()
}

pub(super) fn reference(body: &Value, key: &str) -> Option<ResourceId> {
    ResourceId::parse(body.get("properties")?.get(key)?.as_str()?)
}
