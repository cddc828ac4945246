//! The rules that are asked: those of the estate as Azure resolves them, or those that a cluster has.

use super::Args;
use super::positions::{Standing, Standings};
use super::stream::objects;
use crate::admission::judge::{RuleAt, by_position};
use crate::admission::judge_dump::{constraints, effects};
use crate::admission::report::{At, Gate, Origin};
use crate::admission::templates::LONGEST;
use crate::admission::{GateRule, NotJudged, RuleBody, Templates};
use crate::commands::context::LoadedEstate;
use crate::commands::error::CommandError;
use crate::commands::gather::{desired_error, rendered_offline};
use crate::commands::resolving::{each_gate, locks};
use crate::config::{Environment, Initiative};
use crate::desired::DesiredObject;
use crate::kinds::Kind;
use crate::model::{Effect, Stage};
use crate::store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The gate that rules from a folder stand under.
const FOLDER: &str = "templates";

/// What is asked.
pub(super) struct Rules {
    pub rules: Vec<RuleAt>,
    pub templates: Templates,
    pub gates: Vec<Gate>,
    pub origin: Origin,
}

/// Returns what is asked.
pub(super) fn of(
    loaded: &LoadedEstate,
    environment: &Environment,
    args: &Args,
    standings: &Standings,
) -> Result<Rules, CommandError> {
    let rendered = rendered_offline(
        (&loaded.estate, &loaded.catalog),
        &loaded.renderer,
        environment,
        &args.gate,
    )
    .map_err(|error| desired_error(&error))?;
    let mut estate = of_estate(loaded, environment, &rendered, standings)?;
    estate.extend(of_defender(loaded, environment, &args.gate));
    let mut stages: BTreeMap<String, At<Stage>> = BTreeMap::new();
    for gate in environment.gates.values() {
        if args.gate.is_empty() || args.gate.contains(&gate.name) {
            stages.insert(gate.name.clone(), stages_of(gate.target, standings, &gate.name));
        }
    }
    let (mut rules, origin) = match &args.cluster_dump {
        None => (estate, Origin::Estate),
        Some(path) => {
            let rules = of_cluster(path, &rendered, &estate, &args.gate)?;
            (rules, Origin::Cluster(path.to_string_lossy().into_owned()))
        }
    };
    if let Some(folder) = &args.templates {
        let found = constraints(&objects(folder)?);
        if found.is_empty() {
            return Err(
                CommandError::failed(format!("`{}` holds no constraint", folder.display()))
                    .hint("a template says nothing without a constraint of its kind"),
            );
        }
        rules.extend(found.into_iter().map(|found| RuleAt {
            effects: effects(&found.rule, None, None),
            rule: GateRule {
                gate: FOLDER.to_owned(),
                ..found.rule
            },
        }));
    }
    // A gate that no environment names stands where its rules do.
    for rule in &rules {
        stages.entry(rule.rule.gate.clone()).or_insert_with(|| {
            let mine = rules.iter().filter(|other| other.rule.gate == rule.rule.gate);
            let deny = mine.into_iter().any(|other| other.rule.effect == Effect::Deny);
            let stage = Some(if deny { Stage::Deny } else { Stage::Audit });
            At {
                now: stage,
                next: stage,
                target: stage,
            }
        });
    }
    Ok(Rules {
        rules,
        templates: templates(loaded, environment),
        gates: stages
            .into_iter()
            .map(|(name, stages)| Gate {
                name,
                stages,
                counts: Default::default(),
            })
            .collect(),
        origin,
    })
}

/// Returns the templates of Azure's definitions, as far as the estate has them as they are locked.
fn templates(loaded: &LoadedEstate, environment: &Environment) -> Templates {
    let read = |path: &str| {
        store::read_start(&loaded.dir.join(path), LONGEST as u64 + 1)
            .ok()
            .flatten()
    };
    match locks(loaded, environment) {
        Some(part) => Templates::load(&part.templates, &read),
        None => Templates::default(),
    }
}

fn stages_of(target: Stage, standings: &Standings, gate: &str) -> At<Stage> {
    let standing = standings.as_ref().map(|standings| {
        let absent = Standing {
            now: Stage::Off,
            next: Stage::Off,
        };
        standings.get(gate).copied().unwrap_or(absent)
    });
    At {
        now: standing.map(|standing| standing.now),
        next: standing.map(|standing| standing.next),
        target: Some(target),
    }
}

