//! What an API server adds to Pods and to the templates of Pods.

use super::{Filling, Place, ServerDefault, entries, is_absent, mapping_in};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Where a container finds the token of its account.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How the volume with the token is called; the API server writes five letters of chance instead of these.
const TOKEN_VOLUME: &str = "kube-api-access-xxxxx";

impl Filling<'_> {
    /// Fills in a Pod or a template of one: what has a `spec` of containers.
    pub(super) fn pod(&mut self, pod: &mut Value, place: Place) {
        let is_mirror = pod
            .pointer("/metadata/annotations")
            .is_some_and(|annotations| annotations.get("kubernetes.io/config.mirror").is_some());
        let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
            return;
        };
        self.fields(spec, place);
        for list in ["initContainers", "containers"] {
            for container in entries(spec, list) {
                self.container(container);
            }
        }
        if place == Place::Pod {
            self.host_ports(spec);
            self.requests(spec);
        }
        self.account(spec, place, is_mirror);
        if place == Place::Pod {
            if !is_mirror {
                self.token(spec);
            }
            self.tolerations(spec);
        }
    }

    fn fields(&mut self, spec: &mut Map<String, Value>, place: Place) {
        let fields = [
            ("restartPolicy", json!("Always")),
            ("dnsPolicy", json!("ClusterFirst")),
            ("schedulerName", json!("default-scheduler")),
            ("terminationGracePeriodSeconds", json!(30)),
            ("securityContext", json!({})),
        ];
        for (name, value) in fields {
            self.put(ServerDefault::PodFields, spec, name, || value);
        }
        if place == Place::Pod {
            self.put(ServerDefault::PodFields, spec, "enableServiceLinks", || true.into());
        }
    }

    fn container(&mut self, container: &mut Map<String, Value>) {
        self.put(ServerDefault::PodFields, container, "resources", || json!({}));
        for port in entries(container, "ports") {
            self.put(ServerDefault::PortProtocol, port, "protocol", || "TCP".into());
        }
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        let policy = pull_policy(image);
        self.put(ServerDefault::ImagePullPolicy, container, "imagePullPolicy", || {
            policy.into()
        });
    }

    fn host_ports(&mut self, spec: &mut Map<String, Value>) {
        if spec.get("hostNetwork") != Some(&Value::Bool(true)) || !self.defaults.has(ServerDefault::HostPort) {
            return;
        }
        for list in ["initContainers", "containers"] {
            for container in entries(spec, list) {
                for port in entries(container, "ports") {
                    let none = is_absent(port.get("hostPort")) || port.get("hostPort") == Some(&json!(0));
                    if let Some(number) = port.get("containerPort").filter(|_| none).cloned() {
                        port.insert("hostPort".to_owned(), number);
                        self.acted.insert(ServerDefault::HostPort);
                    }
                }
            }
        }
    }

    fn requests(&mut self, spec: &mut Map<String, Value>) {
        for list in ["initContainers", "containers"] {
            for container in entries(spec, list) {
                let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else {
                    continue;
                };
                let limits = resources.get("limits").and_then(Value::as_object).cloned();
                let wanted = self.defaults.has(ServerDefault::Requests);
                let Some(limits) = limits.filter(|limits| wanted && !limits.is_empty()) else {
                    continue;
                };
                let Some(requests) = mapping_in(resources, "requests") else {
                    continue;
                };
                for (name, limit) in limits {
                    self.put(ServerDefault::Requests, requests, &name, || limit);
                }
            }
        }
    }

    /// The account has two names, of which the older is kept alike; only a Pod gets one that nobody named.
    fn account(&mut self, spec: &mut Map<String, Value>, place: Place, is_mirror: bool) {
        let named = ["serviceAccountName", "serviceAccount"]
            .iter()
            .find_map(|name| spec.get(*name).filter(|value| !is_absent(Some(value))).cloned());
        let made = (place == Place::Pod && !is_mirror).then(|| Value::from("default"));
        if let Some(account) = named.or(made) {
            for name in ["serviceAccountName", "serviceAccount"] {
                self.put(ServerDefault::ServiceAccount, spec, name, || account.clone());
            }
        }
    }

    fn token(&mut self, spec: &mut Map<String, Value>) {
        let off = spec.get("automountServiceAccountToken") == Some(&Value::Bool(false));
        if off || !self.defaults.has(ServerDefault::TokenVolume) {
            return;
        }
        let names = entries(spec, "volumes").filter_map(|volume| volume.get("name")?.as_str().map(str::to_owned));
        let there = names.into_iter().find(|name| name.starts_with("kube-api-access-"));
        let name = there.clone().unwrap_or_else(|| TOKEN_VOLUME.to_owned());
        let mut mounted = false;
        for list in ["initContainers", "containers"] {
            for container in entries(spec, list) {
                let is_there = |mount: &Map<String, Value>| mount.get("mountPath") == Some(&json!(TOKEN_PATH));
                if entries(container, "volumeMounts").any(|mount| is_there(mount)) {
                    continue;
                }
                let mount = json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH});
                mounted |= append(container, "volumeMounts", mount);
            }
        }
        if mounted {
            self.acted.insert(ServerDefault::TokenVolume);
        }
        if mounted && there.is_none() {
            let volume = json!({"name": name, "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]}},
            ]}});
            append(spec, "volumes", volume);
        }
    }

    fn tolerations(&mut self, spec: &mut Map<String, Value>) {
        if !self.defaults.has(ServerDefault::Tolerations) {
            return;
        }
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerates = |toleration: &Map<String, Value>| {
                let is = |name: &str, wanted: &str| {
                    is_absent(toleration.get(name)) || toleration.get(name).is_some_and(|value| *value == wanted)
                };
                is("key", key) && is("effect", "NoExecute")
            };
            if entries(spec, "tolerations").any(|toleration| tolerates(toleration)) {
                continue;
            }
            let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            if append(spec, "tolerations", toleration) {
                self.acted.insert(ServerDefault::Tolerations);
            }
        }
    }
}

/// Appends to a list, made if there is none; returns whether that could be done.
fn append(map: &mut Map<String, Value>, name: &str, value: Value) -> bool {
    let list = map.entry(name.to_owned()).or_insert(Value::Null);
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    match list.as_array_mut() {
        Some(list) => {
            list.push(value);
            true
        }
        None => false,
    }
}

/// An image reference, as container tools read it: domain, path, tag, digest.
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
    let domain = format!(r"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let part = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    let algorithm = "[A-Za-z][A-Za-z0-9]*";
    let digest = format!("{algorithm}(?:[-_+.]{algorithm})*:[0-9a-fA-F]{{32,}}");
    Regex::new(&format!(
        r"^(?:{domain}/)?{part}(?:/{part})*(?::(?<tag>[0-9A-Za-z_][0-9A-Za-z_.-]{{0,127}}))?(?<digest>@{digest})?$"
    ))
    .ok()
});

/// Returns when an image is pulled if nobody says: what has neither tag nor digest has the tag `latest`. What cannot be read has no tag
/// either, but is not pulled always.
fn pull_policy(image: &str) -> &'static str {
    let read = REFERENCE.as_ref().and_then(|reference| reference.captures(image));
    let always = read.is_some_and(|parts| match parts.name("tag") {
        Some(tag) => tag.as_str() == "latest",
        None => parts.name("digest").is_none(),
    });
    if always { "Always" } else { "IfNotPresent" }
}
