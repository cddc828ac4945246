//! Writes `src/catalog/facts.json` from a working copy of Azure's repository of built-in policies.
//!
//! ```text
//! cargo run --example generate_catalog -- CHECKOUT --commit SHA --release NAME --date YYYY-MM-DD > facts.json
//! ```
//!
//! CHECKOUT is the repository or its folder `built-in-policies`: `policyDefinitions/`, `policySetDefinitions/` and, where
//! there is one, `policyDefinitionVersions/` with older versions, one file each, `<name>@<version>.json`. `docs/catalogue.md`
//! says more. Only facts are kept; texts that describe stay behind.

#![expect(
    clippy::disallowed_methods,
    reason = "reads a checkout; this is no part of the program"
)]
#![expect(clippy::print_stdout, reason = "its answer goes to standard output")]

use aksgate::catalog::{Catalog, extract};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

const REPOSITORY: &str = "https://github.com/Azure/azure-policy";

/// Definitions about AKS, Azure Arc-enabled Kubernetes and Defender for Containers outside the category `Kubernetes`.
const ALSO_DEFINITIONS: &[&str] = &[
    "090c7b07-b4ed-4561-ad20-e9075f3ccaff", // MDC_AzureContainerRegistryVulnerabilityAssessment_Audit
    "0b0434ec-2bad-4229-965f-bb7ae5a71257", // Kubernetes_EnableAzureBackup_Audit
    "0e246bcf-5f6f-4f87-bc6f-775d4712c7ea", // ASC_EnableIpRanges_KubernetesService_Audit
    "0fc39691-5a3f-4e3e-94ee-2e6447309ad9", // ASC_KuberenetesRuningImagesVulnerabilityAssessment_Audit
    "12e7176a-4919-47ef-922b-34eda4c7f0ce", // Arc_KubernetesCluster_PrivateLinkEnabled_Deny
    "133047bf-1369-41e3-a3be-74a11ed1395a", // ASC_Azure_Defender_Kuberneitis_DINE
    "17f4b1cc-c55c-4d94-b1f9-2978f6ac2957", // MDC_K8sRuningImagesVulnerabilityAssessmentBasedOnMDVM_Audit
    "1c988dd6-ade4-430f-a608-2a3e5b0a6d38", // ASC_EnableAdvancedThreatProtectionOnContainers_Audit
    "1f90fc71-a595-4066-8974-d4d0802e8ef0", // ASC_Azure_Defender_CSPM_Audit
    "2dec5f47-bc40-40d1-8c7d-a39d9d6808d1", // ContainerService_managedclusters_ZoneRedundant_Audit
    "3abeb944-26af-43ee-b83d-32aaf060fb94", // ASC_EnablePSP_KubernetesService_Audit_Deprecated
    "4002015b-1272-4dfb-8943-fed4aeec39b6", // Arc_KubernetesCluster_PrivateLinkEnabled_Modify
    "523b5cd1-3e23-492f-a539-13118b6d1e3a", // ASC_EnableAdvancedThreatProtectionOnKubernetesService_Audit
    "5f0f936f-2f01-4bf5-b6be-d423792fa562", // ASC_ContainerRegistryVulnerabilityAssessment_Audit
    "689f7782-ef2c-4270-a6d0-7664869076bd", // ASC_Azure_Defender_CSPM_DINE
    "72f8cee7-2937-403d-84a1-a4e3e57f3c21", // ASC_Azure_Defender_CSPM_Full_Features_DINE
    "9a021087-bba6-42fd-b535-bba75297566b", // Kubernetes_InstallAzureBackupExtensionWithoutTag_DINE
    "ac4a19c2-fa67-49b4-8ae5-0b2e78c49457", // ASC_EnableRBAC_KubernetesService_Audit
    "bdff5235-9f40-4a32-893f-38a03d5d607c", // Kubernetes_InstallAzureBackupExtensionWithTag_DINE
    "c25d9a16-bc35-4e15-a7e5-9db606bf9ed4", // ASC_EnableAdvancedThreatProtectionOnContainerRegistry_Audit
    "c9ddb292-b203-4738-aead-18e2716e858f", // ASC_Azure_Defender_Containers_DINE
    "d3d1e68e-49d4-4b56-acff-93cef644b432", // ASC_Azure_Defender_Container_Registries_DINE
    "efd4031d-b232-4595-babf-ae817348e91b", // ASC_Azure_Defender_Containers_Full_Features_DINE
    "fb893a29-21bb-418c-a157-e99480ec364c", // ASC_UpgradeVersion_KubernetesService_Audit
    "fda9cd0b-094c-4cd5-ac2a-5e06e5277c45", // Kubernetes_InstallAzureBackupExtension_Audit
];

/// Sets with members for Kubernetes outside the category `Kubernetes`.
const ALSO_SETS: &[&str] = &[
    "336cb876-5cb8-4795-b9d1-bd9323d3487e", // ComputeClusterBaseline
    "d300338e-65d1-4be3-b18e-fb4ce5715a8f", // AKSInitiative
];

