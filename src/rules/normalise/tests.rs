//! Tests of the normaliser.

use super::*;
use crate::rules::builtins;
use proptest::prelude::*;

fn normalised(rego: &str) -> Result<String, Refused> {
    let sources = Sources {
        texts: &[rego],
        version: Version::V0,
    };
    match normalise(sources, &builtins::functions()) {
        Ok((_, texts)) => Ok(texts.into_iter().map(|text| text.text).collect()),
        Err((_, refusal)) => Err(refusal.reason),
    }
}

/// Returns a rule whose body is the statements.
fn rule(body: &str) -> String {
    format!("package p\nviolation[{{\"msg\": m}}] {{ {body}; m := \"x\" }}\nf(x) {{ x }}\nr {{ true }}\n")
}

fn check(body: &str, expected: &str) {
    assert_eq!(normalised(&rule(body)), Ok(rule(expected)), "{body}");
}

#[test]
fn what_may_not_be_undefined_is_taken_out_of_a_negation() {
    let cases = [
        ("not f(input.a)", "hoisted1 := input.a; not f(hoisted1)"),
        ("not f(lower(input.a))", "hoisted1 := lower(input.a); not f(hoisted1)"),
        ("not input.a != 3", "hoisted1 := input.a; not hoisted1 != 3"),
        (
            "not count(input.a) == 0",
            "hoisted1 := count(input.a); not hoisted1 == 0",
        ),
        ("not input.a[input.b]", "hoisted1 := input.b; not input.a[hoisted1]"),
        ("not f([input.a])", "hoisted1 := [input.a]; not f(hoisted1)"),
        ("not f(r)", "hoisted1 := r; not f(hoisted1)"),
        (
            "not f(input.a) with input.a as 1",
            "hoisted1 := input.a with input.a as 1; not f(hoisted1) with input.a as 1",
        ),
        (
            "x := [y | y := input.b[_]; not f(y.z)]; x == []",
            "x := [y | y := input.b[_]; hoisted1 := y.z; not f(hoisted1)]; x == []",
        ),
    ];
    for (body, expected) in cases {
        check(body, expected);
    }
}

#[test]
fn what_may_be_undefined_stays_in_its_negation() {
    for body in [
        "not input.a",
        "not input.a.b == input.c",
        "not r",
        "not input.a[\"b\"]",
        "x := 1; not f(x)",
        "not f(3)",
    ] {
        check(body, body);
    }
}

#[test]
fn a_name_in_use_is_not_taken() {
    let rego = rule("hoisted1 := 2; not f(input.a)");
    assert!(
        normalised(&rego)
            .unwrap()
            .contains("hoisted_1 := input.a; not f(hoisted_1)")
    );
}

#[test]
fn each_further_body_gets_the_head() {
    let rego = "package p\nviolation[{\"msg\": m}] { input.a; m := \"a\" } { m := \"b\" }\n";
    let expected =
        "package p\nviolation[{\"msg\": m}] { input.a; m := \"a\" } \nviolation[{\"msg\": m}] { m := \"b\" }\n";
    assert_eq!(normalised(rego).unwrap(), expected);
}

#[test]
fn a_line_that_starts_with_a_bracket_is_a_statement() {
    check("x := 1\n  (x) == 2", "x := 1;\n  (x) == 2");
    check("x := 1;\n  (x) == 2", "x := 1;\n  (x) == 2");
    check("x := 1 # why (not)\n  (x) == 2", "x := 1; # why (not)\n  (x) == 2");
}

#[test]
fn arithmetic_is_calculated_as_opa_does() {
    let cases = [
        ("x := 1 + 2", "x := arithmetic__.plus(1, 2)"),
        (
            "x := 1 - 2 # why\n * 3",
            "x := arithmetic__.minus(1, arithmetic__.times(2, 3))",
        ),
        (
            "x := (1 + 2) / 3 - 4",
            "x := arithmetic__.minus(arithmetic__.divided((arithmetic__.plus(1, 2)), 3), 4)",
        ),
        (
            "not input.a + 1 == 2",
            "hoisted1 := arithmetic__.plus(input.a, 1); not hoisted1 == 2",
        ),
        ("x := {1} | {2}; x", "x := {1} | {2}; x"),
    ];
    for (body, expected) in cases {
        check(body, expected);
    }
}

