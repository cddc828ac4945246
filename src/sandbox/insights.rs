//! Policy Insights: evaluations and remediations; its compliance states have a file of their own.
//!
//! An evaluation on demand takes its time and changes nothing of what the add-on reports; a remediation ends without having deployed
//! anything.

use serde_json::{Value, json};

use super::address::Address;
use super::error::ArmError;
use super::http::Response;
use super::json::{remove, set, text};
use super::route::{Call, made_at, page};
use super::state::{Operation, State};
use super::{states, time};

const LOWER: &str = "microsoft.policyinsights/remediations";
/// How long an evaluation on demand takes, in seconds; Azure's takes many minutes.
const EVALUATION_SECONDS: i64 = 30;
/// How long a remediation takes, in seconds.
const REMEDIATION_SECONDS: i64 = 60;

/// Answers a request for policy states, for a summary of them, or for an evaluation.
///
/// # Errors
/// 404 for a scope or policy object that does not exist, 405 for another method than POST.
pub fn states(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    if call.request.method != "POST" {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    let kind = call.address.first_name().unwrap_or_default().to_ascii_lowercase();
    let last = call
        .address
        .parts
        .last()
        .map(|(kind, _)| kind.to_ascii_lowercase())
        .unwrap_or_default();
    if last == "triggerevaluation" {
        let scope = state.scope(&call.address.scope)?.id;
        return trigger(state, call, &scope);
    }
    if !["latest", "default"].contains(&kind.as_str()) {
        return Err(ArmError::bad_request(
            "InvalidPolicyStatesResource",
            format!("The policy states resource '{kind}' is invalid. It must be 'latest' or 'default'."),
        ));
    }
    states::answer(state, call, &last)
}

/// Answers a request for the states of objects in clusters.
///
/// # Errors
/// As [`states()`].
pub fn components(state: &State, call: &Call) -> Result<Response, ArmError> {
    if call.request.method != "POST" {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    states::components(state, call)
}

fn trigger(state: &mut State, call: &Call, scope: &str) -> Result<Response, ArmError> {
    // Neither a management group nor a resource can be evaluated on demand.
    let Some(subscription) = scope
        .strip_prefix("/subscriptions/")
        .filter(|_| !scope.contains("/providers/"))
        .and_then(|rest| rest.split('/').next())
    else {
        return Err(ArmError::method_not_allowed("POST"));
    };
    let id = state.guid();
    state.operations.insert(
        id.clone(),
        Operation {
            resource: format!("{}/evaluation", scope.to_ascii_lowercase()),
            started: state.now,
            due: state.now + EVALUATION_SECONDS,
            final_etag: String::new(),
        },
    );
    let location = format!(
        "{}/subscriptions/{subscription}/providers/Microsoft.PolicyInsights/asyncOperationResults/{id}?api-version={}",
        call.request.origin, call.version
    );
    Ok(Response::empty(202).with("location", location).with("retry-after", "1"))
}

/// Answers how an evaluation stands.
///
/// # Errors
/// 404 for one that does not exist or ended long ago.
pub fn evaluation(state: &State, call: &Call) -> Result<Response, ArmError> {
    let mine = state
        .operations
        .get(call.name())
        .filter(|operation| operation.resource.ends_with("/evaluation"));
    let operation = mine.ok_or_else(|| {
        ArmError::not_found(
            "OperationNotFound",
            format!("The operation '{}' is not found.", call.name()),
        )
    })?;
    if operation.due <= state.now {
        return Ok(Response::empty(200));
    }
    let again = format!("{}{}?{}", call.request.origin, call.request.path, call.request.query);
    Ok(Response::empty(202).with("location", again).with("retry-after", "1"))
}

/// Answers a request for remediations.
///
/// # Errors
/// What the service refuses.
pub fn remediations(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let at = state.scope(&call.address.scope)?;
    let method = call.request.method.as_str();
    let not_allowed = || ArmError::method_not_allowed(method);
    let Some(name) = call.address.first_name().map(str::to_owned) else {
        if method != "GET" {
            return Err(not_allowed());
        }
        let here = at.id.to_ascii_lowercase();
        let documents = state
            .of_type(LOWER)
            .filter(|(_, document)| state.scope(&made_at(document)).is_ok_and(|made| made.is_within(&here)))
            .map(|(id, document)| (id.clone(), present(state, document)))
            .collect();
        return Ok(Response::json(200, &page(state, call, documents)?));
    };
    let id = format!("{}/providers/Microsoft.PolicyInsights/remediations/{name}", at.id);
    let before = state.resource(&id).cloned();
    let not_found = || ArmError::not_found("RemediationNotFound", format!("The remediation '{name}' is not found."));
    if let [_, (action, _)] = call.address.parts.as_slice() {
        let before = before.ok_or_else(not_found)?;
        return match (method, action.to_ascii_lowercase().as_str()) {
            ("POST", "cancel") => cancel(state, before),
            ("POST", "listdeployments") => Ok(Response::json(200, &json!({"value": []}))),
            _ => Err(not_allowed()),
        };
    }
    match (method, before) {
        ("GET", Some(document)) => Ok(Response::json(200, &present(state, &document))),
        ("GET", None) => Err(not_found()),
        ("DELETE", Some(document)) => {
            state.take(&id);
            Ok(Response::json(200, &present(state, &document)))
        }
        ("DELETE", None) => Ok(Response::empty(204)),
        ("PUT", before) => put(state, call, &id, before.as_ref()),
        _ => Err(not_allowed()),
    }
}

fn put(state: &mut State, call: &Call, id: &str, before: Option<&Value>) -> Result<Response, ArmError> {
    let given = call.body.get("properties").cloned().unwrap_or_default();
    let assignment = text(&given, "/policyAssignmentId");
    let invalid = |why: String| {
        ArmError::bad_request(
            "InvalidCreateRemediationRequest",
            format!("The remediation request is invalid. {why}"),
        )
    };
    let Some(assigned) = state.resource(assignment) else {
        return Err(invalid(format!(
            "The policy assignment '{assignment}' could not be found."
        )));
    };
    let kind = Address::parse(text(assigned, "/properties/policyDefinitionId")).kind();
    let reference = text(&given, "/policyDefinitionReferenceId");
    if kind.ends_with("/policysetdefinitions") && reference.is_empty() {
        return Err(invalid(
            "The 'policyDefinitionReferenceId' is required when remediating a policy set assignment.".to_owned(),
        ));
    }
    let mode = match text(&given, "/resourceDiscoveryMode") {
        "" => "ExistingNonCompliant",
        mode @ ("ExistingNonCompliant" | "ReEvaluateCompliance") => mode,
        other => return Err(invalid(format!("The resource discovery mode '{other}' is invalid."))),
    };
    let now = time::iso(state.now);
    let mut properties = json!({
        "policyAssignmentId": assignment.to_ascii_lowercase(),
        "resourceDiscoveryMode": mode,
        "provisioningState": "Accepted",
        "createdOn": now,
        "lastUpdatedOn": now,
        "resourceCount": 500,
        "parallelDeployments": 10,
        "deploymentStatus": {"totalDeployments": 0, "successfulDeployments": 0, "failedDeployments": 0},
        "correlationId": state.guid(),
    });
    for key in ["filters", "resourceCount", "parallelDeployments", "failureThreshold"] {
        if let Some(value) = given.get(key).filter(|value| !value.is_null()) {
            set(&mut properties, "", key, value.clone());
        }
    }
    if !reference.is_empty() {
        set(&mut properties, "", "policyDefinitionReferenceId", json!(reference));
    }
    let document = json!({
        "id": id,
        "name": id.rsplit('/').next().unwrap_or_default(),
        "type": "Microsoft.PolicyInsights/remediations",
        "properties": properties,
        "systemData": state.system_data(before),
        "x-due": state.now + REMEDIATION_SECONDS,
    });
    state.insert(document.clone());
    let status = if before.is_some() { 200 } else { 201 };
    Ok(Response::json(status, &present(state, &document)))
}

fn cancel(state: &mut State, mut document: Value) -> Result<Response, ArmError> {
    if !["Accepted", "Cancelling"].contains(&text(&present(state, &document), "/properties/provisioningState")) {
        return Err(ArmError::bad_request(
            "InvalidCancelRemediationRequest",
            "A completed remediation cannot be cancelled.",
        ));
    }
    set(&mut document, "/properties", "provisioningState", json!("Cancelling"));
    set(
        &mut document,
        "/properties",
        "lastUpdatedOn",
        json!(time::iso(state.now)),
    );
    state.insert(document.clone());
    Ok(Response::json(200, &present(state, &document)))
}

/// Returns a remediation as it stands now.
fn present(state: &State, document: &Value) -> Value {
    let mut document = document.clone();
    let due = remove(&mut document, "", "x-due")
        .and_then(|due| due.as_i64())
        .unwrap_or_default();
    if due <= state.now {
        let done = match text(&document, "/properties/provisioningState") {
            "Cancelling" => "Canceled",
            _ => "Succeeded",
        };
        set(&mut document, "/properties", "provisioningState", json!(done));
        set(&mut document, "/properties", "lastUpdatedOn", json!(time::iso(due)));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BASELINE, Client, DEV, GROUP};
    use super::*;

    fn assigned(client: &mut Client) -> String {
        let id = format!("{DEV}/providers/Microsoft.Authorization/policyAssignments/a");
        client.ok(
            "PUT",
            &id,
            Some(&json!({"properties": {"policyDefinitionId": BASELINE}})),
            201,
        );
        id
    }

    #[test]
    fn before_a_report_there_are_no_states_and_nothing_claims_compliance() {
        let mut client = Client::new();
        let assignment = assigned(&mut client);
        for scope in [DEV, GROUP, assignment.as_str()] {
            let at = |what: &str| {
                format!("{scope}/providers/Microsoft.PolicyInsights/policyStates/latest/{what}?api-version=2024-10-01")
            };
            let states = client.ok("POST", &at("queryResults"), None, 200);
            assert_eq!((&states["@odata.count"], &states["value"]), (&json!(0), &json!([])));
            let summary = client.ok("POST", &at("summarize"), None, 200);
            let results = &summary["value"][0]["results"];
            assert_eq!(
                (&results["nonCompliantResources"], &results["resourceDetails"]),
                (&json!(0), &json!([]))
            );
        }
        let nowhere = format!(
            "{DEV}/resourceGroups/none/providers/Microsoft.PolicyInsights/policyStates/latest/summarize?api-version=2024-10-01"
        );
        client.refused("POST", &nowhere, None, 404, "ResourceGroupNotFound");
    }

    #[test]
    fn an_evaluation_takes_its_time() {
        let mut client = Client::new();
        let target = format!(
            "{DEV}/providers/Microsoft.PolicyInsights/policyStates/latest/triggerEvaluation?api-version=2019-10-01"
        );
        let response = client.call("POST", &target, None);
        assert_eq!(response.status, 202);
        let poll = super::super::testing::target(response.header("location").unwrap());
        assert_eq!(client.call("GET", &poll, None).status, 202);
        client.sandbox.advance(31);
        assert_eq!(client.call("GET", &poll, None).status, 200);
        client.refused(
            "GET",
            &poll.replace("asyncOperationResults/", "asyncOperationResults/x"),
            None,
            404,
            "OperationNotFound",
        );
    }

    #[test]
    fn a_remediation_runs_ends_and_can_be_cancelled() {
        let mut client = Client::new();
        let assignment = assigned(&mut client);
        let at =
            |name: &str| format!("{DEV}/providers/Microsoft.PolicyInsights/remediations/{name}?api-version=2024-10-01");
        let mut body = json!({"properties": {"policyAssignmentId": assignment}});
        client.refused("PUT", &at("r"), Some(&body), 400, "InvalidCreateRemediationRequest");
        body["properties"]["policyDefinitionReferenceId"] = json!("x");
        let made = client.ok("PUT", &at("r"), Some(&body), 201);
        assert_eq!(made["properties"]["provisioningState"], "Accepted");
        assert_eq!(client.names(&at("").replace("/?", "?")), ["r"]);
        client.ok("PUT", &at("s"), Some(&body), 201);
        assert_eq!(
            client.ok("POST", &at("s/cancel"), None, 200)["properties"]["provisioningState"],
            "Cancelling"
        );
        client.sandbox.advance(60);
        assert_eq!(client.get(&at("r"))["properties"]["provisioningState"], "Succeeded");
        assert_eq!(client.get(&at("s"))["properties"]["provisioningState"], "Canceled");
        assert!(client.get(&at("r")).get("x-due").is_none());
        client.refused("POST", &at("r/cancel"), None, 400, "InvalidCancelRemediationRequest");
        client.ok("POST", &at("r/listDeployments"), None, 200);
        client.ok("DELETE", &at("r"), None, 200);
        client.refused("GET", &at("r"), None, 404, "RemediationNotFound");
    }
}
