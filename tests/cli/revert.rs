//! `aksgate revert`: runs that are taken back, wholly, in part and not at all.

use crate::faults::served::{Served, Start, estate, settled};
use crate::harness::{Folder, outline, pending};
use aksgate::kinds::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a person says who means it.
const FREELY: &str = " --reason r --max-deletes 99 --max-weakenings 99 --max-share 100%";
const DEV: &str = "environments/dev.yaml";

/// The last run of a folder.
fn last(folder: &Folder) -> String {
    let runs = folder.run("runs --format json").expect(0).json();
    runs["runs"].as_array().unwrap().last().unwrap()["run"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Everything in the sandbox without what differs from run to run, in the form in which equal settings are equal.
fn stands(folder: &Folder) -> BTreeMap<String, Value> {
    let kinds = [
        ("/policydefinitions/", Kind::PolicyDefinition),
        ("/policysetdefinitions/", Kind::PolicySetDefinition),
        ("/policyassignments/", Kind::PolicyAssignment),
        ("/policyexemptions/", Kind::PolicyExemption),
        ("/roleassignments/", Kind::RoleAssignment),
        ("/pricings/", Kind::DefenderPlan),
        ("/managedclusters/", Kind::ManagedCluster),
    ];
    let all = settled(folder).into_iter().map(|(id, wire)| {
        let kind = kinds.into_iter().find(|(part, _)| id.contains(part));
        let form = kind.map_or_else(|| wire.clone(), |(_, kind)| kind.comparable(&wire));
        (id, form)
    });
    all.collect()
}

/// Fails unless the same stands in both, and names what differs.
#[track_caller]
fn same(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    let ids: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let mut differ = String::new();
    for id in ids.into_iter().filter(|id| found.get(*id) != expected.get(*id)) {
        let text = |of: &BTreeMap<String, Value>| of.get(id).map(|wire| format!("{wire:#}")).unwrap_or_default();
        differ.push_str(&format!("{id}\nfound {}\nexpected {}\n", text(found), text(expected)));
    }
    assert!(differ.is_empty(), "{differ}");
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

#[test]
fn a_change_is_taken_back_and_the_files_that_still_ask_for_it_are_named() {
    let folder = Folder::applied();
    let before = stands(&folder);
    folder.edit(
        DEV,
        "excludeNamespaces: [ingress]",
        "excludeNamespaces: [ingress, edge]",
    );
    folder
        .run("apply dev --sandbox --yes --allow-weakening exposure --reason r --max-weakenings 9")
        .expect(0);
    let run = last(&folder);
    let changed = stands(&folder);
    let shown = folder.run(&format!("revert {run} --sandbox --plan-only")).expect(0);
    assert_eq!(stands(&folder), changed, "`--plan-only` writes nothing");
    let text = words(&shown.stdout);
    for part in [
        "its soak time begins anew",
        "the next `apply` does again what the estate still asks for: change `environments/dev.yaml`",
        "`initiatives/exposure.yaml`",
    ] {
        assert!(text.contains(part), "{part}: {}", shown.stdout);
    }
    folder.run(&format!("revert {run} --sandbox")).expect(64);
    let done = folder
        .run(&format!("revert {run} --sandbox --yes --format json"))
        .expect(0)
        .json();
    assert_eq!(outline(&done), ["update policyAssignment tightens"]);
    same(&stands(&folder), &before);
    // It is a run like any other, and says what it was.
    let journal = folder
        .run(&format!("runs show {} --format json", last(&folder)))
        .expect(0)
        .json();
    assert_eq!(journal["run"]["command"], format!("revert {run}"));
    folder
        .run(&format!("revert {run} --sandbox --yes"))
        .expect(0)
        .prints(&["Nothing to do"]);
    assert!(!folder.is_settled("dev"), "the estate still asks for it");
    folder.edit(
        DEV,
        "excludeNamespaces: [ingress, edge]",
        "excludeNamespaces: [ingress]",
    );
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_first_apply_leaves_nothing_when_it_is_taken_back_and_everything_when_that_is() {
    let folder = Folder::shipped();
    folder.run("sandbox reset").expect(0);
    let before = stands(&folder);
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    let applied = stands(&folder);
    let run = last(&folder);
    let refused = folder.run(&format!("revert {run} --sandbox --yes")).expect(3);
    refused.says(&[
        "the plan weakens, and that was not allowed",
        "--allow-weakening exposure",
    ]);
    same(&stands(&folder), &applied);
    let plan = folder
        .run(&format!("revert {run} --sandbox --plan-only --format json"))
        .expect(0)
        .json();
    let mut line = format!("revert {run} --sandbox --yes{FREELY}");
    for step in pending(&plan).into_iter().filter(|step| step["direction"] == "weakens") {
        let name = step["gate"].as_str().unwrap_or(step["object"].as_str().unwrap());
        line.push_str(&format!(" --allow-weakening {name}"));
    }
    let done = folder.run(&line).expect(0);
    let text = words(&done.stdout);
    assert!(text.contains("only aksgate's keys are put back"), "{text}");
    same(&stands(&folder), &before);

    let back = last(&folder);
    folder.run(&format!("revert {back} --sandbox --yes")).expect(0);
    same(&stands(&folder), &applied);
    assert!(folder.is_settled("dev"));
}

#[test]
fn an_environment_that_was_retired_comes_back_as_it_was() {
    let folder = Folder::shipped();
    // With an identity and its roles.
    folder.edit(
        DEV,
        "\ngates:\n",
        "\nlocation: westeurope\ngates:\n  fleet: {initiative: fleet-enablement, target: audit}\n",
    );
    folder.edit(
        DEV,
        "  policyAddon: {mode: manage}\n",
        "  policyAddon: {mode: policy}\n",
    );
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    let before = stands(&folder);
    folder
        .run("retire dev --sandbox --yes --reason mistake --max-deletes 99 --max-weakenings 99 --max-share 100%")
        .expect(0);
    let run = last(&folder);
    let done = folder.run(&format!("revert {run} --sandbox --yes")).expect(0);
    let text = words(&done.stdout);
    for part in [
        "another instance id and another identity",
        "its soak time and its reports begin anew",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    same(&stands(&folder), &before);
    assert!(folder.is_settled("dev"), "{}", folder.run("plan dev --sandbox").stdout);
}

#[test]
fn what_moved_since_is_left_and_the_rest_is_taken_back() {
    let folder = Folder::shipped();
    folder.run("apply test --sandbox --yes --quiet").expect(0);
    let run = last(&folder);
    let exposure = folder.resources(|id, wire| {
        let mark = wire.pointer("/properties/metadata/aksgate").and_then(Value::as_str);
        id.contains("policyassignments") && mark.is_some_and(|mark| mark.contains("gate=exposure;"))
    });
    folder.tamper(&exposure[0].0, |wire| {
        wire["properties"]["notScopes"] =
            json!(["/subscriptions/0a000000-0000-4000-8000-000000000002/resourceGroups/x"]);
        wire["systemData"]["lastModifiedBy"] = json!("eve@contoso.com");
    });
    let line = format!(
        "revert {run} --sandbox --yes --allow-weakening pod-security --allow-weakening image-governance{FREELY}"
    );
    let done = folder.run(&line).expect(0);
    let text = words(&done.stdout);
    assert!(
        text.contains("it was changed since the run, last by eve@contoso.com"),
        "{text}"
    );
    let left = folder.resources(|_, wire| wire.pointer("/properties/metadata/aksgate").is_some());
    let names: Vec<&str> = left.iter().map(|(id, _)| id.rsplit('/').next().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("exposure-00")), "{names:?}");
    assert!(
        names.iter().all(|name| name.contains("exposure")),
        "its set stays with it: {names:?}"
    );
}

#[test]
fn a_run_that_was_killed_is_taken_back_as_far_as_it_came() {
    let served = Served::new(estate(Start::Policy), &Value::Null, 60);
    let mut child = served.start("apply dev --yes");
    served.wait_for(2, |exchange| exchange.method == "PUT");
    child.kill().unwrap();
    child.wait().unwrap();
    let run = last(&served.folder);
    let plan = served
        .run(&format!("revert {run} --plan-only --format json"))
        .expect(0)
        .json();
    assert!(!outline(&plan).is_empty(), "{plan}");
    let mut line = format!("revert {run} --yes{FREELY}");
    for step in pending(&plan).into_iter().filter(|step| step["direction"] == "weakens") {
        line.push_str(&format!(
            " --allow-weakening {}",
            step["gate"].as_str().unwrap_or(step["object"].as_str().unwrap())
        ));
    }
    served.run(&line).expect(0);
    let folder = served.end();
    same(&stands(&folder), &stands(&estate(Start::Policy)));
}

#[test]
fn taking_an_undo_back_closes_a_gate_and_asks_what_any_step_does() {
    let folder = Folder::shipped();
    folder.edit(DEV, "\ngates:\n", "\nadvance: auto\ngates:\n");
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    for cluster in ["aks-dev-weu-01", "aks-dev-neu-01"] {
        folder.run(&format!("sandbox workload fix {cluster} --all")).expect(0);
    }
    folder.run("sandbox advance 1d3h").expect(0);
    folder
        .run("apply dev --sandbox --yes --quiet --gate pod-security")
        .expect(0);
    folder
        .run("rollout undo dev pod-security --sandbox --yes --reason shop-is-down")
        .expect(0);
    let run = last(&folder);
    let stands = || {
        let run = folder.run("rollout show dev --sandbox --gate pod-security --format json");
        run.expect(0).json()["gates"][0].clone()
    };
    assert_eq!(stands()["stands"], "audit");
    // A moment later nothing was heard since, and the soak time has begun anew.
    let held = folder.run(&format!("revert {run} --sandbox --yes")).expect(0);
    let text = words(&held.stdout);
    assert!(
        text.contains("it would close the gate further, which is held; soak"),
        "{text}"
    );
    assert_eq!(stands()["stands"], "audit");
    folder.run("sandbox advance 1d3h").expect(0);
    // Where steps wait for an approval, this one does too.
    folder.edit(DEV, "advance: auto", "advance: approve");
    let held = folder.run(&format!("revert {run} --sandbox --yes")).expect(0);
    assert!(words(&held.stdout).contains("approval: "), "{}", held.stdout);
    folder.edit(DEV, "advance: approve", "advance: auto");
    folder
        .run(&format!("revert {run} --sandbox --yes"))
        .expect(0)
        .prints(&["1 done"]);
    assert_eq!(
        (&stands()["stands"], &stands()["paused"]),
        (&json!("deny"), &Value::Null)
    );
}

#[test]
fn a_run_of_elsewhere_and_one_that_is_none_are_refused() {
    let folder = Folder::applied();
    let run = last(&folder);
    let line = format!("revert {run} --sandbox --yes");
    folder
        .run("revert run-1 --sandbox --yes")
        .expect(1)
        .says(&["no run `run-1`", "`aksgate runs` lists"]);
    let path = format!(".aksgate/runs/{run}.jsonl");
    let journal = folder.read(&path);
    let cases = [
        (
            "\"environment\":\"dev\"",
            "\"environment\":\"other\"",
            "no environment `other`",
        ),
        (
            "\"environment\":\"dev\"",
            "\"environment\":\"test\"",
            "the run was of another scope",
        ),
        ("\"tenant\":\"1", "\"tenant\":\"2", "the run was of another tenant"),
        (
            "\"endpoint\":\"sandbox:",
            "\"endpoint\":\"https:",
            "the run was of another ARM endpoint",
        ),
        (
            "environment=dev; gate=exposure",
            "environment=prod; gate=exposure",
            "says what no run of this environment writes; nothing was written",
        ),
    ];
    for (from, to, words) in cases {
        assert!(journal.contains(from), "{from}");
        folder.write(&path, journal.replacen(from, to, 1));
        folder.run(&line).expect(1).says(&[words]);
    }
    folder.write(&path, &journal);
    let before = stands(&folder);
    folder.run("sandbox reset").expect(0);
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    folder
        .run(&line)
        .expect(1)
        .says(&["the run was of another ARM endpoint"]);
    assert_eq!(stands(&folder).len(), before.len());
}
