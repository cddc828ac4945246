//! What is the same for all commands: the estate's place, forms of output, colour, streams.

use crate::harness::Folder;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

const ESCAPE: char = '\u{1b}';

#[test]
fn without_an_estate_a_command_says_how_to_get_one() {
    let folder = Folder::empty();
    for line in [
        "validate",
        "plan dev --sandbox",
        "apply dev --sandbox --yes",
        "render dev",
        "sandbox show",
    ] {
        let run = folder.run(line).expect(1);
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.shown(&folder), @r"
            exit code 1
            --- stderr
            error: no estate here
              neither this folder nor one above it holds an aksgate.yaml
            hint: `aksgate init` writes an estate to begin with; `-C DIR` names one elsewhere
            ");
        }
    }
    assert!(!folder.exists(".aksgate"));
}

#[test]
fn the_estate_is_found_upwards_and_by_name() {
    let folder = Folder::shipped();
    let deep = folder.path("environments");
    let run = folder.run_with(&["validate"], |command| {
        command.current_dir(&deep);
    });
    run.expect(0).prints(&["The estate is valid"]);

    let elsewhere = Folder::empty();
    let path = folder.path("");
    let dir = path.to_str().unwrap();
    for words in [
        ["-C", dir, "plan", "dev", "--sandbox"],
        ["plan", "dev", "--sandbox", "--dir", dir],
    ] {
        elsewhere.run_words(&words).expect(0);
    }
    assert!(
        folder.exists(".aksgate/sandbox/state.json"),
        "the sandbox lies in the estate"
    );
    assert!(!elsewhere.exists(".aksgate"));
    elsewhere
        .run("-C nowhere validate")
        .expect(1)
        .says(&["error: no folder `nowhere`\n"]);
}

#[test]
fn a_command_line_that_is_wrong_ends_with_64() {
    let folder = Folder::shipped();
    for line in [
        "nonsense",
        "plan",
        "plan dev prod",
        "plan dev --sandbx",
        "plan dev --parallelism 0",
        "plan dev --timeout never",
        "plan dev --verbose --quiet",
        "plan dev --sandbox --cloud-file cloud.json",
        "apply dev --plan plan.json --gate exposure",
        "schema nonsense",
        "sandbox",
        "sandbox advance backwards",
    ] {
        let run = folder.run(line).expect(64);
        assert!(
            run.stderr.starts_with("error: ") || line == "sandbox",
            "{line}: {}",
            run.stderr
        );
        assert_eq!(run.stdout, "", "{line}");
        for with in [format!("--format json {line}"), format!("{line} --format=json")] {
            let document = folder.run(&with).expect(64).json();
            assert_eq!(document["formatVersion"], 1, "{with}");
            assert_eq!(document["exitCode"], 64, "{with}");
            assert_eq!(document["outcome"], "usage-error", "{with}");
            assert!(!document["error"]["summary"].as_str().unwrap().is_empty(), "{with}");
        }
    }
    assert!(!folder.exists(".aksgate"), "nothing was called");
}

#[test]
fn no_arguments_show_the_help() {
    let run = Folder::empty().run("").expect(64);
    assert!(run.stderr.contains("Usage: aksgate "), "{run:#?}");
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let folder = Folder::shipped();
    let document = folder.run("plan nowhere --sandbox --format json").expect(1);
    assert_eq!(document.stderr, "");
    let document = document.json();
    assert_eq!(document["command"], "plan");
    assert_eq!(document["outcome"], "failed");
    assert_eq!(document["error"]["detail"][0], "the estate has dev, prod, test");
}

#[test]
fn settings_come_from_the_environment_too() {
    let folder = Folder::shipped();
    let run = folder.run_with(&["validate"], |command| {
        command.env("AKSGATE_FORMAT", "json");
    });
    assert_eq!(run.expect(0).json()["command"], "validate");
    let run = folder.run_with(&["validate", "--format", "markdown"], |command| {
        command.env("AKSGATE_FORMAT", "json");
    });
    run.expect(0).prints(&["## Estate: valid"]);
}