#[test]
fn a_negation_alone_behind_if_gets_braces() {
    let rego = "package p\nimport future.keywords.if\nviolation[{\"msg\": \"x\"}] if not f(input.a)\nf(x) { x }\n";
    assert!(
        normalised(rego)
            .unwrap()
            .contains("if { hoisted1 := input.a; not f(hoisted1) }\n")
    );
}

#[test]
fn what_gatekeeper_refuses_is_refused() {
    let cases = [
        ("nonsense(1)", Refused::UnknownFunction("nonsense".to_owned())),
        ("data.lib.a.f(1)", Refused::UnknownFunction("data.lib.a.f".to_owned())),
        ("time.now_ns() > 1", Refused::Outside("time.now_ns".to_owned())),
        ("not f(input.a[_])", Refused::Unsafe("_".to_owned())),
        ("not y == 1", Refused::Unsafe("y".to_owned())),
        ("x := [1 | not y]; x", Refused::Unsafe("y".to_owned())),
        ("data.other.x", Refused::Data("data.other.x".to_owned())),
        ("y := 1; y := 2", Refused::AssignedTwice("y".to_owned())),
        (
            "count(1, 2, 3)",
            Refused::Arguments {
                name: "count".to_owned(),
                wanted: 1,
                found: 3,
            },
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(normalised(&rule(body)), Err(expected), "{body}");
    }
    let alone = [
        ("package p\nviolation[{\"a\": 1}] { true }\n", Refused::NoMessage),
        ("package p\ndeny[{\"msg\": 1}] { true }\n", Refused::NoViolation),
        (
            "package p\nimport data.other\nviolation[{\"msg\": \"x\"}] { true }\n",
            Refused::Import("data.other".to_owned()),
        ),
        (
            "package p\nviolation[{\"msg\": \"x\"}] { a }\na { b }\nb { a }\n",
            Refused::Recursion("a".to_owned()),
        ),
    ];
    for (rego, expected) in alone {
        assert_eq!(normalised(rego), Err(expected), "{rego}");
    }
}

#[test]
fn a_place_leads_back_to_the_source() {
    let rego = rule("x := input.a\n  (x) == 1\n  not f(input.b); lower(x) == x");
    let sources = Sources {
        texts: &[&rego],
        version: Version::V0,
    };
    let (_, texts) = normalise(sources, &builtins::functions()).unwrap();
    let text = &texts[0];
    assert_ne!(text.text, rego);
    for word in ["lower(x)", "f(x) {", "(x) == 1", "m := \"x\""] {
        let found = text.text.find(word).unwrap();
        assert_eq!(text.source_of(found), rego.find(word).unwrap(), "{word}");
    }
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    let deep = format!("x := {}1{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(matches!(normalised(&rule(&deep)), Err(Refused::Syntax(_))));
}

fn expr() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[0-9]{1,3}",
        "\"[a-z ]{0,4}\"",
        Just("input.a.b".to_owned()),
        Just("input.parameters.list[_]".to_owned()),
        Just("r".to_owned()),
        Just("true".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("lower({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} == {b})")),
            inner.clone().prop_map(|a| format!("{{\"k\": {a}}}")),
            inner.prop_map(|a| format!("[y | y := {a}]")),
        ]
    })
}

