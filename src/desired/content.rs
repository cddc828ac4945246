//! What a gate's assignment points at: a built-in set, or one of our own with its definitions.

use super::checks::properties;
use super::gate::mark;
use super::parts::divides_clusters;
use super::rules::{self, OwnDefinition};
use super::{DesiredError, DesiredObject, Sources, meanings};
use crate::catalog::managed_namespaces;
use crate::config::{Gate, Initiative, InitiativeKind};
use crate::diff::digest;
use crate::kinds::{Kind, Meanings};
use crate::model::{Effect, MARK_KEY, ResourceId, Stage};
use crate::observed::LiveObject;
use crate::render::{NAMESPACES, effects, set_content};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a gate's assignment points at.
pub(super) struct Definition {
    pub id: String,
    pub version: Option<String>,
    pub display_name: String,
    /// The spellings of `effect`.
    pub effects: Vec<String>,
    /// The members: the spelling of deny of those that the effect moves, and none of those that it does not.
    pub members: Vec<(String, Option<String>)>,
    /// The namespaces excluded by default; none if the initiative has no such parameter.
    pub namespaces: Option<Vec<String>>,
    /// What the content is, without ids: goes into the gate's digest.
    pub content: Value,
    /// What its parameters are to its rules.
    pub meanings: Meanings,
    /// The set definition of our own, to be there before.
    pub own: Option<DesiredObject>,
    /// The definitions of the rules in it, to be there before the set.
    pub rules: Vec<DesiredObject>,
}

pub(super) fn definition(sources: Sources<'_>, gate: &Gate) -> Result<Definition, DesiredError> {
    match sources.estate.initiatives.get(&gate.initiative) {
        Some(Initiative::BuiltIn { id, version }) => Ok(built_in(sources, id, version)),
        Some(Initiative::Own {
            display_name,
            description,
            kind,
            members,
        }) => {
            let rules = rules::definitions(sources, gate, members)?;
            let ids = rules.iter().map(|(rule, own)| (rule.clone(), own.id.clone())).collect();
            let (name, catalog) = (&gate.initiative, sources.catalog);
            let divided = divides_clusters(sources) && *kind == InitiativeKind::Admission;
            let set = set_content(
                (name, display_name, description),
                (*kind, divided),
                members,
                catalog,
                &ids,
            );
            let meanings = meanings::of_members(members);
            own((sources, divided), gate, (&set, meanings), rules)
        }
        // The estate is only made when every gate's initiative is there, and a gate of Defender has no assignment.
        Some(Initiative::Defender { .. }) | None => Err(no_effect(gate, Stage::Audit)),
    }
}

pub(super) fn no_effect(gate: &Gate, stage: Stage) -> DesiredError {
    DesiredError::NoEffect {
        gate: gate.name.clone(),
        initiative: gate.initiative.clone(),
        stage: stage.effect().to_string(),
    }
}

fn built_in(sources: Sources<'_>, id: &str, version: &str) -> Definition {
    let set = sources.catalog.initiative(id);
    let facts = set.map(|set| set.facts_at(version));
    let parameter = |name: &str| facts.and_then(|facts| facts.parameters.get(name));
    let strings = |values: &[Value]| values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let effect = parameter("effect").and_then(|parameter| parameter.allowed.as_deref());
    let namespaces = parameter("excludedNamespaces");
    Definition {
        id: format!("/providers/Microsoft.Authorization/policySetDefinitions/{id}"),
        version: Some(version.to_owned()),
        display_name: set.map(|set| set.display_name.clone()).unwrap_or_default(),
        effects: effect.map(strings).unwrap_or_default(),
        members: facts
            .into_iter()
            .flat_map(|facts| &facts.members)
            .map(|member| {
                let moved = member
                    .parameters
                    .values()
                    .any(|value| value == "[parameters('effect')]");
                let spellings = sources.catalog.effects_of_member(member).unwrap_or_default();
                let deny = Effect::Deny.spelling(spellings.iter().map(String::as_str));
                (member.reference_id.clone(), deny.filter(|_| moved).map(str::to_owned))
            })
            .collect(),
        namespaces: namespaces.map(|p| {
            p.default
                .as_ref()
                .and_then(Value::as_array)
                .map(|v| strings(v))
                .unwrap_or_default()
        }),
        content: json!({"builtIn": id, "version": version}),
        meanings: facts.map(meanings::of_built_in).unwrap_or_default(),
        own: None,
        rules: Vec::new(),
    }
}

/// Returns what a live assignment points at, as far as positions need it: a built-in set as the catalogue knows it at the
/// assignment's version, or a set that was read. None if neither is known.
pub(super) fn live_definition(sources: Sources<'_>, assignment: &LiveObject) -> Option<Definition> {
    let property = |name: &str| assignment.wire.pointer(&format!("/properties/{name}"))?.as_str();
    let id = ResourceId::parse(property("policyDefinitionId")?)?;
    if sources.catalog.initiative(id.name()).is_some() {
        let found = built_in(sources, id.name(), property("definitionVersion")?);
        return Some(found).filter(|found| !found.members.is_empty() && found.id.eq_ignore_ascii_case(id.as_str()));
    }
    let set = sources.observed.get(Kind::PolicySetDefinition, &id)?;
    let allowed = set
        .wire
        .pointer("/properties/parameters/effect/allowedValues")?
        .as_array()?;
    let members = set.wire.pointer("/properties/policyDefinitions")?.as_array()?;
    Some(Definition {
        id: id.as_str().to_owned(),
        version: None,
        display_name: String::new(),
        effects: allowed.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        members: members.iter().map(moved_member).collect::<Option<_>>()?,
        namespaces: None,
        content: Value::Null,
        meanings: Meanings::new(),
        own: None,
        rules: Vec::new(),
    })
}

