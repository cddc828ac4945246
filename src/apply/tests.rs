//! Steps against a scripted Azure: what is sent, what is waited for, and what comes of it.

use super::*;
use crate::arm::testing::{Script, Turn, answer, broken};
use crate::plan::Header;
use serde_json::json;

const CLUSTER: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
const OPERATION: &str = "https://management.azure.com/subscriptions/s/operations/1?api-version=x";

fn cluster(addon: bool, etag: &str, state: &str) -> Value {
    json!({"id": CLUSTER, "name": "c", "location": "westeurope", "eTag": etag, "sku": {"tier": "Free"},
        "properties": {"provisioningState": state, "powerState": {"code": "Running"}, "dnsPrefix": "d",
            "agentPoolProfiles": [{"name": "p", "count": 2}],
            "addonProfiles": {"azurepolicy": {"enabled": addon}}}})
}

fn addon() -> Value {
    json!({"properties": {"addonProfiles": {"azurepolicy": {"enabled": true}}}})
}

fn conflict(status: u16, code: &str) -> Turn {
    answer(
        status,
        json!({"error": {"code": code, "message": "Another operation is in progress"}}),
    )
}

pub(super) fn step(kind: Kind, object: &str, seen: Option<&Value>, after: &Value) -> Step {
    let object = ResourceId::parse(object).unwrap();
    let live = seen.map(|wire| LiveObject {
        kind,
        id: object.clone(),
        wire: wire.clone(),
        etag: wire.get("eTag").and_then(Value::as_str).map(str::to_owned),
    });
    Step {
        id: "s1".to_owned(),
        kind,
        object,
        gate: None,
        depends_on: Vec::new(),
        action: if seen.is_some() { Action::Update } else { Action::Create },
        direction: Direction::Tightens,
        weakens: Vec::new(),
        reason: None,
        before: live.as_ref().map(LiveObject::comparable),
        after: Some(kind.comparable(after)),
        fingerprint: live.as_ref().map(LiveObject::fingerprint),
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    let time = Timestamp::parse("2027-01-04T08:00:00Z").unwrap();
    Plan {
        header: Header {
            environment: "dev".to_owned(),
            scope: "subscriptions/0a000000-0000-4000-8000-000000000001".to_owned(),
            tenant: "t".to_owned(),
            endpoint: "https://management.azure.com".to_owned(),
            gates: Vec::new(),
            config_digest: String::new(),
            time,
            expires: time,
            plan_id: "plan".to_owned(),
        },
        steps,
        held: Vec::new(),
        findings: Vec::new(),
        exceeded: Vec::new(),
        forecasts: Vec::new(),
    }
}

/// Carries out the steps and returns what became of the last one.
pub(super) fn outcome(script: &Script, steps: Vec<(Step, Value)>) -> Outcome {
    outcome_when(script, steps, Ok(()))
}

/// As [`outcome`], where the evidence that is asked for once more says so.
pub(super) fn outcome_when(script: &Script, steps: Vec<(Step, Value)>, heard: Result<(), String>) -> Outcome {
    report(script, steps, &heard).outcomes.into_iter().last().unwrap().1
}

/// Carries out the steps, one after another.
pub(super) fn report(script: &Script, steps: Vec<(Step, Value)>, heard: &Result<(), String>) -> Report {
    let documents = steps
        .iter()
        .map(|(step, document)| ((step.kind, step.object.clone()), document.clone().into()))
        .collect();
    let plan = plan(steps.into_iter().map(|(step, _)| step).collect());
    let (stop, refused) = (AtomicBool::new(false), BTreeMap::new());
    script.run(async |client| {
        apply(
            &plan,
            Run {
                client: &client,
                ours: ("owner", "dev"),
                refused: &refused,
                documents: &documents,
                reason: None,
                plan_id: "plan",
                now: plan.header.time,
                at_once: AtOnce { calls: 1, clusters: 1 },
                stop: &stop,
                ask_again: &|_| {
                    let heard = heard.clone();
                    Box::pin(async { heard })
                },
                started: &|_| {},
                writing: &|_| Ok(()),
                finished: &|_, _| {},
            },
        )
        .await
    })
}

#[test]
fn a_failure_stops_what_waits_for_it_and_nothing_else() {
    let path = |kind: &str, name: &str| format!("{SCOPE}/{kind}/{name}");
    let set = json!({"properties": {"displayName": "Set", "policyDefinitions": []}});
    let title = |title: &str| json!({"properties": {"displayName": title}});
    let made = |id: &str, kind: Kind, name: &str, document: &Value, waits: &[&str]| {
        let mut step = step(
            kind,
            &path(
                if kind == Kind::PolicySetDefinition {
                    "policySetDefinitions"
                } else {
                    "policyAssignments"
                },
                name,
            ),
            None,
            document,
        );
        step.id = id.to_owned();
        step.depends_on = waits.iter().map(|id| (*id).to_owned()).collect();
        (step, document.clone())
    };
    let mut steps = vec![
        made("s1", Kind::PolicySetDefinition, "set", &set, &[]),
        made("s2", Kind::PolicyAssignment, "of-set", &title("one"), &["s1"]),
        made("s3", Kind::PolicyAssignment, "apart", &title("two"), &[]),
        made("s4", Kind::PolicyAssignment, "old", &title("old"), &["s1", "s2", "s3"]),
    ];
    steps[3].0.action = Action::Delete;
    let absent = || answer(404, json!({"error": {"code": "NotFound", "message": "m"}}));
    let refused = answer(403, json!({"error": {"code": "AuthorizationFailed", "message": "no"}}));
    let made = || answer(201, title("two"));
    let script = Script::new([absent(), refused, absent(), made(), made()]);
    let report = report(&script, steps, &Ok(()));
    let found: Vec<(&str, &str)> = report
        .outcomes
        .iter()
        .map(|(id, outcome)| (id.as_str(), outcome.name()))
        .collect();
    assert_eq!(
        found,
        [("s1", "failed"), ("s2", "skipped"), ("s3", "done"), ("s4", "skipped")]
    );
    assert!(report.wrote());
    assert_eq!(requests(&script), "GPGPG", "nothing is deleted after a failure");
}

fn addon_outcome(turns: impl IntoIterator<Item = Turn>) -> (Outcome, Script) {
    let script = Script::new(turns);
    let seen = cluster(false, "e1", "Succeeded");
    let outcome = outcome(
        &script,
        vec![(step(Kind::ManagedCluster, CLUSTER, Some(&seen), &addon()), addon())],
    );
    (outcome, script)
}

fn before() -> Turn {
    answer(200, cluster(false, "e1", "Succeeded"))
}

fn requests(script: &Script) -> String {
    let letters = script
        .requests()
        .iter()
        .map(|seen| seen.method[..1].to_owned())
        .collect::<Vec<_>>();
    letters.concat().replace("PUT", "P")
}

#[test]
fn a_cluster_is_written_against_its_etag_and_nothing_else_changes() {
    let (outcome, script) = addon_outcome([before(), answer(200, cluster(true, "e2", "Succeeded"))]);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    let put = &script.requests()[1];
    assert_eq!(put.header("if-match"), "e1");
    assert_eq!(put.body["properties"]["dnsPrefix"], "d");
}

#[test]
fn a_write_that_changes_what_is_not_ours_is_a_failure_that_names_it() {
    let mut other = cluster(true, "e2", "Succeeded");
    other["sku"]["tier"] = json!("Standard");
    other["properties"]["agentPoolProfiles"][0]["count"] = json!(1);
    let (outcome, _) = addon_outcome([before(), answer(200, other)]);
    let Outcome::Failed(Failure::Differs(text)) = &outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        text.contains("`sku.tier`") && text.contains("`properties.agentPoolProfiles.p.count`"),
        "{text}"
    );
    assert!(!text.contains("Standard"), "{text}");
}

