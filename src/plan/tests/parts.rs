//! Rings of scopes and of namespaces: the parts of a gate that have assignments of their own.

use super::*;
use crate::config::{Advance, Rollout};
use crate::desired::{Controls, Order};
use crate::model::{Area, Effect, Ring, WHOLE};
use crate::rollout::{ClusterEvidence, Count, Coverage, GateEvidence, MemberEvidence, MemberState, Position};

/// The clusters, each in a resource group of its own name, with their locations.
const CLUSTERS: [(&str, &str); 4] = [
    ("a", "northeurope"),
    ("b", "northeurope"),
    ("c", "westeurope"),
    ("d", "japaneast"),
];
const NAMESPACES: [&str; 2] = ["shop", "other"];
/// How far each cluster is closed in each namespace.
type Closed = [[Stage; 2]; 4];

fn group(name: &str) -> Scope {
    Scope::ResourceGroup(SUBSCRIPTION.to_owned(), name.to_owned())
}

fn rings() -> Vec<Ring> {
    let ring = |name: &str, area| Ring {
        name: name.to_owned(),
        area,
    };
    vec![
        ring("shop", Area::Namespaces(vec!["shop".into()])),
        ring("groups", Area::Scopes(vec![group("a"), group("b")])),
        ring("west", Area::Locations(vec!["westeurope".into()])),
        ring("all", Area::Rest),
    ]
}

fn with(members: usize, rings: Vec<Ring>) -> Estate {
    let mut estate = own(members);
    let environment = estate.environments.get_mut("dev").unwrap();
    environment.rollout = Rollout {
        rings,
        advance: Advance::Auto,
        ..Rollout::default()
    };
    estate
}

fn mixed(members: usize) -> Estate {
    with(members, rings())
}

fn guarded() -> Azure {
    let mut azure = Azure::default();
    for (name, _) in CLUSTERS {
        let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}/providers/Microsoft.ContainerService");
        let id = ResourceId::parse(&format!("{path}/managedClusters/{name}")).unwrap();
        let addon = json!({"azurepolicy": {"enabled": true}});
        azure.put(
            Kind::ManagedCluster,
            &id,
            json!({"properties": {"addonProfiles": addon}}),
        );
    }
    azure
}

fn observe(azure: &Azure) -> Observed {
    let mut observed = azure.observe();
    for cluster in &mut observed.clusters {
        let of = CLUSTERS.iter().find(|(name, _)| *name == cluster.id.name());
        cluster.location = of.unwrap().1.to_owned();
    }
    observed
}

fn now() -> Timestamp {
    Timestamp::from_seconds(10 * 86_400)
}

