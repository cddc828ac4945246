//! Tests of rules in CEL.

use super::*;
use crate::rules::{Inventory, Operation, Review, Rule, Template, TemplateError};
use serde_json::json;

fn template(source: Value) -> Result<Template, TemplateError> {
    Template::from_document(&json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "p"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "P"}}},
            "targets": [{
                "target": "admission.k8s.gatekeeper.sh",
                "code": [{"engine": "K8sNativeValidation", "source": source}],
            }],
        },
    }))
}

fn rule(source: Value) -> Result<Rule, TemplateError> {
    Rule::new(&template(source)?)
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "w", "b": "x"}},
        "spec": {"containers": [{"name": "a", "image": "nginx:1"}, {"name": "b", "image": "redis"}], "empty": null},
    })
}

fn messages(source: Value, parameters: Value, review: &Review, inventory: &Inventory) -> Vec<String> {
    let evaluation = rule(source).unwrap().evaluate(&parameters, review.request(), inventory);
    let failed = evaluation
        .violations
        .iter()
        .any(|one| one.message.starts_with("evaluation error"));
    assert_eq!(evaluation.failed, failed);
    evaluation
        .violations
        .into_iter()
        .map(|violation| violation.message)
        .collect()
}

/// Returns what an expression is, of a Pod.
fn holds(expression: &str) -> Result<bool, String> {
    let source = json!({"validations": [{"expression": expression, "message": "no"}]});
    let messages = messages(
        source,
        json!({"n": 3}),
        &Review::of_object(&pod()),
        &Inventory::default(),
    );
    match messages.as_slice() {
        [] => Ok(true),
        [message] if message == "no" => Ok(false),
        [message] => Err(message.clone()),
        many => panic!("{many:?}"),
    }
}

#[test]
fn expressions_are_as_kubernetes_has_them() {
    let hold = [
        "object.kind == 'Pod'",
        "object.spec.containers.all(c, c.image.contains('n') || c.image == 'redis')",
        "object.spec.containers.exists(c, c.name == 'b')",
        "object.spec.containers.filter(c, c.image.endsWith(':1')).map(c, c.name) == ['a']",
        "object.spec.containers.map(c, c.name).join(',') == 'a,b'",
        "size(object.spec.containers) == 2 && object.metadata.labels.size() == 2",
        "object.metadata.labels.map(l, l) == ['app', 'b']",
        "object.metadata.labels.all(l, object.metadata.labels[l] != '')",
        "'app' in object.metadata.labels && !('c' in object.metadata.labels)",
        "variables.params.n == 3 && type(variables.params.n) == int",
        "variables.params.n + 1 == 4 && variables.params.n < 3.5",
        "variables.anyObject == object && oldObject == null",
        "request.operation == 'CREATE' && request.kind.kind == 'Pod' && request.namespace == 'shop'",
        "!has(request.name) || request.name == 'web'",
        "!has(request.dryRun)",
        // What has no fields has not this one.
        "has(object.spec.empty) && !has(object.spec.empty.x) && !has(object.kind.x)",
        "!has(object.spec.nothing)",
        "has(variables.params) && has(variables.anyObject.spec)",
        "object.?spec.?nothing.orValue('d') == 'd'",
        "optional.of(1).hasValue()",
        "'a-b'.replace('-', '_') == 'a_b' && 'a.b.c'.split('.') == ['a', 'b', 'c'] && 'aaa'.replace('a', 'b', 2) == 'bba'",
        "' A '.trim().lowerAscii() == 'a' && 'abc'.substring(1) == 'bc' && 'abc'.indexOf('c') == 2",
        "'%s has %d'.format(['x', 2]) == 'x has 2' && strings.quote('a') == '\"a\"'",
        // RE2, not the interpreter's own.
        r"'a.b'.matches('^\\Qa.b\\E$') && matches('abc', 'b') && !'x'.matches('a{,2}')",
        "[1, 2].indexOf(2) == 1 && [1, 2, 1].lastIndexOf(1) == 2 && [].sum() == 0",
        "[1, 2, 3].sum() == 6 && [2, 1].min() == 1 && [2, 1].max() == 2 && [1, 1, 2].isSorted() && ![2, 1].isSorted()",
        "int('5') == 5 && string(5) == '5' && double('1.5') == 1.5 && dyn(1) == 1",
        "true || object.nothing == 1",
        "[1, 2].exists_one(x, x == 1) && {'a': 1}['a'] == 1",
    ];
    for expression in hold {
        assert_eq!(holds(expression), Ok(true), "{expression}");
    }
    assert_eq!(holds("object.kind == 'Service'"), Ok(false));
    // No truth value is no yes.
    assert_eq!(holds("object.kind"), Ok(false));
    for expression in [
        "object.spec.nothing == 1",
        "object.spec.empty.x == 1",
        "object.spec.containers[5].name == 'a'",
        "object.kind > 3",
        "'a'.matches('(')",
        "1 / 0 == 1",
        "[].min() == 1",
    ] {
        let error = holds(expression).unwrap_err();
        assert!(
            error.starts_with(&format!("evaluation error: expression `{expression}`: ")),
            "{error}"
        );
    }
}

