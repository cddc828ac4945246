//! Gates that deploy settings: their identity, its roles, and the step from reporting to acting.

use crate::harness::{Folder, outline, pending};
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";
const WORKSPACE: &str = "/subscriptions/0a000000-0000-4000-8000-000000000002/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/fleet";

/// A sandbox whose environment `dev` is applied, and an estate with one gate more, which deploys.
fn with_fleet() -> Folder {
    let folder = Folder::applied();
    let gate = "location: westeurope\n\ngates:\n  fleet:\n    initiative: fleet-enablement\n    target: enforce\n    soak: 1d\n";
    folder.edit(DEV, "gates:\n", gate);
    folder.edit(DEV, "policyAddon: {mode: manage}", "policyAddon: {mode: policy}");
    folder
}

fn assignment(folder: &Folder) -> Value {
    let mut found = folder.resources(|id, _| id.contains("policyassignments/fleet-00-"));
    assert_eq!(found.len(), 1);
    found.remove(0).1
}

fn roles(folder: &Folder) -> Vec<Value> {
    let found = folder.resources(|id, _| id.contains("/roleassignments/"));
    found.into_iter().map(|(_, resource)| resource).collect()
}

fn role_ids(folder: &Folder) -> Vec<String> {
    let id = |role: &Value| {
        role["properties"]["roleDefinitionId"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()[..8]
            .to_owned()
    };
    let mut ids: Vec<String> = roles(folder).iter().map(id).collect();
    ids.sort();
    ids
}

#[test]
fn a_gate_that_deploys_reports_first_and_then_acts_with_the_roles_that_it_needs() {
    let folder = with_fleet();
    folder.run("validate").expect(0);
    let plan = folder.plan("dev");
    assert_eq!(
        outline(&plan),
        [
            "create policySetDefinition neutral",
            "create policyAssignment tightens",
            "create roleAssignment neutral",
            "create roleAssignment neutral",
            "create roleAssignment neutral",
            "create roleAssignment neutral",
        ]
    );
    let steps = pending(&plan);
    let of = |kind: &str| *steps.iter().find(|step| step["kind"] == kind).unwrap();
    let role = of("roleAssignment");
    assert_eq!(
        role["after"]["properties"]["principalId"],
        json!({"knownAfter": of("policyAssignment")["id"]})
    );
    assert_eq!(role["dependsOn"], json!([of("policyAssignment")["id"]]));
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["known after", "Kubernetes Agent Operator"]);

    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
    let live = assignment(&folder);
    assert_eq!(live["properties"]["enforcementMode"], "DoNotEnforce");
    assert_eq!(live["location"], "westeurope");
    assert_eq!(role_ids(&folder), ["18ed5180", "5e93ba01", "8bb6f106", "ed7f3fbd"]);
    for role in roles(&folder) {
        assert_eq!(role["properties"]["principalId"], live["identity"]["principalId"]);
        assert_eq!(role["properties"]["principalType"], "ServicePrincipal");
        assert!(
            role["properties"]["description"]
                .as_str()
                .unwrap()
                .contains("gate=fleet")
        );
    }

    let held = folder.run("plan dev --sandbox").expect(0);
    held.prints(&["fleet: enforce", "soak"]);
    folder.run("sandbox advance 25h").expect(0);
    let plan = folder.plan("dev");
    let acts: Vec<&Value> = pending(&plan)
        .into_iter()
        .filter(|step| step["gate"] == "fleet")
        .collect();
    assert_eq!(acts.len(), 1);
    assert_eq!(
        (&acts[0]["action"], &acts[0]["direction"]),
        (&json!("update"), &json!("tightens"))
    );
    folder.run("apply dev --sandbox --yes --gate fleet").expect(0);
    let acting = assignment(&folder);
    assert_eq!(acting["properties"]["enforcementMode"], "Default");
    assert_eq!(acting["identity"], live["identity"]);
    let state = acting["properties"]["metadata"]["aksgateState"].as_str().unwrap();
    assert!(state.starts_with("position=enforce; "), "{state}");
    let settled = folder.run("plan dev --sandbox --detailed-exitcode").expect(0);
    assert!(!settled.stdout.contains("changed by hand"), "{}", settled.stdout);

    // Somebody stops it; the next plan says so.
    folder.tamper(
        acting["id"].as_str().unwrap().to_ascii_lowercase().as_str(),
        |resource| resource["properties"]["enforcementMode"] = json!("DoNotEnforce"),
    );
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["does not act though its mark says otherwise"]);
}

