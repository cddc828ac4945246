//! Running a suite.

use super::{Case, Suite, Test};
use crate::diagnostic::Diagnostic;
use crate::manifest;
use crate::rules::expansion::Expander;
use crate::rules::{Constraint, Inventory, Origin, Review, Rule, Template};
use serde_json::Value;

/// Where a suite's files come from.
pub struct Files<'a> {
    /// Returns the content of a file, by its path relative to the suite; none if there is no such file.
    pub read: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    /// Returns the template that a path stands for, or why it cannot be had; none where the path is a file with a ConstraintTemplate.
    pub template: &'a dyn Fn(&str) -> Option<Result<Template, String>>,
}

/// How a test or case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Otherwise, or it could not be tried.
    Failed(String),
    /// The suite says not to.
    Skipped,
}

/// How a suite came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteResult {
    /// Its tests, in their order.
    pub tests: Vec<TestResult>,
}

/// How a test came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// Failed if it could not be set up, or if any case failed.
    pub outcome: Outcome,
    /// Its cases, in their order; none if it could not be set up.
    pub cases: Vec<CaseResult>,
}

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
}

impl SuiteResult {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        !self.tests.iter().any(|test| matches!(test.outcome, Outcome::Failed(_)))
    }
}

/// Runs the tests of a suite.
pub fn run(suite: &Suite, files: &Files<'_>) -> SuiteResult {
    let tests = suite.tests.iter().map(|test| {
        let skipped = suite.skip || test.skip;
        let result = if skipped {
            Ok((Outcome::Skipped, Vec::new()))
        } else {
            run_test(test, files)
        };
        let (outcome, cases) = result.unwrap_or_else(|reason| (Outcome::Failed(reason), Vec::new()));
        TestResult {
            name: test.name.clone(),
            outcome,
            cases,
        }
    });
    SuiteResult { tests: tests.collect() }
}

fn run_test(test: &Test, files: &Files<'_>) -> Result<(Outcome, Vec<CaseResult>), String> {
    let template = template(&test.template, files)?;
    let constraint = one(&test.constraint, files)?;
    let in_file = |path: &str, reason: &dyn std::fmt::Display| format!("{path}: {reason}");
    let rule = Rule::new(&template).map_err(|error| in_file(&test.template, &error))?;
    let constraint = Constraint::from_suite(&constraint, &template).map_err(|error| in_file(&test.constraint, &error));
    if test.invalid {
        return match constraint {
            Err(_) => Ok((Outcome::Passed, Vec::new())),
            Ok(_) => Err("the test says that the constraint is invalid, and nothing refuses it".to_owned()),
        };
    }
    let set = Set {
        rule,
        constraint: constraint?,
        expander: test
            .expansion
            .as_deref()
            .map(|path| expander(path, files))
            .transpose()?,
    };
    let cases = test.cases.iter().map(|case| {
        let outcome = match case.skip {
            true => Outcome::Skipped,
            false => match run_case(case, &set, files) {
                Ok(()) => Outcome::Passed,
                Err(reason) => Outcome::Failed(reason),
            },
        };
        CaseResult {
            name: case.name.clone(),
            outcome,
        }
    });
    let cases: Vec<_> = cases.collect();
    let failed = cases
        .iter()
        .filter(|case| matches!(case.outcome, Outcome::Failed(_)))
        .count();
    let outcome = match failed {
        0 => Outcome::Passed,
        failed => Outcome::Failed(format!("{failed} of {} cases failed", cases.len())),
    };
    Ok((outcome, cases))
}

/// What the cases of a test have in common.
struct Set {
    rule: Rule,
    constraint: Constraint,
    expander: Option<Expander>,
}

fn run_case(case: &Case, set: &Set, files: &Files<'_>) -> Result<(), String> {
    let object = one(&case.object, files)?;
    let mut others = Vec::new();
    for path in &case.inventory {
        others.extend(all(path, files)?);
    }
    let messages = if Review::is_review(&object) {
        let review = Review::of_review(&object).map_err(|error| format!("{}: {error}", case.object))?;
        // An AdmissionReview is asked about as it is: it is not expanded.
        messages(set, &review, &others, Origin::Original)
    } else {
        let mut all = messages(set, &Review::of_audit(&object), &others, Origin::Original);
        if let Some(expander) = &set.expander {
            let made = expander
                .expand(&object)
                .map_err(|error| format!("{}: {error}", case.object))?;
            for made in made {
                let found = messages(set, &made.review(), &others, Origin::Generated);
                all.extend(found.iter().map(|message| made.message(message)));
            }
        }
        all
    };
    case.assertions
        .iter()
        .try_for_each(|assertion| assertion.check(&messages))
}

/// Where a suite asks its constraints.
const POINT: &str = "gator.gatekeeper.sh";

/// Returns what the constraint says of a review.
fn messages(set: &Set, review: &Review, others: &[Value], origin: Origin) -> Vec<String> {
    if set.constraint.actions_at(POINT).is_empty() {
        return Vec::new();
    }
    let namespace = |name: &str| {
        let is =
            |object: &&Value, path: &str, wanted: &str| object.pointer(path).and_then(Value::as_str) == Some(wanted);
        let named = |object: &&Value| {
            is(object, "/apiVersion", "v1") && is(object, "/kind", "Namespace") && is(object, "/metadata/name", name)
        };
        others.iter().find(named).cloned()
    };
    match review.is_meant(set.constraint.matching(), &namespace, origin) {
        Ok(false) => Vec::new(),
        Ok(true) => {
            let inventory = Inventory::new(&others.iter().collect::<Vec<_>>());
            let evaluation = set
                .rule
                .evaluate(set.constraint.parameters(), review.request(), &inventory);
            let messages = evaluation.violations.into_iter();
            messages.map(|violation| violation.message).collect()
        }
        // Gatekeeper rejects what it cannot place.
        Err(unknown) => vec![unknown.to_string()],
    }
}

fn expander(path: &str, files: &Files<'_>) -> Result<Expander, String> {
    let documents = all(path, files)?;
    Expander::new(&documents.iter().collect::<Vec<_>>()).map_err(|error| format!("{path}: {error}"))
}

fn template(path: &str, files: &Files<'_>) -> Result<Template, String> {
    if let Some(given) = (files.template)(path) {
        return given.map_err(|error| format!("{path}: {error}"));
    }
    let document = one(path, files)?;
    Template::from_document(&document).map_err(|error| format!("{path}: {error}"))
}

/// Returns the one document of a file.
fn one(path: &str, files: &Files<'_>) -> Result<Value, String> {
    let mut documents = all(path, files)?;
    match (documents.len(), documents.pop()) {
        (1, Some(document)) => Ok(document),
        (count, _) => Err(format!("{path}: {count} documents, and one is wanted")),
    }
}

fn all(path: &str, files: &Files<'_>) -> Result<Vec<Value>, String> {
    let content = (files.read)(path).ok_or_else(|| format!("{path}: no such file"))?;
    let manifests = manifest::read(path, &content).map_err(|errors| {
        let show = |error: &Diagnostic| {
            let place = error
                .span
                .map(|span| format!(":{}:{}", span.line, span.column))
                .unwrap_or_default();
            format!("{path}{place}: {}: {}", error.summary, error.label)
        };
        errors.iter().map(show).collect::<Vec<_>>().join("; ")
    })?;
    if manifests.is_empty() {
        return Err(format!("{path}: nothing in it"));
    }
    Ok(manifests.into_iter().map(|manifest| manifest.value).collect())
}
