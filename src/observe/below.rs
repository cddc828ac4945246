//! Reads the policy objects that stand below a management group.
//!
//! A list at a management group shows nothing below it, and one for each subscription is too many: Resource Graph finds them all at
//! once. It lags behind, so what a plan would change or decide on is read exactly after it: what bears the environment's mark, and what
//! is exempt from an assignment of the environment. A subscription that Resource Graph does not show is asked itself, which brings what
//! is there or says why it cannot be read. Must not know what should be there.

use super::{AT_ONCE, read};
use crate::arm::{ArmError, Client, GraphQuery, GraphScope};
use crate::config::Environment;
use crate::kinds::Kind;
use crate::model::{Area, ResourceId, Scope};
use crate::observed::{LiveObject, Subscription};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use std::collections::BTreeSet;

/// The policy objects at a scope and below it, whole.
const POLICY: &str = "policyresources \
| where type in~ ('microsoft.authorization/policyassignments', 'microsoft.authorization/policyexemptions') \
| project id, name, type, location, identity, properties \
| order by id asc";

/// The subscriptions that Resource Graph looks at.
const SUBSCRIPTIONS: &str = "resourcecontainers \
| where type =~ 'microsoft.resources/subscriptions' \
| project id, subscriptionId \
| order by id asc";

/// What Resource Graph knows below a management group.
pub(super) struct Found {
    objects: Vec<LiveObject>,
    /// The ids of the subscriptions that it looks at, in lower case.
    subscriptions: BTreeSet<String>,
}

/// Asks Resource Graph for the policy objects below a management group; none if the environment's scope is no such group.
pub(super) async fn find(client: &Client, environment: &Environment) -> Result<Option<Found>, ArmError> {
    if !matches!(environment.scope, Scope::ManagementGroup(_)) {
        return Ok(None);
    }
    let query = |text: &str| GraphQuery {
        query: text.to_owned(),
        scope: GraphScope::from(&environment.scope),
        with_scopes_above: false,
    };
    let (policy, subscriptions) = (query(POLICY), query(SUBSCRIPTIONS));
    let (policy, subscriptions) =
        futures::try_join!(client.resource_graph(&policy), client.resource_graph(&subscriptions))?;
    let subscriptions = subscriptions
        .iter()
        .filter_map(|row| row.get("subscriptionId")?.as_str());
    Ok(Some(Found {
        objects: policy.into_iter().filter_map(object).collect(),
        subscriptions: subscriptions.map(str::to_ascii_lowercase).collect(),
    }))
}

/// Returns a row as the document that ARM would give.
fn object(mut row: Value) -> Option<LiveObject> {
    let id = ResourceId::parse(row.get("id")?.as_str()?)?;
    let kind = match row.get("type")?.as_str()?.to_ascii_lowercase().as_str() {
        "microsoft.authorization/policyassignments" => Kind::PolicyAssignment,
        "microsoft.authorization/policyexemptions" => Kind::PolicyExemption,
        _ => return None,
    };
    // A column that the object has nothing for is empty in a row, and absent from the document.
    let row = row.as_object_mut()?;
    row.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    let (wire, etag) = (Value::Object(std::mem::take(row)), None);
    Some(LiveObject { kind, id, wire, etag })
}

