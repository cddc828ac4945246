//! What follows from steps and answers.

use super::*;
use crate::kinds::{Direction, Kind};
use crate::model::Timestamp;
use crate::plan::Header;
use serde_json::json;

const GROUP: &str = "/providers/Microsoft.Management/managementGroups/m";
const SUBSCRIPTION: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";
const CLUSTER: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";

fn id(text: &str) -> ResourceId {
    ResourceId::parse(text).unwrap()
}

fn assignment(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/policyAssignments/{name}")
}

fn plan(steps: &[(Kind, Action, &str)]) -> Plan {
    let step = |(kind, action, object): &(Kind, Action, &str)| Step {
        id: "step-001".into(),
        kind: *kind,
        object: id(object),
        gate: None,
        depends_on: Vec::new(),
        action: *action,
        direction: Direction::Neutral,
        weakens: Vec::new(),
        reason: None,
        before: None,
        after: None,
        fingerprint: None,
    };
    let now = Timestamp::from_seconds(0);
    Plan {
        header: Header {
            environment: "dev".into(),
            scope: "subscriptions/s".into(),
            tenant: "t".into(),
            endpoint: "e".into(),
            gates: Vec::new(),
            config_digest: String::new(),
            time: now,
            expires: now,
            plan_id: String::new(),
        },
        steps: steps.iter().map(step).collect(),
        held: Vec::new(),
        findings: Vec::new(),
        exceeded: Vec::new(),
        forecasts: Vec::new(),
    }
}

/// The needs of these steps as lines: `action @ scope`.
fn actions(plan: &Plan, documents: &[(Kind, &str, Value)]) -> Vec<String> {
    let documents = documents
        .iter()
        .map(|(kind, object, document)| ((*kind, id(object)), vec![document.clone()]))
        .collect();
    let needs = Needs::of(plan, &documents);
    needs
        .actions
        .values()
        .map(|need| format!("{} @ {}", need.action, need.scope))
        .collect()
}

fn allowed(action: &str) -> Answer<Vec<Permission>> {
    Ok(vec![Permission {
        actions: vec![action.to_owned()],
        ..Permission::default()
    }])
}

/// The checks as lines: `status subject`.
fn lines(checks: &[Check]) -> Vec<String> {
    let line = |check: &Check| format!("{} {}", check.status.name(), check.subject);
    checks.iter().map(line).collect()
}

#[test]
fn each_pending_step_needs_its_action_at_its_scope() {
    let plan = plan(&[
        (Kind::PolicyAssignment, Action::Create, &assignment(GROUP, "a")),
        (Kind::PolicyAssignment, Action::Update, &assignment(GROUP, "b")),
        (Kind::PolicyAssignment, Action::Delete, &assignment(SUBSCRIPTION, "c")),
        (
            Kind::PolicyAssignment,
            Action::NoOp,
            &assignment("/subscriptions/other", "d"),
        ),
        (
            Kind::PolicyDefinition,
            Action::Create,
            &format!("{GROUP}/providers/Microsoft.Authorization/policyDefinitions/r"),
        ),
        (
            Kind::PolicySetDefinition,
            Action::Replace,
            &format!("{GROUP}/providers/Microsoft.Authorization/policySetDefinitions/s"),
        ),
        (
            Kind::DefenderPlan,
            Action::Update,
            &format!("{SUBSCRIPTION}/providers/Microsoft.Security/pricings/Containers"),
        ),
        (Kind::ManagedCluster, Action::Update, CLUSTER),
    ]);
    let mut expected = [
        format!("Microsoft.Authorization/policyAssignments/delete @ {SUBSCRIPTION}"),
        format!("Microsoft.Authorization/policyAssignments/write @ {GROUP}"),
        format!("Microsoft.Authorization/policyDefinitions/write @ {GROUP}"),
        format!("Microsoft.Authorization/policySetDefinitions/delete @ {GROUP}"),
        format!("Microsoft.Authorization/policySetDefinitions/write @ {GROUP}"),
        format!("Microsoft.ContainerService/managedClusters/write @ {CLUSTER}"),
        format!("Microsoft.Security/pricings/write @ {SUBSCRIPTION}"),
    ];
    expected.sort();
    assert_eq!(actions(&plan, &[]), expected);
    let needs = Needs::of(&plan, &BTreeMap::new());
    let providers: Vec<&str> = needs
        .providers
        .keys()
        .map(|(_, namespace)| namespace.as_str())
        .collect();
    assert_eq!(providers, ["Microsoft.ContainerService", "Microsoft.Security"]);
    let made: Vec<(&str, usize)> = needs
        .places
        .values()
        .map(|place| (place.resource_type, place.made))
        .collect();
    assert_eq!(
        made,
        [
            ("Microsoft.Authorization/policyAssignments", 1),
            ("Microsoft.Authorization/policyDefinitions", 1),
            ("Microsoft.Authorization/policySetDefinitions", 1)
        ]
    );
}

