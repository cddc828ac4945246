//! The built-in policy definitions and initiatives about AKS, as facts.
//!
//! Owns what Azure's built-ins are called, which versions, parameters and effects they have, and how sets join them; the
//! facts are data (`facts.json`, written by `examples/generate_catalog.rs`) and part of the program. Must not know the
//! estate, nor Azure as it is now: a version that came after the facts is none of its business.

mod definition;
pub mod extract;
mod meaning;
mod namespaces;
mod parameter;
mod roles;
mod schema;
mod search;
mod set;
mod version;

pub use definition::{ConstraintFacts, ConstraintForm, Definition, VersionFacts};
pub use meaning::meaning_of;
pub use namespaces::{ManagedNamespace, managed_namespaces};
pub use parameter::{Parameter, ParameterType, Reason};
pub use roles::role_name;
pub use search::Found;
pub use set::{Mapping, PolicySet, SetFacts, SetMember};
pub use version::{PinResolution, VersionPin, compare_versions, is_preview};

use crate::model::Stage;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const FACTS: &str = include_str!("facts.json");

/// Where the facts come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// The repository that publishes the built-ins.
    pub repository: String,
    /// The commit they were read at.
    pub commit: String,
    /// The release that the commit is.
    pub release: String,
    /// The day of that release, `YYYY-MM-DD`.
    pub date: String,
    /// The licence of the repository.
    pub licence: String,
}

/// The built-in definitions and initiatives that concern AKS.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    source: Source,
    definitions: BTreeMap<String, Definition>,
    initiatives: BTreeMap<String, PolicySet>,
}

/// The layout of `facts.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Facts {
    source: Source,
    definitions: Vec<Definition>,
    initiatives: Vec<PolicySet>,
}

impl Catalog {
    /// Returns the catalogue that is part of the program.
    pub fn embedded() -> &'static Catalog {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        #[expect(clippy::expect_used, reason = "the text is part of the program, and a test reads it")]
        CATALOG.get_or_init(|| Catalog::read(FACTS).expect("facts.json is what its generator wrote"))
    }

    /// Reads a catalogue from a text in the layout of `facts.json`.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the text, and where.
    pub fn read(text: &str) -> Result<Catalog, serde_json::Error> {
        let facts: Facts = serde_json::from_str(text)?;
        let definitions = facts.definitions.into_iter().map(|it| (it.name.clone(), it));
        let initiatives = facts.initiatives.into_iter().map(|it| (it.name.clone(), it));
        Ok(Catalog {
            source: facts.source,
            definitions: definitions.collect(),
            initiatives: initiatives.collect(),
        })
    }

    /// Returns this catalogue with built-ins that it does not know, or not in these versions; where both know something,
    /// what is added holds.
    pub fn joined(
        &self,
        definitions: impl IntoIterator<Item = Definition>,
        initiatives: impl IntoIterator<Item = PolicySet>,
    ) -> Catalog {
        let mut catalog = self.clone();
        for newer in definitions {
            let joined = match catalog.definitions.get(&newer.name) {
                Some(known) => known.joined(newer),
                None => newer,
            };
            catalog.definitions.insert(joined.name.clone(), joined);
        }
        for newer in initiatives {
            let joined = match catalog.initiatives.get(&newer.name) {
                Some(known) => known.joined(newer),
                None => newer,
            };
            catalog.initiatives.insert(joined.name.clone(), joined);
        }
        catalog
    }

    /// Returns where the facts come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the policy definition with a name (a GUID in any casing).
    pub fn definition(&self, name: &str) -> Option<&Definition> {
        self.definitions.get(&name.to_ascii_lowercase())
    }

    /// Returns the policy set definition with a name (a GUID in any casing).
    pub fn initiative(&self, name: &str) -> Option<&PolicySet> {
        self.initiatives.get(&name.to_ascii_lowercase())
    }

    /// Returns the policy definitions, ordered by name.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.values()
    }

    /// Returns the policy set definitions, ordered by name.
    pub fn initiatives(&self) -> impl Iterator<Item = &PolicySet> {
        self.initiatives.values()
    }

    /// Returns the facts of the version that a member of a set is pinned to (the current one if it is not pinned); none
    /// if the definition or that version of it is unknown.
    pub fn facts_of_member(&self, member: &SetMember) -> Option<&VersionFacts> {
        let definition = self.definition(&member.definition)?;
        match &member.version {
            Some(pin) => definition.at(pin).facts(),
            None => Some(definition.current()),
        }
    }

    /// Returns the effects that a member of a set may take, in Azure's order and casing; none if its facts are unknown.
    pub fn effects_of_member(&self, member: &SetMember) -> Option<&[String]> {
        self.facts_of_member(member).map(|facts| facts.effects.as_slice())
    }

    /// Says whether a member of a set can refuse; none if its facts are unknown.
    pub fn can_deny(&self, member: &SetMember) -> Option<bool> {
        self.facts_of_member(member).map(VersionFacts::can_deny)
    }

    /// Returns the highest stage that a member of a set can be put at ([`VersionFacts::ceiling`]); none if its facts are
    /// unknown.
    pub fn ceiling_of_member(&self, member: &SetMember) -> Option<Stage> {
        self.facts_of_member(member).map(VersionFacts::ceiling)
    }
}

#[cfg(test)]
mod tests;
