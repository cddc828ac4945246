//! Carries out a plan: each write against a fresh read, in the order of its dependencies, as many at once as may be.
//!
//! Owns what happens to a step and how it is told. Must not decide what a plan holds, nor print.

#[cfg(test)]
mod policy_tests;
mod race;
#[cfg(test)]
mod race_tests;
mod schedule;
#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod tests;

pub use schedule::AtOnce;

use crate::arm::{ArmError, ArmErrorKind, Client, PutOptions, Turns};
use crate::clock::Stopwatch;
use crate::diff::{changes, digest};
use crate::kinds::{Direction, KNOWN_AFTER, Kind, principal_of};
use crate::model::{MarkState, ResourceId, STATE_KEY, Timestamp};
use crate::observe::{exact_cluster, read};
use crate::observed::{Cluster, LiveObject};
use crate::plan::{Action, Plan, Step};
use futures::{StreamExt, stream::FuturesUnordered};
use schedule::Schedule;
use serde_json::Value;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What became of a step.
#[derive(Debug)]
pub enum Outcome {
    /// Written, and read back as it should be.
    Done,
    /// The object was already as the step leaves it.
    AlreadyDone,
    /// The object moved since the plan was made; not written.
    Stale(String),
    /// The object cannot be written now; not written.
    Held(String),
    /// A guard has closed since the plan was made; not written.
    Refused(String),
    /// The write failed, or its result is not what was sent.
    Failed(Failure),
    /// A step that it waits for was not done.
    Skipped(String),
    /// The run was interrupted before.
    NotTried,
}

/// Why a step failed.
#[derive(Debug)]
pub enum Failure {
    /// A call failed.
    Arm(Box<ArmError>),
    /// Azure took the write, and the object is not as it was written.
    Differs(String),
    /// Azure took the write, and somebody else wrote the object at the same time.
    Overtaken(String),
    /// What was to be written could not be noted before, so it was not sent.
    Journal(String),
}

impl Outcome {
    /// Returns the word for this outcome.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::AlreadyDone => "already-done",
            Outcome::Stale(_) => "stale",
            Outcome::Held(_) => "held",
            Outcome::Refused(_) => "refused",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
            Outcome::NotTried => "not-tried",
        }
    }

    /// Returns what there is to say about it; empty if it is done.
    pub fn message(&self) -> String {
        match self {
            Outcome::Done | Outcome::AlreadyDone => String::new(),
            Outcome::Stale(text) | Outcome::Held(text) | Outcome::Refused(text) | Outcome::Skipped(text) => {
                text.clone()
            }
            Outcome::Failed(Failure::Arm(error)) => error.to_string(),
            Outcome::Failed(Failure::Differs(text) | Failure::Overtaken(text) | Failure::Journal(text)) => text.clone(),
            Outcome::NotTried => "the run was interrupted before".to_owned(),
        }
    }

    fn is_done(&self) -> bool {
        matches!(self, Outcome::Done | Outcome::AlreadyDone)
    }
}

/// What became of a plan: one outcome for each pending step, in the order of the plan.
#[derive(Debug)]
pub struct Report {
    /// Step id, and what became of it.
    pub outcomes: Vec<(String, Outcome)>,
    /// Whether the run was interrupted.
    pub interrupted: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// Returns whether anything was written, or may have been: a write whose result is another one, or is not known, counts, and so does
    /// one that was accepted and then failed.
    pub fn wrote(&self) -> bool {
        self.outcomes.iter().any(|(_, outcome)| match outcome {
            Outcome::Done | Outcome::Failed(Failure::Differs(_) | Failure::Overtaken(_)) => true,
            Outcome::Failed(Failure::Arm(error)) => {
                error.outcome_unknown() || error.kind() == ArmErrorKind::OperationFailed
            }
            _ => false,
        })
    }

    /// Returns how many steps had an outcome of that name.
    pub fn count(&self, name: &str) -> usize {
        self.outcomes
            .iter()
            .filter(|(_, outcome)| outcome.name() == name)
            .count()
    }
}

