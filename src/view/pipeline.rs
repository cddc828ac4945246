//! The files of a pipeline, and what becomes of them.

use super::text::Paint;
use crate::pipeline::PipelineFile;
use serde_json::{Value, json};

/// What became of a file, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Shown, not written.
    Shown,
    /// Written where nothing was.
    Written,
    /// Written over another text.
    Replaced,
    /// There already, just so.
    Unchanged,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Fate::Shown => "shown",
            Fate::Written => "written",
            Fate::Replaced => "replaced",
            Fate::Unchanged => "unchanged",
        }
    }
}

/// Returns the texts for a person; of files that were written, a line each.
pub fn human(files: &[(PipelineFile, Fate)], paint: Paint) -> String {
    let one = |(file, fate): &(PipelineFile, Fate)| match fate {
        Fate::Shown => format!("{}\n{}", paint.bold(&format!("# {}", file.path)), file.text),
        fate => format!("{} {}\n", fate.name(), file.path),
    };
    let shown = files.iter().any(|(_, fate)| *fate == Fate::Shown);
    let texts: Vec<String> = files.iter().map(one).collect();
    texts.join(if shown { "\n" } else { "" })
}

/// Returns the texts as code of a Markdown page.
pub fn to_markdown(files: &[(PipelineFile, Fate)]) -> String {
    let one = |(file, fate): &(PipelineFile, Fate)| match fate {
        Fate::Shown => format!("### `{}`\n\n```yaml\n{}```\n", file.path, file.text),
        fate => format!("- `{}`: {}\n", file.path, fate.name()),
    };
    files.iter().map(one).collect()
}

/// Returns the files with what became of them.
pub fn to_json(files: &[(PipelineFile, Fate)]) -> Value {
    let one =
        |(file, fate): &(PipelineFile, Fate)| json!({"path": file.path, "outcome": fate.name(), "text": file.text});
    json!({
        "formatVersion": 1,
        "command": "pipeline",
        "outcome": "done",
        "exitCode": 0,
        "files": files.iter().map(one).collect::<Vec<Value>>(),
    })
}
