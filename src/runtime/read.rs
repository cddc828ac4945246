//! Rows of Resource Graph and documents of Defender for Cloud, read without regard to the casing of their keys.
//!
//! Resource Graph gives alerts in another casing than Azure Resource Manager does, and neither is promised.

use super::{Alert, Plan, Recommendation, Severity, Vulnerability};
use crate::model::{ResourceId, Timestamp};
use serde_json::Value;

/// What stands in the id of everything that is about an AKS cluster.
const CLUSTERS: &str = "/providers/microsoft.containerservice/managedclusters/";

/// Reads an alert; none if it is closed, or not about a cluster.
pub fn alert(row: &Value) -> Option<Alert> {
    let status = text(row, "properties/status").unwrap_or_default();
    let closed = ["Resolved", "Dismissed"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(&status));
    if closed {
        return None;
    }
    let identifiers = at(row, "properties/resourceIdentifiers")?.as_array()?;
    let cluster = identifiers
        .iter()
        .filter_map(|identifier| text(identifier, "azureResourceId"))
        .find_map(|id| cluster_of(&id))?;
    Some(Alert {
        cluster,
        name: text(row, "name").unwrap_or_default(),
        title: text(row, "properties/alertDisplayName")
            .or_else(|| text(row, "properties/alertType"))
            .unwrap_or_else(|| "alert without a name".to_owned()),
        severity: severity(row, "properties/severity"),
        status,
        started: text(row, "properties/startTimeUtc").and_then(|time| Timestamp::parse(&time)),
    })
}

/// Reads a recommendation; none if it is followed, or not about a cluster.
pub fn recommendation(row: &Value) -> Option<Recommendation> {
    if !is_open(row) {
        return None;
    }
    Some(Recommendation {
        cluster: cluster_of(&text(row, "id")?)?,
        title: text(row, "properties/displayName")
            .or_else(|| text(row, "properties/metadata/displayName"))
            .unwrap_or_else(|| text(row, "name").unwrap_or_default()),
        severity: severity(row, "properties/metadata/severity"),
    })
}

/// Reads a vulnerability of an image that runs in a cluster; none if it is mended, or not about one.
pub fn vulnerability(row: &Value) -> Option<Vulnerability> {
    if !is_open(row) {
        return None;
    }
    let artifact = |key: &str| text(row, &format!("properties/additionalData/artifactDetails/{key}"));
    let repository = artifact("repositoryName").or_else(|| text(row, "properties/additionalData/repositoryName"))?;
    let registry = artifact("registryHost").or_else(|| text(row, "properties/additionalData/registryHost"));
    let tags = at(row, "properties/additionalData/artifactDetails/tags").and_then(Value::as_array);
    let tag = tags.and_then(|tags| tags.first()).and_then(Value::as_str);
    let digest = artifact("digest").or_else(|| text(row, "properties/additionalData/imageDigest"));
    let name = match registry {
        Some(registry) => format!("{registry}/{repository}"),
        None => repository,
    };
    let image = match (tag, digest) {
        (Some(tag), _) => format!("{name}:{tag}"),
        (None, Some(digest)) => format!("{name}@{digest}"),
        (None, None) => name,
    };
    let details = "properties/additionalData/vulnerabilityDetails";
    let words = [format!("{details}/severity"), "properties/status/severity".to_owned()];
    let severity = words.iter().find_map(|path| text(row, path));
    let fix = text(row, "properties/additionalData/softwareDetails/fixedVersion");
    let fix_status = text(row, "properties/additionalData/softwareDetails/fixStatus");
    Some(Vulnerability {
        cluster: cluster_of(&text(row, "id")?)?,
        image,
        id: text(row, "properties/id")
            .or_else(|| text(row, &format!("{details}/cveId")))
            .unwrap_or_else(|| text(row, "name").unwrap_or_default()),
        severity: severity.map_or(Severity::Unknown, |word| Severity::parse(&word)),
        fixable: fix.is_some() || fix_status.is_some_and(|word| word.eq_ignore_ascii_case("FixAvailable")),
    })
}

/// Reads the plan of a subscription; none if its document does not say.
pub fn plan(document: &Value) -> Option<Plan> {
    let tier = text(document, "properties/pricingTier")?;
    match () {
        () if tier.eq_ignore_ascii_case("Standard") => Some(Plan::Standard),
        () if tier.eq_ignore_ascii_case("Free") => Some(Plan::Free),
        () => None,
    }
}

/// Returns whether one of these contacts is told of alerts: addresses, or whoever has a role.
pub fn has_contact(contacts: &[Value]) -> bool {
    contacts.iter().any(|contact| {
        let off = at(contact, "properties/isEnabled").and_then(Value::as_bool) == Some(false);
        let sources = at(contact, "properties/notificationsSources").and_then(Value::as_array);
        // Older versions of the API have no list of sources.
        let of_alerts = sources.is_none_or(|sources| {
            let is_alert =
                |source: &Value| text(source, "sourceType").is_some_and(|word| word.eq_ignore_ascii_case("Alert"));
            sources.iter().any(is_alert)
        });
        let emails = text(contact, "properties/emails").is_some();
        let by_role = text(contact, "properties/notificationsByRole/state")
            .is_some_and(|word| word.eq_ignore_ascii_case("On"))
            && at(contact, "properties/notificationsByRole/roles")
                .and_then(Value::as_array)
                .is_some_and(|roles| !roles.is_empty());
        !off && of_alerts && (emails || by_role)
    })
}

/// Whether an assessment says that something is wrong; a state that is not known does.
fn is_open(row: &Value) -> bool {
    let code = text(row, "properties/status/code").unwrap_or_default();
    !["Healthy", "NotApplicable"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(&code))
}

fn severity(row: &Value, path: &str) -> Severity {
    text(row, path).map_or(Severity::Unknown, |word| Severity::parse(&word))
}

/// The AKS cluster that an id is of, or lies in.
fn cluster_of(id: &str) -> Option<ResourceId> {
    let start = id.to_ascii_lowercase().find(CLUSTERS)? + CLUSTERS.len();
    let name = id.get(start..)?.split('/').next()?;
    ResourceId::parse(id.get(..start + name.len())?)
}

/// The value at a path of keys, in any casing.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').try_fold(value, |value, key| {
        let fields = value.as_object()?;
        fields.get(key).or_else(|| {
            fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(_, value)| value)
        })
    })
}

/// The text at a path of keys; none if there is none or it is empty.
fn text(value: &Value, path: &str) -> Option<String> {
    let text = at(value, path)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
