//! Closed, open or not known, and why.

use super::*;
use crate::evidence::MemberEvidence;
use crate::kinds::Kind;
use crate::model::{Area, MarkState, Ring, STATE_KEY};
use crate::rollout::Count;
use serde_json::json;

const SUBSCRIPTION: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";

fn time(hour: u32) -> Timestamp {
    Timestamp::parse(&format!("2027-01-04T{hour:02}:00:00Z")).unwrap()
}

fn id(name: &str) -> ResourceId {
    ResourceId::parse(&format!(
        "{SUBSCRIPTION}/resourceGroups/r/providers/Microsoft.ContainerService/managedClusters/{name}"
    ))
    .unwrap()
}

fn rings() -> Vec<Ring> {
    vec![
        Ring {
            name: "canary".into(),
            area: Area::Locations(vec!["northeurope".into()]),
        },
        Ring {
            name: "broad".into(),
            area: Area::Rest,
        },
    ]
}

/// A gate at two clusters: `canary` in the first ring, `broad` in the second. Everything that a case does not change is sound.
struct Case {
    position: &'static str,
    effect: &'static str,
    properties: Value,
    coverage: Coverage,
    members: BTreeMap<String, MemberEvidence>,
    exemptions: Vec<(Exempted, bool)>,
    reported_effect: Option<Effect>,
}

impl Default for Case {
    fn default() -> Case {
        let member = |name: &str| (name.to_owned(), heard(MemberState::Compliant, Some(time(10))));
        Case {
            position: "deny",
            effect: "Deny",
            properties: json!({}),
            coverage: Coverage::Reporting,
            members: [member("one"), member("two")].into_iter().collect(),
            exemptions: Vec::new(),
            reported_effect: Some(Effect::Deny),
        }
    }
}

fn heard(state: MemberState, reported: Option<Timestamp>) -> MemberEvidence {
    MemberEvidence {
        state,
        reported,
        violations: Count::default(),
        denied: Count::default(),
    }
}

fn cluster(name: &str, location: &str) -> Cluster {
    Cluster {
        id: id(name),
        location: location.into(),
        tags: BTreeMap::new(),
        provisioning_state: "Succeeded".into(),
        power_state: "Running".into(),
        sku: String::new(),
        linux: None,
    }
}

impl Case {
    fn object(&self) -> LiveObject {
        let state = MarkState {
            position: self.position.into(),
            digest: "d".into(),
            ..MarkState::default()
        };
        let mut properties = json!({
            "parameters": {"effect": {"value": self.effect}},
            "metadata": {STATE_KEY: state.to_text()},
        });
        let more = self.properties.as_object().unwrap().clone();
        properties.as_object_mut().unwrap().extend(more);
        LiveObject {
            kind: Kind::PolicyAssignment,
            id: ResourceId::parse(&format!(
                "{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/a"
            ))
            .unwrap(),
            wire: json!({ "properties": properties }),
            etag: None,
        }
    }

    fn evidence(&self) -> GateEvidence {
        let of = |name: &str, location: &str| ClusterEvidence {
            id: id(name),
            name: name.into(),
            location: location.into(),
            changed: None,
            coverage: self.coverage.clone(),
            members: self.members.clone(),
        };
        GateEvidence {
            changed: Some(time(8)),
            clusters: vec![of("canary", "northeurope"), of("broad", "westeurope")],
        }
    }

    /// The cells of the two clusters.
    fn cells(&self) -> [Cell; 2] {
        judged(&[self])
    }

    /// The cell of the first cluster, as its word, whether it is a breach, and the names of its reasons.
    fn told(&self) -> String {
        told(&self.cells()[0])
    }
}

fn told(cell: &Cell) -> String {
    let reasons: Vec<&str> = cell.reasons.iter().map(Reason::name).collect();
    let breach = match (cell.is_breach(), cell.is_doubtful()) {
        (true, _) => "!",
        (_, true) => "?",
        _ => "",
    };
    format!("{}{breach} {}", cell.state.name(), reasons.join(" "))
        .trim_end()
        .to_owned()
}

/// Judges the generations of a gate, oldest first.
fn judged(generations: &[&Case]) -> [Cell; 2] {
    let objects: Vec<LiveObject> = generations.iter().map(|case| case.object()).collect();
    let evidence: Vec<GateEvidence> = generations.iter().map(|case| case.evidence()).collect();
    let effects: Vec<BTreeMap<(ResourceId, String), Effect>> = generations
        .iter()
        .map(|case| {
            let of = |name: &str, member: &str| Some(((id(name), member.to_owned()), case.reported_effect?));
            let pairs = [("canary", "one"), ("canary", "two"), ("broad", "one"), ("broad", "two")];
            pairs.iter().filter_map(|(name, member)| of(name, member)).collect()
        })
        .collect();
    let assigned: Vec<Assigned<'_>> = generations
        .iter()
        .enumerate()
        .map(|(at, case)| Assigned {
            object: &objects[at],
            evidence: &evidence[at],
            exemptions: &case.exemptions,
            effects: &effects[at],
        })
        .collect();
    let rings = rings();
    let cells = judge(Question {
        ladder: Ladder::new(&rings),
        assigned: &assigned,
        clusters: &[cluster("canary", "North Europe"), cluster("broad", "westeurope")],
        settle: Period::from_seconds(3_600),
        now: time(12),
    });
    cells.try_into().unwrap()
}

