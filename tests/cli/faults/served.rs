//! A sandbox that is served in a process of its own, and runs of the program against it that sign in for real.

use crate::harness::{Folder, Run};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

/// How long a test looks away before it looks again.
pub const GLANCE: Duration = Duration::from_millis(20);
/// The secret that runs sign in with, unless they are given another one.
pub const SECRET: &str = "no-secret-at-all";

/// How an estate and its sandbox stand before a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// Everything but the cluster's add-on is still to be written.
    Policy,
    /// Everything is written but a cluster's add-on.
    Cluster,
}

/// A server, and the estate that it serves; the server ends with it.
pub struct Served {
    pub folder: Folder,
    server: Child,
    told: Option<BufReader<ChildStdout>>,
    cloud: PathBuf,
    authority: PathBuf,
}

/// An exchange that was recorded.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub method: String,
    pub path: String,
    pub body: Value,
    /// `None` if no answer came.
    pub status: Option<u64>,
    /// The fault that struck, or nothing.
    pub fault: String,
}

impl Exchange {
    /// Whether the write took effect. A fault that strikes after that says so in its name.
    pub fn took_effect(&self) -> bool {
        if self.fault.is_empty() || self.fault.starts_with("taken") {
            self.status.is_none_or(|status| status < 300) || self.fault.starts_with("taken")
        } else {
            false
        }
    }
}

/// A fresh copy of an estate that stands so. Each way to stand is made once.
pub fn estate(start: Start) -> Folder {
    static POLICY: OnceLock<Folder> = OnceLock::new();
    static CLUSTER: OnceLock<Folder> = OnceLock::new();
    let made = match start {
        Start::Policy => POLICY.get_or_init(|| {
            let folder = Folder::shipped();
            folder.run("sandbox reset").expect(0);
            addon(&folder, true);
            folder
        }),
        Start::Cluster => CLUSTER.get_or_init(|| {
            let folder = Folder::applied();
            addon(&folder, false);
            folder
        }),
    };
    let folder = Folder::empty();
    crate::harness::copy(&made.path(""), &folder.path(""));
    folder
}

/// What a clean apply makes of an estate that stands so: all resources, without what differs from run to run.
pub fn reference(start: Start) -> &'static BTreeMap<String, Value> {
    static POLICY: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    static CLUSTER: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    let of = || {
        let folder = estate(start);
        folder.run("apply dev --sandbox --yes --quiet").expect(0);
        settled(&folder)
    };
    match start {
        Start::Policy => POLICY.get_or_init(of),
        Start::Cluster => CLUSTER.get_or_init(of),
    }
}

fn addon(folder: &Folder, enabled: bool) {
    folder.tamper("/managedclusters/aks-dev-weu-01", |cluster| {
        cluster["properties"]["addonProfiles"]["azurepolicy"]["enabled"] = json!(enabled);
    });
}

/// All resources of the sandbox, without what differs from run to run: times, ids that the server draws, the plan's name, and how far
/// operations are.
pub fn settled(folder: &Folder) -> BTreeMap<String, Value> {
    const DRAWN: [&str; 16] = [
        "eTag",
        "etag",
        "systemData",
        "provisioningState",
        "instanceId",
        "createdBy",
        "createdOn",
        "updatedBy",
        "updatedOn",
        "clientId",
        "objectId",
        "principalId",
        "enablementTime",
        "freeTrialRemainingTime",
        "operationStatus",
        "x-operation",
    ];
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.retain(|key, _| !DRAWN.contains(&key.as_str()));
                if let Some(Value::String(state)) = object.get_mut("aksgateState") {
                    let kept = |part: &&str| !part.starts_with("since=") && !part.starts_with("run=");
                    *state = state.split("; ").filter(kept).collect::<Vec<_>>().join("; ");
                }
                object.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let all = folder.resources(|_, _| true);
    all.into_iter()
        .map(|(id, mut resource)| {
            strip(&mut resource);
            (id, resource)
        })
        .collect()
}

