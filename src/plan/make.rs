//! Makes a plan from what is desired and what is observed.

use super::{Action, Finding, Header, Held, Plan, Step};
use crate::desired::{DesiredObject, billing_change};
use crate::diff::digest;
use crate::kinds::{Direction, KNOWN_AFTER, Kind, principal_of};
use crate::model::{MARK_KEY, Mark, ResourceId};
use crate::observed::{LiveObject, Observed};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The header; its plan id is filled in.
    pub header: Header,
    /// The estate's owner.
    pub owner: &'a str,
    /// What should be there.
    pub desired: &'a [DesiredObject],
    /// What is there.
    pub observed: &'a Observed,
    /// What cannot be done now.
    pub held: Vec<Held>,
    /// What a reader should know.
    pub findings: Vec<Finding>,
    /// The gates that are looked at; all if empty. With any named, only their assignments are deleted.
    pub gates: &'a [String],
}

/// Makes the plan: one step for each desired object and for each object of ours that is not desired.
///
/// The order of the inputs does not matter. Forecasts are put in by whoever has read the evidence; they are no part of the plan's id.
pub fn make(inputs: Inputs<'_>) -> Plan {
    let mut header = inputs.header;
    let states = States {
        desired: inputs.desired,
        observed: inputs.observed,
    };
    let mut steps: Vec<Step> = inputs.desired.iter().map(|desired| states.wanted(desired)).collect();
    steps.extend(states.deletions(inputs.owner, &header.environment, inputs.gates));
    let rank = |step: &Step| {
        let last = step.action == Action::NoOp;
        let first = step.direction == Direction::Weakens;
        let delete = step.action == Action::Delete;
        // Deletions run the other way round: assignments before their sets.
        let kind = if delete {
            Kind::ALL.len() - step.kind as usize
        } else {
            step.kind as usize
        };
        (last, !first, delete, kind, step.object.key())
    };
    steps.sort_by_key(rank);
    steps.dedup_by(|one, two| one.kind == two.kind && one.object == two.object);
    for (at, step) in steps.iter_mut().enumerate() {
        step.id = format!("step-{:03}", at + 1);
    }
    link(&mut steps, inputs.desired);
    name_steps(&mut steps);
    let mut held = inputs.held;
    held.sort_by(|one, two| (one.plane, &one.subject).cmp(&(two.plane, &two.subject)));
    let mut findings = inputs.findings;
    findings.sort_by(|one, two| (&one.subject, &one.sentence).cmp(&(&two.subject, &two.sentence)));
    header.plan_id = plan_id(&header, &steps);
    Plan {
        header,
        steps,
        held,
        findings,
        forecasts: Vec::new(),
    }
}

/// Names the plan by what it does, where and when.
fn plan_id(header: &Header, steps: &[Step]) -> String {
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!([
                step.kind.name(),
                step.object.key(),
                step.action.name(),
                step.before,
                step.after
            ])
        })
        .collect();
    let seed = json!([
        header.environment,
        header.endpoint,
        header.config_digest,
        header.time.to_string(),
        steps
    ]);
    digest(&seed).chars().take(12).collect()
}

fn step(kind: Kind, object: &ResourceId, gate: Option<&str>) -> Step {
    Step {
        id: String::new(),
        kind,
        object: object.clone(),
        gate: gate.map(str::to_owned),
        depends_on: Vec::new(),
        action: Action::NoOp,
        direction: Direction::Neutral,
        reason: None,
        before: None,
        after: None,
        fingerprint: None,
    }
}

/// The namespaces that an assignment is limited to; none if it is not.
fn namespaces(assignment: &Value) -> Option<BTreeSet<&str>> {
    let names = assignment.pointer(NAMESPACES)?.get("value")?.as_array()?;
    let names: BTreeSet<&str> = names.iter().filter_map(Value::as_str).collect();
    (!names.is_empty()).then_some(names)
}

