//! From one environment to the next: what soaked in the one, and what of it goes into the file of the other.
//!
//! Owns which gates may be promoted, what is missing, and which lines of the file would change. Must not know how anything was read, nor how
//! a file is written. What is promoted is a stage that was reached and a content that soaked; the next environment begins in audit all the
//! same, for its ladder is its own.

mod proof;
mod source;
#[cfg(test)]
mod tests;

pub use proof::{Proof, ProofError, VALID};
pub use source::{Heard, SourceGate, source_gate};

use crate::config::Gate;
use crate::model::{Stage, Timestamp};
use crate::yaml::{Edit, Kind, Node};

/// What is known of a gate on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The environment that it comes from.
    pub from: &'a str,
    /// The gate there.
    pub gate: &'a Gate,
    /// What the file says of it there.
    pub stated: &'a Node,
    /// The digest of the content that the file asks for there; none if the gate has no assignment.
    pub digest: Option<&'a str>,
    /// What stands there; none if nothing does.
    pub stands: Option<&'a SourceGate>,
    /// The environment that it goes to.
    pub to: &'a str,
    /// The gate that is there, and what the file says of it.
    pub known: Option<(&'a Gate, &'a Node)>,
    /// Now, by ARM's clock.
    pub now: Timestamp,
}

/// What comes of a gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Promotion {
    /// The gate.
    pub gate: String,
    /// Whether it may be promoted.
    pub verdict: Verdict,
    /// The stage that would be asked for.
    pub stage: Stage,
    /// Why it may not be, or not further; sentences without a full stop.
    pub missing: Vec<String>,
    /// What the two files state otherwise, and goes on to do so.
    pub differences: Vec<Difference>,
    /// What would change in the file.
    pub edits: Vec<Edit>,
}

/// Whether a gate may be promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// There is nothing to do.
    Nothing,
    /// The edit may be made.
    Ready,
    /// Not now.
    NotYet,
    /// Something is not as it should be: nothing is promoted until it is.
    Refused,
}

impl Verdict {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Nothing => "nothing to do",
            Verdict::Ready => "ready",
            Verdict::NotYet => "not yet",
            Verdict::Refused => "refused",
        }
    }
}

/// What the two files state otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The key below the gate, such as `parameters.trustedImages`.
    pub key: String,
    /// What the one says; none if it does not state it.
    pub from: Option<Node>,
    /// What the other says.
    pub to: Option<Node>,
}

/// Judges a gate: what may be promoted, and what that changes in the other file.
pub fn judge(pair: Pair<'_>) -> Promotion {
    let mut promotion = Promotion {
        gate: pair.gate.name.clone(),
        verdict: Verdict::NotYet,
        stage: Stage::Off,
        missing: Vec::new(),
        differences: Vec::new(),
        edits: Vec::new(),
    };
    let (from, to) = (pair.from, pair.to);
    if pair.gate.target == Stage::Off {
        promotion.verdict = Verdict::Nothing;
        promotion.missing.push(format!("`{from}` wants it off"));
        return promotion;
    }
    let Some(digest) = pair.digest else {
        let sentence = "it is a part of the Defender plan and has no content that could soak; state it in both files";
        promotion.verdict = Verdict::Nothing;
        promotion.missing.push(sentence.to_owned());
        return promotion;
    };
    let Some(stands) = pair.stands else {
        promotion
            .missing
            .push(format!("it does not stand in `{from}` yet; apply it there"));
        return promotion;
    };
    if stands.digest != digest {
        promotion.verdict = Verdict::Refused;
        promotion.missing.push(format!(
            "what stands in `{from}` has the content {}, and its files ask for {digest}: what would be promoted has not soaked there; apply it there first",
            stands.digest
        ));
        return promotion;
    }
    let stage = stands.stage.min(pair.gate.target);
    promotion.stage = stage;
    let name = |stage| pair.gate.kind.stage_name(stage);
    if stands.by_hand {
        promotion.verdict = Verdict::Refused;
        let sentence = format!(
            "somebody changed it by hand in `{from}`: its mark says {}",
            stands.position
        );
        promotion.missing.push(sentence);
        return promotion;
    }
    promotion.missing.extend(unready(pair, stands, stage));
    if !promotion.missing.is_empty() {
        return promotion;
    }
    if stage < pair.gate.target {
        let target = name(pair.gate.target);
        let sentence = format!(
            "`{from}` stands at {} on its way to {target}: no more than that is asked of `{to}`",
            stands.position
        );
        promotion.missing.push(sentence);
    }
    match pair.known {
        None => promotion.edits.push(added(pair, &name(stage))),
        Some((gate, stated)) => change(&mut promotion, pair, (gate, stated), &name(stage)),
    }
    promotion.verdict = match promotion.edits.is_empty() {
        true => Verdict::Nothing,
        false => Verdict::Ready,
    };
    promotion
}

