//! Tests of the query language on a few rows.

use serde_json::{Value, json};

use super::{Row, parse, run};

const COLUMNS: [&str; 6] = ["id", "name", "type", "tags", "properties", "location"];

fn rows() -> Vec<Row> {
    [
        json!({"id": "/c/1", "name": "aks-prod-weu", "type": "t/clusters", "location": "westeurope", "tags": {"gates": "on"},
            "properties": {"power": {"code": "Running"}, "on": true, "pools": [{"count": 3}], "size": 3}}),
        json!({"id": "/c/2", "name": "AKS-dev", "type": "t/clusters", "location": "northeurope", "tags": null,
            "properties": {"power": {"code": "Stopped"}, "on": false, "pools": [], "size": 10}}),
        json!({"id": "/d/3", "name": "disk", "type": "t/disks", "location": "westeurope", "tags": {"gates": "off"}, "properties": {"size": 2}}),
    ]
    .into_iter()
    .map(|row| row.as_object().cloned().unwrap())
    .collect()
}

/// Runs a query and returns the values of the first column, or the code and token of its fault.
fn first(query: &str) -> Result<Vec<Value>, (&'static str, String)> {
    let fault = |fault: super::Fault| (fault.code, fault.token);
    let query = parse(query).map_err(fault)?;
    let table = run(&query, &COLUMNS, rows().into_iter()).map_err(fault)?;
    let column = table.columns.first().cloned().unwrap();
    Ok(table
        .rows
        .iter()
        .map(|row| row.get(&column).cloned().unwrap_or_default())
        .collect())
}

#[test]
fn conditions_keep_the_rows_they_should() {
    for (condition, expected) in [
        ("name == 'disk'", "3"),
        ("name == 'DISK'", ""),
        ("name =~ 'DISK'", "3"),
        ("name != 'disk'", "12"),
        ("name !~ 'DISK'", "12"),
        ("location in ('westeurope', 'x')", "13"),
        ("location in~ ('WESTEUROPE')", "13"),
        ("location !in~ ('WESTEUROPE')", "2"),
        ("location !in ('westeurope')", "2"),
        ("name contains 'PROD'", "1"),
        ("name !contains 'prod'", "23"),
        ("name has 'prod'", "1"),
        ("name has 'pro'", ""),
        ("name startswith 'aks'", "12"),
        ("name endswith 'DEV'", "2"),
        ("name !startswith 'aks'", "3"),
        ("isnotempty(tags.gates)", "13"),
        ("isempty(tags['gates'])", "2"),
        ("not(tags.gates == 'on')", "23"),
        ("tags.gates == 'on' or name =~ 'aks-DEV' and location == 'x'", "1"),
        (
            "(tags.gates == 'on' or name =~ 'aks-DEV') and location == 'northeurope'",
            "2",
        ),
        ("properties.on == true", "1"),
        ("tobool(properties.on)", "1"),
        ("properties.on == false", "2"),
        ("tostring(properties.power.code) == 'Stopped'", "2"),
        ("tolower(properties['power'].code) == 'running'", "1"),
        ("properties.Power.code == 'Running'", ""),
        ("properties.pools[0].count == 3", "1"),
        ("array_length(properties.pools) == 0", "2"),
        ("properties.size > 2 and properties.size <= 10", "12"),
        ("properties.none < 5", ""),
        ("isnull(properties.on)", "3"),
        ("iff(properties.on == true, 'a', 'b') == 'b'", "23"),
        ("coalesce(tags.gates, 'unset') == 'unset'", "2"),
        ("strcat(name, '/', location) == 'disk/westeurope'", "3"),
        ("type == 't/clusters' // a comment", "12"),
    ] {
        let ids =
            first(&format!("resources | where {condition}")).unwrap_or_else(|fault| panic!("{condition}: {fault:?}"));
        let found: String = ids
            .iter()
            .map(|id| id.as_str().unwrap().chars().last().unwrap())
            .collect();
        assert_eq!(found, expected, "{condition}");
    }
}

