//! Long operations, followed to their end.
//!
//! Owns which of ARM's three ways an operation is watched by, and when it counts as ended. Must not know what is operated on.
//!
//! The ways, in the order of preference (Microsoft's "Track asynchronous Azure operations"): `Azure-AsyncOperation`, whose answers say a
//! `status`; `Location`, where 202 means still running; and the resource's own `provisioningState`.

use super::answer::Answer;
use super::client::{Client, Resource, resource};
use super::error::{ArmError, ArmErrorKind};
use super::options::Notice;
use super::paging::unusable;
use super::path;
use super::reason::clean;
use super::request::{Call, Purpose};
use crate::model::Timestamp;
use azure_core::http::{Method, Url};
use serde_json::Value;
use std::time::Duration;

/// How often a resource may be absent right after its own write: reads can lag behind writes.
const ABSENT_AFTER_WRITE: u32 = 5;

/// The waits between looks where Azure names none.
const FIRST_LOOK: Duration = Duration::from_secs(2);
const LAZIEST_LOOK: Duration = Duration::from_secs(30);
/// The shortest wait that Azure can ask for: it may say 0.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);

/// How an operation is watched.
enum Watch {
    AsyncOperation(Url),
    Location(Url),
    Object,
}

/// What a state says about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Succeeded,
    Failed,
}

fn phase(state: &str) -> Phase {
    match state.to_ascii_lowercase().as_str() {
        "succeeded" => Phase::Succeeded,
        "failed" | "canceled" | "cancelled" => Phase::Failed,
        _ => Phase::Running,
    }
}

fn provisioning_state(body: &Value) -> Option<&str> {
    body.get("properties")?.get("provisioningState")?.as_str()
}

/// An operation that was started by a POST and goes on in Azure.
#[derive(Debug)]
pub struct Started {
    call: Call,
    answer: Answer,
}

/// The time that an operation may take.
pub(super) struct Patience {
    limit: Duration,
    waited: Duration,
    since: Timestamp,
    next: Duration,
}

impl Patience {
    fn waited(&self, now: Timestamp) -> Duration {
        self.waited.max(Duration::from_secs(now.since(self.since).seconds()))
    }
}

impl Client {
    /// Returns the resource when the write that `answer` acknowledges has ended.
    pub(super) async fn finish_put(&self, call: &Call, path: &str, answer: Answer) -> Result<Resource, ArmError> {
        let body = answer.json().unwrap_or(Value::Null);
        let state = provisioning_state(&body).map(phase);
        let Some(watch) = self.watch(call, &answer, state)? else {
            if state == Some(Phase::Failed) {
                return Err(ended_badly(call, &answer, &body));
            }
            return resource(call, &answer).map_err(ArmError::in_doubt);
        };
        let mut patience = self.patience();
        self.watch_links(call, &answer, watch, &mut patience).await?;
        // The operation says that it has ended; what came of it is in the resource.
        let get = self.call(Method::Get, Purpose::Poll, path, &[], None)?;
        let mut absent = 0;
        loop {
            match self.send(&get).await {
                Ok(answer) => {
                    let found = resource(&get, &answer).map_err(|error| error.in_doubt())?;
                    match provisioning_state(&found.body).map(phase) {
                        None | Some(Phase::Succeeded) => return Ok(found),
                        Some(Phase::Failed) => return Err(ended_badly(call, &answer, &found.body)),
                        Some(Phase::Running) => {
                            let status = provisioning_state(&found.body).unwrap_or_default();
                            self.pause(call, Some(&answer), status, None, &mut patience).await?;
                        }
                    }
                }
                Err(error)
                    if error.says_absent(path::resource_type(path).as_deref()) && absent < ABSENT_AFTER_WRITE =>
                {
                    absent += 1;
                    self.pause(call, None, "not visible yet", None, &mut patience).await?;
                }
                Err(error) if is_passing(&error) => self.pause(call, None, UNREACHED, None, &mut patience).await?,
                Err(error) => return Err(in_doubt(error)),
            }
        }
    }

