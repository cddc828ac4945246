//! Judging: the steps in their order, and what each of them changes.

use super::judge::{Judge, Settings, Source, by_position, identity, prepare};
use super::judge_dump::{constraints, effects};
use super::report::{About, At, Conclusion, Gate, Member, Object, Origin, Outcome, Position, Report, Subject, Verdict};
use super::{GateRule, NotJudged, RuleBody, TemplateRef, Templates};
use crate::manifest;
use crate::model::{Effect, Stage};
use crate::rules::defaults::{Defaults, ServerDefault};
use crate::rules::{Inventory, Operation, Template};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses containers whose image ends in `latest`, and says which.
const LATEST: &str = r#"package p
violation[{"msg": msg}] {
	c := input.review.object.spec.containers[_]
	endswith(c.image, "latest")
	msg := sprintf("container <%v> runs %v", [c.name, c.image])
}"#;

fn rule(reference: &str, effect: Effect, rego: &str, matching: Value) -> GateRule {
    GateRule {
        gate: "gate".to_owned(),
        reference_id: reference.to_owned(),
        definition: "rule".to_owned(),
        version: None,
        title: "A rule".to_owned(),
        effect,
        warn: false,
        elsewhere: Vec::new(),
        body: RuleBody::Constraint {
            template: TemplateRef::Own(Box::new(Template::from_rego("P", Value::Null, rego))),
            matching,
            parameters: json!({}),
        },
    }
}

fn on_pods(source: &str) -> Value {
    json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}], "source": source, "excludedNamespaces": ["kube-system"]})
}

fn settings() -> Settings {
    Settings {
        namespace: "default".to_owned(),
        operation: Operation::Create,
        user: None,
        old: BTreeMap::new(),
        defaults: Defaults::default(),
        namespaces: BTreeMap::new(),
        inventory: None,
    }
}

fn ready(rules: &[GateRule], settings: Settings) -> (Vec<Member>, Judge) {
    let at = by_position(At {
        target: Some(rules),
        ..At::default()
    });
    prepare(at, &Templates::default(), settings, Position::Target)
}

/// What a judge says of the one document of a text.
fn judged(judge: &Judge, text: &str) -> Result<(Object, Outcome), String> {
    let manifest = manifest::read("a.yaml", text.as_bytes()).unwrap().remove(0);
    let source = Source {
        file: "a.yaml",
        content: text.as_bytes(),
        span: manifest.span,
    };
    judge.judge(source, manifest)
}

fn outcome(rules: &[GateRule], settings: Settings, text: &str) -> Outcome {
    judged(&ready(rules, settings).1, text).unwrap().1
}

/// Each finding as `line:column path: message`.
fn told(outcome: &Outcome) -> Vec<String> {
    let findings = outcome.findings.iter();
    findings
        .map(|found| {
            format!(
                "{}:{} {}: {}",
                found.place.line, found.place.column, found.place.path, found.message
            )
        })
        .collect()
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
      - {name: side, image: side:1.0}
      - name: app
        image: app:latest
";

#[test]
fn what_is_wrong_in_a_template_is_refused_with_its_pods_and_placed_in_the_template() {
    let outcome = outcome(
        &[rule("latest", Effect::Deny, LATEST, on_pods("Original"))],
        settings(),
        DEPLOYMENT,
    );
    assert_eq!(
        told(&outcome),
        ["10:16 spec.template.spec.containers[1].image: container <app> runs app:latest"]
    );
    assert_eq!(outcome.findings[0].subject, Subject::Pods);
    assert_eq!(outcome.findings[0].verdict, Verdict::Denied);
    assert_eq!(outcome.findings[0].place.end_column, Some(26));
    assert_eq!(outcome.asked, [(0, Some(Verdict::Denied))]);
}

#[test]
fn what_gatekeeper_derives_itself_is_refused_with_the_object() {
    let subject = |source: &str| {
        let outcome = outcome(
            &[rule("latest", Effect::Deny, LATEST, on_pods(source))],
            settings(),
            DEPLOYMENT,
        );
        outcome.findings.first().map(|found| found.subject)
    };
    assert_eq!(subject("Original"), Some(Subject::Pods));
    assert_eq!(
        subject("All"),
        Some(Subject::Pods),
        "at apply only where the cluster expands"
    );
    assert_eq!(subject("Generated"), Some(Subject::Object));
    let pod =
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: app, image: 'app:latest'}]}}";
    let told_of = |source: &str| {
        told(&outcome(
            &[rule("latest", Effect::Deny, LATEST, on_pods(source))],
            settings(),
            pod,
        ))
        .len()
    };
    assert_eq!((told_of("Original"), told_of("Generated")), (1, 0));
}

