//! The client: what the rest of the tool can ask of Azure.
//!
//! Owns the calls on one resource, the ids of a run, its counters and the server's time. Must not know what a resource means.

use super::answer::{self, Answer};
use super::error::{ArmError, ArmErrorKind};
use super::options::{ClientOptions, Notice};
use super::pace::Pace;
use super::paging::unusable;
use super::request::{Call, Purpose};
use super::retry::RetryLimits;
use super::versions::ApiVersions;
use super::{path, transport};
use crate::clock::{Clock, Sleeper};
use crate::model::{Period, Timestamp};
use azure_core::http::{HttpClient, Method, Pipeline, Url};
use bytes::Bytes;
use serde_json::Value;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A resource as Azure returned it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The body; `Null` if the answer had none, as some answers to a PUT or POST.
    pub body: Value,
    /// Its ETag: the header, else the body's own (clusters).
    pub etag: Option<String>,
    /// The server's time of the answer.
    pub date: Option<Timestamp>,
    /// ARM's id of the request.
    pub request_id: Option<String>,
}

/// What came of a DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The object was there and is gone.
    Deleted,
    /// There was no such object.
    WasAbsent,
}

/// How a PUT is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// The ETag that the object must still have.
    pub if_match: Option<String>,
}

/// The server's time against ours, from the first answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// The `Date` of the answer.
    pub server: Timestamp,
    /// Our clock when it came.
    pub local: Timestamp,
}

impl ServerTime {
    /// Returns by how many seconds our clock is ahead of the server's; negative if it is behind.
    pub fn skew_seconds(self) -> i64 {
        self.local.seconds().saturating_sub(self.server.seconds())
    }
}

/// How many requests were sent, each try counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Resources and pages read.
    pub reads: u64,
    /// Looks at long operations.
    pub polls: u64,
    /// Resource Graph pages.
    pub graph_queries: u64,
    /// PUT, DELETE and POST.
    pub writes: u64,
    /// How many of all these were repetitions.
    pub retries: u64,
}

/// What the calls of a run cost besides their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The longest chain of calls of which each was begun after the one before it had been answered: with the time of one answer, what a
    /// run has to wait at least.
    pub rounds: u64,
    /// The bytes of all answers' bodies, unpacked.
    pub bytes: u64,
    /// How many answers were 429.
    pub throttled: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    /// The longest chain so far whose last call was answered.
    pub(super) rounds: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) throttled: AtomicU64,
    pub(super) reads: AtomicU64,
    pub(super) polls: AtomicU64,
    pub(super) queries: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) retries: AtomicU64,
}

