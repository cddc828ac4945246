//! A judgement as SARIF 2.1.0, for code scanning.

use super::{closing, consequence, gap, help_uri};
use crate::admission::report::{Finding, Member, Object, Report, Verdict};
use crate::diff::digest;
use crate::view::sarif::{Run, envelope, sentence};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Returns the judgement as a SARIF log.
pub fn to_sarif(report: &Report) -> Value {
    let rules: Vec<Value> = report.members.iter().map(|member| rule(report, member)).collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let results: Vec<Value> = report
        .findings()
        .filter_map(|(object, finding)| Some(result(object, finding, report.members.get(finding.member)?, &mut seen)))
        .collect();
    let mut notes: Vec<Value> = Vec::new();
    for mistake in &report.unread {
        let mut note = json!({
            "level": "error",
            "descriptor": {"id": "unread"},
            "message": {"text": format!("{}: {}", mistake.summary, mistake.label)},
        });
        let region = mistake
            .span
            .map(|span| json!({"startLine": span.line, "startColumn": span.column}));
        if let (Some(note), Some(location)) = (note.as_object_mut(), location(&mistake.file, region)) {
            note.insert("locations".to_owned(), json!([location]));
        }
        notes.push(note);
    }
    for found in report.not_evaluated() {
        notes.push(json!({
            "level": match (found.is_open(), found.denies) {
                (true, _) => "error",
                (false, true) => "warning",
                (false, false) => "note",
            },
            "descriptor": {"id": "not-evaluated"},
            "associatedRule": {"id": found.member.id()},
            "message": {"text": gap(&found)},
        }));
    }
    let read = report.unread.is_empty() && report.judged > 0 && !report.not_evaluated().iter().any(|gap| gap.is_open());
    envelope(Run {
        id: format!("aksgate/{}/{}/", report.environment, report.position.name()),
        rules,
        kinds_of_notes: json!([
            {"id": "unread", "shortDescription": {"text": "A document could not be read."}},
            {"id": "not-evaluated", "shortDescription": {"text": "A rule could not be evaluated."}},
        ]),
        successful: read,
        notes,
        results,
        properties: json!({"conclusion": closing(report), "findingsNotListed": report.omitted}),
    })
}

fn level(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Denied => "error",
        Verdict::DeniedNext | Verdict::DeniedAtTarget | Verdict::Warned => "warning",
        Verdict::Audited => "note",
    }
}

fn rule(report: &Report, member: &Member) -> Value {
    let version = member
        .version
        .as_deref()
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    let definition = format!(
        "Definition {}{version}, member {} of the gate {}.",
        member.definition, member.reference_id, member.gate
    );
    let mut rule = json!({
        "id": member.id(),
        "shortDescription": {"text": sentence(&member.title)},
        "fullDescription": {"text": definition},
        "help": {"text": format!("{}\n\n{definition}", sentence(&member.title))},
        "defaultConfiguration": {"level": member.verdict(report.position).map_or("none", level)},
    });
    if let (Some(rule), Some(uri)) = (rule.as_object_mut(), help_uri(member)) {
        rule.insert("helpUri".to_owned(), uri.into());
    }
    rule
}

fn result(object: &Object, finding: &Finding, member: &Member, seen: &mut BTreeMap<String, usize>) -> Value {
    let id = member.id();
    // Lines move; the object, its field and what is said of it stay.
    let fingerprint = digest(&json!([
        id,
        object.kind,
        object.namespace,
        object.name,
        object.file,
        finding.place.path,
        finding.message
    ]));
    let again = seen.entry(fingerprint.clone()).or_default();
    *again += 1;
    let mut region = json!({"startLine": finding.place.line, "startColumn": finding.place.column});
    if let (Some(region), Some(end)) = (region.as_object_mut(), finding.place.end_column) {
        region.insert("endColumn".to_owned(), end.into());
    }
    let mut place = location(&object.file, Some(region)).unwrap_or_else(|| json!({}));
    let field = match finding.place.path.as_str() {
        "" => object.to_string(),
        path => format!("{object}: {path}"),
    };
    if let Some(place) = place.as_object_mut() {
        let logical = json!([{"fullyQualifiedName": field, "kind": "resource"}]);
        place.insert("logicalLocations".to_owned(), logical);
    }
    json!({
        "ruleId": id,
        "ruleIndex": finding.member,
        "level": level(finding.verdict),
        "message": {"text": format!("{object}: {}: {}", consequence(finding), sentence(&finding.message))},
        "locations": [place],
        "partialFingerprints": {"aksgateObject/v1": format!("{fingerprint}:{again}")},
        "properties": {"verdict": finding.verdict.name()},
    })
}

/// Returns the location of a file; none for standard input.
fn location(file: &str, region: Option<Value>) -> Option<Value> {
    if file == "-" {
        return None;
    }
    let mut physical = Map::from_iter([("artifactLocation".to_owned(), json!({"uri": uri(file)}))]);
    physical.extend(region.map(|region| ("region".to_owned(), region)));
    Some(json!({"physicalLocation": physical}))
}

/// Returns a path as a URI: relative to the folder of the run, as it was named, or absolute.
fn uri(file: &str) -> String {
    let mut out = String::new();
    let file = file.replace('\\', "/");
    let relative = file.trim_start_matches("./");
    if relative.starts_with('/') {
        out.push_str("file://");
    }
    for byte in relative.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
