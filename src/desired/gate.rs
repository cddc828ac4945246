//! One gate: its set definition where it has one of its own, and its assignments, put at the position that the rollout allows.
//!
//! A gate has one assignment for each generation of its content: a change that tightens, or cannot be compared, of a gate that denies
//! climbs as a second assignment beside the first one, which goes only when it is overtaken. So there is never a gap.

use super::by_hand::taken_back;
use super::checks::properties;
use super::closing::{
    closed_rings, denies_in_part, denies_somewhere, further, overrides, points_at, put_overrides, standing,
};
use super::content::{Definition, definition, no_effect, parameters};
use super::identity::{identity, roles};
use super::kept::{as_it_is, held, held_generation, keep, keep_objects};
use super::parts::{Other, Whole, declared};
use super::rollout::{GateRollout, Known, Order, ask, decision, ladder, needs_approval, position_name, undone_to};
use super::{Desired, DesiredError, DesiredObject, Sources, overlap, rules};
use crate::config::{Gate, InitiativeKind};
use crate::diff::digest;
use crate::kinds::{Direction, Kind};
use crate::lock::Unaccepted;
use crate::model::{MARK_KEY, Mark, MarkState, ResourceId, STATE_KEY, Stage, WHOLE};
use crate::observed::LiveObject;
use crate::remark::Finding;
use crate::rollout::{Decision, Guard, Hold, Position, Standing, Uncovered, overtaken};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// How many overrides an assignment takes (governance/policy/concepts/assignment-structure).
pub(super) const MOST_OVERRIDES: usize = 10;

/// A live assignment, and whose it is.
pub(super) type Assigned<'a> = (&'a LiveObject, Mark);

/// A gate with what is known of it.
pub(super) struct Case<'a> {
    pub(super) sources: Sources<'a>,
    pub(super) gate: &'a Gate,
    pub(super) definition: Definition,
    parameters: Map<String, Value>,
    pub(super) digest: String,
    /// Its live assignments of all of the gate, oldest generation first.
    pub(super) live: Vec<Assigned<'a>>,
    /// Those of its parts, in the same order.
    pub(super) parts: Vec<Assigned<'a>>,
    uncovered: &'a [Uncovered],
}

/// What an assignment closes.
pub(super) struct Shape<'s> {
    /// The stage that holds everywhere.
    pub(super) stage: Stage,
    /// The locations in which it denies besides.
    pub(super) locations: BTreeSet<String>,
    /// The namespaces that it is limited to, if it is.
    pub(super) namespaces: Option<&'s [String]>,
}

pub(super) fn add(
    desired: &mut Desired,
    sources: Sources<'_>,
    gate: &Gate,
    uncovered: &[Uncovered],
) -> Result<(), DesiredError> {
    let (live, parts) = live_assignments(sources, gate);
    if gate.target == Stage::Off {
        desired.rollouts.extend(as_it_is(sources, gate, &live));
        return Ok(()); // an assignment that is there is no longer wanted
    }
    desired.findings.extend(rules::findings(sources, gate));
    let definition = definition(sources, gate)?;
    let parameters = parameters(gate, &definition)?;
    let content = digest(&json!({"content": definition.content, "parameters": parameters}));
    let case = Case {
        sources,
        gate,
        definition,
        parameters,
        digest: content.chars().take(16).collect(),
        live,
        parts,
        uncovered,
    };
    case.fits_in_overrides()?;
    case.add(desired)
}

