//! An `apply` that is killed at each of its requests, before and after the server acted on it, and the one that follows it.
//!
//! Whatever the moment: the next apply ends where one ends that nothing disturbed, nothing is there twice, the journal can be read, the
//! plan after it is empty, and no gate was open in between that is closed before and after. By default each write is such a moment; with
//! AKSGATE_EVERY_REQUEST=1 each request is.

use super::differences;
use super::served::{Served, exchanges, settled};
use crate::harness::{Folder, copy};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// How many are killed at once.
const WORKERS: usize = 4;
const DEV: &str = "environments/dev.yaml";
const APPLY: &str = "apply dev --yes --parallelism 1 --allow-weakening pod-security --reason agreed";

/// A moment at which an apply is killed.
#[derive(Clone, Debug)]
struct Moment {
    /// The method that is counted; none for any.
    method: Option<&'static str>,
    /// Which of them, from 1.
    nth: usize,
    /// Whether the server acted on the request.
    after: bool,
}

/// An estate whose environment has to create, update, replace and delete objects of all kinds but roles.
fn everything() -> Folder {
    let folder = Folder::shipped();
    folder.run("sandbox reset --arc 3").expect(0);
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    let member = "\n  - ref: noNakedPods\n    definition: 65280eef-c8b4-425e-9aec-af55e55bf581\n    version: 2.*.*\n";
    let initiative = folder.read("initiatives/exposure.yaml");
    folder.write("initiatives/exposure.yaml", initiative + member);
    let more = "ContainerSensor: true\n      ContainerIntegrityContribution: true";
    folder.edit(DEV, "ContainerSensor: true", more);
    let resource = folder.resources(|id, _| id.ends_with("/managedclusters/aks-dev-weu-01"))[0].1["id"].clone();
    let resource = resource.as_str().unwrap();
    let text = folder.read(DEV);
    let clusters = "  safeguards: {mode: manage, level: Warn}\n  arc: {policyExtension: {mode: manage}}\n";
    let exemption = format!(
        "\nexemptions:\n  - {{gate: pod-security, resource: {resource}, category: Waiver, expires: 2027-01-31, reason: legacy agents}}\n"
    );
    folder.write(DEV, format!("{}\n{clusters}{exemption}", text.trim_end()));
    folder.tamper("/managedclusters/aks-dev-weu-01", |cluster| {
        cluster["properties"]["addonProfiles"]["azurepolicy"]["enabled"] = json!(false);
    });
    at_once(&folder);
    folder
}

/// An estate whose environment gets a gate that deploys, whose identity is given roles.
fn with_roles() -> Folder {
    let folder = Folder::applied();
    let gate = "location: westeurope\n\ngates:\n  fleet:\n    initiative: fleet-enablement\n    target: enforce\n    soak: 1d\n";
    folder.edit(DEV, "gates:\n", gate);
    folder.edit(DEV, "policyAddon: {mode: manage}", "policyAddon: {mode: policy}");
    at_once(&folder);
    folder
}

/// Lets what goes on in clusters take no time.
fn at_once(folder: &Folder) {
    let mut state = folder.state();
    state["settings"]["cluster_seconds"] = json!(0);
    folder.write(".aksgate/sandbox/state.json", state.to_string());
}

fn copy_of(folder: &Folder) -> Folder {
    let copied = Folder::empty();
    copy(&folder.path(""), &copied.path(""));
    copied
}

/// The moments of an apply that nothing disturbs.
fn moments(start: &Folder) -> Vec<Moment> {
    let served = Served::new(copy_of(start), &Value::Null, 0);
    served.run(APPLY).expect(0);
    let recorded = exchanges(&served.end());
    let count = |fits: &dyn Fn(&str) -> bool| recorded.iter().filter(|exchange| fits(&exchange.method)).count();
    let counted: Vec<(Option<&'static str>, usize)> = if std::env::var_os("AKSGATE_EVERY_REQUEST").is_some() {
        vec![(None, count(&|_| true))]
    } else {
        let of = |wanted: &'static str| (Some(wanted), count(&|method| method == wanted));
        vec![of("PUT"), of("DELETE")]
    };
    let all = counted.into_iter().flat_map(|(method, count)| {
        (1..=count).flat_map(move |nth| [false, true].map(|after| Moment { method, nth, after }))
    });
    all.collect()
}

/// Kills an apply at a moment, and returns what is wrong after the next one.
fn killed(start: &Folder, wanted: &BTreeMap<String, Value>, moment: &Moment) -> Vec<String> {
    let mut rule = json!({"path": "*", "nth": moment.nth, "action": {"kind": "hold", "after": moment.after}});
    if let Some(method) = moment.method {
        rule["method"] = json!(method);
    }
    let mut served = Served::new(copy_of(start), &json!([rule]), 0);
    let (_, from) = served.folder.clock().unwrap();
    if let Err(why) = served.kill_when_held(APPLY) {
        return vec![why];
    }
    let folder = served.end();
    let mut problems = Vec::new();
    let listed = folder.run("runs --format json").expect(0).json();
    for run in listed["runs"].as_array().unwrap() {
        folder
            .run(&format!("runs show {}", run["run"].as_str().unwrap()))
            .expect(0);
    }
    let next = folder.run(&format!("{APPLY} --sandbox"));
    if next.code != 0 {
        problems.push(format!("the next one ended with {}\n{}", next.code, next.stderr));
    }
    let now = settled(&folder);
    if now != *wanted {
        problems.push(format!("another state: {}", differences(&now, wanted)));
    }
    if !folder.is_settled("dev") {
        problems.push("the next plan is not empty".to_owned());
    }
    let (_, to) = folder.clock().unwrap();
    let gaps = aksgate::sandbox::operator::gaps(&folder.path(".aksgate/sandbox"), from, to).unwrap();
    if !gaps.is_empty() {
        problems.push(format!("gaps over both runs: {gaps:?}"));
    }
    problems
}

#[track_caller]
#[expect(clippy::print_stdout, reason = "the gate tells how many moments there were")]
fn is_finished_by_the_next_one(start: &Folder, kinds: &[&str]) {
    let undisturbed = copy_of(start);
    let done = undisturbed.run(&format!("{APPLY} --sandbox")).expect(0);
    for kind in kinds {
        assert!(done.stderr.contains(kind), "no {kind} was written:\n{}", done.stderr);
    }
    let wanted = settled(&undisturbed);
    let moments = moments(start);
    println!("{} moments", moments.len());
    let (waiting, problems) = (Mutex::new(moments), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().pop();
                    let Some(moment) = next else { return };
                    let ended = std::panic::catch_unwind(|| killed(start, &wanted, &moment));
                    let found = ended.unwrap_or_else(|_| vec!["it panicked".to_owned()]);
                    let told = found.into_iter().map(|problem| format!("== {moment:?}: {problem}"));
                    problems.lock().unwrap().extend(told);
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn an_apply_that_is_killed_at_any_write_is_finished_by_the_next_one() {
    let kinds = [
        "create policy set definition",
        "replace policy assignment",
        "delete policy assignment",
        "delete policy set definition",
        "create policy exemption",
        "update Defender plan",
        "update AKS cluster",
        "create deployment safeguards",
        "create Arc extension",
    ];
    is_finished_by_the_next_one(&everything(), &kinds);
}

#[test]
fn an_apply_that_is_killed_while_it_gives_roles_is_finished_by_the_next_one() {
    is_finished_by_the_next_one(&with_roles(), &["create policy assignment", "create role assignment"]);
}
