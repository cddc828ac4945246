//! One gate: its set definition where it has one of its own, and its assignment, put at the position that the rollout allows.

use super::checks::properties;
use super::identity::{identity, keep_roles, roles};
use super::rules::{self, OwnDefinition};
use super::{Desired, DesiredError, DesiredObject, Sources, overlap};
use crate::catalog::managed_namespaces;
use crate::config::{Gate, Initiative, InitiativeKind};
use crate::diff::digest;
use crate::kinds::{Kind, Plane, override_stages};
use crate::lock::Unaccepted;
use crate::model::{Effect, MARK_KEY, Mark, MarkState, ResourceId, STATE_KEY, Stage, Timestamp};
use crate::observed::LiveObject;
use crate::remark::{Finding, Held, Reason};
use crate::render::{effects, set_content};
use crate::rollout::{Guard, Hold, Standing, Uncovered, decide, decide_enablement};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a gate's assignment points at.
struct Definition {
    id: String,
    version: Option<String>,
    display_name: String,
    /// The spellings of `effect`.
    effects: Vec<String>,
    /// The namespaces excluded by default; none if the initiative has no such parameter.
    namespaces: Option<Vec<String>>,
    /// What the content is, without ids: goes into the gate's digest.
    content: Value,
    /// The set definition of our own, to be there before.
    own: Option<DesiredObject>,
    /// The definitions of the rules in it, to be there before the set.
    rules: Vec<DesiredObject>,
}

