//! How far a gate may be closed now: the ladder as a pure function.
//!
//! Owns the decision and its words. Must not know documents; what was read live comes in as a [`Standing`].
//! This version takes the first step only, to audit; every later one is held, with what is missing. Of gates that deploy settings
//! it takes all steps.

mod evidence;

pub use evidence::{ClusterEvidence, Count, Coverage, GateEvidence, MemberEvidence, MemberState, SETTLE, TOO_OLD};

use crate::model::{Period, Stage, Timestamp};
use std::fmt;

/// Where a gate stands in Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The stage that its effect stands for.
    pub stage: Stage,
    /// The position that the mark names; another one than the effect's means that somebody changed one of them by hand.
    pub marked: Option<Stage>,
    /// Since when, from the mark; none if unknown or the mark's content is not what will stand there now.
    pub since: Option<Timestamp>,
}

/// A cluster in scope on which the gate would not act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uncovered {
    /// The cluster's name.
    pub cluster: String,
    /// Why, such as `add-on off`.
    pub reason: String,
}

/// A guard: something that has to hold before a step to deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// The gate has stood at its position for the soak time.
    Soak,
    /// Every cluster in scope runs the add-on.
    Coverage,
    /// Compliance data, newer than the last change, is within the limit.
    Evidence,
    /// What Azure has of the gate's built-ins is what is locked.
    Lock,
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guard::Soak => "soak",
            Guard::Coverage => "coverage",
            Guard::Evidence => "evidence",
            Guard::Lock => "lock",
        })
    }
}

/// A guard that is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Which one.
    pub guard: Guard,
    /// What is missing, in a sentence without a full stop.
    pub sentence: String,
    /// When it opens, where that can be known.
    pub opens: Option<Timestamp>,
}

/// What is to be done with a gate now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The stage to write.
    pub stage: Stage,
    /// The step after it that is held, and why; none if the target is reached.
    pub held: Option<(Stage, Vec<Hold>)>,
    /// What somebody changed by hand, said as what it is.
    pub remark: Option<String>,
}

/// Decides where a gate goes from where it stands.
///
/// Never lower than it stands, unless the target is `off`, and never past audit. `closed` are guards that were found closed
/// elsewhere.
pub fn decide(
    target: Stage,
    standing: Option<&Standing>,
    soak: Period,
    uncovered: &[Uncovered],
    closed: &[Hold],
    now: Timestamp,
) -> Decision {
    if target == Stage::Off {
        return Decision {
            stage: Stage::Off,
            held: None,
            remark: None,
        };
    }
    let found = standing.map_or(Stage::Off, |standing| standing.stage);
    let stage = found.max(Stage::Audit);
    let remark = standing.and_then(|standing| {
        let marked = standing.marked?;
        (marked != standing.stage).then(|| {
            let what = match (standing.stage > marked, stage >= marked) {
                (true, _) => "left as it is",
                (false, true) => "put back",
                (false, false) => "not put back, for it has to climb again",
            };
            format!(
                "stands at {} though its mark says {marked}: changed by hand, {what}",
                standing.stage
            )
        })
    });
    let held = (stage < target).then(|| {
        let since = standing
            .filter(|standing| standing.stage == stage)
            .and_then(|standing| standing.since);
        let mut holds = Vec::new();
        holds.extend(soak_hold(stage, since, soak, now));
        holds.extend(coverage_hold(uncovered));
        holds.extend(closed.iter().cloned());
        holds.push(Hold {
            guard: Guard::Evidence,
            sentence: "this version does not read compliance results, so it moves no gate past audit".to_owned(),
            opens: None,
        });
        (target, holds)
    });
    Decision { stage, held, remark }
}

