//! What is to hold inside the clusters: add-on and sensor in one write, who is selected, and why a cluster is not written.

use crate::harness::{Folder, outline, pending};
use serde_json::{Value, json};

const DEV: &str = "environments/dev.yaml";
const SUBSCRIPTION: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";
const ADDON: &str = "  policyAddon: {mode: manage}\n";

/// The shipped estate, applied, with other words about the clusters of `dev` and without the plan's own sensor.
fn folder(clusters: &str) -> Folder {
    let folder = Folder::shipped();
    folder.edit(DEV, "      ContainerSensor: true\n", "");
    let text = folder.read(DEV);
    folder.write(DEV, text.split("clusters:\n").next().unwrap());
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    state(&folder, clusters);
    folder
}

/// Puts other words about the clusters into the environment.
fn state(folder: &Folder, clusters: &str) {
    let text = folder.read(DEV);
    let before = text.split("clusters:\n").next().unwrap();
    folder.write(DEV, format!("{before}clusters:\n{clusters}"));
}

fn workspace(name: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/rg-security/providers/Microsoft.OperationalInsights/workspaces/{name}")
}

fn sensor(name: &str, more: &str) -> String {
    format!(
        "  defenderSensor: {{mode: manage, workspace: {{westeurope: {}}}{more}}}\n",
        workspace(name)
    )
}

fn cluster(folder: &Folder, name: &str) -> Value {
    let mut found = folder.resources(|id, _| id.ends_with(&format!("/managedclusters/{name}")));
    assert_eq!(found.len(), 1);
    found.remove(0).1
}

/// What is held and what is found, one line each.
fn told(document: &Value) -> Vec<String> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let plan = &document["plan"];
    let held = plan["held"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|held| held["plane"] == "clusters");
    let held = held.map(|held| {
        let why = text(&held["reasons"][0], "sentence");
        format!("{}: {}: {why}", text(held, "subject"), text(held, "what"))
    });
    let findings = plan["findings"].as_array().unwrap().iter();
    let findings = findings.map(|finding| format!("{}: {}", text(finding, "subject"), text(finding, "sentence")));
    held.chain(findings.filter(|line| line.starts_with("aks-") || line.starts_with("gone")))
        .collect()
}

#[test]
fn add_on_and_sensor_are_one_write() {
    let folder = folder(&format!("{ADDON}{}", sensor("one", ", securityGating: true")));
    let plan = folder.plan("dev");
    assert_eq!(outline(&plan), ["update managedCluster tightens"]);
    assert_eq!(
        told(&plan),
        [
            "aks-dev-neu-01: set the Defender sensor: `clusters.defenderSensor.workspace` names no workspace for its region `northeurope`; name one and plan again"
        ]
    );
    let step = &pending(&plan)[0];
    assert_eq!(
        step["after"]["properties"],
        json!({"addonProfiles": {"azurepolicy": {"enabled": true}}, "securityProfile": {"defender": {
            "logAnalyticsWorkspaceResourceId": workspace("one").to_lowercase(),
            "securityMonitoring": {"enabled": true}, "securityGating": {"enabled": true}}}})
    );
    let before = cluster(&folder, "aks-dev-weu-01");
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
    let after = cluster(&folder, "aks-dev-weu-01");
    assert_eq!(
        after["properties"]["securityProfile"]["workloadIdentity"],
        before["properties"]["securityProfile"]["workloadIdentity"]
    );
    assert_eq!(after["properties"]["addonProfiles"]["azurepolicy"]["enabled"], true);
    // Nothing that is taken out of the estate is taken out of Azure.
    state(&folder, ADDON);
    assert!(folder.is_settled("dev"));
    // The events of a cluster that reports elsewhere are missed by those who look here.
    state(&folder, &sensor("two", ""));
    assert_eq!(outline(&folder.plan("dev")), ["update managedCluster weakens"]);
    folder.run("apply dev --sandbox --yes").expect(3);
    folder
        .run("apply dev --sandbox --yes --allow-weakening aks-dev-weu-01 --reason why")
        .expect(0);
    assert!(folder.is_settled("dev"));
}

