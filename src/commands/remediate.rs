//! `aksgate remediate`

use super::context::{self, Connection, Context, LoadedEstate, arm_error, interrupted, server_now};
use super::error::{CommandError, Exit};
use super::gather::known_gates;
use super::recording;
use crate::arm::Client;
use crate::config::Environment;
use crate::diff::digest;
use crate::journal::{End, FORMAT_VERSION, Intent, Journal, Record, Settled, Start};
use crate::model::{Period, Timestamp};
use crate::observe::observe;
use crate::remediation::{Progress, Settings, State, Tasks, failures, tasks};
use crate::view::page::Layout;
use crate::view::printer::Format;
use crate::view::remediate::{self as view, Remediation, Row, Status};
use crate::view::text::json;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Deploy to what was there before a gate what the gate deploys to what comes
///
/// One remediation task for each member that deploys or modifies, of each gate that stands at enforce. Shows what would be started, and
/// starts it with --yes or when a person confirms. Tasks are followed to their end, with what failed. A task that runs already is
/// found and followed, not started twice. Ctrl-C stops following, the tasks go on in Azure; --cancel ends them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate remediate dev --sandbox
  aksgate remediate prod --gate fleet --resource-count 20 --parallel-deployments 2 --yes
  aksgate remediate prod --location northeurope --yes
  aksgate remediate prod --cancel --yes")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Remediate this gate only; can be given more than once
    #[arg(long, value_name = "GATE")]
    gate: Vec<String>,
    /// Remediate at most this many resources a task [default: Azure's, 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    resource_count: Option<u32>,
    /// Deploy to this many resources at a time [default: Azure's, 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=30))]
    parallel_deployments: Option<u32>,
    /// Begin no more once this share of deployments has failed, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    failure_threshold: Option<u32>,
    /// Let Azure look for non-compliant resources anew first; not at a management group
    #[arg(long)]
    re_evaluate: bool,
    /// Remediate in this location only; can be given more than once
    #[arg(long, value_name = "LOCATION")]
    location: Vec<String>,
    /// Cancel the tasks that run instead
    #[arg(long, conflicts_with_all = ["resource_count", "parallel_deployments", "failure_threshold", "re_evaluate", "location"])]
    cancel: bool,
    /// Start or cancel without asking
    #[arg(long)]
    yes: bool,
    /// Do not wait for the end of the tasks
    #[arg(long)]
    no_wait: bool,
    /// Follow at most this long
    #[arg(long, value_name = "TIME", default_value = "4h", value_parser = context::period, conflicts_with = "no_wait")]
    deadline: Period,
    /// Keep the journal of this run in this folder [default: .aksgate/runs of the estate]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
}

