//! `aksgate report`

use super::compliance::{self, days};
use super::context::{self, Connection, Context, LoadedEstate, arm_error, tell_calls};
use super::coverage::{exact, judged};
use super::error::{CommandError, Exit};
use super::evidence::{self, Standing, evidence_error};
use super::gather::{Gathered, Seen, look, planned};
use super::{drift, runtime, status};
use crate::compliance::trend;
use crate::config::{Cloud, Environment, InitiativeKind};
use crate::desired::Controls;
use crate::evidence::StateRow;
use crate::model::{Period, ResourceId, Timestamp};
use crate::observe::{Evidence, history};
use crate::observed::Observed;
use crate::plan::Reason;
use crate::report::{furthest, let_off, rings, series, weakenings};
use crate::rollout::Ladder;
use crate::store;
use crate::view::coverage::Covered;
use crate::view::page::Layout;
use crate::view::printer::Format;
use crate::view::report::{self as view, Days, Part, Read, Report, Way};
use crate::view::status::Gates;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Make a page that shows where the gates stand, what holds them, and what is open
///
/// One page of HTML for platform leads, security and auditors, which needs nothing but itself: gates by environment and ring, what holds
/// each, violations over time, coverage by cluster, weakenings, exemptions and when they end, drift, and what watches at run time. What
/// could not be read is said in its place; the page is written all the same, and the command ends with 1. Nothing is written to Azure; the
/// role Reader is enough.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate report --sandbox --out report.html
  aksgate report prod --trend 30d --out prod.html
  aksgate report --no-trend --format markdown >> \"$GITHUB_STEP_SUMMARY\"")]
pub(super) struct Args {
    /// The environments [default: all of the estate]
    #[arg(value_name = "ENV")]
    envs: Vec<String>,
    /// Write the page to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show how many rules were broken on each of the last days; a call for each cluster, for 200 clusters at most
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = context::period)]
    trend: Period,
    /// Leave the last days out
    #[arg(long, conflicts_with = "trend")]
    no_trend: bool,
    /// List at most this many clusters of each environment on the page, those with open gates first
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Of how many clusters the history is asked for: that is a call for each.
const MOST_HISTORIES: usize = 200;

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let days = if args.no_trend { None } else { Some(days(args.trend)?) };
    let loaded = context.estate()?;
    let named = loaded.named(&args.envs)?;
    if let Some(path) = &args.out {
        replaceable(path)?;
    }
    let mut environments = Vec::new();
    for environment in named {
        let read = read(context, &loaded, environment, days).await;
        environments.push(view::Environment::of(
            environment,
            read.map_err(CommandError::into_line),
        ));
    }
    let report = Report {
        owner: loaded.estate.owner.clone(),
        version: env!("CARGO_PKG_VERSION"),
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
        environments,
    };
    let exit = if report.has_failed() { Exit::Failed } else { Exit::Done };
    if let Some(path) = &args.out {
        let page = view::to_html(&report)
            .map_err(|error| CommandError::failed("the page cannot be made").caused_by(&error))?;
        store::replace(path, page.as_bytes()).map_err(|error| {
            CommandError::failed(format!("the page cannot be written to `{}`", path.display()))
                .detail(error.to_string())
        })?;
    }
    print(context, &report, exit);
    context.summarize(|| view::to_markdown(&report));
    if let Some(path) = &args.out {
        context.printer.note(&format!("The page is in {}.", path.display()));
    }
    Ok(exit)
}

fn print(context: &Context, report: &Report, exit: Exit) {
    let printer = &context.printer;
    match printer.format {
        Format::Human => printer.data(&view::human(
            report,
            Layout {
                paint: printer.out,
                width: printer.width,
            },
        )),
        Format::Markdown => printer.data(&view::to_markdown(report)),
        Format::Json => printer.data(&crate::view::text::json(&json!({
            "formatVersion": 1,
            "command": "report",
            "outcome": exit.outcome(),
            "exitCode": exit.code(),
            "owner": report.owner,
            "version": report.version,
            "time": report.time().map(|time| time.to_string()),
            "summary": view::summary(report),
            "environments": view::to_json(report),
        }))),
    }
}

