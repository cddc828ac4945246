//! The clusters of the sandbox are really governed: from an applied estate to a refused Pod.

use aksgate::sandbox::{Request, Sandbox};
use serde_json::{Value, json};

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

const PROD: &str = "/subscriptions/0a000000-0000-4000-8000-000000000003";

/// What Policy Insights shows of prod's clusters: the member in lower case and its state, with the time of the report.
fn states(folder: &Folder) -> Vec<(String, String, String)> {
    let mut sandbox = Sandbox::from_bytes(folder.read(".aksgate/sandbox/state.json").as_bytes()).unwrap();
    let target =
        format!("{PROD}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults?api-version=2024-10-01");
    let mut request = Request::new("POST", &target);
    let token = aksgate::sandbox::token::issue(&sandbox.state, "", 0);
    request
        .headers
        .push(("authorization".to_owned(), format!("Bearer {token}")));
    let answer = sandbox.handle(request).value();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = answer["value"].as_array().unwrap().iter();
    let rows = rows.filter(|row| {
        row["resourceId"].as_str().unwrap().ends_with("aks-prod-weu-01")
            && row["policyAssignmentName"].as_str().unwrap().starts_with("pod-secur")
    });
    rows.map(|row| {
        (
            text(row, "policyDefinitionReferenceId"),
            text(row, "complianceState"),
            text(row, "timestamp"),
        )
    })
    .collect()
}

fn state_of(folder: &Folder, member: &str) -> Option<(String, String)> {
    states(folder)
        .into_iter()
        .find(|(name, ..)| name == member)
        .map(|(_, state, at)| (state, at))
}

#[test]
fn an_applied_gate_is_reported_and_a_mended_workload_turns_it_compliant() {
    let folder = Folder::shipped();
    let member = "noprivilegedcontainers";
    folder.run("apply prod --sandbox --yes").expect(0);
    folder.run("sandbox advance 5m").expect(0);
    assert_eq!(states(&folder), [], "nothing for five minutes");
    folder
        .run("sandbox workload add aks-prod-weu-01 agent --flaw privileged")
        .expect(0)
        .prints(&["shop/agent is deployed"]);
    folder.run("sandbox advance 45m").expect(0);
    assert_eq!(state_of(&folder, member).unwrap().0, "NonCompliant");
    folder
        .run("sandbox workload fix aks-prod-weu-01 --all")
        .expect(0)
        .prints(&["every workload is sound now"]);
    folder.run("sandbox advance 80m").expect(0);
    assert_eq!(state_of(&folder, member).unwrap().0, "Compliant");
    folder.run("sandbox workload add aks-prod-weu-01 agent").expect(0);
    folder
        .run("sandbox workload remove aks-prod-weu-01 agent")
        .expect(0)
        .prints(&["shop/agent is removed"]);
    folder
        .run("sandbox workload fix aks-prod-weu-01 agent")
        .expect(1)
        .says(&["there is no workload `agent` in the namespace `shop`"]);
}

#[test]
fn a_stopped_or_silent_cluster_has_no_fresh_row() {
    let folder = Folder::shipped();
    folder
        .run("sandbox cluster aks-test-neu-01 --stop")
        .expect(1)
        .says(&["another change of the cluster `aks-test-neu-01` is under way"]);
    folder.run("apply prod --sandbox --yes").expect(0);
    folder.run("sandbox advance 50m").expect(0);
    for (off, on) in [("--stop-reporting", "--report"), ("--stop", "--start")] {
        folder.run(&format!("sandbox cluster aks-prod-weu-01 {off}")).expect(0);
        folder.run("sandbox advance 20m").expect(0);
        let (_, last) = state_of(&folder, "noprivilegedcontainers").unwrap();
        folder.run("sandbox advance 3h").expect(0);
        assert_eq!(state_of(&folder, "noprivilegedcontainers").unwrap().1, last, "{off}");
        folder.run(&format!("sandbox cluster aks-prod-weu-01 {on}")).expect(0);
        folder.run("sandbox advance 30m").expect(0);
        assert!(state_of(&folder, "noprivilegedcontainers").unwrap().1 > last, "{on}");
    }
    folder.run("sandbox cluster aks-prod-weu-01").expect(64);
}

#[test]
fn a_template_of_somebody_else_is_a_conflict_and_opens_the_gate() {
    let folder = prod_denies();
    let kind = "K8sAzureV2ContainerNoPrivilege";
    folder
        .run(&format!("sandbox conflict aks-prod-weu-01 --template {kind}"))
        .expect(0)
        .prints(&[&format!("The template {kind} of somebody else is in aks-prod-weu-01")]);
    folder.run("sandbox advance 50m").expect(0);
    assert_eq!(state_of(&folder, "noprivilegedcontainers").unwrap().0, "Conflict");
    folder.run("sandbox admit aks-prod-weu-01 pod.yaml").expect(0);
    folder
        .run(&format!("sandbox conflict aks-prod-weu-01 --template {kind} --end"))
        .expect(0);
    folder.run("sandbox advance 50m").expect(0);
    assert_ne!(state_of(&folder, "noprivilegedcontainers").unwrap().0, "Conflict");
}

#[test]
fn what_is_deployed_goes_through_admission() {
    let folder = prod_denies();
    folder.run("sandbox advance 20m").expect(0);
    let run = folder.run("sandbox workload add aks-prod-weu-01 agent").expect(2);
    run.prints(&[
        "shop/agent is deployed, but its Pods are refused",
        "[azurepolicy-k8sazurev2containernoprivilege-",
    ]);
    folder.run("sandbox advance 50m").expect(0);
    folder
        .run("sandbox workload add aks-prod-weu-01 web --flaw none --format json")
        .expect(0)
        .prints(&["\"podsAllowed\": true"]);
}

#[test]
fn a_dump_shows_what_the_add_on_installed() {
    let folder = prod_denies();
    folder.run("sandbox advance 20m").expect(0);
    let list = folder.run("sandbox dump aks-prod-weu-01").expect(0).json();
    assert_eq!(list["kind"], "List");
    let items = list["items"].as_array().unwrap();
    let of_kind = |kind: &str| items.iter().filter(|item| item["kind"] == kind).collect::<Vec<_>>();
    let constraint = of_kind("K8sAzureV2ContainerNoPrivilege")[0];
    assert_eq!(constraint["spec"]["enforcementAction"], "deny");
    assert_eq!(constraint["metadata"]["labels"]["managed-by"], "azure-policy-addon");
    assert_eq!(
        constraint["metadata"]["annotations"]["azure-policy-definition-reference-id"],
        "NoPrivilegedContainers"
    );
    let templates = of_kind("ConstraintTemplate");
    let template = templates
        .iter()
        .find(|template| template["spec"]["crd"]["spec"]["names"]["kind"] == constraint["kind"])
        .unwrap();
    assert_eq!(
        template["metadata"]["annotations"]["constraint-template"],
        "https://store.policy.core.windows.net/kubernetes/container-no-privilege/v2/template.yaml"
    );
    for item in items.iter().filter(|item| item["kind"] != "ConstraintTemplate") {
        assert!(
            templates
                .iter()
                .any(|template| template["spec"]["crd"]["spec"]["names"]["kind"] == item["kind"]),
            "{item}"
        );
    }
    let none = folder.run("sandbox dump aks-prod-neu-01").expect(0).json();
    assert!(none["items"].is_array());
    folder
        .run("sandbox dump aks-prod-eus2-01")
        .expect(1)
        .says(&["is stopped"]);
}
