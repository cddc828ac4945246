//! Directions of made-up changes: there and back, for every kind.

use super::{Direction, Kind, Meanings};
use crate::model::Meaning;
use proptest::prelude::*;
use serde_json::{Value, json};

fn words(of: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::collection::vec(proptest::sample::select(of), 0..4).prop_map(Value::from)
}

fn one(of: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::sample::select(of).prop_map(Value::from)
}

/// A value that a field may have: of the form that is meant, of another one, or none.
fn odd(usual: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    prop_oneof![8 => usual, 1 => Just(Value::Null), 1 => Just(json!("*")), 1 => Just(json!({"list": ["a"]}))]
}

fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, without_nothing(value))).collect()
        }
        other => other,
    }
}

fn assignment() -> impl Strategy<Value = Value> {
    let effect = odd(one(&[
        "Audit",
        "audit",
        "Deny",
        "Disabled",
        "DenyAction",
        "AuditIfNotExists",
    ]));
    let places = odd(proptest::collection::vec((words(&["weu", "neu"]), one(&["Deny", "Audit", "Mutate"])), 0..3).prop_map(
        |places| {
            let places = places.into_iter().map(|(locations, value)| {
                json!({"kind": "policyEffect", "value": value, "selectors": [{"kind": "resourceLocation", "in": locations}]})
            });
            places.collect()
        },
    ));
    let lists = [
        odd(words(&["a", "b"])),
        odd(words(&["a", "b"])),
        odd(words(&["a", "b"])),
        odd(words(&["a", "b"])),
    ];
    let pattern = odd(one(&["^(a)$", "^(a|b)$", "^(b|a)$", "^(b)$", "a"]));
    let rest = (
        odd(one(&["Default", "DoNotEnforce"])),
        odd(words(&["/subscriptions/x", "/subscriptions/y"])),
        one(&["1.*.*", "2.*.*"]),
        odd(words(&["x"])),
        one(&["d", "e"]),
    );
    (effect, places, lists, pattern, rest).prop_map(|(effect, overrides, lists, pattern, rest)| {
        let [allowed, excluded, refused, selected] = lists;
        let (mode, not_scopes, version, selectors, title) = rest;
        let value = |value: Value| if value.is_null() { value } else { json!({"value": value}) };
        without_nothing(json!({"properties": {
            "displayName": title, "definitionVersion": version, "enforcementMode": mode, "notScopes": not_scopes,
            "overrides": overrides, "resourceSelectors": selectors,
            "parameters": {"effect": value(effect), "allowed": value(allowed), "excluded": value(excluded),
                "refused": value(refused), "selected": value(selected), "pattern": value(pattern), "unknown": value(json!(1))}}}))
    })
}

fn set() -> impl Strategy<Value = Value> {
    let member = (one(&["a", "b", "c"]), one(&["1.*.*", "2.*.*"]), odd(words(&["a", "b"])));
    let members = proptest::collection::vec(member, 0..3);
    (members, one(&["Array", "String"])).prop_map(|(members, ty)| {
        let members: Value = members
            .into_iter()
            .map(|(reference, version, list)| {
                json!({"policyDefinitionReferenceId": reference, "definitionVersion": version, "parameters": {"allowed": {"value": list}}})
            })
            .collect();
        json!({"properties": {"policyDefinitions": members, "parameters": {"p": {"type": ty}}}})
    })
}

fn exemption() -> impl Strategy<Value = Value> {
    let ends = odd(one(&["2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"]));
    (
        ends,
        odd(words(&["a", "b"])),
        one(&["/x/y", "/x/z"]),
        one(&["Waiver", "Mitigated"]),
    )
        .prop_map(|(expires, members, assignment, category)| {
            without_nothing(
                json!({"properties": {"expiresOn": expires, "policyDefinitionReferenceIds": members,
                "policyAssignmentId": assignment, "exemptionCategory": category}}),
            )
        })
}

