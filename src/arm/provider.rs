//! Resource providers of a subscription: whether they are registered, and registering them.
//!
//! Owns how a registration is waited for. Must not know what a provider is needed for.

use super::client::{Client, resource};
use super::error::ArmError;
use super::paging::unusable;
use super::request::Purpose;
use azure_core::http::Method;
use serde_json::{Value, json};

impl Client {
    /// Returns the `registrationState` of a resource provider, such as `Registered` or `NotRegistered`.
    pub async fn registration_state(&self, subscription: &str, namespace: &str) -> Result<String, ArmError> {
        let call = self.call(Method::Get, Purpose::Read, &path(subscription, namespace), &[], None)?;
        let answer = self.send(&call).await?;
        let found = resource(&call, &answer)?;
        let state = found.body.get("registrationState").and_then(Value::as_str);
        state
            .map(str::to_owned)
            .ok_or_else(|| unusable(&call, &answer, "the answer has no `registrationState`"))
    }

    /// Registers a resource provider and returns when Azure says that it is registered.
    ///
    /// Registering what is registered changes nothing. An error whose outcome is unknown leaves a registration that may go on.
    pub async fn register(&self, subscription: &str, namespace: &str) -> Result<(), ArmError> {
        let path = path(subscription, namespace);
        let start = self.call(
            Method::Post,
            Purpose::Start,
            &format!("{path}/register"),
            &[],
            Some(&json!({})),
        )?;
        let answer = self.send(&start).await?;
        let mut patience = self.patience();
        let mut asked = Some(&answer);
        loop {
            let state = self
                .registration_state(subscription, namespace)
                .await
                .map_err(ArmError::in_doubt)?;
            if state.eq_ignore_ascii_case("Registered") {
                return Ok(());
            }
            self.pause(&start, asked.take(), &state, None, &mut patience).await?;
        }
    }
}

fn path(subscription: &str, namespace: &str) -> String {
    format!("/subscriptions/{subscription}/providers/{namespace}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{Script, answer};

    fn state(state: &str) -> crate::arm::testing::Turn {
        answer(200, json!({ "registrationState": state }))
    }

    #[test]
    fn a_registration_is_waited_for() {
        let script = Script::new([
            state("Registering"),
            state("NotRegistered"),
            state("Registering"),
            state("Registered"),
        ]);
        script
            .run(|client| async move { client.register("s", "Microsoft.PolicyInsights").await })
            .unwrap();
        let requests = script.requests();
        assert_eq!(
            (requests[0].method.as_str(), requests[0].url.as_str()),
            (
                "POST",
                "https://management.azure.com/subscriptions/s/providers/Microsoft.PolicyInsights/register?api-version=2024-07-01"
            )
        );
        assert_eq!(requests.len(), 4, "one POST and three looks");
    }

    #[test]
    fn a_state_that_is_not_said_is_an_error() {
        let script = Script::new([answer(200, json!({"namespace": "Microsoft.PolicyInsights"}))]);
        let error = script
            .run(|client| async move { client.registration_state("s", "Microsoft.PolicyInsights").await })
            .unwrap_err();
        assert!(error.message().contains("registrationState"), "{error}");
    }

    #[test]
    fn a_refused_registration_is_not_waited_for() {
        let refused = json!({"error": {"code": "AuthorizationFailed", "message": "no"}});
        let script = Script::new([answer(403, refused)]);
        let error = script
            .run(|client| async move { client.register("s", "Microsoft.Security").await })
            .unwrap_err();
        assert!(
            error.has_code("AuthorizationFailed") && !error.outcome_unknown(),
            "{error}"
        );
    }
}
