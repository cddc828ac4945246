//! What an assignment of others assigns, as an initiative's file.

use super::{Field, comment};
use crate::catalog::{Definition, PolicySet, SetFacts};
use crate::model::ResourceId;
use crate::observed::LiveObject;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The start of the id of what Microsoft brings.
const BUILT_IN: &str = "/providers/microsoft.authorization/";
/// The mode of definitions that are judged inside a cluster.
const KUBERNETES: &str = "Microsoft.Kubernetes.Data";
/// The parameters that the ladder and the exclusions set.
const OURS: [&str; 2] = ["effect", "excludedNamespaces"];

/// What an assignment assigns.
pub(super) struct Content {
    /// What it is called in Azure.
    pub title: String,
    /// The initiative's file.
    pub file: String,
    /// What a gate states of its parameters.
    pub parameters: BTreeMap<String, Value>,
}

impl Content {
    /// Returns what an assignment assigns.
    ///
    /// # Errors
    /// Why it cannot be said, in a sentence without a full stop.
    pub fn of(field: Field<'_>, assignment: &LiveObject, given: &BTreeMap<String, Value>) -> Result<Content, String> {
        let text = |key: &str| assignment.wire.pointer(key).and_then(Value::as_str).unwrap_or_default();
        let id = text("/properties/policyDefinitionId").to_ascii_lowercase();
        let version = text("/properties/definitionVersion");
        let built_in = id.strip_prefix(BUILT_IN);
        if let Some(name) = built_in.and_then(|rest| rest.strip_prefix("policysetdefinitions/")) {
            let set = field.catalog.initiative(name);
            let set = set.ok_or("assigns an initiative of Azure that is not about AKS")?;
            return of_set(field, set, version, given);
        }
        if let Some(name) = built_in.and_then(|rest| rest.strip_prefix("policydefinitions/")) {
            let definition = field.catalog.definition(name);
            let definition = definition.ok_or("assigns a definition of Azure that is not about AKS")?;
            is_kubernetes(definition)?;
            let members = [member(definition, version, &BTreeMap::new(), given)?];
            return Ok(own(&definition.display_name, &definition.display_name, &members));
        }
        let set = ResourceId::parse(&id).and_then(|id| {
            let sets = field.observed.sets_of_others.iter().chain(field.observed.objects());
            sets.into_iter().find(|set| set.id == id)
        });
        let set = set.ok_or(
            "assigns a definition of others that was not read; write its rule into an initiative of your own to take it over",
        )?;
        of_custom_set(field, set, given)
    }
}

fn is_kubernetes(definition: &Definition) -> Result<(), String> {
    let mode = &definition.current().mode;
    if mode == KUBERNETES {
        Ok(())
    } else {
        Err(format!(
            "assigns `{}`, which judges resources of Azure and no Kubernetes objects",
            definition.display_name
        ))
    }
}

