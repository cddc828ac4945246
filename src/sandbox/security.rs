//! Defender for Cloud besides its plans: security contacts, and what Resource Graph has of alerts, recommendations and vulnerable images.
//!
//! Alerts are made by whoever rehearses. Recommendations follow from the clusters, and vulnerabilities from the images that run in them,
//! where the plan looks for them; nothing of it is late. The plan has to be on for either, as it has to be in Azure.

use serde_json::{Value, json};

use super::error::ArmError;
use super::http::Response;
use super::json::{entry_without_case, items, object, set, text};
use super::random::Random;
use super::route::{Call, page};
use super::state::State;
use super::{inside, time};

const CLUSTERS: &str = "microsoft.containerservice/managedclusters";
const ALERTS: &str = "microsoft.security/locations/alerts";
const ASSESSMENTS: &str = "microsoft.security/assessments";
const SUB_ASSESSMENTS: &str = "microsoft.security/assessments/subassessments";
const CONTACTS: &str = "microsoft.security/securitycontacts";
/// The assessment of images that run in clusters.
const IMAGES: &str = "c609cf0f-71ab-41e9-a3c6-9a1f7fe1b8d5";

/// What Resource Graph has of something that Defender for Cloud found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its id.
    pub id: String,
    /// Its type in lower case.
    pub kind: &'static str,
    /// Its properties.
    pub properties: Value,
}

/// Vulnerabilities that images may have: number, package, version, version without, severity.
const KNOWN: [(&str, &str, &str, &str, &str); 4] = [
    ("CVE-2026-10234", "openssl", "3.0.11", "3.0.15", "High"),
    ("CVE-2026-20871", "zlib", "1.2.13", "", "Medium"),
    ("CVE-2026-31190", "glibc", "2.36", "2.36-9", "Critical"),
    ("CVE-2026-40415", "curl", "7.88.1", "7.88.2", "Low"),
];

/// Returns what was found about clusters, of the types that are wanted.
#[must_use]
pub fn findings(state: &State, wanted: impl Fn(&str) -> bool) -> Vec<Finding> {
    let (alerts, assessed, scanned) = (wanted(ALERTS), wanted(ASSESSMENTS), wanted(SUB_ASSESSMENTS));
    let alerts = state.of_type(ALERTS).filter(|_| alerts);
    let mut found: Vec<Finding> = alerts.map(|(_, document)| alert(document)).collect();
    let clusters = state.of_type(CLUSTERS).filter(|_| assessed || scanned);
    for (_, cluster) in clusters {
        let subscription = text(cluster, "/id").split('/').nth(2).unwrap_or_default();
        let plan = format!("/subscriptions/{subscription}/providers/Microsoft.Security/pricings/Containers");
        let Some(plan) = state
            .resource(&plan)
            .filter(|plan| text(plan, "/properties/pricingTier") == "Standard")
        else {
            continue;
        };
        if assessed {
            found.extend(assessments(cluster));
        }
        let looks = items(plan, "/properties/extensions").iter().any(|extension| {
            text(extension, "/name") == "ContainerRegistriesVulnerabilityAssessments"
                && text(extension, "/isEnabled").eq_ignore_ascii_case("True")
        });
        if scanned && looks && text(cluster, "/properties/powerState/code") != "Stopped" {
            found.extend(vulnerabilities(state, cluster));
        }
    }
    found
}

