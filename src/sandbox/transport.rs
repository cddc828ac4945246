//! The door inside this process: the sandbox as the HTTP client below azure_core's pipeline.
//!
//! Sign-in policy, retry and paging of the client run for real above it. It must not know what is asked. Beside the resource manager it
//! leads to the store of constraint templates, which is another host and knows no sign-in.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, StatusCode};
use serde_json::Value;

use super::door::{Door, DoorError};
use super::json::text;
use super::rounds::Rounds;
use super::{Request, SeedOptions, substitutes, token};
use crate::clock::{Clock, Sleeper, Timestamp};

/// The URL at which a client in this process finds the sandbox. It is reserved: no name server ever answers it.
pub const ENDPOINT: &str = "https://management.sandbox.aksgate.invalid";
const HOST: &str = "management.sandbox.aksgate.invalid";

/// An open sandbox, with everything that a client in this process needs to talk to it.
#[derive(Debug, Clone)]
pub struct InProcess {
    door: Arc<Door>,
    rounds: Arc<Rounds>,
    instance: String,
    tenant: String,
}

/// Opens the sandbox in `directory`; makes the small estate on first use.
///
/// # Errors
/// When the directory cannot be used, or holds a state that cannot be read.
pub fn open(directory: &Path) -> Result<InProcess, DoorError> {
    let door = Door::open(directory)?;
    let (instance, tenant) = door.with(|sandbox| (sandbox.state.instance.clone(), sandbox.state.tenant.clone()))?;
    Ok(InProcess {
        door: Arc::new(door),
        rounds: Arc::new(Rounds::default()),
        instance,
        tenant,
    })
}

/// Replaces the sandbox in `directory` by a new one, and returns what it holds.
///
/// # Errors
/// When the directory cannot be used.
pub fn reset(directory: &Path, options: &SeedOptions) -> Result<Summary, DoorError> {
    summarize(&Door::reset(directory, options)?)
}

/// Moves the clock of the sandbox in `directory` forward, and returns its new time in seconds since 1970.
///
/// # Errors
/// When the state cannot be read or written.
pub fn advance(directory: &Path, seconds: u64) -> Result<i64, DoorError> {
    Door::open(directory)?.advance(seconds)
}

/// Returns what the sandbox in `directory` holds.
///
/// # Errors
/// When the state cannot be read.
pub fn summary(directory: &Path) -> Result<Summary, DoorError> {
    summarize(&Door::open(directory)?)
}

/// What a sandbox holds, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The instance id.
    pub instance: String,
    /// The seed of its first estate.
    pub seed: u64,
    /// Its clock, in seconds since 1970.
    pub now: i64,
    /// The directory id.
    pub tenant: String,
    /// Management groups: name, and the name of the one above.
    pub management_groups: Vec<(String, Option<String>)>,
    /// Subscriptions: GUID, name, and the management group that holds it.
    pub subscriptions: Vec<(String, String, String)>,
    /// Clusters in order of their ids.
    pub clusters: Vec<ClusterSummary>,
    /// The ids of all policy assignments.
    pub assignments: Vec<String>,
    /// How many custom policy definitions and set definitions there are.
    pub definitions: usize,
    /// Defender for Containers: subscription and tier.
    pub defender: Vec<(String, String)>,
}

/// A cluster, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSummary {
    /// The Azure resource id.
    pub id: String,
    /// The Azure region.
    pub location: String,
    /// `Running` or `Stopped`.
    pub power: String,
    /// The provisioning state, such as `Succeeded` or `Updating`.
    pub provisioning: String,
    /// Whether the Azure Policy add-on is on.
    pub addon: bool,
}

