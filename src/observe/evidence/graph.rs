//! The rows of evidence that Resource Graph has.
//!
//! Owns the query, and when its answer is whole. A fleet has many rows: for each cluster one of each member of each gate, and one of each object
//! that breaks one. Resource Graph is asked for one row of each cluster with all of these in it, so that a page holds a thousand clusters and
//! not a hundred; the quota of queries, which the user's other tools share, would else be what a large fleet waits for. Each such row
//! tells how many rows it stands for: those of a cluster of which they are not all there, or cannot be read, are asked for one by one, and
//! all are where the query itself is refused.

use super::{Asked, EvidenceError};
use crate::arm::{ArmError, ArmErrorKind, Client, GraphQuery};
use crate::evidence::{ComponentRow, RowError, Rows, StateRow};
use crate::model::{Ids, Scope};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The columns that a row is read from besides its type and its cluster, by the names that Policy Insights gives them; and what they are
/// called in the row of a cluster, which names them many times over.
const COLUMNS: [(&str, &str); 8] = [
    ("a", "policyAssignmentId"),
    ("d", "policyDefinitionId"),
    ("r", "policyDefinitionReferenceId"),
    ("e", "policyDefinitionAction"),
    ("s", "complianceState"),
    ("t", "timestamp"),
    ("c", "componentId"),
    ("k", "componentType"),
];

/// The type of a row, in the row of a cluster: what a member reports of it, or an object that breaks one.
const TYPE: &str = "y";
const STATE: &str = "state";
const COMPONENT: &str = "component";

/// How many clusters are asked for by name at most; of more, all rows are asked for.
const MOST_NAMED: usize = 50;

/// One row.
enum Reported {
    State(StateRow),
    Component(ComponentRow),
}

/// What the row of a cluster comes to.
enum OfCluster {
    /// The rows that it stands for.
    Whole(Vec<Reported>),
    /// Not all of them, of the cluster with this id, if it has one.
    Cut(Option<String>),
}

