//! The hash of what acts in a built-in.
//!
//! Of a policy definition: its mode, its rule with everything in it (condition, effect, the URL of a constraint template or a
//! mutation, roles, an embedded deployment), and of each parameter its type, allowed values, default value, schema and whether an
//! assignment gives permissions on it. Of a policy set definition: its parameters, read so, and of each member its reference, its definition,
//! its pin and its parameters; the order of members does not act. Left out is what only people read: titles, descriptions, categories,
//! groups, versions, marks, and what the portal offers for a parameter.

use crate::catalog::ParameterType;
use crate::catalog::extract::undescribed;
use crate::diff::digest;
use serde_json::{Map, Value, json};

/// Returns the hash of a policy definition's or policy set definition's content, as ARM answers it.
///
/// # Errors
/// The document is neither, or a part of it that acts is missing.
pub fn content(document: &Value) -> Result<String, String> {
    let properties = document.get("properties").ok_or("it has no `properties`")?;
    let parameters = parameters(properties.get("parameters"))?;
    let acts = match properties.get("policyDefinitions") {
        Some(Value::Array(members)) => json!({"parameters": parameters, "members": sorted_members(members)?}),
        Some(_) => return Err("its `policyDefinitions` are no list".to_owned()),
        None => {
            let mode = properties
                .get("mode")
                .and_then(Value::as_str)
                .ok_or("it has no `mode`")?;
            let rule = properties.get("policyRule").filter(|rule| rule.is_object());
            let rule = rule.ok_or("it has no `policyRule`")?;
            json!({"mode": mode, "parameters": parameters, "policyRule": without_descriptions(rule)})
        }
    };
    Ok(digest(&acts))
}

fn parameters(declared: Option<&Value>) -> Result<Map<String, Value>, String> {
    let mut kept = Map::new();
    for (name, parameter) in declared.and_then(Value::as_object).into_iter().flatten() {
        let ty = parameter.get("type").and_then(Value::as_str).unwrap_or_default();
        let ty = ParameterType::parse(ty).map_or_else(|| ty.to_owned(), |ty| ty.to_string());
        let mut acts = Map::from_iter([("type".to_owned(), Value::from(ty))]);
        for key in ["allowedValues", "defaultValue"] {
            acts.extend(parameter.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        acts.extend(
            parameter
                .get("schema")
                .map(|schema| ("schema".to_owned(), undescribed(schema))),
        );
        if parameter.pointer("/metadata/assignPermissions") == Some(&json!(true)) {
            acts.insert("assignPermissions".to_owned(), json!(true));
        }
        kept.insert(name.clone(), Value::Object(acts));
    }
    Ok(kept)
}

fn sorted_members(members: &[Value]) -> Result<Vec<Value>, String> {
    let text = |member: &Value, key: &str| member.get(key).and_then(Value::as_str).map(str::to_ascii_lowercase);
    let mut kept = Vec::new();
    for member in members {
        let definition = text(member, "policyDefinitionId").ok_or("a member has no `policyDefinitionId`")?;
        let reference = text(member, "policyDefinitionReferenceId").unwrap_or_default();
        let parameters = member.get("parameters").cloned().unwrap_or_else(|| json!({}));
        let acts = json!({
            "reference": reference,
            "definition": definition,
            "version": text(member, "definitionVersion"),
            "parameters": parameters,
        });
        kept.push((reference, definition, acts));
    }
    kept.sort_by(|one, two| (&one.0, &one.1).cmp(&(&two.0, &two.1)));
    Ok(kept.into_iter().map(|(_, _, acts)| acts).collect())
}

/// Returns a rule without the descriptions in the metadata of the deployment templates inside it.
fn without_descriptions(rule: &Value) -> Value {
    match rule {
        Value::Object(entries) => {
            let kept = entries.iter().filter_map(|(key, value)| {
                let described = key == "metadata" && value.get("description").is_some_and(Value::is_string);
                let mut value = without_descriptions(value);
                if let Some(metadata) = value.as_object_mut().filter(|_| described) {
                    metadata.remove("description");
                    if metadata.is_empty() {
                        return None;
                    }
                }
                Some((key.clone(), value))
            });
            kept.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(without_descriptions).collect(),
        other => other.clone(),
    }
}
