//! The plan file: a plan as versioned JSON (`docs/schema/plan.schema.json`).
//!
//! Owns the format and the refusal of files that are damaged or newer. The digest only detects damage: what a file says is
//! never written without being rendered again from the estate.

use super::{Action, Exceeded, Finding, Header, Held, Limit, Plan, Reason, Step};
use crate::diff::digest;
use crate::evidence::Forecast;
use crate::kinds::{Direction, Kind, Plane};
use crate::model::{ResourceId, Timestamp};
use crate::observed::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// The version of the format that this program writes; it reads this one only.
pub const FORMAT_VERSION: u64 = 1;

/// Why a plan file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not JSON at all.
    #[error("the file is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but no plan.
    #[error("the file is no plan: it has no `formatVersion`")]
    NotAPlan,
    /// Written by a newer version of the program, or a much older one.
    #[error("the plan has format version {found}, this version of aksgate reads {FORMAT_VERSION}")]
    Version {
        /// The version that the file names.
        found: u64,
    },
    /// A field is missing, unknown or of the wrong type.
    #[error("the plan is damaged: {0}")]
    Damaged(String),
    /// The content is not what was written.
    #[error("the plan was changed after it was written: its digest does not fit its content")]
    Edited,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlanFile {
    format_version: u64,
    tool: String,
    digest: String,
    plan_id: String,
    environment: String,
    scope: String,
    tenant: String,
    endpoint: String,
    gates: Vec<String>,
    config_digest: String,
    time: String,
    expires: String,
    steps: Vec<StepFile>,
    held: Vec<HeldFile>,
    findings: Vec<FindingFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    limits: Vec<LimitFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forecasts: Vec<Forecast>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitFile {
    limit: String,
    found: u64,
    owned: u64,
    allowed: String,
    needed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StepFile {
    id: String,
    kind: String,
    object: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
    depends_on: Vec<String>,
    action: String,
    direction: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    weakens: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HeldFile {
    plane: String,
    subject: String,
    what: String,
    reasons: Vec<ReasonFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReasonFile {
    guard: String,
    sentence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opens: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FindingFile {
    subject: String,
    sentence: String,
}

/// Returns the plan as JSON, with its digest.
pub fn to_value(plan: &Plan) -> Value {
    let header = &plan.header;
    let file = PlanFile {
        format_version: FORMAT_VERSION,
        tool: concat!("aksgate ", env!("CARGO_PKG_VERSION")).to_owned(),
        digest: String::new(),
        plan_id: header.plan_id.clone(),
        environment: header.environment.clone(),
        scope: header.scope.clone(),
        tenant: header.tenant.clone(),
        endpoint: header.endpoint.clone(),
        gates: header.gates.clone(),
        config_digest: header.config_digest.clone(),
        time: header.time.to_string(),
        expires: header.expires.to_string(),
        steps: plan.steps.iter().map(step_file).collect(),
        held: plan.held.iter().map(held_file).collect(),
        findings: plan
            .findings
            .iter()
            .map(|finding| FindingFile {
                subject: finding.subject.clone(),
                sentence: finding.sentence.clone(),
            })
            .collect(),
        limits: plan.exceeded.iter().map(limit_file).collect(),
        forecasts: plan.forecasts.clone(),
    };
    // The document consists of strings, lists and maps with string keys: it always has a JSON form.
    let mut value = serde_json::to_value(file).unwrap_or_default();
    let digest = digest(&value);
    if let Some(text) = value.get_mut("digest") {
        *text = Value::from(digest);
    }
    value
}

/// Returns the text of the plan file: pretty JSON with a final line feed.
pub fn to_text(plan: &Plan) -> String {
    format!("{:#}\n", to_value(plan))
}

/// Reads a plan file.
///
/// # Errors
/// Not JSON, no plan, another format version, damaged, or edited.
pub fn from_text(text: &str) -> Result<Plan, FileError> {
    let mut value: Value = serde_json::from_str(text).map_err(FileError::NotJson)?;
    let found = value
        .get("formatVersion")
        .and_then(Value::as_u64)
        .ok_or(FileError::NotAPlan)?;
    if found != FORMAT_VERSION {
        return Err(FileError::Version { found });
    }
    let stated = value
        .get("digest")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if let Some(text) = value.get_mut("digest") {
        *text = Value::from("");
    }
    if digest(&value) != stated {
        return Err(FileError::Edited);
    }
    let file: PlanFile = serde_json::from_value(value).map_err(|error| FileError::Damaged(error.to_string()))?;
    let plan = plan(file).map_err(FileError::Damaged)?;
    let (mut ids, mut objects) = (BTreeSet::new(), BTreeSet::new());
    for step in &plan.steps {
        if !ids.insert(&step.id) || step.is_pending() && !objects.insert((step.kind, &step.object)) {
            return Err(FileError::Damaged(format!("step `{}` is there twice", step.id)));
        }
    }
    Ok(plan)
}

fn step_file(step: &Step) -> StepFile {
    StepFile {
        id: step.id.clone(),
        kind: step.kind.name().to_owned(),
        object: step.object.as_str().to_owned(),
        gate: step.gate.clone(),
        depends_on: step.depends_on.clone(),
        action: step.action.name().to_owned(),
        direction: step.direction.name().to_owned(),
        weakens: step.weakens.clone(),
        reason: step.reason.clone(),
        before: step.before.clone(),
        after: step.after.clone(),
        fingerprint: step.fingerprint.clone(),
    }
}

fn limit_file(exceeded: &Exceeded) -> LimitFile {
    LimitFile {
        limit: exceeded.limit.name().to_owned(),
        found: exceeded.found,
        owned: exceeded.owned,
        allowed: exceeded.allowed.clone(),
        needed: exceeded.needed.clone(),
    }
}

fn held_file(held: &Held) -> HeldFile {
    HeldFile {
        plane: plane_name(held.plane).to_owned(),
        subject: held.subject.clone(),
        what: held.what.clone(),
        reasons: held
            .reasons
            .iter()
            .map(|reason| ReasonFile {
                guard: reason.guard.clone(),
                sentence: reason.sentence.clone(),
                opens: reason.opens.map(|opens| opens.to_string()),
            })
            .collect(),
    }
}

/// Returns the name of a plane in JSON.
pub fn plane_name(plane: Plane) -> &'static str {
    match plane {
        Plane::Policy => "policy",
        Plane::Defender => "defender",
        Plane::Clusters => "clusters",
    }
}

fn plan(file: PlanFile) -> Result<Plan, String> {
    let time = |field: &str, text: &str| Timestamp::parse(text).ok_or(format!("`{field}` is no time"));
    Ok(Plan {
        header: Header {
            environment: file.environment,
            scope: file.scope,
            tenant: file.tenant,
            endpoint: file.endpoint,
            gates: file.gates,
            config_digest: file.config_digest,
            time: time("time", &file.time)?,
            expires: time("expires", &file.expires)?,
            plan_id: file.plan_id,
        },
        steps: file.steps.into_iter().map(step).collect::<Result<_, _>>()?,
        held: file.held.into_iter().map(held).collect::<Result<_, _>>()?,
        findings: file
            .findings
            .into_iter()
            .map(|finding| Finding {
                subject: finding.subject,
                sentence: finding.sentence,
            })
            .collect(),
        exceeded: file.limits.into_iter().map(exceeded).collect::<Result<_, _>>()?,
        forecasts: file.forecasts,
    })
}

fn exceeded(file: LimitFile) -> Result<Exceeded, String> {
    Ok(Exceeded {
        limit: Limit::parse(&file.limit).ok_or_else(|| format!("`limit` is `{}`", file.limit))?,
        found: file.found,
        owned: file.owned,
        allowed: file.allowed,
        needed: file.needed,
    })
}

fn step(file: StepFile) -> Result<Step, String> {
    let unknown = |field: &str, word: &str| format!("step `{}`: `{field}` is `{word}`", file.id);
    Ok(Step {
        kind: Kind::parse(&file.kind).ok_or_else(|| unknown("kind", &file.kind))?,
        object: ResourceId::parse(&file.object).ok_or_else(|| unknown("object", &file.object))?,
        action: Action::ALL
            .into_iter()
            .find(|action| action.name() == file.action)
            .ok_or_else(|| unknown("action", &file.action))?,
        direction: Direction::parse(&file.direction).ok_or_else(|| unknown("direction", &file.direction))?,
        id: file.id,
        gate: file.gate,
        depends_on: file.depends_on,
        weakens: file.weakens,
        reason: file.reason,
        before: file.before,
        after: file.after,
        fingerprint: file.fingerprint,
    })
}

fn held(file: HeldFile) -> Result<Held, String> {
    let plane = Plane::ALL.into_iter().find(|plane| plane_name(*plane) == file.plane);
    let reasons = file.reasons.into_iter().map(|reason| {
        let opens = match reason.opens {
            Some(text) => Some(Timestamp::parse(&text).ok_or("`opens` is no time")?),
            None => None,
        };
        Ok(Reason {
            guard: reason.guard,
            sentence: reason.sentence,
            opens,
        })
    });
    Ok(Held {
        plane: plane.ok_or(format!("`plane` is `{}`", file.plane))?,
        subject: file.subject,
        what: file.what,
        reasons: reasons.collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Count, Hit};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_schema_names_every_kind() {
        let schema: Value = serde_json::from_str(include_str!("../../schema/plan.schema.json")).unwrap();
        let text = schema.to_string();
        for kind in Kind::ALL {
            assert!(text.contains(&format!("\"{}\"", kind.name())), "{}", kind.name());
        }
    }

    fn sample() -> Plan {
        Plan {
            header: Header {
                environment: "dev".into(),
                scope: "subscriptions/x".into(),
                tenant: "t".into(),
                endpoint: "https://arm".into(),
                gates: vec![],
                config_digest: "c".into(),
                time: Timestamp::from_seconds(0),
                expires: Timestamp::from_seconds(1),
                plan_id: "p".into(),
            },
            steps: vec![Step {
                id: "step-001".into(),
                kind: Kind::DefenderPlan,
                object: ResourceId::parse("/subscriptions/x/providers/Microsoft.Security/pricings/Containers").unwrap(),
                gate: None,
                depends_on: vec![],
                action: Action::Update,
                direction: Direction::Tightens,
                weakens: vec!["`effect` Deny -> Audit".to_owned()],
                reason: None,
                before: Some(json!({"a": 1})),
                after: Some(json!({"a": 2})),
                fingerprint: Some(Fingerprint {
                    content: "d".into(),
                    ..Fingerprint::default()
                }),
            }],
            held: vec![Held {
                plane: Plane::Policy,
                subject: "g".into(),
                what: "deny".into(),
                reasons: vec![Reason {
                    guard: "soak".into(),
                    sentence: "s".into(),
                    opens: Some(Timestamp::from_seconds(9)),
                }],
            }],
            findings: vec![Finding {
                subject: "s".into(),
                sentence: "t".into(),
            }],
            exceeded: vec![Exceeded {
                limit: Limit::Deletes,
                found: 7,
                owned: 12,
                allowed: "5".into(),
                needed: "7".into(),
            }],
            forecasts: vec![Forecast {
                gate: "g".into(),
                hits: vec![Hit {
                    cluster: "c".into(),
                    namespace: Some("n".into()),
                    kind: "Pod".into(),
                    name: "p".into(),
                    guessed: false,
                    objects: 1,
                    members: vec!["m".into()],
                }],
                more: 1,
                violations: Count::at_least(1),
                places: vec![],
                more_places: 0,
                unknown: vec!["d (stopped)".into()],
            }],
        }
    }

    #[test]
    fn a_plan_is_read_back_as_it_was_written() {
        assert_eq!(from_text(&to_text(&sample())).unwrap(), sample());
    }

    #[test]
    fn a_plan_without_forecasts_is_as_it_was_before_there_were_any() {
        let plan = Plan {
            forecasts: Vec::new(),
            ..sample()
        };
        let text = to_text(&plan);
        assert!(!text.contains("forecasts"));
        assert_eq!(from_text(&text).unwrap(), plan);
    }

    #[test]
    fn edited_foreign_and_newer_files_are_refused() {
        let text = to_text(&sample());
        let refusal = |text: &str| from_text(text).unwrap_err().to_string();
        assert!(refusal(&text.replace("tightens", "neutral")).contains("changed after it was written"));
        assert!(refusal(&text.replace("\"formatVersion\": 1", "\"formatVersion\": 2")).contains("format version 2"));
        assert!(refusal("{}").contains("no plan"));
        assert!(refusal("x").contains("not JSON"));
        assert!(refusal("").contains("not JSON"));
        let mut twice = sample();
        twice.steps.push(twice.steps[0].clone());
        assert!(refusal(&to_text(&twice)).contains("`step-001` is there twice"));
        twice.steps[1].id = "step-002".into();
        assert!(refusal(&to_text(&twice)).contains("`step-002` is there twice"));
        let mut value: Value = serde_json::from_str(&text).unwrap();
        value["steps"][0]["extra"] = json!(1);
        value["digest"] = json!("");
        value["digest"] = json!(digest(&value));
        assert!(refusal(&value.to_string()).contains("damaged"));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = from_text(&text);
        }
    }
}
