//! Where the gates stand, from a file or from Azure.

use super::Args;
use crate::admission::report::Position;
use crate::commands::context::{Context, LoadedEstate, read_file};
use crate::commands::error::CommandError;
use crate::commands::status;
use crate::config::Environment;
use crate::model::Stage;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The stages of a gate, now and after its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Where it stands.
    pub now: Stage,
    /// Where its next step leads: where it stands, if there is none.
    pub next: Stage,
}

/// The gates by name; none if nobody asked.
pub(super) type Standings = Option<BTreeMap<String, Standing>>;

/// Reads where the gates stand, if the command line says where to look.
pub(super) async fn read(
    context: &Context,
    loaded: &LoadedEstate,
    environment: &Environment,
    args: &Args,
    position: Position,
) -> Result<Standings, CommandError> {
    let found = match &args.positions {
        Some(path) => of_file(path, environment)?,
        None if args.online => {
            let read = status::read(context, loaded, environment).await?;
            let gates = read.gates.iter().filter_map(|gate| {
                let now = gate.stage?;
                let next = gate.next.as_ref().map_or(now, |next| next.stage);
                Some((gate.name.clone(), Standing { now, next }))
            });
            gates.collect()
        }
        // A cluster's own rules say where they stand.
        None if position == Position::Target || args.cluster_dump.is_some() => return Ok(None),
        None => {
            return Err(CommandError::usage(format!(
                "`--stage {}` needs to know where the gates stand",
                position.name()
            ))
            .hint("`--online` asks Azure; `--positions FILE` takes what `status --format json` wrote"));
        }
    };
    Ok(Some(found))
}

fn of_file(path: &Path, environment: &Environment) -> Result<BTreeMap<String, Standing>, CommandError> {
    let refused = |why: String| {
        CommandError::failed(format!("`{}` does not say where the gates stand", path.display()))
            .detail(why)
            .hint(format!(
                "`aksgate status {} --format json` writes such a file",
                environment.name
            ))
    };
    let document: Value = serde_json::from_slice(&read_file(path)?).map_err(|error| refused(error.to_string()))?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    if text(&document, "command").as_deref() != Some("status") {
        return Err(refused("it is no answer of `status`".to_owned()));
    }
    if document.get("formatVersion").and_then(Value::as_u64) != Some(1) {
        return Err(refused("its `formatVersion` is not 1".to_owned()));
    }
    let environments = document.get("environments").and_then(Value::as_array);
    let ours = environments
        .into_iter()
        .flatten()
        .find(|one| text(one, "environment").as_deref() == Some(environment.name.as_str()))
        .ok_or_else(|| refused(format!("the environment `{}` is not in it", environment.name)))?;
    if let Some(error) = text(ours, "error") {
        return Err(refused(format!("the environment could not be read then: {error}")));
    }
    let mut standings = BTreeMap::new();
    for row in ours.get("gates").and_then(Value::as_array).into_iter().flatten() {
        let (Some(name), Some(stage)) = (text(row, "gate"), text(row, "stage")) else {
            continue;
        };
        let Some(gate) = environment.gates.get(&name) else {
            continue;
        };
        let stage_of = |text: &str| {
            let unknown = || refused(format!("the gate `{name}` stands at `{text}`, which is no stage"));
            gate.kind.stage(text).ok_or_else(unknown)
        };
        let now = stage_of(&stage)?;
        let next = row.get("next").and_then(|next| text(next, "stage"));
        let next = next.map(|next| stage_of(&next)).transpose()?.unwrap_or(now);
        standings.insert(name, Standing { now, next });
    }
    Ok(standings)
}
