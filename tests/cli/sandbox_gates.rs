//! The clusters of the sandbox are really governed: from an applied estate to a refused Pod.

use serde_json::json;

use crate::harness::Folder;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: agent, namespace: shop}\nspec: {containers: [{name: main, image: 'contoso.azurecr.io/shop/agent:1.0.0', securityContext: {privileged: true}}]}\n";
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: agent, namespace: shop}\nspec:\n  selector: {matchLabels: {app: agent}}\n  template:\n    metadata: {labels: {app: agent}}\n    spec: {containers: [{name: main, image: 'contoso.azurecr.io/shop/agent:1.0.0', securityContext: {privileged: true}}]}\n";

/// An estate whose environments are applied, and whose prod denies as its last ring would have it.
fn prod_denies() -> Folder {
    let folder = Folder::applied();
    for _ in 0..2 {
        folder.run("apply prod --sandbox --yes").expect(0);
    }
    let pod_security = folder.resources(|id, resource| {
        id.contains("contoso-prod")
            && resource["properties"]["policyDefinitionId"]
                .as_str()
                .unwrap_or_default()
                .ends_with("a8640138-9b0a-4a28-b8cb-1666c838647d")
    });
    let [(id, _)] = pod_security.as_slice() else {
        panic!("{pod_security:#?}")
    };
    folder.tamper(id, |assignment| {
        assignment["properties"]["parameters"]["effect"] = json!({"value": "Deny"})
    });
    folder.write("pod.yaml", POD);
    folder.write("deployment.yaml", DEPLOYMENT);
    folder
}

#[test]
fn what_dev_admits_prod_denies() {
    let folder = prod_denies();
    folder.run("sandbox advance 20m").expect(0);
    folder
        .run("sandbox admit aks-dev-neu-01 pod.yaml deployment.yaml")
        .expect(0)
        .prints(&["Pod shop/agent: allowed\n", "Deployment shop/agent: allowed\n"]);
    let run = folder
        .run("sandbox admit aks-prod-weu-01 pod.yaml deployment.yaml")
        .expect(2);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 2
    --- stdout
    Cluster /subscriptions/0a000000-0000-4000-8000-000000000003/resourcegroups/rg-aks-prod-weu/providers/Microsoft.ContainerService/managedClusters/aks-prod-weu-01

    Pod shop/agent: denied
      [azurepolicy-k8sazurev2containernoprivilege-2a87107d4498af09dc30] container main runs privileged, with the powers of its node
        assignment pod-secur-00-okw4tty5k4, member NoPrivilegedContainers

    Deployment shop/agent: allowed, but its Pods are denied
      [azurepolicy-k8sazurev2containernoprivilege-2a87107d4498af09dc30] container main runs privileged, with the powers of its node
        its Pods, assignment pod-secur-00-okw4tty5k4, member NoPrivilegedContainers
    ");
    let document = folder
        .run("sandbox admit AKS-PROD-WEU-01 pod.yaml --format json")
        .expect(2)
        .json();
    assert_eq!(
        (&document["outcome"], &document["objects"][0]["allowed"]),
        (&json!("denied"), &json!(false))
    );
    assert_eq!(
        document["objects"][0]["objections"][0]["member"],
        "NoPrivilegedContainers"
    );
}

#[test]
fn admission_is_asked_of_clusters_that_answer() {
    let folder = prod_denies();
    folder
        .run("sandbox admit aks-prod-eus2-01 pod.yaml")
        .expect(1)
        .says(&["the cluster `aks-prod-eus2-01` is stopped"]);
    folder
        .run("sandbox admit nowhere pod.yaml")
        .expect(1)
        .says(&["there is no cluster `nowhere`", "aks-dev-neu-01"]);
    folder
        .run("sandbox admit aks-dev-neu-01 none.yaml")
        .expect(1)
        .says(&["cannot read `none.yaml`", "no such file"]);
    folder.write("broken.yaml", "a: [1\n");
    folder
        .run("sandbox admit aks-dev-neu-01 broken.yaml")
        .expect(1)
        .says(&["`broken.yaml` cannot be read", "line 1, column 4"]);
}
