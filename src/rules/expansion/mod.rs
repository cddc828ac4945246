//! What is made of an object: by Gatekeeper's ExpansionTemplates, and by the controllers of Kubernetes.
//!
//! Owns how a derived object looks, so that its rules can be asked before it is there. Must not know which gates there are.

mod workload;

pub use workload::{Derived, pods_of};

use super::review::Review;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How long a chain of expansions may be. No chain without a circle comes near.
const LONGEST_CHAIN: usize = 30;

/// The kinds of `mutations.gatekeeper.sh`.
const MUTATORS: &str = "mutations.gatekeeper.sh/";

/// The expansions of a cluster: what Gatekeeper looks at besides an object that it is asked about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expander {
    templates: Vec<Expansion>,
}

/// An ExpansionTemplate.
#[derive(Clone, Debug, PartialEq)]
struct Expansion {
    name: String,
    /// Groups, versions and kinds; one entry suffices.
    apply_to: Vec<[Vec<String>; 3]>,
    source: String,
    group: String,
    version: String,
    kind: String,
    action: Option<String>,
}

/// What an ExpansionTemplate makes of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Expanded {
    /// The object, with the namespace of what it was made of.
    pub object: Value,
    /// The name of the ExpansionTemplate.
    pub template: String,
    /// The action that takes the place of the constraint's, as it is written; Gatekeeper does not check it.
    pub enforcement_action: Option<String>,
}

impl Expanded {
    /// Returns a message of a rule as Gatekeeper reports it.
    pub fn message(&self, message: &str) -> String {
        format!("[Implied by {}] {message}", self.template)
    }

    /// Returns what a rule is shown: Gatekeeper gives it neither an operation nor a user.
    pub fn review(&self) -> Review {
        Review::of_audit(&self.object)
    }
}

/// Why something is no expansion, or an object cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpansionError {
    /// Another kind of document.
    #[error("not an ExpansionTemplate: it is `{0}`")]
    Kind(String),
    /// A mutator, which changes what is derived.
    #[error("`{0}` is a mutator: it changes objects before they are judged, and that is not done here")]
    Mutator(String),
    /// Something in it is not as it must be.
    #[error("the ExpansionTemplate `{name}`: {reason}")]
    Invalid {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Two of one name.
    #[error("there are two ExpansionTemplates `{0}`")]
    Twice(String),
    /// A circle.
    #[error("the ExpansionTemplate `{0}` makes something of what is made of its own objects")]
    Circle(String),
    /// The object has not what is to be taken out of it.
    #[error("`{name}` has no mapping `{path}`, of which the ExpansionTemplate `{template}` makes something")]
    Source {
        /// The name of the object.
        name: String,
        /// Where it should be.
        path: String,
        /// The name of the ExpansionTemplate.
        template: String,
    },
}

impl Expander {
    /// Whether a document is an ExpansionTemplate.
    pub fn is_expansion(document: &Value) -> bool {
        text(document, "/kind") == "ExpansionTemplate"
            && text(document, "/apiVersion").starts_with("expansion.gatekeeper.sh/")
    }

    /// Whether a document is a mutator of Gatekeeper's, which no expander can honour.
    pub fn is_mutator(document: &Value) -> bool {
        text(document, "/apiVersion").starts_with(MUTATORS)
    }

    /// Reads ExpansionTemplates; what Gatekeeper refuses, alone or together, is an error.
    pub fn new(documents: &[&Value]) -> Result<Expander, ExpansionError> {
        let mut templates: Vec<Expansion> = Vec::new();
        for document in documents {
            if Expander::is_mutator(document) {
                return Err(ExpansionError::Mutator(kind_of(document)));
            }
            if !Expander::is_expansion(document) {
                return Err(ExpansionError::Kind(kind_of(document)));
            }
            let expansion = Expansion::new(document)?;
            if templates.iter().any(|one| one.name == expansion.name) {
                return Err(ExpansionError::Twice(expansion.name));
            }
            templates.push(expansion);
        }
        if let Some(name) = circle(&templates) {
            return Err(ExpansionError::Circle(name));
        }
        templates.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Expander { templates })
    }

    /// Returns everything that is made of an object, directly and of what is made of it.
    pub fn expand(&self, object: &Value) -> Result<Vec<Expanded>, ExpansionError> {
        let mut all = Vec::new();
        self.expand_into(object, &mut all, 0)?;
        Ok(all)
    }

    fn expand_into(&self, object: &Value, all: &mut Vec<Expanded>, depth: usize) -> Result<(), ExpansionError> {
        for template in self.templates.iter().filter(|template| template.applies(object)) {
            if depth == LONGEST_CHAIN {
                return Err(ExpansionError::Circle(template.name.clone()));
            }
            let made = template.make(object)?;
            let at = all.len();
            all.push(made);
            let object = all.get(at).map(|made| made.object.clone()).unwrap_or_default();
            self.expand_into(&object, all, depth + 1)?;
        }
        Ok(())
    }
}

