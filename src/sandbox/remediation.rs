//! Remediations (`Microsoft.PolicyInsights/remediations`): tasks that deploy to clusters what a member of an assignment would have deployed.
//!
//! What a task finds is decided when it is made, where Azure takes its time; a deployment takes a minute on the sandbox's clock. Two built-in
//! definitions deploy something here, the Azure Policy add-on and the Defender sensor; a task for any other finds nothing to do.

use serde_json::{Value, json};

use super::address::Address;
use super::cluster_document::addon_identity;
use super::error::ArmError;
use super::http::Response;
use super::json::{entry_without_case, items, object, remove, set, text};
use super::random::Random;
use super::route::{Call, made_at, page};
use super::state::State;
use super::time;

const LOWER: &str = "microsoft.policyinsights/remediations";
const CLUSTERS: &str = "microsoft.containerservice/managedclusters";
/// How long a task looks for resources, in seconds.
const EVALUATION_SECONDS: i64 = 30;
/// How long a deployment takes, in seconds.
const DEPLOYMENT_SECONDS: i64 = 60;

/// What a definition deploys.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deploys {
    Addon,
    Sensor { workspace: String },
}

/// Answers a request for remediations.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
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
            ("POST", "listdeployments") => Ok(Response::json(200, &json!({"value": deployments(state, &before)}))),
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
    let Some(assigned) = state.resource(assignment).cloned() else {
        return Err(invalid(format!(
            "The policy assignment '{assignment}' could not be found."
        )));
    };
    let kind = Address::parse(text(&assigned, "/properties/policyDefinitionId")).kind();
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
    let number = |key: &str, default: u64, most: u64| match given.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value
            .as_u64()
            .filter(|value| (1..=most).contains(value))
            .ok_or_else(|| invalid(format!("The '{key}' must be a number from 1 to {most}."))),
    };
    let count = number("resourceCount", 500, 50_000)?;
    let parallel = number("parallelDeployments", 10, 30)?;
    let threshold = given.pointer("/failureThreshold/percentage");
    if threshold.is_some_and(|share| !share.as_f64().is_some_and(|share| (0.0..=1.0).contains(&share))) {
        return Err(invalid("The failure threshold must be from 0 to 1.".to_owned()));
    }
    let running = before.filter(|before| is_running(state, before));
    let settings = [
        "resourceCount",
        "parallelDeployments",
        "failureThreshold",
        "filters",
        "policyDefinitionReferenceId",
    ];
    if let Some(running) = running {
        let same = settings.iter().all(|key| {
            let given = given.get(*key).filter(|value| !value.is_null());
            given.is_none_or(|given| running.pointer(&format!("/properties/{key}")) == Some(given))
        });
        return match same {
            true => Ok(Response::json(200, &present(state, running))),
            false => Err(invalid(
                "The properties of a running remediation cannot be changed.".to_owned(),
            )),
        };
    }
    let now = time::iso(state.now);
    let mut properties = json!({
        "policyAssignmentId": assignment.to_ascii_lowercase(),
        "resourceDiscoveryMode": mode,
        "createdOn": now,
        "lastUpdatedOn": now,
        "resourceCount": count,
        "parallelDeployments": parallel,
        "correlationId": state.guid(),
    });
    for key in ["filters", "failureThreshold"] {
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
        "x-begun": state.now,
        "x-deployments": planned(state, &assigned, &given, (count, parallel), id),
    });
    state.insert(document.clone());
    let status = if before.is_some() { 200 } else { 201 };
    Ok(Response::json(status, &present(state, &document)))
}

