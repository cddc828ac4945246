//! Whether the selectors of an assignment take a cluster.

use crate::model::plain_location;
use serde_json::Value;

/// Returns whether an assignment's `resourceSelectors` take a cluster in a location; none if they cannot be told.
///
/// A resource must satisfy every selector of one of them (governance/policy/concepts/assignment-structure).
pub(super) fn takes(selectors: Option<&Value>, location: &str) -> Option<bool> {
    let Some(selectors) = selectors.filter(|selectors| !selectors.is_null()) else {
        return Some(true);
    };
    let selectors = selectors.as_array()?;
    if selectors.is_empty() {
        return Some(true);
    }
    let verdicts: Vec<Option<bool>> = selectors.iter().map(|one| of_one(one, location)).collect();
    match verdicts.contains(&Some(true)) {
        true => Some(true),
        false if verdicts.contains(&None) => None,
        false => Some(false),
    }
}

fn of_one(selector: &Value, location: &str) -> Option<bool> {
    let Some(parts) = selector.get("selectors").and_then(Value::as_array) else {
        return Some(true);
    };
    let verdicts: Vec<Option<bool>> = parts.iter().map(|part| of_part(part, location)).collect();
    match verdicts.contains(&Some(false)) {
        true => Some(false),
        false if verdicts.contains(&None) => None,
        false => Some(true),
    }
}

fn of_part(part: &Value, location: &str) -> Option<bool> {
    let kind = part.get("kind")?.as_str()?.to_ascii_lowercase();
    let found = match kind.as_str() {
        "resourcelocation" => plain_location(location),
        "resourcetype" => "microsoft.containerservice/managedclusters".to_owned(),
        // A cluster has a location.
        "resourcewithoutlocation" => return Some(false),
        _ => return None,
    };
    let holds = |list: &Value| {
        let values = list.as_array()?.iter().filter_map(Value::as_str);
        Some(values.map(plain_location).any(|value| value == found))
    };
    match (
        part.get("in").filter(|list| !list.is_null()),
        part.get("notIn").filter(|list| !list.is_null()),
    ) {
        (Some(list), None) => holds(list),
        (None, Some(list)) => holds(list).map(|held| !held),
        _ => None,
    }
}
