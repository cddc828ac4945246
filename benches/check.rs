//! How fast `check` is: 10,000 distinct Pods, 15 rules, all cores.
//!
//! `cargo bench --bench check` runs the program as its users do and prints objects per second, wall time with start-up, and the
//! most memory that it had (from `/proc`, so on Linux only).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on has failed; it makes files of its own and prints what it found"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PODS: usize = 10_000;
const RELEASE: usize = 500;
const FILES: usize = 100;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("environments")).unwrap();
    fs::copy(root.join("aksgate.yaml"), path("aksgate.yaml")).unwrap();
    fs::write(
        path("environments/bench.yaml"),
        "scope: managementGroups/bench\ngates: {}\n",
    )
    .unwrap();
    for (name, count) in [("one", 1), ("release", RELEASE), ("pods", PODS)] {
        write_yaml(&path(name), count);
    }
    let items: Vec<String> = (0..PODS).map(|number| json(&pod(number))).collect();
    let list = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{}\n]}}\n",
        items.join(",\n")
    );
    fs::write(path("list.json"), list).unwrap();

    println!("{} cores", std::thread::available_parallelism().map_or(1, usize::from));
    let rules = root.join("tests/data/bench");
    let start = measure(folder.path(), &rules, "one", 1);
    println!(
        "start-up and preparation of 15 rules: {:.3} s",
        start.wall.as_secs_f64()
    );
    for (what, paths, count) in [
        ("a release, 500 Pods in YAML", "release", RELEASE),
        ("10,000 Pods in 100 files of YAML", "pods", PODS),
        ("10,000 Pods in one list of JSON", "list.json", PODS),
    ] {
        let run = measure(folder.path(), &rules, paths, count);
        println!(
            "{what}: {:.2} s, {:.0} objects/s, {} MiB at most",
            run.wall.as_secs_f64(),
            count as f64 / run.wall.as_secs_f64(),
            run.peak_kib / 1_024
        );
    }
}

struct Run {
    wall: Duration,
    peak_kib: u64,
}

fn measure(folder: &Path, rules: &Path, paths: &str, count: usize) -> Run {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_aksgate"))
        .args(["check", "bench", paths, "--format", "json", "--templates"])
        .arg(rules)
        .current_dir(folder)
        .stdout(Stdio::from(fs::File::create(folder.join("out.json")).unwrap()))
        .spawn()
        .unwrap();
    let mut peak_kib = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = peak_kib.max(now.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = start.elapsed();
    assert_eq!(status.code(), Some(if count > 1 { 2 } else { 0 }), "{paths}");
    let out: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("out.json")).unwrap()).unwrap();
    let objects = out.pointer("/counts/objects").and_then(serde_json::Value::as_u64);
    assert_eq!(objects, u64::try_from(count).ok(), "{paths}");
    Run { wall, peak_kib }
}

fn write_yaml(folder: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    let files = FILES.min(count);
    for file in 0..files {
        let mut text = String::new();
        for number in (file..count).step_by(files) {
            text.push_str("---\n");
            text.push_str(&yaml(&pod(number)));
        }
        fs::write(folder.join(format!("{file:03}.yaml")), text).unwrap();
    }
}

/// A Pod that no other Pod is equal to; every tenth breaks a rule.
fn pod(number: usize) -> serde_json::Value {
    let privileged = number % 10 == 9;
    let container = |name: &str, port: usize| {
        serde_json::json!({
            "name": name,
            "image": format!("contoso.azurecr.io/team-{}/{name}:1.{}.{number}", number % 37, number % 11),
            "command": ["/bin/server", "--listen", format!("0.0.0.0:{port}"), "--shard", number.to_string()],
            "env": [
                {"name": "SHARD", "value": number.to_string()},
                {"name": "REGION", "value": "westeurope"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "ports": [{"name": "http", "containerPort": port}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": port}, "periodSeconds": 10},
            "livenessProbe": {"httpGet": {"path": "/live", "port": port}, "periodSeconds": 20},
            "securityContext": {
                "privileged": privileged,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
        })
    };
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("web-{number}"),
            "namespace": format!("team-{}", number % 37),
            "labels": {"app": "web", "shard": number.to_string(), "tier": "front"},
        },
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container("app", 8080), container("sidecar", 9090)],
            "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "config", "configMap": {"name": format!("config-{number}")}}],
        },
    })
}

fn json(value: &serde_json::Value) -> String {
    value.to_string()
}

/// Writes a value as people write YAML.
fn yaml(value: &serde_json::Value) -> String {
    let mut out = String::new();
    put(&mut out, value, 0);
    out
}

fn put(out: &mut String, value: &serde_json::Value, depth: usize) {
    let pad = "  ".repeat(depth);
    let is_inline = |value: &serde_json::Value| match value {
        serde_json::Value::Object(fields) => fields.is_empty(),
        serde_json::Value::Array(items) => items.is_empty() || items.iter().all(|item| item.is_string()),
        _ => true,
    };
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                if is_inline(value) {
                    out.push_str(&format!("{pad}{key}: {value}\n"));
                } else {
                    out.push_str(&format!("{pad}{key}:\n"));
                    put(out, value, depth + 1);
                }
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                put(&mut inner, item, depth + 1);
                let inner = inner.strip_prefix(&format!("{pad}  ")).unwrap_or(&inner);
                out.push_str(&format!("{pad}- {inner}"));
            }
        }
        scalar => out.push_str(&format!("{pad}{scalar}\n")),
    }
}
