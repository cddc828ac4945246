//! A report of environments: a page of HTML, Markdown, JSON, and a few lines for a terminal.
//!
//! What could not be read is told where it would stand, and no sum leaves it out in silence.

mod human;
mod json;
mod markdown;
mod page;
#[cfg(test)]
mod tests;

pub use human::human;
pub use json::{summary, to_json};
pub use markdown::to_markdown;
pub use page::{GENERATOR, to_html};

use super::coverage::Covered;
use super::drift::Comparison;
use super::status::{Gate, Gates};
use crate::compliance;
use crate::drift::What;
use crate::evidence::Count;
use crate::kinds::Direction;
use crate::model::Timestamp;
use crate::report::{LetOff, LetOffState, Ring, Series, Sort, Tally, Weakening, Weakness};
use crate::runtime::Runtime;
use std::collections::BTreeSet;

/// A report.
#[derive(Clone, Debug)]
pub struct Report {
    /// The estate's owner.
    pub owner: String,
    /// The version of the tool.
    pub version: &'static str,
    /// How many clusters of an environment a page lists at most.
    pub limit: usize,
    /// The environments.
    pub environments: Vec<Environment>,
}

/// An environment, and what was read of it.
pub type Environment = super::environment::Environment<Read>;

/// What was read of an environment.
#[derive(Clone, Debug)]
pub struct Read {
    /// Where its gates stand.
    pub gates: Gates,
    /// Each gate's way, in the order of the gates.
    pub ways: Vec<Way>,
    /// Whether its gates are closed at its clusters.
    pub coverage: Part<Covered>,
    /// What breaks its gates.
    pub compliance: Part<compliance::Report>,
    /// The last days.
    pub trend: Part<Days>,
    /// What holds gates open, or back, by order of a person.
    pub weakenings: Vec<Weakening>,
    /// What is let off, what ends first first.
    pub let_off: Vec<LetOff>,
    /// What is not as the estate wants it.
    pub drift: Part<Comparison>,
    /// What watches the clusters.
    pub runtime: Part<Runtime>,
}

/// A part of a report.
#[derive(Clone, Debug)]
pub enum Part<T> {
    /// It was read.
    Read(T),
    /// It could not be read: why.
    Unread(String),
    /// It was not asked for, or there is no such thing here: why.
    Absent(String),
}

/// How far a gate is closed, ring by ring.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Its rings; none if it has no stages, as a switch of Defender.
    pub rings: Vec<Ring>,
    /// What other generations of it stand beside the newest, in words.
    pub beside: Vec<String>,
}

/// The last days of an environment.
#[derive(Clone, Debug)]
pub struct Days {
    /// The gates.
    pub series: Vec<Series>,
    /// Of how many clusters they are.
    pub clusters: usize,
    /// How many clusters there are.
    pub of: usize,
}

impl<T> Part<T> {
    /// Returns what was read.
    pub fn read(&self) -> Option<&T> {
        match self {
            Part::Read(read) => Some(read),
            Part::Unread(_) | Part::Absent(_) => None,
        }
    }

    /// Returns why it could not be read.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Part::Unread(why) => Some(why),
            Part::Read(_) | Part::Absent(_) => None,
        }
    }

    /// Returns why there is no such thing here.
    pub fn absence(&self) -> Option<&str> {
        match self {
            Part::Absent(why) => Some(why),
            Part::Read(_) | Part::Unread(_) => None,
        }
    }

    /// Returns why it is not there, whatever the reason.
    pub fn why_not(&self) -> Option<&str> {
        match self {
            Part::Unread(why) | Part::Absent(why) => Some(why),
            Part::Read(_) => None,
        }
    }
}

impl Read {
    /// Returns what could not be read, each part with why.
    pub fn failures(&self) -> Vec<(&'static str, &str)> {
        let parts = [
            ("coverage", self.coverage.failure()),
            ("violations", self.compliance.failure()),
            ("violations over time", self.trend.failure()),
            ("drift", self.drift.failure()),
            ("run time", self.runtime.failure()),
        ];
        parts.into_iter().filter_map(|(name, why)| Some((name, why?))).collect()
    }

    /// Returns how many gates at clusters are what; none if that could not be read.
    pub fn tally(&self) -> Option<Tally> {
        let covered = self.coverage.read()?;
        Some(Tally::of(covered.cells().map(|(.., cell)| cell)))
    }

    /// Returns how many gates at clusters are what in a ring; none if that could not be read, or if the ring goes through clusters.
    pub fn tally_of(&self, gate: &str, ring: &Ring) -> Option<Tally> {
        let covered = self.coverage.read().filter(|_| !ring.divides_clusters)?;
        let cells = covered
            .cells()
            .filter(|(_, of, cell)| of.name == gate && cell.ring == ring.name);
        Some(Tally::of(cells.map(|(.., cell)| cell))).filter(|tally| tally.total() > 0)
    }

    /// Returns the gates, each with its way.
    pub fn ways(&self) -> impl Iterator<Item = (&Gate, &Way)> {
        self.gates.gates.iter().zip(&self.ways)
    }

