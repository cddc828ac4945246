//! Which versions of Azure's built-ins an estate was reviewed with, and whether Azure still has these.
//!
//! Owns `aksgate.lock`: what is in it, its text ([`mod@file`]), what of a built-in acts and so goes into its hash
//! ([`mod@content`]), how a pin is resolved on Azure's answers ([`mod@live`]), and what differs ([`mod@compare`]). Must not
//! know how the answers came, nor what a difference does to a plan.

pub mod compare;
pub mod content;
pub mod file;
mod judge;
pub mod live;
mod renew;
#[cfg(test)]
mod tests;

pub use compare::{Change, compare};
pub use judge::{Judgement, in_use, judge};
pub use live::{Answer, Live, Read, Resolved, next_reads, resolve};
pub use renew::{Action, Renewal, Row, renew};

use crate::catalog::{Catalog, Definition, PolicySet, VersionPin};
use crate::config::{Estate, Initiative, MemberDefinition};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The name of the file in the estate's folder.
pub const FILE: &str = "aksgate.lock";

/// What sort of built-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// A policy set definition.
    PolicySetDefinition,
    /// A policy definition.
    PolicyDefinition,
}

impl Sort {
    /// Both, in the order of the file.
    pub const ALL: [Sort; 2] = [Sort::PolicySetDefinition, Sort::PolicyDefinition];

    /// Returns the word for it in the file and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Sort::PolicySetDefinition => "policySetDefinition",
            Sort::PolicyDefinition => "policyDefinition",
        }
    }

    /// Returns the word for it in a sentence.
    pub fn label(self) -> &'static str {
        match self {
            Sort::PolicySetDefinition => "policy set definition",
            Sort::PolicyDefinition => "policy definition",
        }
    }

    /// Returns the path of a built-in, or of one of its versions.
    pub fn path(self, name: &str, version: Option<&str>) -> String {
        let path = format!("/providers/Microsoft.Authorization/{}s/{name}", self.name());
        match version {
            Some(version) => format!("{path}/versions/{version}"),
            None => path,
        }
    }
}

/// A built-in at a pin: what an estate, or a set that it uses, refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pinned {
    /// What sort of built-in.
    pub sort: Sort,
    /// Its name, a GUID in lower case.
    pub name: String,
    /// The pin; none where a set of Azure's leaves the version to Azure.
    pub pin: Option<VersionPin>,
}

impl Pinned {
    /// Returns the pin for a reader.
    pub fn pin_text(&self) -> String {
        self.pin.map_or_else(|| "newest".to_owned(), |pin| pin.to_string())
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.sort.label(), self.name, self.pin_text())
    }
}

/// What is locked of a built-in at a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its title.
    pub title: String,
    /// The exact version that the pin led to, as Azure spells it.
    pub version: String,
    /// The hash of that version's content ([`mod@content`]).
    pub content: String,
}

/// What is locked in one cloud.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CloudLock {
    /// Where it was read: an https URL, or `sandbox`.
    pub source: String,
    /// The built-ins in use.
    pub entries: BTreeMap<Pinned, Entry>,
    /// Facts that the catalogue of the program lacks, by sort and name, in its layout.
    pub facts: BTreeMap<(Sort, String), Value>,
    /// The published constraint templates whose copies are in the estate, by their addresses.
    pub templates: BTreeMap<String, LockedTemplate>,
}

impl CloudLock {
    /// Returns the exact version that a built-in definition with a name and a pin is locked at; none if it is not locked.
    pub fn version_of(&self, name: &str, pin: &VersionPin) -> Option<String> {
        let pinned = Pinned {
            sort: Sort::PolicyDefinition,
            name: name.to_owned(),
            pin: Some(*pin),
        };
        self.entries.get(&pinned).map(|entry| entry.version.clone())
    }
}

/// What is locked of a published constraint template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedTemplate {
    /// The kind of its constraints.
    pub kind: String,
    /// The hash of what of it acts.
    pub sha256: String,
}

/// What a lock file holds, by the name of the cloud.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// Each cloud's part: built-ins are other ones in another cloud.
    pub clouds: BTreeMap<String, CloudLock>,
}

impl Lock {
    /// Returns whether it holds facts that the catalogue of the program lacks.
    pub fn has_facts(&self) -> bool {
        self.clouds.values().any(|part| !part.facts.is_empty())
    }

    /// Returns the catalogue with the facts of the lock. Where two clouds know a version differently, the first one in the order
    /// `public`, `usgov`, `china` holds.
    pub fn joined(&self, catalog: &Catalog) -> Catalog {
        let mut joined = catalog.clone();
        for cloud in ["china", "usgov", "public"] {
            let Some(part) = self.clouds.get(cloud) else { continue };
            let of = |wanted: Sort| {
                let facts = part.facts.iter().filter(move |((sort, _), _)| *sort == wanted);
                facts.map(|(_, facts)| facts.clone())
            };
            // What cannot be read was refused when the file was.
            let definitions =
                of(Sort::PolicyDefinition).filter_map(|facts| serde_json::from_value::<Definition>(facts).ok());
            let sets =
                of(Sort::PolicySetDefinition).filter_map(|facts| serde_json::from_value::<PolicySet>(facts).ok());
            joined = joined.joined(definitions, sets);
        }
        joined
    }
}

/// Who uses a built-in at a pin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Whether the estate names it itself; else it is a member of a set that the estate names.
    pub direct: bool,
    /// The initiatives of the estate, each with the reference of the member where it is one.
    pub by: BTreeSet<(String, Option<String>)>,
}

/// The built-ins in use, each with who uses it.
pub type Uses = BTreeMap<Pinned, Use>;

/// Returns the built-ins that initiatives of an estate name; members of Azure's own sets come with the sets' documents.
pub fn named<'a>(estate: &Estate, initiatives: impl IntoIterator<Item = &'a str>) -> Uses {
    let mut uses = Uses::new();
    for initiative in initiatives {
        let mut add = |sort, name: &str, version: &str, reference: Option<&str>| {
            let name = name.to_ascii_lowercase();
            // The estate's pins were read before.
            let pin = VersionPin::parse(version);
            let found = uses.entry(Pinned { sort, name, pin }).or_default();
            found.direct = true;
            found.by.insert((initiative.to_owned(), reference.map(str::to_owned)));
        };
        match estate.initiatives.get(initiative) {
            Some(Initiative::BuiltIn { id, version }) => add(Sort::PolicySetDefinition, id, version, None),
            Some(Initiative::Own { members, .. }) => {
                for member in members {
                    // A rule of our own is the estate's: Azure does not change it.
                    if let MemberDefinition::BuiltIn { name, version } = &member.definition {
                        let reference = Some(member.reference_id.as_str());
                        add(Sort::PolicyDefinition, name, version, reference);
                    }
                }
            }
            Some(Initiative::Defender { .. }) | None => {}
        }
    }
    uses
}

/// Returns who uses a built-in, for a sentence.
pub fn users(used: &Use) -> String {
    let names = used.by.iter().map(|(initiative, reference)| match reference {
        Some(reference) => format!("member `{reference}` of `{initiative}`"),
        None => format!("`{initiative}`"),
    });
    names.collect::<Vec<_>>().join(", ")
}

#[derive(Clone, Debug, PartialEq, Eq)]
/// Why the content of a gate is not what was accepted.
pub struct Unaccepted {
    /// A sentence without a full stop.
    pub sentence: String,
    /// Whether Azure has something else than what is locked; false for what is not locked yet.
    pub differs: bool,
}
