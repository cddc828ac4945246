//! What clusters enforce, from the assignment to the verdict.

use serde_json::{Value, json};

use super::super::testing::{BASELINE, Client, DEV, GROUP, PROD, TEST};
use super::admission::{Verdict, admit};
use super::constraint::Action;
use super::judge::request;
use super::scope::Cluster;

const DEFINITIONS: &str = "/providers/Microsoft.Authorization/policyDefinitions";
const NO_PRIVILEGE: &str = "95edb821-ddaf-4404-9732-666045e056b4";

fn pod(namespace: &str, privileged: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "contoso.azurecr.io/shop/api:1.0.0", "securityContext": {"privileged": privileged}}]},
    })
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "shop"},
        "spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": "d"}}, "spec": pod("shop", true)["spec"]}},
    })
}

fn asked(client: &Client, cluster: &str, object: &Value) -> Verdict {
    let state = &client.sandbox.state;
    let mut all = state.of_type("microsoft.containerservice/managedclusters");
    let (_, document) = all.find(|(id, _)| id.ends_with(&format!("/{cluster}"))).unwrap();
    admit(state, &Cluster::of(state, document), &request(object))
}

fn assign(client: &mut Client, scope: &str, name: &str, properties: Value) -> String {
    let id = format!("{scope}/providers/Microsoft.Authorization/policyAssignments/{name}");
    client.ok("PUT", &id, Some(&json!({ "properties": properties })), 201);
    id
}

fn denies(client: &Client, cluster: &str, object: &Value) -> bool {
    !asked(client, cluster, object).admits()
}

#[test]
fn a_gate_closes_after_the_delays_and_opens_after_them() {
    let mut client = Client::new();
    let deny = json!({"policyDefinitionId": BASELINE, "parameters": {"effect": {"value": "Deny"}}});
    let id = assign(&mut client, GROUP, "baseline", deny);
    for _ in 0..5 {
        assert!(
            !denies(&client, "aks-prod-weu-01", &pod("shop", true)),
            "nothing for five minutes"
        );
        client.sandbox.advance(59);
    }
    client.sandbox.advance(15 * 60 + 5);
    let verdict = asked(&client, "aks-prod-weu-01", &pod("shop", true));
    assert!(!verdict.admits());
    let [objection] = verdict.objections.as_slice() else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        (objection.assignment.as_str(), objection.action),
        (id.as_str(), Action::Deny)
    );
    assert!(
        objection
            .line()
            .starts_with("[azurepolicy-k8sazurev2containernoprivilege-"),
        "{}",
        objection.line()
    );
    assert!(
        objection
            .line()
            .ends_with("] container main runs privileged, with the powers of its node")
    );
    assert!(!denies(&client, "aks-prod-weu-01", &pod("shop", false)));
    assert!(
        !denies(&client, "aks-prod-weu-01", &pod("kube-system", true)),
        "an excluded namespace"
    );
    assert!(!denies(&client, "aks-prod-neu-01", &pod("shop", true)), "no add-on");
    assert!(!denies(&client, "aks-test-weu-01", &pod("shop", true)), "out of scope");
    client.ok("DELETE", &id, None, 200);
    assert!(
        denies(&client, "aks-prod-weu-01", &pod("shop", true)),
        "what was pulled stays for a while"
    );
    client.sandbox.advance(20 * 60);
    assert!(!denies(&client, "aks-prod-weu-01", &pod("shop", true)));
}

#[test]
fn a_workload_is_let_in_and_its_pods_are_not() {
    let mut client = Client::new();
    assign(
        &mut client,
        PROD,
        "baseline",
        json!({"policyDefinitionId": BASELINE, "parameters": {"effect": {"value": "Deny"}}}),
    );
    client.sandbox.advance(20 * 60);
    let verdict = asked(&client, "aks-prod-weu-01", &deployment());
    assert!(
        verdict.admits() && !verdict.admits_pods() && verdict.objections.is_empty(),
        "{verdict:?}"
    );
    let all = json!({
        "policyDefinitionId": format!("{DEFINITIONS}/{NO_PRIVILEGE}"),
        "parameters": {"effect": {"value": "Deny"}, "source": {"value": "All"}},
    });
    assign(&mut client, PROD, "expanded", all);
    client.sandbox.advance(20 * 60);
    let verdict = asked(&client, "aks-prod-weu-01", &deployment());
    assert!(!verdict.admits());
    assert_eq!(
        verdict.objections[0].message,
        "[Implied by expand-workloads] container main runs privileged, with the powers of its node"
    );
}

