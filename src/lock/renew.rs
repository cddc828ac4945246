//! What a lock becomes when Azure is asked again: nothing that is locked moves unless that is asked for.

use super::{Answer, Change, CloudLock, Entry, Live, Pinned, Resolved, Sort, Use, Uses, compare, resolve};
use crate::catalog::{Catalog, Definition, PolicySet, SetFacts, VersionFacts, compare_versions, extract};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What is done with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is new.
    Add,
    /// It takes what Azure has now, since that was asked for.
    Upgrade,
    /// It goes: nothing uses it.
    Remove,
    /// It stays, though Azure has something else.
    Keep,
    /// It is what Azure has.
    Same,
    /// It is in use and cannot be locked.
    Fail,
}

impl Action {
    /// All actions, in the order in which they are counted.
    pub const ALL: [Action; 6] = [
        Action::Add,
        Action::Upgrade,
        Action::Remove,
        Action::Keep,
        Action::Same,
        Action::Fail,
    ];

    /// Returns what was done, for a count.
    pub fn done(self) -> &'static str {
        match self {
            Action::Add => "added",
            Action::Upgrade => "upgraded",
            Action::Remove => "removed",
            Action::Keep | Action::Same | Action::Fail => self.name(),
        }
    }

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Action::Add => "add",
            Action::Upgrade => "upgrade",
            Action::Remove => "remove",
            Action::Keep => "behind",
            Action::Same => "unchanged",
            Action::Fail => "failed",
        }
    }
}

/// What becomes of one built-in.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which one.
    pub pinned: Pinned,
    /// Its title.
    pub title: String,
    /// Who uses it; nobody if it is removed.
    pub used: Use,
    /// What is done.
    pub action: Action,
    /// What is locked before.
    pub before: Option<Entry>,
    /// What is locked after.
    pub after: Option<Entry>,
    /// What differs, and what is to be known.
    pub changes: Vec<Change>,
    /// Why the facts of the version cannot be stored, where the catalogue lacks them.
    pub without_facts: Option<String>,
}

/// The lock of a cloud as it becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renewal {
    /// The lock.
    pub lock: CloudLock,
    /// What becomes of each built-in, in the order of the file.
    pub rows: Vec<Row>,
}

impl Renewal {
    /// Returns how many built-ins have an action.
    pub fn count(&self, action: Action) -> usize {
        self.rows.iter().filter(|row| row.action == action).count()
    }
}

/// Renews the lock of a cloud.
///
/// `upgrade` says which entries take what Azure has now. `whole` says that all uses of the cloud are in `uses`: only then is what
/// is not among them removed. `source` is named if anything in the lock changes.
pub fn renew(
    old: Option<&CloudLock>,
    (uses, live): (&Uses, &Live),
    upgrade: &dyn Fn(&Pinned, &Use) -> bool,
    whole: bool,
    (catalog, source): (&Catalog, &str),
) -> Renewal {
    let empty = CloudLock::default();
    let old = old.unwrap_or(&empty);
    let mut lock = CloudLock {
        templates: old.templates.clone(),
        ..CloudLock::default()
    };
    let mut rows = Vec::new();
    let mut fresh: BTreeMap<(Sort, String), Vec<&Resolved>> = BTreeMap::new();
    let answers: BTreeMap<&Pinned, Answer> = uses.keys().map(|pinned| (pinned, resolve(pinned, live))).collect();
    for (pinned, used) in uses {
        let Some(answer) = answers.get(pinned) else { continue };
        let before = old.entries.get(pinned);
        let changes = compare(pinned, before, answer, used.direct);
        let found = match answer {
            Answer::Found(resolved) => Some(resolved.as_ref()),
            Answer::NoVersion { .. } | Answer::Gone | Answer::Unusable(_) => None,
        };
        let differs = changes.iter().any(Change::differs);
        let action = match (before, found) {
            (None, None) => Action::Fail,
            (None, Some(_)) => Action::Add,
            (Some(_), Some(_)) if !differs => Action::Same,
            (Some(_), Some(_)) if upgrade(pinned, used) => Action::Upgrade,
            (Some(_), _) => Action::Keep,
        };
        let now = found.map(|resolved| Entry {
            title: resolved.title.clone(),
            version: resolved.version.clone(),
            content: resolved.content.clone(),
        });
        let after = match action {
            Action::Keep => before.cloned(),
            _ => now,
        };
        if let (Some(resolved), false) = (found, action == Action::Keep) {
            fresh
                .entry((pinned.sort, pinned.name.clone()))
                .or_default()
                .push(resolved);
        }
        if let Some(after) = &after {
            lock.entries.insert(pinned.clone(), after.clone());
        }
        let title = after.as_ref().map_or(String::new(), |entry| entry.title.clone());
        rows.push(Row {
            pinned: pinned.clone(),
            title,
            used: used.clone(),
            action,
            before: before.cloned(),
            after,
            changes: changes
                .into_iter()
                .filter(|change| *change != Change::NotLocked || action == Action::Fail)
                .collect(),
            without_facts: None,
        });
    }
    for (pinned, entry) in &old.entries {
        if uses.contains_key(pinned) {
            continue;
        }
        if !whole {
            lock.entries.insert(pinned.clone(), entry.clone());
            continue;
        }
        rows.push(Row {
            pinned: pinned.clone(),
            title: entry.title.clone(),
            used: Use::default(),
            action: Action::Remove,
            before: Some(entry.clone()),
            after: None,
            changes: vec![Change::Unused],
            without_facts: None,
        });
    }
    rows.sort_by(|one, two| one.pinned.cmp(&two.pinned));
    let names: BTreeSet<(Sort, String)> = lock
        .entries
        .keys()
        .map(|pinned| (pinned.sort, pinned.name.clone()))
        .collect();
    for key in names {
        let resolved = fresh.get(&key).map(Vec::as_slice).unwrap_or_default();
        let locked: Vec<&str> = lock
            .entries
            .iter()
            .filter(|(pinned, _)| (pinned.sort, &pinned.name) == (key.0, &key.1))
            .map(|(_, entry)| entry.version.as_str())
            .collect();
        let (facts, why) = facts(&key, resolved, old.facts.get(&key), &locked, catalog);
        for row in rows
            .iter_mut()
            .filter(|row| (row.pinned.sort, &row.pinned.name) == (key.0, &key.1))
        {
            row.without_facts.clone_from(&why);
        }
        lock.facts.extend(facts.map(|facts| (key, facts)));
    }
    lock.source = if (&lock.entries, &lock.facts) == (&old.entries, &old.facts) && !old.source.is_empty() {
        old.source.clone()
    } else {
        source.to_owned()
    };
    Renewal { lock, rows }
}

