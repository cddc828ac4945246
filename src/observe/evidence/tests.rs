//! Reading evidence through a scripted transport.

use super::*;
use crate::arm::ArmErrorKind;
use crate::arm::testing::{Script, Turn, answer};
use crate::evidence::{Coverage, Heard, MemberState};
use crate::kinds::Kind;
use crate::observed::Cluster;
use serde_json::json;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const SET: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/policySetDefinitions/set";
const RULE: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/policyDefinitions/rule";
const FRESH: &str = "2027-01-04T07:30:00Z";
const OLD: &str = "2027-01-01T07:30:00Z";

fn now() -> Timestamp {
    Timestamp::parse("2027-01-04T08:00:00Z").unwrap()
}

fn cluster_id(name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/{name}"
    )
}

fn assignment() -> LiveObject {
    let id = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/a");
    live(
        Kind::PolicyAssignment,
        &id,
        json!({"properties": {"policyDefinitionId": SET}}),
    )
}

fn live(kind: Kind, id: &str, mut wire: Value) -> LiveObject {
    wire["systemData"] = json!({"lastModifiedAt": "2027-01-01T00:00:00Z"});
    LiveObject {
        kind,
        id: ResourceId::parse(id).unwrap(),
        wire,
        etag: None,
    }
}

fn world(clusters: &[&str]) -> Observed {
    let mut observed = Observed::default();
    let members = json!([{"policyDefinitionId": RULE, "policyDefinitionReferenceId": "Rule"}]);
    let set = json!({"properties": {"policyDefinitions": members}});
    observed.insert(live(Kind::PolicySetDefinition, SET, set));
    for name in clusters {
        let id = ResourceId::parse(&cluster_id(name)).unwrap();
        observed.clusters.push(Cluster {
            id,
            location: "westeurope".into(),
            tags: BTreeMap::new(),
            provisioning_state: "Succeeded".into(),
            power_state: "Running".into(),
            sku: String::new(),
            linux: None,
        });
        let wire = json!({"properties": {"addonProfiles": {"azurepolicy": {"enabled": true}}}});
        observed.insert(live(Kind::ManagedCluster, &cluster_id(name), wire));
    }
    observed
}

/// A row as Policy Insights writes it, in the casing that it likes.
fn row(cluster: &str, state: &str, timestamp: &str) -> Value {
    json!({
        "@odata.id": null, "timestamp": timestamp, "resourceId": cluster_id(cluster).to_lowercase(),
        "policyAssignmentId": assignment().id.key(), "policyDefinitionId": RULE.to_lowercase(), "effectiveParameters": null,
        "policyDefinitionReferenceId": "rule", "policyDefinitionAction": "audit", "complianceState": state,
        "isCompliant": state == "Compliant", "policySetDefinitionVersion": "1.0.0",
    })
}

fn component(cluster: &str, pod: usize, timestamp: &str) -> Value {
    let mut row = row(cluster, "NonCompliant", timestamp);
    row["componentId"] = json!(format!("shop/pod{pod}"));
    row["componentType"] = json!("Pod");
    row
}

const SHORT: [(&str, &str); 8] = [
    ("a", "policyAssignmentId"),
    ("d", "policyDefinitionId"),
    ("r", "policyDefinitionReferenceId"),
    ("e", "policyDefinitionAction"),
    ("s", "complianceState"),
    ("t", "timestamp"),
    ("c", "componentId"),
    ("k", "componentType"),
];

fn kind(row: &Value) -> &'static str {
    if row.get("componentId").is_some() {
        "component"
    } else {
        "state"
    }
}

/// The rows that Resource Graph has of each cluster, as it writes them.
fn by_cluster(rows: &[Value]) -> Vec<Value> {
    let mut clusters: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in rows {
        let mut short = json!({"y": kind(row)});
        for (key, name) in SHORT {
            short[key] = row.get(name).cloned().unwrap_or(json!(""));
        }
        let cluster = row["resourceId"].as_str().unwrap().to_owned();
        clusters.entry(cluster).or_default().push(short);
    }
    let row = |(id, reported): (String, Vec<Value>)| json!({"id": id, "total": reported.len(), "reported": reported});
    clusters.into_iter().map(row).collect()
}

