//! What Policy Insights shows, and when.

use serde_json::{Value, json};

use super::super::inside::{Deed, What};
use super::super::kubernetes::Flaw;
use super::super::seed::SeedOptions;
use super::super::testing::{BASELINE, Client, DEV, GROUP, PROD, TEST, target};

const CLUSTER: &str = "/subscriptions/0a000000-0000-4000-8000-000000000003/resourcegroups/rg-aks-prod-weu/providers/Microsoft.ContainerService/managedClusters/aks-prod-weu-01";
/// As late as an assignment can be seen: five minutes, a pull, a scan, and the way of the report.
const LATEST: u64 = 45 * 60;

fn assign(client: &mut Client, scope: &str, name: &str, definition: &str, effect: &str) -> String {
    let id = format!("{scope}/providers/Microsoft.Authorization/policyAssignments/{name}");
    let body = json!({"properties": {"policyDefinitionId": definition, "parameters": {"effect": {"value": effect}}}});
    client.ok("PUT", &id, Some(&body), 201);
    id
}

fn governed(effect: &str) -> (Client, String) {
    let mut client = Client::new();
    let id = assign(&mut client, GROUP, "baseline", BASELINE, effect);
    client.sandbox.advance(LATEST);
    (client, id)
}

fn ask(client: &mut Client, scope: &str, what: &str, options: &str) -> Value {
    let target = format!(
        "{scope}/providers/Microsoft.PolicyInsights/{what}?api-version=2024-10-01{}",
        options.replace(' ', "%20")
    );
    client.ok("POST", &target, None, 200)
}

fn states(client: &mut Client, scope: &str, options: &str) -> Vec<Value> {
    ask(client, scope, "policyStates/latest/queryResults", options)["value"]
        .as_array()
        .unwrap()
        .clone()
}

fn components(client: &mut Client, scope: &str, options: &str) -> Vec<Value> {
    ask(client, scope, "componentPolicyStates/latest/queryResults", options)["value"]
        .as_array()
        .unwrap()
        .clone()
}

fn done(client: &mut Client, what: What) {
    let at = client.sandbox.state.now;
    client
        .sandbox
        .state
        .inside
        .entry(CLUSTER.to_ascii_lowercase())
        .or_default()
        .push(Deed { at, what });
}

fn state_of(rows: &[Value], member: &str) -> String {
    let row = rows
        .iter()
        .find(|row| row["policyDefinitionReferenceId"] == member.to_ascii_lowercase());
    row.map(|row| row["complianceState"].as_str().unwrap().to_owned())
        .unwrap_or_default()
}

#[test]
fn an_assignment_is_seen_after_the_delays_and_not_before() {
    let mut client = Client::new();
    assign(&mut client, GROUP, "baseline", BASELINE, "Audit");
    for minutes in [0, 5, 9] {
        client.sandbox.advance(minutes * 60);
        assert_eq!(states(&mut client, GROUP, ""), Vec::<Value>::new());
    }
    client.sandbox.advance(LATEST);
    let rows = states(&mut client, GROUP, "");
    assert_eq!(
        rows.len(),
        5,
        "one cluster of prod runs with the add-on, and the baseline has five members"
    );
    for row in &rows {
        assert_eq!(row["resourceId"], CLUSTER);
        assert!(["Compliant", "NonCompliant"].contains(&row["complianceState"].as_str().unwrap()));
        assert!(row["timestamp"].as_str().unwrap() > "2027-01-04T08:05:00");
        assert_eq!(row["policySetDefinitionVersion"], "1.4.0");
    }
    assert_eq!(states(&mut client, TEST, ""), Vec::<Value>::new(), "out of scope");
}

#[test]
fn each_violating_object_has_a_state() {
    let (mut client, _) = governed("Audit");
    let rows = states(&mut client, PROD, "&$filter=complianceState eq 'NonCompliant'");
    assert!(!rows.is_empty());
    let found = components(&mut client, PROD, "");
    let of = |row: &Value| row["policyDefinitionReferenceId"].clone();
    for row in &rows {
        assert!(found.iter().any(|component| of(component) == of(row)), "{row}");
    }
    for component in &found {
        assert_eq!(
            (&component["componentType"], &component["complianceState"]),
            (&json!("Pod"), &json!("NonCompliant"))
        );
        assert!(!component["componentId"].as_str().unwrap().contains("kube-system"));
    }
    let counted = components(
        &mut client,
        PROD,
        "&$apply=groupby((policyDefinitionReferenceId),aggregate($count as count))",
    );
    let total: u64 = counted.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(total, found.len() as u64);
    let expanded = states(
        &mut client,
        CLUSTER,
        "&$expand=components($filter=ComplianceState eq 'NonCompliant')",
    );
    let inside: usize = expanded
        .iter()
        .map(|row| row["components"].as_array().unwrap().len())
        .sum();
    assert_eq!(inside, found.len());
}

