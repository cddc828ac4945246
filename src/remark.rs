//! What a plan says besides its steps: what is held and why, and what a reader should know.
//!
//! Owns the records that `desired` fills in and `plan` carries. Must not know steps.

use crate::kinds::{Kind, Plane};
use crate::model::{ResourceId, Timestamp};
use serde_json::Value;

/// Something that cannot be done now.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The plane that it belongs to.
    pub plane: Plane,
    /// The gate or object, for a reader.
    pub subject: String,
    /// What is held, such as `deny` or `enable the add-on`.
    pub what: String,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Why something is held.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The guard, such as `soak`; `state` for a resource that cannot be written.
    pub guard: String,
    /// A sentence without a full stop.
    pub sentence: String,
    /// When it ends, where that can be known.
    pub opens: Option<Timestamp>,
}

/// Something that an environment requires, does not write, and that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Required {
    /// What kind of object.
    pub kind: Kind,
    /// Which object.
    pub object: ResourceId,
    /// Who is to see to it: the `mode` that the environment states.
    pub mode: &'static str,
    /// The comparable document that is there; none if the object is absent.
    pub found: Option<Value>,
    /// The comparable document that is required.
    pub wanted: Value,
}

/// Something a reader should know that is no step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The gate or object that it is about.
    pub subject: String,
    /// A sentence without a full stop.
    pub sentence: String,
}
