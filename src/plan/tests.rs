//! Whole plans against a small model of Azure: what is written is there afterwards, with what a server adds.

mod enablement;
mod forged;
mod limits;
mod order;
mod parts;
mod renamed;
mod reversal;
mod rings;

use super::reverse::Written;
use super::*;
use crate::catalog::Catalog;
use crate::config::{
    Cloud, Clusters, DefenderContainers, Environment, Estate, Exemption, ExemptionCategory, Gate, Initiative,
    InitiativeKind, Member, MemberDefinition, Mode, Rollout,
};
use crate::desired::{self, Sources};
use crate::model::{MARK_KEY, Mark, MarkState, Period, STATE_KEY, Scope, Stage};
use crate::observed::{Cluster, LiveObject, Observed, Subscription};
use crate::render::Renderer;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const BASELINE: &str = "a8640138-9b0a-4a28-b8cb-1666c838647d";
const RESTRICTED: &str = "42b8ef37-b724-4e24-bbc8-7a7708edfe00";
const SUBSCRIPTION: &str = "0a000000-0000-4000-8000-000000000001";

/// What a write leaves behind, by kind and id.
#[derive(Clone, Debug, Default)]
struct Azure {
    objects: BTreeMap<(Kind, ResourceId), Value>,
    writes: u64,
    /// What each write found and left, as a journal would say it.
    journal: Vec<Written>,
}

impl Azure {
    fn observe(&self) -> Observed {
        let mut observed = Observed::default();
        observed.subscriptions.push(Subscription {
            id: SUBSCRIPTION.into(),
            name: "dev".into(),
        });
        // Roles are looked for only where an assignment has an identity.
        let identities = self.objects.values().any(|wire| wire.get("identity").is_some());
        for ((kind, id), wire) in &self.objects {
            if *kind == Kind::RoleAssignment && !identities {
                continue;
            }
            if *kind == Kind::ManagedCluster {
                observed.clusters.push(Cluster {
                    id: id.clone(),
                    location: "westeurope".into(),
                    tags: BTreeMap::new(),
                    provisioning_state: "Succeeded".into(),
                    power_state: "Running".into(),
                    sku: "Base".into(),
                    linux: None,
                });
            }
            observed.insert(LiveObject {
                kind: *kind,
                id: id.clone(),
                wire: wire.clone(),
                etag: None,
            });
        }
        observed
    }

    fn put(&mut self, kind: Kind, id: &ResourceId, mut body: Value) {
        self.writes += 1;
        let stamp = format!("2027-01-01T00:00:{:02}Z", self.writes % 60);
        body["systemData"] = json!({"lastModifiedBy": "somebody", "lastModifiedAt": stamp});
        if let Some(metadata) = body.pointer_mut("/properties/metadata") {
            metadata["updatedOn"] = json!(stamp);
            metadata["createdBy"] = Value::Null;
        }
        if let Some(definition) = body.pointer_mut("/properties/policyDefinitionId") {
            *definition = json!(definition.as_str().unwrap().to_lowercase());
        }
        if let (Kind::PolicyAssignment, Some(identity)) = (kind, body.get_mut("identity")) {
            // An identity stays with its assignment, and comes with a principal that nobody could know before.
            let before = self
                .objects
                .get(&(kind, id.clone()))
                .and_then(crate::kinds::principal_of);
            let principal = before.unwrap_or_else(|| format!("{:08}-0000-4000-8000-000000000000", self.writes));
            identity["principalId"] = json!(principal);
        }
        if let (Kind::RoleAssignment, Some(before)) = (kind, self.objects.get(&(kind, id.clone()))) {
            assert_eq!(
                kind.comparable(before),
                kind.comparable(&body),
                "a role assignment cannot be changed"
            );
        }
        if let (Kind::PolicyAssignment, Some(properties)) = (kind, body["properties"].as_object_mut()) {
            properties.entry("definitionVersion").or_insert(json!("1.*.*"));
        }
        if let Some(members) = body
            .pointer_mut("/properties/policyDefinitions")
            .and_then(Value::as_array_mut)
        {
            members.reverse();
        }
        self.objects.insert((kind, id.clone()), body);
    }

