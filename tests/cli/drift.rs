//! `aksgate drift`

use crate::forms;
use crate::harness::Folder;
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";

/// The differences that are drift, as `what cause direction name`; names of policy objects without their hash.
fn drift(document: &Value) -> Vec<String> {
    differences(document, true)
}

fn differences(document: &Value, is_drift: bool) -> Vec<String> {
    let found = document["environments"][0]["differences"].as_array().unwrap().iter();
    let found = found.filter(|found| found["isDrift"] == is_drift);
    found
        .map(|found| {
            let word = |key: &str| found[key].as_str().unwrap_or("-").to_owned();
            let name = word("name");
            let name = name.split("-00-").next().unwrap();
            format!(
                "{}, {}, {}: {} {name}",
                word("what"),
                word("cause"),
                word("direction"),
                word("kind")
            )
        })
        .collect()
}

fn json_of(folder: &Folder, code: i32) -> Value {
    folder.run("drift dev --sandbox --format json").expect(code).json()
}

fn assignment(folder: &Folder, gate: &str) -> String {
    let name = format!("policyassignments/{gate}-00-");
    let mut found = folder.resources(|id, _| id.contains(&name));
    assert_eq!(found.len(), 1, "{gate}");
    found.remove(0).0
}

#[test]
fn what_was_applied_has_no_drift_and_nothing_is_written() {
    let folder = Folder::applied();
    let before = folder.state();
    let document = json_of(&folder, 0);
    assert_eq!(
        (&document["command"], &document["outcome"], &document["exitCode"]),
        (&json!("drift"), &json!("no-drift"), &json!(0))
    );
    assert_eq!(differences(&document, false), [""; 0], "nothing waits either");
    assert_eq!(before["resources"], folder.state()["resources"]);
    let run = folder.run("drift dev --sandbox").expect(0);
    run.prints(&["Drift of dev", "No drift: "]);
}

#[test]
fn a_step_that_is_due_is_no_drift() {
    let folder = Folder::shipped();
    folder.edit(DEV, "\ngates:\n", "\nadvance: auto\ngates:\n");
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    for cluster in ["aks-dev-neu-01", "aks-dev-weu-01"] {
        folder.run(&format!("sandbox workload fix {cluster} --all")).expect(0);
    }
    folder.run("sandbox advance 1d3h").expect(0);
    assert!(!folder.is_settled("dev"), "a step is due");
    assert_eq!(drift(&json_of(&folder, 0)), [""; 0]);
}

/// Everything that a hand in the portal does to an environment.
fn drifted() -> Folder {
    let folder = Folder::applied();
    folder.tamper(&assignment(&folder, "image-gov"), |assignment| {
        assignment["properties"]["parameters"]["effect"]["value"] = json!("Disabled");
        assignment["properties"]["resourceSelectors"] =
            json!([{"name": "x", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]);
        assignment["systemData"]["lastModifiedBy"] = json!("eve@contoso.com");
        assignment["systemData"]["lastModifiedAt"] = json!("2027-01-04T09:00:00Z");
    });
    folder.tamper("managedclusters/aks-dev-weu-01", |cluster| {
        cluster["properties"]["addonProfiles"]["azurepolicy"]["enabled"] = json!(false);
    });
    folder.tamper(
        "0a000000-0000-4000-8000-000000000001/providers/microsoft.security/pricings/containers",
        |plan| plan["properties"]["pricingTier"] = json!("Free"),
    );
    folder
}

#[test]
fn what_was_changed_by_hand_is_told_field_by_field_with_who_and_when() {
    let folder = drifted();
    let document = json_of(&folder, 2);
    assert_eq!(document["outcome"], "drift");
    let told = drift(&document);
    for expected in [
        "changed, by hand, weakens: policyAssignment image-gov",
        "changed, unknown, weakens: managedCluster aks-dev-weu-01",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected}\n{told:#?}");
    }
    assert!(told.iter().any(|line| line.contains(": defenderPlan ")), "{told:#?}");
    let run = folder.run("drift dev --sandbox").expect(2);
    run.prints(&[
        "parameters.effect.value: is \"Disabled\", should be \"Audit\"",
        "resourceSelectors: is ",
        "last written by eve@contoso.com on 2027-01-04T09:00:00Z",
        "addonProfiles.azurepolicy.enabled: is false, should be true",
        "WEAKER",
    ]);
    forms::check(&folder, "drift", "drift dev --sandbox", 2);
}

#[test]
fn what_the_estate_asks_for_since_the_last_apply_is_listed_apart() {
    let folder = Folder::applied();
    folder.edit(
        DEV,
        "trustedImages: [contoso.azurecr.io, contososandbox.azurecr.io, mcr.microsoft.com]",
        "trustedImages: [contoso.azurecr.io, mcr.microsoft.com]",
    );
    let document = json_of(&folder, 0);
    assert_eq!(drift(&document), [""; 0]);
    assert!(!differences(&document, false).is_empty(), "{document:#}");
    folder
        .run("drift dev --sandbox")
        .expect(0)
        .prints(&["Not applied yet: no drift", "of the estate not applied yet."]);
}

#[test]
fn what_was_deleted_is_missing() {
    let folder = Folder::applied();
    let id = assignment(&folder, "exposure");
    let mut state = folder.state();
    state["resources"].as_object_mut().unwrap().remove(&id).unwrap();
    folder.write(".aksgate/sandbox/state.json", state.to_string());
    let told = drift(&json_of(&folder, 2));
    assert!(
        told.contains(&"missing, unknown, weakens: policyAssignment exposure".to_owned()),
        "{told:#?}"
    );
}

#[test]
fn one_gate_and_several_environments() {
    let folder = drifted();
    let only = |gate: &str, code: i32| {
        let line = format!("drift dev --sandbox --gate {gate} --format json");
        drift(&folder.run(&line).expect(code).json()).len()
    };
    assert_eq!((only("exposure", 0), only("image-governance", 2) > 0), (0, true));
    folder.run("drift --sandbox --gate exposure").expect(64);
    folder
        .run("drift nowhere --sandbox")
        .expect(1)
        .says(&["no environment `nowhere`"]);
    let all = folder.run("drift --sandbox --format json").expect(2).json();
    let names: Vec<&Value> = all["environments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| &of["environment"])
        .collect();
    assert_eq!(names, ["dev", "prod", "test"]);
}

#[test]
fn reports_go_into_files() {
    let folder = drifted();
    folder
        .run("drift dev --sandbox --report sarif=d.sarif --report json=d.json --report markdown=d.md")
        .expect(2);
    let log: Value = serde_json::from_str(&folder.read("d.sarif")).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let document: Value = serde_json::from_str(&folder.read("d.json")).unwrap();
    assert_eq!(results.len(), drift(&document).len());
    assert_eq!(results[0]["level"], "error");
    let place = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "environments/dev.yaml");
    assert!(folder.read("d.md").starts_with("## Drift of dev"));
    folder.run("drift dev --sandbox --report junit=x.xml").expect(64);
}