/// The deployments of a task: the clusters that lack what is deployed, so many at a time.
fn planned(state: &State, assigned: &Value, given: &Value, (count, parallel): (u64, u64), id: &str) -> Vec<Value> {
    let Some(deploys) = deploys(state, assigned, text(given, "/policyDefinitionReferenceId")) else {
        return Vec::new();
    };
    let (scope, assigned_at) = (made_at(&json!({"id": id})), made_at(assigned));
    let lower = |value: &Value| value.as_str().unwrap_or_default().to_ascii_lowercase();
    let not_scopes: Vec<String> = items(assigned, "/properties/notScopes").iter().map(lower).collect();
    let only: Vec<String> = items(given, "/filters/resourceIds").iter().map(lower).collect();
    let places: Vec<String> = items(given, "/filters/locations").iter().map(lower).collect();
    let meant = |id: &str, cluster: &Value| {
        let Ok(known) = state.scope(id) else { return false };
        known.is_within(&scope)
            && known.is_within(&assigned_at)
            && !not_scopes.iter().any(|out| known.is_within(out))
            && (only.is_empty() || only.iter().any(|only| only == id))
            && (places.is_empty()
                || places
                    .iter()
                    .any(|place| place.eq_ignore_ascii_case(text(cluster, "/location"))))
            && !has(cluster, &deploys)
    };
    let found = state.of_type(CLUSTERS).filter(|(id, cluster)| meant(id, cluster));
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    found
        .take(most)
        .enumerate()
        .map(|(index, (id, _))| {
            let wave = i64::try_from(index).unwrap_or_default() / i64::try_from(parallel).unwrap_or(1).max(1);
            json!({"resource": id, "starts": state.now + EVALUATION_SECONDS + wave * DEPLOYMENT_SECONDS})
        })
        .collect()
}

/// What the member of an assignment deploys; none where it deploys nothing that is known here, or is not to deploy.
fn deploys(state: &State, assigned: &Value, reference: &str) -> Option<Deploys> {
    let policy = text(assigned, "/properties/policyDefinitionId");
    let is_set = Address::parse(policy).kind().ends_with("/policysetdefinitions");
    let set = state.resource(policy).filter(|_| is_set);
    let meant = |member: &&Value| text(member, "/policyDefinitionReferenceId").eq_ignore_ascii_case(reference);
    let member = match set {
        Some(set) => Some(items(set, "/properties/policyDefinitions").iter().find(meant)?),
        None => None,
    };
    let at = |document: &Value, pointer: String| document.pointer(&pointer).and_then(Value::as_str).map(str::to_owned);
    let given = |name: &str| at(assigned, format!("/properties/parameters/{name}/value"));
    let value = |name: &str| {
        let Some(member) = member else { return given(name) };
        let written = at(member, format!("/parameters/{name}/value"))?;
        let passed = written
            .strip_prefix("[parameters('")
            .and_then(|rest| rest.strip_suffix("')]"));
        match passed {
            Some(own) => given(own).or_else(|| at(set?, format!("/properties/parameters/{own}/defaultValue"))),
            None => Some(written),
        }
    };
    let effect = value("effect").unwrap_or_else(|| "DeployIfNotExists".to_owned());
    if !effect.eq_ignore_ascii_case("DeployIfNotExists") {
        return None;
    }
    let definition = member.map_or(policy, |member| text(member, "/policyDefinitionId"));
    let name = definition.rsplit('/').next().unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "a8eff44f-8c92-45c3-a3fb-9880802d67a7" => Some(Deploys::Addon),
        "64def556-fbad-4622-930e-72d1d5589bf5" => Some(Deploys::Sensor {
            workspace: value("logAnalyticsWorkspaceResourceId").unwrap_or_default(),
        }),
        _ => None,
    }
}

fn has(cluster: &Value, deploys: &Deploys) -> bool {
    match deploys {
        Deploys::Addon => {
            let profiles = object(cluster, "/properties/addonProfiles");
            let addon = profiles.and_then(|profiles| entry_without_case(profiles, "azurepolicy"));
            addon.is_some_and(|(_, profile)| profile.get("enabled") == Some(&json!(true)))
        }
        Deploys::Sensor { .. } => {
            cluster.pointer("/properties/securityProfile/defender/securityMonitoring/enabled") == Some(&json!(true))
        }
    }
}

