//! Which objects a constraint is about: the `match` block, as Gatekeeper decides it.

use super::selector::Selector;
use serde_json::Value;

/// A `match` block that was checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// Kinds and their groups; one entry suffices.
    kinds: Vec<Kinds>,
    namespaces: Vec<String>,
    excluded_namespaces: Vec<String>,
    label_selector: Option<Selector>,
    namespace_selector: Option<Selector>,
    scope: String,
    name: String,
    source: Option<Origin>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Kinds {
    api_groups: Vec<String>,
    kinds: Vec<String>,
}

/// Where an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody sent it.
    Original,
    /// It was derived from what somebody sent, as a Pod is from its Deployment.
    Generated,
}

/// Why a `match` block cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {reason}")]
pub struct MatchError {
    /// Where, from `match` on.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

/// Why it cannot be said whether an object is meant; Gatekeeper makes a violation of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the constraint selects namespaces by their labels, and the Namespace `{0}` of the object is not known")]
pub struct UnknownNamespace(pub String);

pub(super) fn wrong(path: &str, reason: impl Into<String>) -> MatchError {
    MatchError {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

impl Match {
    /// Reads a `match` block; none means every object.
    pub fn new(block: Option<&Value>) -> Result<Match, MatchError> {
        let mut matching = Match::default();
        let Some(block) = block.filter(|block| !block.is_null()) else {
            return Ok(matching);
        };
        let fields = block.as_object().ok_or_else(|| wrong("match", "must be a mapping"))?;
        for (name, value) in fields {
            let path = format!("match.{name}");
            match name.as_str() {
                "kinds" => {
                    let entries = value.as_array().ok_or_else(|| wrong(&path, "must be a list"))?;
                    let entries = entries
                        .iter()
                        .enumerate()
                        .map(|(at, entry)| kinds(entry, &format!("{path}[{at}]")));
                    matching.kinds = entries.collect::<Result<_, _>>()?;
                }
                "namespaces" => matching.namespaces = wildcards(value, &path)?,
                "excludedNamespaces" => matching.excluded_namespaces = wildcards(value, &path)?,
                "labelSelector" => matching.label_selector = Some(Selector::new(value, &path)?),
                "namespaceSelector" => matching.namespace_selector = Some(Selector::new(value, &path)?),
                "scope" => matching.scope = text(value, &path)?,
                "name" => matching.name = wildcard(value, &path)?,
                "source" => {
                    matching.source = match value.as_str() {
                        Some("All") => None,
                        Some("Original") => Some(Origin::Original),
                        Some("Generated") => Some(Origin::Generated),
                        _ => return Err(wrong(&path, "must be `All`, `Original` or `Generated`")),
                    };
                }
                _ => return Err(wrong(&path, "is not known")),
            }
        }
        Ok(matching)
    }

    /// Returns whether an object is meant.
    ///
    /// `namespace` is the Namespace that the object is in, if it is known; another one is not looked at.
    pub fn applies(&self, object: &Value, namespace: Option<&Value>, origin: Origin) -> Result<bool, UnknownNamespace> {
        let subject = Subject::new(object, namespace);
        if !(self.kinds_apply(&subject) && self.scope_applies(&subject) && self.namespaces_apply(&subject)) {
            return Ok(false);
        }
        if self
            .label_selector
            .as_ref()
            .is_some_and(|selector| !selector.applies(object))
        {
            return Ok(false);
        }
        if let Some(selector) = &self.namespace_selector {
            let labelled = if subject.is_namespace {
                Some(object)
            } else {
                subject.namespace_object
            };
            let applies = match (labelled, subject.namespace) {
                (Some(labelled), _) => selector.applies(labelled),
                (None, None) => true,
                (None, Some(name)) => return Err(UnknownNamespace(name.to_owned())),
            };
            if !applies {
                return Ok(false);
            }
        }
        Ok(self.name_applies(&subject) && self.source.is_none_or(|source| source == origin))
    }

    fn kinds_apply(&self, subject: &Subject<'_>) -> bool {
        let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|one| one == "*" || one == value);
        self.kinds.is_empty()
            || self
                .kinds
                .iter()
                .any(|entry| any(&entry.kinds, subject.kind) && any(&entry.api_groups, subject.group))
    }

    fn scope_applies(&self, subject: &Subject<'_>) -> bool {
        let cluster = subject.is_namespace || subject.namespace.is_none();
        match self.scope.as_str() {
            "Cluster" => cluster,
            "Namespaced" => !cluster,
            _ => true,
        }
    }

    fn namespaces_apply(&self, subject: &Subject<'_>) -> bool {
        let name = if subject.is_namespace {
            Some(subject.name)
        } else {
            subject.namespace
        };
        let Some(name) = name else { return true };
        let fits = |list: &[String]| list.iter().any(|pattern| fits(pattern, name));
        (self.namespaces.is_empty() || fits(&self.namespaces)) && !fits(&self.excluded_namespaces)
    }

    fn name_applies(&self, subject: &Subject<'_>) -> bool {
        self.name.is_empty() || fits(&self.name, subject.name) || fits_start(&self.name, subject.generate_name)
    }
}

/// What is asked of an object.
struct Subject<'a> {
    group: &'a str,
    kind: &'a str,
    name: &'a str,
    generate_name: &'a str,
    is_namespace: bool,
    /// The name of the namespace it is in.
    namespace: Option<&'a str>,
    namespace_object: Option<&'a Value>,
}

impl<'a> Subject<'a> {
    fn new(object: &'a Value, namespace: Option<&'a Value>) -> Subject<'a> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
        let kind = text("/kind");
        let own = Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty());
        let name_of = |namespace: &Value| namespace.pointer("/metadata/name").and_then(Value::as_str) == own;
        Subject {
            group,
            kind,
            name: text("/metadata/name"),
            generate_name: text("/metadata/generateName"),
            is_namespace: kind == "Namespace" && group.is_empty(),
            namespace: own,
            namespace_object: namespace.filter(|namespace| name_of(namespace)),
        }
    }
}

