//! `aksgate preflight`

use crate::harness::Folder;
use serde_json::{Value, json};

const DEV: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";

/// A folder whose sandbox was made with these options.
fn reset(words: &[&str]) -> Folder {
    let folder = Folder::shipped();
    let words: Vec<&str> = ["sandbox", "reset"].into_iter().chain(words.iter().copied()).collect();
    folder.run_words(&words).expect(0);
    folder
}

/// The checks of a preflight that did not end well, each as `status subject`.
fn bad(document: &Value) -> Vec<String> {
    let checks = document["checks"].as_array().unwrap().iter();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    checks
        .filter(|check| check["status"] != "ok")
        .map(|check| format!("{} {}", text(check, "status"), text(check, "subject")))
        .collect()
}

/// Puts a resource into the sandbox behind everybody's back.
fn insert(folder: &Folder, document: Value) {
    let mut state = folder.state();
    let id = document["id"].as_str().unwrap().to_lowercase();
    state["resources"][id] = document;
    folder.write(".aksgate/sandbox/state.json", state.to_string());
}

#[test]
fn where_nothing_is_missing_it_says_so_and_writes_nothing() {
    let folder = reset(&[]);
    let before = folder.state();
    let run = folder.run("preflight dev --sandbox").expect(0);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 0
    --- stdout
    Preflight for dev
      scope subscriptions/0a000000-0000-4000-8000-000000000001, tenant 11111111-1111-4111-8111-111111111111
      at sandbox:[instance]

                           ok  warning  unknown  missing
      permissions           6        0        0        0
      providers             3        0        0        0
      limits                3        0        0        0
      locks                 1        0        0        0
      clusters              6        0        0        0

    Not looked at
      permissions: conditions of role assignments (ABAC), deny assignments and policies that deny our own writes are not in this answer; a role that is only eligible (PIM) counts when it is activated
      another Gatekeeper: the Azure Policy add-on cannot share a cluster with one, and Azure Resource Manager cannot see it; ask each cluster that has no add-on yet: kubectl get deployments --all-namespaces -l gatekeeper.sh/system=yes

    Ready: nothing is missing; the plan has 9 steps.
    ");
    assert_eq!(before["resources"], folder.state()["resources"]);
    assert_eq!(before["revision"], folder.state()["revision"]);
    let document = folder.run("preflight prod --sandbox --format json").expect(0).json();
    assert_eq!(
        (
            &document["formatVersion"],
            &document["command"],
            &document["outcome"],
            &document["exitCode"]
        ),
        (&json!(1), &json!("preflight"), &json!("ready"), &json!(0))
    );
    assert_eq!(document["pendingSteps"], 8);
    assert_eq!(bad(&document), ["warning state"], "a stopped cluster");
    let applied = Folder::applied();
    applied.run("preflight dev --sandbox").expect(0).prints(&[
        "the plan writes nothing now",
        "Ready: nothing is missing; the plan has nothing to do.",
    ]);
}

#[test]
fn a_reader_lacks_every_action_that_apply_is_refused_for() {
    let folder = reset(&["--role", "Reader"]);
    let run = folder.run("preflight dev --sandbox --format json").expect(2);
    let document = run.json();
    assert_eq!(
        (&document["outcome"], &document["exitCode"]),
        (&json!("missing"), &json!(2))
    );
    assert_eq!(
        bad(&document),
        [
            "missing Microsoft.Authorization/policyAssignments/write",
            "missing Microsoft.Authorization/policyDefinitions/write",
            "missing Microsoft.Authorization/policySetDefinitions/write",
            "missing Microsoft.ContainerService/managedClusters/write",
            "missing Microsoft.Security/pricings/write",
        ]
    );
    let human = folder.run("preflight dev --sandbox").expect(2);
    human.prints(&[
        "\n  MISSING Microsoft.Security/pricings/write\n      at subscriptions/0a000000",
        "--role 'Security Admin' --scope /subscriptions/0a000000",
        "\nNot ready: 5 missing; the plan has 9 steps.\n",
    ]);
    folder
        .run("apply dev --sandbox --yes")
        .expect(1)
        .says(&["AuthorizationFailed"]);
    let markdown = folder.run("preflight dev --sandbox --format markdown").expect(2);
    markdown.prints(&[
        "## Preflight for dev\n\n**Not ready: 5 missing",
        "| **missing** | `Microsoft.Security/pricings/write` | `subscriptions/0a000000-0000-4000-8000-000000000001` |",
    ]);
}

#[test]
fn clusters_that_may_not_be_read_are_not_taken_for_absent() {
    let folder = reset(&["--role", "Security Admin"]);
    let document = folder.run("preflight dev --sandbox --format json").expect(2).json();
    assert_eq!(
        bad(&document),
        ["missing Microsoft.ContainerService/managedClusters/read"]
    );
}

#[test]
fn a_provider_that_is_not_registered_is_registered_when_asked_to() {
    let folder = reset(&["--unregistered", "Microsoft.PolicyInsights"]);
    let document = folder.run("preflight dev --sandbox --format json").expect(2).json();
    assert_eq!(bad(&document), ["missing Microsoft.PolicyInsights"]);
    folder.run("preflight dev --sandbox").expect(2).prints(&[
        "az provider register --namespace Microsoft.PolicyInsights --subscription 0a000000-0000-4000-8000-000000000001",
    ]);
    let before = folder.state();
    folder
        .run("preflight dev --sandbox --register")
        .expect(64)
        .says(&["nobody can answer here; nothing was registered"]);
    assert_eq!(before["unregistered"], folder.state()["unregistered"]);
    folder
        .run("preflight dev --sandbox --register --yes")
        .expect(0)
        .says(&["Registering Microsoft.PolicyInsights in subscription 0a000000-0000-4000-8000-000000000001"])
        .prints(&["Ready: nothing is missing"]);
    folder.run("preflight dev --sandbox").expect(0);
    let left = folder.state()["unregistered"].as_object().unwrap().len();
    assert_eq!(left, 2, "of the other subscriptions nothing was registered");
    // With nothing to register, nothing is asked.
    folder.run("preflight dev --sandbox --register").expect(0);
}

