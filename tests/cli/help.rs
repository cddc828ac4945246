//! Help: every command has examples, and they are command lines that the program takes.

use crate::harness::Folder;

/// The command lines of the examples in a help text.
pub fn examples(help: &str) -> Vec<String> {
    let Some((_, examples)) = help.split_once("Examples:\n") else {
        return Vec::new();
    };
    let lines = examples.lines().take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// The words of a command line as a shell would hand them over, without a redirection at its end.
pub fn words(line: &str) -> Vec<String> {
    let line = line.split(" > ").next().unwrap();
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            c => word.push(c),
        }
    }
    assert!(!quoted, "{line}");
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[test]
fn every_command_has_examples_and_the_program_takes_them() {
    let folder = Folder::empty();
    let mut tried = 0;
    for command in aksgate::commands::command().get_subcommands() {
        let name = command.get_name();
        let help = folder.run(&format!("{name} --help")).expect(0);
        assert_eq!(help.stderr, "");
        let examples = examples(&help.stdout);
        assert!(
            !examples.is_empty(),
            "`aksgate {name} --help` has no examples:\n{}",
            help.stdout
        );
        for example in examples {
            let words = words(&example);
            assert_eq!(words[0], "aksgate", "{example}");
            assert!(
                words.iter().any(|word| word == name),
                "{example} is no example of {name}"
            );
            let parsed = aksgate::commands::command().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn every_part_of_a_command_has_a_help() {
    let folder = Folder::empty();
    for command in aksgate::commands::command().get_subcommands() {
        for part in command.get_subcommands() {
            let line = format!("{} {} --help", command.get_name(), part.get_name());
            folder.run(&line).expect(0).prints(&["Usage: aksgate "]);
        }
    }
}

#[test]
fn global_options_stand_in_the_help_of_every_command() {
    let folder = Folder::empty();
    for command in aksgate::commands::command().get_subcommands() {
        let name = command.get_name();
        let help = folder.run(&format!("{name} --help")).expect(0);
        for option in [
            "-C, --dir <DIR>",
            "--sandbox",
            "--format <FORMAT>",
            "--no-input",
            "-q, --quiet",
        ] {
            assert!(help.stdout.contains(option), "`aksgate {name} --help` lacks {option}");
        }
    }
}

#[test]
fn the_help_tells_the_exit_codes() {
    let folder = Folder::empty();
    for line in ["--help", "-h"] {
        folder
            .run(line)
            .expect(0)
            .prints(&[aksgate::commands::error::EXIT_CODES]);
    }
}
