//! From rows to evidence.

use super::{
    ClusterEvidence, ClusterFacts, ComponentRow, Condition, Count, Coverage, Exempted, GateEvidence, MOST_VIOLATIONS,
    Member, MemberEvidence, MemberState, Rows, StateRow, TOO_OLD,
};
use crate::model::{Effect, ResourceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The assignment.
    pub assignment: &'a ResourceId,
    /// When assignment, definitions and exemptions changed last; none if it is not known.
    pub changed: Option<Timestamp>,
    /// The members that report on clusters.
    pub members: &'a [Member],
    /// The clusters in scope.
    pub clusters: &'a [ClusterFacts],
    /// The exemptions from the assignment that are in force.
    pub exemptions: &'a [Exempted],
    /// The namespaces whose objects count; none if all do.
    pub namespaces: Option<&'a Namespaces>,
    /// Now, by ARM's clock.
    pub now: Timestamp,
}

/// Which namespaces are meant, by name or with a `*` at one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// These.
    Only(BTreeSet<String>),
    /// All but these.
    Except(BTreeSet<String>),
}

impl Namespaces {
    /// Returns whether an object of that namespace counts. One without a namespace does: nothing says that it is let off.
    pub fn take(&self, namespace: Option<&str>) -> bool {
        let Some(namespace) = namespace else {
            return true;
        };
        let names = |names: &BTreeSet<String>| names.iter().any(|name| fits(name, namespace));
        match self {
            Namespaces::Only(only) => names(only),
            Namespaces::Except(except) => !names(except),
        }
    }
}

/// Whether a name is meant by one that may have a `*` at either end.
fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(rest), _) => match rest.strip_suffix('*') {
            Some(middle) => name.contains(middle),
            None => name.ends_with(rest),
        },
        (None, Some(start)) => name.starts_with(start),
        (None, None) => pattern == name,
    }
}

/// Judges the rows of one assignment.
///
/// The order of the rows does not matter, and of two rows on the same thing the newer one holds; of two as old, the worse one.
pub fn judge(question: Question<'_>, rows: &Rows) -> GateEvidence {
    let states = newest_states(question.assignment, &rows.states);
    let mut components: BTreeMap<&ResourceId, Vec<Standing<'_>>> = BTreeMap::new();
    for standing in standing_of(question.assignment, rows, &states) {
        components.entry(&standing.row.key.resource).or_default().push(standing);
    }
    let exemptions = ByScope::of(question.exemptions);
    let mut clusters: Vec<ClusterEvidence> = question
        .clusters
        .iter()
        .map(|cluster| {
            let of_it = components.get(&cluster.id).map(Vec::as_slice);
            let exempted = exemptions.covering(cluster);
            let question = Question {
                exemptions: &exempted,
                ..question
            };
            one_cluster(question, cluster, &states, of_it.unwrap_or_default())
        })
        .collect();
    clusters.sort_by(|one, two| one.id.cmp(&two.id));
    clusters.dedup_by(|one, two| one.id == two.id);
    GateEvidence {
        changed: question.changed,
        clusters,
    }
}

/// Exemptions by their scope, since many of them and many clusters may be there.
struct ByScope<'a>(BTreeMap<String, Vec<&'a Exempted>>);

impl<'a> ByScope<'a> {
    fn of(exemptions: &'a [Exempted]) -> ByScope<'a> {
        let mut scopes: BTreeMap<String, Vec<&Exempted>> = BTreeMap::new();
        for exempted in exemptions {
            let scope = exempted.scope.trim_end_matches('/').to_ascii_lowercase();
            scopes.entry(scope).or_default().push(exempted);
        }
        ByScope(scopes)
    }

    /// Returns the exemptions that a cluster lies in.
    fn covering(&self, cluster: &ClusterFacts) -> Vec<Exempted> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let id = cluster.id.key();
        let above = id.match_indices('/').filter_map(|(end, _)| id.get(..end));
        let here = above.chain([id.as_str()]).filter_map(|scope| self.0.get(scope));
        let covers = here.flatten().filter(|exempted| exempted.covers(cluster));
        covers.map(|exempted| (*exempted).clone()).collect()
    }
}

/// An object that breaks a member as far as is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// Its newest row.
    pub(super) row: &'a ComponentRow,
    /// Whether the member denied when it was reported, and still does: it may be an attempt that was refused.
    pub(super) denied: bool,
}

type States<'a> = BTreeMap<(&'a ResourceId, &'a str), &'a StateRow>;

/// What decides between two rows on the same thing: the newer one holds, and the worse of two as old.
fn rank(reported: Timestamp, state: MemberState, effect: Option<Effect>) -> (Timestamp, MemberState, bool) {
    (reported, state, effect != Some(Effect::Deny))
}

fn newest_states<'a>(assignment: &ResourceId, rows: &'a [StateRow]) -> States<'a> {
    let mut newest: States<'a> = BTreeMap::new();
    let rank = |row: &StateRow| rank(row.key.reported, row.state, row.key.effect);
    for row in rows.iter().filter(|row| row.key.assignment == *assignment) {
        let key = (&row.key.resource, row.key.member.as_str());
        let place = newest.entry(key).or_insert(row);
        if rank(row) > rank(place) {
            *place = row;
        }
    }
    newest
}

