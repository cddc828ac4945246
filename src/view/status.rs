//! Where the gates stand, as text for a terminal, as Markdown, and as JSON.

use super::page::{Layout, Page};
use super::text::{code, columns, markdown, plain};
use crate::desired::Relaxation;
use crate::model::{Period, Stage, Timestamp};
use crate::remark::Reason;
use crate::rollout::Count;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// An environment, and what was read of it.
pub type Environment = super::environment::Environment<Gates>;

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
    /// What its clusters report; none if it stands nowhere, or is no gate that they report on.
    pub reports: Option<Reports>,
    /// Why it is paused, if it is.
    pub paused: Option<String>,
    /// The last steps that were taken past a closed guard.
    pub overrides: Vec<String>,
    /// What lets it off for a while. `remarks` tells that too.
    pub relaxed: Vec<Relaxation>,
    /// What a reader should know, in sentences without a full stop.
    pub remarks: Vec<String>,
}

/// What the clusters report of a gate.
#[derive(Clone, Copy, Debug)]
pub struct Reports {
    /// How many clusters it is meant to act on.
    pub clusters: usize,
    /// Of how many every member was heard of, late enough to have seen the last change and not too long ago.
    pub fresh: usize,
    /// When the oldest of all reports came; none if there is no report yet.
    pub oldest: Option<Timestamp>,
    /// The objects that break it.
    pub violations: Count,
}

/// What takes a step that nothing holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// Any apply.
    Apply,
    /// An apply of a plan that was saved and looked at.
    SavedPlan,
    /// An apply that is allowed to weaken the gate.
    AllowedWeakening,
}

impl Taker {
    fn name(self) -> &'static str {
        match self {
            Taker::Apply => "apply",
            Taker::SavedPlan => "saved-plan",
            Taker::AllowedWeakening => "allowed-weakening",
        }
    }

    /// Returns what takes a step, in words.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Taker::Apply => "an apply takes it",
            Taker::SavedPlan => "a saved plan takes it",
            Taker::AllowedWeakening => "an apply with `--allow-weakening` takes it",
        }
    }
}

/// The next step of a gate.
#[derive(Clone, Debug)]
pub struct Next {
    /// The stage that it leads to, in the ring that it closes.
    pub stage: Stage,
    /// The same in words.
    pub position: String,
    /// What holds it; nothing if it can be taken.
    pub held: Vec<Reason>,
    /// What takes it, if nothing holds it.
    pub taker: Taker,
}

impl Gate {
    /// Returns the word for a stage of it.
    pub(super) fn word(&self, stage: Stage) -> String {
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
            Some(next) if next.held.is_empty() => format!("{}: {}", next.position, next.taker.sentence()),
            Some(next) => format!("{}: held", next.position),
        }
    }

    /// Where it stands, as a cell of the table of all environments.
    fn cell(&self) -> String {
        let marks = [
            (self.paused.is_some(), "paused"),
            (!self.relaxed.is_empty(), "relaxed"),
            (!self.overrides.is_empty(), "overridden"),
        ];
        let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
        let stands = self.stands();
        if marks.is_empty() {
            stands
        } else {
            format!("{stands} ({})", marks.join(", "))
        }
    }

    /// Everything else to be said of it, a line each, apart from what holds it.
    fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut lines: Vec<String> = self.reports.iter().map(|reports| reports.line(now)).collect();
        lines.extend(self.paused.iter().map(|reason| format!("paused: {reason}")));
        lines.extend(self.overrides.iter().map(|entry| format!("overridden: {entry}")));
        lines.extend(self.remarks.iter().cloned());
        lines
    }
}

impl Reports {
    fn age(&self, now: Timestamp) -> Option<Period> {
        self.oldest.map(|oldest| now.since(oldest))
    }

    /// Returns what they report, in a line.
    pub(super) fn line(&self, now: Timestamp) -> String {
        let Some(age) = self.age(now) else {
            return "no report yet: what would be refused is not known".to_owned();
        };
        let age = match age.seconds() {
            seconds if seconds < 60 => "less than a minute".to_owned(),
            seconds => Period::from_seconds(seconds / 60 * 60).to_string(),
        };
        format!(
            "violations: {}; fresh reports of {} of {} clusters, the oldest report is {age} old",
            self.violations, self.fresh, self.clusters
        )
    }
}