pub(super) fn add(
    desired: &mut Desired,
    sources: Sources<'_>,
    gate: &Gate,
    uncovered: &[Uncovered],
) -> Result<(), DesiredError> {
    let live = live_assignments(sources, gate);
    if gate.target == Stage::Off {
        return Ok(()); // an assignment that is there is no longer wanted
    }
    desired.findings.extend(rules::findings(sources, gate));
    let definition = definition(sources, gate)?;
    let parameters = parameters(gate, &definition)?;
    let content = digest(&json!({"content": definition.content, "parameters": parameters}));
    let digest: String = content.chars().take(16).collect();

    let identity = identity(sources, gate)?;
    let same = live.iter().rev().find(|(object, _)| {
        points_at(object, &definition.id) && identity.as_ref().is_none_or(|identity| identity.fits(object))
    });
    let newest = live.last();
    let all: Vec<&LiveObject> = live.iter().map(|(object, _)| *object).collect();
    let enables = gate.kind == InitiativeKind::Enablement;
    let stands = match gate.kind {
        InitiativeKind::Admission => same.or(newest),
        // A successor with another content reports first, whatever its predecessor deploys.
        InitiativeKind::Enablement => same.or(newest.filter(|(object, _)| has_digest(object, &digest))),
    };
    let stands = stands.map(|(object, _)| standing(gate, object, &digest));
    if let (Some((object, _)), Some(stands)) = (same.or(newest), &stands)
        && stands.stage == Stage::Deny
        && !enables
        && !has_digest(object, &digest)
    {
        keep(desired, sources, gate, &all, "generation", DENIES.to_owned());
        return Ok(());
    }
    if !enables && live.iter().any(|(object, _)| denies_in_part(object)) {
        keep(desired, sources, gate, &all, "override", DENIES_IN_PART.to_owned());
        return Ok(());
    }
    let unaccepted = sources
        .unaccepted
        .get(&gate.name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    // A successor would be what Azure has now, and take the place of what was accepted.
    let differs: Vec<&str> = unaccepted
        .iter()
        .filter(|found| found.differs)
        .map(|found| found.sentence.as_str())
        .collect();
    if same.is_none() && !live.is_empty() && !differs.is_empty() {
        keep(desired, sources, gate, &all, "lock", differs.join("; "));
        return Ok(());
    }
    let closed: Vec<Hold> = unaccepted.iter().map(lock_hold).collect();
    let decision = match gate.kind {
        InitiativeKind::Admission => decide(gate.target, stands.as_ref(), gate.soak, uncovered, &closed, sources.now),
        InitiativeKind::Enablement => decide_enablement(gate.target, stands.as_ref(), gate.soak, &closed, sources.now),
    };
    desired
        .findings
        .extend(decision.remark.iter().map(|remark| finding(gate, remark.clone())));
    if let Some((stage, holds)) = &decision.held {
        let reasons = holds
            .iter()
            .map(|hold| Reason {
                guard: hold.guard.to_string(),
                sentence: hold.sentence.clone(),
                opens: hold.opens,
            })
            .collect();
        let what = gate.kind.stage_name(*stage);
        desired.held.push(Held {
            plane: Plane::Policy,
            subject: gate.name.clone(),
            what,
            reasons,
        });
    }

    let (mark, id) = match same {
        Some((object, mark)) => (mark.clone(), Some(object.id.clone())),
        None => (
            mark(
                sources,
                &gate.name,
                newest.map_or(0, |(_, mark)| mark.generation).saturating_add(1),
            ),
            None,
        ),
    };
    let path = format!(
        "{}/providers/Microsoft.Authorization/policyAssignments/{}",
        sources.environment.scope.path(),
        mark.assignment_name()
    );
    let Some(id) = id.or_else(|| ResourceId::parse(&path)) else {
        return Ok(());
    };
    let wanted = definition
        .rules
        .iter()
        .chain(&definition.own)
        .map(|own| (own.kind, &own.id));
    let taken = wanted.chain([(Kind::PolicyAssignment, &id)]).find_map(|(kind, id)| {
        let object = sources.observed.get(kind, id)?;
        let ours = object.owned_mark(&sources.estate.owner, &sources.environment.name);
        ours.is_none().then_some(object)
    });
    if let Some(taken) = taken {
        let sentence = format!(
            "a {} `{}` is there and does not carry the mark of this environment, so it is not touched; give it back its \
             `metadata.{MARK_KEY}`, or delete it and plan again",
            taken.kind.label(),
            taken.id.name()
        );
        keep(desired, sources, gate, &all, "state", sentence);
        return Ok(());
    }
    // A predecessor that is closed further than what would be written stays closed.
    let higher: Vec<&LiveObject> = live
        .iter()
        .filter(|(object, _)| object.id != id && standing(gate, object, &digest).stage > decision.stage)
        .map(|(object, _)| *object)
        .collect();
    // Who asks for no more than audit asks for the end of what deploys.
    let higher = if enables && gate.target <= decision.stage {
        Vec::new()
    } else {
        higher
    };
    if !higher.is_empty() {
        let sentence = if enables { STILL_ENFORCES } else { DENIES };
        keep(desired, sources, gate, &higher, "generation", sentence.to_owned());
    }
    let state = MarkState {
        position: gate.kind.stage_name(decision.stage),
        digest,
        since: None,
        run: None,
    };
    let mut body = body(
        sources,
        gate,
        &definition,
        parameters,
        decision.stage,
        &mark,
        same.map(|(object, _)| *object),
        &state,
    )?;
    if let Some(identity) = &identity {
        identity.state(&mut body);
    }
    let replaces = match same {
        Some(_) => None,
        None => newest
            .filter(|(object, _)| !higher.contains(object))
            .map(|(object, _)| {
                let why = if points_at(object, &definition.id) {
                    "its location or its identity is another one, and an assignment cannot be moved to it"
                } else {
                    "the gate's definition is another one, and an assignment cannot be moved to it"
                };
                (object.id.clone(), why.to_owned())
            }),
    };
    let depends_on = definition.own.iter().map(|own| (own.kind, own.id.clone())).collect();
    desired
        .findings
        .extend(overlap::findings(sources, gate, &definition.id));
    if let Some((object, _)) = same {
        desired.findings.extend(hand_made(gate, object, &body));
    }
    desired.objects.extend(definition.rules);
    desired.objects.extend(definition.own);
    if let Some(identity) = &identity {
        let live = same.map(|(object, _)| *object);
        roles(desired, sources, (gate, &mark), identity, (&id, live));
    }
    let gate = Some(gate.name.clone());
    desired.objects.push(DesiredObject {
        kind: Kind::PolicyAssignment,
        id,
        gate,
        body,
        depends_on,
        replaces,
    });
    Ok(())
}

fn has_digest(object: &LiveObject, digest: &str) -> bool {
    object.mark_state().is_some_and(|state| state.digest == digest)
}

/// The live assignments of the gate that are ours, oldest generation first.
fn live_assignments<'a>(sources: Sources<'a>, gate: &Gate) -> Vec<(&'a LiveObject, Mark)> {
    let owned = sources.observed.owned(&sources.estate.owner, &sources.environment.name);
    let mut found: Vec<(&LiveObject, Mark)> = owned
        .filter(|(object, mark)| object.kind == Kind::PolicyAssignment && mark.gate == gate.name)
        .collect();
    found.sort_by(|one, two| (one.1.generation, &one.0.id).cmp(&(two.1.generation, &two.0.id)));
    found
}

