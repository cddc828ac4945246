//! Defender plans (`Microsoft.Security/pricings`) of subscriptions.
//!
//! Two behaviours were found in no source and are chosen so that a careless client is caught: an extension left out of a PUT
//! that lists others is turned off, and an extension that the plan does not have answers 200 with a failed `operationStatus`,
//! as the published example of a partial success has it: on as it was asked for, and failed. A later GET does not know it.
//! `inherited` and `inheritedFrom` are of resources only, so no plan of a subscription has them.

use serde_json::{Value, json};

use super::error::ArmError;
use super::http::Response;
use super::json::{items, object, set, text};
use super::random::Random;
use super::route::Call;
use super::state::State;
use super::time;

const TYPE: &str = "Microsoft.Security/pricings";

/// A plan: name, plan that replaced it, sub-plan that it gets when none is sent, and extensions.
type Plan = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    &'static [&'static str],
);

const PLANS: &[Plan] = &[
    (
        "VirtualMachines",
        None,
        Some("P2"),
        &[
            "MdeDesignatedSubscription",
            "AgentlessVmScanning",
            "FileIntegrityMonitoring",
        ],
    ),
    ("SqlServers", None, None, &[]),
    ("AppServices", None, None, &[]),
    (
        "StorageAccounts",
        None,
        Some("DefenderForStorageV2"),
        &["OnUploadMalwareScanning", "SensitiveDataDiscovery"],
    ),
    ("SqlServerVirtualMachines", None, None, &[]),
    ("KubernetesService", Some("Containers"), None, &[]),
    ("ContainerRegistry", Some("Containers"), None, &[]),
    ("KeyVaults", None, Some("PerKeyVault"), &[]),
    ("Dns", Some("VirtualMachines"), None, &[]),
    ("Arm", None, Some("PerSubscription"), &[]),
    ("OpenSourceRelationalDatabases", None, None, &[]),
    ("CosmosDbs", None, None, &[]),
    ("Containers", None, None, CONTAINERS),
    (
        "CloudPosture",
        None,
        None,
        &[
            "AgentlessVmScanning",
            "AgentlessDiscoveryForKubernetes",
            "SensitiveDataDiscovery",
            "ContainerRegistriesVulnerabilityAssessments",
            "EntraPermissionsManagement",
        ],
    ),
    ("Api", None, Some("P1"), &[]),
];
const CONTAINERS: &[&str] = &[
    "ContainerRegistriesVulnerabilityAssessments",
    "AgentlessDiscoveryForKubernetes",
    "AgentlessVmScanning",
    "ContainerSensor",
    "ContainerIntegrityContribution",
];

fn id(subscription: &str, plan: &str) -> String {
    format!("/subscriptions/{subscription}/providers/{TYPE}/{plan}")
}

/// Gives each subscription its plans: dev has none, test the registry scan, prod most of Containers.
pub fn seed(state: &mut State) {
    let subscriptions: Vec<String> = state
        .subscriptions
        .iter()
        .map(|subscription| subscription.id.clone())
        .collect();
    for (index, subscription) in subscriptions.iter().enumerate() {
        for plan in PLANS {
            let (name, _, sub_plan, extensions) = *plan;
            let on: &[&str] = match (name, index) {
                ("Containers", 1) => &["ContainerRegistriesVulnerabilityAssessments"],
                ("Containers", 2) => &[
                    "ContainerRegistriesVulnerabilityAssessments",
                    "AgentlessDiscoveryForKubernetes",
                ],
                ("VirtualMachines" | "KeyVaults" | "Arm", 2) => &[],
                _ => {
                    state.insert(document(subscription, plan, free()));
                    continue;
                }
            };
            let extensions: Vec<Value> = extensions
                .iter()
                .map(|extension| extension_document(extension, on.contains(extension), None))
                .collect();
            let properties = standard(sub_plan, &time::iso(state.now - 86_400 * 90), &extensions);
            state.insert(document(subscription, plan, properties));
        }
    }
}

fn document(subscription: &str, plan: &Plan, mut properties: Value) -> Value {
    if let Some(successor) = plan.1 {
        set(&mut properties, "", "deprecated", json!(true));
        set(&mut properties, "", "replacedBy", json!([successor]));
    }
    json!({"id": id(subscription, plan.0), "name": plan.0, "type": TYPE, "properties": properties})
}