    /// Returns how many weakenings go on acting; of the guards that a gate was closed past, one for each gate.
    pub fn open_weakenings(&self) -> usize {
        let open = self.weakenings.iter().filter(|weakening| weakening.sort.is_open());
        let apart = open.map(|one| {
            let reason = (one.sort != Weakness::Overridden).then_some(&one.reason);
            (&one.gate, one.sort, one.until, reason)
        });
        apart.collect::<BTreeSet<_>>().len()
    }
}

/// The sums over all environments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Gates at clusters.
    pub tally: Tally,
    /// Violations.
    pub violations: Count,
    /// Weakenings that go on acting.
    pub weakenings: usize,
    /// Of what is let off, what is over or ends soon.
    pub ending: usize,
    /// All that is let off.
    pub let_off: usize,
    /// Differences that are drift.
    pub drift: usize,
    /// Of these, those that let more through than they should.
    pub weaker: usize,
    /// Open alerts.
    pub alerts: usize,
    /// Where nobody looks, or nobody is told.
    pub blind: usize,
    /// How many environments each of the sums leaves out: coverage, violations, drift, run time, and all others.
    pub left_out: LeftOut,
}

/// How many environments a sum leaves out, as they could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Of gates at clusters.
    pub coverage: usize,
    /// Of violations.
    pub violations: usize,
    /// Of drift.
    pub drift: usize,
    /// Of alerts and blind spots.
    pub runtime: usize,
    /// Of weakenings and what is let off.
    pub others: usize,
}

impl Report {
    /// Returns the environments that were read.
    pub fn read(&self) -> impl Iterator<Item = (&Environment, &Read)> {
        let environments = self.environments.iter();
        environments.filter_map(|environment| Some((environment, environment.read.as_ref().ok()?)))
    }

    /// Returns whether anything that was asked for could not be read.
    pub fn has_failed(&self) -> bool {
        let failed = |environment: &Environment| match &environment.read {
            Ok(read) => !read.failures().is_empty(),
            Err(_) => true,
        };
        self.environments.iter().any(failed)
    }

    /// Returns when it was made, by the clock of what was asked last; none if nothing could be read.
    pub fn time(&self) -> Option<Timestamp> {
        self.read().map(|(_, read)| read.gates.time).max()
    }

    /// Returns the sums over all environments.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for environment in &self.environments {
            let Ok(read) = &environment.read else {
                let out = &mut sums.left_out;
                for count in [
                    &mut out.coverage,
                    &mut out.violations,
                    &mut out.drift,
                    &mut out.runtime,
                    &mut out.others,
                ] {
                    *count += 1;
                }
                continue;
            };
            match read.tally() {
                Some(tally) => sums.tally = sums.tally.plus(&tally),
                None => sums.left_out.coverage += 1,
            }
            match read.compliance.read() {
                Some(report) => sums.violations = sums.violations.plus(report.count()),
                None => sums.left_out.violations += 1,
            }
            match read.drift.read() {
                Some(found) => {
                    sums.drift += found.count();
                    sums.weaker += weaker(found);
                }
                None => sums.left_out.drift += 1,
            }
            match read.runtime.read() {
                Some(runtime) => {
                    sums.alerts += runtime.alerts.len();
                    sums.blind += runtime.blind().len();
                }
                None => sums.left_out.runtime += usize::from(read.runtime.failure().is_some()),
            }
            sums.weakenings += read.open_weakenings();
            sums.let_off += read.let_off.len();
            let ending = read.let_off.iter().filter(|one| is_ending(one.state));
            sums.ending += ending.count();
        }
        sums
    }
}

fn is_ending(state: LetOffState) -> bool {
    matches!(state, LetOffState::Expired | LetOffState::EndsSoon)
}

/// Returns how many differences let more through than they should.
fn weaker(found: &Comparison) -> usize {
    let weaker = found
        .drift
        .iter()
        .filter(|drift| drift.counts() && drift.what != What::NotCompared);
    weaker.filter(|drift| drift.direction == Direction::Weakens).count()
}

fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

/// Returns what a tally says in a few words: what there is of each sort, closed first.
fn tallied(tally: &Tally) -> String {
    let order = [Sort::Closed, Sort::Open, Sort::Unknown, Sort::LetOff, Sort::NotDue];
    let there = order.into_iter().filter(|sort| tally.get(*sort) > 0);
    let words: Vec<String> = there
        .map(|sort| {
            let name = match sort {
                Sort::Open => "OPEN",
                Sort::Unknown => "UNKNOWN",
                sort => sort.name(),
            };
            format!("{} {name}", tally.get(sort))
        })
        .collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}

/// Returns what comes next for a gate, in words, without what holds it.
fn next(gate: &Gate) -> String {
    match &gate.next {
        None if gate.stage.is_none() => "a switch of Defender, without stages".to_owned(),
        None => "at its target".to_owned(),
        Some(next) if next.held.is_empty() => format!("{}: {}", next.position, next.taker.sentence()),
        Some(next) => format!("{}: held", next.position),
    }
}
