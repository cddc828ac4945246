//! What is wanted and told of Defender plans, from an estate and what is live.

use crate::catalog::Catalog;
use crate::config::{Estate, SourceFile, load};
use crate::desired::{Desired, DesiredError, Sources, objects};
use crate::kinds::Kind;
use crate::model::{ResourceId, Timestamp};
use crate::observed::{LiveObject, Observed, Subscription};
use crate::render::Renderer;
use serde_json::{Value, json};

const SUBSCRIPTION: &str = "0a000000-0000-4000-8000-000000000001";
const NEEDS: &str =
    "ContainerSensor: true, ContainerRegistriesVulnerabilityAssessments: true, ContainerIntegrityContribution: true";
/// A set that audits images, and deploys the plan besides.
const DEPLOYING: &str = "displayName: Defender
members:
  - ref: plan
    definition: efd4031d-b232-4595-babf-ae817348e91b
    version: 1.*.*
    parameters: {effect: EFFECT}
  - ref: latest
    definition: 021f8078-41a0-40e6-81b6-c6597da9f3ee
    version: 2.*.*
";

/// An estate of one environment with these gates and this plan.
fn estate(cloud: &str, gates: &str, containers: &str, templates: &[(&str, &str)]) -> Estate {
    let dev = format!(
        "cloud: {cloud}\ntenant: 11111111-1111-4111-8111-111111111111\nscope: subscriptions/{SUBSCRIPTION}\nlocation: westeurope\n{gates}\
         defender: {{containers: {{{containers}}}}}\n"
    );
    let mut files = vec![("aksgate.yaml", "owner: us\n"), ("environments/dev.yaml", dev.as_str())];
    if gates.contains("initiative: vulnerable") {
        files.push((
            "initiatives/vulnerable.yaml",
            "displayName: V\ndefender: gatedDeployment\n",
        ));
    }
    let effect = if gates.contains("off by effect") {
        "Disabled"
    } else {
        "DeployIfNotExists"
    };
    let deploying = DEPLOYING.replace("EFFECT", effect);
    if gates.contains("initiative: deploying") {
        files.push(("initiatives/deploying.yaml", deploying.as_str()));
    }
    files.extend(templates);
    let files: Vec<SourceFile> = files
        .into_iter()
        .map(|(path, text)| SourceFile {
            path: path.to_owned(),
            content: text.as_bytes().to_vec(),
        })
        .collect();
    let (estate, diagnostics) = load(&files, Catalog::embedded());
    estate.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

fn live(plan: &str, properties: Value) -> LiveObject {
    let id = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Security/pricings/{plan}");
    LiveObject {
        kind: Kind::DefenderPlan,
        id: ResourceId::parse(&id).unwrap(),
        wire: json!({"id": id, "properties": properties}),
        etag: None,
    }
}

fn observed(plans: impl IntoIterator<Item = LiveObject>) -> Observed {
    let mut observed = Observed::default();
    observed.subscriptions.push(Subscription {
        id: SUBSCRIPTION.to_owned(),
        name: "contoso-dev".to_owned(),
    });
    for plan in plans {
        observed.insert(plan);
    }
    observed
}

fn try_wanted(estate: &Estate, observed: &Observed, gates: &[String]) -> Result<Desired, DesiredError> {
    let (renderer, _) = Renderer::load(estate);
    objects(
        Sources {
            estate,
            environment: &estate.environments["dev"],
            catalog: Catalog::embedded(),
            unaccepted: &std::collections::BTreeMap::new(),
            renderer: &renderer,
            observed,
            controls: &crate::desired::Controls::default(),
            now: Timestamp::from_seconds(0),
        },
        gates,
    )
}

fn wanted(estate: &Estate, observed: &Observed) -> Desired {
    try_wanted(estate, observed, &[]).unwrap()
}

fn sentences(desired: &Desired) -> Vec<String> {
    let findings = desired.findings.iter();
    findings
        .map(|found| format!("{}: {}", found.subject, found.sentence))
        .collect()
}

fn extensions(desired: &Desired) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = desired.objects[0].body["properties"]["extensions"].as_array().unwrap();
    list.iter()
        .map(|extension| (text(&extension["name"]), text(&extension["isEnabled"])))
        .collect()
}

fn standard(extensions: Value) -> Value {
    json!({"pricingTier": "Standard", "extensions": extensions})
}

