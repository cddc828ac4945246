//! The settings beside the gates that prevent incidents too: what Defender and AKS themselves do.

use crate::config::Incident;

/// A setting of an environment that is no gate.
pub(super) struct Setting {
    pub key: &'static str,
    pub title: &'static str,
    pub incidents: &'static [Incident],
    pub what: &'static str,
    pub stages: &'static str,
    pub breaks: &'static str,
    pub roll_out: &'static str,
}

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "clusters.policyAddon",
        title: "Azure Policy add-on",
        incidents: &[Incident::SilentDrift],
        what: "Gatekeeper in the cluster, fed by Azure Policy: without it no gate acts there. Every plan names the clusters that are \
               without it, and `aksgate plan ENV --detailed-exitcode` on a schedule ends with 2 when something is not as the estate says.",
        stages: "off, on",
        breaks: "Nothing by itself; two pods in kube-system and an admission webhook. A Gatekeeper of another origin must go first.",
        roll_out: "`mode: require` where another tool writes the clusters, `manage` where aksgate does, `policy` where the \
                   fleet-enablement gate does.",
    },
    Setting {
        key: "defender.containers",
        title: "Microsoft Defender for Containers",
        incidents: &[Incident::RunTimeThreat, Incident::UntrustedImages],
        what: "Detects what admission cannot see: images with known vulnerabilities, attacks on running containers, changes of the \
               control plane.",
        stages: "Free, Standard",
        breaks: "Nothing; it is billed by vCore, and the plan says of how many.",
        roll_out: "A test subscription first, for its bill and the alerts that your own tools cause.",
    },
];
