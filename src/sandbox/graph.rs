//! Azure Resource Graph: a query over what the sandbox holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::error::ArmError;
use super::http::Response;
use super::json::{items, text};
use super::kql::{self, Fault, Needs, Row, Table};
use super::random::hash;
use super::route::Call;
use super::state::{KnownScope, State};
use super::{security, states, time};

/// The columns of every table.
const COLUMNS: [&str; 17] = [
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
    "extendedLocation",
    "systemData",
];

/// The types of resources that are there.
const CLUSTERS: [&str; 2] = [
    "microsoft.containerservice/managedclusters",
    "microsoft.kubernetes/connectedclusters",
];

/// Which subscriptions and management groups a query looks at.
struct Scopes {
    scopes: Vec<KnownScope>,
    /// Whether objects above the scopes count too.
    above: bool,
}

impl Scopes {
    fn hold(&self, made: &KnownScope) -> bool {
        let down = |scope: &KnownScope| made.is_within(&scope.id.to_ascii_lowercase());
        let up = |scope: &KnownScope| self.above && scope.is_within(&made.id.to_ascii_lowercase());
        self.scopes.is_empty() || self.scopes.iter().any(|scope| down(scope) || up(scope))
    }
}

/// What queries found a moment ago: the pages of a result are asked for one by one.
#[derive(Debug, Clone, Default)]
pub struct Results(Arc<Mutex<Kept>>);

type Kept = VecDeque<(Asked, Arc<Table>)>;

/// The most bytes that an answer has; a larger one is refused.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// How many results are kept.
const MOST: usize = 8;
/// For how long the further pages of a result are those of its first one, in seconds: to find what ten thousand clusters reported takes
/// longer than to ask for a page of it.
const PAGED: i64 = 300;

/// A question, and when it was asked; the same one has the same result.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    instance: String,
    revision: u64,
    now: i64,
    query: String,
    scopes: [Value; 3],
}

impl Asked {
    /// Whether a result may answer this: it was found this second, or this is about a further page of it.
    fn is_answered_by(&self, known: &Asked, further: bool) -> bool {
        let first = Asked {
            now: known.now,
            ..self.clone()
        };
        let age = self.now - known.now;
        first == *known && (age == 0 || further && (0..=PAGED).contains(&age))
    }
}

impl Results {
    fn find(&self, asked: &Asked, further: bool) -> Option<Arc<Table>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|(known, _)| asked.is_answered_by(known, further));
        found.map(|(_, table)| Arc::clone(table))
    }

    fn keep(&self, asked: Asked, table: &Arc<Table>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(MOST - 1);
        kept.push_front((asked, Arc::clone(table)));
    }
}

/// Answers a query.
///
/// # Errors
/// 400 with nested details for a query that is not understood, or bad options.
pub fn answer(state: &State, results: &Results, call: &Call) -> Result<Response, ArmError> {
    if call.request.method != "POST" || call.address.name().is_some() {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    let query_text = text(&call.body, "/query");
    let scopes = scopes(state, call)?;
    let options = call.body.pointer("/options").cloned().unwrap_or_default();
    let given = |path: &str| call.body.pointer(path).cloned().unwrap_or_default();
    let asked = Asked {
        instance: state.instance.clone(),
        revision: state.revision,
        now: state.now,
        query: query_text.to_owned(),
        scopes: [
            "/subscriptions",
            "/managementGroups",
            "/options/authorizationScopeFilter",
        ]
        .map(given),
    };
    let number = |key: &str, default: u64, range: std::ops::RangeInclusive<u64>| match options.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_u64().filter(|value| range.contains(value)).ok_or_else(|| {
            bad_request(
                state,
                json!({"code": "InvalidOption", "message": format!("The option '{key}' is out of range.")}),
            )
        }),
    };
    let top = number("$top", 100, 1..=1000)?;
    let skip = number("$skip", 0, 0..=u64::MAX)?;
    let fingerprint = hash(&format!(
        "{query_text}\n{}\n{}",
        call.body.get("subscriptions").unwrap_or(&Value::Null),
        call.body.get("managementGroups").unwrap_or(&Value::Null)
    ));
    let start = match options.get("$skipToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
        None => skip,
        Some(token) => read_token(token, fingerprint)
            .ok_or_else(|| bad_request(state, json!({"code": "InvalidSkipToken", "message": "The skip token is invalid, or belongs to another query."})))?,
    };
    let table = match results.find(&asked, start > 0) {
        Some(table) => table,
        None => {
            let table = query(state, &scopes, query_text).map_err(|fault| refuse(state, query_text, &fault))?;
            let table = Arc::new(table);
            results.keep(asked, &table);
            table
        }
    };
    let total = table.rows.len();
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(total);
    let end = start
        .saturating_add(usize::try_from(top).unwrap_or(usize::MAX))
        .min(total);
    let rows: Vec<&Row> = table.rows.get(start..end).unwrap_or_default().iter().collect();
    let more = end < total;
    // A token is only given where pages are stable: the rows have an id, and an order of their own.
    let pageable = table.columns.iter().any(|column| column == "id") && table.ordered && !table.limited;
    let mut body = json!({
        "totalRecords": total,
        "count": rows.len(),
        "resultTruncated": if more && !pageable { "true" } else { "false" },
        "facets": [],
        "data": data(&table, &rows, options.get("resultFormat").and_then(Value::as_str).unwrap_or("objectArray"))
            .ok_or_else(|| bad_request(state, json!({"code": "InvalidOption", "message": "The option 'resultFormat' must be 'objectArray' or 'table'."})))?,
    });
    if more && pageable {
        super::json::set(&mut body, "", "$skipToken", json!(write_token(end, fingerprint)));
    }
    let response = Response::json(200, &body);
    let size = response.body.len();
    if size > LARGEST_ANSWER {
        let message = format!(
            "Response payload size is {size}, and has exceeded the limit of {LARGEST_ANSWER}. Please consider querying less data at a time and make paginated call if needed."
        );
        return Err(bad_request(
            state,
            json!({"code": "ResponsePayloadTooLarge", "message": message}),
        ));
    }
    Ok(response
        .with("x-ms-user-quota-remaining", "14")
        .with("x-ms-user-quota-resets-after", "00:00:05"))
}

