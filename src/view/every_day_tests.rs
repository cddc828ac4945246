//! Drift, coverage and compliance at 80 columns, and with names that others gave.

use super::page::Layout;
use super::text::{Paint, columns};
use super::{compliance, coverage, drift};
use crate::compliance::{ClusterReport, GateReport, Key, Novelty, Report, Violation};
use crate::coverage::{Cell, Engines, Reason, State};
use crate::drift::{Cause, Drift, Field, What, Writer};
use crate::evidence::{Count, Coverage};
use crate::kinds::{Direction, Kind, Plane};
use crate::model::{ResourceId, Timestamp};
use crate::plan::Finding;
use serde_json::{Value, json};

const NARROW: Layout = Layout {
    paint: Paint { colour: false },
    width: 80,
};

/// What whoever names an object could try.
const HOSTILE: &str = "x\n::error::y ##vso[z] <b>|@all\u{1b}[31m`*";

fn time() -> Timestamp {
    Timestamp::parse("2027-01-04T08:00:00Z").unwrap()
}

fn cluster() -> ResourceId {
    let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks-prod-weu-01";
    ResourceId::parse(id).unwrap()
}

fn drifted(name: &str) -> Vec<drift::Environment> {
    let found = Drift {
        what: What::Changed,
        plane: Plane::Policy,
        kind: Some(Kind::PolicyAssignment),
        object: Some(cluster()),
        name: name.to_owned(),
        gate: Some("pod-security".into()),
        cause: Cause::ByHand,
        direction: Direction::Weakens,
        fields: vec![Field {
            path: "parameters.excludedNamespaces.value".into(),
            wanted: Some(json!(["gatekeeper-system", "kube-system"])),
            found: Some(json!(["gatekeeper-system", "kube-system", name])),
            cause: Cause::ByHand,
        }],
        writer: Some(Writer {
            by: name.to_owned(),
            at: Some(time()),
        }),
        remarks: vec![format!("a remark that says {name}")],
    };
    let waiting = Drift {
        cause: Cause::NotApplied,
        ..found.clone()
    };
    let read = drift::Comparison {
        endpoint: "https://management.azure.com".into(),
        time: time(),
        same: 12,
        drift: vec![found, waiting],
        overlaps: vec![Finding {
            subject: "pod-security".into(),
            sentence: format!(
                "its initiative is also assigned by `{name}` at this scope, which is not ours and is left alone"
            ),
        }],
    };
    let broken = drift::Environment {
        name: "test".into(),
        scope: "managementGroups/contoso-test".into(),
        read: Err(format!("403 {name}")),
    };
    let sound = drift::Environment {
        name: "prod".into(),
        scope: "managementGroups/contoso-prod".into(),
        read: Ok(read),
    };
    vec![sound, broken]
}

fn covered(name: &str, details: bool) -> Vec<coverage::Environment> {
    let cell = |state: State, reasons: Vec<Reason>| Cell {
        state,
        should_be_closed: true,
        ring: "canary".into(),
        reasons,
        below: vec![name.to_owned()],
        reported: Some(time()),
    };
    let gate = |gate: &str| coverage::Gate {
        name: gate.to_owned(),
        position: "deny in canary".into(),
        engines: Engines {
            rego: vec!["one".into(), "two".into()],
            cel: vec![name.to_owned()],
        },
        excluded: vec!["kube-system".into(), name.to_owned()],
    };
    let exempt = Reason::Exempt {
        until: Some(time()),
        members: vec![name.to_owned()],
        ours: false,
    };
    let open = cell(State::Open, vec![Reason::NoAddon, exempt]);
    let unknown = cell(State::Unknown, vec![Reason::NotSince(3, 5)]);
    let read = coverage::Covered {
        endpoint: "https://management.azure.com".into(),
        time: time(),
        gates: vec![gate("exposure"), gate("image-governance"), gate("pod-security")],
        clusters: vec![coverage::Cluster {
            name: name.to_owned(),
            id: cluster().as_str().to_owned(),
            location: "westeurope".into(),
            cells: vec![open, unknown, cell(State::Closed, Vec::new())],
        }],
        details,
    };
    vec![coverage::Environment {
        name: "prod".into(),
        scope: "managementGroups/contoso-prod".into(),
        read: Ok(read),
    }]
}

