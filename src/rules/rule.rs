//! A template made ready to be asked, and its answers.

use super::native::Native;
use super::rego::Rego;
use super::template::{Code, Template, TemplateError};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long one evaluation may take.
const LONGEST: Duration = Duration::from_secs(5);

/// What a rule says against an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The message.
    pub message: String,
    /// The details, as the rule made them; an empty object if it made none.
    pub details: Value,
}

/// What an evaluation came to. An error counts as a violation, as it does in Gatekeeper.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// What speaks against the object, in the order of the messages.
    pub violations: Vec<Violation>,
    /// Whether the one violation is an error of the evaluation.
    pub failed: bool,
}

/// The other objects that a rule can see as `data.inventory`.
#[derive(Clone, Debug)]
pub struct Inventory {
    data: Arc<regorus::Value>,
}

impl Default for Inventory {
    fn default() -> Inventory {
        Inventory::new(&[])
    }
}

impl Inventory {
    /// Arranges objects as Gatekeeper's cache does: `cluster.<version>.<kind>.<name>` and `namespace.<namespace>.<version>.<kind>.<name>`.
    pub fn new(objects: &[&Value]) -> Inventory {
        let mut inventory = serde_json::json!({"cluster": {}, "namespace": {}});
        for object in objects {
            let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
            let path = match text("/metadata/namespace") {
                "" => vec!["cluster", version, kind, name],
                namespace => vec!["namespace", namespace, version, kind, name],
            };
            put(&mut inventory, &path, (*object).clone());
        }
        let data = serde_json::json!({"inventory": inventory});
        Inventory {
            data: Arc::new(data.into()),
        }
    }

    pub(super) fn data(&self) -> &Arc<regorus::Value> {
        &self.data
    }

    /// Returns the Namespace of a name.
    fn namespace(&self, name: &str) -> Option<Value> {
        let mut place = self.data.as_ref();
        for step in ["inventory", "cluster", "v1", "Namespace", name] {
            place = place.as_object().ok()?.get(&step.into())?;
        }
        serde_json::to_value(place).ok()
    }
}

/// Puts a value at a path, making what is not there on the way.
fn put(place: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *place = value;
        return;
    };
    if let Some(fields) = place.as_object_mut() {
        let next = fields
            .entry(*first)
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
        put(next, rest, value);
    }
}

/// A value that rules are shown, made ready once for all of them.
#[derive(Clone, Debug)]
pub struct Input {
    plain: Value,
    engine: regorus::Value,
}

impl Input {
    /// Makes parameters or a request ready.
    pub fn new(value: Value) -> Input {
        Input {
            engine: value.clone().into(),
            plain: value,
        }
    }

    pub(super) fn engine(&self) -> &regorus::Value {
        &self.engine
    }
}

/// A template, loaded and checked: one for each thread, as a rule keeps an engine between two questions.
#[derive(Clone, Debug)]
pub struct Rule {
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Rego(Box<Rego>),
    Native(Native),
}

impl Rule {
    /// Loads a template; what Gatekeeper refuses, or what we could only guess at, is an error here.
    ///
    /// Where a template has Rego and CEL, the Rego counts.
    pub fn new(template: &Template) -> Result<Rule, TemplateError> {
        Rule::within(template, LONGEST)
    }

    fn within(template: &Template, limit: Duration) -> Result<Rule, TemplateError> {
        let body = match template.code() {
            Code::Rego { version, texts } => Body::Rego(Box::new(Rego::new(*version, texts, limit)?)),
            Code::Native(source) => {
                let native = Native::new(source).map_err(|(place, reason)| TemplateError::Cel { place, reason })?;
                Body::Native(native)
            }
        };
        Ok(Rule { body })
    }

    /// Returns what the rule says against the object of a review.
    ///
    /// `parameters` are those of the constraint with defaults, `review` is the admission request.
    pub fn evaluate(&self, parameters: &Value, review: &Value, inventory: &Inventory) -> Evaluation {
        match &self.body {
            Body::Rego(rego) => rego.evaluate(&parameters.clone().into(), &review.clone().into(), inventory),
            Body::Native(native) => evaluate_native(native, parameters, review, inventory),
        }
    }

    /// Returns the same as [`Rule::evaluate`], of values that were made ready: for many questions about one object, or one constraint.
    pub fn ask(&self, parameters: &Input, review: &Input, inventory: &Inventory) -> Evaluation {
        match &self.body {
            Body::Rego(rego) => rego.evaluate(parameters.engine(), review.engine(), inventory),
            Body::Native(native) => evaluate_native(native, &parameters.plain, &review.plain, inventory),
        }
    }
}

fn evaluate_native(native: &Native, parameters: &Value, review: &Value, inventory: &Inventory) -> Evaluation {
    let name = review.get("namespace").and_then(Value::as_str).unwrap_or_default();
    native.evaluate(parameters, review, inventory.namespace(name).as_ref())
}

