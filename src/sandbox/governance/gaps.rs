//! The gap monitor: whether, between two writes, a cluster would have let in what is refused before the first and after the last one.
//!
//! Each accepted write moves the clock by a second at least, and what a policy object or a cluster was is remembered, so every state in
//! between can be looked at afterwards. A cluster holds one of them, whenever it asked: so if none of them has a gap, no cluster has, however
//! late it is. It must not know who writes, nor what a change was meant to do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::state::State;
use super::admission::{Standing, standings, weigh};
use super::constraint::Action;
use super::judge;
use super::past::Past;
use super::resolve::{Policy, Resolver};
use super::scope::Cluster;

/// The type of a cluster's resource, in lower case.
const CLUSTERS: &str = "microsoft.containerservice/managedclusters";

/// What a cluster would have let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The id of the cluster.
    pub cluster: String,
    /// What is wrong with the object that would have been let in.
    pub probe: &'static str,
    /// When, in seconds of the sandbox's clock.
    pub at: i64,
}

/// Returns the gaps between two moments of the sandbox's clock: what was written at the first one counts as before.
#[must_use]
pub fn gaps(state: &State, from: i64, to: i64) -> Vec<Gap> {
    let written = state.history.values().flatten().map(|was| was.until);
    let moments: BTreeSet<i64> = written.filter(|at| (from + 1..to).contains(at)).collect();
    if moments.is_empty() {
        return Vec::new();
    }
    let (before, after) = (Resolver::new(Past::at(state, from)), Resolver::new(Past::at(state, to)));
    let closed: Vec<(Cluster, Vec<Probe>)> = state
        .of_type(CLUSTERS)
        .filter_map(|(_, document)| {
            let cluster = Cluster::of(state, document);
            let then = refused(state, &cluster, (&before, from), &probes());
            let closed = refused(state, &cluster, (&after, to), &then);
            (!closed.is_empty()).then_some((cluster, closed))
        })
        .collect();
    let mut found = Vec::new();
    for at in moments.into_iter().filter(|_| !closed.is_empty()) {
        let resolver = Resolver::new(Past::at(state, at));
        for (cluster, closed) in &closed {
            let still = refused(state, cluster, (&resolver, at), closed);
            let open = closed.iter().filter(|probe| !still.contains(probe));
            found.extend(open.map(|probe| Gap {
                cluster: cluster.id.clone(),
                probe: probe.flaw,
                at,
            }));
        }
    }
    found
}

/// An object that is brought to a cluster.
#[derive(Debug, Clone, PartialEq)]
struct Probe {
    /// What is wrong with it.
    flaw: &'static str,
    request: Value,
}

/// Returns those of some objects that a cluster which holds what is assigned at a moment refuses.
fn refused(state: &State, cluster: &Cluster, (resolver, at): (&Resolver<'_>, i64), probes: &[Probe]) -> Vec<Probe> {
    if probes.is_empty() || !Past::at(state, at).governed(&cluster.id) {
        return Vec::new();
    }
    let policies = resolver.policies(cluster);
    let standings = standings(state, cluster, resolver, &policies, at);
    let denies = |standing: &Standing<'_>| matches!(standing, Standing::Installed(one) if one.action == Action::Deny);
    let (policies, standings): (Vec<Policy>, Vec<Standing<'_>>) = policies
        .iter()
        .zip(standings)
        .filter(|(_, standing)| denies(standing))
        .map(|(policy, standing)| (policy.clone(), standing))
        .unzip();
    let refuses = |probe: &&Probe| !weigh(&policies, &standings, &probe.request).admits();
    probes.iter().filter(refuses).cloned().collect()
}

/// Returns one object for each thing that gates are there to refuse, and nothing else wrong with it.
fn probes() -> Vec<Probe> {
    let probe = |flaw, subject: &Value| Probe {
        flaw,
        request: judge::request(subject),
    };
    let pod = |flaw, image: &str, of_pod: &Value, of_container: &Value| {
        let mut subject = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "probe", "namespace": "shop", "labels": {"app": "probe"}},
            "spec": {
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "main", "image": image,
                    "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 1000,
                        "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                    },
                }],
            },
        });
        merge(subject.pointer_mut("/spec"), of_pod);
        merge(subject.pointer_mut("/spec/containers/0/securityContext"), of_container);
        probe(flaw, &subject)
    };
    let none = json!({});
    let trusted = "contoso.azurecr.io/shop/probe:1.0.0";
    let on_host = json!({"volumes": [{"name": "host", "hostPath": {"path": "/var/log"}}]});
    vec![
        pod("privileged", trusted, &none, &json!({"privileged": true})),
        pod("escalates", trusted, &none, &json!({"allowPrivilegeEscalation": true})),
        pod("root", trusted, &none, &json!({"runAsNonRoot": false, "runAsUser": 0})),
        pod(
            "capabilities",
            trusted,
            &none,
            &json!({"capabilities": {"add": ["SYS_ADMIN"]}}),
        ),
        pod("host network", trusted, &json!({"hostNetwork": true}), &none),
        pod("host process ids", trusted, &json!({"hostPID": true}), &none),
        pod("host path", trusted, &on_host, &none),
        pod("untrusted image", "docker.io/library/probe:1.0.0", &none, &none),
        pod("latest tag", "contoso.azurecr.io/shop/probe:latest", &none, &none),
        probe(
            "public service",
            &json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "probe", "namespace": "shop"},
                "spec": {"type": "LoadBalancer", "selector": {"app": "probe"}, "ports": [{"port": 80}]},
            }),
        ),
    ]
}