#[test]
fn component_states_are_answered_where_azure_answers_them() {
    let (mut client, assignment) = governed("Audit");
    let lower = assign(&mut client, DEV, "dev", BASELINE, "Audit");
    let at = |scope: &str| {
        format!(
            "{scope}/providers/Microsoft.PolicyInsights/componentPolicyStates/latest/queryResults?api-version=2024-10-01"
        )
    };
    let set = format!("{PROD}{BASELINE}");
    for refused in [GROUP, assignment.as_str(), set.as_str()] {
        client.refused("POST", &at(refused), None, 400, "InvalidComponentPolicyStatesScope");
    }
    let definition =
        format!("{PROD}/providers/Microsoft.Authorization/policyDefinitions/95edb821-ddaf-4404-9732-666045e056b4");
    for answered in [
        PROD,
        CLUSTER,
        lower.as_str(),
        definition.as_str(),
        &CLUSTER.replace(
            "/providers/Microsoft.ContainerService/managedClusters/aks-prod-weu-01",
            "",
        ),
    ] {
        client.ok("POST", &at(answered), None, 200);
    }
    client.refused(
        "POST",
        &format!("{}&$skiptoken=1-1", at(PROD)),
        None,
        400,
        "InvalidQueryOption",
    );
    client.refused(
        "POST",
        &format!("{}&$filter=x%20like%20'y'", at(PROD)),
        None,
        400,
        "InvalidQueryOption",
    );
}

#[test]
fn what_is_fixed_turns_compliant_after_scan_and_report() {
    let (mut client, _) = governed("Audit");
    done(
        &mut client,
        What::Added {
            namespace: "shop".to_owned(),
            name: "bad".to_owned(),
            flaw: Flaw::Privileged,
            stalled: false,
        },
    );
    client.sandbox.advance(25 * 60);
    let bad = |client: &mut Client| components(client, PROD, "&$filter=contains(componentName, 'bad-')").len();
    assert_eq!(bad(&mut client), 1);
    done(&mut client, What::Fixed { workload: None });
    client.sandbox.advance(20 * 60);
    assert_eq!(bad(&mut client), 1, "a report covers 45 minutes");
    client.sandbox.advance(50 * 60);
    assert_eq!(bad(&mut client), 0);
    for row in states(&mut client, PROD, "") {
        assert_eq!(row["complianceState"], "Compliant", "{row}");
    }
}

#[test]
fn a_cluster_that_stops_or_falls_silent_has_no_fresh_row() {
    let (mut client, _) = governed("Audit");
    let newest = |client: &mut Client| {
        states(client, PROD, "")
            .first()
            .map(|row| row["timestamp"].as_str().unwrap().to_owned())
    };
    done(&mut client, What::Silent { silent: true });
    client.sandbox.advance(15 * 60);
    let last = newest(&mut client).unwrap();
    client.sandbox.advance(5 * 3600);
    assert_eq!(
        newest(&mut client).unwrap(),
        last,
        "what was there stays as old as it is"
    );
    client.sandbox.advance(20 * 3600);
    assert_eq!(newest(&mut client), None, "and goes after a day");
    done(&mut client, What::Silent { silent: false });
    client.sandbox.advance(30 * 60);
    assert!(newest(&mut client).unwrap() > last);
    let mut document = client.sandbox.state.resource(CLUSTER).unwrap().clone();
    document["properties"]["powerState"]["code"] = json!("Stopped");
    client.sandbox.state.insert(document);
    client.sandbox.advance(30 * 60);
    let stopped = newest(&mut client).unwrap();
    client.sandbox.advance(3 * 3600);
    assert_eq!(newest(&mut client).unwrap(), stopped);
}

#[test]
fn exemptions_conflicts_and_errors_have_states_of_their_own() {
    let (mut client, id) = governed("Audit");
    let exemption = json!({"properties": {"policyAssignmentId": id, "exemptionCategory": "Waiver", "policyDefinitionReferenceIds": ["NoPrivilegedContainers"]}});
    client.ok(
        "PUT",
        &format!("{CLUSTER}/providers/Microsoft.Authorization/policyExemptions/e"),
        Some(&exemption),
        201,
    );
    done(
        &mut client,
        What::Foreign {
            template: "K8sAzureV4AllowedHostPaths".to_owned(),
            there: true,
        },
    );
    assign(
        &mut client,
        PROD,
        "signed",
        "/providers/Microsoft.Authorization/policyDefinitions/cf426bb8-b320-4321-8545-1b784a5df3a4",
        "Audit",
    );
    client.sandbox.advance(LATEST);
    let rows = states(&mut client, PROD, "");
    assert_eq!(state_of(&rows, "NoPrivilegedContainers"), "Exempt");
    assert_eq!(
        rows.iter().filter(|row| row["complianceState"] == "Conflict").count(),
        1,
        "{rows:#?}"
    );
    assert_eq!(state_of(&rows, ""), "Error", "a template that the store does not have");
}

