//! `aksgate render`

use crate::harness::Folder;
use serde_json::Value;
use std::fs;

fn names(folder: &Folder, dir: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path(dir))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_document_is_printed_without_a_call() {
    let folder = Folder::shipped();
    let run = folder.run("render prod").expect(0);
    let titles: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("# ")).collect();
    insta::assert_snapshot!(titles.join("\n"), @r"
    # policy definition /providers/Microsoft.Management/managementGroups/contoso-prod/providers/Microsoft.Authorization/policyDefinitions/aksgate-exposure-no-node-port-webxgmeenb
    # policy set definition /providers/Microsoft.Management/managementGroups/contoso-prod/providers/Microsoft.Authorization/policySetDefinitions/aksgate-exposure-hrgqlovf5e
    # policy set definition /providers/Microsoft.Management/managementGroups/contoso-prod/providers/Microsoft.Authorization/policySetDefinitions/aksgate-image-governance-yqycyry5op
    # policy assignment /providers/Microsoft.Management/managementGroups/contoso-prod/providers/Microsoft.Authorization/policyAssignments/exposure-00-6j473lljnq
    # policy assignment /providers/Microsoft.Management/managementGroups/contoso-prod/providers/Microsoft.Authorization/policyAssignments/image-gov-00-zachanb2mu
    # policy assignment /providers/Microsoft.Management/managementGroups/contoso-prod/providers/Microsoft.Authorization/policyAssignments/pod-secur-00-okw4tty5k4
    # Defender plan /subscriptions/{subscriptionId}/providers/Microsoft.Security/pricings/Containers
    # AKS cluster /subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.ContainerService/managedClusters/{cluster}
    ");
    assert!(!folder.exists(".aksgate"), "nothing was called");
}

#[test]
fn documents_as_json_are_those_of_the_plan() {
    let folder = Folder::shipped();
    let rendered = folder.run("render dev --format json").expect(0).json();
    assert_eq!(rendered["formatVersion"], 1);
    let plan = folder.plan("dev");
    let documents = rendered["documents"].as_array().unwrap();
    let mut compared = 0;
    for step in plan["plan"]["steps"].as_array().unwrap() {
        if step["kind"] != "policyAssignment" {
            continue;
        }
        let document = documents
            .iter()
            .find(|document| document["id"] == step["object"])
            .unwrap();
        assert_eq!(
            document["body"]["properties"]["parameters"],
            step["after"]["properties"]["parameters"]
        );
        compared += 1;
    }
    assert_eq!(compared, 4);
}

#[test]
fn a_gate_can_be_rendered_alone() {
    let folder = Folder::shipped();
    let rendered = folder.run("render dev --gate exposure --format json").expect(0).json();
    let documents = rendered["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 3);
    assert!(documents.iter().all(|document| document["gate"] == "exposure"));
    folder
        .run("render dev --gate nowhere")
        .expect(1)
        .says(&["has no gate `nowhere`"]);
    folder
        .run("render nowhere")
        .expect(1)
        .says(&["error: no environment `nowhere`"]);
}

#[test]
fn documents_are_written_one_a_file_and_again_over_the_old_ones() {
    let folder = Folder::shipped();
    let run = folder.run("render dev --out rendered/dev").expect(0);
    assert_eq!(run.stdout, "");
    let files = names(&folder, "rendered/dev");
    insta::assert_snapshot!(files.join("\n"), @r"
    defenderPlan.0a000000-0000-4000-8000-000000000001.json
    managedCluster._cluster_.json
    policyAssignment.exposure-00-6cjrcavf33.json
    policyAssignment.image-gov-00-g634bq3a4z.json
    policyAssignment.pod-secur-00-brzahxembs.json
    policyAssignment.pod-secur-00-robrpxsswh.json
    policyDefinition.aksgate-exposure-no-node-port-y7xkgu2up7.json
    policySetDefinition.aksgate-exposure-zoqkfgb4eu.json
    policySetDefinition.aksgate-image-governance-zk2dlca3cc.json
    ");
    for name in &files {
        assert!(run.stderr.contains(name.as_str()), "{name}");
        let document: Value = serde_json::from_str(&folder.read(&format!("rendered/dev/{name}"))).unwrap();
        assert!(document["properties"].is_object(), "{name}");
    }
    let one = format!("rendered/dev/{}", files[0]);
    let whole = folder.read(&one);
    folder.write(&one, "old");
    folder.run("render dev --out rendered/dev").expect(0);
    assert_eq!(folder.read(&one), whole);
    assert_eq!(names(&folder, "rendered/dev"), files, "no temporary file is left");
}

#[test]
fn a_template_of_the_estate_is_used() {
    let folder = Folder::shipped();
    let file = "templates/policyAssignment.json.hbs";
    let text = folder.read(file);
    let changed = text.replacen("\"displayName\": \"", "\"displayName\": \"Contoso: ", 1);
    assert_ne!(text, changed);
    folder.write(file, changed);
    folder
        .run("render dev --gate exposure")
        .expect(0)
        .prints(&["\"displayName\": \"Contoso: exposure (dev)\""]);
}

#[test]
fn a_template_that_lacks_a_value_fails_with_its_line() {
    let folder = Folder::shipped();
    let file = "templates/policyAssignment.json.hbs";
    let text = folder.read(file);
    folder.write(
        file,
        text.replacen("\"displayName\": \"", "\"displayName\": \"{{nowhere}}", 1),
    );
    let run = folder.run("render dev --gate exposure").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: the documents cannot be rendered
      templates/policyAssignment.json.hbs:4:21: `nowhere` is missing
    ");
    folder.run("plan dev --sandbox").expect(1).says(&["nowhere"]);
}