fn merge(into: Option<&mut Value>, more: &Value) {
    if let (Some(Value::Object(into)), Value::Object(more)) = (into, more) {
        into.extend(more.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{BASELINE, Client, DEV};
    use super::*;

    fn assignment(name: &str) -> String {
        format!("{DEV}/providers/Microsoft.Authorization/policyAssignments/{name}")
    }

    fn assign(client: &mut Client, name: &str, effect: &str) {
        let body = json!({"properties": {"policyDefinitionId": BASELINE, "parameters": {"effect": {"value": effect}}}});
        client.ok("PUT", &assignment(name), Some(&body), 201);
    }

    fn remove(client: &mut Client, name: &str) {
        client.ok("DELETE", &assignment(name), None, 200);
    }

    #[test]
    fn a_gate_that_is_taken_away_and_set_again_was_open_in_between() {
        let mut client = Client::new();
        assign(&mut client, "gate", "Deny");
        let from = client.sandbox.state.now;
        remove(&mut client, "gate");
        let opened = client.sandbox.state.now;
        assign(&mut client, "gate", "Deny");
        let to = client.sandbox.state.now;
        let found = gaps(&client.sandbox.state, from, to);
        let privileged: Vec<&Gap> = found.iter().filter(|gap| gap.probe == "privileged").collect();
        assert!(
            !privileged.is_empty() && found.iter().all(|gap| gap.at == opened),
            "{found:?}"
        );
        assert!(found.iter().all(|gap| gap.cluster.starts_with(DEV)), "{found:?}");
        assert!(!found.iter().any(|gap| gap.probe == "public service"), "{found:?}");
        assert_eq!(gaps(&client.sandbox.state, opened, to), [], "it was open before");
    }

    #[test]
    fn a_gate_that_audits_in_between_was_open() {
        let mut client = Client::new();
        assign(&mut client, "gate", "Deny");
        let from = client.sandbox.state.now;
        for effect in ["Audit", "Deny"] {
            assign(&mut client, "gate", effect);
        }
        assert!(!gaps(&client.sandbox.state, from, client.sandbox.state.now).is_empty());
    }

    #[test]
    fn a_gate_whose_successor_denies_before_it_goes_was_closed_all_the_time() {
        let mut client = Client::new();
        assign(&mut client, "former", "Deny");
        let from = client.sandbox.state.now;
        assign(&mut client, "successor", "Deny");
        remove(&mut client, "former");
        assign(&mut client, "another", "Audit");
        assert_eq!(gaps(&client.sandbox.state, from, client.sandbox.state.now), []);
    }

    #[test]
    fn a_gate_that_stays_open_is_asked_for() {
        let mut client = Client::new();
        assign(&mut client, "gate", "Deny");
        let from = client.sandbox.state.now;
        assign(&mut client, "gate", "Audit");
        remove(&mut client, "gate");
        assert_eq!(gaps(&client.sandbox.state, from, client.sandbox.state.now), []);
    }
}
