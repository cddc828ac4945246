//! What rules say of objects. A verdict depends on the rule, its parameters and the objects alone, so clusters that are alike share it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};

use super::super::inside::Objects;
use super::super::json::text;
use super::constraint::Constraint;
use super::matching::{Origin, concerns};
use crate::rules::{Inventory, Rule, Template};

/// How many verdicts are kept at most.
const MOST: usize = 50_000;

/// A violation that a look at the objects found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The API version of the object.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, empty for none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What speaks against it.
    pub message: String,
}

/// What an audit came to: the violations, or why the rule cannot be asked.
pub type Audit = Result<Vec<Finding>, String>;

#[derive(Default)]
struct Known {
    rules: BTreeMap<u64, Result<Ready, String>>,
    audits: BTreeMap<(u64, u64), Arc<Audit>>,
}

/// A rule that can be asked.
struct Ready {
    template: Template,
    rule: Rule,
}

fn with_rule<T>(known: &mut Known, constraint: &Constraint, ask: impl FnOnce(&Ready) -> T) -> Result<T, String> {
    let prepare = || {
        let template = Template::from_document(&constraint.template.document).map_err(|error| error.to_string())?;
        let rule = Rule::new(&template).map_err(|error| error.to_string())?;
        Ok(Ready { template, rule })
    };
    let ready = known.rules.entry(constraint.template.key).or_insert_with(prepare);
    ready.as_ref().map(ask).map_err(Clone::clone)
}

fn known() -> std::sync::MutexGuard<'static, Known> {
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.audits.len() > MOST || known.rules.len() > MOST {
        *known = Known::default();
    }
    known
}

/// Returns the messages of a constraint against the object of an admission request, if it looks at it.
///
/// # Errors
/// Why the rule cannot be asked.
pub(super) fn messages(constraint: &Constraint, request: &Value, origin: Origin) -> Result<Vec<String>, String> {
    let both = ["/object", "/oldObject"]
        .into_iter()
        .filter_map(|pointer| request.pointer(pointer));
    if !both
        .filter(|subject| !subject.is_null())
        .any(|subject| concerns(&constraint.block, subject, origin))
    {
        return Ok(Vec::new());
    }
    with_rule(&mut known(), constraint, |ready| said(ready, constraint, request))
}

fn said(ready: &Ready, constraint: &Constraint, request: &Value) -> Vec<String> {
    let parameters = ready.template.parameters(Some(&constraint.parameters));
    let evaluation = ready.rule.evaluate(&parameters, request, &Inventory::default());
    evaluation
        .violations
        .into_iter()
        .map(|violation| violation.message)
        .collect()
}

/// Returns what a constraint finds among objects.
#[must_use]
pub fn audit(constraint: &Constraint, key: u64, objects: impl FnOnce() -> Arc<Objects>) -> Arc<Audit> {
    let mut known = known();
    if let Some(audit) = known.audits.get(&(constraint.key, key)) {
        return Arc::clone(audit);
    }
    let objects = objects();
    let mut findings = Vec::new();
    let mut failed = with_rule(&mut known, constraint, |_| ()).err();
    for subject in &objects.items {
        if failed.is_some() || !concerns(&constraint.block, subject, Origin::Asked) {
            continue;
        }
        match with_rule(&mut known, constraint, |ready| {
            said(ready, constraint, &request(subject))
        }) {
            Ok(messages) => findings.extend(messages.into_iter().map(|message| Finding {
                api_version: text(subject, "/apiVersion").to_owned(),
                kind: text(subject, "/kind").to_owned(),
                namespace: text(subject, "/metadata/namespace").to_owned(),
                name: text(subject, "/metadata/name").to_owned(),
                message,
            })),
            Err(why) => failed = Some(why),
        }
    }
    let audit = Arc::new(failed.map_or(Ok(findings), Err));
    known.audits.insert((constraint.key, key), Arc::clone(&audit));
    audit
}

/// Returns the admission request that creates an object.
#[must_use]
pub fn request(subject: &Value) -> Value {
    let api = text(subject, "/apiVersion");
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    let kind = text(subject, "/kind");
    let kinds = json!({"group": group, "version": version, "kind": kind});
    json!({
        "uid": "",
        "kind": kinds,
        "requestKind": kinds,
        "resource": {"group": group, "version": version, "resource": ""},
        "name": text(subject, "/metadata/name"),
        "namespace": text(subject, "/metadata/namespace"),
        "operation": "CREATE",
        "userInfo": {"username": "sandbox", "groups": ["system:authenticated"]},
        "object": subject,
        "oldObject": null,
        "dryRun": false,
        "options": null,
    })
}