#[test]
fn a_gate_is_closed_where_everything_says_so() {
    let cells = Case::default().cells();
    assert_eq!(
        (told(&cells[0]), cells[0].ring.as_str()),
        ("closed".to_owned(), "canary")
    );
    assert_eq!(
        (told(&cells[1]), cells[1].ring.as_str()),
        ("closed".to_owned(), "broad")
    );
    assert_eq!(cells[0].reported, Some(time(10)));
}

#[test]
fn what_opens_it_is_told_and_is_a_breach_where_it_was_closed() {
    let location = |kind: &str, list: &str, name: &str| json!({"resourceSelectors": [{"selectors": [{"kind": kind, list: [name]}]}]});
    let lowered = json!({"overrides": [{"kind": "policyEffect", "value": "Audit", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["one"]}]}]});
    let foreign = json!({"overrides": [{"kind": "policyEffect", "value": "Deny", "selectors": [{"kind": "resourceLocation", "notIn": ["x"]}]}]});
    for (properties, expected) in [
        (json!({"enforcementMode": "DoNotEnforce"}), "open! not-enforced"),
        (json!({"enforcementMode": "Default"}), "closed"),
        (json!({"resourceSelectors": []}), "closed"),
        (location("resourceLocation", "in", "northeurope"), "closed"),
        (location("resourceLocation", "in", "North Europe"), "closed"),
        (location("resourceLocation", "in", "westeurope"), "open! selector"),
        (location("resourceLocation", "notIn", "northeurope"), "open! selector"),
        (
            location("resourceType", "in", "Microsoft.ContainerService/managedClusters"),
            "closed",
        ),
        (
            location("resourceType", "in", "Microsoft.Kubernetes/connectedClusters"),
            "open! selector",
        ),
        (
            location("resourceRolloutPercentage", "in", "50"),
            "unknown? selector-not-understood",
        ),
        (lowered, "open! members-audit-only"),
        (foreign, "unknown? overrides-not-understood"),
    ] {
        let case = Case {
            properties: properties.clone(),
            ..Case::default()
        };
        assert_eq!(case.told(), expected, "{properties}");
    }
}

#[test]
fn a_cluster_that_cannot_act_or_is_not_heard_of_is_not_closed() {
    let until = time(20);
    for (coverage, expected) in [
        (Coverage::NoAddon, "open! no-add-on"),
        (Coverage::AddonFailing, "open! add-on-failing"),
        (Coverage::Stopped, "unknown? stopped"),
        (Coverage::NeverSeen, "unknown? never-seen"),
        (Coverage::NotReporting { last: time(1) }, "unknown? too-old"),
        (Coverage::Excluded, "open! not-scope"),
        (
            Coverage::Ignored {
                reason: "r".into(),
                until,
            },
            "open ignored",
        ),
    ] {
        let case = Case {
            coverage: coverage.clone(),
            ..Case::default()
        };
        assert_eq!(case.told(), expected, "{coverage}");
    }
    let none = Case::default();
    let rings = rings();
    let question = Question {
        ladder: Ladder::new(&rings),
        assigned: &[],
        clusters: &[cluster("canary", "northeurope")],
        settle: Period::from_seconds(0),
        now: time(12),
    };
    assert_eq!(told(&judge(question)[0]), "open not-assigned");
    let (object, exemptions, effects) = (none.object(), Vec::new(), BTreeMap::new());
    let evidence = GateEvidence::default();
    let assigned = [Assigned {
        object: &object,
        evidence: &evidence,
        exemptions: &exemptions,
        effects: &effects,
    }];
    let question = Question {
        assigned: &assigned,
        ..question
    };
    assert_eq!(told(&judge(question)[0]), "open! not-in-scope");
}

#[test]
fn members_are_heard_of_since_the_last_change_or_nobody_can_say() {
    let with = |one: MemberEvidence, effect: Option<Effect>| {
        let mut case = Case {
            reported_effect: effect,
            ..Case::default()
        };
        case.members.insert("one".into(), one);
        case.told()
    };
    let deny = Some(Effect::Deny);
    assert_eq!(with(heard(MemberState::NonCompliant, Some(time(9))), deny), "closed");
    assert_eq!(
        with(heard(MemberState::Compliant, Some(time(8))), deny),
        "unknown? not-since-last-change"
    );
    assert_eq!(
        with(heard(MemberState::NotStarted, None), deny),
        "unknown? not-since-last-change"
    );
    assert_eq!(
        with(heard(MemberState::Conflict, Some(time(10))), deny),
        "open! members-failing"
    );
    assert_eq!(
        with(heard(MemberState::Error, Some(time(10))), deny),
        "open! members-failing"
    );
    assert_eq!(
        with(heard(MemberState::Unknown, Some(time(10))), deny),
        "unknown? members-failing"
    );
    // What a report says of the effect counts once it is late enough.
    assert_eq!(
        with(heard(MemberState::Compliant, Some(time(10))), Some(Effect::Audit)),
        "open! audit-only"
    );
    assert_eq!(
        with(heard(MemberState::Compliant, Some(time(8))), Some(Effect::Audit)),
        "unknown? not-since-last-change"
    );
}