    /// Returns when the deletion that `answer` acknowledges has ended.
    pub(super) async fn finish_delete(&self, call: &Call, path: &str, answer: Answer) -> Result<(), ArmError> {
        if answer.status != 202 && answer.header("azure-asyncoperation").is_none() {
            return Ok(());
        }
        let watch = self
            .watch(call, &answer, Some(Phase::Running))?
            .unwrap_or(Watch::Object);
        let mut patience = self.patience();
        if self.watch_links(call, &answer, watch, &mut patience).await? {
            return Ok(());
        }
        // No link to watch: it has ended when the object is gone.
        let get = self.call(Method::Get, Purpose::Poll, path, &[], None)?;
        loop {
            match self.send(&get).await {
                Ok(answer) => {
                    let body = answer.json().unwrap_or(Value::Null);
                    match provisioning_state(&body).map(phase) {
                        Some(Phase::Failed) => return Err(ended_badly(call, &answer, &body)),
                        _ => self.pause(call, Some(&answer), "Deleting", None, &mut patience).await?,
                    }
                }
                Err(error) if error.says_absent(path::resource_type(path).as_deref()) => return Ok(()),
                Err(error) if is_passing(&error) => self.pause(call, None, UNREACHED, None, &mut patience).await?,
                Err(error) => return Err(in_doubt(error)),
            }
        }
    }

    /// Starts an operation that takes no input, such as `…/triggerEvaluation`; it goes on in Azure.
    ///
    /// # Errors
    /// A call that fails; repeated only if Azure cannot have processed it.
    pub async fn start(&self, path: &str) -> Result<Started, ArmError> {
        let call = self.call(Method::Post, Purpose::Start, path, &[], None)?;
        let answer = self.send(&call).await?;
        Ok(Started { call, answer })
    }

    /// Returns when an operation has ended that was started; whether Azure said that it has. It does not where the operation can no longer
    /// be looked at.
    ///
    /// # Errors
    /// An operation that fails or does not end in time.
    pub async fn finish(&self, started: Started) -> Result<bool, ArmError> {
        let Started { call, answer } = started;
        match self.watch(&call, &answer, None)? {
            None => Ok(true),
            Some(Watch::Object) => Ok(false),
            Some(watch) => self.watch_links(&call, &answer, watch, &mut self.patience()).await,
        }
    }

    /// Returns when the resource at `path` says of no operation that it runs; whether one did.
    ///
    /// # Errors
    /// A read that fails, and an operation that does not end in time.
    pub(super) async fn wait_until_settled(&self, path: &str) -> Result<bool, ArmError> {
        let get = self.call(Method::Get, Purpose::Poll, path, &[], None)?;
        let mut patience = self.patience();
        let mut was_running = false;
        loop {
            let answer = self.send(&get).await?;
            let found = resource(&get, &answer)?;
            match provisioning_state(&found.body) {
                Some(state) if phase(state) == Phase::Running => {
                    was_running = true;
                    self.pause(&get, Some(&answer), state, None, &mut patience).await?;
                }
                _ => return Ok(was_running),
            }
        }
    }

