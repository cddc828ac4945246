//! What Azure says of built-ins now: which documents have to be read, and what a pin leads to.

use super::content::content;
use super::{Pinned, Sort, Uses};
use crate::catalog::{VersionPin, compare_versions, extract, is_preview};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A document to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// What sort of built-in.
    pub sort: Sort,
    /// Its name, a GUID in lower case.
    pub name: String,
    /// The version; none for the newest one, whose document lists the others.
    pub version: Option<String>,
}

impl Read {
    /// Returns its path.
    pub fn path(&self) -> String {
        self.sort.path(&self.name, self.version.as_deref())
    }
}

/// The documents that were read; none where ARM said that there is no such thing.
pub type Live = BTreeMap<Read, Option<Value>>;

/// What a pin leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A version, and what is known of it.
    Found(Box<Resolved>),
    /// The built-in is there, and no version of it that Azure gives out fits the pin.
    NoVersion {
        /// Its title.
        title: String,
        /// The versions that Azure lists.
        listed: Vec<String>,
    },
    /// There is no such built-in.
    Gone,
    /// The answer is not understood, and why.
    Unusable(String),
}

/// The version that a pin leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The built-in's title.
    pub title: String,
    /// The version as it names itself.
    pub version: String,
    /// The hash of its content.
    pub content: String,
    /// Whether Azure says that the built-in is no longer to be used.
    pub deprecated: bool,
    /// Whether the version is a preview, or the newest one is.
    pub preview: bool,
    /// The versions that Azure lists.
    pub listed: Vec<String>,
    /// What a catalogue keeps of the built-in besides its versions.
    pub heading: serde_json::Map<String, Value>,
    /// What a catalogue keeps of the version, or why it is not understood.
    pub facts: Result<Value, String>,
}

impl Resolved {
    /// Returns the newest version that is out of the pin's reach: newer than the resolved one, and no preview unless that is one.
    pub fn newer(&self, pin: Option<&VersionPin>) -> Option<&str> {
        let pin = pin?;
        let candidates = self.listed.iter().filter(|version| {
            !pin.matches(version)
                && compare_versions(version, &self.version).is_gt()
                && (is_preview(&self.version) || !is_preview(version))
        });
        candidates
            .max_by(|one, two| compare_versions(one, two))
            .map(String::as_str)
    }
}

fn newest(live: &Live, sort: Sort, name: &str) -> Option<Option<Value>> {
    let read = Read {
        sort,
        name: name.to_owned(),
        version: None,
    };
    live.get(&read).cloned()
}

/// Returns which listed version a pin leads to, and whether that is another one than the newest document's.
fn version_of(document: &Value, pin: Option<&VersionPin>) -> Result<Option<(String, bool)>, String> {
    let own = extract::version(document)?;
    // An api-version that knows no versions tells of the newest one only, whatever the pin.
    let Some(pin) = pin.filter(|_| document.pointer("/properties/version").is_some()) else {
        return Ok(Some((own.to_owned(), false)));
    };
    let mut listed = extract::listed(document)?;
    listed.push(own.to_owned());
    Ok(pin
        .newest(&listed)
        .map(|version| (version.to_owned(), compare_versions(version, own).is_ne())))
}

