//! `aksgate check`

use crate::harness::{Folder, Run};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;

/// An estate with two gates whose rules are all of its own.
fn estate() -> Folder {
    let folder = Folder::shipped();
    folder.write("environments/prod.yaml", ENVIRONMENT);
    folder.write("initiatives/exposure.yaml", EXPOSURE);
    folder.write("initiatives/images.yaml", IMAGES);
    folder.write(
        "initiatives/images/approved-image-references.yaml",
        folder.read(&rule("yaml")),
    );
    folder.write(
        "initiatives/images/approved-image-references.rego",
        folder.read(&rule("rego")),
    );
    folder
}

fn rule(ending: &str) -> String {
    format!("initiatives/supply-chain/approved-image-references.{ending}")
}

const ENVIRONMENT: &str = "scope: managementGroups/contoso-prod
gates:
  exposure: {initiative: exposure, target: deny, excludeNamespaces: [ingress]}
  images: {initiative: images, target: audit}
";
const EXPOSURE: &str = "displayName: Exposure
description: Own rules only.
members:
  - {ref: noNodePort, rule: no-node-port}
";
const IMAGES: &str = "displayName: Images
description: Own rules only.
members:
  - {ref: approved, rule: approved-image-references}
";
const SERVICE: &str = "apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  type: NodePort
  ports: [{port: 80}]
";
const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: contoso.azurecr.io/web:stable
";

/// What was found, as `verdict gate/member refused file:line field`.
fn found(run: &Run) -> Vec<String> {
    let document = run.json();
    let mut lines = Vec::new();
    for object in document["objects"].as_array().unwrap() {
        for finding in object["findings"].as_array().unwrap() {
            let word = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
            lines.push(format!(
                "{} {}/{} {} {}:{} {}",
                word("verdict"),
                word("gate"),
                word("member"),
                word("refused"),
                object["file"].as_str().unwrap(),
                finding["line"],
                word("field")
            ));
        }
    }
    lines
}

