//! Parameters of definitions and sets, and whether a value fits one.

use super::schema;
use crate::model::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The type of a parameter.
///
/// Azure writes these in several casings (`Array`, `array`); they mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[expect(missing_docs, reason = "the names are Azure's own")]
pub enum ParameterType {
    String,
    Array,
    Object,
    Boolean,
    Integer,
    Float,
    DateTime,
}

const TYPES: [(ParameterType, &str); 7] = [
    (ParameterType::String, "String"),
    (ParameterType::Array, "Array"),
    (ParameterType::Object, "Object"),
    (ParameterType::Boolean, "Boolean"),
    (ParameterType::Integer, "Integer"),
    (ParameterType::Float, "Float"),
    (ParameterType::DateTime, "DateTime"),
];

impl ParameterType {
    /// Reads a type in any casing.
    pub fn parse(text: &str) -> Option<ParameterType> {
        let found = TYPES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        found.map(|(ty, _)| *ty)
    }

    /// Says whether a value is of this type. Nothing is converted: `"true"` is no boolean and `1.0` no integer.
    fn holds(self, value: &Value) -> bool {
        match self {
            ParameterType::String => value.is_string(),
            ParameterType::Array => value.is_array(),
            ParameterType::Object => value.is_object(),
            ParameterType::Boolean => value.is_boolean(),
            ParameterType::Integer => value.is_i64() || value.is_u64(),
            ParameterType::Float => value.is_number(),
            ParameterType::DateTime => value.as_str().is_some_and(|text| Timestamp::parse(text).is_some()),
        }
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = TYPES.iter().find(|(ty, _)| ty == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

/// A parameter of a policy definition or of a policy set definition.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    /// Its type.
    #[serde(rename = "type")]
    pub ty: ParameterType,
    /// The values that it may take, in Azure's order and casing; any of its type if absent. For an array these may be
    /// what its items may be.
    pub allowed: Option<Vec<Value>>,
    /// The value it has if none is given; without one, an assignment must give a value.
    #[serde(default, deserialize_with = "present")]
    pub default: Option<Value>,
    /// The JSON schema of its values; only objects have one.
    pub schema: Option<Value>,
    /// What the portal offers for it: a resource type, or a word such as `location`.
    pub strong_type: Option<String>,
    /// Whether the value names a resource on which the assignment's identity needs its roles as well.
    #[serde(default)]
    pub assign_permissions: bool,
    /// Whether Azure says that it is no longer to be used.
    #[serde(default)]
    pub deprecated: bool,
}

/// Keeps a default of `null` apart from no default.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// Why a value does not fit a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// It is of another type.
    Type {
        /// What the parameter takes.
        expected: ParameterType,
        /// What the value is, in JSON's words.
        found: &'static str,
    },
    /// It would be allowed in another casing.
    Casing {
        /// The value, or the item of it, that does not fit.
        found: String,
        /// Its spelling among the allowed values.
        allowed: String,
    },
    /// It is none of the allowed values.
    NotAllowed {
        /// The value, or the item of it, that does not fit.
        found: Value,
        /// The allowed values in Azure's order.
        allowed: Vec<Value>,
    },
    /// It does not fit the parameter's schema.
    Schema {
        /// Where in the value, as a JSON pointer; empty for the whole of it.
        pointer: String,
        /// What is wrong there: a short phrase.
        problem: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Type { expected, found } => {
                let article = if matches!(
                    expected,
                    ParameterType::Array | ParameterType::Object | ParameterType::Integer
                ) {
                    "an"
                } else {
                    "a"
                };
                let expected = expected.to_string().to_lowercase();
                write!(f, "expected {article} {expected}, found {found}")
            }
            Reason::Casing { found, allowed } => {
                write!(f, "`{found}` differs in casing: Azure expects `{allowed}`")
            }
            Reason::NotAllowed { found, allowed } => {
                let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let allowed: Vec<String> = allowed.iter().map(|value| format!("`{}`", plain(value))).collect();
                write!(f, "`{}` is not allowed: one of {}", plain(found), allowed.join(", "))
            }
            Reason::Schema { pointer, problem } if pointer.is_empty() => f.write_str(problem),
            Reason::Schema { pointer, problem } => write!(f, "at `{pointer}`: {problem}"),
        }
    }
}

impl Parameter {
    /// Says whether the parameter takes a value, and if not, why: its type, the allowed values with their exact casing,
    /// and the schema.
    ///
    /// The value is taken as it is; a policy expression such as `[parameters('effect')]` is a text like any other.
    ///
    /// # Errors
    ///
    /// Returns the first reason against the value.
    pub fn accepts(&self, value: &Value) -> Result<(), Reason> {
        if !self.ty.holds(value) {
            return Err(Reason::Type {
                expected: self.ty,
                found: match value {
                    Value::Null => "null",
                    Value::Bool(_) => "a boolean",
                    Value::Number(_) => "a number",
                    Value::String(_) => "a string",
                    Value::Array(_) => "an array",
                    Value::Object(_) => "an object",
                },
            });
        }
        if let Some(allowed) = &self.allowed {
            match value {
                Value::Array(items) if !allowed.contains(value) => {
                    items.iter().try_for_each(|item| is_allowed(item, allowed))?;
                }
                _ => is_allowed(value, allowed)?,
            }
        }
        match &self.schema {
            Some(schema) => {
                schema::check(schema, value).map_err(|(pointer, problem)| Reason::Schema { pointer, problem })
            }
            None => Ok(()),
        }
    }
}

