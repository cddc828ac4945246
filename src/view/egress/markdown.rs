//! For a pull request or a job summary.

use super::{Egress, closing, groups, labels, meaning, named, target, why};
use crate::egress::{facts_read, source};
use crate::view::text::{code, markdown};
use std::fmt::Write as _;

/// How many clusters a cell names.
const NAMED: usize = 20;

/// Returns it as Markdown.
pub fn to_markdown(egress: &Egress<'_>) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "## Egress of {}\n\n**{}**",
        markdown(&egress.environment),
        markdown(&closing(egress))
    );
    if !egress.clusters.is_empty() {
        let _ = writeln!(out, "\n| outbound type | | clusters | for |\n|---|---|---|---|");
    }
    for group in groups(egress.clusters) {
        let clusters = group.clusters.iter().copied();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            code(&group.way),
            markdown(meaning(group.path)),
            markdown(&named(clusters, NAMED)),
            markdown(&labels(&group.features))
        );
    }
    match &egress.checked {
        Some(checked) if !egress.counted.is_empty() => {
            let _ = writeln!(
                out,
                "\n### What gets through\n\nBy {}, with {} entries.\n\n| name | verdict | why | for | clusters |\n|---|---|---|---|---|",
                code(&checked.against),
                checked.entries
            );
            for (need, answer) in &checked.check.answers {
                let clusters = need.clusters.iter().map(|(cluster, _)| *cluster);
                let _ = writeln!(
                    out,
                    "| {} | **{}** | {} | {} | {} |",
                    code(&target(need)),
                    answer.verdict.name(),
                    markdown(&why(answer)),
                    markdown(&labels(&need.endpoint.features)),
                    markdown(&named(clusters, NAMED))
                );
            }
            let blocked = checked.check.blocked.iter().copied();
            if !checked.check.blocked.is_empty() {
                let _ = writeln!(out, "\nNothing leaves {}.", markdown(&named(blocked, NAMED)));
            }
            for remark in checked.remarks(checked.is_policy()) {
                let _ = writeln!(out, "\n- {}", markdown(&remark));
            }
        }
        _ if !egress.needs.is_empty() => {
            let _ = writeln!(out, "\n| has to get through | to | for |\n|---|---|---|");
            for need in egress.needs {
                let from = source(&need.endpoint.source).map_or("", |source| source.url.as_str());
                let _ = writeln!(
                    out,
                    "| {} | [{}]({from}) | {} |",
                    code(&target(need)),
                    markdown(&need.endpoint.purpose),
                    markdown(&labels(&need.endpoint.features))
                );
            }
        }
        _ => {}
    }
    let _ = writeln!(
        out,
        "\nScope {}, at {}. Microsoft's pages as read on {}.",
        code(&egress.scope),
        code(&egress.endpoint),
        facts_read()
    );
    out
}
