//! Which tasks there are, what they are called, and how they stand.

use super::*;
use crate::config::{Estate, SourceFile, load};
use crate::model::Mark;

const SCOPE: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";
const ADDON: &str = "a8eff44f-8c92-45c3-a3fb-9880802d67a7";
const AUDIT: &str = "0a15ec92-a229-4763-bb14-0ea34a568f8d";

fn estate(target: &str) -> Estate {
    let file = |path: &str, content: String| SourceFile {
        path: path.to_owned(),
        content: content.into_bytes(),
    };
    let gates = format!("gates: {{fleet: {{initiative: fleet, target: {target}}}}}\n");
    let initiative = format!(
        "displayName: F\nkind: enablement\nmembers:\n  - {{ref: deploy, definition: {ADDON}, version: 4.*.*}}\n"
    );
    let head = "cloud: public\nlocation: westeurope\ntenant: 11111111-1111-4111-8111-111111111111\nscope: subscriptions/0a000000-0000-4000-8000-000000000001\n";
    let files = [
        file("aksgate.yaml", "owner: us\n".to_owned()),
        file("environments/e.yaml", format!("{head}{gates}")),
        file("initiatives/fleet.yaml", initiative),
    ];
    let (estate, diagnostics) = load(&files, Catalog::embedded());
    estate.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

/// An assignment of the gate, of this generation and mode.
fn assign(observed: &mut Observed, generation: u32, mode: &str) -> ResourceId {
    let mark = Mark {
        owner: "us".into(),
        environment: "e".into(),
        gate: "fleet".into(),
        generation,
        part: "00".into(),
    };
    let set = format!("{SCOPE}/providers/Microsoft.Authorization/policySetDefinitions/s");
    let id = format!(
        "{SCOPE}/providers/Microsoft.Authorization/policyAssignments/{}",
        mark.assignment_name()
    );
    let wire = json!({"properties": {"policyDefinitionId": set, "enforcementMode": mode, "metadata": {"aksgate": mark.to_text()}}});
    for (kind, id, wire) in [
        (Kind::PolicyAssignment, id.as_str(), wire),
        (Kind::PolicySetDefinition, set.as_str(), set_document()),
    ] {
        observed.insert(LiveObject {
            kind,
            id: ResourceId::parse(id).unwrap(),
            wire,
            etag: None,
        });
    }
    ResourceId::parse(&id).unwrap()
}

fn set_document() -> Value {
    let member = |reference: &str, definition: &str, effect: Value| {
        json!({"policyDefinitionReferenceId": reference, "policyDefinitionId": format!("/providers/Microsoft.Authorization/policyDefinitions/{definition}"),
               "parameters": effect})
    };
    json!({"properties": {"policyDefinitions": [
        member("deploy", ADDON, json!({})),
        member("fixed", ADDON, json!({"effect": {"value": "DeployIfNotExists"}})),
        member("off", ADDON, json!({"effect": {"value": "Disabled"}})),
        member("passed", ADDON, json!({"effect": {"value": "[parameters('e')]"}})),
        member("audit", AUDIT, json!({})),
    ]}})
}

fn found(target: &str, observed: &Observed) -> Tasks {
    let estate = estate(target);
    tasks(("us", &estate.environments["e"]), observed, Catalog::embedded(), &[])
}

#[test]
fn a_task_is_made_of_each_member_that_deploys() {
    let mut observed = Observed::default();
    let id = assign(&mut observed, 1, "Default");
    let tasks = found("enforce", &observed);
    let members: Vec<&str> = tasks.tasks.iter().map(|task| task.member.as_str()).collect();
    assert_eq!((members, tasks.held.len()), (vec!["deploy", "fixed", "passed"], 0));
    assert_eq!(tasks.tasks[0].assignment, id);
    assert_eq!(found("off", &observed), Tasks::default());
}

#[test]
fn an_assignment_that_only_reports_deploys_nothing() {
    let mut observed = Observed::default();
    assert!(found("enforce", &observed).held[0].1.contains("apply first"));
    let first = assign(&mut observed, 1, "Default");
    assign(&mut observed, 2, "DoNotEnforce");
    assert_eq!(
        found("enforce", &observed).tasks[0].assignment,
        first,
        "the one before the successor acts"
    );
    let mut observed = Observed::default();
    assign(&mut observed, 1, "DoNotEnforce");
    let tasks = found("audit", &observed);
    assert!(
        tasks.tasks.is_empty() && tasks.held[0].1.contains("reports and deploys nothing yet"),
        "{tasks:?}"
    );
}

#[test]
fn the_same_start_finds_the_task_that_runs() {
    let mut observed = Observed::default();
    assign(&mut observed, 1, "Default");
    let tasks = found("enforce", &observed).tasks;
    let (task, other) = (&tasks[0], &tasks[1]);
    let existing = |task: &Task, number: u32, state: &str| {
        let name = format!("{}-{number}", task.stem());
        json!({"id": task.id(&name), "name": name, "properties": {"provisioningState": state}})
    };
    let name = |number: u32| format!("{}-{number}", task.stem());
    assert!(
        name(1).len() <= 64 && name(1).starts_with("aksgate-fleet-"),
        "{}",
        name(1)
    );
    assert_ne!(task.stem(), other.stem());
    for (documents, expected, runs) in [
        (vec![], name(1), false),
        (vec![existing(task, 1, "Succeeded")], name(2), false),
        (
            vec![existing(task, 1, "Failed"), existing(task, 2, "Running")],
            name(2),
            true,
        ),
        (
            vec![existing(task, 9, "Evaluating"), existing(task, 10, "Canceled")],
            name(9),
            true,
        ),
        (vec![existing(other, 7, "Running")], name(1), false),
    ] {
        let (found, progress) = task.next(&documents);
        assert_eq!((found, progress.is_some()), (expected, runs), "{documents:?}");
    }
    let mut elsewhere = existing(task, 1, "Running");
    elsewhere["id"] = json!(format!(
        "{SCOPE}/resourceGroups/g/providers/Microsoft.PolicyInsights/remediations/{}",
        name(1)
    ));
    assert_eq!(task.next(&[elsewhere]), (name(1), None));
}

#[test]
fn what_is_sent_is_what_was_said() {
    let mut observed = Observed::default();
    let id = assign(&mut observed, 1, "Default");
    let tasks = found("enforce", &observed).tasks;
    let plain = tasks[0].body(&Settings::default());
    assert_eq!(
        plain,
        json!({"properties": {"policyAssignmentId": id.as_str(), "policyDefinitionReferenceId": "deploy", "resourceDiscoveryMode": "ExistingNonCompliant"}})
    );
    let settings = Settings {
        resource_count: Some(20),
        parallel_deployments: Some(3),
        failure_threshold: Some(25),
        re_evaluate: true,
        locations: vec!["westeurope".to_owned()],
    };
    let full = tasks[0].body(&settings);
    for (path, value) in [
        ("/properties/resourceCount", json!(20)),
        ("/properties/parallelDeployments", json!(3)),
        ("/properties/failureThreshold/percentage", json!(0.25)),
        ("/properties/resourceDiscoveryMode", json!("ReEvaluateCompliance")),
        ("/properties/filters/locations", json!(["westeurope"])),
    ] {
        assert_eq!(full.pointer(path), Some(&value), "{path}");
    }
}

#[test]
fn a_state_that_is_not_known_goes_on_and_a_failure_is_no_success() {
    for (word, failed, state) in [
        ("Accepted", 0, State::Running),
        ("Evaluating", 0, State::Running),
        ("Running", 2, State::Running),
        ("Cancelling", 0, State::Running),
        ("Something", 0, State::Running),
        ("", 0, State::Running),
        ("Succeeded", 0, State::Succeeded),
        ("Complete", 0, State::Succeeded),
        ("Complete", 1, State::Failed),
        ("Failed", 0, State::Failed),
        ("Canceled", 1, State::Canceled),
    ] {
        let document = json!({"properties": {"provisioningState": word, "deploymentStatus": {"totalDeployments": 4, "failedDeployments": failed}}});
        assert_eq!(Progress::parse(&document).state, state, "{word} {failed}");
    }
    let deployments = [
        json!({"status": "Succeeded", "remediatedResourceId": "/a"}),
        json!({"status": "failed", "remediatedResourceId": "/b", "error": {"code": "X", "message": "y"}}),
    ];
    let found = failures(&deployments);
    assert_eq!(
        (found.len(), found[0].resource.as_str(), found[0].code.as_str()),
        (1, "/b", "X")
    );
}
