//! The kinds of object that aksgate writes: one file each.
//!
//! A kind says how its documents are brought into a comparable form, what is written over an object that is there, and
//! whether a change tightens or weakens. Must not know how documents travel, nor what makes a successor (`desired`).

mod closing;
mod defender_plan;
mod deployment_safeguards;
mod direction;
#[cfg(test)]
mod direction_tests;
mod kubernetes_extension;
mod managed_cluster;
mod policy_assignment;
mod policy_definition;
mod policy_exemption;
mod policy_set_definition;
mod role_assignment;

pub use direction::{Direction, FieldDirection, Meanings};
pub use policy_assignment::{override_stages, principal_of};

use crate::model::ResourceId;
use serde_json::{Map, Value, json};

/// The key of a value that is known only after another object has been written: in a document that object's id, in a plan its step.
pub const KNOWN_AFTER: &str = "knownAfter";

/// A kind of object, in the order in which kinds are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `Microsoft.Authorization/policyDefinitions`.
    PolicyDefinition,
    /// `Microsoft.Authorization/policySetDefinitions`.
    PolicySetDefinition,
    /// `Microsoft.Authorization/policyAssignments`.
    PolicyAssignment,
    /// `Microsoft.Authorization/roleAssignments` of the identity of a policy assignment.
    RoleAssignment,
    /// `Microsoft.Authorization/policyExemptions`.
    PolicyExemption,
    /// `Microsoft.Security/pricings`, the plan `Containers`.
    DefenderPlan,
    /// A `Microsoft.ContainerService/managedClusters`.
    ManagedCluster,
    /// `Microsoft.ContainerService/deploymentSafeguards` of a cluster.
    DeploymentSafeguards,
    /// `Microsoft.KubernetesConfiguration/extensions` of an Arc-connected cluster.
    KubernetesExtension,
}

/// The plane that an object belongs to; the plan is summed up by these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plane {
    /// Azure Policy objects.
    Policy,
    /// Defender for Containers.
    Defender,
    /// The clusters themselves.
    Clusters,
}

/// What a kind knows of its documents. "Wire" is a document as ARM takes and gives it.
trait ResourceKind {
    /// Returns the part of a wire document that is compared, in a form in which equal settings are equal values:
    /// without what the server makes, ids in lower case, sets sorted.
    fn comparable(&self, wire: &Value) -> Value;

    /// Returns the wire document to write so that `desired` holds and what aksgate does not own stays as observed.
    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value;

    /// Returns what a change between comparable documents does, field by field; none stands for an absent object. `meanings` says what
    /// its parameters are to the rules.
    fn directions(&self, before: Option<&Value>, after: Option<&Value>, meanings: &Meanings) -> Vec<FieldDirection>;

    /// Returns the direction of a change whose parameters mean nothing.
    #[cfg(test)]
    fn direction(&self, before: Option<&Value>, after: Option<&Value>) -> Direction {
        Direction::of(&self.directions(before, after, &Meanings::new()))
    }
}

impl Kind {
    /// All kinds, in the order in which they are written.
    pub const ALL: [Kind; 9] = [
        Kind::PolicyDefinition,
        Kind::PolicySetDefinition,
        Kind::PolicyAssignment,
        Kind::RoleAssignment,
        Kind::PolicyExemption,
        Kind::DefenderPlan,
        Kind::ManagedCluster,
        Kind::DeploymentSafeguards,
        Kind::KubernetesExtension,
    ];

