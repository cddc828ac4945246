//! What is read of Defender for Cloud, and what counts.

use super::*;
use serde_json::{Value, json};

const CLUSTER: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks";

fn watched(sensor: Sensor) -> Watched {
    Watched {
        id: ResourceId::parse(CLUSTER).unwrap(),
        location: "westeurope".to_owned(),
        sensor,
    }
}

fn subscription(plan: Result<Plan, String>, contact: Result<bool, String>) -> Subscription {
    Subscription {
        id: "s".to_owned(),
        name: "contoso".to_owned(),
        plan,
        contact,
    }
}

#[test]
fn alerts_are_read_in_either_casing_until_they_are_closed() {
    let graph = json!({"id": "/a", "name": "n", "properties": {
        "AlertDisplayName": "Privileged container", "Severity": "High", "Status": "Active", "StartTimeUtc": "2026-11-28T10:00:00Z",
        "ResourceIdentifiers": [{"Type": "LogAnalytics"}, {"Type": "AzureResource", "AzureResourceId": CLUSTER.to_lowercase()}]}});
    let manager = json!({"id": "/a", "name": "n", "properties": {
        "alertDisplayName": "Privileged container", "severity": "High", "status": "Active", "startTimeUtc": "2026-11-28T10:00:00Z",
        "resourceIdentifiers": [{"type": "AzureResource", "azureResourceId": CLUSTER}]}});
    let read = alert(&graph).unwrap();
    assert_eq!(alert(&manager), Some(read.clone()));
    assert_eq!(
        (read.title.as_str(), read.severity),
        ("Privileged container", Severity::High)
    );
    for (status, open) in [
        ("Resolved", false),
        ("dismissed", false),
        ("InProgress", true),
        ("", true),
        ("New", true),
    ] {
        let mut row = graph.clone();
        row["properties"]["Status"] = json!(status);
        assert_eq!(alert(&row).is_some(), open, "{status}");
    }
    let mut other = graph;
    other["properties"]["ResourceIdentifiers"] = json!([{"AzureResourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm"}]);
    assert_eq!(alert(&other), None);
}

#[test]
fn what_is_not_said_to_be_well_is_not() {
    let row = |code: Value, severity: Value| {
        json!({"id": format!("{CLUSTER}/providers/Microsoft.Security/assessments/x"), "name": "x",
               "properties": {"displayName": "Do it", "status": {"code": code}, "metadata": {"severity": severity}}})
    };
    for (code, severity, expected) in [
        (json!("Unhealthy"), json!("Medium"), Some(Severity::Medium)),
        (json!("healthy"), json!("High"), None),
        (json!("NotApplicable"), json!("High"), None),
        (json!(null), json!("Low"), Some(Severity::Low)),
        (json!("Unhealthy"), json!(null), Some(Severity::Unknown)),
        (json!("Unhealthy"), json!("Dire"), Some(Severity::Unknown)),
    ] {
        let read = recommendation(&row(code.clone(), severity));
        assert_eq!(read.map(|one| one.severity), expected, "{code}");
    }
}

#[test]
fn vulnerabilities_are_put_together_by_image() {
    let row = |cluster: &str, id: &str, severity: &str, fixed: Value| {
        json!({"id": format!("{cluster}/providers/Microsoft.Security/assessments/x/subassessments/{id}"), "name": "n", "properties": {
            "id": id, "status": {"code": "Unhealthy", "severity": "Low"},
            "additionalData": {"artifactDetails": {"registryHost": "contoso.azurecr.io", "repositoryName": "shop/web", "digest": "sha256:1", "tags": ["1.0.0"]},
                "softwareDetails": {"fixedVersion": fixed}, "vulnerabilityDetails": {"severity": severity}}}})
    };
    let other = CLUSTER.replace("/aks", "/elsewhere");
    let rows = [
        row(CLUSTER, "CVE-1", "High", json!("2.0")),
        row(&CLUSTER.to_uppercase(), "CVE-1", "Critical", json!("")),
        row(CLUSTER, "CVE-2", "Low", json!(null)),
        row(&other, "CVE-3", "Critical", json!(null)),
    ];
    let found = rows.iter().filter_map(vulnerability).collect();
    let runtime = Runtime::new(vec![watched(Sensor::On)], vec![], vec![], vec![], found);
    assert_eq!(runtime.images.len(), 1, "of other scopes there is nothing");
    let image = &runtime.images["contoso.azurecr.io/shop/web:1.0.0"];
    assert_eq!(image.severity(), Severity::Critical);
    assert_eq!((image.vulnerabilities.len(), image.fixable.len()), (2, 1));
    let mut untagged = rows[0].clone();
    untagged["properties"]["additionalData"]["artifactDetails"]["tags"] = json!([]);
    assert_eq!(
        vulnerability(&untagged).unwrap().image,
        "contoso.azurecr.io/shop/web@sha256:1"
    );
    untagged["properties"]["additionalData"] = json!({});
    assert_eq!(vulnerability(&untagged), None, "it names no image");
}