    fn carry_out(&mut self, plan: &Plan, documents: &BTreeMap<(Kind, ResourceId), Value>) {
        self.carry_out_some(plan, documents, plan.pending().count());
    }

    /// Carries out so many steps and no more.
    fn carry_out_some(&mut self, plan: &Plan, documents: &BTreeMap<(Kind, ResourceId), Value>, steps: usize) {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        while done.len() < steps {
            let ready = |step: &&Step| {
                !done.contains(step.id.as_str()) && step.depends_on.iter().all(|id| done.contains(id.as_str()))
            };
            let step = plan.pending().find(ready).expect("no step waits for ever");
            done.insert(&step.id);
            let key = (step.kind, step.object.clone());
            let before = self.objects.get(&key).map(|wire| step.kind.comparable(wire));
            if step.action == Action::Delete {
                self.journal.push(reversal::written(step, before, None));
                self.objects.remove(&key);
                continue;
            }
            let mut body = step.kind.merged(&documents[&key], self.objects.get(&key));
            if let Some(principal) = body.pointer_mut("/properties/principalId")
                && let Some(after) = principal.get(crate::kinds::KNOWN_AFTER)
            {
                let assignment = ResourceId::parse(after.as_str().unwrap()).unwrap();
                let live = &self.objects[&(Kind::PolicyAssignment, assignment)];
                *principal = json!(crate::kinds::principal_of(live).unwrap());
            }
            let state = format!("/properties/metadata/{STATE_KEY}");
            if let Some(text) = body.pointer_mut(&state) {
                let state = MarkState::parse(text.as_str().unwrap()).unwrap();
                let since = state.since.or(Some(Timestamp::from_seconds(0)));
                *text = json!(
                    MarkState {
                        since,
                        run: Some("r".into()),
                        ..state
                    }
                    .to_text()
                );
            }
            let after = Some(step.kind.comparable(&body));
            self.journal.push(reversal::written(step, before, after));
            self.put(step.kind, &step.object, body);
        }
    }
}

fn plan_of(estate: &Estate, observed: &Observed, gates: &[String]) -> (Plan, BTreeMap<(Kind, ResourceId), Value>) {
    let at = Timestamp::from_seconds(1_000);
    plan_at(estate, observed, gates, (&desired::Controls::default(), at))
}

fn plan_at(
    estate: &Estate,
    observed: &Observed,
    gates: &[String],
    (controls, now): (&desired::Controls, Timestamp),
) -> (Plan, BTreeMap<(Kind, ResourceId), Value>) {
    let environment = &estate.environments["dev"];
    let (renderer, found) = Renderer::load(estate);
    assert_eq!(found, []);
    let sources = Sources {
        estate,
        environment,
        catalog: Catalog::embedded(),
        unaccepted: &BTreeMap::new(),
        renderer: &renderer,
        observed,
        controls,
        now,
    };
    let desired = desired::objects(sources, gates).unwrap();
    let header = Header {
        environment: "dev".into(),
        scope: environment.scope.to_string(),
        tenant: environment.tenant.clone(),
        endpoint: "https://arm".into(),
        gates: gates.to_vec(),
        config_digest: String::new(),
        time: now,
        expires: now,
        plan_id: String::new(),
    };
    let inputs = Inputs {
        header,
        owner: &estate.owner,
        desired: &desired.objects,
        observed,
        held: desired.held,
        findings: desired.findings,
        gates,
        renamed: &environment.renamed_gates(),
        why_gone: NOT_ASKED_FOR,
    };
    let plan = make(inputs);
    (
        plan,
        desired
            .objects
            .into_iter()
            .map(|object| ((object.kind, object.id), Arc::unwrap_or_clone(object.body)))
            .collect(),
    )
}

fn member(reference_id: &str, definition: &str, version: &str) -> Member {
    Member {
        reference_id: reference_id.into(),
        definition: MemberDefinition::BuiltIn {
            name: definition.into(),
            version: version.into(),
        },
        parameters: BTreeMap::new(),
        expose: BTreeMap::new(),
        images: BTreeSet::new(),
    }
}

