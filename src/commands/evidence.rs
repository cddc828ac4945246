//! What commands have in common that look at evidence: which assignments stand for a gate, and what was heard of them.

use super::context::{Connection, LoadedEstate, arm_error};
use super::error::CommandError;
use crate::config::{Environment, Gate, InitiativeKind};
use crate::evidence::{self, AllRows, Forecast, GateEvidence, Ignored};
use crate::kinds::Kind;
use crate::model::{MarkState, ResourceId, Stage, Timestamp};
use crate::observe::{self, Asked, Evidence, EvidenceError};
use crate::observed::{LiveObject, Observed};
use std::collections::{BTreeMap, BTreeSet};

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
            .filter(|(object, mark)| {
                object.kind == Kind::PolicyAssignment && gate.answers_to(&mark.gate) && mark.is_whole()
            })
            .max_by_key(|(_, mark)| mark.generation)?;
        Some(Standing {
            gate,
            assignment,
            state: assignment.mark_state(),
        })
    });
    found.collect()
}

/// Leaves of what was heard only what the next steps are decided on.
pub(super) fn keep_decisive(owner: &str, environment: &Environment, observed: &Observed, heard: &mut Evidence) {
    let decisive = decisive(owner, environment, observed, &[]);
    let ids: BTreeSet<&ResourceId> = decisive.iter().map(|of| &of.assignment.id).collect();
    heard.gates.retain(|assignment, _| ids.contains(assignment));
}

/// Returns every assignment of the gates that judge what is let in, oldest generation first; of `gates` only, with any named.
pub(super) fn generations<'a>(
    owner: &'a str,
    environment: &'a Environment,
    observed: &'a Observed,
    gates: &[String],
) -> Vec<Standing<'a>> {
    let newest = standing(owner, environment, observed, gates);
    let found = newest.into_iter().filter(Standing::judges).flat_map(|of| {
        let owned = observed.owned(owner, &environment.name);
        let mut all: Vec<_> = owned
            .filter(|(object, mark)| object.kind == Kind::PolicyAssignment && of.gate.answers_to(&mark.gate))
            .collect();
        all.sort_by_key(|(_, mark)| mark.generation);
        all.into_iter().map(move |(assignment, _)| Standing {
            gate: of.gate,
            assignment,
            state: assignment.mark_state(),
        })
    });
    found.collect()
}

/// The clusters that the environment leaves out of account.
fn ignored(environment: &Environment) -> Vec<(ResourceId, Ignored)> {
    let rules = environment
        .clusters
        .iter()
        .flat_map(|clusters| &clusters.coverage.ignore);
    let ignored = rules.map(|rule| {
        let ignored = Ignored {
            reason: rule.reason.clone(),
            until: rule.expires,
        };
        (rule.cluster.clone(), ignored)
    });
    ignored.collect()
}

/// The assignments of which it matters what was heard: those of every generation of a gate that is to deny, and of its parts, unless it
/// stands there alone.
fn decisive<'a>(
    owner: &'a str,
    environment: &'a Environment,
    observed: &'a Observed,
    gates: &[String],
) -> Vec<Standing<'a>> {
    let newest = standing(owner, environment, observed, gates);
    let all = newest
        .into_iter()
        .filter(|of| of.judges() && of.gate.target == Stage::Deny);
    let found = all.flat_map(|of| {
        let owned = observed.owned(owner, &environment.name);
        let assignments: Vec<(&LiveObject, u32)> = owned
            .filter(|(object, mark)| object.kind == Kind::PolicyAssignment && of.gate.answers_to(&mark.gate))
            .map(|(object, mark)| (object, mark.generation))
            .collect();
        let generations: BTreeSet<u32> = assignments.iter().map(|(_, generation)| *generation).collect();
        let arrived = generations.len() == 1 && !of.is_to_deny();
        let assignments = if arrived { Vec::new() } else { assignments };
        assignments.into_iter().map(move |(assignment, _)| Standing {
            gate: of.gate,
            assignment,
            state: assignment.mark_state(),
        })
    });
    found.collect()
}

/// Reads what the next steps are decided on.
pub(super) async fn heard(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    (observed, now): (&Observed, Timestamp),
    gates: &[String],
) -> Result<Evidence, CommandError> {
    let decisive = decisive(&loaded.estate.owner, environment, observed, gates);
    read(loaded, environment, connection, (observed, now), &decisive).await
}

/// Reads what a step of a gate is decided on, as it is known this moment.
pub(super) async fn heard_now(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    (observed, now): (&Observed, Timestamp),
    gate: &str,
) -> Result<BTreeMap<ResourceId, GateEvidence>, CommandError> {
    let ignored = ignored(environment);
    let mut found = BTreeMap::new();
    for of in decisive(&loaded.estate.owner, environment, observed, &[gate.to_owned()]) {
        let asked = Asked {
            assignment: of.assignment,
            ignored: &ignored,
            namespaces: None,
        };
        let known = (observed, loaded.catalog.as_ref());
        let heard = observe::evidence_again(&connection.client, known, asked, now).await;
        let (evidence, _) = heard.map_err(|error| evidence_error(&error))?;
        found.insert(of.assignment.id.clone(), evidence);
    }
    Ok(found)
}

/// Reads the evidence of gates.
pub(super) async fn read(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    (observed, now): (&Observed, Timestamp),
    standing: &[Standing<'_>],
) -> Result<Evidence, CommandError> {
    let ignored = ignored(environment);
    let asked: Vec<Asked<'_>> = standing
        .iter()
        .map(|of| Asked {
            assignment: of.assignment,
            ignored: &ignored,
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
pub(super) fn forecast(
    standing: &Standing<'_>,
    heard: &BTreeMap<ResourceId, GateEvidence>,
    rows: &AllRows,
) -> Option<Forecast> {
    let (gate, id) = (&standing.gate.name, &standing.assignment.id);
    Some(evidence::forecast(gate, id, heard.get(id)?, rows.of(id), None))
}

/// Returns why there is no evidence as an error of a command.
pub(super) fn evidence_error(error: &EvidenceError) -> CommandError {
    match error {
        EvidenceError::Arm(error) => arm_error(error),
        other => CommandError::failed("azure's compliance data cannot be used").caused_by(other),
    }
}
