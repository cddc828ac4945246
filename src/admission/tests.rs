//! Rules of gates as they come out of documents, with values worked out by hand.

use super::*;
use crate::catalog::{Catalog, VersionPin};
use crate::model::Stage;
use data_encoding::BASE64;
use serde_json::json;
use std::collections::BTreeMap;

const BASELINE: &str = "/providers/Microsoft.Authorization/policySetDefinitions/a8640138-9b0a-4a28-b8cb-1666c838647d";
const RESTRICTED: &str = "/providers/Microsoft.Authorization/policySetDefinitions/42b8ef37-b724-4e24-bbc8-7a7708edfe00";

fn rules_with(
    assignment: &Value,
    stage: Option<Stage>,
    documents: &BTreeMap<String, Value>,
    locked: &dyn Fn(&str, &VersionPin) -> Option<String>,
) -> Vec<GateRule> {
    let catalog = Catalog::embedded();
    let definitions = Definitions {
        catalog,
        documents,
        locked,
    };
    gate_rules("gate", assignment, stage, &definitions).unwrap()
}

fn rules(assignment: &Value, stage: Option<Stage>) -> Vec<GateRule> {
    rules_with(assignment, stage, &BTreeMap::new(), &|_, _| None)
}

fn assignment(definition: &str, parameters: Value) -> Value {
    json!({"properties": {"policyDefinitionId": definition, "definitionVersion": "1.*.*", "parameters": parameters}})
}

fn url(rule: &GateRule) -> &str {
    match &rule.body {
        RuleBody::Constraint {
            template: TemplateRef::Published { url },
            ..
        } => url,
        other => panic!("{other:?}"),
    }
}

fn constraint(rule: &GateRule) -> (&Value, &Value) {
    match &rule.body {
        RuleBody::Constraint {
            matching, parameters, ..
        } => (matching, parameters),
        RuleBody::NotJudged(why) => panic!("{why}"),
    }
}

