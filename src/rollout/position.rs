//! The positions on the way of a gate.

use crate::model::{Area, Part, ResourceId, Ring, Stage};
use std::fmt;

/// How far a gate is closed, and where. A later one closes all that an earlier one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    /// Not assigned.
    Off,
    /// Violations are recorded everywhere.
    Audit,
    /// Violations are refused in so many of the first rings, and recorded everywhere else.
    Rings(usize),
    /// Violations are refused everywhere.
    Deny,
}

impl Position {
    /// Returns the position at which a stage is reached everywhere.
    pub fn of(stage: Stage) -> Position {
        match stage {
            Stage::Off => Position::Off,
            Stage::Audit => Position::Audit,
            Stage::Deny => Position::Deny,
        }
    }

    /// Returns the stage that is reached everywhere.
    pub fn everywhere(self) -> Stage {
        match self {
            Position::Off => Stage::Off,
            Position::Audit | Position::Rings(_) => Stage::Audit,
            Position::Deny => Stage::Deny,
        }
    }

    /// Reads what a mark says.
    pub fn parse(text: &str) -> Option<Position> {
        match text.strip_prefix("deny-") {
            Some(rings) => rings.parse().ok().filter(|rings| *rings > 0).map(Position::Rings),
            None => Stage::parse(text).map(Position::of),
        }
    }
}

/// As a mark says it: `off`, `audit`, `deny-1` for deny in the first ring, `deny`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Rings(rings) => write!(f, "deny-{rings}"),
            other => write!(f, "{}", other.everywhere()),
        }
    }
}

/// The way of a gate: its rings in order, and what is left over as the last one.
#[derive(Clone, Copy, Debug)]
pub struct Ladder<'a> {
    rings: &'a [Ring],
}

impl<'a> Ladder<'a> {
    /// Returns the way through rings; with none, a gate closes everywhere at once.
    pub fn new(rings: &'a [Ring]) -> Ladder<'a> {
        Ladder { rings }
    }

    /// Returns how many steps lead from audit to deny everywhere.
    pub fn steps(self) -> usize {
        let rest = matches!(self.rings.last().map(|ring| &ring.area), Some(Area::Rest));
        if rest {
            self.rings.len()
        } else {
            self.rings.len().saturating_add(1)
        }
    }

    /// Returns all positions in order.
    pub fn positions(self) -> Vec<Position> {
        let rings = (1..self.steps()).map(Position::Rings);
        [Position::Off, Position::Audit]
            .into_iter()
            .chain(rings)
            .chain([Position::Deny])
            .collect()
    }

    /// Returns the position after one; none after the last.
    pub fn next(self, position: Position) -> Option<Position> {
        let rings = |closed: usize| {
            if closed < self.steps() {
                Position::Rings(closed)
            } else {
                Position::Deny
            }
        };
        match position {
            Position::Off => Some(Position::Audit),
            Position::Audit => Some(rings(1)),
            Position::Rings(closed) => Some(rings(closed.saturating_add(1))),
            Position::Deny => None,
        }
    }

    /// Returns how many rings are closed at a position, counting what is left over as one.
    pub fn closed(self, position: Position) -> usize {
        match position {
            Position::Off | Position::Audit => 0,
            Position::Rings(closed) => closed.min(self.steps()),
            Position::Deny => self.steps(),
        }
    }

    /// Returns what the ring of that number is called.
    pub fn ring_name(self, at: usize) -> &'a str {
        match self.rings.get(at) {
            Some(ring) => &ring.name,
            None if self.rings.is_empty() => "everywhere",
            None => "the rest",
        }
    }

    /// Returns whether a cluster belongs to the ring of that number: to the first one that takes it whole, and to those before that which
    /// take a part of it.
    pub fn takes(self, at: usize, cluster: &ResourceId, location: &str) -> bool {
        let whole = |ring: &&Ring| !ring.area.divides_clusters();
        let before = self.rings.iter().take(at).filter(whole);
        let taken = before.map(|ring| &ring.area).any(|area| area.takes(cluster, location));
        !taken && self.rings.get(at).is_none_or(|ring| ring.area.takes(cluster, location))
    }

