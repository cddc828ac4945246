//! `aksgate verify`

use crate::harness::{Folder, root};
use std::fs;

/// A folder without an estate that holds a suite as Gatekeeper's users bring it.
fn plain() -> Folder {
    let folder = Folder::empty();
    for entry in fs::read_dir(root().join("tests/data/suites")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        folder.write(&format!("library/labels/{name}"), fs::read(&path).unwrap());
    }
    folder
}

/// A suite with one test that has these cases.
fn suite(cases: &str) -> String {
    format!(
        "kind: Suite\napiVersion: test.gatekeeper.sh/v1alpha1\ntests:\n- name: labels\n  template: template.yaml\n  constraint: constraint.yaml\n  cases:\n{cases}"
    )
}

/// A folder whose one suite fails, cannot be run in part, and skips a case.
fn failing() -> Folder {
    let folder = plain();
    folder.write(
        "library/labels/suite.yaml",
        suite(
            "  - {name: right, object: allowed.yaml, assertions: [{violations: no}]}
  - {name: wrong, object: denied.yaml, assertions: [{violations: 1, message: owner}, {violations: no}]}
  - {name: later, object: denied.yaml, skip: true, assertions: [{violations: no}]}
",
        ),
    );
    folder
}

#[test]
fn the_rules_of_an_estate_are_tested() {
    let folder = Folder::shipped();
    let run = folder.run("verify").expect(0);
    insta::assert_snapshot!(run.stdout, @"
    initiatives/exposure/tests/no-node-port/suite.yaml
      pass  node-ports (6 cases)
      pass  load-balancers-too (8 cases)
      pass  exempt (3 cases)

    initiatives/network-isolation/tests/namespace-network-policy/suite.yaml
      pass  ingress (7 cases)
      pass  egress-too (4 cases)
      pass  exempt (1 case)

    initiatives/network-isolation/tests/open-network-policy/suite.yaml
      pass  both-directions (31 cases)
      pass  ingress-only (2 cases)
      pass  egress-only (2 cases)
      pass  exempt (3 cases)

    initiatives/supply-chain/tests/approved-image-references/suite.yaml
      pass  version-tags (19 cases)
      pass  digests-only (4 cases)
      pass  listed-tags (2 cases)
      pass  a-broken-pattern-approves-nothing (1 case)
      pass  exempt (2 cases)

    Passed: 4 suites; 15 tests: 15 passed; 95 cases: 95 passed.
    ");
    assert_eq!(run.stderr, "");
    // From elsewhere, by name.
    let outside = Folder::empty();
    let path = folder.path("initiatives/exposure");
    let run = outside
        .run_words(&["verify", path.to_str().unwrap(), "--run", "exempt", "--verbose"])
        .expect(0);
    insta::assert_snapshot!(run.stdout.replace(folder.path("").to_str().unwrap(), "[estate]"), @"
    [estate]/initiatives/exposure/tests/no-node-port/suite.yaml
      pass  exempt (3 cases)
            pass  by-name
            pass  by-namespace-and-name
            pass  of-another-namespace

    Passed: 1 suite; 1 test: 1 passed; 3 cases: 3 passed.
    ");
    let estate = folder.path("");
    let run = outside.run_words(&["verify", "-C", estate.to_str().unwrap()]).expect(0);
    assert!(run.stdout.contains("95 passed"), "{run:?}");
}

#[test]
fn a_broken_rule_fails() {
    let folder = Folder::shipped();
    let rule = "initiatives/exposure/no-node-port.rego";
    let text = folder.read(rule);
    folder.write(rule, text.replacen("\"NodePort\"", "\"NodePorts\"", 1));
    assert_ne!(text, folder.read(rule));
    let run = folder.run("verify initiatives/exposure").expect(2);
    assert!(run.stdout.contains("FAIL  node-ports: "), "{run:?}");
    assert!(run.stdout.contains("expected "), "{run:?}");
    // A rule that does not even load: the estate has a mistake, and its suites cannot be run.
    folder.write(rule, text.replacen("package", "packages", 1));
    let run = folder
        .run("verify initiatives/exposure initiatives/supply-chain")
        .expect(1);
    assert!(
        run.stdout
            .contains("no-node-port.yaml: the estate has mistakes: `aksgate validate` tells them"),
        "{run:?}"
    );
}

#[test]
fn suites_of_gatekeeper_are_run_as_they_are() {
    let folder = plain();
    for line in [
        "verify library",
        "verify library/...",
        "verify ...",
        "verify library/labels/suite.yaml",
        "verify ./library/labels",
    ] {
        let run = folder.run(line).expect(0);
        assert!(
            run.stdout
                .ends_with("\nPassed: 1 suite; 4 tests: 4 passed; 14 cases: 13 passed, 1 skipped.\n"),
            "{run:?}"
        );
    }
    let run = folder.run("verify library --run //denied").expect(0);
    insta::assert_snapshot!(run.stdout, @"
    library/labels/suite.yaml
      pass  labels (1 case)
      pass  in CEL (1 case)

    Passed: 1 suite; 2 tests: 2 passed; 2 cases: 2 passed.
    ");
}

#[test]
fn what_fails_is_told_in_every_form() {
    let folder = failing();
    let run = folder.run("verify library --junit out.xml").expect(2);
    insta::assert_snapshot!(run.shown(&folder), @"
    exit code 2
    --- stdout
    library/labels/suite.yaml
      FAIL  labels: 1 of 3 cases failed
            FAIL  wrong: expected no violation, found 2; violations: `needs the label owner`, `needs the label team`
            skip  later

    Failed: 1 suite; 1 test: 1 failed; 3 cases: 1 passed, 1 failed, 1 skipped.
    ");
    insta::assert_snapshot!(folder.read("out.xml"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="aksgate" tests="3" failures="1" errors="0">
      <testsuite name="library/labels/suite.yaml" tests="3" failures="1" errors="0" skipped="1">
        <testcase classname="library/labels/suite.labels" name="right"/>
        <testcase classname="library/labels/suite.labels" name="wrong">
          <failure message="expected no violation, found 2; violations: `needs the label owner`, `needs the label team`"/>
        </testcase>
        <testcase classname="library/labels/suite.labels" name="later">
          <skipped message="the suite says so"/>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
    insta::assert_snapshot!(folder.run("verify library --format markdown").expect(2).stdout, @r"
    ## Tests of rules

    Failed: 1 suite; 1 test: 1 failed; 3 cases: 1 passed, 1 failed, 1 skipped.

    | Suite | Test | Case | Outcome | Why |
    |---|---|---|---|---|
    | library/labels/suite.yaml | labels |  | FAIL | 1 of 3 cases failed |
    | library/labels/suite.yaml | labels | wrong | FAIL | expected no violation, found 2; violations: `needs the label owner`, `needs the label team` |
    | library/labels/suite.yaml | labels | later | skip |  |
    ");
    insta::assert_snapshot!(folder.run("verify library --format json").expect(2).stdout, @r#"
    {
      "cases": {
        "failed": 1,
        "notRun": 0,
        "passed": 1,
        "skipped": 1
      },
      "command": "verify",
      "diagnostics": [],
      "exitCode": 2,
      "formatVersion": 1,
      "outcome": "tests-failed",
      "suites": [
        {
          "file": "library/labels/suite.yaml",
          "name": null,
          "tests": [
            {
              "cases": [
                {
                  "name": "right",
                  "outcome": "passed",
                  "reason": null
                },
                {
                  "name": "wrong",
                  "outcome": "failed",
                  "reason": "expected no violation, found 2; violations: `needs the label owner`, `needs the label team`"
                },
                {
                  "name": "later",
                  "outcome": "skipped",
                  "reason": null
                }
              ],
              "name": "labels",
              "outcome": "failed",
              "reason": "1 of 3 cases failed"
            }
          ]
        }
      ],
      "tests": {
        "failed": 1,
        "notRun": 0,
        "passed": 0,
        "skipped": 0
      }
    }
    "#);
}

#[test]
fn a_suite_with_a_mistake_costs_only_itself() {
    let folder = plain();
    folder.write(
        "library/broken.yaml",
        "kind: Suite\napiVersion: test.gatekeeper.sh/v1alpha1\ntests: [\n",
    );
    folder.write(
        "library/typo.yml",
        suite("  - {name: a, objekt: allowed.yaml, assertions: [{}]}\n"),
    );
    folder.write("library/chart/templates/pod.yaml", "a: {{ .Values.a }}\n");
    folder.write("library/crd.yaml", "kind: Other\ngroup: test.gatekeeper.sh\n");
    folder.write(
        "library/missing/suite.yaml",
        suite("  - {name: a, object: ../labels/gone.yaml, assertions: [{}]}\n"),
    );
    folder.write(
        "library/lost/suite.yaml",
        suite("  - {name: a, object: gone.yaml, assertions: [{}]}\n")
            .replace("template.yaml", "../labels/template.yaml")
            .replace("constraint.yaml", "../labels/constraint.yaml"),
    );
    let run = folder.run("verify library --junit out.xml").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @"
    exit code 1
    --- stdout
    library/labels/suite.yaml
      pass  labels (5 cases)
            skip  not yet
      pass  others (3 cases)
      pass  expanded (2 cases)
      pass  in CEL (4 cases)

    library/lost/suite.yaml
      error labels: 1 of 1 cases could not be run
            error a: gone.yaml: no such file

    library/missing/suite.yaml
      error labels: template.yaml: no such file

    Not all could be run: 3 suites and 2 mistakes in files; 6 tests: 4 passed, 2 could not be run; 15 cases: 13 passed, 1 could not be run, 1 skipped.
    --- stderr
    error: syntax error
     --> library/broken.yaml:3:8
      |
    3 | tests: [
      |        ^ this `[` is never closed

    error: not a suite
     --> library/typo.yml:8:23
      |
    8 |   - {name: a, objekt: allowed.yaml, assertions: [{}]}
      |                       ^^^^^^^^^^^^ the key `objekt` is not known here

    2 errors
    ");
    insta::assert_snapshot!(folder.read("out.xml"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="aksgate" tests="18" failures="0" errors="4">
      <testsuite name="library/labels/suite.yaml" tests="14" failures="0" errors="0" skipped="1">
        <testcase classname="library/labels/suite.labels" name="allowed"/>
        <testcase classname="library/labels/suite.labels" name="denied"/>
        <testcase classname="library/labels/suite.labels" name="counted"/>
        <testcase classname="library/labels/suite.labels" name="in another namespace"/>
        <testcase classname="library/labels/suite.labels" name="not yet">
          <skipped message="the suite says so"/>
        </testcase>
        <testcase classname="library/labels/suite.others" name="alone"/>
        <testcase classname="library/labels/suite.others" name="among others"/>
        <testcase classname="library/labels/suite.others" name="asked for by somebody"/>
        <testcase classname="library/labels/suite.expanded" name="the pod of a deployment"/>
        <testcase classname="library/labels/suite.expanded" name="a pod itself"/>
        <testcase classname="library/labels/suite.in CEL" name="allowed"/>
        <testcase classname="library/labels/suite.in CEL" name="denied"/>
        <testcase classname="library/labels/suite.in CEL" name="the pod of a deployment"/>
        <testcase classname="library/labels/suite.in CEL" name="not asked for by those who are left alone"/>
      </testsuite>
      <testsuite name="library/lost/suite.yaml" tests="1" failures="0" errors="1" skipped="0">
        <testcase classname="library/lost/suite.labels" name="a">
          <error message="gone.yaml: no such file"/>
        </testcase>
      </testsuite>
      <testsuite name="library/missing/suite.yaml" tests="1" failures="0" errors="1" skipped="0">
        <testcase classname="library/missing/suite" name="labels">
          <error message="template.yaml: no such file"/>
        </testcase>
      </testsuite>
      <testsuite name="library/broken.yaml" tests="1" failures="0" errors="1" skipped="0">
        <testcase classname="library/broken" name="suite">
          <error message="syntax error">line 3, column 8: this `[` is never closed</error>
        </testcase>
      </testsuite>
      <testsuite name="library/typo.yml" tests="1" failures="0" errors="1" skipped="0">
        <testcase classname="library/typo" name="suite">
          <error message="not a suite">line 8, column 23: the key `objekt` is not known here</error>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
    let run = folder.run("verify library --format json").expect(1);
    let document = run.json();
    assert_eq!(document["outcome"], "failed");
    assert_eq!(document["diagnostics"][0]["file"], "library/broken.yaml");
    assert_eq!(document["diagnostics"][0]["line"], 3);
    // What is not tried weighs more than what fails.
    folder.write("library/labels/suite.yaml", failing().read("library/labels/suite.yaml"));
    let run = folder.run("verify library").expect(1);
    assert!(run.stdout.contains("\nFailed, and not all could be run: "), "{run:?}");
}

#[test]
fn nothing_to_run_is_no_success() {
    let folder = plain();
    folder.write("empty/pod.yaml", "kind: Pod\n");
    let wrong = |line: &str, code: i32| folder.run(line).expect(code).stderr;
    insta::assert_snapshot!(wrong("verify empty", 1), @"
    error: no suite found
    hint: a suite is a file with `kind: Suite` of test.gatekeeper.sh
    ");
    insta::assert_snapshot!(wrong("verify gone", 1), @"
    error: `gone` cannot be read
      No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(wrong("verify empty/pod.yaml", 1), @"
    error: not a suite
     --> empty/pod.yaml:1:1
      |
    1 | kind: Pod
      | ^^^^^^^^^ a suite has `apiVersion: test.gatekeeper.sh/v1alpha1` and `kind: Suite`

    1 error
    ");
    insta::assert_snapshot!(wrong("verify library --run nothing", 1), @"error: no test matches `nothing`");
    insta::assert_snapshot!(wrong("verify library --run (", 64), @"
    error: `--run` chooses nothing
      `(` is no regular expression
    ");
    insta::assert_snapshot!(wrong("verify", 1), @"
    error: no estate here
      neither this folder nor one above it holds an aksgate.yaml
    hint: `aksgate init` writes an estate to begin with; `-C DIR` names one elsewhere
    ");
    insta::assert_snapshot!(wrong("verify library --junit gone/out.xml", 1), @"
    error: `gone/out.xml` cannot be written
      No such file or directory (os error 2)
    ");
    let run = folder.run("verify empty --format json").expect(1);
    assert_eq!(run.json()["error"]["summary"], "no suite found");
}

#[test]
fn a_suite_reads_nothing_outside() {
    let folder = plain();
    folder.write("library/labels/suite.yaml", suite("  - {name: up, object: ../../../secret.yaml, assertions: [{violations: no}]}\n  - {name: absolute, object: /denied.yaml, assertions: [{}]}\n"));
    folder.write("secret.yaml", "kind: Secret\nmetadata: {name: s}\n");
    // Where the program is started, it may read; above, it may not.
    fs::create_dir_all(folder.path("inner")).unwrap();
    fs::rename(folder.path("library"), folder.path("inner/library")).unwrap();
    folder.run("verify inner").expect(0);
    let run = folder.run_with(&["verify", "library"], |command| {
        command.current_dir(folder.path("inner"));
    });
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stdout.contains("error up: ../../../secret.yaml: it leads out of `"),
        "{run:?}"
    );
    #[cfg(unix)]
    {
        let folder = plain();
        std::os::unix::fs::symlink("/etc/hostname", folder.path("library/labels/link.yaml")).unwrap();
        folder.write(
            "library/labels/suite.yaml",
            suite("  - {name: link, object: link.yaml, assertions: [{}]}\n"),
        );
        let run = folder.run("verify library").expect(1);
        assert!(
            run.stdout.contains("error link: link.yaml: it leads out of `"),
            "{run:?}"
        );
        assert!(
            run.stderr.contains("it is a link that leads out of the folder"),
            "{run:?}"
        );
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = plain();
    let large = |name: &str, start: &str| {
        folder.write(name, start);
        let file = fs::OpenOptions::new().write(true).open(folder.path(name)).unwrap();
        file.set_len(40 << 20).unwrap();
    };
    large("library/labels/denied.yaml", "kind: Pod\n");
    large("library/large.yaml", &suite(""));
    large("library/other.yaml", "kind: Pod\n");
    let run = folder.run("verify library").expect(1);
    assert!(
        run.stdout.contains("denied.yaml: it has more than 33554432 bytes"),
        "{run:?}"
    );
    assert!(run.stderr.contains("library/large.yaml"), "{run:?}");
    assert!(!run.stderr.contains("library/other.yaml"), "{run:?}");
}
