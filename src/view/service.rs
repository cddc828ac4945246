//! A pipeline's service: the commands that its log understands.
//!
//! Owns their form and what has to be escaped in them. Must not know what is told.

use super::text::plain;

/// A service whose log understands commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// GitHub Actions.
    GitHub,
    /// Azure Pipelines.
    AzureDevOps,
}

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something is wrong.
    Error,
    /// Something should be looked at.
    Warning,
}

/// A message that is shown beside the log, and at a line of a file if it is about one.
#[derive(Clone, Copy, Debug)]
pub struct Annotation<'a> {
    /// How grave it is.
    pub level: Level,
    /// The file; empty if it is about none.
    pub file: &'a str,
    /// Line, column and end of the column.
    pub place: Option<(usize, usize, Option<usize>)>,
    /// Its title.
    pub title: &'a str,
    /// What it says.
    pub message: &'a str,
}

impl Service {
    /// Returns the command that shows an annotation, without its line feed.
    pub fn annotation(self, wanted: &Annotation<'_>) -> String {
        let level = match wanted.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let mut properties: Vec<(&str, String)> = Vec::new();
        let (file, line, column) = match self {
            Service::GitHub => ("file", "line", "col"),
            Service::AzureDevOps => ("sourcepath", "linenumber", "columnnumber"),
        };
        if !wanted.file.is_empty() {
            properties.push((file, wanted.file.to_owned()));
            if let Some((at, from, to)) = wanted.place {
                properties.push((line, at.to_string()));
                properties.push((column, from.to_string()));
                if let (Some(to), Service::GitHub) = (to, self) {
                    properties.push(("endColumn", to.to_string()));
                }
            }
        }
        match self {
            Service::GitHub => {
                properties.push(("title", wanted.title.to_owned()));
                let properties: Vec<String> = properties
                    .iter()
                    .map(|(name, value)| format!("{name}={}", github(value, true)))
                    .collect();
                format!("::{level} {}::{}", properties.join(","), github(wanted.message, false))
            }
            Service::AzureDevOps => {
                properties.insert(0, ("type", level.to_owned()));
                properties.push(("code", wanted.title.to_owned()));
                let properties: String = properties
                    .iter()
                    .map(|(name, value)| format!("{name}={};", azure(value, true)))
                    .collect();
                format!("##vso[task.logissue {properties}]{}", azure(wanted.message, false))
            }
        }
    }

    /// Returns the commands that begin and end a part of the log which can be folded.
    pub fn group(self, title: &str) -> (String, &'static str) {
        match self {
            Service::GitHub => (format!("::group::{}", github(title, false)), "::endgroup::"),
            Service::AzureDevOps => (format!("##[group]{}", azure(title, false)), "##[endgroup]"),
        }
    }
}

fn github(text: &str, property: bool) -> String {
    let text = plain(text).replace('%', "%25");
    match property {
        true => text.replace(':', "%3A").replace(',', "%2C"),
        false => text,
    }
}

fn azure(text: &str, property: bool) -> String {
    let text = plain(text).replace('%', "%AZP25");
    match property {
        true => text.replace(';', "%3B").replace(']', "%5D"),
        false => text,
    }
}