#[test]
fn nulls_go_defaults_come_and_both_can_be_told() {
    let rego = r#"package p
violation[{"msg": msg}] { msg := sprintf("%v in %v, %v", [input.review.object.spec.containers[0].imagePullPolicy, input.review.namespace, object.get(input.review.object.spec, "hostPID", "none")]) }"#;
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {hostPID: null, containers: [{name: app, image: 'app:latest'}]}}";
    let rules = [rule("policy", Effect::Deny, rego, json!({}))];
    let with = outcome(&rules, settings(), pod);
    assert_eq!(told(&with), ["1:1 : Always in default, none"]);
    assert!(with.defaults.contains("image-pull-policy") && with.defaults.contains("namespace"));
    let mut without = settings();
    without.defaults = without.defaults.without(ServerDefault::ImagePullPolicy);
    without.namespace = "shop".to_owned();
    let outcome = outcome(&rules, without, pod);
    assert_eq!(told(&outcome), [""; 0], "what is undefined is no violation");
    assert!(!outcome.defaults.contains("image-pull-policy"));
}

#[test]
fn excluded_namespaces_hold_for_workloads_and_their_pods() {
    let rules = [rule("latest", Effect::Deny, LATEST, on_pods("Original"))];
    let there = DEPLOYMENT.replace("namespace: shop", "namespace: kube-system");
    assert_eq!(outcome(&rules, settings(), &there).asked, []);
    let mut elsewhere = settings();
    elsewhere.namespace = "kube-system".to_owned();
    let nowhere = DEPLOYMENT.replace(", namespace: shop", "");
    assert_eq!(outcome(&rules, elsewhere, &nowhere).asked, []);
    assert_eq!(outcome(&rules, settings(), &nowhere).asked.len(), 1);
}

#[test]
fn operation_user_and_old_object_are_what_a_rule_sees() {
    let rego = r#"package p
violation[{"msg": msg}] { msg := sprintf("%v by %v: %v to %v", [input.review.operation, input.review.userInfo.username, input.review.oldObject.data.a, object.get(input.review.object, "data", {})]) }"#;
    let rules = [rule("change", Effect::Deny, rego, json!({}))];
    let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}, data: {a: new}}";
    let mut changed = settings();
    changed.operation = Operation::Update;
    changed.user = Some(json!({"username": "jane"}));
    let old = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}, "data": {"a": "old"}});
    changed.old = BTreeMap::from([(identity(&old, ""), old)]);
    assert_eq!(
        told(&outcome(&rules, changed.clone(), text)),
        [r#"1:1 : UPDATE by jane: old to {"a": "new"}"#]
    );
    changed.operation = Operation::Delete;
    assert_eq!(
        told(&outcome(&rules, changed, text)),
        [r#"1:1 : DELETE by jane: new to {"a": "new"}"#]
    );
}

#[test]
fn an_error_of_a_rule_is_a_violation() {
    let rego = "package p\nviolation[{\"msg\": m}] { m := f(1) }\nf(x) = \"a\" { true }\nf(x) = \"b\" { true }\n";
    let outcome = outcome(&[rule("broken", Effect::Deny, rego, json!({}))], settings(), DEPLOYMENT);
    assert!(
        outcome
            .findings
            .iter()
            .all(|found| found.failed && found.message.starts_with("evaluation error"))
    );
    assert!(!outcome.findings.is_empty());
}

#[test]
fn an_admission_review_is_judged_as_it_is_with_the_pods_of_its_object() {
    let object = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {containers: [{name: app, image: 'a:latest'}]}}}}";
    let review = format!(
        "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n  operation: CREATE\n  uid: x\n  object: {object}\n"
    );
    let judge = ready(&[rule("latest", Effect::Deny, LATEST, on_pods("Original"))], settings()).1;
    let (identity, outcome) = judged(&judge, &review).unwrap();
    assert_eq!(identity.to_string(), "Deployment shop/web");
    assert_eq!(told(&outcome).len(), 1);
    assert!(told(&outcome)[0].contains(" request.object.spec.template.spec.containers[0].image: "));
    assert!(outcome.defaults.is_empty() || !outcome.defaults.contains("namespace"));
    assert!(judged(&judge, "{apiVersion: admission.k8s.io/v1, kind: AdmissionReview}").is_err());
}

