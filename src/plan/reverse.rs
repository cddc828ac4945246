//! What takes a run back: the objects as they stood before it, as far as that can be told and may be done now.
//!
//! Owns which writes of a run can be taken back and which cannot, each with its reason. Must not know how a journal is kept, nor how the
//! plan of it is carried out: what comes out is desired like anything else, and planned and checked the same way.

mod closing;
mod roles;
mod uses;
mod words;

pub use closing::{lets_through, without_pauses};

use crate::desired::{Desired, DesiredObject};
use crate::diff::changes;
use crate::kinds::{Kind, Meanings, principal_of};
use crate::model::{Mark, ResourceId, Scope, Timestamp};
use crate::observed::{LiveObject, Observed};
use crate::remark::{Finding, Held, Reason};
use crate::rollout::Guard;
use serde_json::Value;
use std::collections::BTreeSet;
use uses::{link, mark_of, needed, reference, still_used};

/// A write of a run, as it was noted before it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The name of the kind.
    pub kind: String,
    /// The object's id.
    pub object: String,
    /// The comparable document that stood there; none if nothing did.
    pub before: Option<Value>,
    /// The comparable document that was sent; none if the object was deleted.
    pub after: Option<Value>,
}

/// What a run is taken back against.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The estate's owner, and the environment.
    pub ours: (&'a str, &'a str),
    /// The environment's scope, and the one of its definitions.
    pub scopes: (&'a Scope, &'a Scope),
    /// What is there.
    pub observed: &'a Observed,
    /// What the estate wants now, and lets the gates be.
    pub wanted: &'a Desired,
    /// The gates that deploy, and refuse nothing.
    pub enabling: &'a BTreeSet<String>,
    /// Guards that a person goes past, with the reasons.
    pub overrides: &'a [(Guard, String)],
    /// Whether a role is one that identities of gates are given.
    pub is_known_role: fn(&str) -> bool,
    /// Now, by ARM's clock.
    pub now: Timestamp,
}

/// What takes a run back.
#[derive(Clone, Debug, Default)]
pub struct Reversal {
    /// All that is ours and stays, and what is put back; what is not among them goes.
    pub objects: Vec<DesiredObject>,
    /// What is not taken back, and why.
    pub held: Vec<Held>,
    /// What a reader should know.
    pub findings: Vec<Finding>,
    /// Steps that a person takes whatever is heard of the clusters, by kind and object.
    pub unasked: BTreeSet<(Kind, ResourceId)>,
}

/// Why nothing of a run is taken back: its journal says what no run of this environment writes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{object}`: {why}")]
pub struct Forged {
    /// The object, as the journal names it.
    pub object: String,
    /// What is wrong with it.
    pub why: String,
}

/// A write that is well-formed, with what is there now.
struct Case<'a> {
    kind: Kind,
    id: ResourceId,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    live: Option<&'a LiveObject>,
}

/// What is to become of a write.
enum Way {
    /// Nothing: the object is as it was before the run.
    Nothing,
    /// The object goes: the run made it.
    Delete,
    /// The object gets this document.
    Write(Box<DesiredObject>),
    /// It stays as it is.
    Hold(Reason),
}

