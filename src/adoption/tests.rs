//! What of a brownfield becomes of it.

use super::*;
use serde_json::json;

fn live(kind: Kind, id: &str, wire: Value) -> LiveObject {
    LiveObject {
        kind,
        id: ResourceId::parse(id).unwrap(),
        wire,
        etag: None,
    }
}

fn adopted(objects: Vec<LiveObject>) -> Adopted {
    let mut observed = Observed::default();
    objects.into_iter().for_each(|object| observed.insert(object));
    adopt(Field {
        scope: &Scope::parse("subscriptions/0a000000-0000-4000-8000-000000000001").unwrap(),
        observed: &observed,
        catalog: Catalog::embedded(),
        taken: &BTreeSet::from(["pods".to_owned()]),
    })
}

fn plan(subscription: &str, tier: &str, extensions: Value) -> LiveObject {
    let id = format!("/subscriptions/{subscription}/providers/Microsoft.Security/pricings/Containers");
    live(
        Kind::DefenderPlan,
        &id,
        json!({"properties": {"pricingTier": tier, "extensions": extensions}}),
    )
}

#[test]
fn names_are_such_as_files_take_and_none_is_taken_twice() {
    assert_eq!(slug("[Preview]: Pods -- should not!"), "preview-pods-should-not");
    assert_eq!(slug("2 many"), "gate-2-many");
    assert_eq!(slug("Über"), "ber");
    assert_eq!(slug(&"x".repeat(99)).len(), 40);
    assert_eq!(slug("é"), "gate");
    let taken = BTreeSet::from(["a".to_owned(), "a-2".to_owned()]);
    assert_eq!(
        (unused("a", &taken), unused("b", &taken)),
        ("a-3".to_owned(), "b".to_owned())
    );
}

#[test]
fn two_assignments_of_one_name_make_two_gates() {
    let assignment = |name: &str| {
        let id = format!("/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/{name}");
        let set = "/providers/Microsoft.Authorization/policySetDefinitions/a8640138-9b0a-4a28-b8cb-1666c838647d";
        live(
            Kind::PolicyAssignment,
            &id,
            json!({"properties": {"displayName": "Pods", "policyDefinitionId": set}}),
        )
    };
    let found = adopted(vec![assignment("one"), assignment("two")]);
    let names: Vec<&str> = found.gates.iter().map(|gate| gate.name.as_str()).collect();
    assert_eq!(names, ["pods-2", "pods-3"], "`pods` is taken");
}

#[test]
fn plans_are_stated_if_all_are_alike_and_on() {
    let on = |name: &str| json!([{"name": name, "isEnabled": "True"}]);
    let found = adopted(vec![
        plan("a", "Standard", on("ContainerSensor")),
        plan("b", "Standard", on("containersensor")),
    ]);
    assert!(
        found
            .defender
            .unwrap()
            .ends_with("tier: Standard\n    extensions:\n      ContainerSensor: true\n")
    );
    for plans in [
        vec![
            plan("a", "Standard", on("ContainerSensor")),
            plan("b", "Standard", json!([])),
        ],
        vec![plan("a", "Free", json!(null))],
    ] {
        let found = adopted(plans);
        assert_eq!((found.defender, found.left.len()), (None, 1));
    }
}

#[test]
fn an_expression_that_is_more_than_a_parameter_is_told() {
    let set = "/subscriptions/s/providers/Microsoft.Authorization/policySetDefinitions/mine";
    let of = |value: &str| {
        let member = json!({
            "policyDefinitionReferenceId": "pull",
            "policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/50c83470-d2f0-4dda-a716-1938a4825f62",
            "parameters": {"allowedPullPolicy": {"value": value}, "effect": {"value": "[parameters('e')]"}},
        });
        adopted(vec![
            live(
                Kind::PolicySetDefinition,
                set,
                json!({"properties": {"policyDefinitions": [member], "parameters": {"p": {"defaultValue": ["Always"]}, "e": {"defaultValue": "Audit"}}}}),
            ),
            live(
                Kind::PolicyAssignment,
                "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a",
                json!({"properties": {"policyDefinitionId": set}}),
            ),
        ])
    };
    let found = of("[parameters('p')]");
    assert!(
        found.gates[0]
            .initiative
            .1
            .contains("\"allowedPullPolicy\": [\"Always\"]"),
        "{found:#?}"
    );
    assert!(
        !found.gates[0].initiative.1.contains("Audit"),
        "the ladder sets the effect"
    );
    let found = of("[concat(parameters('p'), 'x')]");
    assert!(
        found.gates.is_empty() && found.left[0].reason.contains("the expression"),
        "{found:#?}"
    );
}

#[test]
fn a_hostile_name_stays_in_its_comment() {
    assert_eq!(comment("a\nb\u{1b}c"), "abc");
}
