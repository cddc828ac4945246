//! What is missing before a plan can be carried out: permissions, resource providers, places within Azure's limits, locks in the
//! way, and clusters that cannot be written.
//!
//! Owns what is asked and what the answers mean. Must not know how they were got. An answer that could not be had is unknown,
//! never well, and counts as missing.

mod cluster;
mod nature;
mod need;
mod permission;
#[cfg(test)]
mod tests;

pub use cluster::{ClusterFacts, SupportedVersion};
pub use nature::Limit;
pub use need::{ActionNeed, Documents, Needs, PlaceNeed};
pub use permission::{Grant, Permission, granted};

use crate::model::ResourceId;
use crate::observed::Cluster;
use crate::plan::{Action, Plan, Step};
use serde_json::Value;
use std::collections::BTreeMap;

/// How a check ended, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It is there.
    Ok,
    /// It is there, and a reader should know something about it.
    Warning,
    /// It could not be found out.
    Unknown,
    /// It is not there.
    Missing,
}

/// What a check is about, in the order in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// The plan itself.
    Plan,
    /// What whoever runs the tool may do.
    Permissions,
    /// Resource providers of subscriptions.
    Providers,
    /// How many objects there may be.
    Limits,
    /// Management locks.
    Locks,
    /// The clusters.
    Clusters,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is about.
    pub area: Area,
    /// How it ended.
    pub status: Status,
    /// What was looked for, such as an action or a namespace.
    pub subject: String,
    /// Where.
    pub scope: String,
    /// What was found, without a full stop.
    pub detail: String,
    /// What to do, without a full stop; none if nothing is.
    pub advice: Option<String>,
}

/// Something that no question to Azure Resource Manager answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub subject: String,
    /// Why it is not known, and what to do.
    pub sentence: String,
}

/// What a preflight is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The environment.
    pub environment: String,
    /// Its scope, such as `managementGroups/contoso`.
    pub scope: String,
    /// Its tenant.
    pub tenant: String,
    /// The ARM endpoint that was asked.
    pub endpoint: String,
}

/// All that was looked at for one environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Preflight {
    /// What it is of.
    pub target: Target,
    /// How many steps the plan would write; none if it could not be made.
    pub pending: Option<usize>,
    /// What was looked at: by area, the worst first.
    pub checks: Vec<Check>,
    /// What cannot be looked at.
    pub notes: Vec<Note>,
}

/// An answer of Azure, or why there is none.
pub type Answer<T> = Result<T, String>;

/// A management lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its id.
    pub id: ResourceId,
    /// `ReadOnly` or `CanNotDelete`.
    pub level: String,
}

/// What Azure answered.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Effective permissions by scope in lower case.
    pub permissions: BTreeMap<String, Answer<Vec<Permission>>>,
    /// Registration states by subscription and namespace.
    pub providers: BTreeMap<(String, String), Answer<String>>,
    /// How many objects there are, by type and scope in lower case.
    pub counts: BTreeMap<(&'static str, String), Answer<usize>>,
    /// Locks by subscription in lower case, with those below it.
    pub locks: BTreeMap<String, Answer<Vec<Lock>>>,
    /// The clusters' own facts.
    pub clusters: BTreeMap<ResourceId, ClusterFacts>,
    /// The versions of Kubernetes that AKS supports, by location in lower case.
    pub versions: BTreeMap<String, Answer<Vec<SupportedVersion>>>,
    /// Clusters to be written whose document could not be read, and why.
    pub unread: BTreeMap<ResourceId, String>,
}

impl Status {
    /// All of them, as they are counted.
    pub const ALL: [Status; 4] = [Status::Ok, Status::Warning, Status::Unknown, Status::Missing];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Unknown => "unknown",
            Status::Missing => "missing",
        }
    }
}

impl Area {
    /// All areas in order.
    pub const ALL: [Area; 6] = [
        Area::Plan,
        Area::Permissions,
        Area::Providers,
        Area::Limits,
        Area::Locks,
        Area::Clusters,
    ];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Area::Plan => "plan",
            Area::Permissions => "permissions",
            Area::Providers => "providers",
            Area::Limits => "limits",
            Area::Locks => "locks",
            Area::Clusters => "clusters",
        }
    }
}

impl Lock {
    /// Reads a lock as ARM gives it; none if it is not of the form that is known.
    pub fn parse(document: &Value) -> Option<Lock> {
        Some(Lock {
            id: ResourceId::parse(document.get("id")?.as_str()?)?,
            level: document.pointer("/properties/level")?.as_str()?.to_owned(),
        })
    }
}

impl Preflight {
    /// Returns the result of these checks.
    pub fn new(target: Target, pending: Option<usize>, mut checks: Vec<Check>, notes: Vec<Note>) -> Preflight {
        checks.sort_by(|one, two| {
            let key = |check: &Check| (check.area, std::cmp::Reverse(check.status));
            let text = |check: &Check| (check.subject.clone(), check.scope.to_ascii_lowercase());
            key(one).cmp(&key(two)).then_with(|| text(one).cmp(&text(two)))
        });
        Preflight {
            target,
            pending,
            checks,
            notes,
        }
    }

