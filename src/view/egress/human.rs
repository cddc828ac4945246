//! For a terminal.

use super::{Egress, closing, groups, labels, meaning, named, target, why};
use crate::egress::{Path, Verdict, facts_read, source};
use crate::view::page::{Layout, Page};

/// How many clusters a line names.
const NAMED: usize = 5;

/// Returns it for a terminal; `verbose` names every cluster, and what each name is for.
pub fn human(egress: &Egress<'_>, layout: Layout, verbose: bool) -> String {
    let mut page = Page::new(layout);
    let paint = layout.paint;
    let most = if verbose { usize::MAX } else { NAMED };
    page.heading(&format!("Egress of {}", egress.environment));
    page.put(2, 4, &format!("scope {}, cloud {}", egress.scope, egress.cloud));
    page.put(2, 4, &format!("at {}", egress.endpoint));
    page.put(2, 4, &format!("from Microsoft's pages as read on {}", facts_read()));
    if !egress.clusters.is_empty() {
        page.out.push('\n');
        page.heading("How traffic leaves");
    }
    for group in groups(egress.clusters) {
        let head = format!("{}: {}", group.way, meaning(group.path));
        page.painted(2, 4, &head, &|line| match group.path {
            Path::Blocked => paint.bad(line),
            Path::Filtered | Path::Own | Path::Unknown => paint.notice(line),
            Path::Open => paint.good(line),
        });
        let clusters = group.clusters.iter().copied();
        page.put(
            4,
            6,
            &format!("{}, for {}", named(clusters, most), labels(&group.features)),
        );
    }
    if !egress.needs.is_empty() && (verbose || egress.checked.is_none()) {
        page.out.push('\n');
        page.heading("What has to get through");
        let widest = egress.needs.iter().map(|need| target(need).chars().count()).max();
        let column = widest.unwrap_or_default();
        for need in egress.needs {
            let head = format!("{:<column$}  {}", target(need), labels(&need.endpoint.features));
            page.put(2, 4, &head);
            if verbose {
                let from = source(&need.endpoint.source).map_or("", |source| source.url.as_str());
                page.put(4, 6, &format!("to {}; {from}", need.endpoint.purpose));
            }
        }
    }
    checked(&mut page, egress, most);
    page.out.push('\n');
    page.painted(0, 2, &closing(egress), &|line| paint.bold(line));
    page.out
}

fn checked(page: &mut Page, egress: &Egress<'_>, most: usize) {
    let Some(checked) = egress.checked.as_ref().filter(|_| !egress.counted.is_empty()) else {
        return;
    };
    let paint = page.layout.paint;
    page.out.push('\n');
    page.heading("What gets through");
    page.put(
        2,
        4,
        &format!("by {}, with {} entries", checked.against, checked.entries),
    );
    for (need, answer) in checked.check.missing() {
        let head = format!(
            "{:<8} {}: {}",
            answer.verdict.name().to_uppercase(),
            target(need),
            why(answer)
        );
        page.painted(2, 11, &head, &|line| match answer.verdict {
            Verdict::Unknown => paint.notice(line),
            _ => paint.bad(line),
        });
        let clusters = need.clusters.iter().map(|(cluster, _)| *cluster);
        let line = format!(
            "to {}, for {} of {}",
            need.endpoint.purpose,
            labels(&need.endpoint.features),
            named(clusters, most)
        );
        page.put(11, 13, &line);
    }
    for cluster in &checked.check.blocked {
        let line = format!(
            "BLOCKED  {}: nothing leaves it; choose another outbound type, or private endpoints for these services",
            cluster.id.name()
        );
        page.painted(2, 11, &line, &|line| paint.bad(line));
    }
    for remark in checked.remarks(checked.is_policy()) {
        page.painted(2, 4, &remark, &|line| paint.faint(line));
    }
}
