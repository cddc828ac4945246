//! The Kubernetes objects that run in a sandbox cluster: a few dozen, most of them sound, some that a gate would refuse.
//!
//! They follow from the seed and the cluster's id, so a fleet costs no room in the state. Several clusters of a large fleet run the same.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::json::{items, set, text};
use super::random::{Random, hash};

/// How many sets of objects there are.
const SETS: u64 = 32;

/// Teams, each with its namespace.
const TEAMS: [&str; 5] = ["shop", "payments", "search", "batch", "monitoring"];
/// Workloads of a team.
const WORKLOADS: [&str; 4] = ["api", "worker", "web", "cache"];
/// What names that are drawn are made of.
const LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";
/// How long the hash of a ReplicaSet is in its name, and what a Pod's name has behind it.
const HASH: usize = 9;
const SUFFIX: usize = 5;

/// The annotation that keeps a load balancer internal.
const INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";

/// What is wrong with a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// Nothing.
    None,
    /// Its container runs privileged.
    Privileged,
    /// It reads the logs of its node.
    HostPath,
    /// Its image has the tag `latest`.
    LatestTag,
    /// It uses the network of its node.
    HostNetwork,
}

impl Flaw {
    /// All of them, with their names on the command line.
    pub const ALL: [(&'static str, Self); 5] = [
        ("none", Self::None),
        ("privileged", Self::Privileged),
        ("host-path", Self::HostPath),
        ("latest-tag", Self::LatestTag),
        ("host-network", Self::HostNetwork),
    ];
}

/// Returns which set of objects a cluster runs; ids match without case.
#[must_use]
pub fn set_of(cluster_id: &str) -> u64 {
    hash(&cluster_id.to_ascii_lowercase()) % SETS
}

/// Returns the objects of one cluster, the same for the same seed and id; ids match without case.
#[must_use]
pub fn objects(seed: u64, cluster_id: &str) -> Vec<Value> {
    let mut random = Random::named(seed, &format!("kubernetes {}", set_of(cluster_id)));
    let mut objects = Vec::new();
    for namespace in ["kube-system", "gatekeeper-system", "default"].iter().chain(&TEAMS) {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}},
        }));
    }
    // A system pod that needs what no workload may have: the gates exclude its namespace.
    objects.push(pod(
        "kube-system",
        "cloud-node-manager-x7k2p",
        ("DaemonSet", "cloud-node-manager"),
        &pod_spec(
            "mcr.microsoft.com/oss/kubernetes/azure-cloud-node-manager:v1.33.2",
            Flaw::HostNetwork,
        ),
    ));
    for team in TEAMS {
        for workload in WORKLOADS {
            let flaw = match random.below(12) {
                0 => Flaw::Privileged,
                1 => Flaw::HostPath,
                2 => Flaw::LatestTag,
                3 => Flaw::HostNetwork,
                _ => Flaw::None,
            };
            let tag = format!("1.{}.0", random.below(9));
            objects.extend(self::workload(
                team,
                &format!("{team}-{workload}"),
                flaw,
                &tag,
                random.number(),
            ));
        }
        let public = random.below(6) == 0;
        objects.push(service(team, public));
    }
    let tls = if random.below(2) == 0 {
        json!([{"hosts": ["shop.contoso.com"], "secretName": "shop-tls"}])
    } else {
        json!([])
    };
    objects.push(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {"tls": tls, "rules": [{"host": "shop.contoso.com", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "shop-web", "port": {"number": 80}}}},
        ]}}]},
    }));
    objects
}

/// Returns a Deployment and the Pod that it has.
#[must_use]
pub fn workload(namespace: &str, name: &str, flaw: Flaw, tag: &str, number: u64) -> [Value; 2] {
    let tag = if flaw == Flaw::LatestTag { "latest" } else { tag };
    let image = name.strip_prefix(&format!("{namespace}-")).unwrap_or(name);
    let spec = pod_spec(&format!("contoso.azurecr.io/{namespace}/{image}:{tag}"), flaw);
    let drawn = drawn(number);
    let (hash, suffix) = drawn.split_at(HASH);
    let set = format!("{name}-{hash}");
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    });
    let mut pod = pod(namespace, &format!("{set}-{suffix}"), ("ReplicaSet", &set), &spec);
    set_label(&mut pod, name);
    [deployment, pod]
}

/// What Kubernetes makes of a number where it draws names: no vowels, so that no words come out, and nothing that looks like another sign.
fn drawn(number: u64) -> String {
    let (mut rest, count) = (number, LETTERS.len() as u64);
    let mut name = String::new();
    for _ in 0..HASH + SUFFIX {
        name.extend(LETTERS.chars().nth(usize::try_from(rest % count).unwrap_or_default()));
        rest /= count;
    }
    name
}