/// Returns what has to be read next so that each built-in in use can be resolved; nothing once all is there. Members of sets
/// that were read are added to the uses.
pub fn next_reads(uses: &mut Uses, live: &Live) -> BTreeSet<Read> {
    let mut missing = BTreeSet::new();
    let mut members = Uses::new();
    for (pinned, used) in uses.iter() {
        let read = |version| Read {
            sort: pinned.sort,
            name: pinned.name.clone(),
            version,
        };
        let document = match newest(live, pinned.sort, &pinned.name) {
            None => {
                missing.insert(read(None));
                continue;
            }
            Some(None) => continue,
            Some(Some(document)) => document,
        };
        let Ok(Some((version, older))) = version_of(&document, pinned.pin.as_ref()) else {
            continue;
        };
        let document = if older {
            let read = read(Some(version));
            match live.get(&read) {
                None => {
                    missing.insert(read);
                    continue;
                }
                Some(None) => continue,
                Some(Some(document)) => document,
            }
        } else {
            &document
        };
        if pinned.sort == Sort::PolicySetDefinition {
            for (member, reference) in members_of(document) {
                let found: &mut super::Use = members.entry(member).or_default();
                let by = used
                    .by
                    .iter()
                    .map(|(initiative, _)| (initiative.clone(), Some(reference.clone())));
                found.by.extend(by);
            }
        }
    }
    for (member, used) in members {
        let found = uses.entry(member.clone()).or_default();
        let known = found.by.len();
        found.by.extend(used.by);
        let read = Read {
            sort: member.sort,
            name: member.name,
            version: None,
        };
        if known == 0 && !live.contains_key(&read) {
            missing.insert(read);
        }
    }
    // A member may need an older version of a document that is there already.
    if missing.is_empty() && uses.keys().any(|pinned| lacks(pinned, live)) {
        return next_reads(uses, live);
    }
    missing
}

/// Returns whether the document that a pin leads to is still to be read.
fn lacks(pinned: &Pinned, live: &Live) -> bool {
    let Some(document) = newest(live, pinned.sort, &pinned.name) else {
        return true;
    };
    let Some(Ok(Some((version, true)))) = document.map(|document| version_of(&document, pinned.pin.as_ref())) else {
        return false;
    };
    let read = Read {
        sort: pinned.sort,
        name: pinned.name.clone(),
        version: Some(version),
    };
    !live.contains_key(&read)
}

/// The members of a set with their references. One that is no built-in has nobody to be asked of.
fn members_of(set: &Value) -> Vec<(Pinned, String)> {
    let members = set.pointer("/properties/policyDefinitions").and_then(Value::as_array);
    let member = |member: &Value| {
        let text = |key: &str| member.get(key).and_then(Value::as_str);
        let (parent, name) = text("policyDefinitionId")?.rsplit_once('/')?;
        let built_in = parent.eq_ignore_ascii_case("/providers/Microsoft.Authorization/policyDefinitions");
        let pinned = Pinned {
            sort: Sort::PolicyDefinition,
            name: name.to_ascii_lowercase(),
            pin: text("definitionVersion").and_then(VersionPin::parse),
        };
        built_in.then(|| {
            (
                pinned,
                text("policyDefinitionReferenceId").unwrap_or_default().to_owned(),
            )
        })
    };
    members.into_iter().flatten().filter_map(member).collect()
}

/// Returns what a pin leads to, of what was read.
pub fn resolve(pinned: &Pinned, live: &Live) -> Answer {
    let Some(Some(document)) = newest(live, pinned.sort, &pinned.name) else {
        return Answer::Gone;
    };
    found(pinned, &document, live).unwrap_or_else(Answer::Unusable)
}

fn found(pinned: &Pinned, document: &Value, live: &Live) -> Result<Answer, String> {
    let heading = extract::heading(document)?;
    let listed = extract::listed(document)?;
    let mark = |name: &str| heading.get(name) == Some(&Value::Bool(true));
    let title = heading
        .get("displayName")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let Some((version, older)) = version_of(document, pinned.pin.as_ref())? else {
        return Ok(Answer::NoVersion { title, listed });
    };
    let read = Read {
        sort: pinned.sort,
        name: pinned.name.clone(),
        version: Some(version.clone()),
    };
    let document = match (older, live.get(&read)) {
        (false, _) => document,
        (true, Some(Some(document))) => document,
        (true, _) => return Ok(Answer::NoVersion { title, listed }),
    };
    let facts = match pinned.sort {
        Sort::PolicyDefinition => extract::version_facts(document),
        Sort::PolicySetDefinition => extract::set_facts(document),
    };
    Ok(Answer::Found(Box::new(Resolved {
        title,
        content: content(document)?,
        deprecated: mark("deprecated"),
        preview: mark("preview") || is_preview(&version),
        version: extract::version(document)?.to_owned(),
        listed,
        facts,
        heading,
    })))
}
