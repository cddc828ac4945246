//! The settings of clusters: what an environment says of them, and what of it cannot be.

use super::content::Content;
use super::crossing::contains;
use super::draft::{EnvironmentDraft, read_mode};
use super::estate::{
    Cloud, Clusters, DefenderSensor, Initiative, InitiativeKind, Mode, PodSecurity, Safeguards, Selection,
};
use super::rollout::{coverage, ignored_twice};
use super::walk::{Fields, Spanned, Value, list};
use crate::catalog::{Catalog, Mapping, VersionFacts};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::{Effect, ResourceId, Scope, Stage};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What an environment says of its clusters, with the places that messages point to.
pub(super) struct ClustersDraft {
    /// The place of the key `clusters`.
    pub span: Span,
    pub value: Clusters,
    /// The place of `select`, if it says nothing.
    empty_selection: Option<Span>,
    scopes: Vec<Spanned<Scope>>,
    ids: Vec<Spanned<ResourceId>>,
    foreign: Vec<Spanned<ResourceId>>,
    addon: Option<Span>,
    sensor: Option<Span>,
    gating: Option<Span>,
    safeguards: Option<Span>,
    arc: Option<Span>,
    ignored: Vec<Spanned<ResourceId>>,
    at_once: Option<Span>,
}

impl ClustersDraft {
    /// Reads the mapping at `clusters`.
    pub fn read(fields: &Fields<'_>, span: Span) -> ClustersDraft {
        let nothing = Fields::default();
        let select = fields.fields("select").unwrap_or(&nothing);
        let scopes = texts(select, "scopes", Scope::parse);
        let ids = texts(select, "ids", ResourceId::parse);
        let foreign = texts(fields, "foreignGatekeeper", ResourceId::parse);
        let says_nothing = !["tags", "scopes", "ids"].into_iter().any(|key| select.says(key));
        let value = Clusters {
            policy_addon: fields.fields("policyAddon").and_then(read_mode),
            defender_sensor: fields.fields("defenderSensor").and_then(read_sensor),
            safeguards: fields.fields("safeguards").and_then(read_safeguards),
            arc_policy_extension: fields
                .fields("arc")
                .and_then(|arc| arc.fields("policyExtension"))
                .and_then(read_mode),
            select: Selection {
                tags: map(select, "tags", |text| Some(text.to_owned())),
                scopes: scopes.iter().map(|scope| scope.value.clone()).collect(),
                ids: ids.iter().map(|id| id.value.clone()).collect(),
            },
            coverage: coverage(fields),
            fleet_above: fields.number("fleetAbove"),
            at_once: fields.number("atOnce"),
            foreign_gatekeeper: foreign.iter().map(|id| id.value.clone()).collect(),
        };
        let sensor = fields.fields("defenderSensor");
        ClustersDraft {
            span,
            value,
            empty_selection: fields.key_span("select").filter(|_| says_nothing),
            scopes,
            ids,
            foreign,
            addon: fields.key_span("policyAddon"),
            sensor: fields.key_span("defenderSensor"),
            safeguards: fields.key_span("safeguards"),
            arc: fields.key_span("arc"),
            ignored: super::rollout::ignored(fields),
            at_once: fields.key_span("atOnce"),
            gating: sensor.and_then(|sensor| sensor.key_span("securityGating")),
        }
    }
}

fn read_sensor(fields: &Fields<'_>) -> Option<DefenderSensor> {
    Some(DefenderSensor {
        mode: read_mode(fields)?,
        workspaces: map(fields, "workspace", ResourceId::parse),
        security_gating: fields.boolean("securityGating"),
    })
}

fn read_safeguards(fields: &Fields<'_>) -> Option<Safeguards> {
    let words = [PodSecurity::Privileged, PodSecurity::Baseline, PodSecurity::Restricted];
    let pod_security = fields
        .text("podSecurity")
        .and_then(|text| words.into_iter().find(|word| word.name() == text.value));
    let excluded = texts(fields, "excludeNamespaces", |name| Some(name.to_owned()));
    Some(Safeguards {
        mode: read_mode(fields)?,
        enforce: fields.text("level")?.value == "Enforce",
        pod_security,
        exclude_namespaces: fields
            .key_span("excludeNamespaces")
            .map(|_| excluded.into_iter().map(|name| name.value).collect()),
    })
}

