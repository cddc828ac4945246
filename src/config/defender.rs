//! Defender in an environment: what of it can be, and the gate whose switch is a part of the plan.

use super::content::Content;
use super::draft::{EnvironmentDraft, GateDraft};
use super::estate::{Cloud, DefenderContainers, Gate, Initiative, Mode};
use super::near;
use super::walk::{Spanned, list};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::model::{DEFENDER_EXTENSIONS, DEFENDER_SENSOR, SECURITY_GATING, SECURITY_GATING_NEEDS, Scope, Stage};
use std::collections::BTreeMap;

/// Where people make the rules of gated deployment.
const RULES: &str = "security rules in Defender for Cloud (Environment settings, Security rules)";

/// Reports Defender settings that cannot be, contradict each other, or act on nothing.
pub(super) fn check(environment: &EnvironmentDraft<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(defender) = &environment.defender else { return };
    let error = |summary: &str, span: Span, label: String| Diagnostic::error(summary, environment.file, span, label);
    if environment.cloud == Some(Cloud::China) {
        let label = "Azure operated by 21Vianet retired Defender for Cloud on 2026-08-18".to_owned();
        let error = error("no Defender in this cloud", defender.span, label);
        diagnostics.push(error.hint("remove `defender` from this environment"));
        return;
    }
    if let Some(Scope::ResourceGroup(..)) = environment.scope.as_ref().map(|scope| &scope.value) {
        let label = "a Defender plan is one for a whole subscription, and the scope is a resource group".to_owned();
        let error = error("no Defender plan in this scope", defender.span, label);
        diagnostics.push(error.hint("state `defender` in an environment of the subscription"));
    }
    let names: Vec<Spanned<&str>> = defender.extensions.iter().map(|(name, _)| *name).collect();
    same_but_for_case(environment, &names, diagnostics);
    let names: Vec<Spanned<&str>> = defender.properties.iter().map(|(name, _)| *name).collect();
    same_but_for_case(environment, &names, diagnostics);
    for (name, _) in defender.extensions.iter().filter(|(name, _)| !is_known(name.value)) {
        let label = format!("`{}` is none of the plan's extensions that aksgate knows", name.value);
        let warning = error("unknown extension", name.span, label).warning();
        diagnostics.push(match did_you_mean(name.value, DEFENDER_EXTENSIONS) {
            Some(near) => warning.hint(format!("did you mean `{near}`? it is sent as it stands")),
            None => warning.hint(format!("it is sent as it stands; known: {}", list(DEFENDER_EXTENSIONS))),
        });
    }
    if let (Some(Cloud::UsGov), Some(span), false) = (
        environment.cloud,
        defender.extensions_span,
        defender.extensions.is_empty(),
    ) {
        let label = "Azure's own policy for this plan sets none in Azure Government".to_owned();
        let warning = error("extensions in this cloud", span, label).warning();
        diagnostics.push(
            warning.hint(
                "an extension is sent there only once the live plan lists it; until then the plan shows it as held",
            ),
        );
    }
    let free = defender
        .containers
        .as_ref()
        .is_some_and(|containers| !containers.standard);
    for (name, on) in defender.extensions.iter().filter(|_| free) {
        let label = "plan Free has no extensions".to_owned();
        diagnostics.push(match on {
            true => error("extension of a plan that is off", name.span, label)
                .hint("write `tier: Standard`, or remove the extension"),
            false => error("extension of a plan that is off", name.span, label)
                .warning()
                .hint("it acts on nothing while `tier` is `Free`"),
        });
    }
    let enforced = defender.containers.as_ref().and_then(|containers| containers.enforce);
    if let (true, Some(true), Some(span)) = (free, enforced, defender.enforce) {
        let label = "forces the plan off on every resource below that has one of its own".to_owned();
        diagnostics.push(error("plan that is off is enforced", span, label).warning());
    }
    for (extension, keys) in &defender.properties {
        same_but_for_case(environment, keys, diagnostics);
        let stated = defender
            .extensions
            .iter()
            .find(|(name, _)| name.value == extension.value);
        if stated.is_some_and(|(_, on)| *on) {
            continue;
        }
        let label = match stated {
            Some(_) => format!("`{}` is off under `extensions`", extension.value),
            None => format!("`{}` is not stated under `extensions`", extension.value),
        };
        let on: Vec<&str> = defender
            .extensions
            .iter()
            .filter(|(_, on)| *on)
            .map(|(name, _)| name.value)
            .collect();
        let error = error("property of an extension that is not on", extension.span, label);
        diagnostics.push(match did_you_mean(extension.value, on.iter().copied()) {
            Some(_) => error.hint(near(extension.value, &on, "")),
            None => error.hint(format!(
                "write `{}: true` under `extensions`, or remove its properties",
                extension.value
            )),
        });
    }
}

