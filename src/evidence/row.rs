//! One row of compliance, read from what Policy Insights or Resource Graph answers.

use super::MemberState;
use crate::model::{Effect, Ids, ResourceId, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// All rows that were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// What the members report.
    pub states: Vec<StateRow>,
    /// The objects in clusters that break them.
    pub components: Vec<ComponentRow>,
}

/// Rows by the assignment that they are of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllRows(BTreeMap<ResourceId, Rows>);

static NO_ROWS: Rows = Rows {
    states: Vec::new(),
    components: Vec::new(),
};

impl AllRows {
    /// Returns the rows of an assignment.
    pub fn of(&self, assignment: &ResourceId) -> &Rows {
        self.0.get(assignment).unwrap_or(&NO_ROWS)
    }

    /// Returns the rows of an assignment, to change them.
    pub fn of_mut(&mut self, assignment: &ResourceId) -> &mut Rows {
        self.0.entry(assignment.clone()).or_default()
    }
}

impl From<Rows> for AllRows {
    fn from(rows: Rows) -> AllRows {
        let mut all = AllRows::default();
        for row in rows.states {
            let of = row.key.assignment.clone();
            all.of_mut(&of).states.push(row);
        }
        for row in rows.components {
            let of = row.key.assignment.clone();
            all.of_mut(&of).components.push(row);
        }
        all
    }
}

/// What one member reports of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// Whose rule, on what, and when.
    pub key: RowKey,
    /// What it reports.
    pub state: MemberState,
}

/// One object in a cluster that one member reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentRow {
    /// Whose rule, on what, and when.
    pub key: RowKey,
    /// What is reported of it.
    pub state: MemberState,
    /// The object.
    pub component: Component,
}

/// What both sorts of rows say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowKey {
    /// The cluster, or whatever else is judged.
    pub resource: ResourceId,
    /// The assignment.
    pub assignment: ResourceId,
    /// The definition.
    pub definition: ResourceId,
    /// The member's reference id in lower case; empty outside a set.
    pub member: String,
    /// The effect that was in force, where the row says so.
    pub effect: Option<Effect>,
    /// When it was reported.
    pub reported: Timestamp,
}

/// An object in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Its kind, as it is reported, such as `Pod`.
    pub kind: String,
    /// Its namespace; none for one that has none, or where the row does not say it.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// Why a row cannot be used. It is not left out: what it would have said is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A column is missing, or is not of its form.
    #[error("a row of compliance has no usable `{0}`")]
    Column(&'static str),
}

impl StateRow {
    /// Reads a row of policy states; `ids` keeps what many rows name.
    ///
    /// # Errors
    /// A column that is needed is missing.
    pub fn parse(row: &Value, ids: &Ids) -> Result<StateRow, RowError> {
        Ok(StateRow {
            key: RowKey::parse(row, ids)?,
            state: MemberState::parse(needed(row, "complianceState")?),
        })
    }
}

impl ComponentRow {
    /// Reads a row of component policy states; `ids` keeps what many rows name.
    ///
    /// # Errors
    /// A column that is needed is missing.
    pub fn parse(row: &Value, ids: &Ids) -> Result<ComponentRow, RowError> {
        let id = needed(row, "componentId")?;
        let kind = text(row, "componentType").unwrap_or_default();
        // `componentId` is `namespace/name`, or the name alone of what has no namespace.
        let (namespace, name) = match id.rsplit_once('/') {
            Some((before, name)) => (before.rsplit('/').next().filter(|text| !text.is_empty()), name),
            None => (None, id),
        };
        Ok(ComponentRow {
            key: RowKey::parse(row, ids)?,
            state: MemberState::parse(needed(row, "complianceState")?),
            component: Component {
                kind: kind.to_owned(),
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
            },
        })
    }
}

