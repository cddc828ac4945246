//! Everything that a sandbox remembers, as one serialisable value, and the questions that all resource types ask of it.
//!
//! Resources are kept as the documents that a GET at the newest api-version answers. The state must not know requests.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::address::Address;
use super::error::ArmError;
use super::governance::past::{self, Was};
use super::inside::Deed;
use super::inventory::{ResourceGroups, Resources};
use super::json::{remove, set, text};
use super::random::Random;
use super::remediation;
use super::time;

/// The version of the state's own format.
pub const VERSION: u32 = 1;

/// The whole state of one sandbox.
///
/// INVARIANT: `version`, `instance` and `revision` stay the first fields, so that the start of the file tells whether it changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The version of this format.
    pub version: u32,
    /// Identifies this sandbox; a reset makes another one.
    pub instance: String,
    /// Grows with each change.
    pub revision: u64,
    /// The seed that the first estate was made from.
    pub seed: u64,
    /// The sandbox's own clock, in seconds since 1970.
    pub now: i64,
    /// How many identifiers were made so far.
    pub identifiers: u64,
    /// The secret part of each accepted access token.
    pub token_secret: String,
    /// The directory id.
    pub tenant: String,
    /// The object id of whoever signs in.
    pub principal: String,
    /// Management groups by name; the tenant root group has no parent.
    pub management_groups: Vec<ManagementGroup>,
    /// Subscriptions in order of their ids, which are in lower case.
    pub subscriptions: Vec<Subscription>,
    /// Resource groups.
    pub resource_groups: ResourceGroups,
    /// Resources.
    pub resources: Resources,
    /// Long-running operations by their id.
    pub operations: BTreeMap<String, Operation>,
    /// What can be turned on a sandbox.
    pub settings: Settings,
    /// The ids of the built-in roles that whoever signs in has on everything; role assignments add to them.
    #[serde(default = "owner")]
    pub roles: Vec<String>,
    /// The resource providers that are not registered, as `subscription/namespace` in lower case; with the time at which a
    /// registration under way ends.
    #[serde(default)]
    pub unregistered: BTreeMap<String, Option<i64>>,
    /// What policy objects and clusters were before their last changes, by lower-case id, oldest first.
    #[serde(default)]
    pub history: BTreeMap<String, Vec<Was>>,
    /// What was done inside of clusters, by lower-case id, oldest first; the rest of what runs there follows from the seed.
    #[serde(default)]
    pub inside: BTreeMap<String, Vec<Deed>>,
}

fn owner() -> Vec<String> {
    vec![super::role::OWNER.to_owned()]
}

/// A management group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementGroup {
    /// The name, the last part of its id.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// The name of the group above it.
    pub parent: Option<String>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The GUID.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// The management group that holds it.
    pub group: String,
}

/// A resource group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceGroup {
    /// The GUID of its subscription.
    pub subscription: String,
    /// Its name.
    pub name: String,
    /// Its Azure region.
    pub location: String,
}

/// A long-running operation on a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The lower-case id of the cluster.
    pub resource: String,
    /// When it began.
    pub started: i64,
    /// When it ends.
    pub due: i64,
    /// The entity tag that the cluster gets at the end.
    pub final_etag: String,
}

/// What can be turned on a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The most items on one page of a list.
    pub page_size: usize,
    /// How long a change of a cluster takes, in seconds.
    pub cluster_seconds: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page_size: 500,
            cluster_seconds: 60,
        }
    }
}

/// A scope that exists, with those above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownScope {
    /// The id in the casing that the sandbox keeps; empty for the tenant.
    pub id: String,
    /// The lower-case ids of this scope and all above it, innermost first, without the tenant.
    pub chain: Vec<String>,
}

impl KnownScope {
    /// Returns whether this scope is a management group.
    #[must_use]
    pub fn is_management_group(&self) -> bool {
        self.chain.first().is_some_and(|id| id.starts_with(GROUP_PREFIX))
    }

    /// Returns whether this scope is a subscription.
    #[must_use]
    pub fn is_subscription(&self) -> bool {
        self.id.starts_with("/subscriptions/") && self.id.split('/').count() == 3
    }

    /// Returns whether `lower`, a lower-case scope id, is this scope or above it; the tenant (empty) is above all.
    #[must_use]
    pub fn is_within(&self, lower: &str) -> bool {
        lower.is_empty() || self.chain.iter().any(|id| id == lower)
    }
}

/// How the lower-case id of a management group starts.
pub const GROUP_PREFIX: &str = "/providers/microsoft.management/managementgroups/";

impl State {
    /// Returns a new identifier.
    pub fn guid(&mut self) -> String {
        self.identifiers += 1;
        Random::named(self.seed, &format!("identifier {}", self.identifiers)).guid()
    }

