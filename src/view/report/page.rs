//! A report as one page of HTML that needs nothing but itself: no script, no request, its style inside and named by its hash.
//!
//! Owns what the page's template is given. Every value is text or a number and is escaped by the template engine; drawings are made of
//! coordinates (`report::chart`).

use super::{Days, Environment, Read, Report, counted, next, tallied};
use crate::model::Timestamp;
use crate::render::{HtmlError, HtmlTemplate};
use crate::report::chart::{HEIGHT, PLOT, WIDTH, chart, scaled};
use crate::report::{LetOffState, Sort, Tally, Weakness, rank};
use crate::view::coverage::{Covered, notes, reasons};
use crate::view::status::Gate;
use crate::view::text::html;
use crate::view::{drift, runtime};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// What tells a page of ours from another file: it stands near the start.
pub const GENERATOR: &str = "<meta name=\"generator\" content=\"aksgate report\">";

const TEMPLATE: &str = include_str!("page.html.hbs");
/// How many entries of a list are shown, where the report's own limit is about clusters.
const MOST: usize = 100;
/// How many of the worst workloads are named.
const WORKLOADS: usize = 10;
/// How many ways there are to draw a line.
const STROKES: usize = 6;
/// The length of a bar.
const BAR: u64 = 120;

/// Returns a report as a page of HTML.
///
/// # Errors
/// The page's template does not fit to what it is given.
pub fn to_html(report: &Report) -> Result<String, HtmlError> {
    HtmlTemplate::compile(TEMPLATE, html)?.render(&context(report))
}

/// The hash of the page's style, as a content security policy names it.
fn style_hash() -> String {
    let (_, rest) = TEMPLATE.split_once("<style>").unwrap_or_default();
    let (style, _) = rest.split_once("</style>").unwrap_or_default();
    data_encoding::BASE64.encode(&Sha256::digest(style.as_bytes()))
}

fn context(report: &Report) -> Value {
    let unread: Vec<Value> = report.environments.iter().flat_map(unread).collect();
    let names: Vec<&str> = report.environments.iter().map(|of| of.name.as_str()).collect();
    let environments: Vec<Value> = report
        .environments
        .iter()
        .map(|of| json!({"name": of.name, "scope": of.scope, "endpoint": of.read.as_ref().ok().map(|read| &read.gates.endpoint)}))
        .collect();
    json!({
        "owner": report.owner,
        "version": report.version,
        "styleHash": style_hash(),
        "time": report.time().map(time),
        "names": names.join(", "),
        "environments": environments,
        "unread": unread,
        "tiles": tiles(report),
        "matrix": matrix(report),
        "remarks": each(report, |_, read| (!read.gates.remarks.is_empty()).then(|| json!({"list": read.gates.remarks}))),
        "holds": each(report, |_, read| Some(json!({"gates": holds(read)}))),
        "violations": each(report, |name, read| Some(violations(name, read))),
        "coverage": each(report, |name, read| Some(coverage(name, read, report.limit))),
        "weakenings": weakenings(report),
        "letOff": let_off(report),
        "drift": each(report, |_, read| Some(drift_of(read))),
        "runtime": each(report, |_, read| Some(runtime_of(read))),
    })
}

/// Returns a part of each environment, or that the environment was not read.
fn each(report: &Report, part: impl Fn(&str, &Read) -> Option<Value>) -> Vec<Value> {
    let of = |environment: &Environment| {
        let (part, why) = match &environment.read {
            Ok(read) => (Some(part(&environment.name, read)?), None),
            Err(why) => (None, Some(why)),
        };
        Some(json!({"name": environment.name, "part": part, "why": why}))
    };
    report.environments.iter().filter_map(of).collect()
}

/// A time for a machine and for a person.
fn time(at: Timestamp) -> Value {
    let iso = at.to_string();
    let shown = match (iso.get(..10), iso.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => iso.clone(),
    };
    json!({"iso": iso, "shown": shown})
}

fn day(at: Timestamp) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

