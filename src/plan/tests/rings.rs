//! The way of a gate through its rings and generations, against the model of Azure: whatever happens, no place is weaker than it was.

use super::*;
use crate::config::{Advance, Rollout};
use crate::desired::{Controls, Order};
use crate::model::{Area, Effect, Ring};
use crate::rollout::{ClusterEvidence, Count, Coverage, GateEvidence, Guard, MemberEvidence, MemberState, Position};

const PLACES: [&str; 3] = ["northeurope", "westeurope", "japaneast"];

/// The gate with so many members, on its way through two rings and the rest.
pub(super) fn ringed(members: usize) -> Estate {
    let mut estate = own(members);
    let ring = |name: &str, area| Ring {
        name: name.to_owned(),
        area,
    };
    let environment = estate.environments.get_mut("dev").unwrap();
    environment.rollout = Rollout {
        rings: vec![
            ring("canary", Area::Locations(vec!["northeurope".into()])),
            ring("broad", Area::Locations(vec!["westeurope".into()])),
            ring("all", Area::Rest),
        ],
        advance: Advance::Auto,
        ..Rollout::default()
    };
    estate
}

/// An Azure with a guarded cluster in each place.
pub(super) fn guarded() -> Azure {
    let mut azure = Azure::default();
    for place in PLACES {
        let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService");
        let id = ResourceId::parse(&format!("{path}/managedClusters/{place}")).unwrap();
        let addon = json!({"azurepolicy": {"enabled": true}});
        azure.put(
            Kind::ManagedCluster,
            &id,
            json!({"properties": {"addonProfiles": addon}}),
        );
    }
    azure
}

pub(super) fn observe(azure: &Azure) -> Observed {
    let mut observed = azure.observe();
    for cluster in &mut observed.clusters {
        cluster.location = cluster.id.name().to_owned();
    }
    observed
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_seconds(10 * 86_400)
}

/// What is heard of every assignment; of one place there may be a conflict.
fn heard(azure: &Azure, broken: Option<usize>) -> BTreeMap<ResourceId, GateEvidence> {
    let observed = observe(azure);
    let clusters = observed.clusters.iter().map(|cluster| {
        let is_broken = broken.is_some_and(|at| cluster.location == PLACES[at]);
        let member = MemberEvidence {
            state: if is_broken {
                MemberState::Conflict
            } else {
                MemberState::Compliant
            },
            reported: Some(Timestamp::from_seconds(now().seconds() - 3_600)),
            violations: Count::exactly(0),
            denied: Count::exactly(0),
        };
        ClusterEvidence {
            id: cluster.id.clone(),
            name: cluster.id.name().to_owned(),
            location: cluster.location.clone(),
            changed: None,
            coverage: Coverage::Reporting,
            members: BTreeMap::from([("m".to_owned(), member)]),
        }
    });
    let evidence = GateEvidence {
        changed: Some(Timestamp::from_seconds(0)),
        clusters: clusters.collect(),
    };
    let assignments = azure.objects.keys().filter(|(kind, _)| *kind == Kind::PolicyAssignment);
    assignments.map(|(_, id)| (id.clone(), evidence.clone())).collect()
}

/// How far each place is closed, whichever assignment does it.
pub(super) fn closed(azure: &Azure) -> [Stage; 3] {
    PLACES.map(|place| {
        let assignments = azure
            .objects
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::PolicyAssignment);
        let stages = assignments.map(|(_, wire)| {
            let properties = &wire["properties"];
            let stage = |value: &Value| Stage::of(Effect::parse(value.as_str().unwrap()).unwrap()).unwrap();
            let overrides = properties["overrides"].as_array().cloned().unwrap_or_default();
            let here = overrides
                .iter()
                .filter(|one| one["selectors"][0]["in"].as_array().unwrap().contains(&json!(place)))
                .map(|one| stage(&one["value"]));
            here.fold(stage(&properties["parameters"]["effect"]["value"]), Stage::max)
        });
        stages.max().unwrap_or(Stage::Off)
    })
}

pub(super) fn assignments(azure: &Azure) -> usize {
    azure
        .objects
        .keys()
        .filter(|(kind, _)| *kind == Kind::PolicyAssignment)
        .count()
}

