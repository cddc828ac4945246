//! Two runs that write one object, against a scripted Azure.

use super::tests::{outcome, report, step};
use super::*;
use crate::arm::testing::{Script, Turn, answer};
use crate::model::Mark;
use serde_json::json;

const SCOPE: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization";

fn mark() -> Mark {
    Mark {
        owner: "owner".into(),
        environment: "dev".into(),
        gate: "fleet".into(),
        generation: 1,
        part: "00".into(),
    }
}

fn assignment() -> String {
    format!("{SCOPE}/policyAssignments/{}", mark().assignment_name())
}

fn wire(effect: &str, run: &str, second: u32) -> Value {
    let state = MarkState {
        position: "audit".into(),
        digest: "0123456789".into(),
        since: Timestamp::parse("2027-01-04T08:00:00Z"),
        run: Some(run.into()),
        ..MarkState::default()
    };
    json!({
        "properties": {
            "parameters": {"effect": {"value": effect}},
            "metadata": {"aksgate": mark().to_text(), "aksgateState": state.to_text()},
        },
        "systemData": {"lastModifiedBy": format!("ci-{run}"), "lastModifiedAt": format!("2027-01-04T08:00:{second:02}Z")},
    })
}

fn absent() -> Turn {
    answer(
        404,
        json!({"error": {"code": "PolicyAssignmentNotFound", "message": "m"}}),
    )
}

/// Takes the assignment from `before` to deny; the write is answered, then each look shows one of `looks`.
fn written(before: Option<&Value>, looks: Vec<Turn>) -> (Outcome, Script) {
    let first = before.map_or_else(absent, |before| answer(200, before.clone()));
    let wanted = wire("Deny", "plan", 2);
    let script = Script::new([first, answer(200, wanted.clone())].into_iter().chain(looks));
    let step = step(Kind::PolicyAssignment, &assignment(), before, &wanted);
    // What is kept of the mark was read before.
    let outcome = outcome(&script, vec![(step, wire("Deny", "old", 1))]);
    (outcome, script)
}

#[test]
fn what_another_run_wrote_right_after_is_a_race_that_names_it() {
    for before in [None, Some(wire("Audit", "old", 1))] {
        let (outcome, script) = written(before.as_ref(), vec![answer(200, wire("Disabled", "other", 3))]);
        let Outcome::Failed(Failure::Overtaken(text)) = &outcome else {
            panic!("{outcome:?}")
        };
        for part in [
            "somebody else wrote it",
            "ci-other at 2027-01-04T08:00:03Z",
            "its mark names plan `other`",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(script.slept().is_empty());
    }
}

#[test]
fn what_another_run_put_back_or_added_is_a_race_too() {
    let before = wire("Audit", "old", 1);
    let (outcome, _) = written(Some(&before), vec![answer(200, wire("Audit", "other", 3))]);
    assert!(matches!(outcome, Outcome::Failed(Failure::Overtaken(_))), "{outcome:?}");
    let mut added = wire("Deny", "other", 3);
    added["properties"]["notScopes"] = json!(["/subscriptions/s/resourceGroups/g"]);
    let (outcome, _) = written(Some(&before), vec![answer(200, added)]);
    assert!(matches!(outcome, Outcome::Failed(Failure::Overtaken(_))), "{outcome:?}");
}

#[test]
fn each_write_names_its_plan_in_the_mark_and_keeps_since_when_the_gate_stands_there() {
    let (outcome, script) = written(
        Some(&wire("Audit", "old", 1)),
        vec![answer(200, wire("Deny", "plan", 2))],
    );
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    let sent = &script.requests()[1].body["properties"]["metadata"]["aksgateState"];
    let state = MarkState::parse(sent.as_str().unwrap()).unwrap();
    assert_eq!(state.run.as_deref(), Some("plan"));
    assert_eq!(state.since, Timestamp::parse("2027-01-04T08:00:00Z"));
}

#[test]
fn the_same_from_another_run_is_no_race() {
    let (outcome, script) = written(None, vec![answer(200, wire("Deny", "other", 3))]);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(script.requests().len(), 3);
}

#[test]
fn a_read_that_lags_behind_is_looked_at_again_and_for_so_long_only() {
    let before = wire("Audit", "old", 1);
    let old = || answer(200, wire("Audit", "old", 1));
    let (outcome, script) = written(Some(&before), vec![old(), old(), answer(200, wire("Deny", "plan", 2))]);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(script.slept_seconds(), [1, 2]);

    let (outcome, script) = written(None, (0..5).map(|_| absent()).collect());
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(script.slept_seconds(), [1, 2, 4, 8]);

    let (outcome, _) = written(Some(&before), vec![old(), answer(200, wire("Disabled", "other", 3))]);
    assert!(matches!(outcome, Outcome::Failed(Failure::Overtaken(_))), "{outcome:?}");
}

#[test]
fn a_write_that_cannot_be_read_back_counts_as_written() {
    let refused = answer(403, json!({"error": {"code": "AuthorizationFailed", "message": "no"}}));
    let (outcome, _) = written(None, vec![refused]);
    let Outcome::Failed(Failure::Differs(text)) = &outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        text.contains("cannot be read back") && text.contains("AuthorizationFailed"),
        "{text}"
    );
}

#[test]
fn after_a_race_nothing_more_is_started() {
    let wanted = wire("Deny", "plan", 2);
    let first = step(Kind::PolicyAssignment, &assignment(), None, &wanted);
    let mut apart = step(
        Kind::PolicyAssignment,
        &format!("{SCOPE}/policyAssignments/apart"),
        None,
        &wanted,
    );
    apart.id = "s2".to_owned();
    let script = Script::new([
        absent(),
        answer(201, wanted.clone()),
        answer(200, wire("Disabled", "other", 3)),
    ]);
    let report = report(&script, vec![(first, wanted.clone()), (apart, wanted)], &Ok(()));
    let names: Vec<&str> = report.outcomes.iter().map(|(_, outcome)| outcome.name()).collect();
    assert_eq!(names, ["failed", "skipped"]);
    assert!(report.wrote());
    assert_eq!(script.requests().len(), 3);
}