    /// Returns what belongs to the ring of that number.
    pub fn area(self, at: usize) -> &'a Area {
        self.rings.get(at).map_or(&Area::Rest, |ring| &ring.area)
    }

    /// Returns the parts that have assignments of their own, each with the number of its ring.
    pub fn parts(self) -> Vec<(usize, Part<'a>)> {
        let rings = self.rings.iter().enumerate();
        rings
            .flat_map(|(at, ring)| ring.area.parts().into_iter().map(move |part| (at, part)))
            .collect()
    }

    /// Returns the locations of the first rings, so many of them.
    pub fn locations(self, closed: usize) -> Vec<&'a str> {
        let areas = self.rings.iter().take(closed).map(|ring| &ring.area);
        areas
            .flat_map(|area| match area {
                Area::Locations(locations) => locations.as_slice(),
                Area::Scopes(_) | Area::Namespaces(_) | Area::Rest => &[],
            })
            .map(String::as_str)
            .collect()
    }

    /// Returns what a position is called, for a reader.
    pub fn name(self, position: Position) -> String {
        match position {
            Position::Rings(closed) => {
                let names: Vec<&str> = (0..closed).map(|at| self.ring_name(at)).collect();
                format!("deny in {}", names.join(", "))
            }
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scope;

    fn ring(name: &str, area: Area) -> Ring {
        Ring {
            name: name.to_owned(),
            area,
        }
    }

    #[test]
    fn the_way_ends_at_deny_everywhere_whether_the_rest_is_named_or_not() {
        let canary = ring("canary", Area::Locations(vec!["northeurope".into()]));
        let named = [canary.clone(), ring("broad", Area::Rest)];
        let unnamed = [canary];
        let expected = [Position::Off, Position::Audit, Position::Rings(1), Position::Deny];
        for rings in [&named[..], &unnamed] {
            let ladder = Ladder::new(rings);
            assert_eq!(ladder.positions(), expected);
            let steps: Vec<Position> =
                std::iter::successors(Some(Position::Off), |position| ladder.next(*position)).collect();
            assert_eq!(steps, expected);
        }
        assert_eq!(Ladder::new(&named).ring_name(1), "broad");
        assert_eq!(Ladder::new(&unnamed).ring_name(1), "the rest");
        assert_eq!(
            Ladder::new(&[]).positions(),
            [Position::Off, Position::Audit, Position::Deny]
        );
    }

    #[test]
    fn a_cluster_is_in_the_first_ring_that_takes_it() {
        let rings = [
            ring("canary", Area::Locations(vec!["northeurope".into()])),
            ring("broad", Area::Rest),
        ];
        let ladder = Ladder::new(&rings);
        let cluster = ResourceId::parse("/subscriptions/s/x/c").unwrap();
        let takes = |location| [0, 1].map(|at| ladder.takes(at, &cluster, location));
        assert_eq!(takes("North Europe"), [true, false]);
        assert_eq!(takes("westeurope"), [false, true]);
    }

    #[test]
    fn namespaces_take_a_part_of_every_cluster_that_is_not_closed_before_and_leave_the_rest() {
        let rings = [
            ring("canary", Area::Locations(vec!["northeurope".into()])),
            ring("shop", Area::Namespaces(vec!["shop".into()])),
            ring("group", Area::Scopes(vec![Scope::Subscription("s".into())])),
        ];
        let ladder = Ladder::new(&rings);
        let takes = |id: &str, location: &str| {
            let cluster = ResourceId::parse(id).unwrap();
            [0, 1, 2, 3].map(|at| ladder.takes(at, &cluster, location))
        };
        assert_eq!(
            takes("/subscriptions/s/x/c", "northeurope"),
            [true, false, false, false]
        );
        assert_eq!(takes("/subscriptions/s/x/c", "westeurope"), [false, true, true, false]);
        assert_eq!(takes("/subscriptions/t/x/c", "westeurope"), [false, true, false, true]);
        let rings: Vec<usize> = ladder.parts().into_iter().map(|(at, _)| at).collect();
        assert_eq!(rings, [1, 2]);
    }

    #[test]
    fn positions_survive_their_mark() {
        for position in [Position::Off, Position::Audit, Position::Rings(2), Position::Deny] {
            assert_eq!(Position::parse(&position.to_string()), Some(position));
        }
        for text in ["", "deny-0", "deny-x", "enforce", "Deny"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
