//! What others assign of a gate's content: at its scope, above it or below it. It is told and never changed.
//!
//! Azure evaluates every assignment by itself, and the most restrictive effect wins: nobody can soften another one's.

use super::Sources;
use crate::catalog::{SetMember, VersionFacts};
use crate::config::{Gate, Initiative};
use crate::kinds::Kind;
use crate::model::Effect;
use crate::observed::LiveObject;
use crate::remark::Finding;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The start of the id of a definition that Microsoft brings; one of somebody's own stands at a scope.
const BUILT_IN: &str = "/providers/microsoft.authorization/";

/// Says of each assignment of others that overlaps with a gate who made it, where, and which of the two wins.
pub(super) fn findings(sources: Sources<'_>, gate: &Gate, definition: &str) -> Vec<Finding> {
    let ours = definitions_of(sources, gate);
    let observed = sources.observed;
    let here = observed
        .objects()
        .filter(|object| object.kind == Kind::PolicyAssignment);
    let others = here
        .filter(|object| owner_is_other(sources, object))
        .chain(&observed.beyond);
    let mut found = Vec::new();
    for other in others {
        let tell = |sentence: String| Finding {
            subject: gate.name.clone(),
            sentence,
        };
        let what = text(other, "policyDefinitionId").to_ascii_lowercase();
        let place = place(sources, other);
        if what == definition.to_ascii_lowercase() {
            found.push(tell(format!(
                "its initiative is also assigned by `{}` {place}, which is not ours and is left alone; the more restrictive effect of the \
                 two wins",
                other.id.name()
            )));
            continue;
        }
        let Some(assigned) = assigned(sources, other, &what) else {
            if observed.unread_sets.iter().any(|id| id.key() == what) {
                found.push(tell(format!(
                    "`{}` {place} assigns a set of definitions that cannot be read here, so whether it overlaps is not known",
                    other.id.name()
                )));
            }
            continue;
        };
        let shared: Vec<(&String, &Option<Effect>)> =
            assigned.iter().filter(|(name, _)| ours.contains(*name)).collect();
        if let Some(overlap) = overlap(sources, other, &shared) {
            found.push(tell(format!(
                "`{}` {place} {overlap}; it is not ours and is left alone",
                other.id.name()
            )));
        }
    }
    found
}

/// What is shared, and which of the two wins.
fn overlap(sources: Sources<'_>, other: &LiveObject, shared: &[(&String, &Option<Effect>)]) -> Option<String> {
    let titles: Vec<String> = shared
        .iter()
        .take(2)
        .map(|(name, _)| {
            let known = sources.catalog.definition(name);
            format!(
                "`{}`",
                known.map_or(name.as_str(), |definition| definition.display_name.as_str())
            )
        })
        .collect();
    if titles.is_empty() {
        return None;
    }
    let more = match shared.len().saturating_sub(titles.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let enforced = !text(other, "enforcementMode").eq_ignore_ascii_case("DoNotEnforce");
    let effects = || shared.iter().map(|(_, effect)| effect.as_ref());
    let denies = effects().any(|effect| effect == Some(&Effect::Deny));
    let verdict = if denies && enforced {
        "it denies there whatever the stage of this gate is, for Deny wins over Audit".to_owned()
    } else if effects().any(|effect| effect.is_none()) {
        "its effect is not known here; the more restrictive one wins".to_owned()
    } else {
        let words: BTreeSet<String> = effects().flatten().map(ToString::to_string).collect();
        let words: Vec<String> = words.into_iter().collect();
        let mode = if enforced { "" } else { ", not enforced" };
        format!(
            "its effect is {}{mode}, and where this gate denies, Deny wins",
            words.join(" or ")
        )
    };
    Some(format!("assigns {}{more} too: {verdict}", titles.join(", ")))
}

/// The built-in definitions that are members of a gate, by name.
fn definitions_of(sources: Sources<'_>, gate: &Gate) -> BTreeSet<String> {
    match sources.estate.initiatives.get(&gate.initiative) {
        Some(Initiative::Own { members, .. }) => {
            let built_in = members.iter().filter_map(|member| member.definition.built_in());
            built_in.map(str::to_owned).collect()
        }
        Some(Initiative::BuiltIn { id, .. }) => {
            let set = sources.catalog.initiative(id).map(|set| set.current());
            let members = set.into_iter().flat_map(|set| &set.members);
            members.map(|member| member.definition.clone()).collect()
        }
        Some(Initiative::Defender { .. }) | None => BTreeSet::new(),
    }
}

/// The built-in definitions that an assignment assigns, each with its effect where that is known; none where its set is not known.
fn assigned(sources: Sources<'_>, other: &LiveObject, what: &str) -> Option<BTreeMap<String, Option<Effect>>> {
    let catalog = sources.catalog;
    let given = |name: &str| {
        let parameters = other.wire.pointer("/properties/parameters")?.as_object()?;
        let found = parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, parameter)| parameter.get("value").cloned())
    };
    let built_in = what.strip_prefix(BUILT_IN);
    if let Some(name) = built_in.and_then(|rest| rest.strip_prefix("policydefinitions/")) {
        let facts = catalog.definition(name).map(|definition| definition.current());
        let effect = facts.and_then(|facts| effect(facts, None, &given, &|_| None));
        return Some(BTreeMap::from([(name.to_owned(), effect)]));
    }
    let set = built_in.and_then(|rest| rest.strip_prefix("policysetdefinitions/"));
    if let Some(set) = set.and_then(|name| catalog.initiative(name)) {
        let default = |name: &str| set.current().parameters.get(name)?.default.clone();
        let members = set.current().members.iter().map(|member| {
            let facts = catalog.facts_of_member(member);
            let effect = facts.and_then(|facts| effect(facts, Some(&member.parameters), &given, &default));
            (member.definition.clone(), effect)
        });
        return Some(members.collect());
    }
    let listed = sources
        .observed
        .objects()
        .filter(|object| object.kind == Kind::PolicySetDefinition);
    let set = listed
        .chain(&sources.observed.sets_of_others)
        .find(|set| set.id.key() == what);
    let Some(set) = set else {
        // A definition of somebody's own is none of ours.
        return what.contains("/policydefinitions/").then(BTreeMap::new);
    };
    let default = |name: &str| {
        set.wire
            .pointer(&format!("/properties/parameters/{name}/defaultValue"))
            .cloned()
    };
    let members = set
        .wire
        .pointer("/properties/policyDefinitions")
        .and_then(Value::as_array)?;
    let members = members.iter().filter_map(|member| {
        let id = member.get("policyDefinitionId")?.as_str()?.to_ascii_lowercase();
        let name = id
            .strip_prefix(BUILT_IN)?
            .strip_prefix("policydefinitions/")?
            .to_owned();
        let values = member.get("parameters").and_then(Value::as_object);
        let values: BTreeMap<String, Value> = values
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.get("value")?.clone())))
            .collect();
        let facts = catalog.definition(&name).map(|definition| definition.current());
        let effect = facts.and_then(|facts| effect(facts, Some(&values), &given, &default));
        Some((name, effect))
    });
    Some(members.collect())
}

