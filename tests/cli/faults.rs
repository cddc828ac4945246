//! Faults of Azure and of the way to it, against `plan` and `apply` in processes of their own.
//!
//! Each fault of the table (`faults/table.rs`) strikes both commands. What must hold whatever strikes: `plan` writes nothing; an
//! `apply` that ends with 0 has reached what was wanted; one that does not has said why; no write takes effect twice, unless its
//! answer was lost, and then it is the same; what is not in the plan stays as it is; a clean `apply` afterwards ends where a clean one
//! ends. `docs/faults.md` is made from the same table; with AKSGATE_UPDATE=1 the test writes it instead of comparing it.

mod crash;
mod processes;
pub mod served;
mod table;

use crate::harness::{Run, root};
use served::{Exchange, Served, estate, exchanges, reference, settled};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use table::{Case, Ends, table};

/// How many cases run at once: most of their time they wait.
const WORKERS: usize = 10;

#[test]
fn whatever_strikes_nothing_is_lost_written_twice_or_concealed() {
    let mut waiting: Vec<Case> = table();
    // Those that wait long begin first.
    waiting.sort_by_key(|case| case.long);
    let waiting = Mutex::new(waiting);
    let problems: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().pop();
                    let Some(case) = next else { return };
                    let fault = case.fault;
                    let ended = std::panic::catch_unwind(|| {
                        let mut found = plan_meets(&case);
                        found.extend(apply_meets(&case));
                        found
                    });
                    let found = ended.unwrap_or_else(|_| vec!["the case ended early".to_owned()]);
                    let told = found.into_iter().map(|problem| format!("== {fault}: {problem}"));
                    problems.lock().unwrap().extend(told);
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
}

fn plan_meets(case: &Case) -> Vec<String> {
    let served = case.serve();
    let before = served.folder.resources(|_, _| true);
    let writes_before = puts(&served.exchanges()).len();
    let run = served.run(&format!("plan dev --detailed-exitcode {}", case.options));
    let mut problems = case.plan.unlike(&run);
    if puts(&served.exchanges()).len() != writes_before || served.folder.resources(|_, _| true) != before {
        problems.push("plan wrote".to_owned());
    }
    if case.strikes_reads && !served.exchanges().iter().any(|exchange| !exchange.fault.is_empty()) && !case.signs_in {
        problems.push("plan: the fault never struck".to_owned());
    }
    problems.iter().map(|problem| format!("plan: {problem}")).collect()
}

fn apply_meets(case: &Case) -> Vec<String> {
    let served = case.serve();
    let before = settled(&served.folder);
    let run = served.run_while_time_flies(&format!("apply dev --yes {}", case.options));
    let mut problems = case.apply.unlike(&run);
    let folder = served.end();
    let recorded = exchanges(&folder);
    if !case.signs_in && recorded.iter().all(|exchange| exchange.fault.is_empty()) {
        problems.push("the fault never struck".to_owned());
    }
    let ended_reading = case.strikes_reads && run.code == 1;
    if case.rules.to_string().contains("\"PUT\"") && !ended_reading {
        let struck = puts(&recorded).iter().any(|put| !put.fault.is_empty());
        if !struck {
            problems.push("the fault never struck a write".to_owned());
        }
    }
    problems.extend(written_twice(&recorded, case.loses_answers));
    let wanted = reference(case.start);
    let after = settled(&folder);
    let touched: Vec<&String> = puts(&recorded).into_iter().map(|exchange| &exchange.path).collect();
    for (id, resource) in &after {
        if !touched.contains(&id) && before.get(id) != Some(resource) {
            problems.push(format!("{id} changed, and nobody wrote it"));
        }
    }
    if let Some(id) = before.keys().find(|id| !after.contains_key(*id)) {
        problems.push(format!("{id} is lost"));
    }
    if run.code == 0 && after != *wanted {
        problems.push(format!(
            "it ended with 0 in another state: {}",
            differences(&after, wanted)
        ));
    }
    // The same estate, without faults: over the embedded sandbox, whose time does not have to be waited for.
    folder.run("sandbox advance 15m").expect(0);
    let again = folder.run("apply dev --sandbox --yes");
    if again.code != 0 {
        problems.push(format!(
            "the next clean run ended with {}\n{}",
            again.code, again.stderr
        ));
    }
    if !folder.is_settled("dev") || settled(&folder) != *wanted {
        let different = differences(&settled(&folder), wanted);
        problems.push(format!("the next clean run does not converge: {different}"));
    }
    problems.iter().map(|problem| format!("apply: {problem}")).collect()
}

