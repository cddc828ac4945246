//! Access tokens: JWT-shaped texts whose last part is the state's secret. Nothing else is checked, and nothing is signed.

use serde_json::json;

use super::error::ArmError;
use super::state::State;

/// Returns an access token that the sandbox accepts, for about an hour of the caller's clock, `now` in seconds since 1970.
#[must_use]
pub fn issue(state: &State, audience: &str, now: i64) -> String {
    issue_unique(state, audience, now, 0)
}

/// Returns an access token like [`issue`] does, another one for each `serial`.
#[must_use]
pub fn issue_unique(state: &State, audience: &str, now: i64, serial: u64) -> String {
    let encode = |value: &serde_json::Value| data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let header = encode(&json!({"typ": "JWT", "alg": "none"}));
    let claims = encode(&json!({
        "aud": audience,
        "iss": format!("https://sts.windows.net/{}/", state.tenant),
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "tid": state.tenant,
        "oid": state.principal,
        "sub": state.principal,
        "appid": state.principal,
        "idtyp": "app",
        "uti": serial.to_string(),
        "ver": "1.0",
    }));
    format!("{header}.{claims}.{}", state.token_secret)
}

/// Lets a request pass whose `Authorization` header carries a token of this sandbox.
///
/// # Errors
/// 401 `AuthenticationFailed` without a bearer token, `InvalidAuthenticationToken` with one of another place.
pub fn check(state: &State, authorization: Option<&str>) -> Result<(), ArmError> {
    let given = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let failure = match given {
        Some(token) if token.rsplit('.').next() == Some(state.token_secret.as_str()) => return Ok(()),
        Some(_) => (
            "InvalidAuthenticationToken",
            "invalid_token",
            "The access token is invalid.",
        ),
        None => (
            "AuthenticationFailed",
            "invalid_request",
            "Authentication failed. The 'Authorization' header is missing or has no bearer token.",
        ),
    };
    let (code, reason, message) = failure;
    let mut error = ArmError::new(401, code, message);
    error.headers.push((
        "www-authenticate".to_owned(),
        format!(
            "Bearer authorization_uri=\"https://login.windows.net/{}\", error=\"{reason}\", error_description=\"{message}\"",
            state.tenant
        ),
    ));
    Err(error)
}
