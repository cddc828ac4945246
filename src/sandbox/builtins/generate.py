#!/usr/bin/env python3
"""Writes data.json: built-in policy documents as Azure Resource Manager serves them.

Usage: generate.py CHECKOUT > data.json

CHECKOUT is a working copy of https://github.com/Azure/azure-policy, or of its `built-in-policies` folder, with
`policyDefinitions/`, `policySetDefinitions/` and, if there is one, `policyDefinitionVersions/` (older versions, one file each,
`<name>@<version>.json`). Texts that describe are left out; everything else stays as it is written there.

This is on purpose no relative of the generator of `src/catalog/facts.json`: the sandbox answers with what it finds here, so a
mistake in the catalogue's facts shows as an answer that differs. Keep the two apart.
"""

import json
import pathlib
import sys

NAMESPACE = "Microsoft.Authorization"
OTHER_CLOUDS = {"Azure Government", "Azure China"}

# Outside the folder `Kubernetes`: what concerns AKS, Azure Arc-enabled Kubernetes and Defender for Containers.
ALSO = {
    "Azure Arc": ["Arc_KubernetesCluster_PrivateLinkEnabled_Deny", "Arc_KubernetesCluster_PrivateLinkEnabled_Modify"],
    "Backup": [
        "Kubernetes_EnableAzureBackup_Audit",
        "Kubernetes_InstallAzureBackupExtensionWithTag_DINE",
        "Kubernetes_InstallAzureBackupExtensionWithoutTag_DINE",
        "Kubernetes_InstallAzureBackupExtension_Audit",
    ],
    "Nexus": ["ComputeClusterBaseline"],
    "Resilience": ["ContainerService_managedclusters_ZoneRedundant_Audit"],
    "Security Center": [
        "ASC_Azure_Defender_CSPM_Audit",
        "ASC_Azure_Defender_CSPM_DINE",
        "ASC_Azure_Defender_CSPM_Full_Features_DINE",
        "ASC_Azure_Defender_Container_Registries_DINE",
        "ASC_Azure_Defender_Containers_DINE",
        "ASC_Azure_Defender_Containers_Full_Features_DINE",
        "ASC_Azure_Defender_Kuberneitis_DINE",
        "ASC_ContainerRegistryVulnerabilityAssessment_Audit",
        "ASC_EnableAdvancedThreatProtectionOnContainerRegistry_Audit",
        "ASC_EnableAdvancedThreatProtectionOnContainers_Audit",
        "ASC_EnableAdvancedThreatProtectionOnKubernetesService_Audit",
        "ASC_EnableIpRanges_KubernetesService_Audit",
        "ASC_EnablePSP_KubernetesService_Audit_Deprecated",
        "ASC_EnableRBAC_KubernetesService_Audit",
        "ASC_KuberenetesRuningImagesVulnerabilityAssessment_Audit",
        "ASC_UpgradeVersion_KubernetesService_Audit",
        "MDC_AzureContainerRegistryVulnerabilityAssessment_Audit",
        "MDC_K8sRuningImagesVulnerabilityAssessmentBasedOnMDVM_Audit",
    ],
    "VirtualEnclaves": ["AKSInitiative"],
}


def wanted(path, root):
    """Says whether a file below `policyDefinitions/` or `policySetDefinitions/` belongs to the sandbox."""
    folders = path.relative_to(root).parts[:-1]
    if not folders or folders[0] in OTHER_CLOUDS:
        return False
    return folders[0] == "Kubernetes" or path.stem in ALSO.get(folders[0], [])


def read(path):
    with open(path, encoding="utf-8-sig") as file:
        return json.load(file)


def undescribed(schema):
    """Returns a JSON schema, or anything in it, without its descriptions; a property called `description` stays."""
    if isinstance(schema, list):
        return [undescribed(item) for item in schema]
    if isinstance(schema, dict):
        return {
            key: undescribed(value)
            for key, value in schema.items()
            if not (key == "description" and isinstance(value, str))
        }
    return schema


def served(document, kind):
    """Returns the document as ARM answers with it, but for the texts that describe."""
    properties = document["properties"]
    properties.pop("description", None)
    for parameter in properties.get("parameters", {}).values():
        parameter.get("metadata", {}).pop("description", None)
        if "schema" in parameter:
            parameter["schema"] = undescribed(parameter["schema"])
    deployment(properties.get("policyRule"))
    return {
        "id": document["id"],
        "name": document["name"],
        "type": f"{NAMESPACE}/{kind}",
        "properties": properties,
    }


def deployment(node):
    """Takes the descriptions of parameters out of the deployment templates inside a rule, in place."""
    if isinstance(node, dict):
        metadata = node.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.get("description"), str):
            del metadata["description"]
            if not metadata:
                del node["metadata"]
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        deployment(child)


def collect(root, kind):
    """Returns the current documents of a kind, by name."""
    found = {}
    for path in sorted((root / kind).rglob("*.json")):
        if wanted(path, root / kind):
            document = served(read(path), kind)
            if found.setdefault(document["name"], document) is not document:
                sys.exit(f"{path}: a second document of the name {document['name']}")
    return found


def older(root, current):
    """Returns older versions as ARM serves them below `…/policyDefinitions/<name>/versions/<version>`."""
    documents = []
    for path in sorted((root / "policyDefinitionVersions").glob("*.json")):
        document = served(read(path), "policyDefinitions/versions")
        name, version = path.stem.split("@")
        if name != document["name"] or version != document["properties"]["version"]:
            sys.exit(f"{path}: the file's name and its content disagree")
        if name in current and version == current[name]["properties"]["version"]:
            sys.exit(f"{path}: this is the current version")
        document["id"] = f"{document['id']}/versions/{version}"
        document["name"] = version
        documents.append(document)
    return documents


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    if (root / "built-in-policies").is_dir():
        root = root / "built-in-policies"
    definitions = collect(root, "policyDefinitions")
    sets = collect(root, "policySetDefinitions")
    if not definitions or not sets:
        sys.exit(f"{root}: no built-in policies found")
    parts = {
        "policyDefinitions": [definitions[name] for name in sorted(definitions)],
        "policyDefinitionVersions": older(root, definitions),
        "policySetDefinitions": [sets[name] for name in sorted(sets)],
    }
    out = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n")
    out.write("{")
    for number, (kind, documents) in enumerate(parts.items()):
        lines = [json.dumps(document, ensure_ascii=False, separators=(",", ":")) for document in documents]
        out.write(("" if number == 0 else ",") + f'\n"{kind}":[\n' + ",\n".join(lines) + "\n]")
    out.write("\n}\n")


if __name__ == "__main__":
    main()
