//! Tests of assignments through requests.

use serde_json::{Value, json};

use super::super::seed::TENANT;
use super::super::testing::{BASELINE, Client, DEV, GROUP, PROD};
use super::testing::{ASSIGNMENTS, DEFINITIONS, LATEST_TAG, assignment, own_set, with};

#[test]
fn an_assignment_is_filled_in_replaced_with_201_and_deleted_with_its_body() {
    let mut client = Client::new();
    let target = format!("{GROUP}{ASSIGNMENTS}/gate");
    let made = client.ok("PUT", &target, Some(&assignment(BASELINE)), 201);
    let properties = &made["properties"];
    assert_eq!(properties["scope"], json!(GROUP));
    assert_eq!(
        (&properties["enforcementMode"], &properties["notScopes"]),
        (&json!("Default"), &json!([]))
    );
    assert_eq!(properties["definitionVersion"], "1.*.*");
    assert!(properties["metadata"]["createdBy"].is_string() && properties["metadata"]["updatedBy"].is_null());
    let instance = properties["instanceId"].clone();
    let changed = with(
        assignment(BASELINE),
        "/properties/parameters",
        "effect",
        json!({"value": "Deny"}),
    );
    let again = client.ok("PUT", &target, Some(&changed), 201);
    assert_eq!(again["properties"]["instanceId"], instance);
    assert!(again["properties"]["metadata"]["updatedBy"].is_string());
    let old = client.get(&format!("{target}?api-version=2022-06-01"));
    assert!(old["properties"].get("instanceId").is_none() && old["properties"].get("definitionVersion").is_none());
    let expanded = client.get(&format!(
        "{target}?$expand=LatestDefinitionVersion,EffectiveDefinitionVersion"
    ));
    assert_eq!(expanded["properties"]["effectiveDefinitionVersion"], "1.4.0");
    assert_eq!(client.ok("DELETE", &target, None, 200)["name"], "gate");
    client.ok("DELETE", &target, None, 204);
    client.refused("GET", &target, None, 404, "PolicyAssignmentNotFound");
    let reborn = client.ok("PUT", &target, Some(&assignment(BASELINE)), 201);
    assert_ne!(
        reborn["properties"]["instanceId"], instance,
        "a new one has a new instance id"
    );
}