#[test]
fn a_contact_is_somebody_who_is_told_of_alerts() {
    let contact = |properties: Value| vec![json!({ "properties": properties })];
    let role = json!({"state": "On", "roles": ["Owner"]});
    for (contacts, expected) in [
        (vec![], false),
        (
            contact(
                json!({"emails": "soc@contoso.com", "isEnabled": true, "notificationsSources": [{"sourceType": "Alert"}]}),
            ),
            true,
        ),
        (contact(json!({"emails": "soc@contoso.com", "isEnabled": false})), false),
        (
            contact(json!({"emails": "soc@contoso.com", "notificationsSources": [{"sourceType": "AttackPath"}]})),
            false,
        ),
        (contact(json!({"emails": "", "notificationsByRole": role})), true),
        (
            contact(json!({"emails": "", "notificationsByRole": {"state": "On", "roles": []}})),
            false,
        ),
        (
            contact(json!({"emails": "", "notificationsByRole": {"state": "Off", "roles": ["Owner"]}})),
            false,
        ),
        (contact(json!({"emails": "a@b.c"})), true),
    ] {
        assert_eq!(has_contact(&contacts), expected, "{contacts:?}");
    }
}

#[test]
fn where_nobody_looks_nothing_is_well() {
    for (plan, contact, sensor, expected) in [
        (Ok(Plan::Standard), Ok(true), Sensor::On, 0),
        (Ok(Plan::Standard), Ok(true), Sensor::NotAsked, 0),
        (Ok(Plan::Standard), Ok(true), Sensor::Stopped, 0),
        (Ok(Plan::Free), Ok(true), Sensor::On, 1),
        (Err("403".to_owned()), Ok(true), Sensor::On, 1),
        (Ok(Plan::Standard), Ok(false), Sensor::Off, 2),
        (Ok(Plan::Standard), Err("403".to_owned()), Sensor::Failed, 2),
    ] {
        let subscriptions = vec![subscription(plan, contact)];
        let runtime = Runtime::new(vec![watched(sensor)], subscriptions, vec![], vec![], vec![]);
        assert_eq!(runtime.blind().len(), expected, "{runtime:?}");
        assert_eq!(runtime.count(Sort::Watch, Severity::Critical), expected);
    }
    assert_eq!(plan(&json!({"properties": {"pricingTier": "Other"}})), None);
}

#[test]
fn a_threshold_counts_what_is_at_least_so_severe() {
    let alert = |severity| Alert {
        cluster: ResourceId::parse(CLUSTER).unwrap(),
        name: "n".to_owned(),
        title: "t".to_owned(),
        severity,
        status: "Active".to_owned(),
        started: None,
    };
    let all = ["informational", "Low", "Medium", "High", "Critical", "Dire"].map(|word| alert(Severity::parse(word)));
    let runtime = Runtime::new(vec![watched(Sensor::On)], vec![], all.to_vec(), vec![], vec![]);
    for (least, expected) in [
        (Severity::Low, 5),
        (Severity::Medium, 4),
        (Severity::High, 3),
        (Severity::Critical, 2),
    ] {
        assert_eq!(runtime.count(Sort::Alerts, least), expected, "{least:?}");
    }
    assert_eq!(runtime.alerts[0].severity, Severity::Unknown, "the worst is first");
}
