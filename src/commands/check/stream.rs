//! Files to judgements: read one after another, judged on every core, told in the order of the files.

use crate::admission::judge::{Judge, Source};
use crate::admission::report::{Object, Outcome, Report};
use crate::commands::error::CommandError;
use crate::config::SourceFile;
use crate::diagnostic::{Diagnostic, Span};
use crate::manifest::{self, Manifest};
use crate::store;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// How many objects may wait: enough that nobody waits for the reader, few enough that memory stays flat.
const WAITING: usize = 64;
/// How many broken files are shown with their lines, and how long one may be for that.
const SHOWN: (usize, usize) = (20, 1 << 20);

/// A file that was read.
struct File {
    name: String,
    content: Vec<u8>,
}

/// Something that was found in a file, with its number.
struct Job {
    number: usize,
    file: Arc<File>,
    found: Result<Manifest, Diagnostic>,
}

/// What became of it.
enum Done {
    Judged(Box<(Object, Outcome)>),
    Skipped(Span, String),
    Unread(Diagnostic),
}

/// Judges the objects at some paths, and returns the files with mistakes, for those who want to see their lines.
pub(super) fn judge(paths: &[PathBuf], judge: Judge, report: &mut Report) -> Result<Vec<SourceFile>, CommandError> {
    let stdin = match paths.iter().any(|path| path == Path::new("-")) {
        true => Some(standard_input()?),
        false => None,
    };
    let files = Files { paths, stdin };
    let judge = match judge.selects_namespaces() {
        // A Namespace may stand behind the objects that are in it.
        true => judge.knowing(namespaces(&files)),
        false => judge,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let broken = std::thread::scope(|scope| {
        let (jobs, queue) = sync_channel::<Job>(WAITING);
        let (done, results) = sync_channel::<(Job, Done)>(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let (judge, queue, done) = (judge.clone(), Arc::clone(&queue), done.clone());
            scope.spawn(move || work(&judge, &queue, &done));
        }
        drop((done, judge, queue));
        let files = &files;
        let reader = scope.spawn(move || read(files, &jobs));
        let broken = collect(&results, report);
        report.files = reader.join().unwrap_or_default();
        broken
    });
    Ok(broken)
}

/// Takes what waits, one after another, until nothing comes any more.
fn work(judge: &Judge, queue: &Mutex<Receiver<Job>>, done: &SyncSender<(Job, Done)>) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(mut job) = job else { return };
        let nothing = Err(Diagnostic::file_error("", ""));
        let result = match std::mem::replace(&mut job.found, nothing) {
            Err(mistake) => Done::Unread(mistake),
            Ok(manifest) => {
                let span = manifest.span;
                let source = Source {
                    file: &job.file.name,
                    content: &job.file.content,
                    span,
                };
                match judge.judge(source, manifest) {
                    Ok(judged) => Done::Judged(Box::new(judged)),
                    Err(reason) => Done::Skipped(span, reason),
                }
            }
        };
        if done.send((job, result)).is_err() {
            return;
        }
    }
}

/// Puts what was done into the report, in the order of the files.
fn collect(results: &Receiver<(Job, Done)>, report: &mut Report) -> Vec<SourceFile> {
    let mut next = 0;
    let mut early: BTreeMap<usize, (Arc<File>, Done)> = BTreeMap::new();
    let mut broken: Vec<SourceFile> = Vec::new();
    for (job, done) in results {
        early.insert(job.number, (job.file, done));
        while let Some((file, done)) = early.remove(&next) {
            next += 1;
            match done {
                Done::Judged(judged) => report.add(judged.0, judged.1),
                Done::Skipped(span, reason) => report.skip(&file.name, span, reason),
                Done::Unread(mistake) => {
                    let (most, longest) = SHOWN;
                    let new = broken.last().is_none_or(|last| last.path != file.name);
                    if new && broken.len() < most && file.content.len() <= longest {
                        broken.push(SourceFile {
                            path: file.name.clone(),
                            content: file.content.clone(),
                        });
                    }
                    report.unread.push(mistake);
                }
            }
        }
    }
    broken
}

/// What is to be read.
struct Files<'a> {
    paths: &'a [PathBuf],
    stdin: Option<Vec<u8>>,
}

