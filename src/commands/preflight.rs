//! `aksgate preflight`

use super::context::{Connection, Context, LoadedEstate, arm_error};
use super::error::{CommandError, Exit};
use super::gather::{Gathered, gather};
use super::inquiry;
use crate::config::{Cloud, Environment};
use crate::desired::Controls;
use crate::kinds::Kind;
use crate::preflight::{Area, Check, Facts, Needs, Preflight, Status, Target, checks, notes, provider_checks};
use crate::view::preflight as view;
use crate::view::printer::{Format, Verbosity};
use crate::view::text::json;

/// Say what is missing before an apply
///
/// Makes the plan and looks at what carrying it out needs: your permissions for every write, resource providers, Azure's
/// limits, locks, and the state of the clusters. What could not be found out counts as missing. Nothing is written, unless
/// --register asks for it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate preflight dev --sandbox
  aksgate preflight prod --format markdown > preflight.md
  aksgate preflight prod --register")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Register the resource providers that are not registered, and wait until they are
    #[arg(long)]
    register: bool,
    /// Do not ask for confirmation
    #[arg(long, requires = "register")]
    yes: bool,
}

/// What was found out, as far as a plan could be made.
struct Found {
    gathered: Result<Gathered, CommandError>,
    needs: Needs,
    facts: Facts,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    let connection = context.connect(&loaded.dir, environment)?;
    let mut found = find(context, &loaded, environment, &connection).await?;
    let mut registered = Registered::default();
    if args.register {
        let missing = inquiry::unregistered(&found.facts);
        if !missing.is_empty() {
            confirm(context, args, &missing, &connection.endpoint)?;
            registered = register(context, &connection, &missing).await;
            found = find(context, &loaded, environment, &connection).await?;
            // What Azure says now goes before how the waiting for it ended.
            let still = inquiry::unregistered(&found.facts);
            registered
                .failed
                .retain(|(subscription, namespace, _)| still.contains(&(subscription.clone(), namespace.clone())));
        }
    }
    let preflight = judge(environment, &connection, found, &registered)?;
    let ready = preflight.is_ready();
    let exit = match (ready, registered.failed.is_empty(), registered.done > 0) {
        (true, true, _) => Exit::Done,
        (_, false, true) => Exit::Partial,
        (_, false, false) => Exit::Failed,
        (false, true, _) => Exit::Pending,
    };
    let outcome = match exit {
        Exit::Done => "ready",
        Exit::Pending => "missing",
        other => other.outcome(),
    };
    print(context, &preflight, outcome, exit);
    Ok(exit)
}

/// Asks Azure. Where no plan can be made, that is part of what was found out.
async fn find(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
) -> Result<Found, CommandError> {
    let client = &connection.client;
    // First what does not need a plan: with a provider missing, none may be possible.
    let clusters = inquiry::clusters(client, environment)
        .await
        .map_err(|error| arm_error(&error))?;
    let mut needs = Needs::default();
    for cluster in &clusters {
        if let Some(subscription) = cluster.id.value_of("subscriptions") {
            needs.provider(
                subscription,
                "Microsoft.PolicyInsights",
                "compliance and the Azure Policy add-on",
            );
        }
    }
    if environment.defender.is_some() && environment.cloud != Cloud::China {
        let subscriptions = crate::observe::subscriptions(client, environment)
            .await
            .map_err(|error| arm_error(&error))?;
        for subscription in subscriptions {
            needs.provider(&subscription.id, "Microsoft.Security", Kind::DefenderPlan.label());
        }
    }
    let gathered = gather(context, loaded, environment, connection, (&[], Controls::shown())).await;
    let mut facts = Facts {
        clusters: clusters.into_iter().map(|facts| (facts.id.clone(), facts)).collect(),
        ..Facts::default()
    };
    if let Ok(gathered) = &gathered {
        let (documents, unread) = inquiry::documents(client, gathered).await;
        facts.unread = unread;
        let of_plan = Needs::of(&gathered.plan, &documents);
        needs.actions = of_plan.actions;
        needs.places = of_plan.places;
        for ((subscription, namespace), purposes) in of_plan.providers {
            for purpose in purposes {
                needs.provider(&subscription, &namespace, purpose);
            }
        }
        // Resource Graph leaves out what may not be read, without a word: a gate would seem to cover every cluster.
        let read = "Microsoft.ContainerService/managedClusters/read";
        needs.action(
            read,
            &environment.scope.path(),
            "Reader",
            "see every cluster in scope".to_owned(),
        );
        inquiry::ask(client, &gathered.plan, &needs, &mut facts).await;
        inquiry::ask_versions(client, &mut facts).await;
    }
    inquiry::ask_providers(client, &needs, &mut facts).await;
    Ok(Found { gathered, needs, facts })
}

