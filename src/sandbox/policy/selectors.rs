//! `resourceSelectors` and `overrides` of assignments.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::error::ArmError;
use super::super::json::{items, object, text};
use super::super::state::State;
use super::super::versions::at_least;
use super::lookup::Found;
use super::parameters;

fn invalid(message: String) -> ArmError {
    ArmError::bad_request("InvalidPolicyAssignmentSelectors", message)
}

/// Checks the `resourceSelectors` of an assignment.
pub(super) fn check_resource_selectors(selectors: Option<&Value>, version: &str) -> Result<(), ArmError> {
    for selector in list(selectors, "resourceSelectors")? {
        let mut allowed = vec!["resourceLocation", "resourceType", "resourceWithoutLocation"];
        if at_least(version, "2026-06-01") {
            allowed.extend(["resourceRolloutPercentage", "userPrincipalId", "groupPrincipalId"]);
        }
        check_selectors(selector, &allowed, "resourceSelectors")?;
    }
    Ok(())
}

fn list<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a [Value], ArmError> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(values)) if values.len() <= 10 => Ok(values),
        Some(Value::Array(values)) => Err(invalid(format!(
            "The policy assignment has {} '{what}'; at most 10 are allowed.",
            values.len()
        ))),
        Some(_) => Err(ArmError::content(format!("The '{what}' must be an array."))),
    }
}

fn check_selectors(holder: &Value, allowed: &[&str], what: &str) -> Result<(), ArmError> {
    let mut kinds = BTreeSet::new();
    for selector in items(holder, "/selectors") {
        let kind = text(selector, "/kind");
        if !allowed.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            return Err(invalid(format!(
                "The selector kind '{kind}' is not allowed in '{what}'. The allowed kinds are '{}'.",
                allowed.join(", ")
            )));
        }
        if !kinds.insert(kind.to_ascii_lowercase()) {
            return Err(invalid(format!(
                "The selector kind '{kind}' may be used once in each of '{what}'."
            )));
        }
        let (include, exclude) = (selector.get("in"), selector.get("notIn"));
        if kind.eq_ignore_ascii_case("resourceRolloutPercentage") {
            let progress = selector.get("progress").and_then(Value::as_u64);
            if progress.is_none_or(|percent| percent > 100) || include.is_some() || exclude.is_some() {
                return Err(invalid("A selector of the kind 'resourceRolloutPercentage' has 'progress', from 0 to 100, and neither 'in' nor 'notIn'.".to_owned()));
            }
            continue;
        }
        let values = match (include, exclude) {
            (Some(values), None) | (None, Some(values)) => values.as_array(),
            _ => None,
        };
        match values {
            Some(values) if !values.is_empty() && values.len() <= 50 && values.iter().all(Value::is_string) => {}
            _ => {
                return Err(invalid(format!(
                    "A selector of the kind '{kind}' must have either 'in' or 'notIn', with 1 to 50 strings."
                )));
            }
        }
    }
    if kinds.contains("resourcelocation") && kinds.contains("resourcewithoutlocation") {
        return Err(invalid(
            "The selector kinds 'resourceLocation' and 'resourceWithoutLocation' exclude each other.".to_owned(),
        ));
    }
    Ok(())
}

/// Checks the `overrides` of an assignment against what is assigned: the members exist, and each can have the effect.
pub(super) fn check_overrides(
    state: &State,
    assigned: &Found<'_>,
    pin: &str,
    overrides: Option<&Value>,
) -> Result<(), ArmError> {
    let version = assigned.pinned(pin)?;
    let members = items(assigned.document(version), "/properties/policyDefinitions");
    for entry in list(overrides, "overrides")? {
        let kind = text(entry, "/kind");
        let value = entry.get("value").and_then(Value::as_str).unwrap_or_default();
        let is_effect = kind.eq_ignore_ascii_case("policyEffect");
        if !is_effect && !kind.eq_ignore_ascii_case("definitionVersion") {
            return Err(invalid(format!(
                "The override kind '{kind}' is not allowed. The allowed kinds are 'policyEffect, definitionVersion'."
            )));
        }
        if value.is_empty() {
            return Err(invalid(format!(
                "The override of the kind '{kind}' must have the property 'value', a string."
            )));
        }
        check_selectors(entry, &["policyDefinitionReferenceId", "resourceLocation"], "overrides")?;
        let chosen = items(entry, "/selectors")
            .iter()
            .find(|selector| text(selector, "/kind").eq_ignore_ascii_case("policyDefinitionReferenceId"));
        if !assigned.is_set {
            if chosen.is_some() {
                return Err(invalid(
                    "The selector kind 'policyDefinitionReferenceId' is only allowed for a policy set definition."
                        .to_owned(),
                ));
            }
            if is_effect {
                check_effect(assigned, version, value)?;
            }
            continue;
        }
        let (include, exclude) = (names(chosen, "/in"), names(chosen, "/notIn"));
        for name in include.iter().chain(&exclude) {
            if !members
                .iter()
                .any(|member| text(member, "/policyDefinitionReferenceId").eq_ignore_ascii_case(name))
            {
                return Err(invalid(format!(
                    "The policy definition reference id '{name}' does not exist in the policy set definition '{}'.",
                    assigned.name()
                )));
            }
        }
        for member in members {
            let reference = text(member, "/policyDefinitionReferenceId");
            let is = |name: &String| name.eq_ignore_ascii_case(reference);
            let selected = if include.is_empty() {
                !exclude.iter().any(is)
            } else {
                include.iter().any(is)
            };
            if selected && is_effect {
                let found = Found::by_id(state, text(member, "/policyDefinitionId"))?;
                let member_version = found
                    .pinned(text(member, "/definitionVersion"))
                    .unwrap_or_else(|_| found.version());
                check_effect(&found, member_version, value)?;
            }
        }
    }
    Ok(())
}

fn names(selector: Option<&Value>, pointer: &str) -> Vec<String> {
    selector
        .map(|selector| items(selector, pointer))
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Checks an effect against the definition's rule: the allowed values of its parameter, or the effect that it states.
fn check_effect(found: &Found<'_>, version: &str, effect: &str) -> Result<(), ArmError> {
    let document = found.document(version);
    let written = document
        .pointer("/properties/policyRule/then/effect")
        .cloned()
        .unwrap_or_default();
    let declared = parameters::reference(&written)
        .and_then(|name| super::super::json::entry_without_case(object(document, "/properties/parameters")?, name));
    let fits = match declared {
        Some((_, declaration)) => parameters::fits(declaration, &Value::String(effect.to_owned())),
        None if written.as_str().is_some_and(|own| own.eq_ignore_ascii_case(effect)) => Ok(()),
        None if ["disabled", "audit"].contains(&effect.to_ascii_lowercase().as_str()) => Ok(()),
        None => Err(format!("the rule has the effect {written}")),
    };
    fits.map_err(|why| {
        ArmError::bad_request(
            "InvalidPolicyParameters",
            format!(
                "The override value '{effect}' is not allowed for the policy definition '{} version {version}': {why}.",
                found.name()
            ),
        )
    })
}
