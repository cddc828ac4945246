//! An apply of a saved plan that is carried on after it was killed: where its journal is, and where none is.

use crate::faults::served::{Exchange, Served, Start, estate, exchanges};
use crate::harness::Folder;
use crate::rollout::{mend, ringed, show};
use serde_json::{Value, json};

const CLOSING: &str = "apply dev --plan plan.json --yes --allow-weakening pod-security --reason agreed";
const LINE: &str = "apply dev --plan plan.json --yes --parallelism 1";

/// A server whose saved plan was killed when its third write had taken effect and nothing had been heard of that.
fn killed() -> Served {
    let rule = json!({"path": "*", "method": "PUT", "nth": 3, "action": {"kind": "hold", "after": true}});
    let mut served = Served::new(estate(Start::Policy), &json!([rule]), 0);
    served.run("plan dev --out plan.json").expect(0);
    served.kill_when_held(LINE).unwrap();
    served
}

/// What an apply tells of the steps that were done already.
fn told(applied: &Value) -> Vec<&str> {
    let results = applied["results"].as_array().unwrap().iter();
    let already = results.filter(|result| result["outcome"] == "already-done");
    already.map(|result| result["message"].as_str().unwrap()).collect()
}

#[test]
fn the_same_apply_finishes_the_rest_and_says_which_run_did_what() {
    let served = killed();
    let resumed = served.run(&format!("{LINE} --format json")).expect(0);
    let first = "by run-20270104-";
    let applied = resumed.json();
    let words = told(&applied);
    assert_eq!(words.len(), 3, "{applied}");
    let done = words.iter().filter(|words| words.starts_with(&format!("done {first}")));
    assert_eq!(done.count(), 2, "{words:?}");
    let lost: Vec<&&str> = words
        .iter()
        .filter(|words| words.starts_with(&format!("sent {first}")))
        .collect();
    assert!(
        lost[0].ends_with("which heard no answer; settled by reading"),
        "{words:?}"
    );
    resumed.says(&[&format!("done {first}"), "heard no answer"]);
    // The second run did the rest, and a third one tells them apart.
    let again = served.run(&format!("{LINE} --format json")).expect(0).json();
    assert_eq!(again["counts"]["done"], 0);
    assert_eq!(
        told(&again).iter().filter(|words| words.is_empty()).count(),
        0,
        "{again}"
    );
    let folder = served.end();
    assert!(folder.is_settled("dev"));
}

#[test]
fn where_no_journal_is_the_same_apply_finishes_the_rest_as_well() {
    let served = killed();
    std::fs::remove_dir_all(served.folder.path(".aksgate/runs")).unwrap();
    let applied = served.run(&format!("{LINE} --format json")).expect(0).json();
    assert_eq!(told(&applied), ["", "", ""]);
    let folder = served.end();
    assert!(folder.is_settled("dev"));
}

/// A server whose gate was to close its first ring and to let a cluster of the other one off, killed when the exemption was written
/// and the ring not yet.
fn killed_before_the_ring() -> Served {
    let folder = ringed("approve");
    mend(&folder, "aks-dev-neu-01");
    let cluster = folder.resources(|id, _| id.ends_with("/managedclusters/aks-dev-weu-01"))[0].1["id"].clone();
    let cluster = cluster.as_str().unwrap();
    let entry = format!(
        "{{gate: pod-security, resource: {cluster}, category: Waiver, expires: 2027-06-30, reason: legacy agents}}"
    );
    let text = folder.read("environments/dev.yaml");
    folder.write("environments/dev.yaml", format!("{text}\nexemptions:\n  - {entry}\n"));
    let rule =
        json!({"path": "*/policyassignments/*", "method": "PUT", "nth": 1, "action": {"kind": "hold", "after": false}});
    let mut served = Served::new(folder, &json!([rule]), 0);
    served
        .run("plan dev --gate pod-security --out plan.json")
        .expect(0)
        .prints(&["1 to create", "1 to update"]);
    served.kill_when_held(CLOSING).unwrap();
    served
}

/// The path of each write that took effect, in order.
fn written(folder: &Folder) -> Vec<String> {
    let writes = exchanges(folder)
        .into_iter()
        .filter(|exchange| exchange.method == "PUT" && exchange.took_effect());
    writes.map(|Exchange { path, .. }| path).collect()
}

#[track_caller]
fn ends_closed_and_let_off(served: Served) {
    let folder = served.end();
    let writes = written(&folder);
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert!(
        writes[0].contains("/policyexemptions/") && writes[1].contains("/policyassignments/"),
        "{writes:?}"
    );
    assert_eq!(show(&folder)["stands"], "deny-1");
    let left = "plan dev --sandbox --gate pod-security --detailed-exitcode";
    folder.run(left).expect(0);
}

#[test]
fn a_ring_whose_exemption_was_written_alone_closes_by_the_same_apply_once_reports_know_it() {
    let served = killed_before_the_ring();
    // Reports from before the exemption do not count: the step is refused, and what was done is not done again.
    let early = served.run(&format!("{CLOSING} --format json")).expect(3);
    let applied = early.json();
    assert_eq!(
        (&applied["counts"]["already-done"], &applied["counts"]["refused"]),
        (&json!(1), &json!(1))
    );
    assert!(told(&applied)[0].starts_with("done by run-"), "{applied}");
    early.says(&["freshness"]);
    assert_eq!(show(&served.folder)["stands"], "audit");
    served.folder.run("sandbox advance 3h").expect(0);
    let applied = served.run(&format!("{CLOSING} --format json")).expect(0).json();
    assert_eq!(
        (&applied["counts"]["already-done"], &applied["counts"]["done"]),
        (&json!(1), &json!(1))
    );
    ends_closed_and_let_off(served);
}

#[test]
fn a_ring_whose_exemption_was_written_alone_closes_by_a_fresh_plan_once_reports_know_it() {
    let served = killed_before_the_ring();
    let held = served.run("plan dev --gate pod-security").expect(0);
    held.prints(&["Held: cannot be done now", "freshness"]);
    served.folder.run("sandbox advance 3h").expect(0);
    served
        .run("plan dev --gate pod-security --out fresh.json")
        .expect(0)
        .prints(&["1 to update"]);
    served.run("apply dev --plan fresh.json --yes").expect(0);
    ends_closed_and_let_off(served);
}
