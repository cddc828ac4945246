//! How gates are closed step by step.

use super::*;
use crate::model::Area;

#[test]
fn rings_are_checked() {
    check(
        "environments/dev.yaml",
        &[
            (
                "gates:\n",
                "rings: []\ngates:\n",
                "environments/dev.yaml:4:8 empty list: at least one entry is needed",
            ),
            (
                "gates:\n",
                "rings:\n  - {name: a, locations: [westeurope]}\n  - {name: a, locations: [westeurope, West Europe]}\ngates:\n",
                "environments/dev.yaml:6:12 two rings of one name: another ring is called `a` too\n  give each its own name\n\
                 environments/dev.yaml:6:27 overlapping rings: `westeurope` is in ring `a` already\n  \
                 a cluster is in one ring only; take it out of one of them\n\
                 environments/dev.yaml:6:39 invalid value: expected the name of an Azure location such as `westeurope`\n  \
                 write `westeurope`",
            ),
            (
                "gates:\n",
                "rings: [{name: rest}, {name: b, locations: [westeurope]}]\ngates:\n",
                "environments/dev.yaml:4:9 the rest is not the last ring: it names nothing, so it is all that is left over\n  \
                 put it at the end, or say with `locations`, `scopes` or `namespaces` what belongs to it",
            ),
            (
                "gates:\n",
                "rings: [{name: a, locations: [], tags: []}]\ngates:\n",
                "environments/dev.yaml:4:30 empty list: at least one entry is needed\n\
                 environments/dev.yaml:4:34 unknown key: `tags` is not known here\n  known: `name`, `locations`, `scopes`, `namespaces`",
            ),
            (
                "gates:\n",
                "promotesFrom: dev\ngates:\n",
                "environments/dev.yaml:4:15 promotion in a circle: it goes round: dev from dev\n  \
                 leave `promotesFrom` out where changes begin",
            ),
            (
                "gates:\n",
                "promotesFrom: dve\nadvance: yes\ngates:\n",
                "environments/dev.yaml:4:15 unknown environment: no such file in environments/\n  did you mean `dev`?\n\
                 environments/dev.yaml:5:10 invalid value: expected `approve`, `auto`",
            ),
            (
                "    soak: 1d\n",
                "    soak: 1d\n    maxViolations: -1\n",
                "environments/dev.yaml:9:20 wrong type: expected a whole number from 0, found `-1`",
            ),
        ],
    );
}

#[test]
fn rings_of_scopes_lie_in_the_environment_and_apart() {
    let sub = "subscriptions/0a000000-0000-4000-8000-000000000001";
    let rings = |scopes: &str| format!("rings:\n  - {{name: a, scopes: [{scopes}]}}\ngates:\n");
    let other = "subscriptions/0a000000-0000-4000-8000-000000000002";
    check(
        "environments/dev.yaml",
        &[
            (
                "gates:\n",
                &rings(&format!("{sub}, {other}/resourceGroups/rg")),
                "environments/dev.yaml:5:24 ring as large as the environment: it holds all of \
                 `subscriptions/0a000000-0000-4000-8000-000000000001`, the scope of the environment\n  \
                 name scopes that lie in it; a ring without a key is all that is left over\n\
                 environments/dev.yaml:5:76 ring outside the environment: it does not lie in \
                 `subscriptions/0a000000-0000-4000-8000-000000000001`, the scope of the environment\n  \
                 a ring is a part of its environment: name a scope in it",
            ),
            (
                "gates:\n",
                &rings(&format!("{sub}/resourceGroups/rg, {sub}/resourceGroups/RG")),
                "environments/dev.yaml:5:94 overlapping rings: it is in ring `a` already\n  \
                 a cluster is in one ring only; take it out of one of them",
            ),
            (
                "scope: subscriptions/0a000000-0000-4000-8000-000000000001\n",
                &format!(
                    "scope: managementGroups/m\nrings: [{{name: a, scopes: [{sub}]}}, {{name: b, scopes: [{sub}/resourceGroups/g]}}]\n"
                ),
                "environments/dev.yaml:4:101 overlapping rings: `subscriptions/0a000000-0000-4000-8000-000000000001` is in ring `a`, \
                 and one lies in the other\n  a cluster is in one ring only; take it out of one of them",
            ),
        ],
    );
}

