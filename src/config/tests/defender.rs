//! The block `defender`, and gates whose switch is a part of it.

use super::*;
use crate::model::Stage;

const PLAN: &str = "{tier: Standard, extensions: {ContainerSensor: true}}";
const NEEDS: &str =
    "ContainerSensor: true, ContainerRegistriesVulnerabilityAssessments: true, ContainerIntegrityContribution: true";
const GATE: &str = "initiatives/vulnerable-images.yaml";
const INITIATIVE: &str = "displayName: Vulnerable images\ndefender: gatedDeployment\n";

fn containers(files: &[SourceFile]) -> DefenderContainers {
    let (estate, diagnostics) = load(files, Catalog::embedded());
    let estate = estate.unwrap_or_else(|| panic!("{diagnostics:?}"));
    estate.environments["dev"].defender.clone().unwrap()
}

/// The small estate with a gate of gated deployment.
fn gated(gate: &str, plan: &str) -> Vec<SourceFile> {
    let mut files = small_but(
        DEV,
        "gates:\n",
        &format!("gates:\n  vulnerable:\n    initiative: vulnerable-images\n{gate}"),
    );
    let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
    let text = String::from_utf8(dev.content.clone()).unwrap();
    let block = format!("defender:\n  containers: {PLAN}\n");
    assert!(text.contains(&block));
    dev.content = text.replace(&block, plan).into_bytes();
    files.push(SourceFile {
        path: GATE.to_owned(),
        content: INITIATIVE.as_bytes().to_vec(),
    });
    files
}

fn plan(extensions: &str, more: &str) -> String {
    format!("defender:\n  containers: {{tier: Standard, extensions: {{{extensions}}}{more}}}\n")
}

#[test]
fn everything_that_is_stated_of_the_plan_is_read() {
    let stated = "{mode: policy, tier: Standard, enforce: false, extensions: {ContainerSensor: true, AgentlessVmScanning: true, ContainerIntegrityContribution: false}, \
                  extensionProperties: {ContainerSensor: {AntiMalwareEnabled: true, SecurityGatingEnabled: false, Other: yes}, AgentlessVmScanning: {ExclusionTags: \"[]\"}}}";
    let read = containers(&small_but(DEV, PLAN, stated));
    assert_eq!(read.mode, Mode::Policy);
    assert_eq!(read.enforce, Some(false));
    let on: Vec<(&str, bool)> = read.extensions.iter().map(|(name, on)| (name.as_str(), *on)).collect();
    assert_eq!(
        on,
        [
            ("AgentlessVmScanning", true),
            ("ContainerIntegrityContribution", false),
            ("ContainerSensor", true)
        ]
    );
    let values = |extension: &str| -> Vec<(String, String)> {
        read.extension_properties[extension].clone().into_iter().collect()
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        values("ContainerSensor"),
        [
            pair("AntiMalwareEnabled", "True"),
            pair("Other", "yes"),
            pair("SecurityGatingEnabled", "False")
        ]
    );
    assert_eq!(values("AgentlessVmScanning"), [pair("ExclusionTags", "[]")]);
    assert_eq!(containers(&files(SMALL)).enforce, None);
}

