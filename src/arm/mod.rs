//! Azure Resource Manager over HTTP: the only module that talks to a network.
//!
//! Owns the client: sign-in, requests, retries, paging, long operations, Resource Graph queries, and one typed error with what a person
//! should do about it. Must not know what the answers mean for a gate, must not print, and must not know what stands behind the transport.
//!
//! ```text
//! Client::get, list, put, delete, post, resource_graph
//!   paging, operation, graph          one question, many requests
//!     retry                           the one retry layer, on the injected sleeper
//!       request                       one request: ids, headers, body limit
//!         azure_core's pipeline       bearer token
//!           transport                 reqwest, or whatever was handed in
//! ```

mod action;
mod answer;
mod client;
mod error;
mod fault;
mod graph;
mod operation;
mod options;
mod pace;
mod paging;
mod path;
mod provider;
mod published;
mod reason;
mod request;
mod retry;
mod sign_in;
#[cfg(test)]
pub(crate) mod testing;
mod transport;
mod turn;
mod versions;
#[cfg(test)]
mod wire_tests;

pub use client::{CallCounts, Client, Deletion, PutOptions, Resource, ServerTime, Traffic};
pub use error::{ArmError, ArmErrorKind};
pub use fault::NetworkFault;
pub use graph::{GraphQuery, GraphScope};
pub use operation::Started;
pub use options::{ClientOptions, Notice};
pub use published::PublishedError;
pub use reason::PolicyHit;
pub use retry::RetryLimits;
pub use sign_in::{SignInError, SignInMethod, SignInOptions, SignInValues, sign_in};
pub use transport::{Proxies, TransportError, TransportOptions, https_transport, machine_transport};
pub use turn::Turns;
pub use versions::{ApiVersions, Endpoints, endpoints};
