//! Tests of clusters and Resource Graph through requests.

use serde_json::{Value, json};

use super::json::{remove, set};
use super::seed::SeedOptions;
use super::testing::{BASELINE, Client, DEV, GROUP, PROD, TEST, names, target};

fn cluster(subscription: &str, group: &str, name: &str) -> String {
    format!("{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}")
}

fn dev() -> String {
    cluster(DEV, "rg-aks-dev-weu", "aks-dev-weu-01")
}

fn enable(mut document: Value) -> Value {
    set(
        &mut document,
        "/properties",
        "addonProfiles",
        json!({"azurepolicy": {"enabled": true, "config": {"version": "v2"}}}),
    );
    document
}

#[test]
fn an_operation_that_ended_lets_later_ones_of_the_same_cluster_end() {
    // Ids of operations are drawn, so that an earlier one may come before or after a later one.
    let mut client = Client::new();
    for _ in 0..8 {
        let before = client.get(&dev());
        client.ok("PUT", &dev(), Some(&enable(before)), 200);
        assert_eq!(client.get(&dev())["properties"]["provisioningState"], "Updating");
        client.sandbox.advance(60);
        assert_eq!(client.get(&dev())["properties"]["provisioningState"], "Succeeded");
    }
}

#[test]
fn the_addon_is_turned_on_by_a_long_running_put() {
    let mut client = Client::new();
    let before = client.get(&dev());
    let etag = before["eTag"].as_str().unwrap().to_owned();
    client.headers = vec![("If-Match".to_owned(), etag.clone())];
    let answer = client.call("PUT", &dev(), Some(&enable(before.clone())));
    assert_eq!((answer.status, answer.header("retry-after")), (200, Some("10")));
    let body = answer.value();
    assert_eq!(body["properties"]["provisioningState"], "Updating");
    assert_ne!(body["eTag"], json!(etag));
    let poll = target(answer.header("azure-asyncoperation").unwrap());
    assert_eq!(client.get(&poll)["status"], "InProgress");
    let text = client.refused("PUT", &dev(), Some(&enable(before.clone())), 409, "OperationNotAllowed");
    assert!(text.contains("Another operation (Updating)"), "{text}");
    client.refused("PATCH", &dev(), Some(&json!({"tags": {}})), 409, "OperationNotAllowed");

    client.sandbox.advance(60);
    let done = client.get(&poll);
    assert_eq!(
        (&done["status"], done["endTime"].is_string()),
        (&json!("Succeeded"), true)
    );
    let after = client.get(&dev());
    assert_eq!(after["properties"]["provisioningState"], "Succeeded");
    assert_ne!(after["eTag"], body["eTag"], "the entity tag changes at the end too");
    let addon = &after["properties"]["addonProfiles"]["azurepolicy"];
    assert_eq!(
        (&addon["enabled"], &addon["config"]["version"]),
        (&json!(true), &json!("v2"))
    );
    let identity = addon["identity"].clone();
    assert!(
        identity["objectId"].is_string(),
        "the service makes an identity for the add-on"
    );
    assert!(after.get("x-operation").is_none());

    // Nothing else moved.
    let mut rest = after.clone();
    remove(&mut rest, "/properties", "addonProfiles");
    for document in [&mut rest, &mut before.clone()] {
        remove(document, "", "eTag");
    }
    let strip = |mut document: Value| {
        remove(&mut document, "", "eTag");
        for pool in document
            .pointer_mut("/properties/agentPoolProfiles")
            .unwrap()
            .as_array_mut()
            .unwrap()
        {
            remove(pool, "", "eTag");
        }
        document
    };
    assert_eq!(strip(rest), strip(before));
    client.headers = vec![("If-Match".to_owned(), etag)];
    client.refused("PUT", &dev(), Some(&after), 412, "PreconditionFailed");
    client.ok("PUT", &dev(), Some(&after), 200);
    assert_eq!(
        client.get(&dev())["properties"]["addonProfiles"]["azurepolicy"]["identity"],
        identity
    );
}