#[test]
fn rings_of_namespaces_name_what_gates_judge_and_gates_that_can_be_divided() {
    check(
        "environments/dev.yaml",
        &[
            (
                "gates:\n",
                "rings:\n  - {name: a, namespaces: [kube-system, shop]}\n  - {name: b, namespaces: [shop, monitoring]}\ngates:\n",
                "environments/dev.yaml:5:28 excluded namespace in a ring: Azure manages it, so no gate judges it\n  \
                 take it out: closing a gate on it would refuse nothing\n\
                 environments/dev.yaml:6:28 overlapping rings: `shop` is in ring `a` already\n  name it once\n\
                 environments/dev.yaml:6:34 excluded namespace in a ring: `defaults.excludeNamespaces` leaves it out, so no gate \
                 judges it\n  take it out: closing a gate on it would refuse nothing",
            ),
            (
                "gates:\n",
                "rings: [{name: a, namespaces: [shop], locations: [westeurope]}]\ngates:\n",
                "environments/dev.yaml:4:19 ring with `locations` and `namespaces`: it has `locations` already\n  \
                 a ring is of one kind; make two rings of it",
            ),
            (
                "gates:\n  baseline:\n",
                "rings: [{name: a, namespaces: [shop]}]\ngates:\n  baseline:\n    parameters: {namespaces: [shop]}\n",
                "environments/dev.yaml:7:18 namespaces set by hand: the rings of the environment say which namespaces are closed \
                 when\n  remove it, or make rings of `locations` or `scopes`",
            ),
        ],
    );
    let mut files = small_but(DEV, "gates:\n", "rings: [{name: a, namespaces: [shop]}]\ngates:\n");
    let images = files.iter_mut().find(|file| file.path == IMAGES).unwrap();
    let text = String::from_utf8(images.content.clone()).unwrap();
    let fixed = text.replace(
        "excludedContainers: [istio]",
        "excludedContainers: [istio], namespaces: [build]",
    );
    images.content = fixed.into_bytes();
    assert_eq!(
        wrong(&files),
        "environments/dev.yaml:11:17 gate cannot be divided: the environment has rings of namespaces, and of `images` these cannot \
         be limited to some: `allowed`\n  make rings of `locations` or `scopes`, or a set of members that leave their parameter \
         `namespaces` to the gate"
    );
}

#[test]
fn windows_are_checked() {
    check(
        "environments/dev.yaml",
        &[
            (
                "gates:\n",
                "windows: {timeZone: Mars/Olympus, open: [{days: [mon, funday], hours: \"17:00-09:00\"}]}\ngates:\n",
                "environments/dev.yaml:4:21 invalid value: expected a time zone of the IANA database such as `Europe/Berlin`\n\
                 environments/dev.yaml:4:55 invalid value: expected `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`\n\
                 environments/dev.yaml:4:71 invalid value: expected hours of a day such as `09:00-16:30`, the end after the beginning",
            ),
            (
                "gates:\n",
                "windows: {timeZone: Europe/Berlin, freezes: [{from: 2027-01-07, until: 2026-12-20, reason: r}]}\ngates:\n",
                "environments/dev.yaml:4:72 freeze without a day: it begins on 2027-01-07\n  \
                 name a later day: it ends at that day's beginning",
            ),
        ],
    );
}

#[test]
fn what_a_file_says_of_its_rollout_is_read() {
    let text = "advance: auto\nsettle: 2h\nrings: [{name: a, locations: [northeurope]}, {name: b}]\n\
                windows: {timeZone: Europe/Berlin, open: [{days: [mon], hours: \"09:00-16:00\"}]}\n\
                gates:\n";
    let files = small_but("environments/dev.yaml", "gates:\n", text);
    let (estate, diagnostics) = load(&files, Catalog::embedded());
    assert_eq!(diagnostics, []);
    let estate = estate.unwrap();
    let environment = &estate.environments["dev"];
    let rollout = &environment.rollout;
    assert_eq!(rollout.advance, Advance::Auto);
    assert_eq!(rollout.settle.to_string(), "2h");
    assert_eq!(rollout.rings[1].area, Area::Rest);
    assert!(rollout.windows.is_some());
    let ignored = "{cluster: /subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/x/providers/Microsoft.ContainerService/managedClusters/c, reason: old, expires: 2027-01-31}";
    let addon = "  policyAddon: {mode: manage}\n";
    let with = format!("{addon}  coverage: {{stopped: pass, ignore: [{ignored}]}}\n");
    let (estate, _) = load(&small_but("environments/dev.yaml", addon, &with), Catalog::embedded());
    let estate = estate.unwrap();
    let coverage = &estate.environments["dev"].clusters.as_ref().unwrap().coverage;
    assert!(coverage.stopped_pass);
    assert_eq!(coverage.ignore[0].reason, "old");
    // What is not said is the careful choice.
    let (estate, _) = load(
        &small_but("environments/dev.yaml", "gates:\n", "gates:\n"),
        Catalog::embedded(),
    );
    let rollout = &estate.unwrap().environments["dev"].rollout;
    assert_eq!((rollout.advance, rollout.settle), (Advance::Approve, SETTLE));
}
