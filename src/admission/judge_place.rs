//! Where in an object the value is that a message means.
//!
//! A place is a statement, so it is made only where the message itself names what stands there: a container by its name, or a value
//! that stands in one place only.

use crate::manifest::Step;
use serde_json::Value;

/// The shortest text that is taken for a value that a message names: shorter ones stand in sentences by chance.
const SHORTEST: usize = 4;
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Returns the path of what a message about an object means; empty for the object as a whole.
///
/// `pod` is whether the object is a Pod.
pub(super) fn meant(object: &Value, pod: bool, message: &str) -> Vec<Step> {
    let container = if pod { container(object, message) } else { None };
    let start = match &container {
        Some(path) => path.clone(),
        None => vec![key("spec")],
    };
    let within = start.iter().try_fold(object, |value, step| down(value, step));
    let mut found = Vec::new();
    if let Some(value) = within {
        let mut path = start;
        values(value, message, &mut path, &mut found);
    }
    // Named twice, or two values named: it is not sure which is meant.
    match (found.len(), container) {
        (1, _) => found.pop().unwrap_or_default(),
        (_, Some(path)) => path,
        _ => Vec::new(),
    }
}

/// Returns the one container whose name stands in a message.
fn container(object: &Value, message: &str) -> Option<Vec<Step>> {
    let mut found = Vec::new();
    for list in CONTAINERS {
        let containers = object.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        for (at, container) in containers.into_iter().flatten().enumerate() {
            let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
            if !name.is_empty() && names(message, name) {
                found.push(vec![key("spec"), key(list), Step::Index(at)]);
            }
        }
    }
    match found.len() {
        1 => found.pop(),
        _ => None,
    }
}

/// Collects the paths of the texts that a message names; a container's name stands for the container.
fn values(value: &Value, message: &str, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_name = name == "name" && is_container(path);
                if !is_name {
                    path.push(key(name));
                    values(value, message, path, found);
                    path.pop();
                }
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                path.push(Step::Index(at));
                values(value, message, path, found);
                path.pop();
            }
        }
        Value::String(text) => {
            let telling = text.len() >= SHORTEST && text.chars().any(char::is_alphabetic);
            if telling && names(message, text) {
                found.push(path.clone());
            }
        }
        _ => {}
    }
}

fn is_container(path: &[Step]) -> bool {
    matches!(path, [_, Step::Key(list), Step::Index(_)] if CONTAINERS.contains(&list.as_str()))
}

/// Whether a text stands in a message as a whole: not as a part of a longer word, name or path.
fn names(message: &str, text: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '@');
    message.match_indices(text).any(|(at, _)| {
        let before = message.get(..at).unwrap_or_default();
        let after = message.get(at + text.len()..).unwrap_or_default();
        let mut next = after.chars();
        let goes_on = match next.next() {
            // A full stop or a colon ends a sentence, or goes on with a name.
            Some('.' | ':') => next.next().is_some_and(part),
            Some(c) => part(c),
            None => false,
        };
        let starts = before
            .chars()
            .next_back()
            .is_none_or(|c| !part(c) && c != '.' && c != ':');
        starts && !goes_on
    })
}

fn down<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(name) => value.get(name),
        Step::Index(at) => value.get(at),
    }
}

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

/// Returns a path as people write it: `spec.containers[0].image`.
pub(super) fn text(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Index(at) => out.push_str(&format!("[{at}]")),
            Step::Key(name) if name.is_empty() || name.contains(['.', '[', ']', '"']) => {
                out.push_str(&format!("[\"{name}\"]"));
            }
            Step::Key(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(object: &Value, message: &str, expected: &str) {
        let pod = object["kind"] == "Pod";
        assert_eq!(text(&meant(object, pod, message)), expected, "{message}");
    }

    #[test]
    fn a_place_is_only_where_a_message_names_what_stands_there() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "web"}, "spec": {
            "containers": [
                {"name": "app", "image": "docker.io/app:latest", "imagePullPolicy": "Always"},
                {"name": "app-2", "image": "docker.io/side:1.0", "imagePullPolicy": "Always"},
            ],
            "initContainers": [{"name": "wait", "image": "busybox"}],
            "volumes": [{"name": "node", "hostPath": {"path": "/var/log"}}],
        }});
        check(
            &pod,
            "container app runs docker.io/app:latest",
            "spec.containers[0].image",
        );
        check(&pod, "container <app-2> must not be privileged", "spec.containers[1]");
        check(&pod, "container `wait`: no limits.", "spec.initContainers[0]");
        check(
            &pod,
            "image docker.io/side:1.0 is not allowed",
            "spec.containers[1].image",
        );
        check(&pod, "containers app and app-2 are at fault", "");
        check(&pod, "Always is not allowed", "");
        check(&pod, "application is not allowed", "");
        check(&pod, "docker.io/side:1.0.1 is not allowed", "");
        check(
            &pod,
            "HostPath volume with path /var/log is not allowed",
            "spec.volumes[0].hostPath.path",
        );
        check(&pod, "the Pod web has to say runAsNonRoot", "");
        let service = json!({"kind": "Service", "spec": {"type": "NodePort", "ports": [{"port": 80, "name": "http"}]}});
        check(&service, "its type is NodePort", "spec.type");
        check(&service, "its type is NodePortal", "");
    }
}