fn unread(environment: &Environment) -> Vec<Value> {
    match &environment.read {
        Err(why) => vec![json!({"what": format!("Environment {}", environment.name), "why": why})],
        Ok(read) => {
            let parts = read.failures().into_iter();
            parts
                .map(|(part, why)| json!({"what": format!("{}: {part}", environment.name), "why": why}))
                .collect()
        }
    }
}

fn tiles(report: &Report) -> Value {
    let sums = report.sums();
    let (tally, out) = (&sums.tally, sums.left_out);
    let environments = report.environments.len();
    let left = |count: usize| match count {
        0 => String::new(),
        count if count == environments => "nothing could be read".to_owned(),
        count => format!("without {}, not read", counted(count, "environment")),
    };
    // What was not read at all is no number.
    let number = |text: String, count: usize| if count == environments { "?".to_owned() } else { text };
    let tone = |bad: bool, left: usize| match (bad, left) {
        (true, _) => "bad",
        (false, 0) => "good",
        (false, _) => "doubt",
    };
    let (open, unknown) = (tally.get(Sort::Open), tally.get(Sort::Unknown));
    let due = tally.total().saturating_sub(tally.get(Sort::NotDue));
    let violations = sums.violations;
    json!([
        {
            "label": "Gates closed", "href": "#coverage", "left": left(out.coverage),
            "tone": if open > 0 { "bad" } else if unknown > 0 || out.coverage > 0 { "doubt" } else if due > 0 { "good" } else { "calm" },
            "number": number(tally.get(Sort::Closed).to_string(), out.coverage),
            "text": format!("of {due} that are to be closed, at clusters"),
        },
        {
            "label": "Open", "href": "#coverage", "left": left(out.coverage), "tone": tone(open > 0, out.coverage),
            "number": number(open.to_string(), out.coverage),
            "text": format!("closed once, and open; {} let off, {} not closed yet", tally.get(Sort::LetOff), tally.get(Sort::NotDue)),
        },
        {
            "label": "Unknown", "href": "#coverage", "left": left(out.coverage),
            "tone": if unknown > 0 || out.coverage > 0 { "doubt" } else { "good" },
            "number": number(unknown.to_string(), out.coverage), "text": "of these nobody can say",
        },
        {
            "label": "Violations", "href": "#violations", "left": left(out.violations),
            "tone": if violations.is_none() { tone(false, out.violations) } else if violations.n == 0 { "doubt" } else { "warn" },
            "number": match (violations.n, violations.at_least) {
                (0, true) => "?".to_owned(),
                (n, at_least) => number(format!("{}{n}", if at_least { "≥ " } else { "" }), out.violations),
            },
            "text": match (violations.n, violations.at_least) {
                (0, true) => "not known: nothing was heard of yet",
                (_, true) => "at least: not everything was heard of",
                (_, false) => "objects that break a rule, each counted once for each rule",
            },
        },
        {
            "label": "Open weakenings", "href": "#weakenings", "left": left(out.others),
            "tone": if sums.weakenings > 0 { "warn" } else { tone(false, out.others) },
            "number": number(sums.weakenings.to_string(), out.others),
            "text": format!("{} let off, {} over or soon", sums.let_off, sums.ending),
        },
        {
            "label": "Drift", "href": "#drift", "left": left(out.drift),
            "tone": if sums.weaker > 0 { "bad" } else if sums.drift > 0 { "warn" } else { tone(false, out.drift) },
            "number": number(sums.drift.to_string(), out.drift),
            "text": match sums.weaker {
                0 => "differences from what the estate wants".to_owned(),
                weaker => format!("{weaker} let more through than they should"),
            },
        },
        {
            "label": "Open alerts", "href": "#runtime", "left": left(out.runtime),
            "tone": if sums.alerts > 0 { "bad" } else if sums.blind > 0 { "warn" } else { tone(false, out.runtime) },
            "number": number(sums.alerts.to_string(), out.runtime),
            "text": format!("{} at run time", counted(sums.blind, "blind spot")),
        },
    ])
}