#[test]
fn what_a_document_refers_to_is_needed_too() {
    let subnet = "/subscriptions/n/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
    let workspace = "/subscriptions/l/resourcegroups/g/providers/microsoft.operationalinsights/workspaces/w";
    let other = "/subscriptions/l/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/d";
    let identity = "/subscriptions/i/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u";
    let cluster = json!({
        "identity": {"userAssignedIdentities": {identity: {}}},
        "properties": {
            "addonProfiles": {"omsAgent": {"config": {"logAnalyticsWorkspaceResourceID": workspace}}, "azurepolicy": {"config": null}},
            "agentPoolProfiles": [{"vnetSubnetID": subnet}, {"podSubnetID": null}, {}],
            "securityProfile": {"defender": {"logAnalyticsWorkspaceResourceId": other}},
        },
    });
    let update = plan(&[(Kind::ManagedCluster, Action::Update, CLUSTER)]);
    assert_eq!(
        actions(&update, &[(Kind::ManagedCluster, CLUSTER, cluster.clone())]),
        [
            format!("Microsoft.ContainerService/managedClusters/write @ {CLUSTER}"),
            format!("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action @ {identity}"),
            format!("Microsoft.Network/virtualNetworks/subnets/join/action @ {subnet}"),
            format!("Microsoft.OperationalInsights/workspaces/sharedkeys/read @ {other}"),
            format!("Microsoft.OperationalInsights/workspaces/sharedkeys/read @ {workspace}"),
        ]
    );
    // An exemption needs the assignment's consent, at the assignment's scope.
    let name = assignment(SUBSCRIPTION, "a");
    let exemption = plan(&[(Kind::PolicyAssignment, Action::Create, &name)]);
    let document = json!({"properties": {"policyAssignmentId": assignment(GROUP, "x")}});
    let found = actions(&exemption, &[(Kind::PolicyAssignment, &name, document.clone())]);
    assert_eq!(
        found,
        [
            format!("Microsoft.Authorization/policyAssignments/exempt/action @ {GROUP}"),
            format!("Microsoft.Authorization/policyAssignments/write @ {SUBSCRIPTION}"),
        ]
    );
    let deletion = plan(&[(Kind::PolicyAssignment, Action::Delete, &name)]);
    assert_eq!(
        actions(&deletion, &[(Kind::PolicyAssignment, &name, document)]).len(),
        1
    );
}

#[test]
fn an_answer_that_did_not_come_is_not_known_and_counts_as_missing() {
    let plan = plan(&[
        (Kind::PolicyAssignment, Action::Create, &assignment(SUBSCRIPTION, "a")),
        (Kind::ManagedCluster, Action::Update, CLUSTER),
    ]);
    let needs = Needs::of(&plan, &BTreeMap::new());
    let nothing = checks(&plan, &needs, &Facts::default(), &[]);
    assert!(
        nothing.iter().all(|check| check.status == Status::Unknown),
        "{nothing:#?}"
    );
    let mut facts = Facts::default();
    for need in needs.actions.values() {
        facts
            .permissions
            .insert(need.scope.to_ascii_lowercase(), Err("GET …: no answer".into()));
    }
    facts.unread.insert(id(CLUSTER), "GET …: no answer".to_owned());
    let found = checks(&plan, &needs, &facts, &[]);
    assert!(found.iter().all(|check| check.status == Status::Unknown), "{found:#?}");
    assert!(found[0].detail.contains("no answer"));
    let target = Target {
        environment: "dev".into(),
        scope: "s".into(),
        tenant: "t".into(),
        endpoint: "e".into(),
    };
    assert!(!Preflight::new(target, Some(2), found, Vec::new()).is_ready());
}

