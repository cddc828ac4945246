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
