//! The Defender plan of every subscription in scope: wanted where this tool manages it, compared where another one does.

mod billing;
mod gate;
mod remarks;
#[cfg(test)]
mod tests;
mod writer;

pub use billing::billing_change;
pub(super) use gate::add as add_gate;

use super::checks::properties;
use super::{Desired, DesiredError, DesiredObject, Sources, held_state, required};
use crate::config::{Cloud, DefenderContainers, Gate, Initiative, Mode};
use crate::kinds::{Kind, Meanings, Plane};
use crate::model::{DEFENDER_EXTENSIONS, ResourceId};
use crate::observed::{LiveObject, Observed, Subscription};
use crate::remark::{Finding, Required};
use serde_json::{Value, json};

/// Returns whether a gate's switch is a part of the Defender plan: it has no assignment.
pub(super) fn is_gate(sources: Sources<'_>, gate: &Gate) -> bool {
    let initiative = sources.estate.initiatives.get(&gate.initiative);
    matches!(initiative, Some(Initiative::Defender { .. }))
}

/// Returns the id of a Defender plan of a subscription.
fn plan_id(subscription: &str, plan: &str) -> Option<ResourceId> {
    ResourceId::parse(&format!(
        "/subscriptions/{subscription}/providers/Microsoft.Security/pricings/{plan}"
    ))
}

/// Returns the live plan `Containers` of a subscription.
fn live_plan<'a>(observed: &'a Observed, subscription: &Subscription) -> Option<&'a LiveObject> {
    observed.get(Kind::DefenderPlan, &plan_id(&subscription.id, "Containers")?)
}

fn finding(subject: &str, sentence: String) -> Finding {
    let subject = subject.to_owned();
    Finding { subject, sentence }
}

/// Adds the plans, and what is to be said of them.
pub(super) fn add(desired: &mut Desired, sources: Sources<'_>) -> Result<(), DesiredError> {
    let Some(defender) = &sources.environment.defender else {
        return Ok(());
    };
    desired.findings.extend(writer::named(sources, defender));
    for subscription in &sources.observed.subscriptions {
        let Some(id) = plan_id(&subscription.id, "Containers") else {
            continue;
        };
        let live = sources.observed.get(Kind::DefenderPlan, &id);
        desired.findings.extend(remarks::live(sources.observed, subscription));
        desired.findings.extend(gate::left_on(sources, subscription, live));
        let mut body = body(sources, defender, subscription)?;
        if defender.mode == Mode::Manage {
            held_back(desired, sources, subscription, &mut body, live);
        }
        let kind = Kind::DefenderPlan;
        let before = live.map(LiveObject::comparable);
        let after = kind.comparable(&kind.merged(&body, live.map(|live| &live.wire)));
        let manager = live.and_then(|live| remarks::text(live, "managedBy"));
        match (defender.mode, before, manager) {
            (Mode::Manage, Some(before), Some(manager)) if before != after => {
                let why =
                    format!("azure says that `{manager}` alone manages the plan: a write would be refused or undone");
                let held = held_state(Plane::Defender, &subscription.name, "change of the Defender plan", why);
                desired.held.push(held);
            }
            (Mode::Manage, before, _) => {
                let standard = |plan: &Value| {
                    plan.pointer("/properties/pricingTier")
                        .is_some_and(|tier| tier == "Standard")
                };
                if before.as_ref().is_some_and(standard) && !standard(&after) {
                    let sentence = "turning the plan off leaves the sensors that run in clusters where they are";
                    desired.findings.push(finding(&subscription.name, sentence.to_owned()));
                }
                desired.findings.extend(
                    billing_change(sources.observed, &id, before.as_ref(), &after)
                        .map(|change| finding(&subscription.name, change.sentence)),
                );
                desired.objects.push(DesiredObject {
                    kind,
                    id,
                    gate: None,
                    body: body.into(),
                    depends_on: Vec::new(),
                    replaces: None,
                    meanings: Meanings::new(),
                });
            }
            (mode, Some(before), _) => {
                desired
                    .findings
                    .extend(required(&subscription.name, mode, &before, &after));
                if before != after {
                    desired.required.push(Required {
                        kind,
                        object: id,
                        mode: mode.name(),
                        found: Some(before),
                        wanted: after,
                    });
                }
            }
            (mode, None, _) => {
                desired.required.push(Required {
                    kind,
                    object: id,
                    mode: mode.name(),
                    found: None,
                    wanted: after,
                });
                let sentence = format!(
                    "azure knows no Defender plan `Containers` here, which `mode: {}` cannot make",
                    mode.name()
                );
                desired.findings.push(finding(&subscription.name, sentence));
            }
        }
    }
    Ok(())
}

