//! The one retry layer.
//!
//! Owns which failures are tried again, how long we wait in between, and when we give up. Must not know what is being asked.

use super::answer::Answer;
use super::client::Client;
use super::error::{ArmError, ArmErrorKind};
use super::options::Notice;
use super::request::{Call, Failure, Purpose};
use sha2::{Digest, Sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long and how often a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// How long one call may wait in all, whoever asks for it. 15 minutes unless told.
    pub max_wait: Duration,
    /// How often a failure is tried that says nothing about when to come back. Seven times unless told.
    pub tries: u32,
    /// The wait before the second try, doubled for each further one. Half a second unless told.
    pub first_wait: Duration,
    /// The longest wait that we choose ourselves. Half a minute unless told.
    pub longest_wait: Duration,
}

impl Default for RetryLimits {
    fn default() -> RetryLimits {
        RetryLimits {
            max_wait: Duration::from_secs(15 * 60),
            tries: 7,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}

impl RetryLimits {
    /// Returns the wait before the next try: what the server asks for, at least our own growing wait.
    ///
    /// `seed` spreads our own wait between its half and its whole, so that many callers do not come back at once.
    fn wait(&self, tries: u32, asked: Option<Duration>, seed: &str) -> Duration {
        let doubled = self
            .first_wait
            .saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
        let own = doubled.min(self.longest_wait);
        let own = own / 2 + (own / 2).mul_f64(fraction(seed, tries));
        asked.map_or(own, |asked| asked.max(own))
    }
}

/// Returns a number in 0..1 that is always the same for the same input, and evenly spread over different ones.
fn fraction(seed: &str, tries: u32) -> f64 {
    let digest = Sha256::new()
        .chain_update(seed)
        .chain_update(tries.to_be_bytes())
        .finalize();
    let head = digest
        .iter()
        .take(4)
        .fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    f64::from(head) / (f64::from(u32::MAX) + 1.0)
}

/// How often a host is tried that has not answered in the whole run.
const TRIES_OF_A_STRANGER: u32 = 3;

/// What came of a try that may be repeated.
enum Setback {
    Answer(Answer),
    Failure(Failure),
}

impl Client {
    /// Sends `call` until it succeeds, fails for good, or has waited long enough; returns the answer if it is a success.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, ArmError> {
        let limits = self.inner.retry;
        let mut tries = 0;
        let mut waited = Duration::ZERO;
        let mut may_have_happened = false;
        let mut token_renewed = false;
        loop {
            tries += 1;
            let setback = match self.try_once(call).await {
                Ok(answer) if answer.is_success() => return Ok(answer),
                // The token policy has dropped the token that was not accepted: the next try fetches another one.
                Ok(answer) if answer.status == 401 && !token_renewed => {
                    token_renewed = true;
                    self.inner.counters.retries.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Ok(answer) => Setback::Answer(answer),
                Err(failure) => Setback::Failure(failure),
            };
            if call.purpose.writes() {
                may_have_happened |= match &setback {
                    Setback::Answer(answer) => matches!(answer.status, 408 | 500..),
                    Setback::Failure(failure) => !failure.unsent,
                };
            }
            let again = may_repeat(call.purpose, &setback);
            let asked = match &setback {
                Setback::Answer(answer) => answer.retry_after(self.inner.clock.now()),
                Setback::Failure(failure) => failure.retry_after,
            };
            let (status, error) = match setback {
                Setback::Answer(answer) => (Some(answer.status), ArmError::refused(call, &answer)),
                Setback::Failure(failure) => (None, failure.error),
            };
            let replicating = is_replicating(call, status, &error);
            let error = error.after(tries, may_have_happened);
            // Where nobody has ever answered, a wrong name or address is likelier than a passing fault.
            let allowed = if status.is_none() && self.server_time().is_none() {
                limits.tries.min(TRIES_OF_A_STRANGER)
            } else {
                limits.tries
            };
            // Throttling ends by itself, and so does the way of a new identity through the directory; only the time limits them.
            let endless = asked.is_some() || status == Some(429) || replicating;
            if !(again || replicating) || (!endless && tries >= allowed) {
                return Err(error);
            }
            let wait = limits.wait(tries, asked, &call.client_request_id);
            if waited + wait > limits.max_wait {
                return Err(error.noting(&format!(
                    "the next try would be in {} s, and {} s of waiting are spent: more than the {} s allowed",
                    wait.as_secs(),
                    waited.as_secs(),
                    limits.max_wait.as_secs()
                )));
            }
            waited += wait;
            self.notify(Notice::Waiting {
                method: call.method_name(),
                path: call.shown.clone(),
                wait,
                status,
                why: error.summary(),
            });
            self.inner.counters.retries.fetch_add(1, Ordering::Relaxed);
            self.inner.sleeper.sleep(wait).await;
        }
    }
}

/// Whether a role was refused because the directory does not know yet who it is for: an identity that was made a moment ago.
fn is_replicating(call: &Call, status: Option<u16>, error: &ArmError) -> bool {
    let is_role = call.shown.to_ascii_lowercase().contains("/roleassignments/");
    call.purpose == Purpose::Write && is_role && status == Some(400) && error.has_code("PrincipalNotFound")
}

fn may_repeat(purpose: Purpose, setback: &Setback) -> bool {
    match setback {
        // Azure does not process what it throttles, so even a POST may come again.
        Setback::Answer(answer) if answer.status == 429 => true,
        Setback::Answer(answer) => purpose != Purpose::Start && matches!(answer.status, 408 | 500 | 502 | 503 | 504),
        Setback::Failure(failure) => {
            let passing = matches!(failure.error.kind(), ArmErrorKind::Network(fault) if fault.may_pass());
            failure.token_may_come || passing && (failure.unsent || purpose != Purpose::Start)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::fault::NetworkFault;
    use crate::arm::testing::{Script, answer, broken, unconnected};
    use serde_json::json;

    #[test]
    fn own_waits_grow_to_a_limit_and_are_spread() {
        let limits = RetryLimits::default();
        for (tries, low, high) in [(1, 250, 500), (2, 500, 1_000), (4, 2_000, 4_000), (40, 15_000, 30_000)] {
            for seed in ["a", "b", "c"] {
                let wait = limits.wait(tries, None, seed).as_millis();
                assert!((low..high).contains(&wait), "{tries} {seed} {wait}");
            }
        }
        assert_ne!(limits.wait(1, None, "a"), limits.wait(1, None, "b"));
        assert_eq!(
            limits.wait(1, Some(Duration::from_secs(17)), "a"),
            Duration::from_secs(17)
        );
        assert!(limits.wait(1, Some(Duration::ZERO), "a") > Duration::ZERO);
    }

    #[test]
    fn passing_statuses_are_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            let script = Script::new([answer(status, json!({})), answer(200, json!({"name": "x"}))]);
            let resource = script
                .run(|client| async move { client.get("/subscriptions/s").await })
                .unwrap();
            assert_eq!(resource.body, json!({"name": "x"}));
            assert_eq!(script.slept().len(), 1, "{status}");
            assert_eq!(script.client().calls().retries, 1);
        }
    }

    #[test]
    fn other_statuses_are_final() {
        for status in [302, 400, 403, 404, 409, 412, 501] {
            let script = Script::new([answer(status, json!({"error": {"code": "X", "message": "m"}}))]);
            let error = script
                .run(|client| async move { client.get("/subscriptions/s").await })
                .unwrap_err();
            assert_eq!(
                (error.status(), error.code(), error.tries()),
                (Some(status), Some("X"), 1)
            );
            assert!(script.slept().is_empty());
        }
    }

    #[test]
    fn a_principal_that_is_not_known_yet_is_waited_for() {
        let path =
            "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/05c5a614-a7d6-4502-b150-c2fb455033ff";
        let unknown = || answer(400, json!({"error": {"code": "PrincipalNotFound", "message": "m"}}));
        let script = Script::new((0..12).map(|_| unknown()).chain([answer(201, json!({"name": "x"}))]));
        let put = |script: &Script| {
            script.run(|client| async move { client.put(path, &json!({}), Default::default()).await })
        };
        put(&script).unwrap();
        assert_eq!(script.slept().len(), 12, "longer than what is tried so many times only");

        let script = Script::new([
            unknown().header("retry-after", "600"),
            unknown().header("retry-after", "301"),
        ]);
        let error = put(&script).unwrap_err();
        assert!(error.message().contains("more than the 900 s allowed"), "{error}");
    }

    #[test]
    fn retry_after_is_honoured_and_told() {
        let script = Script::new([
            answer(429, json!({})).header("retry-after", "17"),
            answer(503, json!({}))
                .header("date", "Mon, 04 Jan 2027 09:00:00 GMT")
                .header("retry-after", "Mon, 04 Jan 2027 09:05:00 GMT"),
            answer(200, json!({})),
        ]);
        script
            .run(|client| async move { client.get("/subscriptions/s").await })
            .unwrap();
        assert_eq!(script.slept(), [Duration::from_secs(17), Duration::from_secs(300)]);
        let notices = script.notices();
        assert!(
            matches!(&notices[0], Notice::Waiting { wait, status: Some(429), why, .. }
                if wait.as_secs() == 17 && *why == "azure throttles the requests"),
            "{notices:?}"
        );
    }

    #[test]
    fn waiting_ends_at_the_limit() {
        let script = Script::new([
            answer(429, json!({})).header("retry-after", "600"),
            answer(
                429,
                json!({"error": {"code": "TooManyRequests", "message": "slow down"}}),
            )
            .header("retry-after", "301"),
        ]);
        let error = script
            .run(|client| async move { client.get("/subscriptions/s").await })
            .unwrap_err();
        assert_eq!(script.slept(), [Duration::from_secs(600)]);
        assert_eq!((error.status(), error.tries()), (Some(429), 2));
        assert!(error.message().contains("more than the 900 s allowed"), "{error}");
    }

    #[test]
    fn silent_failures_end_after_the_tries_and_throttling_does_not() {
        let script = Script::new((0..7).map(|_| answer(500, json!({}))));
        let error = script
            .run(|client| async move { client.get("/subscriptions/s").await })
            .unwrap_err();
        assert_eq!((error.status(), error.tries()), (Some(500), 7));

        let throttled = (0..20).map(|_| answer(429, json!({}))).chain([answer(200, json!({}))]);
        let script = Script::new(throttled);
        script
            .run(|client| async move { client.get("/subscriptions/s").await })
            .unwrap();
        assert_eq!(script.slept().len(), 20);
    }

    #[test]
    fn a_host_that_never_answered_is_given_up_early() {
        let script = Script::new([unconnected(), unconnected(), unconnected()]);
        let error = script
            .run(|client| async move { client.get("/subscriptions/s").await })
            .unwrap_err();
        assert_eq!(error.kind(), ArmErrorKind::Network(NetworkFault::NoConnection));
        assert_eq!(error.tries(), 3);

        let known = answer(200, json!({})).header("date", "Mon, 04 Jan 2027 08:00:00 GMT");
        let script = Script::new([known].into_iter().chain((0..7).map(|_| unconnected())));
        let error = script.run(|client| async move {
            client.get("/subscriptions/s").await.unwrap();
            client.get("/subscriptions/s").await.unwrap_err()
        });
        assert_eq!(error.tries(), 7);
    }

    #[test]
    fn broken_connections_are_tried_again_and_the_doubt_is_kept() {
        let path = "/subscriptions/s/providers/Microsoft.Security/pricings/Containers";
        let script = Script::new([broken(), answer(412, json!({"error": {"code": "PreconditionFailed"}}))]);
        let error = script
            .run(|client| async move { client.put(path, &json!({}), Default::default()).await })
            .unwrap_err();
        assert!(error.outcome_unknown());
        assert!(
            error.to_string().contains("not known whether it took effect"),
            "{error}"
        );

        let script = Script::new([
            unconnected(),
            answer(412, json!({"error": {"code": "PreconditionFailed"}})),
        ]);
        let error = script
            .run(|client| async move { client.put(path, &json!({}), Default::default()).await })
            .unwrap_err();
        assert!(!error.outcome_unknown());
    }

    #[test]
    fn what_starts_something_is_repeated_only_if_it_was_not_seen() {
        let path = "/subscriptions/s/providers/Microsoft.ContainerService/managedClusters/c/stop";
        let post = |script: &Script| script.run(|client| async move { client.post(path, &json!({})).await });

        for seen in [
            broken(),
            answer(500, json!({})),
            answer(503, json!({})).header("retry-after", "1"),
        ] {
            let script = Script::new([seen]);
            let error = post(&script).unwrap_err();
            assert!(error.outcome_unknown(), "{error}");
            assert_eq!(error.tries(), 1);
        }
        for unseen in [unconnected(), answer(429, json!({}))] {
            let script = Script::new([unseen, answer(200, json!({}))]);
            post(&script).unwrap();
            assert_eq!(script.requests().len(), 2);
        }
    }

    #[test]
    fn a_refused_token_is_renewed_once() {
        let script = Script::new([answer(401, json!({})), answer(200, json!({}))]);
        script
            .run(|client| async move { client.get("/subscriptions/s").await })
            .unwrap();
        assert_eq!(script.tokens_fetched(), 2);
        assert!(script.slept().is_empty());
        let sent: Vec<String> = script
            .requests()
            .iter()
            .map(|request| request.header("authorization"))
            .collect();
        assert_ne!(sent[0], sent[1]);

        let script = Script::new([
            answer(401, json!({})),
            answer(401, json!({"error": {"code": "ExpiredToken"}})),
        ]);
        let error = script
            .run(|client| async move { client.get("/subscriptions/s").await })
            .unwrap_err();
        assert_eq!(
            (error.status(), error.code(), error.tries()),
            (Some(401), Some("ExpiredToken"), 2)
        );
    }
}
