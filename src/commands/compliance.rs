//! `aksgate compliance`

use super::context::{self, Connection, Context, LoadedEstate, arm_error, server_now};
use super::error::{CommandError, Exit};
use super::evidence::{self, Standing, evidence_error};
use super::gather::known_gates;
use super::report_file::{FileFormat, Forms, ReportFile};
use crate::compliance::{Baseline, Heard, Report, Trend, trend};
use crate::config::Environment;
use crate::model::{Period, ResourceId, Timestamp};
use crate::observe::{Evidence, history, observe};
use crate::observed::Observed;
use crate::view::compliance::{self as view, Read};
use crate::view::printer::Verbosity;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Show what breaks the gates: by gate, cluster, namespace and workload, and what is new or fixed
///
/// Reads what Azure Policy reports of the clusters. What was not heard of is said to be not known, and counts that Azure cuts off are "at
/// least" so many. With an earlier report, what is new since and what is fixed. Nothing is written; the role Reader is enough. The JSON
/// form is what `--baseline` reads.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate compliance dev --sandbox
  aksgate compliance prod --report json=today.json --baseline yesterday.json --fail-on new
  aksgate compliance prod --format markdown --report csv=prod.csv --report junit=prod.xml
  aksgate compliance prod --gate pod-security --trend 7d")]
pub(super) struct Args {
    /// The environments [default: all of the estate]
    #[arg(value_name = "ENV")]
    envs: Vec<String>,
    /// Look at this gate only; can be given more than once
    #[arg(long, value_name = "GATE", requires = "envs")]
    gate: Vec<String>,
    /// Compare with this earlier report: what `--format json` or `--report json=FILE` wrote
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Exit with 2 if there are violations, or if there may be; or only if some are new since the baseline
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// Show how many rules were broken at each cluster, for each of the last days; a call for each cluster
    #[arg(long, value_name = "TIME", value_parser = context::period)]
    trend: Option<Period>,
    /// List every violation, and not the first of them only
    #[arg(long)]
    details: bool,
    /// Write the result to a file too; can be given more than once
    #[arg(long, value_name = "FORMAT=FILE", value_parser = ReportFile::one_of(&FORMATS))]
    report: Vec<ReportFile>,
}

/// The forms of files that it writes.
const FORMATS: [FileFormat; 5] = [
    FileFormat::Sarif,
    FileFormat::Junit,
    FileFormat::Csv,
    FileFormat::Json,
    FileFormat::Markdown,
];

/// What ends the command with 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Any violation, and whatever is not known to be none.
    Violations,
    /// A violation that the baseline does not have.
    New,
}

/// The longest time that is looked back.
const LONGEST_TREND: u64 = 90;

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    if args.fail_on == Some(FailOn::New) && args.baseline.is_none() {
        return Err(CommandError::usage(
            "`--fail-on new` needs `--baseline FILE`: what is new is new since then",
        ));
    }
    let days = args.trend.map(days).transpose()?;
    let loaded = context.estate()?;
    let named = loaded.named(&args.envs)?;
    // A baseline that cannot be used is told before the first call.
    let earlier = args.baseline.as_deref().map(read_baseline).transpose()?;
    let mut environments = Vec::new();
    for environment in named {
        let baseline = match (&earlier, &args.baseline) {
            (Some(document), Some(path)) => Some(baseline(document, path, environment)?),
            _ => None,
        };
        let read = report(context, &loaded, environment, (args, days), baseline.as_ref()).await;
        environments.push(view::Environment::of(
            environment,
            read.map_err(CommandError::into_line),
        ));
    }
    let (exit, outcome) = ended(&environments, args.fail_on);
    let document = || -> Value {
        json!({
            "formatVersion": 1,
            "command": "compliance",
            "outcome": outcome,
            "exitCode": exit.code(),
            "environments": view::to_json(&environments),
        })
    };
    let all = args.details || context.printer.verbosity == Verbosity::Verbose;
    let forms = Forms {
        human: &|layout| view::human(&environments, layout, all),
        markdown: &|| view::to_markdown(&environments),
        document: &document,
        sarif: &|| view::to_sarif(&environments),
        other: Some(&|format| match format {
            FileFormat::Junit => view::to_junit(&environments),
            _ => view::to_csv(&environments),
        }),
    };
    forms.tell(context, &args.report)?;
    Ok(exit)
}