/// A client of Azure Resource Manager; clones share everything.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) endpoint: Url,
    pub(super) pipeline: Pipeline,
    /// What is behind the pipeline.
    pub(super) transport: Arc<dyn HttpClient>,
    pub(super) sleeper: Arc<dyn Sleeper>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) retry: RetryLimits,
    pub(super) operation_timeout: Duration,
    pub(super) permits: Semaphore,
    pub(super) parallelism: usize,
    pub(super) pace: Pace,
    pub(super) counters: Counters,
    api_versions: ApiVersions,
    correlation_id: String,
    notices: Arc<dyn Fn(Notice) + Send + Sync>,
    server_time: OnceLock<ServerTime>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.inner.endpoint.as_str())
            .field("correlation_id", &self.inner.correlation_id)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Returns a client; nothing is sent and no token fetched before the first call.
    ///
    /// An error of kind [`ArmErrorKind::NotSent`] if the endpoint is anything but https, a host and perhaps a port.
    pub fn new(options: ClientOptions) -> Result<Client, ArmError> {
        let mut endpoint = options.endpoint;
        let plain = endpoint.scheme() == "https"
            && endpoint.host_str().is_some()
            && matches!(endpoint.path(), "" | "/")
            && endpoint.query().is_none()
            && endpoint.fragment().is_none()
            && endpoint.username().is_empty()
            && endpoint.password().is_none();
        let shown = if plain { endpoint.to_string() } else { String::new() };
        endpoint.set_path("/");
        let transport = Arc::clone(&options.transport);
        let pipeline = transport::pipeline(&endpoint, options.credential, options.transport, options.user_agent);
        let parallelism = options.parallelism.clamp(1, Semaphore::MAX_PERMITS);
        let client = Client {
            inner: Arc::new(Inner {
                endpoint,
                pipeline,
                transport,
                sleeper: options.sleeper,
                clock: options.clock,
                retry: options.retry,
                operation_timeout: options.operation_timeout,
                permits: Semaphore::new(parallelism),
                parallelism,
                pace: Pace::default(),
                counters: Counters::default(),
                api_versions: options.api_versions,
                correlation_id: options.correlation_id,
                notices: options.notices,
                server_time: OnceLock::new(),
            }),
        };
        if plain {
            Ok(client)
        } else {
            let message = "the endpoint of Azure Resource Manager must be https, a host and perhaps a port";
            Err(ArmError::new(ArmErrorKind::NotSent, &client.bare_call(&shown), message))
        }
    }

    /// Returns whether the cloud is known to have a resource type.
    pub fn knows(&self, resource_type: &str) -> bool {
        self.inner.api_versions.get(resource_type).is_some()
    }

    /// Returns the resource at `path`, such as `/subscriptions/…/providers/Microsoft.Security/pricings/Containers`.
    pub async fn get(&self, path: &str) -> Result<Resource, ArmError> {
        let call = self.call(Method::Get, Purpose::Read, path, &[], None)?;
        let answer = self.send(&call).await?;
        resource(&call, &answer)
    }

    /// Returns the resource at `path`, or `None` if ARM says that exactly this resource is absent.
    ///
    /// A missing subscription, group or management group above it is an error, as is a 404 that ARM gave no code.
    pub async fn get_optional(&self, path: &str) -> Result<Option<Resource>, ArmError> {
        match self.get(path).await {
            Ok(resource) => Ok(Some(resource)),
            Err(error) if error.says_absent(path::resource_type(path).as_deref()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes `body` at `path` and returns the resource as it is when any long operation has ended.
    ///
    /// With `if_match` a moved object is an error with status 412. Where [`ArmError::outcome_unknown`] holds, read before you conclude.
    pub async fn put(&self, path: &str, body: &Value, options: PutOptions) -> Result<Resource, ArmError> {
        let mut call = self.call(Method::Put, Purpose::Write, path, &[], Some(body))?;
        call.if_match = options.if_match;
        let answer = self.send(&call).await?;
        self.finish_put(&call, path, answer).await
    }

    /// Writes `body` at `path` and returns the answer as it came: for what goes on by itself and says so in its `provisioningState`, such
    /// as a remediation task.
    ///
    /// Where [`ArmError::outcome_unknown`] holds, read before you conclude.
    pub async fn begin(&self, path: &str, body: &Value) -> Result<Resource, ArmError> {
        let call = self.call(Method::Put, Purpose::Write, path, &[], Some(body))?;
        let answer = self.send(&call).await?;
        resource(&call, &answer)
    }

    /// Deletes what is at `path` and returns when it is gone.
    ///
    /// An absent object is no error; a missing scope above it is.
    pub async fn delete(&self, path: &str) -> Result<Deletion, ArmError> {
        let call = self.call(Method::Delete, Purpose::Write, path, &[], None)?;
        match self.send(&call).await {
            Ok(answer) if answer.status == 204 => Ok(Deletion::WasAbsent),
            Ok(answer) => {
                self.finish_delete(&call, path, answer).await?;
                Ok(Deletion::Deleted)
            }
            // Our own earlier try may be the one that deleted it.
            Err(error) if error.says_absent(path::resource_type(path).as_deref()) => Ok(if error.outcome_unknown() {
                Deletion::Deleted
            } else {
                Deletion::WasAbsent
            }),
            Err(error) => Err(error),
        }
    }

    /// Posts `body` to `path` and returns the answer; repeated only if Azure cannot have processed it.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Resource, ArmError> {
        let call = self.call(Method::Post, Purpose::Start, path, &[], Some(body))?;
        let answer = self.send(&call).await?;
        if answer.body.is_empty() {
            return Ok(head(&answer, Value::Null));
        }
        resource(&call, &answer)
    }

    /// Returns the time of the first answer by ARM's own clock: "now" for everything that is decided in a run.
    ///
    /// `None` before the first answer.
    pub fn server_now(&self) -> Option<Timestamp> {
        self.server_time().map(|time| time.server)
    }

    /// Returns the server's time of the first answer together with ours.
    pub fn server_time(&self) -> Option<ServerTime> {
        self.inner.server_time.get().copied()
    }

    /// Returns the present time by ARM's clock: that of the first answer, moved on by ours. For waiting only: what is decided in a run is
    /// decided at one "now".
    ///
    /// `None` before the first answer.
    pub fn present(&self) -> Option<Timestamp> {
        let time = self.server_time()?;
        Some(time.server.plus(self.inner.clock.now().since(time.local)))
    }

    /// Returns after `wait`, on the sleeper that all waits of the client go through.
    pub async fn wait(&self, wait: Period) {
        self.inner.sleeper.sleep(Duration::from_secs(wait.seconds())).await;
    }

    /// Returns how many requests were sent so far.
    pub fn calls(&self) -> CallCounts {
        let counters = &self.inner.counters;
        CallCounts {
            reads: counters.reads.load(Ordering::Relaxed),
            polls: counters.polls.load(Ordering::Relaxed),
            graph_queries: counters.queries.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            retries: counters.retries.load(Ordering::Relaxed),
        }
    }

    /// Returns what the calls so far cost besides their number.
    pub fn traffic(&self) -> Traffic {
        let counters = &self.inner.counters;
        Traffic {
            rounds: counters.rounds.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            throttled: counters.throttled.load(Ordering::Relaxed),
        }
    }

    /// Returns the endpoint that is asked.
    pub fn endpoint(&self) -> &Url {
        &self.inner.endpoint
    }

    /// Returns the id that all requests of the run carry.
    pub fn correlation_id(&self) -> &str {
        &self.inner.correlation_id
    }

    /// Returns a call on a resource, its api-version from the table.
    pub(super) fn call(
        &self,
        method: Method,
        purpose: Purpose,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Call, ArmError> {
        let mut call = self.bare_call(path);
        call.method = method;
        call.purpose = purpose;
        let not_sent = |message: String| ArmError::new(ArmErrorKind::NotSent, &call, message);
        let Some(resource_type) = path::resource_type(path) else {
            return Err(not_sent(format!("`{path}` names no resource type")));
        };
        let Some(version) = self.inner.api_versions.get(&resource_type) else {
            return Err(not_sent(self.inner.api_versions.missing(&resource_type)));
        };
        let url = path::resource_url(&self.inner.endpoint, path, query, version)
            .map_err(|error| not_sent(error.to_string()))?;
        call.url = url;
        call.body = body.map(|body| Bytes::from(body.to_string()));
        Ok(call)
    }

    /// Returns a GET of a link that belongs to `call` and was checked by [`path::follow_link`].
    pub(super) fn next_call(&self, call: &Call, purpose: Purpose, url: Url) -> Call {
        Call {
            url,
            purpose,
            ..self.bare_call(&call.shown)
        }
    }

    fn bare_call(&self, shown: &str) -> Call {
        Call {
            method: Method::Get,
            purpose: Purpose::Read,
            url: self.inner.endpoint.clone(),
            shown: shown.to_owned(),
            body: None,
            if_match: None,
            cloud: self.inner.api_versions.cloud(),
            client_request_id: azure_core::Uuid::new_v4().to_string(),
            correlation_id: self.inner.correlation_id.clone(),
        }
    }

    pub(super) fn notify(&self, notice: Notice) {
        (self.inner.notices)(notice);
    }

    pub(super) fn note_date(&self, answer: &Answer) {
        if let Some(server) = answer.date() {
            let local = self.inner.clock.now();
            self.inner.server_time.get_or_init(|| ServerTime { server, local });
        }
    }
}

/// Returns the resource that an answer holds; an error if it holds none.
pub(super) fn resource(call: &Call, answer: &Answer) -> Result<Resource, ArmError> {
    match answer.json() {
        Ok(body @ Value::Object(_)) => Ok(head(answer, body)),
        Ok(_) => Err(unusable(call, answer, "the answer is not an object")),
        Err(why) => Err(unusable(call, answer, why.about_answer())),
    }
}

fn head(answer: &Answer, body: Value) -> Resource {
    Resource {
        etag: answer::etag(answer, &body),
        date: answer.date(),
        request_id: answer.request_id().map(str::to_owned),
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{Script, Turn, answer, client_for, raw};
    use crate::arm::{ArmErrorKind, request::LARGEST_ANSWER};
    use crate::config::Cloud;
    use serde_json::json;

    const CLUSTER: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";

    #[test]
    fn what_goes_on_by_itself_is_not_waited_for() {
        let accepted = json!({"properties": {"provisioningState": "Accepted"}});
        let script = Script::new([answer(201, accepted.clone())]);
        let begun = script.run(|client| async move {
            let path = "/subscriptions/s/providers/Microsoft.PolicyInsights/remediations/r";
            client.begin(path, &json!({"properties": {}})).await
        });
        assert_eq!(begun.unwrap().body, accepted);
        assert_eq!(script.requests().len(), 1);
    }

    #[test]
    fn requests_carry_ids_token_and_our_name() {
        let script = Script::new([answer(200, json!({})), answer(200, json!({}))]);
        script.run(|client| async move {
            client.get("/subscriptions/s").await.unwrap();
            let options = PutOptions {
                if_match: Some("\"e1\"".to_owned()),
            };
            client.put(CLUSTER, &json!({"location": "x"}), options).await.unwrap();
        });
        let requests = script.requests();
        assert_eq!(
            requests[0].url,
            "https://management.azure.com/subscriptions/s?api-version=2022-12-01"
        );
        for request in &requests {
            assert_eq!(request.header("x-ms-correlation-request-id"), "correlation");
            assert_eq!(request.header("x-ms-client-request-id").len(), 36);
            assert!(request.header("authorization").starts_with("Bearer "));
            let name = request.header("user-agent");
            assert!(name.starts_with("aksgate/") && !name.contains("azsdk"), "{name}");
        }
        assert_ne!(
            requests[0].header("x-ms-client-request-id"),
            requests[1].header("x-ms-client-request-id")
        );
        assert_eq!(requests[0].header("if-match"), "");
        assert_eq!(requests[1].header("if-match"), "\"e1\"");
        assert_eq!(requests[1].header("content-type"), "application/json");
        assert_eq!(
            (requests[1].method.as_str(), &requests[1].body),
            ("PUT", &json!({"location": "x"}))
        );
        assert_eq!(script.tokens_fetched(), 1);
        let calls = script.client().calls();
        assert_eq!(
            calls,
            CallCounts {
                reads: 1,
                writes: 1,
                ..CallCounts::default()
            }
        );
    }

    #[test]
    fn a_repeated_call_keeps_its_id() {
        let script = Script::new([answer(500, json!({})), answer(200, json!({}))]);
        script
            .run(|client| async move { client.get("/subscriptions/s").await })
            .unwrap();
        let ids: Vec<String> = script
            .requests()
            .iter()
            .map(|request| request.header("x-ms-client-request-id"))
            .collect();
        assert_eq!(ids[0], ids[1]);
    }

    #[test]
    fn the_token_is_for_the_endpoints_own_host() {
        for (endpoint, scope) in [
            (
                "https://management.usgovcloudapi.net",
                "https://management.usgovcloudapi.net/.default",
            ),
            ("https://127.0.0.1:8443/", "https://127.0.0.1:8443/.default"),
        ] {
            let script = Script::in_cloud(Cloud::UsGov, endpoint, [answer(200, json!({}))]);
            script.run(|client| async move { client.get(CLUSTER).await }).unwrap();
            assert_eq!(script.token_scopes(), [scope]);
            assert!(script.requests()[0].url.ends_with("api-version=2024-09-01"));
        }
    }

    #[test]
    fn endpoints_that_are_more_or_less_than_a_host_over_tls_are_refused() {
        for endpoint in [
            "http://management.azure.com",
            "https://management.azure.com/path",
            "https://management.azure.com/?q",
            "https://user:secret@management.azure.com",
            "file:///x",
        ] {
            let error = client_for(endpoint).unwrap_err();
            assert_eq!(error.kind(), ArmErrorKind::NotSent, "{endpoint}");
            assert!(!error.to_string().contains("secret"));
        }
        assert_eq!(
            client_for("https://127.0.0.1:8443").unwrap().endpoint().as_str(),
            "https://127.0.0.1:8443/"
        );
    }

    #[test]
    fn what_cannot_be_asked_is_not_sent() {
        for (cloud, path, words) in [
            (
                Cloud::Public,
                "/subscriptions/s/providers/Microsoft.Compute/virtualMachines/v",
                "no api-version",
            ),
            (Cloud::Public, "/tenants", "names no resource type"),
            (Cloud::Public, "/subscriptions/..", "not a path"),
            (
                Cloud::China,
                "/subscriptions/s/providers/Microsoft.Security/pricings/Containers",
                "retired there",
            ),
        ] {
            let script = Script::in_cloud(cloud, "https://management.azure.com", []);
            let error = script.run(|client| async move { client.get(path).await }).unwrap_err();
            assert_eq!(error.kind(), ArmErrorKind::NotSent);
            assert!(error.message().contains(words), "{error}");
            assert_eq!((script.requests().len(), script.tokens_fetched()), (0, 0));
        }
    }

    #[test]
    fn the_servers_time_is_that_of_the_first_answer() {
        let script = Script::new([
            answer(200, json!({})).header("date", "Mon, 04 Jan 2027 07:50:00 GMT"),
            answer(200, json!({})).header("date", "Mon, 04 Jan 2027 09:00:00 GMT"),
        ]);
        assert_eq!(script.client().server_now(), None);
        let last = script.run(|client| async move {
            client.get("/subscriptions/s").await.unwrap();
            client.get("/subscriptions/s").await.unwrap()
        });
        assert_eq!(script.client().server_now(), Timestamp::parse("2027-01-04T07:50:00Z"));
        assert_eq!(script.client().server_time().unwrap().skew_seconds(), 600);
        assert_eq!(last.date, Timestamp::parse("2027-01-04T09:00:00Z"));
    }

    #[test]
    fn answers_that_are_too_large_cut_or_no_json_are_refused() {
        let huge = Turn::Answer {
            status: 200,
            headers: Vec::new(),
            body: Bytes::from(vec![b' '; LARGEST_ANSWER + 1]),
        };
        for (turn, words) in [
            (huge, "larger than 64 MiB"),
            (raw(200, "<html>"), "web page"),
            (raw(200, ""), "empty"),
            (raw(200, "[1]"), "not an object"),
        ] {
            let script = Script::new([turn]);
            let error = script
                .run(|client| async move { client.get(CLUSTER).await })
                .unwrap_err();
            assert_eq!(error.kind(), ArmErrorKind::Unusable);
            assert!(error.message().contains(words), "{error}");
        }
        // A body that breaks off is a broken connection: the read is repeated.
        let script = Script::new([Turn::Cut(Bytes::from_static(b"{\"a\":")), answer(200, json!({"a": 1}))]);
        let resource = script.run(|client| async move { client.get(CLUSTER).await }).unwrap();
        assert_eq!(resource.body, json!({"a": 1}));
    }

    #[test]
    fn an_accepted_write_with_an_unusable_answer_is_in_doubt() {
        let script = Script::new([raw(200, "<html>")]);
        let error = script
            .run(|client| async move { client.put(CLUSTER, &json!({}), PutOptions::default()).await })
            .unwrap_err();
        assert!(error.outcome_unknown(), "{error}");
    }

    #[test]
    fn posts_may_answer_nothing() {
        let script = Script::new([raw(202, "")]);
        let path = format!("{CLUSTER}/start");
        let resource = script
            .run(|client| async move { client.post(&path, &json!({})).await })
            .unwrap();
        assert_eq!(resource.body, Value::Null);
    }

    #[test]
    fn calls_can_be_made_from_many_tasks() {
        fn moves_between_threads<T: Send>(_: T) {}
        let script = Script::new([]);
        let client = script.client();
        let query = crate::arm::GraphQuery {
            query: String::new(),
            scope: crate::arm::GraphScope::Subscriptions(Vec::new()),
            with_scopes_above: false,
        };
        let body = json!({});
        moves_between_threads(client.list("/subscriptions", &[]));
        moves_between_threads(client.put(CLUSTER, &body, PutOptions::default()));
        moves_between_threads(client.delete(CLUSTER));
        moves_between_threads(client.resource_graph(&query));
    }
}
