//! What is new, what is fixed, and what nobody can say.

use super::*;
use crate::evidence::{Component, ComponentRow, MemberEvidence, MemberState, RowKey, Rows, StateRow};
use crate::model::Effect;
use serde_json::{Value, json};

const SUBSCRIPTION: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";
const SCOPE: &str = "subscriptions/0a000000-0000-4000-8000-000000000001";

fn time(hour: u32) -> Timestamp {
    Timestamp::parse(&format!("2027-01-04T{hour:02}:00:00Z")).unwrap()
}

fn cluster(name: &str) -> ResourceId {
    ResourceId::parse(&format!(
        "{SUBSCRIPTION}/resourceGroups/r/providers/Microsoft.ContainerService/managedClusters/{name}"
    ))
    .unwrap()
}

fn assignment() -> ResourceId {
    ResourceId::parse(&format!(
        "{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/a"
    ))
    .unwrap()
}

/// A cluster with one rule, and how much of what breaks it is known.
fn of(name: &str, coverage: Coverage, violations: Count) -> ClusterEvidence {
    let member = MemberEvidence {
        state: MemberState::NonCompliant,
        reported: Some(time(8)),
        violations,
        denied: Count::default(),
    };
    ClusterEvidence {
        id: cluster(name),
        name: name.into(),
        location: "westeurope".into(),
        changed: None,
        coverage,
        members: BTreeMap::from([("rule".to_owned(), member)]),
    }
}

fn pod(of: &str, name: &str, effect: Effect) -> ComponentRow {
    ComponentRow {
        key: RowKey {
            resource: cluster(of),
            assignment: assignment(),
            definition: ResourceId::parse("/providers/Microsoft.Authorization/policyDefinitions/d").unwrap(),
            member: "rule".into(),
            effect: Some(effect),
            reported: time(8),
        },
        state: MemberState::NonCompliant,
        component: Component {
            kind: "Pod".into(),
            namespace: Some("shop".into()),
            name: name.into(),
        },
    }
}

fn report(
    clusters: Vec<ClusterEvidence>,
    pods: Vec<ComponentRow>,
    baseline: Option<&Baseline>,
    now: Timestamp,
) -> Report {
    // The newest state of a rule that denies says so.
    let states = pods.iter().map(|pod| StateRow {
        key: pod.key.clone(),
        state: MemberState::NonCompliant,
    });
    let rows = Rows {
        states: states.collect(),
        components: pods,
    };
    let evidence = GateEvidence {
        changed: Some(time(1)),
        clusters,
    };
    let heard = Heard {
        gate: "g",
        assignment: &assignment(),
        evidence: &evidence,
    };
    Report::new(&[heard], &rows.into(), baseline, now)
}

/// A report as it is written.
fn document(report: &Report) -> Value {
    let environment = crate::view::compliance::Environment {
        name: "dev".into(),
        scope: SCOPE.into(),
        read: Ok(crate::view::compliance::Read {
            endpoint: String::new(),
            report: report.clone(),
            trends: None,
        }),
    };
    let environments = crate::view::compliance::to_json(&[environment]);
    json!({"formatVersion": 1, "command": "compliance", "environments": environments})
}

fn baseline(report: &Report) -> Baseline {
    Baseline::read(&document(report), "dev", SCOPE).unwrap()
}

fn names(keys: &[Key]) -> Vec<String> {
    keys.iter()
        .map(|key| format!("{} {}", key.cluster.name(), key.name))
        .collect()
}

