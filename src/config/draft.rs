//! What the files say, typed and with its places, before the checks across files.
//!
//! A part that is wrong is absent here: its mistake is told already.

use super::clusters::ClustersDraft;
use super::content::Content;
use super::estate::{
    Cloud, DefenderContainers, Environment, Exemption, ExemptionCategory, Gate, Guide, Incident, InitiativeKind, Mode,
};
use super::format::{definition_name, moment, set_definition_name};
use super::parameters;
use super::rollout::RolloutDraft;
use super::walk::{Fields, Spanned, Value};
use super::{images, keys};
use crate::catalog::VersionPin;
use crate::diagnostic::Span;
use crate::model::{Limits, Percent, Period, ResourceId, Scope, Stage, Timestamp};
use crate::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};

/// The name of a parameter and the value it is given.
pub(super) type Given<'a> = (Spanned<&'a str>, &'a Node);

const SOAK: Period = Period::from_seconds(7 * 86_400);
/// How long before its end an exemption is warned of if nothing is said.
pub(super) const EXPIRY_WARNING: Period = Period::from_seconds(14 * 86_400);

/// What aksgate.yaml says.
#[derive(Default)]
pub(super) struct EstateDraft<'a> {
    pub owner: Option<String>,
    pub cloud: Option<Cloud>,
    pub tenant: Option<String>,
    pub exclude_namespaces: Vec<Spanned<&'a str>>,
    pub expiry_warning: Option<Period>,
    pub api_versions: BTreeMap<String, String>,
}

impl<'a> EstateDraft<'a> {
    pub fn read(fields: &Fields<'a>) -> EstateDraft<'a> {
        let nothing = Fields::default();
        let defaults = fields.fields("defaults").unwrap_or(&nothing);
        EstateDraft {
            owner: fields.text("owner").map(|owner| owner.value.to_owned()),
            cloud: defaults.text("cloud").and_then(|cloud| read_cloud(cloud.value)),
            tenant: defaults.text("tenant").map(|tenant| tenant.value.to_ascii_lowercase()),
            exclude_namespaces: texts(defaults, "excludeNamespaces"),
            expiry_warning: defaults
                .text("expiryWarning")
                .and_then(|text| Period::parse(text.value)),
            api_versions: api_versions(defaults),
        }
    }
}

/// What an environment's file says, defaults filled in.
pub(super) struct EnvironmentDraft<'a> {
    pub name: &'a str,
    pub file: &'a str,
    pub complete: bool,
    /// Where a message about the whole file points; none if there is nothing in it.
    pub start: Option<Span>,
    pub cloud: Option<Cloud>,
    pub tenant: Option<String>,
    pub says_cloud: bool,
    pub says_tenant: bool,
    pub scope: Option<Spanned<Scope>>,
    pub definition_scope: Option<Spanned<Scope>>,
    pub location: Option<Spanned<&'a str>>,
    pub says_location: bool,
    pub rollout: RolloutDraft<'a>,
    limits: Limits,
    pub gates: Vec<GateDraft<'a>>,
    pub exemptions: Vec<ExemptionDraft<'a>>,
    pub defender: Option<DefenderDraft<'a>>,
    pub clusters: Option<ClustersDraft>,
    pub api_versions: BTreeMap<String, String>,
}

/// What an environment says of a gate.
pub(super) struct GateDraft<'a> {
    pub name: Spanned<&'a str>,
    pub initiative: Option<Spanned<&'a str>>,
    pub target: Option<Spanned<Stage>>,
    /// What the target is called, as written.
    pub target_name: Option<&'a str>,
    pub soak: Period,
    pub max_violations: u64,
    /// The place of the key `excludeNamespaces`.
    pub excludes: Option<Span>,
    pub exclude_namespaces: Vec<Spanned<&'a str>>,
    pub parameters: Vec<Given<'a>>,
    pub identity: Option<Spanned<&'a str>>,
    pub renamed_from: Option<Spanned<&'a str>>,
    /// All its keys, with their places.
    pub keys: Vec<(&'static str, Span)>,
}

