//! Facts of a built-in, taken from its document as Azure publishes or answers it.
//!
//! Owns what is taken: what `facts.json` and a lock keep. Texts that describe stay behind. Must not know where a document
//! came from.

use super::parameter::ParameterType;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is taken, or why the document cannot be understood.
pub type Outcome<T> = Result<T, String>;

/// Returns the name of a built-in in lower case.
///
/// # Errors
/// The document has none.
pub fn name(document: &Value) -> Outcome<String> {
    Ok(text(document, "/name")?.to_ascii_lowercase())
}

/// Returns the version that a document states: an api-version that knows no versions leaves it in the metadata.
///
/// # Errors
/// The document states none.
pub fn version(document: &Value) -> Outcome<&str> {
    text(document, "/properties/version").or_else(|_| {
        let version = text(document, "/properties/metadata/version")?;
        Ok(version.strip_suffix("-deprecated").unwrap_or(version))
    })
}

/// Returns the versions that Azure lists, as it spells them; the document's own where it lists none.
///
/// # Errors
/// The document lists none and states none.
pub fn listed(document: &Value) -> Outcome<Vec<String>> {
    let listed = document.pointer("/properties/versions").and_then(Value::as_array);
    let listed: Vec<String> = listed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if listed.is_empty() {
        return Ok(vec![version(document)?.to_owned()]);
    }
    Ok(listed)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Outcome<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.ok_or_else(|| format!("no text at {pointer}"))
}

/// Returns what definitions and sets have in common: name, title, category, listed versions, and the marks of a preview and
/// of what is no longer to be used.
///
/// # Errors
/// The document lacks one of these.
pub fn heading(document: &Value) -> Outcome<Map<String, Value>> {
    let mut facts = Map::new();
    facts.insert("name".to_owned(), name(document)?.into());
    facts.insert(
        "displayName".to_owned(),
        text(document, "/properties/displayName")?.into(),
    );
    facts.insert(
        "category".to_owned(),
        text(document, "/properties/metadata/category")?.into(),
    );
    facts.insert("listed".to_owned(), listed(document)?.into());
    // A mark is `true` or `"true"`, and some have it in the version only.
    let marked = |name: &str| {
        let mark = document.pointer(&format!("/properties/metadata/{name}"));
        let word = mark.is_some_and(|mark| mark == &json!(true) || mark.as_str() == Some("true"));
        let version = text(document, "/properties/metadata/version").unwrap_or_default();
        word || version.ends_with(&format!("-{name}"))
    };
    for name in ["deprecated", "preview"] {
        if marked(name) {
            facts.insert(name.to_owned(), true.into());
        }
    }
    Ok(facts)
}

/// Returns what is kept of one version of a policy definition.
///
/// # Errors
/// The rule's effect or a parameter is of a form that is not understood.
pub fn version_facts(document: &Value) -> Outcome<Value> {
    let mut facts = Map::new();
    facts.insert("version".to_owned(), version(document)?.into());
    facts.insert("mode".to_owned(), text(document, "/properties/mode")?.into());
    let parameters = parameters(document)?;

    let effect = text(document, "/properties/policyRule/then/effect")?;
    let parameter = effect
        .strip_prefix("[parameters('")
        .and_then(|rest| rest.strip_suffix("')]"));
    let effects = match parameter {
        Some(name) => {
            facts.insert("effectParameter".to_owned(), name.into());
            let allowed = parameters.get(name).and_then(|parameter| parameter.get("allowed"));
            allowed
                .cloned()
                .ok_or(format!("the effect parameter `{name}` has no allowed values"))?
        }
        None if effect.starts_with('[') => return Err(format!("an effect that is not understood: {effect}")),
        None => json!([effect]),
    };
    facts.insert("effects".to_owned(), effects);

    let mut resource_types = BTreeSet::new();
    if let Some(condition) = document.pointer("/properties/policyRule/if") {
        collect_resource_types(condition, &mut resource_types);
    }
    let details = |pointer: &str| document.pointer(&format!("/properties/policyRule/then/details/{pointer}"));
    let list = |pointer: &str| match details(pointer) {
        Some(Value::Array(items)) => items.clone(),
        Some(Value::String(expression)) => vec![expression.as_str().into()],
        _ => Vec::new(),
    };
    let lists = [
        ("resourceTypes", resource_types.into_iter().map(Value::from).collect()),
        ("apiGroups", list("apiGroups")),
        ("kinds", list("kinds")),
        ("roleDefinitionIds", list("roleDefinitionIds")),
    ];
    for (name, items) in lists.into_iter().filter(|(_, items)| !items.is_empty()) {
        facts.insert(name.to_owned(), items.into());
    }
    let template = ["templateInfo/url", "mutationInfo/url", "constraintTemplate"];
    if let Some(url) = template.into_iter().find_map(details) {
        facts.insert("template".to_owned(), url.clone());
    }
    if !parameters.is_empty() {
        facts.insert("parameters".to_owned(), parameters.into());
    }
    if text(document, "/properties/mode")?.eq_ignore_ascii_case("Microsoft.Kubernetes.Data") {
        let constraint = constraint_facts(document.pointer("/properties/policyRule/then/details"));
        facts.insert("constraint".to_owned(), constraint);
    }
    Ok(facts.into())
}

