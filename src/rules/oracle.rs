//! Gatekeeper's own verdicts, against ours: `tests/data/oracle`.

use super::expansion::Expander;
use super::{Constraint, Input, Inventory, Match, Origin, Review, Rule, Template};
use serde_json::{Value, json};

fn lines(text: &'static str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn template(rego: &str, version: &str) -> Template {
    let target = match version {
        "v0" => json!({"target": "admission.k8s.gatekeeper.sh", "rego": rego}),
        version => json!({
            "target": "admission.k8s.gatekeeper.sh",
            "code": [{"engine": "Rego", "source": {"version": version, "rego": rego}}],
        }),
    };
    let document = json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "probe"},
        "spec": {"crd": {"spec": {"names": {"kind": "Probe"}}}, "targets": [target]},
    });
    Template::from_document(&document).unwrap()
}

/// What we say: messages, an error of the evaluation, or why the rule is refused.
fn verdict(
    rego: &str,
    version: &str,
    parameters: &Value,
    object: &Value,
) -> Result<Result<Vec<String>, String>, String> {
    let rule = Rule::new(&template(rego, version)).map_err(|error| error.to_string())?;
    let parameters = if parameters.is_null() {
        json!({})
    } else {
        parameters.clone()
    };
    let review = json!({"object": object, "operation": "CREATE"});
    let evaluation = rule.evaluate(&parameters, &review, &Inventory::default());
    let messages = evaluation.violations.into_iter().map(|violation| violation.message);
    Ok(if evaluation.failed {
        Err(messages.collect())
    } else {
        Ok(messages.collect())
    })
}

/// Whether `docs/rules.md` owns up to a difference: a row of a table that starts with the expression.
fn is_listed(expr: &str) -> bool {
    let row = format!("| `{}` |", expr.replace('|', "\\|"));
    include_str!("../../docs/rules.md")
        .lines()
        .any(|line| line.starts_with(&row))
}

#[test]
fn negation() {
    let mut wrong = Vec::new();
    for line in lines(include_str!("../../tests/data/oracle/negation.jsonl")) {
        let rego = line["rego"].as_str().unwrap();
        let ours = verdict(
            rego,
            line["version"].as_str().unwrap(),
            &line["parameters"],
            &line["object"],
        );
        let theirs = &line["violations"];
        let same = match (&ours, theirs["stage"].as_str()) {
            (Err(_), Some("template")) => true,
            (Ok(Err(_)), Some("evaluation" | "review")) => true,
            (Ok(Ok(messages)), None) => json!(messages) == *theirs,
            _ => false,
        };
        if !same {
            wrong.push(format!(
                "{} {} {rego}\n   ours {ours:?}\n   theirs {theirs}",
                line["id"], line["group"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), wrong.len());
}

/// An engine that has answered gives the answers of one that has not, whatever was asked before.
#[test]
fn an_engine_that_stays_answers_as_a_new_one() {
    let lines: Vec<Value> = lines(include_str!("../../tests/data/oracle/negation.jsonl")).collect();
    let objects: Vec<Value> = lines.iter().step_by(23).map(|line| line["object"].clone()).collect();
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}});
    let inventories = [Inventory::default(), Inventory::new(&[&config])];
    let mut asked = 0;
    for line in &lines {
        let template = template(line["rego"].as_str().unwrap(), line["version"].as_str().unwrap());
        let Ok(rule) = Rule::new(&template) else { continue };
        let parameters = match &line["parameters"] {
            Value::Null => json!({}),
            parameters => parameters.clone(),
        };
        for (at, object) in objects.iter().chain([&line["object"]]).enumerate() {
            let review = json!({"object": object, "operation": "CREATE"});
            let inventory = &inventories[at / 3 % 2];
            let new = rule.clone().evaluate(&parameters, &review, inventory);
            assert_eq!(rule.evaluate(&parameters, &review, inventory), new, "{}", line["id"]);
            let (parameters, review) = (Input::new(parameters.clone()), Input::new(review));
            assert_eq!(rule.ask(&parameters, &review, inventory), new, "{}", line["id"]);
            asked += 1;
        }
    }
    assert!(asked > 1_000, "{asked}");
}