fn summarize(door: &Door) -> Result<Summary, DoorError> {
    door.with(|sandbox| {
        let state = &sandbox.state;
        let of = |kind: &'static str| state.of_type(kind).map(|(_, document)| document);
        let addon = |cluster: &Value| {
            let profiles = super::json::object(cluster, "/properties/addonProfiles");
            let profile = profiles.and_then(|profiles| super::json::entry_without_case(profiles, "azurepolicy"));
            profile.is_some_and(|(_, profile)| profile.get("enabled") == Some(&Value::Bool(true)))
        };
        Summary {
            instance: state.instance.clone(),
            seed: state.seed,
            now: state.now,
            tenant: state.tenant.clone(),
            management_groups: state
                .management_groups
                .iter()
                .map(|group| (group.name.clone(), group.parent.clone()))
                .collect(),
            subscriptions: state
                .subscriptions
                .iter()
                .map(|known| (known.id.clone(), known.name.clone(), known.group.clone()))
                .collect(),
            clusters: of("microsoft.containerservice/managedclusters")
                .map(|cluster| ClusterSummary {
                    id: text(cluster, "/id").to_owned(),
                    location: text(cluster, "/location").to_owned(),
                    power: text(cluster, "/properties/powerState/code").to_owned(),
                    provisioning: text(cluster, "/properties/provisioningState").to_owned(),
                    addon: addon(cluster),
                })
                .collect(),
            assignments: of("microsoft.authorization/policyassignments")
                .map(|document| text(document, "/id").to_owned())
                .collect(),
            definitions: of("microsoft.authorization/policydefinitions").count()
                + of("microsoft.authorization/policysetdefinitions").count(),
            defender: of("microsoft.security/pricings")
                .filter(|plan| text(plan, "/name") == "Containers")
                .map(|plan| {
                    let subscription = text(plan, "/id").split('/').nth(2).unwrap_or_default();
                    (
                        subscription.to_owned(),
                        text(plan, "/properties/pricingTier").to_owned(),
                    )
                })
                .collect(),
        }
    })
}

impl InProcess {
    /// Returns the URL of its resource manager.
    #[must_use]
    pub fn endpoint(&self) -> &'static str {
        ENDPOINT
    }

    /// Returns the id of this sandbox; a reset makes another one.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        &self.instance
    }

    /// Returns the directory id.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns the HTTP client that answers out of the sandbox.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn HttpClient> {
        Arc::new(self.clone())
    }

    /// Returns a credential whose tokens the sandbox accepts.
    #[must_use]
    pub fn credential(&self) -> Arc<dyn TokenCredential> {
        Arc::new(SandboxCredential {
            door: Arc::clone(&self.door),
        })
    }

    /// Returns the sandbox's own clock.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clone())
    }

    /// Returns a sleeper that lets the sandbox's clock run instead of waiting.
    #[must_use]
    pub fn sleeper(&self) -> Arc<dyn Sleeper> {
        Arc::new(self.clone())
    }

    /// Returns the time on the sandbox's clock, in seconds since 1970.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn now(&self) -> Result<i64, DoorError> {
        self.door.with(|sandbox| sandbox.state.now)
    }
}

impl Clock for InProcess {
    fn now(&self) -> Timestamp {
        // A state that has become unreadable shows as an error with the next request.
        Timestamp::from_seconds(InProcess::now(self).unwrap_or(super::time::START))
    }
}

#[async_trait]
impl Sleeper for InProcess {
    async fn sleep(&self, duration: Duration) {
        let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
        // As above; a clock that stands still makes the caller's own time limit end the wait.
        let advance = |seconds| drop(self.door.advance(seconds));
        self.rounds.wait(seconds, advance).await;
    }
}

#[async_trait]
impl HttpClient for InProcess {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        if url.scheme() != "https" || ![HOST, substitutes::HOST].contains(&host) || url.port().is_some() {
            return Err(azure_core::Error::with_message(
                ErrorKind::Connection,
                format!("no route from the sandbox to host {host}"),
            ));
        }
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            Body::SeekableStream(_) => {
                return Err(azure_core::Error::with_message(
                    ErrorKind::Io,
                    "the sandbox takes no streamed request bodies",
                ));
            }
        };
        let is_store = host == substitutes::HOST;
        let request = Request {
            method: request.method().as_str().to_owned(),
            origin: format!("https://{host}"),
            path: url.path().to_owned(),
            query: url.query().unwrap_or_default().to_owned(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
                .collect(),
            body,
        };
        let _asked = self.rounds.turn().await;
        let response = if is_store {
            substitutes::answer(&request)
        } else {
            let called = self.door.call(request, 0);
            called.map_err(|error| azure_core::Error::new(ErrorKind::Io, error))?
        };
        let mut headers = Headers::new();
        for (name, value) in response.headers {
            headers.insert(name, value);
        }
        Ok(AsyncRawResponse::from_bytes(
            StatusCode::from(response.status),
            headers,
            response.body,
        ))
    }
}

/// Gives tokens that the sandbox accepts; nobody signs in.
#[derive(Debug)]
pub struct SandboxCredential {
    door: Arc<Door>,
}

