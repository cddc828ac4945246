//! Azure's template expressions, as far as policy definitions use them to hand values on.
//!
//! A text that starts with `[` and ends with `]` is an expression, one that starts with `[[` is that text without the first bracket.
//! Anything that is not understood is told, never guessed.

use serde_json::Value;
use std::collections::BTreeMap;

/// The expression that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood(pub String);

/// The values of parameters by name; Azure compares the names without case.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, Value>);

impl Parameters {
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_lowercase(), value);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(&name.to_lowercase())
    }
}

/// How deep calls may stand in each other.
const DEEPEST: usize = 16;

/// Returns a value with every expression in it replaced by what it stands for.
///
/// # Errors
/// An expression is not understood, or names a parameter that has no value.
pub(super) fn resolved(value: &Value, parameters: &Parameters) -> Result<Value, NotUnderstood> {
    Ok(match value {
        Value::String(text) if text.starts_with("[[") => Value::from(text.get(1..).unwrap_or_default()),
        Value::String(text) if text.starts_with('[') && text.ends_with(']') => {
            let inner = text.get(1..text.len() - 1).unwrap_or_default();
            let mut reader = Reader {
                rest: inner.trim(),
                parameters,
            };
            let found = reader.value(0).filter(|_| reader.rest.trim().is_empty());
            found.ok_or_else(|| NotUnderstood(text.clone()))?
        }
        Value::Array(items) => items
            .iter()
            .map(|item| resolved(item, parameters))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), resolved(value, parameters)?)));
            Value::Object(fields.collect::<Result<_, NotUnderstood>>()?)
        }
        other => other.clone(),
    })
}

struct Reader<'a> {
    rest: &'a str,
    parameters: &'a Parameters,
}

impl Reader<'_> {
    /// Reads `'text'`, a number, `true`, or a call with the properties that are asked of it.
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('\'') {
            return self.text().map(Value::from);
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        if !self.rest.starts_with('(') {
            return word.parse::<i64>().ok().map(Value::from);
        }
        let arguments = self.arguments(depth)?;
        let mut value = call(word, &arguments, self.parameters)?;
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix('.') {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
                self.rest = rest;
                value = property(&value, name)?;
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest;
                let key = self.value(depth + 1)?;
                self.rest = self.rest.trim_start().strip_prefix(']')?;
                value = match &key {
                    Value::String(name) => property(&value, name)?,
                    Value::Number(at) => value.get(usize::try_from(at.as_u64()?).ok()?)?.clone(),
                    _ => return None,
                };
            } else {
                return Some(value);
            }
        }
    }

    fn arguments(&mut self, depth: usize) -> Option<Vec<Value>> {
        self.rest = self.rest.strip_prefix('(')?.trim_start();
        let mut arguments = Vec::new();
        if let Some(rest) = self.rest.strip_prefix(')') {
            self.rest = rest;
            return Some(arguments);
        }
        loop {
            arguments.push(self.value(depth + 1)?);
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
            } else {
                self.rest = self.rest.strip_prefix(')')?;
                return Some(arguments);
            }
        }
    }

    /// Reads a text in quotes; two quotes in it are one.
    fn text(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut rest = self.rest.strip_prefix('\'')?;
        loop {
            let (before, after) = rest.split_once('\'')?;
            out.push_str(before);
            match after.strip_prefix('\'') {
                Some(more) => {
                    out.push('\'');
                    rest = more;
                }
                None => {
                    self.rest = after;
                    return Some(out);
                }
            }
        }
    }
}

/// Returns a property of an object, whose name Azure compares without case.
fn property(value: &Value, name: &str) -> Option<Value> {
    let fields = value.as_object()?;
    let same = |key: &&String| key.eq_ignore_ascii_case(name);
    let key = fields.keys().find(same)?;
    fields.get(key).cloned()
}

