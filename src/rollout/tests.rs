//! The ladder on made-up evidence.

use super::*;
use crate::model::{Area, Ring, Scope, Stage};
use proptest::prelude::*;
use std::collections::BTreeMap;

const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(seconds).unwrap())
}

fn standing(position: Position, marked: Position, since: i64) -> Standing {
    Standing {
        position,
        marked: Some(marked),
        since: Some(Timestamp::from_seconds(since)),
    }
}

fn rings() -> Vec<Ring> {
    let ring = |name: &str, area| Ring {
        name: name.to_owned(),
        area,
    };
    vec![
        ring("canary", Area::Locations(vec!["northeurope".into()])),
        ring("broad", Area::Locations(vec!["westeurope".into(), "eastus".into()])),
        ring("all", Area::Rest),
    ]
}

const PLACES: [&str; 4] = ["northeurope", "westeurope", "eastus", "japaneast"];

fn cluster(name: &str, location: &str, reported: u64) -> ClusterEvidence {
    let member = MemberEvidence {
        state: MemberState::Compliant,
        reported: Some(at(reported)),
        violations: Count::exactly(0),
        denied: Count::exactly(0),
    };
    ClusterEvidence {
        id: ResourceId::parse(&format!("/subscriptions/s/x/{name}")).unwrap(),
        name: name.to_owned(),
        location: location.to_owned(),
        changed: None,
        coverage: Coverage::Reporting,
        members: BTreeMap::from([("a".to_owned(), member), ("b".to_owned(), member)]),
    }
}

/// One cluster in each place, all well, as it is at `now` after a change at `changed`.
fn healthy(changed: u64, now: u64) -> GateEvidence {
    let clusters = PLACES
        .iter()
        .map(|place| cluster(&format!("c-{place}"), place, now - HOUR));
    GateEvidence {
        changed: Some(at(changed)),
        clusters: clusters.collect(),
    }
}

/// What a question asks if nothing else is said.
struct Case {
    target: Stage,
    rings: Vec<Ring>,
    standing: Option<Standing>,
    soak: u64,
    max: u64,
    evidence: Option<GateEvidence>,
    parts: Vec<(usize, Option<GateEvidence>)>,
    uncovered: Vec<Uncovered>,
    stopped_hold: bool,
    source: Option<Source>,
    closed: Vec<Hold>,
    overrides: Vec<Guard>,
    paused: Option<&'static str>,
    now: u64,
}

impl Default for Case {
    fn default() -> Case {
        Case {
            target: Stage::Deny,
            rings: rings(),
            standing: Some(standing(Position::Audit, Position::Audit, 0)),
            soak: DAY,
            max: 0,
            evidence: Some(healthy(0, 10 * DAY)),
            parts: Vec::new(),
            uncovered: Vec::new(),
            stopped_hold: true,
            source: None,
            closed: Vec::new(),
            overrides: Vec::new(),
            paused: None,
            now: 10 * DAY,
        }
    }
}

impl Case {
    fn decide(&self) -> Decision {
        let parts: Vec<_> = self.parts.iter().map(|(ring, heard)| (*ring, heard.as_ref())).collect();
        decide(&Question {
            target: self.target,
            ladder: Ladder::new(&self.rings),
            standing: self.standing.as_ref(),
            soak: Period::from_seconds(self.soak),
            settle: SETTLE,
            max_violations: self.max,
            evidence: self.evidence.as_ref(),
            parts: &parts,
            uncovered: &self.uncovered,
            stopped_hold: self.stopped_hold,
            source: self.source.as_ref(),
            closed: &self.closed,
            overrides: &self.overrides,
            paused: self.paused,
            now: at(self.now),
        })
    }

    /// The holds of the next step, each as `guard: sentence`.
    fn holds(&self) -> Vec<String> {
        let held = self.decide().held;
        let holds = held.iter().flat_map(|(_, holds)| holds);
        holds.map(|hold| format!("{}: {}", hold.guard, hold.sentence)).collect()
    }

    fn guards(&self) -> Vec<Guard> {
        let held = self.decide().held;
        held.iter()
            .flat_map(|(_, holds)| holds.iter().map(|hold| hold.guard))
            .collect()
    }