fn points_at(object: &LiveObject, definition: &str) -> bool {
    let found = object
        .wire
        .pointer("/properties/policyDefinitionId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    found.eq_ignore_ascii_case(definition)
}

pub(super) fn standing(gate: &Gate, object: &LiveObject, digest: &str) -> Standing {
    let state = object.mark_state();
    let enforced = object
        .wire
        .pointer("/properties/enforcementMode")
        .and_then(Value::as_str)
        .unwrap_or("Default");
    if gate.kind == InitiativeKind::Enablement {
        // Its members' effects are fixed: whether they act is the enforcement mode's.
        let acts = enforced.eq_ignore_ascii_case("Default");
        return Standing {
            stage: if acts { Stage::Deny } else { Stage::Audit },
            marked: state.as_ref().and_then(|state| gate.kind.stage(&state.position)),
            since: since(state, digest),
        };
    }
    let stage = effect_stage(object);
    // An override raises it somewhere: what denies anywhere is not written over. One that lowers it is a hole, not a position.
    let stage = overridden(object).into_iter().fold(stage, Stage::max);
    Standing {
        // Not enforced, a gate at deny holds nothing back: it stands at audit.
        stage: if enforced.eq_ignore_ascii_case("Default") {
            stage
        } else {
            stage.min(Stage::Audit)
        },
        marked: state.as_ref().and_then(|state| Stage::parse(&state.position)),
        since: since(state, digest),
    }
}

fn since(state: Option<MarkState>, digest: &str) -> Option<Timestamp> {
    state.filter(|state| state.digest == digest)?.since
}

/// Returns the stage of the effect that holds where no override does.
fn effect_stage(object: &LiveObject) -> Stage {
    let effect = object
        .wire
        .pointer("/properties/parameters/effect/value")
        .and_then(Value::as_str);
    effect.and_then(Effect::parse).and_then(Stage::of).unwrap_or(Stage::Off)
}

/// Whether an override closes an assignment further, for some members or places, than its effect does.
fn denies_in_part(object: &LiveObject) -> bool {
    overridden(object)
        .into_iter()
        .any(|stage| stage > effect_stage(object).max(Stage::Audit))
}

/// Returns the stages that an assignment's overrides stand for; none where one of them is no effect of the ladder.
fn overridden(object: &LiveObject) -> Vec<Stage> {
    let overrides = object.wire.pointer("/properties/overrides");
    overrides.and_then(override_stages).unwrap_or_default()
}

/// Whether every override of an assignment lowers an effect below that of its stage: somebody opened the gate by hand.
fn only_lowers(object: &LiveObject, stage: Stage) -> bool {
    let stages = overridden(object);
    !stages.is_empty() && stages.into_iter().all(|lower| lower < stage)
}

/// Why a gate that denies is left alone: it is changed by a generation that climbs beside it, and this version has none.
const DENIES: &str =
    "the gate stands at deny, and its content cannot be changed without opening it; this version leaves it as it is";

/// Why an assignment that deploys is left alone beside its successor.
const STILL_ENFORCES: &str =
    "the assignment before this one deploys until the new one does; what both report stands twice until then";

const DENIES_IN_PART: &str =
    "overrides that aksgate did not set make a part of the gate deny; this version leaves the whole gate as it is";

/// Holds a change of the gate's content, and keeps these assignments of it, and the sets that they point at, as they are.
fn keep(desired: &mut Desired, sources: Sources<'_>, gate: &Gate, live: &[&LiveObject], guard: &str, sentence: String) {
    desired.held.push(Held {
        plane: Plane::Policy,
        subject: gate.name.clone(),
        what: "change of content".to_owned(),
        reasons: vec![Reason {
            guard: guard.to_owned(),
            sentence,
            opens: None,
        }],
    });
    let as_it_is = |object: &LiveObject| DesiredObject {
        kind: object.kind,
        id: object.id.clone(),
        gate: Some(gate.name.clone()),
        body: object.wire.clone(),
        depends_on: Vec::new(),
        replaces: None,
    };
    for object in live {
        desired.objects.push(as_it_is(object));
        keep_roles(desired, sources, gate, object);
        let set = object
            .wire
            .pointer("/properties/policyDefinitionId")
            .and_then(Value::as_str)
            .and_then(ResourceId::parse);
        let set = set.and_then(|id| sources.observed.get(Kind::PolicySetDefinition, &id));
        let members = set.and_then(|set| set.wire.pointer("/properties/policyDefinitions"));
        let rules = members
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|member| {
                let id = ResourceId::parse(member.get("policyDefinitionId")?.as_str()?)?;
                sources.observed.get(Kind::PolicyDefinition, &id)
            });
        desired.objects.extend(rules.chain(set).map(as_it_is));
    }
}

