//! The tables, and the page that they stand on.

use crate::LATENCY;
use crate::check::{CHECKED, Objects};
use crate::estate::{Fleet, root};
use crate::process::{Ended, measured, program};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The page, and the lines between which the tables stand.
const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// How many queries Resource Graph takes in one window, and how long that is.
const QUERIES: u64 = 15;
const WINDOW: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Page {
    program: Vec<(String, String)>,
    rows: Vec<(usize, String, Ended)>,
}

impl Page {
    pub fn new() -> Page {
        Page::default()
    }

    /// Measures the program itself.
    pub fn program(&mut self) {
        let binary = program();
        let size = fs::metadata(binary).unwrap().len();
        let start: Vec<Ended> = (0..20)
            .map(|_| measured(Command::new(binary).arg("version"), &[0]).0)
            .collect();
        let start = median(&start);
        self.program
            .push(("binary, stripped".into(), format!("{:.1} MiB", mib(size))));
        self.program
            .push(("start-up (`version`)".into(), format!("{:.0} ms", millis(start.wall))));
    }

    /// Measures what checking a wide estate takes.
    pub fn validation(&mut self) {
        let wide = Fleet::wide(50, 40);
        let mut command = Command::new(program());
        command.arg("validate").current_dir(wide.path(""));
        let runs: Vec<Ended> = (0..3).map(|_| measured(&mut command, &[0]).0).collect();
        let run = median(&runs);
        let what = "`validate` of 50 environments with 40 gates each";
        self.program.push((what.to_owned(), took(&run)));
    }

    /// Measures what checking manifests takes.
    pub fn checks(&mut self) {
        let objects = Objects::new();
        for (what, paths, count) in CHECKED {
            let runs: Vec<Ended> = (0..3).map(|_| objects.check(paths, count)).collect();
            let run = median(&runs);
            let speed = count as f64 / run.wall.as_secs_f64();
            let speed = if count > 1 {
                format!(", {speed:.0} objects/s")
            } else {
                String::new()
            };
            self.program.push((what.to_owned(), format!("{}{speed}", took(&run))));
        }
    }

    /// Takes down what runs of a command took. None may be dearer than the first one: nothing was learnt that is asked for again.
    pub fn row(&mut self, clusters: usize, what: &str, runs: &[Ended]) {
        let calls: Vec<u64> = runs.iter().map(|run| run.calls).collect();
        assert!(
            calls.iter().all(|of| *of <= calls[0]),
            "{clusters} clusters, {what}: {calls:?}"
        );
        self.rows.push((clusters, what.to_owned(), median(runs)));
    }

    /// Returns everything that was measured, as Markdown.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", machine());
        text.push_str("| what | |\n|---|---|\n");
        for (what, figure) in &self.program {
            let _ = writeln!(text, "| {what} | {figure} |");
        }
        text.push_str(
            "\n| clusters | command | round trips | calls | of them Resource Graph | KiB read | wall | limit | CPU | peak memory | 429 |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (clusters, what, run) in &self.rows {
            let _ = writeln!(
                text,
                "| {clusters} | {what} | {} | {} | {} | {} | {:.2} s | {:.2} s | {:.2} s | {} MiB | {} |",
                run.rounds,
                run.calls,
                run.queries,
                run.kib,
                run.wall.as_secs_f64(),
                limit(run).as_secs_f64(),
                run.cpu.as_secs_f64(),
                run.peak_kib.div_ceil(1_024),
                run.throttled
            );
        }
        text.push_str(&self.growth());
        text
    }

    /// How much more each ten times more clusters take.
    fn growth(&self) -> String {
        let mut commands: BTreeMap<&str, Vec<(usize, &Ended)>> = BTreeMap::new();
        for (clusters, what, run) in &self.rows {
            commands.entry(what).or_default().push((*clusters, run));
        }
        let mut text = String::from(
            "\nTen times more clusters take so many times more:\n\n\
             | command | from | calls | KiB read | CPU | peak memory |\n|---|---|---|---|---|---|\n",
        );
        for (what, runs) in commands {
            for pair in runs.windows(2) {
                let [(from, small), (_, large)] = pair else { continue };
                let factor = |of: fn(&Ended) -> f64| of(large) / of(small).max(0.001);
                let _ = writeln!(
                    text,
                    "| {what} | {from} | {:.1} | {:.1} | {:.1} | {:.1} |",
                    factor(|run| run.calls as f64),
                    factor(|run| run.kib as f64),
                    factor(|run| run.cpu.as_secs_f64()),
                    factor(|run| run.peak_kib as f64)
                );
            }
        }
        text
    }

    /// Puts the tables into the page.
    pub fn write(&self) {
        let path = root().join(PAGE);
        let page = fs::read_to_string(&path).unwrap();
        let (head, rest) = page.split_once(BEGIN).unwrap();
        let (_, tail) = rest.split_once(END).unwrap();
        fs::write(&path, format!("{head}{BEGIN}\n\n{}\n{END}{tail}", self.text())).unwrap();
    }
}

/// What a run takes at least: its round trips, and the windows that Resource Graph's quota makes of its queries.
fn limit(run: &Ended) -> Duration {
    let rounds = LATENCY * u32::try_from(run.rounds).unwrap();
    let windows = run.queries.saturating_sub(1) / QUERIES;
    rounds.max(WINDOW * u32::try_from(windows).unwrap())
}

/// The run in the middle by its wall time.
fn median(runs: &[Ended]) -> Ended {
    let mut runs = runs.to_vec();
    runs.sort_by_key(|run| run.wall);
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("a processor without a name", |line| {
        line.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = Command::new("date").arg("+%Y-%m-%d").output().unwrap().stdout;
    let date = String::from_utf8(date).unwrap();
    format!(
        "Measured on {}: {model}, {cores} cores, Linux; the sandbox on the same machine, {} ms of latency, Azure's limits in force.",
        date.trim(),
        LATENCY.as_millis()
    )
}

fn took(run: &Ended) -> String {
    format!(
        "{:.2} s, {} MiB at most",
        run.wall.as_secs_f64(),
        run.peak_kib.div_ceil(1_024)
    )
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