#[test]
fn what_would_be_refused_is_told_with_its_place() {
    let folder = estate();
    folder.write("deploy/service.yaml", SERVICE);
    folder.write("deploy/deployment.yaml", DEPLOYMENT);
    folder.write("deploy/values.yaml", "image: {tag: x}\n");
    let run = folder.run("check prod deploy").expect(2);
    insta::assert_snapshot!(run.shown(&folder), @"
    exit code 2
    --- stdout
    Check for prod, with its gates at their targets
      2 objects in 3 files
      rules of the estate, as Azure resolves it

    Deployment shop/web (deploy/deployment.yaml:1)
      audited images/approved - let in and recorded, for its Pods
              container <app> names the image <contoso.azurecr.io/web:stable>, which has the tag `stable`, and that is not approved
              spec.template.spec.containers[0].image (deploy/deployment.yaml:11:18)

    Service shop/web (deploy/service.yaml:1)
      DENIED  exposure/noNodePort - denied when it is applied
              Service <web> opens ports on every node: its type is NodePort
              spec.type (deploy/service.yaml:7:9)

      gate      stage    denied     next   target   warned  audited  allowed  not evaluated
      exposure  deny          1        0        0        0        0        0              0
      images    audit         0        0        0        0        1        0              0

    Skipped: 1 document, no Kubernetes objects
      deploy/values.yaml:1: it has neither `apiVersion` nor `kind`

    Taken for granted
      defaults of an API server in force, with how many objects each changed: host-port, image-pull-policy (1), namespace, namespace-label, pod-fields (1), port-protocol (1), replicas (1), requests, service-account (1), service-fields (1), token-volume (1), tolerations (1)
      who does it is not known: `--user` names nobody

    No pass: 1 of 2 objects denied.
    ");
}

#[test]
fn each_verdict_has_its_exit_code() {
    let folder = estate();
    folder.write("service.yaml", SERVICE);
    folder.write("deployment.yaml", DEPLOYMENT);
    let denied = folder.run("check prod service.yaml --format json").expect(2);
    assert_eq!(
        found(&denied),
        ["denied exposure/noNodePort object service.yaml:7 spec.type"]
    );
    assert_eq!(denied.json()["outcome"], "denied");
    let audited = folder.run("check prod deployment.yaml --format json").expect(0);
    assert_eq!(
        found(&audited),
        ["audited images/approved pods deployment.yaml:11 spec.template.spec.containers[0].image"]
    );
    assert_eq!(audited.json()["outcome"], "nothing-denied");
    folder.write("excluded.yaml", SERVICE.replace("shop", "ingress"));
    let excluded = folder.run("check prod excluded.yaml --format json").expect(0);
    assert_eq!(found(&excluded), [""; 0]);
    folder.write("nowhere.yaml", SERVICE.replace("  namespace: shop\n", ""));
    folder.run("check prod nowhere.yaml").expect(2);
    folder.run("check prod nowhere.yaml --namespace ingress").expect(0);
    folder.run("check prod service.yaml --gate images").expect(0);
    folder.run("check prod service.yaml --gate none").expect(1);
    folder.run("check prod").expect(64);
    folder.run("check prod service.yaml --operation PATCH").expect(64);
    folder.run("check prod service.yaml --report pdf=x").expect(64);
    folder
        .run("check prod service.yaml --without-default nothing")
        .expect(64);
    folder.run("check prod service.yaml --old service.yaml").expect(64);
}

#[test]
fn where_the_gates_stand_decides_what_is_refused_now() {
    let folder = estate();
    folder.write("service.yaml", SERVICE);
    let run = folder.run("check prod service.yaml --stage now").expect(64);
    run.says(&["`--stage now` needs to know where the gates stand", "--positions FILE"]);
    let positions = |stage: &str, next: Option<&str>| {
        let next = next.map(|stage| json!({"stage": stage, "held": []}));
        let gates = json!([{"gate": "exposure", "stage": stage, "target": "deny", "next": next}]);
        let document = json!({
            "formatVersion": 1, "command": "status",
            "environments": [{"environment": "prod", "gates": gates, "error": null}],
        });
        folder.write("positions.json", document.to_string());
    };
    for (stage, next, asked, code, verdict) in [
        ("audit", Some("deny"), "now", 0, "deniedNext"),
        ("audit", None, "now", 0, "deniedAtTarget"),
        ("off", Some("audit"), "now", 0, "deniedAtTarget"),
        ("deny", None, "now", 2, "denied"),
        ("audit", Some("deny"), "next", 2, "denied"),
        ("audit", Some("deny"), "target", 2, "denied"),
    ] {
        positions(stage, next);
        let line = format!("check prod service.yaml --positions positions.json --stage {asked} --format json");
        let run = folder.run(&line).expect(code);
        assert!(
            found(&run)[0].starts_with(&format!("{verdict} ")),
            "{stage} {asked}: {:?}",
            found(&run)
        );
    }
    folder.write("positions.json", "{}");
    let run = folder
        .run("check prod service.yaml --positions positions.json --stage now")
        .expect(1);
    run.says(&["does not say where the gates stand", "it is no answer of `status`"]);
}

#[test]
fn status_says_where_the_gates_stand_and_check_reads_it() {
    let folder = estate();
    folder.write("service.yaml", SERVICE);
    let run = folder.run("status prod --sandbox").expect(0);
    run.prints(&["Status of prod", "exposure", "off"]);
    folder.run("apply prod --sandbox --yes --quiet");
    let run = folder.run("status prod --sandbox --format json").expect(0);
    let document = run.json();
    let gate = &document["environments"][0]["gates"][0];
    assert_eq!(
        (&gate["gate"], &gate["stage"], &gate["target"]),
        (&json!("exposure"), &json!("audit"), &json!("deny"))
    );
    assert!(gate["since"].is_string());
    assert_eq!(gate["next"]["stage"], "deny");
    let guards: Vec<&Value> = gate["next"]["held"]
        .as_array()
        .unwrap()
        .iter()
        .map(|held| &held["guard"])
        .collect();
    assert!(guards.contains(&&json!("soak")), "{guards:?}");
    folder.write("positions.json", &run.stdout);
    let of_file = folder
        .run("check prod service.yaml --stage now --positions positions.json --format json")
        .expect(0);
    let asked = folder
        .run("check prod service.yaml --stage now --online --sandbox --format json")
        .expect(0);
    assert_eq!(
        found(&of_file),
        ["deniedNext exposure/noNodePort object service.yaml:7 spec.type"]
    );
    assert_eq!(found(&asked), found(&of_file));
    folder
        .run("status prod --sandbox --format markdown")
        .expect(0)
        .prints(&["| exposure | audit | deny |"]);
    folder.run("status nowhere --sandbox").expect(1);
}

#[test]
fn a_broken_file_is_told_and_the_rest_is_judged() {
    let folder = estate();
    for number in 0..40 {
        folder.write(
            &format!("deploy/{number}.yaml"),
            SERVICE.replace("name: web", &format!("name: web-{number}")),
        );
    }
    folder.write("deploy/7.yaml", "apiVersion: v1\nkind: Service\nspec: {type: [\n");
    folder.write("deploy/8.yaml", format!("a: b: c\n---\n{SERVICE}"));
    let run = folder.run("check prod deploy").expect(1);
    assert!(run.stdout.contains("could not be read"), "{}", run.stdout);
    let run = run.says(&["deploy/7.yaml", "deploy/8.yaml"]);
    assert!(
        run.stdout
            .contains("No pass: 2 documents could not be read; 39 of 39 objects denied."),
        "{}",
        run.stdout
    );
    folder.write("chart/service.yaml", "kind: {{ .Values.kind }}\n");
    folder.run("check prod chart").expect(1).says(&["helm template CHART"]);
    folder.run("check prod nowhere").expect(1).says(&["nowhere"]);
    folder.run("check prod nowhere deploy/1.yaml --format json").expect(1);
}

#[test]
fn a_check_of_nothing_is_no_pass() {
    let folder = estate();
    folder.write("empty/readme.txt", "x");
    folder
        .run("check prod empty")
        .expect(1)
        .prints(&["No pass: no Kubernetes object was found."]);
    folder.write("values.yaml", "a: 1\n");
    folder
        .run("check prod values.yaml")
        .expect(1)
        .prints(&["it has neither `apiVersion` nor `kind`"]);
}

#[test]
fn what_cannot_be_evaluated_is_no_pass_unless_that_is_accepted() {
    let folder = Folder::shipped();
    folder.write(
        "pod.yaml",
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: b, image: c}]}}",
    );
    let run = folder.run("check prod pod.yaml").expect(1);
    let run = run.prints(&["No pass: ", "pod-security/", "it denies, so this is no pass"]);
    assert!(!run.stdout.contains("Done:"));
    let line = "check prod pod.yaml --allow-not-evaluated pod-security --allow-not-evaluated image-governance";
    folder.run(line).expect(0).prints(&[
        "`--allow-not-evaluated` lets that be",
        "not evaluated, which is accepted: ",
    ]);
    folder
        .run("check prod pod.yaml --allow-not-evaluated pod-security")
        .expect(1);
    folder
        .run("check prod pod.yaml --allow-not-evaluated nothing")
        .expect(1);
    // Whatever the other gates would say of it, a ConfigMap is nothing to them.
    folder.write("map.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
    folder.run("check prod map.yaml").expect(0);
}

