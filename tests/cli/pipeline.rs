//! `pipeline`, and what the tool does differently where a pipeline runs it.

use super::harness::{Folder, Run};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};

/// The scripts of a pipeline's file, each with the path of what it is in: the blocks and the lines that a shell gets.
fn scripts(text: &str) -> Vec<String> {
    let mut scripts = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start().trim_start_matches("- ");
        let Some(script) = ["run: ", "bash: ", "inlineScript: "]
            .iter()
            .find_map(|key| trimmed.strip_prefix(key))
        else {
            continue;
        };
        if script != "|" {
            scripts.push(script.to_owned());
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let block = lines[at + 1..]
            .iter()
            .take_while(|next| next.trim().is_empty() || next.len() - next.trim_start().len() > indent);
        scripts.push(block.map(|next| next.trim()).collect::<Vec<_>>().join("\n"));
    }
    scripts
}

/// Runs a script as the service would, with aksgate on the path that speaks to the sandbox, and more variables.
fn step(folder: &Folder, script: &str, variables: &[(&str, &str)]) -> Run {
    let programs = folder.path("programs");
    if !folder.exists("programs/aksgate") {
        let shim = format!("#!/bin/sh\nexec {} --sandbox \"$@\"\n", env!("CARGO_BIN_EXE_aksgate"));
        folder.program("aksgate", &shim);
    }
    let mut command = Command::new("/bin/bash");
    command
        .args(["-e", "-c", script])
        .current_dir(folder.path(""))
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    Run::of(script, &command.output().unwrap())
}

fn file(folder: &Folder, service: &str, name: &str) -> String {
    folder.run(&format!("pipeline {service} --write")).expect(0);
    folder.read(name)
}

#[test]
fn the_steps_for_github_work_on_the_sandbox() {
    let folder = Folder::shipped();
    let plan = file(&folder, "github", ".github/workflows/aksgate-plan.yml");
    let apply = folder.read(".github/workflows/aksgate-apply.yml");
    let (outputs, summary) = (folder.path("outputs"), folder.path("summary.md"));
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("AKSGATE_AUTH", "github-oidc"),
        ("GITHUB_OUTPUT", outputs.to_str().unwrap()),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
    ];
    let mine = |text: &str| -> Vec<String> {
        let of_tool = |script: &String| script.contains("aksgate ") && !script.contains("cargo install");
        scripts(text).into_iter().filter(of_tool).collect()
    };
    let planned = mine(&plan);
    assert_eq!(
        planned.len(),
        4,
        "validate, and a plan of dev, test and prod: {planned:#?}"
    );
    for script in &planned {
        step(&folder, script, &variables).expect(0);
    }
    assert_eq!(
        folder.read("summary.md").matches("# Plan").count(),
        3,
        "{}",
        folder.read("summary.md")
    );
    let applied = mine(&apply);
    let dev: Vec<&String> = applied.iter().filter(|script| script.contains(" dev ")).collect();
    assert!(!dev.is_empty(), "{applied:#?}");
    for script in &dev {
        let run = step(&folder, script, &variables).expect(0);
        if script.contains("aksgate apply") {
            run.says(&["::group::", "::endgroup::"]);
        }
    }
    assert!(fs::read_dir(folder.path("journal")).unwrap().count() > 0);
    let all: Vec<&String> = applied
        .iter()
        .filter(|script| script.contains("aksgate plan"))
        .collect();
    for script in &all {
        step(&folder, script, &variables).expect(0);
    }
    let found = folder.read("outputs");
    assert!(
        found.contains("pending=true") || found.contains("pending=false"),
        "{found}"
    );
}