fn is_known(name: &str) -> bool {
    DEFENDER_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Reports names that Azure cannot tell from one another.
fn same_but_for_case(environment: &EnvironmentDraft<'_>, names: &[Spanned<&str>], diagnostics: &mut Vec<Diagnostic>) {
    for (at, name) in names.iter().enumerate() {
        let mut before = names.iter().take(at);
        if let Some(first) = before.find(|first| first.value.eq_ignore_ascii_case(name.value)) {
            let label = format!("`{}` on line {} is the same to Azure", first.value, first.span.line);
            let error = Diagnostic::error("duplicate name", environment.file, name.span, label);
            diagnostics.push(error.hint("keep one of the two"));
        }
    }
}

/// Checks a gate of gated deployment: it is a switch of the plan, and everything else about it is decided in Defender.
pub(super) fn gate(
    environment: &EnvironmentDraft<'_>,
    gate: &GateDraft<'_>,
    initiative: Spanned<&str>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let error = |summary: &str, span: Span, label: String| Diagnostic::error(summary, environment.file, span, label);
    for (key, span) in gate
        .keys
        .iter()
        .filter(|(key, _)| !matches!(*key, "initiative" | "target"))
    {
        let label = format!("`{key}` does not act on gated deployment");
        diagnostics
            .push(error("key out of place", *span, label).hint(format!("remove it: the gate's rules are {RULES}")));
    }
    if let Some(target) = gate.target.filter(|target| target.value == Stage::Deny) {
        let label = "whether gated deployment denies is not decided here".to_owned();
        let error = error("target out of reach", target.span, label);
        diagnostics.push(error.hint(format!(
            "write `audit`, which turns the gate on; each rule says what it denies: {RULES}"
        )));
    }
    let Some(defender) = &environment.defender else {
        let label = "its switch is a part of the Defender plan, and this environment states none".to_owned();
        let error = error("gate without its plan", initiative.span, label);
        diagnostics.push(error.hint(format!(
            "state `defender: {{containers: {{tier: Standard, extensions: {{{}}}}}}}`",
            SECURITY_GATING_NEEDS.map(|name| format!("{name}: true")).join(", ")
        )));
        return;
    };
    // What is wrong with the block itself is told already.
    let Some(containers) = &defender.containers else { return };
    let wanted = match gate.target.map(|target| target.value) {
        Some(Stage::Off) => false,
        Some(_) => true,
        None => return,
    };
    let is_on = |name: &str| containers.extensions.get(name) == Some(&true);
    let missing: Vec<&str> = SECURITY_GATING_NEEDS.into_iter().filter(|name| !is_on(name)).collect();
    if wanted && !containers.standard {
        let label = "the Defender plan of this environment is `Free`".to_owned();
        let error = error("gate without its plan", initiative.span, label);
        diagnostics.push(error.hint("write `tier: Standard`, or `target: off`"));
    } else if wanted && !missing.is_empty() {
        let label = format!("gated deployment needs {} on", list(missing.iter().copied()));
        let error = error("gate without its extensions", initiative.span, label);
        diagnostics.push(error.hint(format!(
            "state under `extensions`: `{}`",
            missing.iter().map(|name| format!("{name}: true")).collect::<Vec<_>>().join(", ")
        )));
    }
    let stated = defender
        .properties
        .iter()
        .filter(|(extension, _)| extension.value == DEFENDER_SENSOR);
    let stated = stated
        .flat_map(|(_, keys)| keys)
        .find(|key| key.value.eq_ignore_ascii_case(SECURITY_GATING));
    let value = containers.extension_properties.get(DEFENDER_SENSOR).and_then(|values| {
        let mut values = values
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(SECURITY_GATING));
        values.next().map(|(_, value)| value.eq_ignore_ascii_case("true"))
    });
    if let (Some(stated), Some(value)) = (stated, value)
        && value != wanted
    {
        let label = format!("the gate `{}` wants the opposite", gate.name.value);
        let error = error("gate and plan contradict each other", stated.span, label);
        diagnostics.push(error.hint("remove it: the gate's `target` sets it"));
    }
}