#[test]
fn a_rule_that_is_refused_leaves_its_gate_unevaluated_and_one_that_runs_away_counts_as_a_violation() {
    let folder = estate();
    folder.write("service.yaml", SERVICE);
    folder.write(
        "templates-of-ours/template.yaml",
        template(
            "Loops",
            "split(\"x\", \"\")[_] == msg\n        count(numbers.range(1, 100000000)) > 0",
        ),
    );
    folder.write(
        "templates-of-ours/constraint.yaml",
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Loops\nmetadata: {name: loops}\nspec: {}\n",
    );
    let run = folder
        .run("check prod service.yaml --templates templates-of-ours --gate images --format json")
        .expect(2);
    let document = run.json();
    let finding = &document["objects"][0]["findings"][0];
    assert_eq!(
        (&finding["gate"], &finding["evaluationError"]),
        (&json!("templates"), &json!(true)),
        "{finding}"
    );
    folder.write(
        "templates-of-ours/template.yaml",
        template("Loops", "msg := nothing_known(1)"),
    );
    let run = folder
        .run("check prod service.yaml --templates templates-of-ours --gate images")
        .expect(1);
    run.prints(&["templates/loops: its template is refused", "nothing_known"]);
}

fn template(kind: &str, body: &str) -> String {
    format!(
        "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {{name: {name}}}
spec:
  crd: {{spec: {{names: {{kind: {kind}}}}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package p
      violation[{{\"msg\": msg}}] {{
        {body}
      }}
",
        name = kind.to_lowercase()
    )
}

#[test]
fn standard_input_lists_and_reviews_are_read() {
    let folder = estate();
    let piped = |text: &str| {
        let mut command = folder.command(&["check", "prod", "-", "--format", "json"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        Run::of("check prod -", &child.wait_with_output().unwrap())
    };
    let helm = format!(
        "---\n# Source: web/templates/service.yaml\n{SERVICE}---\n# Source: web/templates/empty.yaml\n---\n{DEPLOYMENT}"
    );
    let run = piped(&helm).expect(2);
    assert_eq!(
        found(&run),
        [
            "denied exposure/noNodePort object -:9 spec.type",
            "audited images/approved pods -:24 spec.template.spec.containers[0].image"
        ]
    );
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"}, "spec": {"type": "NodePort"}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [service, service]});
    let run = piped(&format!("{list:#}")).expect(2);
    assert_eq!(run.json()["counts"]["objects"], 2);
    assert_eq!(found(&run).len(), 2);
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "u", "operation": "CREATE", "object": service},
    });
    let run = piped(&review.to_string()).expect(2);
    assert_eq!(
        found(&run),
        ["denied exposure/noNodePort object -:1 request.object.spec.type"]
    );
    piped("").expect(1);
    folder.run("check prod -").expect(1);
}

#[test]
fn reports_are_written_beside_what_is_printed() {
    let folder = estate();
    folder.write("deploy/service.yaml", SERVICE);
    let line = "check prod deploy --report sarif=out.sarif --report junit=out.xml --report json=out.json --report markdown=out.md";
    let run = folder.run(line).expect(2);
    assert!(run.stdout.starts_with("Check for prod"));
    let sarif: Value = serde_json::from_str(&folder.read("out.sarif")).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "exposure/noNodePort");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "deploy/service.yaml");
    assert_eq!(
        place["region"],
        json!({"startLine": 7, "startColumn": 9, "endColumn": 17})
    );
    assert!(folder.read("out.xml").contains("<failure"));
    assert!(folder.read("out.md").contains("| exposure | deny | 1 |"));
    let printed = folder.run("check prod deploy --format json").expect(2).json();
    assert_eq!(
        serde_json::from_str::<Value>(&folder.read("out.json")).unwrap(),
        printed
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path("out.sarif"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    folder
        .run("check prod deploy --report sarif=nowhere/out.sarif")
        .expect(1)
        .says(&["cannot be written"]);
}

#[test]
fn annotations_are_for_the_service_that_runs_it() {
    let folder = estate();
    folder.write("deploy/service.yaml", SERVICE);
    let run = |service: &str, variable: Option<&str>| {
        let words = [
            "check",
            "prod",
            "deploy",
            "--quiet",
            "--format",
            "json",
            "--annotations",
            service,
        ];
        let run = folder.run_with(&words, |command| {
            command.envs(variable.map(|name| (name, "true")));
        });
        run.expect(2).stderr
    };
    let github = run("github", None);
    assert!(
        github.starts_with("::error file=deploy/service.yaml,line=7,col=9,endColumn=17,title=exposure/noNodePort::"),
        "{github}"
    );
    let azure = run("azure-devops", None);
    assert!(
        azure.starts_with("##vso[task.logissue type=error;sourcepath=deploy/service.yaml;linenumber=7;"),
        "{azure}"
    );
    assert_eq!(run("auto", Some("GITHUB_ACTIONS")), github);
    assert_eq!(run("auto", Some("TF_BUILD")), azure);
    assert_eq!(run("auto", None), "");
}

#[test]
fn what_a_cluster_has_is_asked_instead_of_the_estate() {
    let folder = estate();
    folder.write("service.yaml", SERVICE);
    let rendered = folder.run("render prod --format json").expect(0).json();
    let documents = rendered["documents"].as_array().unwrap();
    let of_gate = |kind: &str| {
        let mut all = documents
            .iter()
            .filter(|one| one["kind"] == kind && one["gate"] == "exposure");
        all.next().unwrap()["id"].clone()
    };
    let template: Value = json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "p"},
        "spec": {"crd": {"spec": {"names": {"kind": "P"}}}, "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego":
            "package p\nviolation[{\"msg\": \"from the cluster\"}] { input.review.object.spec.type == \"NodePort\" }"}]},
    });
    let constraint = |action: &str, assignment: Value| {
        json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "P",
            "metadata": {"name": "p-1", "annotations": {
                "azure-policy-assignment-id": assignment, "azure-policy-definition-reference-id": "noNodePort",
            }},
            "spec": {"enforcementAction": action},
        })
    };
    let dump = |constraint: Value| {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [template, constraint]});
        folder.write("dump.json", list.to_string());
    };
    let check = |position: &str, code: i32| {
        let line = format!("check prod service.yaml --cluster-dump dump.json --stage {position} --format json");
        folder.run(&line).expect(code)
    };
    dump(constraint("dryrun", of_gate("policyAssignment")));
    let now = check("now", 0);
    assert_eq!(
        found(&now),
        ["deniedAtTarget exposure/noNodePort object service.yaml:1 -"]
    );
    assert_eq!(now.json()["objects"][0]["findings"][0]["message"], "from the cluster");
    assert_eq!(now.json()["rulesFrom"], "cluster");
    check("target", 2);
    dump(constraint("deny", of_gate("policyAssignment")));
    assert_eq!(
        found(&check("now", 2)),
        ["denied exposure/noNodePort object service.yaml:1 -"]
    );
    // What somebody else assigned refuses objects all the same; what the cluster has not got yet comes with the target.
    let other = "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/other";
    dump(constraint("deny", json!(other)));
    assert_eq!(
        found(&check("now", 2)),
        [
            "denied assignment other/noNodePort object service.yaml:1 -",
            "deniedAtTarget exposure/noNodePort object service.yaml:7 spec.type"
        ]
    );
}

