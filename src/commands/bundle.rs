//! `aksgate bundle`

use super::context::{Connection, Context, LoadedEstate};
use super::error::{CommandError, Exit};
use super::gather::{desired_error, rendered_offline};
use super::resolving::each_gate;
use crate::admission::templates::{self, LONGEST, Published, path_of};
use crate::admission::{RuleBody, TemplateRef};
use crate::catalog::Catalog;
use crate::config::Environment;
use crate::lock::{self, Lock, LockedTemplate};
use crate::manifest;
use crate::store;
use crate::view::bundle::{self as view, Row, State};
use crate::view::printer::Format;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Get the constraint templates that gates use, so that `check` can judge offline
///
/// Azure's definitions name the templates of their rules by address. This command puts a copy of each into the estate's folder
/// bundle/, and a hash of it into aksgate.lock; a text that is not the locked one is refused. It takes them from what a governed
/// cluster has installed (--from with what `kubectl get constrainttemplates -o json` wrote), from a folder with downloads (--from DIR), or
/// from their own addresses, without signing in.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate bundle prod
  aksgate bundle prod --from templates.json
  aksgate bundle --check
  aksgate bundle dev --sandbox")]
pub(super) struct Args {
    /// Only what these environments use; all of them if none is named
    #[arg(value_name = "ENV")]
    env: Vec<String>,
    /// Take templates from here before their own addresses are asked: what kubectl wrote, or a folder; can be given more than once
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Ask nobody: what is not found under --from is missing
    #[arg(long)]
    offline: bool,
    /// Get all of them anew, and take texts that are not the locked ones
    #[arg(long, conflicts_with = "check")]
    update: bool,
    /// Write nothing; exit with 2 if a copy is missing or is not the locked one
    #[arg(long)]
    check: bool,
}

/// A template that is needed, and by whom.
struct Needed {
    /// The cloud of the environments.
    cloud: String,
    url: String,
    /// `environment/gate/member`.
    by: BTreeSet<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let environments = chosen(&loaded, &args.env)?;
    let needed = needed(&loaded, &environments)?;
    let given = given(&args.from, &needed)?;
    let mut lock = loaded.lock.clone().unwrap_or_default();
    if let Some(one) = needed.iter().find(|one| !lock.clouds.contains_key(&one.cloud)) {
        return Err(CommandError::failed(
            "the versions of built-ins are not locked, so it is not sure which templates are needed",
        )
        .detail(format!("the lock holds nothing of the cloud `{}`", one.cloud))
        .hint("`aksgate lock` locks them"));
    }
    if args.env.is_empty() {
        // Nobody needs these any more.
        for (cloud, part) in &mut lock.clouds {
            part.templates
                .retain(|url, _| needed.iter().any(|one| one.cloud == *cloud && one.url == *url));
        }
    }
    let mut connections: BTreeMap<String, Connection> = BTreeMap::new();
    let mut rows = Vec::new();
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for one in &needed {
        let locked = lock
            .clouds
            .get(&one.cloud)
            .and_then(|part| part.templates.get(&one.url));
        let path = path_of(&one.url).map(|path| loaded.dir.join(path));
        let here = match &path {
            Some(path) => store::read(path).map_err(|error| unreadable(path, &error))?,
            None => None,
        };
        let here = here.map(|text| Published::read(&text));
        let current = match (&here, locked) {
            (Some(Ok(found)), Some(locked)) => found.sha256 == locked.sha256,
            _ => false,
        };
        let state = if current && !args.update {
            State::Kept
        } else if args.check {
            match (&here, locked) {
                (None, _) => State::Missing("no copy is in the bundle".to_owned()),
                (Some(Err(why)), _) => State::Missing(format!("the copy is none of a template: {why}")),
                (Some(Ok(_)), None) => State::Missing("the copy is not locked".to_owned()),
                (Some(Ok(_)), Some(_)) => State::Refused("the copy is not the locked one".to_owned()),
            }
        } else {
            let text = match given.get(&one.url) {
                Some(text) => Ok(text.clone()),
                None if args.offline => Err("it was not found, and nobody was to be asked".to_owned()),
                None => {
                    if !connections.contains_key(&one.cloud)
                        && let Some(first) = environments.iter().find(|it| it.cloud.name() == one.cloud)
                    {
                        connections.insert(one.cloud.clone(), context.connect(&loaded.dir, first)?);
                    }
                    fetch(connections.get(&one.cloud), &one.url).await
                }
            };
            match (text, &path) {
                (Ok(text), Some(path)) => take(&text, locked, args.update).inspect(|_| {
                    files.insert(path.clone(), text.clone());
                }),
                (Ok(_), None) => Err(State::Missing(
                    "its address is none that a copy can be named after".to_owned(),
                )),
                (Err(why), _) => Err(State::Missing(why)),
            }
            .unwrap_or_else(|state| state)
        };
        if let State::Added(found) | State::Updated(found) = &state
            && let Some(part) = lock.clouds.get_mut(&one.cloud)
        {
            part.templates.insert(one.url.clone(), found.clone());
        }
        rows.push(Row {
            url: one.url.clone(),
            by: one.by.iter().cloned().collect(),
            state,
        });
    }
    if !args.check {
        write(&loaded, &lock, &files)?;
    }
    let incomplete = rows
        .iter()
        .any(|row| matches!(row.state, State::Missing(_) | State::Refused(_)));
    let exit = match (incomplete, args.check) {
        (false, _) => Exit::Done,
        (true, true) => Exit::Pending,
        (true, false) => Exit::Failed,
    };
    let printer = &context.printer;
    printer.data(&match printer.format {
        Format::Human => view::human(&rows, printer.out),
        Format::Markdown => view::to_markdown(&rows),
        Format::Json => crate::view::text::json(&view::to_json(&rows, exit.outcome(), exit.code())),
    });
    Ok(exit)
}

