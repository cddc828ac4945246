//! Limits, judged by what is gone and what is weaker after a plan was carried out.

use super::*;
use crate::kinds::Meanings;
use crate::model::{FEW, Limits, Percent};
use crate::plan::{Exceeded, Limit, exceeded};

fn limits(deletes: u64, replaces: u64, weakenings: u64, share: &str) -> Limits {
    Limits {
        deletes,
        replaces,
        weakenings,
        share: Percent::parse(share).unwrap(),
    }
}

fn owned(observed: &Observed) -> u64 {
    observed.owned("us", "dev").count() as u64
}

/// Which limits the plan from one estate to another passes where nothing is allowed, and how many objects count.
fn passed(from: &Azure, to: &Estate) -> Vec<(Limit, u64)> {
    let observed = from.observe();
    let (plan, _) = plan_of(to, &observed, &[]);
    let found = exceeded(&plan, &limits(0, 0, 0, "100%"), owned(&observed), |_| true);
    found
        .iter()
        .map(|found: &Exceeded| (found.limit, found.found))
        .collect()
}

fn exempting(expires: i64) -> Estate {
    let mut estate = own(1);
    let environment = estate.environments.get_mut("dev").unwrap();
    environment.exemptions = vec![exemption("own-gate", "one", expires)];
    estate
}

#[test]
fn a_gate_that_goes_counts_once_with_all_that_hangs_on_it() {
    let gone = estate(Vec::new(), BTreeMap::new(), false, false);
    assert_eq!(passed(&applied(&own(2)), &gone), [(Limit::Deletes, 1)]);
    assert_eq!(passed(&applied(&exempting(2_000)), &gone), [(Limit::Deletes, 1)]);
    let fleet = applied(&fleet_estate("westeurope", true));
    assert_eq!(passed(&fleet, &gone), [(Limit::Deletes, 1)]);
}

#[test]
fn a_predecessor_counts_as_its_replacement_and_not_as_a_delete() {
    assert_eq!(passed(&applied(&own(1)), &own(2)), [(Limit::Replaces, 1)]);
    let weaker = [(Limit::Replaces, 1), (Limit::Weakenings, 1)];
    assert_eq!(passed(&applied(&own(2)), &own(1)), weaker);
}

#[test]
fn an_exemption_counts_when_it_comes_and_while_it_holds() {
    assert_eq!(passed(&applied(&own(1)), &exempting(2_000)), [(Limit::Weakenings, 1)]);
    assert_eq!(passed(&applied(&exempting(2_000)), &own(1)), [(Limit::Deletes, 1)]);
    // The clock of these plans stands at 1,000.
    let mut azure = applied(&exempting(2_000));
    let id = azure
        .objects
        .keys()
        .find(|(kind, _)| *kind == Kind::PolicyExemption)
        .unwrap()
        .clone();
    let mut ended = azure.objects[&id].clone();
    ended["properties"]["expiresOn"] = json!("1970-01-01T00:10:00Z");
    azure.objects.insert(id, ended);
    assert_eq!(passed(&azure, &own(1)), []);
}

#[test]
fn a_share_counts_from_ten_objects_on() {
    let observed = applied(&own(2)).observe();
    let (plan, _) = plan_of(&estate(Vec::new(), BTreeMap::new(), false, false), &observed, &[]);
    let over = |owned: u64, share: &str| exceeded(&plan, &limits(9, 9, 9, share), owned, |_| true);
    assert_eq!(over(FEW - 1, "0%"), []);
    let found = over(FEW, "10%");
    assert_eq!((found[0].limit, found[0].found, found[0].owned), (Limit::Share, 2, 10));
    assert_eq!(found[0].option(), "--max-share 20%");
    assert_eq!(over(FEW, "20%"), []);
    assert_eq!(exceeded(&plan, &limits(0, 0, 0, "0%"), FEW, |_| false), []);
}

/// How many objects are gone, succeeded and weaker, as anybody could count who compares two states of Azure.
fn losses(before: &Observed, after: &Observed) -> (u64, u64, u64) {
    let assignments = |observed: &Observed| -> BTreeMap<String, BTreeSet<ResourceId>> {
        let mut found: BTreeMap<String, BTreeSet<ResourceId>> = BTreeMap::new();
        let of_gates = observed
            .owned("us", "dev")
            .filter(|(object, _)| object.kind == Kind::PolicyAssignment);
        for (object, mark) in of_gates {
            found.entry(mark.gate).or_default().insert(object.id.clone());
        }
        found
    };
    let (old, new) = (assignments(before), assignments(after));
    let gone = old.keys().filter(|gate| !new.contains_key(*gate)).count();
    let heirs = new
        .iter()
        .filter(|(gate, ids)| old.get(*gate).is_some_and(|old| old.is_disjoint(ids)))
        .count();
    let weaker = |object: &&LiveObject| {
        let other = after.get(object.kind, &object.id);
        other.is_some_and(|other| {
            let (one, two) = (object.comparable(), other.comparable());
            let meanings = Meanings::from([("excludedNamespaces".to_owned(), crate::model::Meaning::Excludes)]);
            Direction::of(&object.kind.directions(Some(&one), Some(&two), &meanings)) == Direction::Weakens
        })
    };
    let weaker = before.objects().filter(weaker).count();
    let count = |count: usize| u64::try_from(count).unwrap();
    (count(gone), count(heirs), count(weaker))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_plan_within_its_limits_loses_no_more_than_they_say(
        first in estates(), second in estates(), most in prop::collection::vec(0u64..3, 3),
    ) {
        let mut azure = applied(&first);
        let before = azure.observe();
        let (plan, documents) = plan_of(&second, &before, &[]);
        let limits = limits(most[0], most[1], most[2], "100%");
        let found = exceeded(&plan, &limits, owned(&before), |_| true);
        azure.carry_out(&plan, &documents);
        let (gone, heirs, weaker) = losses(&before, &azure.observe());
        let passes = |limit: Limit| found.iter().any(|found| found.limit == limit);
        prop_assert!(passes(Limit::Deletes) || gone <= limits.deletes, "{} gone: {:?}", gone, summary(&plan));
        prop_assert!(passes(Limit::Replaces) || heirs <= limits.replaces, "{} heirs: {:?}", heirs, summary(&plan));
        prop_assert!(passes(Limit::Weakenings) || weaker <= limits.weakenings, "{} weaker: {:?}", weaker, summary(&plan));
        for found in found {
            prop_assert!(found.found > 0 && !found.sentence().is_empty());
        }
    }

    #[test]
    fn the_same_state_passes_no_limit(estate in estates()) {
        prop_assert_eq!(passed(&applied(&estate), &estate), vec![]);
    }
}
