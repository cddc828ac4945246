//! `aksgate promote`

use super::context::{Context, read_file};
use super::error::{CommandError, Exit};
use super::gather::known_gates;
use super::promotion::{self, Source};
use crate::promotion::{Promotion, Verdict};
use crate::store;
use crate::view::printer::Format;
use crate::view::promote as view;
use crate::view::text::json;
use crate::yaml::{self, Edit, EditError};
use std::path::{Path, PathBuf};

/// Carry what soaked in one environment over into the file of the next
///
/// Compares the two environments gate by gate, and shows what changes in the file of the second: the stage that the first has reached and
/// soaked at, with the content that soaked there. Nothing is written to Azure; the second environment begins in audit on its own ladder,
/// whatever the first has reached. Where nobody may read both, a proof of the first travels as a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate promote --from dev --to prod --sandbox
  aksgate promote --from dev --to prod --gate pod-security --write
  aksgate promote --from dev --proof dev.proof.json
  aksgate promote --from dev --to prod --proof dev.proof.json --write")]
pub(super) struct Args {
    /// The environment that it soaked in
    #[arg(long, value_name = "ENV")]
    from: String,
    /// The environment that it goes to
    #[arg(long, value_name = "ENV", required_unless_present = "proof")]
    to: Option<String>,
    /// Promote this gate only; can be given more than once
    #[arg(long, value_name = "GATE")]
    gate: Vec<String>,
    /// Write the edit into the file of the environment
    #[arg(long, requires = "to")]
    write: bool,
    /// With --to, take what stands in the first environment from this file; without, write the file
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let from = loaded.environment(&args.from)?;
    known_gates(from, &args.gate)?;
    let (Some(to), proof) = (&args.to, &args.proof) else {
        let proof = promotion::prove(context, &loaded, from, &args.gate).await?;
        let path = args.proof.as_deref().unwrap_or(Path::new(""));
        replaceable(path)?;
        store::replace(path, proof.to_text().as_bytes())
            .map_err(|error| CommandError::failed("the proof cannot be written").detail(error.to_string()))?;
        print(context, &view::Written::of(&proof, path), "written", Exit::Done);
        return Ok(Exit::Done);
    };
    let to = loaded.environment(to)?;
    if from.name == to.name {
        return Err(CommandError::usage("an environment is not promoted to itself"));
    }
    let source = match proof {
        Some(path) => Source::Proof(promotion::read_proof(path)?),
        None => Source::Live,
    };
    let sides = promotion::sides(context, &loaded, (from, to), source, &args.gate).await?;
    let path = loaded.dir.join("environments").join(format!("{}.yaml", to.name));
    let before = String::from_utf8(read_file(&path)?)
        .map_err(|_| CommandError::failed("the file is not UTF-8").detail(path.display().to_string()))?;
    let mut promotions = promotion::judge(&loaded, &sides, &before)?;
    let after = edited(&before, &promotions)?;
    let checked = context.check_estate()?;
    promotion::compare(&checked, &sides, (&before, &after), &mut promotions)?;
    let exit = exit(&promotions, &args.gate);
    let changes = before != after;
    let written = args.write && changes && exit == Exit::Done;
    if written {
        store::replace_shared(&path, after.as_bytes())
            .map_err(|error| CommandError::failed("the file cannot be written").detail(error.to_string()))?;
    }
    let outcome = match (exit, changes, written) {
        (Exit::Done, false, _) => "nothing",
        (Exit::Done, true, true) => "written",
        (Exit::Done, true, false) => "proposed",
        (other, ..) => other.outcome(),
    };
    let shown = view::Shown {
        from: from.name.clone(),
        to: to.name.clone(),
        proven: sides.proven(),
        file: format!("environments/{}.yaml", to.name),
        rows: sides.rows(promotions),
        before,
        after,
        outcome,
    };
    print(context, &shown, outcome, exit);
    Ok(exit)
}

fn print(context: &Context, page: &dyn view::Page, outcome: &str, exit: Exit) {
    let printer = &context.printer;
    match printer.format {
        Format::Human => printer.data(&page.human(printer.layout())),
        Format::Markdown => printer.data(&page.to_markdown()),
        Format::Json => printer.data(&json(&page.to_json(outcome, exit.code()))),
    }
}

/// Refused is whatever must not be promoted, and what was asked for by name and cannot be now.
fn exit(promotions: &[Promotion], named: &[String]) -> Exit {
    let refused = promotions.iter().any(|promotion| match promotion.verdict {
        Verdict::Refused => true,
        Verdict::NotYet => named.contains(&promotion.gate),
        Verdict::Ready | Verdict::Nothing => false,
    });
    if refused { Exit::Refused } else { Exit::Done }
}

/// Returns the text of the file with the edits of all gates that are ready.
fn edited(before: &str, promotions: &[Promotion]) -> Result<String, CommandError> {
    let ready = promotions
        .iter()
        .filter(|promotion| promotion.verdict == Verdict::Ready);
    let edits: Vec<Edit> = ready.flat_map(|promotion| promotion.edits.clone()).collect();
    yaml::edit(before, &edits).map_err(|error| {
        let failed = CommandError::new(Exit::Refused, "the file cannot be edited in place; nothing was written")
            .caused_by(&error);
        let failed = edits.iter().fold(failed, |failed, edit| {
            failed.detail(format!("to set: {}", yaml::described(edit)))
        });
        let shown = match &error {
            EditError::Unfaithful { edited, .. } => view::diff("the file", before, edited),
            _ => Vec::new(),
        };
        let failed = shown.into_iter().fold(failed, CommandError::detail);
        failed.hint("make these changes by hand, then run the command again: it tells what is left")
    })
}

/// Refuses to write a proof over a file that is none.
fn replaceable(path: &Path) -> Result<(), CommandError> {
    let there = store::read(path)
        .map_err(|error| CommandError::failed("the proof cannot be written").detail(error.to_string()))?;
    let is_proof = |there: &Vec<u8>| crate::promotion::Proof::is_one(there);
    match there {
        Some(there) if !is_proof(&there) => Err(CommandError::failed(format!(
            "`{}` is there and is no proof",
            path.display()
        ))
        .detail("it was left as it is")
        .hint("name another file")),
        _ => Ok(()),
    }
}
