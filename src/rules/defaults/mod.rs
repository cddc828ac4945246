//! What an API server adds to an object before Gatekeeper sees it: a named list, each of which can be switched off.
//!
//! Owns which fields are filled, and where: defaults of the API (`k8s.io/api`, `pkg/apis/*/v1/defaults.go`) hold inside of pod templates as
//! they hold in Pods; what admission of the API server adds (`ServiceAccount`, `DefaultTolerationSeconds`) comes to Pods only. Must not know rules.

mod pod;
mod service;

use super::kinds::{Kind, Scope};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Something that an API server adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerDefault {
    /// The namespace of a namespaced object that names none.
    Namespace,
    /// The label of a Namespace with its own name.
    NamespaceLabel,
    /// When an image is pulled.
    ImagePullPolicy,
    /// What a Pod and its containers have though nobody wrote it.
    PodFields,
    /// The protocol of a port.
    PortProtocol,
    /// The ports of the node that a Pod in the node's network takes.
    HostPort,
    /// What a container asks for, from what it may have.
    Requests,
    /// The account that a Pod runs as.
    ServiceAccount,
    /// The token of that account, mounted into each container.
    TokenVolume,
    /// How long a Pod stays on a node that is lost.
    Tolerations,
    /// What a Service has though nobody wrote it.
    ServiceFields,
    /// How many Pods a workload has.
    Replicas,
}

impl ServerDefault {
    /// All of them.
    pub const ALL: [ServerDefault; 12] = [
        ServerDefault::Namespace,
        ServerDefault::NamespaceLabel,
        ServerDefault::ImagePullPolicy,
        ServerDefault::PodFields,
        ServerDefault::PortProtocol,
        ServerDefault::HostPort,
        ServerDefault::Requests,
        ServerDefault::ServiceAccount,
        ServerDefault::TokenVolume,
        ServerDefault::Tolerations,
        ServerDefault::ServiceFields,
        ServerDefault::Replicas,
    ];

    /// Returns its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            ServerDefault::Namespace => "namespace",
            ServerDefault::NamespaceLabel => "namespace-label",
            ServerDefault::ImagePullPolicy => "image-pull-policy",
            ServerDefault::PodFields => "pod-fields",
            ServerDefault::PortProtocol => "port-protocol",
            ServerDefault::HostPort => "host-port",
            ServerDefault::Requests => "requests",
            ServerDefault::ServiceAccount => "service-account",
            ServerDefault::TokenVolume => "token-volume",
            ServerDefault::Tolerations => "tolerations",
            ServerDefault::ServiceFields => "service-fields",
            ServerDefault::Replicas => "replicas",
        }
    }

    /// Returns the one of a name.
    pub fn from_name(name: &str) -> Option<ServerDefault> {
        ServerDefault::ALL.into_iter().find(|default| default.name() == name)
    }

    /// Says what is added, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            ServerDefault::Namespace => "an object without a namespace is in the one that it is applied to",
            ServerDefault::NamespaceLabel => "a Namespace has the label `kubernetes.io/metadata.name`",
            ServerDefault::ImagePullPolicy => {
                "`imagePullPolicy` is `Always` for `:latest` and for images without tag and digest, else `IfNotPresent`"
            }
            ServerDefault::PodFields => {
                "Pods have `restartPolicy`, `dnsPolicy`, `schedulerName`, `terminationGracePeriodSeconds`, `securityContext`, `enableServiceLinks`, containers have `resources`"
            }
            ServerDefault::PortProtocol => "the `protocol` of a port is `TCP`",
            ServerDefault::HostPort => "under `hostNetwork` the `hostPort` of a Pod's port is its `containerPort`",
            ServerDefault::Requests => "what a Pod's container has as limit and not as request, it requests",
            ServerDefault::ServiceAccount => "a Pod runs as the service account `default`",
            ServerDefault::TokenVolume => {
                "a Pod's containers mount the token of its service account, unless it is switched off"
            }
            ServerDefault::Tolerations => "a Pod tolerates a node that is lost for 300 seconds",
            ServerDefault::ServiceFields => {
                "Services have `type`, `sessionAffinity`, `targetPort`, the traffic policies and, for load balancers, `allocateLoadBalancerNodePorts`"
            }
            ServerDefault::Replicas => "a workload has one replica, an autoscaler at least one",
        }
    }
}