impl<'a> Case<'a> {
    fn add(self, desired: &mut Desired) -> Result<(), DesiredError> {
        let (sources, gate) = (self.sources, self.gate);
        let enables = gate.kind == InitiativeKind::Enablement;
        let all = (self.live.as_slice(), self.parts.as_slice());
        let identity = identity(sources, gate)?;
        let fits = |object: &LiveObject| {
            points_at(object, &self.definition.id) && identity.as_ref().is_none_or(|identity| identity.fits(object))
        };
        let in_part = |(object, _): &Assigned<'_>| denies_in_part(object, &self.definition);
        if !enables && self.live.iter().any(in_part) {
            keep(desired, sources, gate, all, "override", DENIES_IN_PART.to_owned());
            return Ok(());
        }
        if let Some(sentence) = self.outside() {
            keep(desired, sources, gate, all, "state", sentence);
            return Ok(());
        }
        let same = self.same(&fits)?;
        let newest = self.live.last();
        let unaccepted = sources
            .unaccepted
            .get(&gate.name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        // A successor would be what Azure has now, and take the place of what was accepted.
        let differs: Vec<&str> = unaccepted
            .iter()
            .filter(|found| found.differs)
            .map(|found| found.sentence.as_str())
            .collect();
        if same.is_none() && !self.live.is_empty() && !differs.is_empty() {
            keep(desired, sources, gate, all, "lock", differs.join("; "));
            return Ok(());
        }
        let stands = match gate.kind {
            InitiativeKind::Admission => same,
            // A successor with another content reports first, whatever its predecessor deploys.
            InitiativeKind::Enablement => same.or(newest.filter(|(object, _)| has_digest(object, &self.digest))),
        };
        // A successor of what does not deny takes its place as it stands, and no more than that.
        let stands = stands.or(newest.filter(|assigned| !enables && !self.denies(assigned)));
        let known = Known {
            standing: stands.map(|(object, _)| self.standing(object)),
            assignment: same.map(|(object, _)| *object),
            furthest: self.furthest(),
            digest: &self.digest,
            uncovered: self.uncovered,
            closed: unaccepted.iter().map(lock_hold).collect(),
            paused: self.paused(newest),
            parts: self.heard_parts(same.map(|(_, mark)| mark)),
        };
        let decision = decision(sources, gate, &known);
        desired
            .findings
            .extend(decision.remark.iter().map(|remark| finding(gate, remark.clone())));
        desired.findings.extend(self.overridden(&decision));
        desired.findings.extend(self.empty_rings());
        if let Some(held) = held(sources, gate, &decision) {
            desired.held.push(held);
        }
        let (mark, id) = match same {
            Some((object, mark)) => (mark.clone(), Some(object.id.clone())),
            None => (mark(sources, &gate.name, self.next_generation()), None),
        };
        let path = format!(
            "{}/providers/Microsoft.Authorization/policyAssignments/{}",
            sources.environment.scope.path(),
            mark.assignment_name()
        );
        let Some(id) = id.or_else(|| ResourceId::parse(&path)) else {
            return Ok(());
        };
        let parts = declared(sources, gate, &mark);
        let mut wanted = self.needed(&parts, &decision);
        wanted.push(&id);
        let there = |id: &&&ResourceId| sources.observed.get(Kind::PolicyAssignment, id).is_some();
        let made: Vec<&ResourceId> = wanted.iter().filter(|id| !there(id)).copied().collect();
        if let Some(sentence) = self.taken(&wanted).or_else(|| self.full(&made)) {
            keep(desired, sources, gate, all, "state", sentence);
            return Ok(());
        }
        let higher = self.higher(desired, (&id, mark.generation, &known), &decision);
        let replaces = match same {
            Some(_) => None,
            None => newest
                .filter(|(object, _)| !higher.contains(object))
                .map(|(object, before)| {
                    let why = if before.gate != gate.name {
                        "the gate has another name, and an assignment cannot be renamed"
                    } else if points_at(object, &self.definition.id) && fits(object) {
                        "the gate's content is another one, and what climbs begins anew"
                    } else if points_at(object, &self.definition.id) {
                        "its location or its identity is another one, and an assignment cannot be moved to it"
                    } else {
                        "the gate's definition is another one, and an assignment cannot be moved to it"
                    };
                    (object.id.clone(), why.to_owned())
                }),
        };
        let mut beyond = match (same, sources.controls.orders.get(&gate.name)) {
            (Some((object, _)), None | Some(Order::Relax { .. })) if !enables => {
                further((ladder(sources, gate), &self.definition), object, decision.position)
            }
            _ => BTreeSet::new(),
        };
        if sources.controls.still {
            // Where a ring is that it was not put in, somebody closed it.
            let ladder = ladder(sources, gate);
            let rings = ladder.locations(ladder.steps());
            beyond.retain(|location| !rings.contains(&location.as_str()));
        }
        if !beyond.is_empty() {
            let names: Vec<&str> = beyond.iter().map(String::as_str).collect();
            let sentence = format!(
                "denies in {} too, which its position does not say: left as it is",
                names.join(", ")
            );
            desired.findings.push(finding(gate, sentence));
        }
        let state = self.state(&decision, (newest, same), known.paused.clone());
        desired
            .rollouts
            .push(self.told(&known, &decision, (&mark, &state), &higher));
        let shape = self.whole(decision.position, beyond);
        let mut body = self.body(&shape, &mark, same.map(|(object, _)| *object), &state)?;
        if let Some(identity) = &identity {
            identity.state(&mut body);
        }
        let own = &self.definition.own;
        let mut depends_on: Vec<(Kind, ResourceId)> = own.iter().map(|own| (own.kind, own.id.clone())).collect();
        let whole = Whole {
            id: &id,
            mark: &mark,
            decision: &decision,
            stands: known
                .standing
                .as_ref()
                .map(|standing| (standing.position, standing.since)),
        };
        let denying = self.add_parts(desired, &parts, whole, &depends_on)?;
        depends_on.extend(denying);
        let overlaps = overlap::findings(sources, gate, &self.definition.id);
        desired.findings.extend(overlaps.iter().cloned());
        desired.overlaps.extend(overlaps);
        if let Some((object, _)) = same {
            desired.findings.extend(hand_made(gate, object, &body));
        }
        desired.findings.extend(self.below());
        if let Some(identity) = &identity {
            let live = same.map(|(object, _)| *object);
            roles(desired, sources, (gate, &mark), identity, (&id, live));
        }
        let meanings = self.definition.meanings;
        desired.objects.extend(self.definition.rules);
        desired.objects.extend(self.definition.own);
        desired.objects.push(DesiredObject {
            kind: Kind::PolicyAssignment,
            id,
            gate: Some(gate.name.clone()),
            body: body.into(),
            depends_on,
            replaces,
            meanings,
        });
        Ok(())
    }

    pub(super) fn standing(&self, object: &LiveObject) -> Standing {
        let ladder = ladder(self.sources, self.gate);
        let mark = object.mark();
        let parts = mark.map(|mark| declared(self.sources, self.gate, &mark));
        let gate = (self.gate, Some(&self.definition));
        standing(gate, ladder, (object, &parts.unwrap_or_default()), &self.digest)
    }

    /// How far the gate is closed by whichever of its assignments.
    fn furthest(&self) -> Position {
        let positions = self.live.iter().map(|(object, _)| self.standing(object).position);
        let orphans = self.orphans();
        let parts = orphans
            .values()
            .filter_map(|parts| Some(self.closed_by_parts(&parts.first()?.1)));
        positions.chain(parts).max().unwrap_or(Position::Off)
    }

    /// How far the parts of a generation close the gate, without an assignment of the whole.
    pub(super) fn closed_by_parts(&self, mark: &Mark) -> Position {
        let parts = declared(self.sources, self.gate, mark);
        closed_rings(ladder(self.sources, self.gate), &BTreeSet::new(), &parts)
    }

    /// The generation that begins now. One whose assignment of the whole is gone or did not come to be, and that holds the same, is
    /// taken up again.
    fn next_generation(&self) -> u32 {
        let all = self.live.iter().chain(&self.parts).map(|(_, mark)| mark.generation);
        let newest = all.max().unwrap_or(0);
        let again = self.orphans().get(&newest).is_some_and(|parts| {
            let mut parts = parts.iter();
            parts.all(|(part, mark)| {
                let same = has_digest(part, &self.digest) && points_at(part, &self.definition.id);
                same && mark.gate == self.gate.name
            })
        });
        if again { newest } else { newest.saturating_add(1) }
    }

    /// The assignment that carries the wanted content, or may be changed in place to carry it.
    fn same(&self, fits: &dyn Fn(&LiveObject) -> bool) -> Result<Option<&Assigned<'a>>, DesiredError> {
        // What stands under the gate's former name is a generation before: a name cannot be changed.
        let named = |mark: &Mark| mark.gate == self.gate.name;
        let fitting = || {
            let all = self.live.iter().rev();
            all.filter(|(object, mark)| named(mark) && fits(object))
        };
        if self.gate.kind == InitiativeKind::Enablement {
            return Ok(fitting().next());
        }
        if let Some(found) = fitting().find(|(object, _)| has_digest(object, &self.digest)) {
            return Ok(Some(found));
        }
        let Some(newest) = self.live.last().filter(|(object, mark)| named(mark) && fits(object)) else {
            return Ok(None);
        };
        let in_place = !self.denies(newest) || self.only_weakens(newest)?;
        Ok(in_place.then_some(newest))
    }

