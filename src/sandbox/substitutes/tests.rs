//! Suites of the substitute rules, and what they are held to.

use std::collections::BTreeSet;

use super::super::builtins::builtins;
use super::super::json::{items, object, text};
use super::*;
use crate::rules::suite::{self, Suite};
use crate::rules::{Rule, Template};

/// The files of a suite: sections that each start with a line `-- name --`.
fn files(name: &str) -> BTreeMap<String, String> {
    let path = format!("{}/src/sandbox/substitutes/{name}.suite", env!("CARGO_MANIFEST_DIR"));
    let written = crate::store::read(path.as_ref())
        .unwrap()
        .unwrap_or_else(|| panic!("{path}: every rule has a suite"));
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in String::from_utf8(written).unwrap().lines() {
        match line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
            Some(name) => current = name.to_owned(),
            None => {
                let file = files.entry(current.clone()).or_default();
                file.push_str(line);
                file.push('\n');
            }
        }
    }
    files
}

/// What fails when a rule's suite is run on a template.
fn failures(name: &str, template: &str) -> Vec<String> {
    let mut files = files(name);
    let suite = Suite::parse("suite.yaml", files["suite.yaml"].as_bytes()).unwrap();
    files.insert("template.yaml".to_owned(), template.to_owned());
    let result = suite::run(
        &suite,
        &suite::Files {
            read: &|path| match files.get(path) {
                Some(text) => Ok(text.clone().into_bytes()),
                None => Err("no such file".to_owned()),
            },
            template: &|_| None,
        },
        &suite::Selection::default(),
    );
    let mut failures = Vec::new();
    for test in result.tests {
        for case in &test.cases {
            if case.outcome != suite::Outcome::Passed {
                failures.push(format!("{name} {} {}: {:?}", test.name, case.name, case.outcome));
            }
        }
        if test.cases.is_empty() {
            failures.push(format!("{name} {}: {:?}", test.name, test.outcome));
        }
    }
    failures
}

fn rule(name: &str) -> &'static Substitute {
    RULES.iter().find(|rule| rule.name == name).unwrap()
}

