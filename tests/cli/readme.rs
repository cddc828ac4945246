//! The commands of the README, run as they stand.
//!
//! A line of a block of `sh` is a command. Those of the program (`cargo run -- …`, `aksgate …`) run in order in one copy of
//! the repository's estate, and end with 0 or with the code that a comment names: `# exits 2`.

use crate::harness::{Folder, root};
use crate::help::words;

/// Beginnings of lines that are no command of the program: tested elsewhere, or a setting up of the machine.
const PASSED_OVER: [&str; 5] = ["cargo test", "cargo build", "cargo install", "git clone", "cd "];

/// The lines of the blocks of one language.
fn lines<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut inside: Option<&str> = None;
    for line in text.lines() {
        match (inside, line.trim_end().strip_prefix("```")) {
            (None, Some(tag)) => inside = Some(tag),
            (Some(_), Some("")) => inside = None,
            (Some(tag), None) if tag == language => found.push(line),
            _ => {}
        }
    }
    assert_eq!(inside, None, "a block is not closed");
    found
}

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    for other in ["bash", "shell", "console"] {
        assert_eq!(lines(&readme, other), [""; 0], "commands stand in blocks of `sh`");
    }
    let folder = Folder::shipped();
    let mut ran = 0;
    for line in lines(&readme, "sh") {
        let line = line.trim();
        if line.is_empty() || PASSED_OVER.iter().any(|beginning| line.starts_with(beginning)) {
            continue;
        }
        let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
        let code = match comment.strip_prefix("exits ") {
            Some(code) => code.trim().parse().unwrap(),
            None => 0,
        };
        let arguments = command
            .strip_prefix("cargo run -- ")
            .or_else(|| command.strip_prefix("aksgate "))
            .unwrap_or_else(|| panic!("README.md: what to do with `{line}`?"));
        let words = words(arguments);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        folder.run_words(&words).expect(code);
        ran += 1;
    }
    assert!(ran > 5, "README.md has no commands");
}

/// The recorded plan in the README is one that the program prints, with parts left out.
#[test]
fn the_plan_in_the_readme_is_one_that_the_program_prints() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let sample = lines(&readme, "text");
    assert!(sample.len() > 10, "README.md has no sample");
    let folder = Folder::shipped();
    let printed = folder.run("plan prod --sandbox").expect(0).stdout;
    let printed = crate::harness::redact(&printed, &folder);
    let mut printed = printed.lines();
    for line in sample {
        let line = crate::harness::redact(line, &folder);
        assert!(
            printed.any(|other| other == line),
            "`aksgate plan prod --sandbox` does not print, or not there:\n{line}"
        );
    }
}
