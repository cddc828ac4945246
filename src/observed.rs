//! What was found in Azure: the live objects of one environment, as documents.
//!
//! Owns the questions that planning asks of them: whose an object is, what it looked like, what cannot be written now.
//! Must not know how they were fetched.

mod nodes;

pub use nodes::{ClusterNodes, NodePool, VCores, vcores};

use crate::diff::digest;
use crate::kinds::Kind;
use crate::model::{MARK_KEY, Mark, MarkState, ResourceId, STATE_KEY, Scope, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// The live objects that concern one environment.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The subscriptions in scope.
    pub subscriptions: Vec<Subscription>,
    /// The clusters in scope.
    pub clusters: Vec<Cluster>,
    /// When a cluster changed last, its add-on with it, where Azure says so.
    pub cluster_changes: BTreeMap<ResourceId, Timestamp>,
    /// The Arc-connected clusters in scope; empty where the environment does not ask for them.
    pub arc_clusters: Vec<ArcCluster>,
    /// The nodes of the clusters whose subscription's Defender plan would be turned on; none if they were not looked at.
    pub nodes: Option<Vec<ClusterNodes>>,
    /// Policy assignments above the environment's scope, which hold in it too, and below it: none of them is ours to change.
    pub beyond: Vec<LiveObject>,
    /// Policy set definitions of others that assignments point at.
    pub sets_of_others: Vec<LiveObject>,
    /// Those that could not be read.
    pub unread_sets: Vec<ResourceId>,
    objects: BTreeMap<(Kind, ResourceId), LiveObject>,
}

/// The Defender plans that `Containers` has replaced (pricings, 2024-01-01: `deprecated`, `replacedBy`).
pub const LEGACY_PLANS: [&str; 2] = ["KubernetesService", "ContainerRegistry"];

/// A subscription in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its GUID in lower case.
    pub id: String,
    /// Its display name.
    pub name: String,
}

/// A cluster in scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Its resource id.
    pub id: ResourceId,
    /// Its location.
    pub location: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `provisioningState`, such as `Succeeded` or `Updating`.
    pub provisioning_state: String,
    /// `powerState.code`, `Running` or `Stopped`.
    pub power_state: String,
    /// `sku.name`, such as `Base` or `Automatic`; empty if it is not known.
    pub sku: String,
    /// Whether it has a pool of Linux nodes; none if its pools are not known.
    pub linux: Option<bool>,
}

impl Cluster {
    /// Returns whether the cluster is on its way out.
    pub fn is_being_deleted(&self) -> bool {
        self.provisioning_state.eq_ignore_ascii_case("Deleting")
    }

    /// Returns whether it is an AKS Automatic cluster, which has the add-on always.
    pub fn is_automatic(&self) -> bool {
        self.sku.eq_ignore_ascii_case("Automatic")
    }

    /// Returns why the cluster cannot be written now, if it cannot: AKS answers 409 `OperationNotAllowed` to a stopped
    /// cluster and to one with an operation under way.
    pub fn unwritable(&self) -> Option<String> {
        if self.power_state.eq_ignore_ascii_case("Stopped") {
            return Some("the cluster is stopped; start it and plan again".to_owned());
        }
        if self.is_being_deleted() {
            return Some("the cluster is being deleted".to_owned());
        }
        let settled = ["Succeeded", "Failed"]
            .iter()
            .any(|state| state.eq_ignore_ascii_case(&self.provisioning_state));
        (!settled).then(|| {
            let state = &self.provisioning_state;
            format!("its state is `{state}`; plan again when its last operation has succeeded")
        })
    }
}

/// An Arc-connected cluster in scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArcCluster {
    /// Its resource id.
    pub id: ResourceId,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `connectivityStatus`, such as `Connected` or `Offline`.
    pub connectivity: String,
    /// `distribution`, such as `k3s`; an AKS cluster may be connected besides.
    pub distribution: String,
}

impl ArcCluster {
    /// Returns whether it is an AKS cluster, which has the add-on and not the extension.
    pub fn is_aks(&self) -> bool {
        self.distribution.eq_ignore_ascii_case("aks")
    }

    /// Returns whether the agent in the cluster speaks to Azure.
    pub fn is_connected(&self) -> bool {
        self.connectivity.eq_ignore_ascii_case("Connected")
    }
}