#[test]
fn a_gate_that_goes_takes_its_own_roles_with_it_and_no_others() {
    let folder = with_fleet();
    folder.run("apply dev --sandbox --yes").expect(0);
    let principal = assignment(&folder)["identity"]["principalId"].clone();
    // A role that a person gave the same identity.
    let mut state = folder.state();
    let id = "/subscriptions/0a000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleAssignments/05c5a614-a7d6-4502-b150-c2fb455033ff";
    let role = json!({"id": id, "name": "05c5a614-a7d6-4502-b150-c2fb455033ff", "type": "Microsoft.Authorization/roleAssignments", "properties": {
        "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7", "principalId": principal,
        "scope": "/subscriptions/0a000000-0000-4000-8000-000000000001"}});
    state["resources"][id.to_ascii_lowercase()] = role.clone();
    folder.write(".aksgate/sandbox/state.json", state.to_string());
    assert!(folder.is_settled("dev"));

    folder.cut(DEV, "  fleet:", "  pod-security:");
    let plan = folder.plan("dev");
    let steps = pending(&plan);
    assert_eq!(steps.len(), 6);
    let unassign = steps.iter().find(|step| step["kind"] == "policyAssignment").unwrap();
    for step in steps.iter().filter(|step| step["kind"] == "roleAssignment") {
        assert!(
            unassign["dependsOn"].as_array().unwrap().contains(&step["id"]),
            "roles go before their assignment"
        );
    }
    folder
        .run("apply dev --sandbox --yes --allow-weakening fleet --reason why")
        .expect(0);
    assert_eq!(roles(&folder), [role]);
    assert!(folder.is_settled("dev"));
}

#[test]
fn what_stopped_between_assignment_and_roles_is_completed_by_the_next_apply() {
    let folder = with_fleet();
    folder.run("plan dev --sandbox --out first.json").expect(0);
    folder.run("apply dev --sandbox --yes").expect(0);
    // As if the run had ended before two of the roles were given.
    let mut state = folder.state();
    let resources = state["resources"].as_object_mut().unwrap();
    let gone: Vec<String> = resources
        .keys()
        .filter(|id| id.contains("/roleassignments/"))
        .take(2)
        .cloned()
        .collect();
    gone.iter().for_each(|id| drop(resources.remove(id)));
    folder.write(".aksgate/sandbox/state.json", state.to_string());
    assert_eq!(
        outline(&folder.plan("dev")),
        ["create roleAssignment neutral", "create roleAssignment neutral"]
    );
    // The first plan goes on where it stopped, though it knows no principal.
    folder.run("apply dev --sandbox --yes --plan first.json").expect(0);
    assert_eq!(roles(&folder).len(), 4);
    assert!(folder.is_settled("dev"));
}

