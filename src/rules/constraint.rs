//! Constraints: a template's rule with parameters, and the objects it is about.

use super::matching::{Match, MatchError};
use super::schema::ParameterError;
use super::template::Template;
use serde_json::Value;

/// A constraint, checked against its template.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    name: String,
    matching: Match,
    parameters: Value,
    action: String,
    /// Actions and the points at which they are taken, all in lower case; none unless the action is `scoped`.
    scoped: Vec<(String, Vec<String>)>,
}

/// The action that says that other actions are meant, each at its own points.
const SCOPED: &str = "scoped";

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
    /// The schema of the template refuses the parameters.
    #[error(transparent)]
    Refused(#[from] ParameterError),
    /// The action is no text.
    #[error("`spec.enforcementAction` must be a text")]
    Action,
    /// The `match` block cannot be taken.
    #[error("`spec`: {0}")]
    Match(#[from] MatchError),
}

impl Constraint {
    /// Reads a constraint of a template, with the parameters that an API server makes of those in it.
    pub fn from_document(document: &Value, template: &Template) -> Result<Constraint, ConstraintError> {
        Constraint::read(document, template, &|given| template.accepted(given))
    }

    /// Reads a constraint as Gatekeeper's own runs of suites do: parameters that the schema does not know are seen by the rule.
    pub fn from_suite(document: &Value, template: &Template) -> Result<Constraint, ConstraintError> {
        Constraint::read(document, template, &|given| template.accepted_whole(given))
    }

    fn read(
        document: &Value,
        template: &Template,
        accept: &dyn Fn(Option<&Value>) -> Result<Value, ParameterError>,
    ) -> Result<Constraint, ConstraintError> {
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
        let lists = |entry: &Value| {
            let text = |value: &Value, name: &str| {
                let text = value.get(name).and_then(Value::as_str);
                text.unwrap_or_default().to_lowercase()
            };
            let points = entry.get("enforcementPoints").and_then(Value::as_array);
            let points = points.into_iter().flatten().map(|point| text(point, "name"));
            (text(entry, "action"), points.collect())
        };
        let scoped = document
            .pointer("/spec/scopedEnforcementActions")
            .and_then(Value::as_array)
            .filter(|_| action == SCOPED);
        Ok(Constraint {
            scoped: scoped.into_iter().flatten().map(lists).collect(),
            action: if action.is_empty() { "deny" } else { action }.to_owned(),
            name: name.to_owned(),
            matching: Match::new(document.pointer("/spec/match"))?,
            parameters: accept(parameters)?,
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

    /// Returns what is done with violations at a point of Gatekeeper's (`validation.gatekeeper.sh` is admission,
    /// `gator.gatekeeper.sh` a suite); nothing if the constraint is not asked there.
    pub fn actions_at(&self, point: &str) -> Vec<&str> {
        if self.action != SCOPED {
            return vec![&self.action];
        }
        let meant = |points: &Vec<String>| points.iter().any(|one| one == "*" || one == point);
        let scoped = self.scoped.iter().filter(|(_, points)| meant(points));
        scoped.map(|(action, _)| action.as_str()).collect()
    }

    /// Returns what is done with violations, as it is written: `deny` if nothing is.
    pub fn enforcement_action(&self) -> &str {
        &self.action
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_action_may_be_taken_at_some_points_only() {
        let template = Template::from_rego("P", Value::Null, "package p\nviolation[{\"msg\": \"x\"}] { true }\n");
        let constraint = |spec: Value| {
            let document = json!({
                "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "P", "metadata": {"name": "p"}, "spec": spec,
            });
            Constraint::from_document(&document, &template)
        };
        let at = |spec: Value, point: &str| -> Vec<String> {
            let constraint = constraint(spec).unwrap();
            constraint.actions_at(point).into_iter().map(str::to_owned).collect()
        };
        let scoped = json!({"enforcementAction": "scoped", "scopedEnforcementActions": [
            {"action": "Deny", "enforcementPoints": [{"name": "Validation.gatekeeper.sh"}]},
            {"action": "warn", "enforcementPoints": [{"name": "*"}]},
        ]});
        assert_eq!(at(json!({}), "validation.gatekeeper.sh"), ["deny"]);
        assert_eq!(
            at(json!({"enforcementAction": "dryrun"}), "gator.gatekeeper.sh"),
            ["dryrun"]
        );
        assert_eq!(at(scoped.clone(), "validation.gatekeeper.sh"), ["deny", "warn"]);
        assert_eq!(at(scoped.clone(), "gator.gatekeeper.sh"), ["warn"]);
        let mut only = scoped;
        only["scopedEnforcementActions"].as_array_mut().unwrap().pop();
        assert!(at(only.clone(), "gator.gatekeeper.sh").is_empty());
        only["enforcementAction"] = json!("deny");
        assert_eq!(at(only, "gator.gatekeeper.sh"), ["deny"]);
        assert_eq!(
            constraint(json!({"enforcementAction": 1})),
            Err(ConstraintError::Action)
        );
    }
}
