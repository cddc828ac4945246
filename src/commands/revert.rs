//! `aksgate revert`

use super::apply::{Consent, finish};
use super::context::{Connection, Context, LoadedEstate, arm_error};
use super::error::{CommandError, Exit};
use super::gather::{self, Gathered};
use super::limit_args::LimitArgs;
use super::past_guards::PastGuards;
use super::{plan, recording};
use crate::catalog::role_name;
use crate::config::{Environment, Initiative, InitiativeKind};
use crate::desired::Controls;
use crate::journal::Run;
use crate::kinds::Kind;
use crate::model::ResourceId;
use crate::observe::refine;
use crate::plan::reverse::{Ground, Reversal, Written, reverse, without_pauses};
use crate::plan::{Action, Checked, Finding, Inputs, Plan, Step, make};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Take back what a run wrote
///
/// Makes a plan from the journal of the run: what it made goes, what it deleted is made again, what it changed gets back what stood there.
/// Only objects that are still as the run left them are touched; of the others the plan says who wrote them since. A step that would close
/// a gate further waits for its guards like any other, and what weakens has to be allowed. The plan says what cannot be undone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate revert run-20270104-080000-0d3ac5aa5d1e --plan-only
  aksgate revert run-20270104-080000-0d3ac5aa5d1e
  aksgate revert run-20270104-080000-0d3ac5aa5d1e --allow-weakening exposure --reason 'too early'")]
pub(super) struct Args {
    /// The run, as `aksgate runs` names it
    run: String,
    /// Show the plan and write nothing
    #[arg(long, conflicts_with = "yes")]
    plan_only: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Allow the steps that weaken this gate or object, for the --reason that is given; can be given more than once
    #[arg(long, value_name = "NAME")]
    allow_weakening: Vec<String>,
    /// Where the journals lie, and that of this run is kept [default: .aksgate/runs of the estate]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    past: PastGuards,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let reason = args.past.reason_for(!args.allow_weakening.is_empty())?;
    let loaded = context.estate()?;
    let past = recording::read(&recording::folder(&loaded.dir, args.journal.as_deref()), &args.run)?;
    let environment = of_this_estate(&past, &loaded)?;
    let _alone = recording::alone(&loaded, &environment.name)?;
    let connection = context.connect(&loaded.dir, environment)?;
    same("ARM endpoint", &past.start.endpoint, &connection.endpoint)?;
    let controls = Controls {
        overrides: args.past.overrides()?,
        ..Controls::default()
    };
    let of = (&loaded, environment);
    let gathered = gather(context, of, &connection, (&past, controls)).await?;
    if args.plan_only {
        plan::print(context, &gathered.plan, "revert", Exit::Done);
        return Ok(Exit::Done);
    }
    let consent = Consent {
        yes: args.yes,
        weakenings: &args.allow_weakening,
        reason: reason.as_deref(),
        limits: &args.limits,
        command: &format!("revert {}", past.start.run),
        journal: args.journal.as_deref(),
    };
    let checked = Checked::fresh(gathered.plan.clone());
    let of = (&loaded, environment, &gathered);
    finish(context, consent, &checked, of, &connection).await
}

/// Refuses a run that was made of something else than what it would be taken back in.
fn of_this_estate<'a>(past: &Run, loaded: &'a LoadedEstate) -> Result<&'a Environment, CommandError> {
    let start = &past.start;
    let environment = loaded.environment(&start.environment).map_err(|error| {
        let name = &start.environment;
        error.hint(format!(
            "the run was of `{name}`: what a run of an environment wrote is taken back where its file is"
        ))
    })?;
    same("tenant", &start.tenant, &environment.tenant)?;
    same("scope", &start.scope, &environment.scope.to_string())?;
    Ok(environment)
}

fn same(what: &str, written: &str, found: &str) -> Result<(), CommandError> {
    if written.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    Err(CommandError::failed(format!("the run was of another {what}"))
        .detail(format!("it wrote to `{written}`, here it would be `{found}`"))
        .hint("a run is taken back where it was made"))
}