fn puts(recorded: &[Exchange]) -> Vec<&Exchange> {
    recorded.iter().filter(|exchange| exchange.method == "PUT").collect()
}

/// Objects that more than one write took effect on, or two different ones.
pub fn written_twice(recorded: &[Exchange], loses_answers: bool) -> Vec<String> {
    let mut effective: BTreeMap<&str, Vec<&Exchange>> = BTreeMap::new();
    for put in puts(recorded).into_iter().filter(|put| put.took_effect()) {
        effective.entry(&put.path).or_default().push(put);
    }
    let mut problems = Vec::new();
    for (path, writes) in effective {
        let same = writes.iter().all(|write| write.body == writes[0].body);
        if writes.len() > if loses_answers { 2 } else { 1 } || !same {
            problems.push(format!("{path} was written {} times, the same: {same}", writes.len()));
        }
    }
    problems
}

/// Where two states differ, in short.
pub fn differences(one: &BTreeMap<String, serde_json::Value>, other: &BTreeMap<String, serde_json::Value>) -> String {
    let ids = one.keys().chain(other.keys());
    let mut found: Vec<&String> = ids.filter(|id| one.get(*id) != other.get(*id)).collect();
    found.sort();
    found.dedup();
    let show = |state: &BTreeMap<String, serde_json::Value>, id: &str| {
        state
            .get(id)
            .map_or("absent".to_owned(), |value| value["properties"].to_string())
    };
    found
        .iter()
        .map(|id| format!("\n  {id}\n    {}\n    {}", show(one, id), show(other, id)))
        .collect()
}

impl Case {
    fn serve(&self) -> Served {
        if !self.after_apply {
            return Served::new(estate(self.start), &self.rules, 0);
        }
        let served = Served::new(estate(self.start), &self.rules, 0);
        served.run_while_time_flies("apply dev --yes --quiet").expect(0);
        served
    }
}

impl Ends {
    fn unlike(&self, run: &Run) -> Vec<String> {
        let mut problems = Vec::new();
        let streams = format!("{}\n--- stderr\n{}", last_lines(&run.stdout), run.stderr);
        if run.code != self.code {
            problems.push(format!("ended with {} instead of {}\n{streams}", run.code, self.code));
        }
        for text in &self.says {
            if !run.stderr.contains(text) {
                problems.push(format!("does not say {text:?}\n{streams}"));
            }
        }
        let failed = !matches!(run.code, 0 | 2);
        if failed
            && !(run.stderr.contains("error: ") || run.stderr.contains("failed  ") || run.stderr.contains("stale  "))
        {
            problems.push(format!("failed without a word\n{streams}"));
        }
        problems
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join("\n")
}

#[test]
fn the_table_in_the_documentation_is_the_one_that_is_tested() {
    let path = root().join("docs/faults.md");
    let generated = document();
    if std::env::var_os("AKSGATE_UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "docs/faults.md is not what the table says; AKSGATE_UPDATE=1 cargo test --test cli faults writes it"
    );
}

fn document() -> String {
    let mut out = String::from(table::HEAD);
    let mut group = "";
    for case in table() {
        if case.group != group {
            group = case.group;
            let _ = write!(
                out,
                "\n## {group}\n\n| Fault | `plan` | `apply` | What to do |\n|---|---|---|---|\n"
            );
        }
        let cell = |ends: &Ends| format!("{}: {}", ends.code, ends.does);
        let (plan, apply) = (cell(&case.plan), cell(&case.apply));
        let _ = writeln!(out, "| {} | {plan} | {apply} | {} |", case.fault, case.advice);
    }
    out.push_str(table::FOOT);
    out
}
