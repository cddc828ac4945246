//! What a reader should know of the Defender plans that are live.

use super::{finding, plan_id};
use crate::kinds::Kind;
use crate::observed::{LEGACY_PLANS, LiveObject, Observed, Subscription};
use crate::remark::Finding;
use serde_json::Value;

/// Returns a text among the properties of a live plan, if there is one.
pub(super) fn text<'a>(live: &'a LiveObject, key: &str) -> Option<&'a str> {
    let text = live.wire.get("properties")?.get(key)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// Says what is odd about the live plans of a subscription.
pub(super) fn live(observed: &Observed, subscription: &Subscription) -> Vec<Finding> {
    let mut sentences = Vec::new();
    let get = |plan: &str| observed.get(Kind::DefenderPlan, &plan_id(&subscription.id, plan)?);
    let is = |plan: &LiveObject, key: &str, wanted: &str| {
        text(plan, key).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    };
    for plan in LEGACY_PLANS {
        if get(plan).is_some_and(|plan| is(plan, "pricingTier", "Standard")) {
            sentences.push(format!(
                "the plan `{plan}` is on: it is an old one that Azure has replaced by `Containers`; aksgate leaves it alone, \
                 turn it off in Defender for Cloud once `Containers` is on"
            ));
        }
    }
    if let Some(plan) = get("Containers") {
        sentences.extend(of_plan(plan));
    }
    sentences
        .into_iter()
        .map(|sentence| finding(&subscription.name, sentence))
        .collect()
}

fn of_plan(plan: &LiveObject) -> Vec<String> {
    let mut sentences = Vec::new();
    let properties = plan.wire.get("properties").cloned().unwrap_or_default();
    let word = |key: &str| text(plan, key).unwrap_or_default().to_ascii_lowercase();
    let standard = word("pricingTier") == "standard";
    let status = text(plan, "resourcesCoverageStatus").unwrap_or_default();
    match (standard, status.to_ascii_lowercase().as_str()) {
        (true, "notcovered") => sentences.push(format!("the plan is on, but Azure says that it covers nothing: `{status}`")),
        (true, "partiallycovered") => sentences.push(format!(
            "the plan is on, but its coverage is `{status}`: resources below have a setting of their own; `enforce: true` \
             would force the plan on them"
        )),
        (false, "partiallycovered" | "fullycovered") => sentences.push(format!(
            "the plan is off, but its coverage is `{status}`: resources below have a setting of their own"
        )),
        _ => {}
    }
    if word("inherited") == "true" || properties.get("inherited") == Some(&Value::Bool(true)) {
        let from = text(plan, "inheritedFrom").unwrap_or("a scope above");
        sentences.push(format!(
            "the plan's setting is inherited from `{from}`: a write gives it one of its own, unless that scope enforces its own"
        ));
    }
    if let Some(product) = text(plan, "originatedFrom") {
        sentences.push(format!(
            "the plan was turned on by `{product}`, which may write it again"
        ));
    }
    if properties.get("deprecated") == Some(&Value::Bool(true)) {
        let successors = properties
            .get("replacedBy")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let successors: Vec<String> = successors
            .filter_map(Value::as_str)
            .map(|name| format!("`{name}`"))
            .collect();
        sentences.push(match successors.is_empty() {
            true => "Azure has deprecated the plan `Containers`".to_owned(),
            false => format!(
                "Azure has deprecated the plan `Containers`, replaced by {}",
                successors.join(", ")
            ),
        });
    }
    let extensions = properties
        .get("extensions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for extension in extensions {
        let part = |path: &str| extension.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let code = part("/operationStatus/code");
        if !code.is_empty() && !code.eq_ignore_ascii_case("Succeeded") {
            sentences.push(format!(
                "extension `{}` does not work, though it may say that it is on: {code}: {}",
                part("/name"),
                part("/operationStatus/message")
            ));
        }
    }
    sentences
}
