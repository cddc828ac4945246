//! Which gates may be promoted, and what of them.

use super::*;
use crate::config::InitiativeKind;
use crate::kinds::Kind as ObjectKind;
use crate::model::{Period, ResourceId};
use crate::observed::LiveObject;
use crate::rollout::Count;
use crate::yaml;
use serde_json::json;
use std::collections::BTreeMap;

const DAY: u64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn gate(target: Stage) -> Gate {
    Gate {
        name: "g".to_owned(),
        initiative: "i".to_owned(),
        target,
        soak: Period::from_seconds(DAY),
        max_violations: 0,
        exclude_namespaces: Vec::new(),
        parameters: BTreeMap::new(),
        identity: None,
        kind: InitiativeKind::Admission,
        renamed_from: None,
    }
}

fn stands(stage: Stage) -> SourceGate {
    SourceGate {
        assignment: "/a".to_owned(),
        digest: "d".to_owned(),
        position: stage.to_string(),
        stage,
        since: Some(at(0)),
        by_hand: false,
        evidence: None,
    }
}

fn node(text: &str) -> Node {
    yaml::parse("", text.as_bytes()).0.unwrap().root
}

struct World {
    gate: Gate,
    stated: Node,
    digest: Option<&'static str>,
    stands: Option<SourceGate>,
    known: Option<(Gate, Node)>,
    now: Timestamp,
}

impl World {
    fn new(target: Stage, stage: Stage) -> World {
        World {
            gate: gate(target),
            stated: node("{initiative: i, target: deny, soak: 1d}"),
            digest: Some("d"),
            stands: Some(stands(stage)),
            known: None,
            now: at(2 * DAY as i64),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut World)) -> World {
        change(&mut self);
        self
    }

    fn judge(&self) -> Promotion {
        judge(Pair {
            from: "dev",
            gate: &self.gate,
            stated: &self.stated,
            digest: self.digest,
            stands: self.stands.as_ref(),
            to: "prod",
            known: self.known.as_ref().map(|(gate, node)| (gate, node)),
            now: self.now,
        })
    }
}

fn edits(promotion: &Promotion) -> Vec<String> {
    promotion.edits.iter().map(yaml::described).collect()
}

#[test]
fn what_soaked_is_asked_for_and_no_more() {
    for (target, stage, asked) in [
        (Stage::Deny, Stage::Deny, "deny"),
        (Stage::Deny, Stage::Audit, "audit"),
        (Stage::Audit, Stage::Audit, "audit"),
        // It denies, and the file asks for less.
        (Stage::Audit, Stage::Deny, "audit"),
    ] {
        let found = World::new(target, stage).judge();
        assert_eq!(found.verdict, Verdict::Ready);
        assert_eq!(edits(&found), [format!("gates.g: {{initiative: i, target: {asked}}}")]);
    }
}

#[test]
fn what_is_missing_is_said_and_nothing_is_edited() {
    let world = || World::new(Stage::Deny, Stage::Deny);
    let heard = |reported, troubled| Heard {
        clusters: 3,
        reported,
        troubled,
        violations: Count::exactly(0),
    };
    let cases: Vec<(World, Verdict, &str)> = vec![
        (
            world().with(|w| w.stands = None),
            Verdict::NotYet,
            "does not stand in `dev` yet",
        ),
        (
            world().with(|w| w.now = at(DAY as i64 - 1)),
            Verdict::NotYet,
            "soaked in `dev` for 23h59m59s of 1d",
        ),
        (world().with(|w| w.now = at(-1)), Verdict::NotYet, "in the future"),
        (
            world().with(|w| w.stands.as_mut().unwrap().since = None),
            Verdict::NotYet,
            "does not say since when",
        ),
        (
            world().with(|w| w.stands.as_mut().unwrap().evidence = Some(heard(2, 0))),
            Verdict::NotYet,
            "1 of 3 clusters in `dev` did not report",
        ),
        (
            world().with(|w| w.stands.as_mut().unwrap().evidence = Some(heard(3, 2))),
            Verdict::NotYet,
            "2 clusters in `dev` report Conflict or Error",
        ),
        (
            world().with(|w| w.digest = Some("other")),
            Verdict::Refused,
            "has not soaked there",
        ),
        (
            world().with(|w| w.stands.as_mut().unwrap().by_hand = true),
            Verdict::Refused,
            "changed it by hand",
        ),
        (world().with(|w| w.digest = None), Verdict::Nothing, "Defender plan"),
        (
            world().with(|w| w.gate.target = Stage::Off),
            Verdict::Nothing,
            "wants it off",
        ),
    ];
    for (world, verdict, sentence) in cases {
        let found = world.judge();
        assert_eq!((found.verdict, edits(&found).len()), (verdict, 0), "{sentence}");
        assert!(
            found.missing.iter().any(|line| line.contains(sentence)),
            "{sentence}: {:?}",
            found.missing
        );
    }
    let soaked = world().with(|w| w.now = at(DAY as i64)).judge();
    assert_eq!(
        soaked.verdict,
        Verdict::Ready,
        "the soak is over when it said it would be"
    );
    let silent = World::new(Stage::Deny, Stage::Audit)
        .with(|w| w.stands.as_mut().unwrap().evidence = Some(heard(0, 0)))
        .judge();
    assert_eq!(silent.verdict, Verdict::Ready, "audit asks for no evidence");
}

