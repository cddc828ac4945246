//! Defender for Containers: the plan of a subscription, and the gate whose switch it holds.

use crate::harness::{Folder, outline};
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";
const GATE: &str = "initiatives/vulnerable-images.yaml";
const MODE: &str = "mode: manage # `require` if another tool writes it";
const SENSOR: &str = "      ContainerSensor: true\n";

fn pricing(folder: &Folder, plan: &str) -> Value {
    let end = format!("0a000000-0000-4000-8000-000000000001/providers/microsoft.security/pricings/{plan}");
    let mut found = folder.resources(|id, _| id.ends_with(&end));
    assert_eq!(found.len(), 1, "{end}");
    found.remove(0).1["properties"].clone()
}

fn tamper(folder: &Folder, plan: &str, change: impl FnOnce(&mut Value)) {
    let end = format!("0a000000-0000-4000-8000-000000000001/providers/microsoft.security/pricings/{plan}");
    folder.tamper(&end, |resource| change(&mut resource["properties"]));
}

fn extension<'a>(properties: &'a Value, name: &str) -> &'a Value {
    let list = properties["extensions"].as_array().unwrap();
    list.iter().find(|extension| extension["name"] == name).unwrap()
}

/// The shipped estate with a gate of gated deployment in dev.
fn gated(target: &str) -> Folder {
    let folder = Folder::shipped();
    folder.write(GATE, "displayName: Vulnerable images\ndefender: gatedDeployment\n");
    let gate = format!("gates:\n  vulnerable-images:\n    initiative: vulnerable-images\n    target: {target}\n\n");
    folder.edit(DEV, "gates:\n", &gate);
    folder.edit(
        DEV,
        SENSOR,
        &format!("{SENSOR}      ContainerIntegrityContribution: true\n"),
    );
    folder
}

#[test]
fn a_plan_that_is_turned_on_is_a_billing_change_and_then_nothing_is_left_to_do() {
    let folder = Folder::shipped();
    let properties = "    extensionProperties:\n      ContainerSensor: {AntiMalwareEnabled: true}\n    enforce: true\n";
    folder.edit(DEV, "    extensions:\n", &format!("{properties}    extensions:\n"));
    folder.run("plan dev --sandbox --quiet").expect(0);
    tamper(&folder, "kubernetesservice", |plan| {
        plan["pricingTier"] = json!("Standard")
    });
    let run = folder.run("plan dev --sandbox").expect(0).prints(&[
        "      because Free to Standard is a billing change: Azure bills this plan per vCore of the clusters' nodes, about 60 now in 2 AKS clusters\n",
        "      ~ extensions.ContainerSensor: false -> true\n",
        "      + extensionSettings: {\"ContainerSensor\": {\"AntiMalwareEnabled\": \"true\"}}\n",
        "      + enforce: true\n",
        "  contoso-dev: Free to Standard is a billing change: ",
        "  contoso-dev: the plan `KubernetesService` is on: it is an old one that Azure has replaced by `Containers`; aksgate leaves it alone",
    ]);
    assert!(!run.stdout.contains("AgentlessVmScanning"), "{}", run.stdout);
    folder.run("apply dev --sandbox --yes").expect(0);
    let plan = pricing(&folder, "containers");
    assert_eq!(
        (&plan["pricingTier"], &plan["enforce"]),
        (&json!("Standard"), &json!("True"))
    );
    let sensor = extension(&plan, "ContainerSensor");
    assert_eq!(
        sensor["additionalExtensionProperties"],
        json!({"AntiMalwareEnabled": "True"})
    );
    assert_eq!(extension(&plan, "AgentlessVmScanning")["isEnabled"], "False");
    assert_eq!(pricing(&folder, "kubernetesservice")["pricingTier"], "Standard");
    assert!(folder.is_settled("dev"));
    let settled = folder.run("plan dev --sandbox").expect(0);
    assert!(!settled.stdout.contains("billing"), "{}", settled.stdout);
}

#[test]
fn what_the_estate_does_not_state_is_carried_through() {
    let folder = Folder::applied();
    let odd = json!({"InstallationMethod": "AKSAddon", "AutoProvisioning": "true", "Number": 7});
    tamper(&folder, "containers", |plan| {
        let list = plan["extensions"].as_array_mut().unwrap();
        let sensor = list
            .iter_mut()
            .find(|extension| extension["name"] == "ContainerSensor")
            .unwrap();
        sensor["additionalExtensionProperties"] = odd.clone();
        plan["resourcesCoverageStatus"] = json!("PartiallyCovered");
    });
    assert!(folder.is_settled("dev"), "settings that nobody states are no change");
    folder.edit(DEV, SENSOR, &format!("{SENSOR}      AgentlessVmScanning: true\n"));
    assert_eq!(outline(&folder.plan("dev")), ["update defenderPlan tightens"]);
    folder
        .run("apply dev --sandbox --yes")
        .expect(0)
        .prints(&["the plan is on, but its coverage is `PartiallyCovered`"]);
    let plan = pricing(&folder, "containers");
    assert_eq!(
        extension(&plan, "ContainerSensor")["additionalExtensionProperties"],
        odd
    );
    assert_eq!(extension(&plan, "AgentlessVmScanning")["isEnabled"], "True");
    assert!(folder.is_settled("dev"));
}

