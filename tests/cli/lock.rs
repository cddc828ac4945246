//! `aksgate lock`, and what `plan` makes of the lock.
//!
//! What Azure changed since the lock was written is played by a served sandbox whose answers for a built-in are others
//! (`answer` among the faults), as Azure would serve them.

use crate::faults::served::Served;
use crate::harness::{Folder, outline, root};
use serde_json::{Value, json};
use std::fs;

const LOCK: &str = "aksgate.lock";
/// The member `noLatestTag` of `image-governance`.
const TAG: &str = "021f8078-41a0-40e6-81b6-c6597da9f3ee";
const TAG_TITLE: &str = "`Kubernetes cluster container images should not include latest image tag`";

/// The document of a policy definition, as the sandbox serves it.
fn definition(name: &str) -> Value {
    let data = fs::read_to_string(root().join("src/sandbox/builtins/data.json")).unwrap();
    let data: Value = serde_json::from_str(&data).unwrap();
    let mut all = data["policyDefinitions"].as_array().unwrap().iter();
    all.find(|document| document["name"] == name).unwrap().clone()
}

/// A sandbox that answers with this document for a built-in.
fn answers(folder: Folder, document: &Value) -> Served {
    let path = format!(
        "/providers/Microsoft.Authorization/policyDefinitions/{}",
        document["name"].as_str().unwrap()
    );
    let rule = json!({"method": "GET", "path": path, "count": "all", "action": {"kind": "answer", "body": document}});
    Served::new(folder, &json!([rule]), 0)
}

/// What becomes of one built-in, in the JSON of a lock.
fn row<'a>(document: &'a Value, name: &str) -> &'a Value {
    let mut rows = document["clouds"][0]["builtIns"].as_array().unwrap().iter();
    rows.find(|row| row["name"] == name).unwrap()
}

fn findings(plan: &Value) -> Vec<String> {
    let all = plan["plan"]["findings"].as_array().unwrap().iter();
    all.map(|found| {
        format!(
            "{}: {}",
            found["subject"].as_str().unwrap(),
            found["sentence"].as_str().unwrap()
        )
    })
    // What others assign is shown by each plan.
    .filter(|found| !found.ends_with("is not ours and is left alone"))
    .filter(|found| found.contains("aksgate.lock") || found.contains("aksgate lock") || found.contains('`'))
    .collect()
}