/// Applies once; with `steps`, an apply that is interrupted after so many.
pub(super) fn apply(azure: &mut Azure, estate: &Estate, controls: &Controls, steps: Option<usize>) -> Plan {
    let (plan, documents) = plan_at(estate, &observe(azure), &[], (controls, now()));
    let all = plan.pending().count();
    azure.carry_out_some(&plan, &documents, steps.map_or(all, |steps| steps.min(all)));
    plan
}

pub(super) fn sound(azure: &Azure) -> Controls {
    Controls {
        evidence: heard(azure, None),
        ..Controls::default()
    }
}

pub(super) fn arrived(members: usize) -> Azure {
    let mut azure = guarded();
    for _ in 0..4 {
        let controls = sound(&azure);
        apply(&mut azure, &ringed(members), &controls, None);
    }
    assert_eq!(closed(&azure), [Stage::Deny; 3]);
    azure
}

#[test]
fn a_gate_closes_ring_by_ring_and_then_there_is_nothing_left_to_do() {
    let mut azure = guarded();
    let mut way = Vec::new();
    for _ in 0..4 {
        let controls = sound(&azure);
        let plan = apply(&mut azure, &ringed(3), &controls, None);
        assert_eq!(plan.weakenings().count(), 0, "{:?}", summary(&plan));
        way.push(closed(&azure));
    }
    use Stage::{Audit, Deny};
    assert_eq!(way, [[Audit; 3], [Deny, Audit, Audit], [Deny, Deny, Audit], [Deny; 3]]);
    let controls = sound(&azure);
    assert_eq!(
        summary(&apply(&mut azure, &ringed(3), &controls, None)),
        Vec::<String>::new()
    );
}

#[test]
fn without_evidence_no_ring_closes_and_the_plan_says_so() {
    let mut azure = guarded();
    for _ in 0..6 {
        apply(&mut azure, &ringed(1), &Controls::default(), None);
    }
    assert_eq!(closed(&azure), [Stage::Audit; 3]);
    let plan = apply(&mut azure, &ringed(1), &Controls::default(), None);
    assert_eq!(plan.held[0].what, "deny in canary");
    assert_eq!(plan.held[0].reasons[0].guard, "evidence");
}

#[test]
fn a_tightened_gate_climbs_beside_what_denies_and_takes_its_place_once_it_is_heard_of() {
    let mut azure = arrived(1);
    let mut count = Vec::new();
    for _ in 0..4 {
        let controls = sound(&azure);
        apply(&mut azure, &ringed(2), &controls, None);
        assert_eq!(closed(&azure), [Stage::Deny; 3], "there is no gap");
        count.push(assignments(&azure));
    }
    assert_eq!(count, [2, 2, 2, 2]);
    let broken = Controls {
        evidence: heard(&azure, Some(2)),
        ..Controls::default()
    };
    let plan = apply(&mut azure, &ringed(2), &broken, None);
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(plan.held[0].reasons[0].sentence.contains("conflict"), "{:?}", plan.held);
    let controls = sound(&azure);
    let plan = apply(&mut azure, &ringed(2), &controls, None);
    assert_eq!(
        summary(&plan),
        ["delete policyAssignment neutral", "delete policySetDefinition neutral"]
    );
    assert_eq!((assignments(&azure), closed(&azure)), (1, [Stage::Deny; 3]));
}

#[test]
fn what_only_weakens_is_changed_in_place_and_counts_as_a_weakening() {
    let mut azure = arrived(1);
    let mut weaker = ringed(1);
    let gates = &mut weaker.environments.get_mut("dev").unwrap().gates;
    gates.get_mut("own-gate").unwrap().exclude_namespaces = vec!["monitoring".into()];
    let controls = sound(&azure);
    let plan = apply(&mut azure, &weaker, &controls, None);
    assert_eq!(summary(&plan), ["update policyAssignment weakens"]);
    assert_eq!((assignments(&azure), closed(&azure)), (1, [Stage::Deny; 3]));
    // The other way round it tightens, and climbs.
    let plan = apply(&mut azure, &ringed(1), &controls, None);
    assert_eq!(summary(&plan), ["create policyAssignment tightens"]);
}

