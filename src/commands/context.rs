//! What every command starts from: options, the environment's variables, the estate, the way to Azure or to the sandbox.
//!
//! Owns reading the process's environment. Must not know what a command does with it.
#![expect(clippy::disallowed_methods, reason = "this is the home of the process's environment")]

use super::error::{CommandError, Exit};
use super::{sign_in, summary};
use crate::arm::{
    ApiVersions, ArmError, Client, ClientOptions, Endpoints, Notice, SignInMethod, SignInOptions, TransportOptions,
    endpoints, https_transport, machine_transport,
};
use crate::catalog::Catalog;
use crate::clock::{Clock, Sleeper, SystemClock, TokioSleeper};
use crate::config::{self, Environment, Estate, SourceFile};
use crate::diagnostic::{Diagnostic, Severity};
use crate::diff::digest;
use crate::lock::{self, Lock};
use crate::model::{Period, Timestamp};
use crate::render::Renderer;
use crate::sandbox;
use crate::store;
use crate::view::diagnostics;
use crate::view::printer::{ColorChoice, Format, Printer, Verbosity};
use crate::view::service::Service;
use crate::view::text::plain;
use azure_core::credentials::TokenCredential;
use azure_core::http::{HttpClient, Url};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Options that every command takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Use the estate in this folder [default: the nearest folder upwards with an aksgate.yaml]
    #[arg(
        short = 'C',
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub dir: Option<PathBuf>,
    /// Talk to the embedded sandbox instead of Azure; its state lies in .aksgate/sandbox/
    #[arg(long, global = true, help_heading = "Global options")]
    pub sandbox: bool,
    /// Answer in this form
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "AKSGATE_FORMAT",
        help_heading = "Global options"
    )]
    pub format: Format,
    /// Colour the output
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "AKSGATE_COLOR",
        help_heading = "Global options"
    )]
    pub color: ColorChoice,
    /// Never ask; refuse where an answer would be needed
    #[arg(long, global = true, env = "AKSGATE_NO_INPUT", help_heading = "Global options")]
    pub no_input: bool,
    /// Have at most this many calls under way at once
    #[arg(
        long,
        global = true,
        value_name = "N",
        default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(1..=100),
        env = "AKSGATE_PARALLELISM",
        help_heading = "Global options"
    )]
    pub parallelism: u16,
    /// Wait at most this long for one long operation of Azure, such as 30m
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "1h",
        value_parser = period,
        env = "AKSGATE_TIMEOUT",
        help_heading = "Global options"
    )]
    pub timeout: Period,
    /// Wait at most this long in all for one call that Azure throttles or cannot answer, such as 30m
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "15m",
        value_parser = period,
        env = "AKSGATE_MAX_WAIT",
        help_heading = "Global options"
    )]
    pub max_wait: Period,
    /// Trust the certificates in this PEM file too
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "AKSGATE_CA_FILE",
        help_heading = "Global options"
    )]
    pub ca_file: Option<PathBuf>,
    /// Sign in this way
    #[arg(
        long,
        global = true,
        value_name = "METHOD",
        default_value = SignInMethod::Auto.name(),
        value_parser = sign_in::method_parser(),
        env = "AKSGATE_AUTH",
        help_heading = "Global options"
    )]
    pub auth: SignInMethod,
    /// Sign in as this application, or as this user-assigned identity of the machine
    #[arg(
        long,
        global = true,
        value_name = "ID",
        env = "AZURE_CLIENT_ID",
        help_heading = "Global options"
    )]
    pub client_id: Option<String>,
    /// Talk to the cloud that this JSON file describes: "resourceManager", and perhaps "authority"
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "sandbox",
        help_heading = "Global options"
    )]
    pub cloud_file: Option<PathBuf>,
    /// Say more on standard error
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "quiet",
        help_heading = "Global options"
    )]
    pub verbose: bool,
    /// Say nothing but errors on standard error
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
}

/// Reads a period of a command line; one of no length is none.
pub fn period(text: &str) -> Result<Period, String> {
    Period::parse(text)
        .filter(|period| period.seconds() > 0)
        .ok_or_else(|| "write it like `30m` or `1h30m`".to_owned())
}