/// Returns the assignments and exemptions below the environment's scope: what was found, read exactly where it matters, and what
/// stands in subscriptions and at resources that were asked themselves.
///
/// `environment` is its name, `here` the path of its scope, and `own` are the objects that ARM lists at the scope and above it.
pub(super) async fn settle(
    client: &Client,
    (environment, here): (&str, &str),
    found: Found,
    own: &[LiveObject],
    subscriptions: &[Subscription],
) -> Result<Vec<LiveObject>, ArmError> {
    let known: BTreeSet<&ResourceId> = own.iter().map(|object| &object.id).collect();
    let ours = own.iter().filter(|object| is_marked(environment, object));
    let ours: BTreeSet<&ResourceId> = ours.map(|object| &object.id).collect();
    // What a list at the scope does not show is not there any more.
    let below = found
        .objects
        .into_iter()
        .filter(|object| !known.contains(&object.id) && !object.id.scope().eq_ignore_ascii_case(here));
    let matters = |object: &LiveObject| {
        is_marked(environment, object) || exempt_from(object).is_some_and(|id| ours.contains(&id))
    };
    let (doubtful, mut settled): (Vec<LiveObject>, Vec<LiveObject>) = below.partition(matters);
    let exact: Vec<_> =
        doubtful
            .iter()
            .map(|object| async move {
                Ok::<_, ArmError>(read(client, object.kind, &object.id).await?.into_iter().collect())
            })
            .collect();
    let unseen = subscriptions
        .iter()
        .filter(|subscription| !found.subscriptions.contains(&subscription.id))
        .map(|subscription| format!("/subscriptions/{}", subscription.id));
    let unseen: Vec<(String, Kind)> = unseen
        .flat_map(|scope| [(scope.clone(), Kind::PolicyAssignment), (scope, Kind::PolicyExemption)])
        .collect();
    let unseen: Vec<_> = unseen
        .into_iter()
        .map(|(scope, kind)| async move { super::policy_objects(client, kind, &scope, &[]).await })
        .collect();
    let exact = stream::iter(exact)
        .buffered(AT_ONCE)
        .try_collect::<Vec<Vec<LiveObject>>>();
    let unseen = stream::iter(unseen)
        .buffered(AT_ONCE)
        .try_collect::<Vec<Vec<LiveObject>>>();
    let (exact, unseen) = futures::try_join!(exact, unseen)?;
    settled.extend(exact.into_iter().chain(unseen).flatten());
    let mut seen: BTreeSet<ResourceId> = known.into_iter().cloned().collect();
    settled.retain(|object| seen.insert(object.id.clone()));
    Ok(settled)
}

/// Whether an object bears the mark of the environment, whoever owns the estate.
fn is_marked(environment: &str, object: &LiveObject) -> bool {
    object.mark().is_some_and(|mark| mark.environment == environment)
}

fn exempt_from(object: &LiveObject) -> Option<ResourceId> {
    ResourceId::parse(object.wire.pointer("/properties/policyAssignmentId")?.as_str()?)
}