/// What an environment says of Defender.
pub(super) struct DefenderDraft<'a> {
    pub span: Span,
    pub containers: Option<DefenderContainers>,
    /// The place of the key `extensions`.
    pub extensions_span: Option<Span>,
    pub extensions: Vec<(Spanned<&'a str>, bool)>,
    /// The properties of extensions, each with its own places.
    pub properties: Vec<(Spanned<&'a str>, Vec<Spanned<&'a str>>)>,
    /// The place of the key `enforce`.
    pub enforce: Option<Span>,
}

impl<'a> EnvironmentDraft<'a> {
    pub fn read(
        file: &'a str,
        name: &'a str,
        complete: bool,
        fields: &Fields<'a>,
        estate: &EstateDraft<'_>,
    ) -> EnvironmentDraft<'a> {
        let scope = |key| fields.text(key).and_then(|text| text.and_then(Scope::parse));
        let defender = fields.fields("defender").zip(fields.key_span("defender"));
        let clusters = fields.fields("clusters").zip(fields.key_span("clusters"));
        EnvironmentDraft {
            name,
            file,
            complete,
            start: fields.start(),
            cloud: fields
                .text("cloud")
                .and_then(|cloud| read_cloud(cloud.value))
                .or(estate.cloud),
            tenant: fields
                .text("tenant")
                .map(|tenant| tenant.value.to_ascii_lowercase())
                .or_else(|| estate.tenant.clone()),
            says_cloud: fields.says("cloud"),
            says_tenant: fields.says("tenant"),
            scope: scope("scope"),
            definition_scope: scope("definitionScope"),
            location: fields.text("location"),
            says_location: fields.says("location"),
            rollout: RolloutDraft::read(fields),
            limits: limits(fields),
            gates: fields
                .map("gates")
                .iter()
                .filter_map(|(name, gate)| GateDraft::read(*name, &gate.value))
                .collect(),
            defender: defender.map(|(defender, span)| DefenderDraft::read(defender, span)),
            exemptions: fields
                .list("exemptions")
                .iter()
                .filter_map(|exemption| ExemptionDraft::read(exemption.span, &exemption.value))
                .collect(),
            clusters: clusters.map(|(clusters, span)| ClustersDraft::read(clusters, span)),
            api_versions: {
                let mut versions = estate.api_versions.clone();
                versions.extend(api_versions(fields));
                versions
            },
        }
    }

    /// Returns where definitions stand: what the file says, or what follows from the scope.
    pub fn effective_definition_scope(&self) -> Option<Spanned<Scope>> {
        let derived = || {
            self.scope.as_ref().map(|scope| Spanned {
                value: scope.value.definition_scope(),
                span: scope.span,
            })
        };
        self.definition_scope.clone().or_else(derived)
    }

    /// Returns the environment; none if something in it is wrong.
    pub fn finish(self, everywhere: &[Spanned<&str>], contents: &BTreeMap<&str, Content<'_>>) -> Option<Environment> {
        let definition_scope = self.effective_definition_scope()?.value;
        let gates: Option<BTreeMap<String, Gate>> = self
            .gates
            .into_iter()
            .map(|gate| Some((gate.name.value.to_owned(), gate.finish(everywhere, contents)?)))
            .collect();
        let gates = gates?;
        let defender = match self.defender {
            Some(defender) => Some(super::defender::with_gates(defender.containers?, &gates, contents)),
            None => None,
        };
        Some(Environment {
            name: self.name.to_owned(),
            cloud: self.cloud?,
            tenant: self.tenant?,
            scope: self.scope?.value,
            definition_scope,
            location: self.location.map(|location| location.value.to_owned()),
            rollout: self.rollout.finish()?,
            limits: self.limits,
            gates,
            exemptions: self
                .exemptions
                .into_iter()
                .map(ExemptionDraft::finish)
                .collect::<Option<_>>()?,
            defender,
            clusters: self.clusters.map(|clusters| clusters.value),
            api_versions: self.api_versions,
        })
    }
}

