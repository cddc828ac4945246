//! What `plan` and `apply` have in common: read what is live, say what should be there, and make the plan of it.

use super::context::{Connection, Context, LoadedEstate, arm_error, server_now};
use super::error::CommandError;
use super::evidence;
use crate::catalog::Catalog;
use crate::config::{Environment, Estate};
use crate::desired::{self, Controls, Desired, DesiredError, DesiredObject, GateRollout, Sources};
use crate::evidence::{AllRows, Forecast, GateEvidence};
use crate::kinds::{Kind, Meanings};
use crate::lock::{self, Judgement};
use crate::model::{Period, ResourceId, Scope, Timestamp};
use crate::observe::{Evidence, built_ins, clusters_again, observe, refine};
use crate::observed::Observed;
use crate::plan::reverse::lets_through;
use crate::plan::{Action, Exceeded, Finding, Header, Inputs, NOT_ASKED_FOR, Plan, Required, Step, exceeded, make};
use crate::render::Renderer;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long a plan can be applied.
const VALID: Period = Period::from_seconds(24 * 3_600);

/// A plan with what carrying it out needs.
#[derive(Debug)]
pub struct Gathered {
    /// The plan.
    pub plan: Plan,
    /// The documents to write, by kind and object.
    pub documents: BTreeMap<(Kind, ResourceId), Arc<Value>>,
    /// What is live.
    pub observed: Observed,
    /// Where the gates stand on their way.
    pub rollouts: Vec<GateRollout>,
    /// What Azure has of the built-ins in use, judged.
    pub judgement: Judgement,
    /// What the positions of gates were decided on besides.
    pub controls: Controls,
    /// What others assign of the gates' content.
    pub overlaps: Vec<Finding>,
    /// What is required, does not hold, and is written by somebody else.
    pub required: Vec<Required>,
    /// What the parameters of each document are to its rules.
    pub meanings: BTreeMap<(Kind, ResourceId), Meanings>,
    /// Steps that a person takes whatever is heard of the clusters, by kind and object.
    pub unasked: BTreeSet<(Kind, ResourceId)>,
    /// Now, by ARM's clock.
    pub now: Timestamp,
}

/// What was read of an environment: enough to make plans of it.
#[derive(Debug)]
pub(super) struct Seen {
    /// What is live.
    pub(super) observed: Observed,
    /// What Azure has of the built-ins in use, judged.
    pub(super) judgement: Judgement,
    /// What is live in the environment that gates come from, or why it could not be read.
    pub(super) source: Option<Result<Observed, String>>,
    /// What was heard of the clusters.
    pub(super) heard: Evidence,
    /// Now, by ARM's clock.
    pub(super) now: Timestamp,
}

/// Makes the plan of an environment; with gates named, of these only. `controls` says what a person asks for; what was heard of the
/// clusters is filled in.
pub async fn gather(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    (gates, controls): (&[String], Controls),
) -> Result<Gathered, CommandError> {
    let mut seen = look(context, loaded, environment, connection, (gates, controls.still)).await?;
    // Where no gate takes a step, nothing is decided on evidence.
    if !controls.still {
        let known = (&seen.observed, seen.now);
        seen.heard = evidence::heard(loaded, environment, connection, known, gates).await?;
    }
    planned(loaded, environment, connection, seen, (gates, controls)).await
}

/// Reads what plans of an environment are made of, but for what its clusters report.
pub(super) async fn look(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    (gates, still): (&[String], bool),
) -> Result<Seen, CommandError> {
    known_gates(environment, gates)?;
    // What cannot be rendered is told before the first call.
    rendered_offline((&loaded.estate, &loaded.catalog), &loaded.renderer, environment, gates)
        .map_err(|error| desired_error(&error))?;
    let uses = match &loaded.lock {
        Some(_) => lock::in_use(&loaded.estate, environment, gates),
        None => lock::Uses::new(),
    };
    let client = &connection.client;
    let source = async {
        Ok(match still {
            true => None,
            false => source(loaded, environment, connection).await,
        })
    };
    let (observed, (uses, live), source) =
        futures::try_join!(observe(client, environment), built_ins(client, uses), source)
            .map_err(|error| arm_error(&error))?;
    let now = server_now(connection, &context.printer)?;
    let judgement = lock::judge(loaded.lock.as_ref(), environment, gates, (&uses, &live));
    Ok(Seen {
        observed,
        judgement,
        source,
        heard: Evidence::default(),
        now,
    })
}

