//! Remediation tasks: what a gate that deploys would have deployed to resources that were there before it.
//!
//! Owns which tasks an environment has, their names and documents, and what Azure's answers mean. Must not know how they are sent. A name
//! follows from the assignment and the member, so that whoever starts a task that runs already finds it.

#[cfg(test)]
mod tests;

use crate::catalog::Catalog;
use crate::config::{Environment, InitiativeKind};
use crate::diff::digest;
use crate::kinds::Kind;
use crate::model::{ResourceId, Stage};
use crate::observed::{LiveObject, Observed};
use serde_json::{Value, json};

/// What every name of ours begins with.
const PREFIX: &str = "aksgate-";

/// A member whose resources can be remediated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The gate.
    pub gate: String,
    /// The member's reference id, in the casing of the set.
    pub member: String,
    /// The definition's name.
    pub definition: String,
    /// The assignment, at whose scope the task stands.
    pub assignment: ResourceId,
}

/// What is remediated, and what is not and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// The tasks in the order of gates and members.
    pub tasks: Vec<Task>,
    /// Gates that deploy and whose tasks cannot be started, each with why.
    pub held: Vec<(String, String)>,
}

/// How a task is run; Azure's own default where nothing is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// How many resources at most, 1 to 50,000.
    pub resource_count: Option<u32>,
    /// How many deployments at once, 1 to 30.
    pub parallel_deployments: Option<u32>,
    /// The share of failures after which no more is begun, in percent.
    pub failure_threshold: Option<u32>,
    /// Whether Azure looks for resources anew instead of taking those that it knows as non-compliant.
    pub re_evaluate: bool,
    /// Only in these locations; in all if there is none.
    pub locations: Vec<String>,
}

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It goes on.
    Running,
    /// Everything that it found is deployed.
    Succeeded,
    /// Somebody cancelled it.
    Canceled,
    /// Something could not be deployed.
    Failed,
}

/// What Azure says of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How it stands.
    pub state: State,
    /// Azure's word for that.
    pub word: String,
    /// How many deployments it needs, as far as it has found out.
    pub total: u64,
    /// How many have succeeded.
    pub succeeded: u64,
    /// How many have failed.
    pub failed: u64,
}

/// A deployment that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The resource.
    pub resource: String,
    /// ARM's error code; empty if it is not told.
    pub code: String,
    /// What ARM says.
    pub message: String,
}

impl State {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Canceled => "canceled",
            State::Failed => "failed",
        }
    }
}

/// Returns the tasks of an environment's gates that deploy: one for each member of the assignment that acts.
pub fn tasks(
    (owner, environment): (&str, &Environment),
    observed: &Observed,
    catalog: &Catalog,
    gates: &[String],
) -> Tasks {
    let mut found = Tasks::default();
    let wanted = environment.gates.values().filter(|gate| {
        gate.kind == InitiativeKind::Enablement
            && gate.target != Stage::Off
            && (gates.is_empty() || gates.contains(&gate.name))
    });
    for gate in wanted {
        let mut held = |why: &str| found.held.push((gate.name.clone(), why.to_owned()));
        let assignments = observed.owned(owner, &environment.name);
        let mut assignments: Vec<(&LiveObject, u32)> = assignments
            .filter(|(object, mark)| object.kind == Kind::PolicyAssignment && mark.gate == gate.name)
            .map(|(object, mark)| (object, mark.generation))
            .collect();
        // A successor that only reports deploys nothing: the one before it does.
        let stands = !assignments.is_empty();
        assignments.retain(|(object, _)| acts(object));
        assignments.sort_by_key(|(_, generation)| *generation);
        let Some((assignment, _)) = assignments.last() else {
            held(match stands {
                true => {
                    "it reports and deploys nothing yet, and a task would deploy all the same; it acts once the gate is at `enforce`"
                }
                false => "its assignment is not there yet; apply first",
            });
            continue;
        };
        match members(observed, catalog, assignment) {
            None => held("its set of policies could not be read"),
            Some(members) if members.is_empty() => held("none of its members deploys anything"),
            Some(members) => found.tasks.extend(members.into_iter().map(|(member, definition)| Task {
                gate: gate.name.clone(),
                member,
                definition,
                assignment: assignment.id.clone(),
            })),
        }
    }
    found
}

/// Whether an assignment's effects are carried out.
fn acts(assignment: &LiveObject) -> bool {
    let mode = assignment
        .wire
        .pointer("/properties/enforcementMode")
        .and_then(Value::as_str);
    mode.is_none_or(|mode| mode.eq_ignore_ascii_case("Default"))
}