#[test]
fn an_exemption_opens_it_and_is_no_breach_if_the_estate_made_it() {
    let exempted = |members: &[&str], scope: &str| Exempted {
        scope: scope.into(),
        locations: Vec::new(),
        members: members.iter().map(|member| (*member).to_owned()).collect(),
        until: Some(time(20)),
    };
    let group = format!("{SUBSCRIPTION}/resourceGroups/r");
    for (members, ours, expected) in [
        (&[][..], true, "open exempt"),
        (&[], false, "open! exempt"),
        (&["one"], true, "open exempt"),
        (&["one"], false, "open! exempt"),
    ] {
        let case = Case {
            exemptions: vec![(exempted(members, &group), ours)],
            ..Case::default()
        };
        assert_eq!(case.told(), expected);
    }
    let elsewhere = Case {
        exemptions: vec![(exempted(&[], &format!("{SUBSCRIPTION}/resourceGroups/other")), false)],
        ..Case::default()
    };
    assert_eq!(elsewhere.told(), "closed");
}

#[test]
fn a_ring_that_is_not_due_is_open_and_no_breach() {
    let place = json!({"kind": "resourceLocation", "in": ["northeurope"]});
    let ringed = json!({"overrides": [{"kind": "policyEffect", "value": "Deny", "selectors": [place]}]});
    let case = Case {
        position: "deny-1",
        effect: "Audit",
        properties: ringed,
        ..Case::default()
    };
    let cells = case.cells();
    assert_eq!([told(&cells[0]), told(&cells[1])], ["closed", "open ring-not-closed"]);
    // The overrides were taken away by hand.
    let opened = Case {
        position: "deny-1",
        effect: "Audit",
        ..Case::default()
    };
    let cells = opened.cells();
    assert_eq!(
        [told(&cells[0]), told(&cells[1])],
        ["open! audit-only", "open ring-not-closed"]
    );
    let audit = Case {
        position: "audit",
        effect: "Audit",
        coverage: Coverage::NoAddon,
        ..Case::default()
    };
    assert_eq!(audit.told(), "open ring-not-closed no-add-on");
}

#[test]
fn one_generation_that_closes_it_is_enough() {
    let old = Case::default();
    let new = Case {
        position: "audit",
        effect: "Audit",
        ..Case::default()
    };
    assert_eq!(told(&judged(&[&old, &new])[0]), "closed");
    let opened = Case {
        effect: "Audit",
        ..Case::default()
    };
    let cells = judged(&[&opened, &new]);
    assert_eq!(
        told(&cells[0]),
        "open! audit-only",
        "the one that was closed says why it is not"
    );
}

#[test]
fn what_enforces_a_member_is_read_from_its_template() {
    let template = |engine: &str| {
        let code = format!("{{\"spec\": {{\"targets\": [{{\"code\": [{{\"engine\": \"{engine}\"}}]}}]}}}}");
        data_encoding::BASE64.encode(code.as_bytes())
    };
    let mut observed = crate::observed::Observed::default();
    let path = |kind: &str, name: &str| format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/{kind}/{name}");
    let mut insert = |kind: Kind, id: &str, properties: Value| {
        observed.insert(LiveObject {
            kind,
            id: ResourceId::parse(id).unwrap(),
            wire: json!({ "properties": properties }),
            etag: None,
        });
    };
    let mut members = Vec::new();
    for (name, engine) in [("rego", "Rego"), ("cel", "K8sNativeValidation")] {
        let id = path("policyDefinitions", name);
        let details = json!({"templateInfo": {"content": template(engine)}});
        insert(
            Kind::PolicyDefinition,
            &id,
            json!({"policyRule": {"then": {"details": details}}}),
        );
        members.push(json!({"policyDefinitionId": id, "policyDefinitionReferenceId": name.to_uppercase()}));
    }
    let built_in = "/providers/Microsoft.Authorization/policyDefinitions/x";
    members.push(json!({"policyDefinitionId": built_in, "policyDefinitionReferenceId": "azure"}));
    let set = path("policySetDefinitions", "s");
    insert(Kind::PolicySetDefinition, &set, json!({"policyDefinitions": members}));
    let assignment = Case {
        properties: json!({"policyDefinitionId": set}),
        ..Case::default()
    };
    let names = ["azure", "cel", "rego"].map(str::to_owned);
    let found = engines(&observed, &assignment.object(), &names);
    assert_eq!(
        (found.rego, found.cel),
        (vec!["azure".to_owned(), "rego".to_owned()], vec!["cel".to_owned()])
    );
}
