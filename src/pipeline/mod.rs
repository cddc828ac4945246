//! Pipelines that run aksgate for an estate, as the files that a service reads.
//!
//! Owns which stages there are, in which order, and with which rights. Must not know where the files are kept, nor whether some are there
//! already.

mod azure_devops;
mod github;
#[cfg(test)]
mod tests;

use crate::config::{Advance, Environment, Estate};
use std::collections::BTreeSet;

/// A service whose pipelines can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// GitHub Actions.
    GitHub,
    /// Azure Pipelines.
    AzureDevOps,
}

/// What the pipelines are made for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The estate.
    pub estate: &'a Estate,
    /// The estate's folder in its repository, with slashes; empty if it is the repository's own.
    pub folder: &'a str,
    /// The branch whose state is applied.
    pub branch: &'a str,
    /// The version of aksgate that the pipelines install.
    pub version: &'a str,
}

/// A file of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineFile {
    /// Its path in the repository, with slashes.
    pub path: &'static str,
    /// Its text.
    pub text: String,
}

/// The first line of each file, by which it is known again.
pub const MADE_BY: &str =
    "# Made by `aksgate pipeline`. To change what the estate decides, make it again; other changes are yours to keep.";

/// The files of an estate that a change of makes another plan.
const SOURCES: [&str; 5] = [
    "aksgate.yaml",
    "aksgate.lock",
    "environments/**",
    "initiatives/**",
    "templates/**",
];

/// Returns the files for a service.
pub fn files(host: Host, wanted: Wanted<'_>) -> Vec<PipelineFile> {
    match host {
        Host::GitHub => github::files(wanted),
        Host::AzureDevOps => azure_devops::files(wanted),
    }
}

/// Returns the environments so that each comes after the one that its gates come from; by name otherwise.
fn in_order(estate: &Estate) -> Vec<&Environment> {
    let mut left: Vec<&Environment> = estate.environments.values().collect();
    let mut ordered: Vec<&Environment> = Vec::new();
    while !left.is_empty() {
        let waits = |environment: &&Environment| {
            let source = environment.rollout.promotes_from.as_deref();
            source.is_some_and(|source| left.iter().any(|other| other.name == source))
        };
        // Going in circles is refused where the files are read; whatever they say, this ends.
        let at = left.iter().position(|environment| !waits(environment)).unwrap_or(0);
        ordered.push(left.remove(at));
    }
    ordered
}

/// Returns whether plans of an environment are carried out only after somebody looked at them.
fn is_approved(environment: &Environment) -> bool {
    environment.rollout.advance == Advance::Approve
}

/// Returns what names the identities of one tenant among several: nothing where there is one tenant only.
fn tenant_suffix(estate: &Estate, environment: &Environment) -> String {
    let tenants: BTreeSet<&str> = estate.environments.values().map(|one| one.tenant.as_str()).collect();
    match tenants.len() {
        0 | 1 => String::new(),
        _ => format!("_{}", environment.name.to_uppercase().replace('-', "_")),
    }
}

/// Returns the patterns of the files that decide what is planned.
fn sources(folder: &str) -> impl Iterator<Item = String> {
    let prefix = match folder {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    SOURCES.into_iter().map(move |path| format!("{prefix}{path}"))
}

/// Puts values in place of `@name@`. One that stands alone on its line is a block: its lines come at that column, and where it has none
/// the line goes away.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (name, value) in values {
        let place = format!("@{name}@");
        let filled = |line: &str| match line.trim() == place {
            true => block(value, line.len() - line.trim_start().len()),
            false => line.replace(&place, value),
        };
        text = text.split_inclusive('\n').map(filled).collect();
    }
    text
}

fn block(text: &str, column: usize) -> String {
    let line = |line: &str| match line {
        "" => "\n".to_owned(),
        line => format!("{:column$}{line}\n", ""),
    };
    text.lines().map(line).collect()
}
