//! Suites that test rules, in the format of Gatekeeper's `gator verify`.
//!
//! Owns the format and what passing means. Files come in through functions, by their paths relative to the suite.

mod assertion;
mod run;
mod selection;

pub use run::{CaseResult, Files, Outcome, SuiteResult, TestResult, run};
pub use selection::Selection;

use crate::diagnostic::Diagnostic;
use crate::manifest;
use assertion::Assertion;
use serde_json::{Map, Value};

/// A suite, as its file says it.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name, if it has one.
    pub name: Option<String>,
    tests: Vec<Test>,
    skip: bool,
}

/// A test: a template and a constraint, and what they say of some objects.
#[derive(Clone, Debug)]
struct Test {
    name: String,
    template: String,
    constraint: String,
    invalid: bool,
    expansion: Option<String>,
    skip: bool,
    cases: Vec<Case>,
}

/// A case: an object and what is expected.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    object: String,
    inventory: Vec<String>,
    assertions: Vec<Assertion>,
    skip: bool,
}

impl Suite {
    /// Whether a document is a suite.
    pub fn is_suite(document: &Value) -> bool {
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        text("kind") == "Suite" && text("apiVersion").starts_with("test.gatekeeper.sh/")
    }

    /// Reads the one suite of a file.
    pub fn parse(file: &str, content: &[u8]) -> Result<Suite, Vec<Diagnostic>> {
        let manifests = manifest::read(file, content)?;
        let [manifest] = manifests.as_slice() else {
            let error = Diagnostic::file_error("not one suite", file);
            return Err(vec![error.hint(format!(
                "it holds {} documents: a suite has a file of its own",
                manifests.len()
            ))]);
        };
        let error = |wrong: Wrong| {
            let steps = manifest::steps(&wrong.path).unwrap_or_default();
            let place = manifest::place(content, manifest.span, &steps).unwrap_or(manifest.start());
            vec![Diagnostic::error("not a suite", file, place, wrong.label)]
        };
        if !Suite::is_suite(&manifest.value) {
            let label = "a suite has `apiVersion: test.gatekeeper.sh/v1alpha1` and `kind: Suite`";
            return Err(error(Wrong::new("", label)));
        }
        read(&manifest.value).map_err(error)
    }
}

/// What is wrong with a suite, and at which path.
struct Wrong {
    path: String,
    label: String,
}

impl Wrong {
    fn new(path: impl Into<String>, label: impl Into<String>) -> Wrong {
        Wrong {
            path: path.into(),
            label: label.into(),
        }
    }
}

type Read<T> = Result<T, Wrong>;

fn read(document: &Value) -> Read<Suite> {
    let fields = Fields::new("", document, &["apiVersion", "kind", "metadata", "tests", "skip"])?;
    let name = document
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let tests = fields.list("tests")?.iter().enumerate();
    let tests = tests
        .map(|(at, test)| read_test(&format!("tests[{at}]"), test))
        .collect::<Read<Vec<_>>>()?;
    if tests.is_empty() {
        return Err(Wrong::new("tests", "`tests` is empty: such a suite proves nothing"));
    }
    Ok(Suite {
        name,
        tests,
        skip: fields.bool("skip")?,
    })
}

fn read_test(path: &str, value: &Value) -> Read<Test> {
    let known = [
        "name",
        "template",
        "constraint",
        "invalid",
        "expansion",
        "skip",
        "cases",
    ];
    let fields = Fields::new(path, value, &known)?;
    let cases = fields.list("cases")?.iter().enumerate();
    let test = Test {
        name: fields.text("name")?,
        template: fields.text("template")?,
        constraint: fields.text("constraint")?,
        invalid: fields.bool("invalid")?,
        expansion: fields.optional_text("expansion")?,
        skip: fields.bool("skip")?,
        cases: cases
            .map(|(at, case)| read_case(&format!("{path}.cases[{at}]"), case))
            .collect::<Read<_>>()?,
    };
    match (test.invalid, test.cases.is_empty()) {
        (true, false) => Err(fields.wrong("invalid", "it is `invalid`, so it cannot have cases")),
        (false, true) => Err(fields.wrong("cases", "`cases` is empty: such a test proves nothing")),
        _ => Ok(test),
    }
}

fn read_case(path: &str, value: &Value) -> Read<Case> {
    let fields = Fields::new(path, value, &["name", "object", "inventory", "assertions", "skip"])?;
    let inventory = fields.list("inventory")?.iter().map(|entry| match entry.as_str() {
        Some(entry) => Ok(entry.to_owned()),
        None => Err(fields.wrong("inventory", "`inventory` must be a list of paths")),
    });
    let assertions = fields.list("assertions")?.iter().enumerate();
    let assertions = assertions.map(|(at, assertion)| Assertion::read(&format!("{path}.assertions[{at}]"), assertion));
    let case = Case {
        name: fields.text("name")?,
        object: fields.text("object")?,
        inventory: inventory.collect::<Read<_>>()?,
        assertions: assertions.collect::<Read<_>>()?,
        skip: fields.bool("skip")?,
    };
    if case.assertions.is_empty() {
        return Err(fields.wrong("assertions", "`assertions` is empty: such a case proves nothing"));
    }
    Ok(case)
}

/// The fields of a mapping.
struct Fields<'a> {
    path: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn new(path: &'a str, value: &'a Value, known: &[&str]) -> Read<Fields<'a>> {
        let map = value
            .as_object()
            .ok_or_else(|| Wrong::new(path, "this must be a mapping"))?;
        let fields = Fields { path, map };
        match map.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(fields.wrong(name, format!("the key `{name}` is not known here"))),
            None => Ok(fields),
        }
    }

    fn wrong(&self, name: &str, label: impl Into<String>) -> Wrong {
        let dot = if self.path.is_empty() { "" } else { "." };
        Wrong::new(format!("{}{dot}{name}", self.path), label)
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn optional_text(&self, name: &str) -> Read<Option<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(());
        let text = self.get(name).map(text).transpose();
        text.map_err(|()| self.wrong(name, format!("`{name}` must be a text")))
    }

    fn text(&self, name: &str) -> Read<String> {
        let text = self.optional_text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.wrong(name, format!("`{name}` is missing")))
    }

    fn bool(&self, name: &str) -> Read<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(bool)) => Ok(*bool),
            Some(_) => Err(self.wrong(name, format!("`{name}` must be true or false"))),
        }
    }

    fn list(&self, name: &str) -> Read<&'a [Value]> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.wrong(name, format!("`{name}` must be a list"))),
        }
    }
}

#[cfg(test)]
mod tests;