    /// Whether the wanted content lets through more than a live assignment does, and holds nothing back besides: then nobody is hit by a
    /// change in place.
    fn only_weakens(&self, (object, mark): &Assigned<'_>) -> Result<bool, DesiredError> {
        let position = self.standing(object).position;
        let beyond = further((ladder(self.sources, self.gate), &self.definition), object, position);
        let state = object.mark_state().unwrap_or_default();
        let body = self.body(&self.whole(position, beyond), mark, Some(object), &state)?;
        let kind = object.kind;
        let (before, after) = (
            object.comparable(),
            kind.comparable(&kind.merged(&body, Some(&object.wire))),
        );
        let direction =
            |from: &Value, to: &Value| Direction::of(&kind.directions(Some(from), Some(to), &self.definition.meanings));
        let (there, back) = (direction(&before, &after), direction(&after, &before));
        Ok(there == Direction::Neutral || there == Direction::Weakens && back == Direction::Tightens)
    }

    /// Why the gate is paused, if it is: as its newest assignment says, or as a person asks now.
    fn paused(&self, newest: Option<&Assigned<'_>>) -> Option<String> {
        let state = newest.and_then(|(object, _)| object.mark_state());
        let live = state.and_then(|state| state.paused);
        match self.sources.controls.orders.get(&self.gate.name) {
            Some(Order::Undo { reason, .. }) => Some(reason.clone()),
            _ => live,
        }
    }

