//! `aksgate coverage`

use super::context::{Context, LoadedEstate, arm_error, server_now, tell_calls};
use super::error::{CommandError, Exit};
use super::evidence::{self, Standing};
use super::gather::known_gates;
use super::report_file::{FileFormat, Forms, ReportFile};
use crate::arm::{ArmError, Client};
use crate::config::{Environment, Gate, InitiativeKind};
use crate::coverage::{Assigned, Cell, Engines, Question, engines, judge};
use crate::evidence::{Exempted, exemptions};
use crate::kinds::Kind;
use crate::model::{Effect, ResourceId, Timestamp};
use crate::observe::{self, Evidence, observe};
use crate::observed::Observed;
use crate::rollout::{Ladder, Position};
use crate::view::coverage::{self as view, Covered};
use crate::view::printer::Verbosity;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Show for every cluster which gates are closed, which are open, and why
///
/// A gate is closed at a cluster where what is assigned denies there, the add-on runs, and every rule was heard of since the last change.
/// Exits with 2 if a gate is open at a cluster that it was closed at, but where the estate itself lets it by: an exemption of ours, an
/// ignored cluster, a ring that is not due. Nothing is written; the role Reader is enough.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate coverage --sandbox
  aksgate coverage prod --details
  aksgate coverage prod --cluster aks-prod-weu-01
  aksgate coverage prod --strict --format markdown --report sarif=coverage.sarif")]
pub(super) struct Args {
    /// The environments [default: all of the estate]
    #[arg(value_name = "ENV")]
    envs: Vec<String>,
    /// Look at this gate only; can be given more than once
    #[arg(long, value_name = "GATE", requires = "envs")]
    gate: Vec<String>,
    /// Look at this cluster only, in detail; can be given more than once
    #[arg(long, value_name = "NAME")]
    cluster: Vec<String>,
    /// Show every gate at every cluster with its reasons
    #[arg(long)]
    details: bool,
    /// Exit with 2 too where nobody can say whether a gate that was closed is
    #[arg(long)]
    strict: bool,
    /// Write the result to a file too; can be given more than once
    #[arg(long, value_name = "FORMAT=FILE", value_parser = ReportFile::one_of(&FORMATS))]
    report: Vec<ReportFile>,
}

/// The forms of files that it writes.
const FORMATS: [FileFormat; 3] = [FileFormat::Sarif, FileFormat::Json, FileFormat::Markdown];

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let mut environments = Vec::new();
    for environment in loaded.named(&args.envs)? {
        let read = cover(context, &loaded, environment, args).await;
        environments.push(view::Environment::of(
            environment,
            read.map_err(CommandError::into_line),
        ));
    }
    let read = || {
        environments
            .iter()
            .filter_map(|environment| environment.read.as_ref().ok())
    };
    known_clusters(&args.cluster, read())?;
    let failed = environments.iter().any(|environment| environment.read.is_err());
    let (open, doubts) = (
        read().map(Covered::breaches).sum::<usize>(),
        read().map(Covered::doubts).sum::<usize>(),
    );
    let (exit, outcome) = match (failed, open, doubts) {
        (true, ..) => (Exit::Failed, Exit::Failed.outcome()),
        (false, 0, 0) => (Exit::Done, "covered"),
        (false, 0, _) if args.strict => (Exit::Pending, "unknown"),
        (false, 0, _) => (Exit::Done, "unknown"),
        (false, ..) => (Exit::Pending, "open"),
    };
    let document = || -> Value {
        json!({
            "formatVersion": 1,
            "command": "coverage",
            "outcome": outcome,
            "exitCode": exit.code(),
            "environments": view::to_json(&environments),
        })
    };
    let forms = Forms {
        human: &|layout| view::human(&environments, layout),
        markdown: &|| view::to_markdown(&environments),
        document: &document,
        sarif: &|| view::to_sarif(&environments),
        other: None,
    };
    forms.tell(context, &args.report)?;
    Ok(exit)
}