impl<'a> GateDraft<'a> {
    fn read(name: Spanned<&'a str>, value: &Value<'a>) -> Option<GateDraft<'a>> {
        let Value::Fields(fields) = value else { return None };
        Some(GateDraft {
            name,
            initiative: fields.text("initiative"),
            target: fields.text("target").and_then(|target| target.and_then(read_stage)),
            target_name: fields.text("target").map(|target| target.value),
            soak: fields
                .text("soak")
                .and_then(|soak| Period::parse(soak.value))
                .unwrap_or(SOAK),
            max_violations: fields.number("maxViolations").unwrap_or(0),
            excludes: fields.key_span("excludeNamespaces"),
            exclude_namespaces: texts(fields, "excludeNamespaces"),
            parameters: given(fields),
            identity: fields.text("identity"),
            renamed_from: fields.text("renamedFrom"),
            keys: fields.keys().collect(),
        })
    }

    fn finish(self, everywhere: &[Spanned<&str>], contents: &BTreeMap<&str, Content<'_>>) -> Option<Gate> {
        let initiative = self.initiative?.value;
        let mut exclude_namespaces: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        if contents.get(initiative)?.excludes_namespaces {
            let own = self.exclude_namespaces.iter().map(|name| name.value);
            for name in everywhere.iter().map(|name| name.value).chain(own) {
                if seen.insert(name) {
                    exclude_namespaces.push(name.to_owned());
                }
            }
        }
        Some(Gate {
            name: self.name.value.to_owned(),
            initiative: initiative.to_owned(),
            target: self.target?.value,
            soak: self.soak,
            max_violations: self.max_violations,
            exclude_namespaces,
            parameters: self.values(contents.get(initiative)?)?,
            identity: self.identity.map(|identity| identity.value.to_owned()),
            kind: contents.get(initiative)?.kind,
            renamed_from: self.renamed_from.map(|name| name.value.to_owned()),
        })
    }

    /// Returns the values of the parameters as Azure takes them; none if one of them cannot be told.
    fn values(&self, content: &Content<'_>) -> Option<BTreeMap<String, serde_json::Value>> {
        let mut values = parameters::values(&self.parameters)?;
        for (name, value) in &mut values {
            if content.offered.get(name).is_some_and(|offered| offered.images) {
                *value = images::pattern(value)?.into();
            }
        }
        Some(values)
    }
}

/// What an environment says of an exemption.
pub(super) struct ExemptionDraft<'a> {
    /// The place of the whole exemption.
    pub span: Span,
    pub gate: Option<Spanned<&'a str>>,
    pub resource: Option<Spanned<ResourceId>>,
    pub category: Option<ExemptionCategory>,
    pub expires: Option<Timestamp>,
    pub reason: Option<&'a str>,
    pub ticket: Option<&'a str>,
    pub members: Vec<Spanned<&'a str>>,
}

impl<'a> ExemptionDraft<'a> {
    fn read(span: Span, value: &Value<'a>) -> Option<ExemptionDraft<'a>> {
        let Value::Fields(fields) = value else { return None };
        Some(ExemptionDraft {
            span,
            gate: fields.text("gate"),
            resource: fields.text("resource").and_then(|id| id.and_then(ResourceId::parse)),
            category: fields.text("category").and_then(|word| match word.value {
                "Waiver" => Some(ExemptionCategory::Waiver),
                "Mitigated" => Some(ExemptionCategory::Mitigated),
                _ => None,
            }),
            expires: fields.text("expires").and_then(|text| moment(text.value)),
            reason: fields.text("reason").map(|text| text.value),
            ticket: fields.text("ticket").map(|text| text.value),
            members: texts(fields, "members"),
        })
    }

    fn finish(self) -> Option<Exemption> {
        Some(Exemption {
            gate: self.gate?.value.to_owned(),
            resource: self.resource?.value,
            category: self.category?,
            expires: self.expires?,
            reason: self.reason?.to_owned(),
            ticket: self.ticket.map(str::to_owned),
            members: self.members.iter().map(|member| member.value.to_owned()).collect(),
        })
    }
}

/// What an initiative's file says.
pub(super) struct InitiativeDraft<'a> {
    pub name: &'a str,
    pub file: &'a str,
    pub content: ContentDraft<'a>,
    pub guide: Option<Guide>,
}

