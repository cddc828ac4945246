//! `aksgate egress`

use crate::forms;
use crate::harness::Folder;
use serde_json::{Value, json};

/// The firewall policy that a new sandbox has: it lets the Azure Policy add-on through, and not the sensor.
const HUB: &str = "/subscriptions/0a000000-0000-4000-8000-000000000003/resourceGroups/rg-hub/providers/Microsoft.Network/firewallPolicies/hub";

/// The verdicts of a check as `fqdn verdict`, but for what gets through.
fn missing(document: &Value) -> Vec<String> {
    let answers = document["check"]["answers"].as_array().unwrap().iter();
    let text = |answer: &Value, key: &str| answer[key].as_str().unwrap().to_owned();
    answers
        .map(|answer| (text(answer, "fqdn"), text(answer, "verdict")))
        .filter(|(_, verdict)| verdict != "allowed")
        .map(|(name, verdict)| format!("{name} {verdict}"))
        .collect()
}

#[test]
fn what_the_sensor_needs_is_missing_until_a_rule_lets_it_through() {
    let folder = Folder::shipped();
    forms::check(
        &folder,
        "egress-check",
        &format!("egress prod --sandbox --check {HUB}"),
        2,
    );
    let line = format!("egress prod --sandbox --check {HUB} --format json");
    let document = folder.run(&line).expect(2).json();
    assert_eq!(
        (
            &document["command"],
            &document["outcome"],
            &document["exitCode"],
            &document["formatVersion"]
        ),
        (&json!("egress"), &json!("missing"), &json!(2), &json!(1))
    );
    assert_eq!(
        missing(&document),
        [
            "*.cloud.defender.microsoft.com missing",
            "*.ods.opinsights.azure.com missing",
            "*.oms.opinsights.azure.com missing",
        ]
    );
    // The rules that the answer names are put into the policy's group.
    folder.tamper("/firewallpolicies/hub/rulecollectiongroups/aks", |group| {
        let mut rules = document["rules"].as_array().unwrap().clone();
        for rule in &mut rules {
            rule["sourceAddresses"] = json!(["10.20.0.0/16"]);
        }
        let known = group["properties"]["ruleCollections"][0]["rules"]
            .as_array_mut()
            .unwrap();
        known.extend(rules);
    });
    let document = folder.run(&line).expect(0).json();
    assert_eq!((missing(&document), &document["outcome"]), (vec![], &json!("done")));
    // For clusters in another subnet these rules do nothing.
    let elsewhere = folder.run(&format!("{line} --source 10.30.0.0/16")).expect(2).json();
    assert_eq!(missing(&elsewhere).len(), elsewhere["needs"].as_array().unwrap().len());
    folder.run(&format!("{line} --source 10.20.8.0/21")).expect(0);
}

#[test]
fn every_form_says_what_has_to_get_through() {
    let folder = Folder::shipped();
    forms::check(&folder, "egress", "egress prod --sandbox", 0);
    folder.run("egress prod --sandbox --format markdown").expect(0).prints(&[
        "## Egress of prod",
        "| `data.policy.core.windows.net:443` | [fetch policies, report compliance](https://learn.microsoft.com/azure/aks/outbound-rules-control-egress) | policy add-on |",
    ]);
    let document = folder.run("egress prod --sandbox --format json").expect(0).json();
    assert_eq!(document["counted"].as_array().unwrap().len(), 1);
    assert_eq!(document["check"], Value::Null);
    let all = folder.run("egress prod --sandbox --all --format json").expect(0).json();
    assert_eq!(all["counted"].as_array().unwrap().len(), 3);
    let bicep = folder
        .run("egress prod --sandbox --as bicep --source 10.20.0.0/16")
        .expect(0);
    bicep.prints(&[
        "param sourceAddresses array = ['10.20.0.0/16']",
        "'*.hcp.westeurope.azmk8s.io'",
    ]);
    let az = folder.run("egress prod --sandbox --as az").expect(0);
    az.prints(&[
        "az network firewall policy rule-collection-group create",
        "--source-addresses $SOURCES",
    ]);
    assert_eq!(folder.state()["revision"], 1, "nothing is changed");
}

#[test]
fn a_list_of_names_does_as_well() {
    let folder = Folder::shipped();
    folder.write(
        "names.txt",
        "*.microsoft.com # widely\n*.core.windows.net:443\n*.azure.com\n",
    );
    let document = folder
        .run("egress prod --sandbox --check-file names.txt --format json")
        .expect(2)
        .json();
    let missing = missing(&document);
    assert!(missing.contains(&"login.windows.net missing".to_owned()), "{missing:?}");
    assert!(!missing.iter().any(|name| name.contains("opinsights")), "{missing:?}");
    folder.write("all.txt", "*\n");
    folder
        .run("egress prod --sandbox --check-file all.txt")
        .expect(0)
        .prints(&["All 12 names get through."]);
    folder.write("odd.txt", "a.com\nhttps://b.com/\n");
    folder
        .run("egress prod --sandbox --check-file odd.txt")
        .expect(1)
        .says(&["`odd.txt` is no list of names", "line 2: `https://b.com/`"]);
}

#[test]
fn the_way_out_of_a_cluster_decides() {
    let folder = Folder::shipped();
    folder.write("all.txt", "*\n");
    // In `dev` no cluster is behind anything.
    let run = folder.run("egress dev --sandbox --check-file all.txt").expect(0);
    run.prints(&["so nothing was compared"]);
    folder.run("sandbox cluster aks-dev-weu-01 --outbound block").expect(0);
    let run = folder.run("egress dev --sandbox --check-file all.txt").expect(2);
    run.prints(&[
        "block: AKS stops everything, whatever a firewall allows",
        "BLOCKED  aks-dev-weu-01",
        "nothing leaves 1 cluster",
    ]);
    folder
        .run("egress dev --sandbox --check-file all.txt --cluster aks-dev-neu-01")
        .expect(0);
    folder.run("sandbox cluster aks-dev-weu-01 --outbound none").expect(0);
    folder.run("egress dev --sandbox --check-file all.txt").expect(0);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let folder = Folder::shipped();
    for (line, code, words) in [
        ("--check hub", 64, "`hub` is not the id of an Azure Firewall policy"),
        ("--cluster aks-prod-weu-02", 1, "did you mean `aks-prod-weu-01`?"),
        ("--source 10.0.0.0/40", 64, "write it like `10.20.0.0/16`"),
        ("--as bicep --format markdown", 64, "`--as` prints rules"),
        ("--check-file none.txt", 1, "there is no such file"),
    ] {
        folder
            .run(&format!("egress prod --sandbox {line}"))
            .expect(code)
            .says(&[words]);
    }
    let other = HUB.replace("/hub", "/other");
    let run = folder.run(&format!("egress prod --sandbox --check {other}")).expect(1);
    run.says(&["ResourceNotFound"]);
}