/// Returns the reference id of a member of a set of our own, with the spelling of deny if the set's effect moves it.
fn moved_member(member: &Value) -> Option<(String, Option<String>)> {
    let reference = member.get("policyDefinitionReferenceId")?.as_str()?.to_owned();
    let values = member
        .get("parameters")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let moved = values
        .map(|(_, value)| value.get("value"))
        .any(|value| value.and_then(Value::as_str) == Some("[parameters('effect')]"));
    Some((reference, moved.then(|| Effect::Deny.to_string())))
}

fn own(
    (sources, divided): (Sources<'_>, bool),
    gate: &Gate,
    (set, meanings): (&crate::render::SetContent, Meanings),
    rules: BTreeMap<String, OwnDefinition>,
) -> Result<Definition, DesiredError> {
    let environment = sources.environment;
    let rendered = sources.renderer.policy_set_definition(environment, set)?;
    let forbidden = ["metadata.aksgate", "metadata.aksgateState", "policyType"];
    let mut properties = properties(Kind::PolicySetDefinition, rendered, &forbidden)?;
    for field in ["policyDefinitions", "parameters"] {
        if !properties.contains_key(field) {
            let template = Kind::PolicySetDefinition.template();
            return Err(DesiredError::Missing {
                template,
                field: format!("properties.{field}"),
            });
        }
    }
    let comparable = Kind::PolicySetDefinition.comparable(&json!({ "properties": properties }));
    let part = |name: &str| {
        comparable
            .pointer(&format!("/properties/{name}"))
            .cloned()
            .unwrap_or_default()
    };
    let mut members = part("policyDefinitions");
    for member in members.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let id = member
            .get("policyDefinitionId")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // The id of a rule differs from environment to environment; what it does is what counts.
        if let Some(rule) = rules.values().find(|rule| rule.id.eq_ignore_ascii_case(id)) {
            *member = json!({"rule": rule.digest, "parameters": member.get("parameters")});
        }
    }
    let stated = json!({"members": members, "parameters": part("parameters")});
    let mark = mark(sources, &gate.initiative, 1);
    let metadata = properties.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert(MARK_KEY.to_owned(), Value::from(mark.to_text()));
    }
    let name = mark.set_definition_name(&digest(&stated));
    let scope = environment.definition_scope.path();
    let id = format!("{scope}/providers/Microsoft.Authorization/policySetDefinitions/{name}");
    let names: BTreeSet<String> = set
        .parameters
        .get("excludedNamespaces")
        .and_then(|parameter| parameter.get("defaultValue"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let rules: Vec<DesiredObject> = rules.into_values().filter_map(|rule| rule.object).collect();
    Ok(Definition {
        own: ResourceId::parse(&id).map(|id| DesiredObject {
            kind: Kind::PolicySetDefinition,
            id,
            gate: Some(gate.name.clone()),
            body: json!({ "properties": properties }).into(),
            depends_on: rules.iter().map(|rule| (rule.kind, rule.id.clone())).collect(),
            replaces: None,
            meanings: meanings.clone(),
        }),
        meanings,
        rules,
        id,
        version: None,
        display_name: set.display_name.clone(),
        members: set.members.iter().filter_map(moved_member).collect(),
        effects: if set.parameters.contains_key("effect") {
            effects()
        } else {
            Vec::new()
        },
        namespaces: set
            .parameters
            .contains_key("excludedNamespaces")
            .then(|| names.into_iter().collect()),
        content: if divided { undivided(stated) } else { stated },
    })
}

/// Returns a content without what lets its assignments be limited to namespaces. That changes nothing of what is judged: a gate is the
/// same in an environment whose rings are others.
fn undivided(mut content: Value) -> Value {
    let members = content.get_mut("members").and_then(Value::as_object_mut);
    for member in members.into_iter().flat_map(Map::values_mut) {
        if let Some(values) = member.get_mut("parameters").and_then(Value::as_object_mut) {
            values.remove(NAMESPACES);
        }
    }
    if let Some(parameters) = content.get_mut("parameters").and_then(Value::as_object_mut) {
        parameters.remove(NAMESPACES);
    }
    content
}

/// The assignment's parameters but for the effect: what the gate states, and the exclusions joined with the namespaces that Azure
/// manages and those that the definition leaves out by default.
pub(super) fn parameters(gate: &Gate, definition: &Definition) -> Result<Map<String, Value>, DesiredError> {
    let mut parameters: Map<String, Value> = gate
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "value": value })))
        .collect();
    match &definition.namespaces {
        Some(defaults) => {
            let stated = defaults.iter().chain(&gate.exclude_namespaces).map(String::as_str);
            let excluded: BTreeSet<&str> = managed_namespaces().iter().map(|row| row.name).chain(stated).collect();
            parameters.insert("excludedNamespaces".to_owned(), json!({ "value": excluded }));
        }
        None if gate.exclude_namespaces.is_empty() => {}
        None => {
            let (gate, initiative) = (gate.name.clone(), gate.initiative.clone());
            return Err(DesiredError::NoExclusion { gate, initiative });
        }
    }
    Ok(parameters)
}
