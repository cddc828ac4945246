//! `aksgate remediate`

use crate::forms;
use crate::harness::Folder;
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";

/// An estate whose environment `dev` has one gate more, which deploys the add-on and the sensor; nothing is applied.
fn with_fleet() -> Folder {
    let folder = Folder::shipped();
    let gate = "location: westeurope\n\ngates:\n  fleet:\n    initiative: fleet-enablement\n    target: enforce\n    soak: 1d\n";
    folder.edit(DEV, "gates:\n", gate);
    folder.edit(DEV, "policyAddon: {mode: manage}", "policyAddon: {mode: policy}");
    folder
}

/// The same where the gate deploys.
fn enforced() -> Folder {
    let folder = with_fleet();
    folder.run("apply dev --sandbox --yes --quiet --gate fleet").expect(0);
    folder.run("sandbox advance 2d").expect(0);
    folder.run("apply dev --sandbox --yes --quiet --gate fleet").expect(0);
    folder
}

fn tasks(folder: &Folder) -> Vec<(String, Value)> {
    folder.resources(|id, _| id.contains("/remediations/"))
}

/// How many clusters of `dev` have the add-on, and how many the sensor.
fn fleet(folder: &Folder) -> (usize, usize) {
    let clusters = folder.resources(|id, _| id.contains("/managedclusters/aks-dev-"));
    let count = |path: &str| {
        let on = clusters
            .iter()
            .filter(|(_, cluster)| cluster.pointer(path) == Some(&json!(true)));
        on.count()
    };
    (
        count("/properties/addonProfiles/azurepolicy/enabled"),
        count("/properties/securityProfile/defender/securityMonitoring/enabled"),
    )
}

#[test]
fn nothing_is_started_before_the_gate_deploys_or_before_somebody_says_yes() {
    let folder = with_fleet();
    folder.run("remediate dev --sandbox --yes").expect(0).prints(&[
        "fleet: its assignment is not there yet; apply first",
        "There is no task to start.",
    ]);
    folder.run("apply dev --sandbox --yes --quiet --gate fleet").expect(0);
    folder
        .run("remediate dev --sandbox --yes")
        .expect(0)
        .prints(&["fleet: it reports and deploys nothing yet"]);
    let folder = enforced();
    let line = "remediate dev --sandbox --parallel-deployments 1 --failure-threshold 10";
    forms::check(&folder, "remediate", line, 0);
    assert_eq!((tasks(&folder).len(), fleet(&folder)), (0, (1, 0)));
    let document = folder.run("remediate dev --sandbox --format json").expect(0).json();
    assert_eq!(
        (
            &document["command"],
            &document["outcome"],
            &document["exitCode"],
            &document["formatVersion"]
        ),
        (&json!("remediate"), &json!("not-started"), &json!(0), &json!(1))
    );
    folder
        .run("remediate dev --sandbox --format markdown")
        .expect(0)
        .prints(&["## Remediation of dev", "| fleet | deployPolicyAddon | to start |"]);
}

#[test]
fn tasks_are_followed_until_the_clusters_have_what_is_deployed() {
    let folder = enforced();
    forms::check(&folder, "remediate-yes", "remediate dev --sandbox --yes", 0);
    let run = folder.run("remediate dev --sandbox --yes --journal journal").expect(0);
    assert!(
        run.stderr
            .contains("fleet deployPolicyAddon: Succeeded, 1 of 1 deployed"),
        "{}",
        run.stderr
    );
    run.prints(&["2 tasks: 2 succeeded."]);
    assert_eq!((tasks(&folder).len(), fleet(&folder)), (2, (2, 2)));
    let runs = folder.run("runs --journal journal --format json").expect(0).json();
    assert_eq!(runs["runs"][0]["outcome"], "done");
    let run = runs["runs"][0]["run"].as_str().unwrap().to_owned();
    folder
        .run(&format!("runs show {run} --journal journal"))
        .expect(0)
        .prints(&["remediation"]);
    // Once more there is nothing left to deploy, and what has ended stays as it was.
    folder
        .run("remediate dev --sandbox --yes")
        .expect(0)
        .prints(&["2 tasks: 2 succeeded.", "0 of 0 deployed"]);
    assert_eq!(tasks(&folder).len(), 4);
}

#[test]
fn a_second_start_finds_the_task_that_runs_and_cancel_ends_it() {
    let folder = enforced();
    let started = folder
        .run("remediate dev --sandbox --yes --no-wait --format json")
        .expect(0)
        .json();
    assert_eq!(started["outcome"], "started");
    let ids: Vec<String> = tasks(&folder).into_iter().map(|(id, _)| id).collect();
    folder
        .run("remediate dev --sandbox")
        .expect(0)
        .prints(&["2 tasks: 2 running."]);
    let cancelled = folder
        .run("remediate dev --sandbox --cancel --yes --format json")
        .expect(0)
        .json();
    assert_eq!(cancelled["outcome"], "cancelled");
    folder.run("sandbox advance 10m").expect(0);
    assert_eq!(fleet(&folder), (1, 0), "nothing had begun");
    let followed = folder.run("remediate dev --sandbox --yes --no-wait").expect(0);
    followed.prints(&["2 tasks: 2 running."]);
    let again: Vec<String> = tasks(&folder).into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        (ids.len(), again.len()),
        (2, 4),
        "a cancelled task is not started again"
    );
    folder
        .run("remediate dev --sandbox --yes")
        .expect(0)
        .prints(&["2 tasks: 2 succeeded."]);
    assert_eq!(
        (tasks(&folder).len(), fleet(&folder)),
        (4, (2, 2)),
        "those that ran were followed"
    );
    folder
        .run("remediate dev --sandbox --cancel --yes")
        .expect(0)
        .prints(&["There is no task to start."]);
}

#[test]
fn what_fails_is_listed() {
    let folder = enforced();
    folder.run("sandbox cluster aks-dev-weu-01 --stop").expect(0);
    let run = folder.run("remediate dev --sandbox --yes --format json").expect(4);
    let document = run.json();
    assert_eq!(document["outcome"], "partly-done");
    let task = &document["tasks"][1];
    assert_eq!(
        (&task["member"], &task["state"]),
        (&json!("deployPolicyAddon"), &json!("failed"))
    );
    let failure = &task["failures"][0];
    assert_eq!(failure["code"], "OperationNotAllowed");
    assert!(
        failure["resource"].as_str().unwrap().ends_with("/aks-dev-weu-01"),
        "{failure}"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = with_fleet();
    for (line, code, words) in [
        ("remediate dev --sandbox --gate none", 1, "has no gate `none`"),
        (
            "remediate prod --sandbox --re-evaluate",
            64,
            "cannot be used at a management group",
        ),
        ("remediate dev --sandbox --parallel-deployments 31", 64, "31"),
        ("remediate dev --sandbox --cancel --re-evaluate", 64, "--re-evaluate"),
    ] {
        folder.run(line).expect(code).says(&[words]);
    }
}