#[test]
fn another_location_makes_a_successor_with_roles_of_its_own() {
    let folder = with_fleet();
    folder.run("apply dev --sandbox --yes").expect(0);
    let before = assignment(&folder);
    folder.edit(DEV, "location: westeurope", "location: northeurope");
    let plan = folder.plan("dev");
    let replace = pending(&plan)
        .into_iter()
        .find(|step| step["action"] == "replace")
        .unwrap();
    assert_eq!(replace["direction"], "neutral");
    assert!(replace["reason"].as_str().unwrap().contains("location"));
    folder.run("apply dev --sandbox --yes").expect(0);
    let after = assignment(&folder);
    assert_ne!(before["name"], after["name"]);
    assert_eq!(after["location"], "northeurope");
    assert_eq!(roles(&folder).len(), 4);
    assert!(
        roles(&folder)
            .iter()
            .all(|role| role["properties"]["principalId"] == after["identity"]["principalId"])
    );
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_role_is_also_given_where_a_parameter_says_so() {
    let folder = with_fleet();
    folder.edit(
        DEV,
        "    soak: 1d\n  pod-security:",
        &format!("    soak: 1d\n    parameters: {{workspace: {WORKSPACE}}}\n  pod-security:"),
    );
    let plan = folder.plan("dev");
    let roles: Vec<&Value> = pending(&plan)
        .into_iter()
        .filter(|step| step["kind"] == "roleAssignment")
        .collect();
    let beside = roles
        .iter()
        .filter(|step| step["object"].as_str().unwrap().starts_with(WORKSPACE));
    assert_eq!(beside.count(), 2, "those of the member that reports there");
    assert_eq!(roles.len(), 6);
}

#[test]
fn an_identity_of_ones_own_gets_the_same_roles() {
    let folder = with_fleet();
    let id = "/subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/fleet";
    folder.edit(
        DEV,
        "    soak: 1d\n  pod-security:",
        &format!("    soak: 1d\n    identity: {id}\n  pod-security:"),
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    let live = assignment(&folder);
    assert_eq!(live["identity"]["type"], "UserAssigned");
    let principal = &live["identity"]["userAssignedIdentities"][id]["principalId"];
    assert_eq!(roles(&folder).len(), 4);
    assert!(
        roles(&folder)
            .iter()
            .all(|role| role["properties"]["principalId"] == *principal)
    );
    assert!(folder.is_settled("dev"));
}

const USER_ASSIGNED: &str = "    identity: /subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/fleet\n";

#[test]
fn a_successor_with_the_same_user_assigned_identity_keeps_its_roles() {
    let folder = with_fleet();
    let audit = format!("    target: audit\n{USER_ASSIGNED}");
    folder.edit(DEV, "    target: enforce\n    soak: 1d\n", &audit);
    folder.run("apply dev --sandbox --yes").expect(0);
    let given = roles(&folder);
    assert_eq!(given.len(), 4);
    folder.edit(DEV, "westeurope", "northeurope");
    let plan = folder.plan("dev");
    assert_eq!(
        outline(&plan),
        ["replace policyAssignment neutral", "delete policyAssignment neutral"]
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(assignment(&folder)["location"], "northeurope");
    assert_eq!(roles(&folder), given);
    assert!(folder.is_settled("dev"));

    folder.cut(DEV, "  fleet:", "  pod-security:");
    folder
        .run("apply dev --sandbox --yes --allow-weakening fleet --reason why")
        .expect(0);
    assert!(roles(&folder).is_empty());
}

#[test]
fn gates_with_one_user_assigned_identity_share_its_roles_until_the_last_one_goes() {
    let folder = with_fleet();
    let both = format!(
        "    target: audit\n{USER_ASSIGNED}  second:\n    initiative: fleet-enablement\n    target: audit\n{USER_ASSIGNED}"
    );
    folder.edit(DEV, "    target: enforce\n    soak: 1d\n", &both);
    folder.run("apply dev --sandbox --yes").expect(0);
    let given = roles(&folder);
    assert_eq!(given.len(), 4);
    let settled = folder.run("plan dev --sandbox --detailed-exitcode").expect(0);
    assert!(!settled.stdout.contains("which is not ours"), "{}", settled.stdout);

    let fleet = "  fleet:\n    initiative: fleet-enablement\n    target: ";
    folder.edit(DEV, &format!("{fleet}audit"), &format!("{fleet}off"));
    folder
        .run("apply dev --sandbox --yes --gate fleet --allow-weakening fleet --reason why")
        .expect(0);
    assert_eq!(roles(&folder), given);
    folder.cut(DEV, "  fleet:", "  second:");
    assert!(folder.is_settled("dev"));
    folder.cut(DEV, "  second:", "  pod-security:");
    folder
        .run("apply dev --sandbox --yes --allow-weakening second --reason why")
        .expect(0);
    assert!(roles(&folder).is_empty());
    assert!(folder.is_settled("dev"));
}
