//! The schema of a template's parameters, and the defaults that an API server fills in from it.

use serde_json::{Map, Value};

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
}