/// Returns the form and the colour that a command line asks for which cannot be read as a whole, and whether the process's
/// environment wants no colour.
pub fn wishes(arguments: &[OsString]) -> (Format, ColorChoice, bool) {
    fn wish<T: clap::ValueEnum + Default>(arguments: &[OsString], option: &str, variable: &str) -> T {
        let mut words = arguments.iter().map(|word| word.to_string_lossy());
        let mut found = std::env::var(variable).ok();
        while let Some(word) = words.next() {
            match word.strip_prefix(option) {
                Some("") => found = words.next().map(Into::into),
                Some(rest) if rest.starts_with('=') => found = rest.get(1..).map(str::to_owned),
                _ => {}
            }
        }
        found
            .and_then(|value| T::from_str(&value, false).ok())
            .unwrap_or_default()
    }
    let format = wish(arguments, "--format", "AKSGATE_FORMAT");
    let color = wish(arguments, "--color", "AKSGATE_COLOR");
    (format, color, no_color())
}

/// The service whose pipeline runs this, if it is one that shows annotations.
fn service() -> Option<Service> {
    let says = |name: &str| std::env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    match (says("GITHUB_ACTIONS"), says("TF_BUILD")) {
        (true, _) => Some(Service::GitHub),
        (_, true) => Some(Service::AzureDevOps),
        _ => None,
    }
}

fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// What a command works with.
#[derive(Debug)]
pub struct Context {
    /// The options.
    pub global: Global,
    /// Where output goes.
    pub printer: Arc<Printer>,
}

/// An estate without mistakes, and what was made of it.
#[derive(Debug)]
pub struct LoadedEstate {
    /// The folder it was read from.
    pub dir: PathBuf,
    /// What the files say.
    pub estate: Estate,
    /// Its templates.
    pub renderer: Renderer,
    /// The catalogue of built-ins, with the facts in the estate's lock.
    pub catalog: Cow<'static, Catalog>,
    /// Its lock; none if there is no lock file.
    pub lock: Option<Lock>,
    /// The digest of its files.
    pub digest: String,
}

/// An estate whose built-ins were not looked up.
#[derive(Debug)]
pub struct Outline {
    /// The folder it was read from.
    pub dir: PathBuf,
    /// What the files say.
    pub estate: Estate,
    /// Its lock; none if there is no lock file.
    pub lock: Option<Lock>,
}

/// An estate as far as it could be read, with what is wrong with it.
#[derive(Debug)]
pub struct CheckedEstate {
    /// The folder it was read from.
    pub dir: PathBuf,
    /// The files.
    pub files: Vec<SourceFile>,
    /// What the files say; none if there are errors.
    pub loaded: Option<(Estate, Renderer)>,
    /// The catalogue of built-ins, with the facts in the estate's lock.
    pub catalog: Cow<'static, Catalog>,
    /// The lock; none if there is no lock file, or a broken one.
    pub lock: Option<Lock>,
    /// What is wrong, in the order of files and places.
    pub diagnostics: Vec<Diagnostic>,
}

/// The way to Azure, or to the sandbox.
#[derive(Debug)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// What it talks to: an https URL, or `sandbox:` and the instance's id.
    pub endpoint: String,
    /// The same without what tells one sandbox from another.
    pub place: String,
}

/// The folders that an estate's files lie in; the rules of a set have one of their own.
const FOLDERS: [&str; 4] = ["environments", "initiatives", "initiatives/*", "templates"];
/// More than this of a file is not read: the reader of YAML refuses it for its size anyway.
const LONGEST_FILE: u64 = 2 * 1_048_576;

/// A skew between Azure's clock and ours that is worth a word, in seconds.
const LARGEST_SKEW: i64 = 300;

impl Context {
    /// Returns the context of a command line.
    pub fn new(global: Global) -> Context {
        let verbosity = match (global.verbose, global.quiet) {
            (true, _) => Verbosity::Verbose,
            (_, true) => Verbosity::Quiet,
            _ => Verbosity::Normal,
        };
        let no_color = no_color();
        let mut printer = Printer::new(global.format, global.color, verbosity, no_color);
        printer.service = service();
        Context {
            global,
            printer: Arc::new(printer),
        }
    }

