//! What is drift, and who may have made it.

use super::*;
use crate::model::Mark;
use crate::plan::Header;
use serde_json::json;

const SCOPE: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";

fn mark() -> Mark {
    Mark {
        owner: "us".into(),
        environment: "dev".into(),
        gate: "g".into(),
        generation: 1,
        part: "00".into(),
    }
}

fn assignment_id() -> ResourceId {
    let name = mark().assignment_name();
    ResourceId::parse(&format!(
        "{SCOPE}/providers/Microsoft.Authorization/policyAssignments/{name}"
    ))
    .unwrap()
}

/// An assignment at a position, with a content and an effect.
fn document(position: &str, digest: &str, effect: &str) -> Value {
    let state = MarkState {
        position: position.into(),
        digest: digest.into(),
        ..MarkState::default()
    };
    json!({"properties": {
        "policyDefinitionId": "/providers/x/policysetdefinitions/s",
        "enforcementMode": "Default",
        "parameters": {"effect": {"value": effect}, "images": {"value": digest}},
        "metadata": {"aksgate": mark().to_text(), STATE_KEY: state.to_text()},
    }})
}

fn plan(steps: Vec<Step>, held: Vec<Held>) -> Plan {
    Plan {
        header: Header {
            environment: "dev".into(),
            scope: "subscriptions/0a".into(),
            tenant: String::new(),
            endpoint: String::new(),
            gates: Vec::new(),
            config_digest: String::new(),
            time: Timestamp::parse("2027-01-04T08:00:00Z").unwrap(),
            expires: Timestamp::parse("2027-01-05T08:00:00Z").unwrap(),
            plan_id: String::new(),
        },
        steps,
        held,
        findings: Vec::new(),
        exceeded: Vec::new(),
        forecasts: Vec::new(),
    }
}

fn step(kind: Kind, action: Action, before: Option<Value>, after: Option<Value>) -> Step {
    let object = match kind {
        Kind::PolicyAssignment => assignment_id(),
        _ => ResourceId::parse(&format!("{SCOPE}/x/y")).unwrap(),
    };
    Step {
        id: String::new(),
        kind,
        object,
        gate: Some("g".into()),
        depends_on: Vec::new(),
        action,
        direction: Direction::Neutral,
        weakens: Vec::new(),
        reason: None,
        before,
        after,
        fingerprint: None,
    }
}

fn found(steps: Vec<Step>, held: Vec<Held>, observed: &Observed, required: &[Required]) -> Vec<Drift> {
    find(Inputs {
        owner: "us",
        plan: &plan(steps, held),
        documents: &BTreeMap::new(),
        meanings: &BTreeMap::new(),
        observed,
        required,
    })
}

/// The one difference that a step comes to, as `what cause direction` and its fields with their causes.
fn told(steps: Vec<Step>) -> (String, Vec<String>) {
    let drift = found(steps, Vec::new(), &Observed::default(), &[]);
    assert_eq!(drift.len(), 1, "{drift:#?}");
    let one = &drift[0];
    let fields = one
        .fields
        .iter()
        .map(|field| format!("{} {}", field.path, field.cause.name()));
    let words = format!("{} / {} / {}", one.what.name(), one.cause.name(), one.direction.name());
    (words, fields.collect())
}

