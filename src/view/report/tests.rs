//! A report of hostile names, of nothing, and of what could not be read.

use super::*;
use crate::compliance::ClusterReport;
use crate::coverage::{Cell, Engines, Reason, State};
use crate::drift::{Cause, Drift, Field, Writer};
use crate::evidence::Coverage;
use crate::kinds::{Kind, Plane};
use crate::model::{ResourceId, Stage};
use crate::remark;
use crate::report::{LetOffSort, Point};
use crate::runtime::{Alert, Sensor, Severity, Watched};
use crate::view::page::Layout;
use crate::view::status::{Next, Taker};
use crate::view::text::{Paint, columns};
use crate::view::{coverage, status};
use serde_json::json;

/// What somebody may call something in Azure.
const HOSTILE: &str = "<script>alert(1)</script>\"><img src=x onerror='y'>`{{x}}\u{2028}\u{202e}&amp;";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn id(name: &str) -> ResourceId {
    ResourceId::parse(&format!(
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/{name}"
    ))
    .unwrap()
}

fn gate(name: &str, text: &str) -> Gate {
    Gate {
        name: name.into(),
        initiative: text.into(),
        deploys: false,
        stage: Some(Stage::Deny),
        position: "deny".into(),
        target: Stage::Deny,
        since: Some(at("2027-01-04T08:00:00Z")),
        next: Some(Next {
            stage: Stage::Deny,
            position: "deny in broad".into(),
            held: vec![remark::Reason {
                guard: "soak".into(),
                sentence: text.into(),
                opens: Some(at("2027-01-12T08:00:00Z")),
            }],
            taker: Taker::Apply,
        }),
        reports: None,
        paused: Some(text.into()),
        overrides: vec![text.into()],
        relaxed: Vec::new(),
        remarks: vec![text.into()],
    }
}

fn ring(name: &str, stage: Stage) -> Ring {
    Ring {
        name: name.into(),
        stage,
        divides_clusters: false,
    }
}

fn cell(state: State, ring: &str, reasons: Vec<Reason>) -> Cell {
    Cell {
        state,
        should_be_closed: true,
        ring: ring.into(),
        reasons,
        below: Vec::new(),
        reported: None,
    }
}

