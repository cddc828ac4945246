//! What an API server adds to an object before admission looks at it.

use serde_json::{Map, Value, json};

use super::super::json::{items, object, set, text};

/// Where the credentials of a Pod's service account are mounted.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The volume that holds them.
const TOKEN_VOLUME: &str = "kube-api-access";
/// Kinds that have no namespace, of those that gates look at.
const CLUSTER_WIDE: [&str; 9] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
];

/// Fills in what the API server fills in: the namespace, and what the specification of a Pod leaves open.
pub fn fill(subject: &mut Value) {
    if !CLUSTER_WIDE.contains(&text(subject, "/kind")) && text(subject, "/metadata/namespace").is_empty() {
        if let Some(fields) = subject.as_object_mut() {
            fields.entry("metadata").or_insert_with(|| json!({}));
        }
        set(subject, "/metadata", "namespace", json!("default"));
    }
    let at = match text(subject, "/kind") {
        "Pod" => "/spec",
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            "/spec/template/spec"
        }
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => return,
    };
    let is_pod = text(subject, "/kind") == "Pod";
    if let Some(Value::Object(spec)) = subject.pointer_mut(at) {
        fill_spec(spec);
        if is_pod {
            mount_token(spec);
        }
    }
}

fn fill_spec(spec: &mut Map<String, Value>) {
    let on_host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let Some(Value::Array(containers)) = spec.get_mut(list) else {
            continue;
        };
        for container in containers {
            let image = text(container, "/image").to_owned();
            let name = image.rsplit('/').next().unwrap_or_default();
            let moves = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
            if text(container, "/imagePullPolicy").is_empty() {
                set(
                    container,
                    "",
                    "imagePullPolicy",
                    json!(if moves { "Always" } else { "IfNotPresent" }),
                );
            }
            request_limits(container);
            if let Some(Value::Array(ports)) = container.get_mut("ports").filter(|_| on_host) {
                for port in ports {
                    if let (Some(number), None) = (port.get("containerPort").cloned(), port.get("hostPort")) {
                        set(port, "", "hostPort", number);
                    }
                }
            }
        }
    }
}

/// What has a limit and no request requests its limit.
fn request_limits(container: &mut Value) {
    let Some(limits) = object(container, "/resources/limits").cloned() else {
        return;
    };
    if object(container, "/resources/requests").is_none() {
        set(container, "/resources", "requests", json!({}));
    }
    for (what, limit) in limits {
        if container.pointer(&format!("/resources/requests/{what}")).is_none() {
            set(container, "/resources/requests", &what, limit);
        }
    }
}

/// A Pod gets the credentials of its service account, unless it says that it wants none.
fn mount_token(spec: &mut Map<String, Value>) {
    spec.entry("serviceAccountName").or_insert_with(|| json!("default"));
    if spec.get("automountServiceAccountToken") == Some(&Value::Bool(false)) {
        return;
    }
    let mut mounted = false;
    for list in ["containers", "initContainers"] {
        let Some(Value::Array(containers)) = spec.get_mut(list) else {
            continue;
        };
        for container in containers {
            if items(container, "/volumeMounts")
                .iter()
                .any(|mount| text(mount, "/mountPath") == TOKEN)
            {
                continue;
            }
            let Some(fields) = container.as_object_mut() else {
                continue;
            };
            let mounts = fields.entry("volumeMounts").or_insert_with(|| json!([]));
            if let Value::Array(mounts) = mounts {
                mounts.push(json!({"name": TOKEN_VOLUME, "mountPath": TOKEN, "readOnly": true}));
                mounted = true;
            }
        }
    }
    if let Value::Array(volumes) = spec.entry("volumes").or_insert_with(|| json!([]))
        && mounted
    {
        volumes.push(
            json!({"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_gets_what_it_leaves_open() {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {"hostNetwork": true, "containers": [
                {"name": "a", "image": "x:5000/y", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}},
                {"name": "b", "image": "x:1", "imagePullPolicy": "Never"},
            ]},
        });
        fill(&mut pod);
        let containers = &pod["spec"]["containers"];
        assert_eq!(pod["metadata"]["namespace"], "default");
        assert_eq!(
            (&containers[0]["imagePullPolicy"], &containers[1]["imagePullPolicy"]),
            (&json!("Always"), &json!("Never"))
        );
        assert_eq!(containers[0]["ports"][0]["hostPort"], 80);
        assert_eq!(containers[0]["resources"]["requests"], json!({"cpu": "1"}));
        assert_eq!(containers[1]["volumeMounts"][0]["mountPath"], TOKEN);
        assert_eq!(pod["spec"]["volumes"].as_array().unwrap().len(), 1);
        let once = pod.clone();
        fill(&mut pod);
        assert_eq!(pod, once, "twice is once");
    }

    #[test]
    fn a_workload_gets_no_token_and_a_cluster_role_no_namespace() {
        let mut deployment =
            json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"image": "x:1"}]}}}});
        fill(&mut deployment);
        let spec = &deployment["spec"]["template"]["spec"];
        assert_eq!(
            (spec["containers"][0]["imagePullPolicy"].as_str(), spec.get("volumes")),
            (Some("IfNotPresent"), None)
        );
        let mut role = json!({"kind": "ClusterRole", "metadata": {"name": "r"}});
        fill(&mut role);
        assert_eq!(role["metadata"], json!({"name": "r"}));
        let mut silent =
            json!({"kind": "Pod", "spec": {"automountServiceAccountToken": false, "containers": [{"image": "x:1"}]}});
        fill(&mut silent);
        assert!(silent["spec"]["containers"][0].get("volumeMounts").is_none());
    }
}