#[test]
fn a_plan_that_is_turned_on_says_of_each_extension_whether_it_is_on() {
    let estate = estate("public", "", "tier: Standard, extensions: {ContainerSensor: true}", &[]);
    let on = |name: &str, on: &str| (name.to_owned(), on.to_owned());
    let free = observed([live("Containers", json!({"pricingTier": "Free"}))]);
    assert_eq!(
        extensions(&wanted(&estate, &free)),
        [
            on("ContainerSensor", "True"),
            on("AgentlessDiscoveryForKubernetes", "False"),
            on("AgentlessVmScanning", "False"),
            on("ContainerIntegrityContribution", "False"),
            on("ContainerRegistriesVulnerabilityAssessments", "False"),
        ]
    );
    let standard = observed([live("Containers", standard(json!([])))]);
    assert_eq!(extensions(&wanted(&estate, &standard)), [on("ContainerSensor", "True")]);
}

#[test]
fn another_writer_is_checked_and_nothing_is_written() {
    let of = |mode: &str| {
        estate(
            "public",
            "",
            &format!(
                "mode: {mode}, tier: Standard, enforce: true, extensions: {{ContainerSensor: true}}, extensionProperties: {{ContainerSensor: {{SecurityGatingEnabled: true}}}}"
            ),
            &[],
        )
    };
    for mode in ["require", "policy"] {
        let found = wanted(
            &of(mode),
            &observed([live("Containers", json!({"pricingTier": "Free"}))]),
        );
        assert!(found.objects.is_empty() && found.held.is_empty());
        let told = sentences(&found);
        for text in [
            format!(
                "contoso-dev: `pricingTier` is \"Free\" and is required to be \"Standard\"; `mode: {mode}` never writes it"
            ),
            format!(
                "contoso-dev: `extensions.ContainerSensor` is false and is required to be true; `mode: {mode}` never writes it"
            ),
            format!("contoso-dev: `enforce` is absent and is required to be true; `mode: {mode}` never writes it"),
        ] {
            assert!(told.contains(&text), "{text}\n{told:#?}");
        }
        let met = standard(
            json!([{"name": "ContainerSensor", "isEnabled": "True", "additionalExtensionProperties": {"SecurityGatingEnabled": "true", "Odd": "x"}}]),
        );
        let mut met = live("Containers", met);
        met.wire["properties"]["enforce"] = json!("True");
        let told = sentences(&wanted(&of(mode), &observed([met])));
        assert!(!told.iter().any(|told| told.contains("required")), "{told:#?}");
        // That there is no plan is said, and is no agreement.
        let told = sentences(&wanted(&of(mode), &observed([])));
        assert!(
            told.iter()
                .any(|told| told.contains("azure knows no Defender plan `Containers` here")),
            "{told:#?}"
        );
    }
}

#[test]
fn with_mode_policy_it_is_said_who_deploys_the_plan() {
    let told = |gates: &str, observed: Observed| {
        let estate = estate("public", gates, "mode: policy, tier: Standard", &[]);
        let told = sentences(&wanted(&estate, &observed));
        told.into_iter()
            .find(|told| told.starts_with("Defender plan: "))
            .unwrap()
    };
    let assignment = |definition: &str, properties: Value| {
        let mut assignment = live("x", properties);
        assignment.wire["properties"]["policyDefinitionId"] = json!(definition);
        assignment.kind = Kind::PolicyAssignment;
        assignment
    };
    const NOBODY: &str = "nobody sees to it";
    const THEIRS: &str = "Defender plan: `mode: policy`: it is deployed by assignment `x`";
    assert!(told("", observed([])).ends_with(NOBODY));
    let gate = "gates: {fleet: {initiative: deploying, target: audit}}\n";
    assert_eq!(
        told(gate, observed([])),
        "Defender plan: `mode: policy`: it is deployed by gate `fleet`"
    );
    for idle in [gate.replace("audit", "off"), format!("# off by effect\n{gate}")] {
        assert!(told(&idle, observed([])).ends_with(NOBODY), "{idle}");
    }
    let writer = "/providers/Microsoft.Authorization/policyDefinitions/EFD4031D-b232-4595-babf-ae817348e91b";
    assert_eq!(told("", observed([assignment(writer, json!({}))])), THEIRS);
    for idle in [
        json!({"parameters": {"effect": {"value": "Disabled"}}}),
        json!({"enforcementMode": "DoNotEnforce"}),
    ] {
        assert!(told("", observed([assignment(writer, idle)])).ends_with(NOBODY));
    }
    let set = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/policySetDefinitions/theirs");
    let of_set = assignment(&set, json!({}));
    let unseen = told("", observed([of_set.clone()]));
    assert!(
        unseen.contains("; 1 assignment there is of an initiative whose members are not known here"),
        "{unseen}"
    );
    let mut theirs = live("x", json!({"policyDefinitions": [{"policyDefinitionId": writer}]}));
    (theirs.kind, theirs.id) = (Kind::PolicySetDefinition, ResourceId::parse(&set).unwrap());
    assert_eq!(told("", observed([of_set, theirs])), THEIRS);
    let baseline = "/providers/Microsoft.Authorization/policySetDefinitions/a8640138-9b0a-4a28-b8cb-1666c838647d";
    assert!(told("", observed([assignment(baseline, json!({}))])).ends_with(NOBODY));
}

