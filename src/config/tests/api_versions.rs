//! Api-versions in place of our own.

use super::*;

fn with(estate: &str, environment: &str) -> Vec<SourceFile> {
    let owner = format!("owner: contoso\n{estate}");
    let [_, (_, dev), ..] = SMALL;
    let dev = format!("{dev}{environment}");
    let mut all = SMALL;
    all[0].1 = owner.leak();
    all[1].1 = dev.leak();
    files(all)
}

#[test]
fn an_environments_api_versions_go_before_the_estates() {
    let files = with(
        "defaults: {apiVersions: {Microsoft.Security/pricings: 2026-07-01, Microsoft.Resources/subscriptions: 2021-01-01}}\n",
        "apiVersions:\n  Microsoft.Resources/subscriptions: 2020-01-01\n  Microsoft.ContainerService/managedClusters: 2026-08-01-preview\n",
    );
    let (estate, diagnostics) = load(&files, Catalog::embedded());
    assert_eq!(diagnostics, []);
    let versions = &estate.unwrap().environments["dev"].api_versions;
    let versions: Vec<(&str, &str)> = versions.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        versions,
        [
            ("Microsoft.ContainerService/managedClusters", "2026-08-01-preview"),
            ("Microsoft.Resources/subscriptions", "2020-01-01"),
            ("Microsoft.Security/pricings", "2026-07-01"),
        ]
    );
}

#[test]
fn unknown_types_and_wrong_versions_are_mistakes() {
    let one = |entry: &str| wrong(&with("", &format!("apiVersions: {{{entry}}}\n")));
    assert_eq!(
        one("Microsoft.Security/pricing: 2026-07-01"),
        "environments/dev.yaml:19:15 unknown key: `Microsoft.Security/pricing` is not known here\n  did you mean `Microsoft.Security/pricings`?"
    );
    assert_eq!(
        one("Microsoft.Security/pricings: newest"),
        "environments/dev.yaml:19:44 invalid value: expected an api-version such as `2026-05-01` or `2026-05-01-preview`"
    );
}