/// The effect of a definition in an assignment; none where it cannot be told.
fn effect(
    facts: &VersionFacts,
    member: Option<&BTreeMap<String, Value>>,
    given: &dyn Fn(&str) -> Option<Value>,
    default: &dyn Fn(&str) -> Option<Value>,
) -> Option<Effect> {
    let Some(parameter) = &facts.effect_parameter else {
        return Effect::parse(facts.effects.first()?);
    };
    let stated = match member {
        None => given(parameter),
        Some(values) => match values.get(parameter) {
            None => None,
            Some(value) => match SetMember::set_parameter(value) {
                Some(name) => Some(given(name).or_else(|| default(name))?),
                None => Some(value.clone()),
            },
        },
    };
    match stated {
        Some(value) => Effect::parse(value.as_str()?),
        None => Effect::parse(facts.default_effect()?),
    }
}

fn owner_is_other(sources: Sources<'_>, object: &LiveObject) -> bool {
    object
        .owned_mark(&sources.estate.owner, &sources.environment.name)
        .is_none()
}

/// Where an assignment stands, seen from the environment, and who made it as far as it says so.
fn place(sources: Sources<'_>, other: &LiveObject) -> String {
    let (here, there) = (sources.environment.scope.path(), other.id.scope());
    let side = if there.eq_ignore_ascii_case(&here) {
        return format!("at this scope{}", maker(sources, other));
    } else if other.id.is_within(&here) || sources.observed.is_below(&sources.environment.scope, &other.id) {
        "below, at"
    } else {
        "above, at"
    };
    format!("{side} `{there}`{}", maker(sources, other))
}

/// Who made an assignment, in brackets. Defender for Cloud tells itself by its descriptions and by `assignedBy` only.
fn maker(sources: Sources<'_>, other: &LiveObject) -> String {
    let metadata = |key: &str| {
        let value = other.wire.pointer(&format!("/properties/metadata/{key}"));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let description = text(other, "description");
    let generated = [
        "This object has been generated by",
        "This policy assignment was automatically created by",
    ];
    let defender = metadata("assignedBy").eq_ignore_ascii_case("Security Center")
        || other.id.name().eq_ignore_ascii_case("SecurityCenterBuiltIn")
        || generated.iter().any(|start| description.starts_with(start));
    let who = if let Some(mark) = other.mark() {
        if mark.owner == sources.estate.owner {
            format!("environment `{}` of this estate", mark.environment)
        } else {
            format!("environment `{}` of the estate of `{}`", mark.environment, mark.owner)
        }
    } else if defender {
        "made by Microsoft Defender for Cloud".to_owned()
    } else if other.id.name().to_ascii_lowercase().starts_with("sys.") {
        "made by Azure itself".to_owned()
    } else if !metadata("assignedBy").is_empty() {
        format!("by `{}`", metadata("assignedBy"))
    } else {
        return String::new();
    };
    format!(" ({who})")
}

fn text<'a>(object: &'a LiveObject, key: &str) -> &'a str {
    let value = object.wire.get("properties").and_then(|properties| properties.get(key));
    value.and_then(Value::as_str).unwrap_or_default()
}
