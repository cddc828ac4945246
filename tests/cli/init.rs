//! `aksgate init`

use crate::harness::{Folder, root};
use std::fs;

#[test]
fn the_estate_that_is_written_is_the_one_of_the_repository() {
    let folder = Folder::empty();
    let run = folder.run("init").expect(0);
    run.prints(&["The estate is ready. Try it: aksgate plan dev --sandbox\n"]);
    let mut compared = 0;
    for part in ["", "environments", "initiatives", "templates", "schema"] {
        let ours = root().join(part);
        for entry in fs::read_dir(folder.path(part)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if entry.path().is_dir() || name == ".gitignore" {
                continue;
            }
            let written = fs::read_to_string(entry.path()).unwrap();
            let shipped = fs::read_to_string(ours.join(&name));
            let shipped = shipped.unwrap_or_else(|error| panic!("{part}/{}: {error}", name.display()));
            assert_eq!(written, shipped, "{part}/{}", name.display());
            compared += 1;
        }
        if part.is_empty() || part == "schema" {
            continue;
        }
        let count = |path| fs::read_dir(path).unwrap().count();
        assert_eq!(count(folder.path(part)), count(ours), "all of {part} is written");
    }
    for set in fs::read_dir(root().join("initiatives")).unwrap() {
        let set = set.unwrap();
        if !set.path().is_dir() {
            continue;
        }
        // The rules' tests stay behind.
        let rules = fs::read_dir(set.path()).unwrap().map(Result::unwrap);
        for rule in rules.filter(|rule| rule.path().is_file()) {
            let path = format!(
                "initiatives/{}/{}",
                set.file_name().display(),
                rule.file_name().display()
            );
            assert_eq!(folder.read(&path), fs::read_to_string(rule.path()).unwrap(), "{path}");
            compared += 1;
        }
    }
    assert!(compared >= 15, "{compared}");
    assert_eq!(folder.read(".gitignore"), ".aksgate/\n");
}

#[test]
fn a_new_estate_is_valid_and_can_be_applied_at_once() {
    let folder = Folder::empty();
    folder.run("init").expect(0);
    folder
        .run("validate")
        .expect(0)
        .prints(&["The estate is valid: 3 environments"]);
    folder.run("plan dev --sandbox --detailed-exitcode").expect(2);
    folder.run("apply dev --sandbox --yes").expect(0);
    folder.run("plan dev --sandbox --detailed-exitcode").expect(0);
}

#[test]
fn a_folder_can_be_named_and_is_made() {
    let folder = Folder::empty();
    folder
        .run("init estates/shop")
        .expect(0)
        .says(&["wrote environments/dev.yaml\n"])
        .prints(&["Try it: aksgate -C estates/shop plan dev --sandbox\n"]);
    folder.run("-C estates/shop validate").expect(0);
    assert!(!folder.exists("aksgate.yaml"));
    folder
        .run("-C estates init bakery")
        .expect(0)
        .prints(&["Try it: aksgate -C estates/bakery plan dev --sandbox\n"]);
    folder.run("-C estates/bakery validate").expect(0);
}

#[test]
fn what_is_there_is_not_overwritten() {
    let folder = Folder::empty();
    folder.write("environments/prod.yaml", "mine");
    let run = folder.run("init").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: `.` already holds an estate, or a part of one
      there already: environments/prod.yaml
    hint: name a new folder: `aksgate init DIR`
    ");
    assert_eq!(folder.read("environments/prod.yaml"), "mine");
    assert!(!folder.exists("aksgate.yaml"), "nothing was written");
    let other = Folder::empty();
    other.write(".gitignore", "target/\n");
    other.run("init").expect(0);
    assert_eq!(other.read(".gitignore"), "target/\n");
    other.run("init").expect(1);
}