/// Whether a step may still be written, and why not.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// What a run needs besides the plan.
pub struct Run<'a> {
    /// The client.
    pub client: &'a Client,
    /// The owner of the estate, and the environment: only what carries their mark is changed or deleted.
    pub ours: (&'a str, &'a str),
    /// Why a step of a saved plan may not write, by its id.
    pub refused: &'a BTreeMap<String, String>,
    /// The documents to write by kind and object, rendered from the estate.
    pub documents: &'a BTreeMap<(Kind, ResourceId), Arc<Value>>,
    /// Why what weakens is allowed to; kept in marks.
    pub reason: Option<&'a str>,
    /// Names the plan in marks.
    pub plan_id: &'a str,
    /// The time that marks carry.
    pub now: Timestamp,
    /// How many steps may be under way at once.
    pub at_once: AtOnce,
    /// Set when nothing new may be started.
    pub stop: &'a AtomicBool,
    /// Asked immediately before a step that relies on evidence is written: why it may no longer be, if it may not.
    pub ask_again: &'a (dyn Fn(&Step) -> Answer<'a> + Sync),
    /// Told when a step is begun.
    pub started: &'a (dyn Fn(&Step) + Sync),
    /// Told right before a write is sent; where it cannot be noted, it is not sent.
    pub writing: &'a (dyn Fn(Writing<'_>) -> Result<(), String> + Sync),
    /// Told what became of a step.
    pub finished: &'a (dyn Fn(&Step, &Outcome) + Sync),
}

/// A write that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'a> {
    /// The step.
    pub step: &'a Step,
    /// The comparable document of what is there; none if nothing is.
    pub before: Option<&'a Value>,
    /// The comparable document of what is sent; none for a delete.
    pub after: Option<&'a Value>,
}

/// Carries out the pending steps of a plan.
pub async fn apply(plan: &Plan, run: Run<'_>) -> Report {
    let watch = Stopwatch::start();
    let mut schedule = Schedule::new(plan.pending().collect(), run.at_once);
    let mut outcomes: BTreeMap<usize, (String, Outcome)> = BTreeMap::new();
    let mut settle = |(at, step): (usize, &Step), outcome: Outcome| {
        (run.finished)(step, &outcome);
        outcomes.insert(at, (step.id.clone(), outcome));
    };
    let (mut interrupted, mut overtaken) = (false, false);
    let mut running = FuturesUnordered::new();
    loop {
        if run.stop.load(Ordering::SeqCst) && schedule.has_waiting() {
            interrupted = true;
            for step in schedule.give_up() {
                settle(step, Outcome::NotTried);
            }
        }
        if overtaken {
            // Two runs that go on side by side could leave a mixture of their plans.
            for step in schedule.give_up() {
                let reason = "another run writes here at the same time, so nothing more was started".to_owned();
                settle(step, Outcome::Skipped(reason));
            }
        }
        let (failed, given_up) = schedule.give_up_clusters();
        for step in given_up {
            let reason = format!("{failed} clusters in a row failed, so no more was started: look at why first");
            settle(step, Outcome::Skipped(reason));
        }
        while let Some((at, step, reason)) = schedule.doomed() {
            settle((at, step), Outcome::Skipped(reason));
        }
        while let Some((at, step)) = schedule.begin() {
            (run.started)(step);
            let run = &run;
            running.push(async move { (at, step, carry_out(run, step).await) });
        }
        match running.next().await {
            Some((at, step, outcome)) => {
                overtaken |= matches!(outcome, Outcome::Failed(Failure::Overtaken(_)));
                schedule.ended(at, &outcome);
                settle((at, step), outcome);
            }
            None if !schedule.has_waiting() => break,
            None => {
                // A plan whose steps wait for each other or for steps that it does not hold.
                for step in schedule.give_up() {
                    let reason = "waits for a step that this plan does not hold".to_owned();
                    settle(step, Outcome::Skipped(reason));
                }
            }
        }
    }
    drop(running);
    Report {
        outcomes: outcomes.into_values().collect(),
        interrupted,
        elapsed: watch.elapsed(),
    }
}

/// Carries out a step; where its write has to wait for something that goes on in Azure, everything is read and decided again after it.
async fn carry_out(run: &Run<'_>, step: &Step) -> Outcome {
    let (resolved, known) = match resolve(run, step).await {
        Ok(resolved) => resolved,
        Err(outcome) => return outcome,
    };
    let (step, document) = (&resolved, known.as_ref());
    let mut turns = Turns::default();
    let mut in_doubt = false;
    loop {
        let error = match try_step(run, (step, document), turns != Turns::default()).await {
            // It was our own write whose answer was lost.
            Ok(Outcome::AlreadyDone) if in_doubt => return Outcome::Done,
            Ok(outcome) => return outcome,
            Err(error) if step.kind == Kind::RoleAssignment && error.has_code("RoleAssignmentExists") => {
                return given_already(run, step, error).await;
            }
            Err(error) => error,
        };
        in_doubt |= error.outcome_unknown();
        let again = !run.stop.load(Ordering::SeqCst) && may_come_again(run, step, &error, &mut turns).await;
        if !again && in_doubt {
            return settle_by_reading(run, (step, document), error).await;
        }
        if !again {
            return Outcome::Failed(Failure::Arm(Box::new(error)));
        }
    }
}

