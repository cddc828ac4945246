//! What enforces the members of a gate in a cluster, and so what happens while that cannot answer.

use crate::kinds::Kind;
use crate::manifest;
use crate::model::ResourceId;
use crate::observed::{LiveObject, Observed};
use serde_json::Value;

/// The members of a gate by what enforces them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engines {
    /// Rego, which Gatekeeper's webhook evaluates: while that cannot answer, everything is let in. Azure's own are among these.
    pub rego: Vec<String>,
    /// CEL, of which newer add-ons make policies of the API server itself, which refuse where they cannot be evaluated.
    pub cel: Vec<String>,
}

/// Returns what enforces the members of an assignment's set, by reference id in lower case; nothing of a set that is not ours.
pub fn engines(observed: &Observed, assignment: &LiveObject, members: &[String]) -> Engines {
    let set = assignment
        .wire
        .pointer("/properties/policyDefinitionId")
        .and_then(Value::as_str);
    let set = set.and_then(ResourceId::parse);
    let set = set.and_then(|id| observed.get(Kind::PolicySetDefinition, &id));
    let entries = set.and_then(|set| set.wire.pointer("/properties/policyDefinitions")?.as_array());
    let native = |member: &String| {
        let mut entries = entries.into_iter().flatten();
        let entry = entries.find(|entry| {
            let name = entry.get("policyDefinitionReferenceId").and_then(Value::as_str);
            name.is_some_and(|name| name.eq_ignore_ascii_case(member))
        });
        let id = entry.and_then(|entry| entry.get("policyDefinitionId")?.as_str());
        let definition = id.and_then(ResourceId::parse);
        let definition = definition.and_then(|id| observed.get(Kind::PolicyDefinition, &id));
        definition.is_some_and(is_cel)
    };
    let (cel, rego) = members.iter().cloned().partition(native);
    Engines { rego, cel }
}

/// Whether a definition brings a template in CEL and not in Rego, which counts where there are both.
fn is_cel(definition: &LiveObject) -> bool {
    let content = definition
        .wire
        .pointer("/properties/policyRule/then/details/templateInfo/content");
    let content = content.and_then(Value::as_str).unwrap_or_default();
    let Ok(text) = data_encoding::BASE64.decode(content.as_bytes()) else {
        return false;
    };
    let documents = manifest::read("template", &text).unwrap_or_default();
    let targets = documents
        .iter()
        .filter_map(|document| document.value.pointer("/spec/targets")?.as_array());
    let codes = targets.flatten().filter_map(|target| target.get("code")?.as_array());
    let engines: Vec<&str> = codes
        .flatten()
        .filter_map(|code| code.get("engine")?.as_str())
        .collect();
    engines.contains(&"K8sNativeValidation") && !engines.contains(&"Rego")
}
