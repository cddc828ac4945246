//! Roles that are given again: to the identity of their assignment and to nobody else.

use super::{Case, Ground, has_own_identity, live_principal, mark_of};
use crate::desired::DesiredObject;
use crate::kinds::{KNOWN_AFTER, Kind};
use crate::model::{Mark, ResourceId};
use serde_json::{Value, json};

/// The assignment of a mark: what is put back comes before what is there.
pub(super) fn assignment<'a>(
    mark: &Mark,
    ground: Ground<'a>,
    put_back: &'a [DesiredObject],
) -> Option<(ResourceId, Option<&'a DesiredObject>)> {
    let is_assignment = |object: &&DesiredObject| object.kind == Kind::PolicyAssignment;
    let made = put_back.iter().filter(is_assignment);
    let mut made = made.filter(|object| mark_of(object).as_ref() == Some(mark));
    if let Some(object) = made.next() {
        return Some((object.id.clone(), Some(object)));
    }
    let (owner, environment) = ground.ours;
    let owned = ground.observed.owned(owner, environment);
    let mut there = owned.filter(|(object, other)| object.kind == Kind::PolicyAssignment && other == mark);
    there.next().map(|(object, _)| (object.id.clone(), None))
}

/// Sees to it that a role is given to the identity of its assignment, which is another one if that is made again.
///
/// # Errors
/// Why the role is not given again.
pub(super) fn principal(
    body: &mut Value,
    (case, mark): (&Case<'_>, Option<&Mark>),
    ground: Ground<'_>,
    put_back: &[DesiredObject],
) -> Result<(), String> {
    let (scope, _) = ground.scopes;
    let text = |key: &str| {
        let value = body.pointer(&format!("/properties/{key}"));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let role = text("roleDefinitionId");
    let role = role.rsplit('/').next().unwrap_or_default();
    let wanted = ground.wanted.objects.iter();
    let mut asked = wanted.filter(|wanted| wanted.kind == case.kind && wanted.id == case.id);
    let here = case.id.is_within(&scope.path()) || ground.observed.is_below(scope, &case.id);
    if !here && asked.next().is_none() {
        return Err("it lies outside the environment, and no gate asks for it now".to_owned());
    }
    if !(ground.is_known_role)(role) {
        return Err(format!("no definition that is known asks for the role `{role}`"));
    }
    let found = mark.and_then(|mark| assignment(mark, ground, put_back));
    let Some((id, made)) = found else {
        return Err("its assignment is not there".to_owned());
    };
    let held = text("principalId");
    match live_principal(ground, &id) {
        Some(principal) if principal.eq_ignore_ascii_case(&held) => Ok(()),
        Some(_) => {
            Err("the identity that it was given to is no more; the next `apply` gives the new one its roles".to_owned())
        }
        None => match made {
            Some(made) if has_own_identity(&made.body) => {
                if let Some(principal) = body.pointer_mut("/properties/principalId") {
                    *principal = json!({ KNOWN_AFTER: id.as_str() });
                }
                Ok(())
            }
            // Whose identity of its own it is, nobody can say before it is assigned again.
            _ => Err(
                "whose identity it was given to cannot be told; the next `apply` gives a gate the roles it needs"
                    .to_owned(),
            ),
        },
    }
}