/// What a gate stands at in a ring: a word, and the name of its sign.
fn sign(gate: &Gate, stage: crate::model::Stage) -> (String, &'static str) {
    let word = gate.word(stage);
    let sign = match stage {
        crate::model::Stage::Off => "off",
        crate::model::Stage::Audit => "audit",
        crate::model::Stage::Deny => "deny",
    };
    (word, sign)
}

fn matrix(report: &Report) -> Value {
    let gates: BTreeSet<&str> = report
        .read()
        .flat_map(|(_, read)| read.gates.gates.iter().map(|gate| gate.name.as_str()))
        .collect();
    let row = |name: &&str| {
        let cells = report.environments.iter().map(|environment| match &environment.read {
            Err(_) => {
                json!({"unread": true, "absent": false, "rings": [], "marks": [], "href": "", "next": Value::Null})
            }
            Ok(read) => cell(&environment.name, read, name),
        });
        json!({"gate": name, "cells": cells.collect::<Vec<_>>()})
    };
    let rows: Vec<Value> = gates.iter().map(row).collect();
    let heads: Vec<Value> = report
        .environments
        .iter()
        .map(|of| {
            let clusters = of.read.as_ref().ok().and_then(|read| read.coverage.read());
            json!({"name": of.name, "clusters": clusters.map(|covered| counted(covered.clusters.len(), "cluster"))})
        })
        .collect();
    json!({"heads": heads, "rows": rows})
}

fn cell(environment: &str, read: &Read, name: &str) -> Value {
    let Some((gate, way)) = read.ways().find(|(gate, _)| gate.name == name) else {
        return json!({"unread": false, "absent": true, "rings": [], "marks": [], "href": "", "next": Value::Null});
    };
    let rings: Vec<Value> = way
        .rings
        .iter()
        .map(|ring| {
            let (word, sign) = sign(gate, ring.stage);
            // What a cluster says of a gate matters where the gate is to be closed.
            let tally = read.tally_of(name, ring).filter(|_| sign == "deny");
            json!({
                "word": word, "sign": sign,
                "ring": (ring.name != "everywhere").then_some(&ring.name),
                "proof": tally.as_ref().map(proof),
            })
        })
        .collect();
    let mut marks: Vec<String> = Vec::new();
    marks.extend(gate.paused.iter().map(|_| "paused".to_owned()));
    if !gate.relaxed.is_empty() {
        marks.push("relaxed".to_owned());
    }
    if !gate.overrides.is_empty() {
        marks.push("guard overridden".to_owned());
    }
    if way.rings.is_empty() {
        marks.push("switch of Defender".to_owned());
    }
    marks.extend(way.beside.iter().cloned());
    let next = gate.next.as_ref().map(|next| match next.held.is_empty() {
        true => json!({"word": "next", "position": next.position, "held": false}),
        false => json!({"word": "held", "position": next.position, "held": true}),
    });
    json!({
        "unread": false, "absent": false, "rings": rings, "marks": marks, "href": format!("#hold-{environment}-{name}"), "next": next,
    })
}

/// What the clusters of a ring prove of a gate that denies there.
fn proof(tally: &Tally) -> Value {
    let (closed, total) = (tally.get(Sort::Closed), tally.total());
    let (open, unknown) = (tally.get(Sort::Open), tally.get(Sort::Unknown));
    let (tone, sign, text) = if open > 0 {
        ("open", "open", format!("{open} of {total} OPEN"))
    } else if unknown > 0 {
        ("unknown", "unknown", format!("{unknown} of {total} unknown"))
    } else if closed < total {
        (
            "letoff",
            "letoff",
            format!("{closed} of {total} closed, others let off"),
        )
    } else {
        ("closed", "closed", format!("all {total} closed"))
    };
    json!({"tone": tone, "sign": sign, "text": text})
}