/// Resource Graph's answer with a row of each cluster.
fn graph(rows: &[Value]) -> Turn {
    table(&by_cluster(rows))
}

/// Resource Graph's answer with each row by itself.
fn one_by_one(rows: &[Value]) -> Turn {
    let rows = rows.iter().cloned().map(|mut row| {
        row["reported"] = json!(kind(&row));
        row
    });
    table(&rows.collect::<Vec<Value>>())
}

/// Resource Graph's answer with these rows.
fn table(rows: &[Value]) -> Turn {
    answer(
        200,
        json!({"data": rows, "resultTruncated": "false", "totalRecords": rows.len()}),
    )
}

fn insights(rows: &[Value]) -> Turn {
    answer(
        200,
        json!({"@odata.count": rows.len(), "@odata.nextLink": null, "value": rows}),
    )
}

fn ask(script: &Script, observed: &Observed) -> Result<Evidence, EvidenceError> {
    let assignment = assignment();
    let asked = [Asked {
        assignment: &assignment,
        ignored: &[],
        namespaces: None,
    }];
    let scope = Scope::Subscription(SUBSCRIPTION.to_owned());
    script.run(|client| async move { evidence(&client, &scope, (observed, Catalog::embedded()), &asked, now()).await })
}

fn again(script: &Script, observed: &Observed) -> Result<(GateEvidence, Rows), EvidenceError> {
    let assignment = assignment();
    let asked = Asked {
        assignment: &assignment,
        ignored: &[],
        namespaces: None,
    };
    script.run(|client| async move { evidence_again(&client, (observed, Catalog::embedded()), asked, now()).await })
}

#[test]
fn one_query_of_resource_graph_is_enough_where_all_were_heard_of() {
    let script = Script::new([graph(&[
        row("c", "NonCompliant", FRESH),
        row("d", "Compliant", FRESH),
        component("c", 1, FRESH),
    ])]);
    let found = ask(&script, &world(&["c", "d"])).unwrap();
    let gate = &found.gates[&assignment().id];
    let said: Vec<_> = gate
        .clusters
        .iter()
        .map(|of| (of.name.as_str(), of.violations().n))
        .collect();
    assert_eq!(said, [("c", 1), ("d", 0)]);
    assert!(gate.clusters.iter().all(|of| of.coverage == Coverage::Reporting));
    let query = script.requests()[0].body["query"].as_str().unwrap().to_owned();
    assert!(query.contains("'microsoft.policyinsights/policystates'"), "{query}");
    assert!(query.contains(&format!("in~ ('{}')", assignment().id)), "{query}");
    assert!(
        query.ends_with("| order by id asc") && query.contains("| project id,"),
        "{query}"
    );
    assert!(query.contains("by id = tostring(properties.resourceId)"), "{query}");
}

/// The second query that was asked.
fn second_query(script: &Script) -> String {
    let query = script.requests()[1].body["query"].as_str().unwrap().to_owned();
    assert!(
        query.contains("| project id, ") && !query.contains("summarize"),
        "{query}"
    );
    query
}

#[test]
fn rows_of_a_cluster_that_are_not_whole_are_asked_for_one_by_one() {
    let of = |name: &str| [row(name, "NonCompliant", FRESH), component(name, 1, FRESH)];
    let (bad, good) = (by_cluster(&of("c")).remove(0), by_cluster(&of("d")).remove(0));
    let with = |path: &str, value: Value| {
        let mut row = bad.clone();
        *row.pointer_mut(path).unwrap() = value;
        row
    };
    for bad in [
        with("/total", json!(3)),
        with("/total", json!(1)),
        with("/total", Value::Null),
        with("/reported", json!(bad["reported"].to_string())),
        with("/reported", Value::Null),
        with("/reported/0", json!("text")),
        with("/reported/0/y", json!("")),
        with("/reported/1/t", json!("01/04/2027 08:00:00")),
    ] {
        let script = Script::new([table(&[bad.clone(), good.clone()]), one_by_one(&of("c"))]);
        let found = ask(&script, &world(&["c", "d"])).unwrap();
        let gate = &found.gates[&assignment().id];
        let said: Vec<u64> = gate.clusters.iter().map(|of| of.violations().n).collect();
        assert_eq!(said, [1, 1], "{bad}");
        let query = second_query(&script);
        let only = format!(
            "| where tostring(properties.resourceId) in~ ('{}') |",
            cluster_id("c").to_lowercase()
        );
        assert!(query.contains(&only), "{query}");
    }
}