/// Returns the facts to store of a built-in, those of locked versions; none if the catalogue has them all. The text says why
/// some cannot be stored.
fn facts(
    (sort, name): &(Sort, String),
    resolved: &[&Resolved],
    stored: Option<&Value>,
    locked: &[&str],
    catalog: &Catalog,
) -> (Option<Value>, Option<String>) {
    let mut versions: Vec<Value> = Vec::new();
    let mut why = None;
    let mut known = true;
    for resolved in resolved {
        match &resolved.facts {
            Ok(facts) => {
                known &= is_known(*sort, name, &resolved.heading, facts, catalog);
                versions.push(facts.clone());
            }
            Err(error) => why = Some(error.clone()),
        }
    }
    let parts = |facts: &Value| -> Vec<Value> {
        let older = facts.get("older").and_then(Value::as_array).into_iter().flatten();
        facts.get("current").into_iter().chain(older).cloned().collect()
    };
    let version_of = |facts: &Value| {
        facts
            .get("version")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    for kept in stored.map(parts).unwrap_or_default() {
        let version = version_of(&kept);
        let is_locked = locked.iter().any(|locked| compare_versions(locked, &version).is_eq());
        let is_there = versions
            .iter()
            .any(|facts| compare_versions(&version_of(facts), &version).is_eq());
        if is_locked && !is_there {
            known = false;
            versions.push(kept);
        }
    }
    if known || versions.is_empty() {
        return (None, why);
    }
    versions.sort_by(|one, two| compare_versions(&version_of(two), &version_of(one)));
    versions.dedup_by(|one, two| compare_versions(&version_of(one), &version_of(two)).is_eq());
    let listed: Vec<Value> = versions.iter().map(|facts| Value::from(version_of(facts))).collect();
    let mut whole: Map<String, Value> = match (resolved.first(), stored) {
        (Some(resolved), _) => resolved.heading.clone(),
        (None, Some(Value::Object(stored))) => stored.clone(),
        (None, _) => Map::new(),
    };
    let mut versions = versions.into_iter();
    whole.insert("listed".to_owned(), Value::from(listed));
    whole.extend(versions.next().map(|current| ("current".to_owned(), current)));
    let older: Vec<Value> = versions.collect();
    whole.remove("older");
    if !older.is_empty() {
        whole.insert("older".to_owned(), Value::from(older));
    }
    let whole = extract::sorted(Value::Object(whole));
    match catalogued(*sort, &whole) {
        Ok(()) => (Some(whole), why),
        Err(error) => (None, Some(error)),
    }
}

/// Says why a catalogue cannot take these facts, if it cannot.
fn catalogued(sort: Sort, facts: &Value) -> Result<(), String> {
    let read = match sort {
        Sort::PolicyDefinition => serde_json::from_value::<Definition>(facts.clone()).map(|_| ()),
        Sort::PolicySetDefinition => serde_json::from_value::<PolicySet>(facts.clone()).map(|_| ()),
    };
    read.map_err(|error| error.to_string())
}

/// Returns whether the catalogue has these facts of a version, and the marks of the built-in.
fn is_known(sort: Sort, name: &str, heading: &Map<String, Value>, facts: &Value, catalog: &Catalog) -> bool {
    let mark = |name: &str| heading.get(name) == Some(&Value::Bool(true));
    let marks = (mark("deprecated"), mark("preview"));
    match sort {
        Sort::PolicyDefinition => {
            let facts = serde_json::from_value::<VersionFacts>(facts.clone());
            let known: Option<&Definition> = catalog.definition(name);
            known.zip(facts.ok()).is_some_and(|(known, facts)| {
                let same = |one: &VersionFacts| {
                    let version = one.version.clone();
                    version.eq_ignore_ascii_case(&facts.version)
                        && *one
                            == VersionFacts {
                                version,
                                ..facts.clone()
                            }
                };
                (known.deprecated, known.preview) == marks && known.known_versions().any(same)
            })
        }
        Sort::PolicySetDefinition => {
            let facts = serde_json::from_value::<SetFacts>(facts.clone());
            let known: Option<&PolicySet> = catalog.initiative(name);
            known.zip(facts.ok()).is_some_and(|(known, facts)| {
                let same = |one: &SetFacts| {
                    let version = one.version.clone();
                    version.eq_ignore_ascii_case(&facts.version)
                        && *one
                            == SetFacts {
                                version,
                                ..facts.clone()
                            }
                };
                (known.deprecated, known.preview) == marks && known.known_versions().any(same)
            })
        }
    }
}