/// What is heard of every assignment of the clusters in its scope; of one cluster there may be a conflict.
fn heard(azure: &Azure, broken: Option<usize>) -> Controls {
    let observed = observe(azure);
    let of = |assignment: &ResourceId| {
        let clusters = observed
            .clusters
            .iter()
            .filter(|cluster| cluster.id.is_within(assignment.scope()));
        let clusters = clusters.map(|cluster| {
            let is_broken = broken.is_some_and(|at| cluster.id.name() == CLUSTERS[at].0);
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
        GateEvidence {
            changed: Some(Timestamp::from_seconds(0)),
            clusters: clusters.collect(),
        }
    };
    Controls {
        evidence: assigned(azure).map(|(id, _)| (id.clone(), of(id))).collect(),
        ..Controls::default()
    }
}

fn assigned(azure: &Azure) -> impl Iterator<Item = (&ResourceId, &Value)> {
    let assignments = azure
        .objects
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::PolicyAssignment);
    assignments.map(|((_, id), wire)| (id, wire))
}

fn assignments(azure: &Azure) -> usize {
    assigned(azure).count()
}

/// What Azure would refuse, from the documents alone.
fn closed(azure: &Azure) -> Closed {
    let observed = observe(azure);
    CLUSTERS.map(|(name, location)| {
        let cluster = observed.clusters.iter().find(|cluster| cluster.id.name() == name);
        let cluster = cluster.unwrap();
        NAMESPACES.map(|namespace| {
            let here = assigned(azure).filter(|(id, wire)| {
                let limit = wire.pointer("/properties/parameters/namespaces/value");
                let limit = limit.and_then(Value::as_array);
                cluster.id.is_within(id.scope()) && limit.is_none_or(|names| names.contains(&json!(namespace)))
            });
            let stage = |value: &Value| Stage::of(Effect::parse(value.as_str().unwrap()).unwrap()).unwrap();
            let stages = here.map(|(_, wire)| {
                let properties = &wire["properties"];
                let overrides = properties["overrides"].as_array().cloned().unwrap_or_default();
                let over = overrides
                    .iter()
                    .filter(|one| one["selectors"][0]["in"].as_array().unwrap().contains(&json!(location)))
                    .map(|one| stage(&one["value"]));
                over.fold(stage(&properties["parameters"]["effect"]["value"]), Stage::max)
            });
            stages.max().unwrap_or(Stage::Off)
        })
    })
}

/// The rings that are closed in whole, by the cells that belong to each.
fn closed_rings(closed: Closed) -> [bool; 4] {
    let deny = |cells: &[(usize, usize)]| cells.iter().all(|(at, name)| closed[*at][*name] == Stage::Deny);
    [
        deny(&[(0, 0), (1, 0), (2, 0), (3, 0)]),
        deny(&[(0, 1), (1, 1)]),
        deny(&[(2, 1)]),
        deny(&[(3, 1)]),
    ]
}

fn apply_at(azure: &mut Azure, estate: &Estate, (controls, now): (&Controls, Timestamp), steps: Option<usize>) -> Plan {
    let (plan, documents) = plan_at(estate, &observe(azure), &[], (controls, now));
    let all = plan.pending().count();
    azure.carry_out_some(&plan, &documents, steps.map_or(all, |steps| steps.min(all)));
    plan
}

fn apply(azure: &mut Azure, estate: &Estate, controls: &Controls, steps: Option<usize>) -> Plan {
    apply_at(azure, estate, (controls, now()), steps)
}

/// Applies so many times, with sound evidence.
fn climbed(estate: &Estate, times: usize) -> Azure {
    let mut azure = guarded();
    for _ in 0..times {
        let controls = heard(&azure, None);
        apply(&mut azure, estate, &controls, None);
    }
    azure
}

fn ordered(azure: &Azure, order: Order) -> Controls {
    Controls {
        orders: BTreeMap::from([("own-gate".to_owned(), order)]),
        ..heard(azure, None)
    }
}

fn undo(azure: &Azure, to: Position) -> Controls {
    let reason = "the shop is down".into();
    ordered(azure, Order::Undo { to: Some(to), reason })
}

fn says(plan: &Plan, text: &str) -> bool {
    let held = plan.held.iter().flat_map(|held| &held.reasons);
    let held = held.map(|reason| &reason.sentence);
    let mut all = plan.findings.iter().map(|finding| &finding.sentence).chain(held);
    all.any(|sentence| sentence.contains(text))
}

/// The id of the assignment at a scope, of namespaces or of the whole.
fn id_of(azure: &Azure, scope: &str, limited: bool) -> ResourceId {
    let found = assigned(azure).find(|(id, wire)| {
        let limit = wire.pointer("/properties/parameters/namespaces").is_some();
        id.scope().ends_with(scope) && limit == limited
    });
    found.unwrap().0.clone()
}

fn set_effect(azure: &mut Azure, id: &ResourceId, effect: &str) {
    let wire = azure.objects.get_mut(&(Kind::PolicyAssignment, id.clone())).unwrap();
    wire["properties"]["parameters"]["effect"]["value"] = json!(effect);
}

#[test]
fn each_ring_is_closed_by_what_it_is_made_of_and_what_is_there_stays_to_the_end() {
    let estate = mixed(3);
    let mut azure = guarded();
    let mut way = Vec::new();
    for _ in 0..5 {
        let controls = heard(&azure, None);
        let plan = apply(&mut azure, &estate, &controls, None);
        assert_eq!(plan.weakenings().count(), 0, "{:?}", summary(&plan));
        let count = closed_rings(closed(&azure)).iter().filter(|closed| **closed).count();
        way.push((count, assignments(&azure)));
    }
    assert_eq!(way, [(0, 2), (1, 2), (2, 4), (3, 4), (4, 4)]);
    let controls = heard(&azure, None);
    let plan = apply(&mut azure, &estate, &controls, None);
    assert_eq!(summary(&plan), Vec::<String>::new());
    let whole = &azure.objects[&(Kind::PolicyAssignment, id_of(&azure, SUBSCRIPTION, false))];
    assert!(whole["properties"]["overrides"].as_array().is_none_or(Vec::is_empty));
}

#[test]
fn a_step_that_was_interrupted_between_two_scopes_is_finished_by_the_next_run() {
    let estate = mixed(1);
    let mut azure = climbed(&estate, 2);
    let before = closed_rings(closed(&azure));
    let controls = heard(&azure, None);
    apply(&mut azure, &estate, &controls, Some(1));
    let half = azure.clone();
    assert_eq!(
        (assignments(&azure), closed_rings(closed(&azure))),
        (3, before),
        "no ring more"
    );
    // What denies is left, whatever the guards say now.
    let plan = apply(&mut azure, &estate, &Controls::default(), None);
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(says(&plan, "denies in `subscriptions/"), "{:?}", plan.findings);
    assert!(!says(&plan, "changed by hand"), "{:?}", plan.findings);
    let mut azure = half;
    let controls = heard(&azure, None);
    let plan = apply(&mut azure, &estate, &controls, None);
    assert_eq!(
        summary(&plan),
        ["update policyAssignment neutral", "create policyAssignment tightens"]
    );
    assert_eq!(closed_rings(closed(&azure)), [true, true, false, false]);
}

#[test]
fn a_part_that_was_opened_by_hand_is_told_and_climbs_again() {
    let estate = mixed(1);
    let mut azure = climbed(&estate, 4);
    let at = id_of(&azure, "/a", false);
    set_effect(&mut azure, &at, "Audit");
    let plan = apply(&mut azure, &estate, &Controls::default(), None);
    assert!(
        says(
            &plan,
            "stands at deny in shop though its mark says deny in shop, groups, west"
        ),
        "{:?}",
        plan.findings
    );
    assert!(says(&plan, "denies in westeurope too"), "{:?}", plan.findings);
    assert!(says(&plan, "/resourceGroups/b` too"), "{:?}", plan.findings);
    assert_eq!(closed(&azure)[0], [Stage::Deny, Stage::Audit]);
    for _ in 0..2 {
        let controls = heard(&azure, None);
        apply(&mut azure, &estate, &controls, None);
    }
    assert_eq!(closed_rings(closed(&azure)), [true, true, true, false]);
    // One that was closed by hand stays so.
    let mut azure = climbed(&estate, 1);
    let at = id_of(&azure, SUBSCRIPTION, true);
    set_effect(&mut azure, &at, "Deny");
    let plan = apply(&mut azure, &estate, &Controls::default(), None);
    assert!(says(
        &plan,
        "stands at deny in shop though its mark says audit: changed by hand, left as it is"
    ));
    assert!(closed_rings(closed(&azure))[0]);
}

#[test]
fn namespaces_that_were_changed_by_hand_are_no_evidence_and_are_not_written_over() {
    let estate = mixed(1);
    let mut azure = climbed(&estate, 2);
    let at = id_of(&azure, SUBSCRIPTION, true);
    let key = (Kind::PolicyAssignment, at);
    azure.objects.get_mut(&key).unwrap()["properties"]["parameters"]["namespaces"]["value"] = json!(["shop", "pay"]);
    let before = azure.objects[&key].clone();
    let controls = heard(&azure, None);
    let plan = apply(&mut azure, &estate, &controls, None);
    assert_eq!(azure.objects[&key], before);
    assert!(says(&plan, "denies in namespace `shop` too"), "{:?}", plan.findings);
    assert!(says(&plan, "no compliance data read"), "{:?}", plan.held);
    let controls = undo(&azure, Position::Audit);
    apply(&mut azure, &estate, &controls, None);
    let namespaces = &azure.objects[&key]["properties"]["parameters"]["namespaces"]["value"];
    assert_eq!(namespaces, &json!(["shop"]));
    assert!(!closed_rings(closed(&azure))[0]);
}

#[test]
fn taking_a_gate_back_opens_no_inner_ring_and_makes_first_what_is_missing() {
    let estate = mixed(1);
    let mut azure = climbed(&estate, 5);
    for (to, open) in [(Position::Rings(3), 3), (Position::Rings(1), 1), (Position::Audit, 0)] {
        let controls = undo(&azure, to);
        let plan = apply(&mut azure, &estate, &controls, None);
        assert!(plan.weakenings().count() > 0);
        let rings = closed_rings(closed(&azure));
        assert_eq!(rings, std::array::from_fn(|at| at < open), "{to}");
        assert_eq!(assignments(&azure), 4);
        let controls = heard(&azure, None);
        let plan = apply(&mut azure, &estate, &controls, None);
        assert_eq!(plan.held[0].reasons[0].guard, "pause");
    }
    // A gate that denied before there were rings.
    let plain = with(1, Vec::new());
    let azure = climbed(&plain, 2);
    let divided = mixed(1);
    let controls = undo(&azure, Position::Rings(2));
    let mut scopes = divided;
    scopes.environments.get_mut("dev").unwrap().rollout.rings.remove(0);
    for steps in 0..4 {
        let mut azure = azure.clone();
        let (plan, documents) = plan_at(&scopes, &observe(&azure), &[], (&controls, now()));
        azure.carry_out_some(&plan, &documents, steps.min(plan.pending().count()));
        let rings = closed_rings(closed(&azure));
        assert!(rings[1] && rings[2], "after {steps} steps: {:?}", summary(&plan));
    }
}

#[test]
fn a_ring_that_is_taken_out_weakens_unless_the_gate_has_long_denied_everywhere() {
    let mut fewer = mixed(1);
    fewer.environments.get_mut("dev").unwrap().rollout.rings.remove(1);
    let mut azure = climbed(&mixed(1), 3);
    let plan = apply(&mut azure.clone(), &fewer, &Controls::default(), None);
    assert_eq!(
        summary(&plan),
        [
            "delete policyAssignment weakens",
            "delete policyAssignment weakens",
            "update policyAssignment neutral"
        ]
    );
    for _ in 0..2 {
        let controls = heard(&azure, None);
        apply(&mut azure, &mixed(1), &controls, None);
    }
    let soon = Timestamp::from_seconds(60);
    let (plan, _) = plan_at(&fewer, &observe(&azure), &[], (&Controls::default(), soon));
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(
        says(&plan, "stays until the gate has denied everywhere for 1h30m"),
        "{:?}",
        plan.held
    );
    let plan = apply(&mut azure, &fewer, &Controls::default(), None);
    assert_eq!(
        summary(&plan),
        ["delete policyAssignment neutral", "delete policyAssignment neutral"]
    );
    assert_eq!(closed_rings(closed(&azure)), [true; 4]);
}

#[test]
fn a_ring_that_gets_more_namespaces_climbs_beside_what_it_closed_before() {
    let mut azure = climbed(&mixed(1), 2);
    let mut more = mixed(1);
    more.environments.get_mut("dev").unwrap().rollout.rings[0].area =
        Area::Namespaces(vec!["other".into(), "shop".into()]);
    let plan = apply(&mut azure, &more, &Controls::default(), None);
    assert_eq!(plan.weakenings().count(), 0, "{:?}", summary(&plan));
    assert!(says(&plan, "its namespaces are others"), "{:?}", plan.held);
    assert_eq!(closed(&azure)[3], [Stage::Deny, Stage::Audit]);
    let controls = heard(&azure, None);
    apply(&mut azure, &more, &controls, None);
    assert_eq!(closed(&azure)[3], [Stage::Deny; 2]);
    let controls = heard(&azure, None);
    let plan = apply(&mut azure, &more, &controls, None);
    assert!(
        summary(&plan).contains(&"delete policyAssignment neutral".to_owned()),
        "{:?}",
        summary(&plan)
    );
    assert_eq!(plan.weakenings().count(), 0);
    assert_eq!(closed(&azure)[3], [Stage::Deny; 2]);
}

#[test]
fn exemptions_are_there_before_the_part_denies_and_only_where_they_reach() {
    let mut estate = mixed(1);
    let environment = estate.environments.get_mut("dev").unwrap();
    let cluster = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/a/providers/Microsoft.ContainerService/managedClusters/a"
    );
    environment.exemptions = vec![Exemption {
        gate: "own-gate".into(),
        resource: ResourceId::parse(&cluster).unwrap(),
        category: ExemptionCategory::Waiver,
        expires: now().plus(Period::from_seconds(86_400)),
        reason: "r".into(),
        ticket: None,
        members: Vec::new(),
    }];
    let azure = climbed(&estate, 1);
    // The whole, the namespaces, and the group that the exemption lies in.
    assert_eq!(assignments(&azure), 3);
    let exempt: BTreeSet<String> = azure
        .objects
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::PolicyExemption)
        .map(|(_, wire)| {
            wire["properties"]["policyAssignmentId"]
                .as_str()
                .unwrap()
                .to_lowercase()
        })
        .collect();
    let all: BTreeSet<String> = assigned(&azure).map(|(id, _)| id.key()).collect();
    assert_eq!(exempt, all);
    let azure = climbed(&estate, 3);
    assert_eq!(assignments(&azure), 4);
    let exemptions = azure.objects.keys().filter(|(kind, _)| *kind == Kind::PolicyExemption);
    assert_eq!(exemptions.count(), 3, "none of group b");
}