#[test]
fn settings_that_act_on_nothing_or_contradict_are_told() {
    check(DEV, &[
        (PLAN, "{tier: Standard, extensions: {ContainerSensr: true}}",
         "warning: environments/dev.yaml:16:45 unknown extension: `ContainerSensr` is none of the plan's extensions that aksgate knows
  did you mean `ContainerSensor`? it is sent as it stands"),
        (PLAN, "{tier: Standard, extensions: {Zebra: true}}",
         "warning: environments/dev.yaml:16:45 unknown extension: `Zebra` is none of the plan's extensions that aksgate knows
  it is sent as it stands; known: `AgentlessDiscoveryForKubernetes`, `AgentlessVmScanning`, `ContainerIntegrityContribution`, `ContainerRegistriesVulnerabilityAssessments`, `ContainerSensor`"),
        (PLAN, "{tier: Free, extensions: {ContainerSensor: true, AgentlessVmScanning: false}}",
         "environments/dev.yaml:16:41 extension of a plan that is off: plan Free has no extensions
  write `tier: Standard`, or remove the extension
warning: environments/dev.yaml:16:64 extension of a plan that is off: plan Free has no extensions
  it acts on nothing while `tier` is `Free`"),
        (PLAN, "{tier: Free, enforce: true}",
         "warning: environments/dev.yaml:16:28 plan that is off is enforced: forces the plan off on every resource below that has one of its own"),
        (PLAN, "{tier: Standard, extensions: {ContainerSensor: false}, extensionProperties: {ContainerSensor: {A: b}}}",
         "environments/dev.yaml:16:92 property of an extension that is not on: `ContainerSensor` is off under `extensions`
  write `ContainerSensor: true` under `extensions`, or remove its properties"),
        (PLAN, "{tier: Standard, extensionProperties: {ContainerSensor: {A: b}}}",
         "environments/dev.yaml:16:54 property of an extension that is not on: `ContainerSensor` is not stated under `extensions`
  write `ContainerSensor: true` under `extensions`, or remove its properties"),
        (PLAN, "{tier: Standard, extensions: {ContainerSensor: true}, extensionProperties: {ContainerSensor: {A: b, a: c}}}",
         "environments/dev.yaml:16:115 duplicate name: `A` on line 16 is the same to Azure
  keep one of the two"),
        (PLAN, "{tier: Standard, extensions: {Foo: true, foo: false}}",
         "warning: environments/dev.yaml:16:45 unknown extension: `Foo` is none of the plan's extensions that aksgate knows
  it is sent as it stands; known: `AgentlessDiscoveryForKubernetes`, `AgentlessVmScanning`, `ContainerIntegrityContribution`, `ContainerRegistriesVulnerabilityAssessments`, `ContainerSensor`
environments/dev.yaml:16:56 duplicate name: `Foo` on line 16 is the same to Azure
  keep one of the two
warning: environments/dev.yaml:16:56 unknown extension: `foo` is none of the plan's extensions that aksgate knows
  it is sent as it stands; known: `AgentlessDiscoveryForKubernetes`, `AgentlessVmScanning`, `ContainerIntegrityContribution`, `ContainerRegistriesVulnerabilityAssessments`, `ContainerSensor`"),
        (PLAN, "{tier: Standard, extensions: {ContainerSensor: true}, extensionProperties: {ContainerSensor: {A: 1}}}",
         "environments/dev.yaml:16:112 wrong type: expected a text, `true` or `false`, found `1`
  put it in quotes to make it a text: \"1\""),
        ("cloud: public", "cloud: usgov",
         "warning: environments/dev.yaml:16:32 extensions in this cloud: Azure's own policy for this plan sets none in Azure Government
  an extension is sent there only once the live plan lists it; until then the plan shows it as held"),
    ]);
}

#[test]
fn a_gate_of_gated_deployment_sets_the_switch_of_the_plan() {
    let gating = |files: &[SourceFile]| {
        let read = containers(files);
        let properties = read
            .extension_properties
            .get("ContainerSensor")
            .cloned()
            .unwrap_or_default();
        properties.get("SecurityGatingEnabled").cloned()
    };
    let audit = gated("    target: audit\n", &plan(NEEDS, ""));
    assert_eq!(wrong(&audit), "");
    assert_eq!(gating(&audit).as_deref(), Some("True"));
    let off = gated("    target: off\n", &plan(NEEDS, ""));
    assert_eq!(gating(&off).as_deref(), Some("False"));
    // A sensor that is off, or not spoken of, has no switch.
    let bare = gated("    target: off\n", &plan("ContainerSensor: false", ""));
    assert_eq!(gating(&bare), None);
    let stated = gated(
        "    target: audit\n",
        &plan(
            NEEDS,
            ", extensionProperties: {ContainerSensor: {securityGatingEnabled: true}}",
        ),
    );
    assert_eq!(wrong(&stated), "");
    assert_eq!(gating(&stated).as_deref(), Some("True"));
    assert_eq!(containers(&stated).extension_properties["ContainerSensor"].len(), 1);
    let (estate, _) = load(&audit, Catalog::embedded());
    let gate = &estate.unwrap().environments["dev"].gates["vulnerable"];
    assert_eq!((gate.target, gate.exclude_namespaces.len()), (Stage::Audit, 0));
}

#[test]
fn what_gated_deployment_cannot_do_is_refused_with_the_reason() {
    let needs = plan(NEEDS, "");
    let cases = [
        (
            "    target: deny\n",
            needs.as_str(),
            "environments/dev.yaml:7:13 target out of reach: whether gated deployment denies is not decided here
  write `audit`, which turns the gate on; each rule says what it denies: security rules in Defender for Cloud (Environment settings, Security rules)",
        ),
        (
            "    target: audit\n    soak: 1d\n    excludeNamespaces: [a]\n    parameters: {}\n",
            &needs,
            "environments/dev.yaml:8:5 key out of place: `soak` does not act on gated deployment
  remove it: the gate's rules are security rules in Defender for Cloud (Environment settings, Security rules)
environments/dev.yaml:9:5 key out of place: `excludeNamespaces` does not act on gated deployment
  remove it: the gate's rules are security rules in Defender for Cloud (Environment settings, Security rules)
environments/dev.yaml:10:5 key out of place: `parameters` does not act on gated deployment
  remove it: the gate's rules are security rules in Defender for Cloud (Environment settings, Security rules)",
        ),
        (
            "    target: audit\n",
            "",
            "environments/dev.yaml:6:17 gate without its plan: its switch is a part of the Defender plan, and this environment states none
  state `defender: {containers: {tier: Standard, extensions: {ContainerSensor: true, ContainerRegistriesVulnerabilityAssessments: true, ContainerIntegrityContribution: true}}}`",
        ),
        (
            "    target: audit\n",
            "defender:\n  containers: {tier: Free}\n",
            "environments/dev.yaml:6:17 gate without its plan: the Defender plan of this environment is `Free`
  write `tier: Standard`, or `target: off`",
        ),
        (
            "    target: audit\n",
            &plan("ContainerSensor: true, ContainerIntegrityContribution: false", ""),
            "environments/dev.yaml:6:17 gate without its extensions: gated deployment needs `ContainerRegistriesVulnerabilityAssessments`, `ContainerIntegrityContribution` on
  state under `extensions`: `ContainerRegistriesVulnerabilityAssessments: true, ContainerIntegrityContribution: true`",
        ),
        (
            "    target: off\n",
            &plan(NEEDS, ", extensionProperties: {ContainerSensor: {securityGatingEnabled: true}}"),
            "environments/dev.yaml:19:198 gate and plan contradict each other: the gate `vulnerable` wants the opposite
  remove it: the gate's `target` sets it",
        ),
        (
            "    target: audit\n  again:\n    initiative: vulnerable-images\n    target: audit\n",
            &needs,
            "environments/dev.yaml:8:3 two gates with one switch: `vulnerable` on line 5 is gated deployment too
  a subscription has one switch for gated deployment: keep one of the two",
        ),
    ];
    for (gate, plan, expected) in cases {
        assert_eq!(wrong(&gated(gate, plan)), expected, "{gate}{plan}");
    }
}

#[test]
fn a_gate_of_defender_is_a_form_of_its_own() {
    let mut files = gated("    target: audit\n", &plan(NEEDS, ""));
    let initiative = files.iter_mut().find(|file| file.path == GATE).unwrap();
    initiative.content = b"displayName: x\ndefender: gatedDeployment\nversion: 1.*.*\n".to_vec();
    assert_eq!(
        wrong(&files),
        "initiatives/vulnerable-images.yaml:3:1 key out of place: `version` does not belong to a gate of Defender"
    );
}

#[test]
fn a_gate_that_deploys_the_plan_is_a_second_writer() {
    let member = |effect: &str| {
        format!(
            "members:\n  - {{ref: plan, definition: efd4031d-b232-4595-babf-ae817348e91b, version: 1.*.*, parameters: {{effect: {effect}}}}}\n"
        )
    };
    let told = |effect: &str, mode: &str| {
        let mut files = small_but(IMAGES, "members:\n", &member(effect));
        let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
        let text = String::from_utf8(dev.content.clone()).unwrap();
        dev.content = text
            .replace("{tier: Standard,", &format!("{{mode: {mode}, tier: Standard,"))
            .replace("gates:\n", "location: westeurope\ngates:\n")
            .into_bytes();
        wrong(&files)
    };
    assert_eq!(
        told("DeployIfNotExists", "manage"),
        "environments/dev.yaml:11:17 two writers of one Defender plan: its member `plan` deploys the Defender plan, which aksgate writes too
  write `mode: policy` under `defender.containers`, or take the member out"
    );
    assert_eq!(told("Disabled", "manage"), "");
    assert_eq!(told("DeployIfNotExists", "policy"), "");
}
