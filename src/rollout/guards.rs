//! The guards that look at evidence, each with its own words.

use super::{
    ClusterEvidence, Count, Coverage, GateEvidence, Guard, Hold, MemberState, Position, Question, Standing, TOO_OLD,
    Uncovered, soak_hold,
};
use crate::model::{Period, ResourceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The environment that a gate comes from, as it bears on a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub environment: String,
    /// What was found there; none if it could not be read, with why.
    pub found: Result<Option<SourceGate>, String>,
}

/// A gate as it stands in the environment that it comes from: where, and whether with the content that this step would close on.
pub type SourceGate = (Standing, bool);

/// The most names that one sentence holds.
const MOST_NAMED: usize = 3;

/// Joins the first few names, and says how many there are besides.
fn named(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(MOST_NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn clusters(count: usize) -> String {
    match count {
        1 => "1 cluster".to_owned(),
        count => format!("{count} clusters"),
    }
}

fn hold(guard: Guard, sentence: String) -> Hold {
    Hold {
        guard,
        sentence,
        opens: None,
    }
}

pub(super) fn no_data() -> Hold {
    hold(
        Guard::Evidence,
        "no compliance data read, and no data is not compliant".to_owned(),
    )
}

/// The clusters of a ring that the gate is meant to act on.
fn counted<'a>(
    question: &'a Question<'_>,
    ring: usize,
    evidence: &'a GateEvidence,
) -> impl Iterator<Item = &'a ClusterEvidence> {
    evidence.clusters.iter().filter(move |cluster| {
        let let_by = cluster.coverage == Coverage::Stopped && !question.stopped_hold;
        cluster.coverage.counts() && !let_by && question.ladder.takes(ring, &cluster.id, &cluster.location)
    })
}

/// Why a cluster's report cannot be relied on; none if it reports and is sound.
fn unsound(cluster: &ClusterEvidence) -> Option<String> {
    if cluster.coverage != Coverage::Reporting {
        return Some(cluster.coverage.to_string());
    }
    if cluster.members.is_empty() {
        return Some("no member of the gate is known to report there".to_owned());
    }
    let mut bad: Vec<(&String, MemberState)> = cluster
        .members
        .iter()
        .map(|(name, member)| (name, member.state))
        .filter(|(_, state)| matches!(state, MemberState::Conflict | MemberState::Error | MemberState::Unknown))
        .collect();
    bad.sort_by_key(|(_, state)| std::cmp::Reverse(*state));
    let (name, state) = bad.first()?;
    Some(format!("{state} of `{name}`"))
}

/// Every cluster of the ring has to be guarded and heard of.
pub(super) fn coverage(question: &Question<'_>, ring: usize) -> Option<Hold> {
    let evidence = question.decisive(ring);
    let known: BTreeMap<&ResourceId, &ClusterEvidence> = evidence
        .into_iter()
        .flat_map(|evidence| &evidence.clusters)
        .map(|cluster| (&cluster.id, cluster))
        .collect();
    let let_off = |uncovered: &Uncovered| {
        let known = known.get(&uncovered.id);
        let stopped = uncovered.reason == Coverage::Stopped.to_string();
        known.is_some_and(|cluster| !cluster.coverage.counts()) || stopped && !question.stopped_hold
    };
    let here = question
        .uncovered
        .iter()
        .filter(|uncovered| question.ladder.takes(ring, &uncovered.id, &uncovered.location) && !let_off(uncovered));
    let mut open: BTreeSet<(String, String)> = here
        .map(|uncovered| (uncovered.cluster.clone(), uncovered.reason.clone()))
        .collect();
    let mut told: BTreeSet<String> = open.iter().map(|(name, _)| name.clone()).collect();
    let mut total = 0;
    for cluster in evidence
        .into_iter()
        .flat_map(|evidence| counted(question, ring, evidence))
    {
        total += 1;
        if let Some(why) = unsound(cluster).filter(|_| !told.contains(&cluster.name)) {
            told.insert(cluster.name.clone());
            open.insert((cluster.name.clone(), why));
        }
    }
    let place = if ladder_is_plain(question) {
        "in scope"
    } else {
        "of the ring"
    };
    let names: Vec<String> = open.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    if !names.is_empty() {
        let sentence = format!(
            "{} {place} would not be guarded: {}",
            clusters(names.len()),
            named(&names)
        );
        return Some(hold(Guard::Coverage, sentence));
    }
    let evidence = evidence.filter(|_| total == 0)?;
    let here = |cluster: &ClusterEvidence| question.ladder.takes(ring, &cluster.id, &cluster.location);
    // A ring without a cluster closes nothing; one whose clusters are all let off would close on none that was looked at.
    let sentence = if evidence.clusters.iter().any(here) {
        format!("every cluster {place} is let off, so nothing can be said of what would be refused there")
    } else if evidence.clusters.iter().any(|cluster| cluster.coverage.counts()) {
        return None;
    } else {
        "no cluster in scope is left that the gate would act on, so nothing can be said of it".to_owned()
    };
    Some(hold(Guard::Coverage, sentence))
}

