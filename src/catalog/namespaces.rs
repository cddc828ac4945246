//! The Kubernetes namespaces that Azure itself fills: a gate that judged them would judge Azure's own workloads.
//!
//! Owns the table and where each row comes from. A name stands here only if Azure alone runs what is in the namespace: every
//! row is a name under which nothing is held back, also in a cluster where Azure has not made that namespace. So the
//! namespaces of extensions that a cluster's owner installs for workloads of his own (`azureml`, `dapr-system`, `flux-system`,
//! `acstor`) are left out; who runs them excludes them in the estate.

/// A namespace that Azure manages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedNamespace {
    /// Its name.
    pub name: &'static str,
    /// What runs in it.
    pub purpose: &'static str,
    /// Where it is said that Azure manages it.
    pub source: &'static str,
}

/// `excludedNamespaces` of the built-in definitions in this catalogue, as Azure ships it.
const DEFAULTS: &str = "default of the built-in definitions, https://github.com/Azure/azure-policy";
/// The names that AKS counts as its own, as its node tooling lists them.
const OWNED: &str = "namespaces that AKS protects as its own, https://github.com/Azure/eviction-autoscaler";

const fn row(name: &'static str, purpose: &'static str, source: &'static str) -> ManagedNamespace {
    ManagedNamespace { name, purpose, source }
}

/// The namespaces, in alphabetical order.
static NAMESPACES: &[ManagedNamespace] = &[
    row("aks-command", "`az aks command invoke`", OWNED),
    row("aks-istio-egress", "egress gateways of the Istio add-on", OWNED),
    row("aks-istio-ingress", "ingress gateways of the Istio add-on", OWNED),
    row("aks-istio-system", "control plane of the Istio add-on", OWNED),
    row("aks-static-egress-gateway", "static egress gateway", OWNED),
    row("app-routing-system", "application routing add-on", OWNED),
    row("azappconfig-system", "Azure App Configuration extension", OWNED),
    row("azure-arc", "agents of Azure Arc", DEFAULTS),
    row(
        "azure-extensions-usage-system",
        "billing of cluster extensions",
        DEFAULTS,
    ),
    row("azuresecuritylinuxagent", "security agent of the nodes", OWNED),
    row("calico-system", "Calico as network policy", OWNED),
    row("dataprotection-microsoft", "Azure Backup extension", OWNED),
    row("fleet-system", "Azure Kubernetes Fleet Manager", OWNED),
    row("gatekeeper-system", "Gatekeeper itself", DEFAULTS),
    row("kube-system", "Kubernetes and the add-ons of AKS", DEFAULTS),
    row("tigera-system", "operator of Calico", OWNED),
];

/// Returns the namespaces that Azure manages, in alphabetical order.
pub fn managed_namespaces() -> &'static [ManagedNamespace] {
    NAMESPACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_namespace_stands_once_with_a_source() {
        assert!(NAMESPACES.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(
            NAMESPACES
                .iter()
                .all(|row| row.source.contains("https://") && !row.purpose.is_empty())
        );
    }

    #[test]
    fn what_the_built_ins_leave_out_is_in_the_table_with_them_as_its_source() {
        let catalog = Catalog::embedded();
        let of_definitions = catalog.definitions().map(|definition| &definition.current().parameters);
        let of_sets = catalog.initiatives().map(|set| &set.current().parameters);
        let defaults: BTreeSet<&str> = of_definitions
            .chain(of_sets)
            .filter_map(|parameters| parameters.get("excludedNamespaces")?.default.as_ref()?.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let stated = NAMESPACES
            .iter()
            .filter(|row| row.source == DEFAULTS)
            .map(|row| row.name);
        assert_eq!(stated.collect::<BTreeSet<_>>(), defaults);
    }
}