fn gate(name: &str, initiative: &str, exclude: &[String]) -> Gate {
    Gate {
        name: name.into(),
        initiative: initiative.into(),
        target: Stage::Deny,
        soak: Period::from_seconds(60),
        max_violations: 0,
        exclude_namespaces: exclude.to_vec(),
        parameters: BTreeMap::new(),
        identity: None,
        kind: InitiativeKind::Admission,
        renamed_from: None,
    }
}

fn estate(gates: Vec<Gate>, initiatives: BTreeMap<String, Initiative>, defender: bool, addon: bool) -> Estate {
    let scope = Scope::parse(&format!("subscriptions/{SUBSCRIPTION}")).unwrap();
    let environment = Environment {
        name: "dev".into(),
        cloud: Cloud::Public,
        tenant: "11111111-1111-4111-8111-111111111111".into(),
        definition_scope: scope.definition_scope(),
        scope,
        location: None,
        rollout: Rollout::default(),
        limits: crate::model::Limits::default(),
        exemptions: Vec::new(),
        gates: gates.into_iter().map(|gate| (gate.name.clone(), gate)).collect(),
        defender: defender.then(|| DefenderContainers {
            mode: Mode::Manage,
            standard: true,
            enforce: Some(true),
            extensions: BTreeMap::from([("ContainerSensor".to_owned(), true)]),
            extension_properties: BTreeMap::from([(
                "ContainerSensor".to_owned(),
                BTreeMap::from([("SecurityGatingEnabled".to_owned(), "True".to_owned())]),
            )]),
        }),
        clusters: addon.then(|| Clusters {
            policy_addon: Some(Mode::Manage),
            ..Clusters::default()
        }),
        api_versions: BTreeMap::new(),
    };
    Estate {
        guides: BTreeMap::new(),
        owner: "us".into(),
        environments: BTreeMap::from([("dev".to_owned(), environment)]),
        initiatives,
        expiry_warning: Period::from_seconds(14 * 86_400),
        templates: BTreeMap::new(),
    }
}

/// Definitions of which any few make a set: no privileged containers, no latest tag, internal load balancers, HTTPS ingress.
const MEMBERS: [(&str, &str, &str); 4] = [
    ("privileged", "95edb821-ddaf-4404-9732-666045e056b4", "9.*.*"),
    ("latest", "021f8078-41a0-40e6-81b6-c6597da9f3ee", "2.*.*"),
    ("balancer", "3fc4dc25-5baf-40d8-9b05-7fe74c1bc64e", "8.*.*"),
    ("ingress", "1a5b4dca-0b6f-4cf5-907c-56316bc1bf3d", "9.*.*"),
];

prop_compose! {
    fn estates()(
        built_in in prop::sample::select(vec![None, Some(BASELINE), Some(RESTRICTED)]),
        members in prop::collection::vec(any::<bool>(), MEMBERS.len()),
        words in "[A-Za-z\\[\\]{}\"' ]{1,20}",
        exclude in prop::collection::vec("[a-z]{1,4}", 0..3),
        off in any::<bool>(), defender in any::<bool>(), addon in any::<bool>(),
        location in prop::sample::select(vec![None, Some("westeurope"), Some("northeurope")]),
        workspace in any::<bool>(),
        exempt in prop::collection::vec((prop::sample::select(vec!["one", "two"]), 500i64..4_000), 0..3),
    ) -> Estate {
        let mut gates = Vec::new();
        let mut initiatives = BTreeMap::new();
        if let Some(id) = built_in {
            let version = if id == BASELINE { "1.*.*" } else { "2.*.*" };
            initiatives.insert("built-in".to_owned(), Initiative::BuiltIn { id: id.into(), version: version.into() });
            gates.push(gate("pods", "built-in", &exclude));
        }
        let chosen: Vec<Member> = MEMBERS.iter().zip(&members).filter(|(_, take)| **take)
            .map(|((name, id, version), _)| member(name, id, version)).collect();
        if !chosen.is_empty() {
            initiatives.insert("own".to_owned(),
                Initiative::Own { display_name: words, description: String::new(), kind: InitiativeKind::Admission, members: chosen });
            let mut gate = gate("own-gate", "own", &exclude);
            gate.target = if off { Stage::Off } else { Stage::Audit };
            gates.push(gate);
        }
        if location.is_some() {
            initiatives.insert("fleet".to_owned(), fleet());
            gates.push(fleet_gate(workspace));
        }
        let mut estate = estate(gates, initiatives, defender, addon);
        let environment = estate.environments.get_mut("dev").unwrap();
        environment.location = location.map(str::to_owned);
        for (at, (cluster, expires)) in exempt.into_iter().enumerate() {
            let members = vec![format!("member-{at}")];
            let gates = environment.gates.keys();
            let exemptions = gates.map(|gate| Exemption { members: members.clone(), ..exemption(gate, cluster, expires) });
            environment.exemptions.extend(exemptions.collect::<Vec<_>>());
        }
        estate
    }
}

