//! The engine as a whole: what templates may do, and what values cannot.

use std::cell::Cell;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::json;

use super::*;

const NAME: &str = "t.json.hbs";

fn load(source: &str) -> (Engine, Vec<Diagnostic>) {
    Engine::load(&BTreeMap::from([(NAME.to_owned(), source.to_owned())]))
}

fn render(source: &str, context: &Value) -> Result<Value, RenderError> {
    let (engine, diagnostics) = load(source);
    assert_eq!(diagnostics, [], "{source}");
    engine.render(NAME, context)
}

/// Asserts that a template is refused with exactly these mistakes, each as `line:column text of the span: summary`.
#[track_caller]
fn refused(source: &str, expected: &[&str]) {
    let (engine, diagnostics) = load(source);
    let found: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| {
            assert_eq!(diagnostic.file, format!("templates/{NAME}"));
            let span = diagnostic.span.unwrap_or_default();
            format!(
                "{}:{} {}: {}",
                span.line,
                span.column,
                &source[span.start..span.end],
                diagnostic.summary
            )
        })
        .collect();
    assert_eq!(found, expected, "{source}");
    assert_eq!(
        engine.render(NAME, &json!({})),
        Err(RenderError::UnknownTemplate {
            template: NAME.to_owned()
        })
    );
}

/// Asserts that a template is allowed and fails for this context with this message.
#[track_caller]
fn fails(source: &str, context: &Value, expected: &str) {
    let error = render(source, context).unwrap_err();
    let hint = match &error {
        RenderError::Expression { hint: Some(hint), .. } => format!(" ({hint})"),
        _ => String::new(),
    };
    assert_eq!(format!("{error}{hint}"), expected, "{source}");
}

