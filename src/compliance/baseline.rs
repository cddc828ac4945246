//! An earlier report: what `compliance --format json` wrote.

use super::Key;
use crate::model::{ResourceId, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What an earlier report says of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// When it was made.
    pub time: Timestamp,
    /// What broke gates then, each with when it was first seen.
    pub violations: BTreeMap<Key, Timestamp>,
    /// The gates at the clusters of which everything was known.
    known: BTreeSet<(String, ResourceId)>,
}

/// Why a file is no earlier report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// It is something else.
    #[error("it is no report of `aksgate compliance --format json`")]
    NotAReport,
    /// It has another version.
    #[error("its `formatVersion` is {0}, and this version of aksgate reads 1")]
    Version(String),
    /// It does not have the environment.
    #[error("it has no environment `{0}`")]
    NoEnvironment(String),
    /// The environment could not be read then.
    #[error("environment `{0}` could not be read then, so it says nothing of it")]
    NotRead(String),
    /// It is of another scope.
    #[error("it is of the scope `{found}`, and the environment has `{wanted}`")]
    Scope {
        /// The scope that it is of.
        found: String,
        /// The environment's scope.
        wanted: String,
    },
    /// A part of it cannot be read.
    #[error("its `{0}` cannot be read")]
    Part(&'static str),
}

impl Baseline {
    /// Reads what a report says of an environment.
    ///
    /// # Errors
    /// It is no report, or one of another version, environment or scope.
    pub fn read(document: &Value, environment: &str, scope: &str) -> Result<Baseline, BaselineError> {
        if document.get("command").and_then(Value::as_str) != Some("compliance") {
            return Err(BaselineError::NotAReport);
        }
        match document.get("formatVersion") {
            Some(version) if version.as_u64() == Some(1) => {}
            Some(version) => return Err(BaselineError::Version(version.to_string())),
            None => return Err(BaselineError::NotAReport),
        }
        let environments = document.get("environments").and_then(Value::as_array);
        let environments = environments.ok_or(BaselineError::NotAReport)?;
        let of = environments
            .iter()
            .find(|of| of.get("environment").and_then(Value::as_str) == Some(environment));
        let of = of.ok_or_else(|| BaselineError::NoEnvironment(environment.to_owned()))?;
        let found = text(of, "scope").ok_or(BaselineError::Part("scope"))?;
        if !found.eq_ignore_ascii_case(scope) {
            let (found, wanted) = (found.to_owned(), scope.to_owned());
            return Err(BaselineError::Scope { found, wanted });
        }
        if of.get("error").is_some_and(|error| !error.is_null()) {
            return Err(BaselineError::NotRead(environment.to_owned()));
        }
        let list = |key: &'static str| of.get(key).and_then(Value::as_array).ok_or(BaselineError::Part(key));
        let violations: Option<BTreeMap<Key, Timestamp>> = list("violations")?.iter().map(violation).collect();
        Ok(Baseline {
            time: time(of, "time").ok_or(BaselineError::Part("time"))?,
            violations: violations.ok_or(BaselineError::Part("violations"))?,
            known: known(list("gates")?).ok_or(BaselineError::Part("gates"))?,
        })
    }

    /// Returns whether everything was known of a gate at a cluster.
    pub(super) fn knows(&self, gate: &str, cluster: &ResourceId) -> bool {
        self.known.contains(&(gate.to_owned(), cluster.clone()))
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn time(value: &Value, key: &str) -> Option<Timestamp> {
    text(value, key).and_then(Timestamp::parse)
}

fn violation(value: &Value) -> Option<(Key, Timestamp)> {
    let owned = |key: &str| text(value, key).map(str::to_owned);
    let key = Key {
        gate: owned("gate")?,
        cluster: ResourceId::parse(text(value, "cluster")?)?,
        namespace: owned("namespace"),
        kind: owned("kind")?,
        name: owned("workload")?,
        rule: owned("rule")?,
    };
    Some((key, time(value, "firstSeen")?))
}

fn known(gates: &[Value]) -> Option<BTreeSet<(String, ResourceId)>> {
    let mut found = BTreeSet::new();
    for gate in gates {
        let name = text(gate, "gate")?;
        for cluster in gate.get("clusters")?.as_array()? {
            let id = ResourceId::parse(text(cluster, "cluster")?)?;
            if cluster.get("known")?.as_bool()? {
                found.insert((name.to_owned(), id));
            }
        }
    }
    Some(found)
}
