//! What a case expects of the messages.

use super::{Fields, Read};
use crate::rules::builtins;
use serde_json::Value;

/// How many messages are expected, of all or of those that a pattern finds.
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    wanted: Wanted,
    message: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Any,
    Exactly(usize),
}

impl Assertion {
    pub(super) fn read(path: &str, value: &Value) -> Read<Assertion> {
        let fields = Fields::new(path, value, &["violations", "message"])?;
        let wanted = match fields.get("violations") {
            // `yes` and `no` are true and false to YAML.
            None | Some(Value::Bool(true)) => Wanted::Any,
            Some(Value::Bool(false)) => Wanted::Exactly(0),
            Some(Value::String(text)) if text == "yes" => Wanted::Any,
            Some(Value::String(text)) if text == "no" => Wanted::Exactly(0),
            Some(value) => match value.as_u64().and_then(|count| usize::try_from(count).ok()) {
                Some(count) => Wanted::Exactly(count),
                None => return Err(fields.wrong("violations", "`violations` must be `yes`, `no` or a number")),
            },
        };
        let message = fields.optional_text("message")?;
        if message
            .as_deref()
            .is_some_and(|pattern| builtins::finds(pattern, "").is_none())
        {
            return Err(fields.wrong("message", "`message` is no regular expression"));
        }
        Ok(Assertion { wanted, message })
    }

    /// Returns what is wrong with the messages.
    pub(super) fn check(&self, messages: &[String]) -> Result<(), String> {
        let found = |message: &&String| match &self.message {
            Some(pattern) => builtins::finds(pattern, message).unwrap_or_default(),
            None => true,
        };
        let count = messages.iter().filter(found).count();
        let fits = match self.wanted {
            Wanted::Any => count > 0,
            Wanted::Exactly(wanted) => count == wanted,
        };
        if fits {
            return Ok(());
        }
        let wanted = match self.wanted {
            Wanted::Any => "at least one violation".to_owned(),
            Wanted::Exactly(0) => "no violation".to_owned(),
            Wanted::Exactly(1) => "one violation".to_owned(),
            Wanted::Exactly(wanted) => format!("{wanted} violations"),
        };
        let of = self
            .message
            .as_ref()
            .map(|pattern| format!(" with a message like `{pattern}`"))
            .unwrap_or_default();
        let all = match messages {
            [] => "none at all".to_owned(),
            messages => messages
                .iter()
                .map(|message| format!("`{message}`"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        Err(format!("expected {wanted}{of}, found {count}; violations: {all}"))
    }
}