fn call(name: &str, arguments: &[Value], parameters: &Parameters) -> Option<Value> {
    match (name.to_ascii_lowercase().as_str(), arguments) {
        ("parameters", [Value::String(name)]) => parameters.get(name).cloned(),
        ("if", [Value::Bool(condition), yes, no]) => Some(if *condition { yes.clone() } else { no.clone() }),
        // Azure's `equals` tells texts apart by their case.
        ("equals", [one, two]) => Some(Value::from(one == two)),
        ("not", [Value::Bool(one)]) => Some(Value::from(!one)),
        ("and", all) => all
            .iter()
            .map(Value::as_bool)
            .collect::<Option<Vec<_>>>()
            .map(|all| Value::from(all.into_iter().all(|one| one))),
        ("or", all) => all
            .iter()
            .map(Value::as_bool)
            .collect::<Option<Vec<_>>>()
            .map(|all| Value::from(all.into_iter().any(|one| one))),
        ("true", []) => Some(Value::from(true)),
        ("false", []) => Some(Value::from(false)),
        ("concat", all) if !all.is_empty() => {
            let texts: Option<Vec<&str>> = all.iter().map(Value::as_str).collect();
            if let Some(texts) = texts {
                return Some(Value::from(texts.concat()));
            }
            let lists: Option<Vec<&Vec<Value>>> = all.iter().map(Value::as_array).collect();
            Some(lists?.into_iter().flatten().cloned().collect())
        }
        ("createarray", all) => Some(all.to_vec().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: Value, expected: Result<Value, &str>) {
        let mut parameters = Parameters::default();
        parameters.set("effect", json!("Audit"));
        parameters.set("list", json!(["a", "b"]));
        parameters.set("allowedHostPaths", json!({"paths": [{"pathPrefix": "/var"}]}));
        let found = resolved(&value, &parameters);
        let expected = expected.map_err(|text| NotUnderstood(text.to_owned()));
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn what_policy_definitions_say_is_understood() {
        check(json!("[parameters('effect')]"), Ok(json!("Audit")));
        check(json!("[ Parameters( 'EFFECT' ) ]"), Ok(json!("Audit")));
        check(
            json!("[parameters('allowedHostPaths').paths]"),
            Ok(json!([{"pathPrefix": "/var"}])),
        );
        check(
            json!("[parameters('allowedHostPaths')['paths'][0].pathPrefix]"),
            Ok(json!("/var")),
        );
        check(
            json!("[if(equals(parameters('effect'), 'Disabled'), 'Disabled', 'DeployIfNotExists')]"),
            Ok(json!("DeployIfNotExists")),
        );
        check(
            json!("[concat('a', 'it''s', parameters('effect'))]"),
            Ok(json!("ait'sAudit")),
        );
        check(
            json!("[concat(parameters('list'), createArray('c'))]"),
            Ok(json!(["a", "b", "c"])),
        );
        check(
            json!({"x": ["[parameters('list')]", 1]}),
            Ok(json!({"x": [["a", "b"], 1]})),
        );
    }

    #[test]
    fn what_is_no_expression_stays_as_it_is() {
        check(json!("[[parameters('effect')]"), Ok(json!("[parameters('effect')]")));
        check(json!("plain"), Ok(json!("plain")));
        check(json!("[0-9]+ is no end"), Ok(json!("[0-9]+ is no end")));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for text in [
            "[parameters('missing')]",
            "[parameters('effect').deeper]",
            "[resourceGroup().location]",
            "[parameters('effect') x]",
            "[parameters('effect'",
            "[]",
            "[if('true', 1, 2)]",
            "[field('name')]",
        ] {
            check(
                json!(text),
                if text.ends_with(']') {
                    Err(text)
                } else {
                    Ok(json!(text))
                },
            );
        }
        let deep = format!("[{}true(){}]", "not(".repeat(40), ")".repeat(40));
        check(json!(deep), Err(&deep));
    }
}