    fn change(mut self, change: impl FnOnce(&mut GateEvidence)) -> Case {
        change(self.evidence.as_mut().unwrap());
        self
    }
}

#[test]
fn a_new_gate_starts_in_audit_and_says_what_holds_it() {
    let case = Case {
        standing: None,
        evidence: None,
        uncovered: vec![Uncovered {
            cluster: "c".into(),
            reason: "add-on off".into(),
            id: ResourceId::parse("/subscriptions/s/x/c").unwrap(),
            location: "northeurope".into(),
        }],
        ..Case::default()
    };
    assert_eq!(case.decide().position, Position::Audit);
    assert_eq!(
        case.holds(),
        [
            "soak: has to stand at audit for 1d, counted from the apply that puts it there",
            "coverage: 1 cluster of the ring would not be guarded: c (add-on off)",
            "evidence: no compliance data read, and no data is not compliant",
        ]
    );
}

#[test]
fn each_guard_holds_alone_and_says_why() {
    let member = |evidence: &mut GateEvidence, change: fn(&mut MemberEvidence)| {
        change(evidence.clusters[0].members.get_mut("b").unwrap());
    };
    let open = |evidence: &mut GateEvidence, coverage| evidence.clusters[0].coverage = coverage;
    let cases: Vec<(Case, &str)> = vec![
        (
            Case {
                soak: 11 * DAY,
                ..Case::default()
            },
            "soak: stands at audit for 10d of 11d",
        ),
        (
            Case {
                evidence: None,
                ..Case::default()
            },
            "evidence: no compliance data read, and no data is not compliant",
        ),
        (
            Case::default().change(|evidence| evidence.changed = None),
            "freshness: it is not known when the gate was changed last, so no report is known to be newer",
        ),
        (
            Case::default().change(|evidence| evidence.changed = Some(at(10 * DAY - 2 * HOUR))),
            "freshness: members on 1 cluster have not reported since the last change and 1h30m of settling: c-northeurope (2 of 2)",
        ),
        (
            Case::default().change(|evidence| evidence.clusters[0].changed = Some(at(10 * DAY - 2 * HOUR))),
            "freshness: members on 1 cluster have not reported since the last change and 1h30m of settling: c-northeurope (2 of 2)",
        ),
        (
            Case::default().change(|evidence| {
                evidence.clusters[0].members.get_mut("b").unwrap().reported = Some(at(8 * DAY));
            }),
            "freshness: reports of 1 cluster are older than 1d2h: c-northeurope",
        ),
        (
            Case::default().change(|evidence| member(evidence, |member| member.violations = Count::exactly(3))),
            "violations: 3 violations in canary, and none is allowed: c-northeurope (3)",
        ),
        (
            Case::default().change(|evidence| member(evidence, |member| member.violations = Count::at_least(500))),
            "violations: at least 500 violations in canary, and none is allowed: c-northeurope (at least 500)",
        ),
        (
            Case::default().change(|evidence| member(evidence, |member| member.violations = Count::at_least(0))),
            "violations: how many violations there are in canary is not known: c-northeurope (not known)",
        ),
        (
            Case::default().change(|evidence| member(evidence, |member| member.state = MemberState::Conflict)),
            "coverage: 1 cluster of the ring would not be guarded: c-northeurope (conflict of `b`)",
        ),
        (
            Case::default().change(|evidence| open(evidence, Coverage::NoAddon)),
            "coverage: 1 cluster of the ring would not be guarded: c-northeurope (add-on off)",
        ),
        (
            Case::default().change(|evidence| open(evidence, Coverage::Stopped)),
            "coverage: 1 cluster of the ring would not be guarded: c-northeurope (stopped)",
        ),
        (
            Case::default().change(|evidence| open(evidence, Coverage::Exempt { until: None })),
            "coverage: every cluster of the ring is let off, so nothing can be said of what would be refused there",
        ),
        (
            Case::default().change(|evidence| evidence.clusters.clear()),
            "coverage: no cluster in scope is left that the gate would act on, so nothing can be said of it",
        ),
        (
            Case {
                paused: Some("freeze"),
                ..Case::default()
            },
            "pause: was paused: freeze; `aksgate rollout resume` lets it go on",
        ),
        (
            Case {
                source: Some(Source {
                    environment: "test".into(),
                    found: Ok(None),
                }),
                ..Case::default()
            },
            "source-environment: `test`, which it comes from, has no such gate",
        ),
        (
            Case {
                source: Some(Source {
                    environment: "test".into(),
                    found: Ok(Some((standing(Position::Deny, Position::Deny, 0), false))),
                }),
                ..Case::default()
            },
            "source-environment: what stands in `test` is not the content that this gate has",
        ),
        (
            Case {
                source: Some(Source {
                    environment: "test".into(),
                    found: Ok(Some((standing(Position::Rings(1), Position::Rings(1), 0), true))),
                }),
                ..Case::default()
            },
            "source-environment: stands at deny-1 in `test`, which it comes from, and not at deny yet",
        ),
    ];
    assert_eq!(Case::default().decide().position, Position::Rings(1), "nothing holds");
    for (case, expected) in cases {
        assert_eq!(case.decide().position, Position::Audit, "{expected}");
        assert_eq!(case.holds(), [expected]);
    }
}

