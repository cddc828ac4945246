//! Fills the ARM documents of an environment from its templates.
//!
//! Owns what a template is given. Must not know what is live, nor who owns an object: name, scope, mark and effect are set by
//! `desired` after rendering.

pub mod engine;
mod rule;
mod set;

pub use engine::{HtmlError, HtmlTemplate};
pub use rule::{DefinitionContent, definition_content, hashed_kind, rule_digest};
pub use set::{NAMESPACES, SetContent, effects, set_content};

use crate::config::{DefenderContainers, Environment, Estate, Exemption, Gate, PodSecurity, Safeguards};
use crate::diagnostic::Diagnostic;
use crate::kinds::Kind;
use engine::{Engine, RenderError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The templates that aksgate brings, by file name.
pub const SHIPPED: [(&str, &str); 8] = [
    (
        "policyDefinition.json.hbs",
        include_str!("../../templates/policyDefinition.json.hbs"),
    ),
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
    (
        "deploymentSafeguards.json.hbs",
        include_str!("../../templates/deploymentSafeguards.json.hbs"),
    ),
    (
        "kubernetesExtension.json.hbs",
        include_str!("../../templates/kubernetesExtension.json.hbs"),
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

    /// Renders a policy definition of our own.
    ///
    /// # Errors
    /// As [`Renderer::policy_set_definition`].
    pub fn policy_definition(
        &self,
        environment: &Environment,
        definition: &DefinitionContent,
    ) -> Result<Value, RenderError> {
        let DefinitionContent {
            name,
            display_name,
            description,
            ..
        } = definition;
        let context = json!({
            "environment": about(environment),
            "rule": {"name": name, "displayName": display_name, "description": description},
            "mode": definition.mode,
            "parameters": definition.parameters,
            "policyRule": definition.policy_rule,
        });
        self.engine.render(Kind::PolicyDefinition.template(), &context)
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
            "cluster": {
                "id": cluster,
                "policyAddon": parts.policy_addon,
                "defenderSensor": parts.defender_sensor.as_ref().map(SensorPart::to_value),
            },
        });
        self.engine.render(Kind::ManagedCluster.template(), &context)
    }

    /// Renders the deployment safeguards of a cluster.
    ///
    /// # Errors
    /// As [`Renderer::policy_set_definition`].
    pub fn deployment_safeguards(
        &self,
        environment: &Environment,
        cluster: &str,
        safeguards: &Safeguards,
    ) -> Result<Value, RenderError> {
        let context = json!({
            "environment": about(environment),
            "cluster": {"id": cluster},
            "safeguards": {
                "level": safeguards.level(),
                "podSecurity": safeguards.pod_security.map(PodSecurity::name),
                "excludes": safeguards.exclude_namespaces.is_some(),
                "excludeNamespaces": safeguards.exclude_namespaces,
            },
        });
        self.engine.render(Kind::DeploymentSafeguards.template(), &context)
    }

    /// Renders the policy extension of an Arc-connected cluster.
    ///
    /// # Errors
    /// As [`Renderer::policy_set_definition`].
    pub fn kubernetes_extension(&self, environment: &Environment, cluster: &str) -> Result<Value, RenderError> {
        let context = json!({"environment": about(environment), "cluster": {"id": cluster}});
        self.engine.render(Kind::KubernetesExtension.template(), &context)
    }
}

/// Returns the deployment safeguards as ARM takes them, as no template states them: what a rendered document is held against.
pub fn safeguards_content(safeguards: &Safeguards) -> Value {
    let pod_security = safeguards
        .pod_security
        .map(|level| ("podSecurityStandardsLevel", json!(level.name())));
    let excluded = safeguards
        .exclude_namespaces
        .as_ref()
        .map(|names| ("excludedNamespaces", json!(names)));
    let level = Some(("level", json!(safeguards.level())));
    let parts = [level, pod_security, excluded].into_iter().flatten();
    let properties: Map<String, Value> = parts.map(|(key, value)| (key.to_owned(), value)).collect();
    json!({ "properties": properties })
}

/// The parts of a cluster that an environment states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterParts {
    /// Whether the Azure Policy add-on is to run.
    pub policy_addon: bool,
    /// The Defender sensor, if it is to run.
    pub defender_sensor: Option<SensorPart>,
}

impl ClusterParts {
    /// Returns the parts as ARM takes them, as no template states them: what a rendered document is held against.
    pub fn to_value(&self) -> Value {
        let mut properties = Map::new();
        if self.policy_addon {
            properties.insert("addonProfiles".to_owned(), json!({"azurepolicy": {"enabled": true}}));
        }
        if let Some(sensor) = &self.defender_sensor {
            properties.insert("securityProfile".to_owned(), json!({"defender": sensor.to_value()}));
        }
        json!({ "properties": properties })
    }
}

/// The Defender sensor of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorPart {
    /// The Log Analytics workspace that it reports to.
    pub workspace: Option<String>,
    /// Whether images with findings are refused; stays as it is if absent.
    pub security_gating: Option<bool>,
}

impl SensorPart {
    /// Returns `properties.securityProfile.defender` as ARM takes it (managedClusters, 2022-06-01 and later).
    pub fn to_value(&self) -> Value {
        let workspace = self
            .workspace
            .as_ref()
            .map(|id| ("logAnalyticsWorkspaceResourceId", json!(id)));
        let gating = self
            .security_gating
            .map(|on| ("securityGating", json!({ "enabled": on })));
        let monitoring = ("securityMonitoring", json!({"enabled": true}));
        let parts = [Some(monitoring), workspace, gating].into_iter().flatten();
        Value::Object(parts.map(|(key, value)| (key.to_owned(), value)).collect())
    }
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
