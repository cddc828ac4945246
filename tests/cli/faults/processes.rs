//! Runs that are killed, told to stop, or not alone.

use super::served::{Exchange, Served, Start, ended, estate, exchanges, reference, settled, signal};
use super::{differences, written_twice};
use crate::harness::Folder;
use serde_json::Value;
use std::process::Stdio;

const APPLY: &str = "apply dev --yes";

fn is_put(exchange: &Exchange) -> bool {
    exchange.method == "PUT"
}

/// A run without faults ends where one ends that nothing disturbed, and has nothing left to do.
#[track_caller]
fn converges(folder: &Folder, start: Start) {
    folder.run("sandbox advance 15m").expect(0);
    folder.run("apply dev --sandbox --yes").expect(0);
    let (now, wanted) = (settled(folder), reference(start));
    assert!(now == *wanted, "{}", differences(&now, wanted));
    assert!(folder.is_settled("dev"));
}

#[test]
fn an_apply_that_is_killed_is_finished_by_the_next_one() {
    std::thread::scope(|scope| {
        for requests in [3, 8, 12, 14, 17, 19] {
            scope.spawn(move || {
                let served = Served::new(estate(Start::Policy), &Value::Null, 60);
                let mut child = served.start(APPLY);
                served.wait_for(requests, |_| true);
                child.kill().unwrap();
                child.wait().unwrap();
                let run = served.run(APPLY).expect(0);
                assert!(run.stdout.contains("Applied: "), "{}", run.stdout);
                let recorded = served.exchanges();
                let folder = served.end();
                // Over both runs together.
                assert_eq!(written_twice(&recorded, false), [""; 0], "killed at request {requests}");
                assert!(
                    settled(&folder) == *reference(Start::Policy),
                    "killed at request {requests}"
                );
                converges(&folder, Start::Policy);
            });
        }
    });
}

#[test]
fn an_apply_that_is_killed_while_a_cluster_is_written_is_finished_by_the_next_one() {
    let served = Served::new(estate(Start::Cluster), &Value::Null, 0);
    let mut child = served.start(APPLY);
    served.wait_for(1, is_put);
    child.kill().unwrap();
    child.wait().unwrap();
    // The operation goes on in Azure; meanwhile there is nothing to be written, or it has to be waited for.
    let run = served.run_while_time_flies(APPLY);
    assert!([0, 1].contains(&run.code), "{run:#?}");
    let folder = served.end();
    assert_eq!(written_twice(&exchanges(&folder), false), [""; 0]);
    converges(&folder, Start::Cluster);
}

#[test]
fn a_signal_lets_writes_under_way_finish_and_starts_no_more() {
    std::thread::scope(|scope| {
        for name in ["TERM", "INT"] {
            scope.spawn(move || {
                let served = Served::new(estate(Start::Policy), &Value::Null, 400);
                let child = served.start("apply dev --yes --parallelism 2");
                served.wait_for(1, is_put);
                signal(&child, name);
                let run = ended(APPLY, child).expect(4);
                let run = run.says(&["Interrupted: finishing the writes under way", "not-tried"]);
                let folder = served.end();
                let writes = exchanges(&folder).into_iter().filter(is_put).count();
                let done = run.stderr.lines().filter(|line| line.starts_with("done  ")).count();
                assert!((1..=2).contains(&done), "{}", run.stderr);
                assert_eq!(writes, done, "all that was sent was finished, and told");
                converges(&folder, Start::Policy);
            });
        }
    });
}

#[test]
fn a_signal_before_the_first_write_leaves_everything_as_it_was() {
    let served = Served::new(estate(Start::Policy), &Value::Null, 400);
    let before = settled(&served.folder);
    let child = served.start(APPLY);
    served.wait_for(1, |_| true);
    signal(&child, "TERM");
    let run = ended(APPLY, child);
    // Where nobody listens for the signal yet it ends the process itself, which shells show as 128 and its number.
    assert!([-1, 130].contains(&run.code), "{run:#?}");
    let folder = served.end();
    assert!(!exchanges(&folder).iter().any(is_put));
    assert!(settled(&folder) == before);
}

#[test]
fn two_applies_at_once_make_what_one_makes() {
    std::thread::scope(|scope| {
        for (start, latency) in [(Start::Policy, 0), (Start::Policy, 50), (Start::Cluster, 20)] {
            scope.spawn(move || {
                let served = Served::new(estate(start), &Value::Null, latency);
                // On another machine: on one, a lock keeps the second out.
                let machine = Folder::shipped();
                let mut command = served.command_of(&machine, APPLY);
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                let other = command.spawn().unwrap();
                let one = served.run_while_time_flies(APPLY);
                let other = ended(APPLY, other);
                for run in [&one, &other] {
                    assert!([0, 1, 4, 5].contains(&run.code), "{run:#?}");
                    let told = run.stderr.contains("stale  ") || run.stderr.contains("failed  ");
                    assert!(run.code == 0 || told, "{run:#?}");
                }
                let folder = served.end();
                if start == Start::Cluster {
                    // The cluster's ETag lets one of them write.
                    assert_eq!(written_twice(&exchanges(&folder), false), [""; 0]);
                }
                folder.run("sandbox advance 15m").expect(0);
                let (now, wanted) = (settled(&folder), reference(start));
                assert!(now == *wanted, "{}", differences(&now, wanted));
                assert!(folder.is_settled("dev"));
            });
        }
    });
}
