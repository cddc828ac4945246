//! What a promotion is judged on: what stands on both sides, and which content the files ask for.

use super::context::{CheckedEstate, Context, LoadedEstate, arm_error, read_file, server_now};
use super::error::{CommandError, Exit};
use super::evidence::{self, Standing};
use super::gather::{desired_error, rendered_offline};
use crate::catalog::Catalog;
use crate::config::{self, Environment, Estate};
use crate::evidence::{SETTLE, freshness};
use crate::kinds::Kind;
use crate::model::{MarkState, STATE_KEY, Timestamp};
use crate::observe::observe;
use crate::promotion::{Heard, Pair, Promotion, Proof, SourceGate, VALID, Verdict, judge as judge_gate, source_gate};
use crate::render::Renderer;
use crate::view::promote::{Row, Side};
use crate::yaml::{self, Node};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Where it is read what stands in the first environment.
pub(super) enum Source {
    /// In Azure.
    Live,
    /// In a proof.
    Proof(Proof),
}

/// What is known of both environments.
pub(super) struct Sides<'a> {
    from: &'a Environment,
    to: &'a Environment,
    gates: Vec<String>,
    digests: BTreeMap<String, String>,
    source: BTreeMap<String, SourceGate>,
    target: BTreeMap<String, SourceGate>,
    now: Timestamp,
    proven: Option<String>,
}

impl Sides<'_> {
    /// Returns what the first environment was read from, where that is a proof.
    pub(super) fn proven(&self) -> Option<String> {
        self.proven.clone()
    }

    /// Returns the promotions with what stands on both sides.
    pub(super) fn rows(&self, promotions: Vec<Promotion>) -> Vec<Row> {
        let side = |stands: Option<&SourceGate>, environment: &Environment, gate: &str| {
            let stated = environment.gates.get(gate);
            Side {
                target: stated.map(|gate| gate.kind.stage_name(gate.target)),
                soak: stated.map(|gate| gate.soak),
                position: stands.map(|stands| stands.position.clone()),
                digest: stands.map(|stands| stands.digest.clone()),
                since: stands.and_then(|stands| stands.since),
                heard: stands.and_then(|stands| stands.evidence),
            }
        };
        let rows = promotions.into_iter().map(|promotion| Row {
            from: side(self.source.get(&promotion.gate), self.from, &promotion.gate),
            to: side(self.target.get(&promotion.gate), self.to, &promotion.gate),
            stage: self
                .from
                .gates
                .get(&promotion.gate)
                .map(|gate| gate.kind.stage_name(promotion.stage)),
            promotion,
        });
        rows.collect()
    }
}

/// Reads what stands on both sides, and renders what the files ask for.
pub(super) async fn sides<'a>(
    context: &Context,
    loaded: &LoadedEstate,
    (from, to): (&'a Environment, &'a Environment),
    source: Source,
    gates: &[String],
) -> Result<Sides<'a>, CommandError> {
    let gates: Vec<String> = if gates.is_empty() {
        from.gates.keys().cloned().collect()
    } else {
        gates.to_vec()
    };
    let digests = digests((&loaded.estate, &loaded.catalog), &loaded.renderer, from)?;
    let (target, now, endpoint, _) = standing(context, loaded, to, false).await?;
    let (source, now, proven) = match source {
        Source::Live => {
            let (source, now, ..) = standing(context, loaded, from, true).await?;
            (source, now, None)
        }
        Source::Proof(proof) => {
            let scope = from.scope.to_string();
            let wanted = [loaded.estate.owner.as_str(), &from.name, &from.tenant, &scope];
            proof
                .holds(wanted, endpoint.starts_with("sandbox:"), now)
                .map_err(|error| {
                    CommandError::new(Exit::Refused, "the proof does not hold here").detail(error.to_string())
                })?;
            let said = format!(
                "read {} at {}, run {}",
                proof.read, proof.endpoint, proof.correlation_id
            );
            (proof.gates, now, Some(said))
        }
    };
    Ok(Sides {
        from,
        to,
        gates,
        digests,
        source,
        target,
        now,
        proven,
    })
}

/// Reads what stands in an environment and makes a proof of it.
pub(super) async fn prove(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    gates: &[String],
) -> Result<Proof, CommandError> {
    let (mut found, now, endpoint, run) = standing(context, loaded, environment, true).await?;
    found.retain(|gate, _| gates.is_empty() || gates.contains(gate));
    Ok(Proof {
        owner: loaded.estate.owner.clone(),
        environment: environment.name.clone(),
        tenant: environment.tenant.clone(),
        scope: environment.scope.to_string(),
        endpoint,
        read: now,
        expires: now.plus(VALID),
        correlation_id: run,
        gates: found,
    })
}

/// Reads a proof.
pub(super) fn read_proof(path: &Path) -> Result<Proof, CommandError> {
    let refused = |why: String| {
        CommandError::failed(format!("`{}` cannot be used as a proof", path.display()))
            .detail(why)
            .hint("`aksgate promote --from ENV --proof FILE` writes one")
    };
    let text = String::from_utf8(read_file(path)?).map_err(|_| refused("the file is not UTF-8".to_owned()))?;
    Proof::from_text(&text).map_err(|error| refused(error.to_string()))
}

