//! A plan as JSON.

use super::change::leaves;
use super::held_in;
use crate::diff::changes;
use crate::kinds::Plane;
use crate::plan::{Action, Plan, file};
use serde_json::{Value, json};

/// Returns the plan as a JSON document: the plan file, with what changes in each step and a summary.
pub fn to_json(plan: &Plan) -> Value {
    let mut document = file::to_value(plan);
    let steps = document
        .get_mut("steps")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for (step, written) in plan.steps.iter().zip(steps) {
        let found = match (&step.before, &step.after) {
            (Some(before), Some(after)) => changes(before, after),
            (None, Some(after)) => leaves(after),
            _ => Vec::new(),
        };
        let found: Vec<Value> = found
            .into_iter()
            .map(|change| json!({"path": change.path, "before": change.before, "after": change.after}))
            .collect();
        if let (Some(map), true) = (written.as_object_mut(), step.is_pending()) {
            map.insert("changes".to_owned(), Value::from(found));
        }
    }
    let summary: serde_json::Map<String, Value> = Plane::ALL
        .into_iter()
        .map(|plane| {
            let mut counts: serde_json::Map<String, Value> = Action::ALL
                .into_iter()
                .map(|action| (action.name().to_owned(), Value::from(plan.count(plane, action))))
                .collect();
            counts.insert("held".to_owned(), Value::from(held_in(plan, plane)));
            (file::plane_name(plane).to_owned(), Value::Object(counts))
        })
        .collect();
    json!({"plan": document, "summary": summary})
}