fn why(rule: &GateRule) -> String {
    match &rule.body {
        RuleBody::NotJudged(why) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

/// An assignment of one built-in definition with parameters.
fn single(definition: &str, parameters: Value) -> GateRule {
    let mut assignment = assignment(
        &format!("/providers/Microsoft.Authorization/policyDefinitions/{definition}"),
        parameters,
    );
    assignment["properties"]
        .as_object_mut()
        .unwrap()
        .remove("definitionVersion");
    let mut rules = rules(&assignment, None);
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

#[test]
fn a_built_in_set_puts_the_pinned_version_of_each_member_into_the_clusters() {
    let parameters =
        json!({"effect": {"value": "Audit"}, "excludedNamespaces": {"value": ["kube-system", "monitoring"]}});
    let found = rules(&assignment(BASELINE, parameters), None);
    let told: Vec<String> = found
        .iter()
        .map(|rule| {
            let version = rule.version.as_deref().unwrap_or_default();
            format!(
                "{version} {} {}",
                rule.effect,
                url(rule).rsplit("kubernetes/").next().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "9.2.0 Audit container-no-privilege/v2/template.yaml",
            "6.2.0 Audit host-network-ports/v3/template.yaml",
            "5.2.0 Audit block-host-namespace/v2/template.yaml",
            "6.2.0 Audit container-allowed-capabilities/v3/template.yaml",
            "6.3.0 Audit allowed-host-paths/v4/template.yaml",
        ]
    );
    for rule in &found {
        let (matching, _) = constraint(rule);
        // The assignment's list, and what the add-on leaves out itself.
        assert_eq!(
            matching["excludedNamespaces"],
            json!(["kube-system", "monitoring", "gatekeeper-system", "azure-arc"])
        );
        assert_eq!(matching["kinds"], json!([{"apiGroups": [""], "kinds": ["Pod"]}]));
        assert_eq!(matching["source"], "Original");
    }
    let (_, ports) = constraint(&found[1]);
    assert_eq!(
        (&ports["minPort"], &ports["maxPort"]),
        (&json!(0), &json!(0)),
        "{ports}"
    );
}

#[test]
fn a_stage_puts_every_member_there_that_can_be_put_there() {
    for (stage, effect) in [(Stage::Audit, Effect::Audit), (Stage::Deny, Effect::Deny)] {
        let parameters = json!({"effect": {"value": "Audit"}});
        let found = rules(&assignment(RESTRICTED, parameters), Some(stage));
        assert!(found.len() >= 8);
        assert!(found.iter().all(|rule| rule.effect == effect), "{found:#?}");
    }
}

#[test]
fn objects_and_kinds_by_parameters_are_taken_apart() {
    // kubernetes cluster pod hostPath volumes should only use allowed host paths
    let rule = single(
        "098fc59e-46c7-4d99-9b16-64990e543d75",
        json!({"allowedHostPaths": {"value": {"paths": [{"pathPrefix": "/var/log", "readOnly": true}]}}}),
    );
    let (_, parameters) = constraint(&rule);
    assert_eq!(
        parameters["allowedHostPaths"],
        json!([{"pathPrefix": "/var/log", "readOnly": true}])
    );
    // Kubernetes clusters should restrict creation of given resource type: a kind, and a list of groups within a list.
    let rule = single(
        "b81f454c-eebb-4e4f-9dfe-dca060e8a8fd",
        json!({"kind": {"value": "Ingress"}, "apiGroups": {"value": ["networking.k8s.io", "extensions"]},
            "namespaces": {"value": ["shop"]}}),
    );
    let (matching, parameters) = constraint(&rule);
    assert_eq!(
        matching["kinds"],
        json!([{"apiGroups": ["networking.k8s.io", "extensions"], "kinds": ["Ingress"]}])
    );
    assert_eq!((&matching["namespaces"], parameters), (&json!(["shop"]), &json!({})));
    // Kubernetes resources should have required annotations; its kind has no default.
    let rule = single("9a5f4e39-e427-4d5d-ae73-93db00328bec", json!({}));
    assert_eq!(why(&rule), "the expression `[parameters('kind')]` is not understood");
}

#[test]
fn what_admission_does_not_judge_says_why() {
    // [Preview]: Sets maxUnavailable pods: a mutation.
    let catalog = Catalog::embedded();
    let data = |form| {
        let mut found = catalog.definitions().filter(|definition| {
            let constraint = definition.current().constraint.as_ref();
            constraint.is_some_and(|constraint| constraint.form == form)
        });
        found.next().unwrap().name.clone()
    };
    use crate::catalog::ConstraintForm::{Legacy, Mutation};
    assert_eq!(
        why(&single(&data(Mutation), json!({}))),
        "it changes objects on their way in, and refuses none"
    );
    assert!(why(&single(&data(Legacy), json!({"effect": {"value": "audit"}}))).contains("oldest form"));
    // Azure Policy Add-on should be installed: judged by ARM.
    let rule = single("0a15ec92-a229-4763-bb14-0ea34a568f8d", json!({}));
    assert_eq!(
        why(&rule),
        "it judges Azure resources, which Azure Resource Manager does, not admission"
    );
    let rule = single("00000000-0000-0000-0000-000000000000", json!({}));
    assert!(why(&rule).contains("is not known; `aksgate lock` fetches"));
    assert_eq!(rule.effect, Effect::Deny, "what is not known counts as closed");
}

#[test]
fn a_locked_version_counts_and_one_without_facts_is_told() {
    let locked = |version: &'static str| move |_: &str, _: &VersionPin| Some(version.to_owned());
    let assignment = assignment(BASELINE, json!({"effect": {"value": "Audit"}}));
    let found = rules_with(&assignment, None, &BTreeMap::new(), &locked("6.2.0"));
    assert_eq!(found[1].version.as_deref(), Some("6.2.0"));
    assert!(why(&found[0]).contains("version 6.2.0 of"), "{:?}", found[0]);
}

fn own_set() -> BTreeMap<String, Value> {
    let template = json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "aksgatex"},
        "spec": {"crd": {"spec": {"names": {"kind": "AksgateX"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": "package x\nviolation[{\"msg\": \"no\"}] { true }"}]},
    });
    let definition = json!({"properties": {
        "displayName": "No", "mode": "Microsoft.Kubernetes.Data",
        "parameters": {"effect": {"defaultValue": "Deny"}, "names": {"defaultValue": ["a"]}, "labelSelector": {"defaultValue": {}}},
        "policyRule": {"if": {}, "then": {"effect": "[parameters('effect')]", "details": {
            "templateInfo": {"sourceType": "Base64Encoded", "content": BASE64.encode(template.to_string().as_bytes())},
            "apiGroups": [""], "kinds": ["Service"], "labelSelector": "[parameters('labelSelector')]",
            "values": {"names": "[parameters('names')]"},
        }}},
    }});
    let set = json!({"properties": {
        "parameters": {"effect": {"allowedValues": ["audit", "deny", "disabled"], "defaultValue": "audit"},
            "shown": {"defaultValue": ["b"]}},
        "policyDefinitions": [
            {"policyDefinitionReferenceId": "one", "policyDefinitionId": "/s/providers/Microsoft.Authorization/policyDefinitions/Own",
                "parameters": {"effect": {"value": "[parameters('effect')]"}, "names": {"value": "[parameters('shown')]"}}},
            {"policyDefinitionReferenceId": "two", "policyDefinitionId": "/S/providers/Microsoft.Authorization/policyDefinitions/own",
                "parameters": {"effect": {"value": "audit"}, "names": {"value": "[reference('x')]"}}},
        ],
    }});
    BTreeMap::from([
        (
            "/s/providers/microsoft.authorization/policydefinitions/own".to_owned(),
            definition,
        ),
        (
            "/s/providers/microsoft.authorization/policysetdefinitions/set".to_owned(),
            set,
        ),
    ])
}

const OWN: &str = "/s/providers/Microsoft.Authorization/policySetDefinitions/Set";

fn own(properties: Value, stage: Option<Stage>) -> Vec<GateRule> {
    let mut assignment = assignment(OWN, json!({"effect": {"value": "Audit"}, "SHOWN": {"value": ["c"]}}));
    let all = assignment["properties"].as_object_mut().unwrap();
    all.extend(properties.as_object().unwrap().clone());
    rules_with(&assignment, stage, &own_set(), &|_, _| None)
}

#[test]
fn a_set_of_our_own_is_read_from_its_documents() {
    let found = own(json!({}), Some(Stage::Deny));
    let (matching, parameters) = constraint(&found[0]);
    assert_eq!(parameters, &json!({"names": ["c"]}), "names of parameters have no case");
    assert_eq!(
        matching,
        &json!({"kinds": [{"apiGroups": [""], "kinds": ["Service"]}], "source": "Original",
            "excludedNamespaces": ["kube-system", "gatekeeper-system", "azure-arc"]})
    );
    assert_eq!((found[0].effect, found[0].title.as_str()), (Effect::Deny, "No"));
    assert!(
        matches!(&found[0].body, RuleBody::Constraint { template: TemplateRef::Own(template), .. } if template.kind() == "AksgateX")
    );
    assert_eq!(why(&found[1]), "the expression `[reference('x')]` is not understood");
}

#[test]
fn overrides_change_the_effect_of_whom_they_name() {
    let overrides = |overrides: Value| {
        let found = own(json!({"overrides": overrides}), None);
        (found[0].effect, found[0].elsewhere.clone())
    };
    let deny = |selectors: Value| json!([{"kind": "policyEffect", "value": "deny", "selectors": selectors}]);
    let member = |name: &str| json!({"kind": "policyDefinitionReferenceId", "in": [name]});
    let locations = |key: &str| json!({"kind": "resourceLocation", key: ["NorthEurope"]});
    assert_eq!(overrides(json!([])), (Effect::Audit, vec![]));
    assert_eq!(overrides(deny(json!([]))), (Effect::Deny, vec![]));
    assert_eq!(overrides(deny(json!([member("ONE")]))), (Effect::Deny, vec![]));
    assert_eq!(overrides(deny(json!([member("two")]))), (Effect::Audit, vec![]));
    let north = |effect| vec![("northeurope".to_owned(), effect)];
    assert_eq!(
        overrides(deny(json!([member("one"), locations("in")]))),
        (Effect::Audit, north(Effect::Deny))
    );
    assert_eq!(
        overrides(deny(json!([locations("notIn")]))),
        (Effect::Deny, north(Effect::Audit))
    );
    // What is not understood narrows in a way that cannot be told: it is not taken to hold.
    assert_eq!(
        overrides(deny(json!([{"kind": "somethingElse", "in": ["x"]}]))),
        (Effect::Audit, vec![])
    );
}

#[test]
fn what_is_not_enforced_does_not_deny() {
    let found = own(json!({"enforcementMode": "DoNotEnforce"}), Some(Stage::Deny));
    assert_eq!(found[0].effect, Effect::Audit);
}

#[test]
fn an_assignment_without_a_set_that_is_known_is_an_error() {
    let catalog = Catalog::embedded();
    let (documents, locked) = (BTreeMap::new(), |_: &str, _: &VersionPin| None);
    let definitions = Definitions {
        catalog,
        documents: &documents,
        locked: &locked,
    };
    let error = gate_rules("g", &assignment(OWN, json!({})), None, &definitions).unwrap_err();
    assert_eq!(error, ResolveError::Set(OWN.to_owned()));
    assert_eq!(
        gate_rules("g", &json!({}), None, &definitions).unwrap_err(),
        ResolveError::NoDefinition
    );
}