    /// Says what is there under a name that is needed and does not carry our mark.
    fn taken(&self, ids: &[&ResourceId]) -> Option<String> {
        let (sources, definition) = (self.sources, &self.definition);
        let wanted = definition
            .rules
            .iter()
            .chain(&definition.own)
            .map(|own| (own.kind, &own.id));
        let assignments = ids.iter().map(|id| (Kind::PolicyAssignment, *id));
        let taken = wanted.chain(assignments).find_map(|(kind, id)| {
            let object = sources.observed.get(kind, id)?;
            let ours = object.owned_mark(&sources.estate.owner, &sources.environment.name);
            ours.is_none().then_some(object)
        })?;
        Some(format!(
            "a {} `{}` is there and does not carry the mark of this environment, so it is not touched; give it back its \
             `metadata.{MARK_KEY}`, or delete it and plan again",
            taken.kind.label(),
            taken.id.name()
        ))
    }

    /// The rings have to fit what one assignment takes, and that at every position.
    fn fits_in_overrides(&self) -> Result<(), DesiredError> {
        let ladder = ladder(self.sources, self.gate);
        let most = ladder
            .locations(ladder.steps())
            .into_iter()
            .map(str::to_owned)
            .collect();
        let found = overrides(&self.definition, &most).len();
        if found <= MOST_OVERRIDES {
            return Ok(());
        }
        Err(DesiredError::Limit {
            label: Kind::PolicyAssignment.label(),
            name: self.gate.name.clone(),
            field: "overrides".to_owned(),
            found,
            unit: "entries",
            limit: MOST_OVERRIDES,
        })
    }

    /// Keeps the assignments that are closed further than the one that is written, and those that its clusters do not yet do without.
    fn higher(
        &self,
        desired: &mut Desired,
        (id, generation, known): (&ResourceId, u32, &Known<'_>),
        decision: &Decision,
    ) -> Vec<&'a LiveObject> {
        let (sources, gate) = (self.sources, self.gate);
        let enables = gate.kind == InitiativeKind::Enablement;
        let ladder = ladder(sources, gate);
        let undone = undone_to(sources, gate, known.furthest);
        let mut higher = Vec::new();
        for earlier in self.others(id, generation) {
            let stands = earlier.stands;
            let sentence = if enables {
                // Who asks for no more than audit asks for the end of what deploys.
                let over = stands > decision.position && Position::of(gate.target) > decision.position;
                over.then(|| STILL_ENFORCES.to_owned())
            } else if !earlier.objects.iter().any(|object| denies_somewhere(object)) {
                None
            } else if let Some(to) = undone.filter(|to| stands > *to) {
                // What the asked position keeps closed is kept closed by the one that closes it: whatever climbs beside it stands lower,
                // or was not heard of yet. At audit nothing is to be kept.
                match self.undo_of(&earlier, to) {
                    Ok((kept, back)) => {
                        keep_objects(desired, sources, gate, &kept);
                        if let Some(back) = back {
                            desired
                                .objects
                                .retain(|kept| kept.kind != back.kind || kept.id != back.id);
                            desired.objects.push(back);
                        }
                        higher.extend(kept);
                        None
                    }
                    Err(sentence) => Some(sentence),
                }
            } else if let Some(assignment) = known.assignment {
                let asked = Known {
                    standing: Some(self.standing(assignment)),
                    assignment: Some(assignment),
                    paused: None,
                    closed: Vec::new(),
                    parts: known.parts.clone(),
                    ..*known
                };
                // Where it stands in Azure counts, not where this plan puts it.
                let hold = ask(sources, gate, &asked, |question| overtaken(question, stands));
                hold.map(|hold| hold.sentence)
            } else {
                let name = ladder.name(stands);
                Some(format!(
                    "stands at {name} and stays while its successor climbs, so that nothing opens"
                ))
            };
            if let Some(sentence) = sentence {
                let what = if earlier.mark.gate == gate.name {
                    format!("removal of generation {}", earlier.mark.generation)
                } else {
                    format!("removal of `{}`, as it was called before", earlier.mark.gate)
                };
                desired.held.push(held_generation(gate, what, sentence));
                keep_objects(desired, sources, gate, &earlier.objects);
                higher.extend(earlier.objects);
            }
        }
        higher
    }

