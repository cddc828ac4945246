//! What a scalar means: YAML 1.1 as Go's reader, and so Kubernetes, takes it.

use serde_json::{Number, Value};

/// Why a scalar has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaningless(pub(super) &'static str);

/// The prefix of YAML's own tags.
const OWN: &str = "tag:yaml.org,2002:";

/// Returns what a scalar means.
pub(super) fn value(text: &str, plain: bool, tag: Option<&str>) -> Result<Value, Meaningless> {
    match tag.map(|tag| tag.strip_prefix(OWN).ok_or(tag)) {
        None if plain => resolve(text),
        // A tag of somebody else's makes a text of it.
        None | Some(Err(_) | Ok("str")) => Ok(Value::String(text.to_owned())),
        Some(Ok("binary")) => binary(text),
        Some(Ok("timestamp")) => Ok(Value::String(text.to_owned())),
        Some(Ok("float")) => match resolve(text)? {
            Value::Number(number) => Ok(number.as_f64().map_or(Value::Null, number_of)),
            _ => Err(Meaningless("this is no number, as its tag says it is")),
        },
        Some(Ok("int")) => match resolve(text)? {
            Value::Number(number) if !number.is_f64() => Ok(Value::Number(number)),
            _ => Err(Meaningless("this is no whole number, as its tag says it is")),
        },
        Some(Ok("bool")) => match resolve(text)? {
            Value::Bool(bool) => Ok(Value::Bool(bool)),
            _ => Err(Meaningless("this is neither true nor false, as its tag says it is")),
        },
        Some(Ok("null")) => match resolve(text)? {
            Value::Null => Ok(Value::Null),
            _ => Err(Meaningless("this is not nothing, as its tag says it is")),
        },
        Some(Ok(_)) => Err(Meaningless("this tag is not supported")),
    }
}

fn binary(text: &str) -> Result<Value, Meaningless> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = data_encoding::BASE64
        .decode(text.as_bytes())
        .map_err(|_| Meaningless("this is not base64"))?;
    let text = String::from_utf8(bytes).map_err(|_| Meaningless("these bytes are no text"))?;
    Ok(Value::String(text))
}

/// Returns what a plain scalar means.
fn resolve(text: &str) -> Result<Value, Meaningless> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => {
            return Err(Meaningless("JSON has no such number"));
        }
        _ => {}
    }
    let number = match text.bytes().next() {
        Some(b'+' | b'-' | b'0'..=b'9') => {
            let digits = text.replace('_', "");
            integer(&digits).map(Value::from).or_else(|| float(&digits))
        }
        Some(b'.') => float(text),
        _ => None,
    };
    Ok(number.unwrap_or_else(|| Value::String(text.to_owned())))
}

/// Reads a whole number: decimal, `0x`, `0o` or a leading `0`, `0b`.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| lower.strip_prefix(prefix).map(|digits| (radix, digits)))
        .unwrap_or_else(|| match lower.strip_prefix('0') {
            Some(octal) if !octal.is_empty() => (8, octal),
            _ => (10, lower.as_str()),
        });
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let signed = if negative {
        format!("-{digits}")
    } else {
        digits.to_owned()
    };
    i64::from_str_radix(&signed, radix).ok()
}

/// Reads another number; too large a one is a text.
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fits = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    let parsed: f64 = text.parse().ok().filter(|_| fits)?;
    parsed.is_finite().then(|| number_of(parsed))
}

/// Returns a number as JSON has it: a whole one without a fraction.
fn number_of(float: f64) -> Value {
    let whole = format!("{float}")
        .parse::<i64>()
        .ok()
        .filter(|_| float.fract() == 0.0 && float.abs() < 1e15);
    match whole {
        Some(whole) => Value::from(whole),
        None => Number::from_f64(float).map_or(Value::Null, Value::Number),
    }
}

/// Returns the text that a key is in JSON.
pub(super) fn key(value: Value) -> Result<String, Meaningless> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(bool) => Ok(bool.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Err(Meaningless("nothing cannot be a key")),
        Value::Array(_) | Value::Object(_) => Err(Meaningless("a list or mapping cannot be a key")),
    }
}
