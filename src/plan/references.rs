//! What an object refers to: what has to be there before it, and may go only after it.

use crate::kinds::Kind;
use crate::model::ResourceId;
use serde_json::Value;
use std::collections::BTreeSet;

/// Returns the objects that a comparable document names, each by kind and key. Those of a role assignment are not in its document: it
/// names a principal.
pub(super) fn references(kind: Kind, document: &Value) -> BTreeSet<(Kind, String)> {
    let properties = document.get("properties");
    let text = |key: &str| {
        properties
            .and_then(|properties| properties.get(key))
            .and_then(Value::as_str)
    };
    let members = || {
        let members = properties.and_then(|properties| properties.get("policyDefinitions"));
        let members = members.and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(_, member)| member.get("policyDefinitionId")?.as_str())
    };
    let named: Vec<&str> = match kind {
        Kind::PolicyAssignment => text("policyDefinitionId").into_iter().collect(),
        Kind::PolicyExemption => text("policyAssignmentId").into_iter().collect(),
        Kind::PolicySetDefinition => members().collect(),
        Kind::PolicyDefinition
        | Kind::RoleAssignment
        | Kind::DefenderPlan
        | Kind::ManagedCluster
        | Kind::DeploymentSafeguards
        | Kind::KubernetesExtension => Vec::new(),
    };
    named.into_iter().filter_map(reference).collect()
}

/// A reference by the kind that its id says; none if it is of no kind that is ours.
fn reference(id: &str) -> Option<(Kind, String)> {
    let id = ResourceId::parse(id)?;
    let key = id.key();
    let kinds = [
        ("/policysetdefinitions/", Kind::PolicySetDefinition),
        ("/policydefinitions/", Kind::PolicyDefinition),
        ("/policyassignments/", Kind::PolicyAssignment),
    ];
    let (_, kind) = kinds.into_iter().find(|(part, _)| key.contains(part))?;
    Some((kind, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_names_what_it_needs() {
        let provider = "/subscriptions/s/providers/microsoft.authorization";
        let set = format!("{provider}/policySetDefinitions/Set");
        let found = references(
            Kind::PolicyAssignment,
            &json!({"properties": {"policyDefinitionId": set}}),
        );
        let key = format!("{provider}/policysetdefinitions/set");
        assert_eq!(found, BTreeSet::from([(Kind::PolicySetDefinition, key)]));
        let one = format!("{provider}/policydefinitions/one");
        let members = json!({"properties": {"policyDefinitions": {"a": {"policyDefinitionId": one}, "b": {}}}});
        let found = references(Kind::PolicySetDefinition, &members);
        assert_eq!(found, BTreeSet::from([(Kind::PolicyDefinition, one)]));
        let assignment = format!("{provider}/policyassignments/a");
        let found = references(
            Kind::PolicyExemption,
            &json!({"properties": {"policyAssignmentId": assignment}}),
        );
        assert_eq!(found, BTreeSet::from([(Kind::PolicyAssignment, assignment)]));
        for strange in [
            json!({}),
            json!({"properties": {"policyDefinitionId": 1, "policyDefinitions": []}}),
        ] {
            assert!(
                Kind::ALL.into_iter().all(|kind| references(kind, &strange).is_empty()),
                "{strange}"
            );
        }
    }
}
