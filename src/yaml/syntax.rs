//! Our own words for the syntax errors that people make; the parser's for the others.

use super::Lines;
use crate::diagnostic::{Diagnostic, Span};
use granit_parser::{ErrorKind, ScanError};

/// Returns the diagnostic of a syntax error.
pub(super) fn diagnose(file: &str, text: &str, lines: &Lines<'_>, error: &ScanError, deepest: usize) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or_default();
    let span = place(text, lines, at);
    if let Some(tab) = tab_of(text, lines, span.line, error.kind()) {
        return Diagnostic::error("tab in indentation", file, tab, "YAML is indented with spaces only")
            .hint("replace each tab at the start of a line by spaces");
    }
    let (label, hint) = words(error, deepest);
    let diagnostic = Diagnostic::error("syntax error", file, span, label);
    match hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

/// Returns the character that an error stands at; behind the last line, the end of the last line with text.
fn place(text: &str, lines: &Lines<'_>, at: usize) -> Span {
    let at = match text.get(at..) {
        Some(rest) if !rest.trim().is_empty() => at,
        _ => text.trim_end().len().min(at),
    };
    let length = text.get(at..).and_then(|rest| rest.chars().next());
    let length = length.filter(|c| !c.is_whitespace()).map_or(0, char::len_utf8);
    lines.span(at, at + length)
}

/// Returns the tab that an error is about: the parser says so, or the line of the error is indented with one.
fn tab_of(text: &str, lines: &Lines<'_>, line: usize, kind: &ErrorKind) -> Option<Span> {
    let first_of = |line: usize| {
        let range = lines.range(line);
        let content = text.get(range.clone())?;
        let indentation = content.len() - content.trim_start_matches([' ', '\t']).len();
        content.get(..indentation)?.find('\t').map(|at| range.start + at)
    };
    let told = || match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => text
            .get(lines.range(line))?
            .find('\t')
            .map(|at| lines.range(line).start + at),
        // Told at the start of a text that goes on behind the tab.
        ErrorKind::TabInPlainScalar => first_of(line + 1),
        _ => None,
    };
    let at = first_of(line).or_else(told)?;
    Some(lines.span(at, at + 1))
}

fn words(error: &ScanError, deepest: usize) -> (String, Option<&'static str>) {
    let fixed = |label: &str, hint: Option<&'static str>| (label.to_owned(), hint);
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => (format!("nested more than {deepest} levels deep"), None),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            fixed("a quote is opened before here and never closed", None)
        }
        ErrorKind::UnclosedFlowCollection { open } => (format!("this `{open}` is never closed"), None),
        ErrorKind::UnexpectedEofFlowSequence | ErrorKind::ExpectedFlowSequenceSeparator => {
            fixed("expected `,` or `]` here", None)
        }
        ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator => fixed("expected `,` or `}` here", None),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            (format!("`{close}` does not close the `{open}` opened before"), None)
        }
        ErrorKind::MisplacedFlowCollectionEnd => fixed("this bracket closes nothing", None),
        ErrorKind::InvalidIndentation | ErrorKind::ExpectedBlockMappingKey => fixed(
            "indented differently from the keys before it",
            Some("the keys of one mapping stand in one column"),
        ),
        ErrorKind::ExpectedBlockSequenceEntry => fixed(
            "expected `- ` here",
            Some("the entries of one list start with `- ` in one column"),
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            fixed("a key without `:`", Some("write `key: value`"))
        }
        ErrorKind::MappingValueNotAllowed => fixed(
            "`: ` is not allowed here",
            Some("put a text that contains `: ` in quotes"),
        ),
        ErrorKind::InvalidColonPlacement => {
            fixed("`:` is not allowed here", Some("is a bracket before it never closed?"))
        }
        ErrorKind::UnexpectedCharacter { character } => (
            format!("a value cannot start with `{character}`"),
            Some("put it in quotes"),
        ),
        ErrorKind::DirectiveDisallowed => fixed("directives (lines that start with `%`) are not supported", None),
        ErrorKind::BlockSequenceEntryNotAllowed => {
            fixed("a list cannot start here", Some("put it on a line of its own"))
        }
        ErrorKind::UndeclaredTagHandle => fixed(
            "tags are not supported",
            Some("put a text that starts with `!` in quotes"),
        ),
        _ => (error.info(), None),
    }
}
