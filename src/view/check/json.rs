//! A judgement for a program. What stands here stays: keys are added, never changed.

use super::help_uri;
use crate::admission::report::{At, Counts, Finding, Object, Origin, Report, Subject, Verdict};
use crate::view::diagnostics;
use serde_json::{Map, Value, json};
use std::fmt::Display;

/// Returns the judgement as JSON, without what every answer of a command carries.
pub fn to_json(report: &Report) -> Value {
    let (origin, dump) = match &report.origin {
        Origin::Estate => ("estate", None),
        Origin::Cluster(file) => ("cluster", Some(file)),
    };
    let gates = report.gates.iter().map(|gate| {
        json!({
            "gate": gate.name,
            "stages": at(gate.stages),
            "counts": counts(&gate.counts),
        })
    });
    let rules = report.members.iter().map(|member| {
        json!({
            "gate": member.gate,
            "member": member.reference_id,
            "definition": member.definition,
            "version": member.version,
            "title": member.title,
            "help": help_uri(member),
            "effects": at(member.effects),
            "warns": member.warn,
            "evaluated": member.silent.is_none(),
            "objects": member.concerned,
        })
    });
    let objects = report.objects.iter().map(|judged| {
        let mut object = identity(&judged.object);
        let findings: Vec<Value> = judged.findings.iter().map(|found| finding(report, found)).collect();
        object.insert("findings".to_owned(), findings.into());
        Value::Object(object)
    });
    let gaps = report.not_evaluated();
    let gaps = gaps.iter().map(|gap| {
        json!({
            "gate": gap.member.gate,
            "member": gap.member.reference_id,
            "reason": gap.reason,
            "objects": gap.objects,
            "denies": gap.denies,
            "accepted": gap.allowed,
        })
    });
    let skipped = report
        .skipped
        .iter()
        .map(|skipped| json!({"file": skipped.file, "line": skipped.line, "reason": skipped.reason}));
    let mut totals = Map::new();
    for verdict in Verdict::ALL {
        totals.insert(verdict.name().to_owned(), report.count(verdict).into());
    }
    let sum = |of: fn(&Counts) -> usize| report.gates.iter().map(|gate| of(&gate.counts)).sum::<usize>();
    for (name, count) in [
        ("files", report.files),
        ("objects", report.judged),
        ("skipped", report.skipped_count),
        ("unread", report.unread.len()),
        ("allowed", sum(|counts| counts.allowed)),
        ("notEvaluated", sum(|counts| counts.not_evaluated)),
        ("findingsNotListed", report.omitted),
    ] {
        totals.insert(name.to_owned(), count.into());
    }
    json!({
        "environment": report.environment,
        "position": report.position.name(),
        "rulesFrom": origin,
        "clusterDump": dump,
        "counts": totals,
        "gates": gates.collect::<Vec<_>>(),
        "rules": rules.collect::<Vec<_>>(),
        "objects": objects.collect::<Vec<_>>(),
        "notEvaluated": gaps.collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
        "unread": diagnostics::to_json(&report.unread),
        "defaults": report.defaults.iter().map(|(name, count)| json!({"name": name, "objects": count})).collect::<Vec<_>>(),
        "withoutDefaults": report.without,
        "assumptions": report.assumptions,
    })
}

fn at<T: Copy + Display>(at: At<T>) -> Value {
    let text = |value: Option<T>| value.map(|value| value.to_string());
    json!({"now": text(at.now), "next": text(at.next), "target": text(at.target)})
}

fn counts(counts: &Counts) -> Value {
    let mut out = Map::new();
    for verdict in Verdict::ALL {
        out.insert(verdict.name().to_owned(), counts.of(verdict).into());
    }
    out.insert("allowed".to_owned(), counts.allowed.into());
    out.insert("notEvaluated".to_owned(), counts.not_evaluated.into());
    Value::Object(out)
}

fn identity(object: &Object) -> Map<String, Value> {
    let fields = [
        ("apiVersion", Value::from(object.api_version.as_str())),
        ("kind", object.kind.as_str().into()),
        ("namespace", object.namespace.clone().into()),
        ("name", object.name.as_str().into()),
        ("file", object.file.as_str().into()),
        ("line", object.line.into()),
        ("column", object.column.into()),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn finding(report: &Report, finding: &Finding) -> Value {
    let member = report.members.get(finding.member);
    json!({
        "gate": member.map(|member| &member.gate),
        "member": member.map(|member| &member.reference_id),
        "verdict": finding.verdict.name(),
        "refused": match finding.subject {
            Subject::Object => "object",
            Subject::Pods => "pods",
        },
        "message": finding.message,
        "evaluationError": finding.failed,
        "field": (!finding.place.path.is_empty()).then_some(&finding.place.path),
        "line": finding.place.line,
        "column": finding.place.column,
    })
}