#[test]
fn builtins() {
    let mut wrong = Vec::new();
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}});
    for line in lines(include_str!("../../tests/data/oracle/builtins.jsonl")) {
        let expr = line["expr"].as_str().unwrap();
        let imports: Vec<_> = line["imports"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let imports: String = imports.iter().map(|import| format!("import {import}\n")).collect();
        let rego = format!(
            "package probe\n{imports}violation[{{\"msg\": m}}] {{ x := {expr}; m := concat(\"\", [\"=\", json.marshal(x)]) }}\n"
        );
        let ours = verdict(&rego, "v0", &Value::Null, &object);
        let (marker, theirs) = (line.get("opa_text").is_none(), &line["opa"]);
        let number_equal = |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|value| equal(&value, theirs));
        let same = match &ours {
            Err(_) => marker && theirs.get("compile_error").is_some(),
            Ok(Err(_)) => marker && theirs.get("eval_error").is_some(),
            Ok(Ok(messages)) => match messages.as_slice() {
                [] => marker && theirs.get("undefined").is_some(),
                [message] => !marker && number_equal(message.trim_start_matches('=')),
                many => {
                    let ours: Vec<Value> = many
                        .iter()
                        .map(|text| serde_json::from_str(&text[1..]).unwrap())
                        .collect();
                    theirs["multiple"].as_array().is_some_and(|theirs| {
                        theirs.iter().all(|one| ours.iter().any(|our| equal(our, one))) && theirs.len() == ours.len()
                    })
                }
            },
        };
        // A function that is refused is listed by its name.
        let refused = ours
            .as_ref()
            .err()
            .and_then(|error| error.split_once("unknown function `")?.1.split_once('`'));
        let listed = refused.map_or_else(|| is_listed(expr), |(name, _)| is_listed(name));
        if same == listed {
            wrong.push(format!(
                "{} {} {expr} ours {ours:?} theirs {theirs}",
                line["id"], line["group"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), wrong.len());
}

/// Equal as JSON, numbers by their value.
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
fn matching() {
    let mut wrong = Vec::new();
    for line in lines(include_str!("../../tests/data/oracle/match.jsonl")) {
        let ours = Match::new(line.get("match"));
        // A Namespace is reviewed in the namespace of its own name.
        let namespace = Some(&line["namespace_object"]).filter(|namespace| !namespace.is_null());
        let ours = ours.map(|matching| matching.applies(&line["object"], namespace, Origin::Original));
        let same = match (&ours, &line["matched"]) {
            (Err(_), theirs) => theirs["stage"] == "constraint",
            (Ok(Err(_)), theirs) => theirs["stage"] == "match",
            (Ok(Ok(ours)), theirs) => Some(*ours) == theirs.as_bool(),
        };
        if !same {
            wrong.push(format!("{line}\n   ours {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), wrong.len());
}

#[test]
fn reviews() {
    let mut wrong = Vec::new();
    for line in lines(include_str!("../../tests/data/oracle/review.jsonl")) {
        let ours = Review::of_review(&line["review"]);
        let (seen, matched) = (&line["seen"], &line["matched"]);
        let same = match &ours {
            Err(_) => seen.get("error").is_some() && matched.is_null(),
            Ok(review) => {
                let block = Some(&line["match"]).filter(|block| !block.is_null());
                let meant = review.is_meant(&Match::new(block).unwrap(), &|_| None, Origin::Original);
                match meant {
                    Err(_) => matched.get("error").is_some(),
                    Ok(meant) => Some(meant) == matched.as_bool() && (!meant || equal(review.request(), seen)),
                }
            }
        };
        if !same {
            wrong.push(format!("{}\n   ours {ours:?}\n   theirs {seen} {matched}", line["id"]));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), wrong.len());
}

/// What we say of an object and of what is made of it: prefix, kind, review and action of each violation.
fn expanded(line: &Value) -> Result<(Vec<Value>, Vec<Value>), String> {
    let documents: Vec<&Value> = ["expansion_templates", "mutators"]
        .iter()
        .flat_map(|name| line[name].as_array().unwrap())
        .collect();
    let made = Expander::new(&documents)
        .and_then(|expander| expander.expand(&line["object"]))
        .map_err(|error| error.to_string())?;
    let echo = template(
        "package probe\nviolation[{\"msg\": json.marshal(input.review)}] { true }\n",
        "v0",
    );
    let document = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Probe", "metadata": {"name": "probe"},
        "spec": {"match": line["match"], "enforcementAction": line["enforcement_action"]},
    });
    let constraint = Constraint::from_document(&document, &echo).unwrap();
    let rule = Rule::new(&echo).unwrap();
    let namespace = Some(line["namespace_object"].clone()).filter(|namespace| !namespace.is_null());
    let mut results = Vec::new();
    let mut ask = |review: &Review, prefix: &str, action: &str, origin: Origin| match review.is_meant(
        constraint.matching(),
        &|_| namespace.clone(),
        origin,
    ) {
        Ok(false) => {}
        Ok(true) => {
            let found = rule.evaluate(constraint.parameters(), review.request(), &Inventory::default());
            let review: Value = serde_json::from_str(&found.violations[0].message).unwrap();
            let kind = &review["kind"]["kind"];
            results.push(json!({"prefix": prefix, "kind": kind, "review": review, "enforcement_action": action}));
        }
        Err(_) => results.push(json!({"prefix": prefix, "error": true, "enforcement_action": action})),
    };
    let own_action = constraint.enforcement_action();
    ask(&Review::of_audit(&line["object"]), "", own_action, Origin::Original);
    for made in &made {
        let action = made.enforcement_action.as_deref().unwrap_or(own_action);
        ask(&made.review(), &made.message(""), action, Origin::Generated);
    }
    Ok((made.into_iter().map(|made| made.object).collect(), results))
}

#[test]
fn expansion() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines(include_str!("../../tests/data/oracle/expand.jsonl")) {
        count += 1;
        let ours = expanded(&line);
        let same = match &ours {
            Err(_) => line["results"].get("error").is_some(),
            Ok((made, results)) => {
                let theirs: Vec<Value> = line["results"].as_array().into_iter().flatten().map(placed).collect();
                same_members(made, line["generated"].as_array().unwrap()) && same_members(results, &theirs)
            }
        };
        if same == is_listed(line["id"].as_str().unwrap()) {
            wrong.push(format!(
                "{}\n   ours {ours:?}\n   theirs {}",
                line["id"], line["results"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), wrong.len());
    assert_eq!(count, 35);
}

/// Takes the prefix off a message of Gatekeeper's own.
fn placed(result: &Value) -> Value {
    let Some(message) = result["message"].as_str() else {
        return result.clone();
    };
    let (prefix, _) = message.split_at(message.find("] ").map_or(0, |at| at + 2));
    json!({"prefix": prefix, "error": true, "enforcement_action": result["enforcement_action"]})
}

fn same_members(ours: &[Value], theirs: &[Value]) -> bool {
    let mut left: Vec<&Value> = theirs.iter().collect();
    let found = ours.iter().all(|one| {
        let at = left.iter().position(|other| equal(one, other));
        at.map(|at| left.remove(at)).is_some()
    });
    found && left.is_empty()
}
