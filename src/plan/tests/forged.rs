//! Plan files that somebody changed by hand: what of them is refused.

use super::*;

/// A step of a file that somebody wrote by hand.
fn forged(plan: &mut Plan, change: impl FnOnce(&mut Step)) -> Checked {
    let fresh = plan.clone();
    let step = plan.steps.iter_mut().find(|step| step.is_pending()).unwrap();
    change(step);
    check(plan.clone(), &fresh)
}

#[test]
fn a_plan_file_writes_nothing_that_a_fresh_plan_would_not() {
    let azure = applied(&own(2));
    let (fresh, _) = plan_of(&own(1), &azure.observe(), &[]);
    assert_eq!(check(fresh.clone(), &fresh).refused, BTreeMap::new());
    assert_eq!(check(fresh.clone(), &fresh).plan, fresh);
    let first = fresh.steps[0].clone();
    assert_eq!((first.action, first.direction), (Action::Replace, Direction::Weakens));

    let lied = forged(&mut fresh.clone(), |step| step.direction = Direction::Tightens);
    assert_eq!(
        lied.plan.weakenings().count(),
        1,
        "what weakens has to be allowed, whatever a file says"
    );
    type Change = fn(&mut Step);
    let refusals: [(Change, &str); 4] = [
        (|step| step.before = None, "not what the plan shows"),
        (|step| step.after = Some(json!({})), "not what the plan shows"),
        (|step| step.action = Action::Delete, "the estate wants this object"),
        (
            |step| {
                step.action = Action::Delete;
                step.object = assignment("theirs");
            },
            "does not carry the mark",
        ),
    ];
    for (change, words) in refusals {
        let checked = forged(&mut fresh.clone(), change);
        assert!(checked.refused[&first.id].contains(words), "{:?}", checked.refused);
    }
}

#[test]
fn a_plan_file_cannot_take_a_predecessor_away_before_its_successor_is_there() {
    let azure = applied(&own(1));
    let (fresh, _) = plan_of(&own(2), &azure.observe(), &[]);
    let mut saved = fresh.clone();
    for step in &mut saved.steps {
        step.depends_on.clear();
    }
    let checked = check(saved.clone(), &fresh);
    assert_eq!(checked.refused, BTreeMap::new());
    for (saved, fresh) in checked.plan.steps.iter().zip(&fresh.steps) {
        assert!(fresh.depends_on.iter().all(|id| saved.depends_on.contains(id)));
    }
    saved.steps.retain(|step| step.action == Action::Delete);
    let checked = check(saved, &fresh);
    assert_eq!(checked.refused.len(), 2);
    assert!(
        checked
            .refused
            .values()
            .all(|why| why.contains("which is not in the plan"))
    );
}