fn ladder_is_plain(question: &Question<'_>) -> bool {
    question.ladder.steps() == 1
}

/// When a report of a cluster begins to count; none if it is not known when the gate changed last.
fn counts_from(evidence: &GateEvidence, cluster: &ClusterEvidence, settle: Period) -> Option<Timestamp> {
    let changed = evidence.changed?;
    Some(changed.max(cluster.changed.unwrap_or(changed)).plus(settle))
}

/// Every member on every cluster of the ring has to have reported since the last change, and not too long ago.
pub(super) fn freshness(question: &Question<'_>, ring: usize, evidence: &GateEvidence) -> Option<Hold> {
    if evidence.changed.is_none() {
        let sentence = "it is not known when the gate was changed last, so no report is known to be newer";
        return Some(hold(Guard::Freshness, sentence.to_owned()));
    }
    let now = question.now;
    let reporting = counted(question, ring, evidence).filter(|cluster| cluster.coverage == Coverage::Reporting);
    let (mut early, mut old, mut opens) = (Vec::new(), Vec::new(), None);
    for cluster in reporting {
        let Some(from) = counts_from(evidence, cluster, question.settle) else {
            continue;
        };
        let reported = || cluster.members.values().map(|member| member.reported);
        let awaited = reported().filter(|at| at.is_none_or(|at| at < from)).count();
        let ahead = reported().flatten().any(|at| at > now);
        let late = reported().flatten().any(|at| now.since(at) > TOO_OLD);
        if awaited > 0 || ahead {
            early.push(format!("{} ({awaited} of {})", cluster.name, cluster.members.len()));
            opens = opens.max(Some(from));
        } else if late {
            old.push(cluster.name.clone());
        }
    }
    if !early.is_empty() {
        let sentence = format!(
            "members on {} have not reported since the last change and {} of settling: {}",
            clusters(early.len()),
            question.settle,
            named(&early)
        );
        return Some(Hold {
            guard: Guard::Freshness,
            sentence,
            opens: opens.filter(|opens| *opens > now),
        });
    }
    (!old.is_empty()).then(|| {
        let sentence = format!(
            "reports of {} are older than {TOO_OLD}: {}",
            clusters(old.len()),
            named(&old)
        );
        hold(Guard::Freshness, sentence)
    })
}