/// What an initiative is made of.
pub(super) enum ContentDraft<'a> {
    BuiltIn {
        id: Option<Spanned<String>>,
        version: Option<Spanned<VersionPin>>,
    },
    Own {
        display_name: Option<String>,
        description: String,
        kind: InitiativeKind,
        members: Vec<MemberDraft<'a>>,
        /// The place of the key `members`.
        span: Span,
    },
    /// A gate of Defender.
    Defender {
        display_name: Option<String>,
        description: String,
    },
    /// It cannot be told.
    Unknown,
}

/// What an initiative says of a member.
pub(super) struct MemberDraft<'a> {
    /// The place of the whole member.
    pub span: Span,
    pub reference_id: Option<Spanned<&'a str>>,
    pub definition: Option<Spanned<String>>,
    pub version: Option<Spanned<VersionPin>>,
    pub rule: Option<Spanned<&'a str>>,
    pub parameters: Vec<Given<'a>>,
    pub expose: Vec<Exposed<'a>>,
}

/// A parameter of a member that a gate may set.
pub(super) struct Exposed<'a> {
    /// What the definition calls it.
    pub name: Spanned<&'a str>,
    /// What the set calls it.
    pub set_name: Spanned<&'a str>,
    /// Whether a gate gives it as a list of images.
    pub images: bool,
}

impl<'a> InitiativeDraft<'a> {
    pub fn read(file: &'a str, name: &'a str, fields: &Fields<'a>) -> InitiativeDraft<'a> {
        let leads: Vec<&str> = ["builtin", "members", "defender"]
            .into_iter()
            .filter(|lead| fields.says(lead))
            .collect();
        let display_name = || fields.text("displayName").map(|name| name.value.to_owned());
        let description = || {
            let text = fields.text("description");
            text.map_or(String::new(), |text| text.value.to_owned())
        };
        let content = if leads == ["builtin"] {
            ContentDraft::BuiltIn {
                id: fields.text("builtin").and_then(|id| id.and_then(set_definition_name)),
                version: fields.text("version").and_then(|pin| pin.and_then(VersionPin::parse)),
            }
        } else if leads == ["defender"] {
            ContentDraft::Defender {
                display_name: display_name(),
                description: description(),
            }
        } else if leads == ["members"] {
            let members = fields.list("members").iter();
            ContentDraft::Own {
                display_name: display_name(),
                description: description(),
                kind: match fields.text("kind").map(|kind| kind.value) {
                    Some("enablement") => InitiativeKind::Enablement,
                    _ => InitiativeKind::Admission,
                },
                members: members
                    .filter_map(|member| MemberDraft::read(member.span, &member.value))
                    .collect(),
                span: fields.key_span("members").unwrap_or_default(),
            }
        } else {
            ContentDraft::Unknown
        };
        InitiativeDraft {
            name,
            file,
            content,
            guide: fields.fields("guide").map(read_guide),
        }
    }

    /// Returns the rules that its members name, each with the initiative's own name.
    pub fn rules(&self) -> Vec<(String, String)> {
        let members = match &self.content {
            ContentDraft::Own { members, .. } => members.as_slice(),
            _ => &[],
        };
        let rules = members.iter().filter_map(|member| member.rule);
        rules
            .map(|rule| (self.name.to_owned(), rule.value.to_owned()))
            .collect()
    }
}

impl<'a> MemberDraft<'a> {
    fn read(span: Span, value: &Value<'a>) -> Option<MemberDraft<'a>> {
        let Value::Fields(fields) = value else { return None };
        let expose = [("expose", false), ("exposeImages", true)]
            .into_iter()
            .flat_map(|(key, images)| fields.map(key).iter().map(move |entry| (entry, images)))
            .filter_map(|((name, value), images)| match &value.value {
                Value::Text(text) => Some(Exposed {
                    name: *name,
                    set_name: *text,
                    images,
                }),
                _ => None,
            });
        Some(MemberDraft {
            span,
            reference_id: fields.text("ref"),
            definition: fields.text("definition").and_then(|id| id.and_then(definition_name)),
            version: fields.text("version").and_then(|pin| pin.and_then(VersionPin::parse)),
            rule: fields.text("rule"),
            parameters: given(fields),
            expose: expose.collect(),
        })
    }
}

fn api_versions(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let Some(versions) = fields.fields("apiVersions") else {
        return BTreeMap::new();
    };
    keys::api_versioned()
        .filter_map(|name| Some((name.to_owned(), versions.text(name)?.value.to_owned())))
        .collect()
}

pub(super) fn texts<'a>(fields: &Fields<'a>, key: &str) -> Vec<Spanned<&'a str>> {
    let texts = fields.list(key).iter().filter_map(|item| match &item.value {
        Value::Text(text) => Some(*text),
        _ => None,
    });
    texts.collect()
}