#[test]
fn entity_tag_headers_follow_the_rules() {
    let mut client = Client::new();
    let body = client.get(&dev());
    let missing = cluster(DEV, "rg-aks-dev-weu", "none");
    for (target, headers, status, code) in [
        (dev(), vec![("if-match", "x")], 412, "PreconditionFailed"),
        (dev(), vec![("if-none-match", "x")], 400, "InvalidHeader"),
        (dev(), vec![("if-none-match", "*")], 412, "PreconditionFailed"),
        (
            dev(),
            vec![("if-match", "*"), ("if-none-match", "*")],
            400,
            "InvalidHeader",
        ),
        (missing, vec![("if-match", "*")], 412, "PreconditionFailed"),
    ] {
        client.headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        client.refused("PUT", &target, Some(&body), status, code);
    }
    client.headers = vec![("If-Match".to_owned(), "*".to_owned())];
    client.ok("PUT", &dev(), Some(&body), 200);
}

#[test]
fn a_put_keeps_what_the_caller_leaves_out_and_ignores_what_the_service_owns() {
    let mut client = Client::new();
    let before = client.get(&dev());
    let body = json!({"location": "West Europe", "properties": {
        "provisioningState": "Failed", "fqdn": "evil", "powerState": {"code": "Stopped"},
        "networkProfile": {"networkPlugin": "azure"},
        "securityProfile": {"defender": {"logAnalyticsWorkspaceResourceId": "/w", "securityMonitoring": {"enabled": true}}},
    }});
    client.ok("PUT", &dev(), Some(&body), 200);
    client.sandbox.advance(60);
    let after = client.get(&dev());
    for key in [
        "fqdn",
        "powerState",
        "identityProfile",
        "servicePrincipalProfile",
        "networkProfile",
        "oidcIssuerProfile",
        "resourceUID",
    ] {
        assert_eq!(after["properties"][key], before["properties"][key], "{key}");
    }
    assert_eq!(
        (&after["tags"], &after["identity"]),
        (&before["tags"], &before["identity"])
    );
    assert_eq!(
        after["properties"]["securityProfile"]["defender"]["logAnalyticsWorkspaceResourceId"],
        "/w"
    );
    // An older api-version neither shows nor loses what it does not know.
    let gating = json!({"location": "westeurope", "properties": {"securityProfile": {"defender": {
        "logAnalyticsWorkspaceResourceId": "/w", "securityMonitoring": {"enabled": true}, "securityGating": {"enabled": true}}}}});
    client.ok("PUT", &dev(), Some(&gating), 200);
    client.sandbox.advance(60);
    let old = format!("{}?api-version=2024-09-01", dev());
    let seen = client.get(&old);
    assert!(
        seen.pointer("/properties/securityProfile/defender/securityGating")
            .is_none()
    );
    assert!(seen.get("kind").is_none() && seen["properties"].get("bootstrapProfile").is_none());
    client.ok("PUT", &old, Some(&seen), 200);
    assert!(
        client
            .get(&dev())
            .pointer("/properties/securityProfile/defender/securityGating")
            .is_some()
    );
}

