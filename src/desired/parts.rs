//! The parts of a gate that have an assignment of their own: those of rings of scopes and of namespaces.
//!
//! A scope's assignment is made when its ring closes. That of namespaces is made along with the gate's own, in audit, so that it has records of
//! its own. Once it is there, a part stays as long as its ring is declared, also where the gate denies everywhere: taking the gate back
//! opens no inner ring.

use super::closing::{closes, denies_somewhere, further};
use super::exemptions::reached;
use super::gate::{Assigned, Case, Shape, finding};
use super::rollout::{Order, ladder};
use super::{Desired, DesiredError, DesiredObject, Sources};
use crate::config::{Gate, InitiativeKind};
use crate::kinds::{Kind, Meanings, Plane};
use crate::model::{Area, Mark, MarkState, Part, ResourceId, Scope, Stage, Timestamp};
use crate::observed::LiveObject;
use crate::remark::{Held, Reason};
use crate::rollout::{Decision, Position};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many assignments a scope takes (the Azure subscription-limits page).
const MOST_ASSIGNMENTS: usize = 200;

/// A part as the rings say it, in one generation of a gate, and what is live of it.
pub(super) struct Declared<'a> {
    /// The number of its ring.
    pub ring: usize,
    part: Part<'a>,
    id: ResourceId,
    mark: Mark,
    live: Option<&'a LiveObject>,
}

impl Declared<'_> {
    /// Returns whether its assignment denies in all of it.
    pub fn is_closed(&self) -> bool {
        self.live.is_some_and(closes) && self.is_as_meant()
    }

    /// Whether its live assignment is about what belongs to it now. Somebody may have changed its namespaces by hand.
    fn is_as_meant(&self) -> bool {
        match self.part {
            Part::Scope(_) => true,
            Part::Namespaces(names) => self.live.and_then(namespaces).is_some_and(|live| {
                let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
                live == names
            }),
        }
    }

    fn denies(&self) -> bool {
        self.live.is_some_and(denies_somewhere)
    }

    fn what(&self) -> String {
        match self.part {
            Part::Scope(scope) => format!("`{scope}`"),
            Part::Namespaces([name]) => format!("namespace `{name}`"),
            Part::Namespaces(names) => format!("namespaces {}", names.join(", ")),
        }
    }
}

/// Returns the parts of a gate's generation; `mark` is one of that generation.
pub(super) fn declared<'a>(sources: Sources<'a>, gate: &Gate, mark: &Mark) -> Vec<Declared<'a>> {
    let parts = ladder(sources, gate).parts().into_iter().filter_map(|(ring, part)| {
        let scope = match part {
            Part::Scope(scope) => scope.path(),
            Part::Namespaces(_) => sources.environment.scope.path(),
        };
        let mark = Mark {
            part: part.code(),
            ..mark.clone()
        };
        let name = mark.assignment_name();
        let id = ResourceId::parse(&format!(
            "{scope}/providers/Microsoft.Authorization/policyAssignments/{name}"
        ))?;
        let live = sources.observed.get(Kind::PolicyAssignment, &id);
        let ours = |object: &&LiveObject| {
            object
                .owned_mark(&sources.estate.owner, &sources.environment.name)
                .as_ref()
                == Some(&mark)
        };
        Some(Declared {
            ring,
            part,
            live: live.filter(ours),
            id,
            mark,
        })
    });
    parts.collect()
}

/// The namespaces that an assignment is limited to; none if it is not.
fn namespaces(object: &LiveObject) -> Option<BTreeSet<&str>> {
    let names = object.wire.pointer("/properties/parameters/namespaces/value")?;
    Some(names.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// The assignment that holds all of a gate, as its parts have to be in order with it.
#[derive(Clone, Copy)]
pub(super) struct Whole<'w> {
    /// Its id.
    pub id: &'w ResourceId,
    /// Its mark.
    pub mark: &'w Mark,
    /// Where the gate goes.
    pub decision: &'w Decision,
    /// Where it stands, with since when.
    pub stands: Option<(Position, Option<Timestamp>)>,
}

/// What stands of another generation than the one that is written.
pub(super) struct Other<'a> {
    /// The mark of one of its assignments.
    pub mark: Mark,
    /// The position at which all is closed that it denies.
    pub stands: Position,
    pub objects: Vec<&'a LiveObject>,
}