#[test]
fn every_allowed_construct_renders() {
    let source = r#"{{!-- a comment with "quotes" and {{x}} --}}
{
  "text": "a {{text}} \"b\" \\\{{! x }}",
  "flag": {{json flag}}, "flagText": "{{flag}} {{number}}",
  "whole": {{~json whole~}} ,
  "literal": "\{{text}}",
  {{#if (and flag (eq text "hi"))}}"if": "{{@root.text}}"{{else if number}}"if": 1{{else}}"if": 2{{/if}},
  {{#unless flag}}"unless": 1{{else}}"unless": "{{this.text}}"{{/unless}},
  "list": [{{#each list}}{"name": "{{name}}", "up": "{{../text}}", "at": {{json @index}}}{{#unless @last}},{{/unless}}{{/each}}],
  "pairs": [{{#each whole as |value key|}}"{{key}}={{value}}/{{@key}}"{{#unless @last}}, {{/unless}}{{/each}}],
  "none": [{{#each empty}}"{{this}}"{{else}}"none"{{/each}}],
  {{#with deep.er}}"with": "{{est}}"{{/with}}
}
"#;
    let context = json!({
        "text": "hi", "flag": true, "number": 0, "empty": [],
        "whole": {"a": 1, "b": 2}, "list": [{"name": "x"}, {"name": "y"}], "deep": {"er": {"est": "z"}},
    });
    let expected = json!({
        "text": "a hi \"b\" \\", "flag": true, "flagText": "true 0",
        "whole": {"a": 1, "b": 2}, "literal": "{{text}}", "if": "hi", "unless": "hi",
        "list": [{"name": "x", "up": "hi", "at": 0}, {"name": "y", "up": "hi", "at": 1}],
        "pairs": ["a=1/a", "b=2/b"], "none": ["none"], "with": "z",
    });
    assert_eq!(render(source, &context), Ok(expected));
}

#[test]
fn a_variable_may_have_the_name_of_a_helper() {
    let context = json!({"lookup": "a", "log": "b", "json": "c", "len": "d", "if": "e", "raw": "f"});
    let rendered = render(r#"{"x": "{{lookup}}{{log}}{{json}}{{len}}{{if}}{{raw}}"}"#, &context);
    assert_eq!(rendered, Ok(json!({"x": "abcdef"})));
}

#[test]
fn unescaped_expressions_are_refused() {
    refused(r#"{"a": "{{{x}}}"}"#, &["1:8 {{{x}}}: unescaped expression"]);
    refused(r#"{"a": "{{&x}}"}"#, &["1:8 {{&x}}: unescaped expression"]);
    refused(r#"{"a": "{{~{x}~}}"}"#, &["1:8 {{~{x}~}}: unescaped expression"]);
    refused(r#"{"a": {{{json x}}}}"#, &["1:7 {{{json x}}}}: unescaped expression"]);
}

#[test]
fn expressions_stand_where_their_value_fits() {
    refused(
        "{\"a\": {{x}},\n \"b\": {{y}}}",
        &[
            "1:7 {{x}}: expression outside quotes",
            "2:7 {{y}}}: expression outside quotes",
        ],
    );
    refused(r#"{"a": "{{json x}}"}"#, &["1:8 {{json x}}: `json` inside quotes"]);
    refused(r#"{"a": "\"{{json x}}\""}"#, &["1:10 {{json x}}: `json` inside quotes"]);
    refused(
        r#"{"a": "\\"{{x}}"}"#,
        &[
            "1:11 {{x}}: expression outside quotes",
            "1:16 \": JSON string is not closed",
        ],
    );
    refused(r#"{"a": "\\{{x}}"}"#, &["1:10 {{x}}: expression within an escape"]);
    refused(r#"{"a": "\u00{{x}}"}"#, &["1:12 {{x}}: expression within an escape"]);
    refused(
        r#"{"a": "\u00{{#if x}}41{{/if}}"}"#,
        &["1:12 {{#if x}}: block within an escape"],
    );
    refused(r#"{"a": 1{{json x}}}"#, &["1:8 {{json x}}}: text touches `{{json}}`"]);
    refused(r#"{"a": -{{~json x}}}"#, &["1:8 {{~json x}}}: text touches `{{json}}`"]);
    refused(r#"{"a": {{json x}}.5}"#, &["1:17 .: text touches `{{json}}`"]);
    refused(
        r#"{"a": {{json x}}{{json x}}}"#,
        &["1:17 {{json x}}}: text touches `{{json}}`"],
    );
    refused(r#"{"a": {{json x~}} 5}"#, &["1:19 5: text touches `{{json}}`"]);
    refused(
        r#"{"a": {{#each x}}{{json this}}{{/each}}}"#,
        &["1:18 {{json this}}: text touches `{{json}}`"],
    );
}

#[test]
fn no_expression_makes_a_key() {
    let key = "expression in an object key";
    refused(r#"{"{{x}}": 1}"#, &[&format!("1:9 :: {key}")]);
    refused("{\"a\": 1,\n \"{{x}}b\" \n: 1}", &[&format!("3:1 :: {key}")]);
    refused(r#"{{{json x}}: 1}"#, &["1:11 }: template is not valid Handlebars"]);
    refused(r#"{ {{json x}}: 1}"#, &[&format!("1:13 :: {key}")]);
    refused(r#"{"a{{#if x}}{{y}}{{/if}}": 1}"#, &[&format!("1:26 :: {key}")]);
    refused(
        r#"{"{{x}}"{{! c }}{{#if y}}: 1{{else}}:2{{/if}}}"#,
        &[&format!("1:26 :: {key}"), &format!("1:37 :: {key}")],
    );
    refused(r#"{ {{#each x}}"{{@key}}": 1{{/each}} }"#, &[&format!("1:24 :: {key}")]);
    refused(
        r#"{"a{{#if x}}b{{else}}{{y}}{{/if}}": 1}"#,
        &[&format!("1:35 :: {key}")],
    );
    // The colon at the start of a round ends the key of the round before.
    refused(
        r#"{"a" {{#each x}}: 1, "{{this}}" {{/each}}: 1}"#,
        &[&format!("1:17 :: {key}"), &format!("1:42 :: {key}")],
    );
    assert_eq!(
        render(r#"{"a{{! x }}": "{{x}}", "b{{#if x}}c{{/if}}": 1}"#, &json!({"x": "x"})),
        Ok(json!({"a": "x", "bc": 1}))
    );
}

#[test]
fn a_branch_leaves_the_quotes_as_it_found_them() {
    let unbalanced = "unbalanced quotes in a block";
    refused(
        r#"{"a": {{#if a}}"{{/if}}b"}"#,
        &[
            &format!("1:7 {{{{#if a}}}}: {unbalanced}"),
            "1:25 \": JSON string is not closed",
        ],
    );
    refused(
        r#"{"a": "{{#if a}}"{{/if}}, "b": "}"#,
        &[
            &format!("1:8 {{{{#if a}}}}: {unbalanced}"),
            "1:28 b: expression outside quotes",
        ][..1],
    );
    refused(
        r#"{"a": "{{#if a}}x{{else}}"{{/if}}"}"#,
        &[&format!("1:8 {{{{#if a}}}}: {unbalanced}")],
    );
    refused(
        r#"{"a": "{{#if a}}x{{else if b}}"{{/if}}"}"#,
        &[&format!("1:8 {{{{#if a}}}}: {unbalanced}")],
    );
    refused(
        r#"{"a": "{{#each a}}"{{/each}}"}"#,
        &[&format!("1:8 {{{{#each a}}}}: {unbalanced}")],
    );
    refused(
        r#"{"a": "{{#unless a}}\\{{/unless}}"}"#,
        &[&format!("1:8 {{{{#unless a}}}}: {unbalanced}")],
    );
    refused(
        "{\"a\": \"{{#with a}}\\u00{{/with}}41\"}",
        &[&format!("1:8 {{{{#with a}}}}: {unbalanced}")],
    );
    refused("{\"a\": \"{{x}}}", &["1:7 \": JSON string is not closed"]);
}

#[test]
fn what_defeats_the_checks_is_refused() {
    refused("{{> p}}{}", &["1:1 {{> p}}: partial in a template"]);
    refused("{{#> p}}{}{{/p}}", &["1:1 {{#> p}}: partial in a template"]);
    refused("{{* d}}{}", &["1:1 {{* d}}: decorator in a template"]);
    refused(
        "{{#*inline \"p\"}}{}{{/inline}}",
        &["1:1 {{#*inline \"p\"}}: decorator in a template"],
    );
    refused(
        "{\"a\": \"{{{{raw}}}}\"{{{{/raw}}}}\"}",
        &["1:8 {{{{raw}}}}: raw block in a template"],
    );
    refused(
        "{\"a\": \"{{{{if x}}}}\"{{{{/if}}}}\"}",
        &["1:8 {{{{if x}}}}: raw block in a template"],
    );
    refused("{\"a\": \"{{lookup a b}}\"}", &["1:8 {{lookup a b}}: unknown helper"]);
    refused("{\"a\": \"{{log a}}\"}", &["1:8 {{log a}}: unknown helper"]);
    refused("{\"a\": \"{{text a}}\"}", &["1:8 {{text a}}: unknown helper"]);
    refused("{\"a\": \"{{(a)}}\"}", &["1:8 {{(a)}}: computed expression"]);
    refused("{\"a\": \"{{(eq a b)}}\"}", &["1:8 {{(eq a b)}}: computed expression"]);
    refused(
        "{\"a\": {{json (lookup a b)}}}",
        &["1:7 {{json (lookup a b)}}}: `json` takes one variable"],
    );
    refused(
        "{\"a\": {{json a b}}}",
        &["1:7 {{json a b}}}: `json` takes one variable"],
    );
    refused(
        "{\"a\": {{json a b=1}}}",
        &["1:7 {{json a b=1}}}: `json` takes one variable"],
    );
    refused(
        "{\"a\": {{json \"x\"}}}",
        &["1:7 {{json \"x\"}}}: `json` takes one variable"],
    );
    refused("{{#lookup a b}}{}{{/lookup}}", &["1:1 {{#lookup a b}}: unknown block"]);
    refused("{{#json a}}{}{{/json}}", &["1:1 {{#json a}}: unknown block"]);
    refused(
        "{{#if (lookup a b)}}{}{{/if}}",
        &["1:1 {{#if (lookup a b)}}: `if` takes one variable"],
    );
    refused(
        "{{#if (eq a (log b))}}{}{{/if}}",
        &["1:1 {{#if (eq a (log b))}}: `if` takes one variable"],
    );
    refused("{{#if (a)}}{}{{/if}}", &["1:1 {{#if (a)}}: `if` takes one variable"]);
    refused("{{#if a b}}{}{{/if}}", &["1:1 {{#if a b}}: `if` takes one variable"]);
    refused("{{#if}}{}{{/if}}", &["1:1 {{#if}}: `if` takes one variable"]);
    refused(
        "{{#if a includeZero=true}}{}{{/if}}",
        &["1:1 {{#if a includeZero=true}}: option of a block"],
    );
    refused("{{#if a as |b|}}{}{{/if}}", &["1:1 {{#if a as |b|}}: block parameter"]);
    refused(
        "{{#each (and a b)}}{}{{/each}}",
        &["1:1 {{#each (and a b)}}: `each` takes one variable"],
    );
    refused(
        "{{#with \"a\"}}{}{{/with}}",
        &["1:1 {{#with \"a\"}}: `with` takes one variable"],
    );
    // An ended comment goes on as text, whatever the writer meant.
    refused(
        "{\"a\": 1{{! }} \"{{json x}} }}\"}",
        &["1:16 {{json x}}: `json` inside quotes"],
    );
    refused(
        "{\"a\": 1 {{!-- }} \"--}}{{x}}\"}",
        &[
            "1:23 {{x}}: expression outside quotes",
            "1:28 \": JSON string is not closed",
        ],
    );
}

#[test]
fn syntax_errors_have_a_place() {
    let (_, diagnostics) = load("{\n  \"a\": \"{{x}\"\n}");
    let [diagnostic] = diagnostics.as_slice() else {
        panic!("{diagnostics:?}")
    };
    assert_eq!(diagnostic.summary, "template is not valid Handlebars");
    assert_eq!(
        diagnostic.span.map(|span| (span.line, span.column)),
        Some((2, 12)),
        "{diagnostic:?}"
    );
    refused(
        "{{#if a}}{}{{/unless}}",
        &["1:12 {{/unless}}: template is not valid Handlebars"],
    );
}

#[test]
fn nesting_and_length_are_limited() {
    let blocks = |n: usize| format!("{}{}{{}}", "{{~#if a}}".repeat(n), "{{/if}}".repeat(n));
    assert_eq!(load(&blocks(32)).1, []);
    refused(&blocks(33), &["1:324 #: template is nested too deeply"]);
    refused(&blocks(50_000)[..200_000], &["1:324 #: template is nested too deeply"]);
    let brackets = |n: usize| format!("{{{{#if {}a{}}}}}{{}}{{{{/if}}}}", "(not ".repeat(n), ")".repeat(n));
    assert_eq!(load(&brackets(32)).1, []);
    refused(&brackets(33), &["1:167 (: template is nested too deeply"]);
    assert_eq!(load(&format!("{{\"a\": {}1{}}}", "[".repeat(90), "]".repeat(90))).1, []);
    let (_, diagnostics) = load(&" ".repeat(256 * 1024 + 1));
    assert_eq!(
        diagnostics.first().map(|diagnostic| diagnostic.summary.as_str()),
        Some("template is too long")
    );
}

#[test]
fn one_bad_template_does_not_hide_another() {
    let files = [("a.hbs", "{{{x}}}"), ("b.hbs", "{}"), ("c.hbs", "{{> p}}")];
    let (engine, diagnostics) = Engine::load(&files.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    let files: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.file.as_str()).collect();
    assert_eq!(files, ["templates/a.hbs", "templates/c.hbs"]);
    assert_eq!(engine.names().collect::<Vec<_>>(), ["b.hbs"]);
    assert_eq!(engine.render("b.hbs", &json!({})), Ok(json!({})));
}

#[test]
fn what_is_missing_is_named_with_its_place() {
    let context = json!({"gate": {"name": "x", "none": null}, "list": [{"id": 1}], "text": "t"});
    let line = "{\n  \"a\": \"";
    fails(
        &format!("{line}{{{{gate.nme}}}}\"}}"),
        &context,
        "templates/t.json.hbs:2:9: `gate.nme` is missing (did you mean `name`?)",
    );
    fails(
        r#"{"a": {{json gat}}}"#,
        &context,
        "templates/t.json.hbs:1:7: `gat` is missing (did you mean `gate`?)",
    );
    fails(
        r#"{"a": "{{nothing}}"}"#,
        &context,
        "templates/t.json.hbs:1:8: `nothing` is missing (here are: `gate`, `list`, `text`)",
    );
    fails(
        r#"{"a": "{{text.x}}"}"#,
        &context,
        "templates/t.json.hbs:1:8: `text.x` is missing",
    );
    fails(
        r#"{"a": "{{@index}}"}"#,
        &context,
        "templates/t.json.hbs:1:8: `@index` is missing",
    );
    fails(
        "{\"a\": [{{#each list as |item|}}\n\"{{item.idd}}\"{{/each}}]}",
        &context,
        "templates/t.json.hbs:2:2: `item.idd` is missing (did you mean `id`?)",
    );
    fails(
        "{\"a\": [{{#each list}}\n\"{{../tex}}\"{{/each}}]}",
        &context,
        "templates/t.json.hbs:2:2: `../tex` is missing (did you mean `text`?)",
    );
}

#[test]
fn a_condition_on_what_is_missing_is_an_error_not_false() {
    let context = json!({"a": true, "none": null});
    let missing = "templates/t.json.hbs:1:1: `b` is missing (here are: `a`, `none`)";
    fails("{{#if b}}{}{{/if}}", &context, missing);
    fails("{{#unless b}}{}{{/unless}}", &context, missing);
    fails("{{#if (or a (eq b 1))}}{}{{/if}}", &context, missing);
    fails("{{#each b}}{}{{else}}{}{{/each}}", &context, missing);
    fails("{{#with b}}{}{{else}}{}{{/with}}", &context, missing);
    fails("{{#if none}}1{{else if b}}{}{{else}}{}{{/if}}", &context, missing);
    assert_eq!(
        render("{{#if none}}1{{else if a}}{}{{else}}3{{/if}}", &context),
        Ok(json!({}))
    );
    // A branch that is always taken ends what was before it.
    let list = render(
        r#"{"l": [{{json a}}{{#if none}},{{else}},{{/if}}{{json a}}]}"#,
        &context,
    );
    assert_eq!(list, Ok(json!({"l": [true, true]})));
}

#[test]
fn only_scalars_are_text() {
    let context = json!({"none": null, "list": ["a"], "object": {"a": 1}, "text": "x"});
    let at = "templates/t.json.hbs:1:8";
    let hint = |path: &str| format!("(without quotes, `{{{{json {path}}}}}` writes any value)");
    for (path, shape) in [("none", "null"), ("list", "a list"), ("object", "an object")] {
        let expected = format!("{at}: `{path}` is {shape}, not text {}", hint(path));
        fails(&format!("{{\"a\": \"{{{{{path}}}}}\"}}"), &context, &expected);
    }
    fails(
        "{{#each text}}{}{{/each}}",
        &context,
        "templates/t.json.hbs:1:1: `text` is text, not a list or an object",
    );
    fails(
        "{{#each none}}{}{{/each}}",
        &context,
        "templates/t.json.hbs:1:1: `none` is null or empty, and the block has no `{{else}}`",
    );
    fails(
        "{{#with none}}{}{{/with}}",
        &context,
        "templates/t.json.hbs:1:1: `none` is null or empty, and the block has no `{{else}}`",
    );
}

#[test]
fn text_that_is_not_one_object_is_an_error_with_its_line() {
    let start = "templates/t.json.hbs: the rendered text is not a JSON object at line";
    fails(
        "{\n\"a\": \"{{x}}\",\n}",
        &json!({"x": 1}),
        &format!("{start} 3, column 1: trailing comma: `}}`"),
    );
    fails(
        "[]",
        &json!({}),
        &format!("{start} 1, column 0: invalid type: sequence, expected a JSON object: `[]`"),
    );
    fails(
        "{ {{#each xs}}\"k\": \"{{this}}\",{{/each}} \"z\": 1}",
        &json!({"xs": ["a", "b"]}),
        &format!(
            "{start} 1, column 14: key `k` stands twice in one object: `{{ \"k\": \"a\",\"k\": \"b\", \"z\": 1}}`"
        ),
    );
    let error = render(&format!("{{\"a\": {}", "1 ".repeat(500)), &json!({})).unwrap_err();
    let RenderError::NotJson { text, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(text.chars().count(), QUOTED + 1);
    assert_eq!(error.to_diagnostic().file, "templates/t.json.hbs");
}

#[test]
fn an_error_is_also_a_diagnostic() {
    let error = render("{\"a\":\n\"{{gate}}\"}", &json!({"gates": 1})).unwrap_err();
    let span = Span {
        start: 7,
        end: 15,
        line: 2,
        column: 2,
    };
    let expected = Diagnostic::error(
        "template cannot be filled",
        "templates/t.json.hbs",
        span,
        "`gate` is missing",
    );
    assert_eq!(error.to_diagnostic(), expected.hint("did you mean `gates`?"));
}

#[test]
fn values_do_not_break_out() {
    let source = r#"{"before": 1, "x": "{{x}}", "y": [{{json x}}], "z": "<{{x}}{{x}}>"}"#;
    for evil in [
        "\"",
        "\\",
        "\\\"",
        "\", \"evil\": \"",
        "\\u0022, ",
        "\"}",
        "{{x}}",
        "{{{x}}}",
        "\n\r\t\0\u{7f}\u{8}",
        "\u{2028}\u{feff}",
        "[concat('a')]",
        "&quot;&#34;",
        "</script>",
        "\u{d7ff}\u{e000}\u{10ffff}",
        "",
        " ",
        "\\u",
        "é\u{301}",
    ] {
        let expected = json!({"before": 1, "x": evil, "y": [evil], "z": format!("<{evil}{evil}>")});
        assert_eq!(render(source, &json!({"x": evil})), Ok(expected));
    }
}

/// What has a meaning somewhere on the way of a value.
const MEANINGFUL: [&str; 17] = [
    "\"", "\\", "\\u", "{{", "}}", "{{x}}", "[", "]", ":", ",", "{", "}", "\n", "\0", "'", "&quot;", "a",
];

/// Text made of what has a meaning somewhere on the way, and of anything else.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(&MEANINGFUL[..]).prop_map(str::to_owned),
        any::<char>().prop_map(String::from)
    ];
    prop_oneof![vec(piece, 0..8).prop_map(|pieces| pieces.concat()), any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
        ]
    })
}

/// The same cases in every run.
fn config(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        ..Config::default()
    }
}

/// Pieces of templates, from which a random one is JSON now and then.
const PIECES: [&str; 36] = [
    "{",
    "}",
    "\"",
    "\\",
    "\\u00",
    "\"k\"",
    "\"l\":",
    ":",
    ",",
    "[",
    "]",
    "1",
    "-",
    " ",
    "\n",
    "{{x}}",
    "\"{{x}}\"",
    "{{json x}}",
    "\\{{x}}",
    "{{#if t}}",
    "{{#if f}}",
    "{{#unless x}}",
    "{{#each l}}",
    "{{#with o}}",
    "{{else}}",
    "{{else if x}}",
    "{{/if}}",
    "{{/each}}",
    "{{/unless}}",
    "{{/with}}",
    "{{this}}",
    "{{~",
    "~}}",
    "{{!--",
    "--}}",
    "{{@root.x}}",
];

/// Wholes, so that more of the random templates are allowed and JSON.
const WHOLES: [&str; 12] = [
    "\"a\": \"{{x}}\", ",
    "\"b\": {{json x}}, ",
    "{{#if t}}\"c\": 1, {{/if}}",
    "{{#each l}}\"{{x}}\"{{/each}}",
    "{{! c }}",
    "\"d\": [{{#each l}}\"{{this}}\", {{/each}}1], ",
    "\"e\": \"a{{#if x}}{{x}}{{else}}{{@root.x}}{{/if}}\", ",
    "\"f\": {\"g\": {{json o}}}, ",
    "\"h{{~x~}}\": 1, ",
    "\"i\": \"{{#with o}}{{y}}{{/with}}\", ",
    "\"{{#each l}}{{this}}{{/each}}\": 1, ",
    "\"\\u0041{{x}}\\\\\": 1, ",
];

const TOKEN: &str = "QZQ";

fn context(x: &str) -> Value {
    json!({"x": x, "t": true, "f": false, "l": [x, x], "o": {"y": x}})
}

/// Returns a document with the token in all its strings replaced; a key that holds the token shows as it is.
fn replaced(document: Value, evil: &str) -> Value {
    match document {
        Value::String(text) => Value::String(text.replace(TOKEN, evil)),
        Value::Array(items) => items.into_iter().map(|item| replaced(item, evil)).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, replaced(value, evil)))
            .collect(),
        scalar => scalar,
    }
}

#[test]
fn values_come_out_as_they_went_in() {
    let source = r#"{
      "plain": "{{plain}}", "between": "«{{plain}}\u0022\n{{plain}}»",
      "list": [{{#each list}}{"this": "{{this}}", "up": "{{../plain}}", "root": "{{@root.plain}}"}{{#unless @last}},{{/unless}}{{/each}}],
      "keys": [{{#each map as |value key|}}["{{key}}", {{json value}}, "{{@key}}", {{json @key}}, {{json this}}]{{#unless @last}},{{/unless}}{{/each}}],
      "whole": {{json map}}, {{#with inner}}"with": "{{text}}", "upper": {{~json ../map~}} , {{/with}}
      "if": {{#if plain}}"{{plain}}"{{else}}""{{/if}}
    }"#;
    let (engine, diagnostics) = load(source);
    assert_eq!(diagnostics, []);
    proptest!(config(256), |(plain in text(), list in vec(text(), 0..4), map in btree_map(text(), value(), 0..4), inner in text())| {
        let context = json!({"plain": plain, "list": list, "map": map, "inner": {"text": inner}});
        let expected = json!({
            "plain": plain, "between": format!("«{plain}\"\n{plain}»"),
            "list": list.iter().map(|this| json!({"this": this, "up": plain, "root": plain})).collect::<Vec<_>>(),
            "keys": map.iter().map(|(key, value)| json!([key, value, key, key, value])).collect::<Vec<_>>(),
            "whole": map, "with": inner, "upper": map, "if": plain,
        });
        prop_assert_eq!(engine.render(NAME, &context), Ok(expected));
    });
}

#[test]
fn no_allowed_template_lets_a_value_change_the_document() {
    let piece = prop_oneof![3 => prop::sample::select(&WHOLES[..]), 1 => prop::sample::select(&PIECES[..])];
    let (allowed, documents) = (Cell::new(0), Cell::new(0));
    let body = prop_oneof![vec(piece, 1..6), vec(prop::sample::select(&PIECES[..]), 1..10)];
    proptest!(config(4096), |(body in body, evil in text().prop_filter("as true as the token", |evil| !evil.is_empty()))| {
        let source = format!("{{{}\"z\": 1}}", body.concat());
        let (engine, diagnostics) = load(&source);
        if diagnostics.is_empty() {
            allowed.set(allowed.get() + 1);
            match (engine.render(NAME, &context(TOKEN)), engine.render(NAME, &context(&evil))) {
                (Ok(tame), Ok(wild)) => {
                    documents.set(documents.get() + 1);
                    prop_assert_eq!(replaced(tame, &evil), wild, "{}", source);
                }
                (Err(_), Err(_)) => {}
                (tame, wild) => prop_assert!(false, "{}: {:?} but {:?}", source, tame, wild),
            }
        }
    });
    // The property says nothing if the random templates are all refused.
    let (allowed, documents) = (allowed.get(), documents.get());
    assert!(
        allowed > 700 && documents > 200,
        "{allowed} allowed, {documents} documents"
    );
}
