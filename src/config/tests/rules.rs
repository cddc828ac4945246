//! Rules of our own: what is read of them, and mistakes in their files.

use super::*;
use serde_json::json;

const SET: (&str, &str) = (
    "initiatives/own.yaml",
    "displayName: Own
members:
  - ref: tags
    rule: tags
    parameters: {patterns: [v1]}
    expose: {strict: strictTags}
  - ref: counted
    rule: counted
",
);
const TAGS: (&str, &str) = (
    "initiatives/own/tags.yaml",
    "displayName: Tags
description: Tags that say which.
kinds: [Pod]
apiGroups: [\"\"]
parameters:
  patterns: {type: Array, description: Which., default: [latest], allowed: [latest, v1]}
  strict: {type: Boolean, default: false}
",
);
const TAGS_REGO: (&str, &str) = (
    "initiatives/own/tags.rego",
    "package tags\n\nviolation[{\"msg\": msg}] {\n\tmsg := input.review.object.metadata.name\n}\n",
);
const COUNTED: (&str, &str) = (
    "initiatives/own/counted.yaml",
    "displayName: Counted
kinds: [Pod]
apiGroups: [\"\"]
enforceable: false
reason: a count needs the other objects of the cluster
",
);
const COUNTED_REGO: (&str, &str) = (
    "initiatives/own/counted.rego",
    "package counted\n\nviolation[{\"msg\": msg}] {\n\tmsg := data.inventory.cluster\n}\n",
);
const NETWORK: (&str, &str) = (
    "initiatives/network.yaml",
    "displayName: Network\nmembers:\n  - {ref: engine, rule: engine}\n",
);
const ENGINE: (&str, &str) = (
    "initiatives/network/engine.yaml",
    "displayName: Engine\nmode: Indexed\nparameters:\n  engines: {type: Array, default: [none]}\n",
);
const ENGINE_JSON: (&str, &str) = (
    "initiatives/network/engine.json",
    "{
  \"if\": {\"allOf\": [
    {\"field\": \"type\", \"equals\": \"Microsoft.ContainerService/managedClusters\"},
    {\"field\": \"name\", \"in\": \"[parameters('engines')]\"}
  ]},
  \"then\": {\"effect\": \"[parameters('effect')]\"}
}
",
);
const ALL: [(&str, &str); 8] = [
    SET,
    TAGS,
    TAGS_REGO,
    COUNTED,
    COUNTED_REGO,
    NETWORK,
    ENGINE,
    ENGINE_JSON,
];
const DEV_WITH: &str = "gates:
  own: {initiative: own, target: deny, parameters: {strictTags: true}}
  network: {initiative: network, target: deny}
";

fn estate() -> Vec<SourceFile> {
    let mut all = small_but(DEV, "gates:\n", DEV_WITH);
    all.extend(files(ALL));
    all
}

/// Returns what is wrong with the estate after a change of one file; `to` alone makes a new file.
fn but(path: &str, from: &str, to: &str) -> String {
    let mut files = estate();
    match files.iter_mut().find(|file| file.path == path) {
        Some(file) => {
            let text = std::str::from_utf8(&file.content).unwrap();
            assert!(text.contains(from), "{from:?} stands in {path}");
            file.content = text.replacen(from, to, 1).into_bytes();
        }
        None => files.push(SourceFile {
            path: path.to_owned(),
            content: to.as_bytes().to_vec(),
        }),
    }
    wrong(&files)
}

fn without(path: &str) -> String {
    let mut files = estate();
    files.retain(|file| file.path != path);
    wrong(&files)
}

#[test]
fn rules_are_read_as_they_say() {
    assert_eq!(wrong(&estate()), "");
    let (estate, _) = load(&estate(), Catalog::embedded());
    let estate = estate.unwrap();
    let rule = |initiative: &str, at: usize| {
        let Initiative::Own { members, .. } = &estate.initiatives[initiative] else {
            panic!()
        };
        let MemberDefinition::Rule(rule) = &members[at].definition else {
            panic!()
        };
        (**rule).clone()
    };
    let tags = rule("own", 0);
    let (title, description) = ("Tags", "Tags that say which.");
    assert_eq!(
        (tags.display_name.as_str(), tags.description.as_str()),
        (title, description)
    );
    let facts = tags.facts();
    assert_eq!(
        (facts.mode.as_str(), &facts.kinds, &facts.api_groups),
        (KUBERNETES_MODE, &vec!["Pod".to_owned()], &vec![String::new()])
    );
    assert_eq!(facts.effects, ["Audit", "Deny", "Disabled"]);
    assert_eq!(facts.default_effect(), Some("Audit"));
    assert_eq!(
        facts.parameters["patterns"].allowed,
        Some(vec![json!("latest"), json!("v1")])
    );
    assert_eq!(
        facts.parameters["excludedNamespaces"].default,
        Some(json!(MANAGED_NAMESPACES))
    );
    assert!(tags.not_enforceable.is_none());
    let counted = rule("own", 1);
    assert_eq!(
        counted.not_enforceable.as_deref(),
        Some("a count needs the other objects of the cluster")
    );
    let engine = rule("network", 0).facts();
    assert_eq!(engine.resource_types, ["Microsoft.ContainerService/managedClusters"]);
    assert_eq!(engine.parameters.keys().collect::<Vec<_>>(), ["effect", "engines"]);
}

#[test]
fn members_name_a_rule_or_a_built_in_one() {
    let set = |from: &str, to: &str| but(SET.0, from, to);
    assert_eq!(
        set("rule: tags", "rule: tagz"),
        "initiatives/own.yaml:4:11 unknown rule: there is no `initiatives/own/tagz.yaml`
  did you mean `tags`?
warning: initiatives/own/tags.yaml unused rule
  no member in initiatives/own.yaml says `rule: tags`"
    );
    assert_eq!(
        set(
            "rule: tags",
            "definition: 021f8078-41a0-40e6-81b6-c6597da9f3ee\n    rule: tags"
        ),
        "initiatives/own.yaml:5:5 key out of place: `definition` and `rule` exclude each other
  it is either a built-in definition or a rule of our own"
    );
    assert_eq!(
        set("rule: tags", "rule: tags\n    version: 1.*.*"),
        "initiatives/own.yaml:5:5 key out of place: `version` does not belong to a rule of our own"
    );
    assert_eq!(
        set("    rule: counted\n", ""),
        "initiatives/own.yaml:7:5 missing key: it has neither `definition` nor `rule`
  write `definition` for a built-in definition, or `rule` for a rule of our own
warning: initiatives/own/counted.yaml unused rule
  no member in initiatives/own.yaml says `rule: counted`"
    );
    assert_eq!(
        set("patterns: [v1]", "patterns: [v2]"),
        "initiatives/own.yaml:5:29 value not allowed: `patterns` cannot be `v2`
  allowed: `latest`, `v1`"
    );
    assert_eq!(
        set("patterns: [v1]", "effect: Deny"),
        "initiatives/own.yaml:5:18 effect set by hand: the stage of the gate sets the effect
  remove it; a gate's `target` says how far it closes"
    );
    assert_eq!(set("patterns: [v1]", "labelSelector: {matchLabels: {a: b}}"), "");
    assert_eq!(
        set("patterns: [v1]", "labelSelector: {matchLabel: {a: b}}"),
        "initiatives/own.yaml:5:33 value not allowed: `labelSelector`: unknown property `matchLabel`: did you mean `matchLabels`?"
    );
    assert_eq!(
        set("rule: counted\n", "rule: counted\n    expose: {namespaces: where}\n"),
        "initiatives/own.yaml:9:14 parameter of a rule that is not enforced: the rule is not sent to Azure, so no gate can set this
  give it a fixed value under `parameters`"
    );
}

#[test]
fn a_set_is_enforced_and_climbs_as_one() {
    assert_eq!(
        but(SET.0, "  - ref: tags\n    rule: tags\n    parameters: {patterns: [v1]}\n    expose: {strict: strictTags}\n", ""),
        "environments/dev.yaml:5:53 unknown parameter: `own` has no parameter `strictTags`
  it has none that a gate may set
initiatives/own.yaml:2:1 initiative without effect: none of these definitions can audit, deny and be disabled: there is no stage to set
  a set may hold definitions that only audit, but needs one that can deny as well
warning: initiatives/own/tags.yaml unused rule
  no member in initiatives/own.yaml says `rule: tags`"
    );
    let private = "  - {ref: private, definition: 040732e8-d947-40b8-95d6-854c95024bf8, version: 1.*.*}\n";
    assert_eq!(
        but(SET.0, "  - ref: counted", &format!("{private}  - ref: counted")),
        "initiatives/own.yaml:7:32 set of two modes: this judges Azure resources, and the member on line 4 the objects in a cluster
  a set has one effect for all: clusters report within the hour, Azure Resource Manager once a day, and its deny blocks updates of clusters; make two initiatives of it"
    );
    // What stays in audit climbs with nobody.
    let addon = "  - {ref: addon, definition: 0a15ec92-a229-4763-bb14-0ea34a568f8d, version: 1.*.*}\n";
    assert_eq!(but(SET.0, "  - ref: counted", &format!("{addon}  - ref: counted")), "");
    let audits = but(
        ENGINE.0,
        "mode: Indexed\n",
        "mode: Indexed\neffects: [AuditIfNotExists, Disabled]\n",
    );
    assert!(
        audits.starts_with("initiatives/network.yaml:2:1 initiative without effect"),
        "{audits}"
    );
}

#[test]
fn rule_files_are_checked() {
    let tags = |from: &str, to: &str| but(TAGS.0, from, to);
    for (from, to, expected) in [
        ("displayName: Tags\n", "", "initiatives/own/tags.yaml:1:1 missing key: the file has no `displayName`
  What the definition is called in the portal."),
        ("apiGroups: [\"\"]\n", "", "initiatives/own/tags.yaml:1:1 missing key: the file has no `apiGroups`
  The API groups of these kinds; the core group is the empty text."),
        ("kinds: [Pod]\napiGroups: [\"\"]\n", "", "initiatives/own/tags.yaml:1:1 missing key: the file has neither `kinds` nor `mode`
  write `kinds` for a rule for Kubernetes objects, or `mode` for a rule for Azure resources"),
        ("kinds: [Pod]", "kinds: [\"*\"]", "initiatives/own/tags.yaml:3:9 invalid value: expected a kind of Kubernetes objects such as `Pod`
  Azure takes no `*` here: name each one"),
        ("apiGroups: [\"\"]", "apiGroups: [\"*\"]", "initiatives/own/tags.yaml:4:13 invalid value: expected an API group such as `networking.k8s.io`, or the empty text for the core group
  Azure takes no `*` here: name each one"),
        ("kinds: [Pod]", "kinds: []", "initiatives/own/tags.yaml:3:8 empty list: at least one entry is needed"),
        ("type: Boolean", "type: Bool", "initiatives/own/tags.yaml:7:18 invalid value: expected `String`, `Array`, `Object`, `Boolean`, `Integer`, `Float`
  did you mean `Boolean`?"),
        ("default: false", "default: no", "initiatives/own/tags.yaml:7:36 wrong type: `strict` takes `true` or `false`, found a text"),
        ("default: [latest]", "default: [newest]", "initiatives/own/tags.yaml:6:58 value not allowed: `patterns` cannot be `newest`
  allowed: `latest`, `v1`"),
        ("default: false", "allowed: [1]", "initiatives/own/tags.yaml:7:37 wrong type: `strict` takes `true` or `false`, found `1`"),
        ("  strict:", "  Effect:", "initiatives/own/tags.yaml:7:3 reserved parameter: every rule has a parameter `effect` that aksgate adds
  give it another name"),
        ("  strict:", "  Patterns:", "initiatives/own/tags.yaml:7:3 duplicate parameter: `Patterns` differs from the one on line 6 in case only
  Azure does not tell the two apart: give it another name"),
        ("parameters:", "effects: [AuditIfNotExists, Disabled]\nparameters:", "initiatives/own/tags.yaml:5:1 effect out of place: `AuditIfNotExists` is for Azure resources: an object in a cluster has no related resource
  write `Audit`"),
        ("parameters:", "effects: [Deny, Disabled]\nparameters:", "initiatives/own/tags.yaml:5:1 missing effect: a gate begins in audit, and this rule has no effect for it
  add `Audit`"),
        ("parameters:", "effects: [Deny, Audit]\nparameters:", "initiatives/own/tags.yaml:5:1 missing effect: a rule that cannot be turned off cannot be taken back
  add `Disabled`"),
        ("parameters:", "reason: x\nparameters:", "initiatives/own/tags.yaml:5:1 key out of place: `reason` says why a rule is not enforced
  remove it, or say `enforceable: false`"),
        ("parameters:", "enforceable: false\nparameters:", "initiatives/own/tags.yaml:5:1 missing key: a rule that is not enforced has a `reason`
  say in a sentence why admission cannot decide it"),
        ("parameters:", "enforceable: true\nparameters:", ""),
    ] {
        assert_eq!(tags(from, to), expected, "{from:?} -> {to:?}");
    }
    let many: String = (0..15)
        .map(|at| format!("  p{at}: {{type: String, default: x}}\n"))
        .collect();
    assert_eq!(
        tags("parameters:\n", &format!("parameters:\n{many}")),
        "initiatives/own/tags.yaml:5:1 too many parameters: 21 with the 4 that aksgate adds; Azure takes 20
  join some of them in a list or a mapping"
    );
    assert_eq!(
        but(ENGINE.0, "mode: Indexed\n", "mode: Indexed\neffects: [AuditIfNotExists, Deny, Disabled]\n"),
        "initiatives/network/engine.yaml:3:1 effect out of place: one rule cannot be both: `AuditIfNotExists` looks at a related resource, and these at the resource
  leave `AuditIfNotExists` out, or keep it and `Disabled` alone"
    );
    assert_eq!(
        but(ENGINE.0, "mode: Indexed\n", "mode: Indexed\nenforceable: false\n"),
        "initiatives/network/engine.yaml:3:1 key out of place: `enforceable` does not belong to a rule for Azure resources"
    );
}

#[test]
fn the_code_stands_beside_its_rule() {
    assert_eq!(
        without(TAGS_REGO.0),
        "initiatives/own/tags.yaml rule without code: there is no `initiatives/own/tags.rego`
  write the rule in Rego, with `violation[{\"msg\": msg}]`"
    );
    assert_eq!(
        without(ENGINE_JSON.0),
        "initiatives/network/engine.yaml rule without code: there is no `initiatives/network/engine.json`
  write the rule as Azure's `policyRule`: an object with `if` and `then`"
    );
    assert_eq!(
        but("initiatives/own/tags.json", "", "{}"),
        "initiatives/own/tags.json file of another sort of rule: initiatives/own/tags.yaml is a rule for Kubernetes objects, which stands in a `.rego`
  remove it, or give it a rule file of its own"
    );
    assert_eq!(
        but("initiatives/own/extra.rego", "", "package x"),
        "warning: initiatives/own/extra.rego file is not read
  it needs a rule file beside it: initiatives/own/extra.yaml"
    );
    assert_eq!(
        but(TAGS_REGO.0, "input.review", "data.inventory.cluster"),
        "initiatives/own/tags.rego:4:9 replicated data: other objects of the cluster are not there: Azure replicates data for its own definitions only
  judge the object alone, or set `enforceable: false` with a `reason` in the rule's file: it is then not sent to Azure"
    );
    assert_eq!(
        but(ENGINE_JSON.0, "\"if\"", "if"),
        "initiatives/network/engine.json:2:3 invalid JSON: key must be a string"
    );
    assert_eq!(
        but(ENGINE_JSON.0, "parameters('engines')", "parameters('engine')"),
        "initiatives/network/engine.json unused parameter: the rule does not use `engines`, and Azure refuses that
  use it as \"[parameters('NAME')]\", or take it out of the rule file
initiatives/network/engine.json:4:43 unknown parameter: the rule file declares no `engine`
  did you mean `engines`?"
    );
    let mut latin = estate();
    latin.iter_mut().find(|file| file.path == TAGS_REGO.0).unwrap().content = b"package \xfc".to_vec();
    assert_eq!(
        wrong(&latin),
        "initiatives/own/tags.rego file is not UTF-8
  save it as UTF-8"
    );
}

#[test]
fn only_what_lies_in_a_sets_folder_is_read() {
    for path in [
        "initiatives/own/tests/tags/suite.yaml",
        "initiatives/own/.tags.rego.swp",
        "initiatives/.own/x.yaml",
    ] {
        assert_eq!(but(path, "", ": no yaml ["), "", "{path}");
    }
    assert_eq!(
        but("initiatives/own/readme.md", "", "# x"),
        "warning: initiatives/own/readme.md file is not read
  a rule is a `.yaml` with a `.rego` or a `.json` beside it"
    );
    assert_eq!(
        but("initiatives/own/more.yml", "", "x"),
        "warning: initiatives/own/more.yml file is not read
  rename it to `more.yaml`"
    );
    let long = "a".repeat(49);
    let files = [("yaml", TAGS.1.to_owned()), ("rego", TAGS_REGO.1.to_owned())];
    let mut estate = estate();
    estate.extend(files.map(|(ending, text)| SourceFile {
        path: format!("initiatives/own/{long}.{ending}"),
        content: text.into_bytes(),
    }));
    let said = wrong(&estate);
    assert!(
        said.contains("rule name too long: its constraints would be called `AksgateA"),
        "{said}"
    );
    assert!(said.contains("unused rule"), "{said}");
}
