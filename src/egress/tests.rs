//! What clusters have to reach, and what firewalls make of it.

use super::facts::facts;
use super::*;
use crate::catalog::Catalog;
use crate::config::{Cloud, Estate, SourceFile, load};
use crate::model::ResourceId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn pattern(text: &str) -> NamePattern {
    NamePattern::parse(text).unwrap_or_else(|| panic!("{text}"))
}

fn cluster(outbound: &str, features: &[Feature]) -> Cluster {
    Cluster {
        id: ResourceId::parse(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c",
        )
        .unwrap(),
        location: "westeurope".to_owned(),
        outbound: Outbound {
            word: outbound.to_owned(),
            proxy: false,
        },
        private: false,
        images_cached: false,
        api_server: None,
        features: features.iter().map(|feature| (*feature, Reason::Stated)).collect(),
    }
}

fn both() -> Cluster {
    cluster("userDefinedRouting", &[Feature::PolicyAddon, Feature::DefenderSensor])
}

fn names(cloud: Cloud, cluster: &Cluster) -> Vec<String> {
    endpoints(cloud, cluster)
        .iter()
        .map(|endpoint| endpoint.name.to_string())
        .collect()
}

#[test]
fn patterns_mean_what_azure_firewall_makes_of_them() {
    for (rule, wanted, covers, meets) in [
        ("a.b.com", "A.B.com.", true, true),
        ("*.b.com", "a.b.com", true, true),
        ("*.b.com", "x.a.b.com", true, true),
        ("*.b.com", "b.com", false, false),
        ("*.b.com", "ab.com", false, false),
        ("*b.com", "ab.com", true, true),
        ("*b.com", "b.com", false, false),
        ("*", "a.b.com", true, true),
        ("*", "*.b.com", true, true),
        ("*.b.com", "*.a.b.com", true, true),
        ("*.a.b.com", "*.b.com", false, true),
        ("x.b.com", "*.b.com", false, true),
        ("*.b.com", "*.c.com", false, false),
        (".b.com", "*.b.com", true, true),
        ("*.b.com", "*b.com", false, true),
    ] {
        let (rule, wanted) = (pattern(rule), pattern(wanted));
        assert_eq!(rule.covers(&wanted), covers, "{rule} covers {wanted}");
        assert_eq!(rule.meets(&wanted), meets, "{rule} meets {wanted}");
    }
    for text in [
        "",
        "a..b",
        "a.*.com",
        "**",
        "*.",
        "https://a.com",
        "a b",
        "a/b",
        "a:443",
        ".",
    ] {
        assert_eq!(NamePattern::parse(text), None, "{text}");
    }
}

#[test]
fn ranges_hold_what_they_say() {
    let range = |text: &str| AddressRange::parse(text).unwrap_or_else(|| panic!("{text}"));
    for (outer, inner, covers, meets) in [
        ("*", "0.0.0.0/0", true, true),
        ("0.0.0.0/0", "*", true, true),
        ("10.0.0.0/8", "10.20.0.0/16", true, true),
        ("10.20.0.0/16", "10.0.0.0/8", false, true),
        ("10.20.3.4/16", "10.20.0.0/24", true, true),
        ("10.0.0.1-10.0.0.9", "10.0.0.9", true, true),
        ("10.0.0.1-10.0.0.9", "10.0.0.8/31", true, true),
        ("10.0.0.0/32", "10.0.0.1", false, false),
    ] {
        assert_eq!(range(outer).covers(&range(inner)), covers, "{outer} covers {inner}");
        assert_eq!(range(outer).meets(&range(inner)), meets, "{outer} meets {inner}");
    }
    for text in [
        "",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.0/33",
        "10.0.0.9-10.0.0.1",
        "fd00::/8",
        "10.0.0.0.0",
        "AzureCloud",
    ] {
        assert_eq!(AddressRange::parse(text), None, "{text}");
    }
}