/// The guards that hold a gate.
fn guards(plan: &Value, gate: &str) -> Vec<String> {
    let held = plan["plan"]["held"].as_array().unwrap().iter();
    held.filter(|held| held["subject"] == gate)
        .flat_map(|held| held["reasons"].as_array().unwrap())
        .map(|reason| reason["guard"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_shipped_lock_fits_the_shipped_estate_and_the_sandbox() {
    let folder = Folder::shipped();
    folder
        .run("lock --sandbox --check")
        .expect(0)
        .prints(&["aksgate.lock was only checked: 32 unchanged.\n"]);
    let written = folder.read(LOCK);
    folder
        .run("lock --sandbox")
        .expect(0)
        .prints(&["aksgate.lock stays as it is: 32 unchanged.\n"]);
    folder.remove(LOCK);
    folder.run("lock --sandbox --check").expect(2);
    assert!(!folder.exists(LOCK), "a check writes nothing");
    folder
        .run("lock --sandbox")
        .expect(0)
        .prints(&["from sandbox\n", "aksgate.lock is written: 32 added.\n"]);
    assert_eq!(folder.read(LOCK), written);
}

#[test]
fn without_a_lock_there_is_one_finding_and_nothing_is_asked() {
    let folder = Folder::shipped();
    folder.remove(LOCK);
    let run = folder.run("plan dev --sandbox --verbose").expect(0);
    run.prints(&["To know\n  aksgate.lock: is not there: "])
        .says(&["7 reads, 2 Resource Graph queries"]);
    assert_eq!(findings(&folder.plan("dev")).len(), 1);
}

#[test]
fn a_lock_follows_what_the_estate_uses() {
    let folder = Folder::shipped();
    folder.edit(
        "initiatives/image-governance.yaml",
        TAG,
        "65280eef-c8b4-425e-9aec-af55e55bf581",
    );
    let plan = folder.plan("dev");
    assert_eq!(findings(&plan).len(), 1, "{:?}", findings(&plan));
    assert!(findings(&plan)[0].starts_with("aksgate.lock: does not hold 1 built-in in use: `"));
    assert!(guards(&plan, "image-governance").contains(&"lock".to_owned()));
    assert!(!guards(&plan, "exposure").contains(&"lock".to_owned()));

    folder.run("lock prod --sandbox").expect(0).prints(&["1 added"]);
    assert!(folder.read(LOCK).contains(TAG), "another environment may use it");
    let document = folder.run("lock --sandbox --format json").expect(0).json();
    assert_eq!(
        (&document["outcome"], &document["written"]),
        (&"done".into(), &true.into())
    );
    assert_eq!(row(&document, TAG)["action"], "remove");
    assert_eq!(document["counts"]["unchanged"], 32);
    assert!(!folder.read(LOCK).contains(TAG));
    assert_eq!(findings(&folder.plan("dev")), [""; 0]);
    folder
        .run("lock --sandbox --check --format markdown")
        .expect(0)
        .prints(&["**aksgate.lock was only checked: 32 unchanged.**"]);
}

#[test]
fn content_that_azure_changed_is_shown_and_holds_the_gate_until_it_is_accepted() {
    let mut document = definition(TAG);
    document["properties"]["policyRule"]["then"]["details"]["templateInfo"]["url"] =
        json!("https://store.policy.core.windows.net/other.yaml");
    let folder = Folder::applied();
    let before = folder.read(LOCK);
    let served = answers(folder, &document);
    let drifted = format!(
        "image-governance: {TAG_TITLE}: the content of 2.0.1 is not what was locked: Azure changed it under the same version"
    );
    let plan = served.run("plan dev --format json").expect(0).json();
    assert!(findings(&plan)[0].starts_with(&drifted), "{:?}", findings(&plan));
    assert!(guards(&plan, "image-governance").contains(&"lock".to_owned()));
    assert_eq!(outline(&plan), [""; 0], "what stands stays");

    // A successor of it would enforce what nobody accepted: the gate is kept as it is.
    let file = "initiatives/image-governance.yaml";
    let text = served.folder.read(file);
    let member = "\n  - ref: noNakedPods\n    definition: 65280eef-c8b4-425e-9aec-af55e55bf581\n    version: 2.*.*\n";
    served.folder.write(file, text.clone() + member);
    let plan = served.run("plan dev --format json").expect(0).json();
    assert_eq!(
        (outline(&plan), guards(&plan, "image-governance")),
        (Vec::new(), vec!["lock".to_owned()])
    );
    served.folder.write(file, text);

    served
        .run("lock --check")
        .expect(2)
        .prints(&["  ! Kubernetes cluster container images", "1 behind, 31 unchanged."]);
    served
        .run("lock")
        .expect(0)
        .prints(&["aksgate.lock stays as it is: 1 behind, 31 unchanged."]);
    assert_eq!(served.folder.read(LOCK), before);
    served.run("lock --upgrade image-governanc").expect(1).says(&[
        "nothing in use is called `image-governanc`",
        "did you mean `image-governance`?",
    ]);
    served.run("lock --upgrade exposure").expect(0).prints(&["1 behind"]);
    let upgraded = served
        .run("lock --upgrade image-governance --format json")
        .expect(0)
        .json();
    let row = row(&upgraded, TAG);
    assert_eq!(
        (&row["action"], &row["after"]["version"]),
        (&"upgrade".into(), &"2.0.1".into())
    );
    assert_ne!(row["before"]["content"], row["after"]["content"]);
    assert_eq!(
        served
            .folder
            .read(LOCK)
            .lines()
            .filter(|line| !before.contains(*line))
            .count(),
        5,
        "the source, the entry and the facts: nothing else"
    );
    let plan = served.run("plan dev --format json").expect(0).json();
    assert_eq!(findings(&plan), [""; 0]);
    assert!(!guards(&plan, "image-governance").contains(&"lock".to_owned()));
}

#[test]
fn a_version_that_the_catalogue_does_not_know_is_locked_with_its_facts() {
    let mut document = definition(TAG);
    let properties = &mut document["properties"];
    properties["version"] = json!("2.1.0");
    properties["versions"] = json!(["3.0.0", "2.1.0", "2.0.1"]);
    properties["metadata"]["deprecated"] = json!(true);
    properties["parameters"]["tags"] = json!({"type": "Array", "defaultValue": []});
    let served = answers(Folder::shipped(), &document);
    let plan = served.run("plan dev --format json").expect(0).json();
    let expected = [
        "`2.*.*` leads to 2.1.0 in Azure now, and 2.0.1 is locked",
        "is deprecated",
        "version 3.0.0 is there",
    ];
    for text in expected {
        assert!(
            findings(&plan).iter().any(|found| found.contains(text)),
            "{text}: {:?}",
            findings(&plan)
        );
    }
    let ours = "    version: 2.*.*\n    parameters: {tags: [latest]}\n";
    served
        .folder
        .edit("initiatives/image-governance.yaml", "    version: 2.*.*\n", ours);
    served
        .folder
        .run("validate")
        .expect(1)
        .says(&["unknown parameter", "`tags`"]);
    served.run(&format!("lock --upgrade {TAG}")).expect(0).prints(&[
        "  ~ Kubernetes cluster container images should not include latest image tag  2.*.*: 2.0.1 -> 2.1.0\n",
        "      is deprecated; it stays as it is until you take it out",
        "1 upgraded, 31 unchanged.",
    ]);
    // From here on offline: the lock tells what the catalogue does not know.
    served
        .folder
        .run("validate")
        .expect(0)
        .says(&["warning: deprecated definition"]);
    let rendered = served.folder.run("render dev --gate image-governance").expect(0);
    rendered.prints(&["\"tags\""]);
}

#[test]
fn a_built_in_that_the_catalogue_does_not_know_is_fetched_by_lock() {
    let new = "0a0b0c0d-0000-4000-8000-00000000aaaa";
    let mut document = definition(TAG);
    document["name"] = json!(new);
    document["id"] = json!(format!("/providers/Microsoft.Authorization/policyDefinitions/{new}"));
    document["properties"]["displayName"] = json!("Something that came later");
    let folder = Folder::shipped();
    folder.edit("initiatives/image-governance.yaml", TAG, new);
    folder.run("validate").expect(1).says(&[
        "unknown policy definition",
        "if Azure has it, `aksgate lock` fetches its facts",
    ]);
    // A name that is nowhere is a slip of the pen.
    let before = folder.read(LOCK);
    folder.run("lock --sandbox").expect(1).says(&[
        "error: what the estate names cannot be locked; nothing was written",
        &format!(
            "policy definition {new} in cloud `public`, member `noLatestTag` of `image-governance`: is no longer there"
        ),
    ]);
    assert_eq!(folder.read(LOCK), before);
    let served = answers(folder, &document);
    served
        .run("lock")
        .expect(0)
        .prints(&["  + Something that came later  2.*.*: 2.0.1\n", "1 added, 1 removed"]);
    served.folder.run("validate").expect(0);
    let plan = served.run("plan dev --format json").expect(0).json();
    assert_eq!(findings(&plan), [""; 0]);
    // Any other mistake still keeps the lock from asking Azure.
    served
        .folder
        .edit("environments/dev.yaml", "target: audit", "target: adit");
    served
        .run("lock")
        .expect(1)
        .says(&["the estate has mistakes, so nothing was called"]);
}

#[test]
fn a_built_in_that_is_gone_is_an_error_that_names_the_member() {
    let rule = json!({"path": format!("*/policyDefinitions/{TAG}"), "count": "all", "action": {"kind": "not-found"}});
    let served = Served::new(Folder::shipped(), &json!([rule]), 0);
    let run = served.run("plan dev").expect(1).says(&[
        "error: azure does not have a built-in that a gate needs; nothing was planned",
        &format!("policy definition {TAG} {TAG_TITLE}, member `noLatestTag` of `image-governance`: is no longer there"),
    ]);
    assert_eq!(run.stdout, "");
    served.run("apply dev --yes").expect(1);
    served.run("plan dev --gate exposure").expect(0);
    served.run("lock --check").expect(2).prints(&["is no longer there"]);
}

#[test]
fn a_broken_lock_is_a_mistake_of_the_estate() {
    let folder = Folder::shipped();
    let text = folder.read(LOCK);
    folder.write(LOCK, text.replacen("\"builtIns\"", "<<<<<<< ours\n\"builtIns\"", 1));
    for command in ["validate", "plan dev --sandbox", "lock --sandbox"] {
        folder.run(command).expect(1).says(&[
            "error: broken lock file",
            "aksgate.lock:7:1",
            "restore the file from version control",
        ]);
    }
}

#[test]
fn a_plan_does_not_outlive_its_lock() {
    let folder = Folder::shipped();
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    let text = folder.read(LOCK);
    folder.write(
        LOCK,
        text.replacen("\"version\": \"2.0.1\"", "\"version\": \"2.0.0\"", 1),
    );
    folder
        .run("apply dev --sandbox --plan plan.json --yes")
        .expect(5)
        .says(&["the estate was changed since it was made"]);
}

#[test]
fn each_cloud_has_a_part_of_its_own_also_where_versions_are_not_known() {
    let folder = Folder::shipped();
    let (test, text) = ("environments/test.yaml", folder.read("environments/test.yaml"));
    folder.edit(test, "\nscope: ", "\ncloud: china\nscope: ");
    folder
        .run("lock --sandbox")
        .expect(0)
        .prints(&["Built-ins of cloud china", "27 added, 32 unchanged."]);
    // The api-version there tells of the newest version only.
    let document = folder.run("lock test --sandbox --format json").expect(0).json();
    let namespaces = row(&document, "47a1ee2f-2a2a-4576-bf2a-e0e36709c2b8");
    assert_eq!(
        (&namespaces["pin"], &namespaces["after"]["version"]),
        (&"5.*.*".into(), &"6.0.0".into())
    );
    assert_eq!(findings(&folder.plan("dev")), [""; 0]);
    folder.write(test, text);
    folder
        .run("lock --sandbox")
        .expect(0)
        .prints(&["27 removed, 32 unchanged."]);
    assert_eq!(folder.read(LOCK), fs::read_to_string(root().join(LOCK)).unwrap());
}
