//! What stands in the source environment.

use crate::config::{Gate, InitiativeKind};
use crate::kinds::override_stages;
use crate::model::{Effect, Stage, Timestamp};
use crate::observed::LiveObject;
use crate::rollout::{ClusterEvidence, Count, GateEvidence, MemberState};
use serde_json::Value;

/// A gate as it stands in the source environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceGate {
    /// The id of its assignment.
    pub assignment: String,
    /// The digest of its content, from the mark.
    pub digest: String,
    /// The position that its mark names.
    pub position: String,
    /// The stage that it holds everywhere.
    pub stage: Stage,
    /// Since when, from the mark.
    pub since: Option<Timestamp>,
    /// Whether the assignment is lower than its mark says.
    pub by_hand: bool,
    /// What was heard of its clusters; none if it is no gate that clusters report on.
    pub evidence: Option<Heard>,
}

/// What was heard of a gate's clusters, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heard {
    /// How many clusters it is meant to act on.
    pub clusters: usize,
    /// How many of them report.
    pub reported: usize,
    /// How many report Conflict or Error.
    pub troubled: usize,
    /// The violations, what was denied not among them.
    pub violations: Count,
}

impl Heard {
    /// Puts evidence in numbers. `reported` says of a cluster whether its reports are fresh.
    pub fn of(evidence: &GateEvidence, reported: impl Fn(&ClusterEvidence) -> bool) -> Heard {
        let counted = || evidence.clusters.iter().filter(|cluster| cluster.coverage.counts());
        let trouble = |cluster: &&ClusterEvidence| {
            let mut members = cluster.members.values();
            members.any(|member| matches!(member.state, MemberState::Conflict | MemberState::Error))
        };
        Heard {
            clusters: counted().count(),
            reported: counted().filter(|cluster| reported(cluster)).count(),
            troubled: counted().filter(trouble).count(),
            violations: evidence.violations(),
        }
    }
}

/// Returns how a gate stands by its assignment; none if that has no mark of a position.
pub fn source_gate(gate: &Gate, assignment: &LiveObject, evidence: Option<Heard>) -> Option<SourceGate> {
    let state = assignment.mark_state()?;
    // A position between two stages holds the lower one everywhere.
    let marked = gate.kind.stage(&state.position).unwrap_or(Stage::Audit);
    let actual = actual(gate, assignment);
    Some(SourceGate {
        assignment: assignment.id.as_str().to_owned(),
        stage: marked.min(actual),
        by_hand: actual < marked,
        digest: state.digest,
        position: state.position,
        since: state.since,
        evidence,
    })
}

/// The stage that an assignment holds everywhere, overrides that lower it counted in.
fn actual(gate: &Gate, assignment: &LiveObject) -> Stage {
    let text = |path: &str| assignment.wire.pointer(path).and_then(Value::as_str);
    let enforced = text("/properties/enforcementMode").is_none_or(|mode| mode.eq_ignore_ascii_case("Default"));
    if gate.kind == InitiativeKind::Enablement {
        return if enforced { Stage::Deny } else { Stage::Audit };
    }
    let effect = text("/properties/parameters/effect/value").and_then(Effect::parse);
    let stage = effect.and_then(Stage::of).unwrap_or(Stage::Off);
    let overrides = assignment.wire.pointer("/properties/overrides");
    let lowest = overrides
        .and_then(override_stages)
        .unwrap_or_default()
        .into_iter()
        .fold(stage, Stage::min);
    if enforced { lowest } else { lowest.min(Stage::Audit) }
}
