//! The token of a pipeline's job, as an assertion for Entra.
//!
//! Owns how GitHub Actions and Azure Pipelines are asked for it. Must not know Entra.

use super::fault::SignInFault;
use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderName, RETRY_AFTER};
use azure_core::http::{ClientMethodOptions, HttpClient, Method, Request, Url};
use azure_identity::ClientAssertion;
use futures::StreamExt;
use serde_json::Value;
use std::sync::Arc;

/// Who the token is for: what a federated credential in Entra expects.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The version of Azure DevOps's call (`distributedtask/hubs/…/oidctoken`).
const PIPELINES_VERSION: &str = "7.1";
/// More than any token has.
const LARGEST_ANSWER: usize = 256 * 1024;

/// A request for the token of the running job.
#[derive(Clone)]
pub(super) struct JobToken {
    who: &'static str,
    method: Method,
    url: Url,
    bearer: Secret,
    /// The member of the answer that holds the token.
    member: &'static str,
    transport: Arc<dyn HttpClient>,
}

impl std::fmt::Debug for JobToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobToken")
            .field("who", &self.who)
            .finish_non_exhaustive()
    }
}

impl JobToken {
    /// Returns the request of a GitHub Actions job (docs.github.com, "OpenID Connect reference": a GET with `audience`, answered by `value`).
    pub(super) fn github(url: &str, bearer: &Secret, transport: &Arc<dyn HttpClient>) -> Result<JobToken, String> {
        let mut url = https("ACTIONS_ID_TOKEN_REQUEST_URL", url)?;
        url.query_pairs_mut().append_pair("audience", AUDIENCE);
        Ok(JobToken {
            who: "GitHub Actions",
            method: Method::Get,
            url,
            bearer: bearer.clone(),
            member: "value",
            transport: transport.clone(),
        })
    }

    /// Returns the request of an Azure Pipelines job (Azure DevOps REST, "Oidctoken - Create": a POST, answered by `oidcToken`).
    pub(super) fn pipelines(
        url: &str,
        connection: &str,
        bearer: &Secret,
        transport: &Arc<dyn HttpClient>,
    ) -> Result<JobToken, String> {
        let mut url = https("SYSTEM_OIDCREQUESTURI", url)?;
        url.query_pairs_mut()
            .append_pair("api-version", PIPELINES_VERSION)
            .append_pair("serviceConnectionId", connection);
        Ok(JobToken {
            who: "Azure Pipelines",
            method: Method::Post,
            url,
            bearer: bearer.clone(),
            member: "oidcToken",
            transport: transport.clone(),
        })
    }

    async fn fetch(&self) -> Result<String, SignInFault> {
        let mut request = Request::new(self.url.clone(), self.method);
        request.insert_header(AUTHORIZATION, format!("Bearer {}", self.bearer.secret()));
        request.insert_header(ACCEPT, "application/json");
        if self.method == Method::Post {
            request.insert_header(CONTENT_LENGTH, "0");
            // Without it a refused token is answered with a page to sign in at.
            request.insert_header(HeaderName::from_static("x-tfs-fedauthredirect"), "Suppress");
        }
        let answer = self.transport.execute_request(&request).await;
        let (status, headers, mut stream) = answer
            .map_err(|error| SignInFault::of_network(self.who, &error))?
            .deconstruct();
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| SignInFault::of_network(self.who, &error))?;
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(SignInFault::new(format!("{} sent too large an answer", self.who), ""));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            // What it says is for people; a token is not in it.
            let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            let wait = headers.get_optional_str(&RETRY_AFTER);
            return Err(SignInFault::of_status(self.who, *status, wait, &said));
        }
        let token = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|body| body.get(self.member)?.as_str().map(str::to_owned));
        token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| SignInFault::new(format!("{} answered without a token", self.who), ""))
    }
}

/// Returns the URL that a variable holds: nothing secret goes anywhere without TLS.
fn https(variable: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| format!("{variable} is not a URL"))?;
    match url.scheme() {
        "https" => Ok(url),
        _ => Err(format!("{variable} is not an https URL")),
    }
}

#[async_trait]
impl ClientAssertion for JobToken {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.fetch()
            .await
            .map_err(|fault| Error::new(ErrorKind::Credential, fault))
    }
}
