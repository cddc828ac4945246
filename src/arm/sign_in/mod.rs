//! Where tokens come from.
//!
//! Owns the ways to sign in, which of them `auto` takes, and what to say when none works. Must not know requests, nor read the
//! environment: its variables come in as plain values. (Managed identity is the exception: azure_identity itself reads
//! `IDENTITY_ENDPOINT`, `IDENTITY_HEADER` and the like, which tell it the kind of machine, and takes them in no other way.)

mod certificate;
mod fault;
mod method;
mod oidc;
mod source;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub use method::SignInMethod;

pub(super) use fault::SignInFault;

use super::options::Notice;
use crate::clock::Clock;
use crate::config::Cloud;
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{HttpClient, Url};
use azure_identity::Executor;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What the environment's variables say about signing in; empty ones are absent.
#[derive(Clone, Debug, Default)]
pub struct SignInValues {
    /// `AZURE_CLIENT_ID`: the application, or the user-assigned identity.
    pub client_id: Option<String>,
    /// `AZURE_TENANT_ID`: refused if it is not the environment's tenant.
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<Secret>,
    /// What the file at `AZURE_CLIENT_CERTIFICATE_PATH` holds: certificate and private key as PEM.
    pub client_certificate: Option<Secret>,
    /// `AZURE_FEDERATED_TOKEN_FILE`: the service account's token in a pod.
    pub federated_token_file: Option<PathBuf>,
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`: where a GitHub job asks for its token.
    pub github_url: Option<String>,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`: what it asks with.
    pub github_token: Option<Secret>,
    /// `SYSTEM_OIDCREQUESTURI`: where a job of Azure Pipelines asks for its token.
    pub pipelines_url: Option<String>,
    /// `SYSTEM_ACCESSTOKEN`: what it asks with.
    pub pipelines_token: Option<Secret>,
    /// `AZURESUBSCRIPTION_SERVICE_CONNECTION_ID`: the service connection that it asks for.
    pub service_connection: Option<String>,
}

/// How and where to sign in.
#[derive(Clone)]
pub struct SignInOptions {
    /// The way.
    pub method: SignInMethod,
    /// The tenant of the environment, a GUID. No way signs in to another one.
    pub tenant: String,
    /// The cloud, for what to tell a person who uses the Azure CLI.
    pub cloud: Cloud,
    /// The sign-in authority, such as `https://login.microsoftonline.com/`.
    pub authority: Url,
    /// What the environment's variables say.
    pub values: SignInValues,
    /// What carries requests to the authority: [`super::https_transport`], or another one.
    pub transport: Arc<dyn HttpClient>,
    /// What carries requests to the machine's own identity service: [`super::machine_transport`], or another one.
    pub machine: Arc<dyn HttpClient>,
    /// What a signed assertion is dated by.
    pub clock: Arc<dyn Clock>,
    /// What is told which way was taken.
    pub notices: Arc<dyn Fn(Notice) + Send + Sync>,
    /// What runs `az` and `azd`; their own process unless told.
    pub executor: Option<Arc<dyn Executor>>,
}

impl fmt::Debug for SignInOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInOptions")
            .field("method", &self.method)
            .field("tenant", &self.tenant)
            .field("authority", &self.authority.as_str())
            .finish_non_exhaustive()
    }
}

/// Why there is no sign-in, known before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct SignInError {
    /// What is missing or wrong.
    pub detail: String,
    /// What to do about it.
    pub advice: String,
}

/// Returns a credential that signs in as `options` say. Nothing is sent and no tool run before the first token is needed.
///
/// Every token is fetched anew: the client keeps it, and drops it when Azure refuses it.
///
/// # Errors
/// A method that was named and lacks what it needs. `auto` is decided with the first token.
pub fn sign_in(options: SignInOptions) -> Result<Arc<dyn TokenCredential>, SignInError> {
    if options.method.candidates().len() == 1 {
        source::source(options.method, &options).map_err(|detail| SignInError {
            detail: format!("`{}` cannot sign in: {detail}", options.method.name()),
            advice: options.method.advice(&options),
        })?;
    }
    Ok(Arc::new(SignIn {
        options,
        chosen: Mutex::new(None),
    }))
}

#[derive(Debug)]
struct SignIn {
    options: SignInOptions,
    /// The way that gave the first token; no other one is tried after it.
    chosen: Mutex<Option<SignInMethod>>,
}

#[async_trait]
impl TokenCredential for SignIn {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let mut chosen = self.chosen.lock().await;
        let result = match *chosen {
            Some(method) => self.ask(method, scopes, options).await,
            None => self.choose(scopes, options, &mut chosen).await,
        };
        result.map_err(|fault| Error::new(ErrorKind::Credential, fault))
    }
}

impl SignIn {
    /// Takes the first way that can be taken.
    ///
    /// A way that variables were set for decides: its failure is told, and never covered up by signing in as somebody else.
    /// Tools and the machine's identity are there or not, so they are tried one after the other.
    async fn choose(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
        chosen: &mut Option<SignInMethod>,
    ) -> Result<AccessToken, SignInFault> {
        let candidates = self.options.method.candidates();
        let mut passed_over: Vec<(&'static str, String)> = Vec::new();
        for method in candidates {
            if let Err(why) = source::source(*method, &self.options) {
                passed_over.push((method.name(), why));
                continue;
            }
            match self.ask(*method, scopes, options.clone()).await {
                Ok(token) => {
                    *chosen = Some(*method);
                    (self.options.notices)(Notice::SignedIn {
                        method: method.name(),
                        passed_over,
                    });
                    return Ok(token);
                }
                Err(fault) if method.is_configured() || candidates.len() == 1 => return Err(fault),
                Err(fault) => passed_over.push((method.name(), fault.why)),
            }
        }
        // What nobody set anything for is named in one go.
        let is_meant = |(name, why): &&(&'static str, String)| {
            let lead = SignInMethod::parse(name).and_then(SignInMethod::lead_variable);
            lead.is_none_or(|lead| *why != source::missing(lead))
        };
        let others: Vec<&str> = passed_over
            .iter()
            .filter(|found| !is_meant(found))
            .map(|(name, _)| *name)
            .collect();
        let mut reasons: Vec<String> = passed_over
            .iter()
            .filter(is_meant)
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        if !others.is_empty() {
            reasons.push(format!("nothing is set for {}", others.join(", ")));
        }
        Err(SignInFault::new(
            format!("no way to sign in works: {}", reasons.join("; ")),
            self.options.method.advice(&self.options),
        ))
    }

    async fn ask(
        &self,
        method: SignInMethod,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> Result<AccessToken, SignInFault> {
        let advice = || method.advice(&self.options);
        let source = source::source(method, &self.options).map_err(|why| SignInFault::new(why, advice()))?;
        let told = |error: Error| SignInFault::read(method, &self.options.tenant, &error, advice());
        let credential = source.credential(&self.options).map_err(told)?;
        credential.get_token(scopes, options).await.map_err(told)
    }
}