/// Returns the rules of the estate, resolved at each position that is known.
fn of_estate(
    loaded: &LoadedEstate,
    environment: &Environment,
    rendered: &[DesiredObject],
    standings: &Standings,
) -> Result<Vec<RuleAt>, CommandError> {
    let mut all = Vec::new();
    each_gate(loaded, environment, rendered, &mut |gate, rules| {
        let rules = |stage: Option<Stage>| match stage {
            None | Some(Stage::Off) => Ok(None),
            stage => rules(stage).map(Some),
        };
        let stages = stages_of(gate.target, standings, &gate.name);
        let (now, next, target) = (rules(stages.now)?, rules(stages.next)?, rules(stages.target)?);
        all.extend(by_position(At {
            now: now.as_deref(),
            next: next.as_deref(),
            target: target.as_deref(),
        }));
        Ok(())
    })?;
    Ok(all)
}

/// Returns the gates whose rules stand in Defender, which nobody can read.
fn of_defender(loaded: &LoadedEstate, environment: &Environment, gates: &[String]) -> Vec<RuleAt> {
    let is_defender = |gate: &&crate::config::Gate| {
        let initiative = loaded.estate.initiatives.get(&gate.initiative);
        matches!(initiative, Some(Initiative::Defender { .. })) && (gates.is_empty() || gates.contains(&gate.name))
    };
    let rules = environment.gates.values().filter(is_defender).map(|gate| RuleAt {
        rule: GateRule {
            gate: gate.name.clone(),
            reference_id: "defender".to_owned(),
            definition: gate.initiative.clone(),
            version: None,
            title: "Gated deployment of Defender for Containers".to_owned(),
            effect: Effect::Audit,
            warn: false,
            elsewhere: Vec::new(),
            body: RuleBody::NotJudged(NotJudged::Defender),
        },
        effects: At {
            target: Some(Effect::Audit),
            ..At::default()
        },
    });
    rules.collect()
}

/// Returns the rules that a cluster has, each under the gate that it comes from.
fn of_cluster(
    path: &Path,
    rendered: &[DesiredObject],
    estate: &[RuleAt],
    gates: &[String],
) -> Result<Vec<RuleAt>, CommandError> {
    let assignments: BTreeMap<String, &str> = rendered
        .iter()
        .filter(|object| object.kind == Kind::PolicyAssignment)
        .filter_map(|object| Some((object.id.as_str().to_ascii_lowercase(), object.gate.as_deref()?)))
        .collect();
    let mut rules = Vec::new();
    for found in constraints(&objects(path)?) {
        let gate = match &found.assignment {
            // What somebody else assigned refuses objects all the same.
            Some(id) => match assignments.get(&id.to_ascii_lowercase()) {
                Some(gate) => (*gate).to_owned(),
                None => format!("assignment {}", id.rsplit('/').next().unwrap_or_default()),
            },
            None => "cluster".to_owned(),
        };
        if !gates.is_empty() && !gates.contains(&gate) {
            continue;
        }
        let same = |at: &&RuleAt| at.rule.gate == gate && at.rule.reference_id == found.rule.reference_id;
        let planned = estate.iter().find(same);
        let mut rule = GateRule {
            gate: gate.clone(),
            ..found.rule
        };
        if let Some(planned) = planned {
            rule.title.clone_from(&planned.rule.title);
            rule.version.clone_from(&planned.rule.version);
        }
        rules.push(RuleAt {
            effects: effects(
                &rule,
                planned.and_then(|planned| planned.effects.next),
                planned.and_then(|planned| planned.effects.target),
            ),
            rule,
        });
    }
    // What the estate wants and the cluster has not got yet is judged as the estate says.
    let there: BTreeSet<(String, String)> = rules
        .iter()
        .map(|at| (at.rule.gate.clone(), at.rule.reference_id.clone()))
        .collect();
    let missing = estate
        .iter()
        .filter(|at| !there.contains(&(at.rule.gate.clone(), at.rule.reference_id.clone())));
    rules.extend(missing.map(|at| RuleAt {
        effects: At {
            now: None,
            ..at.effects
        },
        ..at.clone()
    }));
    Ok(rules)
}
