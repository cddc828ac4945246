//! The journal of an apply, and the lock that keeps a second apply of the same environment out.

use super::apply::Consent;
use super::context::{Context, LoadedEstate};
use super::error::{CommandError, Exit};
use crate::apply::{Failure, Outcome, Report, Writing};
use crate::clock::Stopwatch;
use crate::journal::{End, FORMAT_VERSION, Intent, Journal, Record, Settled, Start};
use crate::model::{Period, Timestamp};
use crate::plan::{Plan, Step};
use crate::store::{self, Lock};
use std::path::{Path, PathBuf};

/// The folder in the estate with what the tool leaves there.
const FOLDER: &str = ".aksgate";

/// Returns where the journals lie: where the caller says, else in the estate.
pub(super) fn folder(estate: &Path, journal: Option<&Path>) -> PathBuf {
    journal.map_or_else(|| estate.join(FOLDER).join("runs"), Path::to_path_buf)
}

/// Keeps other applies of an environment on this machine out, as long as the value lives.
///
/// # Errors
/// Another one is under way, or the file system refuses.
pub(super) fn alone(loaded: &LoadedEstate, environment: &str) -> Result<Lock, CommandError> {
    let folder = loaded.dir.join(FOLDER);
    let path = folder.join(format!("apply-{environment}.lock"));
    let lock = store::create_directory(&folder).and_then(|()| Lock::attempt(&path));
    let lock = lock.map_err(|error| {
        CommandError::failed(format!("`{}` cannot be locked; nothing was written", path.display())).caused_by(&error)
    })?;
    lock.ok_or_else(|| {
        CommandError::new(
            Exit::Refused,
            format!("another apply of `{environment}` is under way here; nothing was written"),
        )
        .detail(format!("it holds `{}`", path.display()))
        .hint("wait for its end; `aksgate runs` lists what was applied")
    })
}

/// The journal of one apply.
pub(super) struct Recording<'a> {
    context: &'a Context,
    journal: Journal,
    now: Timestamp,
    watch: Stopwatch,
}

impl<'a> Recording<'a> {
    /// Begins the journal of a plan.
    ///
    /// # Errors
    /// It cannot be written; then nothing else is, either.
    pub(super) fn begin(
        context: &'a Context,
        folder: &Path,
        plan: &Plan,
        now: Timestamp,
        consent: &Consent<'_>,
    ) -> Result<Recording<'a>, CommandError> {
        let header = &plan.header;
        let start = Start {
            format_version: FORMAT_VERSION,
            run: String::new(),
            time: now,
            tool: concat!("aksgate ", env!("CARGO_PKG_VERSION")).to_owned(),
            command: consent.command.to_owned(),
            environment: header.environment.clone(),
            scope: header.scope.clone(),
            tenant: header.tenant.clone(),
            endpoint: header.endpoint.clone(),
            plan_id: header.plan_id.clone(),
            config_digest: header.config_digest.clone(),
            steps: plan.pending().count(),
            allowed_weakenings: consent.weakenings.to_vec(),
            reason: consent.reason.map(str::to_owned),
            limits: consent.limits.options(),
        };
        let journal = Journal::begin(folder, &start).map_err(|error| {
            CommandError::failed("the journal cannot be written; nothing was written to Azure")
                .detail(format!("`{}`: {error}", folder.display()))
                .hint("`--journal DIR` names a folder that can be written")
        })?;
        Ok(Recording {
            context,
            journal,
            now,
            watch: Stopwatch::start(),
        })
    }

    /// Returns the name of the run.
    pub(super) fn id(&self) -> &str {
        self.journal.id()
    }

    fn time(&self) -> Timestamp {
        self.now.plus(Period::from_seconds(self.watch.elapsed().as_secs()))
    }

    /// Notes a write before it is sent.
    ///
    /// # Errors
    /// It could not be noted.
    pub(super) fn writing(&self, writing: Writing<'_>) -> Result<(), String> {
        let step = writing.step;
        let intent = Intent {
            time: self.time(),
            step: step.id.clone(),
            kind: step.kind.name().to_owned(),
            object: step.object.as_str().to_owned(),
            action: step.action.name().to_owned(),
            direction: step.direction.name().to_owned(),
            weakens: step.weakens.clone(),
            gate: step.gate.clone(),
            before: writing.before.cloned(),
            after: writing.after.cloned(),
        };
        let added = self.journal.add(&Record::Intent(intent));
        added.map_err(|error| {
            let path = self.journal.path().display();
            format!("the journal `{path}` cannot be written, so nothing was sent: {error}")
        })
    }

    /// Notes what became of a step.
    pub(super) fn settled(&self, step: &Step, outcome: &Outcome) {
        let (code, request_id) = match outcome {
            Outcome::Failed(Failure::Arm(error)) => (error.code(), error.request_id()),
            _ => (None, None),
        };
        self.note(&Record::Outcome(Settled {
            time: self.time(),
            step: step.id.clone(),
            kind: step.kind.name().to_owned(),
            object: step.object.as_str().to_owned(),
            outcome: outcome.name().to_owned(),
            message: outcome.message(),
            code: code.map(str::to_owned),
            request_id: request_id.map(str::to_owned),
        }));
    }

    /// Notes how the run ended.
    pub(super) fn ended(&self, report: &Report, exit: Exit) {
        let mut end = End {
            time: self.time(),
            outcome: exit.outcome().to_owned(),
            exit_code: exit.code(),
            counts: std::collections::BTreeMap::new(),
        };
        for (_, outcome) in &report.outcomes {
            *end.counts.entry(outcome.name().to_owned()).or_default() += 1;
        }
        self.note(&Record::End(end));
    }

    /// What was done is done, whether it can be noted or not: a person is told.
    fn note(&self, record: &Record) {
        if let Err(error) = self.journal.add(record) {
            let path = self.journal.path().display();
            self.context
                .printer
                .error(&format!("warning: the journal `{path}` cannot be written: {error}"));
        }
    }
}
