//! `aksgate promote`

use crate::harness::{Folder, Run};
use serde_json::{Value, json};

/// A folder whose dev was applied, and stood for so long since.
fn soaked(period: &str) -> Folder {
    let folder = Folder::applied();
    folder.run(&format!("sandbox advance {period}")).expect(0);
    folder
}

fn promote(folder: &Folder, more: &str) -> Run {
    folder.run(&format!("promote --from dev --to prod --sandbox {more}"))
}

/// Every gate as `gate: verdict`.
fn verdicts(document: &Value) -> Vec<String> {
    let gates = document["gates"].as_array().unwrap().iter();
    gates
        .map(|gate| {
            format!(
                "{}: {}",
                gate["gate"].as_str().unwrap(),
                gate["verdict"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn what_has_not_soaked_is_not_promoted() {
    let folder = soaked("1h");
    let run = promote(&folder, "").expect(0);
    run.prints(&[
        "pod-security: not yet",
        "it has soaked in `dev` for 1h",
        "of 1d (until ",
        "there is nothing to promote.",
    ]);
    promote(&folder, "--gate pod-security")
        .expect(3)
        .prints(&["pod-security: not yet", "nothing was written."]);
    promote(&folder, "--gate nothing")
        .expect(1)
        .says(&["environment `dev` has no gate `nothing`"]);
    folder.run("promote --from dev --to dev --sandbox").expect(64);
    folder.run("promote --from dev --sandbox").expect(64);
}

#[test]
fn what_soaked_goes_into_the_file_and_every_comment_stays() {
    let folder = soaked("8d");
    let before = folder.read("environments/prod.yaml");
    let document = promote(&folder, "--format json").expect(0).json();
    assert_eq!(
        (&document["outcome"], &document["formatVersion"]),
        (&json!("proposed"), &json!(1))
    );
    assert_eq!(
        verdicts(&document),
        [
            "exposure: nothing to do",
            "image-governance: nothing to do",
            "pod-security: nothing to do",
            "pod-security-restricted: ready"
        ]
    );
    let images = &document["gates"][1]["differences"];
    assert_eq!(images[0]["key"], "parameters.trustedImages");
    assert_eq!(
        folder.read("environments/prod.yaml"),
        before,
        "nothing is written unasked"
    );
    promote(&folder, "").expect(0).prints(&[
        "pod-security-restricted: ready, target audit",
        "+++ b/environments/prod.yaml",
        "+  pod-security-restricted:",
        "+    target: audit",
        "nothing was written; --write makes the edit in environments/prod.yaml.",
    ]);
    promote(&folder, "--format markdown").expect(0).prints(&[
        "## Promotion from dev to prod",
        "```diff",
        "+    target: audit",
    ]);

    promote(&folder, "--write")
        .expect(0)
        .prints(&["environments/prod.yaml was edited; review it, then plan prod."]);
    let after = folder.read("environments/prod.yaml");
    let addition = "\n  pod-security-restricted:\n    initiative: pod-security-restricted\n    target: audit\n";
    assert_eq!(after.replacen(addition, "", 1), before, "{after}");
    folder.run("validate").expect(0);
    let plan = folder.plan("prod");
    let steps = plan["plan"]["steps"].as_array().unwrap().iter();
    let mut added =
        steps.filter(|step| step["gate"] == "pod-security-restricted" && step["kind"] == "policyAssignment");
    let effect = added.next().unwrap()["after"]["properties"]["parameters"]["effect"]["value"].clone();
    assert_eq!(
        effect.as_str().map(str::to_lowercase).as_deref(),
        Some("audit"),
        "it begins in audit"
    );
    let again = promote(&folder, "--write --format json").expect(0).json();
    assert_eq!(again["outcome"], "nothing");
}

#[test]
fn what_changed_since_it_soaked_is_refused() {
    let folder = soaked("8d");
    let before = folder.read("environments/prod.yaml");
    folder.edit(
        "environments/dev.yaml",
        "    initiative: pod-security-restricted\n",
        "    initiative: pod-security-restricted\n    excludeNamespaces: [legacy]\n",
    );
    let run = promote(&folder, "--write").expect(3);
    run.prints(&[
        "pod-security-restricted: refused",
        "what would be promoted has not soaked there; apply it there first",
    ]);
    assert_eq!(folder.read("environments/prod.yaml"), before);
}

#[test]
fn a_proof_takes_the_place_of_reading_the_source_for_a_day() {
    let folder = soaked("8d");
    folder
        .run("promote --from dev --proof dev.proof.json --sandbox")
        .expect(0)
        .prints(&["The proof of dev with 4 gates is in dev.proof.json; it holds until "]);
    let proof: Value = serde_json::from_str(&folder.read("dev.proof.json")).unwrap();
    assert_eq!(
        (&proof["kind"], &proof["environment"]),
        (&json!("promotion-proof"), &json!("dev"))
    );
    assert!(
        proof["endpoint"]
            .as_str()
            .is_some_and(|endpoint| endpoint.starts_with("sandbox:"))
    );
    let document = promote(&folder, "--proof dev.proof.json --format json")
        .expect(0)
        .json();
    assert_eq!(document["outcome"], "proposed");
    assert!(
        document["proof"]
            .as_str()
            .is_some_and(|proof| proof.starts_with("read "))
    );
    // Written again over itself, and over nothing else.
    folder
        .run("promote --from dev --proof dev.proof.json --sandbox")
        .expect(0);
    folder
        .run("promote --from dev --proof environments/dev.yaml --sandbox")
        .expect(1)
        .says(&["is there and is no proof"]);
    folder.edit(
        "dev.proof.json",
        "\"environment\": \"dev\"",
        "\"environment\": \"test\"",
    );
    promote(&folder, "--proof dev.proof.json")
        .expect(1)
        .says(&["the proof was changed after it was written"]);
    folder.run("promote --from dev --proof new.json --sandbox").expect(0);
    folder.run("sandbox advance 25h").expect(0);
    promote(&folder, "--proof new.json")
        .expect(3)
        .says(&["the proof does not hold here", "and it is "]);
    promote(&folder, "--proof environments/dev.yaml")
        .expect(1)
        .says(&["cannot be used as a proof"]);
}

#[test]
fn a_file_that_cannot_be_edited_in_place_is_left_and_the_edit_is_said() {
    let folder = soaked("8d");
    let prod = folder.read("environments/prod.yaml");
    let (at, end) = (prod.find("gates:").unwrap(), prod.find("defender:").unwrap());
    let gates = "gates: {pod-security: {initiative: pod-security-baseline, target: deny},} # the comma\n\n";
    let odd = format!("{}{gates}{}", &prod[..at], &prod[end..]);
    folder.write("environments/prod.yaml", &odd);
    promote(&folder, "--write").expect(3).says(&[
        "the file cannot be edited in place; nothing was written",
        "to set: gates.pod-security-restricted: {initiative: pod-security-restricted, target: audit}",
        "make these changes by hand",
    ]);
    assert_eq!(folder.read("environments/prod.yaml"), odd);
}