    /// Returns whether a person can be asked.
    pub fn can_ask(&self) -> bool {
        !self.global.no_input && self.printer.can_ask()
    }

    /// Adds a page to the summary that a pipeline shows of its job, where one runs this and a person's form was asked for.
    pub fn summarize(&self, page: impl FnOnce() -> String) {
        if self.printer.format != Format::Human {
            return; // whoever asks for a document decides where it goes
        }
        let variable = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let written = match self.printer.service {
            None => return,
            Some(Service::GitHub) => match variable("GITHUB_STEP_SUMMARY") {
                Some(path) => summary::append(&path, page()),
                None => return,
            },
            Some(Service::AzureDevOps) => match variable("AGENT_TEMPDIRECTORY") {
                Some(folder) => summary::upload(&folder, page(), &self.printer),
                None => return,
            },
        };
        if let Err(error) = written {
            self.printer.error(&format!(
                "The job's summary cannot be written: {}",
                plain(&error.to_string())
            ));
        }
    }

    /// Returns the folder that relative paths start from.
    pub fn working_dir(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
    }

    /// Returns the estate's folder: the one that was named, else the nearest one upwards.
    pub fn estate_dir(&self) -> Result<PathBuf, CommandError> {
        if let Some(dir) = &self.global.dir {
            return match store::is_folder(dir) {
                true => Ok(dir.clone()),
                false => Err(CommandError::failed(format!("no folder `{}`", dir.display()))
                    .hint("`-C` names the folder that holds aksgate.yaml")),
            };
        }
        store::find_upwards(&self.working_dir(), config::ESTATE_FILE).ok_or_else(|| {
            CommandError::failed("no estate here")
                .detail("neither this folder nor one above it holds an aksgate.yaml")
                .hint("`aksgate init` writes an estate to begin with; `-C DIR` names one elsewhere")
        })
    }

    fn files(&self, dir: PathBuf) -> Result<(PathBuf, Vec<SourceFile>), CommandError> {
        let found = store::read_files(&dir, &FOLDERS, LONGEST_FILE)
            .map_err(|error| CommandError::failed("the estate cannot be read").detail(error.to_string()))?;
        let files = found
            .into_iter()
            .map(|(path, content)| SourceFile { path, content })
            .filter(is_of_estate)
            .collect();
        Ok((dir, files))
    }

    /// Reads the estate, but takes built-ins as they are named, as for a lock: what Azure has is to be asked.
    pub fn outline(&self) -> Result<Outline, CommandError> {
        let (dir, files) = self.files(self.estate_dir()?)?;
        let (estate, mut diagnostics) = config::outline(&files);
        let lock = locked(&files, &mut diagnostics);
        diagnostics.retain(|found| found.severity == Severity::Error);
        match estate.filter(|_| diagnostics.is_empty()) {
            Some(estate) => Ok(Outline { dir, estate, lock }),
            None => Err(self.mistaken(diagnostics, &files)),
        }
    }

    /// Reads and checks the estate; what is wrong with it is in the result.
    pub fn check_estate(&self) -> Result<CheckedEstate, CommandError> {
        self.check_estate_in(self.estate_dir()?)
    }

    /// Reads and checks the estate in a folder, as [`Context::check_estate`] does.
    pub fn check_estate_in(&self, dir: PathBuf) -> Result<CheckedEstate, CommandError> {
        let (dir, files) = self.files(dir)?;
        Ok(CheckedEstate::of(dir, files))
    }

    /// Reads the files of the estate in a folder, if there is one.
    pub fn estate_files(&self, dir: &Path) -> Result<Vec<SourceFile>, CommandError> {
        match store::exists(&dir.join(config::ESTATE_FILE)) {
            true => Ok(self.files(dir.to_path_buf())?.1),
            false => Ok(Vec::new()),
        }
    }

