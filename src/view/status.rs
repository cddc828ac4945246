//! Where the gates stand, as text for a terminal, as Markdown, and as JSON.

use super::page::{Layout, Page};
use super::text::{code, markdown, plain};
use crate::model::{Stage, Timestamp};
use crate::remark::Reason;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Its scope.
    pub scope: String,
    /// Its gates, or why they could not be read.
    pub read: Result<Gates, String>,
}

/// The gates of an environment.
#[derive(Clone, Debug)]
pub struct Gates {
    /// What was asked.
    pub endpoint: String,
    /// When, by its clock.
    pub time: Timestamp,
    /// The gates, by name.
    pub gates: Vec<Gate>,
    /// What a reader should know besides, in sentences without a full stop.
    pub remarks: Vec<String>,
}

/// One gate.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// Its initiative.
    pub initiative: String,
    /// Whether its furthest stage is called `enforce`: its members deploy.
    pub deploys: bool,
    /// Where it stands; none if that is no stage of a gate, as of a switch of Defender.
    ///
    /// A gate that denies in some of its rings stands at deny here: what is refused anywhere is refused.
    pub stage: Option<Stage>,
    /// The same in words, with the ring that is closed furthest.
    pub position: String,
    /// Where it is to go.
    pub target: Stage,
    /// Since when it stands there, as its mark says.
    pub since: Option<Timestamp>,
    /// The step after; none if it is where it is to be.
    pub next: Option<Next>,
    /// What a reader should know, in sentences without a full stop.
    pub remarks: Vec<String>,
}

/// The next step of a gate.
#[derive(Clone, Debug)]
pub struct Next {
    /// The stage that it leads to, in the ring that it closes.
    pub stage: Stage,
    /// The same in words.
    pub position: String,
    /// What holds it; nothing if an apply would take it.
    pub held: Vec<Reason>,
}

impl Gate {
    fn word(&self, stage: Stage) -> String {
        match (self.deploys, stage) {
            (true, Stage::Deny) => "enforce".to_owned(),
            _ => stage.to_string(),
        }
    }

    fn stands(&self) -> String {
        self.stage.map_or("-".to_owned(), |_| self.position.clone())
    }

    fn since(&self) -> String {
        self.since.map_or("-".to_owned(), |since| since.to_string())
    }

    fn next(&self) -> String {
        match &self.next {
            None => "-".to_owned(),
            Some(next) if next.held.is_empty() => format!("{}: an apply takes it", next.position),
            Some(next) => format!("{}: held", next.position),
        }
    }
}

fn reason(reason: &Reason) -> String {
    match reason.opens {
        Some(opens) => format!("{}: {}, opens {opens}", reason.guard, reason.sentence),
        None => format!("{}: {}", reason.guard, reason.sentence),
    }
}

/// Returns the environments for a terminal.
pub fn human(environments: &[Environment], layout: Layout) -> String {
    let mut page = Page::new(layout);
    for (at, environment) in environments.iter().enumerate() {
        if at > 0 {
            page.out.push('\n');
        }
        page.heading(&format!("Status of {}", environment.name));
        page.put(2, 4, &format!("scope {}", environment.scope));
        let read = match &environment.read {
            Err(why) => {
                page.painted(2, 4, &format!("not read: {why}"), &|line| layout.paint.bad(line));
                continue;
            }
            Ok(read) => read,
        };
        page.put(2, 4, &format!("at {}, {}", read.endpoint, read.time));
        for remark in &read.remarks {
            page.painted(2, 4, remark, &|line| layout.paint.notice(line));
        }
        if read.gates.is_empty() {
            page.put(2, 4, "no gates");
            continue;
        }
        page.out.push('\n');
        let width = read.gates.iter().map(|gate| gate.name.len()).max().unwrap_or(0).max(4);
        let stage = read
            .gates
            .iter()
            .map(|gate| gate.stands().len() + 2)
            .max()
            .unwrap_or(0)
            .max(8);
        let _ = writeln!(
            page.out,
            "  {:<width$}  {:<stage$}{:<8}{:<22}next",
            "gate", "stage", "target", "since"
        );
        for gate in &read.gates {
            let target = gate.word(gate.target);
            let _ = writeln!(
                page.out,
                "  {:<width$}  {:<stage$}{target:<8}{:<22}{}",
                plain(&gate.name),
                gate.stands(),
                gate.since(),
                gate.next()
            );
            for held in gate.next.iter().flat_map(|next| &next.held) {
                page.painted(6, 8, &reason(held), &|line| layout.paint.notice(line));
            }
            for remark in &gate.remarks {
                page.put(6, 8, remark);
            }
        }
    }
    page.out
}

/// Returns the environments for a pull request or a job summary.
pub fn to_markdown(environments: &[Environment]) -> String {
    let mut out = String::new();
    for environment in environments {
        let _ = writeln!(out, "## Status of {}\n", markdown(&environment.name));
        let read = match &environment.read {
            Err(why) => {
                let _ = writeln!(out, "**Not read**: {}\n", markdown(why));
                continue;
            }
            Ok(read) => read,
        };
        for remark in &read.remarks {
            let _ = writeln!(out, "{}\n", markdown(remark));
        }
        let _ = writeln!(out, "| gate | stage | target | since | next |\n|---|---|---|---|---|");
        for gate in &read.gates {
            let mut next = markdown(&gate.next());
            for held in gate.next.iter().flat_map(|next| &next.held) {
                let _ = write!(next, "<br>{}", markdown(&reason(held)));
            }
            for remark in &gate.remarks {
                let _ = write!(next, "<br>{}", markdown(remark));
            }
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {next} |",
                markdown(&gate.name),
                gate.stands(),
                gate.word(gate.target),
                gate.since()
            );
        }
        let _ = writeln!(
            out,
            "\nScope {}, at {}, {}.\n",
            code(&environment.scope),
            code(&read.endpoint),
            read.time
        );
    }
    out
}

/// Returns the environments as JSON, without what every answer of a command carries.
pub fn to_json(environments: &[Environment]) -> Value {
    let one = |environment: &Environment| {
        let read = environment.read.as_ref().ok();
        let gates = read.map(|read| read.gates.iter().map(gate).collect::<Vec<_>>());
        json!({
            "environment": environment.name,
            "scope": environment.scope,
            "endpoint": read.map(|read| &read.endpoint),
            "time": read.map(|read| read.time.to_string()),
            "error": environment.read.as_ref().err(),
            "gates": gates,
            "remarks": read.map(|read| &read.remarks),
        })
    };
    Value::Array(environments.iter().map(one).collect())
}

fn gate(gate: &Gate) -> Value {
    let next = gate.next.as_ref().map(|next| {
        let held = next.held.iter().map(|reason| {
            json!({
                "guard": reason.guard,
                "sentence": reason.sentence,
                "opens": reason.opens.map(|opens| opens.to_string()),
            })
        });
        json!({"stage": gate.word(next.stage), "position": next.position, "held": held.collect::<Vec<_>>()})
    });
    json!({
        "gate": gate.name,
        "initiative": gate.initiative,
        "stage": gate.stage.map(|stage| gate.word(stage)),
        "position": gate.stage.map(|_| &gate.position),
        "target": gate.word(gate.target),
        "since": gate.since.map(|since| since.to_string()),
        "next": next,
        "remarks": gate.remarks,
    })
}