/// Returns what an error of an evaluation counts as.
pub(super) fn failed(reason: &str) -> Evaluation {
    Evaluation {
        violations: vec![Violation {
            message: format!("evaluation error: {reason}"),
            details: Value::Object(serde_json::Map::new()),
        }],
        failed: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evaluated(body: &str, limit: Duration, inventory: &Inventory) -> Evaluation {
        let rego = format!(
            "package p\nviolation[{{\"msg\": m, \"details\": d}}] {{ d := {{}}\n  {body} }}\nf(x) {{ split(x, \"\") }}\nf(x) {{ x }}\ng(x) = 1 {{ true }}\ng(x) = 2 {{ true }}\n"
        );
        let rule = Rule::within(&Template::from_rego("P", Value::Null, &rego), limit).unwrap();
        rule.evaluate(&json!({}), &json!({"object": {"metadata": {"name": "web"}}}), inventory)
    }

    fn messages(body: &str) -> Vec<String> {
        let evaluation = evaluated(body, LONGEST, &Inventory::default());
        assert_eq!(
            evaluation.failed,
            evaluation
                .violations
                .iter()
                .any(|one| one.message.starts_with("evaluation error"))
        );
        evaluation
            .violations
            .into_iter()
            .map(|violation| violation.message)
            .collect()
    }

    #[test]
    fn an_error_is_a_violation_with_its_place() {
        let expected =
            "evaluation error: rule, line 3, column 24: functions must not produce multiple outputs for same inputs";
        assert_eq!(messages("m := sprintf(\"%v\", [g(1)])"), [expected]);
        assert_eq!(
            messages("m := 5"),
            ["evaluation error: the `msg` of a violation is `5`, and it must be a text"]
        );
    }

    #[test]
    fn what_never_ends_in_gatekeeper_is_an_error_even_where_another_clause_answers() {
        let expected = "evaluation error: split: an empty separator; Gatekeeper does not come to an end here";
        assert_eq!(messages("f(\"a\"); m := \"x\""), [expected]);
    }

    #[test]
    fn a_runaway_rule_ends_and_counts_against_the_object() {
        let body = "a := numbers.range(1, 1000)[_]; b := numbers.range(1, 1000)[_]; c := numbers.range(1, 1000)[_]; a + b + c == 0; m := \"x\"";
        let evaluation = evaluated(body, Duration::from_millis(20), &Inventory::default());
        assert!(evaluation.failed);
        assert!(
            evaluation.violations[0].message.contains("time limit"),
            "{evaluation:?}"
        );
        assert!(messages("count(numbers.range(1, 100000000)) > 0; m := \"x\"")[0].contains("more than"));
    }

    #[test]
    fn a_question_that_broke_off_does_not_change_the_next_answers() {
        // Of 2,000 it has eight thousand million sums to look at; of 1 a single one.
        let rego = "package p\nviolation[{\"msg\": m}] { x := input.review.x; a := numbers.range(1, x)[_]; \
            b := numbers.range(1, x)[_]; c := numbers.range(1, x)[_]; a + b + c == 0; m := \"never\" }\n\
            violation[{\"msg\": m}] { m := sprintf(\"x is %v\", [input.review.x]) }\n";
        let limit = Duration::from_millis(400);
        let rule = Rule::within(&Template::from_rego("P", Value::Null, rego), limit).unwrap();
        let ask = |x: u64| rule.evaluate(&json!({}), &json!({"x": x}), &Inventory::default());
        for _ in 0..3 {
            assert_eq!(ask(1).violations[0].message, "x is 1");
            assert!(ask(2_000).failed);
        }
    }

    #[test]
    fn a_rule_can_be_had_once_for_each_thread() {
        fn is_clone_and_send<T: Clone + Send>() {}
        fn is_shared<T: Send + Sync>() {}
        is_clone_and_send::<Rule>();
        is_shared::<Input>();
        is_shared::<Inventory>();
        is_shared::<Template>();
    }

    #[test]
    fn other_objects_are_in_the_inventory() {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}});
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "namespace": "a"},
        });
        let inventory = Inventory::new(&[&namespace, &ingress]);
        let body = "m := concat(\" \", [data.inventory.cluster.v1.Namespace[n].metadata.name, \
            data.inventory.namespace.a[\"networking.k8s.io/v1\"].Ingress.i.kind])";
        let evaluation = evaluated(body, LONGEST, &inventory);
        assert_eq!(evaluation.violations[0].message, "a Ingress");
    }

    #[test]
    fn a_refusal_says_where() {
        let template = Template::from_rego(
            "P",
            Value::Null,
            "package p\nviolation[{\"msg\": \"x\"}] {\n  nonsense(1)\n}\n",
        );
        let error = Rule::new(&template).unwrap_err().to_string();
        assert!(
            error.starts_with("rule, line 3, column 3: unknown function `nonsense`"),
            "{error}"
        );
    }
}