#[test]
fn what_is_no_object_of_a_cluster_is_skipped_with_a_reason() {
    let judge = ready(&[], settings()).1;
    for (text, reason) in [
        ("{image: {tag: x}}", "it has neither `apiVersion` nor `kind`"),
        ("{apiVersion: v2, name: chart}", "it has no `kind`"),
        ("{kind: Pod}", "it has no `apiVersion`"),
        (
            "{apiVersion: kustomize.config.k8s.io/v1beta1, kind: Kustomization}",
            "`Kustomization` is read by kustomize, not by a cluster",
        ),
        ("[a]", "it has neither `apiVersion` nor `kind`"),
    ] {
        assert_eq!(judged(&judge, text).unwrap_err(), reason, "{text}");
    }
    let (object, outcome) = judged(
        &judge,
        "{apiVersion: example.com/v1, kind: Widget, metadata: {generateName: w-}}",
    )
    .unwrap();
    assert_eq!((object.name.as_str(), outcome.asked.len()), ("w-", 0));
}

#[test]
fn a_namespace_that_is_not_known_is_a_gap_and_one_that_is_decides() {
    let matching = json!({"namespaceSelector": {"matchLabels": {"gates": "on"}}, "kinds": [{"apiGroups": ["*"], "kinds": ["Pod"]}]});
    let rules = [rule("latest", Effect::Deny, LATEST, matching)];
    let unknown = outcome(&rules, settings(), DEPLOYMENT);
    assert_eq!((unknown.findings.len(), unknown.not_evaluated.len()), (0, 1));
    let judge = ready(&rules, settings()).1;
    assert!(judge.selects_namespaces());
    let named = |labels: Value| {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}});
        let judge = judge.clone().knowing(BTreeMap::from([("shop".to_owned(), namespace)]));
        judged(&judge, DEPLOYMENT).unwrap().1.findings.len()
    };
    assert_eq!((named(json!({"gates": "on"})), named(json!({"gates": "off"}))), (1, 0));
}

#[test]
fn a_rule_that_looks_at_other_objects_needs_them() {
    let rego = "package p\nviolation[{\"msg\": \"taken\"}] { data.inventory.cluster[\"v1\"].Node[_] }\n";
    let rules = [rule("taken", Effect::Deny, rego, json!({}))];
    let (members, judge) = ready(&rules, settings());
    assert!(members[0].silent.as_ref().unwrap().reason.contains("--inventory"));
    assert_eq!(judged(&judge, DEPLOYMENT).unwrap().1.not_evaluated.len(), 1);
    let mut known = settings();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    known.inventory = Some(Inventory::new(&[&node]));
    assert!(!outcome(&rules, known, DEPLOYMENT).findings.is_empty());
}