#[test]
fn the_steps_for_azure_devops_work_on_the_sandbox() {
    let folder = Folder::shipped();
    let apply = file(&folder, "azure-devops", ".azure-pipelines/aksgate-apply.yml");
    let temporary = folder.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let workspace = folder.path("");
    let variables = [
        ("TF_BUILD", "True"),
        ("AKSGATE_AUTH", "azure-pipelines"),
        ("AGENT_TEMPDIRECTORY", temporary.to_str().unwrap()),
        ("PIPELINE_WORKSPACE", workspace.to_str().unwrap()),
    ];
    let found: Vec<String> = scripts(&apply)
        .into_iter()
        .filter(|script| script.contains(" prod ") && script.contains("aksgate "))
        .collect();
    let [plan, apply] = found.as_slice() else {
        panic!("{found:#?}");
    };
    step(&folder, plan, &variables)
        .expect(0)
        .prints(&["##vso[task.setvariable variable=pending;isOutput=true]true"])
        .says(&["##vso[task.uploadsummary]"]);
    fs::create_dir(folder.path("plan-prod")).unwrap();
    fs::rename(folder.path("prod.plan.json"), folder.path("plan-prod/prod.plan.json")).unwrap();
    step(&folder, apply, &variables)
        .expect(0)
        .says(&["##[group]", "##[endgroup]"]);
    let summaries = fs::read_dir(&temporary).unwrap().count();
    assert_eq!(summaries, 2, "one of the plan, one of the apply");
    step(&folder, plan, &variables)
        .expect(0)
        .prints(&["##vso[task.setvariable variable=pending;isOutput=true]false"]);
}

/// The part of a pipeline's file that is one job.
fn job<'a>(text: &'a str, start: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start:?} in {text}"));
    rest.split("\n\n").next().unwrap()
}

/// The scripts of a job that watches: what looks at Azure, and before it what looks for the last report, if a script does.
fn looks(job: &str) -> Vec<String> {
    let of_watch = |script: &String| !script.contains("cargo install") && !script.contains("prependpath");
    scripts(job).into_iter().filter(of_watch).collect()
}

/// What somebody did by hand in the portal: a gate that was put at deny only records.
fn open_a_gate(folder: &Folder) {
    let found = folder.resources(|id, _| id.contains("policyassignments/pod-secur-00-"));
    folder.tamper(&found[0].0, |assignment| {
        let state = &mut assignment["properties"]["metadata"]["aksgateState"];
        *state = state.as_str().unwrap().replace("audit", "deny").into();
    });
}

/// The JSON reports of a watch, by name.
fn reports(folder: &Folder) -> [Value; 3] {
    ["drift", "coverage", "compliance"].map(|name| {
        let report: Value = serde_json::from_str(&folder.read(&format!("watch/{name}.json"))).unwrap();
        assert_eq!(report["command"], name);
        report
    })
}

#[test]
fn the_watch_for_github_fails_where_something_drifted_and_keeps_every_report() {
    let folder = Folder::applied();
    folder.run("sandbox advance 1d3h").expect(0);
    let watch = file(&folder, "github", ".github/workflows/aksgate-watch.yml");
    let [look, drift, coverage, compliance, report] =
        <[String; 5]>::try_from(looks(job(&watch, "\n  watch-dev:\n"))).unwrap();
    let (outputs, summary) = (folder.path("outputs"), folder.path("summary.md"));
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("AKSGATE_AUTH", "github-oidc"),
        ("GITHUB_OUTPUT", outputs.to_str().unwrap()),
        ("GITHUB_REPOSITORY", "contoso/estate"),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
    ];
    // The first run: nothing drifted, and there is no last report.
    for script in [&drift, &coverage, &compliance, &report] {
        step(&folder, script, &variables).expect(0);
    }
    let [_, _, first] = reports(&folder);
    assert_eq!(first["environments"][0]["baseline"], Value::Null);
    // The second one finds it as an artifact.
    let gh = "#!/bin/sh\ncase \"$2\" in repos/contoso/estate/actions/artifacts\\?name=compliance-dev\\&*) echo run=7;; esac\n";
    folder.program("gh", gh);
    step(&folder, &look, &variables).expect(0);
    assert_eq!(folder.read("outputs"), "run=7\n");
    fs::create_dir(folder.path("last")).unwrap();
    fs::rename(
        folder.path("watch/compliance.json"),
        folder.path("last/compliance.json"),
    )
    .unwrap();
    fs::remove_dir_all(folder.path("watch")).unwrap();
    open_a_gate(&folder);
    step(&folder, &drift, &variables).expect(2);
    step(&folder, &coverage, &variables).expect(2);
    step(&folder, &compliance, &variables).expect(0);
    step(&folder, &report, &variables).expect(0);
    assert!(folder.read("watch/report.html").starts_with("<!DOCTYPE html>"));
    let [drifted, open, second] = reports(&folder);
    assert_eq!(
        (&drifted["outcome"], &open["outcome"]),
        (&json!("drift"), &json!("open"))
    );
    assert_eq!(second["environments"][0]["baseline"], first["environments"][0]["time"]);
    for name in ["drift", "coverage", "compliance"] {
        assert!(
            folder.read(&format!("watch/{name}.sarif")).contains("\"2.1.0\""),
            "{name}"
        );
    }
    // Code scanning closes what is no longer found: what was not looked at is not shown to it.
    folder.write("watch/other.sarif", "{\n  \"executionSuccessful\": false\n}\n");
    let [leave_out] = <[String; 1]>::try_from(looks(job(&watch, "\n  code-scanning-dev:\n"))).unwrap();
    step(&folder, &leave_out, &[]).expect(0);
    let left = fs::read_dir(folder.path("watch")).unwrap().count();
    assert!(
        !folder.exists("watch/other.sarif") && left == 7,
        "{left} files are left"
    );
    let summary = folder.read("summary.md");
    for heading in [
        "Drift of dev",
        "Coverage of dev",
        "Compliance of dev",
        "Gates of contoso-platform",
    ] {
        assert_eq!(summary.matches(heading).count(), 2, "{heading} in {summary}");
    }
    // A report of another scope is no baseline, and then there is none.
    folder.edit(
        "last/compliance.json",
        "\"scope\": \"subscriptions/0a",
        "\"scope\": \"subscriptions/ff",
    );
    folder.remove("watch/compliance.json");
    step(&folder, &compliance, &variables)
        .expect(0)
        .says(&["cannot be used as a baseline"]);
    let [.., third] = reports(&folder);
    assert_eq!(third["environments"][0]["baseline"], Value::Null);
}

