//! The suites of the rules that this project brings: each says what it should, and falls silent with its rule.
#![expect(clippy::disallowed_methods, reason = "the suites of the repository are read here")]

use super::*;
use crate::rules::Template;
use crate::rules::suite::{self, Files, Outcome, Selection, Suite};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn initiatives() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("initiatives")
}

/// Returns the rules that the repository brings, by set and name.
fn shipped() -> BTreeMap<(String, String), Rule> {
    let found = crate::store::read_files(
        Path::new(env!("CARGO_MANIFEST_DIR")),
        &["environments", "initiatives", "initiatives/*"],
        1 << 21,
    );
    let files: Vec<SourceFile> = found
        .unwrap()
        .into_iter()
        .map(|(path, content)| SourceFile { path, content })
        .collect();
    let (estate, diagnostics) = load(&files, Catalog::embedded());
    let estate = estate.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let mut rules = BTreeMap::new();
    for (set, initiative) in estate.initiatives {
        let Initiative::Own { members, .. } = initiative else {
            continue;
        };
        for member in members {
            if let MemberDefinition::Rule(rule) = member.definition {
                rules.insert((set.clone(), rule.name.clone()), *rule);
            }
        }
    }
    rules
}

/// Returns what the suite in a folder finds wrong with a template, a line for each.
fn run(folder: &Path, template: &Template) -> Vec<String> {
    let path = folder.join("suite.yaml");
    let content = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let suite = Suite::parse("suite.yaml", &content).unwrap();
    let files = Files {
        read: &|path| std::fs::read(folder.join(path)).map_err(|error| error.to_string()),
        // The suite names the rule's file, which is no ConstraintTemplate.
        template: &|_| Some(Ok(template.clone())),
    };
    let result = suite::run(&suite, &files, &Selection::default());
    let mut wrong = Vec::new();
    let mut count = 0;
    for test in &result.tests {
        if let (Outcome::Failed(reason) | Outcome::NotRun(reason), []) = (&test.outcome, test.cases.as_slice()) {
            wrong.push(format!("{}: {reason}", test.name));
        }
        for case in &test.cases {
            count += 1;
            if case.outcome != Outcome::Passed {
                wrong.push(format!("{} / {}: {:?}", test.name, case.name, case.outcome));
            }
        }
    }
    assert!(count > 0 || !wrong.is_empty(), "{}: no case", path.display());
    wrong
}

#[test]
fn every_rule_does_what_its_suite_says() {
    let mut count = 0;
    for ((set, name), rule) in shipped() {
        let Some(template) = rule.template() else { continue };
        let folder = initiatives().join(&set).join("tests").join(&name);
        let wrong = run(&folder, &template);
        assert!(wrong.is_empty(), "{set}/{name}:\n{}", wrong.join("\n"));
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn an_emptied_rule_fails_its_suite() {
    let empty = "package empty\n\nviolation[{\"msg\": msg}] {\n\tfalse\n\tmsg := \"\"\n}\n";
    for ((set, name), rule) in shipped() {
        let Some(template) = rule.template() else { continue };
        let emptied = Template::from_rego(template.kind(), rule.parameter_schema(), empty);
        let folder = initiatives().join(&set).join("tests").join(&name);
        assert!(!run(&folder, &emptied).is_empty(), "{set}/{name}");
        let always = empty.replace("\tfalse\n", "");
        let always = Template::from_rego(template.kind(), rule.parameter_schema(), &always);
        assert!(!run(&folder, &always).is_empty(), "{set}/{name} refuses everything");
    }
}

#[test]
fn every_object_of_a_suite_is_used() {
    for (set, name) in shipped().into_keys() {
        let folder = initiatives().join(&set).join("tests").join(&name);
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        let suite = std::fs::read_to_string(folder.join("suite.yaml")).unwrap();
        for entry in entries {
            let file = entry.unwrap().file_name().to_string_lossy().into_owned();
            assert!(file == "suite.yaml" || suite.contains(&file), "{set}/{name}: {file}");
        }
    }
}