/// Decides where a gate goes whose members deploy or modify.
///
/// Its ladder has two rungs: at audit its members report what they would change and change nothing; at the last one they act. There
/// is nothing to be refused at admission, so no cluster has to be covered and nobody's violations stand in the way; but what would be
/// changed can be looked at for as long as the soak time says, and nothing acts that has not stood at audit before. Back to audit it goes
/// at once: that opens nothing, though what was deployed stays.
///
/// `closed` are guards that were found closed elsewhere; with any of them it does not begin to act.
pub fn decide_enablement(
    target: Stage,
    standing: Option<&Standing>,
    soak: Period,
    closed: &[Hold],
    now: Timestamp,
) -> Decision {
    let still = |stage| Decision {
        stage,
        held: None,
        remark: None,
    };
    if target == Stage::Off {
        return still(Stage::Off);
    }
    let Some(standing) = standing else {
        let sentence = "reports first what it would change; an apply after this one lets it act".to_owned();
        let hold = soak_hold(Stage::Audit, None, soak, now).unwrap_or(Hold {
            guard: Guard::Soak,
            sentence,
            opens: None,
        });
        let holds = [hold].into_iter().chain(closed.iter().cloned()).collect();
        let held = (target > Stage::Audit).then_some((target, holds));
        return Decision {
            held,
            ..still(Stage::Audit)
        };
    };
    let remark = standing.marked.filter(|marked| *marked != standing.stage).map(|_| {
        let what = if standing.stage > Stage::Audit {
            "acts"
        } else {
            "does not act"
        };
        format!("{what} though its mark says otherwise: its enforcement mode was changed by hand")
    });
    let found = standing.stage.max(Stage::Audit);
    if found >= target {
        return Decision {
            remark,
            ..still(target)
        };
    }
    let soaking = soak_hold(found, standing.since, soak, now).into_iter();
    let holds: Vec<Hold> = soaking.chain(closed.iter().cloned()).collect();
    if holds.is_empty() {
        return Decision {
            remark,
            ..still(target)
        };
    }
    Decision {
        stage: found,
        held: Some((target, holds)),
        remark,
    }
}

fn soak_hold(stage: Stage, since: Option<Timestamp>, soak: Period, now: Timestamp) -> Option<Hold> {
    let sentence = match since {
        None => {
            let sentence = format!("has to stand at {stage} for {soak}, counted from the apply that puts it there");
            return (soak.seconds() > 0).then_some(Hold {
                guard: Guard::Soak,
                sentence,
                opens: None,
            });
        }
        Some(since) if since > now => {
            format!("its mark says it stands at {stage} since {since}, which lies in the future")
        }
        Some(since) if now.since(since) >= soak => return None,
        Some(since) => format!("stands at {stage} for {} of {soak}", now.since(since)),
    };
    Some(Hold {
        guard: Guard::Soak,
        sentence,
        opens: since.map(|since| since.plus(soak)),
    })
}

