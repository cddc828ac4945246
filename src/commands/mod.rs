//! The command line: one file a subcommand.
//!
//! Owns options, dispatch and exit codes. A command gathers, calls, chooses a view and returns how it ended.

mod apply;
mod bundle;
mod catalog;
mod check;
mod completions;
mod compliance;
pub mod context;
mod coverage;
mod drift;
mod earlier;
mod egress;
pub mod error;
mod evidence;
mod failure;
mod gather;
mod import;
mod init;
mod inquiry;
mod junit;
mod limit_args;
mod lock;
mod man;
mod past_guards;
mod pipeline;
mod plan;
mod preflight;
mod promote;
mod promotion;
mod recording;
mod remediate;
mod render;
mod report;
mod report_file;
mod resolving;
mod retire;
mod revert;
mod rollout;
mod runs;
mod runtime;
mod sandbox;
mod scan;
mod schema;
mod show;
mod sign_in;
mod status;
mod suites;
mod summary;
#[cfg(test)]
mod two_controllers;
mod validate;
mod verify;
mod version;

use crate::view::printer::{ColorChoice, Format, Printer, Verbosity};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use context::{Context, Global};
use error::{CommandError, EXIT_CODES, Exit};
use std::ffi::OsString;

/// Put the governance gates of AKS fleets under plan and apply
///
/// An estate of YAML files says, per environment, which Azure Policy initiatives guard the clusters, how Defender for
/// Containers is set, and that the Azure Policy add-on runs. aksgate shows what would change and writes exactly that.
#[derive(Debug, Parser)]
#[command(name = "aksgate", version, after_help = EXIT_CODES, max_term_width = 100)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Import(import::Args),
    Validate(validate::Args),
    Preflight(preflight::Args),
    Render(render::Args),
    Plan(plan::Args),
    Show(show::Args),
    Apply(apply::Args),
    Runs(runs::Args),
    Revert(revert::Args),
    Rollout(rollout::Args),
    Retire(retire::Args),
    Promote(promote::Args),
    Scan(scan::Args),
    Catalog(catalog::Args),
    Lock(lock::Args),
    Bundle(bundle::Args),
    Egress(egress::Args),
    Status(status::Args),
    Drift(drift::Args),
    Coverage(coverage::Args),
    Compliance(Box<compliance::Args>),
    Runtime(runtime::Args),
    Report(report::Args),
    Remediate(remediate::Args),
    Check(Box<check::Args>),
    Verify(verify::Args),
    Pipeline(pipeline::Args),
    Sandbox(sandbox::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Import(_) => "import",
            Command::Validate(_) => "validate",
            Command::Preflight(_) => "preflight",
            Command::Render(_) => "render",
            Command::Plan(_) => "plan",
            Command::Show(_) => "show",
            Command::Apply(_) => "apply",
            Command::Runs(_) => "runs",
            Command::Revert(_) => "revert",
            Command::Rollout(_) => "rollout",
            Command::Retire(_) => "retire",
            Command::Promote(_) => "promote",
            Command::Scan(_) => "scan",
            Command::Catalog(_) => "catalog",
            Command::Lock(_) => "lock",
            Command::Bundle(_) => "bundle",
            Command::Egress(_) => "egress",
            Command::Status(_) => "status",
            Command::Drift(_) => "drift",
            Command::Coverage(_) => "coverage",
            Command::Compliance(_) => "compliance",
            Command::Runtime(_) => "runtime",
            Command::Report(_) => "report",
            Command::Remediate(_) => "remediate",
            Command::Check(_) => "check",
            Command::Verify(_) => "verify",
            Command::Pipeline(_) => "pipeline",
            Command::Sandbox(_) => "sandbox",
            Command::Schema(_) => "schema",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
            Command::Version(_) => "version",
        }
    }
}

/// Runs a command line and returns the exit code; everything it has to say is said by then.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments),
    };
    let context = Context::new(cli.global);
    let name = cli.command.name();
    let ended = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let ended = runtime.block_on(dispatch(&context, cli.command));
            // A read of standard input that nobody answers must not keep the process.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(CommandError::failed("the machine gives no threads").caused_by(&error)),
    };
    let exit = match ended {
        Ok(exit) => exit,
        Err(error) => {
            failure::print(&context.printer, name, &error);
            error.exit
        }
    };
    if context.printer.lost_output() && exit == Exit::Done {
        Exit::Failed.code()
    } else {
        exit.code()
    }
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Init(args) => init::run(context, &args),
        Command::Import(args) => import::run(context, &args).await,
        Command::Validate(args) => validate::run(context, &args),
        Command::Preflight(args) => preflight::run(context, &args).await,
        Command::Render(args) => render::run(context, &args),
        Command::Plan(args) => plan::run(context, &args).await,
        Command::Show(args) => show::run(context, &args),
        Command::Apply(args) => apply::run(context, &args).await,
        Command::Runs(args) => runs::run(context, &args),
        Command::Revert(args) => revert::run(context, &args).await,
        Command::Rollout(args) => rollout::run(context, &args).await,
        Command::Retire(args) => retire::run(context, &args).await,
        Command::Promote(args) => promote::run(context, &args).await,
        Command::Scan(args) => scan::run(context, &args).await,
        Command::Catalog(args) => catalog::run(context, &args),
        Command::Lock(args) => lock::run(context, &args).await,
        Command::Bundle(args) => bundle::run(context, &args).await,
        Command::Egress(args) => egress::run(context, &args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Drift(args) => drift::run(context, &args).await,
        Command::Coverage(args) => coverage::run(context, &args).await,
        Command::Compliance(args) => compliance::run(context, &args).await,
        Command::Runtime(args) => runtime::run(context, &args).await,
        Command::Report(args) => report::run(context, &args).await,
        Command::Remediate(args) => remediate::run(context, &args).await,
        Command::Check(args) => check::run(context, &args).await,
        Command::Verify(args) => verify::run(context, &args),
        Command::Pipeline(args) => pipeline::run(context, &args),
        Command::Sandbox(args) => sandbox::run(context, &args).await,
        Command::Schema(args) => schema::run(context, &args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
        Command::Version(args) => version::run(context, &args),
    }
}

/// Says what clap has to say: help and version are data, a mistake goes to standard error.
fn usage(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let (format, color, no_color) = context::wishes(arguments);
    let printer = Printer::new(Format::Human, color, Verbosity::Normal, no_color);
    if !error.use_stderr() {
        printer.data(&styled(error, printer.out.colour));
        return Exit::Done.code();
    }
    if format == Format::Json {
        let text = error.to_string();
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let summary = lines.next().unwrap_or_default();
        let mut mistake = CommandError::usage(summary.strip_prefix("error: ").unwrap_or(summary));
        mistake.detail = lines.map(|line| line.trim().to_owned()).collect();
        let printer = Printer::new(Format::Json, ColorChoice::Never, Verbosity::Normal, true);
        failure::print(&printer, "", &mistake);
    } else {
        printer.error(&styled(error, printer.err.colour));
    }
    Exit::Usage.code()
}

fn styled(error: &clap::Error, colour: bool) -> String {
    let text = error.render();
    if colour {
        text.ansi().to_string()
    } else {
        text.to_string()
    }
}

/// Returns the whole command line as clap knows it: help, completions and the reference are made from it.
pub fn command() -> clap::Command {
    Cli::command()
}