/// The violations of the ring have to be known, and within the limit.
pub(super) fn violations(question: &Question<'_>, ring: usize, evidence: &GateEvidence) -> Option<Hold> {
    let here: Vec<&ClusterEvidence> = counted(question, ring, evidence).collect();
    let found = here
        .iter()
        .fold(Count::default(), |sum, cluster| sum.plus(cluster.violations()));
    let max = question.max_violations;
    if found.n <= max && !found.at_least {
        return None;
    }
    let ring = question.ladder.ring_name(ring);
    let place = if ladder_is_plain(question) {
        String::new()
    } else {
        format!(" in {ring}")
    };
    let allowed = match max {
        0 => "none is allowed".to_owned(),
        max => format!("{max} are allowed"),
    };
    let worst: Vec<String> = here
        .iter()
        .map(|cluster| (cluster, cluster.violations()))
        .filter(|(_, count)| !count.is_none())
        .map(|(cluster, count)| format!("{} ({count})", cluster.name))
        .collect();
    let sentence = match found {
        Count { n: 0, at_least: true } => {
            format!("how many violations there are{place} is not known: {}", named(&worst))
        }
        Count { n: 1, at_least: false } => format!("1 violation{place}, and {allowed}: {}", named(&worst)),
        found => format!("{found} violations{place}, and {allowed}: {}", named(&worst)),
    };
    Some(hold(Guard::Violations, sentence))
}

/// Whether every cluster of a ring was heard of since the last change, and how it is.
fn ring_is_sound(question: &Question<'_>, ring: usize) -> Option<String> {
    question.heard(ring).into_iter().find_map(|evidence| {
        let Some(evidence) = evidence else {
            return Some("no compliance data read".to_owned());
        };
        let bad: Vec<String> = counted(question, ring, evidence)
            .filter_map(|cluster| Some(format!("{} ({})", cluster.name, unsound(cluster)?)))
            .collect();
        if !bad.is_empty() {
            return Some(named(&bad));
        }
        freshness(question, ring, evidence).map(|hold| hold.sentence)
    })
}

/// The rings that are closed have to report and be sound before the next one closes.
pub(super) fn inner_rings(question: &Question<'_>, ring: usize) -> Option<Hold> {
    let bad: Vec<String> = (0..ring)
        .filter_map(|inner| {
            let why = ring_is_sound(question, inner)?;
            Some(format!("{}: {why}", question.ladder.ring_name(inner)))
        })
        .collect();
    (!bad.is_empty()).then(|| {
        let sentence = format!("a ring that is closed already is not sound: {}", bad.join("; "));
        hold(Guard::InnerRing, sentence)
    })
}

/// The environment that the gate comes from has to stand at deny with the same content, for as long as this gate has to soak.
pub(super) fn source(question: &Question<'_>, source: &Source) -> Option<Hold> {
    let name = &source.environment;
    let told = |sentence: String| Some(hold(Guard::SourceEnvironment, sentence));
    match &source.found {
        Err(why) => told(format!("`{name}`, which it comes from, cannot be read: {why}")),
        Ok(None) => told(format!("`{name}`, which it comes from, has no such gate")),
        Ok(Some((_, false))) => told(format!("what stands in `{name}` is not the content that this gate has")),
        Ok(Some((standing, true))) if standing.position < Position::Deny => told(format!(
            "stands at {} in `{name}`, which it comes from, and not at deny yet",
            standing.position
        )),
        Ok(Some((standing, true))) => {
            let soak = soak_hold(
                &format!("deny in `{name}`"),
                standing.since,
                question.soak,
                question.now,
            )?;
            Some(Hold {
                guard: Guard::SourceEnvironment,
                ..soak
            })
        }
    }
}

/// Returns why a gate cannot yet do without the generation before it; none if it stands as far, and every cluster there was heard of since
/// without conflict or error.
pub fn overtaken(question: &Question<'_>, before: Position) -> Option<Hold> {
    let now = question.standing.map_or(Position::Off, |standing| standing.position);
    let closed = question.ladder.closed(before);
    if now < before {
        let sentence = format!(
            "stays while its successor stands at {} and it at {}",
            question.ladder.name(now),
            question.ladder.name(before)
        );
        return Some(hold(Guard::InnerRing, sentence));
    }
    let bad: Vec<String> = (0..closed).filter_map(|ring| ring_is_sound(question, ring)).collect();
    let why = bad.first()?;
    Some(hold(
        Guard::InnerRing,
        format!("stays until its successor is heard of everywhere where it denies: {why}"),
    ))
}