#[test]
fn equal_templates_get_one_answer_and_each_its_own_name() {
    let named = r#"package p
violation[{"msg": msg}] { msg := sprintf("Pod %v runs %v", [input.review.object.metadata.name, input.review.object.spec.containers[0].image]) }"#;
    let rules = [
        rule("latest", Effect::Deny, LATEST, on_pods("Original")),
        rule("named", Effect::Deny, named, on_pods("Original")),
    ];
    let judge = ready(&rules, settings()).1;
    let messages = |text: &str| {
        let outcome = judged(&judge, text).unwrap().1;
        let messages = outcome.findings.iter().map(|found| found.message.clone());
        messages.collect::<Vec<_>>()
    };
    let other = DEPLOYMENT.replace("name: web,", "name: shop,");
    assert_eq!(
        messages(DEPLOYMENT),
        ["container <app> runs app:latest", "Pod web-pod runs side:1.0"]
    );
    assert_eq!(
        messages(&other),
        ["container <app> runs app:latest", "Pod shop-pod runs side:1.0"]
    );
    assert_eq!(
        messages(&other.replace("app:latest", "app:1.0")),
        ["Pod shop-pod runs side:1.0"]
    );
    assert_eq!(judge.remembered(), 2, "of two equal templates and another one");
}

/// A report over the rules, with what they say of the texts.
fn report(rules: &[GateRule], position: Position, stages: At<Stage>, at: At<&[GateRule]>, texts: &[&str]) -> Report {
    let _ = rules;
    let (members, judge) = prepare(by_position(at), &Templates::default(), settings(), position);
    let gate = Gate {
        name: "gate".to_owned(),
        stages,
        counts: Default::default(),
    };
    let mut report = Report::new("prod", position, Origin::Estate, vec![gate], members);
    for text in texts {
        let (object, outcome) = judged(&judge, text).unwrap();
        report.add(object, outcome);
    }
    report
}

fn verdict_of(position: Position, now: Effect, next: Effect, target: Effect, warn: bool) -> Option<Verdict> {
    let at = |effect| {
        vec![GateRule {
            warn,
            ..rule("latest", effect, LATEST, on_pods("Original"))
        }]
    };
    let (now, next, target) = (at(now), at(next), at(target));
    let at = At {
        now: Some(now.as_slice()),
        next: Some(next.as_slice()),
        target: Some(target.as_slice()),
    };
    let report = report(&[], position, At::default(), at, &[DEPLOYMENT]);
    let mut found = report.findings().map(|(_, finding)| finding.verdict);
    found.next()
}

#[test]
fn a_verdict_says_when_an_object_will_be_refused() {
    use Effect::{Audit, Deny, Disabled};
    use Position::{Next, Now, Target};
    for (position, now, next, target, warn, expected) in [
        (Target, Audit, Audit, Deny, false, Some(Verdict::Denied)),
        (Now, Audit, Audit, Deny, false, Some(Verdict::DeniedAtTarget)),
        (Now, Audit, Deny, Deny, false, Some(Verdict::DeniedNext)),
        (Now, Deny, Deny, Deny, false, Some(Verdict::Denied)),
        (Next, Audit, Deny, Deny, false, Some(Verdict::Denied)),
        (Next, Audit, Audit, Deny, true, Some(Verdict::DeniedAtTarget)),
        (Target, Audit, Audit, Audit, false, Some(Verdict::Audited)),
        (Target, Audit, Audit, Audit, true, Some(Verdict::Warned)),
        (Now, Disabled, Audit, Audit, false, None),
        (Now, Disabled, Disabled, Deny, false, Some(Verdict::DeniedAtTarget)),
    ] {
        assert_eq!(
            verdict_of(position, now, next, target, warn),
            expected,
            "{position:?} {now} {next} {target}"
        );
    }
}

