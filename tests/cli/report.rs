//! `aksgate report`

use crate::faults::served::Served;
use crate::harness::Folder;
use serde_json::{Value, json};

/// The shipped estate, applied everywhere, with something of each sort to be told.
fn lived_in() -> Folder {
    let folder = Folder::applied();
    for environment in ["test", "prod"] {
        let line = format!("apply {environment} --sandbox --yes --quiet");
        folder.run(&line).expect(0);
    }
    folder.run("sandbox advance 1d6h").expect(0);
    folder
        .run("rollout pause prod pod-security --sandbox --yes --reason release-week")
        .expect(0);
    folder
        .run("rollout relax dev exposure --sandbox --yes --for 4h --reason restore")
        .expect(0);
    folder
}

fn environment<'a>(document: &'a Value, name: &str) -> &'a Value {
    let mut all = document["environments"].as_array().unwrap().iter();
    all.find(|of| of["environment"] == name).unwrap()
}

#[test]
fn a_page_is_written_and_the_terminal_has_the_sums() {
    let folder = lived_in();
    let before = folder.state();
    let run = folder.run("report --sandbox --out report.html").expect(0);
    run.prints(&[
        "Report of contoso-platform",
        "open weakenings: 2",
        "pod-security: audit; deny in canary: held",
    ])
    .says(&["The page is in report.html."]);
    assert_eq!(before["resources"], folder.state()["resources"], "nothing is changed");
    let page = folder.read("report.html");
    for part in [
        "<title>Governance gates of contoso-platform</title>",
        "<span class=\"ring\">canary</span>",
        "release-week",
        "restore",
        "<polyline",
        "aks-prod-weu-01",
    ] {
        assert!(page.contains(part), "{part}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path("report.html"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "it names what is open");
    }
    // The same again takes its place.
    folder
        .run("report dev --sandbox --no-trend --out report.html --quiet")
        .expect(0);
    let page = folder.read("report.html");
    assert!(!page.contains("aks-prod-weu-01") && !page.contains("<polyline"));
    assert!(page.contains("it was not asked for"));
}

#[test]
fn what_a_report_says_is_what_the_other_commands_say() {
    let folder = lived_in();
    let report = folder.run("report --sandbox --format json").expect(0).json();
    assert_eq!(
        (
            &report["formatVersion"],
            &report["command"],
            &report["outcome"],
            &report["exitCode"]
        ),
        (&json!(1), &json!("report"), &json!("done"), &json!(0))
    );
    let of = |command: &str, code: i32| {
        folder
            .run(&format!("{command} --sandbox --format json"))
            .expect(code)
            .json()
    };
    let same = |key: &str, other: &Value, keys: &[&str]| {
        for name in ["dev", "prod", "test"] {
            for part in keys {
                let (found, wanted) = (
                    &environment(&report, name)[key][*part],
                    &environment(other, name)[*part],
                );
                assert_eq!(found, wanted, "{key} {part} of {name}");
            }
        }
    };
    same("coverage", &of("coverage", 0), &["gates", "clusters"]);
    same("drift", &of("drift", 2), &["drift", "same", "differences", "overlaps"]);
    same("compliance", &of("compliance", 0), &["count", "gates", "violations"]);
    same(
        "runtime",
        &of("runtime", 0),
        &["blind", "subscriptions", "clusters", "alerts"],
    );
    let status = of("status", 0);
    for name in ["dev", "prod", "test"] {
        let gates = environment(&status, name)["gates"].as_array().unwrap();
        let found = environment(&report, name)["gates"].as_array().unwrap();
        assert_eq!(found.len(), gates.len());
        for (found, wanted) in found.iter().zip(gates) {
            for (key, value) in wanted.as_object().unwrap() {
                assert_eq!(&found[key], value, "{key} of {name}");
            }
        }
    }
    let canary = &environment(&report, "prod")["gates"][2]["rings"][0];
    assert_eq!((&canary["ring"], &canary["stage"]), (&json!("canary"), &json!("audit")));
    assert_eq!(report["summary"]["openWeakenings"], 2);
    let days = environment(&report, "dev")["trend"]["gates"][0]["days"]
        .as_array()
        .unwrap();
    assert_eq!(
        (days.len(), &days[0]["brokenRules"]),
        (14, &Value::Null),
        "nothing was assigned then"
    );
    assert!(days[13]["brokenRules"].as_u64().is_some());
}

#[test]
fn a_gate_that_denies_says_what_its_clusters_prove() {
    let folder = Folder::applied();
    let line = "plan dev --sandbox --gate exposure --out p.json --override-guard soak --override-guard evidence --override-guard coverage \
                --override-guard violations --override-guard freshness --reason they-know";
    folder.run(line).expect(0);
    folder.run("apply dev --sandbox --yes --plan p.json").expect(0);
    folder.run("sandbox advance 3h").expect(0);
    folder.run("sandbox cluster aks-dev-neu-01 --stop").expect(0);
    let run = folder
        .run("report dev --sandbox --out r.html --format markdown")
        .expect(0);
    run.prints(&[
        "| exposure | deny (1 closed, 1 UNKNOWN)<br>*overridden* |",
        "closed past a guard",
        "they-know",
    ]);
    let page = folder.read("r.html");
    assert!(page.contains("1 of 2 unknown"), "what is not heard of is not closed");
}

#[test]
fn one_environment_that_cannot_be_read_loses_no_other() {
    let folder = lived_in();
    folder.edit(
        "environments/test.yaml",
        "\nscope: subscriptions/0a000000-0000-4000-8000-000000000002",
        "\ntenant: 22222222-2222-4222-8222-222222222222\nscope: subscriptions/0a000000-0000-4000-8000-000000000002",
    );
    let run = folder.run("report --sandbox --out r.html --format json").expect(1);
    let document = run.json();
    assert_eq!(
        (&document["outcome"], &document["exitCode"]),
        (&json!("failed"), &json!(1))
    );
    assert!(
        environment(&document, "test")["error"]
            .as_str()
            .unwrap()
            .contains("no such tenant")
    );
    assert!(
        environment(&document, "dev")["gates"]
            .as_array()
            .is_some_and(|gates| !gates.is_empty())
    );
    let page = folder.read("r.html");
    assert!(page.contains("Not everything could be read") && page.contains("no such tenant"));
    assert!(page.contains("without 1 environment, not read") && page.contains("aks-dev-weu-01"));
    let markdown = folder.run("report --sandbox --no-trend --format markdown").expect(1);
    markdown.prints(&["**test was not read**", "| pod-security | audit (2 not closed yet)"]);
}

#[test]
fn one_part_that_cannot_be_read_loses_no_other() {
    let rule = json!({
        "method": "POST", "path": "**/managedClusters/*/providers/Microsoft.PolicyInsights/policyStates/default/queryResults",
        "count": "all", "action": {"kind": "error", "status": 403},
    });
    let served = Served::new(lived_in(), &json!([rule]), 0);
    let document = served.run("report dev --out r.html --format json").expect(1).json();
    let folder = served.end();
    let dev = environment(&document, "dev");
    assert!(dev["trend"]["error"].as_str().is_some(), "{}", dev["trend"]);
    assert_eq!((&dev["error"], &dev["coverage"]["error"]), (&Value::Null, &Value::Null));
    assert!(folder.read("r.html").contains("Violations over time are not shown:"));
}

#[test]
fn no_file_of_others_is_written_over() {
    let folder = Folder::applied();
    folder.write("notes.html", "<!DOCTYPE html><title>mine</title>");
    folder
        .run("report dev --sandbox --out notes.html")
        .expect(1)
        .says(&["`notes.html` is there and is no report", "it was left as it is"]);
    assert_eq!(folder.read("notes.html"), "<!DOCTYPE html><title>mine</title>");
    folder
        .run("report dev --sandbox --out -")
        .expect(64)
        .says(&["names no file"]);
    folder
        .run("report dev --sandbox --out nowhere/r.html")
        .expect(1)
        .says(&["its folder is not there"]);
    folder.run("report dev --sandbox --trend 100d").expect(64);
    folder.run("report dev --sandbox --trend 7d --no-trend").expect(64);
}