#[test]
fn every_fact_can_be_read_and_has_a_source() {
    let facts = facts();
    assert_eq!(facts_read().len(), "2026-11-28".len());
    for fact in &facts.endpoints {
        assert!(
            source(&fact.source).is_some_and(|source| source.url.starts_with("https://")),
            "{}",
            fact.source
        );
        assert!(!fact.features.is_empty() && fact.port > 0 && !fact.purpose.ends_with('.'));
        for (cloud, names) in &fact.names {
            assert!(
                [Cloud::Public, Cloud::UsGov, Cloud::China]
                    .iter()
                    .any(|known| known.name() == cloud),
                "{cloud}"
            );
            for name in names {
                assert_eq!(
                    pattern(&name.replace("{location}", "here")).to_string(),
                    name.replace("{location}", "here")
                );
            }
        }
    }
    let all = [
        Feature::PolicyAddon,
        Feature::DefenderSensor,
        Feature::ArcPolicyExtension,
    ];
    for cloud in [Cloud::Public, Cloud::UsGov, Cloud::China] {
        let names = names(cloud, &cluster("none", &all));
        let distinct: BTreeSet<&String> = names.iter().collect();
        assert_eq!(
            distinct.len(),
            names.len(),
            "each name once in {}: {names:?}",
            cloud.name()
        );
    }
}

#[test]
fn what_a_cluster_needs_depends_on_cloud_region_and_what_it_is() {
    let public = names(Cloud::Public, &both());
    for name in [
        "data.policy.core.windows.net",
        "store.policy.core.windows.net",
        "*.hcp.westeurope.azmk8s.io",
        "*.ods.opinsights.azure.com",
        "*.cloud.defender.microsoft.com",
        "login.microsoftonline.com",
        "mcr.microsoft.com",
    ] {
        assert!(public.iter().any(|found| found == name), "{name}: {public:?}");
    }
    let government = names(Cloud::UsGov, &both());
    assert!(
        government.contains(&"data.policy.azure.us".to_owned()),
        "{government:?}"
    );
    assert!(
        !government
            .iter()
            .any(|name| name.ends_with(".com") && !name.ends_with("mcr.microsoft.com")),
        "{government:?}"
    );
    let china = names(Cloud::China, &cluster("none", &[Feature::DefenderSensor]));
    assert!(
        !china.iter().any(|name| name.contains("opinsights")),
        "there is no Defender: {china:?}"
    );

    let addon = names(Cloud::Public, &cluster("none", &[Feature::PolicyAddon]));
    assert!(
        !addon
            .iter()
            .any(|name| name.contains("opinsights") || name.contains("defender")),
        "{addon:?}"
    );
    let isolated = Cluster {
        private: true,
        images_cached: true,
        ..both()
    };
    let isolated = names(Cloud::Public, &isolated);
    assert!(
        !isolated.iter().any(|name| name.contains("hcp") || name.contains("mcr")),
        "{isolated:?}"
    );
    assert!(names(Cloud::Public, &cluster("none", &[])).is_empty());
    let odd = Cluster {
        location: "we/st".to_owned(),
        ..both()
    };
    assert!(
        !names(Cloud::Public, &odd).iter().any(|name| name.contains("hcp")),
        "no name is made up"
    );
}

#[test]
fn outbound_types_are_told_apart() {
    for (word, proxy, path) in [
        ("loadBalancer", false, Path::Open),
        ("LOADBALANCER", false, Path::Open),
        ("managedNATGateway", false, Path::Open),
        ("userAssignedNATGateway", false, Path::Open),
        ("loadBalancer", true, Path::Filtered),
        ("userDefinedRouting", false, Path::Filtered),
        ("none", false, Path::Own),
        ("none", true, Path::Filtered),
        ("block", false, Path::Blocked),
        ("block", true, Path::Blocked),
        ("", false, Path::Unknown),
        ("somethingNew", false, Path::Unknown),
    ] {
        let word = word.to_owned();
        assert_eq!(
            Outbound {
                word: word.clone(),
                proxy
            }
            .path(),
            path,
            "{word} {proxy}"
        );
    }
}

