//! Every form of one judgement.

use super::*;
use crate::admission::report::{About, At, Gate, Outcome, Place, Silence, Skipped};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::{Effect, Stage};
use crate::view::page::Layout;
use crate::view::service::Service;
use crate::view::text::Paint;

fn member(reference: &str, definition: &str, effect: Effect, silent: Option<&str>) -> Member {
    Member {
        gate: "pod-security".to_owned(),
        reference_id: reference.to_owned(),
        definition: definition.to_owned(),
        version: Some("9.3.0".to_owned()),
        title: "Containers should not be privileged".to_owned(),
        effects: At {
            target: Some(effect),
            ..At::default()
        },
        warn: false,
        silent: silent.map(|reason| Silence {
            reason: reason.to_owned(),
            about: About::Counted,
        }),
        concerned: 0,
    }
}

fn finding(member: usize, verdict: Verdict, message: &str, path: &str) -> Finding {
    Finding {
        member,
        verdict,
        subject: Subject::Pods,
        message: message.to_owned(),
        failed: false,
        place: Place {
            path: path.to_owned(),
            line: 12,
            column: 9,
            end_column: Some(14),
        },
    }
}

/// A report with a bit of everything; `message` is what a rule says.
fn report(message: &str) -> Report {
    let gate = Gate {
        name: "pod-security".to_owned(),
        stages: At {
            target: Some(Stage::Deny),
            ..At::default()
        },
        counts: Default::default(),
    };
    let members = vec![
        member("privileged", "95edb821-ddaf-4404-9732-666045e056b4", Effect::Deny, None),
        member("probes", "own-rule", Effect::Audit, None),
        member(
            "hostPath",
            "098fc59e-46c7-4d99-9b16-64990e543d75",
            Effect::Deny,
            Some("its template is missing"),
        ),
    ];
    let mut report = Report::new("prod", Position::Target, Origin::Estate, vec![gate], members);
    report.files = 2;
    report.defaults.insert("namespace", 0);
    report.assumptions.push("who does it is not known".to_owned());
    let object = Object {
        file: "deploy/a b.yaml".to_owned(),
        line: 3,
        column: 1,
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: Some("shop".to_owned()),
        name: "web".to_owned(),
    };
    report.add(
        object.clone(),
        Outcome {
            asked: vec![(0, Some(Verdict::Denied)), (1, Some(Verdict::Audited))],
            not_evaluated: vec![(2, "its template is missing".to_owned())],
            findings: vec![
                finding(0, Verdict::Denied, message, "spec.template.spec.containers[0]"),
                finding(1, Verdict::Audited, "no probes", ""),
            ],
            defaults: ["namespace"].into(),
        },
    );
    report.add(
        object,
        Outcome {
            asked: vec![(0, None)],
            ..Outcome::default()
        },
    );
    let span = Span {
        line: 7,
        column: 2,
        ..Span::default()
    };
    report.skip("values.yaml", span, "it has no `kind`".to_owned());
    report
        .unread
        .push(Diagnostic::error("syntax", "deploy/broken.yaml", span, "no value here"));
    report
}

fn layout(width: usize) -> Layout {
    Layout {
        paint: Paint { colour: false },
        width,
    }
}

