//! Computes expressions on one row.
//!
//! Names of columns and keys of objects match with their casing; a missing key is null. Null compares unequal to everything.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Value, json};

use super::parser::Expression;
use super::{Fault, Row};

/// A place in a row that an expression names.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) column: &'a str,
    /// The first part of the path into the column's value.
    pub(super) part: Option<&'a Value>,
    /// Where in the query it stands.
    position: usize,
}

/// Refuses an expression that names a column which the rows do not have.
pub(super) fn check(expression: &Expression, columns: &[String]) -> Result<(), Fault> {
    let unknown = |place: &Place<'_>| !columns.iter().any(|column| column == place.column);
    match places(expression).into_iter().find(unknown) {
        None => Ok(()),
        Some(place) => Err(Fault {
            code: "FailedToResolveColumn",
            position: place.position,
            token: place.column.to_owned(),
        }),
    }
}

/// The conditions that have all to hold for a condition to hold.
pub(super) fn conjuncts(condition: &Expression) -> Vec<&Expression> {
    match condition {
        Expression::And(left, right) => [conjuncts(left), conjuncts(right)].concat(),
        one => vec![one],
    }
}

/// The places that an expression names, in the order in which they stand there.
pub(super) fn places(expression: &Expression) -> Vec<Place<'_>> {
    match expression {
        Expression::Literal(_) => Vec::new(),
        Expression::Path(column, parts, position) => vec![Place {
            column,
            part: parts.first(),
            position: *position,
        }],
        Expression::Call(_, arguments) => arguments.iter().flat_map(places).collect(),
        Expression::Binary(_, left, right) | Expression::And(left, right) | Expression::Or(left, right) => {
            [places(left), places(right)].concat()
        }
        Expression::In(_, left, values) => [left.as_ref()].into_iter().chain(values).flat_map(places).collect(),
    }
}

/// Computes an expression; what stands in the row or the query as it is, is not copied.
pub(super) fn evaluate<'a>(expression: &'a Expression, row: &'a Row) -> Cow<'a, Value> {
    let truth = |value: bool| Cow::Owned(Value::Bool(value));
    match expression {
        Expression::Literal(value) => Cow::Borrowed(value),
        Expression::Path(column, parts, _) => {
            let mut value = row.get(column);
            for part in parts {
                value = match part {
                    Value::String(key) => value.and_then(|value| value.get(key)),
                    other => other
                        .as_u64()
                        .and_then(|index| usize::try_from(index).ok())
                        .and_then(|index| value.and_then(|value| value.get(index))),
                };
            }
            value.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
        }
        Expression::Call(function, arguments) => call(function, arguments, row),
        Expression::Binary(operator, left, right) => {
            truth(binary(operator, &evaluate(left, row), &evaluate(right, row)))
        }
        Expression::In(operator, left, values) => {
            let left = evaluate(left, row);
            let equality = if operator.ends_with('~') { "=~" } else { "==" };
            let found = values
                .iter()
                .any(|value| binary(equality, &left, &evaluate(value, row)));
            truth(found != operator.starts_with('!'))
        }
        Expression::And(left, right) => truth(is_true(&evaluate(left, row)) && is_true(&evaluate(right, row))),
        Expression::Or(left, right) => truth(is_true(&evaluate(left, row)) || is_true(&evaluate(right, row))),
    }
}

/// Returns whether a condition holds: only `true` does.
pub(super) fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true)
}