/// How long is waited between two looks at tasks.
const LOOK: Period = Period::from_seconds(30);

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    known_gates(environment, &args.gate)?;
    let settings = Settings {
        resource_count: args.resource_count,
        parallel_deployments: args.parallel_deployments,
        failure_threshold: args.failure_threshold,
        re_evaluate: args.re_evaluate,
        locations: args.location.clone(),
    };
    if settings.re_evaluate && matches!(environment.scope, crate::model::Scope::ManagementGroup(_)) {
        return Err(
            CommandError::usage("`--re-evaluate` cannot be used at a management group")
                .detail("Azure looks again at a subscription or below it only")
                .hint(format!("`aksgate scan {}` has its subscriptions evaluated", args.env)),
        );
    }
    let connection = context.connect(&loaded.dir, environment)?;
    let (mut remediation, now) = gather(context, args, settings, (&loaded, environment, &connection)).await?;
    let is_chosen = |row: &Row| match args.cancel {
        true => matches!(row.status, Status::Known(_)),
        false => row.status == Status::Planned,
    };
    if args.cancel {
        remediation.rows.retain(is_chosen);
    }
    let chosen = remediation.rows.iter().filter(|row| is_chosen(row)).count();
    let follows = remediation
        .rows
        .iter()
        .any(|row| matches!(row.status, Status::Known(_)));
    if chosen > 0 && !confirmed(context, args, &remediation, chosen)? || chosen == 0 && !(follows && args.yes) {
        let outcome = if chosen > 0 { "not-started" } else { "nothing-to-start" };
        print(context, &remediation, (outcome, Exit::Done));
        if chosen > 0 {
            let verb = if args.cancel { "cancelled" } else { "started" };
            context.printer.note(&format!("Nothing was {verb}; `--yes` does it."));
        }
        return Ok(Exit::Done);
    }
    let _alone = recording::alone(&loaded, &args.env)?;
    let journal = match chosen {
        0 => None,
        _ => Some(begin(args, &loaded, &remediation, chosen, now)?),
    };
    let client = &connection.client;
    let wrote = AtomicBool::new(false);
    let work = async {
        write(args, client, &mut remediation, (journal.as_ref(), &wrote), now).await;
        if !args.no_wait && !args.cancel {
            follow(context, client, &mut remediation.rows, now.plus(args.deadline)).await;
        }
    };
    tokio::select! {
        () = work => {}
        true = interrupted() => context.printer.note(
            "Interrupted; what was started goes on in Azure. The same command follows it again, `--cancel` ends it.",
        ),
    }
    let wrote = wrote.into_inner();
    read_failures(client, &mut remediation.rows).await;
    let (outcome, exit) = ended(&remediation.rows, args, wrote);
    if let Some(journal) = &journal {
        settle(
            context,
            journal,
            &remediation,
            (outcome, exit),
            client.present().unwrap_or(now),
        );
    }
    print(context, &remediation, (outcome, exit));
    Ok(exit)
}

/// Finds the tasks, and those of them that run.
async fn gather(
    context: &Context,
    args: &Args,
    settings: Settings,
    (loaded, environment, connection): (&LoadedEstate, &Environment, &Connection),
) -> Result<(Remediation, Timestamp), CommandError> {
    let client = &connection.client;
    let observed = observe(client, environment).await.map_err(|error| arm_error(&error))?;
    let now = server_now(connection, &context.printer)?;
    let Tasks { tasks, held } = tasks(
        (&loaded.estate.owner, environment),
        &observed,
        &loaded.catalog,
        &args.gate,
    );
    let existing = match tasks.is_empty() {
        true => Vec::new(),
        false => {
            let path = format!(
                "{}/providers/Microsoft.PolicyInsights/remediations",
                environment.scope.path()
            );
            client.list(&path, &[]).await.map_err(|error| arm_error(&error))?
        }
    };
    let rows = tasks.into_iter().map(|task| {
        let (name, progress) = task.next(&existing);
        Row {
            status: progress.map_or(Status::Planned, Status::Known),
            task,
            name,
            failures: Vec::new(),
        }
    });
    let remediation = Remediation {
        environment: environment.name.clone(),
        scope: environment.scope.to_string(),
        endpoint: connection.endpoint.clone(),
        settings,
        rows: rows.collect(),
        held,
    };
    Ok((remediation, now))
}

/// Asks whether the tasks are to be started or cancelled; no is no error where nobody can be asked.
fn confirmed(context: &Context, args: &Args, remediation: &Remediation, chosen: usize) -> Result<bool, CommandError> {
    if args.yes {
        return Ok(true);
    }
    if !context.can_ask() {
        return Ok(false);
    }
    let printer = &context.printer;
    let layout = Layout {
        paint: printer.err,
        width: printer.width,
    };
    printer.error(&view::human(remediation, layout));
    let verb = if args.cancel { "Cancel" } else { "Start" };
    let question = format!(
        "{verb} {chosen} remediation tasks in {} ({})? Only `yes` is a yes:",
        remediation.environment, remediation.endpoint
    );
    match printer.ask(&question).as_deref() {
        Some("yes") => Ok(true),
        _ => Err(CommandError::new(
            Exit::Interrupted,
            "not confirmed; nothing was written",
        )),
    }
}

