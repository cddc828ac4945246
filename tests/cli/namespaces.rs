//! The namespaces that Azure manages are left out by every gate, whatever an estate excludes.

use crate::harness::{Folder, outline};
use serde_json::{Value, json};

const MANAGED: [&str; 6] = [
    "aks-istio-system",
    "azure-arc",
    "azure-extensions-usage-system",
    "dataprotection-microsoft",
    "gatekeeper-system",
    "kube-system",
];

fn excluded(folder: &Folder, gate: &str) -> Vec<String> {
    let start = format!("policyassignments/{gate}-00-");
    let found = folder.resources(|id, _| id.contains(&start));
    let list = found[0].1["properties"]["parameters"]["excludedNamespaces"]["value"].clone();
    serde_json::from_value(list).unwrap()
}

#[test]
fn a_list_of_ones_own_is_joined_with_the_namespaces_that_azure_manages() {
    let folder = Folder::applied();
    let live = excluded(&folder, "exposure");
    for name in MANAGED.iter().chain(&["cert-manager", "ingress"]) {
        assert!(live.iter().any(|found| found == name), "{name} is not in {live:?}");
    }
    assert!(folder.is_settled("dev"));

    // Naming one of them by hand is no mistake, and changes nothing.
    let own = "excludeNamespaces: [ingress] # joined with those in aksgate.yaml";
    folder.edit(
        "environments/dev.yaml",
        own,
        "excludeNamespaces: [ingress, kube-system]",
    );
    folder.run("validate").expect(0);
    assert!(folder.is_settled("dev"));
    folder.cut(
        "environments/dev.yaml",
        "    excludeNamespaces: [ingress, kube",
        "\n# Microsoft Defender",
    );
    assert_eq!(outline(&folder.plan("dev")), ["update policyAssignment tightens"]);
    folder.run("apply dev --sandbox --yes").expect(0);
    for name in MANAGED {
        assert!(
            excluded(&folder, "exposure").iter().any(|found| found == name),
            "{name}"
        );
    }
}

#[test]
fn more_namespaces_than_before_are_a_weakening_that_the_plan_shows() {
    let folder = Folder::applied();
    folder.tamper(&excluded_id(&folder), |assignment: &mut Value| {
        assignment["properties"]["parameters"]["excludedNamespaces"]["value"] = json!(["kube-system"])
    });
    let plan = folder.run("plan dev --sandbox").expect(0);
    plan.prints(&["WEAKENS", "aks-istio-system", "cert-manager"]);
    assert_eq!(outline(&folder.plan("dev")), ["update policyAssignment weakens"]);
    folder.run("apply dev --sandbox --yes").expect(3);
    folder
        .run("apply dev --sandbox --yes --allow-weakening exposure --reason why")
        .expect(0);
    assert!(folder.is_settled("dev"));
}

fn excluded_id(folder: &Folder) -> String {
    let mut found = folder.resources(|id, _| id.contains("policyassignments/exposure-00-"));
    found.remove(0).0
}