#[test]
fn where_rows_of_clusters_are_not_to_be_had_each_row_is_asked_for() {
    let rows = [row("c", "NonCompliant", FRESH), component("c", 1, FRESH)];
    let refused = json!({"error": {"code": "BadRequest", "message": "no", "details": [{"code": "InvalidQuery", "message": "no"}]}});
    let many: Vec<Value> = (0..51)
        .map(|n| json!({"id": format!("/c/{n}"), "total": 1, "reported": []}))
        .collect();
    let mut fewer = json!({"data": by_cluster(&rows), "resultTruncated": "false", "totalRecords": 2});
    let bad = [
        answer(400, refused),
        table(&[json!("c")]),
        table(&many),
        answer(200, json!({"data": [], "resultTruncated": "true"})),
        answer(200, fewer.take()),
    ];
    for bad in bad {
        let script = Script::new([bad, one_by_one(&rows)]);
        let found = ask(&script, &world(&["c"])).unwrap();
        assert_eq!(found.gates[&assignment().id].violations().n, 1);
        let query = second_query(&script);
        assert!(!query.contains("where tostring(properties.resourceId)"), "{query}");
        assert!(
            query.contains("resourceId = tostring(properties.resourceId), policyAssignmentId = "),
            "{query}"
        );
    }
    // What has another reason is none of the form's.
    let denied = answer(403, json!({"error": {"code": "AuthorizationFailed", "message": "no"}}));
    let script = Script::new([denied]);
    assert!(matches!(ask(&script, &world(&["c"])), Err(EvidenceError::Arm(error)) if error.status() == Some(403)));
}

#[test]
fn no_assignment_asks_nothing() {
    let script = Script::new([]);
    let (scope, observed) = (Scope::Subscription(SUBSCRIPTION.to_owned()), world(&["c"]));
    let found = script
        .run(|client| async move { evidence(&client, &scope, (&observed, Catalog::embedded()), &[], now()).await });
    assert!(found.unwrap().gates.is_empty());
}

#[test]
fn policy_insights_is_asked_where_resource_graph_is_behind() {
    let script = Script::new([
        graph(&[row("c", "Compliant", OLD), component("c", 1, OLD)]),
        insights(&[row("c", "NonCompliant", FRESH)]),
        insights(&[component("c", 2, FRESH), component("c", 3, FRESH)]),
    ]);
    let found = ask(&script, &world(&["c"])).unwrap();
    let cluster = &found.gates[&assignment().id].clusters[0];
    assert_eq!(cluster.members["rule"].state, MemberState::NonCompliant);
    assert_eq!(
        cluster.violations().n,
        2,
        "what Resource Graph said of objects is as old as the rest of it"
    );
    let requests = script.requests();
    let url = &requests[1].url;
    let start =
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults?");
    assert!(requests[1].method == "POST" && url.contains(&start), "{url}");
    assert!(
        url.contains("$from=2027-01-01T08:00:00Z"),
        "one day is the default: {url}"
    );
    assert!(url.contains("policyAssignmentId%20eq%20%27/subscriptions/"), "{url}");
    assert!(requests[2].url.contains("componentPolicyStates/latest") && requests[2].url.contains("$top=1000"));
    assert_eq!(script.client().calls().writes, 0, "these posts read");
}

#[test]
fn a_cluster_that_neither_knows_was_never_heard_of() {
    let script = Script::new([graph(&[]), insights(&[])]);
    let found = ask(&script, &world(&["c"])).unwrap();
    let gate = &found.gates[&assignment().id];
    assert_eq!(gate.clusters[0].coverage, Coverage::NeverSeen);
    assert!(!gate.violations().is_none());
}

