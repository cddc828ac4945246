//! `aksgate apply`

use super::context::{Connection, Context, LoadedEstate, interrupted, tell_calls};
use super::earlier::earlier;
use super::error::{CommandError, Exit};
use super::gather::{Gathered, gather, still_open};
use super::limit_args::{LimitArgs, within};
use super::past_guards::PastGuards;
use super::plan::read;
use super::recording::{self, Recording};
use crate::apply::{self, AtOnce, Outcome, Report, Run, Writing};
use crate::config::Environment;
use crate::desired::Controls;
use crate::kinds::Kind;
use crate::plan::{Checked, Plan, Step, exceeded};
use crate::rollout::Guard;
use crate::view::printer::{Format, Verbosity};
use crate::view::text::json;
use crate::view::{apply as view, plan as plan_view};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Write what a plan shows
///
/// Without --plan a plan is made, shown and confirmed. With --plan exactly that plan is carried out: what moved since it was
/// made is refused, what is already done is passed over. Each object is read again just before it is written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate apply dev --sandbox
  aksgate apply prod --plan prod.plan.json --yes
  aksgate apply dev --gate image-governance")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Carry out this plan, which `plan --out` wrote
    #[arg(long, value_name = "FILE", conflicts_with = "gate")]
    plan: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Allow the steps that weaken this gate or object, for the --reason that is given; can be given more than once
    #[arg(long, value_name = "NAME")]
    allow_weakening: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Write this gate only; can be given more than once
    #[arg(long, value_name = "GATE")]
    gate: Vec<String>,
    /// Keep the journal of this run in this folder [default: .aksgate/runs of the estate]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    past: PastGuards,
}

impl Args {
    /// The reason that was given: all that goes past a guard or weakens has one, and one that is asked for by nothing is a mistake.
    fn reason(&self) -> Result<Option<String>, CommandError> {
        if self.plan.is_some() && self.past.names_any() {
            return Err(
                CommandError::usage("`--override-guard` is given with `--plan`; nothing was written")
                    .hint("a saved plan says itself past which guards it goes: give the option to `aksgate plan`"),
            );
        }
        self.past.reason_for(!self.allow_weakening.is_empty())
    }
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let reason = args.reason()?;
    let saved = args.plan.as_deref().map(read).transpose()?;
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    if let Some(saved) = &saved {
        of_this_estate(saved, &loaded, &args.env)?;
    }
    let _alone = recording::alone(&loaded, &args.env)?;
    let connection = context.connect(&loaded.dir, environment)?;
    if let Some(saved) = &saved {
        same("ARM endpoint", &saved.header.endpoint, &connection.endpoint)?;
    }
    let gates = saved.as_ref().map_or(&args.gate, |saved| &saved.header.gates);
    // A saved plan says itself past which guards it goes: whoever approved it has read that.
    let overrides = match &saved {
        Some(saved) => read_overrides(saved),
        None => args.past.overrides()?,
    };
    let controls = Controls {
        approved: saved.is_some(),
        overrides,
        ..Controls::default()
    };
    let gathered = gather(context, &loaded, environment, &connection, (gates, controls)).await?;
    let checked = match saved {
        Some(saved) => {
            not_expired(&saved, &gathered)?;
            crate::plan::check(saved, &gathered.plan)
        }
        None => Checked::fresh(gathered.plan.clone()),
    };
    let consent = Consent {
        yes: args.yes,
        weakenings: &args.allow_weakening,
        reason: reason.as_deref(),
        limits: &args.limits,
        command: "apply",
        journal: args.journal.as_deref(),
    };
    finish(
        context,
        consent,
        &checked,
        (&loaded, environment, &gathered),
        &connection,
    )
    .await
}

/// The guards that a saved plan goes past.
fn read_overrides(saved: &Plan) -> Vec<(Guard, String)> {
    let named = saved.overrides().into_iter();
    named
        .filter_map(|(guard, reason)| Some((Guard::parse(&guard)?, reason)))
        .collect()
}

