//! `aksgate status`: where the gates of the environments stand, and what is known of them.

use crate::harness::Folder;
use serde_json::{Value, json};

fn gate(document: &Value, environment: &str, name: &str) -> Value {
    let mut environments = document["environments"].as_array().unwrap().iter();
    let found = environments.find(|found| found["environment"] == environment).unwrap();
    let mut gates = found["gates"].as_array().unwrap().iter();
    gates.find(|gate| gate["gate"] == name).unwrap().clone()
}

fn status(folder: &Folder) -> Value {
    folder.run("status --sandbox --format json").expect(0).json()
}

#[test]
fn the_environments_stand_side_by_side_with_what_their_clusters_report() {
    let folder = Folder::applied();
    let document = status(&folder);
    assert_eq!(gate(&document, "prod", "pod-security")["stage"], "off");
    assert_eq!(gate(&document, "prod", "pod-security")["reports"], Value::Null);
    let silent = &gate(&document, "dev", "pod-security")["reports"];
    assert_eq!(silent["oldest"], Value::Null, "{silent}");
    assert_eq!(silent["violations"], json!({"n": 0, "atLeast": true}));
    folder.run("status dev --sandbox").expect(0).prints(&["no report yet"]);

    folder.run("sandbox advance 1d3h").expect(0);
    let run = folder.run("status --sandbox").expect(0);
    run.prints(&[
        "Where the gates stand\n  gate ",
        "violations: ",
        "fresh reports of 2 of 2 clusters",
    ]);
    // What is to reach no more than audit is told too.
    let restricted = &gate(&status(&folder), "dev", "pod-security-restricted")["reports"];
    assert!(restricted["violations"]["n"].as_u64() > Some(0), "{restricted}");
    let markdown = folder.run("status --sandbox --format markdown").expect(0);
    markdown.prints(&["| gate | dev | prod | test |", "| pod-security | audit | off | off |"]);
}

#[test]
fn a_step_that_only_a_saved_plan_takes_is_not_promised_to_an_apply() {
    let folder = Folder::applied();
    for cluster in ["aks-dev-neu-01", "aks-dev-weu-01"] {
        folder.run(&format!("sandbox workload fix {cluster} --all")).expect(0);
    }
    folder.run("sandbox advance 1d6h").expect(0);
    let next = &gate(&status(&folder), "dev", "pod-security")["next"];
    assert_eq!((&next["position"], &next["held"]), (&json!("deny"), &json!([])));
    assert_eq!(next["takenBy"], "saved-plan");
    let run = folder.run("rollout show dev --sandbox --gate pod-security").expect(0);
    run.prints(&["`advance: approve` leaves it to `plan --out FILE`"]);
    folder
        .run("apply dev --sandbox --yes")
        .expect(0)
        .prints(&["Nothing to do"]);
    folder.edit("environments/dev.yaml", "\ngates:\n", "\nadvance: auto\ngates:\n");
    assert_eq!(
        gate(&status(&folder), "dev", "pod-security")["next"]["takenBy"],
        "apply"
    );
}

#[test]
fn what_is_in_force_by_hand_is_told_and_so_is_a_gate_that_is_no_longer_wanted() {
    let folder = Folder::applied();
    folder
        .run("rollout pause dev pod-security --sandbox --yes --reason release-week")
        .expect(0);
    folder
        .run("rollout relax dev exposure --sandbox --yes --for 4h --reason restore")
        .expect(0);
    folder
        .run("plan dev --sandbox --gate image-governance --out p.json --override-guard soak --override-guard evidence --override-guard coverage --override-guard violations --reason they-know")
        .expect(0);
    folder.run("apply dev --sandbox --yes --plan p.json").expect(0);
    let document = status(&folder);
    assert_eq!(gate(&document, "dev", "pod-security")["paused"], "release-week");
    assert_eq!(gate(&document, "dev", "exposure")["relaxed"][0]["reason"], "restore");
    let images = gate(&document, "dev", "image-governance");
    assert_eq!(images["stage"], "deny", "{images}");
    assert!(images["overrides"].to_string().contains("they-know"), "{images}");
    let run = folder.run("status dev test --sandbox").expect(0);
    run.prints(&[
        "audit (paused)",
        "audit (relaxed)",
        "deny (overridden)",
        "paused: release-week",
    ]);

    // What still stands there is not said to be off.
    folder.edit(
        "environments/dev.yaml",
        "initiative: image-governance\n    target: deny",
        "initiative: image-governance\n    target: off",
    );
    let document = status(&folder);
    let images = gate(&document, "dev", "image-governance");
    assert_eq!((&images["stage"], &images["target"]), (&json!("deny"), &json!("off")));
    assert_eq!(
        (&images["next"]["stage"], &images["next"]["takenBy"]),
        (&json!("off"), &json!("allowed-weakening"))
    );
}
