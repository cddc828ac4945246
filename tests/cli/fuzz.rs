//! What comes from outside, damaged: estates, plan files, journals, and what Azure answers. Nothing of it may end in a panic, or in no end.
//!
//! Each target is a plain function of bytes, as fuzzers want it. Here it gets sound files with some of their bytes or values changed, which
//! comes further than noise does.

use crate::harness::{Folder, root};
use aksgate::config::{SourceFile, outline};
use aksgate::journal::Run;
use aksgate::kinds::{Kind, Meanings};
use aksgate::plan::file;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::fs;
use std::sync::OnceLock;

const CASES: u32 = 150;

/// The shipped estate with other bytes for its environment `dev`.
fn environment(data: &[u8]) {
    estate_with("environments/dev.yaml", data);
}

/// The shipped estate with other bytes for an initiative.
fn initiative(data: &[u8]) {
    estate_with("initiatives/exposure.yaml", data);
}

/// The shipped estate with other bytes for `aksgate.yaml`.
fn estate(data: &[u8]) {
    estate_with("aksgate.yaml", data);
}

fn plan_file(data: &[u8]) {
    let _ = file::from_text(&String::from_utf8_lossy(data));
}

fn journal(data: &[u8]) {
    let _ = Run::parse(data);
}

/// An answer of Azure about one object, taken for each kind.
fn answer(data: &[u8]) {
    let Ok(wire) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    for kind in Kind::ALL {
        let comparable = kind.comparable(&wire);
        let merged = kind.merged(&comparable, Some(&wire));
        let again = kind.comparable(&merged);
        kind.directions(Some(&comparable), Some(&again), &Meanings::default());
        kind.directions(Some(&json!({})), Some(&comparable), &Meanings::default());
    }
}

fn estate_with(path: &str, data: &[u8]) {
    static FILES: OnceLock<Vec<SourceFile>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let mut files = vec![source("aksgate.yaml")];
        for folder in ["environments", "initiatives"] {
            for entry in fs::read_dir(root().join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".yaml") {
                    files.push(source(&format!("{folder}/{name}")));
                }
            }
        }
        files
    });
    let mut files = files.clone();
    let changed = files.iter_mut().find(|file| file.path == path).unwrap();
    changed.content = data.to_vec();
    let _ = outline(&files);
}

fn source(path: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        content: fs::read(root().join(path)).unwrap(),
    }
}

/// A saved plan, a journal, and the documents of a sandbox in which something was applied.
fn seeds() -> &'static (Vec<u8>, Vec<u8>, Vec<Value>) {
    static SEEDS: OnceLock<(Vec<u8>, Vec<u8>, Vec<Value>)> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let folder = Folder::shipped();
        folder.run("plan dev --sandbox --out plan.json").expect(0);
        folder.run("apply dev --sandbox --yes --quiet").expect(0);
        let runs = fs::read_dir(folder.path(".aksgate/runs")).unwrap();
        let journal = runs
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .unwrap();
        let resources = folder.resources(|_, _| true).into_iter().map(|(_, resource)| resource);
        (
            fs::read(folder.path("plan.json")).unwrap(),
            fs::read(journal).unwrap(),
            resources.collect(),
        )
    })
}

/// What is done to bytes: some are replaced, left out, or repeated.
#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Cut(Index, usize),
    Repeat(Index, usize, usize),
    End(Index),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let bytes = prop::sample::select(b"\0\n\t \"'{}[]:,-&*!|>#%0~\xff\xc3".to_vec());
    let one = prop_oneof![
        4 => (any::<Index>(), bytes).prop_map(|(at, byte)| Damage::Set(at, byte)),
        2 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Damage::Cut(at, length)),
        2 => (any::<Index>(), 1..40_usize, 1..30_usize).prop_map(|(at, length, times)| Damage::Repeat(at, length, times)),
        1 => any::<Index>().prop_map(Damage::End),
    ];
    prop::collection::vec(one, 1..5)
}

fn damaged(seed: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut data = seed.to_vec();
    for damage in damages.iter().filter(|_| !seed.is_empty()) {
        if data.is_empty() {
            break;
        }
        match damage {
            Damage::Set(at, byte) => *at.get_mut(&mut data) = *byte,
            Damage::Cut(at, length) => {
                let start = at.index(data.len());
                data.drain(start..(start + length).min(data.len()));
            }
            Damage::Repeat(at, length, times) => {
                let start = at.index(data.len());
                let part = data[start..(start + length).min(data.len())].repeat(*times);
                data.splice(start..start, part);
            }
            Damage::End(at) => data.truncate(at.index(data.len())),
        }
    }
    data
}

/// A value that is somewhere where another one was expected.
fn odd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(""),
        json!("[parameters('x')]"),
        json!("/subscriptions//providers/"),
        json!([]),
        json!([null, {}, [[]]]),
        json!({}),
        json!({"properties": {"properties": []}, "": null}),
    ])
}

/// Puts a value into the place of one within another.
fn replaced(mut document: Value, way: &[Index], odd: Value) -> Value {
    fn replace(value: &mut Value, way: &[Index], odd: Value) {
        match (way.split_first(), value) {
            (Some((first, rest)), Value::Object(object)) if !object.is_empty() => {
                let key = object.keys().nth(first.index(object.len())).unwrap().clone();
                replace(&mut object[&key], rest, odd);
            }
            (Some((first, rest)), Value::Array(items)) if !items.is_empty() => {
                replace(first.get_mut(items), rest, odd);
            }
            (_, value) => *value = odd,
        }
    }
    replace(&mut document, way, odd);
    document
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_estate_is_read_or_refused(damages in damage()) {
        environment(&damaged(&fs::read(root().join("environments/dev.yaml")).unwrap(), &damages));
        initiative(&damaged(&fs::read(root().join("initiatives/exposure.yaml")).unwrap(), &damages));
        estate(&damaged(&fs::read(root().join("aksgate.yaml")).unwrap(), &damages));
    }

    #[test]
    fn a_damaged_plan_file_is_read_or_refused(damages in damage()) {
        plan_file(&damaged(&seeds().0, &damages));
    }

    #[test]
    fn a_plan_file_with_odd_values_is_read_or_refused(way in prop::collection::vec(any::<Index>(), 1..7), odd in odd()) {
        let document = serde_json::from_slice(&seeds().0).unwrap();
        plan_file(replaced(document, &way, odd).to_string().as_bytes());
    }

    #[test]
    fn a_damaged_journal_is_read_or_refused(damages in damage()) {
        journal(&damaged(&seeds().1, &damages));
    }

    #[test]
    fn an_odd_answer_is_compared_and_merged(
        which in any::<Index>(),
        ways in prop::collection::vec((prop::collection::vec(any::<Index>(), 1..7), odd()), 1..4),
    ) {
        let mut document = which.get(&seeds().2).clone();
        for (way, odd) in ways {
            document = replaced(document, &way, odd);
        }
        answer(document.to_string().as_bytes());
    }
}