#[test]
fn who_only_requires_is_told_and_writes_nothing() {
    let required = sensor("one", "").replace("manage", "require");
    let folder = folder(&format!("  policyAddon: {{mode: policy}}\n{required}"));
    let plan = folder.plan("dev");
    assert_eq!(outline(&plan), [""; 0]);
    let lines = told(&plan);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("aks-dev-neu-01: `securityProfile` is absent and is required to be"));
    assert_eq!(
        lines[1],
        "aks-dev-weu-01: `addonProfiles.azurepolicy.enabled` is false and is required to be true; `mode: policy` never writes it"
    );
    assert!(lines[2].starts_with("aks-dev-weu-01: `securityProfile` is absent and is required to be"));
    let gate = &plan["plan"]["held"].as_array().unwrap()[0];
    assert!(gate.to_string().contains("aks-dev-weu-01 (add-on off)"), "{gate}");
}

#[test]
fn each_cluster_that_is_not_written_has_a_reason() {
    let here =
        format!("{SUBSCRIPTION}/resourceGroups/rg-aks-dev-weu/providers/Microsoft.ContainerService/managedClusters");
    let folder = folder(ADDON);
    let lines = |clusters: &str| {
        state(&folder, clusters);
        let plan = folder.plan("dev");
        (outline(&plan).len(), told(&plan))
    };
    assert_eq!(
        lines(&format!(
            "{ADDON}  select: {{ids: [{here}/aks-dev-weu-01, {here}/gone]}}\n"
        )),
        (
            1,
            vec![
                "aks-dev-neu-01: not selected by `clusters.select`: its add-on is left alone".to_owned(),
                format!("gone: named by `clusters.select.ids` and not found in the scope: `{here}/gone`"),
            ]
        )
    );
    assert_eq!(
        lines(&format!(
            "{ADDON}  select: {{scopes: [{}/resourceGroups/rg-aks-dev-neu]}}\n",
            &SUBSCRIPTION[1..]
        )),
        (
            0,
            vec!["aks-dev-weu-01: not selected by `clusters.select`: its add-on is left alone".to_owned()]
        )
    );
    let (steps, held) = lines(&format!("{ADDON}  foreignGatekeeper: [{here}/AKS-dev-weu-01]\n"));
    assert_eq!(steps, 0);
    assert!(held[0].starts_with("aks-dev-weu-01: enable the Azure Policy add-on: `clusters.foreignGatekeeper` says"));
    let mut reasons = Vec::new();
    let changes: [(&str, Value); 4] = [
        ("/properties/powerState/code", json!("Stopped")),
        ("/properties/provisioningState", json!("Deleting")),
        (
            "/properties/agentPoolProfiles",
            json!([{"name": "win", "osType": "Windows"}]),
        ),
        ("/sku/name", json!("Automatic")),
    ];
    for (pointer, value) in changes {
        let change = |value: Value| {
            let mut before = Value::Null;
            folder.tamper("/managedclusters/aks-dev-weu-01", |cluster| {
                let place = cluster.pointer_mut(pointer).unwrap();
                before = std::mem::replace(place, value);
            });
            before
        };
        let before = change(value);
        let (steps, mut held) = lines(ADDON);
        assert_eq!((steps, held.len()), (0, 1), "{held:?}");
        reasons.push(
            held.remove(0)
                .replace("aks-dev-weu-01: enable the Azure Policy add-on: ", ""),
        );
        change(before);
    }
    assert_eq!(
        reasons,
        [
            "the cluster is stopped; start it and plan again",
            "the cluster is being deleted",
            "it has pools of Windows nodes only, and the add-on runs on Linux nodes",
            "AKS Automatic sees to the add-on itself and takes no setting of it",
        ]
    );
    assert_eq!(lines(ADDON), (1, Vec::new()));
}