fn texts<T>(fields: &Fields<'_>, key: &str, read: fn(&str) -> Option<T>) -> Vec<Spanned<T>> {
    let texts = fields.list(key).iter().filter_map(|item| match &item.value {
        Value::Text(text) => text.and_then(read),
        _ => None,
    });
    texts.collect()
}

fn map<T>(fields: &Fields<'_>, key: &str, read: fn(&str) -> Option<T>) -> BTreeMap<String, T> {
    let entries = fields.map(key).iter().filter_map(|(name, value)| match &value.value {
        Value::Text(text) => Some((name.value.to_owned(), read(text.value)?)),
        _ => None,
    });
    entries.collect()
}

/// The first api-version of managedClusters that knows `securityProfile.defender.securityGating`.
const SECURITY_GATING: &str = "2026-05-01";

/// Returns whether clusters are spoken to with an api-version that knows `securityGating`; `version` is the one that an estate
/// names, if it names one.
pub fn knows_security_gating(cloud: Cloud, version: Option<&str>) -> bool {
    match version {
        // A preview of the same day came before.
        Some(version) => version >= SECURITY_GATING && version.strip_suffix("-preview") != Some(SECURITY_GATING),
        None => cloud == Cloud::Public,
    }
}

/// A feature of clusters that several writers may want.
struct Feature {
    /// Its key below `clusters`.
    key: &'static str,
    name: &'static str,
    /// The built-in definition that deploys it.
    definition: &'static str,
}

const ADDON: Feature = Feature {
    key: "policyAddon",
    name: "the Azure Policy add-on",
    definition: "a8eff44f-8c92-45c3-a3fb-9880802d67a7",
};
const SENSOR: Feature = Feature {
    key: "defenderSensor",
    name: "the Defender sensor",
    definition: "64def556-fbad-4622-930e-72d1d5589bf5",
};

const ARC_EXTENSION: Feature = Feature {
    key: "policyExtension",
    name: "the Azure Policy extension",
    definition: "0adc5395-9169-4b9b-8687-af838d69410a",
};

/// Reports what an environment says of its clusters and cannot be.
pub(super) fn check(
    environment: &EnvironmentDraft<'_>,
    contents: &BTreeMap<&str, Content<'_>>,
    catalog: Option<&Catalog>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(clusters) = &environment.clusters else { return };
    let file = environment.file;
    if let Some(span) = clusters.empty_selection {
        let error = Diagnostic::error("missing key", file, span, "it has none of `tags`, `scopes`, `ids`");
        diagnostics.push(error.hint("remove `select` to mean every cluster in scope"));
    }
    if let Some(span) = clusters.at_once.filter(|_| clusters.value.at_once == Some(0)) {
        let error = Diagnostic::error("out of range", file, span, "no cluster could ever be changed");
        diagnostics.push(error.hint("write 1 or more; with `mode: require` nothing is written"));
    }
    ignored_twice(file, &clusters.ignored, diagnostics);
    if let Some(scope) = &environment.scope {
        outside(file, &scope.value, clusters, diagnostics);
    }
    let modes = [
        (&ARC_EXTENSION, clusters.arc, clusters.value.arc_policy_extension),
        (&ADDON, clusters.addon, clusters.value.policy_addon),
        (
            &SENSOR,
            clusters.sensor,
            clusters.value.defender_sensor.as_ref().map(|sensor| sensor.mode),
        ),
    ];
    for (feature, span, mode) in modes {
        // Without a catalogue it is not known which gates deploy.
        if let (Some(span), Some(mode), Some(catalog)) = (span, mode, catalog) {
            let gates = deployers(environment, contents, catalog, feature.definition);
            writers(file, feature, (span, mode), &gates, diagnostics);
        }
    }
    if let (Some(span), Some(sensor)) = (clusters.sensor, &clusters.value.defender_sensor) {
        check_sensor(environment, span, sensor, diagnostics);
        gating(environment, clusters, diagnostics);
    }
    if let (Some(span), Some(cloud)) = (clusters.safeguards, environment.cloud)
        && cloud != Cloud::Public
    {
        let label = format!("cloud `{}` is not known to have deployment safeguards", cloud.name());
        let error = Diagnostic::error("no safeguards in this cloud", file, span, label);
        diagnostics.push(error.hint("remove `safeguards`, and take a gate of pod security"));
    }
}