#[test]
fn a_gate_goes_back_at_once_and_no_further_until_it_is_resumed() {
    let mut azure = arrived(1);
    let order = |order| BTreeMap::from([("own-gate".to_owned(), order)]);
    let undo = Controls {
        orders: order(Order::Undo {
            to: Some(Position::Rings(1)),
            reason: "the shop is down".into(),
        }),
        ..sound(&azure)
    };
    let plan = apply(&mut azure, &ringed(1), &undo, None);
    assert_eq!(summary(&plan), ["update policyAssignment weakens"]);
    assert_eq!(closed(&azure), [Stage::Deny, Stage::Audit, Stage::Audit]);
    let controls = sound(&azure);
    let plan = apply(&mut azure, &ringed(1), &controls, None);
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert_eq!(plan.held[0].reasons[0].guard, "pause");
    assert!(plan.held[0].reasons[0].sentence.contains("the shop is down"));
    // To resume is one thing and to close another: it takes no step by itself.
    let resume = Controls {
        orders: order(Order::Resume),
        ..sound(&azure)
    };
    assert_eq!(
        summary(&apply(&mut azure, &ringed(1), &resume, None)),
        ["update policyAssignment neutral"]
    );
    apply(&mut azure, &ringed(1), &controls, None);
    assert_eq!(closed(&azure), [Stage::Deny, Stage::Deny, Stage::Audit]);
}

#[test]
fn a_gate_that_goes_back_keeps_the_generations_that_stand_no_further() {
    let undo = |azure: &Azure, to| Controls {
        orders: BTreeMap::from([("own-gate".to_owned(), Order::Undo { to, reason: "r".into() })]),
        ..sound(azure)
    };
    // The first generation denies in one ring, the second one climbs beside it.
    let mut azure = guarded();
    for members in [1, 1, 2] {
        let controls = sound(&azure);
        apply(&mut azure, &ringed(members), &controls, None);
    }
    assert_eq!(
        (assignments(&azure), closed(&azure)),
        (2, [Stage::Deny, Stage::Audit, Stage::Audit])
    );
    let mut kept = azure.clone();
    let controls = undo(&kept, Some(Position::Rings(1)));
    apply(&mut kept, &ringed(2), &controls, None);
    assert_eq!(
        (assignments(&kept), closed(&kept)),
        (2, [Stage::Deny, Stage::Audit, Stage::Audit])
    );
    let controls = undo(&azure, None);
    apply(&mut azure, &ringed(2), &controls, None);
    assert_eq!(
        (assignments(&azure), closed(&azure)),
        (1, [Stage::Audit; 3]),
        "one position back"
    );
}

#[test]
fn a_gate_that_goes_back_while_it_climbs_keeps_closed_what_it_was_asked_to() {
    let undo = |azure: &Azure, to| Controls {
        orders: BTreeMap::from([("own-gate".to_owned(), Order::Undo { to, reason: "r".into() })]),
        ..sound(azure)
    };
    let [deny, audit] = [Stage::Deny, Stage::Audit];
    for (to, expected, left) in [
        (None, [deny, deny, audit], 2),
        (Some(Position::Rings(1)), [deny, audit, audit], 2),
        (Some(Position::Audit), [audit; 3], 1),
    ] {
        // The first generation denies everywhere, and the second one has denied in one ring since just now.
        for climbed in 1..3 {
            let mut azure = arrived(1);
            for _ in 0..climbed {
                let controls = sound(&azure);
                apply(&mut azure, &ringed(2), &controls, None);
            }
            let controls = undo(&azure, to);
            let plan = apply(&mut azure, &ringed(2), &controls, None);
            assert_eq!(
                (closed(&azure), assignments(&azure)),
                (expected, left),
                "{:?}",
                summary(&plan)
            );
            // It is paused, and nothing moves until it is resumed.
            let controls = sound(&azure);
            let plan = apply(&mut azure, &ringed(2), &controls, None);
            assert_eq!(plan.weakenings().count(), 0, "{:?}", summary(&plan));
            assert_eq!(closed(&azure), expected);
            let resume = Controls {
                orders: BTreeMap::from([("own-gate".to_owned(), Order::Resume)]),
                ..sound(&azure)
            };
            apply(&mut azure, &ringed(2), &resume, None);
            for _ in 0..6 {
                let controls = sound(&azure);
                let before = closed(&azure);
                apply(&mut azure, &ringed(2), &controls, None);
                assert!(closed(&azure) >= before, "nothing opens on the way");
            }
            assert_eq!((closed(&azure), assignments(&azure)), ([deny; 3], 1));
        }
    }
}

