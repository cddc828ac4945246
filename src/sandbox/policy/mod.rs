//! Azure Policy: definitions, sets and assignments, with the checks that the service makes.

pub mod assignment;
pub mod definition;
mod lookup;
mod parameters;
mod selectors;
pub mod set;
mod template;

pub(crate) use lookup::Found;

use serde_json::{Value, json};

use super::error::ArmError;
use super::json::Object;
use super::route::Call;
use super::state::{KnownScope, State};
use super::time;

/// What tells the three resource types apart in texts and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The type's segment, such as `policyAssignments`.
    pub segment: &'static str,
    /// The lower-case full type.
    pub lower: &'static str,
    /// The word in codes, such as `PolicyAssignment`.
    pub code: &'static str,
    /// The words in texts, such as `policy assignment`.
    pub words: &'static str,
    /// The properties that a body may have.
    pub properties: &'static [&'static str],
    /// How many may be at one scope.
    pub quota: usize,
}

impl Kind {
    /// Returns the id of this kind's resource `name` at a scope.
    pub fn id(self, scope: &str, name: &str) -> String {
        format!("{scope}/providers/Microsoft.Authorization/{}/{name}", self.segment)
    }

    /// Returns the full type.
    pub fn full_type(self) -> String {
        format!("Microsoft.Authorization/{}", self.segment)
    }

    /// Returns the 404 for a resource of this kind.
    pub fn not_found(self, name: &str) -> ArmError {
        ArmError::not_found(
            &format!("{}NotFound", self.code),
            format!("The {} '{name}' is not found.", self.words),
        )
    }
}

/// Refuses a name that is too long or has characters that names of policy resources may not have.
pub(crate) fn check_name(kind: Kind, name: &str, limit: usize) -> Result<(), ArmError> {
    let code = format!("Invalid{}Name", kind.code);
    if name.chars().count() > limit {
        return Err(ArmError::bad_request(
            &code,
            format!(
                "The {0} name '{name}' is invalid. The {0} name length must not exceed '{limit}' characters.",
                kind.words
            ),
        ));
    }
    let forbidden = |character: char| "<>*%&:\\?.+/#".contains(character) || character.is_control();
    if name.is_empty() || name.contains(forbidden) || name.ends_with(' ') {
        return Err(ArmError::bad_request(
            &code,
            format!(
                "The {0} name '{name}' is invalid. The {0} name cannot contain '<,>,*,%,&,:,\\,?,.,+,/' characters, or end with a space.",
                kind.words
            ),
        ));
    }
    Ok(())
}

/// Returns the `properties` of a body without nulls, after the checks that all three kinds share: known property names, and the
/// lengths of display name, description and metadata values.
pub(crate) fn properties(kind: Kind, body: &Value) -> Result<Object, ArmError> {
    let Some(given) = body.get("properties").and_then(Value::as_object) else {
        return Err(ArmError::content(format!(
            "The request content was invalid: the {} has no 'properties'.",
            kind.words
        )));
    };
    let mut properties = Object::new();
    for (key, value) in given {
        if value.is_null() {
            continue;
        }
        let Some(known) = kind.properties.iter().find(|known| known.eq_ignore_ascii_case(key)) else {
            return Err(ArmError::content(format!(
                "The request content was invalid and could not be deserialized: 'Could not find member '{key}' on object of type '{}'. Path 'properties.{key}'.'.",
                kind.code
            )));
        };
        properties.insert((*known).to_owned(), value.clone());
    }
    for (key, limit) in [("displayName", 128), ("description", 512)] {
        match properties.get(key) {
            None => {}
            Some(Value::String(value)) if value.chars().count() <= limit => {}
            Some(_) => {
                return Err(ArmError::content(format!(
                    "The '{key}' of the {} must be a string of at most {limit} characters.",
                    kind.words
                )));
            }
        }
    }
    if let Some(metadata) = properties.get("metadata") {
        let Some(metadata) = metadata.as_object() else {
            return Err(ArmError::content(format!(
                "The 'metadata' of the {} must be an object.",
                kind.words
            )));
        };
        if let Some((key, _)) = metadata.iter().find(|(_, value)| length(value) > 1024) {
            return Err(ArmError::content(format!(
                "The metadata property '{key}' of the {} is longer than 1024 characters.",
                kind.words
            )));
        }
    }
    Ok(properties)
}

fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        other => other.to_string().chars().count(),
    }
}

/// Writes who made and changed the resource into its metadata, as the service does: nulls at first, and `createdBy` survives.
pub(crate) fn stamp_metadata(state: &State, properties: &mut Object, before: Option<&Value>) {
    let old = |key: &str| {
        before
            .and_then(|document| document.pointer(&format!("/properties/metadata/{key}")))
            .cloned()
    };
    let mut metadata = properties.remove("metadata").and_then(|value| match value {
        Value::Object(metadata) => Some(metadata),
        _ => None,
    });
    let now = json!(time::iso(state.now));
    let stamped = metadata.get_or_insert_default();
    let (created_by, created_on) = if before.is_some() {
        (
            old("createdBy").unwrap_or(Value::Null),
            old("createdOn").unwrap_or(Value::Null),
        )
    } else {
        (json!(state.principal), now.clone())
    };
    let (updated_by, updated_on) = if before.is_some() {
        (json!(state.principal), now)
    } else {
        (Value::Null, Value::Null)
    };
    for (key, value) in [
        ("createdBy", created_by),
        ("createdOn", created_on),
        ("updatedBy", updated_by),
        ("updatedOn", updated_on),
    ] {
        stamped.insert(key.to_owned(), value);
    }
    properties.insert("metadata".to_owned(), metadata.map_or(Value::Null, Value::Object));
}

/// Refuses one more resource at a scope that is full.
pub(crate) fn check_quota(state: &State, kind: Kind, scope: &KnownScope) -> Result<(), ArmError> {
    let start = kind.id(&scope.id, "").to_ascii_lowercase();
    let count = state.resources.below(&start).count();
    if count >= kind.quota {
        return Err(ArmError::bad_request(
            &format!("{}QuotaExceeded", kind.code),
            format!(
                "The scope '{}' has reached the maximum quota of {}s '{}'.",
                scope.id, kind.words, kind.quota
            ),
        ));
    }
    Ok(())
}

/// Returns the scope of a call.
pub(crate) fn scope(state: &State, call: &Call) -> Result<KnownScope, ArmError> {
    state.scope(&call.address.scope)
}

#[cfg(test)]
mod assignment_tests;
#[cfg(test)]
mod definition_tests;
#[cfg(test)]
mod testing;