const NAMESPACES: &str = "/properties/parameters/namespaces";

/// Returns an assignment with the namespaces of another one, which lie within its own: that it holds more besides is no question.
fn limited(mut after: Value, before: &Value) -> Value {
    let limit = before.pointer(NAMESPACES).cloned();
    let parameters = after.pointer_mut("/properties/parameters");
    if let Some(parameters) = parameters.and_then(Value::as_object_mut) {
        match limit {
            Some(limit) => parameters.insert("namespaces".to_owned(), limit),
            None => parameters.remove("namespaces"),
        };
    }
    after
}

struct States<'a> {
    desired: &'a [DesiredObject],
    observed: &'a Observed,
}

impl States<'_> {
    fn after(&self, desired: &DesiredObject) -> Value {
        let live = self.observed.get(desired.kind, &desired.id);
        desired
            .kind
            .comparable(&desired.kind.merged(&desired.body, live.map(|live| &live.wire)))
    }

    fn wanted(&self, desired: &DesiredObject) -> Step {
        let kind = desired.kind;
        let live = self.observed.get(kind, &desired.id);
        let predecessor = desired
            .replaces
            .as_ref()
            .and_then(|(id, _)| self.observed.get(kind, id));
        let after = self.after(desired);
        let before = live.or(predecessor).map(LiveObject::comparable);
        let mut step = step(kind, &desired.id, desired.gate.as_deref());
        step.action = match (&before, live) {
            (Some(before), Some(_)) if *before == after => Action::NoOp,
            (_, Some(_)) => Action::Update,
            (Some(_), None) => Action::Replace,
            (None, None) => Action::Create,
        };
        step.fingerprint = live.map(LiveObject::fingerprint);
        if step.action == Action::NoOp {
            return step;
        }
        step.direction = match (&before, step.action) {
            (Some(before), Action::Replace) if kind == Kind::PolicyAssignment => self.succession(before, &after),
            (Some(before), Action::Replace) => {
                let rest = |value: &Value| {
                    let mut value = value.clone();
                    if let Some(properties) = value.get_mut("properties").and_then(Value::as_object_mut) {
                        properties.remove("policyAssignmentId"); // it follows its assignment
                    }
                    value
                };
                kind.direction(Some(&rest(before)), Some(&rest(&after)))
            }
            _ => kind.direction(before.as_ref(), Some(&after)),
        };
        step.reason = match step.action {
            Action::Replace => desired.replaces.as_ref().map(|(_, why)| why.clone()),
            _ if kind == Kind::DefenderPlan => {
                let change = billing_change(self.observed, &desired.id, before.as_ref(), &after);
                change.map(|change| change.reason)
            }
            _ => None,
        };
        step.before = before;
        step.after = Some(after);
        step
    }

    /// The direction from one assignment to its successor: that of their sets' contents and of everything else they state.
    /// A set whose content is not known here cannot be compared, and that counts as weakening.
    fn succession(&self, before: &Value, after: &Value) -> Direction {
        let definition = |value: &Value| {
            value
                .pointer("/properties/policyDefinitionId")
                .and_then(Value::as_str)
                .and_then(ResourceId::parse)
        };
        let kind = Kind::PolicySetDefinition;
        let live = definition(before)
            .and_then(|id| self.observed.get(kind, &id))
            .map(LiveObject::comparable);
        let wanted = definition(after).and_then(|id| self.desired.iter().find(|d| d.kind == kind && d.id == id));
        let version = |value: &Value| value.pointer("/properties/definitionVersion").cloned();
        let same = definition(before) == definition(after) && version(before) == version(after);
        let sets = match (live, wanted.map(|desired| self.after(desired))) {
            _ if same => Direction::Neutral,
            (Some(live), Some(wanted)) => kind.direction(Some(&live), Some(&wanted)),
            _ => Direction::Weakens,
        };
        let rest = |value: &Value| {
            let mut value = value.clone();
            if let Some(value) = value.as_object_mut() {
                // Where the identity is kept, and which one it is, decides nothing.
                value.remove("location");
                value.remove("identity");
            }
            if let Some(properties) = value.get_mut("properties").and_then(Value::as_object_mut) {
                // A set of our own has one version, which ARM writes on its assignment.
                properties.remove("policyDefinitionId");
                properties.remove("definitionVersion");
            }
            value
        };
        sets.and(Kind::PolicyAssignment.direction(Some(&rest(before)), Some(&rest(after))))
    }

    /// Whether a role is given to an identity that a gate has too which is not looked at.
    fn serves_others(&self, role: &LiveObject, owner: &str, environment: &str, gates: &[String]) -> bool {
        let holder = role.wire.pointer("/properties/principalId").and_then(Value::as_str);
        let Some(holder) = holder.filter(|_| role.kind == Kind::RoleAssignment) else {
            return false;
        };
        self.observed.owned(owner, environment).any(|(object, mark)| {
            object.kind == Kind::PolicyAssignment
                && !gates.contains(&mark.gate)
                && principal_of(&object.wire).is_some_and(|principal| principal.eq_ignore_ascii_case(holder))
        })
    }

    /// The assignments of an assignment's gate that hold all that it does: those that may take its place.
    fn heirs(&self, object: &LiveObject, mark: &Mark) -> Vec<&DesiredObject> {
        let of_gate = self.desired.iter().filter(|d| {
            // What is kept as it is takes nobody's place.
            let kept = self.observed.get(d.kind, &d.id).is_some_and(|live| live.wire == d.body);
            let heir = object.kind == Kind::PolicyAssignment && d.kind == object.kind;
            heir && d.gate.as_ref() == Some(&mark.gate) && !kept
        });
        let mine = namespaces(&object.wire);
        let holds = |heir: &&DesiredObject| {
            let heirs = heir.body.pointer(&format!("/properties/metadata/{MARK_KEY}"));
            let heirs = heirs.and_then(Value::as_str).and_then(Mark::parse);
            // That of the whole stands at the environment's scope, and there is nothing of ours but in it.
            let whole = heirs.is_some_and(|heirs| heirs.is_whole());
            if whole && mark.is_whole() {
                return true;
            }
            let place = whole || object.id.is_within(heir.id.scope());
            let names = match (namespaces(&heir.body), &mine) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(heirs), Some(mine)) => mine.is_subset(&heirs),
            };
            place && names
        };
        of_gate.filter(holds).collect()
    }

    /// What carries our mark for this environment and is not desired. A predecessor's going is part of its replacement, if a
    /// step shows that: the direction stands there.
    fn deletions(&self, owner: &str, environment: &str, gates: &[String]) -> Vec<Step> {
        let wanted: BTreeSet<(Kind, &ResourceId)> = self.desired.iter().map(|d| (d.kind, &d.id)).collect();
        self.observed
            .owned(owner, environment)
            .filter(|(object, mark)| {
                let alone = || !object.kind.is_definition() && !self.serves_others(object, owner, environment, gates);
                gates.is_empty() || (gates.contains(&mark.gate) && alone())
            })
            .filter(|(object, _)| !wanted.contains(&(object.kind, &object.id)))
            .map(|(object, mark)| {
                let before = object.comparable();
                let mut step = step(object.kind, &object.id, Some(&mark.gate));
                step.action = Action::Delete;
                step.direction = object.kind.direction(Some(&before), None);
                step.reason = Some("the estate no longer asks for it".to_owned());
                let heirs = self.heirs(object, &mark);
                let is_weaker = |heir: &DesiredObject| {
                    let stands = self.observed.get(heir.kind, &heir.id).is_some();
                    let shown = !stands && heir.replaces.as_ref().is_some_and(|(id, _)| *id == object.id);
                    let after = self.after(heir);
                    let after = if mark.is_whole() {
                        after
                    } else {
                        limited(after, &before)
                    };
                    !shown && self.succession(&before, &after) == Direction::Weakens
                };
                let stronger = heirs.iter().find(|heir| !is_weaker(heir));
                if let Some(heir) = stronger.or(heirs.first()) {
                    step.direction = match stronger {
                        Some(_) => Direction::Neutral,
                        None => Direction::Weakens,
                    };
                    step.reason = Some(format!("`{}` takes its place", heir.id.name()));
                }
                step.before = Some(before);
                step.fingerprint = Some(object.fingerprint());
                step
            })
            .collect()
    }
}

