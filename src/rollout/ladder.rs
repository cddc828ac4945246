//! From where a gate stands to where it goes.

use super::guards::{self, Source};
use super::{Decision, GateEvidence, Guard, Hold, Ladder, Position, Standing, Uncovered, soak_hold};
use crate::model::{Period, Stage, Timestamp};

/// Everything that the next position is decided on.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The stage to reach.
    pub target: Stage,
    /// The way there.
    pub ladder: Ladder<'a>,
    /// Where the gate stands; none if it is not assigned.
    pub standing: Option<&'a Standing>,
    /// How long it has to stand at a position.
    pub soak: Period,
    /// How long after a change a report counts.
    pub settle: Period,
    /// How many violations there may be in a ring that is closed.
    pub max_violations: u64,
    /// What is known of the clusters; none if nothing was read.
    pub evidence: Option<&'a GateEvidence>,
    /// What is known of the clusters from the assignments of parts, each with the number of the part's ring; none of one that says nothing
    /// of the part as it is meant.
    pub parts: &'a [(usize, Option<&'a GateEvidence>)],
    /// The clusters in scope on which the gate would not act.
    pub uncovered: &'a [Uncovered],
    /// Whether stopped clusters hold a step.
    pub stopped_hold: bool,
    /// The environment that the gate comes from; none if it comes from nowhere.
    pub source: Option<&'a Source>,
    /// Guards that were found closed elsewhere.
    pub closed: &'a [Hold],
    /// Guards that a step may be taken past.
    pub overrides: &'a [Guard],
    /// Why the gate was paused, if it is.
    pub paused: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Question<'a> {
    /// Returns what the closing of a ring is decided on: a ring that goes through clusters has records of its own.
    pub(super) fn decisive(&self, ring: usize) -> Option<&'a GateEvidence> {
        if !self.ladder.area(ring).divides_clusters() {
            return self.evidence;
        }
        self.of_parts(ring).next().flatten()
    }

    /// Returns everything that says whether a ring that is closed is sound: of each assignment that acts there.
    pub(super) fn heard(&self, ring: usize) -> Vec<Option<&'a GateEvidence>> {
        let parts = self.of_parts(ring);
        if !self.ladder.area(ring).divides_clusters() {
            return std::iter::once(self.evidence).chain(parts).collect();
        }
        let found: Vec<_> = parts.collect();
        if found.is_empty() { vec![None] } else { found }
    }

    fn of_parts(&self, ring: usize) -> impl Iterator<Item = Option<&'a GateEvidence>> {
        let parts = self.parts.iter().filter(move |(of, _)| *of == ring);
        parts.map(|(_, evidence)| *evidence)
    }
}

/// Decides where a gate goes from where it stands.
///
/// Never lower than it stands, unless the target is `off`; never more than one position further; past audit only if every guard is open
/// or overridden.
pub fn decide(question: &Question<'_>) -> Decision {
    let target = Position::of(question.target);
    if target == Position::Off {
        return Decision::still(Position::Off);
    }
    let found = question.standing.map_or(Position::Off, |standing| standing.position);
    let stays = found.max(Position::Audit);
    let remark = question
        .standing
        .and_then(|standing| by_hand(question, standing, stays));
    let next = question.ladder.next(stays).filter(|_| stays < target);
    let Some(next) = next else {
        let further = (stays > target).then(|| {
            format!(
                "stands at {}, further than its target {target}; `aksgate rollout undo` opens it again",
                question.ladder.name(stays)
            )
        });
        return Decision {
            remark: remark.or(further),
            ..Decision::still(stays)
        };
    };
    let holds = holds(question, stays);
    let (overridden, holds): (Vec<Hold>, Vec<Hold>) = holds
        .into_iter()
        .partition(|hold| hold.guard.can_be_overridden() && question.overrides.contains(&hold.guard));
    let first = found < Position::Audit;
    if holds.is_empty() && !first {
        let held = question.ladder.next(next).filter(|_| next < target).map(|after| {
            let soak = soak_hold(&question.ladder.name(next), None, question.soak, question.now);
            (after, vec![soak.unwrap_or_else(one_at_a_time)])
        });
        return Decision {
            position: next,
            held,
            overridden,
            remark,
        };
    }
    let holds = if holds.is_empty() { vec![one_at_a_time()] } else { holds };
    Decision {
        held: Some((next, holds)),
        remark,
        ..Decision::still(stays)
    }
}

/// A step that nothing holds but that an apply takes one only.
fn one_at_a_time() -> Hold {
    Hold {
        guard: Guard::Soak,
        sentence: "an apply takes one step; the next one takes this".to_owned(),
        opens: None,
    }
}

fn by_hand(question: &Question<'_>, standing: &Standing, stays: Position) -> Option<String> {
    let marked = standing.marked?;
    let what = match (standing.position > marked, stays >= marked) {
        _ if standing.position == marked => return None,
        (true, _) => "left as it is",
        (false, true) => "put back",
        (false, false) => "not put back, for it has to climb again",
    };
    let name = |position| question.ladder.name(position);
    Some(format!(
        "stands at {} though its mark says {}: changed by hand, {what}",
        name(standing.position),
        name(marked)
    ))
}

/// Every guard that is closed for the step from `stays`.
fn holds(question: &Question<'_>, stays: Position) -> Vec<Hold> {
    let ladder = question.ladder;
    // What was changed by hand has not stood there since the mark says so.
    let since = question
        .standing
        .filter(|standing| standing.position == stays && standing.marked.is_none_or(|marked| marked == stays))
        .and_then(|standing| standing.since);
    let ring = ladder.closed(stays);
    let mut holds = Vec::new();
    holds.extend(question.paused.map(|reason| Hold {
        guard: Guard::Pause,
        sentence: format!("was paused: {reason}; `aksgate rollout resume` lets it go on"),
        opens: None,
    }));
    holds.extend(soak_hold(&ladder.name(stays), since, question.soak, question.now));
    holds.extend(guards::coverage(question, ring));
    holds.extend(question.closed.iter().cloned());
    match question.decisive(ring) {
        None => holds.push(guards::no_data()),
        Some(evidence) => {
            holds.extend(guards::freshness(question, ring, evidence));
            holds.extend(guards::violations(question, ring, evidence));
        }
    }
    holds.extend(guards::inner_rings(question, ring));
    holds.extend(question.source.and_then(|source| guards::source(question, source)));
    holds.sort_by_key(|hold| hold.guard);
    holds
}