#[test]
fn assignments_that_the_service_would_refuse_are_refused() {
    let mut client = Client::new();
    let target = format!("{GROUP}{ASSIGNMENTS}/gate");
    let body = || assignment(BASELINE);
    let parameter = |name: &str, value: Value| with(body(), "/properties/parameters", name, json!({"value": value}));
    let property = |name: &str, value: Value| with(body(), "/properties", name, value);
    let missing = |kind: &str| assignment(&format!("{GROUP}/providers/Microsoft.Authorization/{kind}/none"));
    for (body, status, code) in [
        (json!({"properties": {}}), 400, "InvalidCreatePolicyAssignmentRequest"),
        (missing("policyDefinitions"), 404, "PolicyDefinitionNotFound"),
        (missing("policySetDefinitions"), 404, "PolicySetDefinitionNotFound"),
        (assignment("/nonsense"), 400, "InvalidPolicyDefinitionId"),
        (parameter("none", json!(1)), 400, "UndefinedPolicyParameter"),
        (
            parameter("effect", json!("DENY")),
            400,
            "PolicyParameterValueNotAllowed",
        ),
        (
            parameter("excludedNamespaces", json!("kube-system")),
            400,
            "PolicyParameterValueNotAllowed",
        ),
        (
            property("definitionVersion", json!("9.*.*")),
            400,
            "InvalidPolicyDefinitionVersion",
        ),
        (
            property("definitionVersion", json!("1.4.0")),
            400,
            "InvalidPolicyDefinitionVersion",
        ),
        (
            property("enforcementMode", json!("default")),
            400,
            "InvalidPolicyAssignmentEnforcementMode",
        ),
        (
            property("notScopes", json!([DEV])),
            400,
            "InvalidPolicyAssignmentNotScopes",
        ),
        (
            property("notScopes", json!(vec![PROD; 401])),
            400,
            "InvalidCreatePolicyAssignmentRequest",
        ),
        (
            property("nonComplianceMessages", json!([{}])),
            400,
            "InvalidCreatePolicyAssignmentRequest",
        ),
        (
            property(
                "nonComplianceMessages",
                json!([{"message": "x", "policyDefinitionReferenceId": "none"}]),
            ),
            400,
            "InvalidCreatePolicyAssignmentRequest",
        ),
        (property("unknown", json!(1)), 400, "InvalidRequestContent"),
        (
            with(body(), "", "identity", json!({"type": "SystemAssigned"})),
            400,
            "LocationRequired",
        ),
        (
            with(body(), "", "location", json!("global")),
            400,
            "LocationNotAvailableForResourceType",
        ),
    ] {
        client.refused("PUT", &target, Some(&body), status, code);
    }
    let long = format!("{GROUP}{ASSIGNMENTS}/{}", "n".repeat(25));
    let text = client.refused("PUT", &long, Some(&body()), 400, "InvalidPolicyAssignmentName");
    assert!(text.contains("'24'"), "{text}");
    client.refused("GET", &long, None, 400, "InvalidPolicyAssignmentName");
    client.ok(
        "PUT",
        &format!("{PROD}{ASSIGNMENTS}/{}", "n".repeat(64)),
        Some(&body()),
        201,
    );
    client.refused(
        "PUT",
        &format!("{PROD}{ASSIGNMENTS}/{}", "n".repeat(65)),
        Some(&body()),
        400,
        "InvalidPolicyAssignmentName",
    );
    // `Enroll` came with 2025-01-01.
    client.ok("PUT", &target, Some(&property("enforcementMode", json!("Enroll"))), 201);
    let enroll = format!("{target}?api-version=2024-05-01");
    client.refused(
        "PUT",
        &enroll,
        Some(&property("enforcementMode", json!("Enroll"))),
        400,
        "InvalidPolicyAssignmentEnforcementMode",
    );
    client.refused(
        "PUT",
        &target,
        Some(&assignment(LATEST_TAG)),
        400,
        "InvalidPolicyAssignmentUpdate",
    );
    // A definition of prod cannot be assigned in dev, nor above.
    let own = own_set(&mut client);
    client.refused(
        "PUT",
        &format!("{DEV}{ASSIGNMENTS}/gate"),
        Some(&assignment(&own)),
        400,
        "InvalidCreatePolicyAssignmentRequest",
    );
    client.ok("PUT", &format!("{PROD}{ASSIGNMENTS}/own"), Some(&assignment(&own)), 201);
    // The set takes any text as effect, its member does not.
    let handed = with(
        assignment(&own),
        "/properties/parameters",
        "effect",
        json!({"value": "deny"}),
    );
    client.refused(
        "PUT",
        &format!("{PROD}{ASSIGNMENTS}/own"),
        Some(&handed),
        400,
        "InvalidPolicyParameters",
    );
    client.refused(
        "PUT",
        &format!("{PROD}{ASSIGNMENTS}/direct"),
        Some(&assignment(&format!("{GROUP}{DEFINITIONS}/own"))),
        400,
        "MissingPolicyParameter",
    );
}

