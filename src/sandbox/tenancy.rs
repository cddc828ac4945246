//! Subscriptions, resource groups, resource provider registrations and management groups.

use serde_json::{Value, json};

use super::error::ArmError;
use super::http::Response;
use super::registration;
use super::route::{Call, page};
use super::state::{ManagementGroup, ResourceGroup, State, Subscription};
use super::versions::{NAMESPACES, types_of};

/// Answers a request whose path names no resource type.
///
/// # Errors
/// 404 for what does not exist, 405 for changes.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let lower: Vec<String> = call
        .address
        .segments
        .iter()
        .map(|segment| segment.to_ascii_lowercase())
        .collect();
    let path: Vec<&str> = lower.iter().map(String::as_str).collect();
    let method = call.request.method.as_str();
    if let [
        "subscriptions",
        subscription,
        "providers",
        namespace,
        action @ ("register" | "unregister"),
    ] = path.as_slice()
    {
        if method == "POST" {
            let id = state.subscription(subscription)?.id.clone();
            registration::change(state, &id, namespace, *action == "register");
        }
        return provider(state, call, method == "POST", subscription, namespace);
    }
    if method != "GET" {
        return Err(ArmError::method_not_allowed(method));
    }
    match path.as_slice() {
        ["subscriptions"] => {
            let documents = state
                .subscriptions
                .iter()
                .map(|known| (known.id.clone(), subscription(state, known)))
                .collect();
            let mut body = page(state, call, documents)?;
            if body.get("nextLink").is_none() {
                // This list's link is required: on the last page it is empty.
                super::json::set(&mut body, "", "nextLink", json!(""));
            }
            Ok(Response::json(200, &body))
        }
        ["subscriptions", id] => Ok(Response::json(200, &subscription(state, state.subscription(id)?))),
        ["subscriptions", id, "resourcegroups"] => {
            let id = state.subscription(id)?.id.clone();
            let mut documents: Vec<(String, Value)> = state
                .resource_groups
                .iter()
                .filter(|group| group.subscription == id)
                .map(|group| (group.name.to_ascii_lowercase(), resource_group(group)))
                .collect();
            documents.sort_by(|(left, _), (right, _)| left.cmp(right));
            Ok(Response::json(200, &page(state, call, documents)?))
        }
        ["subscriptions", id, "resourcegroups", name] => {
            state.subscription(id)?;
            Ok(Response::json(200, &resource_group(state.resource_group(id, name)?)))
        }
        ["subscriptions", id, "providers"] => {
            state.subscription(id)?;
            let value: Vec<Value> = NAMESPACES
                .iter()
                .map(|(lower, shown)| registration(state, id, lower, shown))
                .collect();
            Ok(Response::json(200, &json!({ "value": value })))
        }
        ["subscriptions", id, "providers", namespace] => provider(state, call, true, id, namespace),
        _ => Err(ArmError::not_found(
            "InvalidResourceType",
            format!(
                "The request path '{}' names nothing that is known here.",
                call.request.path
            ),
        )),
    }
}

fn provider(
    state: &State,
    call: &Call,
    allowed: bool,
    subscription: &str,
    namespace: &str,
) -> Result<Response, ArmError> {
    if !allowed {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    let id = state.subscription(subscription)?.id.clone();
    match NAMESPACES.iter().find(|(lower, _)| *lower == namespace) {
        Some((lower, shown)) => Ok(Response::json(200, &registration(state, &id, lower, shown))),
        None => Err(ArmError::not_found(
            "InvalidResourceNamespace",
            format!("The resource namespace '{namespace}' is invalid."),
        )),
    }
}

fn registration(state: &State, subscription: &str, lower: &str, shown: &str) -> Value {
    let types: Vec<Value> = types_of(lower)
        .map(|(kind, versions)| json!({"resourceType": kind, "locations": [], "apiVersions": versions}))
        .collect();
    json!({
        "id": format!("/subscriptions/{subscription}/providers/{shown}"),
        "namespace": shown,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": registration::of(state, subscription, lower),
        "resourceTypes": types,
    })
}

fn subscription(state: &State, subscription: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", subscription.id),
        "subscriptionId": subscription.id,
        "tenantId": state.tenant,
        "displayName": subscription.name,
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off",
        },
    })
}

fn resource_group(group: &ResourceGroup) -> Value {
    json!({
        "id": format!("/subscriptions/{}/resourceGroups/{}", group.subscription, group.name),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "properties": {"provisioningState": "Succeeded"},
    })
}

