//! Compliance of clusters: what their newest reports say of each policy.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::super::access;
use super::super::inside;
use super::super::state::State;
use super::addon::{self, Scan};
use super::admission::{Standing, standings};
use super::judge::{self, Finding};
use super::resolve::{Policy, Resolver};
use super::scope::Cluster;

/// How many violating objects Azure keeps of one policy in one cluster.
pub const MOST_COMPONENTS: usize = 500;

/// What a report says of one policy in one cluster.
#[derive(Debug, Clone)]
pub struct Row {
    /// The cluster.
    pub cluster: Rc<Cluster>,
    /// The policies of its kind of cluster, of which it is one.
    policies: Rc<Vec<Policy>>,
    index: usize,
    /// The compliance state.
    pub state: &'static str,
    /// When the cluster looked.
    pub at: i64,
    /// What violates it, one finding an object, as far as Azure keeps them.
    pub components: Vec<Finding>,
}

impl Row {
    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.policies.get(self.index)
    }
}

/// Reads reports, and remembers what is the same for several clusters.
pub struct Reports<'a> {
    state: &'a State,
    /// The moments at which something was changed.
    changes: Vec<i64>,
    resolvers: RefCell<BTreeMap<usize, Rc<Resolver<'a>>>>,
}

impl<'a> Reports<'a> {
    /// Returns a reader of the reports of a sandbox.
    #[must_use]
    pub fn new(state: &'a State) -> Self {
        let changes: BTreeSet<i64> = state.history.values().flatten().map(|was| was.until).collect();
        Self {
            state,
            changes: changes.into_iter().collect(),
            resolvers: RefCell::default(),
        }
    }

    /// Returns all clusters that the caller may read, in order of their ids.
    #[must_use]
    pub fn clusters(&self) -> Vec<Rc<Cluster>> {
        let all = self
            .state
            .of_type("microsoft.containerservice/managedclusters")
            .map(|(_, document)| document);
        let readable = all.filter(|document| access::may_read(self.state, document));
        readable
            .map(|document: &Value| Rc::new(Cluster::of(self.state, document)))
            .collect()
    }

    /// Returns what can be seen at a time of a cluster.
    #[must_use]
    pub fn rows(&self, cluster: &Rc<Cluster>, now: i64) -> Vec<Row> {
        let scans: Vec<(Scan, Rc<Vec<Policy>>)> = addon::report(self.state, &cluster.id, now)
            .into_iter()
            .map(|scan| (scan, self.resolver(&scan).policies(cluster)))
            .collect();
        let Some((newest, policies)) = scans.first() else {
            return Vec::new();
        };
        let standings = standings(self.state, cluster, &self.resolver(newest), policies, newest.pulled);
        let row = |(index, (policy, standing)): (usize, (&Policy, &Standing<'_>))| {
            let (state, components) = match standing {
                Standing::Exempt => ("Exempt", Vec::new()),
                Standing::Conflict => ("Conflict", Vec::new()),
                Standing::Failed(_) => ("Error", Vec::new()),
                Standing::Installed(_) => match self.findings(cluster, &scans, policy) {
                    Err(_) => ("Error", Vec::new()),
                    Ok(findings) if findings.is_empty() => ("Compliant", findings),
                    Ok(findings) => ("NonCompliant", findings),
                },
            };
            Row {
                cluster: Rc::clone(cluster),
                policies: Rc::clone(policies),
                index,
                state,
                at: newest.at,
                components,
            }
        };
        policies.iter().zip(&standings).enumerate().map(row).collect()
    }

    /// Returns the resolver that is right for a scan; nothing changed between two moments that share one.
    fn resolver(&self, scan: &Scan) -> Rc<Resolver<'a>> {
        let past = addon::effective(self.state, scan.pulled);
        let epoch = self.changes.partition_point(|change| *change <= past.time());
        Rc::clone(
            self.resolvers
                .borrow_mut()
                .entry(epoch)
                .or_insert_with(|| Rc::new(Resolver::new(past))),
        )
    }

    /// Returns what the scans of a report, each with the policies of its time, found against a policy, each object once.
    fn findings(
        &self,
        cluster: &Rc<Cluster>,
        scans: &[(Scan, Rc<Vec<Policy>>)],
        policy: &Policy,
    ) -> Result<Vec<Finding>, String> {
        let mut seen = BTreeSet::new();
        let mut objects = BTreeSet::new();
        let mut findings = Vec::new();
        for (scan, policies) in scans {
            let same = |other: &&Policy| other.assignment == policy.assignment && other.reference == policy.reference;
            let Some(super::resolve::Subject::Constraint(constraint)) =
                policies.iter().find(same).map(|other| &other.subject)
            else {
                continue;
            };
            let key = inside::key(self.state, &cluster.id, scan.at);
            if !seen.insert((constraint.key, key)) {
                continue;
            }
            let audit = judge::audit(constraint, key, || {
                Arc::new(inside::objects(self.state, &cluster.id, scan.at))
            });
            let found = audit.as_ref().as_ref().map_err(Clone::clone)?;
            for finding in found {
                let object = (finding.kind.clone(), finding.namespace.clone(), finding.name.clone());
                if findings.len() < MOST_COMPONENTS && objects.insert(object) {
                    findings.push(finding.clone());
                }
            }
        }
        Ok(findings)
    }
}