/// Folders that hold other clouds' editions of the same names.
const OTHER_CLOUDS: &[&str] = &["Azure Government", "Azure China"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    let mut checkout = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("--") {
            Some(name @ ("commit" | "release" | "date")) => {
                let value = arguments.next().ok_or(format!("--{name} needs a value"))?;
                options.insert(name.to_owned(), value);
            }
            Some(_) => return Err(format!("unknown option `{argument}`").into()),
            None => checkout = Some(PathBuf::from(argument)),
        }
    }
    let option = |name: &str| options.get(name).ok_or(format!("--{name} is missing"));
    let source = json!({
        "repository": REPOSITORY, "commit": option("commit")?, "release": option("release")?, "date": option("date")?,
        "licence": "MIT",
    });
    let facts = generate(&checkout.ok_or("the path of a checkout is missing")?, &source)?;
    Catalog::read(&facts)?; // what the program could not read is not written
    print!("{facts}");
    Ok(())
}

/// Returns the text of `facts.json`.
fn generate(checkout: &Path, source: &Value) -> Outcome<String> {
    let inner = checkout.join("built-in-policies");
    let root = if inner.is_dir() { inner.as_path() } else { checkout };

    let mut older: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let versions = root.join("policyDefinitionVersions");
    if versions.is_dir() {
        for (path, document) in documents(&versions)? {
            let facts = extract::version_facts(&document).map_err(|error| format!("{}: {error}", path.display()))?;
            older.entry(extract::name(&document)?).or_default().push(facts);
        }
    }

    let mut definitions = BTreeMap::new();
    for (path, document) in documents(&root.join("policyDefinitions"))? {
        if !is_wanted(&document, ALSO_DEFINITIONS) {
            continue;
        }
        let facts = definition_facts(&document, &mut older).map_err(|error| format!("{}: {error}", path.display()))?;
        if definitions.insert(extract::name(&document)?, facts).is_some() {
            return Err(format!("{}: a second definition of the same name", path.display()).into());
        }
    }
    if let Some(name) = older.keys().next() {
        return Err(format!("an older version of `{name}`, which is not in the checkout").into());
    }

    let mut initiatives = BTreeMap::new();
    for (path, document) in documents(&root.join("policySetDefinitions"))? {
        if !is_wanted(&document, ALSO_SETS) {
            continue;
        }
        let facts = set_facts(&document).map_err(|error| format!("{}: {error}", path.display()))?;
        if initiatives.insert(extract::name(&document)?, facts).is_some() {
            return Err(format!("{}: a second set of the same name", path.display()).into());
        }
    }
    let missing = |also: &[&str], found: &BTreeMap<String, Value>| {
        let name = also.iter().find(|name| !found.contains_key(**name));
        name.map_or(Ok(()), |name| Err(format!("`{name}` is not in the checkout")))
    };
    missing(ALSO_DEFINITIONS, &definitions)?;
    missing(ALSO_SETS, &initiatives)?;

    let lines = |facts: BTreeMap<String, Value>| {
        let lines: Vec<String> = facts
            .into_values()
            .map(|facts| extract::sorted(facts).to_string())
            .collect();
        lines.join(",\n")
    };
    Ok(format!(
        "{{\"source\":{},\n\"definitions\":[\n{}\n],\n\"initiatives\":[\n{}\n]}}\n",
        extract::sorted(source.clone()),
        lines(definitions),
        lines(initiatives)
    ))
}

/// Returns every JSON document below a folder with its path, but not those of other clouds.
fn documents(folder: &Path) -> Outcome<Vec<(PathBuf, Value)>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Outcome<Vec<PathBuf>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            if !OTHER_CLOUDS.iter().any(|cloud| name == *cloud) {
                found.extend(documents(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path)?;
            let document = serde_json::from_str(text.trim_start_matches('\u{feff}'))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            found.push((path, document));
        }
    }
    Ok(found)
}

fn is_wanted(document: &Value, also: &[&str]) -> bool {
    let is = |pointer: &str, expected: &str| document.pointer(pointer).and_then(Value::as_str) == Some(expected);
    is("/properties/metadata/category", "Kubernetes")
        || is("/properties/mode", "Microsoft.Kubernetes.Data")
        || extract::name(document).is_ok_and(|name| also.contains(&name.as_str()))
}

fn definition_facts(document: &Value, older: &mut BTreeMap<String, Vec<Value>>) -> Outcome<Value> {
    let mut facts = extract::heading(document)?;
    let current = extract::version_facts(document)?;
    if let Some(older) = older.remove(&extract::name(document)?) {
        if older.iter().any(|facts| facts.get("version") == current.get("version")) {
            return Err("its current version is among the older ones".into());
        }
        facts.insert("older".to_owned(), older.into());
    }
    facts.insert("current".to_owned(), current);
    Ok(facts.into())
}

fn set_facts(document: &Value) -> Outcome<Value> {
    let mut facts = extract::heading(document)?;
    facts.insert("current".to_owned(), extract::set_facts(document)?);
    Ok(facts.into())
}
