//! Rules in CEL: Gatekeeper's engine `K8sNativeValidation`, as it wraps the validation of Kubernetes.
//!
//! Owns what such a source may say, and what it says of a request. Must not know templates or constraints.

mod expression;
mod functions;
mod source;

pub(super) use source::Source;

use super::rule::{Evaluation, Violation};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::Val;
use cel::{Context, ExecutionError};
use expression::Expression;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// The longest message that an expression may make.
const LONGEST_MESSAGE: usize = 5 * 1024;
/// The largest value that a variable may have, in characters and members.
const LARGEST_VARIABLE: usize = 4 << 20;

/// A rule in CEL, read and checked.
#[derive(Clone, Debug)]
pub(super) struct Native {
    variables: Vec<Variable>,
    conditions: Vec<Expression>,
    validations: Vec<Validation>,
    /// What any of the expressions looks at.
    sees: BTreeSet<&'static str>,
    /// Whether an error lets the object pass.
    ignores_errors: bool,
}

#[derive(Clone, Debug)]
struct Variable {
    name: String,
    expression: Expression,
}

#[derive(Clone, Debug)]
struct Validation {
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
}

impl Native {
    /// Reads the expressions of a source; the error says which of them is wrong, and how.
    pub(super) fn new(source: &Source) -> Result<Native, (String, String)> {
        let mut variables: Vec<Variable> = Vec::new();
        // Every expression sees the variables that stand before it.
        let read = |place: String, text: &str, variables: &[Variable]| -> Result<Expression, (String, String)> {
            let names: Vec<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
            let mut expression = Expression::new(text, &names).map_err(|reason| (place, reason))?;
            let direct: Vec<usize> = expression.variables.iter().copied().collect();
            for at in direct {
                let needed = variables.get(at).map(|variable| variable.expression.variables.clone());
                expression.variables.extend(needed.unwrap_or_default());
            }
            Ok(expression)
        };
        for (at, (name, text)) in source.variables.iter().enumerate() {
            let expression = read(format!("variables[{at}].expression"), text, &variables)?;
            variables.push(Variable {
                name: name.clone(),
                expression,
            });
        }
        let conditions = source.conditions.iter().enumerate();
        let conditions =
            conditions.map(|(at, text)| read(format!("matchCondition[{at}].expression"), text, &variables));
        let conditions = conditions.collect::<Result<_, _>>()?;
        let validations = source.validations.iter().enumerate().map(|(at, validation)| {
            let place = |name: &str| format!("validations[{at}].{name}");
            let made = validation.message_expression.as_deref();
            Ok(Validation {
                expression: read(place("expression"), &validation.expression, &variables)?,
                message: validation.message.clone(),
                message_expression: made
                    .map(|text| read(place("messageExpression"), text, &variables))
                    .transpose()?,
            })
        });
        let mut native = Native {
            validations: validations.collect::<Result<_, (String, String)>>()?,
            variables,
            conditions,
            sees: BTreeSet::new(),
            ignores_errors: source.ignores_errors,
        };
        let of_validation = |one: &'_ Validation| -> Vec<&'static str> {
            let both = std::iter::once(&one.expression).chain(&one.message_expression);
            both.flat_map(|expression| expression.sees.iter().copied()).collect()
        };
        let others = native.variables.iter().map(|variable| &variable.expression);
        let others = others.chain(&native.conditions);
        native.sees = others.flat_map(|expression| expression.sees.iter().copied()).collect();
        let seen: Vec<_> = native.validations.iter().flat_map(of_validation).collect();
        native.sees.extend(seen);
        Ok(native)
    }

    /// Returns what the rule says of a request. `namespace` is the Namespace of its object, if it is known.
    pub(super) fn evaluate(&self, parameters: &Value, review: &Value, namespace: Option<&Value>) -> Evaluation {
        functions::start();
        let mut evaluation = Evaluation::default();
        let mut scope = Scope::new(self, parameters, review, namespace);
        match self.is_meant(&mut scope) {
            Ok(true) => {}
            Ok(false) => return evaluation,
            Err(error) => {
                self.fail(&mut evaluation, error);
                return evaluation;
            }
        }
        for validation in &self.validations {
            match scope.evaluate(&validation.expression) {
                Ok(value) if is_true(value.as_ref()) => {}
                Ok(_) => {
                    let message = message(validation, &mut scope);
                    evaluation.violations.push(violation(message));
                }
                Err(error) => self.fail(&mut evaluation, error),
            }
        }
        evaluation.violations.sort_by(|a, b| a.message.cmp(&b.message));
        evaluation
    }

    /// Whether all conditions hold; one that does not outweighs those that cannot be evaluated.
    fn is_meant<'v>(&'v self, scope: &mut Scope<'v>) -> Result<bool, String> {
        let mut failed = None;
        for condition in &self.conditions {
            match scope.evaluate(condition) {
                Ok(value) if is_false(value.as_ref()) => return Ok(false),
                Ok(_) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(_) if self.ignores_errors => Ok(false),
            Some(error) => Err(error),
            None => Ok(true),
        }
    }

    fn fail(&self, evaluation: &mut Evaluation, error: String) {
        if !self.ignores_errors {
            evaluation
                .violations
                .push(violation(format!("evaluation error: {error}")));
            evaluation.failed = true;
        }
    }
}

/// What expressions see, and the variables as far as they were needed.
struct Scope<'v> {
    variables: &'v [Variable],
    evaluated: Vec<Option<Result<(), String>>>,
    context: Context<'v, 'v>,
    /// Why `namespaceObject` cannot be seen.
    namespace_unknown: Option<String>,
}

