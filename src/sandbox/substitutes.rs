//! Substitute rules for Azure's built-in definitions of the Kubernetes mode, and the store that serves them.
//!
//! Azure keeps the constraint templates of its definitions at public URLs. These rules stand in for them: written for the sandbox from
//! what the definitions say of themselves, they judge alike where it matters and speak in words of their own. Each has a suite
//! in Gatekeeper's format beside it. It must not know the sandbox's state.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::http::{Request, Response};

/// The host of the store.
pub const HOST: &str = "store.policy.core.windows.net";

/// What the rules about Pods share.
const POD: &str = include_str!("substitutes/pod.rego");

/// A rule, as it is written.
struct Substitute {
    /// The name in the store and the version, such as `container-no-privilege-v2`.
    name: &'static str,
    rego: &'static str,
    /// The parameters that the definition hands over, with their types.
    parameters: &'static [(&'static str, &'static str)],
}

const ARRAY: &str = "array";
const BOOLEAN: &str = "boolean";
const INTEGER: &str = "integer";
const OBJECT: &str = "object";
const STRING: &str = "string";

macro_rules! rule {
    ($name:literal, $parameters:expr) => {
        Substitute {
            name: $name,
            rego: include_str!(concat!("substitutes/", $name, ".rego")),
            parameters: &$parameters,
        }
    };
}

#[rustfmt::skip]
const RULES: &[Substitute] = &[
    rule!("allowed-external-ips-v1", [("allowedExternalIPs", ARRAY)]),
    rule!("allowed-host-paths-v4", [("allowedHostPaths", ARRAY), ("excludedContainers", ARRAY), ("excludedImages", ARRAY), ("windowsAllowedHostPaths", ARRAY)]),
    rule!("allowed-seccomp-profiles-v3", [("allowedProfiles", ARRAY), ("excludedContainers", ARRAY), ("excludedImages", ARRAY)]),
    rule!("allowed-users-groups-v3", [("excludedContainers", ARRAY), ("excludedImages", ARRAY), ("fsGroup", OBJECT), ("runAsGroup", OBJECT), ("runAsUser", OBJECT), ("supplementalGroups", OBJECT)]),
    rule!("allowed-volume-types-v2", [("excludedImages", ARRAY), ("volumes", ARRAY)]),
    rule!("block-admin-rolebindings-v1", []),
    rule!("block-automount-token-v2", [("excludedImages", ARRAY)]),
    rule!("block-default-namespace-v1", []),
    rule!("block-host-namespace-v2", [("excludedImages", ARRAY)]),
    rule!("block-host-namespace-v3", [("excludedImages", ARRAY)]),
    rule!("block-naked-pods-v1", []),
    rule!("block-wildcard-roles-v1", []),
    rule!("container-allowed-capabilities-v3", [("allowedCapabilities", ARRAY), ("excludedContainers", ARRAY), ("excludedImages", ARRAY), ("requiredDropCapabilities", ARRAY)]),
    rule!("container-allowed-images-v2", [("excludedContainers", ARRAY), ("imageRegex", STRING)]),
    rule!("container-allowed-pull-policy-v2", [("allowedPullPolicy", ARRAY), ("excludedImages", ARRAY)]),
    rule!("container-enforce-probes-v2", [("enforceProbes", ARRAY), ("excludedContainers", ARRAY), ("excludedImages", ARRAY)]),
    rule!("container-no-latest-image-v2", []),
    rule!("container-no-privilege-escalation-v3", [("excludedContainers", ARRAY), ("excludedImages", ARRAY)]),
    rule!("container-no-privilege-escalation-v4", [("excludedContainers", ARRAY), ("excludedImages", ARRAY), ("forcePrivilegeEscalationToBeFalse", BOOLEAN)]),
    rule!("container-no-privilege-v2", [("excludedContainers", ARRAY), ("excludedImages", ARRAY)]),
    rule!("container-resource-limits-v3", [("cpuLimit", STRING), ("excludedContainers", ARRAY), ("excludedImages", ARRAY), ("memoryLimit", STRING)]),
    rule!("container-resource-requests-v1", [("excludedImages", ARRAY)]),
    rule!("container-restricted-image-pulls-v1", [("excludedImages", ARRAY)]),
    rule!("enforce-csi-driver-v1", []),
    rule!("host-network-ports-v3", [("allowHostNetwork", BOOLEAN), ("excludedContainers", ARRAY), ("excludedImages", ARRAY), ("maxPort", INTEGER), ("minPort", INTEGER)]),
    rule!("host-network-ports-v4", [("allowHostNetwork", BOOLEAN), ("allowedHostPorts", ARRAY), ("excludedImages", ARRAY)]),
    rule!("ingress-https-only-v1", []),
    rule!("ingress-https-only-v2", []),
    rule!("load-balancer-no-public-ips-v1", []),
    rule!("pod-enforce-antiaffinity-v1", []),
    rule!("read-only-root-filesystem-v3", [("excludedContainers", ARRAY), ("excludedImages", ARRAY)]),
    rule!("service-allowed-ports-v1", [("allowedPorts", ARRAY), ("allowedServicePorts", ARRAY)]),
];