fn ended(environments: &[view::Environment], fail_on: Option<FailOn>) -> (Exit, &'static str) {
    let read = || {
        environments
            .iter()
            .filter_map(|environment| environment.read.as_ref().ok())
    };
    if read().count() < environments.len() {
        return (Exit::Failed, Exit::Failed.outcome());
    }
    let clean = read().all(|read| read.report.count().is_none());
    let some_new = read().any(|read| read.report.new_ones().next().is_some());
    let fails = match fail_on {
        None => false,
        Some(FailOn::Violations) => !clean,
        Some(FailOn::New) => some_new,
    };
    let outcome = match (clean, some_new) {
        (true, _) => "compliant",
        (false, true) => "new-violations",
        (false, false) => "violations",
    };
    (if fails { Exit::Pending } else { Exit::Done }, outcome)
}

/// How many days a period is, at least one.
pub(super) fn days(period: Period) -> Result<u64, CommandError> {
    let days = period.seconds().div_ceil(86_400).max(1);
    match days <= LONGEST_TREND {
        true => Ok(days),
        false => Err(CommandError::usage(format!(
            "`--trend` looks back {LONGEST_TREND} days at most"
        ))),
    }
}

fn unusable(path: &Path, why: String) -> CommandError {
    CommandError::failed(format!("`{}` cannot be used as a baseline", path.display()))
        .detail(why)
        .hint("`aksgate compliance ENV --report json=FILE` writes one")
}

fn read_baseline(path: &Path) -> Result<Value, CommandError> {
    let content = context::read_file(path)?;
    serde_json::from_slice(&content).map_err(|error| unusable(path, error.to_string()))
}

fn baseline(document: &Value, path: &Path, environment: &Environment) -> Result<Baseline, CommandError> {
    let scope = environment.scope.to_string();
    Baseline::read(document, &environment.name, &scope).map_err(|error| unusable(path, error.to_string()))
}

/// Reads what is reported of an environment.
async fn report(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    (args, days): (&Args, Option<u64>),
    baseline: Option<&Baseline>,
) -> Result<Read, CommandError> {
    known_gates(environment, &args.gate)?;
    let connection = context.connect(&loaded.dir, environment)?;
    let observed = observe(&connection.client, environment).await;
    let observed = observed.map_err(|error| arm_error(&error))?;
    let now = server_now(&connection, &context.printer)?;
    let mut standing = evidence::standing(&loaded.estate.owner, environment, &observed, &args.gate);
    standing.retain(Standing::judges);
    let found = evidence::read(loaded, environment, &connection, (&observed, now), &standing).await?;
    let trends = match days {
        None => None,
        Some(days) => Some(trends(&connection, &observed, &standing, days, now).await?),
    };
    context::tell_calls(context, &connection);
    Ok(Read {
        endpoint: connection.endpoint.clone(),
        report: compared(&standing, &found, baseline, now),
        trends,
    })
}

/// Returns what breaks the gates of assignments by what was heard of them.
pub(super) fn compared(
    standing: &[Standing<'_>],
    found: &Evidence,
    baseline: Option<&Baseline>,
    now: Timestamp,
) -> Report {
    let heard: Vec<Heard<'_>> = standing
        .iter()
        .filter_map(|of| {
            Some(Heard {
                gate: &of.gate.name,
                assignment: &of.assignment.id,
                evidence: evidence::of(of, found)?,
            })
        })
        .collect();
    Report::new(&heard, &found.rows, baseline, now)
}

/// Reads what the service kept of the last days of each cluster.
async fn trends(
    connection: &Connection,
    observed: &Observed,
    standing: &[Standing<'_>],
    days: u64,
    now: Timestamp,
) -> Result<Vec<Trend>, CommandError> {
    let assignments: Vec<&ResourceId> = standing.iter().map(|of| &of.assignment.id).collect();
    if assignments.is_empty() {
        return Ok(Vec::new());
    }
    let mut clusters: Vec<&ResourceId> = observed.clusters.iter().map(|cluster| &cluster.id).collect();
    clusters.sort_by_key(|cluster| (cluster.name(), cluster.key()));
    // What held at the first of the days was reported before it.
    let back = Period::from_seconds(days.saturating_add(1).saturating_mul(86_400));
    let rows = history(&connection.client, &clusters, &assignments, (back, now)).await;
    let rows = rows.map_err(|error| evidence_error(&error))?;
    Ok(clusters
        .into_iter()
        .zip(rows)
        .map(|(cluster, rows)| trend(cluster, &rows, days, now))
        .collect())
}