/// Reports a second gate with the same switch.
pub(super) fn twice(
    environment: &EnvironmentDraft<'_>,
    contents: &BTreeMap<&str, Content<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut gates = environment.gates.iter().filter(|gate| {
        let content = gate.initiative.and_then(|initiative| contents.get(initiative.value));
        content.is_some_and(|content| content.is_defender)
    });
    let Some(first) = gates.next() else { return };
    for gate in gates {
        let label = format!(
            "`{}` on line {} is gated deployment too",
            first.name.value, first.name.span.line
        );
        let error = Diagnostic::error("two gates with one switch", environment.file, gate.name.span, label);
        diagnostics.push(error.hint("a subscription has one switch for gated deployment: keep one of the two"));
    }
}

/// Reports a plan that aksgate is to write and that a gate deploys too.
pub(super) fn two_writers(
    environment: &EnvironmentDraft<'_>,
    contents: &BTreeMap<&str, Content<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let containers = environment
        .defender
        .as_ref()
        .and_then(|defender| defender.containers.as_ref());
    if !containers.is_some_and(|containers| containers.mode == Mode::Manage) {
        return;
    }
    for gate in &environment.gates {
        let Some(name) = gate
            .initiative
            .filter(|_| gate.target.is_none_or(|target| target.value != Stage::Off))
        else {
            continue;
        };
        let content = contents.get(name.value).and_then(|content| content.initiative.as_ref());
        let Some(Initiative::Own { kind, members, .. }) = content else {
            continue;
        };
        if let Some(member) = members.iter().find(|member| member.deploys_defender_plan(*kind)) {
            let label = format!(
                "its member `{}` deploys the Defender plan, which aksgate writes too",
                member.reference_id
            );
            let error = Diagnostic::error("two writers of one Defender plan", environment.file, name.span, label);
            diagnostics.push(error.hint("write `mode: policy` under `defender.containers`, or take the member out"));
        }
    }
}

/// Returns the plan with the switch that a gate of gated deployment sets.
pub(super) fn with_gates(
    mut containers: DefenderContainers,
    gates: &BTreeMap<String, Gate>,
    contents: &BTreeMap<&str, Content<'_>>,
) -> DefenderContainers {
    let is_defender = |gate: &&Gate| {
        contents
            .get(gate.initiative.as_str())
            .is_some_and(|content| content.is_defender)
    };
    let Some(gate) = gates.values().find(is_defender) else {
        return containers;
    };
    // An extension that is off, or not spoken of, has no switch to set.
    if containers.extensions.get(DEFENDER_SENSOR) == Some(&true) {
        let value = if gate.target == Stage::Off { "False" } else { "True" };
        let properties = containers
            .extension_properties
            .entry(DEFENDER_SENSOR.to_owned())
            .or_default();
        properties.retain(|key, _| !key.eq_ignore_ascii_case(SECURITY_GATING));
        properties.insert(SECURITY_GATING.to_owned(), value.to_owned());
    }
    containers
}