#[test]
fn a_plan_that_a_missing_provider_forbids_is_not_known_until_it_is_registered() {
    let folder = reset(&["--unregistered", "Microsoft.Security"]);
    folder.run("plan dev --sandbox").expect(1);
    let run = folder.run("preflight dev --sandbox --format json").expect(2);
    assert_eq!(bad(&run.json()), ["unknown the plan", "missing Microsoft.Security"]);
    assert_eq!(run.json()["pendingSteps"], Value::Null);
    folder.run("preflight dev --sandbox").expect(2).prints(&[
        "\n  NOT KNOWN the plan\n",
        "Subscription Not Registered",
        "\nNot ready: 1 missing and 1 not known, which counts as missing; the plan could not be made.\n",
    ]);
    folder
        .run("preflight dev --sandbox --register --yes --quiet")
        .expect(0)
        .prints(&["Ready: nothing is missing; the plan has 9 steps."]);
}

#[test]
fn a_registration_that_is_refused_is_told() {
    let folder = reset(&["--unregistered", "Microsoft.PolicyInsights", "--role", "Reader"]);
    let run = folder
        .run("preflight dev --sandbox --register --yes --format json")
        .expect(1);
    let document = run.json();
    assert_eq!(
        (&document["outcome"], &document["exitCode"]),
        (&json!("failed"), &json!(1))
    );
    let checks = document["checks"].as_array().unwrap().iter();
    let provider = checks
        .into_iter()
        .find(|check| check["subject"] == "Microsoft.PolicyInsights");
    let detail = provider.unwrap()["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("registering it failed: ") && detail.contains("AuthorizationFailed"),
        "{detail}"
    );
}

#[test]
fn a_scope_without_room_is_missing_something() {
    let folder = reset(&[]);
    let fill = |from: usize, to: usize| {
        let mut state = folder.state();
        for number in from..to {
            let id = format!("{DEV}/providers/Microsoft.Authorization/policyAssignments/other-{number:03}");
            state["resources"][id.to_lowercase()] = json!({
                "id": id, "type": "Microsoft.Authorization/policyAssignments", "name": format!("other-{number:03}"),
                "properties": {"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/x", "scope": DEV},
            });
        }
        folder.write(".aksgate/sandbox/state.json", state.to_string());
    };
    fill(0, 190);
    let document = folder.run("preflight dev --sandbox --format json").expect(0).json();
    assert_eq!(bad(&document), ["warning Microsoft.Authorization/policyAssignments"]);
    fill(190, 197);
    folder.run("preflight dev --sandbox").expect(2).prints(&[
        "197 there, 4 to be made, 200 allowed\n      do: delete 1 that nobody needs, or choose another scope",
    ]);
}

#[test]
fn a_lock_in_the_way_is_told_and_does_stop_the_apply() {
    let folder = reset(&[]);
    let id = format!("{DEV}/providers/Microsoft.Authorization/locks/frozen");
    insert(
        &folder,
        json!({"id": id, "type": "Microsoft.Authorization/locks", "name": "frozen", "properties": {"level": "ReadOnly"}}),
    );
    folder.run("preflight dev --sandbox").expect(2).prints(&[
        "\n  MISSING no lock: `frozen` is in the way\n",
        "it is `ReadOnly` and would stop 9 steps with 409 `ScopeLocked`",
        &format!("az lock delete --ids {id}"),
    ]);
    folder.run("apply dev --sandbox --yes").expect(1).says(&["ScopeLocked"]);
}

#[test]
fn automatic_clusters_and_old_versions_are_told() {
    let folder = reset(&[]);
    folder.tamper("/aks-dev-weu-01", |cluster| cluster["sku"]["name"] = json!("Automatic"));
    folder.tamper("/aks-dev-neu-01", |cluster| {
        cluster["properties"]["currentKubernetesVersion"] = json!("1.27.3");
    });
    let document = folder.run("preflight dev --sandbox --format json").expect(0).json();
    // The plan leaves the add-on of an Automatic cluster alone, so there is nothing to warn of.
    assert_eq!(bad(&document), ["warning Kubernetes version"]);
    let checks = document["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["subject"] == "AKS Automatic"));
}

#[test]
fn what_a_cluster_refers_to_is_asked_for() {
    let folder = reset(&[
        "--role",
        "Azure Kubernetes Service Contributor Role",
        "--role",
        "Resource Policy Contributor",
        "--role",
        "Security Admin",
    ]);
    folder.run("preflight dev --sandbox").expect(0);
    let subnet =
        format!("{DEV}/resourceGroups/rg-aks-dev-weu/providers/Microsoft.Network/virtualNetworks/hub/subnets/aks");
    insert(
        &folder,
        json!({"id": subnet, "type": "Microsoft.Network/virtualNetworks/subnets", "name": "aks", "properties": {}}),
    );
    folder.tamper("/aks-dev-weu-01", |cluster| {
        cluster["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
    });
    let document = folder.run("preflight dev --sandbox --format json").expect(2).json();
    assert_eq!(
        bad(&document),
        ["missing Microsoft.Network/virtualNetworks/subnets/join/action"]
    );
}
