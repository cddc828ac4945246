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
        key: "clusters.arc",
        title: "Azure Policy extension of Arc-connected clusters",
        incidents: &[Incident::SilentDrift],
        what: "The add-on's counterpart in clusters that Azure Arc connects: without it no gate acts there. Such clusters are not looked \
               at, and not named in a plan, until this is stated.",
        stages: "off, on",
        breaks: "As with the add-on. It is installed where there is none, and never changed or removed.",
        roll_out: "As with the add-on; clusters that are not connected now wait for a later plan.",
    },
    Setting {
        key: "clusters.safeguards",
        title: "AKS deployment safeguards",
        incidents: &[Incident::RiskyPods, Incident::ExhaustedNodes],
        what: "AKS' own set of 27 policies for each cluster, instead of the pod security gates. All or nothing: no member can be left \
               out, only namespaces can.",
        stages: "Warn, Enforce",
        breaks: "Enforce refuses what the members deny and changes what it can: containers without requests and limits are given \
                 some, which moves them to other nodes or has them killed.",
        roll_out: "Warn first, and read the warnings that kubectl shows; then Enforce. Not both with the pod security gates: the plan \
                   names the definitions that would be in force twice.",
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
    Setting {
        key: "clusters.defenderSensor",
        title: "Defender sensor",
        incidents: &[Incident::RunTimeThreat],
        what: "Runs on every node and sends what containers do. Either the plan's extension ContainerSensor sets it up, or aksgate \
               per cluster, or a policy: exactly one of them.",
        stages: "off, on",
        breaks: "Clusters whose egress is restricted need the sensor's endpoints allowed, or it stays silent.",
        roll_out: "Cluster by cluster in test, then by region; watch the nodes' memory.",
    },
];