/// Returns what holds a step, in a line.
pub(super) fn reason(reason: &Reason) -> String {
    match reason.opens {
        Some(opens) => format!("{}: {}, opens {opens}", reason.guard, reason.sentence),
        None => format!("{}: {}", reason.guard, reason.sentence),
    }
}

/// The gates of several environments by name, each with a cell for every environment.
fn matrix(environments: &[Environment]) -> Vec<(&str, Vec<String>)> {
    let read = || {
        environments
            .iter()
            .filter_map(|environment| environment.read.as_ref().ok())
    };
    let names: BTreeSet<&str> = read()
        .flat_map(|read| &read.gates)
        .map(|gate| gate.name.as_str())
        .collect();
    let cell = |environment: &Environment, name: &str| match &environment.read {
        Err(_) => "not read".to_owned(),
        Ok(read) => {
            let gate = read.gates.iter().find(|gate| gate.name == name);
            gate.map_or("-".to_owned(), Gate::cell)
        }
    };
    let row = |name| {
        (
            name,
            environments.iter().map(|environment| cell(environment, name)).collect(),
        )
    };
    names.into_iter().map(row).collect()
}

/// Puts rows below each other in columns; false, and nothing is put, if they are wider than the page.
fn table(page: &mut Page, rows: &[Vec<String>]) -> bool {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        rows.iter()
            .filter_map(|row| row.get(at))
            .map(|cell| columns(cell))
            .max()
    };
    let widths: Vec<usize> = (0..count).map(|at| width(at).unwrap_or(0)).collect();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(&widths);
            let cells = cells.map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(columns(cell)))));
            format!("  {}", cells.collect::<Vec<String>>().join("  ").trim_end())
        })
        .collect();
    let fits = page.layout.width == 0 || lines.iter().all(|line| columns(line) <= page.layout.width);
    if fits {
        for line in lines {
            let _ = writeln!(page.out, "{line}");
        }
    }
    fits
}

/// Returns the environments for a terminal.
pub fn human(environments: &[Environment], layout: Layout) -> String {
    let mut page = Page::new(layout);
    let all = matrix(environments);
    if environments.len() > 1 && !all.is_empty() {
        page.heading("Where the gates stand");
        let head = ["gate"]
            .into_iter()
            .chain(environments.iter().map(|environment| environment.name.as_str()));
        let mut rows = vec![head.map(plain).collect::<Vec<String>>()];
        let row = |(name, cells): &(&str, Vec<String>)| {
            [vec![plain(name)], cells.iter().map(|cell| plain(cell)).collect()].concat()
        };
        rows.extend(all.iter().map(row));
        if !table(&mut page, &rows) {
            for (name, cells) in &all {
                page.put(2, 4, name);
                for (environment, cell) in environments.iter().zip(cells) {
                    page.put(4, 6, &format!("{}: {cell}", environment.name));
                }
            }
        }
        page.out.push('\n');
    }
    for (at, environment) in environments.iter().enumerate() {
        if at > 0 {
            page.out.push('\n');
        }
        page.heading(&format!("Status of {}", environment.name));
        page.put(2, 4, &format!("scope {}", environment.scope));
        match &environment.read {
            Err(why) => page.painted(2, 4, &format!("not read: {why}"), &|line| layout.paint.bad(line)),
            Ok(read) => one(&mut page, read),
        }
    }
    page.out
}