#[test]
fn the_watch_for_azure_devops_fails_where_something_drifted_and_keeps_every_report() {
    let folder = Folder::applied();
    folder.run("sandbox advance 1d3h").expect(0);
    let watch = file(&folder, "azure-devops", ".azure-pipelines/aksgate-watch.yml");
    let [drift, coverage, compliance, report] =
        <[String; 4]>::try_from(looks(job(&watch, "- job: watch_dev\n"))).unwrap();
    let temporary = folder.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let workspace = folder.path("");
    let variables = [
        ("TF_BUILD", "True"),
        ("AKSGATE_AUTH", "azure-pipelines"),
        ("AGENT_TEMPDIRECTORY", temporary.to_str().unwrap()),
        ("PIPELINE_WORKSPACE", workspace.to_str().unwrap()),
    ];
    let (watching, compared) = (
        "##vso[task.setvariable variable=watching]true",
        "##vso[task.setvariable variable=compared]true",
    );
    step(&folder, &drift, &variables).expect(0).prints(&[watching]);
    step(&folder, &compliance, &variables).expect(0).prints(&[compared]);
    fs::create_dir(folder.path("last")).unwrap();
    fs::rename(
        folder.path("watch/compliance.json"),
        folder.path("last/compliance.json"),
    )
    .unwrap();
    open_a_gate(&folder);
    step(&folder, &drift, &variables).expect(2).prints(&[watching]);
    step(&folder, &coverage, &variables).expect(2);
    step(&folder, &compliance, &variables).expect(0).prints(&[compared]);
    step(&folder, &report, &variables).expect(0);
    assert!(folder.exists("watch/report.html"));
    let [.., second] = reports(&folder);
    assert_ne!(second["environments"][0]["baseline"], Value::Null);
    assert!(folder.read("watch/compliance.xml").contains("<testsuites"));
    for name in ["drift", "coverage", "compliance"] {
        assert!(folder.exists(&format!("watch-sarif/{name}-dev.sarif")), "{name}");
    }
    // Where nothing can be read there is nothing to compare with next time.
    folder.edit("environments/dev.yaml", "scope: ", "scope: subscriptions/x");
    folder.remove("watch/compliance.json");
    let run = step(&folder, &compliance, &variables).expect(1);
    assert!(!run.stdout.contains(compared), "{}", run.stdout);
}

