//! Expressions of the policy language, as far as definitions of the Kubernetes mode use them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Values of parameters by their lower-case names.
pub(super) type Values = BTreeMap<String, Value>;

/// Returns `value` with every expression in it replaced by what it stands for.
///
/// # Errors
/// A sentence about the first expression that cannot be understood.
pub(super) fn evaluate(value: &Value, values: &Values) -> Result<Value, String> {
    match value {
        Value::String(text) => match text.strip_prefix('[') {
            Some(rest) if rest.starts_with('[') => Ok(Value::String(rest.to_owned())),
            Some(rest) if rest.ends_with(']') => {
                let mut reader = Reader { rest, values };
                let found = reader.value().filter(|_| reader.rest.trim() == "]");
                found.ok_or_else(|| format!("the expression `{text}` is not understood"))
            }
            _ => Ok(value.clone()),
        },
        Value::Array(items) => items.iter().map(|item| evaluate(item, values)).collect(),
        Value::Object(fields) => {
            let evaluated = fields
                .iter()
                .map(|(key, inner)| Ok((key.clone(), evaluate(inner, values)?)));
            evaluated.collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

struct Reader<'a> {
    rest: &'a str,
    values: &'a Values,
}

impl Reader<'_> {
    fn takes(&mut self, symbol: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn value(&mut self) -> Option<Value> {
        if self.takes('\'') {
            return self.quoted();
        }
        let word = self.word();
        if let Ok(number) = word.parse::<i64>() {
            return Some(Value::from(number));
        }
        let mut found = match word.to_ascii_lowercase().as_str() {
            "true" if !self.rest.starts_with('(') => Value::Bool(true),
            "false" if !self.rest.starts_with('(') => Value::Bool(false),
            function => {
                let arguments = self.arguments()?;
                call(function, &arguments, self.values)?
            }
        };
        while self.takes('.') {
            let field = self.word();
            found = found.get(&field)?.clone();
        }
        Some(found)
    }

    /// A text in single quotes, of which two stand for one.
    fn quoted(&mut self) -> Option<Value> {
        let mut text = String::new();
        loop {
            let (before, after) = self.rest.split_once('\'')?;
            text.push_str(before);
            self.rest = after;
            match self.rest.strip_prefix('\'') {
                Some(rest) => {
                    text.push('\'');
                    self.rest = rest;
                }
                None => return Some(Value::String(text)),
            }
        }
    }

    fn arguments(&mut self) -> Option<Vec<Value>> {
        let mut arguments = Vec::new();
        if !self.takes('(') {
            return None;
        }
        if self.takes(')') {
            return Some(arguments);
        }
        loop {
            arguments.push(self.value()?);
            if self.takes(')') {
                return Some(arguments);
            }
            if !self.takes(',') {
                return None;
            }
        }
    }
}

fn call(function: &str, arguments: &[Value], values: &Values) -> Option<Value> {
    match (function, arguments) {
        ("parameters", [Value::String(name)]) => values.get(&name.to_ascii_lowercase()).cloned(),
        ("equals", [one, two]) => Some(Value::Bool(same(one, two))),
        ("if", [Value::Bool(condition), yes, no]) => Some(if *condition { yes.clone() } else { no.clone() }),
        ("not", [Value::Bool(condition)]) => Some(Value::Bool(!condition)),
        ("and", conditions) => conditions
            .iter()
            .map(Value::as_bool)
            .collect::<Option<Vec<_>>>()
            .map(|all| Value::Bool(!all.contains(&false))),
        ("or", conditions) => conditions
            .iter()
            .map(Value::as_bool)
            .collect::<Option<Vec<_>>>()
            .map(|all| Value::Bool(all.contains(&true))),
        ("true", []) => Some(Value::Bool(true)),
        ("false", []) => Some(Value::Bool(false)),
        ("concat", [Value::Array(_), ..]) => {
            let all: Option<Vec<&Vec<Value>>> = arguments.iter().map(Value::as_array).collect();
            Some(Value::Array(all?.into_iter().flatten().cloned().collect()))
        }
        ("concat", _) => arguments
            .iter()
            .map(Value::as_str)
            .collect::<Option<String>>()
            .map(Value::String),
        ("tolower", [Value::String(text)]) => Some(Value::String(text.to_lowercase())),
        ("toupper", [Value::String(text)]) => Some(Value::String(text.to_uppercase())),
        _ => None,
    }
}

/// The policy language compares texts without case.
fn same(one: &Value, two: &Value) -> bool {
    match (one.as_str(), two.as_str()) {
        (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
        _ => one == two,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expressions_stand_for_values() {
        let values = BTreeMap::from([
            ("effect".to_owned(), json!("Deny")),
            ("list".to_owned(), json!({"paths": [1, 2]})),
            ("namespaces".to_owned(), json!(["a"])),
        ]);
        let cases = [
            (json!("plain"), json!("plain")),
            (json!("[parameters('Effect')]"), json!("Deny")),
            (json!("[ parameters( 'list' ).paths ]"), json!([1, 2])),
            (json!("[[parameters('x')]"), json!("[parameters('x')]")),
            (json!("[a-z]+"), json!("[a-z]+")),
            (json!({"k": ["[parameters('effect')]", 1]}), json!({"k": ["Deny", 1]})),
            (
                json!("[if(equals(parameters('effect'), 'deny'), 'yes', 'no')]"),
                json!("yes"),
            ),
            (
                json!("[if(equals(parameters('effect'), 'audit'), 'yes', 'it''s no')]"),
                json!("it's no"),
            ),
            (
                json!("[concat(parameters('namespaces'), parameters('list').paths)]"),
                json!(["a", 1, 2]),
            ),
            (json!("[concat('a', 'b')]"), json!("ab")),
            (json!("[or(false(), not(equals(1, 2)))]"), json!(true)),
        ];
        for (given, expected) in cases {
            assert_eq!(evaluate(&given, &values), Ok(expected), "{given}");
        }
        for broken in [
            "[parameters('none')]",
            "[field('type')]",
            "[parameters('effect']",
            "[if(1, 2, 3)]",
            "[parameters('list').none]",
            "[]",
        ] {
            assert!(
                evaluate(&json!(broken), &values).unwrap_err().contains(broken),
                "{broken}"
            );
        }
    }
}