fn data(table: &Table, rows: &[&Row], format: &str) -> Option<Value> {
    if format.eq_ignore_ascii_case("objectArray") {
        return Some(json!(rows));
    }
    format.eq_ignore_ascii_case("table").then(|| {
        let columns: Vec<Value> = table
            .columns
            .iter()
            .map(|name| {
                let kind = match rows
                    .iter()
                    .find_map(|row| row.get(name).filter(|value| !value.is_null()))
                {
                    Some(Value::Number(_)) => "integer",
                    Some(Value::Bool(_)) => "boolean",
                    Some(Value::Object(_) | Value::Array(_)) => "object",
                    _ => "string",
                };
                json!({"name": name, "type": kind})
            })
            .collect();
        let values: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| {
                table
                    .columns
                    .iter()
                    .map(|name| row.get(name).cloned().unwrap_or_default())
                    .collect()
            })
            .collect();
        json!({"columns": columns, "rows": values})
    })
}

fn write_token(offset: usize, fingerprint: u64) -> String {
    data_encoding::BASE64.encode(
        json!({"offset": offset, "query": fingerprint.to_string()})
            .to_string()
            .as_bytes(),
    )
}

fn read_token(token: &str, fingerprint: u64) -> Option<u64> {
    let decoded = data_encoding::BASE64.decode(token.as_bytes()).ok()?;
    let value: Value = serde_json::from_slice(&decoded).ok()?;
    (text(&value, "/query") == fingerprint.to_string())
        .then(|| value.get("offset").and_then(Value::as_u64))
        .flatten()
}

fn scopes(state: &State, call: &Call) -> Result<Scopes, ArmError> {
    let mut scopes = Vec::new();
    for (pointer, prefix) in [
        ("/subscriptions", "/subscriptions/"),
        ("/managementGroups", "/providers/Microsoft.Management/managementGroups/"),
    ] {
        for given in items(&call.body, pointer) {
            let scope = state
                .scope(&format!("{prefix}{}", given.as_str().unwrap_or_default()))
                .map_err(|error| {
                    bad_request(
                        state,
                        json!({"code": "NoValidSubscriptionsInQueryRequest", "message": error.message}),
                    )
                })?;
            scopes.push(scope);
        }
    }
    let filter = text(&call.body, "/options/authorizationScopeFilter");
    let above = match filter {
        "" | "AtScopeAndBelow" | "AtScopeExact" => false,
        "AtScopeAndAbove" | "AtScopeAboveAndBelow" => true,
        other => {
            return Err(bad_request(
                state,
                json!({"code": "InvalidOption", "message": format!("The authorization scope filter '{other}' is not known.")}),
            ));
        }
    };
    Ok(Scopes { scopes, above })
}