fn judge(
    environment: &Environment,
    connection: &Connection,
    found: Found,
    registered: &Registered,
) -> Result<Preflight, CommandError> {
    let target = Target {
        environment: environment.name.clone(),
        scope: environment.scope.to_string(),
        tenant: environment.tenant.clone(),
        endpoint: connection.endpoint.clone(),
    };
    let Found { gathered, needs, facts } = found;
    let (pending, mut checks, notes) = match gathered {
        Ok(gathered) => {
            let clusters = &gathered.observed.clusters;
            let pending = gathered.plan.pending().count();
            (
                Some(pending),
                checks(&gathered.plan, &needs, &facts, clusters),
                notes(&gathered.plan, clusters),
            )
        }
        Err(error) => {
            let checks = provider_checks(&needs, &facts);
            if checks.iter().all(|check| check.status == Status::Ok) {
                return Err(error);
            }
            (
                None,
                [no_plan(&target, &error)].into_iter().chain(checks).collect(),
                Vec::new(),
            )
        }
    };
    for (subscription, namespace, why) in &registered.failed {
        let scope = format!("/subscriptions/{subscription}");
        let failed = |check: &&mut Check| check.subject == *namespace && check.scope == scope;
        if let Some(check) = checks.iter_mut().find(failed) {
            check.status = Status::Missing;
            check.detail = format!("registering it failed: {why}");
        }
    }
    Ok(Preflight::new(target, pending, checks, notes))
}

fn no_plan(target: &Target, error: &CommandError) -> Check {
    Check {
        area: Area::Plan,
        status: Status::Unknown,
        subject: "the plan".to_owned(),
        scope: target.scope.clone(),
        detail: format!("it could not be made: {}: {}", error.summary, error.detail.join("; ")),
        advice: Some("see to the resource providers first, then run the command again".to_owned()),
    }
}

fn confirm(context: &Context, args: &Args, missing: &[(String, String)], endpoint: &str) -> Result<(), CommandError> {
    if args.yes {
        return Ok(());
    }
    if !context.can_ask() {
        return Err(CommandError::usage(
            "preflight would have to ask, and nobody can answer here; nothing was registered",
        )
        .hint("look at the preflight without `--register`, then repeat with `--yes`"));
    }
    let list: Vec<String> = missing
        .iter()
        .map(|(subscription, namespace)| format!("  {namespace} in subscription {subscription}"))
        .collect();
    context.printer.error(&list.join("\n"));
    let question = format!(
        "Register these {} resource providers at {endpoint}? Only `yes` is a yes:",
        missing.len()
    );
    match context.printer.ask(&question).as_deref() {
        Some("yes") => Ok(()),
        _ => Err(CommandError::new(
            Exit::Interrupted,
            "not confirmed; nothing was registered",
        )),
    }
}

/// What came of registering.
#[derive(Default)]
struct Registered {
    done: usize,
    failed: Vec<(String, String, String)>,
}

async fn register(context: &Context, connection: &Connection, missing: &[(String, String)]) -> Registered {
    let mut registered = Registered::default();
    for (subscription, namespace) in missing {
        context
            .printer
            .note(&format!("Registering {namespace} in subscription {subscription} ..."));
        match connection.client.register(subscription, namespace).await {
            Ok(()) => registered.done += 1,
            Err(error) => {
                // It may go on in Azure.
                registered.done += usize::from(error.outcome_unknown());
                registered
                    .failed
                    .push((subscription.clone(), namespace.clone(), error.to_string()));
            }
        }
    }
    registered
}

fn print(context: &Context, preflight: &Preflight, outcome: &str, exit: Exit) {
    let printer = &context.printer;
    match printer.format {
        Format::Human => {
            let layout = view::Layout {
                paint: printer.out,
                width: printer.width,
                verbose: printer.verbosity == Verbosity::Verbose,
            };
            printer.data(&view::human(preflight, layout));
        }
        Format::Markdown => printer.data(&view::to_markdown(preflight)),
        Format::Json => printer.data(&json(&view::to_json(preflight, outcome, exit.code()))),
    }
}
