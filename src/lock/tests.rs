//! What a lock holds, how pins are resolved, and what differs.

use super::*;
use crate::config::{self, SourceFile};
use serde_json::json;

const NAME: &str = "021f8078-41a0-40e6-81b6-c6597da9f3ee";
const SET: &str = "a8640138-9b0a-4a28-b8cb-1666c838647d";

fn pinned(sort: Sort, name: &str, pin: &str) -> Pinned {
    Pinned {
        sort,
        name: name.to_owned(),
        pin: VersionPin::parse(pin),
    }
}

/// What Azure serves, as the sandbox has it.
fn served(sort: Sort, name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../sandbox/builtins/data.json")).unwrap();
    let mut documents = all[format!("{}s", sort.name())].as_array().unwrap().iter();
    documents.find(|document| document["name"] == name).unwrap().clone()
}

fn read(sort: Sort, name: &str, version: Option<&str>) -> Read {
    Read {
        sort,
        name: name.to_owned(),
        version: version.map(str::to_owned),
    }
}

/// A definition of these versions, the first one the newest.
fn definition(versions: &[&str]) -> Value {
    let mut document = served(Sort::PolicyDefinition, NAME);
    document["properties"]["version"] = json!(versions[0]);
    document["properties"]["versions"] = json!(versions);
    document
}

fn live(document: Value) -> Live {
    Live::from([(read(Sort::PolicyDefinition, NAME, None), Some(document))])
}

fn entry(version: &str, content: &str) -> Entry {
    Entry {
        title: "T".into(),
        version: version.into(),
        content: content.into(),
    }
}

fn names(changes: &[Change]) -> Vec<&'static str> {
    changes.iter().map(Change::name).collect()
}

#[test]
fn what_people_read_is_no_content_and_what_acts_is() {
    let document = served(Sort::PolicyDefinition, NAME);
    let hash = content::content(&document).unwrap();
    let changed = |pointer: &str, value: Value| {
        let mut document = document.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        content::content(&document).unwrap() != hash
    };
    assert!(!changed("/properties/displayName", json!("Other")));
    assert!(!changed(
        "/properties/metadata",
        json!({"category": "Other", "deprecated": true})
    ));
    assert!(!changed(
        "/properties/parameters/effect/metadata",
        json!({"displayName": "Other"})
    ));
    assert!(
        !changed("/properties/parameters/effect/type", json!("string")),
        "types have no casing"
    );
    assert!(!changed("/properties/version", json!("2.0.2")));
    assert!(changed("/properties/mode", json!("All")));
    assert!(changed("/properties/parameters/effect/defaultValue", json!("Deny")));
    assert!(changed("/properties/parameters/effect/allowedValues", json!(["Audit"])));
    assert!(changed("/properties/parameters/warn", json!({"type": "Boolean"})));
    assert!(changed(
        "/properties/policyRule/then/details/templateInfo/url",
        json!("https://elsewhere.invalid/x.yaml")
    ));
    assert!(changed(
        "/properties/policyRule/if",
        json!({"field": "type", "equals": "x"})
    ));
    assert!(
        content::content(&json!({"properties": {"mode": "All"}})).is_err(),
        "no rule is no content"
    );
}

#[test]
fn the_members_of_a_set_act_and_their_order_does_not() {
    let document = served(Sort::PolicySetDefinition, SET);
    let hash = content::content(&document).unwrap();
    let with = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut document = document.clone();
        let members = document["properties"]["policyDefinitions"].as_array_mut().unwrap();
        change(members);
        content::content(&document).unwrap()
    };
    assert_eq!(with(&|members| members.reverse()), hash);
    assert_eq!(with(&|members| members[0]["groupNames"] = json!(["other"])), hash);
    assert_ne!(with(&|members| members[0]["definitionVersion"] = json!("1.*.*")), hash);
    assert_ne!(
        with(&|members| members[0]["parameters"]["effect"]["value"] = json!("Disabled")),
        hash
    );
    assert_ne!(with(&|members| drop(members.pop())), hash);
}

