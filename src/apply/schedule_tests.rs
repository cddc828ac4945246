//! What may begin, in which order, and how many of each sort at once.

use super::schedule::{AtOnce, Schedule};
use super::tests::step;
use super::{Failure, Outcome};
use crate::kinds::Kind;
use crate::plan::Step;
use serde_json::json;

const AT_ONCE: AtOnce = AtOnce { calls: 2, clusters: 4 };

fn made(id: &str, kind: Kind, waits: &[&str]) -> Step {
    let mut step = step(kind, "/subscriptions/s/x/y", None, &json!({}));
    step.id = id.to_owned();
    step.depends_on = waits.iter().map(|id| (*id).to_owned()).collect();
    step
}

fn failed() -> Outcome {
    Outcome::Failed(Failure::Journal("no".to_owned()))
}

/// A run of steps, with those that are under way.
struct Run<'a> {
    schedule: Schedule<'a>,
    under_way: Vec<(usize, &'a Step)>,
}

impl<'a> Run<'a> {
    fn of(steps: &'a [Step]) -> Run<'a> {
        let schedule = Schedule::new(steps.iter().collect(), AT_ONCE);
        Run {
            schedule,
            under_way: Vec::new(),
        }
    }

    /// Begins what may begin and returns what is under way.
    fn begun(&mut self) -> Vec<&'a str> {
        while let Some(step) = self.schedule.begin() {
            self.under_way.push(step);
        }
        self.under_way.iter().map(|(_, step)| step.id.as_str()).collect()
    }

    fn end(&mut self, id: &str, outcome: &Outcome) {
        let place = self.under_way.iter().position(|(_, step)| step.id == id).unwrap();
        let (at, _) = self.under_way.remove(place);
        self.schedule.ended(at, outcome);
    }

    fn doomed(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.schedule.doomed())
            .map(|(_, step, why)| format!("{} {why}", step.id))
            .collect()
    }
}

#[test]
fn steps_begin_in_the_order_of_the_plan_once_what_they_need_is_done() {
    let kind = Kind::PolicyAssignment;
    let steps = [
        made("a", kind, &[]),
        made("b", kind, &["a"]),
        made("c", kind, &["a", "d"]),
        made("d", kind, &[]),
        made("e", kind, &[]),
    ];
    let mut run = Run::of(&steps);
    assert_eq!(run.begun(), ["a", "d"], "two at once");
    run.end("a", &Outcome::Done);
    assert_eq!(run.begun(), ["d", "b"]);
    run.end("d", &Outcome::AlreadyDone);
    assert_eq!(run.begun(), ["b", "c"]);
    run.end("c", &Outcome::Done);
    run.end("b", &Outcome::Done);
    assert_eq!(run.begun(), ["e"]);
    assert!(!run.schedule.has_waiting());
}

#[test]
fn what_waits_for_a_step_that_was_not_done_is_doomed_and_so_is_what_waits_for_that() {
    let kind = Kind::PolicyAssignment;
    let steps = [
        made("a", kind, &["d"]),
        made("b", kind, &["a", "c"]),
        made("c", kind, &["d"]),
        made("d", kind, &[]),
        made("e", kind, &[]),
        made("f", kind, &["nowhere"]),
    ];
    let mut run = Run::of(&steps);
    assert_eq!(run.begun(), ["d", "e"]);
    run.end("d", &Outcome::Held("why".to_owned()));
    assert_eq!(
        run.doomed(),
        [
            "a waits for d, which was not done",
            "b waits for a, which was not done",
            "c waits for d, which was not done"
        ]
    );
    run.end("e", &Outcome::Done);
    assert!(run.begun().is_empty() && run.doomed().is_empty());
    let left: Vec<&str> = run
        .schedule
        .give_up()
        .iter()
        .map(|(_, step)| step.id.as_str())
        .collect();
    assert_eq!(left, ["f"], "its need is not in the plan");
}

#[test]
fn clusters_begin_with_one_and_each_that_ends_well_lets_one_more_be_changed_beside_it() {
    let names: Vec<String> = (0..20).map(|number| format!("c{number:02}")).collect();
    let mut steps: Vec<Step> = names.iter().map(|name| made(name, Kind::ManagedCluster, &[])).collect();
    steps.extend(["p", "q", "r"].map(|name| made(name, Kind::DefenderPlan, &[])));
    let mut run = Run::of(&steps);
    assert_eq!(run.begun(), ["c00", "p", "q"], "other writes have places of their own");
    run.end("p", &Outcome::Done);
    assert_eq!(run.begun(), ["c00", "q", "r"]);
    run.end("q", &failed());
    run.end("r", &Outcome::Done);
    run.end("c00", &Outcome::Done);
    assert_eq!(run.begun(), ["c01", "c02"]);
    run.end("c01", &Outcome::Done);
    assert_eq!(run.begun(), ["c02", "c03", "c04"]);
    run.end("c04", &Outcome::Held("stopped".to_owned()));
    assert_eq!(run.begun(), ["c02", "c03", "c05"], "what was not written says nothing");
    for (id, under_way) in [("c02", 4), ("c03", 4), ("c05", 4)] {
        run.end(id, &Outcome::Done);
        assert_eq!(run.begun().len(), under_way, "no more than the environment says");
    }
    run.end("c06", &failed());
    assert_eq!(run.begun().len(), 3, "those under way go on, and nothing begins");
    for id in ["c07", "c08", "c09"] {
        run.end(id, &Outcome::AlreadyDone);
    }
    assert_eq!(run.begun(), ["c10"], "one alone again");
}

#[test]
fn where_clusters_fail_in_a_row_no_more_are_begun() {
    let mut steps: Vec<Step> = (0..9)
        .map(|number| made(&format!("c{number}"), Kind::ManagedCluster, &[]))
        .collect();
    steps.push(made("s", Kind::DeploymentSafeguards, &["c8"]));
    steps.push(made("p", Kind::PolicyAssignment, &[]));
    let mut run = Run::of(&steps);
    run.begun();
    for number in 0..4 {
        run.end(&format!("c{number}"), &failed());
        assert_eq!(run.schedule.give_up_clusters().1.len(), 0);
        assert_eq!(run.begun().last(), Some(&&*format!("c{}", number + 1)));
    }
    run.end("c4", &failed());
    let (failures, left) = run.schedule.give_up_clusters();
    let left: Vec<&str> = left.iter().map(|(_, step)| step.id.as_str()).collect();
    assert_eq!((failures, left), (5, vec!["c5", "c6", "c7", "c8", "s"]));
    assert_eq!(run.begun(), ["p"], "what touches no cluster goes on");
    assert!(run.doomed().is_empty());

    let mut run = Run::of(&steps);
    run.begun();
    for (number, outcome) in [failed(), failed(), failed(), failed(), Outcome::Done, failed()]
        .iter()
        .enumerate()
    {
        run.end(&format!("c{number}"), outcome);
        run.begun();
    }
    assert!(run.schedule.give_up_clusters().1.is_empty(), "they were not in a row");
}
