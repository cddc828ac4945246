//! `aksgate sandbox`

use crate::harness::Folder;

#[test]
fn show_tells_what_is_in_it() {
    let folder = Folder::shipped();
    let run = folder.run("sandbox show").expect(0);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 0
    --- stdout
    Sandbox [instance] at 2027-01-04T08:00:00Z, seed 1

      management group 11111111-1111-4111-8111-111111111111
      management group contoso in 11111111-1111-4111-8111-111111111111
      management group contoso-dev in contoso
      management group contoso-test in contoso
      management group contoso-prod in contoso
      subscription contoso-dev (0a000000-0000-4000-8000-000000000001) in contoso-dev
      subscription contoso-test (0a000000-0000-4000-8000-000000000002) in contoso-test
      subscription contoso-prod (0a000000-0000-4000-8000-000000000003) in contoso-prod

      cluster aks-dev-neu-01: northeurope, Running, Succeeded, add-on on
      cluster aks-dev-weu-01: westeurope, Running, Succeeded, add-on off
      cluster aks-test-neu-01: northeurope, Running, Updating, add-on off
      cluster aks-test-weu-01: westeurope, Running, Succeeded, add-on on
      cluster aks-prod-eus2-01: eastus2, Stopped, Succeeded, add-on off
      cluster aks-prod-neu-01: northeurope, Running, Succeeded, add-on off
      cluster aks-prod-weu-01: westeurope, Running, Succeeded, add-on on

    7 clusters, 3 policy assignments, 1 custom definitions.
    ");
    let document = folder.run("sandbox show --format json").expect(0).json();
    assert_eq!(document["formatVersion"], 1);
    assert_eq!(document["clusters"].as_array().unwrap().len(), 7);
    assert_eq!(document["subscriptions"].as_array().unwrap().len(), 3);
}

#[test]
fn reset_starts_over_as_another_instance() {
    let folder = Folder::applied();
    let instance = |folder: &Folder| folder.run("sandbox show --format json").expect(0).json()["instance"].clone();
    let before = instance(&folder);
    folder
        .run("sandbox reset")
        .expect(0)
        .prints(&["7 clusters, 3 policy assignments"]);
    assert_ne!(before, instance(&folder));
    assert!(!folder.is_settled("dev"), "what was applied is gone");
}

#[test]
fn seed_and_number_of_clusters_can_be_chosen() {
    let folder = Folder::shipped();
    let clusters = |line: &str| {
        let document = folder.run(line).expect(0).json();
        document["clusters"].as_array().unwrap().clone()
    };
    let seven = clusters("sandbox reset --seed 7 --clusters 40 --format json");
    assert_eq!(seven.len(), 40);
    assert_eq!(seven, clusters("sandbox reset --seed 7 --clusters 40 --format json"));
    assert_ne!(seven, clusters("sandbox reset --seed 8 --clusters 40 --format json"));
    folder.run("apply dev --sandbox --yes").expect(0);
    assert!(folder.is_settled("dev"));
}

#[test]
fn its_clock_goes_forward_when_it_is_told() {
    let folder = Folder::shipped();
    folder.run("sandbox reset").expect(0);
    folder
        .run("sandbox advance 3d")
        .expect(0)
        .prints(&["The sandbox's clock stands at 2027-01-07T08:00:00Z.\n"]);
    let document = folder.run("sandbox advance 20m --format json").expect(0).json();
    assert_eq!(document["now"], "2027-01-07T08:20:00Z");
    assert_eq!(folder.plan("dev")["plan"]["time"], "2027-01-07T08:20:00Z");
    for time in ["-3d", "soon", "3"] {
        folder.run(&format!("sandbox advance {time}")).expect(64);
    }
}

#[test]
fn soak_counts_by_its_clock() {
    let folder = Folder::applied();
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["    soak      stands at audit for "]);
    folder.run("sandbox advance 2d").expect(0);
    let run = folder.run("plan dev --sandbox").expect(0);
    assert!(!run.stdout.contains("    soak      "), "{}", run.stdout);
    assert!(
        run.stdout.contains("    violations "),
        "what the clusters report holds it now"
    );
    assert!(folder.is_settled("dev"));
}

#[test]
fn a_state_that_is_damaged_is_told_and_reset_repairs_it() {
    let folder = Folder::applied();
    folder.write(".aksgate/sandbox/state.json", "{\"version\": 1");
    folder
        .run("plan dev --sandbox")
        .expect(1)
        .says(&["error: the sandbox cannot be opened"]);
    folder.run("sandbox reset").expect(0);
    folder.run("plan dev --sandbox").expect(0);
}

#[cfg(unix)]
#[test]
fn its_state_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::applied();
    let mode = |name: &str| folder.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(".aksgate/sandbox"), 0o700);
    assert_eq!(mode(".aksgate/sandbox/state.json"), 0o600);
}
