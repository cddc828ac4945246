//! What changes in the estate after a first apply: the plan of it, its direction, and that nothing is left after an apply.

use crate::harness::{Folder, outline, pending};

const DEV: &str = "environments/dev.yaml";

/// Checks the plan of a change that weakens: refused unless allowed by name, and settled after.
#[track_caller]
fn weakens(folder: &Folder, name: &str, expected: &[&str]) {
    let document = folder.plan("dev");
    assert_eq!(outline(&document), expected);
    let before = folder.resources(|_, _| true);
    let run = folder.run("apply dev --sandbox --yes").expect(3);
    assert!(
        run.stderr
            .contains("error: the plan weakens, and that was not allowed; nothing was written\n"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("`--allow-weakening "), "{}", run.stderr);
    let refused = folder.run("apply dev --sandbox --yes --format json").expect(3).json();
    assert_eq!(refused["outcome"], "refused");
    folder
        .run("apply dev --sandbox --yes --allow-weakening another-gate --reason why")
        .expect(3);
    assert_eq!(before, folder.resources(|_, _| true), "nothing was written");
    folder
        .run(&format!(
            "apply dev --sandbox --yes --allow-weakening {name} --reason why"
        ))
        .expect(0);
    assert!(folder.is_settled("dev"));
}

/// Checks the plan of a change that does not weaken: applied as it is, and settled after.
#[track_caller]
fn does_not_weaken(folder: &Folder, expected: &[&str]) {
    assert_eq!(outline(&folder.plan("dev")), expected);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
}

#[test]
fn an_excluded_namespace_weakens_and_its_removal_tightens() {
    let folder = Folder::applied();
    folder.edit(DEV, "[ingress]", "[ingress, monitoring]");
    folder.run("plan dev --sandbox").expect(0).prints(&[
        "  ~ update policy assignment exposure-00-",
        "  WEAKENS\n",
        "      ~ parameters.excludedNamespaces.value:\n      +   \"monitoring\"\n",
        " 1 step WEAKENS.\n",
    ]);
    weakens(&folder, "exposure", &["update policyAssignment weakens"]);
    folder.edit(DEV, "[ingress, monitoring]", "[ingress]");
    does_not_weaken(&folder, &["update policyAssignment tightens"]);
}

#[test]
fn a_namespace_excluded_for_all_gates_weakens_each_of_them() {
    let folder = Folder::applied();
    folder.edit("aksgate.yaml", "[cert-manager]", "[cert-manager, monitoring]");
    assert_eq!(outline(&folder.plan("dev")), ["update policyAssignment weakens"; 4]);
    folder
        .run("apply dev --sandbox --yes --allow-weakening exposure --allow-weakening pod-security --reason why")
        .expect(3)
        .says(&["image-gov-00-", "pod-secur-00-"]);
    folder
        .run(
            "apply dev --sandbox --yes --allow-weakening exposure --allow-weakening pod-security \
             --allow-weakening pod-security-restricted --allow-weakening image-governance --reason why --max-share 40%",
        )
        .expect(0);
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_member_more_gives_a_successor_before_the_predecessor_goes() {
    let folder = Folder::applied();
    let text = folder.read("initiatives/exposure.yaml");
    let member = "\n  - ref: noNakedPods\n    definition: 65280eef-c8b4-425e-9aec-af55e55bf581\n    version: 2.*.*\n";
    folder.write("initiatives/exposure.yaml", text + member);
    let document = folder.plan("dev");
    assert_eq!(
        outline(&document),
        [
            "create policySetDefinition neutral",
            "replace policyAssignment tightens",
            "delete policyAssignment neutral",
            "delete policySetDefinition neutral"
        ]
    );
    let steps = pending(&document);
    let waits_for = |step: usize, other: usize| {
        let other = &steps[other]["id"];
        steps[step]["dependsOn"].as_array().unwrap().contains(other)
    };
    assert!(waits_for(1, 0) && waits_for(2, 1) && waits_for(3, 2) && waits_for(3, 1));
    let run = folder.run("apply dev --sandbox --yes").expect(0);
    let order: Vec<&str> = run
        .stderr
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(order, ["create", "replace", "delete", "delete"], "{}", run.stderr);
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_member_less_weakens() {
    let folder = Folder::applied();
    folder.cut(
        "initiatives/exposure.yaml",
        "  - ref: httpsIngress",
        "  - ref: allowedServicePorts",
    );
    weakens(
        &folder,
        "exposure",
        &[
            "replace policyAssignment weakens",
            "create policySetDefinition neutral",
            "delete policyAssignment neutral",
            "delete policySetDefinition neutral",
        ],
    );
}

#[test]
fn a_gate_that_is_taken_out_is_deleted_and_that_weakens() {
    let folder = Folder::applied();
    folder.cut(DEV, "  exposure:", "# Microsoft Defender");
    weakens(
        &folder,
        "exposure",
        &[
            "delete policyAssignment weakens",
            "delete policySetDefinition neutral",
            "delete policyDefinition neutral",
        ],
    );
    assert_eq!(folder.resources(|id, _| id.contains("exposure")), []);
}

#[test]
fn a_gate_with_target_off_is_deleted_and_that_weakens() {
    let folder = Folder::applied();
    let text = folder.read(DEV);
    folder.write(DEV, text.replacen("target: deny", "target: off", 1));
    weakens(&folder, "pod-security", &["delete policyAssignment weakens"]);
}

#[test]
fn a_defender_extension_that_goes_off_weakens() {
    let folder = Folder::applied();
    folder.edit(DEV, "ContainerSensor: true", "ContainerSensor: false");
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["      ~ extensions.ContainerSensor: true -> false\n"]);
    let plan = "/subscriptions/0a000000-0000-4000-8000-000000000001/providers/Microsoft.Security/pricings/Containers";
    weakens(&folder, plan, &["update defenderPlan weakens"]);
}

#[test]
fn what_is_no_longer_stated_of_defender_and_clusters_stays_as_it_is() {
    let folder = Folder::applied();
    folder.cut(DEV, "defender:", "# Without the Azure Policy add-on");
    let text = folder.read(DEV);
    folder.write(DEV, text.replace("clusters:\n  policyAddon: {mode: manage}\n", ""));
    assert!(folder.is_settled("dev"));
    let pricing = "subscriptions/0a000000-0000-4000-8000-000000000001/providers/microsoft.security/pricings/containers";
    let found = folder.resources(|id, _| id.ends_with(pricing));
    assert_eq!(found[0].1["properties"]["pricingTier"], "Standard");
}

#[test]
fn another_builtin_cannot_be_compared_and_counts_as_weakening() {
    let folder = Folder::applied();
    let file = "initiatives/pod-security-baseline.yaml";
    folder.edit(
        file,
        "a8640138-9b0a-4a28-b8cb-1666c838647d",
        "42b8ef37-b724-4e24-bbc8-7a7708edfe00",
    );
    folder.edit(file, "version: 1.*.*", "version: 2.*.*");
    weakens(
        &folder,
        "pod-security",
        &["replace policyAssignment weakens", "delete policyAssignment neutral"],
    );
}

#[test]
fn other_words_and_other_comments_weaken_nothing() {
    let folder = Folder::applied();
    folder.edit(
        "initiatives/exposure.yaml",
        "# What can be reached",
        "# All that can be reached",
    );
    assert!(folder.is_settled("dev"), "a comment is no change");
    folder.edit("initiatives/exposure.yaml", "and nothing listens", "nothing listens");
    let changed = outline(&folder.plan("dev"));
    assert!(
        !changed.is_empty() && changed.iter().all(|step| !step.contains("weakens")),
        "{changed:?}"
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
}

#[test]
fn the_order_of_files_and_keys_is_no_change() {
    let folder = Folder::applied();
    let text = folder.read(DEV);
    let (start, end) = (
        text.find("  exposure:").unwrap(),
        text.find("# Microsoft Defender").unwrap(),
    );
    let gate = text[start..end].to_owned();
    let without = format!("{}{}", &text[..start], &text[end..]);
    folder.write(DEV, without.replacen("gates:\n", &format!("gates:\n{gate}"), 1));
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_change_to_one_gate_can_be_applied_alone() {
    let folder = Folder::applied();
    folder.edit(DEV, "[ingress]", "[]");
    folder.edit(DEV, "ContainerSensor: true", "ContainerSensor: false");
    folder.run("apply dev --sandbox --yes --gate exposure").expect(0);
    assert_eq!(outline(&folder.plan("dev")), ["update defenderPlan weakens"]);
}
