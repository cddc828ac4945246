//! The Azure Policy extension of Arc-connected clusters, without which no gate acts there.

use super::{Desired, DesiredError, DesiredObject, Sources, held_state};
use crate::config::Mode;
use crate::kinds::{Kind, Meanings, Plane};
use crate::model::ResourceId;
use crate::observed::{ArcCluster, LiveObject, Observed};
use crate::remark::{Finding, Required};
use crate::rollout::Uncovered;
use serde_json::Value;

const TYPE: &str = "Microsoft.PolicyInsights";
const WHAT: &str = "install the Azure Policy extension";

/// Returns the type of an extension.
fn type_of(extension: &LiveObject) -> &str {
    let found = extension.wire.pointer("/properties/extensionType");
    found.and_then(Value::as_str).unwrap_or_default()
}

/// Returns the policy extension of a cluster, whatever it is called.
fn extension<'a>(observed: &'a Observed, cluster: &ArcCluster) -> Option<&'a LiveObject> {
    let mut all = observed
        .objects()
        .filter(|object| object.kind == Kind::KubernetesExtension);
    all.find(|object| object.id.is_within(cluster.id.as_str()) && type_of(object).eq_ignore_ascii_case(TYPE))
}

/// Adds the extension of every selected Arc-connected cluster that has none.
pub(super) fn add(desired: &mut Desired, sources: Sources<'_>) -> Result<(), DesiredError> {
    let clusters = sources.environment.clusters.as_ref();
    let Some((clusters, mode)) = clusters.and_then(|clusters| Some((clusters, clusters.arc_policy_extension?))) else {
        return Ok(());
    };
    for cluster in &sources.observed.arc_clusters {
        let name = cluster.id.name();
        let finding = |sentence: String| Finding {
            subject: name.to_owned(),
            sentence,
        };
        if !clusters.select.takes(&cluster.id, &cluster.tags) {
            let sentence = "not selected by `clusters.select`: its policy extension is left alone";
            desired.findings.push(finding(sentence.to_owned()));
            continue;
        }
        if cluster.is_aks() {
            let sentence = "it is an AKS cluster that is connected to Arc besides: its add-on counts, and the extension would be a second Gatekeeper";
            desired.findings.push(finding(sentence.to_owned()));
            continue;
        }
        if let Some(found) = extension(sources.observed, cluster) {
            let state = found
                .wire
                .pointer("/properties/provisioningState")
                .and_then(Value::as_str);
            if let Some(state) = state.filter(|state| !state.eq_ignore_ascii_case("Succeeded")) {
                let sentence = format!(
                    "its policy extension `{}` is in state `{state}`; aksgate never changes one that is there",
                    found.id.name()
                );
                desired.findings.push(finding(sentence));
            }
            continue;
        }
        let Some(id) = ResourceId::parse(&format!(
            "{}/providers/Microsoft.KubernetesConfiguration/extensions/azurepolicy",
            cluster.id
        )) else {
            continue;
        };
        let kind = Kind::KubernetesExtension;
        if mode != Mode::Manage {
            let wanted = sources
                .renderer
                .kubernetes_extension(sources.environment, cluster.id.as_str())?;
            desired.required.push(Required {
                kind,
                object: id,
                mode: mode.name(),
                found: None,
                wanted: kind.comparable(&wanted),
            });
            let sentence = format!(
                "it has no policy extension, and is required to; `mode: {}` never writes it",
                mode.name()
            );
            desired.findings.push(finding(sentence));
            continue;
        }
        let taken = sources.observed.get(kind, &id);
        let blocked = match taken {
            Some(other) => Some(format!(
                "an extension of type `{}` has the name `azurepolicy`",
                type_of(other)
            )),
            None if !cluster.is_connected() => Some(format!(
                "its state is `{}`, and an extension is installed by the agent in the cluster; connect it and plan again",
                cluster.connectivity
            )),
            None => None,
        };
        if let Some(why) = blocked {
            desired.held.push(held_state(Plane::Clusters, name, WHAT, why));
            continue;
        }
        desired.objects.push(DesiredObject {
            kind,
            body: sources
                .renderer
                .kubernetes_extension(sources.environment, cluster.id.as_str())?
                .into(),
            id,
            gate: None,
            depends_on: Vec::new(),
            replaces: None,
            meanings: Meanings::new(),
        });
    }
    Ok(())
}

/// Returns the Arc-connected clusters on which a gate would not act, and why.
pub(super) fn uncovered(observed: &Observed) -> impl Iterator<Item = Uncovered> {
    let own = observed.arc_clusters.iter().filter(|cluster| !cluster.is_aks());
    own.filter_map(|cluster| {
        let reason = match (cluster.is_connected(), extension(observed, cluster)) {
            (false, _) => "Arc, not connected",
            (true, None) => "Arc, no policy extension",
            (true, Some(_)) => return None,
        };
        Some(Uncovered {
            cluster: cluster.id.name().to_owned(),
            reason: reason.to_owned(),
            id: cluster.id.clone(),
            location: String::new(),
        })
    })
}
