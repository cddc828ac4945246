//! `aksgate apply`

use crate::harness::{Folder, pending};

#[test]
fn after_an_apply_the_plan_of_every_environment_is_empty() {
    let folder = Folder::shipped();
    for environment in ["dev", "test", "prod"] {
        assert!(!folder.is_settled(environment), "{environment} before");
        folder.run(&format!("apply {environment} --sandbox --yes")).expect(0);
        assert!(folder.is_settled(environment), "{environment} after");
    }
    for environment in ["dev", "test", "prod"] {
        assert!(folder.is_settled(environment), "{environment} after all others");
    }
}

#[test]
fn a_second_apply_does_nothing() {
    let folder = Folder::applied();
    let before = folder.resources(|_, _| true);
    let run = folder.run("apply dev --sandbox --yes").expect(0);
    assert!(run.stdout.contains("Applied: nothing to do.\n"), "{}", run.stdout);
    assert!(run.stdout.contains(" 0 writes,"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
    assert_eq!(before, folder.resources(|_, _| true));
}

#[test]
fn every_step_is_named_with_its_outcome() {
    let folder = Folder::shipped();
    let planned = folder.plan("dev");
    let run = folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(run.stderr.lines().count(), pending(&planned).len(), "{}", run.stderr);
    for step in pending(&planned) {
        let object = step["object"].as_str().unwrap();
        let line = run.stderr.lines().find(|line| line.ends_with(object));
        let line = line.unwrap_or_else(|| panic!("{object} is not named:\n{}", run.stderr));
        assert!(
            line.starts_with(&format!("done  {} ", step["action"].as_str().unwrap())),
            "{line}"
        );
    }
    run.prints(&["\nApplied: 9 done.\n"]);
}

#[test]
fn an_apply_as_json_has_every_result_and_what_it_cost() {
    let folder = Folder::shipped();
    let document = folder.run("apply dev --sandbox --yes --format json").expect(0).json();
    assert_eq!(document["formatVersion"], 1);
    assert_eq!(document["command"], "apply");
    assert_eq!(document["outcome"], "done");
    assert_eq!(document["exitCode"], 0);
    assert_eq!(document["interrupted"], false);
    assert_eq!(document["counts"]["done"], 9);
    assert_eq!(document["calls"]["writes"], 9);
    let words = [
        "done",
        "already-done",
        "stale",
        "held",
        "refused",
        "failed",
        "skipped",
        "not-tried",
    ];
    assert!(words.iter().all(|word| document["counts"][word].is_u64()), "{document}");
    assert!(document["seconds"].is_f64());
    let results = document["results"].as_array().unwrap();
    let steps = pending(&document);
    assert_eq!(results.len(), steps.len());
    for (result, step) in results.iter().zip(steps) {
        assert_eq!(result["step"], step["id"]);
        assert_eq!(result["object"], step["object"]);
        assert_eq!(result["outcome"], "done");
    }
}

#[test]
fn an_apply_as_markdown_has_a_row_for_every_step() {
    let folder = Folder::shipped();
    let run = folder.run("apply dev --sandbox --yes --format markdown").expect(0);
    assert!(run.stdout.starts_with("## Apply of plan `"), "{}", run.stdout);
    assert!(run.stdout.contains("\n**Applied: 9 done.** "), "{}", run.stdout);
    assert_eq!(run.stdout.matches("\n| done | ").count(), 9);
}

#[test]
fn an_assignment_waits_for_its_definition() {
    let folder = Folder::shipped();
    for parallelism in ["1", "100"] {
        folder.run("sandbox reset").expect(0);
        let run = folder
            .run(&format!("apply dev --sandbox --yes --parallelism {parallelism}"))
            .expect(0);
        let at = |text: &str| {
            let found = run.stderr.lines().position(|line| line.contains(text));
            found.unwrap_or_else(|| panic!("{text}: {}", run.stderr))
        };
        assert!(at("policyDefinitions/aksgate-exposure-") < at("policySetDefinitions/aksgate-exposure-"));
        assert!(at("policySetDefinitions/aksgate-exposure-") < at("policyAssignments/exposure-00-"));
    }
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_written() {
    let folder = Folder::shipped();
    folder.run("sandbox reset").expect(0);
    let before = folder.resources(|_, _| true);
    for line in ["apply dev --sandbox", "apply dev --sandbox --no-input"] {
        let run = folder.run(line).expect(64);
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.stderr, @r"
            error: apply would have to ask, and nobody can answer here; nothing was written
            hint: look at the plan, then repeat with `--yes`
            ");
        }
    }
    let document = folder.run("apply dev --sandbox --format json").expect(64).json();
    assert_eq!(document["outcome"], "usage-error");
    assert_eq!(before, folder.resources(|_, _| true));
}

#[test]
fn consent_is_not_taken_from_the_environment() {
    let folder = Folder::shipped();
    let variables = ["AKSGATE_YES", "AKSGATE_SANDBOX", "AKSGATE_ALLOW_WEAKENING"];
    let with = |words: &[&str]| {
        folder.run_with(words, |command| {
            command.envs(variables.map(|name| (name, "true")));
        })
    };
    with(&["apply", "dev", "--sandbox"]).expect(64);
    let run = with(&["apply", "dev", "--yes"]).expect(1);
    assert!(!run.stderr.contains("sandbox"), "{}", run.stderr);
}

#[test]
fn nothing_to_do_needs_no_yes() {
    Folder::applied().run("apply dev --sandbox").expect(0);
}

#[test]
fn a_gate_that_is_named_is_the_only_one_that_is_written() {
    let folder = Folder::shipped();
    let run = folder
        .run("apply dev --sandbox --yes --gate exposure --format json")
        .expect(0)
        .json();
    assert_eq!(run["counts"]["done"], 3);
    let of_gate = |gate: &str| {
        let mark = format!("gate={gate};");
        folder
            .resources(|_, resource| {
                resource["properties"]["metadata"]["aksgate"]
                    .to_string()
                    .contains(&mark)
            })
            .len()
    };
    assert_eq!(
        (
            of_gate("exposure"),
            of_gate("image-governance"),
            of_gate("pod-security")
        ),
        (3, 0, 0)
    );
    assert!(!folder.is_settled("dev"));
    folder
        .run("plan dev --sandbox --detailed-exitcode --gate exposure")
        .expect(0);
}

#[test]
fn a_stopped_cluster_is_held_and_not_pending() {
    let folder = Folder::shipped();
    folder.run("apply prod --sandbox --yes").expect(0);
    let document = folder.plan("prod");
    let held = document["plan"]["held"].as_array().unwrap();
    assert!(
        held.iter().any(|held| held["subject"] == "aks-prod-eus2-01"),
        "{held:#?}"
    );
    assert_eq!(document["outcome"], "no-changes");
}
