//! Parameters: their declarations, the values given for them, and how a set hands values on to its members.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::error::ArmError;
use super::super::json::{Object, entry_without_case, items, object, text};
use super::Kind;
use super::lookup::Found;

/// The types a parameter may have, in the casing that the service answers.
const TYPES: [&str; 7] = ["String", "Array", "Object", "Boolean", "Integer", "Float", "DateTime"];

/// Checks the `parameters` that a definition or set declares, and returns them with the service's casing of types.
pub(super) fn declarations(kind: Kind, properties: &Object, limit: usize) -> Result<Object, ArmError> {
    let invalid = |message: String| ArmError::bad_request("InvalidPolicyParameters", message);
    let declared = match properties.get("parameters") {
        None => return Ok(Object::new()),
        Some(Value::Object(declared)) => declared,
        Some(_) => {
            return Err(ArmError::content(format!(
                "The 'parameters' of the {} must be an object.",
                kind.words
            )));
        }
    };
    if declared.len() > limit {
        return Err(invalid(format!(
            "The {} has {} parameters; at most {limit} are allowed.",
            kind.words,
            declared.len()
        )));
    }
    let mut checked = Object::new();
    for (name, declaration) in declared {
        let given = text(declaration, "/type");
        let Some(known) = TYPES.iter().find(|known| known.eq_ignore_ascii_case(given)) else {
            return Err(invalid(format!(
                "The parameter '{name}' of the {} has the unknown type '{given}'.",
                kind.words
            )));
        };
        let mut declaration = declaration.clone();
        super::super::json::set(&mut declaration, "", "type", json!(known));
        if let Some(default) = declaration.get("defaultValue")
            && let Err(why) = fits(&declaration, default)
        {
            return Err(invalid(format!(
                "The default value of the parameter '{name}' is not valid: {why}."
            )));
        }
        checked.insert(name.clone(), declaration);
    }
    Ok(checked)
}

