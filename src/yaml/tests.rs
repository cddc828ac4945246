//! What is read from YAML, and what is wrong with it.

use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;

/// Returns the summaries of what is wrong with a text, each with its line and column.
fn wrong(text: impl AsRef<[u8]>) -> String {
    let (_, diagnostics) = parse("f.yaml", text.as_ref());
    let mut all = String::new();
    for diagnostic in diagnostics {
        let span = diagnostic
            .span
            .map_or(String::new(), |span| format!("{}:{} ", span.line, span.column));
        let label = if diagnostic.label.is_empty() {
            String::new()
        } else {
            format!(": {}", diagnostic.label)
        };
        writeln!(all, "{span}{}{label}", diagnostic.summary).unwrap();
    }
    all.trim_end().to_owned()
}

/// Returns the tree of a text in short form: scalars as written, quoted ones in quotes.
fn tree(text: &str) -> String {
    fn show(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.plain => scalar.text.clone(),
            Kind::Scalar(scalar) => format!("{:?}", scalar.text),
            Kind::Sequence(nodes) => format!("[{}]", nodes.iter().map(show).collect::<Vec<_>>().join(", ")),
            Kind::Mapping(entries) => {
                let show = |(key, node): &(Key, Node)| format!("{}: {}", key.text, show(node));
                format!("{{{}}}", entries.iter().map(show).collect::<Vec<_>>().join(", "))
            }
            Kind::Broken => "?".to_owned(),
        }
    }
    parse("f.yaml", text.as_bytes())
        .0
        .map_or(String::new(), |document| show(&document.root))
}

#[test]
fn scalars_stay_as_they_were_written() {
    assert_eq!(
        tree("a: 1.0\nb: 9.*.*\nc: '1'\nd: 010\ne:\nf: [off, \"x\"]\ng: >-\n  one\n  two\n"),
        r#"{a: 1.0, b: 9.*.*, c: "1", d: 010, e: , f: [off, "x"], g: "one two"}"#
    );
    assert_eq!(wrong("a: 1.0\nb: 9.*.*\ne:\n"), "");
}

#[test]
fn nodes_know_their_place() {
    let text = "é: x\nlist:\n  - a: 'b c'\n  - {d: |\n";
    let (document, _) = parse("f.yaml", text.replace("  - {d: |\n", "").as_bytes());
    let Kind::Mapping(entries) = document.unwrap().root.kind else {
        panic!()
    };
    let place = |span: Span| {
        (
            span.line,
            span.column,
            text.get(span.start..span.end).unwrap_or_default(),
        )
    };
    assert_eq!(place(entries[0].0.span), (1, 1, "é"));
    assert_eq!(place(entries[0].1.span), (1, 4, "x"));
    let Kind::Sequence(nodes) = &entries[1].1.kind else {
        panic!()
    };
    assert_eq!(place(nodes[0].span), (3, 5, "a: 'b c'"));
    let Kind::Mapping(inner) = &nodes[0].kind else { panic!() };
    assert_eq!(place(inner[0].1.span), (3, 8, "'b c'"));
}

#[test]
fn a_value_left_out_stands_where_its_key_does() {
    let (document, _) = parse("f.yaml", b"a:\nbcd:\n");
    let Kind::Mapping(entries) = document.unwrap().root.kind else {
        panic!()
    };
    assert_eq!(entries[1].1.span, entries[1].0.span);
}

#[test]
fn windows_line_ends_do_not_move_places() {
    assert_eq!(
        wrong("a: 1\r\nb: 2\r\na: 3\r\n"),
        "3:1 duplicate key: `a` stands already on line 1"
    );
}