fn begin(
    args: &Args,
    loaded: &LoadedEstate,
    remediation: &Remediation,
    chosen: usize,
    now: Timestamp,
) -> Result<Journal, CommandError> {
    let names: Vec<String> = remediation.rows.iter().map(|row| row.task.id(&row.name)).collect();
    let environment = loaded.environment(&args.env)?;
    let start = Start {
        format_version: FORMAT_VERSION,
        run: String::new(),
        time: now,
        tool: concat!("aksgate ", env!("CARGO_PKG_VERSION")).to_owned(),
        command: "remediate".to_owned(),
        environment: remediation.environment.clone(),
        scope: remediation.scope.clone(),
        tenant: environment.tenant.clone(),
        endpoint: remediation.endpoint.clone(),
        plan_id: digest(&json!(names)).chars().take(12).collect(),
        config_digest: loaded.digest.clone(),
        steps: chosen,
        allowed_weakenings: Vec::new(),
        reason: None,
        limits: Vec::new(),
    };
    let folder = recording::folder(&loaded.dir, args.journal.as_deref());
    Journal::begin(&folder, &start).map_err(|error| unwritten(&folder, &error))
}

fn unwritten(folder: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed("the journal cannot be written; nothing was written to Azure")
        .detail(format!("`{}`: {error}", folder.display()))
        .hint("`--journal DIR` names a folder that can be written")
}

/// Starts what is to be started, or cancels what runs, and notes whether anything may have been written.
async fn write(
    args: &Args,
    client: &Client,
    remediation: &mut Remediation,
    (journal, wrote): (Option<&Journal>, &AtomicBool),
    now: Timestamp,
) {
    let settings = remediation.settings.clone();
    for row in &mut remediation.rows {
        let id = row.task.id(&row.name);
        let body = row.task.body(&settings);
        let (action, after) = match (args.cancel, &row.status) {
            (true, Status::Known(_)) => ("cancel", None),
            (false, Status::Planned) => ("create", Some(body.clone())),
            _ => continue,
        };
        let intent = Intent {
            time: client.present().unwrap_or(now),
            step: row.name.clone(),
            kind: "remediation".to_owned(),
            object: id.clone(),
            action: action.to_owned(),
            direction: "neutral".to_owned(),
            weakens: Vec::new(),
            gate: Some(row.task.gate.clone()),
            before: None,
            after,
        };
        // What is not on record is not sent.
        let noted = journal.map_or(Ok(()), |journal| journal.add(&Record::Intent(intent)));
        if let Err(error) = noted {
            row.status = Status::Error(format!("the journal cannot be written, so nothing was sent: {error}"));
            continue;
        }
        // A run that is interrupted now leaves this one in doubt.
        let before = wrote.swap(true, Ordering::SeqCst);
        row.status =
            Status::Error("it was being sent when the run was interrupted; the same command finds out".to_owned());
        let answer = match args.cancel {
            true => client.post(&format!("{id}/cancel"), &Value::Null).await,
            false => client.begin(&id, &body).await,
        };
        if answer.as_ref().is_err_and(|error| !error.outcome_unknown()) {
            wrote.store(before, Ordering::SeqCst);
        }
        row.status = match answer {
            Ok(resource) => Status::Known(Progress::parse(&resource.body)),
            Err(error) => Status::Error(error.to_string()),
        };
    }
}

