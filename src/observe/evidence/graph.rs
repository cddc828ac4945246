//! The rows of evidence that Resource Graph has.
//!
//! Owns the query, and when its answer is whole. A fleet has many rows: for each cluster one of each member of each gate, and one of each object
//! that breaks one. Resource Graph is asked for one row of each cluster with all of these in it, so that a page holds a thousand clusters and
//! not a hundred; the quota of queries, which the user's other tools share, would else be what a large fleet waits for. Each such row
//! tells how many rows it stands for: where it does not hold so many, or where the query is refused, the rows are asked for one by one.

use super::{Asked, EvidenceError};
use crate::arm::{ArmError, ArmErrorKind, Client, GraphQuery, GraphScope};
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

/// One row.
enum Reported {
    State(StateRow),
    Component(ComponentRow),
}

/// Reads the rows of assignments: what their members report, and the objects that break them.
///
/// # Errors
/// A call that fails, a row that cannot be read.
pub(super) async fn rows(client: &Client, scope: &Scope, asked: &[Asked<'_>]) -> Result<Rows, EvidenceError> {
    let ids = Ids::default();
    let of_cluster = |row: Value| rows_of(row, &ids);
    match client.resource_graph_of(&by_cluster(scope, asked), &of_cluster).await {
        Ok(clusters) => {
            let clusters: Option<Vec<Vec<Reported>>> = clusters.into_iter().collect::<Result<_, RowError>>()?;
            if let Some(clusters) = clusters {
                return Ok(sorted(clusters.into_iter().flatten()));
            }
        }
        Err(error) if may_be_the_form(&error) => {}
        Err(error) => return Err(error.into()),
    }
    let of_row = |row: Value| Reported::parse(row.get("reported").and_then(Value::as_str), &row, &ids);
    let rows = client.resource_graph_of(&one_by_one(scope, asked), &of_row).await?;
    let rows: Vec<Reported> = rows.into_iter().collect::<Result<_, RowError>>()?;
    Ok(sorted(rows.into_iter()))
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

/// The query for each row by itself.
fn one_by_one(scope: &Scope, asked: &[Asked<'_>]) -> GraphQuery {
    let columns: Vec<String> = ["resourceId"]
        .into_iter()
        .chain(COLUMNS.iter().map(|(_, name)| *name))
        .map(|name| format!("{name} = tostring(properties.{name})"))
        .collect();
    query(
        scope,
        asked,
        &format!("project id, reported = {}, {}", of_type(), columns.join(", ")),
    )
}

fn of_type() -> String {
    format!("iff(type =~ 'microsoft.policyinsights/policystates', '{STATE}', '{COMPONENT}')")
}

fn query(scope: &Scope, asked: &[Asked<'_>], shape: &str) -> GraphQuery {
    let ids: BTreeSet<String> = asked
        .iter()
        .map(|one| format!("'{}'", one.assignment.id.as_str().replace('\'', "\\'")))
        .collect();
    let ids: Vec<String> = ids.into_iter().collect();
    GraphQuery {
        query: format!(
            "policyresources \
             | where type in~ ('microsoft.policyinsights/policystates', 'microsoft.policyinsights/componentpolicystates') \
             | where tostring(properties.policyAssignmentId) in~ ({}) \
             | where type =~ 'microsoft.policyinsights/policystates' or tostring(properties.complianceState) =~ 'NonCompliant' \
             | {shape} | order by id asc",
            ids.join(", ")
        ),
        scope: match scope {
            Scope::ManagementGroup(name) => GraphScope::ManagementGroups(vec![name.clone()]),
            Scope::Subscription(id) | Scope::ResourceGroup(id, _) => GraphScope::Subscriptions(vec![id.clone()]),
        },
        with_scopes_above: false,
    }
}

/// Whether a failure may come of the form of the query alone, so that another form of it is worth a try.
fn may_be_the_form(error: &ArmError) -> bool {
    error.status() == Some(400) || error.kind() == ArmErrorKind::Truncated
}

/// Returns the rows that the row of a cluster stands for; none if they are not all there.
fn rows_of(mut row: Value, ids: &Ids) -> Result<Option<Vec<Reported>>, RowError> {
    let mut column = |name: &str| row.get_mut(name).map(Value::take).unwrap_or_default();
    let (cluster, total) = (column("id"), column("total").as_u64());
    let Value::Array(reported) = column("reported") else {
        return Ok(None);
    };
    if u64::try_from(reported.len()).ok() != total {
        return Ok(None);
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
    reported.into_iter().map(one).collect::<Result<_, RowError>>().map(Some)
}

fn sorted(reported: impl Iterator<Item = Reported>) -> Rows {
    let mut rows = Rows::default();
    for one in reported {
        match one {
            Reported::State(row) => rows.states.push(row),
            Reported::Component(row) => rows.components.push(row),
        }
    }
    rows
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