    /// Returns how many checks of an area ended so; of all areas if none is named.
    pub fn count(&self, area: Option<Area>, status: Status) -> usize {
        let of = |check: &&Check| check.status == status && area.is_none_or(|area| check.area == area);
        self.checks.iter().filter(of).count()
    }

    /// Returns whether nothing is missing; what is not known counts as missing.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.status <= Status::Warning)
    }
}

/// Returns what the answers say about what is needed.
pub fn checks(plan: &Plan, needs: &Needs, facts: &Facts, clusters: &[Cluster]) -> Vec<Check> {
    let mut checks: Vec<Check> = needs
        .actions
        .values()
        .map(|need| permission_check(need, facts))
        .collect();
    checks.extend(facts.unread.iter().map(|(id, why)| Check {
        area: Area::Permissions,
        status: Status::Unknown,
        subject: "what the cluster refers to".to_owned(),
        scope: id.as_str().to_owned(),
        detail: format!("the cluster could not be read: {why}"),
        advice: Some("make the cluster readable, then run the command again".to_owned()),
    }));
    checks.extend(provider_checks(needs, facts));
    checks.extend(needs.places.values().map(|place| limit_check(place, facts)));
    checks.extend(lock_checks(plan, facts));
    for cluster in clusters {
        let written = plan.pending().any(|step| step.object.is_within(cluster.id.as_str()));
        let own = facts.clusters.get(&cluster.id);
        let versions = own.and_then(|own| facts.versions.get(&own.location));
        checks.extend(cluster::checks(cluster, own, versions, written));
    }
    checks
}

fn permission_check(need: &ActionNeed, facts: &Facts) -> Check {
    let purposes: Vec<&str> = need.purposes.iter().map(String::as_str).collect();
    let purpose = match purposes.as_slice() {
        [one, two, three, _, rest @ ..] => format!("{one}, {two}, {three} and {} more", rest.len() + 1),
        few => few.join(", "),
    };
    let check = |status, detail: String, advice: Option<String>| Check {
        area: Area::Permissions,
        status,
        subject: need.action.clone(),
        scope: need.scope.clone(),
        detail,
        advice,
    };
    let grant = match facts.permissions.get(&need.scope.to_ascii_lowercase()) {
        Some(Ok(permissions)) => granted(permissions, &need.action),
        answer => {
            let why = match answer {
                Some(Err(why)) => why.as_str(),
                _ => "nobody asked",
            };
            return check(
                Status::Unknown,
                format!("needed to {purpose}; Azure did not say what you may do there: {why}"),
                Some(format!(
                    "if it is not there, make it or name another one in the estate; else see to it that you may ask (`Microsoft.Authorization/permissions/read`), or look in the portal whether you have `{}` there",
                    need.role
                )),
            );
        }
    };
    match grant {
        Grant::Yes => check(Status::Ok, format!("needed to {purpose}"), None),
        Grant::OnCondition => check(
            Status::Warning,
            format!("needed to {purpose}; you have it under a condition, which is not evaluated here"),
            Some("look whether the condition of your role assignment lets these writes pass".to_owned()),
        ),
        Grant::No => check(
            Status::Missing,
            format!("needed to {purpose}; none of your roles has it"),
            Some(format!(
                "have `{}`, or another role with this action, assigned: az role assignment create --assignee YOU --role '{}' --scope {}",
                need.role, need.role, need.scope
            )),
        ),
    }
}

/// Returns what the answers say about resource providers alone: for when no plan can be made.
pub fn provider_checks(needs: &Needs, facts: &Facts) -> Vec<Check> {
    let check = |((subscription, namespace), purposes): (
        &(String, String),
        &std::collections::BTreeSet<&'static str>,
    )| {
        let purposes: Vec<&str> = purposes.iter().copied().collect();
        let purpose = purposes.join(", ");
        let state = facts.providers.get(&(subscription.clone(), namespace.clone()));
        let register = format!(
            "register it with `aksgate preflight ENV --register`, or: az provider register --namespace {namespace} --subscription {subscription} --wait"
        );
        let (status, detail, advice) = match state {
            Some(Ok(state)) if state.eq_ignore_ascii_case("Registered") => {
                (Status::Ok, format!("registered, for {purpose}"), None)
            }
            Some(Ok(state)) if state.eq_ignore_ascii_case("Registering") => (
                Status::Missing,
                format!("its registration is under way; needed for {purpose}"),
                Some("wait some minutes and run the command again; `--register` waits for it".to_owned()),
            ),
            Some(Ok(state)) => (
                Status::Missing,
                format!("its state is `{state}`; needed for {purpose}"),
                Some(register),
            ),
            Some(Err(why)) => (
                Status::Unknown,
                format!("needed for {purpose}; Azure did not say whether it is registered: {why}"),
                Some(format!(
                    "look: az provider show --namespace {namespace} --subscription {subscription}"
                )),
            ),
            None => (Status::Unknown, format!("needed for {purpose}; nobody asked"), None),
        };
        Check {
            area: Area::Providers,
            status,
            subject: namespace.clone(),
            scope: format!("/subscriptions/{subscription}"),
            detail,
            advice,
        }
    };
    needs.providers.iter().map(check).collect()
}

