//! What differs between two JSON documents, field by field.
//!
//! Owns canonical JSON and the comparison. Must not know what a field means: each kind brings its documents into a
//! comparable form first (`kinds`).

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The way to the field, such as `properties.parameters.effect.value`.
    pub path: String,
    /// What stands there before; none if the field is new.
    pub before: Option<Value>,
    /// What stands there after; none if the field goes.
    pub after: Option<Value>,
}

/// Returns the fields that differ, in the order of their paths.
///
/// Objects are compared key by key, everything else as a whole; numbers by value (`1` equals `1.0`).
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(&mut String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(path: &mut String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldChange>) {
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let length = path.len();
            push_segment(path, key);
            compare(path, before.get(key), after.get(key), found);
            path.truncate(length);
        }
        return;
    }
    let same = match (before, after) {
        (Some(before), Some(after)) => canonical_text(before) == canonical_text(after),
        (None, None) => true,
        _ => false,
    };
    if !same {
        found.push(FieldChange {
            path: path.clone(),
            before: before.cloned(),
            after: after.cloned(),
        });
    }
}

/// Adds `.key`, or `["key"]` where the key would be read as more than one segment.
fn push_segment(path: &mut String, key: &str) {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
    if plain {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        path.push('[');
        path.push_str(&Value::from(key).to_string());
        path.push(']');
    }
}

/// Returns JSON text in which equal values have equal text: keys sorted, no blanks, whole numbers without a fraction.
pub fn canonical_text(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|one, two| one.0.cmp(two.0));
            text.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            // Whole numbers that a double holds exactly are written as integers, however they were spelt.
            Some(float) if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => {
                text.push_str(&format!("{float:.0}"));
            }
            _ => text.push_str(&number.to_string()),
        },
        other => text.push_str(&other.to_string()),
    }
}

/// Returns the SHA-256 of a value's canonical text as 64 hexadecimal digits.
pub fn digest(value: &Value) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(canonical_text(value).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn fields_are_named_by_their_path() {
        let before = json!({"a": {"b": 1, "c.d": [1]}, "gone": true});
        let after = json!({"a": {"b": 2, "c.d": [1, 2]}, "new": "x"});
        let paths: Vec<_> = changes(&before, &after).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["a.b", "a[\"c.d\"]", "gone", "new"]);
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert_eq!(changes(&json!({"a": 1}), &json!({"a": 1.0})), []);
        assert_eq!(changes(&json!({"a": 1}), &json!({"a": "1"})).len(), 1);
        assert_eq!(changes(&json!({"a": null}), &json!({})).len(), 1);
        assert_eq!(canonical_text(&json!(-0.0)), canonical_text(&json!(-0.0)));
    }

    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equal_documents_have_no_changes(value in any_json()) {
            prop_assert_eq!(changes(&value, &value), []);
        }

        #[test]
        fn different_documents_have_some(one in any_json(), two in any_json()) {
            prop_assert_eq!(changes(&one, &two).is_empty(), digest(&one) == digest(&two));
        }
    }
}
