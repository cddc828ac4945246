//! What is summed up: rings, tallies, weakenings, what is let off, and where lines run.

use super::chart::{HEIGHT, PLOT, WIDTH, chart};
use super::*;
use crate::compliance::{Day, Trend};
use crate::config::{Cloud, Environment, Exemption, ExemptionCategory};
use crate::coverage::Reason;
use crate::desired::RELAXED_KEY;
use crate::kinds::Kind;
use crate::model::{Area, Mark, Period, ResourceId, Scope};
use crate::observed::{LiveObject, Observed};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: &str = "2027-01-10T08:00:00Z";
const SOON: Period = Period::from_seconds(14 * 86_400);

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn way(stands: Option<Position>, before: &[&str]) -> GateRollout {
    let way = [
        (Position::Off, "off"),
        (Position::Audit, "audit"),
        (Position::Rings(1), "deny in canary"),
        (Position::Deny, "deny"),
    ];
    GateRollout {
        gate: "g".into(),
        way: way.map(|(position, name)| (position, name.to_owned())).to_vec(),
        stands,
        since: None,
        goes: Position::Audit,
        by_approval: false,
        target: Position::Deny,
        held: None,
        generation: 1,
        before: before.iter().map(|name| (1, (*name).to_owned())).collect(),
        paused: None,
        overrides: Vec::new(),
    }
}

#[test]
fn a_gate_is_closed_as_far_as_its_furthest_generation() {
    assert_eq!(furthest(&way(None, &[])), Position::Off);
    assert_eq!(
        furthest(&way(Some(Position::Audit), &["deny in canary"])),
        Position::Rings(1)
    );
    assert_eq!(furthest(&way(Some(Position::Deny), &["audit"])), Position::Deny);
}

#[test]
fn rings_close_in_their_order_and_a_gate_without_rings_has_one() {
    let ring = |name: &str, area| crate::model::Ring {
        name: name.into(),
        area,
    };
    let configured = [
        ring("canary", Area::Locations(vec!["northeurope".into()])),
        ring("shop", Area::Namespaces(vec!["shop".into()])),
        ring("broad", Area::Rest),
    ];
    let shown = |position| -> Vec<String> {
        let rings = rings(Ladder::new(&configured), position);
        rings
            .iter()
            .map(|ring| format!("{} {}", ring.name, ring.stage))
            .collect()
    };
    assert_eq!(shown(Position::Off), ["canary off", "shop off", "broad off"]);
    assert_eq!(shown(Position::Audit), ["canary audit", "shop audit", "broad audit"]);
    assert_eq!(shown(Position::Rings(2)), ["canary deny", "shop deny", "broad audit"]);
    assert_eq!(shown(Position::Deny), ["canary deny", "shop deny", "broad deny"]);
    assert!(rings(Ladder::new(&configured), Position::Off)[1].divides_clusters);
    let alone = rings(Ladder::new(&[]), Position::Deny);
    assert_eq!(
        (alone.len(), &*alone[0].name, alone[0].stage),
        (1, "everywhere", Stage::Deny)
    );
}

fn cell(state: State, should_be_closed: bool, reasons: Vec<Reason>) -> Cell {
    Cell {
        state,
        should_be_closed,
        ring: "everywhere".into(),
        reasons,
        below: Vec::new(),
        reported: None,
    }
}

#[test]
fn what_is_not_known_is_neither_closed_nor_open() {
    let cells = [
        cell(State::Closed, true, Vec::new()),
        cell(State::Open, true, vec![Reason::NoAddon]),
        cell(State::Open, true, vec![Reason::Ignored(at(NOW))]),
        cell(State::Open, false, vec![Reason::RingNotClosed]),
        cell(State::Unknown, true, vec![Reason::Stopped]),
        cell(State::Unknown, false, vec![Reason::NeverSeen]),
    ];
    let tally = Tally::of(&cells);
    let counts = Sort::ALL.map(|sort| (sort.key(), tally.get(sort)));
    assert_eq!(
        counts,
        [
            ("open", 1),
            ("unknown", 2),
            ("letOff", 1),
            ("notClosedYet", 1),
            ("closed", 1)
        ]
    );
    assert_eq!(tally.plus(&tally).total(), 12);
    // The worst cluster comes first, and of two as bad the one with more of it.
    let (closed, open, unknown) = (&cells[..1], &cells[1..2], &cells[4..]);
    assert!(rank(open) < rank(unknown) && rank(unknown) < rank(&cells[4..5]) && rank(&cells[4..5]) < rank(closed));
    assert!(rank(&[]) >= rank(closed));
}

