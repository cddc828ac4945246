//! What Azure Policy's add-on has put into a cluster, and what it does there: the sandbox's own account of it.
//!
//! `past` says how things stood at a time, `resolve` which policies an assignment means for a cluster, `matching` which objects a
//! constraint is about, `addon` when a cluster learns, looks and reports, `judge` what the rules say. It must not know requests, and
//! shares nothing with the client but the engine that evaluates one rule.

pub mod addon;
pub mod admission;
pub mod apiserver;
pub mod compliance;
pub mod constraint;
mod expression;
pub mod gaps;
pub mod installed;
pub mod judge;
mod matching;
pub mod past;
pub mod resolve;
pub mod scope;

#[cfg(test)]
mod tests;
