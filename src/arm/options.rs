//! What a client is made of, and what it tells while it works.
//!
//! Owns the defaults. Must not know how anything is done.

use super::retry::RetryLimits;
use super::versions::ApiVersions;
use crate::clock::{Clock, Sleeper};
use azure_core::credentials::TokenCredential;
use azure_core::http::{HttpClient, Url};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a client is made of.
pub struct ClientOptions {
    /// Azure Resource Manager of the cloud: https, a host, perhaps a port, nothing else.
    pub endpoint: Url,
    /// Where tokens come from.
    pub credential: Arc<dyn TokenCredential>,
    /// What carries requests: [`super::https_transport`], or another one.
    pub transport: Arc<dyn HttpClient>,
    /// What all waits go through.
    pub sleeper: Arc<dyn Sleeper>,
    /// What the server's time is compared with, and deadlines are measured by.
    pub clock: Arc<dyn Clock>,
    /// The api-version of each resource type.
    pub api_versions: ApiVersions,
    /// How many requests may be under way at once; at least one.
    pub parallelism: usize,
    /// The id that all requests of the run carry; a new GUID from [`ClientOptions::new`].
    pub correlation_id: String,
    /// How long and how often a request is tried.
    pub retry: RetryLimits,
    /// How long a long operation is waited for.
    pub operation_timeout: Duration,
    /// What is told about waits while they happen.
    pub notices: Arc<dyn Fn(Notice) + Send + Sync>,
    /// The value of `User-Agent`.
    pub user_agent: String,
}

impl ClientOptions {
    /// Returns options with ten requests at once, operations waited for an hour, and nobody told about waits.
    pub fn new(
        endpoint: Url,
        api_versions: ApiVersions,
        credential: Arc<dyn TokenCredential>,
        transport: Arc<dyn HttpClient>,
        sleeper: Arc<dyn Sleeper>,
        clock: Arc<dyn Clock>,
    ) -> ClientOptions {
        ClientOptions {
            endpoint,
            credential,
            transport,
            sleeper,
            clock,
            api_versions,
            parallelism: 10,
            correlation_id: azure_core::Uuid::new_v4().to_string(),
            retry: RetryLimits::default(),
            operation_timeout: Duration::from_secs(60 * 60),
            notices: Arc::new(|_| {}),
            user_agent: format!(
                "aksgate/{} ({}; {})",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("endpoint", &self.endpoint.as_str())
            .field("api_versions", &self.api_versions)
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

/// Something that a person who waits wants to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A request is tried again after `wait`.
    Waiting {
        /// The HTTP method.
        method: &'static str,
        /// The path that is asked for.
        path: String,
        /// How long the wait is.
        wait: Duration,
        /// The status of the answer; `None` if none came.
        status: Option<u16>,
        /// Why, in a few words.
        why: &'static str,
    },
    /// A request is held back, so that Azure need not refuse it.
    Pacing {
        /// The HTTP method.
        method: &'static str,
        /// The path that is asked for.
        path: String,
        /// How long the wait is.
        wait: Duration,
    },
    /// A long operation is still running; it is looked at again after `wait`.
    Running {
        /// The path of the object that it is about.
        path: String,
        /// Azure's word for its state.
        status: String,
        /// How far it is, if Azure says so: 0 to 100.
        percent: Option<f64>,
        /// How long it has been waited for.
        waited: Duration,
        /// How long the next wait is.
        wait: Duration,
    },
    /// The first token is there.
    SignedIn {
        /// The way that gave it.
        method: &'static str,
        /// The ways that were looked at before, and why each was passed over.
        passed_over: Vec<(&'static str, String)>,
    },
}