#[test]
fn a_plan_that_is_turned_off_leaves_its_sensors() {
    let estate = estate("public", "", "tier: Free", &[]);
    let told = |tier: &str| {
        let plan = live("Containers", json!({"pricingTier": tier}));
        sentences(&wanted(&estate, &observed([plan])))
            .iter()
            .any(|told| told.contains("leaves the sensors"))
    };
    assert!(told("Standard"));
    assert!(!told("Free"));
}

#[test]
fn in_azure_government_an_extension_is_sent_once_azure_lists_it() {
    let estate = estate(
        "usgov",
        "",
        "tier: Standard, extensions: {ContainerSensor: true, AgentlessVmScanning: false}",
        &[],
    );
    let free = wanted(&estate, &observed([live("Containers", json!({"pricingTier": "Free"}))]));
    assert_eq!(extensions(&free), []);
    assert_eq!(free.held.len(), 1);
    assert_eq!(
        (free.held[0].subject.as_str(), free.held[0].what.as_str()),
        ("contoso-dev", "extension `ContainerSensor`")
    );
    let listed = standard(json!([{"name": "ContainerSensor", "isEnabled": "False"}]));
    let listed = wanted(&estate, &observed([live("Containers", listed)]));
    assert_eq!(extensions(&listed), [("ContainerSensor".to_owned(), "True".to_owned())]);
    assert!(listed.held.is_empty());
}

#[test]
fn a_plan_that_somebody_else_alone_manages_is_held() {
    let estate = estate("public", "", "tier: Standard", &[]);
    let managed = |tier: &str| {
        observed([live(
            "Containers",
            json!({"pricingTier": tier, "managedBy": "Defender XDR"}),
        )])
    };
    let held = wanted(&estate, &managed("Free"));
    assert!(held.objects.is_empty());
    assert!(
        held.held[0].reasons[0]
            .sentence
            .contains("`Defender XDR` alone manages the plan")
    );
    assert!(wanted(&estate, &managed("Standard")).held.is_empty());
}

#[test]
fn what_is_odd_about_live_plans_is_told() {
    let estate = estate("public", "", "tier: Standard", &[]);
    let told = |plans: Vec<LiveObject>| {
        let told = sentences(&wanted(&estate, &observed(plans)));
        let mut told: Vec<String> = told.into_iter().filter(|told| !told.contains("billing")).collect();
        told.sort();
        told
    };
    let plain = |tier: &str, coverage: &str| {
        live(
            "Containers",
            json!({"pricingTier": tier, "resourcesCoverageStatus": coverage}),
        )
    };
    assert_eq!(told(vec![plain("Standard", "FullyCovered")]), [""; 0]);
    assert_eq!(told(vec![plain("Free", "NotCovered")]), [""; 0]);
    assert!(
        told(vec![plain("Standard", "PartiallyCovered")])[0]
            .contains("the plan is on, but its coverage is `PartiallyCovered`")
    );
    assert!(
        told(vec![plain("Free", "PartiallyCovered")])[0]
            .contains("the plan is off, but its coverage is `PartiallyCovered`")
    );
    let legacy = vec![
        live(
            "KubernetesService",
            json!({"pricingTier": "Standard", "deprecated": true, "replacedBy": ["Containers"]}),
        ),
        live(
            "ContainerRegistry",
            json!({"pricingTier": "Free", "deprecated": true, "replacedBy": ["Containers"]}),
        ),
    ];
    assert_eq!(
        told(legacy),
        [
            "contoso-dev: the plan `KubernetesService` is on: it is an old one that Azure has replaced by `Containers`; aksgate \
          leaves it alone, turn it off in Defender for Cloud once `Containers` is on"
        ]
    );
    let odd = live(
        "Containers",
        json!({
            "pricingTier": "Standard", "inherited": "True", "inheritedFrom": "/x", "deprecated": true, "replacedBy": ["Next"], "originatedFrom": "M365",
            "extensions": [
                {"name": "ContainerSensor", "isEnabled": "True", "operationStatus": {"code": "Failed", "message": "no role"}},
                {"name": "AgentlessVmScanning", "isEnabled": "True", "operationStatus": {"code": "Succeeded", "message": "m"}},
            ],
        }),
    );
    assert_eq!(
        told(vec![odd]),
        [
            "contoso-dev: Azure has deprecated the plan `Containers`, replaced by `Next`",
            "contoso-dev: extension `ContainerSensor` does not work, though it may say that it is on: Failed: no role",
            "contoso-dev: the plan was turned on by `M365`, which may write it again",
            "contoso-dev: the plan's setting is inherited from `/x`: a write gives it one of its own, unless that scope enforces its own",
        ]
    );
}

