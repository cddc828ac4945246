//! The part of JSON Schema that the built-ins' parameters use.
//!
//! Knows `type`, `enum`, `properties`, `required`, `additionalProperties`, `items`, `minItems`, `minProperties`, `minimum`
//! and `maximum`. Other words are let pass: Azure has the last word, and what is said here must never be wrong.

use crate::diagnostic::did_you_mean;
use serde_json::Value;

/// Checks a value against a schema.
///
/// # Errors
///
/// Returns the first mistake: where (a JSON pointer into the value) and what (a short phrase).
pub(super) fn check(schema: &Value, value: &Value) -> Result<(), (String, String)> {
    at("", schema, value)
}

fn at(pointer: &str, schema: &Value, value: &Value) -> Result<(), (String, String)> {
    let wrong = |problem: String| Err((pointer.to_owned(), problem));
    if let Some(ty) = schema.get("type").and_then(Value::as_str)
        && !is_of_type(ty, value)
    {
        return wrong(format!("expected {ty}"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(|value| format!("`{}`", plain(value))).collect();
        return wrong(format!(
            "`{}` is not allowed: one of {}",
            plain(value),
            allowed.join(", ")
        ));
    }
    let limit = |word: &str| schema.get(word).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        if let Some(minimum) = limit("minimum").filter(|minimum| number < *minimum) {
            return wrong(format!("`{value}` is less than {minimum}"));
        }
        if let Some(maximum) = limit("maximum").filter(|maximum| number > *maximum) {
            return wrong(format!("`{value}` is more than {maximum}"));
        }
    }
    let least = |word: &str| {
        schema
            .get(word)
            .and_then(Value::as_u64)
            .and_then(|least| usize::try_from(least).ok())
    };
    match value {
        Value::Array(items) => {
            if let Some(least) = least("minItems").filter(|least| items.len() < *least) {
                return wrong(format!("needs at least {least} of its items"));
            }
            if let Some(schema) = schema.get("items").filter(|schema| schema.is_object()) {
                for (index, item) in items.iter().enumerate() {
                    at(&format!("{pointer}/{index}"), schema, item)?;
                }
            }
        }
        Value::Object(entries) => {
            let required = schema.get("required").and_then(Value::as_array);
            for key in required.into_iter().flatten().filter_map(Value::as_str) {
                if !entries.contains_key(key) {
                    return wrong(format!("`{key}` is missing"));
                }
            }
            if let Some(least) = least("minProperties").filter(|least| entries.len() < *least) {
                return wrong(format!("needs at least {least} of its properties"));
            }
            let known = schema.get("properties").and_then(Value::as_object);
            for (key, value) in entries {
                let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (
                    known.and_then(|known| known.get(key)),
                    schema.get("additionalProperties"),
                ) {
                    (Some(schema), _) => at(&below, schema, value)?,
                    (None, Some(Value::Bool(false))) => {
                        let names = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
                        let meant = did_you_mean(key, names).map(|name| format!(": did you mean `{name}`?"));
                        return wrong(format!("unknown property `{key}`{}", meant.unwrap_or_default()));
                    }
                    (None, Some(schema)) => at(&below, schema, value)?,
                    (None, None) => {}
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

/// Says whether a value is of a type that a schema names; true for a type that is not known here.
fn is_of_type(ty: &str, value: &Value) -> bool {
    match ty {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn check(schema: &Value, value: &Value, expect: &str) {
        let answer = match super::check(schema, value) {
            Ok(()) => "fits".to_owned(),
            Err((pointer, problem)) => format!("{pointer}: {problem}"),
        };
        assert_eq!(answer, expect, "{value}");
    }

    #[test]
    fn a_value_is_checked_to_its_depth() {
        let ports = json!({
            "type": "object",
            "properties": {
                "paths": {"type": "array", "minItems": 1, "items": {
                    "type": "object",
                    "properties": {"pathPrefix": {"type": "string"}, "readOnly": {"type": "boolean"}},
                    "required": ["pathPrefix", "readOnly"],
                    "additionalProperties": false
                }},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
                "operator": {"type": "string", "enum": ["In", "Exists"]},
                "port": {"type": "integer", "minimum": 0, "maximum": 65535}
            },
            "additionalProperties": false
        });
        for (value, expect) in [
            (json!({}), "fits"),
            (json!([]), ": expected object"),
            (json!({"paths": [{"pathPrefix": "/a", "readOnly": true}]}), "fits"),
            (json!({"paths": []}), "/paths: needs at least 1 of its items"),
            (
                json!({"paths": [{"pathPrefix": "/a"}]}),
                "/paths/0: `readOnly` is missing",
            ),
            (
                json!({"paths": [{"pathPrefix": "/a", "readOnly": "yes"}]}),
                "/paths/0/readOnly: expected boolean",
            ),
            (
                json!({"paths": [{"pathPrefix": "/a", "readOnly": true, "readonly": true}]}),
                "/paths/0: unknown property `readonly`: did you mean `readOnly`?",
            ),
            (json!({"labels": {"a/b": 1}}), "/labels/a~1b: expected string"),
            (json!({"labels": {}}), "/labels: needs at least 1 of its properties"),
            (
                json!({"operator": "in"}),
                "/operator: `in` is not allowed: one of `In`, `Exists`",
            ),
            (json!({"port": 65536}), "/port: `65536` is more than 65535"),
            (json!({"port": -1}), "/port: `-1` is less than 0"),
            (json!({"zebra": 1}), ": unknown property `zebra`"),
        ] {
            check(&ports, &value, expect);
        }
    }

    #[test]
    fn words_that_are_not_known_let_everything_pass() {
        check(&json!({"type": "uri", "pattern": "^x$"}), &json!("y"), "fits");
    }
}
