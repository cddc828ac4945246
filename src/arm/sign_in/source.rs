//! From a way to sign in to a credential.
//!
//! Owns what each way needs, and that azure_identity repeats nothing itself: the client has the one retry layer.

use super::certificate::{Certificate, SignedAssertion};
use super::fault::SignInFault;
use super::oidc::JobToken;
use super::{SignInMethod, SignInOptions};
use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::RETRY_AFTER;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport, Url};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions,
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use std::path::PathBuf;
use std::sync::Arc;

/// Everything that one way needs, and it is there.
pub(super) enum Source {
    Secret(String, Secret),
    Certificate(String, Certificate),
    Job(String, JobToken),
    Pod(String, PathBuf),
    AzureCli,
    AzureDeveloperCli,
    Machine(Option<String>),
}

/// Returns what `method`, which is none that stands for several, needs.
///
/// # Errors
/// What is missing, in a few words.
pub(super) fn source(method: SignInMethod, options: &SignInOptions) -> Result<Source, String> {
    let values = &options.values;
    // The variable that leads to the way is asked for first: without it the way is not meant at all.
    let client = || -> Result<String, String> {
        let id = values.client_id.clone().ok_or_else(|| missing("AZURE_CLIENT_ID"))?;
        match &values.tenant_id {
            Some(tenant) if !tenant.eq_ignore_ascii_case(&options.tenant) => Err(format!(
                "AZURE_TENANT_ID is `{tenant}`, and the environment's tenant is `{}`",
                options.tenant
            )),
            _ => Ok(id),
        }
    };
    Ok(match method {
        SignInMethod::ClientSecret => {
            let secret = values.client_secret.clone();
            let secret = secret.ok_or_else(|| missing("AZURE_CLIENT_SECRET"))?;
            Source::Secret(client()?, secret)
        }
        SignInMethod::ClientCertificate => {
            let pem = values.client_certificate.as_ref();
            let pem = pem.ok_or_else(|| missing("AZURE_CLIENT_CERTIFICATE_PATH"))?;
            Source::Certificate(client()?, Certificate::read(pem.secret())?)
        }
        SignInMethod::GithubOidc => {
            let url = values.github_url.as_ref();
            let url = url.ok_or_else(|| missing("ACTIONS_ID_TOKEN_REQUEST_URL"))?;
            let token = values.github_token.as_ref();
            let token = token.ok_or_else(|| missing("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))?;
            Source::Job(client()?, JobToken::github(url, token, &options.transport)?)
        }
        SignInMethod::AzurePipelines => {
            let url = values.pipelines_url.as_ref();
            let url = url.ok_or_else(|| missing("SYSTEM_OIDCREQUESTURI"))?;
            let token = values.pipelines_token.as_ref();
            let token = token.ok_or_else(|| missing("SYSTEM_ACCESSTOKEN"))?;
            let connection = values.service_connection.as_ref();
            let connection = connection.ok_or_else(|| missing("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"))?;
            let job = JobToken::pipelines(url, connection, token, &options.transport)?;
            Source::Job(client()?, job)
        }
        SignInMethod::WorkloadIdentity => {
            let file = values.federated_token_file.clone();
            let file = file.ok_or_else(|| missing("AZURE_FEDERATED_TOKEN_FILE"))?;
            Source::Pod(client()?, file)
        }
        SignInMethod::AzureCli => Source::AzureCli,
        SignInMethod::AzureDeveloperCli => Source::AzureDeveloperCli,
        SignInMethod::ManagedIdentity => Source::Machine(values.client_id.clone()),
        SignInMethod::Auto | SignInMethod::DeveloperTools => return Err("it stands for several ways".to_owned()),
    })
}

/// Returns what is said of a variable that is not set.
pub(super) fn missing(name: &str) -> String {
    format!("{name} is not set")
}

impl Source {
    /// Returns the credential.
    pub(super) fn credential(self, options: &SignInOptions) -> Result<Arc<dyn TokenCredential>, Error> {
        let tenant = options.tenant.clone();
        let assertion_options = || ClientAssertionCredentialOptions {
            client_options: client_options(options),
        };
        Ok(match self {
            Source::Secret(id, secret) => {
                let client_options = client_options(options);
                ClientSecretCredential::new(
                    &tenant,
                    id,
                    secret,
                    Some(ClientSecretCredentialOptions { client_options }),
                )?
            }
            Source::Certificate(client_id, certificate) => {
                let assertion = SignedAssertion {
                    certificate,
                    client_id: client_id.clone(),
                    audience: token_endpoint(&options.authority, &tenant)?,
                    clock: options.clock.clone(),
                };
                ClientAssertionCredential::new(tenant, client_id, assertion, Some(assertion_options()))?
            }
            Source::Job(id, job) => ClientAssertionCredential::new(tenant, id, job, Some(assertion_options()))?,
            Source::Pod(id, file) => WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                credential_options: assertion_options(),
                client_id: Some(id),
                tenant_id: Some(tenant),
                token_file_path: Some(file),
            }))?,
            Source::AzureCli => AzureCliCredential::new(Some(AzureCliCredentialOptions {
                tenant_id: Some(tenant),
                executor: options.executor.clone(),
                ..AzureCliCredentialOptions::default()
            }))?,
            Source::AzureDeveloperCli => AzureDeveloperCliCredential::new(Some(AzureDeveloperCliCredentialOptions {
                tenant_id: Some(tenant),
                executor: options.executor.clone(),
            }))?,
            Source::Machine(id) => ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: id.map(UserAssignedId::ClientId),
                client_options: ClientOptions {
                    transport: Some(Transport::new(Arc::new(Once(options.machine.clone())))),
                    ..ClientOptions::default()
                },
            }))?,
        })
    }
}

fn token_endpoint(authority: &Url, tenant: &str) -> Result<Url, Error> {
    Ok(authority.join(&format!("/{tenant}/oauth2/v2.0/token"))?)
}

/// Returns options of a credential that asks the authority over our transport, once.
fn client_options(options: &SignInOptions) -> ClientOptions {
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = options.authority.to_string();
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(options.transport.clone())),
        cloud: Some(Arc::new(cloud.into())),
        ..ClientOptions::default()
    }
}

/// Asks the machine's identity service once: azure_identity has a retry of its own for it, which only sees these failures if they look
/// as if they could pass.
#[derive(Debug)]
struct Once(Arc<dyn HttpClient>);

#[async_trait]
impl HttpClient for Once {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        const WHO: &str = "the machine's identity service";
        let final_error = |fault: SignInFault| Error::new(ErrorKind::Credential, fault);
        let answer = self.0.execute_request(request).await;
        let answer = answer.map_err(|error| final_error(SignInFault::of_network(WHO, &error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let wait = answer.headers().get_optional_str(&RETRY_AFTER).map(str::to_owned);
        let said = match *status {
            400 => "the identity is not assigned to this machine",
            404 => "there is no such service here",
            _ => "it gave no token",
        };
        Err(final_error(SignInFault::of_status(WHO, *status, wait.as_deref(), said)))
    }
}
