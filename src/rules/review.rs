//! What a rule is shown of an object: an admission request.

use super::matching::{Match, Origin, UnknownNamespace};
use serde_json::{Map, Value, json};

/// An admission request, in the form that rules see.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    request: Value,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

impl Operation {
    /// Returns its name in a request.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
        }
    }
}

/// Why a document is no AdmissionReview.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// A field that the format has not.
    #[error("an AdmissionReview has no field `{0}`")]
    Unknown(String),
    /// No request.
    #[error("the AdmissionReview has no `request`")]
    NoRequest,
    /// Neither an object nor an old one.
    #[error("the request of the AdmissionReview has neither `object` nor `oldObject`")]
    NoObject,
    /// An object without a kind.
    #[error("the `{0}` of the AdmissionReview has no `kind`")]
    NoKind(&'static str),
}

const REVIEW_FIELDS: [&str; 4] = ["apiVersion", "kind", "request", "response"];
const REQUEST_FIELDS: [&str; 15] = [
    "uid",
    "kind",
    "resource",
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "userInfo",
    "object",
    "oldObject",
    "dryRun",
    "options",
];

impl Review {
    /// Makes the request that an API server would send.
    ///
    /// A deletion is about the old object, which Gatekeeper shows as the object too. `user` is the `userInfo`.
    pub fn new(
        object: Option<&Value>,
        old_object: Option<&Value>,
        operation: Operation,
        user: Option<&Value>,
    ) -> Review {
        let object = match operation {
            Operation::Delete => old_object.or(object),
            Operation::Create | Operation::Update => object,
        };
        Review::request_of(object, old_object, operation.name(), user)
    }

    /// Makes the request with which an object would be created.
    pub fn of_object(object: &Value) -> Review {
        Review::new(Some(object), None, Operation::Create, None)
    }

    /// Makes what Gatekeeper shows of an object that nobody asks for, as in its audit, its test suites and its expansions: there is
    /// no operation.
    pub fn of_audit(object: &Value) -> Review {
        Review::request_of(Some(object), None, "", None)
    }

    fn request_of(object: Option<&Value>, old_object: Option<&Value>, operation: &str, user: Option<&Value>) -> Review {
        let none = Value::Null;
        let shown = object.or(old_object).unwrap_or(&none);
        let text = |path: &str| shown.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let api_version = text("/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mut request = json!({
            "uid": "",
            "kind": {"group": group, "version": version, "kind": text("/kind")},
            "resource": {"group": "", "version": "", "resource": ""},
            "operation": operation,
            "userInfo": user.cloned().unwrap_or_else(|| json!({})),
            "object": object,
            "oldObject": old_object,
            "options": null,
        });
        if let Some(fields) = request.as_object_mut() {
            for name in ["name", "namespace"] {
                let value = text(&format!("/metadata/{name}"));
                if !value.is_empty() {
                    fields.insert(name.to_owned(), value.into());
                }
            }
        }
        Review { request }
    }

    /// Whether a document is an AdmissionReview.
    pub fn is_review(document: &Value) -> bool {
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        text("kind") == "AdmissionReview" && text("apiVersion").starts_with("admission.k8s.io/")
    }

    /// Reads an AdmissionReview.
    pub fn of_review(document: &Value) -> Result<Review, ReviewError> {
        let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let unknown =
            |map: &Map<String, Value>, known: &[&str]| map.keys().find(|name| !known.contains(&name.as_str())).cloned();
        if let Some(name) = unknown(&fields(document), &REVIEW_FIELDS) {
            return Err(ReviewError::Unknown(name));
        }
        let given = document
            .get("request")
            .filter(|request| !request.is_null())
            .ok_or(ReviewError::NoRequest)?;
        let given = fields(given);
        if let Some(name) = unknown(&given, &REQUEST_FIELDS) {
            return Err(ReviewError::Unknown(format!("request.{name}")));
        }
        let mut seen = fields(&json!({
            "uid": "",
            "kind": {"group": "", "version": "", "kind": ""},
            "resource": {"group": "", "version": "", "resource": ""},
            "operation": "",
            "userInfo": {},
            "object": null,
            "oldObject": null,
            "options": null,
        }));
        // An empty text is as good as none to Go, except where the field is always written.
        let empty = |name: &str, value: &Value| value.is_null() || (value == "" && !seen_always(name));
        seen.extend(given.into_iter().filter(|(name, value)| !empty(name, value)));
        let absent = |value: Option<&Value>| value.is_none_or(Value::is_null);
        if absent(seen.get("object")) && absent(seen.get("oldObject")) {
            return Err(ReviewError::NoObject);
        }
        for name in ["object", "oldObject"] {
            let kind = |object: &Value| {
                object
                    .get("kind")
                    .and_then(Value::as_str)
                    .is_some_and(|kind| !kind.is_empty())
            };
            if seen.get(name).is_some_and(|object| !object.is_null() && !kind(object)) {
                return Err(ReviewError::NoKind(name));
            }
        }
        if seen.get("operation").and_then(Value::as_str) == Some("DELETE")
            && let Some(old) = seen.get("oldObject").filter(|old| !old.is_null()).cloned()
        {
            seen.insert("object".to_owned(), old);
        }
        Ok(Review {
            request: Value::Object(seen),
        })
    }

    /// Returns what a rule sees as `input.review`.
    pub fn request(&self) -> &Value {
        &self.request
    }

    /// Returns whether a constraint is about this request: about its object or its old object, as they say themselves where they are.
    ///
    /// `namespace` returns the Namespace of a name, if it is known.
    pub fn is_meant(
        &self,
        matching: &Match,
        namespace: &dyn Fn(&str) -> Option<Value>,
        origin: Origin,
    ) -> Result<bool, UnknownNamespace> {
        for name in ["object", "oldObject"] {
            let Some(object) = self.request.get(name).filter(|object| !object.is_null()) else {
                continue;
            };
            let own = object.pointer("/metadata/namespace").and_then(Value::as_str);
            if matching.applies(object, own.and_then(namespace).as_ref(), origin)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn seen_always(name: &str) -> bool {
    matches!(name, "uid" | "operation")
}
