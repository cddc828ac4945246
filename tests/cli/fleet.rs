//! What a fleet costs: how many calls, and how many of them wait for one another. Both are exact, and neither grows with the clusters but by
//! the pages of one query.

use crate::faults::served::{Exchange, Served};
use crate::harness::Folder;
use serde_json::{Value, json};

/// An estate whose one environment holds a fleet.
fn fleet(clusters: u32, subscriptions: u32) -> Folder {
    let folder = Folder::shipped();
    folder.write(
        "environments/fleet.yaml",
        "scope: managementGroups/contoso\n\
         gates:\n  pod-security: {initiative: pod-security-baseline, target: audit}\n\
         defender: {containers: {mode: require, tier: Standard}}\n\
         clusters: {policyAddon: {mode: policy}}\n",
    );
    for name in ["dev", "test", "prod"] {
        folder.remove(&format!("environments/{name}.yaml"));
    }
    folder.remove("aksgate.lock");
    let reset = format!("sandbox reset --quiet --clusters {clusters} --subscriptions {subscriptions}");
    folder.run(&reset).expect(0);
    folder
}

fn costs(folder: &Folder, line: &str) -> String {
    let run = folder.run(&format!("{line} --sandbox --verbose"));
    assert!(matches!(run.code, 0 | 2), "{run:?}");
    let told = run
        .stderr
        .lines()
        .find(|line| line.contains("round trips one after another"));
    let told = told.unwrap_or_else(|| panic!("no calls are told:\n{}", run.stderr));
    // How many bytes an answer has is nobody's promise.
    told.trim()
        .rsplit_once(", ")
        .and_then(|(head, _)| head.rsplit_once(", "))
        .unwrap()
        .0
        .to_owned()
}

#[test]
fn a_plan_of_a_large_fleet_takes_as_many_round_trips_as_one_of_a_small_fleet() {
    let (small, large) = (fleet(12, 3), fleet(1_200, 20));
    let both = "6 reads, 4 Resource Graph queries, 0 writes, 0 polls, 0 repeated; 2 round trips one after another";
    assert_eq!(costs(&small, "plan fleet"), both);
    // One more page of clusters.
    let pages = both.replace("4 Resource Graph queries", "5 Resource Graph queries");
    assert_eq!(costs(&large, "plan fleet"), pages);
    small.run("apply fleet --sandbox --yes --quiet").expect(0);
    assert_eq!(costs(&small, "plan fleet"), both, "a settled fleet is no dearer");
    // Commands that only look tell what they cost too; three clusters lack the add-on, which ARM is asked before it is said.
    let drift = "9 reads, 4 Resource Graph queries, 0 writes, 0 polls, 0 repeated; 3 round trips one after another";
    assert_eq!(costs(&small, "drift fleet"), drift);
    let looked = "9 reads, 5 Resource Graph queries, 0 writes, 0 polls, 0 repeated; 5 round trips one after another";
    assert_eq!(costs(&small, "coverage fleet"), looked);
    // What clusters report is asked for too, of gates that take no step as well.
    let heard = "7 reads, 5 Resource Graph queries, 0 writes, 0 polls, 0 repeated; 4 round trips one after another";
    assert_eq!(costs(&small, "status fleet"), heard);
}

#[test]
fn what_clusters_report_takes_a_row_for_each_cluster_and_not_for_each_policy_on_it() {
    let fleet = fleet(400, 3);
    fleet.run("apply fleet --sandbox --yes --quiet").expect(0);
    fleet.run("sandbox advance 1d --quiet").expect(0);
    let reporting = fleet.resources(|id, cluster| {
        let on = cluster.pointer("/properties/addonProfiles/azurepolicy/enabled") == Some(&json!(true));
        id.contains("/managedclusters/") && on && cluster["properties"]["powerState"]["code"] == "Running"
    });
    // The baseline has five members: more rows than a page holds, and still one query.
    assert!(reporting.len() * 5 > 1_100, "{}", reporting.len());
    let heard = "6 reads, 5 Resource Graph queries, 0 writes, 0 polls, 0 repeated; 3 round trips one after another";
    assert_eq!(costs(&fleet, "status fleet"), heard);
}

#[test]
fn where_azure_refuses_the_query_by_cluster_the_same_is_read_row_by_row() {
    let compliance = |rules: &Value| {
        let folder = Folder::applied();
        // At this moment no cluster reports anew for minutes.
        folder.run("sandbox advance 1d --quiet").expect(0);
        folder.run("sandbox advance 2m --quiet").expect(0);
        let served = Served::new(folder, rules, 0);
        let run = served.run("compliance dev --format json");
        assert!(matches!(run.code, 0 | 2), "{run:?}");
        let mut found: Value = serde_json::from_str(&run.stdout).unwrap();
        // When it was asked, and whom.
        let environment = &mut found["environments"][0];
        (environment["time"], environment["endpoint"]) = (Value::Null, Value::Null);
        for violation in environment["violations"].as_array_mut().unwrap() {
            violation["firstSeen"] = Value::Null;
        }
        let mut queries = served.exchanges();
        queries.retain(|exchange| exchange.path.ends_with("/microsoft.resourcegraph/resources"));
        (found, queries)
    };
    let by_cluster = |query: &Exchange| query.body["query"].as_str().unwrap().contains("summarize");
    let (found, queries) = compliance(&json!([]));
    let nth = queries.iter().position(by_cluster).unwrap() + 1;
    let violations = found["environments"][0]["violations"].as_array().unwrap().len();
    assert!(violations > 10, "{found:#}");
    let refused =
        json!({"kind": "error", "status": 400, "code": "BadRequest", "message": "The query cannot be understood."});
    let rules = json!([{"path": "*/Microsoft.ResourceGraph/resources", "nth": nth, "action": refused}]);
    let (again, asked) = compliance(&rules);
    let struck: Vec<&Exchange> = asked.iter().filter(|query| !query.fault.is_empty()).collect();
    assert!(struck.len() == 1 && by_cluster(struck[0]), "{asked:#?}");
    assert_eq!(asked.len(), queries.len() + 1, "one query more");
    assert_eq!(again, found);
}

