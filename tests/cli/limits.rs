//! What weakens needs a name and a reason, and one apply takes away no more than its limits say.

use crate::harness::Folder;
use serde_json::json;

const DEV: &str = "environments/dev.yaml";
const ALLOWED: &str = "apply dev --sandbox --yes --allow-weakening exposure --reason edge-moved";

fn limit(folder: &Folder, limits: &str) {
    folder.edit(DEV, "\ngates:\n", &format!("\nlimits: {{{limits}}}\ngates:\n"));
}

fn weaken(folder: &Folder) {
    folder.edit(DEV, "[ingress]", "[ingress, monitoring]");
}

/// The mark's state of the gate `exposure`.
fn state(folder: &Folder) -> String {
    let found = folder.resources(|id, _| id.to_lowercase().contains("/policyassignments/exposure-"));
    found[0].1["properties"]["metadata"]["aksgateState"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_weakening_needs_a_name_and_a_reason_and_both_are_kept() {
    let folder = Folder::applied();
    weaken(&folder);
    let before = folder.resources(|_, _| true);
    folder.run("apply dev --sandbox --yes").expect(3).says(&[
        "error: the plan weakens, and that was not allowed; nothing was written",
        "`excludedNamespaces` + monitoring",
        "`--allow-weakening exposure --reason 'why'`",
    ]);
    folder
        .run("apply dev --sandbox --yes --allow-weakening exposure")
        .expect(64)
        .says(&[
            "`--allow-weakening` needs a reason; nothing was written",
            "add `--reason TEXT`",
        ]);
    for line in ["--allow-weakening exposure --reason ''", "--reason because"] {
        let words: Vec<&str> = "apply dev --sandbox --yes".split(' ').chain(line.split(' ')).collect();
        let words: Vec<&str> = words
            .into_iter()
            .map(|word| if word == "''" { " " } else { word })
            .collect();
        folder.run_words(&words).expect(64);
    }
    folder.run("plan dev --sandbox --reason because").expect(64);
    assert_eq!(before, folder.resources(|_, _| true), "nothing was written");

    folder.run(ALLOWED).expect(0);
    assert!(state(&folder).ends_with("; weakened=edge-moved"), "{}", state(&folder));
    assert!(folder.is_settled("dev"), "a reason is no change");
    let runs = folder.run("runs --format json").expect(0).json();
    let name = runs["runs"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|run| run["run"].as_str())
        .max()
        .unwrap();
    folder
        .run(&format!("runs show {name}"))
        .expect(0)
        .prints(&["allowed to weaken: exposure", "because edge-moved"]);

    // What tightens again leaves the reason where it was.
    folder.edit(DEV, "[ingress, monitoring]", "[ingress]");
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(state(&folder).ends_with("; weakened=edge-moved"), "{}", state(&folder));
}

#[test]
fn a_limit_stops_the_apply_before_its_first_write_and_is_shown_by_the_plan() {
    let folder = Folder::applied();
    limit(&folder, "weakenings: 0");
    weaken(&folder);
    folder.run("plan dev --sandbox").expect(0).prints(&[
        "Weakens: what was held back is let through, or is no longer seen\n  update policy assignment exposure-00-",
        "    `excludedNamespaces` + monitoring\n",
        "limits.weakenings: 1 step weakens, and one apply may weaken 0: apply refuses it, unless with `--max-weakenings 1`",
    ]);
    let plan = folder.plan("dev");
    let owned = &plan["plan"]["limits"][0]["owned"];
    assert_eq!(
        plan["plan"]["limits"],
        json!([{"limit": "weakenings", "found": 1, "owned": owned, "allowed": "0", "needed": "1"}])
    );

    folder.run("plan dev --sandbox --out dev.plan.json").expect(0);
    let before = folder.resources(|_, _| true);
    for line in [ALLOWED.to_owned(), format!("{ALLOWED} --plan dev.plan.json")] {
        folder.run(&line).expect(3).says(&[
            "error: the plan is over a limit; nothing was written",
            "weakenings: 1 step weakens, and one apply may weaken 0",
            "allow it once: `--max-weakenings 1`",
            "`limits` in environments/dev.yaml",
        ]);
    }
    assert_eq!(before, folder.resources(|_, _| true), "nothing was written");
    folder
        .run(&format!("{ALLOWED} --plan dev.plan.json --max-weakenings 1"))
        .expect(0);
    assert!(folder.is_settled("dev"));
}

#[test]
fn gates_go_only_as_many_at_once_as_the_limit_says() {
    let folder = Folder::applied();
    limit(&folder, "deletes: 1, share: 100%");
    for gate in ["pod-security-restricted", "exposure"] {
        let from = format!(
            "initiative: {gate}\n    target: {}",
            if gate == "exposure" { "deny" } else { "audit" }
        );
        folder.edit(DEV, &from, &format!("initiative: {gate}\n    target: \"off\""));
    }
    let allowed =
        "apply dev --sandbox --yes --allow-weakening exposure --allow-weakening pod-security-restricted --reason why";
    folder.run(allowed).expect(3).says(&[
        "deletes: 2 steps delete, and one apply may delete 1",
        "`--max-deletes 2`",
    ]);
    let refused = folder.run(&format!("{allowed} --format json")).expect(3).json();
    assert_eq!(refused["outcome"], "refused");
    folder.run(&format!("{allowed} --max-deletes 2")).expect(0);
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_large_share_of_all_that_is_owned_stops_the_apply() {
    let folder = Folder::applied();
    folder.edit("aksgate.yaml", "[cert-manager]", "[cert-manager, monitoring]");
    let plan = folder.plan("dev");
    assert_eq!(
        plan["plan"]["limits"],
        json!([{"limit": "share", "found": 4, "owned": 10, "allowed": "30%", "needed": "40%"}])
    );
    let gates = [
        "exposure",
        "pod-security",
        "pod-security-restricted",
        "image-governance",
    ];
    let allowed = gates.map(|gate| format!(" --allow-weakening {gate}")).concat();
    let line = format!("apply dev --sandbox --yes{allowed} --reason why");
    folder.run(&line).expect(3).says(&[
        "share: 4 of 10 owned objects would be deleted, replaced or weakened, and one apply may touch 30% of them",
        "`--max-share 40%`",
    ]);
    folder.run(&format!("{line} --max-share 39%")).expect(3);
    folder.run(&format!("{line} --max-share 40%")).expect(0);
}

#[test]
fn limits_that_cannot_be_are_mistakes() {
    let folder = Folder::shipped();
    limit(&folder, "deletes: -1, share: 30, updates: 3");
    folder
        .run("validate")
        .expect(1)
        .says(&["expected a whole number", "write `30%`", "updates"]);
    for option in [
        "--max-share 30",
        "--max-share 101%",
        "--max-deletes -1",
        "--max-deletes some",
    ] {
        folder.run(&format!("apply dev --sandbox {option}")).expect(64);
    }
}