/// Puts the gates of an environment.
fn one(page: &mut Page, read: &Gates) {
    let paint = page.layout.paint;
    page.put(2, 4, &format!("at {}, {}", read.endpoint, read.time));
    for remark in &read.remarks {
        page.painted(2, 4, remark, &|line| paint.notice(line));
    }
    if read.gates.is_empty() {
        page.put(2, 4, "no gates");
        return;
    }
    page.out.push('\n');
    let head = ["gate", "stage", "target", "since", "next"].map(str::to_owned).to_vec();
    let row = |gate: &Gate| {
        let cells = [
            plain(&gate.name),
            gate.stands(),
            gate.word(gate.target),
            gate.since(),
            gate.next(),
        ];
        cells.to_vec()
    };
    let rows: Vec<Vec<String>> = [head].into_iter().chain(read.gates.iter().map(row)).collect();
    // In a table with lines between, or, where that is too wide, as a list.
    let mut lines = Page::new(page.layout);
    let is_table = table(&mut lines, &rows);
    let mut lines = lines.out.lines();
    if let Some(head) = lines.next() {
        let _ = writeln!(page.out, "{head}");
    }
    for gate in &read.gates {
        match lines.next() {
            Some(line) if is_table => {
                let _ = writeln!(page.out, "{line}");
            }
            _ => {
                page.put(2, 4, &gate.name);
                page.put(
                    4,
                    6,
                    &format!("stands at {}, target {}", gate.stands(), gate.word(gate.target)),
                );
                page.put(4, 6, &format!("since {}", gate.since()));
                page.put(4, 6, &format!("next {}", gate.next()));
            }
        }
        for line in gate.lines(read.time) {
            page.put(6, 8, &line);
        }
        for held in gate.next.iter().flat_map(|next| &next.held) {
            page.painted(6, 8, &reason(held), &|line| paint.notice(line));
        }
    }
}

