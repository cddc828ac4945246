//! What the next position of a gate is decided on, and what is told of it.

use super::Sources;
use crate::config::{Advance, Gate, InitiativeKind};
use crate::model::{Period, ResourceId, Stage, Timestamp};
use crate::observed::{LiveObject, Observed};
use crate::rollout::{
    Decision, GateEvidence, Guard, Hold, Ladder, Position, Question, Source, SourceGate, Standing, Uncovered, decide,
    decide_enablement,
};
use std::collections::BTreeMap;

/// What the positions of gates are decided on besides documents: what was heard of the clusters, and what a person asks for.
#[derive(Clone, Debug, Default)]
pub struct Controls {
    /// What is known of the clusters, by assignment; one that is not there was not asked for.
    pub evidence: BTreeMap<ResourceId, GateEvidence>,
    /// What is live in the environment that gates come from, or why it could not be read.
    pub source: Option<Result<Observed, String>>,
    /// Whether steps that close a gate further may be among those that are made, where they need an approval.
    pub approved: bool,
    /// Guards that steps may be taken past, each with the reason.
    pub overrides: Vec<(Guard, String)>,
    /// What a person asks for a gate, by its name.
    pub orders: BTreeMap<String, Order>,
}

impl Controls {
    /// Returns the controls of a plan that is shown: steps that need an approval are among those it holds.
    pub fn shown() -> Controls {
        Controls {
            approved: true,
            ..Controls::default()
        }
    }

    /// Returns whether a person asks to weaken the gate of that name: to take it back, or to relax it.
    pub fn weakens(&self, gate: &str) -> bool {
        let order = self.orders.get(gate);
        matches!(order, Some(Order::Undo { .. } | Order::Relax { .. }))
    }
}

/// What a person asks for a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is to go no further.
    Pause {
        /// Why.
        reason: String,
    },
    /// It may go on.
    Resume,
    /// It is to go back at once, and no further until it is resumed.
    Undo {
        /// How far back; one position if nothing is said.
        to: Option<Position>,
        /// Why.
        reason: String,
    },
    /// It is to let everything by for a while, and Azure itself ends that.
    Relax {
        /// For how long.
        period: Period,
        /// In which ring; everywhere if none is named.
        ring: Option<usize>,
        /// Why.
        reason: String,
    },
}

/// Where a gate stands on its way, for a reader.
#[derive(Clone, Debug, PartialEq)]
pub struct GateRollout {
    /// The gate.
    pub gate: String,
    /// The positions of its way, each with its name.
    pub way: Vec<(Position, String)>,
    /// Where it stands in Azure; none if it is not assigned.
    pub stands: Option<Position>,
    /// Since when, with this content.
    pub since: Option<Timestamp>,
    /// Where this plan puts it.
    pub goes: Position,
    /// The stage to reach.
    pub target: Position,
    /// What comes next, and what holds it.
    pub held: Option<(String, Vec<Hold>)>,
    /// The generation of its content.
    pub generation: u32,
    /// Generations before it that stay for now, with their positions' names.
    pub before: Vec<(u32, String)>,
    /// Why it is paused, if it is.
    pub paused: Option<String>,
    /// The last steps that were taken past a closed guard.
    pub overrides: Vec<String>,
}

/// Returns the way of a gate.
pub(super) fn ladder<'a>(sources: Sources<'a>, gate: &Gate) -> Ladder<'a> {
    match gate.kind {
        InitiativeKind::Admission => Ladder::new(&sources.environment.rollout.rings),
        InitiativeKind::Enablement => Ladder::new(&[]),
    }
}

/// What is known of a gate's live assignment of the content that is wanted.
pub(super) struct Known<'a> {
    /// Where it stands; none if there is no such assignment.
    pub standing: Option<Standing>,
    /// The assignment.
    pub assignment: Option<&'a LiveObject>,
    /// How far the gate is closed by whichever of its assignments.
    pub furthest: Position,
    /// The digest of the content.
    pub digest: &'a str,
    /// The clusters on which a gate would not act.
    pub uncovered: &'a [Uncovered],
    /// Guards that were found closed elsewhere.
    pub closed: Vec<Hold>,
    /// Why the gate is paused, if it is.
    pub paused: Option<String>,
}