#[test]
fn a_running_operation_is_waited_for_and_the_write_decided_anew() {
    let (outcome, script) = addon_outcome([
        before(),
        conflict(409, "OperationNotAllowed"),
        answer(200, cluster(false, "e2", "Updating")),
        answer(200, cluster(false, "e2", "Updating")),
        answer(200, cluster(false, "e3", "Succeeded")),
        answer(200, cluster(false, "e3", "Succeeded")),
        answer(200, cluster(true, "e4", "Succeeded")),
    ]);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(script.requests()[6].header("if-match"), "e3");
    assert_eq!(script.slept_seconds(), [2, 4]);
}

#[test]
fn an_operation_that_does_not_show_is_waited_out_in_growing_steps_and_then_reported() {
    let refused = || conflict(409, "OperationNotAllowed");
    let settled = || answer(200, cluster(false, "e1", "Succeeded"));
    let round = || [refused(), settled(), settled()];
    let (outcome, script) = addon_outcome(
        [before()]
            .into_iter()
            .chain(round())
            .chain(round())
            .chain([answer(200, cluster(true, "e2", "Succeeded"))]),
    );
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(script.slept_seconds(), [15, 30]);

    // 15 + 30 + 60 + 120 ... within 15 minutes: 9 waits, then the tenth refusal is told.
    let rounds = (0..9).flat_map(|_| round());
    let (outcome, script) = addon_outcome([before()].into_iter().chain(rounds).chain([refused(), settled()]));
    let Outcome::Failed(Failure::Arm(error)) = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((error.code(), error.status()), (Some("OperationNotAllowed"), Some(409)));
    assert!(script.slept_seconds().iter().sum::<u64>() <= 900);
}