    /// Returns how the operation that `answer` started is watched; `None` if it started none.
    fn watch(&self, call: &Call, answer: &Answer, state: Option<Phase>) -> Result<Option<Watch>, ArmError> {
        let link = |name: &'static str| -> Result<Option<Url>, ArmError> {
            let Some(text) = answer.header(name) else {
                return Ok(None);
            };
            // The write was accepted, so what became of it is open.
            path::follow_link(&self.inner.endpoint, text)
                .map(Some)
                .map_err(|host| self.foreign(call, answer, &host).in_doubt())
        };
        if let Some(url) = link("azure-asyncoperation")? {
            return Ok(Some(Watch::AsyncOperation(url)));
        }
        // With 201, `Location` may be no more than the address of what was made: it is a way to watch only if nothing better is there.
        if answer.status == 202 || (answer.status == 201 && answer.body.is_empty()) {
            if let Some(url) = link("location")? {
                return Ok(Some(Watch::Location(url)));
            }
            return Ok(Some(Watch::Object));
        }
        Ok((state == Some(Phase::Running)).then_some(Watch::Object))
    }

    /// Watches a link until the operation has ended well; returns whether a link said so.
    ///
    /// A link that is lost (404, 410) is given up: then the object itself has to be watched.
    async fn watch_links(
        &self,
        call: &Call,
        started: &Answer,
        watch: Watch,
        patience: &mut Patience,
    ) -> Result<bool, ArmError> {
        let (url, by_status) = match watch {
            Watch::AsyncOperation(url) => (url, true),
            Watch::Location(url) => (url, false),
            Watch::Object => {
                self.pause(call, Some(started), "Accepted", None, patience).await?;
                return Ok(false);
            }
        };
        self.pause(call, Some(started), "Accepted", None, patience).await?;
        let poll = self.next_call(call, Purpose::Poll, url);
        loop {
            let answer = match self.send(&poll).await {
                Ok(answer) => answer,
                Err(error) if matches!(error.status(), Some(404 | 410)) => return Ok(false),
                // At `Location` stands the answer to the write itself, a refusal too.
                Err(error) if !by_status && matches!(error.status(), Some(400 | 409 | 412 | 422)) => {
                    return Err(error.ending_operation());
                }
                Err(error) if is_passing(&error) => {
                    self.pause(call, None, UNREACHED, None, patience).await?;
                    continue;
                }
                Err(error) => return Err(in_doubt(error)),
            };
            let body = answer.json();
            if !by_status {
                if answer.status != 202 {
                    return Ok(true);
                }
                self.pause(call, Some(&answer), "InProgress", None, patience).await?;
                continue;
            }
            let body = body.map_err(|why| unusable(&poll, &answer, why.about_answer()).in_doubt())?;
            let Some(status) = body.get("status").and_then(Value::as_str) else {
                return Err(unusable(&poll, &answer, "the state of the operation is missing").in_doubt());
            };
            match phase(status) {
                Phase::Succeeded => return Ok(true),
                Phase::Failed => return Err(ArmError::operation_failed(call, &answer, status, &body)),
                Phase::Running => {
                    let percent = body.get("percentComplete").and_then(Value::as_f64);
                    self.pause(call, Some(&answer), status, percent, patience).await?;
                }
            }
        }
    }

    pub(super) fn patience(&self) -> Patience {
        Patience {
            limit: self.inner.operation_timeout,
            waited: Duration::ZERO,
            since: self.inner.clock.now(),
            next: FIRST_LOOK,
        }
    }

    /// Waits before the next look: as long as Azure asks for, else longer each time. An error when the time is up.
    pub(super) async fn pause(
        &self,
        call: &Call,
        answer: Option<&Answer>,
        status: &str,
        percent: Option<f64>,
        patience: &mut Patience,
    ) -> Result<(), ArmError> {
        let now = self.inner.clock.now();
        let waited = patience.waited(now);
        let left = patience.limit.saturating_sub(waited);
        if left.is_zero() {
            let message = format!(
                "it has been `{status}` for {} s, and no longer is waited",
                waited.as_secs()
            );
            let error = ArmError::new(ArmErrorKind::OperationTimeout, call, message);
            return Err(error.in_doubt());
        }
        let asked = answer
            .and_then(|answer| answer.retry_after(now))
            .map(|asked| asked.max(SHORTEST_LOOK));
        let wait = asked.unwrap_or(patience.next).min(left);
        patience.next = (patience.next * 2).min(LAZIEST_LOOK);
        self.notify(Notice::Running {
            path: call.shown.clone(),
            status: clean(status),
            percent,
            waited,
            wait,
        });
        self.inner.sleeper.sleep(wait).await;
        patience.waited += wait;
        Ok(())
    }
}

/// The state of an operation that cannot be looked at for the moment.
const UNREACHED: &str = "out of reach";

/// Whether a look at an operation failed, after all its tries, for something that may pass while the operation goes on.
fn is_passing(error: &ArmError) -> bool {
    match error.kind() {
        ArmErrorKind::Network(fault) => fault.may_pass(),
        ArmErrorKind::Refused => matches!(error.status(), Some(408 | 429 | 500 | 502 | 503 | 504)),
        _ => false,
    }
}