#[test]
fn a_template_states_no_more_and_no_less_of_a_cluster_than_is_asked_for() {
    let template = "templates/managedCluster.json.hbs";
    let folder = folder(&sensor("one", ""));
    let text = folder.read(template);
    folder.write(
        template,
        text.replace(
            "{{#if cluster.policyAddon}}\"addon",
            "{{#if cluster.defenderSensor}}\"addon",
        )
        .replace("{{#if cluster.policyAddon}}{{#if", "{{#if cluster.id}}{{#if"),
    );
    folder.run("plan dev --sandbox").expect(1).says(&[
        "template `managedCluster.json.hbs` sets `properties.addonProfiles`, which the environment does not state",
    ]);
    state(&folder, ADDON);
    folder
        .run("plan dev --sandbox")
        .expect(1)
        .says(&["template `managedCluster.json.hbs` leaves out `properties.addonProfiles.azurepolicy.enabled`"]);
}

#[test]
fn safeguards_are_set_after_the_add_on_and_their_enforcement_is_marked() {
    let folder = folder(&format!(
        "{ADDON}  safeguards: {{mode: manage, level: Warn, podSecurity: Baseline, excludeNamespaces: [ingress]}}\n"
    ));
    let plan = folder.plan("dev");
    assert_eq!(
        outline(&plan),
        [
            "update managedCluster tightens",
            "create deploymentSafeguards tightens",
            "create deploymentSafeguards tightens"
        ]
    );
    let steps = pending(&plan);
    let of = |cluster: &str| {
        let id = format!("/{cluster}/providers/Microsoft.ContainerService/deploymentSafeguards/default");
        steps
            .iter()
            .find(|step| step["object"].as_str().unwrap().ends_with(&id))
            .unwrap()
    };
    assert_eq!(of("aks-dev-weu-01")["dependsOn"], json!([steps[0]["id"]]));
    assert_eq!(of("aks-dev-neu-01")["dependsOn"], json!([]));
    let overlap = "5 of its 5 definitions are rules of the deployment safeguards too (aks-dev-neu-01, aks-dev-weu-01): each is judged";
    assert!(plan["plan"]["findings"].to_string().contains(overlap), "{plan:#}");
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["  + create deployment safeguards aks-dev-weu-01  tightens\n"]);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
    let made = folder.resources(|id, _| id.ends_with("/deploymentsafeguards/default"));
    assert_eq!(made.len(), 2);
    assert_eq!(
        made[0].1["properties"]["systemExcludedNamespaces"],
        json!(["kube-system", "gatekeeper-system"])
    );

    state(
        &folder,
        &format!("{ADDON}  safeguards: {{mode: manage, level: Enforce}}\n"),
    );
    let plan = folder.plan("dev");
    assert_eq!(outline(&plan), ["update deploymentSafeguards tightens"; 2]);
    assert!(
        told(&plan)
            .iter()
            .filter(|line| line.contains(": ENFORCES: the deployment safeguards"))
            .count()
            == 2
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
    let kept = &folder.resources(|id, _| id.ends_with("/deploymentsafeguards/default"))[0].1["properties"];
    assert_eq!(
        kept["excludedNamespaces"],
        json!(["ingress"]),
        "what is not stated stays"
    );

    state(
        &folder,
        &format!("{ADDON}  safeguards: {{mode: manage, level: Warn, excludeNamespaces: []}}\n"),
    );
    assert_eq!(outline(&folder.plan("dev")), ["update deploymentSafeguards weakens"; 2]);
    folder
        .run("apply dev --sandbox --yes")
        .expect(3)
        .says(&["--allow-weakening /subscriptions/"]);
    state(
        &folder,
        &format!("{ADDON}  safeguards: {{mode: require, level: Warn}}\n"),
    );
    let lines = told(&folder.plan("dev"));
    assert_eq!(
        lines[0],
        "aks-dev-neu-01: deployment safeguards: `level` is \"Enforce\" and is required to be \"Warn\"; `mode: require` never writes it"
    );
    // Taken out of the estate, they stay in Azure.
    state(&folder, ADDON);
    assert!(folder.is_settled("dev"));
}

