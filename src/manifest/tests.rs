//! Tests of reading manifests.

use super::*;
use proptest::prelude::*;
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
    assert!(wrong(&bomb).contains("document too large"), "{}", wrong(&bomb));
    let deep = format!("a: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(wrong(&deep).contains("levels deep"), "{}", wrong(&deep));
    let mut high = "a0: &a0 [x]\n".to_owned();
    for level in 1..150 {
        high.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(wrong(&high).contains("levels deep"), "{}", wrong(&high));
}

/// Returns what a file holds, a line for each: where it starts and what it says, or what is wrong.
fn found(content: impl AsRef<[u8]>) -> Vec<String> {
    let mut lines = Vec::new();
    each("f.yaml", content.as_ref(), &mut |found| {
        lines.push(match found {
            Ok(Manifest { span, value }) => format!("{}:{} {value}", span.line, span.column),
            Err(error) => {
                let place = error
                    .span
                    .map(|span| format!("{}:{} ", span.line, span.column))
                    .unwrap_or_default();
                format!("{place}{}: {}", error.summary, error.label)
            }
        });
        ControlFlow::Continue(())
    });
    lines
}

#[test]
fn a_broken_document_costs_only_itself() {
    assert_eq!(
        found("a: 1\n---\nb: [1\n---\nc: 2\n--- # more\nd: \"x\n---\ne: *no\n---\nf: 3\n"),
        [
            "1:1 {\"a\":1}",
            "3:4 syntax error: this `[` is never closed",
            "5:1 {\"c\":2}",
            "7:4 syntax error: a quote is opened before here and never closed",
            "9:4 unknown anchor: there is no `&no` before this",
            "11:1 {\"f\":3}",
        ]
    );
    assert_eq!(
        found("a: |\n  ---\n  x\n---\nb: 1\r\n---\r\nc: 2\r\n"),
        ["1:1 {\"a\":\"---\\nx\\n\"}", "5:1 {\"b\":1}", "7:1 {\"c\":2}"]
    );
}

#[test]
fn windows_line_ends_part_documents_too() {
    assert_eq!(
        found("a: [1\r\n---\r\nb: 2\r\n"),
        ["1:4 syntax error: this `[` is never closed", "3:1 {\"b\":2}"]
    );
}

#[test]
fn bytes_that_are_no_text_are_told_at_their_place() {
    assert_eq!(
        found(b"a: 1\n---\nb: \xff\n---\nc: 2\n---\nd: \0\n---\ne: \"\xe2\x80\xae\"\n"),
        [
            "1:1 {\"a\":1}",
            "3:4 file is not UTF-8: byte 0xFF is no character",
            "5:1 {\"c\":2}",
            "7:4 control character: U+0000 cannot be seen",
            "9:1 {\"e\":\"\u{202e}\"}",
        ]
    );
    assert_eq!(found(b"\xff\xfea\0:\0"), ["file is not UTF-8: "]);
    assert_eq!(found("\u{feff}a: 1\n"), ["1:2 {\"a\":1}"]);
    assert_eq!(found("\u{feff}{\"a\": 1}\n"), ["1:2 {\"a\":1}"]);
}

#[test]
fn a_list_is_its_objects() {
    let pods = ["2:3 {\"kind\":\"Pod\",\"m\":1}", "4:3 {\"kind\":\"Pod\",\"m\":2}"];
    let items = "items:\n- kind: Pod\n  m: 1\n- kind: Pod\n  m: 2\n";
    assert_eq!(found(format!("{items}kind: PodList\n")), pods);
    assert_eq!(
        found(format!("{items}\"kind\": 'List' # it is\nmetadata: {{}}\n")),
        pods
    );
    assert_eq!(
        found(format!("kind: List\n{items}---\na: 1\n")),
        [
            "3:3 {\"kind\":\"Pod\",\"m\":1}",
            "5:3 {\"kind\":\"Pod\",\"m\":2}",
            "8:1 {\"a\":1}"
        ]
    );
    assert_eq!(
        found(
            "{\"items\": [{\"m\": 1},\n {\"kind\": \"List\", \"items\": [{\"m\": 2}, 3]}], \"k\\u0069nd\": \"PodList\"}"
        ),
        ["1:12 {\"m\":1}", "2:29 {\"m\":2}", "2:39 3"]
    );
    // Read as a whole, so the objects have the list's place.
    assert_eq!(
        found("{items: [{m: 1}, {m: 2}], kind: List}"),
        ["1:1 {\"m\":1}", "1:1 {\"m\":2}"]
    );
    assert_eq!(found("kind: List\nitems: []\n"), [""; 0]);
    for whole in [
        "kind: Pod\nitems: [1]\n",
        "items: [1]\n",
        "kind: PodList\nspec: {}\n",
        "kind: List\nitems: 1\n",
    ] {
        assert_eq!(found(whole).len(), 1, "{whole}");
        assert!(found(whole)[0].starts_with("1:1 {"), "{whole}");
    }
}

#[test]
fn a_list_that_is_none_in_the_end_is_told() {
    assert_eq!(
        found("items:\n- m: 1\nx: [1,\nkind: List\n]\n"),
        [
            "2:3 {\"m\":1}",
            "2:3 list of objects: its `kind` is not that of a list, though a line says so",
        ]
    );
}

#[test]
fn broken_json_is_told_where_it_breaks() {
    assert_eq!(
        found("{\"items\": [\n {\"a\": 1e999}, {\"b\": 1}], \"kind\": \"List\"}"),
        [
            "2:12 syntax error: JSON cannot be read from here on: number out of range",
            "2:16 {\"b\":1}",
        ]
    );
    assert_eq!(found("{\"a\": [1"), ["1:7 syntax error: this `[` is never closed"]);
    let items = vec!["{\"kind\": \"Pod\", \"a\": [1, 2, 3]}"; 50_000].join(",\n");
    let cut = format!("{{\"items\": [\n{items}");
    assert_eq!(
        found(format!("{cut}\n---\na: 1\n")),
        [
            "50002:1 syntax error: JSON cannot be read from here on: EOF while parsing a list",
            "50003:1 {\"a\":1}",
        ]
    );
}

#[test]
fn limits_are_those_of_one_object() {
    let item = format!("{{\"a\": [{}]}}", vec!["1"; MOST_NODES / 2].join(","));
    let list = format!("{{\"items\": [{item}, {item}, {item}], \"kind\": \"List\"}}");
    assert_eq!(found(&list).len(), 3);
    assert!(found(&list)[2].contains(" {\"a\""));
    let yaml = format!("items:\n- {item}\n- {item}\n- &x {{}}\n- *x\nkind: List\n");
    assert_eq!(found(&yaml).len(), 4);
    let larger = format!("[{}]", vec!["1"; MOST_NODES].join(","));
    let wrong = found(format!("{{\"items\": [{larger}, {{\"b\": 1}}], \"kind\": \"List\"}}"));
    assert!(wrong[0].starts_with("1:12 document too large"), "{wrong:?}");
    assert_eq!(wrong[1], format!("1:{} {{\"b\":1}}", 12 + larger.len() + 2));
    let deep = format!("{{\"a\": {}{}}}\n{{\"b\": 1}}", "[".repeat(50_000), "]".repeat(50_000));
    let wrong = found(&deep);
    assert_eq!(
        wrong,
        ["1:1 too deep: nested more than 100 levels deep", "2:1 {\"b\":1}"]
    );
    // Each anchor holds all that is in it once more.
    let anchors: String = (0..90).map(|level| format!("&a{level} [")).collect();
    let held = format!("{anchors}{}{}", vec!["1"; 50_000].join(","), "]".repeat(90));
    assert!(found(&held)[0].contains("document too large"));
}

#[test]
fn reading_stops_when_it_is_told_to() {
    for content in [
        "a: 1\n---\nb: 2\n",
        "{\"a\": 1} {\"b\": 2}",
        "kind: List\nitems: [1, 2]\n",
    ] {
        let mut count = 0;
        each("f", content.as_bytes(), &mut |_| {
            count += 1;
            ControlFlow::Break(())
        });
        assert_eq!(count, 1, "{content}");
    }
}

/// Returns what stands at the place of a path in the document with that number, with its line and column.
fn placed(content: &str, document: usize, path: &str) -> String {
    let manifests = read("f", content.as_bytes()).unwrap();
    let span = place(content.as_bytes(), manifests[document].span, &steps(path).unwrap()).unwrap();
    format!("{}:{} {}", span.line, span.column, &content[span.start..span.end])
}

#[test]
fn a_path_has_a_place() {
    let yaml = "# first\n---\nkind: Pod\nspec:\n  é: ü\n  containers:\n  - name: a\n    image: 'x'\n  - {name: b, image: y}\n  none:\n  text: |\n    two\n    lines\n  a: 1\n  a: 2\n";
    let cases = [
        ("", "3:1 kind: Pod"),
        ("kind", "3:7 Pod"),
        ("spec", "4:1 spec"),
        ("spec.é", "5:6 ü"),
        ("spec.containers", "6:3 containers"),
        ("spec.containers[0]", "7:5 name: a"),
        ("spec.containers[0].image", "8:12 'x'"),
        ("spec.containers[1]", "9:5 {name: b, image: y}"),
        ("spec.containers[1].image", "9:22 y"),
        ("spec.containers[2].image", "6:3 containers"),
        ("spec.containers[0].securityContext.privileged", "7:5 name: a"),
        ("spec.none", "10:3 none"),
        ("spec.a", "15:6 2"),
        ("status.phase", "3:1 kind: Pod"),
    ];
    for (path, expected) in cases {
        assert_eq!(placed(yaml, 0, path), expected, "{path}");
    }
    assert_eq!(
        placed("{\"a\": 1, \"a\": 2}", 0, "a"),
        "1:15 2",
        "of equal keys the last counts"
    );
    let list = "apiVersion: v1\nitems:\n- kind: Pod\n  spec:\n    a: [1, 2]\n- spec: {b: 3}\n  kind: Pod\nkind: List\n";
    for (document, path, expected) in [
        (0, "", "3:3 kind: Pod"),
        (0, "spec.a[1]", "5:12 2"),
        (0, "spec.b", "4:3 spec"),
        (1, "spec.b", "6:13 3"),
        (1, "kind", "7:9 Pod"),
    ] {
        assert_eq!(placed(list, document, path), expected, "{document} {path}");
    }
    let json = "{\"items\": [\n  {\"spec\": {\"a\": [1, \"t\\\"wo\"], \"a\\u0062\": {}}},\n  {\"b\": null}\n], \"kind\": \"List\"}\n{\"c\": true}";
    for (document, path, expected) in [
        (0, "", "2:3 {\"spec\": {\"a\": [1, \"t\\\"wo\"], \"a\\u0062\": {}}}"),
        (0, "spec.a[1]", "2:22 \"t\\\"wo\""),
        (0, "spec.a[7]", "2:13 \"a\""),
        (0, "spec.ab", "2:32 \"a\\u0062\""),
        (1, "b", "3:9 null"),
        (2, "c", "5:7 true"),
    ] {
        assert_eq!(placed(json, document, path), expected, "{document} {path}");
    }
}

#[test]
fn a_path_is_read_as_people_write_it() {
    let key = |key: &str| Step::Key(key.to_owned());
    assert_eq!(
        steps("a.b[10].c[\"d.e/f\"].g"),
        Some(vec![
            key("a"),
            key("b"),
            Step::Index(10),
            key("c"),
            key("d.e/f"),
            key("g")
        ])
    );
    assert_eq!(steps("[0].a"), Some(vec![Step::Index(0), key("a")]));
    assert_eq!(steps(""), Some(Vec::new()));
    for wrong in ["a[x]", "a[0", "a[0]b", "a[\"b]"] {
        assert_eq!(steps(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn whatever_stands_in_a_file_is_read_or_told(text in "([a-c{}\\[\\]\",:&*'|> \n#.\u{e9}\u{feff}\t\r-]|---\n|kind: List\n|items:\n|- |\"kind\": \"List\"|\\\\u0041){0,60}") {
        let all = read("f", text.as_bytes());
        let mut manifests = Vec::new();
        let mut mistakes = Vec::new();
        each("f", text.as_bytes(), &mut |found| {
            match found {
                Ok(manifest) => manifests.push(manifest),
                Err(mistake) => mistakes.push(mistake),
            }
            ControlFlow::Continue(())
        });
        let inside = |span: &Span| {
            span.start <= span.end
                && text.get(span.start..span.end).is_some()
                && span.line == text[..span.start].matches('\n').count() + 1
        };
        for mistake in &mistakes {
            prop_assert!(mistake.span.is_none_or(|span| inside(&span)), "{mistake:?}");
        }
        for manifest in &manifests {
            prop_assert!(inside(&manifest.span), "{manifest:?}");
            for path in ["", "a", "a.b", "[0].a", "[1]", "kind[0]"] {
                let found = place(text.as_bytes(), manifest.span, &steps(path).unwrap());
                prop_assert!(found.is_some_and(|span| inside(&span)), "{path} of {manifest:?}: {found:?}");
            }
        }
        prop_assert_eq!(all, if mistakes.is_empty() { Ok(manifests) } else { Err(mistakes) });
    }

    #[test]
    fn bytes_are_never_too_much(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read("f", &bytes);
    }

    #[test]
    fn json_and_its_pretty_form_say_the_same(value in value_of()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let manifests = read("f", pretty.as_bytes()).unwrap();
        prop_assert_eq!(manifests.len(), 1);
        prop_assert_eq!(&manifests[0].value, &value);
        prop_assert_eq!(&pretty[manifests[0].span.start..manifests[0].span.end], pretty.as_str());
        for (path, value) in leaves(&value, Vec::new()) {
            let span = place(pretty.as_bytes(), manifests[0].span, &path).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&pretty[span.start..span.end]).unwrap(), value);
        }
    }
}

fn value_of() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".*".prop_map(Value::from)
    ];
    let below = leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\é]{0,3}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    prop::collection::btree_map("[a-z]{1,3}", below, 1..4).prop_map(|map| json!(map))
}

fn leaves(value: &Value, path: Vec<Step>) -> Vec<(Vec<Step>, Value)> {
    let with = |step: Step| path.iter().cloned().chain([step]).collect::<Vec<_>>();
    match value {
        Value::Array(values) => {
            let below = values.iter().enumerate();
            below
                .flat_map(|(at, value)| leaves(value, with(Step::Index(at))))
                .collect()
        }
        Value::Object(entries) => {
            let below = entries.iter();
            below
                .flat_map(|(key, value)| leaves(value, with(Step::Key(key.clone()))))
                .collect()
        }
        leaf => vec![(path, leaf.clone())],
    }
}