#[test]
fn a_gate_that_was_opened_is_told_from_content_that_was_not_applied() {
    let kind = Kind::PolicyAssignment;
    let update = |before: Value, after: Value| told(vec![step(kind, Action::Update, Some(before), Some(after))]);
    let (words, fields) = update(document("deny", "a", "Audit"), document("deny", "a", "Deny"));
    assert_eq!(words, "changed / by hand / weakens");
    assert_eq!(fields, ["parameters.effect.value by hand"]);

    let (words, fields) = update(document("audit", "a", "Deny"), document("audit", "a", "Audit"));
    assert_eq!(words, "changed / by hand / tightens");
    assert_eq!(fields, ["parameters.effect.value by hand"]);

    let (words, fields) = update(document("audit", "a", "Audit"), document("audit", "b", "Audit"));
    assert!(words.starts_with("changed / not applied"), "{words}");
    assert_eq!(
        fields,
        ["parameters.images.value not applied"],
        "the mark follows its content"
    );

    // Both at once: the worse one is told.
    let (words, fields) = update(document("deny", "a", "Audit"), document("deny", "b", "Deny"));
    assert!(words.starts_with("changed / by hand"), "{words}");
    assert_eq!(
        fields,
        ["parameters.effect.value by hand", "parameters.images.value not applied"]
    );

    let mut other = document("audit", "a", "Audit");
    other["properties"]["parameters"]["images"]["value"] = json!("b");
    let (words, _) = update(other, document("audit", "a", "Audit"));
    assert!(
        words.starts_with("changed / by hand"),
        "its mark says that this content was applied: {words}"
    );

    let mut named = document("audit", "a", "Audit");
    named["properties"]["displayName"] = json!("x");
    let (words, _) = update(named, document("audit", "a", "Audit"));
    assert!(words.starts_with("changed / unknown"), "{words}");

    let mut unmarked = document("audit", "a", "Audit");
    unmarked["properties"]["metadata"][STATE_KEY] = json!("x");
    let (words, fields) = update(unmarked, document("audit", "a", "Audit"));
    assert!(words.starts_with("changed / by hand"), "{words}");
    assert_eq!(fields, [format!("metadata.{STATE_KEY} by hand")]);
}

#[test]
fn a_successor_is_not_applied_unless_the_mark_says_that_its_content_was() {
    let kind = Kind::PolicyAssignment;
    let replace = |from: &str, to: &str| {
        let (before, after) = (document("deny", from, "Deny"), document("audit", to, "Audit"));
        told(vec![step(kind, Action::Replace, Some(before), Some(after))]).0
    };
    assert!(replace("a", "b").starts_with("changed / not applied"));
    assert!(replace("a", "a").starts_with("changed / by hand"));
    let mut renamed = document("deny", "a", "Deny");
    renamed["properties"]["metadata"]["aksgate"] = json!(mark().to_text().replace("gate=g", "gate=former"));
    let step = step(
        kind,
        Action::Replace,
        Some(renamed),
        Some(document("audit", "a", "Audit")),
    );
    assert!(
        told(vec![step]).0.starts_with("changed / not applied"),
        "the estate gave it another name"
    );
}

#[test]
fn what_is_missing_was_deleted_unless_it_is_known_that_it_was_never_there() {
    let set = |gate: Option<Step>| {
        let missing = step(
            Kind::PolicySetDefinition,
            Action::Create,
            None,
            Some(json!({"properties": {}})),
        );
        let drift = found(
            [Some(missing), gate].into_iter().flatten().collect(),
            Vec::new(),
            &Observed::default(),
            &[],
        );
        let set = drift
            .iter()
            .find(|drift| drift.kind == Some(Kind::PolicySetDefinition))
            .unwrap();
        (set.what, set.cause)
    };
    let a = || Some(document("audit", "a", "Audit"));
    let b = || Some(document("audit", "b", "Audit"));
    let gate = |action, before, after| Some(step(Kind::PolicyAssignment, action, before, after));
    assert_eq!(set(gate(Action::NoOp, None, None)), (What::Missing, Cause::ByHand));
    assert_eq!(set(gate(Action::Replace, a(), b())), (What::Missing, Cause::NotApplied));
    assert_eq!(set(gate(Action::Create, None, a())), (What::Missing, Cause::Unknown));
    assert_eq!(set(None), (What::Missing, Cause::Unknown));
    let (words, _) = told(vec![step(Kind::PolicyAssignment, Action::Create, None, a())]);
    assert_eq!(words, "missing / unknown / weakens");
}

#[test]
fn what_is_no_longer_asked_for_is_no_drift_unless_somebody_opened_it() {
    let delete = |document: Value| told(vec![step(Kind::PolicyAssignment, Action::Delete, Some(document), None)]).0;
    assert!(delete(document("deny", "a", "Deny")).starts_with("unwanted / not applied"));
    assert!(delete(document("audit", "a", "Audit")).starts_with("unwanted / not applied"));
    assert_eq!(delete(document("deny", "a", "Audit")), "unwanted / by hand / weakens");
}