#[test]
fn a_ring_is_held_by_itself_and_by_those_within_only() {
    let outer = Case::default().change(|evidence| evidence.clusters[3].coverage = Coverage::NeverSeen);
    assert_eq!(outer.decide().position, Position::Rings(1));
    let inner = Case {
        standing: Some(standing(Position::Rings(1), Position::Rings(1), 0)),
        ..Case::default()
    }
    .change(|evidence| evidence.clusters[0].coverage = Coverage::NeverSeen);
    assert_eq!(
        inner.holds(),
        ["inner-ring: a ring that is closed already is not sound: canary: c-northeurope (never heard of)"]
    );
    // Where it denies, what it refuses is no violation that holds the next ring.
    let refused = Case {
        standing: Some(standing(Position::Rings(1), Position::Rings(1), 0)),
        ..Case::default()
    }
    .change(|evidence| {
        let member = evidence.clusters[0].members.get_mut("a").unwrap();
        (member.violations, member.denied) = (Count::at_least(0), Count::exactly(4));
    });
    assert_eq!(refused.decide().position, Position::Rings(2));
}

/// A ring of namespaces, one of a scope, and the rest.
fn mixed() -> Vec<Ring> {
    let ring = |name: &str, area| Ring {
        name: name.to_owned(),
        area,
    };
    vec![
        ring("shop", Area::Namespaces(vec!["shop".into()])),
        ring("group", Area::Scopes(vec![Scope::Subscription("s".into())])),
        ring("all", Area::Rest),
    ]
}

#[test]
fn a_ring_of_namespaces_is_decided_on_its_own_records() {
    let violating = |count| {
        let mut evidence = healthy(0, 10 * DAY);
        evidence.clusters[3].members.get_mut("a").unwrap().violations = Count::exactly(count);
        evidence
    };
    let case = |parts| Case {
        rings: mixed(),
        evidence: Some(violating(7)),
        parts,
        ..Case::default()
    };
    assert_eq!(case(vec![]).guards(), [Guard::Evidence]);
    assert_eq!(case(vec![(0, None)]).guards(), [Guard::Evidence]);
    assert_eq!(case(vec![(1, Some(violating(0)))]).guards(), [Guard::Evidence]);
    assert_eq!(
        case(vec![(0, Some(violating(2)))]).holds(),
        ["violations: 2 violations in shop, and none is allowed: c-japaneast (2)"]
    );
    assert_eq!(
        case(vec![(0, Some(violating(0)))]).decide().position,
        Position::Rings(1)
    );
}

