//! Role assignments and the built-in role definitions that governance needs.
//!
//! Whether a principal exists is not checked, for there is no directory; but one that an assignment was given a moment ago is not
//! found where the directory is asked for it: that is, where the request does not say what it is.

use serde_json::{Value, json};

use super::address::Address;
use super::error::ArmError;
use super::http::Response;
use super::json::{remove, text};
use super::route::{Call, made_at, page};
use super::state::{KnownScope, State};
use super::time;

const LOWER: &str = "microsoft.authorization/roleassignments";
const ROLES: &str = "/providers/Microsoft.Authorization/roleDefinitions";
/// The id of the role that may do everything.
pub const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/// A built-in role.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: &'static str,
    /// Its GUID.
    pub id: &'static str,
    /// What it allows.
    pub actions: &'static [&'static str],
    /// What it takes out of that.
    pub not_actions: &'static [&'static str],
}

/// The built-in roles that governance needs, as Azure publishes them (role-based-access-control/built-in-roles, 2026-02-23).
pub const BUILT_IN: &[Role] = &[
    Role {
        name: "Azure Kubernetes Service Contributor Role",
        id: "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8",
        actions: &[
            "Microsoft.ContainerService/managedClusters/read",
            "Microsoft.ContainerService/managedClusters/write",
            "Microsoft.Resources/deployments/*",
        ],
        not_actions: &[],
    },
    Role {
        name: "Contributor",
        id: "b24988ac-6180-42a0-ab88-20f7382dd24c",
        actions: &["*"],
        not_actions: &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
            "Microsoft.Purview/consents/write",
            "Microsoft.Purview/consents/delete",
            "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
        ],
    },
    Role {
        name: "Log Analytics Contributor",
        id: "92aaf0da-9dab-42b6-94a3-d43ce8d16293",
        actions: &[
            "*/read",
            "Microsoft.ClassicCompute/virtualMachines/extensions/*",
            "Microsoft.ClassicStorage/storageAccounts/listKeys/action",
            "Microsoft.Compute/virtualMachines/extensions/*",
            "Microsoft.HybridCompute/machines/extensions/write",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Insights/diagnosticSettings/*",
            "Microsoft.OperationalInsights/*",
            "Microsoft.OperationsManagement/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourcegroups/deployments/*",
            "Microsoft.Storage/storageAccounts/listKeys/action",
            "Microsoft.Support/*",
        ],
        not_actions: &[],
    },
    Role {
        name: "Owner",
        id: OWNER,
        actions: &["*"],
        not_actions: &[],
    },
    Role {
        name: "Reader",
        id: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        actions: &["*/read"],
        not_actions: &[],
    },
    Role {
        name: "Resource Policy Contributor",
        id: "36243c78-bf99-498c-9df9-86d9f8d28608",
        actions: &[
            "*/read",
            "Microsoft.Authorization/policyassignments/*",
            "Microsoft.Authorization/policydefinitions/*",
            "Microsoft.Authorization/policyexemptions/*",
            "Microsoft.Authorization/policysetdefinitions/*",
            "Microsoft.PolicyInsights/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Support/*",
        ],
        not_actions: &[],
    },
    Role {
        name: "Security Admin",
        id: "fb1c8493-542b-48eb-b624-b4c8fea62acd",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Authorization/policyAssignments/*",
            "Microsoft.Authorization/policyDefinitions/*",
            "Microsoft.Authorization/policyExemptions/*",
            "Microsoft.Authorization/policySetDefinitions/*",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Management/managementGroups/read",
            "Microsoft.operationalInsights/workspaces/*/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Security/*",
            "Microsoft.IoTSecurity/*",
            "Microsoft.IoTFirmwareDefense/*",
            "Microsoft.Support/*",
        ],
        not_actions: &[],
    },
    Role {
        name: "User Access Administrator",
        id: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        actions: &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
        not_actions: &[],
    },
];

impl Role {
    /// Returns the role's permission as ARM gives it.
    #[must_use]
    pub fn permission(&self) -> Value {
        json!({"actions": self.actions, "notActions": self.not_actions, "dataActions": [], "notDataActions": []})
    }
}

/// Returns the names of the built-in roles that the sandbox knows.
pub fn role_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|role| role.name)
}

/// Answers a request for role assignments.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let at = state.scope(&call.address.scope)?;
    let method = call.request.method.as_str();
    let Some(name) = call.address.name().map(str::to_ascii_lowercase) else {
        return if method == "GET" {
            list(state, call, &at)
        } else {
            Err(ArmError::method_not_allowed(method))
        };
    };
    let id = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", at.id);
    let before = state.resource(&id).cloned();
    match (method, before) {
        ("PUT", before) => put(state, call, &at, &id, before),
        ("GET", Some(document)) => Ok(Response::json(200, &document)),
        ("GET", None) => Err(ArmError::not_found(
            "RoleAssignmentNotFound",
            format!("The role assignment '{name}' is not found."),
        )),
        ("DELETE", Some(document)) => {
            state.take(&id);
            Ok(Response::json(200, &document))
        }
        ("DELETE", None) => Ok(Response::empty(204)),
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

fn put(state: &mut State, call: &Call, at: &KnownScope, id: &str, before: Option<Value>) -> Result<Response, ArmError> {
    let name = id.rsplit('/').next().unwrap_or_default();
    if !is_guid(name) {
        return Err(ArmError::bad_request(
            "InvalidRoleAssignmentId",
            format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
        ));
    }
    let given = |key: &str| text(&call.body, &format!("/properties/{key}")).to_owned();
    let role = Address::parse(&given("roleDefinitionId"));
    let role_id = role.name().unwrap_or_default().to_ascii_lowercase();
    if role.kind() != "microsoft.authorization/roledefinitions" || !is_guid(&role_id) {
        return Err(ArmError::bad_request(
            "InvalidRoleDefinitionId",
            format!("The role definition ID '{}' is not valid.", given("roleDefinitionId")),
        ));
    }
    let principal = given("principalId").to_ascii_lowercase();
    if !is_guid(&principal) {
        return Err(ArmError::bad_request(
            "InvalidPrincipalId",
            format!("A valid principal ID must be provided for role assignment; '{principal}' is none."),
        ));
    }
    let kind = match given("principalType").as_str() {
        "" => "User".to_owned(),
        kind @ ("User" | "Group" | "ServicePrincipal" | "ForeignGroup" | "Device") => kind.to_owned(),
        other => {
            return Err(ArmError::bad_request(
                "InvalidPrincipalType",
                format!("The principal type '{other}' is not valid."),
            ));
        }
    };
    if given("principalType").is_empty() && is_fresh(state, &principal) {
        return Err(ArmError::bad_request(
            "PrincipalNotFound",
            format!(
                "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.",
                principal.replace('-', ""),
                state.tenant
            ),
        ));
    }
    let scope = if at.id.is_empty() { "/" } else { &at.id };
    let role = match scope
        .strip_prefix("/subscriptions/")
        .and_then(|rest| rest.split('/').next())
    {
        Some(subscription) => format!("/subscriptions/{subscription}{ROLES}/{role_id}"),
        None => format!("{ROLES}/{role_id}"),
    };
    let same = |document: &Value| {
        text(document, "/properties/principalId") == principal
            && text(document, "/properties/roleDefinitionId").ends_with(&role_id)
    };
    match &before {
        Some(before) if !same(before) => {
            return Err(ArmError::new(
                409,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            ));
        }
        Some(_) => {}
        None => {
            let here = at.id.to_ascii_lowercase();
            if state
                .of_type(LOWER)
                .any(|(_, document)| made_at(document) == here && same(document))
            {
                return Err(ArmError::new(
                    409,
                    "RoleAssignmentExists",
                    "The role assignment already exists.",
                ));
            }
        }
    }
    let now = time::iso(state.now);
    let kept = |key: &str, new: &str| {
        let was = before
            .as_ref()
            .map(|before| text(before, &format!("/properties/{key}")).to_owned());
        was.unwrap_or_else(|| new.to_owned())
    };
    let mut document = json!({
        "id": id,
        "name": name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": role,
            "principalId": principal,
            "principalType": kind,
            "scope": scope,
            "createdOn": kept("createdOn", &now),
            "createdBy": kept("createdBy", &state.principal),
            "updatedOn": now,
            "updatedBy": state.principal,
        },
    });
    for key in [
        "description",
        "condition",
        "conditionVersion",
        "delegatedManagedIdentityResourceId",
    ] {
        if !given(key).is_empty() {
            super::json::set(&mut document, "/properties", key, json!(given(key)));
        }
    }
    let status = if before.is_some() { 200 } else { 201 };
    state.insert(document.clone());
    Ok(Response::json(status, &document))
}

/// How long, in seconds, the directory does not know the identity of an assignment that was just made.
const REPLICATION: i64 = 20;

/// Whether a principal is that of an assignment made so shortly ago that the directory does not know it.
fn is_fresh(state: &State, principal: &str) -> bool {
    state
        .of_type("microsoft.authorization/policyassignments")
        .filter(|(_, document)| text(document, "/identity/principalId").eq_ignore_ascii_case(principal))
        .any(|(_, document)| {
            let made = time::parse(text(document, "/systemData/createdAt"));
            made.is_some_and(|made| state.now.saturating_sub(made) < REPLICATION)
        })
}

/// Lists role assignments: by default those here, above and below.
fn list(state: &State, call: &Call, at: &KnownScope) -> Result<Response, ArmError> {
    let filter = call.request.query_value("$filter").unwrap_or_default();
    let lower = filter.trim().to_ascii_lowercase();
    let here = at.id.to_ascii_lowercase();
    let mut principal = None;
    let mut above_only = false;
    for term in lower.split(" and ").map(str::trim).filter(|term| !term.is_empty()) {
        let quoted = |start: &str, end: &str| {
            term.strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(end))
                .map(str::to_owned)
        };
        if term == "atscope()" {
            above_only = true;
        } else if let Some(wanted) = quoted("principalid eq '", "'").or_else(|| quoted("assignedto('", "')")) {
            principal = Some(wanted);
        } else {
            return Err(ArmError::bad_request(
                "BadRequestFormat",
                format!(
                    "The filter '{filter}' is not supported. Supported filters are either 'atScope()' or 'principalId eq '{{value}}' or assignedTo('{{value}}')'."
                ),
            ));
        }
    }
    let documents = state
        .of_type(LOWER)
        .filter(|(_, document)| {
            let made = made_at(document);
            let below = || !above_only && state.scope(&made).is_ok_and(|made| made.is_within(&here));
            (at.is_within(&made) || below())
                && principal
                    .as_ref()
                    .is_none_or(|wanted| text(document, "/properties/principalId") == wanted)
        })
        .map(|(id, document)| (id.clone(), document.clone()))
        .collect();
    Ok(Response::json(200, &page(state, call, documents)?))
}

/// Answers a request for role definitions; custom ones cannot be made.
///
/// # Errors
/// 404 for a role that is not known, 405 for a change.
pub fn definitions(state: &State, call: &Call) -> Result<Response, ArmError> {
    let at = state.scope(&call.address.scope)?;
    if call.request.method != "GET" {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    let prefix = if at.id.starts_with("/subscriptions/") {
        at.id.split('/').take(3).collect::<Vec<_>>().join("/")
    } else {
        String::new()
    };
    let document = |role: &Role| {
        let (name, id) = (role.name, role.id);
        let description = format!("The built-in role {name}.");
        json!({
            "id": format!("{prefix}{ROLES}/{id}"),
            "name": id,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": name, "type": "BuiltInRole", "description": description, "assignableScopes": ["/"],
                "permissions": [role.permission()],
                "createdOn": "2015-02-02T21:55:09.8806423Z", "updatedOn": "2021-11-11T20:13:16.9910000Z",
                "createdBy": null, "updatedBy": null,
            },
        })
    };
    if let Some(name) = call.address.name() {
        let found = BUILT_IN.iter().find(|role| role.id.eq_ignore_ascii_case(name));
        return found.map(|role| Response::json(200, &document(role))).ok_or_else(|| {
            ArmError::not_found(
                "RoleDefinitionDoesNotExist",
                format!("The specified role definition with ID '{name}' does not exist."),
            )
        });
    }
    let filter = call
        .request
        .query_value("$filter")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let wanted = filter
        .strip_prefix("rolename eq '")
        .and_then(|rest| rest.strip_suffix('\''));
    let documents = BUILT_IN
        .iter()
        .filter(|role| wanted.is_none_or(|wanted| role.name.eq_ignore_ascii_case(wanted)))
        .map(|role| (role.name.to_owned(), document(role)))
        .collect();
    let mut body = page(state, call, documents)?;
    if wanted.is_some() {
        remove(&mut body, "", "nextLink");
    }
    Ok(Response::json(200, &body))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Client, DEV, GROUP, PROD};
    use super::*;

    const NAME: &str = "05c5a614-a7d6-4502-b150-c2fb455033ff";
    const READER: &str = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7";

    fn at(scope: &str, name: &str) -> String {
        format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
    }

    fn body(principal: &str) -> Value {
        json!({"properties": {"roleDefinitionId": READER, "principalId": principal, "principalType": "ServicePrincipal", "description": "aksgate"}})
    }

    #[test]
    fn a_role_assignment_lives_as_in_azure() {
        let mut client = Client::new();
        let principal = "CE2CE14E-85d7-4629-bdbc-454d0519d987";
        let made = client.ok("PUT", &at(DEV, NAME), Some(&body(principal)), 201);
        assert_eq!(made["properties"]["scope"], DEV);
        assert_eq!(made["properties"]["roleDefinitionId"], format!("{DEV}{READER}"));
        assert_eq!(
            client.ok("PUT", &at(DEV, NAME), Some(&body(principal)), 200)["properties"]["createdOn"],
            made["properties"]["createdOn"]
        );
        let other = "15c5a614-a7d6-4502-b150-c2fb455033ff";
        client.refused(
            "PUT",
            &at(DEV, other),
            Some(&body(principal)),
            409,
            "RoleAssignmentExists",
        );
        client.refused(
            "PUT",
            &at(DEV, NAME),
            Some(&body(other)),
            409,
            "RoleAssignmentUpdateNotPermitted",
        );
        client.refused(
            "PUT",
            &at(DEV, "name"),
            Some(&body(other)),
            400,
            "InvalidRoleAssignmentId",
        );
        client.refused("PUT", &at(DEV, other), Some(&body("me")), 400, "InvalidPrincipalId");
        client.ok("PUT", &at(GROUP, other), Some(&body(principal)), 201);
        assert_eq!(client.names(&at(DEV, "")), [NAME]);
        assert_eq!(client.names(&at(PROD, "")), [other], "inherited");
        let of = |who: &str| format!("{}?$filter=principalId%20eq%20'{who}'", at(DEV, ""));
        assert_eq!(client.names(&of(&principal.to_lowercase())), [NAME]);
        assert!(client.names(&of(other)).is_empty());
        client.refused(
            "GET",
            &format!("{}?$filter=x", at(DEV, "")),
            None,
            400,
            "BadRequestFormat",
        );
        client.ok("DELETE", &at(DEV, NAME), None, 200);
        client.ok("DELETE", &at(DEV, NAME), None, 204);
        client.refused("GET", &at(DEV, NAME), None, 404, "RoleAssignmentNotFound");
    }

    #[test]
    fn a_principal_made_a_moment_ago_is_found_only_by_who_says_what_it_is() {
        let mut client = Client::new();
        let assignment = format!("{DEV}/providers/Microsoft.Authorization/policyAssignments/deploys");
        let definition = "/providers/Microsoft.Authorization/policyDefinitions/a8eff44f-8c92-45c3-a3fb-9880802d67a7";
        let body_of = json!({"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"policyDefinitionId": definition}});
        let made = client.ok("PUT", &assignment, Some(&body_of), 201);
        let principal = made["identity"]["principalId"].as_str().unwrap();
        let untyped = json!({"properties": {"roleDefinitionId": READER, "principalId": principal}});
        client.refused("PUT", &at(DEV, NAME), Some(&untyped), 400, "PrincipalNotFound");
        client.ok("PUT", &at(DEV, NAME), Some(&body(principal)), 201);
        client.ok("DELETE", &at(DEV, NAME), None, 200);
        client.sandbox.advance(30);
        client.ok("PUT", &at(DEV, NAME), Some(&untyped), 201);
    }

    #[test]
    fn roles_are_found_by_name_and_id() {
        let mut client = Client::new();
        let list = format!("{DEV}/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01");
        let found = client.get(&format!("{list}&$filter=roleName%20eq%20'Reader'"));
        assert_eq!(found["value"].as_array().unwrap().len(), 1);
        let id = found["value"][0]["id"].as_str().unwrap();
        assert_eq!(
            client.get(&format!("{id}?api-version=2022-04-01"))["properties"]["roleName"],
            "Reader"
        );
        assert_eq!(client.get(&list)["value"].as_array().unwrap().len(), BUILT_IN.len());
    }
}
