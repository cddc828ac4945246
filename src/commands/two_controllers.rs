//! Two controllers of one environment, interleaved at every write: whichever goes first, no gate closes past a guard, none takes two
//! steps at once, and both end in the same place.

use super::Cli;
use super::context::{Context, LoadedEstate};
use super::gather::{Gathered, gather, still_open};
use crate::apply::{self, AtOnce, Run};
use crate::desired::Controls;
use crate::plan::Step;
use crate::sandbox;
use crate::sandbox::operator::{self, Switch, Work};
use crate::store;
use clap::Parser;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;

const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;
const ESTATE: &str = "owner: platform
defaults: {cloud: public, tenant: 11111111-1111-4111-8111-111111111111}
";
const DEV: &str = "scope: subscriptions/0a000000-0000-4000-8000-000000000001
advance: auto
rings:
  - {name: canary, locations: [northeurope]}
  - {name: broad}
gates:
  image-governance:
    initiative: image-governance
    target: deny
    soak: 1d
    parameters: {trustedImages: [contoso.azurecr.io, contososandbox.azurecr.io, mcr.microsoft.com]}
  pod-security: {initiative: pod-security-baseline, target: deny, soak: 1d}
clusters: {policyAddon: {mode: manage}}
";

/// Where a controller is when the other one comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// It has read and decided, and is about to send its nth write.
    Before(usize),
    /// Its nth step is settled.
    After(usize),
}

/// An estate with a sandbox beside it.
struct World {
    temporary: TempDir,
}

impl World {
    fn new() -> World {
        let world = World {
            temporary: tempfile::tempdir().unwrap(),
        };
        world.write("aksgate.yaml", ESTATE);
        world.write("environments/dev.yaml", DEV);
        let images = include_str!("../../initiatives/image-governance.yaml");
        world.write("initiatives/image-governance.yaml", images);
        let pods = include_str!("../../initiatives/pod-security-baseline.yaml");
        world.write("initiatives/pod-security-baseline.yaml", pods);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        store::create_directory(path.parent().unwrap()).unwrap();
        store::replace(&path, text.as_bytes()).unwrap();
    }

    fn sandbox(&self) -> PathBuf {
        self.path(".aksgate/sandbox")
    }

    fn state(&self) -> Vec<u8> {
        store::read(&self.sandbox().join("state.json")).unwrap().unwrap()
    }

    fn restore(&self, state: &[u8]) {
        store::replace(&self.sandbox().join("state.json"), state).unwrap();
    }

    fn advance(&self, seconds: u64) {
        sandbox::advance(&self.sandbox(), seconds).unwrap();
    }

    /// Both gates in audit for their soak time, with nothing that they would refuse, and every cluster heard of.
    fn soaked() -> World {
        let world = World::new();
        world.controller().settle();
        for cluster in ["aks-dev-neu-01", "aks-dev-weu-01"] {
            operator::work(&world.sandbox(), cluster, None, &Work::Fix).unwrap();
        }
        world.advance(DAY + 3 * HOUR);
        world
    }

    /// A controller on a machine of its own, with the estate as its files are now.
    fn controller(&self) -> Controller {
        let folder = self.temporary.path().to_str().unwrap();
        let line = [
            "aksgate",
            "-C",
            folder,
            "--sandbox",
            "-q",
            "--parallelism",
            "1",
            "version",
        ];
        let context = Context::new(Cli::try_parse_from(line).unwrap().global);
        let loaded = context.estate().unwrap();
        Controller { context, loaded }
    }

    /// How far each gate denies, and the images that the assignments which deny trust.
    fn denying(&self) -> BTreeMap<String, (usize, Vec<String>)> {
        let state: Value = serde_json::from_slice(&self.state()).unwrap();
        let mut found = BTreeMap::new();
        for (id, document) in state["resources"].as_object().unwrap() {
            let properties = &document["properties"];
            let mark = properties["metadata"]["aksgate"].as_str().unwrap_or_default();
            if !id.to_lowercase().contains("/policyassignments/") || mark.is_empty() {
                continue;
            }
            let gate = mark.split("gate=").nth(1).unwrap().split(';').next().unwrap();
            let everywhere = properties["parameters"]["effect"]["value"] == "Deny";
            let somewhere = properties["overrides"].as_array().is_some_and(|all| !all.is_empty());
            let rings = match (everywhere, somewhere) {
                (true, _) => 2,
                (false, true) => 1,
                (false, false) => 0,
            };
            let entry: &mut (usize, Vec<String>) = found.entry(gate.to_owned()).or_default();
            entry.0 = entry.0.max(rings);
            let trusted = properties["parameters"]["trustedImages"]["value"].as_str();
            entry.1.extend(trusted.filter(|_| rings > 0).map(str::to_owned));
        }
        found
    }

