//! A `policyRule` of Azure Resource Manager as a file: JSON with `if` and `then`, whose effect a gate sets.

use super::near;
use super::walk::list;
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::{self, Key, Kind, Node};
use serde_json::Value;
use std::collections::BTreeSet;

/// What `then.effect` has to be: the gate sets the effect.
const EFFECT: &str = "[parameters('effect')]";

/// Reads a policyRule; `parameters` are the names that its rule file declares.
pub(super) fn check(file: &str, text: &str, parameters: &[&str], diagnostics: &mut Vec<Diagnostic>) -> Option<Value> {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let why = error.to_string();
            let why = why.split_once(" at line ").map_or(why.as_str(), |(why, _)| why);
            let span = place(text, error.line(), error.column());
            diagnostics.push(Diagnostic::error("invalid JSON", file, span, why.to_owned()));
            return None;
        }
    };
    // JSON is YAML, and that reader knows places and sees a key that stands twice.
    let (document, found) = yaml::parse(file, text.as_bytes());
    let twice = found.into_iter().filter(|found| found.summary == "duplicate key");
    let before = diagnostics.len();
    diagnostics.extend(twice);
    if diagnostics.len() > before {
        return None;
    }
    let root = document.map(|document| document.root);
    let mut check = Check {
        file,
        text,
        diagnostics,
    };
    check.shape(&value, root.as_ref());
    check.parameters(&value, parameters);
    (diagnostics.len() == before).then_some(value)
}

struct Check<'a, 'd> {
    file: &'a str,
    text: &'a str,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Check<'_, '_> {
    fn wrong(&mut self, span: Option<Span>, label: &str, hint: &str) {
        let mut error = Diagnostic::file_error("no policy rule", self.file);
        error.span = span;
        error.label = label.to_owned();
        self.diagnostics.push(error.hint(hint.to_owned()));
    }

    fn shape(&mut self, value: &Value, root: Option<&Node>) {
        let whole = root.map(|root| root.span);
        let Value::Object(map) = value else {
            self.wrong(
                whole,
                "expected an object with `if` and `then`",
                "write Azure's `policyRule` and nothing else",
            );
            return;
        };
        if map.contains_key("policyRule") || map.contains_key("properties") {
            let label = "this is a policy definition, not its rule";
            self.wrong(
                key(root, "policyRule").or(key(root, "properties")),
                label,
                "keep the object at `policyRule` only",
            );
            return;
        }
        for name in map.keys().filter(|name| !["if", "then"].contains(&name.as_str())) {
            let label = format!("`{name}` does not belong to a policy rule");
            self.wrong(key(root, name), &label, "it has `if` and `then`");
        }
        if !map.get("if").is_some_and(Value::is_object) {
            self.wrong(
                key(root, "if").or(whole),
                "it needs an `if`, an object",
                "say there what a violation is",
            );
        }
        let then = map.get("then");
        let effect = then.and_then(|then| then.get("effect"));
        let place = key(root, "then").or(whole);
        match effect {
            None => self.wrong(
                place,
                "it needs a `then` with an `effect`",
                &format!("write \"effect\": \"{EFFECT}\""),
            ),
            Some(effect) if effect == EFFECT => {}
            Some(_) => self.wrong(
                place,
                "the gate sets the effect, and this one is fixed",
                &format!("write \"effect\": \"{EFFECT}\""),
            ),
        }
    }

    /// Azure refuses a rule that uses what is not declared, and one that does not use what is.
    fn parameters(&mut self, value: &Value, declared: &[&str]) {
        let mut used = BTreeSet::new();
        collect(value, &mut used);
        for name in &used {
            let same = |known: &&str| known.eq_ignore_ascii_case(name);
            if name != "effect" && !declared.iter().any(same) {
                let at = self.text.find(&format!("'{name}'"));
                let span = at.map(|at| yaml::Lines::new(self.text).span(at + 1, at + 1 + name.len()));
                let mut error = Diagnostic::file_error("unknown parameter", self.file);
                error.span = span;
                error.label = format!("the rule file declares no `{name}`");
                let hint = near(name, declared, "declare it under `parameters` of the rule file");
                self.diagnostics.push(error.hint(hint));
            }
        }
        let unused = declared
            .iter()
            .filter(|known| !used.iter().any(|name| name.eq_ignore_ascii_case(known)));
        let unused: Vec<&str> = unused.copied().collect();
        if !unused.is_empty() {
            let mut error = Diagnostic::file_error("unused parameter", self.file);
            error.label = format!("the rule does not use {}, and Azure refuses that", list(unused));
            self.diagnostics
                .push(error.hint("use it as \"[parameters('NAME')]\", or take it out of the rule file"));
        }
    }
}

