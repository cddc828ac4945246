//! The one error of this module: what was tried, what came of it, and what a person should do.
//!
//! Owns which failures there are, and their words.
//! Must not know exit codes or how errors are laid out on a screen.

use super::action;
use super::answer::Answer;
use super::fault::NetworkFault;
use super::reason::{self, PolicyHit, clean};
use super::request::Call;
use crate::config::Cloud;
use serde_json::Value;
use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What kind of failure an [`ArmError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmErrorKind {
    /// Azure answered with a status that is not a success.
    Refused,
    /// There is no token to ask with.
    SignIn,
    /// No answer came.
    Network(NetworkFault),
    /// An answer came that cannot be used: no JSON, too large, something missing, a circle of links.
    Unusable,
    /// An answer named another host to go on at; nothing was sent there.
    ForeignLink,
    /// A long operation ended without success.
    OperationFailed,
    /// A long operation did not end in time; it may still be running.
    OperationTimeout,
    /// Resource Graph left rows out.
    Truncated,
    /// The request was wrong before it was sent.
    NotSent,
}

/// Something that Azure, or the way to it, did not let us do.
///
/// Its text never contains a token; text that came from Azure has its control characters replaced by spaces.
#[derive(Debug, thiserror::Error)]
#[error("{details}")]
pub struct ArmError {
    details: Box<Details>,
    #[source]
    source: Option<Source>,
}

#[derive(Debug)]
struct Details {
    kind: ArmErrorKind,
    method: &'static str,
    path: String,
    host: String,
    cloud: Cloud,
    status: Option<u16>,
    codes: Vec<String>,
    message: String,
    target: Option<String>,
    policies: Vec<PolicyHit>,
    request_id: Option<String>,
    correlation_id: String,
    client_request_id: String,
    tries: u32,
    outcome_unknown: bool,
    advice: Option<String>,
}

impl ArmError {
    /// Returns an error about `call` with nothing known but its kind and a message.
    pub(super) fn new(kind: ArmErrorKind, call: &Call, message: impl Into<String>) -> ArmError {
        ArmError {
            details: Box::new(Details {
                kind,
                method: call.method_name(),
                path: call.shown.clone(),
                host: call.url.host_str().unwrap_or_default().to_owned(),
                cloud: call.cloud,
                status: None,
                codes: Vec::new(),
                message: clean(&message.into()),
                target: None,
                policies: Vec::new(),
                request_id: None,
                correlation_id: call.correlation_id.clone(),
                client_request_id: call.client_request_id.clone(),
                tries: 1,
                outcome_unknown: false,
                advice: None,
            }),
            source: None,
        }
    }

    /// Returns the error that an answer without success stands for.
    pub(super) fn refused(call: &Call, answer: &Answer) -> ArmError {
        let mut error = ArmError::new(ArmErrorKind::Refused, call, "").answered(answer);
        match answer.json() {
            Ok(body) => error.read_body(&body),
            Err(why) => error.details.message = clean(&why.about_error(answer)),
        }
        error
    }

    /// Returns the error of a long operation that ended without success; `body` is what it ended with.
    pub(super) fn operation_failed(call: &Call, answer: &Answer, status: &str, body: &Value) -> ArmError {
        let mut error = ArmError::new(ArmErrorKind::OperationFailed, call, "").answered(answer);
        error.details.status = None;
        error.read_body(body);
        if error.details.message.is_empty() {
            error.details.message = clean(&format!("the operation ended as `{status}`"));
        }
        error
    }

    /// Adds what is known from the answer's head.
    pub(super) fn answered(mut self, answer: &Answer) -> ArmError {
        self.details.status = Some(answer.status);
        self.details.request_id = answer.request_id().map(clean);
        self
    }

    pub(super) fn advising(mut self, advice: &str) -> ArmError {
        self.details.advice = Some(clean(advice));
        self
    }

    pub(super) fn caused_by(mut self, source: Source) -> ArmError {
        self.source = Some(source);
        self
    }

    pub(super) fn after(mut self, tries: u32, outcome_unknown: bool) -> ArmError {
        self.details.tries = tries;
        self.details.outcome_unknown |= outcome_unknown;
        self
    }

    /// Marks that a write was accepted, or may have been.
    pub(super) fn in_doubt(mut self) -> ArmError {
        self.details.outcome_unknown = true;
        self
    }

    /// Marks that this refusal is how a long operation ended.
    pub(super) fn ending_operation(mut self) -> ArmError {
        self.details.kind = ArmErrorKind::OperationFailed;
        self
    }

    /// Adds a remark to the message.
    pub(super) fn noting(mut self, remark: &str) -> ArmError {
        let message = &mut self.details.message;
        if !message.is_empty() {
            message.push_str("; ");
        }
        message.push_str(&clean(remark));
        self
    }

    fn read_body(&mut self, body: &Value) {
        let details = &mut self.details;
        let reason = reason::read(body);
        details.codes = reason.codes;
        if !reason.message.is_empty() {
            details.message = reason.message;
        }
        details.target = reason.target;
        details.policies = reason.policies;
    }

    /// Returns what kind of failure this is.
    pub fn kind(&self) -> ArmErrorKind {
        self.details.kind
    }

    /// Returns the HTTP status of the answer, if one came.
    pub fn status(&self) -> Option<u16> {
        self.details.status
    }

    /// Returns ARM's code, the innermost one where several are nested.
    pub fn code(&self) -> Option<&str> {
        self.details.codes.last().map(String::as_str)
    }

    /// Returns ARM's codes, the outermost first.
    pub(super) fn codes(&self) -> &[String] {
        &self.details.codes
    }

    /// Returns whether ARM's answer carries `code` at any depth, without regard to case.
    pub fn has_code(&self, code: &str) -> bool {
        self.codes().iter().any(|found| found.eq_ignore_ascii_case(code))
    }

    /// Returns what Azure, or the failure, says about itself; empty if it says nothing.
    pub fn message(&self) -> &str {
        &self.details.message
    }

    /// Returns what in the request the answer complains about.
    pub fn target(&self) -> Option<&str> {
        self.details.target.as_deref()
    }

    /// Returns the policies that refused the request, for `RequestDisallowedByPolicy`.
    pub fn policies(&self) -> &[PolicyHit] {
        &self.details.policies
    }

    /// Returns the HTTP method of what was tried.
    pub fn method(&self) -> &'static str {
        self.details.method
    }

    /// Returns the path that was asked for, without query.
    pub fn path(&self) -> &str {
        &self.details.path
    }

    /// Returns the host that was asked.
    pub fn host(&self) -> &str {
        &self.details.host
    }

    /// Returns the cloud that was asked.
    pub fn cloud(&self) -> Cloud {
        self.details.cloud
    }

    /// Returns ARM's id of the request that was answered last.
    pub fn request_id(&self) -> Option<&str> {
        self.details.request_id.as_deref()
    }

    /// Returns the id that all requests of the run carry.
    pub fn correlation_id(&self) -> &str {
        &self.details.correlation_id
    }

    /// Returns the id that we gave the request.
    pub fn client_request_id(&self) -> &str {
        &self.details.client_request_id
    }

    /// Returns how often it was tried.
    pub fn tries(&self) -> u32 {
        self.details.tries
    }

    /// Returns whether a write may have taken effect although it failed here: read the object before anything is concluded.
    pub fn outcome_unknown(&self) -> bool {
        self.details.outcome_unknown
    }

    /// Returns whether the object moved, or is being moved by somebody else: read again and decide again.
    ///
    /// A 409 can also stand for something that no waiting ends, such as a lock; its codes tell.
    pub fn is_conflict(&self) -> bool {
        const MOVING: [&str; 5] = [
            "OperationNotAllowed",
            "EtagMismatch",
            "AnotherOperationInProgress",
            "Conflict",
            "PreconditionFailed",
        ];
        self.kind() == ArmErrorKind::Refused
            && match self.status() {
                Some(412) => true,
                Some(409) => self.codes().is_empty() || MOVING.iter().any(|code| self.has_code(code)),
                _ => false,
            }
    }

    /// Returns what a person should do, in a sentence; `None` if there is nothing better than the message.
    pub fn action(&self) -> Option<String> {
        self.details.advice.clone().or_else(|| action::action(self))
    }

    /// Returns in a few words what happened, lower case and without a full stop.
    pub fn summary(&self) -> &'static str {
        match (self.kind(), self.status()) {
            (ArmErrorKind::Refused, Some(300..=399)) => "azure answered with a redirect",
            (ArmErrorKind::Refused, Some(401)) => "azure did not accept the token",
            (ArmErrorKind::Refused, Some(403)) if self.has_code("RequestDisallowedByPolicy") => {
                "a policy refused the request"
            }
            (ArmErrorKind::Refused, Some(403)) => "azure denied access",
            (ArmErrorKind::Refused, Some(404)) => "not found in azure",
            (ArmErrorKind::Refused, Some(409)) => "the object is in conflict",
            (ArmErrorKind::Refused, Some(412)) => "the object has changed in the meantime",
            (ArmErrorKind::Refused, Some(429)) => "azure throttles the requests",
            (ArmErrorKind::Refused, Some(500..)) => "azure failed to answer",
            (ArmErrorKind::Refused, _) => "azure refused the request",
            (ArmErrorKind::SignIn, _) => "cannot sign in to azure",
            (ArmErrorKind::Network(fault), _) => fault.summary(),
            (ArmErrorKind::Unusable, _) => "the answer cannot be used",
            (ArmErrorKind::ForeignLink, _) => "the answer points to another host",
            (ArmErrorKind::OperationFailed, _) => "the operation failed",
            (ArmErrorKind::OperationTimeout, _) => "the operation did not end in time",
            (ArmErrorKind::Truncated, _) => "the result of the query is incomplete",
            (ArmErrorKind::NotSent, _) => "the request was not sent",
        }
    }

    /// Returns whether this is a 404 that says that the object asked for is absent, and not a scope above it or the service.
    ///
    /// A 404 without a code of ARM's (a proxy's page, say) proves nothing and is none.
    pub(super) fn says_absent(&self, resource_type: Option<&str>) -> bool {
        if self.kind() != ArmErrorKind::Refused || self.status() != Some(404) {
            return false;
        }
        let is_type = |wanted: &str| resource_type.is_some_and(|found| found.eq_ignore_ascii_case(wanted));
        let Some(code) = self.code().map(str::to_ascii_lowercase) else {
            return false;
        };
        match code.as_str() {
            "subscriptionnotfound" => is_type("Microsoft.Resources/subscriptions"),
            "resourcegroupnotfound" => is_type("Microsoft.Resources/resourceGroups"),
            "managementgroupnotfound" => is_type("Microsoft.Management/managementGroups"),
            "parentresourcenotfound" | "tenantnotfound" | "scopenotfound" | "principalnotfound" => false,
            other => other.ends_with("notfound"),
        }
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        match (self.status, self.codes.last()) {
            (Some(status), Some(code)) => write!(f, ": `{code}` (HTTP {status})")?,
            (Some(status), None) => write!(f, ": HTTP {status}")?,
            (None, Some(code)) => write!(f, ": `{code}`")?,
            (None, None) => {}
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(target) = &self.target {
            write!(f, "; target `{target}`")?;
        }
        for policy in &self.policies {
            if let Some(assignment) = &policy.assignment {
                write!(f, "; refused by assignment `{assignment}`")?;
            }
            if let Some(definition) = &policy.definition {
                write!(f, "; definition `{definition}`")?;
            }
        }
        if self.tries > 1 {
            write!(f, "; tried {} times", self.tries)?;
        }
        if self.outcome_unknown {
            f.write_str("; it is not known whether it took effect")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, "; request id {id}")?;
        }
        write!(
            f,
            "; client request id {}; correlation id {}",
            self.client_request_id, self.correlation_id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{SECRET, Script, answer, raw};
    use serde_json::json;

    const PATH: &str = "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a";

    fn refuse(status: u16, body: Value) -> ArmError {
        // So long a wait is not allowed: what could pass is told at once too.
        let turn = answer(status, body)
            .header("x-ms-request-id", "r1")
            .header("retry-after", "9000");
        let script = Script::new([turn]);
        script.run(|client| async move { client.get(PATH).await }).unwrap_err()
    }

    #[test]
    fn display_keeps_everything_that_a_report_needs() {
        let body = json!({"error": {"code": "AuthorizationFailed", "message": "no right", "target": "scope"}});
        let error = refuse(403, body);
        let expected = format!(
            "GET {PATH}: `AuthorizationFailed` (HTTP 403): no right; target `scope`; request id r1; \
             client request id {}; correlation id correlation",
            error.client_request_id()
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.client_request_id().len(), 36);
        assert_eq!(error.summary(), "azure denied access");
        let action = error.action().unwrap();
        assert!(action.contains("role at `/subscriptions/s`"), "{action}");
    }

    #[test]
    fn policies_that_refuse_are_named() {
        let info = json!({"policyDefinitionId": "/d", "policySetDefinitionId": "/s", "policyAssignmentId": "/a"});
        let error = refuse(
            403,
            json!({"error": {"code": "RequestDisallowedByPolicy", "message": "m",
                "additionalInfo": [{"type": "PolicyViolation", "info": info}]}}),
        );
        let hit = PolicyHit {
            assignment: Some("/a".to_owned()),
            definition: Some("/d".to_owned()),
            set_definition: Some("/s".to_owned()),
        };
        assert_eq!(error.policies(), [hit]);
        assert_eq!(error.summary(), "a policy refused the request");
        assert!(
            error
                .to_string()
                .contains("refused by assignment `/a`; definition `/d`"),
            "{error}"
        );
    }

    #[test]
    fn only_the_resource_itself_is_absent() {
        let get = |path: &'static str, body: &Value| {
            let script = Script::new([answer(404, body.clone())]);
            script.run(|client| async move { client.get_optional(path).await })
        };
        let code = |code: &str| json!({"error": {"code": code, "message": "m"}});
        for absent in [
            "ResourceNotFound",
            "PolicyAssignmentNotFound",
            "policyDefinitionNotFound",
            "NotFound",
        ] {
            assert_eq!(get(PATH, &code(absent)).unwrap(), None, "{absent}");
        }
        for above in [
            "SubscriptionNotFound",
            "ResourceGroupNotFound",
            "ManagementGroupNotFound",
            "ParentResourceNotFound",
            "InvalidResourceType",
        ] {
            assert_eq!(get(PATH, &code(above)).unwrap_err().code(), Some(above));
        }
        assert_eq!(get(PATH, &json!({})).unwrap_err().status(), Some(404));
        assert_eq!(get("/subscriptions/s", &code("SubscriptionNotFound")).unwrap(), None);
        let group = "/providers/Microsoft.Management/managementGroups/m";
        assert_eq!(get(group, &code("ManagementGroupNotFound")).unwrap(), None);
    }

    #[test]
    fn bodies_that_are_not_azures_are_explained() {
        let refuse = |body: &str| {
            let script = Script::new([raw(403, body)]);
            script.run(|client| async move { client.get(PATH).await }).unwrap_err()
        };
        assert!(
            refuse("<html><body>Blocked</body></html>")
                .message()
                .contains("web page")
        );
        assert_eq!(refuse("").message(), "no reason given");
        assert_eq!(refuse("plain\u{1b}[31m words").message(), "plain [31m words");
    }

    #[test]
    fn conflicts_are_told_from_locks() {
        assert!(refuse(409, json!({"error": {"code": "EtagMismatch"}})).is_conflict());
        assert!(refuse(412, json!({})).is_conflict());
        assert!(!refuse(409, json!({"error": {"code": "ScopeLocked"}})).is_conflict());
        assert!(!refuse(403, json!({})).is_conflict());
    }

    #[test]
    fn tokens_never_show() {
        let message = format!("rejected 'Bearer {SECRET}-1' and Authorization: Bearer abcdefghijklmnopqrstuvwx end");
        let script = Script::new([answer(
            400,
            json!({"error": {"code": format!("{SECRET}-1"), "message": message, "target": SECRET}}),
        )
        .header("x-ms-request-id", SECRET)]);
        let error = script.run(|client| async move { client.get(PATH).await }).unwrap_err();
        assert!(
            script.requests()[0].header("authorization").contains(SECRET),
            "the token was sent"
        );
        assert!(
            error.message().contains("token removed") && error.message().ends_with("end"),
            "{error}"
        );
        for shown in [
            format!("{error}"),
            format!("{error:#?}"),
            format!("{:?}", script.client()),
        ] {
            for secret in ["very-secret", "eyJhbGci", "abcdefghijklmnop"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }

    #[test]
    fn every_known_code_has_its_advice() {
        for (status, code, words) in [
            (403, "LinkedAuthorizationFailed", "refers to"),
            (403, "RequestDisallowedByPolicy", "exemption"),
            (409, "ScopeLocked", "lock"),
            (400, "InvalidPolicyParameters", "allowed values"),
            (400, "InvalidPolicyAssignmentName", "24 characters"),
            (400, "InvalidRequestContent", "parameter"),
            (404, "PolicyDefinitionNotFound", "known everywhere"),
            (400, "PrincipalNotFound", "known everywhere"),
            (409, "RoleAssignmentExists", "nothing needs"),
            (409, "OperationNotAllowed", "another operation"),
            (409, "EtagMismatch", "another operation"),
            (412, "PreconditionFailed", "plan again"),
            (
                409,
                "MissingSubscriptionRegistration",
                "az provider register --namespace Microsoft.Authorization",
            ),
            (404, "SubscriptionNotFound", "environment's file"),
            (403, "AuthorizationFailed", "role"),
            (400, "InvalidPolicyDefinitionName", "too long"),
            (404, "PolicyAssignmentNotFound", "plan again"),
            (404, "PolicySetDefinitionNotFound", "known everywhere"),
            (409, "AnotherOperationInProgress", "another operation"),
            (409, "Conflict", "another operation"),
            (400, "NoRegisteredProviderFound", "apiVersions"),
            (400, "InvalidApiVersionParameter", "apiVersions"),
            (429, "TooManyRequests", "--max-wait"),
            (429, "Unheard", "--max-wait"),
            (500, "InternalServerError", "later"),
            (400, "ResponsePayloadTooLarge", "request id"),
            (418, "Teapot", ""),
            (412, "Unheard", "plan again"),
        ] {
            let error = refuse(status, json!({"error": {"code": code, "message": "m"}}));
            let action = error.action().unwrap_or_default();
            assert!(
                action.contains(words) && action.is_empty() == words.is_empty(),
                "{code}: {action}"
            );
        }
    }
}