/// What has to come about in the source environment first.
fn unready(pair: Pair<'_>, stands: &SourceGate, stage: Stage) -> Vec<String> {
    let mut missing = Vec::new();
    let soak = pair.gate.soak;
    match stands.since {
        None => missing.push("its mark does not say since when it stands there".to_owned()),
        Some(since) if since > pair.now => {
            missing.push(format!(
                "its mark says that it stands there since {since}, which lies in the future"
            ));
        }
        Some(since) if pair.now.since(since) < soak => {
            let stood = pair.now.since(since);
            let until = since.plus(soak);
            missing.push(format!(
                "it has soaked in `{}` for {stood} of {soak} (until {until})",
                pair.from
            ));
        }
        Some(_) => {}
    }
    if let (Stage::Deny, Some(heard)) = (stage, &stands.evidence) {
        let silent = heard.clusters.saturating_sub(heard.reported);
        if silent > 0 {
            missing.push(format!(
                "{silent} of {} clusters in `{}` did not report",
                heard.clusters, pair.from
            ));
        }
        if heard.troubled > 0 {
            missing.push(format!(
                "{} clusters in `{}` report Conflict or Error",
                heard.troubled, pair.from
            ));
        }
    }
    missing
}

/// The gate as it is added to a file that does not have it.
fn added(pair: Pair<'_>, stage: &str) -> Edit {
    let mut entries = vec![
        ("initiative", Node::scalar(&pair.gate.initiative)),
        ("target", Node::scalar(stage)),
    ];
    // Everything that makes the content; how long it soaks is the other environment's own affair.
    for key in ["excludeNamespaces", "parameters"] {
        entries.extend(pair.stated.get(key).map(|value| (key, value.clone())));
    }
    Edit {
        path: vec!["gates".to_owned(), pair.gate.name.clone()],
        value: Node::mapping(entries),
    }
}

/// What changes in a gate that the file has: never lower than it is, and what both state stays.
fn change(promotion: &mut Promotion, pair: Pair<'_>, (known, stated): (&Gate, &Node), stage: &str) {
    let path = |keys: &[&str]| {
        let gate = ["gates", pair.gate.name.as_str()];
        gate.iter()
            .chain(keys)
            .map(|key| (*key).to_owned())
            .collect::<Vec<String>>()
    };
    let mut set = |keys: &[&str], value: Node| {
        promotion.edits.push(Edit {
            path: path(keys),
            value,
        });
    };
    if known.initiative != pair.gate.initiative {
        set(&["initiative"], Node::scalar(&pair.gate.initiative));
    }
    if known.target < promotion.stage {
        set(&["target"], Node::scalar(stage));
    }
    let none = Vec::new();
    let entries = |node: Option<&'_ Node>| match node.map(|node| &node.kind) {
        Some(Kind::Mapping(entries)) => entries.clone(),
        _ => none.clone(),
    };
    let mut differences = Vec::new();
    let (ours, theirs) = (
        entries(pair.stated.get("parameters")),
        entries(stated.get("parameters")),
    );
    for (key, value) in &ours {
        match theirs.iter().find(|(found, _)| found.text == key.text) {
            None => set(&["parameters", &key.text], value.clone()),
            Some((_, own)) if own.says_the_same(value) => {}
            Some((_, own)) => differences.push(Difference {
                key: format!("parameters.{}", key.text),
                from: Some(value.clone()),
                to: Some(own.clone()),
            }),
        }
    }
    for (key, own) in &theirs {
        if !ours.iter().any(|(found, _)| found.text == key.text) {
            differences.push(Difference {
                key: format!("parameters.{}", key.text),
                from: None,
                to: Some(own.clone()),
            });
        }
    }
    // An exclusion is a hole: it is never made in another environment because this one has it.
    let excluded = (pair.stated.get("excludeNamespaces"), stated.get("excludeNamespaces"));
    if excluded.0.map(|node| &node.kind).is_some() || excluded.1.is_some() {
        let same = matches!(excluded, (Some(one), Some(two)) if one.says_the_same(two));
        if !same {
            differences.push(Difference {
                key: "excludeNamespaces".to_owned(),
                from: excluded.0.cloned(),
                to: excluded.1.cloned(),
            });
        }
    }
    promotion.differences = differences;
}
