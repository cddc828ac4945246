//! What a run wrote is taken back, against the model of Azure.

use super::*;
use crate::desired::{Controls, Desired};
use crate::plan::reverse::{Ground, Reversal, reverse};

/// A write as a journal would note it.
pub(super) fn written(step: &Step, before: Option<Value>, after: Option<Value>) -> Written {
    Written {
        kind: step.kind.name().to_owned(),
        object: step.object.as_str().to_owned(),
        before,
        after,
    }
}

fn wanted(estate: &Estate, observed: &Observed, controls: &Controls, now: Timestamp) -> Desired {
    let (renderer, _) = Renderer::load(estate);
    let sources = Sources {
        estate,
        environment: &estate.environments["dev"],
        catalog: Catalog::embedded(),
        unaccepted: &BTreeMap::new(),
        renderer: &renderer,
        observed,
        controls,
        now,
    };
    desired::objects(sources, &[]).unwrap()
}

fn reversal(
    estate: &Estate,
    (observed, controls): (&Observed, &Controls),
    writes: &[Written],
    now: Timestamp,
) -> Result<Reversal, String> {
    let environment = &estate.environments["dev"];
    let wanted = wanted(estate, &reverse::without_pauses(observed, writes), controls, now);
    let gates = environment.gates.values();
    let enabling = gates.filter(|gate| gate.kind == InitiativeKind::Enablement);
    let ground = Ground {
        ours: ("us", "dev"),
        scopes: (&environment.scope, &environment.definition_scope),
        observed,
        wanted: &wanted,
        enabling: &enabling.map(|gate| gate.name.clone()).collect(),
        overrides: &controls.overrides,
        is_known_role: |role| crate::catalog::role_name(role).is_some(),
        now,
    };
    reverse(writes, ground).map_err(|forged| forged.to_string())
}

/// The plan that takes writes back, and its documents.
fn plan_back(
    estate: &Estate,
    observed: &Observed,
    back: &Reversal,
    now: Timestamp,
) -> (Plan, BTreeMap<(Kind, ResourceId), Value>) {
    let header = plan_at(estate, observed, &[], (&Controls::default(), now)).0.header;
    let plan = make(Inputs {
        header,
        owner: "us",
        desired: &back.objects,
        observed,
        held: back.held.clone(),
        findings: back.findings.clone(),
        gates: &[],
        renamed: &BTreeMap::new(),
        why_gone: "the run made it",
    });
    let objects = back.objects.iter().cloned();
    (
        plan,
        objects
            .map(|object| ((object.kind, object.id), Arc::unwrap_or_clone(object.body)))
            .collect(),
    )
}

/// Takes the journal of the model back.
fn take_back(azure: &mut Azure, estate: &Estate) -> Plan {
    let now = Timestamp::from_seconds(1_000);
    let (observed, writes) = (azure.observe(), std::mem::take(&mut azure.journal));
    let back = reversal(estate, (&observed, &Controls::default()), &writes, now).unwrap();
    let (plan, documents) = plan_back(estate, &observed, &back, now);
    azure.carry_out(&plan, &documents);
    plan
}

/// All that is there, without what a server makes and without whom an identity's roles are given to.
fn state(azure: &Azure) -> BTreeMap<(Kind, ResourceId), Value> {
    // A role beside the scope, for what a parameter names, is given again by an apply only.
    let here = |id: &ResourceId| id.is_within(&format!("/subscriptions/{SUBSCRIPTION}"));
    let objects = azure.objects.iter().filter(|((_, id), _)| here(id));
    let objects = objects.map(|((kind, id), wire)| {
        let mut comparable = kind.comparable(wire);
        if let Some(principal) = comparable.pointer_mut("/properties/principalId") {
            *principal = Value::Null;
        }
        ((*kind, id.clone()), comparable)
    });
    objects.collect()
}

fn held_here(plan: &Plan) -> Vec<&Held> {
    let beside = "it lies outside the environment, and no gate asks for it now";
    let held = plan.held.iter();
    held.filter(|held| held.reasons.iter().any(|reason| reason.sentence != beside))
        .collect()
}