#[test]
fn a_permission_is_looked_for_at_its_own_scope() {
    let plan = plan(&[
        (Kind::PolicyAssignment, Action::Create, &assignment(GROUP, "a")),
        (Kind::PolicyAssignment, Action::Create, &assignment(SUBSCRIPTION, "a")),
    ]);
    let needs = Needs::of(&plan, &BTreeMap::new());
    let mut facts = Facts::default();
    facts.permissions.insert(
        SUBSCRIPTION.into(),
        allowed("Microsoft.Authorization/policyassignments/*"),
    );
    facts.permissions.insert(GROUP.to_ascii_lowercase(), allowed("*/read"));
    let found: Vec<Check> = checks(&plan, &needs, &facts, &[])
        .into_iter()
        .filter(|check| check.area == Area::Permissions)
        .collect();
    let state: Vec<(&str, Status)> = found.iter().map(|check| (check.scope.as_str(), check.status)).collect();
    assert_eq!(state, [(GROUP, Status::Missing), (SUBSCRIPTION, Status::Ok)]);
    assert!(
        found[0]
            .advice
            .as_deref()
            .unwrap()
            .contains("Resource Policy Contributor")
    );
}

#[test]
fn a_limit_counts_what_is_there_and_what_is_made() {
    let names: Vec<String> = (0..3).map(|n| assignment(SUBSCRIPTION, &format!("a{n}"))).collect();
    let steps: Vec<(Kind, Action, &str)> = names
        .iter()
        .map(|name| (Kind::PolicyAssignment, Action::Create, name.as_str()))
        .collect();
    let plan = plan(&steps);
    let needs = Needs::of(&plan, &BTreeMap::new());
    for (there, expected) in [
        (0, Status::Ok),
        (176, Status::Ok),
        (177, Status::Warning),
        (197, Status::Warning),
        (198, Status::Missing),
    ] {
        let mut facts = Facts::default();
        let key = ("Microsoft.Authorization/policyAssignments", SUBSCRIPTION.to_owned());
        facts.counts.insert(key, Ok(there));
        let found = checks(&plan, &needs, &facts, &[]);
        let limit = found.iter().find(|check| check.area == Area::Limits).unwrap();
        assert_eq!(limit.status, expected, "{there}: {}", limit.detail);
    }
}

#[test]
fn a_provider_is_there_only_when_it_is_registered() {
    let mut needs = Needs::default();
    needs.provider("S", "Microsoft.PolicyInsights", "compliance");
    for (state, expected) in [
        (Ok("Registered"), Status::Ok),
        (Ok("registered"), Status::Ok),
        (Ok("NotRegistered"), Status::Missing),
        (Ok("Unregistering"), Status::Missing),
        (Ok("Registering"), Status::Missing),
        (Err("no answer"), Status::Unknown),
    ] {
        let mut facts = Facts::default();
        let answer = state.map(str::to_owned).map_err(str::to_owned);
        facts
            .providers
            .insert(("s".into(), "Microsoft.PolicyInsights".into()), answer);
        assert_eq!(provider_checks(&needs, &facts)[0].status, expected, "{state:?}");
    }
}

#[test]
fn a_lock_is_missing_nothing_unless_it_stops_a_step() {
    let lock = |scope: &str, level: &str| Lock {
        id: id(&format!("{scope}/providers/Microsoft.Authorization/locks/l")),
        level: level.to_owned(),
    };
    let group = CLUSTER.split("/providers/").next().unwrap();
    let write = plan(&[(Kind::ManagedCluster, Action::Update, CLUSTER)]);
    let delete = plan(&[(Kind::PolicyAssignment, Action::Delete, &assignment(SUBSCRIPTION, "a"))]);
    for (plan, lock, expected) in [
        (&write, lock(SUBSCRIPTION, "ReadOnly"), Status::Missing),
        (&write, lock(group, "readonly"), Status::Missing),
        (&write, lock(CLUSTER, "ReadOnly"), Status::Missing),
        (&write, lock(&format!("{group}2"), "ReadOnly"), Status::Ok),
        (&write, lock(SUBSCRIPTION, "CanNotDelete"), Status::Ok),
        (&write, lock(SUBSCRIPTION, "SomethingNew"), Status::Missing),
        (&delete, lock(SUBSCRIPTION, "CanNotDelete"), Status::Missing),
        (&delete, lock(group, "ReadOnly"), Status::Ok),
    ] {
        let mut facts = Facts::default();
        facts.locks.insert("s".into(), Ok(vec![lock.clone()]));
        let found = lock_checks(plan, &facts);
        assert_eq!(found[0].status, expected, "{lock:?}");
    }
}

