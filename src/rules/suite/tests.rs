//! Tests of suites.

use super::*;
use crate::rules::Template;

/// The files of `tests/data/suites`.
fn file(path: &str) -> Result<Vec<u8>, String> {
    let text = match path {
        "template.yaml" => include_str!("../../../tests/data/suites/template.yaml"),
        "constraint.yaml" => include_str!("../../../tests/data/suites/constraint.yaml"),
        "allowed.yaml" => include_str!("../../../tests/data/suites/allowed.yaml"),
        "denied.yaml" => include_str!("../../../tests/data/suites/denied.yaml"),
        "elsewhere.yaml" => include_str!("../../../tests/data/suites/elsewhere.yaml"),
        "review.yaml" => include_str!("../../../tests/data/suites/review.yaml"),
        "inventory.yaml" => include_str!("../../../tests/data/suites/inventory.yaml"),
        "expansion.yaml" => include_str!("../../../tests/data/suites/expansion.yaml"),
        "deployment.yaml" => include_str!("../../../tests/data/suites/deployment.yaml"),
        "native-template.yaml" => include_str!("../../../tests/data/suites/native-template.yaml"),
        "native-constraint.yaml" => include_str!("../../../tests/data/suites/native-constraint.yaml"),
        "malformed.yaml" => "a: [1\n",
        "two.yaml" => "a: 1\n---\nb: 2\n",
        "bad-constraint.yaml" => {
            "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: NeedsOwner\nmetadata: {name: x}\nspec: {match: {namespaces: [A]}}\n"
        }
        _ => return Err("no such file".to_owned()),
    };
    Ok(text.as_bytes().to_vec())
}

const HEADER: &str = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n";

fn no_template(_: &str) -> Option<Result<Template, String>> {
    None
}

fn run_text(text: &str) -> SuiteResult {
    let suite = Suite::parse("suite.yaml", text.as_bytes()).unwrap();
    let files = Files {
        read: &file,
        template: &no_template,
    };
    run(&suite, &files, &Selection::default())
}

/// Returns how one case comes out.
fn case(case: &str) -> Outcome {
    let text = format!(
        "{HEADER}tests: [{{name: t, template: template.yaml, constraint: constraint.yaml, cases: [{{name: c, {case}}}]}}]\n"
    );
    run_text(&text).tests.remove(0).cases.remove(0).outcome
}

