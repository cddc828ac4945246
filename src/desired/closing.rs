//! How far an assignment closes its gate: read from its effect and overrides, and written to them.
//!
//! A gate is closed in some locations by overrides of the effect there; everywhere else violations go on being recorded. An override
//! that has not the form that is written here was made by somebody else.

use super::content::Definition;
use crate::config::{Gate, InitiativeKind};
use crate::kinds::override_stages;
use crate::model::{Effect, MarkState, Stage, Timestamp, plain_location};
use crate::observed::LiveObject;
use crate::rollout::{Ladder, Position, Standing};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many values a selector takes (governance/policy/concepts/assignment-structure).
const MOST_VALUES: usize = 50;

/// Returns where a gate's assignment stands.
pub(super) fn standing(
    (gate, definition): (&Gate, Option<&Definition>),
    ladder: Ladder<'_>,
    object: &LiveObject,
    digest: &str,
) -> Standing {
    let state = object.mark_state();
    let marked = state.as_ref().map(|state| state.position.clone());
    let since = since(state, digest);
    if gate.kind == InitiativeKind::Enablement {
        // Its members' effects are fixed: whether they act is the enforcement mode's.
        let position = if is_enforced(object) {
            Position::Deny
        } else {
            Position::Audit
        };
        let marked = marked.and_then(|marked| gate.kind.stage(&marked)).map(Position::of);
        return Standing {
            position,
            marked,
            since,
        };
    }
    // An override raises it somewhere: what denies anywhere is not written over. One that lowers it is a hole, not a position.
    let position = match Overrides::read(object, definition) {
        Overrides::Denying(locations) => in_rings(ladder, &locations).max(Position::of(effect_stage(object))),
        Overrides::Foreign(stages) => Position::of(stages.into_iter().fold(effect_stage(object), Stage::max)),
    };
    Standing {
        // Not enforced, a gate at deny holds nothing back: it stands at audit.
        position: if is_enforced(object) {
            position
        } else {
            position.min(Position::Audit)
        },
        marked: marked.and_then(|marked| Position::parse(&marked)),
        since,
    }
}

/// The furthest position whose rings all lie in these locations.
fn in_rings(ladder: Ladder<'_>, locations: &BTreeSet<String>) -> Position {
    let all_of = |closed: &usize| {
        let wanted = ladder.locations(*closed);
        wanted.iter().all(|location| locations.contains(*location))
    };
    let closed = (1..ladder.steps()).take_while(all_of).last();
    closed.map_or(Position::Off, Position::Rings)
}