impl<'a> Case<'a> {
    /// The assignments of parts of a generation.
    pub(super) fn parts_of(&self, generation: u32) -> impl Iterator<Item = &Assigned<'a>> {
        self.parts.iter().filter(move |(_, mark)| mark.generation == generation)
    }

    /// Whether a generation denies anywhere.
    pub(super) fn denies(&self, (object, mark): &Assigned<'_>) -> bool {
        denies_somewhere(object) || self.parts_of(mark.generation).any(|(part, _)| denies_somewhere(part))
    }

    /// The assignments of which the closing of rings is decided, each with the number of its ring; none for one that says nothing of the
    /// part as it is meant.
    pub(super) fn heard_parts(&self, mark: Option<&Mark>) -> Vec<(usize, Option<ResourceId>)> {
        let Some(mark) = mark else { return Vec::new() };
        let parts = declared(self.sources, self.gate, mark);
        let whole = self.live.iter().find(|(_, whole)| whole == mark);
        let whole = whole.filter(|(object, _)| self.standing(object).position == Position::Deny);
        let heard = parts.into_iter().filter_map(|part| match part.part {
            // In a scope that is not closed the gate's own assignment has the records.
            Part::Scope(_) => part.denies().then(|| (part.ring, Some(part.id.clone()))),
            Part::Namespaces(_) if part.is_as_meant() => Some((part.ring, Some(part.id.clone()))),
            // Where the gate denies everywhere a part that was deleted or changed is not made again, and the gate's own assignment has the records.
            Part::Namespaces(_) => Some((part.ring, whole.map(|(object, _)| object.id.clone()))),
        });
        heard.collect()
    }

    /// The generations that have parts and no assignment of the whole: somebody deleted it, or an apply was interrupted.
    pub(super) fn orphans(&self) -> BTreeMap<u32, Vec<&Assigned<'a>>> {
        let mut found: BTreeMap<u32, Vec<&Assigned<'a>>> = BTreeMap::new();
        let whole: BTreeSet<u32> = self.live.iter().map(|(_, mark)| mark.generation).collect();
        for assigned in self.parts.iter().filter(|(_, mark)| !whole.contains(&mark.generation)) {
            found.entry(assigned.1.generation).or_default().push(assigned);
        }
        found
    }

    /// The position at which everything is closed that a generation denies, be it in the order of the rings or not.
    pub(super) fn reach(&self, whole: Option<&LiveObject>, mark: &Mark) -> Position {
        let ladder = ladder(self.sources, self.gate);
        let after = |ring: Option<usize>| match ring.map(|ring| ring.saturating_add(1)) {
            Some(closed) if closed < ladder.steps() => Position::Rings(closed),
            _ => Position::Deny,
        };
        let declared = declared(self.sources, self.gate, mark);
        let denying = self
            .parts_of(mark.generation)
            .filter(|(part, _)| denies_somewhere(part));
        let parts = denying.map(|(object, _)| {
            let part = declared.iter().find(|part| part.id == object.id);
            after(part.map(|part| part.ring))
        });
        let stands = match whole {
            Some(object) => self.standing(object).position,
            None => self.closed_by_parts(mark),
        };
        let judges = self.gate.kind == InitiativeKind::Admission;
        let beyond = whole
            .filter(|_| judges)
            .map(|object| further((ladder, &self.definition), object, stands));
        let places = beyond.into_iter().flatten().map(|place| {
            let takes = |ring: &usize| matches!(ladder.area(*ring), Area::Locations(all) if all.contains(&place));
            after((0..ladder.steps()).find(takes))
        });
        parts.chain(places).fold(stands, Position::max)
    }

    /// The assignments of parts of a generation that lie in the rings which are closed at a position.
    pub(super) fn parts_within(&self, mark: &Mark, to: Position) -> Vec<&'a LiveObject> {
        let closed = ladder(self.sources, self.gate).closed(to);
        let parts = declared(self.sources, self.gate, mark).into_iter();
        parts
            .filter(|part| part.ring < closed)
            .filter_map(|part| part.live)
            .collect()
    }

    /// The generations besides one: what stands of each, the assignment of the whole first.
    pub(super) fn others(&self, id: &ResourceId, generation: u32) -> Vec<Other<'a>> {
        let whole = self.live.iter().filter(|(object, _)| object.id != *id);
        let mut found: Vec<Other<'a>> = whole
            .map(|(object, mark)| {
                let parts = self.parts_of(mark.generation).map(|(part, _)| *part);
                Other {
                    mark: mark.clone(),
                    stands: self.reach(Some(object), mark),
                    objects: std::iter::once(*object).chain(parts).collect(),
                }
            })
            .collect();
        let orphans = self.orphans().into_iter().filter(|(of, _)| *of != generation);
        found.extend(orphans.filter_map(|(_, parts)| {
            Some(Other {
                mark: parts.first()?.1.clone(),
                stands: self.reach(None, &parts.first()?.1),
                objects: parts.into_iter().map(|(part, _)| *part).collect(),
            })
        }));
        found.sort_by_key(|other| other.mark.generation);
        found
    }

    /// Says which scope of a ring does not lie in the environment's: what lies below a management group is known to Azure alone.
    pub(super) fn outside(&self) -> Option<String> {
        let (sources, observed) = (self.sources, self.sources.observed);
        let asked = observed.subscriptions.iter().all(|known| !known.id.starts_with('{'));
        if !asked || !matches!(sources.environment.scope, Scope::ManagementGroup(_)) {
            return None;
        }
        let ladder = ladder(sources, self.gate);
        let within = |scope: &Scope| {
            let id = ResourceId::parse(&scope.path());
            id.is_some_and(|id| observed.is_below(&sources.environment.scope, &id))
        };
        ladder.parts().into_iter().find_map(|(ring, part)| match part {
            Part::Scope(scope) if !within(scope) => Some(format!(
                "ring `{}` names `{scope}`, which does not lie in `{}`; take it out of the ring, or move it there",
                ladder.ring_name(ring),
                sources.environment.scope
            )),
            _ => None,
        })
    }

    /// Says that a scope has no room for the assignments that are to be made.
    pub(super) fn full(&self, made: &[&ResourceId]) -> Option<String> {
        let observed = self.sources.observed;
        made.iter().find_map(|id| {
            let here = |other: &ResourceId| other.scope().eq_ignore_ascii_case(id.scope());
            let objects = observed.objects().chain(&observed.beyond);
            let there = objects.filter(|object| object.kind == Kind::PolicyAssignment && here(&object.id));
            let there: BTreeSet<String> = there.map(|object| object.id.key()).collect();
            let more = made.iter().filter(|other| here(other)).count();
            let place = match self.sources.environment.scope.path().eq_ignore_ascii_case(id.scope()) {
                true => "the scope".to_owned(),
                false => format!("`{}`", id.scope()),
            };
            let room = match more {
                1 => "this one".to_owned(),
                more => format!("{more} more"),
            };
            (there.len().saturating_add(more) > MOST_ASSIGNMENTS).then(|| {
                format!(
                    "{place} has {} policy assignments, and Azure takes {MOST_ASSIGNMENTS}: there is no room for {room}",
                    there.len()
                )
            })
        })
    }

    /// The ids of the parts that are to be there.
    pub(super) fn needed<'d>(&self, parts: &'d [Declared<'a>], decision: &Decision) -> Vec<&'d ResourceId> {
        let needed = parts.iter().filter(|part| self.is_needed(part, decision));
        needed.map(|part| &part.id).collect()
    }

    fn is_needed(&self, part: &Declared<'_>, decision: &Decision) -> bool {
        let closed = part.ring < ladder(self.sources, self.gate).closed(decision.position);
        // Where the gate denies everywhere nothing has to be made; taking it back makes what is missing before it opens anything.
        let ahead = match part.part {
            Part::Namespaces(_) => true,
            // An exemption needs an assignment, and has to be there before that denies.
            Part::Scope(_) => self.exempts_from(part),
        };
        let made = decision.position != Position::Deny && (closed || ahead);
        part.live.is_some() || made
    }

    fn exempts_from(&self, part: &Declared<'_>) -> bool {
        let exemptions = self.sources.environment.exemptions.iter();
        let mut of_gate = exemptions.filter(|exemption| exemption.gate == self.gate.name);
        let now = self.sources.now;
        of_gate
            .any(|exemption| exemption.expires > now && reached(&exemption.resource, (&part.id, &part.mark)).is_some())
    }

    /// Adds the assignments of the parts, and returns those that the whole has to wait for: nothing is opened before they deny, and no
    /// position is claimed that is not reached.
    pub(super) fn add_parts(
        &self,
        desired: &mut Desired,
        parts: &[Declared<'a>],
        whole: Whole<'_>,
        depends_on: &[(Kind, ResourceId)],
    ) -> Result<Vec<(Kind, ResourceId)>, DesiredError> {
        let (sources, gate) = (self.sources, self.gate);
        let closed = ladder(sources, gate).closed(whole.decision.position);
        let mut denying = Vec::new();
        for part in parts.iter().filter(|part| self.is_needed(part, whole.decision)) {
            let is_closed = part.ring < closed;
            let mut object = DesiredObject {
                kind: Kind::PolicyAssignment,
                id: part.id.clone(),
                gate: Some(gate.name.clone()),
                body: Value::Null.into(),
                meanings: self.definition.meanings.clone(),
                depends_on: depends_on.to_vec(),
                replaces: None,
            };
            match part.live.filter(|_| part.denies() && !is_closed && !self.goes_back()) {
                Some(live) => {
                    let sentence = format!(
                        "denies in {} too, which its position does not say: left as it is",
                        part.what()
                    );
                    desired.findings.push(finding(gate, sentence));
                    object.body = live.wire.clone().into();
                }
                None => {
                    let stage = if is_closed { Stage::Deny } else { Stage::Audit };
                    let shape = Shape {
                        stage,
                        locations: BTreeSet::new(),
                        namespaces: match part.part {
                            Part::Scope(_) => None,
                            Part::Namespaces(names) => Some(names),
                        },
                    };
                    object.body = self
                        .body(&shape, &part.mark, part.live, &self.part_state(part, stage))?
                        .into();
                    object.replaces = self.predecessor(part);
                    if is_closed {
                        denying.push((Kind::PolicyAssignment, part.id.clone()));
                    } else {
                        // What takes a gate back says so first, with its pause.
                        object.depends_on.push((Kind::PolicyAssignment, whole.id.clone()));
                    }
                }
            }
            desired.objects.push(object);
        }
        self.keep_taken_out(desired, parts, whole);
        Ok(denying)
    }

    /// Whether a person asks that the gate be taken back.
    fn goes_back(&self) -> bool {
        matches!(
            self.sources.controls.orders.get(&self.gate.name),
            Some(Order::Undo { .. })
        )
    }

    fn part_state(&self, part: &Declared<'_>, stage: Stage) -> MarkState {
        let state = MarkState {
            position: stage.to_string(),
            digest: self.digest.clone(),
            ..MarkState::default()
        };
        let live = part.live.and_then(LiveObject::mark_state);
        let kept = live.filter(|live| live.position == state.position && live.digest == state.digest);
        MarkState {
            since: kept.as_ref().and_then(|kept| kept.since),
            run: kept.and_then(|kept| kept.run),
            ..state
        }
    }

    /// The same part of an earlier generation, if it does not stay beside this one.
    fn predecessor(&self, part: &Declared<'_>) -> Option<(ResourceId, String)> {
        if part.live.is_some() {
            return None;
        }
        let before = self.parts.iter().rev().find(|(object, mark)| {
            mark.part == part.mark.part
                && mark.generation < part.mark.generation
                && object.id.scope().eq_ignore_ascii_case(part.id.scope())
        });
        let before = before.filter(|(object, mark)| {
            let whole = self.live.iter().find(|(_, other)| other.generation == mark.generation);
            !denies_somewhere(object) && whole.is_none_or(|whole| !self.denies(whole))
        });
        before.map(|(object, _)| (object.id.clone(), "its gate's assignment is another one".to_owned()))
    }

    /// Keeps parts whose ring was taken out of the file while what takes their place has not had the time to be everywhere. One whose place
    /// nothing takes goes, and its going is a weakening.
    fn keep_taken_out(&self, desired: &mut Desired, parts: &[Declared<'a>], whole: Whole<'_>) {
        let (sources, gate) = (self.sources, self.gate);
        let settle = sources.environment.rollout.settle;
        let settled = |since: Option<Timestamp>| since.is_some_and(|since| since.plus(settle) <= sources.now);
        let taken_out = self
            .parts_of(whole.mark.generation)
            .filter(|(object, _)| denies_somewhere(object) && !parts.iter().any(|part| part.id == object.id));
        for (object, _) in taken_out {
            let sentence = if whole.decision.position == Position::Deny {
                let stands = whole.stands.filter(|(position, _)| *position == Position::Deny);
                let over = stands.is_some_and(|(_, since)| settled(since));
                (!over).then(|| format!("its ring is gone; stays until the gate has denied everywhere for {settle}"))
            } else if self.goes_back() {
                None
            } else {
                let names = namespaces(object).unwrap_or_default();
                let waits = parts.iter().find(|part| match part.part {
                    Part::Scope(_) => false,
                    Part::Namespaces(all) => {
                        let since = part.live.and_then(LiveObject::mark_state).and_then(|state| state.since);
                        all.iter().any(|name| names.contains(name.as_str())) && !(part.is_closed() && settled(since))
                    }
                });
                waits.map(|part| {
                    let ring = ladder(sources, gate).ring_name(part.ring).to_owned();
                    format!("its namespaces are others; stays until ring `{ring}` has been closed for {settle}, so that nothing opens")
                })
            };
            if let Some(sentence) = sentence {
                desired.held.push(Held {
                    plane: Plane::Policy,
                    subject: gate.name.clone(),
                    what: format!("removal of `{}`", object.id.name()),
                    reasons: vec![Reason {
                        guard: "generation".to_owned(),
                        sentence,
                        opens: None,
                    }],
                });
                desired.objects.push(DesiredObject {
                    kind: object.kind,
                    id: object.id.clone(),
                    gate: Some(gate.name.clone()),
                    body: object.wire.clone().into(),
                    meanings: Meanings::new(),
                    depends_on: Vec::new(),
                    replaces: None,
                });
            }
        }
    }
}

/// Returns whether the rings of an environment go through clusters: then the sets of our own have to let their assignments be limited.
pub(super) fn divides_clusters(sources: Sources<'_>) -> bool {
    let rings = &sources.environment.rollout.rings;
    rings.iter().map(|ring| &ring.area).any(Area::divides_clusters)
}