/// An environment in which everything there is was found, all texts being `text`.
fn full(text: &str) -> Read {
    let time = at("2027-01-10T08:00:00Z");
    let clusters = [
        ("aks-1", cell(State::Closed, "canary", Vec::new())),
        (
            "aks-2",
            cell(State::Open, "broad", vec![Reason::MembersBelow(vec![text.into()])]),
        ),
        ("aks-3", cell(State::Unknown, "broad", vec![Reason::Stopped])),
    ];
    let drift = Drift {
        what: What::Changed,
        plane: Plane::Policy,
        kind: Some(Kind::PolicyAssignment),
        object: Some(id("x")),
        name: text.into(),
        gate: Some(text.into()),
        cause: Cause::ByHand,
        direction: Direction::Weakens,
        fields: vec![Field {
            path: text.into(),
            wanted: Some(json!({text: [text]})),
            found: None,
            cause: Cause::ByHand,
        }],
        writer: Some(Writer {
            by: text.into(),
            at: Some(time),
        }),
        remarks: vec![text.into()],
    };
    let waiting = Drift {
        cause: Cause::NotApplied,
        ..drift.clone()
    };
    let point = |broken, heard| Point {
        end: time,
        broken,
        heard,
    };
    let alert = Alert {
        cluster: id("aks-1"),
        name: text.into(),
        title: text.into(),
        severity: Severity::High,
        status: text.into(),
        started: Some(time),
    };
    let watched = Watched {
        id: id("aks-1"),
        location: text.into(),
        sensor: Sensor::Off,
    };
    Read {
        gates: Gates {
            endpoint: text.into(),
            time,
            gates: vec![gate("pod-security", text)],
            remarks: vec![text.into()],
        },
        ways: vec![Way {
            rings: vec![ring("canary", Stage::Deny), ring("broad", Stage::Deny)],
            beside: vec![text.into()],
        }],
        coverage: Part::Read(Covered {
            endpoint: String::new(),
            time,
            gates: vec![coverage::Gate {
                name: "pod-security".into(),
                position: text.into(),
                engines: Engines::default(),
                excluded: vec![text.into()],
            }],
            clusters: clusters
                .into_iter()
                .map(|(name, cell)| coverage::Cluster {
                    name: format!("{name}{text}"),
                    id: name.into(),
                    location: text.into(),
                    cells: vec![cell],
                })
                .collect(),
            details: true,
        }),
        compliance: Part::Read(compliance::Report {
            time,
            gates: vec![compliance::GateReport {
                gate: text.into(),
                clusters: vec![ClusterReport {
                    cluster: id("aks-1"),
                    coverage: Coverage::Reporting,
                    violations: Count::at_least(7),
                    denied: Count::exactly(0),
                }],
            }],
            violations: vec![compliance::Violation {
                key: compliance::Key {
                    gate: text.into(),
                    cluster: id("aks-1"),
                    namespace: Some(text.into()),
                    kind: text.into(),
                    name: text.into(),
                    rule: text.into(),
                },
                guessed: false,
                objects: 7,
                denied: false,
                first_seen: time,
                reported: time,
                novelty: None,
            }],
            baseline: None,
            fixed: Vec::new(),
            unclear: Vec::new(),
        }),
        trend: Part::Read(Days {
            series: vec![Series {
                gate: text.into(),
                points: vec![point(None, 0), point(Some(3), 1), point(Some(5), 2)],
            }],
            clusters: 2,
            of: 3,
        }),
        weakenings: vec![Weakening {
            gate: "pod-security".into(),
            sort: Weakness::Paused,
            until: None,
            reason: text.into(),
        }],
        let_off: vec![LetOff {
            sort: LetOffSort::Foreign,
            gate: Some(text.into()),
            resource: text.into(),
            members: vec![text.into()],
            ends: Some(time),
            state: LetOffState::Expired,
            category: text.into(),
            reason: text.into(),
        }],
        drift: Part::Read(Comparison {
            endpoint: text.into(),
            time,
            same: 3,
            drift: vec![drift, waiting],
            overlaps: vec![remark::Finding {
                subject: text.into(),
                sentence: text.into(),
            }],
        }),
        runtime: Part::Read(Runtime::new(
            vec![watched],
            Vec::new(),
            vec![alert],
            Vec::new(),
            Vec::new(),
        )),
    }
}

fn report(environments: Vec<(&str, Result<Read, String>)>) -> Report {
    Report {
        owner: "contoso".into(),
        version: "0.0.0",
        limit: 2,
        environments: environments
            .into_iter()
            .map(|(name, read)| Environment {
                name: name.into(),
                scope: "subscriptions/s".into(),
                read,
            })
            .collect(),
    }
}

/// The tags of a page, without their attributes' values.
fn tags(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap();
        let mut outside = true;
        let bare = tag.chars().filter(|c| {
            if *c == '"' {
                outside = !outside;
            }
            outside
        });
        found.push(bare.collect());
    }
    found
}

#[test]
fn no_name_can_be_more_than_a_text() {
    let mut hostile = report(vec![("dev", Ok(full(HOSTILE))), ("prod", Err(HOSTILE.into()))]);
    hostile.owner = HOSTILE.into();
    let mut calm = report(vec![("dev", Ok(full("calm"))), ("prod", Err("calm".into()))]);
    calm.owner = "calm".into();
    let (page, quiet) = (to_html(&hostile).unwrap(), to_html(&calm).unwrap());
    // The same tags with the same attributes stand in it, whatever things are called.
    assert_eq!(tags(&page), tags(&quiet));
    for part in ["<script", "<img", "onerror='", "\u{2028}", "\u{202e}"] {
        assert!(!page.contains(part), "{part:?}");
    }
    // Every text that the page holds was there to be seen.
    let shown = page
        .matches("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&gt;&lt;img src=x onerror=&#39;y&#39;&gt;&#96;")
        .count();
    assert!(shown > 40, "{shown}");
    assert!(
        page.contains("\\u{2028}\\u{202e}&amp;amp;"),
        "what was escaped is so again"
    );
    // Only the code span that names what was asked shows it as it is.
    let text = to_markdown(&hostile).replace(&crate::view::text::code(HOSTILE), "");
    assert!(
        !text.contains("<script") && !text.contains("<img") && !text.contains('\u{202e}'),
        "{text}"
    );
    let layout = Layout {
        paint: Paint { colour: false },
        width: 60,
    };
    let text = human(&hostile, layout);
    assert!(
        text.lines().all(|line| columns(line) <= 60) && !text.contains('\u{202e}'),
        "{text}"
    );
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = to_html(&report(vec![("dev", Ok(full("x")))])).unwrap();
    for part in [
        "http://",
        "https://",
        "src=",
        "url(",
        "@import",
        "<script",
        "<link",
        "<iframe",
        " style=\"",
        "javascript:",
    ] {
        assert!(!page.contains(part), "{part}");
    }
    assert!(
        tags(&page)
            .iter()
            .all(|tag| !tag.split_whitespace().any(|word| word.starts_with("on")))
    );
    // The policy lets by the one style that is there, by its hash.
    let (_, rest) = page.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    let hash = data_encoding::BASE64.encode(&<sha2::Sha256 as sha2::Digest>::digest(style.as_bytes()));
    assert!(page.contains(&format!("content=\"default-src 'none'; style-src 'sha256-{hash}'")));
    assert!(page.find(GENERATOR).is_some_and(|at| at < 1_000));
}