fn pricing() -> impl Strategy<Value = Value> {
    let truth = || one(&["True", "False"]);
    (
        one(&["Free", "Standard"]),
        truth(),
        truth(),
        truth(),
        odd(one(&["P1", "P2"])),
        odd(one(&["[]", "[a]"])),
    )
        .prop_map(|(tier, enforce, sensor, gating, sub_plan, tags)| {
            without_nothing(
                json!({"properties": {"pricingTier": tier, "enforce": enforce, "subPlan": sub_plan, "extensions": [
                {"name": "ContainerSensor", "isEnabled": sensor,
                 "additionalExtensionProperties": {"SecurityGatingEnabled": gating, "ExclusionTags": tags}}]}}),
            )
        })
}

fn cluster() -> impl Strategy<Value = Value> {
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        odd(one(&["/x/1", "/x/2"])),
        one(&["v1", "v2"]),
    )
        .prop_map(|(addon, monitoring, gating, workspace, version)| {
            without_nothing(json!({"properties": {
                "addonProfiles": {"azurepolicy": {"enabled": addon, "config": {"version": version}}},
                "securityProfile": {"defender": {"logAnalyticsWorkspaceResourceId": workspace,
                    "securityMonitoring": {"enabled": monitoring}, "securityGating": {"enabled": gating}}}}}))
        })
}

fn safeguards() -> impl Strategy<Value = Value> {
    let level = odd(one(&["Warn", "Enforce", "Later"]));
    (level, odd(one(&["Privileged", "Baseline", "Restricted"])), odd(words(&["a", "b"]))).prop_map(
        |(level, standard, excluded)| {
            without_nothing(json!({"properties": {"level": level, "podSecurityStandardsLevel": standard, "excludedNamespaces": excluded}}))
        },
    )
}

fn document() -> impl Strategy<Value = (Kind, Value, Value)> {
    let pair = |kind: Kind, of: BoxedStrategy<Value>| (Just(kind), of.clone(), of);
    prop_oneof![
        4 => pair(Kind::PolicyAssignment, assignment().boxed()),
        2 => pair(Kind::PolicySetDefinition, set().boxed()),
        1 => pair(Kind::PolicyExemption, exemption().boxed()),
        1 => pair(Kind::DefenderPlan, pricing().boxed()),
        1 => pair(Kind::ManagedCluster, cluster().boxed()),
        1 => pair(Kind::DeploymentSafeguards, safeguards().boxed()),
    ]
}

fn meanings() -> Meanings {
    [
        ("allowed", Meaning::Allows),
        ("excluded", Meaning::Excludes),
        ("refused", Meaning::Refuses),
        ("selected", Meaning::Selects),
        ("pattern", Meaning::AllowsPattern),
        ("a/allowed", Meaning::Allows),
    ]
    .map(|(name, meaning)| (name.to_owned(), meaning))
    .into()
}

proptest! {
    #[test]
    fn a_change_and_its_way_back_agree((kind, one, two) in document()) {
        let (one, two) = (kind.comparable(&one), kind.comparable(&two));
        let direction = |from: &Value, to: &Value| Direction::of(&kind.directions(Some(from), Some(to), &meanings()));
        let (there, back) = (direction(&one, &two), direction(&two, &one));
        match there {
            Direction::Tightens => prop_assert_eq!(back, Direction::Weakens),
            Direction::Neutral => prop_assert_eq!(back, Direction::Neutral),
            Direction::Weakens => prop_assert_ne!(back, Direction::Neutral),
        }
        prop_assert_eq!(direction(&one, &one), Direction::Neutral);
    }

    #[test]
    fn what_comes_and_what_goes_are_opposites((kind, one, _) in document()) {
        let one = kind.comparable(&one);
        let comes = Direction::of(&kind.directions(None, Some(&one), &meanings()));
        let goes = Direction::of(&kind.directions(Some(&one), None, &meanings()));
        match comes {
            Direction::Tightens => prop_assert_eq!(goes, Direction::Weakens),
            Direction::Weakens => prop_assert_ne!(goes, Direction::Neutral),
            Direction::Neutral => prop_assert_eq!(goes, Direction::Neutral),
        }
    }

    #[test]
    fn what_weakens_says_what((kind, one, two) in document()) {
        let (one, two) = (kind.comparable(&one), kind.comparable(&two));
        for field in kind.directions(Some(&one), Some(&two), &meanings()) {
            prop_assert!(!field.text.is_empty() && !field.text.contains('\n'), "{:?}", field);
        }
    }
}
