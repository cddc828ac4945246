//! Values of policy parameters: from YAML to JSON without changing what was written, and whether a parameter takes them.

use super::draft::Given;
use super::walk::list;
use crate::catalog::{Parameter, ParameterType, Reason};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::model::Effect;
use crate::yaml::{Kind, Node, Plain, Scalar};
use serde_json::Value;
use std::collections::BTreeMap;

/// Returns the value that a node stands for; none if it cannot be told for sure ([`check`] says why).
pub(super) fn value(node: &Node) -> Option<Value> {
    match &node.kind {
        Kind::Scalar(scalar) => scalar_value(scalar),
        Kind::Sequence(nodes) => nodes
            .iter()
            .map(value)
            .collect::<Option<Vec<Value>>>()
            .map(Value::Array),
        Kind::Mapping(entries) => {
            let entries = entries.iter().map(|(key, node)| Some((key.text.clone(), value(node)?)));
            entries.collect::<Option<serde_json::Map<_, _>>>().map(Value::Object)
        }
        Kind::Broken => None,
    }
}

/// Returns the values of parameters; none if one of them cannot be told.
pub(super) fn values(given: &[Given<'_>]) -> Option<BTreeMap<String, Value>> {
    given
        .iter()
        .map(|(name, node)| Some((name.value.to_owned(), value(node)?)))
        .collect()
}

/// Returns what a scalar means, unless writing that down would give another text than the one that stands here: `1.10` is
/// not 1.1, and `010` not 10.
fn scalar_value(scalar: &Scalar) -> Option<Value> {
    let number = |number: serde_json::Number| (number.to_string() == scalar.text).then_some(Value::Number(number));
    match scalar.resolve() {
        Plain::Null => Some(Value::Null),
        Plain::Boolean(value) => Some(Value::Bool(value)),
        Plain::Text => Some(Value::String(scalar.text.clone())),
        Plain::Integer => number(scalar.text.parse::<i64>().ok()?.into()),
        Plain::Float => number(serde_json::Number::from_f64(scalar.text.parse().ok()?)?),
    }
}

/// Reports what is wrong with the value of a parameter.
pub(super) fn check(file: &str, name: &str, parameter: &Parameter, node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    let before = diagnostics.len();
    certain(file, node, diagnostics);
    let Some(value) = value(node).filter(|_| diagnostics.len() == before) else {
        return;
    };
    let Err(reason) = parameter.accepts(&value) else { return };
    // The item that is at fault is a better place than the whole list.
    if let (Kind::Sequence(nodes), Value::Array(items)) = (&node.kind, &value)
        && matches!(reason, Reason::Casing { .. } | Reason::NotAllowed { .. })
    {
        for (node, item) in nodes.iter().zip(items) {
            if let Err(reason) = parameter.accepts(&Value::Array(vec![item.clone()])) {
                diagnostics.push(diagnose(file, name, parameter, node, &reason));
            }
        }
        if diagnostics.len() > before {
            return;
        }
    }
    diagnostics.push(diagnose(file, name, parameter, node, &reason));
}

/// Reports numbers that could be meant as texts.
fn certain(file: &str, node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    match &node.kind {
        Kind::Scalar(scalar) if scalar_value(scalar).is_none() => {
            let label = format!("`{}` would be sent as another number than is written here", scalar.text);
            let error = Diagnostic::error("ambiguous number", file, node.span, label);
            diagnostics.push(error.hint(format!("put it in quotes if a text is meant: \"{}\"", scalar.text)));
        }
        Kind::Sequence(nodes) => nodes.iter().for_each(|node| certain(file, node, diagnostics)),
        Kind::Mapping(entries) => entries.iter().for_each(|(_, node)| certain(file, node, diagnostics)),
        Kind::Scalar(_) | Kind::Broken => {}
    }
}

fn diagnose(file: &str, name: &str, parameter: &Parameter, node: &Node, reason: &Reason) -> Diagnostic {
    let error = |summary: &str, label: String| Diagnostic::error(summary, file, node.span, label);
    match reason {
        Reason::Type { expected, .. } => {
            let label = format!("`{name}` takes {}, found {}", type_name(*expected), node.describe());
            let error = error("wrong type", label);
            match (&node.kind, expected) {
                (Kind::Scalar(scalar), ParameterType::String | ParameterType::DateTime)
                    if scalar.resolve() != Plain::Null && scalar.plain =>
                {
                    error.hint(format!("put it in quotes: \"{}\"", scalar.text))
                }
                (Kind::Scalar(scalar), ParameterType::Array) if scalar.resolve() != Plain::Null => {
                    error.hint(format!("write `[{}]`", scalar.text))
                }
                (Kind::Scalar(scalar), ParameterType::Boolean | ParameterType::Integer | ParameterType::Float)
                    if !scalar.plain =>
                {
                    error.hint(format!("write `{}` without quotes", scalar.text))
                }
                _ => error,
            }
        }
        Reason::Casing { found, allowed } => {
            let summary = if is_effect(parameter) {
                "effect in a casing the definition does not know"
            } else {
                "value not allowed"
            };
            error(summary, format!("`{found}` differs in case")).hint(format!("write `{allowed}`"))
        }
        Reason::NotAllowed { found, allowed } => {
            let texts: Vec<String> = allowed.iter().map(plain).collect();
            let texts = || texts.iter().map(String::as_str);
            let error = error("value not allowed", format!("`{name}` cannot be `{}`", plain(found)));
            let error = error.hint(format!("allowed: {}", list(texts())));
            match did_you_mean(&plain(found), texts()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            }
        }
        Reason::Schema { .. } => error("value not allowed", format!("`{name}`: {reason}")),
    }
}

/// Returns whether every allowed value of a parameter is an effect.
fn is_effect(parameter: &Parameter) -> bool {
    let effect = |value: &Value| value.as_str().and_then(Effect::parse).is_some();
    parameter
        .allowed
        .as_ref()
        .is_some_and(|allowed| allowed.iter().all(effect))
}

/// Returns a type as YAML has it, with its article.
fn type_name(ty: ParameterType) -> &'static str {
    match ty {
        ParameterType::String => "a text",
        ParameterType::Array => "a list",
        ParameterType::Object => "a mapping",
        ParameterType::Boolean => "`true` or `false`",
        ParameterType::Integer => "a whole number",
        ParameterType::Float => "a number",
        ParameterType::DateTime => "a time such as \"2027-01-31T08:00:00Z\"",
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
