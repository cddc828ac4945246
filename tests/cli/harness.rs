//! A folder with an estate, and runs of the program in it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The files that the repository's estate consists of.
const SHIPPED: [&str; 6] = [
    "aksgate.yaml",
    "aksgate.lock",
    "environments",
    "initiatives",
    "templates",
    "examples/manifests",
];

/// The folder of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of its own for one test; gone when the test ends.
pub struct Folder {
    temporary: TempDir,
}

/// What a run of the program left: its exit code, and what it wrote.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    line: String,
}

impl Folder {
    pub fn empty() -> Folder {
        Folder {
            temporary: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// A copy of the repository's estate.
    pub fn shipped() -> Folder {
        let folder = Folder::empty();
        for name in SHIPPED {
            copy(&root().join(name), &folder.path(name));
        }
        folder
    }

    /// A copy of the repository's estate whose environment `dev` has been applied.
    pub fn applied() -> Folder {
        let folder = Folder::shipped();
        folder.run("apply dev --sandbox --yes --quiet").expect(0);
        folder
    }

    /// A copy of the folder with all that is in it, the sandbox too.
    pub fn copied(&self) -> Folder {
        let folder = Folder::empty();
        copy(&self.path(""), &folder.path(""));
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.temporary.path().to_owned()
        } else {
            self.temporary.path().join(name)
        }
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Puts a program into the folder `programs`. Another process writes it: what this one has open to write, a child that another thread
    /// starts at that moment has open too, and then it cannot be run.
    pub fn program(&self, name: &str, script: &str) {
        let text = format!("programs/{name}.text");
        self.write(&text, script);
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(self.path(&text));
        let done = install.arg(self.path(&format!("programs/{name}"))).status().unwrap();
        assert!(done.success());
        self.remove(&text);
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Replaces one text in a file, which has to hold it exactly once.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert_eq!(
            text.matches(from).count(),
            1,
            "{name} does not hold {from:?} once:\n{text}"
        );
        self.write(name, text.replacen(from, to, 1));
    }

    /// Takes out of a file what stands from one text up to another.
    pub fn cut(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        let start = text.find(from).unwrap_or_else(|| panic!("{name} has no {from:?}"));
        let end = start + text[start..].find(to).unwrap_or_else(|| panic!("{name} has no {to:?}"));
        self.write(name, format!("{}{}", &text[..start], &text[end..]));
    }

    /// The sandbox's state.
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.read(".aksgate/sandbox/state.json")).unwrap()
    }

    /// Changes a resource in the sandbox behind everybody's back; the resource is the one whose id ends so.
    pub fn tamper(&self, id_ends: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let resources = state["resources"].as_object_mut().unwrap();
        let mut found: Vec<&mut Value> = resources
            .iter_mut()
            .filter(|(id, _)| id.ends_with(id_ends))
            .map(|(_, resource)| resource)
            .collect();
        assert_eq!(found.len(), 1, "resources that end with {id_ends}");
        change(found.remove(0));
        self.write(".aksgate/sandbox/state.json", state.to_string());
    }

    /// The resources in the sandbox by id, of those that a predicate chooses.
    pub fn resources(&self, choose: impl Fn(&str, &Value) -> bool) -> Vec<(String, Value)> {
        self.state()["resources"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(id, resource)| choose(id, resource))
            .map(|(id, resource)| (id.clone(), resource.clone()))
            .collect()
    }

    /// Runs the program here; the words of the command line are separated by blanks.
    pub fn run(&self, line: &str) -> Run {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run_words(&words)
    }

    pub fn run_words(&self, words: &[&str]) -> Run {
        self.run_with(words, |_| {})
    }

    /// Runs the program here with more to its surroundings than nothing.
    pub fn run_with(&self, words: &[&str], more: impl FnOnce(&mut Command)) -> Run {
        let mut command = self.command(words);
        more(&mut command);
        let line = words.join(" ");
        let output = self.watched(&line, || command.output().expect("the program starts"));
        Run::of(&line, &output)
    }

    /// Runs something; fails where it left a gate of the sandbox open in between that was closed before and after.
    pub fn watched<T>(&self, what: &str, run: impl FnOnce() -> T) -> T {
        let before = self.clock();
        let done = run();
        if let (Some((instance, from)), Some((now, to))) = (before, self.clock())
            && instance == now
            && from < to
        {
            let gaps = aksgate::sandbox::operator::gaps(&self.path(".aksgate/sandbox"), from, to).unwrap();
            assert!(gaps.is_empty(), "aksgate {what} left a gate open: {gaps:#?}");
        }
        done
    }