/// Says what takes these writes back.
///
/// # Errors
/// A write that no run of this environment makes.
pub fn reverse(writes: &[Written], ground: Ground<'_>) -> Result<Reversal, Forged> {
    let mut cases = Vec::new();
    for written in writes {
        cases.push(case(written, ground)?);
    }
    let mut reversal = Reversal::default();
    let mut gone: BTreeSet<(Kind, ResourceId)> = BTreeSet::new();
    // An assignment decides on what hangs on it, and on its definitions.
    let order = |case: &&Case<'_>| (case.kind != Kind::PolicyAssignment, case.kind);
    let mut sorted: Vec<&Case<'_>> = cases.iter().collect();
    sorted.sort_by_key(order);
    let mut put_back: Vec<DesiredObject> = Vec::new();
    let mut not_assigned: Vec<&Value> = Vec::new();
    for case in sorted {
        match way(case, ground, &put_back, &mut reversal) {
            Way::Nothing => {}
            Way::Delete => {
                reversal.unasked.insert((case.kind, case.id.clone()));
                gone.insert((case.kind, case.id.clone()));
            }
            Way::Write(object) => {
                reversal.findings.extend(words::of_write(case, &object));
                put_back.push(*object);
            }
            Way::Hold(reason) => {
                let assigns = case.kind == Kind::PolicyAssignment;
                not_assigned.extend(case.before.filter(|_| assigns));
                reversal.held.push(held(case, reason));
            }
        }
    }
    needed(&mut put_back, &not_assigned, ground);
    link(&mut put_back);
    for (case, reason) in still_used(&cases, &gone, ground) {
        gone.remove(&(case.kind, case.id.clone()));
        reversal.held.push(held(case, reason));
    }
    let changed: BTreeSet<(Kind, ResourceId)> = put_back.iter().map(key).collect();
    let (owner, environment) = ground.ours;
    let kept = ground.observed.owned(owner, environment).filter(|(object, _)| {
        let key = (object.kind, object.id.clone());
        !gone.contains(&key) && !changed.contains(&key)
    });
    reversal.objects.extend(kept.map(|(object, mark)| DesiredObject {
        kind: object.kind,
        id: object.id.clone(),
        gate: Some(mark.gate),
        body: object.wire.clone().into(),
        depends_on: Vec::new(),
        replaces: None,
        meanings: Meanings::new(),
    }));
    reversal.objects.extend(put_back);
    Ok(reversal)
}

fn key(object: &DesiredObject) -> (Kind, ResourceId) {
    (object.kind, object.id.clone())
}

fn reason(guard: &str, sentence: impl Into<String>) -> Reason {
    Reason {
        guard: guard.to_owned(),
        sentence: sentence.into(),
        opens: None,
    }
}

fn held(case: &Case<'_>, reason: Reason) -> Held {
    Held {
        plane: case.kind.plane(),
        subject: case.id.name().to_owned(),
        what: format!("taking back the {}", case.kind.label()),
        reasons: vec![reason],
    }
}

/// Checks a write as strictly as a step of a plan file: a kind that is known, a place within the environment, our mark.
fn case<'a>(written: &'a Written, ground: Ground<'a>) -> Result<Case<'a>, Forged> {
    let forged = |why: &str| Forged {
        object: written.object.clone(),
        why: why.to_owned(),
    };
    let kind = Kind::parse(&written.kind).ok_or_else(|| forged("its kind is not known"))?;
    let id = ResourceId::parse(&written.object).ok_or_else(|| forged("it is no resource id"))?;
    let live = ground.observed.get(kind, &id);
    let case = Case {
        kind,
        id,
        before: written.before.as_ref(),
        after: written.after.as_ref(),
        live,
    };
    if case.before.is_none() && case.after.is_none() {
        return Err(forged("nothing stood there and nothing was sent"));
    }
    if !case.lies_within(ground) {
        return Err(forged("it does not lie in the environment"));
    }
    let documents = case.before.into_iter().chain(case.after);
    if kind.is_marked() && documents.clone().any(|document| case.mark(document, ground).is_none()) {
        return Err(forged("what stood there does not carry the mark of this environment"));
    }
    let as_noted = |document: &Value| {
        let wire = kind.rebuilt(document, None);
        kind.comparable(&kind.merged(&wire, None)) == *document
    };
    if kind.is_marked() && !documents.into_iter().all(as_noted) {
        return Err(forged("what stood there is no document of its kind"));
    }
    Ok(case)
}

