//! Faults: a layer between the doors and the core that answers wrongly on purpose, by rule.
//!
//! The same file and the same order of calls give the same faults. Counters belong to the process that serves: a server that is
//! started anew begins to count anew. The layer must not know sockets, nor what a door does to lose a connection.

pub mod answers;
pub mod layer;
pub mod pattern;
pub mod rules;

pub use layer::{Core, Layer, Outcome, Reply};
pub use rules::{Action, Rule, Rules};