#[test]
fn a_ring_is_relaxed_on_every_assignment_that_refuses_there() {
    let azure = climbed(&mixed(1), 5);
    let relaxed = |ring| {
        let order = Order::Relax {
            period: Period::from_seconds(3_600),
            ring: Some(ring),
            reason: "r".into(),
        };
        let (plan, documents) = plan_at(&mixed(1), &observe(&azure), &[], (&ordered(&azure, order), now()));
        let exemptions = plan.pending().map(|step| {
            assert_eq!(step.kind, Kind::PolicyExemption);
            let properties = &documents[&(step.kind, step.object.clone())]["properties"];
            let from = ResourceId::parse(properties["policyAssignmentId"].as_str().unwrap()).unwrap();
            let short = |id: &ResourceId| id.scope().rsplit('/').next().unwrap().to_owned();
            let places = properties["resourceSelectors"][0]["selectors"][0]["in"].clone();
            format!("{} of {} in {places}", short(&step.object), short(&from))
        });
        let mut exemptions: Vec<String> = exemptions.collect();
        exemptions.sort();
        exemptions
    };
    let sub = SUBSCRIPTION;
    assert_eq!(
        relaxed(0),
        [format!("{sub} of {sub} in null")],
        "its own assignment only"
    );
    assert_eq!(
        relaxed(1),
        [
            format!("a of {sub} in [\"northeurope\"]"),
            format!("a of {sub} in [\"northeurope\"]"),
            "a of a in [\"northeurope\"]".to_owned(),
            format!("b of {sub} in [\"northeurope\"]"),
            format!("b of {sub} in [\"northeurope\"]"),
            "b of b in [\"northeurope\"]".to_owned(),
        ]
    );
    let west = format!("{sub} of {sub} in [\"westeurope\"]");
    assert_eq!(relaxed(2), [west.clone(), west]);
}

