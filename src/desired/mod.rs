//! What should be there: the objects of one environment, rendered, named, marked and put at their position.
//!
//! Owns what a template may not decide: name, scope, mark, effect, overrides, enforcement mode. Must not know how far the
//! result differs from what is live (`plan`).

mod arc;
mod by_hand;
mod checks;
mod closing;
mod clusters;
mod content;
mod defender;
mod exemptions;
mod gate;
mod identity;
mod kept;
mod limits;
mod meanings;
mod overlap;
mod parts;
mod renames;
mod rollout;
mod rules;
mod safeguards;

pub use checks::DesiredError;
pub use defender::billing_change;
pub use exemptions::{RELAXED_KEY, Relaxation, relaxations};
pub use rollout::{Controls, GateRollout, Order};

use crate::catalog::Catalog;
use crate::config::{Environment, Estate, Mode};
use crate::kinds::{Kind, Meanings, Plane};
use crate::lock::Unaccepted;
use crate::model::{ResourceId, Scope, Timestamp};
use crate::observed::Observed;
use crate::remark::{Finding, Held, Required};
use crate::render::Renderer;
use crate::rollout::Uncovered;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An object that should be there.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredObject {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: ResourceId,
    /// The gate that it belongs to, where it belongs to one.
    pub gate: Option<String>,
    /// The document as ARM takes it; of a part of a resource, that part only. Clusters that want the same share it.
    pub body: Arc<Value>,
    /// Objects that have to be written before.
    pub depends_on: Vec<(Kind, ResourceId)>,
    /// The object whose place it takes, and why that one cannot be changed in place.
    pub replaces: Option<(ResourceId, String)>,
    /// What its parameters are to its rules; of a parameter that is not named that is not known.
    pub meanings: Meanings,
}

/// Everything that an environment wants, and what it cannot have now.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The objects.
    pub objects: Vec<DesiredObject>,
    /// What cannot be done now.
    pub held: Vec<Held>,
    /// What a reader should know.
    pub findings: Vec<Finding>,
    /// Where its gates stand on their way.
    pub rollouts: Vec<GateRollout>,
    /// Of the findings those that tell what others assign of a gate's content.
    pub overlaps: Vec<Finding>,
    /// What is required and does not hold, where somebody else has to change it.
    pub required: Vec<Required>,
}

/// What the objects are made from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The estate.
    pub estate: &'a Estate,
    /// The environment.
    pub environment: &'a Environment,
    /// The catalogue of built-ins.
    pub catalog: &'a Catalog,
    /// The loaded templates.
    pub renderer: &'a Renderer,
    /// What is live.
    pub observed: &'a Observed,
    /// By gate, why its content is not what was accepted; a gate that is not named has no reason.
    pub unaccepted: &'a BTreeMap<String, Vec<Unaccepted>>,
    /// What the positions of gates are decided on besides.
    pub controls: &'a Controls,
    /// Now, by ARM's clock.
    pub now: Timestamp,
}

/// Returns what the environment wants, given what is live.
///
/// `gates` names the gates to look at; with any named, nothing but these is looked at. A gate whose switch is a part of the
/// Defender plan brings that plan along.
///
/// # Errors
/// A template cannot be filled, or states what it may not, or a document breaks one of Azure's limits.
pub fn objects(sources: Sources<'_>, gates: &[String]) -> Result<Desired, DesiredError> {
    let mut desired = Desired::default();
    let uncovered = clusters::uncovered(sources.observed);
    let mut with_defender = gates.is_empty();
    for gate in sources.environment.gates.values() {
        if !gates.is_empty() && !gates.contains(&gate.name) {
            continue;
        }
        if defender::is_gate(sources, gate) {
            with_defender = true;
            defender::add_gate(&mut desired, sources, gate, !gates.is_empty());
        } else if let Some(reason) = by_hand::pause(sources.controls.orders.get(&gate.name)) {
            by_hand::add_pause(&mut desired, sources, gate, &uncovered, reason)?;
        } else {
            gate::add(&mut desired, sources, gate, &uncovered)?;
            exemptions::add(&mut desired, sources, gate)?;
        }
    }
    if with_defender {
        defender::add(&mut desired, sources)?;
    }
    if gates.is_empty() {
        clusters::add(&mut desired, sources)?;
        safeguards::add(&mut desired, sources)?;
        arc::add(&mut desired, sources)?;
    }
    renames::add(&mut desired, sources);
    for object in &desired.objects {
        limits::check(object)?;
    }
    Ok(desired)
}

/// Returns the documents of an environment without asking Azure: gates in audit, and placeholders for the subscriptions and
/// clusters that are only found there.
///
/// # Errors
/// As [`objects`].
pub fn offline(sources: Sources<'_>, gates: &[String]) -> Result<Vec<DesiredObject>, DesiredError> {
    let mut observed = Observed::default();
    let subscription = match &sources.environment.scope {
        Scope::Subscription(id) | Scope::ResourceGroup(id, _) => id.clone(),
        Scope::ManagementGroup(_) => "{subscriptionId}".to_owned(),
    };
    observed.subscriptions.push(crate::observed::Subscription {
        id: subscription.clone(),
        name: String::new(),
    });
    let group = match &sources.environment.scope {
        Scope::ResourceGroup(_, group) => group.clone(),
        _ => "{resourceGroup}".to_owned(),
    };
    observed
        .clusters
        .extend(clusters::placeholder(sources.environment, &subscription, &group));
    Ok(objects(
        Sources {
            observed: &observed,
            ..sources
        },
        gates,
    )?
    .objects)
}

/// Says what somebody else has to change so that a setting is as required.
fn required(subject: &str, mode: Mode, before: &Value, after: &Value) -> Vec<Finding> {
    let mode = mode.name();
    crate::diff::changes(before, after)
        .into_iter()
        .map(|change| {
            let path = change
                .path
                .strip_prefix("properties.")
                .unwrap_or(&change.path)
                .to_owned();
            let text = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
            let (found, wanted) = (text(change.before.as_ref()), text(change.after.as_ref()));
            Finding {
                subject: subject.to_owned(),
                sentence: format!("`{path}` is {found} and is required to be {wanted}; `mode: {mode}` never writes it"),
            }
        })
        .collect()
}

fn held_state(plane: Plane, subject: &str, what: &str, sentence: String) -> Held {
    let reason = crate::remark::Reason {
        guard: "state".to_owned(),
        sentence,
        opens: None,
    };
    Held {
        plane,
        subject: subject.to_owned(),
        what: what.to_owned(),
        reasons: vec![reason],
    }
}

/// Returns the clusters on which a gate would not act.
pub fn uncovered(observed: &Observed) -> Vec<Uncovered> {
    clusters::uncovered(observed)
}
