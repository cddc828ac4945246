//! `aksgate verify`

use super::context::Context;
use super::error::{CommandError, Exit};
use super::junit::JunitArgs;
use super::suites::Verifier;
use crate::config::{INITIATIVES, SourceFile};
use crate::rules::suite::Selection;
use crate::view::printer::{Format, Verbosity};
use crate::view::verify::{self as view, Report};
use std::path::{Path, PathBuf};

/// Test rules with suites in Gatekeeper's format, without a cluster
///
/// Runs what `gator verify` runs: files of `kind: Suite` (test.gatekeeper.sh) with templates, constraints, objects and what
/// is expected of them. In an estate, a suite may name a rule of our own where it names a template.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate verify
  aksgate verify initiatives/exposure --verbose
  aksgate verify library/... --run '^allowed-repos$//denied' --junit verify.xml")]
pub(super) struct Args {
    /// Suites, or folders with suites in them, however deep [default: the initiatives of the estate]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Run the tests and cases whose names match; TEST//CASE chooses by both
    #[arg(long, value_name = "REGEX")]
    run: Option<String>,
    #[command(flatten)]
    junit: JunitArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let selection = Selection::parse(args.run.as_deref().unwrap_or_default());
    let selection = selection.map_err(|why| CommandError::usage("`--run` chooses nothing").detail(why))?;
    let mut verifier = Verifier::new(context, selection);
    for path in paths(context, &args.paths)? {
        verifier.look(&path)?;
    }
    let Verifier { report, sources, .. } = verifier;
    if report.is_empty() {
        return Err(match &args.run {
            Some(run) => CommandError::failed(format!("no test matches `{run}`")),
            None => CommandError::failed("no suite found")
                .hint("a suite is a file with `kind: Suite` of test.gatekeeper.sh"),
        });
    }
    print(context, &report, &sources);
    args.junit.write(|| view::junit(&report))?;
    Ok(exit(&report))
}

fn exit(report: &Report) -> Exit {
    match (report.is_complete(), report.failed()) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::Pending,
        (true, false) => Exit::Done,
    }
}

fn print(context: &Context, report: &Report, sources: &[SourceFile]) {
    let printer = &context.printer;
    let exit = exit(report);
    match printer.format {
        Format::Json => printer.data(&view::json(report, exit.code())),
        Format::Markdown => printer.data(&view::markdown(report)),
        Format::Human => {
            if !report.mistakes.is_empty() {
                printer.error(&context.diagnostics(&report.mistakes, sources));
            }
            let verbose = printer.verbosity >= Verbosity::Verbose;
            printer.data(&view::human(report, printer.out, printer.width, verbose));
        }
    }
}

/// Returns where to look.
fn paths(context: &Context, named: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    if named.is_empty() {
        let folder = context.estate_dir()?.join(INITIATIVES.trim_end_matches('/'));
        let relative = folder.strip_prefix(context.working_dir()).map(Path::to_path_buf);
        return Ok(vec![relative.unwrap_or(folder)]);
    }
    // Gatekeeper's way to say that folders below are meant too; here they always are.
    let plain = |path: &PathBuf| match path.to_str().and_then(|path| path.strip_suffix("/...")) {
        Some("") => PathBuf::from("/"),
        Some(folder) => PathBuf::from(folder),
        None if path.as_os_str() == "..." => PathBuf::from("."),
        None => path.clone(),
    };
    Ok(named.iter().map(plain).collect())
}
