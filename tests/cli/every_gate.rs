//! Every initiative that this project brings, as a gate: valid, planned, applied, and nothing left to do after.

use crate::harness::{Folder, outline, pending, root};
use std::collections::BTreeMap;

const DEV: &str = "environments/dev.yaml";
const SCOPE: &str = "scope: subscriptions/0a000000-0000-4000-8000-000000000001\n";
const LOCATION: &str = "location: westeurope\n";
const DEFENDER: &str = "defender:\n  containers:\n    mode: manage\n    tier: Standard\n    extensions:\n      ContainerSensor: true\n      ContainerIntegrityContribution: true\n      ContainerRegistriesVulnerabilityAssessments: true\n";

/// What a gate with an initiative needs.
struct Needs {
    /// The furthest stage that it offers.
    target: &'static str,
    parameters: &'static str,
    /// What its environment has to say besides.
    environment: &'static str,
}

fn needs(initiative: &str) -> Needs {
    let (target, parameters, environment) = match initiative {
        "cluster-network"
        | "exposure"
        | "network-isolation"
        | "pod-security-baseline"
        | "pod-security-restricted"
        | "supply-chain" => ("deny", "", ""),
        "fleet-enablement" => ("enforce", "", LOCATION),
        "image-governance" => ("deny", "{trustedImages: [contoso.azurecr.io]}", ""),
        "resource-hygiene" => ("deny", "{cpuLimit: 2000m, memoryLimit: 4Gi}", ""),
        "vulnerable-images" => ("audit", "", DEFENDER),
        _ => panic!("say here what `{initiative}` needs"),
    };
    Needs {
        target,
        parameters,
        environment,
    }
}

/// The initiatives of the repository.
fn initiatives() -> Vec<String> {
    let files = std::fs::read_dir(root().join("initiatives")).unwrap();
    let paths = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let mut names: Vec<String> = paths
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    names
}

/// The repository's estate, with these gates alone in dev.
fn with(initiatives: &[String]) -> Folder {
    let folder = Folder::shipped();
    let needs: BTreeMap<&String, Needs> = initiatives.iter().map(|name| (name, needs(name))).collect();
    let mut text = SCOPE.to_owned();
    for part in [LOCATION, DEFENDER] {
        if needs.values().any(|needs| needs.environment == part) {
            text.push_str(part);
        }
    }
    text.push_str("gates:\n");
    for (name, needs) in needs {
        text.push_str(&format!(
            "  {name}:\n    initiative: {name}\n    target: {}\n",
            needs.target
        ));
        if !needs.parameters.is_empty() {
            text.push_str(&format!("    parameters: {}\n", needs.parameters));
        }
    }
    folder.write(DEV, text);
    folder
}

/// Plans, applies and plans again; returns what the first plan said.
#[track_caller]
fn applied_and_settled(folder: &Folder) -> Vec<String> {
    folder.run("validate").expect(0).prints(&["The estate is valid"]);
    let plan = folder.plan("dev");
    let steps = outline(&plan);
    assert!(!steps.is_empty());
    for step in pending(&plan) {
        let expected = if step["kind"] == "defenderPlan" {
            "update"
        } else {
            "create"
        };
        assert_eq!(step["action"], expected, "{step}");
        assert_ne!(step["direction"], "weakens", "{step}");
    }
    folder.run("apply dev --sandbox --yes").expect(0);
    folder.run("plan dev --sandbox --detailed-exitcode").expect(0);
    steps
}

#[test]
fn each_gate_is_applied_and_then_nothing_is_left_to_do() {
    for name in initiatives() {
        let steps = applied_and_settled(&with(std::slice::from_ref(&name)));
        let kinds = |kind: &str| steps.iter().filter(|step| step.contains(kind)).count();
        let assigned = usize::from(name != "vulnerable-images");
        assert_eq!(kinds(" policyAssignment "), assigned, "{name}: {steps:?}");
        // A rule that is not enforceable is not written.
        let rules = match name.as_str() {
            "cluster-network" | "exposure" | "network-isolation" | "supply-chain" => 1,
            _ => 0,
        };
        assert_eq!(kinds(" policyDefinition "), rules, "{name}: {steps:?}");
    }
}

#[test]
fn all_gates_together_are_applied_and_then_nothing_is_left_to_do() {
    let names = initiatives();
    let steps = applied_and_settled(&with(&names));
    let assigned = steps.iter().filter(|step| step.contains(" policyAssignment ")).count();
    assert_eq!(assigned, names.len() - 1, "{steps:?}");
}
