//! Why there is no token.
//!
//! Owns what is kept of a failed sign-in: cleaned text and whether another try may do better. Never keeps an error of a library: it may
//! hold a whole answer, or what a tool printed, and that is where tokens are.

use super::SignInMethod;
use crate::arm::fault::classify;
use crate::arm::reason::clean;
use azure_core::error::{Error, ErrorKind};
use std::time::Duration;

/// Why there is no token, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(in crate::arm) struct SignInFault {
    pub(in crate::arm) detail: String,
    /// The detail without who failed.
    pub(super) why: String,
    pub(in crate::arm) advice: String,
    /// Whether another try may do better.
    pub(in crate::arm) passing: bool,
    /// How long the authority asks to wait.
    pub(in crate::arm) retry_after: Option<Duration>,
}

/// What is known of a failure besides its text.
#[derive(Clone, Copy, Debug, Default)]
struct Nature {
    passing: bool,
    retry_after: Option<Duration>,
}

impl SignInFault {
    pub(super) fn new(detail: impl Into<String>, advice: impl Into<String>) -> SignInFault {
        let detail = clean(&detail.into());
        SignInFault {
            why: detail.clone(),
            detail,
            advice: advice.into(),
            passing: false,
            retry_after: None,
        }
    }

    /// Returns the fault of a request that was answered with a status.
    pub(super) fn of_status(who: &str, status: u16, retry_after: Option<&str>, said: &str) -> SignInFault {
        SignInFault {
            passing: passing_status(status),
            retry_after: retry_after.and_then(seconds),
            ..SignInFault::new(format!("{who} answered {status}: {said}"), "")
        }
    }

    /// Returns the fault of a request that was not answered.
    pub(super) fn of_network(who: &str, error: &Error) -> SignInFault {
        SignInFault {
            passing: nature(error).passing,
            ..SignInFault::new(format!("{who} cannot be reached: {}", innermost(error)), "")
        }
    }

    /// Returns what an error of a credential says.
    pub(super) fn read(method: SignInMethod, tenant: &str, error: &Error, advice: String) -> SignInFault {
        let who = format!("`{}` gave no token for tenant `{tenant}`", method.name());
        if let Some(own) = find(error) {
            return SignInFault {
                advice,
                detail: format!("{who}: {}", own.detail),
                ..own.clone()
            };
        }
        let nature = nature(error);
        let text = error.to_string();
        // The library puts its type's name in front and a link to its own help behind.
        let said = text.split("To troubleshoot, visit").next().unwrap_or(&text);
        let said = match said.split_once("authentication failed.") {
            Some((name, rest)) if name.trim().ends_with("Credential") => rest,
            _ => said,
        };
        let said = said.trim();
        let cause = innermost(error);
        let more = if said.contains(&cause) {
            String::new()
        } else {
            format!(": {cause}")
        };
        let why = clean(&format!("{said}{more}"));
        SignInFault {
            detail: format!("{who}: {why}"),
            why,
            advice,
            passing: nature.passing,
            retry_after: nature.retry_after,
        }
    }
}

fn passing_status(status: u16) -> bool {
    matches!(status, 408 | 410 | 429 | 500..)
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

fn nature(error: &Error) -> Nature {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = next {
        if let Some(found) = found.downcast_ref::<Error>() {
            match found.kind() {
                ErrorKind::HttpResponse {
                    status, raw_response, ..
                } => {
                    let headers = raw_response.as_ref().map(|response| response.headers());
                    let asked = headers
                        .and_then(|headers| headers.get_optional_str(&azure_core::http::headers::RETRY_AFTER))
                        .and_then(seconds);
                    return Nature {
                        passing: passing_status(**status),
                        retry_after: asked,
                    };
                }
                ErrorKind::Io | ErrorKind::Connection => {
                    return Nature {
                        passing: classify(found, true).may_pass(),
                        retry_after: None,
                    };
                }
                _ => {}
            }
        }
        next = found.source();
    }
    Nature::default()
}

/// Returns the first fault of ours in an error and its sources.
fn find(error: &Error) -> Option<&SignInFault> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = next {
        if let Some(fault) = found.downcast_ref::<SignInFault>() {
            return Some(fault);
        }
        next = found.source();
    }
    None
}

fn innermost(error: &Error) -> String {
    let mut last: &(dyn std::error::Error + 'static) = error;
    while let Some(next) = last.source() {
        last = next;
    }
    clean(&last.to_string())
}
