//! Tests of reading manifests.

use super::*;
use serde_json::json;

fn values(text: &str) -> Vec<Value> {
    read("f.yaml", text.as_bytes())
        .unwrap()
        .into_iter()
        .map(|manifest| manifest.value)
        .collect()
}

fn wrong(text: &str) -> String {
    let errors = read("f.yaml", text.as_bytes()).unwrap_err();
    let show = |error: &Diagnostic| {
        let (line, column) = error.span.map_or((0, 0), |span| (span.line, span.column));
        format!("{line}:{column} {}: {}", error.summary, error.label)
    };
    errors.iter().map(show).collect::<Vec<_>>().join("\n")
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn yaml_is_read_as_gatekeeper_reads_it() {
    let listed = include_str!("../../docs/rules.md");
    let mut differing = Vec::new();
    for line in include_str!("../../tests/data/oracle/yaml.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let read = read("f.yaml", line["document"].as_str().unwrap().as_bytes());
        let same = match &read {
            Ok(manifests) => !line["failed"].as_bool().unwrap() && equal(&manifests[0].value["data"], &line["json"]),
            Err(_) => line["failed"].as_bool().unwrap(),
        };
        let row = format!("| `{}` |", line["yaml"].as_str().unwrap());
        if same == listed.lines().any(|line| line.starts_with(&row)) {
            differing.push(format!(
                "{} {} ours {read:?} theirs {}",
                line["id"], line["yaml"], line["json"]
            ));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn a_file_can_hold_many_documents_and_empty_ones_are_none() {
    assert_eq!(
        values("---\n# nothing\n---\na: 1\n---\n\n---\nb: 2\n...\n"),
        [json!({"a": 1}), json!({"b": 2})]
    );
    assert!(values("").is_empty());
    let manifests = read("f.yaml", b"a: 1\n---\nb: 2\n").unwrap();
    assert_eq!(
        manifests.iter().map(|manifest| manifest.span.line).collect::<Vec<_>>(),
        [1, 3]
    );
}

#[test]
fn json_is_read_as_json() {
    assert_eq!(
        values("{\"a\":\t\"yes\", \"b\": 0.5}\n{\"c\": \"\\/\"}"),
        [json!({"a": "yes", "b": 0.5}), json!({"c": "/"})]
    );
    assert_eq!(values("{a: yes}"), [json!({"a": true})]);
}

#[test]
fn an_anchor_holds_within_its_document() {
    assert_eq!(values("a: &x [1]\nb: *x\n"), [json!({"a": [1], "b": [1]})]);
    assert_eq!(
        wrong("a: &x 1\n---\nb: *x\n"),
        "3:4 unknown anchor: there is no `&x` before this"
    );
}

#[test]
fn of_merged_mappings_the_first_counts_most() {
    let text = "a: &a {x: 1, w: 1}\nb: &b {x: 2, z: 2}\nc:\n  <<: [*a, *b]\n  w: 3\n";
    assert_eq!(values(text)[0]["c"], json!({"x": 1, "w": 3, "z": 2}));
    assert_eq!(
        wrong("a:\n  <<: 3\n"),
        "2:7 merge key: only a mapping, or a list of mappings, can be merged"
    );
}

#[test]
fn what_is_too_much_is_refused_and_never_made() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(wrong(&bomb).contains("file too large"), "{}", wrong(&bomb));
    let deep = format!("a: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(wrong(&deep).contains("levels deep"), "{}", wrong(&deep));
    let mut high = "a0: &a0 [x]\n".to_owned();
    for level in 1..150 {
        high.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(wrong(&high).contains("levels deep"), "{}", wrong(&high));
}
