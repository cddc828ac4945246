//! `aksgate coverage`

use crate::forms;
use crate::harness::{Folder, Run};
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";
const CANARY: &str = "aks-dev-neu-01";

/// The shipped estate with rings in dev, whose gate `pod-security` is closed in the first of them, as its cluster says.
fn closed() -> Folder {
    let folder = Folder::shipped();
    let rings = "advance: auto\nrings:\n  - {name: canary, locations: [northeurope]}\n  - {name: broad}\ngates:\n";
    folder.edit(DEV, "\ngates:\n", &format!("\n{rings}"));
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    folder.run("sandbox advance 1d3h").expect(0);
    folder.run(&format!("sandbox workload fix {CANARY} --all")).expect(0);
    folder.run("sandbox advance 3h").expect(0);
    folder.run("apply dev --sandbox --yes --gate pod-security").expect(0);
    folder
}

/// The same, once the cluster was heard of.
fn heard() -> Folder {
    let folder = closed();
    folder.run("sandbox advance 3h").expect(0);
    folder
}

fn look(folder: &Folder, code: i32) -> Run {
    folder.run("coverage dev --sandbox --gate pod-security").expect(code)
}

/// The gate at the first cluster, as the word for it and the names of the reasons.
fn cell(folder: &Folder, code: i32) -> (String, Vec<String>) {
    let line = format!("coverage dev --sandbox --gate pod-security --cluster {CANARY} --format json");
    let document = folder.run(&line).expect(code).json();
    let cell = &document["environments"][0]["clusters"][0]["gates"][0];
    let reasons = cell["reasons"].as_array().unwrap().iter();
    let reasons = reasons.map(|reason| reason["reason"].as_str().unwrap().to_owned());
    (cell["state"].as_str().unwrap().to_owned(), reasons.collect())
}

#[test]
fn each_cluster_has_a_line_and_nothing_is_written() {
    let folder = heard();
    let before = folder.state();
    forms::check(&folder, "coverage", "coverage dev --sandbox", 0);
    forms::check(
        &folder,
        "coverage-details",
        "coverage dev --sandbox --gate pod-security --details",
        0,
    );
    assert_eq!(before["resources"], folder.state()["resources"]);
    let details = folder
        .run(&format!(
            "coverage dev --sandbox --gate pod-security --cluster {CANARY}"
        ))
        .expect(0);
    details.prints(&[
        "closed   pod-security, ring canary",
        "5 rules fail open",
        "open in the namespaces aks-command",
    ]);
}

#[test]
fn before_anything_is_assigned_every_gate_is_open_and_none_was_to_be_closed() {
    let folder = Folder::shipped();
    let run = folder.run("coverage dev --sandbox").expect(0);
    run.prints(&["all open (no assignment)", "none was to be closed yet"]);
}

#[test]
fn right_after_the_step_nobody_can_say() {
    let folder = closed();
    assert_eq!(
        cell(&folder, 0),
        ("unknown".to_owned(), vec!["not-since-last-change".to_owned()])
    );
    look(&folder, 0).prints(&["UNKNOWN (5 of 5 rules not heard of since the last change)"]);
    folder
        .run("coverage dev --sandbox --gate pod-security --strict")
        .expect(2);
}

#[test]
fn an_add_on_that_is_off_opens_the_gate() {
    let folder = heard();
    folder.tamper(&format!("managedclusters/{CANARY}"), |cluster| {
        cluster["properties"]["addonProfiles"]["azurepolicy"]["enabled"] = json!(false);
    });
    assert_eq!(cell(&folder, 2), ("open".to_owned(), vec!["no-add-on".to_owned()]));
    look(&folder, 2).prints(&["pod-security OPEN (add-on off)", "1 that was closed is OPEN"]);
    forms::check(
        &folder,
        "coverage-open",
        "coverage dev --sandbox --gate pod-security",
        2,
    );
}

#[test]
fn a_conflict_opens_the_gate_and_silence_makes_it_unknown() {
    let folder = heard();
    folder
        .run(&format!(
            "sandbox conflict {CANARY} --template K8sAzureV2ContainerNoPrivilege"
        ))
        .expect(0);
    folder.run("sandbox advance 3h").expect(0);
    assert_eq!(
        cell(&folder, 2),
        ("open".to_owned(), vec!["members-failing".to_owned()])
    );
    folder
        .run(&format!(
            "sandbox conflict {CANARY} --template K8sAzureV2ContainerNoPrivilege --end"
        ))
        .expect(0);
    folder
        .run(&format!("sandbox cluster {CANARY} --stop-reporting"))
        .expect(0);
    folder.run("sandbox advance 2d").expect(0);
    assert_eq!(cell(&folder, 0), ("unknown".to_owned(), vec!["never-seen".to_owned()]));
}

#[test]
fn what_the_estate_lets_by_is_open_and_no_breach_and_what_others_let_by_is() {
    let folder = heard();
    folder
        .run_words(&[
            "rollout",
            "relax",
            "dev",
            "pod-security",
            "--sandbox",
            "--for",
            "4h",
            "--reason",
            "x",
            "--yes",
        ])
        .expect(0);
    assert_eq!(cell(&folder, 0), ("open".to_owned(), vec!["exempt".to_owned()]));
    // Without its mark it is somebody else's.
    folder.tamper("policyexemptions/pod-security-fluhmq5lbk-tyoa7hbjai", |exemption| {
        exemption["properties"]["metadata"] = json!({});
    });
    assert_eq!(cell(&folder, 2), ("open".to_owned(), vec!["exempt".to_owned()]));
    look(&folder, 2).prints(&["not by this estate"]);
}

#[test]
fn clusters_that_are_not_there_are_a_mistake() {
    let folder = heard();
    folder
        .run("coverage dev --sandbox --cluster aks-nowhere")
        .expect(1)
        .says(&["no cluster `aks-nowhere` is in scope"]);
    folder
        .run("coverage dev --sandbox --gate nowhere")
        .expect(1)
        .prints(&["has no gate `nowhere`"]);
}

#[test]
fn reports_go_into_files() {
    let folder = heard();
    folder.run(&format!("sandbox cluster {CANARY} --stop")).expect(0);
    folder
        .run("coverage dev --sandbox --strict --report sarif=c.sarif --report json=c.json --report markdown=c.md")
        .expect(2);
    let log: Value = serde_json::from_str(&folder.read("c.sarif")).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(
        (&results[0]["ruleId"], &results[0]["level"]),
        (&json!("coverage/unknown"), &json!("warning"))
    );
    let document: Value = serde_json::from_str(&folder.read("c.json")).unwrap();
    assert_eq!(
        (&document["outcome"], &document["environments"][0]["unknown"]),
        (&json!("unknown"), &json!(1))
    );
    assert!(folder.read("c.md").starts_with("## Coverage of dev"));
}

#[test]
fn a_fleet_in_audit_is_open_and_no_breach() {
    let folder = Folder::shipped();
    folder.run("sandbox reset --clusters 60").expect(0);
    folder.run("apply prod --sandbox --yes --quiet").expect(0);
    folder.run("sandbox advance 1d").expect(0);
    let document = folder.run("coverage prod --sandbox --format json").expect(0).json();
    let clusters = document["environments"][0]["clusters"].as_array().unwrap();
    assert!(clusters.len() > 10, "{}", clusters.len());
    let cells = clusters.iter().flat_map(|cluster| cluster["gates"].as_array().unwrap());
    assert!(
        cells.into_iter().all(|cell| cell["state"] != "closed"),
        "nothing denies yet"
    );
}
