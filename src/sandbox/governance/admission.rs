//! Admission: what the constraints of a cluster say of a request, before the object is there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::inside;
use super::super::json::{set, text};
use super::super::kubernetes;
use super::super::state::State;
use super::addon;
use super::apiserver;
use super::constraint::{Action, Constraint};
use super::judge;
use super::matching::Origin;
use super::resolve::{Policy, Resolver, Subject};
use super::scope::Cluster;

/// How Gatekeeper would call the expansion of workloads to their Pods.
const EXPANSION: &str = "expand-workloads";

/// What a constraint has against an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Objection {
    /// The name of the constraint.
    pub constraint: String,
    /// What happens.
    pub action: Action,
    /// The words of the rule.
    pub message: String,
    /// The id of the assignment that brought the constraint.
    pub assignment: String,
    /// The reference id of the member; empty where no set is assigned.
    pub reference: String,
    /// The id of the definition.
    pub definition: String,
}

impl Objection {
    /// Returns the line that the webhook gives.
    #[must_use]
    pub fn line(&self) -> String {
        format!("[{}] {}", self.constraint, self.message)
    }
}

/// What admission says of one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// What speaks against the object itself, whatever comes of it.
    pub objections: Vec<Objection>,
    /// What speaks against the Pods that it makes later.
    pub of_pods: Vec<Objection>,
    /// Constraints that could not be asked, with the reason.
    pub failures: Vec<(String, String)>,
}

impl Verdict {
    /// Returns whether the object itself is let in.
    #[must_use]
    pub fn admits(&self) -> bool {
        !denies(&self.objections)
    }

    /// Returns whether the Pods that it makes are let in.
    #[must_use]
    pub fn admits_pods(&self) -> bool {
        !denies(&self.of_pods)
    }
}

fn denies(objections: &[Objection]) -> bool {
    objections.iter().any(|one| one.action == Action::Deny)
}

/// How a policy stands in a cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing<'a> {
    /// Its constraint is there.
    Installed(&'a Constraint),
    /// It is exempted, and nothing is there.
    Exempt,
    /// Its template is also there from another source, so that neither counts.
    Conflict,
    /// It could not be installed.
    Failed(&'a str),
}

/// Returns how each policy stands in a cluster that asked at `pulled`.
#[must_use]
pub fn standings<'p>(
    state: &State,
    cluster: &Cluster,
    resolver: &Resolver<'_>,
    policies: &'p [Policy],
    pulled: i64,
) -> Vec<Standing<'p>> {
    let exempt: Vec<bool> = policies
        .iter()
        .map(|policy| resolver.is_exempt(policy, cluster, pulled))
        .collect();
    let foreign = inside::foreign_templates(state, &cluster.id, pulled);
    // The templates that come, by their kind: a second one of another content is a conflict.
    let mut kinds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (policy, exempt) in policies.iter().zip(&exempt) {
        if let (Subject::Constraint(constraint), false) = (&policy.subject, exempt) {
            let keys = kinds
                .entry(constraint.template.kind().to_ascii_lowercase())
                .or_default();
            if !keys.contains(&constraint.template.key) {
                keys.push(constraint.template.key);
            }
        }
    }
    let standing = |(policy, exempt): (&'p Policy, &bool)| match &policy.subject {
        _ if *exempt => Standing::Exempt,
        Subject::Failed(why) => Standing::Failed(why),
        Subject::Constraint(constraint) => {
            let kind = constraint.template.kind().to_ascii_lowercase();
            if foreign.contains(&kind) || kinds.get(&kind).is_some_and(|keys| keys.len() > 1) {
                Standing::Conflict
            } else {
                Standing::Installed(constraint)
            }
        }
    };
    policies.iter().zip(&exempt).map(standing).collect()
}

/// Says whether a cluster lets a request in, as things stand there now.
///
/// `request` is the `request` of an AdmissionReview. A cluster that does not run, or has no add-on, objects to nothing.
#[must_use]
pub fn admit(state: &State, cluster: &Cluster, request: &Value) -> Verdict {
    let governed = super::past::Past::at(state, state.now).governed(&cluster.id);
    let Some(pulled) = addon::pulled(state, &cluster.id, state.now).filter(|_| governed) else {
        return Verdict::default();
    };
    let resolver = Resolver::new(addon::effective(state, pulled));
    let policies = resolver.policies(cluster);
    let standings = standings(state, cluster, &resolver, &policies, pulled);
    weigh(&policies, &standings, request)
}

/// Says what the policies of a cluster that stand there so say of a request.
pub(super) fn weigh(policies: &[Policy], standings: &[Standing<'_>], request: &Value) -> Verdict {
    let mut request = request.clone();
    if let Some(subject) = request.get_mut("object").filter(|subject| !subject.is_null()) {
        apiserver::fill(subject);
        let namespace = text(subject, "/metadata/namespace").to_owned();
        if !namespace.is_empty() && text(&request, "/namespace").is_empty() {
            set(&mut request, "", "namespace", Value::String(namespace));
        }
    }
    let pod = request.get("object").and_then(kubernetes::pod_of);
    let asked = |mut pod: Value| {
        apiserver::fill(&mut pod);
        judge::request(&pod)
    };
    let pod = pod.map(asked);
    let mut verdict = Verdict::default();
    for (policy, standing) in policies.iter().zip(standings) {
        let Standing::Installed(constraint) = standing else {
            continue;
        };
        let objection = |message: String| Objection {
            constraint: constraint.name.clone(),
            action: constraint.action,
            message,
            assignment: policy.assignment.clone(),
            reference: policy.reference.clone(),
            definition: policy.definition.clone(),
        };
        let mut ask = |request: &Value, origin: Origin, prefix: &str| match judge::messages(constraint, request, origin)
        {
            Ok(messages) => messages
                .into_iter()
                .map(|message| objection(format!("{prefix}{message}")))
                .collect(),
            Err(why) => {
                verdict.failures.push((constraint.name.clone(), why));
                Vec::new()
            }
        };
        let mut own = ask(&request, Origin::Asked, "");
        let mut later = Vec::new();
        if let Some(pod) = &pod {
            own.extend(ask(pod, Origin::Implied, &format!("[Implied by {EXPANSION}] ")));
            later = ask(pod, Origin::Asked, "");
        }
        verdict.objections.append(&mut own);
        verdict.of_pods.append(&mut later);
    }
    verdict.failures.dedup();
    verdict
}