#[test]
fn a_closed_ring_is_sound_only_if_each_of_its_assignments_is() {
    let case = |parts| Case {
        rings: mixed(),
        standing: Some(standing(Position::Rings(2), Position::Rings(2), 0)),
        parts,
        ..Case::default()
    };
    let broken = || {
        let mut evidence = healthy(0, 10 * DAY);
        evidence.clusters[0].members.get_mut("a").unwrap().state = MemberState::Conflict;
        Some(evidence)
    };
    let sound = || Some(healthy(0, 10 * DAY));
    assert_eq!(case(vec![(0, sound()), (1, sound())]).decide().position, Position::Deny);
    for (parts, ring) in [
        (
            vec![(0, broken()), (1, sound())],
            "shop: c-northeurope (conflict of `a`)",
        ),
        (
            vec![(0, sound()), (1, broken())],
            "group: c-northeurope (conflict of `a`)",
        ),
        (
            vec![(0, sound()), (1, sound()), (1, None)],
            "group: no compliance data read",
        ),
        (vec![(1, sound())], "shop: no compliance data read"),
    ] {
        let expected = format!("inner-ring: a ring that is closed already is not sound: {ring}");
        assert_eq!(case(parts).holds(), [expected]);
    }
}

#[test]
fn a_guard_opens_when_it_said_it_would() {
    let soaking = |now| Case {
        soak: 7 * DAY,
        evidence: Some(healthy(0, now)),
        now,
        ..Case::default()
    };
    let opens = |case: &Case| case.decide().held.unwrap().1[0].opens.unwrap().seconds() as u64;
    let soak = opens(&soaking(3 * DAY));
    assert!(soaking(soak - 1).guards().contains(&Guard::Soak));
    assert_eq!(soaking(soak).decide().position, Position::Rings(1));
    let settling = |now: u64, reported: u64| {
        let mut case = Case { now, ..Case::default() };
        case.evidence = Some(healthy(9 * DAY, reported + HOUR));
        case
    };
    let settled = opens(&settling(9 * DAY + HOUR, 9 * DAY));
    assert_eq!(settling(settled, settled - 1).guards(), [Guard::Freshness]);
    assert_eq!(settling(settled, settled).decide().position, Position::Rings(1));
}

#[test]
fn what_may_be_overridden_is_passed_and_told_and_the_rest_is_not() {
    let case = Case {
        soak: 11 * DAY,
        overrides: Guard::ALL.to_vec(),
        ..Case::default()
    };
    let decision = case.decide();
    assert_eq!(decision.position, Position::Rings(1));
    assert_eq!(decision.overridden.len(), 1);
    let paused = Case {
        paused: Some("x"),
        ..case
    };
    assert_eq!(paused.guards(), [Guard::Pause]);
}

#[test]
fn changes_by_hand_are_said() {
    let decide = |position, marked| {
        let case = Case {
            standing: Some(standing(position, marked, 0)),
            evidence: None,
            ..Case::default()
        };
        case.decide()
    };
    let raised = decide(Position::Deny, Position::Audit);
    assert_eq!((raised.position, raised.held), (Position::Deny, None));
    assert!(raised.remark.unwrap().contains("left as it is"));
    let lowered = decide(Position::Off, Position::Audit);
    assert_eq!(lowered.position, Position::Audit);
    assert!(lowered.remark.unwrap().ends_with("changed by hand, put back"));
    let lowered = decide(Position::Audit, Position::Rings(2));
    assert_eq!(lowered.position, Position::Audit);
    let remark = lowered.remark.unwrap();
    assert!(
        remark.contains("though its mark says deny in canary, broad"),
        "{remark}"
    );
    assert!(remark.contains("not put back"), "it is not raised again");
    // It soaks anew, though its mark is old.
    let lowered = Case {
        standing: Some(standing(Position::Audit, Position::Deny, 0)),
        ..Case::default()
    };
    assert_eq!(lowered.guards(), [Guard::Soak]);
}

#[test]
fn a_target_below_where_it_stands_opens_nothing_and_says_so() {
    let case = Case {
        target: Stage::Audit,
        standing: Some(standing(Position::Rings(1), Position::Rings(1), 0)),
        ..Case::default()
    };
    let decision = case.decide();
    assert_eq!((decision.position, decision.held), (Position::Rings(1), None));
    assert!(decision.remark.unwrap().contains("further than its target audit"));
}