/// Renders the plan, and sees that the template has left nothing out that the estate states.
fn body(
    sources: Sources<'_>,
    defender: &DefenderContainers,
    subscription: &Subscription,
) -> Result<Value, DesiredError> {
    let kind = Kind::DefenderPlan;
    let rendered = sources
        .renderer
        .defender_plan(sources.environment, defender, &subscription.id)?;
    let properties = properties(kind, rendered, &[])?;
    let missing = |field: &str| DesiredError::Missing {
        template: kind.template(),
        field: format!("properties.{field}"),
    };
    let text = |field: &str| properties.get(field).and_then(Value::as_str).unwrap_or_default();
    let tier = if defender.standard { "Standard" } else { "Free" };
    if text("pricingTier") != tier {
        return Err(missing("pricingTier"));
    }
    let enforce = defender.enforce.map(|enforce| if enforce { "true" } else { "false" });
    if enforce.is_some_and(|enforce| !text("enforce").eq_ignore_ascii_case(enforce)) {
        return Err(missing("enforce"));
    }
    let none = Vec::new();
    let listed = properties.get("extensions").and_then(Value::as_array).unwrap_or(&none);
    for (name, on) in &defender.extensions {
        let found = listed
            .iter()
            .find(|extension| extension.get("name").and_then(Value::as_str) == Some(name));
        let found = found.ok_or_else(|| missing(&format!("extensions.{name}")))?;
        let is = |value: Option<&Value>, wanted: &str| {
            value
                .and_then(Value::as_str)
                .is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        if !is(found.get("isEnabled"), if *on { "true" } else { "false" }) {
            return Err(missing(&format!("extensions.{name}.isEnabled")));
        }
        for (key, value) in defender.extension_properties.get(name).into_iter().flatten() {
            let sent = found
                .get("additionalExtensionProperties")
                .and_then(|properties| properties.get(key));
            if !is(sent, value) {
                return Err(missing(&format!(
                    "extensions.{name}.additionalExtensionProperties.{key}"
                )));
            }
        }
    }
    Ok(json!({ "properties": properties }))
}

/// Settles what is sent of extensions that the estate does not name, or that may not exist in this cloud.
fn held_back(
    desired: &mut Desired,
    sources: Sources<'_>,
    subscription: &Subscription,
    body: &mut Value,
    live: Option<&LiveObject>,
) {
    let text = |extension: &Value| {
        extension
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let listed: Vec<String> = live
        .and_then(|live| live.wire.pointer("/properties/extensions").and_then(Value::as_array))
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    let has = |names: &[String], name: &str| names.iter().any(|found| found.eq_ignore_ascii_case(name));
    let turned_on = live.is_some_and(|live| {
        let tier = remarks::text(live, "pricingTier").unwrap_or_default();
        !tier.eq_ignore_ascii_case("Standard")
    });
    let standard = body.pointer("/properties/pricingTier").and_then(Value::as_str) == Some("Standard");
    let Some(extensions) = body.pointer_mut("/properties/extensions").and_then(Value::as_array_mut) else {
        return;
    };
    if sources.environment.cloud == Cloud::UsGov && live.is_some() {
        // Azure's own policy for the plan sets none in this cloud; what the live plan lists is proven to be there.
        let (proven, unproven) = std::mem::take(extensions)
            .into_iter()
            .partition(|extension| has(&listed, &text(extension)));
        *extensions = proven;
        let off = |extension: &Value| {
            let enabled = extension.get("isEnabled").and_then(Value::as_str).unwrap_or_default();
            enabled.eq_ignore_ascii_case("false")
        };
        let unproven: Vec<Value> = unproven;
        desired
            .held
            .extend(unproven.iter().filter(|extension| !off(extension)).map(|extension| {
                let why =
                "the live plan does not list it, and in Azure Government nothing says that it is there; it is sent \
                       once Azure lists it"
                    .to_owned();
                let what = format!("extension `{}`", text(extension));
                held_state(Plane::Defender, &subscription.name, &what, why)
            }));
        return;
    }
    if turned_on && standard {
        // They are off while the plan is, and stay as they are: what Azure makes of those that are left out is not documented.
        let stated: Vec<String> = extensions.iter().map(text).collect();
        let left = DEFENDER_EXTENSIONS
            .into_iter()
            .filter(|name| !has(&stated, name) && !has(&listed, name));
        extensions.extend(left.map(|name| json!({"name": name, "isEnabled": "False"})));
    }
}