    fn knowledge(self) -> &'static dyn ResourceKind {
        match self {
            Kind::PolicyDefinition => &policy_definition::PolicyDefinition,
            Kind::PolicySetDefinition => &policy_set_definition::PolicySetDefinition,
            Kind::PolicyAssignment => &policy_assignment::PolicyAssignment,
            Kind::RoleAssignment => &role_assignment::RoleAssignment,
            Kind::PolicyExemption => &policy_exemption::PolicyExemption,
            Kind::DefenderPlan => &defender_plan::DefenderPlan,
            Kind::ManagedCluster => &managed_cluster::ManagedCluster,
            Kind::DeploymentSafeguards => &deployment_safeguards::DeploymentSafeguards,
            Kind::KubernetesExtension => &kubernetes_extension::KubernetesExtension,
        }
    }

    /// Returns the name used in plan files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::PolicyDefinition => "policyDefinition",
            Kind::PolicySetDefinition => "policySetDefinition",
            Kind::PolicyAssignment => "policyAssignment",
            Kind::RoleAssignment => "roleAssignment",
            Kind::PolicyExemption => "policyExemption",
            Kind::DefenderPlan => "defenderPlan",
            Kind::ManagedCluster => "managedCluster",
            Kind::DeploymentSafeguards => "deploymentSafeguards",
            Kind::KubernetesExtension => "kubernetesExtension",
        }
    }

    /// Reads a name used in plan files.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text)
    }

    /// Returns what a person calls it.
    pub fn label(self) -> &'static str {
        match self {
            Kind::PolicyDefinition => "policy definition",
            Kind::PolicySetDefinition => "policy set definition",
            Kind::PolicyAssignment => "policy assignment",
            Kind::RoleAssignment => "role assignment",
            Kind::PolicyExemption => "policy exemption",
            Kind::DefenderPlan => "Defender plan",
            Kind::ManagedCluster => "AKS cluster",
            Kind::DeploymentSafeguards => "deployment safeguards",
            Kind::KubernetesExtension => "Arc extension",
        }
    }

    /// Returns the plane it belongs to.
    pub fn plane(self) -> Plane {
        match self {
            Kind::PolicyDefinition
            | Kind::PolicySetDefinition
            | Kind::PolicyAssignment
            | Kind::RoleAssignment
            | Kind::PolicyExemption => Plane::Policy,
            Kind::DefenderPlan => Plane::Defender,
            Kind::ManagedCluster | Kind::DeploymentSafeguards | Kind::KubernetesExtension => Plane::Clusters,
        }
    }

    /// Returns the file name of the template that its documents are rendered from; of a role assignment, where nothing is left to a
    /// template, the name that it would have.
    pub fn template(self) -> &'static str {
        match self {
            Kind::PolicyDefinition => "policyDefinition.json.hbs",
            Kind::PolicySetDefinition => "policySetDefinition.json.hbs",
            Kind::PolicyAssignment => "policyAssignment.json.hbs",
            Kind::RoleAssignment => "roleAssignment.json.hbs",
            Kind::PolicyExemption => "policyExemption.json.hbs",
            Kind::DefenderPlan => "defenderPlan.json.hbs",
            Kind::ManagedCluster => "managedCluster.json.hbs",
            Kind::DeploymentSafeguards => "deploymentSafeguards.json.hbs",
            Kind::KubernetesExtension => "kubernetesExtension.json.hbs",
        }
    }

    /// Returns whether objects of this kind carry a mark: only those are ever deleted.
    pub fn is_marked(self) -> bool {
        self.plane() == Plane::Policy
    }

    /// Returns whether objects of this kind are what is assigned: the gates of an initiative may share one.
    pub fn is_definition(self) -> bool {
        matches!(self, Kind::PolicyDefinition | Kind::PolicySetDefinition)
    }

    /// Returns whether the object is a part of a resource that others own too, so that a write must name the version it changes.
    pub fn is_part_of_resource(self) -> bool {
        matches!(self, Kind::ManagedCluster)
    }

    /// Returns whether its objects all have the same name, so that a name alone tells none of them.
    pub fn shares_one_name(self) -> bool {
        matches!(
            self,
            Kind::DefenderPlan | Kind::DeploymentSafeguards | Kind::KubernetesExtension
        )
    }

    /// Returns the comparable form of a wire document.
    pub fn comparable(self, wire: &Value) -> Value {
        self.knowledge().comparable(wire)
    }

    /// Returns the wire document to write over what is observed.
    pub fn merged(self, desired: &Value, observed: Option<&Value>) -> Value {
        self.knowledge().merged(desired, observed)
    }

    /// Returns the settings of a wire document that are somebody else's; none where the whole object is ours.
    ///
    /// A write must leave them as they are.
    pub fn settings_of_others(self, wire: &Value) -> Option<Value> {
        match self {
            Kind::ManagedCluster => Some(managed_cluster::settings_of_others(wire)),
            _ => None,
        }
    }

    /// Returns whether a change, between comparable documents, closes a gate further somewhere: then its evidence is asked for once more
    /// before it is written.
    pub fn closes_further(self, before: Option<&Value>, after: &Value) -> bool {
        self == Kind::PolicyAssignment && closing::closes_further(before, after)
    }

    /// Returns what a change between comparable documents does, field by field; none stands for an absent object. `meanings` says what
    /// the parameters of a policy object are to its rules.
    pub fn directions(self, before: Option<&Value>, after: Option<&Value>, meanings: &Meanings) -> Vec<FieldDirection> {
        self.knowledge().directions(before, after, meanings)
    }
}

