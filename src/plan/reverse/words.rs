//! What a reader should know of something that is put back: what no write can undo.

use super::{Case, has_own_identity};
use crate::desired::DesiredObject;
use crate::kinds::Kind;
use crate::model::Timestamp;
use crate::remark::Finding;
use serde_json::Value;

/// Returns what is not as it was once the object is put back.
pub(super) fn of_write(case: &Case<'_>, object: &DesiredObject) -> Option<Finding> {
    let again = case.live.is_none();
    let sentence = match case.kind {
        Kind::PolicyAssignment if again && has_own_identity(&object.body) => {
            "is made anew: it gets another instance id and another identity, what others gave the old one is not given to it, and its soak \
             time and its reports begin anew"
        }
        Kind::PolicyAssignment if again => {
            "is made anew: it gets another instance id, and its soak time and its reports begin anew"
        }
        Kind::PolicyAssignment => "its soak time begins anew: since when it stood there before is not put back",
        Kind::ManagedCluster => {
            "only aksgate's keys are put back, everything else of the cluster stays as it is now; the add-on and the sensor restart"
        }
        Kind::DefenderPlan => "only what aksgate knows of the plan is put back; what was billed meanwhile stays billed",
        Kind::DeploymentSafeguards => "only aksgate's keys are put back, everything else stays as it is now",
        Kind::PolicyExemption | Kind::RoleAssignment if again => "is made anew, with another instance id",
        _ => return None,
    };
    Some(Finding {
        subject: object.gate.clone().unwrap_or_else(|| case.id.name().to_owned()),
        sentence: match case.kind {
            Kind::PolicyAssignment | Kind::PolicyExemption | Kind::RoleAssignment => {
                format!("`{}` {sentence}", case.id.name()).replacen("` its", "`: its", 1)
            }
            _ => sentence.to_owned(),
        },
    })
}

/// Returns when an exemption ends, if it does.
pub(super) fn ends(exemption: &Value) -> Option<Timestamp> {
    Timestamp::parse(exemption.pointer("/properties/expiresOn")?.as_str()?)
}

/// Returns what several objects of a kind are called that carry no mark.
pub(super) fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::DefenderPlan => "Defender plans",
        Kind::DeploymentSafeguards => "deployment safeguards",
        Kind::KubernetesExtension => "Arc extensions",
        Kind::ManagedCluster => "AKS clusters",
        _ => "such objects",
    }
}
