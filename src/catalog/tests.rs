//! The catalogue against the facts it was made from.

use super::*;
use crate::model::Effect;
use serde_json::{Value, json};

const NO_PRIVILEGED: &str = "95edb821-ddaf-4404-9732-666045e056b4";
const NO_ESCALATION: &str = "1c6e92c9-99f0-4e55-9cf2-0c234dc48f99";
const ADD_ON: &str = "a8eff44f-8c92-45c3-a3fb-9880802d67a7";
const BASELINE: &str = "a8640138-9b0a-4a28-b8cb-1666c838647d";
const RESTRICTED: &str = "42b8ef37-b724-4e24-bbc8-7a7708edfe00";
const SAFEGUARDS: &str = "c047ea8e-9c78-49b2-958b-37e56d291a44";

fn definition(name: &str) -> &'static Definition {
    Catalog::embedded().definition(name).unwrap()
}

fn set(name: &str) -> &'static PolicySet {
    Catalog::embedded().initiative(name).unwrap()
}

fn pin(text: &str) -> VersionPin {
    VersionPin::parse(text).unwrap()
}

/// Every parameter of every version, with words that say whose it is.
fn every_parameter() -> impl Iterator<Item = (String, &'static Parameter)> {
    let catalog = Catalog::embedded();
    let of_definitions = catalog.definitions().flat_map(|definition| {
        definition.known_versions().flat_map(|facts| {
            let place = format!("{}@{}", definition.name, facts.version);
            facts
                .parameters
                .iter()
                .map(move |(name, it)| (format!("{place} {name}"), it))
        })
    });
    let of_sets = catalog.initiatives().flat_map(|set| {
        let parameters = set.current().parameters.iter();
        parameters.map(|(name, it)| (format!("{} {name}", set.name), it))
    });
    of_definitions.chain(of_sets)
}

#[test]
fn the_catalogue_is_as_large_as_its_source() {
    let catalog = Catalog::embedded();
    assert_eq!(catalog.definitions().count(), 146);
    assert_eq!(catalog.initiatives().count(), 7);
    let category = catalog.definitions().filter(|it| it.category == "Kubernetes");
    assert_eq!(category.count(), 121);
    let kubernetes: Vec<_> = catalog
        .definitions()
        .filter(|it| it.current().is_kubernetes())
        .collect();
    assert_eq!(kubernetes.len(), 75);
    let defaulting_to = |effect| {
        let effects = kubernetes.iter().filter_map(|it| it.current().default_effect());
        effects.filter(|text| Effect::parse(text) == Some(effect)).count()
    };
    assert_eq!(defaulting_to(Effect::Audit), 46);
    assert_eq!(defaulting_to(Effect::Mutate), 19);
    assert_eq!(defaulting_to(Effect::Deny), 10);
    assert_eq!(kubernetes.iter().filter(|it| it.current().can_deny()).count(), 51);
    assert_eq!(catalog.definitions().filter(|it| it.deprecated).count(), 10);
    assert_eq!(catalog.source().commit, "f4a50bacae07");
    assert_eq!(catalog.source().date, "2026-04-29");
}

#[test]
fn a_definition_is_found_in_any_casing() {
    let definition = definition(&NO_PRIVILEGED.to_uppercase());
    assert_eq!(definition.name, NO_PRIVILEGED);
    assert_eq!(
        definition.display_name,
        "Kubernetes cluster should not allow privileged containers"
    );
    assert_eq!(definition.category, "Kubernetes");
    assert_eq!(definition.mode(), "Microsoft.Kubernetes.Data");
    assert_eq!(definition.effect_parameter(), Some("effect"));
    assert_eq!(definition.kinds(), ["Pod"]);
    assert_eq!(definition.versions(), ["9.2.0", "9.1.0"]);
    assert_eq!(definition.current_pin(), VersionPin::parse("9.*.*"));
    assert!(!definition.deprecated && !definition.preview);
    let facts = definition.current();
    assert_eq!(
        facts.effects,
        ["audit", "Audit", "deny", "Deny", "disabled", "Disabled"]
    );
    assert_eq!(facts.default_effect(), Some("Deny"));
    assert_eq!(facts.spelling(Effect::Audit), Some("Audit"));
    assert_eq!(facts.ceiling(), Stage::Deny);
    assert_eq!(facts.api_groups, [""]);
    assert_eq!(
        facts.resource_types,
        [
            "Microsoft.ContainerService/managedClusters",
            "Microsoft.Kubernetes/connectedClusters"
        ]
    );
    assert_eq!(
        facts.template.as_deref(),
        Some("https://store.policy.core.windows.net/kubernetes/container-no-privilege/v2/template.yaml")
    );
    let namespaces = &facts.parameters["excludedNamespaces"];
    assert_eq!(namespaces.ty, ParameterType::Array);
    let default = [
        "kube-system",
        "gatekeeper-system",
        "azure-arc",
        "azure-extensions-usage-system",
    ];
    assert_eq!(namespaces.default, Some(json!(default)));
    assert_eq!(facts.parameters["labelSelector"].ty, ParameterType::Object);
    assert!(facts.parameters["labelSelector"].schema.is_some());
    assert_eq!(Catalog::embedded().definition("no-such-name"), None);
}

