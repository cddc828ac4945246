//! The guide to the gates: for each pattern of incident which gate prevents it, what it is made of, how far it can close, what it
//! breaks, and how to roll it out.
//!
//! Made from the estate and the catalogue; nothing in it is asked of Azure.

mod human;
mod json;
mod markdown;
mod model;
mod settings;

pub use human::human;
pub use json::document;
pub use markdown::page;
pub use model::{Guidebook, guidebook};