fn limit_check(place: &PlaceNeed, facts: &Facts) -> Check {
    let most = place.limit.most();
    let check = |status, detail: String, advice: Option<String>| Check {
        area: Area::Limits,
        status,
        subject: place.resource_type.to_owned(),
        scope: place.scope.clone(),
        detail,
        advice,
    };
    let there = match facts
        .counts
        .get(&(place.resource_type, place.scope.to_ascii_lowercase()))
    {
        Some(Ok(there)) => *there,
        answer => {
            let why = match answer {
                Some(Err(why)) => why.as_str(),
                _ => "nobody asked",
            };
            return check(
                Status::Unknown,
                format!(
                    "{} would be made, and those there could not be counted: {why}",
                    place.made
                ),
                Some("see to it that you may list them, then run the command again".to_owned()),
            );
        }
    };
    let after = there.saturating_add(place.made);
    let detail = format!("{there} there, {} to be made, {most} allowed", place.made);
    match () {
        () if after > most => check(
            Status::Missing,
            detail,
            Some(format!(
                "delete {} that nobody needs, or choose another scope",
                after - most
            )),
        ),
        () if after.saturating_mul(10) >= most.saturating_mul(9) => check(
            Status::Warning,
            detail,
            Some("there is room for few more: a gate's successor stands beside it for a while".to_owned()),
        ),
        () => check(Status::Ok, detail, None),
    }
}

fn lock_checks(plan: &Plan, facts: &Facts) -> Vec<Check> {
    let mut checks = Vec::new();
    for (subscription, answer) in &facts.locks {
        let scope = format!("/subscriptions/{subscription}");
        let check = |status, subject: &str, scope: &str, detail: String, advice: Option<String>| Check {
            area: Area::Locks,
            status,
            subject: subject.to_owned(),
            scope: scope.to_owned(),
            detail,
            advice,
        };
        let locks = match answer {
            Ok(locks) => locks,
            Err(why) => {
                checks.push(check(
                    Status::Unknown,
                    "locks",
                    &scope,
                    format!("Azure did not say which there are: {why}"),
                    Some("see to it that you may read them (`Microsoft.Authorization/locks/read`)".to_owned()),
                ));
                continue;
            }
        };
        let mut in_the_way = false;
        for lock in locks {
            let stopped = plan.pending().filter(|step| stops(lock, step)).count();
            if stopped > 0 {
                in_the_way = true;
                checks.push(check(
                    Status::Missing,
                    &format!("no lock: `{}` is in the way", lock.id.name()),
                    lock.id.scope(),
                    format!(
                        "it is `{}` and would stop {stopped} steps with 409 `ScopeLocked`",
                        lock.level
                    ),
                    Some(format!(
                        "have it removed for the time of the apply: az lock delete --ids {}",
                        lock.id
                    )),
                ));
            }
        }
        if !in_the_way {
            checks.push(check(Status::Ok, "locks", &scope, "none in the way".to_owned(), None));
        }
    }
    checks
}

/// Whether a lock stops a step. A level that is not known is taken for the strictest.
fn stops(lock: &Lock, step: &Step) -> bool {
    let deletes = matches!(step.action, Action::Delete | Action::Replace);
    let only_deletes = lock.level.eq_ignore_ascii_case("CanNotDelete");
    step.object.is_within(lock.id.scope()) && (deletes || !only_deletes)
}

/// Returns what no question answers, for this plan.
pub fn notes(plan: &Plan, clusters: &[Cluster]) -> Vec<Note> {
    let mut notes = Vec::new();
    if plan.pending().next().is_none() {
        notes.push(Note {
            subject: "permissions".to_owned(),
            sentence: "the plan writes nothing now, so no permission to write was looked for".to_owned(),
        });
    } else {
        notes.push(Note {
            subject: "permissions".to_owned(),
            sentence: "conditions of role assignments (ABAC), deny assignments and policies that deny our own writes are not in this answer; \
                       a role that is only eligible (PIM) counts when it is activated"
                .to_owned(),
        });
    }
    let cluster_is_written = |cluster: &Cluster| plan.pending().any(|step| step.object == cluster.id);
    if clusters.iter().any(cluster_is_written) {
        notes.push(Note {
            subject: "another Gatekeeper".to_owned(),
            sentence: "the Azure Policy add-on cannot share a cluster with one, and Azure Resource Manager cannot see it; ask each cluster that has no add-on yet: \
                       kubectl get deployments --all-namespaces -l gatekeeper.sh/system=yes"
                .to_owned(),
        });
    }
    notes
}
