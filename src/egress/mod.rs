//! What has to leave a cluster so that its gates and its sensor work: names and ports by feature, cloud and region, which of them
//! a firewall lets through, and the rules that are missing.
//!
//! Owns the facts (`facts.json`, each with its source), what a cluster needs, and how the rules of an Azure Firewall policy or a list
//! of names are judged. Must not know how clusters or rules were read. A rule that cannot be judged lets nothing through.

mod allowed;
mod check;
mod facts;
mod firewall;
mod name;
mod need;
mod range;
mod rules;
#[cfg(test)]
mod tests;

pub use allowed::Allowed;
pub use check::{Answer, Check, Judge, Verdict, check};
pub use facts::{Endpoint, Protocol, Source, endpoints, facts_read, source};
pub use firewall::{Firewall, FirewallError};
pub use name::NamePattern;
pub use need::{Cluster, Feature, Need, Outbound, Path, Reason, needs, wanted};
pub use range::AddressRange;
pub use rules::{ApplicationRule, rules};