fn of_set(
    field: Field<'_>,
    set: &PolicySet,
    version: &str,
    given: &BTreeMap<String, Value>,
) -> Result<Content, String> {
    let facts = set.current();
    if !judges_clusters(field, facts) {
        return Err(format!(
            "assigns `{}`, of whose members none judges Kubernetes objects",
            set.display_name
        ));
    }
    let parameters = given.iter().filter(|(name, _)| !OURS.contains(&name.as_str()));
    Ok(Content {
        title: set.display_name.clone(),
        file: format!(
            "# {}\nbuiltin: {}\nversion: {}\n",
            comment(&set.display_name),
            set.name,
            pin(version, &facts.version)
        ),
        parameters: parameters.map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}

fn judges_clusters(field: Field<'_>, facts: &SetFacts) -> bool {
    let definitions = facts
        .members
        .iter()
        .filter_map(|member| field.catalog.definition(&member.definition));
    definitions
        .into_iter()
        .any(|definition| definition.current().mode == KUBERNETES)
}

fn of_custom_set(field: Field<'_>, set: &LiveObject, given: &BTreeMap<String, Value>) -> Result<Content, String> {
    let at = |path: &str| set.wire.pointer(path);
    let members = at("/properties/policyDefinitions").and_then(Value::as_array);
    let declared = at("/properties/parameters").and_then(Value::as_object);
    let default = |name: &str| declared?.get(name)?.get("defaultValue").cloned();
    let mut texts = Vec::new();
    for item in members.into_iter().flatten() {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        let id = text("policyDefinitionId").to_ascii_lowercase();
        let name = id
            .strip_prefix(BUILT_IN)
            .and_then(|rest| rest.strip_prefix("policydefinitions/"));
        let definition = name.and_then(|name| field.catalog.definition(name)).ok_or_else(|| {
            format!(
                "assigns the set `{}`, whose member `{}` is a definition that aksgate does not know",
                set.id.name(),
                text("policyDefinitionReferenceId")
            )
        })?;
        is_kubernetes(definition)?;
        let mut values = BTreeMap::new();
        for (name, value) in item.get("parameters").and_then(Value::as_object).into_iter().flatten() {
            let value = value.get("value").cloned().unwrap_or_default();
            let value = match reference(&value) {
                None => value,
                Some(Ok(parameter)) => match given.get(parameter).cloned().or_else(|| default(parameter)) {
                    Some(value) => value,
                    None => continue,
                },
                Some(Err(expression)) => {
                    return Err(format!(
                        "assigns the set `{}`, which gives `{name}` the expression `{expression}`: only a parameter by itself can be carried over",
                        set.id.name()
                    ));
                }
            };
            values.insert(name.clone(), value);
        }
        texts.push(member(
            definition,
            text("definitionVersion"),
            &values,
            &BTreeMap::new(),
        )?);
    }
    let title = at("/properties/displayName")
        .and_then(Value::as_str)
        .unwrap_or(set.id.name());
    match texts.is_empty() {
        true => Err(format!("assigns the set `{}`, which has no members", set.id.name())),
        false => Ok(own(title, title, &texts)),
    }
}

/// The parameter of the set that a value is an expression of; the expression if it is another one, none if it is a plain value.
fn reference(value: &Value) -> Option<Result<&str, &str>> {
    let text = value.as_str()?;
    let inner = text
        .strip_prefix('[')
        .filter(|rest| !rest.starts_with('['))?
        .strip_suffix(']')?;
    let name = inner
        .trim()
        .strip_prefix("parameters('")
        .and_then(|rest| rest.strip_suffix("')"))
        .filter(|name| !name.contains('\''));
    Some(name.ok_or(text))
}

/// The lines of a member; each value stands there as it is today.
fn member(
    definition: &Definition,
    version: &str,
    stated: &BTreeMap<String, Value>,
    given: &BTreeMap<String, Value>,
) -> Result<String, String> {
    let facts = definition.current();
    let effect = facts.effect_parameter.as_deref();
    let mut text = format!(
        "  - ref: {}\n    definition: {} # {}\n    version: {}\n",
        camel(&definition.display_name),
        definition.name,
        comment(&definition.display_name),
        pin(version, &facts.version)
    );
    let values = stated.iter().chain(given);
    let mut lines = String::new();
    for (name, value) in values.filter(|(name, _)| !OURS.contains(&name.as_str()) && effect != Some(name.as_str())) {
        let _ = writeln!(lines, "      {}: {value}", Value::from(name.as_str()));
    }
    if !lines.is_empty() {
        text.push_str("    parameters:\n");
        text.push_str(&lines);
    }
    Ok(text)
}

fn own(title: &str, description: &str, members: &[String]) -> Content {
    Content {
        title: title.to_owned(),
        file: format!(
            "displayName: {}\ndescription: {}\n\nmembers:\n{}",
            Value::from(title),
            Value::from(description),
            members.join("\n")
        ),
        parameters: BTreeMap::new(),
    }
}

/// The pin that an assignment has, or that follows the version that is known.
fn pin(version: &str, known: &str) -> String {
    if !version.is_empty() {
        return version.to_ascii_lowercase();
    }
    let major: String = known.chars().take_while(char::is_ascii_digit).collect();
    let preview = if known.to_ascii_lowercase().contains("preview") {
        "-preview"
    } else {
        ""
    };
    format!("{major}.*.*{preview}")
}

/// A title as a reference id.
fn camel(title: &str) -> String {
    let mut name = String::new();
    let words = title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words {
        if name.len() + word.len() > 60 {
            break;
        }
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        match name.is_empty() {
            true => name.push_str(&word.to_ascii_lowercase()),
            false => name.extend(first.into_iter().chain(letters.map(|c| c.to_ascii_lowercase()))),
        }
    }
    name
}
