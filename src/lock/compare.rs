//! What differs between what is locked and what Azure has.

use super::{Answer, Entry, Pinned};

/// One difference, or one thing to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is in use and not locked.
    NotLocked,
    /// It is locked and no longer in use.
    Unused,
    /// The pin leads to another version than the locked one.
    Moved {
        /// The locked version.
        from: String,
        /// The version that the pin leads to.
        to: String,
    },
    /// The version is the locked one, and its content is not.
    Drifted {
        /// The version.
        version: String,
    },
    /// Azure gives out no version that fits the pin.
    Withdrawn {
        /// The versions that Azure lists.
        listed: Vec<String>,
    },
    /// Azure has no such built-in.
    Removed,
    /// The answer is not understood.
    Unusable {
        /// Why.
        why: String,
    },
    /// A newer version is there, and the pin does not let it in.
    Newer {
        /// That version.
        version: String,
    },
    /// Azure says that it is no longer to be used.
    Deprecated,
    /// It is a preview.
    Preview,
}

impl Change {
    /// Returns the word for it in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Change::NotLocked => "not-locked",
            Change::Unused => "unused",
            Change::Moved { .. } => "moved",
            Change::Drifted { .. } => "content-changed",
            Change::Withdrawn { .. } => "withdrawn",
            Change::Removed => "removed",
            Change::Unusable { .. } => "not-understood",
            Change::Newer { .. } => "newer-version",
            Change::Deprecated => "deprecated",
            Change::Preview => "preview",
        }
    }

    /// Returns whether what Azure has is something else than what is locked.
    pub fn differs(&self) -> bool {
        match self {
            Change::Moved { .. }
            | Change::Drifted { .. }
            | Change::Withdrawn { .. }
            | Change::Removed
            | Change::Unusable { .. } => true,
            Change::NotLocked | Change::Unused | Change::Newer { .. } | Change::Deprecated | Change::Preview => false,
        }
    }

    /// Returns whether Azure has nothing that could be assigned.
    pub fn is_loss(&self) -> bool {
        matches!(self, Change::Withdrawn { .. } | Change::Removed)
    }

    /// Returns it as a sentence without a full stop, which goes on after the built-in's title.
    pub fn sentence(&self, pinned: &Pinned) -> String {
        let pin = pinned.pin_text();
        match self {
            Change::NotLocked => format!("is in use at `{pin}` and not locked yet; `aksgate lock` locks it"),
            Change::Unused => "is locked and no longer in use".to_owned(),
            Change::Moved { from, to } => format!(
                "`{pin}` leads to {to} in Azure now, and {from} is locked; look at what is new, then `aksgate lock --upgrade {}`",
                pinned.name
            ),
            Change::Drifted { version } => format!(
                "the content of {version} is not what was locked: Azure changed it under the same version; look at it, then \
                 `aksgate lock --upgrade {}`",
                pinned.name
            ),
            Change::Withdrawn { listed } => {
                format!("no version that Azure has fits `{pin}`; it lists {}", listed.join(", "))
            }
            Change::Removed => "is no longer there: Azure answers that it has no such built-in".to_owned(),
            Change::Unusable { why } => format!("what Azure answers is not understood: {why}"),
            Change::Newer { version } => format!("version {version} is there, and the pin `{pin}` does not let it in"),
            Change::Deprecated => {
                "is deprecated; it stays as it is until you take it out, and Azure may remove it".to_owned()
            }
            Change::Preview => "is a preview, and may change without notice".to_owned(),
        }
    }
}

/// Returns what differs for a built-in in use. `direct` says that the estate pins it itself, and so could pin another version.
pub fn compare(pinned: &Pinned, locked: Option<&Entry>, answer: &Answer, direct: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    if locked.is_none() {
        changes.push(Change::NotLocked);
    }
    let resolved = match answer {
        Answer::Gone => {
            changes.push(Change::Removed);
            return changes;
        }
        Answer::NoVersion { listed, .. } => {
            changes.push(Change::Withdrawn { listed: listed.clone() });
            return changes;
        }
        Answer::Unusable(why) => {
            changes.push(Change::Unusable { why: why.clone() });
            return changes;
        }
        Answer::Found(resolved) => resolved,
    };
    if let Some(locked) = locked {
        if !locked.version.eq_ignore_ascii_case(&resolved.version) {
            changes.push(Change::Moved {
                from: locked.version.clone(),
                to: resolved.version.clone(),
            });
        } else if locked.content != resolved.content {
            changes.push(Change::Drifted {
                version: locked.version.clone(),
            });
        }
    }
    let newer = resolved.newer(pinned.pin.as_ref()).filter(|_| direct);
    changes.extend(newer.map(|version| Change::Newer {
        version: version.to_owned(),
    }));
    if resolved.deprecated {
        changes.push(Change::Deprecated);
    } else if resolved.preview {
        changes.push(Change::Preview);
    }
    changes
}