    /// Returns the resource with this id, in any casing.
    #[must_use]
    pub fn resource(&self, id: &str) -> Option<&Value> {
        self.resources.get(&id.to_ascii_lowercase())
    }

    /// Puts a document under its own `id`.
    pub fn insert(&mut self, document: Value) {
        let id = text(&document, "/id").to_ascii_lowercase();
        past::remember(self, &id, Some(&document));
        self.resources.insert(id, document);
    }

    /// Takes away the document with this id, in any casing, and returns it.
    pub fn take(&mut self, id: &str) -> Option<Value> {
        let id = id.to_ascii_lowercase();
        past::remember(self, &id, None);
        self.resources.remove(&id)
    }

    /// Returns the lower-case ids and documents of all resources of one type, which is given in lower case.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.resources.of_type(kind)
    }

    /// Returns the scope with this id, in any casing, with the scopes above it.
    ///
    /// # Errors
    /// 404 with the code of the first part that does not exist.
    pub fn scope(&self, id: &str) -> Result<KnownScope, ArmError> {
        let segments: Vec<&str> = id.split('/').filter(|segment| !segment.is_empty()).collect();
        let is = |index: usize, word: &str| {
            segments
                .get(index)
                .is_some_and(|segment| segment.eq_ignore_ascii_case(word))
        };
        match segments.as_slice() {
            [] => Ok(KnownScope {
                id: String::new(),
                chain: Vec::new(),
            }),
            [_, _, _, name] if is(0, "providers") && is(1, "Microsoft.Management") && is(2, "managementGroups") => {
                self.group_scope(name)
            }
            [_, subscription, rest @ ..] if is(0, "subscriptions") => {
                let known = self.subscription(subscription)?;
                let mut scope = self.group_scope(&known.group)?;
                scope.id = format!("/subscriptions/{}", known.id);
                scope.chain.insert(0, scope.id.to_ascii_lowercase());
                let [_, group, rest @ ..] = rest else {
                    return if rest.is_empty() {
                        Ok(scope)
                    } else {
                        Err(not_a_scope(id))
                    };
                };
                if !is(2, "resourceGroups") {
                    return Err(not_a_scope(id));
                }
                let group = self.resource_group(&known.id, group)?;
                scope.id = format!("{}/resourceGroups/{}", scope.id, group.name);
                scope.chain.insert(0, scope.id.to_ascii_lowercase());
                if rest.is_empty() {
                    return Ok(scope);
                }
                let Some(resource) = self.resource(id) else {
                    let address = Address::parse(id);
                    return Err(ArmError::not_found(
                        "ResourceNotFound",
                        format!(
                            "The Resource '{}/{}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                            address.kind_as_given(),
                            address.name().unwrap_or_default(),
                            group.name
                        ),
                    ));
                };
                scope.id = text(resource, "/id").to_owned();
                scope.chain.insert(0, scope.id.to_ascii_lowercase());
                Ok(scope)
            }
            _ => Err(not_a_scope(id)),
        }
    }

    fn group_scope(&self, name: &str) -> Result<KnownScope, ArmError> {
        let missing = || ArmError::not_found("NotFound", format!("The management group '{name}' cannot be found."));
        let group = self.management_group(name).ok_or_else(missing)?;
        let id = |group: &ManagementGroup| format!("/providers/Microsoft.Management/managementGroups/{}", group.name);
        let mut chain = vec![id(group).to_ascii_lowercase()];
        let mut above = group.parent.as_deref();
        while let Some(parent) = above.and_then(|name| self.management_group(name)) {
            let parent_id = id(parent).to_ascii_lowercase();
            if chain.contains(&parent_id) {
                break;
            }
            chain.push(parent_id);
            above = parent.parent.as_deref();
        }
        Ok(KnownScope { id: id(group), chain })
    }

    /// Returns the management group of this name, in any casing.
    #[must_use]
    pub fn management_group(&self, name: &str) -> Option<&ManagementGroup> {
        self.management_groups
            .iter()
            .find(|group| group.name.eq_ignore_ascii_case(name))
    }

    /// Returns the subscription with this GUID.
    ///
    /// # Errors
    /// 404 `SubscriptionNotFound`, or 400 `InvalidSubscriptionId` for what is no GUID.
    pub fn subscription(&self, id: &str) -> Result<&Subscription, ArmError> {
        let lower = id.to_ascii_lowercase();
        let found = self
            .subscriptions
            .binary_search_by(|known| known.id.as_str().cmp(&lower));
        if let Some(found) = found.ok().and_then(|index| self.subscriptions.get(index)) {
            return Ok(found);
        }
        let well_formed = id.len() == 36
            && id
                .chars()
                .all(|character| character.is_ascii_hexdigit() || character == '-');
        Err(if well_formed {
            ArmError::not_found(
                "SubscriptionNotFound",
                format!("The subscription '{id}' could not be found."),
            )
        } else {
            ArmError::bad_request(
                "InvalidSubscriptionId",
                format!("The provided subscription identifier '{id}' is malformed or invalid."),
            )
        })
    }

    /// Returns the resource group of this name in a subscription.
    ///
    /// # Errors
    /// 404 `ResourceGroupNotFound`.
    pub fn resource_group(&self, subscription: &str, name: &str) -> Result<&ResourceGroup, ArmError> {
        self.resource_groups.get(subscription, name).ok_or_else(|| {
            ArmError::not_found(
                "ResourceGroupNotFound",
                format!("Resource group '{name}' could not be found."),
            )
        })
    }

    /// Ends the operations whose time has come. What this changes follows from the clock alone.
    pub fn settle(&mut self) {
        let mut done = BTreeSet::new();
        for (id, operation) in &self.operations {
            let Some(document) = self.resources.get_mut(&operation.resource) else {
                continue;
            };
            // An earlier operation on the same resource has long ended: it must not end the one that runs, nor let it be forgotten.
            if operation.due > self.now || text(document, "/x-operation") != id.as_str() {
                continue;
            }
            remove(document, "", "x-operation");
            set(document, "/properties", "provisioningState", json!("Succeeded"));
            set(document, "", "eTag", json!(operation.final_etag));
            if let Some(Value::Array(pools)) = document.pointer_mut("/properties/agentPoolProfiles") {
                for pool in pools {
                    set(pool, "", "provisioningState", json!("Succeeded"));
                    set(pool, "", "eTag", json!(operation.final_etag));
                }
            }
            done.insert(id.clone());
        }
        remediation::settle(self);
        let now = self.now;
        self.unregistered.retain(|_, due| due.is_none_or(|due| due > now));
        // An ended operation can be asked for about a day.
        self.operations.retain(|_, operation| operation.due + 86_400 > self.now);
    }

    /// Moves the clock forward.
    pub fn advance(&mut self, seconds: u64) {
        // The year 9999 is as far as ARM's texts of times go.
        let limit = 253_402_300_799;
        self.now = self.now.saturating_add_unsigned(seconds).min(limit);
        if seconds > 0 {
            past::forget(self);
        }
        self.settle();
    }

    /// Returns the `systemData` of a resource that is written now; `createdAt` and `createdBy` survive from `before`.
    #[must_use]
    pub fn system_data(&self, before: Option<&Value>) -> Value {
        let created = before.and_then(|document| document.get("systemData"));
        let kept = |key: &str, new: String| {
            created
                .and_then(|data| data.get(key))
                .cloned()
                .unwrap_or_else(|| json!(new))
        };
        json!({
            "createdBy": kept("createdBy", self.principal.clone()),
            "createdByType": kept("createdByType", "Application".to_owned()),
            "createdAt": kept("createdAt", time::iso(self.now)),
            "lastModifiedBy": self.principal,
            "lastModifiedByType": "Application",
            "lastModifiedAt": time::iso(self.now),
        })
    }
}