fn holds(read: &Read) -> Vec<Value> {
    let of = |(gate, way): (&Gate, &super::Way)| {
        let held = gate.next.iter().flat_map(|next| &next.held);
        let held: Vec<Value> = held
            .map(|reason| json!({"guard": reason.guard, "sentence": reason.sentence, "opens": reason.opens.map(time)}))
            .collect();
        let mut lines: Vec<String> = gate
            .reports
            .iter()
            .map(|reports| reports.line(read.gates.time))
            .collect();
        lines.extend(way.beside.iter().cloned());
        lines.extend(gate.remarks.iter().cloned());
        let is_held = !held.is_empty();
        json!({
            "gate": gate.name,
            "initiative": gate.initiative,
            "position": gate.stage.map_or("–", |_| gate.position.as_str()),
            "target": gate.word(gate.target),
            "since": gate.since.map(time),
            "next": next(gate),
            "isHeld": is_held,
            "held": held,
            "lines": lines,
        })
    };
    read.ways().map(of).collect()
}

fn violations(environment: &str, read: &Read) -> Value {
    let now = read.compliance.read().map(|report| {
        let gates: Vec<Value> = report
            .gates
            .iter()
            .map(|gate| {
                let counted = gate.clusters.iter().filter(|cluster| cluster.coverage.counts()).count();
                // Where no cluster counts, none is no good news.
                let violations = if counted == 0 { "–".to_owned() } else { gate.violations().to_string() };
                json!({
                    "gate": gate.gate, "violations": violations, "denied": gate.denied().to_string(), "doubtful": gate.doubtful().count(),
                    "counted": counted, "notCounted": gate.clusters.len().saturating_sub(counted),
                })
            })
            .collect();
        let worst = crate::compliance::sums(&report.violations, |of| {
            let namespace = of.key.namespace.as_deref().unwrap_or_default();
            (&of.key.cluster, namespace, &of.key.kind, &of.key.name)
        });
        let more = worst.len().saturating_sub(WORKLOADS);
        let worst: Vec<Value> = worst
            .into_iter()
            .take(WORKLOADS)
            .map(|((cluster, namespace, kind, name), objects)| {
                json!({"cluster": cluster.name(), "namespace": namespace, "workload": format!("{kind} {name}"), "objects": objects})
            })
            .collect();
        json!({"gates": gates, "worst": worst, "more": (more > 0).then(|| counted(more, "workload"))})
    });
    json!({
        "now": now,
        "nowWhy": read.compliance.why_not(),
        "trend": read.trend.read().map(|days| trend(environment, days)),
        "trendWhy": read.trend.failure(),
        "trendAbsent": read.trend.absence(),
    })
}

fn trend(environment: &str, days: &Days) -> Value {
    let rows: Vec<Vec<Option<u64>>> = days
        .series
        .iter()
        .map(|series| {
            let numbers = series.points.iter().map(|point| point.broken);
            numbers
                .map(|broken| broken.and_then(|broken| u64::try_from(broken).ok()))
                .collect()
        })
        .collect();
    let ends: Vec<String> = days
        .series
        .first()
        .map(|series| series.points.iter().map(|point| day(point.end)).collect())
        .unwrap_or_default();
    let of = match days.clusters < days.of {
        true => Some(format!("of {} of {} clusters", days.clusters, days.of)),
        false => None,
    };
    let names: Vec<Value> = days
        .series
        .iter()
        .enumerate()
        .map(|(at, series)| json!({"gate": series.gate, "stroke": at % STROKES}))
        .collect();
    let table: Vec<Value> = ends
        .iter()
        .enumerate()
        .map(|(at, end)| {
            let numbers = rows.iter().map(|row| match row.get(at).copied().flatten() {
                Some(number) => number.to_string(),
                None => "?".to_owned(),
            });
            let heard = days.series.iter().filter_map(|series| series.points.get(at)).map(|point| point.heard).max();
            json!({"day": end, "numbers": numbers.collect::<Vec<_>>(), "heard": format!("{} of {}", heard.unwrap_or(0), days.clusters)})
        })
        .collect();
    let title = format!("Broken rules at the clusters of {environment}, by gate and day");
    json!({
        "id": environment,
        "title": title,
        "summary": in_words(days),
        "of": of,
        "days": ends.len(),
        "names": names,
        "chart": chart(&rows).map(|chart| drawing(&chart, &ends, days)),
        "table": table,
    })
}

