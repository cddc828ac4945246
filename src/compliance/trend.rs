//! How many rules were broken at each cluster, day by day, as the service kept it.

use crate::evidence::{MemberState, StateRow};
use crate::model::{Period, ResourceId, Timestamp};
use std::collections::BTreeMap;

/// The days of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trend {
    /// The cluster.
    pub cluster: ResourceId,
    /// Its days, oldest first.
    pub days: Vec<Day>,
}

/// A day of a cluster: 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its end.
    pub end: Timestamp,
    /// How many rules were broken at its end, a rule of two gates counted twice; none if nothing was reported by then.
    pub broken: Option<usize>,
}

const DAY: Period = Period::from_seconds(86_400);

/// Returns how many rules were broken at a cluster at the end of each of the last days.
///
/// A state holds until the next one: the service keeps a row for each evaluation, or for each change.
pub fn trend(cluster: &ResourceId, rows: &[StateRow], days: u64, now: Timestamp) -> Trend {
    let ends = (0..days).rev().map(|back| {
        let before = i64::try_from(back.saturating_mul(DAY.seconds())).unwrap_or(i64::MAX);
        Timestamp::from_seconds(now.seconds().saturating_sub(before))
    });
    let days = ends.map(|end| {
        let mut last: BTreeMap<(&ResourceId, &str), (Timestamp, MemberState)> = BTreeMap::new();
        for row in rows
            .iter()
            .filter(|row| row.key.resource == *cluster && row.key.reported <= end)
        {
            let found = (row.key.reported, row.state);
            let known = last.entry((&row.key.assignment, &row.key.member)).or_insert(found);
            *known = found.max(*known);
        }
        let broken = last
            .values()
            .filter(|(_, state)| *state == MemberState::NonCompliant)
            .count();
        Day {
            end,
            broken: (!last.is_empty()).then_some(broken),
        }
    });
    Trend {
        cluster: cluster.clone(),
        days: days.collect(),
    }
}
