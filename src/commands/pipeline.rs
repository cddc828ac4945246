//! `aksgate pipeline`

use super::context::{Context, LoadedEstate};
use super::error::{CommandError, Exit};
use crate::pipeline::{Host, PipelineFile, Wanted, files};
use crate::store;
use crate::view::pipeline::{self as view, Fate};
use crate::view::printer::Format;
use crate::view::promote::diff;
use crate::view::text::json;
use std::path::{Path, PathBuf};

/// Make the pipelines that run aksgate for this estate
///
/// A pull request shows the plan of each environment. The branch is applied environment after environment, each saved plan behind the
/// approvals of its environment; a scheduled run takes the steps that are due, and is the whole controller. Another one looks every day for
/// drift, open gates and violations. Sign-in is by the job's own token: no secret is stored. Without --write the files are printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate pipeline github
  aksgate pipeline github --write
  aksgate pipeline azure-devops --branch release --write")]
pub(super) struct Args {
    /// The service
    #[arg(value_enum)]
    service: ServiceName,
    /// Write the files into the repository that holds the estate
    #[arg(long)]
    write: bool,
    /// Write over files that were changed
    #[arg(long, requires = "write")]
    force: bool,
    /// The branch whose state is applied
    #[arg(long, value_name = "BRANCH", default_value = "main", value_parser = name)]
    branch: String,
    /// The folder of the repository [default: the nearest one upwards with a .git, else the estate's own]
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ServiceName {
    /// GitHub Actions
    Github,
    /// Azure Pipelines
    AzureDevops,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let (root, folder) = place(&loaded, args.repository.as_deref())?;
    let host = match args.service {
        ServiceName::Github => Host::GitHub,
        ServiceName::AzureDevops => Host::AzureDevOps,
    };
    let wanted = Wanted {
        estate: &loaded.estate,
        folder: &folder,
        branch: &args.branch,
        version: env!("CARGO_PKG_VERSION"),
    };
    let files = files(host, wanted);
    let files = match args.write {
        true => write(&root, files, args.force)?,
        false => files.into_iter().map(|file| (file, Fate::Shown)).collect(),
    };
    let printer = &context.printer;
    match printer.format {
        Format::Human => printer.data(&view::human(&files, printer.out)),
        Format::Markdown => printer.data(&view::to_markdown(&files)),
        Format::Json => printer.data(&json(&view::to_json(&files))),
    }
    if args.write {
        printer.note("What to set up once in the service, and who may do what: the first lines of each file, and docs/pipeline.md.");
    }
    Ok(Exit::Done)
}

/// Returns the repository's folder, and the estate's in it, with slashes.
fn place(loaded: &LoadedEstate, named: Option<&Path>) -> Result<(PathBuf, String), CommandError> {
    let unusable = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| CommandError::failed(format!("`{path}` cannot be used")).detail(error.to_string())
    };
    let estate = store::resolve(&loaded.dir).map_err(unusable(&loaded.dir))?;
    let root = match named {
        Some(named) => store::resolve(named).map_err(unusable(named))?,
        None => store::find_upwards(&estate, ".git").unwrap_or_else(|| estate.clone()),
    };
    let inside = estate.strip_prefix(&root).map_err(|_| {
        CommandError::failed("the estate is not in that repository").detail(format!(
            "`{}` does not lie in `{}`",
            estate.display(),
            root.display()
        ))
    })?;
    let names: Option<Vec<&str>> = inside.iter().map(|part| part.to_str()).collect();
    let folder = names.unwrap_or_else(|| vec!["?"]).join("/");
    match folder.is_empty() || name(&folder).is_ok() {
        true => Ok((root, folder)),
        false => Err(CommandError::failed(format!(
            "the estate's folder is called `{folder}`, which cannot stand in a pipeline"
        ))
        .hint("give it a name of letters, digits, `.`, `_` and `-`")),
    }
}

/// Reads what stands in scripts and patterns as it is: nothing in it may mean something there.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let odd = text.is_empty() || text.starts_with(['-', '/']) || !text.chars().all(is_plain);
    match odd {
        true => Err("write it with letters, digits, `.`, `_`, `-` and `/`".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Writes the files, or none of them: what somebody changed is not lost unless that is asked for.
fn write(root: &Path, files: Vec<PipelineFile>, force: bool) -> Result<Vec<(PipelineFile, Fate)>, CommandError> {
    let failed = |path: &str, error: std::io::Error| {
        CommandError::failed(format!("`{path}` cannot be written")).detail(error.to_string())
    };
    let mut fates = Vec::new();
    let mut changed = CommandError::failed("a file is there that says something else; nothing was written");
    for file in files {
        let there = store::read(&root.join(file.path)).map_err(|error| failed(file.path, error))?;
        let fate = match there.map(|there| String::from_utf8_lossy(&there).into_owned()) {
            None => Fate::Written,
            Some(there) if there == file.text => Fate::Unchanged,
            Some(there) => {
                changed.detail.extend(diff(file.path, &there, &file.text));
                Fate::Replaced
            }
        };
        fates.push((file, fate));
    }
    if !changed.detail.is_empty() && !force {
        return Err(changed.hint("look at the difference; `--force` writes over what is there"));
    }
    for (file, fate) in &fates {
        let path = root.join(file.path);
        let written = match fate {
            Fate::Written => store::create_new(&path, file.text.as_bytes()),
            Fate::Replaced => store::replace_shared(&path, file.text.as_bytes()),
            Fate::Shown | Fate::Unchanged => Ok(()),
        };
        written.map_err(|error| failed(file.path, error))?;
    }
    Ok(fates)
}