/// Returns a step and its document with the principal that they could not name yet, read from the assignment that it belongs to.
async fn resolve(run: &Run<'_>, step: &Step) -> Result<(Step, Option<Value>), Outcome> {
    let path = "/properties/principalId";
    let mut step = step.clone();
    let document = run.documents.get(&(step.kind, step.object.clone()));
    let mut document = document.map(|document| Value::clone(document));
    if step.kind != Kind::RoleAssignment {
        return Ok((step, document));
    }
    let Some(principal) = document.as_mut().and_then(|document| document.pointer_mut(path)) else {
        return Ok((step, document));
    };
    let assignment = principal.get(KNOWN_AFTER).and_then(Value::as_str).map(str::to_owned);
    if let Some(assignment) = assignment {
        let id = ResourceId::parse(&assignment);
        let Some(id) = id else { return Ok((step, document)) };
        let live = read(run.client, Kind::PolicyAssignment, &id).await;
        let live = live.map_err(|error| Outcome::Failed(Failure::Arm(Box::new(error))))?;
        let (owner, environment) = run.ours;
        let ours = live.filter(|live| live.owned_mark(owner, environment).is_some());
        match ours.and_then(|live| principal_of(&live.wire)) {
            Some(found) => *principal = Value::from(found),
            None => {
                let why = format!(
                    "the assignment `{}` has no identity that a role could be given to",
                    id.name()
                );
                return Err(Outcome::Stale(why));
            }
        }
    }
    let known = principal.clone();
    let after = step.after.as_mut().and_then(|after| after.pointer_mut(path));
    if let Some(after) = after.filter(|after| after.get(KNOWN_AFTER).is_some()) {
        *after = match known {
            Value::String(id) => Value::from(id.to_ascii_lowercase()),
            other => other,
        };
    }
    Ok((step, document))
}

/// A role that ARM says is given already: done, if it is the same role for the same principal at the same scope. The name it has
/// there is somebody else's.
async fn given_already(run: &Run<'_>, step: &Step, error: ArmError) -> Outcome {
    let path = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments",
        step.object.scope()
    );
    let part = |value: &Value, key: &str| value.pointer(&format!("/properties/{key}")).cloned();
    let after = step.after.clone().unwrap_or_default();
    let found = run
        .client
        .list(&path, &[("$filter", "atScope()")])
        .await
        .unwrap_or_default();
    let same = found.iter().any(|wire| {
        let there = step.kind.comparable(wire);
        let id = wire.get("id").and_then(Value::as_str).and_then(ResourceId::parse);
        id.is_some_and(|id| id.scope().eq_ignore_ascii_case(step.object.scope()))
            && ["principalId", "roleDefinitionId"]
                .iter()
                .all(|key| part(&there, key) == part(&after, key))
    });
    if same {
        Outcome::AlreadyDone
    } else {
        Outcome::Failed(Failure::Arm(Box::new(error)))
    }
}

/// Waits for what stood in the way of a write; false if nothing is there to be waited for.
async fn may_come_again(run: &Run<'_>, step: &Step, error: &ArmError, turns: &mut Turns) -> bool {
    if step.kind.is_part_of_resource() {
        return run.client.wait_for_turn(step.object.as_str(), error, turns).await;
    }
    if step.kind == Kind::DeploymentSafeguards {
        // What stands in its way goes on in the cluster.
        return run.client.wait_for_turn(step.object.scope(), error, turns).await;
    }
    // A definition that this plan wrote is not known everywhere at once; of any other one a person should hear.
    let waits_for_definition = step.kind == Kind::PolicyAssignment && !step.depends_on.is_empty();
    waits_for_definition && run.client.wait_for_definition(error, turns).await
}