#[test]
fn the_gate_of_gated_deployment_says_where_it_stands_and_what_is_not_seen() {
    let gate = "gates: {images: {initiative: vulnerable, target: audit}}\n";
    let estate = estate("public", gate, &format!("tier: Standard, extensions: {{{NEEDS}}}"), &[]);
    let told = |properties: Value| {
        let desired = wanted(&estate, &observed([live("Containers", properties)]));
        assert_eq!(desired.objects.len(), 1);
        sentences(&desired)
    };
    let on = |sensor: Value| {
        standard(json!([
            {"name": "ContainerSensor", "isEnabled": "True", "additionalExtensionProperties": sensor},
            {"name": "ContainerRegistriesVulnerabilityAssessments", "isEnabled": "True"},
            {"name": "ContainerIntegrityContribution", "isEnabled": "True"},
        ]))
    };
    let closed = told(on(json!({"SecurityGatingEnabled": "True"})));
    assert!(
        closed.contains(&"images: gated deployment is on in `contoso-dev`".to_owned()),
        "{closed:#?}"
    );
    assert!(
        closed.iter().any(|told| told.contains("which aksgate does not read")),
        "{closed:#?}"
    );
    for sensor in [json!({"SecurityGatingEnabled": "False"}), json!({})] {
        let open = told(on(sensor));
        let expected = "images: gated deployment is off in `contoso-dev`, where `SecurityGatingEnabled` is off";
        assert!(open.contains(&expected.to_owned()), "{open:#?}");
    }
    let open = told(json!({"pricingTier": "Free"}));
    assert!(open.contains(&"images: gated deployment is off in `contoso-dev`, where the plan is off".to_owned()));
}

#[test]
fn a_gate_of_gated_deployment_brings_the_plan_along() {
    let gates =
        "gates: {images: {initiative: vulnerable, target: audit}, fleet: {initiative: deploying, target: off}}\n";
    let estate = estate(
        "public",
        gates,
        &format!("tier: Standard, extensions: {{{NEEDS}}}"),
        &[],
    );
    let free = observed([live("Containers", json!({"pricingTier": "Free"}))]);
    let kinds = |gate: &str| {
        let desired = try_wanted(&estate, &free, &[gate.to_owned()]).unwrap();
        (
            desired.objects.len(),
            sentences(&desired)
                .iter()
                .any(|told| told.contains("with `--gate` the plan is looked at as a whole")),
        )
    };
    assert_eq!(kinds("images"), (1, true));
    assert_eq!(kinds("fleet"), (0, false));
}

#[test]
fn a_template_cannot_drop_what_the_estate_states() {
    let refused = |properties: &str| {
        let template = format!("{{\"properties\": {{{properties}}}}}");
        let estate = estate(
            "public",
            "",
            "tier: Standard, enforce: true, extensions: {ContainerSensor: true}, extensionProperties: {ContainerSensor: {A: b}}",
            &[("templates/defenderPlan.json.hbs", &template)],
        );
        let found = try_wanted(
            &estate,
            &observed([live("Containers", json!({"pricingTier": "Free"}))]),
            &[],
        );
        found.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let tier = r#""pricingTier": "{{defender.tier}}""#;
    let enforce = r#""enforce": "{{defender.enforce}}""#;
    let list = r#""extensions": {{json defender.extensions}}"#;
    assert_eq!(refused(&format!("{tier}, {enforce}, {list}")), "");
    assert!(refused(&format!("{enforce}, {list}")).contains("properties.pricingTier"));
    assert!(refused(&format!("{tier}, {list}")).contains("properties.enforce"));
    assert!(refused(&format!("{tier}, {enforce}")).contains("properties.extensions.ContainerSensor"));
    let bare = r#""extensions": [{"name": "ContainerSensor", "isEnabled": "True"}]"#;
    assert!(refused(&format!("{tier}, {enforce}, {bare}")).contains("additionalExtensionProperties.A"));
}
