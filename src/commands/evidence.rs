//! What commands have in common that look at evidence: which assignments stand for a gate, and what was heard of them.

use super::context::{Connection, LoadedEstate, arm_error};
use super::error::CommandError;
use crate::config::{Environment, Gate, InitiativeKind};
use crate::evidence::{self, Forecast, GateEvidence};
use crate::kinds::Kind;
use crate::model::{MarkState, Stage, Timestamp};
use crate::observe::{self, Asked, Evidence, EvidenceError};
use crate::observed::{LiveObject, Observed};

/// A gate with the assignment that stands for it: of several the newest generation.
#[derive(Clone, Debug)]
pub(super) struct Standing<'a> {
    /// The gate.
    pub(super) gate: &'a Gate,
    /// Its assignment.
    pub(super) assignment: &'a LiveObject,
    /// Where its mark says that it stands, if it has one that can be read.
    pub(super) state: Option<MarkState>,
}

impl Standing<'_> {
    /// Returns whether the gate judges what is let in: of these the clusters report.
    pub(super) fn judges(&self) -> bool {
        self.gate.kind == InitiativeKind::Admission
    }

    /// Returns whether the gate is to deny and does not yet.
    pub(super) fn is_to_deny(&self) -> bool {
        let deny = Stage::Deny.to_string();
        self.judges()
            && self.gate.target == Stage::Deny
            && self.state.as_ref().is_none_or(|state| state.position != deny)
    }
}

/// Returns the gates that have an assignment; of `gates` only, with any named.
pub(super) fn standing<'a>(
    owner: &'a str,
    environment: &'a Environment,
    observed: &'a Observed,
    gates: &[String],
) -> Vec<Standing<'a>> {
    let meant = |gate: &&Gate| gates.is_empty() || gates.contains(&gate.name);
    let found = environment.gates.values().filter(meant).filter_map(|gate| {
        let owned = observed.owned(owner, &environment.name);
        let (assignment, _) = owned
            .filter(|(object, mark)| object.kind == Kind::PolicyAssignment && mark.gate == gate.name)
            .max_by_key(|(_, mark)| mark.generation)?;
        Some(Standing {
            gate,
            assignment,
            state: assignment.mark_state(),
        })
    });
    found.collect()
}

/// Reads the evidence of gates.
pub(super) async fn read(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    (observed, now): (&Observed, Timestamp),
    standing: &[Standing<'_>],
) -> Result<Evidence, CommandError> {
    let asked: Vec<Asked<'_>> = standing
        .iter()
        .map(|of| Asked {
            assignment: of.assignment,
            ignored: &[],
            namespaces: None,
        })
        .collect();
    let (client, scope) = (&connection.client, &environment.scope);
    let found = observe::evidence(client, scope, (observed, &loaded.catalog), &asked, now).await;
    found.map_err(|error| evidence_error(&error))
}

/// Returns what was heard of a gate.
pub(super) fn of<'a>(standing: &Standing<'_>, found: &'a Evidence) -> Option<&'a GateEvidence> {
    found.gates.get(&standing.assignment.id)
}

/// Returns who would be hit if a gate denied.
pub(super) fn forecast(standing: &Standing<'_>, found: &Evidence) -> Option<Forecast> {
    let heard = of(standing, found)?;
    let (gate, id) = (&standing.gate.name, &standing.assignment.id);
    Some(evidence::forecast(gate, id, heard, &found.rows, None))
}

/// Returns why there is no evidence as an error of a command.
pub(super) fn evidence_error(error: &EvidenceError) -> CommandError {
    match error {
        EvidenceError::Arm(error) => arm_error(error),
        other => CommandError::failed("azure's compliance data cannot be used").caused_by(other),
    }
}
