//! What Defender for Cloud says of clusters, for a terminal, as Markdown, and as JSON.

use super::page::{Layout, Page};
use super::text::{code, counted, markdown};
use crate::model::Timestamp;
use crate::runtime::{Image, Plan, Runtime, Sensor, Severity, Sort, Threshold};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many clusters or numbers of vulnerabilities a line names.
const NAMED: usize = 5;
/// How many images are listed, the worst first.
const IMAGES: usize = 20;

/// An environment, and what was read of it.
pub type Environment = super::environment::Environment<Read>;

/// What was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// The ARM endpoint.
    pub endpoint: String,
    /// When it was read, by ARM's clock.
    pub time: Timestamp,
    /// What is known.
    pub runtime: Runtime,
}

/// The findings that count for a threshold, as a sentence; none if none do.
fn over(runtime: &Runtime, threshold: &Threshold) -> Option<String> {
    let words = |(sort, count): (Sort, usize)| match (sort, count) {
        (Sort::Alerts, count) => counted(count, "open alert"),
        // Each is listed once with its clusters, and counted as it is listed.
        (Sort::Recommendations, _) => {
            let titles = by_title(runtime).into_iter();
            let titles = titles.filter(|(severity, ..)| *severity >= threshold.severity);
            format!("{} not followed", counted(titles.count(), "recommendation"))
        }
        (Sort::Images, count) => counted(count, "vulnerable image"),
        (Sort::Watch, count) => counted(count, "blind spot"),
    };
    let counts: Vec<String> = runtime.over(threshold).into_iter().map(words).collect();
    let severity = threshold.severity.name();
    (!counts.is_empty()).then(|| format!("Over the threshold `{severity}`: {}.", counts.join(", ")))
}

/// Returns how a page shows a severity.
pub(super) fn tone(severity: Severity) -> &'static str {
    match severity {
        Severity::High | Severity::Critical | Severity::Unknown => "open",
        Severity::Medium => "unknown",
        Severity::Low | Severity::Informational => "notdue",
    }
}