fn coverage_hold(uncovered: &[Uncovered]) -> Option<Hold> {
    let mut clusters: Vec<&Uncovered> = uncovered.iter().collect();
    clusters.sort();
    let names: Vec<String> = clusters
        .iter()
        .take(3)
        .map(|cluster| format!("{} ({})", cluster.cluster, cluster.reason))
        .collect();
    let more = clusters.len().saturating_sub(names.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let count = match clusters.len() {
        0 => return None,
        1 => "1 cluster in scope would not be guarded".to_owned(),
        n => format!("{n} clusters in scope would not be guarded"),
    };
    Some(Hold {
        guard: Guard::Coverage,
        sentence: format!("{count}: {}{more}", names.join(", ")),
        opens: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 86_400;

    fn standing(stage: Stage, marked: Stage, since: i64) -> Standing {
        Standing {
            stage,
            marked: Some(marked),
            since: Some(Timestamp::from_seconds(since)),
        }
    }

    fn guards(decision: &Decision) -> Vec<Guard> {
        decision
            .held
            .iter()
            .flat_map(|(_, holds)| holds.iter().map(|hold| hold.guard))
            .collect()
    }

    #[test]
    fn a_new_gate_starts_in_audit_and_says_what_holds_it() {
        let uncovered = [Uncovered {
            cluster: "c".into(),
            reason: "add-on off".into(),
        }];
        let now = Timestamp::from_seconds(0);
        let decision = decide(Stage::Deny, None, Period::from_seconds(DAY), &uncovered, &[], now);
        assert_eq!(decision.stage, Stage::Audit);
        assert_eq!(guards(&decision), [Guard::Soak, Guard::Coverage, Guard::Evidence]);
        assert_eq!(
            decision.held.unwrap().1[1].sentence,
            "1 cluster in scope would not be guarded: c (add-on off)"
        );
    }

    #[test]
    fn the_soak_guard_opens_when_it_said_it_would() {
        let soak = Period::from_seconds(7 * DAY);
        let live = standing(Stage::Audit, Stage::Audit, 0);
        let decide_at = |now: u64| {
            decide(
                Stage::Deny,
                Some(&live),
                soak,
                &[],
                &[],
                Timestamp::from_seconds(now as i64),
            )
        };
        let early = decide_at(3 * DAY);
        let hold = early.held.unwrap().1[0].clone();
        assert_eq!(hold.sentence, "stands at audit for 3d of 7d");
        let opens = hold.opens.unwrap().seconds() as u64;
        assert!(guards(&decide_at(opens - 1)).contains(&Guard::Soak));
        assert!(!guards(&decide_at(opens)).contains(&Guard::Soak));
    }

    #[test]
    fn a_mark_from_the_future_holds_the_gate() {
        let live = standing(Stage::Audit, Stage::Audit, 100);
        let decision = decide(
            Stage::Deny,
            Some(&live),
            Period::from_seconds(10),
            &[],
            &[],
            Timestamp::from_seconds(0),
        );
        assert!(decision.held.unwrap().1[0].sentence.contains("future"));
    }

    #[test]
    fn changes_by_hand_are_said() {
        let now = Timestamp::from_seconds(0);
        let decide = |live: Standing| decide(Stage::Deny, Some(&live), Period::default(), &[], &[], now);
        let raised = decide(standing(Stage::Deny, Stage::Audit, 0));
        assert_eq!((raised.stage, raised.held), (Stage::Deny, None));
        assert!(raised.remark.unwrap().contains("left as it is"));
        let lowered = decide(standing(Stage::Off, Stage::Audit, 0));
        assert_eq!(lowered.stage, Stage::Audit);
        assert!(lowered.remark.unwrap().ends_with("changed by hand, put back"));
        let lowered = decide(standing(Stage::Audit, Stage::Deny, 0));
        assert_eq!(lowered.stage, Stage::Audit);
        assert!(
            lowered.remark.unwrap().contains("not put back"),
            "it is not raised again"
        );
    }

    #[test]
    fn what_deploys_reports_first_acts_after_its_soak_and_goes_back_at_once() {
        let now = Timestamp::from_seconds(DAY as i64);
        let decide = |target, standing: Option<Standing>, soak| {
            decide_enablement(target, standing.as_ref(), Period::from_seconds(soak), &[], now)
        };
        let new = decide(Stage::Deny, None, 0);
        assert_eq!(new.stage, Stage::Audit);
        assert!(new.held.unwrap().1[0].sentence.contains("reports first"));
        let young = decide(Stage::Deny, Some(standing(Stage::Audit, Stage::Audit, 0)), 2 * DAY);
        assert_eq!((young.stage, young.remark), (Stage::Audit, None));
        assert_eq!(young.held.unwrap().1[0].sentence, "stands at audit for 1d of 2d");
        let ripe = decide(Stage::Deny, Some(standing(Stage::Audit, Stage::Audit, 0)), DAY);
        assert_eq!((ripe.stage, ripe.held), (Stage::Deny, None));
        let back = decide(Stage::Audit, Some(standing(Stage::Deny, Stage::Deny, 0)), DAY);
        assert_eq!((back.stage, back.held), (Stage::Audit, None));
        let by_hand = decide(Stage::Deny, Some(standing(Stage::Deny, Stage::Audit, 0)), DAY);
        assert!(
            by_hand
                .remark
                .unwrap()
                .starts_with("acts though its mark says otherwise")
        );
        let closed = [Hold {
            guard: Guard::Lock,
            sentence: "content that nobody accepted".to_owned(),
            opens: None,
        }];
        let at_audit = standing(Stage::Audit, Stage::Audit, 0);
        let locked = decide_enablement(Stage::Deny, Some(&at_audit), Period::from_seconds(DAY), &closed, now);
        assert_eq!(
            (locked.stage, locked.held),
            (Stage::Audit, Some((Stage::Deny, closed.to_vec())))
        );
    }

    fn stages() -> impl Strategy<Value = Stage> {
        prop::sample::select(vec![Stage::Off, Stage::Audit, Stage::Deny])
    }

    proptest! {
        #[test]
        fn nothing_acts_that_has_not_reported_for_its_soak_time(
            target in stages(), live in stages(), marked in stages(), since in prop::option::of(-100i64..100), soak in 1u64..100,
        ) {
            let now = Timestamp::from_seconds(0);
            let found = Standing { stage: live, marked: Some(marked), since: since.map(Timestamp::from_seconds) };
            let decision = decide_enablement(target, Some(&found), Period::from_seconds(soak), &[], now);
            prop_assert!(decision.stage <= target);
            if decision.stage == Stage::Deny && live != Stage::Deny {
                prop_assert!(since.is_some_and(|since| since + i64::try_from(soak).unwrap() <= 0));
            }
            prop_assert_eq!(decision.held.is_some(), decision.stage < target);
        }

        #[test]
        fn nothing_is_raised_past_audit_nor_lowered(target in stages(), live in stages(), marked in stages(), since in -100i64..100, soak in 0u64..100) {
            let now = Timestamp::from_seconds(0);
            let decision = decide(target, Some(&standing(live, marked, since)), Period::from_seconds(soak), &[], &[], now);
            if target == Stage::Off {
                prop_assert_eq!(decision.stage, Stage::Off);
            } else {
                prop_assert!(decision.stage >= live);
                prop_assert!(decision.stage <= live.max(Stage::Audit));
                prop_assert_eq!(decision.held.is_some(), decision.stage < target);
            }
        }
    }
}
