//! A report for a terminal.

use super::{Environment, Read, closing, days, doubt, remarks, workload};
use crate::compliance::{Key, Report, Violation, sums};
use crate::view::page::{Layout, Page};

/// How many entries of a list are shown where nobody asked for all of them.
const SHOWN: usize = 10;

/// Returns the environments for a terminal; `all` lists every violation.
pub fn human(environments: &[Environment], layout: Layout, all: bool) -> String {
    let mut page = Page::new(layout);
    for environment in environments {
        let heading = format!("Compliance of {}", environment.name);
        let read = page.environment(&heading, &environment.scope, &environment.read, |read| {
            (&read.endpoint, read.report.time)
        });
        let Some(read) = read else { continue };
        body(&mut page, read, if all { usize::MAX } else { SHOWN });
    }
    page.out
}

fn body(page: &mut Page, read: &Read, most: usize) {
    let (report, paint) = (&read.report, page.layout.paint);
    page.out.push('\n');
    for gate in &report.gates {
        let denied = match gate.denied().n {
            0 => String::new(),
            count => format!("; reported while it denied: {count}"),
        };
        page.put(
            2,
            4,
            &format!("{}: violations: {}{denied}", gate.gate, gate.violations()),
        );
        for cluster in gate.doubtful() {
            let line = format!("{}: {}", cluster.cluster.name(), doubt(cluster));
            page.painted(4, 6, &line, &|line| paint.notice(line));
        }
        for cluster in gate.clusters.iter().filter(|cluster| !cluster.coverage.counts()) {
            page.put(
                4,
                6,
                &format!("{}: {}, not counted", cluster.cluster.name(), cluster.coverage),
            );
        }
    }
    places(page, report, most);
    if !report.violations.is_empty() {
        page.out.push('\n');
        page.heading("Workloads");
        for violation in report.violations.iter().take(most) {
            one(page, violation);
        }
        more(page, report.violations.len(), most);
    }
    list(page, "Fixed since the earlier report", &report.fixed, most);
    list(page, "Gone, or not heard of: nobody can say", &report.unclear, most);
    if let Some(oldest) = report.oldest().filter(|_| report.baseline.is_some()) {
        page.out.push('\n');
        let line = format!(
            "oldest: {} at {}, {}, since {}",
            workload(&oldest.key),
            oldest.key.cluster.name(),
            oldest.key.rule,
            oldest.first_seen
        );
        page.put(2, 4, &line);
    }
    for (at, trend) in read.trends.iter().flatten().enumerate() {
        if at == 0 {
            page.out.push('\n');
            page.heading("Broken rules by day, the last one today");
        }
        page.put(2, 4, &format!("{}: {}", trend.cluster.name(), days(trend)));
    }
    page.out.push('\n');
    page.painted(0, 2, &closing(report), &|line| match report.count().is_none() {
        true => paint.bold(line),
        false => paint.bad(line),
    });
}

/// The namespaces with most objects.
fn places(page: &mut Page, report: &Report, most: usize) {
    let places = sums(&report.violations, |violation| {
        let key = &violation.key;
        (
            key.cluster.name(),
            key.namespace.as_deref().unwrap_or("(no namespace)"),
            key.cluster.as_str(),
        )
    });
    if places.is_empty() {
        return;
    }
    page.out.push('\n');
    page.heading("Clusters and namespaces");
    for ((cluster, namespace, _), objects) in places.iter().take(most) {
        page.put(2, 4, &format!("{cluster}, {namespace}: {objects}"));
    }
    more(page, places.len(), most);
}

fn one(page: &mut Page, violation: &Violation) {
    let key = &violation.key;
    let line = format!("{} at {}", workload(key), key.cluster.name());
    page.put(2, 4, &line);
    page.put(4, 6, &format!("{}/{}: {}", key.gate, key.rule, remarks(violation)));
}

fn list(page: &mut Page, title: &str, keys: &[Key], most: usize) {
    if keys.is_empty() {
        return;
    }
    page.out.push('\n');
    page.heading(title);
    for key in keys.iter().take(most) {
        let line = format!("{} at {}, {}/{}", workload(key), key.cluster.name(), key.gate, key.rule);
        page.put(2, 4, &line);
    }
    more(page, keys.len(), most);
}

fn more(page: &mut Page, count: usize, most: usize) {
    let left = count.saturating_sub(most);
    if left > 0 {
        page.put(2, 4, &format!("and {left} more (--details lists all)"));
    }
}