/// What a chart shows, for who does not see it.
fn in_words(days: &Days) -> String {
    let of = days.series.iter().map(|series| {
        let mut known = series.points.iter().filter(|point| point.broken.is_some());
        match (known.next(), known.next_back()) {
            (None, _) => format!("{}: nothing was reported", series.gate),
            (Some(only), None) => format!("{}: {} on {}", series.gate, only.broken.unwrap_or(0), day(only.end)),
            (Some(first), Some(last)) => format!(
                "{}: {} on {}, {} on {}",
                series.gate,
                first.broken.unwrap_or(0),
                day(first.end),
                last.broken.unwrap_or(0),
                day(last.end)
            ),
        }
    });
    of.collect::<Vec<_>>().join("; ")
}

fn drawing(chart: &crate::report::chart::Chart, ends: &[String], days: &Days) -> Value {
    let (left, right, top, bottom) = PLOT;
    let steps: Vec<Value> = chart
        .steps
        .iter()
        .map(|(y, number)| json!({"y": y, "number": number, "textY": y.saturating_add(4)}))
        .collect();
    let dates: Vec<Value> = chart
        .dates
        .iter()
        .map(|(x, at)| {
            // The last date would run out of the box otherwise.
            let anchor = if *x >= right { "end" } else { "middle" };
            json!({"x": x, "anchor": anchor, "text": ends.get(*at).and_then(|end| end.get(5..)).unwrap_or_default()})
        })
        .collect();
    let lines: Vec<Value> = chart
        .lines
        .iter()
        .zip(&days.series)
        .enumerate()
        .map(|(at, (line, series))| {
            let dots: Vec<Value> = line
                .dots
                .iter()
                .map(|(x, y, day, number)| {
                    let end = ends.get(*day).map(String::as_str).unwrap_or_default();
                    json!({"x": x, "y": y, "text": format!("{}, {end}: {number}", series.gate)})
                })
                .collect();
            json!({"stroke": at % STROKES, "parts": line.parts, "dots": dots})
        })
        .collect();
    json!({
        "width": WIDTH, "height": HEIGHT, "left": left, "right": right, "top": top, "bottom": bottom,
        "labelX": left.saturating_sub(8), "dateY": bottom.saturating_add(20), "steps": steps, "dates": dates, "lines": lines,
    })
}

fn coverage(environment: &str, read: &Read, limit: usize) -> Value {
    let covered = read.coverage.read();
    json!({
        "why": read.coverage.why_not(),
        "table": covered.map(|covered| covered_table(environment, covered, limit)),
    })
}