#[test]
fn a_pin_is_resolved_as_azure_does() {
    let versions = ["10.0.0", "9.3.0-PREVIEW", "9.10.1", "9.2.0", "9.2.4"];
    let check = |pin: &str, expected: Option<(&str, bool)>| {
        let mut live = live(definition(&versions));
        let pinned = pinned(Sort::PolicyDefinition, NAME, pin);
        let mut uses = Uses::from([(pinned.clone(), Use::default())]);
        let missing = next_reads(&mut uses, &live);
        let older = expected.filter(|(_, older)| *older).map(|(version, _)| version);
        let wanted: BTreeSet<Read> = older
            .map(|version| read(Sort::PolicyDefinition, NAME, Some(version)))
            .into_iter()
            .collect();
        assert_eq!(missing, wanted, "{pin}");
        for read in missing {
            let mut document = definition(&[read.version.as_deref().unwrap()]);
            document["properties"].as_object_mut().unwrap().remove("versions");
            live.insert(read, Some(document));
        }
        assert!(next_reads(&mut uses, &live).is_empty());
        let found = match resolve(&pinned, &live) {
            Answer::Found(found) => Some(found.version),
            Answer::NoVersion { .. } => None,
            other => panic!("{pin}: {other:?}"),
        };
        assert_eq!(found.as_deref(), expected.map(|(version, _)| version), "{pin}");
    };
    check("10.*.*", Some(("10.0.0", false)));
    check("9.*.*", Some(("9.10.1", true)));
    check("9.2.*", Some(("9.2.4", true)));
    check("9.*.*-preview", Some(("9.3.0-PREVIEW", true)));
    check("8.*.*", None);
    check("", Some(("10.0.0", false)));
}

#[test]
fn members_of_a_set_are_read_after_it_and_once() {
    let set = pinned(Sort::PolicySetDefinition, SET, "1.*.*");
    let by = BTreeSet::from([("baseline".to_owned(), None)]);
    let mut uses = Uses::from([(set, Use { direct: true, by })]);
    let mut live = Live::new();
    assert_eq!(
        next_reads(&mut uses, &live),
        BTreeSet::from([read(Sort::PolicySetDefinition, SET, None)])
    );
    live.insert(
        read(Sort::PolicySetDefinition, SET, None),
        Some(served(Sort::PolicySetDefinition, SET)),
    );
    let members = next_reads(&mut uses, &live);
    assert_eq!(members.len(), 5);
    assert_eq!(uses.len(), 6);
    let indirect: Vec<&Use> = uses.values().filter(|used| !used.direct).collect();
    assert_eq!(indirect.len(), 5);
    assert!(
        indirect
            .iter()
            .all(|used| users(used).starts_with("member `") && users(used).ends_with("` of `baseline`"))
    );
    for read in members {
        live.insert(read.clone(), None); // ARM says that it is absent
    }
    assert!(next_reads(&mut uses, &live).is_empty());
}

#[test]
fn an_api_version_without_versions_tells_of_the_newest_one() {
    let mut document = definition(&["2.0.1"]);
    let properties = document["properties"].as_object_mut().unwrap();
    properties.remove("version");
    properties.remove("versions");
    properties["metadata"]["version"] = json!("3.1.0-deprecated");
    properties["metadata"]["deprecated"] = json!(true);
    let live = live(document);
    let pinned = pinned(Sort::PolicyDefinition, NAME, "2.*.*");
    let mut uses = Uses::from([(pinned.clone(), Use::default())]);
    assert!(next_reads(&mut uses, &live).is_empty());
    let Answer::Found(found) = resolve(&pinned, &live) else {
        panic!("it is there")
    };
    assert_eq!((found.version.as_str(), found.deprecated), ("3.1.0", true));
}

