//! What a report sums up of an environment: how far each gate is closed ring by ring, what is let off, and how violations went.
//!
//! Owns what counts as open, let off or not due at a cluster, which weakenings are open, and where the lines of a chart run. Must not know
//! how anything was read, nor the page that it is shown on. What is not known is counted apart, never as fine.

pub mod chart;
mod let_off;
#[cfg(test)]
mod tests;
mod trend;

pub use let_off::{LetOff, Sort as LetOffSort, State as LetOffState, let_off};
pub use trend::{Point, Series, series};

use crate::coverage::{Cell, State};
use crate::desired::{GateRollout, Relaxation};
use crate::model::{MarkState, Stage, Timestamp};
use crate::rollout::{Ladder, Position};

/// A ring of a gate's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Its name.
    pub name: String,
    /// What the gate does there.
    pub stage: Stage,
    /// Whether it is a part of clusters, so that none of them belongs to it as a whole.
    pub divides_clusters: bool,
}

/// Returns how far a gate is closed by whichever of its generations: a successor climbs while what was there before stays.
pub fn furthest(way: &GateRollout) -> Position {
    let named = |name: &String| way.way.iter().find(|(_, known)| known == name);
    let before = way.before.iter().filter_map(|(_, name)| named(name));
    let all = before.map(|(position, _)| *position).chain(way.stands);
    all.max().unwrap_or(Position::Off)
}

/// Returns the rings of a way with what a gate does in each that is closed as far as `position`; one ring if there are none.
pub fn rings(ladder: Ladder<'_>, position: Position) -> Vec<Ring> {
    let closed = ladder.closed(position);
    let of = |at: usize| Ring {
        name: ladder.ring_name(at).to_owned(),
        stage: match position {
            Position::Off => Stage::Off,
            _ if at < closed => Stage::Deny,
            _ => Stage::Audit,
        },
        divides_clusters: ladder.area(at).divides_clusters(),
    };
    (0..ladder.steps()).map(of).collect()
}

/// What a gate is at a cluster, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// It was closed there and is open.
    Open,
    /// Nobody can say.
    Unknown,
    /// It is open, and the estate itself lets the cluster off.
    LetOff,
    /// It was not closed there yet.
    NotDue,
    /// It is closed.
    Closed,
}

impl Sort {
    /// All of them, the worst first.
    pub const ALL: [Sort; 5] = [Sort::Open, Sort::Unknown, Sort::LetOff, Sort::NotDue, Sort::Closed];

    /// Returns what a gate is at a cluster.
    pub fn of(cell: &Cell) -> Sort {
        match cell.state {
            State::Closed => Sort::Closed,
            State::Unknown => Sort::Unknown,
            State::Open if cell.is_breach() => Sort::Open,
            State::Open if cell.should_be_closed => Sort::LetOff,
            State::Open => Sort::NotDue,
        }
    }

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Open => "open",
            Sort::Unknown => "unknown",
            Sort::LetOff => "let off",
            Sort::NotDue => "not closed yet",
            Sort::Closed => "closed",
        }
    }

    /// Returns its key in a document for a program.
    pub fn key(self) -> &'static str {
        match self {
            Sort::Open => "open",
            Sort::Unknown => "unknown",
            Sort::LetOff => "letOff",
            Sort::NotDue => "notClosedYet",
            Sort::Closed => "closed",
        }
    }
}

/// How many gates at clusters are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [usize; 5],
}

impl Tally {
    /// Returns the tally of cells.
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Tally {
        let mut tally = Tally::default();
        for cell in cells {
            tally.add(Sort::of(cell), 1);
        }
        tally
    }

    fn add(&mut self, sort: Sort, more: usize) {
        for (count, _) in self
            .counts
            .iter_mut()
            .zip(Sort::ALL)
            .filter(|(_, known)| *known == sort)
        {
            *count = count.saturating_add(more);
        }
    }

    /// Returns how many are that.
    pub fn get(&self, sort: Sort) -> usize {
        let mut counts = self.counts.iter().zip(Sort::ALL);
        counts.find(|(_, known)| *known == sort).map_or(0, |(count, _)| *count)
    }

    /// Returns how many there are.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Returns this tally and another one together.
    pub fn plus(mut self, other: &Tally) -> Tally {
        for sort in Sort::ALL {
            self.add(sort, other.get(sort));
        }
        self
    }
}

/// Returns how bad the worst of a cluster's gates is, for the order of a list: the worst cluster first.
pub fn rank(cells: &[Cell]) -> (Sort, std::cmp::Reverse<usize>) {
    let worst = cells.iter().map(Sort::of).min().unwrap_or(Sort::Closed);
    let count = cells.iter().filter(|cell| Sort::of(cell) == worst).count();
    (worst, std::cmp::Reverse(count))
}

/// Something that holds a gate open, or back, by order of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakening {
    /// The gate.
    pub gate: String,
    /// What it is.
    pub sort: Weakness,
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
    /// Why, as far as that was said.
    pub reason: String,
}

/// What sort of weakening something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// It refuses nothing for a while.
    Relaxed,
    /// The same, in a part of its clusters.
    RelaxedInPart,
    /// It goes no further.
    Paused,
    /// A step was taken past a closed guard.
    Overridden,
    /// An apply weakened it.
    Weakened,
}

impl Weakness {
    /// Returns the words for it.
    pub fn name(self) -> &'static str {
        match self {
            Weakness::Relaxed => "relaxed",
            Weakness::RelaxedInPart => "relaxed in a part of its clusters",
            Weakness::Paused => "paused",
            Weakness::Overridden => "closed past a guard",
            Weakness::Weakened => "weakened by an apply",
        }
    }

    /// Returns whether it goes on acting; the others are told as what happened.
    pub fn is_open(self) -> bool {
        !matches!(self, Weakness::Weakened)
    }
}

/// Returns the weakenings of a gate: its relaxations, and what the mark of its newest assignment tells.
pub fn weakenings(gate: &str, relaxed: &[Relaxation], state: Option<&MarkState>) -> Vec<Weakening> {
    let weakening = |sort, until, reason: &str| Weakening {
        gate: gate.to_owned(),
        sort,
        until,
        reason: reason.to_owned(),
    };
    let relaxed = relaxed.iter().map(|relaxed| {
        let sort = match relaxed.in_part {
            true => Weakness::RelaxedInPart,
            false => Weakness::Relaxed,
        };
        weakening(sort, Some(relaxed.ends), &relaxed.reason)
    });
    let mut found: Vec<Weakening> = Vec::new();
    // One for each of the gate's assignments tells the same.
    for one in relaxed {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    let Some(state) = state else { return found };
    found.extend(
        state
            .paused
            .iter()
            .map(|reason| weakening(Weakness::Paused, None, reason)),
    );
    let overrides = state.overrides.iter();
    found.extend(overrides.map(|entry| weakening(Weakness::Overridden, None, entry)));
    // What was taken back is paused for the same reason.
    let weakened = state
        .weakened
        .iter()
        .filter(|reason| state.paused.as_ref() != Some(reason));
    found.extend(weakened.map(|reason| weakening(Weakness::Weakened, None, reason)));
    found
}
