//! A transport, a sleeper, a clock and a credential that follow a script. For tests only.

use super::client::Client;
use super::options::{ClientOptions, Notice};
use super::versions::ApiVersions;
use crate::clock::{Clock, Sleeper};
use crate::config::Cloud;
use crate::model::{Period, Timestamp};
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, Url};
use azure_core::time::OffsetDateTime;
use bytes::Bytes;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What every token of the fake credential contains.
pub(crate) const SECRET: &str = "eyJhbGciOiJub25lIn0.very-secret-payload";

/// One scripted turn of the transport.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Bytes,
    },
    /// A body that breaks off after these bytes.
    Cut(Bytes),
    Error {
        kind: ErrorKind,
        text: &'static str,
    },
}

impl Turn {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Turn {
        if let Turn::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

pub(crate) fn answer(status: u16, body: Value) -> Turn {
    raw(status, &body.to_string())
}

pub(crate) fn raw(status: u16, body: &str) -> Turn {
    Turn::Answer {
        status,
        headers: Vec::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// The connection breaks after the request was sent.
pub(crate) fn broken() -> Turn {
    Turn::Error {
        kind: ErrorKind::Io,
        text: "connection reset by peer",
    }
}

/// No connection is made.
pub(crate) fn unconnected() -> Turn {
    Turn::Error {
        kind: ErrorKind::Connection,
        text: "connection refused",
    }
}

/// A request that the transport saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct State {
    turns: Mutex<VecDeque<Turn>>,
    seen: Mutex<Vec<Seen>>,
    slept: Mutex<Vec<Duration>>,
    tokens: Mutex<usize>,
    scopes: Mutex<Vec<String>>,
    notices: Mutex<Vec<Notice>>,
}

#[async_trait]
impl HttpClient for State {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let bytes = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            Body::SeekableStream(_) => Bytes::new(),
        };
        self.seen.lock().unwrap().push(Seen {
            method: request.method().to_string(),
            url: request.url().to_string(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
                .collect(),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        });
        let turn = self
            .turns
            .lock()
            .unwrap()
            .pop_front()
            .expect("one request more than the script has answers");
        match turn {
            Turn::Answer { status, headers, body } => {
                let mut all = Headers::new();
                for (name, value) in headers {
                    all.insert(name, value);
                }
                Ok(AsyncRawResponse::from_bytes(status.into(), all, body))
            }
            Turn::Cut(body) => {
                let cut = Error::with_message(ErrorKind::Io, "unexpected end of file");
                let chunks = futures::stream::iter([Ok(body), Err(cut)]);
                Ok(AsyncRawResponse::new(200.into(), Headers::new(), Box::pin(chunks)))
            }
            Turn::Error { kind, text } => Err(Error::with_message(kind, text)),
        }
    }
}

#[async_trait]
impl Sleeper for State {
    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
    }
}

impl Clock for State {
    /// The time moves only by what was slept.
    fn now(&self) -> Timestamp {
        let slept: Duration = self.slept.lock().unwrap().iter().sum();
        let start = Timestamp::parse("2027-01-04T08:00:00Z").unwrap();
        start.plus(Period::from_seconds(slept.as_secs()))
    }
}

#[async_trait]
impl TokenCredential for State {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.scopes
            .lock()
            .unwrap()
            .extend(scopes.iter().map(|scope| (*scope).to_owned()));
        let mut count = self.tokens.lock().unwrap();
        *count += 1;
        let expires = OffsetDateTime::from_unix_timestamp(4_102_444_800).unwrap();
        Ok(AccessToken::new(format!("{SECRET}-{count}"), expires))
    }
}

/// A client whose world follows a script; every answer must be used up.
pub(crate) struct Script {
    state: Arc<State>,
    client: Client,
    may_be_left: bool,
}

impl Script {
    pub(crate) fn new(turns: impl IntoIterator<Item = Turn>) -> Script {
        Script::in_cloud(Cloud::Public, "https://management.azure.com", turns)
    }

    pub(crate) fn in_cloud(cloud: Cloud, endpoint: &str, turns: impl IntoIterator<Item = Turn>) -> Script {
        let state = Arc::new(State {
            turns: Mutex::new(turns.into_iter().collect()),
            ..State::default()
        });
        let options = options(&state, cloud, endpoint);
        Script {
            client: Client::new(options).unwrap(),
            state,
            may_be_left: false,
        }
    }

    /// A script that need not be played to its end.
    pub(crate) fn unfinished(turns: impl IntoIterator<Item = Turn>) -> Script {
        Script {
            may_be_left: true,
            ..Script::new(turns)
        }
    }

    /// A script whose tokens come from elsewhere.
    pub(crate) fn with_credential(
        credential: Arc<dyn TokenCredential>,
        turns: impl IntoIterator<Item = Turn>,
    ) -> Script {
        let mut script = Script::new(turns);
        let options = options(&script.state, Cloud::Public, "https://management.azure.com");
        script.client = Client::new(ClientOptions { credential, ..options }).unwrap();
        script
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs a future to its end and checks that the script was played to its end.
    pub(crate) fn run<T, F: Future<Output = T>>(&self, ask: impl FnOnce(Client) -> F) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(ask(self.client.clone()));
        let left = self.state.turns.lock().unwrap().len();
        assert!(left == 0 || self.may_be_left, "{left} answers that nobody asked for");
        result
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.state.slept.lock().unwrap().clone()
    }

    pub(crate) fn slept_seconds(&self) -> Vec<u64> {
        self.slept().iter().map(Duration::as_secs).collect()
    }

    pub(crate) fn tokens_fetched(&self) -> usize {
        *self.state.tokens.lock().unwrap()
    }

    pub(crate) fn token_scopes(&self) -> Vec<String> {
        self.state.scopes.lock().unwrap().clone()
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.state.notices.lock().unwrap().clone()
    }
}

fn options(state: &Arc<State>, cloud: Cloud, endpoint: &str) -> ClientOptions {
    let told = state.clone();
    ClientOptions {
        correlation_id: "correlation".to_owned(),
        notices: Arc::new(move |notice| told.notices.lock().unwrap().push(notice)),
        ..ClientOptions::new(
            Url::parse(endpoint).unwrap(),
            ApiVersions::of(cloud),
            state.clone(),
            state.clone(),
            state.clone(),
            state.clone(),
        )
    }
}

/// Returns what making a client for an endpoint comes to.
pub(crate) fn client_for(endpoint: &str) -> Result<Client, super::ArmError> {
    Client::new(options(&Arc::new(State::default()), Cloud::Public, endpoint))
}

/// Returns a client that reaches `endpoint` through `transport`, with the rest of its world scripted.
pub(crate) fn client_over(endpoint: &str, transport: Arc<dyn HttpClient>) -> Client {
    Client::new(options_over(endpoint, transport)).unwrap()
}

/// Returns the options of [`client_over`].
pub(crate) fn options_over(endpoint: &str, transport: Arc<dyn HttpClient>) -> ClientOptions {
    let options = options(&Arc::new(State::default()), Cloud::Public, endpoint);
    ClientOptions { transport, ..options }
}
