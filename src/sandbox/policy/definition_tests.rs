//! Tests of definitions and sets through requests.

use serde_json::{Value, json};

use super::super::json::{remove, set};
use super::super::testing::{BASELINE, Client, DEV, GROUP, PROD};
use super::testing::{
    ASSIGNMENTS, DEFINITIONS, LATEST_TAG, SETS, assignment, definition, member, own_set, set_of, with,
};

#[test]
fn a_definition_gains_what_the_server_makes_and_keeps_its_maker() {
    let mut client = Client::new();
    let target = format!("{GROUP}{DEFINITIONS}/own");
    let made = client.ok("PUT", &target, Some(&definition()), 201);
    let metadata = &made["properties"]["metadata"];
    assert_eq!(
        metadata["createdBy"],
        json!(client.sandbox.state.principal),
        "the caller's own value is replaced"
    );
    assert_eq!(metadata["createdOn"], "2027-01-04T08:00:01.0000000Z");
    assert_eq!(
        (&metadata["updatedBy"], &metadata["updatedOn"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(made["properties"]["policyType"], "Custom");
    assert_eq!(
        made["properties"]["parameters"]["names"]["type"], "Array",
        "types come back in the service's casing"
    );
    assert_eq!(made["properties"]["versions"], json!(["1.0.0"]));
    assert_eq!(made["systemData"]["createdAt"], "2027-01-04T08:00:01.0000000Z");

    let again = client.ok(
        "PUT",
        &target.to_ascii_uppercase().replace("OWN", "own"),
        Some(&definition()),
        201,
    );
    assert_eq!(
        again["properties"]["metadata"]["createdOn"],
        "2027-01-04T08:00:01.0000000Z"
    );
    assert_eq!(
        again["properties"]["metadata"]["updatedOn"],
        "2027-01-04T08:00:02.0000000Z"
    );
    assert_eq!(again["id"], json!(target));
    assert_eq!(client.get(&target), again);
    assert!(
        client.get(&format!("{target}?api-version=2022-06-01"))["properties"]
            .get("versions")
            .is_none()
    );
    assert_eq!(
        client.names(&format!("{GROUP}{DEFINITIONS}?$filter=atExactScope()")),
        ["own", "require-cost-center"]
    );
    client.ok("DELETE", &target, None, 200);
    client.ok("DELETE", &target, None, 204);
    client.refused("GET", &target, None, 404, "PolicyDefinitionNotFound");
}

#[test]
fn definitions_that_the_service_would_refuse_are_refused() {
    let mut client = Client::new();
    let target = format!("{GROUP}{DEFINITIONS}/own");
    let body = definition;
    let rule = |rule: Value| with(body(), "/properties", "policyRule", rule);
    let kubernetes = |details: Value, effect: &str| {
        json!({"properties": {"mode": "Microsoft.Kubernetes.Data", "policyRule": {
            "if": {"field": "type", "equals": "Microsoft.ContainerService/managedClusters"}, "then": {"effect": effect, "details": details},
        }}})
    };
    let content =
        |text: &str| json!({"sourceType": "Base64Encoded", "content": data_encoding::BASE64.encode(text.as_bytes())});
    let template = content("kind: ConstraintTemplate");
    let pods = |template: &Value, key: &str, value: Value| {
        let mut details = json!({"templateInfo": template, "apiGroups": [""], "kinds": ["Pod"]});
        set(&mut details, "", key, value);
        kubernetes(details, "deny")
    };
    for (body, code) in [
        (json!({}), "InvalidRequestContent"),
        (json!({"properties": {"mode": "All"}}), "InvalidPolicyRule"),
        (rule(json!({"if": {}})), "InvalidPolicyRule"),
        (
            rule(json!({"if": {"field": "name", "in": "[parameters('other')]"}, "then": {"effect": "audit"}})),
            "InvalidPolicyRule",
        ),
        (
            rule(json!({"if": {"field": "name", "in": "[parameters('names')]"}, "then": {"effect": "audit"}})),
            "UnusedPolicyParameters",
        ),
        (
            with(body(), "/properties", "displayName", json!("x".repeat(129))),
            "InvalidRequestContent",
        ),
        (
            with(body(), "/properties", "description", json!("x".repeat(513))),
            "InvalidRequestContent",
        ),
        (
            with(body(), "/properties/metadata", "long", json!("x".repeat(1025))),
            "InvalidRequestContent",
        ),
        (
            with(body(), "/properties", "dispalyName", json!("x")),
            "InvalidRequestContent",
        ),
        (
            with(body(), "/properties", "policyType", json!("BuiltIn")),
            "InvalidPolicyType",
        ),
        (
            with(body(), "/properties", "version", json!("1.0")),
            "InvalidPolicyDefinitionVersion",
        ),
        (
            with(body(), "/properties/parameters/names", "type", json!("List")),
            "InvalidPolicyParameters",
        ),
        (
            with(body(), "/properties/parameters/effect", "defaultValue", json!("audit")),
            "InvalidPolicyParameters",
        ),
        (
            kubernetes(json!({"templateInfo": template, "kinds": ["Pod"]}), "deny"),
            "InvalidPolicyRule",
        ),
        (
            kubernetes(
                json!({"templateInfo": template, "apiGroups": ["*"], "kinds": ["Pod"]}),
                "deny",
            ),
            "InvalidPolicyRule",
        ),
        (
            kubernetes(
                json!({"templateInfo": {"sourceType": "ImageRegistry"}, "apiGroups": [""], "kinds": ["Pod"]}),
                "deny",
            ),
            "InvalidPolicyRule",
        ),
        (
            kubernetes(
                json!({"templateInfo": template, "apiGroups": [""], "kinds": ["Pod"]}),
                "modify",
            ),
            "InvalidPolicyRule",
        ),
        (kubernetes(json!({}), "deny"), "InvalidPolicyRule"),
        (pods(&template, "kinds", json!(["*"])), "InvalidPolicyRule"),
        (pods(&template, "kinds", json!("Pod")), "InvalidPolicyRule"),
        (pods(&template, "values", json!([])), "InvalidPolicyRule"),
        (pods(&template, "labelSelector", json!([])), "InvalidPolicyRule"),
        (pods(&content("x"), "values", json!({})), "InvalidPolicyRule"),
        (
            pods(
                &json!({"sourceType": "Base64Encoded", "content": "%"}),
                "values",
                json!({}),
            ),
            "InvalidPolicyRule",
        ),
        (
            pods(
                &content("kind: ConstraintTemplate\nmetadata.gatekeeper.sh/requires-sync-data: x"),
                "values",
                json!({}),
            ),
            "InvalidPolicyRule",
        ),
    ] {
        client.refused("PUT", &target, Some(&body), 400, code);
    }
    client.ok(
        "PUT",
        &target,
        Some(&kubernetes(
            json!({"templateInfo": template, "apiGroups": [""], "kinds": ["Pod"]}),
            "deny",
        )),
        201,
    );
    client.refused(
        "PUT",
        &format!("{GROUP}{DEFINITIONS}/{}", "n".repeat(65)),
        Some(&body()),
        400,
        "InvalidPolicyDefinitionName",
    );
    client.refused(
        "PUT",
        &format!("{GROUP}{DEFINITIONS}/a.b"),
        Some(&body()),
        400,
        "InvalidPolicyDefinitionName",
    );
    client.refused(
        "PUT",
        &format!("{DEFINITIONS}/own"),
        Some(&body()),
        405,
        "HttpMethodNotAllowed",
    );
    client.refused(
        "PUT",
        &format!("{DEV}/resourceGroups/rg-aks-dev-weu{DEFINITIONS}/own"),
        Some(&body()),
        405,
        "HttpMethodNotAllowed",
    );
    let huge = with(
        body(),
        "/properties/metadata",
        "list",
        json!(vec!["x".repeat(1000); 1100]),
    );
    client.refused("PUT", &target, Some(&huge), 413, "RequestContentTooLarge");
}

#[test]
fn the_parameters_of_a_definition_can_grow_only_with_a_default() {
    let mut client = Client::new();
    let own = own_set(&mut client);
    let target = format!("{GROUP}{DEFINITIONS}/own");
    let mut dropped = definition();
    remove(&mut dropped, "/properties/parameters", "effect");
    set_effect(&mut dropped, "audit");
    let text = client.refused("PUT", &target, Some(&dropped), 400, "InvalidPolicyParameterUpdate");
    assert!(text.contains("'effect' were not found"), "{text}");
    let grown = |parameter: Value| {
        let mut body = with(definition(), "/properties/parameters", "more", parameter);
        set(
            &mut body,
            "/properties/policyRule/if",
            "like",
            json!("[parameters('more')]"),
        );
        body
    };
    client.refused(
        "PUT",
        &target,
        Some(&grown(json!({"type": "String"}))),
        400,
        "InvalidPolicyParameterUpdate",
    );
    client.ok(
        "PUT",
        &target,
        Some(&grown(json!({"type": "String", "defaultValue": "x"}))),
        201,
    );
    let retyped = with(
        grown(json!({"type": "Integer", "defaultValue": 1})),
        "/properties/parameters/names",
        "type",
        json!("Array"),
    );
    client.refused("PUT", &target, Some(&retyped), 400, "InvalidPolicyParameterUpdate");

    let members = json!([member("own", json!({"names": {"value": ["x"]}}))]);
    let without = json!({"properties": {"policyDefinitions": members}});
    client.refused("PUT", &own, Some(&without), 400, "InvalidPolicySetParameterUpdate");
}

fn set_effect(body: &mut Value, effect: &str) {
    set(body, "/properties/policyRule/then", "effect", json!(effect));
}

#[test]
fn what_is_in_use_cannot_be_deleted() {
    let mut client = Client::new();
    let set = own_set(&mut client);
    let definition = format!("{GROUP}{DEFINITIONS}/own");
    let assigned = format!("{PROD}{ASSIGNMENTS}/gate");
    client.ok("PUT", &assigned, Some(&assignment(&set)), 201);
    client.refused("DELETE", &definition, None, 400, "InvalidDeletePolicyDefinitionRequest");
    let text = client.refused("DELETE", &set, None, 400, "InvalidDeletePolicySetDefinitionRequest");
    assert!(text.contains(&assigned), "the user is named: {text}");
    client.ok("DELETE", &assigned, None, 200);
    client.ok("DELETE", &set, None, 200);
    client.ok("DELETE", &definition, None, 200);
    client.refused(
        "DELETE",
        &format!("{GROUP}{DEFINITIONS}/require-cost-center"),
        None,
        400,
        "InvalidDeletePolicyDefinitionRequest",
    );
}

#[test]
fn a_set_is_filled_in_and_its_members_are_checked() {
    let mut client = Client::new();
    let target = own_set(&mut client);
    let built_in =
        json!({"policyDefinitionId": LATEST_TAG, "parameters": {"effect": {"value": "[parameters('effect')]"}}});
    let own = member("own", json!({"names": {"value": ["x"]}}));
    let made = client.ok("PUT", &target, Some(&set_of(json!([built_in, own]))), 200);
    let filled = &made["properties"]["policyDefinitions"][0];
    assert!(
        filled["policyDefinitionReferenceId"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .is_ok(),
        "a long number is made up"
    );
    assert_eq!(filled["definitionVersion"], "2.*.*");
    let expanded = client.get(&format!(
        "{target}?$expand=LatestDefinitionVersion,%20EffectiveDefinitionVersion"
    ));
    assert_eq!(
        expanded["properties"]["policyDefinitions"][0]["effectiveDefinitionVersion"],
        "2.0.1"
    );
    assert_eq!(
        expanded["properties"]["policyDefinitions"][1]["latestDefinitionVersion"],
        "1.0.0"
    );

    let one = |member: Value| set_of(json!([member]));
    for (body, status, code) in [
        (set_of(json!([])), 400, "InvalidCreatePolicySetDefinitionRequest"),
        (one(member("none", json!({}))), 404, "PolicyDefinitionNotFound"),
        (
            one(json!({"policyDefinitionId": BASELINE})),
            400,
            "InvalidCreatePolicySetDefinitionRequest",
        ),
        (
            one(json!({"policyDefinitionId": "nonsense"})),
            400,
            "InvalidPolicyDefinitionId",
        ),
        (one(member("own", json!({}))), 400, "MissingPolicyParameter"),
        (
            one(member("own", json!({"names": {"value": ["x"]}, "other": {"value": 1}}))),
            400,
            "UndefinedPolicyParameter",
        ),
        (
            one(member("own", json!({"names": {"value": "[parameters('other')]"}}))),
            400,
            "UndefinedPolicyParameter",
        ),
        (
            one(member("own", json!({"names": {"value": "[parameters('effect')]"}}))),
            400,
            "InvalidPolicyParameters",
        ),
        (
            one(member(
                "own",
                json!({"names": {"value": ["x"]}, "effect": {"value": "deny"}}),
            )),
            400,
            "PolicyParameterValueNotAllowed",
        ),
        (
            one(member("own", json!({"names": ["x"]}))),
            400,
            "InvalidRequestContent",
        ),
        (
            one(with(
                member("own", json!({"names": {"value": ["x"]}})),
                "",
                "definitionVersion",
                json!("7.*.*"),
            )),
            400,
            "InvalidPolicyDefinitionVersion",
        ),
        (
            one(with(
                member("own", json!({"names": {"value": ["x"]}})),
                "",
                "groupNames",
                json!(["none"]),
            )),
            400,
            "InvalidCreatePolicySetDefinitionRequest",
        ),
        (
            set_of(json!([
                member("own", json!({"names": {"value": []}})),
                member("OWN", json!({"names": {"value": []}}))
            ])),
            400,
            "InvalidCreatePolicySetDefinitionRequest",
        ),
    ] {
        client.refused("PUT", &target, Some(&body), status, code);
    }
    // A default of the set that a member does not take.
    let bad_default = with(
        set_of(json!([member(
            "own",
            json!({"names": {"value": []}, "effect": {"value": "[parameters('effect')]"}})
        )])),
        "/properties/parameters/effect",
        "defaultValue",
        json!("deny"),
    );
    client.refused("PUT", &target, Some(&bad_default), 400, "InvalidPolicyParameters");
    // A member from a scope beside or below cannot be used.
    let elsewhere = format!("/providers/Microsoft.Management/managementGroups/contoso{SETS}/s");
    client.refused(
        "PUT",
        &elsewhere,
        Some(&set_of(json!([member("own", json!({"names": {"value": []}}))]))),
        400,
        "InvalidCreatePolicySetDefinitionRequest",
    );
    client.refused(
        "GET",
        &format!("{GROUP}{SETS}/none"),
        None,
        404,
        "PolicySetDefinitionNotFound",
    );
}

#[test]
fn built_ins_are_read_at_the_tenant_with_their_versions() {
    let mut client = Client::new();
    let set = client.get(BASELINE);
    assert_eq!(set["properties"]["policyType"], "BuiltIn");
    assert_eq!(
        client.get(&format!("{BASELINE}/versions/1.4.0"))["type"],
        "Microsoft.Authorization/policySetDefinitions/versions"
    );
    assert_eq!(client.names(&format!("{BASELINE}/versions")), ["1.4.0"]);
    client.refused(
        "GET",
        &format!("{BASELINE}/versions/9.9.9"),
        None,
        404,
        "PolicySetDefinitionVersionNotFound",
    );
    let old = format!("{DEFINITIONS}/47a1ee2f-2a2a-4576-bf2a-e0e36709c2b8");
    let (newest, older) = (client.get(&old), client.get(&format!("{old}/versions/5.2.0")));
    assert_eq!(older["properties"]["version"], "5.2.0");
    assert_ne!(newest["properties"]["version"], older["properties"]["version"]);
    let name = BASELINE.rsplit('/').next().unwrap();
    client.refused(
        "GET",
        &format!("{DEV}{SETS}/{name}"),
        None,
        404,
        "PolicySetDefinitionNotFound",
    );
    let all = client.names(&format!("{DEV}{DEFINITIONS}"));
    assert!(
        all.len() > 100 && !all.contains(&"require-cost-center".to_owned()),
        "prod's own are not dev's"
    );
    assert!(
        client
            .names(&format!("{PROD}{DEFINITIONS}"))
            .contains(&"require-cost-center".to_owned())
    );
    let custom = client.names(&format!("{PROD}{DEFINITIONS}?$filter=policyType%20eq%20'Custom'"));
    assert_eq!(custom, ["require-cost-center"]);
    client.refused(
        "GET",
        &format!("{PROD}{DEFINITIONS}?$filter=nonsense"),
        None,
        400,
        "InvalidFilterInQueryString",
    );
    client.refused("DELETE", BASELINE, None, 405, "HttpMethodNotAllowed");
}
