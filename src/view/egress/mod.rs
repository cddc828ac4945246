//! What clusters have to reach, as text for a terminal, as Markdown, as JSON, and as rules for Azure Firewall.

mod human;
mod json;
mod markdown;
mod script;
#[cfg(test)]
mod tests;

pub use human::human;
pub use json::to_json;
pub use markdown::to_markdown;
pub use script::{Language, script};

use crate::egress::{Answer, ApplicationRule, Check, Cluster, Feature, Need, Path, Verdict};
use std::collections::BTreeMap;

/// What the clusters of an environment have to reach.
#[derive(Clone, Debug)]
pub struct Egress<'a> {
    /// The environment.
    pub environment: String,
    /// Its scope.
    pub scope: String,
    /// The ARM endpoint.
    pub endpoint: String,
    /// The cloud.
    pub cloud: &'static str,
    /// The clusters that were looked at.
    pub clusters: &'a [Cluster],
    /// Those of them whose traffic does not leave as it is, or that were to be counted.
    pub counted: &'a [&'a Cluster],
    /// What these have to reach.
    pub needs: &'a [Need<'a>],
    /// The rules for all of it.
    pub rules: &'a [ApplicationRule],
    /// What came of looking whether it gets through.
    pub checked: Option<Checked<'a>>,
}

/// What came of looking at rules or at a list.
#[derive(Clone, Debug)]
pub struct Checked<'a> {
    /// The id of the policy, or the file.
    pub against: String,
    /// How many rules or names it has.
    pub entries: usize,
    /// How many of them were not judged.
    pub unjudged: usize,
    /// Whether the addresses of the clusters were compared with those of the rules.
    pub sources: bool,
    /// What came of it.
    pub check: Check<'a>,
}

impl Checked<'_> {
    fn remarks(&self, is_policy: bool) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.unjudged > 0 {
            remarks.push(format!(
                "{} rules name addresses, service tags, IP groups, URLs or web categories; they were not judged",
                self.unjudged
            ));
        }
        if is_policy && !self.sources {
            remarks.push(
                "where rules take traffic from was not compared; `--source` names the addresses of the clusters"
                    .to_owned(),
            );
        }
        remarks
    }

    fn is_policy(&self) -> bool {
        self.against.starts_with('/') && self.against.to_ascii_lowercase().contains("/firewallpolicies/")
    }
}

/// Clusters whose traffic takes the same way, and that need the same.
struct Group<'a> {
    path: Path,
    way: String,
    features: Vec<Feature>,
    clusters: Vec<&'a Cluster>,
}

fn groups<'a>(clusters: &'a [Cluster]) -> Vec<Group<'a>> {
    let mut found: BTreeMap<(Path, String, Vec<Feature>), Vec<&'a Cluster>> = BTreeMap::new();
    for cluster in clusters {
        let features = cluster.features.keys().copied().collect();
        let key = (cluster.outbound.path(), way(cluster), features);
        found.entry(key).or_default().push(cluster);
    }
    let mut groups: Vec<Group<'a>> = found
        .into_iter()
        .map(|((path, way, features), clusters)| Group {
            path,
            way,
            features,
            clusters,
        })
        .collect();
    // What needs something done comes first.
    groups.sort_by_key(|group| match group.path {
        Path::Blocked => 0,
        Path::Filtered => 1,
        Path::Own => 2,
        Path::Unknown => 3,
        Path::Open => 4,
    });
    groups
}

fn way(cluster: &Cluster) -> String {
    let word = match cluster.outbound.word.as_str() {
        "" => "not told",
        word => word,
    };
    match cluster.outbound.proxy {
        true => format!("{word}, through an HTTP proxy"),
        false => word.to_owned(),
    }
}

fn meaning(path: Path) -> &'static str {
    match path {
        Path::Open => "traffic leaves as it is, as far as AKS knows",
        Path::Filtered => "a firewall, an appliance or a proxy decides",
        Path::Own => "AKS makes no way out; what stands on yours decides",
        Path::Blocked => "AKS stops everything, whatever a firewall allows",
        Path::Unknown => "Azure does not tell whether something filters",
    }
}

fn labels<'f>(features: impl IntoIterator<Item = &'f Feature>) -> String {
    let labels: Vec<&str> = features.into_iter().map(|feature| feature.label()).collect();
    match labels.as_slice() {
        [] => "nothing that aksgate looks after".to_owned(),
        few => few.join(", "),
    }
}

/// Names of clusters, at most so many of them.
fn named<'c>(clusters: impl Iterator<Item = &'c Cluster>, most: usize) -> String {
    let names: Vec<&str> = clusters.map(|cluster| cluster.id.name()).collect();
    match names.len().checked_sub(most) {
        Some(more) if more > 0 => {
            let few: Vec<&str> = names.iter().copied().take(most).collect();
            format!("{} and {more} more", few.join(", "))
        }
        _ => names.join(", "),
    }
}

fn target(need: &Need<'_>) -> String {
    format!("{}:{}", need.endpoint.name, need.endpoint.port)
}

/// Why something does not surely get through.
fn why(answer: &Answer) -> String {
    match (answer.verdict, answer.because.as_str()) {
        (Verdict::Allowed, rule) => format!("allowed by `{rule}`"),
        (Verdict::Denied, rule) => format!("stopped by `{rule}`"),
        (Verdict::Missing, _) => "no rule lets it through".to_owned(),
        (_, because) => because.to_owned(),
    }
}

fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// Returns the last line: what came of it.
fn closing(egress: &Egress<'_>) -> String {
    let total = count(egress.clusters.len(), "cluster", "clusters");
    if egress.clusters.is_empty() {
        return "There are no clusters in scope.".to_owned();
    }
    let counted = egress.counted.len();
    let Some(checked) = &egress.checked else {
        return match counted {
            0 => format!("{total}: of none does Azure tell that something filters its traffic."),
            _ => format!(
                "{counted} of {total} may be behind a firewall: {} to allow.",
                count(egress.needs.len(), "name", "names")
            ),
        };
    };
    if counted == 0 {
        return format!(
            "{total}: of none does Azure tell that something filters its traffic, so nothing was compared; `--all` compares for all of them."
        );
    }
    let missing = checked.check.missing().count();
    let blocked = checked.check.blocked.len();
    let mut line = match missing {
        0 => format!(
            "All {} get through",
            count(checked.check.answers.len(), "name", "names")
        ),
        _ => format!(
            "{missing} of {} do not surely get through",
            count(checked.check.answers.len(), "name", "names")
        ),
    };
    if blocked > 0 {
        line += &format!("; nothing leaves {}", count(blocked, "cluster", "clusters"));
    }
    line + "."
}
