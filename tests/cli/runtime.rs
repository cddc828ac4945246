//! `aksgate runtime`

use crate::forms;
use crate::harness::Folder;
use serde_json::{Value, json};

fn only(document: &Value) -> &Value {
    let environments = document["environments"].as_array().unwrap();
    assert_eq!(environments.len(), 1);
    &environments[0]
}

#[test]
fn an_alert_is_told_until_it_is_closed() {
    let folder = Folder::shipped();
    let line = "runtime prod --sandbox --fail-on high --count alerts";
    folder.run(line).expect(0).prints(&["Open alerts: none"]);
    let raised = folder
        .run_words(&[
            "sandbox",
            "alert",
            "add",
            "aks-prod-weu-01",
            "--title",
            "Shell in a container",
            "--severity",
            "High",
            "--format",
            "json",
        ])
        .expect(0)
        .json();
    let name = raised["alert"].as_str().unwrap().to_owned();
    forms::check(&folder, "runtime", "runtime prod --sandbox --fail-on high", 2);
    folder.run(line).expect(2).prints(&[
        "Open alerts: 1 high",
        "high      aks-prod-weu-01: Shell in a container, Active since ",
        "Over the threshold `high`: 1 open alert.",
    ]);
    folder
        .run("runtime prod --sandbox --fail-on critical --count alerts")
        .expect(0);
    // It is of another environment.
    folder
        .run("runtime dev --sandbox")
        .expect(0)
        .prints(&["Open alerts: none"]);
    let document = folder.run(&format!("{line} --format json")).expect(2).json();
    assert_eq!(
        (
            &document["command"],
            &document["outcome"],
            &document["exitCode"],
            &document["formatVersion"]
        ),
        (&json!("runtime"), &json!("over-threshold"), &json!(2), &json!(1))
    );
    let environment = only(&document);
    assert_eq!(environment["alerts"][0]["title"], "Shell in a container");
    assert_eq!(
        environment["threshold"],
        json!({"severity": "high", "counts": {"alerts": 1}})
    );
    folder.run(&format!("sandbox alert close {name}")).expect(0);
    folder.run(line).expect(0);
    folder
        .run(&format!("sandbox alert close {name}"))
        .expect(1)
        .says(&["there is no open alert"]);
}

#[test]
fn where_nobody_looks_is_told_before_what_was_seen() {
    let folder = Folder::shipped();
    let run = folder
        .run("runtime dev --sandbox --fail-on critical --count watch")
        .expect(2);
    run.prints(&[
        "the Defender plan for containers is off in subscription contoso-dev: that there are no alerts says nothing",
        "subscription contoso-dev has no security contact: nobody is told of alerts",
        "the Defender sensor is off in aks-dev-weu-01, and the environment asks for it",
    ]);
    let document = folder.run("runtime dev --sandbox --format json").expect(0).json();
    let environment = only(&document);
    assert_eq!(environment["subscriptions"][0]["plan"], "Free");
    assert_eq!(environment["subscriptions"][0]["securityContact"], false);
    assert_eq!(
        (&environment["recommendations"], &environment["images"]),
        (&json!([]), &json!([]))
    );
    // With the plan on, Defender has something to say.
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    let document = folder.run("runtime dev --sandbox --format json").expect(0).json();
    let environment = only(&document);
    assert_eq!(environment["subscriptions"][0]["plan"], "Standard");
    assert!(!environment["recommendations"].as_array().unwrap().is_empty());
    let image = &environment["images"][0];
    assert!(
        image["image"].as_str().unwrap().contains('/') && !image["clusters"].as_array().unwrap().is_empty(),
        "{image}"
    );
}

#[test]
fn all_environments_are_shown_in_one_page() {
    let folder = Folder::shipped();
    let before = folder.run("sandbox show --format json").expect(0).json();
    folder.run("runtime --sandbox --format markdown").expect(0).prints(&[
        "## Run time of dev",
        "## Run time of prod",
        "### Open alerts",
        "| severity | image | vulnerabilities | clusters |",
    ]);
    assert_eq!(
        before,
        folder.run("sandbox show --format json").expect(0).json(),
        "nothing is changed"
    );
}

#[test]
fn an_environment_that_cannot_be_read_fails_and_the_others_are_shown() {
    let folder = Folder::shipped();
    folder.edit(
        "environments/dev.yaml",
        "scope: subscriptions/0a000000-0000-4000-8000-000000000001",
        "scope: subscriptions/0a000000-0000-4000-8000-00000000000f",
    );
    let run = folder
        .run("runtime --sandbox --fail-on critical --count alerts")
        .expect(1);
    run.prints(&["not read: ", "Run time of prod"]);
    folder
        .run("runtime prod --sandbox --count alerts")
        .expect(64)
        .says(&["--fail-on"]);
}