/// Reads what is there and makes the plan that takes the run back.
async fn gather(
    context: &Context,
    (loaded, environment): (&LoadedEstate, &Environment),
    connection: &Connection,
    (past, controls): (&Run, Controls),
) -> Result<Gathered, CommandError> {
    let writes: Vec<Written> = past.writes.iter().filter_map(written).collect();
    let now = gather::gather(context, loaded, environment, connection, (&[], controls)).await?;
    let mut observed = now.observed.clone();
    let clusters: Vec<(Kind, ResourceId)> = writes
        .iter()
        .filter(|write| write.kind == Kind::ManagedCluster.name())
        .filter_map(|write| Some((Kind::ManagedCluster, ResourceId::parse(&write.object)?)))
        .filter(|(kind, id)| observed.get(*kind, id).is_some())
        .collect();
    // What Resource Graph says of a cluster may be old, and has no ETag.
    refine(&connection.client, &mut observed, &clusters)
        .await
        .map_err(|error| arm_error(&error))?;
    let resumed = without_pauses(&observed, &writes);
    let inputs = (&resumed, &now.judgement, &now.controls);
    let wanted = gather::want(loaded, environment, inputs, now.now, &[])?;
    let gates = environment.gates.values();
    let enabling = gates.filter(|gate| gate.kind == InitiativeKind::Enablement);
    let ground = Ground {
        ours: (&loaded.estate.owner, &environment.name),
        scopes: (&environment.scope, &environment.definition_scope),
        observed: &observed,
        wanted: &wanted,
        enabling: &enabling.map(|gate| gate.name.clone()).collect(),
        overrides: &now.controls.overrides,
        is_known_role: |role| role_name(role).is_some(),
        now: now.now,
    };
    let reversal = reverse(&writes, ground).map_err(|forged| {
        CommandError::failed(format!(
            "the journal of `{}` says what no run of this environment writes; nothing was written",
            past.start.run
        ))
        .caused_by(&forged)
    })?;
    let Reversal {
        objects,
        held,
        findings,
        unasked,
    } = reversal;
    let mut plan = make(Inputs {
        header: gather::header(loaded, environment, connection, (&[], now.now)),
        owner: &loaded.estate.owner,
        desired: &objects,
        observed: &observed,
        held,
        findings,
        gates: &[],
        renamed: &BTreeMap::new(),
        why_gone: "the run made it, and is taken back",
    });
    plan.findings
        .extend(done_again((loaded, environment), &plan, &now.plan));
    let documents = objects
        .into_iter()
        .map(|object| ((object.kind, object.id), object.body));
    Ok(Gathered {
        plan,
        documents: documents.collect(),
        observed: resumed,
        unasked,
        ..now
    })
}

/// Returns a write of a run as it was noted before it was sent; none if nothing was sent.
fn written(write: &crate::journal::Write) -> Option<Written> {
    let intent = write.intent.as_ref()?;
    Some(Written {
        kind: intent.kind.clone(),
        object: intent.object.clone(),
        before: intent.before.clone(),
        after: intent.after.clone(),
    })
}

/// Says which files still ask for what is taken back: nothing that is taken back stays so while they do.
fn done_again((loaded, environment): (&LoadedEstate, &Environment), plan: &Plan, estate: &Plan) -> Option<Finding> {
    let wanted = |step: &Step| {
        let found = estate.steps.iter();
        let mut found = found.filter(|wanted| wanted.kind == step.kind && wanted.object == step.object);
        match (found.next(), step.action) {
            // The estate asks for what is there now, which goes or becomes another.
            (Some(wanted), _) if wanted.action == Action::NoOp => true,
            (Some(wanted), Action::Delete) => wanted.action != Action::Delete,
            (Some(wanted), _) => wanted.after != step.after,
            // It asks for no such object: one that is made again goes again.
            (None, action) => action != Action::Delete,
        }
    };
    let steps: Vec<&Step> = plan.pending().filter(|step| wanted(step)).collect();
    if steps.is_empty() {
        return None;
    }
    let mut files = BTreeSet::from([format!("`environments/{}.yaml`", environment.name)]);
    let gates: BTreeSet<&str> = steps.iter().filter_map(|step| step.gate.as_deref()).collect();
    for gate in &gates {
        let initiative = environment.gates.get(*gate).map(|gate| &gate.initiative);
        let named =
            initiative.filter(|name| matches!(loaded.estate.initiatives.get(*name), Some(Initiative::Own { .. })));
        files.extend(named.map(|name| format!("`initiatives/{name}.yaml`")));
    }
    let files: Vec<String> = files.into_iter().collect();
    let pause = if gates.iter().any(|gate| environment.gates.contains_key(*gate)) {
        "; `aksgate rollout pause` keeps a gate from going on by itself"
    } else {
        ""
    };
    Some(Finding {
        subject: environment.name.clone(),
        sentence: format!(
            "the next `apply` does again what the estate still asks for: change {} as well{pause}",
            files.join(" or ")
        ),
    })
}