/// Ends the deployments whose time has come, and begins no more once a task has failed too often.
pub fn settle(state: &mut State) {
    let tasks: Vec<String> = state
        .of_type(LOWER)
        .filter(|(_, document)| {
            items(document, "/x-deployments")
                .iter()
                .any(|one| one.get("status").is_none())
        })
        .map(|(id, _)| id.clone())
        .collect();
    for id in tasks {
        let Some(mut document) = state.resource(&id).cloned() else {
            continue;
        };
        let reference = text(&document, "/properties/policyDefinitionReferenceId").to_owned();
        let assigned = state
            .resource(text(&document, "/properties/policyAssignmentId"))
            .cloned();
        let threshold = document
            .pointer("/properties/failureThreshold/percentage")
            .and_then(Value::as_f64);
        let mut all = items(&document, "/x-deployments").to_vec();
        let total = all.len();
        let mut changed = false;
        for at in 0..total {
            let failed = all.iter().filter(|one| text(one, "/status") == "Failed").count();
            let Some(one) = all.get(at).filter(|one| one.get("status").is_none()) else {
                continue;
            };
            let starts = one.get("starts").and_then(Value::as_i64).unwrap_or_default();
            let due = starts + DEPLOYMENT_SECONDS;
            if due > state.now {
                continue;
            }
            let too_often = threshold.is_some_and(|share| share_of(failed, total) > share);
            let outcome = match (&assigned, too_often) {
                (_, true) => ("NotStarted", None),
                (None, _) => (
                    "Failed",
                    Some(("PolicyAssignmentNotFound", "The policy assignment is gone.")),
                ),
                (Some(assigned), false) => {
                    let resource = text(one, "/resource").to_owned();
                    match deploy(state, assigned, &reference, &resource, due) {
                        Ok(()) => ("Succeeded", None),
                        Err(error) => ("Failed", Some(error)),
                    }
                }
            };
            if let Some(one) = all.get_mut(at) {
                set(one, "", "status", json!(outcome.0));
                if let Some((code, message)) = outcome.1 {
                    set(one, "", "error", json!({"code": code, "message": message}));
                }
            }
            changed = true;
        }
        if changed {
            set(&mut document, "", "x-deployments", json!(all));
            state.insert(document);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are 50,000 deployments at most")]
fn share_of(failed: usize, total: usize) -> f64 {
    failed as f64 / total.max(1) as f64
}

/// Deploys to a cluster what a member deploys.
fn deploy(
    state: &mut State,
    assigned: &Value,
    reference: &str,
    id: &str,
    at: i64,
) -> Result<(), (&'static str, &'static str)> {
    let Some(mut cluster) = state.resource(id).cloned() else {
        return Err(("ResourceNotFound", "The resource is gone."));
    };
    let principal = text(assigned, "/identity/principalId");
    let may = !principal.is_empty()
        && state
            .of_type("microsoft.authorization/roleassignments")
            .any(|(_, role)| text(role, "/properties/principalId").eq_ignore_ascii_case(principal));
    if !may {
        return Err((
            "AuthorizationFailed",
            "The identity of the policy assignment does not have authorization to write the resource.",
        ));
    }
    let is_stopped = text(&cluster, "/properties/powerState/code") == "Stopped";
    if is_stopped || text(&cluster, "/properties/provisioningState") != "Succeeded" {
        return Err((
            "OperationNotAllowed",
            "Operation is not allowed: the cluster is stopped, or another operation is in progress.",
        ));
    }
    match deploys(state, assigned, reference) {
        None => return Ok(()),
        Some(Deploys::Addon) => {
            let profiles = object(&cluster, "/properties/addonProfiles");
            let key = profiles
                .and_then(|profiles| entry_without_case(profiles, "azurepolicy"))
                .map(|(key, _)| key.clone());
            let mut random = Random::named(state.seed, &format!("{id} add-on"));
            let identity = addon_identity(id, text(&cluster, "/properties/nodeResourceGroup"), &mut random);
            if profiles.is_none() {
                set(&mut cluster, "/properties", "addonProfiles", json!({}));
            }
            let profile = json!({"enabled": true, "config": {"version": "v2"}, "identity": identity});
            set(
                &mut cluster,
                "/properties/addonProfiles",
                &key.unwrap_or_else(|| "azurepolicy".to_owned()),
                profile,
            );
        }
        Some(Deploys::Sensor { workspace }) => {
            let workspace = match workspace.as_str() {
                "" => format!(
                    "{}/resourceGroups/DefaultResourceGroup/providers/Microsoft.OperationalInsights/workspaces/DefaultWorkspace",
                    id.split("/resourcegroups/").next().unwrap_or_default()
                ),
                own => own.to_owned(),
            };
            let defender =
                json!({"logAnalyticsWorkspaceResourceId": workspace, "securityMonitoring": {"enabled": true}});
            set(&mut cluster, "/properties/securityProfile", "defender", defender);
        }
    }
    let etag = state.guid();
    set(&mut cluster, "", "eTag", json!(etag));
    // It was so since the deployment ended, however late somebody looks.
    let now = std::mem::replace(&mut state.now, at);
    state.insert(cluster);
    state.now = now;
    Ok(())
}

fn cancel(state: &mut State, mut document: Value) -> Result<Response, ArmError> {
    if !is_running(state, &document) {
        return Err(ArmError::bad_request(
            "InvalidCancelRemediationRequest",
            "A completed remediation cannot be cancelled.",
        ));
    }
    let now = state.now;
    let mut all = items(&document, "/x-deployments").to_vec();
    for one in &mut all {
        let begun = one
            .get("starts")
            .and_then(Value::as_i64)
            .is_some_and(|starts| starts <= now);
        if !begun && one.get("status").is_none() {
            set(one, "", "status", json!("NotStarted"));
        }
    }
    set(&mut document, "", "x-deployments", json!(all));
    set(&mut document, "", "x-cancelled", json!(now));
    set(&mut document, "/properties", "lastUpdatedOn", json!(time::iso(now)));
    state.insert(document.clone());
    Ok(Response::json(200, &present(state, &document)))
}

/// When the last deployment of a task ends, or its search where there is none.
fn ends(document: &Value) -> i64 {
    let begun = document.get("x-begun").and_then(Value::as_i64).unwrap_or_default();
    let starts = items(document, "/x-deployments")
        .iter()
        .filter(|one| text(one, "/status") != "NotStarted")
        .filter_map(|one| one.get("starts").and_then(Value::as_i64));
    starts
        .map(|starts| starts + DEPLOYMENT_SECONDS)
        .max()
        .unwrap_or(begun + EVALUATION_SECONDS)
}

fn is_running(state: &State, document: &Value) -> bool {
    ends(document) > state.now
}

/// Returns a remediation as it stands now.
fn present(state: &State, document: &Value) -> Value {
    let all = items(document, "/x-deployments");
    let count = |status: &str| all.iter().filter(|one| text(one, "/status") == status).count();
    let begun = document.get("x-begun").and_then(Value::as_i64).unwrap_or_default();
    let cancelled = document.get("x-cancelled").is_some();
    let word = match (is_running(state, document), cancelled) {
        (true, true) => "Cancelling",
        (true, false) if state.now < begun + EVALUATION_SECONDS => "Accepted",
        (true, false) => "Running",
        (false, true) => "Canceled",
        (false, false) if count("Failed") > 0 => "Failed",
        (false, false) => "Succeeded",
    };
    let mut shown = document.clone();
    for key in ["x-begun", "x-deployments", "x-cancelled"] {
        remove(&mut shown, "", key);
    }
    let status = json!({
        "totalDeployments": all.len(), "successfulDeployments": count("Succeeded"), "failedDeployments": count("Failed"),
    });
    set(&mut shown, "/properties", "provisioningState", json!(word));
    set(&mut shown, "/properties", "deploymentStatus", status);
    shown
}

/// The deployments of a task that have begun.
fn deployments(state: &State, document: &Value) -> Vec<Value> {
    let all = items(document, "/x-deployments").iter();
    let begun = all.filter(|one| {
        one.get("starts")
            .and_then(Value::as_i64)
            .is_some_and(|starts| starts <= state.now)
            && text(one, "/status") != "NotStarted"
    });
    begun
        .map(|one| {
            let id = text(one, "/resource");
            let cluster = state.resource(id).cloned().unwrap_or_default();
            let starts = one.get("starts").and_then(Value::as_i64).unwrap_or_default();
            let group = id.split("/providers/").next().unwrap_or_default();
            let key = Random::named(state.seed, &format!("{} {id}", text(document, "/id"))).number();
            let status = match text(one, "/status") {
                "" => "Running",
                status => status,
            };
            let mut shown = json!({
                "remediatedResourceId": text(&cluster, "/id"),
                "deploymentId": format!("{group}/providers/Microsoft.Resources/deployments/PolicyDeployment_{key}"),
                "status": status,
                "resourceLocation": text(&cluster, "/location"),
                "createdOn": time::iso(starts),
                "lastUpdatedOn": time::iso(state.now.min(starts + DEPLOYMENT_SECONDS)),
            });
            if let Some(error) = one.get("error") {
                set(&mut shown, "", "error", error.clone());
            }
            shown
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BASELINE, Client, DEV, PROD};
    use super::*;

    const ADDON: &str = "/providers/Microsoft.Authorization/policyDefinitions/a8eff44f-8c92-45c3-a3fb-9880802d67a7";

    fn at(scope: &str, rest: &str) -> String {
        format!("{scope}/providers/Microsoft.PolicyInsights/remediations{rest}?api-version=2024-10-01")
    }

    /// Assigns the definition that deploys the add-on, with an identity that has a role or none.
    fn assigned(client: &mut Client, scope: &str, role: bool) -> String {
        let id = format!("{scope}/providers/Microsoft.Authorization/policyAssignments/a");
        let body = json!({"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"policyDefinitionId": ADDON}});
        let made = client.ok("PUT", &id, Some(&body), 201);
        if role {
            let role = format!(
                "{scope}/providers/Microsoft.Authorization/roleAssignments/05c5a614-a7d6-4502-b150-c2fb455033ff"
            );
            let contributor = "/providers/Microsoft.Authorization/roleDefinitions/ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8";
            let body = json!({"properties": {"roleDefinitionId": contributor, "principalId": made["identity"]["principalId"], "principalType": "ServicePrincipal"}});
            client.ok("PUT", &role, Some(&body), 201);
        }
        id
    }

    fn addons(client: &Client, scope: &str) -> usize {
        let scope = scope.to_ascii_lowercase();
        let clusters = client
            .sandbox
            .state
            .of_type(CLUSTERS)
            .filter(|(id, _)| id.starts_with(&scope));
        clusters.filter(|(_, cluster)| has(cluster, &Deploys::Addon)).count()
    }

    #[test]
    fn a_remediation_runs_ends_and_can_be_cancelled() {
        let mut client = Client::new();
        let assignment = format!("{DEV}/providers/Microsoft.Authorization/policyAssignments/a");
        client.ok(
            "PUT",
            &assignment,
            Some(&json!({"properties": {"policyDefinitionId": BASELINE}})),
            201,
        );
        let mut body = json!({"properties": {"policyAssignmentId": assignment}});
        client.refused(
            "PUT",
            &at(DEV, "/r"),
            Some(&body),
            400,
            "InvalidCreateRemediationRequest",
        );
        body["properties"]["policyDefinitionReferenceId"] = json!("x");
        let made = client.ok("PUT", &at(DEV, "/r"), Some(&body), 201);
        assert_eq!(made["properties"]["provisioningState"], "Accepted");
        assert_eq!(client.names(&at(DEV, "")), ["r"]);
        client.ok("PUT", &at(DEV, "/s"), Some(&body), 201);
        assert_eq!(
            client.ok("POST", &at(DEV, "/s/cancel"), None, 200)["properties"]["provisioningState"],
            "Cancelling"
        );
        client.sandbox.advance(60);
        assert_eq!(
            client.get(&at(DEV, "/r"))["properties"]["provisioningState"],
            "Succeeded"
        );
        assert_eq!(
            client.get(&at(DEV, "/s"))["properties"]["provisioningState"],
            "Canceled"
        );
        assert!(
            client
                .get(&at(DEV, "/r"))
                .as_object()
                .unwrap()
                .keys()
                .all(|key| !key.starts_with("x-"))
        );
        client.refused(
            "POST",
            &at(DEV, "/r/cancel"),
            None,
            400,
            "InvalidCancelRemediationRequest",
        );
        client.ok("DELETE", &at(DEV, "/r"), None, 200);
        client.refused("GET", &at(DEV, "/r"), None, 404, "RemediationNotFound");
    }

    #[test]
    fn clusters_have_what_is_deployed_when_its_time_has_come() {
        let mut client = Client::new();
        let assignment = assigned(&mut client, DEV, true);
        assert_eq!(addons(&client, DEV), 1);
        let body = json!({"properties": {"policyAssignmentId": assignment}});
        client.ok("PUT", &at(DEV, "/r"), Some(&body), 201);
        client.sandbox.advance(40);
        let running = client.get(&at(DEV, "/r"));
        assert_eq!(
            (&running["properties"]["provisioningState"], addons(&client, DEV)),
            (&json!("Running"), 1)
        );
        client.sandbox.advance(60);
        let ended = client.get(&at(DEV, "/r"));
        assert_eq!(ended["properties"]["provisioningState"], "Succeeded");
        assert_eq!(
            ended["properties"]["deploymentStatus"],
            json!({"totalDeployments": 1, "successfulDeployments": 1, "failedDeployments": 0})
        );
        assert_eq!(addons(&client, DEV), 2);
        let listed = client.ok("POST", &at(DEV, "/r/listDeployments"), None, 200);
        assert_eq!(listed["value"][0]["status"], "Succeeded");
    }

    #[test]
    fn failures_are_told_and_stop_what_has_not_begun() {
        let mut client = Client::new();
        let assignment = assigned(&mut client, PROD, false);
        let before = addons(&client, PROD);
        let body = json!({"properties": {"policyAssignmentId": assignment, "parallelDeployments": 1, "failureThreshold": {"percentage": 0.1}}});
        client.ok("PUT", &at(PROD, "/r"), Some(&body), 201);
        let other = json!({"properties": {"policyAssignmentId": assignment, "parallelDeployments": 2}});
        client.refused(
            "PUT",
            &at(PROD, "/r"),
            Some(&other),
            400,
            "InvalidCreateRemediationRequest",
        );
        client.ok("PUT", &at(PROD, "/r"), Some(&body), 200);
        client.sandbox.advance(3_600);
        let ended = client.get(&at(PROD, "/r"));
        assert_eq!(ended["properties"]["provisioningState"], "Failed");
        assert_eq!(
            ended["properties"]["deploymentStatus"],
            json!({"totalDeployments": 2, "successfulDeployments": 0, "failedDeployments": 1})
        );
        let listed = client.ok("POST", &at(PROD, "/r/listDeployments"), None, 200);
        assert_eq!(
            (
                listed["value"].as_array().unwrap().len(),
                &listed["value"][0]["error"]["code"]
            ),
            (1, &json!("AuthorizationFailed"))
        );
        assert_eq!(addons(&client, PROD), before);
        for (key, value) in [
            ("resourceCount", json!(0)),
            ("parallelDeployments", json!(31)),
            ("failureThreshold", json!({"percentage": 2})),
        ] {
            let mut body = body.clone();
            body["properties"][key] = value;
            client.refused(
                "PUT",
                &at(PROD, "/s"),
                Some(&body),
                400,
                "InvalidCreateRemediationRequest",
            );
        }
    }
}