/// Refuses clusters that are in none of the environments: a slip of the pen would find nothing open.
fn known_clusters<'a>(names: &[String], read: impl Iterator<Item = &'a Covered>) -> Result<(), CommandError> {
    let found: BTreeSet<String> = read
        .flat_map(|read| &read.clusters)
        .map(|cluster| cluster.name.to_lowercase())
        .collect();
    match names.iter().find(|name| !found.contains(&name.to_lowercase())) {
        None => Ok(()),
        Some(name) => Err(CommandError::failed(format!("no cluster `{name}` is in scope"))
            .hint("`aksgate coverage ENV` lists all of them")),
    }
}

/// Judges the gates of an environment at its clusters.
async fn cover(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    args: &Args,
) -> Result<Covered, CommandError> {
    known_gates(environment, &args.gate)?;
    let connection = context.connect(&loaded.dir, environment)?;
    let client = &connection.client;
    let mut observed = observe(client, environment).await.map_err(|error| arm_error(&error))?;
    let now = server_now(&connection, &context.printer)?;
    exact(client, &mut observed).await.map_err(|error| arm_error(&error))?;
    let owner = &loaded.estate.owner;
    let standing = evidence::generations(owner, environment, &observed, &args.gate);
    let heard = evidence::read(loaded, environment, &connection, (&observed, now), &standing).await?;
    tell_calls(context, &connection);
    let (gates, mut clusters) = judged((loaded, environment), (&observed, &heard), &standing, (now, &args.gate));
    let named = |cluster: &view::Cluster| {
        let mut names = args.cluster.iter();
        names.any(|name| name.eq_ignore_ascii_case(&cluster.name))
    };
    clusters.retain(|cluster| args.cluster.is_empty() || named(cluster));
    Ok(Covered {
        endpoint: connection.endpoint.clone(),
        time: now,
        gates,
        clusters,
        details: args.details || !args.cluster.is_empty() || context.printer.verbosity == Verbosity::Verbose,
    })
}

/// Reads exactly the clusters on which a gate would not act: Resource Graph may be behind, and of what would be open ARM says whether it is.
pub(super) async fn exact(client: &Client, observed: &mut Observed) -> Result<(), ArmError> {
    let known: BTreeSet<&ResourceId> = observed.clusters.iter().map(|cluster| &cluster.id).collect();
    let doubtful: Vec<(Kind, ResourceId)> = crate::desired::uncovered(observed)
        .into_iter()
        .map(|uncovered| uncovered.id)
        .filter(|id| known.contains(id))
        .map(|id| (Kind::ManagedCluster, id))
        .collect();
    observe::refine(client, observed, &doubtful).await
}

