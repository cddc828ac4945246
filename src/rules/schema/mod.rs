//! The schema of a template's parameters, and what an API server does by it: it takes out what it does not know, fills in defaults, and
//! refuses what does not fit.

mod check;

pub use check::ParameterError;

use serde_json::{Map, Value};

/// What is done with fields that a schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// They stay.
    Kept,
    /// They are taken out, unless the schema says that they stay.
    Pruned,
}

/// Returns the parameters as they are stored, if the schema takes them.
pub(super) fn accepted(schema: &Value, parameters: Option<&Value>, unknown: Unknown) -> Result<Value, ParameterError> {
    let mut given = parameters.filter(|value| !value.is_null()).cloned();
    if let Some(value) = given.as_mut().filter(|_| !schema.is_null()) {
        if unknown == Unknown::Pruned {
            prune(Some(schema), value);
        }
        drop_nulls(schema, value);
    }
    let value = defaulted(schema, given.as_ref());
    // What is not there is not checked.
    if given.is_some() || schema.get("default").is_some() {
        check::check(schema, &value, "spec.parameters")?;
    }
    Ok(value)
}

/// Takes out what a schema does not know; below a field without a schema nothing is known.
fn prune(schema: Option<&Value>, value: &mut Value) {
    let field = |name: &str| schema.and_then(|schema| schema.get(name));
    match value {
        Value::Object(map) => {
            let keeps = field("x-kubernetes-preserve-unknown-fields")
                .and_then(Value::as_bool)
                .unwrap_or_default();
            let embedded = field("x-kubernetes-embedded-resource")
                .and_then(Value::as_bool)
                .unwrap_or_default();
            let others = field("additionalProperties").filter(|others| **others != Value::Bool(false));
            map.retain(|name, value| {
                let known = field("properties").and_then(|properties| properties.get(name));
                match (known, others) {
                    (Some(schema), _) => prune(Some(schema), value),
                    (None, Some(schema)) => prune(Some(schema).filter(|schema| schema.is_object()), value),
                    (None, None) => {
                        return keeps || (embedded && matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
                    }
                }
                true
            });
        }
        Value::Array(list) => list.iter_mut().for_each(|value| prune(field("items"), value)),
        _ => {}
    }
}

/// Takes out fields without a value that the schema does not allow to have none; those with a default get it.
fn drop_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, inner) in properties.into_iter().flatten() {
                if map.get(name).is_some_and(Value::is_null) && !allows_null(inner) {
                    map.remove(name);
                }
                if let Some(value) = map.get_mut(name) {
                    drop_nulls(inner, value);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = schema.get("items") {
                list.iter_mut().for_each(|value| drop_nulls(items, value));
            }
        }
        _ => {}
    }
}

/// Returns the parameters with the schema's defaults, as the API server stores them.
///
/// A default fills what is absent, and what is `null` where the schema does not allow that; it never makes an object that nobody wrote.
pub(super) fn defaulted(schema: &Value, parameters: Option<&Value>) -> Value {
    let given = parameters.filter(|value| !value.is_null() || allows_null(schema));
    let mut value = match given.or_else(|| schema.get("default")) {
        Some(value) => value.clone(),
        None => return Value::Object(Map::new()),
    };
    fill(schema, &mut value);
    value
}

fn allows_null(schema: &Value) -> bool {
    schema.get("nullable").and_then(Value::as_bool).unwrap_or_default()
}

fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, inner) in properties.into_iter().flatten() {
                let absent = map.get(name).is_none_or(|value| value.is_null() && !allows_null(inner));
                if let Some(default) = inner.get("default").filter(|_| absent) {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(value) = map.get_mut(name) {
                    fill(inner, value);
                }
            }
            if let Some(others) = schema.get("additionalProperties").filter(|others| others.is_object()) {
                let known = |name: &String| properties.is_some_and(|properties| properties.contains_key(name));
                for (_, value) in map.iter_mut().filter(|(name, _)| !known(name)) {
                    fill(others, value);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = schema.get("items") {
                list.iter_mut().for_each(|value| fill(items, value));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_fill_what_is_absent_and_nothing_else() {
        let schema = json!({"properties": {
            "mode": {"default": "strict"},
            "deep": {"properties": {"level": {"default": 3}}},
            "list": {"items": {"properties": {"on": {"default": true}}}},
            "maybe": {"nullable": true, "default": "x"},
        }});
        let cases = [
            (None, json!({})),
            (Some(json!({})), json!({"mode": "strict", "maybe": "x"})),
            (
                Some(json!({"mode": null, "maybe": null})),
                json!({"mode": "strict", "maybe": null}),
            ),
            (
                Some(json!({"mode": "lax", "deep": {}, "list": [{}, {"on": false}], "maybe": 1})),
                json!({
                    "mode": "lax", "deep": {"level": 3}, "list": [{"on": true}, {"on": false}], "maybe": 1,
                }),
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(defaulted(&schema, given.as_ref()), expected, "{given:?}");
        }
        assert_eq!(defaulted(&json!({"default": {"a": 1}}), None), json!({"a": 1}));
    }

    fn stored(schema: Value, parameters: Value) -> Result<Value, String> {
        accepted(&schema, Some(&parameters), Unknown::Pruned).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_schema_does_not_know_is_taken_out_unless_it_says_otherwise() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "string"}}}},
            "free": {"type": "object", "additionalProperties": true},
            "kept": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"inner": {"type": "object"}},
            },
            "gone": {"type": "string"},
        }});
        let given = json!({
            "a": "x", "b": "y", "list": [{"x": "1", "y": "2"}], "map": {"k": {"x": "1", "y": "2"}}, "free": {"k": "v", "m": {"n": 1}},
            "kept": {"z": {"deep": 1}, "inner": {"q": 1}}, "gone": null,
        });
        let expected = json!({
            "a": "x", "list": [{"x": "1"}], "map": {"k": {"x": "1"}}, "free": {"k": "v", "m": {}}, "kept": {"z": {"deep": 1}, "inner": {}},
        });
        assert_eq!(stored(schema.clone(), given.clone()), Ok(expected));
        let mut kept = given.clone();
        kept.as_object_mut().unwrap().remove("gone");
        assert_eq!(accepted(&schema, Some(&given), Unknown::Kept), Ok(kept));
        // Without a schema nothing is said of the parameters.
        assert_eq!(stored(Value::Null, given.clone()), Ok(given));
        assert_eq!(accepted(&schema, None, Unknown::Pruned), Ok(json!({})));
    }

    #[test]
    fn what_does_not_fit_the_schema_is_refused() {
        let one = |schema: Value| json!({"type": "object", "properties": {"p": schema}});
        let refused = [
            (
                json!({"type": "string"}),
                json!(1),
                "`spec.parameters.p` must be a text",
            ),
            (json!({"type": "integer"}), json!(1.5), "must be a whole number"),
            (json!({"type": "integer"}), json!("1"), "must be a whole number"),
            (json!({"type": "number"}), json!("1"), "must be a number"),
            (json!({"type": "boolean"}), json!("true"), "must be true or false"),
            (json!({"type": "array"}), json!({}), "must be a list"),
            (json!({"type": "object"}), json!([]), "must be a mapping"),
            (
                json!({"x-kubernetes-int-or-string": true}),
                json!(true),
                "must be a whole number or a text",
            ),
            (
                json!({"enum": ["a", 1]}),
                json!("b"),
                "is `b`, and must be one of `a`, `1`",
            ),
            (
                json!({"minimum": 2}),
                json!(1),
                "is 1, which is too small: the limit is 2",
            ),
            (json!({"minimum": 2, "exclusiveMinimum": true}), json!(2), "too small"),
            (json!({"maximum": 2}), json!(3), "too large"),
            (json!({"maximum": 2, "exclusiveMaximum": true}), json!(2), "too large"),
            (json!({"multipleOf": 3}), json!(4), "must be a multiple of 3"),
            (
                json!({"minLength": 2}),
                json!("ä"),
                "has 1 characters, and must have at least 2",
            ),
            (
                json!({"maxLength": 1}),
                json!("ab"),
                "has 2 characters, and must have at most 1",
            ),
            (
                json!({"pattern": "^[a-z]+$"}),
                json!("A"),
                "is `A`, and must be like `^[a-z]+$`",
            ),
            (
                json!({"minItems": 1}),
                json!([]),
                "has 0 entries, and must have at least 1",
            ),
            (
                json!({"maxItems": 1}),
                json!([1, 2]),
                "has 2 entries, and must have at most 1",
            ),
            (
                json!({"x-kubernetes-list-type": "set"}),
                json!([1, 1]),
                "has an entry twice",
            ),
            (
                json!({"items": {"type": "string"}}),
                json!(["a", 1]),
                "`spec.parameters.p[1]` must be a text",
            ),
            (
                json!({"x-kubernetes-preserve-unknown-fields": true, "minProperties": 1}),
                json!({}),
                "has 0 fields, and must have at least 1",
            ),
            (
                json!({"required": ["a"]}),
                json!({}),
                "`spec.parameters.p.a` is missing",
            ),
            (
                json!({"additionalProperties": {"type": "integer"}}),
                json!({"k": "v"}),
                "`spec.parameters.p.k` must be a whole number",
            ),
            (
                json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}),
                json!(4),
                "too large",
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
                json!(true),
                "is none of what it may be",
            ),
            (
                json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}),
                json!(3),
                "exactly one",
            ),
            (json!({"not": {"enum": ["a"]}}), json!("a"), "is what it must not be"),
        ];
        for (schema, value, expected) in refused {
            let error = stored(one(schema.clone()), json!({"p": value})).unwrap_err();
            assert!(error.contains(expected), "{schema}: {error}");
        }
        let taken = [
            (json!({"type": "integer"}), json!(2.0)),
            (json!({"type": "number"}), json!(2)),
            (json!({"type": "string", "nullable": true}), Value::Null),
            (json!({"x-kubernetes-int-or-string": true}), json!("50%")),
            (json!({"enum": [1]}), json!(1.0)),
            (json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}), json!(1)),
            (json!({"maxLength": 1}), json!("ä")),
        ];
        for (schema, value) in taken {
            assert_eq!(stored(one(schema), json!({"p": value})), Ok(json!({"p": value})));
        }
        let required =
            json!({"type": "object", "required": ["p"], "properties": {"p": {"type": "string", "default": "d"}}});
        assert_eq!(stored(required, json!({})), Ok(json!({"p": "d"})));
    }
}
