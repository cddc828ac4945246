//! What a plan makes of the lock: what is only said, what holds a gate, and what cannot be planned on.

use super::{Change, CloudLock, FILE, Live, Lock, Pinned, Unaccepted, Use, Uses, compare, named, resolve, users};
use crate::config::{Environment, Estate};
use crate::model::Stage;
use crate::remark::Finding;
use std::collections::{BTreeMap, BTreeSet};

/// How the built-ins of an environment stand to the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What a reader should know.
    pub findings: Vec<Finding>,
    /// By gate, why its content is not what was accepted.
    pub unaccepted: BTreeMap<String, Vec<Unaccepted>>,
    /// Built-ins that Azure does not have: whose they are, and what is missing. A gate would lose them.
    pub lost: Vec<String>,
}

/// The gates of an environment that are looked at, each with its initiative.
fn gates_of<'a>(environment: &'a Environment, gates: &[String]) -> Vec<(&'a str, &'a str)> {
    let all = environment.gates.values();
    let wanted = all.filter(|gate| gate.target != Stage::Off && (gates.is_empty() || gates.contains(&gate.name)));
    wanted
        .map(|gate| (gate.name.as_str(), gate.initiative.as_str()))
        .collect()
}

/// Returns the built-ins that the gates of an environment name: all gates if none is named, but for those that are off.
pub fn in_use(estate: &Estate, environment: &Environment, gates: &[String]) -> Uses {
    named(
        estate,
        gates_of(environment, gates)
            .into_iter()
            .map(|(_, initiative)| initiative),
    )
}

/// Judges the built-ins in use, with the members of sets, by what was read of them. Without a lock nothing is known of them,
/// and nothing needs to be read.
pub fn judge(
    lock: Option<&Lock>,
    environment: &Environment,
    gates: &[String],
    (uses, live): (&Uses, &Live),
) -> Judgement {
    let mut judgement = Judgement::default();
    let Some(lock) = lock else {
        if !gates_of(environment, gates).is_empty() {
            let sentence = "is not there: which versions of Azure's built-ins the gates consist of is not recorded, and a change \
                            of them is not seen; `aksgate lock` writes it";
            judgement.findings.push(finding(FILE, sentence.to_owned()));
        }
        return judgement;
    };
    let part = lock.clouds.get(environment.cloud.name());
    let gates = gates_of(environment, gates);
    let mut not_locked: Vec<String> = Vec::new();
    for (pinned, used) in uses {
        let locked = part.and_then(|part: &CloudLock| part.entries.get(pinned));
        let answer = resolve(pinned, live);
        let title = match (&answer, locked) {
            (super::Answer::Found(found), _) => found.title.clone(),
            (_, Some(locked)) => locked.title.clone(),
            (super::Answer::NoVersion { title, .. }, None) => title.clone(),
            (_, None) => pinned.name.clone(),
        };
        let concerned: BTreeSet<&str> = gates
            .iter()
            .filter(|(_, initiative)| used.by.iter().any(|(by, _)| by == initiative))
            .map(|(gate, _)| *gate)
            .collect();
        for change in compare(pinned, locked, &answer, used.direct) {
            if change == Change::NotLocked {
                not_locked.push(format!("`{title}` at `{}`", pinned.pin_text()));
            } else if change.is_loss() {
                judgement.lost.push(lost(pinned, used, &title, &change));
            } else {
                let subject: Vec<&str> = concerned.iter().copied().collect();
                let sentence = format!("`{title}`: {}", change.sentence(pinned));
                judgement.findings.push(finding(&subject.join(", "), sentence));
            }
            if change == Change::NotLocked || change.differs() {
                for gate in &concerned {
                    judgement
                        .unaccepted
                        .entry((*gate).to_owned())
                        .or_default()
                        .push(Unaccepted {
                            sentence: format!("`{title}`: {}", change.sentence(pinned)),
                            differs: change.differs(),
                        });
                }
            }
        }
    }
    if !not_locked.is_empty() {
        let (count, names) = (
            not_locked.len(),
            not_locked.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
        );
        let more = if count > 3 {
            format!(" and {} more", count - 3)
        } else {
            String::new()
        };
        let what = if count == 1 {
            "does not hold 1 built-in in use".to_owned()
        } else {
            format!("does not hold {count} built-ins in use")
        };
        judgement.findings.push(finding(
            FILE,
            format!("{what}: {names}{more}; `aksgate lock` locks what Azure has now"),
        ));
    }
    judgement
}

fn lost(pinned: &Pinned, used: &Use, title: &str, change: &Change) -> String {
    let name = if title == pinned.name {
        String::new()
    } else {
        format!(" `{title}`")
    };
    let sentence = change.sentence(pinned);
    format!(
        "{} {}{name}, {}: {sentence}",
        pinned.sort.label(),
        pinned.name,
        users(used)
    )
}

fn finding(subject: &str, sentence: String) -> Finding {
    Finding {
        subject: subject.to_owned(),
        sentence,
    }
}