/// Returns the environments that were named, or all.
fn chosen<'a>(loaded: &'a LoadedEstate, names: &[String]) -> Result<Vec<&'a Environment>, CommandError> {
    if names.is_empty() {
        return Ok(loaded.estate.environments.values().collect());
    }
    names.iter().map(|name| loaded.environment(name)).collect()
}

/// Returns the published templates that the gates of environments need, each cloud's by address.
fn needed(loaded: &LoadedEstate, environments: &[&Environment]) -> Result<Vec<Needed>, CommandError> {
    let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for environment in environments {
        let rendered = rendered_offline((&loaded.estate, &loaded.catalog), &loaded.renderer, environment, &[])
            .map_err(|error| desired_error(&error))?;
        each_gate(loaded, environment, &rendered, &mut |_, rules| {
            for rule in rules(None)? {
                if let RuleBody::Constraint {
                    template: TemplateRef::Published { url },
                    ..
                } = rule.body
                {
                    let key = (environment.cloud.name().to_owned(), url);
                    let by = format!("{}/{}/{}", environment.name, rule.gate, rule.reference_id);
                    found.entry(key).or_default().insert(by);
                }
            }
            Ok(())
        })?;
    }
    let all = found.into_iter();
    Ok(all.map(|((cloud, url), by)| Needed { cloud, url, by }).collect())
}