fn lock_hold(unaccepted: &Unaccepted) -> Hold {
    Hold {
        guard: Guard::Lock,
        sentence: unaccepted.sentence.clone(),
        opens: None,
    }
}

pub(super) fn mark(sources: Sources<'_>, gate: &str, generation: u32) -> Mark {
    Mark {
        owner: sources.estate.owner.clone(),
        environment: sources.environment.name.clone(),
        gate: gate.to_owned(),
        generation,
        part: "00".to_owned(),
    }
}

fn definition(sources: Sources<'_>, gate: &Gate) -> Result<Definition, DesiredError> {
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
            let set = set_content(name, display_name, description, *kind, members, catalog, &ids);
            own(sources, gate, &set, rules)
        }
        // The estate is only made when every gate's initiative is there, and a gate of Defender has no assignment.
        Some(Initiative::Defender { .. }) | None => Err(no_effect(gate, Stage::Audit)),
    }
}

fn no_effect(gate: &Gate, stage: Stage) -> DesiredError {
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
        namespaces: namespaces.map(|p| {
            p.default
                .as_ref()
                .and_then(Value::as_array)
                .map(|v| strings(v))
                .unwrap_or_default()
        }),
        content: json!({"builtIn": id, "version": version}),
        own: None,
        rules: Vec::new(),
    }
}

fn own(
    sources: Sources<'_>,
    gate: &Gate,
    set: &crate::render::SetContent,
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
    let content = json!({"members": members, "parameters": part("parameters")});
    let mark = mark(sources, &gate.initiative, 1);
    let metadata = properties.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert(MARK_KEY.to_owned(), Value::from(mark.to_text()));
    }
    let name = mark.set_definition_name(&digest(&content));
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
            body: json!({ "properties": properties }),
            depends_on: rules.iter().map(|rule| (rule.kind, rule.id.clone())).collect(),
            replaces: None,
        }),
        rules,
        id,
        version: None,
        display_name: set.display_name.clone(),
        effects: if set.parameters.contains_key("effect") {
            effects()
        } else {
            Vec::new()
        },
        namespaces: set
            .parameters
            .contains_key("excludedNamespaces")
            .then(|| names.into_iter().collect()),
        content,
    })
}

