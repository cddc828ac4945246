//! Policy effects, the stages of a gate, and the direction of a change.

use std::fmt;

/// The effect of a policy, whatever its casing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Not evaluated.
    Disabled,
    /// Recorded.
    Audit,
    /// Recorded, by a related resource.
    AuditIfNotExists,
    /// Refused.
    Deny,
    /// A deletion is refused.
    DenyAction,
    /// Repaired by a deployment.
    DeployIfNotExists,
    /// Changed on its way in, by ARM.
    Modify,
    /// Added to on its way in, by ARM.
    Append,
    /// Changed on its way in, by Gatekeeper.
    Mutate,
    /// Attested by a person.
    Manual,
}

const EFFECTS: [(Effect, &str); 10] = [
    (Effect::Disabled, "Disabled"),
    (Effect::Audit, "Audit"),
    (Effect::AuditIfNotExists, "AuditIfNotExists"),
    (Effect::Deny, "Deny"),
    (Effect::DenyAction, "DenyAction"),
    (Effect::DeployIfNotExists, "DeployIfNotExists"),
    (Effect::Modify, "Modify"),
    (Effect::Append, "Append"),
    (Effect::Mutate, "Mutate"),
    (Effect::Manual, "Manual"),
];

impl Effect {
    /// Reads an effect in any casing.
    pub fn parse(text: &str) -> Option<Effect> {
        EFFECTS
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(text))
            .map(|(effect, _)| *effect)
    }

    /// Returns the spelling of this effect among a definition's allowed values: the capitalised one where there are two.
    pub fn spelling<'a>(self, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let mut fit: Vec<&str> = allowed
            .into_iter()
            .filter(|text| Effect::parse(text) == Some(self))
            .collect();
        fit.sort_unstable(); // upper case sorts first
        fit.first().copied()
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = EFFECTS
            .iter()
            .find(|(effect, _)| effect == self)
            .map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

/// How far a gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Not assigned.
    Off,
    /// Violations are recorded.
    Audit,
    /// Violations are refused.
    Deny,
}

impl Stage {
    /// Reads `off`, `audit` or `deny`.
    pub fn parse(text: &str) -> Option<Stage> {
        match text {
            "off" => Some(Stage::Off),
            "audit" => Some(Stage::Audit),
            "deny" => Some(Stage::Deny),
            _ => None,
        }
    }

    /// Returns the effect that puts a member at this stage.
    pub fn effect(self) -> Effect {
        match self {
            Stage::Off => Effect::Disabled,
            Stage::Audit => Effect::Audit,
            Stage::Deny => Effect::Deny,
        }
    }

    /// Returns the stage that an effect of a member stands for; none for effects that are not on the ladder.
    pub fn of(effect: Effect) -> Option<Stage> {
        match effect {
            Effect::Disabled => Some(Stage::Off),
            Effect::Audit | Effect::AuditIfNotExists => Some(Stage::Audit),
            Effect::Deny => Some(Stage::Deny),
            _ => None,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Off => "off",
            Stage::Audit => "audit",
            Stage::Deny => "deny",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_the_definitions_own() {
        assert_eq!(Effect::Deny.spelling(["audit", "Audit", "deny", "Deny"]), Some("Deny"));
        assert_eq!(Effect::Deny.spelling(["audit", "deny", "disabled"]), Some("deny"));
        assert_eq!(Effect::Deny.spelling(["Audit", "Disabled"]), None);
    }
}