/// Looks at the tasks until all have ended, or the deadline has come.
async fn follow(context: &Context, client: &Client, rows: &mut [Row], deadline: Timestamp) {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let mut running = false;
        for row in rows.iter_mut() {
            let is_running =
                |status: &Status| matches!(status, Status::Known(progress) if progress.state == State::Running);
            if !is_running(&row.status) {
                continue;
            }
            match client.get(&row.task.id(&row.name)).await {
                Ok(resource) => row.status = Status::Known(Progress::parse(&resource.body)),
                Err(error) => {
                    row.status = Status::Error(format!("it was started, and how it stands is not known: {error}"))
                }
            }
            running |= is_running(&row.status);
            let line = view::line(row, context.printer.err);
            if said.get(&row.name) != Some(&line) {
                context.printer.note(&line);
                said.insert(row.name.clone(), line);
            }
        }
        let now = client.present();
        if !running || now.is_none_or(|now| now >= deadline) {
            return;
        }
        client.wait(LOOK).await;
    }
}

/// Asks for the deployments of the tasks that failed.
async fn read_failures(client: &Client, rows: &mut [Row]) {
    for row in rows {
        let failed =
            matches!(&row.status, Status::Known(progress) if progress.failed > 0 || progress.state == State::Failed);
        if !failed {
            continue;
        }
        let path = format!("{}/listDeployments", row.task.id(&row.name));
        match client.list_by_post(&path, &[]).await {
            Ok(deployments) => row.failures = failures(&deployments),
            Err(error) => {
                row.failures = vec![crate::remediation::Failure {
                    resource: "what failed is not known".to_owned(),
                    code: error.code().unwrap_or_default().to_owned(),
                    message: error.to_string(),
                }];
            }
        }
    }
}

fn ended(rows: &[Row], args: &Args, wrote: bool) -> (&'static str, Exit) {
    let any = |choose: &dyn Fn(&Status) -> bool| rows.iter().any(|row| choose(&row.status));
    let is = |state: State| any(&|status| matches!(status, Status::Known(progress) if progress.state == state));
    let errors = any(&|status| matches!(status, Status::Error(_)));
    match () {
        () if errors && !wrote => ("failed", Exit::Failed),
        () if errors || is(State::Failed) || any(&|status| *status == Status::Planned) => {
            ("partly-done", Exit::Partial)
        }
        () if args.cancel => ("cancelled", Exit::Done),
        () if is(State::Canceled) => ("partly-done", Exit::Partial),
        () if is(State::Running) && args.no_wait => ("started", Exit::Done),
        () if is(State::Running) => ("running", Exit::Partial),
        () => ("done", Exit::Done),
    }
}

fn settle(
    context: &Context,
    journal: &Journal,
    remediation: &Remediation,
    (outcome, exit): (&str, Exit),
    now: Timestamp,
) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut records = Vec::new();
    for row in &remediation.rows {
        let (word, message) = match &row.status {
            Status::Planned => ("not-tried", String::new()),
            Status::Known(progress) if progress.state == State::Failed => ("failed", progress.word.clone()),
            Status::Known(progress) => ("done", progress.word.clone()),
            Status::Error(why) => ("failed", why.clone()),
        };
        *counts.entry(word.to_owned()).or_default() += 1;
        records.push(Record::Outcome(Settled {
            time: now,
            step: row.name.clone(),
            kind: "remediation".to_owned(),
            object: row.task.id(&row.name),
            outcome: word.to_owned(),
            message,
            code: None,
            request_id: None,
        }));
    }
    records.push(Record::End(End {
        time: now,
        outcome: outcome.to_owned(),
        exit_code: exit.code(),
        counts,
    }));
    for record in &records {
        // What was done is done, whether it can be noted or not: a person is told.
        if let Err(error) = journal.add(record) {
            let path = journal.path().display();
            context
                .printer
                .error(&format!("warning: the journal `{path}` cannot be written: {error}"));
        }
    }
}

fn print(context: &Context, remediation: &Remediation, (outcome, exit): (&str, Exit)) {
    let printer = &context.printer;
    match printer.format {
        Format::Human => {
            let layout = Layout {
                paint: printer.out,
                width: printer.width,
            };
            printer.data(&view::human(remediation, layout));
        }
        Format::Markdown => printer.data(&view::to_markdown(remediation)),
        Format::Json => printer.data(&json(&view::to_json(remediation, outcome, exit.code()))),
    }
}
