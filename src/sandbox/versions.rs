//! Which api-versions each resource type answers.
//!
//! The lists hold what the public specifications name and what the Azure CLI, the SDKs and Terraform ask for.

use super::error::ArmError;

const POLICY: &[&str] = &[
    "2021-06-01",
    "2022-06-01",
    "2023-04-01",
    "2024-05-01",
    "2025-01-01",
    "2025-03-01",
    "2025-11-01",
    "2025-12-01-preview",
    "2026-01-01-preview",
    "2026-06-01",
    "2026-07-01",
];
const EXEMPTIONS: &[&str] = &[
    "2022-07-01-preview",
    "2024-12-01-preview",
    "2025-12-01-preview",
    "2026-01-01-preview",
];
const INSIGHTS: &[&str] = &["2019-07-01", "2019-10-01", "2021-10-01", "2024-10-01"];
const NETWORK: &[&str] = &["2023-09-01", "2024-05-01", "2025-01-01"];
const CLUSTERS: &[&str] = &[
    "2024-09-01",
    "2025-03-01",
    "2025-10-01",
    "2026-05-01",
    "2026-06-01",
    "2026-08-01",
];

/// The resource types in lower case, with the casing of their namespace and type, and their api-versions.
const TYPES: &[(&str, &str, &[&str])] = &[
    ("microsoft.authorization/policydefinitions", "policyDefinitions", POLICY),
    (
        "microsoft.authorization/policydefinitions/versions",
        "policyDefinitions/versions",
        POLICY,
    ),
    (
        "microsoft.authorization/policysetdefinitions",
        "policySetDefinitions",
        POLICY,
    ),
    (
        "microsoft.authorization/policysetdefinitions/versions",
        "policySetDefinitions/versions",
        POLICY,
    ),
    ("microsoft.authorization/policyassignments", "policyAssignments", POLICY),
    (
        "microsoft.authorization/policyexemptions",
        "policyExemptions",
        EXEMPTIONS,
    ),
    (
        "microsoft.authorization/roleassignments",
        "roleAssignments",
        &["2022-04-01"],
    ),
    (
        "microsoft.authorization/roledefinitions",
        "roleDefinitions",
        &["2018-01-01-preview", "2022-04-01", "2022-05-01-preview"],
    ),
    (
        "microsoft.authorization/permissions",
        "permissions",
        &["2015-07-01", "2018-07-01", "2022-04-01"],
    ),
    (
        "microsoft.authorization/locks",
        "locks",
        &["2015-01-01", "2016-09-01", "2017-04-01", "2020-05-01"],
    ),
    (
        "microsoft.policyinsights/policystates/queryresults",
        "policyStates",
        INSIGHTS,
    ),
    (
        "microsoft.policyinsights/policystates/summarize",
        "policyStates/summarize",
        INSIGHTS,
    ),
    (
        "microsoft.policyinsights/policystates/triggerevaluation",
        "policyStates/triggerEvaluation",
        INSIGHTS,
    ),
    (
        "microsoft.policyinsights/componentpolicystates/queryresults",
        "componentPolicyStates",
        &["2022-04-01", "2024-10-01"],
    ),
    (
        "microsoft.policyinsights/asyncoperationresults",
        "asyncOperationResults",
        INSIGHTS,
    ),
    ("microsoft.policyinsights/remediations", "remediations", INSIGHTS),
    (
        "microsoft.policyinsights/remediations/cancel",
        "remediations/cancel",
        INSIGHTS,
    ),
    (
        "microsoft.policyinsights/remediations/listdeployments",
        "remediations/listDeployments",
        INSIGHTS,
    ),
    (
        "microsoft.security/pricings",
        "pricings",
        &["2023-01-01", "2024-01-01", "2026-07-01"],
    ),
    (
        "microsoft.security/securitycontacts",
        "securityContacts",
        &["2020-01-01-preview", "2023-12-01-preview"],
    ),
    ("microsoft.network/firewallpolicies", "firewallPolicies", NETWORK),
    (
        "microsoft.network/firewallpolicies/rulecollectiongroups",
        "firewallPolicies/ruleCollectionGroups",
        NETWORK,
    ),
    (
        "microsoft.containerservice/managedclusters",
        "managedClusters",
        CLUSTERS,
    ),
    (
        "microsoft.containerservice/locations/kubernetesversions",
        "locations/kubernetesVersions",
        CLUSTERS,
    ),
    (
        "microsoft.containerservice/deploymentsafeguards",
        "deploymentSafeguards",
        &["2025-04-01", "2025-07-01"],
    ),
    (
        "microsoft.kubernetes/connectedclusters",
        "connectedClusters",
        &["2024-01-01", "2025-12-01"],
    ),
    (
        "microsoft.kubernetesconfiguration/extensions",
        "extensions",
        &["2021-09-01", "2022-11-01", "2023-05-01", "2025-03-01"],
    ),
    (
        "microsoft.kubernetesconfiguration/extensions/operations",
        "extensions/operations",
        &["2021-09-01", "2022-11-01", "2023-05-01", "2025-03-01"],
    ),
    (
        "microsoft.resourcegraph/resources",
        "resources",
        &["2021-03-01", "2022-10-01", "2024-04-01"],
    ),
    (
        "microsoft.management/managementgroups",
        "managementGroups",
        &["2021-04-01", "2023-04-01"],
    ),
    (
        "microsoft.management/managementgroups/descendants",
        "managementGroups/descendants",
        &["2021-04-01", "2023-04-01"],
    ),
];
/// What the api-version of subscriptions, resource groups and provider registrations may be.
const RESOURCES: &[&str] = &[
    "2016-06-01",
    "2019-11-01",
    "2021-01-01",
    "2021-04-01",
    "2022-09-01",
    "2022-12-01",
    "2024-03-01",
    "2024-07-01",
    "2024-11-01",
    "2025-04-01",
];

