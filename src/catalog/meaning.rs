//! What the parameters of Azure's built-in Kubernetes definitions are to their rules, as far as that is sure.
//!
//! Azure does not say it in a form that a program could read. A name means the same in all of these definitions; a name that
//! is not here, or comes to mean something else, is better left out than guessed: then every change of it counts as weakening.

use crate::model::Meaning;

/// The parameters by name.
const MEANINGS: [(&str, Meaning); 36] = {
    use Meaning::{Allows, AllowsPattern, Excludes, Permits, Refuses, Selects};
    [
        ("allowHostNetwork", Permits),
        ("allowedAppArmorProfiles", Allows),
        ("allowedCapabilities", Allows),
        ("allowedClusterAutoUpgradeChannels", Allows),
        ("allowedContainerImagesRegex", AllowsPattern),
        ("allowedContainerPortsList", Allows),
        ("allowedExternalIPs", Allows),
        ("allowedFlexVolumeDrivers", Allows),
        ("allowedGroups", Allows),
        ("allowedHostPaths", Allows),
        ("allowedHostPorts", Allows),
        ("allowedNodeOsUpgradeChannels", Allows),
        ("allowedProfiles", Allows),
        ("allowedPullPolicy", Allows),
        ("allowedSELinuxOptions", Allows),
        ("allowedSELinuxTypes", Allows),
        ("allowedSeccompProfiles", Allows),
        ("allowedServicePortsList", Allows),
        ("allowedSysctls", Allows),
        ("allowedUserNames", Allows),
        ("allowedUsers", Allows),
        ("allowedVolumeTypes", Allows),
        ("windowsAllowedHostPaths", Allows),
        ("excludeFindingIDs", Excludes),
        ("excludedContainers", Excludes),
        ("excludedDistributions", Excludes),
        ("excludedImages", Excludes),
        ("excludedNamespaces", Excludes),
        ("disallowedCapabilities", Refuses),
        ("forbiddenSysctls", Refuses),
        ("labels", Refuses),
        ("labelsList", Refuses),
        ("requiredDropCapabilities", Refuses),
        ("requiredProbes", Refuses),
        ("reservedTaints", Refuses),
        ("namespaces", Selects),
    ]
};

/// Returns what a parameter of a built-in definition is to its rule; none if that is not sure.
pub fn meaning_of(parameter: &str) -> Option<Meaning> {
    let found = MEANINGS.iter().find(|(name, _)| *name == parameter);
    found.map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, ParameterType};

    #[test]
    fn each_name_is_a_parameter_of_a_type_that_its_meaning_is_of() {
        for (name, meaning) in MEANINGS {
            let catalog = Catalog::embedded();
            let of_definitions = catalog.definitions().map(|definition| &definition.current().parameters);
            let of_sets = catalog.initiatives().map(|set| &set.current().parameters);
            let found: Vec<ParameterType> = of_definitions
                .chain(of_sets)
                .filter_map(|parameters| Some(parameters.get(name)?.ty))
                .collect();
            assert!(!found.is_empty(), "{name}");
            let fits = |ty: &ParameterType| match meaning {
                Meaning::AllowsPattern => *ty == ParameterType::String,
                Meaning::Permits | Meaning::Demands => *ty == ParameterType::Boolean,
                _ => matches!(ty, ParameterType::Array | ParameterType::Object),
            };
            assert!(found.iter().all(fits), "{name}");
        }
    }
}