fn limits(fields: &Fields<'_>) -> Limits {
    let usual = Limits::default();
    let Some(fields) = fields.fields("limits") else {
        return usual;
    };
    let share = fields.text("share").and_then(|share| Percent::parse(share.value));
    Limits {
        deletes: fields.number("deletes").unwrap_or(usual.deletes),
        replaces: fields.number("replaces").unwrap_or(usual.replaces),
        weakenings: fields.number("weakenings").unwrap_or(usual.weakenings),
        share: share.unwrap_or(usual.share),
    }
}

fn given<'a>(fields: &Fields<'a>) -> Vec<Given<'a>> {
    let given = fields
        .map("parameters")
        .iter()
        .filter_map(|(name, value)| match value.value {
            Value::Parameter(node) => Some((*name, node)),
            _ => None,
        });
    given.collect()
}

fn read_guide(fields: &Fields<'_>) -> Guide {
    let named = texts(fields, "incidents");
    let text = |key| fields.text(key).map_or(String::new(), |text| text.value.to_owned());
    Guide {
        incidents: Incident::ALL
            .into_iter()
            .filter(|incident| named.iter().any(|name| name.value == incident.name()))
            .collect(),
        breaks: text("breaks"),
        roll_out: text("rollOut"),
    }
}

/// The words of every kind of initiative; which fits is checked once the initiative is known.
fn read_stage(text: &str) -> Option<Stage> {
    Stage::parse(text).or_else(|| InitiativeKind::Enablement.stage(text))
}

fn read_cloud(text: &str) -> Option<Cloud> {
    Cloud::parse(text)
}

pub(super) fn read_mode(fields: &Fields<'_>) -> Option<Mode> {
    match fields.text("mode")?.value {
        "manage" => Some(Mode::Manage),
        "require" => Some(Mode::Require),
        "policy" => Some(Mode::Policy),
        _ => None,
    }
}

impl<'a> DefenderDraft<'a> {
    fn read(fields: &Fields<'a>, span: Span) -> DefenderDraft<'a> {
        let nothing = Fields::default();
        let containers = fields.fields("containers").unwrap_or(&nothing);
        let extensions = containers.map("extensions").iter();
        let extensions = extensions.filter_map(|(name, value)| match value.value {
            Value::Boolean(on) => Some((*name, on)),
            _ => None,
        });
        let extensions: Vec<(Spanned<&str>, bool)> = extensions.collect();
        let mut properties = Vec::new();
        let mut values: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (extension, value) in containers.map("extensionProperties") {
            let Value::Map(map) = &value.value else { continue };
            properties.push((*extension, map.iter().map(|(key, _)| *key).collect()));
            let values = values.entry(extension.value.to_owned()).or_default();
            values.extend(map.iter().filter_map(|(key, value)| {
                // Azure takes truth values as texts, in this spelling (built-in policy efd4031d-b232-4595-babf-ae817348e91b).
                let text = match &value.value {
                    Value::Text(text) => text.value.to_owned(),
                    Value::Boolean(true) => "True".to_owned(),
                    Value::Boolean(false) => "False".to_owned(),
                    _ => return None,
                };
                Some((key.value.to_owned(), text))
            }));
        }
        let tier = containers.text("tier");
        DefenderDraft {
            span,
            containers: tier.map(|tier| DefenderContainers {
                mode: read_mode(containers).unwrap_or(Mode::Manage),
                standard: tier.value == "Standard",
                enforce: containers.boolean("enforce"),
                extensions: extensions
                    .iter()
                    .map(|(name, on)| (name.value.to_owned(), *on))
                    .collect(),
                extension_properties: values,
            }),
            extensions_span: containers.key_span("extensions"),
            extensions,
            properties,
            enforce: containers.key_span("enforce"),
        }
    }
}
