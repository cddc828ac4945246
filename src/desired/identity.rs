//! The identity of an assignment whose members deploy or modify, and the roles that it needs for that: no more, no fewer.
//!
//! Only Azure's portal gives these roles by itself. The principal of a system-assigned identity is known once its assignment is
//! written; until then it stands as `{"knownAfter": …}`.

use super::{Desired, DesiredError, DesiredObject, Sources};
use crate::catalog::{Parameter, VersionFacts, role_name};
use crate::config::{Gate, Initiative};
use crate::kinds::{KNOWN_AFTER, Kind, Meanings, principal_of};
use crate::model::{Effect, Mark, ROLE_ATTEMPTS, ResourceId, Scope};
use crate::observed::LiveObject;
use crate::remark::Finding;
use crate::render::set_content;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a gate's assignment carries besides its properties.
pub(super) struct Identity {
    location: String,
    user_assigned: Option<String>,
    /// Scopes and roles (GUIDs).
    grants: BTreeSet<(String, String)>,
}

impl Identity {
    /// Puts location and identity into the document of an assignment.
    pub fn state(&self, body: &mut Value) {
        let Some(body) = body.as_object_mut() else { return };
        let identity = match &self.user_assigned {
            Some(id) => json!({"type": "UserAssigned", "userAssignedIdentities": {id.as_str(): {}}}),
            None => json!({"type": "SystemAssigned"}),
        };
        body.insert("location".to_owned(), Value::from(self.location.as_str()));
        body.insert("identity".to_owned(), identity);
    }

    /// Whether a live assignment carries just this. Azure changes the location of none, and with another identity the roles of the
    /// old one would not fit: either makes a successor.
    pub fn fits(&self, live: &LiveObject) -> bool {
        let mut wanted = json!({});
        self.state(&mut wanted);
        let part = |wire: &Value, key: &str| Kind::PolicyAssignment.comparable(wire).get(key).cloned();
        ["location", "identity"]
            .iter()
            .all(|key| part(&wanted, key) == part(&live.wire, key))
    }
}

/// Returns the identity that a gate's assignment needs; none if no member deploys or modifies.
pub(super) fn identity(sources: Sources<'_>, gate: &Gate) -> Result<Option<Identity>, DesiredError> {
    let members = members(sources, gate);
    if members.is_empty() {
        return Ok(None);
    }
    let Some(location) = sources.environment.location.clone() else {
        return Err(DesiredError::NoLocation {
            gate: gate.name.clone(),
        });
    };
    let scope = sources.environment.scope.path();
    let mut grants = BTreeSet::new();
    for member in members.iter().filter(|member| member.acts) {
        let outside = member.scopes.iter().filter(|id| {
            // A role at the scope of the assignment holds for everything in it; what a management group holds is known to Azure alone.
            matches!(sources.environment.scope, Scope::ManagementGroup(_)) || !id.is_within(&scope)
        });
        for at in outside.map(ResourceId::as_str).chain([scope.as_str()]) {
            grants.extend(member.roles.iter().map(|role| (at.to_owned(), role.clone())));
        }
    }
    Ok(Some(Identity {
        location,
        user_assigned: gate.identity.clone(),
        grants,
    }))
}

/// A member that names roles.
struct Member {
    roles: Vec<String>,
    /// Whether its effect deploys or modifies.
    acts: bool,
    /// What its parameters name, where the identity needs its roles as well.
    scopes: Vec<ResourceId>,
}