#[test]
fn operators_shape_the_table() {
    let run = |query: &str| first(query).unwrap_or_else(|fault| panic!("{query}: {fault:?}"));
    assert_eq!(
        run("Resources | order by name asc | project name"),
        ["AKS-dev", "aks-prod-weu", "disk"]
    );
    assert_eq!(
        run("resources | sort by tostring(properties.size) | project name, id"),
        ["aks-prod-weu", "disk", "AKS-dev"]
    );
    assert_eq!(
        run("resources | order by properties.size desc, name asc | project n = name | limit 2"),
        ["AKS-dev", "aks-prod-weu"]
    );
    assert_eq!(run("resources | top 1 by properties.size asc | project name"), ["disk"]);
    assert_eq!(run("resources | count"), [json!(3)]);
    assert_eq!(run("resources | where name == 'none' | summarize count()"), [json!(0)]);
    assert_eq!(
        run("resources | summarize c = count() by location | order by c desc | project location"),
        ["westeurope", "northeurope"]
    );
    assert_eq!(
        run("resources | summarize max(properties.size), min(properties.size)"),
        [json!(10)]
    );
    assert_eq!(run("resources | distinct location"), ["northeurope", "westeurope"]);
    assert_eq!(
        run("resources | summarize make_list(properties.on), count() by none = 'x' | project list_properties_on"),
        [json!([true, false])],
        "a null is no value"
    );
    assert_eq!(
        run(
            "resources | summarize all = make_list(pack('n', name, 'on', properties.on), 2) by l = location | order by l desc | project all"
        ),
        [
            json!([{"n": "aks-prod-weu", "on": true}, {"n": "disk", "on": null}]),
            json!([{"n": "AKS-dev", "on": false}])
        ]
    );
    assert_eq!(
        run("resources | where name == 'disk' | project bag_pack('a', 1)"),
        [json!({"a": 1})]
    );
    assert_eq!(
        run(
            "resources | extend code = tostring(properties.power.code) | where code == 'Running' | project-away type | project code"
        ),
        ["Running"]
    );
    assert_eq!(
        run("where name == 'disk'"),
        ["/d/3"],
        "a query may start without a table"
    );
    let table = super::run(
        &parse("resources | project properties.power.code, tostring(tags.gates)").unwrap(),
        &COLUMNS,
        rows().into_iter(),
    )
    .unwrap();
    assert_eq!(table.columns, ["properties_power_code", "tags_gates"]);
}

#[test]
fn what_is_not_understood_is_a_fault_and_never_ignored() {
    for (query, code, token) in [
        ("resources | mv-expand tags", "InvalidQueryLanguage", "mv-expand"),
        ("resources | join kind=inner (x) on id", "InvalidQueryLanguage", "join"),
        ("resources | where none == 1", "FailedToResolveColumn", "none"),
        (
            "resources | project id | where name == 'x'",
            "FailedToResolveColumn",
            "name",
        ),
        (
            "resources | where substring(name, 1) == 'x'",
            "UnknownFunction",
            "substring",
        ),
        ("resources | where name matches regex 'x'", "ParserFailure", "matches"),
        ("resources | where name == ", "ParserFailure", "<EOF>"),
        ("resources | where name == 'open", "ParserFailure", "open"),
        ("resources where name == 'x'", "ParserFailure", "where"),
        ("resources | where (name == 'x'", "ParserFailure", "<EOF>"),
        ("resources | summarize avg(properties.size)", "UnknownFunction", "avg"),
        ("resources | limit many", "ParserFailure", "many"),
        ("resources | project pack('a')", "ParserFailure", "pack"),
        ("resources | project pack('a', 1, 'b')", "ParserFailure", "pack"),
        ("resources | summarize make_list(none)", "FailedToResolveColumn", "none"),
        ("", "ParserFailure", ""),
        ("resources | where name == #", "ParserFailure", "#"),
    ] {
        assert_eq!(first(query), Err((code, token.to_owned())), "{query}");
    }
    let deep = format!("resources | where {}name == 'x'{}", "(".repeat(500), ")".repeat(500));
    assert!(first(&deep).is_err());
}

#[test]
fn types_that_a_query_cannot_want_are_known_before_there_are_rows() {
    for (query, kind, wanted) in [
        ("resources", "t/disks", true),
        ("resources | where type =~ 'T/Disks'", "t/disks", true),
        ("resources | where type =~ 'T/Disks'", "t/clusters", false),
        (
            "resources | where name == 'x' and type in~ ('t/clusters')",
            "t/disks",
            false,
        ),
        (
            "resources | where name == 'x' | where type == 't/clusters' | count",
            "t/disks",
            false,
        ),
        ("resources | where name == 'x' or type == 't/clusters'", "t/disks", true),
        // What comes after a change of the columns may speak of another `type`.
        (
            "resources | extend type = 't/clusters' | where type == 't/clusters'",
            "t/disks",
            true,
        ),
    ] {
        assert_eq!(super::may_want(&parse(query).unwrap(), kind), wanted, "{query}, {kind}");
    }
}

#[test]
fn what_a_query_cannot_show_is_known_before_there_are_rows() {
    for (query, name, needed) in [
        ("resources", "tags", true),
        ("resources | where name == 'x' | order by id asc", "tags", true),
        ("resources | project id", "tags", false),
        ("resources | project id | project-away id", "tags", false),
        ("resources | where tags.a == 'x' | count", "tags", true),
        ("resources | count", "id", false),
        ("resources | project tostring(properties.size)", "size", true),
        ("resources | project tostring(properties.size)", "on", false),
        ("resources | project tostring(properties['size'])", "size", true),
        ("resources | project properties", "on", true),
        (
            "resources | summarize make_list(pack('a', properties.on)) by location",
            "on",
            true,
        ),
        (
            "resources | summarize make_list(pack('a', properties.on)) by location",
            "location",
            true,
        ),
        (
            "resources | extend a = iff(location in~ ('x'), name, id) | distinct a | order by a asc",
            "name",
            true,
        ),
        ("resources | extend a = location | distinct a", "name", false),
    ] {
        assert_eq!(
            super::needs(&parse(query).unwrap()).has(name),
            needed,
            "{query}, {name}"
        );
    }
}