/// Makes a plan of what was read; objects that it would write are read exactly first.
pub(super) async fn planned(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    seen: Seen,
    (gates, mut controls): (&[String], Controls),
) -> Result<Gathered, CommandError> {
    let Seen {
        mut observed,
        judgement,
        source,
        heard,
        now,
    } = seen;
    not_lost(&judgement.lost)?;
    controls.source = source;
    let Evidence { rows, gates: evidence } = heard;
    controls.evidence = evidence;
    let mut wanted = want(loaded, environment, (&observed, &judgement, &controls), now, gates)?;
    let doubtful = doubtful(&observed, &wanted, controls.still);
    if !doubtful.is_empty() {
        refine(&connection.client, &mut observed, &doubtful)
            .await
            .map_err(|error| arm_error(&error))?;
        wanted = want(loaded, environment, (&observed, &judgement, &controls), now, gates)?;
    }
    wanted.findings.extend(judgement.findings.iter().cloned());
    wanted.findings.extend(orphans(loaded, environment, &observed));
    let header = header(loaded, environment, connection, (gates, now));
    let Desired {
        objects,
        held,
        findings,
        rollouts,
        overlaps,
        required,
    } = wanted;
    let inputs = Inputs {
        header,
        owner: &loaded.estate.owner,
        desired: &objects,
        observed: &observed,
        held,
        findings,
        gates,
        renamed: &environment.renamed_gates(),
        why_gone: NOT_ASKED_FOR,
    };
    let mut plan = make(inputs);
    told_limits(&mut plan, environment, (&loaded.estate.owner, &observed), &controls);
    plan.forecasts = forecasts(loaded, environment, (&observed, &controls.evidence, &rows), gates);
    let meanings = objects.iter().map(|object| {
        let name = (object.kind, object.id.clone());
        (name, object.meanings.clone())
    });
    let meanings = meanings.collect();
    let documents = objects
        .into_iter()
        .map(|object| ((object.kind, object.id), object.body))
        .collect();
    Ok(Gathered {
        plan,
        documents,
        observed,
        rollouts,
        judgement,
        controls,
        overlaps,
        required,
        meanings,
        unasked: BTreeSet::new(),
        now,
    })
}

/// Returns the header of a plan that is made now.
pub(super) fn header(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
    (gates, now): (&[String], Timestamp),
) -> Header {
    let gates: BTreeSet<String> = gates.iter().cloned().collect();
    Header {
        environment: environment.name.clone(),
        scope: environment.scope.to_string(),
        tenant: environment.tenant.clone(),
        endpoint: connection.endpoint.clone(),
        gates: gates.into_iter().collect(),
        config_digest: loaded.digest.clone(),
        time: now,
        expires: now.plus(VALID),
        plan_id: String::new(),
    }
}

/// Says what stands in Azure of environments whose files are gone. It is never planned here: what one environment has is not for another
/// to delete.
fn orphans(loaded: &LoadedEstate, environment: &Environment, observed: &Observed) -> Vec<Finding> {
    let known = |name: &str| loaded.estate.environments.contains_key(name);
    let orphans = observed.orphans(&loaded.estate.owner, known);
    let told = orphans.into_iter().map(|(name, objects)| {
        let assigned = objects.iter().filter(|object| object.kind == Kind::PolicyAssignment);
        let scopes: BTreeSet<&str> = assigned.map(|object| object.id.scope()).collect();
        let scope = match scopes.iter().min_by_key(|path| path.len()).and_then(|path| Scope::parse(path)) {
            Some(scope) => scope.to_string(),
            None => environment.scope.to_string(),
        };
        let (count, objects) = match objects.len() {
            1 => ("1", "object"),
            count => (&*count.to_string(), "objects"),
        };
        let tenant = &environment.tenant;
        Finding {
            subject: environment.name.clone(),
            sentence: format!(
                "{count} {objects} of environment `{name}`, which the estate no longer has, stand here and go on acting: bring \
                 `environments/{name}.yaml` back, or `aksgate retire {name} --scope {scope} --tenant {tenant} --reason TEXT`"
            ),
        }
    });
    told.collect()
}

