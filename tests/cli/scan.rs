//! `aksgate scan`

use crate::harness::Folder;
use serde_json::{Value, json};

/// Every report as `gate cluster word`.
fn reports(document: &Value) -> Vec<String> {
    let gates = document["gates"].as_array().unwrap().iter();
    let clusters = gates.flat_map(|gate| {
        let clusters = gate["clusters"].as_array().unwrap().iter();
        clusters.map(move |cluster| (gate["gate"].as_str().unwrap(), cluster))
    });
    clusters
        .map(|(gate, cluster)| {
            let name = cluster["cluster"].as_str().unwrap().rsplit('/').next().unwrap();
            format!("{gate} {name} {}", cluster["report"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn before_a_gate_stands_there_is_nothing_to_report_on() {
    let folder = Folder::shipped();
    let run = folder.run("scan dev --sandbox").expect(0);
    run.prints(&["No gate that judges what is let in stands here yet: there is nothing to report on."]);
    let document = folder.run("scan dev --sandbox --format json").expect(0).json();
    assert_eq!((&document["evaluations"], &document["gates"]), (&json!([]), &json!([])));
}

#[test]
fn right_after_an_apply_nothing_was_heard_and_that_is_said() {
    let folder = Folder::applied();
    let before = folder.state();
    let document = folder.run("scan dev --sandbox --format json").expect(0).json();
    assert_eq!(
        (
            &document["command"],
            &document["outcome"],
            &document["exitCode"],
            &document["formatVersion"]
        ),
        (&json!("scan"), &json!("started"), &json!(0), &json!(1))
    );
    assert_eq!(document["evaluations"].as_array().unwrap().len(), 1);
    assert_eq!(document["evaluations"][0]["state"], "started");
    let reports = reports(&document);
    assert!(
        !reports.is_empty() && reports.iter().all(|report| report.ends_with(" not yet")),
        "{reports:?}"
    );
    let gate = &document["gates"][0];
    assert!(
        gate["changed"].as_str().is_some_and(|changed| changed.ends_with('Z')),
        "{gate}"
    );
    assert_eq!(
        gate["violations"],
        json!({"n": 0, "atLeast": true}),
        "no data is not zero"
    );
    assert_eq!(before["resources"], folder.state()["resources"], "nothing is changed");
    folder.run("scan dev --sandbox").expect(0).prints(&[
        "evaluation of /subscriptions/0a000000-0000-4000-8000-000000000001: started",
        "violations: not known",
        "not yet",
    ]);
    folder.run("scan dev --sandbox --format markdown").expect(0).prints(&[
        "## Scan of dev",
        "| cluster | report | | violations |",
        "| not yet |",
    ]);
}

#[test]
fn waiting_ends_at_its_deadline_and_says_what_has_not_come() {
    let folder = Folder::applied();
    let started = std::time::Instant::now();
    let run = folder
        .run("scan dev --sandbox --wait --deadline 10m --format json")
        .expect(2);
    assert!(run.stderr.contains("reports are awaited, until"), "{}", run.stderr);
    let document = run.json();
    assert_eq!(
        (&document["outcome"], &document["exitCode"]),
        (&json!("incomplete"), &json!(2))
    );
    assert_eq!(document["evaluations"][0]["state"], "ended");
    assert!(document["after"].as_str().is_some());
    assert!(started.elapsed().as_secs() < 60, "the sandbox's clock runs instead");
}

#[test]
fn one_gate_is_looked_at_where_it_is_named() {
    let folder = Folder::applied();
    let document = folder
        .run("scan dev --sandbox --gate pod-security --format json")
        .expect(0)
        .json();
    assert!(
        reports(&document)
            .iter()
            .all(|report| report.starts_with("pod-security "))
    );
    assert_eq!(document["gates"].as_array().unwrap().len(), 1);
    folder.run("scan dev --sandbox --gate pod-secruity").expect(1).says(&[
        "environment `dev` has no gate `pod-secruity`",
        "did you mean `pod-security`?",
    ]);
    folder.run("scan dev --sandbox --deadline 1h").expect(64);
}

#[test]
fn reports_come_in_the_add_ons_own_time_and_the_plan_names_who_would_be_hit() {
    let folder = Folder::applied();
    let document = folder.run("scan dev --sandbox --wait --format json").expect(0).json();
    assert_eq!(document["outcome"], "reported");
    let reports = reports(&document);
    assert!(
        reports.iter().all(|report| report.ends_with(" reported")),
        "{reports:?}"
    );
    let gates = document["gates"].as_array().unwrap();
    let gate = gates.iter().find(|gate| gate["gate"] == "pod-security").unwrap();
    assert_eq!(gate["violations"]["atLeast"], false, "everything was heard of: {gate}");
    assert!(gate["violations"]["n"].as_u64().unwrap() > 0, "{gate}");
    let plan = folder.plan("dev");
    let forecasts = plan["plan"]["forecasts"].as_array().unwrap();
    let forecast = forecasts
        .iter()
        .find(|forecast| forecast["gate"] == "pod-security")
        .unwrap();
    assert_eq!(forecast["violations"], gate["violations"]);
    let hits = forecast["hits"].as_array().unwrap();
    let objects: Vec<u64> = hits.iter().map(|hit| hit["objects"].as_u64().unwrap()).collect();
    assert!(
        !objects.is_empty() && objects.is_sorted_by(|one, two| one >= two),
        "{objects:?}"
    );
    assert!(
        hits.iter().all(|hit| hit["kind"] == "Deployment"),
        "pods are put down to what made them: {hits:?}"
    );
    assert_eq!(forecast["unknown"], json!([]));
    assert!(
        !forecasts
            .iter()
            .any(|forecast| forecast["gate"] == "pod-security-restricted"),
        "it is not to deny"
    );
}