impl Substitute {
    fn url(&self) -> String {
        let (name, version) = self.name.rsplit_once('-').unwrap_or((self.name, "v1"));
        format!("https://{HOST}/kubernetes/{name}/{version}/template.yaml")
    }

    /// Returns the kind of its constraints, such as `K8sAzureV2ContainerNoPrivilege`.
    fn kind(&self) -> String {
        let (name, version) = self.name.rsplit_once('-').unwrap_or((self.name, "v1"));
        let mut kind = format!("K8sAzure{}", version.to_ascii_uppercase());
        for word in name.split('-') {
            let mut letters = word.chars();
            kind.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            kind.push_str(letters.as_str());
        }
        kind
    }

    fn libraries(&self) -> Vec<&'static str> {
        if self.rego.contains("import data.lib.pod") {
            vec![POD]
        } else {
            Vec::new()
        }
    }

    fn schema(&self) -> Value {
        let properties: Map<String, Value> = self
            .parameters
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), json!({"type": kind})))
            .collect();
        json!({"type": "object", "properties": properties})
    }

    fn template(&self) -> Value {
        let kind = self.kind();
        json!({
            "apiVersion": "templates.gatekeeper.sh/v1",
            "kind": "ConstraintTemplate",
            "metadata": {"name": kind.to_ascii_lowercase()},
            "spec": {
                "crd": {"spec": {"names": {"kind": kind}, "validation": {"openAPIV3Schema": self.schema()}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": self.rego, "libs": self.libraries()}],
            },
        })
    }

    /// Returns the template as the store serves it.
    fn yaml(&self) -> String {
        let kind = self.kind();
        let block = |text: &str, indent: usize| -> String {
            text.lines()
                .map(|line| match line {
                    "" => "\n".to_owned(),
                    line => format!("{:indent$}{line}\n", ""),
                })
                .collect()
        };
        let mut text = format!(
            "# A rule of the sandbox, in place of Azure's own.
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: {}
spec:
  crd:
    spec:
      names:
        kind: {kind}
      validation:
        openAPIV3Schema: {}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
{}",
            kind.to_ascii_lowercase(),
            self.schema(),
            block(self.rego, 8)
        );
        let libraries = self.libraries();
        if !libraries.is_empty() {
            text.push_str("      libs:\n");
            for library in libraries {
                text.push_str(&format!("        - |\n{}", block(library, 10)));
            }
        }
        text
    }
}

/// Returns the constraint template that the sandbox has for a `templateInfo.url`, in any casing.
#[must_use]
pub fn template(url: &str) -> Option<&'static Value> {
    static TEMPLATES: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
        let by_url = |rule: &Substitute| (rule.url().to_ascii_lowercase(), rule.template());
        RULES.iter().map(by_url).collect()
    });
    TEMPLATES.get(&url.to_ascii_lowercase())
}

/// Answers a request to the store. It is public, so nobody signs in: a token that comes all the same is refused, for it was sent
/// where it does not belong.
#[must_use]
pub fn answer(request: &Request) -> Response {
    let text = |status: u16, text: String| Response::text(status, "text/plain; charset=utf-8", text);
    if request.header("authorization").is_some() {
        return text(
            400,
            format!("A token was sent to {HOST}, which is public and must not get one.\n"),
        );
    }
    if !["GET", "HEAD"].contains(&request.method.as_str()) {
        return text(405, "The store can only be read.\n".to_owned());
    }
    let asked = format!("https://{HOST}{}", request.path);
    match RULES.iter().find(|rule| rule.url().eq_ignore_ascii_case(&asked)) {
        Some(rule) => Response::text(200, "application/x-yaml", rule.yaml()),
        None => text(404, "The specified resource does not exist.\n".to_owned()),
    }
}

#[cfg(test)]
mod tests;