    fn rings(&self) -> Vec<usize> {
        self.denying().into_values().map(|(rings, _)| rings).collect()
    }
}

struct Controller {
    context: Context,
    loaded: LoadedEstate,
}

impl Controller {
    /// Plans and applies once; `at` is told of each moment. Returns what became of the steps.
    fn run(&self, at: &(dyn Fn(Moment) + Sync)) -> Vec<&'static str> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(self.run_once(at))
    }

    async fn run_once(&self, at: &(dyn Fn(Moment) + Sync)) -> Vec<&'static str> {
        let environment = self.loaded.environment("dev").unwrap();
        let connection = self.context.connect(&self.loaded.dir, environment).unwrap();
        let gathered: Gathered = gather(
            &self.context,
            &self.loaded,
            environment,
            &connection,
            (&[], Controls::default()),
        )
        .await
        .unwrap();
        let plan = &gathered.plan;
        let (writes, steps) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (stop, refused) = (AtomicBool::new(false), BTreeMap::new());
        let of = (&self.loaded, environment, &gathered);
        let ask_again = |step: &Step| -> apply::Answer<'_> {
            let step = step.clone();
            let connection = &connection;
            Box::pin(async move { still_open(connection, of, &step).await })
        };
        let run = Run {
            client: &connection.client,
            ours: (&self.loaded.estate.owner, "dev"),
            refused: &refused,
            documents: &gathered.documents,
            reason: None,
            plan_id: &plan.header.plan_id,
            now: gathered.now,
            at_once: AtOnce { calls: 1, clusters: 1 },
            stop: &stop,
            ask_again: &ask_again,
            started: &|_| {},
            writing: &|_| {
                at(Moment::Before(writes.fetch_add(1, Ordering::SeqCst)));
                Ok(())
            },
            finished: &|_, _| at(Moment::After(steps.fetch_add(1, Ordering::SeqCst))),
        };
        let report = apply::apply(plan, run).await;
        report.outcomes.iter().map(|(_, outcome)| outcome.name()).collect()
    }

    /// Applies until there is nothing left that can be done now.
    fn settle(&self) -> usize {
        (0..8).find(|_| self.run(&|_| {}).is_empty()).expect("it settles")
    }
}

/// Runs `first` once for each of its moments, always from the same state, and lets `then` happen there. Returns how many moments it had.
fn at_every_moment(
    world: &World,
    first: &Controller,
    then: &(dyn Fn() + Sync),
    judge: &dyn Fn(Moment, &[&str]),
) -> usize {
    let state = world.state();
    let mut moments = 0;
    for number in 0.. {
        let mut reached = 0;
        for moment in [Moment::Before(number), Moment::After(number)] {
            world.restore(&state);
            let happened = AtomicBool::new(false);
            let outcomes = first.run(&|now| {
                if now == moment && !happened.swap(true, Ordering::SeqCst) {
                    // On a thread of its own, as the first one holds this one's runtime.
                    std::thread::scope(|scope| scope.spawn(then).join()).unwrap();
                }
            });
            if happened.into_inner() {
                reached += 1;
                judge(moment, &outcomes);
            }
        }
        if reached == 0 {
            break;
        }
        moments += reached;
    }
    moments
}

/// Whether a run went well as far as it was let.
fn sound(outcomes: &[&str]) -> bool {
    outcomes
        .iter()
        .all(|outcome| matches!(*outcome, "done" | "already-done" | "stale" | "refused" | "skipped"))
}

#[test]
fn two_first_applies_end_in_audit_whichever_goes_first() {
    let world = World::new();
    sandbox::open(&world.sandbox()).unwrap();
    world.advance(1);
    let (one, other) = (world.controller(), world.controller());
    let second = || assert!(sound(&other.run(&|_| {})));
    let moments = at_every_moment(&world, &one, &second, &|moment, outcomes| {
        assert!(sound(outcomes), "{moment:?}: {outcomes:?}");
        assert_eq!(world.rings(), [0, 0], "{moment:?}");
        assert_eq!(one.settle(), 0, "{moment:?}: nothing is left to do");
    });
    assert!(moments >= 8, "{moments}");
}