#[test]
fn overrides_selectors_exclusions_and_modes_decide_where_it_denies() {
    let cluster = format!(
        "{TEST}/resourceGroups/rg-aks-test-weu/providers/Microsoft.ContainerService/managedClusters/aks-test-weu-01"
    );
    let override_at = |location: &str| {
        json!([{"kind": "policyEffect", "value": "Deny", "selectors": [
        {"kind": "policyDefinitionReferenceId", "in": ["noPrivilegedContainers"]}, {"kind": "resourceLocation", "in": [location]}]}])
    };
    let single = |mut more: Value| {
        let mut properties = json!({"policyDefinitionId": format!("{DEFINITIONS}/{NO_PRIVILEGE}"), "parameters": {"effect": {"value": "Deny"}}});
        properties
            .as_object_mut()
            .unwrap()
            .append(more.as_object_mut().unwrap());
        properties
    };
    let set = |overrides: Value| json!({"policyDefinitionId": BASELINE, "parameters": {"effect": {"value": "Audit"}}, "overrides": overrides});
    let reference = reference_of_no_privilege();
    let named = |location: &str| {
        let mut overrides = override_at(location);
        overrides[0]["selectors"][0]["in"][0] = json!(reference);
        overrides
    };
    for (what, properties, expected) in [
        ("by default", single(json!({})), true),
        ("an override for the location", set(named("westeurope")), true),
        ("an override for another location", set(named("northeurope")), false),
        (
            "not enforced",
            single(json!({"enforcementMode": "DoNotEnforce"})),
            false,
        ),
        ("a cluster left out", single(json!({"notScopes": [cluster]})), false),
        (
            "selected elsewhere",
            single(
                json!({"resourceSelectors": [{"name": "ring", "selectors": [{"kind": "resourceLocation", "in": ["northeurope"]}]}]}),
            ),
            false,
        ),
        (
            "another namespace",
            single(json!({"parameters": {"effect": {"value": "Deny"}, "namespaces": {"value": ["other"]}}})),
            false,
        ),
        (
            "the namespace left out",
            single(json!({"parameters": {"effect": {"value": "Deny"}, "excludedNamespaces": {"value": ["sh*"]}}})),
            false,
        ),
        (
            "disabled",
            single(json!({"parameters": {"effect": {"value": "Disabled"}}})),
            false,
        ),
    ] {
        let mut client = Client::new();
        assign(&mut client, TEST, "one", properties);
        client.sandbox.advance(20 * 60);
        assert_eq!(
            denies(&client, "aks-test-weu-01", &pod("shop", true)),
            expected,
            "{what}"
        );
    }
}

fn reference_of_no_privilege() -> String {
    let set = &super::super::builtins::builtins().newest[&BASELINE.to_ascii_lowercase()];
    let members = set["properties"]["policyDefinitions"].as_array().unwrap();
    let member = members
        .iter()
        .find(|member| member["policyDefinitionId"].as_str().unwrap().ends_with(NO_PRIVILEGE))
        .unwrap();
    member["policyDefinitionReferenceId"].as_str().unwrap().to_owned()
}

#[test]
fn warnings_are_given_and_an_audit_says_nothing() {
    for (warn, expected) in [(true, Action::Warn), (false, Action::DryRun)] {
        let mut client = Client::new();
        let parameters = json!({"effect": {"value": "Audit"}, "warn": {"value": warn}});
        assign(
            &mut client,
            TEST,
            "one",
            json!({"policyDefinitionId": format!("{DEFINITIONS}/{NO_PRIVILEGE}"), "parameters": parameters}),
        );
        client.sandbox.advance(20 * 60);
        let verdict = asked(&client, "aks-test-weu-01", &pod("shop", true));
        assert!(verdict.admits());
        assert_eq!(verdict.objections[0].action, expected);
    }
}

