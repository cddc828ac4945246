//! The options that set the limits of one run.

use super::error::{CommandError, Exit};
use crate::model::{Limits, Percent};
use crate::plan::{Exceeded, Limit};

/// The limits of one run, in place of the environment's.
#[derive(Debug, Default, clap::Args)]
pub(super) struct LimitArgs {
    /// Delete up to so many gates and exemptions in this run [default: the environment's limit]
    #[arg(long, value_name = "N")]
    max_deletes: Option<u64>,
    /// Let successors take the place of up to so many assignments in this run [default: the environment's limit]
    #[arg(long, value_name = "N")]
    max_replaces: Option<u64>,
    /// Weaken up to so many objects in this run [default: the environment's limit]
    #[arg(long, value_name = "N")]
    max_weakenings: Option<u64>,
    /// Delete, replace or weaken up to this share of all owned objects in this run [default: the environment's limit]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_share: Option<Percent>,
}

impl LimitArgs {
    /// Returns the limits of the run.
    pub fn over(&self, limits: &Limits) -> Limits {
        Limits {
            deletes: self.max_deletes.unwrap_or(limits.deletes),
            replaces: self.max_replaces.unwrap_or(limits.replaces),
            weakenings: self.max_weakenings.unwrap_or(limits.weakenings),
            share: self.max_share.unwrap_or(limits.share),
        }
    }

    /// Returns the options as they were given.
    pub fn options(&self) -> Vec<String> {
        let counts = [
            (Limit::Deletes, self.max_deletes),
            (Limit::Replaces, self.max_replaces),
            (Limit::Weakenings, self.max_weakenings),
        ];
        let counts = counts.map(|(limit, count)| (limit, count.map(|count| count.to_string())));
        let share = (Limit::Share, self.max_share.map(|share| share.to_string()));
        counts
            .into_iter()
            .chain([share])
            .filter_map(|(limit, value)| Some(format!("--max-{} {}", limit.name(), value?)))
            .collect()
    }
}

fn percent(text: &str) -> Result<Percent, String> {
    Percent::parse(text).ok_or_else(|| "write a whole percentage from `0%` to `100%`".to_owned())
}

/// Refuses a plan that passes limits.
///
/// # Errors
/// It does; which ones, by how much, and how to allow it.
pub(super) fn within(exceeded: &[Exceeded], environment: &str) -> Result<(), CommandError> {
    if exceeded.is_empty() {
        return Ok(());
    }
    let mut error = CommandError::new(Exit::Refused, "the plan is over a limit; nothing was written");
    for found in exceeded {
        error = error.detail(format!("{}: {}", found.limit.name(), found.sentence()));
    }
    let options: Vec<String> = exceeded.iter().map(Exceeded::option).collect();
    Err(error
        .hint(format!("if it is meant, allow it once: `{}`", options.join(" ")))
        .hint(format!(
            "`limits` in environments/{environment}.yaml says how much is allowed always"
        )))
}