/// The principals that roles are given to and that no assignment has.
fn strays(azure: &Azure) -> Vec<String> {
    let principals: Vec<String> = azure.objects.values().filter_map(crate::kinds::principal_of).collect();
    let roles = azure
        .objects
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::RoleAssignment);
    let held = roles.map(|(_, wire)| wire["properties"]["principalId"].as_str().unwrap().to_owned());
    held.filter(|principal| !principals.contains(principal)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_inverse_of_a_run_restores_what_was_there(first in estates(), second in estates(), part in 0usize..40) {
        let mut azure = azure();
        let (plan, documents) = plan_of(&first, &azure.observe(), &[]);
        azure.carry_out(&plan, &documents);
        let (there, roles) = (state(&azure), strays(&azure));
        azure.journal.clear();
        let (plan, documents) = plan_of(&second, &azure.observe(), &[]);
        let count = plan.pending().count();
        // Half of them are cut off somewhere.
        azure.carry_out_some(&plan, &documents, if part < 20 { part.min(count) } else { count });
        let ran = state(&azure);
        let back = take_back(&mut azure, &second);
        prop_assert_eq!(held_here(&back), Vec::<&Held>::new());
        prop_assert_eq!(state(&azure), there);
        prop_assert_eq!(strays(&azure), roles);
        // And what took it back can be taken back as well.
        let forth = take_back(&mut azure, &second);
        prop_assert_eq!(held_here(&forth), Vec::<&Held>::new());
        prop_assert_eq!(state(&azure), ran);
    }

    #[test]
    fn taking_a_run_back_touches_nothing_that_it_did_not_write(first in estates(), second in estates()) {
        let mut azure = azure();
        let (plan, documents) = plan_of(&first, &azure.observe(), &[]);
        azure.carry_out(&plan, &documents);
        azure.journal.clear();
        let (plan, documents) = plan_of(&second, &azure.observe(), &[]);
        azure.carry_out(&plan, &documents);
        let written: BTreeSet<String> = azure.journal.iter().map(|written| written.object.to_lowercase()).collect();
        let back = take_back(&mut azure, &second);
        for step in back.pending() {
            prop_assert!(written.contains(&step.object.key()), "{}", step.object);
        }
    }
}

/// A gate that was taken back from deny by hand, with what that wrote.
fn undone() -> (Azure, Estate) {
    use super::rings::{apply, arrived, ringed, sound};
    let mut azure = arrived(1);
    azure.journal.clear();
    let undo = Controls {
        orders: BTreeMap::from([(
            "own-gate".to_owned(),
            desired::Order::Undo {
                to: None,
                reason: "the shop is down".into(),
            },
        )]),
        ..sound(&azure)
    };
    apply(&mut azure, &ringed(1), &undo, None);
    (azure, ringed(1))
}

fn guards(back: &Reversal) -> Vec<&str> {
    let reasons = back.held.iter().flat_map(|held| &held.reasons);
    reasons.map(|reason| reason.guard.as_str()).collect()
}

#[test]
fn what_would_close_a_gate_further_waits_for_its_guards() {
    use super::rings::{now, observe, sound};
    let (azure, estate) = undone();
    let observed = observe(&azure);
    let silent = Controls::default();
    let back = reversal(&estate, (&observed, &silent), &azure.journal, now()).unwrap();
    assert_eq!(guards(&back), ["evidence"], "{:?}", back.held);
    let heard = sound(&azure);
    let back = reversal(&estate, (&observed, &heard), &azure.journal, now()).unwrap();
    assert_eq!(guards(&back), Vec::<&str>::new());
    let (plan, _) = plan_back(&estate, &observe(&azure), &back, now());
    assert_eq!(summary(&plan), ["update policyAssignment tightens"]);
    // A person goes past what holds it, and the mark says so.
    let guards = [crate::rollout::Guard::Evidence, crate::rollout::Guard::InnerRing];
    let past = Controls {
        overrides: guards.map(|guard| (guard, "they know".to_owned())).to_vec(),
        ..Controls::default()
    };
    let back = reversal(&estate, (&observed, &past), &azure.journal, now()).unwrap();
    assert_eq!(back.held, []);
    let (plan, _) = plan_back(&estate, &observe(&azure), &back, now());
    let told = ["evidence", "inner-ring"].map(|guard| (guard.to_owned(), "they know".to_owned()));
    assert_eq!(plan.overrides(), told);
}

