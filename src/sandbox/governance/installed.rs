//! What the add-on has installed in a cluster, as the cluster's own tools show it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::json::set;
use super::super::state::State;
use super::super::time;
use super::addon;
use super::admission::{Standing, standings};
use super::past::Past;
use super::resolve::Resolver;
use super::scope::Cluster;

/// The label of everything that the add-on installs.
const MANAGED_BY: &str = "azure-policy-addon";

/// Returns the constraint templates and constraints of a cluster as a `List`.
#[must_use]
pub fn installed(state: &State, cluster: &Cluster) -> Value {
    let mut templates: BTreeMap<String, (Value, Vec<String>)> = BTreeMap::new();
    let mut constraints = Vec::new();
    let governed = Past::at(state, state.now).governed(&cluster.id);
    if let Some(pulled) = addon::pulled(state, &cluster.id, state.now).filter(|_| governed) {
        let resolver = Resolver::new(addon::effective(state, pulled));
        let policies = resolver.policies(cluster);
        let made = time::iso_short(pulled);
        for (policy, standing) in policies
            .iter()
            .zip(standings(state, cluster, &resolver, &policies, pulled))
        {
            let Standing::Installed(constraint) = standing else {
                continue;
            };
            let template = &constraint.template;
            let entry = templates.entry(template.kind().to_owned());
            let (_, definitions) = entry.or_insert_with(|| {
                let mut document = template.document.clone();
                let mut annotations = json!({"constraint-template-installed-by": MANAGED_BY});
                if let Some(url) = &template.url {
                    set(&mut annotations, "", "constraint-template", json!(url));
                }
                for (key, value) in [
                    ("annotations", annotations),
                    ("labels", json!({"managed-by": MANAGED_BY})),
                    ("creationTimestamp", json!(made)),
                ] {
                    set(&mut document, "/metadata", key, value);
                }
                (document, Vec::new())
            });
            if !definitions.contains(&policy.definition) {
                definitions.push(policy.definition.clone());
            }
            constraints.push(json!({
                "apiVersion": "constraints.gatekeeper.sh/v1beta1",
                "kind": template.kind(),
                "metadata": {
                    "name": constraint.name,
                    "annotations": {
                        "azure-policy-assignment-id": policy.assignment,
                        "azure-policy-definition-id": policy.definition,
                        "azure-policy-definition-reference-id": policy.reference,
                        "azure-policy-setdefinition-id": policy.set.as_ref().map(|(set, _)| set.as_str()).unwrap_or_default(),
                        "constraint-installed-by": MANAGED_BY,
                    },
                    "labels": {"managed-by": MANAGED_BY},
                    "creationTimestamp": made,
                },
                "spec": {
                    "enforcementAction": constraint.action.text(),
                    "match": constraint.block,
                    "parameters": constraint.parameters,
                },
            }));
        }
    }
    let templates = templates.into_values().map(|(mut document, definitions)| {
        for (number, definition) in definitions.iter().enumerate() {
            let key = format!("azure-policy-definition-id-{}", number + 1);
            set(&mut document, "/metadata/annotations", &key, json!(definition));
        }
        document
    });
    let items: Vec<Value> = templates.chain(constraints).collect();
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items})
}