fn covered_table(environment: &str, covered: &Covered, limit: usize) -> Value {
    let gates: Vec<Value> = covered
        .gates
        .iter()
        .map(|gate| {
            let cells = covered.cells().filter(|(_, of, _)| of.name == gate.name);
            let tally = Tally::of(cells.map(|(.., cell)| cell));
            json!({
                "gate": gate.name,
                "position": gate.position,
                "closed": tally.get(Sort::Closed),
                "open": tally.get(Sort::Open),
                "unknown": tally.get(Sort::Unknown),
                "letOff": tally.get(Sort::LetOff),
                "notDue": tally.get(Sort::NotDue),
                "bar": bar(&tally),
                "notes": notes(gate),
            })
        })
        .collect();
    let mut clusters: Vec<&crate::view::coverage::Cluster> = covered.clusters.iter().collect();
    // The sort keeps the order of names among those that are as bad.
    clusters.sort_by_key(|cluster| rank(&cluster.cells));
    let left_out = clusters.len().saturating_sub(limit);
    let rest = Tally::of(clusters.iter().skip(limit).flat_map(|cluster| &cluster.cells));
    let rows: Vec<Value> = clusters
        .into_iter()
        .take(limit)
        .map(|cluster| {
            let cells = cluster.cells.iter().map(|cell| {
                let sort = Sort::of(cell);
                let (tone, word) = match sort {
                    Sort::Open => ("open", "OPEN"),
                    Sort::Unknown => ("unknown", "unknown"),
                    Sort::LetOff => ("letoff", "let off"),
                    Sort::NotDue => ("notdue", "not closed yet"),
                    Sort::Closed => ("closed", "closed"),
                };
                let why = reasons(cell);
                json!({"tone": tone, "word": word, "why": (sort != Sort::Closed && !why.is_empty()).then_some(why)})
            });
            json!({"name": cluster.name, "location": cluster.location, "cells": cells.collect::<Vec<_>>()})
        })
        .collect();
    let total = covered.clusters.len();
    let all = Tally::of(covered.cells().map(|(.., cell)| cell));
    json!({
        "id": environment,
        "gates": gates,
        "clusters": rows,
        "count": counted(total, "cluster"),
        "isEmpty": total == 0 || covered.gates.is_empty(),
        "isOpen": all.get(Sort::Open) > 0,
        "hasNotes": covered.gates.iter().any(|gate| !notes(gate).is_empty()),
        "leftOut": (left_out > 0).then(|| {
            format!("{} more are not listed; their gates: {}.", counted(left_out, "cluster"), tallied(&rest))
        }),
    })
}

/// The parts of a bar: where each begins and how long it is.
fn bar(tally: &Tally) -> Vec<Value> {
    let total = u64::try_from(tally.total()).unwrap_or(u64::MAX);
    let order = [
        (Sort::Closed, "closed"),
        (Sort::Open, "open"),
        (Sort::Unknown, "unknown"),
        (Sort::LetOff, "letoff"),
        (Sort::NotDue, "notdue"),
    ];
    let mut before: u64 = 0;
    let mut parts = Vec::new();
    for (sort, tone) in order {
        let count = u64::try_from(tally.get(sort)).unwrap_or(u64::MAX);
        let (from, to) = (
            scaled(before, total, BAR),
            scaled(before.saturating_add(count), total, BAR),
        );
        before = before.saturating_add(count);
        // However few, they are seen.
        let width = if count > 0 { to.saturating_sub(from).max(2) } else { 0 };
        if width > 0 {
            parts.push(json!({"x": from.min(BAR.saturating_sub(width)), "width": width, "tone": tone}));
        }
    }
    parts
}

fn weakenings(report: &Report) -> Value {
    let all = report.read().flat_map(|(environment, read)| {
        let of = |one: &crate::report::Weakening| {
            json!({
                "environment": environment.name, "gate": one.gate, "what": one.sort.name(), "until": one.until.map(time),
                "reason": one.reason, "isOpen": one.sort.is_open(),
                "tone": match one.sort {
                    Weakness::Relaxed | Weakness::RelaxedInPart => "open",
                    Weakness::Paused | Weakness::Overridden => "unknown",
                    Weakness::Weakened => "notdue",
                },
            })
        };
        read.weakenings.iter().map(of).collect::<Vec<_>>()
    });
    let all: Vec<Value> = all.collect();
    json!({"list": all, "unread": not_read(report)})
}

