//! `aksgate rollout`

use super::apply::{Consent, finish};
use super::context::Context;
use super::error::{CommandError, Exit};
use super::gather::{gather, known_gates};
use super::limit_args::LimitArgs;
use super::past_guards::reason;
use super::recording;
use crate::config::Environment;
use crate::desired::{Controls, Order};
use crate::model::{Period, Stage};
use crate::plan::Checked;
use crate::rollout::{Ladder, Position};
use crate::view::printer::Format;
use crate::view::rollout as view;
use crate::view::text::json;
use std::collections::BTreeMap;

/// Show how far each gate is closed, and hold it, let it go on or take it back
///
/// `apply` moves gates forward, one position at a time. What stands here is for the rest. Clusters follow a change within about 20
/// minutes: the add-on asks for its assignments every 15.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate rollout show prod
  aksgate rollout pause prod pod-security --reason 'release week'
  aksgate rollout resume prod pod-security
  aksgate rollout undo prod pod-security --reason 'the shop is down'
  aksgate rollout undo prod pod-security --to audit --reason 'the shop is down' --yes
  aksgate rollout relax prod pod-security --for 4h --ring canary --reason 'restore of the backup'")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Show(ShowArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Undo(UndoArgs),
    Relax(RelaxArgs),
}

/// Show the way of every gate: where it stands, since when, what holds it, and when it can go on
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The environment
    env: String,
    /// Show this gate only; can be given more than once
    #[arg(long, value_name = "GATE")]
    gate: Vec<String>,
}