#[test]
fn what_cannot_be_evaluated_is_refused_when_it_is_loaded() {
    let validation = |expression: &str| json!({"validations": [{"expression": expression}]});
    let cases = [
        (
            validation("quantity('1').isInteger()"),
            "`validations[0].expression`: unknown function `isInteger`",
        ),
        (validation("ip('1.1.1.1') == ''"), "unknown function `ip`"),
        (validation("duration('1s') == ''"), "unknown function `duration`"),
        (validation("lists.range(3) == []"), "unknown function `range`"),
        (validation("'a'.reverse() == 'a'"), "unknown function `reverse`"),
        (validation("params.spec == 1"), "unknown name `params`"),
        (validation("authorizer.group('') == ''"), "unknown function `group`"),
        (validation("nothing == 1"), "unknown name `nothing`"),
        (validation("[1].all(x, true) && x == 1"), "unknown name `x`"),
        (
            validation("variables.nothing == 1"),
            "there is no variable `nothing` before this",
        ),
        (
            validation("variables == 1"),
            "`variables` can only be asked for one of them",
        ),
        (validation("Pod{name: 'a'} == 1"), "there is no type `Pod`"),
        (validation("1 +"), "line 1, column"),
        (validation(&"!".repeat(9000)), "more than 8192 bytes"),
        (validation(&format!("{}1", "1 + ".repeat(1000))), "levels deep"),
        (
            validation(&format!("{}1{}", "(".repeat(1000), ")".repeat(1000))),
            "`validations[0].expression`: ",
        ),
        (
            json!({"variables": [{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}]}),
            "`variables[0].expression`: there is no variable `b` before this",
        ),
        (
            json!({"variables": [{"name": "params", "expression": "1"}]}),
            "keeps for itself",
        ),
        (
            json!({"variables": [{"name": "gatekeeper_internal_x", "expression": "1"}]}),
            "keeps for itself",
        ),
        (
            json!({"variables": [{"name": "a-b", "expression": "1"}]}),
            "no name of a variable",
        ),
        (
            json!({"variables": [{"name": "a", "expression": "1"}, {"name": "a", "expression": "2"}]}),
            "is there twice",
        ),
        (
            json!({"matchCondition": [{"name": "gatekeeper_internal_x", "expression": "true"}]}),
            "keeps for itself",
        ),
        (
            json!({"matchCondition": [{"name": "a", "expression": "zip(1)"}]}),
            "`matchCondition[0].expression`",
        ),
        (
            json!({"validations": [{"expression": "true", "messageExpression": "zip(1)"}]}),
            "`validations[0].messageExpression`: unknown function `zip`",
        ),
        (json!({"failurePolicy": "Maybe"}), "must be `Fail` or `Ignore`"),
        (json!({"validations": {}}), "`validations`: must be a list"),
        (
            json!({"validations": [{"expression": 1}]}),
            "`validations[0].expression`: must be a text",
        ),
    ];
    for (source, expected) in cases {
        let error = rule(source.clone()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn variables_are_evaluated_when_they_are_needed_and_see_those_before() {
    let variables = json!([
        {"name": "broken", "expression": "object.spec.nothing"},
        {"name": "names", "expression": "object.spec.containers.map(c, c.name)"},
        {"name": "text", "expression": "variables.names.join('+')"},
    ]);
    let said = |validations: Value| {
        let source = json!({"variables": variables, "validations": validations});
        messages(source, json!({}), &Review::of_object(&pod()), &Inventory::default())
    };
    let text = json!([{"expression": "false", "messageExpression": "'is ' + variables.text"}]);
    assert_eq!(said(text), ["is a+b"]);
    assert!(said(json!([{"expression": "true || variables.broken == 1"}])).is_empty());
    let expected = "evaluation error: expression `variables.broken == 1`: the variable `broken` has no value: No such key: nothing";
    assert_eq!(said(json!([{"expression": "variables.broken == 1"}])), [expected]);
}

#[test]
fn a_message_is_made_or_written_or_the_expression() {
    let said = |validation: Value| {
        let source = json!({"validations": [validation]});
        messages(source, json!({}), &Review::of_object(&pod()), &Inventory::default()).remove(0)
    };
    let made = |made: &str| said(json!({"expression": "false", "message": " written ", "messageExpression": made}));
    assert_eq!(made("' made '"), "made");
    // What is empty, no text, several lines, too long or an error is not taken.
    for other in [
        "'  '",
        "1",
        r"'a\nb'",
        "object.nothing",
        "['x'].map(x, 'a'.replace('a', 'b'))[0].replace('', 'c') == ''",
    ] {
        assert_eq!(made(other), "written", "{other}");
    }
    let long = format!("'{}'", "a".repeat(5200));
    assert_eq!(made(&long), "written");
    assert_eq!(said(json!({"expression": " false "})), "failed expression: false");
}

#[test]
fn conditions_and_the_failure_policy_decide_who_is_asked() {
    let said = |conditions: &[&str], policy: &str, expression: &str| {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|text| json!({"name": "c", "expression": text}))
            .collect();
        let source = json!({
            "matchCondition": conditions, "failurePolicy": policy, "validations": [{"expression": expression, "message": "no"}],
        });
        messages(source, json!({}), &Review::of_object(&pod()), &Inventory::default())
    };
    assert_eq!(said(&["object.kind == 'Pod'"], "Fail", "false"), ["no"]);
    assert!(said(&["true", "object.kind == 'Service'"], "Fail", "false").is_empty());
    assert!(said(&["object.nothing == 1", "false"], "Fail", "false").is_empty());
    assert!(said(&["object.nothing == 1"], "Fail", "true")[0].starts_with("evaluation error: "));
    assert!(said(&["object.nothing == 1"], "Ignore", "false").is_empty());
    assert!(said(&[], "Ignore", "object.nothing == 1").is_empty());
    assert_eq!(said(&[], "Ignore", "false"), ["no"]);
}

#[test]
fn a_deletion_has_no_object() {
    let review = Review::new(None, Some(&pod()), Operation::Delete, Some(&json!({"username": "ada"})));
    let expression = "object == null && oldObject.kind == 'Pod' && variables.anyObject.kind == 'Pod' && request.userInfo.username == 'ada'";
    let source = json!({"validations": [{"expression": expression}]});
    assert!(messages(source, json!({}), &review, &Inventory::default()).is_empty());
    let source = json!({"validations": [{"expression": "variables.params == null"}]});
    assert!(messages(source, json!({}), &review, &Inventory::default()).is_empty());
}

#[test]
fn the_namespace_is_seen_if_it_is_known() {
    let source =
        json!({"validations": [{"expression": "namespaceObject.metadata.labels.env == 'prod'", "message": "no"}]});
    let namespace = |env: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"env": env}}});
    let said = |object: &Value, inventory: &Inventory| {
        messages(source.clone(), json!({}), &Review::of_object(object), inventory)
    };
    assert!(said(&pod(), &Inventory::new(&[&namespace("prod")])).is_empty());
    assert_eq!(said(&pod(), &Inventory::new(&[&namespace("dev")])), ["no"]);
    let unknown = said(&pod(), &Inventory::default());
    assert!(
        unknown[0].contains("the Namespace `shop` of the object is not known"),
        "{unknown:?}"
    );
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    let source = json!({"validations": [{"expression": "namespaceObject == null"}]});
    assert!(messages(source, json!({}), &Review::of_object(&node), &Inventory::default()).is_empty());
}