fn free() -> Value {
    json!({"pricingTier": "Free", "freeTrialRemainingTime": "PT0S", "enforce": "False", "resourcesCoverageStatus": "NotCovered"})
}

fn standard(sub_plan: Option<&str>, since: &str, extensions: &[Value]) -> Value {
    let mut properties = json!({
        "pricingTier": "Standard", "freeTrialRemainingTime": "PT0S", "enablementTime": since, "enforce": "False",
        "resourcesCoverageStatus": "FullyCovered",
    });
    if let Some(sub_plan) = sub_plan {
        set(&mut properties, "", "subPlan", json!(sub_plan));
    }
    if !extensions.is_empty() {
        set(&mut properties, "", "extensions", json!(extensions));
    }
    properties
}

/// Returns an extension; the agentless scan gains exclusion tags that nobody sent.
fn extension_document(name: &str, enabled: bool, sent: Option<&Value>) -> Value {
    let mut extension = json!({"name": name, "isEnabled": if enabled { "True" } else { "False" }});
    match sent {
        Some(additional) => set(&mut extension, "", "additionalExtensionProperties", additional.clone()),
        None if name == "AgentlessVmScanning" && enabled => {
            set(
                &mut extension,
                "",
                "additionalExtensionProperties",
                json!({"ExclusionTags": "[]"}),
            );
        }
        None => {}
    }
    extension
}

/// Answers a request for Defender plans.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let scope = state.scope(&call.address.scope)?;
    if !scope.is_subscription() {
        return Err(ArmError::bad_request(
            "InvalidScope",
            format!(
                "The scope '{}' is not supported: Defender plans are those of a subscription here.",
                call.address.scope
            ),
        ));
    }
    let subscription = scope.id.rsplit('/').next().unwrap_or_default().to_owned();
    let Some(name) = call.address.name() else {
        return if call.request.method == "GET" {
            list(state, call, &scope.id)
        } else {
            Err(ArmError::method_not_allowed(&call.request.method))
        };
    };
    let Some(plan) = PLANS.iter().find(|plan| plan.0.eq_ignore_ascii_case(name)) else {
        return Err(ArmError::not_found(
            "NotFound",
            format!("The pricing '{name}' was not found."),
        ));
    };
    match call.request.method.as_str() {
        "GET" => state
            .resource(&id(&subscription, plan.0))
            .map(|document| Response::json(200, document))
            .ok_or_else(|| ArmError::not_found("NotFound", format!("The pricing '{name}' was not found."))),
        "PUT" => put(state, call, &subscription, plan),
        method => Err(ArmError::method_not_allowed(method)),
    }
}

/// Lists all plans on one page; `$filter=name in (A,B)` chooses some.
fn list(state: &State, call: &Call, scope: &str) -> Result<Response, ArmError> {
    let filter = call.request.query_value("$filter").unwrap_or_default();
    let lower = filter.trim().to_ascii_lowercase();
    let chosen: Option<Vec<String>> = match lower.as_str() {
        "" => None,
        _ => {
            let names = lower
                .strip_prefix("name in")
                .map(str::trim)
                .and_then(|rest| rest.strip_prefix('('))
                .and_then(|rest| rest.strip_suffix(')'));
            let names = names
                .ok_or_else(|| ArmError::bad_request("InvalidInput", format!("The filter '{filter}' is invalid.")))?;
            Some(
                names
                    .split(',')
                    .map(|name| name.trim().trim_matches('\'').to_owned())
                    .collect(),
            )
        }
    };
    let start = format!("{scope}/providers/{TYPE}/").to_ascii_lowercase();
    let value: Vec<&Value> = state
        .resources
        .below(&start)
        .map(|(_, document)| document)
        .filter(|document| {
            chosen
                .as_ref()
                .is_none_or(|names| names.contains(&text(document, "/name").to_ascii_lowercase()))
        })
        .collect();
    Ok(Response::json(200, &json!({ "value": value })))
}