#[test]
fn a_moved_cluster_is_read_again_and_written_once_more() {
    let moved = || conflict(412, "PreconditionFailed");
    let now = |etag| answer(200, cluster(false, etag, "Succeeded"));
    let (outcome, script) = addon_outcome([
        before(),
        moved(),
        now("e2"),
        now("e2"),
        answer(200, cluster(true, "e3", "Succeeded")),
    ]);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(script.requests()[4].header("if-match"), "e2");
    assert!(script.slept().is_empty());

    let (outcome, script) = addon_outcome([before(), moved(), now("e2"), now("e2"), moved()]);
    assert!(
        matches!(&outcome, Outcome::Failed(Failure::Arm(error)) if error.status() == Some(412)),
        "{outcome:?}"
    );
    assert_eq!(requests(&script), "GPGGP");
}

#[test]
fn what_somebody_else_did_meanwhile_is_not_done_again_nor_undone() {
    let (outcome, _) = addon_outcome([
        before(),
        conflict(412, "PreconditionFailed"),
        answer(200, cluster(true, "e2", "Succeeded")),
        answer(200, cluster(true, "e2", "Succeeded")),
    ]);
    assert!(matches!(outcome, Outcome::AlreadyDone), "{outcome:?}");

    let mut other = cluster(false, "e2", "Succeeded");
    other["properties"]["addonProfiles"]["azurepolicy"]["config"] = json!({"auditInterval": "1h"});
    let (outcome, _) = addon_outcome([
        before(),
        conflict(412, "PreconditionFailed"),
        answer(200, other.clone()),
        answer(200, other),
    ]);
    assert!(matches!(outcome, Outcome::Stale(_)), "{outcome:?}");
}

#[test]
fn an_answer_that_was_lost_is_settled_when_the_operation_has_ended() {
    let (outcome, script) = addon_outcome([
        before(),
        broken(),
        conflict(409, "OperationNotAllowed"),
        answer(200, cluster(true, "e2", "Updating")),
        answer(200, cluster(true, "e3", "Succeeded")),
        answer(200, cluster(true, "e3", "Succeeded")),
    ]);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(requests(&script), "GPPGGG");
}

#[test]
fn a_refusal_that_no_waiting_ends_is_told_at_once() {
    for code in ["ScopeLocked", "MissingSubscriptionRegistration"] {
        let (outcome, script) = addon_outcome([before(), conflict(409, code)]);
        assert!(
            matches!(&outcome, Outcome::Failed(Failure::Arm(error)) if error.code() == Some(code)),
            "{outcome:?}"
        );
        assert!(script.slept().is_empty());
    }
}

#[test]
fn a_failed_operation_is_told_with_its_reason() {
    let (outcome, _) = addon_outcome([
        before(),
        answer(201, cluster(true, "e2", "Updating")).header("azure-asyncoperation", OPERATION),
        answer(
            200,
            json!({"status": "Failed", "error": {"code": "QuotaExceeded", "message": "m"}}),
        ),
    ]);
    assert!(
        matches!(&outcome, Outcome::Failed(Failure::Arm(error)) if error.code() == Some("QuotaExceeded")),
        "{outcome:?}"
    );
}

const SCOPE: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization";

/// A definition that is written first, and an assignment of it that Azure refuses so many times and then takes, or does not.
fn assignment_outcome(depends: bool, refusals: usize, taken: bool) -> (Outcome, Script) {
    let (set_id, assignment_id) = (
        format!("{SCOPE}/policySetDefinitions/set"),
        format!("{SCOPE}/policyAssignments/a"),
    );
    let set = json!({"properties": {"displayName": "Set", "policyDefinitions": []}});
    let assignment = json!({"properties": {"displayName": "A", "policyDefinitionId": set_id}});
    let absent = || {
        answer(
            404,
            json!({"error": {"code": "PolicyAssignmentNotFound", "message": "m"}}),
        )
    };
    let mut all = vec![answer(
        404,
        json!({"error": {"code": "PolicySetDefinitionNotFound", "message": "m"}}),
    )];
    // The write, and the look at it.
    all.extend([answer(201, set.clone()), answer(200, set.clone())]);
    for _ in 0..refusals {
        all.extend([absent(), unknown_definition()]);
    }
    if taken {
        all.extend([
            absent(),
            answer(201, assignment.clone()),
            answer(200, assignment.clone()),
        ]);
    }
    let script = Script::new(all);
    let mut first = step(Kind::PolicySetDefinition, &set_id, None, &set);
    first.id = "s0".to_owned();
    let mut second = step(Kind::PolicyAssignment, &assignment_id, None, &assignment);
    if depends {
        second.depends_on = vec!["s0".to_owned()];
    }
    let outcome = outcome(&script, vec![(first, set), (second, assignment)]);
    (outcome, script)
}

