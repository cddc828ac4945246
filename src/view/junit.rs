//! Test results as the JUnit XML that CI servers read: what the XSD of Jenkins' xunit plugin allows, and nothing beside it.

use super::text::plain;
use std::fmt::Write as _;

/// Cases that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Its name, a path for instance.
    pub name: String,
    /// Its cases, in their order.
    pub cases: Vec<Case>,
}

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What servers group cases by.
    pub class: String,
    /// Its name.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
}

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Otherwise than it should.
    Failed {
        /// Why, in one line.
        message: String,
        /// More of it, in any number of lines; may be empty.
        text: String,
    },
    /// It could not be tried.
    Error {
        /// Why, in one line.
        message: String,
        /// More of it, in any number of lines; may be empty.
        text: String,
    },
    /// It was not to be tried.
    Skipped {
        /// Why, in one line.
        message: String,
    },
}

/// Returns the document.
pub fn document(suites: &[Suite]) -> String {
    let all = || suites.iter().flat_map(|suite| &suite.cases);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"aksgate\"");
    counts(&mut out, all(), false);
    out.push_str(">\n");
    for suite in suites {
        let _ = write!(out, "  <testsuite name=\"{}\"", escaped(&suite.name));
        counts(&mut out, suite.cases.iter(), true);
        out.push_str(">\n");
        for case in &suite.cases {
            put(&mut out, case);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn counts<'a>(out: &mut String, cases: impl Iterator<Item = &'a Case>, skipped_too: bool) {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match case.outcome {
            Outcome::Passed => {}
            Outcome::Failed { .. } => failures += 1,
            Outcome::Error { .. } => errors += 1,
            Outcome::Skipped { .. } => skipped += 1,
        }
    }
    let _ = write!(out, " tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    if skipped_too {
        let _ = write!(out, " skipped=\"{skipped}\"");
    }
}

fn put(out: &mut String, case: &Case) {
    let (class, name) = (escaped(&case.class), escaped(&case.name));
    let _ = write!(out, "    <testcase classname=\"{class}\" name=\"{name}\"");
    let (tag, message, text) = match &case.outcome {
        Outcome::Passed => {
            out.push_str("/>\n");
            return;
        }
        Outcome::Failed { message, text } => ("failure", message, text.as_str()),
        Outcome::Error { message, text } => ("error", message, text.as_str()),
        Outcome::Skipped { message } => ("skipped", message, ""),
    };
    let _ = write!(out, ">\n      <{tag} message=\"{}\"", escaped(message));
    if text.is_empty() {
        out.push_str("/>\n");
    } else {
        let lines: Vec<String> = text.lines().map(escaped).collect();
        let _ = writeln!(out, ">{}</{tag}>", lines.join("\n"));
    }
    out.push_str("    </testcase>\n");
}

/// Returns one line of text for an attribute or an element; what XML has no character for is shown as an escape.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(name: &str, outcome: Outcome) -> Case {
        Case {
            class: "a/suite.yaml".to_owned(),
            name: name.to_owned(),
            outcome,
        }
    }

    fn failed(message: &str, text: &str) -> Outcome {
        let (message, text) = (message.to_owned(), text.to_owned());
        Outcome::Failed { message, text }
    }

    #[test]
    fn a_document_holds_each_case_and_counts_them() {
        let suites = [
            Suite {
                name: "a/suite.yaml".to_owned(),
                cases: vec![
                    case("passes", Outcome::Passed),
                    case("fails \"so\"", failed("expected <1>", "found 2 & more\n  a\u{1b}[31m")),
                    case(
                        "breaks",
                        Outcome::Error {
                            message: "no such file".to_owned(),
                            text: String::new(),
                        },
                    ),
                    case(
                        "rests",
                        Outcome::Skipped {
                            message: "the suite says so".to_owned(),
                        },
                    ),
                ],
            },
            Suite {
                name: "empty".to_owned(),
                cases: Vec::new(),
            },
        ];
        insta::assert_snapshot!(document(&suites), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="aksgate" tests="4" failures="1" errors="1">
          <testsuite name="a/suite.yaml" tests="4" failures="1" errors="1" skipped="1">
            <testcase classname="a/suite.yaml" name="passes"/>
            <testcase classname="a/suite.yaml" name="fails &quot;so&quot;">
              <failure message="expected &lt;1&gt;">found 2 &amp; more
          a\u{1b}[31m</failure>
            </testcase>
            <testcase classname="a/suite.yaml" name="breaks">
              <error message="no such file"/>
            </testcase>
            <testcase classname="a/suite.yaml" name="rests">
              <skipped message="the suite says so"/>
            </testcase>
          </testsuite>
          <testsuite name="empty" tests="0" failures="0" errors="0" skipped="0">
          </testsuite>
        </testsuites>
        "#);
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(name in any::<String>(), message in any::<String>(), text in any::<String>()) {
            let suites = |name: &str, message: &str, text: &str| [Suite {
                name: name.to_owned(),
                cases: vec![case(name, failed(message, text))],
            }];
            let document = document(&suites(&name, &message, &text));
            let expected = super::document(&suites("x", "x", if text.is_empty() { "" } else { "x" }));
            let marks = |text: &str| text.chars().filter(|c| matches!(c, '<' | '>' | '"')).collect::<String>();
            prop_assert_eq!(marks(&document), marks(&expected));
            let bare = regex::Regex::new("&(?:lt|gt|amp|quot|apos);").unwrap().replace_all(&document, "");
            prop_assert!(!bare.contains('&'));
            let allowed = |c: char| c == '\n' || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
            prop_assert!(document.chars().all(allowed));
        }
    }
}
