//! `docs/commands.md`: the command reference, made from the command line itself.
//!
//! With AKSGATE_UPDATE=1 the test writes the file instead of comparing it.

use crate::harness::root;
use clap::{Arg, Command};
use std::fmt::Write as _;

#[test]
fn the_reference_is_what_the_help_says() {
    let path = root().join("docs/commands.md");
    let generated = reference();
    if std::env::var_os("AKSGATE_UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "docs/commands.md is not what the help says; AKSGATE_UPDATE=1 cargo test --test cli reference writes it"
    );
}

fn reference() -> String {
    let mut program = aksgate::commands::command();
    program.build();
    let mut out = String::from(
        "# Commands\n\nMade from the help of the program (`tests/cli/reference.rs`); `aksgate COMMAND --help` says the same.\n",
    );
    let _ = writeln!(out, "\n{}", about(&program));
    let commands: Vec<&Command> = program
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .collect();
    out.push_str("\n| | |\n|---|---|\n");
    for command in &commands {
        let name = command.get_name();
        let _ = writeln!(out, "| [`{name}`](#aksgate-{name}) | {} |", first_line(command));
    }
    for command in &commands {
        section(&mut out, command, 2);
    }
    out.push_str("\n## Global options\n\nEvery command takes these.\n");
    options(
        &mut out,
        program.get_arguments().filter(|argument| argument.is_global_set()),
    );
    let (title, codes) = aksgate::commands::error::EXIT_CODES.split_once(":\n").unwrap();
    let _ = writeln!(out, "\n## {title}\n\n| | |\n|---:|---|");
    // A line that goes on begins with as many blanks as the meanings do.
    for line in codes.replace("\n       ", " ").lines() {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let _ = writeln!(out, "| {code} | {} |", meaning.trim());
    }
    out
}

fn section(out: &mut String, command: &Command, level: usize) {
    let mut command = command.clone();
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let title = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let _ = writeln!(
        out,
        "\n{} {title}\n\n{}\n\n```text\n{usage}\n```",
        "#".repeat(level),
        about(&command)
    );
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_global_set() && !["help", "version"].contains(&argument.get_id().as_str()))
        .collect();
    options(out, own.into_iter());
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples = crate::help::examples(&format!("{help}\n"));
    if !examples.is_empty() {
        let _ = writeln!(out, "\nExamples:\n\n```text\n{}\n```", examples.join("\n"));
    }
    for part in command.get_subcommands().filter(|part| part.get_name() != "help") {
        section(out, part, level + 1);
    }
}

/// A list of arguments and options; nothing if there are none.
fn options<'a>(out: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let mut first = true;
    for argument in arguments {
        if std::mem::take(&mut first) {
            out.push_str("\n| | |\n|---|---|\n");
        }
        let _ = writeln!(out, "| {} | {} |", spelling(argument), meaning(argument));
    }
}

fn spelling(argument: &Arg) -> String {
    let value = argument
        .get_value_names()
        .filter(|_| argument.get_action().takes_values())
        .map(|names| names.join(" "));
    let mut spellings: Vec<String> = Vec::new();
    spellings.extend(argument.get_short().map(|short| format!("-{short}")));
    spellings.extend(argument.get_long().map(|long| format!("--{long}")));
    match (spellings.is_empty(), value) {
        (true, value) => format!("`{}`", value.unwrap_or_default()),
        (false, None) => format!("`{}`", spellings.join("`, `")),
        (false, Some(value)) => format!("`{} {value}`", spellings.join("`, `")),
    }
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let mut text = one_line(&help.map(ToString::to_string).unwrap_or_default());
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() {
        let _ = write!(text, "; default {}", defaults.join(", "));
    }
    if let Some(variable) = argument.get_env() {
        let _ = write!(text, "; also `{}`", variable.to_string_lossy());
    }
    text.replace('|', "\\|")
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let paragraphs: Vec<String> = about.split("\n\n").map(one_line).collect();
    paragraphs.join("\n\n")
}

fn first_line(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
