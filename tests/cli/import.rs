//! `import`: a brownfield as files, and a plan of them that is empty.

use super::forms;
use super::harness::{Folder, outline};
use serde_json::{Value, json};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const DEV: &str = "subscriptions/0a000000-0000-4000-8000-000000000001";
const BASELINE: &str = "a8640138-9b0a-4a28-b8cb-1666c838647d";

fn import(folder: &Folder, environment: &str, scope: &str, more: &str) -> super::harness::Run {
    folder.run(&format!("import {environment} --scope {scope} --sandbox {more}"))
}

/// Puts an object into the sandbox that somebody else made.
fn put(folder: &Folder, id: &str, kind: &str, properties: Value) {
    let mut state = folder.state();
    let name = id.rsplit('/').next().unwrap();
    state["resources"][id.to_ascii_lowercase()] =
        json!({"id": id, "name": name, "type": kind, "properties": properties});
    folder.write(".aksgate/sandbox/state.json", state.to_string());
}

fn assign(folder: &Folder, name: &str, properties: Value) {
    let id = format!("/{DEV}/providers/Microsoft.Authorization/policyAssignments/{name}");
    put(folder, &id, "Microsoft.Authorization/policyAssignments", properties);
}

#[test]
fn an_import_of_the_seeded_sandbox_has_an_empty_plan() {
    let folder = Folder::empty();
    let line = format!("import dev --scope {DEV} --sandbox --tenant {TENANT} --owner platform");
    forms::check(&folder, "import", &line, 0);
    let run = import(&folder, "dev", DEV, &format!("--tenant {TENANT} --owner platform")).expect(0);
    run.prints(&[
        "aksgate.yaml",
        "environments/dev.yaml",
        "Not in these files",
        "the plan of `dev` is empty",
    ]);
    import(
        &folder,
        "prod",
        "managementGroups/contoso-prod",
        &format!("--tenant {TENANT}"),
    )
    .expect(0);
    folder.run("validate").expect(0);
    for environment in ["dev", "prod"] {
        assert!(
            folder.is_settled(environment),
            "{}",
            folder.read(&format!("environments/{environment}.yaml"))
        );
    }
}

#[test]
fn assignments_of_others_become_gates_at_off() {
    let folder = Folder::shipped();
    folder.run("plan dev --sandbox").expect(0);
    for file in [
        "environments/dev.yaml",
        "environments/prod.yaml",
        "environments/test.yaml",
    ] {
        folder.remove(file);
    }
    assign(
        &folder,
        "baseline",
        json!({
            "displayName": "Pods: the baseline!",
            "policyDefinitionId": format!("/providers/Microsoft.Authorization/policySetDefinitions/{BASELINE}"),
            "definitionVersion": "1.*.*",
            "enforcementMode": "Default",
            "parameters": {"effect": {"value": "Deny"}, "excludedNamespaces": {"value": ["kube-system", "legacy"]}},
            "notScopes": [format!("/{DEV}/resourceGroups/x")],
        }),
    );
    assign(
        &folder,
        "no-latest",
        json!({
            "policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/021F8078-41A0-40E6-81B6-C6597DA9F3EE",
            "parameters": {"effect": {"value": "Audit"}},
        }),
    );
    assign(
        &folder,
        "tags",
        json!({"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/1e30110a-5ceb-460c-a204-c1c3969c6d62"}),
    );
    let set = format!("/{DEV}/providers/Microsoft.Authorization/policySetDefinitions/mine");
    put(
        &folder,
        &set,
        "Microsoft.Authorization/policySetDefinitions",
        json!({
            "displayName": "Mine", "policyType": "Custom",
            "parameters": {"policies": {"type": "Array", "defaultValue": ["Always"]}},
            "policyDefinitions": [{
                "policyDefinitionReferenceId": "pull", "definitionVersion": "3.*.*",
                "policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/50c83470-d2f0-4dda-a716-1938a4825f62",
                "parameters": {"allowedPullPolicy": {"value": "[parameters('policies')]"}},
            }],
        }),
    );
    assign(&folder, "custom", json!({"policyDefinitionId": set, "parameters": {}}));
    let found = import(&folder, "dev", DEV, "--format json").expect(0).json();
    let names: Vec<&str> = found["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| gate["assignment"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["baseline", "custom", "no-latest"], "{found:#}");
    let left = found["left"].to_string();
    for expected in ["`notScopes` are not carried over", "assignment `tags`"] {
        assert!(left.contains(expected), "{expected}: {left}");
    }
    let text = folder.read("environments/dev.yaml");
    for expected in [
        "pods-the-baseline:\n",
        "target: \"off\"",
        "excludeNamespaces: [\"legacy\"]",
        "effect Deny",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(folder.read("initiatives/pods-the-baseline.yaml").contains(BASELINE));
    assert!(
        folder
            .read("initiatives/mine.yaml")
            .contains("\"allowedPullPolicy\": [\"Always\"]")
    );
    assert!(folder.is_settled("dev"));
    // Raising a target is all that it takes.
    let text = text.replacen("target: \"off\"", "target: audit", 3);
    folder.write("environments/dev.yaml", text);
    let steps = outline(&folder.plan("dev"));
    assert_eq!(
        steps
            .iter()
            .filter(|step| step.starts_with("create policyAssignment"))
            .count(),
        3,
        "{steps:#?}"
    );
}

#[test]
fn nothing_is_written_over_and_what_is_missing_is_said() {
    let folder = Folder::shipped();
    let before = folder.read("environments/dev.yaml");
    import(&folder, "dev", DEV, "")
        .expect(1)
        .says(&["`environments/dev.yaml` is there already"]);
    assert_eq!(folder.read("environments/dev.yaml"), before);
    import(&folder, "new", DEV, "").expect(1).says(&["overlapping"]);
    import(&folder, "new", DEV, "--owner me")
        .expect(64)
        .says(&["leave `--owner` out"]);
    assert!(!folder.exists("environments/new.yaml"));
    let empty = Folder::empty();
    import(&empty, "dev", DEV, "")
        .expect(64)
        .says(&["`--owner` and `--tenant` are needed"]);
    import(
        &empty,
        "dev",
        "subscriptions/x",
        &format!("--tenant {TENANT} --owner a"),
    )
    .expect(1)
    .says(&["scope"]);
    assert!(!empty.exists("aksgate.yaml"));
}

#[test]
fn what_aksgate_wrote_itself_is_left_to_its_estate() {
    let folder = Folder::applied();
    for file in [
        "environments/dev.yaml",
        "environments/prod.yaml",
        "environments/test.yaml",
    ] {
        folder.remove(file);
    }
    let found = import(&folder, "other", DEV, "").expect(0);
    found.prints(&["is written by aksgate already, for environment `dev` of `contoso-platform`"]);
}
