//! Time and waiting, as things that are handed in.
//!
//! Owns the only calls that read the system's clocks or wait. Must not know why anybody waits, nor Azure, nor the sandbox.
#![expect(
    clippy::disallowed_methods,
    reason = "the one home of the system's clocks and of waiting; everything else takes a `Clock` or a `Sleeper`"
)]

pub use crate::model::Timestamp;
use async_trait::async_trait;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the present time, to the second.
    fn now(&self) -> Timestamp;
}

/// Waits.
#[async_trait]
pub trait Sleeper: fmt::Debug + Send + Sync {
    /// Returns after `duration` has passed on this sleeper's own idea of time.
    async fn sleep(&self, duration: Duration);
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let seconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
        };
        Timestamp::from_seconds(seconds)
    }
}

/// Waits in real time, without blocking the thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioSleeper;

#[async_trait]
impl Sleeper for TokioSleeper {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Measures how long something took; setting the machine's clock does not disturb it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Returns a stopwatch that starts to run now.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// Returns the time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_is_past_the_year_in_which_this_was_written() {
        assert!(SystemClock.now() > Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
    }

    #[test]
    fn tokio_sleeper_waits_for_as_long_as_it_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let stopwatch = Stopwatch::start();
        runtime.block_on(async {
            let sleeper: &dyn Sleeper = &TokioSleeper;
            sleeper.sleep(Duration::from_millis(2)).await;
        });
        assert!(stopwatch.elapsed() >= Duration::from_millis(2));
    }
}
