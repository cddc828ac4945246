//! `aksgate runs`, and the journal that an apply leaves.

use crate::faults::served::{Served, Start, estate};
use crate::harness::Folder;
use serde_json::Value;

const RUNS: &str = ".aksgate/runs";

/// The names of the runs in a folder.
fn names(folder: &Folder) -> Vec<String> {
    let runs = folder.run("runs --format json").expect(0).json();
    let names = runs["runs"].as_array().unwrap().iter();
    names.map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_apply_leaves_a_journal_of_each_write() {
    let folder = Folder::shipped();
    folder.run("runs").expect(0).prints(&["No runs in "]);
    let plan = folder.plan("dev");
    let applied = folder
        .run("apply dev --sandbox --yes --format json --verbose")
        .expect(0);
    let names = names(&folder);
    assert_eq!(names.len(), 1);
    applied.says(&[&format!("The journal of this run is {}.", names[0])]);

    let shown = folder
        .run(&format!("runs show {} --format json", names[0]))
        .expect(0)
        .json();
    assert_eq!(shown["run"]["environment"], "dev");
    assert_eq!(shown["end"]["outcome"], "done");
    let writes = shown["writes"].as_array().unwrap();
    let pending = crate::harness::pending(&plan);
    assert_eq!(writes.len(), pending.len());
    for write in writes {
        let step = pending.iter().find(|step| step["object"] == write["object"]).unwrap();
        assert_eq!(write["outcome"], "done");
        assert_eq!(write["before"], step["before"], "{write}");
        if step["kind"] != "roleAssignment" {
            assert_eq!(write["after"], step["after"], "{write}");
        }
    }
    folder.run("runs").expect(0).prints(&["dev: 9 done; done"]);
    let human = folder.run(&format!("runs show {}", names[0])).expect(0);
    human.prints(&["done  create policyAssignment /subscriptions/", "Run: 9 done; done."]);
    let markdown = folder
        .run(&format!("runs show {} --format markdown", names[0]))
        .expect(0);
    markdown.prints(&["| done | create | policyAssignment `/subscriptions/"]);
}

#[test]
fn an_apply_with_nothing_to_write_leaves_none() {
    let folder = Folder::applied();
    assert_eq!(names(&folder).len(), 1);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(names(&folder).len(), 1);
}

#[test]
fn what_weakens_is_noted_with_who_allowed_it() {
    let folder = Folder::applied();
    folder.edit(
        "environments/dev.yaml",
        "excludeNamespaces: [ingress]",
        "excludeNamespaces: [ingress, edge]",
    );
    folder
        .run("apply dev --sandbox --yes --allow-weakening exposure --reason why --journal elsewhere")
        .expect(0);
    let runs = folder.run("runs --journal elsewhere --format json").expect(0).json();
    let name = runs["runs"][0]["run"].as_str().unwrap();
    let shown = folder
        .run(&format!("runs show {name} --journal elsewhere --format json"))
        .expect(0)
        .json();
    assert_eq!(shown["run"]["allowedWeakenings"][0], "exposure");
    let path = "/properties/parameters/excludedNamespaces/value";
    let (before, after) = (&shown["writes"][0]["before"], &shown["writes"][0]["after"]);
    let holds = |document: &Value| {
        document
            .pointer(path)
            .unwrap()
            .as_array()
            .unwrap()
            .contains(&"edge".into())
    };
    assert!(!holds(before) && holds(after), "{shown}");
}

#[test]
fn without_a_journal_nothing_is_written() {
    let folder = Folder::shipped();
    folder.write("taken", "a file");
    let run = folder.run("apply dev --sandbox --yes --journal taken").expect(1);
    run.says(&[
        "the journal cannot be written; nothing was written to Azure",
        "`--journal DIR`",
    ]);
    let ours = |_: &str, wire: &Value| wire.pointer("/properties/metadata/aksgate").is_some();
    assert!(folder.resources(ours).is_empty());
}

#[test]
fn a_second_apply_of_an_environment_is_kept_out() {
    let folder = Folder::shipped();
    folder.write(".aksgate/apply-dev.lock", "");
    let lock = std::fs::File::open(folder.path(".aksgate/apply-dev.lock")).unwrap();
    lock.lock().unwrap();
    let run = folder.run("apply dev --sandbox --yes").expect(3);
    run.says(&["another apply of `dev` is under way here; nothing was written"]);
    folder.run("apply prod --sandbox --yes").expect(0);
    drop(lock);
    folder.run("apply dev --sandbox --yes").expect(0);
}

#[test]
fn a_run_that_was_killed_says_what_is_in_doubt() {
    let served = Served::new(estate(Start::Policy), &Value::Null, 60);
    let mut child = served.start("apply dev --yes");
    served.wait_for(1, |exchange| exchange.method == "PUT");
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = served.end();
    let names = names(&folder);
    let shown = folder
        .run(&format!("runs show {} --format json", names[0]))
        .expect(0)
        .json();
    assert_eq!(shown["end"], Value::Null);
    assert!(!shown["writes"].as_array().unwrap().is_empty());
    folder.run("runs").expect(0).prints(&["cut off"]);
}

#[test]
fn a_name_that_is_none_and_a_damaged_journal_are_told() {
    let folder = Folder::applied();
    folder
        .run("runs show ../../aksgate")
        .expect(1)
        .says(&["no run `../../aksgate`"]);
    let name = names(&folder).remove(0);
    let path = format!("{RUNS}/{name}.jsonl");
    let text = folder
        .read(&path)
        .replacen("\"record\":\"outcome\"", "\"record\":\"out", 1);
    folder.write(&path, text);
    folder.run(&format!("runs show {name}")).expect(1).says(&["is damaged"]);
    // The list goes on with the others.
    folder.run("runs").expect(0).prints(&["is damaged"]);
}