#[test]
fn an_exemption_opens_a_cluster_until_it_ends_by_itself() {
    let mut client = Client::new();
    let id = assign(
        &mut client,
        TEST,
        "one",
        json!({"policyDefinitionId": format!("{DEFINITIONS}/{NO_PRIVILEGE}"), "parameters": {"effect": {"value": "Deny"}}}),
    );
    client.sandbox.advance(20 * 60);
    let ends = super::super::time::iso_short(client.sandbox.state.now + 4 * 3600);
    let exemption = json!({"properties": {"policyAssignmentId": id, "exemptionCategory": "Waiver", "expiresOn": ends}});
    client.ok(
        "PUT",
        &format!("{TEST}/providers/Microsoft.Authorization/policyExemptions/e"),
        Some(&exemption),
        201,
    );
    assert!(denies(&client, "aks-test-weu-01", &pod("shop", true)));
    client.sandbox.advance(20 * 60);
    assert!(!denies(&client, "aks-test-weu-01", &pod("shop", true)));
    client.sandbox.advance(4 * 3600);
    assert!(denies(&client, "aks-test-weu-01", &pod("shop", true)));
}

fn own(kind: &str, rego: &str) -> Value {
    let template = json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": kind.to_lowercase()},
        "spec": {"crd": {"spec": {"names": {"kind": kind}}}, "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]},
    });
    json!({"properties": {
        "mode": "Microsoft.Kubernetes.Data", "displayName": kind,
        "parameters": {"effect": {"type": "String", "allowedValues": ["Audit", "Deny", "Disabled"], "defaultValue": "Audit"}},
        "policyRule": {
            "if": {"field": "type", "in": ["Microsoft.ContainerService/managedClusters"]},
            "then": {"effect": "[parameters('effect')]", "details": {
                "templateInfo": {"sourceType": "Base64Encoded", "content": data_encoding::BASE64.encode(template.to_string().as_bytes())},
                "apiGroups": [""], "kinds": ["Pod"],
            }},
        },
    }})
}

#[test]
fn a_definition_of_our_own_denies_and_two_of_one_template_do_not() {
    let mut client = Client::new();
    let rego = |message: &str| format!("package own\n\nviolation[{{\"msg\": msg}}] {{\n  msg := \"{message}\"\n}}\n");
    for (name, message) in [("a", "never"), ("b", "nothing")] {
        let id = format!("{DEV}/providers/Microsoft.Authorization/policyDefinitions/{name}");
        client.ok("PUT", &id, Some(&own("OwnRule", &rego(message))), 201);
        assign(
            &mut client,
            DEV,
            name,
            json!({"policyDefinitionId": id, "parameters": {"effect": {"value": "Deny"}}}),
        );
        client.sandbox.advance(20 * 60);
        let verdict = asked(&client, "aks-dev-neu-01", &pod("shop", false));
        let messages: Vec<&str> = verdict.objections.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(
            messages,
            if name == "a" { vec!["never"] } else { vec![] },
            "two templates of one name are not installed"
        );
    }
}

#[test]
fn a_state_from_before_is_read_and_governed() {
    let mut client = Client::new();
    assign(
        &mut client,
        DEV,
        "a",
        json!({"policyDefinitionId": format!("{DEFINITIONS}/{NO_PRIVILEGE}"), "parameters": {"effect": {"value": "Deny"}}}),
    );
    let mut state: Value = serde_json::from_slice(&client.sandbox.to_bytes().unwrap()).unwrap();
    for key in ["history", "inside"] {
        state.as_object_mut().unwrap().remove(key).unwrap();
    }
    client.sandbox = super::super::Sandbox::from_bytes(state.to_string().as_bytes()).unwrap();
    assert!(
        denies(&client, "aks-dev-neu-01", &pod("shop", true)),
        "what was written before has been there for long"
    );
}
