//! Label selectors.

use super::matching::{MatchError, wrong};
use serde_json::Value;

/// A label selector: all of its requirements hold, or it does not apply.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selector {
    requirements: Vec<(String, Operator)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Reads a selector as Kubernetes checks it.
    pub(super) fn new(value: &Value, path: &str) -> Result<Selector, MatchError> {
        let fields = value.as_object().ok_or_else(|| wrong(path, "must be a mapping"))?;
        let mut requirements = Vec::new();
        for (name, value) in fields {
            let path = format!("{path}.{name}");
            match name.as_str() {
                "matchLabels" => {
                    let labels = value.as_object().ok_or_else(|| wrong(&path, "must be a mapping"))?;
                    for (key, value) in labels {
                        let path = format!("{path}.{key}");
                        let value = label_value(value, &path)?;
                        requirements.push((label_key(key, &path)?, Operator::In(vec![value])));
                    }
                }
                "matchExpressions" => {
                    let list = value.as_array().ok_or_else(|| wrong(&path, "must be a list"))?;
                    for (at, value) in list.iter().enumerate() {
                        requirements.push(requirement(value, &format!("{path}[{at}]"))?);
                    }
                }
                _ => return Err(wrong(&path, "is not known")),
            }
        }
        Ok(Selector { requirements })
    }

    /// Returns whether the labels of an object are what the selector wants.
    pub(super) fn applies(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.requirements.iter().all(|(key, operator)| {
            let label = labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
            match operator {
                Operator::In(values) => label.is_some_and(|label| values.iter().any(|value| value == label)),
                Operator::NotIn(values) => label.is_none_or(|label| values.iter().all(|value| value != label)),
                Operator::Exists => label.is_some(),
                Operator::DoesNotExist => label.is_none(),
            }
        })
    }
}

fn requirement(value: &Value, path: &str) -> Result<(String, Operator), MatchError> {
    let fields = value.as_object().ok_or_else(|| wrong(path, "must be a mapping"))?;
    if let Some(name) = fields
        .keys()
        .find(|name| !matches!(name.as_str(), "key" | "operator" | "values"))
    {
        return Err(wrong(&format!("{path}.{name}"), "is not known"));
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let key = label_key(text("key"), &format!("{path}.key"))?;
    let values_path = format!("{path}.values");
    let values = match fields.get("values") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| label_value(value, &values_path))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong(&values_path, "must be a list of texts")),
    };
    let operator = match (text("operator"), values.is_empty()) {
        ("In", false) => Operator::In(values),
        ("NotIn", false) => Operator::NotIn(values),
        ("In" | "NotIn", true) => return Err(wrong(&values_path, "must be given for `In` and `NotIn`")),
        ("Exists", true) => Operator::Exists,
        ("DoesNotExist", true) => Operator::DoesNotExist,
        ("Exists" | "DoesNotExist", false) => {
            return Err(wrong(&values_path, "must not be given for `Exists` and `DoesNotExist`"));
        }
        _ => {
            return Err(wrong(
                &format!("{path}.operator"),
                "must be `In`, `NotIn`, `Exists` or `DoesNotExist`",
            ));
        }
    };
    Ok((key, operator))
}

fn label_key(key: &str, path: &str) -> Result<String, MatchError> {
    let (prefix, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let domain = |prefix: &str| {
        let part = |part: &str| {
            let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            part.starts_with(ends) && part.ends_with(ends) && part.chars().all(|c| ends(c) || c == '-')
        };
        prefix.len() <= 253 && prefix.split('.').all(part)
    };
    if !name.is_empty() && is_name(name) && prefix.is_none_or(domain) {
        return Ok(key.to_owned());
    }
    Err(wrong(path, format!("is `{key}`, which is no key of a label")))
}

fn label_value(value: &Value, path: &str) -> Result<String, MatchError> {
    match value.as_str() {
        Some(text) if text.is_empty() || is_name(text) => Ok(text.to_owned()),
        Some(text) => Err(wrong(path, format!("is `{text}`, which is no value of a label"))),
        None => Err(wrong(path, "must be a text")),
    }
}

/// Letters, digits, `-`, `_`, `.`, with a letter or digit at both ends, 63 at most.
fn is_name(text: &str) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(end)
        && text.ends_with(end)
        && text.chars().all(|c| end(c) || matches!(c, '-' | '_' | '.'))
}
