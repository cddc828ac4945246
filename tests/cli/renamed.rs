//! A gate that gets another name while it denies: what the clusters let in, asked at every step of its way.

use crate::harness::Folder;
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: agent, namespace: shop}\nspec: {containers: [{name: main, image: 'contoso.azurecr.io/shop/agent:1.0.0', securityContext: {privileged: true}}]}\n";
const CLUSTERS: [&str; 2] = ["aks-dev-weu-01", "aks-dev-neu-01"];

/// The shipped estate whose `pod-security` denies in dev, everywhere.
fn denying() -> Folder {
    let folder = Folder::shipped();
    folder.edit(DEV, "\ngates:\n", "\nadvance: auto\ngates:\n");
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    for cluster in CLUSTERS {
        folder.run(&format!("sandbox workload fix {cluster} --all")).expect(0);
    }
    folder.run("sandbox advance 1d3h").expect(0);
    folder
        .run("apply dev --sandbox --yes --quiet --gate pod-security")
        .expect(0);
    folder.write("pod.yaml", POD);
    folder.run("sandbox advance 30m").expect(0);
    folder
}

#[track_caller]
fn still_denies(folder: &Folder) {
    for cluster in CLUSTERS {
        folder
            .run(&format!("sandbox admit {cluster} pod.yaml"))
            .expect(2)
            .prints(&["runs privileged"]);
    }
}

/// Lets time go by in which a change arrives in the clusters, and asks them again and again.
fn watched(folder: &Folder) {
    for _ in 0..6 {
        folder.run("sandbox advance 5m").expect(0);
        still_denies(folder);
    }
}

fn gate(folder: &Folder, name: &str) -> Value {
    let run = folder.run(&format!("rollout show dev --sandbox --gate {name} --format json"));
    run.expect(0).json()["gates"][0].clone()
}

#[test]
fn a_gate_that_is_renamed_at_deny_never_opens() {
    let folder = denying();
    still_denies(&folder);
    assert_eq!(gate(&folder, "pod-security")["stands"], "deny");

    // Without a word on it the gate would open: that is refused, and the way out is told.
    folder.edit(DEV, "  pod-security:\n", "  pods:\n");
    let run = folder.run("apply dev --sandbox --yes").expect(3);
    let words: Vec<&str> = run.stdout.split_whitespace().collect();
    assert!(
        words.join(" ").contains("write `renamedFrom: pod-security` in it"),
        "{}",
        run.stdout
    );

    folder.edit(DEV, "  pods:\n", "  pods:\n    renamedFrom: pod-security\n");
    let apply = || folder.run("apply dev --sandbox --yes --gate pods").expect(0);
    apply().prints(&[
        "removal of `pod-security`, as it was called before",
        "so that nothing opens",
    ]);
    assert_eq!(
        (&gate(&folder, "pods")["stands"], &gate(&folder, "pods")["before"]),
        (&json!("audit"), &json!([{"generation": 1, "position": "deny"}]))
    );
    watched(&folder);
    folder.run("sandbox advance 1d3h").expect(0);
    apply();
    assert_eq!(gate(&folder, "pods")["stands"], "deny");
    watched(&folder);
    folder.run("sandbox advance 3h").expect(0);
    apply().prints(&["takes its place"]);
    let there = gate(&folder, "pods");
    assert_eq!((&there["stands"], &there["before"]), (&json!("deny"), &json!([])));
    watched(&folder);
    let old = folder.resources(|_, wire| {
        let mark = wire.pointer("/properties/metadata/aksgate").and_then(Value::as_str);
        mark.is_some_and(|mark| mark.contains("gate=pod-security;"))
    });
    assert_eq!(old, []);

    // Then the key has done its work.
    folder.edit(DEV, "    renamedFrom: pod-security\n", "");
    apply().prints(&["Nothing to do"]);
    watched(&folder);
}
