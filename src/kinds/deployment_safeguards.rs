//! The deployment safeguards of a cluster (`Microsoft.ContainerService/deploymentSafeguards`, 2025-07-01).
//!
//! One object a cluster, named `default`. Managed only where stated: what an environment does not name is sent back as it was
//! read.

use super::direction::of_meaning;
use super::{Direction, FieldDirection, Meanings, ResourceKind, properties, sorted_set};
use crate::model::Meaning;
use serde_json::{Map, Value, json};

pub(super) struct DeploymentSafeguards;

const LEVEL: &str = "level";
const POD_SECURITY: &str = "podSecurityStandardsLevel";
const EXCLUDED: &str = "excludedNamespaces";
/// The levels, each stricter than the one before it.
const LEVELS: [&str; 2] = ["Warn", "Enforce"];
const STANDARDS: [&str; 3] = ["Privileged", "Baseline", "Restricted"];
/// What Azure alone writes.
const READ_ONLY: [&str; 2] = ["provisioningState", "systemExcludedNamespaces"];

impl ResourceKind for DeploymentSafeguards {
    fn comparable(&self, wire: &Value) -> Value {
        let found = properties(wire);
        let mut kept = Map::new();
        for (key, words) in [(LEVEL, &LEVELS[..]), (POD_SECURITY, &STANDARDS[..])] {
            if let Some(value) = found.get(key).filter(|value| !value.is_null()) {
                let known = words.iter().find(|word| is_word(value, word));
                kept.insert(
                    key.to_owned(),
                    known.map_or_else(|| value.clone(), |word| Value::from(*word)),
                );
            }
        }
        let excluded = sorted_set(found.get(EXCLUDED), str::to_owned);
        if excluded != json!([]) {
            kept.insert(EXCLUDED.to_owned(), excluded);
        }
        json!({ "properties": kept })
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        let mut merged = observed.map(properties).unwrap_or_default();
        for key in READ_ONLY {
            merged.remove(key);
        }
        merged.retain(|_, value| !value.is_null());
        merged.extend(properties(desired));
        json!({ "properties": merged })
    }

    fn directions(&self, before: Option<&Value>, after: Option<&Value>, _: &Meanings) -> Vec<FieldDirection> {
        let (before, after) = match (before, after) {
            (None, None) => return Vec::new(),
            (None, Some(_)) => return vec![FieldDirection::told(Direction::Tightens, "the safeguards come")],
            (Some(_), None) => return vec![FieldDirection::told(Direction::Weakens, "the safeguards go")],
            (Some(before), Some(after)) => (properties(before), properties(after)),
        };
        let mut found = Vec::new();
        for (key, words) in [(LEVEL, &LEVELS[..]), (POD_SECURITY, &STANDARDS[..])] {
            let rank = |from: &Map<String, Value>| match from.get(key) {
                // Where nothing is said of the standard, none is kept.
                None => Some(0),
                Some(value) => words.iter().position(|word| is_word(value, word)),
            };
            let direction = match (rank(&before), rank(&after)) {
                _ if before.get(key) == after.get(key) => continue,
                (Some(before), Some(after)) if before == after => continue,
                (Some(before), Some(after)) if before < after => Direction::Tightens,
                // Weaker, or a word that cannot be compared.
                _ => Direction::Weakens,
            };
            found.push(FieldDirection::change(direction, key, before.get(key), after.get(key)));
        }
        let none = json!([]);
        let excluded = |from: &Map<String, Value>| from.get(EXCLUDED).unwrap_or(&none).clone();
        let (old, new) = (excluded(&before), excluded(&after));
        if old != new {
            found.extend(of_meaning(Meaning::Excludes, EXCLUDED, Some(&old), Some(&new)));
        }
        found
    }
}

fn is_word(value: &Value, word: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(level: &str, standard: &str, excluded: &[&str]) -> Value {
        json!({"properties": {"level": level, "podSecurityStandardsLevel": standard, "excludedNamespaces": excluded}})
    }

    #[test]
    fn what_azure_adds_is_no_difference_and_what_is_not_named_stays() {
        let live = json!({"id": "/x", "eTag": "1", "properties": {"provisioningState": "Succeeded", "level": "warn",
            "systemExcludedNamespaces": ["kube-system"], "excludedNamespaces": ["b", "a"], "podSecurityStandardsLevel": "Baseline",
            "new": 1}});
        let kind = DeploymentSafeguards;
        assert_eq!(
            kind.comparable(&live),
            kind.comparable(&wire("Warn", "Baseline", &["a", "b"]))
        );
        let merged = kind.merged(&json!({"properties": {"level": "Enforce"}}), Some(&live));
        assert_eq!(
            merged,
            json!({"properties": {"level": "Enforce", "excludedNamespaces": ["b", "a"], "podSecurityStandardsLevel": "Baseline", "new": 1}})
        );
        assert_eq!(
            kind.comparable(&json!({"properties": {"level": "Warn", "excludedNamespaces": null}})),
            json!({"properties": {"level": "Warn"}})
        );
    }

    #[test]
    fn each_setting_has_its_direction_and_a_mixed_change_weakens() {
        let kind = DeploymentSafeguards;
        let direction = |before: &Value, after: &Value| {
            kind.direction(Some(&kind.comparable(before)), Some(&kind.comparable(after)))
        };
        let base = wire("Warn", "Baseline", &["a"]);
        for (after, expected) in [
            (wire("Enforce", "Baseline", &["a"]), Direction::Tightens),
            (wire("Warn", "Restricted", &["a"]), Direction::Tightens),
            (wire("Warn", "Baseline", &[]), Direction::Tightens),
            (wire("Warn", "Baseline", &["a"]), Direction::Neutral),
            (wire("Warn", "Privileged", &["a"]), Direction::Weakens),
            (wire("Warn", "Baseline", &["a", "b"]), Direction::Weakens),
            (wire("Warn", "Baseline", &["b"]), Direction::Weakens),
            (wire("Enforce", "Privileged", &[]), Direction::Weakens),
            (wire("Other", "Baseline", &["a"]), Direction::Weakens),
        ] {
            assert_eq!(direction(&base, &after), expected, "{after}");
        }
        assert_eq!(
            direction(&wire("Enforce", "Baseline", &[]), &wire("Warn", "Baseline", &[])),
            Direction::Weakens
        );
        assert_eq!(kind.direction(None, Some(&base)), Direction::Tightens);
    }
}
