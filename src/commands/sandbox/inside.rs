//! `aksgate sandbox workload`, `cluster`, `conflict` and `dump`: what is done inside of clusters

use super::super::context::Context;
use super::super::error::{CommandError, Exit};
use super::operator_error;
use crate::model::Timestamp;
use crate::sandbox::operator::{self, Action, Done, Flaw, OUTBOUND_TYPES, SEVERITIES, Switch, Verdict, Work};
use crate::view::printer::Format;
use crate::view::text::plain;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::path::Path;

/// What to do to the workloads of a cluster.
#[derive(Debug, clap::Subcommand)]
pub(super) enum WorkloadCommand {
    /// Deploy one, in place of one of its name; admission may refuse it or its Pods
    Add {
        /// The name or the id of the cluster
        cluster: String,
        /// The name of the workload
        name: String,
        /// Its namespace
        #[arg(long, default_value = "shop")]
        namespace: String,
        /// What is wrong with it
        #[arg(long, default_value = "privileged", value_parser = PossibleValuesParser::new(Flaw::ALL.map(|(name, _)| name)))]
        flaw: String,
    },
    /// Mend what is wrong with one, or with all
    Fix {
        /// The name or the id of the cluster
        cluster: String,
        /// The name of the workload, the Service or the Ingress
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Its namespace
        #[arg(long, default_value = "shop")]
        namespace: String,
        /// Mend all of them
        #[arg(long, conflicts_with_all = ["name", "namespace"])]
        all: bool,
    },
    /// Remove one
    Remove {
        /// The name or the id of the cluster
        cluster: String,
        /// The name of the workload, the Service or the Ingress
        name: String,
        /// Its namespace
        #[arg(long, default_value = "shop")]
        namespace: String,
    },
}

/// What to do about alerts.
#[derive(Debug, clap::Subcommand)]
pub(super) enum AlertCommand {
    /// Raise one; its name is printed
    Add {
        /// The name or the id of the cluster
        cluster: String,
        /// What people call it
        #[arg(long, default_value = "Privileged container detected")]
        title: String,
        /// How severe it is
        #[arg(long, default_value = "High", value_parser = PossibleValuesParser::new(SEVERITIES), ignore_case = true)]
        severity: String,
    },
    /// Close one
    Close {
        /// The name of the alert
        name: String,
    },
}

/// What to do to a cluster.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct SwitchArgs {
    /// Stop it
    #[arg(long)]
    stop: bool,
    /// Start it
    #[arg(long)]
    start: bool,
    /// Let its add-on stop to report
    #[arg(long)]
    stop_reporting: bool,
    /// Let its add-on report again
    #[arg(long)]
    report: bool,
    /// Let its traffic leave in this way
    #[arg(long, value_name = "TYPE", value_parser = PossibleValuesParser::new(OUTBOUND_TYPES))]
    outbound: Option<String>,
}

/// Does something to the workloads of a cluster.
pub(super) fn workload(context: &Context, folder: &Path, command: &WorkloadCommand) -> Result<Exit, CommandError> {
    let (cluster, workload, work, words) = match command {
        WorkloadCommand::Add {
            cluster,
            name,
            namespace,
            flaw,
        } => {
            let flaw = Flaw::ALL
                .iter()
                .find(|(known, _)| known == flaw)
                .map_or(Flaw::None, |(_, flaw)| *flaw);
            (cluster, Some((namespace, name)), Work::Add(flaw), "is deployed")
        }
        WorkloadCommand::Fix {
            cluster,
            name,
            namespace,
            ..
        } => (
            cluster,
            name.as_ref().map(|name| (namespace, name)),
            Work::Fix,
            "is sound now",
        ),
        WorkloadCommand::Remove {
            cluster,
            name,
            namespace,
        } => (cluster, Some((namespace, name)), Work::Remove, "is removed"),
    };
    let named = workload.map(|(namespace, name)| (namespace.as_str(), name.as_str()));
    let done = operator::work(folder, cluster, named, &work).map_err(|error| operator_error(&error))?;
    let title = named.map_or_else(
        || "every workload".to_owned(),
        |(namespace, name)| format!("{namespace}/{name}"),
    );
    let mut text = format!("{} {words}", plain(&title));
    let mut exit = Exit::Done;
    if let Some(verdict) = &done.verdict {
        if !verdict.admits() {
            text = format!("{} is refused, and nothing was changed", plain(&title));
            exit = Exit::Pending;
        } else if !verdict.admits_pods() {
            text.push_str(", but its Pods are refused");
            exit = Exit::Pending;
        }
        text.push_str(&refusals(verdict));
    }
    tell(context, "sandbox workload", &done, exit, &text);
    Ok(exit)
}

