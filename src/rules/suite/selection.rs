//! Which tests and cases of suites are run.

use crate::rules::builtins;

/// A choice of tests and cases by their names; all of them unless something is said.
#[derive(Clone, Debug, Default)]
pub struct Selection(Option<Patterns>);

#[derive(Clone, Debug)]
enum Patterns {
    /// The name of the test or of the case.
    Either(String),
    /// The name of the test, and that of the case.
    Both(String, String),
}

impl Selection {
    /// Reads a choice as `gator verify --run` does: a regular expression for the name of a test or case, or one for each with
    /// `//` between them.
    pub fn parse(text: &str) -> Result<Selection, String> {
        let patterns = match text.split("//").collect::<Vec<_>>().as_slice() {
            [""] => return Ok(Selection::default()),
            [either] => Patterns::Either((*either).to_owned()),
            [test, case] => Patterns::Both((*test).to_owned(), (*case).to_owned()),
            _ => return Err("`//` may stand in it once, between the test and the case".to_owned()),
        };
        let parts = match &patterns {
            Patterns::Either(either) => vec![either],
            Patterns::Both(test, case) => vec![test, case],
        };
        match parts.into_iter().find(|part| builtins::finds(part, "").is_none()) {
            Some(part) => Err(format!("`{part}` is no regular expression")),
            None => Ok(Selection(Some(patterns))),
        }
    }

    /// Whether a case is meant.
    pub(super) fn takes(&self, test: &str, case: &str) -> bool {
        match &self.0 {
            None => true,
            Some(Patterns::Either(either)) => finds(either, test) || finds(either, case),
            Some(Patterns::Both(of_test, of_case)) => finds(of_test, test) && finds(of_case, case),
        }
    }

    /// Whether a test is meant, whatever its cases are called.
    pub(super) fn takes_test(&self, test: &str) -> bool {
        match &self.0 {
            None => true,
            Some(Patterns::Either(of_test) | Patterns::Both(of_test, _)) => finds(of_test, test),
        }
    }
}

fn finds(pattern: &str, text: &str) -> bool {
    builtins::finds(pattern, text).unwrap_or_default()
}