#[test]
fn every_link_of_a_page_leads_somewhere_in_it() {
    let page = to_html(&report(vec![("dev", Ok(full("x"))), ("prod", Err("403".into()))])).unwrap();
    let values = |name: &str| -> Vec<String> {
        let start = format!(" {name}=\"");
        let parts = page.split(&start).skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = values("id");
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "no id stands twice");
    for link in values("href") {
        assert!(ids.iter().any(|id| link == format!("#{id}")), "{link}");
    }
}

#[test]
fn what_was_not_read_is_said_where_it_would_stand_and_never_shown_as_fine() {
    let broken = Read {
        coverage: Part::Unread("coverage-403".into()),
        compliance: Part::Unread("rows-403".into()),
        trend: Part::Unread("history-403".into()),
        drift: Part::Unread("drift-403".into()),
        runtime: Part::Unread("runtime-403".into()),
        ..full("x")
    };
    let report = report(vec![("dev", Ok(broken)), ("prod", Err("prod-403".into()))]);
    assert!(report.has_failed());
    let page = to_html(&report).unwrap();
    for why in ["coverage-403", "rows-403", "history-403", "drift-403", "runtime-403"] {
        assert!(
            page.matches(why).count() >= 2,
            "{why} is told at the top, and in its place"
        );
    }
    assert!(page.matches("prod-403").count() >= 6);
    // No sum is a number, and none is green.
    for tile in page
        .split("class=\"tile ")
        .skip(1)
        .map(|tile| tile.split("</li>").next().unwrap())
    {
        assert!(!tile.starts_with("t-good"), "{tile}");
        let partial = tile.contains("Open weakenings");
        assert_eq!(tile.contains("class=\"figure\">?<"), !partial, "{tile}");
        assert!(
            tile.contains("not read") || tile.contains("nothing could be read"),
            "{tile}"
        );
    }
    let text = to_markdown(&report);
    for part in [
        "**prod was not read**: prod-403",
        "**dev: coverage not read**: coverage-403",
        "| not read |",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let document = to_json(&report);
    assert_eq!(document[1]["error"], "prod-403");
    assert_eq!(
        (&document[0]["coverage"]["error"], &document[0]["error"]),
        (&json!("coverage-403"), &json!(null))
    );
    assert_eq!(summary(&report)["environmentsLeftOut"]["drift"], 2);
}

#[test]
fn an_estate_without_anything_has_a_page_too() {
    let empty = Read {
        gates: Gates {
            endpoint: "e".into(),
            time: at("2027-01-10T08:00:00Z"),
            gates: Vec::new(),
            remarks: Vec::new(),
        },
        ways: Vec::new(),
        coverage: Part::Read(Covered {
            endpoint: "e".into(),
            time: at("2027-01-10T08:00:00Z"),
            gates: Vec::new(),
            clusters: Vec::new(),
            details: true,
        }),
        compliance: Part::Read(compliance::Report::new(
            &[],
            &crate::evidence::AllRows::default(),
            None,
            at("2027-01-10T08:00:00Z"),
        )),
        trend: Part::Absent("it was not asked for".into()),
        weakenings: Vec::new(),
        let_off: Vec::new(),
        drift: Part::Absent("x".into()),
        runtime: Part::Absent("no Defender".into()),
    };
    for of in [report(Vec::new()), report(vec![("dev", Ok(empty))])] {
        assert!(!of.has_failed(), "what is not there has not failed");
        let page = to_html(&of).unwrap();
        assert!(page.contains("No environment that was read has a gate."), "{page}");
        to_markdown(&of);
        to_json(&of);
    }
}

#[test]
fn a_gate_without_rings_is_one_cell_and_a_switch_none() {
    let mut read = full("x");
    read.ways[0].rings = vec![ring("everywhere", Stage::Audit)];
    let mut switch = gate("gated-deployment", "x");
    switch.stage = None;
    switch.next = None;
    read.gates.gates.push(switch);
    read.ways.push(Way::default());
    let report = report(vec![("dev", Ok(read))]);
    let page = to_html(&report).unwrap();
    assert!(
        page.contains("<li class=\"s-audit\"><span class=\"stage\">"),
        "no name of a ring"
    );
    assert!(page.contains("<span class=\"tag\">switch of Defender</span>"));
    assert!(to_markdown(&report).contains("| gated-deployment | switch of Defender<br>"));
}

#[test]
fn the_worst_clusters_are_listed_and_the_rest_is_counted() {
    let report = report(vec![("dev", Ok(full("x")))]);
    let page = to_html(&report).unwrap();
    let place = |name: &str| page.find(&format!("<th scope=\"row\" class=\"nowrap\">{name}x</th>"));
    assert!(place("aks-2") < place("aks-3"), "open, then unknown");
    assert_eq!(place("aks-1"), None, "two are listed");
    assert!(
        page.contains("1 cluster more are not listed; their gates: 1 closed."),
        "what is left out is told"
    );
    assert!(
        page.contains("1 of 2 OPEN") && page.contains("all 1 closed"),
        "each ring says what its clusters prove"
    );
    let sums = report.sums();
    assert_eq!((sums.tally.total(), sums.drift, sums.weaker, sums.ending), (3, 1, 1, 1));
    let text = to_markdown(&report);
    assert!(text.contains("| pod-security | canary: deny (1 closed)<br>broad: deny (1 OPEN, 1 UNKNOWN)<br>*held, paused, overridden* |"), "{text}");
}

#[test]
fn a_program_reads_what_other_commands_print() {
    let document = to_json(&report(vec![("dev", Ok(full("x")))]));
    let gate = &document[0]["gates"][0];
    assert_eq!(
        gate["rings"][1]["clusters"],
        json!({"open": 1, "unknown": 1, "letOff": 0, "notClosedYet": 0, "closed": 0})
    );
    assert_eq!(gate["next"]["held"][0]["guard"], "soak");
    assert_eq!(document[0]["drift"]["drift"], 1);
    assert_eq!(document[0]["trend"]["gates"][0]["days"][0]["brokenRules"], json!(null));
    assert_eq!(document[0]["letOff"][0]["state"], "expired");
    let status = status::to_json(&[status::Environment {
        name: "dev".into(),
        scope: "subscriptions/s".into(),
        read: Ok(full("x").gates),
    }]);
    for (key, value) in status[0]["gates"][0].as_object().unwrap() {
        assert_eq!(&gate[key], value, "{key}");
    }
}

#[test]
fn what_is_let_off_is_not_shown_as_closed() {
    let mut read = full("x");
    let Part::Read(covered) = &mut read.coverage else {
        panic!()
    };
    let exempt = Reason::Exempt {
        until: None,
        members: Vec::new(),
        ours: true,
    };
    for cluster in &mut covered.clusters {
        cluster.cells = vec![cell(State::Open, "canary", vec![exempt.clone()])];
    }
    let override_of = |reason: &str| Weakening {
        gate: "pod-security".into(),
        sort: Weakness::Overridden,
        until: None,
        reason: reason.into(),
    };
    read.weakenings.extend([override_of("soak"), override_of("coverage")]);
    assert_eq!(
        read.open_weakenings(),
        2,
        "a pause, and a gate that was closed past guards"
    );
    let page = to_html(&report(vec![("dev", Ok(read))])).unwrap();
    assert!(page.contains("<li class=\"s-deny b-letoff\">") && page.contains("0 of 3 closed, others let off"));
    assert!(!page.contains("b-closed"));
}