    /// The sandbox's instance, and its clock, if there is a sandbox.
    pub fn clock(&self) -> Option<(String, i64)> {
        let bytes = fs::read(self.path(".aksgate/sandbox/state.json")).ok()?;
        // They stand at the start, where the program wrote it.
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let after = |key: &str| start.split_once(key).map(|(_, rest)| rest);
        let quick = || {
            let instance = after("\"instance\":\"")?.split('"').next()?;
            let now = after("\"now\":")?.split(',').next()?;
            Some((instance.to_owned(), now.parse().ok()?))
        };
        quick().or_else(|| {
            let state: Value = serde_json::from_slice(&bytes).ok()?;
            Some((state["instance"].as_str()?.to_owned(), state["now"].as_i64()?))
        })
    }

    /// The program with an empty environment, nobody at the keyboard, and nothing to be found on the path.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aksgate"));
        command
            .args(words)
            .current_dir(self.temporary.path())
            .env_clear()
            .env("PATH", self.path("no-programs-here"))
            .stdin(Stdio::null());
        command
    }

    /// Whether a plan of `dev` finds nothing to do.
    pub fn is_settled(&self, environment: &str) -> bool {
        let run = self.run(&format!("plan {environment} --sandbox --detailed-exitcode"));
        assert!(run.code == 0 || run.code == 2, "{run:#?}");
        run.code == 0
    }

    /// The plan of an environment as JSON.
    pub fn plan(&self, environment: &str) -> Value {
        self.run(&format!("plan {environment} --sandbox --format json"))
            .expect(0)
            .json()
    }
}

impl Run {
    pub fn of(line: &str, output: &Output) -> Run {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            line: line.to_owned(),
        }
    }

    /// Fails unless the program ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        assert_eq!(
            self.code, code,
            "aksgate {}\n--- stdout\n{}--- stderr\n{}",
            self.line, self.stdout, self.stderr
        );
        self
    }

    /// Fails unless standard error holds each of the texts.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Run {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "aksgate {}: standard error has no {text:?}:\n{}",
                self.line,
                self.stderr
            );
        }
        self
    }

    /// Fails unless standard output holds each of the texts.
    #[track_caller]
    pub fn prints(self, texts: &[&str]) -> Run {
        for text in texts {
            assert!(
                self.stdout.contains(text),
                "aksgate {}: standard output has no {text:?}:\n{}",
                self.line,
                self.stdout
            );
        }
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: aksgate {}\n{self:#?}", self.line))
    }

    /// Exit code, standard output and standard error, without what differs from run to run.
    pub fn shown(&self, folder: &Folder) -> String {
        let mut text = format!("exit code {}\n", self.code);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{stream}"));
            }
        }
        redact(&text, folder)
    }
}

/// Replaces temporary paths, digests of files, and the ids of sandboxes, plans, runs and requests.
pub fn redact(text: &str, folder: &Folder) -> String {
    let path = folder.path("");
    let canonical = path.canonicalize().unwrap();
    let text = text
        .replace(&*canonical.to_string_lossy(), "[folder]")
        .replace(&*path.to_string_lossy(), "[folder]");
    let lines: Vec<String> = text.split('\n').map(redact_line).collect();
    lines.join("\n")
}

fn redact_line(line: &str) -> String {
    let mut rest = line;
    let mut out = String::new();
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, run) = rest.split_at(start);
        let length = run
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .unwrap_or(run.len());
        let (run, after) = run.split_at(length);
        let is_hex = |length: usize| run.len() == length && run.bytes().all(|b| b.is_ascii_hexdigit());
        out.push_str(before);
        if out.ends_with("sandbox:") || (run.len() == 36 && out.ends_with("Sandbox ")) {
            out.push_str("[instance]");
        } else if run.len() == 36 && out.ends_with(" id ") {
            out.push_str("[id]");
        } else if let Some((time, _)) = run.rsplit_once('-').filter(|_| out.ends_with("run-")) {
            out.push_str(&format!("{time}-[plan]"));
        } else if is_hex(12) {
            out.push_str("[plan]");
        } else if is_hex(64) {
            out.push_str("[digest]");
        } else {
            out.push_str(run);
        }
        rest = after;
    }
    out + rest
}

/// Copies a file, or a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

/// The steps of a plan or a saved plan that change something.
pub fn pending(document: &Value) -> Vec<&Value> {
    let plan = document.get("plan").unwrap_or(document);
    plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["action"] != "no-op")
        .collect()
}

/// Each pending step as `action kind direction`, in the order of the plan.
pub fn outline(document: &Value) -> Vec<String> {
    let word = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    pending(document)
        .into_iter()
        .map(|step| [word(step, "action"), word(step, "kind"), word(step, "direction")].join(" "))
        .collect()
}