#[test]
fn a_wrong_command_line_is_answered_in_the_form_that_is_set() {
    let folder = Folder::empty();
    let with = |variable: (&str, &str), words: &[&str]| {
        folder.run_with(words, |command| {
            command.env(variable.0, variable.1);
        })
    };
    let json = ("AKSGATE_FORMAT", "json");
    assert_eq!(with(json, &["plan"]).expect(64).json()["exitCode"], 64);
    with(json, &["plan", "--format", "human"]).expect(64).says(&["error: "]);
    for words in [
        ["nonsense", "--color", "always"],
        ["--color=always", "plan", "--format=human"],
    ] {
        let run = folder.run_words(&words).expect(64);
        assert!(run.stderr.contains(ESCAPE), "{run:#?}");
    }
    assert!(folder.run("--help --color always").expect(0).stdout.contains(ESCAPE));
    assert!(!folder.run("--help").expect(0).stdout.contains(ESCAPE));
}

#[test]
fn colour_is_used_on_demand_only() {
    let folder = Folder::shipped();
    let coloured = |line: &str, no_color: bool| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let run = folder.run_with(&words, |command| {
            if no_color {
                command.env("NO_COLOR", "1");
            }
        });
        (run.stdout.contains(ESCAPE), run.stderr.contains(ESCAPE))
    };
    assert_eq!(coloured("plan dev --sandbox", false), (false, false), "no terminal");
    assert_eq!(coloured("plan dev --sandbox --color always", false), (true, false));
    assert_eq!(
        coloured("plan dev --sandbox --color always", true),
        (true, false),
        "the option is stronger"
    );
    assert_eq!(coloured("plan dev --sandbox --color never", false), (false, false));
    assert_eq!(coloured("plan nowhere --color always", false), (false, true));
    assert_eq!(coloured("plan nowhere --color never", false), (false, false));
}

#[test]
fn nothing_depends_on_colour() {
    let folder = Folder::shipped();
    let plain = folder.run("plan dev --sandbox").expect(0).stdout;
    let coloured = folder.run("plan dev --sandbox --color always").expect(0).stdout;
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    let words = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.contains("Plan ") && !line.contains("made "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(&plain), words(&stripped));
}

#[test]
fn quiet_says_nothing_but_errors() {
    let folder = Folder::shipped();
    for line in [
        "plan dev --sandbox --out plan.json -q",
        "apply dev --sandbox --yes -q",
        "render dev --out rendered -q",
        "init another -q",
    ] {
        assert_eq!(folder.run(line).expect(0).stderr, "", "{line}");
    }
    folder
        .run("plan nowhere -q")
        .expect(1)
        .says(&["error: no environment `nowhere`"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::shipped();
    for line in [
        "plan dev --sandbox",
        "catalog",
        "catalog --format json",
        "completions bash",
        "render prod",
        "--help",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = folder
            .command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody ever reads: the pipe is closed before the first byte, or soon after.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{line}: {said}");
        assert_eq!(said, "", "{line}");
    }
}

#[test]
fn a_reader_that_takes_one_line_gets_it() {
    let folder = Folder::empty();
    let mut child = folder
        .command(&["catalog", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "{\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_is_lost_for_another_reason_is_an_error() {
    let folder = Folder::empty();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = folder.command(&["catalog"]).stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn two_runs_at_once_do_not_lose_a_write() {
    let folder = Folder::shipped();
    folder.run("sandbox reset").expect(0);
    let running: Vec<_> = ["dev", "test", "prod"]
        .iter()
        .map(|environment| {
            folder
                .command(&["apply", environment, "--sandbox", "--yes", "-q"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in running {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    for environment in ["dev", "test", "prod"] {
        assert!(folder.is_settled(environment), "{environment}");
    }
}
