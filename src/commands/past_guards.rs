//! The options that take a step past a closed guard.

use super::error::CommandError;
use crate::rollout::Guard;

/// Guards that a step may be taken past, and why.
#[derive(Debug, clap::Args)]
pub(super) struct PastGuards {
    /// Close a gate though this guard is closed; the reason is kept in the gate's mark. Can be given more than once
    #[arg(long, value_name = "GUARD", requires = "reason")]
    override_guard: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl PastGuards {
    /// Returns the guards of a command that asks for a reason for nothing else.
    pub fn alone(&self) -> Result<Vec<(Guard, String)>, CommandError> {
        if self.reason.is_some() && self.override_guard.is_empty() {
            return Err(CommandError::usage("`--reason` is given, and nothing asks for one")
                .hint("it belongs to `--override-guard GUARD`"));
        }
        self.overrides()
    }

    /// Returns whether any guard is named.
    pub fn names_any(&self) -> bool {
        !self.override_guard.is_empty()
    }

    /// Returns the reason, if one is given.
    pub fn reason(&self) -> Result<Option<String>, CommandError> {
        self.reason.as_deref().map(reason).transpose()
    }

    /// Returns the guards, each with the reason.
    pub fn overrides(&self) -> Result<Vec<(Guard, String)>, CommandError> {
        let why = self.reason.as_deref().unwrap_or_default();
        let guards = self.override_guard.iter().map(|name| {
            let known: Vec<&str> = Guard::ALL
                .into_iter()
                .filter(|guard| guard.can_be_overridden())
                .map(Guard::name)
                .collect();
            match Guard::parse(name) {
                Some(guard) if guard.can_be_overridden() => Ok((guard, reason(why)?)),
                Some(guard) => Err(CommandError::usage(format!("guard `{guard}` cannot be overridden"))
                    .hint(format!("those that can: {}", known.join(", ")))),
                None => Err(CommandError::usage(format!("there is no guard `{name}`"))
                    .hint(format!("known: {}", known.join(", ")))),
            }
        });
        guards.collect()
    }
}

/// Returns a reason without blanks at its ends, on one line; a usage error if nothing is left.
pub(super) fn reason(text: &str) -> Result<String, CommandError> {
    let text = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    if text.is_empty() {
        return Err(CommandError::usage("`--reason` says nothing")
            .hint("say why: it is kept in the gate's mark and in the journal"));
    }
    Ok(text)
}
