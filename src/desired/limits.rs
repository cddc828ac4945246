//! Azure's limits on one document, checked before the first call.
//!
//! A document over a limit is refused by ARM in the middle of an apply, with the rest of the gate written already.

use super::{DesiredError, DesiredObject};
use crate::diff::canonical_text;
use crate::kinds::{Kind, Plane};
use crate::model::LONGEST_METADATA;
use serde_json::Value;

/// How much a document may have of something.
struct Limit {
    /// The kind that has the limit; every policy object if none.
    kind: Option<Kind>,
    /// Where it is below `properties`; `*` is every entry.
    path: &'static [&'static str],
    unit: Unit,
    most: usize,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Characters,
    Entries,
}

const fn limit(kind: Option<Kind>, path: &'static [&'static str], unit: Unit, most: usize) -> Limit {
    Limit { kind, path, unit, most }
}

/// Texts: governance/policy/concepts/assignment-structure. Counts: the Azure subscription-limits page; of selectors and
/// overrides: governance/policy/concepts/assignment-structure.
const LIMITS: &[Limit] = &[
    limit(None, &["displayName"], Unit::Characters, 128),
    limit(None, &["description"], Unit::Characters, 512),
    limit(None, &["metadata", "*"], Unit::Characters, LONGEST_METADATA),
    limit(ASSIGNMENT, &["notScopes"], Unit::Entries, 400),
    limit(ASSIGNMENT, &["resourceSelectors"], Unit::Entries, 10),
    limit(
        ASSIGNMENT,
        &["resourceSelectors", "*", "selectors", "*", "in"],
        Unit::Entries,
        50,
    ),
    limit(
        ASSIGNMENT,
        &["resourceSelectors", "*", "selectors", "*", "notIn"],
        Unit::Entries,
        50,
    ),
    limit(ASSIGNMENT, &["overrides"], Unit::Entries, 10),
    limit(
        ASSIGNMENT,
        &["overrides", "*", "selectors", "*", "in"],
        Unit::Entries,
        50,
    ),
    limit(
        ASSIGNMENT,
        &["overrides", "*", "selectors", "*", "notIn"],
        Unit::Entries,
        50,
    ),
    limit(SET, &["policyDefinitions"], Unit::Entries, 1_000),
    limit(SET, &["parameters"], Unit::Entries, 400),
    limit(DEFINITION, &["parameters"], Unit::Entries, 20),
];
const ASSIGNMENT: Option<Kind> = Some(Kind::PolicyAssignment);
const DEFINITION: Option<Kind> = Some(Kind::PolicyDefinition);
const SET: Option<Kind> = Some(Kind::PolicySetDefinition);

/// Longest names in characters: of an assignment at a management group, and of every other policy object (Azure answers
/// `InvalidPolicyAssignmentName` and the like).
const LONGEST_NAMES: [usize; 2] = [24, 64];
/// Largest body of a request in bytes (the Azure subscription-limits page).
const LARGEST_BODY: usize = 1_048_576;

/// Checks a document against Azure's limits.
pub(super) fn check(object: &DesiredObject) -> Result<(), DesiredError> {
    let over = |field: &str, found: usize, unit: &'static str, limit: usize| DesiredError::Limit {
        label: object.kind.label(),
        name: object.id.name().to_owned(),
        field: field.to_owned(),
        found,
        unit,
        limit,
    };
    if object.kind.plane() == Plane::Policy {
        let at_group = object
            .id
            .scope()
            .to_ascii_lowercase()
            .starts_with("/providers/microsoft.management/managementgroups/");
        let [at_groups, elsewhere] = LONGEST_NAMES;
        let short = object.kind == Kind::PolicyAssignment && at_group;
        let (found, most) = (
            object.id.name().chars().count(),
            if short { at_groups } else { elsewhere },
        );
        if found > most {
            return Err(over("name", found, "characters", most));
        }
        let properties = object.body.get("properties").unwrap_or(&Value::Null);
        for limit in LIMITS
            .iter()
            .filter(|limit| limit.kind.is_none_or(|kind| kind == object.kind))
        {
            if let Some((field, found)) = largest(properties, limit.path, limit.unit, "")
                .into_iter()
                .find(|(_, found)| *found > limit.most)
            {
                let unit = match limit.unit {
                    Unit::Characters => "characters",
                    Unit::Entries => "entries",
                };
                return Err(over(&field, found, unit, limit.most));
            }
        }
    }
    let size = canonical_text(&object.body).len();
    if size > LARGEST_BODY {
        return Err(over("the document", size, "bytes", LARGEST_BODY));
    }
    Ok(())
}