#[test]
fn clusters_say_what_keeps_them_from_being_written() {
    let cluster = |power: &str| Cluster {
        power_state: power.into(),
        ..running()
    };
    let facts = |sku: &str, pools: Value| {
        let row =
            json!({"id": CLUSTER, "location": "WestEurope", "sku": {"name": sku}, "pools": pools, "version": "1.33.5"});
        ClusterFacts::parse(&row)
    };
    let linux = json!([{"osType": "Windows"}, {"osType": "Linux"}]);
    let windows = json!([{"osType": "Windows"}]);
    for (power, facts, written, expected) in [
        ("Running", facts("Base", linux.clone()), true, vec![]),
        ("Stopped", facts("Base", linux.clone()), false, vec!["warning state"]),
        (
            "Running",
            facts("Base", windows.clone()),
            true,
            vec!["missing Linux node pool"],
        ),
        (
            "Running",
            facts("Base", windows),
            false,
            vec!["warning Linux node pool"],
        ),
        (
            "Running",
            facts("Base", Value::Null),
            true,
            vec!["unknown Linux node pool"],
        ),
        ("Running", None, true, vec!["unknown prerequisites of the add-on"]),
        ("Running", facts("Automatic", linux.clone()), false, vec![]),
        (
            "Running",
            facts("automatic", linux),
            true,
            vec!["warning AKS Automatic"],
        ),
    ] {
        let versions = SupportedVersion::parse_list(&versions()).map(Ok);
        let found = cluster::checks(&cluster(power), facts.as_ref(), versions.as_ref(), written);
        let bad: Vec<Check> = found.into_iter().filter(|check| check.status != Status::Ok).collect();
        assert_eq!(lines(&bad), expected);
    }
}

fn running() -> Cluster {
    Cluster {
        id: id(CLUSTER),
        location: "westeurope".into(),
        tags: BTreeMap::new(),
        provisioning_state: "Succeeded".into(),
        power_state: "Running".into(),
        sku: String::new(),
        linux: None,
    }
}

fn versions() -> Value {
    json!({"values": [
        {"version": "1.30", "capabilities": {"supportPlan": ["AKSLongTermSupport"]}},
        {"version": "1.33", "capabilities": {"supportPlan": ["KubernetesOfficial", "AKSLongTermSupport"]}},
    ]})
}

#[test]
fn a_version_that_aks_does_not_support_is_told() {
    let supported = SupportedVersion::parse_list(&versions()).map(Ok);
    let silent: Option<Answer<Vec<SupportedVersion>>> = Some(Err("no answer".into()));
    for (version, plan, versions, expected) in [
        ("1.33.5", "KubernetesOfficial", &supported, Status::Ok),
        ("1.33", "", &supported, Status::Ok),
        ("1.3.0", "", &supported, Status::Warning),
        ("1.30.2", "KubernetesOfficial", &supported, Status::Warning),
        ("1.30.2", "AKSLongTermSupport", &supported, Status::Ok),
        ("1.29.9", "AKSLongTermSupport", &supported, Status::Warning),
        ("", "", &supported, Status::Unknown),
        ("1.33.5", "", &silent, Status::Unknown),
        ("1.33.5", "", &None, Status::Unknown),
    ] {
        let row = json!({"id": CLUSTER, "pools": [], "version": version, "supportPlan": plan});
        let found = cluster::checks(&running(), ClusterFacts::parse(&row).as_ref(), versions.as_ref(), false);
        let check = found
            .iter()
            .find(|check| check.subject == "Kubernetes version")
            .unwrap();
        assert_eq!(check.status, expected, "{version} {plan}: {}", check.detail);
    }
    assert_eq!(SupportedVersion::parse_list(&json!({"value": []})), None);
    assert_eq!(
        SupportedVersion::parse_list(&json!({"values": [{"version": "1.33"}]})),
        None
    );
}

#[test]
fn what_is_written_decides_what_has_to_be_looked_at_by_hand() {
    let cluster = running();
    let subjects = |plan: &Plan| -> Vec<String> {
        let notes = notes(plan, std::slice::from_ref(&cluster));
        notes.into_iter().map(|note| note.subject).collect()
    };
    let write = plan(&[(Kind::ManagedCluster, Action::Update, CLUSTER)]);
    assert_eq!(subjects(&write), ["permissions", "another Gatekeeper"]);
    assert_eq!(subjects(&plan(&[])), ["permissions"]);
    assert!(notes(&plan(&[]), &[])[0].sentence.contains("writes nothing"));
}
