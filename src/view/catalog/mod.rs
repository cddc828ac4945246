//! The catalogue of built-ins as text for a terminal, as Markdown, and as JSON.

mod human;
mod json;
mod markdown;
mod words;

pub use crate::view::page::Layout;
pub use human::human;
pub use json::document;
pub use markdown::page;

#[cfg(test)]
mod tests;
