//! Management locks, and the writes that they stop.

use serde_json::{Value, json};

use super::address::Address;
use super::error::ArmError;
use super::http::Response;
use super::json::text;
use super::route::{Call, made_at, page};
use super::state::State;

const LOWER: &str = "microsoft.authorization/locks";

/// Answers a request for locks. The list at a scope holds the locks below it too.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let at = state.scope(&call.address.scope)?;
    let method = call.request.method.as_str();
    let Some(name) = call.address.name() else {
        if method != "GET" {
            return Err(ArmError::method_not_allowed(method));
        }
        let here = at.id.to_ascii_lowercase();
        let documents = state
            .of_type(LOWER)
            .filter(|(_, document)| state.scope(&made_at(document)).is_ok_and(|made| made.is_within(&here)))
            .map(|(id, document)| (id.clone(), document.clone()))
            .collect();
        return Ok(Response::json(200, &page(state, call, documents)?));
    };
    let id = format!("{}/providers/Microsoft.Authorization/locks/{name}", at.id);
    let before = state.resource(&id).cloned();
    match (method, before) {
        ("PUT", before) => {
            let level = text(&call.body, "/properties/level");
            if !["CanNotDelete", "ReadOnly"].contains(&level) || !at.id.starts_with("/subscriptions/") {
                return Err(ArmError::content(format!(
                    "The lock level '{level}' is not valid at the scope '{}'.",
                    at.id
                )));
            }
            let document = json!({
                "id": id,
                "type": "Microsoft.Authorization/locks",
                "name": name,
                "properties": {"level": level, "notes": text(&call.body, "/properties/notes")},
            });
            state.insert(document.clone());
            Ok(Response::json(if before.is_some() { 200 } else { 201 }, &document))
        }
        ("GET", Some(document)) => Ok(Response::json(200, &document)),
        ("GET", None) => Err(ArmError::not_found(
            "LockNotFound",
            format!("The lock '{name}' could not be found."),
        )),
        ("DELETE", Some(_)) => {
            state.take(&id);
            Ok(Response::empty(200))
        }
        ("DELETE", None) => Ok(Response::empty(204)),
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}

/// Lets a request pass unless a lock at its scope, or above, stops it.
///
/// # Errors
/// 409 `ScopeLocked`.
pub fn check(state: &State, call: &Call, kind: &str) -> Result<(), ArmError> {
    let (operation, stops): (&str, &[&str]) = match call.request.method.as_str() {
        "PUT" | "PATCH" => ("write", &["ReadOnly"]),
        "DELETE" => ("delete", &["ReadOnly", "CanNotDelete"]),
        _ => return Ok(()),
    };
    if kind == LOWER {
        return Ok(());
    }
    let target = super::access::target(call);
    let chain = super::access::chain(state, call);
    let stops = |(_, document): &(&String, &Value)| {
        let made = made_at(document);
        let here = made == target.to_ascii_lowercase() || chain.contains(&made);
        here && stops.contains(&text(document, "/properties/level"))
    };
    let locked: Vec<String> = state
        .of_type(LOWER)
        .filter(stops)
        .map(|(_, document)| format!("'{}'", Address::parse(text(document, "/id")).scope))
        .collect();
    if locked.is_empty() {
        return Ok(());
    }
    Err(ArmError::new(
        409,
        "ScopeLocked",
        format!(
            "The scope '{target}' cannot perform {operation} operation because following scope(s) are locked: {}. Please remove the lock and try again.",
            locked.join(",")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BASELINE, Client, DEV};
    use super::*;

    #[test]
    fn locks_stop_what_is_below_them() {
        let mut client = Client::new();
        let lock = |name: &str| format!("{DEV}/providers/Microsoft.Authorization/locks/{name}?api-version=2020-05-01");
        let level = |level: &str| json!({"properties": {"level": level}});
        let assignment = format!("{DEV}/providers/Microsoft.Authorization/policyAssignments/a");
        let body = json!({"properties": {"policyDefinitionId": BASELINE}});
        client.ok("PUT", &lock("keep"), Some(&level("CanNotDelete")), 201);
        client.ok("PUT", &assignment, Some(&body), 201);
        client.refused("DELETE", &assignment, None, 409, "ScopeLocked");
        client.ok("PUT", &lock("keep"), Some(&level("ReadOnly")), 200);
        client.refused("PUT", &assignment, Some(&body), 409, "ScopeLocked");
        client.refused("PUT", &lock("odd"), Some(&level("Odd")), 400, "InvalidRequestContent");
        let list = format!("{DEV}/providers/Microsoft.Authorization/locks?api-version=2020-05-01");
        assert_eq!(client.names(&list), ["keep"]);
        client.ok("DELETE", &lock("keep"), None, 200);
        client.ok("DELETE", &assignment, None, 200);
    }
}
