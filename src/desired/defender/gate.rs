//! The gate of gated deployment: where its switch stands, and what cannot be seen of it.

use super::{Desired, Sources, finding, live_plan};
use crate::config::{Gate, Mode};
use crate::model::{DEFENDER_SENSOR, SECURITY_GATING, SECURITY_GATING_NEEDS, Stage};
use crate::observed::{LiveObject, Subscription};
use crate::remark::Finding;
use serde_json::Value;

/// Says where the gate stands. Its switch is a part of the Defender plan, and written with that.
pub(in crate::desired) fn add(desired: &mut Desired, sources: Sources<'_>, gate: &Gate, alone: bool) {
    let mut on = Vec::new();
    let mut off = Vec::new();
    for subscription in &sources.observed.subscriptions {
        let name = &subscription.name;
        match live_plan(sources.observed, subscription).map(missing) {
            None => off.push(format!("in `{name}`, which has no plan `Containers`")),
            Some(missing) if missing.is_empty() => on.push(format!("`{name}`")),
            Some(missing) => off.push(format!("in `{name}`, where {} off", missing.join(", "))),
        }
    }
    let mut parts = Vec::new();
    if !on.is_empty() {
        parts.push(format!("on in {}", on.join(", ")));
    }
    if !off.is_empty() {
        parts.push(format!("off {}", off.join("; ")));
    }
    if parts.is_empty() {
        parts.push("without a subscription in scope".to_owned());
    }
    let stands = format!("gated deployment is {}", parts.join("; "));
    desired.findings.push(finding(&gate.name, stands));
    if gate.target != Stage::Off {
        let sentence = "what it audits or denies, where, and what it spares is said by security rules in Defender for Cloud \
                        (Environment settings, Security rules), which aksgate does not read; nor does it see which clusters \
                        run the admission controller, which needs Kubernetes 1.31 and access to the registries";
        desired.findings.push(finding(&gate.name, sentence.to_owned()));
    }
    let managed = sources
        .environment
        .defender
        .as_ref()
        .is_some_and(|defender| defender.mode == Mode::Manage);
    if alone && managed {
        let sentence = "its switch is a part of the Defender plan, so with `--gate` the plan is looked at as a whole";
        desired.findings.push(finding(&gate.name, sentence.to_owned()));
    }
}

/// Says that gated deployment is on though neither a gate nor the Defender plan of the environment asks for it: whoever took the gate
/// away may think that it is off.
pub(super) fn left_on(sources: Sources<'_>, subscription: &Subscription, live: Option<&LiveObject>) -> Option<Finding> {
    let environment = sources.environment;
    let asked = environment.gates.values().any(|gate| super::is_gate(sources, gate));
    let stated = environment.defender.as_ref().is_some_and(|defender| {
        let properties = defender.extension_properties.values();
        properties
            .flat_map(|properties| properties.keys())
            .any(|key| key.eq_ignore_ascii_case(SECURITY_GATING))
    });
    let is_on = live.is_some_and(|live| missing(live).is_empty());
    (is_on && !asked && !stated).then(|| {
        let sentence =
            "gated deployment is on, and no gate asks for it; it stays on, and a gate with `target: off` turns it off";
        finding(&subscription.name, sentence.to_owned())
    })
}

/// What is off of all that gated deployment needs, each with its verb.
fn missing(live: &LiveObject) -> Vec<String> {
    let comparable = live.comparable();
    let at = |path: &[&str]| {
        let value = path.iter().try_fold(&comparable, |value, key| value.get(key));
        value.cloned().unwrap_or_default()
    };
    if at(&["properties", "pricingTier"]) != "Standard" {
        return vec!["the plan is".to_owned()];
    }
    let extensions = SECURITY_GATING_NEEDS.into_iter();
    let mut missing: Vec<String> = extensions
        .filter(|name| at(&["properties", "extensions", name]) != true)
        .map(|name| format!("`{name}` is"))
        .collect();
    let settings = at(&["properties", "extensionSettings", DEFENDER_SENSOR]);
    let gating = settings.as_object().into_iter().flatten();
    let gating = gating.filter(|(key, _)| key.eq_ignore_ascii_case(SECURITY_GATING));
    let is_on = gating.map(|(_, value)| value == &Value::from("true")).next_back();
    if is_on != Some(true) {
        missing.push(format!("`{SECURITY_GATING}` is"));
    }
    missing
}
