//! Which steps may begin.
//!
//! Owns what waits for what, and how many steps of each sort are under way. Must not know how a step is carried out.
//!
//! Most writes are over when they are answered, and as many may be under way as calls. What changes a cluster goes on for minutes and holds
//! no call meanwhile, so it has a bound of its own, which is about safety: the first cluster is changed alone, each one that ends well lets
//! one more be changed beside it, and one that fails brings that back to one. Where clusters fail in a row no more are begun.

use super::Outcome;
use crate::kinds::Plane;
use crate::plan::Step;
use std::collections::{BTreeMap, BTreeSet};

/// How many clusters in a row may fail before no more are begun.
const FAILURES_IN_A_ROW: usize = 5;

/// How many steps may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Of those that do not change a cluster.
    pub calls: usize,
    /// Of those that change a cluster, once some have ended well.
    pub clusters: usize,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Waiting,
    UnderWay,
    Done,
    NotDone,
}

/// The steps of a run by their place in the plan.
#[derive(Debug)]
pub(super) struct Schedule<'a> {
    steps: Vec<&'a Step>,
    stands: Vec<Stand>,
    /// The places of the steps that a step waits for; none where the plan does not hold one of them.
    needs: Vec<Option<BTreeSet<usize>>>,
    /// The places of the steps that wait for a step.
    dependents: Vec<Vec<usize>>,
    /// How many of its needs are not done yet.
    open: Vec<usize>,
    waiting: BTreeSet<usize>,
    ready: Lanes<BTreeSet<usize>>,
    under_way: Lanes<usize>,
    /// Steps that wait for one that was not done.
    doomed: BTreeSet<usize>,
    at_once: AtOnce,
    /// How many clusters may be changed at once now.
    allowed: usize,
    failed_in_a_row: usize,
}

/// One of a thing for what changes clusters, and one for the rest.
#[derive(Debug, Default)]
struct Lanes<T> {
    clusters: T,
    calls: T,
}

impl<T> Lanes<T> {
    fn of(&mut self, step: &Step) -> &mut T {
        match step.kind.plane() {
            Plane::Clusters => &mut self.clusters,
            Plane::Policy | Plane::Defender => &mut self.calls,
        }
    }
}

