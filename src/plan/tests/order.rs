//! The order of steps, in whichever way a run takes what is ready: nothing is written before what it needs, nothing goes while it is used.

use super::*;

/// The ids that an object names, in lower case.
fn named(kind: Kind, wire: &Value) -> Vec<String> {
    let text = |path: &str| wire.pointer(path).and_then(Value::as_str).map(str::to_lowercase);
    let members = || {
        let members = wire["properties"]["policyDefinitions"].as_array().into_iter().flatten();
        members.filter_map(|member| Some(member["policyDefinitionId"].as_str()?.to_lowercase()))
    };
    match kind {
        Kind::PolicyAssignment => text("/properties/policyDefinitionId").into_iter().collect(),
        Kind::PolicyExemption => text("/properties/policyAssignmentId").into_iter().collect(),
        Kind::PolicySetDefinition => members().collect(),
        _ => Vec::new(),
    }
}

/// What some object names and is not there, of what stands in the scope of the environment.
fn dangling(azure: &Azure) -> Vec<String> {
    let there: BTreeSet<String> = azure.objects.keys().map(|(_, id)| id.key()).collect();
    let names = azure.objects.iter().flat_map(|((kind, _), wire)| named(*kind, wire));
    names
        .filter(|name| name.starts_with("/subscriptions/") && !there.contains(name))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn at_no_moment_does_an_object_name_one_that_is_not_there(
        first in estates(), second in estates(), picks in prop::collection::vec(any::<prop::sample::Index>(), 64),
    ) {
        let mut azure = applied(&first);
        // What others have at the scope names what is none of this test's business.
        let known = dangling(&azure);
        let (plan, documents) = plan_of(&second, &azure.observe(), &[]);
        let mut done: BTreeSet<String> = BTreeSet::new();
        let mut picks = picks.into_iter().cycle();
        while done.len() < plan.pending().count() {
            let ready: Vec<&Step> = plan
                .pending()
                .filter(|step| !done.contains(&step.id) && step.depends_on.iter().all(|id| done.contains(id)))
                .collect();
            prop_assert!(!ready.is_empty(), "no step waits for ever: {:?}", summary(&plan));
            let step = ready[picks.next().unwrap().index(ready.len())];
            let writes_left = plan.pending().any(|other| other.action != Action::Delete && !done.contains(&other.id));
            prop_assert!(step.action != Action::Delete || !writes_left, "deletes come last: {:?}", summary(&plan));
            let roles_left = plan.pending().any(|other| {
                other.kind == Kind::RoleAssignment && other.gate == step.gate && other.action == Action::Delete && !done.contains(&other.id)
            });
            let goes = step.kind == Kind::PolicyAssignment && step.action == Action::Delete;
            prop_assert!(!goes || !roles_left, "an assignment is there as long as its roles: {:?}", summary(&plan));
            let single = Plan { steps: vec![Step { depends_on: Vec::new(), ..step.clone() }], ..plan.clone() };
            azure.carry_out(&single, &documents);
            done.insert(step.id.clone());
            let left: Vec<String> = dangling(&azure).into_iter().filter(|name| !known.contains(name)).collect();
            prop_assert_eq!(left, Vec::<String>::new(), "after {} {}: {:?}", step.action, step.object, summary(&plan));
        }
    }
}
