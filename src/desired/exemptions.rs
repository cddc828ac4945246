//! The exemptions of a gate: one for each assignment of it that stays, while it has not expired.

use super::checks::properties;
use super::rollout::Order;
use super::{Desired, DesiredError, DesiredObject, Sources};
use crate::config::{Exemption, ExemptionCategory, Gate};
use crate::kinds::{Kind, Meanings, Plane};
use crate::model::{Area, MARK_KEY, Mark, Part, ResourceId, Scope, Timestamp, plain_location};
use crate::observed::{Cluster, LiveObject, Observed};
use crate::remark::{Finding, Held, Reason};
use crate::rollout::Ladder;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Adds the exemptions from the assignments of a gate that are wanted.
pub(super) fn add(desired: &mut Desired, sources: Sources<'_>, gate: &Gate) -> Result<(), DesiredError> {
    let exemptions = sources.environment.exemptions.iter().filter(|it| it.gate == gate.name);
    let assignments: Vec<(ResourceId, Mark)> = desired
        .objects
        .iter()
        .filter(|object| object.kind == Kind::PolicyAssignment && object.gate.as_ref() == Some(&gate.name))
        .filter_map(|object| Some((object.id.clone(), mark_of(&object.body)?)))
        .collect();
    for exemption in exemptions {
        let expires = exemption.expires;
        let name = exemption.resource.name();
        let because = match &exemption.ticket {
            Some(ticket) => format!("{} ({ticket})", exemption.reason),
            None => exemption.reason.clone(),
        };
        let mut tell = |sentence: String| {
            desired.findings.push(Finding {
                subject: gate.name.clone(),
                sentence,
            });
        };
        if expires <= sources.now {
            tell(format!(
                "its exemption of `{name}` expired on {expires} and is not in force; take it out of the environment: {because}"
            ));
            continue;
        }
        if expires <= sources.now.plus(sources.estate.expiry_warning) {
            tell(format!(
                "its exemption of `{name}` ends in {}, on {expires}: {because}",
                expires.since(sources.now)
            ));
        }
        if let Some(why) = unreachable(sources, &exemption.resource) {
            hold(desired, gate, exemption, "state", why);
            continue;
        }
        for (assignment, mark) in &assignments {
            let Some(resource) = reached(&exemption.resource, (assignment, mark)) else {
                continue;
            };
            let exemption = Exemption {
                resource,
                ..exemption.clone()
            };
            one(desired, sources, (gate, &exemption), (assignment, mark))?;
        }
    }
    relaxed(desired, sources, gate, &assignments);
    for (assignment, mark) in &assignments {
        relax(desired, sources, gate, (assignment, mark))?;
    }
    Ok(())
}

/// Returns what of a resource is let off an assignment: an exemption stands at the assignment's scope or below it.
pub(super) fn reached(resource: &ResourceId, (assignment, mark): (&ResourceId, &Mark)) -> Option<ResourceId> {
    let scope = assignment.scope();
    if mark.is_whole() || resource.is_within(scope) {
        return Some(resource.clone());
    }
    let above = ResourceId::parse(scope).filter(|scope| {
        let is_group = matches!(Scope::parse(resource.as_str()), Some(Scope::ManagementGroup(_)));
        is_group || scope.is_within(resource.as_str())
    });
    // One of namespaces stands where the whole does, at a management group perhaps, whose subscriptions are not told by their ids.
    let at_group = matches!(Scope::parse(scope), Some(Scope::ManagementGroup(_)));
    above.or_else(|| at_group.then(|| resource.clone()))
}

/// The key in an exemption's metadata that tells a relaxation: why it was asked for. It stands in no file, and stays until it ends.
pub const RELAXED_KEY: &str = "aksgateRelaxed";
/// How many values a selector takes (governance/policy/concepts/assignment-structure).
const MOST_VALUES: usize = 50;

/// An exemption that lets a gate off for a while, and that Azure itself ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relaxation {
    /// The exemption.
    pub exemption: ResourceId,
    /// The assignment that it is from.
    pub assignment: ResourceId,
    /// When it ends.
    pub ends: Timestamp,
    /// Whether it holds in a part of the clusters only.
    pub in_part: bool,
    /// Why it was asked for.
    pub reason: String,
}

