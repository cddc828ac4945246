//! `aksgate completions`

use crate::harness::Folder;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let folder = Folder::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = folder.run(&format!("completions {shell}")).expect(0);
        for word in ["validate", "catalog", "allow-weakening", "detailed-exitcode"] {
            assert!(run.stdout.contains(word), "{shell} lacks {word}");
        }
        assert_eq!(run.stderr, "");
    }
    folder
        .run("completions tcsh")
        .expect(64)
        .says(&["invalid value 'tcsh'"]);
}

#[test]
fn every_command_has_a_man_page() {
    let folder = Folder::empty();
    folder.run("man pages/man1").expect(0);
    for (name, word) in [
        ("aksgate", "Put the governance gates"),
        ("aksgate-apply", "allow\\-weakening"),
        ("aksgate-rollout-undo", "reason"),
        ("aksgate-sandbox-serve", "listen"),
    ] {
        let page = folder.read(&format!("pages/man1/{name}.1"));
        assert!(page.contains(".SH NAME") && page.contains(word), "{name}: {page}");
    }
    folder.write("file", "");
    folder.run("man file").expect(1).says(&["`file` cannot be written"]);
}