#[test]
fn every_difference_has_its_name() {
    let pinned = pinned(Sort::PolicyDefinition, NAME, "2.*.*");
    let hash = content::content(&definition(&["2.0.1"])).unwrap();
    let check = |locked: Option<Entry>, versions: &[&str], change: &dyn Fn(&mut Value), expected: &[&str]| {
        let mut document = definition(versions);
        change(&mut document);
        let answer = resolve(&pinned, &live(document));
        let changes = compare(&pinned, locked.as_ref(), &answer, true);
        assert_eq!(names(&changes), expected);
        for change in changes {
            let sentence = change.sentence(&pinned);
            assert!(!sentence.ends_with('.') && sentence.len() > 10, "{sentence}");
        }
    };
    let locked = || Some(entry("2.0.1", &hash));
    let same = |_: &mut Value| {};
    check(locked(), &["2.0.1"], &same, &[]);
    check(None, &["2.0.1"], &same, &["not-locked"]);
    check(locked(), &["2.1.0", "2.0.1"], &same, &["moved"]);
    check(Some(entry("2.0.1", "other")), &["2.0.1"], &same, &["content-changed"]);
    check(
        locked(),
        &["2.0.1", "3.0.0", "3.1.0", "4.0.0-PREVIEW"],
        &same,
        &["newer-version"],
    );
    check(locked(), &["3.0.0"], &same, &["withdrawn"]);
    let mark = |name: &'static str| move |document: &mut Value| document["properties"]["metadata"][name] = json!(true);
    check(locked(), &["2.0.1"], &mark("deprecated"), &["deprecated"]);
    check(locked(), &["2.0.1"], &mark("preview"), &["preview"]);
    let ruleless = |document: &mut Value| drop(document["properties"].as_object_mut().unwrap().remove("policyRule"));
    check(locked(), &["2.0.1"], &ruleless, &["not-understood"]);
    let gone = Live::from([(read(Sort::PolicyDefinition, NAME, None), None)]);
    assert_eq!(
        names(&compare(&pinned, locked().as_ref(), &resolve(&pinned, &gone), true)),
        ["removed"]
    );
    // What a set of Azure's pins is not the estate's to move.
    let newer = resolve(&pinned, &live(definition(&["2.0.1", "3.0.0"])));
    assert_eq!(compare(&pinned, locked().as_ref(), &newer, false), []);
}

fn renewed(old: &CloudLock, document: Option<Value>, upgrade: bool) -> Renewal {
    let pinned = pinned(Sort::PolicyDefinition, NAME, "2.*.*");
    let uses = Uses::from([(
        pinned,
        Use {
            direct: true,
            by: BTreeSet::from([("images".to_owned(), None)]),
        },
    )]);
    let live = Live::from([(read(Sort::PolicyDefinition, NAME, None), document)]);
    renew(
        Some(old),
        (&uses, &live),
        &|_, _| upgrade,
        true,
        (Catalog::embedded(), "https://arm"),
    )
}

#[test]
fn nothing_that_is_locked_moves_by_itself() {
    let first = renewed(&CloudLock::default(), Some(definition(&["2.0.1"])), false);
    assert_eq!(first.rows[0].action, Action::Add);
    assert_eq!(first.lock.source, "https://arm");
    assert!(first.lock.facts.is_empty(), "the catalogue knows it");
    let again = renewed(&first.lock, Some(definition(&["2.0.1"])), false);
    assert_eq!((again.rows[0].action, &again.lock), (Action::Same, &first.lock));

    let newer = || Some(definition(&["2.1.0", "2.0.1"]));
    let kept = renewed(&first.lock, newer(), false);
    assert_eq!((kept.rows[0].action, &kept.lock), (Action::Keep, &first.lock));
    let gone = renewed(&first.lock, None, true);
    assert_eq!(
        (gone.rows[0].action, &gone.lock),
        (Action::Keep, &first.lock),
        "what is gone stays locked, and is said"
    );

    let upgraded = renewed(&first.lock, newer(), true);
    assert_eq!(upgraded.rows[0].action, Action::Upgrade);
    let facts = &upgraded.lock.facts[&(Sort::PolicyDefinition, NAME.to_owned())];
    assert_eq!(
        (&facts["listed"], &facts["current"]["version"]),
        (&json!(["2.1.0"]), &json!("2.1.0"))
    );
    let later = renewed(&upgraded.lock, Some(definition(&["2.2.0", "2.1.0"])), false);
    assert_eq!(later.lock, upgraded.lock, "facts of what is locked stay too");

    let unused = renew(
        Some(&first.lock),
        (&Uses::new(), &Live::new()),
        &|_, _| false,
        true,
        (Catalog::embedded(), "x"),
    );
    assert_eq!((unused.rows[0].action, unused.lock.entries.len()), (Action::Remove, 0));
    let part = renew(
        Some(&first.lock),
        (&Uses::new(), &Live::new()),
        &|_, _| false,
        false,
        (Catalog::embedded(), "x"),
    );
    assert_eq!(
        (part.rows.len(), &part.lock),
        (0, &first.lock),
        "what was not asked about stays"
    );
    let typo = renewed(&CloudLock::default(), None, false);
    assert_eq!((typo.rows[0].action, typo.lock.entries.len()), (Action::Fail, 0));
}

