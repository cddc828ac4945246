//! The wrong answers of faults: errors in ARM's words, and right answers spoilt.
//!
//! Codes and texts are those of public reports of real answers where there are any. It must not know rules.

use serde_json::{Value, json};

use super::super::error::ArmError;
use super::super::http::{Request, Response, percent_decode};
use super::super::json::{items, object, remove, set, text};

/// An error to answer instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// ARM's code.
    pub code: String,
    /// The text, in which `{method}` and `{path}` stand for those of the request.
    pub message: String,
}

impl Refusal {
    /// Returns an error of this status, with the usual code and a text where none is given.
    #[must_use]
    pub fn status(status: u16, code: Option<String>, message: Option<String>) -> Self {
        let (usual, words) = match status {
            400 => ("BadRequest", "The request is invalid."),
            408 => ("RequestTimeout", "The request timed out."),
            429 => ("TooManyRequests", "The request is being throttled."),
            500 => (
                "InternalServerError",
                "The server encountered an internal error. Please retry the request.",
            ),
            502 => (
                "BadGateway",
                "The gateway received an invalid response from the resource provider.",
            ),
            503 => ("ServerTimeout", "The request timed out. Please retry the request."),
            504 => (
                "GatewayTimeout",
                "The gateway did not receive a response from '{path}' within the specified time period.",
            ),
            _ => ("Conflict", "The request cannot be completed now."),
        };
        Self {
            status,
            code: code.unwrap_or_else(|| usual.to_owned()),
            message: message.unwrap_or_else(|| words.to_owned()),
        }
    }

    /// Returns the error that an action's name stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (status, code, message) = match name {
            "throttle" => (
                429,
                "TooManyRequests",
                "The request is being throttled as the limit has been reached for operation type - {method}. For more information, see - https://aka.ms/srpthrottlinglimits",
            ),
            "not-found" => (
                404,
                "ResourceNotFound",
                "The Resource '{path}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            ),
            "precondition-failed" => (
                412,
                "PreconditionFailed",
                "The entity tag in the request does not match that of the resource. Read the resource again and retry.",
            ),
            "etag-mismatch" => (
                409,
                "EtagMismatch",
                "Operation is not allowed because the entity tag of the resource has changed. Please retry the request.",
            ),
            "operation-not-allowed" => (
                409,
                "OperationNotAllowed",
                "Operation is not allowed: Another operation (Updating) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details",
            ),
            "authorization-failed" => (
                403,
                "AuthorizationFailed",
                "The client does not have authorization to perform the action of {method} over scope '{path}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            ),
            "scope-locked" => (
                409,
                "ScopeLocked",
                "The scope '{path}' cannot perform {method} operation because following scope(s) are locked: '{path}'. Please remove the lock and try again.",
            ),
            "disallowed-by-policy" => (
                403,
                "RequestDisallowedByPolicy",
                "Resource '{path}' was disallowed by policy.",
            ),
            "principal-not-found" => (
                400,
                "PrincipalNotFound",
                "Principal does not exist in the directory. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay.",
            ),
            _ => return None,
        };
        Some(Self {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        })
    }

    /// Returns the answer to `request`.
    #[must_use]
    pub fn answer(&self, request: &Request, retry_after: Option<u64>) -> Response {
        let path = percent_decode(&request.path);
        let message = self
            .message
            .replace("{method}", &request.method)
            .replace("{path}", &path);
        let mut response = ArmError::new(self.status, &self.code, message).response();
        if self.code == "RequestDisallowedByPolicy" {
            let mut body = response.value();
            let authorization = "/providers/Microsoft.Authorization";
            set(
                &mut body,
                "/error",
                "target",
                json!(path.rsplit('/').next().unwrap_or_default()),
            );
            set(
                &mut body,
                "/error",
                "additionalInfo",
                json!([{
                    "type": "PolicyViolation",
                    "info": {
                        "policyDefinitionDisplayName": "Nobody changes this",
                        "policyDefinitionId": format!("{authorization}/policyDefinitions/nobody-changes-this"),
                        "policyDefinitionName": "nobody-changes-this",
                        "policyDefinitionEffect": "Deny",
                        "policyAssignmentId": format!("/providers/Microsoft.Management/managementGroups/contoso{authorization}/policyAssignments/frozen"),
                        "policyAssignmentName": "frozen",
                        "policyAssignmentDisplayName": "Frozen",
                        "policyAssignmentScope": "/providers/Microsoft.Management/managementGroups/contoso",
                        "policyAssignmentParameters": {},
                    },
                }]),
            );
            response.body = body.to_string().into();
        }
        match retry_after {
            Some(seconds) => response.with("retry-after", seconds.to_string()),
            None => response,
        }
    }
}

/// Returns the 401 of a token that is too old.
#[must_use]
pub fn expired() -> Response {
    let message = "The access token expiry UTC time has passed.";
    let challenge = format!(
        "Bearer authorization_uri=\"https://login.windows.net/\", error=\"invalid_token\", error_description=\"{message}\""
    );
    ArmError::new(401, "ExpiredAuthenticationToken", message)
        .response()
        .with("www-authenticate", challenge)
}

