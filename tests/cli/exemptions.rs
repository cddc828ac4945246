//! What is let off a gate: for how long, who allows it, and how it ends.

use crate::harness::{Folder, outline, pending};
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";
const SUBSCRIPTION: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";

/// A cluster of the sandbox's environment `dev`.
fn cluster(folder: &Folder) -> String {
    let found = folder.resources(|id, _| id.contains("/managedclusters/") && id.contains("0001/"));
    found[0].1["id"].as_str().unwrap().to_owned()
}

/// Writes the exemptions of `dev`; the sandbox's clock starts on 2027-01-04.
fn exempt(folder: &Folder, entries: &[String]) {
    let text = folder.read(DEV);
    let text = text.split("\nexemptions:").next().unwrap();
    folder.write(DEV, format!("{text}\nexemptions:\n{}", entries.concat()));
}

fn entry(resource: &str, expires: &str, more: &str) -> String {
    format!(
        "  - {{gate: pod-security, resource: {resource}, category: Waiver, expires: {expires}, reason: legacy node agents{more}}}\n"
    )
}

fn exemptions(folder: &Folder) -> Vec<Value> {
    let found = folder.resources(|id, _| id.contains("/policyexemptions/"));
    found.into_iter().map(|(_, resource)| resource).collect()
}

#[test]
fn an_exemption_is_allowed_by_a_person_warned_of_and_gone_when_it_ends() {
    let folder = Folder::applied();
    let resource = cluster(&folder);
    exempt(&folder, &[entry(&resource, "2027-01-31", ", ticket: OPS-7")]);
    assert_eq!(outline(&folder.plan("dev")), ["create policyExemption weakens"]);
    folder.run("apply dev --sandbox --yes").expect(3).says(&[
        "create policy exemption",
        "legacy node agents",
        "--allow-weakening pod-security",
    ]);
    assert_eq!(exemptions(&folder), [] as [Value; 0]);
    folder
        .run("apply dev --sandbox --yes --allow-weakening pod-security --reason why")
        .expect(0);
    let live = &exemptions(&folder)[0]["properties"];
    assert_eq!(live["exemptionCategory"], "Waiver");
    assert_eq!(live["expiresOn"], "2027-01-31T00:00:00Z");
    assert_eq!(live["metadata"]["ticket"], "OPS-7");
    assert!(live["policyAssignmentId"].as_str().unwrap().contains("/pod-secur-00-"));
    assert!(folder.is_settled("dev"));
    assert!(!folder.run("plan dev --sandbox").expect(0).stdout.contains("ends in"));

    folder.run("sandbox advance 20d").expect(0);
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["ends in 6d", "OPS-7"]);
    // A shorter one tightens, a longer one weakens.
    exempt(&folder, &[entry(&resource, "2027-01-30", ", ticket: OPS-7")]);
    assert_eq!(outline(&folder.plan("dev")), ["update policyExemption tightens"]);
    exempt(&folder, &[entry(&resource, "2027-06-30", ", ticket: OPS-7")]);
    assert_eq!(outline(&folder.plan("dev")), ["update policyExemption weakens"]);

    exempt(&folder, &[entry(&resource, "2027-01-31", ", ticket: OPS-7")]);
    folder.run("sandbox advance 7d").expect(0);
    let run = folder.run("plan dev --sandbox").expect(0);
    run.prints(&["expired on 2027-01-31"]);
    assert_eq!(outline(&folder.plan("dev")), ["delete policyExemption tightens"]);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(exemptions(&folder), [] as [Value; 0]);
    assert!(folder.is_settled("dev"), "what has expired is not made again");
}

#[test]
fn an_exemption_that_left_the_estate_is_deleted_and_one_of_others_is_not() {
    let folder = Folder::applied();
    let resource = cluster(&folder);
    exempt(&folder, &[entry(&resource, "2027-06-30", "")]);
    let found = folder.resources(|id, _| id.contains("policyassignments/pod-secur-00-"));
    let theirs = format!("{resource}/providers/Microsoft.Authorization/policyExemptions/by-hand");
    let mut state = folder.state();
    let by_hand = json!({"id": theirs, "name": "by-hand", "type": "Microsoft.Authorization/policyExemptions",
        "properties": {"policyAssignmentId": found[0].1["id"], "exemptionCategory": "Waiver"}});
    state["resources"][theirs.to_ascii_lowercase()] = by_hand.clone();
    folder.write(".aksgate/sandbox/state.json", state.to_string());
    folder
        .run("apply dev --sandbox --yes --allow-weakening pod-security --reason why")
        .expect(0);
    assert_eq!(exemptions(&folder).len(), 2);
    let text = folder.read(DEV);
    folder.write(DEV, text.split("\nexemptions:").next().unwrap());
    assert_eq!(outline(&folder.plan("dev")), ["delete policyExemption tightens"]);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(exemptions(&folder), [by_hand]);
}

