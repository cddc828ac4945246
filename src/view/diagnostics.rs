//! Diagnostics for a person and for a program.
//!
//! Owns how a mistake looks: the lines around it, colours, and what must not reach a terminal. Must not know what was checked.

use crate::config::SourceFile;
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::yaml::Lines;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How much of a line is shown at most, in bytes: a longer one is cut around the mistake.
const LONGEST_EXCERPT: usize = 1_000;

/// Returns the diagnostics as text, each with the line it is about, and a last line that counts them; nothing if there are none.
///
/// `sources` are the files that the diagnostics name. Control characters of file and message are shown as replacements. `width`
/// is that of the terminal in characters.
pub fn render(diagnostics: &[Diagnostic], sources: &[SourceFile], colour: bool, width: usize) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(width.max(40));
    let texts: BTreeMap<&str, String> = sources
        .iter()
        .filter(|source| diagnostics.iter().any(|diagnostic| diagnostic.file == source.path))
        .map(|source| {
            (
                source.path.as_str(),
                String::from_utf8_lossy(&source.content).into_owned(),
            )
        })
        .collect();
    let lines: BTreeMap<&str, Lines<'_>> = texts.iter().map(|(path, text)| (*path, Lines::new(text))).collect();
    let mut out = String::new();
    for diagnostic in diagnostics {
        let source = texts.get(diagnostic.file.as_str()).map(String::as_str);
        let lines = lines.get(diagnostic.file.as_str());
        out.push_str(&one(diagnostic, source.zip(lines), &renderer));
        out.push_str("\n\n");
    }
    if !diagnostics.is_empty() {
        let _ = writeln!(out, "{}", summary(diagnostics));
    }
    out
}

/// Returns the diagnostics as JSON: a list of objects with `severity`, `summary`, `file`, `line`, `column`, `label`, `hints`.
///
/// Lines and columns count from 1; they are null if the whole file is meant.
pub fn to_json(diagnostics: &[Diagnostic]) -> Value {
    let one = |diagnostic: &Diagnostic| {
        json!({
            "severity": severity(diagnostic.severity),
            "summary": diagnostic.summary,
            "file": diagnostic.file,
            "line": diagnostic.span.map(|span| span.line),
            "column": diagnostic.span.map(|span| span.column),
            "label": diagnostic.label,
            "hints": diagnostic.hints,
        })
    };
    Value::Array(diagnostics.iter().map(one).collect())
}

/// Returns the count of errors and warnings, such as `2 errors, 1 warning`.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity: Severity, name: &str| {
        let count = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == severity)
            .count();
        (count > 0).then(|| format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
    };
    let counts = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
    counts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn one(diagnostic: &Diagnostic, source: Option<(&str, &Lines<'_>)>, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let path = harmless(&diagnostic.file);
    let excerpt = diagnostic
        .span
        .zip(source)
        .map(|(span, (text, lines))| excerpt(span, text, lines));
    let label = harmless(&diagnostic.label);
    let mut elements: Vec<Element<'_>> = Vec::new();
    // A whole line tells its column itself; that of a cut one has to be said.
    if !excerpt.as_ref().is_some_and(|excerpt| excerpt.whole) {
        let origin = Origin::path(path.as_str());
        let origin = match diagnostic.span {
            Some(span) => origin.line(span.line).char_column(span.column),
            None => origin,
        };
        elements.push(origin.into());
    }
    if let (Some(span), Some(excerpt)) = (diagnostic.span, &excerpt) {
        let annotation = AnnotationKind::Primary
            .span(excerpt.marked.clone())
            .label(label.as_str());
        let snippet = Snippet::source(excerpt.text.as_str())
            .line_start(span.line)
            .annotation(annotation);
        let snippet = if excerpt.whole {
            snippet.path(path.as_str())
        } else {
            snippet
        };
        elements.push(snippet.into());
    } else if !label.is_empty() {
        elements.push(Level::NOTE.message(label.as_str()).into());
    }
    let hints = diagnostic
        .hints
        .iter()
        .map(|hint| Level::HELP.with_name("hint").message(harmless(hint)).into());
    elements.extend(hints);
    let group = level.primary_title(harmless(&diagnostic.summary)).elements(elements);
    renderer.render(&[group])
}

/// A line, or a piece of a long one, and the bytes of it that are meant.
struct Excerpt {
    text: String,
    /// Whether it is the whole line.
    whole: bool,
    marked: std::ops::Range<usize>,
}

/// Returns the line that a span starts in; what goes on in the next line is left out.
fn excerpt(span: Span, text: &str, lines: &Lines<'_>) -> Excerpt {
    let range = lines.range(span.line);
    let there = span.start >= range.start && span.start <= range.end;
    let whole = there && range.len() <= LONGEST_EXCERPT;
    let from = if whole {
        range.start
    } else {
        range.start.max(span.start.saturating_sub(LONGEST_EXCERPT / 2))
    };
    let piece = lines.piece(from, range.end.min(from + LONGEST_EXCERPT));
    let mut excerpt = Excerpt {
        text: if from > range.start {
            "...".to_owned()
        } else {
            String::new()
        },
        whole,
        marked: 0..0,
    };
    let (mut start, mut end) = (None, None);
    for (at, c) in text.get(piece.clone()).unwrap_or_default().char_indices() {
        if piece.start + at >= span.start {
            start.get_or_insert(excerpt.text.len());
        }
        if piece.start + at >= span.end {
            end.get_or_insert(excerpt.text.len());
        }
        excerpt
            .text
            .push(if is_harmful(c) && c != '\t' { '\u{fffd}' } else { c });
    }
    let start = start.unwrap_or(excerpt.text.len());
    excerpt.marked = start..end.unwrap_or(excerpt.text.len()).max(start);
    excerpt
}

/// Returns a text without characters that a terminal obeys or that turn the direction of text.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_harmful(c) { '\u{fffd}' } else { c })
        .collect()
}

fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(content: &[u8]) -> Vec<SourceFile> {
        vec![SourceFile {
            path: "environments/prod.yaml".to_owned(),
            content: content.to_vec(),
        }]
    }

    fn mistake(text: &str, what: &str) -> Diagnostic {
        let start = text.find(what).unwrap();
        let span = Lines::new(text).span(start, start + what.len());
        Diagnostic::error(
            "unknown initiative",
            "environments/prod.yaml",
            span,
            "no such file in initiatives/",
        )
        .hint("did you mean `cis-benchmark`?")
    }

    #[test]
    fn a_mistake_is_shown_in_its_line() {
        let text = "cloud: public\ngates:\n  cis:\n    initiative: cis-bencmark # soon\n";
        let diagnostics = [
            mistake(text, "cis-bencmark"),
            Diagnostic::file_error("empty file", "environments/test.yaml").warning(),
        ];
        insta::assert_snapshot!(render(&diagnostics, &source(text.as_bytes()), false, 100), @r"
        error: unknown initiative
         --> environments/prod.yaml:4:17
          |
        4 |     initiative: cis-bencmark # soon
          |                 ^^^^^^^^^^^^ no such file in initiatives/
          |
          = hint: did you mean `cis-benchmark`?

        warning: empty file
        --> environments/test.yaml

        1 error, 1 warning
        ");
        let coloured = render(&diagnostics, &source(text.as_bytes()), true, 100);
        assert!(coloured.contains("\u{1b}[1m\u{1b}[91merror"), "{coloured:?}");
    }

    #[test]
    fn json_keeps_its_keys() {
        let text = "a: cis-bencmark\n";
        insta::assert_snapshot!(to_json(&[mistake(text, "cis-bencmark")]).to_string(), @r#"[{"column":4,"file":"environments/prod.yaml","hints":["did you mean `cis-benchmark`?"],"label":"no such file in initiatives/","line":1,"severity":"error","summary":"unknown initiative"}]"#);
    }

    #[test]
    fn nothing_wrong_is_nothing_shown() {
        assert_eq!(render(&[], &[], true, 80), "");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake() {
        let text = format!("a: [{}here{}]\n", "x, ".repeat(100_000), ", y".repeat(100_000));
        let shown = render(&[mistake(&text, "here")], &source(text.as_bytes()), false, 80);
        assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
        assert!(shown.contains("here") && shown.contains(":1:300005"), "{shown}");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let text = "a: \u{1b}[31m\u{9b}2J\u{202e}here\u{7}\tz\n";
        let mut diagnostic = mistake(text, "here");
        diagnostic.file = "environments/\u{1b}.yaml".to_owned();
        diagnostic.label = "\u{1b}[2J".to_owned();
        diagnostic.hints = vec!["a\nb\u{7}".to_owned()];
        let sources = [SourceFile {
            path: diagnostic.file.clone(),
            content: text.as_bytes().to_vec(),
        }];
        let shown = render(&[diagnostic], &sources, false, 80);
        assert!(!shown.chars().any(|c| is_harmful(c) && c != '\n'), "{shown:?}");
        assert!(shown.contains("here"), "{shown:?}");
    }

    #[test]
    fn a_place_that_is_not_in_the_file_is_no_fault() {
        let span = Span {
            start: 900,
            end: 1_000,
            line: 77,
            column: 9,
        };
        let diagnostic = Diagnostic::error("x", "environments/prod.yaml", span, "y");
        assert!(render(&[diagnostic], &source(b"a: \xff\n"), false, 80).contains("prod.yaml:77:9"));
    }
}
