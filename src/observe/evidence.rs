//! Reads what Azure Policy reports of the clusters.
//!
//! Owns which service is asked, and what counts as having heard everything: a row that cannot be read and an answer that may have been cut
//! are errors, never "none". Must not know what is decided on the rows.
//!
//! Resource Graph answers for all gates at once, but lags behind. Where it leaves a cluster out that should have been heard of, Policy
//! Insights is asked for that assignment; and it alone is asked again before a write that closes a gate.

mod graph;

use super::AT_ONCE;
use crate::arm::{ArmError, Client};
use crate::catalog::Catalog;
use crate::evidence::{
    AllRows, ComponentRow, GateEvidence, Ignored, Namespaces, Question, RowError, Rows, SETTLE, StateRow, changed,
    cluster_facts, exemptions, freshness, judge, members,
};
use crate::model::{Ids, Period, ResourceId, Scope, Timestamp};
use crate::observed::{LiveObject, Observed};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How far back Policy Insights is asked: it takes one day if nothing is said, and a cluster that fell silent before would never have been
/// there.
const BACK: Period = Period::from_seconds(3 * 86_400);

/// The most rows that one answer on components is asked for. Such an answer has no further pages: a full one may have been cut.
const MOST_ROWS: usize = 1_000;

/// An assignment whose evidence is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The assignment.
    pub assignment: &'a LiveObject,
    /// The clusters that the environment leaves out of account.
    pub ignored: &'a [(ResourceId, Ignored)],
    /// The namespaces whose objects count; none if all do.
    pub namespaces: Option<&'a Namespaces>,
}

/// What was heard.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// All rows.
    pub rows: AllRows,
    /// What they come to, by assignment. One whose members are not known has evidence that nothing can be concluded from.
    pub gates: BTreeMap<ResourceId, GateEvidence>,
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A call failed.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// A row cannot be read.
    #[error("Azure's compliance data cannot be read, and nothing was concluded from the rest")]
    Row(#[from] RowError),
    /// An answer may have been cut.
    #[error(
        "the violations of `{policy}` on cluster `{cluster}` did not all come: {MOST_ROWS} rows, with no way to read on"
    )]
    Cut {
        /// The cluster.
        cluster: String,
        /// The definition.
        policy: String,
    },
}

/// Reads the evidence of assignments: one query of Resource Graph for all of them, and a few of Policy Insights where that is behind.
///
/// # Errors
/// A call that fails, a row that cannot be read, an answer that may have been cut.
pub async fn evidence(
    client: &Client,
    scope: &Scope,
    (observed, catalog): (&Observed, &Catalog),
    asked: &[Asked<'_>],
    now: Timestamp,
) -> Result<Evidence, EvidenceError> {
    if asked.is_empty() {
        return Ok(Evidence::default());
    }
    let mut rows = AllRows::from(graph::rows(client, scope, asked).await?);
    let judge = |one: Asked<'_>, rows: &AllRows| judged(observed, catalog, one, rows.of(&one.assignment.id), now);
    let mut gates: BTreeMap<ResourceId, GateEvidence> = asked
        .iter()
        .map(|one| (one.assignment.id.clone(), judge(*one, &rows)))
        .collect();
    let is_behind = |one: &&Asked<'_>| {
        let freshness = gates
            .get(&one.assignment.id)
            .map(|judged| freshness(judged, None, SETTLE, now));
        freshness.into_iter().flatten().any(|of| of.heard.is_awaited())
    };
    let behind: Vec<Asked<'_>> = asked.iter().filter(is_behind).copied().collect();
    let newer: Vec<_> = behind
        .iter()
        .map(|one| newer(client, observed, one.assignment, rows.of(&one.assignment.id), now))
        .collect();
    let newer: Vec<Option<Rows>> = stream::iter(newer).buffered(AT_ONCE).try_collect().await?;
    for (one, newer) in behind.into_iter().zip(newer) {
        let Some(newer) = newer else { continue };
        let id = &one.assignment.id;
        let here = rows.of_mut(id);
        here.components = newer.components;
        here.states.extend(newer.states);
        gates.insert(id.clone(), judge(one, &rows));
    }
    Ok(Evidence { rows, gates })
}