#[test]
fn summaries_count_what_the_rows_say() {
    let (mut client, id) = governed("Audit");
    let rows = states(&mut client, GROUP, "");
    let bad = rows
        .iter()
        .filter(|row| row["complianceState"] == "NonCompliant")
        .count();
    let summary = ask(&mut client, GROUP, "policyStates/latest/summarize", "");
    let results = &summary["value"][0]["results"];
    assert_eq!(
        (&results["nonCompliantResources"], &results["nonCompliantPolicies"]),
        (&json!(1), &json!(bad))
    );
    let assignment = &summary["value"][0]["policyAssignments"][0];
    assert_eq!(assignment["policyAssignmentId"], id.to_ascii_lowercase());
    assert_eq!(assignment["policyDefinitions"].as_array().unwrap().len(), 5);
    let none = ask(&mut client, TEST, "policyStates/latest/summarize", "");
    assert_eq!(
        (
            &none["value"][0]["results"]["resourceDetails"],
            &none["value"][0]["policyAssignments"]
        ),
        (&json!([]), &json!([]))
    );
}

#[test]
fn pages_are_posted_and_of_one_moment() {
    let mut client = Client::with(&SeedOptions {
        clusters: Some(30),
        ..SeedOptions::default()
    });
    assign(&mut client, GROUP, "baseline", BASELINE, "Audit");
    client.sandbox.advance(LATEST);
    let all = states(&mut client, GROUP, "");
    client.sandbox.state.settings.page_size = 7;
    let mut link =
        format!("{GROUP}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults?api-version=2024-10-01");
    let mut paged = Vec::new();
    loop {
        let page = client.ok("POST", &link, None, 200);
        paged.extend(page["value"].as_array().unwrap().clone());
        client.sandbox.advance(60);
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = target(next),
            None => break,
        }
    }
    assert_eq!(paged, all);
    assert_eq!(
        states(
            &mut client,
            GROUP,
            "&$top=3&$select=resourceId&$orderby=resourceId desc"
        )
        .len(),
        3
    );
}

#[test]
fn resource_graph_knows_the_same_later() {
    let mut client = Client::new();
    assign(&mut client, GROUP, "baseline", BASELINE, "Audit");
    let count = |client: &mut Client, kind: &str| {
        client
            .query(&format!(
                "policyresources | where type =~ 'microsoft.policyinsights/{kind}' | project id, properties"
            ))
            .len()
    };
    let mut seen = Vec::new();
    for _ in 0..70 {
        client.sandbox.advance(60);
        let rows = states(&mut client, GROUP, "").len();
        seen.push((rows, count(&mut client, "policystates")));
    }
    let first = |of: &dyn Fn(&(usize, usize)) -> usize| seen.iter().position(|row| of(row) > 0).unwrap();
    assert_eq!(first(&|row| row.1) - first(&|row| row.0), 10, "{seen:?}");
    assert_eq!(
        count(&mut client, "componentpolicystates"),
        components(&mut client, PROD, "").len()
    );
    let rows = client.query("policyresources | where type =~ 'microsoft.authorization/policyassignments'");
    assert!(
        rows.iter()
            .all(|row| row["type"] == "microsoft.authorization/policyassignments")
    );
}

#[test]
fn the_history_has_a_row_for_each_change() {
    let (mut client, _) = governed("Audit");
    done(&mut client, What::Fixed { workload: None });
    client.sandbox.advance(2 * 3600);
    let rows = ask(
        &mut client,
        PROD,
        "policyStates/default/queryResults",
        "&$filter=complianceState eq 'NonCompliant'",
    );
    let was = rows["value"].as_array().unwrap().len();
    assert!(was > 0);
    let now = ask(&mut client, PROD, "policyStates/default/queryResults", "");
    assert_eq!(
        now["value"].as_array().unwrap().len(),
        5 + was,
        "each violated member turned once"
    );
}

#[test]
fn a_large_fleet_is_asked_in_moderate_time() {
    let mut client = Client::with(&SeedOptions {
        clusters: Some(1500),
        ..SeedOptions::default()
    });
    assign(
        &mut client,
        "/providers/Microsoft.Management/managementGroups/contoso",
        "baseline",
        BASELINE,
        "Audit",
    );
    client.sandbox.advance(LATEST);
    let started = crate::clock::Stopwatch::start();
    let summary = ask(
        &mut client,
        "/providers/Microsoft.Management/managementGroups/contoso",
        "policyStates/latest/summarize",
        "",
    );
    let results = &summary["value"][0]["results"]["resourceDetails"];
    let counted: u64 = results
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| detail["count"].as_u64().unwrap())
        .sum();
    assert!(counted > 900, "{results}");
    // Much more than it takes: it is about clusters that are alike sharing their verdicts.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn of_one_policy_and_cluster_five_hundred_objects_are_kept() {
    let (mut client, _) = governed("Audit");
    for index in 0..510 {
        let name = format!("many-{index}");
        done(
            &mut client,
            What::Added {
                namespace: "batch".to_owned(),
                name,
                flaw: Flaw::HostNetwork,
                stalled: false,
            },
        );
    }
    client.sandbox.advance(LATEST);
    let expanded = states(&mut client, CLUSTER, "&$expand=components");
    let most = expanded
        .iter()
        .map(|row| row["components"].as_array().unwrap().len())
        .max();
    assert_eq!(most, Some(500));
}