/// A live object.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveObject {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: ResourceId,
    /// The document as ARM gave it.
    pub wire: Value,
    /// Its ETag, where the kind has one.
    pub etag: Option<String>,
}

/// What tells one state of a live object from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fingerprint {
    /// The ETag, where the kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `properties.instanceId`: another one means that the object was deleted and made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// `systemData.lastModifiedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_at: Option<String>,
    /// The digest of the comparable document.
    pub content: String,
}

impl LiveObject {
    /// Returns the document in comparable form.
    pub fn comparable(&self) -> Value {
        self.kind.comparable(&self.wire)
    }

    /// Returns the ownership mark, if there is one that can be read.
    pub fn mark(&self) -> Option<Mark> {
        self.metadata(MARK_KEY).and_then(Mark::parse)
    }

    /// Returns the moving half of the mark, if there is one that can be read.
    pub fn mark_state(&self) -> Option<MarkState> {
        self.metadata(STATE_KEY).and_then(MarkState::parse)
    }

    /// Returns the mark if it is one of this owner and environment and the object's name is the one that the mark gives: a
    /// copy under another name carries the mark too, and is not ours.
    pub fn owned_mark(&self, owner: &str, environment: &str) -> Option<Mark> {
        let mark = self.mark()?;
        let name = self.id.name();
        let named = match self.kind {
            Kind::PolicyAssignment => mark.assignment_name().eq_ignore_ascii_case(name),
            Kind::PolicyDefinition => mark.names_definition(name),
            Kind::PolicySetDefinition => mark.names_set_definition(name),
            Kind::PolicyExemption => mark.names_exemption(name, self.id.scope()),
            Kind::RoleAssignment => {
                let role = self
                    .wire
                    .pointer("/properties/roleDefinitionId")
                    .and_then(Value::as_str);
                let role = role.and_then(|id| id.rsplit('/').next()).unwrap_or_default();
                mark.names_role_assignment(name, self.id.scope(), role)
            }
            Kind::DefenderPlan | Kind::ManagedCluster | Kind::DeploymentSafeguards | Kind::KubernetesExtension => false,
        };
        (named && mark.owner == owner && mark.environment == environment).then_some(mark)
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        if self.kind == Kind::RoleAssignment {
            // It has no metadata: the mark is its description.
            return (key == MARK_KEY).then(|| self.wire.get("properties")?.get("description")?.as_str())?;
        }
        self.wire.get("properties")?.get("metadata")?.get(key)?.as_str()
    }

    /// Returns the fingerprint of this state.
    pub fn fingerprint(&self) -> Fingerprint {
        let text = |path: [&str; 2]| self.wire.get(path[0])?.get(path[1])?.as_str().map(str::to_owned);
        Fingerprint {
            etag: self.etag.clone(),
            instance_id: text(["properties", "instanceId"]),
            last_modified_at: text(["systemData", "lastModifiedAt"]),
            content: digest(&self.comparable()),
        }
    }

    /// Returns who wrote the object last and when, where ARM says so.
    pub fn last_writer(&self) -> Option<String> {
        let system = self.wire.get("systemData")?;
        let text = |key: &str| system.get(key).and_then(Value::as_str);
        let by = text("lastModifiedBy")?;
        Some(match text("lastModifiedAt") {
            Some(at) => format!("{by} at {at}"),
            None => by.to_owned(),
        })
    }
}

impl Observed {
    /// Returns whether an object stands in a subscription that lies below a management group.
    pub fn is_below(&self, scope: &Scope, id: &ResourceId) -> bool {
        let subscription = id.value_of("subscriptions");
        matches!(scope, Scope::ManagementGroup(_))
            && subscription.is_some_and(|id| self.subscriptions.iter().any(|known| known.id.eq_ignore_ascii_case(id)))
    }

    /// Adds a live object.
    pub fn insert(&mut self, object: LiveObject) {
        self.objects.insert((object.kind, object.id.clone()), object);
    }

    /// Returns the object of that kind and id.
    pub fn get(&self, kind: Kind, id: &ResourceId) -> Option<&LiveObject> {
        self.objects.get(&(kind, id.clone()))
    }

    /// Returns all objects, by kind and id.
    pub fn objects(&self) -> impl Iterator<Item = &LiveObject> {
        self.objects.values()
    }