fn set_label(pod: &mut Value, app: &str) {
    set(pod, "/metadata", "labels", json!({"app": app}));
}

fn pod(namespace: &str, name: &str, owner: (&str, &str), spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace, "labels": {"app": owner.1},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "controller": true}],
        },
        "spec": spec,
    })
}

/// Returns the Pod that a workload makes, as its controller asks for it; none for what makes no Pods.
#[must_use]
pub fn pod_of(workload: &Value) -> Option<Value> {
    let group = text(workload, "/apiVersion")
        .split_once('/')
        .map_or("", |(group, _)| group);
    let template = match (group, text(workload, "/kind")) {
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job")
        | ("", "ReplicationController") => workload.pointer("/spec/template"),
        ("batch", "CronJob") => workload.pointer("/spec/jobTemplate/spec/template"),
        _ => None,
    }?;
    let mut pod = template.clone();
    let fields = pod.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), json!("v1"));
    fields.insert("kind".to_owned(), json!("Pod"));
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    set(
        metadata,
        "",
        "name",
        json!(format!("{}-pod", text(workload, "/metadata/name"))),
    );
    if let Some(namespace) = workload.pointer("/metadata/namespace") {
        set(metadata, "", "namespace", namespace.clone());
    }
    let owner = json!({
        "apiVersion": text(workload, "/apiVersion"), "kind": text(workload, "/kind"), "name": text(workload, "/metadata/name"),
    });
    set(metadata, "", "ownerReferences", json!([owner]));
    Some(pod)
}

/// Makes an object sound that this module made, whatever was wrong with it.
pub fn make_sound(object: &mut Value) {
    let image = |spec: &Value| {
        let image = items(spec, "/containers")
            .first()
            .map(|container| text(container, "/image").to_owned());
        let image = image.unwrap_or_default();
        image
            .strip_suffix(":latest")
            .map_or(image.clone(), |name| format!("{name}:1.0.0"))
    };
    match text(object, "/kind") {
        "Deployment" => {
            let image = image(object.pointer("/spec/template/spec").unwrap_or(&Value::Null));
            set(object, "/spec/template", "spec", pod_spec(&image, Flaw::None));
        }
        "Pod" => {
            let image = image(object.get("spec").unwrap_or(&Value::Null));
            set(object, "", "spec", pod_spec(&image, Flaw::None));
        }
        "Service" => set(object, "/metadata", "annotations", json!({INTERNAL: "true"})),
        "Ingress" => set(
            object,
            "/spec",
            "tls",
            json!([{"hosts": ["shop.contoso.com"], "secretName": "shop-tls"}]),
        ),
        _ => {}
    }
}

fn pod_spec(image: &str, flaw: Flaw) -> Value {
    let mut container = json!({
        "name": "main", "image": image,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false, "runAsNonRoot": true, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    if flaw == Flaw::Privileged {
        set(&mut container, "", "securityContext", json!({"privileged": true}));
    }
    let mut spec = json!({});
    match flaw {
        Flaw::HostPath => {
            set(
                &mut container,
                "",
                "volumeMounts",
                json!([{"name": "host", "mountPath": "/host"}]),
            );
            set(
                &mut spec,
                "",
                "volumes",
                json!([{"name": "host", "hostPath": {"path": "/var/log"}}]),
            );
        }
        Flaw::HostNetwork => set(&mut spec, "", "hostNetwork", json!(true)),
        _ => {}
    }
    set(&mut spec, "", "containers", json!([container]));
    spec
}

fn service(team: &str, public: bool) -> Value {
    let mut metadata = json!({"name": format!("{team}-web"), "namespace": team});
    if !public {
        set(&mut metadata, "", "annotations", json!({INTERNAL: "true"}));
    }
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"type": "LoadBalancer", "selector": {"app": format!("{team}-web")}, "ports": [{"port": 80, "targetPort": 8080}]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::seed::{SeedOptions, seed};

    #[test]
    fn each_cluster_has_dozens_of_objects_and_the_estate_has_every_flaw() {
        let state = seed(&SeedOptions::default());
        let mut all = String::new();
        for (id, _) in state.of_type("microsoft.containerservice/managedclusters") {
            let objects = objects(state.seed, id);
            assert!((36..100).contains(&objects.len()), "{}", objects.len());
            assert_eq!(objects, super::objects(state.seed, &id.to_ascii_uppercase()));
            for object in objects {
                all.push_str(&object.to_string());
            }
        }
        for flaw in ["\"privileged\":true", "hostPath", ":latest", "\"hostNetwork\":true"] {
            assert!(all.contains(flaw), "{flaw}");
        }
        assert!(
            all.matches("azure-load-balancer-internal").count() < 7 * TEAMS.len(),
            "one load balancer is public"
        );
    }
}
