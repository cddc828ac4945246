//! Gates that deploy, their roles, and exemptions: what is written when, and what an interrupted run leaves.

use super::*;

#[test]
fn a_run_that_stopped_anywhere_is_completed_by_the_next_plan() {
    let (before, after) = (fleet_estate("westeurope", true), fleet_estate("northeurope", false));
    let none = estate(vec![], BTreeMap::new(), false, false);
    for (first, second) in [(&none, &before), (&before, &after), (&before, &none)] {
        let start = applied(first);
        let (whole, _) = plan_of(second, &start.observe(), &[]);
        for stop in 0..whole.pending().count() {
            let mut azure = start.clone();
            let (plan, documents) = plan_of(second, &azure.observe(), &[]);
            azure.carry_out_some(&plan, &documents, stop);
            // The saved plan goes on, though its principals are known by now.
            let (fresh, fresh_documents) = plan_of(second, &azure.observe(), &[]);
            let left = check(plan.clone(), &fresh);
            for step in fresh.pending().filter(|step| step.kind == Kind::RoleAssignment) {
                let saved = plan.pending().find(|saved| saved.object == step.object).unwrap();
                assert_eq!(left.refused.get(&saved.id), None, "after {stop} steps");
            }
            azure.carry_out(&fresh, &fresh_documents);
            assert_eq!(summary(&plan_of(second, &azure.observe(), &[]).0), Vec::<String>::new());
            let whole = applied(second);
            let kinds = |azure: &Azure| {
                azure
                    .objects
                    .keys()
                    .filter(|(kind, _)| *kind == Kind::RoleAssignment)
                    .count()
            };
            assert_eq!(
                kinds(&azure),
                kinds(&whole),
                "after {stop} steps no role is left behind"
            );
        }
    }
}

#[test]
fn an_exemption_is_written_before_the_step_that_closes_its_gate() {
    let mut azure = applied(&fleet_estate("westeurope", false));
    let key = azure
        .objects
        .keys()
        .find(|(kind, id)| *kind == Kind::PolicyAssignment && id.name().starts_with("fleet"));
    let key = key.unwrap().clone();
    // It has stood at audit for long.
    let mark = format!("/properties/metadata/{STATE_KEY}");
    let wire = azure.objects.get_mut(&key).unwrap();
    let state = MarkState::parse(wire.pointer(&mark).unwrap().as_str().unwrap()).unwrap();
    let since = Some(Timestamp::from_seconds(-1_000_000));
    *wire.pointer_mut(&mark).unwrap() = json!(MarkState { since, ..state }.to_text());
    let mut estate = fleet_estate("westeurope", false);
    let exemption = exemption("fleet", "one", 5_000);
    estate.environments.get_mut("dev").unwrap().exemptions.push(exemption);
    let (plan, _) = plan_of(&estate, &azure.observe(), &[]);
    let step = |kind: Kind| plan.pending().find(|step| step.kind == kind).unwrap();
    assert_eq!(
        summary(&plan),
        ["create policyExemption weakens", "update policyAssignment tightens"]
    );
    assert_eq!(
        step(Kind::PolicyAssignment).depends_on,
        [step(Kind::PolicyExemption).id.clone()]
    );
    assert!(
        plan.findings.iter().any(|finding| finding.sentence.contains("ends in")),
        "{:?}",
        plan.findings
    );
}

#[test]
fn a_role_of_an_identity_that_is_no_more_goes_and_the_new_one_gets_its_own() {
    let estate = fleet_estate("westeurope", false);
    let mut azure = applied(&estate);
    let key = azure
        .objects
        .keys()
        .find(|(kind, id)| *kind == Kind::PolicyAssignment && id.name().starts_with("fleet"));
    let key = key.unwrap().clone();
    azure.objects.get_mut(&key).unwrap()["identity"]["principalId"] = json!("99999999-0000-4000-8000-000000000000");
    let (plan, documents) = plan_of(&estate, &azure.observe(), &[]);
    let found = summary(&plan);
    assert_eq!(
        found
            .iter()
            .filter(|step| *step == "create roleAssignment neutral")
            .count(),
        4
    );
    assert_eq!(
        found
            .iter()
            .filter(|step| *step == "delete roleAssignment neutral")
            .count(),
        4
    );
    azure.carry_out(&plan, &documents);
    assert_eq!(
        summary(&plan_of(&estate, &azure.observe(), &[]).0),
        Vec::<String>::new()
    );
}

#[test]
fn a_role_that_somebody_gave_the_identity_is_left_and_not_given_again() {
    let estate = fleet_estate("westeurope", false);
    let mut azure = applied(&estate);
    let key = azure
        .objects
        .keys()
        .find(|(kind, _)| *kind == Kind::RoleAssignment)
        .unwrap()
        .clone();
    let mut wire = azure.objects.remove(&key).unwrap();
    wire["properties"]["description"] = json!("by hand");
    let theirs = key
        .1
        .as_str()
        .replace(key.1.name(), "05c5a614-a7d6-4502-b150-c2fb455033ff");
    azure.objects.insert((key.0, ResourceId::parse(&theirs).unwrap()), wire);
    let (plan, _) = plan_of(&estate, &azure.observe(), &[]);
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(
        plan.findings
            .iter()
            .any(|finding| finding.sentence.contains("05c5a614")),
        "{:?}",
        plan.findings
    );
}

#[test]
fn what_deploys_goes_on_until_its_successor_does() {
    let estate = fleet_estate("westeurope", false);
    let mut azure = applied(&estate);
    let is_fleet = |(kind, id): &&(Kind, ResourceId)| *kind == Kind::PolicyAssignment && id.name().starts_with("fleet");
    let first = azure.objects.keys().find(is_fleet).unwrap().clone();
    azure.objects.get_mut(&first).unwrap()["properties"]["enforcementMode"] = json!("Default");
    let mut more = estate.clone();
    if let Some(Initiative::Own { members, .. }) = more.initiatives.get_mut("fleet") {
        members.push(member("audit", "0a15ec92-a229-4763-bb14-0ea34a568f8d", "1.*.*"));
    }
    let (plan, documents) = plan_of(&more, &azure.observe(), &[]);
    assert!(
        plan.pending().all(|step| step.action == Action::Create),
        "{:?}",
        summary(&plan)
    );
    azure.carry_out(&plan, &documents);
    assert_eq!(azure.objects.keys().filter(is_fleet).count(), 2);
    assert_eq!(azure.objects[&first]["properties"]["enforcementMode"], "Default");
    assert_eq!(summary(&plan_of(&more, &azure.observe(), &[]).0), Vec::<String>::new());
    // Where the successor acts, the predecessor and its roles go.
    let second = azure
        .objects
        .keys()
        .filter(is_fleet)
        .find(|key| **key != first)
        .unwrap()
        .clone();
    azure.objects.get_mut(&second).unwrap()["properties"]["enforcementMode"] = json!("Default");
    let (plan, documents) = plan_of(&more, &azure.observe(), &[]);
    assert!(
        plan.pending()
            .all(|step| step.action == Action::Delete && step.direction == Direction::Neutral)
    );
    azure.carry_out(&plan, &documents);
    assert_eq!(azure.objects.keys().filter(is_fleet).collect::<Vec<_>>(), [&second]);
}