/// Returns how many there are of each severity, the worst first.
pub(super) fn severities(all: impl Iterator<Item = Severity>) -> String {
    let mut counts: BTreeMap<std::cmp::Reverse<Severity>, usize> = BTreeMap::new();
    for severity in all {
        *counts.entry(std::cmp::Reverse(severity)).or_default() += 1;
    }
    let words: Vec<String> = counts
        .into_iter()
        .map(|(severity, count)| format!("{count} {}", severity.0.name()))
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

fn few(names: impl Iterator<Item = String>, most: usize) -> String {
    let all: Vec<String> = names.collect();
    match all.len().checked_sub(most) {
        Some(more) if more > 0 => {
            let shown: Vec<String> = all.into_iter().take(most).collect();
            format!("{} and {more} more", shown.join(", "))
        }
        _ => all.join(", "),
    }
}

/// The recommendations by title, with the clusters that do not follow them.
fn by_title(runtime: &Runtime) -> Vec<(Severity, &str, Vec<String>)> {
    let mut found: Vec<(Severity, &str, Vec<String>)> = Vec::new();
    for one in &runtime.recommendations {
        let cluster = one.cluster.name().to_owned();
        match found
            .iter_mut()
            .find(|(severity, title, _)| (*severity, *title) == (one.severity, one.title.as_str()))
        {
            Some((_, _, clusters)) => clusters.push(cluster),
            None => found.push((one.severity, &one.title, vec![cluster])),
        }
    }
    found
}

/// The images, the worst first.
fn by_severity(runtime: &Runtime) -> Vec<(&String, &Image)> {
    let mut images: Vec<(&String, &Image)> = runtime.images.iter().collect();
    images.sort_by_key(|(name, image)| (std::cmp::Reverse(image.severity()), *name));
    images
}

fn about(image: &Image, most: usize) -> String {
    let mut worst: Vec<(&String, &Severity)> = image.vulnerabilities.iter().collect();
    worst.sort_by_key(|(id, severity)| (std::cmp::Reverse(**severity), *id));
    let ids = few(worst.into_iter().map(|(id, _)| id.clone()), most);
    let fixable = match image.fixable.len() {
        0 => "no fix is known".to_owned(),
        number => format!("{number} with a fix"),
    };
    format!(
        "{} ({ids}), {fixable}",
        severities(image.vulnerabilities.values().copied())
    )
}

/// Returns the environments for a terminal; `verbose` names all clusters and numbers.
pub fn human(environments: &[Environment], threshold: Option<&Threshold>, layout: Layout, verbose: bool) -> String {
    let mut page = Page::new(layout);
    let most = if verbose { usize::MAX } else { NAMED };
    for environment in environments {
        let heading = format!("Run time of {}", environment.name);
        let read = page.environment(&heading, &environment.scope, &environment.read, |read| {
            (&read.endpoint, read.time)
        });
        let Some(read) = read else { continue };
        human_of(&mut page, &read.runtime, most);
        if let Some(over) = threshold.and_then(|threshold| over(&read.runtime, threshold)) {
            page.out.push('\n');
            page.painted(0, 2, &over, &|line| layout.paint.bold(line));
        }
    }
    page.out
}

fn human_of(page: &mut Page, runtime: &Runtime, most: usize) {
    let paint = page.layout.paint;
    let painted = |severity: Severity| {
        move |line: &str| match severity {
            Severity::High | Severity::Critical | Severity::Unknown => paint.bad(line),
            Severity::Medium => paint.notice(line),
            Severity::Low | Severity::Informational => line.to_owned(),
        }
    };
    let head = |page: &mut Page, text: &str| {
        page.out.push('\n');
        page.heading(text);
    };
    let blind = runtime.blind();
    head(page, &watch(runtime));
    for sentence in &blind {
        page.painted(2, 4, sentence, &|line| paint.bad(line));
    }
    head(
        page,
        &format!(
            "Open alerts: {}",
            severities(runtime.alerts.iter().map(|alert| alert.severity))
        ),
    );
    for alert in &runtime.alerts {
        let since = alert.started.map(|at| format!(" since {at}")).unwrap_or_default();
        let line = format!(
            "{:<9} {}: {}, {}{since}",
            alert.severity.name(),
            alert.cluster.name(),
            alert.title,
            alert.status
        );
        page.painted(2, 12, &line, &painted(alert.severity));
    }
    let recommendations = by_title(runtime);
    head(
        page,
        &format!(
            "Recommendations not followed: {}",
            severities(recommendations.iter().map(|(severity, ..)| *severity))
        ),
    );
    for (severity, title, clusters) in recommendations {
        let line = format!("{:<9} {title}: {}", severity.name(), few(clusters.into_iter(), most));
        page.painted(2, 12, &line, &painted(severity));
    }
    let images = by_severity(runtime);
    head(
        page,
        &format!(
            "Running images with vulnerabilities: {}",
            severities(images.iter().map(|(_, image)| image.severity()))
        ),
    );
    let listed = if most == usize::MAX { usize::MAX } else { IMAGES };
    let beyond = images.len().saturating_sub(listed);
    for (name, image) in images.into_iter().take(listed) {
        let severity = image.severity();
        page.painted(
            2,
            12,
            &format!("{:<9} {name}: {}", severity.name(), about(image, most)),
            &painted(severity),
        );
        page.put(12, 14, &format!("in {}", few(image.clusters.iter().cloned(), most)));
    }
    if beyond > 0 {
        page.put(2, 4, &format!("and {beyond} images more (--verbose names them)"));
    }
}

/// Returns in how many clusters the sensor looks, and how many blind spots there are.
pub(super) fn watch(runtime: &Runtime) -> String {
    let on = runtime
        .clusters
        .iter()
        .filter(|cluster| cluster.sensor == Sensor::On)
        .count();
    let blind = match runtime.blind().len() {
        0 => "no blind spot is known".to_owned(),
        1 => "1 blind spot".to_owned(),
        number => format!("{number} blind spots"),
    };
    format!(
        "Watch: sensor on in {on} of {} clusters, {blind}",
        runtime.clusters.len()
    )
}

/// Returns the environments for a pull request or a job summary.
pub fn to_markdown(environments: &[Environment], threshold: Option<&Threshold>) -> String {
    let mut out = String::new();
    for environment in environments {
        let _ = writeln!(out, "## Run time of {}\n", markdown(&environment.name));
        let read = match &environment.read {
            Err(why) => {
                let _ = writeln!(out, "**Not read:** {}\n", markdown(why));
                continue;
            }
            Ok(read) => read,
        };
        let runtime = &read.runtime;
        if let Some(over) = threshold.and_then(|threshold| over(runtime, threshold)) {
            let _ = writeln!(out, "**{}**\n", markdown(&over));
        }
        let _ = writeln!(out, "{}.\n", markdown(&watch(runtime)));
        for sentence in runtime.blind() {
            let _ = writeln!(out, "- {}", markdown(&sentence));
        }
        let _ = writeln!(out, "\n### Open alerts\n");
        if runtime.alerts.is_empty() {
            let _ = writeln!(out, "None.");
        } else {
            let _ = writeln!(
                out,
                "| severity | cluster | alert | status | since |\n|---|---|---|---|---|"
            );
        }
        for alert in &runtime.alerts {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                alert.severity.name(),
                markdown(alert.cluster.name()),
                markdown(&alert.title),
                markdown(&alert.status),
                alert.started.map(|at| at.to_string()).unwrap_or_default()
            );
        }
        let recommendations = by_title(runtime);
        if !recommendations.is_empty() {
            let _ = writeln!(
                out,
                "\n### Recommendations not followed\n\n| severity | recommendation | clusters |\n|---|---|---|"
            );
        }
        for (severity, title, clusters) in recommendations {
            let clusters = few(clusters.into_iter(), NAMED * 4);
            let _ = writeln!(
                out,
                "| {} | {} | {} |",
                severity.name(),
                markdown(title),
                markdown(&clusters)
            );
        }
        let images = by_severity(runtime);
        if !images.is_empty() {
            let _ = writeln!(
                out,
                "\n### Running images with vulnerabilities\n\n| severity | image | vulnerabilities | clusters |\n|---|---|---|---|"
            );
        }
        for (name, image) in images {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                image.severity().name(),
                code(name),
                markdown(&about(image, NAMED)),
                markdown(&few(image.clusters.iter().cloned(), NAMED * 4))
            );
        }
        let _ = writeln!(
            out,
            "\nScope {}, at {}. Read {}.\n",
            code(&environment.scope),
            code(&read.endpoint),
            read.time
        );
    }
    out
}