/// Reads, decides and writes once; `again` after a write that had to wait for others.
async fn try_step(run: &Run<'_>, (step, document): (&Step, Option<&Value>), again: bool) -> Result<Outcome, ArmError> {
    let live = read(run.client, step.kind, &step.object).await?;
    if is_as_planned(step, document, live.as_ref()) {
        return Ok(Outcome::AlreadyDone);
    }
    // What moved is told first: it says who wrote, and is mostly why a saved step is not one of now.
    let refused = || run.refused.get(&step.id).cloned();
    let reason = moved(step, live.as_ref(), again).or_else(refused);
    if let Some(reason) = reason.or_else(|| foreign(run, step, live.as_ref())) {
        return Ok(Outcome::Stale(reason));
    }
    if step.kind.is_part_of_resource()
        && let Some(reason) = live
            .as_ref()
            .map(exact_cluster)
            .and_then(|cluster| cluster.unwritable())
    {
        return Ok(Outcome::Held(reason));
    }
    if step.relies_on_evidence()
        && let Err(reason) = (run.ask_again)(step).await
    {
        return Ok(Outcome::Refused(reason));
    }
    let before = live.as_ref().map(LiveObject::comparable);
    let noted = |after: Option<&Value>| {
        let before = before.as_ref();
        (run.writing)(Writing { step, before, after })
    };
    if step.action == Action::Delete {
        if let Err(why) = noted(None) {
            return Ok(Outcome::Failed(Failure::Journal(why)));
        }
        run.client.delete(step.object.as_str()).await?;
        return Ok(Outcome::Done);
    }
    let Some(desired) = document else {
        return Ok(Outcome::Stale("the estate no longer wants this object".to_owned()));
    };
    let mut body = step.kind.merged(desired, live.as_ref().map(|live| &live.wire));
    if step.after.as_ref().map(digest) != Some(digest(&step.kind.comparable(&body))) {
        return Ok(Outcome::Stale(
            "what would be written is not what the plan shows".to_owned(),
        ));
    }
    stamp(&mut body, run, step);
    let others = live.as_ref().and_then(|live| step.kind.settings_of_others(&live.wire));
    let if_match = live
        .as_ref()
        .and_then(|live| live.etag.clone())
        .filter(|_| step.kind.is_part_of_resource());
    if if_match.is_none() && step.kind.is_part_of_resource() {
        let why = "azure gave it no ETag, so a write could undo what others change at the same time";
        return Ok(Outcome::Held(why.to_owned()));
    }
    if let Err(why) = noted(Some(&step.kind.comparable(&body))) {
        return Ok(Outcome::Failed(Failure::Journal(why)));
    }
    let answer = run
        .client
        .put(step.object.as_str(), &body, PutOptions { if_match })
        .await?;
    let answer = answer.body;
    let after = step.after.clone().unwrap_or_default();
    let difference = || differs(&after, step.kind, &answer);
    let touched = || others.and_then(|before| touched(&before, step.kind, &answer));
    let wrong = refused_extension(&answer).or_else(difference).or_else(touched);
    Ok(match wrong {
        Some(difference) => Outcome::Failed(Failure::Differs(difference)),
        None if race::is_read_back(step.kind) => race::read_back(run, step, (live.as_ref(), &answer)).await,
        None => Outcome::Done,
    })
}

/// A write whose answer was lost is settled by reading, never by guessing.
async fn settle_by_reading(run: &Run<'_>, (step, document): (&Step, Option<&Value>), error: ArmError) -> Outcome {
    match read(run.client, step.kind, &step.object).await {
        // Only the answer to a PUT says whether each extension of a Defender plan was taken.
        Ok(live)
            if step.kind != Kind::DefenderPlan
                && is_as_planned(step, document, live.as_ref())
                && !is_under_way(step, live.as_ref()) =>
        {
            Outcome::Done
        }
        _ => Outcome::Failed(Failure::Arm(Box::new(error))),
    }
}

/// Whether an operation runs on the resource, or has failed: what it shows already may not last.
fn is_under_way(step: &Step, live: Option<&LiveObject>) -> bool {
    let has_succeeded = |cluster: Cluster| cluster.provisioning_state.eq_ignore_ascii_case("Succeeded");
    let is_long = matches!(
        step.kind,
        Kind::ManagedCluster | Kind::DeploymentSafeguards | Kind::KubernetesExtension
    );
    is_long && !live.map(exact_cluster).is_some_and(has_succeeded)
}

/// Whether the object is as the step leaves it: it holds all that the plan shows, and there is nothing left to write. What a
/// server added and aksgate does not own is no difference.
fn is_as_planned(step: &Step, document: Option<&Value>, live: Option<&LiveObject>) -> bool {
    let (Some(after), Some(live)) = (&step.after, live) else {
        return step.action == Action::Delete && live.is_none();
    };
    let Some(desired) = document else {
        return false;
    };
    let left = step.kind.comparable(&step.kind.merged(desired, Some(&live.wire)));
    digest(&left) == digest(&live.comparable()) && differs(after, step.kind, &live.wire).is_none()
}

