//! What whoever rehearses does to a sandbox besides asking Azure: at the doors of its clusters, and inside of them.

use std::path::Path;

use serde_json::{Value, json};

use super::door::{Door, DoorError};
use super::governance::admission::admit as ask;
pub use super::governance::admission::{Objection, Verdict};
pub use super::governance::constraint::Action;
pub use super::governance::gaps::Gap;
use super::governance::gaps::gaps as look_for_gaps;
use super::governance::installed::installed;
use super::governance::judge;
use super::governance::scope::Cluster;
use super::inside::{self, Deed, What};
use super::json::{set, text};
use super::kubernetes;
pub use super::kubernetes::Flaw;
use super::security;
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

/// Returns what clusters would have let in at a moment within a time of the sandbox's clock, and refused before and after.
///
/// # Errors
/// When the sandbox cannot be used.
pub fn gaps(directory: &Path, from: i64, to: i64) -> Result<Vec<Gap>, OperatorError> {
    Ok(Door::open(directory)?.with(|sandbox| look_for_gaps(&sandbox.state, from, to))?)
}

/// What is done to a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// It is deployed, with this flaw, in place of one of its name.
    Add(Flaw),
    /// What is wrong with it is mended.
    Fix,
    /// It is removed.
    Remove,
}

/// What is done to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It is stopped.
    Stop,
    /// It is started.
    Start,
    /// Its add-on stops to report.
    Silence,
    /// Its add-on reports again.
    Report,
    /// Its traffic leaves in this way from now on; one of [`OUTBOUND_TYPES`].
    Outbound(&'static str),
}

/// The ways in which the traffic of a cluster can leave.
pub const OUTBOUND_TYPES: [&str; 6] = [
    "loadBalancer",
    "managedNATGateway",
    "userAssignedNATGateway",
    "userDefinedRouting",
    "none",
    "block",
];

/// What became of a deed.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The id of the cluster.
    pub cluster: String,
    /// When.
    pub now: i64,
    /// What admission said, where something was deployed.
    pub verdict: Option<Verdict>,
}

/// Does something to a workload of a cluster; to all where there is no name.
///
/// What is deployed goes through the cluster's admission: a workload that is refused is not there, and one whose Pods are refused has none.
///
/// # Errors
/// When the sandbox cannot be used, there is no such cluster or workload, or the cluster does not run.
pub fn work(
    directory: &Path,
    cluster: &str,
    workload: Option<(&str, &str)>,
    work: &Work,
) -> Result<Done, OperatorError> {
    Door::open(directory)?.change(|sandbox| {
        let state = &mut sandbox.state;
        let document = find(state, cluster)?;
        running(document)?;
        let cluster = Cluster::of(state, document);
        if let Some((namespace, name)) = workload.filter(|_| !matches!(work, Work::Add(_))) {
            let objects = inside::objects(state, &cluster.id, state.now);
            if !inside::has(&objects, namespace, name) {
                return Err(OperatorError::Refused(format!(
                    "there is no workload `{name}` in the namespace `{namespace}`"
                )));
            }
        }
        let (namespace, name) = workload
            .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
            .unwrap_or_default();
        let mut verdict = None;
        let what = match work {
            Work::Fix => What::Fixed {
                workload: workload.map(|_| (namespace, name)),
            },
            Work::Remove => What::Removed { namespace, name },
            Work::Add(flaw) => {
                let [deployment, _] = kubernetes::workload(&namespace, &name, *flaw, "1.0.0", 0);
                let said = ask(state, &cluster, &judge::request(&deployment));
                let (admits, stalled) = (said.admits(), !said.admits_pods());
                verdict = Some(said);
                if !admits {
                    return Ok(done(state, &cluster.id, verdict));
                }
                What::Added {
                    namespace,
                    name,
                    flaw: *flaw,
                    stalled,
                }
            }
        };
        Ok(note(state, &cluster.id, what, verdict))
    })
}

