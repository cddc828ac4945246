//! The way of a gate in the sandbox, with the delays that Azure has: ring by ring, held by what clusters report, and by hand.

use crate::harness::{Folder, Run};
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";
const APPLY: &str = "apply dev --sandbox --yes --gate pod-security";

/// The shipped estate with rings in dev, applied once and reported on; `advance` says who takes the steps.
fn ringed(advance: &str) -> Folder {
    let folder = Folder::shipped();
    let rings = format!(
        "advance: {advance}\nrings:\n  - {{name: canary, locations: [northeurope]}}\n  - {{name: broad}}\ngates:\n"
    );
    folder.edit(DEV, "\ngates:\n", &format!("\n{rings}"));
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    folder.run("sandbox advance 1d3h").expect(0);
    folder
}

fn mend(folder: &Folder, cluster: &str) {
    folder.run(&format!("sandbox workload fix {cluster} --all")).expect(0);
    folder.run("sandbox advance 3h").expect(0);
}

fn show(folder: &Folder) -> Value {
    let run = folder
        .run("rollout show dev --sandbox --gate pod-security --format json")
        .expect(0);
    run.json()["gates"][0].clone()
}

fn guards(gate: &Value) -> Vec<&str> {
    let reasons = gate["held"]["reasons"].as_array().into_iter().flatten();
    reasons.map(|reason| reason["guard"].as_str().unwrap()).collect()
}

fn apply(folder: &Folder) -> Run {
    folder.run(APPLY).expect(0)
}

#[test]
fn a_gate_closes_ring_by_ring_once_what_it_would_refuse_is_mended() {
    let folder = ringed("auto");
    // To take a gate back and to relax it counts against no limit.
    folder.edit(DEV, "\nrings:\n", "\nlimits: {weakenings: 0}\nrings:\n");
    apply(&folder);
    let gate = show(&folder);
    assert_eq!((&gate["stands"], guards(&gate)), (&json!("audit"), vec!["violations"]));
    let run = folder.run("plan dev --sandbox --gate pod-security").expect(0);
    run.prints(&[
        "Held: cannot be done now",
        "pod-security: deny in canary",
        "5 violations in canary",
    ]);

    mend(&folder, "aks-dev-neu-01");
    apply(&folder);
    let gate = show(&folder);
    assert_eq!(gate["stands"], "deny-1");
    assert_eq!(guards(&gate), ["soak", "freshness", "violations", "inner-ring"]);

    mend(&folder, "aks-dev-weu-01");
    folder.run("sandbox advance 1d").expect(0);
    apply(&folder);
    let gate = show(&folder);
    assert_eq!((&gate["stands"], &gate["held"]), (&json!("deny"), &Value::Null));
    apply(&folder).prints(&["Nothing to do"]);
}

#[test]
fn what_asks_for_approval_is_left_to_a_saved_plan_whatever_is_consented_to() {
    let folder = ringed("approve");
    mend(&folder, "aks-dev-neu-01");
    apply(&folder).prints(&["Nothing to do", "approval", "aksgate apply dev --plan FILE"]);
    assert_eq!(show(&folder)["stands"], "audit");
    folder
        .run("plan dev --sandbox --gate pod-security --out approved.json")
        .expect(0)
        .prints(&["1 to update"]);
    folder.run("apply dev --sandbox --yes --plan approved.json").expect(0);
    assert_eq!(show(&folder)["stands"], "deny-1");
}

#[test]
fn a_guard_that_closed_since_the_plan_refuses_the_step() {
    let folder = ringed("approve");
    mend(&folder, "aks-dev-neu-01");
    folder
        .run("plan dev --sandbox --gate pod-security --out approved.json")
        .expect(0);
    folder.run("sandbox cluster --stop aks-dev-neu-01").expect(0);
    let run = folder.run("apply dev --sandbox --yes --plan approved.json").expect(3);
    let run = run.prints(&["1 refused"]);
    for part in ["a guard has closed since the plan was made", "aks-dev-neu-01 (stopped)"] {
        assert!(run.stderr.contains(part), "{run:?}");
    }
    assert_eq!(show(&folder)["stands"], "audit");
}

#[test]
fn a_guard_is_passed_with_a_reason_only_and_the_saved_plan_carries_it() {
    let folder = ringed("approve");
    folder.run("plan dev --sandbox --override-guard violations").expect(64);
    let wrong = folder.run("plan dev --sandbox --override-guard approval --reason because");
    wrong.expect(64);
    folder
        .run("plan dev --sandbox --gate pod-security --override-guard violations --reason they-know --out plan.json")
        .expect(0)
        .prints(&["violations for deny-1: they-know"]);
    folder.run("apply dev --sandbox --yes --plan plan.json").expect(0);
    let gate = show(&folder);
    assert_eq!(gate["stands"], "deny-1");
    assert_eq!(gate["overrides"], json!(["violations for deny-1: they-know"]));
}

