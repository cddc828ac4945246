//! The catalogue of built-ins as text for a terminal, as Markdown, and as JSON.

mod human;
mod json;
mod markdown;
mod words;

pub use human::{Layout, human};
pub use json::document;
pub use markdown::page;

#[cfg(test)]
mod tests;
