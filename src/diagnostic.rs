//! What is wrong with what the user wrote: collected, with its place, and shown all at once.
//!
//! Owns the record of a mistake. Must not know how it is printed (`view::diagnostics`).

/// A range of a file's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The line of the first byte, from 1.
    pub line: usize,
    /// The column of the first byte in characters, from 1.
    pub column: usize,
}

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is called while one of these stands.
    Error,
    /// Shown, and the run goes on.
    Warning,
}

/// One mistake, or one thing to know, about a file of the estate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong: short, fixed, lower case, no full stop.
    pub summary: String,
    /// The file, relative to the estate, with `/` between its parts.
    pub file: String,
    /// Where in the file; none if the whole file is meant.
    pub span: Option<Span>,
    /// What is to be said at that place; may be empty.
    pub label: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// Returns an error about a place in a file.
    pub fn error(summary: impl Into<String>, file: &str, span: Span, label: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            summary: summary.into(),
            file: file.to_owned(),
            span: Some(span),
            label: label.into(),
            hints: Vec::new(),
        }
    }

    /// Returns an error about a whole file.
    pub fn file_error(summary: impl Into<String>, file: &str) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            summary: summary.into(),
            file: file.to_owned(),
            span: None,
            label: String::new(),
            hints: Vec::new(),
        }
    }

    /// Returns this diagnostic as a warning.
    pub fn warning(mut self) -> Diagnostic {
        self.severity = Severity::Warning;
        self
    }

    /// Returns this diagnostic with one more hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hints.push(hint.into());
        self
    }
}

/// Returns the candidate most like `word`, if one is near enough to be a slip of the pen.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &str| {
        let (word, candidate) = (word.to_lowercase(), candidate.to_lowercase());
        strsim::normalized_damerau_levenshtein(&word, &candidate).max(strsim::jaro_winkler(&word, &candidate) - 0.25)
    };
    candidates
        .into_iter()
        .map(|candidate| (near(candidate), candidate))
        .filter(|(nearness, _)| *nearness >= 0.6)
        .max_by(|(one, a), (two, b)| one.total_cmp(two).then(b.cmp(a)))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_proposed() {
        let names = ["cis-benchmark", "pod-security-baseline", "excludeNamespaces"];
        assert_eq!(did_you_mean("cis-bencmark", names), Some("cis-benchmark"));
        assert_eq!(did_you_mean("excludedNamespaces", names), Some("excludeNamespaces"));
        assert_eq!(did_you_mean("zebra", names), None);
    }
}
