//! The words of the domain: ids, scopes, effects, stages, marks, times.
//!
//! Owns types that every other module speaks in. Must not know configuration, ARM calls or output.

mod defender;
mod effect;
mod limits;
mod mark;
mod meaning;
mod resource_id;
mod ring;
mod timestamp;
mod vm_size;
mod window;

pub use defender::{
    DEFENDER_EXTENSIONS, DEFENDER_PLAN_WRITERS, DEFENDER_SENSOR, SECURITY_GATING, SECURITY_GATING_NEEDS,
};
pub use effect::{Effect, Stage};
pub use limits::{FEW, Limits, Percent};
pub use mark::{LONGEST_METADATA, MARK_KEY, Mark, MarkState, ROLE_ATTEMPTS, STATE_KEY, WHOLE};
pub use meaning::Meaning;
pub use resource_id::{Ids, ResourceId, Scope, is_guid};
pub use ring::{Area, Part, Ring, plain_location};
pub use timestamp::{Period, Timestamp};
pub use vm_size::vcpus_of_size;
pub use window::{DAYS, Freeze, Hours, Windows, is_day, is_hours, is_time_zone};