impl Plane {
    /// All planes, in the order in which they are shown.
    pub const ALL: [Plane; 3] = [Plane::Policy, Plane::Defender, Plane::Clusters];

    /// Returns what a person calls it.
    pub fn label(self) -> &'static str {
        match self {
            Plane::Policy => "Azure Policy",
            Plane::Defender => "Defender for Containers",
            Plane::Clusters => "clusters",
        }
    }
}

/// Returns the value at a path of keys.
fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// Returns the object at `properties`, empty if there is none.
fn properties(wire: &Value) -> Map<String, Value> {
    at(wire, &["properties"])
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// Returns an id in lower case if the text is one, else the text.
fn comparable_id(text: &str) -> String {
    ResourceId::parse(text).map_or_else(|| text.to_owned(), |id| id.key())
}

/// Returns the strings of an array, sorted, each once, each through `form`; an empty array if there is none. What is no array
/// of strings stays as it is, so that nothing in it is hidden.
fn sorted_set(value: Option<&Value>, form: impl Fn(&str) -> String) -> Value {
    let all_text = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
    if let Some(value) = value.filter(|value| !value.is_null() && !all_text(value)) {
        return value.clone();
    }
    let mut items: Vec<String> = value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(form)
        .collect();
    items.sort();
    items.dedup();
    Value::from(items)
}

/// Returns the parameters that a definition or set declares: ARM gives `Array` back where `array` was sent.
fn comparable_parameters(parameters: Option<&Value>) -> Value {
    let mut parameters = parameters.and_then(Value::as_object).cloned().unwrap_or_default();
    for definition in parameters.values_mut() {
        if let Some(kind) = definition.get_mut("type") {
            *kind = Value::from(kind.as_str().unwrap_or_default().to_ascii_lowercase());
        }
    }
    Value::Object(parameters)
}

/// Returns metadata without the keys that the server adds: `createdBy`, `createdOn`, `updatedBy`, `updatedOn`
/// (governance/policy/concepts/assignment-structure).
fn own_metadata(metadata: Option<&Value>) -> Map<String, Value> {
    let mut metadata = metadata.and_then(Value::as_object).cloned().unwrap_or_default();
    for key in ["createdBy", "createdOn", "updatedBy", "updatedOn"] {
        metadata.remove(key);
    }
    metadata
}

/// Returns the definition to write, of one rule or of a set: all of it is ours but metadata keys that somebody added.
fn merged_definition(desired: &Value, observed: Option<&Value>) -> Value {
    let mut merged = properties(desired);
    let observed = observed.map(properties).unwrap_or_default();
    let metadata = merge_metadata(merged.get("metadata"), observed.get("metadata"));
    merged.insert("metadata".to_owned(), Value::Object(metadata));
    json!({ "properties": merged })
}

/// Keeps the metadata keys that the desired document states; another key that is on the object already stays.
fn merge_metadata(desired: Option<&Value>, observed: Option<&Value>) -> Map<String, Value> {
    let mut merged = own_metadata(observed);
    merged.extend(own_metadata(desired));
    merged
}
