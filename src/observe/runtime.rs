//! What Defender for Cloud says of the clusters in scope.

use super::{AT_ONCE, found, subscriptions, tags};
use crate::arm::{ArmError, Client, GraphQuery};
use crate::config::{Environment, Estate};
use crate::egress::{Feature, wanted};
use crate::model::ResourceId;
use crate::runtime::{
    Plan, Runtime, Sensor, Subscription, Watched, alert, has_contact, plan, recommendation, vulnerability,
};
use futures::{StreamExt, stream};
use serde_json::Value;
use std::collections::BTreeSet;

const CLUSTERS: &str = "resources \
| where type =~ 'microsoft.containerservice/managedclusters' \
| project id, location, tags, powerState = tostring(properties.powerState.code), \
provisioningState = tostring(properties.provisioningState), defender = properties.securityProfile.defender \
| order by id asc";

/// Closed alerts are left out when they are read: the casing of their keys is not promised.
const ALERTS: &str = "securityresources \
| where type =~ 'microsoft.security/locations/alerts' \
| project id, name, properties \
| order by id asc";

const ASSESSMENTS: &str = "securityresources \
| where type =~ 'microsoft.security/assessments' \
| where id contains '/microsoft.containerservice/managedclusters/' \
| project id, name, properties \
| order by id asc";

const VULNERABILITIES: &str = "securityresources \
| where type =~ 'microsoft.security/assessments/subassessments' \
| where id contains '/microsoft.containerservice/managedclusters/' \
| project id, name, properties \
| order by id asc";

/// Reads what is known of the run time of the clusters in scope.
///
/// What cannot be found out of a single subscription stands there as not known.
///
/// # Errors
/// Any other call that fails.
pub async fn runtime(client: &Client, estate: &Estate, environment: &Environment) -> Result<Runtime, ArmError> {
    let (rows, subscriptions, alerts, assessments, vulnerabilities) = futures::try_join!(
        found(client, environment, CLUSTERS),
        subscriptions(client, environment),
        rows(client, environment, ALERTS),
        rows(client, environment, ASSESSMENTS),
        rows(client, environment, VULNERABILITIES),
    )?;
    let leaving = |row: &Value| text(row, "provisioningState").eq_ignore_ascii_case("Deleting");
    let clusters: Vec<Watched> = rows
        .into_iter()
        .filter(|(_, row)| !leaving(row))
        .map(|(id, row)| watched(estate, environment, id, &row))
        .collect();
    // A subscription without clusters has nothing to look at.
    let with_clusters: BTreeSet<String> = clusters
        .iter()
        .filter_map(|cluster| cluster.id.value_of("subscriptions"))
        .map(str::to_ascii_lowercase)
        .collect();
    let asked = subscriptions
        .into_iter()
        .filter(|subscription| with_clusters.contains(&subscription.id));
    let reads = stream::iter(asked.map(|subscription| async move {
        let (plan, contact) = futures::join!(plan_of(client, &subscription.id), contact_of(client, &subscription.id));
        Subscription {
            id: subscription.id,
            name: subscription.name,
            plan,
            contact,
        }
    }));
    let subscriptions = reads.buffered(AT_ONCE).collect().await;
    Ok(Runtime::new(
        clusters,
        subscriptions,
        alerts.iter().filter_map(alert).collect(),
        assessments.iter().filter_map(recommendation).collect(),
        vulnerabilities.iter().filter_map(vulnerability).collect(),
    ))
}

/// The rows of a query in the scope: their ids lie where Defender puts them, so a resource group is told apart by its clusters.
async fn rows(client: &Client, environment: &Environment, query: &str) -> Result<Vec<Value>, ArmError> {
    let query = GraphQuery {
        query: query.to_owned(),
        scope: (&environment.scope).into(),
        with_scopes_above: false,
    };
    client.resource_graph(&query).await
}

fn watched(estate: &Estate, environment: &Environment, id: ResourceId, row: &Value) -> Watched {
    let wanted = wanted((estate, environment), (&id, &tags(row.get("tags")), false));
    let is_on = row
        .pointer("/defender/securityMonitoring/enabled")
        .and_then(Value::as_bool)
        == Some(true);
    let sensor = match () {
        () if text(row, "powerState").eq_ignore_ascii_case("Stopped") => Sensor::Stopped,
        () if !is_on && wanted.contains(&Feature::DefenderSensor) => Sensor::Off,
        () if !is_on => Sensor::NotAsked,
        () if text(row, "provisioningState").eq_ignore_ascii_case("Failed") => Sensor::Failed,
        () => Sensor::On,
    };
    Watched {
        location: text(row, "location").to_owned(),
        id,
        sensor,
    }
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

async fn plan_of(client: &Client, subscription: &str) -> Result<Plan, String> {
    let path = format!("/subscriptions/{subscription}/providers/Microsoft.Security/pricings/Containers");
    let document = client.get(&path).await.map_err(|error| error.to_string())?;
    plan(&document.body).ok_or_else(|| "its tier is not told".to_owned())
}

async fn contact_of(client: &Client, subscription: &str) -> Result<bool, String> {
    let path = format!("/subscriptions/{subscription}/providers/Microsoft.Security/securityContacts");
    let contacts = client.list(&path, &[]).await.map_err(|error| error.to_string())?;
    Ok(has_contact(&contacts))
}