#[test]
fn safeguards_need_the_add_on_and_are_seen_on_automatic_clusters() {
    let folder = folder("  safeguards: {mode: manage, level: Warn}\n");
    let plan = folder.plan("dev");
    assert_eq!(outline(&plan), ["create deploymentSafeguards tightens"]);
    assert_eq!(
        told(&plan),
        [
            "aks-dev-weu-01: set the deployment safeguards to Warn: they need the Azure Policy add-on, which is off there; state `clusters.policyAddon: {mode: manage}`, or have its owner enable it"
        ]
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    folder.tamper("/managedclusters/aks-dev-neu-01", |cluster| {
        cluster["sku"]["name"] = json!("Automatic")
    });
    state(&folder, "  policyAddon: {mode: require}\n");
    let lines = told(&folder.plan("dev"));
    assert_eq!(
        lines[0],
        "aks-dev-neu-01: deployment safeguards stand there at Warn: AKS Automatic has them always, and this environment does not state them, so they are left alone"
    );
}

#[test]
fn arc_connected_clusters_get_the_extension_once_and_keep_it() {
    let arc = "  arc: {policyExtension: {mode: manage}}\n";
    let folder = Folder::shipped();
    folder.run("sandbox reset --arc 7").expect(0);
    state(&folder, ADDON);
    folder.run("apply dev --sandbox --yes --quiet").expect(0);
    let told = |folder: &Folder| -> Vec<String> {
        let plan = folder.plan("dev");
        let mut lines = told(&plan);
        lines.extend(outline(&plan));
        lines
    };
    assert_eq!(told(&folder), [""; 0], "not looked at unless stated");
    state(&folder, &format!("{ADDON}{arc}"));
    assert_eq!(outline(&folder.plan("dev")), ["create kubernetesExtension tightens"; 3]);
    let gate = folder.plan("dev")["plan"]["held"].to_string();
    assert!(gate.contains("arc-dev-01 (Arc, no policy extension)"), "{gate}");
    folder.tamper("/connectedclusters/arc-dev-02", |cluster| {
        cluster["properties"]["connectivityStatus"] = json!("Offline");
    });
    state(&folder, &format!("{ADDON}{}", arc.replace("manage", "require")));
    let plan = folder.plan("dev");
    assert_eq!(outline(&plan), [""; 0]);
    let finding = "it has no policy extension, and is required to; `mode: require` never writes it";
    assert!(plan["plan"]["findings"].to_string().contains(finding));
    state(&folder, &format!("{ADDON}{arc}"));
    folder.run("plan dev --sandbox").expect(0).prints(&[
        "  + create Arc extension arc-dev-01  tightens\n",
        "  arc-dev-02: install the Azure Policy extension\n    state     its state is `Offline`",
    ]);
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
    // An AKS cluster that is connected besides has its add-on.
    folder.tamper("/connectedclusters/arc-dev-02", |cluster| {
        cluster["properties"]["distribution"] = json!("aks");
        cluster["properties"]["connectivityStatus"] = json!("Connected");
    });
    let plan = folder.plan("dev");
    assert!(folder.is_settled("dev"));
    assert!(
        plan["plan"]["findings"]
            .to_string()
            .contains("would be a second Gatekeeper")
    );
    assert!(!plan["plan"]["held"].to_string().contains("arc-dev"));
    // Whatever its owner does with it, it is there and is left alone.
    folder.tamper(
        "/connectedclusters/arc-dev-01/providers/microsoft.kubernetesconfiguration/extensions/azurepolicy",
        |extension| {
            extension["properties"]["releaseTrain"] = json!("preview");
            extension["properties"]["provisioningState"] = json!("Failed");
        },
    );
    let lines = folder.plan("dev")["plan"]["findings"].to_string();
    assert!(
        lines.contains("its policy extension `azurepolicy` is in state `Failed`"),
        "{lines}"
    );
    assert!(folder.is_settled("dev"));
    state(&folder, ADDON);
    assert!(folder.is_settled("dev"));
}