/// Returns the objects that break members of an assignment, each once for a member: those whose newest row does not say that they are
/// sound, but for what was seen before a report that nothing breaks the member.
pub(super) fn standing<'a>(assignment: &ResourceId, rows: &'a Rows) -> Vec<Standing<'a>> {
    standing_of(assignment, rows, &newest_states(assignment, &rows.states))
}

fn standing_of<'a>(assignment: &ResourceId, rows: &'a Rows, states: &States<'a>) -> Vec<Standing<'a>> {
    let mut newest: BTreeMap<_, &ComponentRow> = BTreeMap::new();
    let rank = |row: &ComponentRow| rank(row.key.reported, row.state, row.key.effect);
    for row in rows.components.iter().filter(|row| row.key.assignment == *assignment) {
        let key = &row.key;
        let key = (&key.resource, key.member.as_str(), &key.definition, &row.component);
        let place = newest.entry(key).or_insert(row);
        if rank(row) > rank(place) {
            *place = row;
        }
    }
    let stands = newest.into_values().filter_map(|row| {
        let state = states.get(&(&row.key.resource, row.key.member.as_str()));
        let gone =
            state.is_some_and(|state| state.state == MemberState::Compliant && state.key.reported > row.key.reported);
        let denies = state.is_some_and(|state| state.key.effect == Some(Effect::Deny));
        (row.state != MemberState::Compliant && !gone).then_some(Standing {
            row,
            denied: denies && row.key.effect == Some(Effect::Deny),
        })
    });
    stands.collect()
}

fn one_cluster(
    question: Question<'_>,
    cluster: &ClusterFacts,
    states: &States<'_>,
    components: &[Standing<'_>],
) -> ClusterEvidence {
    let members: BTreeMap<String, MemberEvidence> = question
        .members
        .iter()
        .map(|member| {
            let state = states.get(&(&cluster.id, member.reference.as_str())).copied();
            let lets_off = |exempted: &Exempted| exempted.lets_off(cluster, &member.reference);
            let exempt = question.exemptions.iter().any(lets_off);
            let evidence = one_member(question, member, (state, exempt), components);
            (member.reference.clone(), evidence)
        })
        .collect();
    ClusterEvidence {
        id: cluster.id.clone(),
        name: cluster.id.name().to_owned(),
        location: cluster.location.clone(),
        changed: cluster.changed,
        coverage: coverage(question, cluster, &members),
        members,
    }
}

fn one_member(
    question: Question<'_>,
    member: &Member,
    (row, exempt): (Option<&StateRow>, bool),
    components: &[Standing<'_>],
) -> MemberEvidence {
    let mine = || components.iter().filter(|of| of.row.key.member == member.reference);
    // The limit is on the policy, whichever members of the set it stands behind.
    let full = mine().any(|one| {
        let same = |of: &&Standing<'_>| of.row.key.definition == one.row.key.definition;
        components.iter().filter(same).count() as u64 >= MOST_VIOLATIONS
    });
    let counts = |of: &Standing<'_>| {
        let namespace = of.row.component.namespace.as_deref();
        question.namespaces.is_none_or(|namespaces| namespaces.take(namespace))
    };
    let seen = mine().count();
    let denied = mine().filter(|of| of.denied).count() as u64;
    let violations = mine().filter(|of| !of.denied && counts(of)).count() as u64;
    let state = match row {
        None => MemberState::NotStarted,
        Some(row) if row.state == MemberState::Compliant && seen > 0 => MemberState::NonCompliant,
        Some(row) => row.state,
    };
    let more = match state {
        MemberState::Compliant => false,
        // Something breaks it and no object is named, or those that run cannot be told from those that were refused.
        MemberState::NonCompliant => seen == 0 || denied > 0,
        // Who is let off is not refused. An exemption that is gone leaves its word behind until the next report.
        MemberState::Exempt => !exempt,
        _ => true,
    };
    MemberEvidence {
        state,
        reported: row.map(|row| row.key.reported),
        violations: Count {
            n: violations,
            at_least: full || more,
        },
        denied: Count {
            n: denied,
            at_least: full && denied > 0,
        },
    }
}

fn coverage(question: Question<'_>, cluster: &ClusterFacts, members: &BTreeMap<String, MemberEvidence>) -> Coverage {
    if let Some(ignored) = cluster.ignored.as_ref().filter(|ignored| ignored.until > question.now) {
        return Coverage::Ignored {
            reason: ignored.reason.clone(),
            until: ignored.until,
        };
    }
    if cluster.excluded {
        return Coverage::Excluded;
    }
    let whole = question
        .exemptions
        .iter()
        .filter(|exempted| exempted.members.is_empty() && exempted.covers(cluster));
    // Of two exemptions the one that ends later holds.
    if let Some(until) = whole.map(|exempted| exempted.until).max_by_key(|until| match until {
        None => (1, None),
        Some(until) => (0, Some(*until)),
    }) {
        return Coverage::Exempt { until };
    }
    match cluster.condition {
        Condition::Stopped => return Coverage::Stopped,
        Condition::NoAddon => return Coverage::NoAddon,
        Condition::Running => {}
    }
    let Some(last) = members.values().filter_map(|member| member.reported).max() else {
        return Coverage::NeverSeen;
    };
    if question.now.since(last) > TOO_OLD {
        return Coverage::NotReporting { last };
    }
    let mut reporting = members.values().filter(|member| member.reported.is_some()).peekable();
    if reporting.peek().is_some() && reporting.all(|member| member.state == MemberState::Error) {
        return Coverage::AddonFailing;
    }
    Coverage::Reporting
}
