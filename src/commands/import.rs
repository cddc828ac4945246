//! `aksgate import`

use super::context::{CheckedEstate, Connection, Context, LoadedEstate, arm_error};
use super::error::{CommandError, Exit};
use super::gather::gather;
use crate::adoption::{Adopted, AdoptedGate, Field, Left, adopt};
use crate::config::{ESTATE_FILE, SourceFile};
use crate::desired::Controls;
use crate::kinds::Plane;
use crate::observe::observe;
use crate::store;
use crate::view::import as view;
use crate::view::printer::Format;
use crate::view::text::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Write an environment that says what stands in Azure already
///
/// Reads the policy assignments, sets, exemptions, Defender plans and clusters of a scope, and writes an environment with its initiatives
/// whose plan is empty: nothing of what is there is changed. The gates stand at `off`; raising a target takes a gate over. What an estate
/// cannot say is listed. Nothing is written to Azure, and no file is written over; the role Reader is enough.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate import prod --scope managementGroups/prod --tenant $TENANT --owner platform
  aksgate import dev --scope subscriptions/0a000000-0000-4000-8000-000000000001 --sandbox")]
pub(super) struct Args {
    /// The name of the environment to write
    env: String,
    /// A management group, a subscription or a resource group, as an environment names it
    #[arg(long, value_name = "SCOPE")]
    scope: String,
    /// The Entra tenant [default: the one in aksgate.yaml]
    #[arg(long, value_name = "GUID")]
    tenant: Option<String>,
    /// The cloud: public, usgov or china [default: the one in aksgate.yaml, else public]
    #[arg(long, value_name = "CLOUD")]
    cloud: Option<String>,
    /// The owner of the estate, if there is none yet
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let dir = match &context.global.dir {
        Some(dir) => dir.clone(),
        None => store::find_upwards(&context.working_dir(), ESTATE_FILE).unwrap_or_else(|| PathBuf::from(".")),
    };
    let there = context.estate_files(&dir)?;
    let draft = Draft::new(args, there)?;
    let outline = draft.with(&[], Some(LOOK_AT_DEFENDER), Some(LOOK_AT_CLUSTERS));
    let loaded = checked(context, &dir, outline)?;
    let environment = loaded.environment(&args.env)?;
    let connection = context.connect(&dir, environment)?;
    let observed = observe(&connection.client, environment)
        .await
        .map_err(|error| arm_error(&error))?;
    let taken: BTreeSet<String> = loaded.estate.initiatives.keys().cloned().collect();
    let adopted = adopt(Field {
        scope: &environment.scope,
        observed: &observed,
        catalog: &loaded.catalog,
        taken: &taken,
    });
    let (files, kept, left) = settle(context, &dir, &draft, adopted, &connection).await?;
    for (path, text) in &files {
        store::create_new(&dir.join(path), text.as_bytes())
            .map_err(|error| CommandError::failed(format!("`{path}` cannot be written")).detail(error.to_string()))?;
    }
    let shown = view::Imported {
        environment: &args.env,
        files: files.iter().map(|(path, _)| path.as_str()).collect(),
        gates: &kept,
        left: &left,
    };
    let printer = &context.printer;
    match printer.format {
        Format::Human => printer.data(&view::human(&shown, printer.layout())),
        Format::Markdown => printer.data(&view::to_markdown(&shown)),
        Format::Json => printer.data(&json(&view::to_json(&shown))),
    }
    Ok(Exit::Done)
}

/// What makes `observe` look at the Defender plans and the clusters.
const LOOK_AT_DEFENDER: &str = "defender: {containers: {mode: require, tier: Standard}}\n";
const LOOK_AT_CLUSTERS: &str = "clusters: {policyAddon: {mode: require}}\n";

/// The files of the estate as they would be.
struct Draft<'a> {
    args: &'a Args,
    there: Vec<SourceFile>,
}