fn refusals(verdict: &Verdict) -> String {
    let denials = verdict
        .objections
        .iter()
        .chain(&verdict.of_pods)
        .filter(|one| one.action == Action::Deny);
    denials.map(|one| format!("\n  {}", plain(&one.line()))).collect()
}

/// Starts or stops a cluster, or its reports, or changes the way that its traffic takes.
pub(super) fn switch(context: &Context, folder: &Path, cluster: &str, args: &SwitchArgs) -> Result<Exit, CommandError> {
    let outbound = OUTBOUND_TYPES
        .into_iter()
        .find(|word| args.outbound.as_deref() == Some(*word));
    let (switch, words) = if let Some(word) = outbound {
        (Switch::Outbound(word), "sends its traffic another way")
    } else if args.stop {
        (Switch::Stop, "is stopped")
    } else if args.start {
        (Switch::Start, "runs")
    } else if args.stop_reporting {
        (Switch::Silence, "reports no more")
    } else {
        (Switch::Report, "reports again")
    };
    let done = operator::switch(folder, cluster, switch).map_err(|error| operator_error(&error))?;
    tell(
        context,
        "sandbox cluster",
        &done,
        Exit::Done,
        &format!("{} {words}", plain(cluster)),
    );
    Ok(Exit::Done)
}

/// Raises or closes an alert.
pub(super) fn alert(context: &Context, folder: &Path, command: &AlertCommand) -> Result<Exit, CommandError> {
    let (name, words, now) = match command {
        AlertCommand::Add {
            cluster,
            title,
            severity,
        } => {
            let severity = SEVERITIES
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(severity));
            let raised = operator::raise_alert(folder, cluster, title, severity.unwrap_or("High"));
            let (name, done) = raised.map_err(|error| operator_error(&error))?;
            (name, "is open", done.now)
        }
        AlertCommand::Close { name } => {
            let now = operator::close_alert(folder, name).map_err(|error| operator_error(&error))?;
            (name.clone(), "is closed", now)
        }
    };
    let now = Timestamp::from_seconds(now);
    let text = match context.printer.format {
        Format::Json => crate::view::text::json(&json!({
            "formatVersion": 1, "command": "sandbox alert", "outcome": "done", "alert": name, "now": now.to_string(),
        })),
        _ => format!(
            "The alert {} {words}.\nThe sandbox's clock stands at {now}.",
            plain(&name)
        ),
    };
    context.printer.data(&text);
    Ok(Exit::Done)
}

/// Brings a constraint template of somebody else into a cluster, or takes it away.
pub(super) fn conflict(
    context: &Context,
    folder: &Path,
    cluster: &str,
    template: &str,
    end: bool,
) -> Result<Exit, CommandError> {
    let done = operator::foreign_template(folder, cluster, template, !end).map_err(|error| operator_error(&error))?;
    let words = if end { "is gone from" } else { "of somebody else is in" };
    tell(
        context,
        "sandbox conflict",
        &done,
        Exit::Done,
        &format!("The template {} {words} {}", plain(template), plain(cluster)),
    );
    Ok(Exit::Done)
}

/// Prints the constraint templates and constraints of a cluster.
pub(super) fn dump(context: &Context, folder: &Path, cluster: &str) -> Result<Exit, CommandError> {
    let list = operator::dump(folder, cluster).map_err(|error| operator_error(&error))?;
    context.printer.data(&crate::view::text::json(&list));
    Ok(Exit::Done)
}

fn tell(context: &Context, command: &str, done: &Done, exit: Exit, text: &str) {
    let now = Timestamp::from_seconds(done.now);
    let text = match context.printer.format {
        Format::Json => {
            let outcome = if exit == Exit::Done { "done" } else { "denied" };
            let verdict = done.verdict.as_ref();
            let document = json!({
                "formatVersion": 1, "command": command, "outcome": outcome, "cluster": done.cluster, "now": now.to_string(),
                "allowed": verdict.map(Verdict::admits), "podsAllowed": verdict.map(Verdict::admits_pods),
            });
            crate::view::text::json(&document)
        }
        _ => format!("{text}\nThe sandbox's clock stands at {now}."),
    };
    context.printer.data(&text);
}
