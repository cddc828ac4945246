//! The Defender plan `Containers` of a subscription.
//!
//! Managed only where stated: an extension, a property of one or a setting that the environment does not name is sent back as it
//! was read, since what ARM does with one that a PUT leaves out is documented nowhere (pricings, 2024-01-01).

use super::{Direction, FieldDirection, Meanings, ResourceKind, at, properties};
use crate::model::{DEFENDER_EXTENSIONS, SECURITY_GATING};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(super) struct DefenderPlan;

/// What the server says of a plan and takes from nobody (pricings, 2024-01-01 and 2026-07-01).
const READ_ONLY: [&str; 9] = [
    "freeTrialRemainingTime",
    "enablementTime",
    "inherited",
    "inheritedFrom",
    "resourcesCoverageStatus",
    "deprecated",
    "replacedBy",
    "originatedFrom",
    "managedBy",
];
/// Properties of extensions of which more is seen or held back when they are true.
const SWITCHES: [&str; 2] = [SECURITY_GATING, "AntiMalwareEnabled"];

impl ResourceKind for DefenderPlan {
    fn comparable(&self, wire: &Value) -> Value {
        let properties = properties(wire);
        let text = |key: &str| properties.get(key).and_then(Value::as_str).unwrap_or_default();
        let standard = is_standard(&properties);
        // One that is not listed is off, and so are all of a plan that is off.
        let mut extensions: Map<String, Value> = DEFENDER_EXTENSIONS
            .iter()
            .map(|name| ((*name).to_owned(), Value::from(false)))
            .collect();
        let mut settings = Map::new();
        let listed = list(&properties);
        for extension in listed.iter().filter(|extension| standard && is_enabled(extension)) {
            let known = DEFENDER_EXTENSIONS
                .iter()
                .find(|known| known.eq_ignore_ascii_case(name(extension)));
            let name = known.copied().unwrap_or(name(extension)).to_owned();
            if let Some(Value::Object(found)) = extension.get(ADDITIONAL) {
                // `True` and `true` are one value here, as for `isEnabled`.
                let truths = found
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key.clone(), comparable_setting(value)));
                settings.insert(name.clone(), Value::Object(truths.collect()));
            }
            extensions.insert(name, Value::from(true));
        }
        let tier = if standard { "Standard" } else { "Free" };
        let mut result = json!({"pricingTier": tier, "extensions": extensions});
        if let Value::Object(map) = &mut result {
            if standard && !text("subPlan").is_empty() {
                map.insert("subPlan".to_owned(), Value::from(text("subPlan")));
            }
            if properties.get("enforce").is_some_and(is_true) {
                map.insert("enforce".to_owned(), Value::from(true));
            }
            settings.retain(|_, value| value.as_object().is_some_and(|map| !map.is_empty()));
            if !settings.is_empty() {
                map.insert("extensionSettings".to_owned(), Value::Object(settings));
            }
        }
        json!({ "properties": result })
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        let stated = properties(desired);
        let observed = observed.map(properties).unwrap_or_default();
        let mut merged = stated.clone();
        for (key, value) in &observed {
            let ours = key == "extensions" || READ_ONLY.contains(&key.as_str());
            if !ours && !value.is_null() && !merged.contains_key(key) {
                merged.insert(key.clone(), value.clone());
            }
        }
        if !is_standard(&stated) {
            // Plan Free has none, and what it had is not its own.
            merged.remove("extensions");
            merged.remove("subPlan");
            return json!({ "properties": merged });
        }
        let (stated, observed) = (list(&stated), list(&observed));
        let same = |one: &Value, two: &Value| name(one).eq_ignore_ascii_case(name(two));
        let mut extensions: Vec<Value> = observed
            .iter()
            .map(|live| merged_extension(live, stated.iter().find(|wanted| same(wanted, live))))
            .collect();
        let new = |wanted: &&Value| !observed.iter().any(|live| same(wanted, live));
        extensions.extend(stated.iter().filter(new).cloned());
        if merged.contains_key("extensions") || !extensions.is_empty() {
            merged.insert("extensions".to_owned(), Value::from(extensions));
        }
        json!({ "properties": merged })
    }

    fn directions(&self, before: Option<&Value>, after: Option<&Value>, _: &Meanings) -> Vec<FieldDirection> {
        let off = json!({"properties": {"pricingTier": "Free", "extensions": {}}});
        let (before, after) = (before.unwrap_or(&off), after.unwrap_or(&off));
        let part = |value: &Value, key: &str| at(value, &["properties", key]).cloned().unwrap_or_default();
        let change = |direction, key: &str| {
            FieldDirection::change(direction, key, Some(&part(before, key)), Some(&part(after, key)))
        };
        let changed = |key: &str| part(before, key) != part(after, key);
        let standard = |value: &Value| part(value, "pricingTier") == "Standard";
        let extensions = |value: &Value| part(value, "extensions").as_object().cloned().unwrap_or_default();
        let (old, new) = (extensions(before), extensions(after));
        let on = |map: &Map<String, Value>, name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
        let mut found = Vec::new();
        match (standard(before), standard(after)) {
            (true, false) => found.push(change(Direction::Weakens, "pricingTier")),
            (false, true) => found.push(change(Direction::Tightens, "pricingTier")),
            // What another sub-plan leaves out is not known here.
            (true, true) if changed("subPlan") => found.push(change(Direction::Weakens, "subPlan")),
            _ => {}
        }
        if changed("enforce") {
            // No longer forced; or what is forced is that the plan is off.
            let tightens = part(after, "enforce") == true && standard(after);
            let direction = if tightens {
                Direction::Tightens
            } else {
                Direction::Weakens
            };
            found.push(change(direction, "enforce"));
        }
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let setting = |value: &Value| part(value, "extensionSettings").get(name).cloned().unwrap_or_default();
            match (on(&old, name), on(&new, name)) {
                (true, true) => found.extend(settings(name, &setting(before), &setting(after))),
                (old, new) => found.extend(FieldDirection::switch(&format!("extensions.{name}"), old, new)),
            }
        }
        found
    }
}