impl<'a> Draft<'a> {
    fn new(args: &'a Args, there: Vec<SourceFile>) -> Result<Draft<'a>, CommandError> {
        let path = format!("environments/{}.yaml", args.env);
        if there.iter().any(|file| file.path == path) {
            return Err(
                CommandError::failed(format!("`{path}` is there already; nothing was read"))
                    .hint("name another environment, or take that file away first"),
            );
        }
        if there.is_empty() && (args.owner.is_none() || args.tenant.is_none()) {
            return Err(CommandError::usage("there is no estate yet: `--owner` and `--tenant` are needed")
                .hint("the owner is part of the mark on everything that aksgate writes; choose it once, such as `contoso-platform`"));
        }
        if !there.is_empty() && args.owner.is_some() {
            return Err(CommandError::usage(
                "the estate has an owner already: leave `--owner` out",
            ));
        }
        Ok(Draft { args, there })
    }

    /// The texts that are new, with these parts of the environment.
    fn texts(&self, gates: &[AdoptedGate], defender: Option<&str>, clusters: Option<&str>) -> Vec<(String, String)> {
        let args = self.args;
        let mut texts = Vec::new();
        let mut environment = String::new();
        let stated = [("cloud", args.cloud.as_deref()), ("tenant", args.tenant.as_deref())];
        if self.there.is_empty() {
            let owner = args.owner.as_deref().unwrap_or_default();
            let of = |(key, value): (&str, Option<&str>)| format!("  {key}: {}\n", value.unwrap_or("public"));
            let defaults: String = stated.into_iter().map(of).collect();
            texts.push((
                ESTATE_FILE.to_owned(),
                format!("owner: {owner}\n\ndefaults:\n{defaults}"),
            ));
        } else {
            let of = |(key, value): (&str, Option<&str>)| Some(format!("{key}: {}\n", value?));
            environment.extend(stated.into_iter().filter_map(of));
        }
        environment.push_str(&format!("scope: {}\n", args.scope));
        environment.push_str("\ngates:");
        match gates {
            [] => environment.push_str(" {}\n"),
            gates => {
                environment.push('\n');
                let lines: Vec<&str> = gates.iter().map(|gate| gate.lines.as_str()).collect();
                environment.push_str(&lines.join("\n"));
            }
        }
        for block in [defender, clusters].into_iter().flatten() {
            environment.push('\n');
            environment.push_str(block);
        }
        texts.push((format!("environments/{}.yaml", args.env), environment));
        texts.extend(gates.iter().map(|gate| gate.initiative.clone()));
        texts
    }

    /// All files of the estate, with these parts of the environment.
    fn with(&self, gates: &[AdoptedGate], defender: Option<&str>, clusters: Option<&str>) -> Vec<SourceFile> {
        let new = self
            .texts(gates, defender, clusters)
            .into_iter()
            .map(|(path, text)| SourceFile {
                path,
                content: text.into_bytes(),
            });
        self.there.iter().cloned().chain(new).collect()
    }
}

fn checked(context: &Context, dir: &Path, files: Vec<SourceFile>) -> Result<LoadedEstate, CommandError> {
    CheckedEstate::of(dir.to_path_buf(), files).loaded().map_err(|wrong| {
        if context.printer.format != Format::Json {
            context
                .printer
                .error(&context.diagnostics(&wrong.diagnostics, &wrong.files));
        }
        let mut error = CommandError::failed("the environment would have mistakes; nothing was written");
        error.diagnostics = wrong.diagnostics;
        error
    })
}

type Settled = (Vec<(String, String)>, Vec<AdoptedGate>, Vec<Left>);

/// Keeps what makes a right estate with an empty plan, part by part; what does not is left out and told.
async fn settle(
    context: &Context,
    dir: &Path,
    draft: &Draft<'_>,
    adopted: Adopted,
    connection: &Connection,
) -> Result<Settled, CommandError> {
    let mut left = adopted.left;
    let mut kept: Vec<AdoptedGate> = Vec::new();
    for gate in adopted.gates {
        let mut with: Vec<AdoptedGate> = kept.clone();
        with.push(gate.clone());
        let Err(wrong) = CheckedEstate::of(dir.to_path_buf(), draft.with(&with, None, None)).loaded() else {
            kept = with;
            continue;
        };
        let sentences: Vec<String> = wrong
            .diagnostics
            .iter()
            .map(|found| format!("{}: {}", found.summary, found.label))
            .collect();
        left.push(Left {
            subject: format!("assignment `{}`", gate.assignment),
            reason: format!("cannot be a gate as it is: {}", sentences.join("; ")),
        });
    }
    let (mut defender, mut clusters) = (adopted.defender, adopted.clusters);
    loop {
        let files = draft.with(&kept, defender.as_deref(), clusters.as_deref());
        let loaded = checked(context, dir, files)?;
        let environment = loaded.environment(&draft.args.env)?;
        let gathered = gather(context, &loaded, environment, connection, (&[], Controls::shown())).await?;
        let planes: BTreeSet<Plane> = gathered.plan.pending().map(|step| step.kind.plane()).collect();
        let Some(plane) = planes.into_iter().next() else {
            left.sort();
            return Ok((draft.texts(&kept, defender.as_deref(), clusters.as_deref()), kept, left));
        };
        let block = match plane {
            Plane::Defender => defender.take(),
            Plane::Clusters => clusters.take(),
            Plane::Policy => None,
        };
        if block.is_none() {
            return Err(
                CommandError::failed("the plan of what was read would not be empty; nothing was written")
                    .detail(format!("{} steps are left", gathered.plan.pending().count()))
                    .hint("`aksgate init` writes an estate to begin with"),
            );
        }
        left.push(Left {
            subject: plane.label().to_owned(),
            reason: "is not as any block of an environment could say it without a change: it is left out".to_owned(),
        });
    }
}
