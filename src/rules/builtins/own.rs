//! Functions with OPA's answers; undefined is what OPA's errors are to a rule.

use super::{fail, format, pattern};
use regorus::Value;

/// A function of ours.
type Own = fn(&[Value]) -> Value;

/// How many numbers a range may have.
const LONGEST_RANGE: i64 = 1_000_000;

/// Each with its number of arguments.
pub(super) const FUNCTIONS: [(&str, u8, Own); 27] = [
    ("all", 1, |values| folded(values, true)),
    ("any", 1, |values| folded(values, false)),
    ("cast_array", 1, |values| cast_list(values, false)),
    ("cast_boolean", 1, |values| {
        cast(values, |value| matches!(value, Value::Bool(_)))
    }),
    ("cast_null", 1, |values| {
        cast(values, |value| matches!(value, Value::Null))
    }),
    ("cast_object", 1, |values| {
        cast(values, |value| matches!(value, Value::Object(_)))
    }),
    ("cast_set", 1, |values| cast_list(values, true)),
    ("cast_string", 1, |values| {
        cast(values, |value| matches!(value, Value::String(_)))
    }),
    ("crypto.sha256", 1, sha256),
    ("json.marshal", 1, marshal),
    ("lower", 1, |values| mapped(values, lower)),
    ("numbers.range", 2, range),
    ("re_match", 2, pattern::matches),
    ("regex.find_n", 3, pattern::find_n),
    ("regex.is_valid", 1, pattern::is_valid),
    ("regex.match", 2, pattern::matches),
    ("regex.replace", 3, pattern::replace),
    ("regex.split", 2, pattern::split),
    ("set_diff", 2, set_difference),
    ("split", 2, split),
    ("sprintf", 2, sprintf),
    ("to_number", 1, to_number),
    ("trim_space", 1, |values| mapped(values, |text| text.trim().to_owned())),
    ("units.parse", 1, units),
    ("upper", 1, |values| mapped(values, upper)),
    ("urlquery.decode", 1, url_decode),
    ("urlquery.encode", 1, |values| mapped(values, url_encode)),
];

/// Returns an argument that is a text.
pub(super) fn text(values: &[Value], index: usize) -> Option<&str> {
    match values.get(index) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn mapped(values: &[Value], map: impl Fn(&str) -> String) -> Value {
    text(values, 0).map_or(Value::Undefined, |text| Value::from(map(text)))
}

/// `all` and `any`: only `true` itself counts as true.
fn folded(values: &[Value], all: bool) -> Value {
    let is_true = |value: &Value| *value == Value::Bool(true);
    let fold =
        |mut values: Box<dyn Iterator<Item = &Value> + '_>| if all { values.all(is_true) } else { values.any(is_true) };
    match values.first() {
        Some(Value::Array(list)) => Value::Bool(fold(Box::new(list.iter()))),
        Some(Value::Set(set)) => Value::Bool(fold(Box::new(set.iter()))),
        _ => Value::Undefined,
    }
}

fn cast(values: &[Value], fits: impl Fn(&Value) -> bool) -> Value {
    values
        .first()
        .filter(|value| fits(value))
        .cloned()
        .unwrap_or(Value::Undefined)
}

fn cast_list(values: &[Value], to_set: bool) -> Value {
    let items: Vec<Value> = match values.first() {
        Some(Value::Array(list)) => list.iter().cloned().collect(),
        Some(Value::Set(set)) => set.iter().cloned().collect(),
        _ => return Value::Undefined,
    };
    if to_set {
        items.into_iter().collect::<std::collections::BTreeSet<_>>().into()
    } else {
        Value::from(items)
    }
}

fn set_difference(values: &[Value]) -> Value {
    let (Some(Value::Set(left)), Some(Value::Set(right))) = (values.first(), values.get(1)) else {
        return Value::Undefined;
    };
    let left = left.iter().filter(|value| !right.contains(value)).cloned();
    left.collect::<std::collections::BTreeSet<_>>().into()
}

fn sha256(values: &[Value]) -> Value {
    use sha2::Digest;
    mapped(values, |text| {
        data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(text.as_bytes()))
    })
}

/// Go maps each character to one character.
fn upper(text: &str) -> String {
    text.chars().map(|c| single(c, c.to_uppercase())).collect()
}

