//! The kinds that Kubernetes itself has, as far as rules need to know them.

use serde_json::Value;

/// The groups of the API server's own kinds, and which of these kinds live in namespaces; the others do not.
#[rustfmt::skip]
const GROUPS: &[(&str, &[&str])] = &[
    ("", &[
        "Binding", "ConfigMap", "Endpoints", "Event", "LimitRange", "PersistentVolumeClaim", "Pod", "PodTemplate", "ReplicationController",
        "ResourceQuota", "Secret", "Service", "ServiceAccount",
    ]),
    ("admissionregistration.k8s.io", &[]),
    ("apiextensions.k8s.io", &[]),
    ("apiregistration.k8s.io", &[]),
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("authentication.k8s.io", &[]),
    ("authorization.k8s.io", &["LocalSubjectAccessReview"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("batch", &["CronJob", "Job"]),
    ("certificates.k8s.io", &[]),
    ("coordination.k8s.io", &["Lease", "LeaseCandidate"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("events.k8s.io", &["Event"]),
    ("extensions", &["DaemonSet", "Deployment", "Ingress", "NetworkPolicy", "ReplicaSet"]),
    ("flowcontrol.apiserver.k8s.io", &[]),
    ("networking.k8s.io", &["Ingress", "NetworkPolicy"]),
    ("node.k8s.io", &[]),
    ("policy", &["Eviction", "PodDisruptionBudget"]),
    ("rbac.authorization.k8s.io", &["Role", "RoleBinding"]),
    ("resource.k8s.io", &["ResourceClaim", "ResourceClaimTemplate"]),
    ("scheduling.k8s.io", &["Workload"]),
    ("storage.k8s.io", &["CSIStorageCapacity"]),
];

/// Where the objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// In namespaces.
    Namespaced,
    /// In the cluster.
    Cluster,
    /// It is a kind that somebody brought, and only a cluster that has it could say.
    Unknown,
}

/// Group and kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind<'a> {
    group: &'a str,
    name: &'a str,
}

impl<'a> Kind<'a> {
    /// Returns the kind that an object says it has.
    pub(super) fn of(object: &'a Value) -> Kind<'a> {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        Kind {
            group: text("apiVersion").split_once('/').map_or("", |(group, _)| group),
            name: text("kind"),
        }
    }

    pub(super) fn group(&self) -> &'a str {
        self.group
    }

    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Returns where its objects live.
    pub(super) fn scope(&self) -> Scope {
        match GROUPS.iter().find(|(group, _)| *group == self.group) {
            Some((_, kinds)) if kinds.contains(&self.name) => Scope::Namespaced,
            Some(_) => Scope::Cluster,
            None => Scope::Unknown,
        }
    }
}

/// Fields whose values are texts by names of anybody's choice, and that an API server keeps with an empty text.
const TEXTS: [&str; 6] = [
    "labels",
    "annotations",
    "matchLabels",
    "nodeSelector",
    "data",
    "stringData",
];

/// Takes fields without a value out of an object of the API server's own kinds, as it does itself when it reads one.
///
/// A kind that somebody brought keeps them: what they mean is for its schema to say. A label without a value is an empty text.
pub fn strip_nulls(object: &mut Value) {
    if Kind::of(object).scope() != Scope::Unknown {
        strip(object);
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            for (name, value) in map.iter_mut() {
                match value.as_object_mut().filter(|_| TEXTS.contains(&name.as_str())) {
                    Some(texts) => {
                        let nulls = texts.values_mut().filter(|value| value.is_null());
                        nulls.for_each(|value| *value = "".into());
                    }
                    None => strip(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_scope_of_a_kind_is_known_for_kubernetes_own() {
        let cases = [
            ("v1", "Pod", Scope::Namespaced),
            ("v1", "Namespace", Scope::Cluster),
            ("apps/v1", "Deployment", Scope::Namespaced),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", Scope::Cluster),
            ("rbac.authorization.k8s.io/v1", "Role", Scope::Namespaced),
            ("example.io/v1", "Pod", Scope::Unknown),
        ];
        for (api_version, kind, scope) in cases {
            let object = json!({"apiVersion": api_version, "kind": kind});
            assert_eq!(Kind::of(&object).scope(), scope, "{kind}");
        }
    }

    #[test]
    fn fields_without_a_value_are_not_there() {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": null}, "creationTimestamp": null},
            "spec": {"containers": [{"name": "c", "securityContext": null, "args": ["a", null]}], "nodeSelector": null},
        });
        strip_nulls(&mut pod);
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": ""}},
            "spec": {"containers": [{"name": "c", "args": ["a", null]}]},
        });
        assert_eq!(pod, expected);
        let mut other = json!({"apiVersion": "example.io/v1", "kind": "Thing", "spec": {"a": null}});
        strip_nulls(&mut other);
        assert_eq!(other["spec"], json!({"a": null}));
    }
}
