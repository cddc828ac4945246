//! What a run costs: `plan`, `apply` of one changed gate, `status` and what else reads, on fleets of four sizes; and what needs no Azure.
//!
//! `cargo bench --bench fleet` builds the program as it is released, serves its sandbox over TLS with 50 ms of latency and Azure's limits in
//! force, runs the program as its users do, and prints tables; `-- --write` puts them into `docs/performance.md`. `-- 10 1000` takes fleets
//! of these sizes only, `-- check` only what needs no Azure, `-- --program FILE` measures a program that is there already. Time of the
//! processor and memory are read from `/proc`, so on Linux only.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on has failed; it makes files of its own and prints what it found"
)]

mod check;
mod estate;
mod page;
mod process;

use estate::Fleet;
use page::Page;
use process::{Ended, Served};
use std::time::Duration;

/// How long each answer of the sandbox takes at least.
const LATENCY: Duration = Duration::from_millis(50);

/// Clusters, and the subscriptions that they are spread over.
const SIZES: [(usize, usize); 4] = [(10, 3), (100, 10), (1_000, 50), (10_000, 500)];

/// How often a command that only reads is run; the median is told.
const RUNS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut write, mut offline, mut sizes) = (false, false, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--write" => write = true,
            "--program" => process::use_program(arguments.next().unwrap().into()),
            "check" => offline = true,
            size => sizes.push(size.parse::<usize>().unwrap()),
        }
    }
    let all = !offline && sizes.is_empty();
    assert!(all || !write, "the page has the tables of a whole run");
    let mut page = Page::new();
    if all || offline {
        page.program();
        page.validation();
        page.checks();
    }
    for (clusters, subscriptions) in SIZES {
        if all || sizes.contains(&clusters) {
            measure(&mut page, clusters, subscriptions);
        }
    }
    println!("{}", page.text());
    if write {
        page.write();
    }
}

fn measure(page: &mut Page, clusters: usize, subscriptions: usize) {
    eprintln!("{clusters} clusters in {subscriptions} subscriptions");
    let fleet = Fleet::settled(clusters, subscriptions);
    let served = Served::start(&fleet, LATENCY);
    let mut row = |what: &str, runs: &[Ended]| page.row(clusters, what, runs);
    let read = |line: &str| -> Vec<Ended> { (0..RUNS).map(|_| served.run(line, &[0])).collect() };
    row("plan", &read("plan fleet"));
    row("status", &read("status fleet"));
    row("coverage", &read("coverage fleet"));
    row("drift", &read("drift fleet"));
    fleet.want_evidence(true);
    row("plan of gates that wait for evidence", &read("plan fleet"));
    fleet.want_evidence(false);
    fleet.change_a_gate();
    row("apply of one changed gate", &[served.run("apply fleet --yes", &[0])]);
    row("plan after it", &read("plan fleet"));
}
