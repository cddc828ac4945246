//! What the parameters of a gate's objects are to its rules: from the catalogue, and from the files of our own rules.

use crate::catalog::{SetFacts, meaning_of};
use crate::config::{Member, MemberDefinition};
use crate::kinds::Meanings;
use crate::model::Meaning;
use serde_json::Value;
use std::collections::BTreeMap;

/// Returns what the parameters of a built-in set are: what all members say that take them as they are.
pub(super) fn of_built_in(facts: &SetFacts) -> Meanings {
    let mut found = Found::default();
    for name in facts.parameters.keys() {
        let own = format!("[parameters('{name}')]");
        let uses = |text: &Value| text.to_string().contains(&format!("parameters('{name}')"));
        for (parameter, value) in facts.members.iter().flat_map(|member| &member.parameters) {
            match value.as_str() == Some(own.as_str()) {
                true => found.add(name, meaning_of(parameter)),
                false if uses(value) => found.add(name, None), // an expression over it
                false => {}
            }
        }
    }
    found.sure()
}

/// Returns what the parameters of a set of our own are, and those of its members.
pub(super) fn of_members(members: &[Member]) -> Meanings {
    let mut found = Found::default();
    found.add("excludedNamespaces", Some(Meaning::Excludes));
    for member in members {
        let meaning = |parameter: &str| match &member.definition {
            MemberDefinition::BuiltIn { .. } => meaning_of(parameter),
            MemberDefinition::Rule(rule) => match rule.parameters.get(parameter) {
                Some(parameter) => parameter.meaning,
                // What aksgate adds is what it is in Azure's own.
                None => meaning_of(parameter),
            },
        };
        for (parameter, shown) in &member.expose {
            found.add(shown, meaning(parameter));
        }
        for parameter in member.parameters.keys() {
            let name = format!("{}/{parameter}", member.reference_id);
            found.add(&name, meaning(parameter));
        }
    }
    found.sure()
}

/// What each user of a parameter says of it.
#[derive(Default)]
struct Found(BTreeMap<String, Option<Meaning>>);

impl Found {
    fn add(&mut self, name: &str, meaning: Option<Meaning>) {
        match self.0.get_mut(name) {
            Some(known) if *known != meaning => *known = None, // two rules take it for two things
            Some(_) => {}
            None => {
                self.0.insert(name.to_owned(), meaning);
            }
        }
    }

    fn sure(self) -> Meanings {
        let sure = self.0.into_iter();
        sure.filter_map(|(name, meaning)| Some((name, meaning?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn a_built_in_set_says_what_its_members_say() {
        let catalog = Catalog::embedded();
        let set = catalog.initiative("42b8ef37-b724-4e24-bbc8-7a7708edfe00").unwrap(); // pod security restricted
        let found = of_built_in(set.current());
        assert_eq!(found.get("allowedCapabilities"), Some(&Meaning::Allows));
        assert_eq!(found.get("requiredDropCapabilities"), Some(&Meaning::Refuses));
        assert_eq!(found.get("excludedNamespaces"), Some(&Meaning::Excludes));
        assert_eq!(found.get("namespaces"), Some(&Meaning::Selects));
        assert_eq!(found.get("effect"), None);
    }

    #[test]
    fn what_two_members_take_for_two_things_is_not_known() {
        let member = |parameter: &str| Member {
            reference_id: parameter.into(),
            definition: MemberDefinition::BuiltIn {
                name: "0".into(),
                version: "1.*.*".into(),
            },
            parameters: BTreeMap::from([("labels".to_owned(), json!([]))]),
            expose: BTreeMap::from([(parameter.to_owned(), "shown".to_owned())]),
            images: BTreeSet::new(),
        };
        let found = of_members(&[member("allowedUsers")]);
        assert_eq!(found.get("shown"), Some(&Meaning::Allows));
        assert_eq!(found.get("allowedUsers/labels"), Some(&Meaning::Refuses));
        assert_eq!(
            of_members(&[member("allowedUsers"), member("requiredProbes")]).get("shown"),
            None
        );
        assert_eq!(of_members(&[member("allowedUsers"), member("kind")]).get("shown"), None);
    }
}
