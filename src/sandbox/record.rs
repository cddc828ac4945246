//! The record of a served sandbox: exchanges as lines of JSON, without tokens.
//!
//! Headers are taken from a list of harmless ones, and every text that holds the caller's token, also in base64 or percent
//! escapes, is replaced as a whole. It must not know files.

use serde_json::{Map, Value, json};

use super::http::{Request, Response, percent_decode};

/// The headers that are recorded, in lower case.
const HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "azure-asyncoperation",
    "cache-control",
    "commandname",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "host",
    "if-match",
    "if-none-match",
    "location",
    "retry-after",
    "strict-transport-security",
    "user-agent",
    "www-authenticate",
    "x-content-type-options",
];
/// How the names of further headers start that are recorded.
const PREFIXES: &[&str] = &["x-ms-ratelimit-", "x-ms-user-quota-", "x-ms-resource-graph-"];
/// Headers of Azure that are recorded; `x-ms-authorization-auxiliary`, which carries tokens, is not.
const IDS: &[&str] = &[
    "x-ms-client-request-id",
    "x-ms-correlation-request-id",
    "x-ms-request-id",
    "x-ms-return-client-request-id",
    "x-ms-failure-cause",
    "x-ms-version",
];
/// What stands in place of a text that holds a token.
const REDACTED: &str = "[redacted]";
/// The shortest part of a token that counts as one, in bytes; its header is the same for everybody.
const SHORTEST: usize = 16;

/// Returns an exchange as one line of the record: `{"request", "response"?, "fault"?}`.
///
/// Bodies stand there where they are JSON. An exchange that ended without an answer has no `response`.
#[must_use]
pub fn exchange(request: &Request, response: Option<&Response>, fault: Option<&str>) -> String {
    let query = if request.query.is_empty() {
        String::new()
    } else {
        format!("?{}", request.query)
    };
    let url = format!("{}{}{query}", request.origin, request.path);
    let mut line = Map::new();
    let asked = json!({"method": request.method, "url": url, "headers": headers(&request.headers)});
    line.insert("request".to_owned(), with_body(asked, &request.body));
    if let Some(response) = response {
        let answered = json!({"status": response.status, "headers": headers(&response.headers)});
        line.insert("response".to_owned(), with_body(answered, &response.body));
    }
    if let Some(fault) = fault {
        line.insert("fault".to_owned(), json!(fault));
    }
    let secrets = secrets(request);
    scrub(Value::Object(line), &secrets).to_string()
}

fn headers(headers: &[(String, String)]) -> Value {
    let harmless = |name: &str| {
        let name = name.to_ascii_lowercase();
        HEADERS.contains(&name.as_str())
            || IDS.contains(&name.as_str())
            || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let kept = headers.iter().filter(|(name, _)| harmless(name));
    Value::Object(kept.map(|(name, value)| (name.clone(), json!(value))).collect())
}

fn with_body(mut side: Value, body: &[u8]) -> Value {
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        super::json::set(&mut side, "", "body", body);
    }
    side
}

/// Returns the token's parts that are secret, each also as base64 shows it at its three places within other bytes.
fn secrets(request: &Request) -> Vec<String> {
    let mut secrets = Vec::new();
    let carriers = ["authorization", "x-ms-authorization-auxiliary"];
    for (_, value) in request
        .headers
        .iter()
        .filter(|(name, _)| carriers.contains(&name.to_ascii_lowercase().as_str()))
    {
        let words = value
            .split([' ', ','])
            .filter(|word| !word.eq_ignore_ascii_case("bearer"));
        for part in words.flat_map(|word| word.split('.').skip(usize::from(word.matches('.').count() == 2))) {
            if part.len() < SHORTEST {
                continue;
            }
            secrets.push(part.to_owned());
            for shift in 0..3 {
                let mut bytes = vec![0; shift];
                bytes.extend_from_slice(part.as_bytes());
                let encoded = data_encoding::BASE64_NOPAD.encode(&bytes);
                // The first and last group also depend on what stands beside.
                let middle = encoded.get(4..encoded.len().saturating_sub(4)).unwrap_or_default();
                if middle.len() >= SHORTEST {
                    secrets.push(middle.to_owned());
                    secrets.push(middle.replace('+', "-").replace('/', "_"));
                }
            }
        }
    }
    secrets
}

