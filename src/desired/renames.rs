//! Gates that have another name than their assignments in Azure.
//!
//! A name cannot be changed there. A gate that says how it was called before takes the place of what stands under that name step by step
//! (`gate`); what is said here is what a person should know of it.

use super::{Desired, Sources};
use crate::kinds::Kind;
use crate::model::{Mark, ResourceId};
use crate::observed::LiveObject;
use crate::remark::Finding;
use serde_json::Value;
use std::collections::BTreeSet;

/// Adds what there is to say of gates with a former name, and of gates that may have one.
pub(super) fn add(desired: &mut Desired, sources: Sources<'_>) {
    let environment = sources.environment;
    let live: Vec<(&LiveObject, Mark)> = sources
        .observed
        .owned(&sources.estate.owner, &environment.name)
        .filter(|(object, _)| object.kind == Kind::PolicyAssignment)
        .collect();
    let stands = |name: &str| live.iter().any(|(_, mark)| mark.gate == name);
    let wanted: Vec<(String, ResourceId)> = desired
        .objects
        .iter()
        .filter(|object| object.kind == Kind::PolicyAssignment)
        .filter_map(|object| Some((object.gate.clone()?, points_at(&object.body)?)))
        .collect();
    let mut said: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (name, definition) in &wanted {
        let Some(gate) = environment.gates.get(name) else {
            continue;
        };
        match gate.renamed_from.as_deref() {
            Some(former) if stands(name) && !stands(former) => {
                if said.insert((&gate.name, former)) {
                    let sentence = format!(
                        "nothing stands under its former name `{former}` any more: `renamedFrom` can be taken out of the file"
                    );
                    desired.findings.push(finding(name, sentence));
                }
            }
            None if !stands(name) => {
                let gone = live.iter().filter(|(object, mark)| {
                    let known = environment.gates.values().any(|gate| gate.answers_to(&mark.gate));
                    !known && points_at(&object.wire).as_ref() == Some(definition)
                });
                for (_, mark) in gone {
                    if said.insert((&gate.name, &mark.gate)) {
                        let former = &mark.gate;
                        let sentence = format!(
                            "is new, and `{former}`, which the environment no longer has, is assigned with the same content: if it is \
                             that gate under another name, write `renamedFrom: {former}` in it, and nothing opens meanwhile"
                        );
                        desired.findings.push(finding(name, sentence));
                    }
                }
            }
            _ => {}
        }
    }
}

fn points_at(assignment: &Value) -> Option<ResourceId> {
    let definition = assignment.pointer("/properties/policyDefinitionId")?;
    ResourceId::parse(definition.as_str()?)
}

fn finding(gate: &str, sentence: String) -> Finding {
    Finding {
        subject: gate.to_owned(),
        sentence,
    }
}
