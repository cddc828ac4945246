//! Gatekeeper's rules, evaluated without a cluster: templates, what they say of an object, and suites that test them.
//!
//! Owns the engine and what makes it answer as Gatekeeper does. Must not know Azure, environments or where files come from.
//! What is evaluated and what is not stands in `docs/rules.md`.

mod builtins;
mod constraint;
pub mod defaults;
pub mod expansion;
mod kinds;
mod matching;
mod native;
mod normalise;
mod rego;
mod review;
mod rule;
mod schema;
mod selector;
mod sight;
pub mod suite;
mod template;

pub use constraint::{Constraint, ConstraintError};
pub use kinds::strip_nulls;
pub use matching::{Match, MatchError, Origin, UnknownNamespace};
pub use review::{Operation, Review, ReviewError};
pub use rule::{Evaluation, Input, Inventory, Rule, Violation};
pub use schema::ParameterError;
pub use sight::Sight;
pub use template::{Source, Template, TemplateError};

#[cfg(test)]
mod oracle;