impl RowKey {
    fn parse(row: &Value, ids: &Ids) -> Result<RowKey, RowError> {
        let id = |column: &'static str| ids.parse(needed(row, column)?).ok_or(RowError::Column(column));
        Ok(RowKey {
            resource: id("resourceId")?,
            assignment: id("policyAssignmentId")?,
            definition: id("policyDefinitionId")?,
            member: text(row, "policyDefinitionReferenceId")
                .unwrap_or_default()
                .to_lowercase(),
            effect: text(row, "policyDefinitionAction").and_then(Effect::parse),
            reported: Timestamp::parse(needed(row, "timestamp")?).ok_or(RowError::Column("timestamp"))?,
        })
    }
}

fn text<'a>(row: &'a Value, column: &str) -> Option<&'a str> {
    row.get(column)?.as_str()
}

fn needed<'a>(row: &'a Value, column: &'static str) -> Result<&'a str, RowError> {
    text(row, column)
        .filter(|text| !text.is_empty())
        .ok_or(RowError::Column(column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row() -> Value {
        json!({
            "timestamp": "2027-01-04T08:00:00.1234567Z",
            "resourceId": "/subscriptions/s/resourcegroups/g/providers/microsoft.containerservice/managedclusters/c",
            "policyAssignmentId": "/subscriptions/s/providers/microsoft.authorization/policyassignments/a",
            "policyDefinitionId": "/providers/microsoft.authorization/policydefinitions/d",
            "policyDefinitionReferenceId": "NoPrivileged",
            "policyDefinitionAction": "audit",
            "complianceState": "NonCompliant",
            "componentId": "shop/cart-5d4f-x", "componentName": "cart-5d4f-x", "componentType": "Pod",
        })
    }

    #[test]
    fn rows_are_read_in_any_casing() {
        let read = StateRow::parse(&row(), &Ids::default()).unwrap();
        assert_eq!(read.state, MemberState::NonCompliant);
        assert_eq!(
            (read.key.member.as_str(), read.key.effect),
            ("noprivileged", Some(Effect::Audit))
        );
        let cluster = "/subscriptions/S/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/C";
        assert_eq!(read.key.resource, ResourceId::parse(cluster).unwrap());
        assert_eq!(read.key.reported.to_string(), "2027-01-04T08:00:00Z");
        let read = ComponentRow::parse(&row(), &Ids::default()).unwrap().component;
        assert_eq!(
            (read.namespace.as_deref(), read.name.as_str()),
            (Some("shop"), "cart-5d4f-x")
        );
    }

    #[test]
    fn objects_without_a_namespace_have_none() {
        let mut row = row();
        row["componentId"] = json!("shop");
        let read = ComponentRow::parse(&row, &Ids::default()).unwrap().component;
        assert_eq!((read.namespace, read.name.as_str()), (None, "shop"));
    }

    #[test]
    fn a_row_that_lacks_something_is_an_error_and_not_left_out() {
        for column in [
            "timestamp",
            "resourceId",
            "policyAssignmentId",
            "policyDefinitionId",
            "complianceState",
        ] {
            for bad in [Value::Null, json!(""), json!(3)] {
                let mut broken = row();
                broken[column] = bad;
                assert_eq!(StateRow::parse(&broken, &Ids::default()), Err(RowError::Column(column)));
                assert_eq!(
                    ComponentRow::parse(&broken, &Ids::default()),
                    Err(RowError::Column(column))
                );
            }
        }
        let mut unnamed = row();
        unnamed["componentId"] = Value::Null;
        assert_eq!(
            ComponentRow::parse(&unnamed, &Ids::default()),
            Err(RowError::Column("componentId"))
        );
    }

    #[test]
    fn every_word_of_azure_is_a_state_and_an_unknown_one_is_not_compliant() {
        for (word, state) in [
            ("Compliant", MemberState::Compliant),
            ("nonCompliant", MemberState::NonCompliant),
            ("Non-compliant", MemberState::NonCompliant),
            ("Exempt", MemberState::Exempt),
            ("Conflicting", MemberState::Conflict),
            ("Conflict", MemberState::Conflict),
            ("Error", MemberState::Error),
            ("NotStarted", MemberState::NotStarted),
            ("Not registered", MemberState::NotStarted),
            ("Protected", MemberState::Unknown),
            ("Compliant?maybe", MemberState::Unknown),
        ] {
            assert_eq!(MemberState::parse(word), state, "{word}");
        }
    }
}