/// Returns the texts under `--from`, by address: what a cluster's add-on installed says where it comes from, a download lies as its
/// address says.
fn given(from: &[PathBuf], needed: &[Needed]) -> Result<BTreeMap<String, Vec<u8>>, CommandError> {
    let mut given = BTreeMap::new();
    for start in from {
        let below = store::files_below(start, &manifest::EXTENSIONS).map_err(|error| unreadable(start, &error))?;
        if let Some((path, error)) = below.refused.first() {
            return Err(unreadable(path, error));
        }
        let before = given.len();
        for file in &below.files {
            let content = store::read(file).map_err(|error| unreadable(file, &error))?;
            let content = content
                .filter(|content| content.len() <= manifest::LONGEST_FILE)
                .ok_or_else(|| {
                    CommandError::failed(format!(
                        "`{}` is gone, or has more than {} bytes",
                        file.display(),
                        manifest::LONGEST_FILE
                    ))
                })?;
            let mut objects = Vec::new();
            let mut mistake = None;
            manifest::each(&file.to_string_lossy(), &content, &mut |found| match found {
                Ok(manifest) => {
                    objects.push(manifest.value);
                    ControlFlow::Continue(())
                }
                Err(wrong) => {
                    mistake = Some(wrong);
                    ControlFlow::Break(())
                }
            });
            if let Some(wrong) = mistake {
                let mut error = CommandError::failed(format!("`{}` cannot be read", file.display()));
                error.diagnostics = vec![wrong];
                return Err(error);
            }
            for (url, object) in templates::installed(&objects) {
                given.insert(url, format!("{object:#}\n").into_bytes());
            }
            let named = needed.iter().find(|one| is_named_after(file, &one.url));
            if let Some(one) = named {
                given.entry(one.url.clone()).or_insert(content);
            }
        }
        if given.len() == before {
            return Err(CommandError::failed(format!("`{}` holds none of the templates", start.display()))
                .detail("a cluster's templates carry the annotation `constraint-template` with their address; a download lies as its address says, such as container-no-privilege/v2/template.yaml"));
        }
    }
    Ok(given)
}

/// Whether a file's path ends as an address does: its last three parts, or these joined by hyphens without the last.
fn is_named_after(file: &Path, url: &str) -> bool {
    let parts: Vec<&str> = url.rsplit('/').take(3).collect();
    let [name, version, template] = parts.as_slice() else {
        return false;
    };
    let joined = format!("{template}-{version}");
    file.ends_with(Path::new(template).join(version).join(name))
        || file.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case(&joined))
}

/// Asks the address of a template for its text.
async fn fetch(connection: Option<&Connection>, url: &str) -> Result<Vec<u8>, String> {
    let connection = connection.ok_or_else(|| "there is no way to its cloud".to_owned())?;
    // Only hosts that the program knows are asked: no answer and no lock leads elsewhere.
    let hosts: BTreeSet<&str> = Catalog::embedded()
        .definitions()
        .flat_map(|definition| definition.known_versions())
        .filter_map(|facts| facts.template.as_deref()?.strip_prefix("https://")?.split('/').next())
        .collect();
    let hosts: Vec<&str> = hosts.into_iter().collect();
    let text = connection.client.published(url, &hosts, LONGEST).await;
    text.map_err(|error| error.to_string())
}

/// Looks at a text before it is taken.
fn take(text: &[u8], locked: Option<&LockedTemplate>, update: bool) -> Result<State, State> {
    let found = Published::read(text).map_err(|why| State::Missing(format!("what was found is no template: {why}")))?;
    let new = LockedTemplate {
        kind: found.kind.clone(),
        sha256: found.sha256.clone(),
    };
    match locked {
        None => Ok(State::Added(new)),
        Some(locked) if *locked == new => Ok(State::Restored),
        Some(_) if update => Ok(State::Updated(new)),
        Some(locked) => Err(State::Refused(format!(
            "what was found is not what is locked: its hash is {}, locked is {}",
            found.sha256, locked.sha256
        ))),
    }
}

fn write(loaded: &LoadedEstate, lock: &Lock, files: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), CommandError> {
    for (path, text) in files {
        let folder = path.parent().unwrap_or(path);
        store::create_directory(folder)
            .and_then(|()| store::replace_shared(path, text))
            .map_err(|error| unwritable(path, &error))?;
    }
    let before = loaded.lock.clone().unwrap_or_default();
    if *lock == before {
        return Ok(());
    }
    let path = loaded.dir.join(lock::FILE);
    let text = lock::file::text(lock);
    if lock::file::parse(text.as_bytes()).ok().as_ref() != Some(lock) {
        return Err(CommandError::failed("what was found does not fit into a lock"));
    }
    store::replace_shared(&path, text.as_bytes()).map_err(|error| unwritable(&path, &error))
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> CommandError {
    CommandError::failed(format!("`{}` cannot be read", path.display())).caused_by(error)
}

fn unwritable(path: &Path, error: &dyn std::error::Error) -> CommandError {
    CommandError::failed(format!("`{}` cannot be written", path.display())).caused_by(error)
}