/// Decides once more on a step that relies on evidence, with the clusters as they are and what is heard of them this moment.
///
/// # Errors
/// Why the step may no longer be taken.
pub async fn still_open(
    connection: &Connection,
    (loaded, environment, gathered): (&LoadedEstate, &Environment, &Gathered),
    step: &Step,
) -> Result<(), String> {
    let Some(gate) = &step.gate else { return Ok(()) };
    if gathered.unasked.contains(&(step.kind, step.object.clone())) {
        return Ok(());
    }
    let time = connection.client.server_time();
    let now = time.map_or(gathered.now, |time| time.server);
    let observed = clusters_again(&connection.client, environment, &gathered.observed)
        .await
        .map_err(|error| format!("the clusters cannot be read again: {error}"))?;
    let evidence = evidence::heard_now(loaded, environment, connection, (&observed, now), gate)
        .await
        .map_err(|error| format!("its evidence cannot be read again: {}", error.summary))?;
    let controls = Controls {
        evidence,
        ..gathered.controls.clone()
    };
    let gates = std::slice::from_ref(gate);
    let inputs = (&observed, &gathered.judgement, &controls);
    let wanted = want(loaded, environment, inputs, now, gates).map_err(|error| error.summary)?;
    let found = wanted
        .objects
        .iter()
        .find(|object| object.kind == step.kind && object.id == step.object);
    let live = observed.get(step.kind, &step.object).map(|live| &live.wire);
    let after = found.map(|object| step.kind.comparable(&step.kind.merged(&object.body, live)));
    let planned = step.after.clone().filter(|_| step.action != Action::Delete);
    let open = match (&after, &planned) {
        // What closes no further than it may now is let through too.
        (Some(after), Some(planned)) => after == planned || lets_through(step.kind, after, planned),
        (after, planned) => after == planned,
    };
    if open {
        return Ok(());
    }
    let held = wanted.held.iter().filter(|held| held.subject == *gate);
    let reasons: Vec<String> = held
        .flat_map(|held| &held.reasons)
        .map(|reason| format!("{}: {}", reason.guard, reason.sentence))
        .collect();
    if reasons.is_empty() {
        let why =
            "what is to be written is not what the plan shows, as the clusters changed since it was made: plan again";
        return Err(why.to_owned());
    }
    Err(format!(
        "a guard has closed since the plan was made: {}",
        reasons.join("; ")
    ))
}

/// Says in a plan which limits it passes.
pub(super) fn told_limits(
    plan: &mut Plan,
    environment: &Environment,
    (owner, observed): (&str, &Observed),
    controls: &Controls,
) {
    // What a command is given for counts against no limit.
    let ordered = |step: &Step| step.gate.as_ref().is_some_and(|gate| controls.weakens(gate));
    let owned = observed.count_owned(owner, &environment.name);
    plan.exceeded = exceeded(plan, &environment.limits, owned, |step| !ordered(step));
    plan.findings.splice(0..0, plan.exceeded.iter().map(over_limit));
}

/// Says that an apply would refuse the plan.
fn over_limit(exceeded: &Exceeded) -> Finding {
    let (sentence, option) = (exceeded.sentence(), exceeded.option());
    Finding {
        subject: format!("limits.{}", exceeded.limit.name()),
        sentence: format!("{sentence}: apply refuses it, unless with `{option}`"),
    }
}

/// What is live in the environment that gates come from, where they come from one.
async fn source(
    loaded: &LoadedEstate,
    environment: &Environment,
    connection: &Connection,
) -> Option<Result<Observed, String>> {
    let name = environment.rollout.promotes_from.as_deref()?;
    let source = loaded.estate.environments.get(name)?;
    if source.cloud != environment.cloud || source.tenant != environment.tenant {
        return Some(Err("it is in another tenant or cloud".to_owned()));
    }
    let observed = observe(&connection.client, source).await;
    Some(observed.map_err(|error| error.to_string()))
}

