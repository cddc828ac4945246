//! The names of the built-in roles that the built-ins of this catalogue ask for.
//!
//! From <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles>; a role is told by its GUID, the name is for readers.

/// GUIDs and names, ordered by GUID.
const ROLES: [(&str, &str); 12] = [
    (
        "18ed5180-3e48-46fd-8541-4ea054d57064",
        "Azure Kubernetes Service Policy Add-on Deployment",
    ),
    (
        "34e09817-6cbe-4d01-b1a2-e0eac5743d41",
        "Kubernetes Cluster - Azure Arc Onboarding",
    ),
    ("5e93ba01-8f92-4c7a-b12a-801e3df23824", "Kubernetes Agent Operator"),
    (
        "63bb64ad-9799-4770-b5c3-24ed299a07bf",
        "Azure Kubernetes Fleet Manager Contributor Role",
    ),
    ("749f88d5-cbae-40b8-bcfc-e573ddc772fa", "Monitoring Contributor"),
    (
        "85cb6faf-e071-4c9b-8136-154b5a04f717",
        "Kubernetes Extension Contributor",
    ),
    (
        "8bb6f106-b146-4ee6-a3f9-b9c5a96e0ae5",
        "Defender Kubernetes Agent Operator",
    ),
    ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner"),
    ("92aaf0da-9dab-42b6-94a3-d43ce8d16293", "Log Analytics Contributor"),
    ("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor"),
    (
        "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8",
        "Azure Kubernetes Service Contributor Role",
    ),
    ("fb1c8493-542b-48eb-b624-b4c8fea62acd", "Security Admin"),
];

/// Returns the name of a built-in role by its GUID in any casing; none for one that no built-in of the catalogue asks for.
pub fn role_name(id: &str) -> Option<&'static str> {
    ROLES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(id))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn every_role_that_a_built_in_asks_for_has_a_name() {
        for definition in Catalog::embedded().definitions() {
            for id in definition.role_definition_ids() {
                assert!(role_name(id.rsplit('/').next().unwrap()).is_some(), "{id}");
            }
        }
    }
}
