//! The error answers of ARM.
//!
//! Codes and texts come from public reports of real answers where such were found; where none was, a generic code of ARM is
//! used. It must not know the state.

use serde_json::{Map, Value, json};

use super::http::Response;

/// An answer other than success, in ARM's shape `{"error": {"code", "message", ...}}`.
#[derive(Debug, Clone)]
pub struct ArmError {
    /// The HTTP status.
    pub status: u16,
    /// ARM's code, such as `PolicyDefinitionNotFound`.
    pub code: String,
    /// The text for people.
    pub message: String,
    /// Nested errors.
    pub details: Vec<Value>,
    /// Headers of the answer.
    pub headers: Vec<(String, String)>,
}

impl ArmError {
    /// Returns an error with this status, code and text.
    #[must_use]
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Returns a 400.
    #[must_use]
    pub fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// Returns a 404.
    #[must_use]
    pub fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(404, code, message)
    }

    /// Returns the 400 for a body that does not fit the resource type.
    #[must_use]
    pub fn content(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequestContent", message)
    }

    /// Returns the 405 for a method that the resource type does not know.
    #[must_use]
    pub fn method_not_allowed(method: &str) -> Self {
        Self::new(
            405,
            "HttpMethodNotAllowed",
            format!("The HTTP method '{method}' is not supported at this scope."),
        )
    }

    /// Returns this error with one more nested error.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    /// Returns the answer that carries this error.
    #[must_use]
    pub fn response(&self) -> Response {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        if !self.details.is_empty() {
            error.insert("details".to_owned(), json!(self.details));
        }
        let mut response = Response::json(self.status, &json!({ "error": error }));
        response.headers.extend(self.headers.iter().cloned());
        response
            .headers
            .push(("x-ms-failure-cause".to_owned(), "gateway".to_owned()));
        response
    }
}