impl Case<'_> {
    /// Whether the object stands where those of its kind do. What is part of others' resources is known by its being there.
    fn lies_within(&self, ground: Ground<'_>) -> bool {
        let (scope, definitions) = ground.scopes;
        let within = || self.id.is_within(&scope.path()) || ground.observed.is_below(scope, &self.id);
        match self.kind {
            Kind::PolicyDefinition | Kind::PolicySetDefinition => {
                self.id.scope().eq_ignore_ascii_case(&definitions.path())
            }
            Kind::PolicyAssignment | Kind::PolicyExemption => within(),
            // What a parameter names may lie beside the scope; a role there is not given again.
            Kind::RoleAssignment => true,
            Kind::DefenderPlan | Kind::ManagedCluster | Kind::DeploymentSafeguards | Kind::KubernetesExtension => {
                self.live.is_some() || within()
            }
        }
    }

    /// The mark that a document carries, if the object's name is the one that it gives.
    fn mark(&self, document: &Value, ground: Ground<'_>) -> Option<Mark> {
        let (owner, environment) = ground.ours;
        let object = LiveObject {
            kind: self.kind,
            id: self.id.clone(),
            wire: document.clone(),
            etag: None,
        };
        object.owned_mark(owner, environment)
    }

    /// Whether an object is as the run left it: all that was sent, and besides only what Azure fills in.
    fn is_as_left(&self, after: &Value, live: &LiveObject) -> bool {
        changes(after, &live.comparable())
            .into_iter()
            .all(|change| change.before.is_none() && FILLED_IN.contains(&change.path.as_str()))
    }
}

/// What Azure fills in where it was left out.
const FILLED_IN: [&str; 2] = ["properties.definitionVersion", "properties.assignmentType"];

/// Says what is to become of a write.
fn way(case: &Case<'_>, ground: Ground<'_>, put_back: &[DesiredObject], reversal: &mut Reversal) -> Way {
    let by = |live: &LiveObject| {
        let writer = live.last_writer();
        writer.map(|by| format!(", last by {by}")).unwrap_or_default()
    };
    match (case.before, case.after, case.live) {
        (None, _, None) => Way::Nothing,
        (Some(_), Some(_), None) => Way::Hold(reason("moved", "it is gone since the run; plan the environment again")),
        (Some(before), _, Some(live)) if live.comparable() == *before => Way::Nothing,
        (_, None, Some(live)) => Way::Hold(reason(
            "moved",
            format!("it is there again, written since the run{}", by(live)),
        )),
        (_, Some(after), Some(live)) if !case.is_as_left(after, live) => Way::Hold(reason(
            "moved",
            format!("it was changed since the run{}, and is left as it is now", by(live)),
        )),
        (None, Some(_), Some(live)) => {
            let (owner, environment) = ground.ours;
            match live.owned_mark(owner, environment) {
                Some(_) => Way::Delete,
                None if !case.kind.is_marked() => Way::Hold(reason(
                    "kind",
                    format!("{} are never deleted", words::plural(case.kind)),
                )),
                None => Way::Hold(reason("moved", "it no longer carries the mark of this environment")),
            }
        }
        (Some(before), _, live) => write(case, (before, live), ground, put_back, reversal),
    }
}

