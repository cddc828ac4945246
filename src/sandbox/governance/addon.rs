//! When a cluster learns of policies, looks at its objects and is heard: the delays of Azure Policy's add-on.
//!
//! Nothing runs in the background: everything follows from the clock, the cluster's id and what was written when.

use super::super::inside;
use super::super::random::hash;
use super::super::state::State;
use super::past::Past;

/// How long Azure takes until a written assignment counts, in seconds.
pub const EFFECTIVE: i64 = 5 * 60;
/// How often a cluster asks for its policies, and how often it looks at its objects.
pub const CYCLE: i64 = 15 * 60;
/// How long Policy Insights takes to show a report.
pub const SHOWN: i64 = 10 * 60;
/// What a report covers: the violations seen since.
pub const WINDOW: i64 = 45 * 60;
/// How long a state that is not renewed is shown.
pub const KEPT: i64 = 24 * 3600;
/// How far back a cluster that has not run since is looked for in the past.
const FARTHEST: i64 = 47 * 3600;

/// A look of a cluster at its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// When.
    pub at: i64,
    /// When it had asked for its policies.
    pub pulled: i64,
}

/// Returns the last time up to `at` at which a cluster did something that it does every cycle.
fn last(cluster: &str, what: &str, at: i64) -> i64 {
    let offset = i64::try_from(hash(&format!("{what} {}", cluster.to_ascii_lowercase())) % CYCLE.unsigned_abs())
        .unwrap_or_default();
    (at - offset).div_euclid(CYCLE) * CYCLE + offset
}

/// Returns when a cluster last asked for its policies, up to `at`; none if it has not for long.
#[must_use]
pub fn pulled(state: &State, cluster: &str, at: i64) -> Option<i64> {
    let mut pull = last(cluster, "pull", at);
    while pull > at - FARTHEST {
        if Past::at(state, pull).governed(cluster) {
            return Some(pull);
        }
        pull -= CYCLE;
    }
    None
}

/// Returns the policies' view of the moment that counts for a cluster that asked at `pulled`.
#[must_use]
pub fn effective(state: &State, pulled: i64) -> Past<'_> {
    Past::at(state, pulled - EFFECTIVE)
}

/// Returns the scans that the newest report covers which can be seen at `now`, newest first; none if nothing is shown.
#[must_use]
pub fn report(state: &State, cluster: &str, now: i64) -> Vec<Scan> {
    let reports = |at: i64| Past::at(state, at).governed(cluster) && !inside::is_silent(state, cluster, at);
    let mut newest = last(cluster, "scan", now - SHOWN);
    while !reports(newest) {
        newest -= CYCLE;
        if newest <= now - KEPT {
            return Vec::new();
        }
    }
    let mut scans = Vec::new();
    let mut at = newest;
    while at > newest - WINDOW {
        if Past::at(state, at).governed(cluster)
            && let Some(pulled) = pulled(state, cluster, at)
        {
            scans.push(Scan { at, pulled });
        }
        at -= CYCLE;
    }
    scans
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::inside::{Deed, What};
    use super::super::super::seed::{SeedOptions, seed};
    use super::*;

    fn clusters(state: &State) -> Vec<String> {
        let all = state
            .of_type("microsoft.containerservice/managedclusters")
            .map(|(id, _)| id.clone());
        all.filter(|id| Past::at(state, state.now).governed(id)).collect()
    }

    fn fleet() -> State {
        seed(&SeedOptions {
            clusters: Some(120),
            ..SeedOptions::default()
        })
    }

    #[test]
    fn a_change_is_seen_after_fifteen_to_forty_five_minutes() {
        let state = fleet();
        let written = state.now;
        let mut delays = Vec::new();
        for cluster in clusters(&state) {
            let seen = |now: i64| {
                let newest = report(&state, &cluster, now).into_iter().next();
                newest.is_some_and(|scan| effective(&state, scan.pulled).time() >= written)
            };
            let delay = (0..=60)
                .map(|minute| minute * 60)
                .find(|delay| seen(written + delay))
                .unwrap();
            delays.push(delay);
        }
        let (first, last) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!(
            *first >= EFFECTIVE + SHOWN && *last <= WINDOW,
            "{first} to {last} seconds"
        );
        assert!(last - first > CYCLE, "clusters differ: {first} to {last} seconds");
    }

    #[test]
    fn a_report_covers_the_scans_of_its_window_and_ends_with_the_clusters_silence() {
        let mut state = fleet();
        let cluster = clusters(&state).remove(0);
        let scans = report(&state, &cluster, state.now);
        assert_eq!(scans.len(), 3);
        let times: BTreeSet<i64> = scans.iter().map(|scan| scan.at).collect();
        assert!(scans[0].at <= state.now - SHOWN && scans[0].at > state.now - SHOWN - CYCLE);
        assert_eq!(times.iter().next().copied(), Some(scans[0].at - 2 * CYCLE));
        assert!(
            scans
                .iter()
                .all(|scan| scan.pulled <= scan.at && scan.pulled > scan.at - CYCLE)
        );
        let silent = Deed {
            at: state.now,
            what: What::Silent { silent: true },
        };
        state.inside.insert(cluster.clone(), vec![silent]);
        state.advance(3600);
        let last = report(&state, &cluster, state.now)[0];
        state.advance(20 * 3600);
        assert_eq!(report(&state, &cluster, state.now).first(), Some(&last));
        state.advance(4 * 3600);
        assert_eq!(report(&state, &cluster, state.now), []);
    }
}
