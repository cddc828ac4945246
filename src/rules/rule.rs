//! A template made ready to be asked, and its answers.

use super::builtins;
use super::normalise::{self, Normalised, Sources, Version};
use super::template::{Source, Template, TemplateError};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, PolicyLengthConfig};
use serde_json::Value;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// How long one evaluation may take.
const LONGEST: Duration = Duration::from_secs(5);
/// How often the time is looked at, in steps.
const CHECK_INTERVAL: NonZeroU32 = NonZeroU32::MIN;
/// The longest line that the engine reads: what is taken out of negations makes lines longer.
const LONGEST_LINE: u32 = 1 << 16;

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
    data: regorus::Value,
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
        Inventory { data: data.into() }
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

/// A template, loaded and checked.
#[derive(Clone)]
pub struct Rule {
    engine: Engine,
    query: String,
    sources: Vec<(String, Normalised)>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl Rule {
    /// Loads a template; what Gatekeeper refuses, or what we could only guess at, is an error here.
    pub fn new(template: &Template) -> Result<Rule, TemplateError> {
        Rule::within(template, LONGEST)
    }

    fn within(template: &Template, limit: Duration) -> Result<Rule, TemplateError> {
        let texts = template.texts();
        let sources = Sources {
            texts: &texts,
            version: template.version(),
        };
        let (package, normalised) =
            normalise::normalise(sources, &builtins::functions()).map_err(|(index, refusal)| {
                let (line, column) = place_of(texts.get(index).copied().unwrap_or_default(), refusal.at);
                TemplateError::Rego {
                    source_name: source_name(index),
                    line,
                    column,
                    reason: refusal.reason,
                }
            })?;
        let sources: Vec<_> = texts.iter().map(|text| (*text).to_owned()).zip(normalised).collect();
        let mut engine = Engine::new();
        engine.set_rego_v0(template.version() == Version::V0);
        engine.set_strict_builtin_errors(false);
        engine.set_gather_prints(true);
        let lengths = PolicyLengthConfig::default();
        engine.set_policy_length_config(PolicyLengthConfig {
            max_col: NonZeroU32::new(LONGEST_LINE).unwrap_or(lengths.max_col),
            max_file_bytes: NonZeroUsize::new(4 << 20).unwrap_or(lengths.max_file_bytes),
            ..lengths
        });
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit,
            check_interval: CHECK_INTERVAL,
        });
        let load = |message: String| TemplateError::Load {
            place: String::new(),
            message,
        };
        builtins::install(&mut engine).map_err(load)?;
        let mut rule = Rule {
            engine,
            query: format!("data.{package}.violation"),
            sources,
        };
        for index in 0..rule.sources.len() {
            let text = rule
                .sources
                .get(index)
                .map(|(_, normalised)| normalised.text.clone())
                .unwrap_or_default();
            if let Err(error) = rule.engine.add_policy(index.to_string(), text) {
                return Err(rule.load_error(&error.to_string()));
            }
        }
        // The engine checks a module as a whole only when it is asked something.
        let mut trial = rule.engine.clone();
        trial.set_input(regorus::Value::new_object());
        if let Err(error) = trial.eval_rule(rule.query.clone()) {
            let error = error.to_string();
            if is_compile_error(&error) {
                return Err(rule.load_error(&error));
            }
        }
        builtins::take_failure();
        Ok(rule)
    }

    /// Returns what the rule says against the object of a review.
    ///
    /// `parameters` are those of the constraint with defaults, `review` is the admission request.
    pub fn evaluate(&self, parameters: &Value, review: &Value, inventory: &Inventory) -> Evaluation {
        let mut engine = self.engine.clone();
        builtins::take_failure();
        let mut input = regorus::Value::new_object();
        if let Ok(fields) = input.as_object_mut() {
            fields.insert("parameters".into(), parameters.clone().into());
            fields.insert("review".into(), review.clone().into());
        }
        engine.set_input(input);
        if let Err(error) = engine.add_data(inventory.data.clone()) {
            return failed(&error.to_string());
        }
        let result = engine.eval_rule(self.query.clone());
        if let Some(reason) = builtins::take_failure() {
            return failed(&reason);
        }
        match result {
            Ok(value) => answers(&value),
            Err(error) => {
                let (place, message) = self.told(&error.to_string());
                failed(&format!("{place}{message}"))
            }
        }
    }

    fn load_error(&self, error: &str) -> TemplateError {
        let (place, message) = self.told(error);
        TemplateError::Load { place, message }
    }

    /// Takes the engine's words apart: the place, in the source as it was written, and the message.
    fn told(&self, error: &str) -> (String, String) {
        let message = error
            .rsplit_once("error: ")
            .map_or(error, |(_, message)| message)
            .trim();
        let place = error.split_once("--> ").and_then(|(_, rest)| {
            let mut parts = rest.lines().next()?.trim().splitn(3, ':');
            let index: usize = parts.next()?.parse().ok()?;
            let line: usize = parts.next()?.parse().ok()?;
            let column: usize = parts.next()?.parse().ok()?;
            let (text, normalised) = self.sources.get(index)?;
            let at = normalised.source_of(byte(&normalised.text, line, column));
            let (line, column) = place_of(text, at);
            Some(format!("{}, line {line}, column {column}: ", source_name(index)))
        });
        (place.unwrap_or_default(), message.to_owned())
    }
}

/// Whether the engine refuses the text itself, whatever it is asked.
fn is_compile_error(error: &str) -> bool {
    [
        "could not find function",
        "undefined variable",
        "use of undefined",
        "unsafe",
        "binding plan",
        "before definition",
    ]
    .iter()
    .any(|words| error.contains(words))
}

fn source_name(index: usize) -> Source {
    index.checked_sub(1).map_or(Source::Rule, Source::Library)
}

/// Returns line and column of a byte, both from 1.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

/// Returns the byte of a line and column.
fn byte(text: &str, line: usize, column: usize) -> usize {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let start = starts.take(line).last().unwrap_or_default();
    let rest = text.get(start..).unwrap_or_default();
    let within = rest
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(rest.len(), |(at, _)| at);
    start + within
}

fn failed(reason: &str) -> Evaluation {
    Evaluation {
        violations: vec![Violation {
            message: format!("evaluation error: {reason}"),
            details: Value::Object(serde_json::Map::new()),
        }],
        failed: true,
    }
}

/// Reads the set that a rule made.
fn answers(value: &regorus::Value) -> Evaluation {
    let set = match value {
        regorus::Value::Set(set) => set,
        regorus::Value::Undefined => return Evaluation::default(),
        _ => return failed("`violation` is not a set"),
    };
    let mut violations = Vec::new();
    for answer in set.iter() {
        let message = match answer.as_object().ok().and_then(|fields| fields.get(&"msg".into())) {
            Some(regorus::Value::String(message)) => message.to_string(),
            // Without a message there is nothing to report, and Gatekeeper reports nothing.
            None => continue,
            Some(other) => return failed(&format!("the `msg` of a violation is `{other}`, and it must be a text")),
        };
        let details = answer.as_object().ok().and_then(|fields| fields.get(&"details".into()));
        let details = details.and_then(|details| serde_json::to_value(details).ok());
        violations.push(Violation {
            message,
            details: details.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        });
    }
    violations.sort_by(|a, b| (&a.message, a.details.to_string()).cmp(&(&b.message, b.details.to_string())));
    Evaluation {
        violations,
        failed: false,
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