#[test]
fn clusters_that_cannot_be_changed_are_refused() {
    let mut client = Client::new();
    let stopped = cluster(PROD, "rg-aks-prod-eus2", "aks-prod-eus2-01");
    let busy = cluster(TEST, "rg-aks-test-neu", "aks-test-neu-01");
    for target in [&stopped, &busy] {
        let body = client.get(target);
        client.refused("PUT", target, Some(&enable(body)), 409, "OperationNotAllowed");
    }
    client.sandbox.advance(600);
    let body = client.get(&busy);
    assert_eq!(
        body["properties"]["provisioningState"], "Succeeded",
        "the update that was under way has ended"
    );
    client.ok("PUT", &busy, Some(&enable(body)), 200);

    let body = client.get(&dev());
    let property = |key: &str, value: Value| {
        let mut body = body.clone();
        set(&mut body, "/properties", key, value);
        body
    };
    let defender = |workspace: &str, enabled: bool| {
        property(
            "securityProfile",
            json!({"defender": {"logAnalyticsWorkspaceResourceId": workspace, "securityMonitoring": {"enabled": enabled}}}),
        )
    };
    let mut elsewhere = body.clone();
    set(&mut elsewhere, "", "location", json!("eastus2"));
    for (body, status, code) in [
        (property("dnsPrefix", json!("other")), 400, "PropertyChangeNotAllowed"),
        (
            property("addonProfiles", json!({"azurepolicy": {}})),
            400,
            "InvalidParameter",
        ),
        (
            property(
                "addonProfiles",
                json!({"azurepolicy": {"enabled": true}, "azurePolicy": {"enabled": true}}),
            ),
            400,
            "InvalidParameter",
        ),
        (
            property(
                "addonProfiles",
                json!({"azurepolicy": {"enabled": true, "config": {"a": 1}}}),
            ),
            400,
            "InvalidParameter",
        ),
        (defender("", true), 400, "InvalidParameter"),
        (defender("/w", false), 400, "InvalidParameter"),
        (elsewhere, 409, "InvalidResourceLocation"),
        (json!({"properties": {}}), 400, "LocationRequired"),
    ] {
        client.refused("PUT", &dev(), Some(&body), status, code);
    }
    client.refused(
        "GET",
        &cluster(DEV, "rg-aks-dev-weu", "none"),
        None,
        404,
        "ResourceNotFound",
    );
    client.refused("GET", &cluster(DEV, "none", "none"), None, 404, "ResourceGroupNotFound");
    client.refused("DELETE", &dev(), None, 405, "HttpMethodNotAllowed");
    client.refused(
        "GET",
        &format!(
            "{DEV}/providers/Microsoft.ContainerService/locations/westeurope/operations/none?api-version=2017-08-31"
        ),
        None,
        404,
        "OperationNotFound",
    );
}