fn unknown_definition() -> Turn {
    answer(
        404,
        json!({"error": {"code": "PolicySetDefinitionNotFound", "message": "not found"}}),
    )
}

#[test]
fn a_definition_that_is_not_known_everywhere_yet_is_waited_for_within_bounds() {
    let (outcome, script) = assignment_outcome(true, 2, true);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(script.slept_seconds(), [8, 16]);

    let (outcome, script) = assignment_outcome(true, 6, false);
    let Outcome::Failed(Failure::Arm(error)) = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(error.code(), Some("PolicySetDefinitionNotFound"));
    assert_eq!(script.slept_seconds(), [8, 16, 32, 64, 128]);
}

#[test]
fn a_definition_that_we_did_not_write_is_not_waited_for() {
    let (outcome, script) = assignment_outcome(false, 1, false);
    assert!(matches!(outcome, Outcome::Failed(Failure::Arm(_))), "{outcome:?}");
    assert!(script.slept().is_empty());
}

#[test]
fn a_plan_that_failed_in_part_is_a_failure() {
    let id = "/subscriptions/0a000000-0000-4000-8000-000000000001/providers/Microsoft.Security/pricings/Containers";
    let live = json!({"properties": {"pricingTier": "Free"}});
    let wanted = json!({"properties": {"pricingTier": "Standard", "extensions": [{"name": "ContainerSensor", "isEnabled": "True"}]}});
    let mut taken = wanted.clone();
    taken["properties"]["extensions"][0]["operationStatus"] = json!({"code": "Failed", "message": "no role"});
    let script = Script::new([answer(200, live.clone()), answer(200, taken)]);
    let outcome = outcome(
        &script,
        vec![(step(Kind::DefenderPlan, id, Some(&live), &wanted), wanted)],
    );
    assert!(
        matches!(&outcome, Outcome::Failed(Failure::Differs(text)) if text.contains("`ContainerSensor`: Failed: no role")),
        "{outcome:?}"
    );
}

#[test]
fn an_interrupted_run_waits_for_nothing() {
    let script = Script::new([before(), conflict(409, "OperationNotAllowed")]);
    let seen = cluster(false, "e1", "Succeeded");
    let plan = plan(vec![step(Kind::ManagedCluster, CLUSTER, Some(&seen), &addon())]);
    let documents = BTreeMap::from([((Kind::ManagedCluster, plan.steps[0].object.clone()), addon().into())]);
    let (stop, refused) = (AtomicBool::new(false), BTreeMap::new());
    let report = script.run(async |client| {
        let run = Run {
            client: &client,
            ours: ("owner", "dev"),
            refused: &refused,
            documents: &documents,
            reason: None,
            plan_id: "plan",
            now: plan.header.time,
            at_once: AtOnce { calls: 1, clusters: 1 },
            stop: &stop,
            ask_again: &|_| Box::pin(async { Ok(()) }),
            started: &|_| stop.store(true, Ordering::SeqCst),
            writing: &|_| Ok(()),
            finished: &|_, _| {},
        };
        apply(&plan, run).await
    });
    assert!(
        matches!(report.outcomes[0].1, Outcome::Failed(Failure::Arm(_))),
        "{report:?}"
    );
    assert!(script.slept().is_empty());
}