#[test]
fn a_gate_is_taken_back_at_once_paused_and_relaxed_and_resumed() {
    let folder = ringed("auto");
    mend(&folder, "aks-dev-neu-01");
    apply(&folder);
    assert_eq!(show(&folder)["stands"], "deny-1");
    let relax = "rollout relax dev pod-security --sandbox --yes --for 4h --ring canary --reason restore";
    folder.run(relax).expect(0).prints(&["create policy exemption"]);
    folder
        .run("plan dev --sandbox --gate pod-security")
        .expect(0)
        .prints(&["is relaxed in a part of its clusters until"]);
    folder
        .run("rollout undo dev pod-security --sandbox --yes --reason shop-is-down")
        .expect(0)
        .prints(&["WEAKENS"]);
    folder.run("sandbox advance 2d").expect(0);
    apply(&folder);
    let gate = show(&folder);
    assert_eq!(
        (&gate["stands"], &gate["paused"]),
        (&json!("audit"), &json!("shop-is-down"))
    );
    assert_eq!(guards(&gate)[0], "pause");
    folder.run("rollout resume dev pod-security --sandbox --yes").expect(0);
    assert_eq!(show(&folder)["stands"], "audit");
    folder
        .run("rollout undo dev pod-security --sandbox --yes --to nowhere --reason r")
        .expect(64);
    folder.run("rollout pause dev nothing --sandbox --reason r").expect(1);
}

#[test]
fn a_tightened_gate_that_denies_is_succeeded_without_a_gap() {
    let folder = ringed("auto");
    folder.edit(
        DEV,
        "    soak: 1d # how long",
        "    excludeNamespaces: [legacy]\n    soak: 1d # how long",
    );
    folder
        .run(&format!("{APPLY} --allow-weakening pod-security --reason why"))
        .expect(0);
    folder.run("sandbox advance 1d3h").expect(0);
    mend(&folder, "aks-dev-neu-01");
    apply(&folder);
    assert_eq!(show(&folder)["stands"], "deny-1");
    folder.edit(
        DEV,
        "    excludeNamespaces: [legacy]\n    soak: 1d # how long",
        "    soak: 1d # how long",
    );
    apply(&folder).prints(&["removal of generation 1", "so that nothing opens"]);
    let gate = show(&folder);
    assert_eq!((&gate["generation"], &gate["stands"]), (&json!(2), &json!("audit")));
    assert_eq!(gate["before"], json!([{"generation": 1, "position": "deny in canary"}]));
    folder.run("sandbox advance 1d3h").expect(0);
    apply(&folder);
    assert_eq!(show(&folder)["stands"], "deny-1");
    folder.run("sandbox advance 3h").expect(0);
    apply(&folder).prints(&["takes its place"]);
    let gate = show(&folder);
    assert_eq!((&gate["before"], &gate["stands"]), (&json!([]), &json!("deny-1")));
}

#[test]
fn a_step_waits_for_the_environment_before_and_for_its_hours() {
    let folder = Folder::shipped();
    let keys = "promotesFrom: dev\nadvance: auto\nwindows: {timeZone: Europe/Berlin, open: [{days: [sat], hours: \"09:00-10:00\"}]}";
    folder.edit("environments/test.yaml", "\ngates:\n", &format!("\n{keys}\ngates:\n"));
    folder.run("apply test --sandbox --yes --quiet").expect(0);
    folder.run("sandbox advance 3d3h").expect(0);
    let show = || {
        let run = folder.run("rollout show test --sandbox --gate pod-security --format json");
        run.expect(0).json()["gates"][0].clone()
    };
    let reason = |gate: &Value, guard: &str| {
        let reasons = gate["held"]["reasons"].as_array().unwrap().iter();
        reasons.clone().find(|reason| reason["guard"] == guard).unwrap().clone()
    };
    let gate = show();
    assert_eq!(
        reason(&gate, "source-environment")["sentence"],
        "`dev`, which it comes from, has no such gate"
    );
    // A Saturday in winter, by the clock of Berlin.
    assert_eq!(reason(&gate, "window")["opens"], "2027-01-09T08:00:00Z");
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    assert_eq!(
        reason(&show(), "source-environment")["sentence"],
        "stands at audit in `dev`, which it comes from, and not at deny yet"
    );
}