#[test]
fn a_definition_that_deploys_names_its_roles_and_has_no_stage() {
    let add_on = definition(ADD_ON);
    assert_eq!(add_on.mode(), "Indexed");
    assert_eq!(
        add_on.role_definition_ids(),
        [
            "/providers/Microsoft.Authorization/roleDefinitions/ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8",
            "/providers/Microsoft.Authorization/roleDefinitions/18ed5180-3e48-46fd-8541-4ea054d57064"
        ]
    );
    assert!(!add_on.current().can_deny());
    assert_eq!(add_on.current().ceiling(), Stage::Off);
    let sensor = definition("64def556-fbad-4622-930e-72d1d5589bf5");
    let workspace = &sensor.current().parameters["logAnalyticsWorkspaceResourceId"];
    assert_eq!(
        workspace.strong_type.as_deref(),
        Some("Microsoft.OperationalInsights/workspaces")
    );
    assert!(workspace.assign_permissions);
}

#[test]
fn marks_are_found_however_azure_writes_them() {
    let of_true = definition("d77df159-718b-4aca-b94b-8e8890a98231");
    let of_text = definition("8dfab9c4-fe7b-49ad-85e4-1e9be085358f");
    let of_version_only = definition("03a4ecdb-0684-4039-be91-2762979e1bc8");
    assert!(of_true.preview && of_text.preview && of_version_only.preview);
    assert_eq!(of_version_only.current_pin(), VersionPin::parse("1.*.*-preview"));
    assert!(definition("440b515e-a580-421e-abeb-b159a61ddcbc").deprecated);
}

#[test]
fn a_pin_leads_to_a_version() {
    let definition = definition(NO_ESCALATION);
    let version = |text| definition.at(&pin(text)).facts().map(|facts| facts.version.as_str());
    assert_eq!(definition.versions(), ["8.0.0", "7.2.0", "7.1.0"]);
    assert_eq!(version("8.*.*"), Some("8.0.0"));
    assert_eq!(version("7.*.*"), Some("7.2.0"));
    assert_eq!(definition.at(&pin("7.1.*")), PinResolution::ListedWithoutFacts("7.1.0"));
    assert_eq!(definition.at(&pin("6.*.*")), PinResolution::NoSuchVersion);
    assert_eq!(definition.at(&pin("8.*.*-preview")), PinResolution::NoSuchVersion);
    assert_eq!(
        set(SAFEGUARDS).at(&pin("2.*.*")),
        PinResolution::ListedWithoutFacts("2.1.1")
    );
    assert_eq!(
        set(SAFEGUARDS).at(&pin("3.*.*")).facts(),
        Some(set(SAFEGUARDS).current())
    );
}

#[test]
fn the_pod_security_sets_have_their_members() {
    let catalog = Catalog::embedded();
    let baseline = set(BASELINE).current();
    assert_eq!(baseline.version, "1.4.0");
    assert_eq!(baseline.members.len(), 5);
    assert_eq!(set(RESTRICTED).current().version, "2.5.0");
    assert_eq!(set(RESTRICTED).current().members.len(), 8);
    assert_eq!(set(SAFEGUARDS).current().members.len(), 27);

    let member = baseline.member("noprivilegedcontainers").unwrap();
    assert_eq!(member.reference_id, "NoPrivilegedContainers");
    assert_eq!(member.definition, NO_PRIVILEGED);
    assert_eq!(member.version, Some(pin("9.*.*")));
    assert_eq!(member.mapping("effect"), Mapping::SetParameter("effect"));
    assert_eq!(member.mapping("warn"), Mapping::Default);
    let network = baseline.member("BlockUsingHostNetwork").unwrap();
    assert_eq!(network.mapping("allowHostNetwork"), Mapping::Value(&json!(false)));
    assert_eq!(catalog.facts_of_member(network).unwrap().version, "6.2.0");
    assert!(
        baseline
            .members
            .iter()
            .all(|member| catalog.can_deny(member) == Some(true))
    );
    assert_eq!(catalog.effects_of_member(network).unwrap().len(), 6);
}

