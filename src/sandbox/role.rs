//! Role assignments: none exist, and none can be made yet.

use serde_json::json;

use super::error::ArmError;
use super::http::Response;
use super::route::Call;
use super::state::State;

/// Answers a request for role assignments.
///
/// # Errors
/// 404 for the scope or for any role assignment that is asked by name; 405 for a change.
pub fn answer(state: &State, call: &Call) -> Result<Response, ArmError> {
    state.scope(&call.address.scope)?;
    match (call.request.method.as_str(), call.address.name()) {
        ("GET", None) => Ok(Response::json(200, &json!({"value": []}))),
        ("GET", Some(name)) => Err(ArmError::not_found(
            "RoleAssignmentNotFound",
            format!("The role assignment '{name}' is not found."),
        )),
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}