/// Reads the rows of assignments: what their members report, and the objects that break them.
///
/// # Errors
/// A call that fails, a row that cannot be read.
pub(super) async fn rows(client: &Client, scope: &Scope, asked: &[Asked<'_>]) -> Result<Rows, EvidenceError> {
    let ids = Ids::default();
    let of_cluster = |row: Value| of_cluster(row, &ids);
    let (mut found, missing) = match client.resource_graph_of(&by_cluster(scope, asked), &of_cluster).await {
        Ok(clusters) => apart(clusters),
        Err(error) if may_be_the_form(&error) => (Rows::default(), None),
        Err(error) => return Err(error.into()),
    };
    if missing.as_ref().is_some_and(Vec::is_empty) {
        return Ok(found);
    }
    let of_row = |row: Value| Reported::parse(row.get("reported").and_then(Value::as_str), &row, &ids);
    let query = one_by_one(scope, asked, missing.as_deref());
    let rows = client.resource_graph_of(&query, &of_row).await?;
    found.add(rows.into_iter().collect::<Result<Vec<Reported>, RowError>>()?);
    Ok(found)
}

/// Returns the rows that came whole, and the clusters whose rows did not; none, and no rows, where all are to be asked for.
fn apart(clusters: Vec<OfCluster>) -> (Rows, Option<Vec<String>>) {
    let (mut found, mut cut) = (Rows::default(), Vec::new());
    for cluster in clusters {
        match cluster {
            OfCluster::Whole(rows) => found.add(rows),
            OfCluster::Cut(id) => cut.push(id),
        }
    }
    match cut.into_iter().collect::<Option<Vec<String>>>() {
        Some(named) if named.len() <= MOST_NAMED => (found, Some(named)),
        _ => (Rows::default(), None),
    }
}

/// The query for one row of each cluster, whose id is the row's.
fn by_cluster(scope: &Scope, asked: &[Asked<'_>]) -> GraphQuery {
    let packed: Vec<String> = COLUMNS
        .iter()
        .map(|(short, name)| format!("'{short}', tostring(properties.{name})"))
        .collect();
    let shape = format!(
        "extend packed = pack('{TYPE}', {}, {}) \
         | summarize total = count(), reported = make_list(packed) by id = tostring(properties.resourceId) \
         | project id, total, reported",
        of_type(),
        packed.join(", ")
    );
    query(scope, asked, &shape)
}

/// The query for each row by itself, of all clusters or of some.
fn one_by_one(scope: &Scope, asked: &[Asked<'_>], only: Option<&[String]>) -> GraphQuery {
    let columns: Vec<String> = ["resourceId"]
        .into_iter()
        .chain(COLUMNS.iter().map(|(_, name)| *name))
        .map(|name| format!("{name} = tostring(properties.{name})"))
        .collect();
    let only = only.map(|only| {
        let ids = quoted(only.iter().map(String::as_str));
        format!("where tostring(properties.resourceId) in~ ({ids}) | ")
    });
    let shape = format!(
        "{}project id, reported = {}, {}",
        only.unwrap_or_default(),
        of_type(),
        columns.join(", ")
    );
    query(scope, asked, &shape)
}

/// Texts in the Kusto language, each once.
fn quoted<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: BTreeSet<String> = texts
        .map(|text| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")))
        .collect();
    texts.into_iter().collect::<Vec<String>>().join(", ")
}

fn of_type() -> String {
    format!("iff(type =~ 'microsoft.policyinsights/policystates', '{STATE}', '{COMPONENT}')")
}

fn query(scope: &Scope, asked: &[Asked<'_>], shape: &str) -> GraphQuery {
    let ids = quoted(asked.iter().map(|one| one.assignment.id.as_str()));
    GraphQuery {
        query: format!(
            "policyresources \
             | where type in~ ('microsoft.policyinsights/policystates', 'microsoft.policyinsights/componentpolicystates') \
             | where tostring(properties.policyAssignmentId) in~ ({ids}) \
             | where type =~ 'microsoft.policyinsights/policystates' or tostring(properties.complianceState) =~ 'NonCompliant' \
             | {shape} | order by id asc"
        ),
        scope: scope.into(),
        with_scopes_above: false,
    }
}

/// Whether a failure may come of the form of the query alone, so that another form of it is worth a try.
fn may_be_the_form(error: &ArmError) -> bool {
    error.status() == Some(400) || error.kind() == ArmErrorKind::Truncated
}

/// Reads the rows that the row of a cluster stands for.
fn of_cluster(mut row: Value, ids: &Ids) -> OfCluster {
    let mut column = |name: &str| row.get_mut(name).map(Value::take).unwrap_or_default();
    let (cluster, total, reported) = (column("id"), column("total").as_u64(), column("reported"));
    let cut = || OfCluster::Cut(cluster.as_str().map(str::to_owned));
    let Value::Array(reported) = reported else {
        return cut();
    };
    if u64::try_from(reported.len()).ok() != total {
        return cut();
    }
    let one = |mut of: Value| {
        let mut named = Map::new();
        for (short, name) in COLUMNS {
            if let Some(value) = of.get_mut(short) {
                named.insert(name.to_owned(), value.take());
            }
        }
        named.insert("resourceId".to_owned(), cluster.clone());
        Reported::parse(of.get(TYPE).and_then(Value::as_str), &Value::Object(named), ids)
    };
    let rows: Result<Vec<Reported>, RowError> = reported.into_iter().map(one).collect();
    rows.map_or_else(|_| cut(), OfCluster::Whole)
}

impl Rows {
    fn add(&mut self, reported: Vec<Reported>) {
        for one in reported {
            match one {
                Reported::State(row) => self.states.push(row),
                Reported::Component(row) => self.components.push(row),
            }
        }
    }
}

impl Reported {
    fn parse(kind: Option<&str>, row: &Value, ids: &Ids) -> Result<Reported, RowError> {
        match kind {
            Some(STATE) => StateRow::parse(row, ids).map(Reported::State),
            Some(COMPONENT) => ComponentRow::parse(row, ids).map(Reported::Component),
            _ => Err(RowError::Column("type")),
        }
    }
}
