//! What came of suites of tests: text for a terminal, Markdown, JSON, and JUnit's results.

use super::page::{Layout, Page};
use super::text::{Paint, code, markdown as escaped};
use super::{diagnostics, junit};
use crate::diagnostic::Diagnostic;
use crate::rules::suite::{CaseResult, Outcome, SuiteResult, TestResult};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The suites that could be read, in their order.
    pub suites: Vec<Verified>,
    /// What is wrong with files that could not be.
    pub mistakes: Vec<Diagnostic>,
}

/// A suite, and what came of it.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Its file.
    pub file: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What came of it.
    pub result: SuiteResult,
}

/// How many came out each way.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: usize,
    failed: usize,
    not_run: usize,
    skipped: usize,
}

impl Counts {
    fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Counts {
        let mut counts = Counts::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::NotRun(_) => counts.not_run += 1,
                Outcome::Skipped => counts.skipped += 1,
            }
        }
        counts
    }

    fn all(self) -> usize {
        self.passed + self.failed + self.not_run + self.skipped
    }

    /// Returns the counts in words, `what` being one of them.
    fn words(self, what: &str) -> String {
        let parts = [
            (self.passed, "passed"),
            (self.failed, "failed"),
            (self.not_run, "could not be run"),
            (self.skipped, "skipped"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
        let all = self.all();
        let plural = if all == 1 { "" } else { "s" };
        match parts.is_empty() {
            true => format!("no {what}s"),
            false => format!("{all} {what}{plural}: {}", parts.join(", ")),
        }
    }

    fn json(self) -> Value {
        json!({"passed": self.passed, "failed": self.failed, "notRun": self.not_run, "skipped": self.skipped})
    }
}

impl Report {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.suites.is_empty() && self.mistakes.is_empty()
    }

    /// Whether everything could be run that was to be run.
    pub fn is_complete(&self) -> bool {
        self.mistakes.is_empty() && self.test_counts().not_run == 0 && self.case_counts().not_run == 0
    }

    /// Whether anything came out otherwise than it should.
    pub fn failed(&self) -> bool {
        self.test_counts().failed > 0
    }

    fn tests(&self) -> impl Iterator<Item = &TestResult> {
        self.suites.iter().flat_map(|suite| &suite.result.tests)
    }

    fn test_counts(&self) -> Counts {
        Counts::of(self.tests().map(|test| &test.outcome))
    }

    fn case_counts(&self) -> Counts {
        let cases = self.tests().flat_map(|test| &test.cases);
        Counts::of(cases.map(|case| &case.outcome))
    }

    /// Returns the last line: what came of it all.
    fn closing(&self) -> String {
        let verdict = match (self.is_complete(), self.failed()) {
            (true, false) => "Passed",
            (true, true) => "Failed",
            (false, false) => "Not all could be run",
            (false, true) => "Failed, and not all could be run",
        };
        let broken = match self.mistakes.len() {
            0 => String::new(),
            1 => " and 1 mistake in files".to_owned(),
            count => format!(" and {count} mistakes in files"),
        };
        let suites = self.suites.len();
        let plural = if suites == 1 { "" } else { "s" };
        format!(
            "{verdict}: {suites} suite{plural}{broken}; {}; {}.",
            self.test_counts().words("test"),
            self.case_counts().words("case")
        )
    }
}

/// Returns the word for an outcome, and why it came so.
fn said(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Passed => ("pass", ""),
        Outcome::Failed(reason) => ("FAIL", reason),
        Outcome::NotRun(reason) => ("error", reason),
        Outcome::Skipped => ("skip", ""),
    }
}

/// Returns the report for a terminal; `verbose` shows what passed case by case.
pub fn human(report: &Report, paint: Paint, width: usize, verbose: bool) -> String {
    let mut page = Page::new(Layout { paint, width });
    for suite in &report.suites {
        page.heading(&suite.file);
        for test in &suite.result.tests {
            put(&mut page, 2, &test.outcome, &test.name, &cases_of(test));
            let shown = |case: &&CaseResult| verbose || case.outcome != Outcome::Passed;
            for case in test.cases.iter().filter(shown) {
                put(&mut page, 8, &case.outcome, &case.name, "");
            }
        }
        page.out.push('\n');
    }
    page.heading(&report.closing());
    page.out
}

/// Returns how many cases a test has, if that is not said otherwise.
fn cases_of(test: &TestResult) -> String {
    match (&test.outcome, test.cases.len()) {
        (Outcome::Passed, 1) => " (1 case)".to_owned(),
        (Outcome::Passed, count) if count > 0 => format!(" ({count} cases)"),
        _ => String::new(),
    }
}

fn put(page: &mut Page, indent: usize, outcome: &Outcome, name: &str, more: &str) {
    let (word, reason) = said(outcome);
    let paint = page.layout.paint;
    let colon = if reason.is_empty() { "" } else { ": " };
    let before = page.out.len();
    page.put(indent, indent + 8, &format!("{word:<5} {name}{more}{colon}{reason}"));
    let word_at = before + indent..before + indent + word.len();
    let painted = match outcome {
        Outcome::Passed => paint.good(word),
        Outcome::Failed(_) | Outcome::NotRun(_) => paint.bad(word),
        Outcome::Skipped => paint.notice(word),
    };
    if page.out.get(word_at.clone()) == Some(word) {
        page.out.replace_range(word_at, &painted);
    }
}