/// Answers a request for management groups.
///
/// # Errors
/// 404 for a group that does not exist, 405 for changes.
pub fn management_groups(state: &State, call: &Call) -> Result<Response, ArmError> {
    if call.request.method != "GET" {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    let id = |name: &str| format!("/providers/Microsoft.Management/managementGroups/{name}");
    let type_name = "Microsoft.Management/managementGroups";
    let Some(name) = call.address.first_name() else {
        let documents = state
            .management_groups
            .iter()
            .map(|group| {
                let properties = json!({"tenantId": state.tenant, "displayName": group.display_name});
                (
                    group.name.to_ascii_lowercase(),
                    json!({"id": id(&group.name), "type": type_name, "name": group.name, "properties": properties}),
                )
            })
            .collect::<std::collections::BTreeMap<_, _>>();
        return Ok(Response::json(
            200,
            &page(state, call, documents.into_iter().collect())?,
        ));
    };
    let scope = state.scope(&id(name))?;
    let group = state
        .management_group(name)
        .ok_or_else(|| ArmError::not_found("NotFound", "The management group cannot be found."))?;
    if call.address.parts.len() > 1 {
        return descendants(state, call, &scope.id.to_ascii_lowercase());
    }
    let mut details =
        json!({"version": 1, "updatedTime": super::time::iso(super::time::START), "updatedBy": state.principal});
    if let Some(parent) = group
        .parent
        .as_deref()
        .and_then(|parent| state.management_group(parent))
    {
        let parent = json!({"id": id(&parent.name), "name": parent.name, "displayName": parent.display_name});
        super::json::set(&mut details, "", "parent", parent);
    }
    let mut properties = json!({"tenantId": state.tenant, "displayName": group.display_name, "details": details});
    let expand = call.request.query_value("$expand").unwrap_or_default();
    if expand.eq_ignore_ascii_case("children") {
        let recurse = call
            .request
            .query_value("$recurse")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        super::json::set(
            &mut properties,
            "",
            "children",
            json!(children(state, group, recurse, 0)),
        );
    }
    Ok(Response::json(
        200,
        &json!({"id": id(&group.name), "type": type_name, "name": group.name, "properties": properties}),
    ))
}

fn children(state: &State, group: &ManagementGroup, recurse: bool, depth: usize) -> Vec<Value> {
    let mut children = Vec::new();
    for child in state
        .management_groups
        .iter()
        .filter(|child| child.parent.as_deref() == Some(group.name.as_str()))
    {
        let mut document = json!({
            "id": format!("/providers/Microsoft.Management/managementGroups/{}", child.name),
            "type": "Microsoft.Management/managementGroups", "name": child.name, "displayName": child.display_name,
        });
        // Azure has at most six levels below the root.
        if recurse && depth < 6 {
            super::json::set(
                &mut document,
                "",
                "children",
                json!(self::children(state, child, true, depth + 1)),
            );
        }
        children.push(document);
    }
    for child in state.subscriptions.iter().filter(|child| child.group == group.name) {
        children.push(json!({
            "id": format!("/subscriptions/{}", child.id), "type": "/subscriptions", "name": child.id, "displayName": child.name,
        }));
    }
    children
}

/// Lists the groups and subscriptions below a group, flat.
fn descendants(state: &State, call: &Call, above: &str) -> Result<Response, ArmError> {
    let parent = |name: &str| json!({"id": format!("/providers/Microsoft.Management/managementGroups/{name}")});
    let mut documents = Vec::new();
    for group in &state.management_groups {
        let id = format!("/providers/Microsoft.Management/managementGroups/{}", group.name);
        let Some(parent_name) = &group.parent else { continue };
        if !id.eq_ignore_ascii_case(above) && state.scope(&id)?.is_within(above) {
            let properties = json!({"displayName": group.display_name, "parent": parent(parent_name)});
            documents.push((
                format!("1 {}", group.name.to_ascii_lowercase()),
                json!({"id": id, "type": "Microsoft.Management/managementGroups", "name": group.name, "properties": properties}),
            ));
        }
    }
    for known in &state.subscriptions {
        let id = format!("/subscriptions/{}", known.id);
        if state.scope(&id)?.is_within(above) {
            let properties = json!({"displayName": known.name, "parent": parent(&known.group)});
            documents.push((
                format!("2 {}", known.id),
                json!({"id": id, "type": "Microsoft.Management/managementGroups/subscriptions", "name": known.id, "properties": properties}),
            ));
        }
    }
    documents.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(Response::json(200, &page(state, call, documents)?))
}