fn scrub(value: Value, secrets: &[String]) -> Value {
    match value {
        Value::String(text) if leaks(&text, secrets) => json!(REDACTED),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| scrub(item, secrets)).collect()),
        Value::Object(object) => {
            let clean = |(key, value): (String, Value)| {
                let key = if leaks(&key, secrets) { REDACTED.to_owned() } else { key };
                (key, scrub(value, secrets))
            };
            Value::Object(object.into_iter().map(clean).collect())
        }
        other => other,
    }
}

fn leaks(text: &str, secrets: &[String]) -> bool {
    // Texts may be escaped more than once, such as a link within a query.
    let mut text = text.to_owned();
    for _ in 0..4 {
        if secrets.iter().any(|secret| text.contains(secret.as_str())) {
            return true;
        }
        let decoded = unescape_json(&percent_decode(&text));
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    // Whoever escapes so often hides something.
    true
}

/// Returns `text` with `\uXXXX` decoded where it stands for ASCII.
fn unescape_json(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..4).and_then(|code| u8::from_str_radix(code, 16).ok());
        match (code.filter(u8::is_ascii), part.get(4..)) {
            (Some(code), Some(rest)) => {
                plain.push(char::from(code));
                plain.push_str(rest);
            }
            _ => {
                plain.push_str("\\u");
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::{Sandbox, SeedOptions, token};
    use super::*;

    const CANARY: &str = "canary/+secret-4f1d09c2a7b3e856";

    fn forms(secret: &str) -> Vec<String> {
        let base64 = |prefix: &str| data_encoding::BASE64.encode(format!("{prefix}{secret} and more").as_bytes());
        let escaped: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
        vec![
            secret.to_owned(),
            format!("before {secret} after"),
            escaped.clone(),
            escaped.replace('%', "%25"),
            secret.bytes().map(|byte| format!("\\u{byte:04X}")).collect(),
            base64(""),
            base64("a"),
            base64("ab"),
            data_encoding::BASE64URL.encode(format!("x:{secret}").as_bytes()),
        ]
    }

    #[test]
    fn no_form_of_the_callers_token_is_recorded() {
        let issued = token::issue_unique(&Sandbox::seed(&SeedOptions::default()).state, "x", 0, 7);
        let signature = issued.rsplit('.').next().unwrap().to_owned();
        for (bearer, secret) in [
            (CANARY.to_owned(), CANARY.to_owned()),
            (issued.clone(), issued),
            (format!("e30.e30.{signature}"), signature),
        ] {
            for form in forms(&secret) {
                let mut request = Request::new("PUT", &format!("/a/{form}?x={form}"));
                request.headers = vec![
                    ("Authorization".to_owned(), format!("Bearer {bearer}")),
                    ("Cookie".to_owned(), form.clone()),
                    ("X-Ms-Authorization-Auxiliary".to_owned(), form.clone()),
                    ("X-Custom".to_owned(), form.clone()),
                    ("User-Agent".to_owned(), form.clone()),
                    ("Content-Type".to_owned(), "application/json".to_owned()),
                ];
                let body = json!({"a": [form], form.as_str(): {"b": form}, "kept": "harmless"});
                request.body = body.to_string().into();
                let response = Response::json(400, &json!({"error": {"message": form}})).with("location", form.clone());
                let line = exchange(&request, Some(&response), None);
                for found in forms(&secret) {
                    let shown = serde_json::to_string(&found).unwrap();
                    assert!(!line.contains(shown.trim_matches('"')), "{found}\n{line}");
                }
                let kept: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(kept["request"]["body"]["kept"], "harmless", "the rest stays");
                assert_eq!(kept["request"]["headers"]["Content-Type"], "application/json");
                assert_eq!(kept["response"]["status"], 400);
            }
        }
    }

    #[test]
    fn an_exchange_without_secrets_is_kept_as_it_was() {
        let mut request = Request::new("GET", "/a%20b?x=%5Cu0041");
        request
            .headers
            .push(("authorization".to_owned(), "Bearer short".to_owned()));
        let line: Value = serde_json::from_str(&exchange(&request, None, Some("reset"))).unwrap();
        assert_eq!(
            line["request"]["url"],
            "https://management.sandbox.aksgate.invalid/a%20b?x=%5Cu0041"
        );
        assert_eq!(line["request"].get("headers"), Some(&json!({})));
        assert_eq!((line.get("response"), &line["fault"]), (None, &json!("reset")));
    }
}