/// Returns the relaxations of a gate that are in force.
pub fn relaxations(
    observed: &Observed,
    (owner, environment, gate): (&str, &str, &Gate),
    now: Timestamp,
) -> Vec<Relaxation> {
    let owned = observed.owned(owner, environment);
    let live = owned.filter(|(object, mark)| object.kind == Kind::PolicyExemption && gate.answers_to(&mark.gate));
    let relaxation = |object: &LiveObject| {
        let text = |path: &str| object.wire.pointer(path).and_then(Value::as_str);
        let places = object.wire.pointer("/properties/resourceSelectors");
        Some(Relaxation {
            exemption: object.id.clone(),
            assignment: ResourceId::parse(text("/properties/policyAssignmentId")?)?,
            ends: ends(object).filter(|ends| *ends > now)?,
            in_part: places
                .and_then(Value::as_array)
                .is_some_and(|places| !places.is_empty()),
            reason: text(&format!("/properties/metadata/{RELAXED_KEY}"))?.to_owned(),
        })
    };
    live.filter_map(|(object, _)| relaxation(object)).collect()
}

/// Keeps the relaxations that are in force, and says that they are.
fn relaxed(desired: &mut Desired, sources: Sources<'_>, gate: &Gate, assignments: &[(ResourceId, Mark)]) {
    let (owner, environment) = (&sources.estate.owner, &sources.environment.name);
    for relaxation in relaxations(sources.observed, (owner, environment, gate), sources.now) {
        let stays = |(assignment, _): &(ResourceId, Mark)| *assignment == relaxation.assignment;
        let object = sources.observed.get(Kind::PolicyExemption, &relaxation.exemption);
        let Some(object) = object.filter(|_| assignments.iter().any(stays)) else {
            continue;
        };
        let place = if relaxation.in_part {
            " in a part of its clusters"
        } else {
            ""
        };
        let Relaxation { ends, reason, .. } = relaxation;
        let sentence = format!("is relaxed{place} until {ends}, and refuses nothing there: {reason}");
        desired.findings.push(Finding {
            subject: gate.name.clone(),
            sentence,
        });
        desired.objects.push(DesiredObject {
            kind: object.kind,
            id: object.id.clone(),
            gate: Some(gate.name.clone()),
            body: object.wire.clone().into(),
            depends_on: Vec::new(),
            replaces: None,
            meanings: Meanings::new(),
        });
    }
}

/// Adds the relaxation that a person asks for: an exemption that Azure itself ends.
fn relax(
    desired: &mut Desired,
    sources: Sources<'_>,
    gate: &Gate,
    (assignment, mark): (&ResourceId, &Mark),
) -> Result<(), DesiredError> {
    let Some(Order::Relax { period, ring, reason }) = sources.controls.orders.get(&gate.name) else {
        return Ok(());
    };
    // What is only about to be there has nothing to be let off.
    let there = sources.observed.get(Kind::PolicyAssignment, assignment).is_some();
    if !there {
        return Ok(());
    }
    let ladder = super::rollout::ladder(sources, gate);
    let name = ring.map(|ring| ladder.ring_name(ring).to_owned()).unwrap_or_default();
    for (resource, places) in relaxed_places(sources, ladder, *ring, (assignment, mark)) {
        let exemption = Exemption {
            gate: gate.name.clone(),
            resource,
            category: ExemptionCategory::Waiver,
            expires: sources.now.plus(*period),
            reason: reason.clone(),
            ticket: None,
            members: Vec::new(),
        };
        relax_at(
            desired,
            sources,
            (gate, &exemption),
            (assignment, mark),
            (&name, &places),
        )?;
    }
    Ok(())
}