/// Returns the documents that an environment wants now.
pub fn want(
    loaded: &LoadedEstate,
    environment: &Environment,
    (observed, judgement, controls): (&Observed, &Judgement, &Controls),
    now: Timestamp,
    gates: &[String],
) -> Result<Desired, CommandError> {
    let (estate, renderer) = (&loaded.estate, &loaded.renderer);
    let sources = Sources {
        estate,
        environment,
        catalog: &loaded.catalog,
        unaccepted: &judgement.unaccepted,
        renderer,
        observed,
        controls,
        now,
    };
    desired::objects(sources, gates).map_err(|error| desired_error(&error))
}

/// Says of the gates that are to deny and do not yet who would be hit.
fn forecasts(
    loaded: &LoadedEstate,
    environment: &Environment,
    (observed, heard, rows): (&Observed, &BTreeMap<ResourceId, GateEvidence>, &AllRows),
    gates: &[String],
) -> Vec<Forecast> {
    let owner = &loaded.estate.owner;
    let standing = evidence::standing(owner, environment, observed, gates);
    let climbing = standing.iter().filter(|of| of.is_to_deny());
    let forecasts = climbing.filter_map(|of| evidence::forecast(of, heard, rows));
    forecasts.filter(Forecast::says_something).collect()
}

/// Returns the documents of an environment as far as they can be made without asking Azure.
///
/// # Errors
/// A template that cannot be filled, or a document over one of Azure's limits.
pub fn rendered_offline(
    (estate, catalog): (&Estate, &Catalog),
    renderer: &Renderer,
    environment: &Environment,
    gates: &[String],
) -> Result<Vec<DesiredObject>, DesiredError> {
    let observed = Observed::default();
    let sources = Sources {
        estate,
        environment,
        catalog,
        unaccepted: &BTreeMap::new(),
        renderer,
        observed: &observed,
        controls: &Controls::default(),
        now: Timestamp::from_seconds(0),
    };
    desired::offline(sources, gates)
}

/// Refuses to plan on built-ins that Azure does not have: their gates would be weaker, or could not be written.
fn not_lost(lost: &[String]) -> Result<(), CommandError> {
    if lost.is_empty() {
        return Ok(());
    }
    let mut error = CommandError::failed("azure does not have a built-in that a gate needs; nothing was planned");
    for line in lost {
        error = error.detail(line.clone());
    }
    Err(error.hint(
        "take it out of the initiative, or put another one in its place; `aksgate catalog` lists those that are known",
    ))
}

/// The objects that would be written or are held, and are known from Resource Graph only: it may be behind. Where nothing is to be written,
/// those count too that lack what somebody else has to see to.
fn doubtful(observed: &Observed, wanted: &Desired, still: bool) -> Vec<(Kind, ResourceId)> {
    let held: BTreeSet<&str> = wanted.held.iter().map(|held| held.subject.as_str()).collect();
    let differs = |object: &&DesiredObject| {
        observed.get(object.kind, &object.id).is_some_and(|live| {
            let after = object.kind.merged(&object.body, Some(&live.wire));
            object.kind.comparable(&after) != live.comparable()
        })
    };
    let written = wanted.objects.iter().filter(differs);
    let mut doubtful: BTreeSet<(Kind, ResourceId)> = written.map(|object| (object.kind, object.id.clone())).collect();
    doubtful.retain(|object| observed.unsure.contains(object));
    let held = observed.unsure.iter().filter(|(_, id)| held.contains(id.name()));
    doubtful.extend(held.cloned());
    let lacking = wanted
        .required
        .iter()
        .filter(|_| still)
        .map(|required| (required.kind, required.object.clone()));
    doubtful.extend(lacking.filter(|object| observed.unsure.contains(object)));
    doubtful.into_iter().collect()
}

/// Refuses gates that the environment does not have.
pub fn known_gates(environment: &Environment, gates: &[String]) -> Result<(), CommandError> {
    let Some(unknown) = gates.iter().find(|gate| !environment.gates.contains_key(*gate)) else {
        return Ok(());
    };
    let names: Vec<&str> = environment.gates.keys().map(String::as_str).collect();
    let error =
        CommandError::failed(format!("environment `{}` has no gate `{unknown}`", environment.name)).detail(format!(
            "it has {}",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        ));
    Err(match crate::diagnostic::did_you_mean(unknown, names) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    })
}

/// Returns what cannot be rendered as an error of a command.
pub fn desired_error(error: &DesiredError) -> CommandError {
    CommandError::failed("the documents cannot be rendered").caused_by(error)
}
