//! Who writes the Defender plan where an assignment of Azure Policy is to do so.

use super::{finding, remarks};
use crate::catalog::Catalog;
use crate::config::{DefenderContainers, Initiative, Mode};
use crate::desired::Sources;
use crate::kinds::Kind;
use crate::model::{DEFENDER_PLAN_WRITERS, ResourceId, Stage};
use crate::observed::{LiveObject, Observed};
use crate::remark::Finding;
use serde_json::Value;

/// Names the gate or the assignment that deploys the plan, or says that none is known.
pub(super) fn named(sources: Sources<'_>, defender: &DefenderContainers) -> Option<Finding> {
    if defender.mode != Mode::Policy {
        return None;
    }
    let deploys = |initiative: Option<&Initiative>| match initiative {
        Some(Initiative::Own { kind, members, .. }) => members.iter().any(|member| member.deploys_defender_plan(*kind)),
        _ => false,
    };
    let gates = sources
        .environment
        .gates
        .values()
        .filter(|gate| gate.target != Stage::Off);
    let gates = gates.filter(|gate| deploys(sources.estate.initiatives.get(&gate.initiative)));
    let mut writers: Vec<String> = gates.map(|gate| format!("gate `{}`", gate.name)).collect();
    let mut unseen = 0_usize;
    for assignment in sources
        .observed
        .objects()
        .filter(|object| object.kind == Kind::PolicyAssignment)
    {
        let (owner, environment) = (&sources.estate.owner, &sources.environment.name);
        if assignment.owned_mark(owner, environment).is_some() || !acts(assignment) {
            continue; // ours are gates
        }
        match holds_writer(sources.observed, sources.catalog, assignment) {
            Some(true) => writers.push(format!("assignment `{}`", assignment.id.name())),
            Some(false) => {}
            None => unseen += 1,
        }
    }
    let unseen = match unseen {
        0 => String::new(),
        1 => "; 1 assignment there is of an initiative whose members are not known here".to_owned(),
        many => format!("; {many} assignments there are of initiatives whose members are not known here"),
    };
    let subject = "Defender plan";
    Some(match writers.is_empty() {
        false => finding(
            subject,
            format!("`mode: policy`: it is deployed by {}", writers.join(", ")),
        ),
        true => finding(
            subject,
            format!(
                "`mode: policy`, but no gate of this environment deploys it, and no assignment at its very scope is known to: \
                 if none above or below does either, nobody sees to it{unseen}"
            ),
        ),
    })
}

/// Whether an assignment does what its definition says, as far as it says so itself.
fn acts(assignment: &LiveObject) -> bool {
    let text = |path: &str| {
        assignment
            .wire
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    !text("/properties/enforcementMode").eq_ignore_ascii_case("DoNotEnforce")
        && !text("/properties/parameters/effect/value").eq_ignore_ascii_case("Disabled")
}

/// Whether an assignment is of a definition that deploys the plan, or of a set that holds one; none if that cannot be known.
fn holds_writer(observed: &Observed, catalog: &Catalog, assignment: &LiveObject) -> Option<bool> {
    let is_writer = |id: &str| {
        let name = id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        DEFENDER_PLAN_WRITERS.contains(&name.as_str())
    };
    let id = remarks::text(assignment, "policyDefinitionId")?;
    if id.to_ascii_lowercase().contains("/policydefinitions/") {
        return Some(is_writer(id));
    }
    let id = ResourceId::parse(id)?;
    if let Some(set) = observed.get(Kind::PolicySetDefinition, &id) {
        let members = set.wire.pointer("/properties/policyDefinitions")?.as_array()?;
        let ids = members
            .iter()
            .filter_map(|member| member.get("policyDefinitionId")?.as_str());
        return Some(ids.into_iter().any(is_writer));
    }
    let built_in = id
        .as_str()
        .to_ascii_lowercase()
        .starts_with("/providers/microsoft.authorization/");
    let set = catalog.initiative(id.name()).filter(|_| built_in)?;
    Some(set.current().members.iter().any(|member| is_writer(&member.definition)))
}