/// Reports scopes and clusters that do not lie in the environment's scope, as far as that is known offline.
fn outside(file: &str, scope: &Scope, clusters: &ClustersDraft, diagnostics: &mut Vec<Diagnostic>) {
    if matches!(scope, Scope::ManagementGroup(_)) {
        return;
    }
    let scopes = clusters
        .scopes
        .iter()
        .filter_map(|inner| Some((inner.span, ResourceId::parse(&inner.value.path())?)));
    let ids = clusters.ids.iter().chain(&clusters.foreign);
    let ids = ids.map(|id| (id.span, id.value.clone()));
    for (span, id) in scopes.chain(ids) {
        if !id.is_within(&scope.path()) {
            let label = format!("it does not lie in the scope `{scope}`");
            let error = Diagnostic::error("outside the environment's scope", file, span, label);
            diagnostics.push(error.hint("state it in an environment whose scope holds it"));
        }
    }
}

/// Reports two writers of one feature, and a feature that nobody writes though an assignment is to.
fn writers(
    file: &str,
    feature: &Feature,
    (span, mode): (Span, Mode),
    gates: &[&str],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Feature { key, name, definition } = feature;
    match (mode, gates) {
        (Mode::Manage, [_, ..]) => {
            let label = format!("{} deploys {name} too", list(gates.iter().copied()));
            let error = Diagnostic::error("two writers of one feature", file, span, label);
            diagnostics.push(error.hint(format!(
                "set `{key}: {{mode: policy}}` to leave it to the gate, or do without the gate's member with definition {definition}"
            )));
        }
        (Mode::Policy, []) => {
            let label = format!("no gate of this environment deploys {name}");
            let warning = Diagnostic::error("nothing deploys it", file, span, label).warning();
            diagnostics.push(warning.hint(format!(
                "add a gate whose initiative has a member with definition {definition} and `effect: DeployIfNotExists`, unless an assignment of somebody else does it"
            )));
        }
        _ => {}
    }
}

/// Returns the gates that deploy what a definition deploys.
fn deployers<'a>(
    environment: &'a EnvironmentDraft<'_>,
    contents: &BTreeMap<&str, Content<'_>>,
    catalog: &Catalog,
    definition: &str,
) -> Vec<&'a str> {
    let Some(facts) = catalog.definition(definition).map(|definition| definition.current()) else {
        return Vec::new();
    };
    let on = environment
        .gates
        .iter()
        .filter(|gate| gate.target.as_ref().is_some_and(|target| target.value != Stage::Off));
    let found = on.filter(|gate| {
        let content = gate.initiative.and_then(|initiative| contents.get(initiative.value));
        let Some(initiative) = content.and_then(|content| content.initiative.as_ref()) else {
            return false;
        };
        // What a parameter of the set comes to: the gate's value, or the default.
        let shown = |name: &str, default: Option<&Json>| {
            let given = gate.parameters.iter().find(|(given, _)| given.value == name);
            given.map_or_else(|| default.cloned(), |(_, node)| super::parameters::value(node))
        };
        effects(initiative, facts, definition, catalog, &shown)
            .iter()
            .any(|effect| effect.as_str().and_then(Effect::parse) == Some(Effect::DeployIfNotExists))
    });
    found.map(|gate| gate.name.value).collect()
}

