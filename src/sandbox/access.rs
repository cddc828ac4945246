//! Who may do what: the caller's roles, the effective permissions that follow from them, and the refusals.
//!
//! The caller has built-in roles on everything, and those of its role assignments where these stand. Conditions, deny
//! assignments and custom roles are not simulated.

use serde_json::{Value, json};

use super::address::Address;
use super::error::ArmError;
use super::http::Response;
use super::json::text;
use super::role::{BUILT_IN, OWNER, Role};
use super::route::Call;
use super::state::State;

/// Answers a request for the caller's permissions at a scope.
///
/// # Errors
/// 404 for a scope that does not exist, 405 for anything but a GET.
pub fn permissions(state: &State, call: &Call) -> Result<Response, ArmError> {
    if call.request.method != "GET" || call.address.name().is_some() {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    let chain = state.scope(&call.address.scope)?.chain;
    let value: Vec<Value> = held(state, &chain).map(Role::permission).collect();
    Ok(Response::json(200, &json!({ "value": value })))
}

/// Lets a request pass that the caller's roles allow.
///
/// Subscriptions, resource groups, operations and queries that are posted are answered to everybody who signs in.
///
/// # Errors
/// 403 `AuthorizationFailed`; `LinkedAuthorizationFailed` for an exemption from an assignment that the caller may not exempt from.
pub fn check(state: &State, call: &Call, kind: &str) -> Result<(), ArmError> {
    let Some(action) = action(call, kind) else {
        return Ok(());
    };
    let (id, target) = (&state.principal, target(call));
    if !may(state, &chain(state, call), &action) {
        return Err(ArmError::new(
            403,
            "AuthorizationFailed",
            format!(
                "The client '{id}' with object id '{id}' does not have authorization to perform action '{action}' over scope '{target}' or the scope is invalid. If access was recently granted, please refresh your credentials."
            ),
        ));
    }
    if kind == "microsoft.authorization/policyexemptions" && call.request.method == "PUT" {
        let assignment = text(&call.body, "/properties/policyAssignmentId");
        let linked = state
            .scope(&Address::parse(assignment).scope)
            .map(|scope| scope.chain)
            .unwrap_or_default();
        let exempt = "Microsoft.Authorization/policyAssignments/exempt/action";
        if !may(state, &linked, exempt) {
            return Err(ArmError::new(
                403,
                "LinkedAuthorizationFailed",
                format!(
                    "The client '{id}' with object id '{id}' has permission to perform action '{action}' on scope '{target}'; however, it does not have permission to perform action '{exempt}' on the linked scope(s) '{assignment}' or the linked scope(s) are invalid."
                ),
            ));
        }
    }
    Ok(())
}

/// Returns whether the caller may read a resource; Resource Graph leaves out the others without a word.
#[must_use]
pub fn may_read(state: &State, document: &Value) -> bool {
    if state.roles.iter().any(|role| role == OWNER) {
        return true;
    }
    let id = text(document, "/id");
    let chain = state.scope(id).or_else(|_| state.scope(&Address::parse(id).scope));
    let chain = chain.map(|scope| scope.chain).unwrap_or_default();
    may(state, &chain, &format!("{}/read", Address::parse(id).kind()))
}

/// Returns the id that a request speaks of.
#[must_use]
pub fn target(call: &Call) -> String {
    call.address.segments.iter().map(|part| format!("/{part}")).collect()
}

/// Returns the lower-case ids of the scopes that a request's target lies in, as far as they exist.
#[must_use]
pub fn chain(state: &State, call: &Call) -> Vec<String> {
    let scope = state
        .scope(&target(call))
        .or_else(|_| state.scope(&call.address.scope))
        .map(|scope| scope.chain);
    scope.unwrap_or_default()
}

/// Returns the action that a request performs; none for what everybody may ask.
fn action(call: &Call, kind: &str) -> Option<String> {
    let given = call.address.kind_as_given();
    match call.request.method.as_str() {
        "PUT" | "PATCH" => Some(format!("{given}/write")),
        "DELETE" => Some(format!("{given}/delete")),
        "POST" => {
            let lower = given.to_ascii_lowercase();
            let changes = ["/register", "/unregister", "/triggerevaluation", "/cancel"];
            changes
                .iter()
                .any(|action| lower.ends_with(action))
                .then(|| format!("{given}/action"))
        }
        _ if kind.is_empty() || kind.ends_with("/operations") || kind.ends_with("/asyncoperationresults") => None,
        _ => Some(format!("{given}/read")),
    }
}

/// Returns the roles that the caller has at the scope that this chain begins with.
fn held(state: &State, chain: &[String]) -> impl Iterator<Item = &'static Role> {
    let mut ids: Vec<String> = state.roles.clone();
    for (_, document) in state.of_type("microsoft.authorization/roleassignments") {
        let scope = super::route::made_at(document);
        let ours = text(document, "/properties/principalId").eq_ignore_ascii_case(&state.principal);
        if ours && (scope.is_empty() || chain.contains(&scope)) {
            let role = text(document, "/properties/roleDefinitionId");
            ids.push(role.rsplit('/').next().unwrap_or_default().to_ascii_lowercase());
        }
    }
    BUILT_IN.iter().filter(move |role| ids.iter().any(|id| id == role.id))
}