#[test]
fn what_the_catalogue_does_not_know_comes_with_its_facts() {
    let mut document = definition(&["2.0.1"]);
    document["properties"]["metadata"]["deprecated"] = json!(true);
    let deprecated = renewed(&CloudLock::default(), Some(document), false);
    let lock = Lock {
        clouds: BTreeMap::from([("public".to_owned(), deprecated.lock)]),
    };
    assert!(lock.joined(Catalog::embedded()).definition(NAME).unwrap().deprecated);

    let mut document = definition(&["2.1.0", "2.0.1"]);
    document["properties"]["parameters"]["fresh"] = json!({"type": "String"});
    let newer = renewed(&CloudLock::default(), Some(document), false);
    let lock = Lock {
        clouds: BTreeMap::from([("usgov".to_owned(), newer.lock)]),
    };
    let read = file::parse(file::text(&lock).as_bytes()).unwrap();
    assert_eq!(read, lock);
    let joined = read.joined(Catalog::embedded());
    let definition = joined.definition(NAME).unwrap();
    assert!(
        definition
            .at(&VersionPin::parse("2.*.*").unwrap())
            .facts()
            .unwrap()
            .parameters
            .contains_key("fresh")
    );
    assert_eq!(definition.known_versions().count(), 2);

    let mut document = self::definition(&["2.1.0"]);
    document["properties"]["parameters"]["effect"]["type"] = json!("Riddle");
    let strange = renewed(&CloudLock::default(), Some(document), false);
    assert_eq!(
        strange.rows[0].action,
        Action::Add,
        "its version and content can be locked all the same"
    );
    assert!(strange.lock.facts.is_empty());
    assert!(strange.rows[0].without_facts.as_ref().unwrap().contains("Riddle"));
}

/// The lock that the project's own estate comes with.
const SHIPPED: &str = include_str!("../../aksgate.lock");

#[test]
fn a_lock_is_written_as_it_was_read_one_line_a_built_in() {
    let lock = file::parse(SHIPPED.as_bytes()).unwrap();
    assert_eq!(file::text(&lock), SHIPPED);
    let public = &lock.clouds["public"];
    assert_eq!(public.source, "sandbox");
    assert_eq!(SHIPPED.matches("\n{\"title\"").count(), public.entries.len());
}

#[test]
fn a_broken_lock_is_told_with_its_place() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(SHIPPED.contains(from), "{from}");
        let wrong = file::parse(SHIPPED.replacen(from, to, 1).as_bytes()).unwrap_err();
        let place = wrong
            .span
            .map_or(String::new(), |span| format!("{}:{} ", span.line, span.column));
        assert_eq!(format!("{place}{}: {}", wrong.summary, wrong.label), expected);
        assert!(!wrong.hints.is_empty());
    };
    check(
        "\"clouds\"",
        "<<<<<<< HEAD\n\"clouds\"",
        "4:1 broken lock file: key must be a string",
    );
    check(
        "\"formatVersion\": 1",
        "\"formatVersion\": 2",
        "lock file of another version: it has format version 2, this version of aksgate reads 1",
    );
    check(
        "\"formatVersion\": 1",
        "\"formatVersio\": 1",
        "2:14 broken lock file: unknown field `formatVersio`, expected one of `formatVersion`, `about`, `clouds`",
    );
    check(
        "\"public\"",
        "\"moon\"",
        "5:6 broken lock file: unknown field `moon`, expected one of `public`, `usgov`, `china`",
    );
    check(
        "\"2.5.0\"",
        "\"2.*.*\"",
        "8:205 broken lock file: `2.*.*` is no version such as `1.2.0`",
    );
    let first = SHIPPED.lines().find(|line| line.starts_with("{\"title\"")).unwrap();
    let content = &first[first.len() - 68..first.len() - 3];
    assert_eq!(content.len(), 65);
    check(
        content,
        "\"short",
        &format!(
            "8:{} broken lock file: is no SHA-256 in lower-case hexadecimal",
            first.len() - 60 // just behind the text
        ),
    );
    check(
        first,
        &format!("{first}\n{first}"),
        &format!(
            "broken lock file: policy set definition {} 2.*.* stands there twice",
            "42b8ef37-b724-4e24-bbc8-7a7708edfe00"
        ),
    );
    assert!(file::parse(b"\xff").is_err());
    assert!(file::parse(b"").is_err());
    assert!(file::parse(b"[]").is_err());
}