#[test]
fn needs_of_many_clusters_are_told_once() {
    let (one, mut two) = (both(), cluster("none", &[Feature::PolicyAddon]));
    two.location = "northeurope".to_owned();
    let clusters = [one, two];
    let needs = needs(Cloud::Public, clusters.iter());
    let of = |name: &str| {
        needs
            .iter()
            .filter(|need| need.endpoint.name == pattern(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("data.policy.core.windows.net").len(), 1);
    assert_eq!(of("data.policy.core.windows.net")[0].clusters.len(), 2);
    assert_eq!(of("mcr.microsoft.com")[0].endpoint.features.len(), 2);
    assert_eq!(of("*.hcp.westeurope.azmk8s.io")[0].clusters.len(), 1);
    let rules = rules(needs.iter());
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        ["policy-addon", "policy-addon-and-defender-sensor", "defender-sensor"]
    );
    let all: BTreeSet<&String> = rules.iter().flat_map(|rule| &rule.names).collect();
    assert_eq!(all.len(), needs.len(), "every name is in a rule");
}

/// A group with one collection of rules.
fn group(name: &str, priority: u64, action: &str, rules: Value) -> Value {
    json!({"name": name, "properties": {"priority": priority, "ruleCollections": [{
        "ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "c", "priority": 100,
        "action": {"type": action}, "rules": rules,
    }]}})
}

fn application(names: &[&str]) -> Value {
    json!({"ruleType": "ApplicationRule", "name": "a", "protocols": [{"protocolType": "Https", "port": 443}],
           "targetFqdns": names, "sourceAddresses": ["*"]})
}

fn network(port: &str, addresses: &[&str], names: &[&str]) -> Value {
    json!({"ruleType": "NetworkRule", "name": "n", "ipProtocols": ["TCP"], "destinationPorts": [port],
           "destinationAddresses": addresses, "destinationFqdns": names, "sourceAddresses": ["*"]})
}

fn with(mut rule: Value, key: &str, value: Value) -> Value {
    rule[key] = value;
    rule
}

/// The verdict on `*.ods.opinsights.azure.com:443`, and what it rests on.
fn verdict(policies: &[Vec<Value>], sources: &[&str]) -> (Verdict, String) {
    let sources = sources.iter().map(|text| AddressRange::parse(text).unwrap()).collect();
    let firewall = Firewall::parse(policies, sources).unwrap();
    let endpoint = endpoints(Cloud::Public, &both())
        .into_iter()
        .find(|endpoint| endpoint.name == pattern("*.ods.opinsights.azure.com"))
        .unwrap();
    let answer = firewall.judge(&endpoint, &endpoint.name);
    (answer.verdict, answer.because)
}

#[test]
fn the_first_rule_that_matches_decides() {
    let exact = "*.ods.opinsights.azure.com";
    let allow = |priority| group("allow", priority, "Allow", json!([application(&[exact])]));
    let deny = |priority, rule: Value| group("deny", priority, "Deny", json!([rule]));
    for (policies, expected, why) in [
        (vec![], Verdict::Missing, "what no rule matches is stopped"),
        (vec![vec![allow(200)]], Verdict::Allowed, ""),
        (
            vec![vec![group("g", 1, "Allow", json!([application(&["*.azure.com"])]))]],
            Verdict::Allowed,
            "wider",
        ),
        (
            vec![vec![group(
                "g",
                1,
                "Allow",
                json!([application(&["w.ods.opinsights.azure.com"])]),
            )]],
            Verdict::Narrower,
            "",
        ),
        (
            vec![vec![allow(200), deny(100, application(&["*"]))]],
            Verdict::Denied,
            "by priority, not by order",
        ),
        (
            vec![vec![deny(300, application(&["*"])), allow(200)]],
            Verdict::Allowed,
            "the denial comes later",
        ),
        (
            vec![vec![allow(100), deny(200, network("443", &["*"], &[]))]],
            Verdict::Denied,
            "network rules come first",
        ),
        (
            vec![vec![allow(100), deny(200, network("80", &["*"], &[]))]],
            Verdict::Allowed,
            "another port",
        ),
        (
            vec![vec![
                allow(100),
                deny(50, application(&["bad.ods.opinsights.azure.com"])),
            ]],
            Verdict::Denied,
            "a part of it",
        ),
        (
            vec![vec![deny(300, application(&[exact]))], vec![allow(100)]],
            Verdict::Denied,
            "the parent's come first",
        ),
        (
            vec![vec![allow(300)], vec![deny(100, application(&["*"]))]],
            Verdict::Allowed,
            "the parent's come first",
        ),
        (
            vec![vec![group(
                "g",
                1,
                "Allow",
                json!([network("1-1000", &["0.0.0.0/0"], &[])]),
            )]],
            Verdict::Allowed,
            "a range",
        ),
        (
            vec![vec![group(
                "g",
                1,
                "Allow",
                json!([network("443", &["AzureMonitor"], &[])]),
            )]],
            Verdict::Missing,
            "a tag is not judged",
        ),
        (
            vec![vec![group(
                "g",
                1,
                "Allow",
                json!([with(network("443", &["*"], &[]), "ipProtocols", json!(["UDP"]))]),
            )]],
            Verdict::Missing,
            "UDP",
        ),
        (
            vec![vec![group(
                "g",
                1,
                "Allow",
                json!([with(
                    application(&["*"]),
                    "protocols",
                    json!([{"protocolType": "Http", "port": 80}])
                )]),
            )]],
            Verdict::Missing,
            "another protocol",
        ),
        (
            vec![vec![group(
                "g",
                1,
                "Allow",
                json!([with(
                    application(&[]),
                    "webCategories",
                    json!(["ComputersAndTechnology"])
                )]),
            )]],
            Verdict::Missing,
            "a category is not judged",
        ),
    ] {
        let (found, because) = verdict(&policies, &[]);
        assert_eq!(found, expected, "{why} {because} {policies:?}");
    }
    assert_eq!(verdict(&[vec![allow(1)]], &[]).1, "allow/c/a");
}

#[test]
fn sources_count_where_they_are_known() {
    let from = |addresses: Value, groups: Value| {
        let rule = with(application(&["*"]), "sourceAddresses", addresses);
        vec![vec![group(
            "g",
            1,
            "Allow",
            json!([with(rule, "sourceIpGroups", groups)]),
        )]]
    };
    for (policies, sources, expected) in [
        (from(json!(["10.1.0.0/16"]), json!([])), vec![], Verdict::Allowed),
        (
            from(json!(["10.1.0.0/16"]), json!([])),
            vec!["10.1.2.0/24"],
            Verdict::Allowed,
        ),
        (
            from(json!(["10.1.0.0/16"]), json!([])),
            vec!["10.2.0.0/24"],
            Verdict::Missing,
        ),
        (
            from(json!(["10.1.0.0/16"]), json!([])),
            vec!["10.1.2.0/24", "10.2.0.0/24"],
            Verdict::Unknown,
        ),
        (
            from(json!([]), json!(["/ipGroups/x"])),
            vec!["10.1.2.0/24"],
            Verdict::Unknown,
        ),
    ] {
        let (found, because) = verdict(&policies, &sources);
        assert_eq!(found, expected, "{because} {policies:?} {sources:?}");
    }
}

#[test]
fn a_tag_lets_through_what_azure_says_is_in_it() {
    let rule = with(application(&[]), "fqdnTags", json!(["azurekubernetesservice"]));
    let policies = [vec![group("g", 1, "Allow", json!([rule]))]];
    let firewall = Firewall::parse(&policies, Vec::new()).unwrap();
    let cluster = both();
    let result = check(Cloud::Public, &[&cluster], &firewall);
    let missing: Vec<String> = result
        .missing()
        .map(|(need, _)| need.endpoint.name.to_string())
        .collect();
    assert!(
        missing.contains(&"data.policy.core.windows.net".to_owned()),
        "{missing:?}"
    );
    assert!(!missing.contains(&"mcr.microsoft.com".to_owned()), "{missing:?}");
}

#[test]
fn a_group_that_cannot_be_read_is_no_group_without_rules() {
    for (broken, why) in [
        (json!({"name": "g"}), "it has no properties"),
        (
            json!({"name": "g", "properties": {"ruleCollections": {}}}),
            "a list is none",
        ),
        (
            json!({"name": "g", "properties": {"ruleCollections": [{}]}}),
            "a rule collection has an unknown type",
        ),
        (
            group("g", 1, "Other", json!([])),
            "a rule collection neither allows nor denies",
        ),
        (
            group("g", 1, "Deny", json!([{"ruleType": "New"}])),
            "a rule has an unknown type",
        ),
        (
            group("g", 1, "Deny", json!([network("x", &["*"], &[])])),
            "a port is no number",
        ),
        (
            group(
                "g",
                1,
                "Deny",
                json!([with(application(&["*"]), "targetFqdns", json!([1]))]),
            ),
            "a list has more than texts",
        ),
    ] {
        let error = Firewall::parse(&[vec![broken]], Vec::new()).unwrap_err();
        assert_eq!((error.group.as_str(), error.why.as_str()), ("g", why));
    }
    let incoming = json!({"name": "g", "properties": {"ruleCollections": [{"ruleCollectionType": "FirewallPolicyNatRuleCollection"}]}});
    assert_eq!(Firewall::parse(&[vec![incoming]], Vec::new()).unwrap().rules(), 0);
}

#[test]
fn lists_are_read_line_by_line() {
    let allowed =
        Allowed::parse("# names\n*.azure.com:443\n\nmcr.microsoft.com # images\n.opinsights.azure.com\n").unwrap();
    assert_eq!(allowed.len(), 3);
    let wrong = Allowed::parse("a.com\nhttps://b.com\na.com:0\nc com").unwrap_err();
    assert_eq!(wrong.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4]);
    let cluster = both();
    let judged = |text: &str, name: &str| {
        let allowed = Allowed::parse(text).unwrap();
        let result = check(Cloud::Public, &[&cluster], &allowed);
        let found = result
            .answers
            .iter()
            .find(|(need, _)| need.endpoint.name == pattern(name));
        found.map(|(_, answer)| answer.verdict)
    };
    assert_eq!(judged("*:443", "mcr.microsoft.com"), Some(Verdict::Allowed));
    assert_eq!(judged("*:80", "mcr.microsoft.com"), Some(Verdict::Missing));
    assert_eq!(
        judged("x.ods.opinsights.azure.com", "*.ods.opinsights.azure.com"),
        Some(Verdict::Narrower)
    );
}