#[test]
fn members_below_deny_are_known() {
    let catalog = Catalog::embedded();
    let below = |name: &str| {
        let members = set(name).current().members.iter();
        let below = members.filter(|member| catalog.can_deny(member) != Some(true));
        below
            .map(|member| (member.reference_id.as_str(), catalog.ceiling_of_member(member).unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(below(BASELINE), []);
    assert_eq!(below(RESTRICTED), []);
    assert_eq!(
        below(SAFEGUARDS),
        [
            ("mutateReservedSystemPoolTaints", Stage::Off),
            ("printMutationsAnnotations", Stage::Audit)
        ]
    );
}

#[test]
fn a_member_without_facts_is_told() {
    let member = |definition: &str, version| SetMember {
        reference_id: "x".to_owned(),
        definition: definition.to_owned(),
        version,
        parameters: BTreeMap::new(),
    };
    let catalog = Catalog::embedded();
    assert_eq!(catalog.can_deny(&member("no-such-name", None)), None);
    assert_eq!(catalog.can_deny(&member(NO_ESCALATION, Some(pin("7.1.*")))), None);
    assert_eq!(
        catalog.ceiling_of_member(&member(NO_ESCALATION, Some(pin("6.*.*")))),
        None
    );
    assert_eq!(catalog.can_deny(&member(NO_ESCALATION, None)), Some(true));
}

#[test]
fn every_member_has_facts_and_speaks_of_parameters_that_exist() {
    let catalog = Catalog::embedded();
    for set in catalog.initiatives() {
        let mut references: Vec<String> = Vec::new();
        for member in &set.current().members {
            let place = format!("{} {}", set.name, member.reference_id);
            references.push(member.reference_id.to_lowercase());
            let facts = catalog
                .facts_of_member(member)
                .unwrap_or_else(|| panic!("{place}: no facts"));
            for (name, value) in &member.parameters {
                let parameter = facts.parameters.get(name);
                let parameter = parameter.unwrap_or_else(|| panic!("{place}: no parameter {name}"));
                match member.mapping(name) {
                    Mapping::SetParameter(own) => {
                        let own = set.current().parameters.get(own);
                        assert_eq!(own.map(|own| own.ty), Some(parameter.ty), "{place}: {name}");
                    }
                    Mapping::Value(_) => assert_eq!(parameter.accepts(value), Ok(()), "{place}: {name}"),
                    Mapping::Expression(_) => {}
                    Mapping::Default => panic!("{place}: {name} is stated and not found"),
                }
            }
            let missing = facts
                .parameters
                .iter()
                .find(|(name, parameter)| parameter.default.is_none() && member.mapping(name) == Mapping::Default);
            assert_eq!(missing, None, "{place}: a parameter without a value");
        }
        references.sort();
        references.dedup();
        assert_eq!(references.len(), set.current().members.len(), "{}", set.name);
    }
}

#[test]
fn every_default_fits_its_parameter() {
    let misfits: Vec<String> = every_parameter()
        .filter_map(|(place, parameter)| {
            let reason = parameter.accepts(parameter.default.as_ref()?).err()?;
            Some(format!("{place}: {reason}"))
        })
        .collect();
    assert_eq!(misfits, [""; 0]);
}

#[test]
fn effects_are_the_allowed_values_of_the_effect_parameter() {
    for definition in Catalog::embedded().definitions() {
        for facts in definition.known_versions() {
            let place = format!("{}@{}", definition.name, facts.version);
            assert!(!facts.effects.is_empty(), "{place}");
            for text in &facts.effects {
                assert!(Effect::parse(text).is_some(), "{place}: {text}");
            }
            let name = facts.effect_parameter.as_deref().unwrap();
            let parameter = &facts.parameters[name];
            let effects = facts.effects.iter().map(|text| json!(text)).collect();
            assert_eq!(parameter.allowed, Some(effects), "{place}");
            assert!(facts.default_effect().is_some(), "{place}");
        }
    }
}

#[test]
fn the_file_is_in_the_order_that_the_generator_writes() {
    let document: Value = serde_json::from_str(FACTS).unwrap();
    let mut lines = FACTS.lines();
    let mut head = lines.next().unwrap().to_owned();
    head.pop();
    assert_eq!(
        serde_json::from_str::<Value>(&format!("{head}}}")).unwrap()["source"],
        document["source"]
    );
    for kind in ["definitions", "initiatives"] {
        assert_eq!(
            lines.next().unwrap().trim_end_matches(','),
            format!("\"{kind}\":[").as_str()
        );
        let entries = document[kind].as_array().unwrap();
        for (index, entry) in entries.iter().enumerate() {
            let last = index + 1 == entries.len();
            let expected = format!("{}{}", sorted(entry), if last { "" } else { "," });
            assert_eq!(lines.next().unwrap(), expected, "line of {}", entry["name"]);
        }
        let names: Vec<&str> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        assert!(
            names.is_sorted_by(|one, other| one < other),
            "{kind}: sorted, each once"
        );
        assert!(
            names
                .iter()
                .all(|name| name.len() == 36 && *name == name.to_lowercase())
        );
        assert!(lines.next().unwrap().starts_with(']'));
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn listed_versions_are_newest_first_and_begin_with_the_current() {
    let catalog = Catalog::embedded();
    let of_definitions = catalog
        .definitions()
        .map(|it| (&it.name, it.versions(), &it.current().version));
    let of_sets = catalog
        .initiatives()
        .map(|it| (&it.name, it.versions(), &it.current().version));
    for (name, listed, current) in of_definitions.chain(of_sets) {
        let versions: Vec<_> = listed
            .iter()
            .map(|text| version::Version::parse(text).unwrap())
            .collect();
        assert!(
            versions.is_sorted_by(|newer, older| newer > older),
            "{name}: {listed:?}"
        );
        assert_eq!(versions.first(), version::Version::parse(current).as_ref(), "{name}");
    }
}

/// The sandbox's documents came from the same source by another way: what they say is what the catalogue must say.
#[test]
fn the_sandbox_serves_the_same_facts() {
    let served: Value = serde_json::from_str(include_str!("../sandbox/builtins/data.json")).unwrap();
    let documents = |kind: &str| served[kind].as_array().unwrap();
    let catalog = Catalog::embedded();
    let compare = |properties: &Value, parameters: &BTreeMap<String, Parameter>, place: &str| {
        let theirs = properties["parameters"].as_object();
        assert_eq!(theirs.map_or(0, |theirs| theirs.len()), parameters.len(), "{place}");
        for (name, theirs) in theirs.into_iter().flatten() {
            let ours = parameters.get(name).unwrap_or_else(|| panic!("{place}: {name}"));
            assert_eq!(
                ParameterType::parse(theirs["type"].as_str().unwrap()),
                Some(ours.ty),
                "{place} {name}"
            );
            assert_eq!(theirs.get("defaultValue"), ours.default.as_ref(), "{place} {name}");
            let allowed = ours.allowed.as_ref().map(|allowed| json!(allowed));
            assert_eq!(theirs.get("allowedValues"), allowed.as_ref(), "{place} {name}");
        }
    };

    assert_eq!(documents("policyDefinitions").len(), catalog.definitions().count());
    for document in documents("policyDefinitions")
        .iter()
        .chain(documents("policyDefinitionVersions"))
    {
        let name = document["id"].as_str().unwrap().split('/').nth(4).unwrap();
        let definition = definition(name);
        let properties = &document["properties"];
        let version = properties["version"].as_str().unwrap();
        let place = format!("{name}@{version}");
        let facts = definition
            .known_versions()
            .find(|facts| facts.version == version)
            .unwrap();
        assert_eq!(properties["mode"], json!(facts.mode), "{place}");
        let parameter = facts.effect_parameter.as_deref().unwrap();
        assert_eq!(
            properties["policyRule"]["then"]["effect"],
            json!(format!("[parameters('{parameter}')]"))
        );
        assert_eq!(
            properties["parameters"][parameter]["allowedValues"],
            json!(facts.effects),
            "{place}"
        );
        let details = &properties["policyRule"]["then"]["details"];
        let roles = details.get("roleDefinitionIds").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(roles, json!(facts.role_definition_ids), "{place}");
        if properties["version"] == json!(definition.current().version) {
            assert_eq!(properties["displayName"], json!(definition.display_name));
            assert_eq!(properties["versions"], json!(definition.versions()));
        }
        compare(properties, &facts.parameters, &place);
    }

    assert_eq!(documents("policySetDefinitions").len(), catalog.initiatives().count());
    for document in documents("policySetDefinitions") {
        let set = set(document["name"].as_str().unwrap());
        let properties = &document["properties"];
        assert_eq!(properties["displayName"], json!(set.display_name));
        assert_eq!(properties["version"], json!(set.current().version));
        assert_eq!(properties["versions"], json!(set.versions()));
        compare(properties, &set.current().parameters, &set.name);
        let theirs = properties["policyDefinitions"].as_array().unwrap();
        assert_eq!(theirs.len(), set.current().members.len());
        for (theirs, ours) in theirs.iter().zip(&set.current().members) {
            assert_eq!(theirs["policyDefinitionReferenceId"], json!(ours.reference_id));
            assert_eq!(
                theirs["definitionVersion"],
                json!(ours.version.map(|pin| pin.to_string()))
            );
            assert!(
                theirs["policyDefinitionId"]
                    .as_str()
                    .unwrap()
                    .ends_with(&ours.definition)
            );
            let values = theirs["parameters"].as_object().into_iter().flatten();
            let values: BTreeMap<String, Value> = values
                .map(|(name, entry)| (name.clone(), entry["value"].clone()))
                .collect();
            assert_eq!(values, ours.parameters, "{} {}", set.name, ours.reference_id);
        }
    }
}

#[test]
fn descriptions_stay_behind() {
    assert!(!FACTS.contains("\"description\":\""));
}

/// Writes JSON with the keys of every object in order, whatever order the JSON crate keeps.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entries: BTreeMap<&String, &Value> = entries.iter().collect();
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", json!(key), sorted(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[test]
fn facts_taken_from_an_answer_are_those_of_the_catalogue() {
    let served: Value = serde_json::from_str(include_str!("../sandbox/builtins/data.json")).unwrap();
    let documents = |kind: &str| served[kind].as_array().unwrap().clone();
    let catalog = Catalog::embedded();
    for document in documents("policyDefinitions") {
        let facts: VersionFacts = serde_json::from_value(extract::version_facts(&document).unwrap()).unwrap();
        let definition = catalog.definition(&extract::name(&document).unwrap()).unwrap();
        assert_eq!(facts, *definition.current());
        let heading = extract::heading(&document).unwrap();
        assert_eq!(heading["listed"], json!(definition.versions()));
        assert_eq!(heading.contains_key("deprecated"), definition.deprecated);
    }
    for document in documents("policySetDefinitions") {
        let facts: SetFacts = serde_json::from_value(extract::set_facts(&document).unwrap()).unwrap();
        let set = catalog.initiative(&extract::name(&document).unwrap()).unwrap();
        assert_eq!(facts, *set.current());
    }
}

#[test]
fn a_catalogue_takes_in_what_it_does_not_know() {
    let catalog = Catalog::embedded();
    let known = catalog.definition("021f8078-41a0-40e6-81b6-c6597da9f3ee").unwrap();
    let newer = |name: &str, version: &str| -> Definition {
        serde_json::from_value(json!({
            "name": name, "displayName": "Newer", "category": "Kubernetes", "deprecated": true, "listed": [version],
            "current": {"version": version, "mode": "All", "effects": ["audit"]},
        }))
        .unwrap()
    };
    let joined = catalog.joined([newer(&known.name, "2.1.0"), newer("new", "1.0.0")], []);
    let found = joined.definition(&known.name).unwrap();
    assert!(found.deprecated);
    assert_eq!(
        found.versions(),
        ["2.1.0", "2.0.1", "2.0.0-PREVIEW", "1.1.0-PREVIEW", "1.0.0-PREVIEW"]
    );
    let versions: Vec<&str> = found.known_versions().map(|facts| facts.version.as_str()).collect();
    assert_eq!(versions, ["2.1.0", "2.0.1"]);
    assert_eq!(joined.definition("new").unwrap().current().version, "1.0.0");
    // What it knew of a newer version stays the current one; a title and marks are those that were added.
    let joined = catalog.joined([newer(&known.name, "1.9.0")], []);
    let found = joined.definition(&known.name).unwrap();
    assert_eq!(
        (found.current(), found.display_name.as_str()),
        (known.current(), "Newer")
    );
}