#[test]
fn pods_that_come_anew_are_one_workload_and_not_new() {
    let one = |name: &str, baseline: Option<&Baseline>, now| {
        let clusters = vec![of("c", Coverage::Reporting, Count::exactly(1))];
        report(clusters, vec![pod("c", name, Effect::Audit)], baseline, now)
    };
    let first = one("cart-6d4f9c7b8-x2x9z", None, time(9));
    assert_eq!(
        (first.violations[0].novelty, first.violations[0].first_seen),
        (None, time(9))
    );
    let earlier = baseline(&first);
    let second = one("cart-7f5bdc4d9-bbbbb", Some(&earlier), time(12));
    let found = &second.violations[0];
    assert_eq!((found.key.name.as_str(), found.novelty), ("cart", Some(Novelty::Known)));
    assert_eq!(found.first_seen, time(9), "it is carried from report to report");
    assert_eq!((second.fixed.len(), second.new_ones().count()), (0, 0));
    let third = one("till-6d4f9c7b8-x2x9z", Some(&baseline(&second)), time(15));
    assert_eq!(third.violations[0].novelty, Some(Novelty::New));
    assert_eq!(names(&third.fixed), ["c cart"]);
    assert_eq!(third.baseline, Some(time(12)));
}

#[test]
fn what_was_not_heard_of_is_not_fixed() {
    let first = report(
        vec![of("c", Coverage::Reporting, Count::exactly(1))],
        vec![pod("c", "by-hand", Effect::Audit)],
        None,
        time(9),
    );
    for (coverage, violations, fixed) in [
        (Coverage::Reporting, Count::exactly(0), true),
        (Coverage::Reporting, Count::at_least(0), false),
        (Coverage::NeverSeen, Count::exactly(0), false),
        (Coverage::NoAddon, Count::exactly(0), false),
        (Coverage::NotReporting { last: time(1) }, Count::exactly(0), false),
        (Coverage::Excluded, Count::exactly(0), false),
        (Coverage::Exempt { until: None }, Count::exactly(0), false),
    ] {
        let now = report(
            vec![of("c", coverage.clone(), violations)],
            Vec::new(),
            Some(&baseline(&first)),
            time(12),
        );
        assert_eq!(
            (now.fixed.len(), now.unclear.len()),
            (usize::from(fixed), usize::from(!fixed)),
            "{coverage}"
        );
    }
    let gone = report(Vec::new(), Vec::new(), Some(&baseline(&first)), time(12));
    assert_eq!(
        (gone.fixed.len(), gone.unclear.len()),
        (0, 1),
        "nor is what is out of scope"
    );
}

#[test]
fn what_the_earlier_report_did_not_know_is_perhaps_new() {
    for (before, violations, novelty) in [
        (Coverage::Reporting, Count::exactly(0), Novelty::New),
        (Coverage::Reporting, Count::at_least(500), Novelty::Unclear),
        (Coverage::Stopped, Count::exactly(0), Novelty::Unclear),
    ] {
        let first = report(vec![of("c", before, violations)], Vec::new(), None, time(9));
        let clusters = vec![of("c", Coverage::Reporting, Count::exactly(1))];
        let now = report(
            clusters,
            vec![pod("c", "x", Effect::Audit)],
            Some(&baseline(&first)),
            time(12),
        );
        assert_eq!(now.violations[0].novelty, Some(novelty));
        assert_eq!(now.new_ones().count(), 1);
    }
    let none = report(Vec::new(), Vec::new(), None, time(9));
    let clusters = vec![of("c", Coverage::Reporting, Count::exactly(1))];
    let now = report(
        clusters,
        vec![pod("c", "x", Effect::Audit)],
        Some(&baseline(&none)),
        time(12),
    );
    assert_eq!(
        now.violations[0].novelty,
        Some(Novelty::Unclear),
        "a cluster that is new"
    );
}

#[test]
fn what_a_rule_that_denies_reports_anew_are_attempts() {
    let first = report(
        vec![of("c", Coverage::Reporting, Count::exactly(0))],
        Vec::new(),
        None,
        time(9),
    );
    let clusters = vec![of("c", Coverage::Reporting, Count::at_least(0))];
    let now = report(
        clusters,
        vec![pod("c", "x", Effect::Deny)],
        Some(&baseline(&first)),
        time(12),
    );
    assert!(now.violations[0].denied);
    assert_eq!(
        (now.violations[0].novelty, now.new_ones().count()),
        (Some(Novelty::New), 0)
    );
}

