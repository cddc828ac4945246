//! `aksgate check`

mod output;
mod positions;
mod rules;
mod settings;
mod stream;

use super::context::Context;
use super::error::{CommandError, Exit};
use super::gather::known_gates;
use super::report_file::{FileFormat, ReportFile};
use crate::admission::judge;
use crate::admission::report::{Conclusion, Position, Report};
use output::AnnotationsFor;
use settings::SettingsArgs;
use std::path::PathBuf;

/// Say what the gates of an environment would refuse of manifests, before they are deployed
///
/// Runs the rules of the environment's gates on every object, as they would run at admission: with the same definitions, versions
/// and parameters, offline. Workloads are judged with the Pods that will be made of them. What could not be judged is listed, and
/// is never a pass. Exits with 2 if something is denied at the position that is judged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate check prod deploy/
  aksgate check prod - --namespace shop --format markdown > comment.md
  aksgate check prod deploy/ --report sarif=check.sarif --annotations auto
  aksgate check prod deploy/ --stage now --positions positions.json")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Files, or folders with files in them, however deep; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Ask this gate only; can be given more than once
    #[arg(long, value_name = "GATE")]
    gate: Vec<String>,
    /// Judge by where the gates are to go, by where their next step leads, or by where they stand now
    #[arg(long, value_enum, default_value_t, value_name = "POSITION")]
    stage: Stage,
    /// Take from this file where the gates stand: what `status --format json` wrote
    #[arg(long, value_name = "FILE", conflicts_with = "online")]
    positions: Option<PathBuf>,
    /// Ask Azure where the gates stand
    #[arg(long)]
    online: bool,
    /// Take templates and constraints from the files in this folder
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Ask the rules that a cluster has: what `kubectl get constrainttemplates,constraints -o json` wrote
    #[arg(long, value_name = "FILE")]
    cluster_dump: Option<PathBuf>,
    /// Accept that this gate denies and could not be fully evaluated; can be given more than once
    #[arg(long, value_name = "GATE")]
    allow_not_evaluated: Vec<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Write the result to a file too; can be given more than once
    #[arg(long, value_name = "FORMAT=FILE", value_parser = ReportFile::one_of(&FORMATS))]
    report: Vec<ReportFile>,
    /// Show what is found as annotations of a pipeline, on standard error
    #[arg(long, value_enum, value_name = "SERVICE")]
    annotations: Option<AnnotationsFor>,
}

/// The forms of files that it writes.
const FORMATS: [FileFormat; 4] = [
    FileFormat::Sarif,
    FileFormat::Junit,
    FileFormat::Json,
    FileFormat::Markdown,
];

/// Which position of the gates is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// Where they are to go.
    #[default]
    Target,
    /// Where their next step leads.
    Next,
    /// Where they stand.
    Now,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let position = match args.stage {
        Stage::Target => Position::Target,
        Stage::Next => Position::Next,
        Stage::Now => Position::Now,
    };
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    known_gates(environment, &args.gate)?;
    known_gates(environment, &args.allow_not_evaluated)?;
    let standing = positions::read(context, &loaded, environment, args, position).await?;
    let rules = rules::of(&loaded, environment, args, &standing)?;
    let settings = args.settings.read()?;
    let (mut report, judge) = {
        let notes = settings.notes;
        let (members, judge) = judge::prepare(rules.rules, &rules.templates, settings.settings, position);
        let mut report = Report::new(&environment.name, position, rules.origin, rules.gates, members);
        report.defaults = notes.defaults;
        report.without = notes.without;
        report.assumptions = notes.assumptions;
        report.allowed_gaps = args.allow_not_evaluated.iter().cloned().collect();
        (report, judge)
    };
    let broken = stream::judge(&args.paths, judge, &mut report)?;
    let exit = match report.conclusion() {
        Conclusion::Unread | Conclusion::Incomplete => Exit::Failed,
        Conclusion::Denied => Exit::Pending,
        Conclusion::Clean => Exit::Done,
    };
    output::print(context, &report, &broken, exit);
    output::annotate(context, &report, args.annotations);
    output::write(&report, &args.report, exit)?;
    Ok(exit)
}
