//! `aksgate lock`

use super::context::{Context, Outline, arm_error};
use super::error::{CommandError, Exit};
use crate::catalog::Catalog;
use crate::config::Environment;
use crate::diagnostic::did_you_mean;
use crate::lock::{self, Action, Change, CloudLock, Live, Lock, Pinned, Renewal, Use, Uses, renew};
use crate::observe::built_ins;
use crate::store;
use crate::view::lock::{self as view, Written};
use crate::view::printer::{Format, Verbosity};
use std::collections::{BTreeMap, BTreeSet};

/// Record which versions of Azure's built-ins the estate uses
///
/// Writes aksgate.lock: the exact version and a hash of the content of every built-in in use, members of Azure's own initiatives
/// included, and the facts of those that the catalogue does not know. What is locked stays until it is upgraded by name; `plan` tells
/// what Azure changed since, and holds steps of the gates concerned.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate lock --sandbox
  aksgate lock --check
  aksgate lock prod
  aksgate lock --upgrade pod-security-baseline
  aksgate lock --upgrade febd0533-8e55-448f-b837-bd0e06f16469")]
pub(super) struct Args {
    /// Only what these environments use; all of them if none is named
    #[arg(value_name = "ENV")]
    env: Vec<String>,
    /// Write nothing; exit with 2 if the lock is not what Azure has
    #[arg(long, conflicts_with_all = ["upgrade", "upgrade_all"])]
    check: bool,
    /// Take what Azure has now for this built-in, or for all that this initiative uses; can be given more than once
    #[arg(long, value_name = "NAME")]
    upgrade: Vec<String>,
    /// Take what Azure has now for everything
    #[arg(long, conflicts_with = "upgrade")]
    upgrade_all: bool,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let outline = context.outline()?;
    let chosen = chosen(&outline, &args.env)?;
    let old = outline.lock.clone().unwrap_or_default();
    let mut read: Vec<(String, Uses, Live, String, bool)> = Vec::new();
    for (cloud, environments) in &chosen {
        let (uses, whole) = uses(&outline, cloud, environments, args.env.is_empty());
        let Some(first) = environments.first() else { continue };
        let connection = context.connect(&outline.dir, first)?;
        let (uses, live) = built_ins(&connection.client, uses)
            .await
            .map_err(|error| arm_error(&error))?;
        read.push((cloud.clone(), uses, live, connection.place, whole));
    }
    known(&args.upgrade, read.iter().map(|(_, uses, ..)| uses))?;
    let upgrade =
        |pinned: &Pinned, used: &Use| args.upgrade_all || args.upgrade.iter().any(|name| names(name, pinned, used));
    let catalog = Catalog::embedded();
    let mut clouds: Vec<(String, Renewal)> = read
        .iter()
        .map(|(cloud, uses, live, place, whole)| {
            let renewal = renew(old.clouds.get(cloud), (uses, live), &upgrade, *whole, (catalog, place));
            (cloud.clone(), renewal)
        })
        .collect();
    if args.env.is_empty() {
        let gone = old.clouds.iter().filter(|(cloud, _)| !chosen.contains_key(*cloud));
        clouds.extend(gone.map(|(cloud, part)| {
            let nothing = (&Uses::new(), &Live::new());
            (
                cloud.clone(),
                renew(Some(part), nothing, &|_, _| false, true, (catalog, &part.source)),
            )
        }));
    }
    failed(&clouds)?;
    let behind = [Action::Add, Action::Remove, Action::Keep];
    let behind = clouds
        .iter()
        .any(|(_, renewal)| behind.into_iter().any(|action| renewal.count(action) > 0));
    let written = if args.check {
        Written::OnlyChecked
    } else {
        write(&outline, old, &clouds)?
    };
    let exit = if args.check && behind {
        Exit::Pending
    } else {
        Exit::Done
    };
    let printer = &context.printer;
    match printer.format {
        Format::Human => {
            let verbose = printer.verbosity == Verbosity::Verbose;
            let layout = view::Layout {
                paint: printer.out,
                width: printer.width,
                verbose,
            };
            printer.data(view::human(&clouds, written, layout).trim_end());
        }
        Format::Markdown => printer.data(&view::to_markdown(&clouds, written)),
        Format::Json => {
            let document = view::to_json(&clouds, written, exit.outcome(), exit.code());
            printer.data(&crate::view::text::json(&document));
        }
    }
    Ok(exit)
}

/// The environments that are looked at, by cloud; those that were named first.
fn chosen<'a>(outline: &'a Outline, names: &[String]) -> Result<BTreeMap<String, Vec<&'a Environment>>, CommandError> {
    let all = &outline.estate.environments;
    let mut chosen: BTreeMap<String, Vec<&Environment>> = BTreeMap::new();
    let names: Vec<&String> = if names.is_empty() {
        all.keys().collect()
    } else {
        names.iter().collect()
    };
    for name in names {
        let Some(environment) = all.get(name) else {
            let known: Vec<&str> = all.keys().map(String::as_str).collect();
            let error = CommandError::failed(format!("no environment `{name}`"))
                .detail(format!("the estate has {}", known.join(", ")));
            return Err(match did_you_mean(name, known) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            });
        };
        chosen
            .entry(environment.cloud.name().to_owned())
            .or_default()
            .push(environment);
    }
    Ok(chosen)
}

