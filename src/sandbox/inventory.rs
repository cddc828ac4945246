//! What a sandbox holds, found by what it is asked by: a request looks for an id, a type or a name, and should not look through a whole fleet.
//!
//! On disk both are what they always were, a map and a list. It must not know what the documents say besides their type.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::text;
use super::state::ResourceGroup;

/// Resources by their lower-case id, and the ids of each type.
///
/// INVARIANT: the type of a resource stays what it was when it was put in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Value>", into = "BTreeMap<String, Value>")]
pub struct Resources {
    documents: BTreeMap<String, Value>,
    types: BTreeMap<String, BTreeSet<String>>,
}

impl Resources {
    /// Returns the resource with this lower-case id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.documents.get(id)
    }

    /// Returns the resource with this lower-case id, to change anything but its type.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.documents.get_mut(id)
    }

    /// Puts a resource under its lower-case id.
    pub fn insert(&mut self, id: String, document: Value) {
        self.remove(&id);
        let kind = text(&document, "/type").to_ascii_lowercase();
        self.types.entry(kind).or_default().insert(id.clone());
        self.documents.insert(id, document);
    }

    /// Takes out the resource with this lower-case id.
    pub fn remove(&mut self, id: &str) -> Option<Value> {
        let document = self.documents.remove(id)?;
        let kind = text(&document, "/type").to_ascii_lowercase();
        if let Some(ids) = self.types.get_mut(&kind) {
            ids.remove(id);
            if ids.is_empty() {
                self.types.remove(&kind);
            }
        }
        Some(document)
    }

    /// Returns the types of all resources, in lower case.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Returns the ids and documents of all resources of one type, which is given in lower case, by their ids.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        let ids = self.types.get(kind).into_iter().flatten();
        ids.filter_map(|id| self.documents.get_key_value(id))
    }

    /// Returns the ids and documents of all resources whose id begins so, in lower case, by their ids.
    pub fn below(&self, start: &str) -> impl Iterator<Item = (&String, &Value)> {
        let from = self.documents.range(start.to_owned()..);
        from.take_while(move |(id, _)| id.starts_with(start))
    }
}

impl From<BTreeMap<String, Value>> for Resources {
    fn from(documents: BTreeMap<String, Value>) -> Self {
        let mut all = Self::default();
        documents
            .into_iter()
            .for_each(|(id, document)| all.insert(id, document));
        all
    }
}

impl From<Resources> for BTreeMap<String, Value> {
    fn from(resources: Resources) -> Self {
        resources.documents
    }
}

/// Resource groups, found by subscription and name; written as a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<ResourceGroup>", into = "Vec<ResourceGroup>")]
pub struct ResourceGroups(BTreeMap<String, ResourceGroup>);

impl ResourceGroups {
    fn key(subscription: &str, name: &str) -> String {
        format!("{subscription}/{name}").to_ascii_lowercase()
    }

    /// Returns all of them, by subscription and name.
    pub fn iter(&self) -> impl Iterator<Item = &ResourceGroup> {
        self.0.values()
    }

    /// Adds one, unless there is one of this name in its subscription.
    pub fn add(&mut self, group: ResourceGroup) {
        let key = Self::key(&group.subscription, &group.name);
        self.0.entry(key).or_insert(group);
    }

    /// Returns the one of this name in a subscription.
    #[must_use]
    pub fn get(&self, subscription: &str, name: &str) -> Option<&ResourceGroup> {
        self.0.get(&Self::key(subscription, name))
    }
}

impl From<Vec<ResourceGroup>> for ResourceGroups {
    fn from(groups: Vec<ResourceGroup>) -> Self {
        let mut all = Self::default();
        groups.into_iter().for_each(|group| all.add(group));
        all
    }
}

impl From<ResourceGroups> for Vec<ResourceGroup> {
    fn from(groups: ResourceGroups) -> Self {
        groups.0.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resources_are_found_by_id_type_and_beginning_whatever_came_and_went() {
        let mut resources = Resources::default();
        let put = |resources: &mut Resources, id: &str, kind: &str| {
            resources.insert(id.to_owned(), json!({"type": kind, "name": id}));
        };
        let ids = |resources: &Resources, kind: &str| -> Vec<String> {
            resources.of_type(kind).map(|(id, _)| id.clone()).collect()
        };
        put(&mut resources, "/b", "T/Clusters");
        put(&mut resources, "/a/2", "t/clusters");
        put(&mut resources, "/a/1", "t/disks");
        assert_eq!(ids(&resources, "t/clusters"), ["/a/2", "/b"]);
        put(&mut resources, "/b", "t/disks");
        assert_eq!(ids(&resources, "t/clusters"), ["/a/2"], "it has another type now");
        assert_eq!(ids(&resources, "t/disks"), ["/a/1", "/b"]);
        assert_eq!(resources.below("/a/").count(), 2);
        let text = serde_json::to_string(&resources).unwrap();
        assert!(text.starts_with(r#"{"/a/1":{"#), "{text}");
        assert_eq!(serde_json::from_str::<Resources>(&text).unwrap(), resources);
        assert!(resources.remove("/a/1").is_some() && resources.remove("/a/1").is_none());
        assert_eq!(ids(&resources, "t/disks"), ["/b"]);
        assert!(resources.remove("/b").is_some());
        assert_eq!(resources.types().collect::<Vec<_>>(), ["t/clusters"]);
    }

    #[test]
    fn resource_groups_are_found_in_any_casing_and_written_as_a_list() {
        let group = |name: &str| ResourceGroup {
            subscription: "s".to_owned(),
            name: name.to_owned(),
            location: "westeurope".to_owned(),
        };
        let mut groups = ResourceGroups::default();
        groups.add(group("Web"));
        groups.add(group("web"));
        assert_eq!(groups.get("S", "WEB").map(|found| found.name.as_str()), Some("Web"));
        assert_eq!(groups.get("s", "db"), None);
        let text = serde_json::to_string(&groups).unwrap();
        assert_eq!(text, r#"[{"subscription":"s","name":"Web","location":"westeurope"}]"#);
        assert_eq!(serde_json::from_str::<ResourceGroups>(&text).unwrap(), groups);
    }
}