const ADDITIONAL: &str = "additionalExtensionProperties";

/// What to send for an extension that is there: what is stated of it, and everything else as it was read.
fn merged_extension(live: &Value, wanted: Option<&Value>) -> Value {
    let mut merged = live.as_object().cloned().unwrap_or_default();
    merged.remove("operationStatus");
    merged.retain(|_, value| !value.is_null());
    merged.insert(
        "isEnabled".to_owned(),
        Value::from(truth(is_enabled(wanted.unwrap_or(live)))),
    );
    let Some(wanted) = wanted.and_then(Value::as_object) else {
        return Value::Object(merged);
    };
    for (key, value) in wanted
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "name" | "isEnabled"))
    {
        match (merged.get_mut(key), value) {
            (Some(Value::Object(found)), Value::Object(stated)) if key == ADDITIONAL => {
                for (key, value) in stated {
                    let spelt = found.keys().find(|found| found.eq_ignore_ascii_case(key)).cloned();
                    found.insert(spelt.unwrap_or_else(|| key.clone()), value.clone());
                }
            }
            _ => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(merged)
}

/// The direction of a change in the properties of one extension that is on. What is not known here counts as weakening.
fn settings(extension: &str, before: &Value, after: &Value) -> Vec<FieldDirection> {
    let empty = Map::new();
    let (before, after) = (
        before.as_object().unwrap_or(&empty),
        after.as_object().unwrap_or(&empty),
    );
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter_map(|key| {
        let is_switch = SWITCHES.iter().any(|switch| switch.eq_ignore_ascii_case(key));
        let (old, new) = (before.get(key), after.get(key));
        let excludes_nothing = key.eq_ignore_ascii_case("ExclusionTags") && new.is_some_and(|new| new == "[]");
        let direction = match old == new {
            true => return None,
            false if excludes_nothing || (is_switch && new.is_some_and(is_true)) => Direction::Tightens,
            false => Direction::Weakens,
        };
        let field = format!("extensions.{extension}.{key}");
        Some(FieldDirection::change(direction, &field, old, new))
    });
    changed.collect()
}

fn is_standard(properties: &Map<String, Value>) -> bool {
    let tier = properties
        .get("pricingTier")
        .and_then(Value::as_str)
        .unwrap_or_default();
    tier.eq_ignore_ascii_case("Standard")
}

fn list(properties: &Map<String, Value>) -> Vec<Value> {
    let list = properties.get("extensions").and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

/// Texts that are truth values in lower case, everything else as it is.
fn comparable_setting(value: &Value) -> Value {
    if let Value::Bool(value) = value {
        return Value::from(value.to_string());
    }
    match value.as_str().map(str::to_ascii_lowercase) {
        Some(text) if text == "true" || text == "false" => Value::from(text),
        _ => value.clone(),
    }
}

fn name(extension: &Value) -> &str {
    extension.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// `isEnabled` is a string, `True` or `true` (pricings, 2024-01-01; CLI recordings).
fn is_enabled(extension: &Value) -> bool {
    extension.get("isEnabled").is_some_and(is_true)
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn truth(enabled: bool) -> &'static str {
    if enabled { "True" } else { "False" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tier: &str, extensions: Value) -> Value {
        json!({"properties": {"pricingTier": tier, "extensions": extensions}})
    }

    #[test]
    fn extensions_that_are_not_named_go_back_as_they_were_read() {
        let live = plan(
            "Standard",
            json!([
            {"name": "ContainerSensor", "isEnabled": "False", "additionalExtensionProperties": {"SecurityGatingEnabled": "True"}},
            {"name": "SomethingNew", "isEnabled": "true", "additionalExtensionProperties": {"a": "b"},
             "operationStatus": {"code": "Succeeded"}}]),
        );
        let desired = plan("Standard", json!([{"name": "containersensor", "isEnabled": "True"}]));
        let merged = DefenderPlan.merged(&desired, Some(&live));
        assert_eq!(
            merged["properties"]["extensions"],
            json!([
                {"name": "ContainerSensor", "isEnabled": "True", "additionalExtensionProperties": {"SecurityGatingEnabled": "True"}},
                {"name": "SomethingNew", "isEnabled": "True", "additionalExtensionProperties": {"a": "b"}}])
        );
    }

    #[test]
    fn casing_and_order_are_no_difference() {
        let one = plan(
            "standard",
            json!([{"name": "A", "isEnabled": "True"}, {"name": "B", "isEnabled": "False"}]),
        );
        let two = plan(
            "Standard",
            json!([{"name": "B", "isEnabled": "false"}, {"name": "A", "isEnabled": true}]),
        );
        assert_eq!(DefenderPlan.comparable(&one), DefenderPlan.comparable(&two));
    }

    #[test]
    fn settings_that_decide_what_is_seen_are_compared() {
        let state = |properties: Value| {
            let mut wire = plan(
                "Standard",
                json!([{"name": "A", "isEnabled": "True", "additionalExtensionProperties": {"ExclusionTags": "[]"}}]),
            );
            wire["properties"]
                .as_object_mut()
                .unwrap()
                .extend(properties.as_object().unwrap().clone());
            DefenderPlan.comparable(&wire)
        };
        let extension = |tags: &str| json!({"extensions": [{"name": "A", "isEnabled": "True", "additionalExtensionProperties": {"ExclusionTags": tags}}]});
        let direction = |one: &Value, two: &Value| DefenderPlan.direction(Some(one), Some(two));
        let plain = state(json!({}));
        assert_eq!(direction(&plain, &state(extension("[\"all\"]"))), Direction::Weakens);
        assert_eq!(direction(&plain, &state(extension("[]"))), Direction::Neutral);
        assert_eq!(direction(&plain, &state(json!({"subPlan": "P1"}))), Direction::Weakens);
        assert_eq!(
            direction(&plain, &state(json!({"enforce": "True"}))),
            Direction::Tightens
        );
        assert_eq!(
            direction(&state(json!({"enforce": "True"})), &plain),
            Direction::Weakens
        );
        let mixed = state(
            json!({"subPlan": "P1", "extensions": [{"name": "A", "isEnabled": "True"}, {"name": "B", "isEnabled": "True"}]}),
        );
        assert_eq!(direction(&plain, &mixed), Direction::Weakens, "a mixed change weakens");
        assert_eq!(state(json!({"enforce": "False"})), plain);
    }

    #[test]
    fn what_is_not_stated_goes_back_as_it_was_read_and_what_only_the_server_says_does_not() {
        let live = json!({"properties": {
            "pricingTier": "Standard", "enforce": "False", "subPlan": null, "somethingNew": {"a": 1},
            "freeTrialRemainingTime": "PT0S", "enablementTime": "2026-01-01", "resourcesCoverageStatus": "FullyCovered",
            "inherited": "False", "inheritedFrom": null, "deprecated": false, "replacedBy": [], "managedBy": "x", "originatedFrom": "M365",
            "extensions": [
                {"name": "ContainerSensor", "isEnabled": "True", "securityOperatorResourceId": "/x",
                 "additionalExtensionProperties": {"AutoProvisioning": "true", "securityGatingEnabled": "False", "Number": 1},
                 "operationStatus": {"code": "Succeeded", "message": "m"}},
                {"name": "AgentlessVmScanning", "isEnabled": "True", "additionalExtensionProperties": {"ExclusionTags": "[]"}},
            ],
        }});
        let desired = plan(
            "Standard",
            json!([{"name": "ContainerSensor", "isEnabled": "True", "additionalExtensionProperties": {"SecurityGatingEnabled": "True", "AntiMalwareEnabled": "True"}}]),
        );
        let merged = DefenderPlan.merged(&desired, Some(&live));
        assert_eq!(
            merged,
            json!({"properties": {
                "pricingTier": "Standard", "enforce": "False", "somethingNew": {"a": 1},
                "extensions": [
                    {"name": "ContainerSensor", "isEnabled": "True", "securityOperatorResourceId": "/x",
                     "additionalExtensionProperties": {"AutoProvisioning": "true", "securityGatingEnabled": "True", "Number": 1, "AntiMalwareEnabled": "True"}},
                    {"name": "AgentlessVmScanning", "isEnabled": "True", "additionalExtensionProperties": {"ExclusionTags": "[]"}},
                ],
            }})
        );
        let again = DefenderPlan.merged(&desired, Some(&merged));
        assert_eq!(again, merged, "what was written is what is wanted");
    }

    #[test]
    fn an_extension_that_is_not_listed_is_off() {
        let listed = plan(
            "Standard",
            json!([{"name": "ContainerSensor", "isEnabled": "False"}, {"name": "New", "isEnabled": "False"}]),
        );
        let bare = json!({"properties": {"pricingTier": "Standard"}});
        assert_eq!(DefenderPlan.comparable(&listed), DefenderPlan.comparable(&bare));
        // What an extension that is off is set to acts on nothing.
        let settings = plan(
            "Standard",
            json!([{"name": "ContainerSensor", "isEnabled": "False", "additionalExtensionProperties": {"SecurityGatingEnabled": "True"}}]),
        );
        assert_eq!(DefenderPlan.comparable(&settings), DefenderPlan.comparable(&bare));
    }

    #[test]
    fn each_property_of_an_extension_has_its_direction() {
        let state = |name: &str, properties: Value| {
            DefenderPlan.comparable(&plan(
                "Standard",
                json!([{"name": name, "isEnabled": "True", "additionalExtensionProperties": properties}]),
            ))
        };
        let check = |name: &str, before: Value, after: Value, expected: Direction| {
            let found = DefenderPlan.direction(Some(&state(name, before.clone())), Some(&state(name, after.clone())));
            assert_eq!(found, expected, "{name} {before} -> {after}");
        };
        let sensor = "ContainerSensor";
        let gating = |value: &str| json!({ "SecurityGatingEnabled": value });
        check(sensor, gating("False"), gating("True"), Direction::Tightens);
        check(sensor, gating("True"), gating("False"), Direction::Weakens);
        check(sensor, gating("True"), gating("true"), Direction::Neutral);
        check(sensor, json!(null), gating("True"), Direction::Tightens);
        check(sensor, gating("True"), json!(null), Direction::Weakens);
        check(
            sensor,
            json!({"Unknown": "True"}),
            json!({"Unknown": "False"}),
            Direction::Weakens,
        );
        check(
            sensor,
            json!({"Unknown": "False"}),
            json!({"Unknown": "True"}),
            Direction::Weakens,
        );
        check(
            sensor,
            json!({"SecurityGatingEnabled": "False", "Unknown": 1}),
            json!({"SecurityGatingEnabled": "True", "Unknown": 2}),
            Direction::Weakens,
        );
        let tags = |value: &str| json!({ "ExclusionTags": value });
        check("AgentlessVmScanning", tags("[1]"), tags("[]"), Direction::Tightens);
        check("AgentlessVmScanning", tags("[]"), tags("[1]"), Direction::Weakens);
        let enforced = |tier: &str, enforce: &str| {
            DefenderPlan.comparable(&json!({"properties": {"pricingTier": tier, "enforce": enforce}}))
        };
        let direction = |one: Value, two: Value| DefenderPlan.direction(Some(&one), Some(&two));
        assert_eq!(
            direction(enforced("Standard", "False"), enforced("Standard", "True")),
            Direction::Tightens
        );
        assert_eq!(
            direction(enforced("Standard", "True"), enforced("Standard", "False")),
            Direction::Weakens
        );
        // Enforcing a plan that is off takes others' plans away.
        assert_eq!(
            direction(enforced("Free", "False"), enforced("Free", "True")),
            Direction::Weakens
        );
    }

    #[test]
    fn turning_anything_off_weakens() {
        let state = |tier: &str, on: &str| {
            DefenderPlan.comparable(&plan(
                tier,
                json!([{"name": "A", "isEnabled": on}, {"name": "B", "isEnabled": "True"}]),
            ))
        };
        let direction = |one: &Value, two: &Value| DefenderPlan.direction(Some(one), Some(two));
        assert_eq!(
            direction(&state("Free", "False"), &state("Standard", "False")),
            Direction::Tightens
        );
        assert_eq!(
            direction(&state("Standard", "True"), &state("Standard", "False")),
            Direction::Weakens
        );
        assert_eq!(
            direction(&state("Standard", "False"), &state("Standard", "True")),
            Direction::Tightens
        );
        assert_eq!(
            direction(&state("Standard", "False"), &state("Free", "True")),
            Direction::Weakens
        );
        assert_eq!(
            DefenderPlan.merged(&plan("Free", json!([])), Some(&plan("Standard", json!([]))))["properties"]
                .get("extensions"),
            None
        );
    }
}
