//! `aksgate runtime`

use super::context::{Connection, Context, LoadedEstate, arm_error, server_now};
use super::error::{CommandError, Exit};
use crate::config::{Cloud, Environment};
use crate::observe::runtime;
use crate::runtime::{Severity, Sort, Threshold};
use crate::view::page::Layout;
use crate::view::printer::{Format, Verbosity};
use crate::view::runtime::{self as view, Read};
use crate::view::text::json;
use serde_json::json;

/// Show what Defender for Cloud says of the clusters, and where it does not look
///
/// Open alerts by severity and cluster, recommendations that are not followed, running images with vulnerabilities, the state of
/// the sensors, and subscriptions whose plan is off or that have no security contact. Nothing is changed; the role Reader is enough.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate runtime prod --sandbox
  aksgate runtime --fail-on high
  aksgate runtime prod --fail-on medium --count alerts --count watch
  aksgate runtime prod --format markdown >> \"$GITHUB_STEP_SUMMARY\"")]
pub(super) struct Args {
    /// The environments [default: all of the estate in a cloud that has Defender]
    #[arg(value_name = "ENV")]
    envs: Vec<String>,
    /// Exit with 2 if something is at least this severe, or if nobody looks
    #[arg(long, value_name = "SEVERITY", value_enum)]
    fail_on: Option<Least>,
    /// Let only this count for --fail-on; can be given more than once [default: all]
    #[arg(long, value_name = "SORT", value_enum, requires = "fail_on")]
    count: Vec<Counted>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Least {
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Counted {
    /// Open alerts
    Alerts,
    /// Recommendations that are not followed
    Recommendations,
    /// Running images with vulnerabilities
    Images,
    /// Plans that are off, sensors that are asked for and off, missing security contacts
    Watch,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let named: Vec<&Environment> = match args.envs.is_empty() {
        true => loaded
            .estate
            .environments
            .values()
            .filter(|environment| environment.cloud != Cloud::China)
            .collect(),
        false => args
            .envs
            .iter()
            .map(|name| loaded.environment(name))
            .collect::<Result<_, _>>()?,
    };
    if let Some(china) = named.iter().find(|environment| environment.cloud == Cloud::China) {
        return Err(CommandError::failed(format!(
            "environment `{}` is in a cloud without Defender for Cloud",
            china.name
        ))
        .detail("Azure operated by 21Vianet retired it on 2026-08-18"));
    }
    let threshold = args.fail_on.map(|least| threshold(least, &args.count));
    let mut environments = Vec::new();
    let mut failed = false;
    for environment in named {
        let read = read(context, &loaded, environment).await;
        failed |= read.is_err();
        environments.push(view::Environment::of(
            environment,
            read.map_err(CommandError::into_line),
        ));
    }
    let read = environments
        .iter()
        .filter_map(|environment| environment.read.as_ref().ok());
    let mut over = read.flat_map(|read| threshold.iter().flat_map(|threshold| read.runtime.over(threshold)));
    let is_over = over.next().is_some();
    drop(over);
    let (exit, outcome) = match (failed, is_over) {
        (true, _) => (Exit::Failed, Exit::Failed.outcome()),
        (false, true) => (Exit::Pending, "over-threshold"),
        (false, false) => (Exit::Done, Exit::Done.outcome()),
    };
    let printer = &context.printer;
    let threshold = threshold.as_ref();
    match printer.format {
        Format::Human => {
            let layout = Layout {
                paint: printer.out,
                width: printer.width,
            };
            let verbose = printer.verbosity == Verbosity::Verbose;
            printer.data(&view::human(&environments, threshold, layout, verbose));
        }
        Format::Markdown => printer.data(&view::to_markdown(&environments, threshold)),
        Format::Json => printer.data(&json(&json!({
            "formatVersion": 1,
            "command": "runtime",
            "outcome": outcome,
            "exitCode": exit.code(),
            "environments": view::to_json(&environments, threshold),
        }))),
    }
    Ok(exit)
}

async fn read(context: &Context, loaded: &LoadedEstate, environment: &Environment) -> Result<Read, CommandError> {
    let connection = context.connect(&loaded.dir, environment)?;
    read_with(context, loaded, environment, &connection).await
}

/// Reads what is known of the run time of an environment's clusters.
pub(super) async fn read_with(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
) -> Result<Read, CommandError> {
    let runtime = runtime(&connection.client, &loaded.estate, environment)
        .await
        .map_err(|error| arm_error(&error))?;
    Ok(Read {
        endpoint: connection.endpoint.clone(),
        time: server_now(connection, &context.printer)?,
        runtime,
    })
}

fn threshold(least: Least, counted: &[Counted]) -> Threshold {
    let severity = match least {
        Least::Low => Severity::Low,
        Least::Medium => Severity::Medium,
        Least::High => Severity::High,
        Least::Critical => Severity::Critical,
    };
    let sorts = counted.iter().map(|counted| match counted {
        Counted::Alerts => Sort::Alerts,
        Counted::Recommendations => Sort::Recommendations,
        Counted::Images => Sort::Images,
        Counted::Watch => Sort::Watch,
    });
    Threshold {
        severity,
        sorts: if counted.is_empty() {
            Sort::ALL.to_vec()
        } else {
            sorts.collect()
        },
    }
}
