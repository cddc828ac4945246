//! What carrying a plan out needs: each action at its scope, each provider, each place within a limit, and no lock in the way.
//!
//! Owns how needs follow from steps and documents. Must not know what Azure answers about them.

use super::nature::{Limit, Nature, linked, nature};
use crate::kinds::Kind;
use crate::model::ResourceId;
use crate::plan::{Action, Plan, Step};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An action at a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionNeed {
    /// The action, such as `Microsoft.Authorization/policyAssignments/write`.
    pub action: String,
    /// Where, in the casing of the first step that needs it.
    pub scope: String,
    /// A built-in role that has it.
    pub role: &'static str,
    /// What it is needed for, each thing once.
    pub purposes: BTreeSet<String>,
}

/// A number of objects that are made at a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceNeed {
    /// The type of object.
    pub resource_type: &'static str,
    /// The scope, or the subscription, that the limit goes for.
    pub scope: String,
    /// The limit.
    pub limit: Limit,
    /// How many are made.
    pub made: usize,
}

/// Documents by kind and object.
pub type Documents = BTreeMap<(Kind, ResourceId), Vec<Value>>;

/// What a plan needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Actions, by action and scope in lower case.
    pub actions: BTreeMap<(String, String), ActionNeed>,
    /// Places within limits, by type and scope in lower case.
    pub places: BTreeMap<(&'static str, String), PlaceNeed>,
    /// Resource providers: subscription and namespace, and what for.
    pub providers: BTreeMap<(String, String), BTreeSet<&'static str>>,
}

impl Needs {
    /// Returns what the pending steps need. `documents` holds what each says, and for a part of a resource the resource as it is.
    pub fn of(plan: &Plan, documents: &Documents) -> Needs {
        let mut needs = Needs::default();
        for step in plan.pending() {
            let nature = nature(step.kind);
            needs.step(step, nature);
            if step.action != Action::Delete {
                let written = documents.get(&(step.kind, step.object.clone()));
                written
                    .into_iter()
                    .flatten()
                    .for_each(|document| needs.linked(step, document));
            }
        }
        needs
    }

    /// Adds an action that is needed at a scope.
    pub fn action(&mut self, action: &str, scope: &str, role: &'static str, purpose: String) {
        let key = (action.to_ascii_lowercase(), scope.to_ascii_lowercase());
        let need = self.actions.entry(key).or_insert_with(|| ActionNeed {
            action: action.to_owned(),
            scope: scope.to_owned(),
            role,
            purposes: BTreeSet::new(),
        });
        need.purposes.insert(purpose);
    }

    /// Adds a resource provider that a subscription has to have registered.
    pub fn provider(&mut self, subscription: &str, namespace: &str, purpose: &'static str) {
        let key = (subscription.to_ascii_lowercase(), namespace.to_owned());
        self.providers.entry(key).or_default().insert(purpose);
    }

    fn step(&mut self, step: &Step, nature: &'static Nature) {
        let resource_type = nature.resource_type;
        let scope = permission_scope(&step.object, resource_type);
        let purpose = || format!("{} {}", step.action, step.kind.label());
        let (writes, deletes) = match step.action {
            Action::Create | Action::Update => (true, false),
            Action::Replace => (true, true),
            Action::Delete => (false, true),
            Action::NoOp => (false, false),
        };
        for (needed, verb) in [(writes, "write"), (deletes, "delete")] {
            if needed {
                self.action(&format!("{resource_type}/{verb}"), &scope, nature.role, purpose());
            }
        }
        let namespace = resource_type.split('/').next().unwrap_or_default();
        // Every subscription has Microsoft.Authorization.
        if let Some(subscription) = step.object.value_of("subscriptions")
            && namespace != "Microsoft.Authorization"
        {
            self.provider(subscription, namespace, step.kind.label());
        }
        // A successor stands beside its predecessor until that is deleted.
        if let Some(limit) = nature.limit
            && matches!(step.action, Action::Create | Action::Replace)
            && let Some(scope) = limited_scope(&step.object, limit)
        {
            let key = (resource_type, scope.to_ascii_lowercase());
            let place = self.places.entry(key).or_insert_with(|| PlaceNeed {
                resource_type,
                scope,
                limit,
                made: 0,
            });
            place.made += 1;
        }
    }

    /// Adds what is needed on the things that a document refers to.
    fn linked(&mut self, step: &Step, document: &Value) {
        let text = |path: &str| document.pointer(path).and_then(Value::as_str);
        let name = step.object.name().to_owned();
        let mut add = |(action, role): (&str, &'static str), id: &str| {
            if let Some(id) = ResourceId::parse(id) {
                let scope = if action == linked::EXEMPT.0 {
                    id.scope()
                } else {
                    id.as_str()
                };
                self.action(action, scope, role, format!("write `{name}`, which refers to it"));
            }
        };
        if let Some(assignment) = text("/properties/policyAssignmentId") {
            add(linked::EXEMPT, assignment);
        }
        let identities = document.pointer("/identity/userAssignedIdentities");
        for id in identities
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|ids| ids.keys())
        {
            add(linked::IDENTITY, id);
        }
        for id in workspaces(document) {
            add(linked::WORKSPACE, id);
        }
        for id in subnets(document) {
            add(linked::SUBNET, id);
        }
    }
}

/// The scope whose permissions decide on an object: a cluster's own, and the scope that an extension stands at.
fn permission_scope(object: &ResourceId, resource_type: &str) -> String {
    match resource_type.starts_with("Microsoft.Authorization/") || object.scope().contains("/providers/") {
        true => object.scope().to_owned(),
        false if object.value_of("resourceGroups").is_some() => object.as_str().to_owned(),
        false => object.scope().to_owned(),
    }
}

fn limited_scope(object: &ResourceId, limit: Limit) -> Option<String> {
    match limit {
        Limit::AtScope(_) => Some(object.scope().to_owned()),
        Limit::InSubscription(_) => object
            .value_of("subscriptions")
            .map(|id| format!("/subscriptions/{id}")),
    }
}

/// The Log Analytics workspaces that a cluster sends to.
fn workspaces(cluster: &Value) -> impl Iterator<Item = &str> {
    let profiles = cluster.pointer("/properties/addonProfiles").and_then(Value::as_object);
    let agents = profiles
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.eq_ignore_ascii_case("omsagent"))
        .filter_map(|(_, profile)| profile.get("config")?.as_object())
        .flatten()
        .filter(|(key, _)| key.eq_ignore_ascii_case("logAnalyticsWorkspaceResourceID"))
        .filter_map(|(_, id)| id.as_str());
    let sensor = cluster.pointer("/properties/securityProfile/defender/logAnalyticsWorkspaceResourceId");
    agents.chain(sensor.and_then(Value::as_str)).filter(|id| !id.is_empty())
}

/// The subnets of others that a cluster stands in.
fn subnets(cluster: &Value) -> impl Iterator<Item = &str> {
    let pools = cluster
        .pointer("/properties/agentPoolProfiles")
        .and_then(Value::as_array);
    let of_pools = pools
        .into_iter()
        .flatten()
        .flat_map(|pool| ["vnetSubnetID", "podSubnetID"].map(|key| pool.get(key)));
    let of_server = cluster.pointer("/properties/apiServerAccessProfile/subnetId");
    of_pools.chain([of_server]).flatten().filter_map(Value::as_str)
}
