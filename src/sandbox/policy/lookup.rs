//! Finds a definition or set by its id, built-in or custom, at the version that a pin allows.

use serde_json::Value;

use super::super::address::Address;
use super::super::builtins::builtins;
use super::super::error::ArmError;
use super::super::json::{items, text};
use super::super::state::{KnownScope, State};
use super::definition::DEFINITION;
use super::set::SET;

/// A definition or set that exists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    /// The document of its newest version.
    pub newest: &'a Value,
    /// Whether it is a set.
    pub is_set: bool,
}

impl<'a> Found<'a> {
    /// Returns the definition or set with this id.
    ///
    /// A set's member may only be a definition; an assignment takes both.
    pub fn by_id(state: &'a State, id: &str) -> Result<Self, ArmError> {
        let address = Address::parse(id);
        let kind = address.kind();
        let is_set = kind == SET.lower;
        if !is_set && kind != DEFINITION.lower || address.name().is_none() {
            return Err(ArmError::bad_request(
                "InvalidPolicyDefinitionId",
                format!("The policy definition id '{id}' is invalid."),
            ));
        }
        let lower = id.to_ascii_lowercase();
        let lower = if lower.starts_with('/') {
            lower
        } else {
            format!("/{lower}")
        };
        let newest = builtins().newest.get(&lower).or_else(|| state.resources.get(&lower));
        let kind = if is_set { SET } else { DEFINITION };
        newest.map(|newest| Self { newest, is_set }).ok_or_else(|| {
            ArmError::not_found(
                &format!("{}NotFound", kind.code),
                format!(
                    "The {} '{}' could not be found.",
                    kind.words,
                    address.name().unwrap_or_default()
                ),
            )
        })
    }

    /// Returns the name.
    pub fn name(&self) -> &'a str {
        text(self.newest, "/name")
    }

    /// Returns whether a resource at `scope` may use it: it is built in, or made at that scope or above.
    pub fn usable_at(&self, scope: &KnownScope) -> bool {
        scope.is_within(&Address::parse(text(self.newest, "/id")).scope.to_ascii_lowercase())
    }

    /// Returns the versions, newest first.
    pub fn versions(&self) -> Vec<&'a str> {
        let listed: Vec<&str> = items(self.newest, "/properties/versions")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        if listed.is_empty() {
            vec![self.version()]
        } else {
            listed
        }
    }

    /// Returns the newest version.
    pub fn version(&self) -> &'a str {
        match text(self.newest, "/properties/version") {
            "" => "1.0.0",
            version => version,
        }
    }

    /// Returns the pin that the service writes when a caller gives none: the newest major version.
    pub fn default_pin(&self) -> String {
        let preview = if self.version().to_ascii_lowercase().ends_with("-preview") {
            "-preview"
        } else {
            ""
        };
        format!("{}.*.*{preview}", self.version().split('.').next().unwrap_or("1"))
    }

    /// Returns the newest version that a pin allows.
    ///
    /// The error says that there is none, or that the text is no pin: major and minor may be pinned, the patch may not.
    pub fn pinned(&self, pin: &str) -> Result<&'a str, ArmError> {
        let fault = |why: &str| {
            ArmError::bad_request(
                "InvalidPolicyDefinitionVersion",
                format!(
                    "The definition version '{pin}' of the policy definition '{}' is invalid: {why}.",
                    self.name()
                ),
            )
        };
        let bare = pin.to_ascii_lowercase();
        let bare = bare.strip_suffix("-preview").unwrap_or(&bare);
        let parts: Vec<&str> = bare.split('.').collect();
        let [major, minor, "*"] = parts.as_slice() else {
            return Err(fault("it must have the form '1.*.*' or '1.2.*'"));
        };
        if major.parse::<u32>().is_err() || *minor != "*" && minor.parse::<u32>().is_err() {
            return Err(fault("it must have the form '1.*.*' or '1.2.*'"));
        }
        self.versions()
            .into_iter()
            .find(|version| {
                let mut parts = version.split('.');
                parts.next() == Some(*major) && (*minor == "*" || parts.next() == Some(*minor))
            })
            .ok_or_else(|| fault("no version matches"))
    }

    /// Returns the document of one version: the exact one where it is kept, else the newest.
    pub fn document(&self, version: &str) -> &'a Value {
        let id = format!("{}/versions/{version}", text(self.newest, "/id")).to_ascii_lowercase();
        builtins().older.get(&id).unwrap_or(self.newest)
    }
}