    /// Says the mistakes of an estate, and returns them as the error of a command.
    fn mistaken(&self, diagnostics: Vec<Diagnostic>, files: &[SourceFile]) -> CommandError {
        if self.printer.format != Format::Json {
            self.printer.error(&self.diagnostics(&diagnostics, files));
        }
        let mut error = CommandError::failed("the estate has mistakes, so nothing was called");
        error.diagnostics = diagnostics;
        error
    }

    /// Returns the estate if nothing is wrong with it; says its warnings.
    pub fn estate(&self) -> Result<LoadedEstate, CommandError> {
        let checked = self.check_estate()?;
        if checked.loaded.is_some() && !checked.diagnostics.is_empty() {
            self.printer
                .note(&self.diagnostics(&checked.diagnostics, &checked.files));
        }
        checked
            .loaded()
            .map_err(|wrong| self.mistaken(wrong.diagnostics, &wrong.files))
    }

    /// Returns diagnostics as text for standard error.
    pub fn diagnostics(&self, found: &[Diagnostic], files: &[SourceFile]) -> String {
        let width = if self.printer.width == 0 {
            140
        } else {
            self.printer.width
        };
        diagnostics::render(found, files, self.printer.err.colour, width)
    }

    /// Connects to the cloud of an environment, to the one of `--cloud-file`, or to the sandbox.
    pub fn connect(&self, dir: &Path, environment: &Environment) -> Result<Connection, CommandError> {
        let (endpoint, name, credential, transport, clock, sleeper) = if self.global.sandbox {
            self.sandbox_parts(dir, environment)?
        } else {
            self.azure_parts(environment)?
        };
        let versions = ApiVersions::of(environment.cloud).overridden(&environment.api_versions);
        let mut options = ClientOptions::new(endpoint, versions, credential, transport, sleeper, clock);
        options.parallelism = usize::from(self.global.parallelism);
        options.retry.max_wait = Duration::from_secs(self.global.max_wait.seconds());
        options.operation_timeout = Duration::from_secs(self.global.timeout.seconds());
        let printer = Arc::clone(&self.printer);
        options.notices = Arc::new(move |notice| say(&printer, &notice));
        let client = Client::new(options).map_err(|error| arm_error(&error))?;
        let place = if self.global.sandbox {
            "sandbox".to_owned()
        } else {
            name.clone()
        };
        Ok(Connection {
            client,
            endpoint: name,
            place,
        })
    }

    fn azure_parts(&self, environment: &Environment) -> Result<Parts, CommandError> {
        let known = endpoints(environment.cloud);
        let cloud = match &self.global.cloud_file {
            Some(path) => cloud_file(path, known)?,
            None => known,
        };
        let mut options = TransportOptions::default();
        if let Some(path) = &self.global.ca_file {
            options.extra_authorities = Some(read_file(path)?);
        }
        let transport = https_transport(&options)
            .map_err(|error| CommandError::failed("the certificates cannot be used").caused_by(&error))?;
        let machine =
            machine_transport().map_err(|error| CommandError::failed("no connection can be made").caused_by(&error))?;
        let clock = Arc::new(SystemClock);
        let printer = Arc::clone(&self.printer);
        let variable = |name: &str| std::env::var_os(name);
        let credential = crate::arm::sign_in(SignInOptions {
            method: self.global.auth,
            tenant: environment.tenant.clone(),
            cloud: environment.cloud,
            authority: cloud.authority,
            values: sign_in::values(self.global.auth, self.global.client_id.as_deref(), &variable)?,
            transport: Arc::clone(&transport),
            machine,
            clock: clock.clone(),
            notices: Arc::new(move |notice| say(&printer, &notice)),
            executor: None,
        })
        .map_err(|error| {
            CommandError::failed("cannot sign in to azure")
                .detail(error.detail)
                .hint(error.advice)
        })?;
        let name = cloud.resource_manager.as_str().trim_end_matches('/').to_owned();
        Ok((
            cloud.resource_manager,
            name,
            credential,
            transport,
            clock,
            Arc::new(TokioSleeper),
        ))
    }

