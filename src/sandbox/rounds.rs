//! What goes on at once in one process: questions that are asked, and waits.
//!
//! Owns when a question is answered and when the clock moves on. Must not know what is asked, nor what time it is.
//!
//! No question is answered while its asker has more that it does not need the answer for, and no time passes while anybody has anything to
//! do: what is under way at once in Azure is so here too, and what is not shows in the order of the calls and in the time that they take.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How often nothing may happen any more before the questions that wait are answered, or the clock moves on.
const QUIET: u32 = 16;

/// The questions and waits of one process.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// How many questions were asked.
    asked: AtomicU64,
    /// How many rounds are being answered or were.
    opened: AtomicU64,
    /// How many questions are not answered yet.
    open: AtomicU64,
    /// How often anything happened.
    happened: AtomicU64,
    waits: Mutex<Waits>,
}

/// Who waits for how long.
#[derive(Debug, Default)]
struct Waits {
    /// The seconds that have passed so far.
    passed: u64,
    /// How many wait until so many have.
    until: BTreeMap<u64, usize>,
}

/// A question that is asked, until it is answered or given up.
pub(super) struct Asked<'a>(&'a Rounds);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.happened.fetch_add(1, Ordering::Relaxed);
    }
}

/// A wait, until it is over or given up.
struct Waiting<'a>(&'a Rounds, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waits.until.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                waits.until.remove(&self.1);
            }
        }
    }
}

impl Rounds {
    /// Returns when a question that was just asked may be answered; it is answered when what is returned is dropped.
    pub(super) async fn turn(&self) -> Asked<'_> {
        let mine = self.opened.load(Ordering::Relaxed);
        let mut seen = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        self.happened.fetch_add(1, Ordering::Relaxed);
        let question = Asked(self);
        let mut quiet = 0;
        while self.opened.load(Ordering::Relaxed) <= mine {
            tokio::task::yield_now().await;
            let asked = self.asked.load(Ordering::Relaxed);
            quiet = if asked == seen { quiet + 1 } else { 0 };
            seen = asked;
            if quiet >= QUIET {
                self.opened.fetch_max(mine + 1, Ordering::Relaxed);
            }
        }
        question
    }

    /// Returns when so many seconds have passed. They pass when nobody has anything to do but wait, and `advance` is told of them.
    pub(super) async fn wait(&self, seconds: u64, advance: impl Fn(u64) + Send + Sync) {
        let until = {
            let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
            let until = waits.passed.saturating_add(seconds);
            *waits.until.entry(until).or_default() += 1;
            until
        };
        let _waiting = Waiting(self, until);
        let mut seen = self.happened.fetch_add(1, Ordering::Relaxed) + 1;
        let mut quiet = 0;
        loop {
            tokio::task::yield_now().await;
            if self.waits.lock().unwrap_or_else(PoisonError::into_inner).passed >= until {
                self.happened.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let happened = self.happened.load(Ordering::Relaxed);
            let idle = happened == seen && self.open.load(Ordering::Relaxed) == 0;
            quiet = if idle { quiet + 1 } else { 0 };
            seen = happened;
            if quiet >= QUIET {
                self.pass(&advance);
            }
        }
    }

    /// Lets the time pass until the next wait is over.
    fn pass(&self, advance: &(impl Fn(u64) + Send + Sync)) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = waits.passed;
        let next = waits.until.keys().find(|until| **until > passed).copied();
        if let Some(next) = next {
            advance(next - passed);
            waits.passed = next;
            self.happened.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn waits_at_once_take_as_long_as_the_longest() {
        let (rounds, clock) = (Rounds::default(), AtomicU64::new(0));
        let advance = |seconds| {
            clock.fetch_add(seconds, Ordering::Relaxed);
        };
        let wait = async |seconds| {
            rounds.wait(seconds, advance).await;
            clock.load(Ordering::Relaxed)
        };
        assert_eq!(
            run(join_all([wait(30), wait(10), wait(20), wait(10), wait(0)])),
            [30, 10, 20, 10, 0]
        );
        let one_after_another = async {
            for _ in 0..3 {
                wait(10).await;
            }
        };
        run(futures::future::join(one_after_another, wait(25)));
        assert_eq!(clock.load(Ordering::Relaxed), 60);
    }

    #[test]
    fn no_time_passes_while_a_question_is_open() {
        let (rounds, clock) = (Rounds::default(), AtomicU64::new(0));
        let advance = |seconds| {
            clock.fetch_add(seconds, Ordering::Relaxed);
        };
        let asking = async {
            for _ in 0..20 {
                let _asked = rounds.turn().await;
                assert_eq!(clock.load(Ordering::Relaxed), 0);
            }
        };
        run(futures::future::join(asking, rounds.wait(10, advance)));
        assert_eq!(clock.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn a_wait_that_is_given_up_holds_nobody() {
        let (rounds, clock) = (Rounds::default(), AtomicU64::new(0));
        let advance = |seconds| {
            clock.fetch_add(seconds, Ordering::Relaxed);
        };
        run(async {
            let long = rounds.wait(5, advance);
            let mut long = std::pin::pin!(long);
            assert!(futures::poll!(long.as_mut()).is_pending());
            // It is there still, and nobody asks for it any more.
            rounds.wait(60, advance).await;
        });
        assert_eq!(clock.load(Ordering::Relaxed), 60);
    }
}
