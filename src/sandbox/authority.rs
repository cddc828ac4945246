//! The sign-in side of a served sandbox: enough of the identity platform for clients that sign in for real.
//!
//! Whoever asks gets a token: there is nothing to protect behind it. It must not know resources.

use serde_json::{Value, json};

use super::http::{Request, Response};
use super::state::State;
use super::token;

/// Returns whether a request is for the authority.
#[must_use]
pub fn is_authority(request: &Request) -> bool {
    let segments: Vec<&str> = request.path.split('/').filter(|segment| !segment.is_empty()).collect();
    matches!(
        (request.method.as_str(), segments.as_slice()),
        (
            "GET",
            ["metadata", "endpoints"] | [.., ".well-known", "openid-configuration"]
        ) | ("POST", [_, "oauth2", "token"] | [_, "oauth2", "v2.0", "token"])
    )
}

/// Answers what belongs to the authority, or `None` for everything else. No two tokens with different `serial` are the same.
#[must_use]
pub fn answer(state: &State, request: &Request, serial: u64) -> Option<Response> {
    let segments: Vec<&str> = request.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let origin = &request.origin;
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["metadata", "endpoints"]) => Some(Response::json(200, &endpoints(origin))),
        (
            "GET",
            [tenant, "v2.0", ".well-known", "openid-configuration"] | [tenant, ".well-known", "openid-configuration"],
        ) => Some(Response::json(200, &configuration(origin, tenant))),
        ("POST", [_, "oauth2", "v2.0", "token"] | [_, "oauth2", "token"]) => {
            let body = String::from_utf8_lossy(&request.body);
            let form = super::http::query_pairs(&body);
            let value = |name: &str| {
                form.iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.as_str())
            };
            if value("grant_type").is_none() || value("client_id").is_none() {
                let refusal = json!({"error": "invalid_request", "error_description": "The request has no 'grant_type' or no 'client_id'."});
                return Some(Response::json(400, &refusal));
            }
            let audience = value("scope").or_else(|| value("resource")).unwrap_or(origin);
            let audience = audience
                .split(' ')
                .next()
                .unwrap_or_default()
                .trim_end_matches("/.default");
            Some(
                Response::json(
                    200,
                    &json!({
                        "token_type": "Bearer",
                        "expires_in": 3599,
                        "ext_expires_in": 3599,
                        "access_token": token::issue_unique(state, audience, state.now, serial),
                    }),
                )
                .with("cache-control", "no-store"),
            )
        }
        _ => None,
    }
}

fn configuration(origin: &str, tenant: &str) -> Value {
    json!({
        "issuer": format!("{origin}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{origin}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "tenant_region_scope": null,
    })
}

/// Returns the cloud's description, one object as api-version 2022-09-01 has it.
fn endpoints(origin: &str) -> Value {
    json!({
        "name": "Sandbox",
        "portal": origin,
        "resourceManager": origin,
        "authentication": {
            "loginEndpoint": origin,
            "audiences": [origin, "https://management.azure.com", "https://management.core.windows.net"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graph": origin,
        "graphAudience": origin,
        "microsoftGraphResourceId": origin,
        "gallery": origin,
        "batch": origin,
        "media": origin,
        "sqlManagement": origin,
        "activeDirectoryDataLake": origin,
        "logAnalyticsResourceId": origin,
        "vmImageAliasDoc": origin,
        "suffixes": {
            "storage": "storage.sandbox.aksgate.invalid",
            "keyVaultDns": "vault.sandbox.aksgate.invalid",
            "acrLoginServer": "registry.sandbox.aksgate.invalid",
            "sqlServerHostname": "database.sandbox.aksgate.invalid",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, SeedOptions};

    #[test]
    fn a_client_finds_its_way_and_gets_a_token_that_is_accepted() {
        let mut sandbox = Sandbox::seed(&SeedOptions::default());
        let ask = |sandbox: &Sandbox, method: &str, target: &str, body: &'static str| {
            let mut request = Request::new(method, target);
            request.origin = "https://localhost:1".to_owned();
            request.body = bytes::Bytes::from_static(body.as_bytes());
            answer(&sandbox.state, &request, 1).map(|response| (response.status, response.value()))
        };
        let (_, cloud) = ask(&sandbox, "GET", "/metadata/endpoints?api-version=2022-09-01", "").unwrap();
        assert_eq!(cloud["resourceManager"], "https://localhost:1");
        let (_, authority) = ask(
            &sandbox,
            "GET",
            "/some-tenant/v2.0/.well-known/openid-configuration",
            "",
        )
        .unwrap();
        let endpoint = authority["token_endpoint"]
            .as_str()
            .unwrap()
            .strip_prefix("https://localhost:1")
            .unwrap();
        assert_eq!(ask(&sandbox, "POST", endpoint, "grant_type=x").unwrap().0, 400);
        let form =
            "grant_type=client_credentials&client_id=a&client_secret=b&scope=https%3A%2F%2Flocalhost%3A1%2F.default";
        let (status, grant) = ask(&sandbox, "POST", endpoint, form).unwrap();
        assert_eq!((status, &grant["token_type"]), (200, &json!("Bearer")));
        let token = grant["access_token"].as_str().unwrap();
        assert_eq!(token.split('.').count(), 3);
        let mut request = Request::new("GET", "/subscriptions?api-version=2022-12-01");
        request
            .headers
            .push(("authorization".to_owned(), format!("Bearer {token}")));
        assert_eq!(sandbox.handle(request).status, 200);
        assert!(ask(&sandbox, "GET", "/subscriptions?api-version=2022-12-01", "").is_none());
    }
}