fn reported(name: &str) -> Vec<compliance::Environment> {
    let key = |rule: &str| Key {
        gate: "pod-security".into(),
        cluster: cluster(),
        namespace: Some("payments".into()),
        kind: "Deployment".into(),
        name: name.to_owned(),
        rule: rule.to_owned(),
    };
    let violation = |rule: &str, denied: bool, novelty| Violation {
        key: key(rule),
        guessed: true,
        objects: 3,
        denied,
        first_seen: time(),
        reported: time(),
        novelty: Some(novelty),
    };
    let of = |coverage: Coverage, violations: Count| ClusterReport {
        cluster: cluster(),
        coverage,
        violations,
        denied: Count::exactly(2),
    };
    let report = Report {
        time: time(),
        gates: vec![GateReport {
            gate: "pod-security".into(),
            clusters: vec![
                of(Coverage::Reporting, Count::at_least(500)),
                of(Coverage::Exempt { until: Some(time()) }, Count::exactly(0)),
            ],
        }],
        violations: vec![
            violation("noprivilegedcontainers", false, Novelty::New),
            violation("nohostpathvolume", true, Novelty::Known),
        ],
        baseline: Some(time()),
        fixed: vec![key("allowedseccompprofiles")],
        unclear: vec![key("blockusinghostnetwork")],
    };
    vec![compliance::Environment {
        name: "prod".into(),
        scope: "managementGroups/contoso-prod".into(),
        read: Ok(compliance::Read {
            endpoint: "https://management.azure.com".into(),
            report,
            trends: None,
        }),
    }]
}

fn pages(name: &str) -> [String; 4] {
    [
        drift::human(&drifted(name), NARROW),
        coverage::human(&covered(name, false), NARROW),
        coverage::human(&covered(name, true), NARROW),
        compliance::human(&reported(name), NARROW, true),
    ]
}

