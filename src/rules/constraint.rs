//! Constraints: a template's rule with parameters, and the objects it is about.

use super::matching::{Match, MatchError};
use super::template::Template;
use serde_json::Value;

/// A constraint, checked against its template.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    name: String,
    matching: Match,
    parameters: Value,
    action: String,
}

/// Why a document is no constraint of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// Another kind of document.
    #[error("not a constraint of `{wanted}`: it is `{found}`")]
    Kind {
        /// The kind of the template's constraints.
        wanted: String,
        /// The version and kind of the document.
        found: String,
    },
    /// No name.
    #[error("a constraint needs `metadata.name`")]
    Name,
    /// The parameters are no mapping.
    #[error("`spec.parameters` must be a mapping")]
    Parameters,
    /// The action is no text.
    #[error("`spec.enforcementAction` must be a text")]
    Action,
    /// The `match` block cannot be taken.
    #[error("`spec`: {0}")]
    Match(#[from] MatchError),
}

impl Constraint {
    /// Reads a constraint of a template.
    pub fn from_document(document: &Value, template: &Template) -> Result<Constraint, ConstraintError> {
        let text = |path: &str| document.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        if kind != template.kind() || !api_version.starts_with("constraints.gatekeeper.sh/") {
            return Err(ConstraintError::Kind {
                wanted: template.kind().to_owned(),
                found: format!("{api_version}, {kind}"),
            });
        }
        let name = text("/metadata/name");
        if name.is_empty() {
            return Err(ConstraintError::Name);
        }
        let parameters = document.pointer("/spec/parameters");
        if parameters.is_some_and(|parameters| !parameters.is_object() && !parameters.is_null()) {
            return Err(ConstraintError::Parameters);
        }
        let action = match document.pointer("/spec/enforcementAction") {
            None | Some(Value::Null) => "",
            Some(action) => action.as_str().ok_or(ConstraintError::Action)?,
        };
        Ok(Constraint {
            action: if action.is_empty() { "deny" } else { action }.to_owned(),
            name: name.to_owned(),
            matching: Match::new(document.pointer("/spec/match"))?,
            parameters: template.parameters(parameters),
        })
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns which objects it is about.
    pub fn matching(&self) -> &Match {
        &self.matching
    }

    /// Returns the parameters, with the defaults of the template.
    pub fn parameters(&self) -> &Value {
        &self.parameters
    }

    /// Returns what is done with violations, as it is written: `deny` if nothing is.
    pub fn enforcement_action(&self) -> &str {
        &self.action
    }
}
