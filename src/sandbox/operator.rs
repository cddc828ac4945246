//! What whoever rehearses does to a sandbox besides asking Azure: at the doors of its clusters, and inside of them.

use std::path::Path;

use serde_json::Value;

use super::door::{Door, DoorError};
use super::governance::admission::admit as ask;
pub use super::governance::admission::{Objection, Verdict};
pub use super::governance::constraint::Action;
use super::governance::judge;
use super::governance::scope::Cluster;
use super::json::text;
use super::state::State;

/// The type of a cluster's resource, in lower case.
const CLUSTERS: &str = "microsoft.containerservice/managedclusters";

/// Why something could not be done to a sandbox.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The sandbox cannot be used.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// There is no such cluster.
    #[error("there is no cluster `{asked}` in the sandbox")]
    NoCluster {
        /// What was asked for.
        asked: String,
        /// The names of those that there are.
        known: Vec<String>,
    },
    /// Something about the cluster forbids it.
    #[error("{0}")]
    Refused(String),
}

/// What admission says of the objects that were brought to a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// The id of the cluster.
    pub cluster: String,
    /// Whether it has the add-on, without which nothing is refused.
    pub addon: bool,
    /// The objects in their order.
    pub objects: Vec<Admitted>,
}

/// An object that was brought to a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// Its kind.
    pub kind: String,
    /// Its namespace, empty for none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What admission says of it.
    pub verdict: Verdict,
}

/// Brings objects, or AdmissionReviews, to a cluster of the sandbox in `directory`, named or by its id. Nothing is changed.
///
/// # Errors
/// When the sandbox cannot be used, or there is no such cluster, or it does not run.
pub fn admit(directory: &Path, cluster: &str, documents: &[Value]) -> Result<Admission, OperatorError> {
    Door::open(directory)?.with(|sandbox| {
        let state = &sandbox.state;
        let document = find(state, cluster)?;
        running(document)?;
        let cluster = Cluster::of(state, document);
        let objects = documents.iter().map(|document| {
            let request = match text(document, "/kind") {
                "AdmissionReview" => document.get("request").cloned().unwrap_or_default(),
                _ => judge::request(document),
            };
            let subject = ["/object", "/oldObject"]
                .into_iter()
                .filter_map(|pointer| request.pointer(pointer));
            let subject = subject
                .into_iter()
                .find(|subject| !subject.is_null())
                .cloned()
                .unwrap_or_default();
            Admitted {
                kind: text(&subject, "/kind").to_owned(),
                namespace: text(&subject, "/metadata/namespace").to_owned(),
                name: text(&subject, "/metadata/name").to_owned(),
                verdict: ask(state, &cluster, &request),
            }
        });
        Ok(Admission {
            addon: super::governance::past::is_governed(document),
            objects: objects.collect(),
            cluster: cluster.id.clone(),
        })
    })?
}

/// Returns the cluster of this id or name, in any casing.
fn find<'a>(state: &'a State, asked: &str) -> Result<&'a Value, OperatorError> {
    let named = |document: &&Value| {
        text(document, "/id").eq_ignore_ascii_case(asked) || text(document, "/name").eq_ignore_ascii_case(asked)
    };
    let mut all = state.of_type(CLUSTERS).map(|(_, document)| document);
    all.find(named).ok_or_else(|| OperatorError::NoCluster {
        asked: asked.to_owned(),
        known: state
            .of_type(CLUSTERS)
            .map(|(_, document)| text(document, "/name").to_owned())
            .collect(),
    })
}

fn running(cluster: &Value) -> Result<(), OperatorError> {
    if text(cluster, "/properties/powerState/code") == "Stopped" {
        let name = text(cluster, "/name");
        return Err(OperatorError::Refused(format!(
            "the cluster `{name}` is stopped: its API server answers nobody"
        )));
    }
    Ok(())
}