/// Which of the defaults are filled in: all, unless they are switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    off: BTreeSet<ServerDefault>,
}

impl Defaults {
    /// Returns a list with none of them.
    pub fn none() -> Defaults {
        Defaults {
            off: ServerDefault::ALL.into_iter().collect(),
        }
    }

    /// Returns the list with one of them switched off.
    #[must_use]
    pub fn without(mut self, default: ServerDefault) -> Defaults {
        self.off.insert(default);
        self
    }

    /// Returns whether one is filled in.
    pub fn has(&self, default: ServerDefault) -> bool {
        !self.off.contains(&default)
    }
}

/// Where a Pod's fields stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a Pod.
    Pod,
    /// In the template of one.
    Template,
}

/// Fills in what an API server adds when an object is created, and returns which of the defaults did something.
///
/// `namespace` is where an object goes that names none; `default` if it is not given. What is already there stays as it is.
pub fn fill(object: &mut Value, defaults: &Defaults, namespace: Option<&str>) -> BTreeSet<ServerDefault> {
    let mut filling = Filling {
        defaults,
        acted: BTreeSet::new(),
    };
    let kind = Kind::of(object);
    let scope = kind.scope();
    let (group, name) = (kind.group().to_owned(), kind.name().to_owned());
    if scope == Scope::Namespaced
        && defaults.has(ServerDefault::Namespace)
        && let Some(metadata) = mapping(object, "metadata")
    {
        let namespace = namespace.unwrap_or("default");
        filling.put(ServerDefault::Namespace, metadata, "namespace", || namespace.into());
    }
    match (group.as_str(), name.as_str()) {
        ("", "Namespace") if defaults.has(ServerDefault::NamespaceLabel) => {
            let name = object
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .filter(|name| !name.is_empty())
                .map(str::to_owned);
            if let Some(name) = name
                && let Some(labels) = mapping(object, "metadata").and_then(|metadata| mapping_in(metadata, "labels"))
            {
                let label = "kubernetes.io/metadata.name";
                filling.put(ServerDefault::NamespaceLabel, labels, label, || name.into());
            }
        }
        ("", "Pod") => filling.pod(object, Place::Pod),
        ("", "Service") => filling.service(object),
        ("", "PodTemplate") => filling.template(object, &["template"]),
        ("", "ReplicationController") | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet") => {
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                filling.put(ServerDefault::Replicas, spec, "replicas", || 1.into());
            }
            filling.template(object, &["spec", "template"]);
        }
        ("apps", "DaemonSet") | ("batch", "Job") => filling.template(object, &["spec", "template"]),
        ("batch", "CronJob") => filling.template(object, &["spec", "jobTemplate", "spec", "template"]),
        ("autoscaling", "HorizontalPodAutoscaler") => {
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                filling.put(ServerDefault::Replicas, spec, "minReplicas", || 1.into());
            }
        }
        _ => {}
    }
    filling.acted
}

/// The work on one object.
struct Filling<'a> {
    defaults: &'a Defaults,
    acted: BTreeSet<ServerDefault>,
}

impl Filling<'_> {
    /// Puts a value where there is none.
    fn put(&mut self, default: ServerDefault, map: &mut Map<String, Value>, key: &str, value: impl FnOnce() -> Value) {
        if self.defaults.has(default) && is_absent(map.get(key)) {
            map.insert(key.to_owned(), value());
            self.acted.insert(default);
        }
    }

    fn template(&mut self, object: &mut Value, path: &[&str]) {
        let mut place = Some(object);
        for step in path {
            place = place.and_then(|place| place.get_mut(*step));
        }
        if let Some(template) = place {
            self.pod(template, Place::Template);
        }
    }
}

/// Whether a field is as good as not there: to Go an empty text and nothing are one.
fn is_absent(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || *value == "")
}

/// Returns the mapping of a name, made if there is none; none where something else stands.
fn mapping<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    mapping_in(value.as_object_mut()?, name)
}

fn mapping_in<'a>(map: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let value = map.entry(name.to_owned()).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// Returns the mappings in a list.
fn entries<'a>(map: &'a mut Map<String, Value>, name: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = map.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests;
