//! Tables and properties of judging rows.

use super::*;
use crate::model::{Effect, Period, ResourceId, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

const ASSIGNMENT: &str = "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a";
const HOUR: i64 = 3_600;
/// Now, in the tests.
const NOW: i64 = 100 * HOUR;

fn id(text: &str) -> ResourceId {
    ResourceId::parse(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn cluster_id(name: &str) -> ResourceId {
    id(&format!(
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/{name}"
    ))
}

fn cluster(name: &str) -> ClusterFacts {
    ClusterFacts {
        id: cluster_id(name),
        location: "westeurope".to_owned(),
        changed: None,
        condition: Condition::Running,
        ignored: None,
        excluded: false,
    }
}

fn key(cluster: &str, member: &str, reported: i64) -> RowKey {
    RowKey {
        // As Policy Insights writes it.
        resource: id(&cluster_id(cluster).as_str().to_uppercase()),
        assignment: id(&ASSIGNMENT.to_lowercase()),
        definition: id(&format!(
            "/providers/Microsoft.Authorization/policyDefinitions/{member}"
        )),
        member: member.to_owned(),
        effect: Some(Effect::Audit),
        reported: at(reported),
    }
}

fn state(cluster: &str, member: &str, state: MemberState, reported: i64) -> StateRow {
    StateRow {
        key: key(cluster, member, reported),
        state,
    }
}

fn pod(cluster: &str, member: &str, namespace: &str, name: &str, reported: i64) -> ComponentRow {
    ComponentRow {
        key: key(cluster, member, reported),
        state: MemberState::NonCompliant,
        component: Component {
            kind: "Pod".to_owned(),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        },
    }
}

struct World {
    clusters: Vec<ClusterFacts>,
    members: Vec<&'static str>,
    exemptions: Vec<Exempted>,
    namespaces: Option<Namespaces>,
}

impl Default for World {
    fn default() -> World {
        World {
            clusters: vec![cluster("c")],
            members: vec!["m"],
            exemptions: Vec::new(),
            namespaces: None,
        }
    }
}

impl World {
    fn judge(&self, rows: &Rows) -> GateEvidence {
        let members: Vec<Member> = self
            .members
            .iter()
            .map(|member| Member {
                reference: (*member).to_owned(),
            })
            .collect();
        let question = Question {
            assignment: &id(ASSIGNMENT),
            changed: Some(at(0)),
            members: &members,
            clusters: &self.clusters,
            exemptions: &self.exemptions,
            namespaces: self.namespaces.as_ref(),
            now: at(NOW),
        };
        judge(question, rows)
    }

    /// The evidence of the only member on the only cluster.
    fn only(&self, states: Vec<StateRow>, components: Vec<ComponentRow>) -> MemberEvidence {
        let evidence = self.judge(&Rows { states, components });
        *evidence.clusters[0].members.values().next().unwrap()
    }
}

fn only(states: Vec<StateRow>, components: Vec<ComponentRow>) -> MemberEvidence {
    World::default().only(states, components)
}

#[test]
fn the_newest_row_holds_and_of_two_as_old_the_worse() {
    use MemberState::{Compliant, Conflict, Error, NonCompliant};
    for (rows, expected) in [
        (vec![(Compliant, 1), (NonCompliant, 2)], NonCompliant),
        (vec![(Compliant, 2), (NonCompliant, 1)], Compliant),
        (vec![(Compliant, 2), (NonCompliant, 2)], NonCompliant),
        (vec![(Error, 2), (NonCompliant, 2), (Conflict, 1)], Error),
    ] {
        let states: Vec<StateRow> = rows.iter().map(|(of, when)| state("c", "m", *of, *when)).collect();
        let found = only(states, Vec::new());
        assert_eq!(found.state, expected, "{rows:?}");
    }
}

#[test]
fn no_row_is_not_compliant_and_what_it_counts_is_not_known() {
    let found = only(Vec::new(), Vec::new());
    assert_eq!((found.state, found.reported), (MemberState::NotStarted, None));
    assert_eq!(found.violations.to_string(), "not known");
    let other = state("c", "other", MemberState::Compliant, NOW);
    let mut foreign = state("c", "m", MemberState::Compliant, NOW);
    foreign.key.assignment = id("/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/b");
    assert_eq!(only(vec![other, foreign], Vec::new()).state, MemberState::NotStarted);
}

#[test]
fn components_count_and_the_state_says_whether_that_is_all() {
    let two = || vec![pod("c", "m", "shop", "a", 5), pod("c", "m", "shop", "b", 5)];
    let compliant = |when| vec![state("c", "m", MemberState::Compliant, when)];
    let broken = |when| vec![state("c", "m", MemberState::NonCompliant, when)];
    assert_eq!(only(broken(5), two()).violations, Count::exactly(2));
    // Nothing is named, and something there is.
    assert!(!only(broken(5), Vec::new()).violations.is_none());
    assert_eq!(only(compliant(5), Vec::new()).violations, Count::exactly(0));
    // Gone since.
    assert_eq!(only(compliant(6), two()).violations, Count::exactly(0));
    // Come since.
    let later = only(compliant(4), two());
    assert_eq!(
        (later.state, later.violations),
        (MemberState::NonCompliant, Count::exactly(2))
    );
    // Mended, by its own newer row.
    let mut mended = pod("c", "m", "shop", "a", 6);
    mended.state = MemberState::Compliant;
    let rows = two().into_iter().chain([mended]).collect();
    assert_eq!(only(broken(5), rows).violations, Count::exactly(1));
    for unclear in [MemberState::Unknown, MemberState::Error, MemberState::Conflict] {
        assert!(only(vec![state("c", "m", unclear, 5)], Vec::new()).violations.at_least);
    }
}

#[test]
fn a_full_list_is_at_least_that_long_and_a_filtered_zero_of_it_is_not_known() {
    let broken = || vec![state("c", "m", MemberState::NonCompliant, 5)];
    let many = |n: usize| {
        (0..n)
            .map(|n| pod("c", "m", "shop", &format!("p{n}"), 5))
            .collect::<Vec<_>>()
    };
    assert_eq!(only(broken(), many(499)).violations, Count::exactly(499));
    assert_eq!(only(broken(), many(500)).violations, Count::at_least(500));
    assert_eq!(only(broken(), many(500)).violations.to_string(), "at least 500");
    let other = World {
        namespaces: Some(Namespaces::Only(BTreeSet::from(["bank".to_owned()]))),
        ..World::default()
    };
    assert_eq!(other.only(broken(), many(500)).violations.to_string(), "not known");
    assert_eq!(other.only(broken(), many(499)).violations, Count::exactly(0));
    // Two members of one policy share the limit.
    let shared: Vec<ComponentRow> = many(500)
        .into_iter()
        .enumerate()
        .map(|(n, mut row)| {
            row.key.member = if n < 100 { "m" } else { "n" }.to_owned();
            row
        })
        .collect();
    assert_eq!(only(broken(), shared).violations, Count::at_least(100));
}

#[test]
fn what_was_reported_while_the_member_denied_is_counted_apart() {
    let mut row = state("c", "m", MemberState::NonCompliant, 5);
    let mut refused = pod("c", "m", "shop", "a", 5);
    refused.key.effect = Some(Effect::Deny);
    // It audits now: whatever the old row says, the object would be refused.
    let audited = only(vec![row.clone()], vec![refused.clone()]);
    assert_eq!(
        (audited.violations, audited.denied),
        (Count::exactly(1), Count::exactly(0))
    );
    row.key.effect = Some(Effect::Deny);
    let denied = only(vec![row], vec![refused]);
    assert_eq!(denied.denied, Count::exactly(1));
    assert_eq!(
        denied.violations.to_string(),
        "not known",
        "what ran before may be among them"
    );
}

#[test]
fn each_reason_for_silence_has_its_own_word() {
    let rows = |when: i64, of: MemberState| Rows {
        states: vec![state("c", "m", of, when)],
        components: Vec::new(),
    };
    let fresh = rows(NOW - HOUR, MemberState::Compliant);
    let coverage = |change: &dyn Fn(&mut World), rows: &Rows| {
        let mut world = World::default();
        change(&mut world);
        world.judge(rows).clusters[0].coverage.to_string()
    };
    let same = |_: &mut World| {};
    assert_eq!(coverage(&same, &fresh), "reporting");
    assert_eq!(coverage(&same, &Rows::default()), "never heard of");
    let late = rows(NOW - 27 * HOUR, MemberState::Compliant);
    assert_eq!(
        coverage(&same, &late),
        format!("not heard of since {}", at(NOW - 27 * HOUR))
    );
    assert_eq!(coverage(&same, &rows(NOW, MemberState::Error)), "add-on failing");
    let off = |world: &mut World| world.clusters[0].condition = Condition::NoAddon;
    assert_eq!(coverage(&off, &fresh), "add-on off");
    let stopped = |world: &mut World| world.clusters[0].condition = Condition::Stopped;
    assert_eq!(coverage(&stopped, &fresh), "stopped");
    let excluded = |world: &mut World| world.clusters[0].excluded = true;
    assert_eq!(coverage(&excluded, &fresh), "excluded");
    let ignored = |until: i64| {
        move |world: &mut World| {
            let reason = "retired".to_owned();
            world.clusters[0].ignored = Some(Ignored {
                reason,
                until: at(until),
            });
        }
    };
    assert_eq!(
        coverage(&ignored(NOW + 1), &fresh),
        format!("ignored until {}", at(NOW + 1))
    );
    assert_eq!(coverage(&ignored(NOW), &fresh), "reporting", "that has ended");
}

#[test]
fn an_exemption_opens_what_it_covers_and_no_more() {
    let exempted = |members: &[&str], locations: &[&str], scope: &str| Exempted {
        scope: scope.to_owned(),
        locations: locations.iter().map(|text| (*text).to_owned()).collect(),
        members: members.iter().map(|text| (*text).to_owned()).collect(),
        until: Some(at(NOW + 1)),
    };
    let judged = |exempted: Exempted| {
        let world = World {
            exemptions: vec![exempted],
            ..World::default()
        };
        let states = vec![state("c", "m", MemberState::Exempt, NOW)];
        let evidence = world.judge(&Rows {
            states,
            components: Vec::new(),
        });
        let cluster = evidence.clusters[0].clone();
        (cluster.coverage.counts(), cluster.members["m"].violations.is_none())
    };
    assert_eq!(judged(exempted(&[], &[], "/subscriptions/S")), (false, true));
    assert_eq!(
        judged(exempted(&[], &["West Europe"], "/subscriptions/s")),
        (false, true)
    );
    assert_eq!(judged(exempted(&["m"], &[], "/subscriptions/s")), (true, true));
    // An `Exempt` that no exemption stands for says nothing of what there is.
    assert_eq!(judged(exempted(&["n"], &[], "/subscriptions/s")), (true, false));
    assert_eq!(
        judged(exempted(&[], &["northeurope"], "/subscriptions/s")),
        (true, false)
    );
    assert_eq!(judged(exempted(&[], &[], "/subscriptions/other")), (true, false));
}

#[test]
fn namespaces_are_taken_with_their_stars() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let only = Namespaces::Only(names(&["shop", "team-*", "*-dev"]));
    for (name, taken) in [
        ("shop", true),
        ("shops", false),
        ("team-a", true),
        ("x-dev", true),
        ("x", false),
    ] {
        assert_eq!(only.take(Some(name)), taken, "{name}");
    }
    assert!(only.take(None), "nothing lets an object without a namespace off");
    let except = Namespaces::Except(names(&["kube-*"]));
    assert!(!except.take(Some("kube-system")) && except.take(Some("shop")));
}

#[test]
fn heard_is_said_only_of_what_could_have_seen_the_last_change() {
    let settle = Period::from_seconds(90 * 60);
    let world = World {
        members: vec!["m", "n"],
        ..World::default()
    };
    let heard = |first: i64, second: Option<i64>, changed: Option<i64>, after: Option<i64>| {
        let states = [("m", Some(first)), ("n", second)];
        let states = states
            .iter()
            .filter_map(|(member, when)| Some(state("c", member, MemberState::Compliant, (*when)?)));
        let mut evidence = world.judge(&Rows {
            states: states.collect(),
            components: Vec::new(),
        });
        evidence.changed = changed.map(at);
        freshness(&evidence, after.map(at), settle, at(NOW)).remove(0).heard
    };
    let change = NOW - 10 * HOUR;
    let settled = change + 90 * 60;
    assert_eq!(
        heard(NOW, Some(settled), Some(change), None),
        Heard::Reported(at(settled))
    );
    let waiting = Heard::NotYet { awaited: 1, of: 2 };
    assert_eq!(heard(NOW, Some(settled - 1), Some(change), None), waiting);
    assert_eq!(heard(NOW, None, Some(change), None), waiting);
    assert_eq!(heard(NOW, Some(NOW), None, None), Heard::NotYet { awaited: 2, of: 2 });
    assert_eq!(heard(NOW, Some(settled), Some(change), Some(NOW - HOUR)), waiting);
    let old = NOW - 27 * HOUR;
    assert_eq!(heard(NOW, Some(old), Some(0), None), Heard::TooOld(at(old)));
}

#[test]
fn a_change_of_the_cluster_itself_is_waited_for_too() {
    let mut world = World::default();
    world.clusters[0].changed = Some(at(NOW - HOUR));
    let states = vec![state("c", "m", MemberState::Compliant, NOW)];
    let evidence = world.judge(&Rows {
        states,
        components: Vec::new(),
    });
    let settle = Period::from_seconds(90 * 60);
    assert!(freshness(&evidence, None, settle, at(NOW))[0].heard.is_awaited());
    assert!(
        !freshness(&evidence, None, Period::default(), at(NOW))[0]
            .heard
            .is_awaited()
    );
}

#[test]
fn the_forecast_names_top_offenders_first_and_is_bounded() {
    let mut components = vec![
        pod("c", "m", "shop", "cart-6d4f9c7b8-x2x9z", 5),
        pod("c", "m", "shop", "cart-6d4f9c7b8-zzzzz", 5),
        pod("c", "n", "shop", "cart-6d4f9c7b8-zzzzz", 5),
        pod("c", "m", "bank", "by-hand", 5),
        pod("d", "m", "shop", "elsewhere", 5),
    ];
    let world = World {
        clusters: vec![cluster("c"), cluster("e")],
        members: vec!["m", "n"],
        ..World::default()
    };
    let states = vec![
        state("c", "m", MemberState::NonCompliant, 5),
        state("c", "n", MemberState::NonCompliant, 5),
    ];
    let forecast_of = |components: Vec<ComponentRow>| {
        let rows = Rows {
            states: states.clone(),
            components,
        };
        forecast("g", &id(ASSIGNMENT), &world.judge(&rows), &rows, None)
    };
    let found = forecast_of(components.clone());
    let hits: Vec<(&str, u64, usize, bool)> = found
        .hits
        .iter()
        .map(|hit| (hit.name.as_str(), hit.objects, hit.members.len(), hit.guessed))
        .collect();
    assert_eq!(
        hits,
        [("cart", 2, 2, true), ("by-hand", 1, 1, false)],
        "not what is elsewhere"
    );
    assert_eq!(found.places[0].namespace.as_deref(), Some("shop"));
    assert!(
        found.unknown.iter().any(|line| line == "e (never heard of)"),
        "{:?}",
        found.unknown
    );
    components.extend((0..80).map(|n| pod("c", "m", "shop", &format!("bare{n}"), 5)));
    let many = forecast_of(components);
    assert_eq!((many.hits.len(), many.more), (50, 32));
    assert_eq!(many.hits[0].name, "cart");
}

fn member_states() -> impl Strategy<Value = MemberState> {
    prop::sample::select(vec![
        MemberState::Compliant,
        MemberState::NonCompliant,
        MemberState::Exempt,
        MemberState::Conflict,
        MemberState::Error,
        MemberState::Unknown,
    ])
}

fn effects() -> impl Strategy<Value = Option<Effect>> {
    prop::sample::select(vec![None, Some(Effect::Audit), Some(Effect::Deny)])
}

fn state_rows() -> impl Strategy<Value = Vec<StateRow>> {
    let one =
        (0..2usize, 0..2usize, member_states(), effects(), 0..6i64).prop_map(|(cluster, member, of, effect, when)| {
            let mut row = state(["c", "d"][cluster], ["m", "n"][member], of, NOW - when * 7 * HOUR);
            row.key.effect = effect;
            row
        });
    prop::collection::vec(one, 0..12)
}

fn component_rows() -> impl Strategy<Value = Vec<ComponentRow>> {
    let one = (0..2usize, 0..2usize, 0..3u8, any::<bool>(), effects(), 0..6i64).prop_map(
        |(cluster, member, name, broken, effect, when)| {
            let name = format!("p{name}");
            let mut row = pod(
                ["c", "d"][cluster],
                ["m", "n"][member],
                "shop",
                &name,
                NOW - when * 7 * HOUR,
            );
            row.key.effect = effect;
            if !broken {
                row.state = MemberState::Compliant;
            }
            row
        },
    );
    prop::collection::vec(one, 0..12)
}

fn two_clusters() -> World {
    World {
        clusters: vec![cluster("c"), cluster("d")],
        members: vec!["m", "n"],
        ..World::default()
    }
}

proptest! {
    #[test]
    fn the_order_of_rows_never_matters(
        states in state_rows(), components in component_rows(), turn in 0..12usize,
    ) {
        let rows = Rows { states, components };
        let mut turned = rows.clone();
        turned.states.reverse();
        let by = turn % turned.components.len().max(1);
        turned.components.rotate_left(by);
        let mut world = two_clusters();
        let judged = world.judge(&rows);
        world.clusters.reverse();
        world.members.reverse();
        prop_assert_eq!(world.judge(&turned), judged);
    }

    #[test]
    fn an_older_row_on_the_same_thing_never_changes_anything(
        states in state_rows(), components in component_rows(), pick in any::<prop::sample::Index>(), by in 1..50i64,
        of in member_states(), effect in effects(),
    ) {
        let rows = Rows { states, components };
        let mut more = rows.clone();
        if !rows.states.is_empty() {
            let mut row = pick.get(&rows.states).clone();
            row.key.reported = at(row.key.reported.seconds() - by);
            (row.state, row.key.effect) = (of, effect);
            more.states.push(row);
        }
        if !rows.components.is_empty() {
            let mut row = pick.get(&rows.components).clone();
            row.key.reported = at(row.key.reported.seconds() - by);
            (row.state, row.key.effect) = (of, effect);
            more.components.push(row);
        }
        prop_assert_eq!(two_clusters().judge(&more), two_clusters().judge(&rows));
    }

    #[test]
    fn rows_that_are_missing_never_look_compliant(
        states in state_rows(), components in component_rows(), kept in prop::collection::vec(any::<bool>(), 12),
    ) {
        let whole = Rows { states, components };
        let mut part = whole.clone();
        let mut keep = kept.iter();
        part.states.retain(|_| *keep.next().unwrap());
        let left: BTreeSet<(String, String)> =
            part.states.iter().map(|row| (row.key.resource.key(), row.key.member.clone())).collect();
        for cluster in two_clusters().judge(&part).clusters {
            for (member, evidence) in &cluster.members {
                if !left.contains(&(cluster.id.key(), member.clone())) {
                    prop_assert_eq!((evidence.state, evidence.reported), (MemberState::NotStarted, None));
                    prop_assert!(evidence.violations.at_least);
                }
            }
            let silent = cluster.members.values().any(|member| member.reported.is_none());
            prop_assert!(!silent || cluster.oldest().is_none());
            prop_assert!(!silent || cluster.violations().at_least);
        }
    }

    #[test]
    fn a_new_violation_never_makes_anything_look_better(
        states in state_rows(), components in component_rows(), cluster in 0..2usize, member in 0..2usize,
    ) {
        let rows = Rows { states, components };
        let mut worse = rows.clone();
        worse.components.push(pod(["c", "d"][cluster], ["m", "n"][member], "shop", "another", NOW));
        let (before, after) = (two_clusters().judge(&rows).violations(), two_clusters().judge(&worse).violations());
        prop_assert!(after.n > before.n || !two_clusters().judge(&rows).clusters[cluster].coverage.counts());
        prop_assert!(!after.is_none());
    }
}

#[test]
fn rows_are_kept_by_their_assignment_however_it_is_written() {
    let mine = state("c", "m", MemberState::NonCompliant, 1);
    let mut other = mine.clone();
    other.key.assignment = id("/subscriptions/s/providers/x/policyAssignments/other");
    let rows = AllRows::from(Rows {
        states: vec![other.clone(), mine.clone()],
        components: Vec::new(),
    });
    assert_eq!(rows.of(&id(&ASSIGNMENT.to_uppercase())).states, [mine]);
    assert_eq!(rows.of(&other.key.assignment).states, [other]);
    assert_eq!(*rows.of(&id("/subscriptions/s/none")), Rows::default());
}

#[test]
fn of_many_exemptions_each_cluster_has_those_that_it_lies_in() {
    let exempted = |scope: &str| Exempted {
        scope: scope.to_owned(),
        locations: Vec::new(),
        members: Vec::new(),
        until: None,
    };
    let covered = |scope: &str| {
        let world = World {
            clusters: vec![cluster("c"), cluster("cc")],
            exemptions: vec![exempted(scope)],
            ..World::default()
        };
        let evidence = world.judge(&Rows::default());
        let covered = evidence
            .clusters
            .iter()
            .map(|one| matches!(one.coverage, Coverage::Exempt { .. }));
        covered.collect::<Vec<bool>>()
    };
    let c = cluster_id("C").as_str().to_uppercase();
    assert_eq!(covered(&c), [true, false]);
    assert_eq!(covered("/subscriptions/S/resourcegroups/G/"), [true, true]);
    assert_eq!(covered("/subscriptions/s"), [true, true]);
    assert_eq!(covered("/subscriptions/s/resourceGroups/g2"), [false, false]);
    assert_eq!(covered("/subscriptions/s/resourceGro"), [false, false]);
}