/// An expression in a script is replaced by text before a shell reads it: whoever chooses that text chooses what runs.
#[test]
fn no_script_holds_an_expression() {
    let folder = Folder::shipped();
    for service in ["github", "azure-devops"] {
        let text = folder.run(&format!("pipeline {service}")).expect(0).stdout;
        let scripts = scripts(&text);
        assert!(scripts.len() > 6, "{scripts:#?}");
        for script in scripts {
            assert!(!script.contains("${{") && !script.contains("$("), "{script}");
        }
        for line in text.lines().filter(|line| line.contains("uses: ")) {
            let (_, pin) = line.split_once('@').unwrap();
            let commit: String = pin.chars().take_while(char::is_ascii_hexdigit).collect();
            assert_eq!(commit.len(), 40, "not pinned to a commit: {line}");
        }
    }
}

#[test]
fn what_somebody_changed_is_not_written_over() {
    let folder = Folder::shipped();
    let name = ".github/workflows/aksgate-apply.yml";
    folder
        .run("pipeline github --write")
        .expect(0)
        .prints(&["written .github/workflows/aksgate-plan.yml"]);
    folder
        .run("pipeline github --write")
        .expect(0)
        .prints(&["unchanged .github/workflows/aksgate-apply.yml"]);
    folder.edit(name, "'17 6 * * 1-5'", "'17 5 * * *'");
    folder.remove(".github/workflows/aksgate-plan.yml");
    folder.run("pipeline github --write").expect(1).says(&[
        "a file is there that says something else; nothing was written",
        "-    - cron: '17 5 * * *'",
        "+    - cron: '17 6 * * 1-5'",
        "--force",
    ]);
    assert!(!folder.exists(".github/workflows/aksgate-plan.yml"), "all or nothing");
    assert!(folder.read(name).contains("'17 5 * * *'"));
    folder
        .run("pipeline github --write --force")
        .expect(0)
        .prints(&["replaced .github/workflows/aksgate-apply.yml"]);
    assert!(folder.read(name).contains("'17 6 * * 1-5'"));
}

#[test]
fn an_estate_in_a_folder_of_its_repository_is_found_there() {
    let folder = Folder::empty();
    fs::create_dir(folder.path(".git")).unwrap();
    folder.run("init infra/gates").expect(0);
    folder.run("-C infra/gates pipeline github --write").expect(0);
    let text = folder.read(".github/workflows/aksgate-apply.yml");
    for expected in [
        "    working-directory: infra/gates\n",
        "      - infra/gates/environments/**\n",
        "path: infra/gates/journal\n",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let watch = folder.read(".github/workflows/aksgate-watch.yml");
    let scripts = looks(job(&watch, "\n  code-scanning-dev:\n"));
    folder.write("watch/drift.sarif", "{\"uri\": \"environments/dev.yaml\"}\n");
    step(&folder, &scripts[0], &[]).expect(0);
    let moved = folder.read("watch/drift.sarif");
    assert_eq!(moved, "{\"uri\": \"infra/gates/environments/dev.yaml\"}\n");
    folder.run("init odd$(x)/gates").expect(0);
    folder
        .run("-C odd$(x)/gates pipeline github --write")
        .expect(1)
        .says(&["cannot stand in a pipeline"]);
    folder
        .run("-C infra/gates pipeline github --branch x;y")
        .expect(64)
        .says(&["write it with letters"]);
}

#[test]
fn an_error_is_an_annotation_where_a_pipeline_runs_it() {
    let folder = Folder::shipped();
    let words = ["plan", "nowhere", "--sandbox"];
    let run = folder.run_with(&words, |command| {
        command.env("GITHUB_ACTIONS", "true");
    });
    run.expect(1).says(&["\n::error title=aksgate plan::"]);
    let run = folder.run_with(&words, |command| {
        command.env("TF_BUILD", "True");
    });
    run.expect(1)
        .says(&["\n##vso[task.logissue type=error;code=aksgate plan;]"]);
    let run = folder.run("plan nowhere --sandbox").expect(1);
    assert!(
        !run.stderr.contains("::") && !run.stderr.contains("##"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_plan_that_weakens_is_a_warning_in_a_pipeline() {
    let folder = Folder::applied();
    folder.edit("environments/dev.yaml", "target: audit", "target: off");
    let run = folder.run_with(&["plan", "dev", "--sandbox"], |command| {
        command.env("GITHUB_ACTIONS", "true");
    });
    run.expect(0)
        .says(&["::warning title=the plan of dev weakens::what it weakens: "]);
}
