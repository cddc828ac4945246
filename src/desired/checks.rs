//! What a rendered document may not state, because aksgate decides it; and every reason why documents cannot be made.

use crate::diff::changes;
use crate::kinds::Kind;
use crate::render::engine::RenderError;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Why the objects of an environment cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// A template cannot be filled.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A template states what only aksgate may.
    #[error("template `{template}` sets `{field}`, which aksgate sets itself; take it out of the template")]
    Stated {
        /// The template's file name.
        template: &'static str,
        /// The field.
        field: String,
    },
    /// A template leaves out what the document cannot be without.
    #[error("template `{template}` leaves out `{field}`; take it over from the template that aksgate brings")]
    Missing {
        /// The template's file name.
        template: &'static str,
        /// The field.
        field: String,
    },
    /// A template states what the environment does not ask for.
    #[error("template `{template}` sets `{field}`, which the environment does not state; take it out of the template")]
    Unasked {
        /// The template's file name.
        template: &'static str,
        /// The field.
        field: String,
    },
    /// A document breaks one of Azure's limits.
    #[error("{label} `{name}`: `{field}` has {found} {unit}, Azure takes {limit} at most")]
    Limit {
        /// The kind's label.
        label: &'static str,
        /// The object's name.
        name: String,
        /// The field.
        field: String,
        /// How many there are.
        found: usize,
        /// Of what, such as `characters`.
        unit: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A gate's initiative cannot be put at a stage.
    #[error("gate `{gate}`: initiative `{initiative}` has no `effect` parameter that knows {stage}")]
    NoEffect {
        /// The gate.
        gate: String,
        /// The initiative.
        initiative: String,
        /// The stage.
        stage: String,
    },
    /// A gate's assignment needs an identity, and the environment does not say where.
    #[error(
        "gate `{gate}`: a member deploys or modifies, so its assignment needs an identity; state `location` in the environment"
    )]
    NoLocation {
        /// The gate.
        gate: String,
    },
    /// A gate excludes namespaces and its initiative cannot.
    #[error(
        "gate `{gate}`: initiative `{initiative}` has no parameter `excludedNamespaces`, so nothing can be excluded"
    )]
    NoExclusion {
        /// The gate.
        gate: String,
        /// The initiative.
        initiative: String,
    },
}

/// Checks a rendered document, of which we own only a part, against the settings that are to be in it. More settings of the
/// add-on are the template's.
pub(super) fn settings(kind: Kind, body: &Value, wanted: &Value) -> Result<(), DesiredError> {
    let template = kind.template();
    let addon = wanted.pointer("/properties/addonProfiles").is_some();
    let about_addon = |path: &str| path.to_lowercase().starts_with("properties.addonprofiles.azurepolicy");
    // Of an add-on that is not asked for, the comparable form says that it is off.
    let asked = |path: &str| addon || !about_addon(path);
    let lost = changes(&kind.comparable(wanted), &kind.comparable(body));
    if let Some(lost) = lost
        .into_iter()
        .find(|change| change.before.is_some() && asked(&change.path))
    {
        return Err(DesiredError::Missing {
            template,
            field: lost.path,
        });
    }
    let added = changes(wanted, body)
        .into_iter()
        .filter(|change| change.before.is_none());
    match added.into_iter().find(|change| !(addon && about_addon(&change.path))) {
        Some(added) => Err(DesiredError::Unasked {
            template,
            field: added.path,
        }),
        None => Ok(()),
    }
}

/// Returns the properties of a rendered document, refusing what only aksgate may state.
pub(super) fn properties(kind: Kind, body: Value, forbidden: &[&str]) -> Result<Map<String, Value>, DesiredError> {
    let template = kind.template();
    let Value::Object(mut body) = body else {
        return Err(DesiredError::Missing {
            template,
            field: "properties".to_owned(),
        });
    };
    let Some(Value::Object(properties)) = body.remove("properties") else {
        return Err(DesiredError::Missing {
            template,
            field: "properties".to_owned(),
        });
    };
    if let Some(field) = body.keys().next() {
        return Err(DesiredError::Stated {
            template,
            field: field.clone(),
        });
    }
    for field in forbidden {
        let mut value = Some(&properties);
        let mut found = false;
        let segments: Vec<&str> = field.split('.').collect();
        for (at, segment) in segments.iter().enumerate() {
            // Azure reads names of properties without regard to case, so another casing is the same field.
            let named = value.and_then(|map| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(segment)));
            match named.map(|(_, value)| value) {
                Some(_) if at + 1 == segments.len() => found = true,
                Some(Value::Object(map)) => value = Some(map),
                _ => break,
            }
        }
        if found {
            return Err(DesiredError::Stated {
                template,
                field: format!("properties.{field}"),
            });
        }
    }
    if let Some(field) = twice("properties", &properties) {
        return Err(DesiredError::Stated { template, field });
    }
    Ok(properties)
}

/// The first field that stands twice, in two casings: Azure would take either.
fn twice(path: &str, map: &Map<String, Value>) -> Option<String> {
    let mut seen = BTreeSet::new();
    map.iter().find_map(|(key, value)| {
        let path = format!("{path}.{key}");
        match (seen.insert(key.to_ascii_lowercase()), value) {
            (false, _) => Some(path),
            (true, Value::Object(map)) if matches!(key.as_str(), "metadata" | "parameters") => twice(&path, map),
            (true, _) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(body: Value, forbidden: &[&str]) -> String {
        let result = properties(Kind::PolicyAssignment, json!({ "properties": body }), forbidden);
        result.map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_template_cannot_state_what_is_ours_in_another_casing() {
        let forbidden = ["enforcementMode", "metadata.aksgate", "parameters.effect"];
        assert!(refused(json!({"EnforcementMode": "DoNotEnforce"}), &forbidden).contains("enforcementMode"));
        assert!(refused(json!({"Metadata": {"AKSGATE": "x"}}), &forbidden).contains("metadata.aksgate"));
        assert!(refused(json!({"parameters": {"Effect": {}}}), &forbidden).contains("parameters.effect"));
        assert!(refused(json!({"parameters": {}, "Parameters": {}}), &forbidden).contains("arameters"));
        assert!(refused(json!({"parameters": {"a": 1, "A": 2}}), &forbidden).contains("properties.parameters."));
        let fine = json!({"properties": {"parameters": {"a": {}}, "metadata": {"category": "x"}}});
        assert!(properties(Kind::PolicyAssignment, fine, &forbidden).is_ok());
    }
}
