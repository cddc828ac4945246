//! Objects that were changed by others between plan and apply.

use crate::harness::{Folder, Run};
use serde_json::json;

const APPLY: &str = "apply dev --sandbox --yes --plan plan.json";
const SOMEBODY: &str = "somebody@contoso.example";

/// An estate with two changes planned: one to an assignment, one to the Defender plan.
fn planned() -> Folder {
    let folder = Folder::applied();
    folder.edit("environments/dev.yaml", "[ingress]", "[]");
    folder.edit(
        "environments/dev.yaml",
        "ContainerSensor: true",
        "ContainerSensor: true\n      ContainerIntegrityContribution: true",
    );
    let run = folder
        .run("plan dev --sandbox --out plan.json --detailed-exitcode")
        .expect(2);
    run.prints(&["Plan: 0 to create, 2 to update,"]);
    folder
}

fn change_assignment(folder: &Folder) -> String {
    let mut id = String::new();
    let found = folder.resources(|id, _| id.contains("policyassignments/exposure-00-"));
    let name = found[0].0.rsplit('/').next().unwrap().to_owned();
    folder.tamper(&name, |assignment| {
        assignment["properties"]["parameters"]["effect"]["value"] = json!("Deny");
        assignment["systemData"]["lastModifiedAt"] = json!("2027-01-04T08:30:00.0000000Z");
        assignment["systemData"]["lastModifiedBy"] = json!(SOMEBODY);
        assignment["systemData"]["lastModifiedByType"] = json!("User");
        id = assignment["id"].as_str().unwrap().to_owned();
    });
    id
}

fn effect(folder: &Folder) -> String {
    let found = folder.resources(|id, _| id.contains("policyassignments/exposure-00-"));
    found[0].1["properties"]["parameters"]["effect"]["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
fn names(run: &Run, object: &str) {
    let stale = format!(
        "stale  update policy assignment {object}\n      it was changed since the plan was made, last written by {SOMEBODY}"
    );
    assert!(run.stderr.contains(&stale), "{}", run.stderr);
}

#[test]
fn an_object_that_moved_is_refused_and_named_and_the_others_are_written() {
    let folder = planned();
    let object = change_assignment(&folder);
    let run = folder.run(APPLY).expect(4);
    names(&run, &object);
    assert!(
        run.stderr.contains("hint: plan again and look at what changed"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains("\nApplied: 1 done, 1 stale.\n"), "{}", run.stdout);
    assert_eq!(effect(&folder), "Deny", "what somebody wrote is still there");
    let rest = crate::harness::outline(&folder.plan("dev"));
    assert!(!rest.iter().any(|step| step.contains("defenderPlan")), "{rest:?}");
}

#[test]
fn if_all_that_was_planned_moved_the_plan_is_stale() {
    let folder = Folder::applied();
    folder.edit("environments/dev.yaml", "[ingress]", "[]");
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    let object = change_assignment(&folder);
    names(&folder.run(APPLY).expect(5), &object);
    let document = folder.run(&format!("{APPLY} --format json")).expect(5).json();
    assert_eq!(document["outcome"], "stale");
    assert_eq!(document["results"][0]["outcome"], "stale");
    assert!(document["results"][0]["message"].as_str().unwrap().contains(SOMEBODY));
    assert_eq!(effect(&folder), "Deny");
}

#[test]
fn an_object_that_came_meanwhile_is_refused() {
    let folder = Folder::shipped();
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    folder.run("apply dev --sandbox --yes").expect(0);
    change_assignment(&folder);
    let run = folder.run(APPLY).expect(5);
    assert!(
        run.stderr
            .contains("it was not there when the plan was made, last written by somebody@"),
        "{}",
        run.stderr
    );
    assert!(
        run.stdout.contains("Applied: 8 already-done, 1 stale.\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn an_object_that_went_meanwhile_is_refused() {
    let folder = planned();
    let mut state = folder.state();
    let resources = state["resources"].as_object_mut().unwrap();
    resources.retain(|id, _| !id.contains("policyassignments/exposure-00-"));
    folder.write(".aksgate/sandbox/state.json", state.to_string());
    folder
        .run(APPLY)
        .expect(4)
        .says(&["it is gone since the plan was made"]);
    assert_eq!(
        folder.resources(|id, _| id.contains("policyassignments/exposure-00-")),
        []
    );
}

#[test]
fn a_gate_that_somebody_closed_is_told_and_left_alone() {
    let folder = Folder::applied();
    change_assignment(&folder);
    folder.run("plan dev --sandbox --detailed-exitcode").expect(0).prints(&[
        "\nTo know\n  exposure: stands at deny though its mark says audit: changed by hand, left as it is\n",
    ]);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(effect(&folder), "Deny", "deny is never taken back silently");
}

#[test]
fn what_somebody_weakened_is_put_back() {
    let folder = Folder::applied();
    let name = "pricings/containers";
    folder.tamper(
        &format!("0a000000-0000-4000-8000-000000000001/providers/microsoft.security/{name}"),
        |plan| {
            plan["properties"]["pricingTier"] = json!("Free");
        },
    );
    assert_eq!(
        crate::harness::outline(&folder.plan("dev")),
        ["update defenderPlan tightens"]
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
}