/// Judges the gates that judge what is let in at each cluster, both by name; of `gates` only, with any named.
pub(super) fn judged(
    (loaded, environment): (&LoadedEstate, &Environment),
    (observed, heard): (&Observed, &Evidence),
    standing: &[Standing<'_>],
    (now, gates): (Timestamp, &[String]),
) -> (Vec<view::Gate>, Vec<view::Cluster>) {
    let meant = |gate: &&Gate| {
        gate.kind == InitiativeKind::Admission
            && !loaded.is_defender(gate)
            && (gates.is_empty() || gates.contains(&gate.name))
    };
    let ours = owned_only(&loaded.estate.owner, environment, observed);
    let judged: Vec<(view::Gate, Vec<Cell>)> = environment
        .gates
        .values()
        .filter(meant)
        .map(|gate| one_gate(environment, gate, (observed, &ours, heard), standing, now))
        .collect();
    let clusters = observed.clusters.iter().enumerate().map(|(at, cluster)| view::Cluster {
        name: cluster.id.name().to_owned(),
        id: cluster.id.as_str().to_owned(),
        location: cluster.location.clone(),
        cells: judged.iter().filter_map(|(_, cells)| cells.get(at).cloned()).collect(),
    });
    let mut clusters: Vec<view::Cluster> = clusters.collect();
    clusters.sort_by(|one, two| (&one.name, &one.id).cmp(&(&two.name, &two.id)));
    (judged.into_iter().map(|(gate, _)| gate).collect(), clusters)
}

/// What is live and ours: who made an exemption decides whether the estate wants it.
fn owned_only(owner: &str, environment: &Environment, observed: &Observed) -> Observed {
    let mut ours = Observed::default();
    for (object, _) in observed.owned(owner, &environment.name) {
        ours.insert(object.clone());
    }
    ours
}

fn one_gate(
    environment: &Environment,
    gate: &Gate,
    (observed, ours, heard): (&Observed, &Observed, &Evidence),
    standing: &[Standing<'_>],
    now: Timestamp,
) -> (view::Gate, Vec<Cell>) {
    let rollout = &environment.rollout;
    let ladder = Ladder::new(&rollout.rings);
    // What is closed for some namespaces only closes no cluster.
    let here = environment.scope.path();
    let closes_clusters = |of: &&Standing<'_>| {
        let mark = of.assignment.mark();
        mark.is_none_or(|mark| mark.is_whole()) || !of.assignment.id.scope().eq_ignore_ascii_case(&here)
    };
    let of_gate: Vec<&Standing<'_>> = standing
        .iter()
        .filter(|of| of.gate.name == gate.name)
        .filter(closes_clusters)
        .collect();
    let exempted: Vec<Vec<(Exempted, bool)>> = of_gate
        .iter()
        .map(|of| {
            let known = exemptions(ours, &of.assignment.id, now);
            let all = exemptions(observed, &of.assignment.id, now).into_iter();
            all.map(|exempted| {
                let is_ours = known.contains(&exempted);
                (exempted, is_ours)
            })
            .collect()
        })
        .collect();
    let effects: Vec<BTreeMap<(ResourceId, String), Effect>> =
        of_gate.iter().map(|of| effects(&of.assignment.id, heard)).collect();
    let assigned: Vec<Assigned<'_>> = of_gate
        .iter()
        .zip(exempted.iter().zip(&effects))
        .filter_map(|(of, (exemptions, effects))| {
            Some(Assigned {
                object: of.assignment,
                evidence: evidence::of(of, heard)?,
                exemptions,
                effects,
            })
        })
        .collect();
    let cells = judge(Question {
        ladder,
        assigned: &assigned,
        clusters: &observed.clusters,
        settle: rollout.settle,
        now,
    });
    let put = of_gate
        .iter()
        .filter_map(|of| Position::parse(&of.state.as_ref()?.position));
    let newest = assigned.last();
    let members = newest.and_then(|assigned| assigned.evidence.clusters.first());
    let members: Vec<String> = members
        .iter()
        .flat_map(|cluster| cluster.members.keys().cloned())
        .collect();
    let excluded = newest.and_then(|assigned| {
        let list = assigned
            .object
            .wire
            .pointer("/properties/parameters/excludedNamespaces/value");
        list.and_then(Value::as_array)
    });
    let excluded = excluded
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned);
    let shown = view::Gate {
        name: gate.name.clone(),
        position: match put.max() {
            Some(position) => ladder.name(position),
            None => "not assigned".to_owned(),
        },
        engines: newest.map_or_else(Engines::default, |assigned| {
            engines(observed, assigned.object, &members)
        }),
        excluded: excluded.collect(),
    };
    (shown, cells)
}

/// The effects that members of an assignment last reported to have.
fn effects(assignment: &ResourceId, heard: &Evidence) -> BTreeMap<(ResourceId, String), Effect> {
    let mut newest: BTreeMap<(ResourceId, String), (Timestamp, Option<Effect>)> = BTreeMap::new();
    for row in &heard.rows.of(assignment).states {
        let key = (row.key.resource.clone(), row.key.member.clone());
        let found = (row.key.reported, row.key.effect);
        let known = newest.entry(key).or_insert(found);
        if found.0 > known.0 {
            *known = found;
        }
    }
    newest
        .into_iter()
        .filter_map(|(key, (_, effect))| Some((key, effect?)))
        .collect()
}
