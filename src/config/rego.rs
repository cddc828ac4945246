//! What of a Rego text can be told without evaluating it: what a constraint template needs, what admission has not, and what the
//! engine does not take.

use crate::diagnostic::{Diagnostic, Span};
use crate::rules::{Rule, Template, TemplateError};
use crate::yaml::Lines;
use serde_json::Value;

/// What stands in a template's metadata if it asks for replicated data.
const SYNC_ANNOTATION: &str = "metadata.gatekeeper.sh/requires-sync-data";

/// Checks a rule's text; `enforceable` says whether admission is to decide by it.
pub(super) fn check(file: &str, text: &str, enforceable: bool, diagnostics: &mut Vec<Diagnostic>) {
    let before = diagnostics.len();
    words_of(file, text, enforceable, diagnostics);
    if diagnostics.len() == before {
        diagnostics.extend(loaded(file, text));
    }
}

/// Says what the engine has against a text.
fn loaded(file: &str, text: &str) -> Option<Diagnostic> {
    let error = Rule::new(&Template::from_rego("Aksgate", Value::Null, text)).err()?;
    let mut diagnostic = Diagnostic::file_error("invalid rego", file);
    diagnostic.label = error.to_string();
    if let TemplateError::Rego {
        line, column, reason, ..
    } = error
    {
        let start: usize = text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let rest = text.get(start..).unwrap_or_default();
        let at = rest
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(rest.len(), |(at, _)| at);
        let length = rest
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        diagnostic.span = Some(Lines::new(text).span(start + at, start + at + length));
        diagnostic.label = reason.to_string();
    }
    Some(diagnostic)
}

fn words_of(file: &str, text: &str, enforceable: bool, diagnostics: &mut Vec<Diagnostic>) {
    let lines = Lines::new(text);
    let code = code_only(text);
    if !heads(&code, "package").any(|rest| rest.starts_with([' ', '\t'])) {
        let error = Diagnostic::file_error("rule without package", file);
        diagnostics.push(error.hint("begin it with `package` and a name of letters, such as `package aksgate`"));
    }
    let violates = |rest: &str| {
        let rest = rest.trim_start_matches([' ', '\t']);
        rest.starts_with('[') || rest.starts_with("contains ")
    };
    if !heads(&code, "violation").any(violates) {
        let error = Diagnostic::file_error("rule without violation", file);
        diagnostics
            .push(error.hint("gatekeeper asks a template for its violations: write `violation[{\"msg\": msg}] { … }`"));
    }
    for (at, rest) in words(&code, "import") {
        if rest.trim_start().starts_with("rego.v1") {
            let label = "gatekeeper takes no template with this import";
            let error = Diagnostic::error("unsupported import", file, lines.span(at, line_end(&code, at)), label);
            diagnostics.push(error.hint("write the rule in Rego v0, without the import"));
        }
    }
    if !enforceable {
        return;
    }
    for (at, _) in words(&code, "data") {
        let before = code.get(..at).unwrap_or_default().chars().next_back();
        let Some(name) = member(text, at + "data".len()).filter(|_| before != Some('.')) else {
            continue;
        };
        let span = lines.span(at, at + "data".len());
        diagnostics.extend(unknown_data(file, span, name));
    }
    if let Some(at) = text.find(SYNC_ANNOTATION) {
        let label = "Azure installs no template that asks for replicated data";
        let span = lines.span(at, at + SYNC_ANNOTATION.len());
        diagnostics.push(Diagnostic::error("replicated data", file, span, label).hint(NOT_ENFORCEABLE));
    }
}

const NOT_ENFORCEABLE: &str = "judge the object alone, or set `enforceable: false` with a `reason` in the rule's file: it is then not sent to Azure";

fn unknown_data(file: &str, span: Span, name: &str) -> Option<Diagnostic> {
    match name {
        "lib" => None,
        "inventory" => {
            let label =
                "other objects of the cluster are not there: Azure replicates data for its own definitions only";
            Some(Diagnostic::error("replicated data", file, span, label).hint(NOT_ENFORCEABLE))
        }
        _ => {
            let label = format!("there is no `data.{name}` in a cluster");
            let error = Diagnostic::error("unknown data", file, span, label);
            Some(error.hint("a rule sees `input.review` and `input.parameters`"))
        }
    }
}

/// Returns the name behind `data`, as in `data.inventory` and `data["inventory"]`; none if nothing is taken from it.
fn member(text: &str, after: usize) -> Option<&str> {
    let rest = text.get(after..)?.trim_start_matches([' ', '\t']);
    let name = |rest: &str| {
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len())
    };
    if let Some(rest) = rest.strip_prefix('.') {
        return rest.get(..name(rest));
    }
    let rest = rest.strip_prefix('[')?.trim_start_matches([' ', '\t']);
    match rest.strip_prefix(['"', '`']) {
        Some(rest) => rest.get(..name(rest)),
        // A variable: it may be any of them.
        None => Some("inventory"),
    }
}