fn may(state: &State, chain: &[String], action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let any = |patterns: &[&str]| {
        patterns
            .iter()
            .any(|pattern| like(&pattern.to_ascii_lowercase(), &action))
    };
    held(state, chain).any(|role| any(role.actions) && !any(role.not_actions))
}

/// Returns whether a pattern, in which `*` is any text, fits the whole text.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            let Some(rest) = text.strip_prefix(head) else {
                return false;
            };
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| like(tail, rest)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seed::SeedOptions;
    use super::super::testing::{BASELINE, Client, DEV, GROUP, PROD};
    use super::*;

    fn as_role(role: &str) -> Client {
        Client::with(&SeedOptions {
            roles: vec![role.to_owned()],
            ..SeedOptions::default()
        })
    }

    #[test]
    fn a_role_allows_what_it_says_and_no_more() {
        let mut client = as_role("Resource Policy Contributor");
        let assignment = format!("{PROD}/providers/Microsoft.Authorization/policyAssignments/a");
        let body = json!({"properties": {"policyDefinitionId": BASELINE}});
        client.ok("PUT", &assignment, Some(&body), 201);
        client.ok("GET", &assignment, None, 200);
        let plan = format!("{PROD}/providers/Microsoft.Security/pricings/Containers");
        let free = json!({"properties": {"pricingTier": "Free"}});
        client.refused("PUT", &plan, Some(&free), 403, "AuthorizationFailed");
        client.ok("GET", &plan, None, 200);
        let mut client = as_role("Contributor");
        client.refused("PUT", &assignment, Some(&body), 403, "AuthorizationFailed");
        client.ok("PUT", &plan, Some(&free), 200);
    }

    #[test]
    fn permissions_say_the_roles_at_the_scope_and_above() {
        let mut client = as_role("Reader");
        let at = |scope: &str| format!("{scope}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01");
        let actions = |client: &mut Client, scope: &str| -> Vec<String> {
            let found = client.get(&at(scope));
            let entries = found["value"].as_array().unwrap().iter();
            entries
                .map(|entry| entry["actions"][0].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(actions(&mut client, DEV), ["*/read"]);
        let principal = client.sandbox.state.principal.clone();
        client.sandbox.state.roles = vec![OWNER.to_owned()];
        let name = "05c5a614-a7d6-4502-b150-c2fb455033ff";
        let body = json!({"properties": {"roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{OWNER}"),
                          "principalId": principal, "principalType": "ServicePrincipal"}});
        let path = format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments/{name}");
        client.ok("PUT", &path, Some(&body), 201);
        client.sandbox.state.roles = vec!["acdd72a7-3385-48ef-bd42-f606fba81ae7".to_owned()];
        assert_eq!(actions(&mut client, PROD), ["*", "*/read"], "from the group above");
        assert_eq!(actions(&mut client, DEV), ["*/read"]);
    }

    #[test]
    fn resource_graph_leaves_out_what_cannot_be_read() {
        let mut client = as_role("Security Admin");
        let body =
            json!({"query": "resources | where type =~ 'microsoft.containerservice/managedclusters' | project id"});
        let found = client.ok("POST", "/providers/Microsoft.ResourceGraph/resources", Some(&body), 200);
        assert_eq!(found["totalRecords"], 0);
        let mut client = as_role("Reader");
        let found = client.ok("POST", "/providers/Microsoft.ResourceGraph/resources", Some(&body), 200);
        assert_eq!(found["totalRecords"], 7);
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "a/b", true),
            ("*/read", "a/b/read", true),
            ("*/read", "a/b/write", false),
            ("a/*/write", "a/b/c/write", true),
            ("a/*/write", "a/write", false),
            ("a/b/*", "a/b/c/action", true),
            ("a/b/*", "a/bc", false),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
