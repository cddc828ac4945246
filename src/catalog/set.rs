//! Policy set definitions (initiatives) and their members.

use super::parameter::Parameter;
use super::version::{PinResolution, VersionPin, join_facts, join_listed, resolve};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A built-in policy set definition.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySet {
    /// Its name, a GUID in lower case.
    pub name: String,
    /// What it is called in the portal, with Azure's own marks such as `[Preview]:`.
    pub display_name: String,
    /// The category in its metadata, such as `Kubernetes`.
    pub category: String,
    /// Whether Azure says that it is no longer to be used.
    #[serde(default)]
    pub deprecated: bool,
    /// Whether its current version is a preview.
    #[serde(default)]
    pub preview: bool,
    /// The versions that Azure lists, as it spells them.
    listed: Vec<String>,
    /// What is known of its current version.
    current: SetFacts,
    /// What is known of older versions.
    #[serde(default)]
    older: Vec<SetFacts>,
}

/// What is known of one version of a policy set definition.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetFacts {
    /// The version as it names itself, such as `1.4.0` or `1.0.0-preview`.
    pub version: String,
    /// The set's own parameters by name; names are case-sensitive here.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Its members in Azure's order.
    pub members: Vec<SetMember>,
}

/// A member of a policy set definition: one policy definition, pinned, with its parameters.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetMember {
    /// The policyDefinitionReferenceId; unique in the set.
    pub reference_id: String,
    /// The name of the policy definition, a GUID in lower case; it need not be in the catalogue.
    pub definition: String,
    /// The version it is pinned to; none if the set leaves that to Azure.
    pub version: Option<VersionPin>,
    /// Values of the definition's parameters by name, as the set states them: a value, or an expression over the set's
    /// own parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
}

/// Where a member takes the value of a parameter from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mapping<'a> {
    /// From the set's parameter of this name, as it is.
    SetParameter(&'a str),
    /// From an expression over the set's parameters.
    Expression(&'a str),
    /// The set states it.
    Value(&'a Value),
    /// The set says nothing: the definition's default holds.
    Default,
}

impl PolicySet {
    /// Returns what is known of the current version.
    pub fn current(&self) -> &SetFacts {
        &self.current
    }

    /// Returns the listed versions, newest first, as Azure spells them.
    pub fn versions(&self) -> &[String] {
        &self.listed
    }

    /// Returns every version of which facts are known, the current one first.
    pub fn known_versions(&self) -> impl Iterator<Item = &SetFacts> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// Returns this set with what `newer` knows besides, or knows better: its title and marks, its facts of a version.
    pub(super) fn joined(&self, newer: PolicySet) -> PolicySet {
        let listed = join_listed(&newer.listed, &self.listed);
        let all = [newer.current].into_iter().chain(newer.older);
        let all = all.chain(self.known_versions().cloned());
        let (current, older) =
            join_facts(all, |facts| &facts.version).unwrap_or_else(|| (self.current.clone(), Vec::new()));
        PolicySet {
            name: newer.name,
            display_name: newer.display_name,
            category: newer.category,
            deprecated: newer.deprecated,
            preview: newer.preview,
            listed,
            current,
            older,
        }
    }

    /// Returns what a pin leads to: the newest listed version that it lets in.
    pub fn at(&self, pin: &VersionPin) -> PinResolution<'_, SetFacts> {
        resolve(pin, &self.listed, self.known_versions(), |facts| &facts.version)
    }

    /// Returns the facts that a pin as an estate writes it leads to; those of the current version where there are none.
    pub fn facts_at(&self, pin: &str) -> &SetFacts {
        let pinned = VersionPin::parse(pin).and_then(|pin| self.at(&pin).facts());
        pinned.unwrap_or(&self.current)
    }

    /// Returns the pin to the major version that is current.
    pub fn current_pin(&self) -> Option<VersionPin> {
        VersionPin::major_of(&self.current.version)
    }
}

impl SetFacts {
    /// Returns the member with a reference id, which is compared without case as Azure does.
    pub fn member(&self, reference_id: &str) -> Option<&SetMember> {
        let mut members = self.members.iter();
        members.find(|member| member.reference_id.eq_ignore_ascii_case(reference_id))
    }
}

impl SetMember {
    /// Returns the name of the set's parameter that a member's value takes as it is; none for any other value.
    pub fn set_parameter(value: &Value) -> Option<&str> {
        let text = value.as_str()?;
        (text.starts_with('[') && !text.starts_with("[[")).then(|| set_parameter(text))?
    }

    /// Returns where the value of the definition's parameter `name` comes from.
    pub fn mapping(&self, name: &str) -> Mapping<'_> {
        let Some(value) = self.parameters.get(name) else {
            return Mapping::Default;
        };
        match value.as_str() {
            Some(text) if text.starts_with('[') && !text.starts_with("[[") => match set_parameter(text) {
                Some(name) => Mapping::SetParameter(name),
                None => Mapping::Expression(text),
            },
            _ => Mapping::Value(value),
        }
    }
}

/// Returns `x` of the expression `[parameters('x')]`.
fn set_parameter(expression: &str) -> Option<&str> {
    let call = expression.strip_prefix('[')?.strip_suffix(']')?.trim();
    let arguments = call.strip_prefix("parameters")?.trim_start();
    let name = arguments.strip_prefix('(')?.strip_suffix(')')?.trim();
    let name = name.strip_prefix('\'')?.strip_suffix('\'')?;
    (!name.contains('\'')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mapping_says_where_a_value_comes_from() {
        let member: SetMember = serde_json::from_value(json!({
            "referenceId": "one", "definition": "d", "version": "1.*.*", "parameters": {
                "plain": "[parameters('effect')]",
                "spaced": "[ parameters( 'effect' ) ]",
                "computed": "[if(equals(parameters('effect'), 'Disabled'), 'Disabled', 'DeployIfNotExists')]",
                "two": "[parameters('a')parameters('b')]",
                "escaped": "[[parameters('effect')]",
                "list": ["[parameters('effect')]"],
                "fixed": false
            }
        }))
        .unwrap();
        assert_eq!(member.mapping("plain"), Mapping::SetParameter("effect"));
        assert_eq!(member.mapping("spaced"), Mapping::SetParameter("effect"));
        assert!(matches!(member.mapping("computed"), Mapping::Expression(text) if text.starts_with("[if(")));
        assert!(matches!(member.mapping("two"), Mapping::Expression(_)));
        assert_eq!(
            member.mapping("escaped"),
            Mapping::Value(&json!("[[parameters('effect')]"))
        );
        assert_eq!(
            member.mapping("list"),
            Mapping::Value(&json!(["[parameters('effect')]"]))
        );
        assert_eq!(member.mapping("fixed"), Mapping::Value(&json!(false)));
        assert_eq!(member.mapping("Fixed"), Mapping::Default);
    }
}
