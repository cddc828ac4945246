//! How fast manifests are read, and how much memory that takes beyond the text itself.
//!
//! Without arguments: 10,000 Pods as `kubectl` prints them in JSON and in YAML, and as documents of one file. With arguments: those
//! files. The peak of memory is that of the process, so only the first measurement of a run is exact; each form runs in a process
//! of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "this reads the files and the clock that it measures with"
)]
#![expect(clippy::print_stdout, reason = "this prints what it measures")]

use aksgate::manifest;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::time::Instant;

/// How many Pods are made.
const PODS: usize = 10_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [] => {
            for form in ["json-list", "yaml-list", "yaml-documents"] {
                let this = std::env::current_exe().unwrap_or_default();
                let _ = std::process::Command::new(this).args(["--form", form]).status();
            }
        }
        [option, form] if option == "--form" => measure(form, &made(form)),
        files => {
            for file in files {
                match std::fs::read(file) {
                    Ok(content) => measure(file, &content),
                    Err(error) => println!("{file}: {error}"),
                }
            }
        }
    }
}

fn measure(name: &str, content: &[u8]) {
    let before = peak();
    let start = Instant::now();
    let (mut read, mut wrong) = (0_usize, 0_usize);
    manifest::each(name, content, &mut |found| {
        match found {
            Ok(_) => read += 1,
            Err(_) => wrong += 1,
        }
        ControlFlow::Continue(())
    });
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = content.len() as f64 / 1e6;
    let more = peak()
        .zip(before)
        .map_or(0.0, |(after, before)| (after - before) / 1024.0);
    println!(
        "{name}: {megabytes:.1} MB, {read} objects, {wrong} mistakes, {seconds:.2} s ({:.0} MB/s), {more:.1} MiB more at the peak",
        megabytes / seconds
    );
}

/// Returns the peak of this process's memory in KiB, where the system tells.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Returns the Pods in a form; made as text, piece by piece, so that making them takes no more memory than holding them.
fn made(form: &str) -> Vec<u8> {
    let mut out = String::with_capacity(PODS * 3_000);
    match form {
        "json-list" => out.push_str("{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n"),
        "yaml-list" => out.push_str("apiVersion: v1\nitems:\n"),
        _ => {}
    }
    for number in 0..PODS {
        let pod = pod(number);
        match form {
            "json-list" => {
                out.push_str(if number == 0 { "" } else { ",\n" });
                out.push_str(&format!("{pod:#}"));
            }
            "yaml-list" => yaml(&mut out, &pod, 0, "- "),
            _ => {
                out.push_str("---\n# Source: chart/templates/pod.yaml\n");
                yaml(&mut out, &pod, 0, "");
            }
        }
    }
    match form {
        "json-list" => out.push_str("\n    ],\n    \"kind\": \"List\"\n}\n"),
        "yaml-list" => out.push_str("kind: List\nmetadata:\n  resourceVersion: \"\"\n"),
        _ => {}
    }
    out.into_bytes()
}

/// Writes a mapping in YAML's block style; scalars as JSON has them.
fn yaml(out: &mut String, value: &Value, indentation: usize, mark: &str) {
    let mut mark = mark;
    let deeper = indentation + mark.len();
    for (key, value) in value.as_object().into_iter().flatten() {
        let column = if mark.is_empty() { deeper } else { indentation };
        out.push_str(&format!("{:column$}{mark}{key}:", ""));
        mark = "";
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                out.push('\n');
                yaml(out, value, deeper + 2, "");
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                out.push('\n');
                for item in items {
                    yaml(out, item, deeper, "- ");
                }
            }
            scalar => out.push_str(&format!(" {scalar}\n")),
        }
    }
}

fn pod(number: usize) -> Value {
    let container = |name: &str| {
        json!({
            "name": name,
            "image": format!("registry.example.com/team/{name}:1.{number}.0"),
            "args": ["--listen", ":8080", "--level", "info"],
            "env": [{"name": "NUMBER", "value": number.to_string()}, {"name": "MODE", "value": "production"}],
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}},
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
                "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets", "readOnly": true}],
        })
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("web-{number}"), "namespace": format!("team-{}", number % 50),
            "labels": {"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": format!("web-{number}")}},
        "spec": {
            "containers": [container("web"), container("sidecar")],
            "serviceAccountName": "web",
            "volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
        },
    })
}
