//! How policy objects and clusters stood at a time: Azure and its add-on act on what was written some minutes ago.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::builtins::builtins;
use super::super::json::{entry_without_case, object, text};
use super::super::state::State;

/// How long it is remembered what was before, in seconds: longer than a compliance state is shown.
const REMEMBERED: i64 = 48 * 3600;

/// What a policy object or a cluster was until it was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Was {
    /// When it was changed.
    pub until: i64,
    /// The document that it had; none if it was not there. Of a cluster only `{"governed"}` is kept.
    pub document: Option<Value>,
}

/// Remembers what the object with this lower-case id was, now that `next` takes its place.
pub(in super::super) fn remember(state: &mut State, id: &str, next: Option<&Value>) {
    let before = state.resources.get(id);
    let Some(kind) = before
        .or(next)
        .map(|document| text(document, "/type").to_ascii_lowercase())
    else {
        return;
    };
    let remembered = if kind.starts_with("microsoft.authorization/policy") {
        before.cloned()
    } else if kind == "microsoft.containerservice/managedclusters" {
        let governed = before.is_some_and(is_governed);
        if governed == next.is_some_and(is_governed) {
            return;
        }
        before.map(|_| json!({"governed": governed}))
    } else {
        return;
    };
    let until = state.now;
    state.history.entry(id.to_owned()).or_default().push(Was {
        until,
        document: remembered,
    });
}

/// Forgets what nobody can ask for any more.
pub(in super::super) fn forget(state: &mut State) {
    let forgotten = state.now - REMEMBERED;
    state.history.retain(|_, all| {
        all.retain(|was| was.until >= forgotten);
        !all.is_empty()
    });
}

/// Returns whether a cluster runs and has the add-on.
pub(in super::super) fn is_governed(cluster: &Value) -> bool {
    let profiles = object(cluster, "/properties/addonProfiles");
    let profile = profiles.and_then(|profiles| entry_without_case(profiles, "azurepolicy"));
    let on = profile.is_some_and(|(_, profile)| profile.get("enabled") == Some(&Value::Bool(true)));
    on && text(cluster, "/properties/powerState/code") != "Stopped"
}

/// The state as it was at a time.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    state: &'a State,
    at: i64,
}

impl<'a> Past<'a> {
    /// Returns the view of a state at a time on its clock.
    #[must_use]
    pub fn at(state: &'a State, at: i64) -> Self {
        Self { state, at }
    }

    /// Returns the time.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.at
    }

    /// Returns the state as it is now, for what does not change.
    #[must_use]
    pub fn state(&self) -> &'a State {
        self.state
    }

    /// Returns the document of a policy object, in any casing of its id; a built-in one as it is.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&'a Value> {
        let lower = id.to_ascii_lowercase();
        let lower = if lower.starts_with('/') {
            lower
        } else {
            format!("/{lower}")
        };
        builtins().newest.get(&lower).or_else(|| self.own(&lower))
    }

    fn own(&self, lower: &str) -> Option<&'a Value> {
        match self.was(lower) {
            Some(was) => was.document.as_ref(),
            None => self.state.resources.get(lower),
        }
    }

    fn was(&self, lower: &str) -> Option<&'a Was> {
        self.state.history.get(lower)?.iter().find(|was| was.until > self.at)
    }

    /// Returns all objects of a policy type, given in lower case, in order of their ids.
    #[must_use]
    pub fn of_type(&self, kind: &str) -> Vec<&'a Value> {
        let is = |document: &Value| text(document, "/type").eq_ignore_ascii_case(kind);
        let mut ids: BTreeSet<&str> = self.state.of_type(kind).map(|(id, _)| id.as_str()).collect();
        ids.extend(self.state.history.keys().map(String::as_str));
        ids.into_iter()
            .filter_map(|id| self.own(id))
            .filter(|document| is(document))
            .collect()
    }

    /// Returns whether a cluster ran with the add-on at that time.
    #[must_use]
    pub fn governed(&self, cluster: &str) -> bool {
        let lower = cluster.to_ascii_lowercase();
        match self.was(&lower) {
            Some(was) => was
                .document
                .as_ref()
                .is_some_and(|was| was.get("governed") == Some(&Value::Bool(true))),
            None => self.state.resources.get(&lower).is_some_and(is_governed),
        }
    }
}
