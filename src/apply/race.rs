//! What stands after a write: Azure's policy objects have no ETag, so another run can write one at the same time.
//!
//! Owns how that is noticed and told. Must not decide what is written.

use super::{Failure, Outcome, Run, differs};
use crate::kinds::Kind;
use crate::model::Period;
use crate::observe::read;
use crate::observed::LiveObject;
use crate::plan::Step;
use serde_json::Value;

/// How long is waited, one after the other, for an object to show its write: Azure's reads may lag behind.
const WAITS: [Period; 4] = [
    Period::from_seconds(1),
    Period::from_seconds(2),
    Period::from_seconds(4),
    Period::from_seconds(8),
];

/// What an object shows after its write was taken.
enum Shows {
    /// What was written, by whomever.
    Ours,
    /// What stood there before, or nothing.
    NotYet,
    /// Something else.
    Another(String),
}

/// Returns whether objects of this kind are read back after a write: each holds all of what it says in one document, which every run of
/// the environment may write.
pub(super) fn is_read_back(kind: Kind) -> bool {
    kind.is_marked() && kind != Kind::RoleAssignment
}

/// Reads an object back whose write was taken. `before` is what stood there, `answer` what the write was answered with.
pub(super) async fn read_back(run: &Run<'_>, step: &Step, (before, answer): (Option<&LiveObject>, &Value)) -> Outcome {
    let failed = |text: String| Outcome::Failed(Failure::Differs(text));
    let mut waits = WAITS.into_iter();
    loop {
        let live = match read(run.client, step.kind, &step.object).await {
            Ok(live) => live,
            Err(error) => return failed(format!("azure took the write, and it cannot be read back: {error}")),
        };
        match shows(step, (before, answer), live.as_ref()) {
            Shows::Ours => return Outcome::Done,
            Shows::Another(text) => return Outcome::Failed(Failure::Overtaken(text)),
            Shows::NotYet => {}
        }
        match (waits.next(), live) {
            (Some(wait), _) => run.client.wait(wait).await,
            // A step that closes a gate relies on it being there, not on its having been taken.
            (None, live) if step.kind == Kind::PolicyExemption => {
                let after = step.after.clone().unwrap_or_default();
                let difference = live.and_then(|live| differs(&after, step.kind, &live.wire));
                let absent = || "azure took the write, and the object is not there".to_owned();
                return failed(difference.unwrap_or_else(absent));
            }
            (None, _) => return Outcome::Done,
        }
    }
}

fn shows(step: &Step, (before, answer): (Option<&LiveObject>, &Value), live: Option<&LiveObject>) -> Shows {
    let Some(live) = live else { return Shows::NotYet };
    let system = |wire: &Value| wire.get("systemData").cloned();
    let after = step.after.clone().unwrap_or_default();
    if differs(&after, step.kind, &live.wire).is_none() {
        // What is there besides was added by Azure, unless somebody wrote since.
        let as_answered = answer.is_null() || step.kind.comparable(answer) == live.comparable();
        let written_since = system(answer).is_some_and(|then| system(&live.wire).is_some_and(|now| now != then));
        if as_answered || !written_since {
            return Shows::Ours;
        }
    }
    let stood =
        |before: &LiveObject| before.comparable() == live.comparable() && system(&before.wire) == system(&live.wire);
    if before.is_some_and(stood) {
        return Shows::NotYet;
    }
    Shows::Another(told(live))
}

/// Says who wrote what stands there now.
fn told(live: &LiveObject) -> String {
    let mut known = Vec::new();
    known.extend(live.last_writer().map(|by| format!("last written by {by}")));
    if let Some(state) = live.mark_state() {
        known.extend(state.run.map(|plan| format!("its mark names plan `{plan}`")));
    }
    let known = match known.is_empty() {
        true => String::new(),
        false => format!(" ({})", known.join("; ")),
    };
    format!(
        "somebody else wrote it at the same time: what stands there now is neither what this run wrote nor what was there before{known}"
    )
}