fn bad_request(state: &State, detail: Value) -> ArmError {
    ArmError::bad_request(
        "BadRequest",
        format!(
            "Please provide below info when asking for support: timestamp = {}, correlationId = {}.",
            time::iso(state.now),
            state.instance
        ),
    )
    .detail(detail)
}

fn refuse(state: &State, query: &str, fault: &Fault) -> ArmError {
    let before: String = query.chars().take(fault.position).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    bad_request(
        state,
        json!({
            "code": "InvalidQuery",
            "message": "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying.",
        }),
    )
    .detail(json!({
        "code": fault.code, "message": fault.code, "line": line, "characterPositionInLine": column, "token": fault.token,
    }))
}

fn query(state: &State, scopes: &Scopes, text: &str) -> Result<Table, Fault> {
    let query = kql::parse(text)?;
    let wanted = |kind: &str| kql::may_want(&query, kind);
    let needs = &kql::needs(&query);
    let of = |keep: fn(&str) -> bool| resources(state, scopes, needs, move |kind| keep(kind) && wanted(kind));
    match query.table.as_str() {
        // What extends a resource, such as deployment safeguards, has no row here.
        "resources" => kql::run(&query, &COLUMNS, of(|kind| CLUSTERS.contains(&kind))),
        "policyresources" => {
            let objects = of(|kind| kind.starts_with("microsoft.authorization/policy"));
            kql::run(
                &query,
                &COLUMNS,
                objects.chain(policy_states(state, scopes, needs, wanted)),
            )
        }
        "securityresources" => {
            let plans = of(|kind| kind == "microsoft.security/pricings");
            kql::run(&query, &COLUMNS, plans.chain(security_rows(state, scopes, wanted)))
        }
        "resourcecontainers" => kql::run(&query, &COLUMNS, containers(state, scopes).into_iter()),
        _ => Err(Fault {
            code: "DisallowedLogicalTableName",
            position: 0,
            token: query.table.clone(),
        }),
    }
}

fn resources<'a>(
    state: &'a State,
    scopes: &'a Scopes,
    needs: &'a Needs,
    keep: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Row> + 'a {
    let mut known = BTreeMap::new();
    let kinds = state.resources.types().filter(move |kind| keep(kind));
    let documents = kinds.flat_map(|kind| state.of_type(kind).map(move |(_, document)| (kind, document)));
    documents.filter_map(move |(kind, document)| {
        let id = text(document, "/id");
        let made = super::address::Address::parse(id).scope;
        let here = *known
            .entry(made)
            .or_insert_with_key(|made| state.scope(made).is_ok_and(|made| scopes.hold(&made)));
        if !here || !super::access::may_read(state, document) {
            return None;
        }
        let mut row = blank(state, needs, (id, text(document, "/name"), kind));
        for key in [
            "kind",
            "location",
            "sku",
            "properties",
            "tags",
            "identity",
            "systemData",
        ] {
            if let Some(value) = document.get(key).filter(|_| needs.has(key)) {
                row.insert(key.to_owned(), value.clone());
            }
        }
        row.insert("subscriptionId".to_owned(), json!(part_of(id, "subscriptions")));
        row.insert("resourceGroup".to_owned(), json!(part_of(id, "resourceGroups")));
        Some(row)
    })
}

/// Returns the rows of compliance states, of the types that are wanted.
fn policy_states<'a>(
    state: &'a State,
    scopes: &'a Scopes,
    needs: &'a Needs,
    wanted: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Row> + 'a {
    let here = |cluster: &str| state.scope(cluster).is_ok_and(|made| scopes.hold(&made));
    states::for_graph(state, needs, here, wanted).map(|found| {
        let (cluster, kind, name) = (found.cluster.as_str(), found.kind, found.name);
        let (_, segment) = kind.split_once('/').unwrap_or_default();
        let id = format!("{cluster}/providers/Microsoft.PolicyInsights/{segment}/{name}");
        let mut row = blank(state, needs, (&id, &name, kind));
        row.insert("subscriptionId".to_owned(), json!(part_of(cluster, "subscriptions")));
        row.insert("resourceGroup".to_owned(), json!(part_of(cluster, "resourceGroups")));
        row.insert("properties".to_owned(), Value::Object(found.fields));
        row
    })
}

