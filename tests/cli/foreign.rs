//! What others made: never in a plan, never touched.

use crate::harness::Folder;
use serde_json::{Value, json};

const OTHERS: [&str; 4] = [
    "policyassignments/cost-center",
    "policydefinitions/require-cost-center",
    "policyassignments/tags-by-hand",
    "policyassignments/securitycenterbuiltin",
];

fn of_others(folder: &Folder) -> Vec<(String, Value)> {
    folder.resources(|id, _| {
        let is_policy = id.contains("/providers/microsoft.authorization/");
        let is_pricing = id.contains("/providers/microsoft.security/pricings/") && !id.ends_with("/containers");
        (is_policy && OTHERS.iter().any(|name| id.ends_with(name))) || is_pricing
    })
}

#[test]
fn objects_of_others_are_in_no_plan_and_stay_as_they_are() {
    let folder = Folder::shipped();
    folder.run("sandbox reset").expect(0);
    let before = of_others(&folder);
    assert!(before.len() > OTHERS.len(), "the sandbox is seeded with them");
    for environment in ["dev", "test", "prod"] {
        let plan = folder.plan(environment).to_string().to_ascii_lowercase();
        for (id, _) in &before {
            assert!(
                !plan.contains(&format!("\"{id}\"")),
                "{id} is in the plan of {environment}"
            );
        }
        folder.run(&format!("apply {environment} --sandbox --yes")).expect(0);
    }
    assert_eq!(before, of_others(&folder));
}

#[test]
fn another_owner_sees_strangers_in_what_the_first_wrote() {
    let folder = Folder::applied();
    let ours = |folder: &Folder| folder.resources(|id, _| id.contains("policyassignments/exposure-00-"));
    let before = ours(&folder);
    assert_eq!(before.len(), 1);
    folder.edit("aksgate.yaml", "owner: contoso-platform", "owner: fabrikam-platform");
    folder.cut("environments/dev.yaml", "  exposure:", "# Microsoft Defender");
    folder.run("apply dev --sandbox --yes").expect(0);
    assert_eq!(before, ours(&folder));
}

#[test]
fn an_add_on_is_all_that_changes_in_a_cluster() {
    let folder = Folder::shipped();
    folder.run("sandbox reset").expect(0);
    let cluster = |folder: &Folder| {
        let mut found = folder.resources(|id, _| id.ends_with("managedclusters/aks-dev-weu-01"));
        found.remove(0).1
    };
    let mut before = cluster(&folder);
    folder.run("apply dev --sandbox --yes").expect(0);
    let mut after = cluster(&folder);
    for cluster in [&mut before, &mut after] {
        strip(cluster);
    }
    assert_eq!(before, after);
}

/// Takes out of a cluster what a write of the add-on may change: the add-on, and every ETag.
fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !key.eq_ignore_ascii_case("azurepolicy") && !key.eq_ignore_ascii_case("etag"));
            map.values_mut().for_each(strip);
            map.retain(|key, value| key != "addonProfiles" || *value != json!({}));
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