#[test]
fn azures_rules_are_judged_once_their_templates_are_in_the_bundle() {
    let folder = Folder::shipped();
    folder.write(
        "deployment.yaml",
        DEPLOYMENT.replace(
            "          image: contoso.azurecr.io/web:stable\n",
            "          image: docker.io/web:1.0\n          securityContext: {privileged: true}\n",
        ),
    );
    folder.run("check prod deployment.yaml").expect(1);
    folder.run("bundle prod --sandbox").expect(0);
    let run = folder.run("check prod deployment.yaml --format json").expect(2);
    assert_eq!(
        found(&run),
        [
            "denied image-governance/trustedImages pods deployment.yaml:11 spec.template.spec.containers[0].image",
            "denied pod-security/NoPrivilegedContainers pods deployment.yaml:10 spec.template.spec.containers[0]",
        ]
    );
    assert_eq!(run.json()["notEvaluated"], json!([]));
    // What was changed in the bundle is not what was accepted.
    let path = "bundle/store.policy.core.windows.net/kubernetes/container-no-privilege/v2/template.yaml";
    folder.write(path, folder.read(path).replace("violation", "something"));
    let run = folder.run("check prod deployment.yaml").expect(1);
    run.prints(&["pod-security/NoPrivilegedContainers: ", "no pass"]);
}