#[test]
fn two_controllers_that_are_due_take_one_step_between_them() {
    let world = World::soaked();
    let (one, other) = (world.controller(), world.controller());
    let second = || {
        assert!(sound(&other.run(&|_| {})));
        assert!(world.rings().iter().all(|rings| *rings <= 1), "two steps at once");
    };
    let moments = at_every_moment(&world, &one, &second, &|moment, outcomes| {
        assert!(sound(outcomes), "{moment:?}: {outcomes:?}");
        assert_eq!(world.rings(), [1, 1], "{moment:?}");
        assert_eq!(other.settle(), 0, "{moment:?}: what comes next has to soak");
        world.advance(DAY + 3 * HOUR);
        assert!(sound(&one.run(&|_| {})));
        assert_eq!(world.rings(), [2, 2], "{moment:?}");
    });
    assert_eq!(moments, 4, "two gates, each before and after its write");
}

#[test]
fn a_guard_that_closes_between_two_writes_stops_the_second() {
    let world = World::soaked();
    let controller = world.controller();
    // Nothing is heard of the canary for longer than a report may take.
    let silence = || {
        operator::switch(&world.sandbox(), "aks-dev-neu-01", Switch::Silence).unwrap();
        world.advance(DAY + 4 * HOUR);
    };
    at_every_moment(&world, &controller, &silence, &|moment, outcomes| {
        // What was about to be sent is sent; nothing is after it.
        let (Moment::Before(number) | Moment::After(number)) = moment;
        let written = outcomes.iter().filter(|outcome| **outcome == "done").count();
        assert_eq!(written, number + 1, "{moment:?}: {outcomes:?}");
        assert_eq!(world.rings().iter().sum::<usize>(), number + 1, "{moment:?}");
        assert!(
            outcomes.iter().skip(number + 1).all(|outcome| *outcome == "refused"),
            "{outcomes:?}"
        );
        world.advance(2 * DAY);
        assert!(sound(&controller.run(&|_| {})));
        assert_eq!(
            world.rings().iter().sum::<usize>(),
            number + 1,
            "{moment:?}: it stays so"
        );
    });
}

#[test]
fn a_cluster_that_is_stopped_between_two_writes_stops_the_second() {
    let world = World::soaked();
    let controller = world.controller();
    let stop = || {
        operator::switch(&world.sandbox(), "aks-dev-neu-01", Switch::Stop).unwrap();
        world.advance(HOUR);
    };
    let moments = at_every_moment(&world, &controller, &stop, &|moment, outcomes| {
        // What was about to be sent is sent, though its cluster has stopped; nothing is after it.
        let (Moment::Before(number) | Moment::After(number)) = moment;
        let mut expected = vec!["refused"; 2];
        expected[..=number].fill("done");
        assert_eq!(outcomes, expected, "{moment:?}");
        assert_eq!(world.rings().iter().sum::<usize>(), number + 1, "{moment:?}");
    });
    assert_eq!(moments, 4, "two gates, each before and after its write");
}

#[test]
fn two_versions_of_the_estate_never_deny_by_content_that_has_not_soaked() {
    let world = World::soaked();
    let old = world.controller();
    let tighter = DEV.replace("contososandbox.azurecr.io, ", "");
    world.write("environments/dev.yaml", &tighter);
    let new = world.controller();
    let only_what_soaked = |when: &str| {
        for trusted in world.denying().into_values().flat_map(|(_, trusted)| trusted) {
            assert!(trusted.contains("contososandbox"), "{when}: denies by {trusted}");
        }
        assert!(
            world.rings().iter().all(|rings| *rings <= 1),
            "{when}: two steps at once"
        );
    };
    let state = world.state();
    for (first, second) in [(&old, &new), (&new, &old)] {
        world.restore(&state);
        let then = || {
            assert!(sound(&second.run(&|_| {})));
            only_what_soaked("meanwhile");
        };
        let moments = at_every_moment(&world, first, &then, &|moment, outcomes| {
            assert!(sound(outcomes), "{moment:?}: {outcomes:?}");
            only_what_soaked("after");
            new.settle();
            only_what_soaked("settled");
            assert!(new.run(&|_| {}).is_empty(), "{moment:?}: nothing is left to do");
        });
        assert_eq!(moments, 4);
    }
}