fn put(state: &mut State, call: &Call, subscription: &str, plan: &Plan) -> Result<Response, ArmError> {
    let invalid = |message: String| ArmError::bad_request("InvalidInput", message);
    let Some(given) = object(&call.body, "/properties") else {
        return Err(ArmError::content("The request content has no 'properties'."));
    };
    let tier = given.get("pricingTier").and_then(Value::as_str).unwrap_or_default();
    let before = state.resource(&id(subscription, plan.0)).cloned().unwrap_or_default();
    if tier.eq_ignore_ascii_case("Free") {
        let properties = with_enforce(free(), given.get("enforce"))?;
        let document = document(subscription, plan, with_coverage(properties, &before));
        state.insert(document.clone());
        return Ok(Response::json(200, &document));
    }
    if !tier.eq_ignore_ascii_case("Standard") {
        return Err(invalid(format!(
            "The pricing tier '{tier}' is invalid. The allowed values are 'Free, Standard'."
        )));
    }
    let was_standard = text(&before, "/properties/pricingTier") == "Standard";
    let known = items(&before, "/properties/extensions");
    let mut extensions = Vec::new();
    let mut statuses = Vec::new();
    match given.get("extensions") {
        // Nothing said: a plan that is turned on has everything on, one that is on stays as it is.
        None | Some(Value::Null) if was_standard => extensions.extend(known.iter().cloned()),
        None | Some(Value::Null) => extensions.extend(plan.3.iter().map(|name| extension_document(name, true, None))),
        Some(Value::Array(listed)) => {
            for extension in listed {
                let (name, enabled) = (text(extension, "/name"), text(extension, "/isEnabled"));
                let enabled = match enabled.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => {
                        return Err(invalid(format!(
                            "The 'isEnabled' of the extension '{name}' must be 'True' or 'False', a string."
                        )));
                    }
                };
                match plan.3.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                    Some(name) => extensions.push(extension_document(name, enabled, extension.get("additionalExtensionProperties").filter(|value| !value.is_null()))),
                    None => statuses.push(json!({
                        "name": name, "isEnabled": if enabled { "True" } else { "False" },
                        "operationStatus": {"code": "Failed", "message": format!("The extension '{name}' is not part of the plan '{}'", plan.0)},
                    })),
                }
            }
            for name in plan.3 {
                if !extensions.iter().any(|extension| text(extension, "/name") == *name) {
                    extensions.push(extension_document(name, false, None));
                }
            }
        }
        Some(_) => return Err(invalid("The 'extensions' must be an array.".to_owned())),
    }
    extensions.sort_by_key(|extension| plan.3.iter().position(|name| text(extension, "/name") == *name));
    let since = match text(&before, "/properties/enablementTime") {
        "" => time::iso(state.now),
        since => since.to_owned(),
    };
    let sub_plan = given
        .get("subPlan")
        .and_then(Value::as_str)
        .or_else(|| before.pointer("/properties/subPlan").and_then(Value::as_str))
        .or(plan.2);
    let properties = with_enforce(standard(sub_plan, &since, &extensions), given.get("enforce"))?;
    let kept = document(subscription, plan, with_coverage(properties, &before));
    state.insert(kept.clone());

    // Only the answer to the PUT tells how each extension went.
    let mut answered: Vec<Value> = extensions;
    for extension in &mut answered {
        let words = if text(extension, "/isEnabled") == "True" {
            "Successfully enabled extension"
        } else {
            "Successfully disabled extension"
        };
        set(
            extension,
            "",
            "operationStatus",
            json!({"code": "Succeeded", "message": words}),
        );
    }
    answered.extend(statuses);
    let mut shown = kept;
    if !answered.is_empty() {
        set(&mut shown, "/properties", "extensions", json!(answered));
    }
    Ok(Response::json(200, &shown).with(
        "x-ms-operation-identifier",
        Random::named(state.seed, &state.revision.to_string()).guid(),
    ))
}

/// Resources with a setting of their own keep it, and the coverage partial, until the subscription's is forced on them.
fn with_coverage(mut properties: Value, before: &Value) -> Value {
    const PARTIAL: &str = "PartiallyCovered";
    let was_partial = text(before, "/properties/resourcesCoverageStatus") == PARTIAL;
    if was_partial && text(&properties, "/enforce") != "True" {
        set(&mut properties, "", "resourcesCoverageStatus", json!(PARTIAL));
    }
    properties
}

fn with_enforce(mut properties: Value, given: Option<&Value>) -> Result<Value, ArmError> {
    match given
        .map(|value| value.as_str().unwrap_or_default().to_ascii_lowercase())
        .as_deref()
    {
        None | Some("false") => Ok(properties),
        Some("true") => {
            set(&mut properties, "", "enforce", json!("True"));
            Ok(properties)
        }
        Some(_) => Err(ArmError::bad_request(
            "InvalidInput",
            "The property 'enforce' must be 'True' or 'False', a string.",
        )),
    }
}