/// Asks for the next position, with everything that it is decided on.
pub(super) fn ask<T>(sources: Sources<'_>, gate: &Gate, known: &Known<'_>, then: impl FnOnce(&Question<'_>) -> T) -> T {
    let rollout = &sources.environment.rollout;
    let evidence = known
        .assignment
        .and_then(|object| sources.controls.evidence.get(&object.id));
    let source = source(sources, gate, known.digest);
    let mut closed = known.closed.clone();
    closed.extend(window(sources));
    if rollout.advance == Advance::Approve && !sources.controls.approved && gate.kind == InitiativeKind::Admission {
        let name = &sources.environment.name;
        closed.push(Hold {
            guard: Guard::Approval,
            sentence: format!(
                "`advance: approve` leaves it to a plan that was looked at: `aksgate plan {name} --out FILE`, then `aksgate apply {name} --plan FILE`"
            ),
            opens: None,
        });
    }
    let overrides: Vec<Guard> = sources.controls.overrides.iter().map(|(guard, _)| *guard).collect();
    let ignored = |uncovered: &&Uncovered| {
        let rules = sources
            .environment
            .clusters
            .iter()
            .flat_map(|clusters| &clusters.coverage.ignore);
        let mut in_force = rules.filter(|rule| rule.expires > sources.now);
        !in_force.any(|rule| rule.cluster == uncovered.id)
    };
    let uncovered: Vec<Uncovered> = known.uncovered.iter().filter(ignored).cloned().collect();
    let stopped_pass = sources
        .environment
        .clusters
        .as_ref()
        .is_some_and(|clusters| clusters.coverage.stopped_pass);
    then(&Question {
        target: gate.target,
        ladder: ladder(sources, gate),
        standing: known.standing.as_ref(),
        soak: gate.soak,
        settle: rollout.settle,
        max_violations: gate.max_violations,
        evidence,
        uncovered: &uncovered,
        stopped_hold: !stopped_pass,
        source: source.as_ref(),
        closed: &closed,
        overrides: &overrides,
        paused: known.paused.as_deref(),
        now: sources.now,
    })
}

/// Decides where a gate goes now; what a person asks for comes first.
pub(super) fn decision(sources: Sources<'_>, gate: &Gate, known: &Known<'_>) -> Decision {
    let mut decision = ask(sources, gate, known, |question| match gate.kind {
        InitiativeKind::Admission => decide(question),
        InitiativeKind::Enablement => {
            let paused = question.paused.map(|reason| Hold {
                guard: Guard::Pause,
                sentence: format!("was paused: {reason}; `aksgate rollout resume` lets it go on"),
                opens: None,
            });
            let (past, closed): (Vec<Hold>, Vec<Hold>) = question
                .closed
                .iter()
                .chain(&paused)
                .cloned()
                .partition(|hold| question.overrides.contains(&hold.guard) && hold.guard.can_be_overridden());
            let decision = decide_enablement(gate.target, question.standing, gate.soak, &closed, question.now);
            let acts = decision.position > question.standing.map_or(Position::Off, |standing| standing.position);
            Decision {
                overridden: if acts { past } else { Vec::new() },
                ..decision
            }
        }
    });
    let stands = known
        .standing
        .as_ref()
        .map_or(Position::Off, |standing| standing.position);
    let most = match sources.controls.orders.get(&gate.name) {
        None => return decision,
        Some(Order::Pause { .. } | Order::Resume | Order::Relax { .. }) => stands,
        Some(Order::Undo { .. }) => undone_to(sources, gate, known.furthest).unwrap_or(stands).min(stands),
    };
    decision.position = decision.position.min(most.max(Position::Audit));
    decision.overridden.clear();
    decision
}

/// Returns how far back a gate is to go that is closed as far as `furthest`, if a person asks for that.
pub(super) fn undone_to(sources: Sources<'_>, gate: &Gate, furthest: Position) -> Option<Position> {
    let Some(Order::Undo { to, .. }) = sources.controls.orders.get(&gate.name) else {
        return None;
    };
    let way = ladder(sources, gate).positions();
    let before = way.into_iter().take_while(|position| *position < furthest).last();
    Some(to.or(before).unwrap_or(furthest).max(Position::Audit))
}

fn window(sources: Sources<'_>) -> Option<Hold> {
    let windows = sources.environment.rollout.windows.as_ref()?;
    let (sentence, opens) = windows.closed(sources.now)?;
    Some(Hold {
        guard: Guard::Window,
        sentence,
        opens,
    })
}

/// What the environment that a gate comes from has of it.
fn source(sources: Sources<'_>, gate: &Gate, digest: &str) -> Option<Source> {
    let name = sources.environment.rollout.promotes_from.clone()?;
    let found = match &sources.controls.source {
        None => Err("it was not looked at".to_owned()),
        Some(Err(why)) => Err(why.clone()),
        Some(Ok(observed)) => Ok(source_gate(sources, observed, (&name, gate), digest)),
    };
    Some(Source {
        environment: name,
        found,
    })
}

fn source_gate(
    sources: Sources<'_>,
    observed: &Observed,
    (name, gate): (&str, &Gate),
    digest: &str,
) -> Option<SourceGate> {
    let owned = observed.owned(&sources.estate.owner, name);
    let assigned =
        owned.filter(|(object, mark)| object.kind == crate::kinds::Kind::PolicyAssignment && mark.gate == gate.name);
    let same = |object: &LiveObject| object.mark_state().is_some_and(|state| state.digest == digest);
    // Of several generations the one with this content counts.
    let (object, _) = assigned.max_by_key(|(object, mark)| (same(object), mark.generation))?;
    let rings = sources
        .estate
        .environments
        .get(name)
        .map(|from| from.rollout.rings.as_slice());
    let ladder = match gate.kind {
        InitiativeKind::Admission => Ladder::new(rings.unwrap_or_default()),
        InitiativeKind::Enablement => Ladder::new(&[]),
    };
    Some((
        super::closing::standing((gate, None), ladder, object, digest),
        same(object),
    ))
}

/// Returns what a position is called for gates of a kind.
pub(super) fn position_name(gate: &Gate, ladder: Ladder<'_>, position: Position) -> String {
    match position {
        Position::Deny => gate.kind.stage_name(Stage::Deny),
        position => ladder.name(position),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A gate that asks for deny.
    pub fn gate() -> Gate {
        Gate {
            name: "g".into(),
            initiative: "i".into(),
            target: Stage::Deny,
            soak: Period::from_seconds(60),
            max_violations: 0,
            exclude_namespaces: Vec::new(),
            parameters: BTreeMap::new(),
            identity: None,
            kind: InitiativeKind::Admission,
            renamed_from: None,
        }
    }
}