/// The names of the environments that were not read.
fn not_read(report: &Report) -> Option<String> {
    let names = report.environments.iter().filter(|of| of.read.is_err());
    let names: Vec<&str> = names.map(|of| of.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn let_off(report: &Report) -> Value {
    let mut all: Vec<(&str, &crate::report::LetOff)> = report
        .read()
        .flat_map(|(environment, read)| read.let_off.iter().map(|one| (environment.name.as_str(), one)))
        .collect();
    all.sort_by_key(|(_, one)| one.ends.map_or((true, 0), |ends| (false, ends.seconds())));
    let more = all.len().saturating_sub(MOST);
    let list: Vec<Value> = all
        .into_iter()
        .take(MOST)
        .map(|(environment, one)| {
            let tone = match one.state {
                LetOffState::Expired | LetOffState::Endless => "open",
                LetOffState::EndsSoon => "unknown",
                LetOffState::InForce => "letoff",
                LetOffState::NotApplied => "notdue",
            };
            json!({
                "environment": environment,
                "gate": one.gate.as_deref().unwrap_or("all"),
                "what": one.sort.name(),
                "name": one.resource.rsplit('/').next().unwrap_or_default(),
                "resource": one.resource,
                "members": (!one.members.is_empty()).then(|| one.members.join(", ")),
                "ends": one.ends.map(time),
                "state": one.state.name(),
                "tone": tone,
                "category": one.category,
                "reason": one.reason,
            })
        })
        .collect();
    json!({"list": list, "more": (more > 0).then_some(more), "unread": not_read(report)})
}

fn drift_of(read: &Read) -> Value {
    let part = read.drift.read().map(|found| {
        let (drift, waiting): (Vec<_>, Vec<_>) = found.drift.iter().partition(|drift| drift.counts());
        let more = drift.len().saturating_sub(MOST);
        let list: Vec<Value> = drift.into_iter().take(MOST).map(one_drift).collect();
        let waiting: Vec<String> = waiting
            .into_iter()
            .take(MOST)
            .map(|drift| format!("{}: {}", drift::title(drift), drift.what.name()))
            .collect();
        let overlaps: Vec<String> = found
            .overlaps
            .iter()
            .map(|finding| format!("{}: {}", finding.subject, finding.sentence))
            .collect();
        json!({
            "closing": drift::closing(found), "list": list, "more": (more > 0).then_some(more), "waiting": waiting, "overlaps": overlaps,
        })
    });
    json!({"found": part, "why": read.drift.why_not()})
}

fn one_drift(drift: &crate::drift::Drift) -> Value {
    let text = |found: &Option<Value>| found.as_ref().map_or("absent".to_owned(), crate::view::text::value);
    let fields: Vec<Value> = drift
        .fields
        .iter()
        .map(|field| json!({"path": field.path, "found": text(&field.found), "wanted": text(&field.wanted)}))
        .collect();
    let tone = match (drift.what, drift.direction) {
        (crate::drift::What::NotCompared, _) => "unknown",
        (_, crate::kinds::Direction::Weakens) => "open",
        (_, crate::kinds::Direction::Tightens | crate::kinds::Direction::Neutral) => "notdue",
    };
    json!({
        "title": drift::title(drift),
        "what": drift.what.name(),
        "direction": drift::direction(drift),
        "tone": tone,
        "gate": drift.gate,
        "cause": drift::cause(drift.cause),
        "writer": drift.writer.as_ref().map(drift::writer),
        "fields": fields,
        "remarks": drift.remarks,
    })
}

fn runtime_of(read: &Read) -> Value {
    let found = read.runtime.read().map(|runtime| {
        let more = runtime.alerts.len().saturating_sub(MOST);
        let alerts: Vec<Value> = runtime
            .alerts
            .iter()
            .take(MOST)
            .map(|alert| {
                json!({
                    "severity": alert.severity.name(), "tone": runtime::tone(alert.severity), "cluster": alert.cluster.name(),
                    "title": alert.title, "status": alert.status, "since": alert.started.map(time),
                })
            })
            .collect();
        json!({
            "watch": runtime::watch(runtime),
            "blind": runtime.blind(),
            "alertCounts": runtime::severities(runtime.alerts.iter().map(|alert| alert.severity)),
            "alerts": alerts,
            "more": (more > 0).then_some(more),
            "recommendations": runtime::severities(runtime.recommendations.iter().map(|one| one.severity)),
            "images": runtime::severities(runtime.images.values().map(crate::runtime::Image::severity)),
        })
    });
    json!({"found": found, "why": read.runtime.failure(), "absent": read.runtime.absence()})
}
