//! What the catalogue looks like in each form.

use super::*;
use crate::catalog::Catalog;
use crate::view::text::{Paint, columns};
use insta::assert_snapshot;
use serde_json::json;

const ADD_ON: &str = "a8eff44f-8c92-45c3-a3fb-9880802d67a7";
const IMAGE_INTEGRITY: &str = "af28bf8b-c669-4dd3-9137-1e68fdc61bd6";

fn layout(width: usize) -> Layout {
    Layout {
        paint: Paint { colour: false },
        width,
    }
}

fn shown(search: &str, width: usize) -> String {
    let catalog = Catalog::embedded();
    human(catalog, &catalog.search(search), layout(width))
}

#[test]
fn a_list_has_a_built_in_a_paragraph_on_a_terminal() {
    assert_snapshot!(shown("pod security cap", 80), @r##"
    Kubernetes clusters should not grant CAP_SYS_ADMIN security capabilities
      d2e7ea85-6b44-4317-a0be-1b951587f626  5.1.0  kubernetes
      Audit, Deny, Disabled
    Kubernetes clusters should not use specific security capabilities
      a27c700f-8a22-44ec-961c-41625264370b  5.2.0  kubernetes
      Audit, Deny, Disabled

    0 initiatives, 2 definitions; from https://github.com/Azure/azure-policy,
      release 3.2026.0417.1 of 2026-04-29, commit f4a50bacae07
    "##);
}

#[test]
fn a_list_has_a_built_in_a_line_elsewhere() {
    assert_snapshot!(shown("pod security standards", 0), @r##"
    a8640138-9b0a-4a28-b8cb-1666c838647d  1.4.0  initiative  5 members              Kubernetes cluster pod security baseline standards for Linux-based workloads
    42b8ef37-b724-4e24-bbc8-7a7708edfe00  2.5.0  initiative  8 members              Kubernetes cluster pod security restricted standards for Linux-based workloads
    e1e6c427-07d9-46ab-9689-bfa85431e636  8.0.0  kubernetes  Audit, Deny, Disabled  Kubernetes cluster pods and containers should follow SELinux security standards
    "##);
    assert_eq!(shown("", 0).lines().count(), 153);
    assert_eq!(shown("", 400).lines().count(), 155);
}

#[test]
fn one_definition_is_shown_whole() {
    assert_snapshot!(shown(ADD_ON, 80), @r##"
    Deploy Azure Policy Add-on to Azure Kubernetes Service clusters
      name       a8eff44f-8c92-45c3-a3fb-9880802d67a7
      kind       policy definition, category Kubernetes, mode Indexed
      version    4.2.0; older: 4.1.0, 4.0.1
      pin        4.*.*
      effects    DeployIfNotExists, Disabled
      default    DeployIfNotExists (parameter effect)
      gate       has no stage: it neither audits nor denies
      resources  Microsoft.ContainerService/managedClusters
      role       ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8
      role       18ed5180-3e48-46fd-8541-4ea054d57064
      member     deployAKSPolicyAddOn at 4.*.* of [Preview]: [Preview]: Use Image
                 Integrity to ensure only trusted images are deployed

    Parameters (1)
      effect: String
          default "DeployIfNotExists"
          one of "DeployIfNotExists", "Disabled"

    From https://github.com/Azure/azure-policy, release 3.2026.0417.1 of 2026-04-29,
      commit f4a50bacae07
    "##);
}

#[test]
fn one_initiative_is_shown_whole() {
    assert_snapshot!(shown(IMAGE_INTEGRITY, 80), @r##"
    [Preview]: [Preview]: Use Image Integrity to ensure only trusted images are
      deployed
      name       af28bf8b-c669-4dd3-9137-1e68fdc61bd6
      kind       policy set definition (initiative), category Kubernetes (preview)
      version    1.1.0-preview
      pin        1.*.*-preview

    Parameters (4)
      effect: String
          default "Audit"
          one of "Audit", "Disabled"
      excludedImages: Array
          default []
      excludedNamespaces: Array
          default ["kube-system", "gatekeeper-system", "azure-arc",
            "azure-extensions-usage-system"]
      labelSelector: Object
          default {}
          schema {"additionalProperties": false, "properties": {"matchExpressions":
            {"items": {"additionalProperties": false, "properties": {"key": {"type":
            "string"}, "operator": {"enum": ["In", "NotIn", "Exists",
            "DoesNotExist"], "type": "string"}, "values": {"items": {"type":
            "string"}, "type": "array"}}, "required": ["key", "operator"], "type":
            "object"}, "minItems": 1, "type": "array"}, "matchLabels":
            {"additionalProperties": {"type": "string"}, "minProperties": 1, "type":
            "object"}}, "type": "object"}

    Members (3)
      deployAKSImageIntegrity
        [Preview]: Deploy Image Integrity on Azure Kubernetes Service
        5dc99dae-cfb2-42cc-8762-9aae02b74e27  1.*.*-preview -> 1.2.0-preview
        effect: [if(equals(parameters('effect'), 'Disabled'), 'Disabled',
          'DeployIfNotExists')]
        has no stage: it neither audits nor denies
      deployAKSPolicyAddOn
        Deploy Azure Policy Add-on to Azure Kubernetes Service clusters
        a8eff44f-8c92-45c3-a3fb-9880802d67a7  4.*.* -> 4.2.0
        effect: [if(equals(parameters('effect'), 'Disabled'), 'Disabled',
          'DeployIfNotExists')]
        has no stage: it neither audits nor denies
      imageIntegrityNotationVerification
        [Preview]: [Image Integrity] Kubernetes clusters should only use images
          signed by notation
        cf426bb8-b320-4321-8545-1b784a5df3a4  1.*.*-preview -> 1.1.0-preview
        effect: parameter effect
        stays at audit: it cannot deny

    From https://github.com/Azure/azure-policy, release 3.2026.0417.1 of 2026-04-29,
      commit f4a50bacae07
    "##);
}

#[test]
fn nothing_found_is_said() {
    assert_snapshot!(shown("zebra", 80), @r##"
    No built-in matches. The catalogue holds what concerns AKS; see `aksgate
      catalog`.
    "##);
}

#[test]
fn every_page_fits_eighty_columns() {
    let catalog = Catalog::embedded();
    let names = catalog
        .definitions()
        .map(|it| &it.name)
        .chain(catalog.initiatives().map(|it| &it.name));
    for page in names.map(|name| shown(name, 80)).chain([shown("", 80)]) {
        for line in page.lines() {
            assert!(columns(line) <= 80, "{line}");
        }
    }
}

#[test]
fn markdown_rows_have_the_columns_of_their_table() {
    let catalog = Catalog::embedded();
    let names = catalog
        .definitions()
        .map(|it| &it.name)
        .chain(catalog.initiatives().map(|it| &it.name));
    let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
    for search in names.map(String::as_str).chain([""]) {
        let page = page(catalog, &catalog.search(search));
        let mut expected = None;
        for line in page.lines() {
            expected = line.starts_with('|').then(|| expected.unwrap_or_else(|| bars(line)));
            assert_eq!(
                expected.unwrap_or(0),
                if line.starts_with('|') { bars(line) } else { 0 },
                "{line}"
            );
        }
    }
    let page = page(catalog, &catalog.search(IMAGE_INTEGRITY));
    assert_snapshot!(page.lines().take(5).collect::<Vec<_>>().join("\n"), @r##"
    ## \[Preview\]: \[Preview\]: Use Image Integrity to ensure only trusted images are deployed

    - name: `af28bf8b-c669-4dd3-9137-1e68fdc61bd6`
    - kind: policy set definition (initiative) (preview)
    - category: Kubernetes
    "##);
}

#[test]
fn json_holds_every_fact_and_its_version() {
    let catalog = Catalog::embedded();
    let all = document(catalog, &catalog.search(""));
    assert_eq!(all["formatVersion"], 1);
    assert_eq!(all["source"]["commit"], "f4a50bacae07");
    assert_eq!(all["definitions"].as_array().unwrap().len(), 146);
    assert_eq!(all["initiatives"].as_array().unwrap().len(), 7);
    let one = document(catalog, &catalog.search("95edb821-ddaf-4404-9732-666045e056b4"));
    let definition = &one["definitions"][0];
    assert_eq!(definition["defaultEffect"], "Deny");
    assert_eq!(definition["ceiling"], "deny");
    assert_eq!(definition["pin"], "9.*.*");
    assert_eq!(
        definition["parameters"]["warn"],
        json!({"type": "Boolean", "default": false})
    );
    let set = &document(catalog, &catalog.search(IMAGE_INTEGRITY))["initiatives"][0];
    assert_eq!(set["members"][1]["definition"], ADD_ON);
    assert_eq!(set["members"][1]["version"], "4.2.0");
    assert_eq!(set["members"][1]["ceiling"], "off");
}

#[test]
fn a_member_that_is_not_in_the_catalogue_is_said_to_be() {
    let text = r#"{"source": {"repository": "r", "commit": "c", "release": "1", "date": "d", "licence": "l"},
        "definitions": [], "initiatives": [{"name": "n", "displayName": "A \u001b[31m set", "category": "c", "listed": ["1.0.0"],
        "current": {"version": "1.0.0", "members": [{"referenceId": "x", "definition": "y", "version": "2.*.*"}]}}]}"#;
    let catalog = Catalog::read(text).unwrap();
    let page = human(&catalog, &catalog.search(""), layout(80));
    assert!(page.starts_with("A \\u{1b}[31m set\n"), "{page}");
    assert!(page.contains("y  2.*.* -> not in the catalogue"), "{page}");
    assert!(page.contains("what it can do is unknown"), "{page}");
}

#[test]
fn text_from_azure_opens_nothing_in_markdown() {
    let text = r#"{"source": {"repository": "r", "commit": "c", "release": "1", "date": "d", "licence": "l"},
        "definitions": [], "initiatives": [{"name": "n|", "displayName": "<b>", "category": "<b>", "listed": ["<b>", "<b>"],
        "current": {"version": "<b>", "parameters": {"<b>": {"type": "String", "default": "<b>|", "strongType": "<b>"}},
        "members": [{"referenceId": "|<b>", "definition": "|<b>", "version": "2.*.*",
                     "parameters": {"effect": "[<b>|]", "|": "<b>"}}]}}]}"#;
    let catalog = Catalog::read(text).unwrap();
    let shown = page(&catalog, &catalog.search(""));
    let outside_code: Vec<&str> = shown.split('`').step_by(2).collect();
    assert!(!outside_code.concat().contains("<b>"), "{shown}");
}