/// The assignments that stand exactly at the scopes of rings: of one that Resource Graph does not know yet a plan must not say that it is to
/// be created.
pub(super) async fn parts(client: &Client, environment: &Environment) -> Result<Vec<LiveObject>, ArmError> {
    let rings = environment.rollout.rings.iter();
    let scopes = rings.filter_map(|ring| match &ring.area {
        Area::Scopes(scopes) => Some(scopes),
        _ => None,
    });
    let reads: Vec<_> = scopes
        .flatten()
        .map(|scope| {
            let path = scope.path();
            async move {
                super::policy_objects(client, Kind::PolicyAssignment, &path, &[("$filter", "atExactScope()")]).await
            }
        })
        .collect();
    let found: Vec<Vec<LiveObject>> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The exemptions that stand exactly at the resources which the environment's exemptions name: of one that Resource Graph does not know yet
/// a plan must not say that it is to be created.
pub(super) async fn named_exemptions(client: &Client, environment: &Environment) -> Result<Vec<LiveObject>, ArmError> {
    let scopes: BTreeSet<&ResourceId> = environment
        .exemptions
        .iter()
        .map(|exemption| &exemption.resource)
        .collect();
    let lists: Vec<_> = scopes
        .into_iter()
        .filter(|resource| !resource.as_str().eq_ignore_ascii_case(&environment.scope.path()))
        .map(|resource| async move {
            let exactly = [("$filter", "atExactScope()")];
            match super::policy_objects(client, Kind::PolicyExemption, resource.as_str(), &exactly).await {
                // A cluster that is gone has no exemptions.
                Err(error) if error.status() == Some(404) && error.code().is_some() => Ok(Vec::new()),
                result => result,
            }
        })
        .collect();
    let found: Vec<Vec<LiveObject>> = stream::iter(lists).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{Script, Turn, answer};
    use crate::model::Mark;
    use serde_json::json;

    const HERE: &str = "/providers/Microsoft.Management/managementGroups/fleet";
    const ONE: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";
    const TWO: &str = "/subscriptions/00000000-0000-0000-0000-000000000002";

    fn assignment(scope: &str, name: &str, environment: &str) -> Value {
        let mark = Mark {
            owner: "us".into(),
            environment: environment.into(),
            gate: "g".into(),
            generation: 1,
            part: "00".into(),
        };
        json!({
            "id": format!("{scope}/providers/Microsoft.Authorization/policyAssignments/{name}"),
            "name": name, "type": "microsoft.authorization/policyassignments", "location": "", "identity": null,
            "properties": {"displayName": "as found", "metadata": {"aksgate": mark.to_text()}},
        })
    }

    fn exemption(scope: &str, name: &str, from: &str) -> Value {
        json!({
            "id": format!("{scope}/providers/Microsoft.Authorization/policyExemptions/{name}"),
            "type": "microsoft.authorization/policyexemptions",
            "properties": {"policyAssignmentId": format!("{HERE}/providers/microsoft.authorization/policyassignments/{from}")},
        })
    }

    fn found(rows: &[Value], subscriptions: &[&str]) -> Found {
        Found {
            objects: rows.iter().cloned().filter_map(object).collect(),
            subscriptions: subscriptions
                .iter()
                .map(|path| path.replace("/subscriptions/", ""))
                .collect(),
        }
    }

    /// Returns the names and texts of the objects, and the paths that were asked.
    fn settled(turns: Vec<Turn>, found: Found) -> (Result<Vec<String>, ArmError>, Vec<String>) {
        let script = Script::new(turns);
        let own: Vec<LiveObject> = [assignment(HERE, "ours", "fleet"), assignment(HERE, "theirs", "other")]
            .into_iter()
            .filter_map(object)
            .collect();
        let subscriptions = [ONE, TWO].map(|path| Subscription {
            id: path.replace("/subscriptions/", ""),
            name: String::new(),
        });
        let objects =
            script.run(|client| async move { settle(&client, ("fleet", HERE), found, &own, &subscriptions).await });
        let shown = |object: &LiveObject| {
            let text = object.wire.pointer("/properties/displayName").and_then(Value::as_str);
            format!("{}: {}", object.id.name(), text.unwrap_or_default())
        };
        let asked = script.requests().into_iter().map(|request| {
            let path = request.url.split('?').next().unwrap_or_default().to_owned();
            path.replace("https://management.azure.com", "")
        });
        (
            objects.map(|objects| objects.iter().map(shown).collect()),
            asked.collect(),
        )
    }

    #[test]
    fn what_is_ours_or_exempt_from_ours_is_read_exactly() {
        let mut exact = assignment(ONE, "marked", "fleet");
        exact["properties"]["displayName"] = json!("as it is");
        let gone = json!({"error": {"code": "PolicyExemptionNotFound", "message": "no"}});
        let rows = [
            assignment(ONE, "marked", "fleet"),
            assignment(ONE, "of-another", "other"),
            exemption(TWO, "from-ours", "OURS"),
            exemption(TWO, "from-theirs", "theirs"),
            assignment(HERE, "ours", "fleet"),
            assignment(HERE, "deleted-by-now", "fleet"),
        ];
        let turns = vec![answer(200, exact), answer(404, gone)];
        let (objects, asked) = settled(turns, found(&rows, &[ONE, TWO]));
        assert_eq!(
            objects.unwrap(),
            ["of-another: as found", "from-theirs: ", "marked: as it is"]
        );
        assert_eq!(
            asked,
            [
                format!("{ONE}/providers/Microsoft.Authorization/policyAssignments/marked"),
                format!("{TWO}/providers/Microsoft.Authorization/policyExemptions/from-ours"),
            ]
        );
    }

    #[test]
    fn a_subscription_that_resource_graph_does_not_show_is_asked_itself() {
        let list = |items: &[Value]| answer(200, json!({"value": items}));
        let turns = vec![
            list(&[assignment(TWO, "new", "other"), assignment(HERE, "ours", "fleet")]),
            list(&[]),
        ];
        let (objects, asked) = settled(turns, found(&[], &[ONE]));
        assert_eq!(objects.unwrap(), ["new: as found"]);
        assert!(asked.iter().all(|path| path.starts_with(TWO)), "{asked:?}");

        let refused = answer(403, json!({"error": {"code": "AuthorizationFailed", "message": "no"}}));
        let (objects, _) = settled(vec![refused], found(&[], &[ONE]));
        let error = objects.unwrap_err();
        assert_eq!(error.code(), Some("AuthorizationFailed"), "missing is not empty");
    }

    #[test]
    fn columns_without_a_value_are_no_keys() {
        let object = object(assignment(ONE, "a", "fleet")).unwrap();
        assert!(object.wire.get("location").is_none() && object.wire.get("identity").is_none());
    }
}