/// Where a ring has to be let off an assignment: the scopes, each with the locations in it; everywhere in a scope if there is none.
fn relaxed_places(
    sources: Sources<'_>,
    ladder: Ladder<'_>,
    ring: Option<usize>,
    (assignment, mark): (&ResourceId, &Mark),
) -> Vec<(ResourceId, Vec<String>)> {
    let Some(own) = ResourceId::parse(assignment.scope()) else {
        return Vec::new();
    };
    let Some(ring) = ring else {
        return vec![(own, Vec::new())];
    };
    let scopes: Vec<ResourceId> = match ladder.area(ring) {
        Area::Scopes(scopes) => {
            let paths = scopes.iter().filter_map(|scope| ResourceId::parse(&scope.path()));
            paths.filter_map(|path| reached(&path, (assignment, mark))).collect()
        }
        // An exemption cannot be limited to namespaces: what is let off is the assignment that is.
        Area::Namespaces(names) => {
            let of_ring = mark.part == Part::Namespaces(names).code();
            return of_ring.then(|| (own, Vec::new())).into_iter().collect();
        }
        Area::Locations(_) | Area::Rest => vec![own],
    };
    let within = |cluster: &Cluster, scope: &ResourceId| {
        let is_group = matches!(Scope::parse(scope.as_str()), Some(Scope::ManagementGroup(_)));
        is_group || cluster.id.is_within(scope.as_str())
    };
    let places = scopes.into_iter().map(|scope| {
        // By name, also for what is left over: who reads it later has to know where it holds.
        let clusters = sources.observed.clusters.iter();
        let here =
            clusters.filter(|cluster| within(cluster, &scope) && ladder.takes(ring, &cluster.id, &cluster.location));
        let places: BTreeSet<String> = here.map(|cluster| plain_location(&cluster.location)).collect();
        (scope, places.into_iter().collect::<Vec<String>>())
    });
    places.filter(|(_, places)| !places.is_empty()).collect()
}

fn relax_at(
    desired: &mut Desired,
    sources: Sources<'_>,
    (gate, exemption): (&Gate, &Exemption),
    (assignment, mark): (&ResourceId, &Mark),
    (ring, places): (&str, &[String]),
) -> Result<(), DesiredError> {
    let resource = &exemption.resource;
    let name = mark.exemption_name(resource.as_str(), &["relaxed".to_owned(), ring.to_owned()]);
    let path = format!("{resource}/providers/Microsoft.Authorization/policyExemptions/{name}");
    let Some(id) = ResourceId::parse(&path) else {
        return Ok(());
    };
    let mut properties = document(sources, (gate, exemption), (assignment, mark))?;
    if let Some(metadata) = properties.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert(RELAXED_KEY.to_owned(), Value::from(exemption.reason.as_str()));
    }
    if !places.is_empty() {
        let selectors = places.chunks(MOST_VALUES).enumerate().map(|(at, places)| {
            json!({"name": format!("ring-{at}"), "selectors": [{"kind": "resourceLocation", "in": places}]})
        });
        properties.insert("resourceSelectors".to_owned(), selectors.collect());
    }
    desired.objects.retain(|object| object.id != id);
    desired.objects.push(DesiredObject {
        kind: Kind::PolicyExemption,
        id,
        gate: Some(gate.name.clone()),
        body: json!({ "properties": properties }).into(),
        depends_on: Vec::new(),
        replaces: None,
        meanings: Meanings::new(),
    });
    Ok(())
}

fn one(
    desired: &mut Desired,
    sources: Sources<'_>,
    (gate, exemption): (&Gate, &Exemption),
    (assignment, mark): (&ResourceId, &Mark),
) -> Result<(), DesiredError> {
    let resource = exemption.resource.as_str();
    let name = mark.exemption_name(resource, &exemption.members);
    let path = format!("{resource}/providers/Microsoft.Authorization/policyExemptions/{name}");
    let Some(id) = ResourceId::parse(&path) else {
        return Ok(());
    };
    let live = sources.observed.get(Kind::PolicyExemption, &id);
    if live.is_some_and(|live| owned(sources, live).is_none()) {
        let why = format!(
            "a policy exemption `{name}` is there and does not carry the mark of this environment, so it is not touched; delete it \
             and plan again"
        );
        hold(desired, gate, exemption, "state", why);
        return Ok(());
    }
    let properties = document(sources, (gate, exemption), (assignment, mark))?;
    // What the gate's former assignment had is no new hole.
    let former = sources.observed.objects().find(|object| {
        object.kind == Kind::PolicyExemption
            && object.id != id
            && object.id.scope().eq_ignore_ascii_case(resource)
            && members(object) == lower(&exemption.members)
            && ends(object).is_some_and(|ends| ends > sources.now)
            && owned(sources, object).is_some_and(|other| {
                gate.answers_to(&other.gate) && other.part == mark.part && other.generation < mark.generation
            })
    });
    let why = "the gate's assignment is another one, and an exemption is from one assignment";
    let assigned = sources.observed.get(Kind::PolicyAssignment, assignment).is_some();
    if assigned {
        // What is there is enforced further only once the exemption is.
        for object in &mut desired.objects {
            if object.kind == Kind::PolicyAssignment && object.id == *assignment {
                object.depends_on.push((Kind::PolicyExemption, id.clone()));
            }
        }
    }
    desired.objects.push(DesiredObject {
        kind: Kind::PolicyExemption,
        id,
        gate: Some(gate.name.clone()),
        body: json!({ "properties": properties }).into(),
        depends_on: (!assigned)
            .then(|| (Kind::PolicyAssignment, assignment.clone()))
            .into_iter()
            .collect(),
        replaces: former.map(|former| (former.id.clone(), why.to_owned())),
        meanings: Meanings::new(),
    });
    Ok(())
}