#[test]
fn an_order_of_a_person_is_told_once() {
    let id = |name: &str| ResourceId::parse(&format!("/subscriptions/s/providers/x/y/{name}")).unwrap();
    let relaxed = |name: &str| Relaxation {
        exemption: id(name),
        assignment: id("a"),
        ends: at(NOW),
        in_part: false,
        reason: "restore".into(),
    };
    let state = MarkState {
        paused: Some("taken back".into()),
        overrides: vec!["soak for deny: they know".into()],
        weakened: Some("taken back".into()),
        ..MarkState::default()
    };
    let found = weakenings("g", &[relaxed("e"), relaxed("f")], Some(&state));
    let told: Vec<_> = found.iter().map(|one| (one.sort.name(), &*one.reason)).collect();
    assert_eq!(
        told,
        [
            ("relaxed", "restore"),
            ("paused", "taken back"),
            ("closed past a guard", "soak for deny: they know")
        ]
    );
    let other = MarkState {
        weakened: Some("the shop is down".into()),
        ..MarkState::default()
    };
    let found = weakenings("g", &[], Some(&other));
    assert_eq!(
        (found.len(), found[0].sort.is_open()),
        (1, false),
        "it happened, and acts no more"
    );
    assert!(weakenings("g", &[], None).is_empty());
}

fn mark() -> Mark {
    Mark {
        owner: "us".into(),
        environment: "dev".into(),
        gate: "g".into(),
        generation: 1,
        part: "00".into(),
    }
}

fn environment() -> Environment {
    let scope = Scope::Subscription("s".into());
    Environment::without_file("dev".into(), Cloud::Public, "t".into(), scope.clone(), scope)
}

fn exemption(resource: &str, expires: &str) -> Exemption {
    Exemption {
        gate: "g".into(),
        resource: ResourceId::parse(resource).unwrap(),
        category: ExemptionCategory::Waiver,
        expires: at(expires),
        reason: "agents".into(),
        ticket: Some("OPS-7".into()),
        members: Vec::new(),
    }
}

/// An assignment of ours, and exemptions from it: what they are of, whether they are ours, and their properties.
fn observed(exemptions: &[(&str, bool, Value)]) -> Observed {
    let mut observed = Observed::default();
    let assignment = format!(
        "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/{}",
        mark().assignment_name()
    );
    observed.insert(LiveObject {
        kind: Kind::PolicyAssignment,
        id: ResourceId::parse(&assignment).unwrap(),
        wire: json!({"properties": {"metadata": {"aksgate": mark().to_text()}}}),
        etag: None,
    });
    for (number, (resource, ours, properties)) in exemptions.iter().enumerate() {
        let name = match ours {
            true => mark().exemption_name(resource, &[]),
            false => format!("theirs-{number}"),
        };
        let mut properties = properties.clone();
        properties["policyAssignmentId"] = json!(assignment.to_uppercase());
        if *ours {
            properties["metadata"]["aksgate"] = json!(mark().to_text());
        }
        let id = format!("{resource}/providers/Microsoft.Authorization/policyExemptions/{name}");
        observed.insert(LiveObject {
            kind: Kind::PolicyExemption,
            id: ResourceId::parse(&id).unwrap(),
            wire: json!({ "properties": properties }),
            etag: None,
        });
    }
    observed
}

