//! The nodes of clusters, as far as Azure tells them without asking the clusters, and the vCores in them.

use crate::model::{ResourceId, vcpus_of_size};

/// The nodes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNodes {
    /// The cluster.
    pub cluster: ResourceId,
    /// Whether the cluster runs.
    pub is_running: bool,
    /// Whether the cluster makes nodes itself, which stand in no pool.
    pub provisions_nodes: bool,
    /// Its node pools; a pool with several sizes stands here once for each.
    pub pools: Vec<NodePool>,
}

/// Nodes of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePool {
    /// The pool's name.
    pub name: String,
    /// The size of its machines, such as `Standard_D4s_v5`; empty if unknown.
    pub size: String,
    /// How many nodes there are now, if that is known.
    pub count: Option<u64>,
    /// Whether the pool runs.
    pub is_running: bool,
}

/// How many vCores clusters have, and what is not in that number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VCores {
    /// The vCores of nodes that run and whose size tells them.
    pub counted: u64,
    /// The clusters that are looked at.
    pub clusters: usize,
    /// Clusters and pools that are stopped.
    pub stopped: Vec<String>,
    /// Clusters and pools whose vCores cannot be told, with the size where that is why.
    pub unknown: Vec<String>,
    /// Clusters that make nodes themselves.
    pub provision_nodes: Vec<String>,
}

/// Counts the vCores of clusters. What cannot be told is listed, never guessed.
pub fn vcores<'a>(clusters: impl IntoIterator<Item = &'a ClusterNodes>) -> VCores {
    let mut found = VCores::default();
    for nodes in clusters {
        let cluster = nodes.cluster.name();
        found.clusters += 1;
        if !nodes.is_running {
            found.stopped.push(cluster.to_owned());
            continue;
        }
        if nodes.provisions_nodes {
            found.provision_nodes.push(cluster.to_owned());
        }
        if nodes.pools.is_empty() {
            found.unknown.push(cluster.to_owned());
        }
        for pool in &nodes.pools {
            let name = format!("{cluster}/{}", pool.name);
            if !pool.is_running {
                found.stopped.push(name);
                continue;
            }
            let vcores = vcpus_of_size(&pool.size).zip(pool.count).and_then(|(vcpus, count)| {
                let vcores = vcpus.checked_mul(count)?;
                found.counted.checked_add(vcores)
            });
            match vcores {
                Some(counted) => found.counted = counted,
                None if pool.size.is_empty() || pool.count.is_none() => found.unknown.push(name),
                None => found.unknown.push(format!("{name} ({})", pool.size)),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(cluster: &str, pools: &[(&str, &str, Option<u64>, bool)]) -> ClusterNodes {
        let id =
            format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/{cluster}");
        let pools = pools.iter().map(|(name, size, count, is_running)| NodePool {
            name: (*name).to_owned(),
            size: (*size).to_owned(),
            count: *count,
            is_running: *is_running,
        });
        ClusterNodes {
            cluster: ResourceId::parse(&id).unwrap(),
            is_running: true,
            provisions_nodes: false,
            pools: pools.collect(),
        }
    }

    #[test]
    fn nodes_that_run_are_counted_and_the_rest_is_listed() {
        let stopped = ClusterNodes {
            is_running: false,
            ..nodes("night", &[("system", "Standard_D4s_v5", Some(3), true)])
        };
        let karpenter = ClusterNodes {
            provisions_nodes: true,
            ..nodes("auto", &[("system", "Standard_D2s_v5", Some(3), true)])
        };
        let pools = [
            ("system", "Standard_D4s_v5", Some(3), true),
            ("constrained", "Standard_E16-8s_v5", Some(2), true),
            ("idle", "Standard_D4s_v5", Some(0), true),
            ("old", "Standard_DS2_v2", Some(5), true),
            ("odd", "Standard_D4s_v5", None, true),
            ("nameless", "", Some(1), true),
            ("off", "Standard_D4s_v5", Some(9), false),
            ("huge", "Standard_D4s_v5", Some(u64::MAX), true),
        ];
        let all = [nodes("one", &pools), stopped, karpenter, nodes("bare", &[])];
        assert_eq!(
            vcores(&all),
            VCores {
                counted: 3 * 4 + 2 * 8 + 3 * 2,
                clusters: 4,
                stopped: vec!["one/off".into(), "night".into()],
                unknown: vec![
                    "one/old (Standard_DS2_v2)".into(),
                    "one/odd".into(),
                    "one/nameless".into(),
                    "one/huge (Standard_D4s_v5)".into(),
                    "bare".into()
                ],
                provision_nodes: vec!["auto".into()],
            }
        );
        assert_eq!(vcores(&[]), VCores::default());
    }
}