    fn sandbox_parts(&self, dir: &Path, environment: &Environment) -> Result<Parts, CommandError> {
        let failed =
            |error: &dyn std::error::Error| CommandError::failed("the sandbox cannot be opened").caused_by(error);
        let door = sandbox::open(&sandbox_dir(dir)).map_err(|error| failed(&error))?;
        if !door.tenant().eq_ignore_ascii_case(&environment.tenant) {
            return Err(CommandError::failed("the sandbox has no such tenant")
                .detail(format!(
                    "environment `{}` is in tenant `{}`",
                    environment.name, environment.tenant
                ))
                .hint(format!("the sandbox's only tenant is `{}`", door.tenant())));
        }
        let endpoint = Url::parse(door.endpoint()).map_err(|error| failed(&error))?;
        let name = format!("sandbox:{}", door.instance_id());
        Ok((
            endpoint,
            name,
            door.credential(),
            door.transport(),
            door.clock(),
            door.sleeper(),
        ))
    }
}

type Parts = (
    Url,
    String,
    Arc<dyn TokenCredential>,
    Arc<dyn HttpClient>,
    Arc<dyn Clock>,
    Arc<dyn Sleeper>,
);

/// Returns where the sandbox of an estate keeps its state.
pub fn sandbox_dir(estate: &Path) -> PathBuf {
    estate.join(".aksgate").join("sandbox")
}

impl CheckedEstate {
    /// Checks the files of an estate, which need not be written yet.
    pub fn of(dir: PathBuf, files: Vec<SourceFile>) -> CheckedEstate {
        let mut wrong = Vec::new();
        let lock = locked(&files, &mut wrong);
        let catalog = match &lock {
            Some(lock) if lock.has_facts() => Cow::Owned(lock.joined(Catalog::embedded())),
            _ => Cow::Borrowed(Catalog::embedded()),
        };
        let (estate, mut diagnostics) = config::load(&files, &catalog);
        diagnostics.splice(0..0, wrong);
        let loaded = estate.map(|estate| {
            let (renderer, found) = Renderer::load(&estate);
            diagnostics.extend(found);
            (estate, renderer)
        });
        let broken = diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error);
        CheckedEstate {
            dir,
            files,
            loaded: loaded.filter(|_| !broken),
            catalog,
            lock,
            diagnostics,
        }
    }

    /// Returns the estate if nothing is wrong with it, else what is.
    pub fn loaded(self) -> Result<LoadedEstate, Box<CheckedEstate>> {
        let digest = files_digest(&self.files);
        match self.loaded {
            Some((estate, renderer)) => Ok(LoadedEstate {
                dir: self.dir,
                estate,
                renderer,
                catalog: self.catalog,
                lock: self.lock,
                digest,
            }),
            None => Err(Box::new(self)),
        }
    }
}