#[async_trait]
impl TokenCredential for SandboxCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let audience = scopes
            .first()
            .copied()
            .unwrap_or(ENDPOINT)
            .trim_end_matches("/.default");
        let issued = self
            .door
            .with(|sandbox| token::issue(&sandbox.state, audience, sandbox.state.now));
        let token = issued.map_err(|error| azure_core::Error::new(ErrorKind::Credential, error))?;
        // The year 2100: the pipeline's cache goes by the machine's clock, which has nothing to do with the sandbox's.
        let expires = UNIX_EPOCH + Duration::from_secs(4_102_444_800);
        Ok(AccessToken::new(token, expires.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::{Method, Url};

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    async fn get(sandbox: &InProcess, url: &str, token: &str) -> azure_core::Result<(u16, String, Value)> {
        let mut request = azure_core::http::Request::new(Url::parse(url).unwrap(), Method::Get);
        request.insert_header("authorization", format!("Bearer {token}"));
        let response = sandbox
            .transport()
            .execute_request(&request)
            .await?
            .try_into_raw_response()
            .await?;
        let date = response
            .headers()
            .get_optional_str(&"date".into())
            .unwrap_or_default()
            .to_owned();
        let body: &[u8] = response.body();
        Ok((response.status().into(), date, serde_json::from_slice(body).unwrap()))
    }

    #[test]
    fn a_client_in_this_process_signs_in_and_asks() {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = open(directory.path()).unwrap();
        block_on(async {
            let token = sandbox
                .credential()
                .get_token(&["https://management.azure.com/.default"], None)
                .await
                .unwrap();
            let url = format!("{ENDPOINT}/subscriptions?api-version=2022-12-01");
            let (status, date, body) = get(&sandbox, &url, token.token.secret()).await.unwrap();
            assert_eq!((status, date.as_str()), (200, "Mon, 04 Jan 2027 08:00:00 GMT"));
            assert_eq!(body["value"].as_array().unwrap().len(), 3);
            assert_eq!(get(&sandbox, &url, "a.b.c").await.unwrap().0, 401);
            for elsewhere in [
                "https://management.azure.com/x",
                "http://management.sandbox.aksgate.invalid/x",
                "https://management.sandbox.aksgate.invalid:8443/x",
            ] {
                let error = get(&sandbox, elsewhere, token.token.secret()).await.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Connection), "{elsewhere}");
            }
        });
    }

    #[test]
    fn the_store_of_templates_answers_whoever_brings_no_token() {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = open(directory.path()).unwrap();
        block_on(async {
            let ask = async |path: &str, token: Option<&str>| {
                let url = format!("https://{}/kubernetes/{path}/template.yaml", substitutes::HOST);
                let mut request = azure_core::http::Request::new(Url::parse(&url).unwrap(), Method::Get);
                if let Some(token) = token {
                    request.insert_header("authorization", format!("Bearer {token}"));
                }
                let response = sandbox.transport().execute_request(&request).await.unwrap();
                let response = response.try_into_raw_response().await.unwrap();
                (u16::from(response.status()), response.body().to_vec())
            };
            let (status, body) = ask("container-no-privilege/v2", None).await;
            assert_eq!(status, 200);
            assert!(String::from_utf8(body).unwrap().contains("kind: ConstraintTemplate"));
            assert_eq!(ask("container-no-privilege/v99", None).await.0, 404);
            assert_eq!(ask("container-no-privilege/v2", Some("secret")).await.0, 400);
        });
    }

    #[test]
    fn sleeping_moves_the_clock_of_the_sandbox() {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = open(directory.path()).unwrap();
        let start = sandbox.clock().now();
        block_on(sandbox.sleeper().sleep(Duration::from_millis(1500)));
        assert_eq!(sandbox.clock().now(), Timestamp::from_seconds(start.seconds() + 2));
        assert_eq!(advance(directory.path(), 86_400).unwrap(), start.seconds() + 86_402);
        assert_eq!(
            InProcess::now(&sandbox).unwrap(),
            start.seconds() + 86_402,
            "another process moved it"
        );
    }

    #[test]
    fn the_summary_tells_what_is_there_and_a_reset_what_is_new() {
        let directory = tempfile::tempdir().unwrap();
        let first = summary(directory.path()).unwrap();
        assert_eq!(
            (first.clusters.len(), first.assignments.len(), first.definitions),
            (7, 3, 1)
        );
        assert_eq!(first.clusters.iter().filter(|cluster| cluster.addon).count(), 3);
        assert_eq!(first.defender.iter().filter(|(_, tier)| tier == "Standard").count(), 2);
        let second = reset(
            directory.path(),
            &SeedOptions {
                seed: 9,
                clusters: Some(12),
                ..SeedOptions::default()
            },
        )
        .unwrap();
        assert_eq!((second.seed, second.clusters.len()), (9, 12));
        assert_ne!(second.instance, first.instance);
        assert_eq!(summary(directory.path()).unwrap(), second);
    }
}