/// What was agreed to before anything was shown.
pub(super) struct Consent<'a> {
    /// Whether nobody is to be asked.
    pub yes: bool,
    /// The gates and objects whose weakening is allowed.
    pub weakenings: &'a [String],
    /// Why.
    pub reason: Option<&'a str>,
    /// The limits of the run.
    pub limits: &'a LimitArgs,
    /// The command that was given.
    pub command: &'a str,
    /// Where the journal is kept, if not in the estate.
    pub journal: Option<&'a Path>,
}

/// Shows a plan, asks, carries it out and tells what became of it.
pub(super) async fn finish(
    context: &Context,
    consent: Consent<'_>,
    checked: &Checked,
    (loaded, environment, gathered): (&LoadedEstate, &Environment, &Gathered),
    connection: &Connection,
) -> Result<Exit, CommandError> {
    let (printer, plan) = (&context.printer, &checked.plan);
    let shown = |paint| {
        let (width, verbose) = (printer.width, printer.verbosity == Verbosity::Verbose);
        plan_view::human(plan, plan_view::Layout { paint, width, verbose })
    };
    if printer.format == Format::Human {
        printer.data(&shown(printer.out));
    } else if !consent.yes && context.can_ask() {
        printer.error(&shown(printer.err)); // nobody confirms what was not shown
    }
    allowed(plan, consent.weakenings)?;
    let limits = consent.limits.over(&environment.limits);
    // What the command itself was given for counts against no limit.
    let ordered = |step: &Step| step.gate.as_ref().is_some_and(|gate| gathered.controls.weakens(gate));
    // What is not written, because it moved or a guard closed, or is there already, takes nothing away.
    let counts = |step: &Step| !ordered(step) && checked.may_write(step);
    let owned = gathered.observed.count_owned(&loaded.estate.owner, &environment.name);
    let over = exceeded(plan, &limits, owned, counts);
    within(&over, &environment.name)?;
    if plan.pending().next().is_some() {
        confirm(context, consent.yes, plan)?;
    }
    let folder = recording::folder(&loaded.dir, consent.journal);
    let earlier = earlier(&folder, plan);
    let recording = match plan.pending().next() {
        Some(_) => Some(Recording::begin(context, &folder, plan, gathered.now, &consent)?),
        None => None,
    };
    let of = (loaded, environment, gathered);
    let report = {
        let _group = printer.group(&format!("{} steps of {}", plan.pending().count(), environment.name));
        carry_out(
            context,
            (checked, consent.reason),
            of,
            connection,
            (recording.as_ref(), &earlier),
        )
        .await?
    };
    let exit = ended(&report);
    if let Some(recording) = &recording {
        recording.ended(&report, exit);
        context
            .printer
            .detail(&format!("The journal of this run is {}.", recording.id()));
    }
    tell_calls(context, connection);
    let calls = connection.client.calls();
    context.summarize(|| view::to_markdown(plan, (&report, &earlier), calls));
    match printer.format {
        Format::Json => printer.data(&json(&view::to_json(
            plan,
            (&report, &earlier),
            calls,
            (exit.outcome(), exit.code()),
        ))),
        Format::Markdown => printer.data(&view::to_markdown(plan, (&report, &earlier), calls)),
        Format::Human => printer.data(&view::human(&report, calls, printer.out)),
    }
    Ok(exit)
}

/// Refuses a plan that was made of something else than what is applied to.
fn of_this_estate(saved: &Plan, loaded: &LoadedEstate, name: &str) -> Result<(), CommandError> {
    same("environment", &saved.header.environment, name)?;
    let environment = loaded.environment(name)?;
    same("tenant", &saved.header.tenant, &environment.tenant)?;
    same("scope", &saved.header.scope, &environment.scope.to_string())?;
    if saved.header.config_digest != loaded.digest {
        return Err(CommandError::new(
            Exit::Stale,
            "the plan is stale: the estate was changed since it was made",
        )
        .hint(format!("plan again: `aksgate plan {name} --out FILE`")));
    }
    Ok(())
}