    /// What of another generation stays when the gate is taken back to a position, and its assignment of the whole as it is to be then.
    fn undo_of(
        &self,
        earlier: &Other<'a>,
        to: Position,
    ) -> Result<(Vec<&'a LiveObject>, Option<DesiredObject>), String> {
        if to == Position::Audit {
            return Ok((Vec::new(), None));
        }
        let mut kept = self.parts_within(&earlier.mark, to);
        let whole = self
            .live
            .iter()
            .find(|(_, mark)| mark.generation == earlier.mark.generation);
        let Some((object, mark)) = whole else {
            return Ok((kept, None));
        };
        let Some(back) = taken_back(self.sources, self.gate, (object, mark), to) else {
            let ladder = ladder(self.sources, self.gate);
            let (stands, to) = (ladder.name(earlier.stands), ladder.name(to));
            return Err(format!(
                "stands at {stands}, and what it holds is not known well enough to take it back to {to} alone; `--to audit` takes all \
                 of it back"
            ));
        };
        kept.push(*object);
        Ok((kept, Some(back)))
    }

    /// What the mark will say.
    fn state(
        &self,
        decision: &Decision,
        (newest, same): (Option<&Assigned<'_>>, Option<&Assigned<'_>>),
        paused: Option<String>,
    ) -> MarkState {
        let gate = self.gate;
        let position = match gate.kind {
            InitiativeKind::Admission => decision.position.to_string(),
            InitiativeKind::Enablement => gate.kind.stage_name(decision.position.everywhere()),
        };
        let live = same.or(newest).and_then(|(object, _)| object.mark_state());
        let mut state = MarkState {
            position,
            digest: self.digest.clone(),
            overrides: live.as_ref().map(|live| live.overrides.clone()).unwrap_or_default(),
            weakened: live.and_then(|live| live.weakened),
            ..MarkState::default()
        };
        if let Some(reason) = paused {
            state.pause(&reason);
        }
        for hold in &decision.overridden {
            let overrides = self.sources.controls.overrides.iter();
            for (_, reason) in overrides.filter(|(guard, _)| *guard == hold.guard) {
                let position = state.position.clone();
                state.add_override(hold.guard.name(), &position, reason);
            }
        }
        // `since` is kept while position and digest are; otherwise the run that writes sets it. What somebody closed
        // everywhere by hand stands there already, and its mark goes on saying where it was put.
        let kept = same.and_then(|(object, _)| {
            let live = object.mark_state().filter(|live| live.digest == state.digest)?;
            let by_hand = decision.position == Position::Deny && self.standing(object).position == Position::Deny;
            (live.position == state.position || by_hand).then_some(live)
        });
        if let Some(kept) = kept {
            state.position = kept.position;
            state.since = kept.since;
        }
        state
    }

