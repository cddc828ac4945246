//! The estate after reading: what the files say, checked and typed.
//!
//! Owns the types that rendering and planning start from. Must not know YAML; no value here needs checking again.

use super::rule::Rule;
use crate::catalog::{Catalog, VersionFacts, VersionPin};
use crate::model::{DEFENDER_PLAN_WRITERS, Limits, Period, ResourceId, Ring, Scope, Stage, Timestamp, Windows};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the files of an estate say.
#[derive(Clone, Debug, PartialEq)]
pub struct Estate {
    /// Who owns the estate; part of every mark.
    pub owner: String,
    /// The environments by name (the file's name without `.yaml`).
    pub environments: BTreeMap<String, Environment>,
    /// The initiatives by name (the file's name without `.yaml`).
    pub initiatives: BTreeMap<String, Initiative>,
    /// What people should know of an initiative, by its name; not all have one.
    pub guides: BTreeMap<String, Guide>,
    /// How long before its end an exemption is warned of.
    pub expiry_warning: Period,
    /// Templates that the estate brings, by file name below `templates/`: their text.
    pub templates: BTreeMap<String, String>,
}

/// The cloud that an environment lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Azure public.
    Public,
    /// Azure Government.
    UsGov,
    /// Azure operated by 21Vianet.
    China,
}

impl Cloud {
    /// Returns the word that names the cloud in an environment file.
    pub fn name(self) -> &'static str {
        match self {
            Cloud::Public => "public",
            Cloud::UsGov => "usgov",
            Cloud::China => "china",
        }
    }

    /// Reads the word that names a cloud in an environment file.
    pub fn parse(text: &str) -> Option<Cloud> {
        [Cloud::Public, Cloud::UsGov, Cloud::China]
            .into_iter()
            .find(|cloud| cloud.name() == text)
    }
}

/// One environment: where the gates stand and how far they are to close.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The cloud.
    pub cloud: Cloud,
    /// The Entra tenant, a GUID in lower case.
    pub tenant: String,
    /// Where the gates are assigned.
    pub scope: Scope,
    /// Where the gates' own definitions stand.
    pub definition_scope: Scope,
    /// Where the identities of assignments are kept; stated wherever a gate needs one.
    pub location: Option<String>,
    /// How its gates are closed step by step.
    pub rollout: Rollout,
    /// The gates by name.
    pub gates: BTreeMap<String, Gate>,
    /// What is let off a gate.
    pub exemptions: Vec<Exemption>,
    /// Defender for Containers; not managed if absent.
    pub defender: Option<DefenderContainers>,
    /// The clusters' settings; not managed if absent.
    pub clusters: Option<Clusters>,
    /// How much one apply may take away.
    pub limits: Limits,
    /// Api-versions in place of aksgate's own, by resource type such as `Microsoft.ContainerService/managedClusters`.
    pub api_versions: BTreeMap<String, String>,
}

/// How many clusters an apply changes at once where the environment does not say it: between the 10 and the 30 deployments that a
/// remediation task of Azure Policy runs at once by default and at most.
const CLUSTERS_AT_ONCE: u64 = 20;

impl Environment {
    /// Returns an environment without gates, of which nothing but its place is known.
    pub fn without_file(
        name: String,
        cloud: Cloud,
        tenant: String,
        scope: Scope,
        definition_scope: Scope,
    ) -> Environment {
        Environment {
            name,
            cloud,
            tenant,
            scope,
            definition_scope,
            location: None,
            rollout: Rollout::default(),
            gates: BTreeMap::new(),
            exemptions: Vec::new(),
            defender: None,
            clusters: None,
            limits: Limits::default(),
            api_versions: BTreeMap::new(),
        }
    }

    /// Returns how many clusters an apply may change at once.
    pub fn clusters_at_once(&self) -> usize {
        let stated = self.clusters.as_ref().and_then(|clusters| clusters.at_once);
        usize::try_from(stated.unwrap_or(CLUSTERS_AT_ONCE)).unwrap_or(usize::MAX)
    }

    /// Returns the names that gates had before, each with the name that the gate has now.
    pub fn renamed_gates(&self) -> BTreeMap<String, String> {
        let renamed = self.gates.values();
        renamed
            .filter_map(|gate| Some((gate.renamed_from.clone()?, gate.name.clone())))
            .collect()
    }
}

/// How the gates of an environment are closed step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// The rings in order; the last one may be the rest.
    pub rings: Vec<Ring>,
    /// Who takes the steps.
    pub advance: Advance,
    /// The environment in which the same content has to stand before.
    pub promotes_from: Option<String>,
    /// How long after a change a report counts.
    pub settle: Period,
    /// When steps may be taken; always if nothing is stated.
    pub windows: Option<Windows>,
}