fn same(what: &str, planned: &str, found: &str) -> Result<(), CommandError> {
    if planned.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    Err(CommandError::failed(format!("the plan is of another {what}"))
        .detail(format!("it was made for `{planned}`, this run is for `{found}`"))
        .hint("a plan is carried out where it was made for; here, plan again"))
}

fn not_expired(saved: &Plan, gathered: &Gathered) -> Result<(), CommandError> {
    if gathered.now <= saved.header.expires {
        return Ok(());
    }
    Err(CommandError::new(Exit::Stale, "the plan is too old")
        .detail(format!(
            "it was valid until {}, and it is {}",
            saved.header.expires, gathered.now
        ))
        .hint(format!(
            "plan again: `aksgate plan {} --out FILE`",
            saved.header.environment
        )))
}

/// Refuses steps that weaken unless each is allowed by name.
fn allowed(plan: &Plan, names: &[String]) -> Result<(), CommandError> {
    let refused = apply::not_allowed(plan, names);
    if refused.is_empty() {
        return Ok(());
    }
    let mut error = CommandError::new(
        Exit::Refused,
        "the plan weakens, and that was not allowed; nothing was written",
    );
    for step in &refused {
        let text = |value: &serde_json::Value| value.pointer("/properties/description")?.as_str().map(str::to_owned);
        let why = (step.kind == Kind::PolicyExemption)
            .then(|| step.after.as_ref().and_then(text))
            .flatten();
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        error = error.detail(format!("{} {} `{}`{why}", step.action, step.kind.label(), step.object));
        for field in &step.weakens {
            error = error.detail(format!("  {field}"));
        }
    }
    let name = |step: &&Step| step.gate.clone().unwrap_or_else(|| step.object.as_str().to_owned());
    let names: BTreeSet<String> = refused.iter().map(name).collect();
    let options: Vec<String> = names
        .into_iter()
        .map(|name| format!("--allow-weakening {name}"))
        .collect();
    Err(error.hint(format!("if it is meant: `{} --reason 'why'`", options.join(" "))))
}

fn confirm(context: &Context, yes: bool, plan: &Plan) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    if !context.can_ask() {
        return Err(
            CommandError::usage("apply would have to ask, and nobody can answer here; nothing was written")
                .hint("look at the plan, then repeat with `--yes`"),
        );
    }
    let count = plan.pending().count();
    let question = format!(
        "Write these {count} steps to {} ({})? Only `yes` is a yes:",
        plan.header.environment, plan.header.endpoint
    );
    match context.printer.ask(&question).as_deref() {
        Some("yes") => Ok(()),
        _ => Err(CommandError::new(
            Exit::Interrupted,
            "not confirmed; nothing was written",
        )),
    }
}