/// Returns the effects of the members with a definition; `shown` says what a parameter of the set comes to.
fn effects(
    initiative: &Initiative,
    facts: &VersionFacts,
    definition: &str,
    catalog: &Catalog,
    shown: &dyn Fn(&str, Option<&Json>) -> Option<Json>,
) -> Vec<Json> {
    let parameter = facts.effect_parameter.as_deref().unwrap_or("effect");
    let default = facts
        .parameters
        .get(parameter)
        .and_then(|parameter| parameter.default.as_ref());
    match initiative {
        Initiative::Own { kind, members, .. } => {
            // What a member comes to that says nothing (`render::set_content`).
            let unstated = match kind {
                InitiativeKind::Enablement => facts.acting_effect().map(Json::from),
                InitiativeKind::Admission => None,
            };
            let members = members
                .iter()
                .filter(|member| member.definition.built_in() == Some(definition));
            let effect = members.filter_map(|member| match member.expose.get(parameter) {
                Some(name) => shown(name, default),
                None => member.parameters.get(parameter).cloned().or_else(|| unstated.clone()),
            });
            effect.collect()
        }
        Initiative::Defender { .. } => Vec::new(),
        Initiative::BuiltIn { id, version } => {
            let Some(set) = catalog.initiative(id) else {
                return Vec::new();
            };
            let set = set.facts_at(version);
            let members = set.members.iter().filter(|member| member.definition == definition);
            let effect = members.filter_map(|member| match member.mapping(parameter) {
                Mapping::Value(value) => Some(value.clone()),
                Mapping::SetParameter(name) => shown(
                    name,
                    set.parameters
                        .get(name)
                        .and_then(|parameter| parameter.default.as_ref()),
                ),
                // What an expression comes to is not known here; the worse is that it deploys.
                Mapping::Expression(_) => Some(Json::from("DeployIfNotExists")),
                Mapping::Default => default.cloned(),
            });
            effect.collect()
        }
    }
}

fn check_sensor(
    environment: &EnvironmentDraft<'_>,
    span: Span,
    sensor: &DefenderSensor,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let file = environment.file;
    if environment.cloud == Some(Cloud::China) {
        let label = "Azure operated by 21Vianet retired Defender for Cloud on 2026-08-18";
        let error = Diagnostic::error("no Defender in this cloud", file, span, label);
        diagnostics.push(error.hint("remove `defenderSensor` from this environment"));
        return;
    }
    if sensor.mode == Mode::Manage && sensor.workspaces.is_empty() {
        let label = "a sensor needs a workspace to report to, and none is named";
        let error = Diagnostic::error("missing key", file, span, label);
        diagnostics.push(error.hint("name one for each region: `workspace: {westeurope: ID}`"));
    }
    let plan = environment
        .defender
        .as_ref()
        .and_then(|defender| defender.containers.as_ref());
    let provisions = plan.is_some_and(|plan| {
        plan.mode == Mode::Manage && plan.standard && plan.extensions.get("ContainerSensor") == Some(&true)
    });
    if sensor.mode == Mode::Manage && provisions {
        let label =
            "the plan's extension `ContainerSensor` puts a sensor into every cluster of the subscription by itself";
        let error = Diagnostic::error("two writers of one feature", file, span, label);
        diagnostics.push(
            error
                .hint("let the plan do it: set `defenderSensor: {mode: require}`, which checks the clusters and never writes")
                .hint("or let aksgate do it, each cluster with its own workspace: set `ContainerSensor: false` under `defender.containers.extensions`")
                .hint("or let Azure Policy do it: set `defenderSensor: {mode: policy}` and `ContainerSensor: false`"),
        );
    }
}

/// Reports `securityGating` where clusters are spoken to with an api-version that does not know it: Azure would drop it unseen.
fn gating(environment: &EnvironmentDraft<'_>, clusters: &ClustersDraft, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(span), Some(cloud)) = (clusters.gating, environment.cloud) else {
        return;
    };
    let version = environment
        .api_versions
        .get("Microsoft.ContainerService/managedClusters");
    if knows_security_gating(cloud, version.map(String::as_str)) {
        return;
    }
    let label = format!("api-version {SECURITY_GATING} of managedClusters is the first that knows it");
    let error = Diagnostic::error("unknown to this api-version", environment.file, span, label);
    diagnostics.push(error.hint(format!(
        "remove it, or state `apiVersions: {{Microsoft.ContainerService/managedClusters: {SECURITY_GATING}}}` if cloud `{}` has it",
        cloud.name()
    )));
}

