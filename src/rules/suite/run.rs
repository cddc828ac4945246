//! Running a suite.

use super::{Case, Selection, Suite, Test};
use crate::diagnostic::Diagnostic;
use crate::manifest;
use crate::rules::expansion::Expander;
use crate::rules::{Constraint, Inventory, Origin, Review, Rule, Template};
use serde_json::Value;

/// Where a suite's files come from.
pub struct Files<'a> {
    /// Returns the content of a file, by its path relative to the suite, or why it cannot be had.
    pub read: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// Returns the template that a path stands for, or why it cannot be had; none where the path is a file with a ConstraintTemplate.
    pub template: &'a dyn Fn(&str) -> Option<Result<Template, String>>,
}

/// How a test or case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Otherwise.
    Failed(String),
    /// It could not be tried.
    NotRun(String),
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
    /// Failed if any case failed, and not run if it could not be set up, or if any case was not run.
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
    /// Whether everything was tried that should be, and nothing failed.
    pub fn passed(&self) -> bool {
        let well = |test: &TestResult| matches!(test.outcome, Outcome::Passed | Outcome::Skipped);
        self.tests.iter().all(well)
    }
}

/// Runs the tests of a suite that are meant; the others are not in the result.
pub fn run(suite: &Suite, files: &Files<'_>, selection: &Selection) -> SuiteResult {
    let meant = |test: &&Test| {
        let case = |case: &Case| selection.takes(&test.name, &case.name);
        if test.cases.is_empty() {
            selection.takes_test(&test.name)
        } else {
            test.cases.iter().any(case)
        }
    };
    let tests = suite.tests.iter().filter(meant).map(|test| {
        let skipped = suite.skip || test.skip;
        let result = if skipped {
            Ok((Outcome::Skipped, Vec::new()))
        } else {
            run_test(test, files, selection)
        };
        let (outcome, cases) = result.unwrap_or_else(|reason| (Outcome::NotRun(reason), Vec::new()));
        TestResult {
            name: test.name.clone(),
            outcome,
            cases,
        }
    });
    SuiteResult { tests: tests.collect() }
}

fn run_test(test: &Test, files: &Files<'_>, selection: &Selection) -> Result<(Outcome, Vec<CaseResult>), String> {
    let template = template(&test.template, files)?;
    let constraint = first(&test.constraint, files, &|document| {
        document_kind(document) == template.kind()
    })?;
    let in_file = |path: &str, reason: &dyn std::fmt::Display| format!("{path}: {reason}");
    let rule = Rule::new(&template).map_err(|error| in_file(&test.template, &error))?;
    let constraint = Constraint::from_suite(&constraint, &template).map_err(|error| in_file(&test.constraint, &error));
    if test.invalid {
        let outcome = match constraint {
            Err(_) => Outcome::Passed,
            Ok(_) => Outcome::Failed("the test says that the constraint is invalid, and nothing refuses it".to_owned()),
        };
        return Ok((outcome, Vec::new()));
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
    let meant = |case: &&Case| selection.takes(&test.name, &case.name);
    let cases = test.cases.iter().filter(meant).map(|case| {
        let outcome = match case.skip {
            true => Outcome::Skipped,
            false => run_case(case, &set, files).unwrap_or_else(Outcome::NotRun),
        };
        CaseResult {
            name: case.name.clone(),
            outcome,
        }
    });
    let cases: Vec<_> = cases.collect();
    Ok((outcome_of(&cases), cases))
}

fn outcome_of(cases: &[CaseResult]) -> Outcome {
    let count = |is: &dyn Fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.outcome)).count();
    let all = cases.len();
    let failed = count(&|outcome| matches!(outcome, Outcome::Failed(_)));
    let not_run = count(&|outcome| matches!(outcome, Outcome::NotRun(_)));
    match (failed, not_run) {
        (0, 0) => Outcome::Passed,
        (0, not_run) => Outcome::NotRun(format!("{not_run} of {all} cases could not be run")),
        (failed, 0) => Outcome::Failed(format!("{failed} of {all} cases failed")),
        (failed, not_run) => Outcome::Failed(format!("{failed} of {all} cases failed, {not_run} could not be run")),
    }
}

/// What the cases of a test have in common.
struct Set {
    rule: Rule,
    constraint: Constraint,
    expander: Option<Expander>,
}

/// Returns how a case came out, or why it cannot be tried.
fn run_case(case: &Case, set: &Set, files: &Files<'_>) -> Result<Outcome, String> {
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
    let wrong = case
        .assertions
        .iter()
        .find_map(|assertion| assertion.check(&messages).err());
    Ok(wrong.map_or(Outcome::Passed, Outcome::Failed))
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
    let document = first(path, files, &|document| document_kind(document) == "ConstraintTemplate")?;
    Template::from_document(&document).map_err(|error| format!("{path}: {error}"))
}

fn document_kind(document: &Value) -> &str {
    document.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the first document of a file that is wanted, or the first one of all if none is.
fn first(path: &str, files: &Files<'_>, is_wanted: &dyn Fn(&Value) -> bool) -> Result<Value, String> {
    let mut documents = all(path, files)?;
    let at = documents.iter().position(is_wanted).unwrap_or_default();
    Ok(documents.swap_remove(at))
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
    let content = (files.read)(path).map_err(|reason| format!("{path}: {reason}"))?;
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