#[test]
fn patch_changes_tags_only_and_a_new_cluster_is_created() {
    let mut client = Client::new();
    client.refused(
        "PATCH",
        &dev(),
        Some(&json!({"properties": {}})),
        400,
        "InvalidRequestContent",
    );
    client.refused(
        "PATCH",
        &dev(),
        Some(&json!({"tags": {"a": 1}})),
        400,
        "InvalidRequestContent",
    );
    client.ok("PATCH", &dev(), Some(&json!({"tags": {"gates": "off"}})), 200);
    client.sandbox.advance(60);
    assert_eq!(client.get(&dev())["tags"], json!({"gates": "off"}));
    let new = cluster(DEV, "rg-aks-dev-weu", "new");
    let body = json!({"location": "westeurope", "tags": {"a": "b"}, "properties": {"dnsPrefix": "mine"}});
    let made = client.ok("PUT", &new, Some(&body), 201);
    assert_eq!(
        (
            &made["properties"]["provisioningState"],
            &made["properties"]["dnsPrefix"]
        ),
        (&json!("Creating"), &json!("mine"))
    );
    client.sandbox.advance(60);
    assert_eq!(client.get(&new)["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn clusters_are_listed_in_any_casing_page_by_page() {
    let mut client = Client::with(&SeedOptions {
        clusters: Some(30),
        ..SeedOptions::default()
    });
    client.sandbox.state.settings.page_size = 4;
    let mut found = Vec::new();
    let mut next = Some(format!(
        "{}/providers/microsoft.containerservice/MANAGEDCLUSTERS",
        PROD.to_ascii_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions")
    ));
    while let Some(page) = next {
        let page = client.get(&page);
        found.extend(names(&page));
        next = page["nextLink"].as_str().map(target);
    }
    assert_eq!(found.len(), 10);
    assert_eq!(
        client.get(&dev())["id"].as_str().unwrap().to_ascii_lowercase(),
        dev().to_ascii_lowercase()
    );
    assert!(
        client.get(&dev())["id"].as_str().unwrap().contains("/resourcegroups/"),
        "AKS answers with its own casing"
    );
}

const GRAPH: &str = "/providers/Microsoft.ResourceGraph/resources";

#[test]
fn resource_graph_finds_clusters_policies_and_containers() {
    let mut client = Client::new();
    let found = client.query("Resources | where type =~ 'Microsoft.ContainerService/managedClusters' and tags.gates =~ 'on' | project id, name, location, addon = coalesce(properties.addonProfiles.azurepolicy.enabled, properties.addonProfiles.azurePolicy.enabled), power = tostring(properties.powerState.code) | order by id asc");
    assert_eq!(found.len(), 6);
    assert_eq!(found[0]["addon"], Value::Null);
    assert_eq!(found.iter().filter(|row| row["addon"] == true).count(), 2);
    assert_eq!(found.iter().filter(|row| row["power"] == "Stopped").count(), 1);
    let all = client.query("resources | limit 1");
    assert_eq!(
        all[0]["type"], "microsoft.containerservice/managedclusters",
        "types come in lower case"
    );
    assert!(all[0].get("eTag").is_none() && all[0].get("x-operation").is_none());
    assert_eq!(
        client
            .query("resourcecontainers | where type == 'microsoft.resources/subscriptions' | project name")
            .len(),
        3
    );
    client.ok(
        "PUT",
        &format!("{GROUP}/providers/Microsoft.Authorization/policyAssignments/gate"),
        Some(&json!({"properties": {"policyDefinitionId": BASELINE}})),
        201,
    );
    let policies = client.query("policyresources | where type == 'microsoft.authorization/policyassignments' and name == 'gate' | project properties.enforcementMode");
    assert_eq!(policies, [json!({"properties_enforcementMode": "Default"})]);
}

#[test]
fn resource_graph_looks_only_at_the_scopes_asked() {
    let mut client = Client::new();
    let mut count = |table: &str, scope: Value| {
        let mut body = json!({"query": format!("{table} | project id")});
        for (key, value) in scope.as_object().unwrap() {
            set(&mut body, "", key, value.clone());
        }
        client.ok("POST", GRAPH, Some(&body), 200)["totalRecords"].clone()
    };
    assert_eq!(
        count(
            "resources",
            json!({"subscriptions": ["0A000000-0000-4000-8000-000000000001"]})
        ),
        2
    );
    assert_eq!(count("resources", json!({"managementGroups": ["contoso-prod"]})), 3);
    assert_eq!(count("resources", json!({"managementGroups": ["contoso"]})), 7);
    assert_eq!(count("resources", json!({})), 7);
    let prod = "0a000000-0000-4000-8000-000000000003";
    assert_eq!(count("policyresources", json!({"subscriptions": [prod]})), 1);
    assert_eq!(
        count(
            "policyresources",
            json!({"subscriptions": [prod], "options": {"authorizationScopeFilter": "AtScopeAboveAndBelow"}})
        ),
        3
    );
    client.refused(
        "POST",
        GRAPH,
        Some(&json!({"query": "resources", "subscriptions": ["0a000000-0000-4000-8000-00000000000f"]})),
        400,
        "BadRequest",
    );
}

#[test]
fn resource_graph_refuses_an_answer_that_is_too_large() {
    let mut client = Client::new();
    let bag = |of: &str, times: usize| {
        let pairs: Vec<String> = (0..times).map(|n| format!("'{n}', {of}")).collect();
        format!("pack({})", pairs.join(", "))
    };
    // The properties of one cluster, a hundred or ten thousand times over.
    let hundred = bag(&bag("properties", 10), 10);
    let many = bag(&bag(&hundred, 10), 10);
    let ask = |of: &str| json!({"query": format!("resources | where name == 'aks-dev-weu-01' | project of = {of}")});
    assert!(client.call("POST", GRAPH, Some(&ask(&hundred))).body.len() > 100 * 1024);
    let refused = client.call("POST", GRAPH, Some(&ask(&many)));
    let code = refused.value()["error"]["details"][0]["code"].clone();
    assert_eq!((refused.status, code), (400, json!("ResponsePayloadTooLarge")));
}

#[test]
fn resource_graph_gives_a_token_only_for_stable_pages() {
    let mut client = Client::with(&SeedOptions {
        clusters: Some(25),
        ..SeedOptions::default()
    });
    let ask = |query: &str, token: Option<&Value>| {
        let mut body = json!({"query": query, "options": {"$top": 10, "resultFormat": "objectArray"}});
        if let Some(token) = token {
            set(&mut body, "/options", "$skipToken", token.clone());
        }
        body
    };
    let stable = "resources | project id, name | order by id asc";
    let response = client.call("POST", GRAPH, Some(&ask(stable, None)));
    assert!(
        response.header("x-ms-user-quota-remaining").is_some()
            && response.header("x-ms-user-quota-resets-after").is_some()
    );
    let mut found = Vec::new();
    let mut page = response.value();
    loop {
        assert_eq!(
            (&page["totalRecords"], &page["resultTruncated"]),
            (&json!(25), &json!("false"))
        );
        found.extend(page["data"].as_array().unwrap().clone());
        let Some(token) = page.get("$skipToken").cloned() else {
            break;
        };
        page = client.ok("POST", GRAPH, Some(&ask(stable, Some(&token))), 200);
    }
    found.dedup();
    assert_eq!(found.len(), 25);
    for query in [
        "resources | project id",
        "resources | project name | order by name asc",
        "resources | order by id asc | limit 20",
    ] {
        let page = client.ok("POST", GRAPH, Some(&ask(query, None)), 200);
        assert_eq!(
            (&page["resultTruncated"], page.get("$skipToken")),
            (&json!("true"), None),
            "{query}"
        );
    }
    let first = client.ok("POST", GRAPH, Some(&ask(stable, None)), 200);
    client.refused(
        "POST",
        GRAPH,
        Some(&ask(
            "resources | project id | order by id desc",
            Some(&first["$skipToken"]),
        )),
        400,
        "BadRequest",
    );
    let mut table = ask(
        "resources | summarize n = count() by location | order by location asc",
        None,
    );
    set(&mut table, "/options", "resultFormat", json!("table"));
    let data = client.ok("POST", GRAPH, Some(&table), 200)["data"].clone();
    assert_eq!(
        data["columns"],
        json!([{"name": "location", "type": "string"}, {"name": "n", "type": "integer"}])
    );
    assert_eq!(data["rows"][0][0], "eastus2");
}

#[test]
fn resource_graph_names_what_it_does_not_understand() {
    let mut client = Client::new();
    let response = client.call("POST", GRAPH, Some(&json!({"query": "resources\n| parse id with x"})));
    let details = response.value()["error"]["details"].clone();
    assert_eq!(
        (response.status, &response.value()["error"]["code"]),
        (400, &json!("BadRequest"))
    );
    assert_eq!(details[0]["code"], "InvalidQuery");
    assert_eq!(
        (&details[1]["code"], &details[1]["token"], &details[1]["line"]),
        (&json!("InvalidQueryLanguage"), &json!("parse"), &json!(2))
    );
    for body in [
        json!({"query": "healthresources"}),
        json!({"query": "resources", "options": {"$top": 0}}),
        json!({"query": "resources", "options": {"$top": 1001}}),
        json!({"query": "resources", "options": {"resultFormat": "xml"}}),
        json!({"query": "resources", "options": {"authorizationScopeFilter": "x"}}),
        json!({}),
    ] {
        client.refused("POST", GRAPH, Some(&body), 400, "BadRequest");
    }
    client.refused("GET", GRAPH, None, 400, "InvalidRequestContent");
}