impl Files<'_> {
    /// Hands out each file, or why it cannot be read, until it is told to stop; returns how many files there were.
    fn each(&self, take: &mut dyn FnMut(Result<File, Diagnostic>) -> ControlFlow<()>) -> usize {
        let mut count = 0;
        for path in self.paths {
            if path == Path::new("-") {
                count += 1;
                let file = File {
                    name: "-".to_owned(),
                    content: self.stdin.clone().unwrap_or_default(),
                };
                if take(Ok(file)).is_break() {
                    return count;
                }
                continue;
            }
            let below = match store::files_below(path, &manifest::EXTENSIONS) {
                Ok(below) => below,
                Err(error) => {
                    if take(Err(unread(path, &error.to_string()))).is_break() {
                        return count;
                    }
                    continue;
                }
            };
            for (path, error) in &below.refused {
                if take(Err(unread(path, &error.to_string()))).is_break() {
                    return count;
                }
            }
            for path in &below.files {
                count += 1;
                let file = match store::read_start(path, manifest::LONGEST_FILE as u64 + 1) {
                    Ok(Some(content)) => Ok(File {
                        name: shown(path),
                        content,
                    }),
                    Ok(None) => Err(unread(path, "it is gone")),
                    Err(error) => Err(unread(path, &error.to_string())),
                };
                if take(file).is_break() {
                    return count;
                }
            }
        }
        count
    }
}

/// Reads the files and sends what is in them; returns how many there were.
fn read(files: &Files<'_>, jobs: &SyncSender<Job>) -> usize {
    let mut number = 0;
    let mut send = |file: &Arc<File>, found| {
        let job = Job {
            number,
            file: Arc::clone(file),
            found,
        };
        number += 1;
        match jobs.send(job) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    files.each(&mut |file| match file {
        Ok(file) => {
            let file = Arc::new(file);
            let mut on = ControlFlow::Continue(());
            let template = contains(&file.content, b"{{");
            manifest::each(&file.name, &file.content, &mut |found| {
                on = send(&file, found.map_err(|mistake| advised(mistake, template)));
                on
            });
            on
        }
        Err(mistake) => {
            let file = Arc::new(File {
                name: mistake.file.clone(),
                content: Vec::new(),
            });
            send(&file, Err(mistake))
        }
    })
}

/// Adds what to do about a file that is a template of Helm's, and so no YAML yet.
fn advised(mistake: Diagnostic, template: bool) -> Diagnostic {
    match template {
        true => mistake.hint("a chart has to be rendered first: `helm template CHART | aksgate check ENV -`"),
        false => mistake,
    }
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|bytes| bytes == wanted)
}

fn unread(path: &Path, why: &str) -> Diagnostic {
    let mut mistake = Diagnostic::file_error("file cannot be read", &shown(path));
    mistake.label = why.to_owned();
    mistake
}

/// Returns a path as messages show it.
fn shown(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

fn standard_input() -> Result<Vec<u8>, CommandError> {
    let mut content = Vec::new();
    let longest = manifest::LONGEST_FILE as u64 + 1;
    std::io::stdin()
        .lock()
        .take(longest)
        .read_to_end(&mut content)
        .map_err(|error| CommandError::failed("standard input cannot be read").detail(error.to_string()))?;
    Ok(content)
}

/// Returns the Namespaces among the objects, by name.
fn namespaces(files: &Files<'_>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    files.each(&mut |file| {
        if let Ok(file) = file {
            manifest::each(&file.name, &file.content, &mut |one| {
                if let Ok(Manifest { value, .. }) = one {
                    found.extend(namespace(value));
                }
                ControlFlow::Continue(())
            });
        }
        ControlFlow::Continue(())
    });
    found
}

/// Returns an object with its name, if it is a Namespace.
pub(super) fn namespace(object: Value) -> Option<(String, Value)> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    if text("/apiVersion") != Some("v1") || text("/kind") != Some("Namespace") {
        return None;
    }
    let name = text("/metadata/name")?.to_owned();
    Some((name, object))
}

/// Returns all objects at a path, which has to be readable as a whole.
pub(super) fn objects(path: &Path) -> Result<Vec<Value>, CommandError> {
    let files = Files {
        paths: &[path.to_path_buf()],
        stdin: None,
    };
    let mut objects = Vec::new();
    let mut wrong = None;
    files.each(&mut |file| {
        let mut on = ControlFlow::Continue(());
        let mut stop = |mistake: Diagnostic| {
            wrong = Some(mistake);
            ControlFlow::Break(())
        };
        match file {
            Err(mistake) => on = stop(mistake),
            Ok(file) => manifest::each(&file.name, &file.content, &mut |found| {
                on = match found {
                    Ok(manifest) => {
                        objects.push(manifest.value);
                        ControlFlow::Continue(())
                    }
                    Err(mistake) => stop(mistake),
                };
                on
            }),
        }
        on
    });
    match wrong {
        None => Ok(objects),
        Some(mistake) => {
            let mut error = CommandError::failed(format!("`{}` cannot be read", path.display()));
            let place = mistake.span.map(|span| format!(":{}:{}", span.line, span.column));
            error = error.detail(format!(
                "{}{}: {}: {}",
                mistake.file,
                place.unwrap_or_default(),
                mistake.summary,
                mistake.label
            ));
            error.diagnostics.push(mistake);
            Err(error)
        }
    }
}