#[test]
fn a_pause_and_its_end_write_nothing_else_and_tell_what_is_left() {
    let order = |order, azure: &Azure| Controls {
        orders: BTreeMap::from([("own-gate".to_owned(), order)]),
        ..sound(azure)
    };
    let mut azure = arrived(1);
    let before = closed(&azure);
    // The files ask for more members: a successor would begin.
    for (asked, paused) in [
        (
            Order::Pause {
                reason: "release".into(),
            },
            true,
        ),
        (Order::Resume, false),
    ] {
        let controls = order(asked.clone(), &azure);
        let plan = apply(&mut azure, &ringed(2), &controls, None);
        assert_eq!(summary(&plan), ["update policyAssignment neutral"], "{asked:?}");
        let told = |finding: &Finding| finding.sentence.starts_with("other changes are pending");
        assert!(plan.findings.iter().any(told), "{:?}", plan.findings);
        assert_eq!((closed(&azure), assignments(&azure)), (before, 1));
        let live = azure
            .objects
            .iter()
            .find(|((kind, _), _)| *kind == Kind::PolicyAssignment);
        let text = live.unwrap().1["properties"]["metadata"][STATE_KEY].as_str().unwrap();
        assert_eq!(MarkState::parse(text).unwrap().paused.is_some(), paused);
        // Asked for twice, there is nothing to do.
        let controls = order(asked, &azure);
        assert_eq!(
            summary(&apply(&mut azure, &ringed(2), &controls, None)),
            Vec::<String>::new()
        );
    }
    // Where nothing is pending nothing is told, and where nothing is there nothing is written.
    let controls = order(Order::Resume, &azure);
    assert_eq!(apply(&mut azure, &ringed(1), &controls, None).findings, []);
    let mut nothing = guarded();
    let controls = order(Order::Pause { reason: "r".into() }, &nothing);
    let plan = apply(&mut nothing, &ringed(1), &controls, None);
    assert_eq!((summary(&plan), plan.held[0].what.as_str()), (Vec::new(), "pause"));
}

#[test]
fn a_relaxation_lets_a_ring_off_until_its_end_whatever_is_planned_meanwhile() {
    let mut azure = arrived(1);
    let relax = Controls {
        orders: BTreeMap::from([(
            "own-gate".to_owned(),
            Order::Relax {
                period: Period::from_seconds(4 * 3_600),
                ring: Some(2),
                reason: "restore".into(),
            },
        )]),
        ..sound(&azure)
    };
    let plan = apply(&mut azure, &ringed(1), &relax, None);
    assert_eq!(summary(&plan), ["create policyExemption weakens"]);
    let exemption = |azure: &Azure| {
        let found = azure
            .objects
            .iter()
            .find(|((kind, _), _)| *kind == Kind::PolicyExemption);
        found.map(|(_, wire)| wire["properties"].clone())
    };
    let properties = exemption(&azure).unwrap();
    assert_eq!(
        properties["expiresOn"],
        now().plus(Period::from_seconds(4 * 3_600)).to_string()
    );
    let selector = json!({"kind": "resourceLocation", "in": ["japaneast"]});
    assert_eq!(properties["resourceSelectors"][0]["selectors"][0], selector);
    let controls = sound(&azure);
    let plan = apply(&mut azure, &ringed(1), &controls, None);
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(
        plan.findings
            .iter()
            .any(|finding| finding.sentence.contains("is relaxed"))
    );
    let later = now().plus(Period::from_seconds(5 * 3_600));
    let (plan, _) = plan_at(&ringed(1), &observe(&azure), &[], (&controls, later));
    assert_eq!(summary(&plan), ["delete policyExemption tightens"]);
}

#[test]
fn a_ring_without_a_cluster_is_told() {
    let mut estate = ringed(1);
    let rings = &mut estate.environments.get_mut("dev").unwrap().rollout.rings;
    rings[0].area = Area::Locations(vec!["northeurpoe".into()]);
    let (plan, _) = plan_at(&estate, &observe(&guarded()), &[], (&Controls::default(), now()));
    let said = |finding: &Finding| finding.sentence.contains("no cluster in scope is in ring `canary`");
    assert!(plan.findings.iter().any(said), "{:?}", plan.findings);
}