/// The namespaces that are registered in each subscription.
pub const NAMESPACES: &[(&str, &str)] = &[
    ("microsoft.authorization", "Microsoft.Authorization"),
    ("microsoft.containerservice", "Microsoft.ContainerService"),
    ("microsoft.kubernetes", "Microsoft.Kubernetes"),
    ("microsoft.kubernetesconfiguration", "Microsoft.KubernetesConfiguration"),
    ("microsoft.management", "Microsoft.Management"),
    ("microsoft.network", "Microsoft.Network"),
    ("microsoft.policyinsights", "Microsoft.PolicyInsights"),
    ("microsoft.resourcegraph", "Microsoft.ResourceGraph"),
    ("microsoft.resources", "Microsoft.Resources"),
    ("microsoft.security", "Microsoft.Security"),
];

/// Returns the types of a namespace, given in lower case, with their api-versions.
pub fn types_of(namespace: &str) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    TYPES
        .iter()
        .filter(move |(lower, _, _)| lower.split('/').next() == Some(namespace))
        .map(|(_, kind, versions)| (*kind, *versions))
}

/// Returns the asked api-version when the resource type, given in lower case, answers it.
///
/// An empty type stands for subscriptions, resource groups and providers.
///
/// # Errors
/// 400 `MissingApiVersionParameter`, `InvalidApiVersionParameter` or `NoRegisteredProviderFound`; 404 `InvalidResourceNamespace`
/// or `InvalidResourceType`.
pub fn check(kind: &str, kind_as_given: &str, asked: Option<String>) -> Result<String, ArmError> {
    let known = TYPES.iter().find(|(lower, _, _)| *lower == kind);
    let Some(asked) = asked.filter(|version| !version.is_empty()) else {
        return Err(ArmError::bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    };
    if kind.is_empty() {
        return if RESOURCES.contains(&asked.as_str()) {
            Ok(asked)
        } else {
            Err(invalid(&asked, RESOURCES))
        };
    }
    if kind == "microsoft.containerservice/locations/operations" {
        return Ok(asked);
    }
    let (namespace, rest) = kind_as_given.split_once('/').unwrap_or((kind_as_given, ""));
    if let Some((_, _, versions)) = known {
        if let Some(version) = versions.iter().find(|version| version.eq_ignore_ascii_case(&asked)) {
            return Ok((*version).to_owned());
        }
        if namespace.eq_ignore_ascii_case("microsoft.management")
            || namespace.eq_ignore_ascii_case("microsoft.authorization")
        {
            return Err(invalid(&asked, versions));
        }
        return Err(ArmError::bad_request(
            "NoRegisteredProviderFound",
            format!(
                "No registered resource provider found for location '' and API version '{asked}' for type '{rest}'. The supported api-versions are '{}'. The supported locations are ''.",
                versions.join(", ")
            ),
        ));
    }
    let namespace_known = NAMESPACES
        .iter()
        .any(|(lower, _)| lower.eq_ignore_ascii_case(namespace));
    Err(if namespace_known {
        ArmError::not_found(
            "InvalidResourceType",
            format!(
                "The resource type '{rest}' could not be found in the namespace '{namespace}' for api version '{asked}'. The supported api-versions are ''."
            ),
        )
    } else {
        ArmError::not_found(
            "InvalidResourceNamespace",
            format!("The resource namespace '{namespace}' is invalid."),
        )
    })
}

fn invalid(asked: &str, versions: &[&str]) -> ArmError {
    ArmError::bad_request(
        "InvalidApiVersionParameter",
        format!(
            "The api-version '{asked}' is invalid. The supported versions are '{}'.",
            versions.join(",")
        ),
    )
}

/// Returns whether `asked` is of the date `from` or later; a preview counts by its date.
#[must_use]
pub fn at_least(asked: &str, from: &str) -> bool {
    asked.get(..10).unwrap_or(asked) >= from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_checked_by_type() {
        let code =
            |kind: &str, asked: Option<&str>| check(kind, kind, asked.map(str::to_owned)).map_err(|error| error.code);
        assert_eq!(
            code("microsoft.security/pricings", Some("2024-01-01")).as_deref(),
            Ok("2024-01-01")
        );
        assert_eq!(
            code("microsoft.security/pricings", None).unwrap_err(),
            "MissingApiVersionParameter"
        );
        assert_eq!(
            code("microsoft.security/pricings", Some("2017-01-01")).unwrap_err(),
            "NoRegisteredProviderFound"
        );
        assert_eq!(
            code("microsoft.authorization/policyassignments", Some("2030-01-01")).unwrap_err(),
            "InvalidApiVersionParameter"
        );
        assert_eq!(
            code("microsoft.security/none", Some("2024-01-01")).unwrap_err(),
            "InvalidResourceType"
        );
        assert_eq!(
            code("contoso.none/none", Some("2024-01-01")).unwrap_err(),
            "InvalidResourceNamespace"
        );
        assert_eq!(code("", Some("2022-12-01")).as_deref(), Ok("2022-12-01"));
        assert!(at_least("2026-01-01-preview", "2025-01-01") && !at_least("2024-05-01", "2025-01-01"));
        assert!(at_least("2025-01-01-preview", "2025-01-01"));
    }
}
