//! One request: what it carries, and one try to send it.
//!
//! Owns ids, headers and the limit on an answer's size. Must not know when to try again.

use super::answer::Answer;
use super::client::Client;
use super::error::{ArmError, ArmErrorKind};
use super::fault::{self, NetworkFault};
use super::options::Notice;
use super::reason::clean;
use super::sign_in::SignInFault;
use crate::config::Cloud;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{ACCEPT, CLIENT_REQUEST_ID, CONTENT_TYPE, IF_MATCH};
use azure_core::http::{Context, Method, PipelineStreamOptions, Request, Url};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The largest answer that is read, unpacked: 64 MiB.
pub(super) const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// How often a call is held back before it is sent whatever is left.
const MOST_RESTS: u32 = 1_000;

/// What a request does, for counting and for deciding whether it may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reads a resource or a page of a list.
    Read,
    /// Asks how a long operation goes.
    Poll,
    /// Asks Resource Graph; reads, although it is a POST.
    Query,
    /// Writes an absolute state (PUT, DELETE): twice is as good as once.
    Write,
    /// Starts something (POST): twice is not once.
    Start,
}

impl Purpose {
    pub(super) fn writes(self) -> bool {
        matches!(self, Purpose::Write | Purpose::Start)
    }
}

/// A request as it will be sent, every time it is sent.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) purpose: Purpose,
    pub(super) url: Url,
    /// The path as a person knows it; never a query, which may hold signed links.
    pub(super) shown: String,
    pub(super) body: Option<Bytes>,
    pub(super) if_match: Option<String>,
    pub(super) cloud: Cloud,
    pub(super) client_request_id: String,
    pub(super) correlation_id: String,
}

impl Call {
    pub(super) fn method_name(&self) -> &'static str {
        match self.method {
            Method::Delete => "DELETE",
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            // Nothing here sends another one.
            _ => "HTTP",
        }
    }
}

/// Why a try brought no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ArmError,
    /// The request cannot have been seen by the server.
    pub(super) unsent: bool,
    /// There was no token, and another try may bring one.
    pub(super) token_may_come: bool,
    /// How long whoever gives tokens asks to wait.
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    fn new(error: ArmError, unsent: bool) -> Failure {
        Failure {
            error,
            unsent,
            token_may_come: false,
            retry_after: None,
        }
    }
}

impl Client {
    /// Sends `call` once. An answer of any status is an answer.
    pub(super) async fn try_once(&self, call: &Call) -> Result<Answer, Failure> {
        let inner = &self.inner;
        // Others may have taken what there was when a wait ends, but not for ever.
        for _ in 0..MOST_RESTS {
            let Some(wait) = inner.pace.rest(call, inner.clock.now()) else {
                break;
            };
            self.notify(Notice::Pacing {
                method: call.method_name(),
                path: call.shown.clone(),
                wait,
            });
            inner.sleeper.sleep(wait).await;
        }
        let _permit = inner.permits.acquire().await;
        let mut request = Request::new(call.url.clone(), call.method);
        request.insert_header(ACCEPT, "application/json");
        request.insert_header(CLIENT_REQUEST_ID, call.client_request_id.clone());
        request.insert_header("x-ms-correlation-request-id", call.correlation_id.clone());
        if let Some(etag) = &call.if_match {
            request.insert_header(IF_MATCH, etag.clone());
        }
        if let Some(body) = &call.body {
            request.insert_header(CONTENT_TYPE, "application/json");
            request.set_body(body.clone());
        }
        let counters = &inner.counters;
        let counter = match call.purpose {
            Purpose::Read => &counters.reads,
            Purpose::Poll => &counters.polls,
            Purpose::Query => &counters.queries,
            Purpose::Write | Purpose::Start => &counters.writes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let round = counters.rounds.load(Ordering::Relaxed) + 1;

        let options = PipelineStreamOptions {
            skip_checks: true,
            ..PipelineStreamOptions::default()
        };
        let sent = inner
            .pipeline
            .stream(&Context::new(), &mut request, Some(options))
            .await;
        let (status, headers, mut stream) = sent.map_err(|error| failure(call, error))?.deconstruct();
        let mut answer = Answer {
            status: *status,
            headers,
            body: Bytes::new(),
        };
        let mut body = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            // The server has seen the request: it has begun to answer.
            let chunk = chunk.map_err(|error| Failure {
                unsent: false,
                ..failure(call, error)
            })?;
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let message = format!("the answer is larger than {} MiB", LARGEST_ANSWER / (1024 * 1024));
                let error = ArmError::new(ArmErrorKind::Unusable, call, message).answered(&answer);
                return Err(Failure::new(error, false));
            }
            body.extend_from_slice(&chunk);
        }
        answer.body = body.freeze();
        counters.rounds.fetch_max(round, Ordering::Relaxed);
        let bytes = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
        counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        counters
            .throttled
            .fetch_add(u64::from(answer.status == 429), Ordering::Relaxed);
        self.note_date(&answer);
        inner.pace.note(call, &answer, inner.parallelism, inner.clock.now());
        Ok(answer)
    }
}

fn failure(call: &Call, error: azure_core::Error) -> Failure {
    let kind = error.kind().clone();
    if kind == ErrorKind::Credential {
        // What a credential says is taken as text only: its source could hold what the sign-in tool printed.
        let Some(fault) = find::<SignInFault>(&error) else {
            return Failure::new(ArmError::new(ArmErrorKind::SignIn, call, chain(&error)), true);
        };
        let error = ArmError::new(ArmErrorKind::SignIn, call, fault.detail.clone()).advising(&fault.advice);
        return Failure {
            token_may_come: fault.passing,
            retry_after: fault.retry_after,
            ..Failure::new(error, true)
        };
    }
    let unsent = kind == ErrorKind::Connection;
    if !unsent && kind != ErrorKind::Io {
        let error = ArmError::new(ArmErrorKind::NotSent, call, chain(&error));
        return Failure::new(error, true);
    }
    let fault = fault::classify(&error, unsent);
    let host = call.url.host_str().unwrap_or_default();
    let port = call.url.port_or_known_default().unwrap_or_default();
    let message = format!("{} (asked {host}:{port}): {}", fault.summary(), innermost(&error));
    let network = ArmError::new(ArmErrorKind::Network(fault), call, message);
    // reqwest's error names the whole URL, and links of long operations are signed.
    let error = match error.into_downcast::<reqwest::Error>() {
        Ok(error) => network.caused_by(Box::new(error.without_url())),
        Err(error) => network.caused_by(Box::new(error)),
    };
    Failure::new(error, unsent || fault == NetworkFault::UnknownHost)
}

/// Returns the first source of an error that is a `T`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Returns the texts of an error and its sources, outermost first, each that adds something.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = error.source();
    }
    clean(&text)
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    clean(&last.to_string())
}
