//! Rules of our own: a change of one, and what is said of those that judge the clusters themselves.

use crate::harness::{Folder, outline, pending};

const DEV: &str = "environments/dev.yaml";

/// The names of the definitions of the rule about node ports that are in Azure.
fn definitions(folder: &Folder) -> Vec<String> {
    let found = folder.resources(|id, _| id.contains("/policydefinitions/aksgate-exposure-no-node-port-"));
    found
        .into_iter()
        .map(|(id, _)| id.rsplit('/').next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_changed_rule_has_a_successor_beside_it_and_goes_last() {
    let folder = Folder::applied();
    let before = definitions(&folder);
    assert_eq!(before.len(), 1);
    folder.edit(
        "initiatives/exposure/no-node-port.rego",
        "service_type == \"NodePort\"",
        "service_type == \"NodePort\"\n\tnot input.review.object.metadata.labels[\"node-port\"]",
    );
    let document = folder.plan("dev");
    assert_eq!(
        outline(&document),
        [
            "replace policyAssignment weakens",
            "create policyDefinition neutral",
            "create policySetDefinition neutral",
            "delete policyAssignment neutral",
            "delete policySetDefinition neutral",
            "delete policyDefinition neutral",
        ]
    );
    let steps = pending(&document);
    let id = |action: &str, kind: &str| {
        let step = steps
            .iter()
            .find(|step| step["action"] == action && step["kind"] == kind);
        step.unwrap()["id"].clone()
    };
    let waits = |step: (&str, &str), others: &[(&str, &str)]| {
        let id_of = id(step.0, step.1);
        let step = steps.iter().find(|step| step["id"] == id_of).unwrap();
        let waits_for = step["dependsOn"].as_array().unwrap();
        for (action, kind) in others {
            assert!(
                waits_for.contains(&id(action, kind)),
                "{step} does not wait for {action} {kind}"
            );
        }
    };
    waits(("create", "policySetDefinition"), &[("create", "policyDefinition")]);
    waits(("replace", "policyAssignment"), &[("create", "policySetDefinition")]);
    waits(("delete", "policyAssignment"), &[("replace", "policyAssignment")]);
    waits(("delete", "policySetDefinition"), &[("delete", "policyAssignment")]);
    waits(("delete", "policyDefinition"), &[("delete", "policySetDefinition")]);

    // With a gate named, what others may share stays; the next run takes it away.
    folder.run("apply dev --sandbox --yes").expect(3);
    assert_eq!(definitions(&folder), before);
    folder
        .run("apply dev --sandbox --yes --gate exposure --allow-weakening exposure --reason why")
        .expect(0);
    assert_eq!(definitions(&folder).len(), 2);
    assert_eq!(
        outline(&folder.plan("dev")),
        ["delete policySetDefinition neutral", "delete policyDefinition neutral"]
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    let after = definitions(&folder);
    assert_eq!(after.len(), 1);
    assert_ne!(after, before);
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_changed_rule_is_replaced_in_one_run() {
    let folder = Folder::applied();
    let before = definitions(&folder);
    let rule = "initiatives/exposure/no-node-port.rego";
    folder.write(rule, format!("{}\n# read again\n", folder.read(rule)));
    let run = folder
        .run("apply dev --sandbox --yes --allow-weakening exposure --reason why")
        .expect(0);
    let written: Vec<&str> = run
        .stderr
        .lines()
        .filter_map(|line| {
            line.split("/providers/Microsoft.Authorization/")
                .last()?
                .split('/')
                .next()
        })
        .collect();
    assert_eq!(written.last(), Some(&"policyDefinitions"), "{}", run.stderr);
    let after = definitions(&folder);
    assert_eq!(after.len(), 1);
    assert_ne!(after, before);
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_gate_on_the_clusters_themselves_says_what_its_deny_would_block() {
    let blocks = |reference: &str| {
        format!(
            "cluster-network: `{reference}` judges clusters in Azure Resource Manager: at deny, Azure refuses every update of a \
             cluster that does not comply, aksgate's own writes of add-on and sensor included"
        )
    };
    let folder = Folder::shipped();
    let gate = "gates:\n  cluster-network:\n    initiative: cluster-network\n    target: deny\n\n";
    folder.edit(DEV, "gates:\n", gate);
    let run = folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&[&blocks("networkPolicyEngine"), &blocks("privateCluster")]);
    assert!(!run.stdout.contains("`authorisedRanges` judges"), "{}", run.stdout);
    folder.edit(
        DEV,
        "initiative: cluster-network\n    target: deny",
        "initiative: cluster-network\n    target: audit",
    );
    let run = folder.run("plan dev --sandbox").expect(0);
    assert!(
        !run.stdout.contains("judges clusters in Azure Resource Manager"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_rule_that_admission_cannot_decide_is_told_and_not_sent() {
    let folder = Folder::shipped();
    let gate = "gates:\n  network-isolation:\n    initiative: network-isolation\n    target: audit\n\n";
    folder.edit(DEV, "gates:\n", gate);
    folder.run("plan dev --sandbox").expect(0).prints(&[
        "network-isolation: `namespaceNetworkPolicy` is not enforced at admission and not sent to Azure: a namespace is admitted before",
    ]);
    folder.run("apply dev --sandbox --yes").expect(0);
    let sent = folder.resources(|id, _| id.contains("namespace-network-policy"));
    assert_eq!(sent, []);
    let sets = folder.resources(|id, _| id.contains("/policysetdefinitions/aksgate-network-isolation-"));
    let members = sets[0].1["properties"]["policyDefinitions"].as_array().unwrap();
    assert_eq!(members.len(), 2);
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_new_rule_is_shown_in_short_and_whole_on_request() {
    let folder = Folder::shipped();
    let short = folder.run("plan dev --sandbox --gate exposure").expect(0);
    let short = short.prints(&[
        "      + policyRule.then.details.kinds: [\"Service\"]\n",
        " fields more, as the rule's files say; `--verbose` shows them\n",
    ]);
    assert!(!short.stdout.contains("package aksgate"), "{}", short.stdout);
    let whole = folder.run("plan dev --sandbox --gate exposure --verbose").expect(0);
    whole.prints(&["policyRule.then.details.templateInfo.rego: ", "package aksgate"]);
    let document = folder
        .run("plan dev --sandbox --gate exposure --format json")
        .expect(0)
        .json();
    assert!(
        document.to_string().contains("package aksgate"),
        "a program gets all of it"
    );
}