/// Returns how a definition makes a constraint of its parameters: what of `then.details` the other facts do not hold.
fn constraint_facts(details: Option<&Value>) -> Value {
    let has = |name: &str| details.is_some_and(|details| details.get(name).is_some());
    let form = match () {
        () if has("templateInfo") => "template",
        () if has("mutationInfo") => "mutation",
        () => "legacy",
    };
    let mut facts = Map::from_iter([("form".to_owned(), Value::from(form))]);
    for name in [
        "excludedNamespaces",
        "labelSelector",
        "namespaces",
        "source",
        "values",
        "warn",
    ] {
        if let Some(value) = details.and_then(|details| details.get(name)) {
            facts.insert(name.to_owned(), value.clone());
        }
    }
    facts.into()
}

/// Collects the types that a condition compares the field `type` with; an expression or a pattern is no type.
fn collect_resource_types(condition: &Value, found: &mut BTreeSet<String>) {
    match condition {
        Value::Object(entries) => {
            if entries.get("field").and_then(Value::as_str) == Some("type") {
                let one = entries.get("equals").into_iter();
                let many = entries.get("in").and_then(Value::as_array).into_iter().flatten();
                let types = one.chain(many).filter_map(Value::as_str);
                found.extend(types.filter(|text| !text.starts_with('[')).map(str::to_owned));
            }
            entries.values().for_each(|value| collect_resource_types(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_resource_types(value, found)),
        _ => {}
    }
}

fn parameters(document: &Value) -> Outcome<Map<String, Value>> {
    let mut facts = Map::new();
    let declared = document.pointer("/properties/parameters").and_then(Value::as_object);
    for (name, parameter) in declared.into_iter().flatten() {
        let written = text(parameter, "/type")?;
        let ty = ParameterType::parse(written).ok_or(format!("`{name}` has the unknown type `{written}`"))?;
        let mut fact = Map::new();
        fact.insert("type".to_owned(), ty.to_string().into());
        for (key, theirs) in [
            ("allowed", "/allowedValues"),
            ("default", "/defaultValue"),
            ("strongType", "/metadata/strongType"),
        ] {
            if let Some(value) = parameter.pointer(theirs) {
                fact.insert(key.to_owned(), value.clone());
            }
        }
        for key in ["assignPermissions", "deprecated"] {
            if parameter.pointer(&format!("/metadata/{key}")) == Some(&json!(true)) {
                fact.insert(key.to_owned(), true.into());
            }
        }
        if let Some(schema) = parameter.get("schema") {
            fact.insert("schema".to_owned(), undescribed(schema));
        }
        facts.insert(name.clone(), fact.into());
    }
    Ok(facts)
}

/// Returns a schema without what is there for readers only; a property of such a name stays.
pub(crate) fn undescribed(schema: &Value) -> Value {
    match schema {
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(key, value)| {
                !(key.starts_with("x-ms-") || key.as_str() == "description" && value.is_string())
            });
            kept.map(|(key, value)| (key.clone(), undescribed(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(items) => items.iter().map(undescribed).collect(),
        other => other.clone(),
    }
}

/// Returns what is kept of one version of a policy set definition.
///
/// # Errors
/// A member or a parameter is of a form that is not understood.
pub fn set_facts(document: &Value) -> Outcome<Value> {
    let mut members = Vec::new();
    let stated = document
        .pointer("/properties/policyDefinitions")
        .and_then(Value::as_array);
    for member in stated.ok_or("no members")? {
        let mut fact = Map::new();
        let id = text(member, "/policyDefinitionId")?;
        let (parent, name) = id.rsplit_once('/').ok_or(format!("`{id}` is no id"))?;
        if !parent.eq_ignore_ascii_case("/providers/Microsoft.Authorization/policyDefinitions") {
            return Err(format!("`{id}` is no built-in"));
        }
        fact.insert("definition".to_owned(), name.to_ascii_lowercase().into());
        fact.insert(
            "referenceId".to_owned(),
            text(member, "/policyDefinitionReferenceId")?.into(),
        );
        if let Some(pin) = member.get("definitionVersion") {
            fact.insert("version".to_owned(), pin.clone());
        }
        let mut values = Map::new();
        for (name, entry) in member
            .get("parameters")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            values.insert(
                name.clone(),
                entry.get("value").ok_or(format!("`{name}` has no value"))?.clone(),
            );
        }
        if !values.is_empty() {
            fact.insert("parameters".to_owned(), values.into());
        }
        members.push(Value::from(fact));
    }
    let mut current = Map::new();
    current.insert("version".to_owned(), version(document)?.into());
    current.insert("members".to_owned(), members.into());
    let parameters = parameters(document)?;
    if !parameters.is_empty() {
        current.insert("parameters".to_owned(), parameters.into());
    }
    Ok(current.into())
}

/// Returns a value with the keys of every object in order, whatever order the JSON crate keeps.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries: BTreeMap<String, Value> = entries.into_iter().collect();
            entries
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
