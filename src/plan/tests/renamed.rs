//! A gate that has another name than what stands in Azure, against the model of Azure: nothing opens on the way.

use super::rings::{apply, arrived, assignments, closed, guarded, ringed, sound};
use super::*;

/// The ringed gate under another name; `former` says so.
fn renamed(members: usize, former: Option<&str>) -> Estate {
    let mut estate = ringed(members);
    let gates = &mut estate.environments.get_mut("dev").unwrap().gates;
    let gate = gates.remove("own-gate").unwrap();
    let gate = Gate {
        name: "new-gate".into(),
        renamed_from: former.map(str::to_owned),
        ..gate
    };
    gates.insert("new-gate".into(), gate);
    estate
}

fn names(azure: &Azure) -> Vec<String> {
    let marks = azure
        .objects
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::PolicyAssignment);
    marks
        .map(|(_, wire)| Mark::parse(wire["properties"]["metadata"][MARK_KEY].as_str().unwrap()).unwrap())
        .map(|mark| format!("{} {}", mark.gate, mark.generation))
        .collect()
}

#[test]
fn a_renamed_gate_climbs_beside_what_denies_under_its_former_name() {
    for members in [1, 2] {
        let mut azure = arrived(1);
        let estate = renamed(members, Some("own-gate"));
        for _ in 0..4 {
            let controls = sound(&azure);
            let plan = apply(&mut azure, &estate, &controls, None);
            assert_eq!(plan.weakenings().count(), 0, "{:?}", summary(&plan));
            assert_eq!((assignments(&azure), closed(&azure)), (2, [Stage::Deny; 3]));
        }
        let controls = sound(&azure);
        let plan = apply(&mut azure, &estate, &controls, None);
        assert_eq!(summary(&plan)[0], "delete policyAssignment neutral");
        assert_eq!(plan.pending().next().unwrap().gate.as_deref(), Some("new-gate"));
        assert_eq!(
            (names(&azure), closed(&azure)),
            (vec!["new-gate 2".to_owned()], [Stage::Deny; 3])
        );
        let (settled, _) = plan_of(&estate, &azure.observe(), &[]);
        assert_eq!(summary(&settled), Vec::<String>::new());
        let said = |plan: &Plan| {
            plan.findings
                .iter()
                .any(|finding| finding.sentence.contains("`renamedFrom` can be taken out"))
        };
        assert!(said(&settled), "{:?}", settled.findings);
        let (without, _) = plan_of(&renamed(members, None), &azure.observe(), &[]);
        assert_eq!((summary(&without), said(&without)), (Vec::new(), false));
    }
}

#[test]
fn a_renamed_gate_that_only_audits_moves_at_once() {
    let mut azure = guarded();
    let controls = sound(&azure);
    apply(&mut azure, &ringed(1), &controls, None);
    let plan = apply(&mut azure, &renamed(1, Some("own-gate")), &controls, None);
    assert_eq!(
        summary(&plan),
        ["replace policyAssignment neutral", "delete policyAssignment neutral"]
    );
    assert_eq!(names(&azure), ["new-gate 2"]);
    assert_eq!(closed(&azure), [Stage::Audit; 3]);
}

#[test]
fn with_the_gate_named_its_former_assignment_goes_too() {
    let mut azure = guarded();
    let controls = sound(&azure);
    apply(&mut azure, &ringed(1), &controls, None);
    let (plan, _) = plan_of(
        &renamed(1, Some("own-gate")),
        &azure.observe(),
        &["new-gate".to_owned()],
    );
    assert_eq!(
        summary(&plan),
        ["replace policyAssignment neutral", "delete policyAssignment neutral"]
    );
}

#[test]
fn a_gate_that_vanished_while_one_of_its_content_came_may_have_been_renamed() {
    let azure = arrived(1);
    let (plan, _) = plan_of(&renamed(1, None), &azure.observe(), &[]);
    assert!(summary(&plan).contains(&"delete policyAssignment weakens".to_owned()));
    let said = |plan: &Plan| {
        let mut findings = plan.findings.iter();
        findings.any(|finding| finding.subject == "new-gate" && finding.sentence.contains("`renamedFrom: own-gate`"))
    };
    assert!(said(&plan), "{:?}", plan.findings);
    // Of another content it is another gate.
    let (other, _) = plan_of(&renamed(2, None), &azure.observe(), &[]);
    assert!(!said(&other), "{:?}", other.findings);
}

#[test]
fn what_is_let_off_the_former_assignment_is_let_off_until_it_goes() {
    let exempt = |mut estate: Estate, gate: &str| {
        let environment = estate.environments.get_mut("dev").unwrap();
        environment.exemptions.push(exemption(gate, "northeurope", 90 * 86_400));
        estate
    };
    let mut azure = arrived(1);
    let controls = sound(&azure);
    apply(&mut azure, &exempt(ringed(1), "own-gate"), &controls, None);
    let count = |azure: &Azure| {
        azure
            .objects
            .keys()
            .filter(|(kind, _)| *kind == Kind::PolicyExemption)
            .count()
    };
    assert_eq!(count(&azure), 1);
    let estate = exempt(renamed(1, Some("own-gate")), "new-gate");
    let plan = apply(&mut azure, &estate, &controls, None);
    assert_eq!(
        plan.pending().filter(|step| step.action == Action::Delete).count(),
        0,
        "{:?}",
        summary(&plan)
    );
    assert_eq!(count(&azure), 2, "one from each assignment");
}
