//! The lines of a journal: JSON, one record a line, each with its time.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u64 = 1;

/// A line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The first line: what the run is.
    Run(Start),
    /// A write is about to be sent.
    Intent(Intent),
    /// What became of a step.
    Outcome(Settled),
    /// The last line: how the run ended.
    End(End),
}

/// What a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The version of the format.
    pub format_version: u64,
    /// The name of the run.
    pub run: String,
    /// When it began, by ARM's clock.
    #[serde(with = "time")]
    pub time: Timestamp,
    /// The program and its version.
    pub tool: String,
    /// The command.
    pub command: String,
    /// The environment.
    pub environment: String,
    /// Its scope.
    pub scope: String,
    /// The tenant.
    pub tenant: String,
    /// The ARM endpoint, or the sandbox.
    pub endpoint: String,
    /// The plan that is carried out.
    pub plan_id: String,
    /// The digest of the estate's files.
    pub config_digest: String,
    /// How many steps the plan has to write.
    pub steps: usize,
    /// The gates and objects whose weakening was allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_weakenings: Vec<String>,
    /// Why they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The limits that the command line set for the run, as its options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
}

/// A write that is about to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// When, by ARM's clock at the start and the time since.
    #[serde(with = "time")]
    pub time: Timestamp,
    /// The step's name in its plan.
    pub step: String,
    /// The kind of object.
    pub kind: String,
    /// The object's id.
    pub object: String,
    /// What is done: `create`, `update`, `replace`, `delete`.
    pub action: String,
    /// `tightens`, `weakens` or `neutral`.
    pub direction: String,
    /// What of it weakens: each field with its change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weakens: Vec<String>,
    /// The gate that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// What stood there, read just before, without what the server makes; of clusters and Defender plans our keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is sent, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// When.
    #[serde(with = "time")]
    pub time: Timestamp,
    /// The step's name in its plan.
    pub step: String,
    /// The kind of object.
    pub kind: String,
    /// The object's id.
    pub object: String,
    /// `done`, `already-done`, `stale`, `held`, `failed`, `skipped` or `not-tried`.
    pub outcome: String,
    /// What there is to say about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// ARM's error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// ARM's request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// When.
    #[serde(with = "time")]
    pub time: Timestamp,
    /// The word for how it ended.
    pub outcome: String,
    /// The exit code.
    pub exit_code: u8,
    /// How many steps had each outcome.
    pub counts: BTreeMap<String, usize>,
}

impl Record {
    /// Returns the record as one line, without its line feed.
    pub fn to_line(&self) -> String {
        // Texts, numbers, lists and maps with texts as keys: there always is a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Times as RFC 3339.
mod time {
    use crate::model::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        Timestamp::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no time")))
    }
}