/// Names the step after which a value is known, where the value stood with the object.
fn name_steps(steps: &mut [Step]) {
    let ids: BTreeMap<String, String> = steps
        .iter()
        .filter(|step| step.is_pending() && step.action != Action::Delete)
        .map(|step| (step.object.key(), step.id.clone()))
        .collect();
    for step in steps.iter_mut() {
        let known_after = step
            .after
            .as_mut()
            .and_then(|after| after.pointer_mut(&format!("/properties/principalId/{KNOWN_AFTER}")));
        if let Some(object) = known_after
            && let Some(id) = object.as_str().and_then(|object| ids.get(&object.to_ascii_lowercase()))
        {
            *object = Value::from(id.as_str());
        }
    }
}

/// An assignment waits for its set, and that for its definitions. Deletions wait for every other write; an assignment's for those of
/// what hangs on it, so that an interrupted run leaves the assignment, by which the next one finds the rest; a set's for the
/// assignments', a definition's for the sets'.
fn link(steps: &mut [Step], desired: &[DesiredObject]) {
    let ids: BTreeMap<(Kind, String), String> = steps
        .iter()
        .filter(|step| step.is_pending())
        .map(|step| ((step.kind, step.object.key()), step.id.clone()))
        .collect();
    let needs: BTreeMap<(Kind, String), Vec<String>> = desired
        .iter()
        .map(|object| {
            let wanted = object
                .depends_on
                .iter()
                .filter_map(|(kind, id)| ids.get(&(*kind, id.key())).cloned());
            ((object.kind, object.id.key()), wanted.collect())
        })
        .collect();
    let writes: Vec<String> = steps
        .iter()
        .filter(|s| s.is_pending() && s.action != Action::Delete)
        .map(|s| s.id.clone())
        .collect();
    let deletions = |of: fn(Kind) -> bool, gate: Option<&String>| -> Vec<String> {
        let found = steps
            .iter()
            .filter(|s| s.action == Action::Delete && of(s.kind) && (gate.is_none() || s.gate.as_ref() == gate));
        found.map(|s| s.id.clone()).collect()
    };
    let unassignments = deletions(|kind| kind == Kind::PolicyAssignment, None);
    let sets = deletions(|kind| kind == Kind::PolicySetDefinition, None);
    let gates: BTreeSet<Option<String>> = steps.iter().map(|step| step.gate.clone()).collect();
    let hanging: BTreeMap<Option<String>, Vec<String>> = gates
        .into_iter()
        .map(|gate| (gate.clone(), deletions(Kind::hangs_on_assignment, gate.as_ref())))
        .collect();
    for step in steps.iter_mut().filter(|step| step.is_pending()) {
        step.depends_on = match (step.action, step.kind) {
            (Action::Delete, Kind::PolicySetDefinition) => writes.iter().chain(&unassignments).cloned().collect(),
            (Action::Delete, Kind::PolicyDefinition) => {
                writes.iter().chain(&unassignments).chain(&sets).cloned().collect()
            }
            (Action::Delete, Kind::PolicyAssignment) => {
                let hanging = hanging.get(&step.gate).into_iter().flatten();
                writes.iter().chain(hanging).cloned().collect()
            }
            (Action::Delete, _) => writes.clone(),
            _ => needs.get(&(step.kind, step.object.key())).cloned().unwrap_or_default(),
        };
    }
}