/// How long after a change a report counts if nothing is said: Azure takes minutes to apply it, the add-on pulls and scans every 15 minutes,
/// and a report covers the last 45.
pub const SETTLE: Period = Period::from_seconds(90 * 60);

impl Default for Rollout {
    fn default() -> Rollout {
        Rollout {
            rings: Vec::new(),
            advance: Advance::default(),
            promotes_from: None,
            settle: SETTLE,
            windows: None,
        }
    }
}

/// Who takes the steps that close a gate further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Advance {
    /// Only an apply of a plan that somebody could look at before.
    #[default]
    Approve,
    /// Every apply takes what is due.
    Auto,
}

/// Which clusters hold a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoverageRule {
    /// Whether stopped clusters let a step by: nothing is heard of them, and they come up behind a closed gate.
    pub stopped_pass: bool,
    /// Clusters that are left out of account for a while.
    pub ignore: Vec<IgnoredCluster>,
}

/// A cluster that is left out of account for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredCluster {
    /// The cluster.
    pub cluster: ResourceId,
    /// Why.
    pub reason: String,
    /// Until when.
    pub expires: Timestamp,
}

/// One gate of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// The initiative that is its content: a key of [`Estate::initiatives`].
    pub initiative: String,
    /// The stage to reach.
    pub target: Stage,
    /// How long it stays at a stage before the next one; seven days if nothing is said.
    pub soak: Period,
    /// How many violations a ring may have when it is closed.
    pub max_violations: u64,
    /// Namespaces excluded besides those that the initiative excludes by default, in order, each once.
    pub exclude_namespaces: Vec<String>,
    /// Values of the initiative's parameters.
    pub parameters: BTreeMap<String, Value>,
    /// The user-assigned identity for members that deploy or modify; none for one that Azure makes with the assignment.
    pub identity: Option<String>,
    /// What its initiative is for.
    pub kind: InitiativeKind,
    /// The name that it had before, if its assignments in Azure may still carry that one.
    pub renamed_from: Option<String>,
}

impl Gate {
    /// Returns whether a mark with that name of a gate is one of this gate: it has the name, or had it before.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.renamed_from.as_deref() == Some(name)
    }
}

/// What the members of an initiative are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitiativeKind {
    /// They judge what is let in; the gate's stages are off, audit and deny.
    #[default]
    Admission,
    /// They deploy or modify settings of resources; the gate's stages are off, audit and enforce.
    Enablement,
}

impl InitiativeKind {
    /// Returns what a stage is called for gates of this kind: the last one of an enablement is `enforce`.
    pub fn stage_name(self, stage: Stage) -> String {
        match (self, stage) {
            (InitiativeKind::Enablement, Stage::Deny) => "enforce".to_owned(),
            _ => stage.to_string(),
        }
    }

    /// Reads what a stage is called for gates of this kind.
    pub fn stage(self, name: &str) -> Option<Stage> {
        match (self, name) {
            (InitiativeKind::Enablement, "enforce") => Some(Stage::Deny),
            (InitiativeKind::Enablement, "deny") => None,
            _ => Stage::parse(name),
        }
    }
}

/// Something that is let off a gate, until a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemption {
    /// The gate: a key of [`Environment::gates`].
    pub gate: String,
    /// What is let off, and all that lies in it.
    pub resource: ResourceId,
    /// Why, as Azure counts it.
    pub category: ExemptionCategory,
    /// When it ends.
    pub expires: Timestamp,
    /// Why, in words.
    pub reason: String,
    /// Where that was decided.
    pub ticket: Option<String>,
    /// The members of the gate's initiative (reference ids); all of them if empty.
    pub members: Vec<String>,
}

/// Why something is let off, as Azure counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExemptionCategory {
    /// The risk is accepted for a time.
    Waiver,
    /// The aim is met by other means.
    Mitigated,
}

impl ExemptionCategory {
    /// Returns Azure's word.
    pub fn name(self) -> &'static str {
        match self {
            ExemptionCategory::Waiver => "Waiver",
            ExemptionCategory::Mitigated => "Mitigated",
        }
    }
}

/// Who sees to a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The tool writes it.
    Manage,
    /// Another tool does; this one checks and never writes.
    Require,
    /// An assignment of Azure Policy does; this tool checks, says which assignment it is, and never writes.
    Policy,
}

impl Mode {
    /// Returns the word that names the mode in an environment file.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Manage => "manage",
            Mode::Require => "require",
            Mode::Policy => "policy",
        }
    }
}