/// Returns the report as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut out = format!("## Tests of rules\n\n{}\n", escaped(&report.closing()));
    for mistake in &report.mistakes {
        let place = mistake
            .span
            .map(|span| format!(":{}:{}", span.line, span.column))
            .unwrap_or_default();
        let text = [mistake.summary.as_str(), mistake.label.as_str()];
        let text = text
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        let _ = write!(
            out,
            "\n- **error** {}: {}",
            code(&format!("{}{place}", mistake.file)),
            escaped(&text)
        );
    }
    if !report.mistakes.is_empty() {
        out.push('\n');
    }
    let mut rows = String::new();
    for suite in &report.suites {
        for test in &suite.result.tests {
            row(&mut rows, &suite.file, &test.name, "", &test.outcome);
            for case in &test.cases {
                row(&mut rows, &suite.file, &test.name, &case.name, &case.outcome);
            }
        }
    }
    if !rows.is_empty() {
        let _ = write!(
            out,
            "\n| Suite | Test | Case | Outcome | Why |\n|---|---|---|---|---|\n{rows}"
        );
    }
    out
}

/// Writes a row for what did not pass.
fn row(out: &mut String, file: &str, test: &str, case: &str, outcome: &Outcome) {
    let (word, reason) = said(outcome);
    if *outcome != Outcome::Passed {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {word} | {} |",
            escaped(file),
            escaped(test),
            escaped(case),
            escaped(reason)
        );
    }
}

/// Returns the report as JSON.
pub fn json(report: &Report, exit_code: u8) -> String {
    let outcome = |outcome: &Outcome| match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed(_) => "failed",
        Outcome::NotRun(_) => "not-run",
        Outcome::Skipped => "skipped",
    };
    let reason = |outcome: &Outcome| match said(outcome) {
        (_, "") => Value::Null,
        (_, reason) => Value::from(reason),
    };
    let case = |case: &CaseResult| json!({"name": case.name, "outcome": outcome(&case.outcome), "reason": reason(&case.outcome)});
    let test = |test: &TestResult| {
        json!({
            "name": test.name,
            "outcome": outcome(&test.outcome),
            "reason": reason(&test.outcome),
            "cases": test.cases.iter().map(case).collect::<Vec<_>>(),
        })
    };
    let suite = |suite: &Verified| {
        json!({
            "file": suite.file,
            "name": suite.name,
            "tests": suite.result.tests.iter().map(test).collect::<Vec<_>>(),
        })
    };
    let overall = match (report.is_complete(), report.failed()) {
        (false, _) => "failed",
        (true, true) => "tests-failed",
        (true, false) => "done",
    };
    super::text::json(&json!({
        "formatVersion": 1,
        "command": "verify",
        "outcome": overall,
        "exitCode": exit_code,
        "tests": report.test_counts().json(),
        "cases": report.case_counts().json(),
        "suites": report.suites.iter().map(suite).collect::<Vec<_>>(),
        "diagnostics": diagnostics::to_json(&report.mistakes),
    }))
}

/// Returns the report as JUnit's results: a case for each case, and for each test without one.
pub fn junit(report: &Report) -> Vec<junit::Suite> {
    let mut suites: Vec<junit::Suite> = report.suites.iter().map(junit_suite).collect();
    for mistake in &report.mistakes {
        let place = mistake
            .span
            .map(|span| format!("line {}, column {}: ", span.line, span.column))
            .unwrap_or_default();
        let case = junit::Case {
            class: class(&mistake.file),
            name: "suite".to_owned(),
            outcome: junit::Outcome::Error {
                message: mistake.summary.clone(),
                text: format!("{place}{}", mistake.label),
            },
        };
        suites.push(junit::Suite {
            name: mistake.file.clone(),
            cases: vec![case],
        });
    }
    suites
}

fn junit_suite(suite: &Verified) -> junit::Suite {
    let class = class(&suite.file);
    let mut cases = Vec::new();
    for test in &suite.result.tests {
        if test.cases.is_empty() {
            cases.push(junit_case(class.clone(), &test.name, &test.outcome));
        }
        let of_test = format!("{class}.{}", test.name);
        let of_cases = test
            .cases
            .iter()
            .map(|case| junit_case(of_test.clone(), &case.name, &case.outcome));
        cases.extend(of_cases);
    }
    junit::Suite {
        name: suite.file.clone(),
        cases,
    }
}

/// Returns the name that cases of a file are grouped by: servers split it at its last dot.
fn class(file: &str) -> String {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
}

fn junit_case(class: String, name: &str, outcome: &Outcome) -> junit::Case {
    let text = String::new();
    let outcome = match outcome {
        Outcome::Passed => junit::Outcome::Passed,
        Outcome::Failed(reason) => junit::Outcome::Failed {
            message: reason.clone(),
            text,
        },
        Outcome::NotRun(reason) => junit::Outcome::Error {
            message: reason.clone(),
            text,
        },
        Outcome::Skipped => junit::Outcome::Skipped {
            message: "the suite says so".to_owned(),
        },
    };
    junit::Case {
        class,
        name: name.to_owned(),
        outcome,
    }
}