/// The assignment's parameters but for the effect: what the gate states, and the exclusions joined with the namespaces that Azure
/// manages and those that the definition leaves out by default.
fn parameters(gate: &Gate, definition: &Definition) -> Result<Map<String, Value>, DesiredError> {
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

#[expect(
    clippy::too_many_arguments,
    reason = "the one place where everything about an assignment meets"
)]
fn body(
    sources: Sources<'_>,
    gate: &Gate,
    definition: &Definition,
    parameters: Map<String, Value>,
    stage: Stage,
    mark: &Mark,
    live: Option<&LiveObject>,
    state: &MarkState,
) -> Result<Value, DesiredError> {
    let rendered = sources.renderer.policy_assignment(
        sources.environment,
        gate,
        (&gate.initiative, &definition.display_name),
        (&definition.id, definition.version.as_deref()),
        &parameters,
    )?;
    let forbidden = [
        "metadata.aksgate",
        "metadata.aksgateState",
        "parameters.effect",
        "overrides",
        "enforcementMode",
        "scope",
    ];
    let kind = Kind::PolicyAssignment;
    let mut properties = properties(kind, rendered, &forbidden)?;
    let stated = properties.get("policyDefinitionId").and_then(Value::as_str);
    if stated.is_none_or(|id| !id.eq_ignore_ascii_case(&definition.id)) {
        let (template, field) = (kind.template(), "properties.policyDefinitionId".to_owned());
        return Err(DesiredError::Missing { template, field });
    }
    let version = properties.get("definitionVersion").and_then(Value::as_str);
    if version != definition.version.as_deref() {
        let (template, field) = (kind.template(), "properties.definitionVersion".to_owned());
        return Err(DesiredError::Missing { template, field });
    }
    if properties.get("parameters").and_then(Value::as_object) != Some(&parameters) {
        let (template, field) = (kind.template(), "properties.parameters".to_owned());
        return Err(DesiredError::Missing { template, field });
    }
    let mut all = parameters;
    let mode = match (gate.kind, stage) {
        (InitiativeKind::Admission, _) => {
            let spelling = stage.effect().spelling(definition.effects.iter().map(String::as_str));
            let effect = spelling.ok_or_else(|| no_effect(gate, stage))?;
            all.insert("effect".to_owned(), json!({ "value": effect }));
            "Default"
        }
        (InitiativeKind::Enablement, Stage::Deny) => "Default",
        (InitiativeKind::Enablement, _) => "DoNotEnforce",
    };
    properties.insert("parameters".to_owned(), Value::Object(all));
    properties.insert("enforcementMode".to_owned(), Value::from(mode));
    if live.is_some_and(|live| only_lowers(live, stage)) {
        properties.insert("overrides".to_owned(), json!([]));
    }
    // `since` and `run` are kept while position and digest are; otherwise the run that writes sets them. What somebody put past audit
    // by hand stands there already, and its mark goes on saying where it was put.
    let by_hand = stage > Stage::Audit && live.is_some_and(|live| standing(gate, live, &state.digest).stage >= stage);
    let kept = live
        .and_then(LiveObject::mark_state)
        .filter(|live| live.digest == state.digest && (live.position == state.position || by_hand));
    let metadata = properties.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert(MARK_KEY.to_owned(), Value::from(mark.to_text()));
        metadata.insert(
            STATE_KEY.to_owned(),
            Value::from(kept.as_ref().unwrap_or(state).to_text()),
        );
    }
    Ok(json!({ "properties": properties }))
}

fn finding(gate: &Gate, sentence: String) -> Finding {
    Finding {
        subject: gate.name.clone(),
        sentence,
    }
}

/// What somebody added by hand to an assignment of ours, and stays.
fn hand_made(gate: &Gate, object: &LiveObject, body: &Value) -> Vec<Finding> {
    let kept = object.kind.comparable(&object.kind.merged(body, Some(&object.wire)));
    let stated = object.kind.comparable(body);
    let properties = |value: &Value| {
        value
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let stated = properties(&stated);
    properties(&kept)
        .into_iter()
        .map(|(key, _)| key)
        // Azure fills these in where they were left out.
        .filter(|key| !stated.contains_key(key) && !matches!(key.as_str(), "definitionVersion" | "assignmentType"))
        .map(|key| {
            let sentence = format!("its assignment carries `{key}`, which aksgate did not set and leaves alone");
            finding(gate, sentence)
        })
        .collect()
}
