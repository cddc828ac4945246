//! The guide as Markdown.

use super::Guidebook;
use super::model::{Entry, Settable};
use crate::config::Incident;
use crate::view::text::{code, markdown, value};
use std::fmt::Write as _;

/// Returns the guide as Markdown.
pub fn page(guide: &Guidebook) -> String {
    let mut out =
        String::from("# The gates\n\n| against | gate | furthest stage | settings beside it |\n|---|---|---|---|\n");
    for incident in Incident::ALL {
        let gates: Vec<String> = guide.against(incident).map(|entry| link(&entry.name)).collect();
        let stages: Vec<&str> = guide.against(incident).map(|entry| entry.furthest()).collect();
        let settings: Vec<String> = guide
            .settings_against(incident)
            .map(|setting| code(setting.key))
            .collect();
        if !gates.is_empty() || !settings.is_empty() {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                incident.title(),
                gates.join("<br>"),
                stages.join("<br>"),
                settings.join("<br>")
            );
        }
    }
    for entry in &guide.entries {
        gate(&mut out, entry);
    }
    for (at, setting) in guide.all_settings().enumerate() {
        if at == 0 {
            out.push_str("\n# Beside the gates\n");
        }
        let _ = writeln!(out, "\n## {}\n\n{}\n", setting.title, prose(setting.what));
        field(&mut out, "Against", &titles(setting.incidents));
        let _ = writeln!(out, "- **Set by**: {}", code(setting.key));
        field(&mut out, "Stages", setting.stages);
        field(&mut out, "Breaks", setting.breaks);
        field(&mut out, "Roll out", setting.roll_out);
    }
    for (at, namespace) in guide.namespaces().iter().enumerate() {
        if at == 0 {
            out.push_str("\n# Namespaces that every gate leaves out\n\n| namespace | what runs there | source |\n|---|---|---|\n");
        }
        let (purpose, source) = (prose(namespace.purpose), prose(namespace.source));
        let _ = writeln!(out, "| {} | {purpose} | {source} |", code(namespace.name));
    }
    out
}

fn gate(out: &mut String, entry: &Entry) {
    let _ = writeln!(out, "\n## {}\n", entry.name);
    for text in [&entry.title, &entry.description]
        .into_iter()
        .filter(|text| !text.is_empty())
    {
        let _ = writeln!(out, "{}\n", prose(text));
    }
    field(out, "Is", &entry.origin);
    field(out, "Against", &titles(&entry.incidents));
    field(out, "Furthest stage", entry.furthest());
    let used: Vec<String> = entry
        .used
        .iter()
        .map(|(environment, gate, target)| format!("{environment} as {gate}, to {target}"))
        .collect();
    field(
        out,
        "Used",
        &if used.is_empty() {
            "nowhere yet".to_owned()
        } else {
            used.join("; ")
        },
    );
    field(out, "Breaks", &entry.breaks);
    field(out, "Roll out", &entry.roll_out);
    if !entry.members.is_empty() {
        out.push_str("\n| member | what it asks for | judges | stages | definition |\n|---|---|---|---|---|\n");
        for row in &entry.members {
            let notes = if row.notes.is_empty() {
                String::new()
            } else {
                format!(" ({})", row.notes.join(", "))
            };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {}{notes} | {} |",
                code(&row.reference),
                markdown(&row.title),
                markdown(&row.judges),
                markdown(&row.stages),
                code(&row.definition)
            );
        }
    }
    if !entry.settable.is_empty() {
        out.push_str("\n| parameter | takes | if left out |\n|---|---|---|\n");
        for Settable { name, kind, default } in &entry.settable {
            let default = default
                .as_ref()
                .map_or("needed".to_owned(), |default| code(&value(default)));
            let _ = writeln!(out, "| {} | {} | {default} |", code(name), markdown(kind));
        }
    }
}

fn field(out: &mut String, label: &str, text: &str) {
    if !text.is_empty() {
        let _ = writeln!(out, "- **{label}**: {}", prose(text));
    }
}

fn titles(incidents: &[Incident]) -> String {
    incidents
        .iter()
        .map(|incident| incident.title())
        .collect::<Vec<_>>()
        .join(", ")
}

fn link(name: &str) -> String {
    format!("[{}](#{name})", markdown(name))
}

/// Returns a text for people, in which only what stands between backticks is code.
fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // A backtick without its partner is a character like any other.
    if parts.len().is_multiple_of(2) {
        return markdown(text);
    }
    let parts = parts.iter().enumerate();
    parts
        .map(|(at, part)| match (at % 2, part.is_empty()) {
            (_, true) => String::new(),
            (0, false) => markdown(part),
            (_, false) => code(part),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn what_stands_between_backticks_is_code_and_all_else_is_shown_as_it_is() {
        assert_eq!(prose("write `a|b` *now*"), "write `a\\|b` \\*now\\*");
        assert_eq!(prose("one ` alone <b>"), "one \\` alone &lt;b&gt;");
    }
}