#[test]
fn a_gate_that_is_there_is_raised_never_lowered_and_keeps_what_it_states() {
    let world = |known: Stage, theirs: &str| {
        World::new(Stage::Deny, Stage::Deny).with(|w| {
            w.stated = node("{initiative: i, excludeNamespaces: [a], parameters: {x: 1, y: [p], z: same}}");
            w.known = Some((gate(known), node(theirs)));
        })
    };
    let found = world(Stage::Audit, "{initiative: i, parameters: {y: [q], z: same, own: 2}}").judge();
    assert_eq!(edits(&found), ["gates.g.target: deny", "gates.g.parameters.x: 1"]);
    let keys: Vec<&str> = found.differences.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(keys, ["parameters.y", "parameters.own", "excludeNamespaces"]);
    let same = "{initiative: i, excludeNamespaces: [a], parameters: {x: 1, y: [p], z: same}}";
    for known in [Stage::Deny, Stage::Audit] {
        let found = world(known, same).judge();
        assert_eq!(found.verdict == Verdict::Nothing, known == Stage::Deny);
        assert!(found.differences.is_empty());
    }
    let lower = World::new(Stage::Audit, Stage::Audit)
        .with(|w| w.known = Some((gate(Stage::Deny), node("{initiative: i}"))))
        .judge();
    assert_eq!(lower.verdict, Verdict::Nothing, "it denies there, and goes on to");
    let other = world(Stage::Deny, same).with(|w| w.known.as_mut().unwrap().0.initiative = "old".to_owned());
    assert_eq!(edits(&other.judge()), ["gates.g.initiative: i"]);
}

#[test]
fn a_new_gate_brings_its_content_and_not_its_soak_time() {
    let found = World::new(Stage::Audit, Stage::Audit)
        .with(|w| {
            w.stated = node("{initiative: i, target: audit, soak: 1d, excludeNamespaces: [a], parameters: {x: 1}}")
        })
        .judge();
    let expected = "gates.g: {initiative: i, target: audit, excludeNamespaces: [a], parameters: {x: 1}}";
    assert_eq!(edits(&found), [expected]);
}

fn assignment(position: &str, properties: serde_json::Value) -> LiveObject {
    let mut properties = properties;
    properties["metadata"] =
        json!({"aksgateState": format!("position={position}; digest=d; since=2027-01-04T08:00:00Z")});
    LiveObject {
        kind: ObjectKind::PolicyAssignment,
        id: ResourceId::parse("/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a").unwrap(),
        wire: json!({ "properties": properties }),
        etag: None,
    }
}