#[test]
fn what_cannot_be_compared_counts_and_a_ladder_does_not() {
    let held = |guard: &str| Held {
        plane: Plane::Policy,
        subject: "g".into(),
        what: "change of content".into(),
        reasons: vec![crate::plan::Reason {
            guard: guard.into(),
            sentence: "why".into(),
            opens: None,
        }],
    };
    for (guard, counts) in [
        ("state", 1),
        ("override", 1),
        ("lock", 1),
        ("soak", 0),
        ("generation", 0),
    ] {
        let drift = found(Vec::new(), vec![held(guard)], &Observed::default(), &[]);
        assert_eq!(drift.iter().filter(|drift| drift.counts()).count(), counts, "{guard}");
    }
}

#[test]
fn what_somebody_else_has_to_write_is_drift_too() {
    let id = ResourceId::parse(&format!(
        "{SCOPE}/resourceGroups/r/providers/Microsoft.ContainerService/managedClusters/c"
    ));
    let addon = |on: bool| json!({"properties": {"addonProfiles": {"azurepolicy": {"enabled": on}}}});
    let required = Required {
        kind: Kind::ManagedCluster,
        object: id.unwrap(),
        mode: "require",
        found: Some(addon(false)),
        wanted: addon(true),
    };
    let drift = found(Vec::new(), Vec::new(), &Observed::default(), &[required]);
    assert_eq!((drift[0].name.as_str(), drift[0].direction), ("c", Direction::Weakens));
    assert_eq!(drift[0].fields[0].path, "addonProfiles.azurepolicy.enabled");
    assert!(drift[0].counts());
}

#[test]
fn an_exemption_of_somebody_else_opens_the_gate_until_it_ends() {
    let mut observed = Observed::default();
    observed.insert(LiveObject {
        kind: Kind::PolicyAssignment,
        id: assignment_id(),
        wire: document("deny", "a", "Deny"),
        etag: None,
    });
    let exemption = |from: &str, ends: Value| LiveObject {
        kind: Kind::PolicyExemption,
        id: ResourceId::parse(&format!(
            "{SCOPE}/providers/Microsoft.Authorization/policyExemptions/by-hand"
        ))
        .unwrap(),
        wire: json!({
            "properties": {"policyAssignmentId": from, "expiresOn": ends},
            "systemData": {"lastModifiedBy": "eve@contoso.com", "lastModifiedAt": "2027-01-03T00:00:00Z"},
        }),
        etag: None,
    };
    for (ends, direction) in [
        (Value::Null, Direction::Weakens),
        (json!("2027-01-05T00:00:00Z"), Direction::Weakens),
        (json!("2027-01-03T12:00:00Z"), Direction::Neutral),
    ] {
        observed.insert(exemption(&assignment_id().as_str().to_uppercase(), ends));
        let drift = found(Vec::new(), Vec::new(), &observed, &[]);
        assert_eq!(
            (drift.len(), drift[0].what, drift[0].direction),
            (1, What::Added, direction)
        );
        assert_eq!(drift[0].writer.as_ref().unwrap().by, "eve@contoso.com");
    }
    observed.insert(exemption("/subscriptions/x/providers/y/another", Value::Null));
    assert_eq!(found(Vec::new(), Vec::new(), &observed, &[]), []);
}

#[test]
fn what_a_write_would_leave_alone_is_seen() {
    let mut observed = Observed::default();
    let mut wire = document("deny", "a", "Deny");
    wire["properties"]["resourceSelectors"] = json!([{"name": "x"}]);
    wire["properties"]["definitionVersion"] = json!("1.*.*");
    observed.insert(LiveObject {
        kind: Kind::PolicyAssignment,
        id: assignment_id(),
        wire,
        etag: None,
    });
    let body = document("deny", "a", "Deny");
    let documents = BTreeMap::from([((Kind::PolicyAssignment, assignment_id()), body.into())]);
    let drift = find(Inputs {
        owner: "us",
        plan: &plan(vec![step(Kind::PolicyAssignment, Action::NoOp, None, None)], Vec::new()),
        documents: &documents,
        meanings: &BTreeMap::new(),
        observed: &observed,
        required: &[],
    });
    assert_eq!(drift.len(), 1, "{drift:#?}");
    let fields: Vec<&str> = drift[0].fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(
        (fields, drift[0].direction),
        (vec!["resourceSelectors"], Direction::Weakens)
    );
    assert_eq!(drift[0].cause, Cause::ByHand);
}
