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
                "environments/dev.yaml:4:9 the rest is not the last ring: it has no `locations`, so it is all that is left over\n  \
                 put it at the end, or say what belongs to it",
            ),
            (
                "gates:\n",
                "rings: [{name: a, locations: [], scopes: []}]\ngates:\n",
                "environments/dev.yaml:4:30 empty list: at least one entry is needed\n\
                 environments/dev.yaml:4:34 unknown key: `scopes` is not known here\n  known: `name`, `locations`",
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