/// What stands in an environment now, with the time, the endpoint and the run of the reading.
async fn standing(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    with_evidence: bool,
) -> Result<(BTreeMap<String, SourceGate>, Timestamp, String, String), CommandError> {
    let connection = context.connect(&loaded.dir, environment)?;
    let observed = observe(&connection.client, environment)
        .await
        .map_err(|error| arm_error(&error))?;
    let now = server_now(&connection, &context.printer)?;
    let standing = evidence::standing(&loaded.estate.owner, environment, &observed, &[]);
    let judging: Vec<Standing<'_>> = standing
        .iter()
        .filter(|of| with_evidence && of.judges())
        .cloned()
        .collect();
    let found = evidence::read(loaded, environment, &connection, (&observed, now), &judging).await?;
    let gates = standing.iter().filter_map(|of| {
        let heard = evidence::of(of, &found).map(|evidence| {
            let fresh = freshness(evidence, None, SETTLE, now);
            let fresh: BTreeMap<&str, bool> = fresh
                .iter()
                .map(|of| (of.cluster.as_str(), of.heard.is_well()))
                .collect();
            Heard::of(evidence, |cluster| fresh.get(cluster.name.as_str()) == Some(&true))
        });
        Some((of.gate.name.clone(), source_gate(of.gate, of.assignment, heard)?))
    });
    let (endpoint, run) = (
        connection.endpoint.clone(),
        connection.client.correlation_id().to_owned(),
    );
    Ok((gates.collect(), now, endpoint, run))
}

/// The digest of the content that the files ask for, by gate.
fn digests(
    sources: (&Estate, &Catalog),
    renderer: &Renderer,
    environment: &Environment,
) -> Result<BTreeMap<String, String>, CommandError> {
    let objects = rendered_offline(sources, renderer, environment, &[]).map_err(|error| desired_error(&error))?;
    let assignments = objects.iter().filter(|object| object.kind == Kind::PolicyAssignment);
    let digests = assignments.filter_map(|object| {
        let state = object
            .body
            .get("properties")?
            .get("metadata")?
            .get(STATE_KEY)
            .and_then(Value::as_str)?;
        Some((object.gate.clone()?, MarkState::parse(state)?.digest))
    });
    Ok(digests.collect())
}

/// Judges every gate. `before` is the file of the second environment.
pub(super) fn judge(loaded: &LoadedEstate, sides: &Sides<'_>, before: &str) -> Result<Vec<Promotion>, CommandError> {
    let path = loaded
        .dir
        .join("environments")
        .join(format!("{}.yaml", sides.from.name));
    let (stated, known) = (tree(&read_file(&path)?), tree(before.as_bytes()));
    let unread = || CommandError::failed("the environment's file cannot be read");
    let gate_of = |root: &Node, gate: &str| root.get("gates").and_then(|gates| gates.get(gate)).cloned();
    let (stated, known) = (stated.ok_or_else(unread)?, known.ok_or_else(unread)?);
    let promotions = sides.gates.iter().filter_map(|name| {
        let gate = sides.from.gates.get(name)?;
        let (ours, theirs) = (gate_of(&stated, name)?, gate_of(&known, name));
        Some(judge_gate(Pair {
            from: &sides.from.name,
            gate,
            stated: &ours,
            digest: sides.digests.get(name).map(String::as_str),
            stands: sides.source.get(name),
            to: &sides.to.name,
            known: sides.to.gates.get(name).zip(theirs.as_ref()),
            now: sides.now,
        }))
    });
    Ok(promotions.collect())
}

fn tree(content: &[u8]) -> Option<Node> {
    yaml::parse("", content).0.map(|document| document.root)
}

/// Compares the content that the second environment would get with the one that soaked: where the files state nothing otherwise, it has to
/// be the same.
pub(super) fn compare(
    checked: &CheckedEstate,
    sides: &Sides<'_>,
    (before, after): (&str, &str),
    promotions: &mut [Promotion],
) -> Result<(), CommandError> {
    let file = format!("environments/{}.yaml", sides.to.name);
    let mut files = checked.files.clone();
    for source in files.iter_mut().filter(|source| source.path == file) {
        if source.content != before.as_bytes() {
            return Err(CommandError::failed("the file changed while it was read; nothing was written").detail(file));
        }
        source.content = after.as_bytes().to_vec();
    }
    let (estate, diagnostics) = config::load(&files, &checked.catalog);
    let edited = estate.and_then(|estate| {
        let (renderer, _) = Renderer::load(&estate);
        let to = estate.environments.get(&sides.to.name)?.clone();
        Some((estate, renderer, to))
    });
    let Some((estate, renderer, to)) = edited else {
        let mut error = CommandError::new(
            Exit::Refused,
            "with the edit the estate would have mistakes; nothing was written",
        )
        .hint("see to them in the file first, or promote other gates");
        error.detail.extend(
            diagnostics
                .iter()
                .map(|found| format!("{}: {}", found.file, found.summary)),
        );
        return Err(error);
    };
    let digests = digests((&estate, &checked.catalog), &renderer, &to)?;
    for promotion in promotions {
        let judged = matches!(promotion.verdict, Verdict::Ready | Verdict::Nothing);
        let (Some(wanted), Some(soaked)) = (digests.get(&promotion.gate), sides.digests.get(&promotion.gate)) else {
            continue;
        };
        if judged && promotion.differences.is_empty() && wanted != soaked {
            promotion.verdict = Verdict::Refused;
            promotion.missing.push(format!(
                "`{}` would get the content {wanted} and {soaked} soaked, though the files state the same of the gate",
                sides.to.name
            ));
        }
    }
    Ok(())
}
