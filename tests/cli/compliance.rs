//! `aksgate compliance`

use crate::forms;
use crate::harness::Folder;
use serde_json::{Value, json};

const GATE: &str = "--gate pod-security";

/// The shipped estate, applied in dev and reported on.
fn reported() -> Folder {
    let folder = Folder::applied();
    folder.run("sandbox advance 1d3h").expect(0);
    folder
}

fn report(folder: &Folder, more: &str, code: i32) -> Value {
    let line = format!("compliance dev --sandbox {GATE} --format json {more}");
    folder.run(&line).expect(code).json()["environments"][0].clone()
}

/// Entries of a list, as `cluster kind name rule`.
fn keys(list: &Value) -> Vec<String> {
    let entries = list.as_array().unwrap().iter();
    let entries = entries.map(|entry| {
        let word = |key: &str| entry[key].as_str().unwrap().rsplit('/').next().unwrap();
        let (cluster, kind, name) = (word("cluster"), word("kind"), word("workload"));
        let name = name.split('-').next().unwrap();
        format!("{cluster} {kind} {name} {}", word("rule"))
    });
    entries.collect()
}

#[test]
fn right_after_an_apply_nothing_is_known_and_that_is_no_pass() {
    let folder = Folder::applied();
    let before = folder.state();
    let found = report(&folder, "", 0);
    assert_eq!(found["count"], json!({"n": 0, "atLeast": true}));
    report(&folder, "--fail-on violations", 2);
    folder
        .run(&format!("compliance dev --sandbox {GATE}"))
        .expect(0)
        .prints(&["never heard of; violations: not known", "Violations: not known"]);
    assert_eq!(before["resources"], folder.state()["resources"], "nothing is changed");
    let folder = Folder::shipped();
    folder
        .run("compliance dev --sandbox")
        .expect(0)
        .prints(&["No gate that judges what is let in stands here yet"]);
}