/// Refuses to write a page over a file that is none of ours.
fn replaceable(path: &Path) -> Result<(), CommandError> {
    /// Where a page of ours says so, it does before this.
    const START: u64 = 2_048;
    if path == Path::new("-") {
        return Err(CommandError::usage("`--out -` names no file")
            .hint("`--format markdown` and `--format json` print a report on standard output"));
    }
    let cannot = |why: String| CommandError::failed(format!("`{}` cannot be written", path.display())).detail(why);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if parent.is_some_and(|parent| !store::is_folder(parent)) {
        return Err(cannot("its folder is not there".to_owned()));
    }
    let there = match store::read_start(path, START) {
        Ok(Some(there)) => there,
        Ok(None) => return Ok(()),
        Err(error) => return Err(cannot(error.to_string())),
    };
    match String::from_utf8_lossy(&there).contains(view::GENERATOR) {
        true => Ok(()),
        false => Err(
            CommandError::failed(format!("`{}` is there and is no report", path.display()))
                .detail("it was left as it is")
                .hint("name another file"),
        ),
    }
}

/// Reads an environment: what is live once, what its clusters report once, and what watches them.
async fn read(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    days: Option<u64>,
) -> Result<Read, CommandError> {
    let connection = context.connect(&loaded.dir, environment)?;
    let (seen, watched) = futures::join!(
        look(context, loaded, environment, &connection, (&[], false)),
        watched(context, loaded, environment, &connection),
    );
    let mut seen = seen?;
    let owner = &loaded.estate.owner;
    let heard = heard(loaded, environment, &connection, &mut seen).await;
    let heard = heard.map_err(CommandError::into_line);
    let standing = evidence::generations(owner, environment, &seen.observed, &[]);
    let (coverage, compliance) = match &heard {
        Ok(heard) => (
            Part::Read(covered((loaded, environment), &connection, &seen, heard, &standing)),
            Part::Read({
                let mut newest = evidence::standing(owner, environment, &seen.observed, &[]);
                newest.retain(Standing::judges);
                compliance::compared(&newest, heard, None, seen.now)
            }),
        ),
        Err(why) => (Part::Unread(why.clone()), Part::Unread(why.clone())),
    };
    let trend = match days {
        None => Part::Absent("it was not asked for".to_owned()),
        Some(days) => last_days(owner, environment, &connection, (&seen.observed, seen.now), days).await,
    };
    let by_assignment = heard.as_ref().map(|heard| heard.gates.clone()).unwrap_or_default();
    let why_unheard = heard.as_ref().err().cloned();
    seen.heard = heard.unwrap_or_default();
    evidence::keep_decisive(owner, environment, &seen.observed, &mut seen.heard);
    let gathered = planned(loaded, environment, &connection, seen, (&[], Controls::shown())).await?;
    let mut gates = status::told((loaded, environment), &connection.endpoint, &gathered, &by_assignment);
    if let Some(why) = why_unheard {
        nothing_heard(environment, &mut gates, &why);
    }
    let ways = gates
        .gates
        .iter()
        .map(|gate| way(environment, &gathered, gate))
        .collect();
    let weakenings = gates.gates.iter().flat_map(|gate| {
        let names = [gate.name.clone()];
        let standing = evidence::standing(owner, environment, &gathered.observed, &names);
        let state = standing.first().and_then(|of| of.state.as_ref());
        weakenings(&gate.name, &gate.relaxed, state)
    });
    let weakenings = weakenings.collect();
    let soon = (gathered.now, loaded.estate.expiry_warning);
    let let_off = let_off((owner, environment), &gathered.observed, soon);
    let drift = drift_of(loaded, environment, &connection, gathered).await;
    tell_calls(context, &connection);
    Ok(Read {
        gates,
        ways,
        coverage,
        compliance,
        trend,
        weakenings,
        let_off,
        drift,
        runtime: watched,
    })
}

/// Reads what the clusters report of every gate that judges what is let in.
async fn heard(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    seen: &mut Seen,
) -> Result<Evidence, CommandError> {
    let exact = exact(&connection.client, &mut seen.observed).await;
    exact.map_err(|error| arm_error(&error))?;
    let standing = evidence::generations(&loaded.estate.owner, environment, &seen.observed, &[]);
    evidence::read(loaded, environment, connection, (&seen.observed, seen.now), &standing).await
}

