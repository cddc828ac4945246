//! For programs.

use super::{Egress, why};
use crate::egress::{ApplicationRule, Cluster, Feature, Need, facts_read, source};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Returns it as a JSON document.
pub fn to_json(egress: &Egress<'_>, outcome: &str, exit_code: u8) -> Value {
    let needs: Vec<Value> = egress.needs.iter().map(need).collect();
    let checked = egress.checked.as_ref().map(|checked| {
        let answers: Vec<Value> = checked
            .check
            .answers
            .iter()
            .map(|(of, answer)| {
                let mut entry = need(of);
                if let Some(entry) = entry.as_object_mut() {
                    entry.insert("verdict".to_owned(), json!(answer.verdict.name()));
                    entry.insert("why".to_owned(), json!(why(answer)));
                }
                entry
            })
            .collect();
        json!({
            "against": checked.against,
            "entries": checked.entries,
            "unjudged": checked.unjudged,
            "sourcesCompared": checked.sources,
            "answers": answers,
            "blocked": ids(checked.check.blocked.iter().copied()),
        })
    });
    json!({
        "formatVersion": 1,
        "command": "egress",
        "outcome": outcome,
        "exitCode": exit_code,
        "environment": egress.environment,
        "scope": egress.scope,
        "endpoint": egress.endpoint,
        "cloud": egress.cloud,
        "factsRead": facts_read(),
        "clusters": egress.clusters.iter().map(cluster).collect::<Vec<_>>(),
        "counted": ids(egress.counted.iter().copied()),
        "needs": needs,
        "rules": egress.rules.iter().map(rule).collect::<Vec<_>>(),
        "check": checked,
    })
}

fn ids<'c>(clusters: impl Iterator<Item = &'c Cluster>) -> Vec<&'c str> {
    clusters.map(|cluster| cluster.id.as_str()).collect()
}

fn names(features: &BTreeSet<Feature>) -> Vec<&'static str> {
    features.iter().map(|feature| feature.name()).collect()
}

fn cluster(cluster: &Cluster) -> Value {
    let features: serde_json::Map<String, Value> = cluster
        .features
        .iter()
        .map(|(feature, reason)| (feature.name().to_owned(), json!(reason.name())))
        .collect();
    json!({
        "id": cluster.id.as_str(),
        "location": cluster.location,
        "outboundType": Some(&cluster.outbound.word).filter(|word| !word.is_empty()),
        "path": cluster.outbound.path().name(),
        "httpProxy": cluster.outbound.proxy,
        "privateApiServer": cluster.private,
        "imagesCached": cluster.images_cached,
        "features": features,
    })
}

fn need(need: &Need<'_>) -> Value {
    let endpoint = &need.endpoint;
    json!({
        "fqdn": endpoint.name.to_string(),
        "port": endpoint.port,
        "protocol": endpoint.protocol.name(),
        "features": names(&endpoint.features),
        "use": endpoint.purpose,
        "source": source(&endpoint.source).map(|source| &source.url),
        "clusters": ids(need.clusters.iter().map(|(cluster, _)| *cluster)),
    })
}

/// A rule as Azure Firewall policies have it, but for where traffic comes from.
fn rule(rule: &ApplicationRule) -> Value {
    json!({
        "ruleType": "ApplicationRule",
        "name": rule.name,
        "protocols": [{"protocolType": rule.protocol.name(), "port": rule.port}],
        "targetFqdns": rule.names,
    })
}