    /// What a reader is told of the gate's way.
    fn told(
        &self,
        known: &Known<'_>,
        decision: &Decision,
        (mark, state): (&Mark, &MarkState),
        higher: &[&LiveObject],
    ) -> GateRollout {
        let (sources, gate) = (self.sources, self.gate);
        let ladder = ladder(sources, gate);
        let name = |position| position_name(gate, ladder, position);
        let before = self.live.iter().filter(|(object, _)| higher.contains(object));
        let stands = known.standing.as_ref().map(|standing| standing.position);
        let step = (stands.unwrap_or(Position::Off), decision.position);
        GateRollout {
            gate: gate.name.clone(),
            way: ladder.positions().into_iter().map(|at| (at, name(at))).collect(),
            stands,
            since: known.standing.as_ref().and_then(|standing| standing.since),
            goes: decision.position,
            by_approval: needs_approval(sources, gate, step),
            target: Position::of(gate.target),
            held: decision.held.clone().map(|(position, holds)| (name(position), holds)),
            generation: mark.generation,
            before: before
                .map(|(object, mark)| (mark.generation, name(self.standing(object).position)))
                .collect(),
            paused: state.paused.clone(),
            overrides: state.overrides.clone(),
        }
    }

    /// Says past which guards a step goes, and why.
    fn overridden(&self, decision: &Decision) -> Vec<Finding> {
        let reason = |hold: &Hold| {
            let mut overrides = self.sources.controls.overrides.iter();
            let found = overrides.find(|(guard, _)| *guard == hold.guard);
            found.map(|(_, reason)| reason.clone()).unwrap_or_default()
        };
        let told = decision.overridden.iter().map(|hold| {
            let sentence = format!(
                "goes past the guard `{}`, which is closed: {}; because: {}",
                hold.guard,
                hold.sentence,
                reason(hold)
            );
            finding(self.gate, sentence)
        });
        told.collect()
    }

    /// Says which rings have no cluster: a slip of the pen in a location would make one, and its step would close nothing.
    fn empty_rings(&self) -> Vec<Finding> {
        let ladder = ladder(self.sources, self.gate);
        let clusters = &self.sources.observed.clusters;
        let rings = (0..ladder.steps().saturating_sub(1)).filter(|_| self.gate.target == Stage::Deny);
        let empty = rings.filter(|ring| {
            let mut here = clusters.iter();
            let any = here.any(|cluster| ladder.takes(*ring, &cluster.id, &cluster.location));
            !any && !clusters.is_empty()
        });
        let told = empty.map(|ring| {
            let name = ladder.ring_name(ring);
            finding(
                self.gate,
                format!("no cluster in scope is in ring `{name}`, so the step that closes it refuses nothing"),
            )
        });
        told.collect()
    }

    /// Says which members stay below deny.
    fn below(&self) -> Option<Finding> {
        let definition = &self.definition;
        let denies = self.gate.kind == InitiativeKind::Admission && self.gate.target == Stage::Deny;
        let below: Vec<&str> = definition
            .members
            .iter()
            .filter(|(_, spelling)| spelling.is_none())
            .map(|(reference, _)| reference.as_str())
            .collect();
        let some = definition.members.len() > below.len();
        (denies && some && !below.is_empty()).then(|| {
            let sentence = format!("members that cannot deny stay below: {}", below.join(", "));
            finding(self.gate, sentence)
        })
    }