#[test]
fn a_predecessor_goes_only_when_it_is_overtaken_and_its_successor_is_heard_of() {
    let why = |position, evidence: Option<GateEvidence>| {
        let case = Case {
            standing: Some(standing(position, position, 0)),
            evidence,
            ..Case::default()
        };
        let question = Question {
            target: case.target,
            ladder: Ladder::new(&case.rings),
            standing: case.standing.as_ref(),
            soak: Period::default(),
            settle: SETTLE,
            max_violations: 0,
            evidence: case.evidence.as_ref(),
            parts: &[],
            uncovered: &[],
            stopped_hold: true,
            source: None,
            closed: &[],
            overrides: &[],
            paused: None,
            now: at(case.now),
        };
        overtaken(&question, Position::Rings(2)).map(|hold| hold.sentence)
    };
    let sound = || Some(healthy(0, 10 * DAY));
    assert!(
        why(Position::Rings(1), sound())
            .unwrap()
            .contains("while its successor stands at deny in canary")
    );
    assert_eq!(why(Position::Rings(2), sound()), None);
    assert!(
        why(Position::Rings(2), None)
            .unwrap()
            .contains("no compliance data read")
    );
    let mut conflict = healthy(0, 10 * DAY);
    conflict.clusters[1].members.get_mut("a").unwrap().state = MemberState::Conflict;
    assert!(why(Position::Deny, Some(conflict)).unwrap().contains("conflict of `a`"));
}

#[test]
fn what_deploys_reports_first_acts_after_its_soak_and_goes_back_at_once() {
    let decide = |target, standing: Option<Standing>, soak| {
        decide_enablement(target, standing.as_ref(), Period::from_seconds(soak), &[], at(DAY))
    };
    let audit = || Some(standing(Position::Audit, Position::Audit, 0));
    let new = decide(Stage::Deny, None, 0);
    assert_eq!(new.position, Position::Audit);
    assert!(new.held.unwrap().1[0].sentence.contains("reports first"));
    let young = decide(Stage::Deny, audit(), 2 * DAY);
    assert_eq!((young.position, young.remark), (Position::Audit, None));
    assert_eq!(young.held.unwrap().1[0].sentence, "stands at audit for 1d of 2d");
    let ripe = decide(Stage::Deny, audit(), DAY);
    assert_eq!((ripe.position, ripe.held), (Position::Deny, None));
    let acts = |marked| Some(standing(Position::Deny, marked, 0));
    let back = decide(Stage::Audit, acts(Position::Deny), DAY);
    assert_eq!((back.position, back.held), (Position::Audit, None));
    let by_hand = decide(Stage::Deny, acts(Position::Audit), DAY);
    assert!(
        by_hand
            .remark
            .unwrap()
            .starts_with("acts though its mark says otherwise")
    );
    let closed = [Hold {
        guard: Guard::Lock,
        sentence: "content that nobody accepted".to_owned(),
        opens: None,
    }];
    let locked = decide_enablement(
        Stage::Deny,
        audit().as_ref(),
        Period::from_seconds(DAY),
        &closed,
        at(DAY),
    );
    assert_eq!(
        (locked.position, locked.held),
        (Position::Audit, Some((Position::Deny, closed.to_vec())))
    );
}

fn stages() -> impl Strategy<Value = Stage> {
    prop::sample::select(vec![Stage::Off, Stage::Audit, Stage::Deny])
}

fn positions() -> impl Strategy<Value = Position> {
    prop::sample::select(Ladder::new(&rings()).positions())
}

/// A way to make evidence worse.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Silence,
    Age,
    Violation,
    Cap,
    Error,
    NoAddon,
    Changed,
}

fn harms() -> impl Strategy<Value = Vec<(usize, Harm)>> {
    let harm = prop::sample::select(vec![
        Harm::Silence,
        Harm::Age,
        Harm::Violation,
        Harm::Cap,
        Harm::Error,
        Harm::NoAddon,
        Harm::Changed,
    ]);
    prop::collection::vec((0..PLACES.len(), harm), 0..5)
}

