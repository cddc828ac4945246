//! `pipeline`, and what the tool does differently where a pipeline runs it.

use super::harness::{Folder, Run};
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
    if !programs.exists() {
        fs::create_dir(&programs).unwrap();
        let shim = format!("#!/bin/sh\nexec {} --sandbox \"$@\"\n", env!("CARGO_BIN_EXE_aksgate"));
        folder.write("programs/aksgate", shim);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(programs.join("aksgate"), mode).unwrap();
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
