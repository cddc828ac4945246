//! The Kubernetes objects that run in a sandbox cluster: a few dozen, most of them sound, some that a gate would refuse.
//!
//! They follow from the seed and the cluster's id, so a fleet costs no room in the state.

use serde_json::{Value, json};

use super::random::Random;

/// Teams, each with its namespace.
const TEAMS: [&str; 5] = ["shop", "payments", "search", "batch", "monitoring"];
/// Workloads of a team.
const WORKLOADS: [&str; 4] = ["api", "worker", "web", "cache"];

/// What is wrong with a workload.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    Privileged,
    HostPath,
    LatestTag,
    HostNetwork,
}

/// Returns the objects of one cluster, the same for the same seed and id; ids match without case.
#[must_use]
pub fn objects(seed: u64, cluster_id: &str) -> Vec<Value> {
    let mut random = Random::named(seed, &format!("kubernetes {}", cluster_id.to_ascii_lowercase()));
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
        "cloud-node-manager",
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
            let tag = if flaw == Flaw::LatestTag {
                "latest".to_owned()
            } else {
                format!("1.{}.0", random.below(9))
            };
            let spec = pod_spec(&format!("contoso.azurecr.io/{team}/{workload}:{tag}"), flaw);
            let name = format!("{team}-{workload}");
            objects.push(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": name, "namespace": team, "labels": {"app": name}},
                "spec": {
                    "replicas": 1, "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
                },
            }));
            objects.push(pod(team, &format!("{name}-{:08x}", random.number() >> 32), &spec));
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

fn pod(namespace: &str, name: &str, spec: &Value) -> Value {
    let app = name.rsplit_once('-').map_or(name, |(app, _)| app);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
        "spec": spec,
    })
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
        super::json::set(&mut container, "", "securityContext", json!({"privileged": true}));
    }
    let mut spec = json!({});
    match flaw {
        Flaw::HostPath => {
            super::json::set(
                &mut container,
                "",
                "volumeMounts",
                json!([{"name": "host", "mountPath": "/host"}]),
            );
            super::json::set(
                &mut spec,
                "",
                "volumes",
                json!([{"name": "host", "hostPath": {"path": "/var/log"}}]),
            );
        }
        Flaw::HostNetwork => super::json::set(&mut spec, "", "hostNetwork", json!(true)),
        _ => {}
    }
    super::json::set(&mut spec, "", "containers", json!([container]));
    spec
}

fn service(team: &str, public: bool) -> Value {
    let mut metadata = json!({"name": format!("{team}-web"), "namespace": team});
    if !public {
        super::json::set(
            &mut metadata,
            "",
            "annotations",
            json!({"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}),
        );
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