fn covered(
    of: (&LoadedEstate, &Environment),
    connection: &Connection,
    seen: &Seen,
    heard: &Evidence,
    standing: &[Standing<'_>],
) -> Covered {
    let (gates, clusters) = judged(of, (&seen.observed, heard), standing, (seen.now, &[]));
    Covered {
        endpoint: connection.endpoint.clone(),
        time: seen.now,
        gates,
        clusters,
        details: true,
    }
}

/// Reads what the service kept of the last days.
async fn last_days(
    owner: &str,
    environment: &Environment,
    connection: &Connection,
    (observed, now): (&Observed, Timestamp),
    days: u64,
) -> Part<Days> {
    let mut standing = evidence::standing(owner, environment, observed, &[]);
    standing.retain(Standing::judges);
    if standing.is_empty() {
        return Part::Absent("no gate that judges what is let in stands here yet".to_owned());
    }
    let assignments: Vec<&ResourceId> = standing.iter().map(|of| &of.assignment.id).collect();
    let mut clusters: Vec<&ResourceId> = observed.clusters.iter().map(|cluster| &cluster.id).collect();
    clusters.sort_by_key(|cluster| (cluster.name(), cluster.key()));
    let of = clusters.len();
    clusters.truncate(MOST_HISTORIES);
    // What held at the first of the days was reported before it.
    let back = Period::from_seconds(days.saturating_add(1).saturating_mul(86_400));
    let rows = match history(&connection.client, &clusters, &assignments, (back, now)).await {
        Ok(rows) => rows,
        Err(error) => return Part::Unread(evidence_error(&error).into_line()),
    };
    let of_gate = |standing: &Standing<'_>| {
        let trends = clusters.iter().zip(&rows).map(|(cluster, rows)| {
            let is_of = |row: &&StateRow| row.key.assignment == standing.assignment.id;
            let rows: Vec<StateRow> = rows.iter().filter(is_of).cloned().collect();
            trend(cluster, &rows, days, now)
        });
        series(&standing.gate.name, &trends.collect::<Vec<_>>())
    };
    Part::Read(Days {
        series: standing.iter().map(of_gate).collect(),
        clusters: clusters.len(),
        of,
    })
}

/// Reads what watches the clusters at run time.
async fn watched(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
) -> Part<crate::runtime::Runtime> {
    if environment.cloud == Cloud::China {
        return Part::Absent("Azure operated by 21Vianet has no Defender for Cloud".to_owned());
    }
    match runtime::read_with(context, loaded, environment, connection).await {
        Ok(read) => Part::Read(read.runtime),
        Err(error) => Part::Unread(error.into_line()),
    }
}

/// Says of every step that is decided on reports that they could not be read: what is made without them would blame the clusters.
fn nothing_heard(environment: &Environment, gates: &mut Gates, why: &str) {
    for gate in &mut gates.gates {
        let of = environment.gates.get(&gate.name);
        if of.is_none_or(|of| of.kind != InitiativeKind::Admission) {
            continue;
        }
        if let Some(next) = &mut gate.next {
            next.held = vec![Reason {
                guard: "evidence".to_owned(),
                sentence: format!("what the clusters report could not be read: {why}"),
                opens: None,
            }];
        }
    }
}

/// How far a gate is closed, ring by ring.
fn way(environment: &Environment, gathered: &Gathered, gate: &crate::view::status::Gate) -> Way {
    let found = gathered.rollouts.iter().find(|way| way.gate == gate.name);
    let config = environment.gates.get(&gate.name);
    let ladder = match config {
        Some(config) if config.kind == InitiativeKind::Admission => Ladder::new(&environment.rollout.rings),
        _ => Ladder::new(&[]),
    };
    if gate.stage.is_none() {
        return Way::default();
    }
    let position = found.map_or(crate::rollout::Position::Off, furthest);
    let before = found.into_iter().flat_map(|way| &way.before);
    Way {
        rings: rings(ladder, position),
        beside: before
            .map(|(generation, name)| {
                format!(
                    "generation {generation} stays at {name}, while its successor stands at {}",
                    gate.position
                )
            })
            .collect(),
    }
}

/// Compares what was read with the estate, every gate where it was put.
async fn drift_of(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    gathered: Gathered,
) -> Part<crate::view::drift::Comparison> {
    let seen = Seen {
        observed: gathered.observed,
        judgement: gathered.judgement,
        source: None,
        heard: Evidence::default(),
        now: gathered.now,
    };
    match planned(loaded, environment, connection, seen, (&[], Controls::still())).await {
        Ok(still) => Part::Read(drift::comparison(loaded, &connection.endpoint, still)),
        Err(error) => Part::Unread(error.into_line()),
    }
}
