//! What changes in a step, a line for each field.

use crate::catalog::{Catalog, role_name};
use crate::diff::{FieldChange, changes};
use crate::kinds::KNOWN_AFTER;
use crate::plan::Step;
use crate::view::text::{plain, value};
use serde_json::Value;
use similar::TextDiff;

pub(super) struct Line {
    pub(super) sign: char,
    pub(super) text: String,
}

/// The fields that change, one a line; texts that are long or have several lines as a diff of their own.
pub(super) fn change_lines(step: &Step) -> Vec<Line> {
    let after = step.after.clone().unwrap_or_default();
    let mut lines = Vec::new();
    let found = match &step.before {
        Some(before) => changes(before, &after),
        None => leaves(&after),
    };
    for change in found {
        field_lines(&change, &mut lines);
    }
    lines
}

/// The fields of a new object: values that fit on a line stay whole.
pub(super) fn leaves(after: &Value) -> Vec<FieldChange> {
    fn walk(path: &str, value: &Value, found: &mut Vec<FieldChange>) {
        let short = value.to_string().len() <= 72 && !path.is_empty() && path != "properties";
        match value {
            Value::Object(map) if !short && !map.is_empty() => {
                for (key, value) in map {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    walk(&path, value, found);
                }
            }
            _ => found.push(FieldChange {
                path: path.to_owned(),
                before: None,
                after: Some(value.clone()),
            }),
        }
    }
    let mut found = Vec::new();
    walk("", after, &mut found);
    found
}

/// The title of the built-in that an id names, for a reader who does not know GUIDs by heart.
fn title(value: &Value) -> Option<String> {
    // Only what Microsoft brings has no scope; a set of somebody's own may have a built-in's name.
    let (kind, name) = value
        .as_str()?
        .strip_prefix("/providers/microsoft.authorization/")?
        .rsplit_once('/')?;
    let catalog = Catalog::embedded();
    let title = match kind.rsplit('/').next()? {
        "policydefinitions" => catalog.definition(name).map(|found| found.display_name.as_str()),
        "policysetdefinitions" => catalog.initiative(name).map(|found| found.display_name.as_str()),
        _ => None,
    };
    title.map(|title| format!("  # {}", plain(title)))
}

fn field_lines(change: &FieldChange, lines: &mut Vec<Line>) {
    let path = plain(change.path.strip_prefix("properties.").unwrap_or(&change.path));
    match (&change.before, &change.after) {
        (None, Some(after)) if after.get(KNOWN_AFTER).is_some_and(Value::is_string) => {
            let step = after.get(KNOWN_AFTER).and_then(Value::as_str).unwrap_or_default();
            let text = format!("{path}: (known after {})", plain(step));
            lines.push(Line { sign: '+', text });
        }
        (None, Some(after)) => {
            let role = (path == "roleDefinitionId")
                .then(|| role_name(after.as_str()?))
                .flatten();
            let title = role
                .map(|name| format!("  # {name}"))
                .or_else(|| title(after))
                .unwrap_or_default();
            let text = format!("{path}: {}{title}", value(after));
            lines.push(Line { sign: '+', text });
        }
        (Some(before), None) => lines.push(Line {
            sign: '-',
            text: format!("{path}: {}", value(before)),
        }),
        (Some(Value::String(before)), Some(Value::String(after))) if is_long(before) || is_long(after) => {
            lines.push(Line {
                sign: '~',
                text: format!("{path}:"),
            });
            text_lines(before, after, lines);
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            lines.push(Line {
                sign: '~',
                text: format!("{path}:"),
            });
            let gone = before.iter().filter(|item| !after.contains(item));
            let come = after.iter().filter(|item| !before.contains(item));
            let count = lines.len();
            lines.extend(gone.map(|item| Line {
                sign: '-',
                text: format!("  {}", value(item)),
            }));
            lines.extend(come.map(|item| Line {
                sign: '+',
                text: format!("  {}", value(item)),
            }));
            if lines.len() == count {
                let (before, after) = (Value::from(before.clone()), Value::from(after.clone()));
                lines.push(Line {
                    sign: '~',
                    text: format!("  {} -> {}", value(&before), value(&after)),
                });
            }
        }
        (Some(before), Some(after)) => {
            lines.push(Line {
                sign: '~',
                text: format!("{path}: {} -> {}", value(before), value(after)),
            });
        }
        (None, None) => {}
    }
}

fn is_long(text: &str) -> bool {
    text.contains('\n') || text.len() > 48
}

/// A text's change line by line, or word by word where it is one line.
fn text_lines(before: &str, after: &str, lines: &mut Vec<Line>) {
    if before.contains('\n') || after.contains('\n') {
        let diff = TextDiff::from_lines(before, after);
        for change in diff.iter_all_changes() {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
                similar::ChangeTag::Equal => continue,
            };
            lines.push(Line {
                sign,
                text: format!("  {}", plain(change.value().trim_end_matches('\n'))),
            });
        }
        return;
    }
    lines.push(Line {
        sign: '-',
        text: format!("  {}", value(&Value::from(before))),
    });
    lines.push(Line {
        sign: '+',
        text: format!("  {}", value(&Value::from(after))),
    });
}
