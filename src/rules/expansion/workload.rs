//! The Pod that a workload of Kubernetes makes, as its controller will send it.

use super::super::review::{Operation, Review};
use super::{name_it, text};
use serde_json::{Value, json};

/// A Pod that will be made of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The Pod.
    pub object: Value,
    /// Where its template stands in the workload.
    pub template_path: &'static [&'static str],
    /// Who will send it.
    controller: &'static str,
}

impl Derived {
    /// Returns what a rule will be shown: the controller creates the Pod, whoever sent the workload.
    pub fn review(&self) -> Review {
        let user = json!({
            "username": format!("system:serviceaccount:kube-system:{}", self.controller),
            "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
        });
        Review::new(Some(&self.object), None, Operation::Create, Some(&user))
    }
}

/// A kind whose controller makes Pods.
struct Workload {
    group: &'static str,
    kind: &'static str,
    template_path: &'static [&'static str],
    /// What owns the Pod; for some it is an object between the two, with the end of its name.
    owner: (&'static str, &'static str, &'static str),
    controller: &'static str,
}

const TEMPLATE: &[&str] = &["spec", "template"];

#[rustfmt::skip]
const WORKLOADS: [Workload; 7] = [
    Workload { group: "apps", kind: "Deployment", template_path: TEMPLATE, owner: ("apps/v1", "ReplicaSet", ""), controller: "replicaset-controller" },
    Workload { group: "apps", kind: "ReplicaSet", template_path: TEMPLATE, owner: ("apps/v1", "ReplicaSet", ""), controller: "replicaset-controller" },
    Workload { group: "apps", kind: "StatefulSet", template_path: TEMPLATE, owner: ("apps/v1", "StatefulSet", ""), controller: "statefulset-controller" },
    Workload { group: "apps", kind: "DaemonSet", template_path: TEMPLATE, owner: ("apps/v1", "DaemonSet", ""), controller: "daemon-set-controller" },
    Workload { group: "batch", kind: "Job", template_path: TEMPLATE, owner: ("batch/v1", "Job", ""), controller: "job-controller" },
    Workload { group: "batch", kind: "CronJob", template_path: &["spec", "jobTemplate", "spec", "template"], owner: ("batch/v1", "Job", "-job"), controller: "job-controller" },
    Workload { group: "", kind: "ReplicationController", template_path: TEMPLATE, owner: ("v1", "ReplicationController", ""), controller: "replication-controller" },
];

/// Returns the Pod that a workload makes; none for what makes no Pods, or has no template.
///
/// Labels and annotations are those of the template, the namespace that of the workload, the name `<owner>-pod`. What only the
/// controller knows (hashes in labels and names, the index of a StatefulSet's Pod, the node of a DaemonSet's) is not there.
pub fn pods_of(object: &Value) -> Option<Derived> {
    let group = text(object, "/apiVersion")
        .split_once('/')
        .map_or("", |(group, _)| group);
    let kind = text(object, "/kind");
    let workload = WORKLOADS
        .iter()
        .find(|workload| workload.kind == kind && workload.group == group)?;
    let mut template = object;
    for step in workload.template_path {
        template = template.get(step)?;
    }
    let mut pod = template.as_object()?.clone();
    let name = match text(object, "/metadata/name") {
        "" => text(object, "/metadata/generateName").trim_end_matches('-'),
        name => name,
    };
    let (owner_version, owner_kind, end) = workload.owner;
    let owner_name = format!("{name}{end}");
    pod.insert("apiVersion".to_owned(), "v1".into());
    pod.insert("kind".to_owned(), "Pod".into());
    name_it(
        &mut pod,
        &format!("{owner_name}-pod"),
        text(object, "/metadata/namespace"),
    );
    let owner = json!([{
        "apiVersion": owner_version, "kind": owner_kind, "name": owner_name, "uid": "",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("ownerReferences".to_owned(), owner);
    }
    Some(Derived {
        object: Value::Object(pod),
        template_path: workload.template_path,
        controller: workload.controller,
    })
}