impl Served {
    /// Serves the estate's sandbox with faults by these rules.
    pub fn new(folder: Folder, rules: &Value, latency: u64) -> Served {
        let rules = if rules.is_null() { json!([]) } else { rules.clone() };
        let faults = json!({"formatVersion": 1, "rules": rules});
        folder.write("faults.json", faults.to_string());
        let latency = latency.to_string();
        let words =
            "sandbox serve --format json --listen 127.0.0.1:0 --record record.jsonl --faults faults.json --latency";
        let mut words: Vec<&str> = words.split(' ').collect();
        words.push(&latency);
        let mut server = folder.command(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(server.stdout.take().unwrap());
        told.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let url = said["resourceManager"].as_str().unwrap();
        let cloud = folder.path("cloud.json");
        fs::write(&cloud, json!({"resourceManager": url, "authority": url}).to_string()).unwrap();
        Served {
            authority: said["caFile"].as_str().unwrap().into(),
            folder,
            server,
            told: Some(told),
            cloud,
        }
    }

    /// The program against the server, in the served estate; the words of the line are separated by blanks.
    pub fn command(&self, line: &str) -> Command {
        self.command_of(&self.folder, line)
    }

    /// The program against the server, in another estate.
    pub fn command_of(&self, folder: &Folder, line: &str) -> Command {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.extend(["--cloud-file", self.cloud.to_str().unwrap()]);
        words.extend(["--ca-file", self.authority.to_str().unwrap()]);
        let mut command = folder.command(&words);
        command
            .env("AKSGATE_AUTH", "client-secret")
            .env("AZURE_CLIENT_ID", "0b000000-0000-4000-8000-000000000001")
            .env("AZURE_CLIENT_SECRET", SECRET);
        command
    }

    pub fn run(&self, line: &str) -> Run {
        let output = self.folder.watched(line, || self.command(line).output().unwrap());
        Run::of(line, &output)
    }

    /// Starts the program and goes on.
    pub fn start(&self, line: &str) -> Child {
        let mut command = self.command(line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs the program; whenever a cluster is being written, minutes pass in the sandbox.
    pub fn run_while_time_flies(&self, line: &str) -> Run {
        let mut child = self.start(line);
        let writes = |exchange: &Exchange| exchange.method == "PUT" && exchange.path.contains("/managedclusters/");
        let mut seen = 0;
        for glances in 0.. {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            if glances > 3000 {
                let _ = child.kill();
                panic!("`{line}` does not end: {:#?}", self.exchanges());
            }
            let now = self.exchanges().iter().filter(|exchange| writes(exchange)).count();
            if now > seen {
                seen = now;
                self.folder.run("sandbox advance 5m").expect(0);
            }
            std::thread::sleep(GLANCE);
        }
        Run::of(line, &child.wait_with_output().unwrap())
    }

    /// Runs the program until a fault of this server holds one of its requests, and kills it then; returns that request.
    pub fn kill_when_held(&mut self, line: &str) -> Result<String, String> {
        let mut command = self.command(line);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let process = child.id();
        let mut told = self.told.take().unwrap();
        let (tell, tells) = mpsc::channel();
        let tell_end = tell.clone();
        std::thread::spawn(move || {
            let mut line = String::new();
            told.read_line(&mut line).unwrap();
            let _ = tell.send(Some(line));
        });
        std::thread::spawn(move || {
            child.wait().unwrap();
            let _ = tell_end.send(None);
        });
        let Some(said) = tells.recv().unwrap() else {
            return Err("it ended before".to_owned());
        };
        signal_to(process, "KILL");
        assert!(tells.recv().unwrap().is_none());
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["outcome"], "held");
        Ok(said["request"].as_str().unwrap().to_owned())
    }

    /// What was recorded up to now.
    pub fn exchanges(&self) -> Vec<Exchange> {
        exchanges(&self.folder)
    }

    /// Waits until so many of the recorded exchanges fit; fails when that takes far too long.
    pub fn wait_for(&self, count: usize, fits: impl Fn(&Exchange) -> bool) {
        for _ in 0..1500 {
            if self.exchanges().iter().filter(|exchange| fits(exchange)).count() >= count {
                return;
            }
            std::thread::sleep(GLANCE);
        }
        panic!("{count} such exchanges never came: {:#?}", self.exchanges());
    }

    /// Ends the server and gives the estate back.
    pub fn end(mut self) -> Folder {
        self.keep_traffic();
        std::mem::replace(&mut self.folder, Folder::empty())
    }
}

impl Served {
    /// Keeps what was recorded in the folder that `AKSGATE_KEEP_TRAFFIC` names, for those who judge it afterwards.
    fn keep_traffic(&self) {
        let Some(place) = std::env::var_os("AKSGATE_KEEP_TRAFFIC") else {
            return;
        };
        let Ok(record) = fs::read_to_string(self.folder.path("record.jsonl")) else {
            return;
        };
        let whole = record.rfind('\n').map_or("", |end| &record[..=end]);
        let name = format!("{}-{}.jsonl", std::process::id(), self.server.id());
        fs::write(PathBuf::from(place).join(name), whole).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
        self.keep_traffic();
    }
}

/// What was recorded in this estate.
pub fn exchanges(folder: &Folder) -> Vec<Exchange> {
    let record = fs::read_to_string(folder.path("record.jsonl")).unwrap_or_default();
    // The last line may still be on its way.
    let whole = record.rfind('\n').map_or("", |end| &record[..end]);
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let url = line["request"]["url"].as_str().unwrap();
        let path = url.split('?').next().unwrap().splitn(4, '/').nth(3).unwrap();
        Exchange {
            method: line["request"]["method"].as_str().unwrap().to_owned(),
            path: format!("/{}", path.to_ascii_lowercase()),
            body: line["request"]["body"].clone(),
            status: line["response"]["status"].as_u64(),
            fault: line["fault"].as_str().unwrap_or_default().to_owned(),
        }
    };
    whole.lines().filter(|line| !line.is_empty()).map(read).collect()
}

/// What a process that was started left.
pub fn ended(line: &str, child: Child) -> Run {
    let output: Output = child.wait_with_output().unwrap();
    Run::of(line, &output)
}

/// Sends a signal, such as `TERM`.
pub fn signal(child: &Child, name: &str) {
    signal_to(child.id(), name);
}

fn signal_to(process: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {process}")])
        .status()
        .unwrap();
    assert!(sent.success());
}