fn members(sources: Sources<'_>, gate: &Gate) -> Vec<Member> {
    let catalog = sources.catalog;
    let mut found = Vec::new();
    match sources.estate.initiatives.get(&gate.initiative) {
        Some(Initiative::Own {
            display_name,
            description,
            kind,
            members,
        }) => {
            // Rules of our own deploy nothing, so they may be left out here.
            let (name, no_ids) = (&gate.initiative, BTreeMap::new());
            let titles = (name.as_str(), display_name.as_str(), description.as_str());
            let set = set_content(titles, (*kind, false), members, catalog, &no_ids);
            let default = |name: &str| set.parameters.get(name)?.get("defaultValue").cloned();
            for member in members {
                let reference = |document: &&Value| {
                    let reference = document.get("policyDefinitionReferenceId");
                    reference.and_then(Value::as_str) == Some(member.reference_id.as_str())
                };
                let document = set.members.iter().find(reference);
                let facts = member.facts(catalog);
                let facts = facts.as_deref();
                let values: BTreeMap<String, Value> = document
                    .and_then(|document| document.get("parameters"))
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, value)| Some((name.clone(), value.get("value")?.clone())))
                    .collect();
                found.extend(facts.and_then(|facts| read(facts, &values, gate, &default)));
            }
        }
        Some(Initiative::BuiltIn { id, version }) => {
            let set = catalog.initiative(id);
            if let Some(set) = set.map(|set| set.facts_at(version)) {
                let default = |name: &str| set.parameters.get(name)?.default.clone();
                for member in &set.members {
                    let facts = catalog.facts_of_member(member);
                    found.extend(facts.and_then(|facts| read(facts, &member.parameters, gate, &default)));
                }
            }
        }
        Some(Initiative::Defender { .. }) | None => {}
    }
    found
}

fn read(
    facts: &VersionFacts,
    values: &BTreeMap<String, Value>,
    gate: &Gate,
    default: &dyn Fn(&str) -> Option<Value>,
) -> Option<Member> {
    if !facts.needs_identity() {
        return None;
    }
    let value = |name: &str, parameter: Option<&Parameter>| match values.get(name) {
        Some(Value::String(text)) => match text
            .strip_prefix("[parameters('")
            .and_then(|rest| rest.strip_suffix("')]"))
        {
            Some(shown) => gate.parameters.get(shown).cloned().or_else(|| default(shown)),
            None => Some(Value::from(text.as_str())),
        },
        Some(value) => Some(value.clone()),
        None => parameter.and_then(|parameter| parameter.default.clone()),
    };
    let effect = match &facts.effect_parameter {
        Some(name) => value(name, facts.parameters.get(name)),
        None => facts.effects.first().map(|effect| Value::from(effect.as_str())),
    };
    let effect = effect.as_ref().and_then(Value::as_str).map(Effect::parse);
    // An effect that cannot be read here, such as an expression, may act.
    let still = matches!(effect, Some(Some(effect)) if !matches!(effect, Effect::DeployIfNotExists | Effect::Modify));
    let named = facts
        .parameters
        .iter()
        .filter(|(_, parameter)| parameter.assign_permissions);
    let scopes = named.filter_map(|(name, parameter)| ResourceId::parse(value(name, Some(parameter))?.as_str()?));
    let roles = facts.role_definition_ids.iter();
    Some(Member {
        roles: roles
            .filter_map(|id| Some(id.rsplit('/').next()?.to_ascii_lowercase()))
            .collect(),
        acts: !still,
        scopes: scopes.collect(),
    })
}