#[test]
fn a_gap_in_a_gate_that_denies_is_no_pass_unless_it_is_accepted_or_about_nothing() {
    let mut missing = rule("missing", Effect::Deny, LATEST, on_pods("Original"));
    if let RuleBody::Constraint { template, .. } = &mut missing.body {
        *template = TemplateRef::Published {
            url: "https://x/template.yaml".to_owned(),
        };
    }
    let conclude = |rule: GateRule, text: &str, allowed: &[&str]| {
        let rules = [rule];
        let at = At {
            target: Some(rules.as_slice()),
            ..At::default()
        };
        let mut report = report(&[], Position::Target, At::default(), at, &[text]);
        report.allowed_gaps = allowed.iter().map(|gate| (*gate).to_owned()).collect::<BTreeSet<_>>();
        report.conclusion()
    };
    let other = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
    assert_eq!(conclude(missing.clone(), DEPLOYMENT, &[]), Conclusion::Incomplete);
    assert_eq!(conclude(missing.clone(), DEPLOYMENT, &["gate"]), Conclusion::Clean);
    assert_eq!(
        conclude(missing.clone(), DEPLOYMENT, &["other"]),
        Conclusion::Incomplete
    );
    assert_eq!(
        conclude(missing.clone(), other, &[]),
        Conclusion::Clean,
        "it is not about a ConfigMap"
    );
    let audits = GateRule {
        effect: Effect::Audit,
        ..missing.clone()
    };
    assert_eq!(conclude(audits, DEPLOYMENT, &[]), Conclusion::Clean);
    let silent = |why: NotJudged| GateRule {
        body: RuleBody::NotJudged(why),
        ..missing.clone()
    };
    let unknown = NotJudged::Unknown { what: "x".to_owned() };
    assert_eq!(
        conclude(silent(unknown), other, &[]),
        Conclusion::Incomplete,
        "any object may be meant"
    );
    assert_eq!(
        conclude(silent(NotJudged::AzureResources), other, &[]),
        Conclusion::Clean
    );
    assert_eq!(
        conclude(
            rule("latest", Effect::Deny, LATEST, on_pods("Original")),
            DEPLOYMENT,
            &["gate"]
        ),
        Conclusion::Denied
    );
    let refused = rule(
        "refused",
        Effect::Deny,
        "package p\nviolation[{\"msg\": m}] { m := nothing(1) }",
        json!({}),
    );
    assert_eq!(
        conclude(refused, other, &[]),
        Conclusion::Incomplete,
        "a template that is refused is no pass"
    );
}

#[test]
fn nothing_judged_is_no_pass() {
    let report = report(&[], Position::Target, At::default(), At::default(), &[]);
    assert_eq!(report.conclusion(), Conclusion::Unread);
}

#[test]
fn a_dump_says_whose_rules_it_holds_and_what_they_do() {
    let template = json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "p"},
        "spec": {"crd": {"spec": {"names": {"kind": "P"}}}, "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": LATEST}]},
    });
    let constraint = |kind: &str, action: &str| {
        json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind,
            "metadata": {"name": "azurepolicy-p-1", "annotations": {
                "azure-policy-assignment-id": "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a",
                "azure-policy-definition-id": "/providers/Microsoft.Authorization/policyDefinitions/d",
                "azure-policy-definition-reference-id": "latest",
            }},
            "spec": {"enforcementAction": action, "match": on_pods("Original")},
        })
    };
    let found = constraints(&[
        constraint("P", "dryrun"),
        constraint("P", "warn"),
        constraint("P", "deny"),
        constraint("Q", "deny"),
        constraint("P", "scoped"),
        template,
    ]);
    let said: Vec<_> = found
        .iter()
        .map(|found| {
            (
                found.rule.effect,
                found.rule.warn,
                matches!(found.rule.body, RuleBody::Constraint { .. }),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            (Effect::Audit, false, true),
            (Effect::Audit, true, true),
            (Effect::Deny, false, true),
            (Effect::Deny, false, false),
            (Effect::Deny, false, false),
        ]
    );
    assert_eq!(found[0].rule.reference_id, "latest");
    assert_eq!(found[0].rule.definition, "d");
    assert!(found[0].assignment.as_deref().unwrap().ends_with("/a"));
    assert_eq!(
        effects(&found[0].rule, None, Some(Effect::Deny)),
        At {
            now: Some(Effect::Audit),
            next: Some(Effect::Audit),
            target: Some(Effect::Deny)
        }
    );
    let _ = About::Any;
}