/// Returns the environments as JSON.
pub fn to_json(environments: &[Environment], threshold: Option<&Threshold>) -> Vec<Value> {
    environments
        .iter()
        .map(|environment| match &environment.read {
            Err(why) => json!({"environment": environment.name, "scope": environment.scope, "error": why}),
            Ok(read) => json_of(environment, read, threshold),
        })
        .collect()
}

fn json_of(environment: &Environment, read: &Read, threshold: Option<&Threshold>) -> Value {
    let runtime = &read.runtime;
    let subscriptions: Vec<Value> = runtime
        .subscriptions
        .iter()
        .map(|one| {
            let plan = one.plan.as_ref().ok().map(|plan| match plan {
                Plan::Standard => "Standard",
                Plan::Free => "Free",
            });
            let reasons: Vec<&String> = [one.plan.as_ref().err(), one.contact.as_ref().err()].into_iter().flatten().collect();
            json!({"id": one.id, "name": one.name, "plan": plan, "securityContact": one.contact.as_ref().ok(), "notKnown": reasons})
        })
        .collect();
    let clusters: Vec<Value> = runtime
        .clusters
        .iter()
        .map(
            |cluster| json!({"id": cluster.id.as_str(), "location": cluster.location, "sensor": cluster.sensor.name()}),
        )
        .collect();
    let alerts: Vec<Value> = runtime
        .alerts
        .iter()
        .map(|alert| {
            json!({"cluster": alert.cluster.as_str(), "name": alert.name, "title": alert.title,
                   "severity": alert.severity.name(), "status": alert.status, "started": alert.started.map(|at| at.to_string())})
        })
        .collect();
    let recommendations: Vec<Value> = runtime
        .recommendations
        .iter()
        .map(|one| json!({"cluster": one.cluster.as_str(), "title": one.title, "severity": one.severity.name()}))
        .collect();
    let images: Vec<Value> = by_severity(runtime)
        .into_iter()
        .map(|(name, image)| {
            let all: Vec<Value> = image
                .vulnerabilities
                .iter()
                .map(|(id, severity)| json!({"id": id, "severity": severity.name(), "fixable": image.fixable.contains(id)}))
                .collect();
            json!({"image": name, "severity": image.severity().name(), "clusters": image.clusters, "vulnerabilities": all})
        })
        .collect();
    let counted = threshold.map(|threshold| {
        let counts: BTreeMap<&str, usize> = threshold
            .sorts
            .iter()
            .map(|sort| (sort.name(), runtime.count(*sort, threshold.severity)))
            .collect();
        json!({"severity": threshold.severity.name(), "counts": counts})
    });
    json!({
        "environment": environment.name,
        "scope": environment.scope,
        "endpoint": read.endpoint,
        "time": read.time.to_string(),
        "threshold": counted,
        "blind": runtime.blind(),
        "subscriptions": subscriptions,
        "clusters": clusters,
        "alerts": alerts,
        "recommendations": recommendations,
        "images": images,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ResourceId;
    use crate::runtime::{Alert, Recommendation, Subscription, Vulnerability, Watched};
    use crate::view::text::{Paint, columns};

    fn environment(name: &str) -> Environment {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks";
        let cluster = ResourceId::parse(id).unwrap();
        let runtime = Runtime::new(
            vec![Watched {
                id: cluster.clone(),
                location: "westeurope".to_owned(),
                sensor: Sensor::Off,
            }],
            vec![Subscription {
                id: "s".to_owned(),
                name: name.to_owned(),
                plan: Err(name.to_owned()),
                contact: Ok(true),
            }],
            vec![Alert {
                cluster: cluster.clone(),
                name: name.to_owned(),
                title: name.to_owned(),
                severity: Severity::High,
                status: "Active".to_owned(),
                started: Some(Timestamp::from_seconds(0)),
            }],
            vec![Recommendation {
                cluster: cluster.clone(),
                title: name.to_owned(),
                severity: Severity::Medium,
            }],
            (0..8)
                .map(|n| Vulnerability {
                    cluster: cluster.clone(),
                    image: name.to_owned(),
                    id: format!("CVE-2026-{n}"),
                    severity: Severity::Low,
                    fixable: n == 0,
                })
                .collect(),
        );
        Environment {
            name: "prod".to_owned(),
            scope: "subscriptions/s".to_owned(),
            read: Ok(Read {
                endpoint: "https://arm".to_owned(),
                time: Timestamp::from_seconds(0),
                runtime,
            }),
        }
    }

    #[test]
    fn text_from_azure_moves_nothing_and_narrow_terminals_are_kept_to() {
        let hostile = [environment(
            "a\u{1b}[2J|<b> ##[x] and some words more that have to be wrapped somewhere",
        )];
        for width in [40, 80] {
            let layout = Layout {
                paint: Paint { colour: false },
                width,
            };
            let text = human(&hostile, None, layout, true);
            assert!(text.lines().all(|line| columns(line) <= width), "{text}");
            assert!(!text.contains('\u{1b}') && !text.contains("##["), "{text}");
        }
        let page = to_markdown(&hostile, None);
        // Only the code span that names the image shows it as it is.
        assert!(!page.contains('\u{1b}') && page.matches("<b>").count() == 1, "{page}");
    }

    #[test]
    fn a_threshold_says_what_is_over_it() {
        let environments = [environment("x")];
        let threshold = |severity, sorts: &[Sort]| Threshold {
            severity,
            sorts: sorts.to_vec(),
        };
        for (severity, sorts, expected) in [
            (
                Severity::High,
                vec![Sort::Alerts, Sort::Images],
                "Over the threshold `high`: 1 open alert.",
            ),
            (
                Severity::Low,
                vec![Sort::Images],
                "Over the threshold `low`: 1 vulnerable image.",
            ),
            (Severity::High, vec![Sort::Images], ""),
            (
                Severity::Critical,
                vec![Sort::Watch],
                "Over the threshold `critical`: 2 blind spots.",
            ),
        ] {
            let threshold = threshold(severity, &sorts);
            let page = to_markdown(&environments, Some(&threshold)).replace('\\', "");
            assert_eq!(page.contains("Over the threshold"), !expected.is_empty(), "{page}");
            assert!(page.contains(expected), "{expected}\n{page}");
        }
    }

    #[test]
    fn many_numbers_are_told_on_request() {
        let layout = Layout {
            paint: Paint { colour: false },
            width: 0,
        };
        let short = human(&[environment("x")], None, layout, false);
        assert!(
            short.contains(
                "8 low (CVE-2026-0, CVE-2026-1, CVE-2026-2, CVE-2026-3, CVE-2026-4 and 3 more), 1 with a fix"
            ),
            "{short}"
        );
        assert!(human(&[environment("x")], None, layout, true).contains("CVE-2026-7"));
    }
}