/// Refuses a new declaration that drops or retypes a parameter of the old one, or adds one without a default value.
pub(super) fn check_update(kind: Kind, before: &Value, after: &Object) -> Result<(), ArmError> {
    let (code, words) = if kind.segment == "policyDefinitions" {
        ("InvalidPolicyParameterUpdate", "policy")
    } else {
        ("InvalidPolicySetParameterUpdate", "policy set")
    };
    let empty = Object::new();
    let old = object(before, "/properties/parameters").unwrap_or(&empty);
    let dropped: Vec<&str> = old
        .keys()
        .filter(|name| entry_without_case(after, name).is_none())
        .map(String::as_str)
        .collect();
    if !dropped.is_empty() {
        return Err(ArmError::bad_request(
            code,
            format!(
                "The existing {words} parameter(s) '{}' were not found in the {words} being updated. The parameter names can not be changed.",
                dropped.join(",")
            ),
        ));
    }
    for (name, declaration) in after {
        match entry_without_case(old, name) {
            None if declaration.get("defaultValue").is_none() => {
                return Err(ArmError::bad_request(
                    code,
                    format!(
                        "The policy contains new parameter(s) '{name}' which are not present in the existing policy and have no default value. New parameters may be added to a policy only if they have a default value."
                    ),
                ));
            }
            Some((_, was)) if !text(was, "/type").eq_ignore_ascii_case(text(declaration, "/type")) => {
                return Err(ArmError::bad_request(
                    code,
                    format!(
                        "The type of the {words} parameter '{name}' can not be changed from '{}' to '{}'.",
                        text(was, "/type"),
                        text(declaration, "/type")
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Says why `value` does not fit a declaration, if it does not. Allowed values are compared exactly, casing included.
pub(super) fn fits(declaration: &Value, value: &Value) -> Result<(), String> {
    let wanted = text(declaration, "/type").to_ascii_lowercase();
    let type_fits = match wanted.as_str() {
        "string" | "datetime" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "boolean" => {
            value.is_boolean()
                || value
                    .as_str()
                    .is_some_and(|text| ["true", "false"].contains(&text.to_ascii_lowercase().as_str()))
        }
        "integer" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        _ => true,
    };
    if !type_fits {
        return Err(format!("the value is not of the type '{}'", text(declaration, "/type")));
    }
    let allowed = items(declaration, "/allowedValues");
    let is_allowed = |value: &Value| allowed.contains(value);
    let fits = allowed.is_empty()
        || match value {
            // An array parameter's allowed values are those of its items.
            Value::Array(values) if !is_allowed(&Value::Array(values.clone())) => values.iter().all(is_allowed),
            other => is_allowed(other),
        };
    if fits {
        Ok(())
    } else {
        Err(format!("the allowed values are '{}'", list(allowed)))
    }
}

fn list(values: &[Value]) -> String {
    values.iter().map(plain).collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The error for a value that a definition's parameter does not take.
pub(super) fn not_allowed(name: &str, value: &Value, definition: &str, version: &str, declaration: &Value) -> ArmError {
    ArmError::bad_request(
        "PolicyParameterValueNotAllowed",
        value_text(name, value, definition, version, declaration),
    )
}

fn value_text(name: &str, value: &Value, definition: &str, version: &str, declaration: &Value) -> String {
    format!(
        "The value '{}' is not allowed for policy parameter '{name}' in policy definition '{definition} version {version}'. The allowed values are '{}'.",
        plain(value),
        list(items(declaration, "/allowedValues"))
    )
}

/// Returns the values by parameter name from the wire form `{"name": {"value": ...}}`.
pub(super) fn unwrap_values(given: Option<&Value>) -> Result<BTreeMap<String, Value>, ArmError> {
    let malformed = |name: &str| {
        ArmError::content(format!(
            "The parameter '{name}' must be an object with the property 'value'."
        ))
    };
    match given {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(given)) => given
            .iter()
            .map(|(name, wrapped)| {
                wrapped
                    .get("value")
                    .map(|value| (name.clone(), value.clone()))
                    .ok_or_else(|| malformed(name))
            })
            .collect(),
        Some(_) => Err(ArmError::content("The 'parameters' must be an object.")),
    }
}

/// Returns the name in `[parameters('name')]`, if `value` is exactly such an expression.
pub(super) fn reference(value: &Value) -> Option<&str> {
    let inner = value.as_str()?.strip_prefix('[')?.strip_suffix(']')?.trim();
    let lower = inner.to_ascii_lowercase();
    lower.starts_with("parameters(").then_some(())?;
    let name = inner
        .get("parameters(".len()..)?
        .strip_suffix(')')?
        .trim()
        .strip_prefix('\'')?
        .strip_suffix('\'')?;
    (!name.contains('\'')).then_some(name)
}

/// Returns whether `value` is an expression of the policy language; `[[` is a literal bracket.
pub(super) fn is_expression(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.starts_with('[') && !text.starts_with("[[") && text.ends_with(']'))
}

/// Checks that the values a set gives to one member's parameters are known, complete and allowed.
///
/// `values` are the set's own parameter values, or its defaults; a parameter without either is skipped.
pub(super) fn check_member(
    set: &str,
    member: &Value,
    definition: &Found<'_>,
    version: &str,
    values: &BTreeMap<String, Value>,
) -> Result<(), ArmError> {
    let document = definition.document(version);
    let empty = Object::new();
    let declared = object(document, "/properties/parameters").unwrap_or(&empty);
    let given = unwrap_values(member.get("parameters"))?;
    let unknown: Vec<&str> = given
        .keys()
        .filter(|name| entry_without_case(declared, name).is_none())
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(ArmError::bad_request(
            "UndefinedPolicyParameter",
            format!(
                "The policy set definition '{set}' is attempting to assign the parameter(s) '{}' which are not defined in the policy definition '{}'.",
                unknown.join(","),
                definition.name()
            ),
        ));
    }
    let missing: Vec<&str> = declared
        .iter()
        .filter(|(name, declaration)| {
            declaration.get("defaultValue").is_none() && !given.keys().any(|known| known.eq_ignore_ascii_case(name))
        })
        .map(|(name, _)| name.as_str())
        .collect();
    if !missing.is_empty() {
        return Err(ArmError::bad_request(
            "MissingPolicyParameter",
            format!(
                "The policy set definition '{set}' is missing the parameter(s) '{}' as defined in the policy definition '{}'.",
                missing.join(","),
                definition.name()
            ),
        ));
    }
    for (name, value) in &given {
        let Some((_, declaration)) = entry_without_case(declared, name) else {
            continue;
        };
        if let Some(parameter) = reference(value) {
            let Some((_, handed)) = values.iter().find(|(known, _)| known.eq_ignore_ascii_case(parameter)) else {
                continue;
            };
            if fits(declaration, handed).is_err() {
                return Err(ArmError::bad_request(
                    "InvalidPolicyParameters",
                    format!(
                        "The policy set '{set}' could not be parameterized because the value of the policy set parameter '{parameter}' referenced by policy definition {0} was not valid for that policy definition. The inner exception '{1}'.",
                        definition.name(),
                        value_text(name, handed, definition.name(), version, declaration)
                    ),
                ));
            }
        } else if !is_expression(value) && fits(declaration, value).is_err() {
            return Err(not_allowed(name, value, definition.name(), version, declaration));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_by_type_and_exact_allowed_value() {
        let effect = json!({"type": "String", "allowedValues": ["Audit", "Deny"]});
        assert!(fits(&effect, &json!("Deny")).is_ok());
        assert_eq!(
            fits(&effect, &json!("deny")).unwrap_err(),
            "the allowed values are 'Audit, Deny'"
        );
        let ports = json!({"type": "array", "allowedValues": ["80", "443"]});
        assert!(
            fits(&ports, &json!(["80"])).is_ok()
                && fits(&ports, &json!(["22"])).is_err()
                && fits(&ports, &json!("80")).is_err()
        );
        for (kind, good, bad) in [
            ("Boolean", json!(true), json!(1)),
            ("Integer", json!(3), json!(3.5)),
            ("Float", json!(3.5), json!("3")),
            ("Object", json!({}), json!([])),
            ("DateTime", json!("2027-01-01"), json!(1)),
        ] {
            let declaration = json!({"type": kind});
            assert!(
                fits(&declaration, &good).is_ok() && fits(&declaration, &bad).is_err(),
                "{kind}"
            );
        }
    }

    #[test]
    fn only_a_bare_parameter_expression_is_a_reference() {
        assert_eq!(reference(&json!("[parameters('effect')]")), Some("effect"));
        assert_eq!(reference(&json!("[Parameters( 'effect' )]")), Some("effect"));
        for other in [
            "[[parameters('x')]",
            "[concat(parameters('x'), 'y')]",
            "[parameters('a'), parameters('b')]",
            "effect",
        ] {
            assert_eq!(reference(&json!(other)), None, "{other}");
        }
        assert!(is_expression(&json!("[concat('a')]")) && !is_expression(&json!("[[concat('a')]")));
    }
}
