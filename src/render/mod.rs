//! Fills the ARM documents of an environment from its templates.
//!
//! Owns what a template is given. Must not know what is live, nor who owns an object: name, scope, mark and effect are set by
//! `desired` after rendering.

pub mod engine;
mod set;

pub use set::{SetContent, effects, set_content};

use crate::config::{DefenderContainers, Environment, Estate, Exemption, Gate};
use crate::diagnostic::Diagnostic;
use crate::kinds::Kind;
use engine::{Engine, RenderError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The templates that aksgate brings, by file name.
pub const SHIPPED: [(&str, &str); 5] = [
    (
        "policySetDefinition.json.hbs",
        include_str!("../../templates/policySetDefinition.json.hbs"),
    ),
    (
        "policyAssignment.json.hbs",
        include_str!("../../templates/policyAssignment.json.hbs"),
    ),
    (
        "policyExemption.json.hbs",
        include_str!("../../templates/policyExemption.json.hbs"),
    ),
    (
        "defenderPlan.json.hbs",
        include_str!("../../templates/defenderPlan.json.hbs"),
    ),
    (
        "managedCluster.json.hbs",
        include_str!("../../templates/managedCluster.json.hbs"),
    ),
];

/// The loaded templates of an estate.
#[derive(Debug)]
pub struct Renderer {
    engine: Engine,
}

impl Renderer {
    /// Loads the estate's templates, and those that aksgate brings where the estate has none of that name.
    pub fn load(estate: &Estate) -> (Renderer, Vec<Diagnostic>) {
        let mut templates: BTreeMap<String, String> = SHIPPED
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        templates.extend(estate.templates.clone());
        let (engine, mut diagnostics) = Engine::load(&templates);
        for name in estate
            .templates
            .keys()
            .filter(|name| !SHIPPED.iter().any(|(shipped, _)| shipped == name))
        {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            diagnostics.push(
                Diagnostic::file_error("template is never used", &format!("templates/{name}"))
                    .warning()
                    .hint(format!("templates are {}", names.join(", "))),
            );
        }
        (Renderer { engine }, diagnostics)
    }

    /// Renders a policy set definition of our own.
    ///
    /// # Errors
    /// The template cannot be filled, or what comes out is no JSON object.
    pub fn policy_set_definition(&self, environment: &Environment, set: &SetContent) -> Result<Value, RenderError> {
        let context = json!({
            "environment": about(environment),
            "initiative": {"name": set.name, "displayName": set.display_name, "description": set.description},
            "parameters": set.parameters,
            "policyDefinitions": set.members,
        });
        self.engine.render(Kind::PolicySetDefinition.template(), &context)
    }

    /// Renders a policy assignment.
    ///
    /// # Errors
    /// As [`Renderer::policy_set_definition`].
    pub fn policy_assignment(
        &self,
        environment: &Environment,
        gate: &Gate,
        initiative: (&str, &str),
        definition: (&str, Option<&str>),
        parameters: &Map<String, Value>,
    ) -> Result<Value, RenderError> {
        let (name, display_name) = initiative;
        let (id, version) = definition;
        let context = json!({
            "environment": about(environment),
            "gate": {"name": gate.name, "target": gate.kind.stage_name(gate.target)},
            "initiative": {"name": name, "displayName": display_name},
            "policyDefinitionId": id,
            "definitionVersion": version.unwrap_or_default(),
            "parameters": parameters,
        });
        self.engine.render(Kind::PolicyAssignment.template(), &context)
    }

    /// Renders a policy exemption.
    ///
    /// # Errors
    /// As [`Renderer::policy_set_definition`].
    pub fn policy_exemption(
        &self,
        environment: &Environment,
        gate: &Gate,
        exemption: &Exemption,
    ) -> Result<Value, RenderError> {
        let context = json!({
            "environment": about(environment),
            "gate": {"name": gate.name},
            "exemption": {
                "resource": exemption.resource.as_str(),
                "category": exemption.category.name(),
                "expires": exemption.expires.to_string(),
                "reason": exemption.reason,
                "ticket": exemption.ticket.as_deref().unwrap_or_default(),
            },
        });
        self.engine.render(Kind::PolicyExemption.template(), &context)
    }

    /// Renders the Defender plan of a subscription.
    ///
    /// # Errors
    /// As [`Renderer::policy_set_definition`].
    pub fn defender_plan(
        &self,
        environment: &Environment,
        defender: &DefenderContainers,
        subscription: &str,
    ) -> Result<Value, RenderError> {
        let extensions: Vec<Value> = defender
            .extensions
            .iter()
            .map(|(name, enabled)| {
                let mut extension = json!({"name": name, "isEnabled": truth(*enabled)});
                let properties = defender
                    .extension_properties
                    .get(name)
                    .filter(|properties| !properties.is_empty());
                if let (Some(map), Some(properties)) = (extension.as_object_mut(), properties) {
                    map.insert("additionalExtensionProperties".to_owned(), json!(properties));
                }
                extension
            })
            .collect();
        let context = json!({
            "environment": about(environment),
            "subscription": {"id": subscription},
            "defender": {
                "tier": if defender.standard { "Standard" } else { "Free" },
                "enforce": defender.enforce.map(truth).unwrap_or_default(),
                "extensions": extensions,
            },
        });
        self.engine.render(Kind::DefenderPlan.template(), &context)
    }

    /// Renders the parts of a cluster that are stated.
    ///
    /// # Errors
    /// As [`Renderer::policy_set_definition`].
    pub fn managed_cluster(
        &self,
        environment: &Environment,
        cluster: &str,
        parts: &ClusterParts,
    ) -> Result<Value, RenderError> {
        let context = json!({
            "environment": about(environment),
            "cluster": {"id": cluster, "policyAddon": parts.policy_addon},
        });
        self.engine.render(Kind::ManagedCluster.template(), &context)
    }
}

/// The parts of a cluster that an environment states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterParts {
    /// Whether the Azure Policy add-on is to run.
    pub policy_addon: bool,
}

/// A truth value as a Defender plan takes it.
fn truth(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

fn about(environment: &Environment) -> Value {
    json!({
        "name": environment.name,
        "scope": environment.scope.path(),
        "cloud": environment.cloud.name(),
        "tenant": environment.tenant,
    })
}