/// What is not as the plan saw it, and who changed it.
///
/// What was waited for has moved the object as a whole; then only our part of it counts.
fn moved(step: &Step, live: Option<&LiveObject>, waited: bool) -> Option<String> {
    let by = |live: &LiveObject| {
        live.last_writer()
            .map(|by| format!(", last written by {by}"))
            .unwrap_or_default()
    };
    match (&step.fingerprint, live) {
        (None, None) => None,
        (None, Some(live)) => Some(format!("it was not there when the plan was made{}", by(live))),
        (Some(_), None) => Some("it is gone since the plan was made".to_owned()),
        (Some(seen), Some(live)) => {
            let now = live.fingerprint();
            let same = if waited {
                now.content == seen.content
            } else {
                now == *seen
            };
            (!same).then(|| format!("it was changed since the plan was made{}", by(live)))
        }
    }
}

/// Why the object is not ours to change. Only policy objects are ever made or deleted: a cluster is a part of, and a Defender
/// plan is always there.
fn foreign(run: &Run<'_>, step: &Step, live: Option<&LiveObject>) -> Option<String> {
    let (owner, environment) = run.ours;
    match live {
        Some(live) if step.kind.is_marked() && live.owned_mark(owner, environment).is_none() => {
            Some("it does not carry the mark of this environment".to_owned())
        }
        Some(_) if step.action == Action::Delete && !step.kind.is_marked() => {
            Some(format!("a {} is never deleted", step.kind.label()))
        }
        None if step.kind.is_part_of_resource() => Some("it is gone since the plan was made".to_owned()),
        _ => None,
    }
}

/// Sets `run` in a mark, and `since` where it has none: its position or digest is new. Of a step that weakens it says why.
fn stamp(body: &mut Value, run: &Run<'_>, step: &Step) {
    let Some(text) = body.pointer_mut(&format!("/properties/metadata/{STATE_KEY}")) else {
        return;
    };
    let Some(mut state) = text.as_str().and_then(MarkState::parse) else {
        return;
    };
    if state.since.is_none() {
        state.since = Some(run.now);
    }
    state.run = Some(run.plan_id.to_owned());
    if let (Direction::Weakens, Some(reason)) = (step.direction, run.reason) {
        state.weakened = Some(reason.to_owned());
    }
    *text = Value::from(state.to_text());
}

/// A pricing's PUT may answer 200 though an extension failed: each one's `operationStatus` says so (pricings, 2024-01-01).
fn refused_extension(answer: &Value) -> Option<String> {
    let extensions = answer
        .pointer("/properties/extensions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let failed: Vec<String> = extensions
        .filter_map(|extension| {
            let status = extension.get("operationStatus")?;
            let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let code = text(status, "code");
            let failed = !code.is_empty() && !code.eq_ignore_ascii_case("Succeeded");
            failed.then(|| {
                format!(
                    "extension `{}`: {code}: {}",
                    text(extension, "name"),
                    text(status, "message")
                )
            })
        })
        .collect();
    (!failed.is_empty()).then(|| failed.join("; "))
}

/// What the object is now and should not be. What the server added is no difference.
fn differs(after: &Value, kind: Kind, wire: &Value) -> Option<String> {
    if wire.is_null() {
        return None;
    }
    let found: Vec<String> = changes(after, &kind.comparable(wire))
        .into_iter()
        .filter_map(|change| {
            let wanted = change.before?;
            let got = change.after.map_or("absent".to_owned(), |value| value.to_string());
            Some(format!("`{}` was sent as {wanted} and is {got}", change.path))
        })
        .collect();
    (!found.is_empty()).then(|| format!("azure took the write, but {}", found.join(", ")))
}

/// The settings of others that are not as they were before the write. Their values are nobody's business here.
fn touched(before: &Value, kind: Kind, wire: &Value) -> Option<String> {
    let after = kind.settings_of_others(wire).filter(|_| !wire.is_null())?;
    let found = changes(before, &after);
    let paths: Vec<String> = found
        .iter()
        .take(10)
        .map(|change| format!("`{}`", change.path))
        .collect();
    let more = found.len().saturating_sub(paths.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    (!paths.is_empty()).then(|| {
        format!(
            "azure took the write, but settings that are not aksgate's changed with it: {}{more}; look at the resource before anything else",
            paths.join(", ")
        )
    })
}

/// Returns the weakening steps that nobody allowed: `allowed` names gates or objects.
pub fn not_allowed<'a>(plan: &'a Plan, allowed: &'a [String]) -> Vec<&'a Step> {
    let named = |step: &&Step| {
        let name = Some(step.object.name()).filter(|_| !step.kind.shares_one_name());
        let is_id = |name: &str| step.object.as_str().eq_ignore_ascii_case(name);
        !allowed
            .iter()
            .map(String::as_str)
            .any(|named| is_id(named) || [step.gate.as_deref(), name].contains(&Some(named)))
    };
    plan.pending()
        .filter(|step| step.direction == Direction::Weakens)
        .filter(named)
        .collect()
}
