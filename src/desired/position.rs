//! Where the gates of an environment stand in Azure.

use super::gate::standing;
use crate::config::{Environment, Estate, Gate};
use crate::kinds::Kind;
use crate::observed::Observed;
use crate::rollout::Standing;

/// Returns where a gate stands; none if it is not there.
///
/// Of several assignments, as beside a successor, the one that is closed furthest counts: what it refuses is refused.
pub fn position(estate: &Estate, environment: &Environment, observed: &Observed, gate: &Gate) -> Option<Standing> {
    let owned = observed.owned(&estate.owner, &environment.name);
    let assignments = owned.filter(|(object, mark)| object.kind == Kind::PolicyAssignment && mark.gate == gate.name);
    let mut found: Vec<(Standing, u32)> = assignments
        .map(|(object, mark)| {
            let digest = object.mark_state().map(|state| state.digest).unwrap_or_default();
            (standing(gate, object, &digest), mark.generation)
        })
        .collect();
    found.sort_by_key(|(standing, generation)| (standing.stage, *generation));
    found.pop().map(|(standing, _)| standing)
}
