//! Exemptions against their environment and the gates that they let something off.

use super::content::Content;
use super::draft::{EnvironmentDraft, ExemptionDraft};
use super::near;
use super::walk::Spanned;
use crate::diagnostic::{Diagnostic, Span};
use crate::model::{ResourceId, Scope};
use std::collections::BTreeMap;

/// Checks the exemptions of an environment.
pub(super) fn check(
    environment: &EnvironmentDraft<'_>,
    contents: &BTreeMap<&str, Content<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let error = |summary: &str, span: Span, label: String| Diagnostic::error(summary, environment.file, span, label);
    for (at, exemption) in environment.exemptions.iter().enumerate() {
        let Some(name) = exemption.gate else { continue };
        let gate = environment.gates.iter().find(|gate| gate.name.value == name.value);
        let Some(gate) = gate else {
            let names: Vec<&str> = environment.gates.iter().map(|gate| gate.name.value).collect();
            let error = error(
                "unknown gate",
                name.span,
                "this environment has no such gate".to_owned(),
            );
            diagnostics.push(error.hint(near(name.value, &names, "it has no gates")));
            continue;
        };
        let content = gate.initiative.and_then(|initiative| contents.get(initiative.value));
        if let Some(resource) = &exemption.resource {
            if let Some(scope) = environment
                .scope
                .as_ref()
                .filter(|scope| is_outside(&scope.value, &resource.value))
            {
                let label = format!("it does not lie in `{}`", scope.value);
                let error = error("resource outside the scope", resource.span, label);
                diagnostics
                    .push(error.hint("an exemption is from a gate of this environment, so for something in its scope"));
            } else if content.is_some_and(|content| content.kubernetes)
                && let Some(what) = not_a_cluster(&resource.value)
            {
                let error = error("resource cannot be exempted", resource.span, what.to_owned());
                diagnostics.push(error.hint(
                    "Azure exempts whole clusters, or what they lie in: for a namespace use `excludeNamespaces` of the gate, for single \
                     objects a parameter such as `labelSelector`",
                ));
            }
        }
        for (at, member) in exemption.members.iter().enumerate() {
            let mut before = exemption.members.iter().take(at);
            if before.any(|before| before.value.eq_ignore_ascii_case(member.value)) {
                let label = format!("`{}` stands already in this list", member.value);
                let error = error("duplicate member", member.span, label);
                diagnostics.push(error.hint("keep one of the two; their case does not count"));
            }
        }
        if let Some(content) = content.filter(|content| content.known) {
            for member in &exemption.members {
                let known: Vec<&str> = content.references.iter().map(String::as_str).collect();
                if !known.iter().any(|known| known.eq_ignore_ascii_case(member.value)) {
                    let label = format!("gate `{}` has no member of this reference", name.value);
                    let error = error("unknown member", member.span, label);
                    diagnostics.push(error.hint(near(member.value, &known, "its members are not known")));
                }
            }
        }
        let earlier = environment.exemptions.iter().take(at);
        if let Some(earlier) = earlier.into_iter().find(|earlier| overlap(earlier, exemption)) {
            let label = format!("line {} exempts the same from gate `{}`", earlier.span.line, name.value);
            let error = error("duplicate exemption", exemption.span, label);
            diagnostics.push(error.hint("keep one of the two"));
        }
    }
}

/// Whether a resource lies outside a scope, as far as that is known offline.
fn is_outside(scope: &Scope, resource: &ResourceId) -> bool {
    match scope {
        Scope::ManagementGroup(_) => false,
        Scope::Subscription(_) | Scope::ResourceGroup(..) => !resource.is_within(&scope.path()),
    }
}

/// Says what a resource is that is neither a cluster nor something that holds clusters; none for those.
fn not_a_cluster(resource: &ResourceId) -> Option<&'static str> {
    let text = resource.as_str();
    if Scope::parse(text).is_some() {
        return None;
    }
    let segments: Vec<String> = text.split('/').skip(1).map(str::to_ascii_lowercase).collect();
    match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, _, _, _, "providers", namespace, kind, _, rest @ ..] => match (*namespace, *kind) {
            ("microsoft.containerservice", "managedclusters") | ("microsoft.kubernetes", "connectedclusters") => {
                (!rest.is_empty()).then_some("it is a part of a cluster")
            }
            _ => Some("it is no cluster, and the members of the gate judge clusters"),
        },
        _ => Some("it is no cluster, and the members of the gate judge clusters"),
    }
}

/// Whether two exemptions let the same thing off the same member.
fn overlap(one: &ExemptionDraft<'_>, two: &ExemptionDraft<'_>) -> bool {
    let gate = |exemption: &ExemptionDraft<'_>| exemption.gate.map(|gate| gate.value.to_owned());
    let resource = |exemption: &ExemptionDraft<'_>| exemption.resource.as_ref().map(|resource| resource.value.clone());
    let shares = |member: &Spanned<&str>| {
        two.members
            .iter()
            .any(|other| other.value.eq_ignore_ascii_case(member.value))
    };
    gate(one) == gate(two)
        && resource(one).is_some()
        && resource(one) == resource(two)
        && (one.members.is_empty() || two.members.is_empty() || one.members.iter().any(shares))
}