/// The operation was accepted, and a look at it failed: nobody knows how it ends.
fn in_doubt(error: ArmError) -> ArmError {
    error
        .in_doubt()
        .noting("the operation itself was accepted and may go on")
}

fn ended_badly(call: &Call, answer: &Answer, body: &Value) -> ArmError {
    let state = provisioning_state(body).unwrap_or("Failed");
    let detail = body
        .get("error")
        .map_or(Value::Null, |error| serde_json::json!({ "error": error }));
    ArmError::operation_failed(call, answer, state, &detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::client::{Deletion, PutOptions};
    use crate::arm::testing::{Script, answer, broken, raw};
    use serde_json::json;

    const PATH: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
    const OPERATION: &str = "https://management.azure.com/subscriptions/s/operations/1?api-version=x&s=signed";

    fn put(script: &Script) -> Result<Resource, ArmError> {
        script.run(|client| async move { client.put(PATH, &json!({"a": 1}), PutOptions::default()).await })
    }

    fn delete(script: &Script) -> Result<Deletion, ArmError> {
        script.run(|client| async move { client.delete(PATH).await })
    }

    fn cluster(state: &str) -> Value {
        json!({"name": "c", "eTag": state, "properties": {"provisioningState": state}})
    }

    fn paths(script: &Script) -> Vec<String> {
        let short = |url: &str| url.rsplit('/').next().unwrap().to_owned();
        let requests = script.requests();
        requests
            .iter()
            .map(|request| format!("{} {}", request.method, short(&request.url)))
            .collect()
    }

    #[test]
    fn a_write_that_is_done_is_not_read_again() {
        for body in [cluster("Succeeded"), json!({"name": "a", "properties": {}})] {
            let script = Script::new([answer(201, body.clone()).header("location", OPERATION)]);
            assert_eq!(put(&script).unwrap().body, body);
        }
        let script = Script::new([answer(200, cluster("Failed"))]);
        assert_eq!(put(&script).unwrap_err().kind(), ArmErrorKind::OperationFailed);
    }

    #[test]
    fn async_operation_is_preferred_and_followed_to_the_final_state() {
        let script = Script::new([
            answer(201, cluster("Updating"))
                .header("azure-asyncoperation", OPERATION)
                .header("location", "https://management.azure.com/never/asked")
                .header("retry-after", "7"),
            answer(200, json!({"status": "InProgress", "percentComplete": 40})).header("retry-after", "9"),
            answer(200, json!({"status": "Running"})),
            answer(200, json!({"status": "succeeded"})),
            answer(200, cluster("Succeeded")),
        ]);
        let resource = put(&script).unwrap();
        assert_eq!(
            (resource.body, resource.etag.as_deref()),
            (cluster("Succeeded"), Some("Succeeded"))
        );
        assert_eq!(script.slept_seconds(), [7, 9, 8]);
        let requests = script.requests();
        assert_eq!(requests[1].url, OPERATION);
        assert_eq!(
            requests[4].url,
            format!("https://management.azure.com{PATH}?api-version=2026-05-01")
        );
        let calls = script.client().calls();
        assert_eq!((calls.writes, calls.polls, calls.reads), (1, 4, 0));
        let notices = script.notices();
        assert!(
            matches!(&notices[1], Notice::Running { path, status, percent: Some(40.0), .. }
                if path == PATH && status == "InProgress"),
            "{notices:?}"
        );
    }

    #[test]
    fn location_is_followed_while_it_says_202() {
        let script = Script::new([
            raw(202, "").header("location", OPERATION).header("retry-after", "0"),
            raw(202, "").header("retry-after", "5"),
            raw(204, ""),
            answer(200, cluster("Updating")),
            answer(200, cluster("Succeeded")),
        ]);
        assert_eq!(put(&script).unwrap().body, cluster("Succeeded"));
        assert_eq!(script.slept_seconds(), [1, 5, 8]);
    }

    #[test]
    fn provisioning_state_is_watched_where_there_is_no_link() {
        let script = Script::new([
            answer(200, cluster("Updating")),
            answer(
                404,
                json!({"error": {"code": "ResourceNotFound", "message": "not yet"}}),
            ),
            answer(200, cluster("Updating")),
            answer(200, cluster("Succeeded")),
        ]);
        assert_eq!(put(&script).unwrap().body, cluster("Succeeded"));
        assert_eq!(script.slept_seconds(), [2, 4, 8]);
    }

    #[test]
    fn what_a_post_starts_is_followed_at_its_location() {
        const EVALUATION: &str =
            "/subscriptions/s/providers/Microsoft.PolicyInsights/policyStates/latest/triggerEvaluation";
        let start = |script: &Script| {
            script.run(|client| async move {
                let started = client.start(EVALUATION).await?;
                client.finish(started).await
            })
        };
        let accepted = || raw(202, "").header("location", OPERATION).header("retry-after", "30");
        let script = Script::new([
            accepted(),
            raw(202, "").header("retry-after", "30"),
            answer(200, json!({"status": "Succeeded"})),
        ]);
        assert!(start(&script).unwrap());
        assert_eq!(script.slept_seconds(), [30, 30]);
        let requests = script.requests();
        assert_eq!((requests[0].method.as_str(), &requests[0].body), ("POST", &Value::Null));
        assert_eq!(
            (requests[1].method.as_str(), requests[1].url.as_str()),
            ("GET", OPERATION)
        );
        assert!(start(&Script::new([raw(200, "")])).unwrap(), "it was done at once");
        let lost = Script::new([accepted(), raw(404, "")]);
        assert!(!start(&lost).unwrap(), "nobody knows that it has ended");
        assert!(!start(&Script::new([raw(202, "")])).unwrap());
        let foreign = Script::new([raw(202, "").header("location", "https://elsewhere.example/1")]);
        assert_eq!(start(&foreign).unwrap_err().kind(), ArmErrorKind::ForeignLink);
    }

    #[test]
    fn a_failed_operation_keeps_azures_reason() {
        let reason = json!({"status": "Failed", "error": {"code": "Outer", "details": [
            {"code": "QuotaExceeded", "message": "no cores left"}]}});
        let script = Script::new([
            answer(201, cluster("Updating")).header("azure-asyncoperation", OPERATION),
            answer(200, reason).header("x-ms-request-id", "r1"),
        ]);
        let error = put(&script).unwrap_err();
        assert_eq!(error.kind(), ArmErrorKind::OperationFailed);
        assert_eq!(
            (error.code(), error.message()),
            (Some("QuotaExceeded"), "no cores left")
        );
        assert_eq!((error.status(), error.request_id()), (None, Some("r1")));
        assert!(!error.outcome_unknown());

        let script = Script::new([
            answer(201, cluster("Updating")).header("azure-asyncoperation", OPERATION),
            answer(200, json!({"status": "Canceled"})),
        ]);
        assert_eq!(put(&script).unwrap_err().message(), "the operation ended as `Canceled`");

        let script = Script::new([answer(200, cluster("Updating")), answer(200, cluster("Failed"))]);
        assert_eq!(put(&script).unwrap_err().message(), "the operation ended as `Failed`");

        let script = Script::new([
            raw(202, "").header("location", OPERATION),
            answer(409, json!({"error": {"code": "OperationPreempted", "message": "m"}})),
        ]);
        let error = put(&script).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ArmErrorKind::OperationFailed, Some("OperationPreempted"))
        );
    }

    #[test]
    fn a_lost_connection_resumes_and_a_lost_link_falls_back_to_the_object() {
        let script = Script::new([
            answer(201, cluster("Updating")).header("azure-asyncoperation", OPERATION),
            broken(),
            answer(200, json!({"status": "InProgress"})),
            answer(404, json!({"error": {"code": "OperationNotFound"}})),
            answer(200, cluster("Updating")),
            answer(200, cluster("Succeeded")),
        ]);
        assert_eq!(put(&script).unwrap().body, cluster("Succeeded"));
        let last = paths(&script).split_off(3);
        assert!(
            last[0].starts_with("GET 1?") && last[1].starts_with("GET c?"),
            "{last:?}"
        );
    }

    #[test]
    fn a_network_that_is_away_for_minutes_ends_no_operation() {
        let away = || (0..7).map(|_| broken());
        let turns = [answer(201, cluster("Updating")).header("azure-asyncoperation", OPERATION)]
            .into_iter()
            .chain(away())
            .chain(away())
            .chain([answer(200, json!({"status": "Succeeded"}))])
            .chain((0..7).map(|_| answer(503, json!({}))))
            .chain([answer(200, cluster("Succeeded"))]);
        assert_eq!(put(&Script::new(turns)).unwrap().body, cluster("Succeeded"));
    }

    #[test]
    fn a_network_that_stays_away_ends_at_the_deadline_and_leaves_the_outcome_open() {
        // A dozen failed looks take longer than the hour that an operation is given here.
        let started = answer(201, cluster("Updating")).header("azure-asyncoperation", OPERATION);
        let mut turns = vec![started];
        turns.extend((0..400).map(|_| answer(503, json!({})).header("retry-after", "100")));
        let script = Script::unfinished(turns);
        let error = put(&script).unwrap_err();
        assert_eq!(error.kind(), ArmErrorKind::OperationTimeout);
        assert!(
            error.outcome_unknown() && error.to_string().contains("out of reach"),
            "{error}"
        );
    }

    #[test]
    fn waiting_for_an_operation_ends_at_the_deadline() {
        let started = answer(201, cluster("Updating")).header("azure-asyncoperation", OPERATION);
        let running = || answer(200, json!({"status": "Updating"})).header("retry-after", "1000");
        let script = Script::new([started, running(), running(), running(), running(), running()]);
        let error = put(&script).unwrap_err();
        assert_eq!(error.kind(), ArmErrorKind::OperationTimeout);
        assert!(error.outcome_unknown());
        assert_eq!(script.slept_seconds(), [2, 1000, 1000, 1000, 598]);
        assert!(
            error.to_string().contains("it has been `Updating` for 3600 s"),
            "{error}"
        );
    }

    #[test]
    fn a_foreign_link_is_refused_and_the_doubt_is_said() {
        for header in ["azure-asyncoperation", "location"] {
            let script = Script::new([raw(202, "").header(header, "https://evil.example/operation")]);
            let error = put(&script).unwrap_err();
            assert_eq!(error.kind(), ArmErrorKind::ForeignLink);
            assert!(error.outcome_unknown());
            assert_eq!(script.requests().len(), 1);
        }
    }

    #[test]
    fn a_look_that_fails_leaves_the_outcome_open_and_hides_the_signature() {
        for look in [
            answer(403, json!({"error": {"code": "AuthorizationFailed", "message": "no"}})),
            answer(200, json!({"progress": 1})),
            raw(200, "<html>"),
        ] {
            let script = Script::new([
                answer(201, cluster("Updating")).header("azure-asyncoperation", OPERATION),
                look,
            ]);
            let error = put(&script).unwrap_err();
            assert!(error.outcome_unknown(), "{error}");
            assert!(!format!("{error} {error:?}").contains("signed"), "{error:?}");
        }
    }

    #[test]
    fn deletions_are_followed_and_absence_is_no_error() {
        let gone = || answer(404, json!({"error": {"code": "ResourceNotFound", "message": "gone"}}));
        for (turns, expected) in [
            (vec![raw(200, "")], Deletion::Deleted),
            (vec![raw(204, "")], Deletion::WasAbsent),
            (vec![gone()], Deletion::WasAbsent),
            (vec![broken(), gone()], Deletion::Deleted),
            (
                vec![raw(202, "").header("location", OPERATION), raw(202, ""), raw(204, "")],
                Deletion::Deleted,
            ),
            (
                vec![
                    raw(202, "").header("azure-asyncoperation", OPERATION),
                    answer(200, json!({"status": "Succeeded"})),
                ],
                Deletion::Deleted,
            ),
            (
                vec![raw(202, ""), answer(200, cluster("Deleting")), gone()],
                Deletion::Deleted,
            ),
        ] {
            assert_eq!(delete(&Script::new(turns)).unwrap(), expected);
        }
        let missing = answer(404, json!({"error": {"code": "SubscriptionNotFound", "message": "m"}}));
        assert_eq!(
            delete(&Script::new([missing])).unwrap_err().code(),
            Some("SubscriptionNotFound")
        );
    }
}
