//! Clouds: where they are, and which api-version each resource type is spoken to with.
//!
//! Owns the one table of api-versions; no version stands anywhere else. Must not know paths or requests.
//!
//! Clouds lag behind each other, so the table is kept per cloud. The versions of the public cloud are the newest stable ones that all
//! bodies written here were checked against in Azure/azure-rest-api-specs; those of the others are what Microsoft's own
//! enterprise-azure-policy-as-code (`Select-PacEnvironment.ps1`) speaks there, and for services it does not use an older stable one.

use crate::config::Cloud;
use azure_core::http::Url;
use std::collections::BTreeMap;

/// Where a cloud is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Azure Resource Manager, such as `https://management.azure.com/`.
    pub resource_manager: Url,
    /// The sign-in authority, such as `https://login.microsoftonline.com/`.
    pub authority: Url,
}

/// Returns where `cloud` is found.
pub fn endpoints(cloud: Cloud) -> Endpoints {
    let (resource_manager, authority) = match cloud {
        Cloud::Public => ("management.azure.com", "login.microsoftonline.com"),
        Cloud::UsGov => ("management.usgovcloudapi.net", "login.microsoftonline.us"),
        Cloud::China => ("management.chinacloudapi.cn", "login.chinacloudapi.cn"),
    };
    Endpoints {
        resource_manager: known_host(resource_manager),
        authority: known_host(authority),
    }
}

#[expect(
    clippy::expect_used,
    reason = "the hosts are constants of this module, each read by a test"
)]
fn known_host(host: &str) -> Url {
    Url::parse(&format!("https://{host}/")).expect("a host of the table")
}

/// The resource types of the table, and their api-versions in: public, usgov, china.
///
/// An empty version means that the cloud does not have the service.
const TABLE: &[(&str, [&str; 3])] = &[
    (
        "Microsoft.Authorization/locks",
        ["2020-05-01", "2016-09-01", "2016-09-01"],
    ),
    (
        "Microsoft.Authorization/permissions",
        ["2022-04-01", "2022-04-01", "2015-07-01"],
    ),
    (
        "Microsoft.Authorization/policyAssignments",
        ["2025-01-01", "2023-04-01", "2022-06-01"],
    ),
    (
        "Microsoft.Authorization/policyDefinitions",
        ["2025-01-01", "2023-04-01", "2021-06-01"],
    ),
    (
        "Microsoft.Authorization/policySetDefinitions",
        ["2025-01-01", "2023-04-01", "2023-04-01"],
    ),
    (
        "Microsoft.Authorization/policyExemptions",
        ["2022-07-01-preview", "2024-12-01-preview", "2022-07-01-preview"],
    ),
    (
        "Microsoft.Authorization/roleAssignments",
        ["2022-04-01", "2022-04-01", "2022-04-01"],
    ),
    // Not known to be offered outside the public cloud.
    (
        "Microsoft.ContainerService/deploymentSafeguards",
        ["2025-07-01", "", ""],
    ),
    (
        "Microsoft.ContainerService/locations/kubernetesVersions",
        ["2024-09-01", "2024-09-01", "2024-09-01"],
    ),
    (
        "Microsoft.ContainerService/managedClusters",
        ["2026-05-01", "2024-09-01", "2024-09-01"],
    ),
    // The older ones are what Azure's own policy for Arc speaks (ArcPolicyExtension_DINE).
    (
        "Microsoft.KubernetesConfiguration/extensions",
        ["2025-03-01", "2021-09-01", "2021-09-01"],
    ),
    (
        "Microsoft.Management/managementGroups",
        ["2023-04-01", "2023-04-01", "2023-04-01"],
    ),
    (
        "Microsoft.Network/firewallPolicies",
        ["2024-05-01", "2023-09-01", "2023-09-01"],
    ),
    (
        "Microsoft.PolicyInsights/componentPolicyStates",
        ["2024-10-01", "2024-10-01", "2024-10-01"],
    ),
    (
        "Microsoft.PolicyInsights/policyStates",
        ["2024-10-01", "2024-10-01", "2024-10-01"],
    ),
    (
        "Microsoft.PolicyInsights/remediations",
        ["2024-10-01", "2021-10-01", "2021-10-01"],
    ),
    (
        "Microsoft.ResourceGraph/resources",
        ["2024-04-01", "2024-04-01", "2024-04-01"],
    ),
    (
        "Microsoft.Resources/providers",
        ["2024-07-01", "2021-04-01", "2021-04-01"],
    ),
    (
        "Microsoft.Resources/resourceGroups",
        ["2024-07-01", "2024-07-01", "2024-07-01"],
    ),
    (
        "Microsoft.Resources/subscriptions",
        ["2022-12-01", "2022-12-01", "2022-12-01"],
    ),
    (
        "Microsoft.Security/securityContacts",
        ["2023-12-01-preview", "2020-01-01-preview", ""],
    ),
    // 21Vianet retired Defender for Cloud on 2026-08-18.
    ("Microsoft.Security/pricings", ["2024-01-01", "2024-01-01", ""]),
];

/// The api-versions of one cloud by resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiVersions {
    cloud: Cloud,
    /// By resource type in lower case.
    overrides: BTreeMap<String, String>,
}

impl ApiVersions {
    /// Returns the versions for `cloud`.
    pub fn of(cloud: Cloud) -> ApiVersions {
        ApiVersions {
            cloud,
            overrides: BTreeMap::new(),
        }
    }

    /// Returns these versions with `overrides` (by resource type) in place of those of the table.
    ///
    /// A service that the cloud does not have stays absent.
    pub fn overridden(mut self, overrides: &BTreeMap<String, String>) -> ApiVersions {
        let overrides = overrides.iter();
        self.overrides
            .extend(overrides.map(|(name, version)| (name.to_ascii_lowercase(), version.clone())));
        self
    }

