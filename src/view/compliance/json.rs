//! A report for a program, and for `--baseline` of a later run. What stands here stays: keys are added, never changed.

use super::{Environment, Read};
use crate::compliance::{ClusterReport, GateReport, Key, Novelty, Trend, Violation};
use serde_json::{Value, json};

/// Returns the environments as JSON, without what every answer of a command carries.
pub fn to_json(environments: &[Environment]) -> Value {
    let one = |environment: &Environment| {
        let read = environment.read.as_ref().ok();
        let report = read.map(|read| &read.report);
        json!({
            "environment": environment.name,
            "scope": environment.scope,
            "endpoint": read.map(|read| &read.endpoint),
            "time": report.map(|report| report.time.to_string()),
            "error": environment.read.as_ref().err(),
            "baseline": report.and_then(|report| report.baseline).map(|baseline| baseline.to_string()),
            "count": report.map(|report| report.count()),
            "gates": report.map(|report| report.gates.iter().map(gate).collect::<Vec<_>>()),
            "violations": report.map(|report| report.violations.iter().map(violation).collect::<Vec<_>>()),
            "fixed": report.map(|report| report.fixed.iter().map(key).collect::<Vec<_>>()),
            "unclear": report.map(|report| report.unclear.iter().map(key).collect::<Vec<_>>()),
            "trend": read.and_then(trends),
        })
    };
    Value::Array(environments.iter().map(one).collect())
}

fn gate(gate: &GateReport) -> Value {
    let clusters = gate.clusters.iter().map(|cluster: &ClusterReport| {
        json!({
            "cluster": cluster.cluster.as_str(),
            "coverage": cluster.coverage.to_string(),
            "counted": cluster.coverage.counts(),
            "known": cluster.is_known(),
            "violations": cluster.violations,
            "denied": cluster.denied,
        })
    });
    json!({
        "gate": gate.gate,
        "violations": gate.violations(),
        "denied": gate.denied(),
        "clusters": clusters.collect::<Vec<_>>(),
    })
}

fn key(key: &Key) -> Value {
    json!({
        "gate": key.gate,
        "rule": key.rule,
        "cluster": key.cluster.as_str(),
        "namespace": key.namespace,
        "kind": key.kind,
        "workload": key.name,
    })
}

fn violation(violation: &Violation) -> Value {
    let mut document = key(&violation.key);
    let more = json!({
        "guessed": violation.guessed,
        "objects": violation.objects,
        "denied": violation.denied,
        "firstSeen": violation.first_seen.to_string(),
        "reported": violation.reported.to_string(),
        "novelty": violation.novelty.map(Novelty::name),
    });
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
    document
}

fn trends(read: &Read) -> Option<Value> {
    let one = |trend: &Trend| {
        let days = trend
            .days
            .iter()
            .map(|day| json!({"end": day.end.to_string(), "brokenRules": day.broken}));
        json!({"cluster": trend.cluster.as_str(), "days": days.collect::<Vec<_>>()})
    };
    let trends = read.trends.as_ref()?;
    Some(Value::Array(trends.iter().map(one).collect()))
}
