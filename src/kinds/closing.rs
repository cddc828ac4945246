//! How far an assignment closes, where: its effect and its overrides together, compared.
//!
//! Only overrides that say in which locations and for which members they hold can be compared, and only if no two of them say something of
//! the same member in the same place.

use super::direction::listed;
use super::{Direction, FieldDirection, at};
use crate::model::{Effect, Stage};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An effect where nothing else is said, and where something is.
struct Closing {
    everywhere: Stage,
    places: Vec<Place>,
}

struct Place {
    /// Locations; everywhere if none are named.
    locations: Option<BTreeSet<String>>,
    /// Reference ids of members; all of them if none are named.
    members: Option<BTreeSet<String>>,
    stage: Stage,
}

/// Returns whether one assignment closes further than another, and where; none if that cannot be told.
pub(super) fn directions(before: &Value, after: &Value) -> Option<Vec<FieldDirection>> {
    let (before, after) = (Closing::read(before)?, Closing::read(after)?);
    let all = || before.places.iter().chain(&after.places);
    // One more name stands for everything that is not named.
    let names = |of: fn(&Place) -> &Option<BTreeSet<String>>| -> BTreeSet<&str> {
        let named = all()
            .filter_map(|place| of(place).as_ref())
            .flatten()
            .map(String::as_str);
        named.chain([""]).collect()
    };
    let (locations, members) = (names(|place| &place.locations), names(|place| &place.members));
    // Which locations have the same change of the same members.
    let mut found: BTreeMap<(Stage, Stage, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    for location in &locations {
        let mut changes: BTreeMap<(Stage, Stage), BTreeSet<&str>> = BTreeMap::new();
        for member in &members {
            let change = (before.stage(location, member), after.stage(location, member));
            changes.entry(change).or_default().insert(member);
        }
        for ((old, new), which) in changes.into_iter().filter(|((old, new), _)| old != new) {
            found.entry((old, new, which)).or_default().insert(location);
        }
    }
    let told = found.into_iter().map(|((old, new, which), places)| {
        let direction = if new < old {
            Direction::Weakens
        } else {
            Direction::Tightens
        };
        let named = |what: &str, names: &BTreeSet<&str>, all: &BTreeSet<&str>| match names == all {
            true => String::new(),
            false => {
                let names: Vec<&str> = names
                    .iter()
                    .map(|name| if name.is_empty() { "the rest" } else { *name })
                    .collect();
                format!(" {what} {}", listed(&names))
            }
        };
        let (of, place) = (named("of", &which, &members), named("in", &places, &locations));
        let text = format!("`effect`{of}{place} {} -> {}", effect_of(old), effect_of(new));
        FieldDirection::told(direction, text)
    });
    Some(told.collect())
}

/// Azure's word for the effect of a stage.
fn effect_of(stage: Stage) -> Effect {
    match stage {
        Stage::Off => Effect::Disabled,
        Stage::Audit => Effect::Audit,
        Stage::Deny => Effect::Deny,
    }
}

/// Returns whether an assignment denies somewhere; none if that cannot be told.
pub(super) fn denies(assignment: &Value) -> Option<bool> {
    let closing = Closing::read(assignment)?;
    Some(closing.everywhere == Stage::Deny || closing.places.iter().any(|place| place.stage == Stage::Deny))
}

/// Returns whether an assignment refuses somewhere what it let through before, or may do so.
pub(super) fn closes_further(before: Option<&Value>, after: &Value) -> bool {
    let Some(denies) = denies(after) else {
        return true;
    };
    let change = before.map(|before| directions(before, after).map(|found| Direction::of(&found)));
    denies && !matches!(change, Some(Some(Direction::Neutral | Direction::Weakens)))
}

impl Closing {
    fn read(assignment: &Value) -> Option<Closing> {
        let effect = at(assignment, &["properties", "parameters", "effect", "value"])?.as_str()?;
        let overrides = at(assignment, &["properties", "overrides"]).and_then(Value::as_array);
        let places: Option<Vec<Place>> = overrides.into_iter().flatten().map(Place::read).collect();
        let places = places?;
        let apart = places
            .iter()
            .enumerate()
            .all(|(at, one)| places.iter().take(at).all(|two| !one.overlaps(two)));
        apart.then_some(Closing {
            everywhere: Stage::of(Effect::parse(effect)?)?,
            places,
        })
    }

    fn stage(&self, location: &str, member: &str) -> Stage {
        let takes =
            |named: &Option<BTreeSet<String>>, name: &str| named.as_ref().is_none_or(|named| named.contains(name));
        let place = self
            .places
            .iter()
            .find(|place| takes(&place.locations, location) && takes(&place.members, member));
        place.map_or(self.everywhere, |place| place.stage)
    }
}

impl Place {
    fn read(item: &Value) -> Option<Place> {
        let is = |value: &Value, expected: &str| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(expected));
        if !is(item.get("kind")?, "policyEffect") {
            return None;
        }
        let mut place = Place {
            locations: None,
            members: None,
            stage: Stage::of(Effect::parse(item.get("value")?.as_str()?)?)?,
        };
        for selector in item.get("selectors").and_then(Value::as_array).into_iter().flatten() {
            if selector.get("notIn").is_some_and(|not_in| !not_in.is_null()) {
                return None;
            }
            let values = selector.get("in")?.as_array()?.iter().filter_map(Value::as_str);
            let values = values.map(|value| value.to_lowercase().replace(' ', "")).collect();
            let kind = selector.get("kind")?;
            let named = if is(kind, "resourceLocation") {
                &mut place.locations
            } else if is(kind, "policyDefinitionReferenceId") {
                &mut place.members
            } else {
                return None;
            };
            if named.replace(values).is_some() {
                return None;
            }
        }
        Some(place)
    }

    fn overlaps(&self, other: &Place) -> bool {
        let meet = |one: &Option<BTreeSet<String>>, two: &Option<BTreeSet<String>>| match (one, two) {
            (Some(one), Some(two)) => !one.is_disjoint(two),
            _ => true,
        };
        meet(&self.locations, &other.locations) && meet(&self.members, &other.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn assignment(effect: &str, overrides: &Value) -> Value {
        json!({"properties": {"parameters": {"effect": {"value": effect}}, "overrides": overrides}})
    }

    fn deny(locations: &[&str], members: &[&str]) -> Value {
        let mut selectors = vec![json!({"kind": "resourceLocation", "in": locations})];
        if !members.is_empty() {
            selectors.push(json!({"kind": "policyDefinitionReferenceId", "in": members}));
        }
        json!({"kind": "policyEffect", "value": "Deny", "selectors": selectors})
    }

    fn direction(before: &Value, after: &Value) -> Option<Direction> {
        directions(before, after).map(|found| Direction::of(&found))
    }

    #[test]
    fn a_change_says_where_it_is() {
        let text = |before: &Value, after: &Value| -> Vec<String> {
            let found = directions(before, after).unwrap();
            found
                .into_iter()
                .map(|it| format!("{} {}", it.direction, it.text))
                .collect()
        };
        let (audit, all) = (assignment("Audit", &json!([])), assignment("Deny", &json!([])));
        let ring = assignment("Audit", &json!([deny(&["a", "b"], &[])]));
        let member = assignment("Audit", &json!([deny(&["a"], &["x"])]));
        assert_eq!(text(&all, &audit), ["weakens `effect` Deny -> Audit"]);
        assert_eq!(text(&ring, &audit), ["weakens `effect` in a, b Deny -> Audit"]);
        assert_eq!(text(&all, &ring), ["weakens `effect` in the rest Deny -> Audit"]);
        assert_eq!(text(&audit, &member), ["tightens `effect` of x in a Audit -> Deny"]);
        assert_eq!(text(&audit, &assignment("audit", &json!([]))), [""; 0]);
    }

    #[test]
    fn each_step_of_the_way_tightens_and_each_step_back_weakens() {
        let way = [
            assignment("Disabled", &json!([])),
            assignment("Audit", &json!([])),
            assignment("Audit", &json!([deny(&["a"], &[])])),
            assignment("Audit", &json!([deny(&["a", "b"], &[])])),
            assignment("deny", &json!([])),
        ];
        for pair in way.windows(2) {
            assert_eq!(direction(&pair[0], &pair[1]), Some(Direction::Tightens), "{pair:?}");
            assert_eq!(direction(&pair[1], &pair[0]), Some(Direction::Weakens), "{pair:?}");
        }
    }

    #[test]
    fn only_what_denies_more_than_before_closes_further() {
        let audit = assignment("Audit", &json!([]));
        let ring = assignment("Audit", &json!([deny(&["a"], &[])]));
        let all = assignment("Deny", &json!([]));
        for (before, after, expected) in [
            (None, &audit, false),
            (None, &ring, true),
            (Some(&audit), &ring, true),
            (Some(&ring), &ring, false),
            (Some(&ring), &all, true),
            (Some(&all), &ring, false),
        ] {
            assert_eq!(closes_further(before, after), expected, "{before:?} {after}");
        }
    }

    #[test]
    fn another_place_is_both_and_counts_as_weaker() {
        let (one, two) = (json!([deny(&["a"], &[])]), json!([deny(&["b"], &[])]));
        let (one, two) = (assignment("Audit", &one), assignment("Audit", &two));
        assert_eq!(direction(&one, &two), Some(Direction::Weakens));
        let part = assignment("Audit", &json!([deny(&["a"], &["x"])]));
        assert_eq!(direction(&one, &part), Some(Direction::Weakens));
        assert_eq!(direction(&part, &one), Some(Direction::Tightens));
        let split = json!([deny(&["a"], &["x"]), deny(&["A"], &["y"])]);
        assert_eq!(direction(&assignment("Audit", &split), &one), Some(Direction::Tightens));
    }

    #[test]
    fn what_overlaps_or_has_another_form_cannot_be_told() {
        let plain = assignment("Audit", &json!([]));
        for overrides in [
            json!([deny(&["a"], &[]), deny(&["a"], &["x"])]),
            json!([{"kind": "definitionVersion", "value": "1.*.*"}]),
            json!([{"kind": "policyEffect", "value": "Mutate", "selectors": []}]),
            json!([{"kind": "policyEffect", "value": "Deny", "selectors": [{"kind": "resourceLocation", "notIn": ["a"]}]}]),
            json!([{"kind": "policyEffect", "value": "Deny", "selectors": [{"kind": "userPrincipalId", "in": ["a"]}]}]),
        ] {
            assert_eq!(direction(&plain, &assignment("Audit", &overrides)), None, "{overrides}");
        }
    }
}
