//! An apply of a saved plan that is carried on after it was killed: where its journal is, and where none is.

use crate::faults::served::{Served, Start, estate};
use serde_json::{Value, json};

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