#[test]
fn what_is_refused_has_its_own_words() {
    let cases = [
        ("", "empty file"),
        ("# only a comment\n", "empty file"),
        ("---\n", "empty file"),
        (
            "a: 1\nb: 2\n'a': 3\n",
            "3:1 duplicate key: `a` stands already on line 1",
        ),
        (
            "a:\n\tb: 1\n",
            "2:1 tab in indentation: YAML is indented with spaces only",
        ),
        (
            "a:\n  b: 1\n\tc: 2\n",
            "3:1 tab in indentation: YAML is indented with spaces only",
        ),
        (
            "- a\n---\n- b\n",
            "2:1 more than one document: a second document starts here",
        ),
        ("a: !secret x\n", "1:4 tag: the tag `!secret` is not supported"),
        (
            "a: !!str 1\n",
            "1:4 tag: the tag `tag:yaml.org,2002:str` is not supported",
        ),
        (
            "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n",
            "3:3 merge key: `<<` is not supported",
        ),
        ("a: *nobody\n", "1:4 unknown anchor: there is no `&nobody` before this"),
        (
            "a: &x [*x]\n",
            "1:8 alias of itself: this stands inside of what it repeats",
        ),
        (
            "{a: 1}: b\n",
            "1:1 key is not a text: a list or mapping cannot be a key",
        ),
        (
            "\u{feff}a: 1\n",
            "1:1 byte order mark: the file starts with a byte order mark",
        ),
        ("a: \u{1b}[31m\n", "1:4 control character: U+001B cannot be seen"),
        ("a: \u{202e}x\n", "1:4 control character: U+202E cannot be seen"),
        (
            "%YAML 1.1\n---\na: 1\n",
            "1:1 syntax error: directives (lines that start with `%`) are not supported",
        ),
        (
            "a: 'x\n",
            "1:4 syntax error: a quote is opened before here and never closed",
        ),
        ("a: [1, 2\nb: 3\n", "2:2 syntax error: `:` is not allowed here"),
        ("a: b: c\n", "1:5 syntax error: `: ` is not allowed here"),
        ("a: @x\n", "1:4 syntax error: a value cannot start with `@`"),
        ("a: 1\n  b: 2\n", "2:4 syntax error: `: ` is not allowed here"),
        ("a: 1\nword\nb: 2\n", "2:1 syntax error: a key without `:`"),
        ("a: [1}\n", "1:4 syntax error: `}` does not close the `[` opened before"),
    ];
    let differ = cases.iter().filter(|(text, expected)| wrong(text) != *expected);
    let differ: Vec<String> = differ
        .map(|(text, _)| format!("{text:?} says {:?}", wrong(text)))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn what_is_not_text_is_refused() {
    assert_eq!(
        wrong(b"a: 1\nb: \xff\xfe\n"),
        "2:4 file is not UTF-8: byte 0xFF is no character"
    );
    assert_eq!(wrong(b"\xff\xfea\0:\0"), "file is not UTF-8");
    assert_eq!(wrong(vec![b'#'; LONGEST_FILE + 1]), "file too large");
}

#[test]
fn mistakes_before_a_syntax_error_are_still_seen() {
    let (document, diagnostics) = parse("f.yaml", b"a: 1\na: 2\nb: {c: 3}\nd: 'x\n");
    let document = document.unwrap();
    assert!(!document.complete);
    assert_eq!(diagnostics.len(), 2);
    let Kind::Mapping(entries) = document.root.kind else {
        panic!()
    };
    assert_eq!(
        entries.iter().map(|(key, _)| key.text.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
}

#[test]
fn a_small_file_cannot_become_a_large_tree() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{below}]").unwrap();
    }
    let text = wrong(&laughs);
    assert!(
        text.starts_with("5:") && text.contains("file too large: more than 50000 values"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);

    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(900_000), vec!["*a"; 20_000].join(","));
    assert!(wrong(&long).contains("file too large"), "a long text repeated");

    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..70 {
        writeln!(deep, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert!(
        wrong(&deep).contains("too deep: nested more than 64 levels deep"),
        "{}",
        wrong(&deep)
    );
    for brackets in [70, 100_000] {
        assert!(
            wrong("[".repeat(brackets)).contains("nested more than 64 levels deep"),
            "{}",
            wrong("[".repeat(brackets))
        );
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b: ", "- ", "\n", "\n  ", "\n\t", "[", "]", "{", "}", ",", ": ", "'", "\"", "&x ", "*x", "!t ", "|\n",
        ">-\n", "#", "---\n", "...\n", "%YAML", "<<: ", "\u{feff}", "é", "\r\n", "\\u12", "? ", "~", "1.0", "\u{2028}",
        "\u{85}", "@",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Asserts that every place of a tree and of its diagnostics is one of the text.
fn places_are_real(text: &str) {
    fn spans(node: &Node, all: &mut Vec<Span>) {
        all.push(node.span);
        match &node.kind {
            Kind::Sequence(nodes) => nodes.iter().for_each(|node| spans(node, all)),
            Kind::Mapping(entries) => entries.iter().for_each(|(key, node)| {
                all.push(key.span);
                spans(node, all);
            }),
            _ => {}
        }
    }
    let (document, diagnostics) = parse("f.yaml", text.as_bytes());
    let mut all: Vec<Span> = diagnostics.iter().filter_map(|diagnostic| diagnostic.span).collect();
    if let Some(document) = &document {
        spans(&document.root, &mut all);
    }
    for span in all {
        assert!(text.get(span.start..span.end).is_some(), "{span:?}");
        let line = text.split('\n').nth(span.line - 1).unwrap();
        assert!(span.column <= line.chars().count() + 1, "{span:?}");
    }
    let whole = document.is_some_and(|document| document.complete);
    assert!(whole || !diagnostics.is_empty(), "nothing is lost in silence");
    let syntax = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.summary == "syntax error");
    assert!(syntax.count() <= 1);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        places_are_real(&text);
    }

    #[test]
    fn any_mixture_of_indicators_is_read_or_refused(text in pieces()) {
        places_are_real(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse("f.yaml", &content);
    }
}