/// The Defender plan `Containers` of every subscription in scope.
#[derive(Clone, Debug, PartialEq)]
pub struct DefenderContainers {
    /// Who sees to it.
    pub mode: Mode,
    /// `true` for `Standard`, `false` for `Free`.
    pub standard: bool,
    /// Whether the plan is forced on every resource below that has one of its own; stays as it is if absent.
    pub enforce: Option<bool>,
    /// Extensions by name: on or off. Those that are not named stay as they are.
    pub extensions: BTreeMap<String, bool>,
    /// Properties of extensions that are on, by extension and key, as Azure takes them: texts, with `True` and `False` for
    /// truth values. Among them is the switch that a gate of gated deployment sets. Those not named stay as they are.
    pub extension_properties: BTreeMap<String, BTreeMap<String, String>>,
}

/// The clusters in scope and what is to hold for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clusters {
    /// The Azure Policy add-on: who sees that it runs; not managed if absent.
    pub policy_addon: Option<Mode>,
    /// The Defender sensor; not managed if absent.
    pub defender_sensor: Option<DefenderSensor>,
    /// The deployment safeguards; not managed if absent.
    pub safeguards: Option<Safeguards>,
    /// The Azure Policy extension of Arc-connected clusters; these are not looked at if absent.
    pub arc_policy_extension: Option<Mode>,
    /// Which clusters are meant.
    pub select: Selection,
    /// Clusters with a Gatekeeper that is not Azure's: the add-on is not switched on there.
    pub foreign_gatekeeper: Vec<ResourceId>,
    /// Which clusters hold a step.
    pub coverage: CoverageRule,
    /// Above how many clusters to write another way is proposed; a number of ours if absent.
    pub fleet_above: Option<u64>,
    /// How many clusters may be changed at once; a number of ours if absent.
    pub at_once: Option<u64>,
}

/// Which clusters in scope are meant: those that fit all that is stated, and every one if nothing is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Tags that a cluster must carry, all of them.
    pub tags: BTreeMap<String, String>,
    /// Subscriptions and resource groups; a cluster fits that lies in one of them or is named by its id.
    pub scopes: Vec<Scope>,
    /// Clusters by id.
    pub ids: Vec<ResourceId>,
}

/// The Defender sensor in the clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct DefenderSensor {
    /// Who sees that it runs.
    pub mode: Mode,
    /// The Log Analytics workspaces that it reports to, by region in lower case without blanks.
    pub workspaces: BTreeMap<String, ResourceId>,
    /// Whether images with findings are refused; stays as it is if absent.
    pub security_gating: Option<bool>,
}

/// AKS deployment safeguards: Azure's own set of rules for a cluster, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Safeguards {
    /// Who sees to them.
    pub mode: Mode,
    /// Whether what breaks a rule is refused, and mutated where Azure can; else its author is warned.
    pub enforce: bool,
    /// The pod security standard that is kept; stays as it is if absent.
    pub pod_security: Option<PodSecurity>,
    /// Namespaces that are left out, besides those of Azure; stay as they are if absent.
    pub exclude_namespaces: Option<Vec<String>>,
}

impl Safeguards {
    /// Returns Azure's word for the level.
    pub fn level(&self) -> &'static str {
        if self.enforce { "Enforce" } else { "Warn" }
    }
}

/// A Kubernetes pod security standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodSecurity {
    /// Nothing is held back.
    Privileged,
    /// Known escalations are.
    Baseline,
    /// Hardened pods only.
    Restricted,
}

impl PodSecurity {
    /// Returns Azure's word for the standard.
    pub fn name(self) -> &'static str {
        match self {
            PodSecurity::Privileged => "Privileged",
            PodSecurity::Baseline => "Baseline",
            PodSecurity::Restricted => "Restricted",
        }
    }
}

impl Selection {
    /// Returns whether a cluster is meant. Tag names are compared without case, values with it, as Azure does.
    pub fn takes(&self, id: &ResourceId, tags: &BTreeMap<String, String>) -> bool {
        let tagged = self.tags.iter().all(|(key, value)| {
            tags.iter()
                .any(|(tag, found)| tag.eq_ignore_ascii_case(key) && found == value)
        });
        let placed = self.scopes.is_empty() && self.ids.is_empty()
            || self.scopes.iter().any(|scope| id.is_within(&scope.path()))
            || self.ids.contains(id);
        tagged && placed
    }
}

/// The content of a gate.
#[derive(Clone, Debug, PartialEq)]
pub enum Initiative {
    /// A built-in policy set definition.
    BuiltIn {
        /// Its name, a GUID in lower case.
        id: String,
        /// The pin `x.y.*` or `x.*.*`.
        version: String,
    },
    /// A policy set definition of our own.
    Own {
        /// What it is called in the portal, at most 128 characters.
        display_name: String,
        /// What it is for, at most 512 characters; may be empty.
        description: String,
        /// What its members are for.
        kind: InitiativeKind,
        /// Its members in the order of the file.
        members: Vec<Member>,
    },
    /// A gate of Defender for Containers, which has no assignment: its switch is a part of the plan, its rules are elsewhere.
    Defender {
        /// What it is called, at most 128 characters.
        display_name: String,
        /// What it is for, at most 512 characters; may be empty.
        description: String,
    },
}