#[test]
fn an_exemption_of_a_new_gate_waits_for_its_assignment_and_follows_its_successor() {
    let folder = Folder::shipped();
    folder.run("sandbox reset").expect(0);
    let resource = cluster(&folder);
    exempt(
        &folder,
        &[entry(&resource, "2027-06-30", "").replace("pod-security", "exposure")],
    );
    let plan = folder.plan("dev");
    let steps = pending(&plan);
    let exemption = steps.iter().find(|step| step["kind"] == "policyExemption").unwrap();
    let assignment = steps
        .iter()
        .find(|step| step["kind"] == "policyAssignment" && step["gate"] == "exposure")
        .unwrap();
    assert_eq!(exemption["dependsOn"], json!([assignment["id"]]));
    folder
        .run("apply dev --sandbox --yes --allow-weakening exposure --reason why")
        .expect(0);

    let initiative = folder.read("initiatives/exposure.yaml");
    folder.write(
        "initiatives/exposure.yaml",
        format!("{initiative}\n  - ref: noLatest\n    definition: 021f8078-41a0-40e6-81b6-c6597da9f3ee\n    version: 2.*.*\n"),
    );
    assert_eq!(
        outline(&folder.plan("dev")),
        [
            "create policySetDefinition neutral",
            "replace policyAssignment tightens",
            "replace policyExemption neutral",
            "delete policyExemption tightens",
            "delete policyAssignment neutral",
            "delete policySetDefinition neutral",
        ]
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(exemptions(&folder).len(), 1);
    assert!(folder.is_settled("dev"));
}

#[test]
fn mistakes_in_exemptions_are_told_before_the_first_call() {
    let folder = Folder::shipped();
    let cluster = format!("{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/one");
    let cases = [
        (
            entry("/subscriptions/0a000000-0000-4000-8000-000000000002", "2027-06-30", ""),
            "resource outside the scope",
        ),
        (
            entry(&format!("{cluster}/namespaces/legacy"), "2027-06-30", ""),
            "it is a part of a cluster",
        ),
        (
            entry(
                &format!("{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/r"),
                "2027-06-30",
                "",
            ),
            "it is no cluster",
        ),
        (entry(&cluster, "2027-02-30", ""), "expected a day such as"),
        (entry(&cluster, "soon", ""), "expected a day such as"),
        (
            entry(&cluster, "2027-06-30", "").replace(" expires: 2027-06-30,", ""),
            "missing key",
        ),
        (
            entry(&cluster, "2027-06-30", "").replace("legacy node agents", "'  '"),
            "not only blanks",
        ),
        (
            entry(&cluster, "2027-06-30", "").replace("Waiver", "waived"),
            "`Waiver`, `Mitigated`",
        ),
        (
            entry(&cluster, "2027-06-30", "").replace("pod-security", "pod-securty"),
            "did you mean `pod-security`?",
        ),
        (entry(&cluster, "2027-06-30", ", members: [noSuch]"), "unknown member"),
        (
            entry(
                &cluster,
                "2027-06-30",
                ", members: [NoHostPathVolume, nohostpathvolume]",
            ),
            "duplicate member",
        ),
        (
            entry(&cluster, "2027-06-30", "")
                + &entry(
                    &cluster.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions"),
                    "2027-07-30",
                    "",
                ),
            "duplicate exemption",
        ),
    ];
    for (text, said) in cases {
        exempt(&folder, std::slice::from_ref(&text));
        folder.run("validate").expect(1).says(&[said, "environments/dev.yaml"]);
    }
    exempt(&folder, &[entry(SUBSCRIPTION, "2027-06-30", "")]);
    folder.run("validate").expect(0);
}

#[test]
fn an_exemption_of_a_cluster_that_is_not_there_is_held() {
    let folder = Folder::applied();
    exempt(
        &folder,
        &[entry(
            &format!("{SUBSCRIPTION}/resourceGroups/gone/providers/Microsoft.ContainerService/managedClusters/gone"),
            "2027-06-30",
            "",
        )],
    );
    let run = folder.run("plan dev --sandbox").expect(0);
    run.prints(&["exemption of gone", "there is no cluster `gone`"]);
    assert!(folder.is_settled("dev"), "what cannot be done now is held");
}
