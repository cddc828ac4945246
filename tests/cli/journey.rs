//! From a pull request to admission: what `check` foretells of a manifest is what a governed cluster says of it.
//!
//! The verdicts are frozen here. The cluster's side shares the evaluation of a rule with `check`, and nothing else: how assignments are
//! resolved, and which objects a constraint is about, is the sandbox's own.

use crate::harness::Folder;
use serde_json::Value;

const MANIFEST: &str = "examples/manifests/shop.yaml";
const REFUSED: &str =
    "container web runs the image contososandbox.azurecr.io/shop/web:1.4.0, which is not among the allowed ones";

/// Puts the gates of an environment to deny behind everybody's back, and waits until its clusters know.
fn close(folder: &Folder, environment: &str) {
    folder
        .run(&format!("apply {environment} --sandbox --yes --quiet"))
        .expect(0);
    let mark = format!("environment={environment}");
    let ours = folder.resources(|id, document| {
        id.contains("/policyassignments/")
            && document["properties"]["metadata"]["aksgate"]
                .to_string()
                .contains(&mark)
    });
    assert!(!ours.is_empty());
    for (id, _) in ours {
        folder.tamper(&id, |document| {
            document["properties"]["parameters"]["effect"]["value"] = Value::from("Deny");
        });
    }
    folder.run("sandbox advance 2h").expect(0);
}

/// The messages of an admission, of the objects themselves and of the Pods that are made of them.
fn admitted(folder: &Folder, cluster: &str, code: i32) -> Vec<String> {
    let run = folder
        .run(&format!("sandbox admit {cluster} {MANIFEST} --format json"))
        .expect(code);
    let document = run.json();
    let objects = document["objects"].as_array().unwrap();
    let all = objects.iter().flat_map(|object| {
        let of = |name: &str| object[name].as_array().unwrap().clone();
        of("objections").into_iter().chain(of("podObjections"))
    });
    all.filter(|objection| objection["enforcementAction"] == "deny")
        .map(|objection| {
            format!(
                "{}: {}",
                objection["member"].as_str().unwrap(),
                objection["message"].as_str().unwrap()
            )
        })
        .collect()
}

/// The denials that `check` foretells.
fn foretold(folder: &Folder, environment: &str, code: i32) -> Vec<String> {
    let run = folder
        .run(&format!("check {environment} {MANIFEST} --format json"))
        .expect(code);
    let document = run.json();
    let objects = document["objects"].as_array().unwrap();
    let all = objects
        .iter()
        .flat_map(|object| object["findings"].as_array().unwrap().clone());
    all.filter(|finding| finding["verdict"] == "denied")
        .map(|finding| {
            format!(
                "{}: {}",
                finding["member"].as_str().unwrap(),
                finding["message"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn a_manifest_that_dev_admits_and_prod_denies_is_told_before_and_at_admission_alike() {
    let folder = Folder::shipped();
    folder.run("bundle dev prod --sandbox").expect(0);
    let refused = [format!("trustedImages: {REFUSED}")];
    assert_eq!(foretold(&folder, "dev", 0), [""; 0]);
    assert_eq!(foretold(&folder, "prod", 2), refused);

    close(&folder, "dev");
    close(&folder, "prod");
    assert_eq!(admitted(&folder, "aks-dev-weu-01", 0), [""; 0]);
    assert_eq!(admitted(&folder, "aks-prod-weu-01", 2), refused);
}