/// Carries the plan out. Ctrl-C and SIGTERM stop new writes, and those under way are finished; a second one drops them.
async fn carry_out(
    context: &Context,
    (checked, reason): (&Checked, Option<&str>),
    (loaded, environment, gathered): (&LoadedEstate, &Environment, &Gathered),
    connection: &Connection,
    (recording, earlier): (Option<&Recording<'_>>, &view::Earlier),
) -> Result<Report, CommandError> {
    let plan = &checked.plan;
    let (stop, wrote) = (AtomicBool::new(false), AtomicBool::new(false));
    let printer = &context.printer;
    let progress = printer.progress(plan.pending().count());
    // What a run that is aborted leaves under way may be written.
    let started = |step: &Step| {
        wrote.store(true, Ordering::SeqCst);
        progress.doing(&view::doing(step));
    };
    let writing = |writing: Writing<'_>| recording.map_or(Ok(()), |recording| recording.writing(writing));
    let finished = |step: &Step, outcome: &Outcome| {
        if let Some(recording) = recording {
            recording.settled(step, outcome, &view::message(step, outcome, earlier));
        }
        progress.finished(&view::line(step, outcome, earlier, printer.err));
    };
    let ask_again = |step: &Step| -> apply::Answer<'_> {
        let step = step.clone();
        Box::pin(async move {
            if let Some(closed) = checked.closed.get(&step.id) {
                return Err(closed.clone());
            }
            still_open(connection, (loaded, environment, gathered), &step).await
        })
    };
    let run = Run {
        client: &connection.client,
        ours: (&loaded.estate.owner, &plan.header.environment),
        refused: &checked.refused,
        documents: &gathered.documents,
        reason,
        plan_id: &plan.header.plan_id,
        now: gathered.now,
        at_once: AtOnce {
            calls: usize::from(context.global.parallelism),
            clusters: environment.clusters_at_once(),
        },
        stop: &stop,
        ask_again: &ask_again,
        started: &started,
        writing: &writing,
        finished: &finished,
    };
    let signals = async {
        if interrupted().await {
            stop.store(true, Ordering::SeqCst);
            printer.error("Interrupted: finishing the writes under way, starting no more. Again to abort at once.");
            if interrupted().await {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        report = apply::apply(plan, run) => Ok(report),
        () = signals => {
            let exit = if wrote.load(Ordering::SeqCst) { Exit::Partial } else { Exit::Interrupted };
            Err(CommandError::new(exit, "aborted; what became of the writes under way is not known")
                .hint("`aksgate plan` shows what is there now"))
        }
    }
}

fn ended(report: &Report) -> Exit {
    let count = |name: &str| report.count(name) > 0;
    // What waits for a step that was refused is refused with it.
    let skipped = count("skipped") && !count("refused");
    let bad = report.interrupted || count("stale") || count("failed") || skipped;
    match () {
        () if bad && report.wrote() => Exit::Partial,
        () if report.interrupted => Exit::Interrupted,
        () if count("stale") => Exit::Stale,
        () if count("refused") && !count("failed") => Exit::Refused,
        () if bad => Exit::Failed,
        () => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Failure;
    use std::time::Duration;

    #[track_caller]
    fn check(outcomes: Vec<Outcome>, interrupted: bool, expected: Exit) {
        let outcomes = outcomes.into_iter().enumerate();
        let report = Report {
            outcomes: outcomes.map(|(at, outcome)| (format!("step-{at}"), outcome)).collect(),
            interrupted,
            elapsed: Duration::ZERO,
        };
        assert_eq!(ended(&report), expected, "{report:?}");
    }

    #[test]
    fn whatever_was_not_done_is_in_the_exit_code() {
        let why = || "why".to_owned();
        let failed = || Outcome::Failed(Failure::Journal(why()));
        let differs = || Outcome::Failed(Failure::Differs(why()));
        let (stale, refused) = (|| Outcome::Stale(why()), || Outcome::Refused(why()));
        let (skipped, held) = (|| Outcome::Skipped(why()), || Outcome::Held(why()));
        check(vec![], false, Exit::Done);
        check(vec![Outcome::Done, Outcome::AlreadyDone, held()], false, Exit::Done);
        check(vec![failed()], false, Exit::Failed);
        check(vec![failed(), refused()], false, Exit::Failed);
        check(vec![Outcome::AlreadyDone, skipped()], false, Exit::Failed);
        check(vec![Outcome::Done, failed()], false, Exit::Partial);
        check(vec![differs()], false, Exit::Partial);
        check(vec![Outcome::Done, skipped()], false, Exit::Partial);
        check(vec![stale(), failed()], false, Exit::Stale);
        check(vec![Outcome::Done, stale()], false, Exit::Partial);
        check(vec![refused(), skipped()], false, Exit::Refused);
        check(vec![Outcome::NotTried], true, Exit::Interrupted);
        check(vec![Outcome::Done, Outcome::NotTried], true, Exit::Partial);
    }
}
