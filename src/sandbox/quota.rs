//! The limits of Azure Resource Manager and of Resource Graph, as Microsoft publishes them, for one caller.
//!
//! Resource Manager has a bucket of tokens per subscription, or for the tenant, and sort of request; it fills anew every second.
//! Resource Graph allows so many queries in a window of seconds. Which request is asked for what must not be known here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::error::ArmError;
use super::http::{Request, Response};

/// How many queries Resource Graph takes in one window, and how long that is.
const QUERIES: u64 = 15;
const WINDOW: Duration = Duration::from_secs(5);

/// A sort of request: what its headers call it, how many tokens a full bucket holds, and how many a second brings.
struct Sort {
    name: &'static str,
    full: u32,
    per_second: u32,
}

const READS: Sort = Sort {
    name: "reads",
    full: 250,
    per_second: 25,
};
const WRITES: Sort = Sort {
    name: "writes",
    full: 200,
    per_second: 10,
};
const DELETES: Sort = Sort {
    name: "deletes",
    full: 200,
    per_second: 10,
};

/// What is left of the limits.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<Left>);

#[derive(Debug, Default)]
struct Left {
    /// By subscription, or nothing for the tenant, and sort: the tokens, and since when.
    buckets: BTreeMap<(String, &'static str), (f64, Duration)>,
    /// When the window began, and the queries in it.
    window: (Duration, u64),
}

impl Quotas {
    /// Takes what a request costs at a time, and returns the headers that tell what is left.
    ///
    /// # Errors
    /// The answer 429 where nothing is left.
    pub fn take(&self, request: &Request, now: Duration) -> Result<Vec<(String, String)>, Box<Response>> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = request.path.to_ascii_lowercase();
        if path.ends_with("/providers/microsoft.resourcegraph/resources") {
            return left.query(now);
        }
        let sort = match request.method.as_str() {
            "GET" | "HEAD" => READS,
            "DELETE" => DELETES,
            _ => WRITES,
        };
        let subscription = path
            .strip_prefix("/subscriptions/")
            .and_then(|rest| rest.split('/').next());
        left.request(subscription.unwrap_or_default(), &sort, now)
    }
}

impl Left {
    fn query(&mut self, now: Duration) -> Result<Vec<(String, String)>, Box<Response>> {
        let (start, queries) = &mut self.window;
        if now >= start.saturating_add(WINDOW) || *queries == 0 {
            (*start, *queries) = (now, 0);
        }
        let rest = start.saturating_add(WINDOW).saturating_sub(now);
        let seconds = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
        let headers = |left: u64| {
            vec![
                ("x-ms-user-quota-remaining".to_owned(), left.to_string()),
                ("x-ms-user-quota-resets-after".to_owned(), format!("00:00:{seconds:02}")),
            ]
        };
        if *queries >= QUERIES {
            let error = ArmError::new(
                429,
                "RateLimiting",
                "Please provide below info when asking for support: the query rate limit is exceeded.",
            );
            let mut refused = error.detail(json!({"code": "RateLimiting", "message": format!("Client application has been throttled and should not attempt to repeat the request until {seconds} seconds have passed.")})).response();
            refused.headers.extend(headers(0));
            refused.headers.push(("retry-after".to_owned(), seconds.to_string()));
            return Err(Box::new(refused));
        }
        *queries += 1;
        Ok(headers(QUERIES - *queries))
    }

    fn request(
        &mut self,
        subscription: &str,
        sort: &Sort,
        now: Duration,
    ) -> Result<Vec<(String, String)>, Box<Response>> {
        let full = f64::from(sort.full);
        let bucket = self
            .buckets
            .entry((subscription.to_owned(), sort.name))
            .or_insert((full, now));
        let passed = now.saturating_sub(bucket.1).as_secs_f64();
        *bucket = ((bucket.0 + passed * f64::from(sort.per_second)).min(full), now);
        let of = if subscription.is_empty() {
            "tenant"
        } else {
            "subscription"
        };
        let header = |left: f64| {
            (
                format!("x-ms-ratelimit-remaining-{of}-{}", sort.name),
                format!("{left:.0}"),
            )
        };
        if bucket.0 < 1.0 {
            let error = ArmError::new(
                429,
                "SubscriptionRequestsThrottled",
                "Number of requests exceeded the limit. Please try again after '1' seconds.",
            );
            let mut refused = error.response();
            refused.headers.push(header(0.0));
            refused.headers.push(("retry-after".to_owned(), "1".to_owned()));
            return Err(Box::new(refused));
        }
        bucket.0 -= 1.0;
        Ok(vec![header(bucket.0.floor())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so many equal requests at one second and returns how many were taken.
    fn taken(quotas: &Quotas, method: &str, path: &str, second: u64, count: usize) -> usize {
        let request = Request::new(method, path);
        (0..count)
            .filter(|_| quotas.take(&request, Duration::from_secs(second)).is_ok())
            .count()
    }

    #[test]
    fn buckets_are_emptied_and_fill_every_second() {
        let quotas = Quotas::default();
        let (one, two) = ("/subscriptions/ONE/x", "/subscriptions/two");
        assert_eq!(taken(&quotas, "GET", one, 0, 300), 250);
        assert_eq!(
            taken(&quotas, "GET", "/subscriptions/one", 1, 300),
            25,
            "casing does not matter"
        );
        assert_eq!(taken(&quotas, "GET", two, 1, 300), 250, "each subscription has its own");
        assert_eq!(
            taken(&quotas, "GET", "/providers/x", 1, 300),
            250,
            "and so has the tenant"
        );
        assert_eq!(taken(&quotas, "PUT", one, 1, 300), 200, "writes are counted apart");
        assert_eq!(taken(&quotas, "DELETE", one, 1, 300), 200);
        assert_eq!(taken(&quotas, "PUT", one, 3, 300), 20);
        assert_eq!(
            taken(&quotas, "GET", one, 3_600, 300),
            250,
            "no more than a full bucket"
        );
    }

    #[test]
    fn resource_graph_counts_in_windows() {
        let quotas = Quotas::default();
        let path = "/providers/Microsoft.ResourceGraph/resources";
        assert_eq!(taken(&quotas, "POST", path, 7, 10), 10);
        assert_eq!(taken(&quotas, "POST", path, 11, 10), 5);
        assert_eq!(taken(&quotas, "POST", path, 12, 20), 15);
        let refused = quotas
            .take(&Request::new("POST", path), Duration::from_millis(13_500))
            .unwrap_err();
        assert_eq!(refused.status, 429);
        for (name, value) in [
            ("x-ms-user-quota-remaining", "0"),
            ("x-ms-user-quota-resets-after", "00:00:04"),
            ("retry-after", "4"),
        ] {
            assert_eq!(refused.header(name), Some(value), "{name}");
        }
    }

    #[test]
    fn the_headers_say_what_is_left() {
        let quotas = Quotas::default();
        let left = |method: &str, path: &str| quotas.take(&Request::new(method, path), Duration::ZERO).unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            left("GET", "/subscriptions/s"),
            [header("x-ms-ratelimit-remaining-subscription-reads", "249")]
        );
        assert_eq!(
            left("DELETE", "/providers/x"),
            [header("x-ms-ratelimit-remaining-tenant-deletes", "199")]
        );
        assert_eq!(
            left("POST", "/providers/Microsoft.ResourceGraph/resources")[0],
            header("x-ms-user-quota-remaining", "14")
        );
    }
}