#[test]
fn many_clusters_to_write_are_better_left_to_azure_policy() {
    let fleet = fleet(40, 5);
    fleet.edit("environments/fleet.yaml", "{mode: policy}", "{mode: manage}");
    let proposed = |folder: &Folder| {
        let findings = folder.plan("fleet")["plan"]["findings"].clone();
        let found = findings
            .as_array()
            .unwrap()
            .iter()
            .filter(|found| found["subject"] == "fleet");
        found
            .map(|found| found["sentence"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(proposed(&fleet).is_empty(), "a few are written one by one");
    fleet.edit("environments/fleet.yaml", "clusters: {", "clusters: {fleetAbove: 5, ");
    let said = proposed(&fleet);
    assert!(
        said[0].starts_with("6 clusters would be written one by one")
            && said[0].contains("`policyAddon: {mode: policy}`"),
        "{said:?}"
    );
    fleet.edit("environments/fleet.yaml", "fleetAbove: 5", "fleetAbove: 6");
    assert!(proposed(&fleet).is_empty());
}

#[test]
fn what_would_be_written_is_read_exactly_and_at_once() {
    let fleet = fleet(40, 5);
    fleet.edit("environments/fleet.yaml", "{mode: policy}", "{mode: manage}");
    fleet.edit("environments/fleet.yaml", "{mode: require,", "{mode: manage,");
    let plan = &fleet.plan("fleet")["plan"];
    let pending = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["action"] != "no-op");
    let of = |kind: &str| pending.clone().filter(|step| step["kind"] == kind).count();
    let held = plan["held"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|held| held["plane"] == "clusters")
        .count();
    let (clusters, plans) = (of("managedCluster"), of("defenderPlan"));
    assert!(clusters > 0 && plans > 0, "{clusters} {plans}");
    let exact = clusters + plans + held;
    let (reads, rounds) = (6 + exact, 2 + exact.div_ceil(10));
    assert_eq!(
        costs(&fleet, "plan fleet"),
        format!(
            "{reads} reads, 5 Resource Graph queries, 0 writes, 0 polls, 0 repeated; {rounds} round trips one after another"
        )
    );
}

/// When the clusters of a fleet were changed, by the sandbox's clock: the start and the end of each operation, in order.
fn changed(at_once: u32, options: &str) -> Vec<(i64, i64)> {
    let fleet = fleet(60, 5);
    fleet.edit(
        "environments/fleet.yaml",
        "defender: {containers: {mode: require, tier: Standard}}\n",
        "",
    );
    let stated = format!("{{mode: manage}}, atOnce: {at_once}");
    fleet.edit("environments/fleet.yaml", "{mode: policy}", &stated);
    let mut state = fleet.state();
    for (id, cluster) in state["resources"].as_object_mut().unwrap() {
        if id.contains("/managedclusters/") {
            cluster["properties"]["powerState"]["code"] = json!("Running");
            cluster["properties"]["provisioningState"] = json!("Succeeded");
            cluster["properties"]["addonProfiles"] = json!({});
        }
    }
    // Nothing is under way there but what the apply begins.
    state["operations"] = json!({});
    fleet.write(".aksgate/sandbox/state.json", state.to_string());
    fleet
        .run(&format!("apply fleet --sandbox --yes --quiet {options}"))
        .expect(0);
    let operations = fleet.state()["operations"].clone();
    let time = |operation: &Value, key: &str| operation[key].as_i64().unwrap();
    let operations = operations.as_object().unwrap().values();
    let mut times: Vec<(i64, i64)> = operations
        .map(|operation| (time(operation, "started"), time(operation, "due")))
        .collect();
    times.sort_unstable();
    times
}

#[test]
fn clusters_are_changed_many_at_once_and_hold_no_call_meanwhile() {
    let under_way =
        |times: &[(i64, i64)], at: i64| times.iter().filter(|(start, end)| *start <= at && at < *end).count();
    let told = |times: &[(i64, i64)]| {
        let most = times.iter().map(|(start, _)| under_way(times, *start)).max().unwrap();
        let first = times[0].0;
        let minutes = (times.iter().map(|(_, end)| *end).max().unwrap() - first).div_euclid(60);
        (times.len(), under_way(times, first), most, minutes)
    };
    let many = changed(16, "");
    let (clusters, first, most, minutes) = told(&many);
    assert!(clusters >= 50, "{clusters}");
    // 1, 2, 4, 8 and then 16 at once, a minute for each: one after another they would take an hour.
    let rounds = 4 + (clusters - 15).div_ceil(16);
    assert_eq!((first, most, minutes), (1, 16, i64::try_from(rounds).unwrap()));
    assert_eq!(
        told(&changed(16, "--parallelism 2")),
        told(&many),
        "calls are counted apart"
    );
    let (_, first, most, minutes) = told(&changed(1, ""));
    assert_eq!((first, most, minutes), (1, 1, i64::try_from(clusters).unwrap()));
}
