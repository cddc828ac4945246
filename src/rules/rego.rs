//! A rule in Rego: the engine behind the normaliser.

use super::builtins;
use super::normalise::{self, Normalised, Sources, Version};
use super::rule::{Evaluation, Inventory, Violation, failed};
use super::template::{Source, TemplateError};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, PolicyLengthConfig};
use serde_json::Value;
use std::cell::Cell;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

/// How often the time is looked at, in steps.
const CHECK_INTERVAL: NonZeroU32 = NonZeroU32::MIN;
/// The longest line that the engine reads: what is taken out of negations makes lines longer.
const LONGEST_LINE: u32 = 1 << 16;

/// Rego, loaded and checked.
pub(super) struct Rego {
    /// As it was loaded: it never saw a question.
    engine: Engine,
    query: String,
    sources: Arc<Vec<(String, Normalised)>>,
    /// What answered last, and stays as long as it only gives answers.
    kept: Cell<Option<Box<Kept>>>,
}

/// An engine with an inventory.
struct Kept {
    engine: Engine,
    inventory: Arc<regorus::Value>,
}

impl Clone for Rego {
    fn clone(&self) -> Rego {
        Rego {
            engine: self.engine.clone(),
            query: self.query.clone(),
            sources: Arc::clone(&self.sources),
            kept: Cell::new(None),
        }
    }
}

impl std::fmt::Debug for Rego {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rego")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl Rego {
    /// Loads a rule and its libraries; `limit` is how long one evaluation may take.
    pub(super) fn new(version: Version, texts: &[String], limit: Duration) -> Result<Rego, TemplateError> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let sources = Sources { texts: &texts, version };
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
        engine.set_rego_v0(version == Version::V0);
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
        let mut rule = Rego {
            engine,
            query: format!("data.{package}.violation"),
            sources: Arc::new(sources),
            kept: Cell::new(None),
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

    /// Returns what the rule says.
    pub(super) fn evaluate(
        &self,
        parameters: &regorus::Value,
        review: &regorus::Value,
        inventory: &Inventory,
    ) -> Evaluation {
        builtins::take_failure();
        let kept = self
            .kept
            .take()
            .filter(|kept| Arc::ptr_eq(&kept.inventory, inventory.data()));
        let mut kept = match kept {
            Some(kept) => kept,
            None => {
                let mut engine = self.engine.clone();
                if let Err(error) = engine.add_data(inventory.data().as_ref().clone()) {
                    return failed(&error.to_string());
                }
                Box::new(Kept {
                    engine,
                    inventory: Arc::clone(inventory.data()),
                })
            }
        };
        let mut input = regorus::Value::new_object();
        if let Ok(fields) = input.as_object_mut() {
            fields.insert("parameters".into(), parameters.clone());
            fields.insert("review".into(), review.clone());
        }
        kept.engine.set_input(input);
        let result = kept.engine.eval_rule(self.query.clone());
        if let Some(reason) = builtins::take_failure() {
            return failed(&reason);
        }
        match result {
            Ok(value) => {
                // What is printed would pile up.
                if kept.engine.take_prints().is_ok() {
                    self.kept.set(Some(kept));
                }
                answers(&value)
            }
            // INVARIANT: an engine that broke off is in no known state, and is not asked again.
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
