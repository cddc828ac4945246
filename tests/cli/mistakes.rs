//! Every class of mistake in the estate's files, end to end: told with its place, before anything is called.

use crate::harness::Folder;

const DEV: &str = "environments/dev.yaml";

/// Checks that `validate` and `plan` tell this mistake, as text and as JSON, and that nothing was called.
#[track_caller]
fn check(mistake: impl FnOnce(&Folder), summary: &str, place: &str, words: &str) {
    let folder = Folder::shipped();
    mistake(&folder);
    for line in [
        "validate",
        "plan dev --sandbox",
        "apply dev --sandbox --yes",
        "render dev",
    ] {
        let run = folder.run(line).expect(1);
        assert_eq!(run.stdout, "", "{line}");
        let said = format!("error: {summary}\n");
        assert!(
            run.stderr.contains(&said),
            "{line} does not say {said:?}:\n{}",
            run.stderr
        );
        assert!(
            run.stderr.contains(&format!("--> {place}\n")),
            "{line} does not name {place}:\n{}",
            run.stderr
        );
        assert!(
            run.stderr.contains(words),
            "{line} does not say {words:?}:\n{}",
            run.stderr
        );
        let run = folder.run(&format!("{line} --format json")).expect(1);
        assert_eq!(run.stderr, "", "{line}");
        let document = run.json();
        let pointer = if line == "validate" {
            "/diagnostics"
        } else {
            "/error/diagnostics"
        };
        let found = document.pointer(pointer).and_then(|found| found.as_array()).unwrap();
        assert!(
            found.iter().any(|found| found["summary"] == summary),
            "{line}: {found:#?}"
        );
    }
    assert!(!folder.exists(".aksgate"), "nothing was called");
}

fn edited(from: &'static str, to: &'static str) -> impl FnOnce(&Folder) {
    move |folder| folder.edit(DEV, from, to)
}

fn written(content: impl AsRef<[u8]>) -> impl FnOnce(&Folder) {
    move |folder| folder.write(DEV, content)
}

#[test]
fn unknown_key() {
    let mistake = edited("target: audit", "target: audit\n    sook: 1d");
    check(
        mistake,
        "unknown key",
        "environments/dev.yaml:18:5",
        "did you mean `soak`?",
    );
}

#[test]
fn missing_key() {
    check(
        edited("    target: audit\n", ""),
        "missing key",
        "environments/dev.yaml:15:3",
        "it has no `target`",
    );
}

#[test]
fn wrong_type() {
    let mistake = edited("ContainerSensor: true", "ContainerSensor: 1");
    check(
        mistake,
        "wrong type",
        "environments/dev.yaml:39:24",
        "expected `true` or `false`, found `1`",
    );
}

#[test]
fn invalid_value() {
    let mistake = edited("target: audit", "target: Audit");
    check(mistake, "invalid value", "environments/dev.yaml:17:13", "`audit`");
}

#[test]
fn extension_in_another_casing() {
    check(
        edited("ContainerSensor: true", "containersensor: true"),
        "invalid value",
        "environments/dev.yaml:39:7",
        "did you mean `ContainerSensor`?",
    );
}

#[test]
fn duplicate_key() {
    let mistake = |folder: &Folder| {
        let text = folder.read("aksgate.yaml");
        folder.write("aksgate.yaml", text + "owner: other\n");
    };
    check(
        mistake,
        "duplicate key",
        "aksgate.yaml:19:1",
        "`owner` stands already on line 12",
    );
}

#[test]
fn dangling_initiative() {
    let mistake = edited("initiative: exposure", "initiative: exposur");
    check(
        mistake,
        "unknown initiative",
        "environments/dev.yaml:28:17",
        "did you mean `exposure`?",
    );
}

#[test]
fn unknown_builtin() {
    let mistake = |folder: &Folder| {
        let file = "initiatives/pod-security-baseline.yaml";
        folder.edit(
            file,
            "a8640138-9b0a-4a28-b8cb-1666c838647d",
            "a8640138-9b0a-4a28-b8cb-1666c838647e",
        );
    };
    check(
        mistake,
        "unknown policy set definition",
        "initiatives/pod-security-baseline.yaml:6:10",
        "did you mean `a8640138-9b0a-4a28-b8cb-1666c838647d`?",
    );
}

#[test]
fn unknown_parameter_of_a_builtin() {
    let mistake = |folder: &Folder| {
        folder.edit(
            "initiatives/exposure.yaml",
            "allowedServicePortsList:",
            "allowedServicePortList:",
        )
    };
    check(
        mistake,
        "unknown parameter",
        "initiatives/exposure.yaml:28:7",
        "did you mean `allowedServicePortsList`?",
    );
}

#[test]
fn syntax_error() {
    check(
        edited("soak: 1d # how", "soak: \"1d # how"),
        "syntax error",
        "environments/dev.yaml:12:11",
        "quote",
    );
}

#[test]
fn empty_file() {
    check(written(""), "empty file", "environments/dev.yaml", "");
    check(written("# only a comment\n"), "empty file", "environments/dev.yaml", "");
}

#[test]
fn tab_in_indentation() {
    let mistake = written("gates:\n\tpod-security: {}\n");
    check(
        mistake,
        "tab in indentation",
        "environments/dev.yaml:2:1",
        "YAML is indented with spaces only",
    );
}

#[test]
fn file_of_ten_megabytes() {
    let mistake = written(vec![b'#'; 10_000_000]);
    check(
        mistake,
        "file too large",
        "environments/dev.yaml",
        "it has more than 1048576 bytes, and that is the longest that is read",
    );
}

#[test]
fn file_that_is_not_utf8() {
    check(
        written(b"scope: \xff\n"),
        "file is not UTF-8",
        "environments/dev.yaml:1:8",
        "save the file as UTF-8",
    );
}

#[test]
fn name_that_is_none() {
    let mistake = |folder: &Folder| folder.write("environments/Dev_1.yaml", "scope: managementGroups/x\n");
    check(mistake, "invalid file name", "environments/Dev_1.yaml", "`dev-1.yaml`");
}

#[test]
fn broken_template() {
    let mistake = |folder: &Folder| {
        let text = folder.read("templates/managedCluster.json.hbs");
        folder.write("templates/managedCluster.json.hbs", format!("{{{{#if\n{text}"));
    };
    check(
        mistake,
        "template is not valid Handlebars",
        "templates/managedCluster.json.hbs:2:2",
        "",
    );
}

#[test]
fn template_with_an_unescaped_expression() {
    let mistake = |folder: &Folder| {
        let file = "templates/policyAssignment.json.hbs";
        let text = folder.read(file);
        folder.write(
            file,
            text.replacen("\"displayName\": \"{{", "\"displayName\": \"{{&", 1),
        );
    };
    check(
        mistake,
        "unescaped expression",
        "templates/policyAssignment.json.hbs:4:21",
        "",
    );
}