fn harm(evidence: &mut GateEvidence, (at_cluster, harm): (usize, Harm)) {
    let cluster = &mut evidence.clusters[at_cluster];
    let member = cluster.members.get_mut("a").unwrap();
    match harm {
        Harm::Silence => (member.reported, member.state) = (None, MemberState::NotStarted),
        Harm::Age => member.reported = member.reported.map(|_| at(1)),
        Harm::Violation => member.violations = member.violations.plus(Count::exactly(2)),
        Harm::Cap => member.violations = member.violations.plus(Count::at_least(0)),
        Harm::Error => member.state = MemberState::Error,
        Harm::NoAddon => cluster.coverage = Coverage::NoAddon,
        Harm::Changed => cluster.changed = Some(at(20 * DAY)),
    }
}

proptest! {
    #[test]
    fn no_step_passes_a_closed_guard_nor_skips_or_lowers_a_position(
        target in stages(), live in positions(), marked in positions(), since in prop::option::of(0u64..12), soak in 0u64..12,
        max in 0u64..4, harms in harms(), read in any::<bool>(),
    ) {
        let mut evidence = healthy(0, 10 * DAY);
        harms.iter().for_each(|one| harm(&mut evidence, *one));
        let found = Standing { position: live, marked: Some(marked), since: since.map(|day| at(day * DAY)) };
        let case = Case {
            target, standing: Some(found), soak: soak * DAY, max, evidence: read.then_some(evidence), ..Case::default()
        };
        let decision = case.decide();
        prop_assert_eq!(&decision, &case.decide());
        if target == Stage::Off {
            prop_assert_eq!(decision.position, Position::Off);
            return Ok(());
        }
        let rings = rings();
        let ladder = Ladder::new(&rings);
        let stays = live.max(Position::Audit);
        prop_assert!(decision.position >= stays, "nothing is opened without being asked");
        prop_assert!(decision.position == stays || Some(decision.position) == ladder.next(live));
        prop_assert_eq!(decision.held.is_some(), decision.position < Position::of(target));
        if decision.position > stays {
            prop_assert!(read, "no data is not compliant");
            let closes = ladder.closed(stays);
            for (at_cluster, harm) in harms {
                let cluster = ResourceId::parse("/subscriptions/s/x/c").unwrap();
                let here = ladder.takes(closes, &cluster, PLACES[at_cluster]);
                let within = (0..closes).any(|ring| ladder.takes(ring, &cluster, PLACES[at_cluster]));
                let violation = matches!(harm, Harm::Violation | Harm::Cap);
                prop_assert!(!here || violation, "{harm:?} of its own ring");
                prop_assert!(!(here && matches!(harm, Harm::Cap)), "{harm:?} of its own ring");
                prop_assert!(!within || violation, "{harm:?} of an inner ring");
            }
            let stood = since.filter(|_| marked == live).map(|day| 10u64.checked_sub(day));
            prop_assert!(soak == 0 || matches!(stood, Some(Some(days)) if days >= soak));
        }
    }

    #[test]
    fn whatever_the_rings_are_made_of_a_step_needs_sound_evidence_of_its_own_part(
        order in prop::sample::subsequence(vec![0usize, 1, 2], 0..=3), live in 0usize..4, harm_at in prop::option::of(0usize..4),
    ) {
        let kinds = [
            Area::Namespaces(vec!["shop".into()]),
            Area::Scopes(vec![Scope::Subscription("s".into())]),
            Area::Locations(vec!["northeurope".into()]),
        ];
        let rings: Vec<Ring> = order.iter().map(|kind| Ring { name: format!("r{kind}"), area: kinds[*kind].clone() }).collect();
        let ladder = Ladder::new(&rings);
        let live = ladder.positions()[1..][live.min(ladder.steps())];
        // The whole, and each part by the number of its ring; one of them is in conflict everywhere.
        let heard = |at: usize| {
            let mut evidence = healthy(0, 10 * DAY);
            if harm_at == Some(at) {
                evidence.clusters.iter_mut().for_each(|cluster| {
                    cluster.members.get_mut("a").unwrap().state = MemberState::Conflict;
                });
            }
            evidence
        };
        let closed = ladder.closed(live);
        let parts = ladder.parts().into_iter().filter(|(ring, _)| rings[*ring].area.divides_clusters() || *ring < closed);
        let parts: Vec<_> = parts.map(|(ring, _)| (ring, Some(heard(ring)))).collect();
        let case = Case {
            rings: rings.clone(), standing: Some(standing(live, live, 0)), evidence: Some(heard(3)), parts, ..Case::default()
        };
        let decision = case.decide();
        prop_assert_eq!(&decision, &case.decide());
        let next = ladder.next(live).unwrap_or(live);
        let decisive = |ring: usize| if ladder.area(ring).divides_clusters() { vec![ring] } else { vec![3] };
        let acts = |ring: usize| match ladder.area(ring) {
            Area::Scopes(_) => vec![3, ring],
            _ => decisive(ring),
        };
        let matters: Vec<usize> = (0..closed).flat_map(acts).chain(decisive(closed)).collect();
        let any = |ring: usize| PLACES.iter().any(|place| {
            ladder.takes(ring, &ResourceId::parse(&format!("/subscriptions/s/x/c-{place}")).unwrap(), place)
        });
        // A ring without a cluster has nobody who could be unsound.
        let all_have_clusters = (0..=closed).all(any);
        if live == Position::Deny {
            prop_assert_eq!(decision.position, Position::Deny);
        } else if harm_at.is_some_and(|at| matters.contains(&at)) && all_have_clusters {
            prop_assert_eq!(decision.position, live);
        } else if harm_at.is_none() {
            prop_assert_eq!(decision.position, next);
        }
    }

    #[test]
    fn worse_evidence_never_leads_further(harms in harms(), more in harms(), live in positions(), max in 0u64..4) {
        let decide = |harms: &[(usize, Harm)]| {
            let mut evidence = healthy(0, 10 * DAY);
            harms.iter().for_each(|one| harm(&mut evidence, *one));
            let found = standing(live, live, 0);
            Case { standing: Some(found), evidence: Some(evidence), max, ..Case::default() }.decide().position
        };
        let worse: Vec<(usize, Harm)> = harms.iter().chain(&more).copied().collect();
        prop_assert!(decide(&worse) <= decide(&harms));
    }

    #[test]
    fn with_sound_evidence_a_gate_arrives_in_as_many_applies_as_there_are_positions(
        count in 0usize..4, soak in 0u64..9, target in stages(),
    ) {
        let all = rings();
        let rings = all[..count.min(all.len())].to_vec();
        let positions = Ladder::new(&rings).positions();
        let mut found: Option<Standing> = None;
        let mut now = DAY;
        for _ in 0..positions.len() - 1 {
            let changed = now;
            now += soak * DAY + 3 * HOUR;
            let case = Case {
                target, rings: rings.clone(), standing: found.clone(), soak: soak * DAY,
                evidence: Some(healthy(changed, now)), now, ..Case::default()
            };
            let position = case.decide().position;
            if found.as_ref().is_none_or(|found| found.position != position) {
                found = Some(Standing { position, marked: Some(position), since: Some(at(now)) });
            }
        }
        prop_assert_eq!(found.map(|found| found.position), Some(Position::of(target)));
    }

    #[test]
    fn nothing_acts_that_has_not_reported_for_its_soak_time(
        target in stages(), live in stages(), marked in stages(), since in prop::option::of(-100i64..100), soak in 1u64..100,
    ) {
        let now = Timestamp::from_seconds(0);
        let (live, target_position) = (Position::of(live), Position::of(target));
        let found = Standing {
            position: live, marked: Some(Position::of(marked)), since: since.map(Timestamp::from_seconds),
        };
        let decision = decide_enablement(target, Some(&found), Period::from_seconds(soak), &[], now);
        prop_assert!(decision.position <= target_position);
        if decision.position == Position::Deny && live != Position::Deny {
            prop_assert!(since.is_some_and(|since| since + i64::try_from(soak).unwrap() <= 0));
        }
        prop_assert_eq!(decision.held.is_some(), decision.position < target_position);
    }
}
