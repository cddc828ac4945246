//! Makes a plan from what is desired and what is observed.

use super::references::references;
use super::{Action, Finding, Header, Held, Plan, Step};
use crate::desired::{DesiredObject, billing_change};
use crate::diff::digest;
use crate::kinds::{Direction, FieldDirection, KNOWN_AFTER, Kind, Meanings, principal_of};
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
    /// Names that gates had before, each with the name that the gate has now.
    pub renamed: &'a BTreeMap<String, String>,
    /// Why an object of ours goes that is not desired.
    pub why_gone: &'a str,
}

/// Why an object goes that the estate does not state.
pub const NOT_ASKED_FOR: &str = "the estate no longer asks for it";

/// Makes the plan: one step for each desired object and for each object of ours that is not desired.
///
/// The order of the inputs does not matter. Forecasts are put in by whoever has read the evidence; they are no part of the plan's id.
pub fn make(inputs: Inputs<'_>) -> Plan {
    let mut header = inputs.header;
    let states = States {
        desired: inputs.desired,
        observed: inputs.observed,
        renamed: inputs.renamed,
        why_gone: inputs.why_gone,
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
    link(&mut steps, inputs.desired, inputs.observed);
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
        exceeded: Vec::new(),
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
        weakens: Vec::new(),
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
    renamed: &'a BTreeMap<String, String>,
    why_gone: &'a str,
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
        let meanings = &desired.meanings;
        step.turn(match (&before, step.action) {
            (Some(before), Action::Replace) if kind == Kind::PolicyAssignment => {
                self.succession(before, desired, false)
            }
            (Some(before), Action::Replace) => {
                let rest = |value: &Value| {
                    let mut value = value.clone();
                    if let Some(properties) = value.get_mut("properties").and_then(Value::as_object_mut) {
                        properties.remove("policyAssignmentId"); // it follows its assignment
                    }
                    value
                };
                kind.directions(Some(&rest(before)), Some(&rest(&after)), meanings)
            }
            _ => kind.directions(before.as_ref(), Some(&after), meanings),
        });
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
    /// A set whose content is not known here cannot be compared, and that counts as weakening. Of the successor of a `part` only what it
    /// does to that is asked.
    fn succession(&self, before: &Value, heir: &DesiredObject, part: bool) -> Vec<FieldDirection> {
        let after = self.after(heir);
        let after = &if part { limited(after, before) } else { after };
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
        let mut found = match (live, wanted) {
            _ if same => Vec::new(),
            (Some(live), Some(wanted)) => kind.directions(Some(&live), Some(&self.after(wanted)), &wanted.meanings),
            _ => {
                let name = |value: &Value| definition(value).map(|id| id.name().to_owned()).unwrap_or_default();
                let told = |value: &Value| match version(value).as_ref().and_then(Value::as_str) {
                    Some(version) => format!("{} at {version}", name(value)),
                    None => name(value),
                };
                let text = format!(
                    "`policyDefinitionId` {} -> {}, whose contents cannot be compared",
                    told(before),
                    told(after)
                );
                vec![FieldDirection::told(Direction::Weakens, text)]
            }
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
        let (before, after) = (rest(before), rest(after));
        found.extend(Kind::PolicyAssignment.directions(Some(&before), Some(&after), &heir.meanings));
        found
    }

    /// The gate that an object belongs to, by the name that it has now. A definition belongs to its initiative.
    fn gate_of<'b>(&'b self, kind: Kind, mark: &'b Mark) -> &'b String {
        let renamed = self.renamed.get(&mark.gate).filter(|_| !kind.is_definition());
        renamed.unwrap_or(&mark.gate)
    }

    /// Whether a role is given to an identity that a gate has too which is not looked at.
    fn serves_others(&self, role: &LiveObject, owner: &str, environment: &str, gates: &[String]) -> bool {
        let holder = role.wire.pointer("/properties/principalId").and_then(Value::as_str);
        let Some(holder) = holder.filter(|_| role.kind == Kind::RoleAssignment) else {
            return false;
        };
        self.observed.owned(owner, environment).any(|(object, mark)| {
            object.kind == Kind::PolicyAssignment
                && !gates.contains(self.gate_of(object.kind, &mark))
                && principal_of(&object.wire).is_some_and(|principal| principal.eq_ignore_ascii_case(holder))
        })
    }

    /// The assignments of an assignment's gate that hold all that it does: those that may take its place.
    fn heirs(&self, object: &LiveObject, mark: &Mark) -> Vec<&DesiredObject> {
        let of_gate = self.desired.iter().filter(|d| {
            // What is kept as it is takes nobody's place.
            let kept = self
                .observed
                .get(d.kind, &d.id)
                .is_some_and(|live| live.wire == *d.body);
            let heir = object.kind == Kind::PolicyAssignment && d.kind == object.kind;
            heir && d.gate.as_ref() == Some(self.gate_of(object.kind, mark)) && !kept
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
                gates.is_empty() || (gates.contains(self.gate_of(object.kind, mark)) && alone())
            })
            .filter(|(object, _)| !wanted.contains(&(object.kind, &object.id)))
            .map(|(object, mark)| {
                let before = object.comparable();
                let gate = self.gate_of(object.kind, &mark);
                let mut step = step(object.kind, &object.id, Some(gate));
                step.action = Action::Delete;
                step.turn(object.kind.directions(Some(&before), None, &Meanings::new()));
                step.reason = Some(self.why_gone.to_owned());
                let heirs = self.heirs(object, &mark);
                // What tightens is told where the successor is written.
                let weaker = |heir: &DesiredObject| -> Vec<FieldDirection> {
                    let stands = self.observed.get(heir.kind, &heir.id).is_some();
                    let shown = !stands && heir.replaces.as_ref().is_some_and(|(id, _)| *id == object.id);
                    if shown {
                        return Vec::new();
                    }
                    let change = self.succession(&before, heir, !mark.is_whole());
                    let weaker = change.into_iter().filter(|field| field.direction == Direction::Weakens);
                    weaker.collect()
                };
                let stronger = heirs.iter().find(|heir| weaker(heir).is_empty());
                if let Some(heir) = stronger.or(heirs.first()) {
                    step.turn(weaker(heir));
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

/// A write waits for what its object says that it depends on. A delete waits for every write, and for the deletes of all that refers to its
/// object: an interrupted run then leaves an assignment, by which the next one finds what hangs on it.
fn link(steps: &mut [Step], desired: &[DesiredObject], observed: &Observed) {
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
    let deletes = |step: &&Step| step.action == Action::Delete;
    let writes: Vec<String> = steps
        .iter()
        .filter(|step| step.is_pending() && !deletes(step))
        .map(|step| step.id.clone())
        .collect();
    let mut users: BTreeMap<(Kind, String), Vec<String>> = BTreeMap::new();
    for step in steps.iter().filter(deletes) {
        for used in used_by(step, (steps, observed)) {
            users.entry(used).or_default().push(step.id.clone());
        }
    }
    for step in steps.iter_mut().filter(|step| step.is_pending()) {
        let object = (step.kind, step.object.key());
        step.depends_on = match step.action {
            Action::Delete => {
                let users = users.get(&object).into_iter().flatten();
                writes.iter().chain(users).cloned().collect()
            }
            _ => needs.get(&object).cloned().unwrap_or_default(),
        };
    }
}

/// What the object of a delete refers to. A role names no assignment: it belongs to those of the gate in its mark, and to those whose identity
/// holds it.
fn used_by(step: &Step, (steps, observed): (&[Step], &Observed)) -> BTreeSet<(Kind, String)> {
    let Some(before) = &step.before else {
        return BTreeSet::new();
    };
    let mut used = references(step.kind, before);
    if step.kind != Kind::RoleAssignment {
        return used;
    }
    let of_gate = |other: &&Step| other.kind == Kind::PolicyAssignment && other.gate == step.gate;
    used.extend(
        steps
            .iter()
            .filter(of_gate)
            .map(|other| (other.kind, other.object.key())),
    );
    let holder = before.pointer("/properties/principalId").and_then(Value::as_str);
    if let Some(holder) = holder {
        let holds = |object: &&LiveObject| {
            let principal = principal_of(&object.wire).filter(|_| object.kind == Kind::PolicyAssignment);
            principal.is_some_and(|principal| principal.eq_ignore_ascii_case(holder))
        };
        used.extend(
            observed
                .objects()
                .filter(holds)
                .map(|object| (object.kind, object.id.key())),
        );
    }
    used
}