/// Returns a page for people.
#[must_use]
pub fn page_for_people(status: u16) -> Response {
    Response {
        status,
        headers: vec![("content-type".to_owned(), "text/html; charset=utf-8".to_owned())],
        body: "<!DOCTYPE html>\n<html><head><title>Our services aren't available right now</title></head>\
               <body><h1>Please sign in to the network to go on</h1></body></html>\n"
            .into(),
    }
}

/// Returns the answer that sends a client to `host`.
#[must_use]
pub fn redirect(request: &Request, host: &str) -> Response {
    let query = if request.query.is_empty() {
        String::new()
    } else {
        format!("?{}", request.query)
    };
    Response::empty(307).with("location", format!("https://{host}{}{query}", request.path))
}

/// Lets an operation's answer, or a resource's, say that it is not done, or that it failed.
pub fn operation(response: &mut Response, failed: bool) {
    let mut body = response.value();
    let word = if failed { "Failed" } else { "InProgress" };
    if body.get("status").is_some() {
        set(&mut body, "", "status", json!(word));
        if failed {
            let error = json!({"code": "InternalOperationError", "message": "Internal server error"});
            set(&mut body, "", "error", error);
        } else {
            remove(&mut body, "", "endTime");
        }
    }
    if body.pointer("/properties/provisioningState").is_some() {
        let state = if failed { "Failed" } else { "Updating" };
        set(&mut body, "/properties", "provisioningState", json!(state));
    }
    if body.is_object() {
        response.body = body.to_string().into();
    }
    if !failed && response.header("retry-after").is_none() {
        response.headers.push(("retry-after".to_owned(), "1".to_owned()));
    }
}

const POLL_HEADERS: [&str; 2] = ["azure-asyncoperation", "location"];

/// Leaves out where an operation can be polled.
pub fn lose_operation(response: &mut Response) {
    response
        .headers
        .retain(|(name, _)| !POLL_HEADERS.contains(&name.as_str()));
}

/// Lets all links name `host`; a list without a next page gets one.
pub fn foreign_links(response: &mut Response, origin: &str, host: &str) {
    let elsewhere = format!("https://{host}");
    for (_, value) in response
        .headers
        .iter_mut()
        .filter(|(name, _)| POLL_HEADERS.contains(&name.as_str()))
    {
        *value = value.replace(origin, &elsewhere);
    }
    let mut body = response.value();
    if body.get("value").is_some_and(Value::is_array) {
        let link = match text(&body, "/nextLink") {
            "" => format!("{elsewhere}/next?$skiptoken=1"),
            link => link.replace(origin, &elsewhere),
        };
        set(&mut body, "", "nextLink", json!(link));
        response.body = body.to_string().into();
    }
}

/// Turns one extension of a Defender plan's request off, and returns its name: the one asked for, else the first that is on.
pub fn leave_extension_off(request: &mut Request, extension: Option<&str>) -> Option<String> {
    let mut body: Value = serde_json::from_slice(&request.body).ok()?;
    let on = |item: &Value| {
        item.get("isEnabled").is_some_and(|value| {
            value == &Value::Bool(true) || value.as_str().is_some_and(|value| value.eq_ignore_ascii_case("true"))
        })
    };
    let wanted = |item: &Value| match extension {
        Some(name) => text(item, "/name").eq_ignore_ascii_case(name),
        None => on(item),
    };
    let index = items(&body, "/properties/extensions").iter().position(wanted)?;
    let item = body.pointer_mut(&format!("/properties/extensions/{index}"))?;
    let name = text(item, "/name").to_owned();
    set(item, "", "isEnabled", json!("False"));
    request.body = body.to_string().into();
    Some(name)
}

/// Says in a Defender plan's answer that the extension could not be turned on.
pub fn extension_failed(response: &mut Response, extension: &str) {
    let mut body = response.value();
    let mine = |item: &Value| text(item, "/name").eq_ignore_ascii_case(extension);
    let Some(index) = items(&body, "/properties/extensions").iter().position(mine) else {
        return;
    };
    let status = json!({"code": "Failed", "message": format!("Failed to enable extension '{extension}'")});
    set(
        &mut body,
        &format!("/properties/extensions/{index}"),
        "operationStatus",
        status,
    );
    response.body = body.to_string().into();
}

/// Splits a JSON object where much can be put in: `{"padding":"` and the rest.
#[must_use]
pub fn around_padding(response: &Response) -> (Vec<u8>, Vec<u8>) {
    let body = response.value();
    let rest = match object(&body, "") {
        Some(object) if !object.is_empty() => body.to_string().get(1..).map(|rest| format!("\",{rest}")),
        _ => None,
    };
    (
        b"{\"padding\":\"".to_vec(),
        rest.unwrap_or_else(|| "\"}".to_owned()).into_bytes(),
    )
}