/// Whether a name fits a pattern: only a star at its start and at its end means anything.
fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => name.contains(pattern.trim_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    }
}

/// Whether every name that starts like this fits a pattern.
fn fits_start(pattern: &str, start: &str) -> bool {
    pattern.ends_with('*') && fits(pattern, start)
}

fn text(value: &Value, path: &str) -> Result<String, MatchError> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| wrong(path, "must be a text"))
}

fn texts(value: &Value, path: &str) -> Result<Vec<String>, MatchError> {
    let list = value.as_array().ok_or_else(|| wrong(path, "must be a list of texts"))?;
    list.iter()
        .enumerate()
        .map(|(at, value)| text(value, &format!("{path}[{at}]")))
        .collect()
}

fn wildcard(value: &Value, path: &str) -> Result<String, MatchError> {
    let pattern = text(value, path)?;
    let inner = pattern.strip_prefix('*').unwrap_or(&pattern);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    let allowed = |c: char| matches!(c, '-' | ':' | 'a'..='z' | '0'..='9');
    if inner.chars().all(allowed) {
        return Ok(pattern);
    }
    let reason =
        format!("is `{pattern}`: lower-case letters, digits, `-` and `:`, with `*` only at the start and the end");
    Err(wrong(path, reason))
}

fn wildcards(value: &Value, path: &str) -> Result<Vec<String>, MatchError> {
    let list = value.as_array().ok_or_else(|| wrong(path, "must be a list of texts"))?;
    list.iter()
        .enumerate()
        .map(|(at, value)| wildcard(value, &format!("{path}[{at}]")))
        .collect()
}

fn kinds(entry: &Value, path: &str) -> Result<Kinds, MatchError> {
    let fields = entry.as_object().ok_or_else(|| wrong(path, "must be a mapping"))?;
    let mut kinds = Kinds::default();
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "apiGroups" => kinds.api_groups = texts(value, &path)?,
            "kinds" => kinds.kinds = texts(value, &path)?,
            _ => return Err(wrong(&path, "is not known")),
        }
    }
    Ok(kinds)
}