impl Expansion {
    fn new(document: &Value) -> Result<Expansion, ExpansionError> {
        let name = text(document, "/metadata/name").to_owned();
        let invalid = |reason: &str| ExpansionError::Invalid {
            name: name.clone(),
            reason: reason.to_owned(),
        };
        if name.is_empty() || name.len() > 63 {
            return Err(invalid("`metadata.name` must have 1 to 63 characters"));
        }
        let source = text(document, "/spec/templateSource").to_owned();
        if source.is_empty() {
            return Err(invalid("`spec.templateSource` is missing"));
        }
        let made = |name: &str| text(document, &format!("/spec/generatedGVK/{name}")).to_owned();
        let (group, version, kind) = (made("group"), made("version"), made("kind"));
        if group.is_empty() && version.is_empty() && kind.is_empty() {
            return Err(invalid("`spec.generatedGVK` is missing"));
        }
        let mut apply_to = Vec::new();
        let entries = document.pointer("/spec/applyTo").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let list = |name: &str| texts(entry.get(name));
            match (list("groups"), list("versions"), list("kinds")) {
                (Some(groups), Some(versions), Some(kinds)) => apply_to.push([groups, versions, kinds]),
                _ => {
                    return Err(invalid(
                        "`spec.applyTo` must have lists `groups`, `versions` and `kinds`",
                    ));
                }
            }
        }
        if apply_to.is_empty() {
            return Err(invalid("`spec.applyTo` is missing"));
        }
        let action = Some(text(document, "/spec/enforcementAction")).filter(|action| !action.is_empty());
        let expansion = Expansion {
            action: action.map(str::to_owned),
            name: name.clone(),
            apply_to,
            source,
            group,
            version,
            kind,
        };
        if expansion.applies_to(&expansion.group, &expansion.version, &expansion.kind) {
            return Err(invalid("it makes what it is applied to"));
        }
        Ok(expansion)
    }

    /// Each of group, version and kind is looked at as it is written: there are no wildcards.
    fn applies_to(&self, group: &str, version: &str, kind: &str) -> bool {
        let has = |list: &[String], value: &str| list.iter().any(|one| one == value);
        let mut entries = self.apply_to.iter();
        entries.any(|[groups, versions, kinds]| has(groups, group) && has(versions, version) && has(kinds, kind))
    }

    fn applies(&self, object: &Value) -> bool {
        let api_version = text(object, "/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.applies_to(group, version, text(object, "/kind"))
    }

    fn make(&self, object: &Value) -> Result<Expanded, ExpansionError> {
        let mut place = Some(object);
        for step in self.source.split('.') {
            place = place.and_then(|place| place.get(step));
        }
        let name = text(object, "/metadata/name");
        let mut made = place
            .and_then(Value::as_object)
            .cloned()
            .ok_or_else(|| ExpansionError::Source {
                name: name.to_owned(),
                path: self.source.clone(),
                template: self.name.clone(),
            })?;
        let api_version = match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        };
        made.insert("apiVersion".to_owned(), api_version.into());
        made.insert("kind".to_owned(), self.kind.clone().into());
        let dash = if self.kind.is_empty() { "" } else { "-" };
        let made_name = format!("{name}{dash}{}", self.kind).to_lowercase();
        name_it(&mut made, &made_name, text(object, "/metadata/namespace"));
        Ok(Expanded {
            object: Value::Object(made),
            template: self.name.clone(),
            enforcement_action: self.action.clone(),
        })
    }
}

/// Gives a derived object its name and its namespace, or takes away the one that it says it has.
fn name_it(object: &mut Map<String, Value>, name: &str, namespace: &str) {
    let metadata = object
        .entry("metadata")
        .and_modify(|metadata| {
            if !metadata.is_object() {
                *metadata = Value::Object(Map::new());
            }
        })
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    metadata.insert("name".to_owned(), name.into());
    metadata.remove("namespace");
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
}

/// Returns the first template from which a chain comes back to it.
fn circle(templates: &[Expansion]) -> Option<String> {
    let next = |from: usize| {
        let made = templates.get(from);
        let applies = move |to: &Expansion| made.is_some_and(|one| to.applies_to(&one.group, &one.version, &one.kind));
        let indexed = templates.iter().enumerate();
        indexed.filter(move |(_, to)| applies(to)).map(|(at, _)| at)
    };
    (0..templates.len())
        .find(|start| {
            let mut seen = BTreeSet::new();
            let mut open: Vec<usize> = next(*start).collect();
            while let Some(at) = open.pop() {
                if at == *start {
                    return true;
                }
                if seen.insert(at) {
                    open.extend(next(at));
                }
            }
            false
        })
        .and_then(|start| templates.get(start))
        .map(|template| template.name.clone())
}

fn texts(list: Option<&Value>) -> Option<Vec<String>> {
    let list = list?.as_array()?.iter();
    list.map(|value| value.as_str().map(str::to_owned)).collect()
}

fn kind_of(document: &Value) -> String {
    format!("{}, {}", text(document, "/apiVersion"), text(document, "/kind"))
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