#[test]
fn the_name_of_the_own_api_server_suffices() {
    let cluster = |name: &str| Cluster {
        api_server: Some(pattern(name)),
        ..both()
    };
    let (one, two) = (
        cluster("one.hcp.westeurope.azmk8s.io"),
        cluster("two.hcp.westeurope.azmk8s.io"),
    );
    let allowed = Allowed::parse("one.hcp.westeurope.azmk8s.io").unwrap();
    let verdict = |clusters: &[&Cluster]| {
        let result = check(Cloud::Public, clusters, &allowed);
        let found = result
            .answers
            .iter()
            .find(|(need, _)| need.endpoint.name.to_string().contains("hcp"));
        found.unwrap().1.verdict
    };
    assert_eq!(verdict(&[&one]), Verdict::Allowed);
    assert_eq!(verdict(&[&one, &two]), Verdict::Missing);
}

#[test]
fn nothing_leaves_a_blocked_cluster_whatever_a_firewall_allows() {
    let blocked = cluster("block", &[Feature::PolicyAddon]);
    let everything = Allowed::parse("*").unwrap();
    let result = check(Cloud::Public, &[&blocked], &everything);
    assert_eq!(
        (result.missing().count(), result.blocked.len(), result.is_well()),
        (0, 1, false)
    );
    let idle = cluster("block", &[]);
    assert!(
        check(Cloud::Public, &[&idle], &everything).is_well(),
        "nothing there has to leave"
    );
}

