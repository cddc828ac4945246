//! What a template says under the engine `K8sNativeValidation`.

use super::OWN_VARIABLES;
use serde_json::Value;

/// The source of a rule in CEL, with the shape that Gatekeeper wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::rules) struct Source {
    /// Names and expressions.
    pub(super) variables: Vec<(String, String)>,
    pub(super) conditions: Vec<String>,
    pub(super) validations: Vec<WrittenValidation>,
    pub(super) ignores_errors: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct WrittenValidation {
    pub(super) expression: String,
    pub(super) message: String,
    pub(super) message_expression: Option<String>,
}

impl Source {
    /// Reads a source; the error says where and why not. Keys that Gatekeeper does not know it does not look at.
    pub(in crate::rules) fn read(source: &Value) -> Result<Source, (String, String)> {
        let mut read = Source::default();
        for (place, entry) in entries(source, "variables")? {
            let name = text(entry, &place, "name")?;
            let wrong = |reason: &str| Err((format!("{place}.name"), format!("`{name}` {reason}")));
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_name) {
                return wrong("is no name of a variable");
            }
            if OWN_VARIABLES.contains(&name.as_str()) || name.starts_with("gatekeeper_internal_") {
                return wrong("is a name that Gatekeeper keeps for itself");
            }
            if read.variables.iter().any(|(other, _)| *other == name) {
                return wrong("is there twice");
            }
            let expression = text(entry, &place, "expression")?;
            read.variables.push((name, expression));
        }
        for (place, entry) in entries(source, "matchCondition")? {
            let name = text(entry, &place, "name")?;
            if name.starts_with("gatekeeper_internal_") {
                return Err((
                    format!("{place}.name"),
                    "is a name that Gatekeeper keeps for itself".to_owned(),
                ));
            }
            read.conditions.push(text(entry, &place, "expression")?);
        }
        for (place, entry) in entries(source, "validations")? {
            let made = text(entry, &place, "messageExpression")?;
            read.validations.push(WrittenValidation {
                expression: text(entry, &place, "expression")?,
                message: text(entry, &place, "message")?,
                message_expression: Some(made).filter(|made| !made.is_empty()),
            });
        }
        read.ignores_errors = match source.get("failurePolicy") {
            None | Some(Value::Null) => false,
            Some(policy) if policy == "Fail" => false,
            Some(policy) if policy == "Ignore" => true,
            Some(_) => return Err(("failurePolicy".to_owned(), "must be `Fail` or `Ignore`".to_owned())),
        };
        Ok(read)
    }
}

type Placed<'a> = Vec<(String, &'a Value)>;

fn entries<'a>(source: &'a Value, name: &str) -> Result<Placed<'a>, (String, String)> {
    match source.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list
            .iter()
            .enumerate()
            .map(|(at, entry)| (format!("{name}[{at}]"), entry))
            .collect()),
        Some(_) => Err((name.to_owned(), "must be a list".to_owned())),
    }
}

fn text(entry: &Value, place: &str, name: &str) -> Result<String, (String, String)> {
    match entry.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err((format!("{place}.{name}"), "must be a text".to_owned())),
    }
}