#[test]
fn what_another_tool_writes_is_checked_and_never_written() {
    let folder = Folder::shipped();
    folder.run("plan dev --sandbox --quiet").expect(0);
    let before = pricing(&folder, "containers");
    for (mode, told) in [
        ("require", "`mode: require` never writes it"),
        ("policy", "nobody sees to it"),
    ] {
        let text = folder.read(DEV);
        folder.edit(DEV, MODE, &format!("mode: {mode}"));
        let run = folder.run("apply dev --sandbox --yes").expect(0);
        run.prints(&[
            "contoso-dev: `pricingTier` is \"Free\" and is required to be \"Standard\"",
            told,
        ]);
        assert_eq!(pricing(&folder, "containers"), before);
        assert!(folder.is_settled("dev"));
        folder.write(DEV, text);
    }
}

#[test]
fn an_extension_that_azure_does_not_take_fails_the_step_and_stays_pending() {
    let folder = Folder::applied();
    folder.edit(DEV, SENSOR, &format!("{SENSOR}      ContainerSensors: true\n"));
    folder.run("validate").expect(0).says(&[
        "warning: unknown extension",
        "did you mean `ContainerSensor`? it is sent as it stands",
    ]);
    folder.run("apply dev --sandbox --yes").expect(4).says(&[
        "failed  update Defender plan",
        "extension `ContainerSensors`: Failed: The extension 'ContainerSensors' is not part of the plan 'Containers'",
    ]);
    assert_eq!(
        extension(&pricing(&folder, "containers"), "ContainerSensor")["isEnabled"],
        "True"
    );
    assert!(!folder.is_settled("dev"));
    // What is live and failed is told too.
    tamper(&folder, "containers", |plan| {
        plan["extensions"][0]["operationStatus"] = json!({"code": "Failed", "message": "no role"});
    });
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["does not work, though it may say that it is on: Failed: no role"]);
}

#[test]
fn gated_deployment_is_a_gate_whose_switch_the_plan_holds() {
    let folder = gated("deny");
    folder.run("validate").expect(1).says(&[
        "error: target out of reach",
        "write `audit`, which turns the gate on; each rule says what it denies",
    ]);
    folder.edit(
        DEV,
        "target: deny\n\n  pod-security:",
        "target: audit\n\n  pod-security:",
    );
    folder.run("render dev --gate vulnerable-images").expect(0).prints(&[
        "\"SecurityGatingEnabled\": \"True\"",
        "/providers/Microsoft.Security/pricings/Containers",
    ]);
    folder
        .run("plan dev --sandbox --gate vulnerable-images")
        .expect(0)
        .prints(&[
            "Plan: 0 to create, 1 to update, 0 to replace, 0 to delete",
            "vulnerable-images: gated deployment is off in `contoso-dev`, where the plan is off",
            "which aksgate does not read",
            "with `--gate` the plan is looked at as a whole",
        ]);
    folder
        .run("apply dev --sandbox --yes --gate vulnerable-images")
        .expect(0);
    let plan = pricing(&folder, "containers");
    let properties = &extension(&plan, "ContainerSensor")["additionalExtensionProperties"];
    assert_eq!(*properties, json!({"SecurityGatingEnabled": "True"}));
    assert_eq!(
        folder.resources(|id, _| id.contains("policyassignments/vulnerable")),
        []
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["vulnerable-images: gated deployment is on in `contoso-dev`\n"]);

    // A gate that is no longer spoken of stays as it is; one that is to be off opens, and that weakens.
    let text = folder.read(DEV);
    folder.cut(DEV, "  vulnerable-images:", "  pod-security:");
    folder.remove(GATE);
    assert!(folder.is_settled("dev"));
    folder.run("plan dev --sandbox").expect(0).prints(&[
        "contoso-dev: gated deployment is on, and no gate asks for it; it stays on, and a gate with `target: off` turns it off\n",
    ]);
    folder.write(GATE, "displayName: Vulnerable images\ndefender: gatedDeployment\n");
    folder.write(
        DEV,
        text.replace("target: audit\n\n  pod-security:", "target: off\n\n  pod-security:"),
    );
    assert_eq!(outline(&folder.plan("dev")), ["update defenderPlan weakens"]);
    folder.run("apply dev --sandbox --yes").expect(3);
}