/// An estate with one environment, which says this.
fn estate(text: &str) -> Estate {
    let head = "cloud: public\nlocation: westeurope\ntenant: 11111111-1111-4111-8111-111111111111\nscope: subscriptions/0a000000-0000-4000-8000-000000000001\n";
    let initiative =
        "displayName: I\nmembers:\n  - {ref: m, definition: 95edb821-ddaf-4404-9732-666045e056b4, version: 9.*.*}\n";
    let file = |path: &str, content: String| SourceFile {
        path: path.to_owned(),
        content: content.into_bytes(),
    };
    let mut files = vec![
        file("aksgate.yaml", "owner: us\n".to_owned()),
        file("environments/e.yaml", format!("{head}{text}")),
    ];
    if text.contains("initiative: i") {
        files.push(file("initiatives/i.yaml", initiative.to_owned()));
    }
    let (estate, diagnostics) = load(&files, Catalog::embedded());
    estate.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

#[test]
fn an_estate_says_what_clusters_need() {
    let gate = |target: &str| format!("gates: {{g: {{initiative: i, target: {target}}}}}\n");
    let sensor = "defender: {containers: {mode: manage, tier: Standard, extensions: {ContainerSensor: true}}}\n";
    let tagged =
        "clusters: {policyAddon: {mode: require}, defenderSensor: {mode: require}, select: {tags: {gates: 'on'}}}\n";
    for (text, tags, expected) in [
        (gate("audit"), "off", "PolicyAddon"),
        (gate("off"), "off", ""),
        (sensor.to_owned(), "off", "DefenderSensor"),
        (sensor.replace("true", "false"), "off", ""),
        (tagged.to_owned(), "on", "PolicyAddon DefenderSensor"),
        (tagged.to_owned(), "off", ""),
        (format!("{}{tagged}", gate("deny")), "off", "PolicyAddon"),
    ] {
        let estate = estate(&text);
        let environment = &estate.environments["e"];
        let tags = BTreeMap::from([("gates".to_owned(), tags.to_owned())]);
        let id = both().id;
        let found: Vec<String> = wanted((&estate, environment), (&id, &tags, false))
            .iter()
            .map(|feature| format!("{feature:?}"))
            .collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }
}
