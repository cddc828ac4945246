//! Exit codes and the error that every command ends with.

use crate::diagnostic::Diagnostic;

/// How a run ended; the number is the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing can be done now.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Changes are pending, where that was asked for, or something is missing, or is not as it should be.
    Pending = 2,
    /// Refused by a guard or a limit.
    Refused = 3,
    /// Something was written and then the run was interrupted, or a step was stale or failed.
    Partial = 4,
    /// The plan is stale.
    Stale = 5,
    /// The command line is wrong.
    Usage = 64,
    /// Interrupted before anything was written.
    Interrupted = 130,
}

/// What the help says about exit codes.
pub const EXIT_CODES: &str = "Exit codes:
  0    done, or nothing can be done now
  1    failed
  2    pending changes (plan --detailed-exitcode), missing (preflight, bundle --check,
       egress --check), lock behind (lock --check), failed tests (verify), denied (check),
       not everything reported (scan --wait), drift (drift), an open gate (coverage),
       violations (compliance --fail-on), over a threshold (runtime --fail-on)
  3    refused by a guard or a limit
  4    something was written, then the run was interrupted or a step was stale or failed
  5    the plan is stale: something moved since it was made
  64   the command line is wrong
  130  interrupted before anything was written";

impl Exit {
    /// Returns the process's exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Returns the word that JSON output carries as `outcome`.
    pub fn outcome(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Pending => "changes-pending",
            Exit::Refused => "refused",
            Exit::Partial => "partly-done",
            Exit::Stale => "stale",
            Exit::Usage => "usage-error",
            Exit::Interrupted => "interrupted",
        }
    }
}

/// Why a command could not do what was asked.
#[derive(Debug)]
pub struct CommandError {
    /// Decides the exit code.
    pub exit: Exit,
    /// What went wrong: short, lower case, no full stop.
    pub summary: String,
    /// What, where and why; may be empty.
    pub detail: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
    /// Mistakes in the estate, if that is what went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl CommandError {
    /// Returns an error of that kind.
    pub fn new(exit: Exit, summary: impl Into<String>) -> CommandError {
        CommandError {
            exit,
            summary: summary.into(),
            detail: Vec::new(),
            hints: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// Returns a failure.
    pub fn failed(summary: impl Into<String>) -> CommandError {
        CommandError::new(Exit::Failed, summary)
    }

    /// Returns a mistake in the command line.
    pub fn usage(summary: impl Into<String>) -> CommandError {
        CommandError::new(Exit::Usage, summary)
    }

    /// Returns this error with a line of detail.
    pub fn detail(mut self, line: impl Into<String>) -> CommandError {
        self.detail.push(line.into());
        self
    }

    /// Returns this error with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> CommandError {
        self.hints.push(hint.into());
        self
    }

    /// Returns all that it says in one line, for a place among others.
    pub fn into_line(self) -> String {
        [vec![self.summary], self.detail, self.hints].concat().join(": ")
    }

    /// Returns this error with each cause of `source` as a line of detail.
    pub fn caused_by(mut self, source: &dyn std::error::Error) -> CommandError {
        let mut cause = Some(source);
        while let Some(error) = cause {
            let line = error.to_string();
            if self.detail.last() != Some(&line) {
                self.detail.push(line);
            }
            cause = error.source();
        }
        self
    }
}
