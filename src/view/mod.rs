//! Everything that a person or a pipeline sees.
//!
//! Owns wording, layout, colour and the JSON and Markdown forms of output. Must not decide anything.

pub mod apply;
pub mod bundle;
pub mod catalog;
pub mod check;
pub mod compliance;
pub mod coverage;
pub mod csv;
pub mod diagnostics;
pub mod drift;
pub mod egress;
pub mod environment;
#[cfg(test)]
mod every_day_tests;
pub mod gates;
pub mod import;
pub mod junit;
pub mod lock;
pub mod page;
pub mod pipeline;
pub mod plan;
#[cfg(test)]
mod plan_tests;
pub mod preflight;
pub mod printer;
pub mod promote;
pub mod remediate;
pub mod report;
pub mod rollout;
pub mod runs;
pub mod runtime;
pub mod sarif;
pub mod scan;
pub mod service;
pub mod status;
pub mod text;
pub mod verify;
