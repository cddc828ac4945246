//! What an import made of a brownfield, and what it left.

use super::text::{Paint, code, markdown, plain, wrap};
use crate::adoption::{AdoptedGate, Left};
use serde_json::{Value, json};

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The files that were written.
    pub files: Vec<&'a str>,
    /// The gates in them.
    pub gates: &'a [AdoptedGate],
    /// What the estate does not say.
    pub left: &'a [Left],
}

impl Imported<'_> {
    fn closing(&self) -> String {
        format!(
            "Nothing in Azure was changed, and the plan of `{}` is empty. Next: look at the files, raise the target of a gate from off to audit, \
             and `aksgate plan {}`.",
            self.environment, self.environment
        )
    }
}

/// Returns the import for a person.
pub fn human(shown: &Imported<'_>, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    let mut line = |indent: usize, line: &str| {
        for line in wrap(line, width, indent) {
            text.push_str(&line);
            text.push('\n');
        }
    };
    line(0, &paint.bold("Written"));
    for file in &shown.files {
        line(2, &format!("  {file}"));
    }
    line(0, &paint.bold("Gates, each at off"));
    for gate in shown.gates {
        line(
            4,
            &format!("  {} from assignment {}", gate.name, plain(&gate.assignment)),
        );
    }
    if shown.gates.is_empty() {
        line(2, "  none");
    }
    if !shown.left.is_empty() {
        line(0, &paint.bold("Not in these files"));
    }
    for left in shown.left {
        line(4, &format!("  {}: {}", plain(&left.subject), plain(&left.reason)));
    }
    line(0, &shown.closing());
    text
}

/// Returns the import as Markdown.
pub fn to_markdown(shown: &Imported<'_>) -> String {
    let mut text = format!("# Import: {}\n\n", markdown(shown.environment));
    for file in &shown.files {
        text.push_str(&format!("- {}\n", code(file)));
    }
    text.push_str("\n| Gate, at off | From assignment |\n|---|---|\n");
    for gate in shown.gates {
        text.push_str(&format!(
            "| {} | {} |\n",
            markdown(&gate.name),
            markdown(&gate.assignment)
        ));
    }
    if !shown.left.is_empty() {
        text.push_str("\n| Not in these files | Why |\n|---|---|\n");
    }
    for left in shown.left {
        text.push_str(&format!(
            "| {} | {} |\n",
            markdown(&left.subject),
            markdown(&left.reason)
        ));
    }
    text.push_str(&format!("\n{}\n", markdown(&shown.closing())));
    text
}

/// Returns the import for a program.
pub fn to_json(shown: &Imported<'_>) -> Value {
    let gates = shown.gates.iter();
    let left = shown.left.iter();
    json!({
        "formatVersion": 1,
        "command": "import",
        "outcome": "done",
        "exitCode": 0,
        "environment": shown.environment,
        "files": shown.files,
        "gates": gates.map(|gate| json!({"name": gate.name, "assignment": gate.assignment})).collect::<Vec<Value>>(),
        "left": left.map(|left| json!({"subject": left.subject, "reason": left.reason})).collect::<Vec<Value>>(),
    })
}
