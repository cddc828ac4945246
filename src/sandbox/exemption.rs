//! Policy exemptions: stored and answered. Clusters honour them (`governance`).

use serde_json::{Value, json};

use super::error::ArmError;
use super::http::Response;
use super::json::text;
use super::route::{Call, made_at, page};
use super::state::State;

const LOWER: &str = "microsoft.authorization/policyexemptions";

/// Answers a request for policy exemptions.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let scope = state.scope(&call.address.scope)?;
    let Some(name) = call.address.name().map(str::to_owned) else {
        if call.request.method != "GET" {
            return Err(ArmError::method_not_allowed(&call.request.method));
        }
        let filter = call
            .request
            .query_value("$filter")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let here = scope.id.to_ascii_lowercase();
        let documents = state
            .of_type(LOWER)
            .filter(|(_, document)| {
                let made = made_at(document);
                let below = || state.scope(&made).is_ok_and(|made| made.is_within(&here));
                match filter.trim() {
                    "atexactscope()" => made == here,
                    "atscope()" => scope.is_within(&made),
                    "atscopeandbelow()" => below(),
                    _ => scope.is_within(&made) || below(),
                }
            })
            .map(|(id, document)| (id.clone(), document.clone()))
            .collect();
        return Ok(Response::json(200, &page(state, call, documents)?));
    };
    let id = format!("{}/providers/Microsoft.Authorization/policyExemptions/{name}", scope.id);
    let before = state.resource(&id).cloned();
    match (call.request.method.as_str(), before) {
        ("GET", Some(document)) => Ok(Response::json(200, &document)),
        ("GET", None) => Err(ArmError::not_found(
            "PolicyExemptionNotFound",
            format!("The policy exemption '{name}' is not found."),
        )),
        ("DELETE", before) => {
            state.take(&id);
            Ok(Response::empty(if before.is_some() { 200 } else { 204 }))
        }
        ("PUT", before) => {
            let properties = call.body.get("properties").cloned().unwrap_or_default();
            let category = text(&properties, "/exemptionCategory");
            if !["Waiver", "Mitigated"].contains(&category) {
                return Err(ArmError::bad_request(
                    "InvalidPolicyExemption",
                    format!(
                        "The exemption category '{category}' is invalid. The allowed values are 'Waiver, Mitigated'."
                    ),
                ));
            }
            let assignment = text(&properties, "/policyAssignmentId");
            let known = state.resource(assignment).is_some_and(|document| {
                text(document, "/type").eq_ignore_ascii_case("Microsoft.Authorization/policyAssignments")
                    && scope.is_within(&made_at(document))
            });
            if !known {
                return Err(ArmError::not_found(
                    "PolicyAssignmentNotFound",
                    format!("The policy assignment '{assignment}' is not found."),
                ));
            }
            let status = if before.is_some() { 200 } else { 201 };
            let mut properties = match properties {
                Value::Object(properties) => properties,
                _ => return Err(ArmError::content("The 'properties' must be an object.")),
            };
            properties
                .entry("assignmentScopeValidation")
                .or_insert_with(|| json!("Default"));
            let document = json!({
                "id": id,
                "name": name,
                "type": "Microsoft.Authorization/policyExemptions",
                "properties": properties,
                "systemData": state.system_data(before.as_ref()),
            });
            state.insert(document.clone());
            Ok(Response::json(status, &document))
        }
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}
