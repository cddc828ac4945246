//! Policy definitions: what is known of each, version by version.

use super::parameter::Parameter;
use super::version::{PinResolution, VersionPin, join_facts, join_listed, resolve};
use crate::model::{Effect, Stage};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A built-in policy definition.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
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
    /// The versions that Azure lists, as it spells them (`9.2.0`, `1.0.0-PREVIEW`).
    listed: Vec<String>,
    /// What is known of its current version.
    current: VersionFacts,
    /// What is known of older versions.
    #[serde(default)]
    older: Vec<VersionFacts>,
}

/// What is known of one version of a policy definition.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionFacts {
    /// The version as it names itself, such as `9.2.0` or `1.0.0-preview`.
    pub version: String,
    /// Its mode: `Microsoft.Kubernetes.Data`, `Indexed`, `All`.
    pub mode: String,
    /// Its parameters by name; names are case-sensitive here.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// The parameter that its effect is taken from; none if the effect is fixed.
    pub effect_parameter: Option<String>,
    /// The effects that it may take, in Azure's order and casing; two casings of one effect are both named.
    pub effects: Vec<String>,
    /// The types of resources that its rule speaks of, such as `Microsoft.ContainerService/managedClusters`.
    #[serde(default)]
    pub resource_types: Vec<String>,
    /// The API groups of the Kubernetes objects that it judges; the core group is the empty text.
    #[serde(default)]
    pub api_groups: Vec<String>,
    /// The kinds of the Kubernetes objects that it judges; an entry may be an expression over a parameter. Empty for a
    /// definition of another mode, one that mutates, and one of the oldest form.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Where the constraint template or the mutation stands.
    pub template: Option<String>,
    /// How its parameters become those of a constraint; none for a definition of another mode, and in facts that an older `aksgate lock`
    /// fetched.
    pub constraint: Option<ConstraintFacts>,
    /// The roles that an assignment's identity needs: whole resource ids, cased as Azure has them.
    #[serde(default)]
    pub role_definition_ids: Vec<String>,
}

/// How a definition of the mode `Microsoft.Kubernetes.Data` makes a constraint of its parameters: the parts of its `then.details`,
/// each a value or an expression over the definition's parameters.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConstraintFacts {
    /// What stands behind it.
    pub form: ConstraintForm,
    /// The parameters of the constraint by name.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    /// The namespaces whose objects it judges.
    pub namespaces: Option<Value>,
    /// The namespaces whose objects it does not judge.
    pub excluded_namespaces: Option<Value>,
    /// The labels of the objects that it judges.
    pub label_selector: Option<Value>,
    /// Whether it judges what was sent, what Gatekeeper derives from it, or both.
    pub source: Option<Value>,
    /// Whether people are warned of what it audits.
    pub warn: Option<Value>,
}

/// What stands behind a definition of the mode `Microsoft.Kubernetes.Data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConstraintForm {
    /// A constraint template (`templateInfo`).
    Template,
    /// A mutation (`mutationInfo`).
    Mutation,
    /// The old form, with a constraint of its own (`constraintTemplate` and `constraint`).
    Legacy,
}

impl Definition {
    /// Returns what is known of the current version.
    pub fn current(&self) -> &VersionFacts {
        &self.current
    }

    /// Returns the listed versions, newest first, as Azure spells them.
    pub fn versions(&self) -> &[String] {
        &self.listed
    }

    /// Returns every version of which facts are known, the current one first.
    pub fn known_versions(&self) -> impl Iterator<Item = &VersionFacts> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// Returns what a pin leads to: the newest listed version that it lets in.
    pub fn at(&self, pin: &VersionPin) -> PinResolution<'_, VersionFacts> {
        resolve(pin, &self.listed, self.known_versions(), |facts| &facts.version)
    }

    /// Returns the pin to the major version that is current, as Azure's own sets pin their members.
    pub fn current_pin(&self) -> Option<VersionPin> {
        VersionPin::major_of(&self.current.version)
    }

    /// Returns this definition with what `newer` knows besides, or knows better: its title and marks, its facts of a version.
    pub(super) fn joined(&self, newer: Definition) -> Definition {
        let listed = join_listed(&newer.listed, &self.listed);
        let all = [newer.current].into_iter().chain(newer.older);
        let all = all.chain(self.known_versions().cloned());
        let (current, older) =
            join_facts(all, |facts| &facts.version).unwrap_or_else(|| (self.current.clone(), Vec::new()));
        Definition {
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

    /// Returns the mode of the current version.
    pub fn mode(&self) -> &str {
        &self.current.mode
    }

    /// Returns the parameter that the current version's effect is taken from.
    pub fn effect_parameter(&self) -> Option<&str> {
        self.current.effect_parameter.as_deref()
    }

    /// Returns the roles that an assignment's identity needs for the current version.
    pub fn role_definition_ids(&self) -> &[String] {
        &self.current.role_definition_ids
    }

    /// Returns the kinds of Kubernetes objects that the current version judges.
    pub fn kinds(&self) -> &[String] {
        &self.current.kinds
    }
}

impl VersionFacts {
    /// Says whether it is evaluated by the Azure Policy add-on, inside the cluster.
    pub fn is_kubernetes(&self) -> bool {
        self.mode.eq_ignore_ascii_case("Microsoft.Kubernetes.Data")
    }

    /// Returns this version's own spelling of an effect; none if it cannot take it.
    pub fn spelling(&self, effect: Effect) -> Option<&str> {
        effect.spelling(self.effects.iter().map(String::as_str))
    }

    /// Says whether it can refuse.
    pub fn can_deny(&self) -> bool {
        self.spelling(Effect::Deny).is_some()
    }

    /// Returns the highest stage that it can be put at: `Deny`, else `Audit` (`AuditIfNotExists` too), else `Off`; a
    /// definition that only mutates or deploys has the ceiling `Off`, since its other effects are no stage of a gate.
    pub fn ceiling(&self) -> Stage {
        let effects = self.effects.iter().filter_map(|text| Effect::parse(text));
        effects.filter_map(Stage::of).max().unwrap_or(Stage::Off)
    }

    /// Says whether an assignment of it needs an identity: Azure asks for one where the rule names roles, whatever the effect.
    pub fn needs_identity(&self) -> bool {
        !self.role_definition_ids.is_empty()
    }

    /// Returns the effect by which it deploys or modifies, in its own casing; none if it does neither.
    pub fn acting_effect(&self) -> Option<&str> {
        [Effect::DeployIfNotExists, Effect::Modify]
            .into_iter()
            .find_map(|effect| self.spelling(effect))
    }

    /// Returns the effect that it takes if none is given, in its own casing; none if one must be given.
    pub fn default_effect(&self) -> Option<&str> {
        match &self.effect_parameter {
            Some(name) => self.parameters.get(name)?.default.as_ref()?.as_str(),
            None => self.effects.first().map(String::as_str),
        }
    }
}