/// What the environments of a cloud use, and whether that is all that any environment of it uses. An initiative that no
/// environment uses is locked too, so that its file can be checked.
fn uses(outline: &Outline, cloud: &str, environments: &[&Environment], all: bool) -> (Uses, bool) {
    let estate = &outline.estate;
    let of = |environments: &mut dyn Iterator<Item = &Environment>| -> BTreeSet<String> {
        environments
            .flat_map(|environment| environment.gates.values())
            .map(|gate| gate.initiative.clone())
            .collect()
    };
    let mut initiatives = of(&mut environments.iter().copied());
    if all {
        let used = of(&mut estate.environments.values());
        initiatives.extend(estate.initiatives.keys().filter(|name| !used.contains(*name)).cloned());
    }
    let whole =
        all || of(&mut estate.environments.values().filter(|it| it.cloud.name() == cloud)).is_subset(&initiatives);
    // An unused initiative is part of the whole.
    let whole = whole && (all || estate.initiatives.keys().all(|name| initiatives.contains(name)));
    (lock::named(estate, initiatives.iter().map(String::as_str)), whole)
}

/// Whether a name on the command line means a built-in: its own, its resource id, or that of an initiative that uses it.
fn names(name: &str, pinned: &Pinned, used: &Use) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.eq_ignore_ascii_case(&pinned.name) || used.by.iter().any(|(initiative, _)| initiative == name)
}

/// Refuses names that mean nothing.
fn known<'a>(asked: &[String], uses: impl Iterator<Item = &'a Uses> + Clone) -> Result<(), CommandError> {
    for name in asked {
        let mut all = uses.clone().flatten();
        if all.any(|(pinned, used)| names(name, pinned, used)) {
            continue;
        }
        let initiatives: BTreeSet<&str> = uses
            .clone()
            .flatten()
            .flat_map(|(_, used)| used.by.iter().map(|(initiative, _)| initiative.as_str()))
            .collect();
        let error = CommandError::failed(format!("nothing in use is called `{name}`; nothing was written"))
            .detail("`--upgrade` takes the GUID of a built-in, or the name of an initiative of the estate");
        return Err(match did_you_mean(name, initiatives) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`aksgate lock --check --verbose` lists all that is in use"),
        });
    }
    Ok(())
}

/// Refuses built-ins that cannot be locked: most of these are slips of the pen.
fn failed(clouds: &[(String, Renewal)]) -> Result<(), CommandError> {
    let rows = clouds
        .iter()
        .flat_map(|(cloud, renewal)| renewal.rows.iter().map(move |row| (cloud, row)));
    let rows: Vec<_> = rows.filter(|(_, row)| row.action == Action::Fail).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut error = CommandError::failed("what the estate names cannot be locked; nothing was written");
    for (cloud, row) in rows {
        let why = row.changes.iter().filter(|change| **change != Change::NotLocked);
        let why: Vec<String> = why.map(|change| change.sentence(&row.pinned)).collect();
        let (pinned, users) = (&row.pinned, lock::users(&row.used));
        error = error.detail(format!(
            "{} {} in cloud `{cloud}`, {users}: {}",
            pinned.sort.label(),
            pinned.name,
            why.join("; ")
        ));
    }
    Err(error.hint("look at the GUID and the pin in initiatives/; `aksgate catalog` lists those that are known"))
}

/// Writes the lock unless it is the same already.
fn write(outline: &Outline, old: Lock, clouds: &[(String, Renewal)]) -> Result<Written, CommandError> {
    let mut new = old;
    for (cloud, renewal) in clouds {
        let part: &CloudLock = &renewal.lock;
        if part.entries.is_empty() {
            new.clouds.remove(cloud);
        } else {
            new.clouds.insert(cloud.clone(), part.clone());
        }
    }
    let (path, text) = (outline.dir.join(lock::FILE), lock::file::text(&new));
    let failed = |error: std::io::Error| {
        CommandError::failed(format!("`{}` cannot be written", lock::FILE)).detail(error.to_string())
    };
    // What could not be read again would be a mistake of the estate from now on.
    if lock::file::parse(text.as_bytes()).ok().as_ref() != Some(&new) {
        return Err(CommandError::failed(
            "what Azure answers does not fit into a lock; nothing was written",
        ));
    }
    if store::read(&path).map_err(failed)?.as_deref() == Some(text.as_bytes()) {
        return Ok(Written::NotNeeded);
    }
    store::replace_shared(&path, text.as_bytes()).map_err(failed)?;
    Ok(Written::Yes)
}
