//! SARIF 2.1.0, for code scanning: what is found in Azure, at the file of the environment that asks for something else.

use crate::diff::digest;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How grave a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something is open, or was changed.
    Error,
    /// Something should be looked at.
    Warning,
    /// Something is told.
    Note,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        }
    }
}

/// What results are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// What it is, in one sentence.
    pub title: String,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The id of its rule.
    pub rule: String,
    /// How grave it is.
    pub level: Level,
    /// What it is.
    pub message: String,
    /// The object that it is about.
    pub object: String,
    /// What tells it from others of its rule on that object, and stays from run to run.
    pub same: String,
}

/// What was found in an environment, or why it could not be looked at.
pub type Looked<'a> = (&'a str, Result<Vec<Found>, &'a str>);

/// Returns a log of what was found by a command: a run for each environment, so that code scanning keeps what it knows of each apart.
pub fn log(command: &str, rules: &[Rule], environments: &[Looked<'_>]) -> Value {
    let runs = environments.iter().map(|(environment, looked)| {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let found = looked.as_deref().unwrap_or_default();
        let results = found.iter().map(|found| result(rules, environment, found, &mut seen));
        let failure = looked.as_ref().err();
        let notes = failure.map(|why| {
            let text = sentence(&format!("{environment}: {why}"));
            json!({"level": "error", "descriptor": {"id": "not-read"}, "message": {"text": text}})
        });
        let rules = rules
            .iter()
            .map(|rule| json!({"id": rule.id, "shortDescription": {"text": sentence(&rule.title)}}));
        one(Run {
            id: format!("aksgate/{command}/{environment}/"),
            rules: rules.collect(),
            kinds_of_notes: json!([
                {"id": "not-read", "shortDescription": {"text": "An environment could not be read."}},
            ]),
            successful: failure.is_none(),
            notes: notes.into_iter().collect(),
            results: results.collect(),
            properties: json!({}),
        })
    });
    document(runs.collect())
}

fn result(rules: &[Rule], environment: &str, found: &Found, seen: &mut BTreeMap<String, usize>) -> Value {
    let fingerprint = digest(&json!([found.rule, environment, found.object, found.same]));
    let again = seen.entry(fingerprint.clone()).or_default();
    *again += 1;
    let fingerprint = format!("{fingerprint}:{again}");
    let file = format!("environments/{environment}.yaml");
    let mut result = json!({
        "ruleId": found.rule,
        "level": found.level.name(),
        "message": {"text": sentence(&found.message)},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": 1}},
            "logicalLocations": [{"fullyQualifiedName": found.object, "kind": "resource"}],
        }],
        // GitHub knows a result again by the second one alone. All of an environment stand at the same line, whose hash would make one of
        // them.
        "partialFingerprints": {"aksgateObject/v1": fingerprint, "primaryLocationLineHash": fingerprint},
    });
    let index = rules.iter().position(|rule| rule.id == found.rule);
    if let (Some(result), Some(index)) = (result.as_object_mut(), index) {
        result.insert("ruleIndex".to_owned(), index.into());
    }
    result
}

/// One run, in SARIF's own words.
pub(super) struct Run {
    /// Names runs of one sort.
    pub id: String,
    /// The rules.
    pub rules: Vec<Value>,
    /// The sorts of notes.
    pub kinds_of_notes: Value,
    /// Whether everything was looked at.
    pub successful: bool,
    /// What could not be looked at.
    pub notes: Vec<Value>,
    /// What was found.
    pub results: Vec<Value>,
    /// What else is told.
    pub properties: Value,
}

/// Returns the log of one run.
pub(super) fn envelope(run: Run) -> Value {
    document(vec![one(run)])
}

fn document(runs: Vec<Value>) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": runs,
    })
}

fn one(run: Run) -> Value {
    let mut driver = Map::new();
    for (key, value) in [
        ("name", json!("aksgate")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("semanticVersion", json!(env!("CARGO_PKG_VERSION"))),
        ("rules", Value::from(run.rules)),
        ("notifications", run.kinds_of_notes),
    ] {
        driver.insert(key.to_owned(), value);
    }
    json!({
        "tool": {"driver": driver},
        "automationDetails": {"id": run.id},
        "columnKind": "unicodeCodePoints",
        "invocations": [{
            "executionSuccessful": run.successful,
            "toolExecutionNotifications": run.notes,
        }],
        "results": run.results,
        "properties": run.properties,
    })
}

/// Returns a text as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    match text.ends_with(['.', '!', '?']) {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}
