//! Small readers of JSON documents.

use serde_json::{Map, Value};

/// A JSON object.
pub type Object = Map<String, Value>;

/// Returns the value at a JSON pointer. Nearly all have no escapes: those are followed without a copy of each part.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return value.pointer(pointer);
    }
    let mut parts = pointer.split('/').skip(1);
    parts.try_fold(value, |value, part| match value {
        Value::Object(fields) => fields.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Returns the string at a JSON pointer, empty when there is none.
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the object at a JSON pointer.
#[must_use]
pub fn object<'a>(value: &'a Value, pointer: &str) -> Option<&'a Object> {
    at(value, pointer).and_then(Value::as_object)
}

/// Returns the items of the array at a JSON pointer, none when there is no array.
#[must_use]
pub fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Sets a key of the object at a JSON pointer; does nothing when there is no object.
pub fn set(value: &mut Value, pointer: &str, key: &str, new: Value) {
    if let Some(Value::Object(object)) = value.pointer_mut(pointer) {
        object.insert(key.to_owned(), new);
    }
}

/// Removes a key of the object at a JSON pointer, and returns its value.
pub fn remove(value: &mut Value, pointer: &str, key: &str) -> Option<Value> {
    match value.pointer_mut(pointer) {
        Some(Value::Object(object)) => object.remove(key),
        _ => None,
    }
}

/// Returns the key and value whose key is `name` without regard to case.
#[must_use]
pub fn entry_without_case<'a>(object: &'a Object, name: &str) -> Option<(&'a String, &'a Value)> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))
}