#[test]
fn every_rule_passes_its_suite() {
    let failures: Vec<String> = RULES
        .iter()
        .flat_map(|rule| failures(rule.name, &rule.yaml()))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_suite_fails_when_its_rule_says_nothing_or_too_much() {
    for rule in RULES {
        for body in ["false", "true"] {
            let rego = format!("package sandbox.empty\n\nviolation[{{\"msg\": \"x\"}}] {{\n  {body}\n}}\n");
            let other = Substitute {
                rego: rego.leak(),
                ..*rule
            };
            assert!(
                !failures(rule.name, &other.yaml()).is_empty(),
                "{} does not notice `{body}`",
                rule.name
            );
        }
    }
}

#[test]
fn what_is_served_is_what_is_evaluated() {
    for rule in RULES {
        let served = crate::manifest::read("t.yaml", rule.yaml().as_bytes()).unwrap();
        let template = Template::from_document(template(&rule.url()).unwrap()).unwrap();
        assert_eq!(
            Template::from_document(&served[0].value).unwrap(),
            template,
            "{}",
            rule.name
        );
        Rule::new(&template).unwrap();
    }
}

/// Reference ids of the members that have no rule here, and why.
const WITHOUT: &[(&str, &str)] = &[(
    "image-integrity-notation-verification",
    "the signatures of images are asked of another service",
)];

fn url_of(definition: &Value) -> &str {
    text(definition, "/properties/policyRule/then/details/templateInfo/url")
}

#[test]
fn the_members_of_every_shipped_initiative_have_a_rule_that_takes_their_values() {
    // The two pod security standards as they are built in, and the definitions that `initiatives/` names.
    let standards = [
        "a8640138-9b0a-4a28-b8cb-1666c838647d",
        "42b8ef37-b724-4e24-bbc8-7a7708edfe00",
    ];
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for name in standards {
        let set = &builtins().newest[&format!("/providers/microsoft.authorization/policysetdefinitions/{name}")];
        for member in items(set, "/properties/policyDefinitions") {
            let name = text(member, "/policyDefinitionId").rsplit('/').next().unwrap();
            wanted.insert((name.to_owned(), text(member, "/definitionVersion").to_owned()));
        }
    }
    for (name, pin) in [
        ("febd0533-8e55-448f-b837-bd0e06f16469", "9.*.*"),
        ("021f8078-41a0-40e6-81b6-c6597da9f3ee", "2.*.*"),
        ("50c83470-d2f0-4dda-a716-1938a4825f62", "3.*.*"),
        ("3fc4dc25-5baf-40d8-9b05-7fe74c1bc64e", "8.*.*"),
        ("1a5b4dca-0b6f-4cf5-907c-56316bc1bf3d", "9.*.*"),
        ("233a2a17-77ca-4fb1-9b6b-69223d272a44", "8.*.*"),
        ("d46c275d-1680-448d-b2ec-e495a3b6cc89", "5.*.*"),
        ("e345eecc-fa47-480f-9e88-67dcc122b164", "9.*.*"),
        ("b1a9997f-2883-4f12-bdff-2280f99b5915", "3.*.*"),
        ("df49d893-a74c-421d-bc95-c663042e5b80", "6.*.*"),
        ("82985f06-dc18-4a48-bc1c-b9f4f0098cfe", "7.*.*"),
        ("cf426bb8-b320-4321-8545-1b784a5df3a4", "1.*.*-preview"),
        ("12db3749-7e03-4b9f-b443-d37d3fb9f8d9", "1.*.*"),
        ("423dd1ba-798e-40e4-9c4d-b6902674b423", "4.*.*"),
        ("9f061a12-e40d-4183-a00e-171812443373", "4.*.*"),
    ] {
        wanted.insert((name.to_owned(), pin.to_owned()));
    }
    for (name, pin) in wanted {
        let start = format!("/providers/microsoft.authorization/policydefinitions/{name}");
        let major = pin.split('.').next().unwrap();
        let of_major = |document: &&Value| text(document, "/properties/version").split('.').next() == Some(major);
        let newest = builtins().newest.get(&start).into_iter();
        let older = builtins()
            .older
            .iter()
            .filter(|(id, _)| id.starts_with(&start))
            .map(|(_, document)| document);
        let definition = newest
            .chain(older)
            .find(of_major)
            .unwrap_or_else(|| panic!("{name} {pin}"));
        let url = url_of(definition);
        if WITHOUT.iter().any(|(name, _)| url.contains(name)) {
            continue;
        }
        let template = template(url).unwrap_or_else(|| panic!("no rule for {url}"));
        let known = object(template, "/spec/crd/spec/validation/openAPIV3Schema/properties").unwrap();
        let values = object(definition, "/properties/policyRule/then/details/values");
        for value in values.into_iter().flat_map(|values| values.keys()) {
            assert!(known.contains_key(value), "{url} does not know {value}");
        }
    }
}

#[test]
fn every_rule_stands_in_for_a_definition() {
    let all: BTreeSet<String> = builtins()
        .newest
        .values()
        .chain(builtins().older.values())
        .map(|definition| url_of(definition).to_owned())
        .collect();
    for rule in RULES {
        assert!(all.contains(&rule.url()), "{}", rule.url());
    }
}

#[test]
fn the_store_is_public_and_wants_no_token() {
    let ask = |method: &str, path: &str, header: Option<&str>| {
        let mut request = Request::new(method, path);
        request
            .headers
            .extend(header.map(|token| ("Authorization".to_owned(), token.to_owned())));
        answer(&request)
    };
    let path = "/kubernetes/container-no-privilege/v2/template.yaml";
    let found = ask("GET", path, None);
    assert_eq!(found.status, 200);
    assert_eq!(found.body, rule("container-no-privilege-v2").yaml().into_bytes());
    assert_eq!(
        ask("GET", "/kubernetes/container-no-privilege/v9/template.yaml", None).status,
        404
    );
    assert_eq!(ask("GET", path, Some("Bearer x")).status, 400);
    assert_eq!(ask("PUT", path, None).status, 405);
}
