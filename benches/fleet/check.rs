//! How fast `check` is: 10,000 distinct Pods, 15 rules, all cores.

use crate::estate::root;
use crate::process::{Ended, measured, program};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const PODS: usize = 10_000;
const RELEASE: usize = 500;
const FILES: usize = 100;

/// A folder with Pods to be checked.
pub struct Objects {
    folder: TempDir,
}

/// What is checked: what it is, where it lies, and how many objects it has.
pub const CHECKED: [(&str, &str, usize); 4] = [
    ("`check` of one Pod: start-up and preparation of 15 rules", "one", 1),
    ("`check` of a release, 500 Pods in YAML x 15 rules", "release", RELEASE),
    ("`check` of 10,000 Pods in 100 files of YAML x 15 rules", "pods", PODS),
    (
        "`check` of 10,000 Pods in one list of JSON x 15 rules",
        "list.json",
        PODS,
    ),
];

impl Objects {
    pub fn new() -> Objects {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("environments")).unwrap();
        fs::copy(root().join("aksgate.yaml"), path("aksgate.yaml")).unwrap();
        let environment = "scope: managementGroups/bench\ngates: {}\n";
        fs::write(path("environments/bench.yaml"), environment).unwrap();
        for (_, name, count) in &CHECKED[..3] {
            write_yaml(&path(name), *count);
        }
        let items: Vec<String> = (0..PODS).map(|number| pod(number).to_string()).collect();
        let list = format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{}\n]}}\n",
            items.join(",\n")
        );
        fs::write(path("list.json"), list).unwrap();
        Objects { folder }
    }

    /// Checks some of them; all have to be read, and every tenth breaks a rule.
    pub fn check(&self, paths: &str, count: usize) -> Ended {
        let mut command = Command::new(program());
        let report = self.folder.path().join("out.json");
        command
            .args(["check", "bench", paths, "--quiet", "--templates"])
            .arg(root().join("tests/data/bench"))
            .arg("--report")
            .arg(format!("json={}", report.display()))
            .current_dir(self.folder.path());
        let (ended, _) = measured(&mut command, &[if count > 1 { 2 } else { 0 }]);
        let out: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        let objects = out.pointer("/counts/objects").and_then(serde_json::Value::as_u64);
        assert_eq!(objects, u64::try_from(count).ok(), "{paths}");
        ended
    }
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
