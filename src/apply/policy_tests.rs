//! Roles and exemptions against a scripted Azure.

use super::tests::{outcome, outcome_when, step};
use super::*;
use crate::arm::testing::{Script, Turn, answer};
use crate::model::Mark;
use serde_json::json;

const SCOPE: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";
const ROLE: &str = "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8";
const PRINCIPAL: &str = "ce2ce14e-85d7-4629-bdbc-454d0519d987";

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
    let name = mark().assignment_name();
    format!("{SCOPE}/providers/Microsoft.Authorization/policyAssignments/{name}")
}

fn live_assignment(metadata: Value) -> Turn {
    answer(
        200,
        json!({"id": assignment(), "identity": {"type": "SystemAssigned", "principalId": PRINCIPAL}, "properties": {"metadata": metadata}}),
    )
}

#[test]
fn a_step_that_closes_a_gate_is_not_written_when_its_evidence_is_gone() {
    let wire = |effect: &str| {
        json!({"properties": {
            "parameters": {"effect": {"value": effect}},
            "metadata": {"aksgate": mark().to_text()},
        }})
    };
    let heard = |before: &str, after: &str, heard: Result<(), String>, refused: bool| {
        let written = (0..if refused { 0 } else { 2 }).map(|_| answer(200, wire(after)));
        let script = Script::new([answer(200, wire(before))].into_iter().chain(written));
        let step = step(Kind::PolicyAssignment, &assignment(), Some(&wire(before)), &wire(after));
        outcome_when(&script, vec![(step, wire(after))], heard)
    };
    let gone = || Err("a violation came".to_owned());
    // The script has no answer to a write.
    let refused = heard("Audit", "Deny", gone(), true);
    assert!(
        matches!(&refused, Outcome::Refused(why) if why == "a violation came"),
        "{refused:?}"
    );
    assert!(matches!(heard("Audit", "Deny", Ok(()), false), Outcome::Done));
    // What opens a gate waits for nothing.
    assert!(matches!(heard("Deny", "Audit", gone(), false), Outcome::Done));
}

fn role(principal: Value) -> Value {
    json!({"properties": {"roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{ROLE}"),
        "principalId": principal, "principalType": "ServicePrincipal", "description": mark().to_text()}})
}

/// Carries out the step that gives the role, of a plan that did not know to whom.
fn give(turns: impl IntoIterator<Item = Turn>) -> (Outcome, Script) {
    let script = Script::new(turns);
    let name = mark().role_assignment_name(SCOPE, ROLE, 0);
    let id = format!("{SCOPE}/providers/Microsoft.Authorization/roleAssignments/{name}");
    let document = role(json!({ KNOWN_AFTER: assignment() }));
    let step = step(
        Kind::RoleAssignment,
        &id,
        None,
        &role(json!({ KNOWN_AFTER: "step-001" })),
    );
    let outcome = outcome(&script, vec![(step, document)]);
    (outcome, script)
}

fn absent() -> Turn {
    answer(
        404,
        json!({"error": {"code": "RoleAssignmentNotFound", "message": "m"}}),
    )
}

fn ours() -> Turn {
    live_assignment(json!({"aksgate": mark().to_text()}))
}

#[test]
fn a_role_is_given_to_the_identity_that_the_assignment_has_by_then() {
    let (outcome, script) = give([ours(), absent(), answer(201, role(json!(PRINCIPAL)))]);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(script.requests()[2].body["properties"]["principalId"], PRINCIPAL);
    let (outcome, _) = give([ours(), answer(200, role(json!(PRINCIPAL)))]);
    assert!(matches!(outcome, Outcome::AlreadyDone), "{outcome:?}");
}

#[test]
fn no_role_is_given_to_the_identity_of_an_assignment_that_is_not_ours() {
    for turn in [
        live_assignment(json!({})),
        answer(
            404,
            json!({"error": {"code": "PolicyAssignmentNotFound", "message": "m"}}),
        ),
    ] {
        let (outcome, _) = give([turn]);
        assert!(
            outcome
                .message()
                .contains("has no identity that a role could be given to"),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_role_that_is_given_already_is_done_if_it_is_the_same() {
    let exists = || answer(409, json!({"error": {"code": "RoleAssignmentExists", "message": "m"}}));
    let listed = |principal: &str, scope: &str| {
        let mut there = role(json!(principal));
        there["id"] = json!(format!(
            "{scope}/providers/Microsoft.Authorization/roleAssignments/by-hand"
        ));
        answer(200, json!({"value": [there]}))
    };
    let (outcome, _) = give([ours(), absent(), exists(), listed(PRINCIPAL, SCOPE)]);
    assert!(matches!(outcome, Outcome::AlreadyDone), "{outcome:?}");
    let other = "1e2ce14e-85d7-4629-bdbc-454d0519d987";
    for (principal, scope) in [
        (other, SCOPE),
        (PRINCIPAL, "/subscriptions/0a000000-0000-4000-8000-000000000002"),
    ] {
        let (outcome, _) = give([ours(), absent(), exists(), listed(principal, scope)]);
        assert!(outcome.message().contains("RoleAssignmentExists"), "{outcome:?}");
    }
}

#[test]
fn an_exemption_is_read_back() {
    let give = |turns: Vec<Turn>| {
        let script = Script::new(turns);
        let id = format!("{SCOPE}/providers/Microsoft.Authorization/policyExemptions/e");
        let document = json!({"properties": {"exemptionCategory": "Waiver", "policyAssignmentId": assignment()}});
        let step = step(Kind::PolicyExemption, &id, None, &document);
        outcome(&script, vec![(step, document)])
    };
    let absent = || {
        answer(
            404,
            json!({"error": {"code": "PolicyExemptionNotFound", "message": "m"}}),
        )
    };
    let there = || json!({"properties": {"exemptionCategory": "Waiver", "policyAssignmentId": assignment()}});
    let done = give(vec![absent(), answer(201, there()), answer(200, there())]);
    assert!(matches!(done, Outcome::Done), "{done:?}");
    let late = give(vec![absent(), answer(201, there()), absent(), answer(200, there())]);
    assert!(matches!(late, Outcome::Done), "{late:?}");
    let never = (0..5).map(|_| absent());
    let gone = give([absent(), answer(201, there())].into_iter().chain(never).collect());
    assert!(gone.message().contains("the object is not there"), "{gone:?}");
}
