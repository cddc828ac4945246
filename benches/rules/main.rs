//! How fast rules answer: fifteen rules about Pods, asked about many Pods on one thread.
//!
//! `cargo bench --bench rules [PODS]` prints a line for each way to ask. The answers of all ways must be equal.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures time, prints, and stops where it cannot go on"
)]

use aksgate::rules::{Evaluation, Input, Inventory, Review, Rule, Template};
use serde_json::{Value, json};
use std::time::Instant;

/// The bodies of the rules, and what each needs to be told.
const RULES: [(&str, &str); 15] = [
    (
        "privileged",
        "c := containers[_]; c.securityContext.privileged; msg := sprintf(\"%v is privileged\", [c.name])",
    ),
    (
        "escalation",
        "c := containers[_]; not c.securityContext.allowPrivilegeEscalation == false; msg := sprintf(\"%v may escalate\", [c.name])",
    ),
    (
        "host-namespaces",
        "namespaces := [\"hostPID\", \"hostIPC\", \"hostNetwork\"]; n := namespaces[_]; input.review.object.spec[n]; msg := sprintf(\"shares %v\", [n])",
    ),
    (
        "host-path",
        "v := input.review.object.spec.volumes[_]; v.hostPath; not allowed_path(v.hostPath.path); msg := sprintf(\"%v\", [v.hostPath.path])",
    ),
    (
        "capabilities",
        "c := containers[_]; a := c.securityContext.capabilities.add[_]; not allowed(a, input.parameters.capabilities); msg := sprintf(\"%v adds %v\", [c.name, a])",
    ),
    (
        "drop-all",
        "c := containers[_]; not drops_all(c); msg := sprintf(\"%v drops not all\", [c.name])",
    ),
    (
        "read-only",
        "c := containers[_]; not c.securityContext.readOnlyRootFilesystem; msg := sprintf(\"%v writes\", [c.name])",
    ),
    (
        "registry",
        "c := containers[_]; not regex.match(input.parameters.images, c.image); msg := sprintf(\"%v comes from %v\", [c.name, c.image])",
    ),
    (
        "latest",
        "c := containers[_]; endswith(c.image, \":latest\"); msg := sprintf(\"%v is the latest\", [c.name])",
    ),
    (
        "limits",
        "c := containers[_]; r := [\"cpu\", \"memory\"][_]; not c.resources.limits[r]; msg := sprintf(\"%v has no limit of %v\", [c.name, r])",
    ),
    (
        "probes",
        "c := containers[_]; p := input.parameters.probes[_]; not c[p]; msg := sprintf(\"%v has no %v\", [c.name, p])",
    ),
    (
        "labels",
        "l := input.parameters.labels[_]; not input.review.object.metadata.labels[l]; msg := sprintf(\"no label %v\", [l])",
    ),
    (
        "ports",
        "c := containers[_]; p := c.ports[_]; p.hostPort > 0; msg := sprintf(\"%v takes %v\", [c.name, p.hostPort])",
    ),
    (
        "user",
        "c := containers[_]; not runs_as_somebody(c); msg := sprintf(\"%v may be root\", [c.name])",
    ),
    (
        "token",
        "not input.review.object.spec.automountServiceAccountToken == false; msg := \"has a token\"",
    ),
];

const HELPERS: &str = r#"
containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
allowed_path(path) { startswith(path, input.parameters.paths[_]) }
allowed(one, list) { list[_] == one }
drops_all(c) { c.securityContext.capabilities.drop[_] == "ALL" }
runs_as_somebody(c) { c.securityContext.runAsUser > 0 }
runs_as_somebody(c) { c.securityContext.runAsNonRoot }
"#;

fn main() {
    let pods = std::env::args().filter_map(|argument| argument.parse().ok()).next();
    let pods: Vec<Value> = (0..pods.unwrap_or(2_000)).map(pod).collect();
    let started = Instant::now();
    let rules: Vec<Rule> = RULES.iter().map(|(name, body)| rule(name, body)).collect();
    println!("{:>9.3} s  15 rules made ready", started.elapsed().as_secs_f64());
    let parameters = json!({
        "capabilities": ["NET_BIND_SERVICE"], "images": "^registry\\.example/.+$", "probes": ["livenessProbe", "readinessProbe"],
        "labels": ["app", "owner"], "paths": ["/var/log"],
    });
    let inventory = Inventory::default();
    let ready = Input::new(parameters.clone());
    let asked = [
        measure("an engine for each question", &pods, &|review| {
            let answers = rules.iter();
            answers
                .map(|rule| rule.clone().evaluate(&parameters, review, &inventory))
                .collect()
        }),
        measure("an engine for each rule", &pods, &|review| {
            rules
                .iter()
                .map(|rule| rule.evaluate(&parameters, review, &inventory))
                .collect()
        }),
        measure("and each object made ready once", &pods, &|review| {
            let review = Input::new(review.clone());
            rules.iter().map(|rule| rule.ask(&ready, &review, &inventory)).collect()
        }),
    ];
    let [first, others @ ..] = &asked;
    assert!(others.iter().all(|other| other == first), "the answers differ");
    let violations: usize = first.iter().flatten().map(|answer| answer.violations.len()).sum();
    println!("{violations:>11}  violations, the same in all ways");
}

/// Asks about every Pod, and prints how long that took.
fn measure(name: &str, pods: &[Value], ask: &dyn Fn(&Value) -> Vec<Evaluation>) -> Vec<Vec<Evaluation>> {
    let reviews: Vec<Review> = pods.iter().map(Review::of_object).collect();
    let started = Instant::now();
    let answers: Vec<_> = reviews.iter().map(|review| ask(review.request())).collect();
    let seconds = started.elapsed().as_secs_f64();
    let count = u32::try_from(pods.len()).map_or(0.0, f64::from);
    println!("{seconds:>9.3} s  {:>7.0} objects/s  {name}", count / seconds);
    answers
}

fn rule(name: &str, body: &str) -> Rule {
    let package = name.replace('-', "_");
    let rego = format!("package {package}\nviolation[{{\"msg\": msg}}] {{ {body} }}\n{HELPERS}");
    Rule::new(&Template::from_rego("Bench", Value::Null, &rego)).expect("a rule of the benchmark")
}

/// Makes a Pod; of each ten some break some of the rules.
fn pod(at: usize) -> Value {
    let every = |count: usize| at.is_multiple_of(count);
    let registry = if every(3) { "docker.io" } else { "registry.example" };
    let tag = if every(5) { "latest" } else { "1.2.3" };
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("{registry}/team/app-{at}:{tag}"),
            "ports": [{"containerPort": 8080, "hostPort": if every(7) { 80 } else { 0 }}],
            "env": [{"name": "A", "value": "b"}, {"name": "NUMBER", "value": at.to_string()}],
            "resources": {"limits": {"cpu": "500m"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "securityContext": {"privileged": every(4), "runAsUser": at % 2, "capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "logs", "mountPath": "/logs"}],
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("pod-{at}"), "namespace": "shop", "labels": {"app": "web", "version": at.to_string()}},
        "spec": {
            "hostNetwork": every(6), "serviceAccountName": "default",
            "containers": [container("main"), container("sidecar")],
            "initContainers": [container("init")],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "logs", "hostPath": {"path": "/var/lib"}}],
        },
    })
}