#[test]
fn overrides_and_selectors_are_checked() {
    let mut client = Client::new();
    let target = format!("{GROUP}{ASSIGNMENTS}/gate");
    let set = client.get(BASELINE);
    let reference = set["properties"]["policyDefinitions"][0]["policyDefinitionReferenceId"].clone();
    let selector = |kind: &str, values: Value| json!({"kind": kind, "in": values});
    let overrides = |entries: Value| with(assignment(BASELINE), "/properties", "overrides", entries);
    let one = |value: &str, selectors: Value| {
        overrides(json!([{"kind": "policyEffect", "value": value, "selectors": selectors}]))
    };
    let by_reference = selector("policyDefinitionReferenceId", json!([reference]));
    let west = selector("resourceLocation", json!(["westeurope"]));
    let resources = |selectors: Value| {
        with(
            assignment(BASELINE),
            "/properties",
            "resourceSelectors",
            json!([{"name": "ring", "selectors": selectors}]),
        )
    };

    let good = one("Deny", json!([by_reference, west]));
    client.ok("PUT", &target, Some(&good), 201);
    client.ok("PUT", &target, Some(&resources(json!([west]))), 201);
    let ten: Vec<Value> = (0..11)
        .map(|_| json!({"kind": "policyEffect", "value": "Audit", "selectors": [west]}))
        .collect();
    let code = "InvalidPolicyAssignmentSelectors";
    for (body, code) in [
        (one("Block", json!([by_reference])), "InvalidPolicyParameters"),
        (one("DENY", json!([])), "InvalidPolicyParameters"),
        (
            one(
                "Deny",
                json!([selector("policyDefinitionReferenceId", json!(["none"]))]),
            ),
            code,
        ),
        (one("Deny", json!([selector("resourceType", json!(["x"]))])), code),
        (one("Deny", json!([west, west])), code),
        (one("Deny", json!([selector("resourceLocation", json!([]))])), code),
        (
            one("Deny", json!([selector("resourceLocation", json!(vec!["x"; 51]))])),
            code,
        ),
        (
            one(
                "Deny",
                json!([{"kind": "resourceLocation", "in": ["a"], "notIn": ["b"]}]),
            ),
            code,
        ),
        (overrides(json!(ten)), code),
        (overrides(json!([{"kind": "policyVersion", "value": "1.0"}])), code),
        (overrides(json!([{"kind": "policyEffect"}])), code),
        (overrides(json!("x")), "InvalidRequestContent"),
        (
            resources(json!([selector("policyDefinitionReferenceId", json!(["x"]))])),
            code,
        ),
        (
            resources(json!([
                west,
                selector("resourceWithoutLocation", json!(["subscriptionLevelResources"]))
            ])),
            code,
        ),
        (
            resources(json!([{"kind": "resourceRolloutPercentage", "progress": 101}])),
            code,
        ),
    ] {
        client.refused("PUT", &target, Some(&body), 400, code);
    }
    let percent = resources(json!([{"kind": "resourceRolloutPercentage", "progress": 80}]));
    client.ok("PUT", &target, Some(&percent), 201);
    client.refused(
        "PUT",
        &format!("{target}?api-version=2025-01-01"),
        Some(&percent),
        400,
        code,
    );

    let patched = client.ok(
        "PATCH",
        &target,
        Some(&json!({"properties": {"overrides": good["properties"]["overrides"]}})),
        200,
    );
    assert_eq!(patched["properties"]["overrides"], good["properties"]["overrides"]);
    assert_eq!(
        patched["properties"]["resourceSelectors"], percent["properties"]["resourceSelectors"],
        "the rest stays"
    );
    client.refused(
        "PATCH",
        &target,
        Some(&json!({"properties": {"enforcementMode": "DoNotEnforce"}})),
        400,
        "InvalidRequestContent",
    );
    client.refused(
        "PATCH",
        &target,
        Some(&json!({"properties": {"overrides": [{"kind": "policyEffect", "value": "x"}]}})),
        400,
        "InvalidPolicyParameters",
    );
    client.refused(
        "PATCH",
        &format!("{GROUP}{ASSIGNMENTS}/none"),
        Some(&json!({})),
        404,
        "PolicyAssignmentNotFound",
    );
}

#[test]
fn an_identity_needs_a_location_that_never_changes() {
    let mut client = Client::new();
    let target = format!("{PROD}{ASSIGNMENTS}/deploys");
    let dine = client.get(&format!("{DEFINITIONS}?$filter=category%20eq%20'Kubernetes'"))["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|definition| {
            let needs_nothing = definition["properties"]["parameters"]
                .as_object()
                .is_none_or(|all| all.values().all(|one| one.get("defaultValue").is_some()));
            needs_nothing
                && definition
                    .pointer("/properties/policyRule/then/details/roleDefinitionIds")
                    .is_some()
        })
        .map(|definition| definition["id"].as_str().unwrap().to_owned())
        .unwrap();
    client.refused(
        "PUT",
        &target,
        Some(&assignment(&dine)),
        400,
        "ResourceIdentityRequired",
    );
    let body = |location: &str| {
        let body = with(assignment(&dine), "", "identity", json!({"type": "SystemAssigned"}));
        with(body, "", "location", json!(location))
    };
    let made = client.ok("PUT", &target, Some(&body("West Europe")), 201);
    assert_eq!(made["location"], "westeurope");
    assert_eq!(made["identity"]["tenantId"], TENANT);
    let again = client.ok("PUT", &target, Some(&body("westeurope")), 201);
    assert_eq!(
        again["identity"]["principalId"], made["identity"]["principalId"],
        "the principal stays"
    );
    client.refused(
        "PUT",
        &target,
        Some(&body("northeurope")),
        409,
        "InvalidResourceLocation",
    );
    let id = "/subscriptions/x/resourceGroups/y/providers/Microsoft.ManagedIdentity/userAssignedIdentities/z";
    let user = with(
        body("westeurope"),
        "",
        "identity",
        json!({"type": "UserAssigned", "userAssignedIdentities": {id: {}}}),
    );
    let own = client.ok("PUT", &target, Some(&user), 201);
    assert!(own["identity"]["userAssignedIdentities"][id]["principalId"].is_string());
    let two = with(
        user,
        "",
        "identity",
        json!({"type": "UserAssigned", "userAssignedIdentities": {}}),
    );
    client.refused("PUT", &target, Some(&two), 400, "InvalidIdentity");
}