/// The members of an assignment's set that deploy or modify, with their definitions; none if the set is not known.
fn members(observed: &Observed, catalog: &Catalog, assignment: &LiveObject) -> Option<Vec<(String, String)>> {
    let id = assignment.wire.pointer("/properties/policyDefinitionId")?.as_str()?;
    let set = observed.get(Kind::PolicySetDefinition, &ResourceId::parse(id)?)?;
    let list = set.wire.pointer("/properties/policyDefinitions")?.as_array()?;
    let mut found = Vec::new();
    for entry in list {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let (reference, definition) = (
            text("policyDefinitionReferenceId")?,
            ResourceId::parse(text("policyDefinitionId")?)?,
        );
        let facts = catalog.definition(definition.name()).map(|known| known.current());
        let fixed = entry.pointer("/parameters/effect/value").and_then(Value::as_str);
        let effects = facts.map(|facts| facts.effects.clone()).unwrap_or_default();
        let deploys = match fixed.filter(|effect| !effect.starts_with('[')) {
            Some(effect) => is_deployment(effect),
            None => effects.iter().any(|effect| is_deployment(effect)),
        };
        if deploys {
            found.push((reference.to_owned(), definition.name().to_owned()));
        }
    }
    found.sort();
    Some(found)
}

fn is_deployment(effect: &str) -> bool {
    ["DeployIfNotExists", "Modify"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(effect))
}

impl Task {
    /// Returns what the names of all tasks of this member begin with.
    pub fn stem(&self) -> String {
        let of = json!([self.assignment.key(), self.member.to_ascii_lowercase()]);
        let hash: String = digest(&of).chars().filter(char::is_ascii_hexdigit).take(12).collect();
        let gate: String = self.gate.chars().take(20).collect();
        format!("{PREFIX}{gate}-{hash}")
    }

    /// Returns the id of a task of this name.
    pub fn id(&self, name: &str) -> String {
        format!(
            "{}/providers/Microsoft.PolicyInsights/remediations/{name}",
            self.assignment.scope()
        )
    }

    /// Returns the name of the task to follow or to start, with how it stands if it runs already, of the tasks at the assignment's scope.
    ///
    /// What has ended stays as it is: the next one has the next number.
    pub fn next(&self, existing: &[Value]) -> (String, Option<Progress>) {
        let stem = format!("{}-", self.stem());
        let mut highest = 0;
        for document in existing {
            let name = document.get("name").and_then(Value::as_str).unwrap_or_default();
            let number = name.strip_prefix(&stem).and_then(|number| number.parse::<u32>().ok());
            let here = document.get("id").and_then(Value::as_str).and_then(ResourceId::parse);
            let here = here.is_some_and(|id| id.scope().eq_ignore_ascii_case(self.assignment.scope()));
            let Some(number) = number.filter(|_| here) else {
                continue;
            };
            let progress = Progress::parse(document);
            if progress.state == State::Running {
                return (name.to_owned(), Some(progress));
            }
            highest = highest.max(number);
        }
        (format!("{stem}{}", highest.saturating_add(1)), None)
    }

    /// Returns the document that starts the task.
    pub fn body(&self, settings: &Settings) -> Value {
        let mut properties = serde_json::Map::new();
        let mut put = |key: &str, value: Value| properties.insert(key.to_owned(), value);
        put("policyAssignmentId", json!(self.assignment.as_str()));
        put("policyDefinitionReferenceId", json!(self.member));
        let mode = if settings.re_evaluate {
            "ReEvaluateCompliance"
        } else {
            "ExistingNonCompliant"
        };
        put("resourceDiscoveryMode", json!(mode));
        if let Some(count) = settings.resource_count {
            put("resourceCount", json!(count));
        }
        if let Some(count) = settings.parallel_deployments {
            put("parallelDeployments", json!(count));
        }
        if let Some(percent) = settings.failure_threshold {
            put("failureThreshold", json!({"percentage": f64::from(percent) / 100.0}));
        }
        if !settings.locations.is_empty() {
            put("filters", json!({"locations": settings.locations}));
        }
        json!({ "properties": properties })
    }
}

impl Progress {
    /// Reads a task as Azure gives it; a state that is not known goes on.
    pub fn parse(document: &Value) -> Progress {
        let word = document
            .pointer("/properties/provisioningState")
            .and_then(Value::as_str);
        let word = word.unwrap_or_default();
        let count = |key: &str| {
            let number = document.pointer(&format!("/properties/deploymentStatus/{key}"));
            number.and_then(Value::as_u64).unwrap_or_default()
        };
        let (total, succeeded, failed) = (
            count("totalDeployments"),
            count("successfulDeployments"),
            count("failedDeployments"),
        );
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        let state = match () {
            () if is("Failed") => State::Failed,
            () if is("Canceled") || is("Cancelled") => State::Canceled,
            // Whatever the word: something that failed is no success.
            () if (is("Succeeded") || is("Complete")) && failed > 0 => State::Failed,
            () if is("Succeeded") || is("Complete") => State::Succeeded,
            () => State::Running,
        };
        Progress {
            state,
            word: word.to_owned(),
            total,
            succeeded,
            failed,
        }
    }
}

/// Returns the deployments of a task that failed.
pub fn failures(deployments: &[Value]) -> Vec<Failure> {
    let text = |value: &Value, path: &str| {
        value
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let failed = deployments
        .iter()
        .filter(|one| text(one, "/status").eq_ignore_ascii_case("Failed"));
    failed
        .map(|one| Failure {
            resource: text(one, "/remediatedResourceId"),
            code: text(one, "/error/code"),
            message: text(one, "/error/message"),
        })
        .collect()
}