/// An alert in the casing of Resource Graph, which is another one than that of Azure Resource Manager.
fn alert(document: &Value) -> Finding {
    let upper = |name: &str| {
        let mut letters = name.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    let mut properties: serde_json::Map<String, Value> = object(document, "/properties")
        .into_iter()
        .flatten()
        .map(|(name, value)| (upper(name), value.clone()))
        .collect();
    if let Some(Value::Array(identifiers)) = properties.get_mut("ResourceIdentifiers") {
        for identifier in identifiers {
            let fields = identifier.as_object().into_iter().flatten();
            *identifier = fields.map(|(name, value)| (upper(name), value.clone())).collect();
        }
    }
    Finding {
        id: text(document, "/id").to_owned(),
        kind: ALERTS,
        properties: Value::Object(properties),
    }
}

fn assessments(cluster: &Value) -> [Finding; 2] {
    let profiles = object(cluster, "/properties/addonProfiles");
    let addon = profiles.and_then(|profiles| entry_without_case(profiles, "azurepolicy"));
    let addon = addon.is_some_and(|(_, profile)| profile.get("enabled") == Some(&json!(true)));
    let sensor =
        cluster.pointer("/properties/securityProfile/defender/securityMonitoring/enabled") == Some(&json!(true));
    [
        assessment(
            cluster,
            "08e628db-e2ed-4793-bc91-d13e684401c3",
            "Azure Kubernetes Service clusters should have the Azure Policy add-on for Kubernetes installed",
            addon,
        ),
        assessment(
            cluster,
            "56a83a6e-c417-42ec-b567-1e6fcb3d09a9",
            "Azure Kubernetes Service clusters should have Defender profile enabled",
            sensor,
        ),
    ]
}

fn assessment(cluster: &Value, key: &str, title: &str, is_well: bool) -> Finding {
    let id = text(cluster, "/id");
    Finding {
        id: format!("{id}/providers/Microsoft.Security/assessments/{key}"),
        kind: ASSESSMENTS,
        properties: json!({
            "displayName": title,
            "resourceDetails": {"Source": "Azure", "Id": id},
            "status": {"code": if is_well { "Healthy" } else { "Unhealthy" }},
            "metadata": {"displayName": title, "assessmentType": "BuiltIn", "severity": "High", "categories": ["Compute"]},
        }),
    }
}

/// The vulnerabilities of what runs in a cluster: the same image has the same everywhere.
fn vulnerabilities(state: &State, cluster: &Value) -> Vec<Finding> {
    let id = text(cluster, "/id");
    let pods = inside::objects(state, id, state.now).items;
    let mut images: Vec<&str> = pods
        .iter()
        .filter(|object| text(object, "/kind") == "Pod")
        .flat_map(|pod| items(pod, "/spec/containers"))
        .map(|container| text(container, "/image"))
        .collect();
    images.sort_unstable();
    images.dedup();
    let mut found = Vec::new();
    for image in images {
        let mut random = Random::named(state.seed, &format!("image {image}"));
        let digest = format!(
            "sha256:{:016x}{:016x}{:016x}{:016x}",
            random.number(),
            random.number(),
            random.number(),
            random.number()
        );
        let (name, tag) = image
            .rsplit_once(':')
            .filter(|(_, tag)| !tag.contains('/'))
            .unwrap_or((image, "latest"));
        let (registry, repository) = name.split_once('/').unwrap_or(("docker.io", name));
        for (cve, package, version, fixed, severity) in KNOWN {
            if random.below(30) > 0 {
                continue;
            }
            let key = Random::named(state.seed, &format!("{id} {image} {cve}")).guid();
            found.push(Finding {
                id: format!("{id}/providers/Microsoft.Security/assessments/{IMAGES}/subassessments/{key}"),
                kind: SUB_ASSESSMENTS,
                properties: json!({
                    "id": cve,
                    "displayName": cve,
                    "status": {"code": "Unhealthy", "severity": severity},
                    "resourceDetails": {"source": "Azure", "id": id},
                    "timeGenerated": time::iso(state.now),
                    "additionalData": {
                        "assessedResourceType": "AzureContainerRegistryVulnerability",
                        "artifactDetails": {"artifactType": "ContainerImage", "registryHost": registry, "repositoryName": repository,
                            "digest": digest, "tags": [tag]},
                        "softwareDetails": {"packageName": package, "version": version, "fixedVersion": fixed,
                            "fixStatus": if fixed.is_empty() { "NoFixAvailable" } else { "FixAvailable" }},
                        "vulnerabilityDetails": {"cveId": cve, "severity": severity},
                    },
                }),
            });
        }
    }
    found
}

/// Raises an alert about a cluster and returns its name.
pub fn raise(state: &mut State, cluster: &Value, title: &str, severity: &str) -> String {
    let guid = state.guid();
    let name = format!("{}_{guid}", state.now);
    let parts: Vec<&str> = text(cluster, "/id").split('/').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or_default().to_owned();
    let at = time::iso(state.now);
    let (subscription, group, location) = (part(2), part(4), text(cluster, "/location"));
    state.insert(json!({
        "id": format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Security/locations/{location}/alerts/{name}"),
        "name": name,
        "type": "Microsoft.Security/Locations/alerts",
        "properties": {
            "version": "2022-01-01", "alertType": "K8S_SandboxAlert", "alertDisplayName": title, "systemAlertId": name,
            "productName": "Microsoft Defender for Cloud", "productComponentName": "Containers", "vendorName": "Microsoft",
            "severity": severity, "status": "Active", "intent": "Execution", "compromisedEntity": text(cluster, "/name"),
            "startTimeUtc": at, "endTimeUtc": at, "timeGeneratedUtc": at, "processingEndTimeUtc": at, "isIncident": false,
            "resourceIdentifiers": [{"type": "AzureResource", "azureResourceId": text(cluster, "/id")}],
        },
    }));
    name
}

/// Closes the alert of this name; false if there is none that is open.
pub fn close(state: &mut State, name: &str) -> bool {
    let is_open = |document: &&Value| {
        text(document, "/name").eq_ignore_ascii_case(name) && text(document, "/properties/status") != "Resolved"
    };
    let found = state
        .of_type(ALERTS)
        .map(|(_, document)| document)
        .find(is_open)
        .cloned();
    let Some(mut alert) = found else {
        return false;
    };
    set(&mut alert, "/properties", "status", json!("Resolved"));
    state.insert(alert);
    true
}

/// Answers a request for security contacts; each subscription has at most the one called `default`.
///
/// # Errors
/// What the service refuses.
pub fn contacts(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    let at = state.scope(&call.address.scope)?;
    let method = call.request.method.as_str();
    let id = format!("{}/providers/Microsoft.Security/securityContacts/default", at.id);
    let before = state.resource(&id).cloned();
    let absent = || {
        ArmError::not_found(
            "ResourceNotFound",
            "The security contact 'default' was not found.".to_owned(),
        )
    };
    let Some(name) = call.address.name() else {
        if method != "GET" || !at.is_subscription() {
            return Err(ArmError::method_not_allowed(method));
        }
        let here = id.to_ascii_lowercase();
        let documents = state
            .of_type(CONTACTS)
            .filter(|(id, _)| **id == here)
            .map(|(id, document)| (id.clone(), document.clone()))
            .collect();
        return Ok(Response::json(200, &page(state, call, documents)?));
    };
    if !name.eq_ignore_ascii_case("default") {
        return Err(ArmError::bad_request(
            "InvalidSecurityContactName",
            format!("The security contact name '{name}' must be 'default'."),
        ));
    }
    match (method, before) {
        ("GET", Some(document)) => Ok(Response::json(200, &document)),
        ("GET", None) => Err(absent()),
        ("PUT", before) => {
            let properties = call.body.get("properties").filter(|properties| properties.is_object());
            let properties = properties
                .cloned()
                .ok_or_else(|| ArmError::content("The request content has no 'properties'."))?;
            let document = json!({"id": id, "name": "default", "type": "Microsoft.Security/securityContacts", "properties": properties});
            state.insert(document.clone());
            Ok(Response::json(if before.is_some() { 200 } else { 201 }, &document))
        }
        ("DELETE", Some(_)) => {
            state.take(&id);
            Ok(Response::empty(200))
        }
        ("DELETE", None) => Ok(Response::empty(204)),
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}

/// Gives a new sandbox what it has: in `prod` somebody is told of alerts, and nowhere else.
pub fn seed(state: &mut State) {
    let [.., (_, prod)] = super::seed::ENVIRONMENTS;
    state.insert(json!({
        "id": format!("/subscriptions/{prod}/providers/Microsoft.Security/securityContacts/default"),
        "name": "default",
        "type": "Microsoft.Security/securityContacts",
        "properties": {
            "emails": "soc@contoso.example", "phone": "", "isEnabled": true,
            "notificationsSources": [{"sourceType": "Alert", "minimalSeverity": "Medium"}],
            "notificationsByRole": {"state": "On", "roles": ["Owner"]},
        },
    }));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Client, DEV, PROD};
    use super::*;

    fn rows(client: &mut Client, kind: &str) -> Vec<Value> {
        let query =
            format!("securityresources | where type =~ '{kind}' | project id, name, properties | order by id asc");
        let body = json!({"subscriptions": [PROD.rsplit('/').next()], "query": query, "options": {"$top": 1000}});
        let answer = client.ok(
            "POST",
            "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01",
            Some(&body),
            200,
        );
        answer["data"].as_array().unwrap().clone()
    }

    #[test]
    fn alerts_are_open_until_they_are_closed() {
        let mut client = Client::new();
        assert!(rows(&mut client, ALERTS).is_empty());
        let cluster = client.sandbox.state.of_type(CLUSTERS).last().unwrap().1.clone();
        let name = raise(&mut client.sandbox.state, &cluster, "Privileged container", "High");
        client.sandbox.state.revision += 1; // as whoever keeps the state does
        let found = rows(&mut client, ALERTS);
        assert_eq!(
            (&found[0]["properties"]["Status"], &found[0]["properties"]["Severity"]),
            (&json!("Active"), &json!("High"))
        );
        assert_eq!(
            found[0]["properties"]["ResourceIdentifiers"][0]["AzureResourceId"],
            cluster["id"]
        );
        assert!(close(&mut client.sandbox.state, &name) && !close(&mut client.sandbox.state, &name));
        client.sandbox.state.revision += 1;
        assert_eq!(rows(&mut client, ALERTS)[0]["properties"]["Status"], "Resolved");
    }

    #[test]
    fn what_is_found_follows_from_the_clusters_and_the_plan() {
        let mut client = Client::new();
        let open = |rows: &[Value]| {
            rows.iter()
                .filter(|row| row["properties"]["status"]["code"] == "Unhealthy")
                .count()
        };
        let found = rows(&mut client, "microsoft.security/assessments");
        assert_eq!(found.len(), 6, "two of each cluster");
        assert_eq!(open(&found), 5, "one cluster has the add-on");
        let images = rows(&mut client, "microsoft.security/assessments/subassessments");
        assert!(!images.is_empty());
        assert_eq!(
            images,
            rows(&mut client, "microsoft.security/assessments/subassessments")
        );
        let plan = format!("{PROD}/providers/Microsoft.Security/pricings/Containers");
        client.ok("PUT", &plan, Some(&json!({"properties": {"pricingTier": "Free"}})), 200);
        assert!(
            rows(&mut client, "microsoft.security/assessments").is_empty(),
            "nobody looks any more"
        );
    }

    #[test]
    fn a_subscription_has_one_contact_at_most() {
        let mut client = Client::new();
        let at = |scope: &str, name: &str| {
            format!("{scope}/providers/Microsoft.Security/securityContacts{name}?api-version=2023-12-01-preview")
        };
        assert_eq!(client.names(&at(PROD, "")), ["default"]);
        assert!(client.names(&at(DEV, "")).is_empty());
        let body = json!({"properties": {"emails": "a@b.example", "isEnabled": true}});
        client.ok("PUT", &at(DEV, "/default"), Some(&body), 201);
        client.ok("PUT", &at(DEV, "/Default"), Some(&body), 200);
        assert_eq!(client.get(&at(DEV, "/default"))["properties"]["emails"], "a@b.example");
        client.refused(
            "PUT",
            &at(DEV, "/other"),
            Some(&body),
            400,
            "InvalidSecurityContactName",
        );
        client.ok("DELETE", &at(DEV, "/default"), None, 200);
        client.refused("GET", &at(DEV, "/default"), None, 404, "ResourceNotFound");
    }
}
