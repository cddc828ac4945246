//! The settings of clusters: what is read, and what cannot be.

use super::*;

const SUBSCRIPTION: &str = "0a000000-0000-4000-8000-000000000001";

/// The small estate with other words about its clusters.
fn with(clusters: &str) -> Vec<SourceFile> {
    let clusters = clusters.replace("GUID", SUBSCRIPTION);
    small_but(DEV, "clusters:\n  policyAddon: {mode: manage}\n", &clusters)
}

fn without_plan_sensor(mut files: Vec<SourceFile>) -> Vec<SourceFile> {
    let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
    let text = String::from_utf8(dev.content.clone()).unwrap();
    dev.content = text
        .replace("ContainerSensor: true", "ContainerSensor: false")
        .into_bytes();
    files
}

const WORKSPACE: &str =
    "/subscriptions/GUID/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/security";

fn sensor(more: &str) -> String {
    format!("clusters:\n  defenderSensor: {{mode: manage, workspace: {{westeurope: {WORKSPACE}}}{more}}}\n")
}

#[test]
fn everything_that_is_said_of_clusters_is_read() {
    let cluster = "/subscriptions/GUID/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/one";
    let text = format!(
        "{}  policyAddon: {{mode: policy}}
  select:
    tags: {{gates: \"on\"}}
    scopes: [subscriptions/GUID/resourceGroups/rg]
    ids: [{cluster}]
  foreignGatekeeper: [{cluster}]
",
        sensor(", securityGating: false")
    );
    let (estate, diagnostics) = load(&without_plan_sensor(with(&text)), Catalog::embedded());
    let summaries: Vec<&str> = diagnostics.iter().map(|found| found.summary.as_str()).collect();
    assert_eq!(summaries, ["nothing deploys it"], "a warning");
    let clusters = estate.unwrap().environments["dev"].clusters.clone().unwrap();
    assert_eq!(clusters.policy_addon, Some(Mode::Policy));
    let sensor = clusters.defender_sensor.unwrap();
    assert_eq!((sensor.mode, sensor.security_gating), (Mode::Manage, Some(false)));
    assert_eq!(sensor.workspaces["westeurope"].name(), "security");
    assert_eq!(clusters.foreign_gatekeeper, clusters.select.ids);
    let tags = |value: &str| BTreeMap::from([("GATES".to_owned(), value.to_owned())]);
    let id = |group: &str, name: &str| {
        let id = clusters.select.ids[0].as_str().to_lowercase();
        crate::model::ResourceId::parse(
            &id.replace("/rg/", &format!("/{group}/"))
                .replace("/one", &format!("/{name}")),
        )
        .unwrap()
    };
    assert!(clusters.select.takes(&id("rg", "two"), &tags("on")));
    assert!(clusters.select.takes(&id("rg", "one"), &tags("on")));
    assert!(!clusters.select.takes(&id("rg", "one"), &tags("off")));
    assert!(!clusters.select.takes(&id("rg2", "one"), &tags("on")));
}

#[test]
fn a_selection_lies_in_the_scope_and_says_something() {
    let other = "0a000000-0000-4000-8000-000000000002";
    assert_eq!(
        wrong(&with(&format!(
            "clusters:
  policyAddon: {{mode: manage}}
  select:
    scopes: [subscriptions/GUID/resourceGroups/rg, subscriptions/{other}]
    ids: [/subscriptions/{other}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/one]
"
        ))),
        "environments/dev.yaml:20:84 outside the environment's scope: it does not lie in the scope `subscriptions/0a000000-0000-4000-8000-000000000001`
  state it in an environment whose scope holds it
environments/dev.yaml:21:11 outside the environment's scope: it does not lie in the scope `subscriptions/0a000000-0000-4000-8000-000000000001`
  state it in an environment whose scope holds it"
    );
    assert_eq!(
        wrong(&with("clusters:\n  policyAddon: {mode: manage}\n  select: {}\n")),
        "environments/dev.yaml:19:3 missing key: it has none of `tags`, `scopes`, `ids`
  remove `select` to mean every cluster in scope"
    );
}

#[test]
fn plan_and_clusters_are_not_both_to_bring_the_sensor() {
    let text = sensor("");
    assert_eq!(
        wrong(&with(&text)),
        "environments/dev.yaml:18:3 two writers of one feature: the plan's extension `ContainerSensor` puts a sensor into every cluster of the subscription by itself
  let the plan do it: set `defenderSensor: {mode: require}`, which checks the clusters and never writes
  or let aksgate do it, each cluster with its own workspace: set `ContainerSensor: false` under `defender.containers.extensions`
  or let Azure Policy do it: set `defenderSensor: {mode: policy}` and `ContainerSensor: false`"
    );
    assert_eq!(wrong(&without_plan_sensor(with(&text))), "");
    assert_eq!(wrong(&with(&text.replace("manage", "require"))), "");
}

#[test]
fn a_sensor_that_is_managed_needs_a_workspace_and_a_cloud_that_has_it() {
    let none = without_plan_sensor(with("clusters:\n  defenderSensor: {mode: manage}\n"));
    assert_eq!(
        wrong(&none),
        "environments/dev.yaml:18:3 missing key: a sensor needs a workspace to report to, and none is named
  name one for each region: `workspace: {westeurope: ID}`"
    );
    assert_eq!(wrong(&with("clusters:\n  defenderSensor: {mode: require}\n")), "");
    let mut files = with("clusters:\n  defenderSensor: {mode: require, securityGating: true}\n");
    let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
    let text = String::from_utf8(dev.content.clone()).unwrap();
    let defender = "defender:\n  containers: {tier: Standard, extensions: {ContainerSensor: true}}\n";
    let text = text.replace(defender, "");
    dev.content = text.replace("cloud: public", "cloud: china").into_bytes();
    assert!(wrong(&files).starts_with("environments/dev.yaml:16:3 no Defender in this cloud"));
    let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
    dev.content = text.replace("cloud: public", "cloud: usgov").into_bytes();
    assert_eq!(
        wrong(&files),
        "environments/dev.yaml:16:35 unknown to this api-version: api-version 2026-05-01 of managedClusters is the first that knows it
  remove it, or state `apiVersions: {Microsoft.ContainerService/managedClusters: 2026-05-01}` if cloud `usgov` has it"
    );
    let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
    let newer = "apiVersions: {Microsoft.ContainerService/managedClusters: 2026-08-01}\n";
    dev.content = format!("{newer}{}", text.replace("cloud: public", "cloud: usgov")).into_bytes();
    assert_eq!(wrong(&files), "");
}

/// An initiative of our own that deploys the add-on, and the gate of the small estate that has it.
fn deploying(mode: &str, effect: &str) -> String {
    let mut files = with(&format!("clusters:\n  policyAddon: {{mode: {mode}}}\n"));
    let images = files
        .iter_mut()
        .find(|file| file.path.ends_with("images.yaml"))
        .unwrap();
    let member = format!(
        "  - {{ref: addon, definition: a8eff44f-8c92-45c3-a3fb-9880802d67a7, version: 4.*.*, parameters: {{{effect}}}}}\n"
    );
    images.content.extend(member.into_bytes());
    let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
    dev.content.extend(b"location: westeurope\n");
    wrong(&files)
}

#[test]
fn a_feature_has_one_writer_and_policy_mode_a_gate_that_writes() {
    assert_eq!(
        deploying("manage", "effect: DeployIfNotExists"),
        "environments/dev.yaml:18:3 two writers of one feature: `images` deploys the Azure Policy add-on too
  set `policyAddon: {mode: policy}` to leave it to the gate, or do without the gate's member with definition a8eff44f-8c92-45c3-a3fb-9880802d67a7"
    );
    assert_eq!(deploying("policy", "effect: DeployIfNotExists"), "");
    assert_eq!(deploying("require", "effect: DeployIfNotExists"), "");
    assert_eq!(deploying("manage", "effect: Disabled"), "");
    assert_eq!(deploying("manage", ""), "", "a member that says nothing is off");
    for effect in ["effect: Disabled", ""] {
        assert_eq!(
            deploying("policy", effect),
            "warning: environments/dev.yaml:18:3 nothing deploys it: no gate of this environment deploys the Azure Policy add-on
  add a gate whose initiative has a member with definition a8eff44f-8c92-45c3-a3fb-9880802d67a7 and `effect: DeployIfNotExists`, unless an assignment of somebody else does it"
        );
    }
}

#[test]
fn a_gate_of_kind_enablement_deploys_what_its_members_do_not_turn_off() {
    let told = |effect: &str| {
        let mut files = with("clusters:\n  policyAddon: {mode: manage}\n");
        let images = files
            .iter_mut()
            .find(|file| file.path.ends_with("images.yaml"))
            .unwrap();
        images.content = format!(
            "displayName: x\nkind: enablement\nmembers:\n  - {{ref: addon, definition: a8eff44f-8c92-45c3-a3fb-9880802d67a7, version: 4.*.*{effect}}}\n"
        )
        .into_bytes();
        let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
        let text = String::from_utf8(dev.content.clone()).unwrap();
        dev.content = format!("location: westeurope\n{text}").into_bytes();
        wrong(&files)
    };
    let twice = "two writers of one feature: `images` deploys the Azure Policy add-on too";
    assert!(told("").contains(twice), "{}", told(""));
    assert!(!told(", parameters: {effect: Disabled}").contains("two writers"));
}

#[test]
fn so_many_clusters_are_changed_at_once_as_is_stated_and_at_least_one() {
    let stated = |text: &str| with(&format!("clusters:\n  policyAddon: {{mode: manage}}\n{text}"));
    let at_once = |text: &str| {
        let (estate, diagnostics) = load(&without_plan_sensor(stated(text)), Catalog::embedded());
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        estate.unwrap().environments["dev"].clusters_at_once()
    };
    assert_eq!(at_once(""), 20);
    assert_eq!(at_once("  atOnce: 3\n"), 3);
    let (_, diagnostics) = load(&without_plan_sensor(stated("  atOnce: 0\n")), Catalog::embedded());
    let summaries: Vec<&str> = diagnostics.iter().map(|found| found.summary.as_str()).collect();
    assert_eq!(summaries, ["out of range"]);
}