fn not_a_scope(id: &str) -> ArmError {
    ArmError::not_found("InvalidResourceNamespace", format!("The scope '{id}' is invalid."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::seed::{SeedOptions, seed};

    #[test]
    fn scopes_are_found_without_case_and_know_what_is_above_them() {
        let state = seed(&SeedOptions::default());
        let scope = state
            .scope("/SUBSCRIPTIONS/0A000000-0000-4000-8000-000000000003/resourcegroups/RG-aks-prod-weu")
            .unwrap();
        assert_eq!(
            scope.id,
            "/subscriptions/0a000000-0000-4000-8000-000000000003/resourceGroups/rg-aks-prod-weu"
        );
        assert_eq!(scope.chain.len(), 5);
        assert!(scope.is_within(&format!("{GROUP_PREFIX}contoso-prod")) && scope.is_within(""));
        assert!(!scope.is_within(&format!("{GROUP_PREFIX}contoso-dev")));
        for (id, code) in [
            (
                "/subscriptions/0a000000-0000-4000-8000-00000000000f",
                "SubscriptionNotFound",
            ),
            ("/subscriptions/nonsense", "InvalidSubscriptionId"),
            (
                "/subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/none",
                "ResourceGroupNotFound",
            ),
            ("/providers/Microsoft.Management/managementGroups/none", "NotFound"),
            ("/nonsense", "InvalidResourceNamespace"),
        ] {
            assert_eq!(state.scope(id).unwrap_err().code, code, "{id}");
        }
    }
}
