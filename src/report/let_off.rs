//! What is let off gates for a while: exemptions, those of others too, and clusters that are left out of account.

use crate::config::{Environment, Exemption};
use crate::desired::RELAXED_KEY;
use crate::kinds::Kind;
use crate::model::{Period, ResourceId, Timestamp};
use crate::observed::{LiveObject, Observed};
use serde_json::Value;
use std::collections::BTreeMap;

/// Something that is let off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetOff {
    /// What sort it is.
    pub sort: Sort,
    /// The gate; none where all of them are meant.
    pub gate: Option<String>,
    /// What is let off, with all that lies in it.
    pub resource: String,
    /// The members of the gate (reference ids); all of them if there is none.
    pub members: Vec<String>,
    /// When it ends, if it does.
    pub ends: Option<Timestamp>,
    /// How it stands.
    pub state: State,
    /// Why, as Azure counts it; empty where Azure does not count it.
    pub category: String,
    /// Why, in words, with the ticket.
    pub reason: String,
}

/// What sort of thing is let off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// An exemption in the environment's file.
    Stated,
    /// An exemption that carries our mark and stands in no file any more.
    Left,
    /// An exemption that others made.
    Foreign,
    /// A cluster that is left out of account.
    Ignored,
}

impl Sort {
    /// Returns the words for it.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Stated => "exemption",
            Sort::Left => "exemption, no longer in the file",
            Sort::Foreign => "exemption, not by this estate",
            Sort::Ignored => "cluster left out of account",
        }
    }
}

/// How something that is let off stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is over.
    Expired,
    /// It ends soon.
    EndsSoon,
    /// It is in force.
    InForce,
    /// It has no end.
    Endless,
    /// It stands in the file and not in Azure yet.
    NotApplied,
}

impl State {
    /// Returns the words for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Expired => "expired",
            State::EndsSoon => "ends soon",
            State::InForce => "in force",
            State::Endless => "without an end",
            State::NotApplied => "not applied yet",
        }
    }

    fn of(ends: Option<Timestamp>, (now, soon): (Timestamp, Period)) -> State {
        match ends {
            None => State::Endless,
            Some(ends) if ends <= now => State::Expired,
            Some(ends) if ends <= now.plus(soon) => State::EndsSoon,
            Some(_) => State::InForce,
        }
    }
}

/// Returns what is let off the gates of an environment, what ends first first; `soon` is how long before its end it is to be marked.
pub fn let_off(
    (owner, environment): (&str, &Environment),
    observed: &Observed,
    (now, soon): (Timestamp, Period),
) -> Vec<LetOff> {
    let times = (now, soon);
    let gates = assignments(owner, environment, observed);
    let live: Vec<(&LiveObject, &String, bool)> = observed
        .objects()
        .filter(|object| object.kind == Kind::PolicyExemption && text(object, "metadata", RELAXED_KEY).is_none())
        .filter_map(|object| {
            let from = object.wire.pointer("/properties/policyAssignmentId")?.as_str()?;
            let ours = object.owned_mark(owner, &environment.name).is_some();
            Some((object, gates.get(&from.to_lowercase())?, ours))
        })
        .collect();
    let is_of = |exemption: &Exemption, (object, gate, ours): &(&LiveObject, &String, bool)| {
        let scope = object.id.scope();
        let meant = exemption.resource.as_str().eq_ignore_ascii_case(scope)
            || ResourceId::parse(scope).is_some_and(|scope| scope.is_within(exemption.resource.as_str()));
        *ours && **gate == exemption.gate && meant && same(&members(object), &exemption.members)
    };
    let mut found: Vec<LetOff> = environment
        .exemptions
        .iter()
        .map(|exemption| {
            let is_live = live.iter().any(|one| is_of(exemption, one));
            let state = State::of(Some(exemption.expires), times);
            LetOff {
                sort: Sort::Stated,
                gate: Some(exemption.gate.clone()),
                resource: exemption.resource.as_str().to_owned(),
                members: exemption.members.clone(),
                ends: Some(exemption.expires),
                state: match state {
                    State::Expired => State::Expired,
                    _ if !is_live => State::NotApplied,
                    state => state,
                },
                category: exemption.category.name().to_owned(),
                reason: match &exemption.ticket {
                    Some(ticket) => format!("{} ({ticket})", exemption.reason),
                    None => exemption.reason.clone(),
                },
            }
        })
        .collect();
    for one in &live {
        if environment.exemptions.iter().any(|exemption| is_of(exemption, one)) {
            continue;
        }
        let (object, gate, ours) = *one;
        let entry = read(object, gate, ours, times);
        // A gate of several assignments has one of each.
        if !found.contains(&entry) {
            found.push(entry);
        }
    }
    let ignored = environment
        .clusters
        .iter()
        .flat_map(|clusters| &clusters.coverage.ignore);
    found.extend(ignored.map(|ignored| LetOff {
        sort: Sort::Ignored,
        gate: None,
        resource: ignored.cluster.as_str().to_owned(),
        members: Vec::new(),
        ends: Some(ignored.expires),
        state: State::of(Some(ignored.expires), times),
        category: String::new(),
        reason: ignored.reason.clone(),
    }));
    // What has no end is the last to be over.
    found.sort_by_key(|one| {
        let ends = one.ends.map_or((true, 0), |ends| (false, ends.seconds()));
        (ends, one.gate.clone(), one.resource.to_lowercase())
    });
    found
}

/// The gates by the ids of their assignments in lower case.
fn assignments(owner: &str, environment: &Environment, observed: &Observed) -> BTreeMap<String, String> {
    let owned = observed.owned(owner, &environment.name);
    let assigned = owned.filter(|(object, _)| object.kind == Kind::PolicyAssignment);
    assigned
        .map(|(object, mark)| {
            let mut gates = environment.gates.values();
            let gate = gates.find(|gate| gate.answers_to(&mark.gate));
            (object.id.key(), gate.map_or(mark.gate, |gate| gate.name.clone()))
        })
        .collect()
}

fn read(object: &LiveObject, gate: &str, ours: bool, times: (Timestamp, Period)) -> LetOff {
    let property = |name: &str| object.wire.get("properties")?.get(name)?.as_str();
    let ends = property("expiresOn").and_then(Timestamp::parse);
    let words = property("description").or_else(|| property("displayName"));
    LetOff {
        sort: if ours { Sort::Left } else { Sort::Foreign },
        gate: Some(gate.to_owned()),
        resource: object.id.scope().to_owned(),
        members: members(object),
        ends,
        state: State::of(ends, times),
        category: property("exemptionCategory").unwrap_or_default().to_owned(),
        reason: words.unwrap_or_default().to_owned(),
    }
}

fn text<'a>(object: &'a LiveObject, parent: &str, key: &str) -> Option<&'a str> {
    object.wire.get("properties")?.get(parent)?.get(key)?.as_str()
}

fn members(object: &LiveObject) -> Vec<String> {
    let list = object.wire.pointer("/properties/policyDefinitionReferenceIds");
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn same(one: &[String], other: &[String]) -> bool {
    let sorted = |names: &[String]| {
        let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        names.sort();
        names
    };
    sorted(one) == sorted(other)
}
