//! A simulated Azure: an embedded answerer of ARM requests, for rehearsals and tests.
//!
//! Its core is one function, [`Sandbox::handle`]: a request in, an answer out, the same for the same state. Two doors lead to
//! it: [`transport`], inside this process, and [`serve`], over TLS on loopback.
//!
//! It must not share code with the client side: no model, no configuration, no comparison and no wire types of it. A mistake
//! made on both sides would hide itself. The one thing in common is the engine that asks a rule (template, parameters, review ->
//! violations); which rules a cluster has, and which objects they are about, the sandbox finds out by itself.

pub mod access;
pub mod address;
pub mod aks_versions;
pub mod arc;
pub mod authority;
pub mod body;
pub mod builtins;
pub mod cluster;
pub mod cluster_document;
pub mod door;
pub mod error;
pub mod exemption;
pub mod faults;
pub mod firewall;
pub mod governance;
pub mod graph;
pub mod http;
pub mod inside;
pub mod insights;
pub mod inventory;
pub mod json;
pub mod kql;
pub mod kubernetes;
pub mod lock;
pub mod odata;
pub mod operator;
pub mod policy;
pub mod pricing;
pub mod quota;
pub mod random;
pub mod record;
pub mod registration;
pub mod remediation;
pub mod role;
mod rounds;
pub mod route;
pub mod safeguards;
pub mod security;
pub mod seed;
pub mod serve;
pub mod state;
pub mod states;
pub mod substitutes;
pub mod tenancy;
pub mod time;
pub mod token;
pub mod transport;
pub mod versions;

pub use door::DoorError;
pub use http::{Request, Response};
pub use registration::namespaces;
pub use role::role_names;
pub use route::Sandbox;
pub use seed::SeedOptions;
pub use transport::{ClusterSummary, InProcess, SandboxCredential, Summary, advance, open, reset, summary};

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
