//! Slowing down before Azure throttles.
//!
//! Owns what the answers say is left of a limit, and how long to hold back when little is. Must not know what is asked, nor wait itself.
//!
//! ARM fills each bucket anew every second, by 25 reads or 10 writes and as many deletions, per subscription or tenant (Microsoft,
//! "Understand how Azure Resource Manager throttles requests"); so a second's rest helps as soon as less is left than may be under way.
//! Resource Graph takes 15 queries of a user in five seconds, and says itself what is left and when its quota is full again ("Guidance for
//! throttled requests in Azure Resource Graph"): each query takes its part before it is sent, so that many at once are not too many.

use super::answer::Answer;
use super::request::{Call, Purpose};
use crate::model::{Period, Timestamp};
use azure_core::http::Method;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What shares a limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bucket {
    Graph,
    /// Reads, writes or deletions of a subscription, or of the tenant where there is none.
    Arm(Class, Option<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Reads,
    Writes,
    Deletes,
}

impl Class {
    /// The headers that say what is left.
    fn headers(self) -> [&'static str; 2] {
        match self {
            Class::Reads => [
                "x-ms-ratelimit-remaining-subscription-reads",
                "x-ms-ratelimit-remaining-tenant-reads",
            ],
            Class::Writes => [
                "x-ms-ratelimit-remaining-subscription-writes",
                "x-ms-ratelimit-remaining-tenant-writes",
            ],
            Class::Deletes => [
                "x-ms-ratelimit-remaining-subscription-deletes",
                "x-ms-ratelimit-remaining-tenant-deletes",
            ],
        }
    }
}

fn bucket(call: &Call) -> Bucket {
    if call.purpose == Purpose::Query {
        return Bucket::Graph;
    }
    let class = match call.method {
        Method::Get => Class::Reads,
        Method::Delete => Class::Deletes,
        _ => Class::Writes,
    };
    let lower = call.shown.to_ascii_lowercase();
    let subscription = lower
        .strip_prefix("/subscriptions/")
        .and_then(|rest| rest.split('/').next())
        .map(str::to_owned);
    Bucket::Arm(class, subscription)
}

/// How many queries Resource Graph takes in one window, unless it says that it takes more.
const QUERIES: u64 = 15;

/// What is left of the queries that Resource Graph takes until its quota is full again.
#[derive(Debug)]
struct Queries {
    full: u64,
    left: u64,
    /// When the quota is full again, once an answer has told.
    until: Option<Timestamp>,
}

impl Default for Queries {
    fn default() -> Queries {
        Queries {
            full: QUERIES,
            left: QUERIES,
            until: None,
        }
    }
}

impl Queries {
    /// Takes one query, or returns how long to wait before one may be taken.
    fn take(&mut self, now: Timestamp) -> Option<Duration> {
        if self.until.is_some_and(|until| until <= now) {
            (self.left, self.until) = (self.full, None);
        }
        match self.until {
            Some(until) if self.left == 0 => Some(Duration::from_secs(until.since(now).seconds())),
            // Where nothing was told yet of the end of a quota that is used up, the answers under way will tell.
            _ => {
                self.left = self.left.saturating_sub(1);
                None
            }
        }
    }

    fn note(&mut self, left: u64, resets_after: Option<Duration>, now: Timestamp) {
        self.full = self.full.max(left.saturating_add(1));
        self.left = self.left.min(left);
        let resets_after = resets_after.filter(|rest| !rest.is_zero());
        if let Some(rest) = resets_after {
            self.until = Some(now.plus(Period::from_seconds(rest.as_secs())));
        } else if left == 0 {
            self.left = 1;
        }
    }
}

/// Until when requests that share a limit hold back.
#[derive(Debug, Default)]
pub(super) struct Pace {
    buckets: Mutex<BTreeMap<Bucket, Timestamp>>,
    queries: Mutex<Queries>,
}

impl Pace {
    /// Returns how long `call` should be held back; none if it may be sent, which is then taken to be done.
    pub(super) fn rest(&self, call: &Call, now: Timestamp) -> Option<Duration> {
        let bucket = bucket(call);
        if bucket == Bucket::Graph {
            return self.queries.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        }
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = Duration::from_secs(buckets.get(&bucket)?.since(now).seconds());
        (!rest.is_zero()).then_some(rest)
    }

    /// Takes note of what an answer says is left; `under_way` requests may be sent before anybody sees the next answer.
    pub(super) fn note(&self, call: &Call, answer: &Answer, under_way: usize, now: Timestamp) {
        let bucket = bucket(call);
        let left = |name: &'static str| answer.header(name).and_then(|text| text.parse::<u64>().ok());
        let rest = match &bucket {
            Bucket::Graph => {
                if let Some(left) = left("x-ms-user-quota-remaining") {
                    let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
                    queries.note(left, answer.quota_resets_after(), now);
                }
                return;
            }
            Bucket::Arm(class, _) => {
                // A provider with limits of its own says so in this one, of whatever class.
                let own = left("x-ms-ratelimit-remaining-subscription-resource-requests");
                let shared = class.headers().into_iter().filter_map(left).chain(own).min();
                let short = u64::try_from(under_way).unwrap_or(u64::MAX);
                shared.filter(|left| *left < short).map(|_| Duration::from_secs(1))
            }
        };
        let mut until = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        match rest {
            Some(rest) if !rest.is_zero() => {
                until.insert(bucket, now.plus(Period::from_seconds(rest.as_secs())));
            }
            _ => {
                // Enough is left again, or the answer says nothing of it.
                if until.get(&bucket).is_some_and(|until| *until <= now) {
                    until.remove(&bucket);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::arm::testing::{Script, Turn, answer};
    use crate::arm::{GraphQuery, GraphScope, Notice};
    use serde_json::json;
    use std::time::Duration;

    const ONE: &str = "/subscriptions/one";
    const TWO: &str = "/subscriptions/two";
    const READS: &str = "x-ms-ratelimit-remaining-subscription-reads";

    fn left(header: &str, value: &str) -> Turn {
        answer(200, json!({})).header(header, value)
    }

    /// Reads the paths one after the other and returns the waits.
    fn waits(turns: Vec<Turn>, paths: &'static [&'static str]) -> Vec<u64> {
        let script = Script::new(turns);
        script.run(async |client| {
            for path in paths {
                client.get(path).await.unwrap();
            }
        });
        assert_eq!(script.client().calls().retries, 0);
        script.slept_seconds()
    }

    #[test]
    fn little_left_makes_the_next_request_rest_until_enough_is_left() {
        let plenty = || left(READS, "240");
        assert_eq!(waits(vec![plenty(), plenty()], &[ONE, ONE]), Vec::<u64>::new());
        assert_eq!(waits(vec![left(READS, "9"), plenty(), plenty()], &[ONE, ONE, ONE]), [1]);
        assert_eq!(
            waits(vec![left(READS, "3"), left(READS, "9"), plenty(), plenty()], &[ONE; 4]),
            [1, 1]
        );
        assert_eq!(
            waits(vec![left(READS, "many"), plenty()], &[ONE, ONE]),
            Vec::<u64>::new()
        );
    }

    #[test]
    fn limits_are_kept_apart() {
        assert_eq!(
            waits(vec![left(READS, "1"), left(READS, "1")], &[ONE, TWO]),
            Vec::<u64>::new()
        );
        // What is left of the writes does not slow reads down.
        let writes = left("x-ms-ratelimit-remaining-subscription-writes", "0");
        assert_eq!(waits(vec![writes, left(READS, "200")], &[ONE, ONE]), Vec::<u64>::new());
        let own = left("x-ms-ratelimit-remaining-subscription-resource-requests", "0");
        assert_eq!(waits(vec![own, left(READS, "200")], &[ONE, ONE]), [1]);
        let tenant = left("x-ms-ratelimit-remaining-tenant-reads", "0");
        assert_eq!(waits(vec![tenant, left(READS, "200")], &[ONE, ONE]), [1]);
    }

    #[test]
    fn resource_graph_says_itself_when_its_quota_is_full_again() {
        let page = |remaining: &str| {
            answer(200, json!({"data": [], "resultTruncated": "false"}))
                .header("x-ms-user-quota-remaining", remaining)
                .header("x-ms-user-quota-resets-after", "00:00:05")
        };
        let script = Script::new([page("1"), page("0"), page("14")]);
        script.run(async |client| {
            let query = GraphQuery {
                query: "q".to_owned(),
                scope: GraphScope::Subscriptions(vec!["s".to_owned()]),
                with_scopes_above: false,
            };
            for _ in 0..3 {
                client.resource_graph(&query).await.unwrap();
            }
        });
        assert_eq!(script.slept(), [Duration::from_secs(5)]);
        let notices = script.notices();
        assert!(
            matches!(&notices[..], [Notice::Pacing { wait, .. }] if wait.as_secs() == 5),
            "{notices:?}"
        );
    }

    #[test]
    fn many_queries_at_once_keep_to_the_quota() {
        let page = |remaining: usize| {
            answer(200, json!({"data": [], "resultTruncated": "false"}))
                .header("x-ms-user-quota-remaining", &remaining.to_string())
                .header("x-ms-user-quota-resets-after", "00:00:05")
        };
        // Fifteen a window, however many are asked at once.
        let script = Script::new((0..40).map(|query| page(14 - query % 15)));
        script.run(async |client| {
            let query = GraphQuery {
                query: "q".to_owned(),
                scope: GraphScope::Subscriptions(vec!["s".to_owned()]),
                with_scopes_above: false,
            };
            futures::future::join_all((0..40).map(|_| client.resource_graph(&query))).await
        });
        assert_eq!(script.client().calls().retries, 0);
        let slept: u64 = script.slept_seconds().iter().max().copied().unwrap_or_default();
        assert_eq!(slept, 5);
    }
}