#[test]
fn room_is_counted_where_the_assignments_are_to_stand() {
    let estate = mixed(1);
    let mut azure = climbed(&estate, 2);
    for number in 0..200 {
        let path = format!(
            "{}/providers/Microsoft.Authorization/policyAssignments/x{number}",
            group("b").path()
        );
        let id = ResourceId::parse(&path).unwrap();
        azure.put(
            Kind::PolicyAssignment,
            &id,
            json!({"properties": {"parameters": {"effect": {"value": "Audit"}}}}),
        );
    }
    let controls = heard(&azure, None);
    let plan = apply(&mut azure, &estate, &controls, None);
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(says(&plan, "has 200 policy assignments"), "{:?}", plan.held);
}

#[test]
fn a_scope_that_does_not_lie_in_the_management_group_is_not_written_to() {
    let mut estate = mixed(1);
    let environment = estate.environments.get_mut("dev").unwrap();
    environment.scope = Scope::ManagementGroup("contoso".into());
    let elsewhere = Scope::Subscription("0a000000-0000-4000-8000-000000000009".into());
    environment.rollout.rings[1].area = Area::Scopes(vec![elsewhere]);
    let (plan, _) = plan_at(&estate, &observe(&guarded()), &[], (&Controls::default(), now()));
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(says(
        &plan,
        "ring `groups` names `subscriptions/0a000000-0000-4000-8000-000000000009`"
    ));
}