impl<'v> Scope<'v> {
    fn new(native: &'v Native, parameters: &'v Value, review: &'v Value, namespace: Option<&'v Value>) -> Scope<'v> {
        let mut context = Context::with_env(functions::environment());
        let field = |name: &str| review.get(name).unwrap_or(&Value::Null);
        let deleted = field("operation") == "DELETE";
        // Of a deletion Gatekeeper shows Rego the old object as the object, and CEL none.
        let object = if deleted { &Value::Null } else { field("object") };
        let old_object = field("oldObject");
        let none = parameters.as_object().is_none_or(Map::is_empty);
        let seen = [
            ("object", "object", object),
            ("oldObject", "oldObject", old_object),
            (
                "anyObject",
                "variables.anyObject",
                if deleted { old_object } else { object },
            ),
            (
                "params",
                "variables.params",
                if none { &Value::Null } else { parameters },
            ),
            ("namespaceObject", "namespaceObject", namespace.unwrap_or(&Value::Null)),
        ];
        for (name, path, value) in seen {
            if native.sees.contains(name) {
                context.add_variable_as_val(path, value_of(value));
            }
        }
        if native.sees.contains("request") {
            let fields = review.as_object().into_iter().flatten();
            let fields =
                fields.filter(|(name, value)| !matches!(name.as_str(), "object" | "oldObject") && !value.is_null());
            let fields = fields.map(|(name, value)| (CelMapKey::from(name.as_str()), value_of(value)));
            let fields: HashMap<_, _> = fields.collect();
            context.add_variable_as_val("request", Box::new(CelMap::from(fields)));
        }
        let namespace_name = field("namespace").as_str().filter(|name| !name.is_empty());
        let namespace_unknown = match (namespace, namespace_name) {
            (None, Some(name)) => Some(format!("the Namespace `{name}` of the object is not known")),
            _ => None,
        };
        Scope {
            evaluated: vec![None; native.variables.len()],
            variables: &native.variables,
            context,
            namespace_unknown,
        }
    }

    /// Evaluates an expression, and before it the variables that it needs and that were not yet needed.
    fn evaluate(&mut self, expression: &'v Expression) -> Result<Box<dyn Val + 'v>, String> {
        let told = |error: String| format!("expression `{}`: {error}", expression.text.trim());
        for at in &expression.variables {
            let Some((variable, None)) = self.variables.get(*at).zip(self.evaluated.get(*at).cloned()) else {
                continue;
            };
            let result = self.run(&variable.expression).and_then(|value| {
                if functions::weight(value.as_ref(), LARGEST_VARIABLE) > LARGEST_VARIABLE {
                    return Err("its value is too large".to_owned());
                }
                self.context
                    .add_variable_as_val(format!("variables.{}", variable.name), value);
                Ok(())
            });
            if let Some(place) = self.evaluated.get_mut(*at) {
                *place = Some(result);
            }
        }
        self.run(expression).map_err(told)
    }

    fn run(&self, expression: &'v Expression) -> Result<Box<dyn Val + 'v>, String> {
        if let Some(reason) = self
            .namespace_unknown
            .as_ref()
            .filter(|_| expression.sees.contains("namespaceObject"))
        {
            return Err(reason.clone());
        }
        let result = cel::Value::resolve_val(&expression.tree, &self.context).map(|value| value.into_owned());
        // INVARIANT: what was cut short has no answer, whatever came of it.
        if functions::is_too_much() {
            return Err("it takes too many steps".to_owned());
        }
        result.map_err(|error| match error {
            ExecutionError::UndeclaredReference(name) if *name == "variables" => self.failed_variable(expression),
            error => error.to_string(),
        })
    }

    /// Says why a variable that was asked for has no value.
    fn failed_variable(&self, expression: &Expression) -> String {
        let failed = expression.variables.iter().find_map(|at| {
            let error = self.evaluated.get(*at)?.as_ref()?.as_ref().err()?;
            let variable = self.variables.get(*at)?;
            Some(format!("the variable `{}` has no value: {error}", variable.name))
        });
        failed.unwrap_or_else(|| "a variable has no value".to_owned())
    }
}

fn is_true(value: &dyn Val) -> bool {
    value.downcast_ref::<CelBool>().is_some_and(|value| *value.inner())
}

fn is_false(value: &dyn Val) -> bool {
    value.downcast_ref::<CelBool>().is_some_and(|value| !*value.inner())
}

/// Returns the message of a validation that does not hold: made, written, or the expression itself.
fn message<'v>(validation: &'v Validation, scope: &mut Scope<'v>) -> String {
    let made = validation.message_expression.as_ref().and_then(|expression| {
        let value = scope.evaluate(expression).ok()?;
        let text = value.downcast_ref::<CelString>()?.inner().trim().to_owned();
        Some(text).filter(|text| text.len() <= LONGEST_MESSAGE && !text.contains('\n'))
    });
    let written = || Some(validation.message.trim().to_owned());
    let filled = |text: &String| !text.is_empty();
    made.filter(filled)
        .or_else(|| written().filter(filled))
        .unwrap_or_else(|| format!("failed expression: {}", validation.expression.text.trim()))
}

fn violation(message: String) -> Violation {
    Violation {
        message,
        details: Value::Object(Map::new()),
    }
}

/// Returns a value as CEL has it: whole numbers are `int`.
fn value_of<'v>(value: &'v Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Box::new(CelInt::from(whole)),
            None => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(list) => Box::new(CelList::from(list.iter().map(value_of).collect::<Vec<_>>())),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(name, value)| (CelMapKey::from(name.as_str()), value_of(value)));
            Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
        }
    }
}

/// The names of the variables that are always there.
const OWN_VARIABLES: [&str; 2] = ["anyObject", "params"];

/// Returns the position of each name that is used, so that it can be looked up.
type Positions = BTreeSet<usize>;

#[cfg(test)]
mod tests;
