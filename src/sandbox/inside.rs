//! What was done inside of clusters: workloads added, mended and removed, and how the add-on was kept from working.
//!
//! Only the deeds are kept; what runs in a cluster at a time is the seeded objects with the deeds until then on top.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::governance::apiserver;
use super::json::text;
use super::kubernetes::{self, Flaw};
use super::random::hash;
use super::state::State;

/// Something that was done to the inside of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// When.
    pub at: i64,
    /// What.
    pub what: What,
}

/// What can be done to the inside of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A workload was deployed, in place of one of its name.
    Added {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong with it.
        flaw: Flaw,
        /// Whether it has no Pod, for admission refused that.
        stalled: bool,
    },
    /// What is wrong with a workload, or with all where there is no name, was mended.
    Fixed {
        /// Its namespace and name.
        workload: Option<(String, String)>,
    },
    /// A workload was removed.
    Removed {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The add-on stopped to report, or began again.
    Silent {
        /// Whether it is silent since.
        silent: bool,
    },
    /// Somebody else installed a constraint template of this kind, or took it away.
    Foreign {
        /// The kind of its constraints.
        template: String,
        /// Whether it is there since.
        there: bool,
    },
}

/// The Kubernetes objects of a cluster at a time, as its API server keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// Stands for all of them: equal clusters have the same.
    pub key: u64,
    /// The objects.
    pub items: Vec<Value>,
}

/// Returns what was done to a cluster until a time, that time included.
fn deeds<'a>(state: &'a State, cluster: &str, at: i64) -> impl Iterator<Item = &'a Deed> + use<'a> {
    let all = state
        .inside
        .get(&cluster.to_ascii_lowercase())
        .map(Vec::as_slice)
        .unwrap_or_default();
    all.iter().filter(move |deed| deed.at <= at)
}

/// Returns what stands for the objects of a cluster at a time, without making them.
#[must_use]
pub fn key(state: &State, cluster: &str, at: i64) -> u64 {
    let mut text = format!("{}\n{}", state.seed, kubernetes::set_of(cluster));
    for deed in deeds(state, cluster, at) {
        if !matches!(deed.what, What::Silent { .. } | What::Foreign { .. }) {
            text.push_str(&format!("\n{:?}", deed.what));
        }
    }
    hash(&text)
}

/// Returns the objects of a cluster at a time.
#[must_use]
pub fn objects(state: &State, cluster: &str, at: i64) -> Objects {
    let mut items = kubernetes::objects(state.seed, cluster);
    for deed in deeds(state, cluster, at) {
        match &deed.what {
            What::Added {
                namespace,
                name,
                flaw,
                stalled,
            } => {
                items.retain(|object| !belongs(object, namespace, name));
                let [deployment, pod] =
                    kubernetes::workload(namespace, name, *flaw, "1.0.0", hash(&format!("{namespace}/{name}")));
                items.push(deployment);
                if !stalled {
                    items.push(pod);
                }
            }
            What::Fixed { workload } => {
                let meant = |object: &Value| match workload {
                    Some((namespace, name)) => is_named(object, namespace, name) || belongs(object, namespace, name),
                    None => text(object, "/metadata/namespace") != "kube-system",
                };
                items
                    .iter_mut()
                    .filter(|object| meant(object))
                    .for_each(kubernetes::make_sound);
            }
            What::Removed { namespace, name } => {
                items.retain(|object| !belongs(object, namespace, name) && !is_named(object, namespace, name));
            }
            What::Silent { .. } | What::Foreign { .. } => {}
        }
    }
    items.iter_mut().for_each(apiserver::fill);
    Objects {
        key: key(state, cluster, at),
        items,
    }
}

/// Returns whether a cluster has a workload, a Service or an Ingress of this name.
#[must_use]
pub fn has(objects: &Objects, namespace: &str, name: &str) -> bool {
    objects.items.iter().any(|object| is_named(object, namespace, name))
}

fn belongs(object: &Value, namespace: &str, name: &str) -> bool {
    text(object, "/metadata/namespace") == namespace && text(object, "/metadata/labels/app") == name
}

fn is_named(object: &Value, namespace: &str, name: &str) -> bool {
    text(object, "/metadata/namespace") == namespace
        && text(object, "/metadata/name") == name
        && ["Deployment", "Service", "Ingress"].contains(&text(object, "/kind"))
}

/// Returns whether the add-on of a cluster is silent at a time.
#[must_use]
pub fn is_silent(state: &State, cluster: &str, at: i64) -> bool {
    let last = deeds(state, cluster, at).filter_map(|deed| match deed.what {
        What::Silent { silent } => Some(silent),
        _ => None,
    });
    last.last().unwrap_or_default()
}

/// Returns the kinds of the constraint templates that somebody else installed, in lower case.
#[must_use]
pub fn foreign_templates(state: &State, cluster: &str, at: i64) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    for deed in deeds(state, cluster, at) {
        if let What::Foreign { template, there } = &deed.what {
            let template = template.to_ascii_lowercase();
            kinds.retain(|kind| *kind != template);
            if *there {
                kinds.push(template);
            }
        }
    }
    kinds
}