    /// Returns the environments of this owner whose marks were seen, but for those that are `known`, each with its objects, at the scope
    /// or beyond it.
    pub fn orphans<'a>(
        &'a self,
        owner: &'a str,
        known: impl Fn(&str) -> bool + 'a,
    ) -> BTreeMap<String, Vec<&'a LiveObject>> {
        let mut found: BTreeMap<String, Vec<&LiveObject>> = BTreeMap::new();
        for object in self.objects.values().chain(&self.beyond) {
            let environment = object.mark().map(|mark| mark.environment);
            let Some(environment) = environment.filter(|environment| !known(environment)) else {
                continue;
            };
            if object.owned_mark(owner, &environment).is_some() {
                found.entry(environment).or_default().push(object);
            }
        }
        found
    }

    /// Returns the objects whose mark names this owner and environment, and that stand under the name that the mark gives.
    pub fn owned<'a>(&'a self, owner: &'a str, environment: &'a str) -> impl Iterator<Item = (&'a LiveObject, Mark)> {
        self.objects
            .values()
            .filter_map(move |object| Some((object, object.owned_mark(owner, environment)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster(provisioning: &str, power: &str) -> Cluster {
        Cluster {
            id: ResourceId::parse("/subscriptions/s/x/c").unwrap(),
            location: "westeurope".into(),
            tags: BTreeMap::new(),
            provisioning_state: provisioning.into(),
            power_state: power.into(),
            sku: "Base".into(),
            linux: Some(true),
        }
    }

    #[test]
    fn busy_and_stopped_clusters_are_not_written() {
        assert_eq!(cluster("Succeeded", "Running").unwritable(), None);
        assert_eq!(cluster("Failed", "Running").unwritable(), None);
        assert!(
            cluster("Succeeded", "Stopped")
                .unwritable()
                .unwrap()
                .contains("stopped")
        );
        assert!(
            cluster("Deleting", "Running")
                .unwritable()
                .unwrap()
                .contains("being deleted")
        );
        assert!(
            cluster("Updating", "Running")
                .unwritable()
                .unwrap()
                .contains("Updating")
        );
    }

    #[test]
    fn only_our_mark_makes_an_object_ours() {
        let mut observed = Observed::default();
        let mark = |owner: &str, environment: &str| Mark {
            owner: owner.into(),
            environment: environment.into(),
            gate: "g".into(),
            generation: 1,
            part: "00".into(),
        };
        let (ours, prod, theirs) = (mark("us", "dev"), mark("us", "prod"), mark("them", "dev"));
        let ours_rule = ours.definition_name("r", "d");
        let (ours_set, theirs_set) = (ours.set_definition_name("d"), theirs.set_definition_name("d"));
        let objects = [
            (Kind::PolicyAssignment, ours.assignment_name(), ours.to_text()),
            (Kind::PolicyAssignment, prod.assignment_name(), prod.to_text()),
            (Kind::PolicyAssignment, theirs.assignment_name(), theirs.to_text()),
            (Kind::PolicyAssignment, "copy".into(), ours.to_text()),
            (Kind::PolicyAssignment, "x".into(), "x".into()),
            (Kind::PolicySetDefinition, ours_set.clone(), ours.to_text()),
            (Kind::PolicySetDefinition, theirs_set, theirs.to_text()),
            (Kind::PolicySetDefinition, "copy-of-a-set".into(), ours.to_text()),
            (Kind::PolicyDefinition, ours_rule.clone(), ours.to_text()),
            (Kind::PolicyDefinition, format!("copy-{ours_rule}"), ours.to_text()),
            (
                Kind::PolicyDefinition,
                theirs.definition_name("r", "d"),
                theirs.to_text(),
            ),
            (Kind::DefenderPlan, ours.assignment_name(), ours.to_text()),
        ];
        for (kind, name, text) in objects {
            observed.insert(LiveObject {
                kind,
                id: ResourceId::parse(&format!("/a/{name}")).unwrap(),
                wire: json!({"properties": {"metadata": {"aksgate": text}}}),
                etag: None,
            });
        }
        let names: Vec<_> = observed
            .owned("us", "dev")
            .map(|(object, _)| object.id.name().to_owned())
            .collect();
        assert_eq!(names, [ours_rule, ours_set, ours.assignment_name()]);
    }
}
