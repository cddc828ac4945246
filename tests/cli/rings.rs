//! Rings of scopes and of namespaces in the sandbox: who is refused where, step by step.

use crate::harness::Folder;
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";
const STATE: &str = ".aksgate/sandbox/state.json";
const APPLY: &str = "apply dev --sandbox --yes --gate pod-security";
const SUBSCRIPTION: &str = "subscriptions/0a000000-0000-4000-8000-000000000001";
const CLUSTERS: [&str; 2] = ["aks-dev-neu-01", "aks-dev-weu-01"];

/// The shipped estate with these rings in dev, applied once and reported on.
fn ringed(rings: &str) -> Folder {
    let folder = Folder::shipped();
    folder.edit(
        DEV,
        "\ngates:\n",
        &format!("\nadvance: auto\nrings:\n{rings}  - {{name: broad}}\ngates:\n"),
    );
    for namespace in ["shop", "pay"] {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: agent, namespace: {namespace}}}\nspec: {{containers: [{{name: main, \
             image: 'contoso.azurecr.io/shop/agent:1.0.0', securityContext: {{privileged: true}}}}]}}\n"
        );
        folder.write(&format!("{namespace}.yaml"), pod);
    }
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    folder.run("sandbox advance 1d3h").expect(0);
    folder
}

fn by_scope() -> Folder {
    ringed(&format!(
        "  - {{name: canary, scopes: [{SUBSCRIPTION}/resourceGroups/rg-aks-dev-neu]}}\n"
    ))
}

fn mend(folder: &Folder, clusters: &[&str]) {
    for cluster in clusters {
        folder.run(&format!("sandbox workload fix {cluster} --all")).expect(0);
    }
    folder.run("sandbox advance 1d3h").expect(0);
}

fn show(folder: &Folder) -> Value {
    let run = folder.run("rollout show dev --sandbox --gate pod-security --format json");
    run.expect(0).json()["gates"][0].clone()
}

fn guards(folder: &Folder) -> Vec<String> {
    let gate = show(folder);
    let reasons = gate["held"]["reasons"].as_array().into_iter().flatten();
    reasons
        .map(|reason| reason["guard"].as_str().unwrap().to_owned())
        .collect()
}

/// Which of the clusters refuse a privileged Pod in a namespace, once they have asked for what is assigned.
fn refusing<'a>(folder: &Folder, namespace: &str) -> Vec<&'a str> {
    folder.run("sandbox advance 20m").expect(0);
    let refuses = |cluster: &&&str| {
        let run = folder.run(&format!("sandbox admit {cluster} {namespace}.yaml"));
        assert!(run.code == 0 || run.code == 2, "{run:?}");
        run.code == 2
    };
    CLUSTERS.iter().filter(refuses).copied().collect()
}

/// The assignments of the gate that stand at a scope, by the end of its id.
fn assignments(folder: &Folder, scope: &str) -> Vec<(String, Value)> {
    let end = format!("/{scope}/providers/microsoft.authorization/policyassignments/pod-secur-");
    let found = folder.resources(|id, _| id.contains(&end));
    let of_gate = |(_, wire): &(String, Value)| {
        let mark = wire["properties"]["metadata"]["aksgate"].as_str().unwrap_or_default();
        mark.contains("gate=pod-security;")
    };
    found.into_iter().filter(of_gate).collect()
}

#[test]
fn a_ring_of_a_scope_refuses_there_first_and_its_assignment_stays_as_long_as_the_ring() {
    let folder = by_scope();
    assert_eq!(assignments(&folder, "rg-aks-dev-neu"), []);
    folder.run(APPLY).expect(0);
    assert_eq!(guards(&folder), ["violations"]);
    mend(&folder, &CLUSTERS[..1]);
    folder.run(APPLY).expect(0).prints(&["1 to create, 1 to update"]);
    assert_eq!(show(&folder)["stands"], "deny-1");
    assert_eq!(refusing(&folder, "shop"), CLUSTERS[..1]);
    // Its assignment is ours: the plan is empty, and nothing is told of somebody else's.
    let run = folder.run("plan dev --sandbox --gate pod-security").expect(0);
    assert!(!run.stdout.contains("`pod-secur-"), "{run:?}");
    run.prints(&["Nothing to do: 2 unchanged"]);

    mend(&folder, &CLUSTERS);
    folder.run(APPLY).expect(0);
    assert_eq!(show(&folder)["stands"], "deny");
    assert_eq!(assignments(&folder, "rg-aks-dev-neu").len(), 1);
    assert_eq!(refusing(&folder, "shop"), CLUSTERS);
    let undo = "rollout undo dev pod-security --to canary --reason shop-is-down --sandbox --yes";
    folder.run(undo).expect(0);
    assert_eq!(refusing(&folder, "shop"), CLUSTERS[..1], "the inner ring does not open");

    // Without its ring it goes, and that weakens.
    folder.edit(
        DEV,
        &format!("  - {{name: canary, scopes: [{SUBSCRIPTION}/resourceGroups/rg-aks-dev-neu]}}\n"),
        "",
    );
    folder
        .run(APPLY)
        .expect(3)
        .says(&["the plan weakens", "--allow-weakening pod-security"]);
    folder
        .run(&format!("{APPLY} --allow-weakening pod-security --reason why"))
        .expect(0);
    assert_eq!(assignments(&folder, "rg-aks-dev-neu"), []);
    assert_eq!(refusing(&folder, "shop"), CLUSTERS[..0]);
}