/// A pattern of incident that a gate prevents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Incident {
    /// Privileged or otherwise risky pods.
    RiskyPods,
    /// Images that nobody vouches for.
    UntrustedImages,
    /// Every pod reaches every other.
    FlatNetwork,
    /// Services that the internet reaches.
    PublicExposure,
    /// An attack on what runs already.
    RunTimeThreat,
    /// A gate that is open and nobody knows.
    SilentDrift,
    /// A workload that takes a node with it.
    ExhaustedNodes,
}

impl Incident {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Incident; 7] = [
        Incident::RiskyPods,
        Incident::UntrustedImages,
        Incident::FlatNetwork,
        Incident::PublicExposure,
        Incident::RunTimeThreat,
        Incident::SilentDrift,
        Incident::ExhaustedNodes,
    ];

    /// Returns the word for it in an initiative's file.
    pub fn name(self) -> &'static str {
        match self {
            Incident::RiskyPods => "risky-pods",
            Incident::UntrustedImages => "untrusted-images",
            Incident::FlatNetwork => "flat-network",
            Incident::PublicExposure => "public-exposure",
            Incident::RunTimeThreat => "run-time-threat",
            Incident::SilentDrift => "silent-drift",
            Incident::ExhaustedNodes => "exhausted-nodes",
        }
    }

    /// Returns what a person calls it.
    pub fn title(self) -> &'static str {
        match self {
            Incident::RiskyPods => "Privileged or risky pods",
            Incident::UntrustedImages => "Untrusted images",
            Incident::FlatNetwork => "Flat network",
            Incident::PublicExposure => "Public exposure",
            Incident::RunTimeThreat => "Threat at run time",
            Incident::SilentDrift => "Silent drift",
            Incident::ExhaustedNodes => "Exhausted nodes",
        }
    }
}

/// What people should know before they close a gate with an initiative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide {
    /// The incidents that it prevents.
    pub incidents: Vec<Incident>,
    /// What it typically breaks; may be empty.
    pub breaks: String,
    /// How to roll it out; may be empty.
    pub roll_out: String,
}

/// A member of a policy set definition of our own.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The policyDefinitionReferenceId.
    pub reference_id: String,
    /// The policy definition.
    pub definition: MemberDefinition,
    /// Parameters of the definition with a fixed value.
    pub parameters: BTreeMap<String, Value>,
    /// Parameters of the definition that the set shows under a name of its own: definition's parameter -> set's parameter.
    /// Two members may show theirs under one name; they then share the value. Those that gates give as lists of images are among
    /// them: a gate's value is the regular expression already.
    pub expose: BTreeMap<String, String>,
    /// The names in the set of those that gates give as lists of images.
    pub images: BTreeSet<String>,
}

impl Member {
    /// Returns what is known of its definition; none for a built-in one that the catalogue does not have.
    pub fn facts<'a>(&self, catalog: &'a Catalog) -> Option<Cow<'a, VersionFacts>> {
        match &self.definition {
            MemberDefinition::BuiltIn { name, version } => {
                let definition = catalog.definition(name)?;
                let pinned = VersionPin::parse(version).and_then(|pin| definition.at(&pin).facts());
                Some(Cow::Borrowed(pinned.unwrap_or(definition.current())))
            }
            MemberDefinition::Rule(rule) => Some(Cow::Owned(rule.facts())),
        }
    }

    /// Returns whether the member deploys the Defender plan `Containers`: a definition that can, with an effect that does, which an
    /// initiative of kind enablement sets itself.
    pub fn deploys_defender_plan(&self, kind: InitiativeKind) -> bool {
        let effect = self.parameters.get("effect").and_then(Value::as_str);
        let acts = effect.map_or(kind == InitiativeKind::Enablement, |effect| {
            effect.eq_ignore_ascii_case("DeployIfNotExists")
        });
        let writes = self
            .definition
            .built_in()
            .is_some_and(|name| DEFENDER_PLAN_WRITERS.contains(&name));
        writes && (acts || self.expose.contains_key("effect"))
    }
}

/// The policy definition of a member.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberDefinition {
    /// A built-in one.
    BuiltIn {
        /// Its name, a GUID in lower case.
        name: String,
        /// The pin `x.y.*` or `x.*.*`.
        version: String,
    },
    /// A rule of our own.
    Rule(Box<Rule>),
}

impl MemberDefinition {
    /// Returns the name of a built-in definition; none for a rule of our own.
    pub fn built_in(&self) -> Option<&str> {
        match self {
            MemberDefinition::BuiltIn { name, .. } => Some(name),
            MemberDefinition::Rule(_) => None,
        }
    }
}
