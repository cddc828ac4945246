//! The proof of what soaked in an environment, as a file: for a promotion by somebody who may not read that environment.
//!
//! The digest tells damage, not forgery: a proof is worth as much as the way it came by, such as an artifact of the pipeline that wrote it.

use super::{Heard, SourceGate};
use crate::diff::digest;
use crate::model::{Period, Stage, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How long a proof holds.
pub const VALID: Period = Period::from_seconds(24 * 3_600);

/// The version of the format that this program writes; it reads this one only.
const FORMAT_VERSION: u64 = 1;
const KIND: &str = "promotion-proof";

/// What was read of an environment, when, where and in which run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The estate's owner.
    pub owner: String,
    /// The environment.
    pub environment: String,
    /// Its tenant.
    pub tenant: String,
    /// Its scope.
    pub scope: String,
    /// The ARM endpoint that was asked, or the sandbox.
    pub endpoint: String,
    /// When it was read, by ARM's clock.
    pub read: Timestamp,
    /// When it no longer holds.
    pub expires: Timestamp,
    /// The id that all requests of the reading carried: Azure's logs name who sent them.
    pub correlation_id: String,
    /// The gates that stood there.
    pub gates: BTreeMap<String, SourceGate>,
}

/// Why a proof cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is something else.
    #[error("the file is no proof: {0}")]
    NotAProof(String),
    /// Another version of the program wrote it.
    #[error("the proof has format version {0}, this version of aksgate reads {FORMAT_VERSION}")]
    Version(u64),
    /// The content is not what was written.
    #[error("the proof was changed after it was written: its digest does not fit its content")]
    Edited,
    /// It is of something else than what is asked.
    #[error("the proof is of {what} `{found}`, and `{wanted}` is asked for")]
    Other {
        /// What differs.
        what: &'static str,
        /// What it names.
        found: String,
        /// What is asked for.
        wanted: String,
    },
    /// It no longer holds, or does not hold yet.
    #[error("the proof holds from {read} until {expires}, and it is {now}")]
    Expired {
        /// When it was read.
        read: Timestamp,
        /// When it ends.
        expires: Timestamp,
        /// Now.
        now: Timestamp,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProofFile {
    format_version: u64,
    kind: String,
    tool: String,
    digest: String,
    owner: String,
    environment: String,
    tenant: String,
    scope: String,
    endpoint: String,
    read: String,
    expires: String,
    correlation_id: String,
    gates: BTreeMap<String, GateFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GateFile {
    assignment: String,
    digest: String,
    position: String,
    stage: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    by_hand: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<Heard>,
}

impl Proof {
    /// Returns the proof as the text of a file.
    pub fn to_text(&self) -> String {
        let gate = |gate: &SourceGate| GateFile {
            assignment: gate.assignment.clone(),
            digest: gate.digest.clone(),
            position: gate.position.clone(),
            stage: gate.stage.to_string(),
            since: gate.since.map(|since| since.to_string()),
            by_hand: gate.by_hand,
            evidence: gate.evidence,
        };
        let file = ProofFile {
            format_version: FORMAT_VERSION,
            kind: KIND.to_owned(),
            tool: concat!("aksgate ", env!("CARGO_PKG_VERSION")).to_owned(),
            digest: String::new(),
            owner: self.owner.clone(),
            environment: self.environment.clone(),
            tenant: self.tenant.clone(),
            scope: self.scope.clone(),
            endpoint: self.endpoint.clone(),
            read: self.read.to_string(),
            expires: self.expires.to_string(),
            correlation_id: self.correlation_id.clone(),
            gates: self
                .gates
                .iter()
                .map(|(name, found)| (name.clone(), gate(found)))
                .collect(),
        };
        // Strings, numbers and maps with string keys: it always has a JSON form.
        let mut value = serde_json::to_value(file).unwrap_or_default();
        let of = digest(&value);
        if let Some(text) = value.get_mut("digest") {
            *text = Value::from(of);
        }
        format!("{value:#}\n")
    }

    /// Returns whether the content of a file is a proof, whatever its version.
    pub fn is_one(content: &[u8]) -> bool {
        let value = serde_json::from_slice::<Value>(content);
        value.is_ok_and(|value| value.get("kind").and_then(Value::as_str) == Some(KIND))
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// Anything that this version did not write, or that is not as it was written.
    pub fn from_text(text: &str) -> Result<Proof, ProofError> {
        let not = |why: String| ProofError::NotAProof(why);
        let mut value: Value = serde_json::from_str(text).map_err(|error| not(error.to_string()))?;
        if value.get("kind").and_then(Value::as_str) != Some(KIND) {
            return Err(not(format!("its `kind` is not `{KIND}`")));
        }
        let version = value.get("formatVersion").and_then(Value::as_u64).unwrap_or_default();
        if version != FORMAT_VERSION {
            return Err(ProofError::Version(version));
        }
        let stated = value.get_mut("digest").map(Value::take);
        if let Some(place) = value.get_mut("digest") {
            *place = Value::from("");
        }
        if stated != Some(Value::from(digest(&value))) {
            return Err(ProofError::Edited);
        }
        let file: ProofFile = serde_json::from_value(value).map_err(|error| not(error.to_string()))?;
        let time = |text: &str| Timestamp::parse(text).ok_or_else(|| not(format!("`{text}` is no time")));
        let gate = |file: GateFile| {
            let stage = Stage::parse(&file.stage).ok_or_else(|| not(format!("`{}` is no stage", file.stage)))?;
            Ok(SourceGate {
                since: file.since.as_deref().map(time).transpose()?,
                assignment: file.assignment,
                digest: file.digest,
                position: file.position,
                stage,
                by_hand: file.by_hand,
                evidence: file.evidence,
            })
        };
        let gates = file.gates.into_iter().map(|(name, found)| Ok((name, gate(found)?)));
        Ok(Proof {
            read: time(&file.read)?,
            expires: time(&file.expires)?,
            gates: gates.collect::<Result<_, ProofError>>()?,
            owner: file.owner,
            environment: file.environment,
            tenant: file.tenant,
            scope: file.scope,
            endpoint: file.endpoint,
            correlation_id: file.correlation_id,
        })
    }

    /// Checks that the proof is of what is asked for, and holds now.
    ///
    /// `wanted` names owner, environment, tenant and scope; `sandbox` is whether this run speaks to a sandbox, whose proofs hold for no
    /// other.
    ///
    /// # Errors
    /// What does not fit.
    pub fn holds(&self, wanted: [&str; 4], sandbox: bool, now: Timestamp) -> Result<(), ProofError> {
        let found = [&self.owner, &self.environment, &self.tenant, &self.scope];
        let words = ["owner", "environment", "tenant", "scope"];
        for ((what, found), wanted) in words.into_iter().zip(found).zip(wanted) {
            if found != wanted {
                let (found, wanted) = (found.clone(), wanted.to_owned());
                return Err(ProofError::Other { what, found, wanted });
            }
        }
        let of_sandbox = self.endpoint.starts_with("sandbox:");
        if of_sandbox != sandbox {
            return Err(ProofError::Other {
                what: "endpoint",
                found: self.endpoint.clone(),
                wanted: if sandbox { "a sandbox" } else { "Azure" }.to_owned(),
            });
        }
        // A file may not give itself longer.
        let expires = self.expires.min(self.read.plus(VALID));
        if now < self.read || now >= expires {
            return Err(ProofError::Expired {
                read: self.read,
                expires,
                now,
            });
        }
        Ok(())
    }
}
