//! Who would be hit by a step to deny, in the words that terminal and Markdown share.

use crate::evidence::{Forecast, Hit};

/// The heading over all forecasts.
pub(super) const TITLE: &str = "Forecast: what runs now and would be refused when it is made anew, if the gate denied";

/// How many workloads a terminal names unless more is asked for.
pub(super) const HUMAN: usize = 10;
/// How many workloads Markdown names.
pub(super) const MARKDOWN: usize = 20;
/// How many members of a workload, and how many places, are named.
const NAMED: usize = 3;

/// Returns the first line of a forecast.
pub(super) fn title(forecast: &Forecast) -> String {
    let gate = &forecast.gate;
    match forecast.workloads() {
        0 if forecast.unknown.is_empty() => format!("{gate}: nobody breaks it today"),
        0 => format!("{gate}: nobody is known to break it today"),
        1 => format!("{gate}: 1 workload; violations: {}", forecast.violations),
        n => format!(
            "{gate}: {n} workloads, top offenders first; violations: {}",
            forecast.violations
        ),
    }
}

/// Returns a workload with its place and what it breaks.
pub(super) fn hit(hit: &Hit) -> String {
    let place = match &hit.namespace {
        Some(namespace) => format!("{}, {namespace}", hit.cluster),
        None => hit.cluster.clone(),
    };
    let objects = match hit.objects {
        1 => "1 object".to_owned(),
        n => format!("{n} objects"),
    };
    format!("{place}: {}, {objects}, breaks {}", workload(hit), broken(hit))
}

/// Returns the workload's kind and name, and that they are guessed where they are.
pub(super) fn workload(hit: &Hit) -> String {
    let guessed = if hit.guessed { " (by the names of its pods)" } else { "" };
    format!("{} {}{guessed}", hit.kind, hit.name)
}

/// Returns the members that a workload breaks.
pub(super) fn broken(hit: &Hit) -> String {
    shortened(&hit.members, ", ")
}

/// Returns what is said below the workloads of which `named` were named.
pub(super) fn rest(forecast: &Forecast, named: usize) -> Vec<String> {
    let left = forecast.workloads().saturating_sub(named.min(forecast.hits.len()));
    let more = (left > 0).then(|| {
        let places: Vec<String> = forecast
            .places
            .iter()
            .map(|place| match &place.namespace {
                Some(namespace) => format!("{}, {namespace} ({})", place.cluster, place.workloads),
                None => format!("{} ({})", place.cluster, place.workloads),
            })
            .collect();
        let beyond = forecast.more_places;
        let beyond = if beyond > 0 {
            format!(" and {beyond} places beyond")
        } else {
            String::new()
        };
        format!(
            "and {left} workloads more; by place: {}{beyond}",
            shortened(&places, "; ")
        )
    });
    let unknown = (!forecast.unknown.is_empty()).then(|| format!("not known: {}", shortened(&forecast.unknown, "; ")));
    more.into_iter().chain(unknown).collect()
}

/// The first few of a list, and how many more there are.
fn shortened(items: &[String], between: &str) -> String {
    let first: Vec<&str> = items.iter().take(NAMED).map(String::as_str).collect();
    match items.len().saturating_sub(first.len()) {
        0 => first.join(between),
        more => format!("{} and {more} more", first.join(between)),
    }
}