/// Says whether a value is one of those allowed, and if not, whether it would be in another casing.
fn is_allowed(value: &Value, allowed: &[Value]) -> Result<(), Reason> {
    if allowed.contains(value) {
        return Ok(());
    }
    let same = |text: &str| {
        let mut texts = allowed.iter().filter_map(Value::as_str);
        texts
            .find(|allowed| allowed.eq_ignore_ascii_case(text))
            .map(str::to_owned)
    };
    match value
        .as_str()
        .and_then(|text| same(text).map(|allowed| (text.to_owned(), allowed)))
    {
        Some((found, allowed)) => Err(Reason::Casing { found, allowed }),
        None => Err(Reason::NotAllowed {
            found: value.clone(),
            allowed: allowed.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(parameter: Value, value: Value, expect: &str) {
        let parameter: Parameter = serde_json::from_value(parameter).unwrap();
        let answer = parameter.accepts(&value).err().map(|reason| reason.to_string());
        assert_eq!(answer.as_deref().unwrap_or("fits"), expect, "{value}");
    }

    #[test]
    fn a_value_must_be_of_the_type() {
        check(json!({"type": "String"}), json!("x"), "fits");
        check(json!({"type": "String"}), json!(1), "expected a string, found a number");
        check(
            json!({"type": "Boolean"}),
            json!("true"),
            "expected a boolean, found a string",
        );
        check(
            json!({"type": "Array"}),
            json!("x"),
            "expected an array, found a string",
        );
        check(json!({"type": "Array"}), json!(["x", 1]), "fits");
        check(
            json!({"type": "Object"}),
            json!([]),
            "expected an object, found an array",
        );
        check(
            json!({"type": "Integer"}),
            json!(1.5),
            "expected an integer, found a number",
        );
        check(json!({"type": "Integer"}), json!(-1), "fits");
        check(json!({"type": "Float"}), json!(1.5), "fits");
        check(json!({"type": "DateTime"}), json!("2027-01-04T08:00:00Z"), "fits");
        check(
            json!({"type": "DateTime"}),
            json!("soon"),
            "expected a datetime, found a string",
        );
        check(json!({"type": "String"}), json!(null), "expected a string, found null");
    }

    #[test]
    fn a_wrong_casing_is_told_apart_from_a_wrong_value() {
        let effect = json!({"type": "String", "allowed": ["Audit", "Deny", "Disabled"]});
        check(effect.clone(), json!("Deny"), "fits");
        check(
            effect.clone(),
            json!("deny"),
            "`deny` differs in casing: Azure expects `Deny`",
        );
        check(
            effect,
            json!("Denied"),
            "`Denied` is not allowed: one of `Audit`, `Deny`, `Disabled`",
        );
        let both = json!({"type": "String", "allowed": ["audit", "Audit", "deny", "Deny"]});
        check(both.clone(), json!("deny"), "fits");
        check(both, json!("DENY"), "`DENY` differs in casing: Azure expects `deny`");
    }

    #[test]
    fn allowed_values_of_an_array_are_those_of_its_items() {
        let channels = json!({"type": "Array", "allowed": ["rapid", "stable"]});
        check(channels.clone(), json!(["stable"]), "fits");
        check(channels.clone(), json!([]), "fits");
        check(
            channels.clone(),
            json!(["Stable"]),
            "`Stable` differs in casing: Azure expects `stable`",
        );
        check(
            channels,
            json!(["rapid", "never"]),
            "`never` is not allowed: one of `rapid`, `stable`",
        );
        let whole = json!({"type": "Array", "allowed": [["a", "b"], []]});
        check(whole.clone(), json!(["a", "b"]), "fits");
        check(whole, json!(["a"]), "`a` is not allowed: one of `[\"a\",\"b\"]`, `[]`");
    }

    #[test]
    fn an_object_must_fit_the_schema() {
        let paths = json!({"type": "Object", "schema": {"type": "object", "required": ["paths"]}});
        check(paths.clone(), json!({"paths": []}), "fits");
        check(paths, json!({}), "`paths` is missing");
    }

    #[test]
    fn no_default_is_not_a_default_of_null() {
        let read = |value| serde_json::from_value::<Parameter>(value).unwrap().default;
        assert_eq!(read(json!({"type": "String"})), None);
        assert_eq!(read(json!({"type": "String", "default": null})), Some(Value::Null));
    }

    #[test]
    fn types_are_read_in_any_casing() {
        for (ty, name) in TYPES {
            assert_eq!(ParameterType::parse(&name.to_lowercase()), Some(ty));
            assert_eq!(ParameterType::parse(&ty.to_string()), Some(ty));
        }
        assert_eq!(ParameterType::parse("list"), None);
    }
}
