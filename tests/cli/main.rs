//! Runs the built program as its users do: one module a command, and one for each journey through several.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it makes and reads files of its own"
)]

mod apply;
mod azure;
mod bundle;
mod catalog;
mod changes;
mod check;
mod clusters;
mod completions;
mod compliance;
mod coverage;
mod defender;
mod drift;
mod egress;
mod every_gate;
mod exemptions;
mod faults;
mod fleet;
mod foreign;
mod forms;
mod fuzz;
mod gates;
mod global;
mod harness;
mod help;
mod identity;
mod import;
mod init;
mod journey;
mod limits;
mod lock;
mod mistakes;
mod namespaces;
mod own_rules;
mod pipeline;
mod plan;
mod plan_file;
mod preflight;
mod promote;
mod readme;
mod reference;
mod remediate;
mod renamed;
mod render;
mod report;
mod resume;
mod retire;
mod revert;
mod rings;
mod rollout;
mod runs;
mod runtime;
mod sandbox;
mod sandbox_gates;
mod scan;
mod schema;
mod secrets;
mod show;
mod stale;
mod status;
mod validate;
mod verify;
mod version;