/// Collects the names in `parameters('NAME')` of every expression.
fn collect(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.starts_with('[') && !text.starts_with("[[") => {
            let mut rest = text.as_str();
            while let Some(at) = rest.to_ascii_lowercase().find("parameters(") {
                rest = rest.get(at + "parameters(".len()..).unwrap_or_default();
                let name = rest
                    .trim_start()
                    .strip_prefix('\'')
                    .and_then(|rest| rest.split('\'').next());
                used.extend(name.map(str::to_owned));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, used)),
        Value::Object(map) => map.values().for_each(|value| collect(value, used)),
        _ => {}
    }
}

/// Returns the place of a key of the outermost object.
fn key(root: Option<&Node>, name: &str) -> Option<Span> {
    match root.map(|root| &root.kind) {
        Some(Kind::Mapping(entries)) => {
            let found = entries.iter().find(|(Key { text, .. }, _)| text == name);
            found.map(|(key, _)| key.span)
        }
        _ => None,
    }
}

/// Returns the place that the JSON reader names: a line, and a column in bytes.
fn place(text: &str, line: usize, column: usize) -> Span {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let end = text
        .get(at..)
        .and_then(|rest| rest.chars().next())
        .map_or(at, |c| at + c.len_utf8());
    yaml::Lines::new(text).span(at, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "{\n  \"if\": {\"field\": \"name\", \"in\": \"[parameters('names')]\"},\n  \"then\": {\"effect\": \"[parameters('effect')]\"}\n}\n";

    fn said(text: &str) -> String {
        let mut diagnostics = Vec::new();
        let rule = check("r.json", text, &["names"], &mut diagnostics);
        assert_eq!(rule.is_some(), diagnostics.is_empty());
        let said = diagnostics.iter().map(|found| {
            let place = found
                .span
                .map_or(String::new(), |span| format!("{}:{} ", span.line, span.column));
            format!("{place}{}: {}", found.summary, found.label)
        });
        said.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_no_policy_rule_is_told_with_its_place() {
        assert_eq!(said(RULE), "");
        let but = |from: &str, to: &str| {
            assert!(RULE.contains(from), "{from}");
            said(&RULE.replacen(from, to, 1))
        };
        assert_eq!(but("},\n", "}\n"), "3:3 invalid JSON: expected `,` or `}`");
        assert_eq!(but("{\"field\"", "{\"\u{fc}\": 1, \"field\""), "");
        assert_eq!(
            but("\"if\"", "\"when\""),
            "2:3 no policy rule: `when` does not belong to a policy rule\n1:1 no policy rule: it needs an `if`, an object"
        );
        assert_eq!(
            but("[parameters('effect')]", "deny"),
            "3:3 no policy rule: the gate sets the effect, and this one is fixed"
        );
        assert_eq!(
            but("\"effect\"", "\"effects\""),
            "3:3 no policy rule: it needs a `then` with an `effect`"
        );
        assert_eq!(
            but("('names')", "('name')"),
            "2:47 unknown parameter: the rule file declares no `name`\nunused parameter: the rule does not use `names`, and Azure refuses that"
        );
        assert_eq!(
            but("\"then\"", "\"if\": {}, \"then\""),
            "3:3 duplicate key: `if` stands already on line 2"
        );
        assert_eq!(
            said("[]"),
            "1:1 no policy rule: expected an object with `if` and `then`\nunused parameter: the rule does not use `names`, and Azure refuses that"
        );
        assert_eq!(
            said(&format!("{{\"policyRule\": {RULE}}}")),
            "1:2 no policy rule: this is a policy definition, not its rule"
        );
        assert_eq!(said(""), "1:1 invalid JSON: EOF while parsing a value");
    }
}
