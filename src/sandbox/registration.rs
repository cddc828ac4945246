//! Resource provider registrations: what a subscription may use.
//!
//! Only writes ask for a registration here, and all that concerns Defender for Cloud; other reads of a namespace that is not
//! registered differ in Azure from service to service.

use super::error::ArmError;
use super::route::Call;
use super::state::State;
use super::versions::NAMESPACES;

/// How long a registration takes, in seconds.
const SECONDS: i64 = 45;

/// Returns the namespaces that the sandbox knows.
pub fn namespaces() -> impl Iterator<Item = &'static str> {
    NAMESPACES.iter().map(|(_, shown)| *shown)
}

/// Returns the `registrationState` of a namespace, given in lower case.
#[must_use]
pub fn of(state: &State, subscription: &str, namespace: &str) -> &'static str {
    match state.unregistered.get(&key(subscription, namespace)) {
        None => "Registered",
        Some(None) => "NotRegistered",
        Some(Some(_)) => "Registering",
    }
}

/// Starts to register a namespace, or takes its registration away.
pub fn change(state: &mut State, subscription: &str, namespace: &str, register: bool) {
    let key = key(subscription, namespace);
    let known = NAMESPACES.iter().any(|(lower, _)| *lower == namespace);
    match (register, state.unregistered.get(&key)) {
        (true, Some(None)) => {
            let due = state.now + SECONDS;
            state.unregistered.insert(key, Some(due));
        }
        (false, None) if known => {
            state.unregistered.insert(key, None);
        }
        _ => {}
    }
}

/// Lets a request pass unless it writes into a subscription that may not use the namespace.
///
/// # Errors
/// 409 `MissingSubscriptionRegistration`; of Microsoft.Security 404 `Subscription Not Registered`.
pub fn check(state: &State, call: &Call) -> Result<(), ArmError> {
    let writes = matches!(call.request.method.as_str(), "PUT" | "PATCH" | "DELETE");
    let [subscriptions, subscription, ..] = call.address.segments.as_slice() else {
        return Ok(());
    };
    let namespace = &call.address.namespace;
    let registered = of(state, subscription, &namespace.to_ascii_lowercase()) == "Registered";
    let is_registration =
        call.address.parts.iter().all(|(kind, name)| {
            name.is_none() && ["register", "unregister"].contains(&kind.to_ascii_lowercase().as_str())
        });
    if registered || !subscriptions.eq_ignore_ascii_case("subscriptions") {
        return Ok(());
    }
    // Microsoft.Security has an answer of its own, to reads too (Azure/azure-sdk-for-go#19900).
    if namespace.eq_ignore_ascii_case("Microsoft.Security") && !is_registration {
        return Err(ArmError::not_found(
            "Subscription Not Registered",
            "Please register to Microsoft.Security in order to view your security status",
        ));
    }
    if !writes {
        return Ok(());
    }
    Err(ArmError::new(
        409,
        "MissingSubscriptionRegistration",
        format!(
            "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
        ),
    ))
}

fn key(subscription: &str, namespace: &str) -> String {
    format!("{subscription}/{namespace}").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::seed::SeedOptions;
    use super::super::testing::{Client, DEV, PROD};
    use serde_json::json;

    #[test]
    fn a_registration_takes_its_time_and_then_lets_requests_pass() {
        let mut client = Client::with(&SeedOptions {
            unregistered: vec!["Microsoft.Security".to_owned(), "Microsoft.ContainerService".to_owned()],
            ..SeedOptions::default()
        });
        let provider = format!("{DEV}/providers/Microsoft.Security");
        let plan = format!("{provider}/pricings/Containers");
        let body = json!({"properties": {"pricingTier": "Free"}});
        let state = |client: &mut Client, path: &str| client.ok("GET", path, None, 200)["registrationState"].clone();
        assert_eq!(state(&mut client, &provider), "NotRegistered");
        client.refused("PUT", &plan, Some(&body), 404, "Subscription Not Registered");
        client.refused("GET", &plan, None, 404, "Subscription Not Registered");
        let plans = format!("{provider}/pricings");
        client.refused("GET", &plans, None, 404, "Subscription Not Registered");
        let started = client.ok(
            "POST",
            &format!("{provider}/register?api-version=2021-04-01"),
            None,
            200,
        );
        assert_eq!(started["registrationState"], "Registering");
        client.sandbox.advance(60);
        assert_eq!(state(&mut client, &provider), "Registered");
        client.ok("PUT", &plan, Some(&body), 200);
        let other = format!("{PROD}/providers/Microsoft.Security");
        assert_eq!(state(&mut client, &other), "NotRegistered", "another subscription");
        client.ok(
            "POST",
            &format!("{provider}/unregister?api-version=2021-04-01"),
            None,
            200,
        );
        assert_eq!(state(&mut client, &provider), "NotRegistered");
        let cluster = format!(
            "{DEV}/resourceGroups/rg-aks-dev-weu/providers/Microsoft.ContainerService/managedClusters/aks-dev-weu-01"
        );
        client.ok("GET", &cluster, None, 200);
        let body = json!({"location": "westeurope"});
        client.refused("PUT", &cluster, Some(&body), 409, "MissingSubscriptionRegistration");
    }
}
