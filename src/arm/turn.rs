//! Waiting for one's turn to write, after a write was refused because something else goes on.
//!
//! Owns how long that may take. Must not know what is to be written: whoever writes reads the object again and decides anew.

use super::client::Client;
use super::error::ArmError;
use super::options::Notice;
use std::time::Duration;

/// The first wait where nothing says how long it takes, and the longest: AKS's operations take minutes.
const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// How often the wait for a definition to be known everywhere may begin anew, each time twice as long: four minutes in all.
const LOOKS_FOR_DEFINITION: u32 = 5;

/// What a writer has waited so far for one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    waited: Duration,
    tries: u32,
}

impl Client {
    /// Waits after `refusal`, a refused write to the resource at `path`, until the write may be tried again; false if it may not.
    ///
    /// An operation on the resource that shows in its `provisioningState` is waited for as long as any long operation. A refusal because
    /// of one that does not show (409) is waited out in growing steps, up to the limit for waits. A resource that somebody else changed
    /// (412, `EtagMismatch`) may be tried once more. Anything else may not be tried again.
    pub async fn wait_for_turn(&self, path: &str, refusal: &ArmError, turns: &mut Turns) -> bool {
        if !refusal.is_conflict() {
            return false;
        }
        let moved = refusal.status() == Some(412) || refusal.has_code("EtagMismatch");
        if moved && turns.tries > 0 {
            return false;
        }
        // A look that fails leaves the refusal to be told: it is what happened to the write.
        let Ok(was_running) = self.wait_until_settled(path).await else {
            return false;
        };
        turns.tries += 1;
        if was_running || moved {
            return true;
        }
        let wait = FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(turns.tries - 1).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT);
        if turns.waited + wait > self.inner.retry.max_wait {
            return false;
        }
        self.wait_again(refusal, wait, turns).await;
        true
    }

    /// Waits after `refusal`, a write that failed for a definition that was itself written just now; false if it was waited long enough.
    pub async fn wait_for_definition(&self, refusal: &ArmError, turns: &mut Turns) -> bool {
        let absent = ["PolicyDefinitionNotFound", "PolicySetDefinitionNotFound"];
        if !absent.iter().any(|code| refusal.has_code(code)) || turns.tries >= LOOKS_FOR_DEFINITION {
            return false;
        }
        turns.tries += 1;
        let wait = Duration::from_secs(4).saturating_mul(1_u32.checked_shl(turns.tries).unwrap_or(u32::MAX));
        self.wait_again(refusal, wait, turns).await;
        true
    }

    async fn wait_again(&self, refusal: &ArmError, wait: Duration, turns: &mut Turns) {
        self.notify(Notice::Waiting {
            method: refusal.method(),
            path: refusal.path().to_owned(),
            wait,
            status: refusal.status(),
            why: refusal.summary(),
        });
        turns.waited += wait;
        self.inner.sleeper.sleep(wait).await;
    }
}