fn shipped() -> Estate {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        content: text.as_bytes().to_vec(),
    };
    let files = [
        file("aksgate.yaml", include_str!("../../aksgate.yaml")),
        file("environments/dev.yaml", include_str!("../../environments/dev.yaml")),
        file(
            "initiatives/exposure.yaml",
            include_str!("../../initiatives/exposure.yaml"),
        ),
        file(
            "initiatives/exposure/no-node-port.rego",
            include_str!("../../initiatives/exposure/no-node-port.rego"),
        ),
        file(
            "initiatives/exposure/no-node-port.yaml",
            include_str!("../../initiatives/exposure/no-node-port.yaml"),
        ),
        file(
            "initiatives/image-governance.yaml",
            include_str!("../../initiatives/image-governance.yaml"),
        ),
        file(
            "initiatives/pod-security-baseline.yaml",
            include_str!("../../initiatives/pod-security-baseline.yaml"),
        ),
        file(
            "initiatives/pod-security-restricted.yaml",
            include_str!("../../initiatives/pod-security-restricted.yaml"),
        ),
    ];
    config::load(&files, Catalog::embedded()).0.unwrap()
}

#[test]
fn a_plan_holds_what_nobody_accepted_and_refuses_what_is_gone() {
    let estate = shipped();
    let environment = &estate.environments["dev"];
    let lock = file::parse(SHIPPED.as_bytes()).unwrap();
    let gates = ["image-governance".to_owned()];
    let uses = in_use(&estate, environment, &gates);
    let others = [
        "febd0533-8e55-448f-b837-bd0e06f16469",
        "50c83470-d2f0-4dda-a716-1938a4825f62",
    ];
    assert_eq!(uses.len(), 1 + others.len());
    let live = |document: Option<Value>| {
        let kind = Sort::PolicyDefinition;
        let others = others.map(|other| (read(kind, other, None), Some(served(kind, other))));
        let mut live = Live::from(others);
        live.insert(read(kind, NAME, None), document);
        live
    };
    let judged = |lock: Option<&Lock>, live: &Live| judge(lock, environment, &gates, (&uses, live));
    let as_locked = live(Some(served(Sort::PolicyDefinition, NAME)));
    assert_eq!(judged(Some(&lock), &as_locked), Judgement::default());

    let mut document = served(Sort::PolicyDefinition, NAME);
    document["properties"]["mode"] = json!("All");
    let drifted = judged(Some(&lock), &live(Some(document)));
    assert_eq!(drifted.findings.len(), 1);
    assert_eq!(drifted.findings[0].subject, "image-governance");
    assert!(
        drifted.findings[0]
            .sentence
            .contains("Azure changed it under the same version")
    );
    assert!(drifted.unaccepted["image-governance"][0].differs);

    let gone = judged(Some(&lock), &live(None));
    assert_eq!(gone.lost.len(), 1);
    assert!(
        gone.lost[0].contains("member `noLatestTag` of `image-governance`"),
        "{}",
        gone.lost[0]
    );
    assert!(
        gone.lost[0].contains("should not include latest image tag"),
        "its title is in the lock"
    );

    let unknown = judged(Some(&Lock::default()), &as_locked);
    assert_eq!(unknown.findings.len(), 1, "one finding, not one for each");
    assert!(!unknown.unaccepted["image-governance"][0].differs);
    let without = judged(None, &Live::new());
    assert_eq!((without.findings.len(), without.unaccepted.len()), (1, 0));
    assert!(
        judge(None, environment, &["none".to_owned()], (&Uses::new(), &Live::new()))
            .findings
            .is_empty()
    );
}