    /// Returns the api-version of a resource type such as `Microsoft.Authorization/policyAssignments`, read without regard to case.
    ///
    /// A type below another one (`…/managementGroups/descendants`) has the version of the nearest type above it that is in the table.
    /// `None` if there is none, or if the cloud does not have the service.
    pub fn get(&self, resource_type: &str) -> Option<&str> {
        let mut wanted = resource_type;
        loop {
            let row = TABLE.iter().find(|(known, _)| known.eq_ignore_ascii_case(wanted));
            if let Some((known, [public, usgov, china])) = row {
                let version = match self.cloud {
                    Cloud::Public => public,
                    Cloud::UsGov => usgov,
                    Cloud::China => china,
                };
                let own = self.overrides.get(&known.to_ascii_lowercase()).map(String::as_str);
                return Some(own.unwrap_or(version)).filter(|_| !version.is_empty());
            }
            let (parent, _) = wanted.rsplit_once('/')?;
            wanted = parent;
        }
    }

    /// Returns why there is no version for a resource type.
    pub(super) fn missing(&self, resource_type: &str) -> String {
        let retired = resource_type.to_ascii_lowercase().starts_with("microsoft.security/");
        match self.cloud {
            Cloud::China if retired => {
                "cloud `china` has no Microsoft Defender for Cloud: it was retired there on 2026-08-18".to_owned()
            }
            cloud => format!(
                "no api-version is known for `{resource_type}` in cloud `{}`",
                cloud.name()
            ),
        }
    }

    /// Returns the cloud that these are the versions of.
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_has_its_own_endpoints_over_https() {
        let mut hosts = Vec::new();
        for cloud in [Cloud::Public, Cloud::UsGov, Cloud::China] {
            let found = endpoints(cloud);
            assert_eq!(found.resource_manager.scheme(), "https");
            assert_eq!(found.authority.scheme(), "https");
            hosts.push(found.resource_manager.host_str().unwrap().to_owned());
        }
        assert_eq!(
            hosts,
            [
                "management.azure.com",
                "management.usgovcloudapi.net",
                "management.chinacloudapi.cn"
            ]
        );
    }

    #[test]
    fn versions_are_dates_with_an_optional_preview() {
        for (resource_type, versions) in TABLE {
            for version in versions.iter().filter(|version| !version.is_empty()) {
                let date = version.strip_suffix("-preview").unwrap_or(version);
                let midnight = format!("{date}T00:00:00Z");
                assert!(
                    crate::model::Timestamp::parse(&midnight).is_some(),
                    "{resource_type} {version}"
                );
            }
        }
    }

    #[test]
    fn types_are_found_without_case_and_through_their_parent() {
        let versions = ApiVersions::of(Cloud::Public);
        assert_eq!(
            versions.get("microsoft.authorization/POLICYASSIGNMENTS"),
            Some("2025-01-01")
        );
        assert_eq!(
            versions.get("Microsoft.Management/managementGroups/descendants"),
            Some("2023-04-01")
        );
        assert_eq!(
            versions.get("Microsoft.Authorization/policyDefinitions/versions"),
            Some("2025-01-01")
        );
        assert_eq!(versions.get("Microsoft.Compute/virtualMachines"), None);
        assert_eq!(versions.get("Microsoft.Authorization"), None);
        assert_eq!(versions.get(""), None);
    }

    #[test]
    fn an_estate_may_name_others() {
        let overrides = BTreeMap::from(
            [
                ("Microsoft.Management/managementGroups", "2021-04-01"),
                ("Microsoft.Security/pricings", "2026-07-01"),
            ]
            .map(|(name, version)| (name.to_owned(), version.to_owned())),
        );
        let versions = |cloud| ApiVersions::of(cloud).overridden(&overrides);
        let get = |cloud, name| versions(cloud).get(name).map(str::to_owned);
        let descendants = "microsoft.management/managementgroups/descendants";
        assert_eq!(get(Cloud::Public, descendants).as_deref(), Some("2021-04-01"));
        assert_eq!(
            get(Cloud::Public, "Microsoft.Security/pricings").as_deref(),
            Some("2026-07-01")
        );
        assert_eq!(
            get(Cloud::China, "Microsoft.Security/pricings"),
            None,
            "the service is retired there"
        );
        assert_eq!(
            get(Cloud::Public, "Microsoft.Resources/subscriptions").as_deref(),
            Some("2022-12-01")
        );
    }

    #[test]
    fn what_an_estate_may_name_is_in_the_table() {
        for name in crate::config::api_versioned() {
            assert!(TABLE.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

    #[test]
    fn a_cloud_knows_gated_images_exactly_if_its_version_of_clusters_does() {
        for cloud in [Cloud::Public, Cloud::UsGov, Cloud::China] {
            let versions = ApiVersions::of(cloud);
            let version = versions.get("Microsoft.ContainerService/managedClusters");
            assert_eq!(
                crate::config::knows_security_gating(cloud, None),
                crate::config::knows_security_gating(cloud, version),
                "{cloud:?}"
            );
        }
    }

    #[test]
    fn clouds_lag() {
        let get = |cloud| {
            let versions = ApiVersions::of(cloud);
            versions
                .get("Microsoft.Authorization/policyAssignments")
                .map(str::to_owned)
        };
        assert_eq!(get(Cloud::UsGov).as_deref(), Some("2023-04-01"));
        assert_eq!(get(Cloud::China).as_deref(), Some("2022-06-01"));
        assert_eq!(ApiVersions::of(Cloud::China).get("Microsoft.Security/pricings"), None);
    }
}
