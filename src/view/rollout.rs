//! The way of each gate: drawn for a person, as Markdown, and as JSON.

use super::text::{Paint, code, markdown, plain};
use crate::desired::GateRollout;
use crate::plan::Header;
use crate::rollout::{Hold, Position};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The way as one line: what is behind with `=`, where it stands in brackets, its target with `*`.
fn drawn(rollout: &GateRollout) -> String {
    let stands = rollout.stands.unwrap_or(Position::Off);
    let names = rollout.way.iter().map(|(position, name)| {
        let target = if *position == rollout.target { "*" } else { "" };
        let name = plain(name);
        if *position == stands {
            format!("[{name}]{target}")
        } else {
            format!("{name}{target}")
        }
    });
    let behind = rollout
        .way
        .iter()
        .take_while(|(position, _)| *position < stands)
        .count();
    let mut line = String::new();
    for (at, name) in names.enumerate() {
        if at > 0 {
            line.push_str(if at <= behind { " == " } else { " -- " });
        }
        line.push_str(&name);
    }
    line
}

fn next(rollout: &GateRollout) -> Option<String> {
    let goes = rollout.way.iter().find(|(position, _)| *position == rollout.goes)?;
    let who = if rollout.by_approval {
        "`advance: approve` leaves it to `plan --out FILE` and `apply --plan FILE`, which puts it at"
    } else {
        "the next apply puts it at"
    };
    (rollout.stands.unwrap_or(Position::Off) != rollout.goes).then(|| format!("{who} {}", goes.1))
}

fn hold_line(hold: &Hold) -> String {
    let opens = hold.opens.map(|at| format!(" (opens {at})")).unwrap_or_default();
    format!("{}{opens}", plain(&hold.sentence))
}

/// Everything to be said of a gate besides its way, a line each: a word and a sentence.
fn lines(rollout: &GateRollout) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    if let Some(since) = rollout.since {
        lines.push((
            "since".to_owned(),
            format!("{since}, generation {}", rollout.generation),
        ));
    }
    for (generation, position) in &rollout.before {
        lines.push((
            "before".to_owned(),
            format!("generation {generation} stays at {position}"),
        ));
    }
    if let Some(reason) = &rollout.paused {
        lines.push(("paused".to_owned(), plain(reason)));
    }
    lines.extend(next(rollout).map(|next| ("next".to_owned(), next)));
    if let Some((position, holds)) = &rollout.held {
        lines.push(("held".to_owned(), position.clone()));
        lines.extend(holds.iter().map(|hold| (format!("  {}", hold.guard), hold_line(hold))));
    }
    lines.extend(
        rollout
            .overrides
            .iter()
            .map(|entry| ("overridden".to_owned(), plain(entry))),
    );
    lines
}

/// Returns the ways of the gates for a terminal.
pub fn human(header: &Header, rollouts: &[GateRollout], paint: Paint) -> String {
    let mut out = format!(
        "{} {} ({}), {}\n",
        paint.bold("Rollout of"),
        plain(&header.environment),
        plain(&header.endpoint),
        header.time
    );
    if rollouts.is_empty() {
        out.push_str("\nNo gate is on its way.\n");
    }
    for rollout in rollouts {
        let _ = write!(out, "\n{}\n  {}\n", paint.bold(&plain(&rollout.gate)), drawn(rollout));
        for (word, sentence) in lines(rollout) {
            let _ = writeln!(out, "  {word:<20}  {sentence}");
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Returns the ways of the gates for a job summary.
pub fn to_markdown(header: &Header, rollouts: &[GateRollout]) -> String {
    let mut out = format!("## Rollout of {}\n\n", markdown(&header.environment));
    for rollout in rollouts {
        let _ = writeln!(out, "### {}\n\n{}\n", markdown(&rollout.gate), code(&drawn(rollout)));
        for (word, sentence) in lines(rollout) {
            let _ = writeln!(out, "- {}: {}", markdown(word.trim()), markdown(&sentence));
        }
        out.push('\n');
    }
    out
}

/// Returns the ways of the gates as a JSON document.
pub fn to_json(header: &Header, rollouts: &[GateRollout]) -> Value {
    let gates: Vec<Value> = rollouts
        .iter()
        .map(|rollout| {
            let holds = |holds: &[Hold]| -> Vec<Value> {
                let one = |hold: &Hold| {
                    json!({"guard": hold.guard.name(), "sentence": hold.sentence, "opens": hold.opens.map(|at| at.to_string())})
                };
                holds.iter().map(one).collect()
            };
            let position = |position: Position| position.to_string();
            json!({
                "gate": rollout.gate,
                "way": rollout.way.iter().map(|(at, name)| json!({"position": position(*at), "name": name})).collect::<Vec<_>>(),
                "stands": rollout.stands.map(position),
                "since": rollout.since.map(|since| since.to_string()),
                "goes": position(rollout.goes),
                "byApproval": rollout.by_approval,
                "target": position(rollout.target),
                "held": rollout.held.as_ref().map(|(name, held)| json!({"what": name, "reasons": holds(held)})),
                "generation": rollout.generation,
                "before": rollout.before.iter()
                    .map(|(generation, position)| json!({"generation": generation, "position": position})).collect::<Vec<_>>(),
                "paused": rollout.paused,
                "overrides": rollout.overrides,
            })
        })
        .collect();
    json!({
        "formatVersion": 1,
        "command": "rollout show",
        "outcome": "done",
        "exitCode": 0,
        "environment": header.environment,
        "endpoint": header.endpoint,
        "time": header.time.to_string(),
        "gates": gates,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Guard;

    #[test]
    fn the_way_shows_what_is_behind_and_the_target() {
        let way = [
            (Position::Off, "off"),
            (Position::Audit, "audit"),
            (Position::Rings(1), "deny in canary"),
            (Position::Deny, "deny"),
        ];
        let rollout = GateRollout {
            gate: "g".into(),
            way: way.into_iter().map(|(at, name)| (at, name.to_owned())).collect(),
            stands: Some(Position::Audit),
            since: None,
            goes: Position::Audit,
            by_approval: false,
            target: Position::Deny,
            held: Some((
                "deny in canary".into(),
                vec![Hold {
                    guard: Guard::Soak,
                    sentence: "stands at audit for 1d of 7d".into(),
                    opens: None,
                }],
            )),
            generation: 2,
            before: vec![(1, "deny".into())],
            paused: None,
            overrides: Vec::new(),
        };
        assert_eq!(drawn(&rollout), "off == [audit] -- deny in canary -- deny*");
        let said: Vec<String> = lines(&rollout)
            .into_iter()
            .map(|(word, said)| format!("{word}: {said}"))
            .collect();
        assert_eq!(
            said,
            [
                "before: generation 1 stays at deny",
                "held: deny in canary",
                "  soak: stands at audit for 1d of 7d"
            ]
        );
    }
}
