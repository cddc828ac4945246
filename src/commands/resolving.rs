//! The rules that the gates of an environment put into clusters, resolved from the documents that would be written for it.

use super::context::LoadedEstate;
use super::error::CommandError;
use crate::admission::{Definitions, GateRule, gate_rules};
use crate::config::{Environment, Gate};
use crate::desired::DesiredObject;
use crate::kinds::Kind;
use crate::lock::CloudLock;
use crate::model::{MARK_KEY, Mark, Stage};
use serde_json::Value;
use std::collections::BTreeMap;

/// Returns the rules of a gate at a stage; without one as its assignment is rendered.
pub(super) type RulesAt<'a> = &'a dyn Fn(Option<Stage>) -> Result<Vec<GateRule>, CommandError>;

/// Returns what is locked of the cloud of an environment.
pub(super) fn locks<'a>(loaded: &'a LoadedEstate, environment: &Environment) -> Option<&'a CloudLock> {
    loaded.lock.as_ref()?.clouds.get(environment.cloud.name())
}

/// Visits the gates that have an assignment among the rendered documents, each with what its rules are asked of.
pub(super) fn each_gate(
    loaded: &LoadedEstate,
    environment: &Environment,
    rendered: &[DesiredObject],
    visit: &mut dyn FnMut(&Gate, RulesAt<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let documents: BTreeMap<String, Value> = rendered
        .iter()
        .filter(|object| matches!(object.kind, Kind::PolicyDefinition | Kind::PolicySetDefinition))
        .map(|object| (object.id.as_str().to_ascii_lowercase(), Value::clone(&object.body)))
        .collect();
    let part = locks(loaded, environment);
    let locked = |name: &str, pin: &_| part.and_then(|part| part.version_of(name, pin));
    let definitions = Definitions {
        catalog: &loaded.catalog,
        documents: &documents,
        locked: &locked,
    };
    for object in rendered.iter().filter(|object| object.kind == Kind::PolicyAssignment) {
        let Some(gate) = object.gate.as_ref().and_then(|gate| environment.gates.get(gate)) else {
            continue;
        };
        // What holds a part of a gate holds nothing that the whole does not.
        if !is_whole(&object.body) {
            continue;
        }
        let rules = |stage: Option<Stage>| {
            gate_rules(&gate.name, &object.body, stage, &definitions).map_err(|error| {
                CommandError::failed(format!("the rules of the gate `{}` cannot be told", gate.name)).caused_by(&error)
            })
        };
        visit(gate, &rules)?;
    }
    Ok(())
}

fn is_whole(assignment: &Value) -> bool {
    let mark = assignment.pointer(&format!("/properties/metadata/{MARK_KEY}"));
    let mark = mark.and_then(Value::as_str).and_then(Mark::parse);
    mark.is_none_or(|mark| mark.is_whole())
}