/// Returns a text of the same length with blanks in place of comments and of what strings hold.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let blank = |code: &mut String, c: char| code.extend(std::iter::repeat_n(' ', c.len_utf8()));
    let mut characters = text.chars();
    let mut inside: Option<char> = None;
    while let Some(c) = characters.next() {
        match inside {
            _ if c == '\n' => {
                code.push(c);
                // Only a raw string goes on over lines.
                inside = inside.filter(|quote| *quote == '`');
            }
            Some('"') if c == '\\' => {
                code.push(' ');
                match characters.next() {
                    Some('\n') => code.push('\n'),
                    Some(next) => blank(&mut code, next),
                    None => {}
                }
            }
            Some(quote) => {
                blank(&mut code, c);
                inside = (c != quote).then_some(quote);
            }
            None if matches!(c, '"' | '`' | '#') => {
                code.push(' ');
                inside = Some(c).map(|c| if c == '#' { '\n' } else { c });
            }
            None => code.push(c),
        }
    }
    code
}

/// Returns what follows a word that begins a line, for each such line.
fn heads<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    code.lines()
        .filter_map(move |line| line.trim_start().strip_prefix(word))
}

/// Returns the places of a word, each with what follows it.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).filter_map(move |(at, _)| {
        let rest = code.get(at + word.len()..)?;
        let before = code.get(..at)?.chars().next_back();
        (!before.is_some_and(part) && !rest.starts_with(part)).then_some((at, rest))
    })
}

fn line_end(code: &str, at: usize) -> usize {
    let rest = code.get(at..).unwrap_or_default();
    at + rest.find('\n').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "package p\nviolation[{\"msg\": msg}] {\n\tmsg := input.review.kind.kind\n}\n";

    fn said(text: &str, enforceable: bool) -> Vec<String> {
        let mut diagnostics = Vec::new();
        words_of("r.rego", text, enforceable, &mut diagnostics);
        diagnostics
            .iter()
            .map(|found| format!("{} {}", found.span.map_or(0, |span| span.line), found.summary))
            .collect()
    }

    #[test]
    fn a_rule_needs_a_package_and_violations() {
        assert_eq!(said(RULE, true), [""; 0]);
        assert_eq!(
            said(&RULE.replace("package p", "# package p"), true),
            ["0 rule without package"]
        );
        assert_eq!(
            said(&RULE.replace("violation[", "violations["), true),
            ["0 rule without violation"]
        );
        assert_eq!(
            said(
                &RULE.replace("violation[{\"msg\": msg}]", "violation contains msg"),
                true
            ),
            [""; 0]
        );
        assert_eq!(said("", true), ["0 rule without package", "0 rule without violation"]);
    }

    #[test]
    fn what_the_engine_does_not_take_is_told_at_its_line() {
        let broken = RULE.replace("msg := input", "msg := := input");
        let mut diagnostics = Vec::new();
        check("r.rego", &broken, true, &mut diagnostics);
        let [found] = diagnostics.as_slice() else {
            panic!("{diagnostics:?}")
        };
        assert_eq!(
            (found.summary.as_str(), found.span.map(|span| span.line)),
            ("invalid rego", Some(3))
        );
        diagnostics.clear();
        check("r.rego", RULE, true, &mut diagnostics);
        assert_eq!(diagnostics, []);
    }

    #[test]
    fn data_of_the_cluster_is_not_there_at_admission() {
        let with = |line: &str| RULE.replace("msg :=", &format!("{line}\n\tmsg :="));
        for line in [
            "data.inventory.cluster",
            "x := data[\"inventory\"]",
            "x := data [ name ]",
            "x := data[`inventory`]",
        ] {
            assert_eq!(said(&with(line), true), ["3 replicated data"], "{line}");
            assert_eq!(said(&with(line), false), [""; 0], "{line}");
        }
        for line in [
            "# data.inventory",
            "x := \"data.inventory \\\" data.inventory\"",
            "x := `data.inventory`",
            "x := input.data.inventory",
            "metadata.inventory",
            "data.lib.x",
        ] {
            assert_eq!(said(&with(line), true), [""; 0], "{line}");
        }
        assert_eq!(said(&with("x := data.other"), true), ["3 unknown data"]);
        assert_eq!(
            said(&with("# metadata.gatekeeper.sh/requires-sync-data"), true),
            ["3 replicated data"]
        );
        assert_eq!(said(&with("import rego.v1"), true), ["3 unsupported import"]);
    }
}
