//! Policy Insights: evaluations; its compliance states and remediations have files of their own.
//!
//! An evaluation on demand takes its time and changes nothing of what the add-on reports.

use super::error::ArmError;
use super::http::Response;
use super::route::Call;
use super::state::{Operation, State};
use super::states;

/// How long an evaluation on demand takes, in seconds; Azure's takes many minutes.
const EVALUATION_SECONDS: i64 = 30;
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

#[cfg(test)]
mod tests {
    use super::super::testing::{BASELINE, Client, DEV, GROUP};
    use serde_json::json;

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
}
