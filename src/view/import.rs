//! What an import made of a brownfield, and what it left.

use super::page::{Layout, Page};
use super::text::{code, markdown};
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
pub fn human(shown: &Imported<'_>, layout: Layout) -> String {
    let mut page = Page::new(layout);
    page.heading("Written");
    for file in &shown.files {
        page.put(2, 4, file);
    }
    page.heading("Gates, each at off");
    for gate in shown.gates {
        page.put(2, 4, &format!("{} from assignment {}", gate.name, gate.assignment));
    }
    if shown.gates.is_empty() {
        page.put(2, 4, "none");
    }
    if !shown.left.is_empty() {
        page.heading("Not in these files");
    }
    for left in shown.left {
        page.put(2, 4, &format!("{}: {}", left.subject, left.reason));
    }
    page.put(0, 0, &shown.closing());
    page.out
}

/// Returns the import as Markdown.
pub fn to_markdown(shown: &Imported<'_>) -> String {
    let mut text = format!("# Import: {}\n\n", markdown(shown.environment));
    for file in &shown.files {
        text.push_str(&format!("- {}\n", code(file)));
    }
    text.push_str(match shown.gates.is_empty() {
        true => "\nNo gates.\n",
        false => "\n| Gate, at off | From assignment |\n|---|---|\n",
    });
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