/// Returns the rows of what Defender for Cloud found about clusters; who may not read of security gets none, as it is in Azure.
fn security_rows(state: &State, scopes: &Scopes, wanted: impl Fn(&str) -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for finding in security::findings(state, wanted) {
        // An alert's id names a location, which is no scope: what counts is the resource group.
        let made = finding.id.split("/providers/").next().unwrap_or_default();
        let readable = json!({"id": finding.id});
        if !state.scope(made).is_ok_and(|made| scopes.hold(&made)) || !super::access::may_read(state, &readable) {
            continue;
        }
        let name = finding.id.rsplit('/').next().unwrap_or_default();
        let part = |index: usize| {
            finding
                .id
                .split('/')
                .nth(index)
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        let mut row = blank(state, &Needs::ALL, (&finding.id, name, finding.kind));
        row.insert("subscriptionId".to_owned(), json!(part(2)));
        row.insert("resourceGroup".to_owned(), json!(part(4)));
        row.insert("properties".to_owned(), finding.properties);
        rows.push(row);
    }
    rows
}

/// Returns the segment of an id that follows one, in lower case; empty if there is none.
fn part_of(id: &str, word: &str) -> String {
    super::address::part(id, word).unwrap_or_default().to_ascii_lowercase()
}

/// Returns a row with every column that is needed, empty or null as Resource Graph gives what a resource does not have.
fn blank(state: &State, needs: &Needs, (id, name, kind): (&str, &str, &str)) -> Row {
    let columns = COLUMNS.iter().filter(|column| needs.has(column));
    let value = |column: &str| match column {
        "id" => json!(id),
        "name" => json!(name),
        "type" => json!(kind),
        "tenantId" => json!(state.tenant),
        "kind" | "location" | "resourceGroup" | "subscriptionId" | "managedBy" => json!(""),
        _ => Value::Null,
    };
    columns.map(|column| ((*column).to_owned(), value(column))).collect()
}

fn containers(state: &State, scopes: &Scopes) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |id: String, name: &str, kind: &str, fill: &[(&str, Value)]| {
        if state.scope(&id).is_ok_and(|made| scopes.hold(&made)) {
            let mut row = blank(state, &Needs::ALL, (&id, name, kind));
            row.extend(fill.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
            rows.push(row);
        }
    };
    for group in &state.management_groups {
        let properties = json!({"displayName": group.display_name, "tenantId": state.tenant, "details": {"parent": {"name": group.parent}}});
        add(
            format!("/providers/Microsoft.Management/managementGroups/{}", group.name),
            &group.name,
            "microsoft.management/managementgroups",
            &[("properties", properties)],
        );
    }
    for subscription in &state.subscriptions {
        let id = format!("/subscriptions/{}", subscription.id);
        let chain: Vec<Value> = state.scope(&id).map(|scope| scope.chain).unwrap_or_default().iter().skip(1).map(|above| {
            let name = above.rsplit('/').next().unwrap_or_default();
            let group = state.management_group(name);
            json!({"name": group.map_or(name, |group| group.name.as_str()), "displayName": group.map(|group| group.display_name.as_str())})
        }).collect();
        let properties = json!({"state": "Enabled", "managementGroupAncestorsChain": chain});
        add(
            id,
            &subscription.name,
            "microsoft.resources/subscriptions",
            &[("properties", properties), ("subscriptionId", json!(subscription.id))],
        );
    }
    for group in state.resource_groups.iter() {
        add(
            format!("/subscriptions/{}/resourceGroups/{}", group.subscription, group.name),
            &group.name,
            "microsoft.resources/subscriptions/resourcegroups",
            &[
                ("properties", json!({"provisioningState": "Succeeded"})),
                ("subscriptionId", json!(group.subscription)),
                ("resourceGroup", json!(group.name.to_ascii_lowercase())),
                ("location", json!(group.location)),
                ("tags", Value::Object(Map::new())),
            ],
        );
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_result_belong_together_and_a_first_page_is_as_of_now() {
        let first = Asked {
            instance: "i".to_owned(),
            revision: 3,
            now: 1_000,
            query: "resources".to_owned(),
            scopes: [Value::Null, Value::Null, Value::Null],
        };
        let at = |now, revision| Asked {
            now,
            revision,
            ..first.clone()
        };
        for (asked, further, expected) in [
            (at(1_000, 3), false, true),
            (at(1_001, 3), false, false),
            (at(1_001, 3), true, true),
            (at(1_300, 3), true, true),
            (at(1_301, 3), true, false),
            (at(999, 3), true, false),
            (at(1_001, 4), true, false),
        ] {
            assert_eq!(asked.is_answered_by(&first, further), expected, "{asked:?}, {further}");
        }
        let other = Asked {
            query: "other".to_owned(),
            ..first.clone()
        };
        assert!(!other.is_answered_by(&first, true));
    }
}