#[test]
fn a_runaway_rule_ends_and_counts_against_the_object() {
    let list = format!("[{}0]", "0, ".repeat(60));
    let nested = format!("{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, true))))");
    let error = holds(&nested).unwrap_err();
    assert!(error.ends_with("it takes too many steps"), "{error}");
    // Even where the answer would not depend on it.
    let error = holds(&format!("true || {nested} || {nested}"));
    assert_eq!(error, Ok(true));
    let error = holds(&format!("{nested} || true")).unwrap_err();
    assert!(error.ends_with("it takes too many steps"), "{error}");
    let doubled: Vec<Value> = (0..40)
        .map(|at| match at {
            0 => json!({"name": "v0", "expression": "'aaaaaaaaaaaaaaaa'"}),
            at => json!({"name": format!("v{at}"), "expression": format!("variables.v{0} + variables.v{0}", at - 1)}),
        })
        .collect();
    let source = json!({"variables": doubled, "validations": [{"expression": "variables.v39 != ''"}]});
    let messages = messages(source, json!({}), &Review::of_object(&pod()), &Inventory::default());
    assert!(messages[0].contains("its value is too large"), "{messages:?}");
}

#[test]
fn rego_counts_where_both_are() {
    let document = json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "p"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "P"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": [
                {"engine": "K8sNativeValidation", "source": {"validations": [{"expression": "false", "message": "cel"}]}},
                {"engine": "Rego", "source": {"rego": "package p\nviolation[{\"msg\": \"rego\"}] { true }\n"}},
            ]}],
        },
    });
    let rule = Rule::new(&Template::from_document(&document).unwrap()).unwrap();
    let evaluation = rule.evaluate(&json!({}), Review::of_object(&pod()).request(), &Inventory::default());
    assert_eq!(evaluation.violations[0].message, "rego");
}
