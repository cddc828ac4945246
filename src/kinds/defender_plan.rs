//! The Defender plan `Containers` of a subscription.
//!
//! Managed only where stated: an extension that the environment does not name is sent back as it was read, since what ARM
//! does with one that a PUT leaves out is documented nowhere (pricings, 2024-01-01).

use super::{Direction, ResourceKind, properties};
use serde_json::{Map, Value, json};

pub(super) struct DefenderPlan;

impl ResourceKind for DefenderPlan {
    fn comparable(&self, wire: &Value) -> Value {
        let properties = properties(wire);
        let text = |key: &str| properties.get(key).and_then(Value::as_str).unwrap_or_default();
        let standard = text("pricingTier").eq_ignore_ascii_case("Standard");
        let mut extensions = Map::new();
        let mut settings = Map::new();
        if standard {
            for extension in properties
                .get("extensions")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                extensions.insert(name(extension).to_owned(), Value::from(is_enabled(extension)));
                if let Some(Value::Object(found)) = extension.get("additionalExtensionProperties") {
                    // `True` and `true` are one value here, as for `isEnabled`.
                    let truths = found
                        .iter()
                        .map(|(key, value)| (key.clone(), comparable_setting(value)));
                    settings.insert(name(extension).to_owned(), Value::Object(truths.collect()));
                }
            }
        }
        let tier = if standard { "Standard" } else { "Free" };
        let mut result = json!({"pricingTier": tier, "extensions": extensions});
        if let Value::Object(map) = &mut result {
            if !text("subPlan").is_empty() {
                map.insert("subPlan".to_owned(), Value::from(text("subPlan")));
            }
            if text("enforce").eq_ignore_ascii_case("true") {
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
        for key in ["subPlan", "enforce"] {
            if let (false, Some(value)) = (merged.contains_key(key), observed.get(key)) {
                merged.insert(key.to_owned(), value.clone());
            }
        }
        let standard = stated.get("pricingTier").and_then(Value::as_str) == Some("Standard");
        if !standard {
            merged.remove("extensions"); // plan Free has none
            return json!({ "properties": merged });
        }
        let list = |map: &Map<String, Value>| {
            map.get("extensions")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let (stated, observed) = (list(&stated), list(&observed));
        let same = |one: &Value, two: &Value| name(one).eq_ignore_ascii_case(name(two));
        let mut extensions: Vec<Value> = Vec::new();
        for live in &observed {
            let wanted = stated.iter().find(|wanted| same(wanted, live));
            extensions.push(json!({"name": name(live), "isEnabled": truth(is_enabled(wanted.unwrap_or(live)))}));
            let extra = wanted
                .and_then(|wanted| wanted.get("additionalExtensionProperties"))
                .or_else(|| live.get("additionalExtensionProperties"));
            if let (Some(Value::Object(map)), Some(extra)) = (extensions.last_mut(), extra) {
                map.insert("additionalExtensionProperties".to_owned(), extra.clone());
            }
        }
        extensions.extend(
            stated
                .into_iter()
                .filter(|wanted| !observed.iter().any(|live| same(wanted, live))),
        );
        merged.insert("extensions".to_owned(), Value::from(extensions));
        json!({ "properties": merged })
    }

    fn direction(&self, before: Option<&Value>, after: Option<&Value>) -> Direction {
        let off = json!({"properties": {"pricingTier": "Free", "extensions": {}}});
        let (before, after) = (before.unwrap_or(&off), after.unwrap_or(&off));
        let tier = |value: &Value| super::at(value, &["properties", "pricingTier"]) == Some(&Value::from("Standard"));
        let extensions = |value: &Value| {
            super::at(value, &["properties", "extensions"])
                .and_then(Value::as_object)
                .cloned()
        };
        let (old, new) = (
            extensions(before).unwrap_or_default(),
            extensions(after).unwrap_or_default(),
        );
        let on = |map: &Map<String, Value>, name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
        // What another sub-plan, setting or enforcement lets through is not known here, but for enforcement that begins and
        // settings that come with an extension.
        let part = |value: &Value, key: &str| super::at(value, &["properties", key]).cloned().unwrap_or_default();
        let changed = |key: &str| part(before, key) != part(after, key);
        let weaker = (tier(before) && !tier(after))
            || old.keys().any(|name| on(&old, name) && !on(&new, name))
            || (tier(before) && changed("subPlan"))
            || part(before, "enforce") == true && changed("enforce")
            || new.keys().any(|name| {
                let setting = |value: &Value| part(value, "extensionSettings").get(name).cloned();
                on(&old, name) && on(&new, name) && setting(before) != setting(after)
            });
        let stronger = (!tier(before) && tier(after)) || new.keys().any(|name| on(&new, name) && !on(&old, name));
        match (weaker, stronger || changed("enforce")) {
            (true, _) => Direction::Weakens,
            (false, true) => Direction::Tightens,
            (false, false) => Direction::Neutral,
        }
    }
}

/// Texts that are truth values in lower case, everything else as it is.
fn comparable_setting(value: &Value) -> Value {
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
    match extension.get("isEnabled") {
        Some(Value::Bool(enabled)) => *enabled,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
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