/// What Policy Insights has of an assignment; none if it knows no more than `before`.
async fn newer(
    client: &Client,
    observed: &Observed,
    assignment: &LiveObject,
    before: &Rows,
    now: Timestamp,
) -> Result<Option<Rows>, EvidenceError> {
    let states = states(client, assignment, now).await?;
    if !tells_more(&states, before) {
        return Ok(None);
    }
    let components = components(client, assignment, observed, &states).await?;
    Ok(Some(Rows { states, components }))
}

/// Reads the evidence of one assignment from Policy Insights alone, as it is now.
///
/// # Errors
/// As [`evidence`].
pub async fn evidence_again(
    client: &Client,
    (observed, catalog): (&Observed, &Catalog),
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<(GateEvidence, Rows), EvidenceError> {
    let states = states(client, asked.assignment, now).await?;
    let components = components(client, asked.assignment, observed, &states).await?;
    let rows = Rows { states, components };
    Ok((judged(observed, catalog, asked, &rows, now), rows))
}

fn judged(observed: &Observed, catalog: &Catalog, asked: Asked<'_>, rows: &Rows, now: Timestamp) -> GateEvidence {
    let assignment = asked.assignment;
    let members = members(observed, catalog, assignment);
    let question = Question {
        assignment: &assignment.id,
        // Of members that are not known nobody can say that they were heard of.
        changed: members.as_ref().and_then(|_| changed(observed, assignment, now)),
        members: members.as_deref().unwrap_or_default(),
        clusters: &cluster_facts(observed, assignment, asked.ignored),
        exemptions: &exemptions(observed, &assignment.id, now),
        namespaces: asked.namespaces,
        now,
    };
    judge(question, rows)
}

/// Whether Policy Insights has a newer row on anything than Resource Graph had.
fn tells_more(states: &[StateRow], before: &Rows) -> bool {
    let mut known: BTreeMap<(&ResourceId, &str), Timestamp> = BTreeMap::new();
    for row in &before.states {
        let newest = known
            .entry((&row.key.resource, &row.key.member))
            .or_insert(row.key.reported);
        *newest = row.key.reported.max(*newest);
    }
    states.iter().any(|row| {
        let known = known.get(&(&row.key.resource, row.key.member.as_str()));
        known.is_none_or(|known| row.key.reported > *known)
    })
}

/// A text in a filter of OData.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What the members of an assignment report, from Policy Insights.
async fn states(client: &Client, assignment: &LiveObject, now: Timestamp) -> Result<Vec<StateRow>, EvidenceError> {
    let path = format!(
        "{}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults",
        assignment.id.scope()
    );
    let filter = format!("policyAssignmentId eq {}", quoted(&assignment.id.key()));
    let from = Timestamp::from_seconds(
        now.seconds()
            .saturating_sub(i64::try_from(BACK.seconds()).unwrap_or(i64::MAX)),
    );
    let from = from.to_string();
    let rows = client
        .list_by_post(&path, &[("$from", &from), ("$filter", &filter)])
        .await?;
    let ids = Ids::default();
    let rows = rows.iter().map(|row| StateRow::parse(row, &ids));
    Ok(rows.collect::<Result<_, RowError>>()?)
}

/// Reads what Policy Insights kept of clusters for a time before now, for some assignments: a call for each cluster, in their order.
///
/// # Errors
/// A call that fails, a row that cannot be read.
pub async fn history(
    client: &Client,
    clusters: &[&ResourceId],
    assignments: &[&ResourceId],
    (back, now): (Period, Timestamp),
) -> Result<Vec<Vec<StateRow>>, EvidenceError> {
    let named: Vec<String> = assignments
        .iter()
        .map(|assignment| format!("policyAssignmentId eq {}", quoted(&assignment.key())))
        .collect();
    let filter = named.join(" or ");
    let back = i64::try_from(back.seconds()).unwrap_or(i64::MAX);
    let from = Timestamp::from_seconds(now.seconds().saturating_sub(back)).to_string();
    let (filter, from) = (filter.as_str(), from.as_str());
    let reads = stream::iter(clusters.iter().map(|cluster| async move {
        let path = format!("{cluster}/providers/Microsoft.PolicyInsights/policyStates/default/queryResults");
        let rows = client
            .list_by_post(&path, &[("$from", from), ("$filter", filter)])
            .await?;
        let ids = Ids::default();
        let rows: Result<Vec<StateRow>, RowError> = rows.iter().map(|row| StateRow::parse(row, &ids)).collect();
        Ok::<_, EvidenceError>(rows?)
    }));
    reads.buffered(AT_ONCE).try_collect().await
}

/// The objects that break members of an assignment, from Policy Insights.
///
/// It answers for a subscription at most and in one page. Where that is full, each cluster is asked for, and where that is full each
/// policy on it: of these Azure keeps no more than half a page.
async fn components(
    client: &Client,
    assignment: &LiveObject,
    observed: &Observed,
    states: &[StateRow],
) -> Result<Vec<ComponentRow>, EvidenceError> {
    // Of clusters that were not heard of nothing can be concluded, whatever objects of theirs are named.
    let known: BTreeSet<&ResourceId> = observed.clusters.iter().map(|cluster| &cluster.id).collect();
    let clusters: BTreeMap<&ResourceId, BTreeSet<&ResourceId>> =
        states.iter().fold(BTreeMap::new(), |mut clusters, row| {
            if known.contains(&row.key.resource) {
                let policies: &mut BTreeSet<&ResourceId> = clusters.entry(&row.key.resource).or_default();
                policies.insert(&row.key.definition);
            }
            clusters
        });
    let subscriptions: BTreeSet<String> = clusters
        .keys()
        .filter_map(|cluster| cluster.value_of("subscriptions"))
        .map(str::to_ascii_lowercase)
        .collect();
    let asks = stream::iter(subscriptions.into_iter().map(|subscription| {
        let clusters = &clusters;
        async move { of_subscription(client, assignment, &subscription, clusters).await }
    }));
    let found: Vec<Vec<Value>> = asks.buffered(AT_ONCE).try_collect().await?;
    let ids = Ids::default();
    let rows = found.iter().flatten().map(|row| ComponentRow::parse(row, &ids));
    Ok(rows.collect::<Result<_, RowError>>()?)
}

async fn of_subscription(
    client: &Client,
    assignment: &LiveObject,
    subscription: &str,
    clusters: &BTreeMap<&ResourceId, BTreeSet<&ResourceId>>,
) -> Result<Vec<Value>, EvidenceError> {
    let base = format!(
        "policyAssignmentId eq {} and complianceState eq 'NonCompliant'",
        quoted(&assignment.id.key())
    );
    let all = page(client, subscription, &base).await?;
    if all.len() < MOST_ROWS {
        return Ok(all);
    }
    let mut rows = Vec::new();
    let here = clusters.iter().filter(|(cluster, _)| {
        let of = cluster.value_of("subscriptions");
        of.is_some_and(|id| id.eq_ignore_ascii_case(subscription))
    });
    for (cluster, policies) in here {
        let of_cluster = format!("{base} and resourceId eq {}", quoted(&cluster.key()));
        let found = page(client, subscription, &of_cluster).await?;
        if found.len() < MOST_ROWS {
            rows.extend(found);
            continue;
        }
        for policy in policies {
            let of_policy = format!("{of_cluster} and policyDefinitionId eq {}", quoted(&policy.key()));
            let found = page(client, subscription, &of_policy).await?;
            if found.len() >= MOST_ROWS {
                let (cluster, policy) = (cluster.name().to_owned(), policy.name().to_owned());
                return Err(EvidenceError::Cut { cluster, policy });
            }
            rows.extend(found);
        }
    }
    Ok(rows)
}

async fn page(client: &Client, subscription: &str, filter: &str) -> Result<Vec<Value>, ArmError> {
    let path = format!(
        "/subscriptions/{subscription}/providers/Microsoft.PolicyInsights/componentPolicyStates/latest/queryResults"
    );
    let top = MOST_ROWS.to_string();
    client.list_by_post(&path, &[("$top", &top), ("$filter", filter)]).await
}

#[cfg(test)]
mod tests;