/// Reports features of clusters that two environments write; the later file of two gets the message.
pub(super) fn between(one: &EnvironmentDraft<'_>, two: &EnvironmentDraft<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(clusters), Some(others)) = (&two.clusters, &one.clusters) else {
        return;
    };
    let meet = one
        .scope
        .as_ref()
        .zip(two.scope.as_ref())
        .is_some_and(|(one, two)| contains(&one.value, &two.value));
    if !meet || disjoint(&clusters.value.select, &others.value.select) {
        return;
    }
    let sensor = |clusters: &Clusters| clusters.defender_sensor.as_ref().map(|sensor| sensor.mode);
    let features = [
        (
            "two writers of the policy add-on",
            "the add-on",
            "policyAddon",
            [clusters, others].map(|clusters| clusters.value.policy_addon),
        ),
        (
            "two writers of the deployment safeguards",
            "the safeguards",
            "safeguards",
            [clusters, others].map(|clusters| clusters.value.safeguards.as_ref().map(|safeguards| safeguards.mode)),
        ),
        (
            "two writers of the policy extension",
            "the extension",
            "arc",
            [clusters, others].map(|clusters| clusters.value.arc_policy_extension),
        ),
        (
            "two writers of the Defender sensor",
            "the sensor",
            "defenderSensor",
            [clusters, others].map(|clusters| sensor(&clusters.value)),
        ),
    ];
    for (summary, what, key, modes) in features {
        if modes == [Some(Mode::Manage); 2] {
            let line = others.span.line;
            let label = format!("{} manages {what} of the same clusters, on line {line}", one.file);
            let error = Diagnostic::error(summary, two.file, clusters.span, label);
            diagnostics.push(error.hint(format!(
                "set `{key}: {{mode: require}}` in one of the two, or select different clusters by tags"
            )));
        }
    }
}

/// Returns whether two selections cannot take the same cluster, as far as that is known offline. Different tags are taken as
/// meant to be different clusters.
fn disjoint(one: &Selection, two: &Selection) -> bool {
    let tags = !one.tags.is_empty() && !two.tags.is_empty() && one.tags != two.tags;
    let places = |selection: &Selection| -> Vec<ResourceId> {
        let scopes = selection
            .scopes
            .iter()
            .filter_map(|scope| ResourceId::parse(&scope.path()));
        scopes.chain(selection.ids.iter().cloned()).collect()
    };
    let (one, two) = (places(one), places(two));
    let meet = |one: &ResourceId, two: &ResourceId| one.is_within(two.as_str()) || two.is_within(one.as_str());
    let apart = !one.is_empty() && !two.is_empty() && !one.iter().any(|one| two.iter().any(|two| meet(one, two)));
    tags || apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gating_is_known_from_its_first_stable_version_on() {
        assert!(knows_security_gating(Cloud::Public, None));
        assert!(!knows_security_gating(Cloud::UsGov, None));
        let known = |version| knows_security_gating(Cloud::UsGov, Some(version));
        assert!(known("2026-05-01") && known("2026-08-01"));
        assert!(!known("2026-05-01-preview") && !known("2026-04-01") && !known("2024-09-01"));
    }

    #[test]
    fn selections_meet_unless_tags_or_places_keep_them_apart() {
        let group = |name: &str| Scope::ResourceGroup("s".into(), name.into());
        let select = |tag: &str, scopes: &[Scope]| Selection {
            tags: (!tag.is_empty())
                .then(|| ("t".to_owned(), tag.to_owned()))
                .into_iter()
                .collect(),
            scopes: scopes.to_vec(),
            ids: Vec::new(),
        };
        let whole = [Scope::Subscription("s".into())];
        assert!(!disjoint(&select("", &[]), &select("", &[])));
        assert!(!disjoint(&select("a", &[]), &select("", &[])));
        assert!(disjoint(&select("a", &[]), &select("b", &[])));
        assert!(disjoint(&select("", &[group("a")]), &select("", &[group("ab")])));
        assert!(!disjoint(&select("", &[group("a")]), &select("", &whole)));
        assert!(!disjoint(&select("", &[group("a")]), &select("", &[])));
    }
}
