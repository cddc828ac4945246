//! Texts that Azure publishes for everybody, such as the constraint templates of its definitions.
//!
//! Owns the one kind of request that goes elsewhere than to Azure Resource Manager: a GET that carries no token, to a host that the
//! caller has to have listed, and that no answer can lead on to another one. Must not know what the text is.

use super::client::Client;
use super::fault;
use azure_core::error::ErrorKind;
use azure_core::http::{Method, Request, Url};
use futures::StreamExt;
use std::time::Duration;

/// How often a text is asked for where the way there or the server fails.
const TRIES: u32 = 3;

/// Why a text cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishedError {
    /// The address is not one that may be asked.
    #[error("`{0}` is no https address of a host that publishes built-ins, so nobody was asked")]
    Address(String),
    /// No answer came.
    #[error("`{host}`: {what}")]
    Network {
        /// Who was asked.
        host: String,
        /// What happened.
        what: String,
    },
    /// Another answer than the text.
    #[error("`{host}` answered {status}")]
    Status {
        /// Who was asked.
        host: String,
        /// The status.
        status: u16,
    },
    /// More than may be taken.
    #[error("`{host}` answered with more than {longest} bytes")]
    TooLong {
        /// Who was asked.
        host: String,
        /// How many bytes would have been taken.
        longest: usize,
    },
}

impl Client {
    /// Returns the bytes at a public address, at most `longest` of them. `hosts` may be asked, others not.
    ///
    /// # Errors
    /// The address is none of these, nobody answers, or the answer is none with the text.
    pub async fn published(&self, address: &str, hosts: &[&str], longest: usize) -> Result<Vec<u8>, PublishedError> {
        let url = Url::parse(address).ok().filter(|url| {
            let host = url.host_str().unwrap_or_default();
            let plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
            url.scheme() == "https" && plain && hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
        });
        let url = url.ok_or_else(|| PublishedError::Address(address.to_owned()))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.ask_once(&url, longest).await {
                Ok(text) => return Ok(text),
                Err(error) => error,
            };
            let passing = match &error {
                PublishedError::Network { .. } => true,
                PublishedError::Status { status, .. } => *status == 429 || *status >= 500,
                PublishedError::Address(_) | PublishedError::TooLong { .. } => false,
            };
            if !passing || tries == TRIES {
                return Err(error);
            }
            self.inner.sleeper.sleep(Duration::from_secs(1 << tries)).await;
        }
    }

    async fn ask_once(&self, url: &Url, longest: usize) -> Result<Vec<u8>, PublishedError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let failed = |error: azure_core::Error| {
            let connecting = *error.kind() == ErrorKind::Connection;
            let what = fault::classify(&error, connecting).summary().to_owned();
            let host = host.clone();
            PublishedError::Network { host, what }
        };
        let _permit = self.inner.permits.acquire().await;
        // Past the pipeline: what would add a token is not on this way.
        let request = Request::new(url.clone(), Method::Get);
        let sent = self.inner.transport.execute_request(&request).await;
        let (status, _, mut stream) = sent.map_err(failed)?.deconstruct();
        if *status != 200 {
            return Err(PublishedError::Status { host, status: *status });
        }
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(failed)?;
            if body.len() + chunk.len() > longest {
                return Err(PublishedError::TooLong { host, longest });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{Script, Turn, broken, raw, unconnected};

    const URL: &str = "https://store.example/kubernetes/a/v1/template.yaml";

    fn ask(address: &str, turns: impl IntoIterator<Item = Turn>) -> (Result<Vec<u8>, PublishedError>, Script) {
        let script = Script::new(turns);
        let found = script.run(async |client| client.published(address, &["store.example"], 10).await);
        (found, script)
    }

    fn told(address: &str, turns: impl IntoIterator<Item = Turn>) -> String {
        ask(address, turns).0.unwrap_err().to_string()
    }

    #[test]
    fn a_public_text_is_asked_for_without_a_token() {
        let (found, script) = ask(URL, [raw(200, "kind: A")]);
        assert_eq!(found.unwrap(), b"kind: A");
        let seen = &script.requests()[0];
        assert_eq!((seen.method.as_str(), seen.url.as_str()), ("GET", URL));
        assert!(seen.headers.is_empty(), "{seen:?}");
        assert_eq!(script.tokens_fetched(), 0);
    }

    #[test]
    fn only_listed_hosts_are_asked() {
        for address in [
            "https://elsewhere.example/a",
            "http://store.example/a",
            "https://store.example:444/a",
            "https://user@store.example/a",
            "https://store.example.evil.example/a",
            "store.example/a",
        ] {
            assert!(told(address, []).contains("nobody was asked"), "{address}");
        }
    }

    #[test]
    fn what_is_no_text_is_told() {
        assert_eq!(told(URL, [raw(404, "")]), "`store.example` answered 404");
        // A redirect leads elsewhere: it is not followed.
        assert_eq!(told(URL, [raw(302, "")]), "`store.example` answered 302");
        assert_eq!(
            told(URL, [raw(200, "longer than ten")]),
            "`store.example` answered with more than 10 bytes"
        );
        let (found, script) = ask(URL, [broken(), raw(503, ""), raw(200, "x")]);
        assert_eq!(found.unwrap(), b"x");
        assert_eq!(script.slept_seconds(), [2, 4]);
        assert_eq!(
            told(URL, [unconnected(), unconnected(), unconnected()]),
            "`store.example`: no connection"
        );
    }
}