fn call<'a>(function: &str, arguments: &'a [Expression], row: &'a Row) -> Cow<'a, Value> {
    let mut values: Vec<Cow<'a, Value>> = arguments.iter().map(|argument| evaluate(argument, row)).collect();
    let null = Value::Null;
    let first: &Value = values.first().map_or(&null, |first| first);
    let empty = || first.is_null() || string(first).is_empty();
    let made = match function {
        "tostring" if first.is_string() => return values.swap_remove(0),
        "tostring" => json!(string(first)),
        "tolower" => json!(string(first).to_lowercase()),
        "toupper" => json!(string(first).to_uppercase()),
        "tobool" | "bool" => match string(first).to_ascii_lowercase().as_str() {
            "true" | "1" => json!(true),
            "false" | "0" => json!(false),
            _ => Value::Null,
        },
        "toint" => string(first).parse::<i64>().map_or(Value::Null, |number| json!(number)),
        "isnull" => json!(first.is_null()),
        "isnotnull" => json!(!first.is_null()),
        "isempty" => json!(empty()),
        "isnotempty" => json!(!empty()),
        "not" => json!(!is_true(first)),
        "strcat" => json!(values.iter().map(|value| string(value)).collect::<String>()),
        "coalesce" => {
            let found = values.into_iter().find(|value| !value.is_null());
            return found.unwrap_or_default();
        }
        "iff" => {
            let chosen = if is_true(first) { 1 } else { 2 };
            return values.into_iter().nth(chosen).unwrap_or_default();
        }
        "array_length" => first.as_array().map_or(Value::Null, |items| json!(items.len())),
        "pack" | "bag_pack" => {
            let mut bag = Row::new();
            let mut values = values.into_iter();
            while let (Some(name), Some(value)) = (values.next(), values.next()) {
                bag.insert(string(&name).into_owned(), value.into_owned());
            }
            Value::Object(bag)
        }
        "bag_keys" => first
            .as_object()
            .map_or(Value::Null, |object| json!(object.keys().collect::<Vec<_>>())),
        _ => Value::Null,
    };
    Cow::Owned(made)
}

fn string(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        other => Cow::Owned(other.to_string()),
    }
}

fn equal_without_case(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        left.eq_ignore_ascii_case(right)
    } else {
        left.to_lowercase() == right.to_lowercase()
    }
}

fn binary(operator: &str, left: &Value, right: &Value) -> bool {
    let lower = |value: &Value| string(value).to_lowercase();
    match operator {
        "==" => equal(left, right),
        "!=" => !equal(left, right),
        "=~" => equal_without_case(&string(left), &string(right)),
        "!~" => !equal_without_case(&string(left), &string(right)),
        "<" | "<=" | ">" | ">=" if left.is_null() || right.is_null() => false,
        "<" => compare(left, right).is_lt(),
        "<=" => compare(left, right).is_le(),
        ">" => compare(left, right).is_gt(),
        ">=" => compare(left, right).is_ge(),
        negated if negated.starts_with('!') => !binary(negated.trim_start_matches('!'), left, right),
        "contains" => lower(left).contains(&lower(right)),
        "contains_cs" => string(left).contains(string(right).as_ref()),
        "startswith" => lower(left).starts_with(&lower(right)),
        "endswith" => lower(left).ends_with(&lower(right)),
        "has" => has(&lower(left), &lower(right)),
        "has_cs" => has(&string(left), &string(right)),
        _ => false,
    }
}

/// Returns whether `text` has `term` as a whole term: no letter or digit stands right before or after it.
fn has(text: &str, term: &str) -> bool {
    let inside = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    text.match_indices(term).any(|(start, found)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let after = text.get(start + found.len()..).and_then(|after| after.chars().next());
        !inside(before) && !inside(after)
    })
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        // A missing property is the empty string where it is compared with one, as in Kusto's strings.
        (Value::Null, Value::String(text)) | (Value::String(text), Value::Null) => text.is_empty(),
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Bool(_) | Value::Number(_), Value::String(text)) => string(left) == *text,
        (Value::String(text), Value::Bool(_) | Value::Number(_)) => string(right) == *text,
        (Value::Null, Value::Null) => false,
        _ => left == right,
    }
}

/// Orders two values: nulls first, numbers by size, everything else as text.
pub(super) fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Number(left), Value::Number(right)) => left
            .as_f64()
            .unwrap_or_default()
            .total_cmp(&right.as_f64().unwrap_or_default()),
        _ => string(left).cmp(&string(right)),
    }
}
