//! What a schema refuses: the part of OpenAPI v3 that the API server holds custom resources to.

use super::allows_null;
use crate::rules::builtins;
use serde_json::Value;

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {reason}")]
pub struct ParameterError {
    /// Where, from `spec.parameters` on.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

type Checked = Result<(), ParameterError>;

fn wrong(path: &str, reason: impl Into<String>) -> Checked {
    Err(ParameterError {
        path: path.to_owned(),
        reason: reason.into(),
    })
}

/// Checks a value against a schema, and everything in it.
pub(super) fn check(schema: &Value, value: &Value, path: &str) -> Checked {
    if value.is_null() && allows_null(schema) {
        return Ok(());
    }
    check_type(schema, value, path)?;
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.iter().any(|one| equal(one, value))
    {
        let allowed: Vec<String> = allowed.iter().map(|one| format!("`{}`", shown(one))).collect();
        return wrong(
            path,
            format!("is `{}`, and must be one of {}", shown(value), allowed.join(", ")),
        );
    }
    match value {
        Value::Object(map) => {
            check_count(schema, path, map.len(), ["minProperties", "maxProperties"], "fields")?;
            let required = schema.get("required").and_then(Value::as_array);
            let mut required = required.into_iter().flatten().filter_map(Value::as_str);
            if let Some(name) = required.find(|name| !map.contains_key(*name)) {
                return wrong(&format!("{path}.{name}"), "is missing");
            }
            for (name, value) in map {
                let known = schema.get("properties").and_then(|properties| properties.get(name));
                let others = schema.get("additionalProperties");
                let path = format!("{path}.{name}");
                match (known, others) {
                    (Some(schema), _) => check(schema, value, &path)?,
                    (None, Some(Value::Bool(false))) => return wrong(&path, "is not known"),
                    (None, Some(schema)) if schema.is_object() => check(schema, value, &path)?,
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            check_count(schema, path, list.len(), ["minItems", "maxItems"], "entries")?;
            let is_set =
                is(schema, "uniqueItems") || schema.get("x-kubernetes-list-type").is_some_and(|kind| kind == "set");
            let twice = |at: usize, value: &Value| list.iter().take(at).any(|other| equal(other, value));
            if is_set && list.iter().enumerate().any(|(at, value)| twice(at, value)) {
                return wrong(path, "has an entry twice");
            }
            if let Some(items) = schema.get("items") {
                for (at, value) in list.iter().enumerate() {
                    check(items, value, &format!("{path}[{at}]"))?;
                }
            }
        }
        Value::String(text) => {
            check_count(
                schema,
                path,
                text.chars().count(),
                ["minLength", "maxLength"],
                "characters",
            )?;
            if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
                && builtins::finds(pattern, text) != Some(true)
            {
                return wrong(path, format!("is `{text}`, and must be like `{pattern}`"));
            }
        }
        Value::Number(number) => check_number(schema, number.as_f64().unwrap_or_default(), path)?,
        Value::Bool(_) | Value::Null => {}
    }
    check_joined(schema, value, path)
}

fn is(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn check_type(schema: &Value, value: &Value, path: &str) -> Checked {
    let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    if is(schema, "x-kubernetes-int-or-string") {
        return match value.is_string() || whole {
            true => Ok(()),
            false => wrong(path, "must be a whole number or a text"),
        };
    }
    let (fits, wanted) = match schema.get("type").and_then(Value::as_str) {
        Some("object") => (value.is_object(), "a mapping"),
        Some("array") => (value.is_array(), "a list"),
        Some("string") => (value.is_string(), "a text"),
        Some("boolean") => (value.is_boolean(), "true or false"),
        Some("integer") => (whole, "a whole number"),
        Some("number") => (value.is_number(), "a number"),
        _ => return Ok(()),
    };
    if fits {
        return Ok(());
    }
    wrong(path, format!("must be {wanted}"))
}

fn check_count(schema: &Value, path: &str, count: usize, [least, most]: [&str; 2], of: &str) -> Checked {
    let limit = |name: &str| {
        schema
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|limit| usize::try_from(limit).ok())
    };
    match (limit(least), limit(most)) {
        (Some(least), _) if count < least => wrong(path, format!("has {count} {of}, and must have at least {least}")),
        (_, Some(most)) if count > most => wrong(path, format!("has {count} {of}, and must have at most {most}")),
        _ => Ok(()),
    }
}

fn check_number(schema: &Value, number: f64, path: &str) -> Checked {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(least) = limit("minimum")
        && (number < least || (number == least && is(schema, "exclusiveMinimum")))
    {
        return wrong(path, format!("is {number}, which is too small: the limit is {least}"));
    }
    if let Some(most) = limit("maximum")
        && (number > most || (number == most && is(schema, "exclusiveMaximum")))
    {
        return wrong(path, format!("is {number}, which is too large: the limit is {most}"));
    }
    if let Some(step) = limit("multipleOf").filter(|step| *step > 0.0)
        && (number / step).fract() != 0.0
    {
        return wrong(path, format!("is {number}, and must be a multiple of {step}"));
    }
    Ok(())
}

/// Checks what several schemas say together.
fn check_joined(schema: &Value, value: &Value, path: &str) -> Checked {
    let schemas = |name: &str| schema.get(name).and_then(Value::as_array).map(Vec::as_slice);
    for schema in schemas("allOf").unwrap_or_default() {
        check(schema, value, path)?;
    }
    let fitting = |schemas: &[Value]| {
        schemas
            .iter()
            .filter(|schema| check(schema, value, path).is_ok())
            .count()
    };
    if schemas("anyOf").is_some_and(|schemas| fitting(schemas) == 0) {
        return wrong(path, "is none of what it may be");
    }
    if schemas("oneOf").is_some_and(|schemas| fitting(schemas) != 1) {
        return wrong(path, "must be exactly one of what it may be");
    }
    if schema
        .get("not")
        .is_some_and(|schema| check(schema, value, path).is_ok())
    {
        return wrong(path, "is what it must not be");
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Equal as JSON, whole numbers in either spelling.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