/// Starts or stops a cluster, or the reports of its add-on, or changes the way that its traffic takes.
///
/// # Errors
/// When the sandbox cannot be used, there is no such cluster, or another change of it is under way.
pub fn switch(directory: &Path, cluster: &str, switch: Switch) -> Result<Done, OperatorError> {
    Door::open(directory)?.change(|sandbox| {
        let state = &mut sandbox.state;
        let mut document = find(state, cluster)?.clone();
        let id = text(&document, "/id").to_owned();
        let silent = switch == Switch::Silence;
        if silent || switch == Switch::Report {
            return Ok(note(state, &id, What::Silent { silent }, None));
        }
        if !["Succeeded", "Failed"].contains(&text(&document, "/properties/provisioningState")) {
            let name = text(&document, "/name");
            return Err(OperatorError::Refused(format!(
                "another change of the cluster `{name}` is under way"
            )));
        }
        if let Switch::Outbound(word) = switch {
            set(&mut document, "/properties/networkProfile", "outboundType", json!(word));
            return Ok(written(state, document));
        }
        let code = json!(if switch == Switch::Stop { "Stopped" } else { "Running" });
        set(&mut document, "/properties/powerState", "code", code.clone());
        if let Some(Value::Array(pools)) = document.pointer_mut("/properties/agentPoolProfiles") {
            for pool in pools {
                set(pool, "/powerState", "code", code.clone());
            }
        }
        Ok(written(state, document))
    })
}

/// How severe an alert can be.
pub const SEVERITIES: [&str; 4] = ["Informational", "Low", "Medium", "High"];

/// Raises an alert of Defender about a cluster; returns its name with what became of it.
///
/// # Errors
/// When the sandbox cannot be used, or there is no such cluster.
pub fn raise_alert(
    directory: &Path,
    cluster: &str,
    title: &str,
    severity: &str,
) -> Result<(String, Done), OperatorError> {
    Door::open(directory)?.change(|sandbox| {
        let state = &mut sandbox.state;
        let document = find(state, cluster)?.clone();
        let name = security::raise(state, &document, title, severity);
        Ok((name, done(state, text(&document, "/id"), None)))
    })
}

/// Closes an alert of Defender; returns the sandbox's time.
///
/// # Errors
/// When the sandbox cannot be used, or there is no such open alert.
pub fn close_alert(directory: &Path, name: &str) -> Result<i64, OperatorError> {
    Door::open(directory)?.change(|sandbox| {
        let state = &mut sandbox.state;
        if security::close(state, name) {
            return Ok(state.now);
        }
        Err(OperatorError::Refused(format!("there is no open alert `{name}`")))
    })
}

/// Puts a changed cluster in the place of the one that is there.
fn written(state: &mut State, mut document: Value) -> Done {
    let etag = state.guid();
    set(&mut document, "", "eTag", json!(etag));
    let id = text(&document, "/id").to_owned();
    state.insert(document);
    done(state, &id, None)
}

/// Installs a constraint template of somebody else in a cluster, of this kind of constraints, or takes it away.
///
/// # Errors
/// When the sandbox cannot be used, or there is no such cluster.
pub fn foreign_template(directory: &Path, cluster: &str, kind: &str, there: bool) -> Result<Done, OperatorError> {
    Door::open(directory)?.change(|sandbox| {
        let state = &mut sandbox.state;
        let id = text(find(state, cluster)?, "/id").to_owned();
        Ok(note(
            state,
            &id,
            What::Foreign {
                template: kind.to_owned(),
                there,
            },
            None,
        ))
    })
}

/// Returns what `kubectl get constrainttemplates,constraints -o json` would print in a cluster.
///
/// # Errors
/// When the sandbox cannot be used, there is no such cluster, or it does not run.
pub fn dump(directory: &Path, cluster: &str) -> Result<Value, OperatorError> {
    Door::open(directory)?.with(|sandbox| {
        let state = &sandbox.state;
        let document = find(state, cluster)?;
        running(document)?;
        Ok(installed(state, &Cluster::of(state, document)))
    })?
}

fn note(state: &mut State, cluster: &str, what: What, verdict: Option<Verdict>) -> Done {
    let at = state.now;
    state
        .inside
        .entry(cluster.to_ascii_lowercase())
        .or_default()
        .push(Deed { at, what });
    done(state, cluster, verdict)
}

fn done(state: &State, cluster: &str, verdict: Option<Verdict>) -> Done {
    Done {
        cluster: cluster.to_owned(),
        now: state.now,
        verdict,
    }
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