#[test]
fn a_name_allows_only_what_it_names() {
    let step = |kind, id: &str, gate: Option<&str>| Step {
        id: "step-001".into(),
        kind,
        object: ResourceId::parse(id).unwrap(),
        gate: gate.map(str::to_owned),
        depends_on: Vec::new(),
        action: Action::Update,
        direction: Direction::Weakens,
        weakens: Vec::new(),
        reason: None,
        before: None,
        after: None,
        fingerprint: None,
    };
    let pricing =
        |subscription: &str| format!("/subscriptions/{subscription}/providers/Microsoft.Security/pricings/Containers");
    let plan = Plan {
        header: Header {
            environment: "dev".into(),
            scope: String::new(),
            tenant: String::new(),
            endpoint: String::new(),
            gates: Vec::new(),
            config_digest: String::new(),
            time: Timestamp::from_seconds(0),
            expires: Timestamp::from_seconds(0),
            plan_id: String::new(),
        },
        steps: vec![
            step(Kind::DefenderPlan, &pricing("one"), None),
            step(Kind::DefenderPlan, &pricing("two"), None),
            step(Kind::PolicyAssignment, "/a/pods-00-x", Some("pods")),
        ],
        held: Vec::new(),
        findings: Vec::new(),
        exceeded: Vec::new(),
        forecasts: Vec::new(),
    };
    let refused = |name: &str| not_allowed(&plan, &[name.to_owned()]).len();
    assert_eq!(refused("Containers"), 3);
    assert_eq!(refused(&pricing("ONE")), 2);
    assert_eq!(refused("pods"), 2);
    assert_eq!(refused("pods-00-x"), 2);
    assert_eq!(refused("pod"), 3);
}

/// How many requests had been sent, what stood there, what was to be sent.
type Told = (usize, Option<Value>, Option<Value>);

/// Carries out one step with a journal that notes how many requests had been sent when it was told, or refuses.
fn noted(action: Action, refuses: bool) -> (Outcome, Vec<Told>, Script) {
    let mark = crate::model::Mark {
        owner: "owner".to_owned(),
        environment: "dev".to_owned(),
        gate: "g".to_owned(),
        generation: 1,
        part: "00".to_owned(),
    };
    let name = mark.assignment_name();
    let assignment = format!("/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/{name}");
    let mark = mark.to_text();
    let document = |effect: &str| json!({"properties": {"metadata": {"aksgate": mark}, "parameters": {"effect": {"value": effect}}}});
    let seen = document("Audit");
    let written = || answer(200, document("Deny"));
    let look = (!refuses && action != Action::Delete).then(written);
    let answers = (!refuses).then(written).into_iter().chain(look);
    let script = Script::new([answer(200, seen.clone())].into_iter().chain(answers));
    let wanted = document("Deny");
    let mut step = step(Kind::PolicyAssignment, &assignment, Some(&seen), &wanted);
    step.action = action;
    if action == Action::Delete {
        step.after = None;
    }
    let plan = plan(vec![step]);
    let documents = BTreeMap::from([((Kind::PolicyAssignment, plan.steps[0].object.clone()), wanted.into())]);
    let (stop, refused) = (AtomicBool::new(false), BTreeMap::new());
    let told = std::sync::Mutex::new(Vec::new());
    let report = script.run(async |client| {
        let writing = |writing: Writing<'_>| {
            let entry = (script.requests().len(), writing.before.cloned(), writing.after.cloned());
            told.lock().unwrap().push(entry);
            if refuses {
                Err("the disk is full".to_owned())
            } else {
                Ok(())
            }
        };
        let run = Run {
            client: &client,
            ours: ("owner", "dev"),
            refused: &refused,
            documents: &documents,
            reason: None,
            plan_id: "plan",
            now: plan.header.time,
            at_once: AtOnce { calls: 1, clusters: 1 },
            stop: &stop,
            ask_again: &|_| Box::pin(async { Ok(()) }),
            started: &|_| {},
            writing: &writing,
            finished: &|_, _| {},
        };
        apply(&plan, run).await
    });
    let outcome = report.outcomes.into_iter().last().unwrap().1;
    (outcome, told.into_inner().unwrap(), script)
}

#[test]
fn a_write_is_noted_before_it_is_sent() {
    for action in [Action::Update, Action::Delete] {
        let (outcome, told, script) = noted(action, false);
        assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
        let looks = usize::from(action != Action::Delete);
        assert_eq!(script.requests().len(), 2 + looks);
        let [(sent, before, after)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!(*sent, 1, "only the read was sent before");
        let effect = |document: &Option<Value>| {
            let document = document.as_ref()?;
            document.pointer("/properties/parameters/effect/value").cloned()
        };
        assert_eq!(effect(before), Some(json!("Audit")));
        assert_eq!(effect(after), (action == Action::Update).then(|| json!("Deny")));
    }
}

#[test]
fn what_cannot_be_noted_is_not_sent() {
    for action in [Action::Update, Action::Delete] {
        let (outcome, told, script) = noted(action, true);
        assert!(
            matches!(&outcome, Outcome::Failed(Failure::Journal(why)) if why == "the disk is full"),
            "{outcome:?}"
        );
        assert_eq!((told.len(), script.requests().len()), (1, 1));
    }
}