impl<'a> Schedule<'a> {
    pub(super) fn new(steps: Vec<&'a Step>, at_once: AtOnce) -> Schedule<'a> {
        let places: BTreeMap<&str, usize> = steps.iter().enumerate().map(|(at, step)| (&*step.id, at)).collect();
        let of = |step: &&Step| {
            let ids = step.depends_on.iter();
            ids.map(|id| places.get(id.as_str()).copied()).collect()
        };
        let needs: Vec<Option<BTreeSet<usize>>> = steps.iter().map(of).collect();
        let mut schedule = Schedule {
            stands: vec![Stand::Waiting; steps.len()],
            dependents: vec![Vec::new(); steps.len()],
            open: vec![usize::MAX; steps.len()],
            waiting: (0..steps.len()).collect(),
            ready: Lanes::default(),
            under_way: Lanes::default(),
            doomed: BTreeSet::new(),
            at_once,
            allowed: 1,
            failed_in_a_row: 0,
            steps,
            needs,
        };
        for at in 0..schedule.steps.len() {
            schedule.enter(at);
        }
        schedule
    }

    /// Enters a step: as one that the steps which it needs know of, and as ready where it needs none.
    fn enter(&mut self, at: usize) {
        let Some(Some(needs)) = self.needs.get(at) else { return };
        for need in needs {
            if let Some(dependents) = self.dependents.get_mut(*need) {
                dependents.push(at);
            }
        }
        if let Some(open) = self.open.get_mut(at) {
            *open = needs.len();
        }
        if let Some(step) = self.steps.get(at).filter(|_| needs.is_empty()) {
            self.ready.of(step).insert(at);
        }
    }

    /// Returns whether steps wait that were not begun.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a step that may begin now, if there is one.
    pub(super) fn begin(&mut self) -> Option<(usize, &'a Step)> {
        let calls = self.under_way.calls < self.at_once.calls.max(1);
        let clusters = self.under_way.clusters < self.allowed.min(self.at_once.clusters.max(1));
        let first = |ready: &BTreeSet<usize>, free: bool| ready.first().copied().filter(|_| free);
        let ready = [first(&self.ready.calls, calls), first(&self.ready.clusters, clusters)];
        let at = ready.into_iter().flatten().min()?;
        let step = self.take(at, Stand::UnderWay)?;
        *self.under_way.of(step) += 1;
        Some((at, step))
    }

    /// Takes a step that can no longer be done, with the names of those that it waited for in vain.
    pub(super) fn doomed(&mut self) -> Option<(usize, &'a Step, String)> {
        let at = self.doomed.first().copied()?;
        let of = |need: &usize| (self.stands.get(*need) == Some(&Stand::NotDone)).then(|| self.steps.get(*need));
        let failed = self.needs.get(at)?.iter().flatten().filter_map(of).flatten();
        let names: BTreeSet<&str> = failed.map(|step| step.id.as_str()).collect();
        let names: Vec<&str> = names.into_iter().take(3).collect();
        let why = format!("waits for {}, which was not done", names.join(", "));
        Some((at, self.lose(at)?, why))
    }

    /// Takes all steps that were not begun.
    pub(super) fn give_up(&mut self) -> Vec<(usize, &'a Step)> {
        let left = self.waiting.clone();
        left.into_iter().filter_map(|at| Some((at, self.lose(at)?))).collect()
    }

    /// Takes the steps on clusters that were not begun, if so many failed in a row that no more should be; and how many failed.
    pub(super) fn give_up_clusters(&mut self) -> (usize, Vec<(usize, &'a Step)>) {
        let failed = self.failed_in_a_row;
        if failed < FAILURES_IN_A_ROW {
            return (failed, Vec::new());
        }
        let is_on_cluster = |at: &usize| {
            let step = self.steps.get(*at);
            step.is_some_and(|step| step.kind.plane() == Plane::Clusters)
        };
        let left: Vec<usize> = self.waiting.iter().copied().filter(is_on_cluster).collect();
        let taken = left.into_iter().filter_map(|at| Some((at, self.lose(at)?)));
        (failed, taken.collect())
    }

    /// Takes note of how a step ended that was begun.
    pub(super) fn ended(&mut self, at: usize, outcome: &Outcome) {
        let Some(step) = self.steps.get(at).copied() else {
            return;
        };
        let lane = self.under_way.of(step);
        *lane = lane.saturating_sub(1);
        if step.kind.plane() == Plane::Clusters {
            match outcome {
                Outcome::Done => {
                    self.failed_in_a_row = 0;
                    self.allowed = self.allowed.saturating_add(1).min(self.at_once.clusters.max(1));
                }
                Outcome::Failed(_) => {
                    self.failed_in_a_row += 1;
                    self.allowed = 1;
                }
                _ => {}
            }
        }
        if !outcome.is_done() {
            self.not_done(at);
            return;
        }
        self.stand(at, Stand::Done);
        for dependent in self.dependents.get(at).cloned().unwrap_or_default() {
            let Some(open) = self.open.get_mut(dependent) else {
                continue;
            };
            *open = open.saturating_sub(1);
            let is_ready = *open == 0 && self.waiting.contains(&dependent);
            if let Some(step) = self.steps.get(dependent).filter(|_| is_ready) {
                self.ready.of(step).insert(dependent);
            }
        }
    }

    /// Takes a step out of those that wait, as one that is not done.
    fn lose(&mut self, at: usize) -> Option<&'a Step> {
        let step = self.take(at, Stand::NotDone);
        self.not_done(at);
        step
    }

    fn not_done(&mut self, at: usize) {
        self.stand(at, Stand::NotDone);
        let dependents = self.dependents.get(at).into_iter().flatten();
        let waiting = dependents.filter(|dependent| self.waiting.contains(dependent));
        self.doomed.extend(waiting);
    }

    fn take(&mut self, at: usize, stand: Stand) -> Option<&'a Step> {
        let step = self.steps.get(at).copied()?;
        self.waiting.remove(&at);
        self.doomed.remove(&at);
        self.ready.of(step).remove(&at);
        self.stand(at, stand);
        Some(step)
    }

    fn stand(&mut self, at: usize, stand: Stand) {
        if let Some(place) = self.stands.get_mut(at) {
            *place = stand;
        }
    }
}