#[test]
fn a_judgement_for_a_terminal() {
    insta::assert_snapshot!(human(&report("container app is privileged"), layout(0), false), @"
    Check for prod, with its gates at their targets
      2 objects in 2 files
      rules of the estate, as Azure resolves it

    Deployment shop/web (deploy/a b.yaml:3)
      DENIED  pod-security/privileged - denied when its Pods are created
              container app is privileged
              spec.template.spec.containers[0] (deploy/a b.yaml:12:9)
      audited pod-security/probes - let in and recorded, for its Pods
              no probes

      gate          stage    denied     next   target   warned  audited  allowed  not evaluated
      pod-security  deny          1        0        0        0        1        1              1

    Not evaluated
      pod-security/hostPath: its template is missing (1 object); it denies, so this is no pass

    Skipped: 1 document, no Kubernetes objects
      values.yaml:7: it has no `kind`

    Taken for granted
      defaults of an API server in force, with how many objects each changed: namespace (1)
      who does it is not known

    No pass: 1 document could not be read; 1 of 2 objects denied.
    ");
    let narrow = human(&report("container app is privileged"), layout(40), false);
    assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
}

#[test]
fn a_judgement_for_a_pull_request() {
    insta::assert_snapshot!(to_markdown(&report("container app is privileged")), @r"
    ## Check for prod, with its gates at their targets

    **No pass: 1 document could not be read; 1 of 2 objects denied.**

    | gate | stage | denied | next | target | warned | audited | allowed | not evaluated |
    |---|---|---:|---:|---:|---:|---:|---:|---:|
    | pod-security | deny | 1 | 0 | 0 | 0 | 1 | 1 | 1 |

    - **not read**: `deploy/broken.yaml:7` syntax no value here

    <details><summary>denied: <code>Deployment shop/web</code> in <code>deploy/a b.yaml:3</code></summary>

    - `pod-security/privileged` denied when its Pods are created: container app is privileged `spec.template.spec.containers[0]` (deploy/a b.yaml:12:9)
    - `pod-security/probes` let in and recorded, for its Pods: no probes (deploy/a b.yaml:12:9)

    </details>

    ### Not evaluated

    - **no pass**: `pod-security/hostPath`: its template is missing (1 object); it denies, so this is no pass

    <details><summary>1 document skipped: no Kubernetes objects</summary>

    - `values.yaml:7`: it has no `kind`

    </details>

    <details><summary>Taken for granted</summary>

    - defaults of an API server in force, with how many objects each changed: namespace (1)
    - who does it is not known

    </details>

    2 objects in 2 files; rules of the estate, as Azure resolves it.
    ");
}

#[test]
fn a_judgement_for_code_scanning() {
    let log = to_sarif(&report("container app is privileged"));
    insta::assert_snapshot!(format!("{:#}", log["runs"][0]["results"][0]), @r#"
    {
      "level": "error",
      "locations": [
        {
          "logicalLocations": [
            {
              "fullyQualifiedName": "Deployment shop/web: spec.template.spec.containers[0]",
              "kind": "resource"
            }
          ],
          "physicalLocation": {
            "artifactLocation": {
              "uri": "deploy/a%20b.yaml"
            },
            "region": {
              "endColumn": 14,
              "startColumn": 9,
              "startLine": 12
            }
          }
        }
      ],
      "message": {
        "text": "Deployment shop/web: denied when its Pods are created: container app is privileged."
      },
      "partialFingerprints": {
        "aksgateObject/v1": "3ff477fcebc3f3642e0ad96ef9d752e45206af43377b06f061aeb09a3b7731ee:1"
      },
      "properties": {
        "verdict": "denied"
      },
      "ruleId": "pod-security/privileged",
      "ruleIndex": 0
    }
    "#);
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(
        rules[0]["helpUri"]
            .as_str()
            .unwrap()
            .ends_with("95edb821-ddaf-4404-9732-666045e056b4")
    );
    assert!(rules[1].get("helpUri").is_none(), "a rule of our own has no page");
    let notes = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
        .as_array()
        .unwrap();
    assert_eq!(notes.len(), 2);
}

#[test]
fn fingerprints_do_not_move_with_lines_and_tell_equal_findings_apart() {
    let print = |report: &Report, at: usize| {
        to_sarif(report)["runs"][0]["results"][at]["partialFingerprints"]["aksgateObject/v1"].clone()
    };
    let one = report("x");
    let mut moved = report("x");
    moved.objects[0].findings[0].place.line = 90;
    assert_eq!(print(&one, 0), print(&moved, 0));
    assert_ne!(print(&one, 0), print(&report("y"), 0));
    let mut twice = report("x");
    let again = twice.objects[0].clone();
    twice.objects.push(again);
    assert_ne!(print(&twice, 0), print(&twice, 2));
}

#[test]
fn a_judgement_as_annotations() {
    let report = report("50% of a,b: ]; x");
    insta::assert_snapshot!(annotations(&report, Service::GitHub), @"
    ::error file=deploy/broken.yaml,line=7,col=2,title=not read::syntax: no value here
    ::error title=pod-security/hostPath%3A not evaluated::its template is missing (1 object); it denies, so this is no pass
    ::error file=deploy/a b.yaml,line=12,col=9,endColumn=14,title=pod-security/privileged::Deployment shop/web: denied when its Pods are created: 50%25 of a,b: ]; x
    ");
    insta::assert_snapshot!(annotations(&report, Service::AzureDevOps), @"
    ##vso[task.logissue type=error;sourcepath=deploy/broken.yaml;linenumber=7;columnnumber=2;code=not read;]syntax: no value here
    ##vso[task.logissue type=error;code=pod-security/hostPath: not evaluated;]its template is missing (1 object); it denies, so this is no pass
    ##vso[task.logissue type=error;sourcepath=deploy/a b.yaml;linenumber=12;columnnumber=9;code=pod-security/privileged;]Deployment shop/web: denied when its Pods are created: 50%AZP25 of a,b: ]; x
    ");
}

#[test]
fn a_service_gets_no_more_than_it_shows() {
    let mut report = report("x");
    let many = report.objects[0].findings[0].clone();
    report.objects[0].findings.extend(std::iter::repeat_n(many, 30));
    let text = annotations(&report, Service::GitHub);
    assert_eq!(text.lines().filter(|line| line.starts_with("::error")).count(), 10);
    assert!(text.ends_with("more are not shown as annotations\n"), "{text}");
}

#[test]
fn a_judgement_as_test_results() {
    let text = to_junit(&report("container <app> is privileged"));
    insta::assert_snapshot!(text, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="aksgate" tests="4" failures="1" errors="2">
      <testsuite name="files" tests="1" failures="0" errors="1" skipped="0">
        <testcase classname="files" name="deploy/broken.yaml:7">
          <error message="syntax">no value here</error>
        </testcase>
      </testsuite>
      <testsuite name="pod-security" tests="3" failures="1" errors="1" skipped="0">
        <testcase classname="prod.pod-security" name="Deployment shop/web (deploy/a b.yaml:3)">
          <failure message="privileged: container &lt;app&gt; is privileged">privileged: denied when its Pods are created: container &lt;app&gt; is privileged (deploy/a b.yaml:12:9)</failure>
        </testcase>
        <testcase classname="prod.pod-security" name="hostPath: not evaluated">
          <error message="its template is missing (1 object); it denies, so this is no pass"/>
        </testcase>
        <testcase classname="prod.pod-security" name="1 verdict allowed"/>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn no_text_of_a_manifest_is_a_command_or_a_tag() {
    let evil = "\u{1b}[2J\n::error::x\n##vso[task.setvariable variable=a]b <script> | `x` [y](z) @all";
    let report = report(evil);
    for text in [
        human(&report, layout(0), true),
        to_markdown(&report),
        to_junit(&report),
        annotations(&report, Service::GitHub),
        annotations(&report, Service::AzureDevOps),
        crate::view::text::json(&to_json(&report)),
        crate::view::text::json(&to_sarif(&report)),
    ] {
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(!text.contains("##vso[task.setvariable"), "{text}");
        assert!(
            !text.lines().any(|line| line.trim_start().starts_with("::error::x")),
            "{text}"
        );
    }
    assert!(!to_markdown(&report).contains("<script>"));
    assert!(!to_junit(&report).contains("<script>"));
}

#[test]
fn json_keeps_its_keys() {
    insta::assert_snapshot!(to_json(&report("container app is privileged")).to_string(), @r#"{"assumptions":["who does it is not known"],"clusterDump":null,"counts":{"allowed":1,"audited":1,"denied":1,"deniedAtTarget":0,"deniedNext":0,"files":2,"findingsNotListed":0,"notEvaluated":1,"objects":2,"skipped":1,"unread":1,"warned":0},"defaults":[{"name":"namespace","objects":1}],"environment":"prod","gates":[{"counts":{"allowed":1,"audited":1,"denied":1,"deniedAtTarget":0,"deniedNext":0,"notEvaluated":1,"warned":0},"gate":"pod-security","stages":{"next":null,"now":null,"target":"deny"}}],"notEvaluated":[{"accepted":false,"denies":true,"gate":"pod-security","member":"hostPath","objects":1,"reason":"its template is missing"}],"objects":[{"apiVersion":"apps/v1","column":1,"file":"deploy/a b.yaml","findings":[{"column":9,"evaluationError":false,"field":"spec.template.spec.containers[0]","gate":"pod-security","line":12,"member":"privileged","message":"container app is privileged","refused":"pods","verdict":"denied"},{"column":9,"evaluationError":false,"field":null,"gate":"pod-security","line":12,"member":"probes","message":"no probes","refused":"pods","verdict":"audited"}],"kind":"Deployment","line":3,"name":"web","namespace":"shop"}],"position":"target","rules":[{"definition":"95edb821-ddaf-4404-9732-666045e056b4","effects":{"next":null,"now":null,"target":"Deny"},"evaluated":true,"gate":"pod-security","help":"https://portal.azure.com/#blade/Microsoft_Azure_Policy/PolicyDetailBlade/definitionId/%2Fproviders%2FMicrosoft.Authorization%2FpolicyDefinitions%2F95edb821-ddaf-4404-9732-666045e056b4","member":"privileged","objects":2,"title":"Containers should not be privileged","version":"9.3.0","warns":false},{"definition":"own-rule","effects":{"next":null,"now":null,"target":"Audit"},"evaluated":true,"gate":"pod-security","help":null,"member":"probes","objects":1,"title":"Containers should not be privileged","version":"9.3.0","warns":false},{"definition":"098fc59e-46c7-4d99-9b16-64990e543d75","effects":{"next":null,"now":null,"target":"Deny"},"evaluated":false,"gate":"pod-security","help":"https://portal.azure.com/#blade/Microsoft_Azure_Policy/PolicyDetailBlade/definitionId/%2Fproviders%2FMicrosoft.Authorization%2FpolicyDefinitions%2F098fc59e-46c7-4d99-9b16-64990e543d75","member":"hostPath","objects":1,"title":"Containers should not be privileged","version":"9.3.0","warns":false}],"rulesFrom":"estate","skipped":[{"file":"values.yaml","line":7,"reason":"it has no `kind`"}],"unread":[{"column":2,"file":"deploy/broken.yaml","hints":[],"label":"no value here","line":7,"severity":"error","summary":"syntax"}],"withoutDefaults":[]}"#);
}

#[test]
fn skipped_documents_are_kept_up_to_a_limit_and_counted_beyond() {
    let mut report = report("x");
    for line in 0..2_000 {
        let span = Span {
            line,
            ..Span::default()
        };
        report.skip("values.yaml", span, "x".to_owned());
    }
    assert_eq!((report.skipped.len(), report.skipped_count), (1_000, 2_001));
    let first: &Skipped = &report.skipped[0];
    assert_eq!(first.reason, "it has no `kind`");
    assert!(human(&report, layout(0), false).contains("and 1996 more (--verbose names them)"));
}