#[test]
fn a_pause_that_the_run_did_not_make_goes_on_holding() {
    use super::rings::{now, observe, sound};
    let (mut azure, estate) = undone();
    // It was paused before as well.
    let written = &mut azure.journal[0];
    let state = format!("/properties/metadata/{STATE_KEY}");
    let text = written.before.as_mut().unwrap().pointer_mut(&state).unwrap();
    let mut before = MarkState::parse(text.as_str().unwrap()).unwrap();
    before.pause("release week");
    *text = json!(before.to_text());
    let heard = sound(&azure);
    let back = reversal(&estate, (&observe(&azure), &heard), &azure.journal, now()).unwrap();
    assert_eq!(guards(&back), ["pause"]);
}

#[test]
fn what_denied_and_is_gone_is_not_made_again_without_a_word() {
    use super::rings::{arrived, closed, now, observe, ringed, sound};
    let mut azure = arrived(1);
    azure.journal.clear();
    let none = estate(vec![], BTreeMap::new(), false, false);
    let (plan, documents) = plan_of(&none, &azure.observe(), &[]);
    azure.carry_out(&plan, &documents);
    let heard = sound(&azure);
    let back = reversal(&ringed(1), (&observe(&azure), &heard), &azure.journal, now()).unwrap();
    assert_eq!(guards(&back), ["evidence"]);
    assert_eq!(back.objects, [], "nor is its definition, which nothing would point at");
    let past = Controls {
        overrides: vec![(crate::rollout::Guard::Evidence, "it was a mistake".into())],
        ..heard
    };
    let back = reversal(&ringed(1), (&observe(&azure), &past), &azure.journal, now()).unwrap();
    let (plan, documents) = plan_back(&ringed(1), &observe(&azure), &back, now());
    assert_eq!(
        summary(&plan),
        ["create policySetDefinition neutral", "create policyAssignment tightens"]
    );
    azure.carry_out(&plan, &documents);
    assert_eq!(closed(&azure), [Stage::Deny; 3]);
}

#[test]
fn an_object_that_moved_since_is_left_and_who_moved_it_is_told() {
    let mut azure = azure();
    let estate = own(1);
    let (plan, documents) = plan_of(&estate, &azure.observe(), &[]);
    azure.carry_out(&plan, &documents);
    type Change = fn(&mut Value);
    let changes: [Change; 3] = [
        |wire| wire["properties"]["displayName"] = json!("mine"),
        |wire| {
            wire["properties"]["overrides"] = json!([{"kind": "policyEffect", "value": "Disabled", "selectors": []}])
        },
        |wire| wire["properties"]["metadata"] = json!({}),
    ];
    for change in changes {
        let mut azure = azure.clone();
        let (_, wire) = azure
            .objects
            .iter_mut()
            .find(|((kind, id), _)| *kind == Kind::PolicyAssignment && id.name().starts_with("own-gate"))
            .unwrap();
        change(wire);
        wire["systemData"]["lastModifiedBy"] = json!("eve");
        let now = Timestamp::from_seconds(1_000);
        let back = reversal(&estate, (&azure.observe(), &Controls::default()), &azure.journal, now).unwrap();
        assert_eq!(guards(&back), ["moved", "state"], "its set stays with it");
        assert!(
            back.held[0].reasons[0].sentence.contains("last by eve at"),
            "{:?}",
            back.held
        );
        let (plan, _) = plan_back(&estate, &azure.observe(), &back, now);
        assert!(plan.pending().all(|step| step.kind != Kind::PolicyAssignment));
    }
}