fn failure(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(reason) => format!("failed: {reason}"),
        Outcome::NotRun(reason) => format!("not run: {reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_suite_that_is_right_passes() {
    let result = run_text(include_str!("../../../tests/data/suites/suite.yaml"));
    assert!(result.passed(), "{result:#?}");
    let outcomes: Vec<_> = result.tests.iter().flat_map(|test| &test.cases).collect();
    assert_eq!(
        outcomes.iter().filter(|case| case.outcome == Outcome::Passed).count(),
        13
    );
    assert_eq!(
        outcomes.iter().filter(|case| case.outcome == Outcome::Skipped).count(),
        1
    );
}

/// Features that a suite of Gatekeeper's may use, each with what Gatekeeper says of it.
#[test]
fn every_feature_of_a_rule_can_be_tested() {
    let files = include_str!("../../../tests/data/suites/features.txt");
    let file = |path: &str| {
        let mut found = files.split("=== ").filter_map(|file| file.split_once('\n'));
        found
            .find(|(name, _)| *name == path)
            .map(|(_, text)| text.as_bytes().to_vec())
            .ok_or_else(|| "no such file".to_owned())
    };
    let suite = Suite::parse("suite.yaml", &file("suite.yaml").unwrap()).unwrap();
    let result = run(
        &suite,
        &Files {
            read: &file,
            template: &no_template,
        },
        &Selection::default(),
    );
    assert!(result.passed(), "{result:#?}");
    assert_eq!(result.tests.len(), 8);
}

#[test]
fn what_is_not_as_expected_fails_with_what_was_found() {
    let cases = [
        (
            "object: denied.yaml, assertions: [{violations: no}]",
            "failed: expected no violation, found 2; violations: `needs the label owner`, `needs the label team`",
        ),
        (
            "object: allowed.yaml, assertions: [{}]",
            "failed: expected at least one violation, found 0; violations: none at all",
        ),
        (
            "object: denied.yaml, assertions: [{violations: 1, message: \"label\"}]",
            "failed: expected one violation with a message like `label`, found 2; violations: `needs the label owner`, `needs the label team`",
        ),
        (
            "object: denied.yaml, assertions: [{message: \"^owner\"}]",
            "failed: expected at least one violation with a message like `^owner`, found 0; violations: `needs the label owner`, `needs the label team`",
        ),
        (
            "object: gone.yaml, assertions: [{violations: no}]",
            "not run: gone.yaml: no such file",
        ),
        (
            "object: two.yaml, assertions: [{violations: no}]",
            "not run: two.yaml: 2 documents, and one is wanted",
        ),
        (
            "object: allowed.yaml, inventory: [gone.yaml], assertions: [{violations: no}]",
            "not run: gone.yaml: no such file",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(failure(case(text)), expected, "{text}");
    }
    let malformed = failure(case("object: malformed.yaml, assertions: [{violations: no}]"));
    assert!(malformed.starts_with("not run: malformed.yaml:1:"), "{malformed}");
}

#[test]
fn a_test_that_cannot_be_set_up_is_not_run() {
    let cases = [
        (
            "template: gone.yaml, constraint: constraint.yaml",
            "gone.yaml: no such file",
        ),
        (
            "template: template.yaml, constraint: gone.yaml",
            "gone.yaml: no such file",
        ),
        (
            "template: allowed.yaml, constraint: constraint.yaml",
            "allowed.yaml: not a ConstraintTemplate: it is `v1, Pod`",
        ),
        (
            "template: template.yaml, constraint: allowed.yaml",
            "allowed.yaml: not a constraint of `NeedsOwner`: it is `v1, Pod`",
        ),
        (
            "template: template.yaml, constraint: constraint.yaml, expansion: gone.yaml",
            "gone.yaml: no such file",
        ),
        (
            "template: template.yaml, constraint: constraint.yaml, expansion: allowed.yaml",
            "allowed.yaml: not an ExpansionTemplate: it is `v1, Pod`",
        ),
    ];
    for (test, expected) in cases {
        let text = format!(
            "{HEADER}tests: [{{name: t, {test}, cases: [{{name: c, object: allowed.yaml, assertions: [{{violations: no}}]}}]}}]\n"
        );
        let result = run_text(&text);
        assert!(!result.passed());
        assert_eq!(failure(result.tests[0].outcome.clone()), format!("not run: {expected}"));
    }
}

#[test]
fn an_invalid_constraint_is_what_an_invalid_test_wants() {
    let outcome = |constraint: &str| {
        let text =
            format!("{HEADER}tests: [{{name: t, template: template.yaml, constraint: {constraint}, invalid: true}}]\n");
        run_text(&text).tests.remove(0).outcome
    };
    assert_eq!(outcome("bad-constraint.yaml"), Outcome::Passed);
    assert!(failure(outcome("constraint.yaml")).starts_with("failed: the test says that the constraint is invalid"));
    assert_eq!(failure(outcome("gone.yaml")), "not run: gone.yaml: no such file");
}

#[test]
fn a_path_can_stand_for_a_rule_of_our_own() {
    let template = |path: &str| {
        let rego = "package p\nviolation[{\"msg\": \"never\"}] { true }\n";
        (path == "never.rego").then(|| Ok(Template::from_rego("NeedsOwner", Value::Null, rego)))
    };
    let text = format!(
        "{HEADER}tests: [{{name: t, template: never.rego, constraint: constraint.yaml, cases: [{{name: c, object: allowed.yaml, assertions: [{{message: never}}]}}]}}]\n"
    );
    let suite = Suite::parse("suite.yaml", text.as_bytes()).unwrap();
    let files = Files {
        read: &file,
        template: &template,
    };
    assert!(run(&suite, &files, &Selection::default()).passed());
}

#[test]
fn a_suite_that_proves_nothing_or_says_too_much_is_refused() {
    let test = |more: &str| format!("tests: [{{name: t, template: t, constraint: c{more}}}]");
    let case = |more: &str| test(&format!(", cases: [{{name: c, object: o{more}}}]"));
    let cases = [
        (
            "tests: []".to_owned(),
            "3:1 `tests` is empty: such a suite proves nothing",
        ),
        ("test: []".to_owned(), "3:1 the key `test` is not known here"),
        (test(""), "3:9 `cases` is empty: such a test proves nothing"),
        (
            test(", invalid: true, cases: [{name: c, object: o, assertions: [{}]}]"),
            "3:56 it is `invalid`, so it cannot have cases",
        ),
        (case(""), "3:55 `assertions` is empty: such a case proves nothing"),
        (case(", assertion: []"), "3:76 the key `assertion` is not known here"),
        (
            case(", assertions: [{violations: maybe}]"),
            "3:102 `violations` must be `yes`, `no` or a number",
        ),
        (
            case(", assertions: [{message: \"(\"}]"),
            "3:99 `message` is no regular expression",
        ),
        ("tests: [{name: t}]".to_owned(), "3:9 `template` is missing"),
    ];
    for (text, expected) in cases {
        let errors = Suite::parse("suite.yaml", format!("{HEADER}{text}\n").as_bytes()).unwrap_err();
        let place = errors[0].span.unwrap();
        let told = format!("{}:{} {}", place.line, place.column, errors[0].label);
        assert_eq!(told, expected, "{text}");
    }
    let other = Suite::parse("suite.yaml", b"kind: Pod\n").unwrap_err();
    assert_eq!(other[0].summary, "not a suite");
}

#[test]
fn a_choice_is_made_by_the_names_of_tests_and_cases() {
    let test = |name: &str, cases: &str| {
        format!("- name: {name}\n  template: template.yaml\n  constraint: constraint.yaml\n  cases:\n{cases}")
    };
    let case = |name: &str| format!("  - {{name: {name}, object: allowed.yaml, assertions: [{{violations: no}}]}}\n");
    let tests = [
        test("labels", &[case("some"), case("none")].concat()),
        test("names", &case("none")),
        "- {name: refused, template: template.yaml, constraint: bad-constraint.yaml, invalid: true}\n".to_owned(),
    ];
    let suite = Suite::parse("suite.yaml", format!("{HEADER}tests:\n{}", tests.concat()).as_bytes()).unwrap();
    let files = Files {
        read: &file,
        template: &no_template,
    };
    let run = |text: &str| {
        let result = run(&suite, &files, &Selection::parse(text).unwrap());
        assert!(result.passed());
        let test = |test: &TestResult| {
            let cases: Vec<&str> = test.cases.iter().map(|case| case.name.as_str()).collect();
            format!("{}({})", test.name, cases.join(" "))
        };
        result.tests.iter().map(test).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(run(""), "labels(some none) names(none) refused()");
    assert_eq!(run("none"), "labels(none) names(none)");
    assert_eq!(run("^labels$"), "labels(some none)");
    assert_eq!(run("label//none"), "labels(none)");
    assert_eq!(run("//some"), "labels(some) refused()");
    assert_eq!(run("refused//"), "refused()");
    assert_eq!(run("nothing"), "");
    for wrong in ["(", "a//(", "a//b//c"] {
        assert!(Selection::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn of_several_documents_the_template_and_its_constraint_are_taken() {
    let both = || {
        let template = String::from_utf8(file("template.yaml").unwrap()).unwrap();
        let constraint = String::from_utf8(file("constraint.yaml").unwrap()).unwrap();
        format!("kind: ConfigMap\n---\n{template}\n---\n{constraint}")
    };
    let read = |path: &str| match path {
        "both.yaml" => Ok(both().into_bytes()),
        path => file(path),
    };
    let text = format!(
        "{HEADER}tests: [{{name: t, template: both.yaml, constraint: both.yaml, cases: [{{name: c, object: denied.yaml, assertions: [{{}}]}}]}}]\n"
    );
    let files = Files {
        read: &read,
        template: &no_template,
    };
    let suite = Suite::parse("suite.yaml", text.as_bytes()).unwrap();
    assert!(run(&suite, &files, &Selection::default()).passed());
}
