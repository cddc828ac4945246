//! Runs of the program, and the served sandbox that they talk to.

use crate::estate::Fleet;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What a run took.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    pub wall: Duration,
    /// The time of all processors together.
    pub cpu: Duration,
    pub peak_kib: u64,
    pub calls: u64,
    pub queries: u64,
    /// The longest chain of calls each of which began after the one before was answered.
    pub rounds: u64,
    pub kib: u64,
    pub throttled: u64,
}

/// How long the limits of Azure need to forget a run: Resource Graph's five seconds, and what Resource Manager refills meanwhile.
const FORGOTTEN: Duration = Duration::from_secs(6);

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Measures this program, and not the one that is built.
pub fn use_program(path: PathBuf) {
    PROGRAM.set(path.canonicalize().unwrap()).unwrap();
}

/// The program as its users get it. What cargo builds for a benchmark is another one: it passes over how the release profile ends a panic.
pub fn program() -> &'static Path {
    PROGRAM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = [
            "build",
            "--release",
            "--locked",
            "--message-format",
            "json",
            "--bin",
            "aksgate",
        ];
        let mut command = Command::new(cargo);
        command.args(build).current_dir(env!("CARGO_MANIFEST_DIR"));
        let built = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(built.status.success(), "the release binary cannot be built");
        let lines = String::from_utf8(built.stdout).unwrap();
        let messages = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let paths: Vec<String> = messages
            .filter_map(|message| message["executable"].as_str().map(str::to_owned))
            .collect();
        PathBuf::from(paths.last().unwrap())
    })
}

/// The ticks of a second in `/proc`, the same on every Linux that is built for users.
const TICKS: u64 = 100;

/// Runs a command to its end and measures it.
pub fn measured(command: &mut Command, allowed: &[i32]) -> (Ended, String) {
    let told = tempfile::NamedTempFile::new().unwrap();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(told.reopen().unwrap());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let folder = format!("/proc/{}", child.id());
    let mut ended = Ended::default();
    loop {
        ended.peak_kib = ended.peak_kib.max(peak_kib(&folder));
        let stat = fs::read_to_string(format!("{folder}/stat")).unwrap();
        // What follows the name, which may hold anything: the state first.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap();
        ended.cpu = Duration::from_millis((ticks(11) + ticks(12)) * 1_000 / TICKS);
        // A process that has ended keeps its times until it is waited for.
        if fields.first() == Some(&"Z") {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    ended.wall = start.elapsed();
    let status = child.wait().unwrap();
    let told = fs::read_to_string(told.path()).unwrap();
    let code = status.code().unwrap_or(-1);
    assert!(allowed.contains(&code), "{command:?} ended with {code}\n{told}");
    (ended, told)
}

fn peak_kib(folder: &str) -> u64 {
    let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or_default()
}

/// A sandbox that is served.
pub struct Served<'a> {
    fleet: &'a Fleet,
    server: Child,
}

impl Served<'_> {
    pub fn start(fleet: &Fleet, latency: Duration) -> Served<'_> {
        let latency = latency.as_millis().to_string();
        let mut server = Command::new(program())
            .args([
                "sandbox",
                "serve",
                "--format",
                "json",
                "--quotas",
                "--latency",
                &latency,
            ])
            .current_dir(fleet.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = server.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let cloud =
            serde_json::json!({"resourceManager": ready["resourceManager"], "authority": ready["resourceManager"]});
        fs::write(fleet.path("cloud.json"), cloud.to_string()).unwrap();
        Served { fleet, server }
    }

    /// Runs the program against it, once the limits of earlier runs are forgotten.
    pub fn run(&self, line: &str, allowed: &[i32]) -> Ended {
        std::thread::sleep(FORGOTTEN);
        let mut command = self.command(line);
        let (mut ended, told) = measured(&mut command, allowed);
        let line = told
            .lines()
            .rfind(|line| line.contains("round trips one after another"));
        let line = line.unwrap_or_else(|| panic!("no calls are told:\n{told}"));
        let before = |words: &str| -> u64 {
            let head = line.split(words).next().unwrap();
            let number = head.rsplit(|c: char| !c.is_ascii_digit()).find(|text| !text.is_empty());
            number.unwrap().parse().unwrap()
        };
        ended.queries = before(" Resource Graph queries");
        ended.calls = before(" reads") + ended.queries + before(" writes") + before(" polls");
        ended.rounds = before(" round trips");
        ended.kib = before(" KiB");
        ended.throttled = before(" throttled");
        ended
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(program());
        let authority = Path::new(".aksgate/sandbox/ca.pem");
        command
            .args(line.split_whitespace())
            .args([
                "--verbose",
                "--auth",
                "client-secret",
                "--cloud-file",
                "cloud.json",
                "--ca-file",
            ])
            .arg(authority)
            .current_dir(self.fleet.path(""))
            .env("AZURE_CLIENT_ID", "22222222-2222-4222-8222-222222222222")
            .env("AZURE_CLIENT_SECRET", "anything");
        command
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        // What it kept is thrown away with its folder.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