fn lower(text: &str) -> String {
    let lower = |c: char| {
        if c == '\u{130}' {
            'i'
        } else {
            single(c, c.to_lowercase())
        }
    };
    text.chars().map(lower).collect()
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

fn range(values: &[Value]) -> Value {
    let ends = (
        values.first().and_then(|value| value.as_i64().ok()),
        values.get(1).and_then(|value| value.as_i64().ok()),
    );
    let (Some(first), Some(last)) = ends else {
        return Value::Undefined;
    };
    if first.abs_diff(last) > LONGEST_RANGE.unsigned_abs() {
        return fail(format!("numbers.range: more than {LONGEST_RANGE} numbers"));
    }
    let numbers: Vec<Value> = if first <= last {
        (first..=last).map(Value::from).collect()
    } else {
        (last..=first).rev().map(Value::from).collect()
    };
    Value::from(numbers)
}

fn split(values: &[Value]) -> Value {
    let (Some(whole), Some(separator)) = (text(values, 0), text(values, 1)) else {
        return Value::Undefined;
    };
    if separator.is_empty() {
        return fail("split: an empty separator; Gatekeeper does not come to an end here".to_owned());
    }
    Value::from(whole.split(separator).map(Value::from).collect::<Vec<_>>())
}

fn sprintf(values: &[Value]) -> Value {
    let (Some(format), Some(Value::Array(arguments))) = (text(values, 0), values.get(1)) else {
        return Value::Undefined;
    };
    let arguments: Vec<Value> = arguments.iter().cloned().collect();
    Value::from(format::sprintf(format, &arguments))
}

fn to_number(values: &[Value]) -> Value {
    match values.first() {
        Some(Value::Null | Value::Bool(false)) => Value::from(0_i64),
        Some(Value::Bool(true)) => Value::from(1_i64),
        Some(number @ Value::Number(_)) => number.clone(),
        Some(Value::String(text)) if is_number(text) => Value::from_numeric_string(text).unwrap_or(Value::Undefined),
        _ => Value::Undefined,
    }
}

/// Whether a text is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    starts && text.ends_with(|c: char| c.is_ascii_digit()) && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// Go writes no character that HTML could take for its own.
fn marshal(values: &[Value]) -> Value {
    let Some(json) = values.first().and_then(|value| serde_json::to_string(value).ok()) else {
        return Value::Undefined;
    };
    let mut escaped = String::new();
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    Value::from(escaped)
}

/// A number with a unit; `m` and `M` differ, the other units may be written either way.
fn units(values: &[Value]) -> Value {
    let Some(text) = text(values, 0).map(|text| text.replace('"', "")) else {
        return Value::Undefined;
    };
    let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let mut end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    if let Some(power) = text.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
        let digits = power.strip_prefix(['-', '+']).unwrap_or(power);
        if digits.starts_with(|c: char| c.is_ascii_digit()) {
            let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            end = text.len() - digits.len() + length;
        }
    }
    let (number, unit) = text.split_at(end);
    let lower = unit.to_ascii_lowercase();
    let (up, down): (i64, i64) = match (unit, lower.as_str()) {
        ("", _) => (1, 1),
        ("m", _) => (1, 1000),
        ("M", _) => (1_000_000, 1),
        (_, "k") => (1_000, 1),
        (_, "g") => (1_000_000_000, 1),
        (_, "t") => (1_000_000_000_000, 1),
        (_, "p") => (1_000_000_000_000_000, 1),
        (_, "e") => (1_000_000_000_000_000_000, 1),
        (_, "ki") => (1 << 10, 1),
        (_, "mi") => (1 << 20, 1),
        (_, "gi") => (1 << 30, 1),
        (_, "ti") => (1 << 40, 1),
        (_, "pi") => (1 << 50, 1),
        (_, "ei") => (1 << 60, 1),
        _ => return Value::Undefined,
    };
    let number = number.strip_prefix('+').unwrap_or(number);
    let Some(Value::Number(number)) = Value::from_numeric_string(number).ok() else {
        return Value::Undefined;
    };
    let (Value::Number(up), Value::Number(down)) = (Value::from(up), Value::from(down)) else {
        return Value::Undefined;
    };
    number
        .mul(&up)
        .and_then(|product| product.divide(&down))
        .map_or(Value::Undefined, Value::from)
}

fn url_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn url_decode(values: &[Value]) -> Value {
    let Some(text) = text(values, 0) else {
        return Value::Undefined;
    };
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let hexadecimal = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                let Some(Ok(byte)) = hexadecimal.map(|digits| u8::from_str_radix(digits, 16)) else {
                    return Value::Undefined;
                };
                rest = behind.get(2..).unwrap_or_default();
                byte
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map_or(Value::Undefined, Value::from)
}