#[test]
fn violations_are_told_by_gate_cluster_namespace_and_workload() {
    let folder = reported();
    forms::check(&folder, "compliance", &format!("compliance dev --sandbox {GATE}"), 0);
    let found = report(&folder, "--fail-on violations", 2);
    assert_eq!(found["count"]["atLeast"], false);
    let objects = found["violations"].as_array().unwrap().iter();
    let objects: u64 = objects.map(|violation| violation["objects"].as_u64().unwrap()).sum();
    assert_eq!(found["count"]["n"], objects, "every violation is listed");
    assert_eq!(
        (&found["violations"][0]["novelty"], &found["baseline"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn an_earlier_report_tells_what_is_new_and_what_is_fixed() {
    let folder = reported();
    let first = report(&folder, "--report json=first.json", 0);
    let all = keys(&first["violations"]);
    let same = report(&folder, "--baseline first.json --fail-on new", 0);
    assert_eq!(
        (keys(&same["violations"]).len(), keys(&same["fixed"])),
        (all.len(), Vec::new())
    );

    folder.run("sandbox workload fix aks-dev-weu-01 --all").expect(0);
    folder
        .run("sandbox workload add aks-dev-weu-01 agent --flaw privileged")
        .expect(0);
    folder.run("sandbox advance 3h").expect(0);
    let second = report(
        &folder,
        "--baseline first.json --fail-on new --report json=second.json",
        2,
    );
    assert_eq!(second["baseline"], first["time"]);
    let line = format!("compliance dev --sandbox {GATE} --baseline first.json --details");
    forms::check(&folder, "compliance-baseline", &line, 0);
    let new: Vec<&Value> = second["violations"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|of| of["novelty"] == "new")
        .collect();
    assert_eq!(
        keys(&json!(new)),
        ["aks-dev-weu-01 Deployment agent noprivilegedcontainers"]
    );
    let (fixed, stay): (Vec<String>, Vec<String>) = all.into_iter().partition(|key| key.starts_with("aks-dev-weu-01 "));
    assert!(!fixed.is_empty() && !stay.is_empty());
    assert_eq!(keys(&second["fixed"]), fixed);
    let known = second["violations"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|of| of["novelty"] == "known");
    assert!(known.into_iter().all(|of| of["firstSeen"] == first["time"]));

    let third = report(&folder, "--baseline second.json --fail-on new", 0);
    assert_eq!(keys(&third["fixed"]), [""; 0]);
    report(&folder, "--baseline second.json --fail-on violations", 2);
}

#[test]
fn what_falls_silent_is_not_fixed() {
    let folder = reported();
    let first = report(&folder, "--report json=first.json", 0);
    for cluster in ["aks-dev-neu-01", "aks-dev-weu-01"] {
        folder
            .run(&format!("sandbox cluster {cluster} --stop-reporting"))
            .expect(0);
    }
    folder.run("sandbox advance 2d").expect(0);
    let now = report(&folder, "--baseline first.json", 0);
    assert_eq!(
        (keys(&now["fixed"]), keys(&now["violations"])),
        (Vec::new(), Vec::new())
    );
    assert_eq!(keys(&now["unclear"]).len(), keys(&first["violations"]).len());
    assert_eq!(now["count"]["atLeast"], true);
}

#[test]
fn a_file_that_is_no_baseline_is_refused_before_the_first_call() {
    let folder = reported();
    report(&folder, "--report json=dev.json", 0);
    folder
        .run("compliance prod --sandbox --baseline dev.json")
        .expect(1)
        .says(&[
            "`dev.json` cannot be used as a baseline",
            "it has no environment `prod`",
        ]);
    folder.write("broken.json", "{");
    folder
        .run("compliance dev --sandbox --baseline broken.json")
        .expect(1)
        .says(&["cannot be used as a baseline"]);
    folder.write("other.json", "{\"command\": \"scan\"}");
    folder
        .run("compliance dev --sandbox --baseline other.json")
        .expect(1)
        .says(&["it is no report of `aksgate compliance --format json`"]);
    folder
        .run("compliance dev --sandbox --baseline nowhere.json")
        .expect(1)
        .says(&["no file `nowhere.json`"]);
    folder
        .run("compliance dev --sandbox --fail-on new")
        .expect(64)
        .says(&["needs `--baseline FILE`"]);
    folder.run("compliance dev --sandbox --trend 100d").expect(64);
}

#[test]
fn the_days_of_a_cluster_come_from_the_services_history() {
    let folder = reported();
    let found = report(&folder, "--trend 3d", 0);
    let trends = found["trend"].as_array().unwrap();
    let names: Vec<&str> = trends
        .iter()
        .map(|trend| trend["cluster"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["aks-dev-neu-01", "aks-dev-weu-01"]);
    let days = trends[0]["days"].as_array().unwrap();
    assert_eq!(
        (days.len(), &days[0]["brokenRules"]),
        (3, &Value::Null),
        "nothing was assigned then"
    );
    assert!(days[2]["brokenRules"].as_u64().unwrap() > 0);
}

#[test]
fn names_from_clusters_do_nothing_where_they_are_shown() {
    let folder = reported();
    report(&folder, "--report json=first.json", 0);
    // Who can name a workload could otherwise speak to whoever reads the report.
    let text = folder.read("first.json");
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let violations = document["environments"][0]["violations"].as_array_mut().unwrap();
    violations.truncate(1);
    violations[0]["workload"] = json!("=cmd|x\n::error::y ##vso[z] <b>@all\u{1b}[31m");
    folder.write("hostile.json", document.to_string());
    for format in ["human", "markdown", "json"] {
        let line = format!("compliance dev --sandbox {GATE} --baseline hostile.json --details --format {format}");
        let run = folder.run(&line).expect(0);
        assert!(
            !run.stdout.contains('\u{1b}') && !run.stdout.contains("##vso"),
            "{}",
            run.stdout
        );
        assert!(
            run.stdout.lines().all(|line| !line.trim_start().starts_with("::")),
            "{}",
            run.stdout
        );
        assert!(format != "markdown" || !run.stdout.contains("<b>"), "{}", run.stdout);
    }
}

#[test]
fn reports_go_into_files() {
    let folder = reported();
    folder.run("sandbox cluster aks-dev-neu-01 --stop").expect(0);
    let line = format!(
        "compliance dev --sandbox {GATE} --report sarif=c.sarif --report junit=c.xml --report csv=c.csv --report markdown=c.md"
    );
    folder.run(&line).expect(0);
    let found = report(&folder, "", 0);
    let violations = found["violations"].as_array().unwrap();
    let log: Value = serde_json::from_str(&folder.read("c.sarif")).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(
        results.len(),
        violations.len() + 1,
        "and one that says what is not known"
    );
    let csv = folder.read("c.csv");
    assert_eq!(csv.lines().count(), violations.len() + 2);
    assert!(csv.starts_with("environment,gate,rule,cluster,"), "{csv}");
    assert!(
        csv.lines().last().unwrap().contains("not everything is known: stopped"),
        "{csv}"
    );
    let junit = folder.read("c.xml");
    assert!(
        junit.contains("tests=\"2\" failures=\"2\"") || junit.contains("failures=\"1\" errors=\"1\""),
        "{junit}"
    );
    assert!(folder.read("c.md").starts_with("## Compliance of dev"));
}