/// The properties of an exemption from an assignment.
fn document(
    sources: Sources<'_>,
    (gate, exemption): (&Gate, &Exemption),
    (assignment, mark): (&ResourceId, &Mark),
) -> Result<Map<String, Value>, DesiredError> {
    let rendered = sources
        .renderer
        .policy_exemption(sources.environment, gate, exemption)?;
    let forbidden = [
        "policyAssignmentId",
        "policyDefinitionReferenceIds",
        "exemptionCategory",
        "expiresOn",
        "resourceSelectors",
        "assignmentScopeValidation",
        "metadata.aksgate",
    ];
    let mut properties = properties(Kind::PolicyExemption, rendered, &forbidden)?;
    for (key, value) in [
        ("policyAssignmentId", json!(assignment.as_str())),
        ("policyDefinitionReferenceIds", json!(exemption.members)),
        ("exemptionCategory", json!(exemption.category.name())),
        ("expiresOn", json!(exemption.expires.to_string())),
    ] {
        properties.insert(key.to_owned(), value);
    }
    let metadata = properties.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert(MARK_KEY.to_owned(), Value::from(mark.to_text()));
    }
    Ok(properties)
}

/// Why a resource cannot be exempted now: what lies below a management group, and which clusters there are, is known to Azure alone.
fn unreachable(sources: Sources<'_>, resource: &ResourceId) -> Option<String> {
    let observed = sources.observed;
    if observed
        .subscriptions
        .iter()
        .any(|subscription| subscription.id.starts_with('{'))
    {
        return None; // nothing was asked
    }
    if let (Scope::ManagementGroup(_), Some(id)) = (&sources.environment.scope, resource.value_of("subscriptions"))
        && !observed
            .subscriptions
            .iter()
            .any(|known| known.id.eq_ignore_ascii_case(id))
    {
        return Some(format!(
            "subscription `{id}` does not lie in the scope of the environment"
        ));
    }
    let is_cluster = resource.as_str().to_ascii_lowercase().contains("/managedclusters/");
    let known = observed.clusters.iter().any(|cluster| cluster.id == *resource);
    (is_cluster && !known).then(|| {
        format!(
            "there is no cluster `{}` in the scope of the environment",
            resource.name()
        )
    })
}

fn hold(desired: &mut Desired, gate: &Gate, exemption: &Exemption, guard: &str, sentence: String) {
    desired.held.push(Held {
        plane: Plane::Policy,
        subject: gate.name.clone(),
        what: format!("exemption of {}", exemption.resource.name()),
        reasons: vec![Reason {
            guard: guard.to_owned(),
            sentence,
            opens: None,
        }],
    });
}

fn mark_of(body: &Value) -> Option<Mark> {
    Mark::parse(body.pointer(&format!("/properties/metadata/{MARK_KEY}"))?.as_str()?)
}

fn owned(sources: Sources<'_>, object: &LiveObject) -> Option<Mark> {
    object.owned_mark(&sources.estate.owner, &sources.environment.name)
}

fn ends(object: &LiveObject) -> Option<Timestamp> {
    Timestamp::parse(object.wire.pointer("/properties/expiresOn")?.as_str()?)
}

fn members(object: &LiveObject) -> Vec<String> {
    let found = object.wire.pointer("/properties/policyDefinitionReferenceIds");
    let found = found.and_then(Value::as_array).into_iter().flatten();
    lower(&found.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
}

fn lower(members: &[String]) -> Vec<String> {
    let mut members: Vec<String> = members.iter().map(|member| member.to_ascii_lowercase()).collect();
    members.sort();
    members
}
