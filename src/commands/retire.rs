//! `aksgate retire`

use super::apply::{Consent, finish};
use super::context::{Connection, Context, LoadedEstate, arm_error, server_now};
use super::error::{CommandError, Exit};
use super::gather::{Gathered, header};
use super::limit_args::LimitArgs;
use super::past_guards::reason;
use super::{plan, recording};
use crate::config::{self, Cloud, Environment};
use crate::desired::Controls;
use crate::lock::Judgement;
use crate::model::{Scope, is_guid};
use crate::observe::observe;
use crate::plan::{Checked, Finding, Inputs, make};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Take an environment's gates out of Azure, with all that is ours there
///
/// Plans the removal of every object that carries the mark of the environment: exemptions and roles first, then the assignments, then
/// their definitions. Defender plans and the settings of clusters stay as they are. An environment whose file is gone is named with its
/// scope and tenant. Nothing is held back there any more, so a reason is needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate retire test --reason 'the test clusters are gone' --plan-only
  aksgate retire test --reason 'the test clusters are gone'
  aksgate retire old --scope managementGroups/old --tenant $TENANT --reason 'its file is gone'")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Show the plan and write nothing
    #[arg(long, conflicts_with = "yes")]
    plan_only: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Where it was assigned, if its file is gone
    #[arg(long, value_name = "SCOPE", requires = "tenant")]
    scope: Option<String>,
    /// Its Entra tenant, if its file is gone
    #[arg(long, value_name = "GUID", requires = "scope")]
    tenant: Option<String>,
    /// Where its definitions stand, if its file is gone [default: the scope, or its subscription]
    #[arg(long, value_name = "SCOPE", requires = "scope")]
    definition_scope: Option<String>,
    /// Its cloud, if its file is gone: public, usgov or china [default: public]
    #[arg(long, value_name = "CLOUD", requires = "scope")]
    cloud: Option<String>,
    /// Keep the journal of this run in this folder [default: .aksgate/runs of the estate]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let why = reason(&args.reason)?;
    let loaded = context.estate()?;
    let environment = &place(&loaded, args)?;
    let _alone = recording::alone(&loaded, &environment.name)?;
    let connection = context.connect(&loaded.dir, environment)?;
    let gathered = gather(context, (&loaded, environment), &connection, &why).await?;
    if args.plan_only {
        plan::print(context, &gathered.plan, "retire", Exit::Done);
        return Ok(Exit::Done);
    }
    let steps = gathered.plan.pending();
    // The command is what allows it, for just what carries the mark.
    let weakenings: BTreeSet<String> = steps.filter_map(|step| step.gate.clone()).collect();
    let weakenings: Vec<String> = weakenings.into_iter().collect();
    let consent = Consent {
        yes: args.yes,
        weakenings: &weakenings,
        reason: Some(&why),
        limits: &args.limits,
        command: "retire",
        journal: args.journal.as_deref(),
    };
    let checked = Checked::fresh(gathered.plan.clone());
    let of = (&loaded, environment, &gathered);
    finish(context, consent, &checked, of, &connection).await
}

/// Returns the environment as its file says, or as the command line does where there is none.
fn place(loaded: &LoadedEstate, args: &Args) -> Result<Environment, CommandError> {
    let (Some(scope), Some(tenant)) = (&args.scope, &args.tenant) else {
        let found = loaded.environment(&args.env);
        return found.cloned().map_err(|error| {
            error.hint("if its file is gone, say where it was assigned: `--scope SCOPE --tenant GUID`")
        });
    };
    if loaded.estate.environments.contains_key(&args.env) {
        let summary = format!("the file of `{}` says where it is assigned", args.env);
        return Err(CommandError::usage(summary).hint("leave `--scope` and `--tenant` out"));
    }
    if let Some(mistake) = config::name_mistake(&args.env) {
        return Err(CommandError::usage(format!("`{}` is no name of an environment", args.env)).detail(mistake));
    }
    let scope_of = |option: &str, text: &str| {
        Scope::parse(text).ok_or_else(|| {
            CommandError::usage(format!("`{option} {text}` names no scope"))
                .hint("write `managementGroups/NAME`, `subscriptions/GUID` or `subscriptions/GUID/resourceGroups/NAME`")
        })
    };
    let scope = scope_of("--scope", scope)?;
    let definitions = args.definition_scope.as_deref();
    let definition_scope = match definitions {
        Some(text) => scope_of("--definition-scope", text)?,
        None => scope.definition_scope(),
    };
    if !is_guid(tenant) {
        return Err(CommandError::usage(format!("`{tenant}` is no tenant")).hint("a tenant is named by its GUID"));
    }
    let cloud = match args.cloud.as_deref() {
        None => Cloud::Public,
        Some(text) => Cloud::parse(text).ok_or_else(|| {
            CommandError::usage(format!("there is no cloud `{text}`")).hint("known: public, usgov, china")
        })?,
    };
    let (name, tenant) = (args.env.clone(), tenant.to_ascii_lowercase());
    Ok(Environment::without_file(name, cloud, tenant, scope, definition_scope))
}

/// Reads what is there and plans that all of it goes.
async fn gather(
    context: &Context,
    (loaded, environment): (&LoadedEstate, &Environment),
    connection: &Connection,
    why: &str,
) -> Result<Gathered, CommandError> {
    let observed = observe(&connection.client, environment)
        .await
        .map_err(|error| arm_error(&error))?;
    let now = server_now(connection, &context.printer)?;
    let name = &environment.name;
    let finding = |sentence: String| Finding {
        subject: name.clone(),
        sentence,
    };
    let mut findings = vec![
        finding(format!("is retired: {why}")),
        finding(
            "Defender plans, deployment safeguards, and the add-on, sensor and extension of clusters stay as they are: whoever does not \
             want them any more switches them off"
                .to_owned(),
        ),
    ];
    if loaded.estate.environments.contains_key(name) {
        findings.push(finding(format!(
            "`environments/{name}.yaml` still asks for its gates: delete it, or the next `apply` makes them again"
        )));
    }
    let plan = make(Inputs {
        header: header(loaded, environment, connection, (&[], now)),
        owner: &loaded.estate.owner,
        desired: &[],
        observed: &observed,
        held: Vec::new(),
        findings,
        gates: &[],
        renamed: &BTreeMap::new(),
        why_gone: "its environment is retired",
    });
    let unasked = plan.pending().map(|step| (step.kind, step.object.clone())).collect();
    Ok(Gathered {
        plan,
        documents: BTreeMap::new(),
        observed,
        rollouts: Vec::new(),
        judgement: Judgement::default(),
        controls: Controls::default(),
        unasked,
        now,
    })
}