#[test]
fn a_guard_that_is_overridden_is_in_the_mark_with_its_reason() {
    let mut azure = guarded();
    apply(&mut azure, &ringed(1), &Controls::default(), None);
    let overrides = Controls {
        overrides: vec![(Guard::Evidence, "the report is late, and we looked".into())],
        ..Controls::default()
    };
    let plan = apply(&mut azure, &ringed(1), &overrides, None);
    assert_eq!(closed(&azure), [Stage::Deny, Stage::Audit, Stage::Audit]);
    assert!(
        plan.findings
            .iter()
            .any(|finding| finding.sentence.starts_with("goes past the guard `evidence`")),
        "{:?}",
        plan.findings
    );
    let state = |azure: &Azure| {
        let (_, wire) = azure
            .objects
            .iter()
            .find(|((kind, _), _)| *kind == Kind::PolicyAssignment)
            .unwrap();
        MarkState::parse(wire["properties"]["metadata"][STATE_KEY].as_str().unwrap()).unwrap()
    };
    let expected = ["evidence for deny-1: the report is late, and we looked"];
    assert_eq!(state(&azure).overrides, expected);
    apply(&mut azure, &ringed(1), &Controls::default(), None);
    assert_eq!(state(&azure).overrides, expected, "it stays in the mark");
}

