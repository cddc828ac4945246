//! The catalogue as Markdown.

use super::words::{
    Member, One, Row, default_effect, gate, kind_of, objects, one, origin, rows, totals, value, versions, with_marks,
};
use crate::catalog::{Catalog, Definition, Found, Parameter, PolicySet};
use crate::view::text::{code, markdown};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Returns what was found as Markdown: a table, or the details if it is one built-in.
pub fn page(catalog: &Catalog, found: &Found<'_>) -> String {
    let mut out = String::new();
    match one(found) {
        Some(One::Initiative(set)) => initiative_page(&mut out, catalog, set),
        Some(One::Definition(definition)) => definition_page(&mut out, definition),
        None => {
            out.push_str("| name | version | kind | effects or members | title |\n|---|---|---|---|---|\n");
            for row in rows(found) {
                let Row {
                    name,
                    version,
                    kind,
                    about,
                    title,
                } = row;
                let (about, title) = (markdown(&about), markdown(&title));
                let _ = writeln!(
                    out,
                    "| {} | {} | {kind} | {about} | {title} |",
                    code(&name),
                    markdown(&version)
                );
            }
            let _ = writeln!(out, "\n{}", totals(found));
        }
    }
    let _ = writeln!(out, "\nFrom {}", markdown(&origin(catalog.source())));
    out
}

fn definition_page(out: &mut String, definition: &Definition) {
    let facts = definition.current();
    let _ = writeln!(out, "## {}\n", markdown(&definition.display_name));
    let kind = with_marks(
        "policy definition".to_owned(),
        definition.preview,
        definition.deprecated,
    );
    let effects: Vec<String> = facts.effects.iter().map(|it| code(it)).collect();
    for (label, text) in [
        ("name", code(&definition.name)),
        ("kind", markdown(&kind)),
        ("category", markdown(&definition.category)),
        ("mode", markdown(&facts.mode)),
        ("version", markdown(&versions(&facts.version, definition.versions()))),
        (
            "pin",
            definition
                .current_pin()
                .map(|pin| code(&pin.to_string()))
                .unwrap_or_default(),
        ),
        ("effects", effects.join(", ")),
        ("default effect", markdown(&default_effect(facts))),
        ("gate", gate(facts).to_owned()),
        ("kinds", markdown(&objects(facts))),
        ("resources", markdown(&facts.resource_types.join(", "))),
        (
            "roles",
            facts
                .role_definition_ids
                .iter()
                .map(|it| code(it))
                .collect::<Vec<_>>()
                .join(", "),
        ),
    ] {
        if !text.is_empty() {
            let _ = writeln!(out, "- {label}: {text}");
        }
    }
    parameter_table(out, &facts.parameters);
}

fn initiative_page(out: &mut String, catalog: &Catalog, set: &PolicySet) {
    let facts = set.current();
    let _ = writeln!(out, "## {}\n", markdown(&set.display_name));
    let kind = with_marks(
        "policy set definition (initiative)".to_owned(),
        set.preview,
        set.deprecated,
    );
    let _ = writeln!(out, "- name: {}\n- kind: {}", code(&set.name), markdown(&kind));
    let _ = writeln!(out, "- category: {}", markdown(&set.category));
    let _ = writeln!(
        out,
        "- version: {}",
        markdown(&versions(&facts.version, set.versions()))
    );
    parameter_table(out, &facts.parameters);
    out.push_str("\n| member | definition | version | effect | gate | fixed |\n|---|---|---|---|---|---|\n");
    for member in &facts.members {
        let Member {
            reference_id,
            title,
            definition,
            version,
            effect,
            gate,
            fixed,
        } = Member::of(catalog, member);
        let fixed: Vec<String> = fixed.iter().map(|(name, it)| code(&format!("{name} = {it}"))).collect();
        let title = if title.is_empty() {
            title
        } else {
            format!("{}<br>", markdown(&title))
        };
        let (version, effect) = (markdown(&version), markdown(&effect));
        let (reference_id, definition) = (code(&reference_id), code(&definition));
        let fixed = fixed.join("<br>");
        let _ = writeln!(
            out,
            "| {reference_id} | {title}{definition} | {version} | {effect} | {gate} | {fixed} |"
        );
    }
}

fn parameter_table(out: &mut String, parameters: &BTreeMap<String, Parameter>) {
    if parameters.is_empty() {
        return;
    }
    out.push_str("\n| parameter | type | default | allowed |\n|---|---|---|---|\n");
    for (name, parameter) in parameters {
        let default = parameter
            .default
            .as_ref()
            .map_or("required".to_owned(), |it| code(&value(it)));
        let allowed: Vec<String> = parameter.allowed.iter().flatten().map(|it| code(&value(it))).collect();
        let ty = markdown(&kind_of(parameter));
        let _ = writeln!(out, "| {} | {ty} | {default} | {} |", code(name), allowed.join(", "));
    }
}
