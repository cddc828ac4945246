//! What the sandbox's tests share: a sandbox with short ways to ask it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::seed::SeedOptions;
use super::{Request, Response, Sandbox, token};

pub(super) const DEV: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";
pub(super) const TEST: &str = "/subscriptions/0a000000-0000-4000-8000-000000000002";
pub(super) const PROD: &str = "/subscriptions/0a000000-0000-4000-8000-000000000003";
pub(super) const GROUP: &str = "/providers/Microsoft.Management/managementGroups/contoso-prod";
/// The built-in pod security baseline.
pub(super) const BASELINE: &str =
    "/providers/Microsoft.Authorization/policySetDefinitions/a8640138-9b0a-4a28-b8cb-1666c838647d";

pub(super) struct Client {
    pub sandbox: Sandbox,
    pub headers: Vec<(String, String)>,
}

impl Client {
    pub fn new() -> Self {
        Self::with(&SeedOptions::default())
    }

    pub fn with(options: &SeedOptions) -> Self {
        Self {
            sandbox: Sandbox::seed(options),
            headers: Vec::new(),
        }
    }

    pub fn send(&mut self, method: &str, target: &str, body: Option<&Value>) -> Response {
        let mut request = Request::new(method, target);
        let token = token::issue(&self.sandbox.state, "https://management.azure.com", 0);
        request
            .headers
            .push(("Authorization".to_owned(), format!("Bearer {token}")));
        request.headers.append(&mut self.headers);
        if let Some(body) = body {
            request.body = Bytes::from(body.to_string());
        }
        self.sandbox.handle(request)
    }

    /// Sends with a default api-version for the resource type, unless the target names one.
    pub fn call(&mut self, method: &str, target: &str, body: Option<&Value>) -> Response {
        if target.contains("api-version=") {
            return self.send(method, target, body);
        }
        let lower = target.to_ascii_lowercase();
        let version = [
            ("/microsoft.authorization/policyexemptions", "2024-12-01-preview"),
            ("/microsoft.authorization/roleassignments", "2022-04-01"),
            ("/microsoft.authorization/", "2026-07-01"),
            ("/microsoft.security/", "2024-01-01"),
            ("/microsoft.containerservice/", "2026-05-01"),
            ("/microsoft.resourcegraph/", "2024-04-01"),
            ("/microsoft.management/managementgroups", "2023-04-01"),
        ]
        .iter()
        .filter(|(part, _)| lower.contains(part))
        .max_by_key(|(part, _)| (lower.rfind(part), part.len()))
        .map_or("2022-12-01", |(_, version)| version);
        let joint = if target.contains('?') { '&' } else { '?' };
        self.send(method, &format!("{target}{joint}api-version={version}"), body)
    }

    #[track_caller]
    pub fn ok(&mut self, method: &str, target: &str, body: Option<&Value>, status: u16) -> Value {
        let response = self.call(method, target, body);
        assert_eq!(
            response.status,
            status,
            "{method} {target}: {}",
            String::from_utf8_lossy(&response.body)
        );
        response.value()
    }

    #[track_caller]
    pub fn get(&mut self, target: &str) -> Value {
        self.ok("GET", target, None, 200)
    }

    /// Expects a refusal with this status and code, which changed nothing.
    #[track_caller]
    pub fn refused(&mut self, method: &str, target: &str, body: Option<&Value>, status: u16, code: &str) -> String {
        let before = self.sandbox.state.clone();
        let response = self.call(method, target, body);
        let value = response.value();
        let text = value["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (response.status, value["error"]["code"].as_str()),
            (status, Some(code)),
            "{method} {target}: {text}"
        );
        assert_eq!(self.sandbox.state, before, "a refused request changes nothing");
        text
    }

    #[track_caller]
    pub fn names(&mut self, target: &str) -> Vec<String> {
        names(&self.get(target))
    }

    #[track_caller]
    pub fn query(&mut self, query: &str) -> Vec<Value> {
        let body = json!({"query": query, "options": {"resultFormat": "objectArray", "$top": 1000}});
        let answer = self.ok("POST", "/providers/Microsoft.ResourceGraph/resources", Some(&body), 200);
        answer["data"].as_array().cloned().unwrap()
    }
}

pub(super) fn names(list: &Value) -> Vec<String> {
    list["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// The path and query of a link in an answer.
pub(super) fn target(link: &str) -> String {
    link.strip_prefix("https://management.sandbox.aksgate.invalid")
        .unwrap()
        .to_owned()
}