#[test]
fn rings_in_another_order_open_nothing() {
    let mut azure = guarded();
    for _ in 0..2 {
        let controls = sound(&azure);
        apply(&mut azure, &ringed(1), &controls, None);
    }
    let mut turned = ringed(1);
    turned.environments.get_mut("dev").unwrap().rollout.rings.swap(0, 1);
    let plan = apply(&mut azure, &turned, &Controls::default(), None);
    assert_eq!(closed(&azure), [Stage::Deny, Stage::Audit, Stage::Audit]);
    assert!(
        plan.findings
            .iter()
            .any(|finding| finding.sentence.contains("denies in northeurope too"))
    );
    let controls = sound(&azure);
    apply(&mut azure, &turned, &controls, None);
    assert_eq!(closed(&azure), [Stage::Deny, Stage::Deny, Stage::Audit]);
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// An apply, with what is heard of the places, and after how many steps it is interrupted.
    Apply { heard: Heard, steps: Option<usize> },
    /// The gate gets so many members.
    Content(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    Nothing,
    Sound,
    Broken(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let heard = prop_oneof![
        1 => Just(Heard::Nothing),
        4 => Just(Heard::Sound),
        2 => (0..PLACES.len()).prop_map(Heard::Broken),
    ];
    let applied = (heard, prop::option::weighted(0.3, 0usize..3));
    let event = prop_oneof![
        5 => applied.prop_map(|(heard, steps)| Event::Apply { heard, steps }),
        1 => (1usize..4).prop_map(Event::Content),
    ];
    prop::collection::vec(event, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_no_place_opens_and_none_closes_past_a_guard(events in events()) {
        let mut azure = guarded();
        let (mut members, mut grew) = (1, true);
        for event in events {
            let before = closed(&azure);
            match event {
                Event::Content(count) => {
                    grew &= count >= members;
                    members = count;
                }
                Event::Apply { heard: what, steps } => {
                    let evidence = match what {
                        Heard::Nothing => BTreeMap::new(),
                        Heard::Sound => heard(&azure, None),
                        Heard::Broken(at) => heard(&azure, Some(at)),
                    };
                    let controls = Controls { evidence, ..Controls::default() };
                    let plan = apply(&mut azure, &ringed(members), &controls, steps);
                    prop_assert!(!grew || plan.weakenings().count() == 0, "{:?}", summary(&plan));
                    let after = closed(&azure);
                    let mut newly = 0;
                    for (at, place) in PLACES.iter().enumerate() {
                        prop_assert!(after[at] >= before[at], "{place} was opened: {before:?} {after:?}");
                        if after[at] == Stage::Deny && before[at] < Stage::Deny {
                            newly += 1;
                            prop_assert!(before[at] == Stage::Audit, "{place} denies that did not report before");
                            let open = match what {
                                Heard::Nothing => false,
                                Heard::Sound => true,
                                // Neither this ring nor one within it may be broken.
                                Heard::Broken(broken) => broken > at,
                            };
                            prop_assert!(open, "{place} was closed past a guard: {what:?}");
                        }
                    }
                    prop_assert!(newly <= 1, "one ring at a time");
                }
            }
        }
        for _ in 0..6 {
            let controls = sound(&azure);
            apply(&mut azure, &ringed(members), &controls, None);
        }
        prop_assert_eq!(closed(&azure), [Stage::Deny; 3]);
        prop_assert_eq!(assignments(&azure), 1);
        let controls = sound(&azure);
        prop_assert_eq!(summary(&apply(&mut azure, &ringed(members), &controls, None)), Vec::<String>::new());
    }
}

/// Something that a person does to a gate.
#[derive(Clone, Copy, Debug)]
enum Hand {
    /// Somebody sets the effect to audit everywhere in Azure, past the tool.
    Opens,
    /// Somebody sets the effect to deny everywhere in Azure.
    Closes,
    /// Somebody lets it deny in a place too.
    ClosesIn(usize),
    /// `rollout undo`.
    Undo,
    /// `rollout resume`.
    Resume,
    /// An apply, with what is heard.
    Apply(Heard),
}

/// Changes every assignment past the tool.
fn by_hand(azure: &mut Azure, change: impl Fn(&mut serde_json::Map<String, Value>)) {
    let assignments = azure
        .objects
        .iter_mut()
        .filter(|((kind, _), _)| *kind == Kind::PolicyAssignment);
    for (_, wire) in assignments {
        change(wire["properties"].as_object_mut().unwrap());
    }
}

fn hands() -> impl Strategy<Value = Vec<Hand>> {
    let heard = prop_oneof![
        1 => Just(Heard::Nothing),
        4 => Just(Heard::Sound),
        2 => (0..PLACES.len()).prop_map(Heard::Broken),
    ];
    let hand = prop_oneof![
        6 => heard.prop_map(Hand::Apply),
        1 => Just(Hand::Opens),
        1 => Just(Hand::Closes),
        1 => (0..PLACES.len()).prop_map(Hand::ClosesIn),
        1 => Just(Hand::Undo),
        1 => Just(Hand::Resume),
    ];
    prop::collection::vec(hand, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_people_do_by_hand_an_apply_opens_nothing_and_closes_nothing_past_a_guard_or_a_pause(hands in hands()) {
        let mut azure = guarded();
        let mut paused = false;
        for hand in hands {
            let before = closed(&azure);
            let order = |order: Order| Controls {
                orders: BTreeMap::from([("own-gate".to_owned(), order)]),
                ..Controls::default()
            };
            match hand {
                Hand::Opens => by_hand(&mut azure, |properties| {
                    properties.insert("overrides".to_owned(), json!([]));
                    properties["parameters"]["effect"]["value"] = json!("Audit");
                }),
                Hand::Closes => by_hand(&mut azure, |properties| {
                    properties["parameters"]["effect"]["value"] = json!("Deny");
                }),
                Hand::ClosesIn(at) => by_hand(&mut azure, |properties| {
                    let mut overrides = properties.get("overrides").and_then(Value::as_array).cloned().unwrap_or_default();
                    let here = |one: &Value| one["selectors"][0]["in"].as_array().unwrap().contains(&json!(PLACES[at]));
                    if !overrides.iter().any(here) {
                        let place = json!({"kind": "resourceLocation", "in": [PLACES[at]]});
                        overrides.push(json!({"kind": "policyEffect", "value": "Deny", "selectors": [place]}));
                    }
                    properties.insert("overrides".to_owned(), Value::from(overrides));
                }),
                Hand::Undo => {
                    let controls = order(Order::Undo { to: None, reason: "x".into() });
                    apply(&mut azure, &ringed(1), &controls, None);
                    paused |= assignments(&azure) > 0;
                    for (at, place) in PLACES.iter().enumerate() {
                        prop_assert!(closed(&azure)[at] <= before[at].max(Stage::Audit), "{place} was closed by an undo");
                    }
                }
                Hand::Resume => {
                    apply(&mut azure, &ringed(1), &order(Order::Resume), None);
                    prop_assert_eq!(closed(&azure), before);
                    paused = false;
                }
                Hand::Apply(what) => {
                    let evidence = match what {
                        Heard::Nothing => BTreeMap::new(),
                        Heard::Sound => heard(&azure, None),
                        Heard::Broken(at) => heard(&azure, Some(at)),
                    };
                    let controls = Controls { evidence, ..Controls::default() };
                    apply(&mut azure, &ringed(1), &controls, None);
                    let after = closed(&azure);
                    for (at, place) in PLACES.iter().enumerate() {
                        prop_assert!(after[at] >= before[at], "{place} was opened: {before:?} {after:?}");
                        let newly = after[at] == Stage::Deny && before[at] < Stage::Deny;
                        let open = match what {
                            Heard::Nothing => false,
                            Heard::Sound => true,
                            Heard::Broken(broken) => broken > at,
                        };
                        prop_assert!(!newly || open && !paused, "{place} was closed past a guard: {what:?}, paused {paused}");
                    }
                }
            }
        }
    }
}