impl LoadedEstate {
    /// Returns the environment of that name.
    pub fn environment(&self, name: &str) -> Result<&Environment, CommandError> {
        self.estate.environments.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.estate.environments.keys().map(String::as_str).collect();
            let error = CommandError::failed(format!("no environment `{name}`"))
                .detail(format!("the estate has {}", names.join(", ")));
            match crate::diagnostic::did_you_mean(name, names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }
}

/// The files that the estate consists of; others beside them are nobody's business here.
fn is_of_estate(file: &SourceFile) -> bool {
    file.path == config::ESTATE_FILE || file.path == lock::FILE || file.path.contains('/')
}

/// Returns the lock among the files, if there is one; what is wrong with it is added to the diagnostics.
fn locked(files: &[SourceFile], diagnostics: &mut Vec<Diagnostic>) -> Option<Lock> {
    let file = files.iter().find(|file| file.path == lock::FILE)?;
    lock::file::parse(&file.content)
        .map_err(|wrong| diagnostics.push(*wrong))
        .ok()
}

fn files_digest(files: &[SourceFile]) -> String {
    let files: Vec<Value> = files
        .iter()
        .map(|file| json!([file.path, data_encoding::BASE64.encode(&file.content)]))
        .collect();
    digest(&Value::from(files))
}

/// Reads a file that the command line names.
pub fn read_file(path: &Path) -> Result<Vec<u8>, CommandError> {
    match store::read(path) {
        Ok(Some(content)) => Ok(content),
        Ok(None) => Err(CommandError::failed(format!("no file `{}`", path.display()))),
        Err(error) => {
            Err(CommandError::failed(format!("`{}` cannot be read", path.display())).detail(error.to_string()))
        }
    }
}

/// Returns the cloud that a file describes; what it does not name is as in `known`.
fn cloud_file(path: &Path, known: Endpoints) -> Result<Endpoints, CommandError> {
    let broken = |why: String| CommandError::failed(format!("`{}` names no cloud", path.display())).detail(why);
    let document: Value = serde_json::from_slice(&read_file(path)?).map_err(|error| broken(error.to_string()))?;
    let keys = document.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    for key in keys {
        if !["resourceManager", "authority"].contains(&key) {
            let error = broken(format!("`{key}` is not known here"));
            return Err(error.hint("it may hold `resourceManager` and `authority`"));
        }
    }
    let url = |key: &str| -> Result<Option<Url>, CommandError> {
        let Some(value) = document.get(key) else {
            return Ok(None);
        };
        let text = value.as_str().ok_or_else(|| broken(format!("`{key}` is not a text")))?;
        let url = Url::parse(text).map_err(|error| broken(format!("`{key}`: {error}")))?;
        let plain = url.scheme() == "https"
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if plain {
            Ok(Some(url))
        } else {
            Err(broken(format!("`{key}` has to be https, a host and perhaps a port")))
        }
    };
    let resource_manager = url("resourceManager")?;
    Ok(Endpoints {
        resource_manager: resource_manager.ok_or_else(|| broken("it has no `resourceManager`".to_owned()))?,
        authority: url("authority")?.unwrap_or(known.authority),
    })
}

/// Says what is waited for.
fn say(printer: &Printer, notice: &Notice) {
    match notice {
        Notice::Waiting {
            method,
            path,
            wait,
            status,
            why,
        } => {
            let status = status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
            printer.note(&format!(
                "waiting {} s before {method} {} again: {}{status}",
                wait.as_secs(),
                plain(path),
                plain(why)
            ));
        }
        Notice::Running {
            path, status, waited, ..
        } => {
            printer.detail(&format!(
                "{}: {} for {} s",
                plain(path),
                plain(status),
                waited.as_secs()
            ));
        }
        Notice::Pacing { method, path, wait } => {
            let text = format!(
                "{} s of rest before {method} {path}: azure's limit is near",
                wait.as_secs()
            );
            // A second here and there is nobody's business.
            if *wait >= Duration::from_secs(5) {
                printer.note(&text);
            } else {
                printer.detail(&text);
            }
        }
        Notice::SignedIn { method, passed_over } => {
            for (method, why) in passed_over {
                printer.detail(&format!("not signed in with `{method}`: {why}"));
            }
            printer.detail(&format!("signed in with `{method}`"));
        }
    }
}

/// Returns a failed call as an error of a command.
pub fn arm_error(error: &ArmError) -> CommandError {
    let failed = CommandError::failed(error.summary()).caused_by(error);
    match error.action() {
        Some(action) => failed.hint(action),
        None => failed,
    }
}

/// Returns "now" by ARM's clock, and says so if ours differs.
pub fn server_now(connection: &Connection, printer: &Printer) -> Result<Timestamp, CommandError> {
    let time = connection.client.server_time().ok_or_else(|| {
        CommandError::new(Exit::Failed, "azure sent no date").hint("a proxy may strip the `Date` header of answers")
    })?;
    if time.skew_seconds().abs() > LARGEST_SKEW {
        printer.note(&format!(
            "warning: this machine's clock is {} s away from Azure's; Azure's is used",
            time.skew_seconds().abs()
        ));
    }
    Ok(time.server)
}

/// Waits for Ctrl-C or SIGTERM; false if this machine cannot tell of them.
pub async fn interrupted() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return tokio::signal::ctrl_c().await.is_ok();
        };
        tokio::select! {
            answer = tokio::signal::ctrl_c() => answer.is_ok(),
            answer = terminate.recv() => answer.is_some(),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.is_ok()
}
