//! Tests of the whole core through requests.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::seed::SeedOptions;
use super::testing::{Client, DEV, GROUP, PROD, TEST, names, target};
use super::{Request, Sandbox};

#[test]
fn requests_need_a_token_of_this_sandbox() {
    let mut sandbox = Sandbox::seed(&SeedOptions::default());
    let other = Sandbox::seed(&SeedOptions {
        entropy: 1,
        ..SeedOptions::default()
    });
    let mut code = |authorization: Option<String>| {
        let mut request = Request::new("GET", "/subscriptions?api-version=2022-12-01");
        request
            .headers
            .extend(authorization.map(|value| ("authorization".to_owned(), value)));
        let response = sandbox.handle(request);
        let challenge = response
            .header("www-authenticate")
            .is_some_and(|value| value.starts_with("Bearer "));
        (
            response.status,
            response.value()["error"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            challenge,
        )
    };
    let foreign = super::token::issue(&other.state, "a", 0);
    assert_eq!(code(None), (401, "AuthenticationFailed".to_owned(), true));
    assert_eq!(
        code(Some(format!("Bearer {foreign}"))),
        (401, "InvalidAuthenticationToken".to_owned(), true)
    );
    assert_eq!(
        code(Some("Basic x".to_owned())),
        (401, "AuthenticationFailed".to_owned(), true)
    );
    let own = super::token::issue(&Sandbox::seed(&SeedOptions::default()).state, "a", 0);
    assert_eq!(code(Some(format!("bearer {own}"))), (200, String::new(), false));
}

#[test]
fn every_answer_carries_the_date_of_the_sandbox_and_request_ids() {
    let mut client = Client::new();
    client.headers = vec![("x-ms-correlation-request-id".to_owned(), "abc".to_owned())];
    let response = client.call("GET", "/subscriptions", None);
    assert_eq!(response.header("Date"), Some("Mon, 04 Jan 2027 08:00:00 GMT"));
    assert_eq!(response.header("x-ms-correlation-request-id"), Some("abc"));
    assert_eq!(response.header("x-ms-ratelimit-remaining-tenant-reads"), Some("249"));
    assert_eq!(response.header("x-ms-request-id").map(str::len), Some(36));
    client.sandbox.advance(3 * 86_400);
    let refused = client.call("GET", &format!("{DEV}/none"), None);
    assert_eq!(
        (refused.status, refused.header("date")),
        (404, Some("Thu, 07 Jan 2027 08:00:00 GMT"))
    );
}

#[test]
fn only_a_change_that_succeeds_moves_the_clock_and_the_revision() {
    let mut client = Client::new();
    let (now, revision) = (client.sandbox.state.now, client.sandbox.state.revision);
    client.get("/subscriptions");
    let plan = format!("{DEV}/providers/Microsoft.Security/pricings/Containers");
    client.call("PUT", &plan, Some(&json!({"properties": {"pricingTier": "Nonsense"}})));
    assert_eq!(
        (client.sandbox.state.now, client.sandbox.state.revision),
        (now, revision)
    );
    client.ok("PUT", &plan, Some(&json!({"properties": {"pricingTier": "Free"}})), 200);
    assert_eq!(
        (client.sandbox.state.now, client.sandbox.state.revision),
        (now + 1, revision + 1)
    );
}

#[test]
fn what_is_not_known_is_refused_in_arms_words() {
    let mut client = Client::new();
    for (method, target, status, code) in [
        ("GET", "/subscriptions?api-version=", 400, "MissingApiVersionParameter"),
        (
            "GET",
            "/subscriptions?api-version=1999-01-01",
            400,
            "InvalidApiVersionParameter",
        ),
        (
            "GET",
            "/providers/Contoso.None/things/x?api-version=2024-01-01",
            404,
            "InvalidResourceNamespace",
        ),
        (
            "GET",
            "/providers/Microsoft.Security/things/x?api-version=2024-01-01",
            404,
            "InvalidResourceType",
        ),
        ("DELETE", "/subscriptions", 405, "HttpMethodNotAllowed"),
        ("GET", "/nonsense", 404, "InvalidResourceType"),
        (
            "GET",
            "/subscriptions/0a000000-0000-4000-8000-0000000000ff",
            404,
            "SubscriptionNotFound",
        ),
    ] {
        client.refused(method, target, None, status, code);
    }
    let text = client.refused(
        "GET",
        &format!("{DEV}/providers/Microsoft.ContainerService/managedClusters?api-version=2019-01-01"),
        None,
        400,
        "NoRegisteredProviderFound",
    );
    assert!(text.contains("2026-05-01"), "the supported versions are named: {text}");
    let broken = super::token::issue(&client.sandbox.state, "", 0);
    let mut request = Request::new(
        "PUT",
        &format!("{DEV}/providers/Microsoft.Security/pricings/Containers?api-version=2024-01-01"),
    );
    request
        .headers
        .push(("authorization".to_owned(), format!("Bearer {broken}")));
    request.body = bytes::Bytes::from_static(b"{");
    assert_eq!(
        client.sandbox.handle(request).value()["error"]["code"],
        "InvalidRequestContent"
    );
}

#[test]
fn subscriptions_groups_and_providers_are_listed() {
    let mut client = Client::new();
    let subscriptions = client.get("/subscriptions");
    assert_eq!(subscriptions["value"].as_array().unwrap().len(), 3);
    assert_eq!(subscriptions["value"][2]["displayName"], "contoso-prod");
    assert_eq!(
        subscriptions["nextLink"], "",
        "the link of this list is there even on the last page"
    );
    assert_eq!(
        client.get(&PROD.to_ascii_uppercase().replace("/SUBSCRIPTIONS", "/Subscriptions"))["state"],
        "Enabled"
    );
    assert_eq!(
        client.names(&format!("{DEV}/resourcegroups?api-version=2024-07-01")),
        ["rg-aks-dev-neu", "rg-aks-dev-weu"]
    );
    assert_eq!(
        client.get(&format!("{DEV}/resourceGroups/RG-AKS-DEV-WEU?api-version=2021-04-01"))["name"],
        "rg-aks-dev-weu"
    );
    let provider = client.get(&format!("{DEV}/providers/microsoft.policyinsights"));
    assert_eq!(provider["registrationState"], "Registered");
    client.ok(
        "POST",
        &format!("{DEV}/providers/Microsoft.PolicyInsights/register"),
        None,
        200,
    );
    assert_eq!(
        client.names(&format!("{DEV}/providers/Microsoft.Authorization/roleAssignments")),
        Vec::<String>::new()
    );
}

#[test]
fn management_groups_show_what_is_below_them_page_by_page() {
    let mut client = Client::new();
    let group = client.get("/providers/Microsoft.Management/managementGroups/CONTOSO?$expand=children&$recurse=true");
    assert_eq!(
        group["properties"]["children"][2]["children"][0]["displayName"],
        "contoso-prod"
    );
    assert!(group["properties"]["details"]["parent"]["name"].is_string());
    let all = "/providers/Microsoft.Management/managementGroups/contoso/descendants";
    let expected = client.names(all);
    assert_eq!(expected.len(), 6);
    let mut found = Vec::new();
    let mut next = Some(format!("{all}?$top=4"));
    while let Some(page) = next {
        let page = client.get(&page);
        found.extend(names(&page));
        next = page["nextLink"].as_str().map(target);
        assert!(found.len() <= 6);
    }
    assert_eq!(found, expected);
    client.refused(
        "GET",
        "/providers/Microsoft.Management/managementGroups/none/descendants",
        None,
        404,
        "NotFound",
    );
    client.refused("GET", &format!("{all}?$top=x"), None, 400, "InvalidTopParameter");
    client.refused("GET", &format!("{all}?$skiptoken=!"), None, 400, "InvalidSkipToken");
}

#[test]
fn pages_lose_nothing_when_something_is_deleted_between_them() {
    let mut client = Client::new();
    let scope = format!("{GROUP}/providers/Microsoft.Authorization/policyDefinitions");
    for index in 0..6 {
        let body = json!({"properties": {"mode": "All", "policyRule": {"if": {"field": "type", "equals": "x"}, "then": {"effect": "audit"}}}});
        client.ok("PUT", &format!("{scope}/d{index}"), Some(&body), 201);
    }
    let list = format!("{scope}?$filter=atExactScope()&$top=3");
    let first = client.get(&list);
    assert_eq!(names(&first), ["d0", "d1", "d2"]);
    client.ok("DELETE", &format!("{scope}/d1"), None, 200);
    let second = client.get(&target(first["nextLink"].as_str().unwrap()));
    assert_eq!(names(&second), ["d3", "d4", "d5"]);
    let third = client.get(&target(second["nextLink"].as_str().unwrap()));
    assert_eq!(names(&third), ["require-cost-center"]);
    assert!(third.get("nextLink").is_none());
}

#[test]
fn defender_plans_show_partial_failure_only_in_the_answer_to_the_put() {
    let mut client = Client::new();
    let plan = format!("{TEST}/providers/Microsoft.Security/pricings/Containers");
    let body = json!({"properties": {"pricingTier": "standard", "extensions": [
        {"name": "containersensor", "isEnabled": "true"},
        {"name": "AgentlessVmScanning", "isEnabled": "True"},
        {"name": "Misspelt", "isEnabled": "True"},
    ]}});
    let answer = client.ok("PUT", &plan, Some(&body), 200);
    assert_eq!(answer["properties"]["pricingTier"], "Standard");
    let status = |answer: &Value, name: &str| {
        let extensions = answer["properties"]["extensions"].as_array().unwrap();
        let found = extensions.iter().find(|extension| extension["name"] == name);
        found.map(|extension| {
            (
                extension["isEnabled"].clone(),
                extension["operationStatus"]["code"].clone(),
            )
        })
    };
    assert_eq!(
        status(&answer, "ContainerSensor"),
        Some((json!("True"), json!("Succeeded")))
    );
    assert_eq!(status(&answer, "Misspelt"), Some((json!("True"), json!("Failed"))));
    let read = client.get(&plan);
    assert_eq!(status(&read, "Misspelt"), None);
    assert_eq!(status(&read, "ContainerSensor"), Some((json!("True"), Value::Null)));
    // It was on, and was left out: a careless client loses it.
    assert_eq!(
        status(&read, "ContainerRegistriesVulnerabilityAssessments"),
        Some((json!("False"), Value::Null))
    );
    assert_eq!(
        read["properties"]["extensions"][2]["additionalExtensionProperties"],
        json!({"ExclusionTags": "[]"})
    );

    let free = client.ok("PUT", &plan, Some(&json!({"properties": {"pricingTier": "free"}})), 200);
    assert_eq!(free["properties"]["pricingTier"], "Free");
    for gone in ["extensions", "enablementTime", "subPlan"] {
        assert!(free["properties"].get(gone).is_none(), "{gone}");
    }
    let on = client.ok(
        "PUT",
        &plan,
        Some(&json!({"properties": {"pricingTier": "Standard"}})),
        200,
    );
    assert_eq!(
        status(&on, "ContainerSensor"),
        Some((json!("True"), json!("Succeeded")))
    );
}

#[test]
fn defender_plans_are_listed_and_bad_bodies_refused() {
    let mut client = Client::new();
    let plans = format!("{PROD}/providers/Microsoft.Security/pricings");
    assert_eq!(client.names(&plans).len(), 15);
    assert_eq!(
        client.names(&format!("{plans}?$filter=name%20in%20(Containers,CloudPosture)")),
        ["CloudPosture", "Containers"]
    );
    let old = client.get(&format!("{plans}/kubernetesservice"));
    assert_eq!(old["properties"]["replacedBy"], json!(["Containers"]));
    let put = |extension: Value| json!({"properties": {"pricingTier": "Standard", "extensions": [extension]}});
    let containers = format!("{plans}/Containers");
    client.refused(
        "PUT",
        &containers,
        Some(&put(json!({"name": "ContainerSensor", "isEnabled": true}))),
        400,
        "InvalidInput",
    );
    client.refused(
        "PUT",
        &containers,
        Some(&json!({"properties": {}})),
        400,
        "InvalidInput",
    );
    client.refused("PUT", &containers, Some(&json!({})), 400, "InvalidRequestContent");
    client.refused("GET", &format!("{plans}/None"), None, 404, "NotFound");
    client.refused(
        "GET",
        &format!("{GROUP}/providers/Microsoft.Security/pricings"),
        None,
        400,
        "InvalidScope",
    );
    client.refused("DELETE", &containers, None, 405, "HttpMethodNotAllowed");
}

#[test]
fn a_defender_plan_keeps_what_was_put_and_nothing_that_only_the_service_says() {
    let mut client = Client::new();
    let plan = format!("{TEST}/providers/Microsoft.Security/pricings/Containers");
    let partial = |client: &mut Client| {
        let key = plan.to_ascii_lowercase();
        let resource = client.sandbox.state.resources.get_mut(&key).unwrap();
        resource["properties"]["resourcesCoverageStatus"] = json!("PartiallyCovered");
    };
    let body = |tier: &str, enforce: &str| {
        json!({"properties": {
            "pricingTier": tier, "enforce": enforce, "inherited": "True", "resourcesCoverageStatus": "NotCovered",
            "extensions": [{"name": "ContainerSensor", "isEnabled": "True", "additionalExtensionProperties": {"Odd": "yes", "N": 1}}],
        }})
    };
    partial(&mut client);
    let answer = client.ok("PUT", &plan, Some(&body("Standard", "False")), 200);
    let properties = &answer["properties"];
    assert_eq!(properties["resourcesCoverageStatus"], "PartiallyCovered");
    assert_eq!(properties["enforce"], "False");
    assert!(properties.get("inherited").is_none());
    let sensor = properties["extensions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["name"] == "ContainerSensor");
    assert_eq!(
        sensor.unwrap()["additionalExtensionProperties"],
        json!({"Odd": "yes", "N": 1})
    );
    for (tier, coverage) in [("Standard", "FullyCovered"), ("Free", "NotCovered")] {
        partial(&mut client);
        let answer = client.ok("PUT", &plan, Some(&body(tier, "true")), 200);
        assert_eq!(answer["properties"]["enforce"], "True");
        assert_eq!(answer["properties"]["resourcesCoverageStatus"], coverage);
    }
}

#[test]
fn exemptions_are_kept_as_they_were_put() {
    let mut client = Client::new();
    let scope = format!("{PROD}/resourceGroups/rg-aks-prod-weu");
    let exemption = format!("{scope}/providers/Microsoft.Authorization/policyExemptions/waiver");
    assert_eq!(
        client.names(&format!("{PROD}/providers/Microsoft.Authorization/policyExemptions")),
        Vec::<String>::new()
    );
    let assignment = format!("{GROUP}/providers/Microsoft.Authorization/policyAssignments/cost-center");
    let body = json!({"properties": {"policyAssignmentId": assignment, "exemptionCategory": "Waiver", "expiresOn": "2027-01-31T00:00:00Z"}});
    client.ok("PUT", &exemption, Some(&body), 201);
    client.ok("PUT", &exemption, Some(&body), 200);
    assert_eq!(client.get(&exemption)["properties"]["exemptionCategory"], "Waiver");
    assert_eq!(
        client.names(&format!("{PROD}/providers/Microsoft.Authorization/policyExemptions")),
        ["waiver"]
    );
    assert_eq!(
        client.names(&format!(
            "{PROD}/providers/Microsoft.Authorization/policyExemptions?$filter=atExactScope()"
        )),
        Vec::<String>::new()
    );
    client.ok("DELETE", &exemption, None, 200);
    client.ok("DELETE", &exemption, None, 204);
    client.refused("GET", &exemption, None, 404, "PolicyExemptionNotFound");
    client.refused(
        "PUT",
        &exemption,
        Some(&json!({"properties": {"policyAssignmentId": assignment, "exemptionCategory": "Other"}})),
        400,
        "InvalidPolicyExemption",
    );
    client.refused(
        "PUT",
        &exemption,
        Some(&json!({"properties": {"policyAssignmentId": "/none", "exemptionCategory": "Waiver"}})),
        404,
        "PolicyAssignmentNotFound",
    );
}

#[test]
fn a_state_survives_being_written_and_read() {
    let mut client = Client::new();
    client.ok(
        "PUT",
        &format!("{DEV}/providers/Microsoft.Security/pricings/Containers"),
        Some(&json!({"properties": {"pricingTier": "Standard"}})),
        200,
    );
    let bytes = client.sandbox.to_bytes().unwrap();
    assert_eq!(Sandbox::from_bytes(&bytes).unwrap().state, client.sandbox.state);
    let newer = String::from_utf8(bytes)
        .unwrap()
        .replacen("\"version\":1", "\"version\":2", 1);
    assert!(newer.starts_with("{\"version\":2,\"instance\":"));
    assert!(Sandbox::from_bytes(newer.as_bytes()).unwrap_err().contains("version 2"));
    assert!(Sandbox::from_bytes(b"nonsense").is_err());
}

/// Words that a path, query or body may be made of, so that chance reaches deep.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "subscriptions",
        "0a000000-0000-4000-8000-000000000001",
        "resourceGroups",
        "rg-aks-dev-weu",
        "providers",
        "Microsoft.Authorization",
        "policyAssignments",
        "policyDefinitions",
        "policySetDefinitions",
        "versions",
        "1.4.0",
        "Microsoft.Management",
        "managementGroups",
        "contoso-prod",
        "descendants",
        "Microsoft.Security",
        "pricings",
        "Containers",
        "Microsoft.ContainerService",
        "managedClusters",
        "aks-dev-weu-01",
        "Microsoft.ResourceGraph",
        "resources",
        "policyExemptions",
        "x",
        "a8640138-9b0a-4a28-b8cb-1666c838647d",
        "locations",
        "operations",
        "%2F",
        "%",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn json_value() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "properties",
        "policyDefinitionId",
        "parameters",
        "value",
        "overrides",
        "selectors",
        "kind",
        "in",
        "policyRule",
        "if",
        "then",
        "effect",
        "details",
        "policyDefinitions",
        "pricingTier",
        "extensions",
        "name",
        "location",
        "tags",
        "query",
        "addonProfiles",
        "azurepolicy",
        "identity",
        "type",
        "metadata",
        "options",
        "$top",
        "agentPoolProfiles",
        "networkProfile",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "Standard",
            "[parameters('x')]",
            "policyEffect",
            "westeurope",
            "SystemAssigned",
            "/providers/Microsoft.Authorization/policySetDefinitions/a8640138-9b0a-4a28-b8cb-1666c838647d",
            "resources | where name == 'x'"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_makes_it_panic_and_every_failure_has_arms_shape(
        method in prop::sample::select(vec!["GET", "PUT", "PATCH", "DELETE", "POST", "HEAD", "NONSENSE"]),
        words in prop::collection::vec(word(), 0..10),
        version in prop::sample::select(vec!["2026-07-01", "2024-01-01", "2026-05-01", "2022-12-01", "2024-04-01", "2023-04-01", "x"]),
        extra in "[$a-z=&%() ']{0,20}",
        body in json_value(),
    ) {
        let mut client = Client::new();
        let path: String = words.iter().map(|word| format!("/{word}")).collect();
        let target = format!("{}?api-version={version}&{extra}", path.replace('?', ""));
        let response = client.send(method, &target, Some(&body));
        if response.status >= 400 {
            let value = response.value();
            prop_assert!(value["error"]["code"].is_string() && value["error"]["message"].is_string());
        }
        prop_assert!(response.header("date").is_some());
    }

    #[test]
    fn no_body_of_a_known_resource_makes_it_panic(
        target in prop::sample::select(vec![
            "/providers/Microsoft.Management/managementGroups/contoso-prod/providers/Microsoft.Authorization/policyAssignments/cost-center",
            "/subscriptions/0a000000-0000-4000-8000-000000000003/providers/Microsoft.Authorization/policyAssignments/x",
            "/subscriptions/0a000000-0000-4000-8000-000000000003/providers/Microsoft.Authorization/policyDefinitions/x",
            "/subscriptions/0a000000-0000-4000-8000-000000000003/providers/Microsoft.Authorization/policySetDefinitions/x",
            "/subscriptions/0a000000-0000-4000-8000-000000000003/providers/Microsoft.Security/pricings/Containers",
            "/subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/rg-aks-dev-weu/providers/Microsoft.ContainerService/managedClusters/aks-dev-weu-01",
            "/providers/Microsoft.ResourceGraph/resources",
        ]),
        method in prop::sample::select(vec!["PUT", "PATCH", "POST"]),
        properties in json_value(),
        query in "(resources|where|project|name|id|==|=~|\\||,|\\(|\\)|'a'|[a-z.!~\\[\\] ])*",
    ) {
        let mut client = Client::new();
        let body = json!({"properties": properties, "location": "westeurope", "query": query, "options": properties, "tags": properties});
        let response = client.call(method, target, Some(&body));
        prop_assert!(response.status < 500);
    }
}