#[test]
fn a_journal_that_says_what_no_run_writes_is_refused() {
    let mut azure = azure();
    let estate = own(1);
    let (plan, documents) = plan_of(&estate, &azure.observe(), &[]);
    azure.carry_out(&plan, &documents);
    let assignment = |written: &&mut Written| written.kind == "policyAssignment";
    type Change = fn(&mut Written);
    let changes: [(Change, &str); 8] = [
        (
            |written| written.kind = "virtualMachine".into(),
            "its kind is not known",
        ),
        (|written| written.object = "a thing".into(), "it is no resource id"),
        (
            |written| {
                written.object = written
                    .object
                    .replace(SUBSCRIPTION, "0a000000-0000-4000-8000-000000000009")
            },
            "it does not lie in the environment",
        ),
        (
            |written| written.object.push('x'),
            "does not carry the mark of this environment",
        ),
        (
            |written| written.before = Some(json!({"properties": {"displayName": "no mark"}})),
            "does not carry the mark of this environment",
        ),
        (
            |written| {
                let mut before = written.after.clone().unwrap();
                let mark = before["properties"]["metadata"][MARK_KEY]
                    .as_str()
                    .unwrap()
                    .replace("owner=us", "owner=them");
                before["properties"]["metadata"][MARK_KEY] = json!(mark);
                written.before = Some(before);
            },
            "does not carry the mark of this environment",
        ),
        (
            |written| {
                let mut before = written.after.clone().unwrap();
                before["properties"]["scope"] = json!("/subscriptions/x");
                written.before = Some(before);
            },
            "is no document of its kind",
        ),
        (
            |written| written.after = None,
            "nothing stood there and nothing was sent",
        ),
    ];
    for (change, words) in changes {
        let mut writes = azure.journal.clone();
        change(writes.iter_mut().find(assignment).unwrap());
        let now = Timestamp::from_seconds(1_000);
        let refused = reversal(&estate, (&azure.observe(), &Controls::default()), &writes, now).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn a_role_is_given_again_to_the_gates_own_identity_only() {
    let mut azure = azure();
    let fleet = |_: ()| {
        let mut estate = estate(
            vec![fleet_gate(false)],
            BTreeMap::from([("fleet".to_owned(), fleet())]),
            false,
            false,
        );
        estate.environments.get_mut("dev").unwrap().location = Some("westeurope".into());
        estate
    };
    let with = fleet(());
    let (plan, documents) = plan_of(&with, &azure.observe(), &[]);
    azure.carry_out(&plan, &documents);
    azure.journal.clear();
    let none = estate(vec![], BTreeMap::new(), false, false);
    let (plan, documents) = plan_of(&none, &azure.observe(), &[]);
    azure.carry_out(&plan, &documents);
    let now = Timestamp::from_seconds(1_000);
    let mut writes = azure.journal.clone();
    let role = writes
        .iter_mut()
        .find(|written| written.kind == "roleAssignment")
        .unwrap();
    // Whoever edits the journal gives nobody a role by it: the principal is the identity's.
    role.before.as_mut().unwrap()["properties"]["principalId"] = json!("99999999-0000-4000-8000-000000000000");
    let back = reversal(&with, (&azure.observe(), &Controls::default()), &writes, now).unwrap();
    let roles = back.objects.iter().filter(|object| object.kind == Kind::RoleAssignment);
    for role in roles.clone() {
        assert!(
            role.body["properties"]["principalId"]
                .get(crate::kinds::KNOWN_AFTER)
                .is_some(),
            "{role:?}"
        );
    }
    assert!(roles.count() > 0);
    // Nor one that no definition asks for: the name of a role assignment says which role it is.
    let owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    let role = writes
        .iter_mut()
        .find(|written| written.kind == "roleAssignment")
        .unwrap();
    role.before.as_mut().unwrap()["properties"]["roleDefinitionId"] = json!(owner);
    let refused = reversal(&with, (&azure.observe(), &Controls::default()), &writes, now).unwrap_err();
    assert!(refused.contains("does not carry the mark"), "{refused}");
}
