//! Objects that were changed by others between plan and apply.

use crate::faults::served::Served;
use crate::harness::{Folder, Run, outline};
use serde_json::json;

const APPLY: &str = "apply dev --sandbox --yes --plan plan.json";
const SOMEBODY: &str = "somebody@contoso.example";

/// An estate with two changes planned: one to an assignment, one to the Defender plan.
fn planned() -> Folder {
    let folder = Folder::applied();
    folder.edit("environments/dev.yaml", "[ingress]", "[]");
    folder.edit(
        "environments/dev.yaml",
        "ContainerSensor: true",
        "ContainerSensor: true\n      ContainerIntegrityContribution: true",
    );
    let run = folder
        .run("plan dev --sandbox --out plan.json --detailed-exitcode")
        .expect(2);
    run.prints(&["Plan: 0 to create, 2 to update,"]);
    folder
}

fn change_assignment(folder: &Folder) -> String {
    let mut id = String::new();
    let found = folder.resources(|id, _| id.contains("policyassignments/exposure-00-"));
    let name = found[0].0.rsplit('/').next().unwrap().to_owned();
    folder.tamper(&name, |assignment| {
        assignment["properties"]["parameters"]["effect"]["value"] = json!("Deny");
        assignment["systemData"]["lastModifiedAt"] = json!("2027-01-04T08:30:00.0000000Z");
        assignment["systemData"]["lastModifiedBy"] = json!(SOMEBODY);
        assignment["systemData"]["lastModifiedByType"] = json!("User");
        id = assignment["id"].as_str().unwrap().to_owned();
    });
    id
}