/// Returns the environments for a pull request or a job summary.
pub fn to_markdown(environments: &[Environment]) -> String {
    let mut out = String::new();
    let all = matrix(environments);
    if environments.len() > 1 && !all.is_empty() {
        let names: Vec<String> = environments
            .iter()
            .map(|environment| markdown(&environment.name))
            .collect();
        let _ = writeln!(out, "## Where the gates stand\n\n| gate | {} |", names.join(" | "));
        let _ = writeln!(out, "|---|{}", "---|".repeat(names.len()));
        for (name, cells) in &all {
            let cells: Vec<String> = cells.iter().map(|cell| markdown(cell)).collect();
            let _ = writeln!(out, "| {} | {} |", markdown(name), cells.join(" | "));
        }
        out.push('\n');
    }
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
            for line in gate.lines(read.time) {
                let _ = write!(next, "<br>{}", markdown(&line));
            }
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {next} |",
                markdown(&gate.name),
                markdown(&gate.stands()),
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
        let gates = read.map(|read| read.gates.iter().map(|one| gate(one, read.time)).collect::<Vec<_>>());
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

fn gate(gate: &Gate, now: Timestamp) -> Value {
    let next = gate.next.as_ref().map(|next| {
        let held = next.held.iter().map(|reason| {
            json!({
                "guard": reason.guard,
                "sentence": reason.sentence,
                "opens": reason.opens.map(|opens| opens.to_string()),
            })
        });
        json!({
            "stage": gate.word(next.stage),
            "position": next.position,
            "held": held.collect::<Vec<_>>(),
            "takenBy": next.held.is_empty().then(|| next.taker.name()),
        })
    });
    let reports = gate.reports.map(|reports| {
        json!({
            "clusters": reports.clusters,
            "fresh": reports.fresh,
            "oldest": reports.oldest.map(|oldest| oldest.to_string()),
            "ageSeconds": reports.age(now).map(Period::seconds),
            "violations": reports.violations,
        })
    });
    let relaxed = gate.relaxed.iter().map(|one| {
        json!({"until": one.ends.to_string(), "inPart": one.in_part, "reason": one.reason, "exemption": one.exemption.as_str()})
    });
    json!({
        "gate": gate.name,
        "initiative": gate.initiative,
        "stage": gate.stage.map(|stage| gate.word(stage)),
        "position": gate.stage.map(|_| &gate.position),
        "target": gate.word(gate.target),
        "since": gate.since.map(|since| since.to_string()),
        "next": next,
        "reports": reports,
        "paused": gate.paused,
        "overrides": gate.overrides,
        "relaxed": relaxed.collect::<Vec<_>>(),
        "remarks": gate.remarks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ResourceId;
    use crate::view::text::Paint;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn gate(name: &str, stage: Stage, position: &str) -> Gate {
        Gate {
            name: name.into(),
            initiative: name.into(),
            deploys: false,
            stage: Some(stage),
            position: position.into(),
            target: Stage::Deny,
            since: Some(at("2027-01-04T08:00:00Z")),
            next: None,
            reports: None,
            paused: None,
            overrides: Vec::new(),
            relaxed: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn environment(name: &str, gates: Vec<Gate>) -> Environment {
        Environment {
            name: name.into(),
            scope: "subscriptions/s".into(),
            read: Ok(Gates {
                endpoint: "sandbox:1".into(),
                time: at("2027-01-11T08:00:30Z"),
                gates,
                remarks: Vec::new(),
            }),
        }
    }

    /// Two environments, of which the second one has everything that can be told, and one that was not read.
    fn fleet() -> Vec<Environment> {
        let told = Gate {
            next: Some(Next {
                stage: Stage::Deny,
                position: "deny in broad".into(),
                held: Vec::new(),
                taker: Taker::SavedPlan,
            }),
            reports: Some(Reports {
                clusters: 3,
                fresh: 2,
                oldest: Some(at("2027-01-11T06:30:00Z")),
                violations: Count::at_least(9),
            }),
            paused: Some("release week".into()),
            overrides: vec!["soak for deny-1: they know".into()],
            relaxed: vec![Relaxation {
                exemption: ResourceId::parse("/subscriptions/s/providers/Microsoft.Authorization/policyExemptions/e")
                    .unwrap(),
                assignment: ResourceId::parse("/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a")
                    .unwrap(),
                ends: at("2027-01-11T12:00:00Z"),
                in_part: true,
                reason: "restore".into(),
            }],
            ..gate("pod-security", Stage::Deny, "deny in canary")
        };
        let silent = Gate {
            reports: Some(Reports {
                clusters: 1,
                fresh: 0,
                oldest: None,
                violations: Count::at_least(0),
            }),
            ..gate("pod-security", Stage::Audit, "audit")
        };
        let away = Environment {
            name: "test".into(),
            scope: "subscriptions/t".into(),
            read: Err("403".into()),
        };
        vec![
            environment("dev", vec![gate("exposure", Stage::Deny, "deny"), silent]),
            away,
            environment("prod", vec![told]),
        ]
    }

    fn shown(width: usize) -> String {
        let paint = Paint { colour: false };
        human(&fleet(), Layout { paint, width })
    }

    #[test]
    fn several_environments_stand_in_one_table_and_then_each_by_itself() {
        let text = shown(0);
        let table = "Where the gates stand
  gate          dev    test      prod
  exposure      deny   not read  -
  pod-security  audit  not read  deny in canary (paused, relaxed, overridden)
";
        assert!(text.starts_with(table), "{text}");
        for part in [
            "\n      no report yet: what would be refused is not known\n",
            "\n      violations: at least 9; fresh reports of 2 of 3 clusters, the oldest report is 1h30m old\n",
            "  deny in broad: a saved plan takes it\n",
            "\n  not read: 403\n",
            "\n      paused: release week\n      overridden: soak for deny-1: they know\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_is_too_wide_for_a_terminal_is_a_list() {
        for width in [24, 40, 80] {
            let widest = shown(width).lines().map(columns).max();
            assert!(widest <= Some(width), "{width}: {widest:?}");
        }
        let text = shown(50);
        for part in [
            "\n  exposure\n    dev: deny\n    test: not read\n    prod: -\n",
            "\n    prod: deny in canary (paused, relaxed,\n      overridden)\n",
            "\n  pod-security\n    stands at deny in canary, target deny\n    since 2027-01-04T08:00:00Z\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_no_number() {
        let document = to_json(&fleet());
        let gates = &document[0]["gates"];
        assert_eq!(gates[0]["reports"], Value::Null);
        let reports = &gates[1]["reports"];
        assert_eq!(
            (&reports["oldest"], &reports["ageSeconds"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(reports["violations"], json!({"n": 0, "atLeast": true}));
        let told = &document[2]["gates"][0];
        assert_eq!(told["reports"]["ageSeconds"], 5_430);
        assert_eq!(told["next"]["takenBy"], "saved-plan");
        assert_eq!(told["relaxed"][0]["inPart"], true);
        assert_eq!(document[1]["gates"], Value::Null);
    }

    #[test]
    fn markdown_has_the_table_and_what_is_told_of_each_gate() {
        let text = to_markdown(&fleet());
        for part in [
            "| gate | dev | test | prod |\n|---|---|---|---|\n| exposure | deny | not read | - |\n",
            "| pod-security | audit | not read | deny in canary (paused, relaxed, overridden) |\n",
            "<br>violations: at least 9; fresh reports of 2 of 3 clusters, the oldest report is 1h30m old<br>paused: release week",
            "<br>no report yet",
            "**Not read**: 403",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
