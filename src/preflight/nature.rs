//! What Azure asks for to write each type of resource: actions, a provider, a place within a limit.
//!
//! Owns the one table of these. Actions and roles are those of Azure's lists of permissions and of built-in roles
//! (role-based-access-control/permissions, /built-in-roles), counts those of its page on subscription and service limits.

use crate::kinds::Kind;

/// What is needed to write a type of resource.
#[derive(Debug)]
pub struct Nature {
    /// The type; its actions are this, a slash, and `write` or `delete`.
    pub resource_type: &'static str,
    /// A built-in role that has these actions.
    pub role: &'static str,
    /// How many there may be.
    pub limit: Option<Limit>,
}

/// How many objects of a type there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// At each scope.
    AtScope(usize),
    /// In each subscription and below it.
    InSubscription(usize),
}

impl Limit {
    /// Returns the number.
    pub fn most(self) -> usize {
        match self {
            Limit::AtScope(most) | Limit::InSubscription(most) => most,
        }
    }
}

const POLICY: &str = "Resource Policy Contributor";

/// The types that aksgate knows; also those that no kind has yet.
const NATURES: &[Nature] = &[
    Nature {
        resource_type: "Microsoft.Authorization/policyDefinitions",
        role: POLICY,
        limit: Some(Limit::AtScope(500)),
    },
    Nature {
        resource_type: "Microsoft.Authorization/policySetDefinitions",
        role: POLICY,
        limit: Some(Limit::AtScope(200)),
    },
    Nature {
        resource_type: "Microsoft.Authorization/policyAssignments",
        role: POLICY,
        limit: Some(Limit::AtScope(200)),
    },
    Nature {
        resource_type: "Microsoft.Authorization/policyExemptions",
        role: POLICY,
        limit: Some(Limit::AtScope(1_000)),
    },
    Nature {
        resource_type: "Microsoft.Authorization/roleAssignments",
        role: "User Access Administrator",
        limit: Some(Limit::InSubscription(4_000)),
    },
    Nature {
        resource_type: "Microsoft.Security/pricings",
        role: "Security Admin",
        limit: None,
    },
    Nature {
        resource_type: "Microsoft.ContainerService/managedClusters",
        role: "Azure Kubernetes Service Contributor Role",
        limit: None,
    },
    Nature {
        resource_type: "Microsoft.ContainerService/deploymentSafeguards",
        role: "Contributor",
        limit: None,
    },
    Nature {
        resource_type: "Microsoft.KubernetesConfiguration/extensions",
        role: "Kubernetes Extension Contributor",
        limit: None,
    },
];

/// A type that the table does not have: a test sees to it that no kind is one.
static UNKNOWN: Nature = Nature {
    resource_type: "",
    role: "Owner",
    limit: None,
};

/// Returns the type of resource that a step of this kind writes. The compiler asks for each new kind.
fn resource_type(kind: Kind) -> &'static str {
    match kind {
        Kind::PolicyDefinition => "Microsoft.Authorization/policyDefinitions",
        Kind::PolicySetDefinition => "Microsoft.Authorization/policySetDefinitions",
        Kind::PolicyAssignment => "Microsoft.Authorization/policyAssignments",
        Kind::RoleAssignment => "Microsoft.Authorization/roleAssignments",
        Kind::PolicyExemption => "Microsoft.Authorization/policyExemptions",
        Kind::DefenderPlan => "Microsoft.Security/pricings",
        Kind::ManagedCluster => "Microsoft.ContainerService/managedClusters",
        Kind::DeploymentSafeguards => "Microsoft.ContainerService/deploymentSafeguards",
        Kind::KubernetesExtension => "Microsoft.KubernetesConfiguration/extensions",
    }
}

/// Returns what is needed to write an object of this kind.
pub fn nature(kind: Kind) -> &'static Nature {
    let resource_type = resource_type(kind);
    let found = NATURES.iter().find(|nature| nature.resource_type == resource_type);
    found.unwrap_or(&UNKNOWN)
}

/// The actions that are needed on something that a document refers to, and a built-in role that has them.
///
/// ARM asks for them with each PUT of the document, whatever the PUT changes: the answer is 403 `LinkedAuthorizationFailed`.
pub mod linked {
    /// Exempting from an assignment (governance/policy/overview, Azure RBAC permissions in Azure Policy).
    pub const EXEMPT: (&str, &str) = (
        "Microsoft.Authorization/policyAssignments/exempt/action",
        "Resource Policy Contributor",
    );
    /// A Log Analytics workspace that a cluster sends to (Azure/azure-cli#22232, hashicorp/terraform-provider-azurerm#21078).
    pub const WORKSPACE: (&str, &str) = (
        "Microsoft.OperationalInsights/workspaces/sharedkeys/read",
        "Log Analytics Contributor",
    );
    /// A subnet that a pool or the API server stands in (aks/aks-service-permissions).
    pub const SUBNET: (&str, &str) = (
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Network Contributor",
    );
    /// A user-assigned identity that a resource is given (aks/aks-service-permissions).
    pub const IDENTITY: (&str, &str) = (
        "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
        "Managed Identity Operator",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_the_table() {
        for kind in Kind::ALL {
            assert_eq!(nature(kind).resource_type, resource_type(kind), "{kind:?}");
        }
    }

    #[test]
    fn every_type_stands_there_once() {
        let mut types: Vec<&str> = NATURES.iter().map(|nature| nature.resource_type).collect();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), NATURES.len());
    }
}
