//! The forms of what clusters have to reach.

use super::*;
use crate::config::Cloud;
use crate::egress::{AddressRange, Allowed, Outbound, Reason, check, needs, rules};
use crate::model::ResourceId;
use crate::view::page::Layout;
use crate::view::text::{Paint, columns};

fn cluster(name: &str, outbound: &str) -> Cluster {
    let id = format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/{name}");
    Cluster {
        id: ResourceId::parse(&id).unwrap(),
        location: "westeurope".to_owned(),
        outbound: Outbound {
            word: outbound.to_owned(),
            proxy: false,
        },
        private: false,
        images_cached: false,
        api_server: None,
        features: [
            (Feature::PolicyAddon, Reason::Stated),
            (Feature::DefenderSensor, Reason::On),
        ]
        .into(),
    }
}

/// Gives a view what a list of names leaves of the needs of these clusters.
fn with<T>(clusters: &[Cluster], allowed: Option<&str>, view: impl FnOnce(&Egress<'_>) -> T) -> T {
    let counted: Vec<&Cluster> = clusters
        .iter()
        .filter(|cluster| cluster.outbound.path() != Path::Open)
        .collect();
    let needs = needs(Cloud::Public, counted.iter().copied());
    let rules = rules(needs.iter());
    let checked = allowed.map(|names| {
        let list = Allowed::parse(names).unwrap();
        Checked {
            against: "names.txt".to_owned(),
            entries: list.len(),
            unjudged: 1,
            sources: false,
            check: check(Cloud::Public, &counted, &list),
        }
    });
    view(&Egress {
        environment: "prod".to_owned(),
        scope: "managementGroups/contoso-prod".to_owned(),
        endpoint: "https://management.azure.com".to_owned(),
        cloud: "public",
        clusters,
        counted: &counted,
        needs: &needs,
        rules: &rules,
        checked,
    })
}

fn shown(clusters: &[Cluster], allowed: Option<&str>, width: usize, verbose: bool) -> String {
    let layout = Layout {
        paint: Paint { colour: false },
        width,
    };
    with(clusters, allowed, |egress| human(egress, layout, verbose))
}

#[test]
fn a_narrow_terminal_has_no_line_that_is_too_long() {
    let clusters: Vec<Cluster> = (0..9)
        .map(|n| cluster(&format!("aks-prod-{n}"), "userDefinedRouting"))
        .collect();
    for width in [40, 80, 120] {
        for verbose in [false, true] {
            let text = shown(&clusters, Some("*.azure.com"), width, verbose);
            for line in text.lines() {
                assert!(columns(line) <= width, "{width}: {line:?}");
            }
        }
    }
    let text = shown(&clusters, None, 0, false);
    assert!(
        text.contains("aks-prod-4 and 4 more, for policy add-on, Defender sensor"),
        "{text}"
    );
    assert!(
        shown(&clusters, None, 0, true).contains("aks-prod-8"),
        "all are named where that is asked for"
    );
}

#[test]
fn what_came_of_it_is_the_last_line() {
    let (routed, open, blocked) = (
        cluster("a", "userDefinedRouting"),
        cluster("b", "loadBalancer"),
        cluster("c", "block"),
    );
    for (clusters, allowed, last) in [
        (vec![], None, "There are no clusters in scope."),
        (
            vec![open.clone()],
            None,
            "1 cluster: of none does Azure tell that something filters its traffic.",
        ),
        (
            vec![open.clone()],
            Some(""),
            "1 cluster: of none does Azure tell that something filters its traffic, so nothing was compared; `--all` compares for all of them.",
        ),
        (
            vec![routed.clone(), open],
            None,
            "1 of 2 clusters may be behind a firewall: 12 names to allow.",
        ),
        (vec![routed.clone()], Some("*"), "All 12 names get through."),
        (
            vec![routed.clone()],
            Some("mcr.microsoft.com"),
            "11 of 12 names do not surely get through.",
        ),
        (
            vec![routed, blocked],
            Some("*"),
            "All 12 names get through; nothing leaves 1 cluster.",
        ),
    ] {
        let text = shown(&clusters, allowed, 0, false);
        assert_eq!(text.lines().last(), Some(last), "{text}");
    }
}

#[test]
fn text_from_azure_moves_nothing_and_opens_no_tag() {
    let hostile = [cluster("aks", "x\u{1b}[2J|<b>`")];
    let (text, page) = (
        shown(&hostile, Some(""), 60, true),
        with(&hostile, Some(""), to_markdown),
    );
    assert!(
        !text.contains('\u{1b}') && !page.contains('\u{1b}') && !page.contains("| <b>"),
        "{text}{page}"
    );
    for row in page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("|---"))
    {
        assert!(row.ends_with(" |"), "{row}");
    }
    let document = with(&hostile, Some(""), |egress| to_json(egress, "missing", 2));
    assert_eq!(document["clusters"][0]["path"], "unknown");
    assert_eq!(document["check"]["answers"].as_array().unwrap().len(), 12);
    assert_eq!(document["rules"].as_array().unwrap().len(), 3);
}

#[test]
fn rules_are_quoted_in_both_languages() {
    let mut odd = cluster("aks", "none");
    odd.location = "west".to_owned();
    let sources = [AddressRange::parse("10.20.0.0/16").unwrap()];
    let bicep = with(std::slice::from_ref(&odd), None, |egress| {
        script(egress, Language::Bicep, &sources)
    });
    assert!(
        bicep.contains("param sourceAddresses array = ['10.20.0.0/16']\n"),
        "{bicep}"
    );
    assert!(bicep.contains("              '*.hcp.west.azmk8s.io'\n"), "{bicep}");
    assert_eq!(bicep.matches('{').count(), bicep.matches('}').count());
    assert_eq!(bicep.matches('[').count(), bicep.matches(']').count());
    let az = with(std::slice::from_ref(&odd), None, |egress| {
        script(egress, Language::Az, &[])
    });
    assert!(
        az.contains("--source-addresses $SOURCES") && az.contains("'*.ods.opinsights.azure.com'"),
        "{az}"
    );
    assert_eq!(
        az.matches("collection rule add").count(),
        2,
        "the first rule comes with the collection: {az}"
    );
    let none = with(&[cluster("aks", "loadBalancer")], None, |egress| {
        script(egress, Language::Az, &[])
    });
    assert!(none.lines().all(|line| line.starts_with('#')), "{none}");
    assert_eq!(script::bicep_text("a'b\\${c}"), "'a\\'b\\\\\\${c}'");
    assert_eq!(script::shell_text("a'b$(c)"), "'a'\\''b$(c)'");
}