fn exemption(gate: &str, cluster: &str, expires: i64) -> Exemption {
    let clusters =
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters");
    Exemption {
        gate: gate.into(),
        resource: ResourceId::parse(&format!("{clusters}/{cluster}")).unwrap(),
        category: ExemptionCategory::Mitigated,
        expires: Timestamp::from_seconds(expires),
        reason: "because".into(),
        ticket: None,
        members: Vec::new(),
    }
}

/// A set that deploys the add-on and the Defender sensor.
fn fleet() -> Initiative {
    let mut sensor = member("sensor", "64def556-fbad-4622-930e-72d1d5589bf5", "4.*.*");
    sensor.expose = BTreeMap::from([("logAnalyticsWorkspaceResourceId".to_owned(), "workspace".to_owned())]);
    Initiative::Own {
        display_name: "Fleet".into(),
        description: String::new(),
        kind: InitiativeKind::Enablement,
        members: vec![member("addon", "a8eff44f-8c92-45c3-a3fb-9880802d67a7", "4.*.*"), sensor],
    }
}

fn fleet_gate(workspace: bool) -> Gate {
    let mut gate = gate("fleet", "fleet", &[]);
    gate.kind = InitiativeKind::Enablement;
    gate.soak = Period::from_seconds(86_400);
    if workspace {
        let id = "/subscriptions/0a000000-0000-4000-8000-000000000009/resourceGroups/l/providers/Microsoft.OperationalInsights/workspaces/w";
        gate.parameters.insert("workspace".into(), json!(id));
    }
    gate
}

/// An estate with the gate that deploys and no other.
fn fleet_estate(location: &str, workspace: bool) -> Estate {
    let initiatives = BTreeMap::from([("fleet".to_owned(), fleet())]);
    let mut estate = estate(vec![fleet_gate(workspace)], initiatives, false, false);
    estate.environments.get_mut("dev").unwrap().location = Some(location.to_owned());
    estate
}

/// An Azure with a cluster, a Defender plan, and assignments of others.
fn azure() -> Azure {
    let mut azure = Azure::default();
    let cluster = "resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters";
    for name in ["one", "two"] {
        let id = ResourceId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{cluster}/{name}")).unwrap();
        azure.put(
            Kind::ManagedCluster,
            &id,
            json!({"id": id.as_str(), "properties": {"addonProfiles": null}}),
        );
    }
    let id = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Security/pricings/Containers");
    let plan = json!({"properties": {"pricingTier": "Free"}});
    azure.put(Kind::DefenderPlan, &ResourceId::parse(&id).unwrap(), plan);
    for (name, metadata) in foreign() {
        azure.put(
            Kind::PolicyAssignment,
            &assignment(name),
            json!({"properties": {"metadata": metadata}}),
        );
    }
    azure
}

fn assignment(name: &str) -> ResourceId {
    let path = "providers/Microsoft.Authorization/policyAssignments";
    ResourceId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}/{name}")).unwrap()
}