#[test]
fn what_ends_first_comes_first_and_nothing_is_let_off_in_silence() {
    let group = |name: &str| format!("/subscriptions/s/resourceGroups/{name}");
    let mut environment = environment();
    environment.exemptions = vec![
        exemption(&group("applied"), "2027-06-01T00:00:00Z"),
        exemption(&group("waits"), "2027-01-12T00:00:00Z"),
        exemption(&group("over"), "2027-01-01T00:00:00Z"),
    ];
    let observed = observed(&[
        (&group("APPLIED"), true, json!({"expiresOn": "2027-06-01T00:00:00Z"})),
        (
            &group("left"),
            true,
            json!({"expiresOn": "2027-01-15T00:00:00Z", "description": "old"}),
        ),
        (
            &group("foreign"),
            false,
            json!({"exemptionCategory": "Mitigated", "displayName": "theirs"}),
        ),
        (
            &group("relaxed"),
            true,
            json!({"expiresOn": "2027-01-11T00:00:00Z", "metadata": {RELAXED_KEY: "restore"}}),
        ),
    ]);
    let found = let_off(("us", &environment), &observed, (at(NOW), SOON));
    let told: Vec<String> = found
        .iter()
        .map(|one| {
            let name = one.resource.rsplit('/').next().unwrap();
            format!("{name}: {}, {}, {}", one.sort.name(), one.state.name(), one.reason)
        })
        .collect();
    assert_eq!(
        told,
        [
            "over: exemption, expired, agents (OPS-7)",
            "waits: exemption, not applied yet, agents (OPS-7)",
            "left: exemption, no longer in the file, ends soon, old",
            "applied: exemption, in force, agents (OPS-7)",
            "foreign: exemption, not by this estate, without an end, theirs",
        ]
    );
}

#[test]
fn days_are_summed_over_clusters_and_silence_is_no_zero() {
    let trend = |name: &str, broken: [Option<usize>; 3]| Trend {
        cluster: ResourceId::parse(&format!("/subscriptions/s/x/{name}")).unwrap(),
        days: broken
            .into_iter()
            .enumerate()
            .map(|(day, broken)| Day {
                end: Timestamp::from_seconds(i64::try_from(day).unwrap() * 86_400),
                broken,
            })
            .collect(),
    };
    let found = series(
        "g",
        &[trend("a", [None, Some(2), Some(0)]), trend("b", [None, None, Some(3)])],
    );
    let told: Vec<_> = found.points.iter().map(|point| (point.broken, point.heard)).collect();
    assert_eq!(told, [(None, 0), (Some(2), 1), (Some(3), 2)]);
    assert!(series("g", &[]).points.is_empty());
}

#[test]
fn a_day_without_a_number_breaks_its_line() {
    let found = chart(&[vec![Some(0), Some(10), None, Some(5), Some(5)]]).unwrap();
    assert_eq!(found.lines[0].parts, ["44,190 209,16", "539,103 704,103"]);
    assert_eq!(found.lines[0].dots.len(), 4);
    let numbers: Vec<u64> = found.steps.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [0, 5, 10]);
    assert_eq!(found.dates.last(), Some(&(704, 4)), "the last day has its date");
    // One day alone is a dot, and nothing at all is no chart.
    let found = chart(&[vec![Some(3)]]).unwrap();
    assert_eq!((found.lines[0].parts.len(), found.lines[0].dots.len()), (0, 1));
    assert_eq!(chart(&[vec![None, None]]), None);
    assert_eq!(chart(&[]), None);
    assert!(
        chart(&[vec![Some(0), Some(0)]]).is_some(),
        "none broken is worth a line"
    );
}

proptest! {
    #[test]
    fn every_line_stays_in_its_box(rows in prop::collection::vec(prop::collection::vec(prop::option::of(any::<u64>()), 0..40), 0..4)) {
        if let Some(found) = chart(&rows) {
            let (left, right, top, bottom) = PLOT;
            prop_assert!(found.steps.len() <= 6 && found.dates.len() <= 5);
            for (x, y, ..) in found.lines.iter().flat_map(|line| &line.dots) {
                prop_assert!((left..=right).contains(x) && (top..=bottom).contains(y), "{x},{y}");
                prop_assert!(*x <= WIDTH && *y <= HEIGHT);
            }
            for (x, _) in &found.dates {
                prop_assert!((left..=right).contains(x));
            }
        }
    }
}
