//! Everything that a person or a pipeline sees.
//!
//! Owns wording, layout, colour and the JSON and Markdown forms of output. Must not decide anything.

pub mod diagnostics;