#[test]
fn eighty_columns_are_enough() {
    for page in pages("aks-prod-weu-01") {
        assert!(page.lines().all(|line| columns(line) <= 80), "{page}");
    }
    let [drift, coverage, details, compliance] = pages("aks-prod-weu-01");
    insta::assert_snapshot!(drift, @r#"
    Drift of prod
      scope managementGroups/contoso-prod
      at https://management.azure.com, 2027-01-04T08:00:00Z

      policy assignment aks-prod-weu-01: changed, WEAKER than it should be
        gate pod-security
        changed in Azure since the last apply
        last written by aks-prod-weu-01 on 2027-01-04T08:00:00Z
          parameters.excludedNamespaces.value: is ["gatekeeper-system",
            "kube-system", "aks-prod-weu-01"], should be ["gatekeeper-system",
            "kube-system"]
        a remark that says aks-prod-weu-01

    Not applied yet: no drift
      policy assignment aks-prod-weu-01: changed
        a remark that says aks-prod-weu-01

    Made by others, and left alone
      pod-security: its initiative is also assigned by `aks-prod-weu-01` at this
        scope, which is not ours and is left alone

    Drift: 1 difference, 1 WEAKER; 12 objects as they should be; 1 change of the
      estate not applied yet.

    Drift of test
      scope managementGroups/contoso-test
      not read: 403 aks-prod-weu-01
    "#);
    insta::assert_snapshot!(coverage, @"
    Coverage of prod
      scope managementGroups/contoso-prod
      at https://management.azure.com, 2027-01-04T08:00:00Z

      exposure: deny in canary
      image-governance: deny in canary
      pod-security: deny in canary

      aks-prod-weu-01: exposure OPEN (add-on off; exempt of aks-prod-weu-01 until
        2027-01-04T08:00:00Z, not by this estate); image-governance UNKNOWN (3 of 5
        rules not heard of since the last change); pod-security closed

    1 of 3 gates closed at 1 cluster: 1 that was closed is OPEN, of 1 nobody can
      say.
    ");
    insta::assert_snapshot!(details, @"
    Coverage of prod
      scope managementGroups/contoso-prod
      at https://management.azure.com, 2027-01-04T08:00:00Z

      exposure: deny in canary
        2 rules fail open: while Gatekeeper cannot answer, everything is let in
        in CEL, which newer add-ons hand to the API server, where it fails closed:
          aks-prod-weu-01
        open in the namespaces kube-system, aks-prod-weu-01
      image-governance: deny in canary
        2 rules fail open: while Gatekeeper cannot answer, everything is let in
        in CEL, which newer add-ons hand to the API server, where it fails closed:
          aks-prod-weu-01
        open in the namespaces kube-system, aks-prod-weu-01
      pod-security: deny in canary
        2 rules fail open: while Gatekeeper cannot answer, everything is let in
        in CEL, which newer add-ons hand to the API server, where it fails closed:
          aks-prod-weu-01
        open in the namespaces kube-system, aks-prod-weu-01

      aks-prod-weu-01 (westeurope)
        OPEN     exposure, ring canary
                 add-on off
                 exempt of aks-prod-weu-01 until 2027-01-04T08:00:00Z, not by this
                   estate
                 cannot deny and only records: aks-prod-weu-01
                 oldest report 2027-01-04T08:00:00Z
        UNKNOWN  image-governance, ring canary
                 3 of 5 rules not heard of since the last change
                 cannot deny and only records: aks-prod-weu-01
                 oldest report 2027-01-04T08:00:00Z
        closed   pod-security, ring canary
                 cannot deny and only records: aks-prod-weu-01
                 oldest report 2027-01-04T08:00:00Z

    1 of 3 gates closed at 1 cluster: 1 that was closed is OPEN, of 1 nobody can
      say.
    ");
    insta::assert_snapshot!(compliance, @"
    Compliance of prod
      scope managementGroups/contoso-prod
      at https://management.azure.com, 2027-01-04T08:00:00Z

      pod-security: violations: at least 500; reported while it denied: 2
        aks-prod-weu-01: violations: at least 500
        aks-prod-weu-01: exempt until 2027-01-04T08:00:00Z, not counted

    Clusters and namespaces
      aks-prod-weu-01, payments: 6

    Workloads
      payments/Deployment aks-prod-weu-01 at aks-prod-weu-01
        pod-security/noprivilegedcontainers: 3 objects, workload guessed from its
          pods, NEW
      payments/Deployment aks-prod-weu-01 at aks-prod-weu-01
        pod-security/nohostpathvolume: 3 objects, workload guessed from its pods,
          the rule denies: attempts that were refused, or runs since before, since
          2027-01-04T08:00:00Z

    Fixed since the earlier report
      payments/Deployment aks-prod-weu-01 at aks-prod-weu-01,
        pod-security/allowedseccompprofiles

    Gone, or not heard of: nobody can say
      payments/Deployment aks-prod-weu-01 at aks-prod-weu-01,
        pod-security/blockusinghostnetwork

      oldest: payments/Deployment aks-prod-weu-01 at aks-prod-weu-01,
        nohostpathvolume, since 2027-01-04T08:00:00Z

    Violations: at least 500, of 1 workload; since 2027-01-04T08:00:00Z: 1 new, 1
      fixed, 1 not known; of 1 gate at a cluster not everything is known.
    ");
}

#[test]
fn names_that_others_gave_do_nothing_where_they_are_shown() {
    for page in pages(HOSTILE) {
        assert!(!page.contains('\u{1b}') && !page.contains("##vso"), "{page}");
        assert!(page.lines().all(|line| !line.trim_start().starts_with("::")), "{page}");
    }
    for page in [
        drift::to_markdown(&drifted(HOSTILE)),
        coverage::to_markdown(&covered(HOSTILE, true)),
        compliance::to_markdown(&reported(HOSTILE)),
    ] {
        assert!(
            !page.contains("<b>") && !page.contains('\u{1b}') && !page.contains(" @all"),
            "{page}"
        );
        let rows = page
            .lines()
            .filter(|line| line.starts_with('|') && line.contains("payments"));
        let cells = rows.map(|row| row.replace("\\|", "").matches('|').count());
        assert!(cells.into_iter().all(|cells| cells == 4 || cells == 5), "{page}");
    }
    let csv = compliance::to_csv(&reported(HOSTILE));
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let junit = compliance::to_junit(&reported(HOSTILE));
    assert!(!junit.contains("<b>") && !junit.contains('\u{1b}'), "{junit}");
}

#[test]
fn every_result_of_code_scanning_has_a_fingerprint_of_its_own() {
    let logs: [Value; 3] = [
        drift::to_sarif(&drifted("x")),
        coverage::to_sarif(&covered("x", false)),
        compliance::to_sarif(&reported("x")),
    ];
    for log in logs {
        let results = log["runs"][0]["results"].as_array().unwrap();
        let prints = results.iter().map(|result| {
            result["partialFingerprints"]["primaryLocationLineHash"]
                .as_str()
                .unwrap()
        });
        let prints: std::collections::BTreeSet<&str> = prints.collect();
        assert!(!results.is_empty());
        assert_eq!(prints.len(), results.len());
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        let named = |result: &Value| {
            rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()]["id"] == result["ruleId"]
        };
        assert!(results.iter().all(named));
    }
}

#[test]
fn code_scanning_gets_a_run_for_each_environment() {
    let log = drift::to_sarif(&drifted("x"));
    let runs: Vec<(&Value, &Value)> = log["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| {
            (
                &run["automationDetails"]["id"],
                &run["invocations"][0]["executionSuccessful"],
            )
        })
        .collect();
    let expected = [
        (&json!("aksgate/drift/prod/"), &json!(true)),
        (&json!("aksgate/drift/test/"), &json!(false)),
    ];
    assert_eq!(runs, expected);
}