/// Returns each place that a path leads to, with how much is there.
fn largest(value: &Value, path: &[&str], unit: Unit, at: &str) -> Vec<(String, usize)> {
    let below = |key: &str| {
        if at.is_empty() {
            key.to_owned()
        } else {
            format!("{at}.{key}")
        }
    };
    match (path, value) {
        ([], value) => size(value, unit)
            .map(|size| (at.to_owned(), size))
            .into_iter()
            .collect(),
        (["*", rest @ ..], Value::Array(items)) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| largest(item, rest, unit, &format!("{at}[{index}]")))
            .collect(),
        (["*", rest @ ..], Value::Object(map)) => map
            .iter()
            .flat_map(|(key, item)| largest(item, rest, unit, &below(key)))
            .collect(),
        ([key, rest @ ..], Value::Object(map)) => map
            .iter()
            // Azure reads names of properties without regard to case.
            .filter(|(found, _)| found.eq_ignore_ascii_case(key))
            .flat_map(|(found, item)| largest(item, rest, unit, &below(found)))
            .collect(),
        _ => Vec::new(),
    }
}

fn size(value: &Value, unit: Unit) -> Option<usize> {
    match (unit, value) {
        (Unit::Characters, Value::String(text)) => Some(text.chars().count()),
        (Unit::Characters, Value::Null) => None,
        (Unit::Characters, other) => Some(other.to_string().chars().count()),
        (Unit::Entries, Value::Array(items)) => Some(items.len()),
        (Unit::Entries, Value::Object(map)) => Some(map.len()),
        (Unit::Entries, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Meanings;
    use crate::model::{Mark, ResourceId};
    use serde_json::json;

    const GROUP: &str = "/providers/Microsoft.Management/managementGroups/g";
    const SUBSCRIPTION: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";

    fn object(kind: Kind, scope: &str, name: &str, properties: Value) -> DesiredObject {
        let collection = match kind {
            Kind::PolicyDefinition => "policyDefinitions",
            Kind::PolicySetDefinition => "policySetDefinitions",
            _ => "policyAssignments",
        };
        let id = format!("{scope}/providers/Microsoft.Authorization/{collection}/{name}");
        DesiredObject {
            kind,
            id: ResourceId::parse(&id).unwrap(),
            gate: None,
            body: json!({ "properties": properties }).into(),
            depends_on: Vec::new(),
            replaces: None,
            meanings: Meanings::new(),
        }
    }

    /// What is said of as much as fits, and of one more.
    fn at_the_edge(kind: Kind, most: usize, properties: impl Fn(usize) -> Value) -> String {
        let fits = check(&object(kind, SUBSCRIPTION, "n", properties(most)));
        assert!(fits.is_ok(), "{}", fits.unwrap_err());
        let over = check(&object(kind, SUBSCRIPTION, "n", properties(most + 1)));
        over.expect_err("one more is too much").to_string()
    }

    #[test]
    fn a_document_over_a_limit_is_refused_and_the_limit_named() {
        let (assignment, set) = (Kind::PolicyAssignment, Kind::PolicySetDefinition);
        let text = |count: usize| "ä".repeat(count);
        let list = |count: usize| vec!["x"; count];
        let map = |count: usize| {
            (0..count)
                .map(|n| (n.to_string(), json!({})))
                .collect::<serde_json::Map<_, _>>()
        };
        let found = [
            at_the_edge(assignment, 128, |n| json!({"displayName": text(n)})),
            at_the_edge(set, 512, |n| json!({"description": text(n)})),
            at_the_edge(set, 1_024, |n| json!({"metadata": {"category": text(n)}})),
            at_the_edge(assignment, 400, |n| json!({"notScopes": list(n)})),
            at_the_edge(assignment, 10, |n| json!({"resourceSelectors": vec![json!({}); n]})),
            at_the_edge(
                assignment,
                50,
                |n| json!({"resourceSelectors": [{}, {"selectors": [{"in": list(n)}]}]}),
            ),
            at_the_edge(
                assignment,
                50,
                |n| json!({"resourceSelectors": [{"selectors": [{}, {"notIn": list(n)}]}]}),
            ),
            at_the_edge(assignment, 10, |n| json!({"overrides": vec![json!({}); n]})),
            at_the_edge(
                assignment,
                50,
                |n| json!({"overrides": [{"selectors": [{"in": list(n)}]}]}),
            ),
            at_the_edge(set, 1_000, |n| json!({"policyDefinitions": vec![json!({}); n]})),
            at_the_edge(set, 400, |n| json!({"parameters": map(n)})),
            at_the_edge(Kind::PolicyDefinition, 20, |n| json!({"parameters": map(n)})),
        ];
        insta::assert_snapshot!(found.join("\n"), @r"
        policy assignment `n`: `displayName` has 129 characters, Azure takes 128 at most
        policy set definition `n`: `description` has 513 characters, Azure takes 512 at most
        policy set definition `n`: `metadata.category` has 1025 characters, Azure takes 1024 at most
        policy assignment `n`: `notScopes` has 401 entries, Azure takes 400 at most
        policy assignment `n`: `resourceSelectors` has 11 entries, Azure takes 10 at most
        policy assignment `n`: `resourceSelectors[1].selectors[0].in` has 51 entries, Azure takes 50 at most
        policy assignment `n`: `resourceSelectors[0].selectors[1].notIn` has 51 entries, Azure takes 50 at most
        policy assignment `n`: `overrides` has 11 entries, Azure takes 10 at most
        policy assignment `n`: `overrides[0].selectors[0].in` has 51 entries, Azure takes 50 at most
        policy set definition `n`: `policyDefinitions` has 1001 entries, Azure takes 1000 at most
        policy set definition `n`: `parameters` has 401 entries, Azure takes 400 at most
        policy definition `n`: `parameters` has 21 entries, Azure takes 20 at most
        ");
    }

    #[test]
    fn names_are_shorter_at_a_management_group() {
        let said = |kind, scope, length: usize| {
            let object = object(kind, scope, &"n".repeat(length), json!({}));
            check(&object).map_err(|error| error.to_string())
        };
        assert_eq!(said(Kind::PolicyAssignment, GROUP, 24), Ok(()));
        assert_eq!(said(Kind::PolicyAssignment, SUBSCRIPTION, 64), Ok(()));
        assert_eq!(said(Kind::PolicySetDefinition, GROUP, 64), Ok(()));
        let refused = said(Kind::PolicyAssignment, GROUP, 25).unwrap_err();
        assert!(
            refused.ends_with("`name` has 25 characters, Azure takes 24 at most"),
            "{refused}"
        );
        assert!(said(Kind::PolicyAssignment, SUBSCRIPTION, 65).is_err());
        assert!(said(Kind::PolicySetDefinition, GROUP, 65).is_err());
        assert_eq!(said(Kind::PolicyDefinition, GROUP, 64), Ok(()));
        assert!(said(Kind::PolicyDefinition, GROUP, 65).is_err());
    }

    #[test]
    fn the_longest_names_of_an_estate_give_names_that_fit() {
        let longest = "a".repeat(64);
        let mark = Mark {
            owner: longest.clone(),
            environment: longest.clone(),
            gate: longest,
            generation: u32::MAX,
            part: "zz".to_owned(),
        };
        let assignment = object(Kind::PolicyAssignment, GROUP, &mark.assignment_name(), json!({}));
        assert!(check(&assignment).is_ok());
        let set = object(
            Kind::PolicySetDefinition,
            GROUP,
            &mark.set_definition_name("d"),
            json!({}),
        );
        assert!(check(&set).is_ok());
        let rule = mark.definition_name(&"b".repeat(64), "d");
        let definition = object(Kind::PolicyDefinition, GROUP, &rule, json!({}));
        assert!(check(&definition).is_ok());
        assert!(mark.to_text().len() <= LONGEST_METADATA);
    }

    #[test]
    fn a_body_over_one_mebibyte_is_refused() {
        let overhead = canonical_text(&json!({"properties": {"policyRule": ""}})).len();
        let said = at_the_edge(
            Kind::PolicyAssignment,
            LARGEST_BODY - overhead,
            |n| json!({"policyRule": "x".repeat(n)}),
        );
        assert!(
            said.contains("has 1048577 bytes, Azure takes 1048576 at most"),
            "{said}"
        );
    }
}