/// Let a gate go no further until it is resumed
///
/// The pause and its reason stand in the gate's mark in Azure, so that every machine keeps to it.
#[derive(Debug, clap::Args)]
struct PauseArgs {
    /// The environment
    env: String,
    /// The gate
    gate: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// Let a paused gate go on
///
/// It takes no step by itself: the next apply does.
#[derive(Debug, clap::Args)]
struct ResumeArgs {
    /// The environment
    env: String,
    /// The gate
    gate: String,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// Take a gate back at once, and pause it there
///
/// It waits for no guard and no approval. Generations of the gate that are closed further go. In a cluster the change arrives within
/// about 20 minutes; who cannot wait deletes the constraints there, and the add-on puts back what Azure says by then.
#[derive(Debug, clap::Args)]
struct UndoArgs {
    /// The environment
    env: String,
    /// The gate
    gate: String,
    /// How far: `audit`, or the name of the last ring that stays closed; one position back if left out
    #[arg(long, value_name = "POSITION")]
    to: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// Let everything by for a while; Azure itself ends it
///
/// An exemption of the whole scope or of a ring, with an end. Nothing has to run for it to end. Meanwhile the gate's state there is Exempt.
#[derive(Debug, clap::Args)]
struct RelaxArgs {
    /// The environment
    env: String,
    /// The gate
    gate: String,
    /// For how long, such as `4h`
    #[arg(long = "for", value_name = "PERIOD")]
    period: String,
    /// In this ring only
    #[arg(long, value_name = "RING")]
    ring: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    match &args.command {
        Command::Show(args) => show(context, args).await,
        Command::Pause(args) => {
            let order = Order::Pause {
                reason: reason(&args.reason)?,
            };
            order_gate(context, (&args.env, &args.gate), args.yes, |_| Ok(order)).await
        }
        Command::Resume(args) => order_gate(context, (&args.env, &args.gate), args.yes, |_| Ok(Order::Resume)).await,
        Command::Undo(args) => {
            let why = reason(&args.reason)?;
            let order = |environment: &Environment| {
                let to = args.to.as_deref().map(|to| position(environment, to)).transpose()?;
                Ok(Order::Undo { to, reason: why })
            };
            order_gate(context, (&args.env, &args.gate), args.yes, order).await
        }
        Command::Relax(args) => {
            let why = reason(&args.reason)?;
            let period = Period::parse(&args.period).filter(|period| period.seconds() > 0);
            let period = period.ok_or_else(|| {
                CommandError::usage(format!("`{}` is no period", args.period)).hint("write `4h`, `90m` or `1d`")
            })?;
            let order = |environment: &Environment| {
                let ring = args.ring.as_deref().map(|name| ring(environment, name)).transpose()?;
                Ok(Order::Relax {
                    period,
                    ring,
                    reason: why,
                })
            };
            order_gate(context, (&args.env, &args.gate), args.yes, order).await
        }
    }
}

async fn show(context: &Context, args: &ShowArgs) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    let connection = context.connect(&loaded.dir, environment)?;
    let gathered = gather(
        context,
        &loaded,
        environment,
        &connection,
        (&args.gate, Controls::shown()),
    )
    .await?;
    let (header, rollouts) = (&gathered.plan.header, &gathered.rollouts);
    let printer = &context.printer;
    match printer.format {
        Format::Human => printer.data(&view::human(header, rollouts, printer.out)),
        Format::Markdown => printer.data(&view::to_markdown(header, rollouts)),
        Format::Json => printer.data(&json(&view::to_json(header, rollouts))),
    }
    Ok(Exit::Done)
}

/// Makes the plan that does what a person asks for a gate, shows it and carries it out.
async fn order_gate(
    context: &Context,
    (name, gate): (&str, &str),
    yes: bool,
    order: impl FnOnce(&Environment) -> Result<Order, CommandError>,
) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let environment = loaded.environment(name)?;
    let gates = [gate.to_owned()];
    known_gates(environment, &gates)?;
    let order = order(environment)?;
    // To take a gate back, or to relax it, is to weaken it: the command is what allows it.
    let weakens = match &order {
        Order::Undo { reason, .. } | Order::Relax { reason, .. } => Some(reason.clone()),
        Order::Pause { .. } | Order::Resume => None,
    };
    let connection = context.connect(&loaded.dir, environment)?;
    let controls = Controls {
        orders: BTreeMap::from([(gate.to_owned(), order)]),
        ..Controls::default()
    };
    let _alone = recording::alone(&loaded, &environment.name)?;
    let gathered = gather(context, &loaded, environment, &connection, (&gates, controls)).await?;
    let consent = Consent {
        yes,
        weakenings: if weakens.is_some() { &gates } else { &[] },
        reason: weakens.as_deref(),
        limits: &LimitArgs::default(),
        command: "rollout",
        journal: None,
    };
    let checked = Checked::fresh(gathered.plan.clone());
    finish(
        context,
        consent,
        &checked,
        (&loaded, environment, &gathered),
        &connection,
    )
    .await
}

/// Returns the number of a ring.
fn ring(environment: &Environment, name: &str) -> Result<usize, CommandError> {
    let rings = &environment.rollout.rings;
    rings.iter().position(|ring| ring.name == name).ok_or_else(|| {
        let names: Vec<&str> = rings.iter().map(|ring| ring.name.as_str()).collect();
        let known = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        CommandError::usage(format!("there is no ring `{name}`")).hint(format!("the environment has {known}"))
    })
}

/// Reads `audit`, the name of a ring, or a position as marks write it.
fn position(environment: &Environment, text: &str) -> Result<Position, CommandError> {
    let rings = &environment.rollout.rings;
    let ladder = Ladder::new(rings);
    let named = rings.iter().position(|ring| ring.name == text);
    let position = match named {
        Some(at) => ladder
            .positions()
            .into_iter()
            .find(|position| ladder.closed(*position) == at + 1),
        None => Position::parse(text).filter(|position| ladder.positions().contains(position)),
    };
    match position {
        Some(position) if position >= Position::of(Stage::Audit) => Ok(position),
        _ => {
            let names: Vec<&str> = rings.iter().map(|ring| ring.name.as_str()).collect();
            let known = ["audit"].into_iter().chain(names).collect::<Vec<&str>>().join(", ");
            Err(
                CommandError::usage(format!("there is no position `{text}`")).hint(format!(
                    "known: {known}; for `off` change the gate's `target` and apply"
                )),
            )
        }
    }
}