#[test]
fn lists_of_assignments_reach_as_far_as_their_filter_says() {
    let mut client = Client::new();
    let group = format!("{PROD}/resourceGroups/rg-aks-prod-weu");
    let cluster = format!("{group}/providers/Microsoft.ContainerService/managedClusters/aks-prod-weu-01");
    for (scope, name) in [
        (GROUP, "on-group"),
        (PROD, "on-sub"),
        (group.as_str(), "on-rg"),
        (cluster.as_str(), "on-cluster"),
    ] {
        client.ok(
            "PUT",
            &format!("{scope}{ASSIGNMENTS}/{name}"),
            Some(&assignment(BASELINE)),
            201,
        );
    }
    let mut list = |scope: &str, filter: &str| {
        let mut names = client.names(&format!("{scope}{ASSIGNMENTS}{filter}"));
        names.retain(|name| name.starts_with("on-"));
        names
    };
    assert_eq!(list(GROUP, ""), ["on-group"]);
    assert_eq!(
        list(GROUP, "?$filter=atScopeAndBelow()"),
        ["on-group", "on-sub", "on-rg", "on-cluster"]
    );
    assert_eq!(list(PROD, "").len(), 4);
    assert_eq!(list(PROD, "?$filter=atScope()"), ["on-group", "on-sub"]);
    assert_eq!(list(PROD, "?$filter=atExactScope()"), ["on-sub"]);
    assert_eq!(
        list(
            &cluster.to_ascii_uppercase().replace("PROVIDERS", "providers"),
            "?$filter=atExactScope()"
        ),
        ["on-cluster"]
    );
    assert_eq!(list(DEV, ""), Vec::<String>::new());
    let wanted = format!("?$filter=policyDefinitionId%20eq%20'{}'", BASELINE.to_ascii_uppercase());
    assert_eq!(list(PROD, &wanted), ["on-group", "on-sub"]);
    client.refused(
        "GET",
        &format!("{PROD}{ASSIGNMENTS}?$filter=nonsense"),
        None,
        400,
        "InvalidFilterInQueryString",
    );
    let everything = client.names(&format!("{PROD}{ASSIGNMENTS}"));
    assert!(everything.contains(&"SecurityCenterBuiltIn".to_owned()) && everything.contains(&"cost-center".to_owned()));
}

#[test]
fn a_scope_takes_no_more_than_its_quota() {
    let mut client = Client::new();
    for index in 0..200 {
        client.ok(
            "PUT",
            &format!("{DEV}{ASSIGNMENTS}/a{index}"),
            Some(&assignment(LATEST_TAG)),
            201,
        );
    }
    client.refused(
        "PUT",
        &format!("{DEV}{ASSIGNMENTS}/one-more"),
        Some(&assignment(LATEST_TAG)),
        400,
        "PolicyAssignmentQuotaExceeded",
    );
    client.ok(
        "PUT",
        &format!("{DEV}{ASSIGNMENTS}/a0"),
        Some(&assignment(LATEST_TAG)),
        201,
    );
    client.ok(
        "PUT",
        &format!("{DEV}/resourceGroups/rg-aks-dev-weu{ASSIGNMENTS}/elsewhere"),
        Some(&assignment(LATEST_TAG)),
        201,
    );
}