/// Any statement that means the same to the engine and to OPA; none starts with a bracket, which is kept apart from the line before.
fn statement() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "\"a; b\"",
        "\"not f(x)\"",
        "\"{[(\"",
        "\"# no comment\"",
        "`raw \\ [`",
        "\"\\\"\"",
        "\"any(re_match\"",
    ]);
    let negated = prop::sample::select(vec![
        "not input.a",
        "not input.a.b == input.c",
        "not r",
        "not input.a[\"b\"]",
        "not f(3)",
        "not input.a == \"x; y\"",
        "not input.a with input.a as 1",
        "not startswith(\"a\", \"b\")",
    ]);
    let fixed = prop::sample::select(vec![
        "some i, j; input.a[i] == input.b[j]",
        "input.a[_].b[_] == 3",
        "count(input.list) > 0",
        "set() == {x | x := input.a[_]}",
        "input.a != {k: v | v := input.a[k]}",
        "f(input.a)",
        "input.a with input.b as 2",
        "data.inventory.cluster.v1.Pod[_]",
        "walk(input, [path, value]); path[0] == value",
        "regex.match(\"^a{1,2}$\", input.a)",
        "input.a == {1} | {2}",
    ]);
    prop_oneof![
        (0..9u8, expr()).prop_map(|(at, expr)| format!("v{at}{at} = {expr}")),
        expr().prop_map(|expr| format!("r == {expr}")),
        text.prop_map(|text| format!("input.a != {text}")),
        negated.prop_map(str::to_owned),
        fixed.prop_map(str::to_owned),
    ]
}

/// A module of rules of all forms, laid out in all ways, that needs nothing.
fn module() -> impl Strategy<Value = String> {
    let between = prop::sample::select(vec!["; ", "\n  ", " # why (not); {\n  ", "\n\n\t", ";\n  ", "\r\n  "]);
    let body =
        (prop::collection::vec(statement(), 1..5), between).prop_map(|(statements, between)| statements.join(between));
    let formed = (0..7usize, body).prop_map(|(form, body)| {
        let (head, value) = [
            ("p1", ""),
            ("p2[x]", "x := 1; "),
            ("p3[k] = v", "k := \"a\"; v := 1; "),
            ("p4(a, b)", "a == b; "),
            ("p5(a) = b", "b := a; "),
            ("p6 = [x | x := input.a[_]]", ""),
            ("violation[{\"msg\": m}]", "m := \"m\"; "),
        ][form];
        format!("{head} {{ {value}{body}\n}}")
    });
    let alone = prop::sample::select(vec![
        "# not f(input.a)",
        "default d = false",
        "constant := {\"not\": [1, 2], \"b\": `x`}",
        "g(x) = 1 { x } else = 2 { not x }",
        "h = x { x := 1 } else = 3 { true }",
    ]);
    let part = prop_oneof![3 => formed, 1 => alone.prop_map(str::to_owned)];
    prop::collection::vec(part, 0..6).prop_map(|mut parts| {
        // A name has one form: what is there twice would be other rules.
        parts.sort();
        parts.dedup_by_key(|part| part.chars().take(6).collect::<String>());
        rule("true") + &parts.join("\n\n") + "\n"
    })
}

proptest! {
    #[test]
    fn a_module_that_needs_nothing_stays_as_it_is_and_where_it_is(rego in module()) {
        let sources = Sources { texts: &[&rego], version: Version::V0 };
        let (_, texts) = normalise(sources, &builtins::functions()).map_err(|(_, refusal)| {
            TestCaseError::fail(format!("{:?}\n{rego}", refusal.reason))
        })?;
        prop_assert_eq!(&texts[0].text, &rego);
        for at in 0..rego.len() {
            prop_assert_eq!(texts[0].source_of(at), at);
        }
    }

    #[test]
    fn what_needs_nothing_stays_as_it_is(exprs in prop::collection::vec(expr(), 1..4)) {
        let body: Vec<String> = exprs.iter().enumerate().map(|(at, expr)| format!("v{at} := {expr}")).collect();
        let rego = rule(&body.join("; "));
        prop_assert_eq!(normalised(&rego), Ok(rego));
    }

    #[test]
    fn rewriting_twice_changes_nothing_more(exprs in prop::collection::vec(expr(), 1..4)) {
        // No `_`: in a negation it would be unsafe.
        let body: Vec<String> = exprs.iter().map(|expr| format!("not f({})", expr.replace("[_]", "[0]"))).collect();
        let once = normalised(&rule(&body.join("\n  "))).unwrap();
        prop_assert_eq!(normalised(&once), Ok(once));
    }

    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,80}", tail in "[ \\[\\](){};:=a-z\"`.|\n]{0,80}") {
        let _ = normalised(&text);
        let _ = normalised(&format!("package p\nviolation[{{\"msg\": m}}] {{ {tail}"));
    }
}