#[test]
fn a_ring_of_namespaces_is_held_by_what_breaks_the_gate_in_them_and_by_nothing_else() {
    let folder = ringed("  - {name: shop, namespaces: [shop]}\n");
    // It records from the first day.
    let parts = assignments(&folder, SUBSCRIPTION);
    let limits: Vec<&Value> = parts
        .iter()
        .map(|(_, wire)| &wire["properties"]["parameters"]["namespaces"]["value"])
        .filter(|limit| !limit.is_null())
        .collect();
    assert_eq!((parts.len(), limits), (2, vec![&json!(["shop"])]));
    for cluster in CLUSTERS {
        folder.run(&format!("sandbox workload fix {cluster} --all")).expect(0);
    }
    let add = |namespace: &str| {
        let line = format!("sandbox workload add aks-dev-neu-01 agent --flaw privileged --namespace {namespace}");
        folder.run(&line).expect(0);
    };
    add("shop");
    folder.run("sandbox advance 3h").expect(0);
    folder.run(APPLY).expect(0);
    assert_eq!(
        (&show(&folder)["stands"], guards(&folder)),
        (&json!("audit"), vec!["violations".to_owned()])
    );

    folder
        .run("sandbox workload fix aks-dev-neu-01 agent --namespace shop")
        .expect(0);
    add("pay");
    folder.run("sandbox advance 3h").expect(0);
    folder.run(APPLY).expect(0);
    assert_eq!(show(&folder)["stands"], "deny-1");
    assert_eq!(refusing(&folder, "shop"), CLUSTERS);
    assert_eq!(refusing(&folder, "pay"), CLUSTERS[..0]);
    // The rest has everything: what breaks the gate elsewhere holds it.
    folder.run("sandbox advance 1d3h").expect(0);
    folder.run(APPLY).expect(0);
    assert_eq!(
        (&show(&folder)["stands"], guards(&folder)),
        (&json!("deny-1"), vec!["violations".to_owned()])
    );
}

#[test]
fn a_step_that_stopped_between_two_scopes_is_finished_by_the_next_run() {
    let folder = ringed(&format!(
        "  - {{name: both, scopes: [{SUBSCRIPTION}/resourceGroups/rg-aks-dev-neu, {SUBSCRIPTION}/resourceGroups/rg-aks-dev-weu]}}\n"
    ));
    mend(&folder, &CLUSTERS);
    let mut before = folder.state();
    folder.run(APPLY).expect(0);
    assert_eq!(show(&folder)["stands"], "deny-1");
    // As it was before, but for the first of the two.
    let [(id, made)] = assignments(&folder, "rg-aks-dev-neu").try_into().unwrap();
    before["resources"][&id] = made;
    folder.write(STATE, before.to_string());
    assert_eq!(show(&folder)["stands"], "audit");
    let run = folder.run(APPLY).expect(0).prints(&["1 to create, 1 to update"]);
    assert!(!run.stdout.contains("changed by hand"), "{run:?}");
    assert_eq!(show(&folder)["stands"], "deny-1");
    assert_eq!(refusing(&folder, "shop"), CLUSTERS);
}

#[test]
fn a_copy_of_a_gates_assignment_below_its_scope_is_not_ours() {
    let folder = by_scope();
    let [(id, mut copy)] = assignments(&folder, SUBSCRIPTION).try_into().unwrap();
    let (scope, name) = id.split_once("/providers/").unwrap();
    let below = format!("{scope}/resourcegroups/rg-aks-dev-weu/providers/{name}");
    copy["id"] = json!(below);
    let mut state = folder.state();
    state["resources"][&below] = copy;
    folder.write(STATE, state.to_string());
    let run = folder.run("plan dev --sandbox --gate pod-security").expect(0);
    run.prints(&[
        "Nothing to do",
        "also assigned by `pod-secur-00-",
        "which is not ours and is left alone",
    ]);
}