    /// What the assignment of all of the gate closes at a position, and beyond it.
    fn whole(&self, position: Position, beyond: BTreeSet<String>) -> Shape<'static> {
        let rings = match position {
            Position::Rings(closed) => ladder(self.sources, self.gate).locations(closed),
            _ => Vec::new(),
        };
        Shape {
            stage: position.everywhere(),
            locations: rings.into_iter().map(str::to_owned).chain(beyond).collect(),
            namespaces: None,
        }
    }

    /// The document of an assignment.
    pub(super) fn body(
        &self,
        shape: &Shape<'_>,
        mark: &Mark,
        live: Option<&LiveObject>,
        state: &MarkState,
    ) -> Result<Value, DesiredError> {
        let (sources, gate, definition) = (self.sources, self.gate, &self.definition);
        let stage = shape.stage;
        let rendered = sources.renderer.policy_assignment(
            sources.environment,
            gate,
            (&gate.initiative, &definition.display_name),
            (&definition.id, definition.version.as_deref()),
            &self.parameters,
        )?;
        let forbidden = [
            "metadata.aksgate",
            "metadata.aksgateState",
            "parameters.effect",
            "overrides",
            "enforcementMode",
            "scope",
        ];
        let kind = Kind::PolicyAssignment;
        let mut properties = properties(kind, rendered, &forbidden)?;
        let stated = properties.get("policyDefinitionId").and_then(Value::as_str);
        if stated.is_none_or(|id| !id.eq_ignore_ascii_case(&definition.id)) {
            let (template, field) = (kind.template(), "properties.policyDefinitionId".to_owned());
            return Err(DesiredError::Missing { template, field });
        }
        let version = properties.get("definitionVersion").and_then(Value::as_str);
        if version != definition.version.as_deref() {
            let (template, field) = (kind.template(), "properties.definitionVersion".to_owned());
            return Err(DesiredError::Missing { template, field });
        }
        if properties.get("parameters").and_then(Value::as_object) != Some(&self.parameters) {
            let (template, field) = (kind.template(), "properties.parameters".to_owned());
            return Err(DesiredError::Missing { template, field });
        }
        let mut all = self.parameters.clone();
        let mode = match (gate.kind, stage) {
            (InitiativeKind::Admission, _) => {
                let spelling = stage.effect().spelling(definition.effects.iter().map(String::as_str));
                let effect = spelling.ok_or_else(|| no_effect(gate, stage))?;
                all.insert("effect".to_owned(), json!({ "value": effect }));
                "Default"
            }
            (InitiativeKind::Enablement, Stage::Deny) => "Default",
            (InitiativeKind::Enablement, _) => "DoNotEnforce",
        };
        if let Some(namespaces) = shape.namespaces {
            all.insert("namespaces".to_owned(), json!({ "value": namespaces }));
        }
        properties.insert("parameters".to_owned(), Value::Object(all));
        properties.insert("enforcementMode".to_owned(), Value::from(mode));
        if gate.kind == InitiativeKind::Admission {
            put_overrides(&mut properties, definition, &shape.locations, (stage, live));
        }
        let metadata = properties.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert(MARK_KEY.to_owned(), Value::from(mark.to_text()));
            metadata.insert(STATE_KEY.to_owned(), Value::from(state.to_text()));
        }
        Ok(json!({ "properties": properties }))
    }
}

fn has_digest(object: &LiveObject, digest: &str) -> bool {
    object.mark_state().is_some_and(|state| state.digest == digest)
}

/// The live assignments of the gate that are ours, oldest generation first: those of all of it, and those of its parts.
pub(super) fn live_assignments<'a>(sources: Sources<'a>, gate: &Gate) -> (Vec<Assigned<'a>>, Vec<Assigned<'a>>) {
    let owned = sources.observed.owned(&sources.estate.owner, &sources.environment.name);
    let mut found: Vec<(&LiveObject, Mark)> = owned
        .filter(|(object, mark)| object.kind == Kind::PolicyAssignment && gate.answers_to(&mark.gate))
        .collect();
    found.sort_by(|one, two| (one.1.generation, &one.0.id).cmp(&(two.1.generation, &two.0.id)));
    found.into_iter().partition(|(_, mark)| mark.is_whole())
}

/// Why an assignment that deploys is left alone beside its successor.
const STILL_ENFORCES: &str =
    "the assignment before this one deploys until the new one does; what both report stands twice until then";

const DENIES_IN_PART: &str =
    "overrides that aksgate did not set make a part of the gate deny; this version leaves the whole gate as it is";

fn lock_hold(unaccepted: &Unaccepted) -> Hold {
    Hold {
        guard: Guard::Lock,
        sentence: unaccepted.sentence.clone(),
        opens: None,
    }
}

pub(super) fn mark(sources: Sources<'_>, gate: &str, generation: u32) -> Mark {
    Mark {
        owner: sources.estate.owner.clone(),
        environment: sources.environment.name.clone(),
        gate: gate.to_owned(),
        generation,
        part: WHOLE.to_owned(),
    }
}

pub(super) fn finding(gate: &Gate, sentence: String) -> Finding {
    Finding {
        subject: gate.name.clone(),
        sentence,
    }
}

/// What somebody added by hand to an assignment of ours, and stays.
fn hand_made(gate: &Gate, object: &LiveObject, body: &Value) -> Vec<Finding> {
    let kept = object.kind.comparable(&object.kind.merged(body, Some(&object.wire)));
    let stated = object.kind.comparable(body);
    let properties = |value: &Value| {
        value
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let stated = properties(&stated);
    properties(&kept)
        .into_iter()
        .map(|(key, _)| key)
        // Azure fills these in where they were left out.
        .filter(|key| !stated.contains_key(key) && !matches!(key.as_str(), "definitionVersion" | "assignmentType"))
        .map(|key| {
            let sentence = format!("its assignment carries `{key}`, which aksgate did not set and leaves alone");
            finding(gate, sentence)
        })
        .collect()
}
