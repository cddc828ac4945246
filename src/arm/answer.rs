//! An answer as it came: status, headers, bytes, and what they say.
//!
//! Owns how headers and bodies are read. Must not know which request the answer belongs to.

use crate::model::Timestamp;
use azure_core::http::headers::{HeaderName, Headers};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// An answer of ARM's, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Bytes,
}

/// Why a body is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoJson {
    Empty,
    WebPage,
    Broken,
}

impl NoJson {
    /// Returns what to say where JSON was needed.
    pub(super) fn about_answer(self) -> &'static str {
        match self {
            NoJson::Empty => "the answer is empty where JSON was expected",
            NoJson::WebPage => "the answer is a web page and not JSON: a proxy or a sign-in page may stand in between",
            NoJson::Broken => "the answer is not JSON, or is cut off",
        }
    }

    /// Returns what to say about an error's body.
    pub(super) fn about_error(self, answer: &Answer) -> String {
        match self {
            NoJson::Empty => "no reason given".to_owned(),
            NoJson::WebPage => {
                "the answer is a web page, not Azure's own error: a proxy may stand in between".to_owned()
            }
            NoJson::Broken => {
                let text = String::from_utf8_lossy(&answer.body);
                text.chars().take(200).collect()
            }
        }
    }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers
            .get_optional_str(&HeaderName::from_static(name))
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    /// Returns the body as JSON.
    pub(super) fn json(&self) -> Result<Value, NoJson> {
        self.parse()
    }

    /// Reads the body, which is JSON; a byte order mark in front is no part of it.
    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, NoJson> {
        let body = self.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(NoJson::Empty);
        }
        serde_json::from_slice(body).map_err(|_| {
            let is_html = self
                .header("content-type")
                .is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
            if is_html || body.trim_ascii_start().starts_with(b"<") {
                NoJson::WebPage
            } else {
                NoJson::Broken
            }
        })
    }

    pub(super) fn date(&self) -> Option<Timestamp> {
        self.header("date").and_then(Timestamp::parse_http_date)
    }

    pub(super) fn request_id(&self) -> Option<&str> {
        self.header("x-ms-request-id")
    }

    /// Returns how long the answer asks to wait: `Retry-After` in seconds or as a date, else the reset of Resource Graph's quota.
    ///
    /// A date is read against the answer's own `Date`, so that a wrong clock here does no harm; against `now` if there is none.
    pub(super) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        if let Some(value) = self.header("retry-after") {
            if let Ok(seconds) = value.parse::<u64>() {
                return Some(Duration::from_secs(seconds));
            }
            if let Some(until) = Timestamp::parse_http_date(value) {
                let from = self.date().unwrap_or(now);
                return Some(Duration::from_secs(until.since(from).seconds()));
            }
        }
        if self.status == 429 {
            self.quota_resets_after()
        } else {
            None
        }
    }

    /// Returns when Resource Graph's quota is full again: `x-ms-user-quota-resets-after`, as hh:mm:ss.
    pub(super) fn quota_resets_after(&self) -> Option<Duration> {
        let mut seconds: u64 = 0;
        for part in self.header("x-ms-user-quota-resets-after")?.split(':') {
            seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
        }
        Some(Duration::from_secs(seconds))
    }
}

/// Returns the ETag of a resource: the header, else the body's `eTag` (AKS puts it there).
pub(super) fn etag(answer: &Answer, body: &Value) -> Option<String> {
    if let Some(header) = answer.header("etag") {
        return Some(header.to_owned());
    }
    let from = |object: &Value| {
        let found = object
            .as_object()?
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case("etag"))?;
        found.1.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    from(body).or_else(|| from(body.get("properties")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut all = Headers::new();
        for (name, value) in headers {
            all.insert(*name, (*value).to_owned());
        }
        Answer {
            status,
            headers: all,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = Timestamp::parse("2027-01-04T09:00:00Z").unwrap();
        let seconds = |status, headers: &[(&'static str, &str)]| {
            answer(status, headers, "").retry_after(now).map(|wait| wait.as_secs())
        };
        assert_eq!(seconds(429, &[("retry-after", "17")]), Some(17));
        assert_eq!(
            seconds(503, &[("retry-after", "Mon, 04 Jan 2027 09:02:00 GMT")]),
            Some(120)
        );
        let date = ("date", "Mon, 04 Jan 2027 09:01:30 GMT");
        assert_eq!(
            seconds(503, &[("retry-after", "Mon, 04 Jan 2027 09:02:00 GMT"), date]),
            Some(30)
        );
        assert_eq!(
            seconds(503, &[("retry-after", "Mon, 04 Jan 2027 08:00:00 GMT")]),
            Some(0)
        );
        assert_eq!(seconds(503, &[("retry-after", "soon")]), None);
        assert_eq!(seconds(429, &[("x-ms-user-quota-resets-after", "00:01:05")]), Some(65));
        assert_eq!(seconds(200, &[("x-ms-user-quota-resets-after", "00:01:05")]), None);
        assert_eq!(seconds(500, &[]), None);
    }

    #[test]
    fn bodies_that_are_no_json_are_told_apart() {
        assert_eq!(answer(200, &[], "\u{feff}{\"a\":1}").json(), Ok(json!({"a": 1})));
        assert_eq!(answer(200, &[], " \r\n").json(), Err(NoJson::Empty));
        assert_eq!(answer(200, &[], "\n<!DOCTYPE html>").json(), Err(NoJson::WebPage));
        assert_eq!(
            answer(200, &[("content-type", "text/HTML")], "Sign in").json(),
            Err(NoJson::WebPage)
        );
        assert_eq!(answer(200, &[], "{\"a\":").json(), Err(NoJson::Broken));
    }

    #[test]
    fn etag_is_taken_from_the_header_first() {
        let body = json!({"eTag": "body", "properties": {"etag": "deep"}});
        assert_eq!(
            etag(&answer(200, &[("etag", "\"head\"")], ""), &body).as_deref(),
            Some("\"head\"")
        );
        assert_eq!(etag(&answer(200, &[], ""), &body).as_deref(), Some("body"));
        assert_eq!(
            etag(&answer(200, &[], ""), &json!({"properties": {"etag": "deep"}})).as_deref(),
            Some("deep")
        );
        assert_eq!(etag(&answer(200, &[], ""), &json!({"eTag": ""})), None);
    }
}