#[test]
fn of_members_that_are_not_known_nothing_is_concluded() {
    let mut observed = world(&["c"]);
    let mut foreign = observed
        .get(Kind::PolicySetDefinition, &ResourceId::parse(SET).unwrap())
        .unwrap()
        .clone();
    foreign.wire["properties"]["policyDefinitions"] = json!("cut");
    observed.insert(foreign);
    let fresh = || [row("c", "Compliant", FRESH)];
    let script = Script::new([graph(&fresh()), insights(&fresh())]);
    let found = ask(&script, &observed).unwrap();
    let gate = &found.gates[&assignment().id];
    assert_eq!((gate.changed, gate.clusters[0].members.len()), (None, 0));
    let heard = &freshness(gate, None, SETTLE, now())[0].heard;
    assert_eq!(*heard, Heard::NotYet { awaited: 0, of: 0 });
}

#[test]
fn the_second_look_asks_policy_insights_alone_and_follows_its_pages() {
    let next = "https://management.azure.com/subscriptions/x/next?$skiptoken=1";
    let script = Script::new([
        answer(
            200,
            json!({"value": [row("c", "NonCompliant", FRESH)], "@odata.nextLink": next}),
        ),
        insights(&[row("d", "Compliant", FRESH)]),
        insights(&[component("c", 1, FRESH)]),
    ]);
    let (gate, rows) = again(&script, &world(&["c", "d"])).unwrap();
    assert_eq!((gate.clusters.len(), rows.components.len()), (2, 1));
    let requests = script.requests();
    assert!(requests.iter().all(|request| request.method == "POST"));
    assert_eq!(requests[1].url, next);
}

#[test]
fn full_answers_are_narrowed_to_the_cluster_and_the_policy() {
    let many = |n: usize| (0..n).map(|pod| component("c", pod, FRESH)).collect::<Vec<_>>();
    let states = || insights(&[row("c", "NonCompliant", FRESH), row("d", "Compliant", FRESH)]);
    let script = Script::new([
        states(),
        insights(&many(1_000)),
        insights(&many(1_000)),
        insights(&many(500)),
        insights(&[]),
    ]);
    let (gate, _) = again(&script, &world(&["c", "d"])).unwrap();
    assert_eq!(gate.violations().to_string(), "at least 500");
    let urls: Vec<String> = script.requests().iter().map(|request| request.url.clone()).collect();
    assert!(
        urls[2].contains("resourceId%20eq") && !urls[2].contains("policyDefinitionId%20eq"),
        "{urls:?}"
    );
    assert!(urls[3].contains("policyDefinitionId%20eq"), "{urls:?}");

    let full = || insights(&many(1_000));
    let script = Script::unfinished([states(), full(), full(), full()]);
    let error = again(&script, &world(&["c", "d"])).unwrap_err();
    assert!(error.to_string().contains("on cluster `c` did not all come"), "{error}");
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_left_out() {
    let mut broken = row("c", "Compliant", FRESH);
    broken["timestamp"] = Value::Null;
    let rows = [row("c", "Compliant", FRESH), broken];
    let script = Script::new([graph(&rows), one_by_one(&rows)]);
    let error = ask(&script, &world(&["c"])).unwrap_err();
    assert!(
        matches!(error, EvidenceError::Row(RowError::Column("timestamp"))),
        "{error}"
    );

    let mut nowhere = row("c", "Compliant", FRESH);
    nowhere["resourceId"] = json!("");
    let script = Script::new([graph(&[nowhere.clone()]), one_by_one(&[nowhere])]);
    let error = ask(&script, &world(&["c"])).unwrap_err();
    assert!(
        matches!(error, EvidenceError::Row(RowError::Column("resourceId"))),
        "{error}"
    );

    let mut of_what = row("c", "Compliant", FRESH);
    of_what["reported"] = json!("");
    let cut = || answer(200, json!({"data": [], "resultTruncated": "true"}));
    let error = ask(&Script::new([cut(), table(&[of_what])]), &world(&["c"])).unwrap_err();
    assert!(matches!(error, EvidenceError::Row(RowError::Column("type"))), "{error}");

    let script = Script::new([cut(), cut()]);
    let error = ask(&script, &world(&["c"])).unwrap_err();
    assert!(matches!(error, EvidenceError::Arm(error) if error.kind() == ArmErrorKind::Truncated));

    let script = Script::new([answer(200, json!({"@odata.count": 0}))]);
    assert!(
        again(&script, &world(&["c"])).is_err(),
        "no `value` is not an empty one"
    );
}