/// Returns the locations that an assignment denies in besides those of a position's rings: rings that were made smaller, or put in
/// another order, open nothing.
pub(super) fn further(
    (ladder, definition): (Ladder<'_>, &Definition),
    object: &LiveObject,
    position: Position,
) -> BTreeSet<String> {
    let Overrides::Denying(mut locations) = Overrides::read(object, Some(definition)) else {
        return BTreeSet::new();
    };
    if !is_enforced(object) || position == Position::Deny {
        return BTreeSet::new();
    }
    let closed = ladder.locations(ladder.closed(position));
    locations.retain(|location| !closed.contains(&location.as_str()));
    locations
}

/// Returns whether an assignment denies anywhere.
pub(super) fn denies_somewhere(object: &LiveObject) -> bool {
    let in_places = match Overrides::read(object, None) {
        Overrides::Denying(locations) => !locations.is_empty(),
        Overrides::Foreign(stages) => stages.contains(&Stage::Deny),
    };
    is_enforced(object) && (in_places || effect_stage(object) == Stage::Deny)
}

fn is_enforced(object: &LiveObject) -> bool {
    let mode = object
        .wire
        .pointer("/properties/enforcementMode")
        .and_then(Value::as_str);
    mode.is_none_or(|mode| mode.eq_ignore_ascii_case("Default"))
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

/// What an assignment's overrides do.
enum Overrides {
    /// They deny in these locations, for one and the same set of members, and do nothing else.
    Denying(BTreeSet<String>),
    /// They have another form; the stages that they stand for, as far as they are stages.
    Foreign(Vec<Stage>),
}

impl Overrides {
    /// Reads an assignment's overrides; where it points at the definition, they have to be for just the members that this one moves.
    fn read(object: &LiveObject, definition: Option<&Definition>) -> Overrides {
        let overrides = object.wire.pointer("/properties/overrides");
        let items = overrides
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let foreign = || Overrides::Foreign(overrides.and_then(override_stages).unwrap_or_default());
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for item in items {
            let Some((locations, references)) = denying(item) else {
                return foreign();
            };
            for location in locations {
                members.entry(location).or_default().extend(references.iter().cloned());
            }
        }
        let mut sets: Vec<&BTreeSet<String>> = members.values().collect();
        sets.dedup();
        let expected = definition
            .filter(|definition| points_at(object, &definition.id))
            .map(moved);
        let fits = |set: &BTreeSet<String>| match &expected {
            Some((alike, all)) => *alike && set.is_empty() || set == all,
            None => true,
        };
        if sets.len() > 1 || !sets.iter().all(|set| fits(set)) {
            return foreign();
        }
        Overrides::Denying(members.into_keys().collect())
    }
}

/// The locations in which an override denies, and the members that it is limited to; none for any other override.
fn denying(item: &Value) -> Option<(Vec<String>, Vec<String>)> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let is = |found: Option<String>, expected: &str| found.is_some_and(|found| found.eq_ignore_ascii_case(expected));
    if !is(text(item, "kind"), "policyEffect") || Effect::parse(&text(item, "value")?) != Some(Effect::Deny) {
        return None;
    }
    let (mut locations, mut references) = (Vec::new(), Vec::new());
    for selector in item.get("selectors")?.as_array()? {
        if selector.get("notIn").is_some_and(|not_in| !not_in.is_null()) {
            return None;
        }
        let values = selector.get("in")?.as_array()?.iter().filter_map(Value::as_str);
        if is(text(selector, "kind"), "resourceLocation") {
            locations.extend(values.map(plain_location));
        } else if is(text(selector, "kind"), "policyDefinitionReferenceId") {
            references.extend(values.map(str::to_lowercase));
        } else {
            return None;
        }
    }
    (!locations.is_empty()).then_some((locations, references))
}

/// Whether an override that was not made here closes an assignment further, for some members or places, than its effect does.
pub(super) fn denies_in_part(object: &LiveObject, definition: &Definition) -> bool {
    match Overrides::read(object, Some(definition)) {
        Overrides::Denying(_) => false,
        Overrides::Foreign(stages) => {
            let effect = effect_stage(object).max(Stage::Audit);
            stages.into_iter().any(|stage| stage > effect)
        }
    }
}

/// Whether every override of an assignment lowers an effect below that of its stage: somebody opened the gate by hand.
fn only_lowers(object: &LiveObject, stage: Stage) -> bool {
    match Overrides::read(object, None) {
        Overrides::Denying(_) => false,
        Overrides::Foreign(stages) => !stages.is_empty() && stages.into_iter().all(|lower| lower < stage),
    }
}

/// Puts an assignment's overrides into its properties, so that it denies in these locations; what somebody else made of them stays, but
/// for what only opens.
pub(super) fn put_overrides(
    properties: &mut Map<String, Value>,
    definition: &Definition,
    locations: &BTreeSet<String>,
    (stage, live): (Stage, Option<&LiveObject>),
) {
    let ours = live.is_some_and(|live| matches!(Overrides::read(live, Some(definition)), Overrides::Denying(_)));
    let there = live.is_some_and(|live| {
        let overrides = live.wire.pointer("/properties/overrides").and_then(Value::as_array);
        overrides.is_some_and(|items| !items.is_empty())
    });
    let replaceable = ours && there || live.is_some_and(|live| only_lowers(live, stage));
    if !locations.is_empty() || replaceable {
        properties.insert("overrides".to_owned(), Value::from(overrides(definition, locations)));
    }
}

/// Returns whether an assignment points at a definition.
pub(super) fn points_at(object: &LiveObject, definition: &str) -> bool {
    let found = object
        .wire
        .pointer("/properties/policyDefinitionId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    found.eq_ignore_ascii_case(definition)
}

/// Returns whether the effect moves all members alike, and the members that it moves, in lower case.
fn moved(definition: &Definition) -> (bool, BTreeSet<String>) {
    let spellings: BTreeSet<&Option<String>> = definition.members.iter().map(|(_, spelling)| spelling).collect();
    let moved = definition.members.iter().filter(|(_, spelling)| spelling.is_some());
    let alike = spellings.len() == 1 && !spellings.contains(&None);
    (alike, moved.map(|(reference, _)| reference.to_lowercase()).collect())
}

/// Returns the overrides that deny in these locations: pairwise disjoint, each with its members' own spelling of deny, and with their
/// reference ids where the members are not all moved alike.
pub(super) fn overrides(definition: &Definition, locations: &BTreeSet<String>) -> Vec<Value> {
    let mut by_spelling: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (reference, spelling) in &definition.members {
        if let Some(spelling) = spelling {
            by_spelling.entry(spelling).or_default().push(reference);
        }
    }
    let (alike, _) = moved(definition);
    let places: Vec<&String> = locations.iter().collect();
    let mut found = Vec::new();
    for places in places.chunks(MOST_VALUES) {
        let place = json!({"kind": "resourceLocation", "in": places});
        for (spelling, references) in &by_spelling {
            if alike {
                found.push(json!({"kind": "policyEffect", "value": spelling, "selectors": [place]}));
                continue;
            }
            for references in references.chunks(MOST_VALUES) {
                let members = json!({"kind": "policyDefinitionReferenceId", "in": references});
                found.push(json!({"kind": "policyEffect", "value": spelling, "selectors": [place, members]}));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;
    use crate::model::{Area, ResourceId, Ring};

    fn definition(members: &[(&str, Option<&str>)]) -> Definition {
        Definition {
            id: String::new(),
            version: None,
            display_name: String::new(),
            effects: Vec::new(),
            members: members
                .iter()
                .map(|(name, spelling)| ((*name).to_owned(), spelling.map(str::to_owned)))
                .collect(),
            namespaces: None,
            content: Value::Null,
            meanings: crate::kinds::Meanings::new(),
            own: None,
            rules: Vec::new(),
        }
    }

    fn live(effect: &str, overrides: Value) -> LiveObject {
        let properties = json!({"parameters": {"effect": {"value": effect}}, "overrides": overrides});
        LiveObject {
            kind: Kind::PolicyAssignment,
            id: ResourceId::parse("/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a").unwrap(),
            wire: json!({ "properties": properties }),
            etag: None,
        }
    }

    fn locations(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn rings() -> Vec<Ring> {
        let ring = |name: &str, places: &[&str]| Ring {
            name: name.to_owned(),
            area: Area::Locations(places.iter().map(|place| (*place).to_owned()).collect()),
        };
        vec![ring("one", &["a"]), ring("two", &["b", "c"])]
    }

    fn position(definition: &Definition, object: &LiveObject) -> Position {
        let (rings, gate) = (rings(), crate::desired::rollout::tests::gate());
        standing((&gate, Some(definition)), Ladder::new(&rings), object, "d").position
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_members() {
        let alike = definition(&[("x", Some("Deny")), ("y", Some("Deny"))]);
        let apart = definition(&[("x", Some("Deny")), ("y", Some("deny")), ("z", None)]);
        assert_eq!(overrides(&alike, &locations(&["a"])).len(), 1);
        let two = overrides(&apart, &locations(&["a"]));
        let parts: Vec<(&Value, &Value)> = two
            .iter()
            .map(|one| (&one["value"], &one["selectors"][1]["in"]))
            .collect();
        assert_eq!(
            parts,
            [(&json!("Deny"), &json!(["x"])), (&json!("deny"), &json!(["y"]))]
        );
        for (closed, expected) in [
            (&[][..], Position::Audit),
            (&["a"], Position::Rings(1)),
            (&["a", "b"], Position::Rings(1)),
            (&["a", "b", "c"], Position::Rings(2)),
            (&["b", "c"], Position::Audit),
        ] {
            for definition in [&alike, &apart] {
                let written = Value::from(overrides(definition, &locations(closed)));
                let found = position(definition, &live("Audit", written));
                assert_eq!(found, expected, "{closed:?}");
            }
        }
        assert_eq!(position(&alike, &live("deny", json!([]))), Position::Deny);
    }

    #[test]
    fn locations_beyond_the_rings_stay_closed() {
        let alike = definition(&[("x", Some("Deny"))]);
        let written = Value::from(overrides(&alike, &locations(&["a", "c"])));
        let (rings, live) = (rings(), live("Audit", written));
        let found = further((Ladder::new(&rings), &alike), &live, Position::Rings(1));
        assert_eq!(found, locations(&["c"]));
        assert!(denies_somewhere(&live) && !denies_in_part(&live, &alike));
    }

    #[test]
    fn many_locations_make_several_overrides() {
        let names: Vec<String> = (0..120).map(|n| format!("l{n}")).collect();
        let alike = definition(&[("x", Some("Deny"))]);
        let many = overrides(&alike, &names.into_iter().collect());
        let sizes: Vec<usize> = many
            .iter()
            .map(|one| one["selectors"][0]["in"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [50, 50, 20]);
    }

    #[test]
    fn another_form_is_somebody_elses() {
        let place = json!({"kind": "resourceLocation", "in": ["a"]});
        let two = definition(&[("x", Some("Deny")), ("y", Some("Deny"))]);
        let one_of_two = json!({"kind": "policyDefinitionReferenceId", "in": ["x"]});
        for (overrides, in_part) in [
            (
                json!([{"kind": "policyEffect", "value": "Deny", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["x"]}]}]),
                true,
            ),
            (
                json!([{"kind": "policyEffect", "value": "Deny", "selectors": [{"kind": "resourceLocation", "notIn": ["a"]}]}]),
                true,
            ),
            (
                json!([{"kind": "policyEffect", "value": "Deny", "selectors": [place.clone(), one_of_two]}]),
                true,
            ),
            (
                json!([{"kind": "policyEffect", "value": "Disabled", "selectors": [place.clone()]}]),
                false,
            ),
            (
                json!([
                    {"kind": "policyEffect", "value": "Deny", "selectors": [place, {"kind": "policyDefinitionReferenceId", "in": ["x"]}]},
                    {"kind": "policyEffect", "value": "Deny", "selectors": [{"kind": "resourceLocation", "in": ["b"]}]},
                ]),
                true,
            ),
        ] {
            assert_eq!(
                denies_in_part(&live("Audit", overrides.clone()), &two),
                in_part,
                "{overrides}"
            );
        }
    }
}