fn effect(folder: &Folder) -> String {
    let found = folder.resources(|id, _| id.contains("policyassignments/exposure-00-"));
    found[0].1["properties"]["parameters"]["effect"]["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
fn names(run: &Run, object: &str) {
    let stale = format!(
        "stale  update policy assignment {object}\n      it was changed since the plan was made, last written by {SOMEBODY}"
    );
    assert!(run.stderr.contains(&stale), "{}", run.stderr);
}

#[test]
fn an_object_that_moved_is_refused_and_named_and_the_others_are_written() {
    let folder = planned();
    let object = change_assignment(&folder);
    let run = folder.run(APPLY).expect(4);
    names(&run, &object);
    assert!(
        run.stderr.contains("hint: plan again and look at what changed"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains("\nApplied: 1 done, 1 stale.\n"), "{}", run.stdout);
    assert_eq!(effect(&folder), "Deny", "what somebody wrote is still there");
    let rest = outline(&folder.plan("dev"));
    assert!(!rest.iter().any(|step| step.contains("defenderPlan")), "{rest:?}");
}

#[test]
fn if_all_that_was_planned_moved_the_plan_is_stale() {
    let folder = Folder::applied();
    folder.edit("environments/dev.yaml", "[ingress]", "[]");
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    let object = change_assignment(&folder);
    names(&folder.run(APPLY).expect(5), &object);
    let document = folder.run(&format!("{APPLY} --format json")).expect(5).json();
    assert_eq!(document["outcome"], "stale");
    assert_eq!(document["results"][0]["outcome"], "stale");
    assert!(document["results"][0]["message"].as_str().unwrap().contains(SOMEBODY));
    assert_eq!(effect(&folder), "Deny");
}

#[test]
fn an_object_that_came_meanwhile_is_refused() {
    let folder = Folder::shipped();
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    folder.run("apply dev --sandbox --yes").expect(0);
    change_assignment(&folder);
    let run = folder.run(APPLY).expect(5);
    assert!(
        run.stderr
            .contains("it was not there when the plan was made, last written by somebody@"),
        "{}",
        run.stderr
    );
    assert!(
        run.stdout.contains("Applied: 8 already-done, 1 stale.\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn an_object_that_went_meanwhile_is_refused() {
    let folder = planned();
    let mut state = folder.state();
    let resources = state["resources"].as_object_mut().unwrap();
    resources.retain(|id, _| !id.contains("policyassignments/exposure-00-"));
    folder.write(".aksgate/sandbox/state.json", state.to_string());
    folder
        .run(APPLY)
        .expect(4)
        .says(&["it is gone since the plan was made"]);
    assert_eq!(
        folder.resources(|id, _| id.contains("policyassignments/exposure-00-")),
        []
    );
}

#[test]
fn a_gate_that_somebody_closed_is_told_and_left_alone() {
    let folder = Folder::applied();
    change_assignment(&folder);
    folder.run("plan dev --sandbox --detailed-exitcode").expect(0).prints(&[
        "\nTo know\n  exposure: stands at deny though its mark says audit: changed by hand, left as it is\n",
    ]);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(effect(&folder), "Deny", "deny is never taken back silently");
}

#[test]
fn what_somebody_weakened_is_put_back() {
    let folder = Folder::applied();
    let name = "pricings/containers";
    folder.tamper(
        &format!("0a000000-0000-4000-8000-000000000001/providers/microsoft.security/{name}"),
        |plan| {
            plan["properties"]["pricingTier"] = json!("Free");
        },
    );
    assert_eq!(outline(&folder.plan("dev")), ["update defenderPlan tightens"]);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
}

/// A fleet below a management group, with something of every sort that is found by Resource Graph: clusters, Defender plans, an assignment at
/// a subscription and an exemption at a cluster.
fn fleet() -> (Folder, String) {
    let folder = Folder::shipped();
    for name in ["dev", "test", "prod"] {
        folder.remove(&format!("environments/{name}.yaml"));
    }
    folder.remove("aksgate.lock");
    folder
        .run("sandbox reset --quiet --clusters 12 --subscriptions 3")
        .expect(0);
    let clusters = folder.resources(|id, _| id.contains("/managedclusters/"));
    let cluster = clusters[0].1["id"].as_str().unwrap().to_owned();
    let subscription = cluster.split('/').skip(1).take(2).collect::<Vec<_>>().join("/");
    folder.write(
        FLEET,
        format!(
            "scope: managementGroups/contoso\n\
             rings:\n  - {{name: canary, scopes: [{subscription}]}}\n  - {{name: broad}}\n\
             gates:\n  pod-security: {{initiative: pod-security-baseline, target: audit}}\n\
             defender: {{containers: {{mode: manage, tier: Standard, extensions: {{ContainerSensor: true}}}}}}\n\
             clusters: {{policyAddon: {{mode: manage}}}}\n{EXEMPTIONS}  - {{gate: pod-security, resource: {cluster}, \
             category: Waiver, expires: 2027-01-31, reason: legacy agents}}\n"
        ),
    );
    (folder, cluster)
}

const FLEET: &str = "environments/fleet.yaml";
const EXEMPTIONS: &str = "exemptions:\n";
const APPLY_FLEET: &str =
    "apply fleet --yes --allow-weakening pod-security --reason why --max-share 100% --max-weakenings 10";

/// Serves a sandbox whose Resource Graph shows nothing that happened since.
fn behind(folder: Folder) -> Served {
    let stale = json!({"kind": "stale", "seconds": 86_400});
    let queries = "*Microsoft.ResourceGraph/resources";
    Served::new(
        folder,
        &json!([{"method": "POST", "path": queries, "count": "all", "action": stale}]),
        0,
    )
}

/// The writes that were recorded, and whether each query was answered from the past.
fn writes(served: &Served) -> Vec<String> {
    let recorded = served.exchanges();
    let mut queries = recorded.iter().filter(|exchange| exchange.path.ends_with("/resources"));
    assert!(
        queries.all(|query| !query.fault.is_empty()),
        "Resource Graph is not behind"
    );
    let written = recorded
        .iter()
        .filter(|exchange| matches!(exchange.method.as_str(), "PUT" | "DELETE"));
    written
        .map(|exchange| format!("{} {}", exchange.method, exchange.path))
        .collect()
}

#[test]
fn what_was_written_and_resource_graph_does_not_show_is_neither_planned_nor_written_again() {
    let (folder, _) = fleet();
    let served = behind(folder);
    served.run("plan fleet --out plan.json").expect(0);
    served.run_while_time_flies(APPLY_FLEET).expect(0);
    let written = writes(&served);
    for part in [
        "PUT /providers/microsoft.management/managementgroups/contoso/providers/microsoft.authorization/policyassignments/",
        "/policyexemptions/",
        "/pricings/containers",
        "/managedclusters/",
    ] {
        assert!(written.iter().any(|write| write.contains(part)), "{part}: {written:#?}");
    }
    let below = |write: &&String| write.starts_with("PUT /subscriptions/") && write.contains("/policyassignments/");
    assert_eq!(written.iter().filter(below).count(), 1, "{written:#?}");
    // Nothing that stands there by now is called missing, and what the saved plan wanted is done.
    served.run("plan fleet --detailed-exitcode").expect(0);
    served.run("drift fleet").expect(0);
    let again = served.run(&format!("{APPLY_FLEET} --plan plan.json")).expect(0);
    assert!(again.stdout.contains("already-done"), "{}", again.stdout);
    served.run(APPLY_FLEET).expect(0);
    assert_eq!(writes(&served), written, "nothing was written a second time");
}

#[test]
fn what_went_or_changed_and_resource_graph_still_shows_is_neither_deleted_nor_put_back() {
    let (folder, cluster) = fleet();
    folder.run(&format!("{APPLY_FLEET} --sandbox --quiet")).expect(0);
    assert!(folder.is_settled("fleet"));
    let served = behind(folder);
    // Somebody deletes the exemption, and turns an extension of each Defender plan on, by an estate of the same content.
    let text = served.folder.read(FLEET);
    let (before, _) = text.split_once(EXEMPTIONS).unwrap();
    let changed = before.replace(
        "ContainerSensor: true",
        "ContainerSensor: true, AgentlessDiscoveryForKubernetes: true",
    );
    served.folder.write(FLEET, &changed);
    served.run(APPLY_FLEET).expect(0);
    let written = writes(&served);
    // The gate has two assignments here, and an exemption from each.
    let exemptions = format!(
        "DELETE {}/providers/microsoft.authorization/policyexemptions/",
        cluster.to_lowercase()
    );
    let deleted = written.iter().filter(|write| write.starts_with(&exemptions)).count();
    let plans = written
        .iter()
        .filter(|write| write.ends_with("/pricings/containers"))
        .count();
    assert!(
        deleted == 2 && plans > 0 && written.len() == deleted + plans,
        "{written:#?}"
    );
    served.run("plan fleet --detailed-exitcode").expect(0);
    served.run(APPLY_FLEET).expect(0);
    assert_eq!(writes(&served), written);
    // An estate that wants all that back says so of what is there now, not of what Resource Graph shows.
    served.folder.write(FLEET, &text);
    let plan = served.run("plan fleet --format json").expect(0).json();
    assert_eq!(outline(&plan), ["create policyExemption weakens"; 2]);
}