#[test]
fn a_part_deleted_where_all_denies_does_not_keep_another_generation_for_ever() {
    let of = |wire: &Value| Mark::parse(wire["properties"]["metadata"][MARK_KEY].as_str().unwrap()).unwrap();
    let live = |azure: &Azure| -> BTreeSet<u32> { assigned(azure).map(|(_, wire)| of(wire).generation).collect() };
    // The second generation denies in its first ring; then the content is what it was, and the first one is the one that stays.
    let mut back = climbed(&mixed(1), 5);
    apply(&mut back, &mixed(2), &Controls::default(), None);
    let controls = heard(&back, None);
    apply(&mut back, &mixed(2), &controls, None);
    // Or it is overtaken by the second one.
    let mut on = back.clone();
    for _ in 0..3 {
        let controls = heard(&on, None);
        apply(&mut on, &mixed(2), &controls, None);
    }
    for (mut azure, members, stays) in [(back, 1, 1), (on, 2, 2)] {
        assert_eq!(live(&azure), BTreeSet::from([1, 2]));
        let part = assigned(&azure).find(|(id, wire)| {
            let mark = of(wire);
            mark.generation == stays && mark.part != WHOLE && !id.scope().contains("resourceGroups")
        });
        let part = part.unwrap().0.clone();
        azure.objects.remove(&(Kind::PolicyAssignment, part));

        let before = closed(&azure);
        for _ in 0..3 {
            let controls = heard(&azure, None);
            apply(&mut azure, &mixed(members), &controls, None);
        }
        assert_eq!(closed(&azure), before);
        assert_eq!(live(&azure), BTreeSet::from([stays]));
    }
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// An apply, with what is heard, and after how many steps it is interrupted.
    Apply { heard: Heard, steps: Option<usize> },
    /// The gate gets so many members.
    Content(usize),
    /// Somebody deletes the assignment of that number.
    Deleted(usize),
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
        5 => Just(Heard::Sound),
        2 => (0..CLUSTERS.len()).prop_map(Heard::Broken),
    ];
    let applied = (heard, prop::option::weighted(0.3, 0usize..4));
    let event = prop_oneof![
        8 => applied.prop_map(|(heard, steps)| Event::Apply { heard, steps }),
        1 => (1usize..4).prop_map(Event::Content),
        1 => (0usize..4).prop_map(Event::Deleted),
    ];
    prop::collection::vec(event, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_no_part_opens_and_none_closes_past_a_guard(events in events()) {
        let mut azure = guarded();
        let (mut members, mut grew) = (1, true);
        for event in events {
            let before = closed(&azure);
            match event {
                Event::Content(count) => {
                    grew &= count >= members;
                    members = count;
                }
                Event::Deleted(at) => {
                    let found = assigned(&azure).nth(at).map(|(id, _)| id.clone());
                    found.map(|id| azure.objects.remove(&(Kind::PolicyAssignment, id)));
                }
                Event::Apply { heard: what, steps } => {
                    let controls = match what {
                        Heard::Nothing => Controls::default(),
                        Heard::Sound => heard(&azure, None),
                        Heard::Broken(at) => heard(&azure, Some(at)),
                    };
                    let plan = apply(&mut azure, &mixed(members), &controls, steps);
                    prop_assert!(!grew || plan.weakenings().count() == 0, "{:?}", summary(&plan));
                    let after = closed(&azure);
                    let mut newly = BTreeSet::new();
                    for (at, (name, _)) in CLUSTERS.iter().enumerate() {
                        for inside in 0..NAMESPACES.len() {
                            let (was, is) = (before[at][inside], after[at][inside]);
                            prop_assert!(is >= was, "{name} was opened: {before:?} {after:?}");
                            if is == Stage::Deny && was < Stage::Deny {
                                newly.insert(if inside == 0 { 0 } else { [1, 1, 2, 3][at] });
                                prop_assert!(was == Stage::Audit, "{name} denies that did not report before");
                                // Every cluster belongs to the innermost ring.
                                prop_assert!(what == Heard::Sound, "{name} was closed past a guard: {what:?}");
                            }
                        }
                    }
                    newly.retain(|ring| !closed_rings(before)[*ring]);
                    prop_assert!(newly.len() <= 1, "one ring at a time: {newly:?}");
                }
            }
        }
        for _ in 0..14 {
            let controls = heard(&azure, None);
            apply(&mut azure, &mixed(members), &controls, None);
        }
        prop_assert_eq!(closed_rings(closed(&azure)), [true; 4]);
        let controls = heard(&azure, None);
        prop_assert_eq!(summary(&apply(&mut azure, &mixed(members), &controls, None)), Vec::<String>::new());
        let generations: BTreeSet<u32> = assigned(&azure).filter_map(|(_, wire)| {
            Some(Mark::parse(wire["properties"]["metadata"][MARK_KEY].as_str()?)?.generation)
        }).collect();
        prop_assert_eq!(generations.len(), 1);
    }
}