/// Adds the role assignments of an assignment's identity. One that is there is kept under its name.
pub(super) fn roles(
    desired: &mut Desired,
    sources: Sources<'_>,
    (gate, mark): (&Gate, &Mark),
    identity: &Identity,
    (assignment, live): (&ResourceId, Option<&LiveObject>),
) {
    let known = || {
        let id = identity.user_assigned.as_deref()?;
        sources
            .observed
            .objects()
            .find_map(|object| principal_behind(object, id))
    };
    let principal = live.and_then(|live| principal_of(&live.wire)).or_else(known);
    for (scope, role) in &identity.grants {
        let same = sources.observed.objects().filter(|object| {
            object.kind == Kind::RoleAssignment
                && object.id.scope().eq_ignore_ascii_case(scope)
                && gives(object, role)
                && principal.is_some()
                && principal == holder(object)
        });
        let same: Vec<&LiveObject> = same.collect();
        let there = same.iter().find(|object| owned(sources, object).as_ref() == Some(mark));
        // ARM has a role once for each principal and scope: what an earlier assignment, or another gate with the same identity, was
        // given serves this one too, and goes when nobody needs it any more.
        let shared = || same.iter().find(|object| owned(sources, object).is_some());
        if let (None, Some(shared)) = (there, shared()) {
            let there = |object: &DesiredObject| object.kind == Kind::RoleAssignment && object.id == shared.id;
            if !desired.objects.iter().any(there) {
                desired.objects.push(as_it_is(shared, gate));
            }
            continue;
        }
        if let (None, Some(other)) = (there, same.first()) {
            desired.findings.push(Finding {
                subject: gate.name.clone(),
                sentence: format!(
                    "its identity has the role `{}` at `{scope}` by `{}`, which is not ours and is left alone",
                    role_name(role).unwrap_or(role),
                    other.id.name()
                ),
            });
            continue;
        }
        let path = |attempt| {
            let name = mark.role_assignment_name(scope, role, attempt);
            format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
        };
        // Under an earlier name there may be what an identity had that is no more: ARM lets nobody change whom a role is given to.
        let mut free = (0..ROLE_ATTEMPTS).filter_map(|attempt| ResourceId::parse(&path(attempt)));
        let id = match there {
            Some(there) => Some(there.id.clone()),
            None => free.find(|id| sources.observed.get(Kind::RoleAssignment, id).is_none()),
        };
        let Some(id) = id else { continue };
        let principal = principal
            .clone()
            .map_or_else(|| json!({ KNOWN_AFTER: assignment.as_str() }), Value::from);
        let mut properties = Map::new();
        for (key, value) in [
            (
                "roleDefinitionId",
                Value::from(format!("/providers/Microsoft.Authorization/roleDefinitions/{role}")),
            ),
            ("principalId", principal),
            // Without it ARM looks the principal up, and does not find one that was made a moment ago.
            ("principalType", Value::from("ServicePrincipal")),
            ("description", Value::from(mark.to_text())),
        ] {
            properties.insert(key.to_owned(), value);
        }
        desired
            .objects
            .retain(|object| object.kind != Kind::RoleAssignment || object.id != id);
        desired.objects.push(DesiredObject {
            kind: Kind::RoleAssignment,
            id,
            gate: Some(gate.name.clone()),
            body: json!({ "properties": properties }).into(),
            depends_on: vec![(Kind::PolicyAssignment, assignment.clone())],
            replaces: None,
            meanings: Meanings::new(),
        });
    }
}

/// Keeps the role assignments of ours that an assignment has which is kept as it is.
pub(super) fn keep_roles(desired: &mut Desired, sources: Sources<'_>, gate: &Gate, assignment: &LiveObject) {
    let mark = owned(sources, assignment);
    let principal = principal_of(&assignment.wire);
    let kept = sources.observed.objects().filter(|object| {
        object.kind == Kind::RoleAssignment
            && mark.is_some()
            && owned(sources, object) == mark
            && principal.is_some()
            && holder(object) == principal
    });
    let kept: Vec<DesiredObject> = kept.map(|object| as_it_is(object, gate)).collect();
    desired.objects.extend(kept);
}

fn as_it_is(object: &LiveObject, gate: &Gate) -> DesiredObject {
    DesiredObject {
        kind: object.kind,
        id: object.id.clone(),
        gate: Some(gate.name.clone()),
        body: object.wire.clone().into(),
        depends_on: Vec::new(),
        replaces: None,
        meanings: Meanings::new(),
    }
}

/// Returns the principal of a user-assigned identity, where an assignment has it.
fn principal_behind(object: &LiveObject, user_assigned: &str) -> Option<String> {
    if object.kind != Kind::PolicyAssignment {
        return None;
    }
    let identities = object.wire.pointer("/identity/userAssignedIdentities")?.as_object()?;
    identities
        .keys()
        .any(|id| id.eq_ignore_ascii_case(user_assigned))
        .then(|| principal_of(&object.wire))?
}

fn owned(sources: Sources<'_>, object: &LiveObject) -> Option<Mark> {
    object.owned_mark(&sources.estate.owner, &sources.environment.name)
}

fn gives(object: &LiveObject, role: &str) -> bool {
    let id = object
        .wire
        .pointer("/properties/roleDefinitionId")
        .and_then(Value::as_str);
    id.and_then(|id| id.rsplit('/').next())
        .is_some_and(|found| found.eq_ignore_ascii_case(role))
}

fn holder(object: &LiveObject) -> Option<String> {
    let id = object.wire.pointer("/properties/principalId").and_then(Value::as_str);
    id.map(str::to_ascii_lowercase)
}