fn foreign() -> [(&'static str, Value); 3] {
    let mark = |owner: &str, environment: &str| {
        let (owner, environment, gate, part) = (owner.into(), environment.into(), "pods".into(), "00".into());
        json!({ MARK_KEY: Mark { owner, environment, gate, generation: 1, part }.to_text() })
    };
    [
        ("plain", Value::Null),
        ("theirs", mark("them", "dev")),
        ("ours-elsewhere", mark("us", "prod")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn after_an_apply_nothing_is_left_to_do(first in estates(), second in estates()) {
        let mut azure = azure();
        for estate in [&first, &second] {
            let (plan, documents) = plan_of(estate, &azure.observe(), &[]);
            let touched: Vec<&str> = plan.steps.iter().map(|step| step.object.name()).collect();
            for (name, _) in foreign() {
                prop_assert!(!touched.contains(&name), "{} is foreign", name);
            }
            azure.carry_out(&plan, &documents);
            let (again, _) = plan_of(estate, &azure.observe(), &[]);
            prop_assert_eq!(again.pending().collect::<Vec<_>>(), Vec::<&Step>::new());
        }
    }

    #[test]
    fn the_order_of_what_was_read_never_matters(estate in estates(), seed in any::<u64>()) {
        let azure = azure();
        let observed = azure.observe();
        let mut shuffled = observed.clone();
        shuffled.clusters.rotate_left(usize::try_from(seed % 2).unwrap());
        prop_assert_eq!(plan_of(&estate, &observed, &[]).0, plan_of(&estate, &shuffled, &[]).0);
    }

    #[test]
    fn a_plan_file_holds_the_whole_plan(estate in estates()) {
        let plan = plan_of(&estate, &azure().observe(), &[]).0;
        prop_assert_eq!(file::from_text(&file::to_text(&plan)).unwrap(), plan);
    }
}

fn own(members: usize) -> Estate {
    let members = MEMBERS
        .iter()
        .take(members)
        .map(|(name, id, version)| member(name, id, version))
        .collect();
    let initiative = Initiative::Own {
        display_name: "Own".into(),
        description: String::new(),
        kind: InitiativeKind::Admission,
        members,
    };
    estate(
        vec![gate("own-gate", "own", &[])],
        BTreeMap::from([("own".to_owned(), initiative)]),
        false,
        false,
    )
}

fn applied(estate: &Estate) -> Azure {
    let mut azure = azure();
    let (plan, documents) = plan_of(estate, &azure.observe(), &[]);
    azure.carry_out(&plan, &documents);
    azure
}

fn summary(plan: &Plan) -> Vec<String> {
    plan.pending()
        .map(|step| format!("{} {} {}", step.action, step.kind.name(), step.direction))
        .collect()
}

#[test]
fn another_member_makes_a_successor_that_comes_before_the_predecessor_goes() {
    let azure = applied(&own(1));
    let (plan, _) = plan_of(&own(2), &azure.observe(), &[]);
    assert_eq!(
        summary(&plan),
        [
            "create policySetDefinition neutral",
            "replace policyAssignment tightens",
            "delete policyAssignment neutral",
            "delete policySetDefinition neutral",
        ]
    );
    let step = |text: &str| {
        plan.pending()
            .find(|step| format!("{} {}", step.action, step.kind.name()) == text)
            .unwrap()
    };
    assert_eq!(
        step("replace policyAssignment").depends_on,
        [step("create policySetDefinition").id.clone()]
    );
    assert!(
        step("delete policyAssignment")
            .depends_on
            .contains(&step("replace policyAssignment").id)
    );
    assert!(
        step("delete policySetDefinition")
            .depends_on
            .contains(&step("delete policyAssignment").id)
    );
}

#[test]
fn a_member_that_goes_weakens() {
    let azure = applied(&own(2));
    let (plan, _) = plan_of(&own(1), &azure.observe(), &[]);
    assert_eq!(
        plan.weakenings().map(|step| step.action).collect::<Vec<_>>(),
        [Action::Replace]
    );
    assert_eq!(
        plan.steps[0].direction,
        Direction::Weakens,
        "what weakens is listed first"
    );
}

#[test]
fn a_gate_that_left_the_estate_is_deleted_as_a_weakening() {
    let azure = applied(&own(1));
    let (plan, _) = plan_of(&estate(vec![], BTreeMap::new(), false, false), &azure.observe(), &[]);
    assert_eq!(
        summary(&plan),
        ["delete policyAssignment weakens", "delete policySetDefinition neutral"]
    );
}

#[test]
fn with_a_gate_named_nothing_else_is_touched() {
    let azure = applied(&own(1));
    let mut other = own(1);
    other
        .environments
        .get_mut("dev")
        .unwrap()
        .gates
        .insert("more".into(), gate("more", "own", &[]));
    other.environments.get_mut("dev").unwrap().gates.remove("own-gate");
    let (plan, _) = plan_of(&other, &azure.observe(), &["more".to_owned()]);
    assert_eq!(summary(&plan), ["create policyAssignment tightens"]);
}

#[test]
fn a_gate_at_deny_is_never_lowered_nor_changed() {
    let mut azure = applied(&own(1));
    let (_, wire) = azure
        .objects
        .iter_mut()
        .find(|((kind, id), _)| *kind == Kind::PolicyAssignment && id.name().starts_with("own-gate"))
        .unwrap();
    wire["properties"]["parameters"]["effect"]["value"] = json!("Deny");
    let (same, _) = plan_of(&own(1), &azure.observe(), &[]);
    assert_eq!(summary(&same), Vec::<String>::new());
    assert!(
        same.findings
            .iter()
            .any(|finding| finding.sentence.contains("changed by hand, left as it is"))
    );
    let (changed, _) = plan_of(&own(2), &azure.observe(), &[]);
    let expected = ["create policySetDefinition neutral", "create policyAssignment tightens"];
    assert_eq!(
        summary(&changed),
        expected,
        "what denies stays while its successor climbs"
    );
    assert!(changed.held.iter().any(|held| held.what == "removal of generation 1"));
}

#[test]
fn an_effect_that_somebody_disabled_is_put_back() {
    let mut azure = applied(&own(1));
    let key = azure
        .objects
        .keys()
        .find(|(_, id)| id.name().starts_with("own-gate"))
        .unwrap()
        .clone();
    azure.objects.get_mut(&key).unwrap()["properties"]["parameters"]["effect"]["value"] = json!("Disabled");
    let (plan, _) = plan_of(&own(1), &azure.observe(), &[]);
    assert_eq!(summary(&plan), ["update policyAssignment tightens"]);
}

fn deny(azure: &mut Azure, start: &str) {
    let (_, wire) = azure
        .objects
        .iter_mut()
        .find(|((kind, id), _)| *kind == Kind::PolicyAssignment && id.name().starts_with(start))
        .unwrap();
    wire["properties"]["parameters"]["effect"]["value"] = json!("Deny");
}

#[test]
fn a_copy_that_carries_our_mark_is_not_ours() {
    let mut azure = applied(&own(1));
    let ours = azure
        .objects
        .keys()
        .find(|(_, id)| id.name().starts_with("own-gate"))
        .unwrap()
        .clone();
    let wire = azure.objects[&ours].clone();
    azure
        .objects
        .insert((Kind::PolicyAssignment, assignment("zz-copy")), wire);
    for gates in [own(1), estate(vec![], BTreeMap::new(), false, false)] {
        let (plan, _) = plan_of(&gates, &azure.observe(), &[]);
        assert!(plan.steps.iter().all(|step| step.object.name() != "zz-copy"));
    }
    assert_eq!(
        summary(&plan_of(&own(1), &azure.observe(), &[]).0),
        Vec::<String>::new()
    );
}

#[test]
fn an_object_under_our_name_without_our_mark_is_left_alone() {
    for kind in [Kind::PolicyAssignment, Kind::PolicySetDefinition] {
        let mut azure = applied(&own(1));
        let (_, wire) = azure
            .objects
            .iter_mut()
            .find(|((found, id), _)| *found == kind && id.name().contains("own-"))
            .unwrap();
        wire["properties"]["metadata"] = json!({"category": "x"});
        wire["properties"]["displayName"] = json!("somebody else's");
        let (plan, _) = plan_of(&own(1), &azure.observe(), &[]);
        let touched: Vec<Kind> = plan.pending().map(|step| step.kind).collect();
        assert!(!touched.contains(&kind), "{touched:?}");
        assert!(!touched.contains(&Kind::PolicyAssignment), "{touched:?}");
        let mut reasons = plan.held.iter().flat_map(|held| &held.reasons);
        assert!(reasons.any(|reason| reason.sentence.contains("does not carry the mark")));
    }
}

#[test]
fn a_predecessor_that_denies_is_not_deleted_for_a_successor_that_audits() {
    let mut azure = applied(&own(1));
    let before = azure.clone();
    let (plan, documents) = plan_of(&own(2), &azure.observe(), &[]);
    azure.carry_out(&plan, &documents);
    // The replacement was interrupted: the predecessor is still there, and denies.
    for (key, wire) in &before.objects {
        azure.objects.entry(key.clone()).or_insert_with(|| wire.clone());
    }
    assert_eq!(
        summary(&plan_of(&own(2), &azure.observe(), &[]).0),
        ["delete policyAssignment neutral", "delete policySetDefinition neutral"]
    );
    let first = Mark::parse(&mark_of(&before)).unwrap();
    deny(&mut azure, &first.assignment_name());
    let (plan, _) = plan_of(&own(2), &azure.observe(), &[]);
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(plan.held.iter().any(|held| held.what == "removal of generation 1"));
}

fn mark_of(azure: &Azure) -> String {
    let gate = |((kind, id), _): &(&(Kind, ResourceId), &Value)| {
        *kind == Kind::PolicyAssignment && id.name().starts_with("own-gate")
    };
    let (_, wire) = azure.objects.iter().find(gate).unwrap();
    wire["properties"]["metadata"][MARK_KEY].as_str().unwrap().to_owned()
}

#[test]
fn what_others_set_on_our_assignment_is_said() {
    let mut azure = applied(&own(1));
    let (_, wire) = azure
        .objects
        .iter_mut()
        .find(|((_, id), _)| id.name().starts_with("own-gate"))
        .unwrap();
    wire["properties"]["selfServeExemptionSettings"] = json!({"enabled": true});
    wire["properties"]["overrides"] = json!([{"kind": "definitionVersion", "value": "1.*.*"}]);
    let (plan, _) = plan_of(&own(1), &azure.observe(), &[]);
    assert_eq!(summary(&plan), Vec::<String>::new());
    for key in ["selfServeExemptionSettings", "overrides"] {
        let said = |finding: &&Finding| finding.sentence.contains(&format!("`{key}`"));
        assert_eq!(plan.findings.iter().filter(said).count(), 1, "{:?}", plan.findings);
    }
}

#[test]
fn an_override_that_opens_a_gate_is_taken_away_and_one_that_closes_it_is_left() {
    let with = |value: &str| {
        let mut azure = applied(&own(1));
        let found = azure.objects.keys().find(|(_, id)| id.name().starts_with("own-gate"));
        let key = found.unwrap().clone();
        let overrides = json!([{"kind": "policyEffect", "value": value, "selectors": []}]);
        azure.objects.get_mut(&key).unwrap()["properties"]["overrides"] = overrides;
        azure
    };
    let mut opened = with("Disabled");
    let (plan, documents) = plan_of(&own(1), &opened.observe(), &[]);
    assert_eq!(summary(&plan), ["update policyAssignment tightens"]);
    opened.carry_out(&plan, &documents);
    assert_eq!(
        summary(&plan_of(&own(1), &opened.observe(), &[]).0),
        Vec::<String>::new()
    );

    let closed = with("Deny");
    let (plan, _) = plan_of(&own(1), &closed.observe(), &[]);
    assert_eq!(summary(&plan), Vec::<String>::new());
    assert!(
        plan.held[0].reasons[0]
            .sentence
            .contains("make a part of the gate deny")
    );
    let (changed, _) = plan_of(&own(2), &closed.observe(), &[]);
    assert_eq!(
        summary(&changed),
        Vec::<String>::new(),
        "what denies somewhere is not written over"
    );
}