#[test]
fn nobody_who_is_silent_counts_as_compliant() {
    for (coverage, count) in [
        (Coverage::Reporting, Count::exactly(0)),
        (Coverage::NotReporting { last: time(1) }, Count::at_least(0)),
        (Coverage::Stopped, Count::at_least(0)),
        (Coverage::Excluded, Count::exactly(0)),
    ] {
        let found = report(
            vec![of("c", coverage.clone(), Count::exactly(0))],
            Vec::new(),
            None,
            time(9),
        );
        assert_eq!(found.count(), count, "{coverage}");
    }
    let mut nothing = of("c", Coverage::Reporting, Count::exactly(0));
    nothing.members.clear();
    assert_eq!(
        report(vec![nothing], Vec::new(), None, time(9)).count(),
        Count::at_least(0)
    );
}

#[test]
fn a_file_that_is_no_earlier_report_is_refused_with_why() {
    let sound = document(&report(Vec::new(), Vec::new(), None, time(9)));
    let with = |path: &str, value: Value| {
        let mut document = sound.clone();
        *document.pointer_mut(path).unwrap() = value;
        Baseline::read(&document, "dev", SCOPE).unwrap_err()
    };
    assert_eq!(with("/command", json!("scan")), BaselineError::NotAReport);
    assert_eq!(with("/formatVersion", json!(2)), BaselineError::Version("2".into()));
    assert_eq!(with("/environments", Value::Null), BaselineError::NotAReport);
    assert_eq!(
        with("/environments/0/environment", json!("prod")),
        BaselineError::NoEnvironment("dev".into())
    );
    assert_eq!(
        with("/environments/0/error", json!("403")),
        BaselineError::NotRead("dev".into())
    );
    assert!(matches!(
        with("/environments/0/scope", json!("subscriptions/x")),
        BaselineError::Scope { .. }
    ));
    assert_eq!(
        with("/environments/0/time", json!("today")),
        BaselineError::Part("time")
    );
    assert_eq!(with("/environments/0/gates", json!([{}])), BaselineError::Part("gates"));
    assert_eq!(
        with("/environments/0/violations", json!([{"gate": "g"}])),
        BaselineError::Part("violations")
    );
    assert_eq!(Baseline::read(&json!([]), "dev", SCOPE), Err(BaselineError::NotAReport));
}

#[test]
fn sums_are_worst_first() {
    let found = report(
        vec![
            of("a", Coverage::Reporting, Count::exactly(1)),
            of("b", Coverage::Reporting, Count::exactly(2)),
        ],
        vec![
            pod("a", "x", Effect::Audit),
            pod("b", "y", Effect::Audit),
            pod("b", "z", Effect::Audit),
        ],
        None,
        time(9),
    );
    assert_eq!(
        sums(&found.violations, |violation| violation.key.cluster.name()),
        [("b", 2), ("a", 1)]
    );
}

#[test]
fn a_state_holds_until_the_next_and_before_the_first_nothing_is_known() {
    let row = |day: u32, member: &str, state| StateRow {
        key: RowKey {
            member: member.into(),
            reported: Timestamp::parse(&format!("2027-01-{day:02}T08:00:00Z")).unwrap(),
            ..pod("c", "x", Effect::Audit).key
        },
        state,
    };
    let rows = [
        row(4, "one", MemberState::Compliant),
        row(2, "one", MemberState::NonCompliant),
        row(3, "two", MemberState::NonCompliant),
    ];
    let now = Timestamp::parse("2027-01-05T12:00:00Z").unwrap();
    let found = trend(&cluster("c"), &rows, 5, now);
    let broken: Vec<Option<usize>> = found.days.iter().map(|day| day.broken).collect();
    assert_eq!(broken, [None, Some(1), Some(2), Some(1), Some(1)]);
    assert_eq!(found.days[4].end, now);
    assert!(
        trend(&cluster("d"), &rows, 2, now)
            .days
            .iter()
            .all(|day| day.broken.is_none())
    );
}
