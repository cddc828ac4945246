//! `aksgate scan`

use super::context::{self, Connection, Context, LoadedEstate, arm_error, server_now};
use super::error::{CommandError, Exit};
use super::evidence::{self, Standing};
use super::gather::known_gates;
use crate::arm::{ArmError, Client, Started};
use crate::config::Environment;
use crate::evidence::{Freshness, SETTLE, freshness};
use crate::model::{Period, Scope, Timestamp};
use crate::observe::{Evidence, observe};
use crate::observed::Observed;
use crate::view::printer::Format;
use crate::view::scan::{self as view, Evaluation, GateScan, Scan};
use crate::view::text::json;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;

/// Have compliance evaluated, and say what was heard of each cluster
///
/// Asks Azure Policy to evaluate the subscriptions with clusters in scope, and tells for every gate and cluster whether its report has
/// come: `reported`, `not yet`, `too old`, or why there can be none. Azure evaluates what it knows itself; the add-on in a cluster reports
/// on its own schedule, every 15 minutes, and nothing hurries it. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate scan dev --sandbox
  aksgate scan prod --wait
  aksgate scan prod --wait --deadline 90m --gate pod-security
  aksgate scan prod --format markdown > scan.md")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Wait until every cluster has reported anew; exit with 2 if that does not come to pass
    #[arg(long)]
    wait: bool,
    /// Wait at most this long
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = context::period, requires = "wait")]
    deadline: Period,
    /// Look at this gate only; can be given more than once
    #[arg(long, value_name = "GATE")]
    gate: Vec<String>,
}

/// How long is waited between two looks at the reports: the add-on brings none more often than every 15 minutes.
const LOOK: Period = Period::from_seconds(120);

/// How many evaluations are started at once.
const AT_ONCE: usize = 16;

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    known_gates(environment, &args.gate)?;
    let connection = context.connect(&loaded.dir, environment)?;
    tokio::select! {
        ended = scan(context, args, &loaded, environment, &connection) => ended,
        true = context::interrupted() => Err(CommandError::new(Exit::Interrupted, "interrupted")
            .detail("nothing was changed; evaluations that were started go on in Azure")),
    }
}

async fn scan(
    context: &Context,
    args: &Args,
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
) -> Result<Exit, CommandError> {
    let client = &connection.client;
    let observed = observe(client, environment).await.map_err(|error| arm_error(&error))?;
    let begun = server_now(connection, &context.printer)?;
    let mut standing = evidence::standing(&loaded.estate.owner, environment, &observed, &args.gate);
    standing.retain(Standing::judges);
    let scopes = if standing.is_empty() {
        BTreeSet::new()
    } else {
        scopes(environment, &observed)
    };
    let evaluations = evaluate(context, client, &scopes, args.wait)
        .await
        .map_err(|error| arm_error(&error))?;
    let wait = args.wait.then(|| begun.plus(args.deadline));
    let (found, now) = heard(
        context,
        (loaded, environment, connection),
        (&observed, begun),
        &standing,
        wait,
    )
    .await?;
    let after = wait.map(|_| begun);
    let gates: Vec<GateScan> = standing
        .iter()
        .filter_map(|of| {
            let evidence = evidence::of(of, &found)?;
            Some(GateScan {
                gate: of.gate.name.clone(),
                evidence: evidence.clone(),
                heard: freshness(evidence, after, SETTLE, now),
            })
        })
        .collect();
    let all = gates.iter().flat_map(|gate| &gate.heard).all(|of| of.heard.is_well());
    let (exit, outcome) = match (args.wait, all) {
        (_, true) => (Exit::Done, "reported"),
        (true, false) => (Exit::Pending, "incomplete"),
        (false, false) => (Exit::Done, "started"),
    };
    let scan = Scan {
        environment: environment.name.clone(),
        scope: environment.scope.to_string(),
        endpoint: connection.endpoint.clone(),
        now,
        after,
        evaluations,
        gates,
    };
    let printer = &context.printer;
    match printer.format {
        Format::Human => printer.data(&view::human(&scan, printer.layout())),
        Format::Markdown => printer.data(&view::to_markdown(&scan)),
        Format::Json => printer.data(&json(&view::to_json(&scan, outcome, exit.code()))),
    }
    Ok(exit)
}

/// The scopes that are evaluated: Azure takes a subscription or a resource group.
fn scopes(environment: &Environment, observed: &Observed) -> BTreeSet<String> {
    if let Scope::ResourceGroup(..) = environment.scope {
        return BTreeSet::from([environment.scope.path()]);
    }
    let clusters = observed.clusters.iter();
    clusters
        .filter_map(|cluster| cluster.id.value_of("subscriptions"))
        .map(|id| format!("/subscriptions/{}", id.to_ascii_lowercase()))
        .collect()
}

async fn evaluate(
    context: &Context,
    client: &Client,
    scopes: &BTreeSet<String>,
    wait: bool,
) -> Result<Vec<Evaluation>, ArmError> {
    let starts = stream::iter(scopes.iter().map(|scope| async move {
        let path = format!("{scope}/providers/Microsoft.PolicyInsights/policyStates/latest/triggerEvaluation");
        Ok::<(&String, Started), ArmError>((scope, client.start(&path).await?))
    }));
    let started: Vec<(&String, Started)> = starts.buffered(AT_ONCE).try_collect().await?;
    if wait && !started.is_empty() {
        let count = started.len();
        context
            .printer
            .note(&format!("Azure evaluates {count} scopes; waiting for that ..."));
    }
    let ends = stream::iter(started.into_iter().map(|(scope, started)| async move {
        let ended = if wait {
            Some(client.finish(started).await?)
        } else {
            None
        };
        Ok(Evaluation {
            scope: scope.clone(),
            ended,
        })
    }));
    ends.buffered(AT_ONCE).try_collect().await
}

/// Reads the evidence; with a deadline again and again, until nothing is awaited or the deadline has passed. Returns it with its time.
async fn heard(
    context: &Context,
    (loaded, environment, connection): (&LoadedEstate, &Environment, &Connection),
    (observed, begun): (&Observed, Timestamp),
    standing: &[Standing<'_>],
    deadline: Option<Timestamp>,
) -> Result<(Evidence, Timestamp), CommandError> {
    let client = &connection.client;
    let mut said = String::new();
    loop {
        let now = client.present().unwrap_or(begun);
        let found = evidence::read(loaded, environment, connection, (observed, now), standing).await?;
        let Some(deadline) = deadline else {
            return Ok((found, now));
        };
        let gates = found.gates.values();
        let heard: Vec<Freshness> = gates
            .flat_map(|gate| freshness(gate, Some(begun), SETTLE, now))
            .collect();
        let awaited = heard.iter().filter(|of| of.heard.is_awaited()).count();
        if awaited == 0 || now >= deadline {
            return Ok((found, now));
        }
        let line = format!(
            "{awaited} of {} reports are awaited, until {deadline} at most ...",
            heard.len()
        );
        if line != said {
            context.printer.note(&line);
            said = line;
        }
        let left = deadline.since(now);
        client.wait(left.min(LOOK)).await;
    }
}