#[test]
fn an_assignment_holds_the_lower_of_what_it_says_and_what_it_does() {
    let effect = |effect: &str, more: serde_json::Value| {
        let mut properties = json!({"parameters": {"effect": {"value": effect}}, "enforcementMode": "Default"});
        for (key, value) in more.as_object().unwrap() {
            properties[key] = value.clone();
        }
        properties
    };
    let lowered = json!({"overrides": [{"kind": "policyEffect", "value": "Audit", "selectors": []}]});
    for (position, properties, stage, by_hand) in [
        ("deny", effect("Deny", json!({})), Stage::Deny, false),
        ("audit", effect("Audit", json!({})), Stage::Audit, false),
        ("deny", effect("Audit", json!({})), Stage::Audit, true),
        ("audit", effect("Deny", json!({})), Stage::Audit, false),
        (
            "deny",
            effect("Deny", json!({"enforcementMode": "DoNotEnforce"})),
            Stage::Audit,
            true,
        ),
        ("deny", effect("Deny", lowered), Stage::Audit, true),
        ("audit", effect("Disabled", json!({})), Stage::Off, true),
        ("something between", effect("Deny", json!({})), Stage::Audit, false),
    ] {
        let object = assignment(position, properties);
        let found = source_gate(&gate(Stage::Deny), &object, None).unwrap();
        assert_eq!(
            (found.stage, found.by_hand),
            (stage, by_hand),
            "{position} {}",
            object.wire
        );
        assert_eq!((found.digest.as_str(), found.since.is_some()), ("d", true));
    }
    let mut unmarked = assignment("deny", json!({}));
    unmarked.wire["properties"]["metadata"] = json!({});
    assert_eq!(source_gate(&gate(Stage::Deny), &unmarked, None), None);
}

fn proof() -> Proof {
    Proof {
        owner: "us".to_owned(),
        environment: "dev".to_owned(),
        tenant: "t".to_owned(),
        scope: "subscriptions/x".to_owned(),
        endpoint: "https://management.azure.com".to_owned(),
        read: at(100),
        expires: at(100).plus(VALID),
        correlation_id: "run".to_owned(),
        gates: BTreeMap::from([("g".to_owned(), stands(Stage::Deny))]),
    }
}

const WANTED: [&str; 4] = ["us", "dev", "t", "subscriptions/x"];

#[test]
fn a_proof_is_read_back_as_it_was_written_and_damage_is_told() {
    let text = proof().to_text();
    assert_eq!(Proof::from_text(&text).unwrap(), proof());
    assert!(Proof::is_one(text.as_bytes()) && !Proof::is_one(b"{}"));
    let refused = |text: &str| Proof::from_text(text).unwrap_err();
    assert_eq!(refused(&text.replace("\"deny\"", "\"audit\"")), ProofError::Edited);
    assert_eq!(
        refused(&text.replace("\"formatVersion\": 1", "\"formatVersion\": 2")),
        ProofError::Version(2)
    );
    assert!(matches!(refused("{}"), ProofError::NotAProof(_)));
    assert!(matches!(refused("x"), ProofError::NotAProof(_)));
}

#[test]
fn a_proof_holds_for_what_it_is_of_and_for_a_day() {
    let holds = |wanted: [&str; 4], sandbox: bool, now: i64| proof().holds(wanted, sandbox, at(now));
    assert_eq!(holds(WANTED, false, 100), Ok(()));
    let day = 100 + DAY as i64;
    assert_eq!(holds(WANTED, false, day - 1), Ok(()));
    assert!(matches!(holds(WANTED, false, day), Err(ProofError::Expired { .. })));
    assert!(matches!(holds(WANTED, false, 99), Err(ProofError::Expired { .. })));
    for index in 0..4 {
        let mut wanted = WANTED;
        wanted[index] = "other";
        assert!(matches!(holds(wanted, false, 100), Err(ProofError::Other { .. })));
    }
    assert!(
        holds(WANTED, true, 100).is_err(),
        "what soaked in Azure is not of the sandbox"
    );
    let mut sandbox = proof();
    sandbox.endpoint = "sandbox:1".to_owned();
    assert!(
        sandbox.holds(WANTED, false, at(100)).is_err(),
        "nor the other way round"
    );
    let mut long = proof();
    long.expires = at(i64::MAX);
    assert!(
        long.holds(WANTED, false, at(day)).is_err(),
        "no file gives itself longer"
    );
}