/// Says whether an object may get back the document that stood there, and which document brings it there.
fn write(
    case: &Case<'_>,
    (before, live): (&Value, Option<&LiveObject>),
    ground: Ground<'_>,
    put_back: &[DesiredObject],
    reversal: &mut Reversal,
) -> Way {
    let kind = case.kind;
    let managed = ground.wanted.objects.iter();
    let mut managed = managed.filter(|wanted| wanted.kind == kind && wanted.id == case.id);
    if !kind.is_marked() && managed.next().is_none() {
        let sentence = "the environment does not manage it now, so somebody else may";
        return Way::Hold(reason("state", sentence));
    }
    if kind == Kind::PolicyExemption && words::ends(before).is_some_and(|ends| ends <= ground.now) {
        return Way::Hold(reason("state", "it has expired, and would let nothing off"));
    }
    let mut body = kind.rebuilt(before, live.map(|live| &live.wire));
    let mark = case.mark(before, ground);
    if matches!(kind, Kind::RoleAssignment | Kind::PolicyExemption)
        && let Some(why) = hangs_on_nothing(case, (before, mark.as_ref()), ground, put_back)
    {
        return Way::Hold(reason("state", why));
    }
    if kind == Kind::RoleAssignment
        && let Err(why) = roles::principal(&mut body, (case, mark.as_ref()), ground, put_back)
    {
        return Way::Hold(reason("state", why));
    }
    let after = kind.comparable(&kind.merged(&body, live.map(|live| &live.wire)));
    if live.is_some_and(|live| live.comparable() == after) {
        return Way::Hold(reason("state", "what the run changed of it cannot be put back"));
    }
    let left: Vec<String> = changes(before, &after)
        .into_iter()
        .filter(|change| !change.path.contains("principalId"))
        .map(|change| format!("`{}`", change.path))
        .collect();
    if !left.is_empty() {
        reversal.findings.push(Finding {
            subject: case.id.name().to_owned(),
            sentence: format!("{} cannot be put back and stays as it is", left.join(", ")),
        });
    }
    if kind == Kind::PolicyAssignment {
        let gate = mark.as_ref().map_or("", |mark| mark.gate.as_str());
        match closing::judge((case, gate), (live, &after), ground) {
            closing::Judgement::Open => {}
            closing::Judgement::Free => {
                reversal.unasked.insert((kind, case.id.clone()));
            }
            closing::Judgement::Past(overrides) => {
                closing::note(&mut body, &overrides);
                if live.is_none() {
                    reversal.unasked.insert((kind, case.id.clone()));
                }
            }
            closing::Judgement::Closed(reason) => return Way::Hold(reason),
        }
    }
    Way::Write(Box::new(DesiredObject {
        kind,
        id: case.id.clone(),
        gate: mark.map(|mark| mark.gate),
        body: body.into(),
        depends_on: Vec::new(),
        replaces: None,
        meanings: meanings(case, ground),
    }))
}

/// What the parameters of an object are to its rules, as the estate says; nothing is known of one that it has no more.
fn meanings(case: &Case<'_>, ground: Ground<'_>) -> Meanings {
    let mut wanted = ground.wanted.objects.iter();
    let wanted = wanted.rfind(|wanted| wanted.kind == case.kind && wanted.id == case.id);
    wanted.map(|wanted| wanted.meanings.clone()).unwrap_or_default()
}

/// Why a role or an exemption has no assignment to hang on, if it has none.
fn hangs_on_nothing(
    case: &Case<'_>,
    (before, mark): (&Value, Option<&Mark>),
    ground: Ground<'_>,
    put_back: &[DesiredObject],
) -> Option<String> {
    let there = match case.kind {
        Kind::PolicyExemption => {
            let id = reference(before, "policyAssignmentId")?;
            let assignment = |object: &DesiredObject| object.kind == Kind::PolicyAssignment && object.id == id;
            put_back.iter().any(assignment) || ground.observed.get(Kind::PolicyAssignment, &id).is_some()
        }
        _ => mark.is_some_and(|mark| roles::assignment(mark, ground, put_back).is_some()),
    };
    (!there).then(|| "the assignment that it belongs to is not there and is not put back".to_owned())
}

/// Whether an assignment has an identity that Azure makes with it, so that another assignment has another one.
fn has_own_identity(assignment: &Value) -> bool {
    let kind = assignment.pointer("/identity/type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("SystemAssigned"))
}

/// The principal of a live assignment's identity.
fn live_principal(ground: Ground<'_>, id: &ResourceId) -> Option<String> {
    principal_of(&ground.observed.get(Kind::PolicyAssignment, id)?.wire)
}
