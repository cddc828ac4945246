//! The way of a gate whose members deploy or modify.

use super::{Decision, Guard, Hold, Position, Standing, soak_hold};
use crate::model::{Period, Stage, Timestamp};

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
    let target = Position::of(target);
    if target == Position::Off {
        return Decision::still(target);
    }
    let Some(standing) = standing else {
        let sentence = "reports first what it would change; an apply after this one lets it act".to_owned();
        let hold = soak_hold("audit", None, soak, now).unwrap_or(Hold {
            guard: Guard::Soak,
            sentence,
            opens: None,
        });
        let holds = [hold].into_iter().chain(closed.iter().cloned()).collect();
        let held = (target > Position::Audit).then_some((target, holds));
        return Decision {
            held,
            ..Decision::still(Position::Audit)
        };
    };
    let remark = standing.marked.filter(|marked| *marked != standing.position).map(|_| {
        let what = if standing.position > Position::Audit {
            "acts"
        } else {
            "does not act"
        };
        format!("{what} though its mark says otherwise: its enforcement mode was changed by hand")
    });
    let found = standing.position.max(Position::Audit);
    if found >= target {
        return Decision {
            remark,
            ..Decision::still(target)
        };
    }
    let soaking = soak_hold(&found.to_string(), standing.since, soak, now).into_iter();
    let holds: Vec<Hold> = soaking.chain(closed.iter().cloned()).collect();
    if holds.is_empty() {
        return Decision {
            remark,
            ..Decision::still(target)
        };
    }
    Decision {
        held: Some((target, holds)),
        remark,
        ..Decision::still(found)
    }
}
